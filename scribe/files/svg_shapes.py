"""The shapes of SVG as the way of a pen: paths with their curves, lines, circles; lengths and transforms.

    from scribe.files.svg_shapes import Viewport, outline
    for points, closed in outline("path", {"d": "M0 0L3 4"}, Viewport(100, 100))[0]:
        print(len(points))

svgelements knows the grammar of paths and transforms, the units of lengths and what an arc is. A path that is broken
somewhere is drawn as far as it can be read, as browsers do.
"""

import dataclasses
import math
import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from svgelements import Arc, Length, Matrix, Point
from svgelements.svgelements import SVGLexicalParser

from scribe.files.limits import MAX_POINTS
from scribe.files.xml_tree import NUMBER, read_numbers

CURVE_STEPS = 24  # straight pieces that stand for one curve of a drawing, unless there are very many
PIXELS_PER_INCH, FONT_SIZE = 96, 16  # of CSS
LENGTH = re.compile(rf"({NUMBER})(?:px|pt|pc|mm|cm|in|em|ex|vw|vh|vmin|vmax|%|)", re.IGNORECASE)
TRANSFORM = re.compile(r"(matrix|translate|scale|rotate|skew)([xy]?)\s*\(([^()]+)\)[\s,]*", re.IGNORECASE)
Part = tuple[NDArray, bool]


@dataclasses.dataclass(frozen=True)
class Viewport:
    """The sizes that percentages are shares of, in the unit of the drawing."""

    width: float
    height: float

    def length(self, text: str | None, axis: str = "", default: float = 0.0) -> float:
        """A length such as 3, 4mm or 50%; axis: "x", "y", or "" for one that is along neither.

        Raises:
            ValueError: it is no length.
        """
        if text is None or not text.strip():
            return default
        if not LENGTH.fullmatch(text.strip()):
            raise ValueError(f"{text.strip()[:40]!r} is not a length")
        size = {"x": self.width, "y": self.height, "": math.hypot(self.width, self.height) / math.sqrt(2)}[axis]
        value = Length(text.strip().lower()).value(
            ppi=PIXELS_PER_INCH, relative_length=size, font_size=FONT_SIZE, font_height=FONT_SIZE / 2,
            viewbox=f"0 0 {self.width} {self.height}",
        )  # fmt: skip
        return float(value)

    def matrix(self, transform: str, origin: str | None = None) -> NDArray:
        """The matrix [3, 3] of a transform, as an attribute or in CSS. Raises ValueError where it is not understood."""
        if transform.strip().lower() in ("", "none"):
            return np.eye(3)
        if TRANSFORM.sub("", transform).strip():
            raise ValueError(f"the transform {transform.strip()[:40]!r} is not understood")
        plain = []  # svgelements does without the sizes that lengths refer to
        for name, axis, arguments in TRANSFORM.findall(transform):
            if name.lower() == "translate":
                values = zip(re.split(r"[\s,]+", arguments.strip()), axis.lower() or "xy")
                arguments = " ".join(str(self.length(value, axis)) for value, axis in values)
            plain.append(f"{name}{axis}({arguments})")
        try:
            m = Matrix(" ".join(plain))
        except (ValueError, TypeError, IndexError, ArithmeticError):
            raise ValueError(f"the transform {transform.strip()[:40]!r} is not understood") from None
        matrix = np.array([[m.a, m.c, m.e], [m.b, m.d, m.f], [0.0, 0.0, 1.0]], float)
        if origin:
            words = [{"left": "0", "top": "0", "center": "50%"}.get(w, w) for w in origin.lower().split()]
            words = [{"right": "100%", "bottom": "100%"}.get(w, w) for w in words]
            there, back = np.eye(3), np.eye(3)
            there[:2, 2] = [self.length(w, axis) for w, axis in zip([*words, "50%"], "xy")]
            back[:2, 2] = -there[:2, 2]
            matrix = there @ matrix @ back
        return matrix


def outline(
    kind: str, attributes: Mapping[str, str], viewport: Viewport, curve_steps: int = CURVE_STEPS
) -> tuple[list[Part], bool]:
    """The way of a pen along a shape of SVG.

    Args:
        kind: "path", "line", "polyline", "polygon", "rect", "circle" or "ellipse". attributes: of the element.
        viewport: what its percentages refer to. curve_steps: straight pieces for each curve.

    Returns:
        (parts, whole): (points float64 [n, 2], whether it is closed) for each part; a closed one ends where it began.
        whole: False where something behind them could not be read.

    Raises:
        ValueError: nothing of it can be read, or it has too many points.
    """
    length = viewport.length
    if kind == "path":
        return path_parts(attributes.get("d", ""), curve_steps)
    if kind == "line":
        ends = [length(attributes.get(name), name[0]) for name in ("x1", "y1", "x2", "y2")]
        return [(np.array(ends).reshape(2, 2), False)], True
    if kind in ("polyline", "polygon"):
        text = attributes.get("points", "")
        readable = re.match(rf"(?:[\s,]*{NUMBER}(?![\w.]))*", text)[0]
        values = read_numbers(readable)
        points = np.array(values[: len(values) // 2 * 2], float).reshape(-1, 2)
        whole = not text[len(readable) :].strip(" \t\r\n,")
        if len(points) and kind == "polygon":
            points = np.concatenate([points, points[:1]])
        return ([(points, kind == "polygon")] if len(points) else []), whole
    if kind == "rect":
        x, y = length(attributes.get("x"), "x"), length(attributes.get("y"), "y")
        w, h = length(attributes.get("width"), "x"), length(attributes.get("height"), "y")
        corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]])
        return ([(corners, True)] if w > 0 and h > 0 else []), True
    x, y = length(attributes.get("cx"), "x"), length(attributes.get("cy"), "y")
    if kind == "circle":
        rx = ry = length(attributes.get("r"))
    else:
        rx, ry = length(attributes.get("rx"), "x"), length(attributes.get("ry"), "y")
    turn = np.linspace(0, 2 * np.pi, CURVE_STEPS + 1)
    ring = np.column_stack([x + rx * np.cos(turn), y + ry * np.sin(turn)])
    return ([(ring, True)] if rx > 0 and ry > 0 else []), True


def path_parts(data: str, curve_steps: int = CURVE_STEPS) -> tuple[list[Part], bool]:
    """(parts, whole) of the attribute d of a path, as `outline`."""
    pen, reader = _Pen(curve_steps), SVGLexicalParser()
    try:
        reader.parse(pen, data)
        whole = not data[reader.pos :].strip()
    except _TooManyPoints:
        raise ValueError(f"a path has more than {MAX_POINTS:,} points: that is no sample of a hand") from None
    except (ValueError, TypeError, ArithmeticError):
        whole = False
    pen.finish()
    if not pen.parts and not whole:
        rest = data[reader.pos :].strip()[:20]
        raise ValueError(f"the path {data.strip()[:30]!r} cannot be read" + (f", from {rest!r} on" if rest else ""))
    return pen.parts, whole


class _TooManyPoints(Exception):
    pass


class _Pen:
    """Draws what `SVGLexicalParser` reads; its methods are those that the reader calls, with places (x, y)."""

    def __init__(self, curve_steps):
        self.curve_steps = curve_steps
        self.parts = []
        self.points = []  # of the part that is being drawn, from its moveto on
        self.closed_before = False
        self.control = None  # the last control point, and "C" or "Q"
        self.count = 0

    @property
    def current_point(self):
        return Point(self.points[-1]) if self.points else None

    def start(self):
        pass

    def end(self):
        pass

    def finish(self, closed=False):
        """Ends a part; a moveto alone draws nothing."""
        if len(self.points) > 1:
            self.parts.append((np.array(self.points, float), closed))

    def _draw(self, points, control=None):
        if not self.points:
            raise ValueError("a path begins with a moveto")
        self.points += points
        self.control = control
        self.count += len(points)
        if self.count > MAX_POINTS:
            raise _TooManyPoints

    def move(self, place, relative):
        self.finish()
        self.points, self.control = [self._place(place)], None

    def closed(self, relative):
        if not self.points:
            raise ValueError("a path begins with a moveto")
        self.points.append(self.points[0])
        self.finish(closed=True)
        self.points, self.control = self.points[:1], None

    @staticmethod
    def _place(place):
        if isinstance(place, str) or place is None:  # "z" instead of a place, which browsers do not take
            raise ValueError("a place is missing")
        return float(place[0]), float(place[1])

    def line(self, place, relative):
        self._draw([self._place(place)])

    def horizontal(self, value, relative):
        x, y = self._last()
        self._draw([(float(value) + x * relative, y)])

    def vertical(self, value, relative):
        x, y = self._last()
        self._draw([(x, float(value) + y * relative)])

    def _last(self):
        if not self.points:
            raise ValueError("a path begins with a moveto")
        return self.points[-1]

    def _curve(self, kind, *places):
        controls = np.array([self._last(), *map(self._place, places)])
        t = (np.arange(1, self.curve_steps + 1) / self.curve_steps)[:, None]
        levels = list(controls)
        while len(levels) > 1:  # de Casteljau
            levels = [a + t * (b - a) for a, b in zip(levels, levels[1:])]
        self._draw([*map(tuple, levels[0].tolist())], (controls[-2], kind))

    def _mirrored(self, kind):
        """The control point before, mirrored at the pen, if it was of a curve of the same kind; else the pen itself."""
        here = np.array(self._last())
        return 2 * here - self.control[0] if self.control is not None and self.control[1] == kind else here

    def cubic(self, first, second, end, relative):
        self._curve("C", first, second, end)

    def quad(self, control, end, relative):
        self._curve("Q", control, end)

    def smooth_cubic(self, second, end, relative):
        self._curve("C", self._mirrored("C"), second, end)

    def smooth_quad(self, end, relative):
        self._curve("Q", self._mirrored("Q"), end)

    def arc(self, rx, ry, rotation, large, sweep, end, relative):
        here, end = self._last(), self._place(end)
        if not rx or not ry or here == end:
            self._draw([end])
            return
        if None in (rotation, large, sweep):
            raise ValueError("an arc has seven numbers")
        steps = max(2, self.curve_steps)
        with np.errstate(all="ignore"):  # what is not finite is left out with its shape
            points = Arc(here, abs(rx), abs(ry), rotation, large, sweep, end).npoint(np.arange(1, steps) / steps)
        self._draw([*map(tuple, np.asarray(points, float).tolist()), end])
