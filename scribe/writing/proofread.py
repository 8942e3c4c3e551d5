"""Attempts: writes lines, judges each by its attention and by a recogniser, and writes those that failed again.

    from scribe.writing.proofread import sample_checked
    from scribe.writing.recogniser import load_recogniser
    lines, failures, attempts = sample_checked(["Dear Jon,"], model, seed=7, recogniser=load_recogniser())

A failure is a fault of the line that its attention shows, such as a skipped character; a line whose characters are not
read as they should be is misread. See scribe/writing/failures.py and scribe/writing/recogniser.py.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from scribe.hands.hand import Hand
from scribe.ink.composed import compose_text
from scribe.writing.failures import Failure, find_failures
from scribe.writing.line_writer import Line, Style
from scribe.writing.lines import DEFAULT_BIAS, checked_texts, composed, hand_of_each, line_seeds, write_texts
from scribe.writing.misread import count_errors, find_misread, tolerated_errors, wanted_errors
from scribe.writing.recogniser import Recogniser

DEFAULT_ATTEMPTS = 5
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
) -> Checked:
    """Writes many lines, and those that failed again with other random numbers.

    Args:
        texts, model, bias, tsteps, style, hand, eos_threshold: as in `lines.sample_batch`.
        seed: as there; attempt k > 0 (from 0) draws from the numbers of the line and k.
        attempts: per line, the first included.
        recogniser: reads texts whose characters it knows: a line of which it misreads more than
            `misread.wanted_errors` is written again, and one with more than `misread.tolerated_errors` has
            failed. None: only the attention decides what failed.

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
        return _sample_composed(
            compositions, model, biases, seeds, hands, attempts=attempts, recogniser=recogniser, **how
        )
    best = Checked([None] * len(texts), [[] for _ in texts], [0] * len(texts))  # type: ignore[list-item]
    faults = [NOT_WRITTEN] * len(texts)

    def judge(written):
        """Keeps the lines that are the best so far; which texts to write again, with which seeds."""
        numbers, lines = zip(*written, strict=True)
        again = []
        judged = zip(numbers, lines, *_judge(lines, biases[list(numbers)], recogniser), strict=True)
        for i, line, failures, fault in judged:
            if fault < faults[i]:
                best.lines[i], best.failures[i], faults[i] = line, failures, fault
            best.attempts[i] += 1
            misread = faults[i][1] > wanted_errors(texts[i], biases[i])
            if (best.failures[i] or misread) and best.attempts[i] < attempts:
                again.append((i, (*seeds[i], best.attempts[i])))
        return again

    write_texts(texts, model, biases, hands, seeds, judge, **how)
    return best


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
    """The failures of each line, and how bad it is: (number of failures of the attention, misread characters)."""
    failures = [find_failures(line) for line in lines]
    faults = [(len(found), 0) for found in failures]
    if recogniser is not None:
        for i, (line, read) in enumerate(zip(lines, recogniser.read([line.strokes for line in lines]), strict=True)):
            if recogniser.knows(line.text):
                faults[i] = len(failures[i]), count_errors(line.text, read)
                if faults[i][1] > tolerated_errors(line.text, biases[i]):
                    failures[i] += find_misread(line.text, read)
    return failures, faults
