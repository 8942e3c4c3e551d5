"""Which of several workers this process is: the environment variable TF_CONFIG. Without TensorFlow."""

import json
from typing import NamedTuple


class Cluster(NamedTuple):
    """Which of how many workers this process is. rank: from 0, the chief; address: host:port of its own."""

    rank: int
    workers: int
    address: str = ""


SINGLE_WORKER = Cluster(0, 1)


def read_cluster(environ):
    """The Cluster that the environment variable TF_CONFIG describes.

    It is JSON: {"cluster": {"chief": ["host:port"], "worker": ["host:port", ...]}, "task": {"type": "worker",
    "index": 0}}. Without a chief, worker 0 is it.

    Raises:
        ValueError: it is missing, or describes no worker; the message is one line.
    """
    text = environ.get("TF_CONFIG")
    if not text:
        raise ValueError(
            "--distribute multiworker needs the environment variable TF_CONFIG, which names all workers; "
            "docs/TRAINING.md has an example."
        )
    try:
        content = json.loads(text)
        jobs, task = content["cluster"], content["task"]
        kind, index = task["type"], int(task["index"])
        addresses = [list(jobs.get(name, [])) for name in ("chief", "worker")]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"TF_CONFIG is {' '.join(text.split())[:200]!r}: it has to be JSON with a cluster and a task "
            f"({type(error).__name__}: {error})."
        ) from None
    unknown = sorted(({kind} | jobs.keys()) - {"chief", "worker"})
    if unknown:
        raise ValueError(f"TF_CONFIG has the task type {unknown[0]!r}: only chief and worker can train.")
    chiefs, workers = addresses
    if len(chiefs) > 1:
        raise ValueError(f"TF_CONFIG names {len(chiefs)} chiefs: there can be one.")
    if not 0 <= index < len(chiefs if kind == "chief" else workers):
        raise ValueError(f"TF_CONFIG says that this is {kind} {index}, but its cluster has no such address.")
    rank = index if kind == "chief" else len(chiefs) + index
    return Cluster(rank, len(chiefs) + len(workers), (chiefs + workers)[rank])
