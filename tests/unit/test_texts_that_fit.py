"""Whether the text of a line is what is written there: the recogniser says so, or the network does."""

import numpy as np
import pytest

from model import load_model
from scribe.learning import texts_that_fit
from scribe.learning.texts_that_fit import MOST_MISREAD, fits
from scribe.writing.recogniser import load_recogniser
from scribe.writing.styles import MIN_TEXT_GAIN, load_styles

STROKES = np.array([[0, 0, 0], [1, 2, 0], [3, 1, 1]], np.float32)


@pytest.fixture
def asked(monkeypatch):
    """asked(gain) -> the texts that the network is asked about from now on; it answers with that gain."""

    def asked(gain):
        texts = []
        monkeypatch.setattr(texts_that_fit, "text_gain", lambda line, model: texts.append(line[1]) or gain)
        return texts

    return asked


def test_a_text_that_reads_as_told_fits_whatever_the_network_thinks(asked):
    texts = asked(gain=-1.0)
    assert fits([(STROKES, "what is told"), (STROKES, "a hand")], None, lambda lines: ["what is to1d", "a hand"]) == [
        True,
        True,
    ]
    assert texts == []  # it costs time


@pytest.mark.parametrize(
    ("gain", "fit"), [(2 * MIN_TEXT_GAIN, True), (MIN_TEXT_GAIN / 2, False), (float("nan"), False)]
)
def test_of_a_hand_that_cannot_be_read_the_network_decides(asked, gain, fit):
    texts = asked(gain)
    assert fits([(STROKES, "what is told"), (STROKES, "a hand")], None, lambda lines: ["xx", "a hand"]) == [fit, True]
    assert texts == ["what is told"]


def test_the_recogniser_is_given_positions_of_the_pen(asked):
    asked(gain=1.0)
    seen = []
    fits([(STROKES, "abc")], None, lambda lines: seen.extend(lines) or [""])
    np.testing.assert_allclose(seen[0], [[0, 0, 0], [1, 2, 0], [4, 3, 1]])


def test_as_many_misread_characters_as_are_allowed_fit(asked):
    asked(gain=-1.0)
    text, most = "a" * 100, round(100 * MOST_MISREAD)
    told = [(STROKES, text)] * 2
    assert fits(told, None, lambda lines: ["b" * most + "a" * (100 - most), "b" * (most + 1) + "a" * (99 - most)]) == [
        True,
        False,
    ]


@pytest.mark.slow
def test_shipped_lines_fit_their_own_text_and_neither_another_one_nor_strokes_in_reverse():
    model, read = load_model("saved/checkpoint"), load_recogniser().read
    lines = load_styles("data", model.config.data_scale)[:12]
    assert all(fits(lines, model, read))
    another = [(strokes, "nobody here has written these words") for strokes, _ in lines]
    assert sum(fits(another, model, read)) <= 1
    assert sum(fits([(_last_stroke_first(strokes), text) for strokes, text in lines], model, read)) <= 1


def _last_stroke_first(offsets):
    points = np.column_stack([np.cumsum(offsets[:, :2], axis=0), offsets[:, 2]])
    points = np.concatenate(np.split(points, np.flatnonzero(offsets[:, 2])[:-1] + 1)[::-1])
    return np.column_stack([np.diff(points[:, :2], axis=0, prepend=points[:1, :2]), points[:, 2]]).astype(np.float32)
