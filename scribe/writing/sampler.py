"""The sampler: gives lines their points, those of a batch side by side.

    for ended, busy in write_lines(writer, queue):
        ...                                  # may append further lines to the queue

Letters: B rows of the batch, n points of a line, U characters, K window components.

All rows get some points at a time (`PointWriter` of scribe/writing/points.py); `find_ends` (line_ends.py) says where
lines have ended. A row whose line has ended makes room for the next one of the queue; when none waits, the batch goes
on with fewer rows. So no time goes to rows that have nothing to write, though lines are of all lengths. Lines that have
ended are handed out while the others get their next points. What a row holds is in scribe/writing/rows.py.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.writing.line_ends import find_ends
from scribe.writing.points import POINTS_OF_CALL, PointWriter
from scribe.writing.rows import (
    LineToWrite,
    WordStart,
    WrittenLine,
    join_rows,
    put_row,
    stack_rows,
    take_rows,
)
from scribe.writing.word_starts import BEGUN, can_take_over, mark_words, with_rest

ROWS = 64  # of a batch; with more, a second gives hardly more points, and the first lines end later


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


class _Page(NamedTuple):
    """A line that is being written."""

    line: LineToWrite
    slot: int  # where its numbers are, and what is written of it
    marks: dict[int, WordStart]
    ahead: list[int]  # words that the pen has not come to
    until: int | None  # as in `LineToWrite`; None, too, where the pen has come to it in another way


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
        ahead = [word for word in line.words if word not in marks]
        return _Page(line, self.slots.take(line), marks, ahead, line.until)

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
        ended, self.over = [], []
        for row, page in enumerate(self.pages):
            n = int(after.points[row])
            if ends.ended[row]:
                line = self._give_back(page, n, bool(ends.finished[row]))
            elif page.until is None or drawn.positions[-1, row] + last[row] < page.until + BEGUN:
                continue
            elif self._can_take_over(page, n):
                line = with_rest(self._give_back(page, n, True), page.line.before, page.until)
            else:
                self.pages[row] = page._replace(until=None)
                continue
            ended.append(line)
            self.over.append(row)
        self.state = after
        return ended

    def _can_take_over(self, page, n):
        """Whether the rest of the line before can follow the n points of a page."""
        phis, line = self.slots.arrays[2][page.slot, :n], page.line
        return can_take_over(page.marks, phis, line.before, page.until, line.text.limit)

    def _give_back(self, page, n, finished):
        """The first n points of a page, whose slot is free then."""
        points, phis, kappas = self.slots.give_back(page.slot, n)
        return WrittenLine(page.line.key, points, phis, kappas, finished, page.marks)
