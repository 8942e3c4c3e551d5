"""Submitting and watching a job: what is sent to Vertex AI, what is refused before, and what the exit codes say."""

import io
import json
import os
import subprocess
import sys
import tarfile

import pytest

pytest.importorskip("google.cloud.aiplatform_v1")
pytest.importorskip("google.cloud.logging")
pytest.importorskip("gcp_storage_emulator")

from google.cloud.aiplatform_v1.types import AcceleratorType, CustomJob  # noqa: E402

import monitor_training  # noqa: E402
import submit_training  # noqa: E402
from cloud_helpers import BUCKET, PROJECT, REGION, VertexStandIn  # noqa: E402
from data_helpers import write_data  # noqa: E402
from scribe.cloud import clients, prices  # noqa: E402
from scribe.cloud.bucket import upload_text  # noqa: E402

WHERE = ["--project", PROJECT, "--region", REGION]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_data(folder, lines=20)
    return folder


@pytest.fixture
def cloud(emulator, monkeypatch):
    """Vertex AI's stand-in, and an empty bucket."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator)
    monkeypatch.setenv("SCRIBE_RETRY_SECONDS", "5")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    bucket = clients.storage_client(PROJECT).bucket(BUCKET)
    for blob in list(bucket.client.list_blobs(bucket)):
        blob.delete()
    stand_in = VertexStandIn()
    stand_in.bucket = bucket
    with stand_in.serve(monkeypatch):
        yield stand_in


@pytest.fixture
def run(data, capsys):
    """run(main, flags) -> (exit code, stdout, stderr), in this process."""

    def run(main, *flags):
        try:
            code = main([str(flag) for flag in flags])
        except SystemExit as stopped:
            code = stopped.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def submit(run, data):
    def submit(*flags):
        own = ["--bucket", BUCKET, "--data_dir", data, "--job", "first", *WHERE]
        return run(submit_training.main, *own, *flags)

    return submit


def the_error(err):
    (error,) = [line for line in err.splitlines() if "rror: " in line]
    assert "Traceback" not in err
    return error


# ---------------------------------------------------------------------------------------------------------- submitting


def test_a_dry_run_prints_a_job_that_the_library_knows_and_touches_nothing(cloud, submit):
    code, out, err = submit("--gpu-type", "l4", "--spot", "--rnn_size", "64", "--max-hours", "3", "--dry-run")
    assert code == 0, err
    job = CustomJob.from_json(out)  # raises for a field that there is not
    (pool,) = job.job_spec.worker_pool_specs
    assert pool.machine_spec.machine_type == "g2-standard-8" and pool.machine_spec.accelerator_count == 1
    assert pool.machine_spec.accelerator_type == AcceleratorType.NVIDIA_L4
    assert pool.container_spec.image_uri == submit_training.BASE_IMAGE
    arguments = list(pool.container_spec.args)
    assert arguments[arguments.index("--gpus") + 1] == "1"
    assert arguments[arguments.index("--") + 1 :] == ["--rnn_size", "64"]
    assert job.job_spec.scheduling.strategy.name == "SPOT" and job.job_spec.scheduling.timeout.seconds == 3 * 3600
    assert job.job_spec.base_output_directory.output_uri_prefix == f"gs://{BUCKET}/scribe/first"
    assert not cloud.requests and not list(cloud.bucket.client.list_blobs(cloud.bucket))
    assert "Estimate" in err and "An estimate, check it" in err and prices.PRICE_DATE in err


@pytest.mark.parametrize(
    "answer, flags, started", [("y\n", [], True), ("\n", [], False), ("n\n", ["--yes"], True), ("", [], False)]
)
def test_on_a_terminal_the_user_is_asked_before_anything_is_paid_for_unless_yes_is_given(
    answer, flags, started, cloud, submit, monkeypatch
):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    code, out, err = submit("--gpu-type", "t4", *flags)
    assert (code == 0) == started == bool(cloud.jobs) == bool(out), err
    assert ("[y/N]" in err) == (not flags) and ("Nothing was started" in err) == (not started)


def test_a_dry_run_opens_no_connection_and_needs_neither_credentials_nor_googles_packages(submit, data, tmp_path):
    """Not even one that would fail: sockets and the names of machines are refused before it starts."""
    program = f"""
import socket, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("google"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
def refuse(*arguments, **options):
    raise AssertionError("a connection")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
import submit_training
sys.exit(submit_training.main({["--bucket", BUCKET, "--data_dir", str(data), "--gpu-type", "l4", "--dry-run"]!r}))
"""
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(submit_training.__file__), "HOME": str(tmp_path)}
    before = sorted(os.listdir(data))
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert CustomJob.from_json(done.stdout).job_spec.worker_pool_specs
    assert sorted(os.listdir(data)) == before and os.listdir(tmp_path) == []


@pytest.mark.parametrize("flags", [["--image", "a/b:1"], ["--prebuilt", "c/tf-gpu.2-17.py310:latest"]], ids=str)
def test_another_container_runs_the_same_command(submit, flags):
    plain, other = (
        CustomJob.from_json(submit(*more, "--dry-run")[1]).job_spec.worker_pool_specs[0] for more in ([], flags)
    )
    if flags[0] == "--image":
        assert other.container_spec.image_uri == flags[1] and not other.container_spec.command
        assert other.container_spec.args == plain.container_spec.args
    else:
        spec = other.python_package_spec
        assert spec.executor_image_uri == flags[1] and spec.python_module == "scribe.cloud.container"
        assert spec.args == plain.container_spec.args and spec.package_uris == [plain.container_spec.command[3]]


def test_the_plain_container_installs_its_packages_fetches_the_suite_and_becomes_the_command(cloud, submit, tmp_path):
    """The command of a job that was started, in bash; only pip does nothing here but say what it is asked for."""
    code, out, err = submit("--gpu-type", "none")
    assert code == 0, err
    spec = cloud.jobs[out.strip()]["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]
    pip = tmp_path / "pip"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text(
        f'#!/bin/sh\nif [ "$1 $2" = "-m pip" ]; then echo "$@" > "{pip}"; exit 0; fi\nexec "{sys.executable}" "$@"\n'
    )
    os.chmod(tmp_path / "bin" / "python3", 0o755)
    command = [part.replace("/tmp/scribe-code", str(tmp_path / "code")) for part in spec["command"]]
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "GOOGLE_CLOUD_PROJECT": PROJECT}

    def started(*arguments):
        done = subprocess.run(
            [*command, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        return done.returncode, done.stdout, done.stderr

    code, out, err = started("--help")
    assert code == 0 and "gs://BUCKET/FOLDER" in out, err
    assert "tensorflow==" in pip.read_text() and "google-cloud-storage==" in pip.read_text()
    for name in ("train.py", "scribe/cloud/container.py", "scribe/cloud/bucket.py"):
        assert (tmp_path / "code" / "scribe-1.0" / name).is_file()
    missing = f"gs://{BUCKET}/scribe/none"
    code, _, err = started("--job", missing, "--work_dir", str(tmp_path / "work"), "--input", f"{missing}=data/x", "--")
    assert code == 1 and f"{missing} does not exist" in the_error(err)  # the command's own arguments arrive


def test_ctrl_c_ends_with_one_line_and_no_job(cloud, submit, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(submit_training, "upload_file", stop)
    code, out, err = submit()
    assert (code, out) == (130, "") and "the job was not started" in err and not cloud.jobs


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"train": 1}'])
def test_a_job_whose_description_is_damaged_is_not_gone_on_with(cloud, submit, content):
    upload_text(cloud.bucket, "scribe/first/job.json", content)
    code, _, err = submit()
    assert code == 1 and "job.json is damaged: delete it" in the_error(err) and not cloud.jobs


def test_a_job_is_started_as_the_dry_run_said_and_code_and_data_are_sent_once(cloud, submit, data):
    flags = ["--gpu-type", "t4", "--nepochs", "2"]
    dry = json.loads(submit(*flags, "--dry-run")[1])
    code, out, err = submit(*flags)
    assert code == 0, err
    (name,) = out.splitlines()
    job = cloud.jobs[name]
    assert CustomJob.from_json(json.dumps({k: job[k] for k in dry})) == CustomJob.from_json(json.dumps(dry))
    assert (
        f"https://console.cloud.google.com/vertex-ai/locations/{REGION}/training/" in err and err.count("Uploaded") == 2
    )
    spec = dry["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]
    package = cloud.bucket.blob(spec["command"][3].removeprefix(f"gs://{BUCKET}/")).download_as_bytes()
    names = tarfile.open(fileobj=io.BytesIO(package)).getnames()
    assert {"scribe-1.0/train.py", "scribe-1.0/scribe/cloud/container.py", "scribe-1.0/setup.py"} <= set(names)
    source = spec["args"][spec["args"].index("--input") + 1].split("=")[0]
    stored = cloud.bucket.blob(source.removeprefix(f"gs://{BUCKET}/")).download_as_bytes()
    assert stored == open(data / "strokes_training_data.cpkl", "rb").read()

    job["state"] = "JOB_STATE_FAILED"
    code, _, err = submit(*flags)
    assert code == 0 and err.count("Already there") == 2 and "Uploaded" not in err


def test_a_job_that_is_under_way_is_not_started_twice(cloud, submit):
    assert submit()[0] == 0
    cloud.states = ["RUNNING"]
    code, out, err = submit()
    assert (code, out) == (1, "") and "under way already" in the_error(err) and "monitor_training.py" in err
    assert len(cloud.jobs) == 1


def test_going_on_with_other_sizes_is_refused_before_it_costs_anything(cloud, submit):
    assert submit("--rnn_size", "64")[0] == 0
    cloud.states = ["SUCCEEDED"]
    code, _, err = submit("--rnn_size", "80")
    assert code == 1 and "--rnn_size 64 (now 80)" in the_error(err)
    assert sum(method == "POST" for method, _ in cloud.requests) == 1


@pytest.mark.parametrize(
    "flags, code, named",
    [
        (["--gpu-type", "k9"], 2, ["k9", "t4", "a100"]),
        (["--gpu-type", "t4", "--gpu-count", "3"], 2, ["3", "1, 2, 4"]),
        (["--gpu-type", "p100"], 2, ["p100", "t4", "a100"]),
        (["--gpu-type", "h100"], 2, ["--spot"]),
        (["--image", "a", "--prebuilt", "b"], 2, ["--image and --prebuilt"]),
        (["--rnn_size", "0"], 2, ["--rnn_size is 0"]),
        (["--no_such_flag"], 2, ["--no_such_flag"]),
        (["--save_path", "x"], 2, ["--save_path"]),
        (["--workers", "0"], 2, ["--workers is 0"]),
        (["--job", "Not a name"], 2, ["Not a name"]),
        (["--bucket", f"gs://{BUCKET}"], 2, ["leave out gs://"]),
        (["--bucket", "scribe-none"], 1, ["scribe-none", "gcloud storage buckets create"]),
        (["--data_dir", "nowhere"], 1, ["the data has 1 fault"]),
        (["--init_from", "saved/none"], 2, ["--init_from", "saved/none.index"]),
        (["--max-hours", "0"], 2, ["--max-hours is 0"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_what_is_wrong_is_said_in_one_line_before_anything_is_paid_for(cloud, submit, flags, code, named):
    found, out, err = submit(*flags)
    error = the_error(err)
    assert found == code and out == "" and all(part in error for part in named), error
    assert not [path for method, path in cloud.requests if method == "POST"]


@pytest.mark.parametrize(
    "fault, named", [(403, "Vertex AI User"), (429, "quota"), (400, "refused")], ids=["denied", "quota", "refused"]
)
def test_what_vertex_ai_refuses_is_said_in_one_line(cloud, submit, fault, named):
    cloud.faults = [None, fault]  # the jobs that there are, then the new one
    code, out, err = submit()
    assert code == 1 and out == "" and named in the_error(err)


def test_data_with_faults_is_not_submitted(cloud, run, tmp_path):
    strokes, texts = write_data(tmp_path, lines=20)
    strokes = [line.astype(float) for line in strokes]
    strokes[3][5, 0] = float("nan")
    write_data(tmp_path, strokes=strokes, texts=texts)
    flags = ["--bucket", BUCKET, "--data_dir", tmp_path, "--job", "first", *WHERE]
    code, _, err = run(submit_training.main, *flags)
    assert code == 1 and "line 3" in err and "not finite" in err and "fault" in the_error(err) and not cloud.requests


def test_without_credentials_nothing_is_started_and_the_command_is_named(data, tmp_path):
    """As a process of its own, without what this machine may know about its user."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GOOGLE", "STORAGE_", "SCRIBE_", "CLOUDSDK"))}
    environment = {**kept, "HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path), "NO_GCE_CHECK": "True"}
    command = [sys.executable, submit_training.__file__, "--bucket", BUCKET, "--data_dir", str(data)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (
        done.returncode == 1 and done.stdout == "" and "gcloud auth application-default login" in the_error(done.stderr)
    )


# ------------------------------------------------------------------------------------------------------------ watching

POOL = {"machineSpec": {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 1}}
JOB = {"displayName": "first", "jobSpec": {"workerPoolSpecs": [{**POOL, "replicaCount": "1"}]}}
LINES = [
    "Starting run: 3.76 M parameters, step 0 of 4485, 897 steps an epoch.",
    "step 350/4485: -2.2286 nats/point, learning rate 7.88e-04, 4121 points/s",
    "step 400/4485: -2.2197 nats/point, learning rate 7.85e-04, 3815 points/s",
    "step 400: validation -2.2077 nats/point, -1412.7 nats/line (the best so far)",
]


@pytest.fixture
def watch(run):
    return lambda *flags: run(monitor_training.main, *WHERE, "--poll", "0.05", *flags)


def test_one_look_tells_state_time_step_loss_and_cost(cloud, watch):
    cloud.add_job(JOB, startTime="2025-01-02T03:05:00Z", endTime="2025-01-02T05:05:00Z")
    cloud.states = ["SUCCEEDED"]
    cloud.say(*LINES)
    code, out, err = watch("first")
    assert code == 0 and err == ""
    for part in (
        "SUCCEEDED",
        "2 h 0 min",
        "about 1.68 USD (an estimate",
        "step 400/4485: -2.2197",
        "3815 points/s",
        "-2.2077",
    ):
        assert part in out, out


def test_without_a_job_those_of_the_suite_are_listed_the_newest_first(cloud, watch):
    times = {"second": "2025-03-02T03:00:00Z", "first": "2025-01-02T03:00:00Z", "other": "2025-02-02T03:00:00Z"}
    for number, (name, time) in enumerate(times.items()):
        labels = {} if name == "other" else {"suite": "scribe"}
        cloud.add_job({**JOB, "displayName": name, "labels": labels}, number=f"{number}", createTime=time)
    code, out, err = watch()
    assert code == 0 and err == ""
    assert [line.split("  ")[0] for line in out.splitlines()] == ["2025-03-02 03:00 UTC", "2025-01-02 03:00 UTC"]
    assert "second: PENDING" in out and "first: PENDING" in out


def test_without_a_job_and_without_any_job_the_region_is_asked_about(cloud, watch):
    code, out, err = watch()
    assert (code, out) == (0, "") and "--region" in err
    code, _, err = watch("--watch")
    assert code == 2 and "--watch, needs a JOB" in the_error(err)


@pytest.mark.parametrize("flag", ["--follow", "--watch"])
def test_following_shows_every_line_of_the_log_once_and_ends_with_the_job(cloud, watch, flag):
    cloud.add_job(JOB, startTime="2025-01-02T03:05:00Z")
    cloud.states = ["PENDING", "RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"]
    cloud.on_look = lambda count: cloud.say(LINES[count % 4], start=f"2025-01-02T03:1{count}:00") if count < 8 else None
    code, out, err = watch("first", flag)
    assert code == 0, err
    assert len([line for line in out.splitlines() if line in LINES]) == len(cloud.entries) >= 4
    assert [line.split(",")[0] for line in out.splitlines() if line.startswith("first:")] == [
        f"first: {state}" for state in ("PENDING", "RUNNING", "SUCCEEDED")
    ]


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "EXPIRED"])
def test_a_job_that_failed_ends_with_exit_code_1_its_reason_and_what_to_do(cloud, watch, state):
    cloud.add_job(JOB, error={"code": 3, "message": "The replica workerpool0-0 exited with a non-zero status of 1."})
    cloud.states = ["RUNNING", state]
    code, _, err = watch("first", "--follow")
    error = the_error(err)
    assert code == 1 and state in error and "non-zero status of 1" in error and "submit the same --job again" in error


def test_a_network_that_comes_and_goes_is_waited_out(cloud, watch, monkeypatch):
    waits = []
    real = monitor_training.time.sleep
    monkeypatch.setattr(monitor_training, "patiently", _patiently_with(waits.append))
    cloud.add_job(JOB, startTime="2025-01-02T03:05:00Z")
    cloud.states = ["RUNNING", "RUNNING", "SUCCEEDED"]
    cloud.say(*LINES)
    cloud.faults = ["drop", 503, 503, None, "drop", None, None, 500, 503]
    code, out, err = watch("first", "--follow")
    assert real is monitor_training.time.sleep
    assert code == 0 and "SUCCEEDED" in out and waits[:3] == [1.0, 2.0, 4.0] and not cloud.faults
    assert err.count("Next try in") == len(waits) >= 5


def _patiently_with(sleep):
    original = monitor_training.patiently
    return lambda call, give_up: original(call, give_up, sleep)


def test_a_job_that_is_not_there_ends_with_exit_code_1(cloud, watch):
    for name in ("second", "77", f"projects/{PROJECT}/locations/{REGION}/customJobs/77"):
        code, out, err = watch(name)
        assert code == 1 and out == "" and "--region" in the_error(err)


@pytest.mark.parametrize("name", ["projects/a", "projects/a/locations/b/pipelineJobs/1", 'first" OR x', "A B"])
def test_what_is_no_name_of_a_job_is_wrong_usage(cloud, watch, name):
    code, out, err = watch(name)
    assert (code, out) == (2, "") and name in the_error(err) and not cloud.requests
    assert "--job" not in err  # it was typed without


def test_without_the_right_to_see_jobs_the_role_is_named(cloud, watch):
    cloud.faults = [403]
    code, out, err = watch("first")
    assert (code, out) == (1, "") and "Vertex AI User or Viewer" in the_error(err)


def test_without_the_right_to_read_the_log_the_state_is_shown_all_the_same(cloud, watch):
    cloud.add_job(JOB)
    cloud.states = ["RUNNING"]
    cloud.faults = [None, 403]
    code, out, err = watch("first")
    assert code == 0 and "first: RUNNING" in out and "Logs Viewer" in err
