"""Where the marks of composed letters are: measured on written lines, for tests and contact sheets."""

from pathlib import Path

import numpy as np

from scribe.ink.composed import PLACES, recipe_of
from scribe.ink.measure import measure_line
from scribe.ink.point_characters import assign_characters
from scribe.ink.strokes import stroke_slices

ACCENTED_WORDS = Path(__file__).parent / "data" / "accented_words.tsv"


def accented_words():
    """[(language, words or a sentence)] in ten languages."""
    rows = (line.split("\t") for line in ACCENTED_WORDS.read_text(encoding="utf-8").splitlines())
    return [(language, text) for language, *texts in rows for text in texts]


def dense(stroke, step):
    """Places along a stroke [m, 2], at most `step` apart."""
    pieces = [stroke[:1]]
    for a, b in zip(stroke, stroke[1:]):
        pieces.append(np.linspace(a, b, max(int(np.ceil(np.hypot(*(b - a)) / step)), 1) + 1)[1:])
    return np.concatenate(pieces)


def measure_marks(line, touching=0.14):
    """Where the marks of a line are.

    Args:
        line: a `Line` with composed characters.
        touching: x-heights; ink whose middle is nearer than that to other ink touches it (a pen is that wide).

    Returns:
        a list of (character, name of the place, whether its marks are at their letter, whether they touch other ink).
    """
    base = line.base
    index = assign_characters(base.strokes, base.phis, base.text)
    metrics = measure_line(base.strokes, base.text, index)
    unit = metrics.x_height

    def flat(points):
        y = points[:, 1] - metrics.baseline_at(points[:, 0])
        return np.column_stack([points[:, 0] + metrics.slant * y, y]) / unit

    # Marks and letters of the same line: signs move words, so these lines have none.
    points = flat(line.strokes[:, :2].astype(float))
    strokes = [(s, points[s]) for s in stroke_slices(line.strokes)]
    found = []
    for u, c in enumerate(line.text):
        recipe = recipe_of(c)
        marks = [xy for s, xy in strokes if line.ink.added[s].all() and (line.ink.index[s] == u).all()]
        if recipe is None or not recipe.marks or not marks:
            continue
        place = PLACES[recipe.marks[0]]
        own = points[(line.ink.index == u) & ~line.ink.added]
        letter_x, height = own[:, 0], -own[:, 1]
        body = (height > 0) & (height < 1.4) if base.text[0].islower() else np.ones(len(own), bool)
        left, right = np.percentile(letter_x[body], [2, 98]) if body.any() else (letter_x.min(), letter_x.max())
        mark = np.concatenate([dense(xy, 0.05) for xy in marks])
        middle = mark.mean(axis=0)
        inside = left - 0.3 <= middle[0] <= right + 0.3
        level = {
            "over": -mark[:, 1].max() > min(height.max(), 1.3) - 0.1,
            "under": middle[1] > -0.1,
            "through": mark[:, 0].min() < right + 0.1 and mark[:, 0].max() > left - 0.1,
            "beside": -middle[1] > 0.6,
        }[place]
        if place == "beside":
            inside = left - 0.3 <= middle[0] <= right + 0.9
        others = np.concatenate(
            [dense(xy, 0.05) for s, xy in strokes if not (line.ink.added[s].all() and (line.ink.index[s] == u).all())]
        )
        if place != "over":  # it touches its own letter, and there also what joins that to the next one
            own_ink = dense(own, 0.05)
            mark = mark[[np.hypot(*(own_ink - p).T).min() > 0.25 for p in mark]]
            others = others[[np.hypot(*(own_ink - p).T).min() > 0.12 for p in others]]
        near = others[(np.abs(others - middle) < 2).all(axis=1)]
        distance = np.sqrt(((mark[:, None] - near[None]) ** 2).sum(axis=2)).min() if len(near) and len(mark) else np.inf
        found.append((c, place, bool(inside and level), bool(distance < touching)))
    return found
