"""Flags of a training run, for train.py, tools/train_jax.py and submit_training.py. Without TensorFlow."""

import argparse

from scribe.console import OneLineParser
from scribe.ink.alphabet import ALPHABET, has_half_character
from scribe.network.config import PRECISIONS, ModelConfig

MOST_WEIGHTS = 1_000_000_000  # of a network: 4 GB, and several times as much in training
MOST_STEPS = 1_000_000_000


def add_flags(parser: argparse.ArgumentParser, save_path: str) -> argparse._ArgumentGroup:
    """Adds the flags of a training run to a parser; returns their group "run", for further ones.

    Args:
        parser: the parser to add them to. save_path: default of --save_path.
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
    g.add_argument("--extra_data", metavar="FILE", default=None, help="further file of lines, all of them for training")
    g.add_argument(
        "--distort",
        type=float,
        default=0.0,
        help="spread of random width, height and slant of the training lines, and of the hands that they are in "
        "(0 = unchanged; 0.08 is mild)",
    )
    g.add_argument("--data_scale", type=float, default=default.data_scale, help="raw units in one model unit of length")
    g.add_argument("--tsteps", type=int, default=1300, help="most pen points of a line; longer ones are left out")
    g.add_argument("--batch_size", type=int, default=16, help="lines in a batch")
    g.add_argument("--nbatches", type=int, default=0, help="batches in an epoch (0 = every line once)")
    g = parser.add_argument_group("optimization")
    g.add_argument("--nepochs", type=int, default=30, help="epochs")
    g.add_argument("--optimizer", choices=("adam", "rmsprop"), default="adam", help="optimizer")
    g.add_argument("--learning_rate", type=float, default=1e-3, help="highest learning rate")
    g.add_argument(
        "--lr_schedule",
        choices=("cosine", "constant"),
        default="cosine",
        help="course of the rate over the run",
    )
    g.add_argument("--lr_decay", type=float, default=1.0, help="factor on the learning rate after every epoch")
    g.add_argument("--warmup", type=int, default=100, help="steps over which the learning rate rises from 0")
    g.add_argument("--decay", type=float, default=0.99, help="decay of the mean of squared gradients (adam: beta_2)")
    g.add_argument("--momentum", type=float, default=0.9, help="momentum (adam: beta_1)")
    g.add_argument("--grad_clip", type=float, default=1.0, help="largest norm of the gradient (0 = do not clip)")
    g.add_argument("--ema", type=float, default=0.998, help="decay of the weight average that is validated (0 = none)")
    g.add_argument("--seed", type=int, default=0, help="seed of weights, shuffling and dropout")
    g = parser.add_argument_group("run")
    g.add_argument("--save_path", default=save_path, help="folder of this run: last state, best weights, config")
    g.add_argument("--init_from", default=None, help="checkpoint or run whose weights to start from")
    g.add_argument("--log_dir", default="logs", help="folder for messages and curves")
    g.add_argument("--save_every", type=int, default=100, help="steps between saves")
    g.add_argument("--validate_every", type=int, default=0, help="steps between validations (0 = once an epoch)")
    g.add_argument(
        "--patience",
        type=int,
        default=0,
        help="validations without a lower loss before the run stops (0 = never)",
    )
    return g


def check_flags(parser: OneLineParser, args: argparse.Namespace) -> None:
    """Ends with a usage error, exit code 2, if a flag of `add_flags` has an impossible value."""
    parser.require(args, "rnn_size", "nmixtures", "kmixtures", "batch_size", "tsteps", least=1)
    parser.require(args, "nepochs", "save_every", least=1, most=MOST_STEPS)
    parser.require(args, "nbatches", "validate_every", "patience", "warmup", most=MOST_STEPS)
    parser.require(args, "grad_clip", "seed")
    for name in ("data_scale", "tsteps_per_ascii", "learning_rate", "lr_decay"):
        if not getattr(args, name) > 0:
            parser.error(f"--{name} is {getattr(args, name)}: it has to be greater than 0")
    if args.seed >= 2**31:
        parser.error(f"--seed is {args.seed}: it has to be below 2147483648")
    if not args.alphabet:
        parser.error("--alphabet is empty: it has to hold the characters of the texts")
    if has_half_character(args.alphabet):
        parser.error("--alphabet has half of a character (a lone surrogate): it is not whole Unicode")
    if not 0 < args.dropout <= 1:
        parser.error(f"--dropout is {args.dropout}: it is the probability to keep an output, above 0 and at most 1")
    if not 0 <= args.distort <= 1:
        parser.error(f"--distort is {args.distort}: it has to be at least 0 and at most 1")
    for name in ("ema", "decay", "momentum"):
        if not 0 <= getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}: it has to be at least 0 and below 1")
    try:
        weights = ModelConfig.from_args(args).weights
    except ValueError as error:
        parser.error(str(error))
    if weights > MOST_WEIGHTS:
        parser.error(
            f"--rnn_size {args.rnn_size}, --nmixtures {args.nmixtures} and --kmixtures {args.kmixtures} make a network "
            f"of {weights:,} weights: at most {MOST_WEIGHTS:,} are possible"
        )


def parse_training_flags(argv: list[str] | None, description: str | None) -> argparse.Namespace:
    """Parses the flags of train.py, without TensorFlow for submit_training.py."""
    p = OneLineParser(prog="train.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    g = add_flags(p, save_path="saved/model")
    g.add_argument(
        "--towers",
        type=int,
        default=0,
        help="slices of a batch computed in parallel (0 = one for each core, of at least 4 lines; 1 on a GPU)",
    )
    g.add_argument(
        "--accumulate",
        type=int,
        default=1,
        help="parts of a batch computed one after another: takes the memory of one, and gives the same step",
    )
    g.add_argument(
        "--hand_size",
        type=int,
        default=None,
        help="numbers that describe a hand; 0: the network knows of no hands (default: as --init_from has it, else 0)",
    )
    g.add_argument(
        "--unconditional",
        action="store_true",
        help="train the prediction network of section 4 of the paper, which sees no text",
    )
    g.add_argument(
        "--weight_noise",
        choices=("none", "adaptive"),
        default="none",
        help="noise on the weights in training: adaptive learns how much each takes (Graves 2011)",
    )
    g.add_argument(
        "--noise_deviation", type=float, default=0.01, help="standard deviation of adaptive weight noise at the start"
    )
    g.add_argument(
        "--no_pictures", action="store_true", help="curves alone for TensorBoard, no written lines at each validation"
    )
    g.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="type of the factors in large products (auto = bfloat16 where that is measured to be faster; a run that "
        "goes on keeps its own; name one for numbers that repeat in another run)",
    )
    g.add_argument(
        "--distribute",
        choices=("none", "mirrored", "multiworker"),
        default="none",
        help="devices that share every batch: all GPUs of this machine (mirrored), or the machines that the "
        "environment variable TF_CONFIG names (multiworker)",
    )
    args = p.parse_args(argv)
    check_flags(p, args)
    if args.unconditional:
        args.alphabet = ""
    if not args.noise_deviation > 0:
        p.error(f"--noise_deviation is {args.noise_deviation}: it has to be greater than 0")
    p.require(args, "towers")
    p.require(args, "accumulate", least=1, most=args.batch_size)
    return args
