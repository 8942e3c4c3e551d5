"""Measures written lines: baseline, x-height, slant. NumPy alone.

    from scribe.ink.measure import measure_line, straighten
    metrics = measure_line(strokes, text, character_index(phis))
    flat = straighten(strokes, metrics, slant=metrics.slant)

Strokes are what `sample()` returns: [n, 6] or [n, 3], x and y first (absolute, y grows downwards), the pen lift last (1
where the pen lifts after the point). Lengths are in the unit of the strokes, whichever it is: everything here is
measured in relation to the handwriting itself.
"""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scribe.ink.strokes import checked_strokes, stroke_slices
from scribe.ink.typical import DESCENDING, FLOATING, ON_BASELINE
from scribe.ink.x_height import x_height_of_tops

MAX_SLOPE = 0.35  # of a baseline; about 20 degrees
MAX_SHEAR = 1.2  # of a downstroke that counts as one; 50 degrees


@dataclasses.dataclass
class Metrics:
    """What was measured on a line.

    Attributes:
        x_height: the height of a small letter without ascender, in units of the strokes; None where nothing tells
            (punctuation alone).
        letters: how many letter tops the x-height rests on; the trust in it.
        slant: how far letters lean: units to the right for each unit upwards; 0 upright.
        downs: how much downstroke the slant rests on, in x-heights.
        centre, half: the baseline is a polynomial of (x - centre) / half.
        baseline: its coefficients, constant first, as numpy.polynomial.legendre has them.
    """

    x_height: float | None
    letters: float
    slant: float
    downs: float
    centre: float
    half: float
    baseline: NDArray

    def moved(self, x: float, y: float) -> "Metrics":
        """The same of a line that has moved by (x, y)."""
        baseline = np.concatenate([self.baseline[:1] + y, self.baseline[1:]])
        return dataclasses.replace(self, centre=self.centre + x, baseline=baseline)

    def baseline_at(self, x: ArrayLike) -> NDArray:
        """y of the baseline at x; beyond the written line it goes on in the direction that it ends with."""
        u = (np.asarray(x, float) - self.centre) / self.half
        inside = np.clip(u, -1.0, 1.0)
        value = np.polynomial.legendre.legval(inside, self.baseline)
        if len(self.baseline) > 1:
            slope = np.polynomial.legendre.legval(inside, np.polynomial.legendre.legder(self.baseline))
            value = value + slope * (u - inside)
        return value


def measure_line(strokes: ArrayLike, text: str = "", index: ArrayLike | None = None) -> Metrics:
    """Measures baseline, x-height and slant.

    Bottoms of letters crowd at the baseline, their tops at the x-height; descenders and ascenders are fewer and spread.
    So both are looked for as the densest band of turning points of the pen. The text and the index say which turning
    points count: those of a, c, e, ... for the x-height, capitals or digits (scaled) where there are no others.

    Args:
        strokes: [n, 3] or [n, 6]. text: what is written. index: int [n], the character of every point; None or -1:
            unknown.

    Returns:
        Metrics.

    Raises:
        ValueError: no points, or one that is not finite.
    """
    points = checked_strokes(strokes)
    spread = _spread(points)
    tops, bottoms = _turning_points(points, 0.12 * spread)
    characters = _characters(text, index, len(points))
    bottom_weights = _weights(characters[bottoms], ON_BASELINE, DESCENDING, FLOATING)
    x, y = points[bottoms, 0], points[bottoms, 1]
    left, right = points[:, 0].min(), points[:, 0].max()
    centre, half = (left + right) / 2, max((right - left) / 2, spread / 2, 1e-9)
    if not bottom_weights.any():  # quotes and hyphens: they float, so the best guess is their lower edge
        bottom_weights = np.ones(len(bottoms))
    baseline = _fit_baseline((x - centre) / half, y, bottom_weights, spread, half)
    metrics = Metrics(None, 0.0, 0.0, 0.0, centre, half, baseline)
    heights = metrics.baseline_at(points[tops, 0]) - points[tops, 1]
    metrics.x_height, metrics.letters = x_height_of_tops(heights, characters[tops], text, spread)
    _measure_slant(metrics, points, tops, bottoms, spread)
    return metrics


def straighten(strokes: ArrayLike, metrics: Metrics, slant: float = 0.0) -> NDArray:
    """Takes tilt and drift out of a line and shears it; how letters vary within the line stays.

    Args:
        strokes: [n, 3] or [n, 6]. metrics: of them. slant: the line is sheared until its slant would be this;
            metrics.slant leaves the slant alone.

    Returns:
        float64 [n, 3]: x, y with the baseline at y = 0 (above it is negative), pen lift.
    """
    points = checked_strokes(strokes)
    points[:, 1] -= metrics.baseline_at(points[:, 0])
    points[:, 0] -= (slant - metrics.slant) * points[:, 1]
    return points


def _spread(points):
    """A rough height of the writing, no matter how it tilts: about 1.5 x-heights of a line of letters."""
    x, y = points[:, 0], points[:, 1]
    if np.ptp(x) > 3 * np.ptp(y):
        y = y - np.polyval(np.polyfit(x, y, 1), x)
    low, high = np.percentile(y, [8, 92])
    # Dots alone have no height: their distance stands for it, so that nothing is divided by zero.
    return max(high - low, 0.02 * np.ptp(x), 1e-3)


def _turning_points(points, least):
    """Indices of the tops and bottoms of the pen's way, stroke by stroke; a turn is one that goes back by `least`."""
    tops, bottoms = [], []
    y = points[:, 1]
    for stroke in stroke_slices(points):
        low = high = stroke.start  # lowest and highest point on the sheet since the last turn
        direction = 0
        for i in range(stroke.start, stroke.stop):
            if y[i] < y[high]:
                high = i
            if y[i] > y[low]:
                low = i
            if direction >= 0 and y[low] - y[i] > least:  # it went down, and now it goes up
                bottoms.append(low)
                if direction == 0 and high < low:
                    tops.append(high)
                direction, high = -1, i
                low = i
            elif direction <= 0 and y[i] - y[high] > least:
                tops.append(high)
                if direction == 0 and low < high:
                    bottoms.append(low)
                direction, low = 1, i
                high = i
        if direction > 0:
            bottoms.append(low)
        elif direction < 0:
            tops.append(high)
        else:  # a dot or a dash
            tops.append(high)
            bottoms.append(low)
    return np.array(sorted(tops), int), np.array(sorted(bottoms), int)


def _characters(text, index, n):
    """The character of every point, "" where it is not known."""
    if index is None or not text:
        return np.full(n, "", "<U1")
    index = np.asarray(index, int)
    if index.shape != (n,):
        raise ValueError(f"index should have {n} entries, one for each point, but its shape is {index.shape}.")
    letters = np.array([*text, ""])
    return letters[np.where((index < 0) | (index >= len(text)), len(text), index)]


def _weights(characters, certain, doubtful, excluded):
    weight = {"": 0.6, **dict.fromkeys(doubtful, 0.2), **dict.fromkeys(certain, 1.0), **dict.fromkeys(excluded, 0.0)}
    return np.array([weight.get(c, 0.4) for c in characters])


def _fit_baseline(u, y, weights, spread, half):
    """Legendre coefficients of a smooth robust curve through the densest band of bottoms; u in [-1, 1]."""
    band = 0.13 * spread
    # A short line says little about its tilt, less about its bend: the fewer bottoms, the more level it is taken to be.
    doubt = weights.sum() * 4 / (1.0 + 0.5 * half / spread)
    best = (-np.inf, np.array([float(np.average(y, weights=weights)), 0.0, 0.0]))
    slopes = np.linspace(-MAX_SLOPE, MAX_SLOPE, 43)  # [S]
    for bend in np.linspace(-1.2, 1.2, 7) * spread if half > 5 * spread else (0.0,):
        level = y - (slopes * half)[:, None] * u - bend * (1.5 * u * u - 0.5)  # [S, bottoms]
        levels = np.linspace(level.min(axis=1), level.max(axis=1), 48, axis=1)  # [S, 48]
        away = (levels[:, :, None] - level[:, None, :]) / band
        density = (weights * np.exp(-0.5 * away**2)).sum(axis=2)
        doubts = doubt * (slopes**2 + (bend / half) ** 2) + 1e-6 * (abs(slopes) + abs(bend) / half)
        scores = density.max(axis=1) - doubts
        k = int(scores.argmax())
        if scores[k] > best[0]:
            best = (scores[k], np.array([levels[k, density[k].argmax()], slopes[k] * half, bend]))
    # Drift: a line of many letters may bend a few times, never as fast as letters follow each other.
    degree = 1 + sum(half > spreads * spread for spreads in (5, 10, 16))
    basis = np.polynomial.legendre.legvander(u, degree)
    coefficients = np.zeros(degree + 1)
    coefficients[: min(degree + 1, 3)] = best[1][: degree + 1]
    # Ridge: what is expected of tilt and bends, against the scatter of single letters.
    expected = np.array([1e6 * spread, 0.1 * half, 0.5 * spread, 0.3 * spread, 0.2 * spread])[: degree + 1]
    # Wide at first, so that a part that bends away is found, then as narrow as the band is.
    for width in (2.5, 2.0, 1.6, 1.3, 1.0, 1.0, 1.0, 1.0):
        away = (y - basis @ coefficients) / (1.5 * band * width)
        w = weights * np.exp(-0.5 * away**2)
        normal = basis.T @ (w[:, None] * basis) + np.diag((1.2 * band / expected) ** 2)
        coefficients = np.linalg.solve(normal, basis.T @ (w * y))
    return coefficients


def _measure_slant(metrics, points, tops, bottoms, spread):
    """Sets slant and downs: the median direction of downstrokes, each weighted by its length."""
    unit = metrics.x_height or spread / 1.5
    turns = np.sort(np.concatenate([tops, bottoms]))
    first, last = turns[:-1], turns[1:]
    lifted = np.concatenate([[0], np.cumsum(points[:, 2] > 0.5)])  # strokes finished before a point
    dx, dy = (points[last] - points[first])[:, :2].T
    down = (lifted[first] == lifted[last]) & (dy > 0.6 * unit) & (np.abs(dx) < MAX_SHEAR * dy)
    if not down.any():
        return
    shear, weight = -dx[down] / dy[down], np.minimum(dy[down], 3 * unit)
    order = np.argsort(shear)
    cumulated = np.cumsum(weight[order])
    metrics.slant = float(np.interp(0.5 * cumulated[-1], cumulated - 0.5 * weight[order], shear[order]))
    metrics.downs = float(weight.sum() / unit)
