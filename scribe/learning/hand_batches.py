"""Batches for a network that learns to write in hands: each line with what the encoder reads of its form's other lines.

The encoder does not change while the network learns, so all lines are read once, under some changes of width, height
and slant; what some lines of a form say together is the sum of what each says.

Letters: B lines of a batch, U characters, A alphabet + 1, D numbers of a description.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.hands.hand import Hand
from scribe.ink.strokes import transformed
from scribe.learning.forms import form_of, lines_of_forms
from scribe.learning.reading import add_sums, align, hand_of_sums, read_lines
from scribe.network.hand_encoder import DEVIATION, InkSums

CHANGES = 6  # under which every line is read; the first leaves it as it is
SPREAD = 0.13  # of the logarithms of width and height, and of the slant
JITTER = 0.03  # the same of a line itself, which its hand does not tell
UNCHANGED = 0.3  # share of the lines that are left as they are, but for the jitter
# Shares of the lines that are written without a hand, without its vector, and without its glyphs; share of the
# characters that are left out; and noise on what is told, in deviations over people.
NO_HAND, NO_VECTOR, NO_GLYPHS, NO_CHARACTER, NOISE = 0.12, 0.05, 0.05, 0.1, 0.2


class _Read(NamedTuple):
    """`InkSums` of a line in half the memory: most characters are not in it."""

    total: NDArray
    square: NDArray
    count: NDArray
    characters: NDArray  # [k], those that are
    glyph_total: NDArray  # float16 [k, D]
    glyph_count: NDArray  # [k]


class HandBatches:
    """What is told of hands, for the lines of a data set.

    Args:
        strokes: list of [n, 3] offsets in units of data_scale. texts, names: of the lines; those of one form are by one
            hand, and a line with the name of another was made of it, so that neither tells about the other.
        model: a HandwritingModel with a trained hand_encoder. changes: how often every line is read.
    """

    def __init__(self, strokes: Sequence[NDArray], texts: Sequence[str], names: Sequence[str], model, changes=CHANGES):
        self.strokes, self.names, self.model = strokes, names, model
        rng = np.random.default_rng(0)
        self.changes = [(1.0, 1.0, 0.0)]
        for width, height, slant in rng.normal(0.0, SPREAD, [changes - 1, 3]):
            self.changes.append((math.exp(width), math.exp(height), slant))
        self.forms = lines_of_forms(names)
        named = [i for lines in self.forms.values() for i in lines]
        characters = align([strokes[i] for i in named], [texts[i] for i in named], model)
        self._read: list[dict[int, _Read]] = []
        for change in self.changes:
            changed = [transformed(strokes[i], *change).astype(np.float32) for i in named]
            self._read.append(dict(zip(named, map(_packed, read_lines(changed, characters, model)), strict=True)))

    def others(self, line: int) -> list[int]:
        """The lines of the form of a line that say something about its hand."""
        name = self.names[line]
        return [i for i in self.forms.get(form_of(name), []) if self.names[i] != name] if name else []

    def hand(self, lines: Sequence[int], change: int = 0) -> Hand:
        """What some lines of a form tell of its hand, under one of the changes."""
        A, D = self.model.char_vec_len, self.model.hand_size
        return hand_of_sums(add_sums([_unpacked(self._read[change][i], A, D) for i in lines]), self.model)

    def training_line(self, line: int, rng: np.random.Generator) -> tuple[NDArray, Hand | None]:
        """A line to train on, changed, and what is told of its hand."""
        change = 0 if rng.random() < UNCHANGED else int(rng.integers(1, len(self.changes)))
        width, height, slant = self.changes[change]
        more = rng.normal(0.0, JITTER, 3)
        points = transformed(self.strokes[line], width * math.exp(more[0]), height * math.exp(more[1]), slant + more[2])
        others = self.others(line)
        if not others or rng.random() < NO_HAND:
            return points.astype(np.float32), None
        some = rng.permutation(others)[: rng.integers(1, len(others) + 1)].tolist()
        return points.astype(np.float32), _less(self.hand(some, change), rng)


def _less(hand, rng):
    """A hand of which not all is told, and that not exactly."""

    def noisy(values):
        return values + rng.normal(0, NOISE * DEVIATION, values.shape).astype(np.float32)

    part = rng.random()
    glyphs = {c: noisy(g) for c, g in hand.glyphs.items() if rng.random() > NO_CHARACTER}
    if part < NO_GLYPHS:
        return Hand(noisy(hand.vector), {})
    return Hand(noisy(hand.vector) if part < 1 - NO_VECTOR else np.zeros_like(hand.vector), glyphs)


def _packed(sums: InkSums) -> _Read:
    k = np.flatnonzero(sums.glyph_count)
    return _Read(sums.total, sums.square, sums.count, k, sums.glyph_total[k].astype(np.float16), sums.glyph_count[k])


def _unpacked(read: _Read, A: int, D: int) -> InkSums:
    total, count = np.zeros([A, D], np.float32), np.zeros(A, np.float32)
    total[read.characters], count[read.characters] = read.glyph_total, read.glyph_count
    return InkSums(read.total, read.square, read.count, total, count)
