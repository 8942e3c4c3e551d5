"""The files of a run of tools/train_jax.py. NumPy alone: tools/import_jax.py reads them where there is no JAX.

    run.json                     sizes of the network, flags, counters, and the names of the files below that count
    log.jsonl                    step, points, train and validation nats/point, nats/line, points/s, wall seconds
    best-STEP-PART.npz           the averaged weights of the lowest validation loss
    latest-STEP-COPY-PART.npz    everything that it takes to go on; COPY is weights, ema, and the optimizer's

A copy is one float32 vector, cut into parts: the weights one after the other, in the order of "weights" in run.json.
"""

import contextlib
import dataclasses
import json
import math
import os
import zipfile

import numpy as np

from scribe.console import SuiteError, say
from scribe.files.atomic import save_json, written_aside
from scribe.network.config import POINT_SIZE

PART_BYTES = 15 * 2**20  # of weights in one file
DAMAGED = (OSError, ValueError, KeyError, zipfile.BadZipFile)  # what reading a damaged part raises


class RunError(SuiteError):
    """A run cannot be read, written or resumed; the message says what to do."""


# ---------------------------------------------------------------------------------------------------------- the weights


def weight_shapes(config):
    """{name: shape} of the weights, named as in the suite's checkpoints, in the order in which model.py makes them.

    Together they have `config.weights` numbers.
    """
    H, A, K, M = config.rnn_size, len(config.alphabet) + 1, config.kmixtures, config.nmixtures
    shapes = {"lstm0_kernel": (POINT_SIZE + A, 4 * H), "lstm0_recurrent_kernel": (H, 4 * H), "lstm0_bias": (4 * H,)}
    shapes |= {"attention_kernel": (H, 3 * K), "attention_bias": (3 * K,)}
    for name in ("lstm1", "lstm2"):
        shapes[f"{name}_kernel"] = (POINT_SIZE + A + H, 4 * H)
        shapes |= {f"{name}_recurrent_kernel": (H, 4 * H), f"{name}_bias": (4 * H,)}
    return shapes | {"mdn_kernel": (3 * H, 1 + 6 * M), "mdn_bias": (1 + 6 * M,)}


def slot_names(args):
    """Names of the copies of the weights in the state of a run: weights, average, and the optimizer's."""
    slots = ("mean", "square") if args.optimizer == "adam" else ("mean", "square", "momentum")
    return ("weights", *(("ema",) if args.ema else ()), *slots)


def to_vector(arrays, shapes):
    """One float32 vector of all arrays in the order of `shapes`: JAX returns a dict in the order of its keys."""
    return np.concatenate([np.asarray(arrays[name], np.float32).ravel() for name in shapes])


def from_vector(vector, shapes):
    """The opposite of `to_vector`."""
    sizes = [math.prod(shape) for shape in shapes.values()]
    parts = np.split(vector, np.cumsum(sizes)[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts)}


def read_run(folder):
    """The content of a run's run.json, or None if there is no run."""
    path = os.path.join(folder, "run.json")
    if not os.path.exists(path):
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None


def read_parts(folder, files):
    """The vector that was cut into `files`."""
    parts = []
    for name in files:
        with np.load(os.path.join(folder, name)) as part:
            parts.append(part["values"])
    return np.concatenate(parts)


def averaged_weights(folder, run, which):
    """Weights {name: float32 array} of a run.

    Args:
        folder: of the run. run: its `read_run`. which: "best", the averaged weights of the lowest validation loss, or
            "latest", the averaged weights (without an average, the weights) of the last save.
    """
    copies = run[which].get("copies", {})
    files = copies.get("ema") or copies.get("weights") or run[which]["files"]
    return from_vector(read_parts(folder, files), {name: tuple(shape) for name, shape in run["weights"]})


def load_weights(path, config):
    """The weights to start from: {name: float32 array}.

    Args:
        path: the folder of a run (its best weights, else its latest average), or an .npz file with an array for every
            weight. config: of the network that they have to fit.

    Raises:
        RunError: there are none, or they belong to another network.
    """
    shapes = weight_shapes(config)
    try:
        if os.path.isdir(path):
            run = read_run(path)
            found = averaged_weights(path, run, "best" if run["best"] else "latest")
        else:
            with np.load(path) as file:
                found = {name: file[name] for name in file.files}
    except (*DAMAGED, TypeError, AttributeError) as error:
        raise RunError(f"{path} is neither the folder of a run nor an .npz file of weights ({error}).") from None
    if {name: value.shape for name, value in found.items()} != shapes:
        raise RunError(f"{path} belongs to another network: the same --rnn_size, --nmixtures, ... are needed.")
    return {name: np.asarray(found[name], np.float32) for name in shapes}


# ------------------------------------------------------------------------------------------------------ files of a run


class Run:
    """The folder of a run: saves and restores everything that it takes to go on.

    run.json names the files that count and is renamed last: until then, those that it named before are whole.

    Args:
        args: flags. config: a ModelConfig.

    Attributes:
        batches: batches consumed, also those whose step was skipped. points: pen points in them.
        seconds: wall time, of all processes of this run until the last save. best_loss: lowest validation loss so far,
        nats per point. stale: validations since then.
    """

    COUNTERS = ("batches", "points", "seconds", "best_loss", "stale")

    def __init__(self, args, config):
        self.args, self.folder = args, args.save_path
        self._shapes = weight_shapes(config)
        self._config = dataclasses.asdict(config)
        self._latest = self._best = None
        self._log_failed = False
        self.batches, self.points, self.seconds, self.best_loss, self.stale = 0, 0, 0.0, math.inf, 0

    def restore(self):
        """The latest state, {copy: {name: array}} and "iterations", or None if there is none.

        Raises:
            RunError: it was made with other flags, or cannot be read.
        """
        content = read_run(self.folder)
        if content is None:
            return None
        before, now = content["config"], self._config
        differing = [f"{name} {before[name]!r} (now {now[name]!r})" for name in now if before[name] != now[name]]
        flags = content["args"]
        if flags["optimizer"] != self.args.optimizer:
            differing.append(f"optimizer {flags['optimizer']!r} (now {self.args.optimizer!r})")
        if bool(flags["ema"]) != bool(self.args.ema):
            differing.append(f"ema {flags['ema']!r} (now {self.args.ema!r})")
        if differing:
            raise RunError(
                f"{self.folder} was trained with {', '.join(differing)}: use the same flags, or another --save_path."
            )
        if self.args.keep == "ema" or content["latest"] is None:
            raise RunError(
                f"{self.folder} holds a run, and with --keep ema none can go on: use another --save_path, and "
                "--init_from to start from its weights."
            )
        self._latest, self._best = content["latest"], content["best"]
        for name in self.COUNTERS:
            setattr(self, name, self._latest[name])
        try:
            copies = {
                copy: from_vector(read_parts(self.folder, files), self._shapes)
                for copy, files in self._latest["copies"].items()
            }
        except DAMAGED as error:
            raise RunError(f"{self.folder} cannot be resumed: {error}") from None
        return copies | {"iterations": np.int32(self._latest["iterations"])}

    def start(self):
        """Makes the folder; removes what a killed process left, and the lines of the log after the last save."""
        os.makedirs(self.folder, exist_ok=True)
        self._remove_others()
        rows = []
        with contextlib.suppress(FileNotFoundError), open(self._log, encoding="utf-8") as file:
            for row in file:
                with contextlib.suppress(ValueError):  # the last one may be cut off
                    rows += [row] if json.loads(row)["step"] <= self.batches else []
        with written_aside(self._log) as aside, open(aside, "w", encoding="utf-8") as file:
            file.writelines(rows)

    def save(self, state):
        """Saves the latest state."""
        copies = {
            copy: self._write_parts(f"latest-{self.batches:06d}-{copy}", state[copy]) for copy in slot_names(self.args)
        }
        counters = {name: getattr(self, name) for name in self.COUNTERS}
        self._latest = {**counters, "iterations": int(state["iterations"]), "copies": copies}
        self._commit()

    def save_best(self, weights):
        """Saves the weights of the lowest validation loss."""
        files = self._write_parts(f"best-{self.batches:06d}", weights)
        self._best = {"batches": self.batches, "loss": self.best_loss, "files": files}
        self._commit()

    def log(self, **row):
        """Adds a line to log.jsonl; where that cannot be written, the training goes on without."""
        try:
            with open(self._log, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            if not self._log_failed:
                say(f"Warning: {self._log} cannot be written ({error.strerror}): training on without it.")
            self._log_failed = True

    @property
    def _log(self):
        return os.path.join(self.folder, "log.jsonl")

    def _write_parts(self, stem, arrays):
        # Compression takes long and saves about 7% of float32 weights: worth it only where every byte counts.
        save = np.savez_compressed if self.args.keep == "ema" else np.savez
        vector = to_vector(arrays, self._shapes)
        files = []
        for k, part in enumerate(np.array_split(vector, -(-vector.nbytes // PART_BYTES))):
            files.append(f"{stem}-{k}.npz")
            with written_aside(os.path.join(self.folder, files[-1])) as aside:
                save(aside, values=part)
        return files

    def _commit(self):
        content = {
            "config": self._config,
            "args": vars(self.args),
            "weights": list(self._shapes.items()),
            "latest": self._latest,
            "best": self._best,
        }
        save_json(os.path.join(self.folder, "run.json"), content)
        self._remove_others()

    def _remove_others(self):
        named = [name for files in (self._latest or {"copies": {}})["copies"].values() for name in files]
        named += self._best["files"] if self._best else []
        for name in os.listdir(self.folder):
            if name.startswith(("latest-", "best-")) and name not in named:
                os.remove(os.path.join(self.folder, name))
