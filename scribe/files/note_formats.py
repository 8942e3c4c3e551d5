"""Reads the ink of note-taking programs and databases: Xournal++ (.xopp), UNIPEN.

from scribe.files.note_formats import read_unipen, read_xournal
"""

import re
from xml.etree import ElementTree

import numpy as np

from scribe.files.joined_pieces import join_pieces
from scribe.files.limits import Budget
from scribe.files.recorded_piece import Piece, Recording
from scribe.files.xml_tree import NUMBER, attribute, tag_name


def read_xournal(root: ElementTree.Element) -> Recording:
    """The pages of Xournal or Xournal++ as Pieces; eraser, highlighter, texts and pictures are left out."""
    recording, budget = Recording([]), Budget()
    for page in (element for element in root if tag_name(element) == "page"):
        strokes, widths = [], []
        for element in page.iter():
            kind = tag_name(element)
            if kind == "stroke":
                tool = attribute(element, "tool") or "pen"
                values = _floats(element.text or "")
                points = values[: len(values) // 2 * 2].reshape(-1, 2)
                points = points[np.isfinite(points).all(axis=1)]
                budget.spend(points=len(points), strokes=1)
                if tool != "pen":
                    recording.left_out[f"stroke of the {tool}"] += 1
                elif len(points):
                    strokes.append(points)
                    width = _floats(attribute(element, "width") or "")
                    widths.append(float(width[0]) if len(width) and np.isfinite(width[0]) else 0.0)
            elif kind in ("text", "image", "teximage"):
                recording.left_out["image" if kind != "text" else "text"] += 1
        if strokes:
            recording.pieces.append(Piece(join_pieces(strokes, widths)))
    return recording


def _floats(text):
    """The numbers of a list, NaN for what is none."""
    words = text.split()
    try:
        return np.array(words, float)
    except ValueError:
        return np.array([float(word) if re.fullmatch(NUMBER, word) else np.nan for word in words])


# The parts of a UNIPEN file that a label may stand for, from the largest.
LEVELS = ("PAGE", "TEXT", "PARAGRAPH", "SENTENCE", "LINE", "WORD")


def read_unipen(content: bytes) -> Recording:
    """The Recording of a UNIPEN file: what is written between .PEN_DOWN and .PEN_UP; labels of its .SEGMENT lines.

    Its Y grows upwards, so the strokes are turned.
    """
    budget = Budget()
    columns, strokes, labels, current, name = ["X", "Y"], [], {}, None, ""
    components = -1  # number of the present one: those with the pen lifted count as well
    numbers_of: list[int] = []  # the component of each stroke
    for line in content.decode("latin1").splitlines():
        words = line.split()
        if not words:
            continue
        keyword = words[0].upper() if words[0].startswith(".") and words[0][1:2].isalpha() else None
        if keyword is None:
            if current is not None and len(words) >= len(columns):
                try:
                    values = dict(zip(columns, map(float, words)))
                    place = values["X"], -values["Y"]
                except (ValueError, KeyError):
                    raise ValueError(f"a point of it is {line.strip()[:40]!r}") from None
                current.append(place)
                budget.spend(points=1)
            continue
        if keyword == ".COORD":
            columns = [word.upper() for word in words[1:]]
        elif keyword == ".PEN_DOWN":
            components += 1
            current = []
            strokes.append(current)
            numbers_of.append(components)
            budget.spend(strokes=1)
        elif keyword == ".PEN_UP":
            components, current = components + 1, None
        elif keyword == ".WRITER_ID" and len(words) > 1:
            name = words[1]
        elif keyword == ".SEGMENT" and len(words) > 1:
            label = re.search(r'"(.*)"\s*$', line)
            if label and words[1].upper() in LEVELS:
                span = words[2] if len(words) > 2 and re.match(r"\d", words[2]) else ""
                labels.setdefault(words[1].upper(), []).append((span, label[1].strip()))
            current = None
        elif keyword != ".DT":
            current = None
    pieces = _labelled(strokes, numbers_of, labels)
    return Recording([Piece(s, text, name) for s, text in pieces if s], y_is_down=False)


def _labelled(strokes, numbers_of, labels):
    """[(strokes, text)] by the labels of the largest parts that have any; all strokes as one where none has."""
    arrays = [np.array(stroke, float).reshape(-1, 2) for stroke in strokes]
    level = next((name for name in LEVELS if name in labels), None)
    whole = [stroke for stroke in arrays if len(stroke)]
    if level is None:
        return [(whole, None)]
    spans = [(_components(span), text) for span, text in labels[level]]
    if len(spans) == 1 or not all(span for span, _ in spans):
        return [(whole, " ".join(text for _, text in labels[level]))]
    return [([s for s, k in zip(arrays, numbers_of) if k in span and len(s)], text) for span, text in spans]


def _components(span):
    """The numbers of "0,2-4"; a place within one, as in "0:5-2:7", counts as all of it."""
    found: set[int] = set()
    for part in span.split(","):
        match = re.fullmatch(r"(\d{1,6})(?::\d+)?(?:-(\d{1,6})(?::\d+)?)?", part)
        if match:
            found |= set(range(int(match[1]), min(int(match[2] or match[1]), 100_000) + 1))
    return found
