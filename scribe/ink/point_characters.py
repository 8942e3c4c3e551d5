"""Which character of a text a pen point belongs to, and the box around each character's ink. NumPy alone.

    from scribe.ink.point_characters import assign_characters, character_boxes
    index = assign_characters(strokes, phis, text)
    boxes = character_boxes(strokes, index, len(text))

The network weights every character of the text at every pen point (its attention, phis). Three functions tell from that
which character a point belongs to; take

`attended_characters`  to judge the attention itself (failures, statistics): the character with the largest weight, even
                       where the attention goes back or jumps
`character_index`      to set a line on a page: the best sequence that never goes back, so a point that strays does not
                       end a word too early
`assign_characters`    where every character needs its own ink (boxes of a data set): looks at the strokes as well, and
                       costs most

What the third adds: the attention rests on a space while the pen ends the word before or begins the next; where the pen
lifts between two characters it is often a few points early or late; and it has gone on when the pen comes back to dot
an i or to cross a t. So boundaries between characters are drawn to the pen lifts near them, and a stroke that comes
back belongs to the character that it stands over.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from scribe.console import shortened
from scribe.ink.strokes import checked_strokes, stroke_slices
from scribe.ink.typical import CROSSED, DOTTED
from scribe.ink.x_height import x_height_of_characters

WEIGHT_FLOOR = 1e-3  # of the attention, so that no single point can forbid what all others say
# What a step costs, in nats: to the next character while the pen is down, from letter to letter and otherwise (a pen
# joins letters, and hardly ever signs or digits); and leaving a character out.
JOINED_LETTERS_COST, JOINED_OTHERS_COST, OMISSION_COST = 5.0, 15.0, 8.0
MAX_OMISSIONS = 2  # characters in a row
# In x-heights: the size of a dot, the height of a crossing, and how far a dot may stand beside its letter.
MAX_DOT_SIZE, MAX_BAR_HEIGHT, MAX_DOT_DISTANCE = 0.6, 0.7, 0.8
# In x-heights: how much closer a stroke has to be to the new character than to its own before it is moved; to a letter
# before it that takes dots or crossings, and to a neighbour; and what is added to the latter where the stroke is most
# of its own character.
LATE_STROKE_MARGIN, NEIGHBOUR_MARGIN, MAIN_STROKE_MARGIN = 0.25, 0.8, 0.6


def attended_characters(phis: NDArray) -> NDArray:
    """The character that has the largest weight at every pen point.

    Args:
        phis: [n, U] weights of the characters (eq. 46).

    Returns:
        int [n], 0 to U - 1.
    """
    return np.argmax(phis, axis=1)


def character_index(phis: ArrayLike) -> NDArray:
    """The character that every pen point belongs to, never going back.

    The most probable sequence of characters that only moves forward: a single point whose attention jumps elsewhere
    does not tear the rest of the line along, as a running maximum would.

    Args:
        phis: [n, U], the weight of every character at every point, not negative.

    Returns:
        int [n], 0 to U - 1, non-decreasing.

    Raises:
        ValueError: there are no characters, or a weight is not a finite number.
    """
    phis = np.asarray(phis, float)
    if phis.ndim != 2 or not phis.shape[1]:
        raise ValueError(f"phis should be [points, characters], but their shape is {phis.shape}.")
    if not np.isfinite(phis).all():
        raise ValueError("phis hold a weight that is not a finite number.")
    n, U = phis.shape
    best = phis.argmax(axis=1)
    if n == 0 or (np.diff(best) >= 0).all():  # the usual case; and then it is the best sequence
        return best
    score = _log_shares(phis, phis.sum(axis=1))
    came_from = np.zeros((n, U), int)
    running = score[0]
    for t in range(1, n):
        highest = np.maximum.accumulate(running)
        new_maximum = np.concatenate([[True], running[1:] > highest[:-1]])
        came_from[t] = np.maximum.accumulate(np.where(new_maximum, np.arange(U), 0))
        running = highest + score[t]
    index = np.zeros(n, int)
    index[-1] = int(running.argmax())
    for t in range(n - 1, 0, -1):
        index[t - 1] = came_from[t, index[t]]
    return index


def assign_characters(strokes: ArrayLike, phis: ArrayLike, text: str) -> NDArray:
    """The character that every pen point belongs to; never a space, and later ones only go back for whole strokes.

    Args:
        strokes: [n, 3] or [n, 6]: x, y (absolute, y grows downwards), ..., pen lift. phis: [n, U], the weight of every
            character at every point. text: U characters, not only spaces.

    Returns:
        int [n].

    Raises:
        ValueError: shapes that do not belong together, or numbers that are not finite.
    """
    return assign_characters_of([(strokes, phis, text)])[0]


def assign_characters_of(lines: Sequence[tuple[ArrayLike, ArrayLike, str]]) -> list[NDArray]:
    """`assign_characters` of several lines, which takes a fraction of the time that they take one by one.

    Args:
        lines: strokes, phis and text of each.

    Raises:
        ValueError: as `assign_characters`.
    """
    checked = [_checked(*line) for line in lines]
    if not checked:
        return []
    found = []
    for (points, _, text), index in zip(checked, _forward_of([_lattice(*line) for line in checked]), strict=True):
        inked = np.array([u for u, c in enumerate(text) if c != " "], int)
        line = _Line(points, inked[index], text, x_height_of_characters(points, inked[index], text))
        line.move_strokes()
        found.append(line.index)
    return found


def _checked(strokes, phis, text):
    """Points [n, 3], phis as float64, and the text."""
    quoted = shortened(repr(text))
    points = checked_strokes(strokes, f"the line {quoted}")
    phis = np.asarray(phis, float)
    if phis.shape != (len(points), len(text)):
        raise ValueError(f"phis of {quoted} should be {(len(points), len(text))}, but their shape is {phis.shape}.")
    if not np.isfinite(phis).all():
        raise ValueError(f"phis of {quoted} hold a weight that is not a finite number.")
    if not text.strip(" "):
        raise ValueError("a text of spaces alone has no ink.")
    return points, phis, text


def _lattice(points, phis, text):
    """What `_forward_of` takes of a line; C characters with ink: log shares [n, C], pen lifts, bool [n], and what it
    costs to come to each of the characters while the pen is down [C]."""
    inked = [u for u, c in enumerate(text) if c != " "]
    joined = [JOINED_LETTERS_COST if text[v - 1 : v + 1].isalpha() else JOINED_OTHERS_COST for v in inked]
    return _log_shares(phis[:, inked], phis.sum(axis=1)), points[:, 2] > 0.5, np.array(joined)


def _log_shares(weights, total):
    """The logarithm of the share of each weight [n, C] in the total [n] of its point."""
    return np.log(weights / np.where(total > 0, total, 1.0)[:, None] + WEIGHT_FLOOR)


def _forward_of(lattices):
    """The most probable sequence of characters of each line that never goes back: int [n] of each.

    Lines are computed side by side, B of them; those with fewer points or characters are filled up.
    """
    B, n = len(lattices), max(len(score) for score, _, _ in lattices)
    C = max(len(joined) for _, _, joined in lattices)
    scores, reach = np.full([n, B, C], -np.inf), MAX_OMISSIONS + 2
    moved = np.arange(reach)[:, None]
    leaps = np.maximum(moved - 1, 0) * OMISSION_COST
    costs = np.zeros([n, B, reach, C])  # of coming to a character of a point by 0, 1, ... characters
    for b, (score, lifts, joined) in enumerate(lattices):
        scores[: len(score), b, : len(joined)] = score
        down = leaps + (moved > 0) * np.pad(joined, (0, C - len(joined)))
        costs[1 : len(lifts), b] = np.where(lifts[:-1, None, None], leaps, down)
    scores[0] -= OMISSION_COST * np.arange(C)
    came_from = np.zeros((n, B, C), np.int8)
    reached = np.empty([n, B, C])
    reached[0] = scores[0]
    padded = np.full([B, reach - 1 + C], -np.inf)
    before = sliding_window_view(padded, C, axis=1)[:, ::-1]  # [B, reach, C]: the scores, moved by 0, 1, ... characters
    for t in range(1, n):
        padded[:, reach - 1 :] = reached[t - 1]
        candidates = before - costs[t]
        came_from[t] = candidates.argmax(axis=1)
        np.add(candidates.max(axis=1), scores[t], out=reached[t])
    found = []
    for b, (score, _, joined) in enumerate(lattices):
        points, characters = len(score), len(joined)
        index = np.zeros(points, int)
        at_end = reached[points - 1, b, :characters] - OMISSION_COST * np.arange(characters)[::-1]
        index[-1] = int(at_end.argmax())
        for t in range(points - 1, 0, -1):
            index[t - 1] = index[t] - came_from[t, b, index[t]]
        found.append(index)
    return found


@dataclasses.dataclass
class _Line:
    """A line whose strokes are moved to other characters: points [n, 3], index [n], text, and its x-height."""

    points: NDArray
    index: NDArray
    text: str
    unit: float

    def move_strokes(self):
        """Gives whole strokes to the character that they stand over, where the attention was at another one.

        First dots and crossings that come late; then strokes at the end of a word during which the attention was at the
        next word already, or the other way round. The stroke that gains most is moved first, once and for all: it may
        be the reason why another one seemed misplaced.
        """
        strokes = [s for s in stroke_slices(self.points) if (self.index[s] == self.index[s.start]).all()]
        for late in (True, False):
            moves = {k: self.best_move(stroke, late) for k, stroke in enumerate(strokes)}
            for _ in strokes:
                k = max(moves, key=lambda k: moves[k][0], default=None)
                if k is None or moves[k][0] <= 0:
                    break
                touched = {int(self.index[strokes[k].start]), moves[k][1]}
                self.index[strokes[k]] = moves.pop(k)[1]
                for j in moves:
                    u = int(self.index[strokes[j].start])
                    if any(abs(u - v) <= 2 for v in touched):
                        moves[j] = self.best_move(strokes[j], late)

    def best_move(self, stroke, late):
        """(gain in x-heights, character) of the best other character for a stroke; without one the gain is negative.

        late: looks among the characters before for one that takes dots or crossings, else among the two neighbours.
        """
        u = int(self.index[stroke.start])
        best = (-np.inf, u)
        size = stroke.stop - stroke.start
        others = np.count_nonzero(self.index == u) - size
        if not others:
            return best
        inked = [v for v, c in enumerate(self.text) if c != " "]
        width, height = np.ptp(self.points[stroke, :2], axis=0) / self.unit
        dot, bar = max(width, height) < MAX_DOT_SIZE, height < MAX_BAR_HEIGHT and width > height
        k = inked.index(u)
        if late:
            takers = (DOTTED if dot else frozenset()) | (CROSSED if bar else frozenset())
            word_before = self.text.rfind(" ", 0, max(self.text.rfind(" ", 0, u), 0)) + 1
            candidates = [v for v in inked[:k] if v >= word_before and self.text[v] in takers]
            margin = LATE_STROKE_MARGIN
        else:
            candidates = inked[max(k - 1, 0) : k] + inked[k + 1 : k + 2]
            margin = NEIGHBOUR_MARGIN if others > size else NEIGHBOUR_MARGIN + MAIN_STROKE_MARGIN
        here = self.distance(u, stroke, late and bar)[0] if candidates else 0.0
        for v in candidates if here > margin else ():  # nothing is nearer than no distance
            away, above = self.distance(v, stroke, late and bar)
            if late and dot and (above < -0.1 or away > MAX_DOT_DISTANCE):  # beside the stem: not its dot
                continue
            best = max(best, (here - away - margin, v))
        return best

    def distance(self, u, stroke, bar):
        """(how far the middle of a stroke is from the other ink of character u, infinite where there is none; how far
        above the lower end of that ink's highest quarter), in x-heights. Left and right count; for a bar also up and
        down.
        """
        own = self.index == u
        own[stroke] = False
        if not own.any():
            return np.inf, 0.0
        (x, y), middle = self.points[own, :2].T, self.points[stroke, :2].mean(axis=0)
        away = max(x.min() - middle[0], middle[0] - x.max(), 0.0)
        if bar:  # that of a T stands over the letter after it, too, but higher
            away += 0.5 * max(y.min() - middle[1], middle[1] - y.max(), 0.0)
        return away / self.unit, (y.min() + 0.25 * np.ptp(y) - middle[1]) / self.unit


def character_boxes(points: NDArray, index: NDArray, count: int) -> NDArray:
    """The box around the ink of every character.

    Args:
        points: [n, 2 or more], x and y first. index: int [n], the character of every point. count: U.

    Returns:
        float [U, 4]: left, top, right, bottom, in the unit of the points; NaN where a character has no ink.
    """
    boxes = np.full((count, 4), np.nan)
    for u in range(count):
        own = points[index == u, :2]
        if len(own):
            boxes[u] = [*own.min(axis=0), *own.max(axis=0)]
    return boxes
