"""Attempts: writes lines, judges each by its attention and by a recogniser, and writes those that failed again.

    from scribe.writing.proofread import sample_checked
    from scribe.writing.recogniser import load_recogniser
    lines, failures, attempts = sample_checked(["Dear Jon,"], model, seed=7, recogniser=load_recogniser())

A failure is a fault of the line that its attention shows, such as a skipped character; a line whose characters are not
read as they should be is misread. See scribe/writing/failures.py and scribe/writing/recogniser.py.
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
from scribe.writing.misread import count_errors, find_misread, tolerated_errors, wanted_errors
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
    recogniser: Recogniser | None = None,
    progress: Callable[[int], object] | None = None,
) -> Checked:
    """Writes many lines; those with slips are gone on from their first faulty word with other random numbers.

    What comes before the word stays. What follows it is written anew, since it depends on it.

    Args:
        texts, model, bias, tsteps, style, hand, eos_threshold: as in `lines.sample_batch`.
        seed: as there; try k > 0 (from 0) of a word draws from the numbers of the line, of the word and k.
        attempts: most tries of each word, the first included; a line gets LINE_BUDGET times as many.
        recogniser: reads texts whose characters it knows: a line of which it misreads more than
            `misread.wanted_errors` is written again, and one with more than `misread.tolerated_errors` has
            failed. None: only the attention decides what failed.
        progress: called with the number of texts that are done, each time that some are; from several threads.

    Returns:
        the best attempt of each line: the one with the fewest failures of the attention, among those with equally many
        the one with the fewest misread characters.
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
    written = [_Attempts(text, bias, seed) for text, bias, seed in zip(texts, biases, seeds, strict=True)]

    def judge(lines):
        """Keeps the lines that are the best so far; what to write again."""
        verdicts = _judge([line for _, line, _ in lines], biases[[i for i, _, _ in lines]], recogniser)
        again = []
        for (i, line, as_written), verdict in zip(lines, verdicts, strict=True):
            written[i].take(line, as_written, verdict)
            again += written[i].go_on(i, attempts)
        if progress is not None:
            progress(len(lines) - len(again))
        return again

    write_texts(texts, model, biases, hands, seeds, judge, rewinds=attempts > 1, **how)
    return Checked([one.line for one in written], [one.failures for one in written], [one.count for one in written])


class _Verdict(NamedTuple):
    """What is wrong with a line."""

    failures: list[Failure]
    fault: tuple[float, float]  # how bad it is: number of failures of the attention, misread characters
    slips: list[int]  # where something is wrong: places in the text


class _Attempts:
    """The best line of a text so far, and which of its words have been written again how often."""

    def __init__(self, text, bias, seed):
        self.wanted, self.seed, self.words = wanted_errors(text, bias), seed, word_places(text)
        self.line: Any = None
        self.as_written: Any = None
        self.failures: list[Failure] = []
        self.fault, self.slips = NOT_WRITTEN, [0]
        self.count = 0  # attempts
        self.tries: Counter[int] = Counter()  # of each word, by its number; the first not counted

    def take(self, line, as_written, verdict):
        """Keeps a line if it is better than the best so far, or as good and right further on."""
        self.count += 1
        if (verdict.fault, -min(verdict.slips, default=0)) < (self.fault, -min(self.slips, default=0)):
            self.line, self.as_written = line, as_written
            self.failures, self.fault, self.slips = verdict

    def go_on(self, number, attempts):
        """[] if the best line is good enough, or nothing is left to try; else what to write again, one `Again`: the
        first word with a slip that has been tried less than `attempts` times, and what follows it."""
        if (self.failures or self.fault[1] > self.wanted) and self.count < LINE_BUDGET * attempts:
            for word in sorted({max(0, bisect.bisect_right(self.words, slip) - 1) for slip in self.slips}):
                if self.tries[word] < attempts - 1:
                    self.tries[word] += 1
                    seed = (*self.seed, word, self.tries[word])
                    return [Again(number, seed, self.as_written, self.words[word])]
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
        checked.failures.append(
            [f._replace(start=int(places[f.start]), end=int(places[f.end - 1]) + 1) for f in failures]
        )
        checked.attempts.append(attempts)
    return checked


def _judge(lines, biases, recogniser):
    """A `_Verdict` on each line."""
    failures = [find_failures(line) for line in lines]
    verdicts = [_Verdict(found, (len(found), 0), [failure.start for failure in found]) for found in failures]
    if recogniser is not None:
        for i, (line, read) in enumerate(zip(lines, recogniser.read([line.strokes for line in lines]), strict=True)):
            if recogniser.knows(line.text):
                errors, misread = count_errors(line.text, read), find_misread(line.text, read)
                slips = verdicts[i].slips + [failure.start for failure in misread]
                tolerated = errors <= tolerated_errors(line.text, biases[i])
                found = failures[i] + ([] if tolerated else misread)
                verdicts[i] = _Verdict(found, (len(failures[i]), errors), slips)
    return verdicts
