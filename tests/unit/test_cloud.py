"""What the cloud commands share: estimates, machines, the package, who is chief, copies of a run that is saving."""

import ast
import fnmatch
import glob
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest

import download_results
import monitor_training
import submit_training
from model import HandwritingModel
from scribe.cloud import clients, container, estimates, package, prices
from scribe.cloud.bucket import open_bucket
from scribe.cloud.errors import CloudError, NetworkError
from scribe.console import UsageError, run_command
from scribe.ink.alphabet import ALPHABET
from scribe.network import checkpoint_files
from scribe.network.config import ModelConfig

ROOT = os.path.dirname(os.path.abspath(submit_training.__file__))
COMMANDS = ["scribe.cloud.container", "submit_training", "monitor_training", "download_results"]


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
        clients.storage_client()


# ------------------------------------------------------------------------------------------------- machines, estimates


@pytest.mark.parametrize("changes", [{}, {"rnn_size": 7, "kmixtures": 3, "nmixtures": 2, "alphabet": "abc"}], ids=str)
def test_the_parameters_are_counted_as_the_network_has_them(changes):
    model = HandwritingModel(flags(**changes))
    built = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert ModelConfig.from_args(flags(**changes)).weights == built


@pytest.mark.parametrize("gpu_type", prices.GPUS)
def test_an_estimate_is_operations_by_the_assumed_rate_and_hours_by_the_price(gpu_type):
    """A batch so large that the time of a step does not limit: then the assumed share of the peak does."""
    gpu = prices.GPUS[gpu_type]
    args = flags(batch_size=10**9)
    count = min(gpu.machines)
    e = estimates.estimate(args, 10**9, gpu_type, count, spot=True)
    seconds = 6 * ModelConfig.from_args(args).weights * 10**9 / (gpu.mfu * gpu.tflops * 1e12 * max(1, count))
    assert e.hours == pytest.approx(seconds / 3600 + estimates.START_MINUTES / 60)
    assert e.usd == pytest.approx(e.hours * gpu.machines[count][1] * prices.SPOT_SHARE)
    assert e.mfu == pytest.approx(gpu.mfu)


def test_a_small_batch_is_limited_by_the_steps_and_not_by_the_peak():
    slow = estimates.estimate(flags(batch_size=16), 10**9, "h100", 8)
    fast = estimates.estimate(flags(batch_size=32), 10**9, "h100", 8)
    assert slow.rate == 16 / prices.ASSUMED_STEP and fast.rate == 2 * slow.rate and slow.mfu < prices.ASSUMED_MFU


def test_every_accelerator_of_the_table_is_one_that_the_library_knows():
    types = pytest.importorskip("google.cloud.aiplatform_v1.types")
    for gpu in prices.GPUS.values():
        assert not gpu.accelerator or types.AcceleratorType[gpu.accelerator]


# What Google's page of machines for training allows, in 2026: machine type -> numbers of GPUs.
N1_GPUS = {
    "t4": {8: (1, 2, 4), 16: (1, 2, 4), 32: (2, 4), 64: (4,)},
    "v100": {8: (1, 2, 4, 8), 16: (2, 4, 8), 32: (4, 8), 64: (8,)},
}
OTHER_MACHINES = {
    "l4": {1: "g2-standard-8", 2: "g2-standard-24", 4: "g2-standard-48", 8: "g2-standard-96"},
    "a100": {n: f"a2-highgpu-{n}g" for n in (1, 2, 4, 8)},
    "a100-80gb": {n: f"a2-ultragpu-{n}g" for n in (1, 2, 4, 8)},
    "h100": {n: f"a3-highgpu-{n}g" for n in (1, 2, 4, 8)},
}


def test_every_machine_is_one_that_vertex_ai_has_with_so_many_of_these_gpus():
    assert set(prices.GPUS) == {"none", *N1_GPUS, *OTHER_MACHINES}
    for name, machines in N1_GPUS.items():
        for count, (machine, _) in prices.GPUS[name].machines.items():
            assert machine.startswith("n1-standard-") and count in machines[int(machine.rsplit("-", 1)[1])], (
                name,
                count,
            )
    for name, machines in OTHER_MACHINES.items():
        assert {count: machine for count, (machine, _) in prices.GPUS[name].machines.items()} == machines


# Compute Engine's prices in us-central1: of a GPU; of a processor and a GB of the machines that it goes with.
COMPUTE_ENGINE = {
    "t4": 0.35, "v100": 2.48, "l4": 0.560040239, "a100-80gb": 3.92808, "h100": 9.796550569,
    "n1": (0.0475, 0), "g2": (0.024988, 0.002927), "a2": (0.031611, 0.004237), "a3": (0.0254980, 0.0022203),
}  # fmt: skip
SIZES = {  # processors and GB for a GPU
    "l4": {1: (8, 32), 2: (24, 96), 4: (48, 192), 8: (96, 384)},
    "a100-80gb": {n: (12 * n, 170 * n) for n in (1, 2, 4, 8)}, "h100": {n: (26 * n, 234 * n) for n in (1, 2, 4, 8)},
}  # fmt: skip


@pytest.mark.parametrize("name", ["t4", "v100", "l4", "a100-80gb", "h100"])
def test_a_price_is_that_of_the_machine_and_its_gpus_with_the_fee_of_vertex_ai(name):
    """Not that of "a100", which could not be confirmed."""
    for count, (machine, price) in prices.GPUS[name].machines.items():
        cores, memory = SIZES[name][count] if name in SIZES else (int(machine.rsplit("-", 1)[1]), 0)
        core, gb = COMPUTE_ENGINE[machine.split("-")[0]]
        reckoned = (1 + prices.FEE) * (count * COMPUTE_ENGINE[name] + cores * core + memory * gb)
        assert price == pytest.approx(reckoned, abs=0.01), (machine, reckoned)


def test_the_fee_is_no_cheaper_on_a_spot_machine():
    """0.4 of the machine's price, and the whole fee: 0.55 of 1.15."""
    assert prices.SPOT_SHARE == pytest.approx(0.55 / 1.15, abs=0.005)


@pytest.mark.parametrize(
    "name, spot, quota",
    [
        ("none", False, None),
        ("t4", False, "custom_model_training_nvidia_t4_gpus"),
        ("t4", True, "custom_model_training_preemptible_nvidia_t4_gpus"),
        ("a100", False, "custom_model_training_nvidia_a100_gpus"),
        ("a100-80gb", False, "custom_model_training_nvidia_a100_80gb_gpus"),
        ("h100", True, "custom_model_training_preemptible_nvidia_h100_gpus"),
    ],
)
def test_the_quota_is_named_as_the_console_names_it(name, spot, quota):
    """The H100's has no memory in its name, unlike its accelerator type."""
    assert prices.quota_name(name, spot) == quota


def test_the_price_table_says_that_it_is_an_estimate_and_of_when():
    for spot in (False, True):
        last = list(estimates.estimate_table(flags(batch_size=16), 10**9, "t4", spot))[-1]
        assert "An estimate" in last and f"prices of us-central1 as of {prices.PRICE_DATE}" in last


def test_the_prices_of_the_page_are_those_of_the_table():
    page = open(os.path.join(ROOT, "docs", "VERTEX_AI_SETUP.md"), encoding="utf-8").read()
    for name, gpu in prices.GPUS.items():
        count = min(gpu.machines)
        machine, price = gpu.machines[count]
        demand = "only as spot" if count in gpu.spot_only else f"{price:.2f}"
        assert f"| {name} | {machine} | {demand} | {price * prices.SPOT_SHARE:.2f} |" in page
    assert f"as of {prices.PRICE_DATE}" in page and f"assumed {prices.SPOT_SHARE:.0%}" in page
    assert f"| `--gpu-type` | t4 | {', '.join(prices.GPUS)} |" in page and submit_training.BASE_IMAGE in page


@pytest.mark.parametrize("name, count", [("none", 1), ("t4", 3), ("v100", 0), ("h100", 1)])
def test_a_machine_that_does_not_exist_is_refused(name, count):
    with pytest.raises(UsageError, match="--gpu-count"):
        prices.find_machine(name, count)


def test_the_price_of_worker_pools_is_that_of_all_machines_and_none_for_a_strange_one():
    spec = {"machineType": "a2-highgpu-2g", "acceleratorType": "NVIDIA_TESLA_A100", "acceleratorCount": 2}
    pools = [{"machineSpec": spec, "replicaCount": "1"}, {"machineSpec": spec, "replicaCount": "3"}]
    assert prices.spec_price(pools) == pytest.approx(4 * prices.GPUS["a100"].machines[2][1])
    assert prices.spec_price([{"machineSpec": {**spec, "machineType": "x"}}]) is None


@pytest.mark.parametrize("seconds, text", [(-1, "0 s"), (59.9, "59 s"), (75, "1 min 15 s"), (3700, "1 h 1 min")])
def test_durations_are_written_in_two_units(seconds, text):
    assert estimates.duration(seconds) == text


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


@pytest.mark.parametrize("place", ["best/ckpt-7", "latest/ckpt-9", "ckpt-3"])
@pytest.mark.parametrize("config", ["beside", "one folder up"])
@pytest.mark.parametrize("named", ["prefix", "run"])
def test_init_from_takes_what_train_py_takes(tmp_path, monkeypatch, place, config, named):
    """It wanted a prefix with its config.json in the same folder, and said that a run was no checkpoint."""
    monkeypatch.chdir(tmp_path)
    prefix = os.path.join("saved", "mine", place)
    where = os.path.dirname(prefix) if config == "beside" else os.path.dirname(os.path.dirname(prefix))
    os.makedirs(os.path.dirname(prefix))
    for path in (f"{prefix}.index", f"{prefix}.data-00000-of-00001", os.path.join(where, "config.json")):
        with open(path, "wb") as file:
            file.write(checkpoint_files.INDEX_END)
    flags = ["--init_from", prefix if named == "prefix" else os.path.join("saved", "mine"), "--seed", "3"]
    _, train_flags, train_args = submit_training.parse_args(["--bucket", "mine-too", *flags])
    files, train_flags = submit_training.inputs(train_args, train_flags)
    assert train_flags == ["--seed", "3", "--init_from", "init/checkpoint"]
    assert {name: path for name, path in files.items() if name.startswith("init/")} == {
        "init/config.json": os.path.join(where, "config.json"),
        "init/checkpoint.index": f"{prefix}.index",
        "init/checkpoint.data-00000-of-00001": f"{prefix}.data-00000-of-00001",
    }


def test_init_from_that_is_no_whole_checkpoint_is_told_in_one_line(tmp_path):
    (tmp_path / "checkpoint.index").write_bytes(checkpoint_files.INDEX_END)
    for name, missing in (("checkpoint", "checkpoint.data-"), ("none", "none.index")):
        flags = ["--bucket", "mine-too", "--init_from", str(tmp_path / name)]
        _, train_flags, train_args = submit_training.parse_args(flags)
        with pytest.raises(UsageError, match=re.escape(missing)):
            submit_training.inputs(train_args, train_flags)


def test_several_workers_are_two_pools_the_first_of_them_the_chief():
    args, flags, _ = submit_training.parse_args(["--bucket", "abc", "--job", "a", "--workers", "3", "--gpu-count", "2"])
    job = submit_training.specification(args, flags, {"data/x": "inputs/x"}, "code")["jobSpec"]
    chief, workers = job["workerPoolSpecs"]
    assert (chief["replicaCount"], workers["replicaCount"]) == ("1", "2")
    assert {**chief, "replicaCount": ""} == {**workers, "replicaCount": ""}  # the same machine, image and command
    assert chief["machineSpec"]["acceleratorCount"] == 2 and job["scheduling"]["restartJobOnWorkerRestart"]
    assert chief["containerSpec"]["args"][-2:] == ["--distribute", "multiworker"]


# ------------------------------------------------------------------------------------------------- package and image


def test_the_package_holds_all_that_the_entry_points_import_and_is_the_same_every_time():
    content = package.build()
    assert content == package.build()
    tar = tarfile.open(fileobj=io.BytesIO(content))
    names = {name.partition("/")[2].removesuffix(".py") for name in tar.getnames()}
    assert {"train", "sample", "model", "utils", "scribe/__init__", "scribe/cloud/__init__"} <= names
    library = {name for name in glob.glob("scribe/**/*.py", root_dir=ROOT, recursive=True) if "/web/" not in name}
    assert {name.removesuffix(".py") for name in library} <= names and "scribe/cloud/container" in names
    assert not {"submit_training", "make_dataset", "verify_data"} & names  # what no container runs
    for name, source in package.files().items():
        ast.parse(source, name, feature_version=(3, 10))  # the Python of the prebuilt containers
        for node in ast.walk(ast.parse(source)):
            imported = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            if isinstance(node, ast.ImportFrom):
                imported = [node.module, *(f"{node.module}.{one}" for one in imported)]
            for module in (one.replace(".", "/") for one in imported):
                if os.path.exists(os.path.join(ROOT, f"{module}.py")):
                    assert module in names, f"{name} imports {module}"


def dockerfile(stage="train"):
    """[(instruction, rest)] of a stage of the Dockerfile, continued lines joined; the last stage is the default."""
    text = open(os.path.join(ROOT, "Dockerfile"), encoding="utf-8").read().replace("\\\n", " ")
    lines = [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    starts = [k for k, (word, _) in enumerate(lines) if word == "FROM"]
    stages = [lines[a:b] for a, b in zip(starts, [*starts[1:], len(lines)])]
    assert stages[-1][0][1].endswith(" AS train")
    return next(found for found in stages if found[0][1].endswith(f" AS {stage}"))


def in_the_image():
    """Paths below the root that .dockerignore lets through to the Dockerfile."""
    lines = open(os.path.join(ROOT, ".dockerignore"), encoding="utf-8").read().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"  # all is left out but what follows
    wanted = [pattern.removeprefix("!") for pattern in patterns[1:] if pattern.startswith("!")]
    assert len(wanted) == len(patterns) - 1
    return sorted(path for pattern in wanted for path in glob.glob(pattern, root_dir=ROOT, recursive=True))


def test_the_image_is_pinned_and_does_not_run_as_root():
    lines = dockerfile()
    assert lines[0] == ("FROM", f"{submit_training.BASE_IMAGE} AS train") and re.fullmatch(
        r"python:3\.12\.\d+-slim-\w+ AS train", lines[0][1]
    )
    packages = [line.strip() for line in open(os.path.join(ROOT, "requirements-image.txt")) if line[0] != "#"]
    assert len(packages) >= 6 and all(re.fullmatch(r"[\w.-]+(\[[\w-]+\])?==[\d.]+", p) for p in packages), packages
    assert [rest for word, rest in lines if word == "USER"] == ["scribe"]
    assert lines[-1] == ("ENTRYPOINT", '["python3", "-m", "scribe.cloud.container"]')
    steps = [word if word != "COPY" else rest for word, rest in lines]
    assert steps.index("requirements-image.txt /tmp/") < steps.index("RUN") < steps.index("*.py /opt/scribe/")


def test_the_image_of_the_server_has_what_it_writes_with_and_does_not_run_as_root():
    lines, there = dockerfile("serve"), in_the_image()
    assert [rest for word, rest in lines if word == "USER"] == ["scribe"]
    assert lines[-1][0] == "ENTRYPOINT" and "serve.py" in lines[-1][1]
    copied = [rest.split()[0] for word, rest in lines if word == "COPY"]
    needed = [
        "serve.py",
        "requirements-web.txt",
        "data/hands.npz",
        "data/picture_reader.npz",
        "data/reader.npz",
        "data/styles.p",
        "saved/config.json",
    ]
    needed += ["saved/checkpoint.index", "scribe/web/app.py", "scribe/web/page/index.html", "scribe/web/page/main.js"]
    for name in needed:
        folder = name.split("/")[0] + "/"
        assert name in there and (folder in copied or name in copied or "/" not in name and "*.py" in copied), name


def test_the_image_finds_the_driver_of_the_machine():
    """It is mounted below /usr/local/nvidia; without these variables TensorFlow would see no GPU, and use none."""
    environment = next(rest for word, rest in dockerfile() if word == "ENV")
    assert "LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64" in environment
    assert "NVIDIA_VISIBLE_DEVICES=all" in environment and "compute" in environment
    assert "LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64" in submit_training.start_script(True)


@pytest.mark.slow
def test_the_files_of_the_image_are_all_that_its_commands_need(tmp_path):
    """The Dockerfile's steps on a folder: what .dockerignore lets through, what COPY takes of it; then the commands."""
    there = in_the_image()
    assert not [name for name in there if os.path.isdir(os.path.join(ROOT, name))]
    for word, rest in dockerfile():
        if word == "COPY":
            source, target = rest.split()
            folder, pattern = os.path.split(source)  # of a folder, COPY takes all that is in it
            found = [
                os.path.relpath(name, folder or ".")
                for name in there
                if (name.startswith(source) if not pattern else "/" not in name and fnmatch.fnmatch(name, pattern))
            ]
            assert found, source
            for name in found:
                os.makedirs(os.path.dirname(f"{tmp_path}{target}{name}"), exist_ok=True)
                shutil.copyfile(os.path.join(ROOT, folder, name), f"{tmp_path}{target}{name}")
    suite = tmp_path / "opt" / "scribe"
    assert all((suite / name).is_file() for name in package.files())
    (path,) = (rest.partition("=")[2] for word, rest in dockerfile() if word == "ENV" and "PYTHONPATH" in rest)
    commands = [["-m", "scribe.cloud.container"], [suite / "train.py"], [suite / "sample.py"]]
    for command in commands:
        done = subprocess.run(
            [sys.executable, *command, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
            env={**os.environ, "PYTHONPATH": f"{tmp_path}{path}" if command[0] == "-m" else ""},
        )  # fmt: skip
        assert done.returncode == 0 and "usage:" in done.stdout, done.stderr


def test_without_a_gpu_no_cuda_is_installed_at_the_start():
    assert "'tensorflow[and-cuda]==" in submit_training.start_script(True)
    assert " tensorflow==" in submit_training.start_script(False)


# ---------------------------------------------------------------------------------------------------- in the container


@pytest.mark.parametrize(
    "config, chief",
    [
        ("", True),
        ('{"cluster": {"chief": ["a"], "worker": ["b"]}, "task": {"type": "chief", "index": 0}}', True),
        ('{"cluster": {"chief": ["a"], "worker": ["b"]}, "task": {"type": "worker", "index": 0}}', False),
        ('{"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 0}}', True),
        ('{"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 1}}', False),
        ('{"cluster": {"master": ["a"], "worker": ["b"]}, "task": {"type": "master", "index": 0}}', True),
        ('{"cluster": {"master": ["a"], "worker": ["b"]}, "task": {"type": "worker", "index": 0}}', False),
    ],
)
def test_one_worker_is_the_chief(config, chief):
    assert container.is_chief({"TF_CONFIG": config}) is chief


def test_a_broken_tf_config_is_one_clear_line():
    with pytest.raises(CloudError, match="TF_CONFIG does not describe a worker"):
        container.is_chief({"TF_CONFIG": "{"})


def test_what_vertex_ai_sets_goes_before_the_flag():
    args = SimpleNamespace(job="gs://bucket/scribe/a")
    environ = {"AIP_CHECKPOINT_DIR": "gs://other/b/checkpoints/", "AIP_MODEL_DIR": "gs://other/b/model/"}
    assert container.folders(args, environ) == {
        "checkpoints": "gs://other/b/checkpoints", "logs": "gs://bucket/scribe/a/logs", "model": "gs://other/b/model"
    }  # fmt: skip
    args.job = None
    assert container.folders(args, environ)["logs"] == "gs://other/b/logs"
    with pytest.raises(UsageError, match="--job is missing"):
        container.folders(args, {})


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
    files, step = container.copy_of_run(str(tmp_path), str(tmp_path / "aside"))
    assert step == 40 and set(files) == {
        "run/latest/checkpoint", "run/latest/ckpt-40.index", "run/latest/ckpt-40.data-00000-of-00001",
        "logs/train_scribe.txt",
    }  # fmt: skip
    assert open(files["run/latest/ckpt-40.index"]).read() == "index 40"


@pytest.mark.parametrize("parts", [("index",), ("data-00000-of-00001",), ()])
def test_a_copy_of_a_run_that_lacks_what_it_names_is_none(tmp_path, parts):
    write_run(tmp_path, 40, parts)
    assert container.copy_of_run(str(tmp_path), str(tmp_path / "aside")) is None


def test_a_run_that_saves_while_it_is_copied_is_copied_again(tmp_path, monkeypatch):
    write_run(tmp_path, 40)
    original = container.shutil.copyfile

    def saving(source, target):
        original(source, target)
        if source.endswith("checkpoint"):
            write_run(tmp_path, 50)

    monkeypatch.setattr(container.shutil, "copyfile", saving)
    assert container.copy_of_run(str(tmp_path), str(tmp_path / "aside")) is None
    monkeypatch.undo()
    assert container.copy_of_run(str(tmp_path), str(tmp_path / "aside"))[1] == 50


def sync_of(tmp_path, monkeypatch, **broken):
    """A Sync of a run that has saved, whose bucket takes everything; `broken`: functions that raise instead."""
    pytest.importorskip("google.cloud.storage")
    write_run(tmp_path, 40)
    (tmp_path / "run" / "latest" / "config.json").write_text("{}")
    os.makedirs(tmp_path / "logs")
    (tmp_path / "logs" / "train_scribe.txt").write_text("log")
    sent = []
    client = SimpleNamespace()
    client.bucket = lambda name: SimpleNamespace(name=name, client=client)
    found = SimpleNamespace(number=1, step=40)
    monkeypatch.setattr(container, "write_set", lambda bucket, prefix, files, step: (found, len(files)))
    monkeypatch.setattr(container, "upload_file", lambda bucket, path, name: sent.append(name))
    monkeypatch.setattr(container, "remove_old_sets", lambda bucket, prefix: None)
    for name, function in broken.items():
        monkeypatch.setattr(container, name, function)
    where = {"checkpoints": "gs://mine/a/checkpoints", "logs": "gs://mine/a/logs"}
    return container.Sync(client, where, str(tmp_path), 0), found, sent


def refused(*_):
    raise CloudError("cannot clear up gs://mine/a/checkpoints: 403 Forbidden.")


def test_old_sets_that_may_not_be_removed_are_a_warning_and_the_model_is_published(tmp_path, monkeypatch, capsys):
    """The job failed where it was done, and its model never came to the bucket."""
    sync, found, sent = sync_of(tmp_path, monkeypatch, remove_old_sets=refused)
    assert sync.now() is found
    sync.publish("gs://mine/a/model")
    assert {"a/model/checkpoint.index", "a/model/config.json"} <= set(sent)
    said = capsys.readouterr().err
    (warning,) = (line for line in said.splitlines() if "Warning" in line)
    assert "403 Forbidden" in warning and "older sets" in warning and "again" not in warning
    assert "step 40 is in the bucket: set 1" in said


def test_logs_that_cannot_be_shown_are_a_warning_since_the_set_has_them(tmp_path, monkeypatch, capsys):
    def upload(bucket, path, name):
        if "/logs/" in name:
            refused()

    sync, found, _ = sync_of(tmp_path, monkeypatch, upload_file=upload)
    assert sync.now() is found
    (warning,) = (line for line in capsys.readouterr().err.splitlines() if "Warning" in line)
    assert "403 Forbidden" in warning and "logs" in warning


def test_a_set_that_is_complete_is_not_sent_again_because_the_clean_up_after_it_was_refused(
    tmp_path, monkeypatch, capsys
):
    sync, *_ = sync_of(tmp_path, monkeypatch, remove_old_sets=refused)
    write_run(tmp_path, 50)
    sync.when_due()
    sync.when_due()
    said = capsys.readouterr().err
    assert said.count("is in the bucket") == 1 and "tried again" not in said


def test_a_set_that_cannot_be_sent_is_tried_again_and_at_the_end_an_error(tmp_path, monkeypatch, capsys):
    sync, *_ = sync_of(tmp_path, monkeypatch, write_set=refused)
    write_run(tmp_path, 50)
    sync.when_due()
    assert "It is tried again in 0 s; training goes on." in capsys.readouterr().err
    with pytest.raises(CloudError):
        sync.now()


@pytest.mark.parametrize(
    "tensorflow, error",
    [
        ("['a', 'b']", None),
        ("['a']", "sees 1 GPUs where 2 are paid for"),
        ("[]", "sees 0 GPUs where 2 are paid for"),
        ("no", "cannot be loaded"),
    ],
)
def test_gpus_that_are_paid_for_and_not_seen_end_the_job_at_once(tmp_path, monkeypatch, tensorflow, error):
    """A machine with GPUs would else train on its processors, at the price of both."""
    (tmp_path / "tensorflow.py").write_text(f"class config:\n    list_physical_devices = lambda kind: {tensorflow}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    if error is None:
        container.check_gpus(2)
    else:
        with pytest.raises(CloudError, match=error) as caught:
            container.check_gpus(2)
        assert "\n" not in str(caught.value)
    container.check_gpus(0)


def test_a_folder_that_no_job_can_have_is_never_the_newest_job():
    """saved/.. would be this folder itself."""

    def bucket(*names):
        blobs = [SimpleNamespace(updated=i, name=f"scribe/{name}/checkpoints/sets/1") for i, name in enumerate(names)]
        return SimpleNamespace(name="b", client=SimpleNamespace(list_blobs=lambda *a, **k: blobs))

    assert download_results.newest_job(bucket("first", "second", "..", "", "a/b", "A")) == "second"
    with pytest.raises(CloudError, match="there is no job"):
        download_results.newest_job(bucket(".."))


def test_a_bucket_in_another_region_is_a_warning_that_says_what_to_do():
    def opened(location):
        client = SimpleNamespace(get_bucket=lambda *a, **k: SimpleNamespace(location=location))
        return open_bucket(client, "mine", "us-central1")[1]

    pytest.importorskip("google.cloud.storage")
    assert opened("US-CENTRAL1") is None and opened("US") is None  # the second one is in several regions
    warning = opened("US-EAST1")
    assert "is in us-east1, the job in us-central1" in warning and "--region us-east1" in warning


@pytest.mark.parametrize(
    "error, code, line",
    [
        (UsageError("wrong."), 2, "Error: wrong."),
        (CloudError("gone."), 1, "Error: gone."),
        (FileNotFoundError(2, "No such file", "x"), 1, "Error: x: No such file"),
        (KeyboardInterrupt(), 130, "Stopped."),
    ],
)
def test_what_ends_a_command_is_one_line_and_an_exit_code(error, code, line):
    def work():
        raise error

    lines = []
    assert run_command(work, say=lines.append) == code and lines == [line]
    assert run_command(lambda: 7, say=lines.append) == 7 and len(lines) == 1


def test_the_project_is_not_found_out_without_googles_packages(monkeypatch):
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(CloudError, match="pip install -r requirements-cloud.txt"):
        clients.find_project(None)


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
        raise NetworkError("no network.")

    with pytest.raises(NetworkError):
        monitor_training.patiently(call, 40.0, waits.append)
    assert waits[:5] == [1.0, 2.0, 4.0, 8.0, 16.0] and max(waits) <= 40
