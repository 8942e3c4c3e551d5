"""Finds letters and digits of a line that hang above it. NumPy alone.

    from scribe.writing.levels import find_raised
    failures = find_raised(line, index)         # a `lines.Line`, and the character of each of its points

A short l that does not come down to the line is read as an apostrophe, a digit up there as a power. What is written in
one stroke with its neighbours is read by its shape, wherever it is; so only what stands alone counts.
"""

import numpy as np

from scribe.ink.strokes import stroke_slices
from scribe.ink.typical import DOTTED, LARGE_ON_BASELINE
from scribe.ink.x_height import x_height_of_characters
from scribe.writing.failures import RAISED, Failure

MOST_RAISED = 0.45  # x-heights between the lower end of a character and that of those around it
NEAR, LEAST_NEAR = 5, 3  # characters on each side that are looked at, and how many are needed
LEAST_POINTS = 4


def find_raised(line, index):
    """A `Failure` for each character that hangs above the line; arguments as `marks.find_marks`."""
    text, y = line.text, np.asarray(line.strokes[:, 1], float)
    ends = {u: y[own].max() for u, c in enumerate(text)
            if c in LARGE_ON_BASELINE and (own := index == u).sum() >= LEAST_POINTS}  # fmt: skip
    if len(ends) <= LEAST_NEAR:
        return []
    unit = x_height_of_characters(line.strokes, index, text)
    joined = set()
    for stroke in stroke_slices(line.strokes):
        characters = set(index[stroke].tolist())
        if len(characters) > 1:
            joined |= characters
    failures = []
    for u, end in ends.items():
        near = [other for v, other in ends.items() if v != u and abs(v - u) <= NEAR]
        alone = u not in joined and text[u] not in DOTTED
        if alone and len(near) >= LEAST_NEAR and np.median(near) - end > MOST_RAISED * unit:
            failures.append(Failure(RAISED, u, u + 1))
    return failures
