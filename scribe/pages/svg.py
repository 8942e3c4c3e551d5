"""Pages as SVG: for plotters, and animated, so that the pen writes in any browser. Written by `formats.write`."""

from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from scribe.pages.drawing_options import Options
from scribe.pages.page import POINT_SECONDS, Page, PlacedLine, hex_colour, number, printable, schedule, simplify, smooth

# Length of the path of a dot: a plotter draws none without length.
PATH_DOT_MM = 0.1

_SVG_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" version="1.1" \
width="{w}mm" height="{h}mm" viewBox="0 0 {w} {h}">
"""
_PEN = 'fill="none" stroke="{ink}" stroke-width="{width}" stroke-linecap="round" stroke-linejoin="round"'


def plotter(pages: list[Page], options: Options) -> str:
    """For plotters: user units are mm, an open path for each pen stroke, a layer for each pen or line."""
    (page,) = pages
    layers: dict[Any, tuple[tuple[str, float], list[PlacedLine]]] = {}  # in the order of first use
    for k, line in enumerate(page.lines):
        pen = (hex_colour(line.ink), line.pen_width_mm)
        layers.setdefault(pen if options.layers == "pen" else k, (pen, []))[1].append(line)
    parts = [_SVG_HEAD.format(w=number(page.width_mm), h=number(page.height_mm))]
    if page.rules:  # plotter programs leave out layers whose name begins with a %
        parts += ['<g inkscape:groupmode="layer" inkscape:label="% rules" id="rules">\n', *_rules(page), "</g>\n"]
    for n, ((ink, width), lines) in enumerate(layers.values(), 1):
        name = f"{ink} {number(width)} mm" if options.layers == "pen" else lines[0].label or lines[0].text
        # Plotter programs read the number at the beginning as the layer's.
        label = quoteattr(f"{n} {printable(name)}".strip())
        style = _PEN.format(ink=ink, width=number(width))
        parts.append(f'<g inkscape:groupmode="layer" inkscape:label={label} id="layer{n}" {style}>\n')
        for line in lines:
            for stroke in line.strokes():
                parts.append(f'<path d="{_path_data(line.points[stroke, :2], options)}"/>\n')
        parts.append("</g>\n")
    return "".join(parts) + "</svg>\n"


# The dashes are in the animation alone: a program that does not animate shows the whole text, and so does the end. The
# offset is a little more than the length, or a round cap would show before its stroke begins.
_COVERED, _UNCOVERED = ("stroke-dasharray: 1 2; stroke-dashoffset: " + offset for offset in ("1.01", "0"))
_STYLE = f"""<style>
@keyframes w {{
from {{ {_COVERED} }}
to {{ {_UNCOVERED} }}
}}
path {{ animation: w 0s linear backwards }}
@media (prefers-reduced-motion: reduce) {{ path {{ animation: none !important }} }}
</style>
"""
# An animation with a delay cannot repeat together with others. So each stroke has one as long as the whole, with its
# own keyframes.
_REPEATING_STYLE = """<style>
{keyframes}
path {{ animation: {seconds}s linear infinite }}
@media (prefers-reduced-motion: reduce) {{ path {{ animation: none !important }} }}
</style>
"""


def animated(pages: list[Page], options: Options) -> str:
    """The pen writes, stroke after stroke, at the pace of real handwriting; where animations are off, all is there.

    It is written once, or again and again with a pause of `options.repeat` seconds.
    """
    (page,) = pages
    times = schedule(pages)[0]
    end = _end(times)
    pace = options.seconds / end if options.seconds and end else 1 / (options.speed or 1.0)
    parts: list[str] = []
    keyframes: list[str] = []
    if options.paper is not None:
        parts.append(f'<rect width="100%" height="100%" fill="{hex_colour(options.paper)}"/>\n')
    parts += _rules(page)
    for line, t in zip(page.lines, times, strict=True):
        pen = _PEN.format(ink=hex_colour(line.ink), width=number(line.pen_width_mm))
        parts.append(f"<g {pen}>\n<title>{escape(printable(line.text))}</title>\n")
        for stroke in line.strokes():
            path = _path_data(line.points[stroke, :2], options)
            begin, last = t[stroke][0], t[stroke][-1]
            length = max(last - begin, 2 * POINT_SECONDS)
            if options.repeat is None:
                style = f"animation-delay:{number(begin * pace)}s;animation-duration:{number(length * pace)}s"
            else:
                percent = 100 * pace / (end * pace + options.repeat)
                style = f"animation-name:w{len(keyframes)}"
                keyframes.append(_keyframes(len(keyframes), begin * percent, (begin + length) * percent))
            parts.append(f'<path pathLength="1" style="{style}" d="{path}"/>\n')
        parts.append("</g>\n")
    style = _STYLE
    if options.repeat is not None:
        seconds = number(end * pace + options.repeat)
        style = _REPEATING_STYLE.format(keyframes="\n".join(keyframes), seconds=seconds)
    head = _SVG_HEAD.format(w=number(page.width_mm), h=number(page.height_mm))
    return "".join([head, style, *parts]) + "</svg>\n"


def _rules(page):
    """The rules of the paper as lines."""
    return [
        f'<line x1="{number(r.x1)}" y1="{number(r.y1)}" x2="{number(r.x2)}" y2="{number(r.y2)}" stroke="{r.colour}" '
        f'stroke-width="{number(r.width_mm)}" stroke-linecap="round"/>\n'
        for r in page.rules
    ]


def _keyframes(name, begin, end):
    """Those of a stroke that is drawn from `begin` to `end`, percent of the whole animation."""
    return f"@keyframes w{name} {{ 0%, {begin:.4f}% {{ {_COVERED} }} {end:.4f}%, 100% {{ {_UNCOVERED} }} }}"


def _end(times):
    """The last moment of what `schedule` gave for a page, or 0."""
    return max((float(t[-1]) + 2 * POINT_SECONDS for t in times), default=0.0)


def _path_data(xy, options):
    """The d of an open path, absolute, in micrometres' precision; a dot becomes a stroke of PATH_DOT_MM."""
    xy = np.asarray(xy, float)
    if np.ptp(xy, axis=0).max() < 0.5 * PATH_DOT_MM:
        centre = (xy.min(axis=0) + xy.max(axis=0)) / 2
        xy = np.array([centre - [PATH_DOT_MM / 2, 0], centre + [PATH_DOT_MM / 2, 0]])
    elif options.smooth:
        xy = smooth(xy)
    return "M" + " ".join(f"{number(x)},{number(y)}" for x, y in simplify(xy, options.tolerance_mm))
