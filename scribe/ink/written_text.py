"""A text and its ink: what a segment, a word and a line of the training data have in common."""

import dataclasses

from numpy.typing import NDArray


@dataclasses.dataclass
class WrittenText:
    """A text as it was written.

    Attributes:
        text: U characters.
        points: [n, 3] or [n, 6]: x, y (positions, y grows downwards), ..., pen lift, in any unit.
        index: int [n], the character of the text that every point belongs to (see `scribe/ink/point_characters.py`), -1
            where that is not known; None where it is not known of any.
    """

    text: str
    points: NDArray
    index: NDArray | None = None
