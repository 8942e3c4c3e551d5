"""Reads strokes from JSON: of Scribe itself, of signature pads, of Quick, Draw!, of Excalidraw, of scripts.

    from scribe.files.json_ink import read_json
    recording = read_json(content)

All of these hold the same in the end: strokes, which are lists of places, and perhaps what they say.
"""

import json

import numpy as np

from scribe.files.limits import MAX_ELEMENTS, Budget
from scribe.files.recorded_piece import Piece, Recording
from scribe.ink.strokes import split_strokes

TEXTS = ("text", "truth", "label", "transcription", "word", "sentence")
STROKES = ("strokes", "drawing", "elements", "paths", "lines", "data", "samples", "drawings")
NAMES = ("writer", "writer_id", "user", "author")
MALFORMED = "it should hold pages of lines of points with the columns x, y and pen_lift, as --format json writes them"


def read_json(content: bytes) -> Recording:
    """The Recording of a JSON text, or of one JSON text a line (.ndjson).

    Raises:
        ValueError: it is no JSON, too large, or there are no strokes in it.
    """
    if content.count(b"[") + content.count(b"{") > 4 * MAX_ELEMENTS:
        raise ValueError(f"it has more than {4 * MAX_ELEMENTS:,} lists and objects: that is no sample of a hand")
    text = content.decode("utf-8-sig")
    try:
        values = [json.loads(text)]
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Extra data"):
            raise
        values = [json.loads(line) for line in text.splitlines() if line.strip()]
    budget, pieces = Budget(), []
    own = all(isinstance(value, dict) and "format" in value for value in values)
    for value in values:
        if own:
            pieces += _page_lines(value, budget)
        else:
            pieces += _pieces(value, budget)
    if not pieces and not own:
        raise ValueError(
            "it is JSON, but not of Scribe, and no strokes were found in it: lists of points, each [x, y, ...] or with "
            "x and y by name"
        )
    return Recording(pieces, y_is_down=own)


def _page_lines(content, budget):
    """The lines of the pages that `sample.py --format json` writes, see scribe/pages/formats.py."""
    if content.get("format") != "scribe-handwriting":
        raise ValueError('it is JSON, but not of Scribe: it should say "format": "scribe-handwriting"')
    down = {"down": 1.0, "up": -1.0}.get(str(content.get("y_axis", "down")))
    if down is None:
        raise ValueError('"y_axis" should be "down" or "up"')
    pieces = []
    try:
        lines = [line for page in content["pages"] for line in page["lines"]]
        counts = [len(line["points"]) for line in lines]
    except (KeyError, TypeError, AttributeError):
        raise ValueError(MALFORMED) from None
    budget.spend(points=sum(counts), strokes=len(counts))
    try:
        columns = content["columns"]
        x, y, lift = (columns.index(name) for name in ("x", "y", "pen_lift"))
        for line in lines:
            rows = [[float(row[x]), float(row[y]) * down, float(row[lift])] for row in line["points"]]
            text = line.get("text")
            strokes = [stroke[:, :2] for stroke in split_strokes(np.array(rows, float).reshape(-1, 3))]
            pieces.append(Piece(strokes, text if isinstance(text, str) else None))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError):
        raise ValueError(MALFORMED) from None
    return pieces


def _pieces(value, budget, depth=0):
    """The Pieces of any value; none where it holds no strokes."""
    if depth > 6:
        return []
    if isinstance(value, dict):
        found = next((name for name in STROKES if isinstance(value.get(name), list)), None)
        if found is None:
            stroke = _stroke(value, budget)
            return [] if stroke is None else [Piece([stroke], _said(value, TEXTS))]
        strokes = _strokes(value[found], budget, by_column=found == "drawing")
        name = _said(value, NAMES) or ""
        if strokes:
            return [Piece(strokes, _said(value, TEXTS), name)]
        return [piece for part in value[found] for piece in _pieces(part, budget, depth + 1)]
    if isinstance(value, list):
        strokes = _strokes(value, budget)
        if strokes:
            return [Piece(strokes)]
        return [piece for part in value for piece in _pieces(part, budget, depth + 1)]
    return []


def _said(value, names):
    return next((value[name] for name in names if isinstance(value.get(name), str) and value[name].strip()), None)


def _strokes(values, budget, by_column=False):
    """The strokes of a list of strokes; none where it is something else."""
    strokes = []
    for value in values:
        if isinstance(value, dict) and any(isinstance(value.get(name), list) for name in STROKES):
            return []  # a list of drawings
        stroke = _stroke(value, budget, by_column)
        if stroke is not None and len(stroke):
            strokes.append(stroke)
    return strokes


def _stroke(value, budget, by_column=False):
    """The places [n, 2] of a stroke; None where it is none."""
    corner = (0.0, 0.0)
    if isinstance(value, dict):
        x, y = value.get("x"), value.get("y")
        if isinstance(x, list) and isinstance(y, list):
            return _array(zip(x, y), min(len(x), len(y)), budget)
        points = next((value[name] for name in ("points", "path", "coords") if isinstance(value.get(name), list)), None)
        if points is None or value.get("isDeleted"):
            return None
        # Where a shape has a place of its own, its points are counted from there.
        corner = (x, y) if _is_number(x) and _is_number(y) else corner
        value = points
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(point, dict) and _is_number(point.get("x")) and _is_number(point.get("y")) for point in value):
        stroke = _array(((point["x"], point["y"]) for point in value), len(value), budget)
    elif all(isinstance(part, list) and part and all(map(_is_number, part)) for part in value):
        lengths = {len(part) for part in value}
        columns = by_column or len(value) in (2, 3) and len(lengths) == 1 and max(lengths) > 4
        if columns and len(value) >= 2:
            stroke = _array(zip(value[0], value[1]), min(map(len, value[:2])), budget)
        elif min(lengths) >= 2:
            stroke = _array(((point[0], point[1]) for point in value), len(value), budget)
        else:
            return None
    else:
        return None
    return stroke + corner


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _array(places, count, budget):
    budget.spend(points=count, strokes=1)
    try:
        return np.array([(float(x), float(y)) for x, y in places], float).reshape(-1, 2)
    except (OverflowError, TypeError, ValueError):
        raise ValueError("a place in it is not two numbers") from None
