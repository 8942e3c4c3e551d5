"""A training in the cloud from request to sample: the container's command runs here, an emulator is the bucket."""

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

pytest.importorskip("google.cloud.storage")
pytest.importorskip("gcp_storage_emulator")

import download_results  # noqa: E402
import monitor_training  # noqa: E402
import sample  # noqa: E402
import submit_training  # noqa: E402
from cloud_helpers import BUCKET  # noqa: E402
from data_helpers import make_line, write_data  # noqa: E402
from scribe.cloud import clients, file_sets  # noqa: E402
from scribe.cloud.bucket import download_file, upload_file  # noqa: E402
from scribe.cloud.errors import CloudError  # noqa: E402
from scribe.network.checkpoint import find_checkpoint  # noqa: E402

import tensorflow as tf  # isort: skip  # noqa: E402

ROOT = os.path.dirname(os.path.abspath(submit_training.__file__))
SIZES = ["--rnn_size", "8", "--nmixtures", "2", "--batch_size", "4", "--warmup", "3", "--no_pictures"]


@pytest.fixture
def bucket(emulator, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator)
    monkeypatch.setenv("SCRIBE_RETRY_SECONDS", "10")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("TF_CONFIG", "AIP_CHECKPOINT_DIR", "AIP_TENSORBOARD_LOG_DIR", "AIP_MODEL_DIR"):
        monkeypatch.delenv(name, raising=False)
    return clients.storage_client("a-project").bucket(BUCKET)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with 24 short lines, recorded at a usual rate: what is submitted is verified."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    strokes, texts = zip(*(make_line(rng, characters=3 + i % 2, points_per_character=16) for i in range(24)))
    write_data(folder, strokes=list(strokes), texts=list(texts))
    return folder


def submitted(bucket, data, capsys, job, *flags):
    """Puts code and data where a submitted job has them; returns the arguments of the container."""
    own = ["--bucket", BUCKET, "--data_dir", str(data), "--job", job, "--sync-every", "0", "--sample", "", "--dry-run"]
    assert submit_training.main([*own, *flags]) == 0
    spec = json.loads(capsys.readouterr().out)
    arguments = spec["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]["args"]
    if "--gpus" in arguments:  # here is none
        del arguments[arguments.index("--gpus") : arguments.index("--gpus") + 2]
    source = arguments[arguments.index("--input") + 1].split("=")[0]
    upload_file(bucket, data / "strokes_training_data.cpkl", source.removeprefix(f"gs://{BUCKET}/"))
    return arguments


@pytest.fixture
def container():
    """container(arguments, work) starts what the container executes, on a machine of its own: an empty folder."""
    processes = []

    def container(arguments, work, **environment):
        os.makedirs(work, exist_ok=True)
        own, flags = arguments[: arguments.index("--")], arguments[arguments.index("--") :]
        with open(work / "stderr", "a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "scribe.cloud.container", *own, "--work_dir", str(work), *flags],
                cwd=work, stderr=log, env={**os.environ, "PYTHONPATH": ROOT, **environment}, start_new_session=True,
            )  # fmt: skip
        processes.append(process)
        return process

    yield container
    for process in processes:
        power_off(process)


def power_off(process):
    """The machine is gone at once, with all its processes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(condition, process, work, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, (work / "stderr").read_text()
        time.sleep(0.1)


def newest_step(bucket, job):
    found = file_sets.newest_set(bucket, f"scribe/{job}/checkpoints")
    return found.step or 0 if found else 0


def numbers(prefix):
    reader = tf.train.load_checkpoint(prefix)
    names = [n for n in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n and "save_counter" not in n]
    return {name: reader.get_tensor(name) for name in names}


@pytest.mark.slow
def test_a_job_that_is_killed_and_taken_away_goes_on_on_other_machines_and_ends_as_one_that_was_not(
    bucket, container, data, tmp_path, capsys, monkeypatch
):
    """Killed without warning, then stopped by SIGTERM; a new machine each time; fetched and sampled. Bit for bit."""
    flags = [*SIZES, "--nepochs", "24", "--nbatches", "5", "--save_every", "5"]
    arguments = submitted(bucket, data, capsys, "first", *flags)

    killed = container(arguments, tmp_path / "a")
    wait_for(lambda: newest_step(bucket, "first") > 0, killed, tmp_path / "a")
    power_off(killed)
    step = newest_step(bucket, "first")
    assert 0 < step < 120

    stopped = container(arguments, tmp_path / "b")
    wait_for(lambda: newest_step(bucket, "first") > step, stopped, tmp_path / "b")
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(timeout=60) == 143
    log = (tmp_path / "b" / "stderr").read_text()
    saved = newest_step(bucket, "first")
    assert f"Saved at step {saved} after SIGTERM" in log and "goes on from there" in log and saved < 120

    last = container(arguments, tmp_path / "c")
    assert last.wait(timeout=300) == 0, (tmp_path / "c" / "stderr").read_text()
    assert f"step {saved}." in (tmp_path / "c" / "stderr").read_text() and newest_step(bucket, "first") == 120

    monkeypatch.chdir(tmp_path)
    assert download_results.main(["--bucket", BUCKET]) == 0
    assert capsys.readouterr().out.split() == ["saved/first", "logs/first"]
    command = [sys.executable, os.path.join(ROOT, "train.py"), *flags]
    subprocess.run([*command, "--data_dir", data, "--save_path", "whole", "--log_dir", "logs/whole"], check=True)
    for part in ("latest", "best"):
        found, expected = (tf.train.latest_checkpoint(f"{run}/{part}") for run in ("saved/first", "whole"))
        assert os.path.basename(found) == os.path.basename(expected)
        found, expected = numbers(found), numbers(expected)
        assert found.keys() == expected.keys()
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)

    # Lines of train.py's log are what monitor_training.py looks for, and the log was kept through all three machines.
    progress = monitor_training.Progress()
    for line in open("logs/first/train_scribe.txt"):
        progress = monitor_training.read_line(progress, line, 0.0)
    assert (
        (progress.step, progress.steps) == (120, 120) and progress.nats is not None and progress.validation is not None
    )
    model = {blob.name.rsplit("/", 1)[1] for blob in bucket.client.list_blobs(bucket, prefix="scribe/first/model/")}
    assert model == {"checkpoint.index", "checkpoint.data-00000-of-00001", "config.json"}

    assert sample.main(["--text", "abc", "--save_path", "saved/first", "--tries", "1", "--tsteps", "20"]) == 0
    assert os.path.exists(capsys.readouterr().out.splitlines()[0])


@pytest.mark.slow
def test_of_several_workers_the_chief_alone_writes_to_the_bucket_and_a_signal_to_one_stops_all(
    bucket, container, data, tmp_path, capsys
):
    sizes = [*SIZES, "--nepochs", "60", "--nbatches", "5", "--save_every", "5", "--towers", "1"]
    arguments = submitted(bucket, data, capsys, "second", "--workers", "2", *sizes)
    cluster = {kind: [f"127.0.0.1:{free_port()}"] for kind in ("chief", "worker")}
    chief, worker = (
        container(
            arguments, tmp_path / kind, TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": kind, "index": 0}})
        )
        for kind in ("chief", "worker")
    )
    wait_for(lambda: newest_step(bucket, "second") > 0, chief, tmp_path / "chief")
    worker.send_signal(signal.SIGTERM)
    assert [chief.wait(timeout=300), worker.wait(timeout=300)] == [143, 143]
    log = (tmp_path / "chief" / "stderr").read_text()
    saved = newest_step(bucket, "second")
    assert f"Saved at step {saved} after SIGTERM" in log and "goes on from there" in log and saved < 300
    assert "in the bucket" not in (tmp_path / "worker" / "stderr").read_text()
    assert os.listdir(tmp_path / "worker" / "second") == ["data"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.slow
def test_a_training_that_fails_fails_the_job_and_its_log_is_kept(bucket, container, data, tmp_path, capsys):
    """Flags are checked before, but data may be gone, or the loss may not be finite."""
    arguments = submitted(bucket, data, capsys, "third", *SIZES, "--learning_rate", "1e38", "--warmup", "0")
    process = container(arguments, tmp_path / "a")
    assert process.wait(timeout=300) == 1
    log = (tmp_path / "a" / "stderr").read_text()
    assert "train.py ended with exit code 1" in log and "Traceback" not in log
    found = file_sets.newest_set(bucket, "scribe/third/checkpoints")
    assert "logs/train_scribe.txt" in found.files


def test_a_container_without_its_data_ends_with_one_clear_line(bucket, container, tmp_path):
    arguments = ["--job", f"gs://{BUCKET}/scribe/fourth", "--input", f"gs://{BUCKET}/scribe/none=data/x", "--"]
    process = container(arguments, tmp_path)
    assert process.wait(timeout=60) == 1
    lines = (tmp_path / "stderr").read_text().splitlines()
    assert len(lines) == 1 and f"gs://{BUCKET}/scribe/none does not exist: submit the job again" in lines[0]


# --------------------------------------------------------------------------------------------------------- downloading


def put_run(bucket, folder, job, step):
    """A set of small files, as a job leaves it."""
    files = {}
    for name in ("run/config.json", "run/latest/checkpoint", f"run/latest/ckpt-{step}.index", "logs/train_scribe.txt"):
        os.makedirs(os.path.dirname(folder / str(step) / name), exist_ok=True)
        (folder / str(step) / name).write_text(f"{name} {step}")
        files[name] = str(folder / str(step) / name)
    return file_sets.write_set(bucket, f"scribe/{job}/checkpoints", files, step)[0]


def download(capsys, *flags):
    code = download_results.main(["--bucket", BUCKET, *flags])
    return code, *capsys.readouterr()


def test_nothing_here_is_replaced_without_force(bucket, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_run(bucket, tmp_path / "cloud", "fifth", 100)
    assert download(capsys, "--job", "fifth")[0] == 0
    assert (tmp_path / "saved/fifth/config.json").read_text() == "run/config.json 100"
    code, _, err = download(capsys, "--job", "fifth")
    assert code == 0 and "0 of 4 files fetched" in err
    (tmp_path / "saved/fifth/config.json").write_text("mine")
    put_run(bucket, tmp_path / "cloud", "fifth", 200)
    code, out, err = download(capsys, "--job", "fifth")
    assert code == 1 and out == "" and "--force" in err and "3 files are here with other content" in err
    assert (tmp_path / "saved/fifth/config.json").read_text() == "mine"
    assert not os.path.exists(tmp_path / "saved/fifth/latest/ckpt-200.index")
    assert download(capsys, "--job", "fifth", "--force")[0] == 0
    assert (tmp_path / "saved/fifth/config.json").read_text() == "run/config.json 200"


@pytest.mark.parametrize(
    "flags, expected",
    [
        (["--model-only"], ["saved/fourth/config.json", "saved/fourth/latest/checkpoint"]),
        (["--logs-only"], ["logs/fourth/train_scribe.txt"]),
        (["--output", "here"], ["here/checkpoints/config.json", "here/logs/train_scribe.txt"]),
        (["--output", "here", "--model_only"], ["here/checkpoints/config.json", "here/checkpoints/latest/checkpoint"]),
    ],
    ids=str,
)
def test_a_part_of_the_results_can_be_asked_for(flags, expected, bucket, tmp_path, capsys, monkeypatch):
    put_run(bucket, tmp_path / "cloud", "fourth", 100)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    code, out, err = download(capsys, "--job", "fourth", *flags)
    there = {os.path.join(folder, name)[2:] for folder, _, names in os.walk(".") for name in names}
    assert code == 0 and there.issuperset(expected), err
    assert any("logs/" in name for name in there) != any("model" in flag for flag in flags)
    assert any("config.json" in name for name in there) != ("--logs-only" in flags)
    assert all(any(name.startswith(folder + "/") for folder in out.split()) for name in there)


@pytest.mark.parametrize(
    "flags",
    [
        ("--model-only", "--logs-only"), ("--output", "a", "--save_path", "b"), ("--output", "a", "--log_dir", "b"),
        ("--model-only", "--log_dir", "a"), ("--logs-only", "--save_path", "a"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_flags_of_places_that_contradict_each_other_are_wrong_usage(flags, capsys):
    with pytest.raises(SystemExit) as exit:
        download(capsys, *flags)
    assert exit.value.code == 2


def test_a_half_uploaded_set_is_not_fetched_and_the_reason_is_told(bucket, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_run(bucket, tmp_path / "cloud", "sixth", 100)
    second = put_run(bucket, tmp_path / "cloud", "sixth", 200)
    bucket.blob(second.files["run/latest/ckpt-200.index"]["object"]).delete()
    code, _, err = download(capsys, "--job", "sixth")
    assert code == 0 and "is not complete" in err and "step 100" in err
    bucket.blob(second.name).delete()
    for name in file_sets.list_sets(bucket, "scribe/sixth/checkpoints"):
        bucket.blob(name).delete()
    code, _, err = download(capsys, "--job", "sixth", "--save_path", "other", "--log_dir", "others")
    assert code == 1 and "sixth has no complete set" in err and not os.path.exists("other")


def test_a_download_that_was_killed_goes_on(bucket, tmp_path, capsys, monkeypatch):
    """Killed before each of the files; the file `checkpoint`, which names the others, is always the last of the run."""
    monkeypatch.chdir(tmp_path)
    put_run(bucket, tmp_path / "cloud", "seventh", 100)
    original, count = download_file, 0

    def dying(*arguments, **options):
        nonlocal count
        count += 1
        if count % 2 == 0:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(file_sets, "download_file", dying)
    codes = []
    while not codes or codes[-1] == 130:
        codes.append(download(capsys, "--job", "seventh")[0])
        there = os.path.exists("saved/seventh/latest/checkpoint")
        assert not there or os.path.exists("saved/seventh/latest/ckpt-100.index")
        if len(codes) > 1:
            monkeypatch.setattr(file_sets, "download_file", original)
    assert codes == [130, 130, 0]


def test_a_name_in_a_set_cannot_lead_out_of_the_folder():
    for name in ("run/../../x", "logs//etc/passwd", "run", "run/"):
        with pytest.raises(CloudError, match="nothing was fetched"):
            download_results.place(name, "saved", "logs")
    assert download_results.place("other/../x", "saved", "logs") is None  # neither of the run nor of the logs
    assert download_results.place("run/latest/checkpoint", "saved/a", "logs") == "saved/a/latest/checkpoint"


def test_a_set_with_a_name_that_leads_out_of_the_folder_is_refused_with_one_line(bucket, tmp_path, capsys, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "state").write_text("x")
    files = {"run/config.json": str(tmp_path / "state"), "run/../../../mine": str(tmp_path / "state")}
    file_sets.write_set(bucket, "scribe/ninth/checkpoints", files, 7)
    code, out, err = download(capsys, "--job", "ninth", "--force")
    assert code == 1 and out == "" and "'../../../mine'" in err and err.count("\n") == 1
    assert os.listdir(tmp_path / "here") == [] and sorted(os.listdir(tmp_path)) == ["here", "state"]


def test_the_run_is_found_by_sample_py(bucket, tmp_path, capsys, monkeypatch):
    """The shipped checkpoint, put into a bucket as a run, comes back as one that `find_checkpoint` finds."""
    monkeypatch.chdir(tmp_path)
    source = os.path.join(ROOT, "saved")
    files = {"run/best/config.json": f"{source}/config.json", "run/best/ckpt-7.index": f"{source}/checkpoint.index"}
    files["run/best/ckpt-7.data-00000-of-00001"] = f"{source}/checkpoint.data-00000-of-00001"
    (tmp_path / "state").write_text('model_checkpoint_path: "ckpt-7"\nall_model_checkpoint_paths: "ckpt-7"\n')
    files["run/best/checkpoint"] = str(tmp_path / "state")
    file_sets.write_set(bucket, "scribe/eighth/checkpoints", files, 7)
    assert download(capsys, "--job", "eighth")[0] == 0
    assert find_checkpoint("saved/eighth").endswith("best/ckpt-7")
