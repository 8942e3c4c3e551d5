"""scribe/writing/own_hand.py: whatever a hand was recorded with, in whatever unit, it comes out as the same style."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ink_helpers as ink
from ink_helpers import TEXT, hand, sheet
from scribe.ink.alphabet import ALPHABET
from scribe.ink.pen import PACE, resample
from scribe.ink.typical import MEDIAN_X_HEIGHT, OFFSET_LIMIT
from scribe.writing.own_hand import load_own_hand

ROOT = Path(__file__).resolve().parents[2]
SCALE = 50.0
LONG = ["it was a dark night", "and the rain fell on", "the roofs of a town"]


def load(path, text=None, **how):
    return load_own_hand(path, text, data_scale=SCALE, **how)


def style_of(tmp_path, strokes, text=TEXT, **how):
    """The style of strokes that come as InkML without a text."""
    return load(ink.write(tmp_path / "hand.inkml", ink.inkml([strokes])), text, **how)


def places(strokes):
    return np.cumsum(strokes[:, :2], axis=0)


def apart(style, other):
    """The mean distance between two styles, in x-heights, stroke by stroke at equal parts of their ways."""
    distances = []
    parts = [np.split(places(s), np.flatnonzero(s[:, 2] > 0.5)[:-1] + 1) for s in (style, other)]
    assert len(parts[0]) == len(parts[1])
    for pair in zip(*parts):
        even = []
        for points in pair:
            way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
            at = np.linspace(0, way[-1], 50)
            even.append(np.column_stack([np.interp(at, way, points[:, k]) for k in (0, 1)]))
        distances.append(np.hypot(*(even[0] - even[1]).T).mean())
    return np.mean(distances) * SCALE / MEDIAN_X_HEIGHT


@pytest.fixture
def style(tmp_path):
    return style_of(tmp_path, hand())[0]


# ------------------------------------------------------------------------------------------------- what a style is


@pytest.mark.smoke
def test_a_style_is_what_the_network_has_been_trained_on(tmp_path):
    strokes, text = style_of(tmp_path, hand())
    assert text == TEXT and strokes.dtype == np.float32 and strokes.shape[1] == 3
    assert strokes[0, :2].tolist() == [0, 0] and strokes[-1, 2] == 1
    assert set(np.unique(strokes[:, 2])) == {0, 1} and strokes[:, 2].sum() == len(hand())
    assert 12 < len(strokes) / len(TEXT) < 32
    steps = np.hypot(*strokes[1:, :2].T)[strokes[:-1, 2] < 0.5] * SCALE
    assert 12 < np.median(steps) < 27
    # The letter "o" of the synthetic hand is as high as a small letter.
    (y,) = [places(strokes)[:, 1]]
    assert np.percentile(y, 95) - np.percentile(y, 5) > 0.9 * MEDIAN_X_HEIGHT / SCALE


def test_lengths_are_in_units_of_data_scale(tmp_path, style):
    path = ink.write(tmp_path / "a", ink.inkml([hand()], [TEXT]))
    other, _ = load_own_hand(path, data_scale=25.0)
    assert other[:, :2] == pytest.approx(2 * style[:, :2], abs=1e-5)


def test_every_format_gives_the_same_style(tmp_path, style):
    lines, texts = [hand()], [TEXT]
    files = {
        "a.inkml": ink.inkml(lines, texts),
        "up.inkml": ink.inkml(
            lines, texts, head='<traceFormat><channel name="X"/><channel name="Y" orientation="-ve"/></traceFormat>',
            flip=(1, -1),
        ),
        "a.json": ink.scribe_json(lines, texts),
        "a.svg": ink.svg(hand()),
        "turned.svg": ink.svg(hand(), around=('<g transform="scale(0.3) translate(40, 9)">', "</g>")),
        "a.xml": ink.iam([stroke * 100 for stroke in hand()]),
    }  # fmt: skip
    paths = [ink.write(tmp_path / name, content) for name, content in files.items()]
    for path in [*paths, ink.pickled(tmp_path / "a.p", lines, texts)]:
        other, text = load(path, TEXT)
        assert text == TEXT and other.shape == style.shape, path
        assert other == pytest.approx(style, abs=2e-3), path


def test_a_text_in_the_file_need_not_be_told_and_what_is_told_goes_before_it(tmp_path):
    path = ink.write(tmp_path / "a", ink.inkml([hand()], ["another text here"]))
    assert load(path)[1] == "another text here" and load(path, f" {TEXT} ")[1] == TEXT


def test_the_text_is_in_characters_of_the_alphabet(tmp_path):
    assert style_of(tmp_path, hand(), "thé pen “moved” 漢 over")[1] == 'the pen "moved"  over'
    assert style_of(tmp_path, hand(), TEXT, alphabet="abcdefghijklmnopqrstuvwxyz")[1] == TEXT.replace(" ", "")


# ----------------------------------------------------------------------------------- what a recording does not tell


@pytest.mark.parametrize("scale", [1e-4, 0.0317, 0.75, 2540.0, 1e6])
def test_the_same_writing_in_any_unit_is_the_same_style(tmp_path, style, scale):
    other, _ = style_of(tmp_path, [stroke * scale for stroke in hand()])
    assert other == pytest.approx(style, abs=1e-3)


def test_where_on_the_sheet_a_line_stands_does_not_matter(tmp_path, style):
    other, _ = style_of(tmp_path, ink.shift(hand(), -5000, 30000))
    assert other == pytest.approx(style, abs=1e-3)


@pytest.mark.parametrize("times", [2, 7])
def test_more_points_on_the_same_way_are_the_same_style(tmp_path, style, times):
    dense = []
    for stroke in hand():
        at = np.linspace(0, len(stroke) - 1, (len(stroke) - 1) * times + 1)
        dense.append(np.column_stack([np.interp(at, np.arange(len(stroke)), stroke[:, k]) for k in (0, 1)]))
    other, _ = style_of(tmp_path, dense)
    assert abs(len(other) / len(style) - 1) < 0.05 and apart(other, style) < 0.05


def round_hand(letters, points):
    """Loops, each a stroke of so many points, whose x-height is 1."""
    t = np.linspace(0, 1, points)
    x, y = 0.2 * t - 0.5 * np.sin(2 * np.pi * t), -0.5 + 0.5 * np.cos(2 * np.pi * t)
    return [np.column_stack([x + 1.4 * k, y]) for k in range(letters)]


@pytest.mark.parametrize("points", [25, 50, 400])
def test_curves_of_few_points_are_those_of_many(tmp_path, points):
    style, _ = style_of(tmp_path, round_hand(14, 100), "oo oo oo oo oo")
    other, _ = style_of(tmp_path, round_hand(14, points), "oo oo oo oo oo")
    assert abs(len(other) / len(style) - 1) < 0.06 and apart(other, style) < 0.1


def test_the_grid_of_a_screen_is_smoothed(tmp_path):
    fine = round_hand(14, 100)
    coarse = [np.round(stroke * 16) for stroke in fine]  # an x-height of 16 pixels
    (style, _), (other, _) = (style_of(tmp_path, strokes, "oo oo oo oo oo") for strokes in (fine, coarse))
    assert abs(len(other) / len(style) - 1) < 0.1 and apart(other, style) < 0.2


def test_a_pen_that_rests_adds_no_points(tmp_path, style):
    resting = [np.repeat(stroke, [3] * (len(stroke) - 1) + [60], axis=0) for stroke in hand()]
    assert style_of(tmp_path, resting)[0] == pytest.approx(style, abs=1e-6)


def test_the_same_file_is_the_same_style_bit_for_bit(tmp_path, style):
    assert np.array_equal(style_of(tmp_path, hand())[0], style)


@pytest.mark.parametrize("degrees", [-25, -8, 4, 12, 30])
def test_a_line_that_climbs_is_levelled(tmp_path, style, degrees):
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    other, _ = style_of(tmp_path, [stroke @ matrix.T for stroke in hand()])
    assert len(other) == pytest.approx(len(style), rel=0.03) and apart(other, style) < 0.25


def test_slant_and_width_are_the_writers_own(tmp_path, style):
    slanted, _ = style_of(tmp_path, hand(slant=0.5))
    assert np.ptp(places(slanted)[:, 0]) > np.ptp(places(style)[:, 0])
    wide, _ = style_of(tmp_path, [stroke * [1.4, 1] for stroke in hand()])
    assert np.ptp(places(wide)[:, 0]) == pytest.approx(1.4 * np.ptp(places(style)[:, 0]), rel=0.03)


def test_a_leap_is_cut_to_what_the_network_has_seen(tmp_path):
    strokes = hand()
    style, _ = style_of(tmp_path, strokes[:8] + ink.shift(strokes[8:], 300, 0))  # 10 x-heights
    assert np.abs(style[:, :2]).max() == pytest.approx(OFFSET_LIMIT / SCALE)


# ------------------------------------------------------------------------------------------------ points on the way


def test_the_pen_is_slow_where_it_turns_and_at_the_ends_of_a_stroke():
    corner = resample(np.array([[0, 0], [2, 0], [2, 2]], float))
    steps = np.hypot(*np.diff(corner, axis=0).T)
    middle = np.hypot(*(corner - [2, 0]).T).argmin()
    assert steps[middle - 1 : middle + 1].mean() < 0.6 * steps.max() and steps[[0, -1]].max() < 0.6 * steps.max()
    assert corner[[0, -1]] == pytest.approx(np.array([[0, 0], [2, 2]]))
    assert np.hypot(*(corner - [2, 0]).T).min() < 0.15  # and the corner stays one


def test_a_stroke_has_as_many_points_as_a_pen_of_the_training_data_needs():
    straight = resample(np.array([[0, 0], [0, 4]], float))
    assert len(straight) == round(1 + PACE * (2.35 + 2.19 * 4))
    angles = np.linspace(0, 2 * np.pi, 60)
    circle = resample(np.column_stack([np.cos(angles), np.sin(angles)]) / 2)
    assert len(circle) == pytest.approx(1 + PACE * (2.35 + 2.19 * np.pi + 1.58 * 2 * np.pi), abs=1.5)


def test_a_dot_is_a_few_points_in_one_place():
    for dot in ([[1, 2]], [[1, 2], [1, 2]], [[1, 2], [1.001, 2]]):
        points = resample(np.array(dot, float))
        assert 2 <= len(points) <= 5 and points == pytest.approx(np.full(points.shape, [1, 2]), abs=0.1)
        assert (np.hypot(*np.diff(points, axis=0).T) > 0.01).all()  # the pen does not rest: the network would, too


def test_two_points_far_apart_are_a_straight_line():
    points = resample(np.array([[0, 0], [3, 4]], float))
    assert points[:, 1] == pytest.approx(points[:, 0] * 4 / 3, abs=1e-9)


# ------------------------------------------------------------------------------------------------------------ lines


def test_lines_with_texts_are_joined_as_far_as_there_is_room(tmp_path):
    lines = sheet(*LONG)
    path = ink.write(tmp_path / "a", ink.inkml(lines, LONG))
    strokes, text = load(path, max_characters=45)
    assert text == " ".join(LONG[:2]) and strokes[:, 2].sum() == len(lines[0]) + len(lines[1])
    assert load(path, max_characters=30)[1] == LONG[0] and load(path, max_characters=70)[1] == " ".join(LONG)


@pytest.mark.parametrize("group", ["traceGroup", ""])
def test_lines_are_told_apart_by_where_the_pen_goes(tmp_path, group):
    lines = sheet(*LONG[:2])
    path = ink.write(tmp_path / "a", ink.inkml(lines, group=group))
    strokes, text = load(path, "\n".join(LONG[:2]))
    assert text == " ".join(LONG[:2])
    y = places(strokes)[:, 1]
    assert np.ptp(y) < 3.6 * MEDIAN_X_HEIGHT / SCALE  # side by side, and not below each other
    lifts = np.flatnonzero(strokes[:, 2] > 0.5)
    leap = strokes[lifts[len(lines[0]) - 1] + 1]
    assert 1.5 < leap[0] * SCALE / MEDIAN_X_HEIGHT < 2.6  # a space
    assert load(path, " ".join(LONG[:2]))[0] == pytest.approx(strokes, abs=0.05)


def test_lines_that_were_recorded_in_one_place_are_lines_too(tmp_path):
    apart, _ = load(ink.write(tmp_path / "a", ink.inkml(sheet(*LONG[:2]), LONG[:2])))
    over, _ = load(ink.write(tmp_path / "b", ink.inkml(sheet(*LONG[:2], spacing=0), LONG[:2])))
    assert over == pytest.approx(apart, abs=1e-3)


def test_groups_that_are_words_stay_on_their_line(tmp_path, style):
    strokes = hand()
    groups = [strokes[:7], strokes[7:12], strokes[12:]]
    other, text = load(ink.write(tmp_path / "a", ink.inkml(groups, ["the", "pen", "moved over"])))
    assert text == TEXT and other == pytest.approx(style, abs=1e-3)


def test_a_long_line_is_cut_between_words(tmp_path):
    text = " ".join(LONG)
    strokes, cut = style_of(tmp_path, hand(text), text, max_characters=30)
    whole, _ = style_of(tmp_path, hand(cut), cut)
    assert cut == "it was a dark night and the" and len(strokes) == pytest.approx(len(whole), rel=0.05)
    assert apart(strokes, whole) < 0.3


def test_a_long_line_whose_words_are_not_apart_is_refused(tmp_path):
    text = "a" * 80
    with pytest.raises(ValueError, match="80 characters without a gap"):
        style_of(tmp_path, hand(text), text)


def test_one_line_of_many_is_named_by_its_number(tmp_path):
    path = ink.pickled(tmp_path / "a.p", [hand(text) for text in LONG], LONG)
    assert load(path + "#1")[1] == LONG[1] and load(path, line=2)[1] == LONG[2]
    assert load(path, max_characters=70)[1] == " ".join(LONG)
    for bad in (dict(path=path + "#3"), dict(path=path, line=-1)):
        with pytest.raises(ValueError, match="it has 3, counted from 0"):
            load(**bad)
    with pytest.raises(ValueError, match="give one of them"):
        load(path + "#1", line=2)
    svg = ink.write(tmp_path / "a.svg", ink.svg([stroke for line in sheet(*LONG) for stroke in line]))
    strokes, text = load(svg + "#1", LONG[1])
    assert text == LONG[1] and strokes == pytest.approx(load(path + "#1")[0], abs=1e-3)


def test_a_file_whose_name_looks_like_a_line_is_that_file(tmp_path):
    assert load(ink.write(tmp_path / "me#3", ink.inkml([hand()], [TEXT])))[1] == TEXT


def test_of_a_whole_data_set_a_line_has_to_be_named(tmp_path):
    path = ink.pickled(tmp_path / "a.p", [hand(LONG[0])] * 40, [LONG[0]] * 40)
    with pytest.raises(ValueError, match="40 lines: name one of them, such as .*a.p#0"):
        load(path)


def test_strokes_are_sorted_only_if_asked(tmp_path):
    lines = sheet(*LONG[:2])
    strokes = [stroke for line in lines for stroke in line]
    text = " ".join(LONG[:2])
    in_order, _ = style_of(tmp_path, strokes, text)
    mixed = [strokes[k] for k in np.random.default_rng(0).permutation(len(strokes))]
    other, _ = style_of(tmp_path, mixed, text, sort=True)
    assert len(other) == pytest.approx(len(in_order), rel=0.02)
    assert other == pytest.approx(in_order, abs=0.05)


# ----------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("written", "told", "reason"),
    [
        (TEXT, None, "tell it with --style_text"),
        (TEXT, " \n ", "tell it with --style_text"),
        ("a pen", "a pen", "5 characters, 'a pen': a hand shows in 10 or more"),
        (TEXT, "漢" * 20, "0 characters"),
        (" ".join(LONG[:2]), LONG[0][:13], "times the ink"),
        ("the pen it", "the pen it moved over and far", "times the ink"),
        (".,.,.,.,.,.,", ".,.,.,.,.,.,", None),
    ],
)
def test_what_cannot_be_a_style_is_one_line_that_says_why(tmp_path, written, told, reason):
    if reason is None:  # whether or not signs alone are a hand: no traceback
        try:
            style_of(tmp_path, hand(written), told)
        except ValueError:
            pass
        return
    with pytest.raises(ValueError, match=reason) as error:
        style_of(tmp_path, hand(written), told)
    message = str(error.value)
    assert message.startswith(str(tmp_path)) and "\n" not in message and message.endswith(".")


def test_dots_alone_are_no_hand(tmp_path):
    dots = [np.array([[k, 0.0]]) for k in range(20)]
    with pytest.raises(ValueError, match="times the ink"):
        style_of(tmp_path, dots)
    with pytest.raises(ValueError, match="times the ink"):
        style_of(tmp_path, [np.zeros((1, 2))] * 20)


def test_a_file_that_is_not_there_and_a_folder_are_told(tmp_path):
    for path, reason in ((tmp_path / "none.svg", "is not a file"), (tmp_path, "a folder without recordings")):
        with pytest.raises(ValueError, match=reason):
            load(path, TEXT)


@pytest.mark.smoke
def test_import_brings_in_neither_tensorflow_nor_matplotlib():
    code = "import sys, scribe.writing.own_hand; "
    code += "sys.exit(bool({'tensorflow', 'keras', 'tqdm', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_texts_of_the_recording_page_can_be_written_by_the_model():
    page = (ROOT / "scribe" / "web" / "page" / "inkml.js").read_text(encoding="utf-8")
    texts = json.loads(f"[{page.split('const TEXTS = [')[1].split(']')[0]}]")
    assert len(texts) >= 4 and set("".join(texts)) <= set(ALPHABET)
    assert all(10 <= len(text) <= 28 for text in texts)  # a line fits into its box
    assert set("abcdefghijklmnopqrstuvwxyz") <= set("".join(texts))
