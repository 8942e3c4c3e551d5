"""scribe/writing/proofread.py, line_writer.py and lines.py: which texts are written when, from where, and how often.

Without a network: what its lines look like is made up here.
"""

import types

import numpy as np
import pytest

from scribe.hands.hand import Hand
from scribe.ink.composed import compose_text
from scribe.network.config import ModelConfig
from scribe.network.point_network import LstmBiases, NetworkState
from scribe.writing import line_writer, lines, proofread
from scribe.writing.bias import paper_bias
from scribe.writing.failures import Failure
from scribe.writing.line_writer import Again, Line, LineWriter, word_places
from scribe.writing.proofread import Attempts, Verdict, judge_lines
from scribe.writing.rows import WordStart, WrittenLine
from scribe.writing.slips import Slip
from writing_helpers import write_text

ALPHABET = " abcdeij.!:"
TEXT = "abc dea bc"  # words at 0, 4 and 8


# ------------------------------------------------------------------------------------------------- attempts of a text


def verdict(words, failures=0, warned=()):
    """Of a line with these weights of slips by the number of the word, and so many failures of the attention."""
    told = [Failure("skipped", k, k + 1) for k in range(failures)]
    return Verdict(told, (failures, sum(words.values())), words, frozenset(warned))


def test_the_line_with_the_fewest_failures_is_kept_then_that_with_the_least_slips_then_the_first():
    found = [
        verdict({0: 0.5}, 2),
        verdict({0: 2.0}, 1),
        verdict({0: 2.0}, 1),
        verdict({0: 1.0}, 1),
        verdict({0: 0.1}, 2),
    ]
    attempts, kept = Attempts(TEXT, (7,), 5), []
    assert attempts.line is None and attempts.count == 0
    for k, one in enumerate(found):
        attempts.take(f"line {k}", f"written {k}", one)
        kept.append((attempts.line, attempts.kept, len(attempts.failures), attempts.count))
    assert kept == [
        ("line 0", 0, 2, 1), ("line 1", 1, 1, 2), ("line 1", 1, 1, 3), ("line 3", 3, 1, 4), ("line 3", 3, 1, 5),
    ]  # fmt: skip


def test_the_first_faulty_word_is_tried_most_times_and_then_the_next():
    attempts, asked = Attempts(TEXT, (7, 1), 3), []
    for _ in range(10):
        attempts.take("line", "written", verdict({1: 1.0, 2: 0.5}))
        again = attempts.go_on(4)
        if not again:
            break
        asked += again
    assert [(one.number, one.word) for one in asked] == [(4, 4), (4, 4), (4, 8), (4, 8)] and attempts.count == 5
    assert all(one.before == "written" for one in asked)
    assert [one.seed for one in asked] == [(7, 1, 1, 1), (7, 1, 1, 2), (7, 1, 2, 1), (7, 1, 2, 2)]
    # What may be asked for next: further tries of the same word.
    assert [one.next_seeds for one in asked] == [((7, 1, 1, 2),), (), ((7, 1, 2, 2),), ()]


@pytest.mark.parametrize(
    ("faulty", "word", "rest"),
    [({0: 1.0}, 0, 4), ({0: 1.0, 1: 0.2}, 0, 8), ({1: 1.0}, 4, 8), ({0: 1.0, 2: 0.1}, 0, None), ({2: 1.0}, 8, None)],
)
def test_what_follows_the_last_faulty_word_may_stay(faulty, word, rest):
    attempts = Attempts(TEXT, (7,), 5)
    attempts.take("line", "written", verdict(faulty))
    (again,) = attempts.go_on()
    assert (again.word, again.rest, again.before) == (word, rest, "written")


def test_a_line_has_a_budget_of_twice_the_attempts_of_a_word():
    attempts = Attempts("a b c d e f g", (0,), 2)
    for _ in range(1, 20):
        attempts.take("line", "written", verdict({k: 1.0 for k in range(7)}))
        if not attempts.go_on():
            break
    assert attempts.count == 4


@pytest.mark.parametrize(
    ("found", "only_warned", "good"),
    [
        (verdict({}), False, True),
        (verdict({1: 0.1}), False, False),
        (Verdict([], (0, 0.1), {1: 0.1}, frozenset()), True, True),
        (Verdict([Failure("skipped", 4, 5)], (1, 0.0), {0: 0.1, 1: 1.0}, frozenset([1])), True, False),
    ],
)
def test_a_line_is_good_without_slips_or_where_nobody_would_be_warned(found, only_warned, good):
    attempts = Attempts(TEXT, (7,), 3, only_warned)
    attempts.take("line", "written", found)
    again = attempts.go_on()
    assert (again == []) == good
    if not good:
        assert again[0].word == 4  # of the words that somebody is warned of, or that are faulty, the first
    assert (attempts._as_written is None) == good  # what a text begins again from is not kept longer


def test_the_line_of_one_attempt_is_never_written_again():
    attempts = Attempts(TEXT, (7,), 1)
    attempts.take("line", "written", verdict({0: 1.0}))
    assert attempts.go_on() == []


@pytest.mark.parametrize(
    ("first", "second", "from_second"),
    [
        ({1: 0.5, 2: 0.5}, {1: 0.2, 2: 0.9}, True),  # the word that was tried is better
        ({1: 0.5, 2: 0.5}, {1: 0.5, 2: 0.2}, True),  # as well, and the next one better
        ({1: 0.5, 2: 0.5}, {1: 0.5, 2: 0.5}, False),
        ({1: 0.5, 2: 0.5}, {1: 0.6}, False),
        ({1: 0.5, 2: 0.5}, {2: 0.9}, True),
        ({1: 0.5}, {0: 0.9, 1: 0.4}, True),  # what comes before the word does not count
    ],
)
def test_a_line_is_gone_on_from_where_the_word_that_was_tried_came_out_better(first, second, from_second):
    attempts = Attempts(TEXT, (7,), 5)
    attempts.take("line 1", "written 1", verdict(first))
    assert attempts.go_on()[0].word == 4
    attempts.take("line 2", "written 2", verdict(second))
    (again,) = attempts.go_on()
    assert again.before == ("written 2" if from_second else "written 1")


# ------------------------------------------------------------------------------------------------------------ verdicts


def test_each_fault_counts_for_the_word_that_it_begins_in_and_only_some_are_told(monkeypatch):
    failures = [Failure("skipped", 0, 1), Failure("repeated", 5, 7)]
    slips = [
        Slip(Failure("misread", 3, 4), 0.25, False),  # the space after the first word
        Slip(Failure("misread", 4, 5), 0.5, False),
        Slip(Failure("misread", 8, 9), 0.125, True),
    ]
    monkeypatch.setattr(proofread, "find_failures", lambda line: failures)
    monkeypatch.setattr(proofread, "find_slips", lambda lines, recogniser: [slips] * len(lines))
    line = types.SimpleNamespace(text=TEXT)
    (with_reader, other), (alone,) = judge_lines([line, line], object()), judge_lines([line], None)
    assert with_reader == other == Verdict(
        [*failures, slips[2].failure], (2, 0.875), {0: 1.25, 1: 1.5, 2: 0.125}, frozenset([0, 1, 2])
    )  # fmt: skip
    assert alone == Verdict(failures, (2, 0), {0: 1.0, 1: 1.0}, frozenset([0, 1]))


def test_a_fault_before_the_first_word_is_one_of_it(monkeypatch):
    monkeypatch.setattr(proofread, "find_failures", lambda line: [Failure("skipped", 0, 1)])
    (found,) = judge_lines([types.SimpleNamespace(text=" a b")], None)
    assert found.words == {0: 1.0} and found.warned == {0}


# --------------------------------------------------------------------------------------------------- texts and numbers


def test_words_begin_after_spaces():
    assert word_places(TEXT) == [0, 4, 8] and word_places(" a  bc ") == [1, 4] and word_places("") == []


def test_the_random_numbers_of_a_line_are_two_normals_and_two_uniforms_whatever_its_length():
    noise = line_writer.line_noise((3, 1), 20_000)
    assert noise.shape == (20_000, 4) and noise.dtype == np.float32
    np.testing.assert_allclose(noise.mean(axis=0), [0, 0, 0.5, 0.5], atol=0.05)
    np.testing.assert_allclose(noise.std(axis=0), [1, 1, 12**-0.5, 12**-0.5], atol=0.05)
    assert noise[:, 2:].min() >= 0 and noise[:, 2:].max() < 1
    np.testing.assert_array_equal(line_writer.line_noise((3, 1), 7), noise[:7])
    assert not np.array_equal(line_writer.line_noise((3, 2), 7), noise[:7])


def config(**more):
    return ModelConfig(rnn_size=2, nmixtures=1, kmixtures=1, alphabet=ALPHABET, **more)


@pytest.mark.parametrize(("last", "waits"), [("a", 0.1), ("i", np.inf), ("!", np.inf), (".", 0.1)])
def test_what_a_row_is_told_of_its_text(last, waits):
    biases = LstmBiases(*np.zeros([3, 8], np.float32))
    text = line_writer.row_text("a b" + last, 9, None, config(), biases, 0.75, 77)
    assert text.char_seq.shape == (9, len(ALPHABET) + 1) and text.char_seq.sum() == 4  # nothing after the text
    assert [ALPHABET[k - 1] for k in text.char_seq[:4].argmax(axis=1)] == [*"a b", last]
    np.testing.assert_array_equal(text.mask, [1] * 6 + [0] * 3)  # two places follow
    np.testing.assert_array_equal(text.past_end, np.arange(9) - 3)
    assert text.bias == pytest.approx([paper_bias(0.75)]) and text.limit == 77 and text.passed_at == np.float32(waits)
    assert text.biases is biases


STYLE = np.array([[1, 2, 0], [3, -4, 1]])


def test_a_style_is_taken_with_a_space_after_its_text():
    strokes, text = line_writer.checked_style((STYLE, "  ab "), ALPHABET)
    assert strokes.dtype == np.float32 and np.array_equal(strokes, STYLE) and text == "ab "
    far = STYLE * [line_writer.LARGEST_OFFSET / 4, 1, 1]
    assert line_writer.checked_style((far[:1], "a"), ALPHABET)[0].shape == (1, 3)


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ((STYLE[:, :2], "a"), "but this one has"),
        ((STYLE[0], "a"), "but this one has"),
        ((STYLE[:0], "a"), "but this one has"),
        ((STYLE, " "), "but this one has"),
        ((STYLE * [np.nan, 1, 1], "a"), "finite offsets"),
        ((STYLE * [4000, 1, 1], "a"), "finite offsets"),
        ((STYLE * [-4000, 1, 1], "a"), "finite offsets"),
        ((STYLE * [1e300, 1, 1], "a"), "finite offsets"),
        ((STYLE * [1, 1, 2], "a"), "pen lifts of 0 or 1"),
    ],
)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_style_that_cannot_be_gone_on_from_is_one_line(style, message):
    with pytest.raises(ValueError, match=message):
        line_writer.checked_style(style, ALPHABET)


@pytest.mark.parametrize(
    ("attended", "lifts", "start"),
    [
        ([0, 0, 1, 2, 2], [0, 1, 0, 0, 1], 2),  # after the last lift before the text is reached
        ([0, 1, 2, 0, 2], [1, 1, 0, 1, 0], 2),  # which is when it is reached for the first time
        ([0, 0, 1, 2, 2], [0, 0, 0, 1, 1], 0),
        ([2, 2, 2, 2, 2], [1, 1, 1, 1, 1], 0),
        ([0, 0, 0, 3, 3], [0, 1, 0, 0, 0], 2),  # its first character is passed over
        ([0, 1, 1, 1, 0], [1, 1, 1, 1, 1], 0),  # never: nothing is cut off
    ],
)
def test_a_primed_line_begins_after_the_strokes_of_its_style(attended, lifts, start):
    points = np.zeros([5, 6], np.float32)
    points[:, 5] = lifts
    assert line_writer.own_start(points, np.eye(4)[attended], 2) == start


def test_states_of_another_shape_are_refused_and_what_they_lack_is_zero():
    pairs = [(np.full([2, 3], k), np.full([2, 3], k + 0.5)) for k in range(3)]
    given = []
    network = types.SimpleNamespace(given=lambda *state: given.append(state))
    line_writer._given_states(pairs, types.SimpleNamespace(kmixtures=4), network)
    states, kappa, window = given.pop()
    assert len(states) == 3 and kappa.shape == (2, 4) and not kappa.any() and window == 0
    told = {"states": pairs, "kappa": np.ones([2, 4, 1]), "window": np.ones([2, 5])}
    line_writer._given_states(told, types.SimpleNamespace(kmixtures=4), network)
    _, kappa, window = given.pop()
    assert kappa.shape == (2, 4) and kappa.all() and window.shape == (2, 5)
    for wrong in (pairs[:2], [*pairs, pairs[0]], [(*pair, pair[0]) for pair in pairs]):
        with pytest.raises(ValueError, match="states of the three LSTMs"):
            line_writer._given_states(wrong, types.SimpleNamespace(kmixtures=4), network)


# ------------------------------------------------------------------------------------------------------- a line writer


class Network:
    """Counts what it is asked to read; its window goes on by a character a point."""

    compiled = None

    def __init__(self, model):
        self.read = []

    def biases(self, lstm_biases):
        return LstmBiases(*np.zeros([3, 1, 8], np.float32))

    def begin(self, rows):
        return NetworkState(*[np.zeros([rows, 2], np.float32)] * 7, np.zeros([rows, 1], np.float32))

    def step(self, state, points, char_seq, mask, biases):
        self.read.append(points.copy())
        phi = np.eye(mask.shape[1], dtype=np.float32)[state.kappa[:, 0].astype(int)]
        state.kappa[:] += 1
        return None, phi * mask


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(line_writer, "network_of", Network)
    model = types.SimpleNamespace(config=config(), kmixtures=1, hand_size=0)
    model.lstm_biases = lambda vectors: ()
    return model


def writer_of(model, texts, **how):
    return LineWriter(texts, model, [0.5] * len(texts), [None] * len(texts), **how)


def test_the_limit_of_a_line_is_45_points_a_character_and_100_or_what_is_asked_for(model):
    writer = writer_of(model, ["abc", "a"])
    assert (writer.limit(0), writer.limit(1)) == (235, 145) and writer.places == 5
    assert writer_of(model, ["abc"], tsteps=7).limit(0) == 7


def test_a_line_to_write_has_its_text_its_numbers_and_its_words(model):
    writer = writer_of(model, ["a bc", "d"], style=(STYLE, "ab"), rewinds=True, tsteps=9)
    assert writer.places == 3 + 4 + 2 and (writer.prime_text, len(writer.prime_strokes)) == ("ab ", 2)
    line = writer.line_to_write((0, (5, 0), 1), Again(0, (5, 0)), "network")
    assert line.key == (0, (5, 0), 1) and line.before is None and line.words == (5,)
    assert line.start.network == "network" and line.start.point.tolist() == STYLE[-1].tolist()
    assert line.start.points == 0 and line.start.points.dtype == int and not line.start.may_end
    assert (
        line.text.bias == pytest.approx([paper_bias(0.5)])
        and line.text.limit == 9
        and line.text.mask.sum() == 3 + 4 + 2
    )
    np.testing.assert_array_equal(line.noise, line_writer.line_noise((5, 0), 9))
    assert writer_of(model, ["a bc"]).line_to_write((0, (5,), 1), Again(0, (5,)), None).words == ()


def test_with_a_threshold_the_pen_lifts_by_it(model):
    noise = (
        writer_of(model, ["a"], eos_threshold=0.25, tsteps=6).line_to_write((0, (5,), 1), Again(0, (5,)), None).noise
    )
    assert (noise[:, 3] == 0.25).all()
    np.testing.assert_array_equal(noise[:, :3], line_writer.line_noise((5,), 6)[:, :3])


def test_a_line_that_is_gone_on_from_draws_its_own_numbers_from_the_word_on(model):
    writer = writer_of(model, ["a bc"], tsteps=9, rewinds=True)
    plain = writer.line_to_write((0, (5,), 1), Again(0, (5,)), None)
    start = WordStart(plain.start._replace(points=np.array(3)), np.zeros([0, 3], np.float32))
    line = writer.line_to_go_on((0, (5, 1, 1), 2), Again(0, (5, 1, 1), "before", 2), start)
    assert line.before == "before" and line.noise.shape == (9, 4) and not line.noise[:3].any()
    np.testing.assert_array_equal(line.noise[3:], line_writer.line_noise((5, 1, 1), 9)[:6])


@pytest.mark.parametrize(
    ("rest", "index", "until"),
    [
        (2, [0, 1, 3, 4, 5, 6, 6], 5),
        (None, [0, 1, 3, 4, 5, 6, 6], None),
        (2, [0, 1, 3, 3, 3, 3, 5], None),  # its first word is joined with the second
    ],
)
def test_a_line_that_is_written_again_takes_over_the_rest_where_that_can_follow(model, rest, index, until):
    writer = writer_of(model, ["a bc"], style=(STYLE, "ab"), tsteps=9, rewinds=True)  # the words begin at 3 and at 5
    plain = writer.line_to_write((0, (5,), 1), Again(0, (5,)), None)
    assert plain.before is None and plain.until is None
    start = WordStart(plain.start._replace(points=np.array(3)), np.zeros([0, 3], np.float32))
    phis = np.eye(9, dtype=np.float32)[index]
    before = WrittenLine("before", np.zeros([7, 6], np.float32), phis, np.zeros([7, 1], np.float32), True, {5: start})
    anew = writer.line_to_write((0, (5, 0, 1), 1), Again(0, (5, 0, 1), before, 0, rest=rest), None)
    further = writer.line_to_go_on((0, (5, 0, 1), 1), Again(0, (5, 0, 1), before, 0, rest=rest), start)
    assert [line.until for line in (anew, further)] == [until] * 2
    assert anew.before is further.before is before and anew.start.points == 0


def test_a_written_line_begins_at_the_origin_and_counts_its_own_characters(model):
    writer = writer_of(model, ["bc"], style=(STYLE, "ab"))  # its first character is the fourth
    points = np.ones([4, 6], np.float32)
    points[:, 5] = [0, 1, 0, 1]
    phis = np.eye(8, dtype=np.float32)[[0, 1, 3, 4]]
    line = writer._as_line(WrittenLine((0, (), 0), points, phis, np.full([4, 1], 3.5, np.float32), True, {}))
    assert line.text == "bc" and line.finished and line.strokes[:, :2].tolist() == [[0, 0], [1, 1]]
    np.testing.assert_array_equal(line.phis, np.eye(2))
    assert line.kappas.tolist() == [[0.5], [0.5]] and (points[:, :2] == 1).all()  # what was written stays as it is


def test_what_texts_have_in_common_of_their_style_is_read_once(model):
    style = np.zeros([6, 3], np.float32)
    style[:, 0] = np.arange(6)
    writer = writer_of(model, ["abcd", "dea"], style=(style, "ab"))
    used, state = writer._start = writer._common_start()
    assert used == 3 and state.kappa.tolist() == [[3.0]]  # at the fourth point it would see the texts
    assert [len(points) for points in writer.network.read] == [1] * 4
    writer.network.read.clear()
    states = writer.states_of([1, 0])
    assert [points[:, 0].tolist() for points in writer.network.read] == [[3, 3], [4, 4]]  # the last one is an input
    assert [state.kappa.tolist() for state in states] == [[5.0], [5.0]]


def test_texts_in_several_hands_have_nothing_in_common(model):
    hands = [Hand(np.zeros(0, np.float32), {}), Hand(np.zeros(0, np.float32), {})]
    writer = LineWriter(["ab", "cd"], model, [1, 1], hands, style=(STYLE, "ab"))
    assert writer._common_start()[0] == 0 and not writer.network.read


def test_a_verdict_counts_after_as_many_calls_as_lines_were_judged(model, monkeypatch):
    """So the batches do not depend on how long the judge takes."""
    writer, told = writer_of(model, ["ab", "a", "b"]), []

    def turns(points, queue):
        first = [queue.popleft() for _ in range(3)]
        assert [line.key[0] for line in first] == [0, 1, 2]  # the longest first
        yield [], True
        yield [written(line.key) for line in first], True  # judged from here on
        for busy in (True, True, True):
            told.append(len(queue.asked))
            yield [], busy
        told.append(len(queue.asked))
        again = queue.popleft()
        assert again.key[:2] == (1, (9,))
        yield [written(again.key)], False  # nothing else is written: the verdict is waited for
        yield [], False
        told.append(queue.is_done)

    def judge(some):
        assert all(isinstance(line, Line) for _, line, _ in some)
        return [Again(1, (9,))] if len(some) == 3 else []

    monkeypatch.setattr(line_writer, "write_lines", turns)
    monkeypatch.setattr(line_writer, "PointWriter", lambda network, model: None)
    monkeypatch.setattr(LineWriter, "_as_line", lambda self, line: Line(self.texts[line.key[0]], *[None] * 4))
    writer.write([(0,), (1,), (2,)], judge)
    assert told == [3, 3, 3, 1, True]


# ------------------------------------------------------------------------------------------------------------ the queue


class Writer:
    """What a `_Queue` asks its writer for."""

    prime_text = "xx"

    def __init__(self):
        self.primed = []

    def states_of(self, which):
        self.primed.append(list(which))
        return [f"state {i}" for i in which]

    def line_to_write(self, key, again, state):
        return types.SimpleNamespace(key=key, state=state)

    def line_to_go_on(self, key, again, start):
        return types.SimpleNamespace(key=key, before=again.before, start=start)


def written(key, **marks):
    """A line that was written, with what may be gone on from by the place of a word."""
    return WrittenLine(key, None, None, None, True, {int(place[1:]): mark for place, mark in marks.items()})


def queue_of(count):
    return line_writer._Queue(Writer(), [Again(i, (i,)) for i in range(count)])


def test_texts_are_begun_in_their_order_and_primed_some_at_a_time(monkeypatch):
    monkeypatch.setattr(line_writer, "LINES_PRIMED_TOGETHER", 2)
    queue = queue_of(3)
    assert len(queue) == 3 and not queue.is_done
    lines = [queue.popleft() for _ in range(3)]
    assert [(line.key[:2], line.state) for line in lines] == [((k, (k,)), f"state {k}") for k in range(3)]
    assert queue.writer.primed == [[0, 1], [2]] and len(queue) == 0


def test_lines_are_judged_some_together_and_fewer_when_hardly_any_is_written():
    together = line_writer.JUDGED_TOGETHER
    queue = queue_of(100)
    lines = [queue.popleft() for _ in range(99)]  # the last one waits
    queue.take([written(line.key) for line in lines[: together - 1]])
    assert queue.to_judge() == []
    queue.take([written(lines[together - 1].key)])
    assert len(queue.to_judge()) == together and queue.to_judge() == []
    queue.judged([])
    assert len(queue.asked) == 100 - together
    queue.take([written(line.key) for line in lines[together:-6]])
    assert len(queue.to_judge()) == 99 - together - 6
    queue.judged([])
    lines = [*lines[-6:], queue.popleft()]  # 7 are left, and none waits
    queue.take([written(lines[0].key)])
    assert queue.to_judge() == []  # one of 7: fewer than a quarter of the others
    queue.take([written(lines[1].key)])
    assert len(queue.to_judge()) == 2
    queue.take([written(lines[2].key)])
    assert len(queue.to_judge()) == 1  # a quarter of the 4 that are still written; two are being judged


def test_a_text_is_written_again_from_its_state_until_it_is_good():
    queue = queue_of(2)
    first = [queue.popleft() for _ in range(2)]
    assert all(queue.wants(line.key) for line in first) and not queue.wants((0, (9,), first[0].key[2]))
    queue.take([written(line.key, p2="mark", p6="word") for line in first])
    before = queue.to_judge()
    queue.judged([Again(0, (0, 1), before[0], 4), Again(1, (1, 1))])  # from the word at 4, and from the beginning
    assert len(queue) == 2 and not queue.wants(first[0].key)
    from_word, anew = queue.popleft(), queue.popleft()
    assert from_word.start == "word" and from_word.before is before[0] and from_word.key[:2] == (0, (0, 1))
    assert anew.state == "state 1" and queue.writer.primed == [[0, 1]]
    queue.take([written(from_word.key), written(anew.key)])
    queue.to_judge()
    queue.judged([])
    assert queue.is_done and not queue.states


def test_a_try_is_of_the_line_whose_rest_it_takes_over():
    """One that was written ahead is of no use when another line is gone on from, though it begins alike."""
    first, one, another = ((0, 1), (0, 2)), written("one"), written("another")
    queue = line_writer._Queue(Writer(), [Again(0, (0,), one, 0, first, rest=4)])
    line, ahead = queue.popleft(), queue.popleft()
    queue.take([written(line.key), written(ahead.key)])
    queue.to_judge()
    queue.judged([Again(0, (0, 1), another, 0, first[1:], rest=4)])
    assert len(queue.waiting) == 1 and not queue.wants(ahead.key)
    queue.take([written(queue.popleft().key)])
    queue.to_judge()
    queue.judged([Again(0, (0, 2), another, 0, rest=4)])
    assert len(queue.waiting) == 1


def test_idle_rows_write_tries_ahead_which_are_judged_when_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(line_writer, "ROWS_AHEAD", 3)
    queue = line_writer._Queue(
        Writer(), [Again(0, (0,), next_seeds=((0, 1), (0, 2))), Again(1, (1,), next_seeds=((1, 1),))]
    )
    lines = [queue.popleft(), queue.popleft()]
    assert len(queue) == 1  # no more than three rows
    ahead = queue.popleft()
    assert ahead.key[:2] == (0, (0, 1)) and len(queue) == 0 and queue.wants(ahead.key)
    monkeypatch.setattr(line_writer, "ROWS_AHEAD", 9)
    assert len(queue) == 2
    assert [queue.popleft().key[:2] for _ in range(2)] == [(1, (1, 1)), (0, (0, 2))]  # the likeliest of each text first
    queue.take([written(ahead.key)])
    assert queue.to_judge() == []  # nobody has asked for it
    queue.take([written(lines[0].key), written(lines[1].key)])
    assert [line.key[1] for line in queue.to_judge()] == [(0,), (1,)]
    queue.judged([Again(0, (0, 1), next_seeds=((0, 2),))])  # the second text is good: its try ahead is wanted no more
    assert not queue.wants((1, (1, 1), lines[1].key[2]))
    assert [line.key for line in queue.to_judge()] == [ahead.key]
    queue.judged([Again(0, (0, 2))])  # it is under way
    assert len(queue) == 0 and len(queue.under_way) == 1
    queue.take([written((1, (1, 1), lines[1].key[2]))])  # what nobody wants has ended: it is not told
    assert queue.to_judge() == []


# ------------------------------------------------------------------------------------------ what `sample_batch` checks


def checked(texts=("ab",), bias=1.0, tsteps=None, style=None, states=None, eos=None):
    return lines.checked_texts(texts, types.SimpleNamespace(config=config()), bias, tsteps, style, states, eos)


def test_what_is_just_in_range_is_taken():
    texts, biases = checked(["a" * lines.MAX_LINE_CHARACTERS, " b "], [0.0, 3.0], 1, eos=0)
    assert [len(text) for text in texts] == [lines.MAX_LINE_CHARACTERS, 1] and biases.tolist() == [0, 3]
    assert checked(bias=2, tsteps=lines.MAX_POINTS, style=(STYLE, "a"), eos=1)[1].tolist() == [2]
    assert checked(states={})[0] == ["ab"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"bias": -0.01}, "bias is"), ({"bias": np.nan}, "bias is"), ({"bias": np.inf}, "bias is"),
        ({"tsteps": 0}, "tsteps is 0"), ({"tsteps": lines.MAX_POINTS + 1}, "tsteps is"),
        ({"texts": ["a", "a" * (lines.MAX_LINE_CHARACTERS + 1)]}, "text 1 has 1,001 characters"),
        ({"texts": ["a", " "]}, "text 1 has no character that this model can write; it knows ' abcdeij"),
        ({"style": (STYLE, "a"), "states": {}}, "exclude each other"),
        ({"eos": -0.01}, "eos_threshold is"), ({"eos": 1.01}, "eos_threshold is"), ({"eos": np.nan}, "eos_threshold"),
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        checked(**asked)


def test_each_text_has_its_hand_and_its_seed():
    hand = Hand(np.zeros(0, np.float32), {})
    assert lines.hand_of_each(None, 2) == [None, None] and lines.hand_of_each(hand, 2) == [hand, hand]
    assert lines.hand_of_each([hand, None], 2) == [hand, None]
    assert lines.line_seeds(5, 2) == [(5, 0), (5, 1)] and lines.line_seeds([5, (6, 7)], 2) == [(5,), (6, 7)]
    assert lines.line_seeds(np.array([5, 6]), 2) == [(5,), (6,)]
    for count in (1, 3):
        with pytest.raises(ValueError, match=f"2 texts but {count} hands"):
            lines.hand_of_each([hand] * count, 2)
    for count in (1, 3):
        with pytest.raises(ValueError, match=f"2 texts but {count} seeds"):
            lines.line_seeds([1] * count, 2)


def test_texts_of_one_network_and_one_line_of_ink_are_written_together(monkeypatch):
    ink = (STYLE, "ab")
    plain, with_ink = Hand(np.zeros(0, np.float32), {}), Hand(np.zeros(0, np.float32), {}, line=ink)
    hands, begun, judged = [plain, with_ink, None, with_ink], [], []

    class Recorded:
        def __init__(self, texts, model, biases, hands, **how):
            self.texts = texts
            begun.append((texts, biases.tolist(), hands, how))

        def write(self, seeds, judge):
            begun[-1] += (seeds,)
            again = judge([(k, text, "as written") for k, text in enumerate(self.texts)])
            assert [one.number for one in again] == [1]  # among those of this network

    def judge(told):
        judged.append(told)
        return [Again(told[1][0], (9,))]

    monkeypatch.setattr(lines, "LineWriter", Recorded)
    how = {"style": None, "tsteps": 5}
    lines.write_texts(["a", "b", "c", "d"], "model", [1, 2, 3, 4], hands, [(k,) for k in range(4)], judge, **how)
    assert begun[0] == (["a", "c"], [1, 3], [plain, None], {**how, "style": None}, [(0,), (2,)])
    assert begun[1] == (["b", "d"], [2, 4], [with_ink, with_ink], {**how, "style": ink}, [(1,), (3,)])
    assert judged == [
        [(0, "a", "as written"), (2, "c", "as written")],
        [(1, "b", "as written"), (3, "d", "as written")],
    ]
    # A style that was asked for goes before the ink of the hand.
    lines.write_texts(["b", "d"], "model", [1, 1], hands[1::2], [(0,), (1,)], judge, style=(STYLE, "cd"))
    assert begun[2][3]["style"][1] == "cd"
    lines.write_texts(["b", "d"], "model", [1, 1], hands[1::2], [(0,), (1,)], judge, initial_states={})
    assert "style" not in begun[3][3] or begun[3][3]["style"] is None


def test_a_sign_alone_is_drawn_and_a_plain_line_stays_as_it_is():
    model = types.SimpleNamespace(kmixtures=3, config=config(data_scale=50.0))
    base = Line("ab", np.zeros([2, 6], np.float32), np.eye(2, dtype=np.float32), np.zeros([2, 3], np.float32), True)
    assert lines.composed(compose_text("ab", ALPHABET), base, (1,), model) is base
    line = lines.composed(compose_text("€", ALPHABET), None, (1,), model)
    n = len(line.strokes)
    assert line.text == "€" and line.finished and n > 5 and line.strokes[0, :2].tolist() == [0, 0]
    assert line.strokes.dtype == np.float32 and line.phis.tolist() == [[1.0]] * n
    assert line.kappas.shape == (n, 3) and not line.kappas.any() and line.ink.added.all() and line.base.text == ""
    assert not np.array_equal(line.strokes, lines.composed(compose_text("€", ALPHABET), None, (2,), model).strokes)


def written_text(text, model):
    """A line of the synthetic hand."""
    strokes, index = write_text(text, 1.0)
    phis = np.eye(len(text), dtype=np.float32)[index]
    return Line(text, strokes.astype(np.float32), phis, np.zeros([len(index), model.kmixtures], np.float32), True)


def test_what_is_composed_is_as_large_as_the_hand_and_on_the_line_of_its_base():
    sizes = {}
    for data_scale in (50.0, 25.0):
        model = types.SimpleNamespace(kmixtures=3, config=config(data_scale=data_scale))
        sizes[data_scale] = np.ptp(
            lines.composed(compose_text("€", ALPHABET), None, (1,), model).strokes[:, :2], axis=0
        )
    np.testing.assert_allclose(sizes[25.0], 2 * sizes[50.0], rtol=0.2)
    composition, base = compose_text("dé a", ALPHABET), written_text("de a", model)
    line = lines.composed(composition, base, (1,), model)
    assert line.text == "dé a" and line.base is base and line.finished and len(line.strokes) > len(base.strokes)
    assert len(line.strokes) == len(line.phis) == len(line.kappas) and line.phis.shape[1] == 4
    np.testing.assert_array_equal(line.phis[~line.ink.added], base.phis[line.ink.source[~line.ink.added]])
    assert set(line.phis[line.ink.added].argmax(axis=1)) == {1}  # the accent belongs to its letter


# -------------------------------------------------------------------------------- from texts to lines, and to attempts


@pytest.fixture
def told(monkeypatch):
    """Lines are those of the synthetic hand. Returns what `write_texts` was asked for."""
    asked = []

    def write(texts, model, biases, hands, seeds, judge, **how):
        asked.append((list(texts), np.asarray(biases).tolist(), list(hands), list(seeds), how))
        left = [(i, text, "as written") for i, text in enumerate(texts)]
        while left:
            again = judge([(i, written_text(text, model), before) for i, text, before in left])
            left = [(one.number, texts[one.number], one.before) for one in again]

    monkeypatch.setattr(lines, "write_texts", write)
    monkeypatch.setattr(proofread, "write_texts", write)
    return asked


PLAIN = types.SimpleNamespace(kmixtures=2, config=config())


def test_a_batch_comes_back_in_its_order_with_what_is_composed(told):
    found = lines.sample_batch(["ab", "dé", "€", "c"], PLAIN, bias=[0, 1, 2, 3], seed=7, tsteps=50)
    assert [line.text for line in found] == ["ab", "dé", "€", "c"]
    texts, biases, hands, seeds, how = told.pop()
    assert texts == ["ab", "de", "c"] and biases == [0, 1, 3] and seeds == [(7, 0), (7, 1), (7, 3)]  # € is drawn alone
    assert hands == [None] * 3 and how == {"tsteps": 50, "style": None, "initial_states": None, "eos_threshold": None}
    assert found[0].base is None and found[1].base.text == "de" and found[2].base.text == "" and not told
    assert [line.text for line in lines.sample_batch(["a", "b"], PLAIN)] == ["a", "b"]
    assert told.pop()[3] == [(0, 0), (0, 1)] and lines.sample_batch([], PLAIN) == []
    proofread.sample_checked(["a"], PLAIN)
    assert told[-1][3] == [(0, 0)] and told[-1][1] == [lines.DEFAULT_BIAS]


@pytest.mark.parametrize(("attempts", "rewinds"), [(1, False), (2, True), (5, True)])
def test_only_where_there_is_more_than_one_attempt_states_before_words_are_kept(told, attempts, rewinds):
    proofread.sample_checked(["ab"], PLAIN, attempts=attempts)
    assert told[0][4]["rewinds"] is rewinds


@pytest.mark.parametrize("texts", [["ab cd", "a", "cd ab"], ["ab cd", "a", "cd áb"]])
def test_texts_are_written_until_they_are_good_and_each_that_is_done_is_told(told, monkeypatch, texts):
    judged, done = [], []

    def find(line):
        judged.append(line.text)
        return [Failure("skipped", 3, 4)] if line.text == "ab cd" and len(judged) < 5 else []

    monkeypatch.setattr(proofread, "find_failures", find)
    checked = proofread.sample_checked(texts, PLAIN, seed=3, attempts=4, progress=done.append)
    assert [line.text for line in checked.lines] == texts and checked.attempts == [3, 1, 1]
    assert checked.failures == [[], [], []] and done == [2, 0, 1]
    assert told[0][3] == [(3, 0), (3, 1), (3, 2)]


def test_failures_of_what_is_composed_are_at_the_places_of_its_text(told, monkeypatch):
    monkeypatch.setattr(
        proofread, "find_failures", lambda line: [Failure("skipped", len(line.text) - 1, len(line.text))]
    )
    checked = proofread.sample_checked(["a€ éb"], PLAIN, attempts=1)
    ((failure,),) = checked.failures
    assert checked.lines[0].text[failure.start : failure.end] == "b" and checked.attempts == [1]


def test_less_than_one_attempt_is_refused():
    with pytest.raises(ValueError, match="attempts is 0"):
        proofread.sample_checked(["a"], PLAIN, attempts=0)
