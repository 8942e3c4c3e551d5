"""Written segments as words that are ready to be set: straightened, of one x-height, measured. NumPy alone.

from scribe.pages.ready_words import ready_paragraphs
paragraphs = ready_paragraphs([[Segment(...)]], PageStyle(x_height_mm=2.5))
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from scribe.ink.composed import base_letter
from scribe.ink.measure import Metrics, measure_line, straighten
from scribe.ink.typical import CAPITALS, DIGIT_HEIGHT, DIGITS, LARGE_ON_BASELINE, TALL_HEIGHT
from scribe.ink.words import Segment, split_words
from scribe.pages.page_style import WORD_SPACE, PageStyle

# How far a single line may differ in scale from its hand. A line of few letters stays nearer to its hand.
MAX_SCALING, SURE_LETTERS = 1.25, 6.0
MAX_SHEARING, SURE_DOWNS = 0.5, 8.0
# A gap between two words of a segment is kept as it was written, within these multiples of the hand's word space.
MIN_GAP, MAX_GAP = 0.4, 1.6
# A word whose letters stand off the baseline by more than OFF_BASELINE x-heights is moved there, by MOST_MOVED at most;
# a number or a word in capitals whose height differs from the usual one by more than OFF_HEIGHT is resized towards it.
OFF_BASELINE, MOST_MOVED = 0.15, 0.8
OFF_HEIGHT, MAX_RESIZING = 0.2, 1.3
# A word whose small letters are larger than those of its hand by more than a factor exp(EVEN) is brought that near. The
# network begins a line in a size of its own, often a large one, and finds that of the hand after some words; on a page,
# where such beginnings come to stand within lines, that looks as if words were shouted. Words that measure small are
# left alone: of "to" and "of" little tells the x-height. So many letters say half.
EVEN, MAX_EVENING, HALF_SURE_LETTERS = 0.06, 1.6, 1.0


@dataclasses.dataclass
class Hand:
    """Measures of one hand: x-height and slant in the units of its segments, word space in x-heights."""

    x_height: float
    slant: float
    word_space: float


@dataclasses.dataclass
class SetWord:
    """A word ready to be set: x-heights become mm, baseline at y = 0, left edge at x = 0."""

    text: str
    points: NDArray[np.floating]
    index: NDArray[np.integer]
    left: float  # of the body, the part between baseline and x-height, where the eye sees the gap between words
    right: float
    width: float  # of all its ink
    gap: float | None  # body to body to the word before as it was written, in mm; None at the beginning of a segment
    space: float  # of the hand, in mm
    ink: str | None
    joint: str = " "  # what stands before it: a space, or a joint within a word ("", or "-" if a line breaks there)
    mark: str = ""  # "underlined" or "crossed"

    def resized(self, factor: float) -> "SetWord":
        """The same word larger or smaller."""
        points = self.points * [factor, factor, 1.0]
        left, right, width = (factor * v for v in (self.left, self.right, self.width))
        return dataclasses.replace(self, points=points, left=left, right=right, width=width)


def ready_paragraphs(paragraphs: Iterable[Iterable[Segment]], style: PageStyle, width: float) -> list[list[SetWord]]:
    """The words of each paragraph.

    Args:
        paragraphs: lists of Segments. style: of the pages. width: of a line, in mm: what is wider is cut at its spaces
            even where the words could hardly be told apart.
    """
    paragraphs = [list(paragraph) for paragraph in paragraphs]
    measured = [[_metrics(segment) for segment in paragraph] for paragraph in paragraphs]
    hands = _measure_hands(paragraphs, measured)
    ready = []
    for paragraph, metrics in zip(paragraphs, measured, strict=True):
        words: list[SetWord] = []
        for segment, m in zip(paragraph, metrics, strict=True):
            own = _ready_words(segment, m, hands[segment.hand], style)
            if any(word.width > width and " " in word.text for word in own):  # words that could not be told apart
                own = _ready_words(segment, m, hands[segment.hand], style, force=True)
            words += own
        ready.append(words)
    return ready


def _metrics(segment) -> Metrics:
    """The measures of a segment: what is composed has been measured without what was added to it."""
    return segment.metrics or measure_line(segment.points, segment.text, segment.index)


def _measure_hands(paragraphs, measured):
    by_hand = {}
    for paragraph, metrics in zip(paragraphs, measured, strict=True):
        for segment, m in zip(paragraph, metrics, strict=True):
            pair = by_hand.setdefault(segment.hand, ([], []))
            pair[0].append(segment)
            pair[1].append(m)
    return {hand: _hand(segments, metrics) for hand, (segments, metrics) in by_hand.items()}


def _hand(segments, measured):
    sure = [m for m in measured if m.x_height]
    if sure:
        x_height = _weighted_median([m.x_height for m in sure], [m.letters for m in sure])
    else:  # punctuation alone: as tall as the writing is
        x_height = max(float(np.median([np.ptp(np.asarray(s.points)[:, 1]) for s in segments])), 1e-3)
    leaning = [m for m in measured if m.downs > 0]
    slant = _weighted_median([m.slant for m in leaning], [m.downs for m in leaning]) if leaning else 0.0
    gaps = []
    for segment, m in zip(segments, measured, strict=True):
        bodies = [_body(points, x_height) for points, _ in _flat_words(segment, m, m.slant)]
        gaps += [(after[0] - before[1]) / x_height for before, after in zip(bodies, bodies[1:])]
    space = float(np.clip(np.median(gaps), 0.6 * WORD_SPACE, 1.6 * WORD_SPACE)) if len(gaps) >= 3 else WORD_SPACE
    return Hand(x_height, slant, space)


def _weighted_median(values, weights):
    order = np.argsort(values)
    values, weights = np.asarray(values, float)[order], np.asarray(weights, float)[order]
    cumulated = np.cumsum(weights) - 0.5 * weights
    return float(np.interp(0.5 * weights.sum(), cumulated, values))


def _flat_words(segment, metrics, slant, flat=True, force=False):
    """(points [m, 3], Word) of each word of a segment, the baseline at y = 0; tilt and drift stay in unless `flat`."""
    level = metrics.baseline_at(metrics.centre)  # one for the whole segment, where tilt and drift are to stay
    for word in split_words(segment, force):
        if flat:
            points = straighten(word.points, metrics, slant)
        else:
            points = word.points.copy()
            points[:, 1] -= level
        yield points, word


def _body(points, x_height):
    """(left, right) of the ink around baseline and x-height; of all ink where there is none."""
    y = points[:, 1]
    inside = points[(y > -1.3 * x_height) & (y < 0.3 * x_height), 0]
    x = inside if len(inside) else points[:, 0]
    return float(x.min()), float(x.max())


def _ready_words(segment, metrics, hand, style, force=False):
    scale = style.x_height_mm / hand.x_height
    slant = metrics.slant
    if style.straighten:
        if metrics.x_height:
            trust = metrics.letters / (metrics.letters + SURE_LETTERS)
            scale *= float(np.clip((hand.x_height / metrics.x_height) ** trust, 1 / MAX_SCALING, MAX_SCALING))
        trust = metrics.downs / (metrics.downs + SURE_DOWNS)
        slant += float(np.clip(trust * (hand.slant - metrics.slant), -MAX_SHEARING, MAX_SHEARING))
    words, before, first = [], None, 0
    space = hand.word_space * style.x_height_mm
    # Several pieces of a word, or several words, that could not be told apart count for their first one.
    force = force or any(joint != " " for joint in segment.joints)
    for points, word in _flat_words(segment, metrics, slant, style.straighten, force):
        points[:, :2] *= scale
        if style.straighten:
            points = _settled(points, word, style.x_height_mm)
        left, right = _body(points, style.x_height_mm)
        gap = None
        if before is not None:
            gap = float(np.clip(left - before, MIN_GAP * space, MAX_GAP * space))
        before = right
        if style.straighten:
            points = _evened(points, word, style.x_height_mm)
            left, right = _body(points, style.x_height_mm)
        edge = float(points[:, 0].min())
        points[:, 0] -= edge
        width = float(points[:, 0].max())
        ready = SetWord(word.text, points, word.index, left - edge, right - edge, width, gap, space, segment.ink)
        if segment.joints:
            ready.joint, ready.mark = segment.joints[first], segment.marks[first]
            ready.text = _joined_text(word.text, segment.joints[first + 1 :])
            if len(ready.text) != len(word.text):
                ready.index = _joined_index(word, segment.joints[first + 1 :])
        first += word.text.count(" ") + 1
        words.append(ready)
    return words


def _evened(points, word, unit):
    """A word no larger than its hand writes; `unit` is the x-height that it should have."""
    if not any(base_letter(c).islower() for c in word.text):  # numbers and capitals: see `_settled`
        return points
    measured = measure_line(points, word.text, word.index)
    if not measured.x_height:
        return points
    away = np.log(measured.x_height / unit) * measured.letters / (measured.letters + HALF_SURE_LETTERS)
    if away <= EVEN:
        return points
    edge = [points[:, 0].min(), 0.0]
    points = points.copy()
    points[:, :2] = edge + (points[:, :2] - edge) / min(np.exp(away - EVEN), MAX_EVENING)
    return points


def _settled(points, word, unit):
    """A word moved to the baseline, and a number or a word in capitals in the size of its line."""
    letters = [base_letter(c) for c in word.text]
    own = [(c, points[word.index == u, 1]) for u, c in enumerate(letters) if c in LARGE_ON_BASELINE]
    own = [(c, y) for c, y in own if len(y) >= 4]
    if not own:
        return points
    points = points.copy()
    large = [(DIGIT_HEIGHT if c.isdigit() else TALL_HEIGHT, np.ptp(y) / unit) for c, y in own if c in CAPITALS + DIGITS]
    if len(large) == len(own):
        ratio = float(np.median([height / usual for usual, height in large]))
        if abs(ratio - 1) > OFF_HEIGHT:
            edge = [points[:, 0].min(), 0.0]
            points[:, :2] = edge + (points[:, :2] - edge) * np.clip(1 / ratio, 1 / MAX_RESIZING, MAX_RESIZING)
    away = float(np.median([np.percentile(points[word.index == u, 1], 95) for u, c in enumerate(letters)
                            if c in LARGE_ON_BASELINE and (word.index == u).sum() >= 4])) / unit  # fmt: skip
    if abs(away) > OFF_BASELINE:
        # The fewer letters, the less they say about where the word stands.
        points[:, 1] -= np.clip(away, -MOST_MOVED, MOST_MOVED) * unit * len(own) / (len(own) + 0.5)
    return points


def _joined_text(text, joints):
    """The text of pieces that could not be told apart, as it is read."""
    first, *others = text.split(" ")
    return first + "".join((" " if joint == " " else "") + part for joint, part in zip(joints, others))


def _joined_index(word, joints):
    """The index of pieces that could not be told apart, in their joined text."""
    removed, k = np.zeros(len(word.text) + 1, int), 0
    for u, c in enumerate(word.text):
        if c == " ":
            removed[u + 1 :] += joints[k] != " "
            k += 1
    return np.where(word.index < 0, -1, word.index - removed[np.maximum(word.index, 0)])
