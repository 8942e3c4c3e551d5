"""From a text to pages: what is written in which hand, line after line. NumPy alone; the network comes as a function.

    from scribe.pages.letter import text_paragraphs, write_paragraphs
    paragraphs = text_paragraphs("Dear Jon,\\n\\nyou know nothing.")
    pages = layout.compose(write_paragraphs(paragraphs, write, seed=7), PageStyle())

A network that starts anew takes another hand for every line. So that a letter is in one hand, one of its lines is
written first, and all others go on from it (they are primed with it), as with a style.
"""

import dataclasses
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.ink.point_characters import character_index
from scribe.ink.segments import split_line, text_lines
from scribe.ink.strokes import as_offsets
from scribe.ink.word_marks import break_long_words, parse_markup, read_words, width_of
from scribe.ink.words import Segment
from scribe.pages.layout import MAX_INDENT

HAND_CANDIDATES = 20  # the line that sets the hand of a letter is the longest of its first 20
INDENT = 0.9  # x-heights for each space that a line begins with
WIDER = 1.15  # than its estimate: room for a line that is to stay one
# Segments written at a time. With the attention of each point, a segment takes a hundred times the memory of its
# strokes, so a long job goes in parts.
SEGMENTS_AT_A_TIME = 256


@dataclasses.dataclass
class Paragraph:
    """What begins on a new line of the page.

    Attributes:
        texts: segments, strings that are written one by one, in the form of `scribe/ink/word_marks.py`; none for a
            blank line.
        bias: of all of them.
        style: whose hand: a key of the styles, such as a number, or None for the job's own hand.
        ink: a colour of matplotlib, None for that of the page.
        indent: of its first line, in x-heights.
    """

    texts: list[str]
    bias: float = 1.0
    style: Any = None
    ink: str | None = None
    indent: float = 0.0


@dataclasses.dataclass
class Breaking:
    """How words are broken that a line has no room for.

    Attributes:
        room: the width of a line in x-heights. hyphenate: a function that returns the places in a word where it may be
            hyphenated; None: nobody has asked for it. markup: whether `__` and `~~` underline and cross out words.
        forced: words that are probably broken although nobody asked for it; they are added here. `layout.compose` says
            which are, when it knows how wide they were written.
    """

    room: float = np.inf
    hyphenate: Callable[[str], list[int]] | None = None
    markup: bool = False
    forced: list[str] = dataclasses.field(default_factory=list)

    def segments(self, text: str, indent: float = 0.0) -> list[str]:
        """A text as segments, with its long words broken."""
        text = parse_markup(text) if self.markup else text
        broken, forced = break_long_words(" ".join(text.split()), self.room - indent, self.hyphenate)
        self.forced += forced
        return split_line(broken)


def text_paragraphs(
    text: str, bias: float = 1.0, style: Any = None, newlines: str = "auto", breaking: Breaking | None = None
) -> list[Paragraph]:
    """A text as paragraphs, blank lines between them. Arguments as `Paragraph` and `segments.text_lines`."""
    breaking = breaking or Breaking()
    paragraphs = []
    for indented, block in groupby(text_lines(text, newlines), lambda line: line.indent > 0):
        lines = list(block)
        most = _most_indent([line.text for line in lines], breaking.room) if indented else 0.0
        for line in lines:
            indent = min(INDENT * line.indent, most)
            texts = breaking.segments(line.text, indent) if line.text else []
            paragraphs.append(Paragraph(texts, bias, style, indent=indent))
    return paragraphs


def _most_indent(texts, room):
    """How far a block may stand to the right: where a line has room for the longest of its texts, this one too."""
    widest = WIDER * max(map(width_of, texts))
    return min(MAX_INDENT * room, room - widest) if widest < room else MAX_INDENT * room


def line_paragraphs(
    lines: Sequence[str],
    biases: Sequence[float],
    styles: Sequence[Any],
    inks: Sequence[str | None] | None = None,
    breaking: Breaking | None = None,
) -> list[Paragraph]:
    """Lines as paragraphs, each with its bias, style and ink."""
    breaking = breaking or Breaking()
    return [
        Paragraph(breaking.segments(line), bias, style, ink)
        for line, bias, style, ink in zip(lines, biases, styles, inks or [None] * len(lines), strict=True)
    ]


def write_paragraphs(
    paragraphs: Sequence[Paragraph], write: Callable, seed: int, styles: dict[Any, Any] | None = None
) -> list[list[Segment]]:
    """Writes all segments of a job, each hand's together.

    Args:
        paragraphs: of the whole job.
        write: a function (texts, biases, seeds, style) -> lines with text, strokes [n, 6] and phis [n, U]; style is
            (strokes [n, 3], text) or None.
        seed: of the whole job; segment i draws its numbers from (seed, i).
        styles: key -> (strokes, text), of the styles that the paragraphs name.

    Returns:
        A list of Segments for each paragraph, as `layout.compose` takes it.
    """
    marked = [text for paragraph in paragraphs for text in paragraph.texts]
    texts = [read_words(text)[0] for text in marked]
    biases = [paragraph.bias for paragraph in paragraphs for _ in paragraph.texts]
    hands = [paragraph.style for paragraph in paragraphs for _ in paragraph.texts]
    before = [(p.ink, 0.0 if k else p.indent) for p in paragraphs for k in range(len(p.texts))]
    segments: list[Any] = [None] * len(texts)

    def write_some(which, style):
        seeds = [(seed, i) for i in which]
        lines = write([texts[i] for i in which], [biases[i] for i in which], seeds, style)
        for i, line in zip(which, lines, strict=True):
            ink, indent = before[i]
            segments[i] = as_segment(line, marked[i], hand=hands[i], ink=ink, indent=indent)
        return lines

    for hand in dict.fromkeys(hands):
        own = [i for i, other in enumerate(hands) if other == hand]
        style = None if hand is None else (styles or {})[hand]
        if hand is None and len(own) > 1:
            # A line of signs alone is drawn, and tells nothing of a hand.
            first = max(own[:HAND_CANDIDATES], key=lambda i: (any(map(str.isalnum, texts[i])), len(texts[i])))
            (line,) = write_some([first], None)
            style = as_style(line)
            own.remove(first)
        for k in range(0, len(own), SEGMENTS_AT_A_TIME):
            write_some(own[k : k + SEGMENTS_AT_A_TIME], style)

    left = iter(segments)
    return [[next(left) for _ in paragraph.texts] for paragraph in paragraphs]


def as_segment(line: Any, marked: str = "", **how: Any) -> Segment:
    """A written line as the layout takes it.

    Args:
        line: with text, strokes and phis; a `lines.Line` with composed characters tells more.
        marked: its text with joints and marks. how: further fields of Segment.
    """
    _, joints, marks = read_words(marked)
    if any(joint != " " for joint in joints) or any(marks):
        how |= {"joints": joints, "marks": marks}
    ink = getattr(line, "ink", None)
    if ink is None:
        return Segment(line.text, line.strokes, character_index(line.phis), **how)
    return Segment(line.text, line.strokes, ink.index, added=ink.added, metrics=ink.metrics, **how)


def as_style(line: Any) -> tuple[NDArray[np.float32], str]:
    """A written line as a style that primes others: offsets float32 [n, 3], text; without what composing added."""
    line = getattr(line, "base", None) or line
    return as_offsets(line.strokes), line.text
