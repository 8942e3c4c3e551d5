"""How like a hand written lines are, and how like people's: measured on the ink, without reading it. NumPy alone.

    space = HandSpace(statistics, forms)               # of lines of people
    found = likeness(space, real, written)             # how often the nearest hand is the right one
    auc = realism(real_statistics, written_statistics) # how well written lines are told from people's

`statistics_of` turns a line into numbers that do not depend on its size: directions and turns of the ink, slant,
lengths of strokes, jumps of the pen between them, heights. A linear discriminant finds the combinations of these in
which lines of one form are alike and lines of different forms are not (Fisher 1936).

Letters: n points, N lines, F statistics, P coordinates of the discriminant.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scribe.ink.strokes import split_strokes

STEPS_PER_HEIGHT = 6  # the ink is looked at in steps of this part of the median height of strokes
SMALLEST_HEIGHT = 0.002  # that counts as the height of strokes, in parts of the line: no line is of dashes alone
DIRECTIONS, TURNS, LARGEST_TURN = 24, 13, 2.0  # intervals of the histograms; radians from one step to the next
STEEP = 1.2  # a step counts for the slant if it is so many times as high as wide
PERCENTILES = (10, 25, 50, 75, 90)
COORDINATES = 30
SHRINKAGE = 0.1  # how far the covariance within forms is moved towards equal variances: lines are few
FOLDS = 5
AMONG = 3


def statistics_of(points: ArrayLike) -> NDArray[np.float64]:
    """The statistics of a line.

    Args:
        points: [n, 3] or more columns: positions x, y (y grows downwards) in any unit, the pen lift last.

    Returns:
        [F].

    Raises:
        ValueError: there is no stroke of two points.
    """
    strokes, steps = _strokes_and_steps(points)
    if not strokes:
        raise ValueError("a line without a stroke of two points has no statistics.")
    turns = [np.diff(np.unwrap(np.arctan2(step[:, 1], step[:, 0]))) for step in steps]
    dx, dy = np.concatenate(steps).T
    turns = np.clip(np.concatenate(turns), -LARGEST_TURN, LARGEST_TURN)
    length = np.hypot(dx, dy)
    directions = np.histogram(np.arctan2(dy, dx), DIRECTIONS, (-math.pi, math.pi), weights=length)[0] / length.sum()
    curvature = np.histogram(turns, TURNS, (-LARGEST_TURN, LARGEST_TURN))[0] / max(1, len(turns))
    slants = _slants(dx, dy)
    lengths = np.array([np.hypot(*step.T).sum() for step in steps])
    widths, heights = (np.array([np.ptp(stroke[:, axis]) for stroke in strokes]) for axis in (0, 1))
    jumps = np.array([after[0] - before[-1] for before, after in zip(strokes, strokes[1:])] or [[0.0, 0.0]])
    y = np.concatenate(strokes)[:, 1]
    width = max(1e-6, np.ptp(np.concatenate(strokes)[:, 0]))
    spread = [np.log1p(lengths), np.log1p(widths), np.log1p(heights), *jumps.T, slants, y - np.median(y)]
    whole = [slants.std(), math.log(lengths.sum() / width), len(strokes) / width, (jumps[:, 0] < 0).mean()]
    return np.concatenate([directions, curvature, *(np.percentile(values, PERCENTILES) for values in spread), whole])


def slants_of(points: ArrayLike) -> NDArray[np.float64]:
    """[steps] how far each steep step of a line leans, up or down: units to the right for each unit upwards. A line
    without any has a single 0. Argument as that of `statistics_of`."""
    _, steps = _strokes_and_steps(points)
    return _slants(*np.concatenate([np.zeros([0, 2]), *steps]).T)


def _slants(dx, dy):
    steep = np.abs(dy) > STEEP * np.abs(dx)
    return -dx[steep] / dy[steep] if steep.any() else np.zeros(1)


def _strokes_and_steps(points):
    """The strokes of a level line, in units of their median height, and the way through each in equal steps."""
    strokes = [stroke[:, :2] for stroke in split_strokes(np.asarray(points, float)) if len(stroke) > 1]
    if not strokes:
        return [], []
    strokes = _level(strokes)
    extent = float(np.ptp(np.concatenate(strokes), axis=0).max())
    unit = max(float(np.median([np.ptp(stroke[:, 1]) for stroke in strokes])), SMALLEST_HEIGHT * extent) or 1.0
    strokes = [stroke / unit for stroke in strokes]
    return strokes, [np.diff(_even(stroke), axis=0) for stroke in strokes]


def _even(stroke):
    """The way of a stroke [n, 2] in equal steps, 1 / STEPS_PER_HEIGHT at most."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
    at = np.linspace(0.0, along[-1], 1 + max(1, int(along[-1] * STEPS_PER_HEIGHT)))
    return np.column_stack([np.interp(at, along, stroke[:, axis]) for axis in (0, 1)])


def _level(strokes):
    """The strokes without the slope of the line."""
    x, y = np.concatenate(strokes).T
    slope = np.polyfit(x, y, 1)[0] if np.ptp(x) > 0 else 0.0
    slope = float(np.clip(slope, -0.3, 0.3))
    return [np.column_stack([stroke[:, 0], stroke[:, 1] - slope * stroke[:, 0]]) for stroke in strokes]


class HandSpace:
    """Coordinates in which lines by one hand are near to one another and lines of different hands are not.

    Args:
        statistics: [N, F] of lines of people. forms: of each line; lines of one form are by one hand.
        coordinates: P.

    Raises:
        ValueError: there are not two forms with two lines each.
    """

    def __init__(self, statistics: NDArray, forms: Sequence[str], coordinates: int = COORDINATES):
        _, form, count = np.unique(np.asarray(forms), return_inverse=True, return_counts=True)
        if (count > 1).sum() < 2:
            raise ValueError("hands are told apart by forms of two lines or more, of which there are not two.")
        self._centre, self._scale = statistics.mean(axis=0), statistics.std(axis=0) + 1e-9
        values = (statistics - self._centre) / self._scale
        means = np.stack([np.bincount(form, weights=column) / count for column in values.T], axis=1)
        within = (values - means[form]).T @ (values - means[form]) / max(1, len(values) - len(count))
        within = _shrunk(within)
        root = np.linalg.cholesky(np.linalg.inv(within))  # (x root) has the covariance 1 within forms
        between = np.cov((means @ root).T, aweights=count)
        _, axes = np.linalg.eigh(between)  # the largest last
        self._map = root @ axes[:, ::-1][:, :coordinates]

    def __call__(self, statistics: NDArray) -> NDArray:
        """[..., F] -> [..., P]."""
        return (statistics - self._centre) / self._scale @ self._map


def _shrunk(covariance):
    return (1 - SHRINKAGE) * covariance + (SHRINKAGE * np.trace(covariance) / len(covariance) + 1e-9) * np.eye(
        len(covariance)
    )


class Likeness(NamedTuple):
    """What `likeness` returns: shares of lines, and how far the written hands lie apart, real ones being 1."""

    first: float  # written lines whose own hand is the nearest
    among: float  # written lines whose own hand is among the AMONG nearest
    real_first: float  # the same of the real lines, each held against the mean of the others
    real_among: float
    spread: float


def likeness(space: HandSpace, real: Sequence[NDArray], written: Sequence[NDArray]) -> Likeness:
    """How often a line is nearest to the real lines of its own hand.

    Args:
        space: fitted on other lines of people. real, written: for each hand, the statistics [lines, F] of its real
            lines, two or more, and of those written in it, one or more.
    """
    real, written = [space(lines) for lines in real], [space(lines) for lines in written]
    means = np.stack([lines.mean(axis=0) for lines in real])

    def ranks():  # how many other hands are nearer to a line than its own
        for k, lines in enumerate(written):
            for line in lines:
                distance = np.linalg.norm(means - line, axis=1)
                yield "written", int((distance < distance[k]).sum())
        for k, lines in enumerate(real):
            for line in lines:
                distance = np.linalg.norm(means - line, axis=1)
                own = np.linalg.norm((lines.sum(axis=0) - line) / (len(lines) - 1) - line)
                yield "real", int((np.delete(distance, k) < own).sum())

    found: dict[str, list[int]] = {"written": [], "real": []}
    for kind, rank in ranks():
        found[kind].append(rank)
    shares = [np.mean(np.array(found[kind]) < limit) for kind in ("written", "real") for limit in (1, AMONG)]
    apart = [_apart(np.stack([lines.mean(axis=0) for lines in hands])) for hands in (written, real)]
    return Likeness(*map(float, shares), spread=apart[0] / apart[1])


def _apart(means):
    """The root mean square distance of hands from their mean."""
    return float(np.sqrt(((means - means.mean(axis=0)) ** 2).sum(axis=1).mean()))


def realism(real: NDArray, written: NDArray, seed: int = 0) -> float:
    """How well a linear discriminant tells written lines from people's: the cross-validated area under its curve (AUC).

    Args:
        real, written: statistics [N, F] of lines with about the same texts, FOLDS or more of each.

    Returns:
        0.5: not at all; 1: always.
    """
    values = np.concatenate([real, written])
    is_written = np.arange(len(values)) >= len(real)
    values = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-9)
    rng = np.random.default_rng(seed)
    fold = np.concatenate([rng.permutation(len(part)) % FOLDS for part in (real, written)])
    score = np.zeros(len(values))
    for k in range(FOLDS):
        seen = fold != k
        parts = [values[seen & (is_written == kind)] for kind in (False, True)]
        means = [part.mean(axis=0) for part in parts]
        centred = np.concatenate([part - mean for part, mean in zip(parts, means)])
        axis = np.linalg.solve(_shrunk(centred.T @ centred / len(centred)), means[1] - means[0])
        score[~seen] = (values[~seen] - (means[0] + means[1]) / 2) @ axis
    ahead = score[is_written][:, None] - score[~is_written]
    return float((ahead > 0).mean() + (ahead == 0).mean() / 2)
