"""Where the lines of rows end.

Letters: B rows of the batch, n points.
"""

from typing import Any, NamedTuple

import numpy as np

from scribe.writing.points import Drawn
from scribe.writing.rows import LineText, RowState

# When a line ends, by the mean position of the window in characters; 0 is the last character. When the pen lifts for
# the last time in real lines, the attention has nearly always passed the last character by a tenth of its place, and in
# four of five lines by half of it. Where it has passed by half, the line ends; where by less, it ends if the pen would
# go on to the right of all ink: left of it are dots and crossings.
SURELY_PASSED, MAYBE_PASSED = 0.55, 0.1
LATE_DOT = set("ij!:")  # as last characters: their dot may stand to the right of all ink; only SURELY_PASSED counts


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
