"""The synthetic hand as files of every kind that a style can be read from, and what they should give back."""

import json
from pathlib import Path

import numpy as np

from scribe.files.stroke_file import save_strokes
from writing_helpers import write_text

TEXT = "the pen moved over"


def hand(text=TEXT, scale=20.0, **how):
    """Strokes of the synthetic hand: float64 [n, 2] arrays, y growing downwards."""
    points, _ = write_text(text, **how)
    ends = np.flatnonzero(points[:, 5] > 0.5) + 1
    return [part.astype(float) * scale for part in np.split(points[:, :2], ends) if len(part)]


def sheet(*texts, spacing=5.0, scale=20.0, **how):
    """Lines below each other: a list of strokes for each; spacing in x-heights of 1.5."""
    return [
        [stroke + [0.0, k * spacing * 1.5 * scale] for stroke in hand(text, scale, **how)]
        for k, text in enumerate(texts)
    ]


def shift(strokes, x, y):
    return [stroke + [x, y] for stroke in strokes]


def write(path, content):
    Path(path).write_text(content, encoding="utf-8")
    return str(path)


def words(points, row=" ".join):
    return [row(f"{value:.17g}" for value in point) for point in points]


def inkml(lines, texts=None, head="", flip=(1, 1), group="traceGroup"):
    """InkML of lines (lists of strokes); texts: of each, None for none; head: before the traces."""
    parts = [f'<?xml version="1.0"?><ink xmlns="http://www.w3.org/2003/InkML">{head}']
    for k, strokes in enumerate(lines):
        parts.append(f"<{group}>" if group else "")
        if texts is not None and texts[k] is not None:
            parts.append(f'<annotation type="truth">{texts[k]}</annotation>')
        parts += [f"<trace>{', '.join(words(stroke * flip))}</trace>" for stroke in strokes]
        parts.append(f"</{group}>" if group else "")
    return "".join(parts) + "</ink>"


def svg(strokes, attributes="", around=("", "")):
    """A polyline for each stroke."""
    lines = [f'<polyline points="{" ".join(words(stroke, ",".join))}" {attributes}/>' for stroke in strokes]
    return f'<svg xmlns="http://www.w3.org/2000/svg">{around[0]}{"".join(lines)}{around[1]}</svg>'


def iam(strokes):
    """XML of IAM-OnDB: whole numbers."""
    body = "".join(
        "<Stroke>" + "".join(f'<Point x="{round(x)}" y="{round(y)}"/>' for x, y in stroke) + "</Stroke>"
        for stroke in strokes
    )
    return f"<WhiteboardCaptureSession><StrokeSet>{body}</StrokeSet></WhiteboardCaptureSession>"


def offsets(strokes):
    """Strokes as offsets [n, 3] of a data file."""
    points = np.concatenate(strokes)
    moves = np.diff(points, axis=0, prepend=points[:1])
    lifts = np.zeros(len(points))
    lifts[np.cumsum([len(stroke) for stroke in strokes]) - 1] = 1
    return np.column_stack([moves, lifts])


def pickled(path, lines, texts):
    save_strokes(str(path), [offsets(strokes) for strokes in lines], texts)
    return str(path)


def scribe_json(lines, texts, **changes):
    """The format of --format json, each line with its points and text."""
    rows = []
    for strokes, text in zip(lines, texts):
        points = [[x, y, 0.0, int(k == len(s) - 1), -1] for s in strokes for k, (x, y) in enumerate(s.tolist())]
        rows.append({"text": text, "label": text, "points": points})
    content = {
        "format": "scribe-handwriting", "version": 1, "y_axis": "down",
        "columns": ["x", "y", "time", "pen_lift", "character"], "pages": [{"width": 1, "height": 1, "lines": rows}],
    }  # fmt: skip
    return json.dumps(content | changes)
