"""Adaptive weight noise: a weight is not a number, but a normal distribution whose width is learned with it.

Graves, Practical Variational Inference for Neural Networks (NIPS 2011), which section 4.2 of arXiv:1308.0850 uses. The
network is trained to describe the data and its own weights in as few nats as possible:

    L = L_E + L_C        nats for the data, under weights w_i = mu_i + sigma_i eps, and nats for the weights
    L_C = sum_i log(s / sigma_i) + ((mu_i - m)^2 + sigma_i^2 - s^2) / (2 s^2)           the KL divergence from the prior
    m = mean of mu_i,  s^2 = mean of sigma_i^2 + (mu_i - m)^2                           the prior that makes it smallest

With g the gradient of the loss of a batch at the noisy weights, and N batches that share L_C among them, a step follows

    dL/dmu_i      = g_i + (mu_i - m) / (s^2 N)
    dL/dsigma_i^2 = g_i^2 / 2 + (1 / s^2 - 1 / sigma_i^2) / (2 N)

where g^2 stands for the curvature of the loss. Weights that the data does not need get wide, and cost nothing.
"""

import contextlib
import math

from scribe.network.tf_setup import tf

NOISE_STREAM = 1000  # sets its random numbers apart from those of dropout, which come from the same seed


class AdaptiveWeightNoise:
    """The widths of all weights of a network.

    Args:
        variables: the weights; their values are the means mu.
        deviation: sigma at the start.
        batches: N, the batches in a pass over the data.

    Attributes:
        log_sigma: a variable for each of `variables`, of its shape.
    """

    def __init__(self, variables, deviation, batches):
        self.variables, self.batches = list(variables), float(batches)
        start = tf.keras.initializers.Constant(math.log(deviation))
        # Weights of a layer, as the others are: the optimizers of Keras 3 do not take both kinds of variables.
        layer = tf.keras.layers.Layer(name="weight_noise")
        self.log_sigma = [
            layer.add_weight(name=f"log_sigma_{k}", shape=tuple(v.shape), initializer=start)
            for k, v in enumerate(self.variables)
        ]

    @contextlib.contextmanager
    def added(self, seed):
        """A context within which every weight is drawn from its distribution; then it is its mean again, exactly.

        Args:
            seed: [2] integers; the same seed draws the same weights.
        """
        means = [tf.identity(tf.convert_to_tensor(v)) for v in self.variables]
        for k, (variable, mean, log_sigma) in enumerate(zip(self.variables, means, self.log_sigma, strict=True)):
            noise = tf.random.stateless_normal(variable.shape, tf.random.fold_in(seed, NOISE_STREAM + k))
            variable.assign(mean + tf.exp(tf.convert_to_tensor(log_sigma)) * noise)
        yield
        for variable, mean in zip(self.variables, means, strict=True):
            variable.assign(mean)

    def _pairs(self):
        """Mean and logarithm of the width of every weight, as tensors."""
        both = zip(self.variables, self.log_sigma, strict=True)
        return [(tf.convert_to_tensor(v), tf.convert_to_tensor(s)) for v, s in both]

    def prior(self):
        """Mean m and variance s^2 of the normal distribution that describes all weights in the fewest nats."""
        count = float(sum(math.prod(v.shape) for v in self.variables))
        pairs = self._pairs()
        mean = tf.add_n([tf.reduce_sum(v) for v, _ in pairs]) / count
        squares = [tf.reduce_sum(tf.exp(2 * s) + tf.square(v - mean)) for v, s in pairs]
        return mean, tf.add_n(squares) / count

    def complexity(self):
        """L_C in nats: what it takes to describe the weights."""
        mean, variance = self.prior()
        terms = [
            0.5 * tf.math.log(variance) - s + (tf.square(v - mean) + tf.exp(2 * s) - variance) / (2 * variance)
            for v, s in self._pairs()
        ]
        return tf.add_n([tf.reduce_sum(term) for term in terms])

    def gradients(self, gradients, scale):
        """The gradients of L / `scale`, from those of the loss of a batch at the noisy weights, divided by `scale`.

        Args:
            gradients: one for each of `variables`, to be called where these have their means. scale: a number, such as
                the points of the batch, so that both gradients go with the loss for each point.

        Returns:
            gradients of the variables, gradients of `log_sigma`.
        """
        mean, variance = self.prior()
        of_means, of_log_sigma = [], []
        share = 1.0 / (self.batches * scale)
        for (v, log_sigma), gradient in zip(self._pairs(), gradients, strict=True):
            of_means.append(gradient + (v - mean) / variance * share)
            sigma2 = tf.exp(2 * log_sigma)
            of_sigma2 = 0.5 * tf.square(gradient) * scale + 0.5 * (1.0 / variance - 1.0 / sigma2) * share
            of_log_sigma.append(2 * sigma2 * of_sigma2)  # d sigma^2 = 2 sigma^2 d log sigma
        return of_means, of_log_sigma
