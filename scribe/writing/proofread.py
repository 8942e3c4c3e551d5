"""Attempts: writes lines, judges each by its attention and by a recogniser, and writes those that failed again.

    from scribe.writing.proofread import sample_checked
    from scribe.writing.recogniser import load_recogniser
    lines, failures, attempts = sample_checked(["Dear Jon,"], model, seed=7, recogniser=load_recogniser())

A failure is a fault of the line that its attention shows, such as a skipped character; a line whose characters are not
read as they should be is misread. See scribe/writing/failures.py and scribe/writing/recogniser.py.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scribe.hands.hand import Hand
from scribe.ink.composed import compose_text
from scribe.ink.writable import fit_text
from scribe.writing.failures import Failure, find_failures
from scribe.writing.lines import DEFAULT_BIAS, Line, Style, composed, hand_of_each, line_seeds, sample_batch
from scribe.writing.misread import count_errors, find_misread, tolerated_errors, wanted_errors
from scribe.writing.recogniser import Recogniser

DEFAULT_ATTEMPTS = 5


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
    biases = np.broadcast_to(np.asarray(bias, float), [len(texts)])
    seeds = line_seeds(seed, len(texts))
    hands = hand_of_each(hand, len(texts))
    how: dict[str, Any] = {"tsteps": tsteps, "style": style, "eos_threshold": eos_threshold}
    compositions = [compose_text(fit_text(text, model.config.alphabet).text, model.config.alphabet) for text in texts]
    if not all(composition.is_plain for composition in compositions):
        return _sample_composed(
            compositions, model, biases, seeds, hands, attempts=attempts, recogniser=recogniser, **how
        )
    lines = sample_batch(texts, model, bias=biases, seed=seeds, hand=hands, **how)
    failures, faults = _judge(lines, biases, recogniser)
    written = [1] * len(lines)
    for k in range(1, attempts):
        again = [i for i, found in enumerate(failures) if found or faults[i][1] > wanted_errors(texts[i], biases[i])]
        if not again:
            break
        others = sample_batch(
            [texts[i] for i in again], model, bias=biases[again], seed=[(*seeds[i], k) for i in again],
            hand=[hands[i] for i in again], **how,
        )  # fmt: skip
        for i, line, found, fault in zip(again, others, *_judge(others, biases[again], recogniser), strict=True):
            written[i] += 1
            if fault < faults[i]:
                lines[i], failures[i], faults[i] = line, found, fault
    return Checked(lines, failures, written)


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
