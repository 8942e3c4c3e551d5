"""The sampler: gives lines their points, those of a batch side by side.

    for ended in write_lines(network, drawing, queue):
        ...                                  # may append further lines to the queue

Letters: B rows of the batch, n points of a line, U characters, A alphabet + 1, D numbers of a hand, H units of an LSTM,
K window components.

At every step the network turns the last point of each row into the density of the next one (`PointNetwork.step`),
`draw_point` of scribe/writing/bias.py draws from it, and `step_rows` decides whether the line ends. A row whose line
has ended makes room for the next one of the queue; when none waits, the batch goes on with fewer rows. So no time goes
to rows that have nothing to write, though lines are of all lengths.

What a row needs lies in two named tuples, `LineText` and `RowState`, one row of every array for each row of the batch:
to keep, restore or move a row is to take its row of each.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.network.point_network import LstmBiases, NetworkState, PointNetwork
from scribe.writing.bias import RESTING, draw_point

# When a line ends, by the mean position of the window in characters; 0 is the last character. When the pen lifts for
# the last time in real lines, the attention has nearly always passed the last character by a tenth of its place, and in
# four of five lines by half of it. Where it has passed by half, the line ends; where by less, it ends if the pen would
# go on to the right of all ink: left of it are dots and crossings.
SURELY_PASSED, MAYBE_PASSED = 0.55, 0.1
INSIDE_BEFORE = -1.0  # up to here the text goes on
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
    bias: Any  # [B, 1]
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
    marks: dict[int, RowState]  # the state before words, by the places of `LineToWrite.words`


class Drawing(NamedTuple):
    """What drawing a point takes beside the network."""

    nmixtures: int
    resting: float  # a pen that moves by less rests

    @classmethod
    def of(cls, model: Any) -> "Drawing":
        """That of a HandwritingModel."""
        return cls(model.nmixtures, RESTING / model.config.data_scale)


# ---------------------------------------------------------------------------------------------------------- writing


def write_lines(network: PointNetwork, drawing: Drawing, queue: Any) -> Iterator[list[WrittenLine]]:
    """Writes all lines of a queue; each time that some have ended, yields them.

    Which lines are in the batch together follows from the lines alone, never from the clock: the same job is the same
    batches, and so the same lines.

    Args:
        queue: the lines, all with texts of the same number of places: has len() and popleft() as a deque of
            `LineToWrite`, and wants(key), which says whether a line is still to be written. It may be given further
            lines between two lists that are yielded; they are written, too.
    """
    batch = _Batch(network, drawing, ROWS)
    while queue or batch.busy:
        batch.drop(lambda key: not queue.wants(key))
        batch.begin([queue.popleft() for _ in range(min(len(queue), ROWS - batch.busy))])
        if batch.busy:
            yield batch.advance()


def step_rows(network: PointNetwork, drawing: Drawing, text: LineText, state: RowState, noise: NDArray):
    """Gives every row its next point.

    Args:
        noise: [B, 4], as `draw_point` takes it.

    Returns:
        the `RowState` (that of the network is changed in place); what was drawn [B, 6]; phi [B, U]; the position of the
        window [B], 0 at the last character; bool [B]: whose line has finished, and whose has ended.
    """
    y, phi = network.step(state.network, state.point, text.char_seq, text.mask, text.biases)
    position = (phi * text.past_end).sum(axis=1) / np.maximum(phi.sum(axis=1), 1e-30)
    inside = (position < INSIDE_BEFORE)[:, None]
    begins = state.point[:, 2:]
    drawn = draw_point(y, drawing.nmixtures, text.bias, noise, drawing.resting, begins=begins, inside=inside)

    lifts = drawn[:, 5] > 0.5
    x = state.x + drawn[:, 0]
    beyond = state.may_end & (x > state.right)  # begins a stroke to the right of the line, which ended before it
    finished = beyond | lifts & (position > SURELY_PASSED)
    points = state.points + ~beyond
    after = RowState(
        network=state.network,
        point=drawn[:, [0, 1, 5]],
        points=points,
        x=x,
        right=np.maximum(state.right, x),
        may_end=lifts & (position > text.passed_at),
    )
    return after, drawn, phi, position, finished, finished | (points >= text.limit)


def mark_word(marks: dict[int, RowState], ahead: list[int], place: float, state: RowState, row: int) -> None:
    """Keeps the state of a row whose pen is lifted, if a word begins there.

    Args:
        marks: takes the state, by the place of the word's first character. ahead: places of the words that the pen has
            not come to; those that it has are taken out. place: where the attention is, in characters.
    """
    while ahead and place > ahead[0] + INTO_WORD:
        del ahead[0]
    if ahead and place > ahead[0] - BEFORE_WORD:
        marks[ahead[0]] = take_rows(state, row)


class _Page(NamedTuple):
    """A line that is being written."""

    line: LineToWrite
    slot: int  # where its numbers are, and what is written of it
    marks: dict[int, RowState]
    ahead: list[int]  # words that the pen has not come to


class _Slots:
    """The random numbers of the lines of a batch, and what is written of them, each line in a slot of its own.

    A step reads and writes those of all rows at once, and nothing of it moves when rows do.
    """

    def __init__(self, rows):
        self.rows, self.free = rows, list(range(rows))
        # noise [rows, limit, 4]; points, phis and kappas as in `WrittenLine`
        self.arrays: list[NDArray[np.float32]] = []

    def take(self, line):
        """Gives a line a slot, with what was written of it before."""
        limit, first = int(line.text.limit), not self.arrays
        sizes = 4, 6, len(line.text.mask), len(line.start.network.kappa)
        if first or limit > self.arrays[0].shape[1]:
            old, self.arrays = self.arrays, [np.empty([self.rows, limit, size], np.float32) for size in sizes]
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

    def __init__(self, network, drawing, rows):
        self.network, self.drawing, self.slots = network, drawing, _Slots(rows)
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
        marks: dict[int, RowState] = {}
        if line.before is not None:
            marks |= {word: mark for word, mark in line.before.marks.items() if mark.points <= line.start.points}
        return _Page(line, self.slots.take(line), marks, [word for word in line.words if word not in marks])

    def advance(self):
        """Writes until a line ends, and returns those that have ended."""
        slots = np.array([page.slot for page in self.pages])
        with np.errstate(all="ignore"):  # a network that has learned little may overflow
            while True:
                finished, done = self._step(slots)
                if done.any():
                    break
        self.over = np.flatnonzero(done).tolist()
        ended = []
        for row in self.over:
            page = self.pages[row]
            points, phis, kappas = self.slots.give_back(page.slot, self.state.points[row])
            ended.append(WrittenLine(page.line.key, points, phis, kappas, bool(finished[row]), page.marks))
        return ended

    def _step(self, slots):
        """Gives every row its next point. Returns bool [B]: whose line has finished, and whose has ended."""
        noise, points, phis, kappas = self.slots.arrays
        at = slots, self.state.points
        step = step_rows(self.network, self.drawing, self.text, self.state, noise[at])
        self.state, drawn, phi, position, finished, ended = step
        points[at], phis[at], kappas[at] = drawn, phi, self.state.network.kappa
        for row in np.flatnonzero((drawn[:, 5] > 0.5) & ~ended):
            place = position[row] + len(self.text.mask[row]) - 1 - self.text.past_end[row, -1]
            mark_word(self.pages[row].marks, self.pages[row].ahead, place, self.state, int(row))
        return finished, ended
