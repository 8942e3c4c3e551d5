"""One point of each row, as OpenVINO compiles it: `PointNetwork.step` in a half to a quarter of the time of NumPy.

A BLAS is made for large products; few rows it multiplies at a fraction of what the processor can do. OpenVINO keeps the
weights in the order in which its kernels read them, joins what lies between the products, and multiplies in bfloat16
where the processor has units for that (AMX, AVX512_BF16): eight rows take hardly longer than one.

The graph is compiled for a fixed number of rows, one of SIZES, since that saves a quarter of the time; fewer rows are
filled up. What a row gives does not depend on the rows beside it.

Letters: B rows, U characters, A alphabet + 1, D numbers of a hand, H units, K window components, M mixture components.
"""

import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.network.config import POINT_SIZE
from scribe.network.openvino_graphs import compiled, constant, has_bfloat16, ops, parameter, product, set_input, whole

SIZES = 1, 8, 32, 64, 128  # rows; of more, the last one is multiplied as often as it takes
# With fewer weights than this a step takes no time to speak of, and float32 is as fast.
MANY_WEIGHTS = 500_000
MASK = 10  # its number among the inputs of a step


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


class CompiledStep:
    """The steps of one network, compiled when they are first asked for. Threads may share it.

    Args:
        weights: they are copied.
    """

    def __init__(self, weights: StepWeights):
        self.weights = weights
        self.bfloat16 = weights.size >= MANY_WEIGHTS and has_bfloat16()
        self._compiled: dict[int, Any] = {}  # by their rows
        self._compiling = threading.Lock()

    def request(self, rows: int) -> Any:
        """What computes steps of so many rows, one of SIZES; for one thread at a time."""
        with self._compiling:
            if rows not in self._compiled:
                self._compiled[rows] = compiled(*_graph(self.weights, rows), bfloat16=self.bfloat16)
            return self._compiled[rows].create_infer_request()


class StepRequests:
    """Steps of any number of rows, for one thread.

    Args:
        compiled: of the network.
    """

    def __init__(self, compiled: CompiledStep):
        self._compiled = compiled
        self._requests: dict[int, tuple[Any, list]] = {}  # of so many rows, and the arrays that it reads
        self._filled: dict[tuple[int, int], NDArray] = {}  # inputs that are filled up, by their number and rows
        self._places = np.zeros([1, 1, 0], np.float32)

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
            self._requests[rows] = self._compiled.request(rows), [None] * (len(arrays) + 1)
        if self._places.shape[2] != characters:
            self._places = np.arange(characters, dtype=np.float32)[None, None]
        request, bound = self._requests[rows]
        for k, array in enumerate((*arrays, self._places)):
            array = array if k == len(arrays) else self._of_size(k, array, rows)
            if bound[k] is not array:  # most arrays stay where they are from step to step
                set_input(request, k, array)
                bound[k] = array
        request.infer()
        return tuple(output.data[:count] for output in request.output_tensors)

    def _of_size(self, number, array, rows):
        """An array [B, ...] as one with so many rows, contiguous; those after the B-th are of no account."""
        if len(array) == rows:
            return np.require(array, np.float32, ["C", "W"])
        shape = rows, *array.shape[1:]
        filled = self._filled.get((number, rows))
        if filled is None or filled.shape != shape:
            filled = self._filled[number, rows] = np.zeros(shape, np.float32)
        filled[: len(array)] = array
        return filled


def _graph(weights, rows):
    """The step of so many rows (eq. 7-11 without peepholes, 46-52) as a graph: its inputs and its outputs.

    The inputs are those of `StepRequests` and the places of the characters, [1, 1, U]; the outputs are what it returns.
    U may change from step to step.
    """
    H, K = len(weights.attention[0]), len(weights.attention[1]) // 3
    W = len(weights.lstms[0]) - H - POINT_SIZE

    state = [parameter(rows, size) for size in (*[H] * 6, W, K)]
    h0, h1, h2, c0, c1, c2, window, kappa = state
    points, text, mask = parameter(rows, POINT_SIZE), parameter(rows, -1, W), parameter(rows, -1)
    biases = [parameter(rows, 4 * H) for _ in range(3)]
    places = parameter(1, 1, -1)

    half = constant(0.5)

    def lstm(layer, inputs, c):
        """h and c of a layer."""
        z = ops.tanh(ops.add(product(_beside(*inputs), weights.lstms[layer]), biases[layer]))
        i, f, o, g = ops.split(z, whole(1), 4).outputs()
        i, f, o = (ops.add(ops.multiply(gate, half), half) for gate in (i, f, o))
        c = ops.add(ops.multiply(f, c), ops.multiply(i, g))
        return ops.multiply(o, ops.tanh(c)), c

    h0, c0 = lstm(0, [h0, points, window], c0)
    kernel, bias = weights.attention
    abk = ops.exp(ops.add(product(h0, kernel), constant(bias[None])))  # eq. 48-51
    alpha, beta, ahead = ops.split(abk, whole(1), 3).outputs()  # [rows, K] each
    kappa = ops.add(kappa, ahead)
    away = ops.subtract(_as_column(kappa), places)  # [rows, K, U]
    weight = ops.exp(ops.negative(ops.multiply(_as_column(beta), ops.multiply(away, away))))
    phi = ops.multiply(ops.reduce_sum(ops.multiply(_as_column(alpha), weight), whole(1)), mask)  # eq. 46
    window = ops.squeeze(ops.matmul(ops.unsqueeze(phi, whole(1)), text, False, False), whole(1))  # eq. 47
    h1, c1 = lstm(1, [h0, points, window, h1], c1)
    h2, c2 = lstm(2, [points, window, h1, h2], c2)
    kernel, bias = weights.head
    y = ops.add(product(_beside(h0, h1, h2), kernel), constant(bias[None]))
    return [*state, points, text, mask, *biases, places], [y, phi, h0, h1, h2, c0, c1, c2, window, kappa]


def _beside(*parts):
    return ops.concat(list(parts), 1)


def _as_column(x):
    """[rows, K] -> [rows, K, 1]"""
    return ops.unsqueeze(x, whole(2))
