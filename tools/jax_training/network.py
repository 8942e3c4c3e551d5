"""The network of model.py and its loss in JAX: products, recurrences with their own gradients, the whole network."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name

from jax_training.run_files import weight_shapes
from scribe.network.config import LOG_SIGMA_MAX, LOG_SIGMA_MIN, POINT_SIZE, RHO_MAX


def initial_weights(config, seed):
    """Weights {name: float32 array} from the distributions of model.py's; the random numbers are NumPy's."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in weight_shapes(config).items():
        if name.endswith("recurrent_kernel"):
            q, r = np.linalg.qr(rng.normal(size=shape[::-1]))
            weights[name] = (q * np.sign(np.diag(r))).T  # with these signs, all orthogonal matrices are equally likely
        elif name.endswith("kernel"):
            limit = math.sqrt(6 / sum(shape))
            weights[name] = rng.uniform(-limit, limit, shape)
        else:
            weights[name] = np.zeros(shape)
    H, K = config.rnn_size, config.kmixtures
    for name in ("lstm0", "lstm1", "lstm2"):
        weights[f"{name}_bias"][H : 2 * H] = 1.0  # the forget gate starts open
    # alpha near 1, a window about one character wide, one character per tsteps_per_ascii points
    weights["attention_bias"] = np.repeat([0.0, -0.5, -math.log(config.tsteps_per_ascii)], K)
    return {name: value.astype(np.float32) for name, value in weights.items()}


# ------------------------------------------------------------------------------------------------------------ products

# (type of the factors, precision of the product): on a GPU the default for float32 is TensorFloat-32.
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
    """Sums the products over `axes_x` of x and `axes_y` of y; `compute.dtype` rounds the factors, not the sum."""
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
    """[T, B, I] x [I, N] -> [T, B, N] as one matrix product; those of its gradient are rounded in the same way."""
    return _dot(compute, x, kernel, (2,), (0,))


def _project_back(compute, saved, dz):
    x, kernel = saved
    return _dot(compute, dz, kernel, (2,), (1,)), _sum_of_outer_products(compute, x, dz)


project.defvjp(lambda compute, x, kernel: (project(compute, x, kernel), (x, kernel)), _project_back)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _times_constant(compute, h, kernel):
    """[B, I] x [I, N] -> [B, N] in a loop over time; has a gradient for h alone, the caller computes the kernel's."""
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
    """lax.scan that stores the state, and what `step` names "kept"; the backward loop recomputes everything else."""
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
        # Padding needs no mask, since its one-hot is zero; scribe/network/recurrent.py masks phi because it returns it.
        w = jnp.einsum("bu,bua->ba", phi, char_seq, precision=jax.lax.Precision.HIGHEST)
        return (h, c, kappa, w), (h, w, phi)

    zeros = [jnp.zeros((B, width), z_inputs.dtype) for width in (H, H, K, A)]
    return _scan(step, tuple(zeros), (z_inputs, abk_inputs), compute.unroll)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def attention_lstm_sequence(compute, z_inputs, abk_inputs, char_seq, feedback_kernel, attention_kernel):
    """The LSTM that reads the text through a soft window and feeds the window back to itself (eq. 46-52).

    Args:
        compute: a `Compute`.
        z_inputs: [T, B, 4H], pen points times their rows of the kernel plus bias. abk_inputs: [T, B, 3K], the bias of
            the attention. char_seq: [B, U, A] one-hot, zero for padding, with what is told of the characters.
        feedback_kernel: [A + H, 4H], rows of the window, then the recurrent kernel. attention_kernel: [H, 3K].

    Returns:
        h [T, B, H] and the window w [T, B, A] after every point.
    """
    return _attention_lstm_loop(compute, z_inputs, abk_inputs, char_seq, feedback_kernel, attention_kernel)[:2]


def _attention_lstm_forward(compute, z_inputs, abk_inputs, char_seq, feedback_kernel, attention_kernel):
    (h, w, phi), pull_back = jax.vjp(
        lambda z, abk: _attention_lstm_loop(compute, z, abk, char_seq, feedback_kernel, attention_kernel),
        z_inputs,
        abk_inputs,
    )
    return (h, w), (pull_back, h, w, phi, feedback_kernel[: w.shape[-1]])


def _attention_lstm_back(compute, saved, gradients):
    pull_back, h, w, phi, window_kernel = saved
    dh, dw = gradients
    dz, dabk_hat = pull_back((dh, dw, jnp.zeros_like(phi)))
    dfeedback = _sum_of_outer_products(compute, jnp.concatenate([_before(w), _before(h)], axis=-1), dz)
    # The window at a point also goes into the LSTM at the next one.
    fed_back = _dot(compute, dz[1:], window_kernel, (2,), (1,))
    dw = dw + jnp.concatenate([fed_back, jnp.zeros_like(dw[:1])])
    dchar_seq = jnp.einsum("tbu,tba->bua", phi, dw)
    return dz, dabk_hat, dchar_seq, dfeedback, _sum_of_outer_products(EXACT, h, dabk_hat)


attention_lstm_sequence.defvjp(_attention_lstm_forward, _attention_lstm_back)


# ----------------------------------------------------------------------------------------------- the network, the loss


class PaddedBatch(NamedTuple):
    """A `Batch`, time-major and padded: x, y [T, B, 3], mask [T, B], char_seq [B, U, A]; float32."""

    x: Any
    y: Any
    mask: Any
    char_seq: Any


def pad_batch(batch, lines, length, characters):
    """A `Batch` (scribe/ink/batch.py) as a `PaddedBatch` of B = lines, T = length, U = characters."""
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


def network(weights, x, char_seq, compute=EXACT, keep=1.0, key=None, hand=None, glyphs=None):
    """The whole network, as `HandwritingModel.call` computes it, up to the outputs of the head.

    Args:
        weights: {name: array}, see `weight_shapes`. x: [T, B, 3]. char_seq: [B, U, A] one-hot, zero for padding.
        compute: a `Compute`.
        keep: probability to keep an output of an LSTM. key: the random key of dropout, needed if keep is below 1.
        hand: [B, D], glyphs: [B, U, D], what a network with a hand_size is told of the hands.

    Returns:
        [T, B, 1 + 6M], the outputs of the head.
    """

    def drop(h, layer):
        if keep >= 1.0:
            return h
        return h * jax.random.bernoulli(jax.random.fold_in(key, layer), keep, h.shape) / keep

    A = char_seq.shape[-1]

    def kernel_of(name):
        """With rows for the glyphs after those of the characters, as the window has them."""
        kernel = weights[f"{name}_kernel"]
        if hand is None:
            return kernel
        return jnp.concatenate([kernel[: POINT_SIZE + A], weights[f"{name}_glyph_kernel"], kernel[POINT_SIZE + A :]])

    def bias_of(name):
        bias = weights[f"{name}_bias"]
        return bias if hand is None else bias + _dot(EXACT, hand, weights[f"{name}_hand_kernel"], (1,), (0,))

    if hand is not None:
        char_seq = jnp.concatenate([char_seq, glyphs], axis=-1)
    kernel = kernel_of("lstm0")
    h0, w = attention_lstm_sequence(
        compute,
        project(EXACT, x, kernel[:POINT_SIZE]) + bias_of("lstm0"),
        jnp.broadcast_to(weights["attention_bias"], (*x.shape[:2], *weights["attention_bias"].shape)),
        char_seq,
        jnp.concatenate([kernel[POINT_SIZE:], weights["lstm0_recurrent_kernel"]]),
        weights["attention_kernel"],
    )
    below = drop(h0, 0)
    outputs = [below]
    for layer, name in enumerate(("lstm1", "lstm2"), start=1):
        inputs = jnp.concatenate([x, w, below], axis=-1)  # [T, B, 3 + A (+ D) + H]
        z_inputs = project(compute, inputs, kernel_of(name)) + bias_of(name)
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
