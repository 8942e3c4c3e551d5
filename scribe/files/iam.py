"""The files of IAM-OnDB: strokes of a line in XML, texts of a form.

    from scribe.files.iam import read_lines, read_strokes, to_offsets
    offsets = to_offsets(read_strokes("lineStrokes/a01/a01-000/a01-000u-01.xml"))
    text = read_lines("ascii/a01/a01-000/a01-000u.txt")[0]

Each XML file is one line; the text file of a form holds the texts of all its lines.
"""

import math
import os
import re
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from scribe.files.limits import MAX_BYTES, Budget, read_bytes
from scribe.files.recorded_piece import Piece
from scribe.files.xml_tree import LineError, read_tree, tag_name

INT16 = np.iinfo(np.int16)
COORDINATE = re.compile(r"\s*[-+]?\d{1,40}(\.\d{0,40})?\s*")


def read_strokes(path: str) -> list[list[tuple[float, float]]]:
    """The strokes of an IAM-OnDB XML file: a list of lists of (x, y), y growing downwards.

    Raises:
        LineError: it is not such a file, or it declares XML entities (which can grow without bound).
    """
    return strokes_of_tree(read_tree(read_bytes(path, MAX_BYTES), max_depth=math.inf))


def strokes_of_tree(root: ElementTree.Element) -> list[list[tuple[float, float]]]:
    """As `read_strokes`, for the elements of the file."""
    strokes: list[list[tuple[float, float]]] = []
    budget = Budget()
    for element in root.iter():
        kind = tag_name(element)
        if kind == "Stroke":
            strokes.append([])
        elif kind == "Point":
            if not strokes:
                raise LineError("broken XML", "a Point outside of a Stroke")
            place = [element.get(name, "") for name in "xy"]
            if not all(map(COORDINATE.fullmatch, place)):
                raise LineError("broken XML", f"a Point without whole numbers or decimals x and y: {str(place)[:40]}")
            strokes[-1].append((float(place[0]), float(place[1])))
            budget.spend(points=1)
    return [stroke for stroke in strokes if stroke]


def read_form(root: ElementTree.Element, path: str | os.PathLike) -> Piece:
    """The strokes of a file as a Piece, with its text: that of the file itself, or of the folder ascii/ beside it."""
    strokes = [np.array(stroke, float) for stroke in strokes_of_tree(root)]
    form = next((element for element in root.iter() if tag_name(element) == "Form"), None)
    name = "" if form is None else form.get("writerID") or form.get("id") or ""
    return Piece(strokes, text_of_tree(root) or text_beside(os.fspath(path)), name)


def text_of_tree(root: ElementTree.Element) -> str | None:
    """What the element Transcription says; None where there is none."""
    for element in root.iter():
        if tag_name(element) == "Transcription":
            texts = [e.text or "" for e in element.iter() if tag_name(e) == "Text"]
            lines = [e.get("text") or "" for e in element.iter() if tag_name(e) == "TextLine"]
            return " ".join(" ".join(texts if any(map(str.strip, texts)) else lines).split()) or None
    return None


def to_offsets(strokes: list[list[tuple[float, float]]]) -> NDArray:
    """Strokes of (x, y) -> int16 (n, 3): dx, dy (first row 0, 0) and 1 on the last point of every stroke.

    Positions are rounded to whole units, not the offsets, so that rounding errors do not add up.

    Raises:
        LineError: there is no point, or an offset that int16 cannot hold.
    """
    if not strokes:
        raise LineError("no pen points")
    points = [point for stroke in strokes for point in stroke]
    places = np.array(points, float)
    if not np.abs(places).max() < 2**40:
        raise LineError("an offset too large", "no whiteboard is that wide")
    offsets = np.zeros((len(points), 3), np.int64)
    offsets[1:, :2] = np.diff(np.round(places).astype(np.int64), axis=0)
    offsets[np.cumsum([len(stroke) for stroke in strokes]) - 1, 2] = 1
    if offsets.min() < INT16.min or offsets.max() > INT16.max:
        raise LineError("an offset too large", f"offsets have to be within {INT16.min} to {INT16.max}")
    return offsets.astype(np.int16)


def read_lines(path: str) -> list[str]:
    """The lines of the section `CSR:` of an IAM-OnDB text file, as they stand there.

    A file without any section holds nothing but lines; one with others but without CSR has none.
    """
    content = read_bytes(path, MAX_BYTES)
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            text = content.decode(encoding, "replace")
            break
    else:
        text = content.decode("latin1")
    lines = text.replace("\r\n", "\n").split("\n")  # splitlines() would also break at Latin-1 control characters
    section = next((i for i, line in enumerate(lines) if line.lstrip().startswith("CSR:")), None)
    if section is not None:
        lines = [lines[section].lstrip().removeprefix("CSR:").lstrip(), *lines[section + 1 :]]
    elif any(line.lstrip().startswith("OCR:") for line in lines):
        lines = []
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
