"""The state of a training run: averaged weights, counters, and the folder that keeps them.

    run = TrainingRun("saved/mine", model, optimizer, WeightAverage(model.trainable_variables, 0.998))
    run.restore(flags)          # goes on from the last save, if there is one
    run.start(flags)

A training run owns a folder:

    saved/NAME/config.json           sizes of the network
    saved/NAME/args.json             the flags it was started with
    saved/NAME/latest/ckpt-STEP.*    all that is needed to go on: weights, averaged weights, optimizer, counters
    saved/NAME/best/ckpt-STEP.*      the weights of the lowest validation loss
    saved/NAME/hands.npz             with hands: what was read of the lines, so that going on starts quickly

A save has names of its own, and TensorFlow's file `checkpoint`, which is renamed into its place, names it when all of
it is there: a kill at any instant leaves an earlier checkpoint whole.
"""

import contextlib
import dataclasses
import json
import math
import os
import shutil

from scribe.console import say, shortened
from scribe.files.atomic import check_folder_writable, save_json, written_aside
from scribe.network.checkpoint import READ_ERRORS, check_finite, load_config, save_errors, stored_alphabet
from scribe.network.checkpoint_files import (
    CONFIG_FILE,
    STATE_FILE,
    CheckpointError,
    named_checkpoint,
    whole_checkpoints,
)
from scribe.network.tf_setup import describe, tf

ARGS_FILE = "args.json"
HANDS_FILE = "hands.npz"


class WeightAverage:
    """An exponential moving average of the weights: often better than the weights while the learning rate is high.

    Args:
        variables: the weights.
        decay: weight of the old average in each step; it is lower in the first steps. 0: no averaging.
    """

    def __init__(self, variables, decay):
        self.variables, self.decay = list(variables), decay
        self.values = [tf.Variable(v, trainable=False) for v in self.variables] if decay else []

    def update(self, step):
        """Call it after each optimizer step; `step` is a scalar tensor that counts them from 0."""
        step = tf.cast(step, tf.float32)
        rate = 1.0 - tf.minimum(self.decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(self.values, self.variables):
            average.assign_add(rate * (tf.convert_to_tensor(variable) - average))

    @contextlib.contextmanager
    def in_place(self):
        """A context within which the weights are the averages."""
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


class TrainingRun:
    """The folder of a training run: saves and restores everything that it takes to go on.

    Args:
        folder: saved/NAME. model, optimizer, average: what is trained; the optimizer must be built.
        chief: False on the other workers of a run (see scribe/training/devices.py): they have the state in memory
            alone, and neither read nor write the folder.
        noise: an `AdaptiveWeightNoise`, or None.

    Attributes:
        batches: batches consumed, those whose step was skipped included.
        best_loss: lowest validation loss so far, nats per point.
        stale: validations since then.
    """

    def __init__(self, folder, model, optimizer, average, chief=True, noise=None):
        self.folder, self.model, self.optimizer, self.average = folder, model, optimizer, average
        self.chief, self.noise = chief, noise
        self._batches = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._best_loss = tf.Variable(math.inf, dtype=tf.float64, trainable=False)
        self._stale = tf.Variable(0, dtype=tf.int64, trainable=False)
        state = tf.train.Checkpoint(
            model=model, optimizer=optimizer, average=_Values(average.values),
            batches=self._batches, best_loss=self._best_loss, stale=self._stale,
            **({"noise": _Values(noise.log_sigma)} if noise else {}),
        )  # fmt: skip
        self._latest = self._manager(state, "latest", 2)
        self._best = self._manager(tf.train.Checkpoint(model=model), "best", 1)

    def _manager(self, state, part, max_to_keep):
        """What saves a state in a part of the folder, and knows which checkpoints are there already."""
        folder = os.path.join(self.folder, part)
        if self.chief:
            _name_newest(folder, max_to_keep)
        return tf.train.CheckpointManager(state, folder, max_to_keep=max_to_keep)

    @property
    def batches(self):
        return int(self._batches.numpy())

    @batches.setter
    def batches(self, value):
        self._batches.assign(value)

    @property
    def best_loss(self):
        return float(self._best_loss.numpy())

    @best_loss.setter
    def best_loss(self, value):
        self._best_loss.assign(value)

    @property
    def stale(self):
        return int(self._stale.numpy())

    @stale.setter
    def stale(self, value):
        self._stale.assign(value)

    @property
    def variables(self):
        """All that is saved."""
        counters = [self._batches, self._best_loss, self._stale]
        widths = self.noise.log_sigma if self.noise else []
        return [*self.model.variables, *self.optimizer.variables, *self.average.values, *widths, *counters]

    def restore(self, args=None):
        """Restores the latest state, if there is one; returns its prefix or None.

        Args:
            args: the flags as a dict, which are compared with those that the run was started with.

        Raises:
            CheckpointError: it belongs to another network or optimizer, or is broken.
        """
        prefix = self._latest.latest_checkpoint if self.chief else None
        if prefix is None:
            return None
        before, now = dataclasses.asdict(load_config(prefix)), dataclasses.asdict(self.model.config)
        differing = [
            f"{name} {shortened(repr(before[name]), 120)} (now {shortened(repr(now[name]), 120)})"
            for name in now
            if before[name] != now[name]
        ]
        differing += self._contradictions(args or {})
        if differing:
            raise CheckpointError(
                f"{self.folder} was trained with {', '.join(differing)}: use the same flags, or another --save_path."
            )
        try:
            with stored_alphabet(prefix, self.model):
                self._latest.checkpoint.restore(prefix).assert_existing_objects_matched()
        except READ_ERRORS as error:
            reason = describe(error)
            raise CheckpointError(
                f"{prefix} cannot be resumed ({reason}): use the flags it was started with, or another --save_path."
            ) from None
        check_finite(prefix, [v for v in self.variables if v is not self._best_loss])
        return prefix

    def flags_before(self):
        """The flags that the run was started with, a dict; empty where there are none that can be read."""
        try:
            with open(os.path.join(self.folder, ARGS_FILE), encoding="utf-8") as file:
                before = json.load(file)
        except (OSError, ValueError, RecursionError):
            return {}
        return before if isinstance(before, dict) else {}

    def _contradictions(self, args):
        """Flags that differ and decide what a state holds: TensorFlow might fill one optimizer with another's slots."""
        before = self.flags_before()  # without them, restoring still compares the state with the model
        holds = {
            "optimizer": lambda flags: flags["optimizer"],
            "ema": lambda flags: flags["ema"] > 0,
            "momentum": lambda flags: flags["optimizer"] == "adam" or flags["momentum"] > 0,
            "weight_noise": lambda flags: flags["weight_noise"],
        }
        before = {"weight_noise": "none", **before} if before else before  # the flag is younger than some runs
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
            check_folder_writable(folder)
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
            with save_errors(manager.directory):
                manager.save(checkpoint_number=self.batches)
        except CheckpointError:
            _remove_parts(manager.directory)  # a full disk needs the room
            raise


def _name_newest(folder, most):
    """Writes the file `checkpoint` of a folder where it was lost, so that TensorFlow knows of the checkpoints there.

    Without it, a run that was copied would begin anew, and its first validation replace the best weights.

    Args:
        folder: latest/ or best/. most: checkpoints to name; what is older is left alone.

    Raises:
        CheckpointError: the file names no checkpoint that is there whole, and there is no other.
    """
    if named_checkpoint(folder):
        return
    path, whole = os.path.join(folder, STATE_FILE), whole_checkpoints(folder)[-most:]
    if whole:
        with written_aside(path) as aside, open(aside, "w", encoding="utf-8") as file:
            file.write(f'model_checkpoint_path: "{os.path.basename(whole[-1])}"\n')
            for prefix in whole:  # TensorFlow never removes one that has no time
                file.write(f'all_model_checkpoint_paths: "{os.path.basename(prefix)}"\n')
                file.write(f"all_model_checkpoint_timestamps: {os.path.getmtime(prefix + '.index')}\n")
        say(f"Warning: {path} is missing or names no checkpoint that is there; the newest, {whole[-1]}, is taken.")
    elif os.path.exists(path):
        raise CheckpointError(
            f"{path} names no checkpoint that is there whole, and no other lies beside it: copy the folder again, "
            "remove that file to start anew, or use another --save_path."
        )


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
    """A list of variables in a form that tf.train.Checkpoint takes."""

    def __init__(self, values):
        super().__init__()
        self.values = values
