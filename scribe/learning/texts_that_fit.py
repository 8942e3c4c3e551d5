"""Tells which lines say what their texts say, before a hand is learned from them.

    right = fits([(strokes, "what is written there"), ...], model, load_recogniser().read)

Of a line with another text, or with its strokes out of order, every character is taken for another one: what is learned
writes what nobody can read.
"""

from collections.abc import Callable, Sequence

from numpy.typing import NDArray

from scribe.ink.strokes import absolute_points
from scribe.writing.lines import Style
from scribe.writing.misread import error_share
from scribe.writing.styles import MIN_TEXT_GAIN, text_gain

# The recogniser misreads more than this share of the characters in 1 of 457 real lines; with the text of another line,
# or with their strokes in reverse, it misreads 62% at least. That or MIN_TEXT_GAIN lets pass all 457, none of 430 with
# another text, and 3 of 456 in reverse.
MOST_MISREAD = 0.3


def fits(lines: Sequence[Style], model, read: Callable[[list[NDArray]], list[str]]) -> list[bool]:
    """Whether each text is what is written in its line.

    It is, where the recogniser reads it; of a hand that it cannot read, the network says whether it knows the text.

    Args:
        lines: (strokes [n, 3], text) of each; offsets in units of data_scale. model: a HandwritingModel.
        read: as `Recogniser.read`.
    """
    reads = read([absolute_points(strokes) for strokes, _ in lines])
    return [
        # A gain that is not a number is not above the least: no fit.
        error_share([line[1]], [was_read]) <= MOST_MISREAD or text_gain(line, model) > MIN_TEXT_GAIN
        for line, was_read in zip(lines, reads, strict=True)
    ]
