"""How much a file of handwriting may hold. A style needs a few thousand points, a page of writing some twenty thousand.

    from scribe.files.limits import Budget
    budget = Budget()
    budget.spend(points=len(stroke), strokes=1)

What is larger is refused as soon as that shows, before all of it is read.
"""

import dataclasses
import errno
import os

MAX_BYTES = 16 * 2**20  # of a file of text, unpacked; 100 bytes for each of its points
MAX_PICKLE_BYTES = 256 * 2**20  # all of IAM-OnDB as a pickle has 42 million
MAX_DATA_BYTES = 2 * 2**30  # of a pickle to train with
MAX_POINTS, MAX_STROKES = 150_000, 30_000
MAX_ELEMENTS = 200_000  # of an XML file; four times as many lists and objects of a JSON file
MAX_DRAWN = 60_000  # elements of an SVG, counted as often as they are drawn
PART = 2**16  # bytes that are read at a time of what has no size, such as a pipe
MAX_COORDINATE = 1e15  # squares of what is larger leave the numbers that a computer has


def read_beginning(path: str | os.PathLike, size: int) -> bytes:
    """The first `size` bytes of a file, all where it has fewer.

    Raises:
        OSError: it cannot be read. It names the file, also where the disk fails after the file was opened.
    """
    try:
        with open(path, "rb") as file:
            # Python makes room for as many bytes as are asked for, however few there are.
            content, step = b"", max(os.fstat(file.fileno()).st_size, PART)
            while len(content) < size and (part := file.read(min(step, size - len(content)))):
                content, step = content + part, PART
            return content
    except OSError as error:
        error.filename = os.fspath(path)
        raise


def read_bytes(path: str | os.PathLike, most: int = MAX_PICKLE_BYTES) -> bytes:
    """All that a file holds. Raises OSError: it cannot be read, or holds more than `most` bytes."""
    if os.path.getsize(path) > most or len(content := read_beginning(path, most + 1)) > most:
        raise OSError(errno.EFBIG, f"it has more than {most // 2**20:,} MiB, which is too much", os.fspath(path))
    return content


@dataclasses.dataclass
class Budget:
    """What has been read of a file so far."""

    points: int = 0
    strokes: int = 0

    def spend(self, points: int = 0, strokes: int = 0) -> None:
        """Counts further points and strokes. Raises ValueError where there are too many."""
        self.points += points
        self.strokes += strokes
        if self.points > MAX_POINTS:
            raise ValueError(f"it has more than {MAX_POINTS:,} points: that is no sample of a hand")
        if self.strokes > MAX_STROKES:
            raise ValueError(f"it has more than {MAX_STROKES:,} strokes: that is no sample of a hand")
