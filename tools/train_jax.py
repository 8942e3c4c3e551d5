"""Trains the network of train.py in JAX, on a machine that has a GPU and no TensorFlow.

    python3 tools/train_jax.py                                   # the flags and defaults are those of train.py
    python3 tools/train_jax.py --batch_size 64 --wall_time 540   # stops by itself, saved, within nine minutes
    python3 tools/train_jax.py --rnn_size 900 --keep ema         # only the averaged weights: a quarter of the size

The same command again goes on from the last save, as if it had never stopped (not with --keep ema). The network, the
loss, the batches, the optimizer, the learning rate, the clipping, the weight average and the validation are those of
train.py; initial weights and dropout noise come from another generator. On a machine with TensorFlow the result becomes
a checkpoint like any other, for sample.py and train.py --init_from:

    python3 tools/import_jax.py saved/jax                        # writes saved/jax/checkpoint.*
    python3 sample.py --save_path saved/jax --text "Hello World"

The other machine needs JAX, NumPy, two folders and two files; tools/import_jax.py makes a third file, if the run is to
start from the weights of a checkpoint:

    python3 tools/import_jax.py --export saved/checkpoint weights.npz   # here
    mkdir -p there/data
    cp -r scribe utils.py tools there/
    cp data/strokes_training_data.cpkl there/data/
    cd there && python3 tools/train_jax.py --init_from weights.npz      # there

A run is a folder of small files (none above 15 MiB), which --save_path names; jax_training/run_files.py describes them.

On a GPU. XLA tries several algorithms for a product and may choose another one in the next process, which changes the
rounding. With JAX_COMPILATION_CACHE_DIR=FOLDER in the environment, a resumed run finds the choice of the first (and is
not compiled again); XLA_FLAGS=--xla_gpu_exclude_nondeterministic_ops=true refuses operations whose order is left open.
"""

import argparse
import collections
import contextlib
import math
import os
import signal
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from jax_training.network import PRECISIONS, initial_weights
from jax_training.run_files import Run, load_weights, slot_names
from jax_training.steps import Batches, initial_state
from scribe.console import OneLineParser, run_command
from scribe.network.config import ModelConfig
from scribe.training.flags import add_flags, check_flags
from scribe.training.schedule import MAX_BAD_STEPS, Interrupt, learning_rate
from utils import DataLoader, Logger

STEPS_PER_MESSAGE = 50


# --------------------------------------------------------------------------------------------------------------- flags


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    g = add_flags(p, save_path="saved/jax")
    g.add_argument(
        "--keep",
        choices=("all", "ema"),
        default="all",
        help="files to keep; all: everything needed to resume; ema: only the averaged weights of the lowest validation "
        "loss",
    )
    g.add_argument(
        "--wall_time",
        type=float,
        default=0.0,
        help="seconds from the start after which it has stopped and saved; the same command goes on (0 = no limit)",
    )
    g = p.add_argument_group("speed")
    g.add_argument(
        "--dtype",
        choices=tuple(PRECISIONS),
        default="float32",
        help="type of the factors of the large products; sums, weights and optimizer are always float32",
    )
    g.add_argument(
        "--length_multiple",
        type=int,
        default=128,
        help="multiple to which the length of a batch is padded: one compilation each",
    )
    g.add_argument("--unroll", type=int, default=1, help="pen points per iteration of the compiled loop over time")
    args = p.parse_args(argv)
    check_flags(p, args)
    for name in ("length_multiple", "unroll"):
        if getattr(args, name) < 1:
            p.error(f"--{name} is {getattr(args, name)}: it has to be 1 or more")
    if not 0 <= args.wall_time < math.inf:
        p.error(f"--wall_time is {args.wall_time}: it has to be a finite number, 0 or more (0 = no limit)")
    return args


# ----------------------------------------------------------------------------------------------------------- the loop


class Clock:
    """Says when it is time to stop: when another step, a validation and a save might no longer fit.

    Args:
        wall_time: seconds from `started` (time.monotonic) on; 0 is no limit.
        validation_steps: estimate of a validation's time, in training steps, until one was timed.
        save_seconds: estimate of a save's time, until one was timed.
    """

    def __init__(self, wall_time, started, *, validation_steps, save_seconds):
        self.wall_time, self.started = wall_time, started
        self._validation_steps = validation_steps
        self._longest = {"step": 0.0, "validation": None, "save": None}
        self._save_seconds = save_seconds

    @contextlib.contextmanager
    def timed(self, what):
        """Times the block as a "step", a "validation" or a "save"."""
        start = time.monotonic()
        yield
        self._longest[what] = max(self._longest[what] or 0.0, time.monotonic() - start)

    def elapsed(self):
        """Seconds since `started`."""
        return time.monotonic() - self.started

    def is_over(self):
        """Whether to stop now."""
        step, validation, save = self._longest.values()
        validation = self._validation_steps * step if validation is None else validation
        save = self._save_seconds if save is None else save
        # Two steps: one that the GPU may still be computing, and the next one.
        return self.wall_time > 0 and self.elapsed() + 1.5 * (2 * step + validation + save) > self.wall_time


class TooManyBadSteps(Exception):
    """MAX_BAD_STEPS steps in a row were not finite."""


class Training:
    """A run in this process: its state on the device, and the loop over its steps.

    Args:
        args: flags. loader: a `DataLoader`. logger: a `Logger`. started: when --wall_time began, by time.monotonic().

    Attributes:
        run: the files of the run, and the counters that they hold. state: see `initial_state`.
        unread: (step, result) of steps whose result was not read yet. The device is given the next step before the
            result of the last one is read, so that it never waits.
        bad_steps: steps in a row that were not finite. nats, points, seconds: since the last message.
    """

    def __init__(self, args, loader, logger, started):
        if args.keep == "ema" and not loader.valid_stroke_data:
            raise ValueError(
                "--keep ema keeps the weights of the lowest validation loss, but no line is left to validate."
            )
        self.args, self.loader, self.logger = args, loader, logger
        config = ModelConfig.from_args(args)
        self.run = Run(args, config)
        saved = self.run.restore()
        if saved is None:
            weights = load_weights(args.init_from, config) if args.init_from else initial_weights(config, args.seed)
            self.state = initial_state(args, weights)
        else:
            self.state = jax.tree.map(jnp.array, saved)
        self.run.start()
        self._seconds_before = self.run.seconds

        self.steps_per_epoch = args.nbatches or loader.num_batches
        self.steps = args.nepochs * self.steps_per_epoch
        self.validate_every = args.validate_every or self.steps_per_epoch
        logger.write(
            f"{'Starting' if saved is None else 'Going on from'} {args.save_path} on "
            f"{jax.devices()[0].device_kind}: {config.weights / 1e6:.2f} M parameters, step {self.run.batches} of "
            f"{self.steps}, {self.steps_per_epoch} steps an epoch."
        )
        copies = 1 if args.keep == "ema" else len(slot_names(args))
        self.clock = Clock(
            args.wall_time,
            started,
            validation_steps=-(-len(loader.valid_stroke_data) // args.batch_size),
            save_seconds=copies * config.weights * 4 / 1e7,
        )
        self.batches = Batches(args, loader, self.state)
        self.unread = collections.deque()
        self.bad_steps = 0
        self.nats, self.points, self.seconds = 0.0, 0.0, 0.0

    def train(self, interrupt):
        """Trains from the last save to the last step. Returns the exit code.

        Args:
            interrupt: an `Interrupt`.
        """
        args, run = self.args, self.run
        start = time.monotonic()
        programs = self.batches.compile(min(self.steps, self.loader.num_batches))
        self.logger.write(f"Compiled {programs} programs in {time.monotonic() - start:.0f} s.")

        first_step = run.batches
        stop = self.out_of_patience()  # the resumed run may have stopped early
        while run.batches < self.steps and not stop:
            interrupted = interrupt.signal  # read once: a signal between two reads would be reported, but not saved
            if interrupted or self.clock.is_over():
                return self.stop(interrupted)

            step = run.batches
            rate = learning_rate(args, step, self.steps, self.steps_per_epoch)
            start = time.monotonic()
            with self.clock.timed("step"):
                self.state, result = self.batches.train_step(self.state, self.batches.training(step), rate, step)
                self.unread.append((step, result))
                run.batches = step + 1
                done = run.batches == self.steps
                message = run.batches % STEPS_PER_MESSAGE == 0 or done
                validation = (run.batches % self.validate_every == 0 or done) and bool(self.loader.valid_stroke_data)
                due = run.batches % args.save_every == 0 or run.batches % self.validate_every == 0
                # The first result is waited for as well, to know how long a step takes.
                taken = self.read_results(leave=0 if message or validation or due or step == first_step else 1)
            self.seconds += time.monotonic() - start

            if message and self.points:
                self.write_message(rate)
            if validation:
                self.validate()
                stop = self.out_of_patience()
            # After a skipped step there is nothing new to save.
            if due and taken or done or stop:
                self.save()
        best = f"lowest validation loss {run.best_loss:.4f} nats/point, in {args.save_path}"
        lowest = best if math.isfinite(run.best_loss) else "no line to validate on"
        self.logger.write(f"Done: {run.batches} steps, {lowest}.")
        return 0

    def read_results(self, leave=0):
        """Reads the results of all steps but the last `leave`; returns whether the last step that it read was taken."""
        taken = True
        while len(self.unread) > leave:
            step, result = self.unread.popleft()
            total, count, _, taken = np.asarray(result, np.float64)
            self.run.points += int(count)
            if taken:
                self.bad_steps = 0
                self.nats += total
                self.points += count
                continue
            self.bad_steps += 1
            self.logger.write(
                f"Step {step}: loss or gradient is not finite; it was skipped ({self.bad_steps} in a row)."
            )
            if self.bad_steps >= MAX_BAD_STEPS:
                raise TooManyBadSteps
        return bool(taken)

    def write_message(self, rate):
        """Writes the training loss and the speed since the last message."""
        run, per_point, speed = self.run, self.nats / self.points, self.points / self.seconds
        run.log(
            step=run.batches,
            points=run.points,
            train_nats_per_point=per_point,
            points_per_second=speed,
            wall=self.wall_seconds(),
        )
        self.logger.write(
            f"step {run.batches}/{self.steps}: {per_point:.4f} nats/point, learning rate {rate:.2e}, "
            f"{speed:.0f} points/s"
        )
        self.nats, self.points, self.seconds = 0.0, 0.0, 0.0

    def validate(self):
        """Validates the averaged weights and keeps them if they are the best so far."""
        run, averaged = self.run, self.state["ema" if self.args.ema else "weights"]
        with self.clock.timed("validation"):
            per_point, per_line = self.batches.evaluate(averaged)
        if per_point < run.best_loss:
            run.best_loss, run.stale = per_point, 0
            with self.clock.timed("save") if self.args.keep == "ema" else contextlib.nullcontext():
                run.save_best(averaged)
        else:
            run.stale += 1
        run.log(
            step=run.batches,
            points=run.points,
            validation_nats_per_point=per_point,
            nats_per_line=per_line,
            wall=self.wall_seconds(),
        )
        self.logger.write(
            f"step {run.batches}: validation {per_point:.4f} nats/point, {per_line:.1f} nats/line "
            f"({'the best so far' if not run.stale else f'best {run.best_loss:.4f}, {run.stale} validations ago'})"
        )

    def out_of_patience(self):
        """Whether --patience validations in a row found no lower loss, so that the run stops early."""
        return bool(self.args.patience) and self.run.stale >= self.args.patience

    def save(self):
        """Saves the state, unless --keep ema keeps the best weights alone."""
        if self.args.keep == "all":
            self.run.seconds = self.wall_seconds()
            with self.clock.timed("save"):
                self.run.save(self.state)

    def stop(self, interrupted):
        """Saves before the last step, for a signal or because --wall_time is over. Returns the exit code."""
        run = self.run
        self.read_results()
        if self.args.keep == "ema" and (run.batches == 0 or run.batches % self.validate_every):
            self.validate()  # the average since the last validation would be lost
        self.save()
        why = signal.Signals(interrupted).name if interrupted else f"{self.clock.elapsed():.0f} s"
        goes_on = "the same command goes on from here" if self.args.keep == "all" else "the averaged weights were kept"
        self.logger.write(f"Stopped at step {run.batches} after {why}, saved; {goes_on}.")
        return 128 + interrupted if interrupted else 0

    def wall_seconds(self):
        """Wall time of all processes of the run so far."""
        return self._seconds_before + self.clock.elapsed()


def train(args, loader, logger, started=None):
    """Trains from the last save to the last step. Returns the exit code.

    Args:
        args: flags. loader: a `DataLoader`. logger: a `Logger`. started: when --wall_time began, by time.monotonic()
            (default: now).
    """
    with Interrupt() as interrupt:
        try:
            training = Training(args, loader, logger, time.monotonic() if started is None else started)
            return training.train(interrupt)
        except TooManyBadSteps:
            logger.write(
                f"Error: {MAX_BAD_STEPS} such steps in a row. The last good save is kept; try a lower --learning_rate."
            )
            return 1


def main(argv=None):
    started = time.monotonic()
    args = parse_args(argv)

    def work():
        logger = Logger(args, "train_jax.txt")
        return train(args, DataLoader(args, logger), logger, started)

    return run_command(work, stopped="Stopped without saving; the last save is kept.")


if __name__ == "__main__":
    sys.exit(main())
