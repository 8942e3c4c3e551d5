"""Pages as a gif in which the pen writes: frames drawn with Matplotlib, encoded with Pillow, on which that depends.

`formats.write` is the way to files; the options are `options.Options`.
"""

import struct
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import GifImagePlugin, Image

from scribe.pages.drawing_options import Options
from scribe.pages.page import Page, hex_colour, schedule
from scribe.pages.raster import line_collection, page_figure, rule_collection

GIF_DPI = 110
MAX_GIF_SECONDS = 30.0  # where no time is asked for
LAST_FRAME_SECONDS = 2.0  # a finished page stays so long
MAX_INKS = 8  # a gif has 256 colours


def gif(pages: list[Page], options: Options) -> bytes:
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
    elif options.speed is None and end > MAX_GIF_SECONDS:
        pace = MAX_GIF_SECONDS / end
    frame = max(round(100 / options.fps), 2) / 100  # counted in hundredths; browsers take less than 2 for 10
    colours = [rule.colour for page in pages for rule in page.rules]
    colours += [hex_colour(line.ink) for page in pages for line in page.lines]
    inks = list(dict.fromkeys(colours)) or ["#000000"]
    if len(inks) > MAX_INKS:
        raise ValueError(f"a gif holds {MAX_INKS} inks, but there are {len(inks)}.")
    palette, levels = _palette(inks, options.paper)
    size = np.max([page_figure(page, FigureCanvasAgg, dpi)[0].canvas.get_width_height() for page in pages], axis=0)
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
    """Encoded frames: the empty page, what each moment adds, and the whole page again, which is wiped if `wipe`."""
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
        part, offset = _new_part(shown, drawing)
        waiting = 0.0
    add(part, offset, waiting or frame)
    drawing.up_to(times, np.inf)
    _new_part(shown, drawing)
    add(shown, (0, 0), LAST_FRAME_SECONDS, 2 if wipe else 1)
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
    """A page drawn bit by bit: the opacity of every ink, and from it the indices of the palette."""

    def __init__(self, page, dpi, inks, levels, options):
        self.page, self.inks, self.levels, self.options = page, inks, levels, options
        self.layers = [page_figure(page, FigureCanvasAgg, dpi) for _ in inks]
        for figure, _ in self.layers:
            figure.patch.set_visible(False)
            figure.canvas.draw()
        for colour in dict.fromkeys(rule.colour for rule in page.rules):
            figure, axes = self.layers[inks.index(colour)]
            collection = rule_collection([rule for rule in page.rules if rule.colour == colour], "#000000")
            axes.add_collection(collection, autolim=False)
            figure.draw_artist(collection)
            collection.remove()
        self.drawn = [0] * len(page.lines)

    def up_to(self, times, now):
        """Draws what is written by `now` and not yet drawn; returns whether there was anything."""
        anything = False
        for k, line in enumerate(self.page.lines):
            stop = int(np.searchsorted(times[k], now, side="right"))
            if stop > self.drawn[k]:
                figure, axes = self.layers[self.inks.index(hex_colour(line.ink))]
                collection = line_collection(line, self.options, self.drawn[k], stop, "#000000")
                axes.add_collection(collection, autolim=False)
                figure.draw_artist(collection)
                collection.remove()
                self.drawn[k], anything = stop, True
        return anything

    def indices(self):
        """uint8 [rows, columns]: 0 is paper, then the levels of each ink."""
        result = None
        for k, (figure, _) in enumerate(self.layers):
            canvas: Any = figure.canvas
            opacity = np.asarray(canvas.buffer_rgba())[:, :, 3].astype(np.uint16)
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
    """The head of the file: its size, one palette for all frames, endless repetition."""
    screen = struct.pack("<HHBBB", int(size[0]), int(size[1]), 0xF7, 0, 0)
    return b"GIF89a" + screen + palette + b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
