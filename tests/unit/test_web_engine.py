"""The engine of the server: one batch for all clients, ink as it is written, lines that go on where they changed."""

import asyncio

import numpy as np
import pytest

from model_helpers import save_tiny_model
from scribe.web.limits import Limits, RequestError
from scribe.web.trails import Memory, Trail

TEXT = "it was a dark night"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from model import load_model

    return load_model(save_tiny_model(tmp_path_factory.mktemp("saved"), step=-2.5))


@pytest.fixture
def engine(model):
    from scribe.web.engine import Engine

    engine = Engine(model, None, Limits(waiting=60))
    yield engine
    engine.close()


def specs(*texts, seed=1, **how):
    from scribe.web.orders import LineSpec

    return [LineSpec(text, (seed, k), attempts=1, **how) for k, text in enumerate(texts)]


def hand_with_ink():
    from scribe.hands.hand import Hand

    rng = np.random.default_rng(5)
    strokes = np.concatenate([rng.normal(0, 0.5, [120, 2]), rng.random([120, 1]) < 0.05], axis=1).astype(np.float32)
    return Hand(np.zeros(0, np.float32), {}, line=(strokes, "what was"))


async def all_of(order):
    events = []
    async for some in order.events():
        events += some
    return events


def write(engine, *texts, **how):
    """All events of lines."""

    async def run():
        return await all_of(engine.submit(specs(*texts, **how)))

    return asyncio.run(run())


def ink_of(events, line=0):
    from scribe.web.orders import Ink

    parts = [e for e in events if isinstance(e, Ink) and e.line == line]
    assert [e.start for e in parts] == np.cumsum([0, *(len(e.points) for e in parts[:-1])]).tolist()
    return np.concatenate([e.points for e in parts])


def lines_of(events):
    from scribe.web.orders import Ended

    return [e.written for e in sorted((e for e in events if isinstance(e, Ended)), key=lambda e: e.line)]


def test_the_engine_writes_what_sample_batch_writes(engine, model):
    from scribe.writing.lines import sample_batch

    texts = [TEXT, "short", "and the rain fell!", "a"]
    ours = lines_of(write(engine, *texts))
    for line, other in zip(ours, sample_batch(texts, model, seed=1), strict=True):
        assert (line.text, line.finished) == (other.text, other.finished)
        assert line.strokes == pytest.approx(other.strokes, abs=2e-3)
        assert line.phis == pytest.approx(other.phis, abs=2e-3)


def test_lines_in_a_hand_with_ink_go_on_from_it_as_in_sample_batch(engine, model):
    from scribe.writing.lines import sample_batch

    hand = hand_with_ink()
    texts = [TEXT, "short"]
    for _ in range(2):  # the second time from what was read of the ink before
        ours = lines_of(write(engine, *texts, hand=hand, hand_id="own"))
        for line, other in zip(ours, sample_batch(texts, model, seed=1, hand=hand), strict=True):
            assert (line.text, line.finished) == (other.text, other.finished)
            assert line.strokes == pytest.approx(other.strokes, abs=2e-3)
            assert line.phis == pytest.approx(other.phis, abs=2e-3)
    live = ink_of(write(engine, texts[0], hand=hand, hand_id="own", live=True))
    assert np.cumsum(live[1:, :2], axis=0) == pytest.approx(ours[0].strokes[1:, :2], abs=2e-3)


def test_ink_is_handed_out_while_a_line_is_written_and_is_that_line(engine):
    events = write(engine, TEXT, live=True)
    ink, (line,) = ink_of(events), lines_of(events)
    assert len([e for e in events if type(e).__name__ == "Ink"]) > 3
    assert np.cumsum(ink[1:, :2], axis=0) == pytest.approx(line.strokes[1:, :2], abs=1e-3)
    assert (ink[:, 5] == line.strokes[:, 5]).all()


def test_a_text_that_grows_goes_on_as_if_it_had_been_written_in_one_go(engine, model):
    from scribe.web.engine import Engine

    first = ink_of(write(engine, TEXT[:12], live=True))
    grown = ink_of(write(engine, TEXT, live=True))
    (trail, *_) = [value for value, _ in engine._trails._entries.values()]
    other = Engine(model, None, Limits())
    try:
        anew = ink_of(write(other, TEXT, live=True))
    finally:
        other.close()
    assert trail.text == TEXT and len(grown) == len(anew)
    assert grown == pytest.approx(anew, abs=2e-3)
    assert len(first) < len(anew)


def test_what_was_written_before_a_change_is_not_written_again(engine, monkeypatch):
    write(engine, TEXT, live=True)
    begun = []
    original = type(engine)._begin

    def begin(self, writing):
        original(self, writing)
        begun.append(writing.trail.points)

    monkeypatch.setattr(type(engine), "_begin", begin)
    write(engine, TEXT[:-3] + "xyz", live=True)
    write(engine, "X" + TEXT, live=True)
    assert begun[0] > 0 and begun[1] == 0
    write(engine, TEXT, live=True)  # the whole line is in the memory
    assert len(begun) == 2


def test_lines_of_many_orders_come_out_as_each_alone(engine):
    async def together():
        orders = [engine.submit(specs(TEXT[k:], seed=k)) for k in range(12)]
        return await asyncio.gather(*map(all_of, orders))

    for k, events in enumerate(asyncio.run(together())):
        (line,), (alone,) = lines_of(events), lines_of(write(engine, TEXT[k:], seed=k))
        assert line.strokes == pytest.approx(alone.strokes, abs=2e-3)


def test_words_are_tried_less_often_where_a_request_names_no_number_and_many_others_write(engine):
    async def run():
        tries, orders = [engine.usual_tries()], []
        for least in (4, 10, 20):
            orders += [engine.submit(specs(TEXT * 3, seed=k)) for k in range(least - len(orders))]
            tries.append(engine.usual_tries())
        for order in orders:
            engine.cancel(order)
        return [*tries, engine.usual_tries()]

    assert asyncio.run(run()) == [5, 3, 2, 1, 5]


def test_a_short_order_does_not_wait_for_all_lines_of_a_long_one(engine):
    async def run():
        long = engine.submit(specs(*[TEXT] * 30))
        short = engine.submit(specs("ab", seed=9), "somebody else")
        await all_of(short)
        left = long.left
        engine.cancel(long)
        return left

    assert asyncio.run(run()) > 5


def test_a_queue_that_is_full_says_when_to_try_again_and_an_address_has_its_share(engine):
    async def run():
        first = engine.submit(specs(*["a line"] * 25), "one")
        with pytest.raises(RequestError) as own:
            engine.submit(specs(*["a line"] * 25), "one")
        second = engine.submit(specs(*["a line"] * 25), "two")
        with pytest.raises(RequestError) as full:
            engine.submit(specs(*["a line"] * 25), "three")
        engine.cancel(first)
        third = engine.submit(specs(*["a line"] * 25), "three")
        for order in (second, third):
            engine.cancel(order)
        return own.value, full.value

    own, full = asyncio.run(run())
    assert (own.status, full.status) == (429, 503)
    assert own.retry_after and full.retry_after


def test_a_cancelled_order_frees_its_rows(engine):
    async def run():
        order = engine.submit(specs(*[TEXT] * 20))
        await asyncio.sleep(0.2)
        engine.cancel(order)
        await all_of(engine.submit(specs("ab")))
        return engine.load()

    assert asyncio.run(run()) == {"waiting": 0, "writing": 0}


@pytest.mark.parametrize("name", ["find_ends", "mark_words"])  # before and after the next call has begun
def test_after_a_bug_the_next_lines_are_written_as_ever(engine, monkeypatch, name):
    from scribe.web import batches

    expected, works, calls = ink_of(write(engine, TEXT, seed=3, live=True)), getattr(batches, name), []

    def fails(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("a bug")
        return works(*arguments)

    monkeypatch.setattr(batches, name, fails)

    async def run():
        with pytest.raises(RequestError, match="writing failed"):
            await all_of(engine.submit(specs(TEXT, TEXT, seed=4)))

    asyncio.run(run())
    engine._trails, engine._results = Memory(10**6), Memory(10**6)  # else the line would be remembered
    np.testing.assert_array_equal(ink_of(write(engine, TEXT, seed=3, live=True)), expected)


def test_an_engine_that_closes_tells_its_orders(model):
    from scribe.web.engine import Engine

    engine = Engine(model, None, Limits())

    async def run():
        order = engine.submit(specs(*[TEXT] * 50))
        await asyncio.to_thread(engine.close)
        with pytest.raises(RequestError, match="stopping") as stopped:
            await all_of(order)
        with pytest.raises(RequestError):
            engine.submit(specs("a"))
        return stopped.value.status

    assert asyncio.run(run()) == 503


def test_a_line_that_fails_is_written_again_and_says_so(model, monkeypatch):
    from scribe.web import engine as module
    from scribe.writing.failures import Failure
    from scribe.writing.proofread import Verdict

    tried = []

    def judge_lines(lines, recogniser):
        tried.extend(lines)
        bad = len(tried) < 3
        words = {0: 1.0} if bad else {}
        return [Verdict([Failure("skipped", 0, 1)] * bad, (int(bad), 0.0), words, frozenset(words))]

    monkeypatch.setattr(module, "judge_lines", judge_lines)
    engine = module.Engine(model, None, Limits())

    async def run():
        return await all_of(engine.submit([module.LineSpec("a line", (1, 0), attempts=5, live=True)]))

    try:
        events = asyncio.run(run())
    finally:
        engine.close()
    failed = [e for e in events if isinstance(e, module.Failed)]
    assert [e.attempt for e in failed] == [0, 1]
    assert [(e.kept, e.attempts, e.failures) for e in events if isinstance(e, module.Ended)] == [(2, 3, [])]
    assert {e.attempt for e in events if isinstance(e, module.Ink)} == {0, 1, 2}


def test_lines_of_the_page_are_judged_as_those_of_the_commands(model, monkeypatch):
    from scribe.web import engine as module
    from scribe.writing import proofread
    from scribe.writing.failures import Failure
    from scribe.writing.slips import Slip

    raised, doubt = Failure("raised", 2, 3), Failure("misread", 0, 1, "o")
    slips = iter([[Slip(raised, 0.7, True)], [Slip(doubt, 0.4, False)]])
    monkeypatch.setattr(proofread, "find_failures", lambda line: [])
    monkeypatch.setattr(proofread, "find_slips", lambda lines, recogniser: [next(slips) for _ in lines])
    engine = module.Engine(model, object(), Limits())

    async def run():
        return await all_of(engine.submit([module.LineSpec("a line", (1, 0), attempts=5, live=True)]))

    try:
        events = asyncio.run(run())
    finally:
        engine.close()
    assert [e.failures for e in events if isinstance(e, module.Failed)] == [[raised]]
    # What nobody is warned of is not written again: somebody watches.
    assert [(e.kept, e.attempts, e.failures) for e in events if isinstance(e, module.Ended)] == [(1, 2, [])]


SENTENCE = "abc dea bc"


def failing_words(monkeypatch, is_faulty):
    """Makes word 1 of a line faulty where is_faulty(line) says so."""
    from scribe.writing import proofread
    from scribe.writing.failures import Failure

    monkeypatch.setattr(proofread, "find_failures", lambda line: [Failure("skipped", 4, 5)] if is_faulty(line) else [])


def first_two(lines, count=2):
    """Whether a line is one of the first two (`count`) different ones that were seen; `lines` remembers them."""

    def is_faulty(line):
        key = np.round(line.strokes[:, :2], 1).tobytes()
        if key not in lines:
            lines.append(key)
        return lines.index(key) < count

    return is_faulty


def shown(events):
    """What stands on the paper after some events: points [n, 6], and how often ink was taken back."""
    from scribe.web.orders import Ink

    points, back = np.zeros([0, 6], np.float32), 0
    for event in events:
        if isinstance(event, Ink):
            back += event.start < len(points)
            points = np.concatenate([points[: event.start], event.points])
    return points, back


def write_checked(engine, text, **how):
    """The events of a line that is written again where it fails."""
    from scribe.web.orders import LineSpec

    async def run():
        return await all_of(engine.submit([LineSpec(text, (3, 0), **how)]))

    return asyncio.run(run())


@pytest.mark.parametrize("live", [False, True])
def test_a_line_that_failed_is_written_again_as_by_the_commands(engine, model, monkeypatch, live):
    from scribe.writing.proofread import sample_checked

    failing_words(monkeypatch, first_two([]))
    events = write_checked(engine, SENTENCE, live=live)
    failing_words(monkeypatch, first_two([]))
    (line,), _, (count,) = sample_checked([SENTENCE], model, seed=3)
    ended = events[-1]
    assert (ended.attempts, ended.kept, ended.failures) == (count, 2, []) and count == 3
    assert ended.written.strokes == pytest.approx(line.strokes, abs=2e-3)
    assert ended.written.phis == pytest.approx(line.phis, abs=2e-3)


@pytest.mark.parametrize("live", [False, True])
def test_what_follows_a_faulty_word_stays_as_by_the_commands(engine, model, monkeypatch, live):
    from scribe.web.orders import Failed, Ink
    from scribe.writing.proofread import sample_checked

    failing_words(monkeypatch, first_two([], count=1))
    events = write_checked(engine, SENTENCE, live=live)
    failing_words(monkeypatch, first_two([], count=1))
    (line,), _, (count,) = sample_checked([SENTENCE], model, seed=3)
    ended = events[-1]
    assert (ended.attempts, ended.kept, ended.failures) == (count, 1, []) and count == 2
    assert ended.written.strokes == pytest.approx(line.strokes, abs=2e-3)
    if live:
        (failed,) = (event for event in events if isinstance(event, Failed))
        inks = [event for event in events if isinstance(event, Ink)]
        (kept,) = (event for event in inks if event.rest)
        before = np.concatenate([event.points for event in inks if event.attempt == 0])[failed.rest :]
        assert failed.until == SENTENCE.index(" ", failed.word) + 1 and kept is inks[-1]
        assert np.array_equal(kept.points[1:], before[1:]) and np.array_equal(kept.points[0, 2:], before[0, 2:])


def test_in_a_hand_with_ink_the_rest_of_a_line_stays_as_by_the_commands(engine, model, monkeypatch):
    from scribe.web.orders import Ink
    from scribe.writing.proofread import sample_checked

    hand, taken = hand_with_ink(), 0
    for text in (SENTENCE, "abc dea bc ad", "bcd ea cb dea"):
        failing_words(monkeypatch, first_two([], count=1))
        events = write_checked(engine, text, live=True, hand=hand, hand_id="own")
        failing_words(monkeypatch, first_two([], count=1))
        (line,), _, _ = sample_checked([text], model, seed=3, hand=hand)
        assert events[-1].written.strokes == pytest.approx(line.strokes, abs=2e-3)
        taken += any(event.rest for event in events if isinstance(event, Ink))
    assert taken


def test_what_stands_before_the_faulty_word_stays_on_the_paper(engine, monkeypatch):
    from scribe.web.orders import Failed

    failing_words(monkeypatch, first_two([]))
    events = write_checked(engine, SENTENCE, live=True)
    first, second = (event for event in events if isinstance(event, Failed))
    assert first.stays == second.stays > 3 and first.word == 4 and (first.attempt, second.attempt) == (0, 1)
    points, back = shown(events)
    assert back == 2 and np.array_equal(points[1:, 2:], events[-1].written.strokes[1:, 2:])
    assert np.cumsum(points[1:, :2], axis=0) == pytest.approx(events[-1].written.strokes[1:, :2], abs=1e-3)


def test_a_text_that_grows_goes_on_from_what_was_written_again(engine, model, monkeypatch):
    from scribe.web.engine import Engine

    lines = []
    failing_words(monkeypatch, lambda line: first_two(lines)(line) if len(line.text) == len(SENTENCE) else grown(line))

    def grown(line):
        """Whether what it begins with is one of the lines that failed."""
        key = np.round(line.strokes[:, :2], 1).tobytes()
        return any(key[:600] == one[:600] for one in lines[:2])

    write_checked(engine, SENTENCE, live=True)
    events = write_checked(engine, SENTENCE + " and more", live=True)
    other = Engine(model, None, Limits())
    try:
        anew = write_checked(other, SENTENCE + " and more", live=True)
    finally:
        other.close()
    (points, back), (same, often) = shown(events), shown(anew)
    assert (back, often) == (0, 2)  # what did not last is not shown a second time
    assert points == pytest.approx(same, abs=2e-3)
    assert np.cumsum(points[1:, :2], axis=0) == pytest.approx(events[-1].written.strokes[1:, :2], abs=1e-3)


# ------------------------------------------------------------------------------------------------- trails and memory


def part(reached, points=5, places=32):
    phis = np.zeros([points, places], np.float32)
    phis[:, reached] = 1.0
    return np.zeros([points, 6], np.float32), phis, np.zeros([points, 1], np.float32)


def test_a_trail_goes_on_from_the_last_state_that_the_change_did_not_reach():
    trail = Trail("abcdefgh")
    for reached in range(6):
        trail.add(part(reached), f"state {reached}")
    gone_on = trail.gone_on("abcdeXYZ")  # five characters are the same
    assert gone_on.text == "abcdeXYZ" and gone_on.states[-1] == "state 3" and gone_on.points == 20
    assert trail.gone_on("abcdefgh!").states[-1] == "state 5"
    assert trail.gone_on("Xbcdefgh") is None and trail.gone_on("a") is None
    assert trail.points == 30


def test_a_character_that_the_window_has_seen_from_afar_counts_as_reached():
    trail = Trail("abcdefgh")
    points, phis, kappas = part(0)
    phis[3, 6] = 0.001
    trail.add((points, phis, kappas), "state")
    assert trail.gone_on("abcdef") is None and trail.gone_on("abcdefg").states == ["state"]


def test_the_memory_forgets_what_was_not_used_for_longest():
    memory = Memory(100)
    for k in range(4):
        memory.put(k, f"value {k}", 30)
        memory.get(0)
    assert [memory.get(k) for k in range(4)] == ["value 0", None, "value 2", "value 3"]
    memory.put(2, "larger", 60)
    assert memory.get(2) == "larger" and memory.get(0) is None
