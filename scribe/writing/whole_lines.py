"""What is computed of whole lines that are already written, compiled once for all shapes of a model."""

import weakref

from scribe.network.config import POINT_SIZE
from scribe.network.density import loss_sum_and_count
from scribe.network.tf_setup import tf


class WholeLines:
    """A HandwritingModel that reads whole lines.

    Letters: B lines, T points, U characters, A alphabet + 1.

    Attributes:
        attend: (strokes [B, T, 3], char_seq [B, U, A]) -> the weights of the characters after each point, [B, T, U].
        loss: (x, y [B, T, 3], mask [B, T], char_seq [B, U, A]) -> nats per point.
    """

    def __init__(self, model):
        self._model = weakref.ref(model)  # so that the cache does not keep a model alive
        spec = tf.TensorSpec
        points, char_seq = spec([None, None, POINT_SIZE]), spec([None, None, model.char_vec_len])
        self.attend = tf.function(self._attend, input_signature=[points, char_seq])
        self.loss = tf.function(self._loss, input_signature=[points, points, spec([None, None]), char_seq])

    def _attend(self, strokes, char_seq):
        return self._model()({"stroke_data": strokes, "char_seq": char_seq})["phi"]

    def _loss(self, x, y, mask, char_seq):
        total, count = loss_sum_and_count(self._model()({"stroke_data": x, "char_seq": char_seq}), y, mask)
        return total / tf.maximum(count, 1.0)


_known: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def whole_lines(model) -> WholeLines:
    """The `WholeLines` of a model, made at the first call."""
    if model not in _known:
        _known[model] = WholeLines(model)
    return _known[model]
