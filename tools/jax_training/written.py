"""Lines that the network writes on the device, as scribe/writing writes them, all with the same number of points.

Letters: B lines, T pen points, U characters, P = U + PLACES_AFTER places, A alphabet + 1, D numbers of a description,
N hands, H units, K window components, M mixture components.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jax_training.network import EXACT, PRECISIONS, lstm_step
from scribe.network.config import LOG_SIGMA_MAX, LOG_SIGMA_MIN, POINT_SIZE, RHO_MAX
from scribe.writing.bias import COMPONENT_BIAS, MAX_COMPONENT_BIAS, REST_BIAS, STROKE_BIAS, TINY
from scribe.writing.line_ends import LATE_DOT, MAYBE_PASSED, SURELY_PASSED
from scribe.writing.rows import PLACES_AFTER

UNROLL = 2  # points in one turn of the loop that writes


class Hands(NamedTuple):
    """Hands to write in: vectors [N, D]; glyphs [N, A, D], 0 where nothing is known."""

    vectors: Any
    glyphs: Any


class ToWrite(NamedTuple):
    """What lines are to be.

    text: int32 [B, U], numbers of the characters, -1 for padding. counts: int32 [B], characters. hands: int32 [B], one
    of `Hands`. emphasis: float32 [B], how many times as far from the average of all people the hand is told. bias:
    float32 [B], that of eq. 61-62. passed_at: float32 [B], see `rows.LineText`.
    """

    text: Any
    counts: Any
    hands: Any
    emphasis: Any
    bias: Any
    passed_at: Any


class Told(NamedTuple):
    """What the network is told of lines: one_hot [B, U, A], hand [B, D], glyphs [B, U, D]."""

    one_hot: Any
    hand: Any
    glyphs: Any


class Written(NamedTuple):
    """Lines as they were written.

    points: [B, T, 3], 0 after the last one. counts: int32 [B], points. places: int32 [B, T], the character that each
    point belongs to: the one that the attention is at, or the furthest that it was at. finished: bool [B], the line has
    ended.
    """

    points: Any
    counts: Any
    places: Any
    finished: Any


def to_write(texts, hands, emphasis, bias, alphabet, characters):
    """A `ToWrite`, NumPy. texts: of `alphabet` alone. characters: U. The others: lists or arrays [B]."""
    text = np.full([len(texts), characters], -1, np.int32)
    for row, line in zip(text, texts):
        row[: len(line)] = [alphabet.index(c) + 1 for c in line]
    return ToWrite(
        text,
        np.array([len(line) for line in texts], np.int32),
        np.asarray(hands, np.int32),
        np.asarray(emphasis, np.float32),
        np.asarray(bias, np.float32),
        np.array([np.inf if line[-1] in LATE_DOT else MAYBE_PASSED for line in texts], np.float32),
    )


def told_of(hands, lines):
    """The `Told` of lines, a `ToWrite`, in some of the `Hands`."""
    emphasis = lines.emphasis[:, None]
    characters = jnp.maximum(lines.text, 0)[..., None]
    glyphs = jnp.take_along_axis(hands.glyphs[lines.hands], characters, axis=1) * (lines.text > 0)[..., None]
    one_hot = jax.nn.one_hot(lines.text, hands.glyphs.shape[1])  # of padding, -1, it is 0
    return Told(one_hot, hands.vectors[lines.hands] * emphasis, glyphs * emphasis[..., None])


# ------------------------------------------------------------------------------------------------- point after point


class State(NamedTuple):
    """Of the network: h, c [B, H] of the three LSTMs, kappa [B, K], window [B, A + D]."""

    h: tuple
    c: tuple
    kappa: Any
    window: Any


def make_step(weights, told, counts, compute=EXACT):
    """One step of the network, with what does not change from point to point computed ahead.

    Args:
        weights: {name: array}. told: a `Told`. counts: int [B], characters. compute: a `Compute`.

    Returns:
        The `State` before the first point, and step(state, point [B, 3]) -> state, outputs of the head [B, 1 + 6M], and
        the weight phi [B, P] of each place.
    """
    dtype, precision = PRECISIONS[compute.dtype]
    (B, U, A), H = told.one_hot.shape, weights["lstm0_recurrent_kernel"].shape[0]
    characters = jnp.pad(jnp.concatenate([told.one_hot, told.glyphs], axis=-1), ((0, 0), (0, PLACES_AFTER), (0, 0)))
    places = jnp.arange(U + PLACES_AFTER, dtype=jnp.float32)
    mask = (places < (counts + PLACES_AFTER)[:, None]).astype(jnp.float32)
    kernels, biases = [], []
    for name in ("lstm0", "lstm1", "lstm2"):
        kernel = weights[f"{name}_kernel"]
        parts = kernel[: POINT_SIZE + A], weights[f"{name}_glyph_kernel"], kernel[POINT_SIZE + A :]
        kernels.append(jnp.concatenate([*parts, weights[f"{name}_recurrent_kernel"]]).astype(dtype))
        of_hand = jnp.dot(told.hand, weights[f"{name}_hand_kernel"], precision=PRECISIONS[EXACT.dtype][1])
        biases.append(weights[f"{name}_bias"] + of_hand)

    def lstm(layer, c, *inputs):
        inputs = jnp.concatenate(inputs, axis=-1).astype(dtype)
        z = jnp.dot(inputs, kernels[layer], precision=precision, preferred_element_type=jnp.float32)
        return lstm_step(z + biases[layer], c)

    def exact(x, name):
        return jnp.dot(x, weights[f"{name}_kernel"], precision=jax.lax.Precision.HIGHEST) + weights[f"{name}_bias"]

    def step(state, point):
        (h0, h1, h2), (c0, c1, c2), kappa, window = state
        h0, c0 = lstm(0, c0, point, window, h0)
        alpha, beta, kappa_step = jnp.split(jnp.exp(exact(h0, "attention")), 3, axis=-1)  # [B, K] each
        kappa = kappa + kappa_step
        distance = kappa[:, :, None] - places  # [B, K, P]
        phi = mask * jnp.sum(alpha[:, :, None] * jnp.exp(-beta[:, :, None] * distance**2), axis=1)
        window = jnp.einsum("bu,bua->ba", phi, characters, precision=jax.lax.Precision.HIGHEST)
        h1, c1 = lstm(1, c1, point, window, h0, h1)
        h2, c2 = lstm(2, c2, point, window, h1, h2)
        return State((h0, h1, h2), (c0, c1, c2), kappa, window), exact(jnp.concatenate([h0, h1, h2], -1), "mdn"), phi

    nothing, K = (jnp.zeros([B, H]),) * 3, weights["attention_kernel"].shape[1] // 3
    return State(nothing, nothing, jnp.zeros([B, K]), jnp.zeros([B, characters.shape[-1]])), step


def draw_point(y, bias, noise, resting, begins):
    """The next point as `scribe.writing.bias.draw_point` draws it, for a bias that does not reach the pen lifts.

    Args:
        y: [B, 1 + 6M]. bias: [B, 1], at most LIFT_BIAS_FROM. noise, resting, begins: see there.

    Returns:
        [B, 3]: dx, dy, pen lift (0 or 1).
    """
    M = (y.shape[-1] - 1) // 6
    eos_hat, *parts = jnp.split(y, [1 + M * k for k in range(6)], axis=-1)
    pi_hat, mu1, mu2, sigma1_hat, sigma2_hat, rho_hat = parts  # [B, M] each
    scores = pi_hat - pi_hat.max(axis=1, keepdims=True)
    favour = (COMPONENT_BIAS + (STROKE_BIAS - COMPONENT_BIAS) * begins) * jnp.minimum(bias, MAX_COMPONENT_BIAS)
    learned, sharp = jnp.exp(scores), jnp.exp(scores * (1.0 + favour))
    rests = mu1 * mu1 + mu2 * mu2 + jnp.exp(2 * sigma1_hat) + jnp.exp(2 * sigma2_hat) < resting * resting
    learned_rest, sharp_rest = ((shares * rests).sum(axis=1, keepdims=True) for shares in (learned, sharp))
    learned_move, sharp_move = learned.sum(axis=1, keepdims=True) - learned_rest, (sharp * ~rests).sum(1, keepdims=True)
    of_rest = learned_rest * jnp.exp(-REST_BIAS * bias) / jnp.maximum(sharp_rest, TINY)
    shares = sharp * jnp.where(rests, of_rest, jnp.maximum(learned_move, 0) / jnp.maximum(sharp_move, TINY))
    cumulated = jnp.cumsum(shares, axis=1)
    index = jnp.minimum((cumulated <= noise[:, 2:3] * cumulated[:, -1:]).sum(axis=1, keepdims=True), M - 1)

    def chosen(values):
        return jnp.take_along_axis(values, index, axis=1)  # [B, 1]

    sigma1, sigma2 = (
        jnp.exp(jnp.clip(chosen(s) - bias, LOG_SIGMA_MIN, LOG_SIGMA_MAX)) for s in (sigma1_hat, sigma2_hat)
    )
    rho = jnp.clip(jnp.tanh(chosen(rho_hat)), -RHO_MAX, RHO_MAX)
    dx = chosen(mu1) + sigma1 * noise[:, :1]
    dy = chosen(mu2) + sigma2 * (rho * noise[:, :1] + jnp.sqrt(1.0 - rho * rho) * noise[:, 1:2])
    return jnp.concatenate([dx, dy, noise[:, 3:] < jax.nn.sigmoid(eos_hat)], axis=1)


def find_ends(points, positions, passed_at):
    """Where lines end, as `scribe.writing.line_ends.find_ends` has it for lines that begin with these points.

    Args:
        points: [T, B, 3]. positions: [T, B], of the window, 0 at the last character. passed_at: [B].

    Returns:
        int [B], points of each line: all that there are of one that has not ended; bool [B], whether it has.
    """
    x = jnp.cumsum(points[..., 0], axis=0)
    right = jax.lax.cummax(jnp.pad(x, ((1, 0), (0, 0))), axis=0)[:-1]  # before each point
    lifts = points[..., 2] > 0.5
    may_end = jnp.pad(lifts & (positions > passed_at), ((1, 0), (0, 0)))[:-1]  # with the point before
    beyond = may_end & (x > right)
    ends = beyond | lifts & (positions > SURELY_PASSED)
    finished, first = ends.any(axis=0), jnp.argmax(ends, axis=0)
    count = first + 1 - jnp.take_along_axis(beyond, first[None], axis=0)[0]
    return jnp.where(finished, count, len(points)), finished


def write_lines(weights, hands, lines, key, length, resting, compute=EXACT):
    """Writes lines.

    Args:
        weights: {name: array} of a network with a hand_size. hands: `Hands`. lines: a `ToWrite`; no bias is above
            LIFT_BIAS_FROM. key: random key. length: T. resting: see `draw_point`. compute: a `Compute`.

    Returns:
        A `Written`.
    """
    state, step = make_step(weights, told_of(hands, lines), lines.counts, compute)
    B, U = lines.text.shape
    past_end = (jnp.arange(U + PLACES_AFTER) - (lines.counts - 1)[:, None]).astype(jnp.float32)

    def following(before, t):
        state, point = before
        state, y, phi = step(state, point)
        for_normals, for_uniforms = jax.random.split(jax.random.fold_in(key, t))
        noise = [jax.random.normal(for_normals, (B, 2)), jax.random.uniform(for_uniforms, (B, 2))]
        point = draw_point(y, lines.bias[:, None], jnp.concatenate(noise, axis=1), resting, begins=point[:, 2:])
        position = (phi * past_end).sum(axis=1) / jnp.maximum(phi.sum(axis=1), TINY)
        place = jnp.argmax(phi * (past_end <= 0), axis=1).astype(jnp.int32)
        return (state, point), (point, position, place)

    before = state, jnp.zeros([B, POINT_SIZE])
    _, (points, positions, places) = jax.lax.scan(following, before, jnp.arange(length), unroll=UNROLL)
    counts, finished = find_ends(points, positions, lines.passed_at)
    points = points * (jnp.arange(length)[:, None] < counts)[..., None]
    places = jax.lax.cummax(places, axis=0)
    return Written(jnp.swapaxes(points, 0, 1), counts.astype(jnp.int32), places.T, finished)
