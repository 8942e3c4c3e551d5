"""Sizes of the network, bounds of its outputs, and where the shipped ones lie; without TensorFlow."""

import collections
import dataclasses
import math
import os

from scribe.console import shortened

POINT_SIZE = 3  # dx, dy, pen lift

SAVED = "saved"
SHIPPED = os.path.join(SAVED, "checkpoint")
PREDICTION = os.path.join(SAVED, "prediction")  # the folder of the shipped prediction network, which knows no text

# Bounds that no trained model comes near; they keep every finite input away from infinity (in float32, targets 1e6
# units away from a component of the smallest deviation and the largest correlation still give a finite gradient).
LOG_SIGMA_MIN, LOG_SIGMA_MAX = -10.0, 10.0
RHO_MAX = 1.0 - 1e-5

PRECISIONS = ("auto", "float32", "bfloat16")  # of the large products in training: see precision.py


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What it takes to build the network that a checkpoint belongs to; written as JSON beside the weights.

    Attributes:
        rnn_size: H, units in each of the three LSTMs.
        nmixtures: M, components of the mixture density.
        kmixtures: K, components of the window over the text.
        alphabet: the characters that the network knows, in the order of their one-hot index, which starts at 1.
        tsteps_per_ascii: pen points per character that an untrained window expects.
        data_scale: raw units in one model unit of length.
        first_pen: the pen lift, 0 or 1, of the point that the network is given before the first one of a line.
        hand_size: D, numbers that describe a hand, and again as many for each of its characters; 0: the network knows
            of no hands.
    """

    rnn_size: int = 400
    nmixtures: int = 20
    kmixtures: int = 1
    alphabet: str = ""
    tsteps_per_ascii: float = 25.0
    data_scale: float = 50.0
    first_pen: int = 0
    hand_size: int = 0

    def __post_init__(self):
        for name in ("rnn_size", "nmixtures", "kmixtures"):
            value = getattr(self, name)
            if not hasattr(value, "__index__") or value < 1:
                raise ValueError(f"{name} is {shortened(repr(value))}: it has to be a whole number, 1 or more.")
        if not 0 < self.tsteps_per_ascii < math.inf or not 0 < self.data_scale < math.inf:
            raise ValueError("tsteps_per_ascii and data_scale have to be finite and greater than 0.")
        if self.first_pen not in (0, 1):
            raise ValueError(f"first_pen is {shortened(repr(self.first_pen))}: it has to be 0 or 1.")
        if not hasattr(self.hand_size, "__index__") or self.hand_size < 0:
            raise ValueError(f"hand_size is {shortened(repr(self.hand_size))}: it has to be a whole number, 0 or more.")
        if not isinstance(self.alphabet, str):
            raise ValueError(f"alphabet is a {type(self.alphabet).__name__}: it has to be a string.")
        if len(set(self.alphabet)) != len(self.alphabet):
            twice = sorted(c for c, times in collections.Counter(self.alphabet).items() if times > 1)
            raise ValueError(f"alphabet holds {shortened(twice)} more than once: every character needs one index.")

    @property
    def shapes(self):
        """The shape of each weight array of the network, without those of its encoder of hands."""
        H, K, A, outputs = self.rnn_size, self.kmixtures, len(self.alphabet) + 1, 1 + 6 * self.nmixtures
        lstms = [[(inputs, 4 * H), (H, 4 * H), (4 * H,)] for inputs in (POINT_SIZE + A, *[POINT_SIZE + A + H] * 2)]
        hands = [(self.hand_size, 4 * H)] * 6 if self.hand_size else []
        return [*lstms[0], *lstms[1], *lstms[2], (H, 3 * K), (3 * K,), (3 * H, outputs), (outputs,), *hands]

    @property
    def weights(self):
        """How many numbers the network has."""
        return sum(map(math.prod, self.shapes))

    @classmethod
    def from_args(cls, args):
        """Takes the fields that `args` (a namespace, a ModelConfig, ...) has, and the defaults for the others."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: getattr(args, name) for name in names if getattr(args, name, None) is not None})
