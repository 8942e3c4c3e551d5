"""Corrects what the network is told of a hand by what it then writes.

    read = read_hand(lines, model)
    hand = matched(read, read, [text for _, text in lines], model)

What the network writes in a hand is not quite that hand: it lies nearer to the average of all people, and a bias, the
more of it there is, makes all hands straighter and their letters lean to the right. The encoder sees that as well as
it sees the hand. So the network writes what the person wrote, the encoder reads both, and the description moves by the
difference, until what is read of the written lines is what was read of the person's.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scribe.hands.hand import Hand, mix_hands
from scribe.learning.reading import read_hand
from scribe.writing.failures import find_failures
from scribe.writing.lines import DEFAULT_BIAS, MAX_LINE_CHARACTERS, Line, sample_batch

ROUNDS = 2  # a third brings little more, costs legibility, and a second or two
LINES_COMPARED = 8  # are written in each round; of fewer, more than their hand is chance


def matched(hand: Hand, aim: Hand, texts: Sequence[str], model, rounds: int = ROUNDS) -> Hand:
    """The hand with the descriptions that make the network write as a person writes.

    Args:
        hand: what the network is told so far. aim: what was read of the person's lines.
        texts: of these lines. Of those that the network can write as they are, the first LINES_COMPARED are written,
            a few of them several times.
        model: a HandwritingModel with a hand_size. rounds: of writing, comparing and correcting.

    Returns:
        the hand with other descriptions. Lines that the network fails to write are not compared; where it fails with
        all of them, the hand stays as it is.
    """
    before, nearest, known = hand, np.inf, set(model.config.alphabet)
    usual = [text for text in texts if text.strip() and known.issuperset(text) and len(text) <= MAX_LINE_CHARACTERS]
    texts = (usual * LINES_COMPARED)[:LINES_COMPARED]
    for k in range(rounds if texts else 0):
        written = sample_batch(texts, model, bias=DEFAULT_BIAS, seed=k, hand=[hand] * len(texts))
        whole = [(_offsets(line), line.text) for line in written if not find_failures(line)]
        if not whole:
            break
        seen = read_hand(whole, model)
        away = float(np.linalg.norm(aim.vector - seen.vector))
        if away > nearest:  # the last step led astray
            return before
        before, nearest = hand, away
        # A character that was not written, or is not the person's, has nothing to be compared with.
        both = aim.glyphs.keys() & seen.glyphs.keys()
        wanted, there = (dataclasses.replace(one, glyphs={c: one.glyphs[c] for c in both}) for one in (aim, seen))
        corrected = mix_hands([(hand, 1.0), (wanted, 1.0), (there, -1.0)])
        hand = dataclasses.replace(hand, vector=corrected.vector, glyphs=corrected.glyphs)
    return hand


def _offsets(line: Line) -> NDArray[np.float32]:
    """[n, 3]: offsets and pen lifts of a line that was written."""
    offsets = np.diff(line.strokes[:, :2], axis=0, prepend=line.strokes[:1, :2])
    return np.column_stack([offsets, line.strokes[:, 5]])
