"""Placed handwriting: pages, their lines, when the pen is where, and the geometry that all formats share. NumPy alone.

Everything is in millimetres from the upper left corner of the page, y growing downwards, as in SVG and InkML.
"""

import dataclasses
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.ink.strokes import hermite, stroke_slices
from scribe.pages.ruling import Rule

INK = "#10204d"
PEN_WIDTH_MM = 0.35
# Pace of real handwriting: seconds from point to point, and for a pen lift, which takes longer the farther it goes.
POINT_SECONDS = 0.0164
LIFT_SECONDS, LIFT_MM_PER_SECOND, MAX_LIFT_SECONDS, PAGE_TURN_SECONDS = 0.1, 20.0, 0.8, 1.0
SMOOTH_STEPS = 4  # pieces of a smooth curve for each step of the pen


@dataclasses.dataclass
class PlacedLine:
    """A line of handwriting at its place on a page.

    Attributes:
        points: [n, 3] in writing order, a unit of time apart: x mm, y mm, 1 where the pen lifts after the point, else
            0.
        text: what is written.
        index: int [n], the character of `text` that each point belongs to, -1 for none; None: not known.
        label: name of the line's layer; default the text.
        ink: a colour as matplotlib takes it. pen_width_mm: of the line that the pen draws.
        baseline_mm: y of the baseline; None: not known.
    """

    points: NDArray[np.floating]
    text: str = ""
    index: NDArray[np.integer] | None = None
    label: str = ""
    ink: str = INK
    pen_width_mm: float = PEN_WIDTH_MM
    baseline_mm: float | None = None

    def strokes(self) -> list[slice]:
        """Slices of the points, one for each time that the pen is down."""
        return stroke_slices(self.points)


@dataclasses.dataclass
class Page:
    """width_mm, height_mm, the PlacedLines in writing order, and the rules of the paper."""

    width_mm: float
    height_mm: float
    lines: list[PlacedLine]
    rules: list[Rule] = dataclasses.field(default_factory=list)


def check_pages(pages: list[Page]) -> None:
    """Raises ValueError, with what is wrong and where, for pages that cannot be written."""
    if not pages:
        raise ValueError("there is no page to write.")
    for p, page in enumerate(pages, 1):
        if not (0 < page.width_mm < np.inf and 0 < page.height_mm < np.inf):
            raise ValueError(f"page {p} is {page.width_mm} x {page.height_mm} mm: it cannot be written.")
        for k, line in enumerate(page.lines, 1):
            where = f"line {k} of page {p} ({line.text[:30]!r})"
            points = np.asarray(line.points)
            if points.ndim != 2 or points.shape[1] != 3 or not len(points):
                raise ValueError(f"{where} should have points [n, 3], but their shape is {points.shape}.")
            if not np.isfinite(points).all():
                raise ValueError(f"{where} has a pen point that is not a finite number.")
            if line.index is not None and np.shape(line.index) != (len(points),):
                raise ValueError(f"{where} has {len(points)} points but an index of shape {np.shape(line.index)}.")
            if not 0 < line.pen_width_mm < np.inf:
                raise ValueError(f"{where} has a pen of {line.pen_width_mm} mm: it has to be more than 0.")


def hex_colour(colour: Any) -> str:
    """A colour as matplotlib takes it ("#10204d", "navy", (0, 0, 0.5)) as #rrggbb. Raises ValueError."""
    if colour == "none":
        raise ValueError("the colour 'none' cannot be seen: leave it out instead.")
    if isinstance(colour, str) and re.fullmatch("#[0-9a-fA-F]{6}", colour):
        return colour.lower()
    from matplotlib.colors import to_hex

    try:
        return to_hex(colour)
    except ValueError:
        raise ValueError(
            f"the colour {colour!r} is not known: write it as #rrggbb, or by name, such as navy."
        ) from None


# ----------------------------------------------------------------------------------------------- time, shape, numbers


def schedule(pages: list[Page]) -> list[list[NDArray[np.float64]]]:
    """When the pen is where, at the pace of real handwriting.

    Returns:
        for each page, for each line: float [n], seconds since the pen first touched the first page, strictly
            increasing.
    """
    times, now, last = [], 0.0, None
    for page in pages:
        of_page = []
        for line in page.lines:
            xy, t = line.points[:, :2], np.empty(len(line.points))
            for stroke in line.strokes():
                if last is not None:
                    way = float(np.hypot(*(xy[stroke.start] - last)))
                    now += min(LIFT_SECONDS + way / LIFT_MM_PER_SECOND, MAX_LIFT_SECONDS)
                count = stroke.stop - stroke.start
                t[stroke] = now + POINT_SECONDS * np.arange(count)
                # A dot takes a moment too.
                now, last = now + POINT_SECONDS * max(count - 1, 2), xy[stroke.stop - 1]
            of_page.append(t)
        times.append(of_page)
        if last is not None:
            now, last = now + PAGE_TURN_SECONDS, None
    return times


def simplify(points, tolerance):
    """Leaves out points of a line while it stays within `tolerance` (Douglas and Peucker).

    Args:
        points: [n, 2]. tolerance: in their unit.

    Returns:
        [m, 2], some of the points, first and last among them.
    """
    n = len(points)
    if n < 3:
        return points
    keep = np.zeros(n, bool)
    keep[[0, -1]] = True
    parts = [(0, n - 1)]
    while parts:
        a, b = parts.pop()
        if b - a < 2:
            continue
        start, chord = points[a], points[b] - points[a]
        away = points[a + 1 : b] - start
        # Distance to the piece between the ends, not to the endless line: a loop comes back to where it began.
        along = np.clip(away @ chord / max(chord @ chord, 1e-18), 0.0, 1.0)
        distance = np.hypot(*(away - along[:, None] * chord).T)
        k = int(distance.argmax())
        if distance[k] > tolerance:
            keep[a + 1 + k] = True
            parts += [(a, a + 1 + k), (a + 1 + k, b)]
    return points[keep]


def smooth(points, steps=SMOOTH_STEPS):
    """Rounds the way from point to point as a hand does: a curve through all points, with the speed that they tell.

    Points are a unit of time apart, so the uniform Catmull-Rom curve has about the pen's own velocity at each of them:
    a sharp turn, where the pen is slow, stays sharp.

    Args:
        points: [n, 2]. steps: pieces of the curve for each step of the pen.

    Returns:
        [(n - 1) * steps + 1, 2], every `steps`-th of them a point of the input.
    """
    if len(points) < 2:
        return points
    velocity = np.gradient(points, axis=0, edge_order=2 if len(points) > 2 else 1)
    u = (np.arange(steps) / steps)[:, None]
    ends, velocities = (points[:-1, None], points[1:, None]), (velocity[:-1, None], velocity[1:, None])
    curve = hermite(u, ends, velocities)
    return np.concatenate([curve.reshape(-1, 2), points[-1:]])


def relative_widths(curve: NDArray[np.floating], widening: float, steps: int) -> NDArray[np.floating]:
    """The width of each piece of a stroke, about 1: ink flows on where the pen is slow.

    Args:
        curve: [n, 2], as `smooth` returns it.
        widening: share by which the pen draws wider at most where it is slow, or thinner where it is fast.
        steps: of `smooth`.

    Returns:
        [n - 1]; 1 everywhere for a stroke that is too short to have a speed.
    """
    speed = np.hypot(*np.diff(curve, axis=0).T)
    reach = 2 * steps  # hands do not change their speed at once
    if len(speed) < reach:
        return np.ones(len(speed))
    kernel = np.hanning(2 * reach + 3)[1:-1]
    smoothed = np.convolve(np.pad(speed, reach, mode="edge"), kernel / kernel.sum(), "valid")
    return 1 + widening * np.clip(1 - smoothed / max(float(np.median(smoothed)), 1e-9), -1.0, 1.0)


def number(value: float) -> str:
    """A number with three decimals at most, without trailing zeros."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def printable(text: Any) -> str:
    """Text without the control characters that XML cannot hold."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "", str(text)).replace("\n", " ")
