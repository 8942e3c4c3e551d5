"""Networks whose weights were adapted to a hand, which holds what they differ by as matrices of low rank."""

import weakref

import numpy as np
from numpy.typing import NDArray

from scribe.hands.hand import HandError

# The weights that a hand may change. The attention is not among them: how the text is read is the same for all hands.
ADAPTED_WEIGHTS = [f"lstm{i}_{kind}" for i in range(3) for kind in ("kernel", "recurrent_kernel", "bias")]
ADAPTED_WEIGHTS += ["mdn_kernel", "mdn_bias"]
KEPT_MODELS = 4  # adapted ones, of each network

_adapted: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def adapted_copy(model, hand=None):
    """A copy of a HandwritingModel, with the differences of a `Hand`; HandError where they are of another network."""
    copy = type(model)(model.config)
    for value, of_copy in zip(model.weights, copy.weights, strict=True):
        of_copy.assign(value)
    for name, factors in (hand.differences if hand is not None else {}).items():
        value = getattr(copy.named_weights, name) if name in ADAPTED_WEIGHTS else None
        try:
            difference = product(factors)
        except ValueError:  # matrices that do not follow each other
            difference = None
        if value is None or difference is None or difference.shape != value.shape:
            raise HandError(f"the hand {hand.name!r} was learned for another network: learn it again.")
        value.assign_add(difference)
    return copy


def model_for(model, hand):
    """The network that writes in a hand: `model` itself, unless the hand has differences. The last few are kept."""
    if hand is None or not hand.differences:
        return model
    kept = _adapted.setdefault(model, {})
    for known, copy in kept.values():
        if known is hand:
            return copy
    if len(kept) >= KEPT_MODELS:
        del kept[next(iter(kept))]
    kept[id(hand)] = hand, adapted_copy(model, hand)
    return kept[id(hand)][1]


def low_rank(model, weights: dict[str, NDArray], rank: int) -> dict[str, tuple[NDArray, ...]]:
    """What weights differ by from those of a model: factors of low rank, in float16.

    Args:
        weights: by their names in ADAPTED_WEIGHTS.

    Returns:
        for a matrix [a, b] its closest (a x rank, rank x b); for a bias itself alone.
    """
    found: dict[str, tuple[NDArray, ...]] = {}
    for name, value in weights.items():
        difference = value - getattr(model.named_weights, name).numpy()
        if difference.ndim == 1:
            found[name] = (difference.astype(np.float16),)
            continue
        # A random projection finds the largest singular vectors of a matrix in a fraction of the time of all of them.
        rng = np.random.default_rng(0)
        basis = difference @ rng.normal(size=[difference.shape[1], rank + 8]).astype(np.float32)
        for _ in range(2):
            basis, _ = np.linalg.qr(difference @ (difference.T @ basis))
        left, sizes, right = np.linalg.svd(basis.T @ difference, full_matrices=False)
        scale = np.sqrt(sizes[:rank])
        found[name] = (
            (basis @ left[:, :rank] * scale).astype(np.float16),
            (scale[:, None] * right[:rank]).astype(np.float16),
        )
    return found


def product(factors: tuple[NDArray, ...]) -> NDArray[np.float32]:
    """The difference of a weight, from the factors of `low_rank`."""
    first, *rest = (factor.astype(np.float32) for factor in factors)
    return first @ rest[0] if rest else first
