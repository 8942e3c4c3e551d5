"""Finds words of a line that run into each other. NumPy alone.

    from scribe.writing.gaps import find_gaps
    failures = find_gaps(line, assign_characters(line.strokes, line.phis, line.text))    # a `lines.Line`

Between two words of real lines there are 1.7 x-heights without ink at the height of the small letters, and hardly ever
as little as within a word.
"""

import numpy as np

from scribe.ink.x_height import x_height_of_characters
from scribe.writing.failures import MERGED, Failure

LEAST_GAP = 0.35  # in x-heights, between the ink of two words


def find_gaps(line, index):
    """A `Failure` for each space of a line that is too narrow to be seen; arguments as `marks.find_marks`."""
    gaps = word_gaps(line, index)
    return [Failure(MERGED, u, u + 1) for u, gap in gaps.items() if gap < LEAST_GAP]


def word_gaps(line, index):
    """{place of a space: width between the ink of its two words, in x-heights}; negative where they overlap."""
    text = line.text
    x = np.asarray(line.strokes[:, 0], float) / x_height_of_characters(line.strokes, index, text)
    gaps = {}
    for u in (u for u, c in enumerate(text) if c == " "):
        start, stop = text.rfind(" ", 0, u) + 1, text.find(" ", u + 1)
        before = (index >= max(start, u - 2)) & (index < u)
        after = (index > u) & (index < min(stop if stop >= 0 else len(text), u + 3))
        if before.any() and after.any():
            gaps[u] = float(x[after].min() - x[before].max())
    return gaps
