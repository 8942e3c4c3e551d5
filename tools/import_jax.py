"""Weights from tools/train_jax.py to a checkpoint of the suite and back. Needs TensorFlow, not JAX.

    python3 tools/import_jax.py saved/jax                                # its best weights: saved/jax/checkpoint.*
    python3 tools/import_jax.py saved/jax --which latest --prefix saved/gpu/checkpoint
    python3 tools/import_jax.py --export saved/checkpoint weights.npz    # for train_jax.py --init_from weights.npz

Then `sample.py --save_path saved/jax` and `train.py --init_from saved/jax` take it. Every weight arrives bit for bit.
"""

import argparse
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from jax_training.run_files import RunError, averaged_weights, read_run
from model import HandwritingModel, load_model
from scribe.console import OneLineParser, run_command, say
from scribe.files.atomic import written_aside
from scribe.network.checkpoint import CheckpointError, find_checkpoint, save_model
from scribe.network.config import ModelConfig


def read_weights(folder, which="best"):
    """The weights of a run of tools/train_jax.py.

    Args:
        folder: of the run. which: "best" or "latest", see `averaged_weights`.

    Returns:
        (ModelConfig, {name: float32 array}, steps that the weights were trained).

    Raises:
        RunError: there is no such run, it has no such weights, or a file of it is damaged.
    """
    run = read_run(folder)
    if run is None:
        raise RunError(f"{folder} is not a whole run of tools/train_jax.py (it has no run.json).")
    try:
        if run[which] is not None:
            return ModelConfig(**run["config"]), averaged_weights(folder, run, which), run[which]["batches"]
    except Exception as error:  # a damaged archive can raise almost anything
        raise RunError(f"{folder} is not a whole run of tools/train_jax.py ({error}).") from None
    raise RunError(f"{folder} has no {which} weights: take --which {'latest' if which == 'best' else 'best'}.")


def build_model(config, weights):
    """A HandwritingModel of `config` with `weights`, {name: array} for every name in its `named_weights`."""
    model = HandwritingModel(config)
    variables = vars_by_name(model)
    if {name: tuple(v.shape) for name, v in variables.items()} != {name: w.shape for name, w in weights.items()}:
        raise CheckpointError("the weights are those of another network than the config says.")
    for name, variable in variables.items():
        variable.assign(weights[name])
    return model


def vars_by_name(model):
    """The model's weights, {name: variable}, by the names that they have in checkpoints."""
    layers, names = ("lstm0", "attention", "lstm1", "lstm2", "mdn"), ("kernel", "recurrent_kernel", "bias")
    found = {
        f"{layer}_{name}": getattr(model.named_weights, f"{layer}_{name}", None) for layer in layers for name in names
    }
    return {name: variable for name, variable in found.items() if variable is not None}


def export(prefix, path):
    """Writes the weights of the checkpoint `prefix` to the .npz file `path`, an array for each."""
    model = load_model(prefix)
    with written_aside(path) as aside:
        np.savez(aside, **{name: variable.numpy() for name, variable in vars_by_name(model).items()})


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("path", help="folder of a run of tools/train_jax.py; with --export, the .npz file to write")
    p.add_argument("--which", choices=("best", "latest"), default="best", help="averaged weights to import")
    p.add_argument("--prefix", default=None, help="checkpoint to write (default: FOLDER/checkpoint)")
    p.add_argument(
        "--export",
        default=None,
        metavar="CHECKPOINT",
        help="checkpoint whose weights to write instead",
    )
    args = p.parse_args(argv)
    if args.export and not args.path.endswith(".npz"):
        p.error(f"{args.path} should end in .npz: with --export it is the file to write")
    return args


def run(args):
    if args.export:
        export(find_checkpoint(args.export), args.path)
        say(f"Wrote {args.path}.")
        return 0
    config, weights, steps = read_weights(args.path, args.which)
    prefix = args.prefix or os.path.join(args.path, "checkpoint")
    save_model(prefix, build_model(config, weights))
    say(f"Wrote {prefix}: the {args.which} weights, of {steps} steps.")
    return 0


def main(argv=None):
    args = parse_args(argv)
    return run_command(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
