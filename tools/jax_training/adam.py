"""Adam for the small networks that judge lines; weights are {name: array}."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

MEAN, SQUARE, TINY = 0.9, 0.99, 1e-8


class AdamState(NamedTuple):
    """mean, square: of the gradients, {name: array}. count: steps so far."""

    mean: Any
    square: Any
    count: Any


def adam_state(weights):
    """The state before the first step."""
    return AdamState(jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights), jnp.float32(0))


def adam_step(weights, gradients, state, rate, clip, decay=0.0):
    """One step.

    Args:
        rate: learning rate. clip: largest norm of the gradient. decay: share of the weights that is taken off, times
            the rate.

    Returns:
        weights and state after it; the ones before it where the gradient is not finite.
    """
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(gradients)))
    gradients = jax.tree.map(lambda g: jnp.minimum(1.0, clip / norm) * g, gradients)
    count = state.count + 1
    mean = jax.tree.map(lambda m, g: MEAN * m + (1 - MEAN) * g, state.mean, gradients)
    square = jax.tree.map(lambda s, g: SQUARE * s + (1 - SQUARE) * g * g, state.square, gradients)

    def moved(weight, m, s):
        change = m / (1 - MEAN**count) / (jnp.sqrt(s / (1 - SQUARE**count)) + TINY)
        return (1 - rate * decay) * weight - rate * change

    new = jax.tree.map(moved, weights, mean, square), AdamState(mean, square, count)
    return jax.tree.map(lambda after, old: jnp.where(jnp.isfinite(norm), after, old), new, (weights, state))
