"""The network: shapes, continuing, single steps, dropout; the mixture density and the loss."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest

from model import AttentionLSTMCell, HandwritingModel, compute_loss
from scribe.network import tf_setup
from scribe.network.config import RHO_MAX, ModelConfig
from scribe.network.density import log_density, loss_sum_and_count, split_head
from scribe.network.recurrent import text_mask

import tensorflow as tf  # isort: skip

B, T, U = 3, 7, 5
CONFIG = ModelConfig(rnn_size=6, nmixtures=3, kmixtures=2, alphabet="abc", tsteps_per_ascii=2.0)
M, H, A = CONFIG.nmixtures, CONFIG.rnn_size, 4


def make_model(seed=0, **changes):
    """A model whose weights are large enough that everything in it matters, the same in all versions of Keras."""
    args = SimpleNamespace(**{**dataclasses.asdict(CONFIG), **changes})
    model = HandwritingModel(args)
    rng = np.random.default_rng(seed)
    for v in model.trainable_variables:
        v.assign(rng.normal(0, 0.4, v.shape))
    return model


def make_inputs(T=T, seed=0, lengths=(5, 3, 1)):
    rng = np.random.default_rng(seed)
    strokes = rng.normal(0, 1, (len(lengths), T, 3)).astype(np.float32)
    strokes[..., 2] = strokes[..., 2] > 1
    one_hot = np.zeros((len(lengths), max(lengths), A), np.float32)
    for b, n in enumerate(lengths):
        one_hot[b, np.arange(n), rng.integers(0, A, n)] = 1.0
    return {"stroke_data": tf.constant(strokes), "char_seq": tf.constant(one_hot)}


def make_out(y, nmixtures=M):
    return split_head(tf.constant(y, tf.float32), nmixtures)


def flat(structure):
    return [np.asarray(v) for v in tf.nest.flatten(structure)]


# ---------------------------------------------------------------------------------------------------------- the network


@pytest.mark.smoke
@pytest.mark.parametrize("K", [1, 4])
def test_call_returns_what_the_interface_promises(K):
    out = make_model(kmixtures=K)(make_inputs())
    shapes = {name: tuple(out[name].shape) for name in out if name != "states"}
    per_component = dict.fromkeys(
        ["pi", "mu1", "mu2", "sigma1", "sigma2", "rho", "pi_hat", "sigma1_hat", "sigma2_hat"], (B, T, M)
    )
    assert shapes == per_component | {
        "eos": (B, T, 1),
        "eos_hat": (B, T, 1),
        "phi": (B, T, U),
        "kappa": (B, K, 1),
        "kappas": (B, T, K),
        "window": (B, A),
    }
    assert (
        isinstance(out["states"], list)
        and [tuple(s.shape for s in pair) for pair in out["states"]] == [((B, H),) * 2] * 3
    )
    np.testing.assert_allclose(tf.reduce_sum(out["pi"], -1), 1.0, atol=1e-6)
    assert np.all(out["sigma1"] > 0) and np.all(out["sigma2"] > 0) and np.all(np.abs(out["rho"]) < 1)
    assert np.all((out["eos"] >= 0) & (out["eos"] <= 1))
    np.testing.assert_array_equal(out["kappa"][..., 0], out["kappas"][:, -1])
    assert np.all(np.diff(out["kappas"], axis=1) > 0)


def test_the_model_offers_its_parts_and_sizes():
    model = make_model(kmixtures=4)
    assert [layer.units for layer in (model.lstm0, model.lstm1, model.lstm2)] == [H] * 3
    assert (model.rnn_size, model.nmixtures, model.kmixtures, model.char_vec_len) == (H, M, 4, A)
    assert model.attention_layer.kernel.shape == (H, 12) and model.mdn_layer.kernel.shape == (3 * H, 1 + 6 * M)


def test_every_weight_is_trained_once_and_gets_a_gradient():
    """Kernel, recurrent kernel and bias of three LSTMs, kernel and bias of attention and head: 13 variables."""
    model = make_model()
    assert len({id(v) for v in model.trainable_variables}) == len(model.trainable_variables) == 13
    inputs = make_inputs()
    with tf.GradientTape() as tape:
        loss = compute_loss(model(inputs, training=True), inputs["stroke_data"])
    for v, g in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        assert g is not None and np.abs(g).max() > 0, v.name


@pytest.mark.smoke
def test_a_line_in_two_parts_equals_the_whole_line():
    model, inputs = make_model(), make_inputs()
    whole = model(inputs)
    cut = 3
    first = model({**inputs, "stroke_data": inputs["stroke_data"][:, :cut]})
    carried = {name: first[name] for name in ("kappa", "window", "states")}
    second = model({**inputs, **carried, "stroke_data": inputs["stroke_data"][:, cut:]})
    for name in whole:
        if name in ("kappa", "window", "states"):
            continue
        np.testing.assert_allclose(np.concatenate([first[name], second[name]], 1), whole[name], atol=1e-5, err_msg=name)
    for name in ("kappa", "window", "states"):
        for found, expected in zip(flat(second[name]), flat(whole[name]), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=name)


@pytest.mark.smoke
@pytest.mark.parametrize("K", [1, 4])
def test_step_equals_call(K):
    model, inputs = make_model(kmixtures=K), make_inputs()
    whole = model(inputs)
    state, weights, mask = model.zero_state(B), model.step_weights(), text_mask(inputs["char_seq"])
    for t in range(T):
        y, phi, state = model.step(inputs["stroke_data"][:, t], inputs["char_seq"], mask, state, weights)
        np.testing.assert_allclose(phi, whole["phi"][:, t], atol=1e-5)
        for name, value in split_head(y, M).items():
            np.testing.assert_allclose(value, whole[name][:, t], atol=1e-5, err_msg=name)
    lstms, kappa, w = state
    for found, expected in zip(
        flat((lstms, kappa, w)), flat((whole["states"], whole["kappa"][..., 0], whole["window"])), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_keras_lstm_path_equals_the_fast_path_with_its_gradients():
    """What a GPU runs is what the CPU runs."""
    model, inputs = make_model(), make_inputs()
    inputs["states"] = make_model(seed=1)(inputs)["states"]
    results = []
    for use_keras in (False, True):
        model.use_keras_lstm = use_keras
        with tf.GradientTape() as tape:
            out = model(inputs, training=True)
            loss = compute_loss(out, inputs["stroke_data"])
        results.append((flat(out), [g.numpy() for g in tape.gradient(loss, model.trainable_variables)]))
    for fast, keras in zip(results[0], results[1], strict=True):
        for f, k in zip(fast, keras, strict=True):
            np.testing.assert_allclose(f, k, atol=1e-5)


def test_get_window_is_one_step_of_the_window_and_leaves_out_padding():
    model, inputs = make_model(), make_inputs()
    out = model({**inputs, "stroke_data": inputs["stroke_data"][:, :1]})
    window, phi, kappa = model.get_window(out["states"][0][0], tf.zeros([B, 2, 1]), inputs["char_seq"])
    assert (window.shape, phi.shape, kappa.shape) == ((B, A), (B, 1, U), (B, 2, 1))
    for found, name in ((window, "window"), (phi, "phi"), (kappa, "kappa")):
        np.testing.assert_allclose(found, out[name], atol=1e-6)
    assert np.all(phi.numpy()[1, 0, 3:] == 0) and np.all(phi.numpy()[2, 0, 1:] == 0) and np.all(phi.numpy()[0] > 0)
    longer = tf.pad(inputs["char_seq"], [[0, 0], [0, 4], [0, 0]])
    np.testing.assert_allclose(model.get_window(out["states"][0][0], tf.zeros([B, 2, 1]), longer)[0], window, atol=1e-6)


def test_the_attention_cell_in_a_keras_rnn_equals_the_model():
    model, inputs = make_model(), make_inputs()
    out = model(inputs)
    cell = AttentionLSTMCell(H, 2, A)
    pairs = [(cell, model.lstm0), (cell.attention, model.attention_layer)]
    for mine, theirs in pairs:
        for name in ("kernel", "recurrent_kernel", "bias"):
            if hasattr(mine, name):
                getattr(mine, name).assign(tf.convert_to_tensor(getattr(theirs, name)))
    cell.char_seq = inputs["char_seq"]
    y, h, c, kappa, w = tf.keras.layers.RNN(cell, return_sequences=True, return_state=True)(inputs["stroke_data"])
    assert y.shape == (B, T, H + A)
    for found, expected in (
        (y[:, -1, :H], h),
        (y[:, -1, H:], w),
        (h, out["states"][0][0]),
        (c, out["states"][0][1]),
        (kappa, out["kappa"][..., 0]),
        (w, out["window"]),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_attention_cell_without_a_text_says_what_to_set():
    with pytest.raises(ValueError, match="char_seq"):
        AttentionLSTMCell(H, 2, A).call(tf.zeros([1, 3]), [tf.zeros([1, n]) for n in (H, H, 2, A)])


def test_an_untrained_window_moves_at_the_speed_it_was_given():
    model = HandwritingModel(
        SimpleNamespace(rnn_size=8, nmixtures=1, kmixtures=3, alphabet="abc", tsteps_per_ascii=20.0)
    )
    _, _, kappa = model.get_window(tf.zeros([1, 8]), tf.zeros([1, 3, 1]), tf.eye(4)[None])
    np.testing.assert_allclose(kappa, 1 / 20, rtol=1e-5)


def test_padding_a_batch_changes_no_real_point():
    """Lines of different lengths in one batch give what each gives alone."""
    model, inputs = make_model(), make_inputs()
    points, characters = (7, 4, 2), (5, 3, 1)
    together = model(inputs)
    for b, (n, u) in enumerate(zip(points, characters, strict=True)):
        alone = model(
            {"stroke_data": inputs["stroke_data"][b : b + 1, :n], "char_seq": inputs["char_seq"][b : b + 1, :u]}
        )
        for name in ("eos", "pi", "mu1", "mu2", "sigma1", "sigma2", "rho", "kappas"):
            np.testing.assert_allclose(alone[name][0], together[name][b, :n], atol=1e-5, err_msg=name)
        np.testing.assert_allclose(alone["phi"][0], together["phi"][b, :n, :u], atol=1e-5)


def test_an_empty_slice_of_a_batch_has_loss_zero_and_gradient_zero():
    """A batch of fewer lines than slices leaves some without a line."""
    model = make_model()
    inputs = {"stroke_data": tf.zeros([0, 5, 3]), "char_seq": tf.zeros([0, 4, A])}
    with tf.GradientTape() as tape:
        total, count = loss_sum_and_count(model(inputs, training=True), tf.zeros([0, 5, 3]), tf.zeros([0, 5]))
    assert float(total) == float(count) == 0.0
    assert all(np.all(g.numpy() == 0) for g in tape.gradient(total, model.trainable_variables))


# ---------------------------------------------------------------------------------------------------------- ModelConfig


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"rnn_size": 0}, "rnn_size is 0"),
        ({"nmixtures": -1}, "nmixtures is -1"),
        ({"kmixtures": 0}, "kmixtures is 0"),
        ({"tsteps_per_ascii": 0}, "tsteps_per_ascii"),
        ({"data_scale": -1}, "data_scale"),
        ({"first_pen": 0.5}, "first_pen"),
        ({"data_scale": math.nan}, "data_scale"),
        ({"alphabet": "abca"}, "'a'"),
        ({"rnn_size": "400"}, "rnn_size"),
        ({"rnn_size": 8.5}, "rnn_size"),
        ({"alphabet": ["a", "b"]}, "alphabet"),
    ],
)
def test_a_config_that_describes_no_network_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**wrong)


def test_a_config_comes_from_any_object_and_defaults_fill_the_rest():
    config = ModelConfig.from_args(SimpleNamespace(rnn_size=7, alphabet="xy", kmixtures=None, something_else=1))
    assert config == ModelConfig(rnn_size=7, alphabet="xy") and ModelConfig.from_args(config) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.rnn_size = 8


# -------------------------------------------------------------------------------------------------------------- dropout


def test_dropout_is_repeatable_with_the_same_seed_and_another_with_another():
    model, inputs = make_model(dropout=0.5), make_inputs()

    def mu1(seed):
        return model({**inputs, "dropout_seed": tf.constant(seed)}, training=True)["mu1"].numpy()

    np.testing.assert_array_equal(mu1([3, 4]), mu1([3, 4]))
    assert np.abs(mu1([3, 4]) - mu1([3, 5])).max() > 1e-3
    without = [model(inputs, training=True)["mu1"].numpy() for _ in range(2)]
    assert np.abs(without[0] - without[1]).max() > 1e-3


def test_dropout_is_off_in_inference_and_at_keep_probability_one():
    inputs = make_inputs()
    expected = flat(make_model()(inputs))
    for model, training in ((make_model(dropout=0.3), False), (make_model(dropout=1.0), True)):
        for found, e in zip(flat(model(inputs, training=training)), expected, strict=True):
            np.testing.assert_array_equal(found, e)


def test_dropout_keeps_the_given_share_and_scales_it_to_the_same_mean():
    drop = make_model(dropout=0.8)._dropout(tf.constant([1, 2]), training=True)
    values = drop(tf.ones([50, 40, 20]), 0).numpy()
    assert set(np.unique(values)) == {np.float32(0.0), np.float32(1 / 0.8)}
    assert abs((values > 0).mean() - 0.8) < 0.01  # 40,000 draws: five standard deviations
    assert np.any(values != drop(tf.ones([50, 40, 20]), 1).numpy())  # every layer has its own mask


# ------------------------------------------------------------------------------------------------- density and the loss


def reference_nats(y, targets):
    """Eq. 17-26 in float64, as the paper writes them: the loss of every point."""
    y, targets = np.asarray(y, np.float64), np.asarray(targets, np.float64)
    nmixtures = (y.shape[-1] - 1) // 6
    eos = 1 / (1 + np.exp(-y[..., 0]))
    pi, mu1, mu2, s1, s2, rho = np.moveaxis(y[..., 1:].reshape(*y.shape[:-1], 6, nmixtures), -2, 0)
    pi, s1, s2, rho = np.exp(pi) / np.exp(pi).sum(-1, keepdims=True), np.exp(s1), np.exp(s2), np.tanh(rho)
    d1, d2 = (targets[..., 0:1] - mu1) / s1, (targets[..., 1:2] - mu2) / s2
    Z = d1**2 + d2**2 - 2 * rho * d1 * d2
    N = np.exp(-Z / (2 * (1 - rho**2))) / (2 * np.pi * s1 * s2 * np.sqrt(1 - rho**2))
    return -np.log((pi * N).sum(-1)) - np.log(np.where(targets[..., 2] == 1, eos, 1 - eos))


def random_head(nmixtures, seed=0):
    rng = np.random.default_rng(seed)
    y, targets = rng.normal(0, 1, (B, T, 1 + 6 * nmixtures)), rng.normal(0, 1, (B, T, 3))
    targets[..., 2] = targets[..., 2] > 0
    mask = (np.arange(T) < np.array([7, 4, 2])[:, None]).astype(np.float32)
    return y.astype(np.float32), targets.astype(np.float32), mask


@pytest.mark.smoke
@pytest.mark.parametrize("nmixtures", [1, 4])
def test_the_loss_equals_the_equations_of_the_paper(nmixtures):
    y, targets, mask = random_head(nmixtures)
    expected = reference_nats(y, targets)
    out = make_out(y, nmixtures)
    np.testing.assert_allclose(compute_loss(out, targets), expected.mean(), rtol=1e-5)
    np.testing.assert_allclose(compute_loss(out, targets, mask), (expected * mask).sum() / mask.sum(), rtol=1e-5)
    total, count = loss_sum_and_count(out, targets, mask)
    np.testing.assert_allclose([total, count], [(expected * mask).sum(), 13], rtol=1e-5)


def test_the_loss_is_in_nats_per_point():
    """A standard normal at its mean and a coin for the pen lift: log(2 pi) + log 2, however long the line is."""
    for points in (1, 10):
        out = make_out(np.zeros((1, points, 7)), 1)
        np.testing.assert_allclose(
            compute_loss(out, np.zeros((1, points, 3), np.float32)), math.log(4 * math.pi), rtol=1e-6
        )


def test_the_loss_of_nothing_but_padding_is_zero():
    y, targets, _ = random_head(M)
    assert float(compute_loss(make_out(y), targets, np.zeros((B, T), np.float32))) == 0.0


def test_what_stands_in_padding_changes_neither_loss_nor_gradient():
    y, targets, mask = random_head(M)

    def loss_and_gradient(targets):
        value = tf.constant(y)
        with tf.GradientTape() as tape:
            tape.watch(value)
            loss = compute_loss(split_head(value, M), targets, mask)
        return loss.numpy(), tape.gradient(loss, value).numpy()

    other = np.where(mask[..., None] > 0, targets, np.float32(77.0))
    other[..., 2] = np.where(mask > 0, targets[..., 2], 1.0)
    for found, expected in zip(loss_and_gradient(other), loss_and_gradient(targets), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert np.all(loss_and_gradient(targets)[1][mask == 0] == 0)


def test_the_loss_of_a_padded_batch_equals_that_of_its_lines():
    model, inputs = make_model(), make_inputs()
    targets, points, characters = np.asarray(make_inputs(seed=8)["stroke_data"]), (7, 4, 2), (5, 3, 1)
    mask = (np.arange(T) < np.array(points)[:, None]).astype(np.float32)
    total, count = loss_sum_and_count(model(inputs), targets, mask)
    alone = [
        loss_sum_and_count(
            model({"stroke_data": inputs["stroke_data"][b : b + 1, :n], "char_seq": inputs["char_seq"][b : b + 1, :u]}),
            targets[b : b + 1, :n],
        )
        for b, (n, u) in enumerate(zip(points, characters, strict=True))
    ]
    np.testing.assert_allclose(total, sum(float(t) for t, _ in alone), rtol=1e-5)
    assert float(count) == sum(float(c) for _, c in alone) == sum(points)


def _head(**raw):
    """One point of a head of two components; what is not named is 0."""
    order = ["eos", "pi", "mu1", "mu2", "sigma1", "sigma2", "rho"]
    return np.concatenate([np.broadcast_to(np.float32(raw.get(n, 0.0)), [1 if n == "eos" else 2]) for n in order])[
        None, None
    ]


@pytest.mark.smoke
@pytest.mark.parametrize(
    "raw, offset",
    [
        ({}, 1e6),
        ({"sigma1": -1e4, "sigma2": -1e4, "rho": 50.0}, 1e6),
        ({"sigma1": -1e4, "sigma2": -1e4, "rho": -50.0}, 1e6),
        ({"sigma1": -1e4, "sigma2": -1e4}, 0.0),
        ({"sigma1": 1e4, "sigma2": 1e4, "rho": 50.0}, 1.0),
        ({"sigma1": 1e4, "sigma2": -1e4}, 1e6),
        ({"rho": [1e4, -1e4]}, 3.0),
        ({"pi": [1e4, -1e4], "eos": 1e4}, 1.0),
        ({"pi": [-1e4, 1e4], "eos": -1e4}, 1.0),
        ({"mu1": [1e6, -1e6], "mu2": 1e6}, -1e6),
    ],
)
def test_extreme_values_give_a_finite_loss_and_finite_gradients(raw, offset):
    for lift in (0.0, 1.0):
        y, targets = tf.constant(_head(**raw)), np.array([[[offset, -offset, lift]]], np.float32)
        with tf.GradientTape() as tape:
            tape.watch(y)
            loss = compute_loss(split_head(y, 2), targets)
        assert np.isfinite(loss) and np.all(np.isfinite(tape.gradient(loss, y)))


def test_a_far_target_still_pulls_the_mean_towards_it():
    """A density with a floor, log(p + epsilon), has no gradient there."""
    y = tf.constant(_head())
    with tf.GradientTape() as tape:
        tape.watch(y)
        loss = compute_loss(split_head(y, 2), np.array([[[1e3, 0, 0]]], np.float32))
    mu1 = tape.gradient(loss, y).numpy()[0, 0, 3:5]
    np.testing.assert_allclose(mu1, -500.0, rtol=1e-5)  # each of two equal components takes half of z / sigma


def test_correlation_one_from_outside_stays_inside_the_bound():
    out = dict(make_out(_head(), 2))
    for rho in (1.0, -1.0):
        out["rho"] = tf.fill([1, 1, 2], rho)
        assert np.all(np.isfinite(log_density(out, tf.ones([1, 1, 2]))))
    assert np.all(np.abs(make_out(_head(rho=1e4), 2)["rho"]) <= np.float32(RHO_MAX))


def test_dropout_of_neighbouring_steps_and_layers_shares_no_noise():
    """Seeds were once added up: layer 1 of a step had the mask of layer 0 of the step after."""
    model = HandwritingModel(SimpleNamespace(rnn_size=64, nmixtures=1, kmixtures=1, alphabet="ab", dropout=0.5))
    ones = tf.ones([5, 2, 64])
    masks = {
        (step, layer): model._dropout(tf.constant([0, step]), True)(ones, layer).numpy()
        for step in range(3)
        for layer in range(3)
    }
    for a in masks:
        for b in masks:
            assert a == b or not np.array_equal(masks[a], masks[b])


def test_tensorflow_is_set_up_where_stderr_is_closed(monkeypatch):
    """OSError: [Errno 9] Bad file descriptor."""

    def nothing_there(number):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(tf_setup.os, "dup", nothing_there)
    with tf_setup._without_stderr():
        pass
