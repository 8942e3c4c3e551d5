"""The folder of a data set on a disk: its files, and which settings it belongs to.

from scribe.dataset.folder import Folder, claim
folder = Folder("lines")
complete = claim(folder, settings)      # UsageError if it holds anything else

OUTPUT/dataset.json          written last: where it is, everything is
OUTPUT/.unfinished/          until then: settings.json, the parts of shards that are done, files being written
"""

import contextlib
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from typing import IO, Any

from scribe.console import UsageError, shortened
from scribe.files.atomic import check_folder_writable, write_errors, written_aside

WORK_FOLDER = ".unfinished"  # removed when the data set is complete
SETTINGS = f"{WORK_FOLDER}/settings.json"
DESCRIPTION = "dataset.json"


class Folder:
    """The folder of a data set on a disk. Names are relative to it, with slashes. Files are written aside and renamed.

    `beam.RemoteFolder` is the same for what is not a disk.
    """

    def __init__(self, path: str):
        self.path = path

    def __str__(self) -> str:
        return self.path

    def local(self, name: str) -> str:
        """The path of a file of the data set."""
        return os.path.join(self.path, *name.split("/"))

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A binary file to write to, which gets its name when all is written."""
        path = self.local(name)
        # All temporary files are in one place, where a run after a kill can find and remove them.
        aside = self.local(f"{WORK_FOLDER}/aside-{os.getpid()}-{threading.get_ident()}-{name.replace('/', '-')}")
        folders = [os.path.dirname(file_path) for file_path in (aside, path)]
        with write_errors(path, *folders):
            for folder in folders:
                os.makedirs(folder, exist_ok=True)
            with written_aside(path, aside), open(aside, "wb") as file:
                yield file

    def write(self, name: str, content: bytes) -> None:
        """Writes a file from bytes."""
        with self.writing(name) as file:
            file.write(content)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, None if there is none."""
        try:
            with open(self.local(name), "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_all(self, names: Iterable[str]) -> Iterator[Any]:
        """The bytes of many files that exist, one after the other."""
        return map(self.read, names)

    def names(self, name: str = "") -> list[str]:
        """Names of what is in a folder; none if it does not exist."""
        try:
            return sorted(os.listdir(self.local(name) if name else self.path))
        except FileNotFoundError:
            return []

    def remove(self, name: str) -> None:
        """Removes a folder with all that is in it, if it exists."""
        shutil.rmtree(self.local(name), ignore_errors=True)

    def lock(self) -> None:
        """Raises UsageError while another run writes here; the lock ends with the process."""
        try:
            import fcntl
        except ImportError:  # Windows has no such lock
            return
        check_folder_writable(self.local(WORK_FOLDER))
        self._lock = open(self.local(f"{WORK_FOLDER}/lock"), "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another run is writing to {self.path}: wait for it, or name another --output.") from None


def claim(folder: Folder, settings: dict[str, Any]) -> bool:
    """Makes sure that a folder is empty, or belongs to a data set of the same settings.

    Returns:
        whether the data set is complete.

    Raises:
        UsageError: the folder belongs to anything else.
    """
    described = folder.read(DESCRIPTION)
    begun = described or folder.read(SETTINGS)
    if begun is None:
        if [name for name in folder.names() if name != WORK_FOLDER]:
            raise UsageError(f"{folder} holds other files: name a folder that is new or empty.")
        folder.lock()
        folder.write(SETTINGS, json_bytes({"settings": settings}))
        return False
    try:
        before = dict(json.loads(begun)["settings"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{folder} holds something that is no data set of this command: name another one.") from None
    now = json.loads(json.dumps(settings))
    differing = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    if differing:
        what = ", ".join(_difference(key, before.get(key), now.get(key)) for key in differing)
        raise UsageError(f"{folder} was begun with {what}: use the same settings, or another --output.")
    if described is None:
        folder.lock()
    elif WORK_FOLDER in folder.names():  # killed while it removed its temporary files
        folder.remove(WORK_FOLDER)
    return described is not None


def _difference(key, before, now):
    """In words: 'count 10 (now 20)', 'other texts'."""
    if key.endswith("_sha256"):
        return f"other {key.removesuffix('_sha256')}"
    before, now = map(shortened, map(json.dumps, (before, now)))
    return f"{key} {before} (now {now})"


def json_bytes(content: Any) -> bytes:
    """Indented JSON with a newline at its end, for people to read."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def sha256(*contents: bytes) -> str:
    """SHA-256 of the concatenated contents."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()
