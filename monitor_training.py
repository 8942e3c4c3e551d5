"""Shows how a training on Vertex AI is doing: state, time, cost so far, the latest loss, and its log.

    python3 monitor_training.py --region us-central1                  # all jobs, the newest first
    python3 monitor_training.py JOB --region us-central1              # once
    python3 monitor_training.py JOB --region us-central1 --follow     # until it ends, with its log; --watch is the same

JOB is the name given to submit_training.py, or what that printed (projects/.../customJobs/NUMBER). Everything goes to
stdout, network faults to stderr; each is waited out. Exit codes: 0 succeeded (without --follow: or not ended
yet), 1 failed, cancelled or not found, 2 wrong usage.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import datetime
import json
import os
import re
import sys
import time
from typing import NamedTuple

from scribe.cloud.bucket import check_names
from scribe.cloud.clients import credentials_for, find_project, job_client, require
from scribe.cloud.errors import CloudError, NetworkError, clear_errors
from scribe.cloud.estimates import duration
from scribe.cloud.jobs import FAILED, SUCCEEDED, jobs_named, location, state_of, training_jobs
from scribe.cloud.prices import PRICE_DATE, SPOT_SHARE, spec_price
from scribe.console import OneLineParser, UsageError, run_command, say

STEP_MESSAGE = re.compile(r"step (\d+)/(\d+): (\S+) nats/point, learning rate \S+, ([\d.]+) points/s")
VALIDATION_MESSAGE = re.compile(r"step (\d+): validation (\S+) nats/point")
MOST_POLL = 86_400.0  # seconds: a day
LONGEST_WAIT = 60.0  # most seconds between two attempts while the network is away
LATE = 10.0  # seconds that the last lines of a log may take to arrive


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "job",
        metavar="JOB",
        nargs="?",
        help="name of the job, its number, or projects/.../customJobs/NUMBER (default: list the jobs)",
    )
    p.add_argument("--project", default=None, help="Google Cloud project (default: that of the credentials)")
    p.add_argument("--region", default="us-central1", help="region of the job (default: us-central1)")
    p.add_argument("--follow", "--watch", action="store_true", help="stay until the job has ended, and print its log")
    p.add_argument("--poll", type=float, default=15.0, help="seconds between looks (default: 15)")
    p.add_argument(
        "--give_up", "--give-up", type=float, default=3600.0, help="seconds without a network before it gives up"
    )
    args = p.parse_args(argv)
    if args.follow and args.job is None:
        p.error("--follow, or --watch, needs a JOB; without one, the jobs are listed once")
    p.require(args, "poll", most=MOST_POLL)
    p.require(args, "give_up")
    if args.poll <= 0:
        p.error(f"--poll is {args.poll}: it has to be greater than 0")
    return args


def patiently(call, give_up, sleep=time.sleep):
    """Returns call(), repeated while the network is away: after 1, 2, 4, ... seconds, at most `give_up` in all."""
    waited, wait = 0.0, 1.0
    while True:
        try:
            return call()
        except NetworkError as error:
            if waited + wait > give_up:
                raise
            say(f"{error} Next try in {wait:g} s.")
            sleep(wait)
            waited, wait = waited + wait, min(2 * wait, LONGEST_WAIT)


# ------------------------------------------------------------------------------------------------------------- the job


def find_job(client, name, project, region):
    """The newest job of a name, or the one of a number or resource name; raises CloudError if there is none."""
    from google.cloud.aiplatform_v1.types import GetCustomJobRequest

    parent = location(project, region)
    denied = "You need the role Vertex AI User or Viewer."
    if name.isdigit():
        name = f"{parent}/customJobs/{name}"
    if name.startswith("projects/"):
        missing = "there is no such job; is --region the one it was submitted to?"
        with clear_errors(f"look at {name}", missing=missing, denied=denied):
            return client.get_custom_job(GetCustomJobRequest(name=name), timeout=30, retry=None)
    with clear_errors(f"look for {name} in {parent}", denied=denied):
        jobs = jobs_named(client, name, parent, timeout=30, retry=None)
    if not jobs:
        raise CloudError(f"there is no job {name} in {parent}: name it as submit_training.py did, with its --region.")
    return max(jobs, key=lambda job: job.create_time.timestamp())


def seconds_of(job):
    """Seconds that its machines have run, or None if they have not started."""
    if not job.start_time:
        return None
    end = job.end_time or datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017, for Python 3.10
    return max(0.0, end.timestamp() - job.start_time.timestamp())


def cost_of(job):
    """USD so far by the price table of scribe/cloud/prices.py, or None if it does not have the machine."""
    spec = json.loads(type(job).to_json(job, use_integers_for_enums=False))["jobSpec"]
    price = spec_price(spec["workerPoolSpecs"])
    if price is None or seconds_of(job) is None:
        return None
    spot = spec.get("scheduling", {}).get("strategy") == "SPOT"
    return price * seconds_of(job) / 3600 * (SPOT_SHARE if spot else 1.0)


# ------------------------------------------------------------------------------------------------------------- its log


class Progress(NamedTuple):
    """What the log last said.

    step, steps: of the training. nats: per point. rate: points a second. validation: best loss so far.
    first, last: (time in seconds, step) of the first and the last message, for the pace.
    """

    step: int = 0
    steps: int = 0
    nats: float | None = None
    rate: float = 0.0
    validation: float | None = None
    first: tuple[float, int] | None = None
    last: tuple[float, int] | None = None


def read_line(progress, text, when):
    """The Progress after one more line of the log; `when` in seconds."""
    found = STEP_MESSAGE.search(text)
    if found:
        step, steps, nats, rate = int(found[1]), int(found[2]), float(found[3]), float(found[4])
        first = progress.first if progress.first and progress.step <= step else (when, step)  # it may have gone back
        return progress._replace(step=step, steps=steps, nats=nats, rate=rate, first=first, last=(when, step))
    found = VALIDATION_MESSAGE.search(text)
    if found:
        value = float(found[2])
        return progress._replace(
            validation=min(value, progress.validation if progress.validation is not None else value)
        )
    return progress


def seconds_left(progress):
    """Seconds until the last step at the pace so far, or None if the pace is not known."""
    if not progress.first or progress.last[1] <= progress.first[1]:
        return None
    pace = (progress.last[0] - progress.first[0]) / (progress.last[1] - progress.first[1])
    return pace * (progress.steps - progress.step)


class Log:
    """The log of a job in Cloud Logging, each entry once.

    Args:
        project: of the job. job: as Vertex AI describes it.
    """

    def __init__(self, project, job):
        logging = require("google.cloud.logging", "reading the log")
        endpoint = os.environ.get("SCRIBE_LOGGING_ENDPOINT") or "https://logging.googleapis.com"
        with clear_errors("reach Cloud Logging"):
            self._client = logging.Client(
                project=project, _use_grpc=False, client_options={"api_endpoint": endpoint},
                credentials=credentials_for(endpoint),
            )  # fmt: skip
        self._filter = f'resource.type="ml_job" AND resource.labels.job_id="{job.name.rsplit("/", 1)[1]}"'
        # Without a time in the filter, the library would ask for the last day alone.
        self._since, self._seen = job.create_time, set()

    def new_lines(self):
        """[(time in seconds, text)] that came since the last call, oldest first."""
        # Entries may arrive late and out of order, so the last two minutes are asked for again.
        since = (self._since - datetime.timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        wanted = f'{self._filter} AND timestamp>="{since}"'
        lines = []
        with clear_errors("read the log", denied="You need the role Logs Viewer."):
            for entry in self._client.list_entries(filter_=wanted, order_by="timestamp asc", page_size=1000):
                key = entry.insert_id, entry.timestamp
                if key in self._seen:
                    continue
                self._seen.add(key)
                self._since = max(self._since, entry.timestamp)
                payload = entry.payload
                text = payload.get("message", "") if isinstance(payload, dict) else payload
                lines += [(entry.timestamp.timestamp(), line) for line in str(text or "").rstrip("\n").split("\n")]
        return lines


# ---------------------------------------------------------------------------------------------------------------- main


def summary(job, progress):
    """One line about a job."""
    seconds, cost = seconds_of(job), cost_of(job)
    parts = [f"{job.display_name}: {state_of(job)}"]
    if seconds is not None:
        parts.append(f"{duration(seconds)} so far" if state_of(job) == "RUNNING" else duration(seconds))
    if cost is not None:
        parts.append(f"about {cost:.2f} USD (an estimate, prices of {PRICE_DATE})")
    if progress.nats is not None:
        parts.append(
            f"step {progress.step}/{progress.steps}: {progress.nats:.4f} nats/point, {progress.rate:.0f} points/s"
        )
    if progress.validation is not None:
        parts.append(f"best validation {progress.validation:.4f}")
    left = seconds_left(progress)
    if left is not None and state_of(job) == "RUNNING":
        parts.append(f"{duration(left)} to go")
    return ", ".join(parts)


def monitor(args):
    """Looks at a job once, or until it ends. Returns the exit code."""
    if not args.job.startswith("projects/"):
        check_names(job=args.job, job_argument="JOB")
        args.project = find_project(args.project)
    else:
        parts = re.fullmatch(r"projects/([^/]+)/locations/([^/]+)/customJobs/\d+", args.job)
        if not parts:
            raise UsageError(
                f"{args.job} is no job: it has to look like projects/PROJECT/locations/REGION/customJobs/1."
            )
        args.project, args.region = parts.groups()
    client = job_client(args.region)
    give_up = args.give_up if args.follow else min(args.give_up, 30.0)
    job = patiently(lambda: find_job(client, args.job, args.project, args.region), give_up)
    name, progress, log, before = job.name, Progress(), None, None
    try:
        log = Log(args.project, job)
    except CloudError as error:
        say(f"Warning: {error} The state is shown without it.")
    while True:
        ended = state_of(job) in SUCCEEDED + FAILED
        if ended and before is not None:
            time.sleep(min(LATE, args.poll))
        for when, text in read_log(log, give_up):
            progress = read_line(progress, text, when)
            if args.follow:
                print(text, flush=True)
        if not args.follow or ended or state_of(job) != before:
            print(summary(job, progress), flush=True)
        before = state_of(job)
        if ended or not args.follow:
            break
        time.sleep(args.poll)
        job = patiently(lambda: find_job(client, name, args.project, args.region), give_up)
    if before in FAILED:
        reason = job.error.message.strip().splitlines()[0] if job.error.message.strip() else "no reason was given"
        say(
            f"Error: {job.display_name} ended as {before}: {reason} What was saved is kept: submit the same --job "
            "again to go on; its log, above or in the console, says more."
        )
        return 1
    return 0


def list_jobs(args):
    """Prints a line for each training job of the project and region, the newest first. Returns the exit code."""
    args.project = find_project(args.project)
    parent = location(args.project, args.region)

    def fetch():
        with clear_errors(f"list the jobs of {parent}", denied="You need the role Vertex AI User or Viewer."):
            return training_jobs(job_client(args.region), parent, timeout=30, retry=None)

    jobs = patiently(fetch, min(args.give_up, 30.0))
    for job in jobs:
        print(f"{job.create_time.strftime('%Y-%m-%d %H:%M')} UTC  {summary(job, Progress())}", flush=True)
    if not jobs:
        say(f"There is no job of submit_training.py in {parent}: is --region the one it was submitted to?")
    return 0


def read_log(log, give_up):
    """New lines; none, and a warning, where the log cannot be read: the state of the job matters more."""
    if log is None:
        return []
    try:
        return patiently(log.new_lines, give_up)
    except CloudError as error:
        say(f"Warning: {error}")
        return []


def main(argv=None):
    args = parse_args(argv)
    work = monitor if args.job is not None else list_jobs
    return run_command(lambda: work(args), stopped="Stopped watching; the job goes on.")


if __name__ == "__main__":
    sys.exit(main())
