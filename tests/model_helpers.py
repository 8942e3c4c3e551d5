"""A tiny model that nobody trained, for tests of what is done with a checkpoint."""

import types

from model import HandwritingModel
from scribe.ink.alphabet import ALPHABET
from scribe.network.checkpoint import save_model
from scribe.network.tf_setup import tf


def save_tiny_model(folder, step=-1.0, hand_size=0):
    """Saves it to `folder` and returns the prefix; its window walks on by about exp(step) characters at every point."""
    tf.keras.utils.set_random_seed(1)
    sizes = {"rnn_size": 8, "nmixtures": 2, "kmixtures": 1, "hand_size": hand_size}
    model = HandwritingModel(types.SimpleNamespace(**sizes, alphabet=ALPHABET))
    model.attention_layer.bias.assign([0.0, 0.5, step])
    save_model(str(folder / "checkpoint"), model)
    return str(folder / "checkpoint")
