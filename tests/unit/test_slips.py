"""What counts as a slip: each kind alone, in a synthetic hand and with a recogniser whose shares are known."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from scribe.writing.capital_i import find_dotted_stems
from scribe.writing.failures import MERGED, MISREAD, RAISED, STRAY_MARK, TOO_SMALL, Failure
from scribe.writing.gaps import find_gaps
from scribe.writing.levels import find_raised
from scribe.writing.marks import find_marks
from scribe.writing.readings import LOOK_ALIKE, other_readings, other_readings_of
from scribe.writing.slips import find_slips
from writing_helpers import write_text

ALPHABET = " abcdeilnopruvwxIO0'"


def line_of(text, *marks, **how):
    """A line in the synthetic hand and the index of its points; marks: (x, y, width, height) of further strokes in
    x-heights, the baseline at 0 and y growing upwards, each with the character that the pen was at."""
    strokes, index = write_text(text, 1.0, **how)
    for (x, y, width, height), u in marks:
        mark = np.zeros((3, 6), np.float32)
        mark[:, 0], mark[:, 1] = np.linspace(x, x + width, 3), -np.linspace(y, y + height, 3)
        mark[-1, 5] = 1
        strokes, index = np.concatenate([strokes, mark]), np.append(index, [u] * 3)
    phis = np.eye(len(text), dtype=np.float32)[index] + 0.01
    return SimpleNamespace(text=text, strokes=strokes, phis=phis, finished=True), index


def over(text, u):
    """The middle of the ink of a character."""
    strokes, index = write_text(text, 1.0)
    return float(strokes[index == u, 0].mean())


@pytest.mark.smoke
@pytest.mark.parametrize("text", ["wild", "if it is in", "tin, the. lid", "a-b 'c' no", "Dear Jon, hi."])
@pytest.mark.parametrize("how", [{}, {"slant": 0.5}, {"tilt": 0.05}])
def test_a_line_with_the_marks_of_its_letters_has_no_slip(text, how):
    line, index = line_of(text, **how)
    assert find_marks(line, index) == [] and find_gaps(line, index) == [] and find_raised(line, index) == []


@pytest.mark.parametrize(
    ("word", "u", "height"), [("held", 2, 2.6), ("cup", 2, 1.9), ("you", 1, -0.9), ("now", 2, 1.6)]
)
def test_a_dot_where_no_letter_takes_one_is_stray(word, u, height):
    line, index = line_of(word, ((over(word, u), height, 0.02, 0.1), u))
    assert find_marks(line, index) == [Failure(STRAY_MARK, u, u + 1)]


def test_a_second_dot_of_an_i_is_stray_and_a_late_one_is_not():
    text = "mine"
    strokes, index = write_text(text, 1.0)
    x = over(text, 1)
    line, index = line_of(text, ((x + 1.2, 1.8, 0.02, 0.05), 3))
    assert [f.kind for f in find_marks(line, index)] == [STRAY_MARK]
    dot = np.flatnonzero((line.strokes[:, 1] < -1.4) & (index == 1))  # without its own, that one is its late dot
    keep = np.delete(np.arange(len(index)), dot)
    late = SimpleNamespace(text=text, strokes=line.strokes[keep], finished=True)
    assert find_marks(late, index[keep]) == []


def test_a_part_of_a_small_letter_that_the_pen_lifted_within_is_not_stray():
    text = "noon"
    line, index = line_of(text, ((over(text, 1), 0.5, 0.1, 0.2), 1))
    assert find_marks(line, index) == []


# ---------------------------------------------------------------------------------------- whose mark it is, and how far


def without_dots(text, *marks):
    """As `line_of`, but the synthetic hand sets no dots of its own."""
    line, index = line_of(text, *marks)
    _, own = write_text(text, 1.0)
    dots = [k for k in range(len(own)) if text[own[k]] in "ij" and line.strokes[k, 1] == np.float32(-1.6)]
    keep = np.delete(np.arange(len(index)), dots)
    line.strokes, line.phis = line.strokes[keep], line.phis[keep]
    return line, index[keep]


def strays(line, index):
    """The places of the stray marks of a line in which nothing else is wrong."""
    failures = find_marks(line, index)
    assert all(failure.kind == STRAY_MARK and failure.end == failure.start + 1 for failure in failures)
    return [failure.start for failure in failures]


def box(text, u):
    """Left and right end of the ink of a character."""
    strokes, index = write_text(text, 1.0)
    x = strokes[(index == u) & (strokes[:, 1] != np.float32(-1.6)), 0]
    return float(x.min()), float(x.max())


@pytest.mark.parametrize(
    ("right", "above", "its"),
    [
        (0.0, 1.6, True), (-0.8, 1.6, True), (-1.0, 1.6, False), (2.3, 1.6, True), (2.5, 1.6, False),
        (0.3, 0.7, True), (0.3, 0.3, False), (0.3, 3.0, True),
    ],
)  # fmt: skip
def test_how_far_from_its_letter_a_dot_may_stand(right, above, its):
    text = "an i t t n"  # nothing but the i takes a dot, and there is room beside it
    x = sum(box(text, 3)) / 2 + right
    assert bool(strays(*without_dots(text, ((x, above, 0.0, 0.0), 3)))) != its


def test_a_dot_goes_to_the_nearest_letter_that_takes_one_and_each_takes_one():
    text = "unis on"
    x = sum(box(text, 2)) / 2
    dots = [((x + right, 1.7, 0.0, 0.0), 2) for right in (0.1, 1.0)]
    assert strays(*without_dots(text, *dots)) in ([2], [3])
    text = "anii on"
    dots = [((sum(box(text, u)) / 2 + 0.1, 1.7, 0.0, 0.0), u) for u in (2, 3)]
    assert strays(*without_dots(text, *dots)) == [] == strays(*without_dots(text, *dots[::-1]))


@pytest.mark.parametrize(
    ("width", "height", "beside", "its"),
    [
        (0.3, 0.02, 0.0, True), (0.13, 0.02, 0.0, True), (0.11, 0.02, 0.0, False), (0.3, 0.35, 0.0, False),
        (0.3, 0.02, 0.45, True), (0.3, 0.02, 0.55, False), (0.3, 0.02, -0.45, True), (0.3, 0.02, -0.55, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("letter", ["t", "b"])
def test_a_letter_with_a_bar_takes_one_that_is_wide_and_beside_it(letter, width, height, beside, its):
    text = f"no {letter} on"
    left, right = box(text, 3)
    middle = right + beside if beside > 0 else left + beside if beside < 0 else (left + right) / 2
    bar = (middle - width / 2, 2.5, width, height), 3
    its = its and letter == "t"
    assert strays(*line_of(text, bar)) == ([] if its else [3])


def test_a_letter_takes_one_bar():
    text = "no t on"
    x = sum(box(text, 3)) / 2
    assert strays(*line_of(text, *[((x - 0.15, height, 0.3, 0.02), 3) for height in (2.5, 3.0)])) == [3]


@pytest.mark.parametrize(("sign", "takes"), [("'", 1), (",", 1), ('"', 2), ("!", 2)])
def test_a_sign_takes_the_marks_that_it_is_made_of(sign, takes):
    text = f"run {sign} on"
    strokes, index = write_text(text, 1.0)
    own = np.flatnonzero(index == 4)
    x = float(strokes[own, 0].mean())
    for marks in range(1, 4):
        line, at = line_of(text, *[((x + 0.3 * k, 1.6, 0.0, 0.1), 4) for k in range(marks)])
        keep = np.delete(np.arange(len(at)), own)
        line.strokes = line.strokes[keep]
        assert len(find_marks(line, at[keep])) == (marks > takes)


@pytest.mark.parametrize(("right", "its"), [(0.3, False), (0.5, True), (1.0, True), (1.9, True), (2.2, False)])
@pytest.mark.parametrize("attended", [1, 2, 3, 4])
def test_the_ink_of_a_sign_may_be_attended_to_beside_it_where_it_stands_between_its_neighbours(right, its, attended):
    """The letter before it is 0.8 wide, and the one after it begins at 1.7."""
    text = "non'on"
    strokes, index = write_text(text, 1.0)
    left = box(text, 2)[0]
    line, at = line_of(text, ((left + right, 1.6, 0.0, 0.1), attended))
    keep = np.flatnonzero(~((at == 3) & (np.arange(len(at)) < len(index))))
    line.strokes = line.strokes[keep]
    assert (find_marks(line, at[keep]) == []) == (its or attended == 3)


def test_the_ink_of_a_sign_is_looked_for_up_to_two_characters_away_spaces_apart():
    text = "no ' on"
    strokes, index = write_text(text, 1.0)
    x = float(strokes[index == 3, 0].mean())
    line, at = line_of(text, ((x, 1.6, 0.0, 0.1), 0))
    keep = np.flatnonzero(at != 3)
    line.strokes = line.strokes[keep]
    assert find_marks(line, at[keep]) == []


def test_the_ink_of_a_sign_at_the_beginning_may_be_attended_to_at_the_letter_after_it():
    text = "'noon"
    line, index = line_of(text)
    index[index == 0] = 1
    assert find_marks(line, index) == []


def test_each_bar_goes_to_the_letter_that_it_is_nearest_to():
    text = "no tt on"
    left = box(text, 3)[0]
    bars = [((left + middle - 0.15, height, 0.3, 0.02), 3) for middle, height in ((1.2, 2.5), (0.1, 2.5))]
    assert strays(*line_of(text, *bars)) == [] == strays(*line_of(text, *bars[::-1]))


@pytest.mark.parametrize("dots", [0, 1, 2])
def test_a_stem_as_short_as_a_mark_has_one_dot(dots):
    text = "no i on"
    x = sum(box(text, 3)) / 2
    line, index = without_dots(text, *[((x + 0.3 * k, 1.6, 0.0, 0.0), 3) for k in range(dots)])
    line.strokes[(index == 3) & (line.strokes[:, 1] > -1.5), 1] *= 0.5
    assert len(find_marks(line, index)) == (dots == 2)


@pytest.mark.parametrize(("beside", "its"), [(0.35, True), (-0.35, True), (0.45, False), (-0.45, False)])
def test_a_short_stem_and_what_stands_over_it_are_one_letter_that_may_have_other_ink(beside, its):
    text = "no i on"
    x = sum(box(text, 3)) / 2
    line, index = without_dots(text, ((x + beside, 1.6, 0.0, 0.0), 3), ((x - 0.5, -0.6, 1.1, 0.0), 3))
    line.strokes[(index == 3) & (line.strokes[:, 1] > -1.5) & (line.strokes[:, 1] < 0.5), 1] *= 0.5
    assert len(find_marks(line, index)) == (not its)


@pytest.mark.parametrize(
    ("size", "apart", "found"),
    [(0.5, 0.14, True), (0.5, 0.1, False), (0.6, 0.25, False), (0.6, 0.35, True), (0.7, 0.35, True), (0.8, 0.4, False)],
)
def test_the_size_of_a_mark_and_how_far_it_is_from_other_ink(size, apart, found):
    text = "seen run"
    x = box(text, 3)[0] + 0.15  # where the zigzag of the n has its first tip
    assert strays(*line_of(text, ((x, 1.0 + apart, 0.0, size), 3))) == ([3] if found else [])
    assert strays(*line_of(text, ((x - size / 2, 1.0 + apart, size, 0.0), 3))) == ([3] if found else [])


@pytest.mark.parametrize(
    ("letter", "right", "height", "part"),
    [
        ("n", 0.93, 0.5, True), ("n", 1.01, 0.5, False), ("n", 0.64, 1.03, True), ("n", 0.6, 1.12, False),
        ("n", 0.95, 0.05, True), ("n", 0.95, -0.05, False), ("d", 0.93, 0.5, False),
        ("g", 0.75, -0.2, True), ("g", 0.75, -0.4, False),
    ],
)  # fmt: skip
def test_a_mark_is_a_part_of_a_small_letter_beside_whose_body_it_stands(letter, right, height, part):
    text = f"on {letter} on"
    x = box(text, 3)[0] + right
    assert strays(*line_of(text, ((x, height, 0.0, 0.0), 3))) == ([] if part else [3])


def test_a_stray_mark_is_at_the_character_that_it_stands_over_or_next_to():
    text = "on no on"
    for u in (0, 3, 7):
        assert strays(*line_of(text, ((over(text, u), 2.0, 0.0, 0.0), 4))) == [u]
    assert strays(*line_of(text, ((box(text, 7)[1] + 1.5, 2.0, 0.0, 0.0), 3))) == [7]
    assert strays(*line_of(text, ((box(text, 0)[0] - 1.5, 2.0, 0.0, 0.0), 3))) == [0]


@pytest.mark.parametrize(("size", "small"), [(0.5, True), (0.6, False)])
def test_how_small_a_letter_is_no_more_than_a_mark(size, small):
    text = "box now"
    line, index = line_of(text)
    own = index == 1
    middle = line.strokes[own, :2].mean(axis=0)
    line.strokes[own, :2] = middle + (line.strokes[own, :2] - middle) * size
    assert find_marks(line, index) == ([Failure(TOO_SMALL, 1, 2)] if small else [])


def test_a_letter_no_larger_than_a_mark_is_too_small():
    text = "box now"
    line, index = line_of(text)
    own = index == 1
    middle = line.strokes[own, :2].mean(axis=0)
    line.strokes[own, :2] = middle + (line.strokes[own, :2] - middle) * 0.25
    assert find_marks(line, index) == [Failure(TOO_SMALL, 1, 2)]


def test_words_without_a_gap_are_merged():
    text = "ours now"
    line, index = line_of(text)
    line.strokes[index > 4, 0] -= 2.3
    assert find_gaps(line, index) == [Failure(MERGED, 4, 5)]
    assert Failure(MERGED, 4, 5).describe(text) == 'no gap between "ours" and "now"'


@pytest.mark.parametrize(("gap", "found"), [(0.33, True), (0.37, False), (-1.0, True)])
@pytest.mark.parametrize("x_height", [1.0, 3.0])
def test_how_narrow_a_gap_between_words_may_be(gap, found, x_height):
    text = "ours now"
    line, index = line_of(text)
    line.strokes[index > 4, 0] += gap - (box(text, 5)[0] - box(text, 3)[1])
    line.strokes[:, :2] *= x_height
    assert find_gaps(line, index) == ([Failure(MERGED, 4, 5)] if found else [])


@pytest.mark.parametrize(
    ("text", "u", "to", "found"),
    [
        ("curve now", 4, 6, [5]), ("curve now", 3, 6, [5]), ("curve now", 2, 6, []),
        ("a on now", 0, 5, [1]), ("a on now", 2, 5, [4]),
    ],
)  # fmt: skip
def test_a_gap_is_between_the_two_characters_on_each_side(text, u, to, found):
    """A stroke of character `u` reaches as far as character `to` of the next word."""
    left, right = box(text, u)[0], box(text, to)[0]
    line, index = line_of(text, ((left, 0.5, right - left, 0.0), u))
    assert [failure.start for failure in find_gaps(line, index)] == found
    line.strokes[:, 0] *= -1  # the same from the other side
    line.text, last = text[::-1], len(text) - 1
    assert sorted(last - failure.start for failure in find_gaps(line, last - index)) == found


@pytest.mark.parametrize(("up", "found"), [(0.4, False), (0.5, True)])
@pytest.mark.parametrize("x_height", [1.0, 3.0])
def test_how_high_above_the_line_a_letter_may_stand(up, found, x_height):
    text = "she held on"
    for u in (5, 6, 10):
        line, index = line_of(text)
        line.strokes[index == u, 1] -= up
        line.strokes[:, :2] *= x_height
        assert find_raised(line, index) == ([Failure(RAISED, u, u + 1)] if found else [])
        line.strokes[:, 1] += 2 * up * x_height * (index == u)  # as far below it
        assert find_raised(line, index) == []


@pytest.mark.parametrize(("text", "found"), [("nun", []), ("noun", [3]), ("n,,,,,nun", []), ("u,,,noun", [7])])
def test_a_letter_is_compared_with_three_or_more_near_it(text, found):
    line, index = line_of(text)
    line.strokes[index == len(text) - 1, 1] -= 1.0
    assert [failure.start for failure in find_raised(line, index)] == found


def test_a_letter_of_three_points_does_not_tell_how_high_the_line_is():
    text = "noun"
    line, index = line_of(text)
    line.strokes[index == 3, 1] -= 1.0
    for points, found in ((4, [3]), (3, [])):
        keep = np.concatenate([np.flatnonzero(index < 3), np.flatnonzero(index == 3)[-points:]])
        some = SimpleNamespace(text=text, strokes=line.strokes[keep])
        assert [failure.start for failure in find_raised(some, index[keep])] == found


@pytest.mark.parametrize(("text", "u"), [("she held on", 6), ("about 900 of", 6)])
def test_a_letter_or_digit_that_does_not_come_down_to_the_line_is_raised(text, u):
    line, index = line_of(text)
    line.strokes[index == u, 1] -= 0.7
    assert find_raised(line, index) == [Failure(RAISED, u, u + 1)]
    line.strokes[np.flatnonzero(index == u)[-1], 5] = 0  # in one stroke with the next letter
    assert find_raised(line, index) == []
    assert Failure(RAISED, 6, 7).describe("she held on") == 'the "l" of "held" hangs above the line'


def test_a_stray_mark_is_told_with_its_letter():
    assert Failure(STRAY_MARK, 4, 5).describe("so wild") == 'a dot too many at the "i" of "wild"'


def capital_i(*more):
    """The line "oh I do", its I a stem of 2 x-heights with further strokes ((x, y), (x, y)) from its middle."""
    line, index = line_of("oh I do", *(((over("oh I do", 3) + x, y, dx, dy), 3) for x, y, dx, dy in more))
    own = np.flatnonzero((index == 3) & (np.arange(len(index)) < index.tolist().index(5)))
    line.strokes[own, 0] = line.strokes[own, 0].mean() + np.linspace(0.1, 0, len(own))
    line.strokes[own, 1] = np.linspace(-2.2, -0.4, len(own))
    return line, index


@pytest.mark.parametrize(
    ("more", "instead"),
    [
        ([], None),
        ([(0, 0.0, 0.05, 0.08)], "!"),
        ([(-0.3, 0.0, 0.6, 0.1)], "!"),
        ([(0, 2.5, 0.02, 0.1)], "i"),
        ([(-0.4, 0.0, 0.8, 0.0), (-0.4, 2.2, 0.8, 0.0)], None),  # two bars
        ([(0, 0.0, 0.05, 0.08), (-0.4, 2.2, 0.8, 0.0)], None),  # a bar above
        ([(-0.4, 0.4, 0.8, 0.0)], None),  # touches the stem
        ([(-1.2, 0.0, 0.1, 0.1)], None),  # beside it
    ],
)
def test_an_i_of_a_stem_and_a_dot_reads_as_another_sign(more, instead):
    line, index = capital_i(*more)
    assert find_dotted_stems(line, index) == ([Failure(MISREAD, 3, 4, instead)] if instead else [])


def test_the_dot_of_an_i_is_told_once(monkeypatch):
    line, index = capital_i((0, 0.0, 0.05, 0.08))
    line.text = line.text.replace("h", "l")
    monkeypatch.setattr("scribe.writing.slips.assign_characters_of", lambda lines: [index])
    slips = find_slips([line], KnownShares(shares_of("ol I do", {3: ("O", 0.9)})))[0]
    assert [(s.failure, s.warned) for s in slips] == [(Failure(MISREAD, 3, 4, "!"), True)]


# ------------------------------------------------------------------------------------------------------------ readings


def shares_of(text, doubts=()):
    """[t, A + 1]: each character in a frame between two of no character; doubts: {place: (character, share)}."""
    rows = []
    for u, c in enumerate(text):
        row = np.full(len(ALPHABET) + 1, 1e-6)
        other, share = dict(doubts).get(u, (c, 0.0))
        row[ALPHABET.index(c)] = 1 - share
        if share:
            row[ALPHABET.index(other) if other else -1] = share
        blank = np.full(len(ALPHABET) + 1, 1e-6)
        blank[-1] = 1.0
        rows += [blank, row, blank]
    shares = np.array(rows)
    return shares / shares.sum(axis=1, keepdims=True)


def brute_force(shares, text):
    """Log probability of a text: the sum over all alignments."""
    states = [-1] + [k for c in text for k in (ALPHABET.index(c), -1)]
    now = np.zeros(len(states))
    now[:2] = shares[0, states[:2]]
    for frame in shares[1:]:
        after = now.copy()
        after[1:] += now[:-1]
        for s in range(2, len(states)):
            if states[s] >= 0 and states[s] != states[s - 2]:
                after[s] += now[s - 2]
        now = after * frame[states]
    return np.log(now[-2:].sum())


@pytest.mark.parametrize("seed", range(3))
def test_the_gain_of_a_reading_is_that_of_its_text_over_all_alignments(seed, monkeypatch):
    monkeypatch.setattr("scribe.writing.readings.LOOK_ALIKE", ())
    text = "bean lord"
    rng = np.random.default_rng(seed)
    shares = shares_of(text) * np.exp(rng.normal(0, 3, (3 * len(text), len(ALPHABET) + 1)))
    shares /= shares.sum(axis=1, keepdims=True)
    own = brute_force(shares, text)
    for reading in other_readings([shares], text, ALPHABET):
        other = text[: reading.start] + reading.instead + text[reading.end :]
        assert reading.gain == pytest.approx(brute_force(shares, other) - own, abs=0.05)
    swaps = [brute_force(shares, text[:2] + c + text[3:]) - own for c in ALPHABET if c != text[2]]
    assert other_readings([shares], text, ALPHABET)[2].gain >= max(swaps) - 0.05


def test_a_letter_that_is_nearer_to_another_one_is_found_at_its_place():
    (best,) = [r for r in other_readings([shares_of("pair", {3: ("n", 0.8)})], "pair", ALPHABET) if r.gain > 0]
    assert (best.start, best.end, best.instead) == (3, 4, "n") and best.gain == pytest.approx(np.log(4), abs=0.1)


def test_a_letter_that_is_not_there_is_found():
    readings = other_readings([shares_of("pair", {1: ("", 0.9)})], "pair", ALPHABET)
    assert readings[1].instead == "" and readings[1].gain > 1


def test_lines_that_are_read_together_are_read_as_each_alone():
    """Whatever their lengths, and though one has a text that next to nothing speaks for."""
    rng, lines = np.random.default_rng(3), []
    texts = ("bean lord", "bean lord"), ("I", "I"), ("cold cup", "under"), ("wo", "new or old word")
    for text, written in texts:
        shares = shares_of(written) * np.exp(rng.normal(0, 2, (3 * len(written), len(ALPHABET) + 1)))
        lines.append(([shares / shares.sum(axis=1, keepdims=True), shares_of(written)], text))
    for found, (shares, text) in zip(other_readings_of(lines, ALPHABET), lines, strict=True):
        alone = other_readings(shares, text, ALPHABET)
        assert [reading[:3] for reading in found] == [reading[:3] for reading in alone]
        np.testing.assert_allclose([r.gain for r in found], [r.gain for r in alone], rtol=1e-9)
        assert len(found) == len(text) + 1 and not any(np.isnan(reading.gain) for reading in found)
    assert other_readings_of([], ALPHABET) == []


def test_how_long_nothing_is_written_does_not_matter():
    """Most frames are of no character: one of each run of them is looked at."""
    shares = shares_of("bean", {1: ("a", 0.3)})
    pauses = np.repeat(shares, np.where(shares[:, -1] > 0.9, 20, 1), axis=0)
    for few, many in zip(other_readings([shares], "bean", ALPHABET), other_readings([pauses], "bean", ALPHABET)):
        assert few[:3] == many[:3] and few.gain == pytest.approx(many.gain, abs=0.01)


@pytest.mark.parametrize(("text", "other"), [("old", "O"), ("wild", "I"), ("O0o", "o")])
def test_letters_of_one_shape_are_not_taken_for_each_other(text, other):
    place = next(k for k, c in enumerate(text) if any(other in group and c in group for group in LOOK_ALIKE))
    assert all(r.gain < -2 for r in other_readings([shares_of(text, {place: (other, 0.7)})], text, ALPHABET))


class KnownShares:
    """A recogniser that takes the frames of a text for what `shares_of` says."""

    alphabet, eye = ALPHABET, None

    def __init__(self, *shares):
        self.shares = list(shares)

    def knows(self, text):
        return set(text) <= set(self.alphabet)

    def frame_shares(self, lines):
        return self.shares


def test_many_lines_take_hardly_more_memory_than_some_and_have_the_same_slips():
    """64 lines took eight times the memory of 8 for a moment, which was the peak of a long letter."""
    text = "pair or lid dear under a rod"
    line, shares = line_of(text)[0], shares_of(text, {3: ("n", 0.9)})

    def peak(count):
        tracemalloc.start()
        try:
            slips = find_slips([line] * count, KnownShares(*[shares] * count))
            return slips, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    (some, of_some), (many, of_many) = peak(8), peak(64)
    assert many == some * 8 and of_many < 2 * of_some


def test_a_word_has_one_slip_of_reading_the_worst_and_doubt_alone_is_no_warning():
    text = "pair or now"
    line, _ = line_of(text)
    recogniser = KnownShares(shares_of(text, {1: ("o", 0.4), 3: ("n", 0.9), 9: ("a", 0.4)}))
    slips = find_slips([line], recogniser)[0]
    assert [(s.failure.kind, s.failure.start, s.failure.instead) for s in slips] == [
        (MISREAD, 3, "n"),
        (MISREAD, 9, "a"),
    ]
    assert [s.warned for s in slips] == [True, False] and slips[0].weight == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(("read", "start", "end"), [("painr", 3, 4), ("apair", 0, 1), ("paire", 3, 4)])
def test_a_letter_too_many_is_a_slip_of_the_one_after_it_or_of_the_last(read, start, end):
    (slips,) = find_slips([line_of("pair")[0]], KnownShares(shares_of(read)))
    assert [slip.failure for slip in slips] == [Failure(MISREAD, start, end)]
    assert slips[0].warned and slips[0].weight == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("share", "told", "warned"), [(0.1, 0, False), (0.15, 1, False), (0.6, 1, False), (0.65, 1, True)]
)
def test_how_likely_another_reading_is_a_slip_and_a_warning(share, told, warned):
    """Shares of 1 to e ** 2 and of e ** 0.5 to 1."""
    (slips,) = find_slips([line_of("pair")[0]], KnownShares(shares_of("pair", {3: ("n", share)})))
    assert [slip.warned for slip in slips] == [warned] * told
    assert [slip.weight for slip in slips] == pytest.approx([share] * told, abs=0.02)


def test_a_space_belongs_to_the_word_after_it():
    text = "ape on ex"
    for doubts, found in (
        ({1: ("o", 0.9), 3: ("c", 0.95)}, [1, 3]),
        ({3: ("c", 0.95), 4: ("a", 0.9)}, [3]),
        ({4: ("a", 0.9), 6: ("c", 0.95)}, [4, 6]),
        ({6: ("c", 0.95), 7: ("a", 0.9)}, [6]),
    ):
        (slips,) = find_slips([line_of(text)[0]], KnownShares(shares_of(text, doubts)))
        assert [slip.failure.start for slip in slips] == found


def test_the_slips_of_a_line_are_in_the_order_of_its_text():
    text = "pair or now"
    line, index = line_of(text)
    line.strokes[index > 4, 0] -= 2.3
    slips = find_slips([line], KnownShares(shares_of(text, {0: ("o", 0.9), 9: ("a", 0.9)})))[0]
    assert [slip.failure.start for slip in slips] == [0, 4, 9]
    assert [slip.failure.kind for slip in slips] == [MISREAD, MERGED, MISREAD]
    assert slips[1].weight == 0.7 and slips[1].warned


def test_a_text_of_other_characters_is_judged_by_its_shape_alone():
    text = "cold #"
    line, _ = line_of(text, ((over(text, 2), 2.6, 0.02, 0.1), 2))
    slips = find_slips([line], KnownShares(shares_of("cold")))[0]
    assert [s.failure for s in slips] == [Failure(STRAY_MARK, 2, 3)]


def test_a_line_of_nothing_but_a_point_has_no_slip():
    line = SimpleNamespace(text="a", strokes=np.array([[0, 0, 0.1, 0.1, 0, 1.0]]), phis=np.ones((1, 1)), finished=True)
    assert all(s.failure.kind == TOO_SMALL for s in find_slips([line], KnownShares(shares_of("a")))[0])
