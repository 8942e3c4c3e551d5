"""The network one point at a time in NumPy: it is that of the TensorFlow model."""

import types

import numpy as np
import pytest

from model import HandwritingModel
from scribe.network import point_network
from scribe.network.blas import one_thread
from scribe.network.point_network import PointNetwork
from scribe.network.tf_setup import tf
from scribe.writing.sampler import join_rows, stack_rows, take_rows

pytestmark = pytest.mark.smoke

B, T, U = 3, 7, 5


def make_model(**sizes):
    args = {"rnn_size": 12, "nmixtures": 3, "kmixtures": 2, "alphabet": "abcde", "hand_size": 0} | sizes
    model, rng = HandwritingModel(types.SimpleNamespace(**args)), np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.4, variable.shape))
    return model


@pytest.mark.parametrize("sizes", [{}, {"rnn_size": 40, "kmixtures": 1}, {"hand_size": 4}, {"rnn_size": 3}])
def test_points_one_by_one_equal_the_whole_sequence(sizes):
    model, rng = make_model(**sizes), np.random.default_rng(1)
    strokes = rng.normal(size=(B, T, 3)).astype(np.float32)
    char_seq = np.eye(6, dtype=np.float32)[rng.integers(1, 6, (B, U))]
    char_seq[1, 3:] = 0
    D = model.hand_size
    hand, glyphs = (rng.normal(size=shape).astype(np.float32) for shape in ((B, D), (B, U, D)))
    glyphs[1, 3:] = 0
    whole = model({"stroke_data": strokes, "char_seq": char_seq, "hand": hand, "glyphs": glyphs})
    network = PointNetwork(model)
    state, biases = network.begin(B), network.biases(model.lstm_biases(hand))
    if not D:
        biases = np.repeat(biases, B, axis=0)
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
        if found is given.inputs:  # the point in them is the next one
            found, expected = (np.delete(v, np.r_[network._point], axis=1) for v in (found, expected))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_row_that_was_kept_goes_on_as_if_it_had_not_stopped_in_any_row():
    model, rng = make_model(), np.random.default_rng(2)
    network = PointNetwork(model)
    state, biases = network.begin(2), np.repeat(network.biases(model.lstm_biases()), 2, axis=0)
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


@pytest.mark.parametrize("products, error", [(tf.float32, 1e-5), (tf.bfloat16, 0.1)])
def test_many_rows_are_as_few_ones(monkeypatch, products, error):
    monkeypatch.setattr(point_network, "faster_products", lambda rows, units: products)
    model, rng = make_model(rnn_size=40), np.random.default_rng(3)
    network = PointNetwork(model)
    biases = np.repeat(network.biases(model.lstm_biases()), point_network.MANY_ROWS, axis=0)
    text, mask = rng.normal(size=(len(biases), U, 6)).astype(np.float32), np.ones((len(biases), U), np.float32)
    many, few, point = network.begin(len(biases)), network.begin(1), np.ones([len(biases), 3], np.float32)
    for _ in range(3):
        y, phi = network.step(many, point, text, mask, biases)
        y_few, phi_few = network.step(few, point[:1], text[:1], mask[:1], biases[:1])
        np.testing.assert_allclose(y[:1], y_few, atol=error)
        np.testing.assert_allclose(phi[:1], phi_few, atol=error)


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
