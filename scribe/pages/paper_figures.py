"""The figures of Graves, arXiv:1308.0850, sections 4 and 5: densities, the window, lines and what primed them.

reproduce.py says what is drawn in which. Lengths are in units of data_scale; y grows downwards. Every picture is
written aside and renamed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.pages.figures import draw_ink, new_figure, new_page, save_figure
from scribe.pages.page import INK

PRIME_INK = "#b03a2e"  # what a person wrote, or stands for it
DPI = 130
# The density of a point within a stroke is a hundred times that of the first one of the next: logarithms show both.
FAINT = 1 / 30  # density, in points for each square unit, from which on a place is seen


class Density(NamedTuple):
    """The density of the next point after each of T points: M components; each array is [T, M]."""

    pi: NDArray
    mu1: NDArray
    mu2: NDArray
    sigma1: NDArray
    sigma2: NDArray
    rho: NDArray


def density_map(points: NDArray, density: Density, cell: float = 0.09, pad: float = 2.0) -> tuple[NDArray, tuple]:
    """The sum of the densities of all next points, over the paper.

    Args:
        points: [T, 2], absolute: where the pen was when each density was predicted. density: see `Density`.
        cell: width of a cell. pad: margin around the points.

    Returns:
        heat [rows, columns], and the extent (left, right, bottom, top) that imshow takes.
    """
    (left, top), (right, bottom) = points.min(axis=0) - pad, points.max(axis=0) + pad
    columns = left + cell * (0.5 + np.arange(int((right - left) / cell) + 1))
    rows = top + cell * (0.5 + np.arange(int((bottom - top) / cell) + 1))
    heat = np.zeros((len(rows), len(columns)))
    for t, (x, y) in enumerate(points):
        pi, mu1, mu2, sigma1, sigma2, rho = (values[t][:, None, None] for values in density)
        # No narrower than a cell: a component that falls between two centres would not be seen.
        sigma1, sigma2 = np.maximum(sigma1, cell / 2), np.maximum(sigma2, cell / 2)
        z1 = (columns[None, None, :] - x - mu1) / sigma1
        z2 = (rows[None, :, None] - y - mu2) / sigma2
        rest = 1 - rho**2
        exponent = -(z1**2 + z2**2 - 2 * rho * z1 * z2) / (2 * rest)
        heat += np.sum(pi * np.exp(exponent) / (2 * np.pi * sigma1 * sigma2 * np.sqrt(rest)), axis=0)
    return heat, (left, right, bottom, top)


def draw_mixture(strokes: NDArray, density: Density, path: str) -> None:
    """Figures 10 and 14: above, the densities of all next points added up; below, the weights of the components.

    Args:
        strokes: [T, 6] or [T, 3], absolute points, pen lift last. density: of the point after each.
    """
    heat, extent = density_map(strokes[:, :2], density)
    T, M = density.pi.shape
    width = max(7.0, 0.05 * T)
    map_height = width * heat.shape[0] / heat.shape[1]
    figure = new_figure(width, map_height + 0.14 * M + 1.4)
    above, below = figure.subplots(2, 1, height_ratios=[map_height, 0.14 * M])
    above.imshow(np.log1p(heat / FAINT), extent=extent, cmap="magma", aspect="equal")
    above.set_xticks([])
    above.set_yticks([])
    above.set_title("density of the next pen location", fontsize=9, loc="left")
    shown = below.imshow(density.pi.T, aspect="auto", cmap="magma", vmin=0, vmax=1, interpolation="nearest")
    below.set_xlabel("pen point", fontsize=8)
    below.set_ylabel("component", fontsize=8)
    below.set_yticks(range(0, M, 5))
    below.tick_params(labelsize=7)
    below.set_title("weights of the mixture components", fontsize=9, loc="left")
    for lift in np.flatnonzero(strokes[:, -1] > 0.5):
        below.axvline(lift + 0.5, color="white", linewidth=0.6, linestyle=":")
    figure.colorbar(shown, ax=below, pad=0.01, fraction=0.02).ax.tick_params(labelsize=7)
    figure.set_layout_engine("tight")
    save_figure(figure, path, DPI)


def draw_window(phis: NDArray, strokes: NDArray, text: str, path: str) -> None:
    """Figure 13: the window weights, time from left to right, the text from the bottom to the top: a diagonal.

    What is drawn is each character's share of the weights of a point. The weights themselves are ten times as large
    where the window moves on as within a character, and would show little else.

    Args:
        phis: [n, U]. strokes: [n, 6]. text: U characters.
    """
    n, U = phis.shape
    figure = new_figure(9.0, 0.16 * U + 2.4)
    above, below = figure.subplots(2, 1, height_ratios=[0.16 * U + 0.8, 1.3])
    shares = phis / np.maximum(phis.sum(axis=1, keepdims=True), 1e-30)
    above.imshow(shares.T, aspect="auto", origin="lower", cmap="gray", interpolation="nearest", vmin=0, vmax=1)
    above.set_yticks(range(U), [{" ": "␣"}.get(c, c) for c in text], fontsize=7, fontfamily="DejaVu Sans Mono")
    above.set_xlabel("pen point", fontsize=8)
    above.tick_params(axis="x", labelsize=7)
    below.set_aspect("equal")
    draw_ink(below, strokes, INK, width=1.2)
    below.invert_yaxis()
    below.axis("off")
    figure.set_layout_engine("tight")
    save_figure(figure, path, DPI)


def draw_blocks(blocks: Sequence[tuple[Sequence[NDArray], Sequence[NDArray]]], path: str) -> None:
    """Figures 18 to 21: blocks of lines, the prime of each block in another colour and apart from what follows.

    Args:
        blocks: (primes, lines) of each block, strokes [n, 6] or [n, 3] absolute.
    """
    line_gap, prime_gap, block_gap = 3.0, 5.0, 11.0
    bottom, placed = 0.0, []
    for primes, lines in blocks:
        for ink, group, gap in ((PRIME_INK, primes, prime_gap), (INK, lines, line_gap)):
            for number, strokes in enumerate(group):
                columns = np.array(strokes[:, [0, 1, -1]])
                columns[:, 0] -= columns[:, 0].min()
                columns[:, 1] += bottom - columns[:, 1].min()
                last = number == len(group) - 1
                bottom = columns[:, 1].max() + (gap if last or ink == INK else line_gap)
                placed.append((ink, columns))
        bottom += block_gap - line_gap
    figure, axes = new_page(np.concatenate([columns for _, columns in placed]))
    for ink, columns in placed:
        draw_ink(axes, columns, ink)
    save_figure(figure, path, DPI)
