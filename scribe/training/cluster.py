"""Which of several workers this process is, from the environment variable TF_CONFIG. Without TensorFlow."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from scribe.console import UsageError


class Cluster(NamedTuple):
    """Which of how many workers this process is. rank: from 0, the chief; address: its own host:port."""

    rank: int
    workers: int
    address: str = ""


SINGLE_WORKER = Cluster(0, 1)


class Task(NamedTuple):
    """What TF_CONFIG says, unchecked. kind, number: of this process. jobs: kind -> addresses of all its processes."""

    kind: str
    number: int
    jobs: dict[str, list[str]]


def read_task(text: str) -> Task:
    """Parses the content of TF_CONFIG; raises UsageError unless it describes a task."""
    try:
        content = json.loads(text)
        jobs = {kind: list(addresses) for kind, addresses in content["cluster"].items()}
        return Task(content["task"]["type"], int(content["task"]["index"]), jobs)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"TF_CONFIG is {' '.join(text.split())[:200]!r}: it has to be JSON with a cluster and a task "
            f"({type(error).__name__}: {error})."
        ) from None


def read_cluster(environ: Mapping[str, str]) -> Cluster:
    """The Cluster that the environment variable TF_CONFIG describes.

    It is JSON: {"cluster": {"chief": ["host:port"], "worker": ["host:port", ...]}, "task": {"type": "worker",
    "index": 0}}. Without a chief, worker 0 is it.

    Raises:
        UsageError: it is missing, or describes no worker.
    """
    text = environ.get("TF_CONFIG")
    if not text:
        raise UsageError(
            "--distribute multiworker needs the environment variable TF_CONFIG, which names all workers; "
            "docs/TRAINING.md has an example."
        )
    kind, index, jobs = read_task(text)
    unknown = sorted(({kind} | jobs.keys()) - {"chief", "worker"})
    if unknown:
        raise UsageError(f"TF_CONFIG has the task type {unknown[0]!r}: only chief and worker can train.")
    chiefs, workers = jobs.get("chief", []), jobs.get("worker", [])
    if len(chiefs) > 1:
        raise UsageError(f"TF_CONFIG names {len(chiefs)} chiefs: there can be one.")
    if not 0 <= index < len(chiefs if kind == "chief" else workers):
        raise UsageError(f"TF_CONFIG says that this is {kind} {index}, but its cluster has no such address.")
    rank = index if kind == "chief" else len(chiefs) + index
    return Cluster(rank, len(chiefs) + len(workers), (chiefs + workers)[rank])
