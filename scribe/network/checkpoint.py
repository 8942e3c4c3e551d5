"""The one place that saves and loads a model: config JSON, weights, training state.

    from model import load_model
    from scribe.network.checkpoint import find_checkpoint
    model = load_model(find_checkpoint("saved/mine"))

A checkpoint is a TensorFlow checkpoint (PREFIX.index, PREFIX.data-*) with a config.json in the same folder, from which
the network is built again. A training run owns a folder:

    saved/NAME/config.json           what network it is
    saved/NAME/args.json             the flags it was started with
    saved/NAME/latest/ckpt-STEP.*    everything that it takes to go on: weights, averaged weights, optimizer, counters
    saved/NAME/best/ckpt-STEP.*      the weights of the lowest validation loss

Every file is written aside and renamed; a kill at any instant leaves an earlier checkpoint whole.
"""

import contextlib
import dataclasses
import glob
import json
import os
import shutil

import numpy as np

from scribe.console import SuiteError
from scribe.files.atomic import save_json
from scribe.network.config import ModelConfig
from scribe.network.tf_setup import tf

CONFIG_FILE = "config.json"
ARGS_FILE = "args.json"
SAVED = "saved"
SHIPPED = os.path.join(SAVED, "checkpoint")


# What TensorFlow raises for a checkpoint that is damaged (IndexError: its data file was cut off) or of another network.
_READ_ERRORS = (AssertionError, IndexError, ValueError, tf.errors.OpError)


class CheckpointError(SuiteError):
    """A checkpoint cannot be found, read or written; the message says what to do."""


# ------------------------------------------------------------------------------------------------------ config JSON


def load_config(prefix):
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
            f"{prefix} has no {candidates[0]}, so its sizes are not known; copy it from where it was trained."
        )
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        return ModelConfig(**content)
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise CheckpointError(f"{path} does not describe a model: {error}") from None


# ----------------------------------------------------------------------------------------------------------- weights


def save_model(prefix, model):
    """Writes the weights to `prefix` and the config beside them; no optimizer state."""
    with _write_errors(prefix):
        os.makedirs(os.path.dirname(prefix) or ".", exist_ok=True)
        save_json(os.path.join(os.path.dirname(prefix), CONFIG_FILE), dataclasses.asdict(model.config))
        tf.train.Checkpoint(model=model).write(prefix)


def check_size(prefix, config):
    """Raises CheckpointError where a config asks for more weights than the checkpoint has bytes for.

    To be called before the network is built: a config from elsewhere could ask for more memory than there is.
    """
    stored = sum(os.path.getsize(path) for path in glob.glob(glob.escape(prefix) + ".data-*"))
    if stored and 4 * config.weights > stored:
        raise CheckpointError(
            f"{prefix} holds {stored:,} bytes, but the network of its config has {config.weights:,} weights: "
            f"its {CONFIG_FILE} belongs to another checkpoint."
        )


def restore_weights(prefix, model):
    """Restores every weight of `model` from `prefix`; raises CheckpointError if one is missing or has another shape."""
    try:
        status = tf.train.Checkpoint(model=model).read(prefix)  # unlike restore, it wants no counter of saves
        status.assert_existing_objects_matched().expect_partial()
    except _READ_ERRORS as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(f"{prefix} cannot be restored: {reason}") from None


def find_checkpoint(save_path=None, saved=SAVED):
    """The prefix of a checkpoint.

    Args:
        save_path: a prefix, the folder of a training run (its best weights, else its latest), or None: the newest
            training run in `saved`, else the shipped checkpoint.

    Raises:
        CheckpointError: nothing is there.
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


# ----------------------------------------------------------------------------------------------------- training state


class WeightAverage:
    """An exponential moving average of the weights: often better than the weights while the learning rate is high.

    Args:
        variables: the weights. decay: of the average per step; it is lower in the first steps. 0: no averaging.
    """

    def __init__(self, variables, decay):
        self.variables, self.decay = list(variables), decay
        self.values = [tf.Variable(v, trainable=False) for v in self.variables] if decay else []

    def update(self, step):
        """After an optimizer step; `step` is a scalar tensor that counts them from 0."""
        step = tf.cast(step, tf.float32)
        rate = 1.0 - tf.minimum(self.decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(self.values, self.variables):
            average.assign_add(rate * (tf.convert_to_tensor(variable) - average))

    @contextlib.contextmanager
    def in_place(self):
        """Inside, the weights are the averages."""
        if not self.values:
            yield
            return
        own = [v.numpy() for v in self.variables]
        try:  # from the first assignment on: an interruption between two of them must not leave a mixture
            for variable, average in zip(self.variables, self.values):
                variable.assign(average)
            yield
        finally:
            for variable, value in zip(self.variables, own):
                variable.assign(value)


def _counter(name, convert):
    """A property of TrainingRun that reads and writes one of its saved variables."""
    return property(
        lambda run: convert(run._counters[name].numpy()), lambda run, value: run._counters[name].assign(value)
    )


class TrainingRun:
    """The folder of a training run: saves and restores everything that it takes to go on.

    Args:
        folder: saved/NAME. model, optimizer, average: what is trained; the optimizer must be built.
        chief: False on the other workers of a run (see scribe/training/devices.py): they have the state in memory
            alone, and neither read nor write the folder.

    Attributes:
        batches: batches consumed, also those whose step was skipped.
        best_loss: lowest validation loss so far, nats per point.
        stale: validations since then.
    """

    def __init__(self, folder, model, optimizer, average, chief=True):
        self.folder, self.model, self.optimizer, self.average = folder, model, optimizer, average
        self.chief = chief
        self._counters = {
            "batches": tf.Variable(0, dtype=tf.int64, trainable=False),
            "best_loss": tf.Variable(np.inf, dtype=tf.float64, trainable=False),
            "stale": tf.Variable(0, dtype=tf.int64, trainable=False),
        }
        state = tf.train.Checkpoint(model=model, optimizer=optimizer, average=_Values(average.values), **self._counters)
        self._latest = tf.train.CheckpointManager(state, os.path.join(folder, "latest"), max_to_keep=2)
        best = tf.train.Checkpoint(model=model)
        self._best = tf.train.CheckpointManager(best, os.path.join(folder, "best"), max_to_keep=1)

    batches = _counter("batches", int)
    best_loss = _counter("best_loss", float)
    stale = _counter("stale", int)

    @property
    def variables(self):
        """All that is saved."""
        return [*self.model.variables, *self.optimizer.variables, *self.average.values, *self._counters.values()]

    def restore(self, args=None):
        """Restores the latest state, if there is one; returns its prefix or None.

        Args:
            args: the flags of now as a dict, to be held against those that the run was started with.

        Raises:
            CheckpointError: it belongs to another network or optimizer, or is broken.
        """
        prefix = self._latest.latest_checkpoint if self.chief else None
        if prefix is None:
            return None
        before, now = dataclasses.asdict(load_config(prefix)), dataclasses.asdict(self.model.config)
        differing = [f"{name} {before[name]!r} (now {now[name]!r})" for name in now if before[name] != now[name]]
        differing += self._contradictions(args or {})
        if differing:
            raise CheckpointError(
                f"{self.folder} was trained with {', '.join(differing)}: use the same flags, or another --save_path."
            )
        try:
            self._latest.checkpoint.restore(prefix).assert_existing_objects_matched()
        except _READ_ERRORS as error:
            reason = str(error).strip().splitlines()[0]
            raise CheckpointError(
                f"{prefix} cannot be resumed ({reason}): use the flags it was started with, or another --save_path."
            ) from None
        return prefix

    def _contradictions(self, args):
        """Flags that differ and decide what a state holds: TensorFlow might fill one optimizer with another's slots."""
        try:
            with open(os.path.join(self.folder, ARGS_FILE), encoding="utf-8") as file:
                before = json.load(file)
        except (OSError, ValueError, RecursionError):
            return []  # the state itself can still be held against the model
        holds = {
            "optimizer": lambda flags: flags["optimizer"],
            "ema": lambda flags: flags["ema"] > 0,
            "momentum": lambda flags: flags["optimizer"] == "adam" or flags["momentum"] > 0,
        }
        return [
            f"{name} {before[name]!r} (now {args[name]!r})"
            for name, what in holds.items()
            if {"optimizer", name} <= before.keys() & args.keys() and what(before) != what(args)
        ]

    def start(self, args):
        """Makes the folder and writes the config and the flags; `args` is a dict."""
        if not self.chief:
            return
        for folder in (self.folder, self._latest.directory, self._best.directory):
            os.makedirs(folder, exist_ok=True)
            save_json(os.path.join(folder, CONFIG_FILE), dataclasses.asdict(self.model.config))
        save_json(os.path.join(self.folder, ARGS_FILE), args)
        for manager in (self._latest, self._best):
            _remove_parts(manager.directory)

    def save(self):
        """Saves the latest state."""
        self._save(self._latest)

    def save_best(self):
        """Saves the weights as they stand in the model."""
        self._save(self._best)

    def _save(self, manager):
        if not self.chief:
            return
        try:
            with _write_errors(manager.directory):
                manager.save(checkpoint_number=self.batches)
        except CheckpointError:
            _remove_parts(manager.directory)  # a full disk needs the room
            raise


def _remove_parts(folder):
    """Removes what a killed save leaves: folders of unfinished files, data without index, index without data."""
    names = [name for name in os.listdir(folder) if name.startswith("ckpt-")]
    indexed = {name.removesuffix(".index") for name in names if name.endswith(".index")}
    with_data = {name.split(".data-")[0] for name in names if ".data-" in name}
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith("_temp"):
            shutil.rmtree(path, ignore_errors=True)
        elif name.split(".")[0] not in indexed & with_data:
            os.remove(path)


class _Values(tf.Module):
    """A list of variables as a checkpoint wants it."""

    def __init__(self, values):
        super().__init__()
        self.values = values


@contextlib.contextmanager
def _write_errors(where):
    """Turns the many ways in which TensorFlow says that a disk is full into one error."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = str(getattr(error, "message", error)).strip().splitlines()[0]
        raise CheckpointError(f"could not save to {where} ({reason}); the checkpoint before is untouched.") from None
