"""What the compiled programs do: a training step, an evaluation, and the batches that they are compiled for."""

import concurrent.futures
import functools
import os

import jax
import jax.numpy as jnp
import numpy as np

from jax_training.network import Compute, PaddedBatch, loss_sum_and_count, network, pad_batch
from jax_training.run_files import slot_names
from scribe.network.config import POINT_SIZE


def initial_state(args, weights):
    """The state of a run before its first step: {copy: {name: array}}, and "iterations", the steps taken."""
    weights = {name: jnp.asarray(value) for name, value in weights.items()}
    zeros = {name: jnp.zeros_like(value) for name, value in weights.items()}
    state = {copy: dict(weights if copy in ("weights", "ema") else zeros) for copy in slot_names(args)}
    state = jax.tree.map(jnp.array, state)  # separate copies: the step reuses their memory
    return state | {"iterations": jnp.int32(0)}


def _optimizer_step(args, state, gradients, rate):
    """Adam, or RMSProp as Graves has it (eq. 38-41), in the form of Keras; returns the copies that change."""
    each = functools.partial(jax.tree.map)
    dtype = rate.dtype
    if args.optimizer == "adam":
        count = (state["iterations"] + 1).astype(dtype)
        rate = rate * jnp.sqrt(1 - jnp.power(dtype.type(args.decay), count))
        rate = rate / (1 - jnp.power(dtype.type(args.momentum), count))
        mean = each(lambda m, g: m + (g - m) * (1 - args.momentum), state["mean"], gradients)
        square = each(lambda v, g: v + (jnp.square(g) - v) * (1 - args.decay), state["square"], gradients)
        change = each(lambda m, v: m * rate / (jnp.sqrt(v) + 1e-7), mean, square)
        slots = {"mean": mean, "square": square}
    else:
        rho = args.decay
        mean = each(lambda m, g: rho * m + (1 - rho) * g, state["mean"], gradients)
        square = each(lambda v, g: rho * v + (1 - rho) * jnp.square(g), state["square"], gradients)
        new = each(lambda g, m, v: rate * g / jnp.sqrt(v - jnp.square(m) + 1e-4), gradients, mean, square)
        change = each(lambda old, new: args.momentum * old + new, state["momentum"], new)
        slots = {"mean": mean, "square": square, "momentum": change}
    return {"weights": each(jnp.subtract, state["weights"], change), **slots}


def make_train_step(args):
    """The function of a training step, not compiled.

    train_step(state, batch, rate, step) takes a state as `initial_state` makes it, a `PaddedBatch`, the learning rate,
    and the number of the step from 0; returns the next state, and [sum of the loss in nats, points, norm of the
    gradient before clipping, 1 if the step was taken]. One whose loss or gradient is not finite changes nothing.
    """
    compute = Compute(args.dtype, args.unroll)

    def loss(weights, batch, key):
        y_hat = network(weights, batch.x, batch.char_seq, compute, args.dropout, key)
        total, count = loss_sum_and_count(y_hat, batch.y, batch.mask)
        return total / jnp.maximum(count, 1.0), (total, count)

    def train_step(state, batch, rate, step):
        key = jax.random.fold_in(jax.random.key(args.seed), step)
        (mean, (total, count)), gradients = jax.value_and_grad(loss, has_aux=True)(state["weights"], batch, key)
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradients)))
        if args.grad_clip:
            scale = args.grad_clip * jnp.minimum(1.0 / norm, 1.0 / args.grad_clip)
            gradients = jax.tree.map(lambda g: g * scale, gradients)
        new = _optimizer_step(args, state, gradients, rate) | {"iterations": state["iterations"] + 1}
        if args.ema:
            count_from_0 = step.astype(rate.dtype)
            share = 1.0 - jnp.minimum(args.ema, (1.0 + count_from_0) / (10.0 + count_from_0))
            new["ema"] = jax.tree.map(lambda e, w: e + share * (w - e), state["ema"], new["weights"])
        finite = jnp.isfinite(mean) & jnp.isfinite(norm)
        new = jax.tree.map(lambda after, before: jnp.where(finite, after, before), new, state)
        return new, jnp.stack([total, count, norm, finite.astype(total.dtype)])

    return train_step


def make_evaluate_step(args):
    """The function (weights, PaddedBatch) -> [sum of the loss in nats, points], without dropout, not compiled."""
    compute = Compute(args.dtype, args.unroll)

    def evaluate_step(weights, batch):
        return jnp.stack(loss_sum_and_count(network(weights, batch.x, batch.char_seq, compute), batch.y, batch.mask))

    return evaluate_step


class Batches:
    """The loader's batches, padded to a few shapes, and the compiled steps for them.

    B is always batch_size, U the longest text of the data, T the next multiple of --length_multiple: one compilation
    for each T; those of the first pass and of the validation run in parallel before the first step.

    Args:
        args: flags. loader: a `DataLoader`. state: see `initial_state`; only its shapes are used.
    """

    def __init__(self, args, loader, state):
        self.args, self.loader = args, loader
        self.characters = max(map(len, loader.ascii_data + loader.valid_ascii_data))
        self._state = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)
        self._train_step = jax.jit(make_train_step(args), donate_argnums=0)  # the new state takes the old one's memory
        self._evaluate_step = jax.jit(make_evaluate_step(args))
        self._compiled = {}

    def _pad(self, batch):
        multiple = self.args.length_multiple
        length = -(-batch.mask.shape[1] // multiple) * multiple
        return pad_batch(batch, self.args.batch_size, length, self.characters)

    def training(self, step):
        """The batch of a training step, padded."""
        return self._pad(self.loader.batch(step))

    def validation(self):
        """The batches of the validation lines, padded."""
        return map(self._pad, self.loader.validation_batches())

    def compile(self, steps):
        """Compiles what batches 0 .. steps - 1 of training and the validation need; returns the number of programs."""
        lengths = {len(self.training(step).mask) for step in range(steps)}
        # Also the lengths in between: another pass over the data may need them.
        lengths = range(min(lengths), max(lengths) + 1, self.args.length_multiple)
        wanted = {("train", length) for length in lengths}
        wanted |= {("evaluate", len(batch.mask)) for batch in self.validation()}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda key: self._program(*key), sorted(wanted, key=lambda key: -key[1])))
        return len(wanted)

    def _program(self, kind, length):
        if (kind, length) not in self._compiled:
            B, A, spec = self.args.batch_size, len(self.args.alphabet) + 1, jax.ShapeDtypeStruct
            points, text = spec((length, B, POINT_SIZE), np.float32), spec((B, self.characters, A), np.float32)
            batch = PaddedBatch(points, points, spec((length, B), np.float32), text)
            if kind == "train":
                lowered = self._train_step.lower(self._state, batch, spec((), np.float32), spec((), np.int32))
            else:
                lowered = self._evaluate_step.lower(self._state["weights"], batch)
            self._compiled[kind, length] = lowered.compile()
        return self._compiled[kind, length]

    def train_step(self, state, batch, rate, step):
        """The function of `make_train_step`, compiled. It returns before it has computed; the old state is consumed."""
        return self._program("train", len(batch.mask))(state, batch, np.float32(rate), np.int32(step))

    def evaluate(self, weights):
        """The loss of the validation lines, in nats per point and nats per line."""
        sums = [self._program("evaluate", len(batch.mask))(weights, batch) for batch in self.validation()]
        nats, points = np.sum([np.asarray(s, np.float64) for s in sums], axis=0)
        return nats / max(points, 1.0), nats / len(self.loader.valid_stroke_data)
