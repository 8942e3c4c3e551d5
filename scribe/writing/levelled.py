"""Lines of any size and place as a recogniser takes them: level, with a known x-height, varied for training.

It needs no text, unlike `scribe.ink.measure.measure_line`, and makes do with lines of any kind.
"""

import numpy as np
from numpy.typing import NDArray

# The middle half of the ink of a line of small letters lies within this many x-heights; other lines have ascenders.
MIDDLE_HALF_HEIGHT = 0.79
LONGEST = 1000.0  # x-heights of ink in a line; 50 characters have about 200
# Deviations for training: logarithms of width and size, slant, height on the line in x-heights.
WIDTH, SIZE, SLANT, RAISED = 0.12, 0.12, 0.15, 0.1
# The waves in which training lines are bent: their lengths, and the deviation of their heights for each of length, up
# to a length of LONG_WAVE; in x-heights.
WAVE_LENGTHS, WAVE, LONG_WAVE = (1.5, 12), 0.02, 6


def levelled(
    points: NDArray, rng: np.random.Generator | None = None
) -> tuple[NDArray[np.floating], NDArray[np.floating], float]:
    """A line with its middle on y = 0.

    Args:
        points: [n, 3] or [n, 6], absolute x, y first (any unit, y grows downwards), the pen lift last; n > 0.
        rng: a NumPy Generator that varies width, slant and size a little and bends the line, for training. None: the
            line as it is.

    Returns:
        x, y [n, 2] in the unit of the points, the length drawn from each point to the next [n - 1], 0 where the pen is
        lifted, and the x-height.
    """
    xy, lifts = np.asarray(points[:, :2], float), np.asarray(points[:, -1]) > 0.5
    xy = xy - xy[0]
    ink = np.hypot(*np.diff(xy, axis=0).T) * ~lifts[:-1]
    middle, height = _middle_and_x_height(xy, ink)
    xy[:, 1] -= middle
    if rng is not None:
        width, size, slant = np.exp(rng.normal(0, WIDTH)), np.exp(rng.normal(0, SIZE)), rng.normal(0, SLANT)
        xy[:, 0] = width * (xy[:, 0] - slant * xy[:, 1])
        height *= size
        xy[:, 1] += rng.normal(0, RAISED) * height
        xy += _waves(xy[:, 0] / height, rng) * height
        ink = np.hypot(*np.diff(xy, axis=0).T) * ~lifts[:-1]
    return xy, ink, height


def _waves(x, rng):
    """[n, 2]: how far points at x [n] are moved, in x-heights, so that letters are a little wider, nearer, higher."""
    moved = np.zeros([len(x), 2])
    for axis in (0, 0, 1, 1):
        length, phase = np.exp(rng.uniform(*np.log(WAVE_LENGTHS))), rng.uniform(0, 2 * np.pi)
        moved[:, axis] += rng.normal(0, WAVE * min(length, LONG_WAVE)) * np.sin(2 * np.pi * x / length + phase)
    return moved


def _middle_and_x_height(xy, ink):
    """y of the middle of the line at every point [n], and the x-height, estimated from the distribution of ink over y.

    Args:
        xy: [n, 2] positions. ink: [n - 1], length drawn from each point to the next, 0 where the pen is lifted.
    """
    extent = max(float(np.ptp(xy[:, 0])), float(np.ptp(xy[:, 1])))
    if not ink.any():
        return np.full(len(xy), xy[:, 1].mean()), max(extent, 1e-6)
    # Four samples on the way from each point to the next, so that the distance of the points does not matter.
    parts = (np.arange(4) + 0.5)[:, None, None] / 4
    x, y = (xy[:-1] + parts * np.diff(xy, axis=0))[:, ink > 0].reshape(-1, 2).T
    ink = np.tile(ink[ink > 0], 4)
    slope = 0.0
    if np.ptp(x) > 3 * np.ptp(y):  # long enough to have a direction
        x_mean, y_mean = np.average(x, weights=ink), np.average(y, weights=ink)
        slope = np.average((x - x_mean) * (y - y_mean), weights=ink) / np.average((x - x_mean) ** 2, weights=ink)
    level = y - slope * x
    order = np.argsort(level)
    share = np.cumsum(ink[order]) / ink.sum()
    low, middle, high = np.interp([0.25, 0.5, 0.75], share, level[order])
    # Bound the height from below, so that a pen that scribbles on the spot or runs away cannot blow up what is made.
    smallest = max(0.02 * extent, ink.sum() / 4 / LONGEST, 1e-6)
    return middle + slope * xy[:, 0], max(float(high - low) / MIDDLE_HALF_HEIGHT, smallest)
