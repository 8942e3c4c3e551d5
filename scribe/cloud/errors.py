"""What goes wrong in the cloud: Google's exceptions become one line that says how to fix it."""

import contextlib
import re
from collections.abc import Iterator

from scribe.console import SuiteError

LOG_IN = "gcloud auth application-default login"


class CloudError(SuiteError):
    """Something in the cloud is missing or failed; the message is one line and says how to fix it."""


class NetworkError(CloudError):
    """The network or the service failed, which may be over soon."""


@contextlib.contextmanager
def clear_errors(what: str, missing: str = "", denied: str = "") -> Iterator[None]:
    """Turns what Google's libraries raise into one line that says how to fix it.

    Args:
        what: what is being done, to go after "cannot".
        missing: what to do if something does not exist.
        denied: what to do if access is denied.

    Raises:
        CloudError: instead of Google's exceptions; NetworkError if the same call may succeed later.
    """
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    try:
        yield
    except auth.DefaultCredentialsError:
        raise CloudError(f"cannot {what}: there are no credentials. Run: {LOG_IN}") from None
    except (auth.RefreshError, api.Unauthorized) as error:
        raise CloudError(
            f"cannot {what}: the credentials are not valid any more ({first_line(error)}). Run: {LOG_IN}"
        ) from None
    except api.NotFound as error:
        raise CloudError(f"cannot {what}: {missing or first_line(error)}") from None
    except api.Forbidden as error:
        raise CloudError(f"cannot {what}: {first_line(error)}. {denied}".rstrip()) from None
    except api.BadRequest as error:
        raise CloudError(f"cannot {what}: it was refused: {first_line(error)}") from None
    except api.TooManyRequests as error:
        raise CloudError(
            f"cannot {what}: a quota is used up ({first_line(error)}). Ask for more at "
            "https://console.cloud.google.com/iam-admin/quotas, or take another --gpu-type or --region."
        ) from None
    except (api.GoogleAPIError, auth.GoogleAuthError, *network_errors()) as error:
        if isinstance(error, api.ClientError) and error.code not in (408, 429):
            raise CloudError(f"cannot {what}: {first_line(error)}") from None
        raise NetworkError(
            f"cannot {what}: {first_line(error)}. Is the network there? The same command again goes on."
        ) from None


def network_errors() -> tuple[type[Exception], ...]:
    """What the libraries below Google's raise, and Google's let through, when a connection breaks."""
    import requests
    import urllib3

    try:
        from google.cloud.storage.exceptions import DataCorruption
    except ImportError:  # before version 3
        from google.resumable_media import DataCorruption
    return requests.RequestException, urllib3.exceptions.HTTPError, DataCorruption, ConnectionError, TimeoutError


def first_line(error: Exception) -> str:
    """The first line of what an exception says, without the request that failed."""
    text = str(getattr(error, "message", "") or error).strip() or type(error).__name__
    return re.sub(r"^[A-Z]+ https?://\S+: ", "", text.splitlines()[0]).rstrip(".")[:300]
