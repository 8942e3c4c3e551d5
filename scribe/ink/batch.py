"""Lines of handwriting side by side, as the network takes them. NumPy alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.ink.alphabet import ALPHABET, to_one_hot


class Batch(NamedTuple):
    """Whole lines, padded with zeros to the longest one.

    x [B, T, 3]: points 0 .. n-2 of every line, y [B, T, 3]: points 1 .. n-1, what the network has to predict;
    mask [B, T]: 1 for a real target; texts: B strings; one_hot [B, U, A]. float32; lengths in units of data_scale.
    """

    x: NDArray
    y: NDArray
    mask: NDArray
    texts: list[str]
    one_hot: NDArray


class BatchInHands(NamedTuple):
    """A `Batch` with what is told of the hand of each line: hand [B, D], glyphs [B, U, D]; 0 where nothing is."""

    x: NDArray
    y: NDArray
    mask: NDArray
    texts: list[str]
    one_hot: NDArray
    hand: NDArray
    glyphs: NDArray


def network_arrays(batch: Batch | BatchInHands, hand_size: int = 0) -> tuple[NDArray, ...]:
    """What a network with a hand_size takes of a batch: x, y, mask, one_hot, hand [B, D], glyphs [B, U, D]."""
    if isinstance(batch, BatchInHands):
        told = batch.hand, batch.glyphs
    else:
        B, U = batch.one_hot.shape[:2]
        told = np.zeros([B, hand_size], np.float32), np.zeros([B, U, hand_size], np.float32)
    return batch.x, batch.y, batch.mask, batch.one_hot, *told


def make_batch(strokes: Sequence[NDArray], texts: Sequence[str], alphabet: str = ALPHABET) -> Batch:
    """Lines (strokes [n, 3] in model units, and texts) as a `Batch`.

    With an empty alphabet, that of a prediction network, all of a text is padding: nothing of it reaches the network.
    """
    B, T, U = len(strokes), max(map(len, strokes)) - 1, max(map(len, texts))
    x, y = np.zeros((B, T, 3), np.float32), np.zeros((B, T, 3), np.float32)
    mask, one_hot = np.zeros((B, T), np.float32), np.zeros((B, U, len(alphabet) + 1), np.float32)
    for row, (line, text) in enumerate(zip(strokes, texts)):
        n = len(line) - 1
        x[row, :n], y[row, :n], mask[row, :n] = line[:-1], line[1:], 1.0
        if alphabet:
            one_hot[row] = to_one_hot(text, U, alphabet)
    return Batch(x, y, mask, list(texts), one_hot)
