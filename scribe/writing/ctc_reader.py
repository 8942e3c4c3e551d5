"""What the two recognisers have in common: a network that is trained with CTC, kept in a file, and reads lines of ink.

`scribe/writing/recogniser.py` follows the path of the pen, `scribe/writing/picture_recogniser.py` sees what it left.
"""

import os
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.console import SuiteError, shortened
from scribe.files.atomic import written_aside
from scribe.ink.alphabet import ALPHABET
from scribe.network.tf_setup import tf

LINES_READ_TOGETHER = 8
LARGEST_FILE = 16_000_000  # bytes of the weights, unpacked; the shipped ones have 2 million each


class RecogniserError(SuiteError):
    """The file of a recogniser cannot be used; the message says what to do."""


class CtcReader(tf.Module):
    """A network that reads.

    Args:
        alphabet: the characters that it can read, A of them.
        seed: seed of the initial weights.

    Attributes:
        INPUT: tf.TensorSpec of what `together` returns first.
        fixed: whether the weights stay as they are: they are looked at once then, not each time that lines are read.
    """

    INPUT: tf.TensorSpec

    def __init__(self, alphabet=ALPHABET, seed=0):
        super().__init__()
        self.alphabet = alphabet
        self._seed = seed
        self._variables = {}  # by name, in the order of creation
        self.fixed = False
        self._compiled = {}, None  # weights, and what reads with them
        self._add_kernels()

    def _add_kernels(self):
        """Makes all variables by `_kernel`."""
        raise NotImplementedError

    def features(self, points: NDArray, rng: np.random.Generator | None = None) -> NDArray:
        """What the network sees of a line.

        Args:
            points: [n, 3] or [n, 6], absolute x, y first (any unit, y grows downwards), the pen lift last.
            rng: a NumPy Generator that varies width, slant and size a little and bends the line, for training. None:
                the line as it is.
        """
        raise NotImplementedError

    def together(self, features: Sequence[NDArray]) -> tuple[NDArray, NDArray[np.int32]]:
        """Such features of B lines as one array [B, ...], zero after their ends, and their lengths, int32 [B]."""
        raise NotImplementedError

    def frames(self, features: NDArray) -> int:
        """How many frames the network classifies in a line of such features."""
        raise NotImplementedError

    def __call__(self, x, lengths, dropout_seed=None, keep=1.0):
        """Classifies every frame.

        Args:
            x, lengths: as `together` returns them.
            dropout_seed: int [2], for training: outputs of layers are kept with the probability `keep`.

        Returns:
            logits [t, B, A + 1], the last one for "no character" (the blank of CTC); such logits by the convolutions
            alone, which see two or three letters at a time: they are there to be trained; and int [B], frames of each
            line.
        """
        raise NotImplementedError

    def logits(self, x: NDArray, lengths: NDArray) -> tuple[NDArray[np.float32], NDArray]:
        """The first logits of `__call__` without dropout, and the frames, as NumPy arrays; fast."""
        raise NotImplementedError

    def _kernel(self, name, shape, bias=True):
        deviation = np.sqrt((1.0 if len(shape) == 2 else 2.0) / np.prod(shape[:-1]))
        value = np.random.default_rng([self._seed, len(self._variables)]).normal(0, deviation, shape)
        self._variables[name] = tf.Variable(value.astype(np.float32), name=name)
        if bias:
            self._variables[name + "_bias"] = tf.Variable(tf.zeros(shape[-1]), name=name + "_bias")

    def _reading(self, compile_them):
        """`compile_them(weights)`, kept until the weights are others."""
        before, reading = self._compiled
        if self.fixed and reading is not None:
            return reading
        weights = self._weights()
        if reading is None or not all(np.array_equal(weights[name], value) for name, value in before.items()):
            reading = compile_them(weights)
            self._compiled = weights, reading
        return reading

    def _weights(self):
        return {name: variable.numpy().copy() for name, variable in self._variables.items()}

    @staticmethod
    def _reverse(h, lengths):
        """[T, B, I] with each line reversed within its length."""
        return tf.reverse_sequence(h, lengths, seq_axis=0, batch_axis=1)

    def take_weights(self, other: "CtcReader") -> None:
        """Copies the weights of another one of the same kind.

        Raises:
            RecogniserError: it reads other characters.
        """
        if other.alphabet != self.alphabet:
            raise RecogniserError("the weights to go on from are those of a recogniser of other characters.")
        self.fixed = False
        for name, variable in self._variables.items():
            variable.assign(other._variables[name])

    def knows(self, text: str) -> bool:
        """Whether it knows all characters of a text."""
        return set(text) <= set(self.alphabet)

    def frame_shares(self, lines: Sequence[NDArray]) -> list[NDArray[np.float32]]:
        """What it takes each frame for.

        Args:
            lines: list of [n, 3] or [n, 6], as in `features`.

        Returns:
            for each line [t, A + 1]: probabilities of the characters, the last one of "no character"; t frames.
        """
        features = [self.features(points) for points in lines]
        order = np.argsort([self.frames(f) for f in features], kind="stable")
        shares: list[Any] = [None] * len(lines)
        for start in range(0, len(order), LINES_READ_TOGETHER):
            rows = order[start : start + LINES_READ_TOGETHER]
            logits, lengths = self.logits(*self.together([features[i] for i in rows]))
            exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
            exponentials /= exponentials.sum(axis=-1, keepdims=True)
            for k, (i, length) in enumerate(zip(rows, lengths)):
                shares[i] = exponentials[:length, k]
        return shares

    def text_of(self, shares: NDArray) -> str:
        """The likeliest character of every frame [t, A + 1], repetitions merged (greedy CTC decoding)."""
        codes = np.argmax(shares, axis=-1)
        new = np.concatenate([[True], codes[1:] != codes[:-1]]) & (codes != len(self.alphabet))
        return "".join(self.alphabet[c] for c in codes[new]).strip()

    def read(self, lines: Sequence[NDArray]) -> list[str]:
        """Reads lines: list of [n, 3] or [n, 6], as in `features`, to a list of strings."""
        return [self.text_of(shares) for shares in self.frame_shares(lines)]

    def save(self, path: str | os.PathLike) -> None:
        """Writes the weights as a NumPy file of half-precision arrays, as `written_aside` does."""
        arrays = {name: v.numpy().astype(np.float16) for name, v in self._variables.items()}
        with written_aside(path) as aside, open(aside, "wb") as file:
            np.savez_compressed(file, alphabet=np.array(self.alphabet), **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Any:
        """One with the weights of a file that `save` wrote.

        Raises:
            RecogniserError: the file is missing, damaged, or something else.
        """
        try:
            return cls._load(path)
        except Exception as error:  # a broken archive can raise almost anything
            reason = shortened(getattr(error, "strerror", None) or str(error) or type(error).__name__)
            raise RecogniserError(
                f"{path} cannot be read as the recogniser ({reason}): restore the file, it comes with the suite, or go "
                "without it (sample.py: --no_proofread; in Python: tries=1)."
            ) from None

    @classmethod
    def _load(cls, path):
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            # An archive of kilobytes can hold gigabytes: look before anything is unpacked.
            if sum(member.file_size for member in archive.infolist()) > LARGEST_FILE:
                raise ValueError(f"it unpacks to more than {LARGEST_FILE:,} bytes")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                alphabet = arrays["alphabet"]
                characters = str(alphabet)
                different = len(set(characters)) == len(characters)
                if alphabet.dtype.kind != "U" or alphabet.shape or not different or not 0 < len(characters) < 1000:
                    raise ValueError("its alphabet is not a text of some hundred different characters")
                reader = cls(characters)
                for name, variable in reader._variables.items():
                    weights = arrays[name].astype(np.float32)
                    if weights.shape != variable.shape:
                        raise ValueError(f"{name} has the shape {weights.shape} instead of {tuple(variable.shape)}")
                    if not np.isfinite(weights).all():
                        raise ValueError(f"{name} holds numbers that are not finite")
                    variable.assign(weights)
        reader.fixed = True
        return reader
