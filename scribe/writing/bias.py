"""The bias rule: what a bias does to the density that the next pen point is drawn from. NumPy alone."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scribe.network.config import LOG_SIGMA_MAX, LOG_SIGMA_MIN, RHO_MAX

# A bias is asked for on a scale of its own: what makes writing even, and so unlike a person's, comes with small b of
# eq. 61-62 already. With a power above 1 there is room for these between 0 and 1.
PAPER_BIAS_OF_1, POWER = 0.25, 1.75
# What a b of eq. 61-62 does besides dividing the deviations by exp(b). The values were chosen by how a recogniser reads
# the lines, and how many are free of failures (docs/archive/RUNS.md).
MAX_COMPONENT_BIAS = 1.0  # likely components are favoured by min(b, MAX_COMPONENT_BIAS) times
COMPONENT_BIAS, STROKE_BIAS = 1.0, 3.0  # the first within a stroke, the second where a stroke begins
LIFT_BIAS_FROM = 1.0  # a larger bias also makes the pen lift where that is likely, and only there
RESTING = 3.0  # raw units: in IAM-OnDB one point in twenty moves by less, the median one by 24
TINY = 1e-30  # instead of a sum that is zero
REST_BIAS = 2.0  # the bias makes it exp(REST_BIAS b) times less likely that the pen rests


def paper_bias(bias: ArrayLike) -> NDArray[np.float32]:
    """The b of eq. 61-62 for a bias as it is asked for, a number or an array: 0.07 for 0.5, 0.25 for 1, 0.84 for 2."""
    return np.float32(PAPER_BIAS_OF_1) * np.asarray(bias, np.float32) ** np.float32(POWER)


def asked_bias(b: ArrayLike) -> NDArray[np.float32]:
    """The bias to ask for, so that `paper_bias` is b: a number or an array."""
    return (np.asarray(b, np.float32) / np.float32(PAPER_BIAS_OF_1)) ** np.float32(1 / POWER)


def draw_point(y, nmixtures, bias, noise, resting=0.0, begins=0.0, inside=0.0):
    """Draws the next pen point from the density (eq. 17-25, with the bias of eq. 61-62).

    What differs from eq. 62: a neat line must not stand still. In real handwriting one point in twenty hardly moves,
    and the component for it is narrow and, once the pen rests, the likeliest: if the bias favours it, the pen never
    moves on. So the bias chooses among the components that move, and the more of it there is, the less the pen rests.
    Where a stroke begins, the components are places as far apart as the next letter and the bar of a t; there the bias
    counts for more, since a stroke that begins between them is read as neither. A high bias also makes the pen lift
    where it is likely to and nowhere else; not at the end of the text, where a lift that does not come would leave a
    line without an end.

    Args:
        y: [B, 1 + 6M] output of the head. nmixtures: M. bias: [B, 1], that of the equations: see `paper_bias`.
        noise: [B, 4]: two standard normals for the offset, then two numbers uniform in [0, 1) for the component and the
            pen lift.
        resting: a component with a smaller root mean square of its offset is one of a pen that rests.
        begins: 1 where the pen was lifted before this point, else 0; a number or [B, 1].
        inside: 1 where the text goes on after this point, else 0; a number or [B, 1].

    Returns:
        float32 [B, 6]: dx, dy, sigma1, sigma2, rho of the component that was drawn, pen lift (0 or 1).
    """
    M = nmixtures
    pi_hat, mu1, mu2, sigma1_hat, sigma2_hat = (y[:, 1 + k * M : 1 + (k + 1) * M] for k in range(5))  # [B, M] each
    scores = pi_hat - pi_hat.max(axis=1, keepdims=True)
    favour = (COMPONENT_BIAS + (STROKE_BIAS - COMPONENT_BIAS) * begins) * np.minimum(bias, MAX_COMPONENT_BIAS)
    learned, sharp = np.exp(scores), np.exp(scores * (1.0 + favour))
    # What moves and what rests, each with its learned probability, shared out within it in favour of the likely.
    rests = mu1 * mu1 + mu2 * mu2 + np.exp(2 * sigma1_hat) + np.exp(2 * sigma2_hat) < resting * resting
    learned_rest, sharp_rest = ((shares * rests).sum(axis=1, keepdims=True) for shares in (learned, sharp))
    learned_move, sharp_move = learned.sum(axis=1, keepdims=True) - learned_rest, (sharp * ~rests).sum(1, keepdims=True)
    of_rest = learned_rest * np.exp(-REST_BIAS * bias) / np.maximum(sharp_rest, TINY)
    weights = sharp * np.where(rests, of_rest, np.maximum(learned_move, 0) / np.maximum(sharp_move, TINY))
    # The component whose share of the sum holds the number.
    cumulated = np.cumsum(weights, axis=1)
    index = (cumulated <= noise[:, 2:3] * cumulated[:, -1:]).sum(axis=1)
    chosen = y[:, 1:].reshape(-1, 6, M)[np.arange(len(y)), :, np.minimum(index, M - 1)]  # [B, 6]: of the one drawn
    sigma = np.exp(np.clip(chosen[:, 3:5] - bias, LOG_SIGMA_MIN, LOG_SIGMA_MAX))  # eq. 61
    rho = np.clip(np.tanh(chosen[:, 5:]), -RHO_MAX, RHO_MAX)
    dx = chosen[:, 1:2] + sigma[:, :1] * noise[:, :1]
    dy = chosen[:, 2:3] + sigma[:, 1:] * (rho * noise[:, :1] + np.sqrt(1.0 - rho * rho) * noise[:, 1:2])
    lift_logit = y[:, :1] * (1.0 + inside * np.maximum(bias - LIFT_BIAS_FROM, 0.0))
    lift = noise[:, 3:] < 0.5 + 0.5 * np.tanh(0.5 * lift_logit)
    return np.concatenate([dx, dy, sigma, rho, lift], axis=1, dtype=np.float32)
