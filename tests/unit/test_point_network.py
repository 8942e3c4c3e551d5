"""The network one point at a time in NumPy: it is that of the TensorFlow model."""

import ctypes
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from model import HandwritingModel
from scribe.network import openvino_graphs
from scribe.network.blas import one_thread
from scribe.network.openvino_graphs import AVAILABLE
from scribe.network.point_network import PointNetwork
from scribe.writing.rows import join_rows, stack_rows, take_rows

pytestmark = pytest.mark.smoke

B, T, U = 3, 7, 5


def make_model(**sizes):
    args = {"rnn_size": 12, "nmixtures": 3, "kmixtures": 2, "alphabet": "abcde", "hand_size": 0} | sizes
    model, rng = HandwritingModel(types.SimpleNamespace(**args)), np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.4, variable.shape))
    return model


@pytest.mark.parametrize("compiled", sorted({AVAILABLE, False}))
@pytest.mark.parametrize("sizes", [{}, {"rnn_size": 40, "kmixtures": 1}, {"hand_size": 4}, {"rnn_size": 3}])
def test_points_one_by_one_equal_the_whole_sequence(sizes, compiled):
    model, rng = make_model(**sizes), np.random.default_rng(1)
    strokes = rng.normal(size=(B, T, 3)).astype(np.float32)
    char_seq = np.eye(6, dtype=np.float32)[rng.integers(1, 6, (B, U))]
    char_seq[1, 3:] = 0
    D = model.hand_size
    hand, glyphs = (rng.normal(size=shape).astype(np.float32) for shape in ((B, D), (B, U, D)))
    glyphs[1, 3:] = 0
    whole = model({"stroke_data": strokes, "char_seq": char_seq, "hand": hand, "glyphs": glyphs})
    network = PointNetwork(model, compiled)
    state, biases = network.begin(B), network.biases(model.lstm_biases(hand))
    if not D:
        biases = take_rows(biases, [0] * B)
    text, mask = np.concatenate([char_seq, glyphs], axis=-1), char_seq.any(axis=-1).astype(np.float32)
    M = model.nmixtures
    for t in range(T):
        y, phi = network.step(state, strokes[:, t], text, mask, biases)
        assert y.dtype == phi.dtype == np.float32
        np.testing.assert_allclose(phi, whole["phi"][:, t], atol=1e-5)
        for name, columns in (("eos_hat", slice(0, 1)), ("pi_hat", slice(1, 1 + M)), ("mu1", slice(1 + M, 1 + 2 * M))):
            np.testing.assert_allclose(y[:, columns], whole[name][:, t], atol=1e-5)
    np.testing.assert_allclose(state.kappa, whole["kappa"][:, :, 0], atol=1e-5)
    # A state that TensorFlow has reached is gone on from.
    pairs = [(np.asarray(h), np.asarray(c)) for h, c in whole["states"]]
    given = network.given(pairs, np.asarray(whole["kappa"])[:, :, 0], np.asarray(whole["window"]))
    for found, expected in zip(given, state, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_row_that_was_kept_goes_on_as_if_it_had_not_stopped_in_any_row():
    model, rng = make_model(), np.random.default_rng(2)
    network = PointNetwork(model)
    state, biases = network.begin(2), take_rows(network.biases(model.lstm_biases()), [0, 0])
    text, mask = rng.normal(size=(2, U, 6)).astype(np.float32), np.ones((2, U), np.float32)
    points = rng.normal(size=(T, 2, 3)).astype(np.float32)
    network.step(state, points[0], text, mask, biases)
    kept = take_rows(state, 0)
    expected, _ = network.step(state, points[1], text, mask, biases)
    for row in (0, 1):
        batch = stack_rows([kept, kept]) if row == 0 else join_rows(network.begin(1), stack_rows([kept]))
        which = [0, 0] if row == 0 else [1, 0]
        found, _ = network.step(batch, points[1][which], text[which], mask, biases)
        np.testing.assert_allclose(found[row], expected[0], atol=1e-6)


@pytest.mark.skipif(not AVAILABLE, reason="OpenVINO is not installed")
@pytest.mark.parametrize("rows", [1, 3, 8, 20, 130])
def test_compiled_steps_are_those_of_numpy_whatever_rows_there_are(rows):
    model, rng = make_model(rnn_size=40), np.random.default_rng(3)
    networks = [PointNetwork(model, compiled) for compiled in (True, False)]
    assert not networks[0].compiled.weights.rounded  # of few weights
    biases = take_rows(networks[0].biases(model.lstm_biases()), [0] * rows)
    states = [network.begin(rows) for network in networks]
    for characters in (U, 3):
        text, mask = rng.normal(size=(rows, characters, 6)).astype("f4"), np.ones((rows, characters), np.float32)
        points = rng.normal(size=(rows, 3)).astype(np.float32)
        found, expected = (n.step(s, points, text, mask, biases) for n, s in zip(networks, states, strict=True))
        for a, b in zip((*found, *states[0]), (*expected, *states[1]), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.skipif(not AVAILABLE, reason="OpenVINO is not installed")
def test_rounded_weights_change_little_and_a_row_is_the_same_in_any_batch():
    model, rng = make_model(rnn_size=200), np.random.default_rng(5)
    for variable in model.trainable_variables:  # as large as those of a trained network
        variable.assign(variable * 0.2)
    networks = [PointNetwork(model, compiled) for compiled in (True, False)]
    assert networks[0].compiled.weights.rounded == openvino_graphs.has_byte_products()
    rows = 40
    biases = take_rows(networks[0].biases(model.lstm_biases()), [0] * rows)
    text, mask = rng.normal(size=(rows, U, 6)).astype("f4"), np.ones((rows, U), np.float32)
    state, alone = networks[0].begin(rows), networks[0].begin(1)
    for t in range(5):
        points = rng.normal(size=(rows, 3)).astype(np.float32)
        if not t:
            expected, _ = networks[1].step(networks[1].begin(rows), points, text, mask, biases)
        found, phi = networks[0].step(state, points, text, mask, biases)
        one, own_phi = networks[0].step(alone, points[:1], text[:1], mask[:1], take_rows(biases, [0]))
        np.testing.assert_allclose(found[0], one[0], atol=1e-5)
        np.testing.assert_allclose(phi[0], own_phi[0], atol=1e-5)
        if not t:
            np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


@pytest.mark.skipif(not AVAILABLE, reason="OpenVINO is not installed")
def test_threads_that_share_a_network_do_not_disturb_one_another():
    model, rng = make_model(rnn_size=40), np.random.default_rng(4)
    network = PointNetwork(model)
    text, mask = rng.normal(size=(2, 8, U, 6)).astype(np.float32), np.ones((8, U), np.float32)
    biases = take_rows(network.biases(model.lstm_biases()), [0] * 8)
    point = np.ones((8, 3), np.float32)

    def write(k, own):
        state = own.begin(8)
        return [own.step(state, point, text[k], mask, biases)[0] for _ in range(50)][-1]

    expected = [write(k, network) for k in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda k: write(k, network.for_thread()), (0, 1)))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have other signal stacks")
def test_what_is_compiled_leaves_the_signal_stack_of_the_thread_as_it_was():
    def stack():
        found = openvino_graphs._SignalStack()
        assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(found)) == 0
        return found.start, found.flags, found.size

    before = stack()
    model = make_model(rnn_size=400)  # so many weights that AMX is used, where there is some
    network = PointNetwork(model)
    text, mask = np.zeros((1, U, 6), np.float32), np.ones((1, U), np.float32)
    network.step(network.begin(1), np.ones((1, 3), np.float32), text, mask, network.biases(model.lstm_biases()))
    assert stack() == before


def test_the_threads_of_numpy_are_given_back_when_the_last_one_leaves():
    from threadpoolctl import threadpool_info

    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads()
    with one_thread():
        with one_thread():
            assert set(threads()) <= {1}
        assert set(threads()) <= {1}
    assert threads() == before
