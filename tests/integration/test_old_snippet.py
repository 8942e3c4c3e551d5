"""Code that users of the earlier scribes have: it runs, and writes what it says."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from model import HandwritingModel, compute_loss
from sample import sample, to_one_hot
from scribe.writing.misread import count_errors
from scribe.writing.recogniser import load_recogniser

import tensorflow as tf  # isort: skip

ROOT = Path(__file__).resolve().parents[2]
SNIPPET = """
import tensorflow as tf
from model import HandwritingModel
from sample import sample

class Args:
    rnn_size = 400; nmixtures = 20; kmixtures = 1
    alphabet = ' abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
    tsteps_per_ascii = 25; tsteps = 700; bias = 1.5
model = HandwritingModel(Args())
tf.train.Checkpoint(model=model).restore("saved/checkpoint")
strokes, phis, kappas = sample("Hello World", model, Args())
"""
TINY = SimpleNamespace(
    rnn_size=10, nmixtures=2, kmixtures=1, alphabet="ba dcxyzest", tsteps_per_ascii=25, tsteps=50, bias=1.0,
    eos_threshold=0.35,
)  # fmt: skip


@pytest.mark.slow
def test_the_snippet_of_the_readme_of_old_writes_hello_world_legibly(tmp_path):
    # The snippet has no seed; with this one the line is the same at each run, but for rounding, which differs from
    # processor to processor. So one letter that is taken for another is let pass, and a capital for its small letter.
    program = f"import numpy; numpy.random.seed(1)\n{SNIPPET}\nnumpy.save({str(tmp_path / 'strokes.npy')!r}, strokes)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    strokes = np.load(tmp_path / "strokes.npy")
    (read,) = load_recogniser().read([strokes])
    assert count_errors("hello world", read.lower()) <= 1, read


def tiny_model(**changes):
    tf.keras.utils.set_random_seed(1)
    return HandwritingModel(SimpleNamespace(**{**vars(TINY), **changes}))


def inputs(B=2, T=6):
    rng = np.random.default_rng(0)
    one_hot = to_one_hot("bad", 5, TINY.alphabet)
    return {
        "stroke_data": tf.constant(rng.normal(size=(B, T, 3)), tf.float32),
        "char_seq": tf.constant(np.tile(one_hot, [B, 1, 1]), tf.float32),
    }


def test_the_model_has_the_alphabet_that_it_was_given():
    model = tiny_model()
    assert model.alphabet == TINY.alphabet and model.char_vec_len == len(TINY.alphabet) + 1


def test_a_model_that_is_saved_and_restored_as_tensorflow_does_predicts_the_same(tmp_path):
    model, restored = tiny_model(), tiny_model()
    for v in restored.trainable_variables:
        v.assign(v * 0.5)
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(model=model), str(tmp_path), max_to_keep=1)
    tf.train.Checkpoint(model=restored).restore(manager.save(checkpoint_number=10)).assert_consumed()
    for name in ("eos", "pi", "mu1", "mu2", "sigma1", "sigma2", "rho", "phi", "kappa"):
        np.testing.assert_array_equal(model(inputs())[name], restored(inputs())[name])


def test_training_by_hand_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tmp_path):
    def setup():
        model, optimizer = tiny_model(), tf.keras.optimizers.Adam(1e-2)
        optimizer.build(model.trainable_variables)
        return model, optimizer, tf.train.Checkpoint(model=model, optimizer=optimizer)

    def steps(model, optimizer, count):
        losses = []
        for _ in range(count):
            with tf.GradientTape() as tape:
                loss = compute_loss(model(inputs(), training=True), inputs()["stroke_data"])
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
            losses.append(float(loss))
        return losses

    model, optimizer, checkpoint = setup()
    steps(model, optimizer, 3)
    path = checkpoint.save(str(tmp_path / "ckpt"))
    expected = steps(model, optimizer, 3)
    model, optimizer, checkpoint = setup()
    checkpoint.restore(path)
    assert steps(model, optimizer, 3) == pytest.approx(expected, rel=1e-6)
    assert expected[-1] < expected[0]


def test_bias_and_states_may_be_given_by_position_and_states_as_pairs():
    model = tiny_model()
    states = model(inputs(B=1))["states"]
    plain, _, _ = sample("bad", model, TINY, 0.5, seed=3, tries=1)
    np.testing.assert_array_equal(plain, sample("bad", model, TINY, bias=0.5, seed=3, tries=1)[0])
    primed, phis, kappas = sample("bad", model, TINY, 0.5, states, seed=3)
    assert primed.shape[1] == 6 and phis.shape == (len(primed), 3) and kappas.shape == (len(primed), 1)
    assert primed.shape != plain.shape or np.abs(primed - plain).max() > 1e-3
    with pytest.raises(ValueError, match="a pair"):
        sample("bad", model, TINY, 0.5, states[:2])


def test_numpys_global_seed_makes_lines_without_a_seed_of_their_own_repeatable():
    model, lines = tiny_model(), []
    for seed in (7, 7, 8):
        np.random.seed(seed)
        lines.append([sample("bad", model, TINY, tries=1)[0] for _ in range(2)])
    for first, second in zip(*lines[:2]):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(lines[0][0], lines[0][1]) and not np.array_equal(lines[0][0], lines[2][0])


def test_an_eos_threshold_lifts_the_pen_where_the_probability_is_above_it():
    model = tiny_model()
    for threshold, lifts in ((0.0, 1.0), (1.0, 0.0)):
        strokes, _, _ = sample("bad", model, SimpleNamespace(tsteps=20, eos_threshold=threshold), 0.0, seed=1, tries=1)
        assert (strokes[:, 5] == lifts).all()
    (often, _, _), (seldom, _, _) = (
        sample("bad", model, None, 0.0, seed=1, tries=1, tsteps=20, eos_threshold=p) for p in (0.35, 0.65)
    )
    assert often[:, 5].sum() >= seldom[:, 5].sum()
    with pytest.raises(ValueError, match="eos_threshold is 2"):
        sample("bad", model, None, eos_threshold=2)
