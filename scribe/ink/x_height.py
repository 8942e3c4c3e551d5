"""The x-height of handwriting: the height of a small letter without ascender. Three estimates, by what is known.

`x_height_of_tops`        from the tops of letters above a measured baseline: the most exact; `measure_line` uses it
`x_height_of_characters`  from the extent of each character's ink: where every point's character is known, but not the
                          baseline, as when boxes are drawn
`x_height_of_ink`         from the amount of ink: before anything is known of lines and baselines

All three are in the unit of the points. NumPy alone.
"""

import numpy as np
from numpy.typing import NDArray

from scribe.ink.strokes import stroke_length
from scribe.ink.typical import DIGIT_HEIGHT, INK_PER_CHARACTER, SMALL, STROKE_HEIGHT, TALL, TALL_HEIGHT


def x_height_of_tops(heights: NDArray, characters: NDArray, text: str, spread: float) -> tuple[float | None, float]:
    """The x-height from the tops of a line.

    Args:
        heights: [k], of the tops above the baseline. characters: [k], whose tops they are, "" where it is not known.
        text: of the line. spread: a rough height of the writing.

    Returns:
        (x-height, how many letters it rests on); (None, 0) where nothing tells it.
    """
    usable = heights > 0.2 * spread
    heights, characters = heights[usable], characters[usable]
    small = sum(c in SMALL or c in "bdfghkpqty" for c in text)
    big = sum(c.isupper() or c.isdigit() for c in text)
    # Without an index the tops of both are one heap, in which the more frequent ones are the densest band.
    has_small = not text or (small > 0 if any(characters) else small >= big and small > 0)
    if has_small and len(heights):
        weight = {"": 0.6, **dict.fromkeys(SMALL, 1.0), **dict.fromkeys("gpqybdhk", 0.4)}
        weights = np.array([weight.get(c, 0.05) for c in characters])
        height, letters = _mode(heights, weights, 0.18)
        if letters >= 0.5:
            return height, letters
    tall = np.array([c in TALL for c in characters], bool)
    if big and not any(characters):
        tall = np.ones(len(heights), bool)  # no index: what the text says has to do
    if tall.any():
        ratios = np.array([DIGIT_HEIGHT if c.isdigit() else TALL_HEIGHT for c in characters[tall]])
        if not any(characters):
            mostly_digits = sum(map(str.isdigit, text)) * 2 > len(text.replace(" ", ""))
            ratios[:] = DIGIT_HEIGHT if mostly_digits else TALL_HEIGHT
        height, letters = _mode(heights[tall] / ratios, np.ones(tall.sum()), 0.18)
        return height, 0.7 * letters
    return None, 0.0


def _mode(values, weights, width):
    """(centre of the densest band of values, weight in it). Width is relative: values are positive."""
    logs = np.log(values)
    grid = np.linspace(logs.min(), logs.max(), 80)
    density = (weights * np.exp(-0.5 * ((grid[:, None] - logs) / width) ** 2)).sum(axis=1)
    near = weights * np.exp(-0.5 * ((grid[density.argmax()] - logs) / width) ** 2)
    return float(np.exp((near * logs).sum() / near.sum())), float(near.sum())


def x_height_of_characters(points: NDArray, index: NDArray, text: str) -> float:
    """The median height of the small letters; where there are none, half that of tall ones, else that of any other.

    Args:
        points: [n, 2 or more], x and y (positions) first. index: int [n], the character of every point, -1 for none.
        text: U characters.
    """
    heights: dict[str, list[float]] = {}
    order = np.argsort(index, kind="stable")[np.count_nonzero(index < 0) :]
    if len(order):
        characters, starts = np.unique(index[order], return_index=True)
        y = points[order, 1]
        extents = np.maximum.reduceat(y, starts) - np.minimum.reduceat(y, starts)
        for u, height in zip(characters.tolist(), extents.tolist()):
            kind = "small" if text[u] in SMALL else "tall" if text[u] in TALL else "other"
            heights.setdefault(kind, []).append(height)
    for kind, ratio in (("small", 1.0), ("tall", 2.0), ("other", 1.0)):
        height = float(np.median(heights.get(kind, [0.0]))) / ratio
        if height > 0:
            return height
    return max(float(np.ptp(points[:, 0])) / max(len(text), 1), 1e-3)


def x_height_of_ink(strokes: list[NDArray], text: str = "") -> float:
    """About the x-height: from the ink of a text; where that is not known, from the height of the strokes.

    Args:
        strokes: [m, 2] positions each. text: what they say; "" where it is not known.
    """
    ink = np.array([stroke_length(stroke) for stroke in strokes])
    if not ink.sum() > 0:
        return 1.0  # dots alone: there is no writing that could be told apart
    if text:
        return ink.sum() / len(text) / INK_PER_CHARACTER
    heights = np.array([np.ptp(stroke[:, 1]) for stroke in strokes])
    order = np.argsort(heights, kind="stable")
    median = heights[order][np.searchsorted(np.cumsum(ink[order]), ink.sum() / 2)]
    return median / STROKE_HEIGHT or ink.sum() / len(strokes) / INK_PER_CHARACTER
