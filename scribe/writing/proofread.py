"""Attempts: writes lines, judges each by its attention and by a recogniser, and writes those that failed again.

    from scribe.writing.proofread import sample_checked
    from scribe.writing.recogniser import load_recogniser
    lines, failures, attempts = sample_checked(["Dear Jon,"], model, seed=7, recogniser=load_recogniser())

A failure is a fault of the line that its attention shows, such as a skipped character; a line whose letters may not be
read as they should be has slips. See scribe/writing/failures.py and scribe/writing/slips.py.
"""

import bisect
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import ArrayLike

from scribe.hands.hand import Hand
from scribe.ink.composed import compose_text
from scribe.writing.failures import Failure, find_failures
from scribe.writing.line_writer import Again, Line, Style, word_places
from scribe.writing.lines import DEFAULT_BIAS, checked_texts, composed, hand_of_each, line_seeds, write_texts
from scribe.writing.slips import find_slips

if TYPE_CHECKING:  # it needs TensorFlow, whose import takes seconds
    from scribe.writing.recogniser import Recogniser

DEFAULT_ATTEMPTS = 5
LINE_BUDGET = 2  # a line gets so many times the attempts of one word in all
NOT_WRITTEN = math.inf, math.inf  # worse than the faults of any line


class Checked(NamedTuple):
    """What `sample_checked` returns: three lists with an entry for each text."""

    lines: list[Line]  # the best attempt
    failures: list[list[Failure]]  # what is wrong with it; empty for most lines
    attempts: list[int]  # how many there were


def sample_checked(
    texts: Sequence[str],
    model,
    *,
    bias: ArrayLike = DEFAULT_BIAS,
    seed: Any = 0,
    attempts: int = DEFAULT_ATTEMPTS,
    tsteps: int | None = None,
    style: Style | None = None,
    hand: Hand | Sequence[Hand | None] | None = None,
    eos_threshold: float | None = None,
    recogniser: "Recogniser | None" = None,
    progress: Callable[[int], object] | None = None,
) -> Checked:
    """Writes many lines; those with slips are written again with other random numbers from their first faulty word on.

    What comes before it stays, and so does what follows the last faulty one, if the pen comes to that as it did before.

    Args:
        texts, model, bias, tsteps, style, hand, eos_threshold: as in `lines.sample_batch`.
        seed: as there; try k > 0 (from 0) of a word draws from the numbers of the line, of the word and k.
        attempts: most tries of each word, the first included; a line gets LINE_BUDGET times as many.
        recogniser: finds what is hard to read, see `slips.find_slips`. None: only the attention decides what failed.
        progress: called with the number of texts that are done, each time that some are.

    Returns:
        the best attempt of each line: the one with the fewest failures of the attention, among those with equally many
        the one with the least weight of slips.
    """
    if attempts < 1:
        raise ValueError(f"attempts is {attempts}: it has to be 1 or more.")
    how: dict[str, Any] = {"tsteps": tsteps, "style": style, "eos_threshold": eos_threshold}
    texts, biases = checked_texts(texts, model, bias, initial_states=None, **how)
    seeds, hands = line_seeds(seed, len(texts)), hand_of_each(hand, len(texts))
    compositions = [compose_text(text, model.config.alphabet) for text in texts]
    if not all(composition.is_plain for composition in compositions):
        how |= {"attempts": attempts, "recogniser": recogniser, "progress": progress}
        return _sample_composed(compositions, model, biases, seeds, hands, **how)
    written = [Attempts(text, seed, attempts) for text, seed in zip(texts, seeds, strict=True)]

    def judge(lines):
        """Keeps the lines that are the best so far; what to write again."""
        verdicts = judge_lines([line for _, line, _ in lines], recogniser)
        again = []
        for (i, line, as_written), verdict in zip(lines, verdicts, strict=True):
            written[i].take(line, as_written, verdict)
            again += written[i].go_on(i)
        if progress is not None:
            progress(len(lines) - len(again))
        return again

    write_texts(texts, model, biases, hands, seeds, judge, rewinds=attempts > 1, **how)
    return Checked([one.line for one in written], [one.failures for one in written], [one.count for one in written])


class Verdict(NamedTuple):
    """What is wrong with a line."""

    failures: list[Failure]  # what a reader is warned of
    fault: tuple[int, float]  # how bad it is: number of failures of the attention, weight of the slips
    words: dict[int, float]  # how bad each faulty word is, by its number
    warned: frozenset[int]  # the numbers of the words with failures


class Attempts:
    """The best line of a text so far, the line that is gone on from, and which words have been tried how often.

    Args:
        text, seed: of the line. most: tries of each word, the first included; a line gets LINE_BUDGET times as many.
        only_warned: whether a word is written again only where a reader would be warned of it.

    Attributes:
        line, failures: the best one. kept: which attempt that was, from 0. count: attempts so far.
        tried: the number of the word that is being tried.
    """

    def __init__(self, text: str, seed: tuple, most: int, only_warned: bool = False):
        self.seed, self.words, self.most, self.only_warned = seed, word_places(text), most, only_warned
        self.line: Any = None
        self.failures: list[Failure] = []
        self.kept = self.count = 0
        self._fault: tuple[float, float] = NOT_WRITTEN
        self._as_written: Any = None  # the line that is gone on from, and what is wrong with its words
        self._faulty: dict[int, float] = {}
        self._warned: frozenset[int] = frozenset()
        self.tried = 0
        self._tries: Counter[int] = Counter()  # of each word, by its number; the first not counted

    def take(self, line: Any, as_written: Any, verdict: Verdict) -> None:
        """Keeps a line if it is better than the best so far; goes on from it if the word that was tried came out
        better, or as well and those after it better, one after the other."""
        if verdict.fault < self._fault:
            self.line, self.failures, self._fault, self.kept = line, verdict.failures, verdict.fault, self.count
        self.count += 1
        after = range(self.tried, len(self.words))
        if self.count == 1 or [verdict.words.get(w, 0.0) for w in after] < [self._faulty.get(w, 0.0) for w in after]:
            self._as_written, self._faulty, self._warned = as_written, verdict.words, verdict.warned

    def go_on(self, number: int = 0) -> list[Again]:
        """[] if the line is good enough, or nothing is left to try; else what to write again, one `Again`: from the
        first faulty word that has been tried less than `most` times to the last faulty one.

        Args:
            number: of the text.
        """
        good = not self.failures if self.only_warned else self._fault == (0, 0.0)
        if not good and self.count < LINE_BUDGET * self.most:
            bad = sorted(self._warned if self.only_warned else self._faulty)
            for word in bad:
                if self._tries[word] < self.most - 1:
                    self._tries[word] += 1
                    self.tried = word
                    seed, *further = [(*self.seed, word, k) for k in range(self._tries[word], self.most)]
                    rest = next(iter(self.words[bad[-1] + 1 :]), None)
                    return [Again(number, seed, self._as_written, self.words[word], tuple(further), rest)]
        self._as_written = None  # it takes much memory
        return []


def _sample_composed(compositions, model, biases, seeds, hands, **options):
    """`sample_checked` of texts with composed characters: what is judged is what the network wrote."""
    own = [i for i, composition in enumerate(compositions) if composition.base]
    written = sample_checked(
        [compositions[i].base for i in own], model, bias=biases[own], seed=[seeds[i] for i in own],
        hand=[hands[i] for i in own], **options,
    )  # fmt: skip
    by_text = dict(zip(own, zip(*written, strict=True), strict=True))
    checked = Checked([], [], [])
    for i, composition in enumerate(compositions):
        line, failures, attempts = by_text.get(i, (None, [], 1))
        places = composition.places
        checked.lines.append(composed(composition, line, seeds[i], model))
        checked.failures.append([failure.placed(places) for failure in failures])
        checked.attempts.append(attempts)
    return checked


def judge_lines(lines: Sequence[Line], recogniser: "Recogniser | None") -> list[Verdict]:
    """What is wrong with each of the lines; without a recogniser what the attention shows alone."""
    slips_of_all = find_slips(lines, recogniser) if recogniser is not None else [[]] * len(lines)
    verdicts = []
    for line, slips in zip(lines, slips_of_all, strict=True):
        failures, words = find_failures(line), word_places(line.text)
        faults = [(f.start, 1.0, True) for f in failures]
        faults += [(slip.failure.start, slip.weight, slip.warned) for slip in slips]
        faulty: Counter[int] = Counter()
        warned = set()
        for start, weight, tells in faults:
            word = max(0, bisect.bisect_right(words, start) - 1)
            faulty[word] += weight  # type: ignore[assignment]
            if tells:
                warned.add(word)
        told = failures + [slip.failure for slip in slips if slip.warned]
        fault = len(failures), sum(slip.weight for slip in slips)
        verdicts.append(Verdict(told, fault, dict(faulty), frozenset(warned)))
    return verdicts
