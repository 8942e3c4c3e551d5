"""What holds for every text and every stroke that can be set on a page."""

import json
import types

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scribe.ink.composed import compose_text
from scribe.ink.composing import compose_ink
from scribe.ink.measure import measure_line, straighten
from scribe.ink.point_characters import character_index
from scribe.ink.segments import split_line, split_text
from scribe.ink.words import Segment, split_words
from scribe.ink.writable import fit_text
from scribe.pages.formats import Page, PlacedLine, encode
from scribe.pages.layout import compose
from scribe.pages.letter import Breaking, text_paragraphs, write_paragraphs
from scribe.pages.page import schedule, simplify
from scribe.pages.page_style import PageStyle
from writing_helpers import write_text

words = st.text("abcdefgijmoptxyzADH0189.,'-", min_size=1, max_size=9)
texts = st.lists(words, min_size=1, max_size=12).map(" ".join)
numbers = st.floats(-1e4, 1e4, width=32)


@st.composite
def any_strokes(draw):
    n = draw(st.integers(1, 40))
    points = draw(arrays(np.float32, (n, 3), elements=numbers))
    points[:, 2] = draw(arrays(np.int8, n, elements=st.integers(0, 1)))
    return points


@given(arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 8)), elements=st.floats(0, 10)))
def test_character_index_never_goes_back(phis):
    index = character_index(phis)
    assert (np.diff(index) >= 0).all() and 0 <= index[0] and index[-1] < phis.shape[1]


@settings(max_examples=40)
@given(any_strokes(), st.text("ab .H7'", max_size=6))
def test_any_strokes_can_be_measured_and_straightened(strokes, text):
    metrics = measure_line(strokes, text)
    assert np.isfinite(straighten(strokes, metrics, metrics.slant)).all()
    assert metrics.x_height is None or metrics.x_height > 0


@settings(max_examples=60)
@given(any_strokes(), texts, st.booleans(), st.integers(0, 99))
def test_cutting_into_words_loses_neither_points_nor_text_and_cuts_no_stroke(strokes, text, known, seed):
    index = np.sort(np.random.default_rng(seed).integers(0, len(text), len(strokes))) if known else None
    cut = split_words(Segment(text, strokes, index))
    assert " ".join(word.text for word in cut) == " ".join(text.split())
    joined = np.concatenate([word.points for word in cut])
    assert (joined[:, :2] == strokes[:, :2]).all()
    for word in cut:
        assert word.points[-1, 2] == 1
        assert len(word.index) == len(word.points) and word.index.max(initial=-1) < len(word.text)


@given(st.text("ab \n\t", max_size=80), st.integers(1, 20), st.sampled_from(["auto", "keep", "join"]))
def test_splitting_a_text_keeps_its_words(text, most, newlines):
    paragraphs = split_text(text, most, newlines)
    assert " ".join(" ".join(segments) for segments in paragraphs if segments).split() == text.split()
    for segments in paragraphs:
        assert all(len(segment) <= most or " " not in segment for segment in segments)
    if paragraphs:
        assert paragraphs[0] and paragraphs[-1]


@given(texts)
def test_lines_and_segments_are_made_of_whole_words(text):
    assert text.split() == " ".join(split_line(text, 15)).split()


@settings(max_examples=25)
@given(
    st.lists(texts, min_size=1, max_size=3), st.floats(1, 3), st.sampled_from(["left", "centre", "right"]),
    st.floats(-0.1, 0.1), st.floats(-0.4, 0.4), st.integers(0, 9),
)  # fmt: skip
def test_page_holds_all_text_within_its_side_margins_in_writing_order(paragraphs, x_height, align, tilt, slant, seed):
    segments = []
    for text in paragraphs:
        segments.append([])
        for part in split_line(text, 25):
            strokes, index = write_text(part, tilt=tilt, slant=slant, jitter=0.05, seed=seed)
            segments[-1].append(Segment(part, strokes, index))
    style = PageStyle(size="a5", margin_mm=12, x_height_mm=x_height, align=align)
    pages = compose(segments, style)
    lines = [line for page in pages for line in page.lines]
    assert " ".join(line.text for line in lines).split() == " ".join(paragraphs).split()
    tail = min(x_height, 12 / 2) if align == "left" else 0.0  # of a y at the beginning of a line hangs in the margin
    for line in lines:
        assert line.points[:, 0].min() >= 12 - tail - 1e-6 and line.points[:, 0].max() <= 148 - 12 + 1e-6
        assert len(line.index) == len(line.points) and 0 <= line.index.min() and line.index.max() < len(line.text)
    for page in pages:
        assert (np.diff([line.baseline_mm for line in page.lines]) > 0).all()


@settings(max_examples=60)
@given(any_strokes(), st.text("aiÉłøŁćąæœŒßď½€@.,' ĳĦ’", min_size=1, max_size=12), st.integers(0, 9))
def test_any_ink_can_be_composed(strokes, text, seed):
    composition = compose_text(text)
    assume(composition.text)
    points, phis = (
        np.zeros((len(strokes), 6)),
        np.random.default_rng(seed).random((len(strokes), len(composition.base))),
    )
    points[:, [0, 1, 5]] = strokes
    if not composition.base:
        points, phis = points[:0], phis[:0]
    ink = compose_ink(composition, points, phis, np.random.default_rng(seed))
    assert np.isfinite(ink.points).all() and len(ink.points) == len(ink.index) == len(ink.source)
    assert 0 <= ink.index.min() and ink.index.max() < len(composition.text)


WORDS = st.sampled_from(
    ["gypsy", "Tall", "Zoë", "Łódź", "½", "5", "€", "=", "Å", "https://www.example.org/a/b?c=d", "x²", "i", "I"]
    + ["‘yes’", "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbau", "…", "-", "__very__", "~~no~~", "{}", "@"]
    + ["1234567890" * 5]
)
SIDES, MARGINS = st.floats(25, 120), st.sampled_from([0.0, 2.0, (1.0, 4.0, 2.0, 6.0)])
RULINGS = st.sampled_from([None, "ruled", "squared", "dotted", "seyes"])
ALIGNMENTS = st.tuples(st.sampled_from(["left", "centre", "right"]), st.sampled_from(["top", "middle", "bottom"]))


@settings(max_examples=25)
@given(
    st.lists(st.lists(WORDS, max_size=5), min_size=1, max_size=3), st.tuples(SIDES, SIDES), MARGINS, st.floats(1, 3),
    RULINGS, st.sampled_from([1, 2]), ALIGNMENTS, st.sampled_from([None, 6.0]),
)  # fmt: skip
def test_any_mixture_of_words_comes_onto_any_page_with_all_its_ink(
    rows, size, margin, x_height, ruling, columns, alignments, spacing
):
    width, height = size
    style = PageStyle(
        size=size, margin_mm=margin, x_height_mm=x_height, ruling=ruling, columns=columns, gutter_mm=3,
        align=alignments[0], valign=alignments[1], line_spacing_mm=spacing,
    )  # fmt: skip
    try:
        room = style.text_width()
    except ValueError:
        assume(False)  # a page that cannot be is refused before anything is written
    text = "\n".join(fit_text(" ".join(row)).text for row in rows)
    assume(text.strip())
    breaking = Breaking(room / x_height, None, markup=True)
    paragraphs = text_paragraphs(text, newlines="keep", breaking=breaking)

    def write(texts, biases, seeds, style):
        lines = []
        for k, line in enumerate(texts):
            composition = compose_text(line)
            strokes, phis = np.zeros((0, 6)), np.zeros((0, 0))
            if composition.base:
                strokes, index = write_text(composition.base)
                phis = np.eye(len(composition.base))[index]
            ink = compose_ink(composition, strokes, phis, np.random.default_rng(k), unit=1.5)
            base = types.SimpleNamespace(text=composition.base, strokes=strokes)
            lines.append(types.SimpleNamespace(text=composition.text, strokes=ink.points, ink=ink, base=base))
        return lines

    pages = compose(write_paragraphs(paragraphs, write, seed=1), style)
    lines = [line for page in pages for line in page.lines]
    top, right, bottom, left = np.broadcast_to(margin, 4)
    assert set("".join(line.text for line in lines)) >= set(text) - set(" \n_~-")
    for line in lines:
        assert line.points[:, 0].min() >= left - 1e-6 and line.points[:, 0].max() <= width - right + 1e-6
        assert line.points[:, 1].min() >= top - 1e-6 and line.points[:, 1].max() <= height - bottom + 1e-6
        assert len(line.index) == len(line.points) and line.index.max() < len(line.text)


@given(arrays(np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=st.floats(-99, 99)), st.floats(0, 5))
def test_simplified_lines_stay_within_tolerance(points, tolerance):
    kept = simplify(points, tolerance)
    assert (kept[0] == points[0]).all() and (kept[-1] == points[-1]).all()
    starts, ends = (kept[:-1], kept[1:]) if len(kept) > 1 else (kept, kept)
    for p in points:
        chord = ends - starts
        along = np.clip(((p - starts) * chord).sum(1) / np.maximum((chord**2).sum(1), 1e-18), 0, 1)
        assert np.hypot(*(p - starts - along[:, None] * chord).T).min() <= tolerance + 1e-6


@settings(max_examples=30)
@given(st.lists(any_strokes(), min_size=1, max_size=3))
def test_time_only_goes_forward_and_json_gives_the_points_back(lines):
    pages = [Page(100, 100, [PlacedLine(points.astype(float), "x") for points in lines])] * 2
    times = np.concatenate([t for of_page in schedule(pages) for t in of_page])
    assert (np.diff(times) > 0).all()
    read = json.loads(encode(pages, "json"))["pages"][1]["lines"]
    for line, points in zip(read, lines, strict=True):
        assert np.array(line["points"])[:, [0, 1, 3]] == pytest.approx(points, abs=1e-3)
