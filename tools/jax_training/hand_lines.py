"""The lines of a data file in batches, for tools/train_hands_jax.py. NumPy alone.

Letters: N lines, L pen points of the longest one, U characters of the longest text, B lines of a batch, R lines that
are read of the hand of each.
"""

from typing import Any, NamedTuple

import numpy as np

from scribe.network.hand_sizes import JITTER, NO_HAND, POINTS_PER_FRAME, TOLD_AT_VALIDATION, UNCHANGED

READ = 4  # lines of a hand that are read for a line, at most
LENGTHS = 4  # of batches: each is compiled for
OFFSET_STEPS = 4  # a file has offsets in quarters of a raw unit


class Choice(NamedTuple):
    """Lines of a batch and what is read for them.

    lines: int32 [B]. read: int32 [B, R]. there: float32 [B, R], 0 where fewer are read. change: float32 [B, 3], of
    a line and of what is read for it: log of the width, log of the height, slant; more: of the line alone.
    """

    lines: Any
    read: Any
    there: Any
    change: Any
    more: Any


def save_lines(path, strokes, texts, characters, forms, names, validation, alphabet, data_scale):
    """Writes lines for `HandLines`.

    Args:
        path: of an .npz file. strokes: list of [n, 3], offsets in units of data_scale. texts: of the lines.
        characters: list of int [n], the character that each point belongs to; None: the line tells nothing of a hand.
        forms, names: int, of each line; -1: no form. validation: of each line, 0: train on it, 1: validate, 2: its form
        is held out. alphabet, data_scale: of the network.
    """
    index = {c: k for k, c in enumerate(alphabet, start=1)}
    raw = np.concatenate([line[:, :2] for line in strokes]) * data_scale * OFFSET_STEPS
    told = [np.full(len(s), -1) if c is None else c for s, c in zip(strokes, characters, strict=True)]
    np.savez_compressed(
        path,
        raw=np.round(raw).astype(np.int16),
        lift=np.concatenate([line[:, 2] for line in strokes]).astype(np.int8),
        lengths=np.array([len(line) for line in strokes], np.int32),
        characters=np.concatenate(told).astype(np.int16),
        text=np.array([index.get(c, 0) for text in texts for c in text], np.int16),
        text_lengths=np.array([len(text) for text in texts], np.int32),
        forms=np.array(forms, np.int32),
        names=np.array(names, np.int32),
        validation=np.array(validation, np.int8),
        data_scale=np.float32(data_scale),
        alphabet=np.array(alphabet),
    )


class HandLines:
    """Lines that `save_lines` wrote, in batches of about one length.

    Args:
        path: of the file. batch_size: B. longest: points of a line; longer ones are left out. spread: of the changes.
        seed: of batches.

    Attributes:
        arrays: what the device keeps of all lines: points float32 [N, L, 3], characters int16 [N, L], text int16
            [N, U] with -1 for padding, lengths int32 [N].
        lengths: of batches, in points, ascending. alphabet: of the network.
    """

    def __init__(self, path, batch_size, longest, spread, seed=0):
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
        self.batch_size, self.spread, self.alphabet = batch_size, spread, str(data["alphabet"])
        self._rng = np.random.default_rng(seed)
        counts, text_counts = data["lengths"], data["text_lengths"]
        usable = np.flatnonzero(counts <= longest)
        longest = -(-int(counts[usable].max()) // POINTS_PER_FRAME) * POINTS_PER_FRAME
        points = np.zeros([len(usable), longest, 3], np.float32)
        characters = np.zeros([len(usable), longest], np.int16)
        text = np.full([len(usable), int(text_counts[usable].max())], -1, np.int16)
        first, first_text = np.cumsum([0, *counts]), np.cumsum([0, *text_counts])
        scale = float(data["data_scale"]) * OFFSET_STEPS
        for row, i in enumerate(usable):
            own = slice(first[i], first[i + 1])
            points[row, : counts[i], :2] = data["raw"][own] / scale
            points[row, : counts[i], 2] = data["lift"][own]
            characters[row, : counts[i]] = data["characters"][own]
            text[row, : text_counts[i]] = data["text"][first_text[i] : first_text[i + 1]]
        tells = data["characters"][np.minimum(first[usable], first[-1] - 1)] >= 0
        counts = counts[usable].astype(np.int32)
        self.arrays = points, np.maximum(characters, 0), text, counts
        self._forms, self._names = data["forms"][usable], data["names"][usable]
        self._validation = data["validation"][usable]
        self._of_form: dict[int, list] = {}
        for row in np.flatnonzero(tells & (self._forms >= 0) & (self._validation != 1)):
            self._of_form.setdefault(int(self._forms[row]), []).append(row)

        train = np.flatnonzero(self._validation == 0)
        edges = np.quantile(counts[train], np.linspace(0, 1, LENGTHS + 1)[1:])
        # A batch has the points that are predicted, one fewer than a line has.
        self.lengths = sorted({min(longest, int(-(-edge // 20) * 20)) - 1 for edge in edges})
        group = np.searchsorted(self.lengths, counts[train] - 1)
        self._groups = [train[group == k] for k in range(len(self.lengths))]
        self._shares = np.array([len(g) for g in self._groups]) / len(train)
        self._waiting: list[list] = [[] for _ in self._groups]

    def batch(self):
        """A batch to train on: its length, and a `Choice`."""
        k = int(self._rng.choice(len(self.lengths), p=self._shares))
        while len(self._waiting[k]) < self.batch_size:
            self._waiting[k] += self._rng.permutation(self._groups[k]).tolist()
        lines = [self._waiting[k].pop() for _ in range(self.batch_size)]
        read = []
        for line in lines:
            others = self._others(line) if self._rng.random() >= NO_HAND else []
            read.append(self._rng.permutation(others)[: self._rng.integers(1, READ + 1)] if others else [])
        change = self._rng.normal(0.0, self.spread, [len(lines), 3])
        change *= self._rng.random([len(lines), 1]) >= UNCHANGED
        more = self._rng.normal(0.0, JITTER * self.spread, [len(lines), 3])
        return self.lengths[k], self._choice(lines, read, change, more)

    def validation(self, kind):
        """Batches of the validation lines (kind 1) or of those of held out forms (2), without changes.

        The last batch is filled up with its first line; so each comes with the number of lines that count.
        """
        rows = np.flatnonzero(self._validation == kind)
        for start in range(0, len(rows), self.batch_size):
            lines = rows[start : start + self.batch_size].tolist()
            count = len(lines)
            lines += lines[:1] * (self.batch_size - count)
            read = [self._others(line)[:TOLD_AT_VALIDATION] for line in lines]
            unchanged = np.zeros([len(lines), 3])
            yield self.lengths[-1], self._choice(lines, read, unchanged, unchanged), count

    def _others(self, line):
        """Lines that tell of the hand of a line."""
        others = self._of_form.get(int(self._forms[line]), [])
        return [other for other in others if self._names[other] != self._names[line]]

    @staticmethod
    def _choice(lines, read, change, more):
        found, there = np.zeros([len(lines), READ], np.int32), np.zeros([len(lines), READ], np.float32)
        for row, others in enumerate(read):
            found[row, : len(others)], there[row, : len(others)] = others, 1.0
        return Choice(np.array(lines, np.int32), found, there, np.float32(change), np.float32(more))
