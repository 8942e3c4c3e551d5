"""Starts a training on Google Cloud's Vertex AI; all flags of train.py can be given as well.

    python3 submit_training.py --bucket mine --gpu-type l4 --rnn_size 400 --nepochs 30
    python3 submit_training.py --bucket mine --gpu-type t4 --spot --job first      # again: goes on with this job
    python3 submit_training.py --bucket mine --dry-run                             # the whole request; nothing is done

Flags, data, machine, credentials and bucket are checked before anything is paid for. The suite and the data go to the
bucket unless they are there already. The job specification of --dry-run and the job's name go to stdout, all else to
stderr. docs/VERTEX_AI_SETUP.md has the steps that come before the first job. Exit codes: 0 started, 1 not started,
2 wrong usage.
"""

import argparse
import ast
import contextlib
import gzip
import hashlib
import io
import json
import os
import shlex
import sys
import tarfile
import tempfile
import time

from scribe.cloud import vertex
from scribe.cloud.vertex import CloudError
from scribe.console import UsageError, run_command, say
from scribe.files.stroke_file import DATA_FILE
from scribe.network.config import ModelConfig
from scribe.training.flags import parse_training_flags
from utils import DataLoader

HERE = os.path.dirname(os.path.abspath(__file__))
# Google's last prebuilt container of TensorFlow, 2.17, was to be had until 2026-07-11, so nothing of that kind is the
# default: without --image, the packages of the Dockerfile are installed on the Dockerfile's base when the job starts.
BASE_IMAGE = "python:3.12.13-slim-bookworm"
START = r"""set -e
export PATH=/usr/local/nvidia/bin:$PATH LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64
export PYTHONUNBUFFERED=1 MPLBACKEND=Agg
python3 -m pip install --quiet --no-cache-dir --root-user-action=ignore --retries 10 {packages}
mkdir -p /tmp/scribe-code
cd /tmp/scribe-code
python3 -c '
import io, sys, tarfile
from google.cloud import storage
bucket, name = sys.argv[1].removeprefix("gs://").split("/", 1)
code = storage.Client().bucket(bucket).blob(name).download_as_bytes()
tarfile.open(fileobj=io.BytesIO(code)).extractall(filter="data")
' "$0"
cd {package}
exec python3 -m scribe.cloud.container "$@"
"""
PACKAGE = "scribe-1.0"  # the suite as pip takes it; its folder in the bucket is named after its content
PACKAGE_NEEDS = ["google-cloud-storage>=2.10", "numpy", "matplotlib", "tqdm", "tensorboard"]
ENTRY_POINTS = ("scribe.cloud.container", "train", "sample")
# Flags of train.py that scribe/cloud/container.py sets, or that name something on this machine.
NOT_FOR_THE_CLOUD = ("save_path", "log_dir")
SAME_RUN = "rnn_size nmixtures kmixtures alphabet tsteps_per_ascii data_scale optimizer".split()


# --------------------------------------------------------------------------------------------------------------- flags


def parse_args(argv=None):
    """(own flags, flags of train.py as a list, the same as train.py understands them)."""
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
        epilog="All other flags go to train.py: python3 train.py --help",
    )  # fmt: skip
    g = p.add_argument_group("where")
    g.add_argument("--bucket", required=True, help="bucket for code, data and results; without gs://")
    g.add_argument("--project", default=None, help="Google Cloud project (default: that of the credentials)")
    g.add_argument("--region", default="us-central1", help="region of the machines (default: us-central1)")
    g.add_argument(
        "--job", default=None, help="name of the job; the same name again goes on with it (default: a new one)"
    )
    g.add_argument("--service-account", default=None, help="e-mail of the account that the job runs as")
    g = p.add_argument_group("machine")
    g.add_argument("--gpu-type", default="t4", help=f"{', '.join(vertex.GPUS)} (default: t4)")
    g.add_argument("--gpu-count", type=int, default=None, help="GPUs in a machine (default: 1)")
    g.add_argument("--workers", type=int, default=1, help="machines (default: 1)")
    g.add_argument("--spot", action="store_true", help="a spot machine: cheap, and may be taken away at any time")
    g.add_argument(
        "--max-hours", type=float, default=24.0, help="stop the job after so long, whatever it does (default: 24)"
    )
    g = p.add_argument_group("what runs")
    g.add_argument(
        "--image",
        default=None,
        help=f"image made from the Dockerfile (default: {BASE_IMAGE}, and its packages are installed at every start)",
    )
    g.add_argument("--prebuilt", default=None, help="one of Google's prebuilt containers of TensorFlow, 2.15 or newer")
    g.add_argument("--sync-every", type=float, default=60.0, help="least seconds between two uploads (default: 60)")
    g.add_argument("--sample", default="Hello World", help="text that is written at the end; empty for none")
    p.add_argument("--dry-run", action="store_true", help="print the job specification as JSON and touch nothing")
    args, flags = p.parse_known_args(argv)
    args.gpu_type = args.gpu_type.lower()
    vertex.check_names(args.bucket, args.job)
    train_args = parse_training_flags(flags, None)  # exit code 2 and train.py's own message where a flag is wrong
    for name in NOT_FOR_THE_CLOUD:
        if any(flag == f"--{name}" or flag.startswith(f"--{name}=") for flag in flags):
            p.error(f"--{name} cannot be given: the run goes to gs://{args.bucket}/{vertex.ROOT}/JOB")
    if args.workers < 1:
        p.error(f"--workers is {args.workers}: it has to be 1 or more")
    if not 0 < args.max_hours <= 7 * 24:
        p.error(f"--max-hours is {args.max_hours}: it has to be above 0 and at most 168, a week")
    if args.image and args.prebuilt:
        p.error("--image and --prebuilt are two ways to say what runs: name one")
    vertex.find_machine(args.gpu_type, args.gpu_count, args.spot)
    return args, distribution(args, flags, train_args), train_args


def distribution(args, flags, train_args):
    """The flags of train.py, with the --distribute that the machines need; UsageError where another one was given."""
    gpus = args.gpu_count or 1
    needed = "multiworker" if args.workers > 1 else "mirrored" if gpus > 1 else "none"
    given = train_args.distribute
    if not any(flag.split("=")[0] == "--distribute" for flag in flags):
        return [*flags, "--distribute", needed] if needed != "none" else flags
    # Mirrored does with one GPU, too; but TF_CONFIG, which multiworker needs, is there only for several machines.
    if given != needed and (given, needed) != ("mirrored", "none"):
        raise UsageError(
            f"--distribute {given} does not fit --workers {args.workers} with --gpu-count {gpus}, "
            f"which takes --distribute {needed}: leave it out."
        )
    return flags


# ---------------------------------------------------------------------------------------------------------------- data


def check_data(args, train_args):
    """verify_data.py's checks of all files that the training reads; faults go to stderr. Raises CloudError."""
    import verify_data

    with contextlib.redirect_stdout(io.StringIO()):  # the statistics
        report = verify_data.Report()
        verify_data.check_sources(report)
        verify_data.check_data(report, os.path.join(train_args.data_dir, DATA_FILE), train_args.tsteps, worst=0)
        if train_args.extra_data:
            verify_data.check_data(report, train_args.extra_data, train_args.tsteps, worst=0)
    if report.faults:
        raise CloudError(
            f"the data has {report.faults} fault{'s' * (report.faults > 1)}, named above: mend them first "
            f"(python3 verify_data.py --data_dir {train_args.data_dir} tells more)."
        )


def count_points(train_args):
    """Pen points in the whole training, and in the data."""
    try:
        loader = DataLoader(train_args)
    except (OSError, ValueError) as error:
        raise CloudError(str(error)) from None
    points = sum(map(len, loader.stroke_data))
    epoch = points * (train_args.nbatches / loader.num_batches if train_args.nbatches else 1)
    return round(epoch * train_args.nepochs), points


def inputs(train_args, flags):
    """What has to be in the bucket: ({name in the work folder: path}, flags of train.py that name them there)."""
    files = {f"data/{DATA_FILE}": os.path.join(train_args.data_dir, DATA_FILE)}
    flags = without(flags, "data_dir")
    if train_args.extra_data:
        files["data/extra.cpkl"] = train_args.extra_data
        flags = [*without(flags, "extra_data"), "--extra_data", "data/extra.cpkl"]
    if train_args.init_from:
        prefix = train_args.init_from
        folder = os.path.dirname(prefix) or "."
        stem = os.path.basename(prefix)
        names = os.listdir(folder) if os.path.isdir(folder) else []
        parts = [n for n in names if n == f"{stem}.index" or n.startswith(f"{stem}.data-")]
        if len(parts) < 2 or not os.path.exists(os.path.join(folder, "config.json")):
            raise UsageError(
                f"--init_from {prefix} is not a checkpoint: name one without its ending, such as saved/checkpoint, "
                "with a config.json beside it."
            )
        for name in parts:
            files[f"init/checkpoint{name.removeprefix(stem)}"] = os.path.join(folder, name)
        files["init/config.json"] = os.path.join(folder, "config.json")
        flags = [*without(flags, "init_from"), "--init_from", "init/checkpoint"]
    return files, flags


def without(flags, name):
    """Flags without --name and its value."""
    kept, skip = [], False
    for flag in flags:
        if skip or flag.startswith(f"--{name}="):
            skip = False
        elif flag == f"--{name}":
            skip = True
        else:
            kept.append(flag)
    return kept


# ------------------------------------------------------------------------------------------------------------- package


def modules():
    """{path: content} of what a container needs: what the entry points import, what that imports, and so on."""
    found, queue = {}, list(ENTRY_POINTS)
    while queue:
        name = queue.pop()
        queue += [name.rpartition(".")[0]] if "." in name else []
        stem = name.replace(".", "/")
        for path in (f"{stem}.py", f"{stem}/__init__.py"):
            if path in found or not os.path.exists(os.path.join(HERE, path)):
                continue
            with open(os.path.join(HERE, path), encoding="utf-8") as file:
                found[path] = file.read()
            for node in ast.walk(ast.parse(found[path])):
                if isinstance(node, ast.Import):
                    queue += [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module:
                    queue += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return dict(sorted(found.items()))


def package():
    """The suite as a source distribution, bytes: the same files always make the same bytes."""
    files = modules()
    names = [name.removesuffix(".py") for name in files if "/" not in name]
    folders = [os.path.dirname(name).replace("/", ".") for name in files if name.endswith("/__init__.py")]
    files["setup.py"] = (
        "from setuptools import setup\n\n"
        f"setup(name='scribe', version='1.0', py_modules={names!r}, packages={folders!r},\n"
        f"      install_requires={PACKAGE_NEEDS!r})\n"
    )
    files["PKG-INFO"] = "Metadata-Version: 1.2\nName: scribe\nVersion: 1.0\n"
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, text in sorted(files.items()):
            info = tarfile.TarInfo(f"{PACKAGE}/{name}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------------------- specification


def start_script(cuda):
    """What a plain container runs: the Dockerfile's packages, the suite, and then scribe.cloud.container.

    Its first argument ($0) is the address of the package, the others are those of scribe.cloud.container.
    """
    with open(os.path.join(HERE, "requirements-image.txt"), encoding="utf-8") as file:
        packages = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    if not cuda:
        packages = [name.replace("[and-cuda]", "") for name in packages]
    return START.replace("{packages}", shlex.join(packages)).replace("{package}", PACKAGE)


def specification(args, flags, files, code_name):
    """The custom job, as the JSON that Vertex AI takes.

    Args:
        flags: for train.py. files: {name in the work folder: object in the bucket}. code_name: object of the package.
    """
    machine, _ = vertex.find_machine(args.gpu_type, args.gpu_count, args.spot)
    gpu = vertex.find_gpu(args.gpu_type)
    spec = {"machineType": machine}
    if gpu.accelerator:
        spec |= {"acceleratorType": gpu.accelerator, "acceleratorCount": args.gpu_count or 1}
    home = f"gs://{args.bucket}/{vertex.ROOT}/{args.job}"
    command = ["--job", home, "--sync_every", f"{args.sync_every:g}"]
    if gpu.accelerator:
        command += ["--gpus", str(args.gpu_count or 1)]
    for name, target in files.items():
        command += ["--input", f"gs://{args.bucket}/{target}={name}"]
    if args.sample:
        command += ["--sample", args.sample]
    command += ["--", *flags]
    if args.image:
        what = {"containerSpec": {"imageUri": args.image, "args": command}}
    elif args.prebuilt:
        package_spec = {"executorImageUri": args.prebuilt, "packageUris": [f"gs://{args.bucket}/{code_name}"]}
        what = {"pythonPackageSpec": package_spec | {"pythonModule": "scribe.cloud.container", "args": command}}
    else:
        start = ["bash", "-c", start_script(bool(gpu.accelerator)), f"gs://{args.bucket}/{code_name}"]
        what = {"containerSpec": {"imageUri": BASE_IMAGE, "command": start, "args": command}}
    pool = {"machineSpec": spec, "replicaCount": "1", **what}
    pools = [pool]  # the first one is the chief
    if args.workers > 1:
        pools.append({**pool, "replicaCount": str(args.workers - 1)})
    job = {
        "workerPoolSpecs": pools,
        "baseOutputDirectory": {"outputUriPrefix": home},
        # After a worker was restarted, all start again from the newest set.
        "scheduling": {"timeout": f"{round(args.max_hours * 3600)}s", "restartJobOnWorkerRestart": args.workers > 1},
    }
    if args.spot:
        job["scheduling"]["strategy"] = "SPOT"
    if args.service_account:
        job["serviceAccount"] = args.service_account
    return {"displayName": args.job, "jobSpec": job, "labels": {"suite": "scribe", "gpu": args.gpu_type}}


# ------------------------------------------------------------------------------------------------------------ the cloud


def check_cloud(args, train_args, client, region_client):
    """What can only be seen in the cloud; raises CloudError. Returns the bucket."""
    from google.cloud.aiplatform_v1.types import ListCustomJobsRequest

    bucket, warning = vertex.open_bucket(client, args.bucket, args.region)
    if warning:
        say(f"Warning: {warning}")
    before = vertex.read_text(bucket, f"{vertex.ROOT}/{args.job}/job.json")
    if before:
        try:
            flags = dict(json.loads(before)["train"])
        except (ValueError, KeyError, TypeError):
            raise CloudError(
                f"gs://{args.bucket}/{vertex.ROOT}/{args.job}/job.json is damaged: delete it, or name another --job."
            ) from None
        differing = [
            f"--{name} {flags[name]!r} (now {getattr(train_args, name)!r})"
            for name in SAME_RUN
            if name in flags and flags[name] != getattr(train_args, name)
        ]
        if differing:
            raise CloudError(
                f"{args.job} was started with {', '.join(differing)}: use the same flags, or another --job."
            )
    parent = f"projects/{args.project}/locations/{args.region}"
    request = ListCustomJobsRequest(parent=parent, filter=f'display_name="{args.job}"')
    with vertex.clear_errors(
        f"ask for the jobs of {parent}",
        denied="Is the Vertex AI API switched on (gcloud services enable aiplatform.googleapis.com), and have you the "
        "role Vertex AI User?",
    ):
        jobs = list(region_client.list_custom_jobs(request, timeout=60))
    running = [job for job in jobs if job.display_name == args.job and job.state.name[10:] in UNDER_WAY]
    if running:
        raise CloudError(
            f"{args.job} is under way already ({running[0].state.name}): two would write the same checkpoints. "
            f"Watch it with python3 monitor_training.py {args.job}, or name another --job."
        )
    return bucket


UNDER_WAY = ("QUEUED", "PENDING", "RUNNING", "CANCELLING", "PAUSED", "UPDATING")


def submit(args, train_args, spec, files, targets, code, code_name):
    """Uploads what is not there, starts the job; returns its resource name."""
    from google.cloud.aiplatform_v1.types import CreateCustomJobRequest, CustomJob

    job = CustomJob.from_json(json.dumps(spec))
    client = vertex.storage_client(args.project)
    jobs = vertex.job_client(args.region)
    bucket = check_cloud(args, train_args, client, jobs)
    for name, path in files.items():
        say(f"{'Uploaded' if vertex.upload_file(bucket, path, targets[name]) else 'Already there'}: {path}")
    if not args.image:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, f"{PACKAGE}.tar.gz")
            with open(path, "wb") as file:
                file.write(code)
            say(f"{'Uploaded' if vertex.upload_file(bucket, path, code_name) else 'Already there'}: the suite")
    content = {"submitted": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "train": vars(train_args), "job": spec}
    vertex.upload_text(bucket, f"{vertex.ROOT}/{args.job}/job.json", json.dumps(content, indent=1))
    parent = f"projects/{args.project}/locations/{args.region}"
    with vertex.clear_errors(
        f"start the job in {parent}",
        denied="You need the role Vertex AI User; --service-account needs you to be its user.",
    ):
        return jobs.create_custom_job(CreateCustomJobRequest(parent=parent, custom_job=job), timeout=120).name


def console_link(name):
    """The page of a job in the console, from its resource name."""
    _, project, _, region, _, number = name.split("/")
    return f"https://console.cloud.google.com/vertex-ai/locations/{region}/training/{number}?project={project}"


def tell_estimate(args, train_args, total, points):
    gpus = args.gpu_count if args.gpu_count is not None else (1 if vertex.find_gpu(args.gpu_type).accelerator else 0)
    parameters = ModelConfig.from_args(train_args).weights
    e = vertex.estimate(train_args, total, args.gpu_type, gpus, args.workers, args.spot)
    say(
        f"Estimate: {points:,} points in the data, {e.points:,} in all x 6 x {parameters:,} parameters = "
        f"{6 * parameters * e.points:.2g} operations; {e.rate:,.0f} points/s ({e.share:.1%} of the float32 peak): "
        f"{vertex.duration(3600 * e.hours)}, about {e.usd:.2f} USD{' as a spot machine' if args.spot else ''} at the "
        f"prices of {vertex.PRICE_DATE}."
    )
    for line in vertex.price_table(train_args, total, args.gpu_type, args.spot):
        say(line)
    quota = vertex.quota_name(args.gpu_type, args.spot)
    if quota:
        say(f"Quota: {gpus * args.workers} of {quota} in {args.region}.")
    if e.hours > args.max_hours:
        say(f"Warning: that is longer than --max-hours {args.max_hours:g}; the job would be stopped before it is done.")


def run(argv):
    args, flags, train_args = parse_args(argv)
    check_data(args, train_args)
    total, points = count_points(train_args)
    if args.job is None:
        args.job = f"scribe-{train_args.rnn_size}-{time.strftime('%Y%m%d-%H%M%S')}"
    files, flags = inputs(train_args, flags)
    targets = {
        name: f"{vertex.ROOT}/inputs/{vertex.md5_of(path)}/{os.path.basename(name)}" for name, path in files.items()
    }
    code = package()
    code_name = f"{vertex.ROOT}/code/{hashlib.sha256(code).hexdigest()[:16]}/{PACKAGE}.tar.gz"
    spec = specification(args, flags, targets, code_name)
    tell_estimate(args, train_args, total, points)
    if args.dry_run:
        print(json.dumps(spec, indent=2))
        return 0
    vertex.require("google.cloud.aiplatform_v1", "submitting a job")
    args.project = vertex.find_project(args.project)
    name = submit(args, train_args, spec, files, targets, code, code_name)
    print(name)
    say(f"Started {args.job}: {console_link(name)}")
    where = f"--region {args.region} --project {args.project}"
    say(f"Watch it:     python3 monitor_training.py {args.job} --follow {where}")
    say(f"Fetch it:     python3 download_results.py --bucket {args.bucket} --job {args.job}")
    return 0


def main(argv=None):
    return run_command(lambda: run(argv), stopped="Stopped. Unless its name is above, the job was not started.")


if __name__ == "__main__":
    sys.exit(main())
