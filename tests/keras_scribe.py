"""The network of the TensorFlow 2 scribe, rebuilt from its description, to write checkpoints as its users have them."""

import os

from scribe.network.tf_setup import tf

ALPHABET = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!\"#%&'()*+,-./:;?[]"  # its default


class KerasScribe(tf.keras.Model):
    """Three Keras LSTMs; the window joins what the second one sees, and is fed back to none.

    Args:
        rnn_size: H. nmixtures: M. kmixtures: K.
    """

    def __init__(self, rnn_size, nmixtures, kmixtures):
        super().__init__()
        lstm = {"return_sequences": True, "return_state": True}
        normal, low = (tf.keras.initializers.RandomNormal(mean, 0.4, seed=3) for mean in (0.0, -1.0))
        self.lstm0 = tf.keras.layers.LSTM(rnn_size, kernel_initializer=normal, name="lstm0", **lstm)
        self.lstm1 = tf.keras.layers.LSTM(rnn_size, kernel_initializer=normal, name="lstm1", **lstm)
        self.lstm2 = tf.keras.layers.LSTM(rnn_size, kernel_initializer=normal, name="lstm2", **lstm)
        self.attention_layer = tf.keras.layers.Dense(3 * kmixtures, kernel_initializer=normal, bias_initializer=low)
        self.mdn_layer = tf.keras.layers.Dense(1 + 6 * nmixtures, kernel_initializer=normal, bias_initializer=normal)
        self.kmixtures = kmixtures

    def call(self, inputs, training=False):
        """stroke_data [B, T, 3], char_seq [B, U, A] -> eos [B, T, 1], pi, mu1, mu2, sigma1, sigma2, rho [B, T, M]."""
        x, text = inputs["stroke_data"], inputs["char_seq"]
        places = tf.range(text.shape[1], dtype=tf.float32)
        h0, *_ = self.lstm0(x)
        kappa, windows = tf.zeros([x.shape[0], self.kmixtures, 1]), []
        for t in range(x.shape[1]):
            alpha, beta, step = tf.split(tf.exp(self.attention_layer(h0[:, t]))[:, :, None], 3, axis=1)
            kappa += step
            phi = tf.reduce_sum(alpha * tf.exp(-beta * (kappa - places) ** 2), axis=1, keepdims=True)
            windows.append(tf.matmul(phi, text)[:, 0])
        h1, *_ = self.lstm1(tf.concat([h0, tf.stack(windows, axis=1), x], axis=-1))
        h2, *_ = self.lstm2(h1)
        y = self.mdn_layer(h2)
        pi, mu1, mu2, sigma1, sigma2, rho = tf.split(y[..., 1:], 6, axis=-1)
        return {
            "eos": tf.sigmoid(-y[..., :1]),
            "pi": tf.nn.softmax(pi),
            "mu1": mu1,
            "mu2": mu2,
            "sigma1": tf.exp(sigma1),
            "sigma2": tf.exp(sigma2),
            "rho": tf.tanh(rho),
        }


def save_keras_scribe(folder, char_vec_len, rnn_size=7, nmixtures=3, kmixtures=2, step=500):
    """Writes folder/ckpt-STEP as that program's training does, with an optimizer's slots; returns the network."""
    model = KerasScribe(rnn_size, nmixtures, kmixtures)
    inputs = {"stroke_data": tf.zeros([1, 2, 3]), "char_seq": tf.zeros([1, 3, char_vec_len])}
    optimizer = tf.keras.optimizers.RMSprop(1e-3, rho=0.95, momentum=0.9)
    with tf.GradientTape() as tape:
        loss = tf.add_n([tf.reduce_sum(value) for value in model(inputs).values()])
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
    checkpoint = tf.train.Checkpoint(optimizer=optimizer, model=model)
    tf.train.CheckpointManager(checkpoint, os.fspath(folder), max_to_keep=5).save(checkpoint_number=step)
    return model
