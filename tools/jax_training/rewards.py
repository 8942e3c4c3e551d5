"""What readers say of written lines, as an advantage of each pen point: how much likelier it should become.

Several lines have the same text and are written in the same hand at the same bias. A character is held against the same
character of the others: neither a hard text nor a hand that is hard to read makes what was written likelier or less so.

Letters: B lines, G lines of the same text, T pen points, U characters, F frames, A characters of the alphabet.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jax_training.ctc import best_reading, character_scores, log_shares
from jax_training.line_features import seen
from jax_training.readers import POINTS_PER_FRAME, likeness, read_path, read_picture, read_points, shaken

PATH_STEPS, COLUMNS = 720, 960  # what is seen of a line; one of 28 characters has fewer
LEAST_SCORE = -6.0  # of a character
# What one character can bring or cost, by its readers and by its likeness; and one point, in root mean squares.
MOST_BY_READERS, MOST_BY_LIKENESS, MOST_OF_POINT = 3.0, 2.0, 3.0
# Of the advantages of its character, the next one and the next but one that a point has: it makes ready for them.
SHARES_AHEAD = (1.0, 0.5, 0.25)


class Judges(NamedTuple):
    """Weights {name: array} of the readers, of the path, of pictures and of points, and of `likeness`; and the matrix
    of `readers.alike`."""

    path: Any
    picture: Any
    points: Any
    likeness: Any
    alike: Any


class Judged(NamedTuple):
    """What is said of lines.

    advantages: [B, T], 0 after the lines. best: of each reader [B, F], see `best_reading`. frames: of each int [B].
    means: over all characters, scores by each reader; the deviations of scores and of likeness within a text; over all
    points, the likeness; over all lines, the points and the share that have ended.
    """

    advantages: Any
    best: tuple
    frames: tuple
    means: Any


def judge(judges, lines, written, key, G, likeness_weight):
    """What is said of lines.

    Args:
        judges: `Judges`. lines: the `ToWrite`, G lines of the same text one after the other. written: the `Written`.
        key: random key. likeness_weight: of the likeness beside the readers.

    Returns:
        A `Judged`.
    """
    points, counts, places, finished = written
    for_reader, for_likeness = jax.random.split(key)
    views = seen(points, counts, PATH_STEPS, COLUMNS)
    of_points, _, frames = read_points(judges.points, shaken(points, for_reader), counts)
    read = [
        read_path(judges.path, views.path, views.steps),
        read_picture(judges.picture, views.pictures, views.columns),
        (of_points, frames),
    ]
    codes = lines.text - 1
    scores = [character_scores(log_shares(logits, judges.alike), n, codes, lines.counts) for logits, n in read]
    odds, _ = likeness(judges.likeness, shaken(points, for_likeness), counts)
    T, U = places.shape[1], codes.shape[1]
    odds = jnp.repeat(odds, POINTS_PER_FRAME, axis=0)[:T].T  # [B, T]
    within = (jnp.arange(T) < counts[:, None]).astype(jnp.float32)
    like, has_points = means_of_characters(odds, places, within, U)
    known = jnp.arange(U) < lines.counts[:, None]
    of_readers = centred(sum(jnp.maximum(s, LEAST_SCORE) for s in scores) / len(scores), known, G)
    of_likeness = centred(like, known & has_points, G)
    advantages = jnp.clip(of_readers, -MOST_BY_READERS, MOST_BY_READERS)
    advantages += likeness_weight * jnp.clip(of_likeness, -MOST_BY_LIKENESS, MOST_BY_LIKENESS)

    def mean(values, which):
        return (values * which).sum() / which.sum()

    means = [mean(s, known) for s in scores]
    means += [jnp.sqrt(mean(v**2, known)) for v in (of_readers, of_likeness)]
    means += [mean(odds, within), counts.mean(), finished.mean()]
    return Judged(
        advantages_of_points(advantages, places, within),
        tuple(best_reading(logits) for logits, _ in read),
        tuple(n for _, n in read),
        jnp.stack(means),
    )


def means_of_characters(values, places, within, U):
    """Means of values of points [B, T] over those of each character [B, U], and whether it has any.

    Args:
        places: int [B, T], the character of each point. within: [B, T], 1 for the points of the line.
    """
    own = jax.nn.one_hot(places, U) * within[..., None]  # [B, T, U]
    count = own.sum(axis=1)
    return jnp.einsum("btu,bt->bu", own, values) / jnp.maximum(count, 1.0), count > 0


def centred(values, known, G):
    """Values [B, U] less the mean of those that are known of the same character of the same text; 0 where unknown."""
    values, known = (v.reshape(-1, G, v.shape[-1]) for v in (values, known))
    mean = (values * known).sum(axis=1, keepdims=True) / jnp.maximum(known.sum(axis=1, keepdims=True), 1)
    return ((values - mean) * known).reshape(-1, values.shape[-1])


def advantages_of_points(advantages, places, within):
    """Advantages [B, T] of points by those of characters [B, U]: of one size in all steps, and none is far above it.

    A point gets the advantage of its character and, by SHARES_AHEAD, of the characters that follow. The others as for
    `means_of_characters`.
    """
    U = advantages.shape[1]
    ahead = sum(s * jnp.pad(advantages[:, k:], ((0, 0), (0, min(k, U)))) for k, s in enumerate(SHARES_AHEAD))
    of_points = jnp.take_along_axis(ahead, places, axis=1) * within
    size = jnp.sqrt((of_points**2).sum() / within.sum())
    return jnp.clip(of_points / (size + 1e-6), -MOST_OF_POINT, MOST_OF_POINT)
