"""What is done with pen points everywhere: offsets, positions, strokes. NumPy alone.

A line of handwriting is an (n, 3) array of pen points: dx, dy (offset from the point before, y growing downwards) and 1
where the pen lifts after the point, else 0. Where x and y are positions instead of offsets, it is said.
"""

import numpy as np


def stroke_ends(points):
    """Where strokes end: indices one past the last point of each, as `np.split` takes them.

    Args:
        points: [n, 3] or more columns, the last one the pen lift.

    Returns:
        int [number of pen lifts], increasing; n itself is the last one where the pen lifts after the last point.
    """
    return np.flatnonzero(np.asarray(points)[:, -1] > 0.5) + 1


def split_strokes(points):
    """Cuts points where the pen lifts.

    Args:
        points: [n, C], the last column the pen lift.

    Returns:
        a list of [m, C] arrays, m > 0, one for each stroke; a last one may lack its pen lift.
    """
    return [part for part in np.split(points, stroke_ends(points)) if len(part)]


def absolute_points(offsets):
    """A line [n, 3] of offsets as one of positions in the same unit, float64."""
    points = offsets.astype(float)
    points[:, :2] = np.cumsum(points[:, :2], axis=0)
    return points


def raw_offsets(points, data_scale):
    """A line as the data file holds it.

    Args:
        points: [n, 3] or more columns: x, y (absolute, in units of data_scale) first, the pen lift last.
        data_scale: raw units in one unit.

    Returns:
        int16 [n, 3]: dx, dy in raw units, pen lift; the first point is at the origin. The offsets are differences of
        rounded positions, so that rounding errors do not add up.
    """
    places = np.round(points[:, :2] * data_scale)
    offsets = np.clip(np.diff(places, axis=0, prepend=places[:1]), -30000, 30000)
    return np.column_stack([offsets, points[:, -1]]).astype(np.int16)
