"""The sampler: writes many lines at once, point by point, in one compiled loop.

scribe/writing/lines.py prepares the lines and cuts what comes back into lines again; when a line ends is decided here.

Letters: N lines to write, B rows of the batch, T steps of the loop, U characters, A alphabet + 1, K window components,
M mixture components, H units of an LSTM, D numbers of a hand.

At every step the network turns the last point of each row into the density of the next one (`model.step`), `draw_point`
of scribe/writing/bias.py draws from it, and `_step` decides whether the line ends. A row whose line has ended goes on
with the next line of the queue, so that rows of short lines are not idle until the longest line has ended.
"""

import weakref
from typing import Any, NamedTuple

from scribe.network.config import POINT_SIZE
from scribe.network.density import loss_sum_and_count
from scribe.network.tf_setup import tf
from scribe.writing.bias import RESTING, draw_point

# -------------------------------------------------------------------------------------------- the loop over the points

# When a line ends, by the mean position of the window in characters; 0 is the last character. When the pen lifts for
# the last time in real lines, the attention has nearly always passed the last character by a tenth of its place, and in
# four of five lines by half of it. Where it has passed by half, the line ends; where by less, it ends if the pen would
# go on to the right of all ink: left of it are dots and crossings.
SURELY_PASSED, MAYBE_PASSED = 0.55, 0.1
INSIDE_BEFORE = -1.0  # up to here the text goes on
LATE_DOT = set("ij!:")  # as last characters: their dot may stand to the right of all ink; only SURELY_PASSED counts


class PreparedLines(NamedTuple):
    """N lines to write, as `Sampler.write` takes them."""

    char_seq: Any  # [N, U, A]: one-hot text, the style's text in front; padding is zero
    hand: Any  # [N, D]: the description of the hand, zero for any
    glyphs: Any  # [N, U, D]: those of the hand's characters
    length: Any  # int32 [N]: characters
    point: Any  # [N, 3]: the first input of the network
    bias: Any  # [N, 1]
    limit: Any  # int32 [N]: most points
    passed_at: Any  # [N]: position of the window after which a pen lift may be the last one


class _Text(NamedTuple):
    """What a row needs of its line at every step. Two places follow the last character: with a one-hot of zero they add
    nothing to the window, but their weights show how far the attention has passed the last character."""

    char_seq: tf.Tensor  # [B, U + 2, A + D]
    biases: Any  # of the LSTMs, three [B, 4H]: with what the hand adds
    mask: tf.Tensor  # [B, U + 2]: 1 for characters and the two places, 0 for padding
    past_end: tf.Tensor  # [B, U + 2]: number of the place, counted from the last character
    bias: tf.Tensor  # [B, 1]
    passed_at: tf.Tensor  # [B]: as in `PreparedLines`


class _Rows(NamedTuple):
    """How far the line of each row is."""

    line: tf.Tensor  # int32 [B]: which line the row writes; N: none is left
    i: tf.Tensor  # int32 [B]: points of the line so far
    state: tuple  # of the network, as `HandwritingModel.zero_state` returns it
    point: tf.Tensor  # [B, 3]: dx, dy, pen lift of the last point
    x: tf.Tensor  # [B]: where the pen is
    right: tf.Tensor  # [B]: the rightmost ink of the line
    may_end: tf.Tensor  # bool [B]: the last pen lift may have ended the line: it has if the pen goes on to the right


class _Queue(NamedTuple):
    """The lines that the rows take one after the other, the same in all steps. Line N stands for none."""

    rows: _Rows  # [N + 1, ...]: each line as it begins
    text: _Text  # [N + 1, ...]
    limit: tf.Tensor  # int32 [N + 1]
    noise: tf.Tensor  # [N, T, 4]: the random numbers of each point of each line


class _Written(NamedTuple):
    """What the loop has written: TensorArrays of T steps, from `Sampler.write` tensors with the axis T in front."""

    points: Any  # [B, 6]: as `draw_point` returns them
    phis: Any  # [B, U + 2]
    kappas: Any  # [B, K]
    line: Any  # int32 [B]: the line that the point belongs to; -1: none
    finished: Any  # int32 [B]: the line that has ended with this step; -1: none


class _Loop(NamedTuple):
    """The state of the loop."""

    t: tf.Tensor  # int32 []: steps so far
    waiting: tf.Tensor  # int32 []: the first line that no row has begun
    rows: _Rows
    text: _Text
    written: _Written


def _step(loop, queue, model, kernels):
    """Gives every row its next point, and rows whose line is done the next line."""
    rows, text = loop.rows, loop.text
    N = tf.shape(queue.noise)[0]
    weights = [(*kernels, bias) for kernels, bias in zip(kernels, text.biases, strict=True)]
    y, phi, state = model.step(rows.point, text.char_seq, text.mask, rows.state, weights)
    position = tf.reduce_sum(phi * text.past_end, -1) / tf.maximum(tf.reduce_sum(phi, -1), 1e-30)
    inside = tf.cast(position < INSIDE_BEFORE, tf.float32)[:, None]
    noise = tf.gather_nd(queue.noise, tf.stack([tf.minimum(rows.line, N - 1), rows.i], axis=-1))
    resting = RESTING / model.config.data_scale
    drawn = draw_point(y, model.nmixtures, text.bias, noise, resting, begins=rows.point[:, 2:], inside=inside)

    writes, lifts = rows.line < N, drawn[:, 5] > 0.5
    x = rows.x + drawn[:, 0]
    beyond = rows.may_end & (x > rows.right)  # begins a stroke to the right of the line, which has ended before it
    finished = writes & (beyond | lifts & (position > SURELY_PASSED))
    done = finished | writes & (rows.i + 1 >= tf.gather(queue.limit, rows.line))
    belongs_to = tf.where(beyond | ~writes, -1, rows.line)
    _, kappa, _ = state
    values = _Written(drawn, phi, kappa, line=belongs_to, finished=tf.where(finished, rows.line, -1))
    written = _Written(*(array.write(loop.t, value) for array, value in zip(loop.written, values, strict=True)))
    rows = _Rows(
        line=rows.line,
        i=tf.minimum(rows.i + 1, tf.shape(queue.noise)[1] - 1),  # rows without a line count on
        state=state,
        point=tf.stack([drawn[:, 0], drawn[:, 1], drawn[:, 5]], axis=-1),
        x=x,
        right=tf.maximum(rows.right, x),
        may_end=lifts & (position > text.passed_at),
    )
    waiting, rows, text = tf.cond(
        tf.reduce_any(done),
        lambda: _begin_lines(loop.waiting, rows, done, queue),
        lambda: (loop.waiting, rows, text),
    )
    return _Loop(loop.t + 1, waiting, rows, text, written)


def _begin_lines(waiting, rows, done, queue):
    """Lets the rows that are `done`, bool [B], go on with the lines that wait; returns waiting, rows, text."""
    N = tf.shape(queue.noise)[0]
    waiting_after = waiting + tf.cumsum(tf.cast(done, tf.int32))  # [B]
    line = tf.where(done, tf.minimum(waiting_after - 1, N), rows.line)
    rows = tf.nest.map_structure(
        lambda new, old: tf.where(done if new.shape.rank == 1 else done[:, None], new, old),
        _gather(queue.rows, line),
        rows,
    )
    return waiting_after[-1], rows, _gather(queue.text, line)


def _gather(nested, indices):
    return tf.nest.map_structure(lambda values: tf.gather(values, indices), nested)


def _make_queue(lines, states, noise, model):
    """The `_Queue` of `PreparedLines` that the network begins with `states`."""
    char_seq = tf.pad(model.text_with_glyphs(lines.char_seq, lines.glyphs), [[0, 0], [0, 2], [0, 0]])
    per_line = tf.zeros([tf.shape(lines.length)[0], 1])
    biases = tuple(bias + per_line for bias in model.lstm_biases(lines.hand))
    places = tf.range(tf.shape(char_seq)[1])
    mask = tf.cast(places < lines.length[:, None] + 2, tf.float32)  # [N, U + 2]
    past_end = tf.cast(places - lines.length[:, None] + 1, tf.float32)
    text = _Text(char_seq, biases, mask, past_end, lines.bias, lines.passed_at)
    text, states, point, limit = tf.nest.map_structure(
        lambda v: tf.concat([v, tf.zeros_like(v[:1])], axis=0), (text, states, lines.point, lines.limit)
    )
    zero = tf.zeros_like(limit, tf.float32)
    rows = _Rows(tf.range(tf.shape(limit)[0]), tf.zeros_like(limit), states, point, zero, zero, zero > 0)
    return _Queue(rows, text, limit, noise)


class Sampler:
    """What sampling computes with a model, compiled once for all shapes and used for every batch.

    Attributes:
        write: (PreparedLines, states as `HandwritingModel.zero_state`, noise [N, T, 4], number of rows) -> `_Written`.
        prime: (strokes [B, T, 3], char_seq [B, U, A], hand [B, D], glyphs [B, U, D], states) -> the states after these
            points.
        attend: (strokes [B, T, 3], char_seq [B, U, A]) -> the weights of the characters after each point, [B, T, U].
        loss: (x, y [B, T, 3], mask [B, T], char_seq [B, U, A]) -> nats per point.
    """

    def __init__(self, model):
        self._model = weakref.ref(model)  # so that the cache of samplers does not keep a model alive
        spec, H, K, A, D = tf.TensorSpec, model.rnn_size, model.kmixtures, model.char_vec_len, model.hand_size
        points, char_seq, column = spec([None, None, POINT_SIZE]), spec([None, None, A]), spec([None])
        counts = spec([None], tf.int32)
        hand, glyphs = spec([None, D]), spec([None, None, D])
        lines = PreparedLines(char_seq, hand, glyphs, counts, spec([None, POINT_SIZE]), spec([None, 1]), counts, column)
        states = tuple((spec([None, H]), spec([None, H])) for _ in range(3)), spec([None, K]), spec([None, A + D])
        self.write = tf.function(
            self._write, input_signature=[lines, states, spec([None, None, 4]), spec([], tf.int32)]
        )
        self.prime = tf.function(self._prime, input_signature=[points, char_seq, hand, glyphs, states])
        self.attend = tf.function(self._attend, input_signature=[points, char_seq])
        self.loss = tf.function(self._loss, input_signature=[points, points, spec([None, None]), char_seq])

    def _write(self, lines, states, noise, slots):
        model = self._model()
        kernels = [weights[:2] for weights in model.step_weights()]
        queue = _make_queue(lines, states, noise, model)
        N = tf.shape(noise)[0]
        first = tf.range(tf.minimum(slots, N))
        written = _Written(
            _array(tf.float32, 6), _array(tf.float32, None), _array(tf.float32, model.kmixtures),
            _array(tf.int32), _array(tf.int32),
        )  # fmt: skip
        loop = _Loop(0, tf.shape(first)[0], _gather(queue.rows, first), _gather(queue.text, first), written)
        (loop,) = tf.while_loop(
            lambda loop: tf.reduce_any(loop.rows.line < N),
            lambda loop: [_step(loop, queue, model, kernels)],
            [loop],
        )
        return _Written(*(array.stack() for array in loop.written))

    def _prime(self, strokes, char_seq, hand, glyphs, states):
        lstms, kappa, window = states
        before = {"states": lstms, "kappa": kappa[:, :, None], "window": window}
        told = {"char_seq": char_seq, "hand": hand, "glyphs": glyphs}
        out = self._model()({"stroke_data": strokes, **told, **before})
        return tuple(tuple(pair) for pair in out["states"]), out["kappa"][:, :, 0], out["window"]

    def _attend(self, strokes, char_seq):
        return self._model()({"stroke_data": strokes, "char_seq": char_seq})["phi"]

    def _loss(self, x, y, mask, char_seq):
        total, count = loss_sum_and_count(self._model()({"stroke_data": x, "char_seq": char_seq}), y, mask)
        return total / tf.maximum(count, 1.0)


def _array(dtype, *shape):
    """A TensorArray of [B, *shape] that grows."""
    return tf.TensorArray(dtype, 0, dynamic_size=True, element_shape=[None, *shape])


_samplers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def sampler_of(model) -> Sampler:
    """The sampler of a model, made at the first call."""
    if model not in _samplers:
        _samplers[model] = Sampler(model)
    return _samplers[model]
