"""Adds the ink of composed characters to a line that the network has written without them. NumPy alone.

    from scribe.ink.composed import compose_text
    from scribe.ink.composing import compose_ink
    composition = compose_text("Zoë pays 5 €")
    ink = compose_ink(composition, points, phis, rng)     # points and phis of composition.base

Marks are set over, under or through their letter in the line's slant, size and pace, where they touch nothing else.
They are made of the line's own dots, apostrophes and commas where it has some, else drawn. They are written after their
letter; in a hand that joins its letters, after the word. Signs are drawn between the words, which move apart for them.

Flat coordinates are those of a line without tilt, drift and slant: x-heights, the baseline at y = 0, y downwards.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.ink.composed import MERGED, Composition, recipe_of
from scribe.ink.mark_places import Letter, place_mark
from scribe.ink.measure import Metrics, measure_line
from scribe.ink.pen import PACE
from scribe.ink.point_characters import assign_characters, character_index
from scribe.ink.shapes import PUNCTUATION, SIGNS, draw
from scribe.ink.strokes import stroke_slices
from scribe.ink.typical import MEDIAN_STEP, MEDIAN_X_HEIGHT, WORD_GAP
from scribe.ink.words import split_words
from scribe.ink.written_text import WrittenText

MAX_DOT, DOT_ABOVE, DOT_BESIDE = 0.75, 0.75, 1.5  # x-heights: size of a dot, its height, how far from its stem
DRAWN_LETTERS = 12.0  # how many letters the x-height of a line of signs alone counts for
JOINED = 0.75  # a hand with fewer strokes for each letter of a word joins its letters
BODY_GAP = 0.75  # x-heights between the middles of two letters that are moved together
SLOWEST, FASTEST = 0.6, 1.5  # times the usual number of points
# x-heights from a sign to its neighbours: letters and what is raised or lowered stand close, a + would be part of a 4.
SIGN_GAP, CLOSE_GAP, WIDE_GAP = 0.28, 0.14, 0.45
CLOSE = frozenset("ßẞþÞðŋŊſĸÆŒ′″⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻₀₁₂₃₄₅₆₇₈₉₊₋ªº")
BAND = 0.3  # x-heights: ink that is no further above or below a sign than this keeps its distance to it


@dataclasses.dataclass
class ComposedInk:
    """A line with its composed characters; m points, U characters of the text as it stands there.

    Attributes:
        points: [m, 6], as `scribe.writing.lines.Line.strokes`.
        index: int [m], the character that each point belongs to.
        source: int [m], the point of the network's line; -1 for one that was added.
        metrics: of what the network wrote.
    """

    points: NDArray
    index: NDArray
    source: NDArray
    metrics: Metrics

    @property
    def added(self) -> NDArray:
        """bool [m]: the points that the network did not write."""
        return self.source < 0


@dataclasses.dataclass
class _Stroke:
    """A stroke of the line that is made: points [m, 6], index [m] in the text, source [m]; base: the number of the
    network's stroke, or of the one that an added one follows."""

    points: NDArray
    index: NDArray
    source: NDArray
    base: int


def composed_index(line: Any) -> NDArray | None:
    """The character of every point of a written line, if composing has told it; any object may be a line."""
    ink = getattr(line, "ink", None)
    return None if ink is None else ink.index


def compose_ink(
    composition: Composition, points: NDArray, phis: NDArray, rng: np.random.Generator, unit: float = MEDIAN_X_HEIGHT
) -> ComposedInk:
    """Adds marks and signs to a line.

    Args:
        composition: of the text. points: [n, 6], the line of `composition.base`, x and y absolute. phis: [n, V], its
            attention. rng: a NumPy Generator. unit: the x-height of a line without letters, in the unit of the points.
    """
    line = _Line(composition, points, phis, rng, unit)
    if len(points):
        line.merge_letters()
        line.add_marks()
    strokes = line.with_signs() if composition.has_signs() else line.strokes
    points, index, source = (
        np.concatenate([getattr(s, name) for s in strokes]) for name in ("points", "index", "source")
    )
    return ComposedInk(points, index, source, line.metrics)


class _Line:
    """The line that is made: strokes are those of the network at first."""

    def __init__(self, composition, points, phis, rng, unit):
        self.composition, self.rng = composition, rng
        self.points, self.phis = np.array(points, float).reshape(-1, 6), phis
        base = composition.base
        self.recipes = {u: recipe_of(composition.text[u]) for u in np.unique(composition.places).tolist()}
        self.recipes = {u: r for u, r in self.recipes.items() if r and (r.marks or r.dotless or len(r.base) > 1)}
        if not base:
            self.index, self.metrics = np.zeros(0, int), Metrics(unit, DRAWN_LETTERS, 0.0, 0.0, 0.0, 1.0, np.zeros(1))
        else:
            # Only marks need to know exactly where their letters are.
            self.index = assign_characters(self.points, phis, base) if self.recipes else character_index(phis)
            self.metrics = measure_line(self.points, base, self.index)
        self.x_height = self.metrics.x_height or unit
        self.slices = stroke_slices(self.points) if base else []
        self.flat = self.flattened(self.points)
        steps = np.hypot(*np.diff(self.flat, axis=0).T)[self.points[:-1, -1] < 0.5] if base else []
        usual = MEDIAN_STEP / float(np.median(steps)) if len(steps) and np.median(steps) > 0 else 1.0
        self.pace = PACE * float(np.clip(usual, SLOWEST, FASTEST))
        self.deviation = np.median(self.points[:, 2:5], axis=0) if base else np.array([0.1, 0.1, 0.0])
        places = composition.places
        self.strokes = [
            _Stroke(self.points[s], places[self.index[s]], np.arange(s.start, s.stop), k)
            for k, s in enumerate(self.slices)
        ]

    # ------------------------------------------------------------------------------------------------- coordinates

    def flattened(self, points):
        """Points [n, >= 2] in flat coordinates, [n, 2]."""
        y = points[:, 1] - self.metrics.baseline_at(points[:, 0])
        return np.column_stack([points[:, 0] + self.metrics.slant * y, y]) / self.x_height

    def unflattened(self, flat):
        """The reverse."""
        x, y = (np.asarray(flat) * self.x_height).T
        x = x - self.metrics.slant * y
        return np.column_stack([x, y + self.metrics.baseline_at(x)])

    def added(self, flat_strokes, place, base):
        """Strokes [m, 2] in flat coordinates as _Strokes of the character `place` of the text."""
        made = []
        for flat in flat_strokes:
            points = np.zeros((len(flat), 6))
            points[:, :2] = self.unflattened(flat)
            points[:, 2:5] = self.deviation
            points[-1, 5] = 1.0
            made.append(_Stroke(points, np.full(len(flat), place), np.full(len(flat), -1), base))
        return made

    # ------------------------------------------------------------------------------------------------ merged letters

    def merge_letters(self):
        """Moves the two base letters of æ and œ together, and all that stands to the right of them with the second."""
        composition = self.composition
        for u, recipe in self.recipes.items():
            if recipe.base not in MERGED:
                continue
            first, second = np.flatnonzero(composition.places == u)[:2]
            a, b = (self.letter(v) for v in (first, second))
            if a is None or b is None:
                continue
            start, end = a.centre + 0.3, b.centre - 0.3
            shift = min(b.centre - a.centre - BODY_GAP, 0.9 * (end - start))
            if shift <= 0:
                continue
            self.flat[:, 0] -= shift * np.clip((self.flat[:, 0] - start) / (end - start), 0.0, 1.0)
            moved = self.unflattened(self.flat)
            # The baseline is that of the places before, from which they differ by little.
            self.points[:, :2] = moved
        for stroke, own in zip(self.strokes, self.slices, strict=True):
            stroke.points = self.points[own]

    # --------------------------------------------------------------------------------------------------------- marks

    def letter(self, v, without=()):
        """The Letter of base character v; without the strokes whose numbers are given. None if it has no ink."""
        own = self.index == v
        for k in without:
            own[self.slices[k]] = False
        if not own.any():
            return None
        return Letter(self.composition.base[v], self.flat[own])

    def add_marks(self):
        """Adds the marks of all letters, and takes the dots of those i and j that lose them."""
        recipes = {u: r for u, r in self.recipes.items() if r.marks or r.dotless}
        if not recipes:
            return
        dots = self.dots()
        of_letter = {v: k for v, k in dots.items()}
        removed = {of_letter[v] for u, r in recipes.items() if r.dotless for v in self.base_of(u) if v in of_letter}
        own_ink = self.own_ink(list(dots.values()))
        ink = [self.flat[s] for k, s in enumerate(self.slices) if k not in removed]
        owner = [self.index[s] for k, s in enumerate(self.slices) if k not in removed]
        added: list[_Stroke] = []
        for u, recipe in recipes.items():
            v = int(self.base_of(u)[-1] if recipe.base.startswith("'") else self.base_of(u)[0])
            letter = self.letter(v, without=set(dots.values()))
            if letter is None:
                continue
            if len(recipe.base) > 1 and recipe.base[0] != "'":  # over the middle of both
                letter = letter.joined(self.letter(int(self.base_of(u)[-1]), without=set(dots.values())))
            after = self.follows(v, removed)
            for mark in recipe.marks:
                strokes = place_mark(mark, letter, ink, [o == v for o in owner], self.rng, self.pace, own_ink)
                added += self.added(strokes, u, after)
                ink += strokes
                owner += [np.full(len(stroke), -1) for stroke in strokes]
                letter = letter.with_mark(mark, strokes)
        kept = [stroke for stroke in self.strokes if stroke.base not in removed]
        # sorted() is stable: an added stroke comes after the one that it follows.
        self.strokes = sorted([*kept, *added], key=lambda stroke: stroke.base)

    def base_of(self, u):
        """The base characters of character u of the text, an array of places."""
        return np.flatnonzero(self.composition.places == u)

    def word_of(self, v):
        """(start, end) of the word of base character v."""
        base = self.composition.base
        end = base.find(" ", v)
        return base.rfind(" ", 0, v) + 1, len(base) if end < 0 else end

    def follows(self, v, removed):
        """The number of the stroke that the marks of base character v are written after."""
        start, end = self.word_of(v)
        typical = [int(np.median(self.index[s])) for s in self.slices]
        of_word = [k for k, w in enumerate(typical) if start <= w < end and k not in removed]
        holding = [k for k, s in enumerate(self.slices) if k not in removed and (self.index[s] == v).any()]
        if not of_word or not holding:
            return max(holding, default=len(self.slices) - 1)
        large = [k for k in of_word if np.ptp(self.flat[self.slices[k]], axis=0).max() > MAX_DOT]
        letters = sum(c.isalpha() for c in self.composition.base[start:end])
        if len(large) < JOINED * letters:
            return max(of_word[-1], holding[-1])
        return holding[-1]

    def dots(self):
        """Which stroke is the dot of which i or j: {base character: number of the stroke}."""
        base, found = self.composition.base, {}
        middles = np.array([self.flat[s].mean(axis=0) for s in self.slices])
        for start, end in {self.word_of(v) for v, c in enumerate(base) if c in "ij"}:
            letters = [v for v in range(start, end) if base[v] in "ij"]
            candidates = [
                k
                for k, s in enumerate(self.slices)
                if np.ptp(self.flat[s], axis=0).max() < MAX_DOT
                and -middles[k, 1] > DOT_ABOVE
                and start - 1 <= int(np.median(self.index[s])) <= end
                and base[int(np.median(self.index[s]))] not in "\"'*"
            ]
            stems = {}
            for v in letters:
                letter = self.letter(v, without=candidates)
                if letter is not None:
                    stems[v] = letter.top_x
            found |= _matched(stems, {k: middles[k, 0] for k in candidates})
        return found

    def own_ink(self, dots):
        """Strokes of the line that marks can be made of, in flat coordinates, by "dot", "tick" and "comma"."""
        ink: dict[str, list[NDArray]] = {"dot": [], "tick": [], "comma": []}
        for k, s in enumerate(self.slices):
            flat = self.flat[s]
            size, c = np.ptp(flat, axis=0), self.composition.base[int(np.median(self.index[s]))]
            if k in dots and size.max() < 0.3:
                ink["dot"].append(flat)
            elif c in "'," and 0.25 < size[1] < 0.9 and size[0] < 0.6:
                chord, way = np.hypot(*(flat[-1] - flat[0])), np.hypot(*np.diff(flat, axis=0).T).sum()
                if chord > 0.85 * way:
                    ink["tick" if c == "'" else "comma"].append(flat)
        return ink

    # --------------------------------------------------------------------------------------------------------- signs

    def with_signs(self):
        """All strokes, with the signs drawn between the words, which move apart for them."""
        composition, rng = self.composition, self.rng
        words = self.words()
        made: list[_Stroke] = []
        shift = 0.0  # in the unit of the line
        cursor = _Cursor(float(self.flat[:, 0].min()) if len(self.flat) else 0.0)
        for gap, strokes in zip(composition.gaps_of([count for count, _ in words]), [*(s for _, s in words), []]):
            signs = any(composition.text[u] != " " for u in gap)
            for u in gap if signs else []:
                c = composition.text[u]
                if c == " ":
                    cursor.space(WORD_GAP * rng.uniform(0.85, 1.15))
                    continue
                drawn = draw(SIGNS.get(c) or PUNCTUATION[c], rng, self.pace)
                if c == "/":  # in a hand that leans back an l or a 1 would stand there
                    lean = max(0.0, -self.metrics.slant)
                    drawn = [stroke - [[lean, 0.0]] * stroke[:, 1:] for stroke in drawn]
                drawn = cursor.place(drawn, CLOSE_GAP if c in CLOSE else WIDE_GAP if c == "+" else SIGN_GAP)
                base = made[-1].base if made else -1
                made += self.added(drawn, u, base)
            if strokes:
                flat = [self.flattened(stroke.points) for stroke in strokes]
                if signs:
                    moved = cursor.place(flat, None)
                    shift = float(moved[0][0, 0] - flat[0][0, 0]) * self.x_height
                else:
                    moved = [stroke + [shift / self.x_height, 0.0] for stroke in flat]
                    cursor.follow(moved)
                centre = np.concatenate([stroke.points[:, 0] for stroke in strokes]).mean()
                # Along the baseline, which goes on beyond the end of the line as it ended.
                down = float(self.metrics.baseline_at(centre + shift) - self.metrics.baseline_at(centre))
                for stroke in strokes:
                    stroke.points[:, :2] += [shift, down]
                made += strokes
        return made

    def words(self):
        """The words in their order: (number of base words, strokes); more than one base word if the pen joined them."""
        if not self.composition.base:
            return []
        words, strokes = [], list(self.strokes)
        last = 0
        index = character_index(self.phis)  # that of the strokes goes back, for dots and bars
        for word in split_words(WrittenText(self.composition.base, self.points, index), force=True):
            last += len(word.points)
            end = next((k for k, s in enumerate(self.slices) if s.stop >= last), len(self.slices) - 1)
            own = [stroke for stroke in strokes if stroke.base <= end]
            strokes = strokes[len(own) :]
            words.append((word.text.count(" ") + 1, own))
        return words


class _Cursor:
    """Where the next word or sign goes: behind all ink of its height."""

    def __init__(self, left):
        self.left, self.before = left, []
        self.gap = None  # of the spaces before what comes next
        self.next_gap = None  # that the last sign asks for

    def space(self, width):
        """A space of this width, in x-heights, before what comes next."""
        self.gap = (self.gap or 0.0) + width

    def follow(self, strokes):
        """Goes on behind strokes [m, 2] that are placed already."""
        self.before, self.gap = strokes, None

    def place(self, strokes, gap):
        """Strokes moved to where they go; `gap`: to what stands before and after, None: what that asks for."""
        gap = min((g for g in (gap, self.next_gap) if g is not None), default=SIGN_GAP)
        ink = np.concatenate(strokes)
        if not self.before:
            x = self.left - ink[:, 0].min()
        else:
            before = np.concatenate(self.before)
            x = self.behind(before, ink) + (gap if self.gap is None else self.gap)
        moved = [stroke + [x, 0.0] for stroke in strokes]
        # Two signs in a row: the second has to pass both.
        self.before = moved if self.gap is not None or not self.before else [*self.before, *moved]
        self.gap, self.next_gap = None, None if gap == SIGN_GAP else gap
        return moved

    @staticmethod
    def behind(before, ink):
        """How far ink has to move until its left edge is at the right edge of what stands before it, at its height."""
        distances = []
        for low in np.arange(min(before[:, 1].min(), ink[:, 1].min()), max(before[:, 1].max(), ink[:, 1].max()), 0.15):
            left = ink[(ink[:, 1] >= low - BAND) & (ink[:, 1] < low + BAND), 0]
            right = before[(before[:, 1] >= low - BAND) & (before[:, 1] < low + BAND), 0]
            if len(left) and len(right):
                distances.append(right.max() - left.min())
        body = before[(before[:, 1] > -1.3) & (before[:, 1] < 0.3), 0]
        # What stands above or below all ink before it (a raised digit, a quotation mark) still comes after most of it.
        least = (body if len(body) else before[:, 0]).max() - ink[:, 0].min() - 0.1
        return max([least, *distances])


def _matched(stems, dots):
    """Dots to stems, in order from left to right, as near as they can be: {stem: dot}.

    stems, dots: {key: x}, in x-heights.
    """
    stems, dots = (sorted(places.items(), key=lambda item: item[1]) for places in (stems, dots))
    cost = np.full((len(stems) + 1, len(dots) + 1), 0.0)
    cost[1:, 0] = DOT_BESIDE * np.arange(1, len(stems) + 1)
    choice = {}
    for i, (_, stem) in enumerate(stems, 1):
        for j, (_, dot) in enumerate(dots, 1):
            options = [
                (cost[i - 1, j - 1] + abs(dot - stem), "both"),
                (cost[i - 1, j] + DOT_BESIDE, "stem"),
                (cost[i, j - 1], "dot"),
            ]
            cost[i, j], choice[i, j] = min(options)
    found, i, j = {}, len(stems), len(dots)
    while i and j:
        if choice[i, j] == "both":
            found[stems[i - 1][0]] = dots[j - 1][0]
        i, j = i - (choice[i, j] != "dot"), j - (choice[i, j] != "stem")
    return found
