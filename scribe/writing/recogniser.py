"""The recogniser: reads pen strokes as a stranger would, to find lines that are not legible.

    from scribe.writing.recogniser import load_recogniser
    recogniser = load_recogniser()
    recogniser.read([line.strokes])          # ["Hello Wonld"]

The attention tells which character the pen meant to write, not whether it can be read. The recogniser, trained on
people's handwriting, tells that: convolutions over the path of the pen, then two bidirectional LSTMs, trained with CTC
(Graves et al., 2006). It has no language model, so it reads what stands on the paper. `scripts/train_recogniser.py`
trains it.

Its input does not depend on the size of the writing or the speed of the pen: each line is resampled in steps of a
quarter of the x-height.
"""

import functools
import os
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.console import SuiteError, shortened
from scribe.files.atomic import written_aside
from scribe.files.needed_files import ROOT
from scribe.ink.alphabet import ALPHABET
from scribe.ink.strokes import stroke_slices
from scribe.network.blas import one_thread
from scribe.network.openvino_graphs import AVAILABLE
from scribe.network.recurrent import lstm_sequence
from scribe.network.tf_setup import tf
from scribe.writing.compiled_reading import CompiledReading
from scribe.writing.fast_reading import frame_logits

SHIPPED_RECOGNISER = os.path.join(ROOT, "data", "reader.npz")
FEATURES = 6  # numbers for each step of the path
STEP = 0.25  # length of a step, in x-heights
MAX_STEPS = 4000  # in a line of a single stroke; 50 characters have about 800
# The middle half of the ink of a line of small letters lies within this many x-heights; other lines have ascenders.
MIDDLE_HALF_HEIGHT = 0.79
FILTERS, UNITS = 128, 128  # of each convolution, of each LSTM in each direction
# The waves in which training lines are bent: their lengths, and the deviation of their heights for each of length, up
# to a length of LONG_WAVE; in x-heights.
WAVE_LENGTHS, WAVE, LONG_WAVE = (1.5, 12), 0.02, 6
BLOCKS = 3  # convolutions with a residual connection
LINES_READ_TOGETHER = 8
LARGEST_FILE = 16_000_000  # bytes of the weights, unpacked; the shipped ones have 2 million


class RecogniserError(SuiteError):
    """The file of the recogniser cannot be used; the message says what to do."""


# ---------------------------------------------------------------------------------------------- what the network sees


def path_features(points: NDArray, rng: np.random.Generator | None = None) -> NDArray[np.float32]:
    """A line as steps of equal length along the path of the pen.

    Args:
        points: [n, 3] or [n, 6], absolute x, y first (any unit, y grows downwards), the pen lift last.
        rng: a NumPy Generator that varies width, slant and size a little and bends the line, for training. None: the
            line as it is.

    Returns:
        float32 [t, FEATURES]. Columns 0, 1: dx, dy of a step on ink, in units of STEP, else 0. Columns 2, 3: dx, dy of
        a jump with the pen lifted, in x-heights, else 0. Column 4: height of the end of the step above the middle of
        the line, in x-heights. Column 5: 1 where the pen is lifted.
    """
    if not len(points):
        return np.zeros([1, FEATURES], np.float32)
    xy, lifts = np.asarray(points[:, :2], float), np.asarray(points[:, -1]) > 0.5
    xy = xy - xy[0]
    ink = np.hypot(*np.diff(xy, axis=0).T) * ~lifts[:-1]
    middle, height = _middle_and_x_height(xy, ink)
    xy[:, 1] -= middle
    if rng is not None:
        width, size, slant = np.exp(rng.normal(0, 0.12)), np.exp(rng.normal(0, 0.12)), rng.normal(0, 0.15)
        xy[:, 0] = width * (xy[:, 0] - slant * xy[:, 1])
        height *= size
        xy[:, 1] += rng.normal(0, 0.1) * height
        xy += _waves(xy[:, 0] / height, rng) * height
        ink = np.hypot(*np.diff(xy, axis=0).T) * ~lifts[:-1]

    rows = []
    for part in stroke_slices(points):
        start, end = part.start, part.stop
        if start:  # the jump from the stroke before
            dx, dy = (xy[start] - xy[start - 1]) / height
            rows.append(np.array([[0, 0, dx, dy, -xy[start, 1] / height, 1]]))
        along = np.concatenate([[0], np.cumsum(ink[start : end - 1])])
        steps = max(1, round(along[-1] / (STEP * height)))
        marks = np.linspace(0, along[-1], steps + 1)
        x, y = (np.interp(marks, along, xy[start:end, k]) for k in (0, 1))
        nothing = np.zeros(steps)
        stroke = [
            np.diff(x) / (STEP * height),
            np.diff(y) / (STEP * height),
            nothing,
            nothing,
            -y[1:] / height,
            nothing,
        ]
        rows.append(np.stack(stroke, axis=1))
    return np.clip(np.concatenate(rows), -6, 6).astype(np.float32)


def _waves(x, rng):
    """[n, 2]: how far points at x [n] are moved, in x-heights, so that letters are a little wider, nearer, higher."""
    moved = np.zeros([len(x), 2])
    for axis in (0, 0, 1, 1):
        length, phase = np.exp(rng.uniform(*np.log(WAVE_LENGTHS))), rng.uniform(0, 2 * np.pi)
        moved[:, axis] += rng.normal(0, WAVE * min(length, LONG_WAVE)) * np.sin(2 * np.pi * x / length + phase)
    return moved


def _middle_and_x_height(xy, ink):
    """y of the middle of the line at every point [n], and the x-height, estimated from the distribution of ink over y.

    It needs no text, unlike `measure.measure_line`, and makes do with lines of any kind.

    Args:
        xy: [n, 2] positions. ink: [n - 1], length drawn from each point to the next, 0 where the pen is lifted.
    """
    extent = max(float(np.ptp(xy[:, 0])), float(np.ptp(xy[:, 1])))
    if not ink.any():
        return np.full(len(xy), xy[:, 1].mean()), max(extent, 1e-6)
    # Four samples on the way from each point to the next, so that the distance of the points does not matter.
    parts = (np.arange(4) + 0.5)[:, None, None] / 4
    x, y = (xy[:-1] + parts * np.diff(xy, axis=0))[:, ink > 0].reshape(-1, 2).T
    ink = np.tile(ink[ink > 0], 4)
    slope = 0.0
    if np.ptp(x) > 3 * np.ptp(y):  # long enough to have a direction
        x_mean, y_mean = np.average(x, weights=ink), np.average(y, weights=ink)
        slope = np.average((x - x_mean) * (y - y_mean), weights=ink) / np.average((x - x_mean) ** 2, weights=ink)
    level = y - slope * x
    order = np.argsort(level)
    share = np.cumsum(ink[order]) / ink.sum()
    low, middle, high = np.interp([0.25, 0.5, 0.75], share, level[order])
    # Bound the height from below, so that a pen that scribbles on the spot or runs away cannot blow up the number of
    # steps.
    smallest = max(0.02 * extent, ink.sum() / 4 / (STEP * MAX_STEPS), 1e-6)
    return middle + slope * xy[:, 0], max(float(high - low) / MIDDLE_HALF_HEIGHT, smallest)


# -------------------------------------------------------------------------------------------------------- the network


class Recogniser(tf.Module):
    """The network.

    Args:
        alphabet: the characters that it can read, A of them.
        seed: seed of the initial weights.
    """

    def __init__(self, alphabet=ALPHABET, seed=0):
        super().__init__()
        self.alphabet = alphabet
        self._seed = seed
        self._variables = {}  # by name, in the order of creation
        self._compiled = {}, None  # weights, and what reads with them
        self._kernel("convolution0", [5, FEATURES, FILTERS // 2])
        self._kernel("convolution1", [5, FILTERS // 2, FILTERS])
        for k in range(BLOCKS):
            self._kernel(f"block{k}", [5, FILTERS, FILTERS])
        for layer, inputs in enumerate([FILTERS, 2 * UNITS]):
            for way in ("forward", "backward"):
                self._kernel(f"lstm{layer}_{way}", [inputs, 4 * UNITS])
                self._kernel(f"lstm{layer}_{way}_recurrent", [UNITS, 4 * UNITS], bias=False)
        self._kernel("characters", [2 * UNITS, len(alphabet) + 1])
        self._kernel("near_characters", [FILTERS, len(alphabet) + 1])

    def _kernel(self, name, shape, bias=True):
        deviation = np.sqrt(2.0 / np.prod(shape[:-1])) if len(shape) == 3 else np.sqrt(1.0 / shape[0])
        value = np.random.default_rng([self._seed, len(self._variables)]).normal(0, deviation, shape)
        self._variables[name] = tf.Variable(value.astype(np.float32), name=name)
        if bias:
            self._variables[name + "_bias"] = tf.Variable(tf.zeros(shape[-1]), name=name + "_bias")

    def take_weights(self, other: "Recogniser") -> None:
        """Copies the weights of another one.

        Raises:
            RecogniserError: it reads other characters.
        """
        if other.alphabet != self.alphabet:
            raise RecogniserError("the weights to go on from are those of a recogniser of other characters.")
        for name, variable in self._variables.items():
            variable.assign(other._variables[name])

    def __call__(self, x, lengths, dropout_seed=None, keep=1.0):
        """Classifies every frame of two steps.

        Args:
            x: [B, T, FEATURES], zero after the end of a line; T even, see `pad`. lengths: int [B], steps of each line.
            dropout_seed: int [2], for training: outputs of layers are kept with the probability `keep`.

        Returns:
            logits [T', B, A + 1], the last one for "no character" (the blank of CTC); such logits by the convolutions
            alone, which see two or three letters at a time: they are there to be trained; and int [B], frames of each
            line.
        """
        v = self._variables

        def drop(h, k):
            if dropout_seed is None:
                return h
            kept = tf.random.stateless_uniform(tf.shape(h), tf.random.fold_in(dropout_seed, k)) < keep
            return h * tf.cast(kept, h.dtype) / keep

        # Masked after every layer, so that the result does not depend on the other lines of the batch.
        h = self._convolve(x, "convolution0", lengths)
        lengths = (lengths + 1) // 2
        h = drop(self._convolve(h, "convolution1", lengths, stride=2), 0)
        for k in range(BLOCKS):
            h += self._convolve(h, f"block{k}", lengths)
        h = tf.transpose(drop(h, 1), [1, 0, 2])
        near = tf.einsum("tbi,ij->tbj", h, v["near_characters"]) + v["near_characters_bias"]
        zero = tf.zeros([tf.shape(x)[0], UNITS])
        for layer in (0, 1):
            ways = []
            for way in ("forward", "backward"):
                name = f"lstm{layer}_{way}"
                weights = [tf.convert_to_tensor(v[n]) for n in (name, name + "_recurrent", name + "_bias")]
                inputs = self._reverse(h, lengths) if way == "backward" else h
                out, _ = lstm_sequence(inputs, zero, zero, *weights)
                ways.append(self._reverse(out, lengths) if way == "backward" else out)
            h = drop(tf.concat(ways, axis=-1), 2 + layer)
        return tf.einsum("tbi,ij->tbj", h, v["characters"]) + v["characters_bias"], near, lengths

    def logits(self, x: NDArray, lengths: NDArray) -> tuple[NDArray[np.float32], NDArray]:
        """The first logits of `__call__` without dropout, and the frames, as NumPy arrays and without TensorFlow."""
        weights = {name: variable.numpy() for name, variable in self._variables.items()}
        if not AVAILABLE:
            with one_thread():
                return frame_logits(weights, BLOCKS, x, lengths)
        before, reading = self._compiled
        if not all(np.array_equal(weights[name], value) for name, value in before.items()) or reading is None:
            reading = CompiledReading(weights, BLOCKS)
            self._compiled = {name: value.copy() for name, value in weights.items()}, reading
        return reading(x, lengths)

    def _convolve(self, h, name, lengths, stride=1):
        """[B, T, I] -> [B, T / stride, O], zero after the end of each line."""
        out = tf.nn.relu(tf.nn.conv1d(h, self._variables[name], stride, "SAME") + self._variables[name + "_bias"])
        return out * tf.sequence_mask(lengths, tf.shape(out)[1], dtype=out.dtype)[:, :, None]

    @staticmethod
    def _reverse(h, lengths):
        """[T, B, I] with each line reversed within its length."""
        return tf.reverse_sequence(h, lengths, seq_axis=0, batch_axis=1)

    def knows(self, text: str) -> bool:
        """Whether it knows all characters of a text."""
        return set(text) <= set(self.alphabet)

    def frame_shares(self, lines: Sequence[NDArray]) -> list[NDArray[np.float32]]:
        """What it takes each frame for.

        Args:
            lines: list of [n, 3] or [n, 6], as in `path_features`.

        Returns:
            for each line [t, A + 1]: probabilities of the characters, the last one of "no character"; t frames.
        """
        features = [path_features(points) for points in lines]
        order = np.argsort([len(f) for f in features], kind="stable")
        shares: list[Any] = [None] * len(lines)
        for start in range(0, len(order), LINES_READ_TOGETHER):
            rows = order[start : start + LINES_READ_TOGETHER]
            logits, lengths = self.logits(*pad([features[i] for i in rows]))
            exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
            exponentials /= exponentials.sum(axis=-1, keepdims=True)
            for k, (i, length) in enumerate(zip(rows, lengths)):
                shares[i] = exponentials[:length, k]
        return shares

    def text_of(self, shares: NDArray) -> str:
        """The likeliest character of every frame [t, A + 1], repetitions merged (greedy CTC decoding)."""
        codes = np.argmax(shares, axis=-1)
        new = np.concatenate([[True], codes[1:] != codes[:-1]]) & (codes != len(self.alphabet))
        return "".join(self.alphabet[c] for c in codes[new]).strip()

    def read(self, lines: Sequence[NDArray]) -> list[str]:
        """Reads lines: list of [n, 3] or [n, 6], as in `path_features`, to a list of strings."""
        return [self.text_of(shares) for shares in self.frame_shares(lines)]

    def save(self, path: str | os.PathLike) -> None:
        """Writes the weights as a NumPy file of half-precision arrays, as `written_aside` does."""
        arrays = {name: v.numpy().astype(np.float16) for name, v in self._variables.items()}
        with written_aside(path) as aside, open(aside, "wb") as file:
            np.savez_compressed(file, alphabet=np.array(self.alphabet), **arrays)


def pad(features: Sequence[NDArray]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Lines [t, F] as one array [B, T, F], zero after their ends, and their lengths, int32 [B].

    T is even: if it is odd, TensorFlow begins the convolution of stride 2 a step earlier.
    """
    lengths = np.array([len(f) for f in features], np.int32)
    x = np.zeros([len(features), max(lengths) + max(lengths) % 2, FEATURES], np.float32)
    for row, f in zip(x, features):
        row[: len(f)] = f
    return x, lengths


@functools.cache
def load_recogniser(path: str = SHIPPED_RECOGNISER) -> Recogniser:
    """The recogniser with the weights of a file that `Recogniser.save` wrote; the shipped one by default.

    Raises:
        RecogniserError: the file is missing, damaged, or something else.
    """
    try:
        return _read_recogniser(path)
    except Exception as error:  # a broken archive can raise almost anything
        reason = shortened(getattr(error, "strerror", None) or str(error) or type(error).__name__)
        raise RecogniserError(
            f"{path} cannot be read as the recogniser ({reason}): restore the file, it comes with the suite, or go "
            "without it (sample.py: --no_proofread; in Python: tries=1)."
        ) from None


def _read_recogniser(path):
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        # An archive of kilobytes can hold gigabytes: look before anything is unpacked.
        if sum(member.file_size for member in archive.infolist()) > LARGEST_FILE:
            raise ValueError(f"it unpacks to more than {LARGEST_FILE:,} bytes")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            alphabet = arrays["alphabet"]
            characters = str(alphabet)
            if alphabet.dtype.kind != "U" or alphabet.shape or not 0 < len(set(characters)) == len(characters) < 1000:
                raise ValueError("its alphabet is not a text of some hundred different characters")
            recogniser = Recogniser(characters)
            for name, variable in recogniser._variables.items():
                weights = arrays[name].astype(np.float32)
                if weights.shape != variable.shape:
                    raise ValueError(f"{name} has the shape {weights.shape} instead of {tuple(variable.shape)}")
                if not np.isfinite(weights).all():
                    raise ValueError(f"{name} holds numbers that are not finite")
                variable.assign(weights)
    return recogniser
