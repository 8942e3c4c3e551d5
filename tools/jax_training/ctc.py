"""The probability of a text by a reader's frames, summed over all alignments (CTC; Graves et al., 2006), and of its
characters.

Letters: B lines, F frames, U characters of a text, A characters of the alphabet, S = 2U + 1 states: characters with a
blank, "no character", around each.
"""

import jax
import jax.numpy as jnp

NONE = -1e30  # log of the probability of what cannot be
FLOOR = -9.0  # the least log probability of a frame: a single one can cost a text no more than that
UNROLL = 4  # frames in one turn of the loop
TOO_SHORT = -6.0  # score of each character of a line with fewer frames than characters


def log_shares(logits, alike=None):
    """Log probabilities of what each frame is, [F, B, A + 1]; with `readers.alike`, what looks alike counts, too."""
    logs = jax.nn.log_softmax(logits)
    return logs if alike is None else jnp.minimum(jnp.log(jnp.exp(logs) @ alike.T), 0.0)


def emitted(logs, codes):
    """[F, B, S]: log probability of what each state is, by each frame. codes: int [B, U], from 0 on; padding below."""
    (F, B, outputs), U = logs.shape, codes.shape[1]
    states = jnp.full([B, 2 * U + 1], outputs - 1).at[:, 1::2].set(jnp.maximum(codes, 0))
    return jnp.take_along_axis(logs, jnp.broadcast_to(states, (F, *states.shape)), axis=2)


def log_probability(emitted, frames, codes, counts):
    """[B]: of texts.

    Args:
        emitted: [F, B, S]. frames: int [B]. codes: int [B, U]. counts: int [B], characters, at least 1.
    """
    F, B, S = emitted.shape
    skips = jnp.zeros([B, S], bool).at[:, 3::2].set(codes[:, 1:] != codes[:, :-1])

    def step(before, given):
        e, t = given
        one, two = (jnp.pad(before, ((0, 0), (k, 0)), constant_values=NONE)[:, :S] for k in (1, 2))
        ways = jnp.stack([before, one, jnp.where(skips, two, NONE)])
        after = jnp.maximum(jax.nn.logsumexp(ways, axis=0) + e, NONE)
        return jnp.where((t < frames)[:, None], after, before), None

    first = jnp.full([B, S], NONE).at[:, :2].set(emitted[0, :, :2])
    last, _ = jax.lax.scan(step, first, (emitted[1:], jnp.arange(1, F)), unroll=UNROLL)
    ends = jnp.take_along_axis(last, jnp.stack([2 * counts, 2 * counts - 1], axis=1), axis=1)
    return jax.nn.logsumexp(ends, axis=1)


def character_scores(logs, frames, codes, counts):
    """How well each character is read: [B, U], 0 at best and after the text.

    Of all alignments of the text, each by its probability: the log probabilities of the frames of the character and of
    half of those of the blanks beside it; of all of the first blank and of the last.

    Args:
        logs: of `log_shares`. The others as for `log_probability`.
    """
    e = emitted(jnp.maximum(logs, FLOOR), codes)
    # The derivative of the log probability of the text is the share of the alignments that a state has at a frame.
    shares = jax.grad(lambda e: log_probability(e, frames, codes, counts).sum())(e)
    of_states = jnp.where(jnp.isfinite(shares), shares * e, 0.0).sum(axis=0)  # [B, S]
    own, blanks = of_states[:, 1::2], of_states[:, 0::2]
    u = jnp.arange(codes.shape[1])
    before, after = jnp.where(u == 0, 1.0, 0.5), jnp.where(u == counts[:, None] - 1, 1.0, 0.5)
    scores = own + before * blanks[:, :-1] + after * blanks[:, 1:]
    scores = jnp.where((frames >= counts)[:, None], scores, TOO_SHORT)
    return jnp.where(u < counts[:, None], scores, 0.0)


def best_reading(logits):
    """[B, F]: of each frame, what it is most likely; `read` makes a text of it."""
    return jnp.argmax(logits, axis=-1).T


def read(best, frames, alphabet):
    """The texts of lines by `best_reading`, NumPy [B, F], of the first of their frames, [B]."""
    texts = []
    for row, count in zip(best, frames, strict=True):
        row = [int(c) for c in row[:count]]
        changes = [c for c, before in zip(row, [None, *row]) if c != before]
        texts.append("".join(alphabet[c] for c in changes if c < len(alphabet)))
    return texts
