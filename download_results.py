"""Fetches what a training on Vertex AI has saved: checkpoints and config to saved/JOB, logs and samples to logs/JOB.

    python3 download_results.py --bucket mine                       # the job that saved last
    python3 download_results.py --bucket mine --job first --force
    python3 download_results.py --bucket mine --job first --model-only --output here      # here/checkpoints
    python3 sample.py --save_path saved/first --text "Hello World"

Only a complete set is fetched, and every file is compared with its MD5 checksum. A transfer that broke off is resumed.
Local files that differ are not touched without --force; those that are the same are not fetched again. The two folders
go to stdout. Exit codes: 0 all is here, 1 it is not, 2 wrong usage.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import os
import re
import sys

from scribe.cloud.bucket import BUCKET_FOLDER, JOB_PATTERN, check_names, local_path, md5_of, open_bucket, read_text
from scribe.cloud.clients import storage_client, storage_retry
from scribe.cloud.errors import CloudError, clear_errors
from scribe.cloud.file_sets import fetch_set, newest_set
from scribe.console import OneLineParser, run_command, say


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bucket", required=True, help="bucket that the job was submitted with; without gs://")
    p.add_argument("--job", default=None, help="name of the job (default: the one that saved last)")
    p.add_argument("--project", default=None, help="Google Cloud project (default: that of the credentials)")
    p.add_argument("--save_path", default=None, help="folder for the run (default: saved/JOB)")
    p.add_argument("--log_dir", default=None, help="folder for logs and samples (default: logs/JOB)")
    p.add_argument(
        "--output",
        metavar="FOLDER",
        default=None,
        help="folder for both: the run goes to checkpoints/ in it, logs and samples to logs/",
    )
    only = p.add_mutually_exclusive_group()
    only.add_argument("--model-only", "--model_only", action="store_true", help="fetch the run alone, not its logs")
    only.add_argument("--logs-only", "--logs_only", action="store_true", help="fetch logs and samples alone")
    p.add_argument("--force", action="store_true", help="replace local files that differ")
    args = p.parse_args(argv)
    for name, without in (("save_path", "logs_only"), ("log_dir", "model_only")):
        if getattr(args, name) is not None and args.output is not None:
            p.error(f"--{name} and --output exclude each other")
        if getattr(args, name) is not None and getattr(args, without):
            p.error(f"--{name} has no meaning with --{without.replace('_', '-')}")
    return args


def newest_job(bucket):
    """The job that wrote the newest set; raises CloudError if there is none."""
    with clear_errors(f"list gs://{bucket.name}", missing="the bucket does not exist."):
        prefix = f"{BUCKET_FOLDER}/"
        blobs = bucket.client.list_blobs(bucket, prefix=prefix, retry=storage_retry(), timeout=60)
        # The name of the job also names a local folder: one that no job can have is skipped.
        pattern = re.compile(rf"{prefix}({JOB_PATTERN})/checkpoints/sets/")
        sets = [(blob.updated, found[1]) for blob in blobs if (found := pattern.match(blob.name))]
    if not sets:
        raise CloudError(
            f"there is no job with a complete set in gs://{bucket.name}/{BUCKET_FOLDER} yet: try again later."
        )
    return max(sets)[1]


def place(name, save_path, log_dir):
    """The local path of a file of the set, or None for one that is not wanted: see `download`.

    Raises CloudError for a name that leads out of the folders.
    """
    part, _, rest = name.partition("/")
    folder = {"run": save_path, "logs": log_dir}.get(part)
    return local_path(folder, rest) if folder else None


def conflicts(found, where):
    """Local paths of the files of a set that exist with other content."""
    differing = []
    for name, entry in found.files.items():
        path = where(name)
        if path and os.path.exists(path):
            same = os.path.isfile(path) and os.path.getsize(path) == entry["size"] and md5_of(path) == entry["md5"]
            differing += [] if same else [path]
    return differing


def download(args):
    """Fetches the newest complete set of a job, or a part of it. Returns the folders that it went to."""
    check_names(args.bucket, args.job)
    client = storage_client(args.project)
    bucket, _ = open_bucket(client, args.bucket)
    job = args.job or newest_job(bucket)
    if args.output is not None:
        save_path, log_dir = (os.path.join(args.output, part) for part in ("checkpoints", "logs"))
    else:
        save_path, log_dir = args.save_path or os.path.join("saved", job), args.log_dir or os.path.join("logs", job)
    save_path, log_dir = None if args.logs_only else save_path, None if args.model_only else log_dir

    def where(name):
        return place(name, save_path, log_dir)

    prefix = f"{BUCKET_FOLDER}/{job}/checkpoints"
    found = newest_set(bucket, prefix, lambda text: say(f"Warning: {text}"))
    if found is None:
        started = read_text(bucket, f"{BUCKET_FOLDER}/{job}/job.json")
        raise CloudError(
            f"{job} has no complete set in gs://{args.bucket} yet: "
            + (f"look with python3 monitor_training.py {job}." if started else "is --job its name?")
        )
    differing = conflicts(found, where)
    if differing and not args.force:
        raise CloudError(
            f"{len(differing)} files are here with other content, such as {differing[0]}: --force replaces them, "
            "--output, --save_path and --log_dir name other folders."
        )
    fetched = fetch_set(bucket, found, where)
    say(
        f"Set {found.number} of {job}, step {found.step}, of {found.created}: "
        f"{fetched} of {sum(where(name) is not None for name in found.files)} files fetched."
    )
    return [folder for folder in (save_path, log_dir) if folder]


def main(argv=None):
    args = parse_args(argv)

    def run():
        for folder in download(args):
            print(folder)
        return 0

    return run_command(run, stopped="Stopped; the same command goes on from here.")


if __name__ == "__main__":
    sys.exit(main())
