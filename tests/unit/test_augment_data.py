"""scribe/ink/glyphs.py and augment_data.py: characters are cut out whole, and set into lines where they belong."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import augment_data
from augment_data import PATTERNS, Composer, compose_lines
from data_helpers import loader_args, make_lines, write_data
from model import HandwritingModel
from scribe.files.stroke_file import load_named_strokes, load_strokes
from scribe.ink.alphabet import ALPHABET
from scribe.ink.glyphs import (
    SHAPES,
    Glyph,
    WrittenLine,
    collect_glyphs,
    crossed,
    draw_shape,
    is_plausible,
    set_glyphs,
)
from scribe.ink.typical import CAPITALS, DIGITS
from scribe.network.checkpoint import save_model
from utils import DataLoader
from writing_helpers import write_text

X_HEIGHT = 1.5


def line_of(text, **how):
    strokes, index = write_text(text, X_HEIGHT, **how)
    return WrittenLine(text, strokes[:, [0, 1, 5]], index)


def figure(character, width=0.5, height=1.8):
    """A glyph of two strokes: a box without bottom, a dot in it."""
    points = [(0, 0, 0), (0, -height, 0), (width, -height, 0), (width, 0, 1), (width / 2, -height / 2, 1)]
    return Glyph(character, np.array(points, float), 0.0, -1)


@pytest.mark.smoke
def test_figures_of_a_number_are_cut_out_one_by_one():
    line = line_of("in 1987 there")
    glyphs = line.glyphs(3, 7, donor=5)
    assert [g.character for g in glyphs] == list("1987") and {g.donor for g in glyphs} == {5}
    for glyph in glyphs:  # in x-heights of the line, on its baseline, from its left edge
        assert np.ptp(glyph.points[:, 1]) == pytest.approx(1.9, rel=0.15)
        assert glyph.points[:, 1].max() == pytest.approx(0, abs=0.15) and glyph.points[:, 0].min() == 0


def test_joined_characters_are_not_cut():
    line = line_of("in 1987 there", joined=True)
    assert line.glyphs(3, 7) == [] and line.strokes_of(3, 7) is None


def test_a_last_stroke_that_the_attention_gave_to_the_next_character_comes_along():
    """A 4 is two strokes; the attention has often moved on when the second is drawn."""
    text = "a 44"
    strokes, index = write_text(text, X_HEIGHT)
    points, index = list(strokes[:, [0, 1, 5]]), list(index)
    for u in (2, 3):
        own = [k for k, i in enumerate(index) if i == u]
        middle = np.mean([points[k][:2] for k in own], axis=0)
        bar = [[middle[0] - 0.2, middle[1], 0], [middle[0] + 0.2, middle[1], 1]]
        points[own[-1] + 1 : own[-1] + 1] = np.array(bar)
        index[own[-1] + 1 : own[-1] + 1] = [min(u + 1, 3)] * 2
    line = WrittenLine(text, np.array(points), np.array(index))
    assert [int(g.points[:, 2].sum()) for g in line.glyphs(2, 4)] == [2, 2]


def test_an_initial_is_cut_out_of_its_word():
    line = line_of("my King went")
    glyph = line.initial(3, 7)
    assert glyph.character == "K" and glyph.width < 1.2 and is_plausible(glyph)
    assert line_of("my King went", joined=True).initial(3, 7) is None


def test_glyphs_with_far_less_ink_than_usual_are_left_out():
    lines = [line_of("at 1111 we") for _ in range(3)]
    stub = line_of("a 1 b")
    own = np.flatnonzero(stub.index == 2)
    stub.points[own[3:], :2] = stub.points[own[3], :2]  # half of the 1 is missing
    stub = WrittenLine(stub.text, stub.points, stub.index)
    assert len(collect_glyphs(lines)["1"]) == 12 == len(collect_glyphs([*lines, stub])["1"])


def test_a_replacement_keeps_all_else_and_moves_what_follows():
    line = line_of("in may we")
    own = line.strokes_of(3, 6)
    new_line = set_glyphs(line, own, 3, 6, [figure("7"), figure("3")], rng=np.random.default_rng(0))
    points = new_line.points
    assert new_line.text == "in 73 we"
    assert [new_line.strokes_of(start, end) is not None for start, end in ((0, 2), (3, 5), (6, 8))] == [True] * 3
    assert [g.character for g in new_line.glyphs(3, 5)] == ["7", "3"]
    before = sum(len(line.strokes[k]) for k in range(own[0]))
    after = sum(len(line.strokes[k]) for k in range(own[-1] + 1, len(line.strokes)))
    assert np.array_equal(points[:before], line.points[:before])
    shifts = points[-after:, :2] - line.points[-after:, :2]
    assert np.ptp(shifts, axis=0) == pytest.approx([0, 0], abs=1e-9) and shifts[0, 1] == pytest.approx(0)
    new = points[before:-after]
    old_right = max(line.strokes[k][:, 0].max() for k in own)
    assert new[:, 0].max() - old_right == pytest.approx(shifts[0, 0])  # the gap to the next word stays
    assert np.ptp(new[:5, 1]) == pytest.approx(1.8 * line.x_height, rel=0.01)
    assert new[:, 0].min() == pytest.approx(min(line.strokes[k][:, 0].min() for k in own))


def test_a_glyph_takes_the_slant_and_the_tilt_of_its_line():
    line = line_of("in may we went home then", slant=0.5, tilt=0.1)
    own = line.strokes_of(3, 6)
    points = set_glyphs(line, own, 3, 6, [figure("7")], rng=np.random.default_rng(0)).points
    new = points[sum(len(line.strokes[k]) for k in range(own[0])) :][:4]
    left = new[1] - new[0]  # upwards
    assert left[0] / -left[1] == pytest.approx(line.slant, abs=0.06)
    assert new[0, 1] == pytest.approx(line.baseline_at(new[0, 0]), abs=1e-6)


@pytest.mark.parametrize("character", sorted(SHAPES))
def test_drawn_shapes_are_plausible_and_never_the_same(character):
    rng = np.random.default_rng(0)
    glyphs = [draw_shape(character, rng) for _ in range(20)]
    assert all(is_plausible(g) and g.points[-1, 2] == 1 and 4 < len(g.points) < 90 for g in glyphs)
    assert len({g.points.tobytes() for g in glyphs}) == 20


def test_a_drawn_pen_is_slow_in_the_loops_of_a_sign_and_swift_between_them():
    rng = np.random.default_rng(0)
    for _ in range(10):
        points = draw_shape("&", rng).points
        steps = np.hypot(*np.diff(points[:, :2], axis=0).T)
        top = np.abs(points[1:, 1] - points[:, 1].min()) < 0.25  # the upper loop
        assert 0.02 < np.median(steps[top]) < 0.75 * steps.max() < 0.6


@pytest.fixture(scope="module")
def composer():
    texts = [f"{c}{c}ab 0123 456 789 {c}ed. ({c}) it, why: so! or? ab-cd;" for c in CAPITALS]
    texts += [f"he has {c}{c} and . , : ; - ! ? ( )" for c in CAPITALS]
    texts += ["a box of wax six", "quiz faq zoo"]
    lines = [line_of(text) for text in texts]
    return Composer(lines, collect_glyphs(lines) | {"x": [figure("x", height=1.0)]}, np.random.default_rng(0))


def test_tokens_are_words_in_capitals_or_follow_a_pattern(composer):
    tokens = [composer.random_token() for _ in range(500)]
    words = [t for t in tokens if t in composer.words]
    assert 100 < len(words) < 300 and all(word.isupper() for word in words)
    others = [t for t in tokens if t not in composer.words]
    assert {re.sub("[A-Z]", "A", re.sub("[0-9]", "9", t)) for t in others} <= set(PATTERNS)
    assert set(ALPHABET) >= set("".join(tokens)) >= set(DIGITS + CAPITALS + "&%*+#/[]()?!.,;:-")


def test_some_new_lines_are_nothing_but_tokens(composer):
    made = [new for new in (composer.compose() for _ in range(200)) if new is not None]
    alone = [line.text for line, number in made if number is None]
    assert not any(re.search("[a-z]", text) for text in alone)
    assert 0.1 < len(alone) / len(made) < 0.7 and any(" " in text for text in alone)


def test_new_lines_hold_what_their_text_says(composer):
    made = [new[0] for new in (composer.compose() for _ in range(80)) if new is not None]
    assert len(made) > 20
    for line in made:
        points = line.points
        assert 0 < len(line.text) <= 64 and points[-1, 2] == 1 and np.isfinite(points).all()
        assert set(np.unique(points[:, 2])) <= {0.0, 1.0}


def test_a_new_line_is_said_to_be_made_of_the_line_whose_ink_it_has(composer):
    def shapes(line):
        return {(np.round(stroke - stroke[0], 6) + 0.0).tobytes() for stroke in line.strokes if len(stroke) > 3}

    made = [new for new in (composer.compose() for _ in range(100)) if new is not None]
    named = [(line, number) for line, number in made if number is not None]
    assert len(named) > 20
    for line, number in named:
        assert len(shapes(line) & shapes(composer.lines[number])) > 2


def test_small_letters_that_stand_apart_become_rare_ones_and_all_else_stays(composer):
    made = [line for line in (composer.with_small_letters(composer.lines[k]) for k in range(26)) if line is not None]
    assert len(made) > 20 and {letter for line in made for letter in line.text} >= set("xqz")
    for line in made:
        (before,) = (old for old in composer.lines if len(old.text) == len(line.text) and alike(old.text, line.text))
        changed = [u for u, (a, b) in enumerate(zip(before.text, line.text)) if a != b]
        assert 1 <= len(changed) <= 4
        for u in range(len(line.text)):
            if u in changed:  # the new letter's points are where the attention would be
                shape = line.points[line.index == u]
                assert int(shape[:, 2].sum()) == (2 if line.text[u] == "x" else 1)
            elif line.text[u] != " ":
                was, now = before.points[before.index == u], line.points[line.index == u]
                assert np.ptp(now[:, :2] - was[:, :2], axis=0) == pytest.approx([0, 0], abs=1e-9)


def alike(old, new):
    return all(a == b or b in "xqz" for a, b in zip(old, new))


def test_joined_small_letters_stay_where_they_are():
    line = line_of("a mild wax", joined=True)
    assert line.small_apart(2, 6) == []
    assert Composer([line], {"x": [figure("x")]}, np.random.default_rng(0)).with_small_letters(line) is None


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("upwards", [(), (0,), (1,), (0, 1)])
def test_the_strokes_of_an_x_come_in_one_order_and_direction(order, upwards):
    falling, rising = np.array([(0, -1), (0.4, -0.4), (0.7, 0)]), np.array([(0.8, -1), (0.3, -0.5), (0.1, 0)])
    strokes = [stroke[::-1] if k in upwards else stroke for k, stroke in enumerate((falling, rising))]
    points = np.column_stack([np.concatenate([strokes[k] for k in order]), [0, 0, 1] * 2])
    expected = np.column_stack([np.concatenate([falling, rising]), [0, 0, 1] * 2])
    assert np.array_equal(crossed(Glyph("x", points, 0.2, 4)).points, expected)


def test_an_x_of_one_stroke_was_cut_out_wrongly():
    cross = figure("x", height=1.0)
    assert is_plausible(cross)
    cross.points[:-1, 2] = 0
    assert not is_plausible(cross)


def test_the_line_of_the_character_decides_what_is_taken(composer):
    glyphs = [Glyph("5", figure("5").points, slant, 0) for slant in (-1.0, 0.0, 1.0)]
    leaning = Composer(composer.lines, {"5": glyphs}, np.random.default_rng(0))
    chosen = [leaning.choose("5", 0.9, 1.75).slant for _ in range(100)]
    assert np.mean(np.array(chosen) == 1.0) > 0.6  # 1 - (2/3)^3


# ------------------------------------------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    model = HandwritingModel(SimpleNamespace(rnn_size=8, nmixtures=2, kmixtures=1, alphabet=ALPHABET))
    save_model(str(folder / "checkpoint"), model)
    strokes, texts = [], []
    for k in range(42):
        points, _ = write_text(text := f"{CAPITALS[k % 26]}ab 0123 456 789 it", 60)
        offsets = np.round(np.diff(points[:, :2], axis=0, prepend=points[:1, :2]))
        strokes.append(np.column_stack([offsets, points[:, 5]]).astype(np.int16))
        texts.append(text)
    write_data(folder, strokes=strokes, texts=texts, names=[f"form-{k:02d}" for k in range(42)])
    return folder


def test_extra_lines_are_for_training_alone(folder):
    own = DataLoader(loader_args(folder))
    with_extra = DataLoader(loader_args(folder, extra_data=str(folder / "strokes_training_data.cpkl")))
    assert with_extra.valid_ascii_data == own.valid_ascii_data
    assert len(with_extra.stroke_data) == len(own.stroke_data) + 42


def test_lines_are_made_of_training_lines_alone(folder, monkeypatch):
    """The model of this test is untrained: its attention is replaced by where the characters are."""
    loader = DataLoader(loader_args(folder))
    monkeypatch.setattr(augment_data, "written_lines", attended)
    strokes, texts, names = compose_lines(None, loader, count=12, tsteps=1300, seed=3)
    assert len(strokes) == len(texts) == 12 and all(s.dtype == np.int16 and not s[0, :2].any() for s in strokes)
    again, same, same_names = compose_lines(None, loader, count=12, tsteps=1300, seed=3)
    assert same == texts and same_names == names and all(np.array_equal(a, b) for a, b in zip(again, strokes))
    assert all(set(text) <= set(ALPHABET) for text in texts)
    of = dict(zip(loader.names, loader.ascii_data))
    for text, name in zip(texts, names, strict=True):
        assert not name or set(re.findall("[a-z]+", text)) & set(re.findall("[a-z]+", of[name]))
    assert 0 < sum(not name for name in names) < 12


def test_lines_with_letters_to_repeat_are_added_as_they_are(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(augment_data, "written_lines", attended)
    flags = ["--data_dir", str(folder), "--save_path", str(folder / "checkpoint"), "--count", "4"]
    assert augment_data.main([*flags, "--repeat", "AACt", "--output", str(tmp_path / "new.cpkl")]) == 0
    strokes, texts, names = load_named_strokes(tmp_path / "new.cpkl")
    assert {name for name in names if name} <= set(DataLoader(loader_args(folder)).names)
    real, of = load_strokes(folder / "strokes_training_data.cpkl")
    kept = DataLoader(loader_args(folder)).ascii_data
    assert len(texts) == 4 + len(kept) + sum(text[0] == "A" for text in kept)  # every text has a t, some begin with A
    for line, text, name in zip(strokes[4:], texts[4:], names[4:], strict=True):
        assert text in kept and np.array_equal(line, real[of.index(text)]) and of[int(name[-2:])] == text


def attended(model, strokes, texts):
    assert len(texts) == 39  # of 42 lines three are for validation
    lines = []
    for text in texts:
        points, index = write_text(text, 1.2)
        lines.append(WrittenLine(text, points[:, [0, 1, 5]], index))
    return lines


def test_the_command_says_when_nothing_stands_apart(folder, tmp_path, capsys):
    flags = ["--data_dir", str(folder), "--save_path", str(folder / "checkpoint"), "--count", "2"]
    (folder / "strokes_training_data.cpkl").rename(folder / "kept")
    strokes, texts = make_lines(21)
    write_data(folder, strokes=strokes, texts=["a" * len(text) for text in texts])
    code = augment_data.main([*flags, "--output", str(tmp_path / "new.cpkl")])
    (folder / "kept").rename(folder / "strokes_training_data.cpkl")
    err = capsys.readouterr().err
    assert code == 1 and "too few lines" in err and not (tmp_path / "new.cpkl").exists()
    assert augment_data.main([*flags, "--data_dir", str(tmp_path / "none"), "--output", "x"]) == 1
    with pytest.raises(SystemExit):
        augment_data.main(["--count", "0"])
