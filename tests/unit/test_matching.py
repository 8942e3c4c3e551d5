"""What the network is told of a hand is corrected by what it writes."""

import types

import numpy as np
import pytest

from scribe.hands.hand import Hand, mix_hands
from scribe.learning import matching
from scribe.learning.matching import LINES_COMPARED, matched

D = 4
LINE = np.zeros([5, 3], np.float32), "ab"
MODEL = types.SimpleNamespace(config=types.SimpleNamespace(alphabet=" abcq"))


def hand_of(vector, a=0.0, **others):
    glyphs = {c: np.full(D, value, np.float32) for c, value in {"a": a, **others}.items()}
    return Hand(np.asarray(vector, np.float32), glyphs, name="me", line=LINE)


AIM = hand_of([1.0, -1.0, 0.5, 0.0], a=2.0, b=-1.0, q=3.0)


@pytest.fixture
def network(monkeypatch):
    """A network that writes 0.6 of what it is told, with a leaning of its own; told of each call by `written`."""
    network = types.SimpleNamespace(written=[], share=0.6, leaning=0.3, failures=lambda number: [])

    def write(texts, model, *, bias, seed, hand):
        network.written.append((texts, bias, seed, hand[0]))
        seen = mix_hands([(hand[0], network.share)])
        glyphs = {c: value for c, value in seen.glyphs.items() if c in "".join(texts)}
        as_written = Hand(seen.vector + np.float32(network.leaning), glyphs)
        return [
            types.SimpleNamespace(text=text, strokes=np.zeros([5, 6], np.float32), hand=as_written, number=k)
            for k, text in enumerate(texts)
        ]

    def offsets(line):
        network.written_hand = line.hand
        return line.strokes[:, :3]

    monkeypatch.setattr(matching, "sample_batch", write)
    monkeypatch.setattr(matching, "read_hand", lambda lines, model: network.written_hand)
    monkeypatch.setattr(matching, "_offsets", offsets)
    monkeypatch.setattr(matching, "find_failures", lambda line: network.failures(line.number))
    return network


def as_written(network, hand):
    return network.share * hand.vector + network.leaning


def test_what_is_written_comes_nearer_to_the_hand_with_each_round(network):
    away = [np.linalg.norm(as_written(network, matched(AIM, AIM, ["ab"], MODEL, k)) - AIM.vector) for k in range(4)]
    assert all(later < 0.5 * earlier for earlier, later in zip(away, away[1:]))
    hand = matched(AIM, AIM, ["ab"], MODEL)
    assert hand.line is AIM.line and hand.name == "me"


def test_the_texts_of_the_person_are_written_until_there_are_enough(network):
    matched(AIM, AIM, ["ab"], MODEL, rounds=2)
    (texts, _, first, _), (_, _, second, _) = network.written
    assert texts == ["ab"] * LINES_COMPARED and first != second
    network.written.clear()
    matched(AIM, AIM, ["ab", "bb", ""], MODEL, rounds=1)
    assert network.written[0][0] == ["ab", "bb"] * (LINES_COMPARED // 2)


def test_characters_that_were_not_written_stay_as_they_are(network):
    hand = matched(AIM, AIM, ["ab"], MODEL)
    np.testing.assert_array_equal(hand.glyphs["q"], AIM.glyphs["q"])
    assert hand.glyphs["a"][0] > 2.5 and hand.glyphs["b"][0] < -1.3


def test_a_step_that_leads_astray_is_taken_back(network):
    network.share = -4.0  # the more it is told, the farther it goes
    np.testing.assert_array_equal(matched(AIM, AIM, ["ab"], MODEL, rounds=3).vector, AIM.vector)


def test_lines_that_the_network_fails_to_write_are_not_compared(network):
    network.failures = lambda number: ["skipped"]
    assert matched(AIM, AIM, ["ab"], MODEL) is AIM and len(network.written) == 1
    network.failures = lambda number: ["skipped"] * (number > 0)
    assert matched(AIM, AIM, ["ab"], MODEL).glyphs["a"][0] > 2.5


def test_a_hand_without_a_line_that_can_be_written_stays_as_it_is(network):
    for text in ("", " ", "é", "ab" * 2000):
        assert matched(AIM, AIM, [text], MODEL) is AIM and not network.written
