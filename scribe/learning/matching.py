"""Corrects what the network is told of a hand by what it then writes.

    read = read_hand(lines, model)
    hand = matched(read, read, lines, model)

What the network writes in a hand is not quite that hand: it lies nearer to the average of all people, and a bias, the
more of it there is, makes all hands straighter and their letters lean to the right. The encoder sees that as well as
it sees the hand. So the network writes what the person wrote, the encoder reads both, and the description moves by the
difference, until what is read of the written lines is what was read of the person's.

One thing the encoder hardly sees: what is written then still leans to the right, by 0.03 units for each unit upwards
on the average. So the network is shown the person's lines leaning as much to the left.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from scribe.hands.hand import Hand, mix_hands
from scribe.hands.likeness import slants_of
from scribe.ink.strokes import absolute_points, as_offsets, transformed
from scribe.learning.reading import read_hand
from scribe.writing.failures import find_failures
from scribe.writing.line_writer import Style
from scribe.writing.lines import MAX_LINE_CHARACTERS, sample_batch

BIAS = 0.6  # of what is written to compare: about the middle of those with which writing looks like a person's
ROUNDS = 2  # a third brings little more, costs legibility, and a second or two
LINES_COMPARED = 8  # are written in each round; of fewer, more than their hand is chance


def matched(hand: Hand, aim: Hand, lines: Sequence[Style], model, rounds: int = ROUNDS) -> Hand:
    """The hand with the descriptions that make the network write as a person writes.

    Args:
        hand: what the network is told so far. aim: what was read of the person's lines.
        lines: these lines. Of their texts that the network can write as they are, the first LINES_COMPARED are written,
            a few of them several times.
        model: a HandwritingModel with a hand_size. rounds: of writing, comparing and correcting.

    Returns:
        the hand with other descriptions, and its line leaning otherwise. Lines that the network fails to write are not
        compared; where it fails with all of them, the hand stays as it is.
    """
    before, nearest, known, lean = hand, np.inf, set(model.config.alphabet), _lean(lines)
    texts = [text for _, text in lines if text.strip() and known.issuperset(text) and len(text) <= MAX_LINE_CHARACTERS]
    texts = (texts * LINES_COMPARED)[:LINES_COMPARED]
    for k in range(rounds if texts else 0):
        written = sample_batch(texts, model, bias=BIAS, seed=k, hand=[hand] * len(texts))
        whole = [(as_offsets(line.strokes), line.text) for line in written if not find_failures(line)]
        if not whole:
            break
        seen = read_hand(whole, model)
        away = float(np.linalg.norm(aim.vector - seen.vector))
        if away > nearest:  # the last step led astray
            return before
        before, nearest = hand, away
        if k:  # most of what leans too far has been corrected with the rest; this is what is left
            too_far = _lean(whole) - lean
            lines = [_leaning(line, -too_far) for line in lines]
            hand = dataclasses.replace(hand, line=hand.line and _leaning(hand.line, -too_far))
            aim = read_hand(lines, model)
        # A character that was not written, or is not the person's, has nothing to be compared with.
        both = aim.glyphs.keys() & seen.glyphs.keys()
        wanted, there = (dataclasses.replace(one, glyphs={c: one.glyphs[c] for c in both}) for one in (aim, seen))
        corrected = mix_hands([(hand, 1.0), (wanted, 1.0), (there, -1.0)])
        hand = dataclasses.replace(hand, vector=corrected.vector, glyphs=corrected.glyphs)
    return hand


def _lean(lines):
    """Units to the right for each unit upwards: the median of all steep ink of some lines."""
    return float(np.median(np.concatenate([slants_of(absolute_points(strokes)) for strokes, _ in lines])))


def _leaning(line, more):
    """A line that leans further to the right, by `more` units for each unit upwards."""
    strokes, text = line
    return transformed(strokes, slant=more).astype(np.float32), text
