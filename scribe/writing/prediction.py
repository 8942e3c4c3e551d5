"""Lines of a prediction network, which knows no text: strokes that look like handwriting (section 4 of the paper).

    from model import load_model
    from scribe.writing.prediction import predict_lines
    lines = predict_lines(load_model("saved/prediction/checkpoint"), count=5, points=700, seed=1)

A prediction network is a HandwritingModel with an empty alphabet. It never sees a character, so its window is zero, and
what is left are three LSTMs with skip connections from the pen point to each, and from each to the density.
"""

import numpy as np
from numpy.typing import NDArray

from scribe.network.blas import one_thread
from scribe.network.point_network import PointNetwork
from scribe.writing.bias import paper_bias
from scribe.writing.lines import MAX_POINTS
from scribe.writing.points import POINTS_OF_CALL, PointWriter
from scribe.writing.rows import LineText, take_rows

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
    if count < 1 or not 1 <= points <= MAX_POINTS or not 0 <= bias < np.inf:
        raise ValueError(
            f"count is {count}, points are {points}, bias is {bias}: count has to be 1 or more, points from 1 to "
            f"{MAX_POINTS}, bias 0 or more."
        )
    random = np.random.default_rng(seed)
    noise = np.concatenate([random.standard_normal([points, count, 2]), random.random([points, count, 2])], axis=-1)
    noise = np.pad(noise.astype(np.float32), [(0, -points % POINTS_OF_CALL), (0, 0), (0, 0)])
    network = PointNetwork(model)
    state, biases = network.begin(count), take_rows(network.biases(model.lstm_biases()), [0] * count)
    zero, no_place = np.zeros(count, np.float32), np.zeros([count, 1], np.float32)
    text = LineText(
        char_seq=np.zeros([count, 1, model.char_vec_len], np.float32), mask=no_place, past_end=no_place, biases=biases,
        bias=paper_bias(np.full([count, 1], bias)), passed_at=zero, limit=zero,
    )  # fmt: skip
    point = np.tile(np.array([0, 0, model.config.first_pen], np.float32), [count, 1])
    writer, parts = PointWriter(network, model), []
    with one_thread():
        for numbers in noise.reshape(-1, POINTS_OF_CALL, count, 4):
            writer.start(state, point, text, numbers)
            drawn = writer.drawn()
            state, point = drawn.network, drawn.points[-1][:, [0, 1, 5]]
            parts.append(drawn.points)
    written = np.concatenate(parts)[:points]
    written[0, :, :2] = 0.0  # the line starts at the origin
    written[:, :, :2] = np.cumsum(written[:, :, :2], axis=0)
    return list(written.swapaxes(0, 1))
