"""Written segments as words that are ready to be set: straightened, of one x-height, measured. NumPy alone.

from scribe.pages.ready_words import ready_paragraphs
paragraphs = ready_paragraphs([[Segment(...)]], PageStyle(x_height_mm=2.5), width=150.0)
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from scribe.ink.composed import base_letter
from scribe.ink.measure import Metrics, measure_line, straighten
from scribe.ink.strokes import stroke_slices
from scribe.ink.typical import (
    CAPITALS,
    DESCENDING,
    DIGIT_HEIGHT,
    DIGITS,
    DOTTED,
    LARGE_ON_BASELINE,
    SMALL,
    TALL,
    TALL_HEIGHT,
)
from scribe.ink.words import ENDS_WORD, Segment, split_words
from scribe.pages.page_style import WORD_SPACE, PageStyle

# How far a single line may differ in scale from its hand. A line of few letters stays nearer to its hand.
MAX_SCALING, SURE_LETTERS = 1.25, 6.0
MAX_SHEARING, SURE_DOWNS = 0.5, 8.0
# A gap between two words of a segment is kept as it was written, within these multiples of the hand's word space. Where
# it is narrower than LEAST_GAP x-heights, two words read as one, whatever the hand.
MIN_GAP, MAX_GAP, LEAST_GAP = 0.5, 1.6, 1.1
# A word whose letters stand off the baseline by more than OFF_BASELINE x-heights is moved there, by MOST_MOVED at most;
# a number or a word in capitals whose height differs from the usual one by more than OFF_HEIGHT is resized towards it.
OFF_BASELINE, MOST_MOVED = 0.15, 0.8
OFF_HEIGHT, MAX_RESIZING = 0.2, 1.3
# The network begins a line in a size of its own, often a large one, and finds that of the hand after some words; on a
# page, where such beginnings come to stand within lines, that looks as if words were shouted. So words are brought to
# the size of their hand: a stretch of a segment (NEAR letters on each side) all the way, and a word that differs from
# its stretch by more than a factor exp(EVEN) that near. The size of a letter is its height beside what it usually is in
# this hand, of which USUAL_LETTERS letters say half; so many letters of a word, or of a stretch, say half of its size.
# In all, a word is shrunk by MAX_EVENING after its line was scaled, and grows by MAX_GROWING, at most.
EVEN, NEAR, HALF_SURE_WORD, HALF_SURE_STRETCH, MAX_EVENING, MAX_GROWING = 0.06, 5.0, 1.0, 1.0, 1.6, 1.4
# What ends a word stands so many x-heights from its last letter at most: of what is written, one in four is farther
# away, one in twenty by half as much again.
FARTHEST_END = 0.9
USUAL_LETTERS, LARGEST_AWAY = 2.0, 0.4  # of a letter counts no more than so much, as a logarithm
SIZED = (SMALL | TALL | DESCENDING) - DOTTED


@dataclasses.dataclass
class Hand:
    """Measures of one hand: x-height and slant in the units of its segments, word space in x-heights."""

    x_height: float
    slant: float
    word_space: float
    heights: dict[str, float] = dataclasses.field(default_factory=dict)  # logarithms, of characters that it has


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
    joint: str = " "  # what stands before it: a space, or a joint within a word, see `word_marks.read_words`
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
    gaps, heights = [], {}
    for segment, m in zip(segments, measured, strict=True):
        words = list(_flat_words(segment, m, m.slant))
        bodies = [_body(points, x_height) for points, _ in words]
        gaps += [(after[0] - before[1]) / x_height for before, after in zip(bodies, bodies[1:])]
        for points, word in words:
            for c, height in _letter_heights(points, word, m.x_height or x_height):
                heights.setdefault(c, []).append(height)
    space = float(np.clip(np.median(gaps), 0.6 * WORD_SPACE, 1.6 * WORD_SPACE)) if len(gaps) >= 3 else WORD_SPACE
    usual = {
        c: (sum(found) + USUAL_LETTERS * np.log(_usual_height(c))) / (len(found) + USUAL_LETTERS)
        for c, found in heights.items()
    }
    return Hand(x_height, slant, space, usual)


def _usual_height(c):
    """In x-heights."""
    if c in DESCENDING:
        return TALL_HEIGHT
    return DIGIT_HEIGHT if c in DIGITS else TALL_HEIGHT if c in TALL else 1.0


def _letter_heights(points, word, unit):
    """(character, logarithm of the height of its ink in x-heights) of the letters and digits of a word; not of those
    with dots, of which a part stands apart."""
    for u, c in enumerate(word.text):
        if c.isalnum() and c in SIZED:
            y = points[word.index == u, 1]
            if len(y) >= 4 and np.ptp(y) > 0:
                yield c, float(np.log(np.ptp(y) / unit))


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


def _end_of(word, points):
    """bool [m]: the strokes of what ends a word, such as a comma or a full stop and a quotation mark; none of a word
    that is nothing else."""
    letters = len(word.text.rstrip("".join(ENDS_WORD) + "\"')"))
    end = np.zeros(len(points), bool)
    for stroke in stroke_slices(points):
        end[stroke] = (word.index[stroke] >= letters).mean() > 0.5
    return end if letters and not end.all() else np.zeros(len(points), bool)


def _ready_words(segment, metrics, hand, style, force=False):
    scale = style.x_height_mm / hand.x_height
    slant = metrics.slant
    if style.straighten:
        if metrics.x_height:
            trust = metrics.letters / (metrics.letters + SURE_LETTERS)
            scale *= float(np.clip((hand.x_height / metrics.x_height) ** trust, 1 / MAX_SCALING, MAX_SCALING))
        trust = metrics.downs / (metrics.downs + SURE_DOWNS)
        slant += float(np.clip(trust * (hand.slant - metrics.slant), -MAX_SHEARING, MAX_SHEARING))
    space = hand.word_space * style.x_height_mm
    # Several pieces of a word, or several words, that could not be told apart count for their first one.
    force = force or any(joint != " " for joint in segment.joints)
    flat = list(_flat_words(segment, metrics, slant, style.straighten, force))
    inks = []
    for points, word in flat:
        points[:, :2] *= scale
        inks.append(_settled(points, word, style.x_height_mm) if style.straighten else points)
    sizes = [1.0] * len(flat)
    if style.straighten:
        least = min(scale * hand.x_height / style.x_height_mm / MAX_GROWING, 1.0)
        sizes = [max(size, least) for size in _sizes(inks, [word for _, word in flat], hand, style.x_height_mm)]
    words, before, first, farthest = [], None, 0, FARTHEST_END * style.x_height_mm
    for points, (_, word), size in zip(inks, flat, sizes, strict=True):
        left, right = _body(points, style.x_height_mm)
        end = _end_of(word, points)
        if end.any():
            points[end, 0] -= max(points[end, 0].min() - _body(points[~end], style.x_height_mm)[1] - farthest, 0.0)
            right = max(_body(points[~end], style.x_height_mm)[1], float(points[end, 0].max()))
        gap = None
        if before is not None:
            least = max(MIN_GAP * space, LEAST_GAP * style.x_height_mm)
            gap = float(np.clip(left - before, least, MAX_GAP * space))
        before = right
        points[:, :2] /= size
        left, right = left / size, right / size
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


def _sizes(inks, words, hand, unit):
    """How much larger each word is than its hand writes, as far as it is to be made even; `unit` is the x-height that
    it should have."""
    lengths = np.array([len(word.text) for word in words])
    middles = np.cumsum(lengths + 1) - 0.5 * lengths  # of words, in characters
    letters = np.array(
        [
            (k, np.clip(height - hand.heights.get(c, height), -LARGEST_AWAY, LARGEST_AWAY))
            for k, (points, word) in enumerate(zip(inks, words, strict=True))
            for c, height in _letter_heights(points, word, unit)
        ]
    ).reshape(-1, 2)
    whose, away = letters[:, 0].astype(int), letters[:, 1]
    sizes = []
    for k, middle in enumerate(middles):
        near = np.exp(-0.5 * ((middles[whose] - middle) / NEAR) ** 2)
        own = away[whose == k]
        stretch = float((near * away).sum() / (near.sum() + HALF_SURE_STRETCH))
        more = float((own - stretch).sum() / (len(own) + HALF_SURE_WORD))
        more = float(np.sign(more) * max(abs(more) - EVEN, 0.0))
        sizes.append(float(np.clip(np.exp(stretch + more), 1 / MAX_GROWING, MAX_EVENING)))
    return sizes


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
