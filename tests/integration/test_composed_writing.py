"""Composed characters as the shipped model writes them: words in ten languages, measured."""

import numpy as np
import pytest

from composed_helpers import accented_words, measure_marks
from model import load_model
from sample import sample, sample_batch
from scribe.ink.composed import compose_text
from scribe.writing.proofread import sample_checked


@pytest.fixture(scope="module")
def model():
    return load_model("saved/checkpoint")


@pytest.mark.slow
def test_marks_of_ten_languages_are_at_their_letters_and_touch_nothing(model):
    texts = [text for _, text in accented_words()]
    lines = sample_checked(texts, model, bias=1.0, seed=11, attempts=1).lines
    assert [line.text for line in lines] == texts
    found = [mark for line in lines if line.ink is not None for mark in measure_marks(line)]
    assert len(found) > 250
    assert np.mean([at_its_letter for _, _, at_its_letter, _ in found]) >= 0.98
    assert np.mean([touches for *_, touches in found]) <= 0.05


@pytest.mark.slow
def test_the_network_writes_the_same_with_and_without_accents(model):
    texts = ["schöne Grüße", "Łódź, 5 €", "plain"]
    lines = sample_batch(texts, model, seed=3)
    plain = sample_batch([compose_text(text).base for text in texts], model, seed=3)
    for line, base in zip(lines, plain, strict=True):
        assert np.array_equal((line.base or line).strokes, base.strokes)
        assert line.phis.shape == (len(line.strokes), len(line.text)) and len(line.kappas) == len(line.strokes)


@pytest.mark.slow
def test_a_single_sign_is_a_line_of_its_own(model):
    strokes, phis, kappas = sample("€", model, seed=1)
    assert strokes.shape[1] == 6 and phis.shape == (len(strokes), 1) and len(kappas) == len(strokes)
