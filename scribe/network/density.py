"""The mixture density of the next pen point, and the loss that it gives (Graves, arXiv:1308.0850, eq. 17-26).

    from scribe.network.density import split_head, log_density
    out = split_head(y, nmixtures)            # y: what the last layer of the network returns
    nats = -log_density(out, offsets)

M components, each a normal distribution in the plane, say where the pen goes next; a Bernoulli distribution says
whether it lifts there. The likelihood is computed in log space throughout. The sampler draws from the same density,
with a bias rule of its own: scribe/writing/bias.py.
"""

import math

from scribe.network.config import LOG_SIGMA_MAX, LOG_SIGMA_MIN, RHO_MAX
from scribe.network.tf_setup import tf


def split_head(y, nmixtures, bias=0.0):
    """Turns the output of the head into the density of the next point (eq. 17-22).

    Args:
        y: [..., 1 + 6M]: pen lift, then M each of component weights, mu1, mu2, sigma1, sigma2, rho, all unbounded.
        nmixtures: M.
        bias: sharpens the density (eq. 61-62): 0 is the density as learned, 1 is clearly neater. A number or [..., 1].

    Returns:
        A dict with eos [..., 1], pi, mu1, mu2, sigma1, sigma2, rho [..., M], and the raw eos_hat, pi_hat, sigma1_hat,
        sigma2_hat (these without the bias). Lengths are in units of data_scale.
    """
    eos_hat, pi_hat, mu1, mu2, sigma1_hat, sigma2_hat, rho_hat = tf.split(y, [1] + [nmixtures] * 6, axis=-1)
    # The paper has 1 / (1 + exp(y)) in eq. 18; the sign is absorbed by the weights.
    return {
        "eos": tf.sigmoid(eos_hat),
        "pi": tf.nn.softmax(pi_hat * (1.0 + bias)),
        "mu1": mu1,
        "mu2": mu2,
        "sigma1": tf.exp(_clip_log_sigma(sigma1_hat - bias)),
        "sigma2": tf.exp(_clip_log_sigma(sigma2_hat - bias)),
        "rho": tf.clip_by_value(tf.tanh(rho_hat), -RHO_MAX, RHO_MAX),
        "eos_hat": eos_hat,
        "pi_hat": pi_hat,
        "sigma1_hat": sigma1_hat,
        "sigma2_hat": sigma2_hat,
    }


def _clip_log_sigma(log_sigma):
    return tf.clip_by_value(log_sigma, LOG_SIGMA_MIN, LOG_SIGMA_MAX)


def log_density(out, offsets):
    """log sum_j pi_j N(offset | mu_j, sigma_j, rho_j), eq. 23-25, never outside log space.

    Args:
        out: what the model returns; its pi_hat, mu1, mu2, sigma1_hat, sigma2_hat and rho [..., M] are used.
        offsets: [..., 2], in units of data_scale.

    Returns:
        [...], in nats.
    """
    log_pi = tf.nn.log_softmax(out["pi_hat"])
    log_sigma1, log_sigma2 = _clip_log_sigma(out["sigma1_hat"]), _clip_log_sigma(out["sigma2_hat"])
    z1 = (offsets[..., 0:1] - out["mu1"]) * tf.exp(-log_sigma1)
    z2 = (offsets[..., 1:2] - out["mu2"]) * tf.exp(-log_sigma2)
    rho = tf.clip_by_value(out["rho"], -RHO_MAX, RHO_MAX)
    one_minus_rho2 = (1.0 - rho) * (1.0 + rho)
    # Eq. 25 as a sum of two squares: no cancellation, so the exponent is never positive.
    exponent = -0.5 * (tf.square(z1 - rho * z2) / one_minus_rho2 + tf.square(z2))
    log_normal = exponent - math.log(2 * math.pi) - log_sigma1 - log_sigma2 - 0.5 * tf.math.log(one_minus_rho2)
    return tf.reduce_logsumexp(log_pi + log_normal, axis=-1)


def loss_sum_and_count(out, targets, mask=None):
    """The loss of eq. 26 as (sum over real points in nats, number of real points).

    Args:
        out: what the model returns for points x_1 .. x_T.
        targets: [B, T, 3], the points x_2 .. x_{T+1}.
        mask: [B, T], 1 for a real target and 0 for padding; None if all are real.
    """
    pen_lift = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets[..., 2], logits=out["eos_hat"][..., 0])
    nats = pen_lift - log_density(out, targets[..., :2])  # [B, T]
    if mask is None:
        return tf.reduce_sum(nats), tf.cast(tf.size(nats), nats.dtype)
    mask = tf.cast(mask, nats.dtype)
    return tf.reduce_sum(nats * mask), tf.reduce_sum(mask)
