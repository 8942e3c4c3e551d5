"""Finds, saves and restores models: a TensorFlow checkpoint with a config.json beside it.

    from model import load_model
    from scribe.network.checkpoint import find_checkpoint
    model = load_model(find_checkpoint("saved/mine"))

What a killed training goes on from (optimizer, counters, averages) is in scribe/training/run_state.py.

A checkpoint is PREFIX.index and PREFIX.data-*; the config.json in the same folder, or the one above, says how to build
the network. The folder of a training run (scribe/training/run_state.py) holds two, in latest/ and in best/.

Every file is written aside and renamed; a kill at any instant leaves an earlier checkpoint whole.
"""

import collections
import contextlib
import dataclasses
import glob
import json
import os

import numpy as np

from scribe.console import SuiteError, shortened
from scribe.files.atomic import save_json
from scribe.network.alphabet_rows import ALPHABET_KEY
from scribe.network.config import SAVED, SHIPPED, ModelConfig
from scribe.network.tf_setup import describe, tf

CONFIG_FILE = "config.json"
LARGEST_CONFIG = 1_000_000  # characters

# What TensorFlow raises for a checkpoint that is damaged (IndexError: its data file was cut off) or of another network.
READ_ERRORS = (AssertionError, IndexError, ValueError, tf.errors.OpError)


class CheckpointError(SuiteError):
    """A checkpoint cannot be found, read or written; the message says what to do."""


# ------------------------------------------------------------------------------------------------------ config JSON


def load_config(prefix: str) -> ModelConfig:
    """The ModelConfig of a checkpoint: config.json in its folder or the folder above.

    Raises:
        CheckpointError: there is none, or it does not describe a network.
    """
    folder = os.path.dirname(prefix) or "."
    candidates = [os.path.join(folder, CONFIG_FILE), os.path.join(os.path.dirname(folder), CONFIG_FILE)]
    for path in candidates:
        if os.path.exists(path):
            break
    else:
        raise CheckpointError(
            f"{prefix} has no {candidates[0]}, so its sizes are not known; copy it from where it was trained. "
            "A checkpoint of an earlier scribe is converted by convert_checkpoint.py."
        )
    try:
        with open(path, encoding="utf-8") as file:
            content = json.loads(file.read(LARGEST_CONFIG))
        config = ModelConfig(**content)
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise CheckpointError(f"{path} does not describe a model: {shortened(error, 200)}") from None
    missing = [name for name in ("rnn_size", "nmixtures", "kmixtures", "alphabet") if content.get(name) is None]
    if missing:
        raise CheckpointError(
            f"{path} does not describe a model: it has no {', '.join(missing)}. It has to be the file that was written "
            "with the weights."
        )
    return config


# ----------------------------------------------------------------------------------------------------------- weights


def save_model(prefix: str, model) -> None:
    """Writes the weights to `prefix` and the config beside them; no optimizer state."""
    with save_errors(prefix):
        os.makedirs(os.path.dirname(prefix) or ".", exist_ok=True)
        save_json(os.path.join(os.path.dirname(prefix), CONFIG_FILE), dataclasses.asdict(model.config))
        tf.train.Checkpoint(model=model).write(prefix)


@contextlib.contextmanager
def save_errors(where):
    """Turns the many ways in which TensorFlow says that a disk is full into one error."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = describe(error)
        raise CheckpointError(f"could not save to {where} ({reason}); the checkpoint before is untouched.") from None


def check_shapes(prefix: str, config: ModelConfig) -> None:
    """Raises CheckpointError where a config asks for weights that a checkpoint does not have.

    Call it before the network is built: a config from elsewhere could ask for more memory than there is. Only the index
    of the checkpoint is read. A file can be large without holding anything, so its size alone says little.
    """
    try:
        stored = collections.Counter(map(tuple, tf.train.load_checkpoint(prefix).get_variable_to_shape_map().values()))
    except READ_ERRORS as error:
        raise CheckpointError(f"{prefix} cannot be restored: {describe(error)}") from None
    missing = collections.Counter(config.shapes) - stored
    if missing:
        example = " x ".join(map(str, next(iter(missing))))
        raise CheckpointError(
            f"{prefix} lacks {missing.total()} of the {len(config.shapes)} weight arrays of the network that its "
            f"{CONFIG_FILE} describes (one of {example}, for example): the {CONFIG_FILE} belongs to another checkpoint."
        )
    size = sum(os.path.getsize(path) for path in glob.glob(glob.escape(prefix) + ".data-*"))
    if size < 4 * config.weights:
        raise CheckpointError(
            f"{prefix} holds {size:,} bytes, but its network has {config.weights:,} weights: its data file was not "
            "copied whole."
        )


def check_finite(where: str, variables) -> None:
    """Raises CheckpointError if one of some restored variables holds a number that is not finite."""
    broken = [v for v in variables if np.issubdtype(np.asarray(v).dtype, np.floating) and not np.isfinite(v).all()]
    if broken:
        raise CheckpointError(
            f"{where} holds weights that are not finite, in {len(broken)} of its arrays: nothing can be written or "
            "trained with them. Take an earlier checkpoint."
        )


def restore_weights(prefix: str, model) -> str:
    """Restores every weight of `model` from `prefix`, each character's to the same character, whatever their order.

    Returns:
        the characters of the model that the checkpoint does not know: they start as its unknown character.

    Raises:
        CheckpointError: a weight is missing, has another shape, or is not finite.
    """
    try:
        with stored_alphabet(prefix, model) as known:
            status = tf.train.Checkpoint(model=model).read(prefix)  # unlike restore, it wants no counter of saves
            status.assert_existing_objects_matched().expect_partial()
    except READ_ERRORS as error:
        raise CheckpointError(f"{prefix} cannot be restored: {describe(error)}") from None
    check_finite(prefix, model.trainable_variables)
    return "".join(c for c in model.alphabet if c not in known)


@contextlib.contextmanager
def stored_alphabet(prefix: str, model):
    """A context within which `model` is restored from `prefix`; its value is the alphabet of that checkpoint.

    Checkpoints hold their alphabet. For one that was written before they did, it is that of the config.json beside it,
    and the model's own where there is none.
    """
    reader = tf.train.load_checkpoint(prefix)
    (*found,) = (key for key in reader.get_variable_to_shape_map() if key.endswith(ALPHABET_KEY))
    if found:
        yield reader.get_tensor(found[0]).decode("utf-8")
        return
    state = model.named_weights.alphabet
    try:
        known = load_config(prefix).alphabet
    except CheckpointError:
        known = model.alphabet
    state.expect(known)
    del model.named_weights.alphabet  # or TensorFlow would miss it in the checkpoint
    try:
        yield known
    finally:
        model.named_weights.alphabet = state


def find_checkpoint(save_path: str | None = None, saved: str = SAVED) -> str:
    """The prefix of a checkpoint.

    Args:
        save_path: a prefix, the folder of a training run (its best weights, else its latest), or None: the newest
            training run in `saved`, else the shipped checkpoint.

    Raises:
        CheckpointError: there is none.
    """
    if save_path:
        if os.path.exists(save_path + ".index"):
            return save_path
        prefix = _of_run(save_path) or tf.train.latest_checkpoint(save_path)
        if prefix is None and os.path.exists(os.path.join(save_path, "checkpoint.index")):
            prefix = os.path.join(save_path, "checkpoint")
        if prefix is None:
            raise CheckpointError(f"{save_path} is neither a checkpoint (no {save_path}.index) nor a folder with one.")
        return prefix
    runs = [_of_run(os.path.join(saved, name)) for name in (os.listdir(saved) if os.path.isdir(saved) else [])]
    runs = sorted((prefix for prefix in runs if prefix), key=lambda prefix: os.path.getmtime(prefix + ".index"))
    if runs:
        return runs[-1]
    shipped = os.path.join(saved, os.path.basename(SHIPPED))
    if os.path.exists(shipped + ".index"):
        return shipped
    raise CheckpointError(
        f"there is no checkpoint in {os.path.abspath(saved)}: start the command in the folder of the suite, train one "
        "with python3 train.py, or name one with --save_path."
    )


def _of_run(folder):
    """The best, else the latest checkpoint of a training run, or None."""
    for part in ("best", "latest"):
        if os.path.isdir(os.path.join(folder, part)):
            prefix = tf.train.latest_checkpoint(os.path.join(folder, part))
            if prefix:
                return prefix
    return None
