"""The bias rule: what a bias does to the density that the next pen point is drawn from. NumPy alone."""

import numpy as np

from scribe.network.config import LOG_SIGMA_MAX, LOG_SIGMA_MIN, RHO_MAX

# What a bias of b does besides dividing the deviations by exp(b). The values were chosen by how a recogniser reads the
# lines, and how many are free of failures (docs/archive/RUNS.md).
MAX_COMPONENT_BIAS = 1.0  # likely components are favoured by min(b, MAX_COMPONENT_BIAS) times
COMPONENT_BIAS, STROKE_BIAS = 1.0, 3.0  # the first within a stroke, the second where a stroke begins
LIFT_BIAS_FROM = 1.0  # a larger bias also makes the pen lift where that is likely, and only there
RESTING = 3.0  # raw units: in IAM-OnDB one point in twenty moves by less, the median one by 24
REST_BIAS = 2.0  # the bias makes it exp(REST_BIAS b) times less likely that the pen rests


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
        y: [B, 1 + 6M] output of the head. nmixtures: M. bias: [B, 1].
        noise: [B, 4]: two standard normals for the offset, then two numbers uniform in [0, 1) for the component and the
            pen lift.
        resting: a component with a smaller root mean square of its offset is one of a pen that rests.
        begins: 1 where the pen was lifted before this point, else 0; a number or [B, 1].
        inside: 1 where the text goes on after this point, else 0; a number or [B, 1].

    Returns:
        float32 [B, 6]: dx, dy, sigma1, sigma2, rho of the component that was drawn, pen lift (0 or 1).
    """
    M = nmixtures
    parts = y[:, 1:].reshape(-1, 6, M)  # [B, 6, M]
    pi_hat, mu1, mu2, sigma1_hat, sigma2_hat, _ = parts.swapaxes(0, 1)  # [B, M] each
    favour = (COMPONENT_BIAS + (STROKE_BIAS - COMPONENT_BIAS) * begins) * np.minimum(bias, MAX_COMPONENT_BIAS)
    learned, sharp = _softmax(pi_hat), _softmax(pi_hat * (1.0 + favour))
    # What moves and what rests, each with its learned probability, shared out within it in favour of the likely.
    square = mu1 * mu1 + mu2 * mu2 + np.exp(2 * sigma1_hat) + np.exp(2 * sigma2_hat)
    rests = square < resting * resting
    weights = np.zeros_like(sharp)
    for group, odds in ((~rests, 1.0), (rests, np.exp(-REST_BIAS * bias))):
        within = sharp * group
        total = within.sum(axis=1, keepdims=True)
        probability = odds * (learned * group).sum(axis=1, keepdims=True)
        weights += within * np.divide(probability, total, out=np.zeros_like(total), where=total > 0)
    # The component whose share of the sum holds the number.
    cumulated = np.cumsum(weights, axis=1)
    index = (cumulated <= noise[:, 2:3] * cumulated[:, -1:]).sum(axis=1)
    chosen = parts[np.arange(len(y)), :, np.minimum(index, M - 1)]  # [B, 6]: of the component that was drawn
    sigma = np.exp(np.clip(chosen[:, 3:5] - bias, LOG_SIGMA_MIN, LOG_SIGMA_MAX))  # eq. 61
    rho = np.clip(np.tanh(chosen[:, 5:]), -RHO_MAX, RHO_MAX)
    dx = chosen[:, 1:2] + sigma[:, :1] * noise[:, :1]
    dy = chosen[:, 2:3] + sigma[:, 1:] * (rho * noise[:, :1] + np.sqrt(1.0 - rho * rho) * noise[:, 1:2])
    lift_logit = y[:, :1] * (1.0 + inside * np.maximum(bias - LIFT_BIAS_FROM, 0.0))
    lift = noise[:, 3:] < 0.5 + 0.5 * np.tanh(0.5 * lift_logit)
    return np.concatenate([dx, dy, sigma, rho, lift], axis=1, dtype=np.float32)


def _softmax(x):
    shares = np.exp(x - x.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)
