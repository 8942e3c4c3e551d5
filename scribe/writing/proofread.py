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
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from scribe.hands.hand import Hand
from scribe.ink.composed import compose_text
from scribe.writing.failures import Failure, find_failures
from scribe.writing.line_writer import Again, Line, Style, word_places
from scribe.writing.lines import DEFAULT_BIAS, checked_texts, composed, hand_of_each, line_seeds, write_texts
from scribe.writing.recogniser import Recogniser
from scribe.writing.slips import find_slips

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
    recogniser: Recogniser | None = None,
    progress: Callable[[int], object] | None = None,
) -> Checked:
    """Writes many lines; those with slips are gone on from their first faulty word with other random numbers.

    What comes before the word stays. What follows it is written anew, since it depends on it.

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
    written = [_Attempts(text, seed) for text, seed in zip(texts, seeds, strict=True)]

    def judge(lines):
        """Keeps the lines that are the best so far; what to write again."""
        verdicts = judge_lines([line for _, line, _ in lines], recogniser)
        again = []
        for (i, line, as_written), verdict in zip(lines, verdicts, strict=True):
            written[i].take(line, as_written, verdict)
            again += written[i].go_on(i, attempts)
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


class _Attempts:
    """The best line of a text so far, the line that is gone on from, and which words have been tried how often."""

    def __init__(self, text, seed):
        self.seed, self.words = seed, word_places(text)
        self.line: Any = None
        self.failures: list[Failure] = []
        self.fault = NOT_WRITTEN
        self.as_written: Any = None  # the line that is gone on from, and its faulty words
        self.faulty: dict[int, float] = {}
        self.tried = 0  # the number of the word that is being tried
        self.count = 0  # attempts
        self.tries: Counter[int] = Counter()  # of each word, by its number; the first not counted

    def take(self, line, as_written, verdict):
        """Keeps a line if it is better than the best so far; goes on from it if the word that was tried came out
        better, or as well and those after it better, one after the other."""
        self.count += 1
        if verdict.fault < self.fault:
            self.line, self.failures, self.fault = line, verdict.failures, verdict.fault
        after = range(self.tried, len(self.words))
        if self.count == 1 or [verdict.words.get(w, 0.0) for w in after] < [self.faulty.get(w, 0.0) for w in after]:
            self.as_written, self.faulty = as_written, verdict.words

    def go_on(self, number, attempts):
        """[] if a line is good enough, or nothing is left to try; else what to write again, one `Again`: the first
        faulty word that has been tried less than `attempts` times, and what follows it."""
        if self.fault > (0, 0.0) and self.count < LINE_BUDGET * attempts:
            for word in sorted(self.faulty):
                if self.tries[word] < attempts - 1:
                    self.tries[word] += 1
                    self.tried = word
                    seed, *further = [(*self.seed, word, k) for k in range(self.tries[word], attempts)]
                    return [Again(number, seed, self.as_written, self.words[word], tuple(further))]
        self.as_written = None  # it takes much memory
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


def judge_lines(lines: Sequence[Line], recogniser: Recogniser | None) -> list[Verdict]:
    """What is wrong with each of the lines; without a recogniser what the attention shows alone."""
    slips_of_all = find_slips(lines, recogniser) if recogniser is not None else [[]] * len(lines)
    verdicts = []
    for line, slips in zip(lines, slips_of_all, strict=True):
        failures, words = find_failures(line), word_places(line.text)
        faulty: Counter[int] = Counter()
        for start, weight in [(f.start, 1.0) for f in failures] + [(s.failure.start, s.weight) for s in slips]:
            faulty[max(0, bisect.bisect_right(words, start) - 1)] += weight  # type: ignore[assignment]
        warned = failures + [slip.failure for slip in slips if slip.warned]
        verdicts.append(Verdict(warned, (len(failures), sum(slip.weight for slip in slips)), dict(faulty)))
    return verdicts
