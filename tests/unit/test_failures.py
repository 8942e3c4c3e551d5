"""What counts as a failure of a written line: each kind alone, on lines of which the rest is whole."""

from types import SimpleNamespace

import numpy as np
import pytest

from scribe.ink.alphabet import ALPHABET
from scribe.ink.point_characters import attended_characters
from scribe.ink.strokes import ink_lengths
from scribe.ink.typical import POINTS_AND_INK
from scribe.writing.failures import (
    KINDS,
    OFF_BASELINE,
    REPEATED,
    RUN_ON,
    SKIPPED,
    TOO_SMALL,
    UNFINISHED,
    Failure,
    attention_summary,
    find_failures,
)

TEXT = "quiet voice"


def written(order, text=TEXT, size=1.0, tilt=0.0, finished=True, ink=None):
    """A line in which each character has its typical points and ink, visited in `order`, a list of indices.

    size: of the hand. tilt: y over x. ink: {index: share of the typical ink}.
    """
    points, characters = [], []
    x = 0.0
    for u in order:
        n, length = POINTS_AND_INK.get(text[u], (10, 4.0))
        length *= size * (ink or {}).get(u, 1.0)
        # Up and down in strokes of a letter's height, and on to the next letter with the pen lifted.
        phase = np.linspace(0, 2 * np.pi, n)
        y = 1.5 * size * np.cos(phase)
        xs = x + np.linspace(0, 1.0 * size, n)
        drawn = np.hypot(np.diff(xs), np.diff(y)).sum()
        part = np.stack([x + (xs - x) * length / drawn, y * length / drawn, np.zeros(n)], axis=1)
        if text[u] == " ":
            part[:, 2] = 1
        part[-1, 2] = 1
        points.append(part)
        characters += [u] * n
        x += 2.5 * size
    points = np.concatenate(points)
    strokes = np.zeros((len(points), 6), np.float32)
    strokes[:, :2], strokes[:, 5] = points[:, :2], points[:, 2]
    strokes[:, 1] += tilt * strokes[:, 0]
    phis = np.full((len(points), len(text)), 0.05, np.float32)
    phis[np.arange(len(points)), characters] = 1.0
    return SimpleNamespace(text=text, strokes=strokes, phis=phis, finished=finished)


def everything(text=TEXT):
    return list(range(len(text)))


@pytest.mark.smoke
@pytest.mark.parametrize("size", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("text", [TEXT, "Hi", "A", "3.50", "Wait... who? (me)", '"No," he said'])
def test_a_whole_line_has_no_failure_whatever_its_size(text, size):
    assert find_failures(written(everything(text), text, size)) == []


def test_a_character_without_ink_was_skipped():
    assert find_failures(written(everything(), ink={2: 0.02})) == [Failure(SKIPPED, 2, 3)]


def test_characters_that_the_attention_passed_over_are_one_failure():
    order = [u for u in everything() if u not in (7, 8, 9)]
    assert find_failures(written(order)) == [Failure(SKIPPED, 7, 10)]


def test_punctuation_that_was_left_out_is_missed():
    text = "yes, no"
    order = [u for u in everything(text) if text[u] != ","]
    assert find_failures(written(order, text)) == [Failure(SKIPPED, 3, 4)]


def test_ink_of_several_characters_in_one_is_a_repetition():
    order = sorted(everything() + [3] * 6)
    assert find_failures(written(order)) == [Failure(REPEATED, 3, 4)]


def test_writing_again_what_was_written_is_a_repetition():
    order = everything()[:6] + [2, 3] + everything()[6:]
    assert [f.kind for f in find_failures(written(order))] == [REPEATED]


def test_ink_of_several_characters_after_the_last_one_is_a_run_on():
    order = everything() + [len(TEXT) - 1] * 6
    assert find_failures(written(order)) == [Failure(RUN_ON, len(TEXT) - 1, len(TEXT))]


@pytest.mark.parametrize("tilt", [-0.6, 0.6])
def test_a_line_that_climbs_or_falls_leaves_its_baseline(tilt):
    text = "a line of many letters"
    assert find_failures(written(everything(text), text)) == []
    assert [f.kind for f in find_failures(written(everything(text), text, tilt=tilt))] == [OFF_BASELINE]


def test_a_line_that_bends_leaves_its_baseline():
    text = "a line of many letters"
    line = written(everything(text), text)
    x = line.strokes[:, 0] / line.strokes[:, 0].max()
    line.strokes[:, 1] += 90 * x * (1 - x)
    assert [f.kind for f in find_failures(line)] == [OFF_BASELINE]


@pytest.mark.parametrize(("word", "share"), [("1987", 0.5), ("IBM", 0.5), ("4.50", 0.6)])
def test_numbers_and_capitals_far_smaller_than_the_letters_beside_them_are_too_small(word, share):
    text = f"in the {word} list"
    start, end = 7, 7 + len(word)
    line = written(everything(text), text, ink=dict.fromkeys(range(start, end), share))
    assert find_failures(line) == [Failure(TOO_SMALL, start, end)]
    assert find_failures(written(everything(text), text, ink=dict.fromkeys(range(start, end), 0.8))) == []


def test_a_small_hand_is_not_too_small_nor_are_digits_without_letters_to_compare():
    text = "in the 1987 list"
    assert find_failures(written(everything(text), text, size=0.5)) == []
    assert find_failures(written(everything("1987"), "1987", size=0.5)) == []


def test_a_line_that_was_cut_off_is_unfinished():
    assert [f.kind for f in find_failures(written(everything(), finished=False))] == [UNFINISHED]


def test_failures_are_told_with_their_word():
    assert Failure(SKIPPED, 8, 10).describe(TEXT) == 'skipped "ic" in "voice"'
    assert Failure(REPEATED, 0, 5).describe(TEXT) == 'repeated "quiet"'
    assert Failure(UNFINISHED, 3, 11).describe(TEXT) == "not finished"
    assert all(Failure(kind, 0, 2).describe(TEXT) for kind in KINDS)


def test_every_character_that_real_lines_hold_has_typical_figures():
    """A space has no ink of its own; the real lines have no & and *, and nothing is written for their %."""
    assert set(ALPHABET) - set(POINTS_AND_INK) == set(" %&*")


def test_ink_is_what_the_pen_drew_and_not_where_it_jumped():
    strokes = np.zeros((4, 6))
    strokes[:, 0] = [0, 3, 10, 11]
    strokes[1, 5] = 1  # lifts after the second point
    assert ink_lengths(strokes).tolist() == [0, 3, 0, 1]


def test_attention_that_stands_on_one_character_at_a_time_has_width_one():
    phis = np.eye(5).repeat(3, axis=0)
    assert attended_characters(phis).tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    monotony, width = attention_summary(phis)
    assert monotony == 1 and width == pytest.approx(1, abs=1e-3)
    assert attention_summary(phis[::-1])[0] < 1
    assert attention_summary(np.ones((4, 5)))[1] == pytest.approx(5, abs=1e-3)
