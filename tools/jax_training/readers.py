"""The readers that judge written lines: the two recognisers of scribe/writing, and one that reads the points as such.

The recognisers come with the suite. The third reader is trained where it is needed: it sees neither a line of one size
nor a picture, so what pleases it and the recognisers is more than what their views have in common. A network like its
first layers, `likeness`, tells lines of people from written ones.

Letters: B lines, T pen points, R steps of a path, W columns of a picture, F frames, C channels, A characters of the
alphabet; logits of A + 1, the last one for no character. Weights have the names of the files of the recognisers.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jax_training.network import lstm_step
from scribe.writing.readings import LOOK_ALIKE

# Of scribe/writing/recogniser.py and picture_recogniser.py, which import TensorFlow; the tests compare them.
PATH_BLOCKS, PICTURE_BLOCKS, SHRINK = 3, 2, 4
PICTURE_STEPS = ((2, 2), (2, 2), (1, 1), (2, 1), (2, 1))  # down and along, of each convolution of pictures

POINTS_PER_FRAME = 4  # of the reader of points, and of `likeness`
POINT_FEATURES, WIDTH = 5, 5
READER_CHANNELS, READER_UNITS, READER_DILATIONS = 160, 160, (1, 2, 4, 1)
LIKENESS_CHANNELS, LIKENESS_DILATIONS = 96, (1, 2, 4, 8)
LARGEST_OFFSET = 8.0
LARGEST_LIKENESS = 4.0
KEEP = 0.85  # outputs of layers of the reader of points, while it is trained
SHAKE = 0.02  # deviation of the noise on offsets
UNROLL = 4  # frames in one turn of the loop of an LSTM

# ---------------------------------------------------------------------------------------------------------- parts


def within(h, counts):
    """[B, T, C], 0 after the end of each line."""
    return h * (jnp.arange(h.shape[1]) < counts[:, None])[..., None]


def convolve(h, weights, name, stride=1, dilation=1, padding=None):
    """[B, T, I] -> [B, T / stride, O], before the activation; by default as much padding on either side."""
    kernel = weights[name]
    padding = padding or ((len(kernel) - 1) * dilation // 2,) * 2
    h = jax.lax.conv_general_dilated(
        h, kernel, (stride,), [padding], rhs_dilation=(dilation,), dimension_numbers=("NWC", "WIO", "NWC")
    )
    return h + weights[f"{name}_bias"]


def both_ways(h, weights, name, frames):
    """A bidirectional LSTM: [F, B, I] -> [F, B, 2H]; backward, a line begins with its last frame."""
    mask = (jnp.arange(len(h))[:, None] < frames).astype(h.dtype)[..., None]

    def one_way(way):
        recurrent = weights[f"{name}_{way}_recurrent"]
        inputs = jnp.einsum("tbi,ij->tbj", h, weights[f"{name}_{way}"]) + weights[f"{name}_{way}_bias"]

        def step(state, given):
            z, there = given
            out, c = lstm_step(z + state[0] @ recurrent, state[1])
            return (out * there, c * there), out * there

        zero = jnp.zeros([h.shape[1], len(recurrent)])
        return jax.lax.scan(step, (zero, zero), (inputs, mask), reverse=way == "backward", unroll=UNROLL)[1]

    return jnp.concatenate([one_way("forward"), one_way("backward")], axis=-1)


def characters(h, weights, name="characters"):
    return h @ weights[name] + weights[f"{name}_bias"]


# -------------------------------------------------------------------------------------------------- the recognisers


def read_path(weights, path, steps):
    """Logits [F, B, A + 1] of the recogniser and int [B], frames; path [B, R, FEATURES] with R even, steps int [B]."""
    h = within(jax.nn.relu(convolve(path, weights, "convolution0")), steps)
    frames = (steps + 1) // 2
    h = within(jax.nn.relu(convolve(h, weights, "convolution1", 2, padding=(1, 2))), frames)
    for k in range(PATH_BLOCKS):
        h += within(jax.nn.relu(convolve(h, weights, f"block{k}")), frames)
    h = h.transpose(1, 0, 2)
    for layer in (0, 1):
        h = both_ways(h, weights, f"lstm{layer}", frames)
    return characters(h, weights), frames


def read_picture(weights, pictures, columns):
    """Logits [F, B, A + 1] of the recogniser of pictures and int [B], frames; pictures [B, HEIGHT, W], columns [B]."""
    h, shrunk = pictures[..., None], 1
    for k, (down, along) in enumerate(PICTURE_STEPS):
        kernel, shrunk = weights[f"convolution{k}"], shrunk * along
        h = jax.lax.conv_general_dilated(h, kernel, (down, along), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        there = jnp.arange(h.shape[2]) < ((columns + shrunk - 1) // shrunk)[:, None]
        h = jax.nn.relu(h + weights[f"convolution{k}_bias"]) * there[:, None, :, None]
    h, frames = h.transpose(0, 2, 1, 3), columns // SHRINK
    h = jax.nn.relu(characters(h.reshape(*h.shape[:2], -1), weights, "columns"))
    for k in range(PICTURE_BLOCKS):
        h += within(jax.nn.relu(convolve(h, weights, f"block{k}")), frames)
    h = both_ways(within(h, frames).transpose(1, 0, 2), weights, "lstm", frames)
    return characters(h, weights), frames


def alike(alphabet, share):
    """[A + 1, A + 1]: 1 for a character itself, `share` where two look alike; see `LOOK_ALIKE`."""
    matrix = np.eye(len(alphabet) + 1, dtype=np.float32)
    for group in LOOK_ALIKE:
        which = [alphabet.index(c) for c in group if c in alphabet]
        matrix[np.ix_(which, which)] += share * (1 - np.eye(len(which), dtype=np.float32))
    return matrix


# ---------------------------------------------------------------------------------------- on the points as they are


def shaken(points, key):
    """Points with noise: a file has offsets in steps, by which people's lines could be told from written ones."""
    return points.at[..., :2].add(SHAKE * jax.random.normal(key, points[..., :2].shape))


def point_features(points, counts):
    """[B, T, POINT_FEATURES] of points [B, T, 3]: offset, pen lift, pen lift of the point before, length."""
    before = jnp.pad(points[:, :-1, 2:], ((0, 0), (1, 0), (0, 0)))
    offset = jnp.clip(points[..., :2], -LARGEST_OFFSET, LARGEST_OFFSET)
    length = jnp.sqrt((offset**2).sum(axis=-1, keepdims=True) + 1e-4)
    return within(jnp.concatenate([2 * offset, points[..., 2:], before, 2 * length], axis=-1), counts)


def _convolved(weights, points, counts, dilations, drop=lambda h, layer: h):
    """[F, B, C] by the convolutions, and int [B], frames; a frame is POINTS_PER_FRAME points."""
    frames = (counts + 3) // POINTS_PER_FRAME
    h = jax.nn.relu(convolve(point_features(points, counts), weights, "convolution0", 2))
    h = jax.nn.relu(convolve(within(h, (counts + 1) // 2), weights, "convolution1", 2))
    h = drop(within(h, frames), 0)
    for k, dilation in enumerate(dilations):
        h += within(jax.nn.relu(convolve(h, weights, f"block{k}", 1, dilation)), frames)
    return drop(h, 1).transpose(1, 0, 2), frames


def read_points(weights, points, counts, key=None):
    """Logits [F, B, A + 1] of the reader of points, such logits by the convolutions alone, and int [B], frames.

    Args:
        points: [B, T, 3], offsets and pen lifts. counts: int [B]. key: the random key of dropout; None for none.
    """

    def drop(h, layer):
        if key is None:
            return h
        return h * jax.random.bernoulli(jax.random.fold_in(key, layer), KEEP, h.shape) / KEEP

    h, frames = _convolved(weights, points, counts, READER_DILATIONS, drop)
    near = characters(h, weights, "near_characters")
    return characters(drop(both_ways(h, weights, "lstm", frames), 2), weights), near, frames


def likeness(weights, points, counts):
    """[F, B]: log of the odds that each part of a line is a person's and was not written; and int [B], frames."""
    h, frames = _convolved(weights, points, counts, LIKENESS_DILATIONS)
    return jnp.clip(characters(h, weights)[..., 0], -LARGEST_LIKENESS, LARGEST_LIKENESS), frames


def point_reader_weights(seed, outputs):
    """Weights of `read_points` before its training. outputs: A + 1."""
    C, H = READER_CHANNELS, READER_UNITS
    rng = np.random.default_rng(seed)
    weights = _convolution_weights(rng, C, READER_DILATIONS)
    for way in ("forward", "backward"):
        weights[f"lstm_{way}"] = 0.7 * _normal(rng, C, 4 * H)
        weights[f"lstm_{way}_recurrent"] = 0.7 * _normal(rng, H, 4 * H)
        weights[f"lstm_{way}_bias"] = np.zeros(4 * H, np.float32)
        weights[f"lstm_{way}_bias"][H : 2 * H] = 1.0  # the forget gate starts open
    for name, inputs in (("characters", 2 * H), ("near_characters", C)):
        weights[name], weights[f"{name}_bias"] = 0.3 * _normal(rng, inputs, outputs), np.zeros(outputs, np.float32)
    return weights


def likeness_weights(seed):
    """Weights of `likeness` before its training."""
    rng = np.random.default_rng(seed)
    weights = _convolution_weights(rng, LIKENESS_CHANNELS, LIKENESS_DILATIONS)
    return weights | {
        "characters": 0.3 * _normal(rng, LIKENESS_CHANNELS, 1),
        "characters_bias": np.zeros(1, np.float32),
    }


def _convolution_weights(rng, C, dilations):
    kernels = {
        "convolution0": _normal(rng, WIDTH, POINT_FEATURES, C // 2),
        "convolution1": _normal(rng, WIDTH, C // 2, C),
    }
    kernels |= {f"block{k}": 0.5 * _normal(rng, WIDTH, C, C) for k in range(len(dilations))}
    return kernels | {f"{name}_bias": np.zeros(kernel.shape[-1], np.float32) for name, kernel in kernels.items()}


def _normal(rng, *shape):
    return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype(np.float32)
