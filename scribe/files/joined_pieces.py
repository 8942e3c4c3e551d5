"""Joins the pieces that a program has cut a pen stroke into, as those do that keep the pressure. NumPy alone."""

import numpy as np
from numpy.typing import NDArray


def join_pieces(strokes: list[NDArray], widths: list[float] | None = None) -> list[NDArray]:
    """Strokes whose ends meet become one: where the next begins within half the width of the pen.

    Args:
        strokes: [n, 2] each, n > 0, in writing order. widths: of the pen in the unit of the strokes; None: not known,
            then ends have to be the same place.

    Returns:
        strokes as they were written; no point is lost but those that stand twice where pieces meet. A dot, and a
        stroke that ends where it began, is no piece.
    """
    if len(strokes) < 2:
        return strokes
    pens = np.zeros(len(strokes)) if widths is None else np.array(widths, float)
    steps = np.concatenate([np.hypot(*np.diff(stroke, axis=0).T) for stroke in strokes])
    # A pen may be given far wider than it is, such as 1 by default in a drawing that is measured in metres.
    step = 0.6 * float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    first, last = (np.array([stroke[k] for stroke in strokes]) for k in (0, -1))
    gaps = np.hypot(*(first[1:] - last[:-1]).T)
    reach = np.minimum(np.maximum(pens[1:], pens[:-1]) / 2, step)
    meets = gaps <= np.maximum(reach, 1e-9 * np.abs(last[:-1]).max(axis=1))
    piece = np.array(
        [len(stroke) > 1 and (len(stroke) < 3 or bool((stroke[0] != stroke[-1]).any())) for stroke in strokes]
    )
    meets &= piece[1:] & piece[:-1]
    joined, parts = [], [strokes[0]]
    for stroke, meeting, gap in zip(strokes[1:], meets, gaps):
        if not meeting:
            joined.append(np.concatenate(parts))
            parts = []
        parts.append(stroke[1:] if meeting and gap == 0 else stroke)
    return [*joined, np.concatenate(parts)]
