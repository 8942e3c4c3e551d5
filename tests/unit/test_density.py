"""scribe/network/density.py against the same formulas in NumPy, in double precision and without logarithms."""

import math

import numpy as np
import pytest

from scribe.network.config import LOG_SIGMA_MAX, LOG_SIGMA_MIN, RHO_MAX
from scribe.network.density import log_density, loss_sum_and_count, split_head

import tensorflow as tf  # isort: skip

M = 3
NAMES = ("mu1", "mu2", "sigma1", "sigma2", "rho")


def head(*shape, seed=0, spread=1.0):
    return np.random.default_rng(seed).normal(0, spread, [*shape, 1 + 6 * M]).astype(np.float32)


def expected_split(y, bias=0.0):
    """Eq. 18-22 and 61-62 as they stand in the paper."""
    y = y.astype(np.float64)
    eos, (pi, mu1, mu2, sigma1, sigma2, rho) = y[..., :1], np.moveaxis(y[..., 1:].reshape(*y.shape[:-1], 6, M), -2, 0)
    weights = np.exp(pi * (1 + bias))
    return {
        "eos": 1 / (1 + np.exp(-eos)),
        "pi": weights / weights.sum(axis=-1, keepdims=True),
        "mu1": mu1,
        "mu2": mu2,
        "sigma1": np.exp(sigma1 - bias),
        "sigma2": np.exp(sigma2 - bias),
        "rho": np.tanh(rho),
    }


def normal(x1, x2, mu1, mu2, sigma1, sigma2, rho):
    """Eq. 24-25."""
    z = ((x1 - mu1) / sigma1) ** 2 + ((x2 - mu2) / sigma2) ** 2
    z -= 2 * rho * (x1 - mu1) * (x2 - mu2) / (sigma1 * sigma2)
    return np.exp(-z / (2 * (1 - rho**2))) / (2 * math.pi * sigma1 * sigma2 * np.sqrt(1 - rho**2))


@pytest.mark.parametrize("bias", [0.0, 0.7, [[0.0], [2.0]]])
def test_the_head_is_split_as_in_the_paper(bias):
    y, bias = head(2), np.array(bias)
    out = split_head(y, M, bias.astype(np.float32))
    expected = expected_split(y, bias)
    assert out.keys() - expected.keys() == {"eos_hat", "pi_hat", "sigma1_hat", "sigma2_hat"}
    for name, value in expected.items():
        np.testing.assert_allclose(out[name], value, rtol=1e-5, atol=1e-7, err_msg=name)
    raw = np.split(y, [1, 1 + M, 1 + 2 * M, 1 + 3 * M, 1 + 4 * M, 1 + 5 * M], axis=-1)
    for name, value in zip(("eos_hat", "pi_hat", "sigma1_hat", "sigma2_hat"), (raw[0], raw[1], raw[4], raw[5])):
        np.testing.assert_array_equal(out[name], value)  # without the bias


def test_without_a_bias_the_density_is_the_one_that_was_learned():
    y = head(2)
    for name, value in expected_split(y).items():
        np.testing.assert_allclose(split_head(y, M)[name], value, rtol=1e-5, atol=1e-7, err_msg=name)


def test_the_head_is_bounded_where_float32_is_not():
    y = np.full([2, 1 + 6 * M], 50, np.float32) * [[1], [-1]]
    out = split_head(y.astype(np.float32), M)
    np.testing.assert_allclose(out["sigma1"], np.exp([[LOG_SIGMA_MAX] * M, [LOG_SIGMA_MIN] * M]), rtol=1e-5)
    np.testing.assert_allclose(out["sigma2"], np.exp([[LOG_SIGMA_MAX] * M, [LOG_SIGMA_MIN] * M]), rtol=1e-5)
    np.testing.assert_allclose(out["rho"], [[RHO_MAX] * M, [-RHO_MAX] * M], rtol=1e-7)


def test_the_density_is_the_mixture_of_normal_distributions():
    y, offsets = head(4, 5, spread=0.7), np.random.default_rng(1).normal(0, 1, [4, 5, 2]).astype(np.float32)
    parts = expected_split(y)
    x1, x2 = offsets[..., :1].astype(float), offsets[..., 1:].astype(float)
    expected = np.log((parts["pi"] * normal(x1, x2, *(parts[name] for name in NAMES))).sum(axis=-1))
    out = split_head(y, M)
    np.testing.assert_allclose(log_density(out, offsets), expected, rtol=1e-4, atol=1e-4)
    # A bias on the density that is drawn from changes nothing of the one that is learned.
    unbiased = {**split_head(y, M, 1.0), "rho": out["rho"]}
    np.testing.assert_allclose(log_density(unbiased, offsets), expected, rtol=1e-4, atol=1e-4)


def test_a_correlation_of_one_and_deviations_out_of_bounds_are_moved_to_the_bounds():
    """`log_density` also takes what did not come from `split_head`."""
    y = np.zeros([1, 1 + 6 * M], np.float32)
    out = {**split_head(y, M), "rho": tf.ones([1, M]), "sigma1_hat": tf.fill([1, M], 99.0)}
    bounded = {**out, "rho": tf.fill([1, M], RHO_MAX), "sigma1_hat": tf.fill([1, M], LOG_SIGMA_MAX)}
    offsets = np.array([[0.3, -0.2]], np.float32)
    assert np.isfinite(log_density(out, offsets)).all()
    np.testing.assert_array_equal(log_density(out, offsets), log_density(bounded, offsets))
    low = {**out, "rho": -tf.ones([1, M]), "sigma2_hat": tf.fill([1, M], -99.0)}
    bounded = {**low, "rho": tf.fill([1, M], -RHO_MAX), "sigma2_hat": tf.fill([1, M], LOG_SIGMA_MIN)}
    np.testing.assert_array_equal(log_density(low, offsets), log_density(bounded, offsets))


def test_far_away_the_density_falls_by_the_square_and_stays_finite():
    out = split_head(np.zeros([1, 1 + 6 * M], np.float32), M)
    for far in (1e3, 1e6):
        expected = -far * far / 2 - math.log(2 * math.pi)
        np.testing.assert_allclose(log_density(out, np.array([[far, 0]], np.float32)), [expected], rtol=1e-5)


def test_the_loss_is_summed_over_real_points_alone():
    y, rng = head(3, 4), np.random.default_rng(2)
    targets = rng.normal(0, 1, [3, 4, 3]).astype(np.float32)
    targets[..., 2] = rng.random([3, 4]) < 0.5
    out = split_head(y, M)
    eos = expected_split(y)["eos"][..., 0]
    lifts = -np.log(np.where(targets[..., 2] > 0, eos, 1 - eos))
    nats = lifts - log_density(out, targets[..., :2]).numpy()
    total, count = loss_sum_and_count(out, targets)
    assert count == 12 and count.dtype == tf.float32
    np.testing.assert_allclose(total, nats.sum(), rtol=1e-5)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
    total, count = loss_sum_and_count(out, targets, mask)
    assert count == 6
    np.testing.assert_allclose(total, (nats * mask).sum(), rtol=1e-5)
