"""The recurrences: one time step, and a whole sequence with a hand-written gradient.

This file is where training gets its speed. Automatic differentiation of a time loop adds one (inputs x 4H) outer
product into the weight gradient at every step. Here, nothing that can leave the loop stays in it:

    before the loop    all inputs are projected in one matrix product
    in the loop        one product with the recurrent kernel, and the gates
    after the loop     one matrix product for each weight gradient

Tensors are time-major here: T pen points, B batch, I inputs, H units, U characters, A alphabet + 1, K window
components. LSTM weights have the layout of `tf.keras.layers.LSTM`: kernel [I, 4H], recurrent_kernel [H, 4H], bias [4H],
gates in the order i, f, c, o (input, forget, cell candidate, output). Equation numbers are those of Graves,
arXiv:1308.0850. In the names, `dx` is the gradient of the loss with respect to x.

The large products may have bfloat16 factors, which some processors multiply several times as fast; the kernels are then
rounded once, before the loop. All else keeps the type of the inputs: the states, the gates, the attention, what is
summed over time, the gradients that leave. See scribe/network/precision.py.
"""

from scribe.network.tf_setup import tf

# ------------------------------------------------------------------------------------------------ one time step


def lstm_step(z, c):
    """One LSTM step, given the sum of all products (eq. 7-11, without peepholes).

    Args:
        z: [B, 4H] pre-activations of the gates i, f, c, o.
        c: [B, H] cell state before the step.

    Returns:
        h [B, H], c [B, H] after the step, and the activated gates [B, 4H], which the backward pass needs.
    """
    z_i, z_f, z_g, z_o = tf.split(z, 4, axis=-1)
    i, f, g, o = tf.sigmoid(z_i), tf.sigmoid(z_f), tf.tanh(z_g), tf.sigmoid(z_o)
    c = f * c + i * g
    return o * tf.tanh(c), c, tf.concat([i, f, g, o], axis=-1)


def window_step(abk_hat, kappa, char_seq, mask):
    """One step of the soft window over the text (eq. 46-51).

    Args:
        abk_hat: [B, 3K] outputs of the attention layer: alpha, beta and the step of kappa, all before exp.
        kappa: [B, K] window positions after the previous point, in characters; 0 is the first character.
        char_seq: [B, U, A] one-hot text; a padding character is all zero.
        mask: [B, U] from `text_mask(char_seq)`.

    Returns:
        w [B, A] (the window), phi [B, U] (the weight of every character), kappa [B, K].
    """
    alpha, beta, step = tf.split(tf.exp(abk_hat), 3, axis=-1)  # [B, K] each
    kappa = kappa + step
    phi = tf.reduce_sum(_window_terms(alpha, beta, kappa, char_seq)[0], axis=1) * mask
    return tf.linalg.matvec(char_seq, phi, transpose_a=True), phi, kappa


def text_mask(char_seq):
    """[B, U, A] one-hot text -> [B, U]: 1 for a character, 0 for padding."""
    return tf.cast(tf.reduce_any(char_seq != 0, axis=-1), char_seq.dtype)


def _window_terms(alpha, beta, kappa, char_seq):
    """The terms of eq. 46, alpha exp(-beta (kappa - u)^2), and the distances kappa - u: both [B, K, U]."""
    distance = kappa[:, :, None] - tf.cast(tf.range(tf.shape(char_seq)[1]), kappa.dtype)
    return alpha[:, :, None] * tf.exp(-beta[:, :, None] * distance**2), distance


# ------------------------------------------------------------------------------------------- a whole sequence: LSTM


def lstm_sequence(inputs, h0, c0, kernel, recurrent_kernel, bias, products=None):
    """An LSTM over a whole sequence.

    Args:
        inputs: [T, B, I]. h0, c0: [B, H]. kernel: [I, 4H]. recurrent_kernel: [H, 4H].
        bias: [4H], or one for each line, [B, 4H].
        products: type of the factors of the large products; None: that of the inputs.

    Returns:
        h [T, B, H] after every point, and c [B, H] after the last one. Differentiable once, in every tensor.
    """
    # The decorator takes no arguments that are not tensors when it is traced, so the type comes by closure.
    sequence = tf.custom_gradient(lambda *tensors: _lstm_sequence(products or inputs.dtype, *tensors))
    return sequence(inputs, h0, c0, kernel, recurrent_kernel, bias)


def _lstm_sequence(products, inputs, h0, c0, kernel, recurrent_kernel, bias):
    kernel, recurrent_kernel = tf.cast(kernel, products), tf.cast(recurrent_kernel, products)
    z_inputs = _project(inputs, kernel) + bias  # [T, B, 4H]

    def step(state, z_inputs_t):
        h, c = state
        h, c, gates = lstm_step(z_inputs_t + _product(h, recurrent_kernel), c)
        return (h, c), (h, c, gates)

    (_, c_last), (h, c, gates) = _loop(step, (h0, c0), [z_inputs], widths=[h0.shape[-1]] * 2 + [bias.shape[-1]])

    def gradient(dh_out, dc_last):
        recurrent_kernel_t = tf.transpose(recurrent_kernel)

        def step_back(state, dh_out_t, *cell):
            dh, dc = state
            dz, dc = _lstm_step_back(dh + dh_out_t, dc, *cell)
            return (_product(dz, recurrent_kernel_t), dc), (dz,)

        inputs_back = [dh_out, gates, c, _before(c0, c)]
        (dh0, dc0), (dz,) = _loop(
            step_back, (tf.zeros_like(h0), dc_last), inputs_back, widths=[bias.shape[-1]], backward=True
        )
        return (
            _project(dz, tf.transpose(kernel)),
            dh0,
            dc0,
            _sum_of_outer_products(inputs, dz, products),
            _sum_of_outer_products(_before(h0, h), dz, products),
            _bias_gradient(dz, bias),
        )

    return (h, c_last), gradient


# --------------------------------------------------------------------------------- a whole sequence: attention LSTM


def attention_lstm_sequence(
    inputs,
    char_seq,
    h0,
    c0,
    kappa0,
    w0,
    kernel,
    recurrent_kernel,
    bias,
    attention_kernel,
    attention_bias,
    products=None,
):
    """The LSTM that reads the text through a soft window and feeds the window back to itself (eq. 46-52).

    Args:
        inputs: [T, B, I]. char_seq: [B, U, A] one-hot, zero for padding.
        h0, c0: [B, H]. kappa0: [B, K]. w0: [B, A], the window before the first point.
        kernel: [I + A, 4H], rows of the inputs first, then those of the window. recurrent_kernel: [H, 4H].
        bias: [4H], or one for each line, [B, 4H]. attention_kernel: [H, 3K]. attention_bias: [3K].
        products: type of the factors of the large products, all but those of inputs and attention, which are small;
            None: that of the inputs.

    Returns:
        h [T, B, H], w [T, B, A], phi [T, B, U], kappa [T, B, K], and c [B, H] after the last point.
        Differentiable once, in every tensor.
    """
    sequence = tf.custom_gradient(lambda *tensors: _attention_lstm_sequence(products or inputs.dtype, *tensors))
    return sequence(
        inputs, char_seq, h0, c0, kappa0, w0, kernel, recurrent_kernel, bias, attention_kernel, attention_bias
    )


def _attention_lstm_sequence(
    products, inputs, char_seq, h0, c0, kappa0, w0, kernel, recurrent_kernel, bias, attention_kernel, attention_bias
):
    H, K, I, A = h0.shape[-1], kappa0.shape[-1], inputs.shape[-1], w0.shape[-1]
    U = char_seq.shape[1]
    mask = text_mask(char_seq)
    z_inputs = _project(inputs, kernel[:I]) + bias  # [T, B, 4H]
    feedback_kernel = tf.cast(tf.concat([kernel[I:], recurrent_kernel], axis=0), products)  # [A + H, 4H]

    def step(state, z_inputs_t):
        h, c, kappa, w = state
        z = z_inputs_t + _product(tf.concat([w, h], axis=-1), feedback_kernel)
        h, c, gates = lstm_step(z, c)
        abk_hat = tf.matmul(h, attention_kernel) + attention_bias
        w, phi, kappa = window_step(abk_hat, kappa, char_seq, mask)
        return (h, c, kappa, w), (h, c, gates, abk_hat, kappa, phi, w)

    (_, c_last, _, _), (h, c, gates, abk_hat, kappa, phi, w) = _loop(
        step, (h0, c0, kappa0, w0), [z_inputs], widths=[H, H, 4 * H, 3 * K, K, U, A]
    )

    def gradient(dh_out, dw_out, dphi_out, dkappa_out, dc_last):
        abk = tf.exp(abk_hat)
        feedback_kernel_t, attention_kernel_t = tf.transpose(feedback_kernel), tf.transpose(attention_kernel)

        def step_back(state, dh_out_t, dw_out_t, dphi_out_t, dkappa_out_t, abk_t, kappa_t, *cell):
            dh, dc, dkappa, dw = state
            # The window: w = sum_u phi_u c_u, phi = mask sum_k bump, bump = alpha exp(-beta distance^2).
            alpha, beta, kappa_step = tf.split(abk_t, 3, axis=-1)  # [B, K] each
            bump, distance = _window_terms(alpha, beta, kappa_t, char_seq)  # [B, K, U]
            dw += dw_out_t
            dphi = (tf.linalg.matvec(char_seq, dw) + dphi_out_t) * mask  # [B, U]
            dlog_bump = dphi[:, None, :] * bump
            dkappa += dkappa_out_t - 2 * beta * tf.reduce_sum(dlog_bump * distance, axis=-1)
            dalpha_hat = tf.reduce_sum(dlog_bump, axis=-1)
            dbeta_hat = -beta * tf.reduce_sum(dlog_bump * distance**2, axis=-1)
            dabk_hat = tf.concat([dalpha_hat, dbeta_hat, dkappa * kappa_step], axis=-1)  # [B, 3K]
            # The LSTM.
            dh += dh_out_t + tf.matmul(dabk_hat, attention_kernel_t)
            dz, dc = _lstm_step_back(dh, dc, *cell)
            dw_before, dh_before = tf.split(_product(dz, feedback_kernel_t), [A, H], axis=-1)
            return (dh_before, dc, dkappa, dw_before), (dz, dabk_hat, dw)

        (dh0, dc0, dkappa0, dw0), (dz, dabk_hat, dw) = _loop(
            step_back,
            (tf.zeros_like(h0), dc_last, tf.zeros_like(kappa0), tf.zeros_like(w0)),
            [dh_out, dw_out, dphi_out, dkappa_out, abk, kappa, gates, c, _before(c0, c)],
            widths=[4 * H, 3 * K, A],
            backward=True,
        )
        h_before = tf.concat([h0[None], h[:-1]], axis=0)
        w_before = tf.concat([w0[None], w[:-1]], axis=0)
        return (
            _project(dz, tf.transpose(kernel[:I])),
            tf.einsum("tbu,tba->bua", phi, dw),
            dh0,
            dc0,
            dkappa0,
            dw0,
            _sum_of_outer_products(tf.concat([inputs, w_before], axis=-1), dz, products),
            _sum_of_outer_products(h_before, dz, products),
            _bias_gradient(dz, bias),
            _sum_of_outer_products(h, dabk_hat),
            tf.reduce_sum(dabk_hat, axis=[0, 1]),
        )

    return (h, w, phi, kappa, c_last), gradient


# --------------------------------------------------------------------------------------------------------- the parts


def _product(x, kernel):
    """A matrix product in the type of the kernel; the result has the type of x."""
    return tf.cast(tf.matmul(tf.cast(x, kernel.dtype), kernel), x.dtype)


def _lstm_step_back(dh, dc, gates, c, c_before):
    """One backward step.

    Args:
        dh, dc: [B, H] gradients of h and c after the step. gates: [B, 4H] activated i, f, c, o. c, c_before: [B, H],
            the cell state after the step and before it.

    Returns:
        gradients of z [B, 4H], and of c before the step [B, H].
    """
    i, f, g, o = tf.split(gates, 4, axis=-1)
    tanh_c = tf.tanh(c)
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    dz = [dc * g * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - g * g), dh * tanh_c * o * (1 - o)]
    return tf.concat(dz, axis=-1), dc * f


def _before(first, values):
    """What stood before each step, [T, B, H]: `first` [B, H], then all `values` [T, B, H] but the last."""
    return tf.concat([first[None], values[:-1]], axis=0)


def _loop(step, state, inputs, widths, backward=False):
    """Runs `step(state, *inputs of a point) -> (state, outputs)` over time.

    Args:
        state: tuple of [B, width]. inputs: list of [T, B, width]. widths: of the outputs.
        backward: from the last point to the first.

    Returns:
        the state at the end, and the outputs of all points, each [T, B, width].
    """
    T, batch = tf.shape(inputs[0])[0], inputs[0].shape[1]
    outputs = tuple(tf.TensorArray(inputs[0].dtype, size=T, element_shape=[batch, width]) for width in widths)

    def body(n, state, arrays):
        t = T - 1 - n if backward else n
        # A slice is a view. A TensorArray would copy its part, and thousands of small parts scatter the free memory, so
        # that finding room for a product takes longer than the product.
        state, outputs = step(state, *[x[t] for x in inputs])
        return n + 1, state, tuple(array.write(t, y) for array, y in zip(arrays, outputs))

    # The states of a batch of unknown size have a known shape after one step only if they had it before.
    state = tuple(tf.ensure_shape(s, [batch, s.shape[-1]]) for s in state)
    _, state, outputs = tf.while_loop(
        lambda n, *_: n < T,
        body,
        (0, state, outputs),
        maximum_iterations=T,
        parallel_iterations=1,  # each step needs the one before; more would only take more memory
    )
    return state, [array.stack() for array in outputs]


def _project(x, kernel):
    """[T, B, I] x [I, N] -> [T, B, N] as one matrix product."""
    flat = _product(tf.reshape(x, [-1, x.shape[-1]]), kernel)
    return tf.reshape(flat, [tf.shape(x)[0], -1, kernel.shape[-1]])


def _sum_of_outer_products(x, y, products=None):
    """[T, B, I], [T, B, N] -> [I, N]: the sum of the outer products at all points, as one matrix product."""
    x, y = tf.reshape(x, [-1, x.shape[-1]]), tf.reshape(y, [-1, y.shape[-1]])
    rounded = tf.cast(x, products or x.dtype), tf.cast(y, products or y.dtype)
    return tf.cast(tf.matmul(*rounded, transpose_a=True), x.dtype)


def _bias_gradient(dz, bias):
    """dz [T, B, 4H] -> the gradient of a bias for all lines, [4H], or of one for each line, [B, 4H]."""
    return tf.reduce_sum(dz, axis=0 if bias.shape.rank == 2 else [0, 1])
