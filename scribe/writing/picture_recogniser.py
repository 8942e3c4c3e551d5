"""A second recogniser, which looks at the ink and does not know the way of the pen.

    from scribe.writing.picture_recogniser import PictureRecogniser, SHIPPED_PICTURES
    PictureRecogniser.load(SHIPPED_PICTURES).read([line.strokes])

A pen that went around like that of an o has written an o for a recogniser that follows it (`recogniser.py`), even where
it left what an eye takes for a c. So a picture of the line is read as well: convolutions in two dimensions, then along
the line, then a bidirectional LSTM, trained with CTC (Graves et al., 2006). `scripts/train_recogniser.py --pictures`
trains it.

Letters: B lines, W columns of pixels, t frames of SHRINK columns.
"""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from scribe.files.needed_files import ROOT
from scribe.ink.strokes import stroke_slices
from scribe.network.openvino_graphs import AVAILABLE
from scribe.network.recurrent import lstm_sequence
from scribe.network.tf_setup import tf
from scribe.writing.compiled_pictures import CompiledPictures
from scribe.writing.ctc_reader import CtcReader
from scribe.writing.levelled import LONGEST, levelled

SHIPPED_PICTURES = os.path.join(ROOT, "data", "picture_reader.npz")
HEIGHT, MIDDLE = 64, 33  # rows of pixels; the one of the middle of small letters
X_HEIGHT, ACROSS = 14, 16  # pixels of an x-height downwards and along the line: i and l are narrow
PEN, PEN_VARIES = 0.13, 0.25  # width of the pen in x-heights; deviation of its logarithm for training
FINER = 2  # drawn so many times as large, then averaged
MARGIN, SMALLEST = 8, 16  # columns: beside the line, and of a picture
LARGEST = int(LONGEST / 2 * ACROSS)  # columns; 50 characters have about 900
# Of each convolution in two dimensions: its side, inputs, outputs, and its steps down and along.
CONVOLUTIONS = ((5, 1, 24, 2, 2), (3, 24, 48, 2, 2), (3, 48, 64, 1, 1), (3, 64, 96, 2, 1), (3, 96, 128, 2, 1))
SHRINK, ROWS = 4, 4  # columns of a frame; rows that are left at the end
FILTERS, BLOCKS, UNITS = 160, 2, 128  # of convolutions along the line, their number; units of the LSTM in a direction


def line_picture(points: NDArray, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
    """A line as a picture of a certain size, whatever its own.

    Args:
        points: [n, 3] or [n, 6], absolute x, y first (any unit, y grows downwards), the pen lift last.
        rng: a NumPy Generator that varies the line as `levelled` does, and the pen. None: the line as it is.

    Returns:
        uint8 [HEIGHT, W], 255 where ink is; W a multiple of SHRINK.
    """
    if not len(points):
        return np.zeros([HEIGHT, SMALLEST], np.uint8)
    xy, _, height = levelled(points, rng)
    x = np.minimum((xy[:, 0] - xy[:, 0].min()) / height * ACROSS, LARGEST) + MARGIN
    y = np.clip(xy[:, 1] / height * X_HEIGHT + MIDDLE, -HEIGHT, 2 * HEIGHT)
    pen = FINER * PEN * (ACROSS + X_HEIGHT) / 2
    pen = round(pen) if rng is None else int(pen * np.exp(rng.normal(0, PEN_VARIES)) + rng.uniform())
    columns = int(x.max()) + MARGIN
    columns += -columns % SHRINK
    image = Image.new("L", (FINER * columns, FINER * HEIGHT))
    draw = ImageDraw.Draw(image)
    places = FINER * np.stack([x, y], axis=1)
    for part in stroke_slices(points):
        stroke = places[part]
        if np.ptp(stroke, axis=0).max() < pen / 2:
            middle = stroke.mean(axis=0)
            draw.ellipse([*(middle - pen / 2), *(middle + pen / 2)], fill=255)
        else:
            draw.line(stroke.ravel().tolist(), fill=255, width=max(pen, 1), joint="curve" if pen > 4 else None)
    return np.asarray(image.reduce(FINER))


class PictureRecogniser(CtcReader):
    """The network; see `CtcReader`.

    Attributes:
        products: type of the factors of the large products in training.
    """

    INPUT = tf.TensorSpec([None, HEIGHT, None], tf.uint8)
    products = tf.float32

    def _add_kernels(self):
        for k, (side, inputs, outputs, *_) in enumerate(CONVOLUTIONS):
            self._kernel(f"convolution{k}", [side, side, inputs, outputs])
        self._kernel("columns", [ROWS * CONVOLUTIONS[-1][2], FILTERS])
        for k in range(BLOCKS):
            self._kernel(f"block{k}", [5, FILTERS, FILTERS])
        for way in ("forward", "backward"):
            self._kernel(f"lstm_{way}", [FILTERS, 4 * UNITS])
            self._kernel(f"lstm_{way}_recurrent", [UNITS, 4 * UNITS], bias=False)
        self._kernel("characters", [2 * UNITS, len(self.alphabet) + 1])
        self._kernel("near_characters", [FILTERS, len(self.alphabet) + 1])

    def features(self, points: NDArray, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """See `line_picture`."""
        return line_picture(points, rng)

    def together(self, features: Sequence[NDArray]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Pictures [HEIGHT, W] as one array [B, HEIGHT, W], without ink after their ends, and their columns."""
        lengths = np.array([picture.shape[1] for picture in features], np.int32)
        x = np.zeros([len(features), HEIGHT, max(lengths)], np.uint8)
        for row, picture in zip(x, features):
            row[:, : picture.shape[1]] = picture
        return x, lengths

    def frames(self, features: NDArray) -> int:
        """One for SHRINK columns."""
        return features.shape[1] // SHRINK

    def __call__(self, x, lengths, dropout_seed=None, keep=1.0):
        """See `CtcReader`; x is uint8 [B, HEIGHT, W]."""
        products = tf.float32 if dropout_seed is None else self.products
        v = {name: tf.cast(variable, products) for name, variable in self._variables.items()}

        def drop(h, k):
            if dropout_seed is None:
                return h
            kept = tf.random.stateless_uniform(tf.shape(h), tf.random.fold_in(dropout_seed, k)) < keep
            return h * tf.cast(kept, h.dtype) / tf.cast(keep, h.dtype)

        def within(h, axis, columns):
            """[..., t, ...], zero after the end of each line, so that the result does not depend on the others."""
            kept = tf.sequence_mask((lengths + columns - 1) // columns, tf.shape(h)[axis], dtype=h.dtype)
            return h * (kept[:, None, :, None] if axis == 2 else kept[:, :, None])

        h, columns = tf.cast(x, products)[..., None] / 255, 1
        for k, (*_, down, along) in enumerate(CONVOLUTIONS):
            columns *= along
            out = tf.nn.conv2d(h, v[f"convolution{k}"], [down, along], "SAME") + v[f"convolution{k}_bias"]
            h = within(tf.nn.relu(out), 2, columns)
        h = tf.transpose(h, [0, 2, 1, 3])
        h = drop(tf.reshape(h, [tf.shape(h)[0], tf.shape(h)[1], v["columns"].shape[0]]), 0)
        h = tf.nn.relu(tf.einsum("bti,ij->btj", h, v["columns"]) + v["columns_bias"])
        for k in range(BLOCKS):
            h += within(tf.nn.relu(tf.nn.conv1d(h, v[f"block{k}"], 1, "SAME") + v[f"block{k}_bias"]), 1, SHRINK)
        h = drop(within(h, 1, SHRINK), 1)
        h, v, frames = tf.transpose(tf.cast(h, tf.float32), [1, 0, 2]), self._variables, lengths // SHRINK
        near = tf.einsum("tbi,ij->tbj", h, v["near_characters"]) + v["near_characters_bias"]
        zero, ways = tf.zeros([tf.shape(x)[0], UNITS]), []
        for way in ("forward", "backward"):
            weights = [tf.convert_to_tensor(v[f"lstm_{way}{part}"]) for part in ("", "_recurrent", "_bias")]
            inputs = self._reverse(h, frames) if way == "backward" else h
            out, _ = lstm_sequence(inputs, zero, zero, *weights)
            ways.append(self._reverse(out, frames) if way == "backward" else out)
        h = drop(tf.concat(ways, axis=-1), 2)
        return tf.einsum("tbi,ij->tbj", h, v["characters"]) + v["characters_bias"], near, frames

    def logits(self, x: NDArray, lengths: NDArray) -> tuple[NDArray[np.float32], NDArray]:
        """See `CtcReader`; without TensorFlow where OpenVINO is."""
        if not AVAILABLE:
            logits, _, frames = self(x, lengths)
            return np.asarray(logits), np.asarray(frames)
        steps = [(down, along) for *_, down, along in CONVOLUTIONS]
        return self._reading(lambda weights: CompiledPictures(weights, steps, BLOCKS))(x, lengths)
