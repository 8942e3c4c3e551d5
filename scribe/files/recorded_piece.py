"""What a file of handwriting holds: pieces of strokes, what they say where that is known, and what was not read."""

import dataclasses
import re
from collections import Counter

from numpy.typing import NDArray


@dataclasses.dataclass
class Piece:
    """What a file holds as one: a line of a data file, a group of an InkML file, a whole drawing.

    Attributes:
        strokes: float64 [n, 2] arrays in writing order, n > 0: x, y, y growing downwards.
        text: what they say; None where the file does not say it.
        name: of the writer or the form; "" where the file does not say it.
    """

    strokes: list[NDArray]
    text: str | None = None
    name: str = ""


@dataclasses.dataclass
class Recording:
    """A file of handwriting.

    Attributes:
        pieces: in writing order.
        left_out: how often each thing that is no ink was met, such as {"image": 2}.
        y_is_down: whether the format says which way y grows; else the strokes have to tell.
        turned: y grew upwards, and the strokes have been turned.
    """

    pieces: list[Piece]
    left_out: Counter[str] = dataclasses.field(default_factory=Counter)
    y_is_down: bool = True
    turned: bool = False

    def remark(self) -> str:
        """What was left out, such as "left out: 9 closed shapes, 2 images"; "" where nothing was."""
        counts = ", ".join(f"{n:,} {_plural(what) if n > 1 else what}" for what, n in self.left_out.items() if n)
        said = ["its y grows upwards, so it was turned"] * self.turned + [f"left out: {counts}"] * bool(counts)
        return "; ".join(said)


def _plural(what):
    """Of several, "closed shape" is "closed shapes", "point that is no number" is "points that are no number"."""
    noun, rest = re.fullmatch(r"(.+?)((?: that| of| with| without) .+)?", what).groups(default="")
    return f"{noun}s{rest.replace(' that is ', ' that are ')}"
