"""scribe/learning/choice.py: of two tries of a word, the one that reads right gets likelier."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from data_helpers import make_lines
from model import HandwritingModel, load_model
from scribe.hands.hand import Hand
from scribe.ink.alphabet import ALPHABET
from scribe.ink.batch import make_batch, network_arrays
from scribe.learning.choice import (
    SHARPNESS,
    SURELY_BAD,
    WORD_POINTS,
    Pair,
    Try,
    _Attempt,
    _pairs_of,
    choice_loss,
    log_likelihoods,
    make_choice_step,
    pair_arrays,
    words_of_points,
    write_pairs,
)
from scribe.network.tf_setup import tf
from scribe.training.run_state import WeightAverage
from scribe.writing import proofread
from scribe.writing.adapted import adapted_copy
from scribe.writing.slips import Slip

HAND_SIZE = 3


@pytest.fixture
def model():
    tf.keras.utils.set_random_seed(1)
    sizes = {"rnn_size": 16, "nmixtures": 2, "kmixtures": 1, "alphabet": ALPHABET, "hand_size": HAND_SIZE}
    model = HandwritingModel(SimpleNamespace(**sizes))
    model.hand_encoder.trainable = False
    return model


def some_pairs(count=4, seed=0):
    """Pairs whose tries have the same points up to the word, which goes to the right; the bad one goes to the left."""
    rng, pairs = np.random.default_rng(seed), []
    for k in range(count):
        start, n = 6 + k, 12 + k
        points = rng.normal(0, 0.3, [start + n, 3]).astype(np.float32)
        points[:, 2] = 0
        good, bad = points.copy(), points.copy()
        good[start:, 0], bad[start:, 0] = 1.0, -1.0
        hand = Hand(np.full(HAND_SIZE, 0.1 * k, np.float32), {"a": np.ones(HAND_SIZE, np.float32)})
        pairs.append(Pair("ab cd", hand, Try(good, start - 1), Try(bad[:-1], start - 1)))
    return pairs


def test_a_word_has_its_points_and_those_of_the_spaces_around():
    text = "ab c de"
    index = [0, 0, 1, 1, 2, 3, 3, 4, 5, 5, 6]
    phis = np.eye(len(text))[index]
    assert words_of_points(phis, text) == [(0, 5), (4, 8), (7, 11)]


def test_a_choice_costs_log_2_where_nothing_was_learned_and_less_the_wider_the_margin():
    at = [float(choice_loss(tf.constant([margin]))) for margin in (-20.0, 0.0, 20.0)]
    assert at[1] == pytest.approx(math.log(2) / (SHARPNESS * WORD_POINTS))
    assert at[0] > at[1] > at[2] > 0


def test_a_nat_of_a_pair_of_equals_weighs_as_half_a_nat_of_a_point():
    margin = tf.Variable([0.0])
    with tf.GradientTape() as tape:
        loss = choice_loss(margin)
    assert float(tape.gradient(loss, margin)[0]) == pytest.approx(-0.5 / WORD_POINTS)


def test_each_good_try_comes_before_its_bad_one_and_the_words_alone_count(model):
    pairs = some_pairs()
    x, y, mask, one_hot, hand, glyphs = pair_arrays(pairs, model)
    assert len(x) == 8 and one_hot.shape[:2] == glyphs.shape[:2] == (8, 5)
    for row, (pair, which) in enumerate((pair, which) for pair in pairs for which in ("good", "bad")):
        points, start = getattr(pair, which)
        expected = np.zeros(mask.shape[1])
        expected[start : len(points) - 1] = 1
        np.testing.assert_array_equal(mask[row], expected)
        np.testing.assert_array_equal(y[row][mask[row] > 0], points[start + 1 :])
        np.testing.assert_array_equal(hand[row], pair.hand.vector)


def test_the_likelihood_of_a_line_is_that_of_the_points_that_count(model):
    arrays = list(pair_arrays(some_pairs(), model))
    both = [log_likelihoods(model, *arrays[:2], part, *arrays[3:]).numpy() for part in (arrays[2], 0 * arrays[2])]
    arrays[1] = arrays[1] + 5 * (1 - arrays[2][..., None])  # other targets where nothing counts
    np.testing.assert_allclose(log_likelihoods(model, *arrays).numpy(), both[0], rtol=1e-5)
    assert not both[1].any() and (both[0] != 0).all()


def steps_of(model, reference, towers=1, count=25):
    """What each of some steps returns."""
    optimizer = tf.keras.optimizers.Adam(3e-3)
    average = WeightAverage(model.trainable_variables, 0.9)
    step = make_choice_step(model, reference, optimizer, average, towers)
    strokes, texts = make_lines(4, 0)
    lines = network_arrays(make_batch([s[:60].astype(np.float32) / 50 for s in strokes], texts), HAND_SIZE)
    pairs = pair_arrays(some_pairs(), model)
    return np.array([[float(v) for v in step(pairs, lines, tf.constant(3e-3), tf.constant(k))] for k in range(count)])


def test_good_tries_gain_on_bad_ones_and_people_s_lines_stay_likely(model):
    reference = adapted_copy(model)
    before = [v.numpy() for v in reference.weights]
    lines, choices, margin, right = steps_of(model, reference).T
    assert margin[0] == pytest.approx(0, abs=1e-3) and margin[-1] > 5
    assert choices[-1] < choices[0] and right[-1] == 1
    assert lines[-1] < lines[0]
    for value, was in zip(reference.weights, before, strict=True):
        np.testing.assert_array_equal(value.numpy(), was)


def test_slices_side_by_side_take_the_same_step(model):
    found = []
    for towers in (1, 2):
        copy = adapted_copy(model)
        copy.hand_encoder.trainable = False
        found.append(steps_of(copy, model, towers, count=3))
    np.testing.assert_allclose(found[0][:, :3], found[1][:, :3], atol=2e-3)


def test_pairs_are_of_words_that_each_attempt_wrote_itself():
    """The second attempt has the last word of the first, the third one wrote it."""
    points, words = np.arange(120, dtype=np.float32).reshape(40, 3), [(0, 10), (10, 20), (20, 39)]
    attempts = [
        _Attempt(points, words, {1: 1.0, 2: 1.0}, 0, 3),
        _Attempt(points + 1000, words, {2: 1.0}, 1, 2),
        _Attempt(points + 2000, words, {}, 2, 3),
    ]
    pairs = _pairs_of("a b c", None, attempts, np.random.default_rng(0))
    # Which attempt the good and the bad try are of, by the word.
    assert [(p.good.start, p.good.points[0, 0] // 1000, p.bad.points[0, 0] // 1000) for p in pairs] == [
        (10, 1, 0),
        (20, 2, 0),
    ]


@pytest.mark.slow
def test_pairs_are_of_words_that_failed_and_then_did_not(monkeypatch):
    """Of every text the second word is bad the first time: the pairs are of it, with the same points before it."""
    seen = {}

    def slips(lines, recogniser):
        found = []
        for line in lines:
            seen[line.text] = seen.get(line.text, 0) + 1
            bad = seen[line.text] == 1
            failure = SimpleNamespace(start=line.text.index(" ") + 1, describe=str)
            found.append([Slip(failure, 0.9 if "long" in line.text else SURELY_BAD / 2, True)] if bad else [])
        return found

    monkeypatch.setattr(proofread, "find_slips", slips)
    monkeypatch.setattr(proofread, "find_failures", lambda line: [])
    texts = ["a long day", "the sea", "some long years"]
    pairs = [write_pairs(texts, [None] * 3, load_model(), [0.5] * 3, 4, object()) for _ in range(2) if not seen.clear()]
    assert [pair.text for pair in pairs[0]] == ["a long day", "some long years"]
    for pair in pairs[0]:
        start = pair.good.start
        assert start == pair.bad.start > 5
        shared = min(len(pair.good.points), len(pair.bad.points), start)
        np.testing.assert_array_equal(pair.good.points[:shared], pair.bad.points[:shared])
        n = min(len(pair.good.points), len(pair.bad.points))
        assert n > start + 20
        assert not np.array_equal(pair.good.points[start:n], pair.bad.points[start:n])
    for one, other in zip(*pairs, strict=True):
        np.testing.assert_array_equal(one.good.points, other.good.points)
