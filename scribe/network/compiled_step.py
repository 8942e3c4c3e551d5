"""One point of each row, as OpenVINO compiles it: `PointNetwork.step` in a half to a quarter of the time of NumPy.

A BLAS is made for large products; few rows it multiplies at a fraction of what the processor can do. OpenVINO keeps the
weights in the order in which its kernels read them, and joins what lies between the products. Most of a step is reading
the weights of the LSTMs, so they are bytes where the processor multiplies bytes: the loss of lines that people wrote
rises by 0.001 nats per point. Four rows take as long as one.

A graph is compiled for a fixed number of rows, one of SIZES, since that saves a quarter of the time; fewer rows are
filled up. What a row gives does not depend on the rows beside it.

Letters: B rows, U characters, A alphabet + 1, D numbers of a hand, H units, K window components, M mixture components.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.network.config import POINT_SIZE
from scribe.network.openvino_graphs import (
    compiled,
    constant,
    has_byte_products,
    ops,
    parameter,
    product,
    product_of_bytes,
    set_input,
    whole,
)

SIZES = 1, 8, 32, 64, 128  # rows; of more, the last one is multiplied as often as it takes
MANY_WEIGHTS = 500_000  # with fewer a step takes no time to speak of, and none is rounded
MASK, PLACES = 10, 14  # their numbers among the inputs of a step


class StepWeights(NamedTuple):
    """The weights of a network as a step reads them, float32. The gates are those of `point_network.gates_for_tanh`."""

    # Of each LSTM [I, 4H]; what it reads: h0, point, window; h0, point, window, h1; point, window, h1, h2.
    lstms: list[NDArray]
    attention: tuple[NDArray, NDArray]  # [H, 3K] and [3K]
    head: tuple[NDArray, NDArray]  # [3H, 1 + 6M] and [1 + 6M]

    @property
    def size(self) -> int:
        """How many they are."""
        return sum(w.size for w in (*self.lstms, *self.attention, *self.head))

    @property
    def rounded(self) -> bool:
        """Whether those of the LSTMs are rounded to bytes."""
        return self.size >= MANY_WEIGHTS and has_byte_products()


class CompiledNetwork:
    """What is compiled of one network, each graph when it is first asked for. Threads may share it.

    Args:
        weights: they are copied.
    """

    def __init__(self, weights: StepWeights):
        self.weights = weights
        self._compiled: dict[tuple, Any] = {}
        self._compiling = threading.Lock()

    def request(self, graph: Callable, rows: int, axes: Mapping[int, int | None], at_once: int = 1) -> "RowsRequest":
        """What computes a graph of so many rows, for one thread at a time.

        Args:
            graph: a function (weights, rows) -> inputs, outputs; hashable, and equal for equal graphs.
            axes: see `RowsRequest`. at_once: see `openvino_graphs.compiled`.
        """
        key = graph, rows, at_once
        with self._compiling:
            if key not in self._compiled:
                self._compiled[key] = compiled(*graph(self.weights, rows), at_once=at_once)
            return RowsRequest(self._compiled[key].create_infer_request(), rows, axes)


class RowsRequest:
    """An inference of a fixed number of rows, which takes fewer as well.

    Args:
        request: an openvino.InferRequest. rows: that it computes.
        axes: of the inputs whose rows are not axis 0 by their numbers: which axis it is, None of an input without rows.
    """

    def __init__(self, request: Any, rows: int, axes: Mapping[int, int | None]):
        self._request, self._rows, self._axes = request, rows, axes
        self._bound: dict[int, NDArray] = {}  # what it reads
        self._filled: dict[int, NDArray] = {}  # inputs that are filled up

    def start(self, arrays: Sequence[NDArray]) -> None:
        """Begins to compute with these inputs, which have to stay as they are until `wait`."""
        for k, array in enumerate(arrays):
            array = self._of_size(k, array, self._axes.get(k, 0))
            if self._bound.get(k) is not array:  # most arrays stay where they are from step to step
                set_input(self._request, k, array)
                self._bound[k] = array
        self._request.start_async()

    def wait(self) -> list[NDArray]:
        """Its outputs, with all rows; views that the next inference overwrites."""
        self._request.wait()
        return [output.data for output in self._request.output_tensors]

    def _of_size(self, number, array, axis):
        """An array as one with as many rows as are computed, contiguous; those that are filled up are of no account."""
        if axis is None or array.shape[axis] == self._rows:
            return np.require(array, np.float32, ["C", "W"])
        shape = *array.shape[:axis], self._rows, *array.shape[axis + 1 :]
        filled = self._filled.get(number)
        if filled is None or filled.shape != shape:
            filled = self._filled[number] = np.zeros(shape, np.float32)
        filled[(slice(None),) * axis + (slice(array.shape[axis]),)] = array
        return filled


class StepRequests:
    """Steps of any number of rows, for one thread.

    Args:
        compiled: of the network.
    """

    def __init__(self, compiled: CompiledNetwork):
        self._compiled = compiled
        self._requests: dict[int, RowsRequest] = {}  # by their rows
        self._places = places(0)

    def __call__(self, *arrays: NDArray) -> tuple[NDArray, ...]:
        """Takes a step.

        Args:
            arrays: what a `NetworkState` holds, then points, text, mask and what an `LstmBiases` holds, with the shapes
            that `PointNetwork.step` takes.

        Returns:
            y [B, 1 + 6M], phi [B, U], and what the state holds after the step; views that the next step overwrites.
        """
        count, characters = arrays[MASK].shape
        if count > SIZES[-1]:
            first, rest = ([v[part] for v in arrays] for part in (slice(SIZES[-1]), slice(SIZES[-1], None)))
            both = [v.copy() for v in self(*first)], self(*rest)
            return tuple(np.concatenate(parts) for parts in zip(*both))
        rows = next(size for size in SIZES if size >= count)
        if rows not in self._requests:
            self._requests[rows] = self._compiled.request(_step_graph, rows, {PLACES: None})
        if self._places.shape[2] != characters:
            self._places = places(characters)
        request = self._requests[rows]
        request.start([*arrays, self._places])
        return tuple(output[:count] for output in request.wait())


def places(characters: int) -> NDArray[np.float32]:
    """Those of the characters, [1, 1, U]."""
    return np.arange(characters, dtype=np.float32)[None, None]


class StepInputs(NamedTuple):
    """The parameters of a step of so many rows; U may change from inference to inference."""

    state: list  # as `NetworkState`
    points: Any  # [rows, 3]
    text: Any  # [rows, U, A + D]
    mask: Any  # [rows, U]
    biases: list  # as `LstmBiases`
    places: Any  # [1, 1, U]

    @classmethod
    def of(cls, weights: StepWeights, rows: int) -> "StepInputs":
        """Those of a network with these weights."""
        H, K = len(weights.attention[0]), len(weights.attention[1]) // 3
        W = len(weights.lstms[0]) - H - POINT_SIZE
        state = [parameter(rows, size) for size in (*[H] * 6, W, K)]
        text, mask = parameter(rows, -1, W), parameter(rows, -1)
        biases = [parameter(rows, 4 * H) for _ in range(3)]
        return cls(state, parameter(rows, POINT_SIZE), text, mask, biases, parameter(1, 1, -1))

    def flat(self) -> list:
        """In the order in which `StepRequests` gives them."""
        return [*self.state, self.points, self.text, self.mask, *self.biases, self.places]


def _step_graph(weights, rows):
    inputs = StepInputs.of(weights, rows)
    y, phi, after = step_nodes(weights, inputs)
    return inputs.flat(), [y, phi, *after]


def step_nodes(weights: StepWeights, inputs: StepInputs) -> tuple[Any, Any, list]:
    """The step (eq. 7-11 without peepholes, 46-52) as part of a graph: y, phi, and the state after it."""
    h0, h1, h2, c0, c1, c2, window, kappa = inputs.state
    points, text, mask = inputs.points, inputs.text, inputs.mask
    half, lstm_product = constant(0.5), product_of_bytes if weights.rounded else product

    def lstm(layer, inputs_of_it, c):
        """h and c of a layer."""
        z = ops.tanh(ops.add(lstm_product(beside(*inputs_of_it), weights.lstms[layer]), inputs.biases[layer]))
        i, f, o, g = ops.split(z, whole(1), 4).outputs()
        i, f, o = (ops.add(ops.multiply(gate, half), half) for gate in (i, f, o))
        c = ops.add(ops.multiply(f, c), ops.multiply(i, g))
        return ops.multiply(o, ops.tanh(c)), c

    h0, c0 = lstm(0, [h0, points, window], c0)
    kernel, bias = weights.attention
    abk = ops.exp(ops.add(product(h0, kernel), constant(bias[None])))  # eq. 48-51
    alpha, beta, ahead = ops.split(abk, whole(1), 3).outputs()  # [rows, K] each
    kappa = ops.add(kappa, ahead)
    away = ops.subtract(_as_column(kappa), inputs.places)  # [rows, K, U]
    weight = ops.exp(ops.negative(ops.multiply(_as_column(beta), ops.multiply(away, away))))
    phi = ops.multiply(ops.reduce_sum(ops.multiply(_as_column(alpha), weight), whole(1)), mask)  # eq. 46
    window = ops.squeeze(ops.matmul(ops.unsqueeze(phi, whole(1)), text, False, False), whole(1))  # eq. 47
    h1, c1 = lstm(1, [h0, points, window, h1], c1)
    h2, c2 = lstm(2, [points, window, h1, h2], c2)
    kernel, bias = weights.head
    y = ops.add(product(beside(h0, h1, h2), kernel), constant(bias[None]))
    return y, phi, [h0, h1, h2, c0, c1, c2, window, kappa]


def beside(*parts: Any) -> Any:
    """[rows, N] of each -> [rows, sum of N]"""
    return ops.concat(list(parts), 1)


def _as_column(x):
    """[rows, K] -> [rows, K, 1]"""
    return ops.unsqueeze(x, whole(2))
