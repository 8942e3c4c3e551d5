"""The handwriting network: attention LSTM, two more LSTMs, mixture density (Graves, arXiv:1308.0850, section 5).

    from model import HandwritingModel, compute_loss
    model = HandwritingModel(args)          # args: any object with rnn_size, nmixtures, kmixtures, alphabet
    out = model({"stroke_data": strokes, "char_seq": one_hot})
    loss = compute_loss(out, targets, mask)

load_model() gives the network that comes with the suite, with its trained weights. The mixture density that the outputs
describe, and its loss, are in scribe/network/density.py; the fast recurrences in scribe/network/recurrent.py.

Letters: B batch, T pen points, U characters, A alphabet + 1, H rnn_size, K kmixtures, M nmixtures, D hand_size.

    h0_t = LSTM0([x_t ; w_{t-1}], h0_{t-1})        the attention LSTM
    w_t  = window(h0_t, text)                      eq. 46-51
    h1_t = LSTM1([x_t ; w_t ; h0_t])               eq. 52-53
    h2_t = LSTM2([x_t ; w_t ; h1_t])
    y_t  = W_y [h0_t ; h1_t ; h2_t] + b_y          1 + 6M numbers: the density of the next point, eq. 17-25

A network with a hand_size D > 0 may be told whose hand to write (not in the paper): D numbers for the hand, which enter
each LSTM at every point, and D for each character of the text, which follow its one-hot in the text, so that the window
brings to each LSTM how this hand writes the character that is being written. All zero: any hand.

A pen point is (dx, dy, e): the offset from the point before, in units of `data_scale` raw units, y growing downwards,
and e = 1 where the pen lifts after the point.
"""

import math
import os

from scribe.network.alphabet_rows import CheckpointAlphabet
from scribe.network.checkpoint import SHIPPED, check_shapes, load_config, restore_weights
from scribe.network.config import POINT_SIZE, ModelConfig
from scribe.network.density import loss_sum_and_count, split_head
from scribe.network.hand_encoder import HandEncoder
from scribe.network.recurrent import attention_lstm_sequence, lstm_sequence, lstm_step, text_mask, window_step
from scribe.network.tf_setup import GPUS, tf

LSTMS = 3

# ---------------------------------------------------------------------------------------------- the attention LSTM


class AttentionLSTMCell(tf.keras.layers.Layer):
    """An LSTM cell that reads a text through a soft window and feeds the window back to itself (eq. 46-52).

    It follows Keras' cell contract, so `tf.keras.layers.RNN(cell, return_sequences=True)` runs it: that is the
    readable reference for `recurrent.attention_lstm_sequence`, which does the same faster. Set `char_seq` before:

        cell = AttentionLSTMCell(units=400, kmixtures=1, char_vec_len=81)
        cell.char_seq = one_hot                                      # [B, U, A]
        outputs = tf.keras.layers.RNN(cell, return_sequences=True)(strokes)     # [B, T, H + A]

    Args:
        units: H. kmixtures: K. char_vec_len: A.
        tsteps_per_ascii: pen points per character at the start of training. It sets the initial speed of the window;
            one that starts much too fast or too slow has to be unlearned before the attention can form.
    """

    def __init__(self, units, kmixtures, char_vec_len, tsteps_per_ascii=25.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.kmixtures, self.char_vec_len = units, kmixtures, char_vec_len
        self.state_size = [units, units, kmixtures, char_vec_len]  # h, c, kappa, w
        self.output_size = units + char_vec_len
        self.char_seq = None
        self.kernel = self.add_weight(
            name="kernel", shape=(POINT_SIZE + char_vec_len, 4 * units), initializer="glorot_uniform"
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(units, 4 * units), initializer="orthogonal"
        )
        self.bias = self.add_weight(name="bias", shape=(4 * units,), initializer=_forget_bias(units))
        self.attention = tf.keras.layers.Dense(
            3 * kmixtures,
            bias_initializer=_window_bias(kmixtures, tsteps_per_ascii),
            name="attention",
            dtype=self.dtype,
        )
        self.attention.build((None, units))
        self.built = True

    def build(self, input_shape=None):
        """Does nothing: all weights are made with the cell."""

    def call(self, inputs, states, training=False):
        """inputs [B, 3], states (h [B, H], c [B, H], kappa [B, K], w [B, A]) -> output [B, H + A], new states."""
        if self.char_seq is None:
            raise ValueError("AttentionLSTMCell has no text: set cell.char_seq to a [B, U, A] one-hot tensor first.")
        h, c, kappa, w = states
        char_seq = tf.cast(self.char_seq, inputs.dtype)
        z = tf.matmul(tf.concat([inputs, w], -1), self.kernel) + tf.matmul(h, self.recurrent_kernel) + self.bias
        h, c, _ = lstm_step(z, c)
        w, _, kappa = window_step(self.attention(h), kappa, char_seq, text_mask(char_seq))
        return tf.concat([h, w], axis=-1), [h, c, kappa, w]


def _forget_bias(units):
    """A forget gate that starts open (bias 1, the others 0), as in tf.keras.layers.LSTM."""
    values = [0.0] * units + [1.0] * units + [0.0] * (2 * units)
    return lambda shape, dtype=None, **_: tf.constant(values, dtype=dtype or tf.float32, shape=shape)


def _window_bias(kmixtures, tsteps_per_ascii):
    """alpha near 1, a window about one character wide, and a step of 1 / tsteps_per_ascii characters per point."""
    values = [0.0] * kmixtures + [-0.5] * kmixtures + [-math.log(tsteps_per_ascii)] * kmixtures
    return lambda shape, dtype=None, **_: tf.constant(values, dtype=dtype or tf.float32, shape=shape)


# ------------------------------------------------------------------------------------------------------ the network


class HandwritingModel(tf.keras.Model):
    """The whole network.

    Args:
        args: any object with rnn_size, nmixtures, kmixtures and alphabet (see `ModelConfig`). `args.dropout`,
            optional, is the probability to keep an output of an LSTM in training.

    Attributes:
        hand_encoder: describes hands for a network with a hand_size; None without.
        products: type of the factors in the large products of training, tf.float32 or tf.bfloat16; see
            scribe/network/precision.py. Without training they are float32.
    """

    def __init__(self, args, **kwargs):
        super().__init__(**kwargs)
        self.config = ModelConfig.from_args(args)
        self.rnn_size = self.config.rnn_size
        self.nmixtures = self.config.nmixtures
        self.kmixtures = self.config.kmixtures
        self.char_vec_len = len(self.config.alphabet) + 1
        self.keep_probability = float(getattr(args, "dropout", None) or 1.0)
        self.products = tf.float32
        # cuDNN is reached through the Keras layer; on a CPU the recurrence of this suite is several times faster.
        self.use_keras_lstm = bool(GPUS)

        H, A = self.rnn_size, self.char_vec_len
        self.lstm0 = AttentionLSTMCell(H, self.kmixtures, A, self.config.tsteps_per_ascii, name="lstm0")
        self.lstm1 = tf.keras.layers.LSTM(H, return_sequences=True, return_state=True, name="lstm1")
        self.lstm2 = tf.keras.layers.LSTM(H, return_sequences=True, return_state=True, name="lstm2")
        self.mdn_layer = tf.keras.layers.Dense(1 + 6 * self.nmixtures, name="mdn")
        for layer in (self.lstm1, self.lstm2):
            layer.build((None, None, POINT_SIZE + A + H))
        self.mdn_layer.build((None, 3 * H))
        self.named_weights = _NamedWeights(
            self.alphabet,
            lstm0=self.lstm0,
            attention=self.attention_layer,
            lstm1=self.lstm1.cell,
            lstm2=self.lstm2.cell,
            mdn=self.mdn_layer,
        )
        self.hand_size, self.hand_encoder = self.config.hand_size, None
        if self.hand_size:
            self._add_hand_kernels()
            self.hand_encoder = HandEncoder(self.hand_size, A, name="hand_encoder")
        self.built = True

    def _add_hand_kernels(self):
        """Weights [D, 4H] of each LSTM: the hand enters by hand_kernel, the glyph in the window by glyph_kernel.

        Zero before training: a network that learns of hands writes at first as it did before.
        """
        shape = (self.hand_size, 4 * self.rnn_size)
        for i in range(LSTMS):
            for kind in ("hand_kernel", "glyph_kernel"):
                kernel = self.add_weight(name=f"lstm{i}_{kind}", shape=shape, initializer="zeros")
                setattr(self.named_weights, f"lstm{i}_{kind}", kernel)

    @property
    def alphabet(self):
        """The characters that the network knows, in the order of their one-hot index, which starts at 1."""
        return self.config.alphabet

    @property
    def attention_layer(self):
        """The dense layer from h0 to alpha, beta and the step of kappa (eq. 48)."""
        return self.lstm0.attention

    def build(self, input_shape=None):
        """Does nothing: all weights are made with the model."""

    def call(self, inputs, training=False):
        """Runs the network over whole sequences.

        Args:
            inputs: a dict with
                "stroke_data" [B, T, 3]: pen points,
                "char_seq" [B, U, A]: one-hot text; a padding character is all zero,
                "hand" [B, D], "glyphs" [B, U, D]: optional, for a network with a hand_size: descriptions of the hand
                    and of the characters of the text, as `HandEncoder` makes them; zeros otherwise,
                "kappa" [B, K, 1], "window" [B, A + D], "states", a list of three (h [B, H], c [B, H]): optional, what
                    an earlier call returned; zeros otherwise,
                "dropout_seed" [2] integers: optional, makes dropout repeatable.
            training: whether to apply dropout, and to round the factors of large products to `products`.

        Returns:
            A dict with eos [B, T, 1], pi, mu1, mu2, sigma1, sigma2, rho [B, T, M]; the raw eos_hat [B, T, 1], pi_hat,
            sigma1_hat, sigma2_hat [B, T, M]; phi [B, T, U]; kappa [B, K, 1] and window [B, A + D] after the last point;
            kappas [B, T, K]; states after the last point.
        """
        x = tf.transpose(inputs["stroke_data"], [1, 0, 2])  # [T, B, 3]
        batch = tf.shape(x)[1]
        char_seq = self.text_with_glyphs(inputs["char_seq"], inputs.get("glyphs"))
        biases = self.lstm_biases(inputs.get("hand"))
        states = inputs.get("states") or [(tf.zeros([batch, self.rnn_size]),) * 2] * 3
        kappa0 = inputs["kappa"][:, :, 0] if "kappa" in inputs else tf.zeros([batch, self.kmixtures])
        w0 = inputs["window"] if "window" in inputs else tf.zeros([batch, self.char_vec_len + self.hand_size])

        (h0_before, c0_before), before1, before2 = states
        cell, attention = self.lstm0, self.attention_layer
        products = self.products if training else None
        h0, w, phi, kappas, c0 = attention_lstm_sequence(
            x, char_seq, h0_before, c0_before, kappa0, w0,
            *_tensors(self._kernel(0), cell.recurrent_kernel, biases[0], attention.kernel, attention.bias),
            products=products,
        )  # fmt: skip
        drop = self._dropout(inputs.get("dropout_seed"), training)
        h0_out = drop(h0, 0)
        h1, states1 = self._lstm(1, tf.concat([x, w, h0_out], axis=-1), before1, biases[1], products)
        h1_out = drop(h1, 1)
        h2, states2 = self._lstm(2, tf.concat([x, w, h1_out], axis=-1), before2, biases[2], products)
        h2_out = drop(h2, 2)
        y = self._head(tf.concat([h0_out, h1_out, h2_out], axis=-1))  # [T, B, 1 + 6M]
        return {
            **split_head(tf.transpose(y, [1, 0, 2]), self.nmixtures),
            "phi": tf.transpose(phi, [1, 0, 2]),
            "kappas": tf.transpose(kappas, [1, 0, 2]),
            "kappa": kappas[-1][:, :, None],
            "window": w[-1],
            "states": [(h0[-1], c0), states1, states2],
        }

    def get_window(self, h0, prev_kappa, char_seq):
        """One step of the window (eq. 46-51).

        Args:
            h0: [B, H]. prev_kappa: [B, K, 1]. char_seq: [B, U, A] one-hot; padding (all zero) gets no weight.

        Returns:
            window [B, A], phi [B, 1, U], kappa [B, K, 1].
        """
        w, phi, kappa = window_step(self.attention_layer(h0), prev_kappa[:, :, 0], char_seq, text_mask(char_seq))
        return w, phi[:, None, :], kappa[:, :, None]

    # ---- the hand

    def text_with_glyphs(self, char_seq, glyphs=None):
        """The text as the window reads it: char_seq [B, U, A], glyphs [B, U, D] or None -> [B, U, A + D]."""
        if not self.hand_size:
            return char_seq
        if glyphs is None:
            return tf.pad(char_seq, [[0, 0], [0, 0], [0, self.hand_size]])
        return tf.concat([char_seq, glyphs], axis=-1)

    def lstm_biases(self, hand=None):
        """The biases of the three LSTMs: [4H] each, or with a hand [B, D] one for each line, [B, 4H]."""
        biases = [tf.convert_to_tensor(cell.bias) for cell in self._cells]
        if hand is None or not self.hand_size:
            return biases
        kernels = [getattr(self.named_weights, f"lstm{i}_hand_kernel") for i in range(LSTMS)]
        return [bias + tf.matmul(hand, kernel) for bias, kernel in zip(biases, kernels, strict=True)]

    # ---- one point at a time, for sampling

    def step_weights(self, hand=None):
        """The weights of the three LSTMs as `step` wants them: kernel, recurrent_kernel and bias of each.

        hand: [B, D]; the biases are then [B, 4H], one for each line.
        """
        return [
            (self._kernel(i), tf.convert_to_tensor(cell.recurrent_kernel), bias)
            for i, (cell, bias) in enumerate(zip(self._cells, self.lstm_biases(hand), strict=True))
        ]

    def zero_state(self, batch):
        """The state before the first point: (states of the three LSTMs, kappa [B, K], window [B, A + D])."""
        lstms = tuple((tf.zeros([batch, self.rnn_size]),) * 2 for _ in range(LSTMS))
        return lstms, tf.zeros([batch, self.kmixtures]), tf.zeros([batch, self.char_vec_len + self.hand_size])

    def step(self, x, char_seq, mask, state, weights):
        """One point of `call`, without dropout.

        Args:
            x: [B, 3]. char_seq: [B, U, A + D] from `text_with_glyphs`. mask: [B, U] from `recurrent.text_mask`.
            state: as `zero_state` returns it. weights: from `step_weights`; made once, outside of the loop over the
            points.

        Returns:
            y [B, 1 + 6M] (see `split_head`), phi [B, U], and the new state.
        """
        ((h0, c0), (h1, c1), (h2, c2)), kappa, w = state
        # The products with the old states depend on nothing else in this step, so TensorFlow runs them side by side.
        (kernel0, _, _), (kernel1, _, _), (kernel2, _, _) = weights
        z0, z1, z2 = (tf.matmul(h, weight[1]) + weight[2] for h, weight in zip((h0, h1, h2), weights, strict=True))
        h0, c0, _ = lstm_step(tf.matmul(tf.concat([x, w], -1), kernel0) + z0, c0)
        w, phi, kappa = window_step(self.attention_layer(h0), kappa, char_seq, mask)
        h1, c1, _ = lstm_step(tf.matmul(tf.concat([x, w, h0], -1), kernel1) + z1, c1)
        h2, c2, _ = lstm_step(tf.matmul(tf.concat([x, w, h1], -1), kernel2) + z2, c2)
        y = self.mdn_layer(tf.concat([h0, h1, h2], -1))
        return y, phi, (((h0, c0), (h1, c1), (h2, c2)), kappa, w)

    # ---- parts of call

    @property
    def _cells(self):
        return self.lstm0, self.lstm1.cell, self.lstm2.cell

    def _kernel(self, i):
        """The kernel of LSTM i, with rows for the glyphs after those of the characters: [3 + A + D (+ H), 4H]."""
        kernel = tf.convert_to_tensor(self._cells[i].kernel)
        if not self.hand_size:
            return kernel
        glyphs_at = POINT_SIZE + self.char_vec_len
        glyph_kernel = getattr(self.named_weights, f"lstm{i}_glyph_kernel")
        return tf.concat([kernel[:glyphs_at], glyph_kernel, kernel[glyphs_at:]], axis=0)

    def _lstm(self, i, inputs, before, bias, products):
        """LSTM i: inputs [T, B, I], before (h, c), bias [4H] or [B, 4H] -> h [T, B, H], (h, c) after the last point."""
        if self.use_keras_lstm and not self.hand_size:
            layer = (None, self.lstm1, self.lstm2)[i]
            h, h_last, c_last = layer(tf.transpose(inputs, [1, 0, 2]), initial_state=list(before))
            return tf.transpose(h, [1, 0, 2]), (h_last, c_last)
        recurrent_kernel = tf.convert_to_tensor(self._cells[i].recurrent_kernel)
        h, c_last = lstm_sequence(inputs, *before, self._kernel(i), recurrent_kernel, bias, products=products)
        return h, (h[-1], c_last)

    def _head(self, h):
        """[T, B, 3H] -> [T, B, 1 + 6M]."""
        flat = self.mdn_layer(tf.reshape(h, [-1, 3 * self.rnn_size]))
        return tf.reshape(flat, [tf.shape(h)[0], -1, 1 + 6 * self.nmixtures])

    def _dropout(self, seed, training):
        if not training or self.keep_probability >= 1.0:
            return lambda h, layer: h
        if seed is None:
            seed = tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)

        def drop(h, layer):
            kept = tf.random.stateless_uniform(tf.shape(h), tf.random.fold_in(seed, layer)) < self.keep_probability
            return h * tf.cast(kept, h.dtype) / self.keep_probability

        return drop


class _NamedWeights(tf.Module):
    """Gives every weight a name in checkpoints that is the same in all versions of Keras; its layers' names differ.

    The alphabet is kept with them, so that the rows of the LSTMs' kernels go to the characters they were learned for.
    """

    def __init__(self, alphabet, **layers):
        super().__init__()
        self.alphabet = CheckpointAlphabet(alphabet)
        for layer_name, layer in layers.items():
            for name in ("kernel", "recurrent_kernel", "bias"):
                if hasattr(layer, name):
                    setattr(self, f"{layer_name}_{name}", getattr(layer, name))
        for kernel in ("lstm0_kernel", "lstm1_kernel", "lstm2_kernel"):
            self.alphabet.follow(getattr(self, kernel))


def _tensors(*variables):
    return [tf.convert_to_tensor(v) for v in variables]


# -------------------------------------------------------------------------------------------------- loss, loading


def compute_loss(out, targets, mask=None):
    """The loss of eq. 26 in nats per real point, a scalar; 0 if there is none. Arguments as `loss_sum_and_count`."""
    total, count = loss_sum_and_count(out, targets, mask)
    return total / tf.maximum(count, 1.0)


def load_model(prefix: str | None = None) -> HandwritingModel:
    """Builds the network that a checkpoint belongs to and restores its weights.

    Args:
        prefix: path of the checkpoint without its extensions, as `checkpoint.find_checkpoint` returns it; None: the
            model that comes with the suite, whatever the working directory.

    Raises:
        CheckpointError: the checkpoint is missing, broken, or belongs to another network.
    """
    if prefix is None:
        prefix = os.path.join(os.path.dirname(os.path.abspath(__file__)), SHIPPED)
    config = load_config(prefix)
    check_shapes(prefix, config)
    model = HandwritingModel(config)
    restore_weights(prefix, model)
    return model
