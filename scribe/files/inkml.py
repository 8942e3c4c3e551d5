"""Reads the strokes and texts of W3C InkML 1.0, and of the many programs that write it by heart.

    from scribe.files.inkml import InkML
    recording = InkML(read_tree(content)).recording()

Lengths are in mm where the file names the units of X and Y, else in its own unit. NumPy alone.
"""

import dataclasses
import math
import re
from collections import Counter
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from scribe.files.joined_pieces import join_pieces
from scribe.files.limits import Budget
from scribe.files.recorded_piece import Piece, Recording
from scribe.files.xml_tree import MAX_DEPTH, NUMBER, attribute, read_numbers, tag_name

UNITS_MM = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "in": 25.4, "pt": 25.4 / 72, "pc": 25.4 / 6}
# What the annotation of a text is called, from the one that says it as it is written to the one that has been changed.
TEXTS = ("transcription", "transcript", "text", "truth", "groundtruth", "label", "content", "value", "normalizedlabel")
TIP_SWITCHES, FORCES = ("S", "TS", "TIPSWITCH"), ("F", "FORCE", "P", "PRESSURE")
LEAST_FORCE_SHARE = 0.5  # a channel that is 0 more often than this does not tell whether the pen is down


@dataclasses.dataclass
class _Trace:
    """The strokes of a trace element: several where the pen was lifted in between; where a later trace goes on."""

    strokes: list[NDArray]
    number: int  # in the order of the document
    width: float  # of the pen


class InkML:
    """W3C InkML 1.0: traces in the channels of their context, with its transform, in groups and views that may have a
    text."""

    VALUE = re.compile(rf"([!'\"]?)\s*([*?TF]|#[0-9A-Fa-f]+|{NUMBER})(?![\w.])|(\S+)")

    def __init__(self, root: ElementTree.Element):
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
        self.forms: dict[int, tuple] = {}  # by the identity of the context
        self.traces: dict[int, _Trace] = {}  # by the identity of the element
        self.left_out: Counter[str] = Counter()
        self.reason = ""  # why the first point that was left out could not be read
        self.budget = Budget()

    def recording(self) -> Recording:
        """The Pieces of the file, in the order of the document; some may be empty."""
        count = sum(tag_name(element) == "trace" for element in self.root.iter())
        Budget().spend(strokes=count)  # before any of them is read
        self._read_traces(self.root, None)
        views = [element for element in self.root.iter() if tag_name(element) == "traceView"]
        shown = {id(target): target for view in views if (target := self._target(view)) is not None}
        # What a view shows is not shown a second time where it stands.
        self.within = {
            key: [part for part in target.iter() if id(part) in self.traces] for key, target in shown.items()
        }
        self.elsewhere = {id(part) for parts in self.within.values() for part in parts} | shown.keys()
        pieces = self._collect(self.root)
        if self.reason and not any(len(stroke) for trace in self.traces.values() for stroke in trace.strokes):
            raise ValueError(self.reason)
        if not any(traces for traces, _ in pieces):  # what is only defined is better than nothing
            pieces = [(list(self.traces.values()), pieces[0][1] if pieces else None)]
        found = []
        for traces, text in pieces:
            unique = sorted({trace.number: trace for trace in traces}.values(), key=lambda trace: trace.number)
            strokes = [(stroke, trace.width) for trace in unique for stroke in trace.strokes if len(stroke)]
            found.append(Piece(join_pieces([s for s, _ in strokes], [w for _, w in strokes]), text))
        # Few programs say which way Y grows.
        told = any(tag_name(e) == "canvasTransform" or attribute(e, "orientation") for e in self.root.iter())
        return Recording(found, self.left_out, y_is_down=told)

    def _collect(self, element):
        """[(traces, text)] of an element: of its groups and views, and of the traces that lie between them."""
        pieces, loose = [], None
        for child in element:
            kind = tag_name(child)
            inner = []
            if kind == "traceGroup":
                inner = self._collect(child) if id(child) not in self.elsewhere else []
            elif kind == "traceView":
                inner = self._viewed(child)
            elif kind == "trace" and id(child) in self.traces and id(child) not in self.elsewhere:
                inner = [([self.traces[id(child)]], None)]
            if kind == "trace" or kind == "traceView" and all(text is None for _, text in inner):
                for traces, _ in inner:
                    if loose is None:
                        loose = ([], None)
                        pieces.append(loose)
                    loose[0].extend(traces)
            elif inner:
                pieces += inner
                loose = None
        text = self._text(element)
        # A text of the whole goes before those of parts, which may be characters; unless it says the same.
        if text and text.split() != " ".join(text or "" for _, text in pieces).split():
            return [([trace for traces, _ in pieces for trace in traces], text)]
        return pieces

    def _viewed(self, view):
        """[(traces, text)] that a view shows: what it refers to, or its own views."""
        target = self._target(view)
        if target is None:
            self.left_out["view of a missing trace"] += attribute(view, "traceDataRef") is not None
            return self._collect(view)
        shown = [self.traces[id(part)] for part in self.within[id(target)]]
        self.budget.spend(strokes=len(shown))
        return [(shown, self._text(view) or self._text(target))]

    def _target(self, view):
        return self.by_id.get((attribute(view, "traceDataRef") or "").strip().lstrip("#"))

    # ---- texts

    def _text(self, element):
        """What an annotation of the element itself says is written there, or None."""
        found = {}
        for child in element:
            kind, name = tag_name(child), _plain(attribute(child, "type") or "")
            if kind == "annotation" and name in TEXTS:
                text = _written("".join(child.itertext()))
            elif kind == "annotationXML" and "mathml" not in (attribute(child, "encoding") or "").lower():
                named = {_plain(tag_name(e)): "".join(e.itertext()) for e in reversed(list(child.iter()))}
                best = next((named[key] for key in TEXTS if named.get(key, "").strip()), "")
                if not best and name in TEXTS and not len(child):
                    best = "".join(child.itertext())
                name, text = name if name in TEXTS else "label", _written(best)
            elif kind.lower() in TEXTS:
                name, text = kind.lower(), _written("".join(child.itertext()))
            else:
                continue
            if text and text != "Segmentation":  # what CROHME calls its groups
                found.setdefault(name, text)
        return next((found[name] for name in TEXTS if name in found), None)

    # ---- traces

    def _read_traces(self, element, context):
        """Reads all traces in the order of the document, each in the context that holds there."""
        named: dict[str | None, _Trace] = {}
        waiting = [(element, context, True)]
        while waiting:  # the last one is next: children are added in reverse
            element, context, in_force = waiting.pop()
            kind = tag_name(element)
            if kind == "trace":
                self._add_trace(element, attribute(element, "contextRef") or context, named)
            elif kind == "context" and in_force:
                self.current = element
            elif kind in ("ink", "traceGroup", "definitions"):
                inner = attribute(element, "contextRef") or context
                waiting += [(child, inner, kind != "definitions") for child in reversed(element)]

    def _add_trace(self, trace, context, named):
        if (attribute(trace, "type") or "").lower() == "penup":
            return
        text = (trace.text or "") + "".join(child.tail or "" for child in trace)
        self.budget.spend(points=text.count(",") + 1, strokes=1)
        channels, regular, matrix, width = self._form(context)
        rows = self._rows(text, len(channels), regular)
        source = rows[:, [channels.index("X"), channels.index("Y")]]
        points = source @ matrix[:, :2].T + matrix[:, 2]
        sound = ~np.isnan(source).any(axis=1)  # "?": the device did not tell
        down = np.ones(len(rows), bool)
        switch = next((channels.index(name) for name in TIP_SWITCHES if name in channels), None)
        force = next((channels.index(name) for name in FORCES if name in channels), None)
        if switch is not None:
            down = ~(rows[:, switch] <= 0)
        elif force is not None and (rows[:, force] > 0).mean() > LEAST_FORCE_SHARE:
            down = ~(rows[:, force] <= 0)
        # Where the pen is up, the next point begins a stroke; where the place is not known, the stroke goes on.
        lifts = np.cumsum(~down)[sound & down]
        points = points[sound & down]
        strokes = np.split(points, np.flatnonzero(np.diff(lifts)) + 1) if len(points) else []
        before = named.get((attribute(trace, "priorRef") or "").lstrip("#"))
        if before is not None and attribute(trace, "continuation") in ("middle", "end"):
            if before.strokes and strokes:
                before.strokes[-1] = np.concatenate([before.strokes[-1], strokes[0]])
                strokes = strokes[1:]
            before.strokes += strokes
            entry = before
        else:
            entry = self.traces[id(trace)] = _Trace(strokes, len(self.traces), width)
        named[attribute(trace, "id")] = entry

    def _rows(self, text, count, regular):
        """The values of a trace, float64 [n, count]; NaN where one is missing.

        A value is explicit (!), a difference to the one before (') or a difference of differences ("), as the last sign
        before it in its channel says. Values beyond the last channel are passed over; a point with too few, or with
        something that is no number, is left out.
        """
        signs, values, steps = ["!"] * count, [math.nan] * count, [0.0] * count
        rows = []
        for part in text.split(","):
            tokens = self.VALUE.findall(part)
            if not tokens:
                continue
            if len(tokens) < regular or any(strange for _, _, strange in tokens[:count]):
                self.left_out["point that is not a number for each channel"] += 1
                self.reason = (
                    self.reason or f"a trace has the point {part.strip()[:40]!r}, but its format has {regular} channels"
                )
                continue
            row = [math.nan] * count
            for k, (sign, word, _) in enumerate(tokens[:count]):
                signs[k] = sign or signs[k]
                if word == "?":
                    continue
                if word != "*":
                    value = {"T": 1.0, "F": 0.0}.get(word)
                    if value is None:
                        value = float(int(word[1:17], 16)) if word[0] == "#" else float(word)
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
        """(channels, how many of them every point has, matrix [2, 3] from X Y to x y, pen width) of a context."""
        element = self._named(name, "context") if name else self.current
        key = id(element)
        if key not in self.forms:
            self.forms[key] = self._found_form(element)
        return self.forms[key]

    def _named(self, reference, kind):
        element = self.by_id.get(reference.strip().lstrip("#"))
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
        names = [(attribute(channel, "name") or "").upper() for channel in channels] or ["X", "Y"]
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
        regular = len(names) - sum(id(channel) in intermittent for channel in channels)
        return names, regular, matrix, self._pen_width(context) * float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))

    def _pen_width(self, context):
        """The width of the brush of a context; 0 where it is not known."""
        brush = self._part(context, "brush")
        for element in [] if brush is None else brush.iter():
            if tag_name(element) == "brushProperty" and attribute(element, "name") == "width":
                try:
                    return max(0.0, float(attribute(element, "value") or "0"))
                except ValueError:
                    return 0.0
        return 0.0

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


def _plain(name):
    """The name of an annotation without what programs vary: capitals, spaces, hyphens, underscores."""
    return re.sub(r"[\s_-]+", "", name.lower())


def _written(text):
    """A text without the mark-up of LaTeX around it; None where it is a formula, which no alphabet can write."""
    text = " ".join(text.split())
    if "\\" in text or text.startswith("$"):
        text = re.sub(r"\\(?:mbox|text|textrm|mathrm|hbox)\s*\{([^{}]*)\}", r"\1", text.strip("$ "))
        text = text.replace("\\ ", " ")
        return None if re.search(r"[\\{}^_]", text) else " ".join(text.split())
    return text
