"""What counts as a failure of a written line: each kind alone, on lines of which the rest is whole."""

from types import SimpleNamespace

import numpy as np
import pytest

from scribe.ink.alphabet import ALPHABET
from scribe.ink.point_characters import attended_characters
from scribe.ink.strokes import ink_lengths
from scribe.ink.typical import POINTS_AND_INK
from scribe.writing.failures import (
    MERGED,
    MISREAD,
    OFF_BASELINE,
    RAISED,
    REPEATED,
    RUN_ON,
    SKIPPED,
    STRAY_MARK,
    TOO_SMALL,
    UNFINISHED,
    Failure,
    attention_summary,
    find_failures,
)

TEXT = "quiet voice"


def written(order, text=TEXT, size=1.0, tilt=0.0, finished=True, ink=None):
    """A line in which each character has its typical points and ink, visited in `order`, a list of indices, or of
    (index, share of the typical ink) for a single visit.

    size: of the hand. tilt: y over x. ink: {index: share of the typical ink}.
    """
    points, characters = [], []
    x = 0.0
    for visit in order:
        u, share = visit if isinstance(visit, tuple) else (visit, (ink or {}).get(visit, 1.0))
        n, length = POINTS_AND_INK.get(text[u], (10, 4.0))
        length *= size * share
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


@pytest.mark.parametrize(("share", "found"), [(0.14, SKIPPED), (0.16, None), (4.4, None), (4.6, REPEATED)])
def test_how_little_and_how_much_ink_is_a_failure(share, found):
    expected = [Failure(found, 2, 3)] if found else []
    assert find_failures(written(everything(), ink={2: share})) == expected
    assert find_failures(written(everything(), ink={2: share}, size=2.0)) == expected


@pytest.mark.parametrize(("times", "found"), [(5, []), (6, [Failure(REPEATED, 3, 4)])])
def test_so_many_points_are_too_many_even_with_little_ink(times, found):
    order = everything()[:3] + [(3, 0.2)] * times + everything()[4:]
    assert find_failures(written(order)) == found


@pytest.mark.parametrize(("size", "failures"), [(0.04, True), (0.05, False), (13.0, False), (14.0, True)])
def test_no_hand_is_as_small_or_as_large_as_that(size, failures):
    assert bool(find_failures(written(everything(), size=size))) == failures


def test_a_line_of_signs_alone_is_judged_by_the_usual_size():
    assert find_failures(written([0, 1], "!?")) == []
    assert find_failures(written([0, 1], "!?", ink={0: 4.6})) == [Failure(REPEATED, 0, 1)]
    assert find_failures(written([0, 1], "!?", ink={0: 4.4})) == []


@pytest.mark.parametrize(("text", "u"), [("yes, no", 3), ("o, no", 1), ("so; no", 2), ("hello, no", 5)])
def test_a_sign_that_was_not_attended_to_may_have_its_ink_in_the_character_before(text, u):
    order = [k for k in everything(text) if k != u]
    assert find_failures(written(order, text)) == [Failure(SKIPPED, u, u + 1)]
    assert find_failures(written(order, text, ink={u - 1: 1.2})) == []
    assert find_failures(written(everything(text), text, ink={u: 0.02})) == []  # it was


def test_a_sign_at_the_beginning_may_have_its_ink_in_the_character_after():
    assert find_failures(written([1, 2], '"No')) == []


def test_a_space_that_nothing_was_written_at_is_no_failure():
    order = [u for u in everything() if u not in (5, 6)]
    assert find_failures(written(order)) == [Failure(SKIPPED, 6, 7)]


@pytest.mark.parametrize(
    ("first", "share", "found"),
    [
        (4, 1.0, []),  # a step back may be a dot
        (3, 1.0, [Failure(REPEATED, 3, 5)]),
        (2, 1.0, [Failure(REPEATED, 2, 5)]),
        (0, 1.0, [Failure(REPEATED, 0, 5)]),
        (2, 0.45, []),
        (2, 0.55, [Failure(REPEATED, 2, 5)]),
    ],
)
def test_going_back_is_a_repetition_where_half_a_character_was_written(first, share, found):
    text = "nnnnnnnnn"
    assert find_failures(written([*range(6), (first, share), *range(6, 9)], text)) == found
    assert find_failures(written([*range(6), (first, share)], text[:6])) == found  # and nothing after it


@pytest.mark.parametrize("text", ["nnnnn", "nnnnv"])  # of an even and of an odd number of points
def test_a_line_that_ends_where_the_attention_went_back_has_a_repetition(text):
    assert find_failures(written([0, 1, 2, 3, 4, 1], text)) == [Failure(REPEATED, 1, 4)]


def test_failures_beside_each_other_are_one_if_they_are_of_one_kind():
    far = [u for u in everything() if u not in (1, 7, 8)]
    assert find_failures(written(far)) == [Failure(SKIPPED, 1, 2), Failure(SKIPPED, 7, 9)]
    kinds = written(everything(), ink={1: 0.02, 2: 5.0})
    assert find_failures(kinds) == [Failure(SKIPPED, 1, 2), Failure(REPEATED, 2, 3)]
    last = written(everything(), ink={9: 5.0, 10: 5.0})
    assert find_failures(last) == [Failure(REPEATED, 9, 10), Failure(RUN_ON, 10, 11)]
    one_in_another = written([*range(9), (2, 5.0), 3, *range(9, 11)])
    assert find_failures(one_in_another) == [Failure(REPEATED, 2, 8)]


def test_more_ink_at_the_end_is_a_run_on_whatever_the_length():
    for text in ("voice", "voices", "a voice", "no voice"):
        last = len(text) - 1
        assert find_failures(written(everything(text), text, ink={last: 5.0})) == [Failure(RUN_ON, last, last + 1)]


# ------------------------------------------------------------------------------------------------------- the baseline


def leaves_baseline(x, y, height=1.0):
    """Whether a line of letters with these left ends and lower ends does."""
    zigzag = np.array([[0, 1], [0.1, 0], [0.2, 1], [0.3, 0], [0.4, 1], [0.5, 0]]) * [1, -height]
    points = np.concatenate([zigzag + corner for corner in zip(x, y)])
    strokes = np.zeros((len(points), 6))
    strokes[:, :2], strokes[5::6, 5] = points, 1
    text = "n" * len(x)
    line = SimpleNamespace(text=text, strokes=strokes, phis=np.eye(len(text)).repeat(6, axis=0), finished=True)
    return OFF_BASELINE in [failure.kind for failure in find_failures(line)]


@pytest.mark.parametrize(("tilt", "leaves"), [(0.34, False), (0.36, True), (-0.34, False), (-0.36, True)])
@pytest.mark.parametrize("start", [0.0, 300.0])
def test_how_steep_a_line_may_be(tilt, leaves, start):
    x = np.arange(20) * 2.0
    assert leaves_baseline(x, start + tilt * x) == leaves


@pytest.mark.parametrize("height", [1.0, 10.0])
@pytest.mark.parametrize(("drift", "leaves"), [(1.4, False), (1.7, True)])
def test_how_far_letters_may_stand_from_the_straight_line(height, drift, leaves):
    x = np.arange(60) * 2.0 * height
    y = np.zeros(60)
    y[30:33] = drift * height
    assert leaves_baseline(x, 50 + y, height) == leaves and leaves_baseline(x, 50 - y, height) == leaves


def test_one_letter_may_jump():
    x, y = np.arange(20) * 2.0, np.zeros(20)
    y[9] = 8.0
    assert not leaves_baseline(x, y)


@pytest.mark.parametrize("height", [1.0, 4.0])
@pytest.mark.parametrize(
    ("width", "tilt", "leaves"), [(4.8, 0.5, False), (5.2, 0.5, True), (4.8, 0.9, True), (4.8, 0.55, False)]
)
def test_a_short_line_has_no_direction_but_three_letters_of_height(height, width, tilt, leaves):
    x = np.linspace(0, width, 9) * height
    assert leaves_baseline(x, tilt * x, height) == leaves


def test_three_letters_make_no_line():
    x = np.arange(4) * 9.0
    assert leaves_baseline(x, x) and not leaves_baseline(x[:3], x[:3])


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


@pytest.mark.parametrize(("share", "small"), [(0.63, True), (0.67, False)])
@pytest.mark.parametrize("size", [0.7, 1.0, 2.0])
def test_so_little_ink_makes_a_number_too_small_beside_its_letters(share, small, size):
    text = "list 1987 of it"
    line = written(everything(text), text, size, ink=dict.fromkeys(range(5, 9), share))
    assert find_failures(line) == ([Failure(TOO_SMALL, 5, 9)] if small else [])


def test_two_letters_are_too_few_to_compare_a_number_with_and_three_are_enough():
    little = {"ink": dict.fromkeys(range(4), 0.5)}
    assert find_failures(written(everything("1987 no"), "1987 no", **little)) == []
    assert find_failures(written(everything("1987 not"), "1987 not", **little)) == [Failure(TOO_SMALL, 0, 4)]


def test_a_small_hand_is_not_too_small_nor_are_digits_without_letters_to_compare():
    text = "in the 1987 list"
    assert find_failures(written(everything(text), text, size=0.5)) == []
    assert find_failures(written(everything("1987"), "1987", size=0.5)) == []


def test_a_line_that_was_cut_off_is_unfinished_from_where_the_attention_stopped():
    assert find_failures(written(everything(), finished=False)) == [Failure(UNFINISHED, 10, 11)]


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Failure(SKIPPED, 8, 10), 'skipped "ic" in "voice"'),
        (Failure(REPEATED, 0, 5), 'repeated "quiet"'),
        (Failure(RUN_ON, 10, 11), 'run-on "e" in "voice"'),
        (Failure(TOO_SMALL, 6, 11), 'too small "voice"'),
        (Failure(MISREAD, 7, 8, "a"), 'the "o" of "voice" (as "a") may be hard to read'),
        (Failure(MISREAD, 7, 8), 'the "o" of "voice" may be hard to read'),
        (Failure(MISREAD, 6, 11, " "), '"voice" may be hard to read'),
        (Failure(UNFINISHED, 3, 11), "not finished"),
        (Failure(OFF_BASELINE, 0, 11), "left its baseline"),
        (Failure(STRAY_MARK, 1, 2), 'a dot too many at the "u" of "quiet"'),
        (Failure(RAISED, 4, 5), 'the "t" of "quiet" hangs above the line'),
        (Failure(MERGED, 5, 6), 'no gap between "quiet" and "voice"'),
    ],
)
def test_failures_are_told_with_their_word(failure, said):
    assert failure.describe(TEXT) == said
    assert failure._replace(start=failure.start + 1, end=failure.end + 1).describe(" " + TEXT) == said
    assert failure.describe(TEXT + " here") == said


def test_two_words_without_a_gap_are_told_without_the_next():
    assert Failure(MERGED, 3, 4).describe("our two words") == 'no gap between "our" and "two"'


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


@pytest.mark.parametrize(("back", "monotony"), [(0.05, 1.0), (0.15, 0.5)])
def test_attention_that_falls_back_by_a_tenth_of_a_character_is_still_monotone(back, monotony):
    at = np.array([0.5, 0.5 - back, 1.0])
    assert attention_summary(np.stack([1 - at, at], axis=1))[0] == monotony


def test_the_attention_of_a_single_point_is_monotone():
    assert attention_summary(np.ones((1, 5)))[0] == 1.0
