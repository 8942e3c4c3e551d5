"""Reads handwriting out of files: InkML, SVG, IAM-OnDB XML, and what Scribe itself writes (pickle, json). NumPy alone.

    from scribe.files.recordings import read_ink
    for piece in read_ink("me.inkml"):
        print(piece.text, len(piece.strokes))

What kind of file it is, is told by what is in it, not by its name. Nothing in a file can run, reach outside of it or
grow without bound: XML that declares entities is refused, and so is a pickle that asks for more than numbers and texts.

Strokes come as they stand in the file: x to the right, y downwards, in whatever unit it has.
"""

import dataclasses
import json
import math
import os
import re
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from scribe.files.iam import LineError, read_lines, read_strokes
from scribe.files.safe_pickle import UnsafePickleError
from scribe.files.stroke_file import load_strokes

LARGEST_FILE = 256 * 2**20  # bytes: all of IAM-OnDB as a pickle has 42 million
DEEPEST = 200  # elements within each other
MOST_POINTS = 500_000  # of a drawing
CURVE_STEPS = 24  # straight pieces that stand for one curve of a drawing

LENGTHS = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "in": 25.4, "pt": 25.4 / 72, "pc": 25.4 / 6}  # in mm


@dataclasses.dataclass
class Piece:
    """What a file holds as one: a line of a data file, a group of an InkML file, a whole drawing.

    Attributes:
        strokes: float64 [n, 2] arrays in writing order, n > 0: x, y, y growing downwards.
        text: what they say; None where the file does not tell.
    """

    strokes: list
    text: str | None = None


def read_ink(path):
    """All handwriting of a file, in writing order.

    Args:
        path: of InkML, SVG, XML of IAM-OnDB, json of `sample.py --format json`, or a pickle of [strokes, asciis].

    Returns:
        a list of Pieces; at least one, each with at least one stroke.

    Raises:
        ValueError: it is none of these, it is broken, or there is no handwriting in it; one line that names the file.
        OSError: it cannot be read.
    """
    if os.path.getsize(path) > LARGEST_FILE:
        raise ValueError(f"{path} has more than {LARGEST_FILE // 2**20} MiB: that is no sample of a hand.")
    with open(path, "rb") as file:
        start = file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told below
            pieces = _read_as(start, path)
    except UnsafePickleError:
        raise
    except RecursionError:
        raise ValueError(f"{path} cannot be read: it is nested too deep.") from None
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise ValueError(reason + "." if str(path) in reason else f"{path} cannot be read: {reason}.") from None
    pieces = [Piece([stroke for stroke in p.strokes if len(stroke)], (p.text or "").strip() or None) for p in pieces]
    pieces = [piece for piece in pieces if piece.strokes]
    if not pieces:
        raise ValueError(f"{path} has no pen strokes.")
    for piece in pieces:
        # Squares of what is larger or smaller than this leave the numbers that a computer has.
        if not all(np.isfinite(stroke).all() and np.abs(stroke).max() < 1e15 for stroke in piece.strokes):
            raise ValueError(f"{path} cannot be read: a pen point is not a finite number, or beyond 1e15.")
    return pieces


def _read_as(start, path):
    """The Pieces of a file that begins with these bytes."""
    if start[:1] == b"<" or start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _read_xml(path)
    if start[:1] in (b"{", b"["):
        return _read_json(path)
    if start[:1] in (b"\x80", b"(", b"]"):
        return [Piece(_strokes_of(line), text) for line, text in zip(*load_strokes(path), strict=True)]
    raise ValueError("it is neither InkML, SVG, XML of IAM-OnDB, json of Scribe nor a pickle of strokes")


def _strokes_of(points):
    """Offsets [n, 3] as strokes [m, 2] of absolute points."""
    points = np.asarray(points, float)
    if not np.isfinite(points).all():
        raise ValueError("a pen point is not a finite number")
    places = np.cumsum(points[:, :2], axis=0)
    return [part for part in np.split(places, np.flatnonzero(points[:, 2] > 0.5) + 1) if len(part)]


# ------------------------------------------------------------------------------------------------------------- json


def _read_json(path):
    """The format of `formats._json`: a line of a page is a piece."""
    with open(path, encoding="utf-8-sig") as file:
        content = json.load(file)
    if not isinstance(content, dict) or content.get("format") != "scribe-handwriting":
        raise ValueError('it is json, but not of Scribe: it should say "format": "scribe-handwriting"')
    down = {"down": 1.0, "up": -1.0}.get(str(content.get("y_axis", "down")))
    if down is None:
        raise ValueError('"y_axis" should be "down" or "up"')
    try:
        columns = content["columns"]
        x, y, lift = (columns.index(name) for name in ("x", "y", "pen_lift"))
        pieces = []
        for page in content["pages"]:
            for line in page["lines"]:
                rows = [[float(row[x]), float(row[y]) * down, float(row[lift])] for row in line["points"]]
                points = np.array(rows, float).reshape(-1, 3)
                ends = np.flatnonzero(points[:, 2] > 0.5) + 1
                text = line.get("text")
                pieces.append(Piece(np.split(points[:, :2], ends), text if isinstance(text, str) else None))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError):
        raise ValueError(
            "it should hold pages of lines of points with the columns x, y and pen_lift, as --format json writes them"
        ) from None
    return pieces


# -------------------------------------------------------------------------------------------------------------- xml


def _read_xml(path):
    root = _tree(path)
    kind = _name(root)
    if kind == "ink":
        return _InkML(root).pieces()
    if kind == "svg":
        return [Piece(_drawn_strokes(root))]
    if kind == "WhiteboardCaptureSession":
        try:
            return [Piece([np.array(stroke, float) for stroke in read_strokes(path)], _text_beside(path))]
        except OverflowError:
            raise ValueError("a number is too large") from None
    raise ValueError(f"it is XML, but its first element is {kind[:40]!r}: it should be ink, svg or that of IAM-OnDB")


def _tree(path):
    """The elements of an XML file. Raises LineError where it is broken or declares entities."""
    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate()
    depth = 0

    def start(name, attributes):
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise LineError("broken XML", f"more than {DEEPEST} elements within each other")
        builder.start(name, attributes)

    def end(name):
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_):
        raise LineError("XML with entities", "a DOCTYPE that declares entities is refused: export plain SVG or InkML")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = builder.data, refuse
    try:
        with open(path, "rb") as file:
            parser.Parse(file.read(), True)  # at once: expat before 2.6 begins a long token anew with every part
    except LineError:
        raise
    except (expat.ExpatError, UnicodeError, LookupError, ValueError) as error:
        raise LineError("broken XML", str(error)) from None
    return builder.close()


def _name(element):
    """The name of an element without its namespace."""
    return element.tag.rpartition(":")[2]


def _attribute(element, name):
    """An attribute by its name, with or without a namespace; None where it is missing."""
    return next((value for key, value in element.attrib.items() if key.rpartition(":")[2] == name), None)


def _text_beside(path):
    """The text of a line of IAM-OnDB, where the folder ascii/ of the database lies beside lineStrokes/; else None."""
    folder, name = os.path.split(os.path.abspath(path))
    match = re.fullmatch(r"(.+)-(\d{1,4})\.xml", name)
    above, strokes, below = folder.rpartition(os.sep + "lineStrokes" + os.sep)
    if not match or not strokes:
        return None
    try:
        lines = read_lines(os.path.join(above, "ascii", below, match[1] + ".txt"))
    except OSError:
        return None
    return lines[int(match[2]) - 1] if 1 <= int(match[2]) <= len(lines) else None


# ------------------------------------------------------------------------------------------------------------ InkML


class _InkML:
    """W3C InkML 1.0: traces in the channels of their context, with its transform, in groups that may have a text."""

    TEXTS = ("truth", "text", "transcription", "transcript", "groundtruth", "label")
    VALUE = re.compile(r"([!'\"]?)\s*([*?TF]|#[0-9A-Fa-f]+|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(\S)")

    def __init__(self, root):
        self.root = root
        self.by_id = {}
        for element in root.iter():
            name = _attribute(element, "id")
            if name:
                self.by_id.setdefault(name, element)
        # What holds where no context is named: the last one before, or the only one that there is. Many programs write
        # a format without any context.
        contexts = [element for element in root.iter() if _name(element) == "context"]
        self.current = contexts[0] if len(contexts) == 1 else None
        formats = [e for e in (root if contexts else root.iter()) if _name(e) == "traceFormat"]
        self.format = formats[0] if formats else None
        self.forms = {}  # by the name of the context
        self.named = {}  # the stroke of every trace that has a name, for those that continue it

    def pieces(self):
        return [
            Piece([np.concatenate(parts) for parts in piece.strokes if parts], piece.text)
            for piece in self._collect(self.root, None)
        ]

    def _collect(self, element, context):
        """The Pieces of an element: of its groups, and of the traces that lie between them; strokes are lists of
        arrays."""
        context = _attribute(element, "contextRef") or context
        pieces, loose = [], None
        for child in element:
            kind = _name(child)
            if kind == "context":
                self.current = child
            elif kind == "traceGroup":
                pieces += self._collect(child, context)
                loose = None
            elif kind == "trace":
                if loose is None:
                    loose = Piece([])
                    pieces.append(loose)
                self._add_trace(child, _attribute(child, "contextRef") or context, loose)
        text = self._text(element)
        # A text of the whole goes before those of parts, which may be characters; unless it says the same.
        if text and text.split() != " ".join(piece.text or "" for piece in pieces).split():
            return [Piece([stroke for piece in pieces for stroke in piece.strokes], text)]
        return pieces

    def _text(self, element):
        """What an annotation of the element itself says is written there, or None."""
        for child in element:
            if _name(child) == "annotation" and (_attribute(child, "type") or "").lower() in self.TEXTS:
                return " ".join("".join(child.itertext()).split())
        return None

    def _add_trace(self, trace, context, piece):
        if _attribute(trace, "type") == "penUp":
            return
        channels, regular, matrix = self._form(context)
        rows = self._rows("".join(trace.itertext()), len(channels), regular)
        source = rows[:, [channels.index("X"), channels.index("Y")]]
        source = source[~np.isnan(source).any(axis=1)]  # "?": the device did not tell
        points = source @ matrix[:, :2].T + matrix[:, 2]
        stroke = None
        if _attribute(trace, "continuation") in ("middle", "end"):
            stroke = self.named.get((_attribute(trace, "priorRef") or "").lstrip("#"))
        if stroke is None:
            stroke = []
            piece.strokes.append(stroke)
        if len(points):
            stroke.append(points)
        self.named[_attribute(trace, "id")] = stroke

    def _rows(self, text, count, regular):
        """The values of a trace, float64 [n, count]; NaN where one is missing.

        A value is explicit (!), a difference to the one before (') or a difference of differences ("), as the last sign
        before it in its channel says.
        """
        signs, values, steps = ["!"] * count, [math.nan] * count, [0.0] * count
        rows = []
        for part in text.split(","):
            tokens = self.VALUE.findall(part)
            if not tokens:
                continue
            if not regular <= len(tokens) <= count or any(strange for _, _, strange in tokens):
                raise ValueError(f"a trace has the point {part.strip()[:40]!r}, but its format has {regular} channels")
            row = [math.nan] * count
            for k, (sign, word, _) in enumerate(tokens):
                signs[k] = sign or signs[k]
                if word == "?":
                    continue
                if word != "*":
                    value = {"T": 1.0, "F": 0.0}.get(word)
                    if value is None:
                        value = float(int(word[1:], 16)) if word[0] == "#" else float(word)
                    if signs[k] == "!":
                        value, before = value, values[k]
                        steps[k] = 0.0 if math.isnan(before) else value - before
                        values[k] = value
                    else:
                        steps[k] = value if signs[k] == "'" else steps[k] + value
                        values[k] += steps[k]
                row[k] = values[k]
            rows.append(row)
        return np.array(rows, float).reshape(-1, count)

    # ---- what the numbers mean

    def _form(self, name):
        """(channels, how many of them every point has, matrix [2, 3] from X Y to x y) of a context, by its name."""
        element = self._named(name, "context") if name else self.current
        key = id(element)
        if key not in self.forms:
            self.forms[key] = self._found_form(element)
        return self.forms[key]

    def _named(self, reference, kind):
        element = self.by_id.get(reference.lstrip("#"))
        if element is None or _name(element) != kind:
            raise ValueError(f"it names the {kind} {reference[:40]!r}, which is not in it")
        return element

    def _part(self, element, kind):
        """The child of an element of this kind, or what it refers to, or that of the context which it goes by."""
        for _ in range(DEEPEST):
            if element is None:
                return None
            for child in element:
                if _name(child) == kind:
                    return child
            reference = _attribute(element, kind + "Ref")
            if reference:
                return self._named(reference, kind)
            reference = _attribute(element, "contextRef")
            element = self._named(reference, "context") if reference else None
        raise ValueError("its contexts refer to each other in a circle")

    def _found_form(self, context):
        source = self._part(context, "inkSource")
        form = self._part(context, "traceFormat")
        if form is None:
            form = self._part(source, "traceFormat")
        if form is None:
            form = self.format
        channels = [] if form is None else [e for e in form.iter() if _name(e) == "channel"]
        inner = [] if form is None else [e for e in form.iter() if _name(e) == "intermittentChannels"]
        seldom = {id(channel) for element in inner for channel in element.iter()}
        channels.sort(key=lambda channel: id(channel) in seldom)  # those that may be missing stand at the end
        names = [_attribute(channel, "name") or "" for channel in channels] or ["X", "Y"]
        if "X" not in names or "Y" not in names:
            raise ValueError(f"its format has the channels {' '.join(names)[:60]}, but it takes X and Y to draw")
        matrix = np.eye(2, 3)
        if channels:
            pair = [channels[names.index(name)] for name in "XY"]
            # "-ve": the numbers of X grow to the left, those of Y upwards.
            signs = [-1.0 if _attribute(channel, "orientation") == "-ve" else 1.0 for channel in pair]
            matrix[:, :2] = np.diag(np.multiply(self._sizes(pair, source), signs))
        transform = self._part(context, "canvasTransform")
        if transform is not None:
            outer = self._affine(transform)
            matrix = np.column_stack([outer[:, :2] @ matrix[:, :2], outer[:, 2]])
        return names, len(names) - sum(id(channel) in seldom for channel in channels), matrix

    @staticmethod
    def _sizes(pair, source):
        """How long a unit of X and one of Y is; 1 and 1 where that is not told of both."""
        units = [LENGTHS.get(_attribute(channel, "units")) for channel in pair]
        if None not in units:
            return units
        resolutions = {}
        for element in [] if source is None else source.iter():
            unit = (_attribute(element, "units") or "").partition("/")[2]
            if _name(element) == "channelProperty" and _attribute(element, "name") == "resolution" and unit in LENGTHS:
                try:
                    value = float(_attribute(element, "value") or "")
                except ValueError:
                    continue
                if 0 < value < math.inf:
                    resolutions[_attribute(element, "channel")] = LENGTHS[unit] / value
        return [resolutions["X"], resolutions["Y"]] if {"X", "Y"} <= resolutions.keys() else [1.0, 1.0]

    @staticmethod
    def _affine(transform):
        """The matrix [2, 3] of a canvasTransform; of its two mappings, the second is the way back."""
        mapping = next((child for child in transform if _name(child) == "mapping"), None)
        kind = "identity" if mapping is None else _attribute(mapping, "type")
        if kind == "identity":
            return np.eye(2, 3)
        if kind != "affine":
            raise ValueError(f"its canvasTransform is a mapping of type {kind!r}: only identity and affine are known")
        texts = ["".join(e.itertext()) for e in mapping if _name(e) == "affine"]
        values = _numbers(" ".join(texts))
        if len(values) != 6:
            raise ValueError(f"an affine mapping should have two rows of three numbers, but it has {len(values)}")
        return np.array(values).reshape(2, 3)


# -------------------------------------------------------------------------------------------------------------- svg

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
NOT_DRAWN = {"defs", "symbol", "clipPath", "mask", "pattern", "marker", "metadata", "style", "title", "desc", "text"}


def _numbers(text):
    """The numbers of a list such as "1 2,-3". Raises ValueError where something else stands among them."""
    if re.sub(NUMBER, "", text).strip(" \t\r\n,"):
        raise ValueError(f"{text.strip()[:40]!r} should be a list of numbers")
    return [float(word) for word in re.findall(NUMBER, text)]


def _drawn_strokes(root):
    """The pen strokes of an SVG, in the order of the document: [n, 2] arrays.

    Paths, lines, polylines and polygons count; circles, texts and pictures do not. A closed shape that is filled and
    has no stroke is an area, not the way of a pen.
    """
    strokes, areas, total = [], 0, 0
    # Each with the transform and the paint of what it lies in; the last one is next, so children go on in reverse.
    waiting = [(root, np.eye(3), {"stroke": None, "fill": None})]
    while waiting:
        element, matrix, paint = waiting.pop()
        kind = _name(element)
        own = _style(element)
        if kind in NOT_DRAWN or own.get("display") == "none" or own.get("visibility") == "hidden":
            continue
        matrix = matrix @ _transform(_attribute(element, "transform") or "")
        paint = {name: own.get(name, before) for name, before in paint.items()}
        shape = _shape(kind, element)
        for points, closed in shape:
            total += len(points)
            if total > MOST_POINTS:
                raise ValueError(f"it has more than {MOST_POINTS:,} points: that is no sample of a hand")
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
        v = _numbers(arguments)
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
        ends = [_numbers(element.get(name) or "0") for name in ("x1", "y1", "x2", "y2")]
        if any(len(end) != 1 for end in ends):
            raise ValueError("a line has an end that is not a number")
        return [(np.array(ends, float).reshape(2, 2), False)]
    if kind in ("polyline", "polygon"):
        values = _numbers(element.get("points") or "")
        points = np.array(values[: len(values) // 2 * 2], float).reshape(-1, 2)
        if len(points) and kind == "polygon":
            points = np.concatenate([points, points[:1]])
        return [(points, kind == "polygon")] if len(points) else []
    return []


# How many numbers a command of a path takes.
ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}


def path_strokes(data):
    """The strokes of the attribute d of an SVG path: [(points [n, 2], closed)]; curves as short straight pieces."""
    strokes, points, closed = [], [], False
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
        if len(points) > MOST_POINTS:
            raise ValueError(f"a path has more than {MOST_POINTS:,} points: that is no sample of a hand")
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
            if command.upper() not in ARGUMENTS:
                raise ValueError(f"a path has the command {command!r}, which SVG does not know")
        elif command is None or command in "Zz":
            raise ValueError(f"a path has {data[place : place + 20]!r} where a command should stand")
        values = []
        for k in range(ARGUMENTS[command.upper()]):
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
