"""The lines of a data file in batches, for tools/train_hands_jax.py. NumPy alone.

A row of a batch is a line, or some lines of one form one after the other, as the network sees them when it goes on from
a line of a person.

Letters: N lines, L pen points of the longest one, U characters of the longest text, B rows of a batch, S lines of each,
R lines that are read of the hand of each.
"""

from typing import Any, NamedTuple

import numpy as np

from scribe.learning.in_a_row import GAPS, UNEVEN, Joint, offset_between
from scribe.network.hand_sizes import JITTER, NO_HAND, POINTS_PER_FRAME, TOLD_AT_VALIDATION, UNCHANGED

READ = 4  # lines of a hand that are read for a line, at most
LENGTHS = (4, 2, 1)  # of batches of rows of one line, of two, of more: each is compiled for
LONGEST_SHARE = 0.98  # of rows of several lines; what is longer is left out
OFFSET_STEPS = 4  # a file has offsets in quarters of a raw unit
NO_JOINT = [np.nan] * 5


class Choice(NamedTuple):
    """Lines of a batch and what is read for them.

    lines: int32 [B, S]. joins: float32 [B, S - 1, 2], the offset from a line to the next. read: int32 [B, R]. there:
    float32 [B, R], 0 where fewer are read. change: float32 [B, 3], of a row and of what is read for it: log of the
    width, log of the height, slant; more: of the row alone.
    """

    lines: Any
    joins: Any
    read: Any
    there: Any
    change: Any
    more: Any


def save_lines(path, strokes, texts, characters, joints, forms, names, validation, alphabet, data_scale):
    """Writes lines for `HandLines`.

    Args:
        path: of an .npz file. strokes: list of [n, 3], offsets in units of data_scale. texts: of the lines.
        characters: list of int [n], the character that each point belongs to; None: the line tells nothing of a hand.
        joints: of the lines; None: it stands in no row with others. forms, names: int, of each line; -1: no form.
        validation: of each line, 0: train on it, 1: validate, 2: its form is held out, 3: use it for nothing.
        alphabet, data_scale: of the network.
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
        joints=np.array([NO_JOINT if j is None else (*j.start, *j.end, j.x_height) for j in joints], np.float32),
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
        seed: of batches. in_a_row: shares of the batches whose rows are one line, two lines, ...

    Attributes:
        arrays: what the device keeps of all lines: points float32 [N, L, 3], characters int16 [N, L], text int16
            [N, U] with -1 for padding, lengths int32 [N], lengths of the texts int32 [N].
        shapes: of batches: lines of a row, and points. alphabet: of the network. space: its number in the text.
    """

    def __init__(self, path, batch_size, longest, spread, seed=0, in_a_row=(1.0,)):
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
        self.batch_size, self.spread, self.alphabet = batch_size, spread, str(data["alphabet"])
        self.space, self._rng = self.alphabet.find(" ") + 1, np.random.default_rng(seed)
        counts, text_counts = data["lengths"], data["text_lengths"]
        usable = np.flatnonzero((counts <= longest) & (data["validation"] <= 2))
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
        self._counts = counts[usable].astype(np.int32)
        self.arrays = points, np.maximum(characters, 0), text, self._counts, text_counts[usable].astype(np.int32)
        self._forms, self._names = data["forms"][usable], data["names"][usable]
        self._validation = data["validation"][usable]
        self._joints = [Joint(j[:2], j[2:4], j[4]) if np.isfinite(j).all() else None for j in data["joints"][usable]]
        self._of_form: dict[int, list] = {}
        for row in np.flatnonzero(tells & (self._forms >= 0) & (self._validation != 1)):
            self._of_form.setdefault(int(self._forms[row]), []).append(int(row))
        self._train = np.flatnonzero(self._validation == 0)

        self.shapes, self._shares, self._limits = [], [], {}
        for S, share in enumerate(in_a_row, start=1):
            if not share:
                continue
            totals = np.array([self._points(row) for row in self._rows(S)])
            if not len(totals):
                raise ValueError(f"{path} has no {S} lines of one form to train on in a row.")
            lengths = LENGTHS[min(S, len(LENGTHS)) - 1]
            edges = np.quantile(totals, np.linspace(0, 1 if S == 1 else LONGEST_SHARE, lengths + 1)[1:])
            self._limits[S] = sorted({min(S * longest, int(-(-edge // 20) * 20)) - 1 for edge in edges})
            group = np.searchsorted(self._limits[S], totals)
            of_groups = np.array([(group == k).mean() for k in range(len(self._limits[S]))])
            self.shapes += [(S, limit) for limit in self._limits[S]]
            self._shares += (share * of_groups / of_groups.sum()).tolist()
        self._waiting = {shape: [] for shape in self.shapes}

    def _points(self, row):
        """The points of a row that are predicted: one fewer than it has."""
        return int(self._counts[list(row)].sum()) - 1

    def _rows(self, S):
        """All lines to train on, in rows of S lines and in random order."""
        if S == 1:
            return [(int(line),) for line in self._rng.permutation(self._train)]
        rows = []
        for lines in self._of_form.values():
            lines = [i for i in self._rng.permutation(lines) if self._validation[i] == 0 and self._joints[i]]
            rows += [tuple(lines[k : k + S]) for k in range(0, len(lines) - S + 1, S)]
        return [rows[k] for k in self._rng.permutation(len(rows))]

    def batch(self):
        """A batch to train on: its shape, and a `Choice`."""
        shares = np.array(self._shares)
        S, length = shape = self.shapes[int(self._rng.choice(len(self.shapes), p=shares / shares.sum()))]
        while len(self._waiting[shape]) < self.batch_size:
            for row in self._rows(S):
                k = int(np.searchsorted(self._limits[S], self._points(row)))
                if k < len(self._limits[S]) and self._limits[S][k] == length:
                    self._waiting[shape].append(row)
        rows = [self._waiting[shape].pop() for _ in range(self.batch_size)]
        read = []
        for row in rows:
            others = self._others(row) if self._rng.random() >= NO_HAND else []
            read.append(self._rng.permutation(others)[: self._rng.integers(1, READ + 1)] if others else [])
        change = self._rng.normal(0.0, self.spread, [len(rows), 3])
        change *= self._rng.random([len(rows), 1]) >= UNCHANGED
        more = self._rng.normal(0.0, JITTER * self.spread, [len(rows), 3])
        return shape, self._choice(rows, read, change, more)

    def validation(self, kind, S=1):
        """Batches of the validation lines (kind 1) or of those of held out forms (2), without changes.

        The last batch is filled up with its first row; so each comes with the number of rows that count.

        Args:
            kind: see above. S: lines of a row, one of the shapes; the last one is of that kind, those before it others
                of its form. Lines without enough of them are left out, and rows longer than those of the training.
        """
        rows = []
        for line in np.flatnonzero(self._validation == kind):
            before = [other for other in self._others((line,)) if self._joints[other]][: S - 1] if S > 1 else []
            row = (*before, int(line))
            if len(row) == S and (S == 1 or self._joints[line]) and self._points(row) <= self._limits[S][-1]:
                rows.append(row)
        for start in range(0, len(rows), self.batch_size):
            some = rows[start : start + self.batch_size]
            count = len(some)
            some += some[:1] * (self.batch_size - count)
            read = [self._others(row)[:TOLD_AT_VALIDATION] for row in some]
            unchanged = np.zeros([len(some), 3])
            yield (S, self._limits[S][-1]), self._choice(some, read, unchanged, unchanged), count

    def _others(self, row):
        """Lines that tell of the hand of a row and are not in it."""
        names = {self._names[line] for line in row}
        return [other for other in self._of_form.get(int(self._forms[row[0]]), []) if self._names[other] not in names]

    def _choice(self, rows, read, change, more):
        found, there = np.zeros([len(rows), READ], np.int32), np.zeros([len(rows), READ], np.float32)
        for k, others in enumerate(read):
            found[k, : len(others)], there[k, : len(others)] = others, 1.0
        joins = np.zeros([len(rows), len(rows[0]) - 1, 2], np.float32)
        for k, row in enumerate(rows):
            for place, (line, following) in enumerate(zip(row, row[1:])):
                gap, higher = self._rng.uniform(*GAPS), self._rng.normal(0.0, UNEVEN)
                joins[k, place] = offset_between(self._joints[line], self._joints[following], gap, higher)
        return Choice(np.array(rows, np.int32), joins, found, there, np.float32(change), np.float32(more))
