"""The encoder of hands in JAX, as scribe/network/hand_encoder.py describes it, and what training tells of hands.

Letters: B lines to write, R lines that are read of the hand of each, T pen points, F = T / 4 frames, C channels,
U characters, A alphabet + 1, D numbers of a description. Weights have the names of `encoder_shapes`.
"""

import jax
import jax.numpy as jnp

from scribe.network.config import POINT_SIZE
from scribe.network.hand_sizes import (
    CHANNELS,
    DEVIATION,
    HIDDEN,
    MIN_FRAMES,
    NO_CHARACTER,
    NO_GLYPHS,
    NO_VECTOR,
    NOISE,
    POINTS_PER_FRAME,
    PRIOR_FRAMES,
    RESIDUAL,
    STRIDES,
    WIDTH,
)

AVERAGES = ("vector_mean", "vector_scale", "glyph_mean", "glyph_scale")  # of descriptions; they are not trained


def encoder_shapes(A, D):
    """{name: shape} of the weights of an encoder, encoder_LAYER_kernel and encoder_LAYER_bias, and of its averages."""
    layers, width = {}, POINT_SIZE + 2
    for i, channels in enumerate(CHANNELS):
        layers[f"conv{i}"], width = (WIDTH, width, channels), channels
    layers |= {"glyph": (width, D), "hidden": (2 * width, HIDDEN), "vector": (HIDDEN, D)}
    shapes = {f"encoder_{name}_kernel": shape for name, shape in layers.items()}
    shapes |= {f"encoder_{name}_bias": shape[-1:] for name, shape in layers.items()}
    averages = dict(zip(AVERAGES, ((D,), (D,), (A, D), (D,)), strict=True))
    return shapes | {f"encoder_{name}": shape for name, shape in averages.items()}


def is_trained(name):
    """Whether a weight is trained; the averages of an encoder are not."""
    return not name.endswith(AVERAGES)


def describe(weights, strokes, mask, characters, precision=jax.lax.Precision.HIGHEST):
    """What `HandEncoder` describes of B hands by R lines of each.

    Args:
        weights: see `encoder_shapes`. strokes: [B, R, T, 3], T a multiple of POINTS_PER_FRAME. mask: [B, R, T].
        characters: int [B, R, T]. precision: of the large products.

    Returns:
        vector [B, D]; glyphs [B, A, D], 0 where nothing is known; known [B, A, 1], where something is.
    """
    B, R, T = mask.shape
    D = weights["encoder_vector_bias"].shape[0]
    A = weights["encoder_glyph_mean"].shape[0]
    strokes, mask = strokes.reshape(B * R, T, POINT_SIZE), mask.reshape(B * R, T, 1)
    jump = jnp.pad(strokes[:, :-1, 2:], ((0, 0), (1, 0), (0, 0)))
    length = jnp.sqrt(jnp.sum(strokes[..., :2] ** 2, axis=-1, keepdims=True) + 1e-4)
    h = jnp.concatenate([strokes, jump, length], axis=-1) * mask

    def dense(name, x, precision):
        return jnp.dot(x, weights[f"encoder_{name}_kernel"], precision=precision) + weights[f"encoder_{name}_bias"]

    for i, stride in enumerate(STRIDES):
        mask = mask[:, ::stride]
        new = jax.lax.conv_general_dilated(
            h,
            weights[f"encoder_conv{i}_kernel"],
            (stride,),
            "SAME",
            dimension_numbers=("NWC", "WIO", "NWC"),
            precision=precision,
        )
        new = jax.nn.gelu(new + weights[f"encoder_conv{i}_bias"], approximate=False)
        h = (h + new if i == RESIDUAL else new) * mask

    def sums(x):
        """Over the frames of all lines of a hand: [B * R, ...] -> [B, ...]."""
        return x.reshape(B, R, *x.shape[1:]).sum(axis=1)

    character = jax.nn.one_hot(characters.reshape(B * R, T)[:, ::POINTS_PER_FRAME], A) * mask  # [B * R, F, A]
    total, square, count = sums(h.sum(axis=1)), sums((h * h).sum(axis=1)), sums(mask.sum(axis=1))
    glyph_total = sums(jnp.einsum("nfa,nfd->nad", character, dense("glyph", h, precision), precision=precision))
    glyph_count = sums(character.sum(axis=1))[..., None]

    mean = total / (count + 1e-6)
    deviation = jnp.sqrt(jnp.maximum(square / (count + 1e-6) - mean * mean, 0.0) + 1e-5)
    exact = jax.lax.Precision.HIGHEST
    hidden = jax.nn.gelu(dense("hidden", jnp.concatenate([mean, deviation], axis=-1), exact), approximate=False)
    vector = (dense("vector", hidden, exact) - weights["encoder_vector_mean"]) / weights["encoder_vector_scale"]
    glyphs = glyph_total / jnp.maximum(glyph_count, 1e-3)
    glyphs = (glyphs - weights["encoder_glyph_mean"]) / weights["encoder_glyph_scale"]
    # Index 0 stands for all characters that are not in the alphabet: a `Hand` has none of them.
    known = (glyph_count > MIN_FRAMES) & (jnp.arange(A)[None, :, None] > 0)
    glyphs = jnp.where(known, DEVIATION * glyphs * glyph_count / (glyph_count + PRIOR_FRAMES), 0.0)
    return DEVIATION * vector.reshape(B, D), glyphs, known


def less(vector, glyphs, known, key):
    """Not all of what was read, and that not exactly, as scribe/learning/hand_batches.py tells it; arrays as there."""
    keys = jax.random.split(key, 4)
    B, A, D = glyphs.shape
    vector = vector + NOISE * DEVIATION * jax.random.normal(keys[0], vector.shape)
    kept = known & jax.random.bernoulli(keys[1], 1 - NO_CHARACTER, (B, A, 1))
    glyphs = jnp.where(kept, glyphs + NOISE * DEVIATION * jax.random.normal(keys[2], glyphs.shape), 0.0)
    part = jax.random.uniform(keys[3], (B, 1))
    return jnp.where(part >= 1 - NO_VECTOR, 0.0, vector), jnp.where((part < NO_GLYPHS)[..., None], 0.0, glyphs)


def scale_of(vector, glyphs, known, there):
    """How large descriptions are beside DEVIATION, squared: of vectors and of glyphs. there: [B, 1], 1 for a hand."""
    D = vector.shape[-1]
    of_vector = jnp.sum(there * vector**2) / (D * there.sum() + 1e-3)
    counted = known * there[..., None]
    of_glyphs = jnp.sum(counted * glyphs**2) / (D * counted.sum() + 1e-3)
    return of_vector / DEVIATION**2, of_glyphs / DEVIATION**2
