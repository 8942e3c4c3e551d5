"""The points of rows, some at a time: as OpenVINO compiles them and in NumPy, and where lines end."""

import types

import numpy as np
import pytest

from model import HandwritingModel
from scribe.network.openvino_graphs import AVAILABLE
from scribe.network.point_network import NetworkState, PointNetwork
from scribe.writing.line_ends import find_ends
from scribe.writing.points import POINTS_OF_CALL, Drawn, PointWriter
from scribe.writing.rows import LineText, RowState, WordStart, take_rows

pytestmark = pytest.mark.smoke

U = 9


def rows_of_text(model, network, rows):
    """Texts of different lengths, a bias of each row."""
    rng, lengths = np.random.default_rng(rows), 3 + np.arange(rows) % (U - 3)
    at = np.arange(U)
    return LineText(
        char_seq=np.eye(6, dtype=np.float32)[rng.integers(1, 6, (rows, U))] * (at < lengths[:, None])[:, :, None],
        mask=(at < lengths[:, None] + 2).astype(np.float32),
        past_end=(at - lengths[:, None] + 1).astype(np.float32),
        biases=take_rows(network.biases(model.lstm_biases()), [0] * rows),
        bias=np.resize([0.0, 0.4, 1.3, 3.0], [rows, 1]).astype(np.float32),
        passed_at=np.full(rows, 0.1, np.float32),
        limit=np.full(rows, 40),
    )


def noise_of(rows, seed=0):
    rng = np.random.default_rng(seed)
    shape = POINTS_OF_CALL, rows, 2
    return np.concatenate([rng.normal(size=shape), rng.random(shape)], axis=-1).astype(np.float32)


def write(writer, state, point, text, noise):
    writer.start(state, point, text, noise)
    return writer.drawn()


@pytest.fixture(scope="module")
def model():
    sizes = {"rnn_size": 40, "nmixtures": 5, "kmixtures": 2, "alphabet": "abcde", "hand_size": 0}
    model = HandwritingModel(types.SimpleNamespace(**sizes, data_scale=4.0))  # so small that some components rest
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.4, variable.shape))
    return model


@pytest.mark.skipif(not AVAILABLE, reason="OpenVINO is not installed")
@pytest.mark.parametrize("rows", [1, 3, 9, 20, 130])
def test_compiled_points_are_those_of_numpy_whatever_rows_there_are(model, rows):
    networks = [PointNetwork(model, compiled) for compiled in (True, False)]
    compiled, plain = (PointWriter(network, model) for network in networks)
    text = rows_of_text(model, networks[0], rows)
    state, point = networks[0].begin(rows), np.tile(np.array([[0, 0, 1]], np.float32), [rows, 1])
    for call in range(3):
        noise = noise_of(rows, call)
        before = [array.copy() for array in state]
        found, expected = (write(writer, state, point, text, noise) for writer in (compiled, plain))
        for kept, array in zip(before, state, strict=True):
            np.testing.assert_array_equal(array, kept)
        # A number that lies on the border of two components, or of lifting, may fall to either side.
        same = (np.abs(found.points - expected.points) < 1e-3).all(axis=(0, 2))
        assert same.mean() > 0.95
        for a, b in zip((*found[:4], *found.network), (*expected[:4], *expected.network), strict=True):
            axis = 1 if len(a) == POINTS_OF_CALL and a.shape[1:2] == (rows,) else 0
            np.testing.assert_allclose(a.compress(same, axis), b.compress(same, axis), atol=1e-3)
        state, point = expected.network, expected.points[-1][:, [0, 1, 5]]


@pytest.mark.parametrize("compiled", sorted({AVAILABLE, False}))
def test_points_of_a_row_do_not_depend_on_the_rows_beside_it(model, compiled):
    network = PointNetwork(model, compiled)
    writer, rows = PointWriter(network, model), 20
    text, noise, state = rows_of_text(model, network, rows), noise_of(rows), network.begin(rows)
    point = np.zeros((rows, 3), np.float32)
    together = write(writer, state, point, text, noise).points
    order = np.random.default_rng(5).permutation(rows)
    mixed = write(writer, state, point, take_rows(text, order), noise[:, order]).points
    # The place of a row may change what is rounded; a number on the border of two components may fall to either side.
    same = (np.abs(mixed - together[:, order]) < 1e-3).all(axis=(0, 2))
    assert same.mean() > 0.9


def test_lines_end_at_the_same_points_however_many_are_drawn_at_a_time():
    rng, rows, n = np.random.default_rng(7), 400, 24
    points = rng.normal(size=(n, rows, 6)).astype(np.float32)
    points[:, :, 5] = rng.random((n, rows)) < 0.2
    positions = np.sort(rng.normal(-1, 1, (n, rows)), axis=0).astype(np.float32)
    text = LineText(*[None] * 5, passed_at=np.full(rows, 0.1, np.float32), limit=rng.integers(5, 40, rows))

    def ends(size):
        """Of each row: points of its line, and whether it has finished; None where it goes on after n."""
        zero = np.zeros(rows, np.float32)
        state = RowState(
            NetworkState(*[np.zeros((rows, 0))] * 8), points[0, :, :3], zero.astype(int), zero, zero, zero > 0
        )
        found = [None] * rows
        for first in range(0, n, size):
            part = slice(first, first + size)
            drawn = Drawn(points[part], None, None, positions[part], state.network)
            end = find_ends(text, state, drawn)
            state = end.after(drawn)
            for row in np.flatnonzero(end.ended):
                found[row] = found[row] or (int(state.points[row]), bool(end.finished[row]))
        return found

    expected = ends(1)
    assert {True, False} <= {entry[1] for entry in expected if entry} and None in expected
    assert ends(n) == ends(5) == expected


@pytest.mark.parametrize("compiled", sorted({AVAILABLE, False}))
def test_the_state_before_a_word_is_the_one_that_the_network_had_there(model, compiled):
    network = PointNetwork(model, compiled)
    writer, text = PointWriter(network, model), rows_of_text(model, network, 2)
    state, point = network.begin(2), np.zeros((2, 3), np.float32)
    drawn = write(writer, state, point, text, noise_of(2))
    inputs = np.concatenate([point[None], drawn.points[:-1][:, :, [0, 1, 5]]])
    row = RowState(take_rows(state, 1), drawn.points[-1, 1, [0, 1, 5]], np.int64(16), *[np.float32(0)] * 2, np.bool_(0))
    start = WordStart(row, inputs[:, 1])
    for _ in range(2):  # what is read once is kept
        found = start.row(network, take_rows(text, 1))
        for a, b in zip(found.network, take_rows(drawn.network, 1), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
        assert start.points == 16 and (found.point == row.point).all()
