"""Starts a training on Google Cloud's Vertex AI; all flags of train.py can be given as well.

    python3 submit_training.py --bucket mine --gpu-type l4 --rnn_size 400 --nepochs 30
    python3 submit_training.py --bucket mine --gpu-type t4 --spot --job first      # again: goes on with this job
    python3 submit_training.py --bucket mine --dry-run                             # the whole request; nothing is done

Flags, data, machine, credentials and bucket are checked before anything is paid for. The suite and the data go to the
bucket unless they are there already. The job specification of --dry-run and the job's name go to stdout, messages to
stderr. docs/VERTEX_AI_SETUP.md has the steps that come before the first job. Exit codes: 0 started, 1 not started,
2 wrong usage.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import contextlib
import hashlib
import io
import json
import os
import shlex
import sys
import tempfile
import time

from scribe.cloud import package
from scribe.cloud.bucket import BUCKET_FOLDER, check_names, md5_of, open_bucket, read_text, upload_file, upload_text
from scribe.cloud.clients import find_project, job_client, require, storage_client
from scribe.cloud.errors import CloudError, clear_errors
from scribe.cloud.estimates import duration, estimate, estimate_table
from scribe.cloud.jobs import UNDER_WAY, console_link, jobs_named, location, state_of
from scribe.cloud.prices import GPUS, PRICE_DATE, find_gpu, find_machine, quota_name
from scribe.console import OneLineParser, UsageError, run_command, say
from scribe.files.stroke_file import DATA_FILE
from scribe.network.checkpoint_files import CheckpointError, checkpoint_files, find_checkpoint
from scribe.network.config import ModelConfig
from scribe.training.flags import parse_training_flags
from utils import DataLoader

HERE = os.path.dirname(os.path.abspath(__file__))
# Google's last prebuilt container of TensorFlow, 2.17, was available until 2026-07-11, so none of them is the default:
# without --image, the packages of the Dockerfile are installed on the Dockerfile's base when the job starts.
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
# Flags of train.py that scribe/cloud/container.py sets, or that name something on this machine.
NOT_FOR_THE_CLOUD = ("save_path", "log_dir")
SAME_RUN = "rnn_size nmixtures kmixtures alphabet tsteps_per_ascii data_scale optimizer".split()


# --------------------------------------------------------------------------------------------------------------- flags


def parse_args(argv=None):
    """(own flags, flags of train.py as a list, the same as train.py understands them)."""
    p = OneLineParser(
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
    g.add_argument("--gpu-type", default="t4", help=f"{', '.join(GPUS)} (default: t4)")
    g.add_argument("--gpu-count", type=int, default=None, help="GPUs in a machine (default: 1)")
    g.add_argument("--workers", type=int, default=1, help="machines (default: 1)")
    g.add_argument("--spot", action="store_true", help="spot machines: cheap, but they may be taken away at any time")
    g.add_argument(
        "--max-hours",
        type=float,
        default=24.0,
        help="hours after which the job is stopped, finished or not (default: 24)",
    )
    g = p.add_argument_group("what runs")
    g.add_argument(
        "--image",
        default=None,
        help=f"image made from the Dockerfile (default: {BASE_IMAGE}, and its packages are installed at every start)",
    )
    g.add_argument("--prebuilt", default=None, help="one of Google's prebuilt TensorFlow containers, 2.15 or newer")
    g.add_argument("--sync-every", type=float, default=60.0, help="minimum seconds between two uploads (default: 60)")
    g.add_argument(
        "--sample", default="Hello World", help="text to write with the trained model at the end; empty for none"
    )
    p.add_argument("--dry-run", action="store_true", help="print the job specification as JSON and touch nothing")
    p.add_argument(
        "--yes", "-y", action="store_true", help="start without asking; only on a terminal is one asked at all"
    )
    args, flags = p.parse_known_args(argv)
    args.gpu_type = args.gpu_type.lower()
    check_names(args.bucket, args.job)
    train_args = parse_training_flags(flags, None)  # exit code 2 and train.py's own message where a flag is wrong
    for name in NOT_FOR_THE_CLOUD:
        if any(flag == f"--{name}" or flag.startswith(f"--{name}=") for flag in flags):
            p.error(f"--{name} cannot be given: the run goes to gs://{args.bucket}/{BUCKET_FOLDER}/JOB")
    p.require(args, "workers", least=1)
    if args.sync_every < 0:
        p.error(f"--sync-every is {args.sync_every}: it has to be 0 or more")
    if not 0 < args.max_hours <= 7 * 24:
        p.error(f"--max-hours is {args.max_hours}: it has to be above 0 and at most 168, a week")
    if args.image and args.prebuilt:
        p.error("--image and --prebuilt are two ways to say what runs: name one")
    find_machine(args.gpu_type, args.gpu_count, args.spot)
    return args, distribution(args, flags, train_args), train_args


def distribution(args, flags, train_args):
    """The flags of train.py, with the --distribute that the machines need; UsageError where another one was given."""
    gpus = args.gpu_count or 1
    needed = "multiworker" if args.workers > 1 else "mirrored" if gpus > 1 else "none"
    given = train_args.distribute
    if not any(flag.split("=")[0] == "--distribute" for flag in flags):
        return [*flags, "--distribute", needed] if needed != "none" else flags
    # Mirrored also works with one GPU; but TF_CONFIG, which multiworker needs, exists only for several machines.
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
            f"the data has {report.faults} fault{'s' * (report.faults > 1)}, named above: fix them first "
            f"(python3 verify_data.py --data_dir {train_args.data_dir} tells more)."
        )


def count_points(train_args):
    """(pen points in the whole training, pen points in the data)."""
    try:
        loader = DataLoader(train_args)
    except (OSError, ValueError) as error:
        raise CloudError(str(error)) from None
    points = sum(map(len, loader.stroke_data))
    epoch = points * (train_args.nbatches / loader.num_batches if train_args.nbatches else 1)
    return round(epoch * train_args.nepochs), points


def inputs(train_args, flags):
    """The files that the bucket needs: ({name in the work folder: path}, flags of train.py that name them there)."""
    files = {f"data/{DATA_FILE}": os.path.join(train_args.data_dir, DATA_FILE)}
    flags = without(flags, "data_dir")
    if train_args.extra_data:
        files["data/extra.cpkl"] = train_args.extra_data
        flags = [*without(flags, "extra_data"), "--extra_data", "data/extra.cpkl"]
    if train_args.init_from:
        try:
            prefix = find_checkpoint(train_args.init_from)  # as train.py does
            config, *weights = checkpoint_files(prefix)
        except CheckpointError as error:
            raise UsageError(f"--init_from: {error}") from None
        files["init/config.json"] = config
        for path in weights:
            files[f"init/checkpoint{path.removeprefix(prefix)}"] = path
        flags = [*without(flags, "init_from"), "--init_from", "init/checkpoint"]
    return files, flags


def without(flags, name):
    """The flags without --name and its value."""
    kept, skip = [], False
    for flag in flags:
        if skip or flag.startswith(f"--{name}="):
            skip = False
        elif flag == f"--{name}":
            skip = True
        else:
            kept.append(flag)
    return kept


# ------------------------------------------------------------------------------------------------------- specification


def start_script(cuda):
    """What a plain container runs: the Dockerfile's packages, the suite, and then scribe.cloud.container.

    Its first argument ($0) is the address of the package, the others are those of scribe.cloud.container.
    """
    with open(os.path.join(HERE, "requirements-image.txt"), encoding="utf-8") as file:
        packages = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    if not cuda:
        packages = [name.replace("[and-cuda]", "") for name in packages]
    return START.replace("{packages}", shlex.join(packages)).replace("{package}", package.PACKAGE)


def specification(args, flags, files, code_name):
    """The custom job, as the JSON that Vertex AI takes.

    Args:
        flags: for train.py. files: {name in the work folder: object in the bucket}. code_name: object of the package.
    """
    machine, _ = find_machine(args.gpu_type, args.gpu_count, args.spot)
    gpu = find_gpu(args.gpu_type)
    spec = {"machineType": machine}
    if gpu.accelerator:
        spec |= {"acceleratorType": gpu.accelerator, "acceleratorCount": args.gpu_count or 1}
    home = f"gs://{args.bucket}/{BUCKET_FOLDER}/{args.job}"
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
        # When one worker is restarted, all start again from the newest set.
        "scheduling": {"timeout": f"{round(args.max_hours * 3600)}s", "restartJobOnWorkerRestart": args.workers > 1},
    }
    if args.spot:
        job["scheduling"]["strategy"] = "SPOT"
    if args.service_account:
        job["serviceAccount"] = args.service_account
    return {"displayName": args.job, "jobSpec": job, "labels": {"suite": "scribe", "gpu": args.gpu_type}}


# ------------------------------------------------------------------------------------------------------------ the cloud


def check_cloud(args, train_args, client, jobs_client):
    """Checks what only the cloud can tell: bucket, earlier job, running job; raises CloudError. Returns the bucket."""
    bucket, warning = open_bucket(client, args.bucket, args.region)
    if warning:
        say(f"Warning: {warning}")
    before = read_text(bucket, f"{BUCKET_FOLDER}/{args.job}/job.json")
    if before:
        try:
            flags = dict(json.loads(before)["train"])
        except (ValueError, KeyError, TypeError):
            raise CloudError(
                f"gs://{args.bucket}/{BUCKET_FOLDER}/{args.job}/job.json is damaged: delete it, or name another --job."
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
    parent = location(args.project, args.region)
    with clear_errors(
        f"ask for the jobs of {parent}",
        denied="Is the Vertex AI API switched on (gcloud services enable aiplatform.googleapis.com), and have you the "
        "role Vertex AI User?",
    ):
        jobs = jobs_named(jobs_client, args.job, parent, timeout=60)
    running = [job for job in jobs if state_of(job) in UNDER_WAY]
    if running:
        raise CloudError(
            f"{args.job} is under way already ({running[0].state.name}): two would write the same checkpoints. "
            f"Watch it with python3 monitor_training.py {args.job}, or name another --job."
        )
    return bucket


def submit(args, train_args, spec, files, targets, code, code_name):
    """Uploads what is not there, starts the job; returns its resource name."""
    from google.cloud.aiplatform_v1.types import CreateCustomJobRequest, CustomJob

    job = CustomJob.from_json(json.dumps(spec))
    client = storage_client(args.project)
    jobs = job_client(args.region)
    bucket = check_cloud(args, train_args, client, jobs)
    for name, path in files.items():
        say(f"{'Uploaded' if upload_file(bucket, path, targets[name]) else 'Already there'}: {path}")
    if not args.image:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, f"{package.PACKAGE}.tar.gz")
            with open(path, "wb") as file:
                file.write(code)
            say(f"{'Uploaded' if upload_file(bucket, path, code_name) else 'Already there'}: the suite")
    content = {"submitted": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "train": vars(train_args), "job": spec}
    upload_text(bucket, f"{BUCKET_FOLDER}/{args.job}/job.json", json.dumps(content, indent=1))
    parent = location(args.project, args.region)
    with clear_errors(
        f"start the job in {parent}",
        denied="You need the role Vertex AI User; --service-account needs you to be its user.",
    ):
        return jobs.create_custom_job(CreateCustomJobRequest(parent=parent, custom_job=job), timeout=120).name


def say_estimate(args, train_args, total, points):
    """Prints what the training will take, on this machine and on others; total, points: see `count_points`."""
    gpus = args.gpu_count if args.gpu_count is not None else (1 if find_gpu(args.gpu_type).accelerator else 0)
    parameters = ModelConfig.from_args(train_args).weights
    e = estimate(train_args, total, args.gpu_type, gpus, workers=args.workers, spot=args.spot)
    say(
        f"Estimate: {points:,} points in the data, {e.points:,} in all x 6 x {parameters:,} parameters = "
        f"{6 * parameters * e.points:.2g} operations; {e.rate:,.0f} points/s ({e.mfu:.1%} MFU): "
        f"{duration(3600 * e.hours)}, about {e.usd:.2f} USD{' as a spot machine' if args.spot else ''} at the "
        f"prices of {PRICE_DATE}."
    )
    for line in estimate_table(train_args, total, args.gpu_type, args.spot):
        say(line)
    quota = quota_name(args.gpu_type, args.spot)
    if quota:
        say(f"Quota: {gpus * args.workers} of {quota} in {args.region}.")
    if e.hours > args.max_hours:
        say(f"Warning: that is longer than --max-hours {args.max_hours:g}; the job would be stopped before it is done.")


def confirmed():
    """Whether the user agrees to pay for what was estimated."""
    say("Start it? It costs about what is said above. [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def run(argv):
    args, flags, train_args = parse_args(argv)
    check_data(args, train_args)
    total, points = count_points(train_args)
    if args.job is None:
        args.job = f"scribe-{train_args.rnn_size}-{time.strftime('%Y%m%d-%H%M%S')}"
    files, flags = inputs(train_args, flags)
    targets = {name: f"{BUCKET_FOLDER}/inputs/{md5_of(path)}/{os.path.basename(name)}" for name, path in files.items()}
    code = package.build()
    code_name = f"{BUCKET_FOLDER}/code/{hashlib.sha256(code).hexdigest()[:16]}/{package.PACKAGE}.tar.gz"
    spec = specification(args, flags, targets, code_name)
    say_estimate(args, train_args, total, points)
    if args.dry_run:
        print(json.dumps(spec, indent=2))
        return 0
    require("google.cloud.aiplatform_v1", "submitting a job")
    args.project = find_project(args.project)
    if not args.yes and sys.stdin.isatty() and not confirmed():
        say("Nothing was started.")
        return 1
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
