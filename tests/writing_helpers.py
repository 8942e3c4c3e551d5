"""A synthetic hand: plain zigzag letters whose baseline, x-height, slant and words are known exactly."""

import numpy as np

from scribe.pages.page import Page, PlacedLine

TALL, DIGIT = 2.1, 1.9  # heights in x-heights
ADVANCE, WORD_SPACE = 1.2, 2.0


def corners(character):
    """The corners of a character: strokes as lists of (x, y), in x-heights, y growing upwards from the baseline."""
    if character.isdigit():
        return [[(0, 0), (0.2, DIGIT), (0.5, 0), (0.8, DIGIT)]]
    if character in "bdfhklt" or character.isupper():
        tall = [(0, 0), (0.2, TALL), (0.4, 0)]
        return [tall + ([(0.6, TALL), (0.8, 0)] if character.isupper() else [(0.6, 1), (0.8, 0)])]
    if character in "gjpqy":
        return [[(0, 1), (0.3, 0), (0.6, 1), (0.5, -1.2)]]
    if character == "i":
        return [[(0.2, 1), (0.25, 0)], [(0.3, 1.6)]]
    if character == ".":
        return [[(0.1, 0)]]
    if character in "'\"":
        return [[(0.1, 2.1), (0.1, 1.7)]]
    if character == ",":
        return [[(0.1, 0.1), (0, -0.4)]]
    if character == "-":
        return [[(0, 0.5), (0.6, 0.5)]]
    return [[(0, 0), (0.15, 1), (0.3, 0), (0.5, 1), (0.8, 0)]]


def write_text(text, x_height=1.5, slant=0.0, tilt=0.0, bend=0.0, jitter=0.0, joined=False, seed=0):
    """A line in the synthetic hand.

    Args:
        x_height: in the unit of the strokes. slant: to the right for each unit upwards. tilt: slope of the baseline,
            downwards. bend: how far the middle of the baseline lies below its ends. jitter: deviation of single letters
            up and down. All lengths in x-heights. joined: the pen never lifts.

    Returns:
        strokes float32 [n, 6] as `sample()` returns them, index int [n].
    """
    rng = np.random.default_rng(seed)
    points, index, x = [], [], 0.0
    for k, character in enumerate(text):
        if character == " ":
            x += WORD_SPACE
            continue
        up = rng.normal(0, jitter) if jitter else 0.0
        for stroke in corners(character):
            line = [stroke[:1]]
            for a, b in zip(stroke, stroke[1:]):
                line.append(np.linspace(a, b, 6)[1:])
            xy = np.concatenate([np.atleast_2d(np.array(part, float)) for part in line])
            lift = np.zeros(len(xy))
            lift[-1] = 0.0 if joined else 1.0
            points.append(np.column_stack([xy[:, 0] + slant * xy[:, 1] + x, -xy[:, 1] - up, lift]))
            index += [k] * len(xy)
        x += ADVANCE if character not in ".,'\"" else 0.5
    points = np.concatenate(points)
    u = points[:, 0] / max(x, 1e-9)
    points[:, 1] += tilt * points[:, 0] + bend * 4 * u * (1 - u)
    points[-1, 2] = 1.0
    strokes = np.zeros((len(points), 6), np.float32)
    strokes[:, :2] = points[:, :2] * x_height
    strokes[:, 2:4] = 0.1
    strokes[:, 5] = points[:, 2]
    return strokes, np.array(index)


def placed(text="Dear Jon,", x=10.0, y=20.0, x_height=3.0, **style):
    """The line in the synthetic hand, at its place on a page, in mm."""
    strokes, index = write_text(text, x_height)
    points = strokes[:, [0, 1, 5]].astype(float)
    points[:, :2] += [x, y]
    return PlacedLine(points, text, index, baseline_mm=y, **style)


def page(*texts, width=148.0, height=105.0):
    """A page of the synthetic hand, a line every 15 mm."""
    return Page(width, height, [placed(text, y=15.0 + 15 * k) for k, text in enumerate(texts)])
