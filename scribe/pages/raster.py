"""Draws pages with Matplotlib: png and pdf, and gif frame by frame with Pillow, which Matplotlib depends on.

    from scribe.pages.raster import pixels
    image = pixels(page, Options(dpi=150, paper="white"))     # uint8 [height, width, 4]

`formats.write` is the way to files; the options are `formats.Options`.
"""

import dataclasses
import io
import struct

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import GifImagePlugin, Image

from scribe.pages.page import hex_colour, schedule, smooth

PNG_DPI, GIF_DPI = 300, 110
PNG_SPEED_WIDTH = 0.5
LONGEST_GIF = 30.0  # seconds, where nobody asks for a time
LAST_FRAME = 2.0  # seconds that a finished page stays
MOST_PIXELS = 30_000  # of a side: what Agg can draw
DOT_MM = 0.02  # the length of a dot, which its round ends make as wide as the pen
SMOOTH_STEPS = 4
MOST_INKS = 8  # of a gif, which has 256 colours
POINTS_PER_MM = 72 / 25.4


def pixels(page, options):
    """The page as uint8 [height, width, 4], red, green, blue, opacity; without paper, transparent but for the ink."""
    figure, axes = _figure(page, FigureCanvasAgg, options.dpi or PNG_DPI)
    figure.patch.set_facecolor((1, 1, 1, 0) if options.paper is None else hex_colour(options.paper))
    _ink(page, axes, options, PNG_SPEED_WIDTH)
    figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba())


def png(pages, options):
    """The bytes of a png of the one page; it tells its resolution."""
    (page,) = pages
    dpi = options.dpi or PNG_DPI
    image = pixels(page, options)
    stream = io.BytesIO()
    Image.fromarray(image if options.paper is None else image[:, :, :3].copy()).save(stream, "PNG", dpi=(dpi, dpi))
    return stream.getvalue()


def pdf(pages, options):
    """The bytes of a pdf with all pages: lines stay lines, sizes are exact, the same pages give the same bytes."""
    stream = io.BytesIO()
    with PdfPages(stream, metadata={"CreationDate": None}) as file:
        for page in pages:
            figure, axes = _figure(page, FigureCanvasPdf)
            figure.patch.set_visible(options.paper is not None)
            if options.paper is not None:
                figure.patch.set_facecolor(hex_colour(options.paper))
            _ink(page, axes, options)
            file.savefig(figure, facecolor="auto")
    return stream.getvalue()


# ---------------------------------------------------------------------------------------------------------- drawing


def _figure(page, canvas, dpi=None):
    """A figure as large as the page (with a dpi: rounded to whole pixels), and axes all over it in millimetres."""
    width, height = page.width_mm / 25.4, page.height_mm / 25.4
    if dpi is not None:
        columns, rows = (max(round(side * dpi), 1) for side in (width, height))
        if max(columns, rows) > MOST_PIXELS:
            raise ValueError(
                f"{page.width_mm:g} x {page.height_mm:g} mm at {dpi:g} dpi are {columns} x {rows} pixels: "
                f"take a lower dpi, {MOST_PIXELS} a side are the most."
            )
        width, height = columns / dpi, rows / dpi
    figure = Figure(figsize=(width, height), dpi=dpi or 72)
    canvas(figure)
    axes = figure.add_axes([0, 0, 1, 1])
    axes.set_xlim(0, width * 25.4)
    axes.set_ylim(height * 25.4, 0)
    axes.axis("off")
    return figure, axes


def _ink(page, axes, options, speed_width=0.0):
    """Adds all lines; speed_width holds where the options leave it open."""
    if options.speed_width is None:
        options = dataclasses.replace(options, speed_width=speed_width)
    for line in page.lines:
        axes.add_collection(_collection(line, options), autolim=False)


def _collection(line, options, first=0, last=None, colour=None):
    """The ink of a line from point `first` up to before `last`; a stroke goes on from the point before `first`."""
    pieces, widths = [], []
    last = len(line.points) if last is None else last
    for stroke in line.strokes():
        if stroke.stop <= first or stroke.start >= last:
            continue
        xy = np.asarray(line.points[stroke, :2], float)
        if np.ptp(xy, axis=0).max() < DOT_MM or last - stroke.start == 1:  # no length, so nothing would be drawn
            pieces.append(xy[0] + [[-DOT_MM / 2, 0], [DOT_MM / 2, 0]])
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
            widths += _relative_widths(curve, options.speed_width, steps)[a:b].tolist()
    widths = np.array(widths) * line.pen_width_mm * POINTS_PER_MM
    colour = hex_colour(line.ink) if colour is None else colour
    collection = LineCollection(pieces, linewidths=widths, colors=[colour], capstyle="round", joinstyle="round")
    collection.set_snap(False)  # to whole pixels, which would draw no dot at all
    return collection


def _relative_widths(curve, amount, steps):
    """The width of each step of a stroke, about 1: ink flows on where the pen is slow."""
    speed = np.hypot(*np.diff(curve, axis=0).T)
    reach = 2 * steps  # hands do not change their speed at once
    kernel = np.hanning(2 * reach + 3)[1:-1]
    smoothed = np.convolve(np.pad(speed, reach, mode="edge"), kernel / kernel.sum(), "valid")
    relative = smoothed / max(float(np.median(smoothed)), 1e-9)
    return 1 + 0.45 * amount * np.clip(1 - relative, -1.0, 1.0)


# -------------------------------------------------------------------------------------------------------------- gif


def gif(pages, options):
    """The bytes of a gif in which the pen writes page after page, each cleared for the next; it repeats without end.

    Frames are encoded as they are drawn, and only the part that is new, so a long text needs neither much memory nor
    time.
    """
    dpi = options.dpi or GIF_DPI
    times = schedule(pages)
    end = max((float(t[-1]) for of_page in times for t in of_page), default=0.0)
    pace = 1 / (options.speed or 1.0)
    if options.seconds is not None:
        pace = options.seconds / max(end, 1e-9)
    elif options.speed is None and end > LONGEST_GIF:
        pace = LONGEST_GIF / end
    frame = max(round(100 / options.fps), 2) / 100  # counted in hundredths; browsers take less than 2 for 10
    inks = list(dict.fromkeys(hex_colour(line.ink) for page in pages for line in page.lines)) or ["#000000"]
    if len(inks) > MOST_INKS:
        raise ValueError(f"a gif holds {MOST_INKS} inks, but there are {len(inks)}.")
    palette, levels = _palette(inks, options.paper)
    size = np.max([_figure(page, FigureCanvasAgg, dpi)[0].canvas.get_width_height() for page in pages], axis=0)
    parts = [_gif_head(size, palette)]
    for number, (page, of_page) in enumerate(zip(pages, times, strict=True), 1):
        drawing = _Drawing(page, dpi, inks, levels, options)
        moments = _moments(of_page, frame / max(pace, 1e-9))
        wipe = options.paper is None and number < len(pages)
        parts += _frames(drawing, of_page, moments, size, frame, options.paper is None, wipe)
    return b"".join(parts) + b";"


def _moments(times, step):
    """When frames are taken of a page: every `step` seconds from its first point until all its points are written."""
    ends = [t[[0, -1]] for t in times]
    if not ends:
        return np.zeros(0)
    begin, end = np.min(ends), np.max(ends)
    return begin + step * np.arange(1, np.ceil((end - begin) / step) + 1)


def _frames(drawing, times, moments, size, frame, transparent, wipe):
    """Encoded frames: the empty page, what each moment adds, the whole page again, which is wiped out if asked for."""
    shown = np.zeros(size[::-1], np.uint8)
    encoded = []

    def add(part, offset, seconds, disposal=1):
        extra = {"transparency": 0} if transparent else {}
        image = Image.fromarray(np.ascontiguousarray(part))
        data = GifImagePlugin.getdata(image, offset, duration=round(1000 * seconds), disposal=disposal, **extra)
        encoded.append(b"".join(data))

    part, offset, waiting = shown.copy(), (0, 0), 0.0
    for moment in moments:
        waiting += frame
        if not drawing.up_to(times, moment):  # the pen is in the air
            continue
        add(part, offset, waiting)
        part, offset, waiting = *_new_part(shown, drawing), 0.0
    add(part, offset, waiting or frame)
    drawing.up_to(times, np.inf)
    _new_part(shown, drawing)
    add(shown, (0, 0), LAST_FRAME, 2 if wipe else 1)
    return encoded


def _new_part(shown, drawing):
    """Brings `shown` up to date; returns the smallest part of it that changed and its (x, y)."""
    now = drawing.indices()
    old = shown[: now.shape[0], : now.shape[1]]
    changed = old != now
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    old[:] = now
    if not len(rows):
        return shown[:1, :1].copy(), (0, 0)
    y, x = int(rows[0]), int(columns[0])
    return shown[y : rows[-1] + 1, x : columns[-1] + 1].copy(), (x, y)


class _Drawing:
    """A page that is drawn bit by bit: the opacity of every ink, and from it the indices of the palette."""

    def __init__(self, page, dpi, inks, levels, options):
        self.page, self.inks, self.levels, self.options = page, inks, levels, options
        self.layers = [_figure(page, FigureCanvasAgg, dpi) for _ in inks]
        for figure, _ in self.layers:
            figure.patch.set_visible(False)
            figure.canvas.draw()
        self.drawn = [0] * len(page.lines)

    def up_to(self, times, now):
        """Draws what is written by `now` and not yet drawn; returns whether there was anything."""
        anything = False
        for k, line in enumerate(self.page.lines):
            stop = int(np.searchsorted(times[k], now, side="right"))
            if stop > self.drawn[k]:
                figure, axes = self.layers[self.inks.index(hex_colour(line.ink))]
                collection = _collection(line, self.options, self.drawn[k], stop, "#000000")
                axes.add_collection(collection, autolim=False)
                figure.draw_artist(collection)
                collection.remove()
                self.drawn[k], anything = stop, True
        return anything

    def indices(self):
        """uint8 [rows, columns]: 0 is paper, then the levels of each ink."""
        result = None
        for k, (figure, _) in enumerate(self.layers):
            opacity = np.asarray(figure.canvas.buffer_rgba())[:, :, 3].astype(np.uint16)
            level = (opacity * (self.levels - 1) + 127) // 255
            index = (level + k * (self.levels - 1)).astype(np.uint8)
            result = np.where(level > 0, index, 0 if result is None else result)
        return result.astype(np.uint8)


def _palette(inks, paper):
    """(256 colours as bytes, levels of each ink): the paper, then each ink from nearly paper to full."""
    levels = min(255 // len(inks), 48) + 1
    rgb = [np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in [hex_colour(paper or "#ffffff"), *inks]]
    colours = [rgb[0]]
    for ink in rgb[1:]:
        colours += [rgb[0] + (ink - rgb[0]) * k / (levels - 1) for k in range(1, levels)]
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = np.round(colours)
    return table.tobytes(), levels


def _gif_head(size, palette):
    """What comes before the frames: size, one palette for all, and that it repeats."""
    screen = struct.pack("<HHBBB", int(size[0]), int(size[1]), 0xF7, 0, 0)
    return b"GIF89a" + screen + palette + b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
