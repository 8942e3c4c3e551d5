"""Flags of pages: what `sample.py` writes, on which paper, in which formats; and which flags contradict each other.

flags.add_flags(parser)
args = parser.parse_args(argv)
flags.check_flags(parser, args)
texts = flags.asked_texts(args)
"""

import argparse

import numpy as np

from scribe.files.text_file import read_text
from scribe.ink.segments import MAX_CHARACTERS
from scribe.pages.drawing_options import Options
from scribe.pages.formats import FORMATS
from scribe.pages.page import hex_colour
from scribe.pages.page_style import (
    ALIGNMENTS,
    GUTTER_MM,
    MARGIN_MM,
    TIGHT,
    TIGHT_MARGIN_MM,
    VERTICAL_ALIGNMENTS,
    PageStyle,
)
from scribe.pages.ruling import RULINGS

MAX_JOB_CHARACTERS = 200_000  # about 60 pages, an hour on two cores
CARD_SIZE = "a6"
TIGHT_WIDTH = 58.0  # x-heights: the width of a text on a tight page, about 40 characters
SEYES_X_HEIGHT_MM = 2.0  # a small letter fills the space between two fine rules


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of pages to the parser of sample.py. All are None unless given."""
    g = parser.add_argument_group("pages and files (any of these flags writes pages instead of the three pictures)")
    g.add_argument("--biases", type=float, nargs="+", metavar="B", help="a bias for each of --lines")
    g.add_argument("--styles", type=int, nargs="+", metavar="N", help="a style for each of --lines (-1: none)")
    g.add_argument(
        "--format", nargs="+", metavar="F", help="one or more of png, svg, pdf, gif, animated-svg, json, inkml"
    )
    g.add_argument("--output", metavar="PATH", help="a file, a folder, or - for stdout (default: logs/figures)")
    sizes = (
        "a3, a4, a5, a6, letter, legal, tight, or width x height in mm such as 110x220, or in inches such as 5x7in "
        "(default: a4 for --file, a6 for --cards, else tight)"
    )
    g.add_argument("--page", help=sizes)
    g.add_argument("--landscape", action="store_true", default=None, help="turn the page on its side")
    margins = f"margins: all four, or top right bottom left (default: {MARGIN_MM:g}; tight: {TIGHT_MARGIN_MM:g})"
    g.add_argument("--margin", type=float, nargs="+", metavar="MM", help=margins)
    g.add_argument("--x_height", type=float, metavar="MM", help="height of a small letter (default: 2.5)")
    g.add_argument(
        "--fit",
        type=int,
        nargs="?",
        const=1,
        metavar="PAGES",
        help="write smaller, down to an x-height of 1.5 mm, so that all fits on so many pages (--fit alone: on one)",
    )
    g.add_argument(
        "--line_spacing",
        type=float,
        metavar="MM",
        help="distance of baselines (default: 3.6 x-heights, more where letters would touch)",
    )
    g.add_argument("--align", choices=ALIGNMENTS, help="side of the page that lines are set to (default: left)")
    g.add_argument(
        "--valign", choices=VERTICAL_ALIGNMENTS, help="part of the page that lines are set to (default: top)"
    )
    g.add_argument("--columns", type=int, metavar="N", help="columns side by side on a page (default: 1)")
    g.add_argument("--gutter", type=float, metavar="MM", help=f"distance of columns (default: {GUTTER_MM:g})")
    g.add_argument(
        "--ruling", choices=RULINGS, help="ruled paper that baselines stand on; in an svg a layer that is not plotted"
    )
    g.add_argument(
        "--newlines", choices=("auto", "keep", "join"), help="which newlines of a text begin a line on the page"
    )
    g.add_argument(
        "--hyphenate", metavar="LANG", help="language such as en or de, by whose rules long words are broken"
    )
    g.add_argument(
        "--markup", action="store_true", default=None, help="__words__ are underlined, ~~words~~ crossed out"
    )
    g.add_argument("--no_straighten", action="store_true", default=None, help="leave tilt, drift and slant as written")
    g.add_argument("--ink", metavar="COLOUR", help="colour of the pen: a name or #rrggbb")
    g.add_argument("--inks", nargs="+", metavar="COLOUR", help="an ink for each of --lines; each is a layer of an svg")
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
    args.pages = bool(args.lines or args.file or given or getattr(args, "cards", None))
    args.format = args.format or []
    for flag, single in (("biases", "bias"), ("styles", "style"), ("inks", "ink")):
        values = getattr(args, flag)
        if values and not args.lines:
            parser.error(f"--{flag} is for --lines, with a value for each: take --{single} here")
        if values and len(values) != len(args.lines):
            parser.error(f"--{flag} has {len(values)} values for {len(args.lines)} --lines: give one for each")
    if args.margin is not None and len(args.margin) not in (1, 4):
        parser.error(f"--margin has {len(args.margin)} values: give one for all sides, or top right bottom left")
    if args.biases and not all(np.isfinite(b) and b >= 0 for b in args.biases):
        parser.error(f"--biases are {args.biases}: they have to be 0 or more")
    if args.styles and args.style is not None:
        parser.error("--style and --styles exclude each other")
    if args.newlines and args.lines:
        parser.error("--newlines is for --file, --text and --cards: --lines are lines already")
    if args.ink and args.inks:
        parser.error("--ink and --inks exclude each other")
    for name in args.format:
        if name not in FORMATS:
            parser.error(f"--format {name} is not known: it is one of {', '.join(FORMATS)}")
    if args.output == "-" and len(args.format) != 1:
        parser.error("--output - needs one --format")
    if args.fit is not None and args.fit < 1:
        parser.error(f"--fit is {args.fit}: it is a number of pages, 1 or more")
    if args.pages:
        try:
            if args.fit is not None and page_style(args).page_size() is None:
                parser.error("--fit needs a page with a size: name one with --page")
            page_style(args).text_width()
            for ink in filter(None, [args.ink, *(args.inks or [])]):
                hex_colour(ink)
            options(args).check()
        except ValueError as error:
            parser.error(str(error))


def page_style(args: argparse.Namespace) -> PageStyle:
    """The PageStyle that the flags ask for."""
    size = args.page or ("a4" if args.file else CARD_SIZE if getattr(args, "cards", None) else TIGHT)
    margin = None if args.margin is None else args.margin[0] if len(args.margin) == 1 else tuple(args.margin)
    values = {
        "size": size, "landscape": args.landscape, "margin_mm": margin, "x_height_mm": args.x_height,
        "line_spacing_mm": args.line_spacing, "align": args.align, "valign": args.valign, "columns": args.columns,
        "gutter_mm": args.gutter, "ruling": args.ruling, "ink": args.ink, "pen_width_mm": args.pen_width,
        "straighten": None if args.no_straighten is None else False,
    }  # fmt: skip
    if size.strip().lower() == TIGHT:
        values["margin_mm"] = TIGHT_MARGIN_MM if margin is None else margin
        if not args.lines and not (args.text and len(args.text) <= MAX_CHARACTERS):  # a long text flows
            values["width_mm"] = TIGHT_WIDTH * (args.x_height or PageStyle.x_height_mm)
    if args.ruling == "seyes" and args.x_height is None:
        values["x_height_mm"] = SEYES_X_HEIGHT_MM
    return PageStyle(**{name: value for name, value in values.items() if value is not None})


def options(args: argparse.Namespace) -> Options:
    """The Options that the flags ask for."""
    values = {
        "dpi": args.dpi, "paper": args.paper, "layers": args.layers, "tolerance_mm": args.tolerance,
        "speed": args.speed, "seconds": args.seconds, "repeat": args.repeat,
    }  # fmt: skip
    return Options(**{name: value for name, value in values.items() if value is not None})


def asked_texts(args: argparse.Namespace) -> list[str] | None:
    """The lines that the flags name, by --text, --lines or --file; None if there are none.

    Raises:
        UsageError: the file is not a text, or too long. OSError: it cannot be read.
    """
    if args.file is not None:
        return read_text(args.file, MAX_JOB_CHARACTERS).splitlines() or [""]
    if args.text is not None:
        return args.text.splitlines() or [args.text]
    return args.lines
