"""The next points of rows: what the network says of each, and what is drawn from it, some points at a time.

    writer = PointWriter(network_of(model), model)
    writer.start(state.network, state.point, text, noise)
    drawn = writer.drawn()

Letters: B rows, n points, U characters, K window components.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.network.point_network import NetworkState, PointNetwork
from scribe.writing.bias import RESTING, TINY, draw_point
from scribe.writing.compiled_points import PointRequests, PointsGraph

POINTS_OF_CALL = (
    16  # of a call: a few milliseconds, and a line that ends within a call has cost hardly more than its points
)
INSIDE_BEFORE = -1.0  # up to here the text goes on: position of the window, 0 at the last character


class Drawn(NamedTuple):
    """The next n points of each row; float32."""

    points: NDArray  # [n, B, 6], as `draw_point` returns them
    phis: NDArray  # [n, B, U]
    kappas: NDArray  # [n, B, K]
    positions: NDArray  # [n, B]: where the window is, 0 at the last character
    network: NetworkState  # after the last of them


class PointWriter:
    """Draws points, for one thread at a time.

    Args:
        network: that gives the densities. model: the HandwritingModel that it was made of.
    """

    def __init__(self, network: PointNetwork, model: Any):
        self.network, self._nmixtures = network, model.nmixtures
        self._resting = RESTING / model.config.data_scale  # a pen that moves by less rests
        self._started: Any = None
        self._requests: PointRequests | None = None
        if network.compiled is not None:
            self._requests = PointRequests(network.compiled, PointsGraph(POINTS_OF_CALL, self._resting, INSIDE_BEFORE))

    def start(self, state: NetworkState, point: NDArray, text: Any, noise: NDArray) -> None:
        """Begins to draw. All that is given has to stay as it is until `drawn`.

        Args:
            state: of the network. point: [B, 3], the last one. text: a `rows.LineText`.
            noise: [POINTS_OF_CALL, B, 4], for each point as `draw_point` takes it.
        """
        if self._requests is None:
            self._started = state, point, text, noise
        else:
            step = [*state, point, text.char_seq, text.mask, *text.biases]
            self._requests.start(step, text.past_end, text.bias, noise)

    def drawn(self) -> Drawn:
        """What `start` has begun, when it is there."""
        if self._requests is None:
            with np.errstate(all="ignore"):  # a network that has learned little may overflow
                return self._draw(*self._started)
        state, (points, phis, kappas, positions) = self._requests.wait()
        return Drawn(points, phis, kappas, positions[:, :, 0], NetworkState(*state))

    def _draw(self, state, point, text, noise):
        """Point after point."""
        state = NetworkState(*(array.copy() for array in state))
        found = []
        for numbers in noise:
            y, phi = self.network.step(state, point, text.char_seq, text.mask, text.biases)
            position = (phi * text.past_end).sum(axis=1) / np.maximum(phi.sum(axis=1), TINY)
            inside = (position < INSIDE_BEFORE)[:, None]
            begins = point[:, 2:]
            drawn = draw_point(y, self._nmixtures, text.bias, numbers, self._resting, begins=begins, inside=inside)
            point = drawn[:, [0, 1, 5]]
            found.append((drawn, phi, state.kappa.copy(), position))
        points, phis, kappas, positions = map(np.stack, zip(*found, strict=True))
        return Drawn(points, phis, kappas, positions, state)
