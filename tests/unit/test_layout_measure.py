"""Measuring: baseline, x-height, slant and words are found where they are known to be."""

import numpy as np
import pytest

from scribe.ink.measure import measure_line, straighten
from scribe.ink.point_characters import character_index
from scribe.ink.segments import split_line, split_text
from scribe.ink.typical import estimate_width
from scribe.ink.words import Segment, split_words
from writing_helpers import write_text

TEXTS = ["the quick brown fox, as seen", "HELLO WORLD", "1984 2001 42", "Hello", "gypsy jog", "an", "it is.", "I am 42"]


# ------------------------------------------------------------------------------------------------------- characters


def test_attention_that_moves_forward_is_taken_as_it_is():
    index = np.repeat(np.arange(5), 4)
    assert (character_index(np.eye(5)[index]) == index).all()


def test_a_point_whose_attention_jumps_ahead_does_not_take_the_others_along():
    index = np.repeat(np.arange(10), 6)
    phis = np.eye(10)[index] + 0.01
    phis[12] = np.eye(10)[9]
    assert (np.delete(character_index(phis), 12) == np.delete(index, 12)).all()


@pytest.mark.parametrize("phis", [np.zeros((4, 0)), np.full((4, 2), np.nan), np.zeros(4)])
def test_attention_that_is_none_is_refused(phis):
    with pytest.raises(ValueError, match="phis"):
        character_index(phis)


# -------------------------------------------------------------------------------------------------------- measuring


@pytest.mark.smoke
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("tilt", [0.0, 0.08, -0.15])
@pytest.mark.parametrize("known", [True, False], ids=["with index", "without index"])
def test_baseline_and_x_height_are_found_in_any_line(text, tilt, known):
    strokes, index = write_text(text, x_height=1.5, tilt=tilt)
    metrics = measure_line(strokes, text, index if known else None)
    assert metrics.x_height == pytest.approx(1.5, rel=0.15)
    x = np.linspace(strokes[:, 0].min(), strokes[:, 0].max(), 20)
    # A short word says little about its tilt, so part of that may stay.
    allowed = 0.15 * 1.5 + (abs(tilt) * np.ptp(x) * 0.5 if np.ptp(x) < 12 else 0)
    assert np.abs(metrics.baseline_at(x) - tilt * x).max() < allowed


@pytest.mark.parametrize("text", ["...", "-", "''", ", ,"])
def test_punctuation_alone_has_no_x_height_but_a_baseline(text):
    strokes, index = write_text(text)
    metrics = measure_line(strokes, text, index)
    assert metrics.x_height is None and np.isfinite(metrics.baseline_at(strokes[:, 0])).all()


@pytest.mark.parametrize("unit", [0.01, 1.0, 300.0])
def test_measures_grow_with_the_strokes(unit):
    strokes, index = write_text("the quick brown fox", x_height=unit, slant=0.2, jitter=0.05)
    metrics = measure_line(strokes, "the quick brown fox", index)
    assert metrics.x_height == pytest.approx(unit, rel=0.15)
    assert metrics.slant == pytest.approx(measure_line(strokes / unit, "the quick brown fox", index).slant, abs=0.01)


@pytest.mark.parametrize("slant", [-0.3, 0.0, 0.5])
def test_slant_is_that_of_the_downstrokes(slant):
    def measured(slant):
        strokes, index = write_text("hidden hill", slant=slant)
        return measure_line(strokes, "hidden hill", index).slant

    assert measured(slant) - measured(0.0) == pytest.approx(slant, abs=0.08)


def test_straightening_takes_tilt_and_bend_out_and_leaves_the_letters_their_variation():
    text = "an even mixture of rows and columns we can see"
    jittered, index = write_text(text, jitter=0.12, seed=3)
    crooked, _ = write_text(text, jitter=0.12, seed=3, tilt=0.1, bend=2.0)
    letters = [k for k, c in enumerate(text) if c in "acemnorsuvwx"]

    def bottoms(points):
        return np.array([points[index == k, 1].max() for k in letters])

    flat = bottoms(straighten(crooked, measure_line(crooked, text, index)))
    true = bottoms(jittered)
    assert np.ptp(bottoms(crooked)) > 5  # or there was nothing to do
    assert np.abs(flat - true).max() < 0.35  # of an x-height of 1.5
    assert np.corrcoef(flat, true)[0, 1] > 0.7 and 0.7 < flat.std() / true.std() < 1.3


def test_strongly_bent_baseline_is_followed():
    text = "an even mixture of rows and columns we can see"
    strokes, index = write_text(text, bend=4.0)
    flat = straighten(strokes, measure_line(strokes, text, index))
    letters = [flat[index == k, 1].max() for k, c in enumerate(text) if c in "acemnorsuvwx"]
    assert np.ptp(letters) < 0.6  # of an x-height of 1.5; 6 before


def test_straightening_to_a_slant_shears_about_the_baseline():
    strokes, index = write_text("hidden hill", slant=0.4)
    metrics = measure_line(strokes, "hidden hill", index)
    upright = straighten(strokes, metrics, metrics.slant - 0.4)
    assert measure_line(upright, "hidden hill", index).slant == pytest.approx(metrics.slant - 0.4, abs=0.05)
    on_baseline = np.abs(upright[:, 1]) < 0.02
    assert np.abs(upright[on_baseline, 0] - strokes[on_baseline, 0]).max() < 0.05


@pytest.mark.parametrize(
    ("strokes", "what"),
    [
        (np.zeros((0, 3)), "no pen points"),
        (np.full((3, 3), np.nan), "not a finite number"),
        (np.zeros((3, 2)), r"\(3, 2\)"),
    ],
)
def test_strokes_that_cannot_be_measured_are_refused_in_words(strokes, what):
    with pytest.raises(ValueError, match=what):
        measure_line(strokes)
    with pytest.raises(ValueError, match=what):
        split_words(Segment("ab", strokes))


@pytest.mark.parametrize("points", [np.array([[1.0, 2, 1]]), np.tile([[1.0, 2, 0]], (5, 1))])
def test_a_single_place_can_be_measured(points):
    metrics = measure_line(points, ".")
    assert np.isfinite(metrics.baseline_at([0.0, 1.0])).all()
    assert np.isfinite(straighten(points, metrics)).all()


# ------------------------------------------------------------------------------------------------------------ words


@pytest.mark.parametrize("known", [True, False], ids=["with index", "without index"])
def test_words_are_cut_at_their_spaces(known):
    text = "it is a quick (brown) fox, 42 times."
    strokes, index = write_text(text)
    words = split_words(Segment(text, strokes, index if known else None))
    assert [word.text for word in words] == text.split()
    for word, first in zip(words, np.cumsum([0, *(len(w) + 1 for w in text.split())])):
        true = (index >= first) & (index < first + len(word.text))
        assert (word.points[:, :2] == strokes[true][:, :2]).all()
        assert not known or (word.index == index[true] - first).all()


@pytest.mark.parametrize("shift", [-12, -6, 6, 12])
def test_attention_that_runs_ahead_or_behind_does_not_move_strokes_to_the_neighbour(shift):
    text = "the man saw five more"
    strokes, index = write_text(text)
    words = split_words(Segment(text, strokes, np.roll(index, shift) if shift else index))
    lengths = [(np.isin(index, range(a, a + len(w)))).sum() for w, a in _words_of(text)]
    assert [len(word.points) for word in words] == lengths


@pytest.mark.parametrize("ends", ",.!")
def test_what_ends_a_word_stays_with_it_where_it_stands_nearer_to_the_next(ends):
    text = f"one crooked{ends} full one"
    strokes, index = write_text(text)
    strokes[index == text.index(ends), 0] += 2.4
    words = split_words(Segment(text, strokes, index))
    assert [len(word.points) for word in words] == [
        np.isin(index, range(a, a + len(w))).sum() for w, a in _words_of(text)
    ]


@pytest.mark.parametrize("text", ["at 5 o'clock", "so I'm in", "an x-ray of", "by 7:30 on", "see e.g. this"])
def test_a_mark_within_a_word_that_stands_apart_does_not_end_it(text):
    strokes, index = write_text(text)
    mark = next(k for k, c in enumerate(text) if c in "'-:.")
    strokes[index >= mark, 0] += 1.8  # farther from what comes before it than words are from each other
    strokes[index > mark, 0] += 1.8
    strokes[index > text.rindex(" ", 0, mark), 0] -= 2.2
    words = split_words(Segment(text, strokes, index))
    assert [len(word.points) for word in words] == [
        np.isin(index, range(a, a + len(w))).sum() for w, a in _words_of(text)
    ]


def _words_of(text):
    first = 0
    for word in text.split():
        yield word, first
        first += len(word) + 1


def test_a_wide_gap_within_a_word_is_not_taken_for_the_space():
    text = "abcdef ghij"
    strokes, index = write_text(text)
    strokes[index >= 9, 0] += 2.6 * 1.5  # wider than the space
    assert [len(w.points) for w in split_words(Segment(text, strokes, index))] == [(index < 6).sum(), (index > 6).sum()]


def test_a_dot_that_is_set_late_stays_with_its_word():
    text = "ni us"
    strokes, index = write_text(text)
    words = split_words(Segment(text, strokes, np.where(index >= 1, index + 1, index).clip(0, 4)))
    assert len(words[0].points) == (index < 2).sum()  # stem and dot of the i


def test_a_letter_that_begins_with_a_dot_at_its_far_end_stays_with_its_word():
    text = "yours sin"
    strokes, index = write_text(text)
    letter = strokes[index == 4]
    right = letter[:, 0].max()
    strokes[index > 5, 0] += right + 0.6 - strokes[index > 5, 0].min()  # a gap that is narrower than the letter
    dot = [right, letter[:, 1].min(), 0.1, 0.1, 0.0, 1.0]
    first = int(np.flatnonzero(index == 4)[0])
    strokes, index = np.insert(strokes, first, dot, axis=0), np.insert(index, first, 4)
    words = split_words(Segment(text, strokes, index))
    assert [len(w.points) for w in words] == [(index < 5).sum(), (index > 5).sum()]


def test_words_that_the_pen_joined_stay_together():
    text = "as one"
    strokes, index = write_text(text, joined=True)
    (word,) = split_words(Segment(text, strokes, index))
    assert word.text == text and len(word.points) == len(strokes)


def test_index_counts_the_characters_of_the_segment_whatever_its_white_space():
    strokes, index = write_text("  an  owl ")
    words = split_words(Segment("  an  owl ", strokes, index))
    assert [word.text for word in words] == ["an", "owl"]
    assert [sorted(set(word.index.tolist())) for word in words] == [[0, 1], [0, 1, 2]]


def test_index_that_does_not_fit_the_points_is_refused():
    strokes, index = write_text("ab")
    with pytest.raises(ValueError, match="one entry for each point"):
        split_words(Segment("ab", strokes, index[:-1]))


# ------------------------------------------------------------------------------------------------- text to segments


def test_blank_lines_separate_paragraphs_and_addresses_keep_their_lines():
    text = "\n12 Elm Road\nBath\n\n\nDear Jon,\n   thank   you.  \n\n"
    assert split_text(text) == [["12 Elm Road"], ["Bath"], [], ["Dear Jon,"], ["thank you."]]
    assert split_text(text, newlines="join") == [["12 Elm Road Bath"], [], ["Dear Jon, thank you."]]


def test_text_that_an_editor_has_wrapped_flows_again():
    import textwrap

    words = " ".join(f"word{k}" for k in range(40))
    wrapped = textwrap.fill(words, 60) + "\n\nYours,\nJon"
    paragraphs = split_text(wrapped)
    assert " ".join(paragraphs[0]) == words
    assert paragraphs[1:] == [[], ["Yours,"], ["Jon"]]
    assert len(split_text(wrapped, newlines="keep")) == len(textwrap.wrap(words, 60)) + 3


def test_segments_are_few_and_even():
    text = "a week, and the garden is under water; we read, we cook, and wait"
    segments = split_line(text, 40)
    assert " ".join(segments) == text and len(segments) == 2
    assert abs(len(segments[0]) - len(segments[1])) <= 7  # cutting after 40 characters would leave 37 and 27


def test_word_longer_than_a_segment_stands_alone():
    assert split_line("to pneumonoultramicroscopic me", 10) == ["to", "pneumonoultramicroscopic", "me"]


def test_empty_text_has_no_segments():
    assert split_text(" \n\n ") == [] and split_line("  ") == []


def test_the_width_of_a_text_is_estimated_by_its_characters_not_by_how_many_they_are():
    assert estimate_width("mmmm") > 2 * estimate_width("iiii")
    assert estimate_width("ab") == estimate_width("a") + estimate_width("b") and estimate_width("") == 0


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: split_text("a", 0), "max_characters is 0"),
        (lambda: split_text("a", newlines="x"), "newlines is 'x'"),
    ],
)
def test_values_out_of_range_are_refused(call, what):
    with pytest.raises(ValueError, match=what):
        call()


def test_words_without_a_gap_are_cut_at_a_pen_lift_where_it_has_to_be():
    strokes, index = write_text("asone")
    strokes[:, 0] *= 0.5  # letters overlap
    index = np.where(index > 1, index + 1, index)
    segment = Segment("as one", strokes, index)
    overlapping = strokes.copy()
    overlapping[:, 0] = np.arange(len(strokes)) % 30  # each letter over all of the line
    assert [w.text for w in split_words(Segment("as one", overlapping, index))] == ["as one"]
    assert [w.text for w in split_words(Segment("as one", overlapping, index), force=True)] == ["as", "one"]
    assert len(split_words(segment, force=True)) == 2
