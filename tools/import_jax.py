"""Weights from tools/train_jax.py to a checkpoint of the suite and back. Needs TensorFlow, not JAX.

    python3 tools/import_jax.py saved/jax                                # its best weights: saved/jax/checkpoint.*
    python3 tools/import_jax.py saved/jax --which latest --prefix saved/gpu/checkpoint
    python3 tools/import_jax.py --export saved/checkpoint weights.npz    # for train_jax.py --init_from weights.npz

Then `sample.py --save_path saved/jax` and `train.py --init_from saved/jax` take it. Every weight arrives bit for bit.
"""

import argparse
import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from model import HandwritingModel, load_model
from scribe.network.checkpoint import CheckpointError, find_checkpoint, save_model
from scribe.network.config import ModelConfig


def read_run(folder, which="best"):
    """The weights of a run of tools/train_jax.py.

    Args:
        folder: of the run. which: "best", the averaged weights of the lowest validation loss, or "latest", the averaged
            weights (without an average, the weights) of the last save.

    Returns:
        (ModelConfig, {name: float32 array}, steps that the weights were trained).

    Raises:
        CheckpointError: there is no such run, it has no such weights, or a file of it is damaged.
    """
    try:
        with open(os.path.join(folder, "run.json"), encoding="utf-8") as file:
            run = json.load(file)
        if run[which] is None:
            raise CheckpointError(f"{folder} has no {which} weights: take --which {_OTHER[which]}.")
        copies = run[which].get("copies", {})
        files = copies.get("ema") or copies.get("weights") or run[which]["files"]
        parts = []
        for name in files:
            with np.load(os.path.join(folder, name)) as part:
                parts.append(part["values"])
        vector, weights = np.concatenate(parts), {}
        for name, shape in run["weights"]:
            values, vector = np.split(vector, [int(np.prod(shape))])
            weights[name] = values.reshape(shape)
        return ModelConfig(**run["config"]), weights, run[which]["batches"]
    except Exception as error:
        if isinstance(error, CheckpointError):
            raise
        # A damaged archive can raise almost anything.
        raise CheckpointError(f"{folder} is not a whole run of tools/train_jax.py ({error}).") from None


_OTHER = {"best": "latest", "latest": "best"}


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
    """Writes the weights of the checkpoint `prefix` to the .npz file `path`, an array for each, aside first."""
    model = load_model(prefix)
    aside = f"{path}.tmp-{os.getpid()}"
    try:
        with open(aside, "wb") as file:
            np.savez(file, **{name: variable.numpy() for name, variable in vars_by_name(model).items()})
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):
            os.remove(aside)


def parse_args(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("path", help="folder of a run of tools/train_jax.py; with --export, the .npz file to write")
    p.add_argument("--which", choices=("best", "latest"), default="best", help="which of its averaged weights")
    p.add_argument("--prefix", default=None, help="checkpoint to write (default: FOLDER/checkpoint)")
    p.add_argument("--export", default=None, metavar="CHECKPOINT", help="the other way: weights of this checkpoint")
    args = p.parse_args(argv)
    if args.export and not args.path.endswith(".npz"):
        p.error(f"{args.path} should end in .npz: with --export it is the file to write")
    return args


def main(argv=None):
    args = parse_args(argv)
    try:
        if args.export:
            export(find_checkpoint(args.export), args.path)
            print(f"Wrote {args.path}.", file=sys.stderr)
            return 0
        config, weights, steps = read_run(args.path, args.which)
        prefix = args.prefix or os.path.join(args.path, "checkpoint")
        save_model(prefix, build_model(config, weights))
        print(f"Wrote {prefix}: the {args.which} weights, of {steps} steps.", file=sys.stderr)
        return 0
    except (CheckpointError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
