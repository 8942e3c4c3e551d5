"""Ruled paper: the lines, squares and dots that baselines stand on.

    from scribe.pages.ruling import rules_of
    rules = rules_of("squared", 5.0, (148, 210))

A picture has the rules as its background; in a plotter svg they are a layer of their own, which is not plotted.
"""

import dataclasses

import numpy as np

CELL_MM = {"squared": 5.0, "dotted": 5.0, "seyes": 8.0}  # from rule to rule; "ruled" takes the line spacing
RULINGS = ("ruled", *CELL_MM)
SEYES_FINE = 4  # spaces between two main rules of Seyès paper
SEYES_MARGIN_MM = 2 * CELL_MM["seyes"]  # where its red line stands, from the left edge of the page
_BLUE, _LIGHT, _RED, _GREY = "#9db7dc", "#cfdcef", "#e79a9a", "#b4b8c0"
THIN_MM, FINE_MM, DOT_MM = 0.15, 0.1, 0.35


@dataclasses.dataclass(frozen=True)
class Rule:
    """A straight line of the paper: from (x1, y1) to (x2, y2) in mm, its width and colour. A dot has no length."""

    x1: float
    y1: float
    x2: float
    y2: float
    width_mm: float
    colour: str


def rules_of(ruling: str | None, cell: float, size: tuple[float, float], baseline: float | None = None) -> list[Rule]:
    """The rules of a page.

    Args:
        ruling: one of RULINGS, or None for blank paper. cell: from rule to rule, in mm. size: of the page in mm.
        baseline: one of its baselines, through which a rule goes; None: rules are counted from the upper edge.
    """
    if ruling is None:
        return []
    width, height = size
    start = 0.0 if baseline is None else baseline % cell

    def places(end, step, first=0.0):
        return [float(v) for v in np.arange(first, end - 1e-6, step) if v > 1e-6]

    down = places(height, cell, start)
    if ruling == "dotted":
        return [Rule(x, y, x, y, DOT_MM, _GREY) for y in down for x in places(width, cell)]
    rules = [Rule(0.0, y, width, y, THIN_MM, _BLUE) for y in down]
    if ruling == "squared":
        rules += [Rule(x, 0.0, x, height, THIN_MM, _BLUE) for x in places(width, cell)]
    if ruling == "seyes":
        fine = places(height, cell / SEYES_FINE, start % (cell / SEYES_FINE))
        rules = [Rule(0.0, y, width, y, FINE_MM, _LIGHT) for y in fine] + rules
        rules += [Rule(x, 0.0, x, height, FINE_MM, _BLUE) for x in places(width, cell)]
        if SEYES_MARGIN_MM < width / 2:
            rules.append(Rule(SEYES_MARGIN_MM, 0.0, SEYES_MARGIN_MM, height, THIN_MM, _RED))
    return rules
