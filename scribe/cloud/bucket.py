"""Where things are in the bucket, and how one file is sent and fetched whole; file_sets.py has sets of them.

    submit_training.py -> Vertex AI -> scribe/cloud/container.py in a container -> bucket -> download_results.py
                          monitor_training.py

Everything of a job lies below gs://BUCKET/scribe/JOB/, named as Vertex AI names it:

    job.json              what was submitted
    checkpoints/files/    files of the run and its logs, each under its MD5 checksum: what is there is not sent again
    checkpoints/sets/     NUMBER-MD5.json: the files that belong together. It is written after all of them, so a set
                          that has it is complete, and one that was cut off in the middle does not count
    logs/                 logs as they are, for TensorBoard
    model/                the best weights, once the job is done

and, shared by all jobs, scribe/code/ and scribe/inputs/. Everything in scribe/ also runs on Python 3.10, which is what
the prebuilt containers have.
"""

import base64
import contextlib
import hashlib
import os
import re
import time
from typing import Any

from scribe.cloud.clients import storage_retry
from scribe.cloud.errors import CloudError, NetworkError, clear_errors, first_line, network_errors
from scribe.console import UsageError
from scribe.files.atomic import write_errors

BUCKET_FOLDER = "scribe"  # in the bucket, the folder of all that belongs to the suite
JOB_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"  # what labels, folders and display names all admit
BUCKET_PATTERN = r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]"
CHUNK = 8 * 2**20  # bytes of an upload that are sent, and after a fault sent again, at once
AGAIN = "run the same command again."
DENIED = "Who runs this needs the role Storage Object Admin on the bucket: see docs/VERTEX_AI_SETUP.md."


def open_bucket(client: Any, name: str, region: str | None = None) -> tuple[Any, str | None]:
    """(bucket, a warning if it is in another region); raises CloudError if it does not exist or access is denied."""
    with clear_errors(
        f"open the bucket {name}",
        missing="it does not exist. Make it: gcloud storage buckets create "
        f"gs://{name} --location {region or 'REGION'}, or name another with --bucket.",
        denied="You need the roles Storage Object Admin and Legacy Bucket Reader on it: see docs/VERTEX_AI_SETUP.md.",
    ):
        bucket = client.get_bucket(name, timeout=30, retry=storage_retry())
    place = (bucket.location or "").lower()
    if region and place and region != place and "-" in place:
        return bucket, (
            f"the bucket {name} is in {place}, the job in {region}: reading across regions is slower and costs money. "
            f"Use --region {place}, or a bucket in {region}."
        )
    return bucket, None


def split_uri(uri: str) -> tuple[str, str]:
    """gs://bucket/a/b -> ("bucket", "a/b"); raises UsageError for anything else."""
    match = re.fullmatch(rf"gs://({BUCKET_PATTERN})/(.*[^/])/*", uri)
    if not match:
        raise UsageError(f"{uri} is not an address in a bucket: it has to look like gs://BUCKET/FOLDER.")
    return match[1], match[2]


def check_names(bucket: str | None = None, job: str | None = None, job_argument: str = "--job") -> None:
    """Raises UsageError for a name that no bucket or job can have; `job_argument`: what the user typed the job for."""
    if bucket is not None and not re.fullmatch(BUCKET_PATTERN, bucket):
        what = "leave out gs://" if bucket.startswith("gs:") else "3 to 63 lower-case letters, digits, - _ ."
        raise UsageError(f"--bucket {bucket} is not the name of a bucket: {what}.")
    if job is not None and not re.fullmatch(JOB_PATTERN, job):
        raise UsageError(
            f"{job_argument} {job!r} is not a name for a job: at most 63 lower-case letters, digits and hyphens."
        )


def md5_of(path: str | os.PathLike) -> str:
    """The MD5 checksum of a file, in hexadecimal: Cloud Storage keeps the same for every object."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def hex_md5(md5_base64: str | None) -> str:
    """The MD5 checksum of an object in hexadecimal, from the base64 that Cloud Storage has; empty if it has none."""
    return base64.b64decode(md5_base64).hex() if md5_base64 else ""


def upload_file(bucket: Any, path: str | os.PathLike, name: str, md5: str | None = None) -> bool:
    """Uploads a file unless the same content is there already. Returns whether it had to be sent.

    The library compares checksums as well; here the object's own is read back and compared with the file's.
    """
    md5 = md5 or md5_of(path)
    with clear_errors(
        f"upload {path} to gs://{bucket.name}/{name}", missing=f"the bucket {bucket.name} does not exist.",
        denied=DENIED,
    ):  # fmt: skip
        there = bucket.get_blob(name, retry=storage_retry(), timeout=60)
        if there is not None and hex_md5(there.md5_hash) == md5:
            return False
        blob = bucket.blob(name, chunk_size=CHUNK)
        blob.md5_hash = base64.b64encode(bytes.fromhex(md5)).decode()  # the server refuses other content
        # Sent again after a fault without harm: it is the same content.
        blob.upload_from_filename(path, retry=storage_retry(), timeout=60)
        blob.reload(retry=storage_retry(), timeout=60)
    if hex_md5(blob.md5_hash) != md5:
        raise CloudError(f"gs://{bucket.name}/{name} arrived damaged: the same command again sends it once more.")
    return True


def upload_text(bucket: Any, name: str, text: str) -> None:
    """Writes a small object."""
    with clear_errors(f"write gs://{bucket.name}/{name}", denied=DENIED):
        bucket.blob(name).upload_from_string(text, content_type="application/json", retry=storage_retry(), timeout=60)


def read_text(bucket: Any, name: str) -> str | None:
    """The text of a small object, or None if it does not exist."""
    from google.api_core.exceptions import NotFound

    with clear_errors(f"read gs://{bucket.name}/{name}", denied=DENIED):
        try:
            return bucket.blob(name).download_as_bytes(retry=storage_retry(), timeout=60).decode("utf-8")
        except NotFound:
            return None


def download_file(bucket: Any, name: str, path: str, *, md5: str, size: int, attempts: int = 8) -> bool:
    """Downloads an object to `path`, whole or not at all; returns whether it had to be fetched.

    What has arrived is kept in `path`.part-MD5: another attempt, or another call, asks for the rest of it alone. Only
    the object that has this checksum is read: one that takes its place meanwhile is an error, not a mixture.

    Args:
        name: of the object. path: of the file. md5, size: of both. attempts: in a row without a byte, before it fails.
    """
    from google.api_core import exceptions as api

    where = f"gs://{bucket.name}/{name}"
    if os.path.exists(path) and os.path.getsize(path) == size and md5_of(path) == md5:
        return False
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    part = f"{path}.part-{md5}"
    with clear_errors(f"download {where}", missing=f"the bucket {bucket.name} does not exist.", denied=DENIED):
        there = bucket.get_blob(name, retry=storage_retry(), timeout=60)
    if there is None:
        _remove(part)
        raise CloudError(f"{where} is missing: the set it belongs to is not complete.")
    if (there.size, hex_md5(there.md5_hash)) != (size, md5):
        _remove(part)
        raise CloudError(f"{where} is not the file that was expected (MD5 {md5}): {AGAIN}")
    blob = bucket.blob(name, generation=there.generation)
    faults = 0
    while not os.path.exists(part) or os.path.getsize(part) < size:
        start = os.path.getsize(part) if os.path.exists(part) else 0
        reason = "less arrived than there should be"
        try:
            with open(part, "ab") as file:
                if size:
                    # The library's own checksum would be that of the rest alone; that of the whole is compared below.
                    blob.download_to_file(
                        _Appending(file), start=start, raw_download=True, checksum=None, retry=None, timeout=60
                    )
        except (api.NotFound, api.PreconditionFailed):
            _remove(part)
            raise CloudError(f"{where} was removed or replaced while it was fetched: {AGAIN}") from None
        except (api.GoogleAPIError, *network_errors()) as error:
            if isinstance(error, api.ClientError) and error.code not in (408, 416, 429):
                with clear_errors(f"download {where}", denied=DENIED):
                    raise
            reason = first_line(error)
        if os.path.getsize(part) >= size:
            break
        faults = faults + 1 if os.path.getsize(part) == start else 0
        if faults >= attempts:
            raise NetworkError(f"cannot download {where}: {reason}. The same command again goes on.") from None
        time.sleep(min(30, 0.5 * 2**faults))
    if os.path.getsize(part) != size or md5_of(part) != md5:
        _remove(part)
        raise CloudError(f"{where} arrived damaged (its MD5 is not {md5}): {AGAIN}")
    os.replace(part, path)
    return True


class _Appending:
    """A file that can only grow: without seek and tell, the library never goes back over what is there."""

    def __init__(self, file):
        self._file, self.flush = file, file.flush

    def write(self, content):
        with write_errors(self._file.name):  # a disk that is full is no fault of the network
            count = self._file.write(content)
            self._file.flush()
            return count


def _remove(path):
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def local_path(folder: str, name: str) -> str:
    """`folder`/`name` for a name from a bucket; raises CloudError for one that could lead out of the folder."""
    parts = name.split("/")
    if not all(parts) or {".", ".."} & set(parts) or re.search(r"\\|^[A-Za-z]:|\0", name):
        raise CloudError(f"the bucket has a file named {name!r}, which is no place in {folder}: nothing was fetched.")
    return os.path.join(folder, *parts)
