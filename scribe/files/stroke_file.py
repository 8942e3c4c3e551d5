"""The data file and the styles file: pickles of [strokes, asciis] or [strokes, asciis, names].

strokes are lines of handwriting, asciis their texts, names the form or the writer that each line is from. Files without
names are older, or do not know them.
"""

import pickle
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.files.atomic import written_aside
from scribe.files.safe_pickle import PickledArray, load_pickle

DATA_FILE = "strokes_training_data.cpkl"
STYLES_FILE = "styles.p"
HOW_TO_GET_DATA = (
    "Handwriting comes from IAM-OnDB (register at "
    "https://fki.tic.heia-fr.ch/databases/iam-on-line-handwriting-database, unpack lineStrokes-all.tar.gz and "
    "ascii-all.tar.gz into one folder) through: python3 prepare_data.py --source FOLDER --data_dir data"
)


def load_strokes(path: str) -> tuple[list[NDArray], list[str]]:
    """Reads a data file without its names: (strokes, texts), as `load_named_strokes`."""
    return load_named_strokes(path)[:2]


def load_named_strokes(path: str) -> tuple[list[NDArray], list[str], list[str]]:
    """Reads a data file: a pickle of [strokes, asciis] or [strokes, asciis, names].

    Returns:
        (strokes, texts, names): lists of equal length; strokes[i] is an (n, 3) array of numbers as the file has them;
        names[i] is the form or the writer of line i, "" where the file does not tell.

    Raises:
        ValueError: the file has another shape; the message names the line.
    """
    content = load_pickle(path)
    try:
        return lines_of(content)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


def lines_of(content: Any) -> tuple[list[NDArray], list[str], list[str]]:
    """As `load_named_strokes`, for what a pickle holds; the messages do not name a file."""
    if not _is_sequence(content) or len(content) not in (2, 3) or not all(_is_sequence(part) for part in content):
        raise ValueError(
            f"should hold the lists [strokes, asciis] or [strokes, asciis, names], but it holds {_describe(content)}."
        )
    strokes, texts, *named = (list(part) for part in content)
    names = named[0] if named else [""] * len(texts)
    if len(strokes) != len(texts):
        raise ValueError(f"holds {len(strokes)} lines of strokes but {len(texts)} texts: they have to match.")
    if len(names) != len(texts):
        raise ValueError(f"holds {len(texts)} texts but {len(names)} names: they have to match.")
    for what, items, check in (("line", strokes, as_points), ("text", texts, as_text), ("name", names, as_text)):
        kind = "an (n, 3) array of numbers" if what == "line" else "a string"
        for i, item in enumerate(items):
            try:
                items[i] = check(item)
            except ValueError as error:
                raise ValueError(f"has a {what} {i} that should be {kind}, but {error}.") from None
    return strokes, texts, names


def as_points(line: Any) -> NDArray:
    """A line as a pickle has it (array, nested lists, array of objects) -> (n, 3) array of numbers.

    Raises:
        ValueError: it is something else; the message says what, as the end of a sentence after "but".
    """
    array: Any = line.array if isinstance(line, PickledArray) else line
    if isinstance(array, np.ndarray) and array.dtype.kind in "biuf":
        if array.ndim != 2 or array.shape[1] != 3:
            raise ValueError(f"its shape is {array.shape}")
        return array
    if not _is_sequence(array):
        raise ValueError(f"it is {_describe(line)}")
    rows = []
    for k, point in enumerate(array):
        # Looked at one by one: NumPy would follow lists in lists, of which a small file can hold billions.
        if not _is_sequence(point) or len(point) != 3:
            raise ValueError(f"its point {k} is {_describe(point)}")
        try:
            rows.append([float(v) for v in point])
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"its point {k} is not three numbers") from None
    return np.array(rows, float).reshape(-1, 3)


def as_text(text: Any) -> str:
    """The text of a line as a pickle has it -> str; bytes are Latin-1. Raises ValueError as `as_points` does."""
    if isinstance(text, bytes):
        return text.decode("latin1")
    if not isinstance(text, str):
        raise ValueError(f"it is {_describe(text)}")
    return str(text)


def _is_sequence(part):
    array = part.array if isinstance(part, PickledArray) else part
    return isinstance(array, (list, tuple)) or isinstance(array, np.ndarray) and array.ndim > 0


def _describe(part):
    array = part.array if isinstance(part, PickledArray) else part
    if isinstance(array, np.ndarray):
        return f"an array of shape {array.shape}"
    return f"a {type(array).__name__}" + (f" of {len(array)}" if isinstance(array, (list, tuple)) else "")


def save_strokes(
    path: str, strokes: Iterable[NDArray], texts: Iterable[str], names: Iterable[str] | None = None
) -> None:
    """Writes a data file: lines [n, 3] of raw offsets, their texts, and whose lines they are where that is known."""
    content = [list(strokes), list(texts)] + ([] if names is None else [list(names)])
    with written_aside(path) as aside, open(aside, "wb") as file:
        pickle.dump(content, file, protocol=4)
