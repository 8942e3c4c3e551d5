"""Drawn shapes: the signs that the network has not learned and the marks of accented letters. NumPy alone.

    from scribe.ink.shapes import SIGNS, draw
    strokes = draw("€", np.random.default_rng(0))     # a list of [m, 2], in x-heights, y growing downwards

A shape is a list of strokes, and a stroke is a way through corners: x to the right, y upwards from the baseline, in
x-heights (a capital is 2 high). `draw` varies corners, size and direction, and puts the points where a pen would have
put them, so that no two are the same.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scribe.ink.pen import PACE, resample, unsteady

CORNER_JITTER = 0.022  # standard deviation of a corner, as a share of the shape's size but at most of one x-height
STRETCH, TURN = 0.05, 0.03  # standard deviations: of the logarithms of width and height, of the direction in radians
BOW = 0.03  # standard deviation of how far a straight leg is bent, as a share of its length
LEG_POINTS = 8  # points of a leg, so that it can be bent


@dataclasses.dataclass(frozen=True)
class Way:
    """One stroke: corners [k, 2]; `curved`: it goes round them, else straight from one to the next."""

    corners: NDArray
    curved: bool


def _straight(*corners):
    return Way(np.array(corners, float), False)


def _curve(*corners):
    return Way(np.array(corners, float), True)


def _arc(x, y, width, height, start, end):
    """A part of an ellipse around (x, y), from one angle to another in degrees, counted counterclockwise."""
    angles = np.radians(np.linspace(start, end, max(round(abs(end - start) / 30), 3) + 1))
    return Way(np.column_stack([x + width * np.cos(angles), y + height * np.sin(angles)]), True)


def _joined(*ways):
    return Way(np.concatenate([way.corners for way in ways]), True)


def _moved(ways, x=0.0, y=0.0, size=1.0):
    return [Way(way.corners * size + [x, y], way.curved) for way in ways]


def _dot(x, y):
    return Way(np.array([[x, y]], float), False)


def _flipped(ways, width):
    """The mirror image from left to right of a shape of this width."""
    return [Way(way.corners * [-1, 1] + [width, 0], way.curved) for way in ways]


# Digits one x-height high: raised, lowered and in fractions.
_DIGITS = {
    "0": [_arc(0.3, 0.5, 0.28, 0.5, 80, 440)],
    "1": [_straight((0.08, 0.74), (0.3, 1.0), (0.26, 0.0))],
    "2": [_curve((0.04, 0.76), (0.16, 0.96), (0.4, 0.98), (0.52, 0.76), (0.36, 0.42), (0.02, 0.02), (0.3, 0.05),
                 (0.62, 0.0))],
    "3": [_curve((0.06, 0.9), (0.28, 1.0), (0.48, 0.84), (0.4, 0.62), (0.2, 0.53), (0.44, 0.45), (0.54, 0.22),
                 (0.34, 0.0), (0.02, 0.08))],
    "4": [_straight((0.3, 1.0), (0.02, 0.34), (0.6, 0.32)), _straight((0.46, 0.7), (0.4, -0.08))],
    "5": [_curve((0.14, 0.98), (0.08, 0.58), (0.3, 0.62), (0.52, 0.42), (0.42, 0.08), (0.2, 0.0), (0.0, 0.1)),
          _straight((0.12, 0.98), (0.54, 0.98))],
    "6": [_curve((0.46, 1.0), (0.18, 0.74), (0.04, 0.34), (0.16, 0.02), (0.42, 0.06), (0.5, 0.3), (0.32, 0.5),
                 (0.08, 0.34))],
    "7": [_straight((0.04, 0.96), (0.56, 0.98), (0.22, 0.0))],
    "8": [_curve((0.46, 0.84), (0.28, 1.0), (0.08, 0.84), (0.26, 0.58), (0.5, 0.3), (0.36, 0.02), (0.1, 0.08),
                 (0.06, 0.3), (0.32, 0.58), (0.46, 0.84))],
    "9": [_curve((0.48, 0.82), (0.26, 1.0), (0.06, 0.76), (0.22, 0.52), (0.46, 0.66), (0.5, 0.86), (0.44, 0.4),
                 (0.34, -0.02))],
    "+": [_straight((0.02, 0.45), (0.5, 0.45)), _straight((0.26, 0.7), (0.26, 0.2))],
    "-": [_straight((0.04, 0.45), (0.48, 0.47))],
}  # fmt: skip
RAISED, LOWERED = 1.08, -0.42  # where the lower edge of a raised or lowered digit is
SMALL_DIGIT = 0.85  # its height
_FRACTION_DIGIT, _NUMERATOR = 0.9, 1.12


def _fraction(above, below):
    """A common fraction: numerator, slanted bar, denominator."""
    left = [way for k, c in enumerate(above) for way in _moved(_DIGITS[c], 0.6 * k, _NUMERATOR, _FRACTION_DIGIT)]
    bar_from = 0.6 * len(above) + 0.05
    right = [
        way for k, c in enumerate(below) for way in _moved(_DIGITS[c], bar_from + 0.34 + 0.6 * k, -0.1, _FRACTION_DIGIT)
    ]
    return [*left, _straight((bar_from + 0.55, 2.0), (bar_from - 0.25, -0.12)), *right]


def _chevron(x):
    return _straight((x + 0.42, 1.0), (x, 0.55), (x + 0.4, 0.1))


def _quote(x, y, kind):
    """A quotation mark: a short curved tick; kind 9 bends as a comma does, 6 the other way round."""
    if kind == 9:
        return _curve((x + 0.1, y + 0.4), (x + 0.12, y + 0.2), (x, y))
    return _curve((x + 0.14, y + 0.4), (x + 0.01, y + 0.22), (x + 0.04, y))


_CROSS = [_straight((0.02, 0.92), (0.72, 0.2)), _straight((0.7, 0.94), (0.04, 0.18))]
_EQUALS = [_straight((0.0, 0.72), (0.85, 0.74)), _straight((0.02, 0.36), (0.87, 0.38))]
_WAVE = _curve((0.0, 0.5), (0.2, 0.7), (0.42, 0.62), (0.62, 0.48), (0.84, 0.5), (1.0, 0.7))
_SMALL_C = _arc(0.45, 0.5, 0.42, 0.5, 50, 315)
_RIGHT_ARROW = [_straight((0.0, 0.55), (1.6, 0.57)), _straight((1.2, 0.88), (1.62, 0.57), (1.2, 0.22))]
_UP_ARROW = [_straight((0.4, -0.05), (0.42, 1.75)), _straight((0.08, 1.35), (0.42, 1.78), (0.76, 1.35))]

# What stands on the line by itself, by its character.
SIGNS: dict[str, list[Way]] = {
    "@": [_joined(_arc(1.02, 0.78, 0.42, 0.46, 40, 385), _curve((1.44, 0.6), (1.55, 0.38), (1.8, 0.4), (1.96, 0.75)),
                  _arc(1.02, 0.75, 0.98, 1.02, 15, 300))],
    "€": [_arc(0.95, 1.0, 0.72, 1.0, 48, 312), _straight((0.0, 1.22), (1.12, 1.25)),
          _straight((-0.04, 0.84), (1.0, 0.87))],
    "£": [_curve((1.2, 1.62), (1.08, 1.95), (0.76, 1.98), (0.52, 1.64), (0.52, 1.1), (0.5, 0.5), (0.3, 0.06),
                 (0.05, 0.06), (0.08, 0.26), (0.34, 0.2), (0.76, 0.0), (1.26, 0.16)),
          _straight((0.12, 1.0), (1.0, 1.02))],
    "$": [_curve((1.0, 1.62), (0.7, 1.9), (0.24, 1.74), (0.16, 1.36), (0.5, 1.04), (0.92, 0.78), (0.96, 0.34),
                 (0.58, 0.06), (0.06, 0.3)), _straight((0.64, 2.2), (0.5, -0.24))],
    "¥": [_straight((0.0, 2.0), (0.6, 1.05), (0.56, 0.0)), _straight((1.2, 2.0), (0.6, 1.05)),
          _straight((0.12, 0.86), (1.06, 0.88)), _straight((0.12, 0.5), (1.04, 0.52))],
    "¢": [_arc(0.5, 0.55, 0.46, 0.55, 50, 315), _straight((0.68, 1.42), (0.4, -0.3))],
    "¤": [_arc(0.55, 0.75, 0.36, 0.36, 90, 450), _straight((0.1, 1.24), (0.3, 1.0)), _straight((1.0, 1.24), (0.8, 1.0)),
          _straight((0.1, 0.26), (0.3, 0.5)), _straight((1.0, 0.26), (0.8, 0.5))],
    "§": [_curve((0.82, 1.78), (0.56, 2.02), (0.2, 1.86), (0.2, 1.5), (0.52, 1.22), (0.82, 0.9), (0.74, 0.52),
                 (0.46, 0.46), (0.14, 0.62), (0.06, 0.98), (0.3, 1.28), (0.5, 1.24)),
          _curve((0.66, 0.58), (0.86, 0.3), (0.76, -0.06), (0.44, -0.24), (0.06, -0.02))],
    "©": [_moved([_arc(0.5, 0.5, 0.42, 0.5, 48, 315)], 0.66, 0.66, 0.72)[0], _arc(1.0, 1.0, 0.92, 0.98, 80, 445)],
    "®": [_straight((0.78, 0.6), (0.8, 1.42)),
          _curve((0.78, 1.4), (1.08, 1.46), (1.22, 1.24), (1.06, 1.02), (0.84, 1.0), (1.02, 0.84), (1.26, 0.58)),
          _arc(1.0, 1.0, 0.92, 0.98, 80, 445)],
    "™": [_straight((0.0, 1.95), (0.7, 1.97)), _straight((0.36, 1.95), (0.34, 1.2)),
          _straight((0.86, 1.18), (0.98, 1.95), (1.2, 1.42), (1.44, 1.96), (1.54, 1.2))],
    "°": [_arc(0.28, 1.65, 0.26, 0.28, 80, 445)],
    "ª": [_joined(_arc(0.32, 1.55, 0.28, 0.34, 40, 395), _curve((0.62, 1.36), (0.78, 1.24))),
          _straight((0.06, 0.95), (0.7, 0.97))],
    "º": [_arc(0.3, 1.55, 0.28, 0.36, 80, 445), _straight((0.04, 0.95), (0.6, 0.97))],
    "<": [_straight((0.85, 1.05), (0.02, 0.58), (0.84, 0.1))],
    ">": [_straight((0.02, 1.05), (0.86, 0.58), (0.0, 0.1))],
    "=": _EQUALS,
    "≠": [*_EQUALS, _straight((0.68, 1.0), (0.2, 0.08))],
    "≈": [*_moved([_WAVE], 0.0, 0.22, 0.9), *_moved([_WAVE], 0.0, -0.16, 0.9)],
    "~": [_WAVE],
    "±": [_straight((0.02, 0.92), (0.8, 0.94)), _straight((0.4, 1.34), (0.4, 0.5)),
          _straight((0.04, 0.2), (0.8, 0.22))],
    "×": _CROSS,
    "÷": [_straight((0.0, 0.58), (0.9, 0.6)), _dot(0.45, 0.98), _dot(0.45, 0.18)],
    "−": [_straight((0.0, 0.58), (0.8, 0.6))],
    "–": [_straight((0.0, 0.56), (1.1, 0.6))],
    "—": [_straight((0.0, 0.56), (1.9, 0.6))],
    "_": [_straight((0.0, -0.22), (1.2, -0.2))],
    "¬": [_straight((0.0, 0.76), (0.85, 0.76), (0.83, 0.36))],
    "|": [_straight((0.1, 2.1), (0.08, -0.4))],
    "¦": [_straight((0.1, 2.0), (0.1, 1.05)), _straight((0.09, 0.65), (0.08, -0.3))],
    "\\": [_straight((0.0, 2.05), (0.8, -0.2))],
    "^": [_straight((0.0, 1.4), (0.34, 1.95), (0.66, 1.38))],
    "{": [_curve((0.52, 2.1), (0.26, 1.95), (0.28, 1.3), (0.18, 0.95), (0.0, 0.86), (0.2, 0.76), (0.28, 0.4),
                 (0.24, -0.2), (0.5, -0.38))],
    "}": _flipped([_curve((0.52, 2.1), (0.26, 1.95), (0.28, 1.3), (0.18, 0.95), (0.0, 0.86), (0.2, 0.76), (0.28, 0.4),
                          (0.24, -0.2), (0.5, -0.38))], 0.52),
    "«": [_chevron(0.0), _chevron(0.38)],
    "»": _flipped([_chevron(0.38), _chevron(0.0)], 0.8),
    "‹": [_chevron(0.0)],
    "›": _flipped([_chevron(0.0)], 0.42),
    "“": [_quote(0.0, 1.62, 6), _quote(0.3, 1.62, 6)],
    "”": [_quote(0.0, 1.62, 9), _quote(0.3, 1.62, 9)],
    "‘": [_quote(0.0, 1.62, 6)],
    "„": [_quote(0.0, -0.24, 9), _quote(0.3, -0.24, 9)],
    "‚": [_quote(0.0, -0.24, 9)],
    "′": [_straight((0.16, 2.05), (0.0, 1.62))],
    "″": [_straight((0.16, 2.05), (0.0, 1.62)), _straight((0.44, 2.05), (0.28, 1.62))],
    "…": [_dot(0.06, 0.04), _dot(0.56, 0.03), _dot(1.06, 0.04)],
    "•": [_joined(_arc(0.16, 0.72, 0.12, 0.12, 90, 450), _arc(0.16, 0.72, 0.06, 0.06, 90, 450))],
    "·": [_dot(0.06, 0.72)],
    "µ": [_curve((0.06, 1.0), (0.08, 0.3), (0.3, 0.0), (0.62, 0.18), (0.8, 0.5)),
          _straight((0.07, 0.9), (-0.06, -0.85)),
          _curve((0.82, 1.0), (0.76, 0.4), (0.82, 0.06), (1.06, 0.1))],
    "Ω": [_curve((0.0, 0.02), (0.46, 0.04), (0.3, 0.4), (0.08, 1.0), (0.34, 1.8), (0.8, 2.0), (1.26, 1.8), (1.5, 1.0),
                 (1.28, 0.4), (1.12, 0.04), (1.6, 0.04))],
    "π": [_curve((0.0, 0.84), (0.2, 1.0), (0.7, 0.96), (1.16, 1.04)), _straight((0.4, 0.96), (0.26, 0.0)),
          _curve((0.82, 0.98), (0.78, 0.4), (0.84, 0.06), (1.06, 0.06))],
    "Δ": [_straight((0.7, 2.0), (0.0, 0.0), (1.4, 0.02), (0.7, 2.0))],
    "∞": [_curve((0.75, 0.55), (0.42, 0.86), (0.08, 0.74), (0.1, 0.34), (0.42, 0.24), (0.75, 0.55), (1.08, 0.86),
                 (1.42, 0.74), (1.4, 0.34), (1.08, 0.24), (0.75, 0.55))],
    "√": [_straight((0.0, 0.8), (0.2, 0.95), (0.5, 0.0), (0.9, 2.05), (1.7, 2.07))],
    "¿": [_dot(0.5, 1.0), _curve((0.5, 0.62), (0.48, 0.34), (0.16, 0.02), (0.02, -0.36), (0.3, -0.76), (0.66, -0.64),
                                 (0.76, -0.4))],
    "¡": [_dot(0.12, 1.02), _straight((0.1, 0.6), (0.06, -0.74))],
    "†": [_straight((0.4, 2.0), (0.38, -0.1)), _straight((0.0, 1.4), (0.8, 1.42))],
    "‡": [_straight((0.4, 2.0), (0.38, -0.1)), _straight((0.02, 1.45), (0.78, 1.47)),
          _straight((0.02, 0.55), (0.78, 0.57))],
    "‰": [_arc(0.3, 1.6, 0.26, 0.34, 80, 445), _straight((1.3, 2.0), (0.3, -0.05)),
          _arc(1.15, 0.32, 0.24, 0.32, 80, 445),
          _arc(1.78, 0.32, 0.24, 0.32, 80, 445)],
    "¶": [_joined(_curve((0.72, 0.98), (0.3, 1.0), (0.05, 1.4), (0.3, 1.9), (0.7, 2.0), (1.2, 2.0))),
          _straight((0.72, 1.98), (0.7, -0.3)), _straight((1.06, 1.98), (1.04, -0.3))],
    "→": _RIGHT_ARROW,
    "←": _flipped(_RIGHT_ARROW, 1.62),
    "↑": _UP_ARROW,
    "↓": [Way(way.corners * [1, -1] + [0, 1.7], way.curved) for way in _UP_ARROW],
    "♥": [_curve((0.7, 0.0), (0.2, 0.66), (0.02, 1.1), (0.2, 1.5), (0.52, 1.46), (0.7, 1.14), (0.9, 1.48), (1.24, 1.48),
                 (1.38, 1.06), (1.16, 0.6), (0.7, 0.0))],
    "✓": [_straight((0.0, 0.7), (0.36, 0.05), (1.2, 1.7))],
    "✗": [_straight((0.05, 1.5), (1.0, 0.1)), _straight((0.98, 1.55), (0.0, 0.05))],
    "☐": [_straight((0.05, 1.4), (0.03, 0.05), (1.35, 0.02), (1.38, 1.42), (0.03, 1.4))],
    # Letters that no other one can be made of.
    "ß": [_curve((-0.05, -0.5), (0.18, 0.2), (0.3, 1.3), (0.5, 1.96), (0.82, 2.02), (0.98, 1.7), (0.8, 1.34),
                 (0.56, 1.14), (0.86, 0.98), (1.08, 0.6), (0.92, 0.14), (0.6, 0.0), (0.44, 0.14))],
    "ẞ": [_curve((0.02, 0.0), (0.12, 1.2), (0.4, 1.9), (0.84, 2.02), (1.24, 1.84), (0.84, 1.2), (1.2, 0.9), (1.34, 0.4),
                 (1.02, 0.02), (0.62, 0.1))],
    "þ": [_straight((0.16, 2.05), (0.0, -0.95)),
          _curve((0.08, 0.7), (0.36, 1.0), (0.76, 0.9), (0.86, 0.45), (0.6, 0.02), (0.26, 0.04), (0.06, 0.24))],
    "Þ": [_straight((0.12, 2.0), (0.06, 0.0)),
          _curve((0.1, 1.55), (0.7, 1.62), (1.06, 1.26), (0.88, 0.78), (0.4, 0.56), (0.08, 0.58))],
    "ð": [_curve((0.66, 0.95), (0.36, 1.02), (0.06, 0.66), (0.12, 0.14), (0.46, 0.0), (0.84, 0.3), (0.92, 0.86),
                 (0.72, 1.5), (0.28, 1.98)), _straight((0.22, 1.36), (0.98, 1.74))],
    "Æ": [_straight((0.0, 0.0), (1.12, 2.0), (1.12, 0.0), (2.1, 0.02)), _straight((1.14, 1.98), (2.12, 2.0)),
          _straight((0.42, 0.84), (1.92, 0.98))],
    "Œ": [_arc(0.72, 1.0, 0.7, 1.0, 75, 440), _straight((1.3, 2.0), (1.26, 0.0), (2.14, 0.02)),
          _straight((1.3, 1.98), (2.16, 2.0)), _straight((1.28, 1.02), (1.98, 1.04))],
    "ŋ": [_curve((0.06, 0.98), (0.1, 0.5), (0.06, 0.02), (0.16, 0.66), (0.46, 0.98), (0.72, 0.78), (0.74, 0.1),
                 (0.66, -0.56), (0.4, -0.84), (0.14, -0.66))],
    "Ŋ": [_straight((0.06, 0.0), (0.1, 2.0)), _curve((0.1, 1.4), (0.5, 1.96), (0.98, 1.84), (1.16, 1.2), (1.12, 0.2),
                                                      (1.0, -0.4), (0.66, -0.5))],
    "ſ": [_curve((0.0, -0.7), (0.22, 0.1), (0.34, 1.4), (0.56, 1.98), (0.86, 1.86))],
    "ĸ": [_straight((0.08, 1.0), (0.06, 0.0)), _straight((0.66, 1.0), (0.1, 0.5), (0.72, 0.0))],
    # Accents that stand by themselves.
    "´": [_straight((0.0, 1.45), (0.34, 1.9))],
    "`": [_straight((0.0, 1.9), (0.32, 1.45))],
    "¨": [_dot(0.04, 1.65), _dot(0.44, 1.65)],
    "¯": [_straight((0.0, 1.7), (0.7, 1.72))],
    "¸": [_curve((0.2, 0.0), (0.12, -0.2), (0.36, -0.3), (0.28, -0.54), (0.02, -0.5))],
    "½": _fraction("1", "2"), "⅓": _fraction("1", "3"), "⅔": _fraction("2", "3"), "¼": _fraction("1", "4"),
    "¾": _fraction("3", "4"), "⅕": _fraction("1", "5"), "⅖": _fraction("2", "5"), "⅗": _fraction("3", "5"),
    "⅘": _fraction("4", "5"), "⅙": _fraction("1", "6"), "⅚": _fraction("5", "6"), "⅐": _fraction("1", "7"),
    "⅛": _fraction("1", "8"), "⅜": _fraction("3", "8"), "⅝": _fraction("5", "8"), "⅞": _fraction("7", "8"),
    "⅑": _fraction("1", "9"), "⅒": _fraction("1", "10"),
    **{raised: _moved(_DIGITS[c], 0.0, RAISED, SMALL_DIGIT) for raised, c in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")},
    **{lowered: _moved(_DIGITS[c], 0.0, LOWERED, SMALL_DIGIT) for lowered, c in zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-")},
}  # fmt: skip

# What the network writes within words, but not where it stands between signs alone.
PUNCTUATION: dict[str, list[Way]] = {
    ",": [_curve((0.1, 0.12), (0.12, -0.12), (0.0, -0.4))],
    ".": [_dot(0.05, 0.04)],
    ";": [_dot(0.1, 0.62), _curve((0.1, 0.12), (0.12, -0.12), (0.0, -0.4))],
    ":": [_dot(0.06, 0.64), _dot(0.05, 0.06)],
    "!": [_straight((0.16, 1.95), (0.06, 0.5)), _dot(0.03, 0.04)],
    "?": [_curve((0.02, 1.55), (0.24, 1.95), (0.66, 1.86), (0.72, 1.4), (0.4, 1.04), (0.32, 0.55)), _dot(0.3, 0.04)],
    "(": [_curve((0.42, 2.1), (0.08, 1.5), (0.04, 0.5), (0.36, -0.35))],
    ")": _flipped([_curve((0.42, 2.1), (0.08, 1.5), (0.04, 0.5), (0.36, -0.35))], 0.42),
    "[": [_straight((0.4, 2.1), (0.02, 2.08), (0.0, -0.3), (0.38, -0.28))],
    "]": _flipped([_straight((0.4, 2.1), (0.02, 2.08), (0.0, -0.3), (0.38, -0.28))], 0.4),
    "-": [_straight((0.0, 0.56), (0.62, 0.6))],
    "+": [_straight((0.0, 0.78), (1.0, 0.8)), _straight((0.5, 1.3), (0.48, 0.28))],
    "*": [_straight((0.0, 1.6), (0.5, 1.2)), _straight((0.5, 1.62), (0.02, 1.18)),
          _straight((0.26, 1.75), (0.25, 1.05))],
    "/": [_straight((1.05, 2.05), (0.0, -0.3))],
    "'": [_quote(0.0, 1.62, 9)],
    "’": [_quote(0.0, 1.62, 9)],
    '"': [_straight((0.06, 2.0), (0.0, 1.6)), _straight((0.34, 2.0), (0.28, 1.6))],
    "%": [_arc(0.3, 1.6, 0.26, 0.34, 80, 445), _straight((1.3, 2.0), (0.3, -0.05)),
          _arc(1.15, 0.32, 0.24, 0.32, 80, 445)],
    "#": [_straight((0.6, 1.95), (0.3, 0.0)), _straight((1.1, 1.95), (0.8, 0.0)), _straight((0.1, 1.3), (1.35, 1.32)),
          _straight((0.0, 0.66), (1.25, 0.68))],
    "&": [_curve((1.4, 0.0), (0.84, 0.8), (0.3, 1.6), (0.6, 2.0), (0.92, 1.64), (0.56, 1.06), (0.04, 0.5),
                 (0.36, -0.02), (0.92, 0.22), (1.34, 0.8))],
}  # fmt: skip

# Marks, by the name of what they are; the middle of the lower edge (of the upper one below a letter) is at the origin.
MARKS: dict[str, list[Way]] = {
    "acute": [_straight((0.16, 0.42), (-0.12, 0.0))],
    "grave": [_straight((-0.17, 0.42), (0.12, 0.0))],
    "double acute": [_straight((-0.04, 0.42), (-0.24, 0.0)), _straight((0.28, 0.42), (0.08, 0.0))],
    "double grave": [_straight((-0.28, 0.42), (-0.08, 0.0)), _straight((0.04, 0.42), (0.24, 0.0))],
    "circumflex": [_straight((-0.28, 0.02), (0.0, 0.38), (0.28, 0.0))],
    "caron": [_straight((-0.28, 0.36), (0.0, 0.0), (0.29, 0.38))],
    "tilde": [_curve((-0.36, 0.06), (-0.18, 0.28), (0.04, 0.18), (0.22, 0.06), (0.4, 0.26))],
    "macron": [_straight((-0.36, 0.08), (0.36, 0.1))],
    "breve": [_curve((-0.28, 0.32), (-0.2, 0.08), (0.0, 0.0), (0.2, 0.08), (0.29, 0.34))],
    "inverted breve": [_curve((-0.28, 0.02), (-0.2, 0.26), (0.0, 0.34), (0.2, 0.26), (0.28, 0.0))],
    "dot": [_dot(0.0, 0.08)],
    "diaeresis": [_dot(-0.24, 0.08), _dot(0.24, 0.1)],
    "ring": [_arc(0.0, 0.22, 0.2, 0.22, 90, 455)],
    "hook": [_curve((-0.16, 0.36), (0.04, 0.46), (0.16, 0.3), (0.02, 0.16), (0.0, 0.0))],
    "turned comma": [_curve((0.1, 0.38), (-0.04, 0.22), (0.0, 0.0))],
    "apostrophe": [_curve((0.06, 0.5), (0.08, 0.24), (-0.04, 0.0))],
    "horn": [_curve((-0.12, 0.0), (0.16, 0.04), (0.26, 0.22), (0.16, 0.36))],
    "cedilla": [_curve((0.04, 0.06), (0.0, -0.14), (0.2, -0.2), (0.26, -0.38), (0.08, -0.52), (-0.16, -0.46))],
    "ogonek": [_curve((0.06, 0.04), (-0.12, -0.18), (-0.1, -0.42), (0.1, -0.48), (0.24, -0.36))],
    "comma": [_curve((0.08, 0.0), (0.1, -0.2), (-0.06, -0.44))],
    "dot below": [_dot(0.0, -0.1)],
    "macron below": [_straight((-0.36, -0.1), (0.36, -0.08))],
    "diaeresis below": [_dot(-0.24, -0.1), _dot(0.24, -0.1)],
    "circumflex below": [_straight((-0.26, -0.36), (0.0, -0.02), (0.26, -0.34))],
    "bar": [_straight((-0.42, 0.0), (0.42, 0.03))],
    "short slash": [_straight((-0.3, -0.19), (0.32, 0.22))],
    "middle dot": [_dot(0.0, 0.0)],
}  # fmt: skip


def draw(shape: Sequence[Way], rng: np.random.Generator, pace: float = PACE) -> list[NDArray]:
    """Draws a shape, another one every time.

    Args:
        shape: one of SIGNS or MARKS. rng: a NumPy Generator. pace: as in `scribe.ink.pen.resample`.

    Returns:
        strokes, [m, 2] each, in x-heights; y grows downwards.
    """
    corners = np.concatenate([way.corners for way in shape])
    size = float(np.clip(np.ptp(corners, axis=0).max(), 0.25, 1.0))
    stretch = np.exp(rng.normal(0.0, STRETCH, 2))
    turn = rng.normal(0.0, TURN)
    centre = corners.mean(axis=0)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    strokes = []
    for way in shape:
        moved = way.corners + rng.normal(0.0, CORNER_JITTER * size, way.corners.shape)
        if not way.curved and len(moved) > 1:
            legs = [_bowed(a, b, rng.normal(0.0, BOW)) for a, b in zip(moved, moved[1:])]
            moved = np.concatenate([moved[:1], *(leg[1:] for leg in legs)])
        placed = ((moved - centre) * stretch) @ rotation + centre
        points = resample(placed * [1, -1], pace=pace)
        strokes.append(unsteady(points, rng) if len(points) > 2 else points)
    return strokes


def _bowed(start, end, amount):
    """The straight way between two places, slightly bent, as a hand without a ruler draws it."""
    u = np.linspace(0, 1, LEG_POINTS)[:, None]
    along = end - start
    return start + u * along + 4 * u * (1 - u) * amount * np.array([-along[1], along[0]])


def as_chord(stroke: ArrayLike, start: ArrayLike, end: ArrayLike) -> NDArray:
    """A stroke [m, 2] turned, resized and moved so that it leads from `start` to `end`."""
    own = np.asarray(stroke, float) @ np.array([1, 1j])
    first, last = (np.asarray(place, float) @ np.array([1, 1j]) for place in (start, end))
    placed = first + (own - own[0]) * (last - first) / (own[-1] - own[0])
    return np.column_stack([placed.real, placed.imag])
