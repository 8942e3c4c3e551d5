"""Lines that have been written, kept so that a text that changes goes on from where it is still the same.

What the network has written up to some point depends on the characters that its window has reached by then, and on no
later ones. So when the text of a line changes, the states of the line before the change are those of the new line, too:
it goes on from there instead of starting over. The random numbers of a point depend on the seed and the number of the
point, so the line comes out as if it had been written in one go.
"""

import bisect
from collections import OrderedDict
from collections.abc import Hashable
from os.path import commonprefix
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A character counts as reached once it had this much weight at a point; a smaller one does not change what is drawn.
REACHED = 1e-5
BEFORE_END = 2  # characters before the end of the text at which it begins to matter where the end is


class Trail:
    """One attempt at a line: what has been written of it, in parts, and the state of its row after each part.

    Attributes:
        text: of the line. points: written so far. finished: whether the line has ended after its last character.
    """

    def __init__(self, text: str):
        self.text = text
        self.parts: list[tuple[NDArray, ...]] = []  # points [n, 6], phis [n, U places], kappas [n, K]
        self.states: list[Any] = []  # a row of `RowState` after each part
        self.reached: list[int] = []  # how many characters of the text can matter to what was written up to there
        self.points = 0
        self.finished = False

    def add(self, part: tuple[NDArray, ...], state: Any) -> None:
        """Adds what a row has written since the last call; state: a row of `RowState`, None to keep none."""
        self.parts.append(part)
        self.points += len(part[0])
        if state is None:
            return
        phis = part[1]
        reached = self.reached[-1] if self.reached else 0
        if len(phis):
            weighted = np.flatnonzero(phis.max(axis=0) > REACHED)
            farthest = int(weighted[-1]) + 1 if len(weighted) else 0
            places = np.arange(phis.shape[1])
            middle = phis @ places / np.maximum(phis.sum(axis=1), 1e-30)
            reached = max(reached, farthest, int(np.ceil(middle.max())) + BEFORE_END)
        self.states.append(state)
        self.reached.append(reached)

    def gone_on(self, text: str) -> "Trail | None":
        """The part of this attempt that is one of another text, too; None if there is none."""
        same = len(commonprefix([self.text, text]))
        count = bisect.bisect_right(self.reached, same)
        if not count:
            return None
        trail = Trail(text)
        trail.parts, trail.states, trail.reached = self.parts[:count], self.states[:count], self.reached[:count]
        trail.points = sum(len(part[0]) for part in trail.parts)
        return trail

    def written(self) -> tuple[NDArray, ...]:
        """All parts together: points [n, 6], phis [n, places], kappas [n, K]."""
        return tuple(np.concatenate(values) for values in zip(*self.parts, strict=True))

    def size(self) -> int:
        """Bytes, about."""
        per_state = 4 * 3000 if self.states else 0
        return sum(values.nbytes for part in self.parts for values in part) + per_state * len(self.states)


class Memory:
    """What was used last, as much of it as fits into some bytes."""

    def __init__(self, limit: int):
        self._limit, self._held = limit, 0
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, key: Hashable) -> Any:
        """What is kept under the key, or None."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keeps a value of so many bytes, in place of the one before."""
        _, before = self._entries.pop(key, (None, 0))
        self._entries[key] = value, size
        self._held += size - before
        while self._held > self._limit and len(self._entries) > 1:
            _, (_, size) = self._entries.popitem(last=False)
            self._held -= size
