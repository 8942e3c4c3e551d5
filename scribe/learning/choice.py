"""Learning from what was chosen: of two tries of a word, the one that reads right gets likelier, the other less likely.

    pairs = write_pairs(texts, hands, model, biases, seed=0, recogniser=load_recogniser())
    step = make_choice_step(model, reference, optimizer, average)

The loss of people's lines hardly tells a slip from a stroke that is as it should be: a few points of hundreds are in
the wrong place. Proofreading tells them apart, and knows what the network writes, so its verdicts are what the network
learns from here: by direct preference optimization (Rafailov et al., 2023, arXiv:2305.18290, eq. 7), over the points of
one word. The reference is the network as it was before.

Letters: P pairs, T points of the longest line of a batch, U characters, A alphabet + 1, D numbers of a hand.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.hands.hand import Hand, hand_arrays
from scribe.ink.batch import make_batch
from scribe.ink.point_characters import character_index
from scribe.network.density import log_density
from scribe.network.tf_setup import tf
from scribe.writing.line_writer import word_places
from scribe.writing.lines import checked_texts, line_seeds, write_texts
from scribe.writing.proofread import Attempts, judge_lines

SURELY_BAD = 0.3  # the least weight of the faults of a word that counts as bad
FEWEST_POINTS = 5  # of a word
TRIES = 4  # of each word
MOST_PAIRS = 2  # of one word
SHARPNESS = 0.1  # of the choice: beta of eq. 7, in 1 / nats
WORD_POINTS = 115.0  # of a usual word: makes a nat of a pair weigh as much as a nat of a point
CHOICE_WEIGHT = 2.0  # beside the likelihood of people's lines
GOOD_WEIGHT = 0.2  # of the likelihood of the good words, which a choice alone lets fall


class Try(NamedTuple):
    """A word as it was once written: points float32 [n, 3] of the line up to its end, as the network was given them,
    and the number of its first point that the network had to predict."""

    points: NDArray[np.float32]
    start: int


class Pair(NamedTuple):
    """Two tries of a word: which line it is of, in which hand, and the tries."""

    text: str
    hand: Hand | None
    good: Try
    bad: Try


class _Attempt(NamedTuple):
    """One attempt at a line: its points, where its words begin and end, and how bad they are; the words from `tried` up
    to `rest` are its own."""

    points: NDArray
    words: list[tuple[int, int]]
    faulty: dict[int, float]
    tried: int
    rest: int


def write_pairs(
    texts: Sequence[str], hands: Sequence[Hand | None], model, biases: Sequence[float], seed: Any, recogniser
) -> list[Pair]:
    """Writes lines as `proofread.sample_checked` does, and pairs tries of their words that failed with such as did not.

    Args:
        texts: in plain characters of the alphabet. hands, biases: one for each. model: a HandwritingModel.
        seed: as in `sample_batch`; the same gives the same pairs. recogniser: a `Recogniser`.
    """
    texts, biases = checked_texts(texts, model, biases, None, None, None, None)
    seeds = line_seeds(seed, len(texts))
    lines = [Attempts(text, of_line, TRIES) for text, of_line in zip(texts, seeds, strict=True)]
    attempts: list[list[_Attempt]] = [[] for _ in texts]
    first = np.array([[0.0, 0.0, model.config.first_pen]], np.float32)

    def judge(written):
        again = []
        verdicts = judge_lines([line for _, line, _ in written], recogniser)
        for (i, line, as_written), verdict in zip(written, verdicts, strict=True):
            points = np.concatenate([first, as_written.points[:, [0, 1, 5]]])
            words = words_of_points(as_written.phis[:, : len(texts[i])], texts[i])
            rest = len(words) if as_written.until is None else word_places(texts[i]).index(as_written.until)
            attempts[i].append(_Attempt(points, words, verdict.words, lines[i].tried, rest))
            lines[i].take(line, as_written, verdict)
            again += lines[i].go_on(i)
        return again

    write_texts(texts, model, biases, hands, seeds, judge, rewinds=True)
    rng = np.random.default_rng(list(seeds[0]))
    return [p for each in zip(texts, hands, attempts, strict=True) for p in _pairs_of(*each, rng)]


def words_of_points(phis: NDArray, text: str) -> list[tuple[int, int]]:
    """The points [start, end) of each word of a text and of the spaces around it, where late dots are; phis: [n, U]."""
    index, places = character_index(phis), word_places(text)
    starts = [int(np.searchsorted(index, max(0, place - 1))) for place in places]
    ends = [int(np.searchsorted(index, place)) for place in places[1:]] + [len(index)]
    return list(zip(starts, ends, strict=True))


def _pairs_of(text, hand, attempts, rng):
    """The pairs of a line."""
    pairs = []
    for w in range(len(word_places(text))):
        tries = [a for a in attempts if a.tried <= w < a.rest]  # the others have the word of an earlier one
        tries = [a for a in tries if a.words[w][1] - a.words[w][0] >= FEWEST_POINTS]
        good = [a for a in tries if not a.faulty.get(w)]
        bad = [a for a in tries if a.faulty.get(w, 0.0) >= SURELY_BAD]
        count = min(MOST_PAIRS, len(good), len(bad))
        for g, b in zip(rng.permutation(len(good))[:count], rng.permutation(len(bad))[:count], strict=True):
            pairs.append(Pair(text, hand, _try(good[g], w), _try(bad[b], w)))
    return pairs


def _try(attempt, word):
    start, end = attempt.words[word]
    return Try(attempt.points[: end + 1], start)  # the first point of all is given


def pair_arrays(pairs: Sequence[Pair], model) -> tuple[NDArray, ...]:
    """What a network takes of pairs, as `batch.network_arrays`: each good try [2P, ...] before its bad one.

    The mask is 1 for the points of the word.
    """
    tries, texts = [t for p in pairs for t in (p.good, p.bad)], [p.text for p in pairs for _ in range(2)]
    batch = make_batch([t.points for t in tries], texts, model.config.alphabet)
    told = hand_arrays([p.hand for p in pairs for _ in range(2)], texts, model.hand_size, batch.one_hot.shape[1])
    mask = batch.mask * (np.arange(batch.mask.shape[1]) >= np.array([[t.start] for t in tries]))
    return batch.x, batch.y, mask.astype(np.float32), batch.one_hot, *told


def log_likelihoods(model, x, y, mask, char_seq, hand, glyphs):
    """Nats of the points that the mask marks, summed over each line: [B]."""
    inputs = {"stroke_data": x, "char_seq": char_seq}
    if model.hand_size:
        inputs |= {"hand": hand, "glyphs": glyphs}
    out = model(inputs, training=True)  # with its products and its dropout
    lifts = tf.nn.sigmoid_cross_entropy_with_logits(labels=y[..., 2], logits=out["eos_hat"][..., 0])
    return tf.reduce_sum((log_density(out, y[..., :2]) - lifts) * mask, axis=1)


def choice_loss(margins):
    """Eq. 7 for margins [P]: by how many nats the good tries gained more on the reference than the bad ones."""
    return tf.reduce_sum(-tf.math.log_sigmoid(SHARPNESS * margins)) / (SHARPNESS * WORD_POINTS)


def make_choice_step(
    model, reference, optimizer, average, towers: int = 1, keep: float = 1.0, clip: float = 1.0
) -> Callable:
    """A tf.function that takes a step by pairs and by lines of people, so that the network stays what people write.

    Args:
        model, reference: networks without dropout. optimizer, average: of the trainable variables of the model.
        towers: slices that are computed side by side. keep: probability to keep an output of an LSTM for lines of
            people, as the network learned them: without dropout they would pull it to where it knows them by heart.
        clip: largest norm of the gradient.

    Returns:
        step(pairs, lines, rate, number) with `pair_arrays`, `network_arrays` of lines, learning rate and number of the
        step -> nats per point of the lines, loss of the choices, mean margin, share of pairs with a positive margin.
    """
    variables = model.trainable_variables
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def step(pairs, lines, rate, number):
        P, N = tf.shape(pairs[0])[0] // 2, tf.shape(lines[0])[0]
        with tf.GradientTape() as tape:
            of_lines, of_good, margins = [], [], []
            for k in range(towers):
                part = slice(k * P // towers * 2, (k + 1) * P // towers * 2)
                some = [array[part] for array in pairs]
                likelihoods = log_likelihoods(model, *some)
                gains = likelihoods - tf.stop_gradient(log_likelihoods(reference, *some))
                margins.append(gains[0::2] - gains[1::2])
                of_good.append(-tf.reduce_sum(likelihoods[0::2]))
                some = [array[k * N // towers : (k + 1) * N // towers] for array in lines]
                model.keep_probability = keep
                of_lines.append(-tf.reduce_sum(log_likelihoods(model, *some)))
                model.keep_probability = 1.0
            margin = tf.concat(margins, axis=0)
            choices = choice_loss(margin) / tf.cast(P, tf.float32)
            likely = tf.add_n(of_lines) / tf.reduce_sum(lines[2])
            good = tf.add_n(of_good) / tf.reduce_sum(pairs[2][0::2])
            loss = likely + CHOICE_WEIGHT * choices + GOOD_WEIGHT * good
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), clip)
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(gradients, variables))
        average.update(number)
        right = tf.reduce_mean(tf.cast(margin > 0, tf.float32))
        return likely, choices, tf.reduce_mean(margin), right

    return step
