"""Likeness of hands and realism: people who differ are told apart, those who do not differ are not."""

import numpy as np
import pytest

from scribe.hands.likeness import HandSpace, likeness, realism, slants_of, statistics_of

HANDS, LINES = 12, 8


def line(rng, slant=0.0, height=1.0, size=1.0, unsteady=0.02):
    """A row of loops, a stroke each, as positions."""
    strokes = []
    for k in range(12):
        u = np.linspace(0, 2 * np.pi, 24)
        tall = height if k % 3 == 0 else 0.5
        x, y = 0.25 * np.sin(u) + 0.7 * k, tall * (np.cos(u) - 1) / 2
        way = np.column_stack([x - slant * y, y]) + rng.normal(0, unsteady, [24, 2])
        strokes.append(np.column_stack([size * way, np.arange(24) == 23]))
    return np.concatenate(strokes)


def people(rng, **other):
    """Statistics of LINES lines of each of HANDS people, [HANDS, LINES, F]; everybody has a slant and a height."""
    slants, heights = np.linspace(-0.6, 0.6, HANDS), 1 + 0.8 * ((5 * np.arange(HANDS)) % HANDS) / HANDS
    return np.array(
        [[statistics_of(line(rng, s, h, **other)) for _ in range(LINES)] for s, h in zip(slants, heights, strict=True)]
    )


@pytest.fixture(scope="module")
def known():
    return people(np.random.default_rng(0))


@pytest.fixture(scope="module")
def space(known):
    return HandSpace(np.concatenate(known), np.repeat([f"form{k}" for k in range(HANDS)], LINES), coordinates=6)


@pytest.mark.smoke
def test_size_and_place_of_a_line_change_nothing():
    points = line(np.random.default_rng(1), slant=0.3)
    moved = points * [40, 40, 1] + [7, -9, 0]
    np.testing.assert_allclose(statistics_of(moved), statistics_of(points), atol=1e-6)


def test_the_slope_of_a_line_counts_little():
    points = line(np.random.default_rng(1))
    sloping = points + np.column_stack([0 * points[:, 0], 0.1 * points[:, 0], 0 * points[:, 0]])
    slanted = line(np.random.default_rng(1), slant=0.4)
    change = [np.abs(statistics_of(p) - statistics_of(points)).mean() for p in (sloping, slanted)]
    assert change[0] < change[1] / 2


def test_a_line_that_leans_has_slants_to_the_right():
    rng = np.random.default_rng(1)
    upright, leaning = (np.median(slants_of(line(rng, slant=slant))) for slant in (0.0, 0.3))
    assert abs(upright) < 0.05 and 0.15 < leaning < 0.35  # the sides of a loop lean less than its axis
    np.testing.assert_array_equal(slants_of(np.array([[0.0, 0.0, 1.0]])), [0.0])


def test_lines_in_a_hand_are_nearest_to_it(space):
    real, written = people(np.random.default_rng(2)), people(np.random.default_rng(3))
    found = likeness(space, list(real), list(written))
    assert found.first > 0.9 and found.among >= found.first
    assert found.real_first > 0.9 and 0.9 < found.spread < 1.1


def test_lines_in_the_hand_of_the_next_person_are_not_nearest_to_their_own(space):
    real, written = people(np.random.default_rng(2)), people(np.random.default_rng(3))
    found = likeness(space, list(real), list(np.roll(written, 1, axis=0)))
    assert found.first < 0.1 and found.real_first > 0.9


def test_lines_that_are_all_by_one_person_have_no_spread(space):
    real = people(np.random.default_rng(2))
    found = likeness(space, list(real), [real[5]] * HANDS)
    assert found.first == pytest.approx(1 / HANDS, abs=0.05) and found.spread < 1e-6


def test_steadier_lines_are_told_from_real_ones_and_equal_ones_are_not():
    real, same, steady = (
        np.concatenate(people(np.random.default_rng(seed), unsteady=unsteady))
        for seed, unsteady in ((2, 0.02), (3, 0.02), (4, 0.01))
    )
    assert 0.3 < realism(real, same) < 0.7
    assert realism(real, steady) > 0.95


def test_realism_of_scores_that_are_equal_is_undecided():
    assert realism(np.ones([20, 4]), np.ones([20, 4])) == pytest.approx(0.5)


def test_what_cannot_be_measured_is_said():
    with pytest.raises(ValueError, match="no statistics"):
        statistics_of(np.array([[0.0, 0.0, 1.0], [3.0, 0.0, 1.0]]))
    with pytest.raises(ValueError, match="two lines or more"):
        HandSpace(np.ones([3, 4]), ["a", "b", "c"])
