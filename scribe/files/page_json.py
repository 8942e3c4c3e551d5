"""Reads the json that `sample.py --format json` writes: pages of lines of pen points."""

import json

import numpy as np

from scribe.files.recorded_piece import Piece
from scribe.ink.strokes import split_strokes


def read_page_json(path: str) -> list[Piece]:
    """The Pieces of a file in the format of `scribe/pages/formats.py`: one for each line of a page.

    Raises:
        ValueError: it is another kind of json.
    """
    with open(path, encoding="utf-8-sig") as file:
        content = json.load(file)
    if not isinstance(content, dict) or content.get("format") != "scribe-handwriting":
        raise ValueError('it is json, but not of Scribe: it should say "format": "scribe-handwriting"')
    down = {"down": 1.0, "up": -1.0}.get(str(content.get("y_axis", "down")))
    if down is None:
        raise ValueError('"y_axis" should be "down" or "up"')
    try:
        columns = content["columns"]
        x, y, lift = (columns.index(name) for name in ("x", "y", "pen_lift"))
        pieces = []
        for page in content["pages"]:
            for line in page["lines"]:
                rows = [[float(row[x]), float(row[y]) * down, float(row[lift])] for row in line["points"]]
                points = np.array(rows, float).reshape(-1, 3)
                text = line.get("text")
                strokes = [stroke[:, :2] for stroke in split_strokes(points)]
                pieces.append(Piece(strokes, text if isinstance(text, str) else None))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError):
        raise ValueError(
            "it should hold pages of lines of points with the columns x, y and pen_lift, as --format json writes them"
        ) from None
    return pieces
