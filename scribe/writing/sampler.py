"""The sampler: gives lines their points, those of a batch side by side.

    for ended, busy in write_lines(writer, queue):
        ...                                  # may append further lines to the queue

Letters: B rows of the batch, n points of a line, U characters, A alphabet + 1, D numbers of a hand, H units of an LSTM,
K window components.

All rows get some points at a time (`PointWriter` of scribe/writing/points.py); `find_ends` says where lines have ended.
A row whose line has ended makes room for the next one of the queue; when none waits, the batch goes on with fewer rows.
So no time goes to rows that have nothing to write, though lines are of all lengths. Lines that have ended are handed
out while the others get their next points.

What a row needs lies in two named tuples, `LineText` and `RowState`, one row of every array for each row of the batch:
to keep, restore or move a row is to take its row of each.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.network.point_network import LstmBiases, NetworkState, PointNetwork
from scribe.writing.points import POINTS_OF_CALL, Drawn, PointWriter

# When a line ends, by the mean position of the window in characters; 0 is the last character. When the pen lifts for
# the last time in real lines, the attention has nearly always passed the last character by a tenth of its place, and in
# four of five lines by half of it. Where it has passed by half, the line ends; where by less, it ends if the pen would
# go on to the right of all ink: left of it are dots and crossings.
SURELY_PASSED, MAYBE_PASSED = 0.55, 0.1
# A word begins at the last pen lift at which the attention is this near to its first character, in characters: where it
# joins the word before, a few letters of that are written again, too.
BEFORE_WORD, INTO_WORD = 3.0, -0.15
LATE_DOT = set("ij!:")  # as last characters: their dot may stand to the right of all ink; only SURELY_PASSED counts
PLACES_AFTER = 2  # see `LineText`
ROWS = 64  # of a batch; with more, a second gives hardly more points, and the first lines end later

# ------------------------------------------------------------------------------------------------------------ rows


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


class LineToWrite(NamedTuple):
    """A line in the queue. `text` and `start` are one row of the tuples of these names, without the axis B."""

    key: Hashable  # says which line it is
    text: LineText
    start: RowState
    noise: NDArray[np.float32]  # [limit, 4], as `draw_point` takes it
    words: tuple[int, ...] = ()  # places of the first characters of the words that it may be gone on from
    before: "WrittenLine | None" = None  # the line whose first points it shares: as many as `start` has


class WrittenLine(NamedTuple):
    """What a row wrote."""

    key: Hashable
    points: NDArray[np.float32]  # [n, 6], as `draw_point` returns them
    phis: NDArray[np.float32]  # [n, U]
    kappas: NDArray[np.float32]  # [n, K]
    finished: bool  # the line ended after its last character, within its limit
    marks: dict[int, WordStart]  # by the places of `LineToWrite.words`


# ---------------------------------------------------------------------------------------------------------- writing


def write_lines(writer: PointWriter, queue: Any) -> Iterator[tuple[list[WrittenLine], bool]]:
    """Writes the lines of a queue until it is done.

    Which lines are in the batch together follows from the lines alone, never from the clock: the same job is the same
    batches, and so the same lines.

    Args:
        queue: the lines, all with texts of the same number of places: has len() and popleft() as a deque of
            `LineToWrite`; wants(key), which says whether a line is still to be written; and is_done. It may be given
            further lines at any time.

    Yields:
        after each call the lines that have ended with it, and whether others get their next points meanwhile.
    """
    batch = _Batch(writer, ROWS)
    ended: list[WrittenLine] = []
    while not queue.is_done:
        batch.drop(lambda key: not queue.wants(key))
        batch.begin([queue.popleft() for _ in range(min(len(queue), ROWS - batch.busy))])
        busy = bool(batch.busy)
        if busy:
            batch.start()
        try:
            yield ended, busy
        finally:
            ended = batch.finish() if busy else []


class Ends(NamedTuple):
    """Of rows that have been given some points, which of them are points of their lines."""

    count: Any  # int [B]: points drawn until the line has ended, else all
    finished: Any  # bool [B]: the line has ended after its last character, within its limit
    ended: Any  # bool [B]
    states: tuple  # what a `RowState` holds after the network, [n, B]: after each point; of no account after the end
    done: Any  # bool [n, B]: the line has ended with this point, or before

    def after(self, drawn: Drawn) -> RowState:
        """The rows after these points, those whose line has ended after its last."""
        last = self.count - 1
        return RowState(drawn.network, *(values[last, np.arange(len(last))] for values in self.states))


def find_ends(text: LineText, state: RowState, drawn: Drawn) -> Ends:
    """Where the lines of rows end; state: before what was drawn."""
    x = np.cumsum(np.concatenate([state.x[None], drawn.points[:, :, 0]]), axis=0)  # [1 + n, B]
    right = np.maximum.accumulate(np.concatenate([state.right[None], x[1:]]))
    lifts = drawn.points[:, :, 5] > 0.5
    may_end = np.concatenate([state.may_end[None], lifts & (drawn.positions > text.passed_at)])
    beyond = may_end[:-1] & (x[1:] > right[:-1])  # begins a stroke to the right of the line, which ended before it
    finished = beyond | lifts & (drawn.positions > SURELY_PASSED)
    count = np.arange(1, len(x))[:, None]
    points = state.points + count - beyond
    done = np.logical_or.accumulate(finished | (points >= text.limit))
    last = len(done) - done.sum(axis=0)  # the first at which it is; n where none is
    ended, last, rows = done[-1], np.minimum(last, len(done) - 1), np.arange(len(state.x))
    return Ends(
        count=last + 1,
        finished=finished[last, rows],
        ended=ended,
        states=(drawn.points[:, :, [0, 1, 5]], points, x[1:], right[1:], may_end[1:]),
        done=done,
    )


def mark_words(
    words: Sequence[tuple[dict[int, WordStart], list[int]]], last: NDArray, state: RowState, drawn: Drawn, ends: Ends
) -> None:
    """Keeps the states before words: those of rows whose pen is lifted where the attention is near a word.

    Args:
        words: of each row what takes the states, by the place of the word's first character, and the places of the
            words that the pen has not come to; those that it has come to are taken out.
        last: [B], place of the last character. state: before what was drawn. ends: of that.
    """
    if not any(ahead for _, ahead in words):
        return
    places = drawn.positions + last
    for t, row in np.argwhere((drawn.points[:, :, 5] > 0.5) & ~ends.done):
        marks, ahead = words[row]
        while ahead and places[t, row] > ahead[0] + INTO_WORD:
            del ahead[0]
        if ahead and places[t, row] > ahead[0] - BEFORE_WORD:
            there = RowState(take_rows(state.network, row), *(values[t, row].copy() for values in ends.states))
            read = np.concatenate([state.point[row][None], ends.states[0][:t, row]])
            marks[ahead[0]] = WordStart(there, read)


class _Page(NamedTuple):
    """A line that is being written."""

    line: LineToWrite
    slot: int  # where its numbers are, and what is written of it
    marks: dict[int, WordStart]
    ahead: list[int]  # words that the pen has not come to


class _Slots:
    """The random numbers of the lines of a batch, and what is written of them, each line in a slot of its own.

    Those of all rows are read and written at once, and nothing of it moves when rows do.
    """

    def __init__(self, rows):
        self.rows, self.free = rows, list(range(rows))
        # noise [rows, limit + POINTS_OF_CALL, 4]; points, phis and kappas as in `WrittenLine`
        self.arrays: list[NDArray[np.float32]] = []

    def take(self, line):
        """Gives a line a slot, with what was written of it before."""
        limit, first = int(line.text.limit), not self.arrays
        sizes = 4, 6, len(line.text.mask), len(line.start.network.kappa)
        if first or limit + POINTS_OF_CALL > self.arrays[0].shape[1]:
            old = self.arrays
            self.arrays = [np.zeros([self.rows, limit + POINTS_OF_CALL, size], np.float32) for size in sizes]
            for before, after in zip(old, self.arrays):
                after[:, : before.shape[1]] = before
        slot, n = self.free.pop(), int(line.start.points)
        self.arrays[0][slot, :limit] = line.noise
        if line.before is not None:
            for array, before in zip(self.arrays[1:], (line.before.points, line.before.phis, line.before.kappas)):
                array[slot, :n] = before[:n]
        return slot

    def give_back(self, slot, n):
        """The first n points of the line of a slot, which is free then."""
        self.free.append(slot)
        return tuple(array[slot, :n].copy() for array in self.arrays[1:])


class _Batch:
    """The lines that are being written, a row for each."""

    def __init__(self, writer, rows):
        self.writer, self.slots = writer, _Slots(rows)
        self.pages: list[_Page] = []
        self.over: list[int] = []  # rows whose line has ended
        self.text: Any = None  # `LineText`
        self.state: Any = None  # `RowState`

    @property
    def busy(self):
        """How many rows write."""
        return len(self.pages) - len(self.over)

    def drop(self, unwanted):
        """Ends the lines whose keys are unwanted."""
        for row, page in enumerate(self.pages):
            if row not in self.over and unwanted(page.line.key):
                self.slots.free.append(page.slot)
                self.over.append(row)

    def begin(self, lines):
        """Adds lines, first in the rows of those that have ended; what is left of these goes."""
        for row, line in zip(self.over, lines):
            put_row(self.text, row, line.text)
            put_row(self.state, row, line.start)
            self.pages[row] = self._page(line)
        further, gone = lines[len(self.over) :], self.over[len(lines) :]
        self.over = []
        if gone:
            left = np.setdiff1d(np.arange(len(self.pages)), gone)
            self.pages = [self.pages[row] for row in left]
            self.text, self.state = take_rows(self.text, left), take_rows(self.state, left)
        if further:
            text, state = stack_rows([line.text for line in further]), stack_rows([line.start for line in further])
            self.text = join_rows(self.text, text) if self.pages else text
            self.state = join_rows(self.state, state) if self.pages else state
            self.pages += map(self._page, further)

    def _page(self, line):
        marks: dict[int, WordStart] = {}
        if line.before is not None:
            marks |= {word: mark for word, mark in line.before.marks.items() if mark.points <= line.start.points}
        return _Page(line, self.slots.take(line), marks, [word for word in line.words if word not in marks])

    def start(self):
        """Begins to write the next points of all rows."""
        self._at = np.array([page.slot for page in self.pages]), self.state.points + np.arange(POINTS_OF_CALL)[:, None]
        self.writer.start(self.state.network, self.state.point, self.text, self.slots.arrays[0][self._at])

    def finish(self):
        """Returns the lines that have ended with these points."""
        drawn = self.writer.drawn()
        for array, values in zip(self.slots.arrays[1:], (drawn.points, drawn.phis, drawn.kappas)):
            array[self._at] = values
        with np.errstate(all="ignore"):  # a network that has learned little may overflow
            ends = find_ends(self.text, self.state, drawn)
        last = len(self.text.mask[0]) - 1 - self.text.past_end[:, -1]
        mark_words([(page.marks, page.ahead) for page in self.pages], last, self.state, drawn, ends)
        after = ends.after(drawn)
        self.over = np.flatnonzero(ends.ended).tolist()
        ended = []
        for row in self.over:
            page = self.pages[row]
            points, phis, kappas = self.slots.give_back(page.slot, after.points[row])
            ended.append(WrittenLine(page.line.key, points, phis, kappas, bool(ends.finished[row]), page.marks))
        self.state = after
        return ended
