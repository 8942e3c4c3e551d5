"""The figures of the paper: what they show is what was computed."""

import numpy as np
import pytest
from matplotlib.image import imread

from scribe.pages.paper_figures import Density, density_map, draw_blocks, draw_mixture, draw_window


def random_density(T, M, seed=0):
    rng = np.random.default_rng(seed)
    pi = rng.dirichlet(np.ones(M), T)
    mu, sigma = rng.normal(0, 1, (2, T, M)), rng.uniform(0.3, 0.8, (2, T, M))
    return Density(pi, *mu, *sigma, rng.uniform(-0.8, 0.8, (T, M)))


def line(n=30, seed=0):
    strokes = np.zeros((n, 6), np.float32)
    strokes[:, 0], strokes[:, 1] = np.linspace(0, 20, n), 2 * np.sin(np.linspace(0, 9, n))
    strokes[n // 2, 5] = strokes[-1, 5] = 1
    return strokes


@pytest.mark.smoke
def test_the_density_map_holds_the_whole_probability_of_every_point():
    points = line()[:, :2]
    heat, (left, right, bottom, top) = density_map(points, random_density(len(points), 4), cell=0.1, pad=6)
    assert heat.sum() * 0.1**2 == pytest.approx(len(points), rel=0.01)
    assert (left, top) == tuple(points.min(axis=0) - 6) and bottom > top and right > left


def test_the_density_map_is_highest_where_the_pen_is_expected():
    one = np.ones((1, 1))
    density = Density(one, 3 * one, -2 * one, 0.3 * one, 0.3 * one, 0 * one)
    heat, (left, right, bottom, top) = density_map(np.array([[10.0, 5.0]]), density, cell=0.1, pad=5)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert left + 0.1 * (column + 0.5) == pytest.approx(13.0, abs=0.1)
    assert top + 0.1 * (row + 0.5) == pytest.approx(3.0, abs=0.1)


def test_a_component_narrower_than_a_cell_is_seen():
    one = np.ones((1, 1))
    density = Density(one, 0 * one, 0 * one, 1e-4 * one, 1e-4 * one, 0 * one)
    heat, _ = density_map(np.zeros((1, 2)), density)
    assert heat.max() > 1


def test_mixture_window_and_blocks_are_drawn(tmp_path):
    strokes = line()
    draw_mixture(strokes, random_density(30, 20), str(tmp_path / "mixture.png"))
    draw_window(np.eye(30, 5, dtype=np.float32), strokes, "a b c", str(tmp_path / "window.png"))
    draw_blocks([([strokes], [strokes, strokes]), ([strokes[:, [0, 1, 5]]], [strokes])], str(tmp_path / "blocks.png"))
    for path in tmp_path.iterdir():
        picture = imread(path)
        assert min(picture.shape[:2]) > 60 and picture[..., :3].std() > 0.02, path


def test_the_window_is_a_diagonal_from_below_left_to_above_right(tmp_path):
    phis = np.zeros((40, 8), np.float32)
    phis[np.arange(40), np.arange(40) // 5] = 1
    draw_window(phis, line(), "abcdefgh", str(tmp_path / "window.png"))
    picture = imread(tmp_path / "window.png")[..., :3]
    height, width = picture.shape[:2]
    plot = picture[int(0.05 * height) : int(0.5 * height), int(0.1 * width) : int(0.97 * width)].mean(axis=-1)
    left, right = np.array_split(plot, 2, axis=1)
    rows = [
        np.average(np.arange(len(half)), weights=np.where(half > 0.9, 1.0, 1e-9).sum(axis=1)) for half in (left, right)
    ]
    assert rows[0] > rows[1]  # rows count downwards


def test_a_prime_has_another_colour_than_what_it_primed(tmp_path):
    draw_blocks([([line()], [line()])], str(tmp_path / "blocks.png"))
    picture = imread(tmp_path / "blocks.png")[..., :3]
    red = (picture[..., 0] > picture[..., 2] + 0.2).any(axis=1)
    blue = (picture[..., 2] > picture[..., 0] + 0.1).any(axis=1)
    assert np.flatnonzero(red).max() < np.flatnonzero(blue).min()
