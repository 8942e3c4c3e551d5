"""Complete sets of files in a bucket: the files first, then the manifest that makes them count. bucket.py says where.

A process may die at any time: a set without its manifest does not exist, and one that lacks a file is passed over.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from scribe.cloud.bucket import DENIED, download_file, hex_md5, md5_of, read_text, upload_file, upload_text
from scribe.cloud.clients import storage_retry
from scribe.cloud.errors import clear_errors

KEPT_SETS = 2


class FileSet(NamedTuple):
    """A complete set.

    name: of the manifest in the bucket. number: they count up. created: ISO time. step: of the training, or None.
    files: name in the set -> {"object", "md5", "size"}.
    """

    name: str
    number: int
    created: str
    step: int | None
    files: dict[str, dict[str, Any]]


def write_set(bucket: Any, prefix: str, files: dict[str, str], step: int | None = None) -> tuple[FileSet, int]:
    """Uploads files and then the manifest that makes them a complete set.

    Args:
        prefix: folder in the bucket. files: name in the set -> path; they must not change meanwhile.

    Returns:
        (the FileSet, number of files that had to be sent).
    """
    entries, sent = {}, 0
    for name, path in sorted(files.items()):
        md5 = md5_of(path)
        target = f"{prefix}/files/{md5}-{os.path.basename(name)}"
        sent += upload_file(bucket, path, target, md5)
        entries[name] = {"object": target, "md5": md5, "size": os.path.getsize(path)}
    names = list_sets(bucket, prefix)
    number = _number(names[-1]) + 1 if names else 1
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    content = json.dumps({"created": created, "step": step, "files": entries}, indent=1, sort_keys=True)
    md5 = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
    name = f"{prefix}/sets/{number:08d}-{md5}.json"  # with its own checksum: it can neither be torn nor overwritten
    upload_text(bucket, name, content)
    return FileSet(name, number, created, step, entries), sent


def list_sets(bucket: Any, prefix: str) -> list[str]:
    """Names of the manifests, newest last."""
    missing = f"the bucket {bucket.name} does not exist."
    with clear_errors(f"list gs://{bucket.name}/{prefix}", missing, DENIED):
        blobs = bucket.client.list_blobs(bucket, prefix=f"{prefix}/sets/", retry=storage_retry(), timeout=60)
        return sorted(blob.name for blob in blobs if re.search(r"/\d{8}-[0-9a-f]{32}\.json$", blob.name))


def _number(name):
    return int(name.rsplit("/", 1)[1].split("-")[0])


def newest_set(bucket: Any, prefix: str, warn: Callable[[str], Any] = lambda text: None) -> FileSet | None:
    """The newest set of which all files are there, or None; `warn` receives a line for each newer one that is not."""
    names = list_sets(bucket, prefix)
    if not names:
        return None
    with clear_errors(f"list gs://{bucket.name}/{prefix}", denied=DENIED):
        blobs = bucket.client.list_blobs(bucket, prefix=f"{prefix}/files/", retry=storage_retry(), timeout=60)
        there = {blob.name: (blob.size, hex_md5(blob.md5_hash)) for blob in blobs}
    for name in reversed(names):
        text = read_text(bucket, name)
        md5 = name.rsplit("-", 1)[1].removesuffix(".json")
        if text is None or hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() != md5:
            warn(f"gs://{bucket.name}/{name} is damaged; the set before it is used.")
            continue
        try:
            content = json.loads(text)
            found = FileSet(name, _number(name), content["created"], content["step"], content["files"])
            files = found.files
            lacking = [f for f in files.values() if there.get(f["object"]) != (f["size"], f["md5"])]
        except (ValueError, KeyError, TypeError, AttributeError):
            warn(f"gs://{bucket.name}/{name} does not describe a set; the set before it is used.")
            continue
        if lacking:
            warn(
                f"gs://{bucket.name}/{name} is not complete ({len(lacking)} of {len(files)} files are missing or "
                f"damaged, such as {lacking[0]['object'].rsplit('/', 1)[1]}); the set before it is used."
            )
            continue
        return found
    return None


def fetch_set(bucket: Any, found: FileSet, place: Callable[[str], str | None]) -> int:
    """Downloads the files of a set.

    Args:
        found: a FileSet. place: function of the name in the set that returns the path, or None to leave the file out.
            It is called for all files before the first is fetched.

    Returns:
        number of files that had to be fetched.
    """
    fetched, paths = 0, {name: place(name) for name in found.files}
    # TensorFlow reads the file `checkpoint` first of all, so it comes last: what it names is there by then.
    for name in sorted(found.files, key=lambda name: (os.path.basename(name) == "checkpoint", name)):
        entry, path = found.files[name], paths[name]
        if path:
            fetched += download_file(bucket, entry["object"], path, md5=entry["md5"], size=entry["size"])
    return fetched


def remove_old_sets(bucket: Any, prefix: str, keep: int = KEPT_SETS) -> None:
    """Removes all but the newest sets, and the files that no set needs any more: manifests first, files after them."""
    names = list_sets(bucket, prefix)
    needed = set()
    for name in names[-keep:]:
        text = read_text(bucket, name)
        if text is None:
            return  # another process is at work here
        try:
            needed |= {entry["object"] for entry in json.loads(text)["files"].values()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # damaged: nobody knows which files it needs, until it is an old set itself
    with clear_errors(f"clear up gs://{bucket.name}/{prefix}", denied=DENIED):
        for name in names[:-keep]:
            _delete(bucket, name)
        for blob in list(
            bucket.client.list_blobs(bucket, prefix=f"{prefix}/files/", retry=storage_retry(), timeout=60)
        ):
            if blob.name not in needed:
                _delete(bucket, blob.name)


def _delete(bucket, name):
    from google.api_core.exceptions import NotFound

    with contextlib.suppress(NotFound):
        bucket.blob(name).delete(retry=storage_retry(), timeout=60)
