"""Flags of pages: what `sample.py` writes, on which paper, in which formats; and which flags contradict each other.

flags.add_flags(parser)
args = parser.parse_args(argv)
flags.check_flags(parser, args)
texts = flags.asked_texts(args)
"""

import argparse
import sys

import numpy as np

from scribe.console import UsageError
from scribe.pages.drawing_options import Options
from scribe.pages.formats import FORMATS
from scribe.pages.page_style import ALIGNMENTS, MARGIN_MM, TIGHT, TIGHT_MARGIN_MM, PageStyle

MAX_JOB_CHARACTERS = 200_000  # about 60 pages, an hour on two cores


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of pages to the parser of sample.py. All are None unless given."""
    g = parser.add_argument_group("pages and files (any of these flags writes pages instead of the three pictures)")
    g.add_argument("--biases", type=float, nargs="+", metavar="B", help="a bias for each of --lines")
    g.add_argument("--styles", type=int, nargs="+", metavar="N", help="a style for each of --lines (-1: none)")
    g.add_argument(
        "--format", nargs="+", metavar="F", help="one or more of png, svg, pdf, gif, animated-svg, json, inkml"
    )
    g.add_argument("--output", metavar="PATH", help="a file, a folder, or - for stdout (default: logs/figures)")
    g.add_argument("--page", help="a3, a4, a5, a6, letter, legal or tight (default: a4 for --file, else tight)")
    g.add_argument("--landscape", action="store_true", default=None, help="turn the page on its side")
    margins = f"width of all four margins (default: {MARGIN_MM:g}; tight: {TIGHT_MARGIN_MM:g})"
    g.add_argument("--margin", type=float, metavar="MM", help=margins)
    g.add_argument("--x_height", type=float, metavar="MM", help="height of a small letter (default: 2.5)")
    g.add_argument("--line_spacing", type=float, metavar="MM", help="distance of baselines (default: 3.6 x-heights)")
    g.add_argument("--align", choices=ALIGNMENTS, help="side of the page that lines are set to (default: left)")
    g.add_argument(
        "--newlines", choices=("auto", "keep", "join"), help="which newlines of --file begin a line on the page"
    )
    g.add_argument("--no_straighten", action="store_true", default=None, help="leave tilt, drift and slant as written")
    g.add_argument("--ink", metavar="COLOUR", help="colour of the pen: a name or #rrggbb")
    g.add_argument("--paper", metavar="COLOUR", help="background of png, gif, pdf and animated svg (default: none)")
    g.add_argument("--pen_width", type=float, metavar="MM", help="width of the pen (default: 0.35)")
    g.add_argument("--dpi", type=float, help="pixels per inch of png and gif (default: 300 and 110)")
    g.add_argument("--layers", choices=("pen", "line"), help="layers of an svg (default: pen)")
    g.add_argument(
        "--tolerance", type=float, metavar="MM", help="largest deviation of a simplified svg (default: 0.02)"
    )
    g.add_argument("--speed", type=float, help="speed of animations; 1 is real time")
    g.add_argument("--seconds", type=float, help="length of animations")
    g.add_argument(
        "--repeat", type=float, metavar="SECONDS", help="pause before an animated svg repeats (default: once)"
    )
    g.set_defaults(page_flags=[action.dest for action in g._group_actions])


def check_flags(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
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


def page_style(args: argparse.Namespace) -> PageStyle:
    """The PageStyle that the flags ask for."""
    size = args.page or ("a4" if args.file else TIGHT)
    values = {
        "size": size, "landscape": args.landscape, "margin_mm": args.margin, "x_height_mm": args.x_height,
        "line_spacing_mm": args.line_spacing, "align": args.align, "ink": args.ink, "pen_width_mm": args.pen_width,
        "straighten": None if args.no_straighten is None else False,
    }  # fmt: skip
    if args.margin is None and size == TIGHT:
        values["margin_mm"] = TIGHT_MARGIN_MM
    return PageStyle(**{name: value for name, value in values.items() if value is not None})


def options(args: argparse.Namespace) -> Options:
    """The Options that the flags ask for."""
    values = {
        "dpi": args.dpi, "paper": args.paper, "layers": args.layers, "tolerance_mm": args.tolerance,
        "speed": args.speed, "seconds": args.seconds, "repeat": args.repeat,
    }  # fmt: skip
    return Options(**{name: value for name, value in values.items() if value is not None})


def asked_texts(args: argparse.Namespace) -> list[str] | None:
    """The texts that the flags name: one for --text, a list of lines for --lines and --file; None if there are none.

    Raises:
        UsageError: the file is not a text, or too long. OSError: it cannot be read.
    """
    if args.file is None:
        return args.lines or ([args.text] if args.text is not None else None)
    try:
        if args.file == "-":
            text = sys.stdin.buffer.read(4 * MAX_JOB_CHARACTERS + 1).decode("utf-8-sig")
        else:
            with open(args.file, encoding="utf-8-sig") as file:
                text = file.read(MAX_JOB_CHARACTERS + 1)
    except UnicodeDecodeError as error:
        raise UsageError(f"{args.file} is not a text in UTF-8: {error}.") from None
    if len(text) > MAX_JOB_CHARACTERS:
        raise UsageError(f"{args.file} has more than {MAX_JOB_CHARACTERS:,} characters: split it, a part is a job.")
    return text.splitlines() or [""]
