"""The network of the TF1 scribe (Sam Greydanus) as a TensorFlow 1.15 graph.

Letters: B batch, T tsteps, U characters, A alphabet + 1, H rnn_size, K kmixtures, M nmixtures. `;` joins rows.

    h0_t = LSTM0(x_t)                                the window is not fed back
    (a, b, k) = exp(h0_t window_w + window_b)        kappa_t = kappa_{t-1} + k
    w_t  = sum_u a exp(-b (kappa_t - u)^2) c_u       u = 0 is the first character
    h1_t = LSTM1([h0_t ; w_t ; x_t])
    h2_t = LSTM2(h1_t)
    y_t  = h2_t output_w + output_b                  pen lift, then M each of weights, mu1, mu2, sigma1, sigma2, rho

`tf.nn.rnn_cell.LSTMCell` keeps its gates in the order i, j, f, o and adds 1 to the forget gate as it runs: the 1 is not
in its bias. The pen lifts with the probability sigmoid(-y_0).

Variables, as checkpoints have them: cell{0,1,2}/lstm_cell/{kernel,bias}, window/window_{w,b}, mdn_dense/output_{w,b};
the optimizer's slots below them; and Variable, Variable_1, Variable_2: learning rate, decay and momentum.
"""

import os

import numpy as np
import tensorflow as tf

SMALLEST_DENSITY = 1e-20  # the log of the density stops there, and so does its gradient


class Model:
    """The graph, with its session.

    Args:
        args: rnn_size, nmixtures, kmixtures, alphabet, tsteps, batch_size, train, dropout (probability to keep),
            grad_clip, optimizer ("rmsprop" or "adam"). Without `train` the graph has one step and one line.
        logger: has write(text).

    Attributes:
        input_data, target_data [B, T, 3], char_seq [B, U, A], init_kappa [B, K, 1]: to be fed. So are the tensors of
        istate_cell0 .. istate_cell2, each with c and h [B, H]; they are zero where nothing is fed.
        eos [BT, 1], pi, mu1, mu2, sigma1, sigma2, rho [BT, M], and pi_hat, sigma1_hat, sigma2_hat before their
        activations; rows in the order of [B, T].
        phi [B, 1, U], window [B, A], new_kappa [B, K, 1], alpha [B, K, 1], fstate_cell0 .. 2: after the last step.
        cost: mean over all points, in nats.
    """

    def __init__(self, args, logger):
        self.logger = logger
        self.rnn_size, self.nmixtures, self.kmixtures = args.rnn_size, args.nmixtures, args.kmixtures
        self.alphabet = args.alphabet
        self.char_vec_len = len(args.alphabet) + 1  # one more for the unknown character
        self.batch_size = args.batch_size if args.train else 1
        self.tsteps = args.tsteps if args.train else 1
        self.initializer = tf.truncated_normal_initializer(mean=0.0, stddev=0.075)

        points = [None, self.tsteps, 3]
        self.input_data = tf.placeholder(tf.float32, points)
        self.target_data = tf.placeholder(tf.float32, points)
        self.char_seq = tf.placeholder(tf.float32, [None, None, self.char_vec_len])
        self.init_kappa = tf.placeholder(tf.float32, [None, self.kmixtures, 1])

        inputs = tf.unstack(self.input_data, axis=1)  # T times [B, 3]
        keep = args.dropout if args.train else 1.0
        h0, self.istate_cell0, self.fstate_cell0 = self._lstm("cell0", inputs, keep)
        windows = self._windows(h0)
        joined = [tf.concat([h, w, x], 1) for h, w, x in zip(h0, windows, inputs)]
        h1, self.istate_cell1, self.fstate_cell1 = self._lstm("cell1", joined, keep)
        h2, self.istate_cell2, self.fstate_cell2 = self._lstm("cell2", h1, keep)
        self._density(tf.reshape(tf.stack(h2, axis=1), [-1, self.rnn_size]))
        self.cost = self._loss() / (self.batch_size * self.tsteps)
        self._optimizer(args)

        self.sess = tf.Session()
        self.saver = tf.train.Saver(tf.global_variables())
        self.sess.run(tf.global_variables_initializer())

    def _lstm(self, scope, inputs, keep):
        """T inputs [B, I] -> T outputs [B, H], the state before the first step, the state after the last one."""
        cell = tf.nn.rnn_cell.LSTMCell(self.rnn_size, state_is_tuple=True, initializer=self.initializer)
        if keep < 1:
            cell = tf.nn.rnn_cell.DropoutWrapper(cell, output_keep_prob=keep)
        before = cell.zero_state(self.batch_size, tf.float32)
        outputs, state = [], before
        with tf.variable_scope(scope):
            for x in inputs:
                output, state = cell(x, state)
                outputs.append(output)
        return outputs, before, state

    def _windows(self, h0):
        """T outputs of the first LSTM -> T windows [B, A]."""
        with tf.variable_scope("window"):
            shape = [3 * self.kmixtures]
            window_w = tf.get_variable("window_w", [self.rnn_size] + shape, initializer=self.initializer)
            # A window that starts slowly: about exp(-3) characters a point.
            slow = tf.truncated_normal_initializer(mean=-3.0, stddev=0.25)
            window_b = tf.get_variable("window_b", shape, initializer=slow)
        u = tf.cast(tf.range(tf.shape(self.char_seq)[1]), tf.float32)  # [U]
        windows, kappa = [], self.init_kappa
        for h in h0:
            abk = tf.exp(tf.nn.xw_plus_b(h, window_w, window_b))[:, :, None]  # [B, 3K, 1]
            alpha, beta, step = tf.split(abk, 3, axis=1)  # [B, K, 1] each
            kappa = kappa + step
            phi = tf.reduce_sum(alpha * tf.exp(-beta * tf.square(kappa - u)), axis=1, keepdims=True)  # [B, 1, U]
            windows.append(tf.squeeze(tf.matmul(phi, self.char_seq), [1]))
        self.phi, self.window, self.new_kappa, self.alpha = phi, windows[-1], kappa, alpha
        return windows

    def _density(self, h2):
        """[BT, H] -> the parameters of the mixture, as attributes."""
        width = 1 + 6 * self.nmixtures
        with tf.variable_scope("mdn_dense"):
            output_w = tf.get_variable("output_w", [self.rnn_size, width], initializer=self.initializer)
            output_b = tf.get_variable("output_b", [width], initializer=self.initializer)
        y = tf.nn.xw_plus_b(h2, output_w, output_b)
        sizes = [1] + [self.nmixtures] * 6
        eos_hat, self.pi_hat, self.mu1, self.mu2, self.sigma1_hat, self.sigma2_hat, rho_hat = tf.split(y, sizes, 1)
        self.eos = tf.sigmoid(-eos_hat)
        self.pi = tf.nn.softmax(self.pi_hat)
        self.sigma1, self.sigma2 = tf.exp(self.sigma1_hat), tf.exp(self.sigma2_hat)
        self.rho = tf.tanh(rho_hat)

    def _loss(self):
        """The negative log-likelihood of all points, in nats: eq. 24-26 of arXiv:1308.0850, outside of log space."""
        x1, x2, lift = tf.split(tf.reshape(self.target_data, [-1, 3]), 3, axis=1)
        z1, z2 = (x1 - self.mu1) / self.sigma1, (x2 - self.mu2) / self.sigma2
        rest = 1.0 - tf.square(self.rho)
        exponent = -(tf.square(z1) + tf.square(z2) - 2.0 * self.rho * z1 * z2) / (2.0 * rest)
        normal = tf.exp(exponent) / (2.0 * np.pi * self.sigma1 * self.sigma2 * tf.sqrt(rest))
        density = tf.reduce_sum(self.pi * normal, axis=1, keepdims=True)
        pen = self.eos * lift + (1.0 - self.eos) * (1.0 - lift)
        return -tf.reduce_sum(tf.log(tf.maximum(density, SMALLEST_DENSITY)) + tf.log(pen))

    def _optimizer(self, args):
        # In this order: checkpoints know them as Variable, Variable_1 and Variable_2.
        self.learning_rate = tf.Variable(0.0, trainable=False)
        self.decay = tf.Variable(0.0, trainable=False)
        self.momentum = tf.Variable(0.0, trainable=False)
        if args.optimizer == "adam":
            optimizer = tf.train.AdamOptimizer(self.learning_rate)
        elif args.optimizer == "rmsprop":
            optimizer = tf.train.RMSPropOptimizer(self.learning_rate, decay=self.decay, momentum=self.momentum)
        else:
            raise ValueError(f"optimizer is {args.optimizer!r}: it has to be rmsprop or adam")
        variables = tf.trainable_variables()
        gradients, _ = tf.clip_by_global_norm(tf.gradients(self.cost, variables), args.grad_clip)
        self.train_op = optimizer.apply_gradients(zip(gradients, variables))

    def zero_states(self):
        """A dict of zeros to feed: the three LSTMs' states and kappa."""
        feed = {self.init_kappa: np.zeros([self.batch_size, self.kmixtures, 1], np.float32)}
        for state in (self.istate_cell0, self.istate_cell1, self.istate_cell2):
            for part in state:
                feed[part] = np.zeros([self.batch_size, self.rnn_size], np.float32)
        return feed

    def save(self, save_path, step):
        folder = os.path.dirname(save_path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        self.saver.save(self.sess, save_path, global_step=step)
        self.logger.write(f"Saved {save_path}-{step}")

    def try_load_model(self, save_path):
        """Restores the latest checkpoint in the folder of `save_path`, or `save_path` itself.

        Returns:
            (whether there was one, its step)
        """
        prefix = save_path if os.path.exists(save_path + ".index") else None
        prefix = prefix or tf.train.latest_checkpoint(os.path.dirname(save_path) or ".")
        if prefix is None:
            self.logger.write(f"There is no checkpoint for {save_path}")
            return False, 0
        self.saver.restore(self.sess, prefix)
        self.logger.write(f"Loaded {prefix}")
        step = prefix.rsplit("-", 1)[-1]
        return True, int(step) if step.isdigit() else 0
