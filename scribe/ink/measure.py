"""Measures written lines: which character a point belongs to, baseline, x-height, slant. NumPy alone.

    from scribe.ink.measure import character_index, measure_line, straighten
    index = character_index(phis)
    metrics = measure_line(strokes, text, index)
    flat = straighten(strokes, metrics, slant=metrics.slant)

Strokes are what `sample()` returns: [n, 6] or [n, 3], x and y first (absolute, y grows downwards), the pen lift last (1
where the pen lifts after the point). Lengths are in the unit of the strokes, whichever it is: everything here is
measured in relation to the handwriting itself.
"""

import dataclasses

import numpy as np

# Where the ink of a character ends, above and below. What is in no class says nothing.
X_HEIGHT = frozenset("aceimnorsuvwxz")  # the dot of the i is a stroke of its own, so its stem counts
TALL = frozenset("bdfhklt" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "0123456789")
ON_BASELINE = frozenset("aceimnorsuvwxzbdhklt" + "ABCDEFGHIKLMNOPRSTUVWXYZ" + "012345689.:!?")
DESCENDING = frozenset("fgjpqyJQ,;()[]7")  # f and 7 only in some hands
FLOATING = frozenset("\"'*-+")

# The height of tall characters in x-heights, measured on real handwriting: capitals and digits, the latter smaller.
TALL_RATIO, DIGIT_RATIO = 2.1, 1.9
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
    baseline: np.ndarray

    def baseline_at(self, x):
        """y of the baseline at x; beyond the written line it goes on in the direction that it ends with."""
        u = (np.asarray(x, float) - self.centre) / self.half
        inside = np.clip(u, -1.0, 1.0)
        value = np.polynomial.legendre.legval(inside, self.baseline)
        if len(self.baseline) > 1:
            slope = np.polynomial.legendre.legval(inside, np.polynomial.legendre.legder(self.baseline))
            value = value + slope * (u - inside)
        return value


# ------------------------------------------------------------------------------------------------------- characters


def character_index(phis):
    """The character that every pen point belongs to, never going back.

    The most probable sequence of characters that only moves forward: a single point whose attention jumps elsewhere
    does not tear the rest of the line along, as a running maximum would.

    Args:
        phis: [n, U], the weight of every character at every point, not negative.

    Returns:
        int [n], 0 to U - 1, non-decreasing.

    Raises:
        ValueError: there are no characters, or a weight is not a finite number.
    """
    phis = np.asarray(phis, float)
    if phis.ndim != 2 or not phis.shape[1]:
        raise ValueError(f"phis should be [points, characters], but their shape is {phis.shape}.")
    if not np.isfinite(phis).all():
        raise ValueError("phis hold a weight that is not a finite number.")
    n, U = phis.shape
    best = phis.argmax(axis=1)
    if n == 0 or (np.diff(best) >= 0).all():  # the rule; and then it is the best sequence
        return best
    total = phis.sum(axis=1, keepdims=True)
    # A floor, so that no single point can forbid what all others say.
    score = np.log(phis / np.where(total > 0, total, 1.0) + 1e-3)
    came_from = np.zeros((n, U), int)
    running = score[0]
    for t in range(1, n):
        highest = np.maximum.accumulate(running)
        new_maximum = np.concatenate([[True], running[1:] > highest[:-1]])
        came_from[t] = np.maximum.accumulate(np.where(new_maximum, np.arange(U), 0))
        running = highest + score[t]
    index = np.zeros(n, int)
    index[-1] = int(running.argmax())
    for t in range(n - 1, 0, -1):
        index[t - 1] = came_from[t, index[t]]
    return index


def checked_strokes(strokes, what="a line"):
    """Strokes as float64 [n, 3]: x, y, pen lift (the last one 1). Raises ValueError where they cannot be placed."""
    strokes = np.asarray(strokes, float)
    if strokes.ndim != 2 or strokes.shape[1] < 3:
        raise ValueError(f"{what} should have strokes [n, 3] or [n, 6], but their shape is {strokes.shape}.")
    if not len(strokes):
        raise ValueError(f"{what} has no pen points.")
    points = strokes[:, [0, 1, -1]].copy()
    if not np.isfinite(points).all():
        raise ValueError(f"{what} has a pen point that is not a finite number.")
    points[:, 2] = points[:, 2] > 0.5
    points[-1, 2] = 1.0
    return points


# -------------------------------------------------------------------------------------------------------- measuring


def measure_line(strokes, text="", index=None):
    """Measures baseline, x-height and slant.

    Bottoms of letters crowd at the baseline, their tops at the x-height; descenders and ascenders are fewer and spread.
    So both are looked for as the densest band of turning points of the pen. The text and the index say which turning
    points
    count: those of a, c, e, ... for the x-height, capitals or digits (scaled) where there are no others.

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
    metrics.x_height, metrics.letters = _x_height(heights, characters[tops], text, spread)
    _measure_slant(metrics, points, tops, bottoms, spread)
    return metrics


def straighten(strokes, metrics, slant=0.0):
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
    start = 0
    y = points[:, 1]
    for end in np.flatnonzero(points[:, 2] > 0.5):
        low = high = start  # highest and lowest point on the sheet since the last turn
        direction = 0
        for i in range(start, end + 1):
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
        start = end + 1
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
    for bend in np.linspace(-1.2, 1.2, 7) * spread if half > 5 * spread else (0.0,):
        for slope in np.linspace(-MAX_SLOPE, MAX_SLOPE, 43):
            level = y - slope * half * u - bend * (1.5 * u * u - 0.5)
            levels = np.linspace(level.min(), level.max(), 48)
            density = (weights * np.exp(-0.5 * ((levels[:, None] - level) / band) ** 2)).sum(axis=1)
            k = int(density.argmax())
            score = density[k] - doubt * (slope**2 + (bend / half) ** 2) - 1e-6 * (abs(slope) + abs(bend) / half)
            if score > best[0]:
                best = (score, np.array([levels[k], slope * half, bend]))
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


def _mode(values, weights, width):
    """(centre of the densest band of values, weight in it). Width is relative: values are positive."""
    logs = np.log(values)
    grid = np.linspace(logs.min(), logs.max(), 80)
    density = (weights * np.exp(-0.5 * ((grid[:, None] - logs) / width) ** 2)).sum(axis=1)
    near = weights * np.exp(-0.5 * ((grid[density.argmax()] - logs) / width) ** 2)
    return float(np.exp((near * logs).sum() / near.sum())), float(near.sum())


def _x_height(heights, characters, text, spread):
    """(x-height or None, letters that it rests on) from the heights of tops above the baseline."""
    usable = heights > 0.2 * spread
    heights, characters = heights[usable], characters[usable]
    small = sum(c in X_HEIGHT or c in "bdfghkpqty" for c in text)
    big = sum(c.isupper() or c.isdigit() for c in text)
    # Without an index the tops of both are one heap, in which the more frequent ones are the densest band.
    has_small = not text or (small > 0 if any(characters) else small >= big and small > 0)
    if has_small and len(heights):
        weight = {"": 0.6, **dict.fromkeys(X_HEIGHT, 1.0), **dict.fromkeys("gpqybdhk", 0.4)}
        weights = np.array([weight.get(c, 0.05) for c in characters])
        height, letters = _mode(heights, weights, 0.18)
        if letters >= 0.5:
            return height, letters
    tall = np.array([c in TALL for c in characters], bool)
    if big and not any(characters):
        tall = np.ones(len(heights), bool)  # no index: what the text says has to do
    if tall.any():
        ratio = [DIGIT_RATIO if c.isdigit() else TALL_RATIO for c in characters[tall]]
        if not any(characters):
            ratio = DIGIT_RATIO if sum(map(str.isdigit, text)) * 2 > len(text.replace(" ", "")) else TALL_RATIO
        height, letters = _mode(heights[tall] / ratio, np.ones(tall.sum()), 0.18)
        return height, 0.7 * letters
    return None, 0.0


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
