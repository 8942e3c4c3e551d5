"""Rows of a network that advance together, some points at a time, and lines as such rows.

Between two calls every row can be kept, go on with another text, or make room for another line: what it needs lies in
`LineText` and `RowState` of scribe/writing/rows.py. The next call is computed while what the last one has written is
looked at and handed out.
"""

import functools
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.hands.hand import Hand
from scribe.network.point_network import network_of
from scribe.web.orders import LineSpec, Writing
from scribe.writing.line_ends import find_ends
from scribe.writing.line_writer import (
    NO_WEIGHT,
    checked_style,
    hand_biases,
    line_noise,
    most_points,
    own_start,
    row_text,
)
from scribe.writing.points import POINTS_OF_CALL, PointWriter
from scribe.writing.rows import LineText, RowState, WordStart, join_rows, stack_rows, take_rows
from scribe.writing.word_starts import mark_words

CROWDED = 4  # rows, above which they advance by several calls at a time: telling of them costs as much as writing them
CALLS_OF_CROWD = 4
PLACES = 64  # for a text: no segment has more characters
NOISE_STEP = 512
HANDS = 256  # whose biases are kept; 19 kB each


class Batch:
    """The lines that one network writes at the time.

    Args:
        model: a HandwritingModel, whose weights are copied. hand: whose line of ink all lines go on from, if it has
            one; None: of lines in any hands that have none.
    """

    def __init__(self, model, hand: Hand | None = None):
        self.model, self.network = model, network_of(model)
        self.writer = PointWriter(self.network, model)
        self._rows: list[Writing] = []  # of the call that is under way, and what they began it with
        self._text: Any = None
        self._state: Any = None
        self._joining: list[tuple[Writing, LineText, RowState]] = []  # that begin with the next call
        self._dropped: list[Writing] = []  # rows whose line is not wanted any more
        self._biases: OrderedDict[str, Any] = OrderedDict()  # of the LSTMs, by the keys of hands
        self._ink, self._before = np.array([[0, 0, model.config.first_pen]], np.float32), ""
        if hand is not None and hand.line is not None:
            self._ink, self._before = checked_style(hand.line, model.config.alphabet)
        self._places = PLACES + len(self._before)
        self._read = 0, self.network.begin(1)  # how many points of the ink are the same work for all lines; after them

    @property
    def writing(self) -> list[Writing]:
        """The lines that it writes."""
        return [row for row in self._rows if row not in self._dropped] + [joining[0] for joining in self._joining]

    def begin(self, writing: Writing) -> None:
        """Adds a line, from its start or from the state of its trail."""
        text = self._line_text(writing.spec)
        state = self._start_of(text) if writing.trail.state is None else writing.trail.state
        if isinstance(state, WordStart):
            state = state.row(self.network, text)
        self._joining.append((writing, text, state))

    def drop(self, gone: Sequence[Writing]) -> None:
        """Takes the rows out whose line is in `gone`."""
        self._joining = [joining for joining in self._joining if joining[0] not in gone]
        self._dropped += [row for row in self._rows if row in gone]

    def advance(self) -> list[tuple[Writing, tuple[NDArray, ...], Any, bool, bool]]:
        """Writes some points of every line, fewer where a line ends, whose row is taken out then.

        Returns:
            for each line (line, what was written: points, phis, kappas, the state of its row, None if it has ended or
            nobody watches, whether it has ended, whether after its last character).
        """
        try:
            return self._advance()
        except BaseException:  # what the rows have come to is not known any more
            self._rows, self._joining, self._dropped = [], [], []
            raise

    def _advance(self):
        if not self._rows:
            self._change_rows(None, [])
        rows, text, state, dropped = self._rows, self._text, self._state, self._dropped
        words = [(row.trail.marks, row.trail.ahead) for row in rows]
        last = np.array([len(row.trail.text) - 1 for row in rows])
        before, steps = state.points, []
        calls = CALLS_OF_CROWD if len(rows) > CROWDED else 1
        for left in reversed(range(calls)):
            drawn = self.writer.drawn()
            with np.errstate(all="ignore"):  # a network that has learned little may overflow
                ends = find_ends(text, state, drawn)
            after, over = ends.after(drawn), not left or ends.ended.any()
            if over:
                self._change_rows(after, [k for k, row in enumerate(rows) if not ends.ended[k] and row not in dropped])
            else:
                self._start(after)
            mark_words(words, last, state, drawn, ends)
            state = after
            steps.append(drawn[:3])
            if over:
                break
        values = [np.concatenate(part) for part in zip(*steps, strict=True)]
        found: list[tuple[Writing, tuple[NDArray, ...], Any, bool, bool]] = []
        for row, writing in enumerate(rows):
            if writing in dropped:
                continue
            n = int(state.points[row] - before[row])
            part = tuple(value[:n, row].copy() for value in values)
            ended = bool(ends.ended[row])
            if self._before and not writing.trail.parts:  # it may still be writing the last of the line of ink
                writing.held.append(part)
                part = tuple(np.concatenate(values) for values in zip(*writing.held, strict=True))
                if not (part[1].argmax(axis=1) >= len(self._before)).any() and not ended:
                    continue
                start = own_start(part[0], part[1], len(self._before))
                part, writing.held, writing.trail.skipped = tuple(value[start:] for value in part), [], start
            points, phis, kappas = part
            part = points, phis[:, len(self._before) :], kappas - len(self._before)
            there = take_rows(state, row) if writing.spec.live and not ended else None
            found.append((writing, part, there, ended, bool(ends.finished[row])))
        return found

    def _change_rows(self, state, kept):
        """Begins the next call with the lines that join, and the rows `kept` of those that have come to `state`."""
        if len(kept) < len(self._rows):
            self._rows = [self._rows[row] for row in kept]
            self._text, state = (take_rows(rows, kept) for rows in (self._text, state))
        if self._joining:
            joining, *new = zip(*self._joining, strict=True)
            new_text, new_state = map(stack_rows, new)
            old = bool(self._rows)
            self._text = join_rows(self._text, new_text) if old else new_text
            state = join_rows(state, new_state) if old else new_state
            self._rows = [*self._rows, *joining]
        self._joining, self._dropped = [], []
        if self._rows:
            self._start(state)

    def _start(self, state):
        """Begins a call of all rows, which have come to `state`."""
        self._state = state
        firsts = [int(t) - row.trail.begun for row, t in zip(self._rows, state.points)]
        noise = [noise_of(row.seed, t, t + POINTS_OF_CALL) for row, t in zip(self._rows, firsts)]
        self.writer.start(state.network, state.point, self._text, np.stack(noise, axis=1))

    def _line_text(self, spec: LineSpec) -> LineText:
        """A line as a row without the axis B."""
        if spec.hand_id not in self._biases:
            if len(self._biases) >= HANDS:
                self._biases.popitem(last=False)
            self._biases[spec.hand_id] = hand_biases(spec.hand, self.network, self.model)
        biases = self._biases[spec.hand_id]
        text, limit = self._before + spec.text, most_points(spec.text)
        return row_text(text, self._places, spec.hand, self.model.config, biases, spec.bias, limit)

    def _start_of(self, text: LineText) -> RowState:
        """What a line begins with: after all points of the line of ink but the last, the first input."""
        rows = stack_rows([text])
        used, network = self._read
        network, common = take_rows(network, slice(None)), True
        for point in self._ink[used:-1]:
            _, phi = self.network.step(network, point[None], rows.char_seq, rows.mask, rows.biases)
            # The text begins after that of the ink, and has no weight until the attention comes near.
            common = common and phi[:, len(self._before) :].max() <= NO_WEIGHT
            self._read = (used + 1, take_rows(network, slice(None))) if common else self._read
            used += 1
        zero = np.float32(0)
        return RowState(take_rows(network, 0), self._ink[-1], np.int64(0), zero, zero, np.bool_(False))


def noise_of(seed: tuple, start: int, stop: int) -> NDArray[np.float32]:
    """[stop - start, 4]: the random numbers of some points of a line."""
    return _noise(seed, -(-stop // NOISE_STEP) * NOISE_STEP)[start:stop]


@functools.lru_cache(512)
def _noise(seed, count):
    return line_noise(seed, count)
