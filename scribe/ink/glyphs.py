"""Cuts single characters out of written lines and sets them into others: new lines with what is rare in real ones.

Real handwriting has few digits and small x, z and q, and hardly any Q, X or Z; a model that has seen X four times
cannot write it. But most digits and capitals, and about a quarter of the small letters, are written apart from their
neighbours, so their strokes can be taken out of one line and put in the place of a character of another: a new line, in
which every stroke was made by a person. For signs that no line holds (&, *) and the rarest capitals there are a few
drawn shapes, varied at random. NumPy alone; `augment_data.py` is the command.

Lines are absolute here: points [n, 3] with x, y (y grows downwards), pen lift. Glyphs are in x-heights of their line,
x from their left edge, y from the baseline.
"""

import dataclasses
import re

import numpy as np
from numpy.typing import NDArray

from scribe.ink.measure import measure_line
from scribe.ink.pen import resample, unsteady
from scribe.ink.strokes import ink_lengths, stroke_ends, stroke_slices
from scribe.ink.typical import CAPITALS, DIGITS
from scribe.ink.written_text import WrittenText

MIN_OWN = 0.75  # share of a stroke's points that belong to its characters, and of theirs that are in such strokes
TOUCHING = 0.12  # x-heights between strokes that still belong to one character
HEIGHTS = {
    "digit": (0.9, 3.2),
    "capital": (1.2, 3.8),
    "small": (0.6, 3.2),
    "sign": (0.05, 4.0),
    "dot": (0.0, 0.8),
}  # of a glyph, in x-heights
RARE_SMALL = "qxz"
APART = 0.7  # share of a small letter's points that are in its strokes, and of theirs that are its own


@dataclasses.dataclass
class Glyph:
    """One character as somebody wrote it.

    Attributes:
        character: what it is. points: [n, 3] in x-heights; its left edge is x = 0, the baseline y = 0.
        slant: of the line that it is from: units to the right for each unit upwards.
        donor: number of that line; -1 for a drawn shape.
    """

    character: str
    points: NDArray
    slant: float
    donor: int

    @property
    def ink(self) -> float:
        """The length of its ink, in x-heights."""
        return float(np.sum(ink_lengths(self.points)[1:]))

    @property
    def width(self) -> float:
        """In x-heights."""
        return float(self.points[:, 0].max())


class WrittenLine(WrittenText):
    """A line cut into strokes, and which strokes belong to which characters.

    Args:
        text, points [n, 3], index (from the attention): see `WrittenText`.

    Attributes:
        strokes: list of [m, 3]; slices: which of the points. first: for each stroke the first character with much of
            it, the 20th percentile of the characters of its points.
        x_height, slant: see `measure.Metrics`; baseline_at(x).
    """

    index: NDArray

    def __init__(self, text: str, points: NDArray, index: NDArray):
        super().__init__(text, np.asarray(points, float), np.asarray(index))
        self.slices = stroke_slices(self.points)
        self.strokes = [self.points[s] for s in self.slices]
        self.first = [int(np.percentile(self.index[s], 20, method="nearest")) for s in self.slices]
        self.metrics = measure_line(self.points, text, self.index)
        self.x_height, self.slant = self.metrics.x_height, self.metrics.slant
        self.baseline_at = self.metrics.baseline_at

    def strokes_of(self, start: int, end: int) -> list[int] | None:
        """Numbers of the strokes that hold the characters [start, end) and nothing else; None if they are not apart."""
        inside = (self.index >= start) & (self.index < end)
        own = [k for k, s in enumerate(self.slices) if inside[s].mean() >= MIN_OWN]
        if not own or sum(inside[self.slices[k]].sum() for k in own) < MIN_OWN * inside.sum():
            return None
        if own != list(range(own[0], own[-1] + 1)):
            return None
        return own

    def clusters(self, start: int, end: int) -> list[list[int]] | None:
        """The strokes of the characters [start, end), grouped by where they stand: those above one another go together.

        The attention tells to which word a stroke belongs, but often gives the last stroke of a 4 or a K to the next
        character; the place of the strokes is more reliable.

        Returns:
            a list of lists of stroke numbers from left to right, or None if those characters are not apart.
        """
        own = self.strokes_of(start, end)
        if own is None or not self.x_height:
            return None
        groups: list[tuple[list[int], float]] = []
        for k in sorted(own, key=lambda k: self.strokes[k][:, 0].min()):
            left, right = self.strokes[k][:, 0].min(), self.strokes[k][:, 0].max()
            if groups and left < groups[-1][1] + TOUCHING * self.x_height:
                groups[-1] = ([*groups[-1][0], k], max(groups[-1][1], right))
            else:
                groups.append(([k], right))
        return [sorted(strokes) for strokes, _ in groups]

    def glyphs(self, start: int, end: int, donor: int = -1) -> list[Glyph]:
        """The characters [start, end) of a word as Glyphs; an empty list unless each stands apart."""
        groups = self.clusters(start, end)
        if groups is None or len(groups) != end - start:
            return []
        return [self.glyph(u, strokes, donor) for u, strokes in zip(range(start, end), groups)]

    def initial(self, u: int, end: int, donor: int = -1) -> Glyph | None:
        """The first character of the word [u, end) as a Glyph, if it stands apart; else None."""
        groups = self.clusters(u, end)
        if not groups or len(groups) < 2:
            return None
        of_first = np.concatenate([self.index[self.slices[k]] for k in groups[0]])
        of_second = np.concatenate([self.index[self.slices[k]] for k in groups[1]])
        if np.mean(of_first == u) < 0.6 or np.mean(of_second == u) > 0.1:
            return None
        return self.glyph(u, groups[0], donor)

    def small_apart(self, start: int, end: int) -> list[tuple[int, list[int]]]:
        """The small letters of a word [start, end) that stand apart: a list of (character, numbers of its strokes)."""
        found = []
        for strokes in self.clusters(start, end) or []:
            index = np.concatenate([self.index[self.slices[k]] for k in strokes])
            u = int(np.bincount(index).argmax())
            own = np.sum(index == u)
            whole = own >= APART * len(index) and own >= APART * np.sum(self.index == u)
            if whole and self.text[u].islower():
                found.append((u, strokes))
        return found

    def glyph(self, u: int, strokes: list[int], donor: int = -1) -> Glyph:
        """The character u as a Glyph; strokes: the numbers of those that it is written with."""
        points = np.concatenate([self.strokes[k] for k in strokes])
        points[:, 1] -= self.baseline_at(points[:, 0])
        points[:, 0] -= points[:, 0].min()
        points[:, :2] /= self.x_height
        return Glyph(self.text[u], points, self.slant, donor)


def kind_of(character: str) -> str:
    """A key of HEIGHTS."""
    if character in DIGITS:
        return "digit"
    if character in CAPITALS:
        return "capital"
    if character in RARE_SMALL:
        return "small"
    return "dot" if character in ".-" else "sign"


def is_plausible(glyph: Glyph) -> bool:
    """Whether a glyph has the size and place of its character: others were cut out wrongly."""
    low, high = HEIGHTS[kind_of(glyph.character)]
    height, bottom = np.ptp(glyph.points[:, 1]), glyph.points[:, 1].max()
    if not low <= height <= high or glyph.width > 4:
        return False
    if glyph.character == "x" and glyph.points[:, 2].sum() != 2:
        return False
    return glyph.character in "Jq" or kind_of(glyph.character) in ("sign", "dot") or -0.6 < bottom < 0.8


def crossed(glyph: Glyph) -> Glyph:
    """An x with its strokes in one order and direction: from the upper left downwards, then from the upper right.

    Some people begin the second at its lower end. A model that has seen few x covers both ends with one component of
    its density, and a bias draws from the middle of that: the second stroke begins where the two should cross.
    """
    first_end = int(stroke_ends(glyph.points)[0])
    strokes = []
    for stroke in (glyph.points[:first_end], glyph.points[first_end:]):
        xy = stroke[:, :2] if stroke[0, 1] <= stroke[-1, 1] else stroke[::-1, :2]  # downwards
        strokes.append(np.concatenate([xy, stroke[:, 2:]], axis=1))
    strokes.sort(key=lambda stroke: stroke[0, 0] - stroke[-1, 0])  # the one that goes to the right is the first
    return dataclasses.replace(glyph, points=np.concatenate(strokes))


def collect_glyphs(lines: list[WrittenLine]) -> dict[str, list[Glyph]]:
    """All characters that stand apart in numbers, signs and at the beginning of words, and RARE_SMALL ones in words.

    Args:
        lines: WrittenLines.

    Returns:
        A dict: character -> list of plausible Glyphs; those with far less or more ink than is usual for their character
        are left out, since they were cut out wrongly.
    """
    found: dict[str, list[Glyph]] = {}
    for donor, line in enumerate(lines):
        for match in re.finditer(r"\S+", line.text):
            start, end = match.span()
            word = match.group()
            glyphs = line.glyphs(start, end, donor) if not word.isalpha() or word.isupper() else []
            initial = line.initial(start, end, donor) if not glyphs and word[0] in CAPITALS else None
            if initial is not None:
                glyphs = [initial]
            if word.isalpha() and set(word) & set(RARE_SMALL):
                apart = line.small_apart(start, end)
                glyphs += [line.glyph(u, own, donor) for u, own in apart if line.text[u] in RARE_SMALL]
            for glyph in glyphs:
                if is_plausible(glyph):
                    found.setdefault(glyph.character, []).append(glyph)
    kept = {}
    for character, glyphs in found.items():
        usual = np.median([glyph.ink for glyph in glyphs])
        kept[character] = [glyph for glyph in glyphs if 0.65 * usual <= glyph.ink <= 1.6 * usual]
    if "x" in kept:
        kept["x"] = [crossed(glyph) for glyph in kept["x"]]
    return kept


# --------------------------------------------------------------------------------------------------- new lines


def set_glyphs(
    line: WrittenLine,
    own: list[int],
    start: int,
    end: int,
    glyphs: list[Glyph | None],
    *,
    rng: np.random.Generator,
    gap: float = 0.35,
) -> WrittenLine:
    """Replaces some strokes of a line by glyphs.

    The glyphs take the line's x-height and slant; what comes after them moves by the difference of the widths.

    Args:
        line: with an x-height. own: numbers of the strokes that are replaced. start, end: the characters [start, end)
            that they are. glyphs: at least one Glyph; None is a space. gap: between glyphs, in x-heights.

    Returns:
        a WrittenLine.
    """
    assert line.x_height is not None, "a line without letters has no size that glyphs could take"
    old = np.concatenate([line.strokes[k] for k in own])
    left, right = old[:, 0].min(), old[:, 0].max()
    x, new, characters = left, [], []
    for u, glyph in enumerate(glyphs, start):
        if glyph is None:
            x += line.x_height * rng.uniform(0.8, 1.4)
            continue
        points = glyph.points.copy()
        points[:, 0] -= (line.slant - glyph.slant) * points[:, 1]
        points[:, 0] -= points[:, 0].min()
        points[:, :2] *= line.x_height
        points[:, 0] += x
        points[:, 1] += line.baseline_at(points[:, 0])
        new.append(points)
        characters.append(np.full(len(points), u))
        x = points[:, 0].max() + line.x_height * gap * rng.uniform(0.6, 1.4)
    shift = new[-1][:, 0].max() - right
    longer = len(glyphs) - (end - start)

    def stroke(k):
        return line.strokes[k] + [shift, 0, 0] if line.first[k] >= end else line.strokes[k]

    def index_of(k):
        index = line.index[line.slices[k]]
        return np.where(index >= end, index + longer, index)

    kept = [k for k in range(len(line.strokes)) if k not in own]
    before, after = [k for k in kept if k < own[0]], [k for k in kept if k > own[0]]
    points = np.concatenate([*map(stroke, before), *new, *map(stroke, after)])
    index = np.concatenate([*map(index_of, before), *characters, *map(index_of, after)])
    text = "".join(" " if glyph is None else glyph.character for glyph in glyphs)
    return WrittenLine(line.text[:start] + text + line.text[end:], points, index)


# ----------------------------------------------------------------------------------------------- drawn shapes

# Strokes as corners (x to the right, y upwards from the baseline, in capital heights); "~" marks strokes to be rounded.
SHAPES: dict[str, list[list]] = {
    "X": [[[(0, 1), (0.7, 0)], [(0.7, 1), (0, 0)]], [[(0.68, 1), (0.02, 0)], [(0, 0.98), (0.72, 0.02)]]],
    "Z": [
        [[(0, 0.97), (0.65, 1), (0, 0.02), (0.7, 0)]],
        [[(0.02, 0.95), (0.68, 0.98), (0.02, 0), (0.72, 0.02)], [(0.15, 0.5), (0.55, 0.52)]],
    ],
    "Q": [
        ["~", [(0.45, 1), (0.1, 0.8), (0, 0.45), (0.2, 0.05), (0.5, 0), (0.8, 0.3), (0.8, 0.7), (0.45, 1.0)],
         [(0.5, 0.3), (0.9, -0.15)]],
        ["~", [(0.5, 1), (0.08, 0.75), (0.05, 0.25), (0.45, 0), (0.85, 0.3), (0.8, 0.8), (0.4, 1.0)],
         [(0.55, 0.22), (0.7, 0.1), (0.95, -0.05)]],
    ],
    "&": [
        ["~", [(0.75, 0.05), (0.45, 0.45), (0.2, 0.8), (0.35, 1), (0.52, 0.85), (0.3, 0.55), (0.05, 0.25), (0.2, 0),
               (0.5, 0.1), (0.75, 0.45)]],
        ["~", [(0.7, 0), (0.4, 0.42), (0.14, 0.8), (0.32, 1), (0.48, 0.82), (0.28, 0.52), (0, 0.24), (0.18, -0.02),
               (0.48, 0.12), (0.66, 0.38), (0.72, 0.4)]],
    ],
    "%": [
        ["~", [(0.2, 1), (0.03, 0.85), (0.15, 0.65), (0.3, 0.8), (0.2, 1)], [(0.75, 1), (0.1, 0)],
         [(0.7, 0.35), (0.52, 0.2), (0.64, 0), (0.8, 0.15), (0.7, 0.35)]],
    ],
    "+": [
        [[(0, 0.45), (0.55, 0.45)], [(0.28, 0.72), (0.28, 0.18)]],
        [[(0.28, 0.75), (0.28, 0.15)], [(0, 0.45), (0.55, 0.47)]],
    ],
    "*": [[[(0, 0.8), (0.35, 0.55)], [(0.35, 0.82), (0.02, 0.55)], [(0.18, 0.95), (0.18, 0.45)]]],
    "/": [[[(0.5, 1.05), (0, -0.1)]], [[(0, -0.1), (0.45, 1.05)]]],
    "#": [[[(0.3, 1), (0.15, 0)], [(0.6, 1), (0.45, 0)], [(0, 0.65), (0.75, 0.67)], [(0, 0.32), (0.72, 0.34)]]],
    "[": [[[(0.3, 1.05), (0, 1.05), (0, -0.1), (0.3, -0.1)]]],
    "]": [[[(0, 1.05), (0.3, 1.05), (0.3, -0.1), (0, -0.1)]]],
}  # fmt: skip


def draw_shape(character: str, rng: np.random.Generator, capital: float = 1.95) -> Glyph:
    """A drawn shape of one of SHAPES, varied: corners, size, direction and speed differ every time.

    Args:
        character: a key of SHAPES. rng: a NumPy Generator. capital: height of a capital in x-heights.

    Returns:
        A Glyph with slant 0.
    """
    shapes = SHAPES[character]
    shape = shapes[rng.integers(len(shapes))]
    rounded = shape[0] == "~"
    size = capital * rng.uniform(0.85, 1.15) * np.array([rng.uniform(0.8, 1.2), 1.0])
    parts = []
    for corners in shape[1:] if rounded else shape:
        corners = np.array(corners) + rng.normal(0, 0.025, (len(corners), 2))
        if not (rounded and len(corners) > 3):
            legs = zip(corners, corners[1:])
            corners = np.concatenate([corners[:1], *(_bowed(*leg, rng.normal(0, 0.04))[1:] for leg in legs)])
        points = unsteady(resample(corners * size, pace=rng.uniform(0.85, 1.15)), rng)
        parts.append(np.column_stack([points, np.arange(len(points)) == len(points) - 1]))
    points = np.concatenate(parts)
    turn = rng.normal(0, 0.04)
    points[:, :2] = points[:, :2] @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points[:, 1] *= -1  # y grows downwards
    points[:, 0] -= points[:, 0].min()
    return Glyph(character, points, 0.0, -1)


def _bowed(start, end, amount):
    """The straight way between two points, slightly bent, as a hand without a ruler draws it."""
    u = np.linspace(0, 1, 12)[:, None]
    along = end - start
    return start + u * along + 4 * u * (1 - u) * amount * np.array([-along[1], along[0]])
