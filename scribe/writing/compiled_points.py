"""Some points of each row, one after the other, as OpenVINO compiles them: `PointWriter` without Python between points.

scribe/writing/points.py says the same with `PointNetwork.step` and `draw_point`; a test holds the two together.

Two parts of the rows are computed side by side, each by half of the cores, and few rows are one part: cores that share
the products of few rows mostly wait for one another, and lines are judged meanwhile.

Letters: B rows, n points, U characters, K window components, M mixture components.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.network.compiled_step import (
    PLACES,
    CompiledNetwork,
    RowsRequest,
    StepInputs,
    StepWeights,
    beside,
    places,
    step_nodes,
)
from scribe.network.config import LOG_SIGMA_MAX, LOG_SIGMA_MIN, RHO_MAX
from scribe.network.openvino_graphs import constant, ops, parameter, repeated, whole
from scribe.writing.bias import (
    COMPONENT_BIAS,
    LIFT_BIAS_FROM,
    MAX_COMPONENT_BIAS,
    REST_BIAS,
    STROKE_BIAS,
    TINY,
)

SIZES = 4, 8, 16, 32  # rows of a part; 4 take as long as one
WHOLE = 16  # so many rows are one part
SIDE_BY_SIDE = 2  # parts; more wait
NOISE = 17  # its number among the inputs
ROWS_OF_STATE = 8  # so many outputs are a `NetworkState`, whose rows are axis 0; of the others it is axis 1


@dataclasses.dataclass(frozen=True)
class PointsGraph:
    """What `PointRequests` computes.

    Attributes:
        count: n, points of a call. resting: as `draw_point` takes it. inside_before: as `PointWriter` takes it.
    """

    count: int
    resting: float
    inside_before: float

    def __call__(self, weights: StepWeights, rows: int) -> tuple[list, list]:
        """Its inputs and outputs."""
        given, within = StepInputs.of(weights, rows), StepInputs.of(weights, rows)
        constants = [(parameter(rows, -1), parameter(rows, -1)), (parameter(rows, 1), parameter(rows, 1))]
        (past_end, _), (bias, _) = constants
        noise, all_noise = parameter(1, rows, 4), parameter(self.count, rows, 4)
        y, phi, state = step_nodes(weights, within)
        position = ops.divide(_sum(ops.multiply(phi, past_end)), ops.maximum(_sum(phi), constant(TINY)))
        begins = ops.split(within.points, whole(1), 3).output(2)
        inside = _number(ops.less(position, constant(self.inside_before)))
        drawn, point = _draw(y, bias, ops.squeeze(noise, whole(0)), self.resting, begins, inside)
        before = zip([*within.state, within.points], [*given.state, given.points], [*state, point])
        same = zip(within.flat()[len(state) + 1 :], given.flat()[len(state) + 1 :])
        after, found = repeated(
            self.count, list(before), [*same, *constants], [(noise, all_noise)], [drawn, phi, state[-1], position]
        )
        return [*given.flat(), *(value for _, value in constants), all_noise], [*after[:-1], *found]


class PointRequests:
    """Points of any number of rows, for one thread.

    Args:
        compiled: of the network. graph: what is computed.
    """

    def __init__(self, compiled: CompiledNetwork, graph: PointsGraph):
        self._compiled, self._graph = compiled, graph
        self._requests: dict[int, list[RowsRequest]] = {}  # by their rows
        self._places = places(0)
        self._running: list[tuple[RowsRequest, int]] = []  # with how many rows

    def start(self, step: list[NDArray], past_end: NDArray, bias: NDArray, noise: NDArray) -> None:
        """Begins to compute. All arrays have to stay as they are until `wait`; what was begun before and not waited for
        is of no account.

        Args:
            step: as `StepRequests` takes them. past_end, bias: of a `LineText`. noise: [n, B, 4].
        """
        while self._running:
            self._running.pop()[0].wait()
        rows, characters = past_end.shape
        if self._places.shape[2] != characters:
            self._places = places(characters)
        parts = 1 if rows <= WHOLE else max(SIDE_BY_SIDE, -(-rows // SIZES[-1]))
        most = -(-rows // parts)
        size = next(size for size in SIZES if size >= most)
        requests = self._requests.setdefault(size, [])
        while len(requests) < parts:
            requests.append(self._compiled.request(self._graph, size, {PLACES: None, NOISE: 1}, SIDE_BY_SIDE))
        for k, request in enumerate(requests[:parts]):
            part = slice(k * most, (k + 1) * most)
            arrays = [array[part] for array in step]
            request.start([*arrays, self._places, past_end[part], bias[part], noise[:, part]])
            self._running.append((request, len(arrays[0])))

    def wait(self) -> tuple[list[NDArray], ...]:
        """What a `NetworkState` holds after the last point, and drawn [n, B, 6], phi [n, B, U], kappa [n, B, K] and the
        position of the window [n, B, 1] of all."""
        running, self._running = self._running, []
        outputs = [(request.wait(), rows) for request, rows in running]
        state, found = [], []
        for k in range(len(outputs[0][0])):
            if k < ROWS_OF_STATE:
                state.append(np.concatenate([arrays[k][:rows] for arrays, rows in outputs]))
            else:
                found.append(np.concatenate([arrays[k][:, :rows] for arrays, rows in outputs], axis=1))
        return state, found


def _draw(y, bias, noise, resting, begins, inside):
    """`draw_point` as part of a graph; the numbers are [rows, 1]. Returns what it does, and the point, [rows, 3]."""
    M = (y.get_output_partial_shape(0)[1].get_length() - 1) // 6
    one = constant(1.0)
    lift_hat, of_components = ops.variadic_split(y, whole(1), ops.constant(np.array([1, 6 * M]))).outputs()
    pi_hat, mu1, mu2, sigma1_hat, sigma2_hat, _ = ops.split(of_components, whole(1), 6).outputs()  # [rows, M] each
    scores = ops.subtract(pi_hat, ops.reduce_max(pi_hat, whole(1), True))
    favour = ops.add(constant(COMPONENT_BIAS), ops.multiply(constant(STROKE_BIAS - COMPONENT_BIAS), begins))
    favour = ops.multiply(favour, ops.minimum(bias, constant(MAX_COMPONENT_BIAS)))
    learned, sharp = ops.exp(scores), ops.exp(ops.multiply(scores, ops.add(one, favour)))
    size = ops.add(
        ops.add(ops.multiply(mu1, mu1), ops.multiply(mu2, mu2)),
        ops.add(ops.exp(ops.add(sigma1_hat, sigma1_hat)), ops.exp(ops.add(sigma2_hat, sigma2_hat))),
    )
    rests = _number(ops.less(size, constant(resting * resting)))
    moves = ops.subtract(one, rests)
    learned_rest, sharp_rest = _sum(ops.multiply(learned, rests)), _sum(ops.multiply(sharp, rests))
    learned_move, sharp_move = ops.subtract(_sum(learned), learned_rest), _sum(ops.multiply(sharp, moves))
    of_rest = ops.multiply(learned_rest, ops.exp(ops.multiply(constant(-REST_BIAS), bias)))
    of_rest = ops.divide(of_rest, ops.maximum(sharp_rest, constant(TINY)))
    of_move = ops.divide(ops.maximum(learned_move, constant(0.0)), ops.maximum(sharp_move, constant(TINY)))
    weights = ops.multiply(sharp, ops.add(ops.multiply(rests, of_rest), ops.multiply(moves, of_move)))
    # The component whose share of the sum holds the number.
    cumulated = ops.cumsum(weights, whole(1))
    normal1, normal2, uniform, of_lift = ops.split(noise, whole(1), 4).outputs()
    total = ops.slice(cumulated, *(ops.constant(np.array([k])) for k in (M - 1, M, 1, 1)))
    index = ops.minimum(_sum(_number(ops.less_equal(cumulated, ops.multiply(uniform, total)))), constant(M - 1.0))
    chosen = ops.unsqueeze(ops.equal(index, constant(np.arange(M)[None])), whole(1))  # [rows, 1, M]
    of_components = ops.reshape(of_components, ops.constant(np.array([0, 6, M])), True)
    chosen = ops.reduce_sum(ops.select(chosen, of_components, constant(0.0)), whole(2))  # [rows, 6]
    _, mu1, mu2, sigma1_hat, sigma2_hat, rho_hat = ops.split(chosen, whole(1), 6).outputs()
    sigma1, sigma2 = (
        ops.exp(ops.clamp(ops.subtract(hat, bias), LOG_SIGMA_MIN, LOG_SIGMA_MAX)) for hat in (sigma1_hat, sigma2_hat)
    )  # eq. 61
    rho = ops.clamp(ops.tanh(rho_hat), -RHO_MAX, RHO_MAX)
    dx = ops.add(mu1, ops.multiply(sigma1, normal1))
    across = ops.multiply(ops.sqrt(ops.subtract(one, ops.multiply(rho, rho))), normal2)
    dy = ops.add(mu2, ops.multiply(sigma2, ops.add(ops.multiply(rho, normal1), across)))
    above = ops.maximum(ops.subtract(bias, constant(LIFT_BIAS_FROM)), constant(0.0))
    logit = ops.multiply(lift_hat, ops.add(one, ops.multiply(inside, above)))
    lift = _number(ops.less(of_lift, ops.sigmoid(logit)))
    return beside(dx, dy, sigma1, sigma2, rho, lift), beside(dx, dy, lift)


def _sum(x):
    """[rows, N] -> [rows, 1]"""
    return ops.reduce_sum(x, whole(1), True)


def _number(x: Any) -> Any:
    """bool -> float32, 1 or 0"""
    return ops.convert(x, "f32")
