"""From a text to pages: what is written in which hand, line after line. NumPy alone; the network comes as a function.

    from scribe.pages.letter import text_paragraphs, write_paragraphs
    paragraphs = text_paragraphs("Dear Jon,\\n\\nyou know nothing.")
    pages = layout.compose(write_paragraphs(paragraphs, write, seed=7), PageStyle())

A network that starts anew takes another hand for every line. So that a letter is in one hand, one of its lines is
written first, and all others go on from it (they are primed with it), as with a style.
"""

import argparse
import dataclasses
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.console import UsageError
from scribe.files.atomic import check_folder_writable, check_writable
from scribe.ink.point_characters import character_index
from scribe.ink.segments import split_line, split_text
from scribe.ink.words import Segment
from scribe.pages import flags, formats
from scribe.pages.formats import FORMATS, page_names
from scribe.pages.layout import compose
from scribe.pages.page_style import TIGHT
from scribe.pages.workers import drawing_processes

MIN_PAGES_FOR_WORKERS = 4  # below this, starting processes costs more than it saves
HAND_CANDIDATES = 20  # the line that sets the hand of a letter is the longest of its first 20
# Segments written at a time: two full batches of the sampler. With the attention of each point, a segment takes a
# hundred times the memory of its strokes, so a long job goes in parts.
SEGMENTS_AT_A_TIME = 256


@dataclasses.dataclass
class Paragraph:
    """What begins on a new line of the page.

    Attributes:
        texts: segments, strings that are written one by one; none for a blank line.
        bias: of all of them.
        style: whose hand: a key of the styles, such as a number, or None for the job's own hand.
    """

    texts: list[str]
    bias: float = 1.0
    style: Any = None


def text_paragraphs(text: str, bias: float = 1.0, style: Any = None, newlines: str = "auto") -> list[Paragraph]:
    """A text as paragraphs, blank lines between them. Arguments as `Paragraph` and `text.split_text`."""
    return [Paragraph(texts, bias, style) for texts in split_text(text, newlines=newlines)]


def line_paragraphs(lines: Sequence[str], biases: Sequence[float], styles: Sequence[Any]) -> list[Paragraph]:
    """Lines as paragraphs, each with its bias and style."""
    return [Paragraph(split_line(line), bias, style) for line, bias, style in zip(lines, biases, styles, strict=True)]


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
    texts = [text for paragraph in paragraphs for text in paragraph.texts]
    biases = [paragraph.bias for paragraph in paragraphs for _ in paragraph.texts]
    hands = [paragraph.style for paragraph in paragraphs for _ in paragraph.texts]
    segments: list[Any] = [None] * len(texts)

    def write_some(which, style):
        seeds = [(seed, i) for i in which]
        lines = write([texts[i] for i in which], [biases[i] for i in which], seeds, style)
        for i, line in zip(which, lines, strict=True):
            segments[i] = Segment(line.text, line.strokes, character_index(line.phis), hands[i])
        return lines

    for hand in dict.fromkeys(hands):
        own = [i for i, other in enumerate(hands) if other == hand]
        style = None if hand is None else (styles or {})[hand]
        if hand is None and len(own) > 1:
            first = max(own[:HAND_CANDIDATES], key=lambda i: len(texts[i]))
            (line,) = write_some([first], None)
            style = as_style(line)
            own.remove(first)
        for k in range(0, len(own), SEGMENTS_AT_A_TIME):
            write_some(own[k : k + SEGMENTS_AT_A_TIME], style)

    left = iter(segments)
    return [[next(left) for _ in paragraph.texts] for paragraph in paragraphs]


def as_style(line: Any) -> tuple[NDArray[np.float32], str]:
    """A written line as a style that primes others: offsets float32 [n, 3], text."""
    points = line.strokes
    offsets = np.diff(points[:, :2], axis=0, prepend=points[:1, :2])
    return np.column_stack([offsets, points[:, 5]]).astype(np.float32), line.text


class Job:
    """Pages to be written: what, how they look, and where they go.

    Args:
        args: of sample.py, checked.
        texts: the lines of what is written, in the model's characters.
    """

    def __init__(self, args: argparse.Namespace, texts: Sequence[str]):
        if args.file:
            self.paragraphs = text_paragraphs("\n".join(texts), args.bias, args.style, args.newlines or "auto")
        else:
            styles = [None if n == -1 else n for n in args.styles] if args.styles else [args.style] * len(texts)
            self.paragraphs = line_paragraphs(texts, args.biases or [args.bias] * len(texts), styles)
        self.style, self.options = flags.page_style(args), flags.options(args)
        name = os.path.splitext(os.path.basename(args.file))[0] if args.file not in (None, "-") else ""
        self.name = name or file_name(next(text for text in texts if text))
        self.output, self.formats = args.output or os.path.join(args.log_dir, "figures"), args.format
        self.to_file = False
        if self.output != "-":
            self.to_file = bool(args.output) and not os.path.isdir(args.output) and "." in os.path.basename(args.output)
            if self.to_file and len(self.formats) > 1:
                raise UsageError(f"--output {self.output} is one file, but there are several --format: name a folder.")
            if self.to_file and not self.formats:
                self.formats = [_format_of(self.output)]
            self.formats = self.formats or ["png"]
            # Checked now, not after minutes of writing.
            if self.to_file:
                ending, one_each = FORMATS[self.formats[0]]
                pages = 2 if one_each and self.style.size != TIGHT else 1  # their names are longer than that of one
                check_writable(page_names(self.output, pages, ending)[-1])
            else:
                check_folder_writable(self.output)

    def run(self, write: Callable, seed: int, styles: dict[Any, Any], suffix: str, workers: int = 0) -> list[str]:
        """Writes everything.

        Args:
            write, seed, styles: as in `write_paragraphs`.
            suffix: of file names.
            workers: largest number of processes that draw.

        Returns:
            the names of the files.
        """
        pages = compose(write_paragraphs(self.paragraphs, write, seed, styles), self.style)
        if self.output == "-":
            formats.write(pages, sys.stdout.buffer, self.formats[0], self.options)
            return []
        names = []
        parallel = workers > 1 and len(pages) >= MIN_PAGES_FOR_WORKERS
        with drawing_processes(workers) if parallel else nullcontext() as pool:
            for format in self.formats:
                target = self.output
                if not self.to_file:
                    target = os.path.join(self.output, f"{self.name}_{suffix}{FORMATS[format][0]}")
                names += formats.write(pages, target, format, self.options, pool)
        return names


def _format_of(path):
    try:
        return formats.format_of(path)
    except ValueError as error:
        raise UsageError(str(error)) from None


def file_name(text: str) -> str:
    """A text as a name for files: lower-case letters, digits and underscores, 40 at most."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:40] or "line"
