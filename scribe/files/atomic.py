"""Files are written aside and renamed: a kill at any instant leaves what was there before whole."""

import contextlib
import json
import os


@contextlib.contextmanager
def all_written_aside(paths):
    """Gives the paths of temporary files, which take the places of `paths` when the block ends without an error.

    As `written_aside`; the files get their names one after the other, once all of them are written.

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
    """
    aside = _aside(path) if aside is None else aside
    with _renamed([aside], [path]):
        yield aside


def _aside(path):
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    return os.path.join(folder, f"{stem}.tmp-{os.getpid()}{extension}")


@contextlib.contextmanager
def _renamed(asides, paths):
    """Renames temporary files at the end of a block; after an error, in it or in the renaming, removes what is left."""
    try:
        yield
        for aside, path in zip(asides, paths, strict=True):
            os.replace(aside, path)
    finally:
        for aside in asides:
            with contextlib.suppress(FileNotFoundError):
                os.remove(aside)


def save_json(path, content):
    """Writes JSON, indented and with a newline at its end, as `written_aside` does."""
    with written_aside(path) as aside, open(aside, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
