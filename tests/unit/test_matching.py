"""What the network is told of a hand is corrected by what it writes."""

import dataclasses
import types

import numpy as np
import pytest

from scribe.hands.hand import Hand, mix_hands
from scribe.ink.strokes import absolute_points, transformed
from scribe.learning import matching
from scribe.learning.matching import LINES_COMPARED, matched

D = 4
STEEP = np.array([[0, 0, 0], [0, 1, 0], [1, 1, 0], [0, -2, 1]], np.float32)  # offsets; leans by 0
LINE = STEEP, "ab"
MODEL = types.SimpleNamespace(config=types.SimpleNamespace(alphabet=" abcq"))


def hand_of(vector, a=0.0, **others):
    glyphs = {c: np.full(D, value, np.float32) for c, value in {"a": a, **others}.items()}
    return Hand(np.asarray(vector, np.float32), glyphs, name="me", line=LINE)


AIM = hand_of([1.0, -1.0, 0.5, 0.0], a=2.0, b=-1.0, q=3.0)


@pytest.fixture
def network(monkeypatch):
    """A network that writes 0.6 of what it is told, with something of its own and too slanted; `written` tells of each
    call, `read` of all that the encoder was shown."""
    network = types.SimpleNamespace(written=[], read=[], share=0.6, own=0.3, slant=0.0, failures=lambda number: [])

    def write(texts, model, *, bias, seed, hand):
        network.written.append((texts, bias, seed, hand[0]))
        seen = mix_hands([(hand[0], network.share)])
        glyphs = {c: value for c, value in seen.glyphs.items() if c in "".join(texts)}
        network.written_hand = Hand(seen.vector + np.float32(network.own), glyphs)
        points = absolute_points(transformed(STEEP, slant=network.slant))
        strokes = np.column_stack([points[:, :2], np.zeros([len(points), 3]), points[:, 2]])
        return [types.SimpleNamespace(text=text, strokes=strokes, number=k) for k, text in enumerate(texts)]

    def read(lines, model):
        network.read.append(lines)
        return network.written_hand if len(lines) > 1 or network.failures(1) else AIM

    monkeypatch.setattr(matching, "sample_batch", write)
    monkeypatch.setattr(matching, "read_hand", read)
    monkeypatch.setattr(matching, "find_failures", lambda line: network.failures(line.number))
    return network


def as_written(network, hand):
    return network.share * hand.vector + network.own


def test_what_is_written_comes_nearer_to_the_hand_with_each_round(network):
    away = [np.linalg.norm(as_written(network, matched(AIM, AIM, [LINE], MODEL, k)) - AIM.vector) for k in range(4)]
    assert all(later < 0.5 * earlier for earlier, later in zip(away, away[1:]))
    hand = matched(AIM, AIM, [LINE], MODEL)
    np.testing.assert_allclose(hand.line[0], STEEP)
    assert hand.name == "me"


def test_the_texts_of_the_person_are_written_until_there_are_enough(network):
    matched(AIM, AIM, [LINE], MODEL, rounds=2)
    (texts, _, first, _), (_, _, second, _) = network.written
    assert texts == ["ab"] * LINES_COMPARED and first != second
    network.written.clear()
    matched(AIM, AIM, [LINE, (STEEP, "bb"), (STEEP, "")], MODEL, rounds=1)
    assert network.written[0][0] == ["ab", "bb"] * (LINES_COMPARED // 2)


def test_characters_that_were_not_written_stay_as_they_are(network):
    hand = matched(AIM, AIM, [LINE], MODEL)
    np.testing.assert_array_equal(hand.glyphs["q"], AIM.glyphs["q"])
    assert hand.glyphs["a"][0] > 2.5 and hand.glyphs["b"][0] < -1.3


def test_what_still_leans_to_the_right_is_shown_as_much_further_to_the_left(network):
    network.slant = 0.1
    hand = matched(AIM, AIM, [LINE], MODEL, rounds=1)
    np.testing.assert_array_equal(hand.line[0], STEEP)  # at first most of it is corrected with the rest
    network.read.clear()
    hand = matched(AIM, AIM, [LINE], MODEL, rounds=2)
    left = transformed(STEEP, slant=-0.1)
    np.testing.assert_allclose(hand.line[0], left, atol=0.01)
    (shown,) = [lines[0][0] for lines in network.read if len(lines) == 1]
    np.testing.assert_allclose(shown, left, atol=0.01)


def test_a_hand_without_a_line_to_go_on_from_has_none_afterwards(network):
    assert matched(dataclasses.replace(AIM, line=None), AIM, [LINE], MODEL).line is None


def test_a_step_that_leads_astray_is_taken_back(network):
    network.share = -4.0  # the more it is told, the farther it goes
    np.testing.assert_array_equal(matched(AIM, AIM, [LINE], MODEL, rounds=3).vector, AIM.vector)


def test_lines_that_the_network_fails_to_write_are_not_compared(network):
    network.failures = lambda number: ["skipped"]
    assert matched(AIM, AIM, [LINE], MODEL) is AIM and len(network.written) == 1
    network.failures = lambda number: ["skipped"] * (number > 0)
    assert matched(AIM, AIM, [LINE], MODEL).glyphs["a"][0] > 2.5


def test_a_hand_without_a_line_that_can_be_written_stays_as_it_is(network):
    for text in ("", " ", "é", "ab" * 2000):
        assert matched(AIM, AIM, [(STEEP, text)], MODEL) is AIM and not network.written
