"""What a file of handwriting holds as one: strokes, and what they say where that is known."""

import dataclasses

from numpy.typing import NDArray


@dataclasses.dataclass
class Piece:
    """What a file holds as one: a line of a data file, a group of an InkML file, a whole drawing.

    Attributes:
        strokes: float64 [n, 2] arrays in writing order, n > 0: x, y, y growing downwards.
        text: what they say; None where the file does not say it.
    """

    strokes: list[NDArray]
    text: str | None = None
