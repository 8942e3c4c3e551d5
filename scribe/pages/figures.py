"""Figures of single lines: the line itself, the attention over time, the density of the pen positions. No network.

    from scribe.pages.figures import draw_line, draw_attention, draw_density
    draw_line(strokes, "line.png")

Strokes are what `sample()` returns: [n, 6] with x, y (absolute, y grows downwards), sigma1, sigma2, rho, pen lift, all
lengths in the same unit. Every picture is written aside and renamed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scribe.files.atomic import written_aside
from scribe.ink.strokes import split_strokes
from scribe.pages.page import INK

INCHES_PER_UNIT = 0.045  # about 2.5 mm for a small letter of 2 units height
PEN_WIDTH = 1.6  # points
LABEL_UNITS = 2.0  # width of a character of a label of 9 points


def pen_strokes(strokes: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    """[n, 6] or [n, 3] absolute points (x, y first, pen lift last) -> list of [m, 2], a polyline for each pen-down."""
    return [part[:, :2] for part in split_strokes(strokes)]


def draw_line(strokes: NDArray[np.floating], path: str, ink: str = INK, dpi: float = 150) -> None:
    """The line as a pen would write it.

    Args:
        strokes: [n, 6].
        path: file name; its extension (png, pdf, svg) is the format.
        ink: a matplotlib colour.
        dpi: pixels per inch.
    """
    figure, axes = new_page(strokes)
    draw_ink(axes, strokes, ink)
    save_figure(figure, path, dpi)


def draw_lines(
    lines: Sequence[NDArray[np.floating]], path: str, ink: str = INK, dpi: float = 150, labels: Sequence[Any] = ()
) -> None:
    """Several lines [n, 6], one below the other. Arguments as `draw_line`; labels: what stands before each."""
    gap, bottom, placed = 4.0, 0.0, []
    for strokes in lines:
        moved = strokes.copy()
        moved[:, 0] -= strokes[:, 0].min()
        moved[:, 1] += bottom - strokes[:, 1].min()
        bottom = moved[:, 1].max() + gap
        placed.append(moved)
    longest = max((len(str(label)) for label in labels), default=0)
    figure, axes = new_page(np.concatenate(placed), left=longest * LABEL_UNITS)
    for strokes in placed:
        draw_ink(axes, strokes, ink)
    for label, strokes in zip(labels, placed, strict=False):
        axes.text(-1.0, np.median(strokes[:, 1]), label, fontsize=9, color="grey", ha="right", va="center")
    save_figure(figure, path, dpi)


def draw_ink(axes, strokes, ink, width=PEN_WIDTH):
    """Draws absolute points [n, 3] or [n, 6], pen lift last, as a pen of `width` points would; dots included."""
    parts = [part[:, :2] for part in pen_strokes(strokes)]
    dots = [part for part in parts if len(part) == 1]
    # One line for all strokes, with gaps: a line of Matplotlib's costs a thousand times what a point costs.
    lines = [np.append(part, [[np.nan, np.nan]], axis=0) for part in parts if len(part) > 1]
    if dots:
        axes.plot(*np.concatenate(dots).T, ".", color=ink, markersize=width)
    if lines:
        style = {"solid_capstyle": "round", "solid_joinstyle": "round"}
        axes.plot(*np.concatenate(lines).T, color=ink, linewidth=width, **style)


def draw_attention(
    phis: NDArray[np.floating], strokes: NDArray[np.floating], text: str, path: str, dpi: float = 150
) -> None:
    """The weight of every character at every pen point, above the line that it belongs to.

    Args:
        phis: [n, U].
        strokes: [n, 6].
        text: U characters.
        path: file name.
        dpi: pixels per inch.
    """
    n, U = phis.shape
    figure = new_figure(max(6.0, n * 0.012), max(2.5, 0.17 * U) + 1.2)
    axes, below = figure.subplots(2, 1, height_ratios=[max(2.5, 0.17 * U), 1.2])
    axes.imshow(phis.T, aspect="auto", origin="upper", cmap="viridis", interpolation="nearest")
    axes.set_yticks(range(U), [{" ": "␣"}.get(c, c) for c in text], fontsize=7, fontfamily="DejaVu Sans Mono")
    axes.set_xlabel("pen point", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    draw_ink(below, strokes, INK, width=1.2)
    below.set_aspect("equal")
    below.invert_yaxis()
    below.axis("off")
    figure.set_layout_engine("tight")
    save_figure(figure, path, dpi)


def draw_density(strokes: NDArray[np.floating], path: str, dpi: float = 150) -> None:
    """A heat map: for every pen point, the Gaussian that it was drawn from, moved to where the pen went.

    Args:
        strokes: [n, 6].
        path: file name.
        dpi: pixels per inch.
    """
    x, y, sigma1, sigma2, rho, _ = strokes.T
    pad, cell = 5.0, 0.25  # units
    left, top = x.min() - pad, y.min() - pad
    columns = int((x.max() + pad - left) / cell) + 1
    rows = int((y.max() + pad - top) / cell) + 1
    heat = np.zeros((rows, columns))
    # No narrower than the grid can show, no wider than the patch that is drawn.
    sigma1, sigma2 = np.clip(sigma1, cell, 2.0), np.clip(sigma2, cell, 2.0)
    reach = int(3 * 2.0 / cell)
    for i in range(len(x)):
        column, row = int((x[i] - left) / cell), int((y[i] - top) / cell)
        c = np.arange(max(0, column - reach), min(columns, column + reach + 1))
        r = np.arange(max(0, row - reach), min(rows, row + reach + 1))
        z1 = (left + c * cell - x[i])[None, :] / sigma1[i]
        z2 = (top + r * cell - y[i])[:, None] / sigma2[i]
        rest = max(1e-3, 1 - rho[i] ** 2)
        exponent = -(z1**2 + z2**2 - 2 * rho[i] * z1 * z2) / (2 * rest)
        heat[r[0] : r[-1] + 1, c[0] : c[-1] + 1] += np.exp(exponent) / (sigma1[i] * sigma2[i] * np.sqrt(rest))
    figure, axes = new_page(strokes)
    extent = (left, left + columns * cell, top + rows * cell, top)
    axes.imshow(np.log1p(heat), extent=extent, cmap="magma", interpolation="bilinear")
    save_figure(figure, path, dpi)


def new_figure(width, height):
    """A figure of so many inches, outside of pyplot, so that none is kept."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def new_page(strokes, left=0.0):
    """A figure without axes, y growing downwards, as large as the strokes, a margin, and `left` more on the left."""
    margin = 4.0
    x0, y0 = strokes[:, :2].min(axis=0) - (margin + left, margin)
    x1, y1 = strokes[:, :2].max(axis=0) + margin
    # A line that ran off its baseline can be very high: keep the picture at a size that can be drawn.
    scale = min(INCHES_PER_UNIT, 60.0 / max(x1 - x0, y1 - y0))
    figure = new_figure((x1 - x0) * scale, (y1 - y0) * scale)
    axes = figure.add_axes([0, 0, 1, 1])
    axes.set_xlim(x0, x1)
    axes.set_ylim(y1, y0)
    axes.axis("off")
    return figure, axes


def save_figure(figure, path, dpi):
    """Writes a figure aside and renames it."""
    with written_aside(path) as aside:
        figure.savefig(aside, dpi=dpi)
