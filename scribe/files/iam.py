"""The files of IAM-OnDB: strokes of a line in XML, texts of a form.

    from scribe.files.iam import read_lines, read_strokes, to_offsets
    offsets = to_offsets(read_strokes("lineStrokes/a01/a01-000/a01-000u-01.xml"))
    text = read_lines("ascii/a01/a01-000/a01-000u.txt")[0]

Each XML file is one line; the text file of a form holds the texts of all its lines.
"""

import os
import re
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

INT16 = np.iinfo(np.int16)


class LineError(ValueError):
    """A line that cannot be used. kind: what is counted; the message: what is wrong with this one."""

    def __init__(self, kind: str, detail: str = ""):
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


def read_strokes(path: str) -> list[list[tuple[int, int]]]:
    """The strokes of an IAM-OnDB XML file: a list of lists of (x, y), integers, y growing downwards.

    Raises:
        LineError: it is not such a file, or it declares XML entities (which can grow without bound).
    """
    strokes = []
    parser = expat.ParserCreate()

    def start(name, attributes):
        if name == "Stroke":
            strokes.append([])
        elif name == "Point":
            if not strokes:
                raise LineError("broken XML", f"a Point outside of a Stroke in line {parser.CurrentLineNumber}")
            try:
                strokes[-1].append((int(attributes["x"]), int(attributes["y"])))
            except (KeyError, ValueError):
                where = f"line {parser.CurrentLineNumber}"
                raise LineError("broken XML", f"a Point without whole numbers x and y in {where}") from None

    def refuse(*_):
        raise LineError("XML with entities", "a DOCTYPE that declares entities is refused")

    parser.StartElementHandler = start
    parser.EntityDeclHandler = refuse
    try:
        with open(path, "rb") as file:
            parser.Parse(file.read(), True)  # at once: expat before 2.6 begins a long token anew with every part
    except (expat.ExpatError, UnicodeError, LookupError) as error:
        raise LineError("broken XML", str(error)) from None
    except ValueError as error:
        if isinstance(error, LineError):
            raise
        raise LineError("broken XML", str(error)) from None  # an encoding that expat cannot use
    return [stroke for stroke in strokes if stroke]


def to_offsets(strokes: list[list[tuple[int, int]]]) -> NDArray:
    """Strokes of (x, y) -> int16 (n, 3): dx, dy (first row 0, 0) and 1 on the last point of every stroke.

    Raises:
        LineError: there is no point, or an offset that int16 cannot hold.
    """
    if not strokes:
        raise LineError("no pen points")
    points = [point for stroke in strokes for point in stroke]
    if max(abs(v) for point in points for v in point) > 2**40:
        raise LineError("an offset too large", "no whiteboard is that wide")
    offsets = np.zeros((len(points), 3), np.int64)
    offsets[1:, :2] = np.diff(np.array(points, np.int64), axis=0)
    offsets[np.cumsum([len(stroke) for stroke in strokes]) - 1, 2] = 1
    if offsets.min() < INT16.min or offsets.max() > INT16.max:
        raise LineError("an offset too large", f"offsets have to be within {INT16.min} to {INT16.max}")
    return offsets.astype(np.int16)


def read_lines(path: str) -> list[str]:
    """The lines of the section `CSR:` of an IAM-OnDB text file, as they stand there; none where it is missing."""
    with open(path, encoding="latin1") as file:
        lines = file.read().split("\n")  # not splitlines(): that would also break at Latin-1 control characters
    section = next((i for i, line in enumerate(lines) if line.strip() == "CSR:"), len(lines))
    lines = lines[section + 1 :]
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def text_beside(path: str) -> str | None:
    """The text of a line of IAM-OnDB, where the folder ascii/ of the database lies beside lineStrokes/; else None."""
    folder, name = os.path.split(os.path.abspath(path))
    match = re.fullmatch(r"(.+)-(\d{1,4})\.xml", name)
    above, strokes, below = folder.rpartition(os.sep + "lineStrokes" + os.sep)
    if not match or not strokes:
        return None
    try:
        lines = read_lines(os.path.join(above, "ascii", below, match[1] + ".txt"))
    except OSError:
        return None
    return lines[int(match[2]) - 1] if 1 <= int(match[2]) <= len(lines) else None
