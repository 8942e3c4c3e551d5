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

from scribe.writing.line_writer import most_points, word_places
from scribe.writing.points import TINY
from scribe.writing.rows import WrittenLine
from scribe.writing.word_starts import can_follow, can_take_over, with_rest

# A character counts as reached once it had this much weight at a point; a smaller one does not change what is drawn.
REACHED = 1e-5
BEFORE_END = 2  # characters before the end of the text at which it begins to matter where the end is
STATE_BYTES = 12_000  # of a `RowState`, about


class Trail:
    """One attempt at a line: what has been written of it, in parts, and the state of its row after each part.

    Attributes:
        text: of the line. seeds: of the attempts that it has words of, after the first one.
        points: written so far; shared: how many of them are those of the attempt that it goes on from.
        marks, ahead: states before words and the words to come, by their places, see `word_starts.mark_words`.
        state: to go on from, a row of `RowState` or a `WordStart`; None: the beginning. begun: points of the row when
            its own random numbers began. skipped: points of the row ahead of the line, of the ink that it goes on from.
        left: as many points stand in the attempt that followed, too; None: none did. finished: whether the line has
            ended after its last character.
    """

    def __init__(self, text: str, seeds: tuple[tuple, ...] = ()):
        self.text, self.seeds = text, seeds
        self.parts: list[tuple[NDArray, ...]] = []  # points [n, 6], phis [n, U places], kappas [n, K]
        # After each part, where somebody watches: the state of the row, how many characters of the text can matter to
        # what was written up to there, and how many words the pen has come to.
        self.states: list[Any] = []
        self.reached: list[int] = []
        self.passed: list[int] = []
        self.points = self.shared = self.begun = self.skipped = 0
        self.marks: dict[int, Any] = {}
        self.ahead = word_places(text)[1:]
        self.state: Any = None
        self.left: int | None = None
        self.finished = False

    def add(self, part: tuple[NDArray, ...], state: Any) -> None:
        """Adds what a row has written since the last call; state: a row of `RowState`, None to keep none."""
        self.parts.append(part)
        self.points += len(part[0])
        if state is None or len(self.states) < len(self.parts) - 1:  # one is missing: nobody goes on from later ones
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
        self.passed.append(len(word_places(self.text)[1:]) - len(self.ahead))
        self.state = state

    def gone_on(self, text: str) -> "Trail | None":
        """The part of this attempt that is one of another text, too; None if there is none."""
        same = len(commonprefix([self.text, text]))
        count = bisect.bisect_right(self.reached, same)
        if not count:
            return None
        trail = Trail(text, self.seeds)
        trail._share(self, count)
        trail.shared, trail.begun, trail.state = self.shared, self.begun, trail.states[-1]
        trail.ahead = trail.ahead[self.passed[count - 1] :]
        trail.marks = {place: mark for place, mark in self.marks.items() if mark.points - self.skipped <= trail.points}
        if self.left is not None and self.left <= trail.points:
            trail.left = self.left
        return trail

    def from_word(self, place: int, seed: tuple) -> "Trail":
        """What another attempt begins with that goes on from a word of this one, with random numbers of its own.

        Args:
            place: of the first character of the word. seed: of the attempt.
        """
        trail, mark = Trail(self.text, (*self.seeds, seed)), self.marks.get(place)
        if mark is None or mark.points <= self.skipped:
            return trail
        trail.ahead = [word for word in trail.ahead if word > place]
        trail._share_points(self, int(mark.points) - self.skipped, mark if self.states else None)
        trail.shared, trail.begun, trail.state = trail.points, int(mark.points), mark
        trail.marks = {word: state for word, state in self.marks.items() if word <= place}
        return trail

    def kept_from(self, place: int) -> int | None:
        """From which point on it may stay where words before that at `place` are written again; None: it may not."""
        line = self._as_written()
        return line.marks[place].points if can_follow(line, place) else None

    def rest_as(self, other: "Trail", place: int) -> int | None:
        """From which point on it has what another one has from the word at `place` on; None: it has something else."""
        if place not in self.marks:
            return None
        own, rest = (trail.between(trail.before_word(place))[0] for trail in (self, other))
        same = len(own) == len(rest) > 1 and (own[1:] == rest[1:]).all()  # the first one leads there from another place
        return self.before_word(place) if same else None

    def before_word(self, place: int) -> int:
        """How many points stand before the word at `place`; all of them where it has not come near."""
        return int(self.marks[place].points) - self.skipped if place in self.marks else self.points

    def position(self) -> float:
        """Which character it has come to."""
        phi = self.parts[-1][1][-1]
        return float(phi @ np.arange(len(phi)) / max(phi.sum(), TINY))

    def with_rest(self, before: "Trail", place: int) -> "Trail | None":
        """The attempt up to a word, and what the one before has from there on; None where that cannot follow it.

        Args:
            before: one of which `kept_from` says that it may stay. place: of the word, which this one has begun.
        """
        new, rest = self._as_written(), before._as_written()
        if not can_take_over(new.marks, new.phis, rest, place, most_points(self.text)):
            return None
        line, first = with_rest(new, rest, place), new.marks[place].points
        trail = Trail(self.text, self.seeds)
        trail._share_points(self, first, None)
        trail.add(tuple(values[first:] for values in (line.points, line.phis, line.kappas)), None)
        trail.shared, trail.begun, trail.ahead, trail.finished = self.shared, self.begun, [], line.finished
        trail.left = self.left
        trail.marks = {word: mark.moved(self.skipped, 0.0) for word, mark in line.marks.items()}
        return trail

    def _as_written(self):
        """As a row of the sampler wrote it, without the ink that it goes on from."""
        marks = {word: mark.moved(-self.skipped, 0.0) for word, mark in self.marks.items()}
        points, phis, kappas = self.between()
        return WrittenLine(None, points, phis, kappas, self.finished, marks)

    def _share_points(self, other, points, state):
        """Takes the first points of another trail, after which its row has come to a state; None to keep none."""
        ends = np.cumsum([len(part[0]) for part in other.parts])
        self._share(other, int(np.searchsorted(ends, points, side="right")))
        if self.points < points:
            self.add(tuple(values[: points - self.points] for values in other.parts[len(self.parts)]), state)

    def _share(self, other, count):
        """Takes the first parts of another trail."""
        for name in ("parts", "states", "reached", "passed"):
            setattr(self, name, getattr(other, name)[:count])
        self.points, self.skipped = sum(len(part[0]) for part in self.parts), other.skipped

    def between(self, first: int = 0, last: int | None = None) -> tuple[NDArray, ...]:
        """Points [n, 6], phis [n, places] and kappas [n, K] from number `first` up to `last`, of those there are."""
        start, stop, parts = 0, self.points if last is None else last, []
        for part in self.parts:
            if start + len(part[0]) > first and start < stop:
                parts.append(tuple(values[max(first - start, 0) : stop - start] for values in part))
            start += len(part[0])
        parts = parts or [tuple(values[:0] for values in self.parts[0])]
        return tuple(np.concatenate(values) for values in zip(*parts, strict=True))

    def in_common(self, points: NDArray) -> int:
        """With how many of some points [m, 6] it begins."""
        n = min(self.points, len(points))
        differ = (self.between(0, n)[0] != points[:n]).any(axis=1) if n else np.zeros(0, bool)
        return int(differ.argmax()) if differ.any() else n

    def size(self) -> int:
        """Bytes, about."""
        states = len(self.states) + len(self.marks)
        return sum(values.nbytes for part in self.parts for values in part) + STATE_BYTES * states


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
