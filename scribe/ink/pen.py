"""Where a pen puts its points: resamples strokes of any source as a pen of the training data would have recorded them.

    from scribe.ink.pen import resample, unsteady
    points = unsteady(resample(stroke), np.random.default_rng(0))

Fitted to IAM-OnDB; lengths are in x-heights. NumPy alone.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scribe.ink.strokes import hermite

# How much time the pen takes, in points: for a stroke in itself, for each x-height of way, for each radian of turning.
# Fitted to the number of points of 7,000 strokes of IAM-OnDB, of which it explains 92% of the variance.
STROKE_TIME, WAY_TIME, TURN_TIME = 3.35, 2.19, 1.58
# The share of these points that a style gets: a fast pen. After a slow one, the network more often rests and never
# goes on (docs/archive/RUNS.md).
PACE = 0.75
# In x-heights: the step in which the way is measured, the width over which it is smoothed before, and how far around a
# turn and from the ends of a stroke the pen is slow. Chosen so that steps and their changes are distributed as in
# IAM-OnDB; a pen that rests longer in its turns makes the network rest and never go on.
WAY_STEP, SMOOTHING, SLOW_TURN, SLOW_END = 0.04, 0.05, 0.13, 0.2
# Jitter of the pen: in time, in points, and in place, in x-heights (standard deviations). Where all steps follow from
# those before, the network grows too certain and gets stuck: of 156 lines 74% came out without a failure on the first
# attempt without the two, 86% with them.
TIME_JITTER, PLACE_JITTER = 0.22, 0.01
# A dot as pens write it: a tick hardly longer than the line is wide.
DOT_SHAPE = np.array([[0.0, 0.0], [0.02, 0.05], [0.03, 0.07], [0.01, 0.04]])
CORNER_COSINE = np.cos(np.radians(50))  # a way that turns by more than that at a point has a corner there


def resample(stroke: ArrayLike, smoothing: float = SMOOTHING, pace: float = PACE) -> NDArray:
    """A stroke with its points where a pen of the training data would have put them, whatever points it came with.

    A pen is slow where it turns, and where a stroke begins and ends. So each part of the way takes a time for its
    length and one for how far it turns, and points are even in time.

    Args:
        stroke: [n, 2], in x-heights. smoothing: width over which its way is smoothed, in x-heights. pace: number of
            points as a share of that of a pen of the training data.

    Returns:
        float64 [m, 2], m > 1; the first and the last point are those of the stroke.
    """
    way = _smooth_way(np.asarray(stroke, float), smoothing)
    steps = np.diff(way, axis=0)
    lengths = np.hypot(*steps.T)
    if not lengths.sum() > WAY_STEP:
        return way[0] + DOT_SHAPE
    directions = np.arctan2(steps[:, 1], steps[:, 0])
    between = np.abs((np.diff(directions) + np.pi) % (2 * np.pi) - np.pi) / 2
    turns = np.concatenate([between, [0.0]]) + np.concatenate([[0.0], between])  # a turn lies between two steps
    reach = round(3 * SLOW_TURN / WAY_STEP)
    # Beyond its ends, a way goes on as its mirror image: no turn is lost there.
    turns = np.pad(turns, reach, "symmetric")
    turns = np.convolve(turns, _bell(SLOW_TURN, reach), "valid")
    along = np.cumsum(lengths) - lengths / 2
    ends = (np.exp(-along / SLOW_END) + np.exp((along - lengths.sum()) / SLOW_END)) * lengths
    time = WAY_TIME * lengths + TURN_TIME * turns + (STROKE_TIME - 1) * ends / ends.sum()
    clock = np.concatenate([[0.0], np.cumsum(time)])
    at = np.linspace(0.0, clock[-1], max(2, 1 + round(pace * clock[-1])))
    return np.column_stack([np.interp(at, clock, way[:, axis]) for axis in (0, 1)])


def unsteady(points: NDArray, rng: np.random.Generator) -> NDArray:
    """The points [n, 2] of a stroke, jittered in time and in place as those of a hand; in x-heights."""
    n = len(points)
    at = np.arange(n) + np.concatenate([[0.0], rng.normal(0.0, TIME_JITTER, n - 2), [0.0]])
    at = np.sort(np.clip(at, 0, n - 1))
    points = np.column_stack([np.interp(at, np.arange(n), points[:, axis]) for axis in (0, 1)])
    return points + rng.normal(0.0, PLACE_JITTER, [n, 2])


def _smooth_way(points, smoothing):
    """The way through points [n, 2] in even steps of about WAY_STEP: curved between distant points, then smoothed."""
    points = points[np.concatenate([[True], np.hypot(*np.diff(points, axis=0).T) > 1e-6])]
    if len(points) < 2:
        return points
    points = _curved(points)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    even = np.linspace(0.0, along[-1], max(2, 1 + round(along[-1] / WAY_STEP)))
    way = np.column_stack([np.interp(even, along, points[:, axis]) for axis in (0, 1)])
    reach = min(round(3 * smoothing / WAY_STEP), len(way) - 1)
    # Continued point-symmetrically beyond its ends, so that they stay where they are.
    before, after = 2 * way[0] - way[reach:0:-1], 2 * way[-1] - way[-2 : -reach - 2 : -1]
    longer = np.concatenate([before, way, after])
    return np.column_stack([np.convolve(longer[:, axis], _bell(smoothing, reach), "valid") for axis in (0, 1)])


def _bell(deviation, reach):
    """Weights of a moving average over 2 reach + 1 places, WAY_STEP apart."""
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) * WAY_STEP / deviation) ** 2)
    return weights / weights.sum()


def _curved(points):
    """A curve through points [n, 2], with more points where these are further than WAY_STEP apart; corners stay."""
    steps = np.diff(points, axis=0)
    lengths = np.hypot(*steps.T)
    pieces = np.clip(np.ceil(lengths / WAY_STEP), 1, 1000).astype(int)
    if len(points) < 3 or pieces.max() == 1:
        return points
    # The square roots of the lengths as time: a curve that neither loops nor overshoots (Catmull-Rom, centripetal).
    clock = np.concatenate([[0.0], np.cumsum(np.sqrt(lengths))])
    velocity = np.gradient(points, clock, axis=0, edge_order=2)
    cosines = (steps[1:] * steps[:-1]).sum(axis=1) / (lengths[1:] * lengths[:-1])
    velocity[1:-1][cosines < CORNER_COSINE] = 0.0
    which = np.repeat(np.arange(len(steps)), pieces)
    u = (np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) / pieces[which]
    u, duration = u[:, None], np.sqrt(lengths)[which][:, None]
    curve = hermite(u, (points[which], points[which + 1]), (velocity[which], velocity[which + 1]), duration)
    return np.concatenate([curve, points[-1:]])
