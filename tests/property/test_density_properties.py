"""What has to hold for any output of the network: the density is one, and the window only moves forward."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scribe.network.density import log_density, split_head
from scribe.network.recurrent import text_mask, window_step

import tensorflow as tf  # isort: skip

anything = settings(max_examples=60, deadline=None)


def reals(low, high):
    return st.floats(low, high, width=32)


def heads(nmixtures, low=-3.0, high=3.0):
    return st.lists(reals(low, high), min_size=1 + 6 * nmixtures, max_size=1 + 6 * nmixtures)


def density_of(y, nmixtures, bias=0.0, dtype=tf.float64):
    return split_head(tf.constant([y], dtype), nmixtures, bias)


def components(out, offset):
    """Eq. 24-25 in float64: log pi_j and log N_j, each [M]."""
    pi, mu1, mu2, s1, s2, rho = (
        np.asarray(out[n], np.float64)[0] for n in ("pi", "mu1", "mu2", "sigma1", "sigma2", "rho")
    )
    d1, d2 = (offset[0] - mu1) / s1, (offset[1] - mu2) / s2
    Z = d1**2 + d2**2 - 2 * rho * d1 * d2
    log_n = -Z / (2 * (1 - rho**2)) - np.log(2 * np.pi * s1 * s2) - 0.5 * np.log(1 - rho**2)
    return np.log(pi), log_n


@settings(max_examples=15, deadline=None)
@given(heads(2, -1.0, 1.0))
def test_the_density_integrates_to_one(y):
    """With |mu| <= 1, 0.37 <= sigma <= 2.7, all but 1e-9 of it lies within 20."""
    out = density_of(y, 2)
    axis = np.linspace(-20, 20, 401)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    mass = (
        np.exp(log_density({k: v[:, None] for k, v in out.items()}, tf.constant(grid))).sum() * (axis[1] - axis[0]) ** 2
    )
    assert abs(mass - 1) < 1e-4


@pytest.mark.smoke
@anything
@given(heads(3), reals(-5, 5), reals(-5, 5))
def test_log_density_is_logsumexp_of_the_components(y, dx, dy):
    out = density_of(y, 3)
    log_pi, log_n = components(out, (dx, dy))
    expected = np.logaddexp.reduce(log_pi + log_n)
    np.testing.assert_allclose(log_density(out, tf.constant([[dx, dy]], tf.float64))[0], expected, rtol=1e-9, atol=1e-9)


@anything
@given(heads(2, -1e4, 1e4), reals(-1e6, 1e6), reals(-1e6, 1e6))
def test_the_density_of_any_head_anywhere_is_a_finite_number_with_a_finite_gradient(y, dx, dy):
    y = tf.constant([y], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(y)
        value = log_density(split_head(y, 2), tf.constant([[dx, dy]]))
    assert np.all(np.isfinite(value)) and np.all(np.isfinite(tape.gradient(value, y)))


@anything
@given(heads(4), reals(0.015625, 10))
def test_a_bias_sharpens(y, bias):
    """Eq. 61-62: deviations shrink by exp(-bias), the entropy of the component weights falls, nothing else moves."""
    plain, sharp = density_of(y, 4), density_of(y, 4, bias)
    for name in ("sigma1", "sigma2"):
        expected = np.maximum(plain[name] * np.exp(-bias), np.exp(-10.0))
        np.testing.assert_allclose(sharp[name], expected, rtol=1e-9)
        assert np.all(sharp[name] < plain[name])

    def entropy(pi):
        pi = pi.numpy()
        return -np.sum(pi * np.log(np.maximum(pi, 1e-300)))

    assert entropy(sharp["pi"]) <= entropy(plain["pi"]) + 1e-9
    if np.ptp(y[1:5]) > 1e-2:
        assert entropy(sharp["pi"]) < entropy(plain["pi"])
    for name in ("mu1", "mu2", "rho", "eos", "pi_hat", "sigma1_hat", "sigma2_hat"):
        np.testing.assert_array_equal(sharp[name], plain[name])


@anything
@given(heads(3))
def test_bias_zero_is_the_density_as_learned(y):
    plain = density_of(y, 3, dtype=tf.float32)
    raw = np.asarray(y, np.float32)
    np.testing.assert_allclose(plain["sigma1"][0], np.exp(raw[10:13]), rtol=1e-5)
    np.testing.assert_allclose(plain["pi"][0], np.exp(raw[1:4]) / np.exp(raw[1:4]).sum(), rtol=1e-5)
    for name, value in density_of(y, 3, 0.0, dtype=tf.float32).items():
        np.testing.assert_array_equal(value, plain[name])


@anything
@given(
    st.integers(1, 4).flatmap(
        lambda k: st.tuples(
            st.lists(reals(-50, 50), min_size=3 * k, max_size=3 * k), st.lists(reals(0, 100), min_size=k, max_size=k)
        )
    ),
    st.integers(1, 6),
    st.integers(0, 4),
)
def test_kappa_never_decreases_and_padding_never_has_weight(window, characters, padding):
    abk_hat, kappa = (tf.constant([v], tf.float32) for v in window)
    char_seq = tf.pad(tf.one_hot([[2] * characters], 4), [[0, 0], [0, padding], [0, 0]])
    w, phi, after = window_step(abk_hat, kappa, char_seq, text_mask(char_seq))
    assert np.all(after.numpy() >= kappa.numpy())
    assert np.all(phi.numpy() >= 0) and np.all(phi.numpy()[:, characters:] == 0)
    np.testing.assert_allclose(w[0, 2], phi.numpy().sum(), rtol=1e-5)
    assert np.all(w.numpy()[0, [0, 1, 3]] == 0)
