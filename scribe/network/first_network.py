"""The network of the first scribes: as TensorFlow 1 and its TensorFlow 2 successor had it, and as NumPy computes it.

    from scribe.network.first_network import read_keras_checkpoint
    network = read_keras_checkpoint("old/saved/ckpt-500")
    density = network.outputs(strokes, one_hot)

The window is not fed back into the first LSTM, the third one sees the second alone, and so does the head the third.
convert_checkpoint.py builds the network of this suite that computes the same, and compares the two.

Letters: T pen points, U characters, A alphabet + 1, H units, K window components, M mixture components.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from scribe.console import SuiteError
from scribe.network.config import POINT_SIZE

OUTPUTS = ("eos", "pi", "mu1", "mu2", "sigma1", "sigma2", "rho")


class NetworkError(SuiteError):
    """A checkpoint does not hold such a network; the message is one line that says what it holds."""


@dataclasses.dataclass
class FirstNetwork:
    """The weights, float32, gates in the order of Keras: i, f, c, o.

    Attributes:
        kernels: [3, 4H], [H + A + 3, 4H] (rows: h of the first LSTM, window, point), [H, 4H].
        recurrent_kernels, biases: three each, [H, 4H] and [4H].
        attention_kernel, attention_bias: [H, 3K], [3K]: alpha, beta, step of kappa before exp.
        head_kernel, head_bias: [H, 1 + 6M], [1 + 6M]: the pen lifts with sigmoid(-y).
    """

    kernels: list[NDArray]
    recurrent_kernels: list[NDArray]
    biases: list[NDArray]
    attention_kernel: NDArray
    attention_bias: NDArray
    head_kernel: NDArray
    head_bias: NDArray

    @property
    def rnn_size(self) -> int:
        return self.head_kernel.shape[0]

    @property
    def nmixtures(self) -> int:
        return (len(self.head_bias) - 1) // 6

    @property
    def kmixtures(self) -> int:
        return len(self.attention_bias) // 3

    @property
    def char_vec_len(self) -> int:
        return self.kernels[1].shape[0] - self.rnn_size - POINT_SIZE

    def check(self) -> None:
        """Raises NetworkError if the shapes do not belong together or a number is not finite."""
        H, A, K, M = self.rnn_size, self.char_vec_len, self.kmixtures, self.nmixtures
        expected = {
            "kernels": [(POINT_SIZE, 4 * H), (H + max(A, 1) + POINT_SIZE, 4 * H), (H, 4 * H)],
            "recurrent_kernels": [(H, 4 * H)] * 3,
            "biases": [(4 * H,)] * 3,
            "attention_kernel": (H, 3 * max(K, 1)),
            "attention_bias": (3 * max(K, 1),),
            "head_kernel": (H, 1 + 6 * max(M, 1)),
            "head_bias": (1 + 6 * max(M, 1),),
        }
        for name, shape in expected.items():
            value = getattr(self, name)
            found = [v.shape for v in value] if isinstance(value, list) else value.shape
            if found != shape:
                raise NetworkError(f"these shapes are not those of a network with {H} units: {name} {found}")
            if not all(np.isfinite(v).all() for v in (value if isinstance(value, list) else [value])):
                raise NetworkError(f"not all numbers are finite in {name}")

    def outputs(self, strokes: NDArray, one_hot: NDArray) -> dict[str, NDArray]:
        """What the network says of a line, computed point by point in float64.

        Args:
            strokes: [T, 3]. one_hot: [U, A].

        Returns:
            eos [T, 1], and pi, mu1, mu2, sigma1, sigma2, rho [T, M]: the density of the point after each.
        """
        h, c = ([np.zeros(self.rnn_size) for _ in range(3)] for _ in range(2))
        kappa, places, rows = np.zeros(self.kmixtures), np.arange(len(one_hot)), []
        for point in np.asarray(strokes, float):
            h[0], c[0] = self._step(0, point, h[0], c[0])
            alpha, beta, step = np.split(np.exp(h[0] @ self.attention_kernel + self.attention_bias), 3)
            kappa = kappa + step
            phi = (alpha[:, None] * np.exp(-beta[:, None] * (kappa[:, None] - places) ** 2)).sum(axis=0)
            h[1], c[1] = self._step(1, np.concatenate([h[0], phi @ one_hot, point]), h[1], c[1])
            h[2], c[2] = self._step(2, h[1], h[2], c[2])
            rows.append(h[2] @ self.head_kernel + self.head_bias)
        y = np.array(rows)
        pi, mu1, mu2, sigma1, sigma2, rho = np.split(y[:, 1:], 6, axis=1)
        pi = np.exp(pi - pi.max(axis=1, keepdims=True))
        values = (1 / (1 + np.exp(y[:, :1])), pi / pi.sum(axis=1, keepdims=True), mu1, mu2)
        return dict(zip(OUTPUTS, (*values, np.exp(sigma1), np.exp(sigma2), np.tanh(rho)), strict=True))

    def _step(self, layer, inputs, h, c):
        z = inputs @ self.kernels[layer] + h @ self.recurrent_kernels[layer] + self.biases[layer]
        i, f, g, o = np.split(z, 4)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return _sigmoid(o) * np.tanh(c), c


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


# -------------------------------------------------------------------------------------------------------- checkpoints

SUITE, KERAS, SESSION, SOFTPLUS = "suite", "keras", "session", "softplus"
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_PARTS = {
    **{f"lstm{i}": ("kernel", "recurrent_kernel", "bias") for i in range(3)},
    "attention_layer": ("kernel", "bias"),
    "mdn_layer": ("kernel", "bias"),
}


def kind_of_checkpoint(prefix: str) -> str:
    """Which program wrote a checkpoint, by the names of its variables.

    Returns:
        SUITE: this one. KERAS: the TensorFlow 2 scribe. SOFTPLUS: sjvasquez/handwriting-synthesis. SESSION: another
        program of TensorFlow 1, and what cannot be read.
    """
    from scribe.network.tf_setup import tf  # late: its import takes seconds

    try:
        names = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError):
        return SESSION  # its reader says what is wrong
    if any("LSTMAttentionCell/" in name for name in names):
        return SOFTPLUS
    if not any(".ATTRIBUTES" in name for name in names):
        return SESSION
    return SUITE if any("named_weights/" in name for name in names) else KERAS


def _keys_of_weights(graph):
    """{(layer, part): key in the checkpoint} of what is found of `_PARTS`.

    The keys themselves say little: Keras 3 stores a weight under the optimizer's name for it where there is one. The
    graph of objects tells which tensor an attribute of the model is.
    """

    def child(node, *names):
        return next((graph.nodes[c.node_id] for c in node.children if c.local_name in names), None)

    keys = {}
    for model in graph.nodes:
        layers = {layer: child(model, layer) for layer in _PARTS}
        if None in layers.values():
            continue
        for layer, node in layers.items():
            for part in _PARTS[layer]:
                weight = child(child(node, "cell") or node, part, f"_{part}")
                if weight is not None and len(weight.attributes) == 1:
                    keys[layer, part] = weight.attributes[0].checkpoint_key
        break
    return keys


def read_keras_checkpoint(prefix: str) -> FirstNetwork:
    """The network in a checkpoint of the TensorFlow 2 scribe, of Keras 2 or 3; optimizer slots are left out.

    Raises:
        NetworkError: it cannot be read, or it does not hold such a network.
    """
    # Late: TensorFlow's import takes seconds; and tf_setup has to be the first that imports it.
    from scribe.network.tf_setup import tf  # isort: skip
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    try:
        reader = tf.train.load_checkpoint(prefix)
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        graph.ParseFromString(reader.get_tensor(_OBJECT_GRAPH))
        keys = _keys_of_weights(graph)
        missing = [f"{layer}/{part}" for layer, parts in _PARTS.items() for part in parts if (layer, part) not in keys]
        if missing:
            raise NetworkError(f"{prefix} is not a checkpoint of the TensorFlow 2 scribe: {', '.join(missing)} missing")
        values = {name: np.asarray(reader.get_tensor(key), np.float32) for name, key in keys.items()}
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError) as error:
        reason = str(getattr(error, "message", error)).strip().splitlines()[0]
        raise NetworkError(f"{prefix} cannot be read: {reason}") from None
    network = FirstNetwork(
        kernels=[values[f"lstm{i}", "kernel"] for i in range(3)],
        recurrent_kernels=[values[f"lstm{i}", "recurrent_kernel"] for i in range(3)],
        biases=[values[f"lstm{i}", "bias"] for i in range(3)],
        attention_kernel=values["attention_layer", "kernel"],
        attention_bias=values["attention_layer", "bias"],
        head_kernel=values["mdn_layer", "kernel"],
        head_bias=values["mdn_layer", "bias"],
    )
    network.check()
    return network
