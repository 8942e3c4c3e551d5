"""Files are written aside and renamed: a kill at any instant leaves what was there before whole."""

import contextlib
import json
import os


@contextlib.contextmanager
def written_aside(path):
    """Gives the path of a temporary file, which takes the place of `path` when the block ends without an error.

        with written_aside("data.npz") as aside:
            np.savez(aside, ...)

    It is in the same folder and keeps the extension, since some writers choose the format by it. An error within the
    block removes it and leaves `path` as it was.

    Args:
        path: of the file to write.
    """
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    aside = os.path.join(folder, f"{stem}.tmp-{os.getpid()}{extension}")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(aside)


def save_json(path, content):
    """Writes JSON, indented and with a newline at its end, as `written_aside` does."""
    with written_aside(path) as aside, open(aside, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
