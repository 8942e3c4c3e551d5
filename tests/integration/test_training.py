"""Training as people start it: resuming, dying at any instant, a full disk, and what a run leaves behind."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import train
from model import load_model
from scribe.network.checkpoint import find_checkpoint

import tensorflow as tf  # isort: skip

pytestmark = pytest.mark.xdist_group("training")  # `trained`

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIZES = ["--rnn_size", "8", "--nmixtures", "2", "--batch_size", "4", "--warmup", "3", "--no_pictures"]


def command(data, folder, *flags):
    paths = ["--data_dir", data, "--save_path", folder / "run", "--log_dir", folder / "logs"]
    return [sys.executable, os.path.join(ROOT, "train.py"), *map(str, [*paths, *SIZES, *flags])]


def run_command(data, folder, *flags, **options):
    return subprocess.run(
        command(data, folder, *flags), cwd=folder, capture_output=True, text=True, timeout=300, **options
    )


def run_here(data, folder, *flags):
    """The command in this process, which has TensorFlow already; returns the exit code."""
    return train.main(command(data, folder, *flags)[2:])


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The folder of a finished run of one epoch, six steps; a test that goes on with it takes a copy.

    Made by a process of its own: the names of layers, and so the size of a checkpoint, depend on what else was built.
    """
    folder = tmp_path_factory.mktemp("trained")
    assert run_command(data, folder, "--nepochs", "1").returncode == 0
    return folder


def stored(prefix):
    """Every number of a checkpoint, by name, but TensorFlow's own count of saves, which a repeated save raises."""
    reader = tf.train.load_checkpoint(prefix)
    names = [n for n in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n and "save_counter" not in n]
    return {name: reader.get_tensor(name) for name in names}


def final_state(folder):
    """The latest and the best checkpoint of a run: names and all numbers."""
    prefixes = {part: tf.train.latest_checkpoint(str(folder / "run" / part)) for part in ("latest", "best")}
    return {part: (os.path.basename(prefix), stored(prefix)) for part, prefix in prefixes.items()}


def assert_same_state(found, expected):
    for part in expected:
        assert found[part][0] == expected[part][0]
        assert found[part][1].keys() == expected[part][1].keys()
        for name, value in expected[part][1].items():
            np.testing.assert_array_equal(found[part][1][name], value, err_msg=f"{part} {name}")


def start(data, folder, *flags):
    """Starts the command; returns the process and a list that its stderr is read into."""
    process = subprocess.Popen(
        command(data, folder, *flags), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    lines = []
    threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True).start()
    return process, lines


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, "the run has ended or is stuck"
        time.sleep(0.01)


def has_checkpoint(folder):
    return lambda: os.path.exists(folder / "run" / "latest" / "checkpoint")


# --------------------------------------------------------------------------------------------- a run and what it leaves


@pytest.mark.slow
def test_a_run_leaves_a_model_its_config_its_flags_a_log_and_curves(data, tmp_path, capsys):
    done = run_command(data, tmp_path, "--nepochs", "2", "--nbatches", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    assert "step 6 of" not in done.stderr and "Done: 6 steps" in done.stderr  # two epochs of three batches
    assert done.stderr.count("validation") >= 2
    log = (tmp_path / "logs" / "train_scribe.txt").read_text()
    assert "Starting" in log and "Done: 6 steps" in log
    assert [n for n in os.listdir(tmp_path / "logs") if "tfevents" in n]
    assert json.load(open(tmp_path / "run" / "args.json"))["nbatches"] == 3
    model = load_model(find_checkpoint(str(tmp_path / "run")))
    assert (model.rnn_size, model.nmixtures) == (8, 2)

    # The same command again has nothing left to do and changes nothing.
    before = final_state(tmp_path)
    assert run_here(data, tmp_path, "--nepochs", "2", "--nbatches", "3") == 0
    again = capsys.readouterr().err
    assert "Going on from" in again and "Done: 6 steps" in again
    assert_same_state(final_state(tmp_path), before)

    # A network of another size or another optimizer is not this run's.
    for flags, named in (
        (["--nmixtures", "3"], ("nmixtures 2", "now 3")),
        (["--optimizer", "rmsprop"], ("'adam'", "now 'rmsprop'")),
    ):
        capsys.readouterr()
        assert run_here(data, tmp_path, "--nepochs", "2", *flags) == 1
        (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error")]
        assert all(part in error for part in named), error
    assert_same_state(final_state(tmp_path), before)


def test_missing_data_ends_with_exit_code_1_and_says_how_to_get_it(tmp_path):
    done = run_command(tmp_path / "nothing", tmp_path)
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert done.returncode == 1 and done.stdout == "" and "Traceback" not in done.stderr
    assert "nothing" in error and "prepare_data.py" in error
    assert not os.path.exists(tmp_path / "run")


def test_a_wrong_flag_ends_with_exit_code_2(tmp_path):
    done = run_command(tmp_path, tmp_path, "--dropout", "0")
    assert done.returncode == 2 and "--dropout is 0.0" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_patience_stops_a_run_early(data, tmp_path):
    """With a learning rate that changes no weight, no validation is lower than the first one."""
    flags = ["--validate_every", "1", "--patience", "3", "--ema", "0", "--learning_rate", "1e-30"]
    assert run_here(data, tmp_path, "--nepochs", "200", *flags) == 0
    state = final_state(tmp_path)
    assert (state["best"][0], state["latest"][0]) == ("ckpt-1", "ckpt-4")


@pytest.mark.slow
def test_a_run_starts_from_the_weights_of_another(data, trained, tmp_path):
    flags = ["--nepochs", "1", "--nbatches", "1", "--learning_rate", "1e-30", "--ema", "0"]
    assert run_here(data, tmp_path, "--init_from", trained / "run", *flags) == 0
    a, b = (load_model(find_checkpoint(str(folder / "run"))) for folder in (trained, tmp_path))
    for x, y in zip(a.trainable_variables, b.trainable_variables, strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy())


# --------------------------------------------------------------------------------------------------- dying and going on


@pytest.mark.slow
@pytest.mark.parametrize("optimizer, most_kills, precision", [("adam", 3, "float32"), ("rmsprop", 1, "bfloat16")])
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_never_was(
    data, tmp_path, optimizer, most_kills, precision
):
    """Bit for bit: weights, averages, optimizer and counters of latest, weights of best."""
    flags = ["--optimizer", optimizer, "--precision", precision, "--dropout", "0.7", "--ema", "0.9", "--nepochs", "15"]
    flags += ["--save_every", "1", "--validate_every", "7"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        os.makedirs(folder)
    never_killed, said = start(data, whole, *flags)

    rng = random.Random(optimizer)
    kills, reached = 0, 0
    while True:
        process, lines = start(data, killed, *flags)
        # Most of a short run is TensorFlow's start, so wait until it trains; then any instant will do.
        wait_for(lambda: process.poll() is not None or latest_step(killed) > reached, process)  # noqa: B023
        if kills == most_kills:
            break
        time.sleep(rng.uniform(0.0, 0.5))
        process.send_signal(signal.SIGKILL)
        killed_now = process.wait() == -signal.SIGKILL
        kills, reached = kills + killed_now, latest_step(killed)
        if not killed_now:
            break
    assert process.wait(timeout=300) == 0, "".join(lines)
    assert never_killed.wait(timeout=300) == 0, "".join(said)
    assert kills >= max(1, most_kills - 1), "the run was over before it was killed often enough to prove anything"
    assert_same_state(final_state(killed), final_state(whole))


def latest_step(folder):
    state = tf.train.get_checkpoint_state(str(folder / "run" / "latest"))
    return int(state.model_checkpoint_path.split("-")[-1]) if state else 0


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_before_the_run_stops(data, tmp_path, number, code):
    process, lines = start(data, tmp_path, "--nepochs", "100000", "--save_every", "1000000", "--validate_every", "6")
    wait_for(has_checkpoint(tmp_path), process)
    time.sleep(0.3)
    process.send_signal(number)
    assert process.wait(timeout=60) == code
    (said,) = [line for line in lines if line.startswith("Saved at step")]
    assert said.split()[3] == str(latest_step(tmp_path)) and number.name in said
    assert not any("Traceback" in line for line in lines)
    assert stored(tf.train.latest_checkpoint(str(tmp_path / "run" / "latest")))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["best", "latest"])
def test_a_full_disk_ends_with_one_clear_line_and_keeps_the_earlier_checkpoint(data, trained, tmp_path, part, capsys):
    """No file may grow to the size of that checkpoint. Best is weights alone, so it is smaller; it is saved first."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    before = final_state(tmp_path)
    (size,) = {f.stat().st_size for f in (tmp_path / "run" / part).glob("*.data-*")}
    names = sorted(os.listdir(tmp_path / "run" / part))

    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, size - 1))

    # Not under coverage: its own file would hit the limit, too.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = run_command(data, tmp_path, "--nepochs", "2", preexec_fn=limit_files, env=env)
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert done.returncode == 1 and len(errors) == 1, done.stderr
    assert "could not save to" in errors[0] and os.path.join("run", part) in errors[0]
    assert "Traceback" not in done.stderr and done.stdout == ""
    after = final_state(tmp_path)
    assert_same_state({part: after[part], "latest": after["latest"]}, {part: before[part], "latest": before["latest"]})
    assert sorted(os.listdir(tmp_path / "run" / part)) == names  # and nothing half-written takes room
    load_model(find_checkpoint(str(tmp_path / "run")))

    # With room again, it goes on from there.
    assert run_here(data, tmp_path, "--nepochs", "2") == 0
    assert "step 6 of 12" in capsys.readouterr().err and latest_step(tmp_path) == 12


@pytest.fixture(scope="module")
def in_small_disk():
    """(folder, kilobytes) -> the words before a command that give it a disk of that size at the folder."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no mounts of its own for a process that is not root")

    def words(folder, size):
        mount = f'mount -t tmpfs -o size={size}k tmpfs "$0" && exec "$@"'
        return ["unshare", "-rm", "sh", "-c", mount, str(folder)]

    return words


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_a_full_disk_for_curves_costs_a_warning_and_no_step(data, tmp_path, in_small_disk):
    """The events writer's ResourceExhaustedError ended the run, and the steps since the last save were lost."""
    (tmp_path / "logs").mkdir()
    flags = ("--nepochs", "15", "--save_every", "1000", "--validate_every", "1000")
    words = [*in_small_disk(tmp_path / "logs", 8), *command(data, tmp_path, *flags)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert latest_step(tmp_path) == 90 and "Done: 90 steps" in done.stderr
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("Warning")]
    assert "cannot take curves any more" in warning and "No space left on device" in warning
    assert not [w for w in ("Traceback", "{{", "Exception") if w in done.stderr], done.stderr


@pytest.mark.slow
def test_a_run_goes_on_after_its_folder_has_moved(data, tmp_path, capsys):
    flags = ("--nepochs", "1", "--nbatches", "4", "--save_every", "1")
    here, there = tmp_path / "here", tmp_path / "there"
    os.makedirs(here)
    assert run_here(data, here, *flags) == 0
    shutil.move(here, there)
    assert run_here(data, there, "--nepochs", "2", "--nbatches", "4", "--save_every", "1") == 0
    assert "step 4 of 8" in capsys.readouterr().err and latest_step(there) == 8
    assert not here.exists()
