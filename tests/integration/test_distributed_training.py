"""Training on several devices and machines: the same steps as on one, dying, going on, and who writes what.

The machines are processes here, which find each other on the loopback.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

import train
from data_helpers import write_data
from model_helpers import save_tiny_model
from scribe.files.stroke_file import DATA_FILE, load_strokes
from scripts import train_hand_encoder

import tensorflow as tf  # isort: skip

ROOT = os.path.dirname(os.path.abspath(train.__file__))
# 22 lines to train on: batches of 7, 7, 7 and 1 lines, in some order. Two workers have 3 and 4 of them, and none and 1.
SIZES = ["--rnn_size", "8", "--nmixtures", "2", "--batch_size", "7", "--warmup", "3", "--no_pictures"]
TRAIN = (os.path.join(ROOT, "train.py"),)
LIMIT = 600  # seconds that a process may live; on an idle machine it takes ten

pytestmark = pytest.mark.slow


@pytest.fixture
def start():
    """start(data, folder, *flags, **environment) starts train.py; every process is killed when the test ends."""
    processes = []

    def start(data, folder, *flags, program=TRAIN, **environment):
        os.makedirs(folder, exist_ok=True)
        paths = ["--data_dir", data, "--save_path", folder / "run", "--log_dir", folder / "logs"]
        with open(folder / "stderr", "a") as log:
            process = subprocess.Popen(
                [sys.executable, *program, *map(str, [*paths, *SIZES, *flags])],
                stdout=subprocess.DEVNULL, stderr=log, env={**os.environ, **environment},
            )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


@pytest.fixture
def start_pair(start):
    """start_pair(data, folder, *flags) starts the same command on two workers; returns chief and worker."""

    def start_pair(data, folder, *flags):
        cluster = {"chief": [f"127.0.0.1:{free_port()}"], "worker": [f"127.0.0.1:{free_port()}"]}
        return [
            start(
                data, folder / kind, "--distribute", "multiworker", *flags,
                TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": kind, "index": 0}}),
            )
            for kind in ("chief", "worker")
        ]  # fmt: skip

    return start_pair


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def codes(processes):
    return [process.wait(timeout=LIMIT) for process in processes]


def messages(folder):
    return (folder / "stderr").read_text()


def latest_step(folder):
    state = tf.train.get_checkpoint_state(str(folder / "run" / "latest"))
    return int(state.model_checkpoint_path.split("-")[-1]) if state else 0


def wait_for_step(step, folder, process):
    end = time.monotonic() + LIMIT
    while latest_step(folder) < step:
        assert process.poll() is None and time.monotonic() < end, messages(folder)
        time.sleep(0.02)


def state(folder, part="latest"):
    """Weights, averages, slots of the optimizer and counters of a run, by name."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder / "run" / part)))
    names = [n for n in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n and "save_counter" not in n]
    return {name: reader.get_tensor(name) for name in names}


def assert_same(found, expected, atol=5e-4, slots=0.02):
    """The same steps, but for rounding, which processors and the number of their threads change.

    Adam's first steps are as long for a gradient of rounding errors as for any other, so single weights may differ by
    up to 1e-4. Other noise or lines of one step change weights by thousandths, and the slots of the optimizer, which
    hold the gradients, by a tenth of their norm.
    """
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if np.asarray(value).dtype.kind == "f":
            np.testing.assert_allclose(found[name], value, rtol=0, atol=atol, err_msg=name)
            if name.startswith("optimizer/"):
                assert np.linalg.norm(found[name] - value) <= slots * np.linalg.norm(value), name
        else:  # a counter, or a text such as the alphabet
            assert np.array_equal(found[name], value), name


def alone(data, folder, *flags):
    """The run of one process, in this one; its state."""
    paths = ["--data_dir", data, "--save_path", folder / "run", "--log_dir", folder / "logs"]
    assert train.main([str(flag) for flag in [*paths, *SIZES, *flags]]) == 0
    return state(folder)


def test_two_workers_take_the_steps_of_one_and_the_chief_alone_writes(data, tmp_path, start_pair):
    """A whole pass, with a batch that has no line for one of them, dropout, and a validation.

    Two slices in one process have the noise of two workers with one slice each.
    """
    flags = ["--nepochs", "1", "--dropout", "0.8", "--ema", "0.9"]
    pair = start_pair(data, tmp_path, *flags, "--towers", "1")
    expected = alone(data, tmp_path / "alone", *flags, "--towers", "2")
    assert codes(pair) == [0, 0], messages(tmp_path / "chief") + messages(tmp_path / "worker")
    assert_same(state(tmp_path / "chief"), expected)
    assert_same(state(tmp_path / "chief", "best"), state(tmp_path / "alone", "best"))

    assert sorted(os.listdir(tmp_path / "chief")) == ["logs", "run", "stderr"]
    assert os.listdir(tmp_path / "worker") == ["stderr"]
    said = messages(tmp_path / "worker").splitlines()
    assert said[-1] == "Worker 2 of 2: all are there, 2 replicas." and not any("Done" in line for line in said)
    assert "Done: 4 steps" in messages(tmp_path / "chief")


def test_two_workers_in_hands_take_the_steps_of_one(data, tmp_path, start_pair):
    """Each reads the hands for itself, by the encoder of the chief."""
    strokes, texts = load_strokes(data / DATA_FILE)
    names = [f"f{k // 6}-{k % 6:02d}" for k in range(len(texts))]
    write_data(tmp_path / "data", strokes=strokes, texts=texts, names=names)
    network = [
        "--data_dir",
        tmp_path / "data",
        "--init_from",
        save_tiny_model(tmp_path),
        "--output",
        tmp_path / "s" / "s",
    ]
    assert train_hand_encoder.main([str(flag) for flag in [*network, "--hand_size", 4, "--steps", 2]]) == 0
    flags = ["--nepochs", "1", "--distort", "0.1", "--ema", "0.9", "--init_from", tmp_path / "s" / "s"]
    pair = start_pair(tmp_path / "data", tmp_path, *flags, "--towers", "1")
    expected = alone(tmp_path / "data", tmp_path / "alone", *flags, "--towers", "2")
    assert codes(pair) == [0, 0], messages(tmp_path / "chief") + messages(tmp_path / "worker")
    assert_same(state(tmp_path / "chief"), expected)
    assert any("hand_kernel" in name and np.any(value) for name, value in expected.items())
    assert "hands.npz" in os.listdir(tmp_path / "chief" / "run") and os.listdir(tmp_path / "worker") == ["stderr"]


def test_devices_of_one_machine_take_the_steps_of_one(data, tmp_path, start):
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from scribe.network.tf_setup import tf; import train; "
        "options = [tf.config.LogicalDeviceConfiguration()] * 2; "
        "tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0], options); "
        "sys.exit(train.main())"
    )
    flags = ["--nepochs", "1", "--dropout", "0.8", "--ema", "0.9"]
    more = ["--towers", "1", "--distribute", "mirrored"]
    process = start(data, tmp_path / "two", *flags, *more, program=("-c", program, ROOT))
    expected = alone(data, tmp_path / "alone", *flags, "--towers", "2")
    assert codes([process]) == [0], messages(tmp_path / "two")
    assert_same(state(tmp_path / "two"), expected)


def test_mirrored_on_a_single_device_is_the_run_of_one(data, tmp_path):
    flags = ["--nepochs", "1", "--nbatches", "2", "--towers", "1"]
    expected = alone(data, tmp_path / "alone", *flags)
    assert_same(alone(data, tmp_path / "mirrored", *flags, "--distribute", "mirrored"), expected, atol=1e-6)


def test_a_run_whose_workers_die_and_are_stopped_ends_as_one_whose_workers_were_not(data, tmp_path, start_pair):
    """A worker is killed: the chief ends as well. Both go on; SIGTERM to one of them stops both with a save."""
    shared = ["--nepochs", "20", "--dropout", "0.8", "--save_every", "5", "--validate_every", "10"]
    flags = [*shared, "--towers", "1"]
    folder = tmp_path / "killed"
    pair = start_pair(data, folder, *flags)
    wait_for_step(5, folder / "chief", pair[0])
    pair[1].kill()
    assert codes(pair) == [1, -signal.SIGKILL]
    assert messages(folder / "chief").splitlines()[-1].startswith("Error: another worker was lost")
    saved = latest_step(folder / "chief")
    assert 5 <= saved < 80

    pair = start_pair(data, folder, *flags)
    wait_for_step(saved + 5, folder / "chief", pair[0])
    pair[1].send_signal(signal.SIGTERM)
    assert codes(pair) == [143, 143], messages(folder / "chief") + messages(folder / "worker")
    saved = latest_step(folder / "chief")
    assert f"Saved at step {saved} after SIGTERM" in messages(folder / "chief") and saved < 80

    assert codes(start_pair(data, folder, *flags)) == [0, 0], messages(folder / "chief")
    assert f"step {saved} of 80" in messages(folder / "chief")
    # Two workers that nothing stops take the steps of one process with two slices, as shown above.
    alone(data, tmp_path / "whole", *shared, "--towers", "2")
    for part in ("latest", "best"):
        assert_same(state(folder / "chief", part), state(tmp_path / "whole", part), slots=0.1)


def test_a_worker_with_other_data_is_refused_and_the_others_do_not_wait_for_it(data, tmp_path, start):
    write_data(tmp_path / "other", lines=10)
    cluster = {"worker": [f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"]}
    pair = [
        start(
            source, tmp_path / str(index), "--distribute", "multiworker", "--nepochs", "1",
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
        )
        for index, source in enumerate([data, tmp_path / "other"])
    ]  # fmt: skip
    assert codes(pair) == [1, 1]
    assert "the flags or the data of this worker differ" in messages(tmp_path / "1").splitlines()[-1]
    assert messages(tmp_path / "0").splitlines()[-1].startswith("Error: another worker was lost")
