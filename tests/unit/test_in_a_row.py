"""scribe/learning/in_a_row.py: lines go on at the same baseline."""

import numpy as np
import pytest

from data_helpers import make_line
from scribe.ink.measure import measure_line
from scribe.ink.strokes import absolute_points
from scribe.learning.in_a_row import joint_of, offset_between


@pytest.fixture
def lines():
    rng = np.random.default_rng(3)
    return [make_line(rng, characters=12, points_per_character=20) for _ in range(2)]


def test_a_line_goes_on_at_the_baseline_a_gap_after_the_one_before(lines):
    (first, text), (second, following) = lines
    joints = [joint_of(*line) for line in lines]
    first, second = first.astype(float), second.astype(float)
    second[0, :2] = offset_between(*joints, gap=1.5)
    points = absolute_points(np.concatenate([first, second]))
    before, after = points[: len(first)], points[len(first) :]
    x_height = measure_line(before, text).x_height
    assert after[:, 0].min() - before[:, 0].max() == pytest.approx(1.5 * x_height, rel=1e-4)
    right, left = before[:, 0].max(), after[:, 0].min()
    baselines = measure_line(before, text).baseline_at(right), measure_line(after, following).baseline_at(left)
    assert baselines[0] == pytest.approx(baselines[1], abs=1e-3 * x_height)


def test_the_second_baseline_is_as_much_higher_as_is_asked(lines):
    joints = [joint_of(*line) for line in lines]
    even, higher = (offset_between(*joints, gap=1.0, higher=h) for h in (0.0, 0.5))
    assert higher[1] - even[1] == pytest.approx(0.5 * joints[0].x_height)


def test_a_line_without_letters_that_tell_its_height_has_no_joint():
    points = np.array([[0, 0, 0], [5, 0, 0], [5, 0, 1]], float)
    assert joint_of(points, "-") is None
