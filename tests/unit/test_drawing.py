"""Pictures: what is drawn is what was written, and a picture is whole or not there."""

import numpy as np
import pytest

from scribe.pages import figures


@pytest.fixture
def strokes():
    """Two pen-downs and a dot: [n, 6] absolute points."""
    t = np.linspace(0, 6, 40)
    points = np.stack([t * 5, 4 * np.sin(t * 3), 0 * t + 0.3, 0 * t + 0.3, 0 * t, 0 * t], axis=1).astype(np.float32)
    points[19, 5] = points[38, 5] = points[39, 5] = 1
    return points


def colours_of(path):
    from matplotlib.image import imread

    picture = imread(path)
    return np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)


@pytest.mark.smoke
def test_pen_strokes_are_cut_where_the_pen_lifts(strokes):
    assert [len(part) for part in figures.pen_strokes(strokes)] == [20, 19, 1]


def test_last_stroke_counts_even_without_a_pen_lift(strokes):
    strokes[39, 5] = 0
    assert [len(part) for part in figures.pen_strokes(strokes)] == [20, 19, 1]


@pytest.mark.parametrize("extension", ["png", "pdf", "svg"])
def test_line_is_drawn_in_the_format_of_the_name(strokes, tmp_path, extension):
    figures.draw_line(strokes, str(tmp_path / f"line.{extension}"))
    start = (tmp_path / f"line.{extension}").read_bytes()[:200]
    assert {"png": b"PNG", "pdf": b"%PDF", "svg": b"<?xml"}[extension] in start
    assert [p.name for p in tmp_path.iterdir()] == [f"line.{extension}"]


def test_ink_is_where_the_pen_went_and_not_where_it_jumped(tmp_path):
    from matplotlib.image import imread

    strokes = np.zeros((4, 6), np.float32)
    strokes[:, 0] = [0, 10, 30, 40]
    strokes[1, 5] = strokes[3, 5] = 1
    figures.draw_line(strokes, str(tmp_path / "line.png"), ink="black")
    darkness = 1 - imread(tmp_path / "line.png")[:, :, 0].min(axis=0)  # by column
    first, gap, second = (darkness[int(len(darkness) * (4 + x) / 48)] for x in (5, 20, 35))
    assert first > 0.5 and second > 0.5 and gap == 0


def test_first_point_is_above_a_later_one_with_larger_y(tmp_path):
    from matplotlib.image import imread

    strokes = np.zeros((4, 6), np.float32)
    strokes[:, 0], strokes[:, 1] = [0, 10, 0, 40], [0, 0, 20, 20]
    strokes[1, 5] = strokes[3, 5] = 1
    figures.draw_line(strokes, str(tmp_path / "line.png"), ink="black")
    ink_by_row = (imread(tmp_path / "line.png")[:, :, 0] < 0.5).sum(axis=1)
    half = len(ink_by_row) // 2
    assert 0 < ink_by_row[:half].sum() < ink_by_row[half:].sum()


def test_attention_and_density_are_drawn(strokes, tmp_path):
    phis = np.random.default_rng(0).random((40, 5)).astype(np.float32)
    figures.draw_attention(phis, strokes, "a bcd", str(tmp_path / "a.png"))
    figures.draw_density(strokes, str(tmp_path / "d.png"))
    assert all(len(colours_of(tmp_path / name)) > 20 for name in ("a.png", "d.png"))


def test_a_line_that_ran_away_is_still_a_picture(strokes, tmp_path):
    strokes[:, 1] *= 1000
    figures.draw_line(strokes, str(tmp_path / "line.png"), dpi=20)
    figures.draw_density(strokes[:5], str(tmp_path / "density.png"), dpi=20)
    assert all(len(colours_of(tmp_path / name)) > 1 for name in ("line.png", "density.png"))


def test_a_picture_that_cannot_be_written_leaves_nothing_behind(strokes, tmp_path):
    with pytest.raises(OSError):
        figures.draw_line(strokes, str(tmp_path / "missing" / "line.png"))
    assert not list(tmp_path.iterdir())


def test_lines_are_drawn_below_each_other(strokes, tmp_path):
    from matplotlib.image import imread

    figures.draw_line(strokes, str(tmp_path / "one.png"), dpi=50)
    figures.draw_lines(
        [strokes, strokes + np.float32(100) * (np.arange(6) < 2), strokes], str(tmp_path / "3.png"), dpi=50
    )
    one, three = (imread(tmp_path / name).shape for name in ("one.png", "3.png"))
    assert three[1] == one[1] and three[0] > 2 * one[0]


def test_what_stands_before_a_line_is_not_cut_off(strokes, tmp_path):
    from matplotlib.image import imread

    figures.draw_lines([strokes, strokes], str(tmp_path / "lines.png"), labels=[7, "eleven"])
    assert imread(tmp_path / "lines.png")[:, 0, :3].min() == 1.0  # white down the left edge
