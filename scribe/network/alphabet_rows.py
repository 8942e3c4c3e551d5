"""Alphabets in checkpoints: the rows of a kernel go to the characters that they were learned for.

The window is one of the inputs of all three LSTMs, so their kernels have a row for each character, in the order of the
alphabet. A checkpoint keeps its alphabet, and where the network that it is restored into has another one (the same
characters in another order, fewer, more), every character finds its own rows. This holds for any way of restoring:

    tf.train.Checkpoint(model=model).restore("saved/checkpoint")
"""

from typing import Any

from scribe.ink.alphabet import ALPHABET
from scribe.network.config import POINT_SIZE
from scribe.network.tf_setup import tf

ALPHABET_KEY = "named_weights/alphabet/.ATTRIBUTES/py_state"  # the end of its name in a checkpoint


class CheckpointAlphabet(tf.train.experimental.PythonState):
    """The alphabet of a network, as TensorFlow saves it with the weights.

    TensorFlow restores such states before any tensor, so `deserialize` says what the rows of the kernels mean.

    Args:
        alphabet: the characters of the network, in the order of their one-hot index, which starts at 1.
    """

    def __init__(self, alphabet: str):
        self.alphabet = alphabet
        self._kernels = 0
        self._expected: list[str] = []  # the alphabet of the checkpoint, once for each kernel still to be restored

    def serialize(self) -> bytes:
        return self.alphabet.encode("utf-8")

    def deserialize(self, value: bytes) -> None:
        self.expect(value.decode("utf-8"))

    def expect(self, alphabet: str) -> None:
        """Says which alphabet the kernels that are restored next were saved with."""
        self._expected = [alphabet] * self._kernels

    def follow(self, kernel: Any) -> None:
        """Makes a kernel [3 + A + further rows, 4H] take its rows by character when a checkpoint is restored."""
        restore = kernel._restore_from_tensors
        self._kernels += 1

        def restore_by_character(tensors):
            ((key, value),) = tensors.items()
            alphabet = self._expected.pop() if self._expected else None
            return restore({key: self._rows(value, alphabet, others=kernel.shape[0] - len(self.alphabet) - 1)})

        kernel._restore_from_tensors = restore_by_character

    def _rows(self, value, alphabet, others):
        """A kernel as it was saved -> with the rows of this network's characters; `others`: the rows of other inputs.

        A character that the checkpoint does not know gets the row of its unknown character.
        """
        characters = value.shape[0] - others - 1
        if alphabet is None:  # a checkpoint from before they kept their alphabet
            alphabet = ALPHABET if characters == len(ALPHABET) else self.alphabet
        if alphabet == self.alphabet or characters != len(alphabet):
            return value  # the wrong shape of another network is TensorFlow's to tell
        rows = [0] + [alphabet.find(c) + 1 for c in self.alphabet]
        point, window, rest = tf.split(value, [POINT_SIZE, characters + 1, others - POINT_SIZE])
        return tf.concat([point, tf.gather(window, rows), rest], axis=0)
