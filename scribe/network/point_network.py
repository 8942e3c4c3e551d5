"""The network one point at a time: what sampling computes, and priming.

    network = PointNetwork(model)
    state = network.begin(rows=2)
    y, phi = network.step(state, points, text, mask, biases)

`HandwritingModel.step` says the same with TensorFlow, one line for each equation; a test holds the two together. Here
nothing has to be traced before the first point, and OpenVINO computes where it is installed
(scribe/network/compiled_step.py). Elsewhere NumPy does. For the few rows of a batch the time goes to the products:

- A step reads all weights once for a few rows, so the time goes to reading. A BLAS copies the large factor of a product
  into an order of its own before it multiplies, which takes longer than the product of a few rows; small matrices it
  multiplies where they lie. So the weights lie in blocks of COLUMNS columns, and a product is one of each block.
- sigmoid(z) = tanh(z / 2) / 2 + 1 / 2: with halved weights of these gates, one tanh does for all four.

Letters: B rows, U characters, A alphabet + 1, D numbers of a hand, H units, K window components, M mixture components.
"""

import copy
import functools
import weakref
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.network.compiled_step import CompiledNetwork, StepRequests, StepWeights
from scribe.network.config import POINT_SIZE
from scribe.network.openvino_graphs import AVAILABLE

COLUMNS = 32  # of a block: with 16 to 64 and up to 32 rows, products take half of the time of whole matrices
LSTMS = 3


# Of each model the last network that was made of it, and the weights that the model had.
_networks: "weakref.WeakKeyDictionary[Any, tuple[PointNetwork, list[NDArray]]]" = weakref.WeakKeyDictionary()


def network_of(model: Any) -> "PointNetwork":
    """A `PointNetwork` of a HandwritingModel, with what was compiled for the last one if no weight has changed."""
    weights = [variable.numpy() for variable in model.trainable_variables]
    network, before = _networks.get(model, (None, []))
    if network is None or not all(map(np.array_equal, weights, before)):
        network = PointNetwork(model)
        _networks[model] = network, [value.copy() for value in weights]
    return network.for_thread()


class NetworkState(NamedTuple):
    """What the network remembers, float32; `PointNetwork.step` changes the arrays."""

    h0: NDArray[np.float32]  # [B, H]: of each LSTM what it said last,
    h1: NDArray[np.float32]
    h2: NDArray[np.float32]
    c0: NDArray[np.float32]  # [B, H]: and its cells
    c1: NDArray[np.float32]
    c2: NDArray[np.float32]
    window: NDArray[np.float32]  # [B, A + D]
    kappa: NDArray[np.float32]  # [B, K]


class LstmBiases(NamedTuple):
    """The biases of the LSTMs, [B, 4H] each, in the order of `gates_for_tanh`."""

    lstm0: NDArray[np.float32]
    lstm1: NDArray[np.float32]
    lstm2: NDArray[np.float32]


class PointNetwork:
    """The weights of a HandwritingModel, as a step of a few rows wants them. For one thread at a time.

    Args:
        model: whose weights are copied, as they are now.
        compiled: whether OpenVINO computes; as NumPy does, if it is installed.

    Attributes:
        compiled: a `CompiledNetwork`, None where NumPy computes.
    """

    def __init__(self, model: Any, compiled: bool = AVAILABLE):
        H, X = model.rnn_size, POINT_SIZE + model.char_vec_len + model.hand_size
        self.units, self.window_size = H, X - POINT_SIZE
        kernels = [(np.asarray(kernel), np.asarray(recurrent)) for kernel, recurrent, _ in model.step_weights()]
        (kernel0, recurrent0), (kernel1, recurrent1), (kernel2, recurrent2) = kernels
        rows = [recurrent0, kernel0], [kernel1[X:], kernel1[:X], recurrent1], [kernel2, recurrent2]
        attention, head = model.attention_layer, model.mdn_layer
        self._weights = StepWeights(
            lstms=[gates_for_tanh(np.concatenate(parts)) for parts in rows],
            attention=(np.asarray(attention.kernel).copy(), np.asarray(attention.bias).copy()),
            head=(np.asarray(head.kernel).copy(), np.asarray(head.bias).copy()),
        )
        self._kappas = model.kmixtures
        self.compiled = CompiledNetwork(self._weights) if compiled else None
        self._requests = StepRequests(self.compiled) if compiled else None

    def for_thread(self) -> "PointNetwork":
        """The same network for another thread."""
        other = copy.copy(self)
        if self.compiled is not None:
            other._requests = StepRequests(self.compiled)
        return other

    def begin(self, rows: int) -> NetworkState:
        """The state before the first point."""
        sizes = *[self.units] * 2 * LSTMS, self.window_size, self._kappas
        return NetworkState(*(np.zeros([rows, size], np.float32) for size in sizes))

    def given(self, lstms: Any, kappa: NDArray, window: NDArray) -> NetworkState:
        """The state of a network as `HandwritingModel.zero_state` has it: three (h, c) [B, H], kappa [B, K], window."""
        state = self.begin(len(kappa))
        for array, value in zip(state, (*(h for h, _ in lstms), *(c for _, c in lstms), window, kappa), strict=True):
            array[:] = value
        return state

    def biases(self, lstm_biases: Any) -> LstmBiases:
        """What `HandwritingModel.lstm_biases` returns, for a hand [B, D] or without one (B = 1), as `step` wants it."""
        return LstmBiases(*(gates_for_tanh(np.atleast_2d(np.asarray(bias))) for bias in lstm_biases))

    def step(self, state: NetworkState, points: NDArray, text: NDArray, mask: NDArray, biases: LstmBiases):
        """Reads a point of each row.

        Args:
            state: which it changes. points: [B, 3]. text: [B, U, A + D] from `HandwritingModel.text_with_glyphs`.
            mask: [B, U], 1 for characters, 0 for padding. biases: from `biases`.

        Returns:
            y [B, 1 + 6M] (see `density.split_head`), phi [B, U].
        """
        if self._requests is None:
            return self._step(state, points, text, mask, biases)
        y, phi, *after = self._requests(*state, points, text, mask, *biases)
        for array, value in zip(state, after, strict=True):
            array[:] = value
        return y.copy(), phi.copy()

    def _step(self, state, points, text, mask, biases):
        """`step` in NumPy."""
        h0, h1, h2, c0, c1, c2, window, kappa = state
        self._lstm(0, [h0, points, window], c0, h0, biases)
        kernel, bias = self._weights.attention
        abk = np.exp(h0 @ kernel + bias).reshape(len(points), 3, -1)  # eq. 48-51
        np.add(kappa, abk[:, 2], out=kappa)
        away = kappa[:, :, None] - np.arange(mask.shape[1], dtype=np.float32)  # [B, K, U]
        phi = (abk[:, 0, :, None] * np.exp(-abk[:, 1, :, None] * away * away)).sum(axis=1) * mask  # eq. 46
        np.matmul(phi[:, None], text, out=window[:, None])  # eq. 47
        self._lstm(1, [h0, points, window, h1], c1, h1, biases)
        self._lstm(2, [points, window, h1, h2], c2, h2, biases)
        kernel, bias = self._weights.head
        return np.concatenate([h0, h1, h2], axis=1) @ kernel + bias, phi

    def _lstm(self, layer, inputs, c, h, biases):
        """One step of an LSTM: changes its c and its h."""
        x = np.concatenate(inputs, axis=1)
        blocks = np.matmul(x, self._blocks[layer])  # [blocks, B, COLUMNS]
        z = blocks.swapaxes(0, 1).reshape(len(x), -1)[:, : 4 * self.units]
        z += biases[layer]
        lstm_step(z, c, h)

    @functools.cached_property
    def _blocks(self):
        return [_blocks(weights) for weights in self._weights.lstms]


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
