"""Writes the outputs of a small fixed network to golden_model.npz, for test_golden_outputs.py to compare with.

    python tests/regression/make_golden.py

To be run only when the network is meant to compute something else than before.
"""

import os
import sys
from types import SimpleNamespace

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", ".."))

from model import HandwritingModel, compute_loss  # noqa: E402

import tensorflow as tf  # noqa: E402 # isort: skip

GOLDEN = os.path.join(HERE, "golden_model.npz")
SIZES = {"rnn_size": 7, "nmixtures": 3, "kmixtures": 2, "alphabet": "abcde", "tsteps_per_ascii": 4.0}
B, T, U = 2, 9, 5


def layer_weights(model):
    """Every weight, by the name that it has in checkpoints."""
    layers = {
        "lstm0": model.lstm0,
        "attention": model.attention_layer,
        "lstm1": model.lstm1.cell,
        "lstm2": model.lstm2.cell,
        "mdn": model.mdn_layer,
    }
    return {
        f"{layer_name}_{name}": getattr(layer, name)
        for layer_name, layer in layers.items()
        for name in ("kernel", "recurrent_kernel", "bias")
        if hasattr(layer, name)
    }


def compute():
    """The outputs of one call, the loss, and the norms of the gradients, from weights drawn with NumPy."""
    rng = np.random.default_rng(13080850)
    model = HandwritingModel(SimpleNamespace(**SIZES))
    weights = layer_weights(model)
    for variable in weights.values():
        variable.assign(rng.normal(0, 0.5, tuple(variable.shape)).astype(np.float32))
    strokes = rng.normal(0, 1, (B, T + 1, 3)).astype(np.float32)
    strokes[..., 2] = strokes[..., 2] > 1
    char_seq = np.eye(len(SIZES["alphabet"]) + 1, dtype=np.float32)[rng.integers(0, 6, (B, U))]
    mask = np.ones((B, T), np.float32)
    char_seq[1, 3:], mask[1, 6:] = 0, 0
    with tf.GradientTape() as tape:
        inputs = {"stroke_data": tf.constant(strokes[:, :-1]), "char_seq": tf.constant(char_seq)}
        out = model(inputs, training=True)
        loss = compute_loss(out, strokes[:, 1:], mask)
    gradients = tape.gradient(loss, model.trainable_variables)
    values = {name: out[name].numpy() for name in out if name != "states"}
    for i, (h, c) in enumerate(out["states"]):
        values |= {f"h{i}": h.numpy(), f"c{i}": c.numpy()}
    # Sorted, because versions of Keras list the weights of a model in different orders.
    norms = np.sort([np.linalg.norm(g) for g in gradients]).astype(np.float32)
    return values | {"loss": loss.numpy(), "gradient_norms": norms}


if __name__ == "__main__":
    np.savez_compressed(GOLDEN, **compute())
