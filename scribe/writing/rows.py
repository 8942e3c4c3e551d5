"""What the rows of a batch hold: of the line that each writes, how far it is, and what it has written.

Letters: B rows of the batch, n points of a line, U characters, A alphabet + 1, D numbers of a hand, K window
components.

What a row needs lies in two named tuples, `LineText` and `RowState`, one row of every array for each row of the batch:
to keep, restore or move a row is to take its row of each.
"""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.network.point_network import LstmBiases, NetworkState, PointNetwork

PLACES_AFTER = 2  # see `LineText`


class LineText(NamedTuple):
    """What a row needs of its line, the same at all points; float32 but for `limit`.

    PLACES_AFTER places follow the last character: with a one-hot of zero they add nothing to the window, but their
    weights show how far the attention has passed the last character.
    """

    char_seq: Any  # [B, U, A + D]: one-hot text, that of the style in front, and what is known of its characters
    mask: Any  # [B, U]: 1 for characters and the places after them, 0 for padding
    past_end: Any  # [B, U]: number of the place, counted from the last character
    biases: LstmBiases  # with what the hand adds
    bias: Any  # [B, 1]: that of eq. 61-62
    passed_at: Any  # [B]: position of the window after which a pen lift may be the last one
    limit: Any  # int [B]: most points


class RowState(NamedTuple):
    """How far the line of a row is: all that changes from point to point."""

    network: NetworkState
    point: Any  # [B, 3]: dx, dy, pen lift of the last point
    points: Any  # int [B]: points of the line so far
    x: Any  # [B]: where the pen is
    right: Any  # [B]: the rightmost ink of the line
    may_end: Any  # bool [B]: the last pen lift may have ended the line: it has if the pen goes on to the right


def take_rows(rows: Any, which: Any) -> Any:
    """Some rows of nested tuples of arrays [B, ...], as copies; of a number, that row without the axis B."""
    return type(rows)(*(take_rows(v, which) if isinstance(v, tuple) else v[which].copy() for v in rows))


def stack_rows(rows: Sequence[Any]) -> Any:
    """Rows as `take_rows` returns each for a number, as one batch."""
    parts = zip(*rows, strict=True)
    return type(rows[0])(*(stack_rows(v) if isinstance(v[0], tuple) else np.stack(v) for v in parts))


def join_rows(first: Any, second: Any) -> Any:
    """Two batches as one."""
    both = zip(first, second, strict=True)
    return type(first)(*(join_rows(a, b) if isinstance(a, tuple) else np.concatenate([a, b]) for a, b in both))


def put_row(rows: Any, row: int, values: Any) -> None:
    """Writes values as `take_rows` returns them for a number into a row."""
    for array, value in zip(rows, values, strict=True):
        if isinstance(array, tuple):
            put_row(array, row, value)
        else:
            array[row] = value


class WordStart:
    """The state of a row before a word: that of the network before some points that it then reads.

    Args:
        row: its `RowState`, with the network as it was before it read `unread` [k, 3].
    """

    def __init__(self, row: RowState, unread: NDArray[np.float32]):
        self._row, self._unread = row, unread

    @property
    def points(self) -> int:
        """Points of the line before the word."""
        return int(self._row.points)

    def row(self, network: PointNetwork, text: LineText) -> RowState:
        """The `RowState`; text: of the line, without B."""
        if len(self._unread):
            state, rows = stack_rows([self._row.network]), stack_rows([text])
            for point in self._unread:
                network.step(state, point[None], rows.char_seq, rows.mask, rows.biases)
            self._row, self._unread = self._row._replace(network=take_rows(state, 0)), self._unread[:0]
        return self._row

    def moved(self, points: int, x: float) -> "WordStart":
        """The same with so many points more before it, and so much further to the right."""
        row, x = self._row, np.float32(x)
        return WordStart(row._replace(points=row.points + points, x=row.x + x, right=row.right + x), self._unread)


class LineToWrite(NamedTuple):
    """A line in the queue. `text` and `start` are one row of the tuples of these names, without the axis B."""

    key: Hashable  # says which line it is
    text: LineText
    start: RowState
    noise: NDArray[np.float32]  # [limit, 4], as `draw_point` takes it
    words: tuple[int, ...] = ()  # places of the first characters of the words that it may be gone on from
    before: "WrittenLine | None" = None  # the line whose first points it shares: as many as `start` has
    until: int | None = None  # place of a word: from there on it has what `before` has, if it comes to it as that did


class WrittenLine(NamedTuple):
    """What a row wrote."""

    key: Hashable
    points: NDArray[np.float32]  # [n, 6], as `draw_point` returns them
    phis: NDArray[np.float32]  # [n, U]
    kappas: NDArray[np.float32]  # [n, K]
    finished: bool  # the line ended after its last character, within its limit
    marks: dict[int, WordStart]  # by the places of `LineToWrite.words`
    until: int | None = None  # place of the word from which on it is as the line that it was gone on from
