"""What a training run can be told, without TensorFlow: the network's sizes, the flags, the learning rate, the signals.

train.py trains with TensorFlow and tools/train_jax.py with JAX; what must be the same for both stands here.
"""

import argparse
import dataclasses
import json
import math
import signal
from typing import NamedTuple

from utils import ALPHABET

POINT_SIZE = 3  # dx, dy, pen lift
MAX_BAD_STEPS = 10  # steps in a row with a loss or gradient that is not finite, before the run gives up

# Bounds that no trained model comes near; they keep every finite input away from infinity (in float32, targets 1e6
# units away from a component of the smallest deviation and the largest correlation still give a finite gradient).
LOG_SIGMA_MIN, LOG_SIGMA_MAX = -10.0, 10.0
RHO_MAX = 1.0 - 1e-5


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
    """

    rnn_size: int = 400
    nmixtures: int = 20
    kmixtures: int = 1
    alphabet: str = ""
    tsteps_per_ascii: float = 25.0
    data_scale: float = 50.0
    first_pen: int = 0

    def __post_init__(self):
        for name in ("rnn_size", "nmixtures", "kmixtures"):
            value = getattr(self, name)
            if not hasattr(value, "__index__") or value < 1:
                raise ValueError(f"{name} is {value!r}: it has to be a whole number, 1 or more.")
        if not 0 < self.tsteps_per_ascii < math.inf or not 0 < self.data_scale < math.inf:
            raise ValueError("tsteps_per_ascii and data_scale have to be finite and greater than 0.")
        if self.first_pen not in (0, 1):
            raise ValueError(f"first_pen is {self.first_pen!r}: it has to be 0 or 1.")
        if not isinstance(self.alphabet, str):
            raise ValueError(f"alphabet is a {type(self.alphabet).__name__}: it has to be a string.")
        if len(set(self.alphabet)) != len(self.alphabet):
            twice = sorted({c for c in self.alphabet if self.alphabet.count(c) > 1})
            raise ValueError(f"alphabet holds {twice} more than once: every character needs one index.")

    @property
    def weights(self):
        """How many numbers the network has."""
        H, A, outputs = self.rnn_size, len(self.alphabet) + 1, 1 + 6 * self.nmixtures
        lstms = 3 * 4 * H * (POINT_SIZE + A + H + 1) + 2 * 4 * H * H
        return lstms + 3 * self.kmixtures * (H + 1) + outputs * (3 * H + 1)

    @classmethod
    def from_args(cls, args):
        """Takes the fields that `args` (a namespace, a ModelConfig, ...) has, and the defaults for the others."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: getattr(args, name) for name in names if getattr(args, name, None) is not None})


# --------------------------------------------------------------------------------------------------------------- flags


def add_flags(parser, save_path):
    """Adds the flags of a training run to an argparse parser; returns the group "run", for further ones.

    Args:
        parser: an ArgumentParser. save_path: default of --save_path.
    """
    default = ModelConfig()
    g = parser.add_argument_group("model")
    g.add_argument("--rnn_size", type=int, default=default.rnn_size, help="units in each of the three LSTMs")
    g.add_argument("--nmixtures", type=int, default=default.nmixtures, help="components of the mixture density")
    g.add_argument("--kmixtures", type=int, default=default.kmixtures, help="components of the window over the text")
    g.add_argument("--alphabet", default=ALPHABET, help="characters the model knows; all others share one index")
    g.add_argument(
        "--tsteps_per_ascii",
        type=float,
        default=default.tsteps_per_ascii,
        help="pen points per character that an untrained window expects",
    )
    g.add_argument("--dropout", type=float, default=1.0, help="probability to KEEP an output of an LSTM (1 = keep all)")
    g = parser.add_argument_group("data")
    g.add_argument("--data_dir", default="data", help="folder with strokes_training_data.cpkl")
    g.add_argument(
        "--extra_data", metavar="FILE", default=None, help="a further file of lines, all of them to train on"
    )
    g.add_argument(
        "--distort",
        type=float,
        default=0.0,
        help="spread of random width, height and slant of the training lines (0 = as they are; 0.08 is mild)",
    )
    g.add_argument("--data_scale", type=float, default=default.data_scale, help="raw units in one model unit of length")
    g.add_argument("--tsteps", type=int, default=1300, help="leave out lines of more pen points than this")
    g.add_argument("--batch_size", type=int, default=16, help="lines in a batch")
    g.add_argument("--nbatches", type=int, default=0, help="batches in an epoch (0 = all lines once)")
    g = parser.add_argument_group("optimization")
    g.add_argument("--nepochs", type=int, default=30, help="epochs")
    g.add_argument("--optimizer", choices=("adam", "rmsprop"), default="adam", help="optimizer")
    g.add_argument("--learning_rate", type=float, default=1e-3, help="highest learning rate")
    g.add_argument("--lr_schedule", choices=("cosine", "constant"), default="cosine", help="how it falls over the run")
    g.add_argument("--lr_decay", type=float, default=1.0, help="factor on the learning rate after every epoch")
    g.add_argument("--warmup", type=int, default=100, help="steps over which it rises from 0")
    g.add_argument("--decay", type=float, default=0.99, help="decay of the mean of squared gradients (adam: beta_2)")
    g.add_argument("--momentum", type=float, default=0.9, help="momentum (adam: beta_1)")
    g.add_argument("--grad_clip", type=float, default=1.0, help="largest norm of the gradient (0 = do not clip)")
    g.add_argument("--ema", type=float, default=0.998, help="decay of the weight average that is validated (0 = none)")
    g.add_argument("--seed", type=int, default=0, help="of weights, shuffling and dropout")
    g = parser.add_argument_group("run")
    g.add_argument("--save_path", default=save_path, help="folder of this run: last state, best weights, config")
    g.add_argument("--init_from", default=None, help="start from the weights of this checkpoint or run")
    g.add_argument("--log_dir", default="logs", help="folder for messages and curves")
    g.add_argument("--save_every", type=int, default=100, help="steps between saves")
    g.add_argument("--validate_every", type=int, default=0, help="steps between validations (0 = once an epoch)")
    g.add_argument(
        "--patience", type=int, default=0, help="validations without a lower loss before it stops (0 = never)"
    )
    return g


def check_flags(parser, args):
    """Ends with a usage error, exit code 2, if a flag of `add_flags` has a value that no run can have."""
    for name in ("rnn_size", "nmixtures", "kmixtures", "batch_size", "nepochs", "tsteps", "save_every"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}: it has to be 1 or more")
    for name in ("nbatches", "validate_every", "patience", "warmup", "grad_clip", "seed"):
        if getattr(args, name) < 0:
            parser.error(f"--{name} is {getattr(args, name)}: it has to be 0 or more")
    for name in ("data_scale", "tsteps_per_ascii", "learning_rate", "lr_decay"):
        if not getattr(args, name) > 0:
            parser.error(f"--{name} is {getattr(args, name)}: it has to be greater than 0")
    if args.seed >= 2**31:
        parser.error(f"--seed is {args.seed}: it has to be below 2147483648")
    if not math.isfinite(args.grad_clip):
        parser.error(f"--grad_clip is {args.grad_clip}: it has to be a finite number (0 = do not clip)")
    if not args.alphabet:
        parser.error("--alphabet is empty: it has to hold the characters of the texts")
    if not 0 < args.dropout <= 1:
        parser.error(f"--dropout is {args.dropout}: it is the probability to keep an output, above 0 and at most 1")
    if not 0 <= args.distort <= 1:
        parser.error(f"--distort is {args.distort}: it has to be at least 0 and at most 1")
    for name in ("ema", "decay", "momentum"):
        if not 0 <= getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}: it has to be at least 0 and below 1")
    try:
        ModelConfig.from_args(args)
    except ValueError as error:
        parser.error(str(error))


def parse_args(argv, description):
    """The flags of train.py; its other readers have no TensorFlow."""
    p = argparse.ArgumentParser(
        prog="train.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    g = add_flags(p, save_path="saved/model")
    g.add_argument(
        "--towers",
        type=int,
        default=0,
        help="slices of a batch computed side by side (0 = one for each core, of at least 4 lines; 1 on a GPU)",
    )
    g.add_argument(
        "--distribute",
        choices=("none", "mirrored", "multiworker"),
        default="none",
        help="split every batch over all GPUs of this machine (mirrored), or over the machines that the environment "
        "variable TF_CONFIG names (multiworker)",
    )
    args = p.parse_args(argv)
    check_flags(p, args)
    if args.towers < 0:
        p.error(f"--towers is {args.towers}: it has to be 0 or more")
    return args


# --------------------------------------------------------------------------------------------------------- the workers


class Cluster(NamedTuple):
    """Which of how many workers this process is. rank: from 0, the chief; address: host:port of its own."""

    rank: int
    workers: int
    address: str = ""


ALONE = Cluster(0, 1)


def read_cluster(environ):
    """The Cluster that the environment variable TF_CONFIG describes.

    It is JSON: {"cluster": {"chief": ["host:port"], "worker": ["host:port", ...]}, "task": {"type": "worker",
    "index": 0}}. Without a chief, worker 0 is it.

    Raises:
        ValueError: it is missing, or describes no worker; the message is one line.
    """
    text = environ.get("TF_CONFIG")
    if not text:
        raise ValueError(
            "--distribute multiworker needs the environment variable TF_CONFIG, which names all workers; "
            "docs/TRAINING.md has an example."
        )
    try:
        content = json.loads(text)
        jobs, task = content["cluster"], content["task"]
        kind, index = task["type"], int(task["index"])
        addresses = [list(jobs.get(name, [])) for name in ("chief", "worker")]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"TF_CONFIG is {' '.join(text.split())[:200]!r}: it has to be JSON with a cluster and a task "
            f"({type(error).__name__}: {error})."
        ) from None
    unknown = sorted(({kind} | jobs.keys()) - {"chief", "worker"})
    if unknown:
        raise ValueError(f"TF_CONFIG has the task type {unknown[0]!r}: only chief and worker can train.")
    chiefs, workers = addresses
    if len(chiefs) > 1:
        raise ValueError(f"TF_CONFIG names {len(chiefs)} chiefs: there can be one.")
    if not 0 <= index < len(chiefs if kind == "chief" else workers):
        raise ValueError(f"TF_CONFIG says that this is {kind} {index}, but its cluster has no such address.")
    rank = index if kind == "chief" else len(chiefs) + index
    return Cluster(rank, len(chiefs) + len(workers), (chiefs + workers)[rank])


# ------------------------------------------------------------------------------------------------------------- the run


def learning_rate(args, step, steps, steps_per_epoch):
    """The learning rate of step `step` (from 0) of `steps`: a pure function, so a resumed run has the same."""
    rate = args.learning_rate * args.lr_decay ** (step // steps_per_epoch)
    if args.lr_schedule == "cosine":
        rate *= 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return rate * min(1.0, (step + 1) / max(1, args.warmup))


class Interrupt:
    """Remembers SIGINT or SIGTERM, so that the loop can save before it stops. A second SIGINT stops at once.

    A context manager: afterwards the signals do again what they did before (a notebook lives on after the run).
    """

    def __init__(self):
        self.signal = None

    def __enter__(self):
        self._before = {n: signal.signal(n, self._remember) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number, frame):
        if self.signal == number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
