"""Weights go to the characters that they were learned for, whatever the order of the alphabet.

An alphabet of the same characters in another order used to restore in silence, and wrote other characters.
"""

import dataclasses
import random
from types import SimpleNamespace

import numpy as np
import pytest

from model import HandwritingModel, load_model
from scribe.ink.alphabet import ALPHABET, to_one_hot
from scribe.network.checkpoint import CheckpointError, restore_weights, save_model

import tensorflow as tf  # isort: skip

SHUFFLED = "".join(random.Random(1).sample(ALPHABET, len(ALPHABET)))
LETTERS = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
STROKES = np.random.default_rng(0).normal(size=(1, 12, 3)).astype(np.float32)


def make_model(alphabet, seed=0, **sizes):
    sizes = {"rnn_size": 6, "nmixtures": 2, "kmixtures": 1, **sizes}
    model = HandwritingModel(SimpleNamespace(alphabet=alphabet, **sizes))
    rng = np.random.default_rng(seed)
    for v in model.trainable_variables:
        v.assign(rng.normal(0, 0.5, v.shape))
    return model


def outputs(model, text):
    out = model({"stroke_data": STROKES, "char_seq": to_one_hot(text, alphabet=model.alphabet)[None]})
    return np.concatenate([out[name].numpy() for name in ("eos", "pi", "mu1", "mu2", "sigma1", "sigma2", "rho")], -1)


def restore_plainly(prefix, model):
    """As users of TensorFlow restore: without this suite."""
    tf.train.Checkpoint(model=model).restore(prefix).expect_partial()


def save_as_before(prefix, model):
    """A checkpoint from before they kept their alphabet."""
    state = model.named_weights.alphabet
    del model.named_weights.alphabet
    save_model(prefix, model)
    model.named_weights.alphabet = state


@pytest.mark.smoke
@pytest.mark.parametrize("restore", [restore_plainly, restore_weights])
@pytest.mark.parametrize("save", [save_model, save_as_before])
@pytest.mark.parametrize("alphabet", [SHUFFLED, LETTERS, LETTERS[::-1], ALPHABET + "é"])
def test_every_character_keeps_its_weights(alphabet, save, restore, tmp_path):
    trained, prefix = make_model(ALPHABET), str(tmp_path / "checkpoint")
    save(prefix, trained)
    other = make_model(alphabet, seed=1)
    restore(prefix, other)
    for text in ("Hello World", "abc xyz"):
        np.testing.assert_allclose(outputs(other, text), outputs(trained, text), rtol=1e-5, atol=1e-6)
    assert np.abs(outputs(trained, "Hello World") - outputs(trained, "G&-O V03-%x")).max() > 1e-3


def test_a_character_that_the_checkpoint_does_not_know_starts_as_its_unknown_one(tmp_path):
    trained, prefix = make_model(LETTERS), str(tmp_path / "checkpoint")
    save_model(prefix, trained)
    larger = make_model(SHUFFLED, seed=1)
    assert sorted(restore_weights(prefix, larger)) == sorted(set(SHUFFLED) - set(LETTERS))
    np.testing.assert_allclose(outputs(larger, "a1b?"), outputs(trained, "a\0b\0"), rtol=1e-5, atol=1e-6)
    assert restore_weights(prefix, make_model(LETTERS[::-1])) == ""


def test_an_older_checkpoint_with_an_alphabet_of_its_own_goes_by_the_config_beside_it(tmp_path):
    trained, prefix = make_model("öäü xyz"), str(tmp_path / "checkpoint")
    save_as_before(prefix, trained)
    other = make_model("zyx üöä", seed=1)
    restore_weights(prefix, other)
    np.testing.assert_allclose(outputs(other, "öx zä"), outputs(trained, "öx zä"), rtol=1e-5, atol=1e-6)


def test_one_checkpoint_after_another_each_with_its_own_alphabet(tmp_path):
    prefixes = []
    for k, alphabet in enumerate((SHUFFLED, ALPHABET)):
        prefixes.append(str(tmp_path / str(k) / "checkpoint"))
        (save_model, save_as_before)[k](prefixes[-1], make_model(alphabet, seed=k))
    model = make_model(ALPHABET[::-1], seed=5)
    for k in (0, 1, 0):
        restore_plainly(prefixes[k], model)
        expected = make_model((SHUFFLED, ALPHABET)[k], seed=k)
        np.testing.assert_allclose(outputs(model, "Jon Snow"), outputs(expected, "Jon Snow"), rtol=1e-5, atol=1e-6)


def test_everything_that_a_checkpoint_holds_is_restored_and_nothing_is_missing(tmp_path):
    model = make_model(LETTERS)
    prefix = tf.train.Checkpoint(model=model).save(str(tmp_path / "ckpt"))
    other = make_model(LETTERS, seed=1)
    tf.train.Checkpoint(model=other).restore(prefix).assert_consumed()
    np.testing.assert_array_equal(outputs(other, "abc"), outputs(model, "abc"))


@pytest.mark.parametrize("sizes", [{"rnn_size": 7}, {"nmixtures": 3}])
def test_another_size_of_network_is_still_refused(sizes, tmp_path):
    prefix = str(tmp_path / "checkpoint")
    save_model(prefix, make_model(ALPHABET))
    with pytest.raises(CheckpointError, match="cannot be restored"):
        restore_weights(prefix, make_model(SHUFFLED, **sizes))
    with pytest.raises(ValueError):
        restore_plainly(prefix, make_model(SHUFFLED, **sizes))


def test_a_config_in_another_order_than_the_checkpoint_changes_nothing(tmp_path):
    trained, prefix = make_model(ALPHABET), str(tmp_path / "checkpoint")
    save_model(prefix, trained)
    from scribe.files.atomic import save_json

    save_json(str(tmp_path / "config.json"), dataclasses.asdict(dataclasses.replace(trained.config, alphabet=SHUFFLED)))
    np.testing.assert_allclose(outputs(load_model(prefix), "Hello"), outputs(trained, "Hello"), rtol=1e-5, atol=1e-6)
