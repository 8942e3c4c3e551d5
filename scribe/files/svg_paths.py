"""Reads the pen strokes of an SVG drawing: the ink that a browser shows, without paper, frames and pictures.

    from scribe.files.svg_paths import drawn_strokes
    strokes, widths, left_out = drawn_strokes(read_tree(content))

What lies where is for `svg_shapes`, what CSS says for `svg_style`; here the tree is walked as a browser does, and it is
decided what is the way of a pen.
"""

import dataclasses
import re
from collections import Counter
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from svgelements import Viewbox

from scribe.files.limits import MAX_COORDINATE, MAX_DRAWN, Budget
from scribe.files.svg_shapes import CURVE_STEPS, Viewport, outline
from scribe.files.svg_style import INHERITED, Styles
from scribe.files.xml_tree import MAX_DEPTH, NUMBER, tag_name

SHAPES = {"path", "line", "polyline", "polygon", "rect", "circle", "ellipse"}
CONTAINERS = {"svg", "g", "a", "switch", "use", "symbol"}
PICTURES = {"text": "text", "image": "image", "foreignObject": "embedded page"}
# A ruled line is straight, level or upright, and goes through this share of the drawing; no stroke of a letter does.
RULE_LENGTH = 0.5
# A circle or a filled spot is a dot of the pen up to this share of the height of strokes, or this many pen widths.
DOT_HEIGHT, DOT_WIDTHS = 0.6, 3.0
MAX_CURVE_POINTS = 40_000


@dataclasses.dataclass
class _Shape:
    """A part of a shape as it is drawn: points [n, 2], and what it is painted with."""

    points: NDArray
    closed: bool
    kind: str
    pen: bool  # whether a line is drawn along it
    filled: bool
    width: float  # of that line


@dataclasses.dataclass
class _Place:
    """Where in the tree something stands: what it inherits."""

    matrix: NDArray
    paint: dict
    viewport: Viewport
    path: tuple = ()  # the elements that are being used


def drawn_strokes(root: ElementTree.Element) -> tuple[list[NDArray], list[float], Counter[str]]:
    """The pen strokes of an SVG, in the order of the document.

    Curves become short straight pieces; transforms, style sheets, units and uses of other elements are followed. A
    closed shape that is filled and has no line around it is an area, not the way of a pen; a small one is a dot.

    Returns:
        (strokes, widths, left out): [n, 2] arrays in the unit of the drawing; the width of the pen for each; how often
        each kind of thing was left out.

    Raises:
        ValueError: it is too large, or its shapes are the outlines of ink.
    """
    drawing = _Drawing(root)
    drawing.walk()
    if not drawing.shapes and drawing.reason:
        raise ValueError(drawing.reason)
    return _ink(drawing.shapes, drawing.left_out)


class _Drawing:
    def __init__(self, root):
        self.root = root
        self.styles = Styles(_without_prefixes(root))
        self.by_id: dict[str, ElementTree.Element] = {}
        for element in root.iter():
            if element.get("id"):
                self.by_id.setdefault(element.get("id"), element)
        letters = sum(len(d) for e in root.iter("path") if re.search("[CcSsQqTtAa]", d := e.get("d", "")))
        # About 30 characters are a curve.
        self.curve_steps = int(np.clip(MAX_CURVE_POINTS * 30 / max(letters, 1), 4, CURVE_STEPS))
        self.shapes: list[_Shape] = []
        self.left_out: Counter[str] = Counter()
        self.reason = ""  # why the first thing that was left out could not be read
        self.budget = Budget()

    def walk(self):
        place = _Place(np.eye(3), dict.fromkeys(INHERITED), Viewport(300.0, 150.0))
        waiting, count = [(self.root, place)], 0
        while waiting:  # the last one is next: children are added in reverse
            element, place = waiting.pop()
            count += 1
            if count > MAX_DRAWN:
                raise ValueError(f"it draws more than {MAX_DRAWN:,} elements: that is no sample of a hand")
            inner = self._enter(element, place)
            if inner is None:
                continue
            children = list(element)
            if element.tag == "switch":
                children = [child for child in children if not child.get("requiredExtensions")][:1]
            waiting += [(child, inner) for child in reversed(children)]
            if element.tag == "use":
                waiting += self._used(element, inner)

    def _used(self, element, place):
        """[(what a use element shows, its place)]; nothing if it is missing or contains the element itself."""
        reference = (element.get("href") or element.get("xlink:href") or "").strip()
        target = self.by_id.get(reference.removeprefix("#"))
        if target is None or target in place.path or len(place.path) > MAX_DEPTH:
            self.left_out["use of a missing element"] += 1
            return []
        if target.tag in ("symbol", "svg"):  # the sizes of the use element go before its own
            target = ElementTree.Element("svg", {**target.attrib, **_sizes(element)})
            target.extend(self.by_id[reference.removeprefix("#")])
        return [(target, dataclasses.replace(place, path=(*place.path, self.by_id[reference.removeprefix("#")])))]

    def _enter(self, element, place):
        """Draws an element; returns the _Place of its children, or None where they are not drawn."""
        kind = element.tag
        if kind in PICTURES:
            self.left_out[PICTURES[kind]] += 1
        if kind not in SHAPES and kind not in CONTAINERS or kind == "symbol":
            return None
        own = self.styles.of(element)
        if own.get("display") == "none" or not _opacity(own.get("opacity")):
            self.left_out["hidden element"] += 1
            return None
        inherited = {name: own[name] for name in INHERITED if own.get(name, "inherit") != "inherit"}
        place = dataclasses.replace(place, paint=place.paint | inherited, matrix=place.matrix @ self._moved(own, place))
        if kind in SHAPES:
            self._draw(element, place)
            return None
        if kind == "use":
            place.matrix = place.matrix @ _shift(*(self._length(element, name, place) for name in "xy"))
        return self._viewport(element, place) if kind == "svg" else place

    def _moved(self, own, place):
        try:
            return place.viewport.matrix(own.get("transform", ""), own.get("transform-origin"))
        except ValueError as error:
            self.left_out["transform that is not understood"] += 1
            self.reason = self.reason or str(error)
            return np.eye(3)

    def _length(self, element, name, place, default=0.0):
        try:
            return place.viewport.length(element.get(name), {"x": "x", "width": "x"}.get(name, "y"), default)
        except ValueError:
            return default

    def _viewport(self, element, place):
        """The place within an svg element: moved, and scaled so that its viewBox fills it."""
        outermost = element is self.root
        box = [float(number) for number in re.findall(NUMBER, element.get("viewBox") or "")]
        if len(box) != 4 or not min(box[2:]) > 0 or not np.isfinite(box).all():
            box = None
        given = {name: element.get(name) for name in ("width", "height")}
        if outermost and box:  # the window of a browser has any size: a share of it says nothing
            ratio = box[3] / box[2]
            sizes = [None if given[n] is None or "%" in given[n] else self._length(element, n, place) for n in given]
            width = sizes[0] or (sizes[1] / ratio if sizes[1] else box[2])
            height = sizes[1] or width * ratio
        else:
            width = self._length(element, "width", place, place.viewport.width)
            height = self._length(element, "height", place, place.viewport.height)
        corner = np.eye(3) if outermost else _shift(*(self._length(element, name, place) for name in "xy"))
        matrix, viewport = place.matrix @ corner, Viewport(width, height)
        if box and width > 0 and height > 0:
            aspect = element.get("preserveAspectRatio")
            transform = Viewbox.viewbox_transform(0.0, 0.0, width, height, *box, aspect and " ".join(aspect.split()))
            inner = viewport.matrix(transform)
            if outermost:  # lengths stay in the unit of the drawing, however large it is shown
                inner = np.diag([inner[0, 0] / inner[1, 1], 1.0, 1.0])
            matrix, viewport = matrix @ inner, Viewport(box[2], box[3])
        return dataclasses.replace(place, matrix=matrix, viewport=viewport)

    def _draw(self, element, place):
        """Adds the parts of a shape."""
        paint = place.paint
        if paint["visibility"] in ("hidden", "collapse"):
            self.left_out["hidden element"] += 1
            return
        try:
            parts, whole = outline(element.tag, element.attrib, place.viewport, self.curve_steps)
            width = place.viewport.length(paint["stroke-width"], default=1.0)
        except ValueError as error:
            if "no sample" in str(error):
                raise
            parts, whole, width = [], False, 1.0
            self.reason = self.reason or str(error)
        self.budget.spend(sum(len(points) for points, _ in parts), len(parts))
        if not whole:
            self.left_out["shape that cannot be read" if not parts else "broken end of a path"] += 1
        pen = paint["stroke"] not in (None, "none", "transparent") and width > 0 and _opacity(paint["stroke-opacity"])
        filled = paint["fill"] not in ("none", "transparent") and _opacity(paint["fill-opacity"])
        # Of a drawing that says nothing of lines, the style sheet is elsewhere, or was lost.
        bare = paint["stroke"] is None and paint["fill"] in (None, "none")
        scale = np.sqrt(abs(np.linalg.det(place.matrix[:2, :2])))
        for points, closed in parts:
            drawn = np.column_stack([points, np.ones(len(points))]) @ place.matrix[:2].T
            if not (np.isfinite(drawn).all() and np.abs(drawn).max() < MAX_COORDINATE):
                self.left_out["shape with numbers that are not finite or beyond 1e15"] += 1
                continue
            line = pen or bare and (not closed or paint["fill"] == "none")
            self.shapes.append(_Shape(drawn, closed, element.tag, bool(line), bool(filled), float(width * scale)))


def _ink(shapes, left_out):
    """(strokes, widths, left out) of all shapes: those that a pen has written."""
    left_out = Counter(left_out)
    lines = [shape for shape in shapes if shape.pen and shape.kind not in ("circle", "ellipse", "rect")]
    heights = [height for shape in lines if (height := np.ptp(shape.points[:, 1])) > 0]
    size = DOT_HEIGHT * float(np.median(heights)) if heights else np.inf
    whole = np.ptp(np.concatenate([shape.points for shape in shapes]), axis=0) if shapes else np.zeros(2)
    strokes, widths, areas = [], [], 0
    for shape in shapes:
        extent = np.ptp(shape.points, axis=0)
        small = shape.kind in ("circle", "ellipse") and extent.max() <= max(size, DOT_WIDTHS * shape.width)
        if (shape.pen or shape.filled) and small:
            strokes.append(shape.points[:-1].mean(axis=0)[None])
            widths.append(shape.width)
        elif shape.kind == "rect" or _is_frame(shape.points):
            left_out["rectangle"] += 1
        elif not shape.pen:
            areas += shape.filled
            left_out["closed shape" if shape.filled else "shape without a line"] += 1
        elif len(lines) > 2 and _is_rule(shape.points, whole):
            left_out["ruled line"] += 1
        else:
            strokes.append(shape.points if extent.any() else shape.points[:1])  # a dot
            widths.append(shape.width)
    if areas > len(strokes):
        raise ValueError(
            "its shapes are filled outlines of ink, not the way of the pen; export the strokes as lines "
            "(without pressure, as a plain pen), or as InkML"
        )
    return strokes, widths, left_out


def _is_frame(points):
    """Whether points [n, 2] are a rectangle that is level: no letter is."""
    low, high = points.min(axis=0), points.max(axis=0)
    if len(points) < 4 or not (high > low).all():
        return False
    tolerance = 1e-3 * (high - low).max()
    sides = np.abs(points[:, :, None] - np.stack([low, high], axis=1)) < tolerance  # [n, axis, low or high]
    corners = sides.any(axis=2).all(axis=1)
    steps = np.diff(points, axis=0)
    level = (np.abs(steps) < tolerance).any(axis=1)
    return bool(corners.all() and level.all() and sides[corners].any(axis=0).all() and len(points) <= 6)


def _is_rule(points, whole):
    """Whether a stroke is a level or upright straight line through much of a drawing of size `whole` [2], as paper is
    ruled with; the upright stroke of an l in a single line of writing is none."""
    extent = np.ptp(points, axis=0)
    axis = int(extent.argmax())
    through = extent[axis] > RULE_LENGTH * whole[axis] and 2 * extent[axis] > whole.max()
    return bool(through and extent[1 - axis] <= 1e-3 * extent[axis])


def _without_prefixes(root):
    """The tree with the prefix of its root, such as svg:, taken off all elements."""
    prefix = root.tag[: -len(tag_name(root))]
    if prefix:
        for element in root.iter():
            element.tag = element.tag.removeprefix(prefix)
    return root


def _sizes(element):
    return {name: element.attrib[name] for name in ("width", "height") if name in element.attrib}


def _shift(x, y):
    matrix = np.eye(3)
    matrix[:2, 2] = x, y
    return matrix


def _opacity(text):
    """0.0 where something is said to be invisible; else another number."""
    match = re.fullmatch(rf"\s*({NUMBER})\s*%?\s*", text or "1")
    return max(float(match[1]), 0.0) if match else 1.0
