"""Clients of Google's services. Google's packages are imported when a client is made: --dry-run needs none of them."""

import importlib
import os
from types import ModuleType
from typing import Any

from scribe.cloud.errors import CloudError, clear_errors
from scribe.console import UsageError


def require(module: str, what: str) -> ModuleType:
    """Imports a module of requirements-cloud.txt; raises CloudError if it is not installed.

    Args:
        module: its name. what: what needs it, to begin the message with.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise CloudError(
            f"{what} needs a package that is not installed ({error}): pip install -r requirements-cloud.txt"
        ) from None


def credentials_for(endpoint: str) -> Any:
    """None (the library finds the user's own), or anonymous ones for a plain http:// address, which no cloud has."""
    if not endpoint.startswith("http://"):
        return None
    from google.auth.credentials import AnonymousCredentials

    return AnonymousCredentials()


def storage_client(project: str | None = None) -> Any:
    """A client of Cloud Storage; Google's library asks another server if STORAGE_EMULATOR_HOST names one."""
    storage = require("google.cloud.storage", "reading and writing a bucket")
    with clear_errors("reach Cloud Storage"):
        return storage.Client(project=project)


def job_client(region: str) -> Any:
    """A client of Vertex AI's jobs over HTTP; SCRIBE_VERTEX_ENDPOINT names another address, private or of a test."""
    require("google.cloud.aiplatform_v1", "Vertex AI")
    from google.cloud.aiplatform_v1.services.job_service import JobServiceClient

    endpoint = os.environ.get("SCRIBE_VERTEX_ENDPOINT") or f"{region}-aiplatform.googleapis.com"
    with clear_errors("reach Vertex AI"):
        return JobServiceClient(
            transport="rest", client_options={"api_endpoint": endpoint}, credentials=credentials_for(endpoint)
        )


def find_project(project: str | None) -> str:
    """--project, else that of the environment or of the credentials; raises UsageError if there is none."""
    if project:
        return project
    auth = require("google.auth", "finding out the project")
    project = os.environ.get("GOOGLE_CLOUD_PROJECT")
    if not project:
        with clear_errors("find out the project"):
            _, project = auth.default()
    if not project:
        raise UsageError(
            "--project is missing, and the credentials name none: gcloud config set project PROJECT, or name it."
        )
    return project


def storage_retry() -> Any:
    """How long a request to Cloud Storage is retried: SCRIBE_RETRY_SECONDS, 120 by default."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(float(os.environ.get("SCRIBE_RETRY_SECONDS", 120)))
