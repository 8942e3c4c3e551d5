"""From a text to pages: what is written in which hand, line after line. NumPy alone; the network comes as a function.

    from scribe.pages.letter import Row, write_rows
    rows = text_rows("Dear Jon,\\n\\nyou know nothing.")
    paragraphs, reports = write_rows(rows, write, seed=7)
    pages = layout.compose(paragraphs, layout.PageStyle())

A network that starts anew takes another hand for every line. So that a letter is in one hand, one of its lines is
written first, and all others go on from it (they are primed with it), as with a style.
"""

import dataclasses
import os
import re
import sys
from contextlib import nullcontext

import numpy as np

from scribe.console import UsageError
from scribe.ink.characters import character_index
from scribe.ink.text import split_line, split_text
from scribe.ink.words import Segment
from scribe.pages import formats
from scribe.pages.formats import FORMATS, Options
from scribe.pages.layout import ALIGNMENTS, TIGHT, PageStyle, compose
from scribe.pages.workers import drawing_processes

LONGEST_JOB = 200_000  # characters; about 60 pages, an hour on two cores
PAGES_FOR_WORKERS = 4  # of fewer, one process has drawn most before others have begun
MODEL_LINES = 20  # the line that gives a letter its hand is looked for among so many at the beginning


@dataclasses.dataclass
class Row:
    """What begins on a new line of the page.

    Attributes:
        texts: segments, strings that are written one by one; none for a blank line. bias: of all of them.
        style: whose hand: a number of a style, or None for the job's own hand.
    """

    texts: list
    bias: float = 1.0
    style: int | None = None


def text_rows(text, bias=1.0, style=None, newlines="auto"):
    """A text as rows; blank lines separate paragraphs. Arguments as `Row` and `words.split_text`."""
    return [Row(texts, bias, style) for texts in split_text(text, newlines=newlines)]


def line_rows(lines, biases, styles):
    """Lines as rows, each with its bias and style."""
    return [Row(split_line(line), bias, style) for line, bias, style in zip(lines, biases, styles, strict=True)]


def write_rows(rows, write, seed, styles=None):
    """Writes all segments of a job, each hand's together.

    Args:
        rows: Rows. seed: of the whole job; segment i draws its numbers from (seed, i).
        write: a function (texts, biases, seeds, style) -> `sample.Line`s; style is (strokes [n, 3], text) or None.
        styles: a dict, number -> (strokes, text), of the styles that the rows name.

    Returns:
        A list of Segments for each row, as `layout.compose` takes it.
    """
    texts = [text for row in rows for text in row.texts]
    biases = [row.bias for row in rows for _ in row.texts]
    hands = [row.style for row in rows for _ in row.texts]
    lines = [None] * len(texts)

    def write_some(which, style):
        seeds = [(seed, i) for i in which]
        for i, line in zip(which, write([texts[i] for i in which], [biases[i] for i in which], seeds, style)):
            lines[i] = line

    for hand in dict.fromkeys(hands):
        own = [i for i, other in enumerate(hands) if other == hand]
        style = None if hand is None else styles[hand]
        if hand is None and len(own) > 1:
            first = max(own[:MODEL_LINES], key=lambda i: len(texts[i]))
            write_some([first], None)
            style = as_style(lines[first])
            own.remove(first)
        write_some(own, style)

    left = (Segment(line.text, line.strokes, character_index(line.phis), hand) for line, hand in zip(lines, hands))
    return [[next(left) for _ in row.texts] for row in rows]


def as_style(line):
    """A written line as what others can be primed with: offsets float32 [n, 3], text."""
    points = line.strokes
    offsets = np.diff(points[:, :2], axis=0, prepend=points[:1, :2])
    return np.column_stack([offsets, points[:, 5]]).astype(np.float32), line.text


# ------------------------------------------------------------------------------------------------- command line


def add_flags(parser):
    """Adds the flags of pages to the parser of sample.py. All are None unless given."""
    g = parser.add_argument_group("pages and files (any of these flags writes pages instead of the three pictures)")
    g.add_argument("--biases", type=float, nargs="+", metavar="B", help="a bias for each of --lines")
    g.add_argument("--styles", type=int, nargs="+", metavar="N", help="a style for each of --lines (-1: none)")
    g.add_argument(
        "--format", nargs="+", metavar="F", help="one or more of png, svg, pdf, gif, animated-svg, json, inkml"
    )
    g.add_argument("--output", metavar="PATH", help="a file, a folder, or - for stdout (default: logs/figures)")
    g.add_argument("--page", help="a3, a4, a5, a6, letter, legal or tight (default: a4 for --file, else tight)")
    g.add_argument("--landscape", action="store_true", default=None, help="turn the page")
    g.add_argument("--margin", type=float, metavar="MM", help="of all four sides (default: 20; tight: 5)")
    g.add_argument("--x_height", type=float, metavar="MM", help="height of a small letter (default: 2.5)")
    g.add_argument(
        "--line_spacing", type=float, metavar="MM", help="from baseline to baseline (default: 3.6 x-heights)"
    )
    g.add_argument("--align", choices=ALIGNMENTS, help="default: left")
    g.add_argument("--newlines", choices=("auto", "keep", "join"), help="of --file: which of them begin a new line")
    g.add_argument("--no_straighten", action="store_true", default=None, help="leave tilt, drift and slant as written")
    g.add_argument("--ink", metavar="COLOUR", help="a name or #rrggbb")
    g.add_argument("--paper", metavar="COLOUR", help="background of png, gif, pdf (default: transparent, none)")
    g.add_argument("--pen_width", type=float, metavar="MM", help="default: 0.35")
    g.add_argument("--dpi", type=float, help="of png and gif (default: 300 and 110)")
    g.add_argument("--layers", choices=("pen", "line"), help="layers of an svg (default: pen)")
    g.add_argument("--tolerance", type=float, metavar="MM", help="by which an svg may be simplified (default: 0.02)")
    g.add_argument("--speed", type=float, help="of animations; 1 is real time")
    g.add_argument("--seconds", type=float, help="length of animations")
    g.set_defaults(page_flags=[action.dest for action in g._group_actions])


def check_flags(parser, args):
    """Sets args.pages, whether pages are asked for; ends with a usage error if the flags contradict each other."""
    given = [flag for flag in args.page_flags if getattr(args, flag) is not None]
    args.pages = bool(args.lines or args.file or given)
    args.format = args.format or []
    for flag in ("biases", "styles"):
        values = getattr(args, flag)
        if values and len(values) != len(args.lines or []):
            parser.error(f"--{flag} has {len(values)} values for {len(args.lines or [])} --lines: give one for each")
    if args.biases and not all(np.isfinite(b) and b >= 0 for b in args.biases):
        parser.error(f"--biases are {args.biases}: they have to be 0 or more")
    if args.styles and args.style is not None:
        parser.error("--style and --styles exclude each other")
    if args.newlines and not args.file:
        parser.error("--newlines is for --file: --lines are lines already")
    for name in args.format:
        if name not in FORMATS:
            parser.error(f"--format {name} is not known: it is one of {', '.join(FORMATS)}")
    if args.output == "-" and len(args.format) != 1:
        parser.error("--output - needs one --format")
    if args.pages:
        try:
            page_style(args).text_width()
            options(args).check()
        except ValueError as error:
            parser.error(str(error))


def page_style(args):
    """The PageStyle that the flags ask for."""
    size = args.page or ("a4" if args.file else TIGHT)
    values = {
        "size": size, "landscape": args.landscape, "margin_mm": args.margin, "x_height_mm": args.x_height,
        "line_spacing_mm": args.line_spacing, "align": args.align, "ink": args.ink, "pen_width_mm": args.pen_width,
        "straighten": None if args.no_straighten is None else False,
    }  # fmt: skip
    if args.margin is None and size == TIGHT:
        values["margin_mm"] = 5.0
    return PageStyle(**{name: value for name, value in values.items() if value is not None})


def options(args):
    """The formats.Options that the flags ask for."""
    values = {
        "dpi": args.dpi, "paper": args.paper, "layers": args.layers, "tolerance_mm": args.tolerance,
        "speed": args.speed, "seconds": args.seconds,
    }  # fmt: skip
    return Options(**{name: value for name, value in values.items() if value is not None})


def asked_texts(args):
    """The texts that the flags name: one for --text, a list of lines for --lines and --file; None if there are none.

    Raises:
        UsageError: the file is not a text, or too long. OSError: it cannot be read.
    """
    if args.file is None:
        return args.lines or ([args.text] if args.text is not None else None)
    try:
        if args.file == "-":
            text = sys.stdin.buffer.read(4 * LONGEST_JOB + 1).decode("utf-8-sig")
        else:
            with open(args.file, encoding="utf-8-sig") as file:
                text = file.read(LONGEST_JOB + 1)
    except UnicodeDecodeError as error:
        raise UsageError(f"{args.file} is not a text in UTF-8: {error}.") from None
    if len(text) > LONGEST_JOB:
        raise UsageError(f"{args.file} has more than {LONGEST_JOB:,} characters: split it, a part is a job.")
    return text.splitlines() or [""]


class Job:
    """Pages to be written: what, how they look, and where they go.

    Args:
        args: of sample.py, checked. texts: the lines of what is written, in the model's characters.
    """

    def __init__(self, args, texts):
        if args.file:
            self.rows = text_rows("\n".join(texts), args.bias, args.style, args.newlines or "auto")
        else:
            styles = [None if n == -1 else n for n in args.styles] if args.styles else [args.style] * len(texts)
            self.rows = line_rows(texts, args.biases or [args.bias] * len(texts), styles)
        self.style, self.options = page_style(args), options(args)
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
            # Now, and not after minutes of writing.
            folder = os.path.dirname(self.output) or "." if self.to_file else self.output
            try:
                os.makedirs(folder, exist_ok=True)
            except OSError as error:
                reason = "is a file" if os.path.isfile(folder) else f"cannot be made ({error.strerror})"
                raise type(error)(f"--output {self.output}: the folder {folder} {reason}.") from None

    def run(self, write, seed, styles, suffix, workers=0):
        """Writes everything.

        Args:
            write, seed, styles: as in `write_rows`. suffix: of file names. workers: most processes that draw.

        Returns:
            the names of the files.
        """
        pages = compose(write_rows(self.rows, write, seed, styles), self.style)
        if self.output == "-":
            formats.write(pages, sys.stdout.buffer, self.formats[0], self.options)
            return []
        names = []
        with drawing_processes(workers) if workers > 1 and len(pages) >= PAGES_FOR_WORKERS else nullcontext() as pool:
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


def file_name(text):
    """A name for files out of a text."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:40] or "line"
