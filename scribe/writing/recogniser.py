"""Reads pen strokes: what a stranger would take a written line for.

    from scribe.writing.recogniser import load_reader
    reader = load_reader()
    reader.read([line.strokes])          # ["Hello Wonld"]

The attention tells which character the pen meant to write, not whether it can be read. A recogniser that was trained on
people's handwriting can: convolutions over the path of the pen, then two bidirectional LSTMs, trained with CTC (Graves
et al., 2006), without a language model, so it reads what stands on the paper. `scripts/train_recogniser.py` trains it.

Neither the size of the writing nor the speed of the pen matter to it: each line is followed in steps of a quarter of a
letter's height.
"""

import difflib
import functools
import math
import os

import numpy as np

from scribe.ink.text import ALPHABET
from scribe.network.recurrent import lstm_sequence
from scribe.network.tf_setup import tf
from scribe.writing.failures import MISREAD, Failure

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHIPPED_READER = os.path.join(ROOT, "data", "reader.npz")
FEATURES = 6  # of a step of the path
STEP = 0.25  # letter heights
MOST_STEPS = 4000  # of a line that is drawn with one stroke; 50 characters have about 800
# Half of the ink of a line of small letters lies within this many letter heights; the others have ascenders.
MIDDLE_HALF = 0.79
FILTERS, UNITS = 128, 128
BLOCKS = 3
BATCH = 32
# A line of U characters is written again while more than 0.5 + WANTED_SHARE exp(-STRICTNESS bias) U are misread. If no
# try has fewer than that with TOLERATED_SHARE, it has failed: between the two, the reader may well be wrong.
WANTED_SHARE, TOLERATED_SHARE, STRICTNESS = 0.1, 0.2, 1.2


# ---------------------------------------------------------------------------------------------- what the network sees


def path_features(points, rng=None):
    """A line as steps of equal length along the path of the pen.

    Args:
        points: [n, 3] or [n, 6], absolute x, y first (any unit, y grows downwards), the pen lift last.
        rng: a NumPy Generator, which changes width, slant and size a little, for training. None: the line as it is.

    Returns:
        float32 [t, FEATURES]: on ink dx, dy of the step, in steps; where the pen is lifted dx, dy of the jump, in
        letter heights; each zero in the other's rows; the height of its end above the middle of the line in letter
        heights, and 1 where the pen is lifted.
    """
    if not len(points):
        return np.zeros([1, FEATURES], np.float32)
    xy, lifts = np.asarray(points[:, :2], float), np.asarray(points[:, -1]) > 0.5
    xy = xy - xy[0]
    ink = np.hypot(*np.diff(xy, axis=0).T) * ~lifts[:-1]
    middle, height = _letter_height(xy, ink)
    xy[:, 1] -= middle
    if rng is not None:
        width, size, slant = np.exp(rng.normal(0, 0.12)), np.exp(rng.normal(0, 0.12)), rng.normal(0, 0.15)
        xy[:, 0] = width * (xy[:, 0] - slant * xy[:, 1])
        height *= size
        xy[:, 1] += rng.normal(0, 0.1) * height
        ink = np.hypot(*np.diff(xy, axis=0).T) * ~lifts[:-1]

    rows, start = [], 0
    for end in [*(np.flatnonzero(lifts[:-1]) + 1), len(xy)]:
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
        start = end
    return np.clip(np.concatenate(rows), -6, 6).astype(np.float32)


def _letter_height(xy, ink):
    """y of the middle of the line at every point [n], and the height of a small letter; from where the ink lies."""
    extent = max(float(np.ptp(xy[:, 0])), float(np.ptp(xy[:, 1])))
    if not ink.any():
        return np.full(len(xy), xy[:, 1].mean()), max(extent, 1e-6)
    # Ink is spread evenly over the way from point to point, or a slow pen would seem to write larger.
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
    # A pen that scribbled on the spot or ran away is no letter height, and shall not cost memory.
    smallest = max(0.02 * extent, ink.sum() / 4 / (STEP * MOST_STEPS), 1e-6)
    return middle + slope * xy[:, 0], max(float(high - low) / MIDDLE_HALF, smallest)


# -------------------------------------------------------------------------------------------------------- the network


class Reader(tf.Module):
    """The recogniser.

    Args:
        alphabet: the characters that it can read, A of them.
        seed: of the first weights.
    """

    def __init__(self, alphabet=ALPHABET, seed=0):
        super().__init__()
        self.alphabet = alphabet
        self._seed = seed
        self._variables = {}  # in the order of their names' first use
        self._kernel("convolution0", [5, FEATURES, FILTERS // 2])
        self._kernel("convolution1", [5, FILTERS // 2, FILTERS])
        for k in range(BLOCKS):
            self._kernel(f"block{k}", [5, FILTERS, FILTERS])
        for layer, inputs in enumerate([FILTERS, 2 * UNITS]):
            for way in ("forward", "backward"):
                self._kernel(f"lstm{layer}_{way}", [inputs, 4 * UNITS])
                self._kernel(f"lstm{layer}_{way}_recurrent", [UNITS, 4 * UNITS], bias=False)
        self._kernel("characters", [2 * UNITS, len(alphabet) + 1])
        self.logits = tf.function(
            self._logits, input_signature=[tf.TensorSpec([None, None, FEATURES]), tf.TensorSpec([None], tf.int32)]
        )

    def _kernel(self, name, shape, bias=True):
        deviation = np.sqrt(2.0 / np.prod(shape[:-1])) if len(shape) == 3 else np.sqrt(1.0 / shape[0])
        value = np.random.default_rng([self._seed, len(self._variables)]).normal(0, deviation, shape)
        self._variables[name] = tf.Variable(value.astype(np.float32), name=name)
        if bias:
            self._variables[name + "_bias"] = tf.Variable(tf.zeros(shape[-1]), name=name + "_bias")

    def __call__(self, x, lengths, dropout_seed=None, keep=1.0):
        """Computes what stands in every frame of two steps.

        Args:
            x: [B, T, FEATURES], zero after the end of a line; T even, see `pad`. lengths: int [B].
            dropout_seed: int [2], for training: outputs of layers are kept with the probability `keep`.

        Returns:
            logits [T', B, A + 1], the last one for "no character" (the blank of CTC), and int [B]: of how many frames.
        """
        v = self._variables

        def drop(h, k):
            if dropout_seed is None:
                return h
            kept = tf.random.stateless_uniform(tf.shape(h), tf.random.fold_in(dropout_seed, k)) < keep
            return h * tf.cast(kept, h.dtype) / keep

        # Masked after every layer, so that a line is read alike whatever it shares a batch with.
        h = self._convolve(x, "convolution0", lengths)
        lengths = (lengths + 1) // 2
        h = drop(self._convolve(h, "convolution1", lengths, stride=2), 0)
        for k in range(BLOCKS):
            h += self._convolve(h, f"block{k}", lengths)
        h = tf.transpose(drop(h, 1), [1, 0, 2])
        zero = tf.zeros([tf.shape(x)[0], UNITS])
        for layer in (0, 1):
            ways = []
            for way in ("forward", "backward"):
                name = f"lstm{layer}_{way}"
                weights = [tf.convert_to_tensor(v[n]) for n in (name, name + "_recurrent", name + "_bias")]
                turned = self._turn(h, lengths) if way == "backward" else h
                out, _ = lstm_sequence(turned, zero, zero, *weights)
                ways.append(self._turn(out, lengths) if way == "backward" else out)
            h = drop(tf.concat(ways, axis=-1), 2 + layer)
        return tf.einsum("tbi,ij->tbj", h, v["characters"]) + v["characters_bias"], lengths

    def _logits(self, x, lengths):
        return self(x, lengths)

    def _convolve(self, h, name, lengths, stride=1):
        """[B, T, I] -> [B, T / stride, O], zero after the end of each line."""
        out = tf.nn.relu(tf.nn.conv1d(h, self._variables[name], stride, "SAME") + self._variables[name + "_bias"])
        return out * tf.sequence_mask(lengths, tf.shape(out)[1], dtype=out.dtype)[:, :, None]

    @staticmethod
    def _turn(h, lengths):
        return tf.reverse_sequence(h, lengths, seq_axis=0, batch_axis=1)

    def knows(self, text):
        """Whether it can read all characters of a text."""
        return set(text) <= set(self.alphabet)

    def read(self, lines):
        """Reads lines.

        Args:
            lines: list of [n, 3] or [n, 6], as in `path_features`.

        Returns:
            list of strings: the likeliest character of every frame, repetitions merged.
        """
        features = [path_features(points) for points in lines]
        order = np.argsort([len(f) for f in features], kind="stable")
        texts = [""] * len(lines)
        blank = len(self.alphabet)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            logits, lengths = self.logits(*pad([features[i] for i in rows]))
            best = np.argmax(logits.numpy(), axis=-1).T
            for i, codes, length in zip(rows, best, lengths.numpy()):
                codes = codes[:length]
                new = np.concatenate([[True], codes[1:] != codes[:-1]]) & (codes != blank)
                texts[i] = "".join(self.alphabet[c] for c in codes[new]).strip()
        return texts

    def save(self, path):
        """Writes the weights as a NumPy file of half-precision arrays: aside, then renamed."""
        arrays = {name: v.numpy().astype(np.float16) for name, v in self._variables.items()}
        aside = f"{path}.tmp-{os.getpid()}.npz"
        try:
            np.savez_compressed(aside, alphabet=np.array(self.alphabet), **arrays)
            os.replace(aside, path)
        finally:
            if os.path.exists(aside):
                os.remove(aside)


def pad(features):
    """Lines [t, F] as one array [B, T, F], zero after their ends, and their lengths, int32 [B].

    T is even: with an odd one, TensorFlow would begin the convolution of stride 2 a step earlier.
    """
    lengths = np.array([len(f) for f in features], np.int32)
    x = np.zeros([len(features), max(lengths) + max(lengths) % 2, FEATURES], np.float32)
    for row, f in zip(x, features):
        row[: len(f)] = f
    return x, lengths


@functools.cache
def load_reader(path=SHIPPED_READER):
    """The reader with the weights of a file that `Reader.save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        reader = Reader(str(arrays["alphabet"]))
        for name, variable in reader._variables.items():
            variable.assign(arrays[name].astype(np.float32))
    return reader


# --------------------------------------------------------------------------------------------------- what is misread


def wanted_errors(text, bias):
    """With more misread characters than this a line is written again: fewer, the neater it is meant to be."""
    return 0.5 + WANTED_SHARE * math.exp(-STRICTNESS * bias) * len(text)


def tolerated_errors(text, bias):
    """With more misread characters than this a line has failed."""
    return 0.5 + TOLERATED_SHARE * math.exp(-STRICTNESS * bias) * len(text)


def find_misread(text, read):
    """Which characters of a text were not read.

    Args:
        text: what was to be written. read: what `Reader.read` made of it.

    Returns:
        `failures.Failure`s, one for each stretch; none if both are the same. Their number of characters may differ from
        what `count_errors` says.
    """
    failures = []
    for tag, start, end, _, _ in difflib.SequenceMatcher(None, text, read, autojunk=False).get_opcodes():
        if tag != "equal":  # what was read too much has no characters: it is told by the one before which it stands
            start = min(start, len(text) - 1)
            failures.append(Failure(MISREAD, start, max(end, start + 1)))
    return failures


def count_errors(text, read):
    """The least number of characters to insert, delete or replace that make one string of the other (Levenshtein)."""
    row = list(range(len(read) + 1))
    for i, c in enumerate(text, 1):
        diagonal, row[0] = row[0], i
        for j, d in enumerate(read, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (c != d))
    return row[-1]


def error_share(texts, reads):
    """Misread characters over all characters of the texts; 0 if there are none."""
    return sum(map(count_errors, texts, reads)) / max(1, sum(map(len, texts)))
