"""Saves and restores models: a TensorFlow checkpoint with a config.json beside it.

    from model import load_model
    from scribe.network.checkpoint import find_checkpoint
    model = load_model(find_checkpoint("saved/mine"))

Which files that are, and how one is found, is in scribe/network/checkpoint_files.py, which needs no TensorFlow. What a
killed training goes on from (optimizer, counters, averages) is in scribe/training/run_state.py.
"""

import collections
import contextlib
import dataclasses
import json
import os
import shutil

import numpy as np

from scribe.console import shortened
from scribe.files.atomic import save_json
from scribe.network.alphabet_rows import ALPHABET_KEY
from scribe.network.checkpoint_files import (  # who restores a model also finds it
    CONFIG_FILE,
    SHIPPED,  # noqa: F401
    CheckpointError,
    config_file,
    data_files,
    find_checkpoint,  # noqa: F401
    finish_save,
    saved_aside,
)
from scribe.network.config import ModelConfig
from scribe.network.tf_setup import describe, tf

LARGEST_CONFIG = 1_000_000  # characters

# What TensorFlow raises for a checkpoint that is damaged (IndexError: its data file was cut off) or of another network.
READ_ERRORS = (AssertionError, IndexError, ValueError, tf.errors.OpError)


# ------------------------------------------------------------------------------------------------------ config JSON


def load_config(prefix: str) -> ModelConfig:
    """The ModelConfig of a checkpoint: config.json in its folder or the folder above.

    Raises:
        CheckpointError: there is none, or it does not describe a network.
    """
    finish_save(prefix)
    path = config_file(prefix)
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
    """Writes the weights to `prefix` and the config beside them; no optimizer state.

    TensorFlow replaces the data file and then writes the index in its place: a kill in between would leave two halves
    of different checkpoints, beside the config of either. So all files are written into a folder aside, and one rename
    makes it `saved_aside(prefix)`, from where `finish_save` moves them to their places. A kill at any instant leaves,
    for every command of the suite, the earlier checkpoint whole, or the new one. Another program, which does not know
    of that folder, can find the files between two of these renames; TensorFlow then refuses weights that the index does
    not belong to by their checksums.

    Raises:
        CheckpointError: it cannot be written.
    """
    aside = f"{saved_aside(prefix)}.tmp"
    finish_save(prefix)  # of an earlier save, which was killed
    with save_errors(prefix):
        try:
            shutil.rmtree(aside, ignore_errors=True)
            os.makedirs(aside)
            save_json(os.path.join(aside, CONFIG_FILE), dataclasses.asdict(model.config))
            tf.train.Checkpoint(model=model).write(os.path.join(aside, os.path.basename(prefix)))
            os.rename(aside, saved_aside(prefix))
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    finish_save(prefix)


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
    size = sum(os.path.getsize(path) for path in data_files(prefix))
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
