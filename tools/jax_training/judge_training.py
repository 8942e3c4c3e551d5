"""The training of what judges lines by their points: the third reader, and the likeness to people's lines.

Letters: B lines, T pen points, U characters, F frames.
"""

import math

import jax
import jax.numpy as jnp

from jax_training.adam import adam_step
from jax_training.ctc import emitted, log_probability, log_shares
from jax_training.readers import likeness, read_points, shaken

READER_RATE, READER_LAST_RATE, READER_WARMUP, READER_CLIP = 2e-3, 1e-5, 100, 2.0
NEAR_SHARE = 0.3  # of the loss, by the convolutions alone
IMPOSSIBLE = -1e5  # log of the probability of a text that has more characters than the line has frames
LIKENESS_CLIP, LARGE_ODDS = 1.0, 0.002  # the second is the weight of the squares of the odds in the loss
FIRST_FRAME = 2  # that is judged: every line begins alike
DECAY = 1e-2


def reader_rate(step, steps):
    """The learning rate of a step of the reader of points, of so many."""
    falling = 0.5 * (1 + math.cos(math.pi * step / steps))
    return READER_RATE * min(1.0, (step + 1) / READER_WARMUP) * falling + READER_LAST_RATE


def reader_step(weights, state, points, counts, codes, text_counts, key, rate):
    """One step of the reader of points on people's lines.

    Args:
        weights, state: its own, and the `AdamState`. points: [B, T, 3]. counts: int [B]. codes: int [B, U], from 0 on.
        text_counts: int [B]. key: random key. rate: learning rate.

    Returns:
        weights and state after it, nats per character.
    """
    for_points, for_dropout = jax.random.split(key)

    def loss(weights):
        logits, near, frames = read_points(weights, shaken(points, for_points), counts, for_dropout)
        nats = []
        for some in (logits, near):
            logs = log_probability(emitted(log_shares(some), codes), frames, codes, text_counts)
            nats.append(-jnp.where(logs > IMPOSSIBLE, logs, 0.0).sum() / text_counts.sum())
        return nats[0] + NEAR_SHARE * nats[1], nats[0]

    (_, nats), gradients = jax.value_and_grad(loss, has_aux=True)(weights)
    return *adam_step(weights, gradients, state, rate, READER_CLIP, DECAY), nats


def likeness_step(weights, state, of_people, written, key, rate):
    """One step of the `likeness`: higher on people's lines, lower on written ones.

    Args:
        weights, state: its own, and the `AdamState`. of_people, written: points [N, T, 3] and counts int [N], N of
            each. key: random key. rate: learning rate.

    Returns:
        weights and state after it; the share of pairs of lines in which the one of a person has the higher mean.
    """
    points, counts = (jnp.concatenate(pair) for pair in zip(of_people, written, strict=True))
    points, N = shaken(points, key), len(of_people[1])
    sign = jnp.where(jnp.arange(2 * N) < N, 1.0, -1.0)

    def loss(weights):
        odds, frames = likeness(weights, points, counts)
        frame = jnp.arange(len(odds))[:, None]
        judged = (frame >= FIRST_FRAME) & (frame < frames)
        count = jnp.maximum(judged.sum(axis=0), 1)
        of_frames = jax.nn.softplus(-sign * odds) + LARGE_ODDS * odds**2
        of_lines = (odds * judged).sum(axis=0) / count
        right = (of_lines[:N, None] > of_lines[None, N:]).mean()
        return ((of_frames * judged).sum(axis=0) / count).mean(), right

    (_, right), gradients = jax.value_and_grad(loss, has_aux=True)(weights)
    return *adam_step(weights, gradients, state, rate, LIKENESS_CLIP, DECAY), right
