"""The hand encoder: reads ink of one person and describes how that person writes.

A hand is described by D numbers for all of it, and by D numbers for each character that the ink shows. The encoder is a
small convolutional network over the pen points. What it finds is averaged: over all ink for the hand, over the ink of
each character for that character. So any amount of ink may be read, in any order, and sums of what was read earlier can
be kept and added. scripts/train_hand_encoder.py says how it is trained.

Letters: N lines, T pen points, F = T / 4 frames, C channels of a frame, A alphabet + 1, D numbers of a description.
"""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.network.config import POINT_SIZE
from scribe.network.hand_sizes import (
    CHANNELS,
    DEVIATION,
    HIDDEN,
    POINTS_PER_FRAME,
    PRIOR_FRAMES,
    RESIDUAL,
    STRIDES,
    WIDTH,
)
from scribe.network.tf_setup import tf


class InkSums(NamedTuple):
    """What the encoder read of some ink, as sums over its frames: those of two pieces of ink may be added.

    total, square: [..., C]. count: [..., 1], frames. glyph_total: [..., A, D]. glyph_count: [..., A], frames of each
    character.
    """

    total: NDArray
    square: NDArray
    count: NDArray
    glyph_total: NDArray
    glyph_count: NDArray


class HandEncoder(tf.keras.layers.Layer):
    """Ink and the character of each of its points -> descriptions of the hand and of its characters.

    Args:
        hand_size: D. char_vec_len: A.

    Attributes:
        vector_mean, vector_scale: [D]; glyph_mean [A, D], glyph_scale [D]: what the descriptions of people have on
            average, so that what `describe` returns has mean 0 and DEVIATION over people.
    """

    def __init__(self, hand_size, char_vec_len, **kwargs):
        super().__init__(**kwargs)
        self.hand_size, self.char_vec_len = hand_size, char_vec_len
        width = POINT_SIZE + 2
        for i, (channels, stride) in enumerate(zip(CHANNELS, STRIDES, strict=True)):
            layer = tf.keras.layers.Conv1D(channels, WIDTH, strides=stride, padding="same", name=f"conv{i}")
            layer.build((None, None, width))
            setattr(self, f"conv{i}", layer)  # an attribute each: Keras does not save the layers in a list by name
            width = channels
        self.glyph = _dense("glyph", width, hand_size)
        self.hidden = _dense("hidden", 2 * width, HIDDEN)
        self.vector = _dense("vector", HIDDEN, hand_size)
        self.vector_mean = self._average("vector_mean", [hand_size], "zeros")
        self.vector_scale = self._average("vector_scale", [hand_size], "ones")
        self.glyph_mean = self._average("glyph_mean", [char_vec_len, hand_size], "zeros")
        self.glyph_scale = self._average("glyph_scale", [hand_size], "ones")
        self.built = True

    def build(self, input_shape=None):
        """Does nothing: all weights are made with the layer."""

    def _average(self, name, shape, initializer):
        return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False)

    def digest(self) -> str:
        """Twelve hexadecimal digits that tell this encoder, and so what the numbers of a hand mean, from others."""
        # Some of the weights tell: training changes all of them.
        some = (self.conv0.kernel, self.vector.bias, self.vector_mean)
        return hashlib.sha256(b"".join(np.asarray(v, np.float32).tobytes() for v in some)).hexdigest()[:12]

    def frames(self, strokes, mask):
        """strokes [N, T, 3] offsets in units of data_scale, mask [N, T] -> frames [N, F, C], their mask [N, F, 1]."""
        # "same" padding begins at another point of the line where the length is no multiple of the strides.
        more = -tf.shape(strokes)[1] % POINTS_PER_FRAME
        strokes, mask = tf.pad(strokes, [[0, 0], [0, more], [0, 0]]), tf.pad(mask, [[0, 0], [0, more]])[..., None]
        jump = tf.pad(strokes[:, :-1, 2:], [[0, 0], [1, 0], [0, 0]])  # 1 where the pen was in the air
        length = tf.sqrt(tf.reduce_sum(strokes[..., :2] ** 2, axis=-1, keepdims=True) + 1e-4)
        h = tf.concat([strokes, jump, length], axis=-1) * mask
        for i, stride in enumerate(STRIDES):
            mask = mask[:, ::stride]
            new = tf.nn.gelu(getattr(self, f"conv{i}")(h))
            h = (h + new if i == RESIDUAL else new) * mask
        return h, mask

    def read(self, strokes, mask, characters) -> InkSums:
        """Sums over the ink of each line.

        Args:
            strokes: [N, T, 3], offsets in units of data_scale. mask: [N, T], 1 for points of the line.
            characters: int32 [N, T], the index in the alphabet of the character that each point belongs to.
        """
        h, mask = self.frames(strokes, mask)
        # Frame f is about point 4 f, so a line of n points has n / 4 of them, rounded up.
        character = tf.one_hot(characters[:, ::POINTS_PER_FRAME], self.char_vec_len) * mask  # [N, F, A]
        return InkSums(
            tf.reduce_sum(h, axis=1),
            tf.reduce_sum(h * h, axis=1),
            tf.reduce_sum(mask, axis=1),
            tf.einsum("nfa,nfd->nad", character, self.glyph(h)),
            tf.reduce_sum(character, axis=1),
        )

    def pool(self, total, square, count):
        """The description of a hand before it is normalised, [N, D], from `InkSums` of N hands."""
        mean = total / (count + 1e-6)
        deviation = tf.sqrt(tf.maximum(square / (count + 1e-6) - mean * mean, 0.0) + 1e-5)
        return self.vector(tf.nn.gelu(self.hidden(tf.concat([mean, deviation], axis=-1))))

    def describe(self, sums: InkSums):
        """`InkSums` of N hands -> (vector [N, D], glyphs [N, A, D]); 0 stands for the average of all people.

        A character of which there is little ink is drawn towards 0, and one without ink is 0.
        """
        vector = (self.pool(sums.total, sums.square, sums.count) - self.vector_mean) / self.vector_scale
        count = sums.glyph_count[..., None]
        glyphs = (sums.glyph_total / tf.maximum(count, 1e-3) - self.glyph_mean) / self.glyph_scale
        return DEVIATION * vector, DEVIATION * glyphs * count / (count + PRIOR_FRAMES)


def _dense(name, inputs, outputs):
    layer = tf.keras.layers.Dense(outputs, name=name)
    layer.build((None, inputs))
    return layer
