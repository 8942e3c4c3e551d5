"""Finds an I that reads as an exclamation mark or as a small i: a stem and a dot. NumPy alone.

    from scribe.writing.capital_i import find_dotted_stems
    failures = find_dotted_stems(line, index)       # a `lines.Line`, and the character of each of its points

A capital I is a stem, or a stem between two bars. The network at times leaves the upper bar out and sets the lower one
as a dot or a dash below the stem, or it sets the dot of an i. The recogniser, which knows no such letter, reads an I.
"""

import numpy as np

from scribe.ink.strokes import stroke_slices
from scribe.ink.x_height import x_height_of_characters
from scribe.writing.failures import MISREAD, Failure

# Lengths in x-heights. A stem is high and narrow; a stroke of BAR_WIDTH at its upper half is a bar, and with one the
# letter is an I whatever else it has.
STEM_HEIGHT, STEM_SLOPE, BAR_WIDTH = 0.7, 0.6, 0.5
# Size of a dot, or of what stands for one below the stem; how far it is from the stem, and beside its end.
DOT_SIZE, LOW_SIZE, APART, BESIDE = 0.5, 0.8, 0.12, 0.7


def find_dotted_stems(line, index):
    """A `Failure` for each I that is misread as "!" or "i"; arguments as `marks.find_marks`."""
    text = line.text
    if "I" not in text:
        return []
    points = np.asarray(line.strokes[:, :2], float) / x_height_of_characters(line.strokes, index, text)
    strokes = stroke_slices(line.strokes)
    failures = []
    for u in (u for u, c in enumerate(text) if c == "I"):
        own = [points[stroke] for stroke in strokes if np.mean(index[stroke] == u) > 0.5]
        instead = _read_as(own) if len(own) > 1 else None
        if instead:
            failures.append(Failure(MISREAD, u, u + 1, instead))
    return failures


def _read_as(strokes):
    """What the strokes [m, 2] of an I look like: "!", "i", or None for an I."""
    stem = max(strokes, key=lambda stroke: np.ptp(stroke[:, 1]))
    (left, top), (right, bottom) = stem.min(axis=0), stem.max(axis=0)
    if bottom - top < STEM_HEIGHT or right - left > STEM_SLOPE * (bottom - top):
        return None
    others = [stroke for stroke in strokes if stroke is not stem]
    if any(np.ptp(s[:, 0]) > BAR_WIDTH and s[:, 1].mean() < (top + bottom) / 2 for s in others):
        return None
    upper, lower = stem[stem[:, 1].argmin(), 0], stem[stem[:, 1].argmax(), 0]
    for stroke in others:
        size, middle = np.ptp(stroke, axis=0).max(), stroke[:, 0].mean()
        if size < LOW_SIZE and abs(middle - lower) < BESIDE and stroke[:, 1].min() > bottom + APART:
            return "!"
        if size < DOT_SIZE and abs(middle - upper) < BESIDE and stroke[:, 1].max() < top - APART:
            return "i"
    return None
