"""Trains a handwriting model.

    python3 train.py                                  # the defaults: 400 units in each LSTM
    python3 train.py --rnn_size 100 --nepochs 2       # a small one, quickly
    python3 train.py --save_path saved/mine --init_from saved/checkpoint --learning_rate 3e-4
    python3 train.py --save_path saved/in_hands --init_from saved/hands/start --distort 0.13     # to write in hands

The same command again goes on from the last save, as if it had never stopped. Progress goes to stderr and to
logs/train_scribe.txt, curves to TensorBoard in logs/, the model to saved/.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import contextlib
import math
import os
import signal
import sys
import time

import numpy as np
from tqdm import tqdm

from scribe.training.flags import parse_training_flags

if __name__ == "__main__":
    parse_training_flags(None, __doc__)  # a wrong flag is told before TensorFlow is imported, which takes seconds

from model import HandwritingModel, loss_sum_and_count
from scribe.console import SuiteError, UsageError, run_command
from scribe.ink.batch import network_arrays
from scribe.learning.forms import tells_of_hands
from scribe.learning.hand_batches import HandBatches
from scribe.network.checkpoint import find_checkpoint, load_config, restore_weights
from scribe.network.config import POINT_SIZE, ModelConfig
from scribe.network.precision import TYPES, faster_products
from scribe.network.tf_setup import GPUS, describe, one_thread_per_operation, tf
from scribe.training.cluster import SINGLE_WORKER, read_cluster
from scribe.training.curves import Curves
from scribe.training.devices import ONE_DEVICE, WORKER_LOST, NullLogger, describe_loss, join
from scribe.training.pictures import pictures_of
from scribe.training.run_state import HANDS_FILE, TrainingRun, WeightAverage
from scribe.training.schedule import MAX_BAD_STEPS, Interrupt, learning_rate
from scribe.training.weight_noise import AdaptiveWeightNoise
from utils import DataLoader, Logger


def parse_args(argv=None):
    """The flags stand in scribe/training/flags.py, where tools/train_jax.py and submit_training.py find them too."""
    return parse_training_flags(argv, __doc__)


# ----------------------------------------------------------------------------------------------------- one train step


def make_model(args):
    """The network that is trained. Its encoder of hands is not: what it says of the lines is read once."""
    model = HandwritingModel(args)
    if model.hand_encoder:
        model.hand_encoder.trainable = False
    return model


def make_optimizer(args):
    """The optimizer of --optimizer, with its flags."""
    if args.optimizer == "adam":
        return tf.keras.optimizers.Adam(args.learning_rate, beta_1=args.momentum, beta_2=args.decay)
    return tf.keras.optimizers.RMSprop(
        args.learning_rate, rho=args.decay, momentum=args.momentum, epsilon=1e-4, centered=True
    )


def parallel_loss(model, arrays, dropout_seed, towers, training, part=0, parts=1):
    """The loss of a batch as (sum in nats, number of points), computed as `towers` slices of it in parallel.

    The products within a recurrence are too small to keep several cores busy, but slices of the batch are independent.
    With one thread for each (`tf_setup.one_thread_per_operation`) two cores are 1.3 times as fast.

    With `parts` the batch is cut further, and the slices are those of one part: that of a replica (see
    scribe/training/devices.py), or what is computed at a time. `arrays`: as `network_arrays` makes them of a batch.
    """
    x, y, mask, char_seq, hand, glyphs = arrays
    batch = tf.shape(x)[0]
    totals, counts = [], []
    slices = parts * towers
    for k in [part * towers + tower for tower in range(towers)]:
        first, last = k * batch // slices, (k + 1) * batch // slices
        # cuDNN fails on an empty batch, so with more slices than lines some compute a line that does not count.
        rows, counts_in = slice(first, tf.maximum(last, first + 1)), tf.cast(last > first, mask.dtype)
        inputs = {"stroke_data": x[rows], "char_seq": char_seq[rows]}
        if model.hand_size:
            inputs |= {"hand": hand[rows], "glyphs": glyphs[rows]}
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
    return faster_products(max(1, args.batch_size // (args.accumulate * max(1, args.towers))), args.rnn_size).name


def make_train_step(model, optimizer, average, grad_clip, towers=1, devices=ONE_DEVICE, noise=None, accumulate=1):
    """A tf.function with one trace for all batch shapes.

    train_step(x [B, T, 3], y [B, T, 3], mask [B, T], char_seq [B, U, A], hand [B, D], glyphs [B, U, D], rate, step,
    dropout_seed [2]) returns the sum of the loss in nats, the number of points, the norm of the gradient before
    clipping, and whether the step was taken: one whose loss or gradient is not finite changes nothing. `network_arrays`
    makes the first six of a batch. `towers`: see `parallel_loss`; each replica of `devices` computes as many. Each has
    the whole batch in memory, so each can divide by the number of all points.
    `noise`: an `AdaptiveWeightNoise` whose widths are trained as well, or None. `accumulate`: parts of a batch that are
    computed one after another, in the memory of one.
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

    @tf.function(input_signature=[*array_specs(model), spec([]), spec([], tf.int32), spec([2], tf.int32)])
    def train_step(x, y, mask, char_seq, hand, glyphs, rate, step, dropout_seed):
        arrays = x, y, mask, char_seq, hand, glyphs
        count = tf.reduce_sum(mask)

        def loss_and_gradients(part):
            with tf.GradientTape() as tape:
                total, _ = parallel_loss(model, arrays, dropout_seed, towers, True, part, devices.replicas * accumulate)
                loss = total / tf.maximum(count, 1.0)
            return [total, loss, *tape.gradient(loss, variables)]

        def of_replica(replica):
            first = replica * accumulate
            if accumulate == 1:
                return loss_and_gradients(first)
            nothing = [tf.zeros([]), tf.zeros([]), *[tf.zeros_like(v) for v in variables]]
            _, sums = tf.while_loop(
                lambda part, _: part < first + accumulate,
                lambda part, sums: (part + 1, [a + b for a, b in zip(sums, loss_and_gradients(part))]),
                (first, nothing),
                parallel_iterations=1,
            )
            return sums

        with noise.added(dropout_seed) if noise else contextlib.nullcontext():
            total, loss, *gradients = devices.sum(of_replica)
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


def array_specs(model):
    """The tf.TensorSpecs of `network_arrays`."""
    spec, D = tf.TensorSpec, model.hand_size
    points, char_seq = spec([None, None, POINT_SIZE]), spec([None, None, model.char_vec_len])
    return [points, points, spec([None, None]), char_seq, spec([None, D]), spec([None, None, D])]


def make_evaluate_step(model, towers=1, devices=ONE_DEVICE):
    """A tf.function: `network_arrays` of a batch -> (sum of the loss in nats, number of points)."""

    @tf.function(input_signature=array_specs(model))
    def evaluate_step(*arrays):
        seed = tf.zeros([2], tf.int32)
        return devices.sum(lambda replica: parallel_loss(model, arrays, seed, towers, False, replica, devices.replicas))

    return evaluate_step


def evaluate(evaluate_step, batches, hand_size=0):
    """The loss over `batches`, in nats per point and nats per line."""
    nats = points = lines = 0.0
    for batch in batches:
        total, count = evaluate_step(*network_arrays(batch, hand_size))
        nats, points, lines = nats + float(total), points + float(count), lines + len(batch.texts)
    return nats / max(points, 1.0), nats / max(lines, 1.0)


# ---------------------------------------------------------------------------------------------------------- the hands


def hand_size_of(args):
    """The hand_size of a run: that of --init_from, which --hand_size may only confirm.

    Raises:
        UsageError: it says something else, or there is no encoder of hands to start with, or one for another alphabet.
        CheckpointError: there is no such checkpoint.
    """
    before = load_config(find_checkpoint(args.init_from)) if args.init_from else ModelConfig()
    has = before.hand_size
    if has and args.alphabet != before.alphabet:
        raise UsageError(f"{args.init_from} has an encoder of hands for its own alphabet: leave out what changes that.")
    if args.hand_size in (None, has):
        return has
    if not has:
        raise UsageError(
            f"--hand_size {args.hand_size} needs a trained encoder of hands to start with: make one with "
            "python3 scripts/train_hand_encoder.py, and name it by --init_from."
        )
    raise UsageError(
        f"--hand_size is {args.hand_size}, but {args.init_from} has hands of {has} numbers: leave the flag out."
    )


def same_hand_size(args, devices):
    """The hand_size of a run of several workers: what the chief finds, which alone has to have --init_from."""
    size = tf.Variable(hand_size_of(args) if devices.chief else 0)
    devices.from_chief([size])
    return int(size.numpy())


def read_hands(args, loader, model, logger, devices):
    """What the lines to train on tell of hands, a `HandBatches`.

    They are read by the encoder of the run, which never changes, and aligned with their texts by the network that the
    run began with: a run that goes on reads what it read before.
    """
    reader = HandwritingModel(args)
    if devices.chief:
        restore_weights(find_checkpoint(args.init_from), reader)
    devices.from_chief(reader.variables)
    for own, other in zip(reader.hand_encoder.variables, model.hand_encoder.variables, strict=True):
        own.assign(other)
    kept_in = os.path.join(args.save_path, HANDS_FILE) if devices.chief else None
    lines = loader.stroke_data, loader.ascii_data, loader.names
    return HandBatches(*lines, reader, spread=args.distort, kept_in=kept_in, report=logger.write)


# ----------------------------------------------------------------------------------------------------------- the loop


def train(args, loader, logger, devices=ONE_DEVICE):
    """Trains from the last save to the last step. Returns the exit code."""
    curves = Curves(args.log_dir if devices.chief else None, logger.write)
    with contextlib.closing(curves), Interrupt() as interrupt:
        return _train(args, loader, logger, curves, interrupt, devices)


def _train(args, loader, logger, curves, interrupt, devices):
    tf.keras.utils.set_random_seed(args.seed)
    model = make_model(args)
    optimizer = make_optimizer(args)
    if args.init_from and devices.chief:
        new = restore_weights(find_checkpoint(args.init_from), model)
        if new:
            logger.write(f"{args.init_from} does not know {new!r}: these characters start as its unknown one.")
    average = WeightAverage(model.trainable_variables, args.ema)
    noise = None
    if args.weight_noise == "adaptive":
        noise = AdaptiveWeightNoise(model.trainable_variables, args.noise_deviation, loader.num_batches)
    train_step = make_train_step(
        model, optimizer, average, args.grad_clip, args.towers, devices, noise, args.accumulate
    )
    evaluate_step = make_evaluate_step(model, args.towers, devices)
    run = TrainingRun(args.save_path, model, optimizer, average, devices.chief, noise)
    resumed = run.restore(vars(args))
    if args.precision == "auto":
        args.precision = choose_precision(args, run.flags_before() if resumed else None)
    model.products = TYPES[args.precision]
    devices.from_chief(run.variables)
    run.start(vars(args))
    if model.hand_size and tells_of_hands(loader.names):
        loader.hands = read_hands(args, loader, model, logger, devices)

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
            t.numpy() for t in train_step(*network_arrays(batch, model.hand_size), rate, step, [args.seed, step])
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
    """Validates the averaged weights, keeps them if they are the best so far, and shows what they write.

    A network that is told of hands is validated without a hand and in the hands of the lines; the mean of both decides.
    """
    hand_size, told_of_hands = run.model.hand_size, loader.hands is not None
    kinds = {"without_hand": False, "in_hand": True} if told_of_hands else {"": False}
    with average.in_place():
        found = {}
        for kind, in_hands in kinds.items():
            batches = loader.validation_batches(in_hands=True) if in_hands else loader.validation_batches()
            found[kind] = evaluate(evaluate_step, batches, hand_size)
        per_point, per_line = np.mean(list(found.values()), axis=0)
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
    told = ""
    if told_of_hands:
        values |= {f"validation/nats_per_point_{kind}": nats for kind, (nats, _) in found.items()}
        values |= {f"validation/nats_per_line_{kind}": nats for kind, (_, nats) in found.items()}
        told = f", the mean of {found['without_hand'][0]:.4f} without a hand and {found['in_hand'][0]:.4f} in the hand"
    curves.write(run.batches, values)
    logger.write(
        f"step {run.batches}: validation {per_point:.4f} nats/point, {per_line:.1f} nats/line{told} "
        f"({'the best so far' if not run.stale else f'best {run.best_loss:.4f}, {run.stale} validations ago'})"
    )


def run(args):
    """Joins the other devices and trains. Returns the exit code."""
    for gpu in GPUS:
        tf.config.experimental.set_memory_growth(gpu, True)
    cluster = read_cluster(os.environ) if args.distribute == "multiworker" else SINGLE_WORKER
    args.towers = args.towers or default_towers(args.batch_size // (cluster.workers * args.accumulate))
    if args.towers > 1:
        one_thread_per_operation(args.towers)
    try:
        devices = join(args.distribute, cluster)
        logger = Logger(args) if devices.chief else NullLogger()
        asked_for_hands = bool(args.hand_size)
        args.hand_size = same_hand_size(args, devices)
        loader = DataLoader(args, logger)
        if args.hand_size and not tells_of_hands(loader.names):
            untold = f"{loader.path} does not tell which lines are by one hand"
            help = "prepare_data.py keeps the names of the lines, --names adds them to an older data file."
            if asked_for_hands:
                raise UsageError(f"{untold}, which --hand_size {args.hand_size} needs: {help}")
            logger.write(f"{untold}, so the network is trained without hands, and keeps what it knows of them. {help}")
        devices.check(args, loader)
        return train(args, loader, logger, devices)
    except tf.errors.ResourceExhaustedError as error:
        raise SuiteError(
            f"there is not enough memory for a batch ({describe(error)}): try --accumulate, or a smaller --batch_size "
            "or --tsteps. The last checkpoint is kept."
        ) from None
    except WORKER_LOST as error:
        raise SuiteError(describe_loss(error)) from None


def main(argv=None):
    args = parse_args(argv)
    return run_command(lambda: run(args), stopped="Stopped without saving; the last checkpoint is kept.")


if __name__ == "__main__":
    sys.exit(main())
