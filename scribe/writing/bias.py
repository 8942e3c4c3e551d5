"""The bias rule: what a bias does to the density that the next pen point is drawn from."""

from scribe.network.density import split_head
from scribe.network.tf_setup import tf

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
        [B, 6]: dx, dy, sigma1, sigma2, rho of the component that was drawn, pen lift (0 or 1).
    """
    normal1, normal2, for_component, for_pen = tf.split(noise, 4, axis=-1)  # [B, 1] each
    parts = tf.reshape(y[:, 1:], [-1, 6, nmixtures])  # [B, 6, M]
    learned = tf.nn.softmax(parts[:, 0])
    favour = (COMPONENT_BIAS + (STROKE_BIAS - COMPONENT_BIAS) * begins) * tf.minimum(bias, MAX_COMPONENT_BIAS)
    sharp = tf.nn.softmax(parts[:, 0] * (1.0 + favour))
    # What moves and what rests, each with its learned probability, shared out within it in favour of the likely.
    square = tf.reduce_sum(tf.square(tf.concat([parts[:, 1:3], tf.exp(parts[:, 3:5])], axis=1)), axis=1)  # [B, M]
    rests = tf.cast(square < resting * resting, y.dtype)
    groups = tf.stack([1.0 - rests, rests], axis=1)  # [B, 2, M]
    odds = tf.stack([tf.ones_like(bias), tf.exp(-REST_BIAS * bias)], axis=1)  # [B, 2, 1]
    probability = tf.reduce_sum(learned[:, None] * groups, axis=-1, keepdims=True) * odds
    within = sharp[:, None] * groups
    shares = tf.math.divide_no_nan(within, tf.reduce_sum(within, axis=-1, keepdims=True))
    weights = tf.reduce_sum(shares * probability, axis=1)  # [B, M]
    # The component whose share of the sum holds the number.
    cumulated = tf.cumsum(weights, axis=-1)
    index = tf.reduce_sum(tf.cast(cumulated <= for_component * cumulated[:, -1:], tf.int32), axis=-1)
    chosen = tf.one_hot(tf.minimum(index, nmixtures - 1), nmixtures, dtype=y.dtype)
    # What is left is a mixture of one component.
    lift_logit = y[:, :1] * (1.0 + inside * tf.maximum(bias - LIFT_BIAS_FROM, 0.0))
    one = tf.concat([lift_logit, tf.reduce_sum(parts * chosen[:, None, :], axis=-1)], axis=-1)  # [B, 7]
    density = split_head(one, 1, bias)
    mu1, mu2, sigma1, sigma2, rho = (density[name] for name in ("mu1", "mu2", "sigma1", "sigma2", "rho"))  # [B, 1]
    dx = mu1 + sigma1 * normal1
    dy = mu2 + sigma2 * (rho * normal1 + tf.sqrt(1.0 - rho * rho) * normal2)
    lift = tf.cast(for_pen < density["eos"], y.dtype)
    return tf.concat([dx, dy, sigma1, sigma2, rho, lift], axis=-1)
