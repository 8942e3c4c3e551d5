"""Sets written segments on pages: straightened, of one x-height, in lines broken by measured widths. NumPy alone.

    from scribe.ink.segments import split_text
    from scribe.ink.words import Segment
    from scribe.pages.layout import compose
    from scribe.pages.page_style import PageStyle
    paragraphs = split_text(letter)                           # texts; write each of them, then
    pages = compose([[Segment(...), ...], [], ...], PageStyle(size="a4", x_height_mm=2.5))

`compose` takes what `split_text` returns with every text replaced by its Segment: a list for each line that begins
anew, an empty one for a blank line. It returns the Pages that `formats.write` writes. Millimetres; y grows downwards.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from scribe.ink.measure import measure_line, straighten
from scribe.ink.words import Segment, split_words
from scribe.pages.page import Page, PlacedLine
from scribe.pages.page_style import ASCENT, DESCENT, WORD_SPACE, PageStyle

# How far a single line may differ in scale from its hand. A line of few letters stays nearer to its hand.
MAX_SCALING, SURE_LETTERS = 1.25, 6.0
MAX_SHEARING, SURE_DOWNS = 0.5, 8.0
# A gap between two words of a segment is kept as it was written, within these multiples of the hand's word space.
MIN_GAP, MAX_GAP = 0.4, 1.6
MIN_INK_GAP = 0.25  # x-heights between the ink of two words, whatever their letters do


@dataclasses.dataclass
class Hand:
    """Measures of one hand: x-height and slant in the units of its segments, word space in x-heights."""

    x_height: float
    slant: float
    word_space: float


@dataclasses.dataclass
class _SetWord:
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


def compose(paragraphs: Iterable[Iterable[Segment]], style: PageStyle | None = None) -> list[Page]:
    """Sets segments on pages.

    Args:
        paragraphs: a list of lists of Segments. Each list begins a new line; its words flow through as many as they
            need. An empty list is a blank line.
        style: of the pages.

    Returns:
        a list of Pages with a PlacedLine for each line that has ink, in writing order.

    Raises:
        ValueError: nothing to set; a word does not fit into a line; the style is not possible; strokes that are empty
            or not finite.
    """
    style = PageStyle() if style is None else style
    width = style.text_width()
    paragraphs = [list(paragraph) for paragraph in paragraphs]
    if not any(paragraphs):
        raise ValueError("there is nothing to set on a page: no segment has been written.")
    measured = [[measure_line(s.points, s.text, s.index) for s in paragraph] for paragraph in paragraphs]
    hands = _measure_hands(paragraphs, measured)
    rows: list[list | None] = []  # a list of (word, x) for each line; None for a blank one
    for paragraph, metrics in zip(paragraphs, measured, strict=True):
        words = []
        for segment, m in zip(paragraph, metrics, strict=True):
            ready = _ready_words(segment, m, hands[segment.hand], style)
            if any(word.width > width and " " in word.text for word in ready):  # words that could not be told apart
                ready = _ready_words(segment, m, hands[segment.hand], style, force=True)
            words += ready
        rows += [None] if not words else _break_lines(words, width, style)
    return _paginate(rows, width, style)


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
    words, before = [], None
    space = hand.word_space * style.x_height_mm
    for points, word in _flat_words(segment, metrics, slant, style.straighten, force):
        points[:, :2] *= scale
        left, right = _body(points, style.x_height_mm)
        gap = None
        if before is not None:
            gap = float(np.clip(left - before, MIN_GAP * space, MAX_GAP * space))
        before = right
        edge = float(points[:, 0].min())
        points[:, 0] -= edge
        width = float(points[:, 0].max())
        words.append(_SetWord(word.text, points, word.index, left - edge, right - edge, width, gap, space, segment.ink))
    return words


def _break_lines(words, width, style):
    """Greedy: every line takes the words that fit. Returns lists of (word, x of its left edge)."""
    rows = [[]]
    for word in words:
        if word.width > width:
            raise ValueError(
                f"{word.text!r} is {word.width:.0f} mm wide at an x-height of {style.x_height_mm:g} mm, but a line has "
                f"{width:g} mm: take a larger page, smaller margins or a smaller x-height."
            )
        if rows[-1]:
            before, x_before = rows[-1][-1]
            x = _next_x(before, x_before, word, style)
            if x + word.width <= width:
                rows[-1].append((word, x))
                continue
            rows.append([])
        rows[-1].append((word, 0.0))
    return rows


def _next_x(before, x, word, style):
    """Where the left edge of a word goes after another one."""
    space = 0.5 * (before.space + word.space)  # the same, unless hands meet in a line
    gap = space if word.gap is None else word.gap
    by_body = max(x + before.right + gap - word.left, x)
    by_ink = x + before.width + MIN_INK_GAP * style.x_height_mm
    # Ink above or below the body may reach over: the tail of a y, the bar of a T. But only as far as it does not touch.
    if by_body < by_ink and _touch(before.points, word.points, x - by_body, MIN_INK_GAP * style.x_height_mm):
        return by_ink
    return by_body


def _touch(before, after, shift, gap):
    """Whether ink of a word (moved by shift) comes nearer than gap to that of the next one, at the same height."""
    low = max(before[:, 1].min(), after[:, 1].min()) - gap
    high = min(before[:, 1].max(), after[:, 1].max()) + gap
    if low > high:
        return False
    bands = max(int((high - low) / gap), 1) if gap > 0 else 1
    bands = min(bands, 64)
    right, left = np.full(bands, -np.inf), np.full(bands, np.inf)
    for points, edges, extreme, moved in ((before, right, np.maximum, shift), (after, left, np.minimum, 0.0)):
        inside = (points[:, 1] >= low) & (points[:, 1] <= high)
        band = np.minimum(((points[inside, 1] - low) / max(high - low, 1e-9) * bands).astype(int), bands - 1)
        extreme.at(edges, band, points[inside, 0] + moved)
    # Neighbouring bands count too: ink between two points may lie in either.
    reach = np.maximum(right, np.maximum(np.append(right[1:], -np.inf), np.append(-np.inf, right[:-1])))
    return bool((left - reach < gap).any())


def _paginate(rows, width, style):
    size, (top, right, bottom, left), pitch = style.page_size(), style.margins(), style.pitch()
    first = top + ASCENT * style.x_height_mm
    last = np.inf if size is None else size[1] - bottom - DESCENT * style.x_height_mm
    if size is None and not np.isfinite(width):  # aligned to the longest line
        width = max(_row_width(row) for row in rows if row)
    lines_by_page, baseline = [[]], first
    for row in rows:
        if baseline > last + 1e-9:
            lines_by_page.append([])
            baseline = first
        if row:
            slack = width - _row_width(row)
            shift = left + {"left": 0.0, "centre": 0.5 * slack, "right": slack}[style.align]
            lines_by_page[-1].append(_placed(row, shift, baseline, style))
        elif not lines_by_page[-1]:
            continue  # a page does not begin with a blank line
        baseline += pitch
    lines_by_page = [lines for lines in lines_by_page if lines]
    if size is None:
        return [_tight_page(lines_by_page[0], (top, right, bottom, left))]
    return [Page(size[0], size[1], lines) for lines in lines_by_page]


def _row_width(row):
    return max(x + word.width for word, x in row)


def _placed(row, shift, baseline, style):
    points, index, text = [], [], ""
    for word, x in row:
        text += " " if text else ""
        moved = word.points.copy()
        moved[:, 0] += shift + x
        moved[:, 1] += baseline
        points.append(moved)
        index.append(np.where(word.index < 0, -1, word.index + len(text)))
        text += word.text
    ink = row[0][0].ink or style.ink
    return PlacedLine(
        np.concatenate(points), text, np.concatenate(index), label=text, ink=ink, pen_width_mm=style.pen_width_mm,
        baseline_mm=baseline,
    )  # fmt: skip


def _tight_page(lines, margins):
    """A page around the ink; the pen's width is within the margins."""
    top, right, bottom, left = margins
    ink = np.concatenate([line.points[:, :2] for line in lines])
    half = max(line.pen_width_mm for line in lines) / 2
    low, high = ink.min(axis=0) - half, ink.max(axis=0) + half
    for line in lines:
        line.points[:, :2] += [left - low[0], top - low[1]]
        line.baseline_mm += top - low[1]
    return Page(float(high[0] - low[0] + left + right), float(high[1] - low[1] + top + bottom), lines)
