"""scribe/writing/sampler.py: when a line ends, where its words begin, and which row writes what. Without TensorFlow."""

import types
from collections import deque

import numpy as np
import pytest

from scribe.network.point_network import LstmBiases, NetworkState
from scribe.writing import points, sampler
from scribe.writing.line_ends import find_ends
from scribe.writing.points import PointWriter
from scribe.writing.rows import LineText, LineToWrite, RowState
from scribe.writing.sampler import write_lines

PLACES = 12  # of every text here, with the places after it
DOWN, UP = 0, 1


class Model:
    nmixtures = 1
    config = types.SimpleNamespace(data_scale=12.0)


class ScriptedNetwork:
    """At point t of a line, how far the pen moves, whether it lifts, and the place of the window in its text."""

    compiled = None

    def __init__(self, *scripts):
        self.scripts = scripts
        self.rows = []  # how many there were at each step

    def step(self, state, points, char_seq, mask, biases):
        self.rows.append(len(points))
        lines, times = char_seq[:, 0, 0].astype(int), state.kappa[:, 0].astype(int)
        now = [self.scripts[k][min(t, len(self.scripts[k]) - 1)] for k, t in zip(lines, times)]
        state.kappa[:] += 1
        phi = np.zeros(mask.shape, np.float32)
        for row, (_, _, place) in enumerate(now):  # between two characters, each has a part of the weight
            low = int(np.floor(place))
            phi[row, low], phi[row, low + 1] = 1 - (place - low), place - low
        return np.array([point[:2] for point in now], np.float32), phi * mask


@pytest.fixture(autouse=True)
def drawn(monkeypatch):
    """The points are those of the script, moved by the noise. Returns a list of what was asked of `draw_point`."""
    asked = []

    def draw(y, nmixtures, bias, noise, resting, *, begins, inside):
        asked.append((nmixtures, resting, begins.copy(), inside.copy()))
        zeros = np.zeros(len(y))
        columns = [y[:, 0] + noise[:, 0], noise[:, 1], zeros, zeros, zeros, y[:, 1]]
        return np.stack(columns, axis=1).astype(np.float32)

    monkeypatch.setattr(points, "draw_point", draw)
    return asked


@pytest.fixture
def point_by_point(monkeypatch):
    """A call is one point."""
    monkeypatch.setattr(sampler, "POINTS_OF_CALL", 1)


def to_write(
    key, script=0, length=3, limit=20, noise=0.0, words=(), passed_at=0.1, start=None, before=None, until=None
):
    """A line of `length` characters that a ScriptedNetwork writes by one of its scripts."""
    places = np.arange(PLACES)
    text = LineText(
        char_seq=np.full([PLACES, 1], script, np.float32),
        mask=(places < length + 2).astype(np.float32),
        past_end=(places - (length - 1)).astype(np.float32),
        biases=LstmBiases(*np.zeros([3, 1], np.float32)),
        bias=np.zeros([1], np.float32),
        passed_at=np.float32(passed_at),
        limit=np.int64(limit),
    )
    if start is None:
        nothing = np.zeros(0, np.float32)
        zero = np.zeros([], np.float32)
        network = NetworkState(*[nothing] * 7, np.zeros(1, np.float32))
        start = RowState(network, np.zeros(3, np.float32), np.zeros([], int), zero, zero, np.zeros([], bool))
    return LineToWrite(key, text, start, np.full([limit, 4], noise, np.float32), words, before, until)


class Queue(deque):
    """Lines, all of which are wanted but those in `unwanted`."""

    unwanted, busy = (), False

    @property
    def is_done(self):
        return not self and not self.busy

    def wants(self, key):
        return key not in self.unwanted


def told_in_turns(network, queue):
    """The lines that have ended, each time that some have."""
    for ended, busy in write_lines(PointWriter(network, Model), queue):
        queue.busy = busy
        if ended:
            yield ended


def write(network, *lines):
    """{key: WrittenLine} of lines that are in the queue from the beginning."""
    return {line.key: line for ended in told_in_turns(network, Queue(lines)) for line in ended}


def batch(*lines):
    """The texts and the states of some lines as one batch."""
    return sampler.stack_rows([line.text for line in lines]), sampler.stack_rows([line.start for line in lines])


def step_rows(network, text, state, noise):
    """One point of each row: the state after it, the point, phi, where the window is, which have finished and ended."""
    writer = PointWriter(network, Model)
    writer.start(state.network, state.point, text, noise[None])
    drawn = writer.drawn()
    ends = find_ends(text, state, drawn)
    return ends.after(drawn), drawn.points[0], drawn.phis[0], drawn.positions[0], ends.finished, ends.ended


# ---------------------------------------------------------------------------------------------------------- one point


def test_a_point_moves_the_pen_and_remembers_the_rightmost_ink():
    network = ScriptedNetwork([(2, UP, 1), (-3, DOWN, 1), (2, DOWN, 1)])
    text, state = batch(to_write("a"))
    seen = []
    for t in range(3):
        noise = np.full([1, 4], 0.25, np.float32)
        state, drawn, phi, position, finished, ended = step_rows(network, text, state, noise)
        np.testing.assert_array_equal(state.point, drawn[:, [0, 1, 5]])
        assert int(state.points[0]) == t + 1 and not finished[0] and not ended[0] and position[0] == -1
        seen.append((float(state.x[0]), float(state.right[0])))
    assert seen == [(2.25, 2.25), (-0.5, 2.25), (1.75, 2.25)]


def test_what_draws_a_point_is_told_of_strokes_that_begin_and_texts_that_go_on(drawn):
    """Up to one character before the last the text goes on, and a stroke begins after a pen lift."""
    scripts = [[(1, UP, place), (1, DOWN, place)] for place in (0.99, 1.0, 1.01)]
    text, state = batch(*(to_write(k, script=k) for k in range(3)))
    network = ScriptedNetwork(*scripts)
    for _ in range(3):
        state, *_ = step_rows(network, text, state, np.zeros([3, 4], np.float32))
    assert [(nmixtures, resting) for nmixtures, resting, _, _ in drawn] == [(1, 0.25)] * 3
    assert [begins.ravel().tolist() for *_, begins, _ in drawn] == [[0, 0, 0], [1, 1, 1], [0, 0, 0]]
    assert all(inside.ravel().tolist() == [True, False, False] and inside.shape == (3, 1) for *_, inside in drawn)


def test_the_position_is_the_mean_place_of_the_window_from_the_last_character():
    text, state = batch(to_write("a", length=3), to_write("b", script=1, length=5), to_write("c", script=2))
    network = ScriptedNetwork([(0, DOWN, 0.25)], [(0, DOWN, 4.5)], [(0, DOWN, 9)])
    _, _, phi, position, _, _ = step_rows(network, text, state, np.zeros([3, 4], np.float32))
    np.testing.assert_allclose(position, [-1.75, 0.5, 0.0], atol=1e-6)  # the third sees nothing at all
    assert phi[2].max() == 0


@pytest.mark.parametrize(
    ("lift", "place", "finishes"),
    [(UP, 2.56, True), (UP, 2.54, False), (DOWN, 2.9, False), (DOWN, 2.0, False)],
)
def test_a_line_ends_where_the_pen_lifts_with_the_window_half_a_character_past_the_last(lift, place, finishes):
    text, state = batch(to_write("a"))
    step = step_rows(ScriptedNetwork([(1, lift, place)]), text, state, np.zeros([1, 4], np.float32))
    assert step[4].tolist() == step[5].tolist() == [finishes]


@pytest.mark.parametrize(
    ("first", "then", "ends"),
    [
        ((UP, 2.2), 1, True),  # lifted past the last character, then to the right
        ((UP, 2.2), 0, False),  # a dot above the last letter
        ((UP, 2.2), -1, False),
        ((UP, 2.05), 1, False),  # not past it
        ((DOWN, 2.2), 1, False),  # the pen was down
    ],
)
def test_a_line_has_ended_where_the_pen_would_go_on_to_the_right_of_all_ink(first, then, ends):
    network = ScriptedNetwork([(1, *first), (then, DOWN, 2.2)])
    text, state = batch(to_write("a"))
    noise = np.zeros([1, 4], np.float32)
    state, _, _, _, finished, _ = step_rows(network, text, state, noise)
    assert not finished[0]
    state, _, _, _, finished, ended = step_rows(network, text, state, noise)
    assert finished[0] == ended[0] == ends
    assert int(state.points[0]) == (1 if ends else 2)  # the point to the right is no part of it


def test_where_a_lift_may_end_a_line_is_a_matter_of_its_last_character():
    script = [(1, UP, 2.3), (1, DOWN, 2.3)]
    lines = write(ScriptedNetwork(script), to_write("a", limit=5), to_write("i", limit=5, passed_at=0.55))
    assert len(lines["a"].points) == 1 and lines["a"].finished
    assert len(lines["i"].points) == 5 and not lines["i"].finished


def test_the_limit_ends_a_line_which_is_not_finished_then():
    lines = write(ScriptedNetwork([(1, DOWN, 0)]), to_write("a", limit=4), to_write("b", limit=1))
    assert {key: (len(line.points), line.finished) for key, line in lines.items()} == {"a": (4, False), "b": (1, False)}


def test_a_line_that_finishes_at_its_limit_is_finished():
    lines = write(ScriptedNetwork([(1, DOWN, 0), (1, UP, 2.7)]), to_write("a", limit=2))
    assert len(lines["a"].points) == 2 and lines["a"].finished


# ------------------------------------------------------------------------------------------------------------- rows


def test_rows_are_taken_put_stacked_and_joined_as_they_are():
    lines = [to_write(k, script=k, limit=k + 5, passed_at=k / 10) for k in range(4)]
    text, state = batch(*lines)
    back = sampler.take_rows(text, 2)
    assert int(back.limit) == 7 and float(back.passed_at) == pytest.approx(0.2)
    back.mask[:] = 7.0
    assert text.mask.max() == 1  # a copy
    some = sampler.take_rows(text, [3, 1])
    assert some.limit.tolist() == [8, 6] and some.biases.lstm0.shape == (2, 1)
    both = sampler.join_rows(some, text)
    assert both.limit.tolist() == [8, 6, 5, 6, 7, 8] and both.biases.lstm2.shape == (6, 1)
    state.network.kappa[1] = 9
    sampler.put_row(state, 3, sampler.take_rows(state, 1))
    assert state.network.kappa[:, 0].tolist() == [0, 9, 0, 9]


def scripts_of_lengths(*lengths):
    """Scripts that finish after so many points; each moves the pen in its own way."""
    return [[(k + 1, DOWN, 0)] * (length - 1) + [(k + 1, UP, 2.9)] for k, length in enumerate(lengths)]


@pytest.mark.parametrize("rows", [1, 2, 3, 64])
def test_every_line_is_written_as_it_would_be_alone_however_many_rows_there_are(monkeypatch, rows):
    monkeypatch.setattr(sampler, "ROWS", rows)
    lengths = [3, 7, 2, 5, 1, 4]
    network = ScriptedNetwork(*scripts_of_lengths(*lengths))
    lines = [to_write(f"line {k}", script=k, limit=8 + k, noise=k / 8) for k in range(len(lengths))]
    written = write(network, *lines)
    assert list(map(len, (written[line.key].points for line in lines))) == lengths
    assert max(network.rows) <= rows
    for k, line in enumerate(lines):
        found = written[line.key]
        alone = write(network, line)[line.key]
        assert found.finished and found.key == line.key
        for name in ("points", "phis", "kappas"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
        np.testing.assert_allclose(found.points[:, 0], k + 1 + k / 8)  # its own script and its own noise
        assert found.kappas[:, 0].tolist() == list(range(1, lengths[k] + 1))
        assert found.phis.shape == (lengths[k], PLACES)


def test_rows_that_have_nothing_to_write_are_taken_out(monkeypatch, point_by_point):
    network = ScriptedNetwork(*scripts_of_lengths(2, 4, 4))
    write(network, *(to_write(k, script=k) for k in range(3)))
    assert network.rows == [3, 3, 2, 2]
    monkeypatch.setattr(sampler, "ROWS", 2)
    network = ScriptedNetwork(*scripts_of_lengths(2, 4, 4))
    write(network, *(to_write(k, script=k) for k in range(3)))
    assert network.rows == [2, 2, 2, 2, 1, 1]  # the third takes the row of the first at once


def test_lines_that_end_together_are_told_together_and_further_ones_may_come_then(point_by_point):
    network = ScriptedNetwork(*scripts_of_lengths(2, 2, 3, 1))
    queue, told = Queue([to_write(k, script=k) for k in range(3)]), []
    for ended in told_in_turns(network, queue):
        told.append(sorted(line.key for line in ended))
        if told == [[0, 1]]:
            queue.append(to_write(3, script=3, limit=100))  # longer than there was room for
    assert told == [[0, 1], [2], [3]]  # the second was written when the first were told


def test_a_longer_line_that_comes_later_leaves_what_others_have_written(point_by_point):
    network = ScriptedNetwork(*scripts_of_lengths(1, 6, 30))
    queue, written = Queue([to_write(0, script=0, limit=8), to_write(1, script=1, limit=8, noise=0.5)]), {}
    for ended in told_in_turns(network, queue):
        written |= {line.key: line for line in ended}
        if list(written) == [0]:
            queue.append(to_write(2, script=2, limit=40))
    assert [len(written[k].points) for k in range(3)] == [1, 6, 30]
    np.testing.assert_allclose(written[1].points[:, :2], [[2.5, 0.5]] * 6)
    np.testing.assert_allclose(written[2].points[:, :2], [[3.0, 0.0]] * 30)


def test_a_line_that_nobody_wants_any_more_makes_room_and_is_not_told(monkeypatch, point_by_point):
    monkeypatch.setattr(sampler, "ROWS", 2)
    network = ScriptedNetwork(*scripts_of_lengths(2, 50, 3))
    queue, told = Queue([to_write(k, script=k, limit=60) for k in range(3)]), []
    for ended in told_in_turns(network, queue):
        told += [line.key for line in ended]
        queue.unwanted = (1,)
    assert told == [0, 2] and len(network.rows) == 5


# ------------------------------------------------------------------------------------------------------------ words


@pytest.mark.parametrize(
    ("place", "marked"),
    [
        (0.99, None),  # more than three characters before the word
        (1.01, 4),
        (3.8, 4),
        (3.84, 4),
        (3.87, None),  # the word has begun
    ],
)
def test_a_word_begins_where_the_pen_lifts_with_the_window_near_its_first_character(place, marked):
    script = [(1, DOWN, 0), (1, UP, place), (1, DOWN, 5), (1, UP, 7.9)]
    (line,) = write(ScriptedNetwork(script), to_write("a", length=8, words=(4,))).values()
    assert [int(mark.points) for mark in line.marks.values()] == [2] * (marked is not None)


def test_the_mark_of_a_word_is_the_state_at_the_last_lift_before_it():
    script = [(1, UP, 2), (1, UP, 3), (1, DOWN, 3), (1, DOWN, 4.5), (1, UP, 5.2), (1, UP, 7), (1, UP, 9.9)]
    network, to = ScriptedNetwork(script), to_write("a", length=10, words=(4, 6, 8))
    line = write(network, to)["a"]
    assert {word: int(mark.points) for word, mark in line.marks.items()} == {4: 2, 6: 5, 8: 6}
    mark = line.marks[6].row(network, to.text)
    assert float(mark.x) == float(mark.right) == 5 and mark.network.kappa.tolist() == [5]
    assert mark.point.tolist() == [1, 0, 1]


def test_the_lift_that_ends_a_line_begins_no_word():
    line = write(ScriptedNetwork([(1, DOWN, 0), (1, UP, 3)]), to_write("a", length=8, limit=2, words=(4,)))["a"]
    assert line.marks == {}


def test_a_line_that_is_gone_on_from_a_mark_keeps_its_points_and_marks_up_to_there():
    script = [(1, UP, 2), (2, UP, 3), (3, DOWN, 4.5), (4, UP, 5.2), (5, DOWN, 6.5), (6, UP, 8.9)]
    network = ScriptedNetwork(script)
    to = to_write("a", length=9, words=(4, 6, 8))
    first = write(network, to)["a"]
    assert {word: int(mark.points) for word, mark in first.marks.items()} == {4: 2, 6: 4}
    again = to_write(
        "b", length=9, noise=0.5, words=(4, 6, 8), start=first.marks[6].row(network, to.text), before=first
    )
    second = write(network, again)["b"]
    assert second.points[:, 0].tolist() == [1, 2, 3, 4, 5.5, 6.5] and second.finished
    for name in ("phis", "kappas"):
        np.testing.assert_array_equal(getattr(second, name), getattr(first, name))
    assert {word: int(mark.points) for word, mark in second.marks.items()} == {4: 2, 6: 4}
    third = to_write(
        "c", length=9, noise=0.5, words=(4, 6, 8), start=first.marks[4].row(network, to.text), before=first
    )
    anew = write(network, third)["c"].marks[6].row(network, to.text)
    assert anew.x == 2 * 0.5 + 1 + 2 + 3 + 4  # written anew, the mark too


REST = [(1, DOWN, 0.1), (1, UP, 1.2), (1, DOWN, 3), (1, UP, 4.9), (1, DOWN, 6), (1, UP, 7.9)]


def rest_of(points, anew, **how):
    """The line "ab cd ef" once more, from its first word to its second one."""
    network = ScriptedNetwork(REST, anew)
    to = {"length": 8, "words": (3, 6)}
    before = write(network, to_write("a", **to))["a"]
    again = to_write("b", script=1, before=before, until=3, noise=0.25, **to, **how)
    return before, write(network, again)["b"], points - len(network.rows) + len(REST)


def test_a_line_that_comes_to_its_rest_has_that_and_is_written_no_further(point_by_point):
    anew = [(2, DOWN, 0.1), (2, DOWN, 0.5), (2, UP, 1.4), (4, DOWN, 2.9), (2, DOWN, 3.4)] + [(2, DOWN, 5)] * 9
    before, line, left = rest_of(5, anew)
    assert left == 0  # nothing is written after the attention has passed the first character of the word
    assert line.points[:, 0].tolist() == [2.25, 2.25, 2.25, 4.25, 1, 1, 1] and line.finished and line.until == 3
    np.testing.assert_array_equal(line.phis[3:], before.phis[2:])
    assert {word: mark.points for word, mark in line.marks.items()} == {3: 3, 6: 5}


@pytest.mark.parametrize(
    ("anew", "limit"),
    [
        ([(2, DOWN, 0.1), (2, DOWN, 1), (2, DOWN, 3), (2, DOWN, 3.4), (1, UP, 7.9)], 20),  # the words are joined
        ([(2, UP, 0.2), (2, DOWN, 1), (2, DOWN, 1), (2, DOWN, 1), (2, DOWN, 3.4), (1, UP, 7.9)], 20),  # nearly so
        ([(2, DOWN, 0.1), (2, DOWN, 1), (2, UP, 1.4), (1, DOWN, 3.4), (1, UP, 7.9)], 6),  # longer than it may be
    ],
)
def test_a_line_that_comes_to_its_rest_in_another_way_is_written_to_its_end(point_by_point, anew, limit):
    _, line, _ = rest_of(0, anew, limit=limit)
    assert line.points[:, 0].tolist() == [dx + 0.25 for dx, _, _ in anew] and line.until is None


def test_a_pen_rests_by_raw_units_whatever_the_scale(drawn):
    model = types.SimpleNamespace(nmixtures=7, config=types.SimpleNamespace(data_scale=50.0))
    text, state = batch(to_write("a"))
    writer = PointWriter(ScriptedNetwork([(1, DOWN, 0)]), model)
    writer.start(state.network, state.point, text, np.zeros([1, 1, 4], np.float32))
    writer.drawn()
    assert drawn[0][:2] == (7, points.RESTING / 50.0)
