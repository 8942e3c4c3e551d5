"""A handwriting network in plain TensorFlow 2, sampled as one writes it first: `benchmarks/sampling.py --plain`.

Three LSTMs of 400 units with skip connections, a window of ten Gaussians over the text, 20 mixture components: the
sizes of Graves, arXiv:1308.0850, and of the implementations that follow it most closely. The weights are random, so it
writes noise, as fast as it would write words. Nothing ends a line, so all have 700 points, and all of them are counted.

For each line of stdin, [kind, texts, seed], it writes the texts and answers with points a second.
"""

import json
import sys
import time

import tensorflow as tf

UNITS, WINDOWS, COMPONENTS, ALPHABET, POINTS = 400, 10, 20, 73, 700


class PlainSampler:
    """Keras' LSTM cells in a tf.while_loop; B lines, U characters."""

    def __init__(self):
        self.cells = [tf.keras.layers.LSTMCell(UNITS) for _ in range(3)]
        self.window = tf.keras.layers.Dense(3 * WINDOWS)
        self.head = tf.keras.layers.Dense(6 * COMPONENTS + 1)

    @tf.function(input_signature=[tf.TensorSpec([None, None, ALPHABET])])
    def write(self, text):
        """text: one-hot [B, U, ALPHABET] -> [POINTS, B, 3]: offsets and pen lifts."""
        B, places = tf.shape(text)[0], tf.range(tf.shape(text)[1], dtype=tf.float32)
        states = [[tf.zeros([B, UNITS]), tf.zeros([B, UNITS])] for _ in self.cells]
        point, w, kappa = tf.zeros([B, 3]), tf.zeros([B, ALPHABET]), tf.zeros([B, WINDOWS])
        points = tf.TensorArray(tf.float32, POINTS)
        for t in tf.range(POINTS):
            h0, first = self.cells[0](tf.concat([point, w], axis=1), states[0])
            alpha, beta, step = tf.split(tf.exp(self.window(h0)), 3, axis=1)
            kappa += step / 25.0
            phi = tf.reduce_sum(
                alpha[:, :, None] * tf.exp(-beta[:, :, None] * (kappa[:, :, None] - places) ** 2), axis=1
            )
            w = tf.linalg.matvec(text, phi, transpose_a=True)
            h1, second = self.cells[1](tf.concat([point, w, h0], axis=1), states[1])
            h2, third = self.cells[2](tf.concat([point, w, h1], axis=1), states[2])
            states = [first, second, third]
            point = self._draw(self.head(h2))
            points = points.write(t, point)
        return points.stack()

    def _draw(self, y):
        """A point [B, 3] from the density that the head describes (eq. 17-25)."""
        weights, mu1, mu2, sigma1, sigma2, rho = tf.split(y[:, 1:], 6, axis=1)
        which = tf.random.categorical(weights, 1, dtype=tf.int32)
        mu1, mu2, sigma1, sigma2, rho = (
            tf.gather(values, which, batch_dims=1)
            for values in (mu1, mu2, tf.exp(sigma1), tf.exp(sigma2), tf.tanh(rho))
        )
        one, other = tf.split(tf.random.normal([tf.shape(y)[0], 2]), 2, axis=1)
        dx = mu1 + sigma1 * one
        dy = mu2 + sigma2 * (rho * one + tf.sqrt(1 - rho**2) * other)
        lift = tf.cast(tf.random.uniform([tf.shape(y)[0], 1]) < tf.sigmoid(y[:, :1]), tf.float32)
        return tf.concat([dx, dy, lift], axis=1)


def main():
    sampler = PlainSampler()
    for request in sys.stdin:
        _, texts, _ = json.loads(request)
        length = max(map(len, texts))
        codes = [[ord(c) % ALPHABET for c in text.ljust(length)] for text in texts]
        start = time.perf_counter()
        sampler.write(tf.one_hot(codes, ALPHABET)).numpy()
        print(json.dumps(POINTS * len(texts) / (time.perf_counter() - start)), flush=True)


if __name__ == "__main__":
    main()
