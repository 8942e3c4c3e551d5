"""What the engine is asked for and what it tells: lines, and the events of writing them."""

import asyncio
import dataclasses
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.hands.hand import Hand
from scribe.web.trails import Trail
from scribe.writing.failures import Failure
from scribe.writing.lines import DEFAULT_BIAS, Line
from scribe.writing.proofread import DEFAULT_ATTEMPTS, Attempts


@dataclasses.dataclass(frozen=True)
class LineSpec:
    """A line to write.

    Attributes:
        text: in characters of the model's alphabet, without composed ones.
        hand: the hand to write in; hand_id: its `hand_key`, by which the engine remembers what belongs to it.
        seed: of the line. attempts: most tries of a word, as `sample_checked` takes both.
        live: the client watches: points are handed out as they are written, and a changed text goes on from them.
    """

    text: str
    seed: tuple[int, ...]
    hand: Hand | None = None
    hand_id: str = ""
    bias: float = DEFAULT_BIAS
    attempts: int = DEFAULT_ATTEMPTS
    live: bool = False


@dataclasses.dataclass(frozen=True)
class Ink:
    """Points of line `line`, from point `start` of its attempt `attempt` on: [n, 6] as `draw_point` returns them, and
    the character of each, int [n].

    Attributes:
        rest: True: they are those that may stay by `Failed.rest`, moved to where they belong. False: these do not stay.
            None: nothing is said of them.
    """

    line: int
    attempt: int
    start: int
    points: NDArray[np.float32]
    characters: NDArray[np.integer]
    rest: bool | None = None


@dataclasses.dataclass(frozen=True)
class Failed:
    """Attempt `attempt` of line `line` failed, and another one begins: its first `stays` points are the same, and it
    differs from the word on that begins at the place `word` of the text.

    Attributes:
        until: place of the word from which on the line may stay, too, as `Ink.rest` will say; None: it does not.
        rest: number of the first point of that word in this attempt; None where this attempt has another one there.
    """

    line: int
    attempt: int
    failures: list[Failure]
    stays: int
    word: int
    until: int | None = None
    rest: int | None = None


@dataclasses.dataclass(frozen=True)
class Ended:
    """Line `line` is done: its best attempt, which one that was, what is wrong with it, how many there were."""

    line: int
    written: Line
    kept: int
    failures: list[Failure]
    attempts: int


class Order:
    """Lines of one request, and what becomes of them."""

    def __init__(self, specs: Sequence[LineSpec], client: str, number: int, background: bool):
        self.specs, self.client, self.number, self.background = specs, client, number, background
        self.waiting: deque[Writing] = deque(Writing(self, i, spec) for i, spec in enumerate(specs))
        self.left, self.busy, self.cancelled = len(specs), 0, False
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue = asyncio.Queue()
        self._outbox: list[Any] = []

    def tell(self, event: Any) -> None:
        """Adds an event; `hand_out` hands out all of them. In the thread of the engine."""
        self._outbox.append(event)

    async def events(self) -> AsyncIterator[list[Any]]:
        """Ink, Failed and Ended of all lines as they come, until every line has ended.

        Raises:
            RequestError: the server stops.
        """
        left = len(self.specs)
        while left:
            events = await self._queue.get()
            for event in events:
                if isinstance(event, Exception):
                    raise event
                left -= isinstance(event, Ended)
            yield events


def hand_out(orders: Iterable[Order]) -> None:
    """Hands what orders were told out to their clients, and wakes their loop once for all of them."""
    by_loop: dict[Any, list[tuple]] = {}
    for order in orders:
        if order._outbox and not order.cancelled:
            by_loop.setdefault(order._loop, []).append((order, order._outbox))
            order._outbox = []
    for loop, told in by_loop.items():
        try:
            loop.call_soon_threadsafe(_put, [(order._queue, events) for order, events in told])
        except RuntimeError:  # the loop was closed: nobody waits any more
            for order, _ in told:
                order.cancelled = True


def _put(told):
    for queue, events in told:
        queue.put_nowait(events)


class Writing:
    """One line of an order on its way through the engine."""

    def __init__(self, order: Order, line: int, spec: LineSpec):
        self.order, self.line, self.spec = order, line, spec
        self.attempts = Attempts(spec.text, tuple(spec.seed), spec.attempts, only_warned=True)
        self.seed = tuple(spec.seed)  # of the attempt that is being written
        self.trail = Trail(spec.text)
        self.told = 0  # points of it that have been handed out
        # The attempt that it goes on from, and the place of the word from which on that may stay; None: it does not.
        self.rest: tuple[Trail, int] | None = None
        self.held: list[tuple] = []  # what may not belong to the line yet, see `Batch.advance`

    @property
    def attempt(self) -> int:
        """The number of the attempt, from 0."""
        return self.attempts.count

    def key(self) -> tuple:
        """What the ink of the line depends on beside its text."""
        return self.spec.hand_id, self.spec.bias, tuple(self.spec.seed)
