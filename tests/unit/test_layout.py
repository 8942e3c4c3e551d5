"""Pages: what is set is what was written, in its order, of one size, within the margins."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT
from scribe.ink.measure import measure_line
from scribe.ink.segments import split_text
from scribe.ink.words import Segment
from scribe.pages.layout import compose, compose_within
from scribe.pages.page_style import PAGE_SIZES, PageStyle
from writing_helpers import write_text

LETTER = """Dear Jon,

thank you for your letter of the second of May, which came only yesterday. We cook, we read, and we wait for the sun
to come back. The garden is under water, as is the road, and no one has seen the dog since.

Yours, Mia"""


def segments(text=LETTER, max_characters=40, **style):
    paragraphs, seed = [], 0
    for texts in split_text(text, max_characters):
        paragraphs.append([])
        for part in texts:
            seed += 1
            strokes, index = write_text(part, seed=seed, **{"jitter": 0.03, "tilt": 0.04 * (seed % 3 - 1), **style})
            paragraphs[-1].append(Segment(part, strokes, index))
    return paragraphs


def lines_of(pages):
    return [line for page in pages for line in page.lines]


def ink(lines):
    return np.concatenate([line.points[:, :2] for line in lines])


@pytest.mark.smoke
def test_text_comes_back_word_by_word_and_in_order():
    pages = compose(segments(), PageStyle(size="a6", margin_mm=10))
    assert " ".join(line.text for line in lines_of(pages)).split() == LETTER.split()
    written = sum(len(s.points) for paragraph in segments() for s in paragraph)
    assert sum(len(line.points) for line in lines_of(pages)) == written


def test_index_points_at_the_characters_of_the_line():
    for line in lines_of(compose(segments(), PageStyle(size="a6", margin_mm=10))):
        for k, character in enumerate(line.text):
            assert (line.index == k).any() == (character != " ")
        centres = [line.points[line.index == k, 0].mean() for k, c in enumerate(line.text) if c != " "]
        assert (np.diff(centres) > 0).all()  # letters of the synthetic hand follow each other from left to right


@pytest.mark.parametrize("size", ["a6", "a5", (120, 90)])
@pytest.mark.parametrize("align", ["left", "centre", "right"])
def test_ink_stays_within_the_margins_and_lines_are_full(size, align):
    style = PageStyle(size=size, margin_mm=(9, 10, 11, 12), align=align, x_height_mm=2)
    pages = compose(segments(), style)
    width, height = style.page_size()
    xy = ink(lines_of(pages))
    tail = min(2.0, 12 / 2) if align == "left" else 0.0  # of a y at the beginning of a line
    assert xy[:, 0].min() >= 12 - tail - 1e-6 and xy[:, 0].max() <= width - 10 + 1e-6
    assert xy[:, 1].min() >= 9 and xy[:, 1].max() <= height - 11
    longest = max(np.ptp(line.points[:, 0]) for line in lines_of(pages))
    assert longest > 0.75 * (width - 22)


@pytest.mark.parametrize("margin, hangs", [(15, True), (0, False)])
def test_the_tail_of_a_y_hangs_in_the_margin_and_its_body_stands_below_the_other_lines(margin, hangs):
    points = np.array([[0, -1, 0], [0.5, 0, 0], [0.9, -1, 0], [0.5, 0.6, 0], [-0.6, 1.2, 0], [-0.8, 0.9, 1.0]])
    y = Segment("y", points, np.zeros(len(points), int))
    n = Segment("n", np.array([[0, -1, 0], [0, 0, 1], [0, -0.8, 0], [0.6, -1, 0], [0.7, 0, 1.0]]), np.zeros(5, int))
    style = PageStyle(size="a5", margin_mm=margin, x_height_mm=2)
    lines = lines_of(compose([[y], [n]], style))
    lefts = [line.points[:, 0].min() for line in lines]
    least = style.margins()[3]
    assert least - 1e-9 <= lefts[1] <= least + 1.0  # lines begin unevenly, see the next test
    assert (lefts[0] < least - 0.5) == hangs and lefts[0] >= 0.5 * least - 1e-9
    if hangs:
        above = lines[0].points[lines[0].points[:, 1] < lines[0].points[:, 1].min() + 2.0]
        assert above[:, 0].min() == pytest.approx(least, abs=0.5)


def test_lines_begin_near_the_margin_but_not_all_at_the_same_place():
    text = " ".join(["nobody knew him"] * 40)
    style = PageStyle(size="a5", margin_mm=15, x_height_mm=2)
    lefts = [np.array([line.points[:, 0].min() for line in lines_of(compose(segments(text), style))]) for _ in (0, 1)]
    assert len(lefts[0]) > 10 and lefts[0][0] == pytest.approx(15)
    assert lefts[0].min() >= 15 - 1e-9 and lefts[0].max() <= 15 + 0.5 * 2 + 1e-9 and lefts[0].std() > 0.1
    np.testing.assert_array_equal(*lefts)
    (tight,) = compose(segments("one\ntwo\nmuch"), PageStyle(size="tight", margin_mm=5))
    assert np.ptp([line.points[:, 0].min() for line in tight.lines]) < 1e-9


def test_alignment_moves_lines_to_its_side():
    style = {"size": "a5", "margin_mm": 15}
    edges = {}
    for align in ("left", "centre", "right"):
        (page,) = compose(segments("Jon"), PageStyle(align=align, **style))
        edges[align] = page.lines[0].points[:, 0].min(), page.lines[0].points[:, 0].max()
    assert edges["left"][0] == pytest.approx(15) and edges["right"][1] == pytest.approx(148 - 15)
    assert sum(edges["centre"]) / 2 == pytest.approx(148 / 2)


@pytest.mark.parametrize("x_height_mm", [1.5, 3.0])
def test_x_height_is_the_one_asked_for(x_height_mm):
    pages = compose(segments(), PageStyle(size="a4", x_height_mm=x_height_mm))
    heights = [measure_line(line.points, line.text, line.index).x_height for line in lines_of(pages)]
    assert np.median(heights) == pytest.approx(x_height_mm, rel=0.06)


def test_baselines_are_the_line_spacing_apart_and_a_blank_line_takes_one():
    (page,) = compose([*segments("one"), *segments("two"), [], *segments("three")], PageStyle(line_spacing_mm=9))
    assert np.diff([line.baseline_mm for line in page.lines]) == pytest.approx([9, 18])
    for line in page.lines:
        on_line = np.array([line.text[k] in "oneh" for k in line.index])
        assert line.points[on_line, 1].max() == pytest.approx(line.baseline_mm, abs=0.4)


def test_lines_that_do_not_fit_go_to_the_next_page():
    style = PageStyle(size="a6", landscape=True, margin_mm=10)
    pages = compose(segments(), style)
    assert len(pages) > 1
    for page in pages:
        assert (page.width_mm, page.height_mm) == (148, 105)
        # A letter that is taller than usual may move it a little.
        assert page.lines[0].baseline_mm == pytest.approx(pages[0].lines[0].baseline_mm, abs=0.2)


def test_page_does_not_begin_with_a_blank_line():
    paragraphs = []
    for _ in range(12):
        paragraphs += [*segments("one two"), []]
    pages = compose(paragraphs, PageStyle(size="a6", landscape=True, margin_mm=10))
    assert len({page.lines[0].baseline_mm for page in pages}) == 1


def test_tight_page_is_as_large_as_its_ink_and_margins():
    (page,) = compose(segments("Jon"), PageStyle(size="tight", margin_mm=5, pen_width_mm=0.5))
    xy = ink(page.lines)
    assert xy.min(axis=0) == pytest.approx([5.25, 5.25])
    assert [page.width_mm, page.height_mm] == pytest.approx(xy.max(axis=0) + 5.25)
    (narrow,) = compose(segments(), PageStyle(size="tight", width_mm=60, margin_mm=5))
    assert len(narrow.lines) > 5 and narrow.width_mm <= 60 + 10 + 1


def test_words_of_different_segments_are_a_word_space_apart():
    text = "one sun on us as we saw"
    whole = segments(text, jitter=0, tilt=0)[0]
    parts = segments(text, max_characters=8, jitter=0, tilt=0)[0]
    assert len(parts) > 2
    gaps = {}
    for name, written in (("whole", whole), ("parts", parts)):
        (page,) = compose([written], PageStyle(size="a4", x_height_mm=2))
        (line,) = page.lines
        words = [line.points[np.isin(line.index, range(a, a + len(w))), 0] for w, a in _words(text)]
        gaps[name] = [b.min() - a.max() for a, b in zip(words, words[1:])]
    assert gaps["parts"] == pytest.approx(gaps["whole"], rel=0.35)


@pytest.mark.parametrize("narrow", [(2,), (0, 2, 3, 5)])  # one, and so many that the hand itself seems to write so
def test_words_that_were_written_close_together_are_set_apart(narrow):
    text = "one sun on us as we saw"
    strokes, index = write_text(text)
    spaces = [u for u, c in enumerate(text) if c == " "]
    for k in narrow:
        words = strokes[index < spaces[k], 0].max(), strokes[index > spaces[k], 0].min()
        strokes[index > spaces[k], 0] -= words[1] - words[0] - 0.3 * 1.5  # x-heights of the hand
    (page,) = compose([[Segment(text, strokes, index)]], PageStyle(size="a4", x_height_mm=2))
    (line,) = page.lines
    words = [line.points[np.isin(line.index, range(a, a + len(w))), 0] for w, a in _words(text)]
    assert min(b.min() - a.max() for a, b in zip(words, words[1:])) >= 1.1 * 2 - 1e-3


def _words(text):
    first = 0
    for word in text.split():
        yield word, first
        first += len(word) + 1


def test_one_line_that_was_written_small_is_helped_but_not_blown_up():
    normal = segments("one sun on us as we saw")[0] * 4
    small, index = write_text("can we now", x_height=0.9)  # the others: 1.5
    pages = compose([normal, [Segment("can we now", small, index)]], PageStyle(x_height_mm=2))
    line = lines_of(pages)[-1]
    assert line.text == "can we now"
    x_height = measure_line(line.points, line.text, line.index).x_height
    assert 2 * 0.9 / 1.5 * 1.05 < x_height < 2 * 0.9 / 1.5 * 1.4 + 0.05


def test_slant_goes_towards_that_of_the_hand_and_tilt_away_unless_they_are_to_stay():
    def written(text, slant, tilt):
        strokes, index = write_text(text, slant=slant, tilt=tilt)
        return [Segment(text, strokes, index)]

    text = "hidden hill in the mill"
    paragraphs = [written(text, s, 0.05) for s in (0.1, 0.1, 0.1, 0.5)]

    def spread_and_tilt(straighten):
        lines = lines_of(compose(paragraphs, PageStyle(straighten=straighten)))
        slants = [measure_line(line.points, text, line.index).slant for line in lines]
        metrics = measure_line(lines[0].points, text, lines[0].index)
        x = lines[0].points[:, 0]
        return np.ptp(slants), abs(metrics.baseline_at(x.max()) - metrics.baseline_at(x.min())) / np.ptp(x)

    (even, flat), (uneven, tilted) = spread_and_tilt(True), spread_and_tilt(False)
    assert uneven > 0.3 and even < 0.5 * uneven
    assert tilted > 0.04 and flat < 0.01


def test_hands_are_measured_apart():
    large, index = write_text("one sun on us", x_height=5)
    small, _ = write_text("one sun on us", x_height=1)
    paragraphs = [[Segment("one sun on us", s, index, hand=hand)] for s, hand in ((large, "a"), (small, "b"))]
    heights = [np.ptp(line.points[:, 1]) for line in lines_of(compose(paragraphs))]
    assert heights[0] == pytest.approx(heights[1], rel=0.02)


def test_ink_of_a_segment_goes_before_that_of_the_page():
    paragraphs = segments("one") + segments("two")
    paragraphs[1][0].ink = "#aa0000"
    assert [line.ink for line in lines_of(compose(paragraphs, PageStyle(ink="#000000")))] == ["#000000", "#aa0000"]


def test_strokes_are_not_changed_by_setting_them():
    paragraphs = segments("one two")
    before = paragraphs[0][0].points.copy()
    compose(paragraphs)
    assert (paragraphs[0][0].points == before).all()


@pytest.mark.parametrize(
    ("style", "what"),
    [
        ({"size": "a9"}, "'a9' is not known: it is one of a3, "),
        ({"size": (0, 10)}, "does not exist"),
        ({"size": "a6", "margin_mm": 60}, "margins"),
        ({"size": (300, 20)}, "no room for a line"),
        ({"margin_mm": -1}, "0 mm or more"),
        ({"x_height_mm": 0}, "x-height is 0 mm"),
        ({"x_height_mm": float("nan")}, "x-height is nan mm"),
        ({"line_spacing_mm": -2}, "line spacing"),
        ({"align": "justify"}, "left, centre, right"),
        ({"size": "30x"}, "110x220"),
        ({"size": (30, 297), "margin_mm": 10, "x_height_mm": 4}, "no room for a line: 10 mm at an x-height of 4 mm"),
        ({"valign": "high"}, "top, middle, bottom"),
        ({"ruling": "plaid"}, "ruled, squared"),
        ({"columns": 0}, "0 columns"),
    ],
)
def test_page_that_cannot_be_is_refused_in_one_sentence(style, what):
    with pytest.raises(ValueError, match=what) as error:
        compose(segments("thank you"), PageStyle(**style))
    assert "\n" not in str(error.value)


def test_word_that_a_line_has_no_room_for_is_written_smaller_with_a_warning():
    said = []
    pages = compose(segments("thank me"), PageStyle(size=(34, 60), margin_mm=10, x_height_mm=3), said.append)
    xy = ink(lines_of(pages))
    assert xy[:, 0].min() >= 10 - 1e-6 and xy[:, 0].max() <= 24 + 1e-6
    assert len(said) == 1 and "'thank' is " in said[0] and "smaller" in said[0]


def test_a_piece_that_is_too_wide_leaves_room_for_its_hyphen():
    strokes, index = write_text("unbelievable ness")
    segment = Segment("unbelievable ness", strokes, index, joints=[" ", "-"], marks=["", ""])
    lines = lines_of(compose([[segment]], PageStyle(size=(40, 60), margin_mm=5)))
    assert [line.text for line in lines] == ["unbelievable-", "ness"]
    assert ink(lines)[:, 0].max() <= 35 + 1e-6


@pytest.mark.parametrize("margin_mm", [0, 3])
def test_tall_letters_stay_below_the_upper_edge_and_descenders_above_the_lower(margin_mm):
    strokes, index = write_text("Tall gypsy Hill")
    strokes[:, 1] *= 1.6  # taller than letters are
    pages = compose([[Segment("Tall gypsy Hill", strokes, index)]] * 9, PageStyle(size="a6", margin_mm=margin_mm))
    for page in pages:
        y = ink(page.lines)[:, 1]
        assert y.min() >= max(margin_mm, 0.175) - 1e-6 and y.max() <= page.height_mm - max(margin_mm, 0.175) + 1e-6


@pytest.mark.parametrize("style", [{}, {"line_spacing_mm": 8.0}])
def test_neighbouring_lines_do_not_touch(style):
    strokes, index = write_text("gypsy Tall")
    strokes[index < 5, 1] *= 1.5  # deeper descenders than there is room for at 3.6 x-heights
    pages = compose([[Segment("gypsy Tall", strokes, index)], [Segment("gypsy Tall", strokes, index)]] * 2,
                    PageStyle(size="a5", align="left", **style))  # fmt: skip
    lines = lines_of(pages)
    for before, after in zip(lines, lines[1:]):
        low = before.points[before.points[:, 1] > before.baseline_mm, :2]
        assert min(np.abs(after.points[:, :2] - point).max(axis=1).min() for point in low) > 0.3


def test_words_off_their_baseline_and_numbers_of_another_size_are_brought_back():
    strokes, index = write_text("one 2024 sun us")
    strokes[(index > 3) & (index < 8), :2] *= 0.7  # a small number, and a word that floats
    strokes[(index > 8) & (index < 12), 1] -= 0.6
    (line,) = lines_of(compose([[Segment("one 2024 sun us", strokes, index)]], PageStyle(x_height_mm=2)))
    bottoms = [line.points[line.index == u, 1].max() - line.baseline_mm for u in (0, 4, 5, 9, 13)]
    assert np.abs(bottoms).max() < 0.35
    assert np.ptp(line.points[line.index == 5, 1]) > 0.85 * 1.9 * 2


def test_what_ends_a_word_stands_near_to_it_and_apart_from_the_next():
    text = "one even, six" + ' more." us'
    strokes, index = write_text(text)
    for end in (text.index(","), text.index(".")):
        strokes[index >= end, 0] += 3.0  # two x-heights away, and low
        strokes[index == end, 1] += 0.6
    (line,) = lines_of(compose([[Segment(text, strokes, index)]], PageStyle(x_height_mm=2)))
    for end in (",", "."):
        k, after = line.text.index(end), line.text.index(" ", line.text.index(end)) + 1
        before, mark, next_letter = (line.points[line.index == u, 0] for u in (k - 1, k, after))
        assert 0 < mark.min() - before.max() < 1.2 * 2
        assert next_letter.min() - line.points[line.index < after, 0].max() > 0.5 * 2


def test_words_that_were_written_large_or_small_are_brought_near_their_hand_and_keep_something_of_it():
    text = "seven onions even once more raven"
    strokes, index = write_text(text)
    for first, last, factor in ((0, 4, 1.5), (13, 16, 0.8)):  # "seven", "even"
        own = (index >= first) & (index <= last)
        left = strokes[own, 0].min()
        strokes[own, :2] = [left, 0] + (strokes[own, :2] - [left, 0]) * factor
    (line,) = lines_of(compose([[Segment(text, strokes, index)]], PageStyle(x_height_mm=2)))
    heights = {}
    for word, first in _words(line.text):
        own = (line.index >= first) & (line.index < first + len(word))
        heights[word] = measure_line(line.points[own], word, line.index[own] - first).x_height
    assert 1.02 < heights["seven"] / heights["onions"] < 1.25
    assert 0.85 < heights["even"] / heights["onions"] < 0.98


@pytest.mark.parametrize("seed", range(3))
def test_neighbouring_lines_are_of_one_size_though_the_segments_they_are_made_of_are_not(seed):
    rng, paragraphs = np.random.default_rng(seed), segments()
    for segment in (segment for paragraph in paragraphs for segment in paragraph):
        u = np.linspace(0, 1, len(segment.text))[segment.index]  # it begins in one size and ends in another
        first, last = np.exp(rng.normal(0, 0.2, 2))
        segment.points[:, :2] *= (first + (last - first) * u)[:, None]
    lines = lines_of(compose(paragraphs, PageStyle(size="a6", margin_mm=10)))

    def size(line):
        small = [u for u, c in enumerate(line.text) if c in "acemnorsuvwxz"]
        return np.median([np.ptp(line.points[line.index == u, 1]) for u in small])

    away = np.abs(np.diff(np.log([size(line) for line in lines])))
    assert np.mean(away < np.log(1.1)) >= 0.9


def test_baselines_stand_on_the_rules_of_the_paper():
    for ruling, cell in (("squared", 5.0), ("seyes", 8.0), ("dotted", 5.0)):
        pages = compose(segments(), PageStyle(size="a6", margin_mm=8, x_height_mm=2, ruling=ruling))
        assert len(pages) >= 1
        for page in pages:
            rules = {round(rule.y1, 6) for rule in page.rules if rule.y1 == rule.y2}
            assert page.rules and all(round(line.baseline_mm, 6) in rules for line in page.lines)
            assert all(line.baseline_mm / cell == pytest.approx(round(line.baseline_mm / cell)) for line in page.lines)


def test_writing_stands_where_it_is_asked_to():
    tops = {}
    for valign in ("top", "middle", "bottom"):
        (page,) = compose(segments("one two"), PageStyle(size="110x220", margin_mm=(10, 20, 30, 40), valign=valign))
        assert (page.width_mm, page.height_mm) == (110, 220)
        tops[valign] = page.lines[0].baseline_mm
        assert page.lines[0].points[:, 0].min() == pytest.approx(40)
    assert tops["bottom"] == pytest.approx(220 - 30 - 1.4 * 2.5) and tops["top"] < tops["middle"] < tops["bottom"]


def test_columns_are_filled_one_after_the_other():
    style = PageStyle(size=(105, 60), margin_mm=8, x_height_mm=1.5, columns=2, gutter_mm=6)
    page = compose(segments(), style)[0]
    width = (105 - 16 - 6) / 2
    columns = [line.points[:, 0].min() > 8 + width for line in page.lines]
    assert columns == sorted(columns) and any(columns) and not all(columns)
    for line, second in zip(page.lines, columns):
        left = 8 + second * (width + 6)
        assert line.points[:, 0].min() >= left - 1e-6 and line.points[:, 0].max() <= left + width + 1e-6


def test_pieces_of_a_word_stand_side_by_side_or_get_a_hyphen_at_the_end_of_a_line():
    def written(**style):
        strokes, index = write_text("so unbe lievable")
        segment = Segment("so unbe lievable", strokes, index, joints=[" ", " ", "-"], marks=["", "", ""])
        return lines_of(compose([[segment]], PageStyle(**style)))

    (line,) = written(size="a4")
    assert line.text == "so unbelievable" and set(line.index) == {k for k, c in enumerate(line.text) if c != " "}
    first, second = written(size=(52, 60), margin_mm=5)
    assert (first.text, second.text) == ("so unbe-", "lievable") and (first.index == 7).any()


def test_a_word_that_nobody_asked_to_break_is_broken_where_no_line_has_room_for_it_and_only_then_named():
    def written(width, joints):
        strokes, index = write_text("so unbe lievable, yes")
        segment = Segment("so unbe lievable, yes", strokes, index, joints=[" ", " ", joints, " "], marks=[""] * 4)
        said = []
        pages = compose([[segment]], PageStyle(size=(width, 90), margin_mm=5), said.append)
        return [line.text for line in lines_of(pages)], said

    assert written(150, "-!") == (["so unbelievable, yes"], [])
    assert written(52, "-!") == (["so", "unbelievable,", "yes"], [])
    assert written(52, "-")[0][0] == "so unbe-"  # by the rules of a language, lines are filled
    lines, said = written(44, "-!")
    assert lines == ["so unbe-", "lievable,", "yes"]
    assert said == ["broken, a line has no room for them: unbelievable."]
    lines, said = written(44, "!")
    assert lines == ["so unbe", "lievable,", "yes"] and len(said) == 1
    for joint in ("-", ""):
        assert not written(44, joint)[1]


def test_a_number_stays_on_the_line_of_its_sign_and_its_calculation():
    text = "we paid 5 + 7 = 12 for it and 20 % more than 3 - 4 as we had seen"
    for width in range(60, 150, 4):
        lines = [
            line.text
            for line in lines_of(compose(segments(text), PageStyle(size=(width, 200), margin_mm=5, x_height_mm=3)))
        ]
        assert " ".join(lines) == text
        assert sum("5 + 7 = 12" in line for line in lines) == 1, lines
        assert sum("20 %" in line for line in lines) == 1, lines
    narrow = compose(segments(text), PageStyle(size=(40, 300), margin_mm=5, x_height_mm=3))
    assert " ".join(line.text for line in lines_of(narrow)) == text


def test_marked_words_are_underlined_or_crossed_out_in_one_stroke():
    strokes, index = write_text("one two no")
    marks = ["underlined", "underlined", "crossed"]
    segment = Segment("one two no", strokes, index, joints=[" "] * 3, marks=marks)
    (line,) = lines_of(compose([[segment]], PageStyle()))
    drawn = [line.points[s] for s in line.strokes() if (line.index[s] < 0).all()]
    under, through = ((stroke[:, 1] - line.baseline_mm) / 2.5 for stroke in drawn)
    assert (under > 0.2).all() and (through < -0.3).all()
    words = line.points[np.isin(line.index, range(7)), 0]
    assert np.ptp(drawn[0][:, 0]) > 0.9 * np.ptp(words)


@pytest.mark.parametrize("paragraphs", [[], [[], []]])
def test_nothing_to_set_is_refused(paragraphs):
    with pytest.raises(ValueError, match="nothing to set"):
        compose(paragraphs)


@pytest.mark.parametrize("strokes", [np.zeros((0, 6)), np.full((4, 6), np.nan)])
def test_segment_without_points_or_with_nan_is_refused(strokes):
    with pytest.raises(ValueError, match="pen point"):
        compose([[Segment("one", strokes)]])


def test_page_sizes_are_upright_and_turn():
    for width, height in PAGE_SIZES.values():
        assert width < height
    assert PageStyle(size="A5", landscape=True).page_size() == (210, 148)


@pytest.mark.parametrize("size", ["5x7in", "5 x 7 in", "5×7 IN", '5x7"', "127x177.8", "127x177.8mm"])
def test_a_size_is_in_mm_or_in_inches(size):
    assert PageStyle(size=size).page_size() == pytest.approx((127, 177.8))
    assert PageStyle(size=size, landscape=True).page_size() == pytest.approx((177.8, 127))


@pytest.mark.parametrize("size", ["5x7cm", "0x7in", "5in"])
def test_a_size_that_does_not_exist_is_refused_with_the_units_that_do(size):
    with pytest.raises(ValueError, match="does not exist" if size[0] == "0" else "in inches, such as 5x7in"):
        PageStyle(size=size).page_size()


def test_a_text_is_written_as_large_as_it_fits_on_the_pages_that_there_are():
    style = PageStyle(size=(130, 90), margin_mm=8, x_height_mm=4)
    whole = segments()
    assert len(compose(whole, style)) > 2
    said = []
    for most in (1, 2):
        pages = compose_within(whole, style, most, said.append)
        heights = [measure_line(line.points, line.text, line.index).x_height for line in lines_of(pages)]
        x_height = float(np.median([h for h in heights if h]))
        assert len(pages) <= most and 1.5 <= x_height + 0.1
        larger = dataclasses.replace(style, x_height_mm=1.15 * x_height)
        assert len(compose(whole, larger)) > most  # as large as it can be
    assert said == []
    assert len(compose_within(whole, style, None)) == len(compose(whole, style))
    one = compose_within(segments("thank you"), style, 1)
    assert lines_of(one)[0].points == pytest.approx(lines_of(compose(segments("thank you"), style))[0].points)


def test_what_would_be_too_small_to_read_takes_more_pages_with_a_warning():
    said = []
    pages = compose_within(segments(), PageStyle(size=(40, 40), margin_mm=8), 1, said.append)
    assert len(pages) > 1 and f"it takes {len(pages)} pages" in said[-1] and "1.5 mm" in said[-1]


def test_layout_imports_neither_tensorflow_nor_matplotlib():
    code = "import sys; from scribe.pages import layout, formats; "
    code += "sys.exit(any(m in sys.modules for m in ('tensorflow', 'matplotlib')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
