"""scribe/writing/word_starts.py: where words begin, and lines that take over the rest of another one. No TensorFlow."""

import numpy as np
import pytest

from scribe.network.point_network import NetworkState
from scribe.writing.rows import RowState, WordStart, WrittenLine
from scribe.writing.word_starts import can_follow, is_between_words, with_rest

TEXT = "ab cd ef"
SECOND, THIRD = 3, 6  # places of the words


def phis_of(index):
    return np.eye(len(TEXT), dtype=np.float32)[index]


def line_of(index, x, y, marks, key="line", finished=True):
    """A line whose points belong to these characters and stand at these places, without pen lifts."""
    points = np.zeros([len(index), 6], np.float32)
    points[:, 0], points[:, 1] = np.diff(x, prepend=0), np.diff(y, prepend=0)
    starts = {}
    for place, n in marks.items():
        network = NetworkState(*[np.full([1], n, np.float32)] * 8)
        right = np.float32(max(x[:n]))
        row = RowState(network, np.zeros(3, np.float32), np.array(n), np.float32(x[n - 1]), right, np.array(False))
        starts[place] = WordStart(row, np.zeros([0, 3], np.float32))
    kappas = np.asarray(x, np.float32)[:, None]
    return WrittenLine(key, points, phis_of(index), kappas, finished, starts)


@pytest.mark.parametrize(
    ("index", "points", "between"),
    [
        ([0, 1, 2, 3, 4], 3, True),
        ([0, 1, 1, 3, 4], 3, True),  # the attention has not rested on the space
        ([0, 1, 2, 3, 4], 2, True),  # what the space has may be on either side
        ([0, 0, 1, 2, 3, 4], 2, False),  # the b is written after it, the words are joined
        ([0, 0, 0, 0, 3, 4], 4, False),  # the b was never written
        ([0, 1, 2, 2, 2, 2, 3, 4], 3, True),  # the attention rests on the space
        ([0, 1, 1, 1, 3, 4], 2, True),  # the attention is two points late
        ([0, 1, 1, 1, 1, 3, 4], 2, False),
        ([0, 1, 2], 3, False),  # nothing follows
    ],
)
def test_words_are_apart_where_the_letters_of_one_come_before_and_those_of_the_other_after(index, points, between):
    assert is_between_words(phis_of(index), points, SECOND) == between


@pytest.mark.parametrize(("last", "between"), [(2, False), (3, True), (4, True)])
def test_the_last_letter_before_the_words_is_written(last, between):
    assert is_between_words(phis_of([0, 1, 2, last, 5, 6]), 4, 5) == between


def test_the_rest_of_a_line_can_follow_where_it_has_ended_and_its_words_are_apart():
    index, x = [0, 1, 3, 4, 6, 7], range(6)
    line = line_of(index, x, x, {SECOND: 2, THIRD: 4})
    assert can_follow(line, SECOND) and can_follow(line, THIRD)
    assert not can_follow(line._replace(finished=False), SECOND)
    assert not can_follow(line_of(index, x, x, {THIRD: 4}), SECOND)
    assert not can_follow(line_of(index, x, x, {SECOND: 1, THIRD: 4}), SECOND)


def test_the_rest_of_a_line_begins_where_the_new_line_begins_the_word_half_way_to_its_height():
    rest = line_of([0, 1, 2, 3, 4, 6, 7], [0, 1, 2, 4, 5, 7, 8], [0, 1, 0, 9, 1, 2, 3], {SECOND: 3, THIRD: 5}, "old")
    new = line_of([0, 0, 1, 1, 2, 3, 3], [0, 1, 3, 4, 5, 9, 11], [0, 3, 1, 2, 5, 7, 8], {SECOND: 5}, "new")
    line = with_rest(new, rest, SECOND)
    x, y = np.cumsum(line.points[:, :2], axis=0).T
    np.testing.assert_allclose(x, [0, 1, 3, 4, 5, 9, 10, 12, 13])
    np.testing.assert_allclose(y, [0, 3, 1, 2, 5, 8, 0, 1, 2])
    np.testing.assert_array_equal(line.phis.argmax(axis=1), [0, 0, 1, 1, 2, 3, 4, 6, 7])
    np.testing.assert_array_equal(line.kappas[:, 0], [0, 1, 3, 4, 5, 4, 5, 7, 8])
    assert (line.key, line.finished, line.until) == ("new", True, SECOND)
    np.testing.assert_array_equal(rest.points[:, 0], [0, 1, 1, 2, 1, 2, 1])  # what was written stays as it is


def test_a_line_can_be_gone_on_from_the_words_of_its_rest_as_well():
    """From the word itself with what the network remembers of the new one, from later ones with what it did before."""
    rest = line_of([0, 1, 2, 3, 4, 6, 7], [0, 1, 2, 4, 5, 7, 8], [0] * 7, {SECOND: 3, THIRD: 5})
    new = line_of([0, 0, 1, 1, 2, 3, 3], [0, 1, 3, 4, 5, 9, 11], [0] * 7, {SECOND: 5, THIRD: 7})
    marks = with_rest(new, rest, SECOND).marks
    assert marks[SECOND] is new.marks[SECOND] and marks[THIRD].points == 7
    row = marks[THIRD].row(None, None)
    assert (row.x, row.right) == (10, 10) and row.network.kappa == [5]
    assert rest.marks[THIRD].points == 5 and rest.marks[THIRD].moved(3, 1.0).points == 8
