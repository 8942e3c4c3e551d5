"""What the cloud commands share: estimates, machines, the package, who is chief, copies of a run that is saving."""

import ast
import io
import os
import subprocess
import sys
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest

import cloud_run
import monitor_training
import submit_training
import vertex
from model import HandwritingModel
from settings import ModelConfig
from utils import ALPHABET
from vertex import CloudError, UsageError

ROOT = os.path.dirname(os.path.abspath(vertex.__file__))
COMMANDS = ["vertex", "cloud_run", "submit_training", "monitor_training", "download_results"]


def flags(**changes):
    return SimpleNamespace(**{"rnn_size": 400, "nmixtures": 20, "kmixtures": 1, "alphabet": ALPHABET, **changes})


# ------------------------------------------------------------------------------------------------------------- imports


@pytest.mark.smoke
def test_no_command_of_the_cloud_imports_tensorflow_and_none_needs_googles_packages_to_be_imported():
    program = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras") or name.startswith("google.cloud"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import {", ".join(COMMANDS)}
print(submit_training.parse_args(["--bucket", "abc", "--rnn_size", "7"])[2].rnn_size)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "7\n", done.stderr


def test_without_googles_packages_the_line_names_the_file_that_installs_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
    with pytest.raises(CloudError, match="pip install -r requirements-cloud.txt"):
        vertex.storage_client()


# ------------------------------------------------------------------------------------------------- machines, estimates


@pytest.mark.parametrize("changes", [{}, {"rnn_size": 7, "kmixtures": 3, "nmixtures": 2, "alphabet": "abc"}], ids=str)
def test_the_parameters_are_counted_as_the_network_has_them(changes):
    model = HandwritingModel(flags(**changes))
    built = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert ModelConfig.from_args(flags(**changes)).weights == built


@pytest.mark.parametrize("gpu_type", vertex.GPUS)
def test_an_estimate_is_operations_by_the_assumed_rate_and_hours_by_the_price(gpu_type):
    """A batch so large that the time of a step does not limit: then the assumed share of the peak does."""
    gpu = vertex.GPUS[gpu_type]
    args = flags(batch_size=10**9)
    count = min(gpu.machines)
    e = vertex.estimate(args, 10**9, gpu_type, count, spot=True)
    seconds = 6 * ModelConfig.from_args(args).weights * 10**9 / (gpu.share * gpu.tflops * 1e12 * max(1, count))
    assert e.hours == pytest.approx(seconds / 3600 + vertex.START_MINUTES / 60)
    assert e.usd == pytest.approx(e.hours * gpu.machines[count][1] * vertex.SPOT_SHARE)
    assert e.share == pytest.approx(gpu.share)


def test_a_small_batch_is_limited_by_the_steps_and_not_by_the_peak():
    slow = vertex.estimate(flags(batch_size=16), 10**9, "h100", 8)
    fast = vertex.estimate(flags(batch_size=32), 10**9, "h100", 8)
    assert slow.rate == 16 / vertex.ASSUMED_STEP and fast.rate == 2 * slow.rate and slow.share < vertex.ASSUMED_SHARE


def test_every_accelerator_of_the_table_is_one_that_the_library_knows():
    types = pytest.importorskip("google.cloud.aiplatform_v1.types")
    for gpu in vertex.GPUS.values():
        assert not gpu.accelerator or types.AcceleratorType[gpu.accelerator]


@pytest.mark.parametrize("name, count", [("none", 1), ("t4", 3), ("v100", 0), ("h100", 1)])
def test_a_machine_that_does_not_exist_is_refused(name, count):
    with pytest.raises(UsageError, match="--gpu-count"):
        vertex.find_machine(name, count)


def test_the_price_of_worker_pools_is_that_of_all_machines_and_none_for_a_strange_one():
    spec = {"machineType": "a2-highgpu-2g", "acceleratorType": "NVIDIA_TESLA_A100", "acceleratorCount": 2}
    pools = [{"machineSpec": spec, "replicaCount": "1"}, {"machineSpec": spec, "replicaCount": "3"}]
    assert vertex.spec_price(pools) == pytest.approx(4 * vertex.GPUS["a100"].machines[2][1])
    assert vertex.spec_price([{"machineSpec": {**spec, "machineType": "x"}}]) is None


@pytest.mark.parametrize("seconds, text", [(-1, "0 s"), (59.9, "59 s"), (75, "1 min 15 s"), (3700, "1 h 1 min")])
def test_durations_are_written_in_two_units(seconds, text):
    assert vertex.duration(seconds) == text


@pytest.mark.parametrize(
    "own, flags, passed_on",
    [
        ([], ["--rnn_size", "7"], ["--rnn_size", "7"]),
        (["--workers", "2"], ["--rnn_size", "7"], ["--rnn_size", "7", "--distribute", "multiworker"]),
        (["--gpu-count", "2"], [], ["--distribute", "mirrored"]),
        (["--workers", "3", "--gpu-count", "2"], [], ["--distribute", "multiworker"]),
        (["--workers", "2"], ["--distribute=multiworker"], ["--distribute=multiworker"]),
        ([], ["--distribute", "mirrored"], ["--distribute", "mirrored"]),
    ],
)
def test_train_py_is_told_of_several_machines_or_gpus(own, flags, passed_on):
    assert submit_training.parse_args(["--bucket", "abc", *own, *flags])[1] == passed_on


@pytest.mark.parametrize(
    "own, given",
    [
        (["--workers", "2"], "none"),
        (["--workers", "2"], "mirrored"),
        (["--gpu-count", "2"], "none"),
        (["--gpu-count", "2"], "multiworker"),
        ([], "multiworker"),
    ],
)
def test_a_distribution_that_does_not_fit_the_machines_is_refused(own, given):
    for flags in (["--distribute", given], [f"--distribute={given}"]):
        with pytest.raises(UsageError, match=f"--distribute {given} does not fit"):
            submit_training.parse_args(["--bucket", "abc", *own, *flags])


def test_several_workers_are_two_pools_the_first_of_them_the_chief():
    args, flags, _ = submit_training.parse_args(["--bucket", "abc", "--job", "a", "--workers", "3", "--gpu-count", "2"])
    job = submit_training.specification(args, flags, {"data/x": "inputs/x"}, "code")["jobSpec"]
    chief, workers = job["workerPoolSpecs"]
    assert (chief["replicaCount"], workers["replicaCount"]) == ("1", "2")
    assert {**chief, "replicaCount": ""} == {**workers, "replicaCount": ""}  # the same machine, image and command
    assert chief["machineSpec"]["acceleratorCount"] == 2 and job["scheduling"]["restartJobOnWorkerRestart"]
    assert chief["pythonPackageSpec"]["args"][-2:] == ["--distribute", "multiworker"]


# ------------------------------------------------------------------------------------------------- package and image


def test_the_package_holds_all_that_the_entry_points_import_and_is_the_same_every_time():
    content = submit_training.package()
    assert content == submit_training.package()
    tar = tarfile.open(fileobj=io.BytesIO(content))
    names = {os.path.basename(name).removesuffix(".py") for name in tar.getnames()}
    assert {"cloud_run", "vertex", "train", "distribute", "sample", "model", "recurrent", "utils"} <= names
    assert {"checkpoint", "tf_setup", "settings"} <= names
    assert not {"submit_training", "make_dataset", "verify_data"} & names  # what no container runs
    for name, source in submit_training.modules().items():
        ast.parse(source, name, feature_version=(3, 10))  # the Python of the prebuilt containers
        for node in ast.walk(ast.parse(source)):
            imported = [node.module] if isinstance(node, ast.ImportFrom) else []
            imported += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in imported:
                if module and os.path.exists(os.path.join(ROOT, f"{module}.py")):
                    assert module in names, f"{name} imports {module}"


def test_the_image_is_pinned_and_does_not_run_as_root():
    lines = [line.strip() for line in open(os.path.join(ROOT, "Dockerfile"), encoding="utf-8")]
    base = [line for line in lines if line.startswith("FROM ")]
    assert base == ["FROM python:3.12.8-slim-bookworm"]
    packages = [line.split('"')[1] for line in lines if line.startswith('"')]
    assert len(packages) >= 6 and all("==" in package for package in packages), packages
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER scribe"
    assert lines[-1] == 'ENTRYPOINT ["python3", "/opt/scribe/cloud_run.py"]' or "ENTRYPOINT" in lines[-2]
    ignored = open(os.path.join(ROOT, ".dockerignore"), encoding="utf-8").read().split("\n")
    assert "*" in ignored and "!*.py" in ignored


# ---------------------------------------------------------------------------------------------------- in the container


@pytest.mark.parametrize(
    "config, chief",
    [
        ("", True),
        ('{"cluster": {"chief": ["a"], "worker": ["b"]}, "task": {"type": "chief", "index": 0}}', True),
        ('{"cluster": {"chief": ["a"], "worker": ["b"]}, "task": {"type": "worker", "index": 0}}', False),
        ('{"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 0}}', True),
        ('{"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 1}}', False),
    ],
)
def test_one_worker_is_the_chief(config, chief):
    assert cloud_run.is_chief({"TF_CONFIG": config}) is chief


def test_a_broken_tf_config_is_one_clear_line():
    with pytest.raises(CloudError, match="TF_CONFIG does not describe a worker"):
        cloud_run.is_chief({"TF_CONFIG": "{"})


def test_what_vertex_ai_sets_goes_before_the_flag():
    args = SimpleNamespace(job="gs://bucket/scribe/a")
    environ = {"AIP_CHECKPOINT_DIR": "gs://other/b/checkpoints/", "AIP_MODEL_DIR": "gs://other/b/model/"}
    assert cloud_run.folders(args, environ) == {
        "checkpoints": "gs://other/b/checkpoints", "logs": "gs://bucket/scribe/a/logs", "model": "gs://other/b/model"
    }  # fmt: skip
    args.job = None
    assert cloud_run.folders(args, environ)["logs"] == "gs://other/b/logs"
    with pytest.raises(UsageError, match="--job is missing"):
        cloud_run.folders(args, {})


def write_run(work, step, parts=("index", "data-00000-of-00001")):
    """A folder as train.py leaves it after a save."""
    folder = work / "run" / "latest"
    os.makedirs(folder, exist_ok=True)
    for part in parts:
        (folder / f"ckpt-{step}.{part}").write_text(f"{part} {step}")
    (folder / "checkpoint").write_text(
        f'model_checkpoint_path: "ckpt-{step}"\nall_model_checkpoint_paths: "ckpt-{step}"\n'
    )


def test_a_copy_holds_the_run_and_its_step_but_nothing_unfinished(tmp_path):
    write_run(tmp_path, 40)
    os.makedirs(tmp_path / "logs")
    (tmp_path / "logs" / "train_scribe.txt").write_text("log")
    for name in ("checkpoint.tmp0a1b", "ckpt-50_temp/part-0"):
        os.makedirs(os.path.dirname(tmp_path / "run" / "latest" / name), exist_ok=True)
        (tmp_path / "run" / "latest" / name).write_text("half")
    files, step = cloud_run.copy_of_run(str(tmp_path), str(tmp_path / "aside"))
    assert step == 40 and set(files) == {
        "run/latest/checkpoint", "run/latest/ckpt-40.index", "run/latest/ckpt-40.data-00000-of-00001",
        "logs/train_scribe.txt",
    }  # fmt: skip
    assert open(files["run/latest/ckpt-40.index"]).read() == "index 40"


@pytest.mark.parametrize("parts", [("index",), ("data-00000-of-00001",), ()])
def test_a_copy_of_a_run_that_lacks_what_it_names_is_none(tmp_path, parts):
    write_run(tmp_path, 40, parts)
    assert cloud_run.copy_of_run(str(tmp_path), str(tmp_path / "aside")) is None


def test_a_run_that_saves_while_it_is_copied_is_copied_again(tmp_path, monkeypatch):
    write_run(tmp_path, 40)
    original = cloud_run.shutil.copyfile

    def saving(source, target):
        original(source, target)
        if source.endswith("checkpoint"):
            write_run(tmp_path, 50)

    monkeypatch.setattr(cloud_run.shutil, "copyfile", saving)
    assert cloud_run.copy_of_run(str(tmp_path), str(tmp_path / "aside")) is None
    monkeypatch.undo()
    assert cloud_run.copy_of_run(str(tmp_path), str(tmp_path / "aside"))[1] == 50


# ------------------------------------------------------------------------------------------------------------ watching


def test_progress_is_read_from_the_log_also_after_a_restart():
    lines = [
        (0, "step 50/200: -1.5 nats/point, learning rate 7.85e-04, 3815 points/s"),
        (10, "step 100/200: nan nats/point, learning rate 7.85e-04, 3815 points/s"),
        (11, "step 100: validation -1.75 nats/point, -800.0 nats/line (the best so far)"),
        (60, "step 75/200: -1.6 nats/point, learning rate 7.85e-04, 3900 points/s"),
        (65, "step 100/200: -1.7 nats/point, learning rate 7.85e-04, 3900 points/s"),
        (66, "step 100: validation -1.70 nats/point, -800.0 nats/line (best -1.75, 1 validations ago)"),
        (67, "Loaded something else"),
    ]
    progress = monitor_training.Progress()
    for when, text in lines:
        progress = monitor_training.read_line(progress, text, when)
    assert (progress.step, progress.steps, progress.nats, progress.rate) == (100, 200, -1.7, 3900)
    assert progress.validation == -1.75 and monitor_training.seconds_left(progress) == 20.0


def test_waiting_for_the_network_doubles_and_ends():
    waits = []

    def call():
        raise vertex.NetworkError("no network.")

    with pytest.raises(vertex.NetworkError):
        monitor_training.patiently(call, 40.0, waits.append)
    assert waits[:5] == [1.0, 2.0, 4.0, 8.0, 16.0] and max(waits) <= 40
