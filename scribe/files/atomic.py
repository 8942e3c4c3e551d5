"""Files are written aside and renamed: a kill at any instant leaves what was there before whole.

from scribe.files.atomic import check_writable, written_aside
check_writable("lines.npz")                # now, not after the minutes that making its content takes
with written_aside("lines.npz") as aside:
    np.savez(aside, ...)
"""

import contextlib
import errno
import json
import os
import zlib

LONGEST_NAME = 255  # bytes of a file's name, on nearly all file systems


class WriteError(OSError):
    """A file could not be written; says which one and why. What was there before is still whole."""

    def __str__(self):
        return f"{self.filename} cannot be written ({self.strerror}); what was there before is untouched."


@contextlib.contextmanager
def write_errors(path, *others):
    """Gives the OSErrors of a block that writes a file its name: that of a full disk has none.

    Args:
        path: of the file. others: paths of temporary files and folders that stand for it.

    Raises:
        WriteError: the file could not be written. The error of any other file passes as it is.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        if error.filename not in (None, path, *others):
            raise  # the error of another file, met while this one was written
        raise WriteError(error.errno, error.strerror or str(error), path) from None


def check_writable(path):
    """Makes sure that a file can be written as `written_aside` does it; makes its folder and leaves nothing else.

    For the beginning of a job that takes minutes, which a folder that is read-only, a name that is too long or a disk
    that is full should not end later.

    Raises:
        WriteError: it could not.
    """
    folder, aside = os.path.dirname(path), _aside(path)
    try:
        os.makedirs(folder or ".", exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)  # the name itself, which is longer or shorter than that of the temporary file
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        with _removed([aside]), open(aside, "wb") as file:
            file.write(bytes(4096))
    except OSError as error:
        raise WriteError(error.errno, _reason(error, folder), path) from None


def check_folder_writable(folder):
    """As `check_writable`, for any file of a folder."""
    try:
        check_writable(os.path.join(folder, "a"))
    except WriteError as error:
        raise WriteError(error.errno, error.strerror, folder) from None


def _reason(error, folder):
    """Why a file cannot be written, in words."""
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        part = folder
        while part and not os.path.exists(part):
            part = os.path.dirname(part)
        return f"{part} is a file, not a folder"
    return f"{error.filename}: {error.strerror}" if error.filename == folder else error.strerror


@contextlib.contextmanager
def all_written_aside(paths):
    """Gives the paths of temporary files, which take the places of `paths` when the block ends without an error.

    As `written_aside`; the files get their names one after the other, once all of them are written. Which file an error
    in the block belongs to is not known here: put the writing of each into `write_errors`.

    Args:
        paths: of the files to write.
    """
    asides = [_aside(path) for path in paths]
    with _renamed(asides, paths):
        yield asides


@contextlib.contextmanager
def written_aside(path, aside=None):
    """Gives the path of a temporary file, which takes the place of `path` when the block ends without an error.

        with written_aside("data.npz") as aside:
            np.savez(aside, ...)

    It is in the same folder and keeps the extension, since some writers choose the format by it. An error within the
    block removes it and leaves `path` as it was.

    Args:
        path: of the file to write.
        aside: path of the temporary file, on the same disk, for one that has to be elsewhere.

    Raises:
        WriteError: the file cannot be written.
    """
    aside = _aside(path) if aside is None else aside
    with write_errors(path, aside), _renamed([aside], [path]):
        yield aside


def _aside(path):
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    aside = f"{stem}.tmp-{os.getpid()}{extension}"
    if len(os.fsencode(aside)) > LONGEST_NAME >= len(os.fsencode(name)):
        # The file may have a name of this length, so its temporary file gets a shorter one, which no other file has.
        aside = f"{zlib.crc32(os.fsencode(name)):08x}.tmp-{os.getpid()}{extension if len(extension) < 100 else ''}"
    return os.path.join(folder, aside)


@contextlib.contextmanager
def _removed(asides):
    """Removes temporary files at the end of a block."""
    try:
        yield
    finally:
        for aside in asides:
            with contextlib.suppress(FileNotFoundError):
                os.remove(aside)


@contextlib.contextmanager
def _renamed(asides, paths):
    """Renames temporary files at the end of a block; after an error, in it or in the renaming, removes what is left."""
    with _removed(asides):
        yield
        for aside, path in zip(asides, paths, strict=True):
            with write_errors(path, aside):
                os.replace(aside, path)


def save_json(path, content):
    """Writes JSON, indented and with a newline at its end, as `written_aside` does."""
    with written_aside(path) as aside, open(aside, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
