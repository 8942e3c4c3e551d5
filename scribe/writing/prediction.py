"""Lines of a prediction network, which knows no text: strokes that look like handwriting (section 4 of the paper).

    from model import load_model
    from scribe.writing.prediction import predict_lines
    lines = predict_lines(load_model("saved/prediction/checkpoint"), count=5, points=700, seed=1)

A prediction network is a HandwritingModel with an empty alphabet. It never sees a character, so its window is zero, and
what is left are three LSTMs with skip connections from the pen point to each, and from each to the density.
"""

import numpy as np
from numpy.typing import NDArray

from scribe.network.config import POINT_SIZE
from scribe.network.tf_setup import tf
from scribe.writing.bias import RESTING, draw_point

POINTS = 700  # of a line, as in figure 11


def predict_lines(
    model, count: int, points: int = POINTS, bias: float = 0.0, seed: int = 0
) -> list[NDArray[np.float32]]:
    """Writes lines of a prediction network, point after point.

    Args:
        model: a HandwritingModel whose alphabet is empty. count: lines. points: of each; nothing ends a line earlier.
        bias: 0 as learned, higher is neater. seed: the same seed writes the same lines.

    Returns:
        for each line float32 [points, 6], as the strokes of `scribe.writing.lines.Line`.

    Raises:
        ValueError: the model wants a text, or an argument is out of range.
    """
    if model.alphabet:
        raise ValueError("this network writes texts: a prediction network is trained with train.py --unconditional.")
    if count < 1 or points < 1 or not 0 <= bias < np.inf:
        raise ValueError(f"count {count} and points {points} have to be 1 or more, and bias {bias} 0 or more.")
    random = np.random.default_rng(seed)
    noise = np.concatenate([random.standard_normal([points, count, 2]), random.random([points, count, 2])], axis=-1)
    written = _write(model, tf.constant(noise, tf.float32), tf.constant(bias, tf.float32)).numpy()  # [T, B, 6]
    written[0, :, :2] = 0.0  # the line starts at the origin
    written[:, :, :2] = np.cumsum(written[:, :, :2], axis=0)
    return list(written.swapaxes(0, 1))


@tf.function(reduce_retracing=True)
def _write(model, noise, bias):
    """noise [T, B, 4] -> the points as `draw_point` returns them, [T, B, 6]."""
    T, B = tf.shape(noise)[0], noise.shape[1]
    weights, resting = model.step_weights(), RESTING / model.config.data_scale
    no_text, no_mask = tf.zeros([B, 1, model.char_vec_len]), tf.zeros([B, 1])
    first = tf.tile(tf.constant([[0.0, 0.0, float(model.config.first_pen)]]), [B, 1])

    def body(t, x, state, points):
        y, _, state = model.step(x, no_text, no_mask, state, weights)
        drawn = draw_point(y, model.nmixtures, tf.fill([B, 1], bias), noise[t], resting, begins=x[:, 2:])
        return t + 1, tf.stack([drawn[:, 0], drawn[:, 1], drawn[:, 5]], axis=-1), state, points.write(t, drawn)

    points = tf.TensorArray(tf.float32, size=T, element_shape=[B, 2 * POINT_SIZE])
    *_, points = tf.while_loop(lambda t, *_: t < T, body, (0, first, model.zero_state(B), points))
    return points.stack()
