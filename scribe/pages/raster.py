"""Draws pages with Matplotlib: png and pdf, and the figures and the ink that gif.py draws bit by bit.

    from scribe.pages.raster import pixels
    image = pixels(page, Options(dpi=150, paper="white"))     # uint8 [height, width, 4]

`formats.write` is the way to files; the options are `options.Options`.
"""

import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from scribe.pages.drawing_options import Options
from scribe.pages.page import SMOOTH_STEPS, Page, PlacedLine, hex_colour, relative_widths, smooth
from scribe.pages.ruling import Rule

PNG_DPI = 300
PNG_SPEED_WIDTH = 0.5
PAGE_WIDENING = 0.45  # share by which a slow pen draws wider, a fast one thinner, at a speed_width of 1
MAX_SIDE_PIXELS = 30_000  # what Agg can draw
ROUND_DOT_MM = 0.02  # length of a dot, which its round ends make as wide as the pen
POINTS_PER_MM = 72 / 25.4


def pixels(page: Page, options: Options) -> NDArray[np.uint8]:
    """The page as uint8 [height, width, 4], red, green, blue, opacity; without paper, transparent but for the ink."""
    figure, axes = page_figure(page, FigureCanvasAgg, options.dpi or PNG_DPI)
    figure.patch.set_facecolor((1, 1, 1, 0) if options.paper is None else hex_colour(options.paper))
    _ink(page, axes, options, PNG_SPEED_WIDTH)
    canvas: Any = figure.canvas
    canvas.draw()
    return np.array(canvas.buffer_rgba())


def png(pages: list[Page], options: Options) -> bytes:
    """The bytes of a png of the one page, with its resolution."""
    (page,) = pages
    dpi = options.dpi or PNG_DPI
    image = pixels(page, options)
    stream = io.BytesIO()
    Image.fromarray(image if options.paper is None else image[:, :, :3].copy()).save(stream, "PNG", dpi=(dpi, dpi))
    return stream.getvalue()


def pdf(pages: list[Page], options: Options) -> bytes:
    """The bytes of a pdf with all pages: lines stay lines, sizes are exact, the same pages give the same bytes."""
    stream = io.BytesIO()
    with PdfPages(stream, metadata={"CreationDate": None}) as file:
        for page in pages:
            figure, axes = page_figure(page, FigureCanvasPdf)
            figure.patch.set_visible(options.paper is not None)
            if options.paper is not None:
                figure.patch.set_facecolor(hex_colour(options.paper))
            _ink(page, axes, options)
            file.savefig(figure, facecolor="auto")
    return stream.getvalue()


# ---------------------------------------------------------------------------------------------------------- drawing


def page_figure(page: Page, canvas: type, dpi: float | None = None) -> tuple[Figure, Any]:
    """A figure as large as the page (with a dpi: rounded to whole pixels), and axes all over it in millimetres."""
    width, height = page.width_mm / 25.4, page.height_mm / 25.4
    if dpi is not None:
        columns, rows = (max(round(side * dpi), 1) for side in (width, height))
        if max(columns, rows) > MAX_SIDE_PIXELS:
            raise ValueError(
                f"{page.width_mm:g} x {page.height_mm:g} mm at {dpi:g} dpi are {columns} x {rows} pixels: "
                f"take a lower dpi, {MAX_SIDE_PIXELS} a side are the most."
            )
        width, height = columns / dpi, rows / dpi
    figure = Figure(figsize=(width, height), dpi=dpi or 72)
    canvas(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width * 25.4)
    axes.set_ylim(height * 25.4, 0)
    axes.axis("off")
    return figure, axes


def _ink(page, axes, options, speed_width=0.0):
    """Adds all lines; `speed_width` is the default where the options have none."""
    if options.speed_width is None:
        options = dataclasses.replace(options, speed_width=speed_width)
    if page.rules:
        axes.add_collection(rule_collection(page.rules), autolim=False)
    for line in page.lines:
        axes.add_collection(line_collection(line, options), autolim=False)


def rule_collection(rules: Sequence[Rule], colour: str | None = None) -> LineCollection:
    """The rules of the paper, in their own colours or all in one."""
    return LineCollection(
        [[(r.x1 - ROUND_DOT_MM / 2, r.y1), (r.x2 + ROUND_DOT_MM / 2, r.y2)] for r in rules],
        linewidths=[r.width_mm * POINTS_PER_MM for r in rules], colors=[colour or r.colour for r in rules],
        capstyle="round",
    )  # fmt: skip


def line_collection(
    line: PlacedLine, options: Options, first: int = 0, last: int | None = None, colour: str | None = None
) -> LineCollection:
    """The ink of a line from point `first` up to, not including, `last`; a cut stroke goes on from the point before."""
    pieces, widths = [], []
    last = len(line.points) if last is None else last
    for stroke in line.strokes():
        if stroke.stop <= first or stroke.start >= last:
            continue
        xy = np.asarray(line.points[stroke, :2], float)
        if np.ptp(xy, axis=0).max() < ROUND_DOT_MM or last - stroke.start == 1:  # no length, so nothing would be drawn
            pieces.append(xy[0] + [[-ROUND_DOT_MM / 2, 0], [ROUND_DOT_MM / 2, 0]])
            widths.append(1.0)
            continue
        steps = SMOOTH_STEPS if options.smooth else 1
        curve = smooth(xy, steps)
        a, b = max(first - 1 - stroke.start, 0) * steps, min(last - 1 - stroke.start, len(xy) - 1) * steps
        if not options.speed_width or len(xy) < 3:
            pieces.append(curve[a : b + 1])
            widths.append(1.0)
        else:
            pieces += list(np.stack([curve[:-1], curve[1:]], axis=1)[a:b])
            widths += relative_widths(curve, PAGE_WIDENING * options.speed_width, steps)[a:b].tolist()
    points = np.array(widths) * line.pen_width_mm * POINTS_PER_MM
    colour = hex_colour(line.ink) if colour is None else colour
    collection = LineCollection(pieces, linewidths=points, colors=[colour], capstyle="round", joinstyle="round")
    collection.set_snap(False)  # to whole pixels, which would draw no dot at all
    return collection
