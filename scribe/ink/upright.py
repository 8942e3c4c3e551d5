"""Whether writing stands on its feet: tells strokes whose y grows upwards from the others. NumPy alone.

    from scribe.ink.upright import uprightness
    if uprightness(strokes) < UPSIDE_DOWN: strokes = [stroke * [1, -1] for stroke in strokes]

Whoever writes from left to right turns the pen to the left more often than to the right, and begins strokes further up
than where they end. In the mirror it is the other way round.
"""

import numpy as np
from numpy.typing import NDArray

# How much each sign counts: fitted to 3,000 lines of IAM-OnDB, of which 6 come out on the wrong side of 0, and one in
# 3,000 below UPSIDE_DOWN; in the mirror, 98 of 100 are below it.
TURN_WEIGHT, FALL_WEIGHT, SKEW_WEIGHT = -15.5, -21.4, -2.9
UPSIDE_DOWN = -2.0
LEAST_STROKES, LEAST_POINTS = 4, 60  # of less, nothing can be said
CUSP = 2.5  # radians: a way that turns by more goes back, to neither side


def falls(strokes: list[NDArray]) -> float:
    """How far strokes end above where they begin, as a share of their length: about -0.2 in writing whose y grows
    downwards, 0.2 in its mirror image."""
    length = sum(np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in strokes)
    return float(sum(stroke[0, 1] - stroke[-1, 1] for stroke in strokes) / length) if length > 0 else 0.0


def uprightness(strokes: list[NDArray]) -> float:
    """How much strokes look like writing whose y grows downwards; below UPSIDE_DOWN, it grows upwards.

    Args:
        strokes: [n, 2] positions each, in writing order, as they were written: small points on curves, not pieces.

    Returns:
        about 9 for a line of 30 characters, -9 for its mirror image, 0 where there is too little to say.
    """
    used = [stroke for stroke in strokes if len(stroke) > 2]
    if len(used) < LEAST_STROKES or sum(map(len, used)) < LEAST_POINTS:
        return 0.0
    turned = turned_by = fall = length = 0.0
    heights, weights = [], []
    for stroke in used:
        steps = np.diff(stroke, axis=0)
        lengths = np.hypot(*steps.T)
        middles = (stroke[1:, 1] + stroke[:-1, 1])[lengths > 0] / 2
        steps, lengths = steps[lengths > 0], lengths[lengths > 0]
        if len(steps) < 2:
            continue
        directions = np.arctan2(steps[:, 1], steps[:, 0])
        turns = (np.diff(directions) + np.pi) % (2 * np.pi) - np.pi
        turns[np.abs(turns) > CUSP] = 0.0
        turned, turned_by = turned + turns.sum(), turned_by + np.abs(turns).sum()
        fall, length = fall + stroke[0, 1] - stroke[-1, 1], length + lengths.sum()
        heights.append(middles)
        weights.append(lengths)
    if not turned_by > 0:
        return 0.0
    at, ink = np.concatenate(heights), np.concatenate(weights)
    order = np.argsort(at)
    low, middle, high = np.interp([0.05, 0.5, 0.95], np.cumsum(ink[order]) / ink.sum(), at[order])
    skew = (high + low - 2 * middle) / (high - low) if high > low else 0.0
    return float(TURN_WEIGHT * turned / turned_by + FALL_WEIGHT * fall / length + SKEW_WEIGHT * skew)
