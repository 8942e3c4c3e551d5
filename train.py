"""Trains a handwriting model.

    python3 train.py                                  # the defaults: 400 units in each LSTM
    python3 train.py --rnn_size 100 --nepochs 2       # a small one, quickly
    python3 train.py --save_path saved/mine --init_from saved/checkpoint --learning_rate 3e-4

The same command again goes on from the last save, as if it had never stopped. Progress goes to stderr and to
logs/train_scribe.txt, curves to TensorBoard in logs/, the model to saved/.
"""

import contextlib
import math
import os
import signal
import sys
import time

import numpy as np
from tqdm import tqdm

from model import HandwritingModel, loss_sum_and_count
from scribe.console import SuiteError, run_command
from scribe.network.checkpoint import find_checkpoint, restore_weights
from scribe.network.config import POINT_SIZE
from scribe.network.precision import TYPES, faster_products
from scribe.network.tf_setup import GPUS, describe, one_thread_per_operation, tf
from scribe.training.cluster import SINGLE_WORKER, read_cluster
from scribe.training.curves import Curves
from scribe.training.devices import ONE_DEVICE, WORKER_LOST, NullLogger, describe_loss, join
from scribe.training.flags import parse_training_flags
from scribe.training.pictures import pictures_of
from scribe.training.run_state import TrainingRun, WeightAverage
from scribe.training.schedule import MAX_BAD_STEPS, Interrupt, learning_rate
from scribe.training.weight_noise import AdaptiveWeightNoise
from utils import DataLoader, Logger


def parse_args(argv=None):
    """The flags stand in scribe/training/flags.py, where tools/train_jax.py and submit_training.py find them too."""
    return parse_training_flags(argv, __doc__)


# ----------------------------------------------------------------------------------------------------- one train step


def make_optimizer(args):
    """The optimizer of --optimizer, with its flags."""
    if args.optimizer == "adam":
        return tf.keras.optimizers.Adam(args.learning_rate, beta_1=args.momentum, beta_2=args.decay)
    return tf.keras.optimizers.RMSprop(
        args.learning_rate, rho=args.decay, momentum=args.momentum, epsilon=1e-4, centered=True
    )


def parallel_loss(model, x, y, mask, char_seq, dropout_seed, towers, training, replica=0, replicas=1):
    """The loss of a batch as (sum in nats, number of points), computed as `towers` slices of it in parallel.

    The products within a recurrence are too small to keep several cores busy, but slices of the batch are independent.
    With one thread for each (`tf_setup.one_thread_per_operation`) two cores are 1.3 times as fast.

    With several replicas (see scribe/training/devices.py) each computes the slices of its own share of the lines.
    """
    batch = tf.shape(x)[0]
    totals, counts = [], []
    slices = replicas * towers
    for k in [replica * towers + tower for tower in range(towers)]:
        first, last = k * batch // slices, (k + 1) * batch // slices
        # cuDNN fails on an empty batch, so with more slices than lines some compute a line that does not count.
        rows, counts_in = slice(first, tf.maximum(last, first + 1)), tf.cast(last > first, mask.dtype)
        inputs = {"stroke_data": x[rows], "char_seq": char_seq[rows]}
        if training:
            inputs["dropout_seed"] = tf.random.fold_in(dropout_seed, k)  # different noise in every slice
        total, count = loss_sum_and_count(model(inputs, training=training), y[rows], mask[rows] * counts_in)
        totals.append(total)
        counts.append(count)
    return tf.add_n(totals), tf.add_n(counts)


def default_towers(batch_size):
    """One tower for each core, of at least 4 lines; 1 on a GPU."""
    return 1 if GPUS else max(1, min(os.cpu_count() or 1, batch_size // 4))


def choose_precision(args, before=None):
    """The type of --precision auto, by its name: that of the run that goes on, else the faster one on this machine.

    Args:
        args: the flags. before: those that the run was started with, a dict; None for a new run.
    """
    if before is not None:
        return before.get("precision", "float32")  # the flag is younger than some runs
    return faster_products(max(1, args.batch_size // max(1, args.towers)), args.rnn_size).name


def make_train_step(model, optimizer, average, grad_clip, towers=1, devices=ONE_DEVICE, noise=None):
    """A tf.function with one trace for all batch shapes.

    train_step(x [B, T, 3], y [B, T, 3], mask [B, T], char_seq [B, U, A], rate, step, dropout_seed [2]) returns the sum
    of the loss in nats, the number of points, the norm of the gradient before clipping, and whether the step was taken:
    one whose loss or gradient is not finite changes nothing. `towers`: see `parallel_loss`; each replica of `devices`
    computes as many. Each has the whole batch in memory, so each can divide by the number of all points.
    `noise`: an `AdaptiveWeightNoise` whose widths are trained as well, or None.
    """
    spec = tf.TensorSpec
    variables = model.trainable_variables
    trained = [*variables, *(noise.log_sigma if noise else [])]
    optimizer.build(trained)

    def apply(gradients, rate, step):
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(gradients, trained))
        average.update(step)
        return True

    @tf.function(
        input_signature=[
            spec([None, None, POINT_SIZE]), spec([None, None, POINT_SIZE]), spec([None, None]),
            spec([None, None, model.char_vec_len]), spec([]), spec([], tf.int32), spec([2], tf.int32),
        ]
    )  # fmt: skip
    def train_step(x, y, mask, char_seq, rate, step, dropout_seed):
        count = tf.reduce_sum(mask)

        def loss_and_gradients(replica):
            with tf.GradientTape() as tape:
                total, _ = parallel_loss(
                    model, x, y, mask, char_seq, dropout_seed, towers, True, replica, devices.replicas
                )
                loss = total / tf.maximum(count, 1.0)
            return [total, loss, *tape.gradient(loss, variables)]

        with noise.added(dropout_seed) if noise else contextlib.nullcontext():
            total, loss, *gradients = devices.sum(loss_and_gradients)
        of_noise = []
        if noise:
            gradients, of_noise = noise.gradients(gradients, tf.maximum(count, 1.0))
        norm = tf.linalg.global_norm(gradients)
        if grad_clip:
            gradients, _ = tf.clip_by_global_norm(gradients, grad_clip, use_norm=norm)
        finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        for gradient in of_noise:
            finite &= tf.reduce_all(tf.math.is_finite(gradient))
        applied = tf.cond(finite, lambda: apply([*gradients, *of_noise], rate, step), lambda: False)
        return total, count, norm, applied

    return train_step


def make_evaluate_step(model, towers=1, devices=ONE_DEVICE):
    """A tf.function: (x, y, mask, char_seq) -> (sum of the loss in nats, number of points)."""
    spec = tf.TensorSpec

    @tf.function(
        input_signature=[
            spec([None, None, POINT_SIZE]), spec([None, None, POINT_SIZE]), spec([None, None]),
            spec([None, None, model.char_vec_len]),
        ]
    )  # fmt: skip
    def evaluate_step(x, y, mask, char_seq):
        seed = tf.zeros([2], tf.int32)
        return devices.sum(
            lambda replica: parallel_loss(model, x, y, mask, char_seq, seed, towers, False, replica, devices.replicas)
        )

    return evaluate_step


def evaluate(evaluate_step, batches):
    """The loss over `batches`, in nats per point and nats per line."""
    nats = points = lines = 0.0
    for batch in batches:
        total, count = evaluate_step(batch.x, batch.y, batch.mask, batch.one_hot)
        nats, points, lines = nats + float(total), points + float(count), lines + len(batch.texts)
    return nats / max(points, 1.0), nats / max(lines, 1.0)


# ----------------------------------------------------------------------------------------------------------- the loop


def train(args, loader, logger, devices=ONE_DEVICE):
    """Trains from the last save to the last step. Returns the exit code."""
    curves = Curves(args.log_dir if devices.chief else None, logger.write)
    with contextlib.closing(curves), Interrupt() as interrupt:
        return _train(args, loader, logger, curves, interrupt, devices)


def _train(args, loader, logger, curves, interrupt, devices):
    tf.keras.utils.set_random_seed(args.seed)
    model = HandwritingModel(args)
    optimizer = make_optimizer(args)
    if args.init_from and devices.chief:
        new = restore_weights(find_checkpoint(args.init_from), model)
        if new:
            logger.write(f"{args.init_from} does not know {new!r}: these characters start as its unknown one.")
    average = WeightAverage(model.trainable_variables, args.ema)
    noise = None
    if args.weight_noise == "adaptive":
        noise = AdaptiveWeightNoise(model.trainable_variables, args.noise_deviation, loader.num_batches)
    train_step = make_train_step(model, optimizer, average, args.grad_clip, args.towers, devices, noise)
    evaluate_step = make_evaluate_step(model, args.towers, devices)
    run = TrainingRun(args.save_path, model, optimizer, average, devices.chief, noise)
    resumed = run.restore(vars(args))
    if args.precision == "auto":
        args.precision = choose_precision(args, run.flags_before() if resumed else None)
    model.products = TYPES[args.precision]
    devices.from_chief(run.variables)
    run.start(vars(args))

    steps_per_epoch = args.nbatches or loader.num_batches
    steps = args.nepochs * steps_per_epoch
    validate_every = args.validate_every or steps_per_epoch
    parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    logger.write(
        f"{'Going on from ' + resumed if resumed else 'Starting ' + args.save_path}: "
        f"{parameters / 1e6:.2f} M parameters, step {run.batches} of {steps}, {steps_per_epoch} steps an epoch, "
        f"products in {args.precision}."
    )
    bad_steps = 0
    seen = np.zeros(3)  # nats, points and seconds since the last message
    bar = tqdm(total=steps, initial=run.batches, unit="step", disable=None if devices.chief else True, smoothing=0.05)

    stop = out_of_patience(args, run)  # the resumed run may have stopped early
    while run.batches < steps and not stop:
        step = run.batches
        batch = loader.batch(step)
        rate = learning_rate(args, step, steps, steps_per_epoch)
        start = time.perf_counter()
        total, count, norm, applied = (
            t.numpy() for t in train_step(batch.x, batch.y, batch.mask, batch.one_hot, rate, step, [args.seed, step])
        )
        seconds = time.perf_counter() - start
        run.batches = step + 1

        # A step that is not finite was skipped; ten in a row mean that the run is lost.
        if not applied:
            bad_steps += 1
            logger.write(f"Step {step}: loss or gradient is not finite; the step was skipped ({bad_steps} in a row).")
            if bad_steps >= MAX_BAD_STEPS:
                logger.write(
                    f"Error: {MAX_BAD_STEPS} such steps in a row. The last good checkpoint is kept; "
                    "try a lower --learning_rate."
                )
                bar.close()
                return 1
        else:
            bad_steps = 0
            seen += [float(total), float(count), seconds]
            bar.set_postfix_str(f"{total / count:.3f} nats/point, {count / seconds:.0f} points/s", refresh=False)
            curves.write(
                step,
                {
                    "train/nats_per_point": total / count,
                    "train/gradient_norm": norm,
                    "train/learning_rate": rate,
                    "train/points_per_second": count / seconds,
                },
            )
        bar.update()

        done = run.batches == steps
        if (run.batches % 50 == 0 or done) and seen.any():
            logger.write(
                f"step {run.batches}/{steps}: {seen[0] / seen[1]:.4f} nats/point, "
                f"learning rate {rate:.2e}, {seen[1] / seen[2]:.0f} points/s",
                print_it=bool(bar.disable),
            )
            seen[:] = 0
        if (run.batches % validate_every == 0 or done) and loader.valid_stroke_data:
            validate(args, run, average, evaluate_step, loader, curves, logger)
            stop = out_of_patience(args, run)
        # A skipped step changed nothing, and saving it would push out the checkpoint of a good one.
        due = bool(applied) and (run.batches % args.save_every == 0 or run.batches % validate_every == 0)
        # Read once: a signal between two reads would be reported, but not saved.
        interrupted = devices.common_signal(interrupt.signal)
        if due or done or stop or interrupted:
            run.save()
        if interrupted:
            bar.close()
            name = signal.Signals(interrupted).name
            logger.write(f"Saved at step {run.batches} after {name}; the same command goes on from here.")
            return 128 + interrupted
    bar.close()
    best = f"lowest validation loss {run.best_loss:.4f} nats/point, in {args.save_path}/best"
    logger.write(f"Done: {run.batches} steps, {best if math.isfinite(run.best_loss) else 'no line to validate on'}.")
    return 0


def out_of_patience(args, run):
    """Whether --patience validations in a row found no lower loss, so that the run stops early."""
    return bool(args.patience) and run.stale >= args.patience


def validate(args, run, average, evaluate_step, loader, curves, logger):
    """Validates the averaged weights, keeps them if they are the best so far, and shows what they write."""
    with average.in_place():
        per_point, per_line = evaluate(evaluate_step, loader.validation_batches())
        if per_point < run.best_loss:
            run.best_loss, run.stale = per_point, 0
            run.save_best()
        else:
            run.stale += 1
        if not args.no_pictures:
            curves.show(run.batches, lambda: pictures_of(run.model))
    values = {"validation/nats_per_point": per_point, "validation/nats_per_line": per_line}
    if run.noise:
        values["validation/nats_of_the_weights"] = float(run.noise.complexity())
    curves.write(run.batches, values)
    logger.write(
        f"step {run.batches}: validation {per_point:.4f} nats/point, {per_line:.1f} nats/line "
        f"({'the best so far' if not run.stale else f'best {run.best_loss:.4f}, {run.stale} validations ago'})"
    )


def run(args):
    """Joins the other devices and trains. Returns the exit code."""
    for gpu in GPUS:
        tf.config.experimental.set_memory_growth(gpu, True)
    cluster = read_cluster(os.environ) if args.distribute == "multiworker" else SINGLE_WORKER
    args.towers = args.towers or default_towers(args.batch_size // cluster.workers)
    if args.towers > 1:
        one_thread_per_operation(args.towers)
    try:
        devices = join(args.distribute, cluster)
        logger = Logger(args) if devices.chief else NullLogger()
        loader = DataLoader(args, logger)
        devices.check(args, loader)
        return train(args, loader, logger, devices)
    except tf.errors.ResourceExhaustedError as error:
        raise SuiteError(
            f"there is not enough memory for a batch ({describe(error)}): try a smaller --batch_size or --tsteps. "
            "The last checkpoint is kept."
        ) from None
    except WORKER_LOST as error:
        raise SuiteError(describe_loss(error)) from None


def main(argv=None):
    args = parse_args(argv)
    return run_command(lambda: run(args), stopped="Stopped without saving; the last checkpoint is kept.")


if __name__ == "__main__":
    sys.exit(main())
