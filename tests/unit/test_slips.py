"""What counts as a slip: each kind alone, in a synthetic hand and with a recogniser whose shares are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from scribe.writing.capital_i import find_dotted_stems
from scribe.writing.failures import MERGED, MISREAD, RAISED, STRAY_MARK, TOO_SMALL, Failure
from scribe.writing.gaps import find_gaps
from scribe.writing.levels import find_raised
from scribe.writing.marks import find_marks
from scribe.writing.readings import LOOK_ALIKE, other_readings
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
    monkeypatch.setattr("scribe.writing.slips.assign_characters", lambda *_: index)
    slips = find_slips([line], KnownShares(shares_of("ol I do", {3: ("O", 0.9)})))[0]
    assert [(s.failure, s.warned) for s in slips] == [(Failure(MISREAD, 3, 4, "!"), True)]


# ------------------------------------------------------------------------------------------------------------ readings


def shares_of(text, doubts=(), frames=3):
    """[t, A + 1]: each character in `frames` frames after two blanks; doubts: {place: (character, share)}."""
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
    for reading in other_readings(shares, text, ALPHABET):
        other = text[: reading.start] + reading.instead + text[reading.end :]
        assert reading.gain == pytest.approx(brute_force(shares, other) - own, abs=0.05)
    swaps = [brute_force(shares, text[:2] + c + text[3:]) - own for c in ALPHABET if c != text[2]]
    assert other_readings(shares, text, ALPHABET)[2].gain >= max(swaps) - 0.05


def test_a_letter_that_is_nearer_to_another_one_is_found_at_its_place():
    (best,) = [r for r in other_readings(shares_of("pair", {3: ("n", 0.8)}), "pair", ALPHABET) if r.gain > 0]
    assert (best.start, best.end, best.instead) == (3, 4, "n") and best.gain == pytest.approx(np.log(4), abs=0.1)


def test_a_letter_that_is_not_there_is_found():
    readings = other_readings(shares_of("pair", {1: ("", 0.9)}), "pair", ALPHABET)
    assert readings[1].instead == "" and readings[1].gain > 1


@pytest.mark.parametrize(("text", "other"), [("old", "O"), ("wild", "I"), ("O0o", "o")])
def test_letters_of_one_shape_are_not_taken_for_each_other(text, other):
    place = next(k for k, c in enumerate(text) if any(other in group and c in group for group in LOOK_ALIKE))
    assert all(r.gain < -2 for r in other_readings(shares_of(text, {place: (other, 0.7)}), text, ALPHABET))


class KnownShares:
    """A recogniser that takes the frames of a text for what `shares_of` says."""

    alphabet = ALPHABET

    def __init__(self, *shares):
        self.shares = list(shares)

    def knows(self, text):
        return set(text) <= set(self.alphabet)

    def frame_shares(self, lines):
        return self.shares


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


def test_a_text_of_other_characters_is_judged_by_its_shape_alone():
    text = "cold #"
    line, _ = line_of(text, ((over(text, 2), 2.6, 0.02, 0.1), 2))
    slips = find_slips([line], KnownShares(shares_of("cold")))[0]
    assert [s.failure for s in slips] == [Failure(STRAY_MARK, 2, 3)]


def test_a_line_of_nothing_but_a_point_has_no_slip():
    line = SimpleNamespace(text="a", strokes=np.array([[0, 0, 0.1, 0.1, 0, 1.0]]), phis=np.ones((1, 1)), finished=True)
    assert all(s.failure.kind == TOO_SMALL for s in find_slips([line], KnownShares(shares_of("a")))[0])
