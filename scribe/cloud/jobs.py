"""Custom jobs of Vertex AI: how to find them, their states, their page in the console."""

from typing import Any

UNDER_WAY = ("QUEUED", "PENDING", "RUNNING", "CANCELLING", "PAUSED", "UPDATING")
SUCCEEDED = ("SUCCEEDED",)
FAILED = ("FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED")


def location(project: str, region: str) -> str:
    """The resource name that the jobs of a project and region are below."""
    return f"projects/{project}/locations/{region}"


def jobs_named(client: Any, name: str, parent: str, **options: Any) -> list[Any]:
    """The jobs of a display name.

    Args:
        client: see `job_client`. parent: see `location`. options: of the request, such as timeout.
    """
    from google.cloud.aiplatform_v1.types import ListCustomJobsRequest

    request = ListCustomJobsRequest(parent=parent, filter=f'display_name="{name}"')
    return [job for job in client.list_custom_jobs(request, **options) if job.display_name == name]


def training_jobs(client: Any, parent: str, **options: Any) -> list[Any]:
    """The jobs of submit_training.py, by the label that it gives them, the newest first.

    Args:
        client: see `job_client`. parent: see `location`. options: of the request, such as timeout.
    """
    from google.cloud.aiplatform_v1.types import ListCustomJobsRequest

    request = ListCustomJobsRequest(parent=parent, filter='labels.suite="scribe"')
    jobs = [job for job in client.list_custom_jobs(request, **options) if job.labels.get("suite") == "scribe"]
    return sorted(jobs, key=lambda job: job.create_time.timestamp(), reverse=True)


def state_of(job: Any) -> str:
    """The state without its prefix, e.g. RUNNING."""
    return job.state.name.removeprefix("JOB_STATE_")


def console_link(name: str) -> str:
    """The page of a job in the console, from its resource name."""
    _, project, _, region, _, number = name.split("/")
    return f"https://console.cloud.google.com/vertex-ai/locations/{region}/training/{number}?project={project}"
