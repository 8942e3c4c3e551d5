"""The hand-written gradients are those of the recurrences that the readable implementations run."""

import numpy as np
import pytest

from model import AttentionLSTMCell
from scribe.network.recurrent import attention_lstm_sequence, lstm_sequence, lstm_step, text_mask, window_step

import tensorflow as tf  # isort: skip

H, A, POINT = 5, 4, 3
LSTM_ARGUMENTS = ("inputs", "h0", "c0", "kernel", "recurrent_kernel", "bias")
ATTENTION_ARGUMENTS = (
    "inputs",
    "char_seq",
    "h0",
    "c0",
    "kappa0",
    "w0",
    "kernel",
    "recurrent_kernel",
    "bias",
    "attention_kernel",
    "attention_bias",
)


def lstm_arguments(T=6, B=2, width=3, dtype=tf.float64, seed=0, bias_per_line=False):
    rng = np.random.default_rng(seed)
    bias = (B, 4 * H) if bias_per_line else (4 * H,)
    shapes = [(T, B, width), (B, H), (B, H), (width, 4 * H), (H, 4 * H), bias]
    return [tf.constant(rng.normal(0, 0.7, shape), dtype) for shape in shapes]


def attention_arguments(T=6, B=3, U=5, K=1, dtype=tf.float64, seed=0, bias_per_line=False):
    """Arguments of `attention_lstm_sequence`; the texts have U, U - 1, ... characters."""
    rng = np.random.default_rng(seed)
    char_seq = np.eye(A)[rng.integers(0, A, (B, U))]
    for b in range(B):
        char_seq[b, max(1, U - b) :] = 0.0
    bias = (B, 4 * H) if bias_per_line else (4 * H,)
    shapes = [(T, B, POINT), None, (B, H), (B, H), (B, K), (B, A), (POINT + A, 4 * H), (H, 4 * H), bias, (H, 3 * K)]
    values = [char_seq if shape is None else rng.normal(0, 0.7, shape) for shape in shapes]
    # kappa moves by about half a character, so that the window crosses the whole text.
    return [tf.constant(v, dtype) for v in [*values, rng.normal(0, 0.3, 3 * K) - np.repeat([0.0, 0.5, 0.7], K)]]


def plain_lstm(inputs, h, c, kernel, recurrent_kernel, bias):
    """What `lstm_sequence` computes, as a loop for automatic differentiation."""
    outputs = []
    for x in tf.unstack(inputs):
        i, f, g, o = tf.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        outputs.append(h)
    return tf.stack(outputs), c


def plain_attention_lstm(inputs, char_seq, h, c, kappa, w, kernel, recurrent_kernel, bias, attention, attention_bias):
    """What `attention_lstm_sequence` computes, from the equations of the paper, for automatic differentiation."""
    K, position = kappa.shape[-1], tf.range(char_seq.shape[1], dtype=kappa.dtype)
    outputs = []
    for x in tf.unstack(inputs):
        i, f, g, o = tf.split(tf.concat([x, w], -1) @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        abk = tf.exp(h @ attention + attention_bias)
        alpha, beta, kappa = abk[:, :K], abk[:, K : 2 * K], kappa + abk[:, 2 * K :]
        phi = sum(
            alpha[:, k, None] * tf.exp(-beta[:, k, None] * tf.square(kappa[:, k, None] - position)) for k in range(K)
        )
        phi *= tf.cast(tf.reduce_any(char_seq != 0, -1), phi.dtype)
        w = tf.einsum("bu,bua->ba", phi, char_seq)
        outputs.append((h, w, phi, kappa))
    return [tf.stack(o) for o in zip(*outputs, strict=True)] + [c]


def gradients_of(function, arguments, arriving, which=None):
    """Gradients of every argument, when `arriving[i]` arrives at output i (all outputs, or only output `which`)."""
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = function(*arguments)
        chosen = range(len(outputs)) if which is None else [which]
        total = tf.add_n([tf.reduce_sum(outputs[i] * arriving[i]) for i in chosen])
    zero = tf.UnconnectedGradients.ZERO
    return [g.numpy() for g in tape.gradient(total, arguments, unconnected_gradients=zero)]


def arriving_at(outputs, seed=1):
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(size=o.shape), o.dtype) for o in outputs]


def assert_same(found, expected, names, tolerance=1e-9):
    for f, e, name in zip(found, expected, names, strict=True):
        assert f.shape == e.shape, name
        np.testing.assert_allclose(f, e, rtol=0, atol=tolerance * max(np.abs(e).max(), 1e-3), err_msg=name)


# ------------------------------------------------------------------------------------------------------------ gradients


@pytest.mark.smoke
def test_lstm_gradients_equal_automatic_differentiation():
    arguments = lstm_arguments()
    arriving = arriving_at(lstm_sequence(*arguments))
    expected = gradients_of(plain_lstm, arguments, arriving)
    assert all(np.abs(e).max() > 1e-3 for e in expected), "the check needs gradients that are not zero"
    assert_same(gradients_of(lstm_sequence, arguments, arriving), expected, LSTM_ARGUMENTS)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "sequence, plain, make, names",
    [
        (lstm_sequence, plain_lstm, lstm_arguments, LSTM_ARGUMENTS),
        (attention_lstm_sequence, plain_attention_lstm, attention_arguments, ATTENTION_ARGUMENTS),
    ],
)
def test_a_bias_for_each_line_has_a_gradient_for_each_line(sequence, plain, make, names):
    arguments = make(B=3, bias_per_line=True)
    arriving = arriving_at(sequence(*arguments))
    expected = gradients_of(plain, arguments, arriving)
    gradient = expected[names.index("bias")]
    assert gradient.shape == (3, 4 * H) and np.abs(np.diff(gradient, axis=0)).max() > 1e-2, "the lines have to differ"
    assert_same(gradients_of(sequence, arguments, arriving), expected, names)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "sequence, make, names",
    [
        (lstm_sequence, lstm_arguments, LSTM_ARGUMENTS),
        (attention_lstm_sequence, attention_arguments, ATTENTION_ARGUMENTS),
    ],
)
def test_rounded_products_give_nearly_the_same_outputs_and_gradients_in_the_type_of_the_inputs(sequence, make, names):
    """bfloat16 rounds by up to one part in 256. Float64 inputs show that nothing but the products is rounded."""
    arguments = make(dtype=tf.float64)
    exact = sequence(*arguments)
    rounded = sequence(*arguments, products=tf.bfloat16)
    arriving = arriving_at(exact)
    expected = gradients_of(sequence, arguments, arriving)
    found = gradients_of(lambda *tensors: sequence(*tensors, products=tf.bfloat16), arguments, arriving)
    for f, e in zip([*rounded, *found], [*exact, *expected], strict=True):
        error, size = np.abs(f - e).max(), np.abs(e).max()
        assert f.dtype == tf.float64 and error < 0.04 * size, f"{error} of {size}"
    assert not np.array_equal(rounded[0], exact[0]), "nothing was rounded"


def test_rounded_products_are_as_differentiable_when_they_are_traced():
    arguments = attention_arguments(dtype=tf.float32)
    arriving = arriving_at(attention_lstm_sequence(*arguments))

    def rounded(*tensors):
        return attention_lstm_sequence(*tensors, products=tf.bfloat16)

    @tf.function
    def traced():
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            total = tf.add_n([tf.reduce_sum(o * a) for o, a in zip(rounded(*arguments), arriving, strict=True)])
        return tape.gradient(total, arguments)

    expected = gradients_of(rounded, arguments, arriving)
    assert_same([g.numpy() for g in traced()], expected, ATTENTION_ARGUMENTS, tolerance=0.02)


@pytest.mark.parametrize("which", [0, 1])
def test_lstm_gradients_are_right_when_one_output_alone_is_used(which):
    arguments = lstm_arguments(seed=3)
    arriving = arriving_at(lstm_sequence(*arguments))
    expected = gradients_of(plain_lstm, arguments, arriving, which)
    assert_same(gradients_of(lstm_sequence, arguments, arriving, which), expected, LSTM_ARGUMENTS)


@pytest.mark.parametrize("K", [pytest.param(1, marks=pytest.mark.smoke), 3])
def test_attention_gradients_equal_automatic_differentiation(K):
    arguments = attention_arguments(K=K)
    arriving = arriving_at(attention_lstm_sequence(*arguments))
    expected = gradients_of(plain_attention_lstm, arguments, arriving)
    assert all(np.abs(e).max() > 1e-3 for e in expected), "the check needs gradients that are not zero"
    assert_same(gradients_of(attention_lstm_sequence, arguments, arriving), expected, ATTENTION_ARGUMENTS)


@pytest.mark.parametrize("which", range(5), ids=["h", "w", "phi", "kappa", "c_last"])
def test_attention_gradients_are_right_when_one_output_alone_is_used(which):
    arguments = attention_arguments(K=2, seed=5)
    arriving = arriving_at(attention_lstm_sequence(*arguments))
    expected = gradients_of(plain_attention_lstm, arguments, arriving, which)
    assert_same(gradients_of(attention_lstm_sequence, arguments, arriving, which), expected, ATTENTION_ARGUMENTS)


@pytest.mark.parametrize("K", [1, 3])
def test_attention_gradients_equal_those_of_the_keras_cell(K):
    inputs, char_seq, h0, c0, kappa0, w0, *weights = attention_arguments(K=K, seed=7)
    cell = AttentionLSTMCell(H, K, A, dtype="float64")
    variables = [cell.kernel, cell.recurrent_kernel, cell.bias, cell.attention.kernel, cell.attention.bias]
    for variable, value in zip(variables, weights, strict=True):
        variable.assign(value)
    layer = tf.keras.layers.RNN(cell, return_sequences=True, return_state=True, unroll=True, dtype="float64")
    x, initial = tf.transpose(inputs, [1, 0, 2]), [h0, c0, kappa0, w0]
    rng = np.random.default_rng(2)

    def total(h, w, kappa_last, c_last):
        return sum(tf.reduce_sum(v * a) for v, a in zip((h, w, kappa_last, c_last), arriving, strict=True))

    fast = attention_lstm_sequence(inputs, char_seq, h0, c0, kappa0, w0, *weights)
    arriving = [tf.constant(rng.normal(size=v.shape)) for v in (fast[0], fast[1], fast[3][-1], fast[4])]
    with tf.GradientTape() as tape:
        tape.watch([x, char_seq, *initial])
        cell.char_seq = char_seq
        y, h_last, c_last, kappa_last, w_last = layer(x, initial_state=initial)
        h, w = tf.split(tf.transpose(y, [1, 0, 2]), [H, A], axis=-1)
        loss = total(h, w, kappa_last, c_last)
    # `trainable_weights` of a layer are plain variables in every version of Keras, in the order they were made.
    expected = tape.gradient(loss, [x, char_seq, *initial, *cell.trainable_weights])
    expected = [tf.transpose(expected[0], [1, 0, 2]), *expected[1:]]

    arguments = [inputs, char_seq, h0, c0, kappa0, w0, *weights]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = attention_lstm_sequence(*arguments)
        loss = total(outputs[0], outputs[1], outputs[3][-1], outputs[4])
    found = tape.gradient(loss, arguments)
    assert_same([g.numpy() for g in found], [g.numpy() for g in expected], ATTENTION_ARGUMENTS)
    assert_same(
        [outputs[0][-1].numpy(), outputs[1][-1].numpy()], [h_last.numpy(), w_last.numpy()], ["h", "w"], tolerance=1e-12
    )


# -------------------------------------------------------------------------------------------------------------- outputs


@pytest.mark.smoke
def test_lstm_equals_the_keras_layer_with_the_same_weights():
    inputs, h0, c0, *weights = lstm_arguments(T=9, dtype=tf.float32)
    layer = tf.keras.layers.LSTM(H, return_sequences=True, return_state=True)
    layer.build((None, None, inputs.shape[-1]))
    layer.set_weights([w.numpy() for w in weights])
    expected, _, expected_c = layer(tf.transpose(inputs, [1, 0, 2]), initial_state=[h0, c0])
    h, c = lstm_sequence(inputs, h0, c0, *weights)
    np.testing.assert_allclose(tf.transpose(h, [1, 0, 2]), expected, atol=1e-5)
    np.testing.assert_allclose(c, expected_c, atol=1e-5)


def test_lstm_step_by_step_equals_the_whole_sequence():
    inputs, h, c, kernel, recurrent_kernel, bias = lstm_arguments(T=8, dtype=tf.float32)
    whole, c_last = lstm_sequence(inputs, h, c, kernel, recurrent_kernel, bias)
    for t in range(8):
        h, c, _ = lstm_step(inputs[t] @ kernel + h @ recurrent_kernel + bias, c)
        np.testing.assert_allclose(h, whole[t], atol=1e-5)
    np.testing.assert_allclose(c, c_last, atol=1e-5)


def test_attention_step_by_step_equals_the_whole_sequence():
    arguments = attention_arguments(T=8, K=3, dtype=tf.float32)
    inputs, char_seq, h, c, kappa, w, kernel, recurrent_kernel, bias, attention_kernel, attention_bias = arguments
    whole = attention_lstm_sequence(*arguments)
    for t in range(8):
        h, c, _ = lstm_step(tf.concat([inputs[t], w], -1) @ kernel + h @ recurrent_kernel + bias, c)
        w, phi, kappa = window_step(h @ attention_kernel + attention_bias, kappa, char_seq, text_mask(char_seq))
        for found, expected in zip(whole[:4], (h, w, phi, kappa), strict=True):
            np.testing.assert_allclose(found[t], expected, atol=1e-5)
    np.testing.assert_allclose(whole[4], c, atol=1e-5)


@pytest.mark.parametrize(
    "sequence, make", [(lstm_sequence, lstm_arguments), (attention_lstm_sequence, attention_arguments)]
)
def test_one_trace_with_unknown_batch_and_length_equals_eager_mode(sequence, make):
    """Also the gradients; several shapes go through one trace."""
    first = make(dtype=tf.float64)
    known = 6 if sequence is attention_lstm_sequence else 3  # weights have known sizes; sequences, texts and states not
    signature = [
        tf.TensorSpec([None] * (a.ndim - 1) + [a.shape[-1]] if i < known else a.shape, a.dtype)
        for i, a in enumerate(first)
    ]

    def values_and_gradients(*arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            outputs = sequence(*arguments)
            total = tf.add_n([tf.reduce_sum(tf.sin(o)) for o in outputs])
        return [*outputs, *tape.gradient(total, arguments)]

    traced = tf.function(values_and_gradients, input_signature=signature)
    for T, B in ((6, 2), (3, 4), (1, 1)):
        arguments = make(T=T, B=B, dtype=tf.float64)
        for found, expected in zip(traced(*arguments), values_and_gradients(*arguments), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    assert traced.experimental_get_tracing_count() == 1


def test_a_single_point_has_right_outputs_and_gradients():
    for sequence, plain, make, names in (
        (lstm_sequence, plain_lstm, lstm_arguments, LSTM_ARGUMENTS),
        (attention_lstm_sequence, plain_attention_lstm, attention_arguments, ATTENTION_ARGUMENTS),
    ):
        arguments = make(T=1)
        outputs = sequence(*arguments)
        assert_same([o.numpy() for o in outputs], [o.numpy() for o in plain(*arguments)], range(len(outputs)))
        arriving = arriving_at(outputs)
        assert_same(gradients_of(sequence, arguments, arriving), gradients_of(plain, arguments, arriving), names)


def test_padding_of_the_text_gets_no_weight_and_changes_nothing():
    arguments = attention_arguments(T=7, B=1, U=4, K=3)
    padded = list(arguments)
    padded[1] = tf.pad(arguments[1], [[0, 0], [0, 3], [0, 0]])
    arriving = arriving_at(attention_lstm_sequence(*arguments))
    h, w, phi, kappa, c = attention_lstm_sequence(*padded)
    assert np.all(phi.numpy()[..., 4:] == 0.0) and np.all(phi.numpy()[..., :4] > 0.0)
    for found, expected in zip((h, w, phi[..., :4], kappa, c), attention_lstm_sequence(*arguments), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    arriving[2] = tf.pad(arriving[2], [[0, 0], [0, 0], [0, 3]], constant_values=9.0)  # arrives at padding: no effect
    found = gradients_of(attention_lstm_sequence, padded, arriving)
    found[1] = found[1][:, :4]
    arriving[2] = arriving[2][..., :4]
    assert_same(found, gradients_of(attention_lstm_sequence, arguments, arriving), ATTENTION_ARGUMENTS)


def test_the_unknown_character_is_not_padding():
    char_seq = np.zeros((1, 3, A), np.float32)
    char_seq[0, 0, 0] = char_seq[0, 1, 2] = 1.0
    np.testing.assert_array_equal(text_mask(tf.constant(char_seq)), [[1.0, 1.0, 0.0]])


def test_kappa_never_decreases_over_a_sequence():
    _, _, _, kappa, _ = attention_lstm_sequence(*attention_arguments(T=30, K=3))
    assert np.all(np.diff(kappa.numpy(), axis=0) > 0)


def test_kappa_zero_points_at_the_first_character():
    char_seq = tf.eye(A, dtype=tf.float64)[None]  # character u is one-hot u
    abk_hat = tf.constant([[0.0, 3.0, -40.0]], tf.float64)  # a narrow window that does not move
    for position in range(A):
        w, phi, kappa = window_step(
            abk_hat, tf.constant([[float(position)]], tf.float64), char_seq, text_mask(char_seq)
        )
        assert np.argmax(phi[0]) == position and np.argmax(w[0]) == position
        np.testing.assert_allclose(phi[0, position], 1.0)
        np.testing.assert_allclose(kappa, [[position]], atol=1e-12)
