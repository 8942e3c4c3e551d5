"""Reads the pen strokes of an SVG drawing.

    from scribe.files.svg_paths import drawn_strokes
    strokes = drawn_strokes(read_tree("me.svg"))

Curves become short straight pieces, transforms are applied; lengths are in the unit of the drawing. NumPy alone.
"""

import math
import re
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from scribe.files.xml_tree import NUMBER, attribute, read_numbers, tag_name

MAX_DRAWING_POINTS = 500_000
CURVE_STEPS = 24  # straight pieces that stand for one curve of a drawing
NOT_DRAWN = {"defs", "symbol", "clipPath", "mask", "pattern", "marker", "metadata", "style", "title", "desc", "text"}


def drawn_strokes(root: ElementTree.Element) -> list[NDArray]:
    """The pen strokes of an SVG, in the order of the document: [n, 2] arrays.

    Paths, lines, polylines and polygons count; circles, texts and pictures do not. A closed shape that is filled and
    has no stroke is an area, not the way of a pen.
    """
    strokes, areas, total = [], 0, 0
    # Elements, with the transform and paint of what they lie in. The last one is next: children are added in reverse.
    waiting = [(root, np.eye(3), {"stroke": None, "fill": None})]
    while waiting:
        element, matrix, paint = waiting.pop()
        kind = tag_name(element)
        own = _style(element)
        if kind in NOT_DRAWN or own.get("display") == "none" or own.get("visibility") == "hidden":
            continue
        matrix = matrix @ _transform(attribute(element, "transform") or "")
        paint = {name: own.get(name, before) for name, before in paint.items()}
        shape = _shape(kind, element)
        for points, closed in shape:
            total += len(points)
            if total > MAX_DRAWING_POINTS:
                raise ValueError(f"it has more than {MAX_DRAWING_POINTS:,} points: that is no sample of a hand")
            points = np.column_stack([points, np.ones(len(points))]) @ matrix[:2].T
            if closed and paint["stroke"] in (None, "none") and paint["fill"] != "none":
                areas += 1
            else:
                strokes.append(points)
        waiting += [(child, matrix, paint) for child in reversed(element)]
    if areas > len(strokes):
        raise ValueError(
            "its shapes are filled outlines of ink, not the way of the pen; export the strokes as lines "
            "(without pressure, as a plain pen), or as InkML"
        )
    return strokes


def _style(element):
    """What an element itself says of its look: its attributes, and its style before them."""
    own = {name: value.strip() for name in ("stroke", "fill", "display", "visibility") if (value := element.get(name))}
    for part in (element.get("style") or "").split(";"):
        name, _, value = part.partition(":")
        own[name.strip()] = value.strip()
    return own


def _transform(text):
    """The matrix [3, 3] of a transform attribute."""
    total = np.eye(3)
    rest = re.sub(r"(\w+)\s*\(([^()]*)\)", "", text).strip(" \t\r\n,")
    if rest:
        raise ValueError(f"the transform {text.strip()[:40]!r} is not understood")
    for name, arguments in re.findall(r"(\w+)\s*\(([^()]*)\)", text):
        v = read_numbers(arguments)
        one = np.eye(3)
        turn = math.radians(v[0]) if v else 0.0
        if name == "matrix" and len(v) == 6:
            one[:2] = np.array(v).reshape(3, 2).T
        elif name == "translate" and len(v) in (1, 2):
            one[:2, 2] = [v[0], v[1] if len(v) > 1 else 0.0]
        elif name == "scale" and len(v) in (1, 2):
            one[0, 0], one[1, 1] = v[0], v[-1]
        elif name == "rotate" and len(v) in (1, 3):
            one[:2, :2] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
            if len(v) == 3:
                one[:2, 2] = np.array(v[1:]) - one[:2, :2] @ v[1:]
        elif name == "skewX" and len(v) == 1:
            one[0, 1] = math.tan(turn)
        elif name == "skewY" and len(v) == 1:
            one[1, 0] = math.tan(turn)
        else:
            raise ValueError(f"the transform {text.strip()[:40]!r} is not understood")
        total = total @ one
    return total


def _shape(kind, element):
    """(points [n, 2], whether it is closed) for each stroke of an element; none where it is no line."""
    if kind == "path":
        return path_strokes(element.get("d") or "")
    if kind == "line":
        ends = [read_numbers(element.get(name) or "0") for name in ("x1", "y1", "x2", "y2")]
        if any(len(end) != 1 for end in ends):
            raise ValueError("a line has an end that is not a number")
        return [(np.array(ends, float).reshape(2, 2), False)]
    if kind in ("polyline", "polygon"):
        values = read_numbers(element.get("points") or "")
        points = np.array(values[: len(values) // 2 * 2], float).reshape(-1, 2)
        if len(points) and kind == "polygon":
            points = np.concatenate([points, points[:1]])
        return [(points, kind == "polygon")] if len(points) else []
    return []


# How many numbers a command of a path takes.
ARGUMENT_COUNTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}


def path_strokes(data: str) -> list[tuple[NDArray, bool]]:
    """The strokes of the attribute d of an SVG path: [(points [n, 2], closed)]; curves as short straight pieces."""
    strokes: list[tuple[NDArray, bool]] = []
    points: list[NDArray] = []  # of the stroke that is being drawn
    closed = False
    here = start = np.zeros(2)
    bend = None  # the last control point, and whether it was of a C or a Q
    for command, v in _path_commands(data):
        kind, base = command.upper(), here if command.islower() else np.zeros(2)
        if kind == "M":
            if points:
                strokes.append((np.array(points), closed))
            here = start = base + v
            points, closed = [here], False
        elif kind == "Z":
            if points:
                points.append(start)
            here, closed = start, True
        else:
            if closed or not points:  # what goes on after a Z begins where the closed part began
                if points:
                    strokes.append((np.array(points), closed))
                points, closed = [here], False
            if kind in "LHVT":
                end = {"L": base + v[:2], "T": base + v[:2], "H": np.array([base[0] + v[0], here[1]]), "V": here}[kind]
                end = np.array([here[0], base[1] + v[0]]) if kind == "V" else end
            else:
                end = base + v[-2:]
            mirrored = 2 * here - bend[0] if bend is not None and bend[1] == {"S": "C", "T": "Q"}.get(kind) else here
            if kind in "LHV":
                points.append(end)
                bend = None
            elif kind == "A":
                points += _arc(here, end, v)
                bend = None
            else:
                # The control points between both ends.
                between = {"C": v[:4], "S": v[:2], "Q": v[:2], "T": ()}[kind]
                between = [base + pair for pair in np.reshape(between, [-1, 2])]
                between = [mirrored, *between] if kind in "ST" else between
                points += list(_bezier([here, *between, end]))
                bend = between[-1], "Q" if kind in "QT" else "C"
            here = end
        if kind in "MZ":
            bend = None
        if len(points) > MAX_DRAWING_POINTS:
            raise ValueError(f"a path has more than {MAX_DRAWING_POINTS:,} points: that is no sample of a hand")
    if points:
        strokes.append((np.array(points), closed))
    return strokes


def _path_commands(data):
    """The commands of a path, each with its numbers; further numbers repeat the command, those of M as L."""
    place, command = 0, None
    gap, number, flag = re.compile(r"[\s,]*"), re.compile(NUMBER), re.compile("[01]")
    place = gap.match(data, place).end()
    while place < len(data):
        if data[place].isalpha():
            command = data[place]
            place += 1
            if command.upper() not in ARGUMENT_COUNTS:
                raise ValueError(f"a path has the command {command!r}, which SVG does not know")
        elif command is None or command in "Zz":
            raise ValueError(f"a path has {data[place : place + 20]!r} where a command should stand")
        values = []
        for k in range(ARGUMENT_COUNTS[command.upper()]):
            place = gap.match(data, place).end()
            # The two flags of an arc need no space around them.
            match = (flag if command in "Aa" and k in (3, 4) else number).match(data, place)
            if not match:
                raise ValueError(f"a path has {data[place : place + 20]!r} where a number of {command!r} should stand")
            values.append(float(match[0]))
            place = match.end()
        yield command, np.array(values)
        command = {"M": "L", "m": "l"}.get(command, command)
        place = gap.match(data, place).end()


def _bezier(controls):
    """Points of a quadratic or cubic curve after its first, [CURVE_STEPS, 2]."""
    t = (np.arange(1, CURVE_STEPS + 1) / CURVE_STEPS)[:, None]
    levels = [np.asarray(control, float) for control in controls]
    while len(levels) > 1:  # de Casteljau
        levels = [a + t * (b - a) for a, b in zip(levels, levels[1:])]
    return levels[0]


def _arc(start, end, values):
    """Points of an elliptical arc after its start, as the implementation notes of SVG have it (appendix B.2)."""
    rx, ry = np.abs(values[:2])
    if not rx or not ry or np.array_equal(start, end):
        return [end]
    turn = math.radians(values[2] % 360)
    axes = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])  # to those of the ellipse
    x, y = axes @ (start - end) / 2
    too_small = (x / rx) ** 2 + (y / ry) ** 2
    if too_small > 1:  # then it is scaled up until it reaches both ends
        rx, ry = rx * math.sqrt(too_small), ry * math.sqrt(too_small)
    missing = max(0.0, 1 - (x / rx) ** 2 - (y / ry) ** 2) / ((x / rx) ** 2 + (y / ry) ** 2)
    sign = -1 if bool(values[3]) == bool(values[4]) else 1
    centre = sign * math.sqrt(missing) * np.array([rx * y / ry, -ry * x / rx])
    first = math.atan2((y - centre[1]) / ry, (x - centre[0]) / rx)
    last = math.atan2((-y - centre[1]) / ry, (-x - centre[0]) / rx)
    sweep = (last - first) % (2 * math.pi) if values[4] else -((first - last) % (2 * math.pi))
    angles = first + sweep * np.arange(1, CURVE_STEPS + 1) / CURVE_STEPS
    ellipse = np.column_stack([rx * np.cos(angles), ry * np.sin(angles)]) + centre
    return [*((ellipse @ axes + (start + end) / 2)[:-1]), end]
