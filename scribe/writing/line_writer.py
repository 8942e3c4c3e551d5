"""What writes the lines of `sample_batch` and `sample_checked`: prepares texts, primes, has lines judged.

    writer = LineWriter(["Hello World", "Dear Jon,"], load_model(), biases=[1.0, 1.0], hands=[None, None])
    writer.write([(7, 0), (7, 1)], judge)

Letters: N texts, n points of a line, U characters, A alphabet + 1, D numbers of a hand, K window components.
"""

import dataclasses
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.console import shortened
from scribe.hands.hand import Hand, HandError, hand_arrays
from scribe.ink.alphabet import fit_to_alphabet, to_one_hot
from scribe.ink.composing import ComposedInk
from scribe.network.blas import one_thread
from scribe.network.config import POINT_SIZE
from scribe.network.point_network import LstmBiases, NetworkState, PointNetwork, network_of
from scribe.writing.bias import paper_bias
from scribe.writing.line_ends import LATE_DOT, MAYBE_PASSED
from scribe.writing.points import PointWriter
from scribe.writing.rows import PLACES_AFTER, LineText, LineToWrite, RowState, WrittenLine, stack_rows, take_rows
from scribe.writing.sampler import write_lines
from scribe.writing.word_starts import can_follow

# Real handwriting has about 21 pen points a character and rarely more than 36; a line that is not finished after this
# many has gone astray.
LIMIT_POINTS_PER_CHARACTER, LIMIT_EXTRA_POINTS = 45, 100
LINES_PRIMED_TOGETHER = 32
# Lines that have ended are judged so many together, which takes half as long as one by one; fewer where no line waits
# and the lines to judge are this share of those that are still being written.
JUDGED_TOGETHER, IDLE_ROWS = 8, 0.25
ROWS_AHEAD = 16  # fewer rows than this write ahead
LARGEST_OFFSET = 10_000  # of a style, in units of data_scale; a line is some 100 long
NO_WEIGHT = 1e-7  # beside weights of about 1 lost in the rounding of float32

Style = tuple[NDArray[Any], str]  # strokes [n, 3], offsets in units of data_scale, and their text


@dataclasses.dataclass
class Line:
    """One written line; n points, U characters, K window components.

    Attributes:
        text: what was to be written, in the characters of the model's alphabet and composed ones.
        strokes: float32 [n, 6]: x, y (absolute, y grows downwards), sigma1, sigma2, rho of the component that the point
            was drawn from, pen lift (1 where the pen lifts after the point). Lengths in units of data_scale.
        phis: float32 [n, U], the weight of every character at every point (eq. 46).
        kappas: float32 [n, K], the window positions in characters; 0 is the first character of `text`.
        finished: whether the line ended after its last character, within the limit.
        ink: of a line with composed characters: which points were added, and the character of each (`ComposedInk`);
            None: the attention tells it (`scribe/ink/point_characters.py`).
        base: of such a line: the line as the network wrote it, without what was composed.
    """

    text: str
    strokes: NDArray[np.float32]
    phis: NDArray[np.float32]
    kappas: NDArray[np.float32]
    finished: bool
    ink: ComposedInk | None = None
    base: "Line | None" = None


class Again(NamedTuple):
    """What to write of a text whose line has been judged."""

    number: int  # of the text
    seed: tuple
    before: Any = None  # the line that is gone on from, such as a WrittenLine; None: the text is written anew
    word: int = 0  # place in the text of the first character that is written anew
    next_seeds: tuple[tuple, ...] = ()  # what will be asked for, one by one, as long as nothing better is written
    rest: int | None = None  # place of the word from which on `before` may stay as it is; None: no word


# Takes lines that have ended with the numbers of their texts, and as they were written; returns what to write again.
Judge = Callable[[list[tuple[int, Line, WrittenLine]]], list[Again]]


class LineWriter:
    """Texts that one network writes together, each perhaps several times.

    Args:
        rewinds: whether lines will be gone on from their words. The others: as those of `sample_batch`, checked, with a
            hand for each text.
    """

    def __init__(
        self,
        texts,
        model,
        biases,
        hands,
        *,
        tsteps=None,
        style=None,
        initial_states=None,
        eos_threshold=None,
        rewinds=False,
    ):
        self.texts, self.biases, self.hands = list(texts), np.asarray(biases, np.float32), hands
        self.model, self.network = model, network_of(model)
        self.tsteps, self.eos_threshold, self.rewinds = tsteps, eos_threshold, rewinds
        self.given = None if initial_states is None else _given_states(initial_states, model, self.network)
        self.prime_strokes, self.prime_text = np.array([[0, 0, model.config.first_pen]], np.float32), ""
        if style is not None:
            self.prime_strokes, self.prime_text = checked_style(style, model.config.alphabet)
        self._biases: dict[int, LstmBiases] = {}  # of each hand, by its id
        self.places = len(self.prime_text) + max(map(len, self.texts)) + PLACES_AFTER

    def write(self, seeds: Sequence[tuple], judge: Judge) -> None:
        """Writes every text once, and again where `judge` asks for it.

        Args:
            seeds: of each text.
            judge: called as lines come to their end, in a thread of its own while others are written.

        What was judged counts after a number of calls, as many as lines were judged, and not when it is known: so the
        batches do not depend on the clock.
        """
        # The longest first: at the end, when no line is left to begin, short ones fill the batch.
        longest_first = sorted(range(len(self.texts)), key=lambda i: -len(self.texts[i]))
        with one_thread():
            self._start = self._common_start()
            queue = _Queue(self, [Again(i, seeds[i]) for i in longest_first])
            with ThreadPoolExecutor(1) as beside:
                verdicts, due = None, 0
                for call, (ended, busy) in enumerate(write_lines(PointWriter(self.network, self.model), queue)):
                    queue.take(ended)
                    if verdicts is not None and (call >= due or not busy):
                        queue.judged(verdicts.result())
                        verdicts = None
                    if verdicts is None and (written := queue.to_judge()):
                        lines = [(line.key[0], self._as_line(line), line) for line in written]
                        verdicts, due = beside.submit(judge, lines), call + len(lines)

    def limit(self, i):
        """Most points of a text."""
        return self.tsteps or most_points(self.texts[i])

    def line_to_write(self, key, again, network):
        """A text as a row of the sampler takes it; `network` is the `NetworkState` that it begins with, without B."""
        i, seed, _ = key
        start = RowState(network, self.prime_strokes[-1], *(np.zeros([], kind) for kind in (int, "f4", "f4", bool)))
        noise, words, until = self._noise(i, seed), self._words(i), self._until(again)
        return LineToWrite(key, self.line_text(i), start, noise, words, again.before, until)

    def line_to_go_on(self, key, again, start):
        """The same for a line that shares the points before a word, `start`, with one that was written."""
        i, seed, _ = key
        noise = np.concatenate([np.zeros([start.points, 4], np.float32), self._noise(i, seed)])[: self.limit(i)]
        text = self.line_text(i)
        words, until = self._words(i), self._until(again)
        return LineToWrite(key, text, start.row(self.network, text), noise, words, again.before, until)

    def _until(self, again):
        """Place of the word from which on a line that is gone on from can stay as it is; None where it cannot."""
        if again.rest is None:
            return None
        place = len(self.prime_text) + again.rest
        return place if can_follow(again.before, place) else None

    def _noise(self, i, seed):
        noise = line_noise(seed, self.limit(i))
        if self.eos_threshold is not None:
            noise[:, 3] = self.eos_threshold  # the number that the probability of a pen lift has to exceed
        return noise

    def _words(self, i):
        """Places of the first characters of all words of a text but the first."""
        return tuple(len(self.prime_text) + k for k in word_places(self.texts[i])[1:]) if self.rewinds else ()

    def line_text(self, i):
        """The `LineText` of a text, without B."""
        hand = self.hands[i]
        if id(hand) not in self._biases:
            self._biases[id(hand)] = hand_biases(hand, self.network, self.model)
        text, biases = self.prime_text + self.texts[i], self._biases[id(hand)]
        return row_text(text, self.places, hand, self.model.config, biases, self.biases[i], self.limit(i))

    # ---- priming

    def _common_start(self):
        """How many points of the style are the same work for all texts, and the state of the network after them, B = 1.

        The texts begin after that of the style, and have no weight until the attention comes near.
        """
        network = self.network.begin(1)
        if len(set(map(id, self.hands))) > 1:
            return 0, network
        text = stack_rows([self.line_text(0)])
        for used, point in enumerate(self.prime_strokes[:-1]):
            before = take_rows(network, slice(None))
            _, phi = _read(self.network, network, point, text)
            if phi[:, len(self.prime_text) :].max() > NO_WEIGHT:
                return used, before
        return len(self.prime_strokes) - 1, network

    def states_of(self, which):
        """The `NetworkState` that some of the texts begin with, each without B: after all points of the style but the
        last, the first input."""
        if self.given is not None:
            return [take_rows(self.given, i) for i in which]
        used, start = self._start
        states = stack_rows([take_rows(start, 0)] * len(which))
        if used < len(self.prime_strokes) - 1:
            text = stack_rows([self.line_text(i) for i in which])
            for point in self.prime_strokes[used:-1]:
                _read(self.network, states, point, text)
        return [take_rows(states, row) for row in range(len(which))]

    def _as_line(self, written):
        """The `Line` of what a row has written, without what it still wrote of the style."""
        text, first = self.texts[written.key[0]], len(self.prime_text)
        start = own_start(written.points, written.phis, first) if first else 0
        strokes, phis, kappas = (part[start:].copy() for part in (written.points, written.phis, written.kappas))
        strokes[0, :2] = 0.0  # the line starts at the origin, wherever the style ended
        strokes[:, :2] = np.cumsum(strokes[:, :2], axis=0)
        return Line(text, strokes, phis[:, first : first + len(text)].copy(), kappas - first, written.finished)


class _Queue:
    """The lines that are to be written, each made ready when a row takes it, and those that wait to be judged.

    Rows that would be idle write ahead: tries that will be asked for if the one that is asked for does no better. Of a
    few rows a step takes hardly longer than of one, and tries take their time side by side instead of one after the
    other. What is kept is the same: tries are judged one by one, in their order.

    The key of a line is (number of its text, seed, identity of what it goes on from: a state, or a line whose rest it
    takes over).

    Args:
        writer: the LineWriter. first: what to write, an `Again` of each text.
    """

    def __init__(self, writer, first):
        self.writer = writer
        self.asked: dict[int, Again] = {}  # by the number of the text, until it has been judged
        self.waiting: deque[Again] = deque()  # those of them that no row has taken
        self.under_way: set[tuple] = set()  # lines that rows write
        self.ahead: dict[tuple, WrittenLine] = {}  # lines that are written but not asked for
        self.ready: list[Any] = []  # `WrittenLine`s to be judged
        self.judging: list[int] = []  # numbers of the texts that are being judged
        self.states: dict[int, NetworkState] = {}  # what a text begins with; one that is written again, with the same
        self._ask(first)

    @property
    def is_done(self):
        return not self.asked

    def __len__(self):
        if self.waiting or len(self.under_way) >= ROWS_AHEAD:
            return len(self.waiting)
        return min(ROWS_AHEAD - len(self.under_way), len(self._may_follow()))

    def popleft(self):
        again = self.waiting.popleft() if self.waiting else self._may_follow()[0]
        i, key, start = again.number, self._key(again), self._start(again)
        self.under_way.add(key)
        if start is not None:
            return self.writer.line_to_go_on(key, again, start)
        if i not in self.states:
            new = list(dict.fromkeys([i, *(one.number for one in self.waiting if one.number not in self.states)]))
            new = new[:LINES_PRIMED_TOGETHER]
            self.states |= zip(new, self.writer.states_of(new), strict=True)
        return self.writer.line_to_write(key, again, self.states[i])

    def wants(self, key):
        """Whether a line is asked for, or may be."""
        again = self.asked.get(key[0])
        return again is not None and any(key == self._key(one) for one in (again, *_next(again)))

    def take(self, ended):
        """Lines that have been written."""
        for line in ended:
            if line.key not in self.under_way:  # nobody has wanted it since it ended
                continue
            self.under_way.remove(line.key)
            if line.key == self._key(self.asked[line.key[0]]):
                self.ready.append(line)
            else:
                self.ahead[line.key] = line

    def to_judge(self):
        """Lines to judge now; [] if there will be more soon."""
        busy = len(self.asked) - len(self.ready) - len(self.judging)
        if len(self.ready) < JUDGED_TOGETHER and (self.waiting or len(self.ready) < busy * IDLE_ROWS):
            return []
        ready, self.ready = self.ready, []
        self.judging = [line.key[0] for line in ready]
        return ready

    def judged(self, again):
        """Takes what is to be written again of the texts that were to be judged."""
        numbers, self.judging = self.judging, []
        for i in numbers:
            del self.asked[i]
        self._ask(again)
        for i in set(numbers) - self.asked.keys():
            self.states.pop(i, None)

    def _ask(self, again):
        self.asked |= {one.number: one for one in again}
        self.under_way = set(filter(self.wants, self.under_way))
        self.ahead = {key: line for key, line in self.ahead.items() if self.wants(key)}
        for one in again:
            key = self._key(one)
            if key in self.ahead:
                self.ready.append(self.ahead.pop(key))
            elif key not in self.under_way:
                self.waiting.append(one)

    def _may_follow(self):
        """What no row has begun of what may be asked for, the likeliest first."""
        rounds = itertools.zip_longest(*(list(_next(one)) for one in self.asked.values()))
        return [
            one
            for one in itertools.chain(*rounds)
            if one and self._key(one) not in self.under_way and self._key(one) not in self.ahead
        ]

    def _key(self, again):
        return again.number, again.seed, id(self._start(again) if again.rest is None else again.before)

    def _start(self, again):
        """The `WordStart` that a line goes on from; None where there is none."""
        return again.before and again.before.marks.get(len(self.writer.prime_text) + again.word)


def _next(again):
    return (again._replace(seed=seed) for seed in again.next_seeds)


def _read(network, states, point, text):
    """Lets all rows read the same point; returns what `PointNetwork.step` does."""
    points = np.broadcast_to(point, [len(text.mask), POINT_SIZE])
    return network.step(states, points, text.char_seq, text.mask, text.biases)


def hand_biases(hand: Hand | None, network: PointNetwork, model: Any) -> LstmBiases:
    """The biases of the LSTMs of a HandwritingModel, with what a hand adds to them, without B."""
    vectors, _ = hand_arrays([hand], [""], model.config.hand_size, 0)
    if hand and hand.encoder and model.hand_encoder and hand.encoder != model.hand_encoder.digest():
        raise HandError(
            f"the hand {hand.name!r} was read by another network: learn it again with this one, or write with "
            "--any_hand (scripts/make_hands.py makes hands to choose from for it)."
        )
    return take_rows(network.biases(model.lstm_biases(vectors)), 0)


def row_text(
    text, places: int, hand: Hand | None, config: Any, biases: LstmBiases, bias: float, limit: int
) -> LineText:
    """The `LineText` of one row, without B.

    Args:
        text: that of the style in front. places: U of the batch. hand: to write in. config: the ModelConfig. biases:
            from `hand_biases`. bias: of the line. limit: most points.
    """
    at = np.arange(places)
    _, glyphs = hand_arrays([hand], [text], config.hand_size, places)
    return LineText(
        char_seq=np.concatenate([to_one_hot(text, places, config.alphabet), glyphs[0]], axis=1),
        mask=(at < len(text) + PLACES_AFTER).astype(np.float32),
        past_end=(at - len(text) + 1).astype(np.float32),
        biases=biases,
        bias=paper_bias([bias]),
        passed_at=np.float32(np.inf if text[-1] in LATE_DOT else MAYBE_PASSED),
        limit=np.int64(limit),
    )


def most_points(text: str) -> int:
    """Points that a line may have, where nothing else is said."""
    return LIMIT_POINTS_PER_CHARACTER * len(text) + LIMIT_EXTRA_POINTS


def word_places(text: str) -> list[int]:
    """Where the words of a text begin."""
    return [k for k in range(len(text)) if text[k] != " " and (not k or text[k - 1] == " ")]


def _given_states(initial_states, model, network):
    """`initial_states` of `sample_batch` as a `NetworkState`."""
    given = initial_states if isinstance(initial_states, dict) else {"states": initial_states}
    pairs = [tuple(map(np.asarray, pair)) for pair in given["states"]]
    if [len(pair) for pair in pairs] != [2, 2, 2]:
        raise ValueError("initial_states has to hold the states of the three LSTMs, a pair (h, c) of each.")
    rows = len(pairs[0][0])
    kappa = np.asarray(given["kappa"])[:, :, 0] if "kappa" in given else np.zeros([rows, model.kmixtures])
    return network.given(pairs, kappa, np.asarray(given.get("window", 0.0)))


def line_noise(seed, tsteps):
    """[tsteps, 4] two normals, two uniforms; the first rows do not depend on how many there are."""
    normal, uniform = (np.random.default_rng([*seed, stream]) for stream in (0, 1))
    parts = [g([tsteps, 2], dtype=np.float32) for g in (normal.standard_normal, uniform.random)]
    return np.concatenate(parts, axis=1)


def checked_style(style, alphabet):
    """A style as float32 strokes, and its text with a space after it."""
    strokes, text = style
    with np.errstate(over="ignore"):
        strokes = np.asarray(strokes, np.float32)
    text = fit_to_alphabet(text.strip(), alphabet)[0]
    if strokes.ndim != 2 or strokes.shape[1] != POINT_SIZE or not len(strokes) or not text:
        raise ValueError(
            f"a style is (strokes [n, 3], text), but this one has {strokes.shape} strokes and {shortened(repr(text))}."
        )
    if not (np.abs(strokes) <= LARGEST_OFFSET).all() or not np.isin(strokes[:, 2], (0, 1)).all():
        raise ValueError(
            f"a style has to have finite offsets of {LARGEST_OFFSET:,} at most and pen lifts of 0 or 1, but this one "
            f"has numbers from {strokes.min():g} to {strokes.max():g}."
        )
    return strokes, text + " "


def own_start(points, phis, first):
    """Where a primed line begins: after the strokes that still belong to the style's text, its first characters."""
    reached = np.flatnonzero(np.argmax(phis, axis=1) >= first)
    if not len(reached):
        return 0
    lifts = np.flatnonzero(points[: reached[0], 5] > 0.5)
    return int(lifts[-1]) + 1 if len(lifts) else 0
