"""A job: what is written on which pages, and the files that it makes.

    job = Job(args, texts)                  # args: of sample.py, checked
    names = job.run(write, seed=7, styles={}, suffix="bias1_seed7")

Everything that can be wrong with it is told before anything is written.
"""

import argparse
import hashlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from scribe.console import UsageError
from scribe.files.atomic import check_folder_writable, check_writable
from scribe.ink.word_marks import hyphenator
from scribe.pages import flags, formats
from scribe.pages.formats import FORMATS, page_names
from scribe.pages.layout import compose_within
from scribe.pages.letter import Breaking, line_paragraphs, text_paragraphs, write_paragraphs
from scribe.pages.page_style import TIGHT
from scribe.pages.workers import drawing_processes

MIN_PAGES_FOR_WORKERS = 4  # below this, starting processes costs more than it saves
NAME_LENGTH, DIGEST_LENGTH = 40, 6


class Job:
    """Pages to be written: what, how they look, and where they go.

    Args:
        args: of sample.py, checked.
        texts: the lines of what is written, in the model's characters.
    """

    def __init__(self, args: argparse.Namespace, texts: Sequence[str]):
        self.style, self.options = flags.page_style(args), flags.options(args)
        self.breaking, self.fit = breaking_of(args), args.fit
        if args.file or not args.lines and len(texts) > 1:
            newlines = args.newlines or ("auto" if args.file else "keep")
            text = "\n".join(texts)
            self.paragraphs = text_paragraphs(text, args.bias, args.style, newlines, self.breaking)
        else:
            styles = [None if n == -1 else n for n in args.styles] if args.styles else [args.style] * len(texts)
            biases = args.biases or [args.bias] * len(texts)
            self.paragraphs = line_paragraphs(texts, biases, styles, args.inks, self.breaking)
        stem = os.path.splitext(os.path.basename(args.file))[0] if args.file not in (None, "-") else ""
        self.name = text_name(texts, stem)
        self.output, self.formats = args.output or os.path.join(args.log_dir, "figures"), args.format
        self.to_file = False
        if self.output != "-":
            self.to_file = bool(args.output) and not os.path.isdir(args.output) and "." in os.path.basename(args.output)
            if self.to_file and len(self.formats) > 1:
                raise UsageError(f"--output {self.output} is one file, but there are several --format: name a folder.")
            if self.to_file and not self.formats:
                self.formats = [_format_of(self.output)]
            if self.to_file:
                _check_ending(self.output, self.formats[0])
            self.formats = self.formats or ["png"]
            # Checked now, not after minutes of writing.
            if self.to_file:
                ending, one_each = FORMATS[self.formats[0]]
                pages = 2 if one_each and self.style.size != TIGHT else 1  # their names are longer than that of one
                check_writable(page_names(self.output, pages, ending)[-1])
            else:
                check_folder_writable(self.output)

    def run(
        self,
        write: Callable,
        seed: int,
        styles: dict[Any, Any],
        suffix: str,
        workers: int = 0,
        warn: Callable[[str], Any] | None = None,
    ) -> list[str]:
        """Writes everything.

        Args:
            write, seed, styles: as in `write_paragraphs`.
            suffix: of file names.
            workers: largest number of processes that draw.
            warn: called with a sentence about each word that does not look as it should.

        Returns:
            the names of the files.
        """
        pages = compose_within(write_paragraphs(self.paragraphs, write, seed, styles), self.style, self.fit, warn)
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


def _check_ending(path, format):
    """Refuses a name that programs would take for another format; an animated svg is an svg."""
    ending = os.path.splitext(path)[1].lower()
    known = [known for known, _ in FORMATS.values()]
    if ending in known and not FORMATS[format][0].endswith(ending):
        raise UsageError(
            f"--output {path} ends in {ending}, but --format is {format}: leave --format out, or name a file that ends "
            f"in {FORMATS[format][0]}."
        )


def breaking_of(args: argparse.Namespace) -> Breaking:
    """How the flags ask words to be broken. Raises UsageError for a language that has no rules."""
    style = flags.page_style(args)
    try:
        hyphenate = hyphenator(args.hyphenate) if args.hyphenate else None
    except ValueError as error:
        raise UsageError(f"--hyphenate: {error}") from None
    return Breaking(style.text_width() / style.x_height_mm, hyphenate, bool(args.markup))


def file_name(text: str) -> str:
    """A text as a name for files: lower-case letters, digits and underscores, 40 at most."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:NAME_LENGTH] or "line"


def text_name(texts: Sequence[str], stem: str = "") -> str:
    """A name for the files of a text: that of its first line, or `stem`; where that is not all of it, with a part of
    its digest, so that another text does not get the same name.
    """
    text = "\n".join(texts)
    name = stem or file_name(next(line for line in texts if line.strip()))
    if text.lower() == name.replace("_", " "):
        return name
    return f"{name}_{hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]}"
