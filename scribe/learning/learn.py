"""Learns a hand from ink: reads it first, then lets the network practise on it.

    hand = learn_hand([(strokes, "what is written there"), ...], model)

`reading.read_hand` knows at once what a hand is like, as far as the hands of many people tell. What is left is learned
by gradient steps, on the descriptions of the hand and, a little, on the weights of the network. Last,
`matching.matched` corrects the descriptions by what the network then writes. A `Hand` holds what the weights differ by
as matrices of low rank.

Letters: n points of a line, A alphabet + 1, D numbers of a description.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scribe.hands.hand import Hand
from scribe.ink.batch import make_batch
from scribe.ink.strokes import transformed
from scribe.learning.matching import matched
from scribe.learning.practice import Practice
from scribe.learning.reading import read_hand
from scribe.network.config import POINT_SIZE
from scribe.network.density import loss_sum_and_count
from scribe.network.hand_sizes import DEVIATION
from scribe.network.tf_setup import tf
from scribe.writing.adapted import ADAPTED_WEIGHTS, adapted_copy, low_rank
from scribe.writing.styles import text_gain

MOST_POINTS_TO_GO_ON_FROM, LINES_TO_CHOOSE_FROM = 800, 4
ENOUGH_TO_KEEP_BACK = 6  # lines; of fewer, each is worth more as an example than as a judge

Sample = tuple[NDArray, str]  # strokes [n, 3], offsets in units of data_scale, and their text


def learn_hand(
    lines: Sequence[Sample],
    model,
    *,
    others: Sequence[Sample] = (),
    practice: Practice = Practice(),
    name: str = "",
    notice: str = "",
    seed: int = 0,
    report: Callable[[int, int], None] = lambda step, steps: None,
) -> Hand:
    """The hand of one person, as far as some lines show it.

    Args:
        lines: from 1 to about 60 lines of that person; of ENOUGH_TO_KEEP_BACK or more, one is kept back to tell whether
            the practice harms.
        model: a HandwritingModel with a hand_size. It is not changed.
        others: lines in other hands, to be replayed.
        name, notice: of the Hand. seed: of all random choices. report: is told of each step.

    Raises:
        ValueError: as `read_hand`.
    """
    rng = np.random.default_rng(seed)
    kept_back = lines[len(lines) // 2 : len(lines) // 2 + 1] if len(lines) >= ENOUGH_TO_KEEP_BACK else []
    learned = [line for line in lines if not any(line is kept for kept in kept_back)]
    lesson = _Lesson(adapted_copy(model), read_hand(learned, model), practice)
    most_nats = lesson.nats(kept_back) + practice.tolerance if kept_back else math.inf
    learned_so_far = lesson.state()
    for step in range(practice.steps):
        some = [learned[i] for i in rng.permutation(len(learned))[: practice.lines]]
        some = [(_varied(strokes, practice.spread, rng), text) for strokes, text in some]
        replayed = [others[i] for i in rng.integers(len(others), size=practice.replayed)] if others else []
        lesson.practise(some, replayed, min(1.0, (step + 1) / 4) * (1 - 0.9 * step / practice.steps))
        report(step + 1, practice.steps)
        if (step + 1) % practice.check_every == 0 or step + 1 == practice.steps:
            if kept_back and not lesson.nats(kept_back) <= most_nats:
                break
            learned_so_far = lesson.state()
    description, weights = learned_so_far
    glyphs = {c: description[1 + k] for c, k in lesson.index_of.items()}
    differences = low_rank(model, weights, practice.rank)
    line = line_to_go_on_from(lines, model)
    told = {"name": name, "notice": notice, "encoder": model.hand_encoder.digest()}
    hand = Hand(description[0], glyphs, differences=differences, line=line, **told)
    return matched(hand, read_hand(lines, model), lines, model)


def quick_hand(lines: Sequence[Sample], model, name: str = "", notice: str = "") -> Hand:
    """As `learn_hand`, without practice: what the encoder reads, a line to go on from, matched. Arguments as there."""
    hand = dataclasses.replace(read_hand(lines, model, name, notice), line=line_to_go_on_from(lines, model))
    return matched(hand, hand, lines, model)


def line_to_go_on_from(lines: Sequence[Sample], model) -> Sample:
    """Of some lines of a hand, the one that shows best how it writes: its text is where the network expects it, and it
    is long enough to show the hand and short enough to be gone through before every job."""
    usual = [line for line in lines if len(line[0]) <= MOST_POINTS_TO_GO_ON_FROM] or [min(lines, key=_points)]
    longest = sorted(usual, key=_points)[-LINES_TO_CHOOSE_FROM:]
    return max(longest, key=lambda line: text_gain(line, model))


def _points(line):
    return len(line[0])


class _Lesson:
    """A copy of a network that practises a hand.

    Attributes:
        index_of: the characters of which something is known, with their index in a one-hot vector.
    """

    def __init__(self, model, hand, practice):
        self.model, self.practice = model, practice
        alphabet = model.config.alphabet
        self.index_of = {c: alphabet.index(c) + 1 for c in hand.glyphs}
        start = np.concatenate([hand.vector[None], hand.glyphs_of("\0" + alphabet)])  # [1 + A, D]
        known = np.zeros([len(start), 1], np.float32)
        known[[0, *(1 + k for k in self.index_of.values())]] = 1.0
        self._start, self._known, self._description = tf.constant(start), tf.constant(known), tf.Variable(start)
        self._weights = {name: getattr(model.named_weights, name) for name in ADAPTED_WEIGHTS}
        adam = tf.keras.optimizers.Adam
        self._of_weights, self._of_description = (adam(0.0, beta_1=0.8, beta_2=0.95) for _ in range(2))
        self._of_weights.build(list(self._weights.values()))
        self._of_description.build([self._description])
        spec = tf.TensorSpec
        points = spec([None, None, POINT_SIZE])
        batch = [points, points, spec([None, None]), spec([None, None, model.char_vec_len]), spec([None, 1])]
        self._step = tf.function(self._make_step, input_signature=[*batch, spec([])])
        self._loss = tf.function(self._make_loss, input_signature=batch)

    def practise(self, lines, replayed, rate):
        """One step; `rate` is the share of the learning rates."""
        self._step(*self._batch(lines, replayed), np.float32(rate))

    def nats(self, lines):
        """Nats per point of lines in this hand."""
        nats, count = self._loss(*self._batch(lines, []))
        return float(nats) / float(count)

    def state(self):
        """(descriptions [1 + A, D], weights by their names), as they are now."""
        return self._description.numpy(), {name: value.numpy() for name, value in self._weights.items()}

    def _batch(self, lines, replayed):
        strokes, texts = zip(*lines, *replayed)
        batch = make_batch(strokes, texts, self.model.config.alphabet)
        own = np.array([[1.0]] * len(lines) + [[0.0]] * len(replayed), np.float32)
        return batch.x, batch.y, batch.mask, batch.one_hot, own

    def _make_loss(self, x, y, mask, char_seq, own):
        description = own[:, :, None] * (self._description * self._known)  # [B, 1 + A, D]; 0 for lines of others
        glyphs = tf.matmul(char_seq, description[:, 1:])
        out = self.model({"stroke_data": x, "char_seq": char_seq, "hand": description[:, 0], "glyphs": glyphs})
        return loss_sum_and_count(out, y, mask)

    def _make_step(self, x, y, mask, char_seq, own, rate):
        weights = list(self._weights.values())
        with tf.GradientTape() as tape:
            nats, count = self._make_loss(x, y, mask, char_seq, own)
            apart = (self._description - self._start) / DEVIATION
            loss = (nats + self.practice.prior * tf.reduce_sum(self._known * apart**2)) / count
        *gradients, of_description = tape.gradient(loss, [*weights, self._description])
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
        self._of_weights.learning_rate.assign(self.practice.rate * rate)
        self._of_weights.apply_gradients(zip(gradients, weights))
        self._of_description.learning_rate.assign(DEVIATION * self.practice.description_rate * rate)
        self._of_description.apply_gradients([(of_description, self._description)])
        return loss


def _varied(strokes, spread, rng):
    width, height, slant = rng.normal(0.0, spread, 3)
    return transformed(strokes, math.exp(width), math.exp(height), slant).astype(np.float32)
