"""Adaptive weight noise against its equations (Graves 2011), and what it does to a problem whose answer is known."""

import numpy as np
import pytest

import train
from model import HandwritingModel
from scribe.ink.batch import Batch, network_arrays
from scribe.training.run_state import WeightAverage
from scribe.training.weight_noise import AdaptiveWeightNoise

import tensorflow as tf  # isort: skip

SHAPES = [(3, 4), (5,), (2, 2)]
TRAIN = ["--rnn_size", "6", "--nmixtures", "2", "--alphabet", "abc", "--weight_noise", "adaptive"]


def weight(value):
    layer = tf.keras.layers.Layer()
    return layer.add_weight(name="w", shape=np.shape(value), initializer=tf.constant_initializer(value))


def make_noise(batches=10, seed=0, deviation=0.1):
    rng = np.random.default_rng(seed)
    variables = [weight(rng.normal(0.3, 1, shape)) for shape in SHAPES]
    noise = AdaptiveWeightNoise(variables, deviation, batches)
    for log_sigma in noise.log_sigma:
        log_sigma.assign(rng.normal(-2, 0.5, log_sigma.shape))
    return noise


def flat(values):
    return np.concatenate([np.ravel(v) for v in values]).astype(float)


def numbers(noise):
    return flat(noise.variables), np.exp(flat(noise.log_sigma))


def complexity(mu, sigma, m, s2):
    """L_C, eq. 11 of the paper, for a prior that is given."""
    return np.sum(np.log(np.sqrt(s2) / sigma) + ((mu - m) ** 2 + sigma**2 - s2) / (2 * s2))


def test_the_complexity_is_that_of_the_paper_and_the_prior_makes_it_smallest():
    noise = make_noise()
    mu, sigma = numbers(noise)
    m, s2 = (float(v) for v in noise.prior())
    assert m == pytest.approx(mu.mean(), rel=1e-5) and s2 == pytest.approx(np.mean(sigma**2 + (mu - m) ** 2), rel=1e-5)
    least = complexity(mu, sigma, m, s2)
    assert float(noise.complexity()) == pytest.approx(least, rel=1e-5)
    for dm, ds in ((0.05, 1.0), (-0.05, 1.0), (0.0, 1.1), (0.0, 0.9)):
        assert complexity(mu, sigma, m + dm, s2 * ds) > least


def test_without_data_the_gradients_are_the_derivatives_of_the_complexity():
    noise, batches, scale = make_noise(batches=7), 7, 20.0
    of_means, of_log_sigma = noise.gradients([tf.zeros(shape) for shape in SHAPES], scale)
    with tf.GradientTape() as tape:
        value = noise.complexity()
    expected = tape.gradient(value, [*noise.variables, *noise.log_sigma])
    np.testing.assert_allclose(flat([*of_means, *of_log_sigma]) * batches * scale, flat(expected), rtol=1e-4, atol=1e-4)


def test_with_data_the_gradients_are_those_of_the_paper():
    noise, N, points = make_noise(batches=4), 4, 30.0
    rng = np.random.default_rng(1)
    g = [rng.normal(size=shape) for shape in SHAPES]  # of the loss of the batch, in nats
    of_means, of_log_sigma = noise.gradients([tf.constant(v / points, tf.float32) for v in g], points)
    mu, sigma = numbers(noise)
    m, s2 = (float(v) for v in noise.prior())
    of_mu = flat(g) + (mu - m) / (s2 * N)
    of_sigma2 = flat(g) ** 2 / 2 + (1 / s2 - 1 / sigma**2) / (2 * N)
    np.testing.assert_allclose(flat(of_means) * points, of_mu, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(flat(of_log_sigma) * points, of_sigma2 * 2 * sigma**2, rtol=1e-4, atol=1e-5)


def test_weights_are_drawn_with_their_widths_and_are_their_means_again_afterwards():
    noise = make_noise()
    mu, sigma = numbers(noise)
    draws = []
    for seed in range(400):
        with noise.added([3, seed]):
            draws.append(flat(noise.variables))
        np.testing.assert_array_equal(flat(noise.variables), mu)
    z = (np.array(draws) - mu) / sigma
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02
    assert np.abs(np.corrcoef(z.T) - np.eye(len(mu))).max() < 0.25
    with noise.added([3, 5]):
        np.testing.assert_array_equal(flat(noise.variables), draws[5])


def test_the_width_becomes_that_of_the_posterior_where_that_is_known():
    """The mean of a normal distribution with deviation 1, seen n times, is known to 1 / sqrt(n)."""
    n, random = 400, np.random.default_rng(0)
    data = random.normal(2.0, 1.0, n).astype(np.float32)
    # The loss depends on the first weight; the others are free, and there for a prior that is about 1 wide.
    weights = weight(np.concatenate([[2.0], random.normal(0, 1, 50)]))
    noise = AdaptiveWeightNoise([weights], 0.2, batches=n)
    optimizer = tf.keras.optimizers.Adam(0.01, beta_2=0.98)
    optimizer.build(noise.log_sigma)

    @tf.function
    def step(x, seed):
        with noise.added(seed):
            with tf.GradientTape() as tape:
                loss = 0.5 * tf.square(x - tf.convert_to_tensor(weights)[0])
            gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, [weights])]
        _, of_widths = noise.gradients(gradients, 1.0)
        optimizer.apply_gradients(zip(of_widths, noise.log_sigma))

    widths = []
    for k in range(3 * n):
        step(tf.constant(data[k % n]), tf.constant([1, k]))
        widths.append(np.exp(np.asarray(noise.log_sigma[0])))
    seen, *free = np.median(widths[-n:], axis=0)
    assert 0.6 / np.sqrt(n) < seen < 1.8 / np.sqrt(n)
    assert min(free) > 5 * seen


def training_step(*flags):
    args = train.parse_args([*TRAIN, *flags])
    tf.keras.utils.set_random_seed(args.seed)
    model = HandwritingModel(args)
    optimizer, average = train.make_optimizer(args), WeightAverage(model.trainable_variables, args.ema)
    noise = AdaptiveWeightNoise(model.trainable_variables, args.noise_deviation, 5)
    function = train.make_train_step(model, optimizer, average, args.grad_clip, noise=noise)
    return model, noise, function


def random_batch(B=4, T=12, U=4):
    rng = np.random.default_rng(0)
    strokes = rng.normal(0, 1, (B, T + 1, 3)).astype(np.float32)
    strokes[..., 2] = strokes[..., 2] > 1
    one_hot = np.eye(4, dtype=np.float32)[rng.integers(1, 4, (B, U))]
    return network_arrays(Batch(strokes[:, :-1], strokes[:, 1:], np.ones((B, T), np.float32), ["abca"] * B, one_hot))


def test_a_training_step_moves_weights_and_widths_and_a_bad_batch_neither():
    model, noise, step = training_step("--noise_deviation", "0.05")
    batch, before, widths = random_batch(), flat(model.trainable_variables), flat(noise.log_sigma)
    *_, applied = step(*batch, 1e-3, 0, [0, 0])
    assert applied
    assert not np.array_equal(flat(model.trainable_variables), before)
    assert not np.array_equal(flat(noise.log_sigma), widths)
    before, widths = flat(model.trainable_variables), flat(noise.log_sigma)
    *_, applied = step(batch[0] * np.nan, *batch[1:], 1e-3, 1, [0, 1])
    assert not applied
    np.testing.assert_array_equal(flat(model.trainable_variables), before)
    np.testing.assert_array_equal(flat(noise.log_sigma), widths)


def test_a_wrong_start_is_wrong_usage(capsys):
    for value in ("0", "-1", "nan"):
        with pytest.raises(SystemExit) as exit:
            train.parse_args(["--noise_deviation", value])
        assert exit.value.code == 2 and "--noise_deviation" in capsys.readouterr().err
    assert train.parse_args([]).weight_noise == "none"
