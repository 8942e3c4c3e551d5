"""Batches of handwriting to train on, and messages: `DataLoader`, `Logger`. NumPy alone.

    from utils import DataLoader, Logger, to_one_hot
    loader = DataLoader(args, Logger(args))
    x, y, texts, one_hot = loader.next_batch()

A line of handwriting is an (n, 3) array of pen points: dx, dy (offset from the point before, y growing downwards) and
1 where the pen lifts after the point, else 0. A data file is a pickle of [strokes, asciis] or [strokes, asciis, names]:
the lines, their texts, and the form or the writer that each is from.
"""

import math
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.console import say
from scribe.files.atomic import check_writable
from scribe.files.stroke_file import DATA_FILE, HOW_TO_GET_DATA, load_named_strokes
from scribe.hands.hand import hand_arrays
from scribe.ink.alphabet import ALPHABET, to_one_hot  # noqa: F401 - notebooks import to_one_hot from here
from scribe.ink.batch import Batch, BatchInHands, make_batch
from scribe.ink.strokes import transformed
from scribe.ink.typical import OFFSET_LIMIT
from scribe.learning.forms import names_of_lines

# A line whose number of pen points per character is outside of this range does not match its text.
MIN_POINTS_PER_CHARACTER, MAX_POINTS_PER_CHARACTER = 6, 70
MUCH_SKIPPED, MUCH_UNKNOWN = 0.2, 0.05  # shares of lines left out, and of unknown characters, that are worth a warning


class DataLoader:
    """Lines of handwriting in batches: whole, clipped, scaled, filtered, bucketed by length, padded and masked.

    Every 20th line of the file is kept for validation. The shuffling is a pure function of (seed, pass over the data),
    so a run that was stopped goes on at any batch: `batch(n)` is the n-th batch ever, whatever was asked before.

    Args:
        args: data_dir, batch_size, tsteps (longest line), data_scale, alphabet, seed, extra_data (a further file of
            lines, all of them to train on), distort (see `distorted`). What it lacks has the default of train.py.
        logger: has write(text); None for silence.
        limit: offsets are clipped to this many raw units.

    Attributes:
        stroke_data, ascii_data, valid_stroke_data, valid_ascii_data: lists; strokes are float32 [n, 3] in model units.
        names, valid_names: of each of these lines, such as a01-000u-03, the third of form a01-000u; see
            scribe/learning/forms.py. "" where the file does not tell.
        hands: tells in which hands the lines are written, and how they vary: None, or a
            scribe/learning/hand_batches.py `HandBatches` of the lines to train on. Set by who trains.
        pointer: index of the next batch in this pass. num_batches: batches in a pass.
    """

    def __init__(self, args, logger: "Logger | None" = None, limit: float = OFFSET_LIMIT):
        self.data_dir = getattr(args, "data_dir", "data")
        self.batch_size = int(getattr(args, "batch_size", 32))
        self.tsteps = int(getattr(args, "tsteps", 1300))
        self.data_scale = float(getattr(args, "data_scale", 50.0))
        alphabet = getattr(args, "alphabet", None)
        self.alphabet = ALPHABET if alphabet is None else alphabet  # an empty one: no text, see `make_batch`
        self.seed = int(getattr(args, "seed", 0) or 0)
        self.distort = float(getattr(args, "distort", 0.0))
        self.limit = limit
        self._write = logger.write if logger is not None else lambda text: None
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}: it has to be 1 or more.")

        self.path = os.path.join(self.data_dir, DATA_FILE)
        if not os.path.exists(self.path):
            raise FileNotFoundError(f"{self.path} does not exist. {HOW_TO_GET_DATA}")
        self.skipped: dict[str, int] = {}
        self.stroke_data: list[NDArray] = []
        self.ascii_data: list[str] = []
        self.valid_stroke_data: list[NDArray] = []
        self.valid_ascii_data: list[str] = []
        self.names: list[str] = []
        self.valid_names: list[str] = []
        self.hands: Any = None
        self._load(self.path, validate_every=20)
        extra = getattr(args, "extra_data", None)
        if extra:
            self._load(extra)
        self.num_batches = math.ceil(len(self.stroke_data) / self.batch_size)
        self._lengths = np.array([len(line) for line in self.stroke_data])
        self._order = (None, None)  # the pass whose order is at hand, and the order
        self.passes = 0
        self.pointer = 0

    def _load(self, path, validate_every=0):
        """Adds the lines of a file; every `validate_every`-th is for validation (0: none)."""
        strokes, texts, names = load_named_strokes(path)
        names = names_of_lines(names, {*self.names, *self.valid_names})
        lengths, skipped_before = [len(line) for line in strokes], sum(self.skipped.values())
        for i, (line, text, name) in enumerate(zip(strokes, texts, names, strict=True)):
            strokes[i] = None  # a data set is large: free what has been read
            text = text.strip()
            fault = line_fault(line, text, self.tsteps)
            if fault:
                self.skipped[fault] = self.skipped.get(fault, 0) + 1
                continue
            points = np.array(line, np.float32)
            points[:, :2] = np.clip(points[:, :2], -self.limit, self.limit) / self.data_scale
            points[0, :2] = 0.0  # where the line starts on the sheet says nothing about how it goes on
            held_out = validate_every and i % validate_every == 0
            (self.valid_stroke_data if held_out else self.stroke_data).append(points)
            (self.valid_ascii_data if held_out else self.ascii_data).append(text)
            (self.valid_names if held_out else self.names).append(name)
        if not self.stroke_data:
            raise ValueError(f"{path} has no line to train on; skipped: {self.skipped or 'none'}.")
        skipped = ", ".join(f"{count} with {fault}" for fault, count in self.skipped.items())
        self._write(
            f"Loaded {path}: {len(self.stroke_data)} lines to train on, "
            f"{len(self.valid_stroke_data)} to validate, {sum(map(len, self.stroke_data))} pen points; "
            f"skipped: {skipped or 'none'}."
        )
        self._warn(path, lengths, sum(self.skipped.values()) - skipped_before)

    def _warn(self, path, lengths, skipped):
        """Says loudly what is hardly meant: flags that leave out many lines of a file, or many of their characters."""
        if skipped > MUCH_SKIPPED * len(lengths):
            too_long = sum(length > self.tsteps for length in lengths)
            advice = (
                f"Lines are used whole, and --tsteps {self.tsteps} leaves out the {too_long:,} longer ones (99 in 100 "
                f"have at most {sorted(lengths)[99 * len(lengths) // 100]:,} points): leave the flag out."
                if too_long > skipped / 2
                else "python3 verify_data.py says what is wrong with them."
            )
            share = f"{skipped:,} of {len(lengths):,} lines of {path} are left out ({skipped / len(lengths):.0%})"
            self._write(f"WARNING: {share}. {advice}")
        if not self.alphabet:
            return
        counts = Counter("".join(self.ascii_data))
        unknown = {c: count for c, count in counts.most_common() if c not in self.alphabet}
        share = sum(unknown.values()) / sum(counts.values())
        if share > MUCH_UNKNOWN:
            self._write(
                f"WARNING: {share:.0%} of the characters of the lines are not in the alphabet, and the network sees "
                f"them as one and the same: {' '.join(unknown)[:60]}. --alphabet names the characters that it learns."
            )

    # ---- batches by number

    def batch(self, n: int) -> Batch | BatchInHands:
        """The n-th batch of all, counted from 0 through pass after pass: a pure function of (seed, n)."""
        lines = self._lines(*divmod(n, self.num_batches))
        texts, rng = [self.ascii_data[i] for i in lines], np.random.default_rng([self.seed, n])
        if self.hands is not None:
            strokes, hands = self.hands.training_lines(lines, rng)
            return self._in_hands(make_batch(strokes, texts, self.alphabet), hands)
        strokes = [self.stroke_data[i] for i in lines]
        if self.distort:
            strokes = [distorted(line, self.distort, rng) for line in strokes]
        return make_batch(strokes, texts, self.alphabet)

    def validation_batches(self, in_hands: bool = False) -> Iterator[Batch | BatchInHands]:
        """All validation lines, in batches of similar length; `in_hands`: with what `hands` tells of theirs."""
        order = np.argsort([len(line) for line in self.valid_stroke_data], kind="stable")
        for start in range(0, len(order), self.batch_size):
            lines = order[start : start + self.batch_size]
            batch = self._batch(self.valid_stroke_data, self.valid_ascii_data, lines)
            if in_hands:
                batch = self._in_hands(batch, self.hands.hands_of([self.valid_names[i] for i in lines]))
            yield batch

    def _lines(self, passes, index):
        if self._order[0] != passes:
            rng = np.random.default_rng([self.seed, passes])
            # Lines of about the same length go together; the jitter puts other lines together in every pass.
            order = np.argsort(self._lengths * rng.uniform(0.95, 1.05, len(self._lengths)), kind="stable")
            batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
            self._order = (passes, [batches[i] for i in rng.permutation(len(batches))])
        return self._order[1][index]

    def _batch(self, strokes, texts, lines):
        return make_batch([strokes[i] for i in lines], [texts[i] for i in lines], self.alphabet)

    def _in_hands(self, batch, hands):
        return BatchInHands(*batch, *hand_arrays(hands, batch.texts, self.hands.hand_size, batch.one_hot.shape[1]))

    # ---- batches one after the other, the interface of the TensorFlow 1 suite

    def next_batch(self) -> tuple[NDArray, NDArray, list[str], NDArray]:
        """x [B, T, 3], y [B, T, 3] (x one point later), texts, one_hot [B, U, A]; moves the pointer on.

        Zero rows after the end of a line are padding; `batch(n)` has their mask.
        """
        batch = self.batch(self.passes * self.num_batches + self.pointer)
        self.tick_batch_pointer()
        return batch.x, batch.y, batch.texts, batch.one_hot

    def validation_data(self) -> tuple[NDArray, NDArray, list[str], NDArray]:
        """As `next_batch`, for the first batch_size validation lines."""
        if not self.valid_stroke_data:
            raise ValueError(f"{self.path} has no line to validate: every 20th is kept for that, but it was skipped.")
        lines = range(min(self.batch_size, len(self.valid_stroke_data)))
        batch = self._batch(self.valid_stroke_data, self.valid_ascii_data, lines)
        return batch.x, batch.y, batch.texts, batch.one_hot

    def tick_batch_pointer(self) -> None:
        """Moves on to the next batch, after the last one to the next pass."""
        self.pointer += 1
        if self.pointer >= self.num_batches:
            self.reset_batch_pointer()

    def reset_batch_pointer(self) -> None:
        """Starts the next pass, in a new order."""
        self.passes += 1
        self.pointer = 0


def distorted(line: NDArray, spread: float, rng: np.random.Generator) -> NDArray:
    """The same line by a hand that writes a little larger or smaller, wider or narrower, and at another slant.

    Args:
        line: [n, 3] offsets. spread: standard deviation of the logarithms of width and height, and of the slant (units
            to the right for each unit upwards). rng: a NumPy Generator.
    """
    width, height, slant = rng.normal(0.0, spread, 3)
    return transformed(line, math.exp(width), math.exp(height), slant).astype(line.dtype)


def line_fault(strokes: NDArray, text: str, tsteps: int) -> str | None:
    """Why a line cannot be trained on, in words; None for a usable one.

    Args:
        strokes: (n, 3). text: without white space at its ends. tsteps: the largest number of points.
    """
    n = len(strokes)
    if not text:
        return "no text"
    if n < 2:
        return "fewer than 2 points"
    if not np.isfinite(strokes).all():
        return "a number that is not finite"
    if not np.isin(strokes[:, 2], (0, 1)).all():
        return "a pen lift other than 0 and 1"
    if n > tsteps:
        return f"more than {tsteps} points"
    if not MIN_POINTS_PER_CHARACTER <= n / len(text) <= MAX_POINTS_PER_CHARACTER:
        return f"points per character outside {MIN_POINTS_PER_CHARACTER} to {MAX_POINTS_PER_CHARACTER}"
    return None


class Logger:
    """Messages to stderr and to a file in `args.log_dir`; to stderr alone from when the file cannot be written on.

    Args:
        args: has log_dir; None or an empty one: no file.
        name: of the file.
    """

    def __init__(self, args=None, name: str = "train_scribe.txt"):
        log_dir = getattr(args, "log_dir", None)
        self.path = os.path.join(log_dir, name) if log_dir else None
        if log_dir:
            check_writable(self.path)

    def write(self, text: str, print_it: bool = True) -> None:
        """Writes one message; with print_it=False to the file alone."""
        if print_it:
            say(text)
        if self.path:
            try:
                with open(self.path, "a", encoding="utf-8") as file:
                    file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
            except OSError as error:
                say(f"Warning: {self.path} cannot be written ({error.strerror}): the messages go on here alone.")
                self.path = None
