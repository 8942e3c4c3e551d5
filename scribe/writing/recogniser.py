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
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scribe.files.needed_files import ROOT
from scribe.ink.strokes import stroke_slices
from scribe.network.blas import one_thread
from scribe.network.openvino_graphs import AVAILABLE
from scribe.network.recurrent import lstm_sequence
from scribe.network.tf_setup import tf
from scribe.writing.compiled_reading import CompiledReading
from scribe.writing.ctc_reader import CtcReader
from scribe.writing.fast_reading import frame_logits
from scribe.writing.levelled import LONGEST, levelled
from scribe.writing.picture_recogniser import SHIPPED_PICTURES, PictureRecogniser

SHIPPED_RECOGNISER = os.path.join(ROOT, "data", "reader.npz")
FEATURES = 6  # numbers for each step of the path
STEP = 0.25  # length of a step, in x-heights
MAX_STEPS = int(LONGEST / STEP)  # in a line of a single stroke; 50 characters have about 800
FILTERS, UNITS = 128, 128  # of each convolution, of each LSTM in each direction
BLOCKS = 3  # convolutions with a residual connection

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
    xy, ink, height = levelled(points, rng)
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


# -------------------------------------------------------------------------------------------------------- the network


class Recogniser(CtcReader):
    """The network.

    Args:
        alphabet, seed: as `CtcReader`.

    Attributes:
        eye: another recogniser that looks at the picture when slips are looked for; None: there is none.
    """

    INPUT = tf.TensorSpec([None, None, FEATURES])

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.eye: PictureRecogniser | None = None

    def _add_kernels(self):
        self._kernel("convolution0", [5, FEATURES, FILTERS // 2])
        self._kernel("convolution1", [5, FILTERS // 2, FILTERS])
        for k in range(BLOCKS):
            self._kernel(f"block{k}", [5, FILTERS, FILTERS])
        for layer, inputs in enumerate([FILTERS, 2 * UNITS]):
            for way in ("forward", "backward"):
                self._kernel(f"lstm{layer}_{way}", [inputs, 4 * UNITS])
                self._kernel(f"lstm{layer}_{way}_recurrent", [UNITS, 4 * UNITS], bias=False)
        self._kernel("characters", [2 * UNITS, len(self.alphabet) + 1])
        self._kernel("near_characters", [FILTERS, len(self.alphabet) + 1])

    def features(self, points: NDArray, rng: np.random.Generator | None = None) -> NDArray[np.float32]:
        """See `path_features`."""
        return path_features(points, rng)

    def together(self, features: Sequence[NDArray]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """See `pad`."""
        return pad(features)

    def frames(self, features: NDArray) -> int:
        """One for two steps."""
        return (len(features) + 1) // 2

    def __call__(self, x, lengths, dropout_seed=None, keep=1.0):
        """See `CtcReader`; x is [B, T, FEATURES] with T even, a frame is two steps."""
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
        """See `CtcReader`; without TensorFlow."""
        if not AVAILABLE:
            with one_thread():
                return frame_logits(self._weights(), BLOCKS, x, lengths)
        return self._reading(lambda weights: CompiledReading(weights, BLOCKS))(x, lengths)

    def _convolve(self, h, name, lengths, stride=1):
        """[B, T, I] -> [B, T / stride, O], zero after the end of each line."""
        out = tf.nn.relu(tf.nn.conv1d(h, self._variables[name], stride, "SAME") + self._variables[name + "_bias"])
        return out * tf.sequence_mask(lengths, tf.shape(out)[1], dtype=out.dtype)[:, :, None]


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
def load_recogniser(path: str = SHIPPED_RECOGNISER, pictures: str | None = SHIPPED_PICTURES) -> Recogniser:
    """The recogniser with the weights of files that `save` wrote; the shipped ones by default.

    Args:
        path: file of a `Recogniser`. pictures: that of its `eye`; None for none.

    Raises:
        RecogniserError: a file is missing, damaged, or something else.
    """
    recogniser = Recogniser.load(path)
    if pictures is not None:
        recogniser.eye = PictureRecogniser.load(pictures)
    return recogniser
