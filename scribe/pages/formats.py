"""Writes placed handwriting as svg (for plotters), animated svg, png, pdf, gif, json or inkml. No network, no layout.

    from scribe.pages.formats import Options, Page, PlacedLine, write
    page = Page(148, 210, [PlacedLine(points, "Dear Jon,")])       # points [n, 3]: x mm, y mm, pen lift
    write([page], "letter.svg")                                    # the format is that of the name
    write([page, page], "letter.pdf", options=Options(paper="ivory"))
    write([page], sys.stdout.buffer, "json")

pdf, json, inkml and gif hold any number of pages. svg, animated-svg and png hold one, as programs that open them
expect: several pages become letter-1.svg, letter-2.svg, ... Files are written aside and renamed, all at the end, so
there is never a half-written one.

Everything is in millimetres from the upper left corner of the page, y growing downwards (`scribe/pages/page.py`).
"""

import dataclasses
import json
import os
from collections.abc import Iterable
from concurrent.futures import Executor
from itertools import repeat
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from scribe.files.atomic import all_written_aside, write_errors
from scribe.pages import svg
from scribe.pages.drawing_options import Options
from scribe.pages.page import Page, PlacedLine, check_pages, hex_colour, number, printable, schedule
from scribe.pages.ruling import Rule

__all__ = ["FORMATS", "Options", "Page", "PlacedLine", "encode", "format_of", "page_names", "read_json", "write"]

# By name: the ending of its files, and whether a file holds one page alone.
FORMATS = {
    "svg": (".svg", True),
    "animated-svg": (".animated.svg", True),
    "png": (".png", True),
    "pdf": (".pdf", False),
    "gif": (".gif", False),
    "json": (".json", False),
    "inkml": (".inkml", False),
}


# ---------------------------------------------------------------------------------------------------------- writing


def format_of(name: "str | os.PathLike[str]") -> str:
    """The format that a file name asks for. Raises ValueError for an ending that is not known."""
    endings = sorted(FORMATS, key=lambda f: -len(FORMATS[f][0]))  # .animated.svg goes before .svg
    for format in endings:
        if str(name).lower().endswith(FORMATS[format][0]):
            return format
    raise ValueError(f"{name} does not tell its format: it should end in {', '.join(FORMATS[f][0] for f in FORMATS)}.")


def write(
    pages: Iterable[Page],
    target: Any,
    format: str | None = None,
    options: Options | None = None,
    pool: Executor | None = None,
) -> list[str]:
    """Writes pages to a file (or one for each page) or to a binary stream.

    Args:
        pages: what to write.
        target: a path, or a stream with write(bytes).
        format: a name of FORMATS; None: by the target's name.
        options: how to write it.
        pool: a `concurrent.futures` executor whose processes draw the pages of a format that has a file for each.

    Returns:
        the names of the files, in the order of the pages; [] for a stream.

    Raises:
        ValueError: no page, a page or option that cannot be written, an unknown format, several pages of a format that
            holds one to a stream.
        WriteError: a file cannot be written; what was there before is still there.
    """
    options = Options() if options is None else options
    to_stream = hasattr(target, "write")
    if format is None:
        if to_stream:
            raise ValueError("a stream has no name to tell the format by: name one of " + ", ".join(FORMATS) + ".")
        format = format_of(target)
    pages = list(pages)
    one_each = FORMATS[_known(format)][1] and len(pages) > 1
    if to_stream:
        if one_each:
            raise ValueError(f"{format} holds one page, but there are {len(pages)}: write to a file name, or as pdf.")
        with write_errors(getattr(target, "name", "the output")):
            target.write(encode(pages, format, options))
        return []
    path = os.fspath(target)
    groups = [[page] for page in pages] if one_each else [pages]
    paths = page_names(path, len(groups), FORMATS[format][0])
    encoded = (pool.map if pool and len(groups) > 1 else map)(encode, groups, repeat(format), repeat(options))
    with all_written_aside(paths) as asides:
        for path, aside in zip(paths, asides, strict=True):
            # Opened first, so that a folder that cannot be written is found before the work.
            with write_errors(path, aside), open(aside, "wb") as file:
                file.write(next(encoded))
    return paths


def encode(pages: Iterable[Page], format: str, options: Options | None = None) -> bytes:
    """Pages as the bytes of one file. Arguments and errors as `write`; svg, animated-svg and png take one page."""
    options = Options() if options is None else options
    options.check()
    pages = list(pages)
    check_pages(pages)
    if FORMATS[_known(format)][1] and len(pages) > 1:
        raise ValueError(f"{format} holds one page, but there are {len(pages)}.")
    if format in ("png", "pdf", "gif"):
        from scribe.pages import gif, raster  # Matplotlib costs a second: only these formats pay it

        return {"png": raster.png, "pdf": raster.pdf, "gif": gif.gif}[format](pages, options)
    writers = {"svg": svg.plotter, "animated-svg": svg.animated, "json": _json, "inkml": _inkml}
    text = writers[format](pages, options)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        where = ascii(text[max(0, error.start - 10) : error.end + 10])
        raise ValueError(f"a text holds half of a character (a lone surrogate), near {where}.") from None


def page_names(path: str, count: int, ending: str | None = None) -> list[str]:
    """One name for each of `count` pages: the path itself for one, else with -1, -2, ... before its ending."""
    if count == 1:
        return [path]
    if not ending or not path.lower().endswith(ending):
        ending = os.path.splitext(path)[1]
    stem = path[: len(path) - len(ending)] if ending else path
    return [f"{stem}-{k + 1}{path[len(stem) :]}" for k in range(count)]


def _known(format):
    if format not in FORMATS:
        raise ValueError(f"the format {format!r} is not known: it is one of {', '.join(FORMATS)}.")
    return format


# ----------------------------------------------------------------------------------------------------- json and inkml


def _json(pages, options):
    """All points in writing order.

    {"format": "scribe-handwriting", "version": 1, "units": {...}, "y_axis": "down", "columns": [...], "pages":
    [{"width", "height", "lines": [{"text", "label", "ink", "pen_width", "baseline", "points"}]}]}: a point holds what
    `columns` names: x and y in mm from the upper left corner, seconds since the pen first touched the first page, 1
    where the pen lifts after the point, and the place of its character in `text`, from 0; -1 where that is not known.
    A page of ruled paper has "rules", too: [x1, y1, x2, y2, width, colour] of each.
    """
    content: dict[str, Any] = {
        "format": "scribe-handwriting",
        "version": 1,
        "units": {"length": "mm", "time": "s"},
        "y_axis": "down",
        "columns": ["x", "y", "time", "pen_lift", "character"],
        "pages": [],
    }
    for page, times in zip(pages, schedule(pages), strict=True):
        lines = []
        for line, t in zip(page.lines, times, strict=True):
            index = np.full(len(t), -1) if line.index is None else np.asarray(line.index, int)
            points = [
                [round(x, 3), round(y, 3), round(seconds, 4), int(lift > 0.5), character]
                for (x, y, lift), seconds, character in zip(line.points.tolist(), t.tolist(), index.tolist())
            ]
            lines.append(
                {
                    "text": line.text,
                    "label": line.label or line.text,
                    "ink": hex_colour(line.ink),
                    "pen_width": line.pen_width_mm,
                    "baseline": line.baseline_mm,
                    "points": points,
                }  # fmt: skip
            )
        of_page = {"width": page.width_mm, "height": page.height_mm, "lines": lines}
        if page.rules:
            of_page["rules"] = [list(dataclasses.astuple(rule)) for rule in page.rules]
        content["pages"].append(of_page)
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"


def read_json(path: "str | os.PathLike[str]") -> list[Page]:
    """The pages of a json file that `write` made, to a thousandth of a mm."""
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    pages = []
    for page in content["pages"]:
        lines = []
        for line in page["lines"]:
            points = np.array(line["points"], float).reshape(-1, 5)
            texts = {"text": line["text"], "label": line["label"]}
            pen = {"ink": line["ink"], "pen_width_mm": line["pen_width"], "baseline_mm": line["baseline"]}
            lines.append(PlacedLine(points[:, [0, 1, 3]], index=points[:, 4].astype(int), **texts, **pen))
        rules = [Rule(*rule) for rule in page.get("rules", [])]
        pages.append(Page(page["width"], page["height"], lines, rules))
    return pages


def _inkml(pages, options):
    """W3C InkML 1.0: a group for each page, in it a group for each line with its text, a trace for each pen stroke."""
    pens = {}
    for page in pages:
        for line in page.lines:
            pens.setdefault((hex_colour(line.ink), line.pen_width_mm), f"pen{len(pens) + 1}")
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<ink xmlns="http://www.w3.org/2003/InkML">\n<definitions>\n',
        '<context xml:id="paper">\n<inkSource xml:id="scribe">\n<traceFormat>\n',
        '<channel name="X" type="decimal" units="mm"/>\n<channel name="Y" type="decimal" units="mm"/>\n',
        '<channel name="T" type="decimal" units="ms"/>\n</traceFormat>\n</inkSource>\n</context>\n',
    ]
    for (ink, width), name in pens.items():
        parts += [
            f'<brush xml:id="{name}">\n<brushProperty name="width" value="{number(width)}" units="mm"/>\n',
            f'<brushProperty name="color" value="{ink}"/>\n</brush>\n',
        ]
    parts.append("</definitions>\n")
    for p, (page, times) in enumerate(zip(pages, schedule(pages), strict=True), 1):
        parts += [
            f'<traceGroup xml:id="page{p}" contextRef="#paper">\n',
            f'<annotation type="pageWidth">{number(page.width_mm)} mm</annotation>\n',
            f'<annotation type="pageHeight">{number(page.height_mm)} mm</annotation>\n',
        ]
        for k, (line, t) in enumerate(zip(page.lines, times, strict=True), 1):
            brush = pens[hex_colour(line.ink), line.pen_width_mm]
            parts.append(f'<traceGroup xml:id="page{p}line{k}" brushRef="#{brush}">\n')
            parts.append(f'<annotation type="truth">{escape(printable(line.text))}</annotation>\n')
            for stroke in line.strokes():
                rows = zip(line.points[stroke, 0], line.points[stroke, 1], t[stroke] * 1000)
                trace = ", ".join(f"{number(x)} {number(y)} {ms:.0f}" for x, y, ms in rows)
                parts.append(f"<trace>{trace}</trace>\n")
            parts.append("</traceGroup>\n")
        parts.append("</traceGroup>\n")
    return "".join(parts) + "</ink>\n"
