"""The network as diagrams: one time step, and several of them side by side. Called by draw_pictures.py."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch  # noqa: E402

COLOURS = {"in": "#e8e8e4", "lstm": "#cfe0f3", "window": "#fbe3c0", "head": "#d5ecd4"}


def _box(axes, x, y, text, kind, width=2.2, height=0.7):
    corner = (x - width / 2, y - height / 2)
    style = FancyBboxPatch(corner, width, height, boxstyle="round,pad=0.05", fc=COLOURS[kind], ec="#333333", lw=1)
    axes.add_patch(style)
    axes.text(x, y, text, ha="center", va="center", fontsize=10)


def _arrow(axes, start, end, bend=0.0, colour="#333333", style="-|>", dashed=False):
    axes.add_patch(
        FancyArrowPatch(
            start, end, connectionstyle=f"arc3,rad={bend}", arrowstyle=style, mutation_scale=11, lw=1.1, color=colour,
            shrinkA=2, shrinkB=2, linestyle="--" if dashed else "-",
        )
    )  # fmt: skip


def _canvas(width, height):
    figure, axes = plt.subplots(figsize=(width, height))
    axes.set_aspect("equal")
    axes.axis("off")
    return figure, axes


def _save(figure, path):
    figure.savefig(path, dpi=110, bbox_inches="tight", facecolor="white")
    plt.close(figure)


def draw_timestep(path):
    """The network at one pen point: inputs at the bottom, the density of the next point at the top."""
    figure, axes = _canvas(8, 6.2)
    _box(axes, 0, 0, r"pen point $x_t$" "\n" r"$(\Delta x,\ \Delta y,\ \mathrm{lift})$", "in", 2.6, 0.9)
    _box(axes, 6.4, 0, "text, one-hot\n$c_1 \\ldots c_U$", "in", 2.4, 0.9)
    _box(axes, 0, 1.9, "LSTM 0   $h^0_t$", "lstm")
    window = "window   $w_t$\n" r"$\phi(t,u)=\sum_k \alpha_k e^{-\beta_k(\kappa_k-u)^2}$"
    _box(axes, 6.4, 1.9, window, "window", 4.1, 1.0)
    _box(axes, 0, 3.6, "LSTM 1   $h^1_t$", "lstm")
    _box(axes, 0, 5.3, "LSTM 2   $h^2_t$", "lstm")
    _box(axes, 0, 7.0, "density of $x_{t+1}$\n$M$ Gaussians, pen lift", "head", 3.0, 0.9)
    _arrow(axes, (0, 0.5), (0, 1.5))
    _arrow(axes, (6.4, 0.5), (6.4, 1.35))
    _arrow(axes, (1.2, 1.9), (4.25, 1.9))
    axes.text(2.75, 2.02, r"$\alpha, \beta, \kappa$", ha="center", va="bottom", fontsize=10)
    _arrow(axes, (0, 2.3), (0, 3.2))
    _arrow(axes, (0, 4.0), (0, 4.9))
    _arrow(axes, (0, 5.7), (0, 6.5))
    for height, bend in ((3.6, 0.12), (5.3, 0.2)):
        _arrow(axes, (5.4, 2.45), (1.2, height), bend)
    for height in (3.6, 5.3):  # skip connections of the inputs
        _arrow(axes, (-1.0, 0.5), (-1.2, height), -0.3, "#888888")
    for height in (1.9, 3.6):  # skip connections to the head
        _arrow(axes, (-1.2, height + 0.1), (-1.3, 6.6), -0.38, "#5a8f59")
    _arrow(axes, (5.0, 1.35), (1.2, 1.7), -0.25, "#c07a1a", dashed=True)
    axes.text(3.1, 0.62, "$w_{t-1}$ at the next point", fontsize=9, color="#c07a1a", ha="center")
    axes.set_xlim(-3.6, 8.6)
    axes.set_ylim(-0.6, 7.6)
    _save(figure, path)


def draw_unrolled(path, steps=4):
    """The same network over several pen points: what is handed on from each to the next."""
    figure, axes = _canvas(11, 5.2)
    rows = [("$x_{%s}$", "in", 0), ("LSTM 0", "lstm", 1.4), ("window", "window", 2.6), ("LSTM 1", "lstm", 3.8),
            ("LSTM 2", "lstm", 5.0), ("density", "head", 6.2)]  # fmt: skip
    for step in range(steps):
        x = 3.6 * step
        name = f"t{step - 1:+d}" if step != 1 else "t"
        for label, kind, y in rows:
            _box(axes, x, y, label % name if "%" in label else label, kind, 1.7, 0.6)
        for low, high in zip(rows, rows[1:]):
            _arrow(axes, (x, low[2] + 0.35), (x, high[2] - 0.35))
        if step + 1 < steps:
            for y in (1.4, 2.6, 3.8, 5.0):
                _arrow(axes, (x + 0.9, y), (x + 2.7, y), colour="#33669a" if y != 2.6 else "#c07a1a")
            _arrow(axes, (x + 0.9, 2.45), (x + 2.7, 1.55), colour="#c07a1a", dashed=True)
            if step:
                _arrow(axes, (x + 0.9, 6.2), (x + 2.75, 0.1), colour="#3f7d3e", dashed=True, bend=-0.08)
    axes.text(9.62, 3.3, "sampled", rotation=-65, fontsize=9, color="#3f7d3e", ha="center")
    axes.text(1.8, 5.12, "$h, c$", fontsize=9, color="#33669a", ha="center")
    axes.text(1.8, 2.72, r"$\kappa$", fontsize=9, color="#c07a1a", ha="center")
    axes.text(1.55, 1.78, "$w$", fontsize=9, color="#c07a1a", ha="center")
    axes.set_xlim(-1.2, 3.6 * (steps - 1) + 1.2)
    axes.set_ylim(-0.5, 6.7)
    _save(figure, path)
