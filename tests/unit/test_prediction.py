"""The prediction network (section 4 of the paper): three LSTMs with skip connections, and no text at all."""

from types import SimpleNamespace

import numpy as np
import pytest

import train
from data_helpers import loader_args, write_data
from model import HandwritingModel
from scribe.ink.batch import make_batch
from scribe.writing.prediction import predict_lines
from utils import DataLoader, Logger

import tensorflow as tf  # isort: skip


def make_model(seed=0, H=5, M=3):
    model = HandwritingModel(SimpleNamespace(rnn_size=H, nmixtures=M, kmixtures=1, alphabet=""))
    rng = np.random.default_rng(seed)
    for v in model.trainable_variables:
        v.assign(rng.normal(0, 0.4, v.shape))
    return model


def lstm(x, h, c, kernel, recurrent_kernel, bias):
    i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4)
    c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    return np.tanh(c) / (1 + np.exp(-o)), c


@pytest.mark.smoke
def test_the_network_is_that_of_section_4_of_the_paper():
    """x to all layers, each layer to the next, all layers to the output; computed here from the equations."""
    model, rng = make_model(), np.random.default_rng(1)
    strokes = rng.normal(size=(9, 3)).astype(np.float32)
    batch = make_batch([np.concatenate([strokes, strokes[:1]])], ["any text"], "")
    assert batch.one_hot.shape == (1, 8, 1) and not batch.one_hot.any()
    out = model({"stroke_data": batch.x, "char_seq": batch.one_hot})
    cells = (model.lstm0, model.lstm1.cell, model.lstm2.cell)
    weights = [[np.asarray(v) for v in (cell.kernel, cell.recurrent_kernel, cell.bias)] for cell in cells]
    states = [(np.zeros(5), np.zeros(5))] * 3
    for t, x in enumerate(strokes):
        below = []
        for n, (kernel, recurrent_kernel, bias) in enumerate(weights):
            kernel = np.concatenate([kernel[:3], kernel[4:]])  # the row between is the window's, which is zero
            states[n] = lstm(np.concatenate([x, *below[-1:]]), *states[n], kernel, recurrent_kernel, bias)
            below.append(states[n][0])
        y = np.concatenate(below) @ np.asarray(model.mdn_layer.kernel) + np.asarray(model.mdn_layer.bias)
        np.testing.assert_allclose(out["mu1"][0, t], y[4:7], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(out["eos_hat"][0, t], y[:1], rtol=1e-4, atol=1e-5)


def test_no_text_reaches_the_network(tmp_path):
    write_data(tmp_path, 30)
    loader = DataLoader(loader_args(tmp_path, alphabet=""), Logger())
    assert not loader.batch(0).one_hot.any() and not loader.validation_data()[3].any()


def test_lines_are_drawn_from_the_density_that_the_network_predicts():
    model = make_model()
    lines = predict_lines(model, count=2, points=40, seed=3)
    assert [line.shape for line in lines] == [(40, 6)] * 2 and not np.array_equal(*lines)
    first = np.array([[[0, 0, model.config.first_pen]]], np.float32)
    out = model({"stroke_data": first, "char_seq": np.zeros([1, 1, 1], np.float32)})
    for strokes in lines:
        _, _, sigma1, sigma2, rho, _ = strokes[0]
        of_components = np.stack([out[name][0, 0] for name in ("sigma1", "sigma2", "rho")], axis=-1)  # [M, 3]
        assert np.abs(of_components - (sigma1, sigma2, rho)).max(axis=1).min() < 1e-5
        assert set(np.unique(strokes[:, 5])) <= {0, 1} and not strokes[0, :2].any()
    np.testing.assert_array_equal(lines[0], predict_lines(model, count=2, points=40, seed=3)[0])
    assert not np.array_equal(lines[0], predict_lines(model, count=2, points=40, seed=4)[0])


def test_a_biased_line_is_drawn_from_narrower_components():
    model = make_model()
    wide, narrow = (np.median(predict_lines(model, 3, 60, bias=b, seed=1)[0][:, 2]) for b in (0.0, 2.0))
    assert narrow < 0.5 * wide


def test_a_network_that_writes_texts_and_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="--unconditional"):
        predict_lines(HandwritingModel(SimpleNamespace(rnn_size=4, nmixtures=2, kmixtures=1, alphabet="ab")), 1)
    for wrong in ({"count": 0}, {"count": 1, "points": 0}, {"count": 1, "bias": -1}):
        with pytest.raises(ValueError):
            predict_lines(make_model(), **wrong)


def test_the_flag_trains_a_network_without_an_alphabet():
    assert train.parse_args(["--unconditional"]).alphabet == ""
    assert train.parse_args([]).alphabet


def test_the_window_learns_nothing_from_nothing():
    model, rng = make_model(), np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(2, 6, 3)), tf.float32)
    with tf.GradientTape() as tape:
        out = model({"stroke_data": x, "char_seq": tf.zeros([2, 1, 1])}, training=True)
        loss = tf.reduce_sum(out["mu1"] ** 2)
    kernel, attention = tape.gradient(loss, [model.lstm0.kernel, model.attention_layer.kernel])
    assert np.abs(kernel[:3]).max() > 0 and not np.abs(kernel[3]).max()
    assert attention is None or not np.abs(attention).max()
