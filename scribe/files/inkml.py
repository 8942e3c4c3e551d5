"""Reads the strokes and texts of W3C InkML 1.0.

    from scribe.files.inkml import InkML
    pieces = InkML(read_tree("me.inkml")).pieces()

Lengths are in mm where the file names the units of X and Y, else in its own unit. NumPy alone.
"""

import math
import re

import numpy as np

from scribe.files.recorded_piece import Piece
from scribe.files.xml_tree import MAX_DEPTH, attribute, read_numbers, tag_name

UNITS_MM = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "in": 25.4, "pt": 25.4 / 72, "pc": 25.4 / 6}


class InkML:
    """W3C InkML 1.0: traces in the channels of their context, with its transform, in groups that may have a text."""

    TEXTS = ("truth", "text", "transcription", "transcript", "groundtruth", "label")
    VALUE = re.compile(r"([!'\"]?)\s*([*?TF]|#[0-9A-Fa-f]+|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(\S)")

    def __init__(self, root):
        self.root = root
        self.by_id = {}
        for element in root.iter():
            name = attribute(element, "id")
            if name:
                self.by_id.setdefault(name, element)
        # Where no context is named, the last one before holds, or the only one of the file. Many programs write a
        # format without any context.
        contexts = [element for element in root.iter() if tag_name(element) == "context"]
        self.current = contexts[0] if len(contexts) == 1 else None
        formats = [e for e in (root if contexts else root.iter()) if tag_name(e) == "traceFormat"]
        self.format = formats[0] if formats else None
        self.forms = {}  # by the name of the context
        self.named = {}  # the stroke of every trace that has a name, for those that continue it

    def pieces(self) -> list[Piece]:
        """The Pieces of the file, in the order of the document; some may be empty."""
        return [
            Piece([np.concatenate(parts) for parts in piece.strokes if parts], piece.text)
            for piece in self._collect(self.root, None)
        ]

    def _collect(self, element, context):
        """The Pieces of an element: of its groups, and of the traces that lie between them; strokes are lists of
        arrays."""
        context = attribute(element, "contextRef") or context
        pieces, loose = [], None
        for child in element:
            kind = tag_name(child)
            if kind == "context":
                self.current = child
            elif kind == "traceGroup":
                pieces += self._collect(child, context)
                loose = None
            elif kind == "trace":
                if loose is None:
                    loose = Piece([])
                    pieces.append(loose)
                self._add_trace(child, attribute(child, "contextRef") or context, loose)
        text = self._text(element)
        # A text of the whole goes before those of parts, which may be characters; unless it says the same.
        if text and text.split() != " ".join(piece.text or "" for piece in pieces).split():
            return [Piece([stroke for piece in pieces for stroke in piece.strokes], text)]
        return pieces

    def _text(self, element):
        """What an annotation of the element itself says is written there, or None."""
        for child in element:
            if tag_name(child) == "annotation" and (attribute(child, "type") or "").lower() in self.TEXTS:
                return " ".join("".join(child.itertext()).split())
        return None

    def _add_trace(self, trace, context, piece):
        if attribute(trace, "type") == "penUp":
            return
        channels, regular, matrix = self._form(context)
        rows = self._rows("".join(trace.itertext()), len(channels), regular)
        source = rows[:, [channels.index("X"), channels.index("Y")]]
        source = source[~np.isnan(source).any(axis=1)]  # "?": the device did not tell
        points = source @ matrix[:, :2].T + matrix[:, 2]
        stroke = None
        if attribute(trace, "continuation") in ("middle", "end"):
            stroke = self.named.get((attribute(trace, "priorRef") or "").lstrip("#"))
        if stroke is None:
            stroke = []
            piece.strokes.append(stroke)
        if len(points):
            stroke.append(points)
        self.named[attribute(trace, "id")] = stroke

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
        """(channels, how many of them every point has, matrix [2, 3] from X Y to x y) of the context of this name."""
        element = self._named(name, "context") if name else self.current
        key = id(element)
        if key not in self.forms:
            self.forms[key] = self._found_form(element)
        return self.forms[key]

    def _named(self, reference, kind):
        element = self.by_id.get(reference.lstrip("#"))
        if element is None or tag_name(element) != kind:
            raise ValueError(f"it names the {kind} {reference[:40]!r}, which is not in it")
        return element

    def _part(self, element, kind):
        """The child of an element of this kind; else the one it refers to; else that of the context it refers to."""
        for _ in range(MAX_DEPTH):
            if element is None:
                return None
            for child in element:
                if tag_name(child) == kind:
                    return child
            reference = attribute(element, kind + "Ref")
            if reference:
                return self._named(reference, kind)
            reference = attribute(element, "contextRef")
            element = self._named(reference, "context") if reference else None
        raise ValueError("its contexts refer to each other in a circle")

    def _found_form(self, context):
        source = self._part(context, "inkSource")
        form = self._part(context, "traceFormat")
        if form is None:
            form = self._part(source, "traceFormat")
        if form is None:
            form = self.format
        channels = [] if form is None else [e for e in form.iter() if tag_name(e) == "channel"]
        inner = [] if form is None else [e for e in form.iter() if tag_name(e) == "intermittentChannels"]
        intermittent = {id(channel) for element in inner for channel in element.iter()}
        channels.sort(key=lambda channel: id(channel) in intermittent)  # those that may be missing stand at the end
        names = [attribute(channel, "name") or "" for channel in channels] or ["X", "Y"]
        if "X" not in names or "Y" not in names:
            raise ValueError(f"its format has the channels {' '.join(names)[:60]}, but it takes X and Y to draw")
        matrix = np.eye(2, 3)
        if channels:
            pair = [channels[names.index(name)] for name in "XY"]
            # "-ve": the numbers of X grow to the left, those of Y upwards.
            signs = [-1.0 if attribute(channel, "orientation") == "-ve" else 1.0 for channel in pair]
            matrix[:, :2] = np.diag(np.multiply(self._sizes(pair, source), signs))
        transform = self._part(context, "canvasTransform")
        if transform is not None:
            outer = self._affine(transform)
            matrix = np.column_stack([outer[:, :2] @ matrix[:, :2], outer[:, 2]])
        return names, len(names) - sum(id(channel) in intermittent for channel in channels), matrix

    @staticmethod
    def _sizes(pair, source):
        """The lengths of a unit of X and of one of Y in mm; 1 and 1 unless the file says both."""
        units = [UNITS_MM.get(attribute(channel, "units")) for channel in pair]
        if None not in units:
            return units
        resolutions = {}
        properties = [] if source is None else [e for e in source.iter() if tag_name(e) == "channelProperty"]
        for element in properties:
            unit = (attribute(element, "units") or "").partition("/")[2]
            if attribute(element, "name") == "resolution" and unit in UNITS_MM:
                try:
                    value = float(attribute(element, "value") or "")
                except ValueError:
                    continue
                if 0 < value < math.inf:
                    resolutions[attribute(element, "channel")] = UNITS_MM[unit] / value
        return [resolutions["X"], resolutions["Y"]] if {"X", "Y"} <= resolutions.keys() else [1.0, 1.0]

    @staticmethod
    def _affine(transform):
        """The matrix [2, 3] of a canvasTransform; of its two mappings, the second is the way back."""
        mapping = next((child for child in transform if tag_name(child) == "mapping"), None)
        kind = "identity" if mapping is None else attribute(mapping, "type")
        if kind == "identity":
            return np.eye(2, 3)
        if kind != "affine":
            raise ValueError(f"its canvasTransform is a mapping of type {kind!r}: only identity and affine are known")
        texts = ["".join(e.itertext()) for e in mapping if tag_name(e) == "affine"]
        values = read_numbers(" ".join(texts))
        if len(values) != 6:
            raise ValueError(f"an affine mapping should have two rows of three numbers, but it has {len(values)}")
        return np.array(values).reshape(2, 3)
