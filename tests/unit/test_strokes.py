"""scribe/ink/strokes.py: strokes are cut and joined without loss; lengths, curves and slants are as in geometry."""

import numpy as np
import pytest

from scribe.ink.strokes import (
    absolute_points,
    hermite,
    ink_lengths,
    join_strokes,
    raw_offsets,
    split_strokes,
    stroke_ends,
    stroke_length,
    stroke_slices,
    transformed,
)

POINTS = np.array([[0, 0, 0], [3, 4, 1], [5, 5, 1], [6, 5, 0], [6, 7, 1.0]])


def test_strokes_end_after_each_pen_lift():
    assert stroke_ends(POINTS).tolist() == [2, 3, 5]
    assert stroke_slices(POINTS) == [slice(0, 2), slice(2, 3), slice(3, 5)]


def test_points_after_the_last_pen_lift_are_a_stroke_too():
    unfinished = np.concatenate([POINTS, [[9, 9, 0]]])
    assert stroke_slices(unfinished)[-1] == slice(5, 6) and len(split_strokes(unfinished)) == 4


def test_joined_strokes_are_what_was_cut():
    strokes = [stroke[:, :2] for stroke in split_strokes(POINTS)]
    assert [len(stroke) for stroke in strokes] == [2, 1, 2]
    assert np.array_equal(join_strokes(strokes), POINTS)


def test_ink_is_counted_only_where_the_pen_is_down():
    assert ink_lengths(POINTS).tolist() == [0, 5, 0, 0, 2]
    assert stroke_length(POINTS[:2, :2]) == 5


def test_offsets_of_positions_of_offsets_are_the_same():
    offsets = np.array([[0, 0, 0], [12, -7, 1], [-300, 40, 0], [2, 2, 1]], np.int16)
    assert np.array_equal(raw_offsets(absolute_points(offsets), 1.0), offsets)


def test_a_slant_moves_what_is_higher_to_the_right():
    upwards = np.array([[0.0, -1.0, 1.0]])  # y grows downwards
    assert transformed(upwards, width=3.0, height=2.0, slant=0.5).tolist() == [[0.5, -2.0, 1.0]]
    assert np.array_equal(transformed(POINTS), POINTS)


def test_a_cubic_has_the_places_and_velocities_of_its_ends():
    ends, velocities = (np.array([1.0, 2.0]), np.array([4.0, -3.0])), (np.array([2.0, 0.0]), np.array([0.0, 5.0]))
    for duration in (1.0, 0.5):
        at = [hermite(np.array([u]), ends, velocities, duration) for u in (0.0, 1e-6, 1.0 - 1e-6, 1.0)]
        assert np.array_equal(at[0], ends[0]) and np.array_equal(at[3], ends[1])
        assert (at[1] - at[0]) / (1e-6 * duration) == pytest.approx(velocities[0], abs=1e-4)
        assert (at[3] - at[2]) / (1e-6 * duration) == pytest.approx(velocities[1], abs=1e-4)


def test_a_cubic_at_constant_velocity_is_a_straight_way():
    u = np.linspace(0, 1, 5)
    assert hermite(u, (0.0, 3.0), (1.5, 1.5), 2.0) == pytest.approx(3 * u)
