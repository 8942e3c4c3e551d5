"""Figures of real handwriting, measured on IAM-OnDB: how much ink a character has, how wide and how high it is.

    from scribe.ink.typical import estimate_width, points_and_ink
    points, ink = points_and_ink("m")
    estimate_width("Dear Jon,")     # in x-heights

Handwriting comes in any size, so most figures are in x-heights, the height of a small letter without ascender. NumPy is
not needed.
"""

# ------------------------------------------------------------------------------------------------------ the whole hand

MEDIAN_X_HEIGHT = 117.0  # in raw units, those of the data file
MEDIAN_STEP = 24.0 / MEDIAN_X_HEIGHT  # from pen point to pen point, in x-heights
WORD_GAP = 1.7  # ink to ink between two words, in x-heights
OFFSET_LIMIT = 500  # in raw units: longer offsets are clipped, in training and in a style
# In x-heights: the height of tall characters. Capitals and tall letters are higher than digits.
TALL_HEIGHT, DIGIT_HEIGHT = 2.1, 1.9
# In x-heights, the medians of real lines: ink per character; height of a stroke, each weighted with its ink.
INK_PER_CHARACTER, STROKE_HEIGHT = 3.45, 2.0

# ---------------------------------------------------------------------------------------------- classes of characters

CAPITALS, DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
# Where the ink of a character ends, above and below. A character that is in no class tells nothing about that.
SMALL = frozenset("aceimnorsuvwxz")  # the dot of the i is a stroke of its own, so its stem counts
TALL = frozenset("bdfhklt" + CAPITALS + DIGITS)
ON_BASELINE = frozenset("aceimnorsuvwxzbdhklt" + "ABCDEFGHIKLMNOPRSTUVWXYZ" + "012345689.:!?")
DESCENDING = frozenset("fgjpqyJQ,;()[]7")  # f and 7 only in some hands
FLOATING = frozenset("\"'*-+")
# Characters large enough that each shows by itself how high the line is at its place: without signs, whose ink is small
# and often attended to a few points early or late; with 7, since a median over neighbours forgives the hands in which
# it descends.
LARGE_ON_BASELINE = ON_BASELINE - set(".:!?") | {"7"}
DOTTED, CROSSED = frozenset("ij"), frozenset("tfT")  # the pen comes back to these

# ------------------------------------------------------------------------------------------------- by the character

# Character: median number of pen points, median ink in offsets / 50, both in a hand of median size; from 1,400 lines of
# IAM-OnDB, each point given to the character that has most of the model's attention.
# fmt: off
POINTS_AND_INK = {
    '!': (22, 6.6), '"': (12, 2.9), '#': (21, 8.4), "'": (9, 2.6), '(': (13, 6.9), ')': (20, 9.5), '+': (15, 4.0),
    ',': (13, 4.2), '-': (14, 4.5), '.': (15, 3.9), '/': (15, 7.0), '0': (20, 8.4), '1': (16, 7.1), '2': (17, 6.6),
    '3': (23, 8.8), '4': (24, 8.6), '5': (29, 9.5), '6': (24, 10.4), '7': (23, 9.4), '8': (23, 9.6),
    '9': (35, 12.5), ':': (21, 5.3), ';': (21, 5.8), '?': (25, 8.2), 'A': (26, 13.0), 'B': (29, 12.9),
    'C': (14, 7.8), 'D': (22, 10.4), 'E': (25, 10.3), 'F': (23, 9.7), 'G': (23, 11.6), 'H': (24, 10.8),
    'I': (12, 5.6), 'J': (12, 5.3), 'K': (25, 11.4), 'L': (13, 6.2), 'M': (27, 12.8), 'N': (30, 14.1),
    'O': (22, 11.3), 'P': (20, 9.2), 'Q': (28, 16.8), 'R': (28, 12.6), 'S': (17, 7.3), 'T': (17, 7.0),
    'U': (17, 8.9), 'V': (18, 9.6), 'W': (25, 11.0), 'X': (13, 9.6), 'Y': (18, 6.1), 'Z': (13, 5.6), '[': (7, 3.6),
    ']': (11, 3.5), 'a': (26, 9.3), 'b': (23, 9.6), 'c': (16, 5.5), 'd': (27, 10.8), 'e': (22, 8.0),
    'f': (23, 11.0), 'g': (29, 10.4), 'h': (26, 10.9), 'i': (19, 5.7), 'j': (18, 8.9), 'k': (26, 10.0),
    'l': (18, 7.4), 'm': (33, 10.4), 'n': (24, 7.8), 'o': (23, 8.1), 'p': (28, 12.3), 'q': (25, 9.7),
    'r': (21, 6.6), 's': (20, 6.3), 't': (19, 7.5), 'u': (25, 8.6), 'v': (21, 6.6), 'w': (24, 8.3), 'x': (25, 9.0),
    'y': (28, 9.9), 'z': (22, 7.3),
}
# fmt: on
UNLISTED_POINTS_AND_INK = (22, 8.0)

# How far a character moves the pen on, in x-heights, on real handwriting; the space is the gap between two words.
# fmt: off
ADVANCES = {
    " ": 2.1, "!": 0.55, '"': 0.85, "#": 1.5, "%": 1.8, "&": 1.7, "'": 0.3, "(": 0.9, ")": 0.9, "*": 0.9, "+": 1.2,
    ",": 0.6, "-": 1.4, ".": 0.4, "/": 1.1, "0": 1.6, "1": 0.9, "2": 1.3, "3": 1.4, "4": 1.4, "5": 1.4, "6": 1.4,
    "7": 1.3, "8": 1.3, "9": 1.4, ":": 0.6, ";": 0.6, "?": 1.3, "A": 1.65, "B": 1.8, "C": 1.5, "D": 1.65, "E": 1.7,
    "F": 1.5, "G": 1.6, "H": 1.6, "I": 0.8, "J": 1.5, "K": 1.65, "L": 1.4, "M": 1.9, "N": 1.9, "O": 1.7, "P": 1.6,
    "Q": 1.75, "R": 1.6, "S": 1.55, "T": 1.9, "U": 1.5, "V": 1.75, "W": 2.1, "X": 1.7, "Y": 1.8, "Z": 1.65, "[": 0.9,
    "]": 0.9, "a": 1.6, "b": 1.6, "c": 1.6, "d": 1.6, "e": 1.3, "f": 1.1, "g": 1.6, "h": 1.55, "i": 0.75, "j": 1.0,
    "k": 1.6, "l": 1.0, "m": 2.2, "n": 1.5, "o": 1.4, "p": 1.45, "q": 1.5, "r": 1.15, "s": 1.15, "t": 1.1, "u": 1.6,
    "v": 1.4, "w": 1.9, "x": 1.2, "y": 1.4, "z": 1.2,
}
# fmt: on
UNLISTED_ADVANCE = 1.4


def points_and_ink(character: str) -> tuple[int, float]:
    """The median number of pen points of a character and its median ink in offsets / 50, in a hand of median size."""
    return POINTS_AND_INK.get(character, UNLISTED_POINTS_AND_INK)


def estimate_width(text: str) -> float:
    """The width that a text has on average, in x-heights."""
    return sum((ADVANCES.get(c, UNLISTED_ADVANCE) for c in text), 0.0)
