"""Lines of a hand one after the other, as a network sees them that goes on from a line of a person.

    joint = joint_of(strokes, text)
    offset = offset_between(joint, joint_of(*following), gap)

Only where a line begins and ends beside its own baseline is told of it, so that lines can be put together anywhere.
"""

import math
from typing import NamedTuple

from numpy.typing import NDArray

from scribe.ink.measure import measure_line
from scribe.ink.strokes import absolute_points

GAPS = (0.8, 1.6)  # x-heights between lines in a row, least and most
UNEVEN = 0.05  # x-heights: how far the second of two baselines is off, standard deviation


class Joint(NamedTuple):
    """Where a line begins and ends, in the units of its strokes.

    start: (x, y) of its first point from the left end of its baseline. end: (x, y) of the right end of its baseline
    from its last point. x_height: of the line.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    x_height: float


def joint_of(strokes: NDArray, text: str) -> Joint | None:
    """The `Joint` of a line, strokes [n, 3]; None if it has no letters that tell how high they are."""
    points = absolute_points(strokes)
    metrics = measure_line(points, text)
    if metrics.x_height is None or not math.isfinite(metrics.x_height):
        return None
    left, right = points[:, 0].min(), points[:, 0].max()
    start = points[0, :2] - [left, metrics.baseline_at(left)]
    end = [right, metrics.baseline_at(right)] - points[-1, :2]
    return Joint((float(start[0]), float(start[1])), (float(end[0]), float(end[1])), float(metrics.x_height))


def offset_between(line: Joint, following: Joint, gap: float, higher: float = 0.0) -> tuple[float, float]:
    """From the last point of a line to the first of one that goes on from it.

    Args:
        line, following: of the two lines. gap: between them, higher: of the baselines; in x-heights of the first.
    """
    x, y = (a + b for a, b in zip(line.end, following.start, strict=True))
    return x + gap * line.x_height, y + higher * line.x_height
