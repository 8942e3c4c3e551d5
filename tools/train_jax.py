"""Trains the network of train.py in JAX, on a machine that has a GPU and no TensorFlow.

    python3 tools/train_jax.py                                   # the flags and defaults are those of train.py
    python3 tools/train_jax.py --batch_size 64 --wall_time 540   # stops by itself, saved, within nine minutes
    python3 tools/train_jax.py --rnn_size 900 --keep ema         # only the averaged weights: a quarter of the size

The same command again goes on from the last save, as if it had never stopped (not with --keep ema). The network, the
loss, the batches, the optimizer, the learning rate, the clipping, the weight average and the validation are those of
train.py; initial weights and dropout noise come from another generator. On a machine with TensorFlow the result becomes
a checkpoint, with which sample.py, and train.py --init_from, do what they do with any other:

    python3 tools/import_jax.py saved/jax                        # writes saved/jax/checkpoint.*
    python3 sample.py --save_path saved/jax --text "Hello World"

What it takes on the other machine is JAX, NumPy, two folders and two files; tools/import_jax.py makes a third, where
the run is to start from the weights of a checkpoint:

    python3 tools/import_jax.py --export saved/checkpoint weights.npz   # here
    mkdir -p there/data
    cp -r scribe utils.py tools there/
    cp data/strokes_training_data.cpkl there/data/
    cd there && python3 tools/train_jax.py --init_from weights.npz      # there

A run is a folder of small files (none above 15 MiB), which --save_path names:

    run.json                     sizes of the network, flags, counters, and the names of the files below that count
    log.jsonl                    step, points, train and validation nats/point, nats/line, points/s, wall seconds
    best-STEP-PART.npz           the averaged weights of the lowest validation loss
    latest-STEP-COPY-PART.npz    everything that it takes to go on; COPY is weights, ema, and the optimizer's

A copy is one float32 vector, cut into parts: the weights one after the other, in the order of "weights" in run.json.

On a GPU. XLA tries several algorithms for a product and may choose another one in the next process, which changes the
rounding. With JAX_COMPILATION_CACHE_DIR=FOLDER in the environment, a resumed run finds the choice of the first (and is
not compiled again); XLA_FLAGS=--xla_gpu_exclude_nondeterministic_ops=true refuses operations whose order is left open.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import json
import math
import os
import signal
import sys
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from scribe.files.safe_pickle import UnsafePickleError
from scribe.network.config import LOG_SIGMA_MAX, LOG_SIGMA_MIN, POINT_SIZE, RHO_MAX, ModelConfig
from scribe.training.flags import add_flags, check_flags
from scribe.training.schedule import MAX_BAD_STEPS, Interrupt, learning_rate
from utils import DataLoader, Logger

STEPS_PER_MESSAGE = 50
PART_BYTES = 15 * 2**20  # of weights in one file


class RunError(Exception):
    """A run cannot be read, written or resumed; the message says what to do."""


class RunLost(Exception):
    """MAX_BAD_STEPS steps in a row were not finite."""


# --------------------------------------------------------------------------------------------------------------- flags


def parse_args(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    g = add_flags(p, save_path="saved/jax")
    g.add_argument(
        "--keep",
        choices=("all", "ema"),
        default="all",
        help="all: everything that it takes to go on; ema: only the averaged weights of the lowest validation loss",
    )
    g.add_argument(
        "--wall_time",
        type=float,
        default=0.0,
        help="seconds from its start in which it has stopped and saved; the same command goes on (0 = no limit)",
    )
    g = p.add_argument_group("speed")
    g.add_argument(
        "--dtype",
        choices=tuple(PRECISIONS),
        default="float32",
        help="of what the large products multiply; sums, weights and optimizer are always float32",
    )
    g.add_argument(
        "--length_multiple",
        type=int,
        default=128,
        help="batches are padded to a multiple of this: one compilation each",
    )
    g.add_argument("--unroll", type=int, default=1, help="pen points in one turn of the compiled loop over time")
    args = p.parse_args(argv)
    check_flags(p, args)
    for name in ("length_multiple", "unroll"):
        if getattr(args, name) < 1:
            p.error(f"--{name} is {getattr(args, name)}: it has to be 1 or more")
    if not 0 <= args.wall_time < math.inf:
        p.error(f"--wall_time is {args.wall_time}: it has to be a finite number, 0 or more (0 = no limit)")
    return args


# ---------------------------------------------------------------------------------------------------------- the weights


def weight_shapes(config):
    """The weights by the names that they have in the suite's checkpoints, in the order of their creation there."""
    H, A, K, M = config.rnn_size, len(config.alphabet) + 1, config.kmixtures, config.nmixtures
    shapes = {"lstm0_kernel": (POINT_SIZE + A, 4 * H), "lstm0_recurrent_kernel": (H, 4 * H), "lstm0_bias": (4 * H,)}
    shapes |= {"attention_kernel": (H, 3 * K), "attention_bias": (3 * K,)}
    for name in ("lstm1", "lstm2"):
        shapes[f"{name}_kernel"] = (POINT_SIZE + A + H, 4 * H)
        shapes |= {f"{name}_recurrent_kernel": (H, 4 * H), f"{name}_bias": (4 * H,)}
    return shapes | {"mdn_kernel": (3 * H, 1 + 6 * M), "mdn_bias": (1 + 6 * M,)}


def initial_weights(config, seed):
    """Weights {name: float32 array} of the distributions that model.py starts from; the numbers are NumPy's."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in weight_shapes(config).items():
        if name.endswith("recurrent_kernel"):
            q, r = np.linalg.qr(rng.normal(size=shape[::-1]))
            weights[name] = (q * np.sign(np.diag(r))).T  # the signs make every orthogonal matrix as likely
        elif name.endswith("kernel"):
            limit = math.sqrt(6 / sum(shape))
            weights[name] = rng.uniform(-limit, limit, shape)
        else:
            weights[name] = np.zeros(shape)
    H, K = config.rnn_size, config.kmixtures
    for name in ("lstm0", "lstm1", "lstm2"):
        weights[f"{name}_bias"][H : 2 * H] = 1.0  # a forget gate that starts open
    # alpha near 1, a window about one character wide, a character in tsteps_per_ascii points
    weights["attention_bias"] = np.repeat([0.0, -0.5, -math.log(config.tsteps_per_ascii)], K)
    return {name: value.astype(np.float32) for name, value in weights.items()}


# ------------------------------------------------------------------------------------------------------------ products

# What is multiplied, and how exactly: on a GPU the default precision of a float32 product is TensorFloat-32.
PRECISIONS = {
    "float32": (None, jax.lax.Precision.HIGHEST),
    "tensorfloat32": (None, jax.lax.Precision.DEFAULT),
    "bfloat16": (jnp.bfloat16, jax.lax.Precision.DEFAULT),
}


class Compute(NamedTuple):
    """How the recurrences are computed.

    Attributes:
        dtype: a key of PRECISIONS.
        unroll: points in one turn of the loop over time.
    """

    dtype: str = "float32"
    unroll: int = 1


EXACT = Compute()


def _rounded(compute, x):
    dtype, _ = PRECISIONS[compute.dtype]
    return x if dtype is None else x.astype(dtype)


def _dot(compute, x, y, axes_x, axes_y, result=None):
    """Sums the products over `axes_x` of x and `axes_y` of y, in the type of the weights whatever is multiplied."""
    return jax.lax.dot_general(
        _rounded(compute, x),
        _rounded(compute, y),
        ((axes_x, axes_y), ((), ())),
        precision=PRECISIONS[compute.dtype][1],
        preferred_element_type=result or x.dtype,
    )


def _sum_of_outer_products(compute, x, y):
    """[T, B, I], [T, B, N] -> [I, N]: the sum of the outer products at all points, as one matrix product."""
    return _dot(compute, x, y, (0, 1), (0, 1))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def project(compute, x, kernel):
    """[T, B, I] x [I, N] -> [T, B, N] as one matrix product; the products of its gradient are rounded alike."""
    return _dot(compute, x, kernel, (2,), (0,))


def _project_back(compute, saved, dz):
    x, kernel = saved
    return _dot(compute, dz, kernel, (2,), (1,)), _sum_of_outer_products(compute, x, dz)


project.defvjp(lambda compute, x, kernel: (project(compute, x, kernel), (x, kernel)), _project_back)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _times_constant(compute, h, kernel):
    """[B, I] x [I, N] -> [B, N] in a loop over time; its gradient is that of h, the kernel's is for the caller."""
    return _dot(compute, h, kernel, (1,), (0,))


_times_constant.defvjp(
    lambda compute, h, kernel: (_times_constant(compute, h, kernel), kernel),
    lambda compute, kernel, dz: (_dot(compute, dz, kernel, (1,), (1,)), None),
)


# --------------------------------------------------------------------------------------------------------- recurrences
#
# Time-major: T pen points, B batch, H units, U characters, A alphabet + 1, K window components; lines start from zeros.
# Letters, layouts and equations are those of scribe/network/recurrent.py. Where that file writes the backward loop out,
# this one lets JAX differentiate the loop, but only with respect to what is added at every point: the gradient then
# comes back as dz for each point, and the weight gradients are products after the loop. Differentiated in the weights,
# the loop would add a matrix of their size to a running sum at every point.


def _scan(step, state, inputs, unroll):
    """lax.scan that stores the state, and what `step` names "kept"; the backward loop computes all else again."""
    policy = jax.checkpoint_policies.save_only_these_names("kept")
    step = jax.checkpoint(step, policy=policy, prevent_cse=False)
    return jax.lax.scan(step, state, inputs, unroll=unroll)[1]


def _before(x):
    """[T, ...] after each point -> [T, ...] before it; zeros before the first."""
    return jnp.concatenate([jnp.zeros_like(x[:1]), x[:-1]])


def lstm_step(z, c):
    """One LSTM step (eq. 7-11 without peepholes): z [B, 4H], c [B, H] before it -> h, c [B, H] after it."""
    i, f, g, o = jnp.split(z, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _lstm_loop(compute, z_inputs, recurrent_kernel):
    kernel = _rounded(compute, recurrent_kernel)

    def step(state, z_input):
        h, c = state
        h, c = lstm_step(checkpoint_name(z_input + _times_constant(compute, h, kernel), "kept"), c)
        return (h, c), h

    zeros = jnp.zeros_like(z_inputs[0, :, : recurrent_kernel.shape[0]])
    return _scan(step, (zeros, zeros), z_inputs, compute.unroll)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def lstm_sequence(compute, z_inputs, recurrent_kernel):
    """An LSTM over a whole sequence.

    Args:
        compute: a `Compute`.
        z_inputs: [T, B, 4H], inputs times kernel plus bias. recurrent_kernel: [H, 4H].

    Returns:
        h [T, B, H] after every point.
    """
    return _lstm_loop(compute, z_inputs, recurrent_kernel)


def _lstm_forward(compute, z_inputs, recurrent_kernel):
    h, pull_back = jax.vjp(lambda z: _lstm_loop(compute, z, recurrent_kernel), z_inputs)
    return h, (pull_back, h)


def _lstm_back(compute, saved, dh):
    pull_back, h = saved
    (dz,) = pull_back(dh)
    return dz, _sum_of_outer_products(compute, _before(h), dz)


lstm_sequence.defvjp(_lstm_forward, _lstm_back)


def _attention_lstm_loop(compute, z_inputs, abk_inputs, char_seq, feedback_kernel, attention_kernel):
    B, U, A = char_seq.shape
    H, K = attention_kernel.shape[0], attention_kernel.shape[1] // 3
    kernel = _rounded(compute, feedback_kernel)
    places = jnp.arange(U, dtype=char_seq.dtype)

    def step(state, inputs):
        h, c, kappa, w = state
        z_input, abk_input = inputs
        z = z_input + _times_constant(compute, jnp.concatenate([w, h], axis=-1), kernel)
        h, c = lstm_step(checkpoint_name(z, "kept"), c)
        # The window, eq. 46-51. Its position is a running sum of small steps, so the product is exact.
        abk_hat = checkpoint_name(abk_input + _times_constant(EXACT, h, attention_kernel), "kept")
        alpha, beta, kappa_step = jnp.split(jnp.exp(abk_hat), 3, axis=-1)  # [B, K] each
        kappa = kappa + kappa_step
        distance = kappa[:, :, None] - places  # [B, K, U]
        phi = jnp.sum(alpha[:, :, None] * jnp.exp(-beta[:, :, None] * distance**2), axis=1)
        # phi of padding need not be masked, as in scribe/network/recurrent.py, where it is also returned: its one-hot
        # is zero.
        w = jnp.einsum("bu,bua->ba", phi, char_seq, precision=jax.lax.Precision.HIGHEST)
        return (h, c, kappa, w), (h, w)

    zeros = [jnp.zeros((B, width), z_inputs.dtype) for width in (H, H, K, A)]
    return _scan(step, tuple(zeros), (z_inputs, abk_inputs), compute.unroll)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def attention_lstm_sequence(compute, z_inputs, abk_inputs, char_seq, feedback_kernel, attention_kernel):
    """The LSTM that reads the text through a soft window and feeds the window back to itself (eq. 46-52).

    Args:
        compute: a `Compute`.
        z_inputs: [T, B, 4H], pen points times their rows of the kernel plus bias. abk_inputs: [T, B, 3K], the bias of
            the attention. char_seq: [B, U, A] one-hot, zero for padding; it gets no gradient.
        feedback_kernel: [A + H, 4H], rows of the window, then the recurrent kernel. attention_kernel: [H, 3K].

    Returns:
        h [T, B, H] and the window w [T, B, A] after every point.
    """
    return _attention_lstm_loop(compute, z_inputs, abk_inputs, char_seq, feedback_kernel, attention_kernel)


def _attention_lstm_forward(compute, z_inputs, abk_inputs, char_seq, feedback_kernel, attention_kernel):
    (h, w), pull_back = jax.vjp(
        lambda z, abk: _attention_lstm_loop(compute, z, abk, char_seq, feedback_kernel, attention_kernel),
        z_inputs,
        abk_inputs,
    )
    return (h, w), (pull_back, h, w)


def _attention_lstm_back(compute, saved, gradients):
    pull_back, h, w = saved
    dz, dabk_hat = pull_back(gradients)
    dfeedback = _sum_of_outer_products(compute, jnp.concatenate([_before(w), _before(h)], axis=-1), dz)
    return dz, dabk_hat, None, dfeedback, _sum_of_outer_products(EXACT, h, dabk_hat)


attention_lstm_sequence.defvjp(_attention_lstm_forward, _attention_lstm_back)


# ----------------------------------------------------------------------------------------------- the network, the loss


class PaddedBatch(NamedTuple):
    """A `utils.Batch`, time-major and padded: x, y [T, B, 3], mask [T, B], char_seq [B, U, A]; float32."""

    x: Any
    y: Any
    mask: Any
    char_seq: Any


def pad_batch(batch, lines, length, characters):
    """A `utils.Batch` as a `PaddedBatch` of B = lines, T = length, U = characters; padding counts for nothing."""
    B, T, U, A = *batch.mask.shape, *batch.one_hot.shape[1:]
    padded = PaddedBatch(
        np.zeros((length, lines, POINT_SIZE), np.float32),
        np.zeros((length, lines, POINT_SIZE), np.float32),
        np.zeros((length, lines), np.float32),
        np.zeros((lines, characters, A), np.float32),
    )
    padded.x[:T, :B], padded.y[:T, :B] = batch.x.swapaxes(0, 1), batch.y.swapaxes(0, 1)
    padded.mask[:T, :B], padded.char_seq[:B, :U] = batch.mask.T, batch.one_hot
    return padded


def network(weights, x, char_seq, compute=EXACT, keep=1.0, key=None):
    """The whole network: what `HandwritingModel.call` computes up to the head.

    Args:
        weights: {name: array}, see `weight_shapes`. x: [T, B, 3]. char_seq: [B, U, A] one-hot, zero for padding.
        compute: a `Compute`.
        keep: probability to keep an output of an LSTM. key: the random key of dropout, needed where keep is below 1.

    Returns:
        [T, B, 1 + 6M], the outputs of the head.
    """

    def drop(h, layer):
        if keep >= 1.0:
            return h
        return h * jax.random.bernoulli(jax.random.fold_in(key, layer), keep, h.shape) / keep

    kernel = weights["lstm0_kernel"]
    h0, w = attention_lstm_sequence(
        compute,
        project(EXACT, x, kernel[:POINT_SIZE]) + weights["lstm0_bias"],
        jnp.broadcast_to(weights["attention_bias"], (*x.shape[:2], *weights["attention_bias"].shape)),
        char_seq,
        jnp.concatenate([kernel[POINT_SIZE:], weights["lstm0_recurrent_kernel"]]),
        weights["attention_kernel"],
    )
    below = drop(h0, 0)
    outputs = [below]
    for layer, name in enumerate(("lstm1", "lstm2"), start=1):
        inputs = jnp.concatenate([x, w, below], axis=-1)  # [T, B, 3 + A + H]
        z_inputs = project(compute, inputs, weights[f"{name}_kernel"]) + weights[f"{name}_bias"]
        below = drop(lstm_sequence(compute, z_inputs, weights[f"{name}_recurrent_kernel"]), layer)
        outputs.append(below)
    return project(EXACT, jnp.concatenate(outputs, axis=-1), weights["mdn_kernel"]) + weights["mdn_bias"]


def loss_sum_and_count(y_hat, targets, mask):
    """The loss of eq. 26 as (sum over real points in nats, number of real points); see model.py for each line.

    Args:
        y_hat: [T, B, 1 + 6M] from `network`. targets: [T, B, 3]. mask: [T, B], 1 for a real target.
    """
    M = (y_hat.shape[-1] - 1) // 6
    eos_hat, *parts = jnp.split(y_hat, [1 + M * k for k in range(6)], axis=-1)
    pi_hat, mu1, mu2, sigma1_hat, sigma2_hat, rho_hat = parts  # [T, B, M] each
    eos_hat = eos_hat[..., 0]
    # Eq. 23-25, never outside log space; the exponent is a sum of two squares, so it is never positive.
    log_sigma1 = jnp.clip(sigma1_hat, LOG_SIGMA_MIN, LOG_SIGMA_MAX)
    log_sigma2 = jnp.clip(sigma2_hat, LOG_SIGMA_MIN, LOG_SIGMA_MAX)
    z1 = (targets[..., 0:1] - mu1) * jnp.exp(-log_sigma1)
    z2 = (targets[..., 1:2] - mu2) * jnp.exp(-log_sigma2)
    rho = jnp.clip(jnp.tanh(rho_hat), -RHO_MAX, RHO_MAX)
    one_minus_rho2 = (1.0 - rho) * (1.0 + rho)
    exponent = -0.5 * (jnp.square(z1 - rho * z2) / one_minus_rho2 + jnp.square(z2))
    log_normal = exponent - math.log(2 * math.pi) - log_sigma1 - log_sigma2 - 0.5 * jnp.log(one_minus_rho2)
    log_density = jax.nn.logsumexp(jax.nn.log_softmax(pi_hat) + log_normal, axis=-1)  # [T, B]
    # The cross entropy of the pen lift, from its logit.
    pen_lift = jnp.maximum(eos_hat, 0.0) - eos_hat * targets[..., 2] + jnp.log1p(jnp.exp(-jnp.abs(eos_hat)))
    return jnp.sum((pen_lift - log_density) * mask), jnp.sum(mask)


# ----------------------------------------------------------------------------------------------------------- the step


def slot_names(args):
    """The copies of the weights that the state of a run holds: weights, average, and the optimizer's."""
    slots = ("mean", "square") if args.optimizer == "adam" else ("mean", "square", "momentum")
    return ("weights", *(("ema",) if args.ema else ()), *slots)


def initial_state(args, weights):
    """The state of a run before its first step: {copy: {name: array}}, and "iterations", the steps taken."""
    weights = {name: jnp.asarray(value) for name, value in weights.items()}
    zeros = {name: jnp.zeros_like(value) for name, value in weights.items()}
    state = {copy: dict(weights if copy in ("weights", "ema") else zeros) for copy in slot_names(args)}
    return jax.tree.map(jnp.array, state) | {"iterations": jnp.int32(0)}  # copies of their own: the step reuses them


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

    B is always batch_size, U the longest text of the data, T the next multiple of --length_multiple: a compilation for
    each T, those of the first pass and of the validation side by side before the first step.

    Args:
        args: flags. loader: a `utils.DataLoader`. state: as `initial_state` makes it; its shapes are used.
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
        return self._pad(self.loader.batch(step))

    def validation(self):
        return map(self._pad, self.loader.validation_batches())

    def compile(self, steps):
        """Compiles what batches 0 .. steps - 1 of training and the validation need; returns the number of programs."""
        lengths = {len(self.training(step).mask) for step in range(steps)}
        # Also those in between: another pass over the data may need them.
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
        """`make_train_step`'s function, compiled. It returns before the result is there; the old state is used up."""
        return self._program("train", len(batch.mask))(state, batch, np.float32(rate), np.int32(step))

    def evaluate(self, weights):
        """The loss of the validation lines, in nats per point and nats per line."""
        sums = [self._program("evaluate", len(batch.mask))(weights, batch) for batch in self.validation()]
        nats, points = np.sum([np.asarray(s, np.float64) for s in sums], axis=0)
        return nats / max(points, 1.0), nats / len(self.loader.valid_stroke_data)


# ------------------------------------------------------------------------------------------------------ files of a run


def _write_aside(path, write):
    """Calls write(file) for a file beside `path` and renames it."""
    aside = f"{path}.tmp-{os.getpid()}"
    try:
        with open(aside, "wb") as file:
            write(file)
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):
            os.remove(aside)


def _to_vector(arrays, shapes):
    """The arrays in the order of `shapes`: JAX returns a dict in the order of its keys."""
    return np.concatenate([np.asarray(arrays[name], np.float32).ravel() for name in shapes])


def _from_vector(vector, shapes):
    sizes = [math.prod(shape) for shape in shapes.values()]
    parts = np.split(vector, np.cumsum(sizes)[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts)}


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
            content = read_run(path)
            latest = content["latest"] and content["latest"]["copies"]
            files = content["best"]["files"] if content["best"] else latest.get("ema", latest["weights"])
            found = _from_vector(read_parts(path, files), dict(content["weights"]))
        else:
            with np.load(path) as file:
                found = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path} is neither the folder of a run nor an .npz file of weights ({error}).") from None
    if {name: value.shape for name, value in found.items()} != shapes:
        raise RunError(f"{path} belongs to another network: the same --rnn_size, --nmixtures, ... are needed.")
    return {name: np.asarray(found[name], np.float32) for name in shapes}


def read_run(folder):
    """The content of a run's run.json, or None where there is no run."""
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
        self.batches, self.points, self.seconds, self.best_loss, self.stale = 0, 0, 0.0, math.inf, 0

    def restore(self):
        """The latest state, or None where there is none.

        Raises:
            RunError: it was made with flags that contradict those of now, or cannot be read.
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
                copy: _from_vector(read_parts(self.folder, files), self._shapes)
                for copy, files in self._latest["copies"].items()
            }
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"{self.folder} cannot be resumed: {error}") from None
        return jax.tree.map(jnp.array, copies) | {"iterations": jnp.int32(self._latest["iterations"])}

    def start(self):
        """Makes the folder; removes what a killed process has left, and the lines of the log after the last save."""
        os.makedirs(self.folder, exist_ok=True)
        self._remove_others()
        rows = []
        with contextlib.suppress(FileNotFoundError), open(self._log, encoding="utf-8") as file:
            for row in file:
                with contextlib.suppress(ValueError):  # the last one may be cut off
                    rows += [row] if json.loads(row)["step"] <= self.batches else []
        _write_aside(self._log, lambda file: file.write("".join(rows).encode()))

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
        """One line of log.jsonl."""
        with open(self._log, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    @property
    def _log(self):
        return os.path.join(self.folder, "log.jsonl")

    def _write_parts(self, stem, arrays):
        # Compressed, float32 weights lose about 7% of their size: it takes long, and is worth it where room is short.
        save = np.savez_compressed if self.args.keep == "ema" else np.savez
        vector = _to_vector(arrays, self._shapes)
        files = []
        for k, part in enumerate(np.array_split(vector, -(-vector.nbytes // PART_BYTES))):
            files.append(f"{stem}-{k}.npz")
            _write_aside(os.path.join(self.folder, files[-1]), lambda file, part=part: save(file, values=part))
        return files

    def _commit(self):
        content = {
            "config": self._config,
            "args": vars(self.args),
            "weights": list(self._shapes.items()),
            "latest": self._latest,
            "best": self._best,
        }
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        _write_aside(os.path.join(self.folder, "run.json"), lambda file: file.write(text.encode()))
        self._remove_others()

    def _remove_others(self):
        named = [name for files in (self._latest or {"copies": {}})["copies"].values() for name in files]
        named += self._best["files"] if self._best else []
        for name in os.listdir(self.folder):
            if name.startswith(("latest-", "best-")) and name not in named:
                os.remove(os.path.join(self.folder, name))


# ----------------------------------------------------------------------------------------------------------- the loop


class Clock:
    """Tells when it is time to stop: when another step, a validation and a save might no longer fit.

    Args:
        wall_time: seconds from `started` (time.monotonic) on; 0 is no limit.
        validation_batches: the guess of a validation's time, in steps; save_seconds: that of a save's; both until one
            was seen.
    """

    def __init__(self, wall_time, started, validation_batches, save_seconds):
        self.wall_time, self.started = wall_time, started
        self._validation_batches = validation_batches
        self._longest = {"step": 0.0, "validation": None, "save": None}
        self._save_guess = save_seconds

    @contextlib.contextmanager
    def timed(self, what):
        start = time.monotonic()
        yield
        self._longest[what] = max(self._longest[what] or 0.0, time.monotonic() - start)

    def elapsed(self):
        return time.monotonic() - self.started

    def is_over(self):
        step, validation, save = self._longest.values()
        validation = self._validation_batches * step if validation is None else validation
        save = self._save_guess if save is None else save
        # Two steps: one that the GPU may still be at, and the next one.
        return self.wall_time > 0 and self.elapsed() + 1.5 * (2 * step + validation + save) > self.wall_time


def train(args, loader, logger, started=None):
    """The whole run, from the last save on; `started` is when --wall_time began, by time.monotonic(). Returns the exit
    code."""
    with Interrupt() as interrupt:
        try:
            return _train(args, loader, logger, interrupt, time.monotonic() if started is None else started)
        except RunLost:
            logger.write(
                f"Error: {MAX_BAD_STEPS} such steps in a row. The last good save is kept; try a lower --learning_rate."
            )
            return 1


def _train(args, loader, logger, interrupt, started):
    if args.keep == "ema" and not loader.valid_stroke_data:
        raise ValueError("--keep ema keeps the weights of the lowest validation loss, but no line is left to validate.")
    config = ModelConfig.from_args(args)
    run = Run(args, config)
    state = run.restore()
    resumed = state is not None
    if not resumed:
        weights = load_weights(args.init_from, config) if args.init_from else initial_weights(config, args.seed)
        state = initial_state(args, weights)
    run.start()
    averaged = "ema" if args.ema else "weights"
    seconds_before = run.seconds

    steps_per_epoch = args.nbatches or loader.num_batches
    steps = args.nepochs * steps_per_epoch
    validate_every = args.validate_every or steps_per_epoch
    parameters = sum(math.prod(shape) for shape in weight_shapes(config).values())
    logger.write(
        f"{'Going on from' if resumed else 'Starting'} {args.save_path} on {jax.devices()[0].device_kind}: "
        f"{parameters / 1e6:.2f} M parameters, step {run.batches} of {steps}, {steps_per_epoch} steps an epoch."
    )
    batches = Batches(args, loader, state)
    start = time.monotonic()
    programs = batches.compile(min(steps, loader.num_batches))
    logger.write(f"Compiled {programs} programs in {time.monotonic() - start:.0f} s.")

    copies = 1 if args.keep == "ema" else len(slot_names(args))
    clock = Clock(
        args.wall_time, started, -(-len(loader.valid_stroke_data) // args.batch_size), copies * parameters * 4 / 1e7
    )
    # The GPU is given the next step before the result of the last one is looked at, so that it never waits.
    unread = collections.deque()
    bad_steps = 0
    seen, seconds = np.zeros(2), 0.0  # nats and points, and time, since the last message

    def read_results(leave=0):
        """Looks at the results of all steps but the last `leave`; whether the last one that it saw was taken."""
        nonlocal bad_steps, seen
        taken = True
        while len(unread) > leave:
            step, result = unread.popleft()
            total, count, _, taken = np.asarray(result, np.float64)
            run.points += int(count)
            if taken:
                bad_steps = 0
                seen += [total, count]
            else:
                bad_steps += 1
                logger.write(f"Step {step}: loss or gradient is not finite; it was skipped ({bad_steps} in a row).")
                if bad_steps >= MAX_BAD_STEPS:
                    raise RunLost
        return bool(taken)

    def save():
        if args.keep == "all":
            run.seconds = seconds_before + clock.elapsed()
            with clock.timed("save"):
                run.save(state)

    def validate():
        """Validates the averaged weights and keeps them if they are the best so far."""
        with clock.timed("validation"):
            per_point, per_line = batches.evaluate(state[averaged])
        if per_point < run.best_loss:
            run.best_loss, run.stale = per_point, 0
            with clock.timed("save") if args.keep == "ema" else contextlib.nullcontext():
                run.save_best(state[averaged])
        else:
            run.stale += 1
        wall = seconds_before + clock.elapsed()
        run.log(
            step=run.batches, points=run.points, validation_nats_per_point=per_point, nats_per_line=per_line, wall=wall
        )
        logger.write(
            f"step {run.batches}: validation {per_point:.4f} nats/point, {per_line:.1f} nats/line "
            f"({'the best so far' if not run.stale else f'best {run.best_loss:.4f}, {run.stale} validations ago'})"
        )

    first_step = run.batches
    stop = bool(args.patience) and run.stale >= args.patience  # of a run that had stopped before
    while run.batches < steps and not stop:
        interrupted = interrupt.signal  # looked at once: a signal between two looks would be reported, but not saved
        if interrupted or clock.is_over():
            read_results()
            if args.keep == "ema" and (run.batches == 0 or run.batches % validate_every):
                validate()  # the average since the last validation would be lost
            save()
            why = signal.Signals(interrupted).name if interrupted else f"{clock.elapsed():.0f} s"
            goes_on = "the same command goes on from here" if args.keep == "all" else "the averaged weights were kept"
            logger.write(f"Stopped at step {run.batches} after {why}, saved; {goes_on}.")
            return 128 + interrupted if interrupted else 0

        step = run.batches
        rate = learning_rate(args, step, steps, steps_per_epoch)
        start = time.monotonic()
        with clock.timed("step"):
            state, result = batches.train_step(state, batches.training(step), rate, step)
            unread.append((step, result))
            run.batches = step + 1
            done = run.batches == steps
            message = run.batches % STEPS_PER_MESSAGE == 0 or done
            validation = (run.batches % validate_every == 0 or done) and bool(loader.valid_stroke_data)
            due = run.batches % args.save_every == 0 or run.batches % validate_every == 0
            # The first one is waited for, too: what a step takes has to be known.
            taken = read_results(leave=0 if message or validation or due or step == first_step else 1)
        seconds += time.monotonic() - start

        if message and seen[1]:
            per_point, speed, wall = seen[0] / seen[1], seen[1] / seconds, seconds_before + clock.elapsed()
            run.log(
                step=run.batches, points=run.points, train_nats_per_point=per_point, points_per_second=speed, wall=wall
            )
            logger.write(
                f"step {run.batches}/{steps}: {per_point:.4f} nats/point, "
                f"learning rate {rate:.2e}, {speed:.0f} points/s"
            )
            seen, seconds = np.zeros(2), 0.0
        if validation:
            validate()
            stop = bool(args.patience) and run.stale >= args.patience
        # After a skipped step there is nothing new to save.
        if due and taken or done or stop:
            save()
    best = f"lowest validation loss {run.best_loss:.4f} nats/point, in {args.save_path}"
    logger.write(f"Done: {run.batches} steps, {best if math.isfinite(run.best_loss) else 'no line to validate on'}.")
    return 0


def main(argv=None):
    started = time.monotonic()
    args = parse_args(argv)
    try:
        logger = Logger(args, "train_jax.txt")
        return train(args, DataLoader(args, logger), logger, started)
    except (RunError, UnsafePickleError, ValueError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped without saving; the last save is kept.", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
