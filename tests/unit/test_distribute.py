"""What says which worker a process is, and the arithmetic of several devices in one process."""

import json
import signal

import numpy as np
import pytest

import train
from scribe.training import devices
from scribe.training.cluster import SINGLE_WORKER, read_cluster

import tensorflow as tf  # isort: skip


def tf_config(kind="worker", index=0, **cluster):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


@pytest.mark.parametrize(
    "environ, expected",
    [
        (tf_config(worker=["a:1", "b:2"]), (0, 2, "a:1")),
        (tf_config(index=1, worker=["a:1", "b:2"]), (1, 2, "b:2")),
        (tf_config("chief", chief=["c:1"], worker=["a:1"]), (0, 2, "c:1")),
        (tf_config(index=1, chief=["c:1"], worker=["a:1", "b:2"]), (2, 3, "b:2")),
        (tf_config(index="0", worker=["a:1"]), (0, 1, "a:1")),
    ],
)
def test_the_chief_comes_first_and_the_workers_in_their_order(environ, expected):
    assert read_cluster(environ) == expected


WORKER = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    "text, named",
    [
        (None, "needs the environment variable TF_CONFIG"),
        ("", "needs the environment variable TF_CONFIG"),
        ("{", "has to be JSON"),
        ("[" * 100_000, "has to be JSON"),
        ("[1]", "has to be JSON"),
        ('{"cluster": {"worker": ["a:1"]}}', "'task'"),
        (json.dumps({"cluster": {"worker": 7}, "task": WORKER}), "has to be JSON"),
        (json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": "x"}}), "'x'"),
        (tf_config("ps", ps=["a:1"])["TF_CONFIG"], "task type 'ps'"),
        (tf_config("evaluator", worker=["a:1"])["TF_CONFIG"], "task type 'evaluator'"),
        (tf_config(ps=["a:1"], worker=["b:1"])["TF_CONFIG"], "task type 'ps'"),
        (tf_config(index=2, worker=["a:1", "b:1"])["TF_CONFIG"], "worker 2"),
        (tf_config(index=-1, worker=["a:1", "b:1"])["TF_CONFIG"], "worker -1"),
        (tf_config("chief", worker=["a:1"])["TF_CONFIG"], "chief 0"),
        (tf_config(chief=["a:1", "b:1"], worker=["c:1"])["TF_CONFIG"], "2 chiefs"),
    ],
)
def test_a_wrong_tf_config_ends_with_exit_code_2_and_one_clear_line(text, named, monkeypatch, capsys):
    if text is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", text)
    assert train.main(["--distribute", "multiworker"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: ") and named in line and len(line) < 500


def test_a_strategy_that_is_not_known_is_a_wrong_flag(capsys):
    with pytest.raises(SystemExit) as caught:
        train.parse_args(["--distribute", "horovod"])
    assert caught.value.code == 2 and "--distribute" in capsys.readouterr().err


@pytest.fixture(scope="module")
def mirrored():
    """One device under a strategy."""
    return devices.join("mirrored", SINGLE_WORKER)


def test_alone_a_sum_is_what_is_computed():
    assert devices.ONE_DEVICE.sum(lambda replica: [replica, "x"]) == [0, "x"]
    assert devices.ONE_DEVICE.common_signal(signal.SIGINT) == signal.SIGINT


def test_sums_keep_their_shapes(mirrored):
    parts = [tf.constant(1.5), tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.zeros([0, 3])]
    sums = tf.function(lambda: mirrored.sum(lambda replica: parts))()
    for found, part in zip(sums, parts, strict=True):
        np.testing.assert_array_equal(found, part)


def test_what_the_chief_has_arrives_bit_for_bit_whatever_its_type(mirrored):
    values = [np.float32(0.1), np.float64(np.inf), np.int64(2**55 + 1), np.full([2, 3], 1e-40, np.float32)]
    for value in values:
        (found,) = mirrored._first([tf.constant(value)])
        np.testing.assert_array_equal(found, value)


def test_more_devices_than_lines_in_a_batch_are_refused():
    nine = devices.Devices()
    nine.replicas = 9
    with pytest.raises(ValueError, match="--batch_size 8 has no line for some of the 9 devices"):
        nine.check(train.parse_args(["--batch_size", "8"]), None)
    nine.check(train.parse_args(["--batch_size", "9"]), None)


def test_an_error_of_a_lost_worker_is_told_in_one_line():
    message = "Graph execution error:\n\nDetected at node X\n\nCollective ops is aborted by: Socket closed\nmore"
    line = devices.describe_loss(tf.errors.UnavailableError(None, None, message))
    assert "Collective ops is aborted by: Socket closed" in line and "\n" not in line and "same command" in line
    assert "\n" not in devices.describe_loss(tf.errors.UnavailableError(None, None, ""))
