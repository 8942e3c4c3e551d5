"""Trains a network that writes in hands and its encoder of hands, together, on a machine with a GPU and JAX.

    python3 tools/hands_for_jax.py --data_dir real --hold_out 100 saved/gpu   # where TensorFlow is: lines and weights
    python3 tools/train_hands_jax.py saved/gpu --seconds 460                  # where the GPU is
    python3 tools/hands_for_jax.py --back saved/gpu                           # where TensorFlow is: a checkpoint

What train.py does for a network with a hand_size, with two differences: the gradient goes on through what the network
is told into the encoder, and everything stays on the GPU, lines and batches included. On an H200 a step of 256 lines
takes 0.09 s, 1.4 million pen points a second. The folder needs lines.npz and weights.npz; the averaged weights come to
trained.npz at every validation. The other machine needs JAX, NumPy, and the folders scribe and tools.

A run does not resume: it takes minutes. --seconds ends it when the learning rate has come down, whatever the step.
"""

import argparse
import concurrent.futures
import math
import os
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from jax_training.hand_lines import HandLines
from jax_training.hands import describe, is_trained, less, scale_of
from jax_training.network import PRECISIONS, Compute, loss_sum_and_count, network
from scribe.console import OneLineParser, UsageError, run_command, say
from scribe.files.atomic import written_aside

WARMUP, LAST_RATE = 100, 0.02
MEAN, SQUARE, CLIP = 0.9, 0.99, 0.5  # of Adam, and the largest norm of a gradient
SCALE_WEIGHT = 0.003  # of the loss that keeps descriptions as large as they were
STEPS_PER_MESSAGE = 50
KINDS = {1: "validation", 2: "held out"}


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", help="with lines.npz and weights.npz of tools/hands_for_jax.py")
    p.add_argument("--steps", type=int, default=5000, help="steps of the training")
    p.add_argument("--seconds", type=float, default=math.inf, help="of training, after the compilation, at most")
    p.add_argument("--batch_size", type=int, default=256, help="lines of a step, or rows of them")
    p.add_argument(
        "--in_a_row", type=float, nargs="+", default=[1.0], metavar="SHARE",
        help="shares of the steps with one line in a row, two lines of a form one after the other, three, ...",
    )  # fmt: skip
    p.add_argument("--learning_rate", type=float, default=6e-4, help="highest learning rate")
    p.add_argument("--encoder_rate", type=float, default=0.5, help="learning rate of the encoder, times that")
    p.add_argument("--dropout", type=float, default=0.8, help="probability to keep an output of an LSTM")
    p.add_argument("--distort", type=float, default=0.13, help="spread of width, height and slant of the lines")
    p.add_argument("--ema", type=float, default=0.998, help="decay of the weight average")
    p.add_argument("--tsteps", type=int, default=920, help="pen points of a line; longer ones are left out")
    p.add_argument("--validate_every", type=int, default=400, help="steps")
    p.add_argument("--dtype", choices=sorted(PRECISIONS), default="bfloat16", help="factors of the large products")
    p.add_argument("--unroll", type=int, default=4, help="points in one turn of the loop over time")
    p.add_argument("--seed", type=int, default=0, help="seed of batches and noise")
    args = p.parse_args(argv)
    if min(args.steps, args.batch_size, args.validate_every, args.unroll) < 1:
        p.error("--steps, --batch_size, --validate_every and --unroll have to be 1 or more")
    if min(args.in_a_row) < 0 or sum(args.in_a_row) <= 0:
        p.error("--in_a_row has to be shares, of which one at least is above 0")
    if not 0 < args.dropout <= 1:
        p.error(f"--dropout is {args.dropout}: it has to be above 0 and at most 1")
    return args


def changed(strokes, change):
    """strokes [B, ..., 3], change [B, 3] -> the lines in another size and slant, as ink.strokes.transformed has it."""
    width, height, slant = (v.reshape(-1, *[1] * (strokes.ndim - 2)) for v in change.T)
    x, y = strokes[..., 0], strokes[..., 1]
    return jnp.stack([jnp.exp(width) * x - slant * y, jnp.exp(height) * y, strokes[..., 2]], axis=-1)


def in_rows(arrays, choice, length, space):
    """The lines of each row one after the other.

    Args:
        arrays: of `HandLines`. choice: a `Choice`. length: pen points of the longest row. space: its number in texts.

    Returns:
        strokes [B, length, 3], 0 after the last line; text [B, S (U + 1)], -1 for padding.
    """
    points, _, text, counts, text_counts = arrays
    B, S = choice.lines.shape
    strokes, characters = jnp.zeros([B, length, 3]), jnp.full([B, S * (text.shape[1] + 1)], -1, text.dtype)
    start = start_of_text = jnp.zeros([B, 1], jnp.int32)
    for k in range(S):
        line = choice.lines[:, k]
        place, n = jnp.arange(length) - start, counts[line, None]
        own = points[line[:, None], jnp.clip(place, 0, points.shape[1] - 1)]
        if k > 0:
            own = jnp.where((place == 0)[..., None], jnp.pad(choice.joins[:, k - 1 : k], ((0, 0), (0, 0), (0, 1))), own)
        if k < S - 1:  # the pen is lifted to go on with the next line
            own = own.at[..., 2].max((place == n - 1).astype(own.dtype))
        strokes = jnp.where(((place >= 0) & (place < n))[..., None], own, strokes)
        place, m = jnp.arange(characters.shape[1]) - start_of_text, text_counts[line, None]
        own = text[line[:, None], jnp.clip(place, 0, text.shape[1] - 1)]
        characters = jnp.where((place >= 0) & (place < m), own, characters)
        if k < S - 1:
            characters = jnp.where(place == m, space, characters)
        start, start_of_text = start + n, start_of_text + m + 1
    return strokes, characters


class Programs:
    """The compiled training step and validation.

    Args:
        args: flags. lines: a `HandLines`. weights: {name: array}.
    """

    def __init__(self, args, lines, weights):
        self.args, self.compute = args, Compute(args.dtype, args.unroll)
        self.characters, self.space = len(lines.alphabet) + 1, lines.space
        self.arrays = jax.device_put(lines.arrays)
        weights = {name: jnp.asarray(value) for name, value in weights.items()}
        self.averages = {name: value for name, value in weights.items() if not is_trained(name)}
        trained = {name: value for name, value in weights.items() if is_trained(name)}
        self.state = {"weights": trained, "ema": jax.tree.map(jnp.array, trained), "iterations": jnp.float32(0)}
        self.state |= {slot: jax.tree.map(jnp.zeros_like, trained) for slot in ("mean", "square")}
        self._step = jax.jit(self._train_step, static_argnames="length", donate_argnums=0)
        self._evaluate = jax.jit(self._evaluate_step, static_argnames="length")

    def compile(self, lines, validation):
        """Compiles for all shapes side by side, and for those of batches of `HandLines.validation`."""
        choices = {}
        while len(choices) < len(lines.shapes):
            shape, choice = lines.batch()
            choices[shape] = choice
        number = np.float32(0)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            made = {k: pool.submit(self._lower, k, choice, number) for k, choice in choices.items()}
            told = {shape: pool.submit(self._lower_evaluation, shape, *of) for shape, *of in validation}
            self._steps = {k: one.result() for k, one in made.items()}
            self._evaluations = {k: one.result() for k, one in told.items()}

    def _lower(self, shape, choice, number):
        return self._step.lower(self.state, self.arrays, choice, number, length=shape[1]).compile()

    def _lower_evaluation(self, shape, choice, count):
        return self._evaluate.lower(self.state["ema"], self.arrays, choice, np.int32(count), length=shape[1]).compile()

    def train_step(self, shape, choice, rate):
        """One step; returns [nats, points, scale of vectors, of glyphs, norm of the gradient] before it is computed."""
        self.state, found = self._steps[shape](self.state, self.arrays, choice, np.float32(rate))
        return found

    def evaluate(self, batches):
        """Nats per point of the last lines of rows, without and with their hand, by the averaged weights; None if there
        are none."""
        ema = self.state["ema"]
        sums = [self._evaluations[k](ema, self.arrays, choice, np.int32(n)) for k, choice, n in batches]
        if not sums:
            return None
        null, own, points = np.sum([np.asarray(s, np.float64) for s in sums], axis=0)
        return null / points, own / points

    def _batch(self, arrays, choice, length):
        """x, y [T, B, 3], mask [T, B], one-hot text, and what `describe` wants of the lines to read."""
        points, characters, _, counts, _ = arrays
        strokes, text = in_rows(arrays, choice, length + 1, self.space)
        strokes = changed(strokes, choice.change + choice.more)
        mask = (jnp.arange(length) < counts[choice.lines].sum(axis=1, keepdims=True) - 1).astype(jnp.float32)
        x, y = strokes[:, :-1] * mask[..., None], strokes[:, 1:] * mask[..., None]
        one_hot = jax.nn.one_hot(text, self.characters)  # of padding, -1, it is 0
        there = (jnp.arange(points.shape[1]) < counts[choice.read][..., None]) * choice.there[..., None]
        read = changed(points[choice.read], choice.change) * there[..., None]
        x, y, mask = (jnp.swapaxes(v, 0, 1) for v in (x, y, mask))
        return x, y, mask, one_hot, (read, there, characters[choice.read])

    def _told(self, weights, read, there, one_hot, key=None):
        """hand [B, D], glyphs [B, U, D], and what `scale_of` says of them; with a key as training tells it."""
        vector, glyphs, known = describe(weights | self.averages, *read, PRECISIONS[self.args.dtype][1])
        scale = scale_of(vector, glyphs, known, there)
        if key is not None:
            vector, glyphs = less(vector, glyphs, known, key)
        glyphs = jnp.einsum("bua,bad->bud", one_hot, glyphs, precision=jax.lax.Precision.HIGHEST)
        return vector * there, glyphs * there[..., None], scale

    def _loss(self, weights, arrays, choice, key, length):
        x, y, mask, one_hot, read = self._batch(arrays, choice, length)
        for_told, for_dropout = jax.random.split(key)
        there = choice.there.max(axis=1, keepdims=True)
        hand, glyphs, scale = self._told(weights, read, there, one_hot, for_told)
        y_hat = network(weights, x, one_hot, self.compute, self.args.dropout, for_dropout, hand, glyphs)
        nats, points = loss_sum_and_count(y_hat, y, mask)
        return nats / points + SCALE_WEIGHT * sum((s - 1) ** 2 for s in scale), (nats, points, *scale)

    def _train_step(self, state, arrays, choice, rate, *, length):
        before = state["iterations"]
        key = jax.random.fold_in(jax.random.key(self.args.seed), before.astype(jnp.int32))
        gradients, found = jax.grad(self._loss, has_aux=True)(state["weights"], arrays, choice, key, length)
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradients)))
        count, clip = before + 1, jnp.minimum(1.0, CLIP / norm)
        new = {slot: {} for slot in ("weights", "ema", "mean", "square")} | {"iterations": count}
        decay = jnp.minimum(self.args.ema, (1.0 + before) / (10.0 + before))
        for name, g in gradients.items():
            mean = MEAN * state["mean"][name] + (1 - MEAN) * clip * g
            square = SQUARE * state["square"][name] + (1 - SQUARE) * jnp.square(clip * g)
            change = mean / (1 - MEAN**count) / (jnp.sqrt(square / (1 - SQUARE**count)) + 1e-7)
            share = self.args.encoder_rate if name.startswith("encoder_") else 1.0
            weight = state["weights"][name] - share * rate * change
            ema = decay * state["ema"][name] + (1 - decay) * weight
            for slot, value in zip(("weights", "ema", "mean", "square"), (weight, ema, mean, square), strict=True):
                new[slot][name] = value
        finite = jnp.isfinite(norm)  # a step that is not changes nothing
        new = jax.tree.map(lambda after, old: jnp.where(finite, after, old), new, state)
        return new, jnp.stack([*found, norm])

    def _evaluate_step(self, weights, arrays, choice, count, *, length):
        x, y, mask, one_hot, read = self._batch(arrays, choice, length)
        before = arrays[3][choice.lines[:, :-1]].sum(axis=1)  # points of the lines before the last: to go on from
        mask = mask * (jnp.arange(mask.shape[1]) < count) * (jnp.arange(length)[:, None] >= before)
        hand, glyphs, _ = self._told(weights, read, choice.there.max(axis=1, keepdims=True), one_hot)
        nats = []
        for told in ((jnp.zeros_like(hand), jnp.zeros_like(glyphs)), (hand, glyphs)):
            y_hat = network(weights, x, one_hot, self.compute, hand=told[0], glyphs=told[1])
            total, points = loss_sum_and_count(y_hat, y, mask)
            nats.append(total)
        return jnp.stack([*nats, points])


def train(args):
    """Trains; returns the exit code."""
    found = [os.path.join(args.folder, name) for name in ("lines.npz", "weights.npz")]
    if missing := [path for path in found if not os.path.exists(path)]:
        raise UsageError(f"there is no {missing[0]}: tools/hands_for_jax.py writes it, where TensorFlow is.")
    try:
        lines = HandLines(found[0], args.batch_size, args.tsteps, args.distort, args.seed, args.in_a_row)
    except ValueError as error:
        raise UsageError(str(error)) from None
    with np.load(found[1], allow_pickle=False) as file:
        weights = {name: file[name] for name in file.files}
    programs = Programs(args, lines, weights)
    validation = {
        what + after: list(lines.validation(kind, S))
        for S, after in ((1, ""), (2, " after a line"))
        for kind, what in KINDS.items()
        if any(S == shape[0] for shape in lines.shapes)
    }
    start = time.monotonic()
    programs.compile(lines, [batch for batches in validation.values() for batch in batches[:1]])
    of_points = [length for _, length in lines.shapes]
    say(f"Compiled for rows of {of_points} points on {jax.devices()[0].device_kind}: {since(start):.0f} s.")

    def validate(step):
        nats = {what: programs.evaluate(batches) for what, batches in validation.items()}
        say(
            f"step {step}: "
            + "; ".join(f"{what} {n[0]:.4f}, in the hand {n[1]:.4f} nats/point" for what, n in nats.items() if n)
        )
        ema = {name: np.asarray(value) for name, value in (programs.state["ema"] | programs.averages).items()}
        with written_aside(os.path.join(args.folder, "trained.npz")) as aside:
            np.savez(aside, **ema)

    validate(0)
    start, step, seen, waiting = time.monotonic(), 0, [], []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        following = pool.submit(lines.batch)
        while step < args.steps and since(start) < args.seconds:
            (shape, choice), following = following.result(), pool.submit(lines.batch)
            done = max(step / args.steps, since(start) / args.seconds)
            rate = args.learning_rate * min(1.0, (step + 1) / WARMUP)
            rate *= LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
            waiting.append(programs.train_step(shape, choice, rate))
            step += 1
            if len(waiting) > 2:  # so that the device never waits for the host
                seen.append(np.asarray(waiting.pop(0), np.float64))
            if step % STEPS_PER_MESSAGE == 0 and seen:
                nats, points, of_vectors, of_glyphs, norm = np.sum(seen, axis=0)
                say(
                    f"step {step}, {since(start):.0f} s: {nats / points:.4f} nats/point, rate {rate:.1e}, scale "
                    f"{of_vectors / len(seen):.2f} {of_glyphs / len(seen):.2f}, norm {norm / len(seen):.2f}"
                )
                seen = []
            if step % args.validate_every == 0:
                validate(step)
    validate(step)
    return 0


def since(start):
    """Seconds since a time of time.monotonic()."""
    return time.monotonic() - start


def main(argv=None):
    args = parse_args(argv)
    return run_command(lambda: train(args), stopped="Stopped; the averaged weights of the last validation are kept.")


if __name__ == "__main__":
    sys.exit(main())
