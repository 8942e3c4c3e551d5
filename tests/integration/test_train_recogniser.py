"""scripts/train_recogniser.py: the recogniser learns to read, and what it has learned is written."""

import numpy as np
import pytest

from data_helpers import write_data
from scribe.ink.alphabet import ALPHABET
from scribe.network.tf_setup import tf
from scribe.training.run_state import WeightAverage
from scribe.writing.picture_recogniser import PictureRecogniser
from scribe.writing.recogniser import Recogniser
from scripts import train_recogniser
from writing_helpers import write_text

BOTH = pytest.mark.parametrize("kind", [Recogniser, PictureRecogniser], ids=["path", "pictures"])


@pytest.mark.slow
@BOTH
def test_a_reader_learns_the_lines_that_it_is_shown(kind):
    texts = ["dig a", "add 11", "A gag", "A1 aid"]  # of letters that differ in the synthetic hand
    lines = [write_text(text)[0] for text in texts]
    recogniser = kind()
    step = train_recogniser.make_train_step(recogniser, tf.keras.optimizers.Adam(), WeightAverage([], 0.0))
    x, lengths = recogniser.together([recogniser.features(line) for line in lines])
    labels = train_recogniser.sparse_labels(texts, ALPHABET)
    rates = np.linspace(3e-3, 1e-4, 300)  # with fewer steps it is chance whether all are read
    losses = [float(step(x, lengths, labels, rate, k)) for k, rate in enumerate(rates)]
    assert losses[-1] < 0.1 < losses[0]
    assert recogniser.read(lines) == texts


@BOTH
def test_the_command_writes_a_reader_and_says_how_it_reads(kind, tmp_path, capsys):
    write_data(tmp_path, lines=41)
    flags = ["--data_dir", str(tmp_path), "--output", str(tmp_path / "reader.npz"), "--epochs", "1"]
    flags += ["--pictures"] if kind is PictureRecogniser else []
    assert train_recogniser.main(flags) == 0
    assert "% of the characters of the validation lines" in capsys.readouterr().err
    recogniser = kind.load(tmp_path / "reader.npz")
    kind().save(tmp_path / "untrained.npz")
    untrained = kind.load(tmp_path / "untrained.npz")
    assert not np.array_equal(recogniser.trainable_variables[0], untrained.trainable_variables[0])
    logits, _ = recogniser.logits(*recogniser.together([recogniser.features(np.eye(3))]))
    assert recogniser.alphabet == ALPHABET and np.isfinite(logits).all()


def test_a_training_goes_on_from_given_weights(tmp_path, capsys):
    write_data(tmp_path, lines=41)
    first = Recogniser(seed=5)
    first.save(tmp_path / "first.npz")
    flags = ["--data_dir", str(tmp_path), "--output", str(tmp_path / "reader.npz"), "--epochs", "1", "--rate", "1e-9"]
    assert train_recogniser.main([*flags, "--init_from", str(tmp_path / "first.npz")]) == 0
    found = Recogniser.load(tmp_path / "reader.npz")
    for a, b in zip(found.trainable_variables, first.trainable_variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-2)
    assert train_recogniser.main([*flags, "--init_from", str(tmp_path / "none.npz")]) == 1
    assert "none.npz cannot be read" in capsys.readouterr().err


@BOTH
def test_lines_that_are_too_short_for_their_text_or_unknown_are_left_out(kind):
    offsets = np.array([[0, 0, 0], [0, 10, 0], [0, 10, 1]], float)
    lines, texts = train_recogniser.readable([offsets] * 3, ["l", "l" * 40, "\u00e9"], kind())
    assert texts == ["l"] and len(lines) == 1


def test_the_command_says_what_is_missing(tmp_path, capsys):
    assert train_recogniser.main(["--data_dir", str(tmp_path), "--output", str(tmp_path / "reader.npz")]) == 1
    assert "Error" in capsys.readouterr().err and not (tmp_path / "reader.npz").exists()
