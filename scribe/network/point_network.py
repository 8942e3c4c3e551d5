"""The network one point at a time, in NumPy: what sampling computes, and priming.

    network = PointNetwork(model)
    state = network.begin(rows=2)
    y, phi = network.step(state, points, text, mask, biases)

`HandwritingModel.step` says the same with TensorFlow, one line for each equation; a test holds the two together. Here
nothing has to be traced or compiled before the first point, and for the few rows of a batch that is written the time
goes to the products:

- A step reads all weights once for a few rows, so the time goes to reading. A BLAS copies the large factor of a product
  into an order of its own before it multiplies, which takes longer than the product of a few rows; small matrices it
  multiplies where they lie. So the weights lie in blocks of COLUMNS columns, and a product is one of each block.
- The inputs of all layers lie in one array, h0 | point, window | h1 | h2, so that each layer reads a slice of it:
  LSTM 0 the first two parts, LSTM 1 the first three, LSTM 2 the last three. Nothing is put together anew.
- sigmoid(z) = tanh(z / 2) / 2 + 1 / 2: with halved weights of these gates, one tanh does for all four.
- For many rows the time goes to computing. TensorFlow's products are faster then, and those in bfloat16 much, where the
  processor has units for them: of 128 rows they take a fifth of the time.

Letters: B rows, U characters, A alphabet + 1, D numbers of a hand, H units, K window components, M mixture components.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.network.config import POINT_SIZE
from scribe.network.precision import faster_products
from scribe.network.tf_setup import tf

MANY_ROWS = 48  # from here on, TensorFlow's products are faster
COLUMNS = 32  # of a block: with 16 to 64 and up to 32 rows, products take half of the time of whole matrices
LSTMS = 3


class NetworkState(NamedTuple):
    """What the network remembers, float32; `PointNetwork.step` changes the arrays."""

    inputs: NDArray[np.float32]  # [B, H + 3 + A + D + 2H]: h0 | point, window | h1 | h2
    cells: NDArray[np.float32]  # [B, 3, H]: c of each LSTM
    kappa: NDArray[np.float32]  # [B, K]


class PointNetwork:
    """The weights of a HandwritingModel, as a step of a few rows wants them.

    Args:
        model: whose weights are copied, as they are now.
    """

    def __init__(self, model: Any):
        H, X = model.rnn_size, POINT_SIZE + model.char_vec_len + model.hand_size
        self.units, self.input_size = H, X
        kernels = [(np.asarray(kernel), np.asarray(recurrent)) for kernel, recurrent, _ in model.step_weights()]
        (kernel0, recurrent0), (kernel1, recurrent1), (kernel2, recurrent2) = kernels
        rows = [recurrent0, kernel0], [kernel1[X:], kernel1[:X], recurrent1], [kernel2, recurrent2]
        self._weights = [gates_for_tanh(np.concatenate(parts)) for parts in rows]
        self._blocks = [_blocks(weights) for weights in self._weights]
        self._slices = slice(0, H + X), slice(0, X + 2 * H), slice(H, X + 3 * H)
        self._outputs = slice(0, H), slice(H + X, X + 2 * H), slice(X + 2 * H, X + 3 * H)
        self._point, self._window = slice(H, H + POINT_SIZE), slice(H + POINT_SIZE, H + X)
        self._attention = np.asarray(model.attention_layer.kernel), np.asarray(model.attention_layer.bias)
        head = np.asarray(model.mdn_layer.kernel)
        nothing = np.zeros([X, head.shape[1]], np.float32)
        self._head = np.concatenate([head[:H], nothing, head[H:]]), np.asarray(model.mdn_layer.bias)
        self._kappas = model.kmixtures

    def begin(self, rows: int) -> NetworkState:
        """The state before the first point."""
        H = self.units
        sizes = [H + self.input_size + 2 * H], [LSTMS, H], [self._kappas]
        return NetworkState(*(np.zeros([rows, *size], np.float32) for size in sizes))

    def given(self, lstms: Any, kappa: NDArray, window: NDArray) -> NetworkState:
        """The state of a network as `HandwritingModel.zero_state` has it: three (h, c) [B, H], kappa [B, K], window."""
        state = self.begin(len(kappa))
        for layer, (h, c) in enumerate(lstms):
            state.inputs[:, self._outputs[layer]], state.cells[:, layer] = h, c
        state.inputs[:, self._window], state.kappa[:] = window, kappa
        return state

    def biases(self, lstm_biases: Any) -> NDArray[np.float32]:
        """[B, 3, 4H]: what `HandwritingModel.lstm_biases` returns, for a hand [B, D] or without one (B = 1), as `step`
        wants it."""
        return np.stack([gates_for_tanh(np.atleast_2d(np.asarray(bias))) for bias in lstm_biases], axis=1)

    def step(self, state: NetworkState, points: NDArray, text: NDArray, mask: NDArray, biases: NDArray):
        """Reads a point of each row.

        Args:
            state: which it changes. points: [B, 3]. text: [B, U, A + D] from `HandwritingModel.text_with_glyphs`.
            mask: [B, U], 1 for characters, 0 for padding. biases: from `biases`.

        Returns:
            y [B, 1 + 6M] (see `density.split_head`), phi [B, U].
        """
        inputs, kappa = state.inputs, state.kappa
        inputs[:, self._point] = points
        self._lstm(0, state, biases)
        kernel, bias = self._attention
        abk = np.exp(inputs[:, self._outputs[0]] @ kernel + bias).reshape(len(points), 3, -1)  # eq. 48-51
        np.add(kappa, abk[:, 2], out=kappa)
        away = kappa[:, :, None] - np.arange(mask.shape[1], dtype=np.float32)  # [B, K, U]
        phi = (abk[:, 0, :, None] * np.exp(-abk[:, 1, :, None] * away * away)).sum(axis=1) * mask  # eq. 46
        inputs[:, self._window] = np.matmul(phi[:, None], text)[:, 0]  # eq. 47
        self._lstm(1, state, biases)
        self._lstm(2, state, biases)
        kernel, bias = self._head
        return inputs @ kernel + bias, phi

    def _lstm(self, layer, state, biases):
        """One step of an LSTM: changes its c and its h, which is an input of others."""
        H, c, h = self.units, state.cells[:, layer], state.inputs[:, self._outputs[layer]]
        x = state.inputs[:, self._slices[layer]]
        if len(x) < MANY_ROWS:
            blocks = np.matmul(x, self._blocks[layer])  # [blocks, B, COLUMNS]
            z = blocks.swapaxes(0, 1).reshape(len(x), -1)[:, : 4 * H]
        else:
            weights = self._weights_for_many[layer]
            z = tf.cast(tf.matmul(tf.cast(x, weights.dtype), weights), tf.float32).numpy()
        z += biases[:, layer]
        lstm_step(z, c, h)

    @functools.cached_property
    def _weights_for_many(self):
        products = faster_products(MANY_ROWS, self.units)
        return [tf.cast(weights, products) for weights in self._weights]


def lstm_step(z: NDArray, c: NDArray, h: NDArray) -> None:
    """One step of an LSTM (eq. 7-11, without peepholes).

    Args:
        z: [..., 4H], the inputs of its gates in the order and size that `gates_for_tanh` gives; it is overwritten.
        c: [..., H], its cells, which become those after the step. h: [..., H], takes what it says.
    """
    H = c.shape[-1]
    np.tanh(z, out=z)
    z[..., : 3 * H] *= 0.5
    z[..., : 3 * H] += 0.5
    i, f, o, g = (z[..., k * H : (k + 1) * H] for k in range(4))
    c *= f
    i *= g
    c += i
    np.tanh(c, out=h)
    h *= o


def gates_for_tanh(values: NDArray) -> NDArray:
    """Weights or biases [..., 4H] in Keras' order i, f, c, o -> i, f, o, c, the first three halved: sigmoids become
    tanhs."""
    i, f, c, o = np.split(values, 4, axis=-1)
    return np.concatenate([0.5 * i, 0.5 * f, 0.5 * o, c], axis=-1)


def _blocks(weights):
    """[I, N] -> [blocks, I, COLUMNS]; what the last block has too many columns is zero."""
    weights = np.pad(weights, [(0, 0), (0, -weights.shape[1] % COLUMNS)])
    return np.ascontiguousarray(weights.reshape(len(weights), -1, COLUMNS).swapaxes(0, 1))
