"""The vocabulary of pen points: offsets, positions, strokes, lengths, curves. NumPy alone.

    from scribe.ink.strokes import absolute_points, split_strokes
    for stroke in split_strokes(absolute_points(offsets)):
        print(stroke_length(stroke))

A line of handwriting is an (n, 3) array of pen points: dx, dy (offset from the point before, y growing downwards) and 1
where the pen lifts after the point, else 0. Where x and y are positions instead of offsets, the docstring says so.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# --------------------------------------------------------------------------------------------- where the pen lifts


def stroke_ends(points: ArrayLike) -> NDArray:
    """Where strokes end: indices one past the last point of each, as `np.split` takes them.

    Args:
        points: [n, 3] or more columns, the last one the pen lift.

    Returns:
        int [number of pen lifts], increasing; n itself is the last one where the pen lifts after the last point.
    """
    return np.flatnonzero(np.asarray(points)[:, -1] > 0.5) + 1


def stroke_slices(points: ArrayLike) -> list[slice]:
    """The strokes of points [n, C] as slices of them, none empty; the last one may lack its pen lift."""
    bounds = [0, *stroke_ends(points).tolist(), len(np.asarray(points))]
    return [slice(start, stop) for start, stop in zip(bounds, bounds[1:]) if stop > start]


def split_strokes(points: NDArray) -> list[NDArray]:
    """Cuts points where the pen lifts.

    Args:
        points: [n, C], the last column the pen lift.

    Returns:
        a list of [m, C] arrays, m > 0, one for each stroke; a last one may lack its pen lift.
    """
    return [part for part in np.split(points, stroke_ends(points)) if len(part)]


def join_strokes(strokes: list[NDArray]) -> NDArray:
    """Strokes, each [m, 2] positions, as points [n, 3]: x, y, and 1 on the last point of every stroke."""
    points = np.concatenate([np.column_stack([stroke, np.zeros(len(stroke))]) for stroke in strokes])
    points[np.cumsum([len(stroke) for stroke in strokes]) - 1, 2] = 1.0
    return points


def checked_strokes(strokes: ArrayLike, what: str = "a line") -> NDArray:
    """Checks the strokes of a line.

    Args:
        strokes: [n, 3] or [n, 6]: x, y (positions), ..., pen lift. what: name of the line, for the message.

    Returns:
        float64 [n, 3]: x, y, pen lift (the last one 1); a copy.

    Raises:
        ValueError: another shape, no point, or a number that is not finite.
    """
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


# --------------------------------------------------------------------------------------------- offsets and positions


def absolute_points(offsets: NDArray) -> NDArray:
    """A line [n, 3] of offsets as one of positions in the same unit, float64."""
    points = offsets.astype(float)
    points[:, :2] = np.cumsum(points[:, :2], axis=0)
    return points


def as_offsets(points: NDArray) -> NDArray[np.float32]:
    """The other way: of positions [n, 3] or more columns, x and y first and the pen lift last, offsets [n, 3], of
    which the first is 0."""
    return np.column_stack([np.diff(points[:, :2], axis=0, prepend=points[:1, :2]), points[:, -1]]).astype(np.float32)


def raw_offsets(points: NDArray, data_scale: float) -> NDArray:
    """A line as the data file holds it.

    Args:
        points: [n, 3] or more columns: x, y (positions, in units of data_scale) first, the pen lift last.
        data_scale: raw units in one unit.

    Returns:
        int16 [n, 3]: dx, dy in raw units, pen lift; the first point is at the origin. The offsets are differences of
        rounded positions, so that rounding errors do not add up.
    """
    places = np.round(points[:, :2] * data_scale)
    offsets = np.clip(np.diff(places, axis=0, prepend=places[:1]), -30000, 30000)
    return np.column_stack([offsets, points[:, -1]]).astype(np.int16)


def transformed(line: NDArray, width: float = 1.0, height: float = 1.0, slant: float = 0.0) -> NDArray:
    """A line in another size and slant.

    Args:
        line: [n, 3] or more columns, x and y first; offsets or positions.
        width, height: factors of x and y. slant: how many units further to the right for each unit upwards.

    Returns:
        an array of the same shape; x and y in the precision of the line and the factors together.
    """
    x, y = line[:, 0], line[:, 1]
    return np.column_stack([width * x - slant * y, height * y, line[:, 2:]])  # y grows downwards


# ------------------------------------------------------------------------------------------------ lengths and curves


def stroke_length(stroke: NDArray) -> float:
    """The length of the way through positions [m, 2], in their unit."""
    return np.hypot(*np.diff(stroke, axis=0).T).sum()


def ink_lengths(points: NDArray) -> NDArray:
    """The length that the pen draws on its way to each point; 0 where it is lifted.

    Args:
        points: [n, 3] or more columns: x, y (positions) first, the pen lift last.

    Returns:
        [n], in the unit of the points.
    """
    lengths = np.zeros(len(points))
    lengths[1:] = np.hypot(*np.diff(points[:, :2], axis=0).T) * (points[:-1, -1] < 0.5)
    return lengths


def hermite(u: NDArray, ends: tuple, velocities: tuple, duration: NDArray | float = 1.0) -> NDArray:
    """Places on cubic curves (cubic Hermite splines), each between two places at which the velocity is known.

    Args:
        u: share of the time between the two, 0 to 1. ends: (places at u = 0, places at u = 1).
        velocities: there, per unit of time. duration: time between the two. All of shapes that broadcast.
    """
    (start, end), (first, last) = ends, velocities
    return (
        (1 + 2 * u) * (1 - u) ** 2 * start
        + u * (1 - u) ** 2 * duration * first
        + u**2 * (3 - 2 * u) * end
        + u**2 * (u - 1) * duration * last
    )
