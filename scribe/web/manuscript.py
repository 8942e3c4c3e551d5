"""What a request wants written: from its text to the lines for the network, and from these to pages.

    manuscript = Manuscript(request, hand, seed, model, limits, live=True, tries=5)
    order = engine.submit(manuscript.specs, client)
    pages = manuscript.pages(lines)             # a written Line for each of specs

The lines of a text are cut into segments from their beginning, full ones first: what is typed at the end of a line
changes its last segment alone. (sample.py cuts into segments of equal length.)
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.console import shortened
from scribe.ink.composed import Composition, compose_text
from scribe.ink.segments import MAX_CHARACTERS
from scribe.ink.typical import MEDIAN_X_HEIGHT
from scribe.ink.word_marks import break_long_words, read_words
from scribe.ink.writable import TRANSLITERATED, fit_lines, foreign_scripts, transliterate
from scribe.pages.layout import compose
from scribe.pages.letter import Breaking, Paragraph, as_segment, text_paragraphs
from scribe.pages.page import Page
from scribe.pages.page_style import ASCENT, PageStyle
from scribe.web.limits import Limits, RequestError
from scribe.web.orders import LineSpec
from scribe.web.visitors import ChosenHand
from scribe.writing.lines import Line, composed

MAX_NAMED = 5  # words or characters in a remark


class Manuscript:
    """A text that is ready to be written.

    Args:
        request: a `HandwritingRequest`. hand: whose. seed: of all.
        model: that writes. limits: of the text. live: whether somebody watches. tries: of a word.

    Attributes:
        texts: of the segments as they will stand there. paragraphs: the number of the line of the text that each is of.
        remarks: what was replaced or left out, as sentences.
        specs: what the network writes; writes[k]: the number of the segment that specs[k] is of.

    Raises:
        RequestError: the text or the page is not possible.
    """

    def __init__(self, request: Any, hand: ChosenHand, seed: int, model, limits: Limits, live: bool, tries: int):
        self.style, self.seed, self.model, self.tries = request.page_style(), seed, model, tries
        alphabet = model.config.alphabet
        try:
            width = self.style.text_width()
        except ValueError as error:
            raise RequestError(f"page: {error}") from None
        self.remarks: list[str] = []
        lines = fitted_lines(request.text, alphabet, request.transliterate, self.remarks)
        if not any(line.strip() for line in lines):
            raise RequestError("text: there is nothing in it that can be written.")
        breaking = _FullFirst(width / self.style.x_height_mm)
        self._paragraphs: list[Paragraph] = text_paragraphs("\n".join(lines), newlines="keep", breaking=breaking)
        if len(self._paragraphs) > limits.lines:
            raise RequestError(f"text: it has {len(self._paragraphs)} lines, and {limits.lines} are allowed.")
        if breaking.forced:
            self.remarks.append(f"Broken, a line has no room for them: {_named(breaking.forced)}.")
        self._marked = [text for paragraph in self._paragraphs for text in paragraph.texts]
        self.texts = [read_words(text)[0] for text in self._marked]
        self.paragraphs = [p for p, paragraph in enumerate(self._paragraphs) for _ in paragraph.texts]
        self.compositions: list[Composition] = [compose_text(text, alphabet) for text in self.texts]
        self.writes = [i for i, composition in enumerate(self.compositions) if composition.base]
        self.specs = [
            LineSpec(self.compositions[i].base, (seed, i), hand.hand, hand.key, request.bias, tries, live=live)
            for i in self.writes
        ]

    def indents(self) -> list[float]:
        """Of each segment, in mm."""
        firsts = [k == 0 for paragraph in self._paragraphs for k, _ in enumerate(paragraph.texts)]
        unit = self.style.x_height_mm
        return [
            unit * self._paragraphs[p].indent if first else 0.0
            for p, first in zip(self.paragraphs, firsts, strict=True)
        ]

    def first_baseline_mm(self) -> float:
        """About where the first line stands, from the upper edge of the page."""
        return self.style.margins()[0] + self.style.first_baseline(
            ASCENT * self.style.x_height_mm, self.style.margins()[0]
        )

    def segment(self, number: int, line: Line | None) -> Any:
        """The Segment number `number`, of the line that the network wrote for it (None: it has only drawn signs)."""
        written = composed(self.compositions[number], line, (self.seed, number), self.model)
        first = not number or self.paragraphs[number - 1] != self.paragraphs[number]
        indent = self._paragraphs[self.paragraphs[number]].indent if first else 0.0
        return as_segment(written, self._marked[number], hand=0, indent=indent)

    def pages(self, segments: Sequence[Any]) -> list[Page]:
        """Pages with the first len(segments) segments, as `segment` makes them."""
        paragraphs: list[list] = [[] for _ in range(self.paragraphs[len(segments) - 1] + 1)]
        for number, segment in enumerate(segments):
            paragraphs[self.paragraphs[number]].append(segment)
        return compose(paragraphs, self.style)


class _FullFirst(Breaking):
    """Cuts lines into segments that are filled one after the other, so that the first ones stay as a line grows."""

    def __init__(self, room):
        super().__init__(room)

    def segments(self, text, indent=0.0):
        broken, forced = break_long_words(" ".join(text.split()), self.room - indent)
        self.forced += forced
        segments = []
        for word in broken.split():
            if segments and len(segments[-1]) + 1 + len(word) <= MAX_CHARACTERS:
                segments[-1] += f" {word}"
            else:
                segments.append(word)
        return segments


@dataclasses.dataclass
class PlacedSegment:
    """A segment on its page.

    Attributes:
        points: [n, 3], x mm, y mm, pen lift. characters: int [n], of the segment's text, -1 for none.
        pages: int [n], the page of each point.
        exact: whether these are the points of the segment, one by one; else a hyphen was added.
    """

    points: NDArray
    characters: NDArray
    pages: NDArray
    exact: bool


def placed_segments(pages: Sequence[Page], segments: Sequence[Any]) -> list[PlacedSegment]:
    """Which points of pages are those of which segment: the layout keeps their order, and adds hyphens."""
    points, added, page_of = [], [], []
    for p, page in enumerate(pages):
        for line in page.lines:
            index = np.asarray(line.index)
            at_end = len(line.text) - 1
            hyphen = index == at_end if line.text.endswith("-") else np.zeros(len(index), bool)
            # A hyphen that the layout added is the last ink of its line.
            tail = np.cumprod(hyphen[::-1])[::-1].astype(bool)
            points.append(line.points)
            added.append(tail)
            page_of.append(np.full(len(index), p))
    every, extra, number = np.concatenate(points), np.concatenate(added), np.concatenate(page_of)
    counts = [len(segment.points) for segment in segments]
    surplus = len(every) - sum(counts)
    if extra.sum() != surplus:  # those that stand in the text, too, end a line
        extra = extra & (np.cumsum(extra[::-1])[::-1] <= surplus)
    own = np.cumsum(~extra) - 1  # the number of each point among those of the segments
    bounds = np.cumsum([0, *counts])
    placed = []
    for k, segment in enumerate(segments):
        rows = np.flatnonzero((own >= bounds[k]) & (own < bounds[k + 1]))
        exact = len(rows) == counts[k]
        characters = np.full(len(rows), -1)
        characters[~extra[rows]] = np.asarray(segment.index)[own[rows][~extra[rows]] - bounds[k]]
        placed.append(PlacedSegment(every[rows], characters, number[rows], exact))
    return placed


def fitted_lines(text: str, alphabet: str, latin: bool, remarks: list[str]) -> list[str]:
    """The lines of a text as they can be written, with their indents; what changed is added to the remarks.

    Raises:
        RequestError: it is in letters that cannot be written.
    """
    lines = (transliterate(text) if latin else text).splitlines()
    foreign: dict[str, str] = {}
    for line in lines:
        foreign = foreign_scripts(line, alphabet) | foreign
    if foreign:
        words = ", ".join(f"{shortened(word, 20)!r} in {script} letters" for script, word in foreign.items())
        help = " They can be written in Latin letters (transliterate)." if set(foreign) <= set(TRANSLITERATED) else ""
        raise RequestError(f"text: it has {words}, which cannot be written.{help}")
    fitted, said = fit_lines(lines, alphabet)
    remarks += [f"{remark[0].upper()}{remark[1:]}." for remark in said]
    return fitted


def _named(words):
    words = list(dict.fromkeys(words))
    return ", ".join(words[:MAX_NAMED]) + (", ..." if len(words) > MAX_NAMED else "")


def provisional_unit_mm(style: PageStyle, x_height: float | None, data_scale: float) -> float:
    """Millimetres in a unit of the network, for a hand of some x-height in these units; None: of a usual one."""
    return style.x_height_mm / (x_height or MEDIAN_X_HEIGHT / data_scale)
