"""What a network that learns to write in hands is told of them: what the encoder reads of other lines of the same form.

    loader.hands = HandBatches(loader.stroke_data, loader.ascii_data, loader.names, model, spread=0.13)

The encoder does not change while the network learns, so every line is read once, under some changes of width, height
and slant; what some lines of a form say together is the sum of what each says.

Letters: N lines that were read, K changes, G characters of all these lines, C channels and D numbers of the encoder,
A alphabet + 1.
"""

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.files.atomic import written_aside
from scribe.hands.hand import DAMAGED, Hand
from scribe.ink.strokes import transformed
from scribe.learning.forms import form_of, lines_of_forms
from scribe.learning.reading import align, hands_of_sums, read_lines
from scribe.network.hand_encoder import InkSums
from scribe.network.hand_sizes import (
    DEVIATION,
    JITTER,
    NO_CHARACTER,
    NO_GLYPHS,
    NO_HAND,
    NO_VECTOR,
    NOISE,
    TOLD_AT_VALIDATION,
    UNCHANGED,
)

CHANGES = 6  # under which every line is read; the first leaves it as it is
FORMAT = 1


class _Read(NamedTuple):
    """`InkSums` of all lines, without the characters that a line lacks.

    total, square: float32 [K, N, C]. count: float32 [N]. first: int64 [N + 1]; the characters of line n are
    first[n] ... first[n + 1] - 1 of characters, int32 [G], glyph_count, float32 [G], glyph_total, float16 [K, G, D].
    """

    total: NDArray
    square: NDArray
    count: NDArray
    first: NDArray
    characters: NDArray
    glyph_count: NDArray
    glyph_total: NDArray


class HandBatches:
    """What is told of hands, for the lines of a data set.

    Args:
        strokes: list of [n, 3] offsets in units of data_scale. texts, names: of the lines; those of one form are by one
            hand. A line with the name of an earlier one was made of it, with characters of others: it tells nothing.
        model: a HandwritingModel with a trained hand_encoder, which reads the lines. It is not changed.
        changes: how often every line is read. spread: of the logarithms of width and height, and of the slant, in the
            changes; 0: there are none.
        kept_in: path of an .npz file that keeps what was read; where it was read of other lines or by another encoder,
            it is read anew and replaced. None: nothing is kept.
        report: is told when reading begins, which takes minutes, and when the file cannot be written.

    Attributes:
        forms: the lines of each form that tell of its hand, by its name.
    """

    def __init__(
        self,
        strokes: Sequence[NDArray],
        texts: Sequence[str],
        names: Sequence[str],
        model,
        changes: int = CHANGES,
        spread: float = 0.0,
        kept_in: str | None = None,
        report: Callable[[str], None] = lambda text: None,
    ):
        self.strokes, self.names, self.model, self.spread = strokes, names, model, spread
        rng = np.random.default_rng(0)
        self.changes = [(1.0, 1.0, 0.0)]
        for width, height, slant in rng.normal(0.0, spread, [changes - 1 if spread else 0, 3]):
            self.changes.append((math.exp(width), math.exp(height), slant))
        first: dict[str, int] = {}
        for i, name in enumerate(names):
            first.setdefault(name, i)
        self.forms = lines_of_forms([name if first[name] == i else "" for i, name in enumerate(names)])
        telling = sorted(i for lines in self.forms.values() for i in lines)
        self._row = {i: n for n, i in enumerate(telling)}
        key = self._key(telling, texts) if kept_in else ""
        read = _load(kept_in, key) if kept_in else None
        if read is None:
            report(f"Reading the hands of {len(telling)} lines ...")
            read = self._read_all(telling, texts)
            if kept_in:
                _save(kept_in, key, read, report)
        self._read = read

    @property
    def hand_size(self) -> int:
        """D."""
        return self.model.hand_size

    def others(self, name: str) -> list[int]:
        """The lines that tell something about the hand of a line with this name: others of its form."""
        return [i for i in self.forms.get(form_of(name), []) if self.names[i] != name] if name else []

    def hand(self, lines: Sequence[int], change: int = 0) -> Hand:
        """What some lines of a form tell of its hand, under one of the changes."""
        return hands_of_sums([self._sums(lines, change)], self.model)[0]

    def hands_of(self, names: Sequence[str]) -> list[Hand | None]:
        """What is told of the hands of lines to validate with: what TOLD_AT_VALIDATION others of their forms say."""
        groups = [self.others(name)[:TOLD_AT_VALIDATION] for name in names]
        told = iter(hands_of_sums([self._sums(lines, 0) for lines in groups if lines], self.model))
        return [next(told) if lines else None for lines in groups]

    def training_lines(
        self, lines: Sequence[int], rng: np.random.Generator
    ) -> tuple[list[NDArray[np.float32]], list[Hand | None]]:
        """Lines to train on, changed, and what is told of their hands."""
        points, sums = [], []
        for line in lines:
            change = 0 if rng.random() < UNCHANGED else int(rng.integers(len(self.changes)))
            width, height, slant = self.changes[change]
            more = rng.normal(0.0, JITTER * self.spread, 3)
            factors = width * math.exp(more[0]), height * math.exp(more[1]), slant + more[2]
            points.append(transformed(self.strokes[line], *factors).astype(np.float32))
            others = self.others(self.names[line])
            told = rng.permutation(others)[: rng.integers(1, len(others) + 1)].tolist() if others else []
            sums.append(self._sums(told, change) if told and rng.random() >= NO_HAND else None)
        hands = iter(hands_of_sums([s for s in sums if s is not None], self.model))
        return points, [None if s is None else _less(next(hands), rng) for s in sums]

    def _sums(self, lines, change):
        """The `InkSums` of some lines together."""
        read, rows = self._read, [self._row[i] for i in lines]
        glyph_total = np.zeros([self.model.char_vec_len, self.hand_size], np.float32)
        glyph_count = np.zeros(self.model.char_vec_len, np.float32)
        for row in rows:
            own = slice(read.first[row], read.first[row + 1])
            glyph_total[read.characters[own]] += read.glyph_total[change, own]
            glyph_count[read.characters[own]] += read.glyph_count[own]
        total, square = (values[change, rows].sum(axis=0) for values in (read.total, read.square))
        return InkSums(total, square, read.count[rows].sum(keepdims=True), glyph_total, glyph_count)

    def _read_all(self, telling, texts):
        characters = align([self.strokes[i] for i in telling], [texts[i] for i in telling], self.model)
        totals, squares, glyph_totals = [], [], []
        for change in self.changes:
            changed = [transformed(self.strokes[i], *change).astype(np.float32) for i in telling]
            sums = read_lines(changed, characters, self.model)
            there = [np.flatnonzero(s.glyph_count) for s in sums]  # the same under all changes
            totals.append([s.total for s in sums])
            squares.append([s.square for s in sums])
            glyph_totals.append(
                np.concatenate([s.glyph_total[k].astype(np.float16) for s, k in zip(sums, there, strict=True)])
            )
        return _Read(
            np.array(totals, np.float32),
            np.array(squares, np.float32),
            np.array([s.count[0] for s in sums], np.float32),
            np.cumsum([0, *map(len, there)]),
            np.concatenate(there).astype(np.int32),
            np.concatenate([s.glyph_count[k] for s, k in zip(sums, there, strict=True)]).astype(np.float32),
            np.array(glyph_totals),
        )

    def _key(self, telling, texts):
        """Names what is read and by which encoder."""
        digest = hashlib.sha256(repr((FORMAT, self.changes, telling, self.model.config.alphabet)).encode())
        for i in telling:
            digest.update(np.ascontiguousarray(self.strokes[i], np.float32).tobytes() + texts[i].encode())
        for variable in self.model.hand_encoder.variables:
            digest.update(np.asarray(variable).tobytes())
        return digest.hexdigest()


def _less(hand, rng):
    """A hand of which not all is told, and that not exactly."""

    def noisy(values):
        return values + rng.normal(0, NOISE * DEVIATION, values.shape).astype(np.float32)

    part = rng.random()
    glyphs = {c: noisy(g) for c, g in hand.glyphs.items() if rng.random() > NO_CHARACTER}
    if part < NO_GLYPHS:
        return Hand(noisy(hand.vector), {})
    return Hand(noisy(hand.vector) if part < 1 - NO_VECTOR else np.zeros_like(hand.vector), glyphs)


def _load(path, key):
    """What a file keeps, if that is what `key` names; else None."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            return _Read(*(file[name] for name in _Read._fields))
    except DAMAGED:
        return None  # missing or damaged: it can be read again


def _save(path, key, read, report):
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with written_aside(path) as aside:
            np.savez(aside, key=np.array(key), **read._asdict())
    except OSError as error:
        report(f"Warning: {error} The hands will be read again at the next start.")
