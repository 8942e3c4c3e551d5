"""Draws the validation losses of docs/losses.csv: run, pen points seen in it, nats per point.

    python3 scripts/draw_losses.py

The runs stand one after the other, since each went on from the best step of the one before.
"""

import argparse
import csv
import os
import sys

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAPER = -2.28  # what Graves reports, in these units


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--losses", default=os.path.join(ROOT, "docs", "losses.csv"), help="the figures")
    p.add_argument("--output", default=os.path.join(ROOT, "static", "losses.png"), help="the picture")
    args = p.parse_args(argv)
    runs = {}
    with open(args.losses, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            runs.setdefault(row["run"], []).append((float(row["points"]) / 1e6, float(row["nats_per_point"])))
    figure = Figure(figsize=(7, 3.6))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    before = (0.0, None)
    for name, rows in runs.items():
        x = [before[0] + points for points, _ in rows]
        y = [nats for _, nats in rows]
        start = [before] if before[1] is not None else []
        axes.plot([s[0] for s in start] + x, [s[1] for s in start] + y, marker="o", markersize=3, label=name)
        best = y.index(min(y))
        before = (x[best], y[best])
    axes.axhline(PAPER, color="grey", linewidth=0.8, linestyle="--")
    axes.text(1, PAPER + 0.02, "Graves 2013", color="grey", fontsize=8)
    axes.set_ylim(bottom=PAPER - 0.08)
    axes.set_xlabel("million pen points seen")
    axes.set_ylabel("validation, nats per point")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.set_layout_engine("tight")
    figure.savefig(args.output, dpi=110)
    print(args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
