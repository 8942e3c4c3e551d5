"""Reads a hand from ink: from some lines of one person and their texts to a `Hand`, without any training.

    hand = read_hand([(strokes, "what is written there"), ...], model)

The attention of the network finds which character each point belongs to; `HandEncoder` describes what it sees.

Letters: n points of a line, U characters, A alphabet + 1, D numbers of a description.
"""

import dataclasses
import weakref
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scribe.hands.hand import Hand
from scribe.ink.batch import make_batch
from scribe.ink.point_characters import attended_characters
from scribe.network.hand_encoder import InkSums
from scribe.network.hand_sizes import MIN_FRAMES
from scribe.network.tf_setup import tf
from scribe.writing.whole_lines import whole_lines

LINES_READ_TOGETHER = 48

_readers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def read_hand(lines: Sequence[tuple[NDArray, str]], model, name: str = "", notice: str = "") -> Hand:
    """The hand in which lines were written.

    Args:
        lines: (strokes [n, 3], text) of one person; offsets in units of data_scale.
        model: a HandwritingModel with a hand_size. name, notice: of the Hand.

    Raises:
        ValueError: there are no lines, or the network knows of no hands.
    """
    if not lines:
        raise ValueError("a hand is read from at least one line.")
    if not model.hand_size:
        raise ValueError("this network knows of no hands: its hand_size is 0.")
    strokes, texts = zip(*lines)
    sums = add_sums(read_lines(strokes, align(strokes, texts, model), model))
    return hand_of_sums(sums, model, name, notice)


def align(strokes: Sequence[NDArray], texts: Sequence[str], model) -> list[NDArray[np.int32]]:
    """The character that each point of each line belongs to, by the attention of the network.

    Args:
        strokes: list of [n, 3], offsets in units of data_scale. texts: of the lines. model: a HandwritingModel.

    Returns:
        list of [n]: the index of the character in the alphabet, as in a one-hot vector.
    """
    found: list = [None] * len(texts)
    for rows in _batches(strokes):
        batch = make_batch([strokes[i] for i in rows], [texts[i] for i in rows], model.config.alphabet)
        phis = whole_lines(model).attend(batch.x, batch.one_hot).numpy()
        index_of = batch.one_hot.argmax(axis=-1)  # [B, U]
        for i, phi, index in zip(rows, phis, index_of, strict=True):
            # phi at a point is what the next one is written with.
            attended = attended_characters(phi[: len(strokes[i]) - 1, : len(texts[i])])
            found[i] = index[np.concatenate([attended[:1], attended])].astype(np.int32)
    return found


def read_lines(strokes: Sequence[NDArray], characters: Sequence[NDArray], model) -> list[InkSums]:
    """The `InkSums` of each line. Arguments as `align` takes and returns them."""
    read = _reader_of(model)
    found: list = [None] * len(strokes)
    for rows in _batches(strokes):
        T = max(len(strokes[i]) for i in rows)
        points, mask = np.zeros([len(rows), T, 3], np.float32), np.zeros([len(rows), T], np.float32)
        index = np.zeros([len(rows), T], np.int32)
        for row, i in enumerate(rows):
            n = len(strokes[i])
            points[row, :n], mask[row, :n], index[row, :n] = strokes[i], 1.0, characters[i]
        sums = [values.numpy() for values in read(points, mask, index)]
        for row, i in enumerate(rows):
            found[i] = InkSums(*(values[row] for values in sums))
    return found


def add_sums(sums: Sequence[InkSums]) -> InkSums:
    """What was read of several lines together."""
    return InkSums(*(np.sum(values, axis=0) for values in zip(*sums)))


def hand_of_sums(sums: InkSums, model, name: str = "", notice: str = "") -> Hand:
    """The `Hand` of what was read."""
    return dataclasses.replace(hands_of_sums([sums], model)[0], name=name, notice=notice)


def hands_of_sums(sums: Sequence[InkSums], model) -> list[Hand]:
    """The `Hand` of each of what was read of several hands."""
    if not sums:
        return []
    vectors, glyphs = model.hand_encoder.describe(InkSums(*(tf.constant(np.stack(v)) for v in zip(*sums))))
    alphabet, encoder, hands = model.config.alphabet, model.hand_encoder.digest(), []
    for one, vector, table in zip(sums, vectors.numpy(), glyphs.numpy(), strict=True):
        known = np.flatnonzero(one.glyph_count > MIN_FRAMES)
        hands.append(Hand(vector, {alphabet[k - 1]: table[k] for k in known if k > 0}, encoder=encoder))
    return hands


def _batches(strokes):
    """Indices of lines, those of about one length together."""
    order = np.argsort([len(line) for line in strokes], kind="stable")
    return [order[k : k + LINES_READ_TOGETHER] for k in range(0, len(order), LINES_READ_TOGETHER)]


def _reader_of(model):
    """`HandEncoder.read`, compiled once for each model."""
    if model not in _readers:
        spec = tf.TensorSpec
        signature = [spec([None, None, 3]), spec([None, None]), spec([None, None], tf.int32)]
        _readers[model] = tf.function(model.hand_encoder.read, input_signature=signature)
    return _readers[model]
