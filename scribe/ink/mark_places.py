"""Where the marks of a letter go: over, under, through or beside it, so that they touch nothing else. NumPy alone.

Flat coordinates: x-heights, the baseline at y = 0, y downwards, no slant (`scribe/ink/composing.py`). A height is
measured upwards from the baseline.
"""

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from scribe.ink.composed import BESIDE, OVER, PLACES, UNDER
from scribe.ink.shapes import MARKS, Way, as_chord, draw
from scribe.ink.typical import CAPITALS

ASCENDERS = frozenset("bdfhklt")
STEM_LAST = frozenset("aijmnu")  # small letters that end with a downstroke, and whose upstroke after it joins the next
GAP_SMALL, GAP_TALL = 0.3, 0.2  # from a letter to the mark over it
LEAST_HEIGHT = 1.22  # of the lower edge of a mark over a small letter
STACKED = 0.14  # from a mark to the next one over it
CLEAR = 0.24  # a pen is 0.14 x-heights wide, so ink that is nearer than that touches; marks keep somewhat more away
REACH = 2.5  # of the ink around a letter that counts
STEP = 0.07  # between places on a stroke whose distance to others is measured
# What moving a mark costs, for each x-height, beside its being too near to other ink.
ASIDE_COST, UPWARDS_COST, SMALLER_COST, TOUCHING_COST = 1.6, 0.7, 0.8, 14.0
UNDER_ITS_LETTER_COST = 1.2  # of a mark over a letter that has ink of it above itself: the letter is larger than usual
TALL_MARK = 0.88  # size of a mark over a tall letter
DOT_APART = 0.22  # between the two dots of a diaeresis, at least
BAR_OF_H, LEAST_WIDTH_OF_H = 0.77, 0.7  # height of the bar of a Ħ, as a share; x-heights


@dataclasses.dataclass
class Letter:
    """Where the parts of a letter are.

    Attributes:
        character: the base letter. ink: [n, 2], in flat coordinates. marked: whether a mark stands over it already.
        left, right: of its body. centre: where marks over it stand. top: height of its upper edge, or of the mark over
            it. top_x: where its highest place is. bottom: height of the lower edge of its body.
    """

    character: str
    ink: NDArray
    marked: bool = False

    def __post_init__(self):
        x, height = self.ink[:, 0], -self.ink[:, 1]
        tall = self.character in CAPITALS or self.character in ASCENDERS
        if not tall:
            x, height = _without_joins(x, height, self.character)
        # Ink of a neighbour's ascender may have been taken for the letter's own.
        body = (height > 0.1) & (height < (3.0 if tall else 1.3))
        if body.sum() < 3:
            body = np.ones(len(x), bool)
        self.left, self.right = (float(v) for v in np.percentile(x[body], [4, 96]))
        self.top = float(np.clip(height[body].max(), 1.4 if tall else 0.75, 2.9 if tall else 1.3))
        self.bottom = float(np.clip(height.min(), -0.25, 0.25))
        inside = np.flatnonzero(body)
        self.top_x = float(x[inside[np.argmax(height[inside])]])
        if self.character in "ij":
            self.top_x = float(x[_downstrokes(height)[-1][0]]) if _downstrokes(height) else self.top_x
        if self.character in "ij" or self.character in ASCENDERS or self.character == "L":
            self.centre = self.top_x
        elif self.character in CAPITALS:
            upper = body & (height > 0.45 * self.top)
            upper = upper if upper.any() else body
            self.centre = float(np.mean(np.percentile(x[upper], [4, 96])))
        else:
            self.centre = (self.left + self.right) / 2

    @property
    def tall(self) -> bool:
        """Whether it is a capital or has an ascender."""
        return self.character in CAPITALS or self.character in ASCENDERS

    def stem_at(self, height: float) -> float:
        """Where its stem is at a height: the leftmost ink of a capital, the ink nearest to the top of an ascender."""
        near = self.ink[np.abs(-self.ink[:, 1] - height) < 0.35, 0]
        if not len(near):
            return self.top_x
        if self.character in CAPITALS:
            return float(np.percentile(near, 8))
        return float(near[np.argmin(np.abs(near - self.top_x))])

    def cross_height(self) -> float:
        """The height at which its ink leads farthest to the side, such as the bar of a t; 1 of a stem alone."""
        height, x = -self.ink[:, 1], self.ink[:, 0]
        levels = np.arange(0.6, 1.6, 0.1)
        inside = [np.abs(height - level) < 0.15 for level in levels]
        widths = [np.ptp(x[own]) if own.any() else 0.0 for own in inside]
        return float(levels[int(np.argmax(widths))]) if max(widths) > 0.3 else 1.0

    def joined(self, other: "Letter | None") -> "Letter":
        """This letter and the one after it as one."""
        return self if other is None else Letter("a", np.concatenate([self.ink, other.ink]))

    def with_mark(self, mark: str, strokes: list[NDArray]) -> "Letter":
        """The letter with a mark over it, above which the next one goes."""
        if PLACES[mark] != OVER:
            return self
        higher = dataclasses.replace(self, marked=True)
        higher.top = max(-float(np.concatenate(strokes)[:, 1].min()), self.top)
        return higher


def _downstrokes(height):
    """(start, end) of the parts in which the pen goes down, all but the small ones."""
    falls = np.concatenate([[False], np.diff(height) < 0, [False]])
    starts = np.flatnonzero(~falls[:-1] & falls[1:])
    ends = np.flatnonzero(falls[:-1] & ~falls[1:])
    runs = [(int(a), int(b)) for a, b in zip(starts, ends)]
    largest = max((height[a] - height[b] for a, b in runs), default=0.0)
    return [(a, b) for a, b in runs if height[a] - height[b] >= max(0.5 * largest, 0.25)]


def _without_joins(x, height, character):
    """The letter without the upstrokes that join it to its neighbours: before its first downstroke, and, where it ends
    with a stem, after its last one."""
    runs = _downstrokes(height)
    if not runs:
        return x, height
    start, end = runs[0][0], runs[-1][1] + 1 if character in STEM_LAST else len(x)
    return x[start:end], height[start:end]


def place_mark(
    mark: str,
    letter: Letter,
    ink: list[NDArray],
    own: list[NDArray],
    rng: np.random.Generator,
    pace: float,
    own_ink: dict[str, list[NDArray]],
) -> list[NDArray]:
    """The strokes of a mark at its place.

    Args:
        mark: a name of `composed.PLACES`. letter: that it belongs to. ink: all strokes [m, 2] of the line so far. own:
            for each of them, bool [m], whether the point is the letter's. rng: a NumPy Generator. pace: as in
            `shapes.draw`. own_ink: strokes of the line that marks can be made of, under "dot", "tick" and "comma".

    Returns:
        strokes [m, 2] in flat coordinates.
    """
    place = PLACES[mark]
    strokes = _made_of(mark, letter, rng, pace, own_ink)
    x, height = _anchor(mark, letter)
    size = TALL_MARK if letter.tall and place == OVER else 1.0
    near = _dense(ink, own, letter.centre, keep_own=place in (OVER, BESIDE))
    asides = (0.0, 0.1, -0.1, 0.2, -0.2, 0.32, -0.32)
    if place == OVER:
        ups, smaller = (0.0, 0.12, 0.25, 0.4, 0.6, 0.8), (1.0, 0.8)
    elif place == BESIDE:
        asides, ups, smaller = (0.0, 0.1, 0.2, 0.3, -0.08), (0.0, 0.15, 0.3, 0.5, -0.15), (1.0, 0.75)
    elif place == UNDER:
        ups, smaller = (0.0, -0.1, -0.2), (1.0, 0.8)
        asides = (0.0, 0.1, -0.1, 0.2, -0.2)
    else:
        asides, ups, smaller = (0.0, 0.06, -0.06), (0.0, 0.12, -0.12), (1.0, 0.85, 0.7, 0.55)
        smaller = smaller[:2] if mark == "slash" else smaller  # a shorter one is within its letter
    best = (np.inf, strokes)
    for shrink, up, aside in itertools.product(smaller, ups, asides):
        placed = [stroke * (size * shrink) + [x + aside, -(height + up)] for stroke in strokes]
        cost = ASIDE_COST * abs(aside) + UPWARDS_COST * abs(up) + SMALLER_COST * (1 - shrink)
        if cost < best[0]:
            cost += TOUCHING_COST * max(CLEAR - _distance(placed, near), 0.0)
            if place == OVER and _is_under(placed, letter.ink):
                cost += UNDER_ITS_LETTER_COST
            best = min(best, (cost, placed), key=lambda pair: pair[0])
    return best[1]


def _is_under(strokes, ink):
    """Whether some of the ink [n, 2] is above strokes, at their place in the line."""
    mark = np.concatenate(strokes)
    beside = (ink[:, 0] < mark[:, 0].min() - CLEAR) | (ink[:, 0] > mark[:, 0].max() + CLEAR)
    return bool((ink[~beside, 1] < mark[:, 1].min()).any())


def _anchor(mark, letter):
    """(x, height) of the origin of a mark."""
    place = PLACES[mark]
    if place == OVER:
        if letter.marked:
            return letter.centre, letter.top + STACKED
        return letter.centre, letter.top + GAP_TALL if letter.tall else max(letter.top + GAP_SMALL, LEAST_HEIGHT)
    if mark == "ogonek":
        x, y = letter.ink.T
        low = x[(-y < 0.3) & (x < letter.right + 0.1)]
        if letter.character in "aAEuU" and len(low):  # at its last foot
            return float(np.percentile(low, 90)), letter.bottom
        return float(x[np.argmax(np.where(x < letter.right + 0.1, y, -9.0))]), letter.bottom
    if mark == "apostrophe":
        return letter.top_x + (0.42 if letter.character != "L" else 0.5), letter.top - 0.5
    if mark == "horn":
        return letter.right, letter.top - 0.1
    if mark == "middle dot":
        return letter.right + 0.3, 0.7
    if place == UNDER:
        middle = (letter.left + letter.right) / 2
        deep = -float(letter.ink[:, 1].max())
        attached = mark == "cedilla"
        return middle, letter.bottom if attached else min(letter.bottom, max(deep, -1.4)) - 0.16
    if mark == "slash":
        return (letter.left + letter.right) / 2, letter.top / 2
    height = _height_through(letter)
    if letter.character == "H":
        return letter.left + _width_of_h(letter) / 2, height
    return letter.stem_at(height), height


def _height_through(letter):
    """The height of a bar or short slash through a letter; capitals and ascenders are of any height."""
    low, top = letter.bottom, letter.top
    if letter.character == "H":  # between its own bar and its upper end
        return low + BAR_OF_H * (top - low)
    if letter.character in CAPITALS or letter.character == "l":
        return (low + top) / 2
    if letter.character == "t":  # well below its own bar
        return float(np.clip(0.55 * letter.cross_height(), 0.35, 0.62))
    if letter.character == "g":
        return -0.5
    return (low + 1.0 + top) / 2  # in the middle of what is above the small letters


def _width_of_h(letter):
    """The width of an H, also of one whose second stem was taken for the next letter's."""
    return max(letter.right - letter.left, LEAST_WIDTH_OF_H)


def _made_of(mark, letter, rng, pace, own_ink):
    """The strokes of a mark around its origin: of the line's own ink where it has some that fits, else drawn."""
    if mark == "slash":  # from corner to corner
        half = np.array([(letter.right - letter.left) / 2 + 0.14, letter.top / 2 + 0.16])
        return draw([Way(np.array([half, -half]), False)], rng, pace)
    if mark == "bar" and letter.character == "H":
        half = _width_of_h(letter) / 2 + 0.15
        return draw([Way(np.array([[-half, 0.0], [half, 0.02]]), False)], rng, pace)
    shape = MARKS[mark]
    if all(len(way.corners) == 1 for way in shape) and own_ink["dot"]:
        dots = [own_ink["dot"][k] for k in rng.integers(len(own_ink["dot"]), size=len(shape))]
        dots = [(dot - dot.mean(axis=0)) * rng.uniform(0.85, 1.1) for dot in dots]
        width = max(np.ptp(dot[:, 0]) for dot in dots)
        apart = max((width + DOT_APART) / 0.48, 1.0) if len(shape) > 1 else 1.0
        middles = [way.corners[0] * [apart, -1.0] + rng.normal(0.0, 0.03, 2) for way in shape]
        return [dot + middle for dot, middle in zip(dots, middles, strict=True)]
    kind = {"acute": "tick", "grave": "tick", "comma": "comma", "apostrophe": "tick"}.get(mark)
    pool = own_ink["tick"] + own_ink["comma"] if kind == "comma" else own_ink.get(kind or "", [])
    if pool:
        (way,) = shape
        start, end = (way.corners[k] * [1, -1] + rng.normal(0.0, 0.02, 2) for k in (0, -1))
        return [as_chord(pool[rng.integers(len(pool))], start, end)]
    return draw(shape, rng, pace)


def _dense(ink, own, centre, keep_own):
    """Places [k, 2] along all ink near to a letter, STEP apart; without the letter's own unless `keep_own`."""
    places = [np.zeros((0, 2))]
    for stroke, mine in zip(ink, own, strict=True):
        if stroke[:, 0].min() > centre + REACH or stroke[:, 0].max() < centre - REACH:
            continue
        counts = np.maximum(np.ceil(np.hypot(*np.diff(stroke, axis=0).T) / STEP), 1).astype(int)
        which = np.repeat(np.arange(len(counts)), counts)
        u = (np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)) / np.repeat(counts, counts)
        between = stroke[:-1][which] + u[:, None] * np.diff(stroke, axis=0)[which]
        kept = np.ones(len(which), bool) if keep_own else ~(mine[:-1] | mine[1:])[which]
        places.append(between[kept])
        if keep_own or not mine[-1]:
            places.append(stroke[-1:])
    near = np.concatenate(places)
    return near[np.abs(near[:, 0] - centre) < REACH]


def _distance(strokes, places):
    """The smallest distance between strokes and places [k, 2]; infinite where there are none."""
    if not len(places):
        return np.inf
    points = np.concatenate(strokes)
    box = (points.min(axis=0) - CLEAR, points.max(axis=0) + CLEAR)
    near = places[((places >= box[0]) & (places <= box[1])).all(axis=1)]
    if not len(near):
        return np.inf
    dense = np.concatenate([_dense([s], [np.zeros(len(s), bool)], s[0, 0], True) for s in strokes])
    return float(np.sqrt(((dense[:, None] - near[None]) ** 2).sum(axis=2).min()))
