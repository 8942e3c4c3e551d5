"""Checkpoints as TensorFlow 1 wrote them, for tests: the stored ones, and small ones under any variable names."""

import os

import numpy as np

from scribe.network.tf_setup import tf

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "regression", "tf1")
TRAINED = os.path.join(FOLDER, "trained", "model.ckpt-400")
RANDOM = os.path.join(FOLDER, "random", "model.ckpt-0")
ALPHABET = "abcde "  # of random/ and of `make_weights`


def make_weights(H=5, M=2, K=1, A=7, seed=0):
    """Random weights of the TF1 scribe's network, under the names of TensorFlow 1.15: a dict of float32 arrays."""
    rng = np.random.default_rng(seed)
    shapes = {
        "cell0/lstm_cell/kernel": (3 + H, 4 * H),
        "cell0/lstm_cell/bias": (4 * H,),
        "cell1/lstm_cell/kernel": (H + A + 3 + H, 4 * H),
        "cell1/lstm_cell/bias": (4 * H,),
        "cell2/lstm_cell/kernel": (2 * H, 4 * H),
        "cell2/lstm_cell/bias": (4 * H,),
        "window/window_w": (H, 3 * K),
        "window/window_b": (3 * K,),
        "mdn_dense/output_w": (H, 1 + 6 * M),
        "mdn_dense/output_b": (1 + 6 * M,),
    }
    return {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def write_checkpoint(prefix, variables):
    """Writes a checkpoint of TensorFlow's second format, that of 0.12 and later, with exactly these variables."""
    os.makedirs(os.path.dirname(prefix), exist_ok=True)
    names = list(variables)
    tensors = [tf.convert_to_tensor(variables[name]) for name in names]
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors)
    return prefix
