"""Sets written segments on pages: in lines broken by measured widths, none touching another. NumPy alone.

    from scribe.ink.segments import split_text
    from scribe.ink.words import Segment
    from scribe.pages.layout import compose
    from scribe.pages.page_style import PageStyle
    paragraphs = split_text(letter)                           # texts; write each of them, then
    pages = compose([[Segment(...), ...], [], ...], PageStyle(size="a4", x_height_mm=2.5))

`compose` takes what `split_text` returns with every text replaced by its Segment: a list for each line that begins
anew, an empty one for a blank line. It returns the Pages that `formats.write` writes. Millimetres; y grows downwards.
"""

import bisect
import dataclasses
import re
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from scribe.ink.pen import resample, unsteady
from scribe.ink.shapes import PUNCTUATION, draw
from scribe.ink.word_marks import bare
from scribe.ink.words import Segment
from scribe.pages.page import Page, PlacedLine
from scribe.pages.page_style import ASCENT, DESCENT, PageStyle
from scribe.pages.ready_words import SetWord, ready_paragraphs
from scribe.pages.ruling import rules_of

MIN_INK_GAP = 0.25  # x-heights between the ink of two words, whatever their letters do
JOINT_GAP = 0.16  # between two pieces of a word on the same line
HYPHEN_GAP, HYPHEN_ROOM = 0.25, 0.95  # x-heights: before a hyphen at the end of a line, and for all of it
# x-heights between the ink of two lines. Where a line spacing is not asked for, it grows from PITCH up to MAX_PITCH for
# all lines, and beyond that for the one line that needs it; where it is, the longer of two letters that would touch
# become shorter, but not shorter than SHORTEST of their length.
LINE_GAP, MAX_PITCH, SHORTEST = 0.3, 4.4, 0.45
BIN = 0.4  # x-heights: width of a column in which the ink of two lines is compared
UNDERLINE, CROSSING, WAVER = 0.42, -0.5, 0.05  # x-heights from the baseline, and how much such a stroke wavers
SLIGHT = 0.05  # of the line spacing: letters that would be nearer than LINE_GAP by so much do not touch yet
MAX_INDENT = 0.5  # of the width of a line
# The smallest x-height that a text is made to fit with, which can just be read; how many between it and the one that is
# asked for there are to choose from.
LEAST_X_HEIGHT_MM, X_HEIGHTS_TRIED = 1.5, 32
# x-heights: how unevenly lines begin, at most how far in, and what a line keeps of the one before.
MARGIN_WAVER, MAX_MARGIN_WAVER, WAVER_KEPT = 0.18, 0.5, 0.7
TAIL_BELOW, MAX_TAIL = 0.3, 1.0  # x-heights: below the baseline, ink is a tail; what of it hangs in the margin at most
# No line breaks between a number and its sign (20 °C, 5 €, § 5), nor within a short calculation (3 × 4 = 12).
_BEFORE_NUMBER, _AFTER_NUMBER = re.compile(r"[£$€¥§№×÷±=+<>≤≥·]$|^No\.$"), re.compile(r"[°%€£$¥¢§×÷±=+<>≤≥·′″]")
_NUMBER_FIRST, _NUMBER_LAST = re.compile(r"[-+±(]?[.\d¼½¾]"), re.compile(r"[\d¼½¾²³][.)]?$")
MOST_KEPT = 4  # words that go to the next line with the one that follows them


@dataclasses.dataclass
class _Row:
    """A line of the page: its words and the x of their left edges, from the left end of the line."""

    words: list[SetWord]
    x: list[float]

    @property
    def width(self):
        return max(x + word.width for x, word in zip(self.x, self.words, strict=True))

    def above_and_below(self):
        """How far the ink reaches above the baseline, and below it."""
        y = np.concatenate([word.points[:, 1] for word in self.words])
        return max(-float(y.min()), 0.0), max(float(y.max()), 0.0)

    def resized(self, factor):
        return _Row([word.resized(factor) for word in self.words], [factor * x for x in self.x])


def compose(
    paragraphs: Iterable[Iterable[Segment]], style: PageStyle | None = None, warn: Callable[[str], None] | None = None
) -> list[Page]:
    """Sets segments on pages.

    Args:
        paragraphs: a list of lists of Segments. Each list begins a new line; its words flow through as many as they
            need. An empty list is a blank line.
        style: of the pages.
        warn: called with a sentence for each word that had to be made smaller, since a line has no room for it, and
            with one for all words that are broken although nobody asked for it.

    Returns:
        a list of Pages with a PlacedLine for each line that has ink, in writing order.

    Raises:
        ValueError: nothing to set; the style is not possible; strokes that are empty or not finite.
    """
    style = PageStyle() if style is None else style
    width = style.text_width()
    segments = [list(paragraph) for paragraph in paragraphs]
    if not any(segments):
        raise ValueError("there is nothing to set on a page: no segment has been written.")
    rows: list[_Row | None] = []  # None for a blank line
    broken: list[str] = []
    for paragraph, words in zip(segments, ready_paragraphs(segments, style, width), strict=True):
        indent = min(paragraph[0].indent * style.x_height_mm, MAX_INDENT * width) if paragraph else 0.0
        rows += _break_lines(words, width - indent, style, warn, indent, broken) if words else [None]
    if broken and warn:
        warn(f"broken, a line has no room for them: {', '.join(dict.fromkeys(broken))}.")
    return _paginate(rows, width, style)


def compose_within(
    paragraphs: Iterable[Iterable[Segment]],
    style: PageStyle,
    most_pages: int | None,
    warn: Callable[[str], None] | None = None,
) -> list[Page]:
    """As `compose`, but smaller where it would take more pages: at the largest x-height up to that of the style at
    which all fits on `most_pages` (None: on any number), or the smallest that can be read."""
    segments = [list(paragraph) for paragraph in paragraphs]
    if most_pages is None:
        return compose(segments, style, warn)
    smallest = min(LEAST_X_HEIGHT_MM, style.x_height_mm)
    sizes = np.geomspace(style.x_height_mm, smallest, X_HEIGHTS_TRIED).tolist()
    styles = [dataclasses.replace(style, x_height_mm=size) for size in sizes]
    # What fits at one size fits at all smaller ones, so the first of them is found by halving.
    first = bisect.bisect_left(styles, True, key=lambda tried: len(compose(segments, tried)) <= most_pages)
    pages = compose(segments, styles[min(first, len(styles) - 1)], warn)
    if len(pages) > most_pages and warn:
        asked = "one page" if most_pages == 1 else f"{most_pages} pages"
        warn(f"with an x-height of {smallest:g} mm, the smallest, it takes {len(pages)} pages, not {asked}.")
    return pages


# --------------------------------------------------------------------------------------------------------------- lines


def _break_lines(words, width, style, warn, indent, broken):
    """Greedy: every line takes the words that fit. Words that are broken at a forced joint are added to `broken`."""
    rows = [_Row([], [])]
    for k, word in enumerate(words):
        follows = words[k + 1].joint.startswith("-") if k + 1 < len(words) else False
        room = width - (HYPHEN_ROOM * style.x_height_mm if follows else 0.0)
        if word.width > room:
            if warn:
                warn(f"{word.text!r} is {word.width:.0f} mm wide, a line {width:.0f} mm: it is written smaller.")
            word = word.resized(room / word.width)
        row = rows[-1]
        if row.words:
            x = _next_x(row.words[-1], row.x[-1], word, style)
            # Nobody asked for a break within this word: it goes to the next line, if that has room for all of it.
            whole = _unbroken_width(words, k, style)
            moves = "!" not in word.joint and x + whole > width >= whole
            if x + word.width <= room and not moves:
                row.words.append(word)
                row.x.append(x)
                continue
            if word.joint.startswith("-"):
                row.words[-1] = _hyphenated(row.words[-1], style)
            if "!" in word.joint:
                broken.append(_word_around(words, k))
            rows.append(_kept_together(row, word, room, style))
        else:
            rows[-1] = _Row([word], [0.0])
    for row in rows:
        row.x = [x + indent for x in row.x]
    return rows


def _unbroken_width(words, k, style):
    """The width of a word and of the pieces after it, up to where a line may break before it is full."""
    width = words[k].width
    for before, after in zip(words[k:], words[k + 1 :]):
        if "!" not in after.joint:
            break
        width = _next_x(before, width - before.width, after, style) + after.width
    return width


def _word_around(words, k):
    """The word that the k-th piece is of, without the punctuation around it."""
    first, last = k, k + 1
    while first and words[first].joint != " ":
        first -= 1
    while last < len(words) and words[last].joint != " ":
        last += 1
    # Words that could not be told apart stand in one piece.
    left, right = ("".join(word.text for word in pieces) for pieces in (words[first:k], words[k:last]))
    return bare(left.split(" ")[-1] + right.split(" ")[0])


def _kept_together(row, word, room, style):
    """The line after `row`: a word, and before it the words that belong to it, which `row` loses."""
    words = [word]
    for before in row.words[:0:-1][:MOST_KEPT]:  # the first one stays
        if words[0].joint != " " or not _belong(before.text, words[0].text):
            break
        words.insert(0, before)
    below = _Row(words[:1], [0.0])
    for before, after in zip(words, words[1:]):
        below.x.append(_next_x(before, below.x[-1], after, style))
        below.words.append(after)
    if words[0].joint != " " or below.width > room:
        return _Row([dataclasses.replace(word, joint=" ")], [0.0])
    kept = len(row.words) + 1 - len(words)
    del row.words[kept:], row.x[kept:]
    return below


def _belong(before, after):
    """Whether people keep two words on a line: a number and its sign."""
    if _NUMBER_LAST.search(before) and _AFTER_NUMBER.match(after):
        return True
    return bool(_BEFORE_NUMBER.search(before) and _NUMBER_FIRST.match(after))


def _hyphenated(word, style):
    """A piece of a word with a hyphen after it."""
    unit = style.x_height_mm
    rng = np.random.default_rng([len(word.points), len(word.text)])
    strokes = [stroke * unit for stroke in draw(PUNCTUATION["-"], rng)]
    x = word.right + HYPHEN_GAP * unit - min(stroke[:, 0].min() for stroke in strokes)
    added = np.concatenate([_as_points(stroke + [x, 0.0]) for stroke in strokes])
    points = np.concatenate([word.points, added])
    index = np.concatenate([word.index, np.full(len(added), len(word.text))])
    right = float(added[:, 0].max())
    return dataclasses.replace(
        word, text=word.text + "-", points=points, index=index, right=right, width=max(word.width, right)
    )


def _as_points(stroke):
    """Positions [m, 2] as a stroke [m, 3]."""
    return np.column_stack([stroke, np.arange(len(stroke)) == len(stroke) - 1])


def _next_x(before, x, word, style):
    """Where the left edge of a word goes after another one."""
    if word.joint != " ":
        return x + before.width + JOINT_GAP * style.x_height_mm
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


# --------------------------------------------------------------------------------------------------------------- pages


def _paginate(rows, width, style):
    size, (top, right, bottom, left) = style.page_size(), style.margins()
    if size is None and not np.isfinite(width):  # aligned to the longest line
        width = max(row.width for row in rows if row)
    height = np.inf if size is None else size[1] - top - bottom
    rows = [_within(row, height) for row in rows]
    waver = 0.0
    for k, row in enumerate(filter(None, rows)):
        slack = width - row.width
        begin = min(waver, max(slack, 0.0)) - _tail(row.words[0], style)
        shift = {"left": begin, "centre": 0.5 * slack, "right": slack}[style.align]
        row.x = [x + shift for x in row.x]
        if size is not None:
            waver = _next_waver(waver, row, k, style)
    steps = _steps(rows, style)
    columns: list[list[tuple[_Row, float]]] = [[]]  # (row, y of its baseline below the upper margin)
    baseline = 0.0
    for row, step in zip(rows, steps, strict=True):
        above, below = row.above_and_below() if row else (0.0, 0.0)
        first = style.first_baseline(max(ASCENT * style.x_height_mm, above), top)
        baseline = first if not columns[-1] else baseline + step
        if columns[-1] and row and baseline + max(DESCENT * style.x_height_mm, below) > height + 1e-9:
            columns.append([])
            baseline = first
        if row:
            columns[-1].append((row, baseline))
        elif not columns[-1]:
            baseline = 0.0  # a page does not begin with a blank line
    columns = [column for column in columns if column]
    pages = []
    for start in range(0, len(columns), style.columns):
        lines = []
        for k, column in enumerate(columns[start : start + style.columns]):
            x = left + k * (width + style.gutter_mm)
            last, last_y = column[-1]
            free = (
                0.0 if size is None else height - last_y - max(DESCENT * style.x_height_mm, last.above_and_below()[1])
            )
            down = style.moved_down(max(free, 0.0))
            lines += [_placed(row, x, top + down + y, style) for row, y in column]
        pages.append(lines)
    if size is None:
        return [_tight_page(pages[0], (top, right, bottom, left), style)]
    return [Page(size[0], size[1], lines, rules_of(style.ruling, style.cell_mm(), size)) for lines in pages]


def _next_waver(waver, row, k, style):
    """How far the line after the k-th one begins to the right of the margin: nobody hits it every time, nor far off."""
    rng = np.random.default_rng([k, len(row.words), sum(len(word.points) for word in row.words)])
    waver = WAVER_KEPT * waver + MARGIN_WAVER * style.x_height_mm * rng.normal()
    return min(abs(float(waver)), MAX_MARGIN_WAVER * style.x_height_mm)


def _tail(word, style):
    """How far a word that begins with the tail of a y or g begins before its first letter.

    So far it hangs in the margin, or else its line would look indented; half of the margin stays free.
    """
    unit, (_, _, _, left) = style.x_height_mm, style.margins()
    free = left if style.columns == 1 else min(left, style.gutter_mm)
    x, y = word.points[:, 0], word.points[:, 1]
    letter = x[y <= TAIL_BELOW * unit].min(initial=x.max())
    return min(float(letter - x.min()), MAX_TAIL * unit, 0.5 * free)


def _within(row, height):
    """A row that is no higher than a page has room for."""
    if row is None or not np.isfinite(height):
        return row
    needed = sum(row.above_and_below())
    return row.resized(height / needed) if needed > height else row


def _steps(rows, style):
    """From the baseline before each row to its own; where that is fixed, letters that would touch become shorter."""
    pitch, unit = style.pitch(), style.x_height_mm
    needed = [
        _needed(before, row, unit) if before and row else 0.0
        for before, row in zip([None, *rows[:-1]], rows, strict=True)
    ]
    if not style.spacing_is_fixed():
        pitch = min(max([pitch, *needed]), max(MAX_PITCH * unit, pitch))
        return [max(pitch, step) for step in needed]
    steps = [pitch] * len(rows)
    for k, step in enumerate(needed):
        if step > pitch:
            _shorten(rows[k - 1], rows[k], step - pitch, unit)
            steps[k] = pitch * max(np.ceil(_needed(rows[k - 1], rows[k], unit) / pitch - SLIGHT), 1.0)
    return steps


def _extremes(row, unit, lowest):
    """{column: how far the ink of a row reaches below the baseline (or above it) there}, in mm."""
    found: dict[int, float] = {}
    for word, x in zip(row.words, row.x, strict=True):
        columns = np.floor((word.points[:, 0] + x) / (BIN * unit)).astype(int)
        y = word.points[:, 1] if lowest else -word.points[:, 1]
        for column, reach in zip(columns.tolist(), y.tolist()):
            if reach > found.get(column, -np.inf):
                found[column] = reach
    return found


def _needed(before, row, unit):
    """How far two rows have to be apart so that their ink does not touch."""
    below, above = _extremes(before, unit, True), _extremes(row, unit, False)
    most = [
        reach + above[other] for column, reach in below.items() for other in (column - 1, column, column + 1)
        if other in above
    ]  # fmt: skip
    return max(most, default=0.0) + LINE_GAP * unit


def _shorten(before, row, excess, unit):
    """Takes `excess` mm off the descenders of a row and the tall letters of the next one, where they would touch."""
    below, above = before.above_and_below()[1], row.above_and_below()[0]
    for which, reach, keep, sign in ((before, below, 0.0, 1.0), (row, above, unit, -1.0)):
        share = max(1 - 0.5 * excess / max(reach - keep, 1e-9), SHORTEST)
        for k, word in enumerate(which.words):
            points = word.points.copy()
            y = sign * points[:, 1]
            points[:, 1] = sign * np.where(y > keep, keep + (y - keep) * share, y)
            which.words[k] = dataclasses.replace(word, points=points)


def _placed(row, shift, baseline, style):
    points, index, text = [], [], ""
    for k, (word, x) in enumerate(zip(row.words, row.x, strict=True)):
        text += " " if text and word.joint == " " else ""
        moved = word.points.copy()
        moved[:, 0] += shift + x
        moved[:, 1] += baseline
        points.append(moved)
        index.append(np.where(word.index < 0, -1, word.index + len(text)))
        text += word.text
        ends = k + 1 == len(row.words) or row.words[k + 1].mark != word.mark
        if word.mark and ends:
            first = k
            while first and row.words[first - 1].mark == word.mark:
                first -= 1
            stroke = _drawn_through(row.x[first], x + word.width, word.mark, style, len(text))
            points.append(stroke + [shift, baseline, 0.0])
            index.append(np.full(len(stroke), -1))
    ink = row.words[0].ink or style.ink
    return PlacedLine(
        np.concatenate(points), text, np.concatenate(index), label=text, ink=ink, pen_width_mm=style.pen_width_mm,
        baseline_mm=baseline,
    )  # fmt: skip


def _drawn_through(left, right, mark, style, seed) -> NDArray:
    """The stroke [m, 3] under or through some words."""
    unit = style.x_height_mm
    width, rng = (right - left) / unit, np.random.default_rng(seed)
    height = UNDERLINE if mark == "underlined" else CROSSING
    places = np.linspace(0.0, width, max(round(width / 3), 1) + 1)
    stroke = unsteady(resample(np.column_stack([places, height + rng.normal(0.0, WAVER, len(places))])), rng)
    stroke[:, 0] = np.clip(stroke[:, 0], 0.0, width)
    return _as_points(stroke * unit + [left, 0.0])


def _tight_page(lines, margins, style):
    """A page around the ink; the pen's width is within the margins."""
    top, right, bottom, left = margins
    ink = np.concatenate([line.points[:, :2] for line in lines])
    half = max(line.pen_width_mm for line in lines) / 2
    low, high = ink.min(axis=0) - half, ink.max(axis=0) + half
    for line in lines:
        line.points[:, :2] += [left - low[0], top - low[1]]
        line.baseline_mm += top - low[1]
    width, height = float(high[0] - low[0] + left + right), float(high[1] - low[1] + top + bottom)
    return Page(width, height, lines, rules_of(style.ruling, style.cell_mm(), (width, height), lines[0].baseline_mm))
