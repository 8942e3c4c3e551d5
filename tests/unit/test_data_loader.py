import os
import pickle

import numpy as np
import pytest

from data_helpers import loader_args, make_line, make_lines, write_data
from scribe.files.stroke_file import DATA_FILE, load_named_strokes, save_strokes
from scribe.ink.alphabet import ALPHABET
from utils import DataLoader, Logger, distorted, line_fault, to_one_hot


def same_batch(a, b):
    arrays = ("x", "y", "mask", "one_hot")
    return a.texts == b.texts and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)


@pytest.fixture
def loader(tmp_path):
    write_data(tmp_path, 60, seed=1)
    return DataLoader(loader_args(tmp_path))


@pytest.mark.smoke
def test_every_20th_line_is_kept_for_validation(tmp_path):
    _, texts = write_data(tmp_path, 45)
    loader = DataLoader(loader_args(tmp_path))
    assert loader.valid_ascii_data == [texts[i].strip() for i in (0, 20, 40)]
    assert loader.ascii_data == [text.strip() for i, text in enumerate(texts) if i % 20]
    assert len(loader.stroke_data) == 42 and len(loader.valid_stroke_data) == 3


def test_offsets_are_clipped_then_scaled_and_the_pen_flag_is_left_alone(tmp_path):
    strokes, texts = make_lines(2)
    strokes[1][5, :2], strokes[1][6, :2], strokes[1][7, :2] = (3000, -3000), (500, -499), (100, 25)
    write_data(tmp_path, strokes=strokes, texts=texts)
    (line,) = DataLoader(loader_args(tmp_path)).stroke_data
    assert line.dtype == np.float32
    np.testing.assert_allclose(line[5:8, :2], [[10, -10], [10, -9.98], [2, 0.5]], rtol=1e-6)
    np.testing.assert_array_equal(line[:, 2], strokes[1][:, 2])
    (line,) = DataLoader(loader_args(tmp_path, data_scale=20.0), limit=40).stroke_data
    assert np.abs(line[:, :2]).max() == 2.0


def test_the_first_offset_is_forgotten(tmp_path):
    strokes, texts = make_lines(2)
    strokes[1][0, :2] = 400, 300
    write_data(tmp_path, strokes=strokes, texts=texts)
    assert DataLoader(loader_args(tmp_path)).stroke_data[0][0].tolist() == [0, 0, strokes[1][0, 2]]


@pytest.mark.parametrize(
    "flags, warned",
    [
        ({}, []),
        ({"tsteps": 300}, ["--tsteps 300", "are left out (", "leave the flag out"]),
        ({"alphabet": ALPHABET.replace("e", "")}, ["--alphabet", "as one and the same: e."]),
    ],
    ids=str,
)
def test_a_flag_that_drops_most_of_the_data_is_told_loudly(flags, warned, tmp_path, capsys):
    """--tsteps 150, the default of the first scribe, once left out 19 of 20 lines with no more than a number."""
    write_data(tmp_path, 60)
    DataLoader(loader_args(tmp_path, **flags), Logger())
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("WARNING: ")]
    assert len(warnings) == bool(warned)
    assert all(part in warnings[0] for part in warned), warnings


def test_data_of_which_most_lines_do_not_match_their_texts_is_told_loudly(tmp_path, capsys):
    strokes, texts = make_lines(20)
    write_data(tmp_path, strokes=strokes, texts=["x" * 400] * 15 + texts[15:])
    DataLoader(loader_args(tmp_path), Logger())
    err = capsys.readouterr().err
    assert "WARNING: 15 of 20 lines" in err and "verify_data.py" in err and "--tsteps" not in err


def test_lines_that_cannot_be_trained_on_are_left_out_and_counted(tmp_path, capsys):
    strokes, texts = make_lines(12)
    strokes = [line.astype(float) for line in strokes]
    texts[1] = " \r"
    strokes[2][3, 0] = np.nan
    strokes[3][3, 2] = 0.5
    strokes[4] = strokes[4][:1]
    texts[5] = "x" * 400  # too few points for it
    texts[6] = "x"
    strokes[7] = np.concatenate([strokes[7]] * 5)[:1301]
    write_data(tmp_path, strokes=strokes, texts=texts)
    loader = DataLoader(loader_args(tmp_path), Logger())
    assert loader.ascii_data == [text.strip() for text in texts[8:]]
    assert loader.skipped == {
        "no text": 1,
        "a number that is not finite": 1,
        "a pen lift other than 0 and 1": 1,
        "fewer than 2 points": 1,
        "points per character outside 6 to 70": 2,
        "more than 1300 points": 1,
    }
    assert "4 lines to train on, 1 to validate" in capsys.readouterr().err


def test_a_line_at_a_limit_is_used():
    points = np.zeros((60, 3))
    assert line_fault(points, "x" * 10, 60) is None
    assert line_fault(points, "x" * 10, 59) == "more than 59 points"
    assert line_fault(points, "x" * 11, 60).startswith("points per character")
    assert line_fault(np.zeros((70, 3)), "x", 70) is None
    assert line_fault(np.zeros((71, 3)), "x", 71).startswith("points per character")


@pytest.mark.smoke
def test_a_batch_holds_whole_lines_padded_with_zeros_under_a_mask(loader):
    by_text = dict(zip(loader.ascii_data, loader.stroke_data, strict=True))
    for n in range(loader.num_batches):
        x, y, mask, texts, one_hot = loader.batch(n)
        lengths = [len(by_text[text]) - 1 for text in texts]
        U = max(map(len, texts))
        assert x.shape == y.shape == (len(texts), max(lengths), 3) and mask.shape == x.shape[:2]
        assert one_hot.shape == (len(texts), U, len(ALPHABET) + 1)
        assert {x.dtype, y.dtype, mask.dtype, one_hot.dtype} == {np.dtype(np.float32)}
        for row, (text, length) in enumerate(zip(texts, lengths, strict=True)):
            np.testing.assert_array_equal(x[row, :length], by_text[text][:-1])
            np.testing.assert_array_equal(y[row, :length], by_text[text][1:])
            np.testing.assert_array_equal(mask[row], np.arange(x.shape[1]) < length)
            np.testing.assert_array_equal(one_hot[row], to_one_hot(text, U))
            assert not x[row, length:].any() and not y[row, length:].any()


def test_y_is_x_one_point_later(loader):
    x, y, mask, _, _ = loader.batch(0)
    both = mask[:, 1:] == 1
    np.testing.assert_array_equal(x[:, 1:][both], y[:, :-1][both])


def test_a_batch_is_a_pure_function_of_seed_and_number(tmp_path, loader):
    write_data(tmp_path / "again", 60, seed=1)
    other = DataLoader(loader_args(tmp_path / "again"))
    wanted = [loader.batch(n) for n in range(3 * loader.num_batches)]
    for n in reversed(range(len(wanted))):
        other.next_batch()  # whatever else was asked for
        assert same_batch(other.batch(n), wanted[n])
    different = DataLoader(loader_args(tmp_path / "again", seed=1))
    assert any(not same_batch(different.batch(n), wanted[n]) for n in range(loader.num_batches))


def test_distorted_lines_keep_their_pen_lifts_and_texts_and_differ_in_every_pass(loader):
    distorting = DataLoader(loader_args(loader.data_dir, distort=0.1))
    plain, first = loader.batch(0), distorting.batch(0)
    assert first.texts == plain.texts
    np.testing.assert_array_equal(first.x[..., 2], plain.x[..., 2])
    assert not np.allclose(first.x, plain.x)
    np.testing.assert_array_equal(distorting.batch(0).x, first.x)  # a function of the batch's number
    again = [distorting.batch(n) for n in range(loader.num_batches, 2 * loader.num_batches)]
    widths = {b.x[r, :, 0].sum() for b in [first, *again] for r, t in enumerate(b.texts) if t == first.texts[0]}
    assert len(widths) == 2
    for ours, plain in zip(distorting.validation_batches(), loader.validation_batches(), strict=True):
        np.testing.assert_array_equal(ours.x, plain.x)  # validation lines stay as they are


def test_distortion_scales_and_slants_as_it_says():
    line = np.array([[0, 0, 0], [2, 0, 0], [0, -3, 1]], np.float32)  # to the right, then up
    rng = np.random.default_rng(1)
    width, height, slant = np.random.default_rng(1).normal(0, 0.2, 3)
    new = distorted(line, 0.2, rng)
    np.testing.assert_allclose(new[1], [2 * np.exp(width), 0, 0], rtol=1e-6)
    np.testing.assert_allclose(new[2], [3 * slant, -3 * np.exp(height), 1], rtol=1e-6)


def test_every_pass_holds_every_line_once_in_another_order(loader):
    N = loader.num_batches
    passes = [[text for n in range(k * N, (k + 1) * N) for text in loader.batch(n).texts] for k in (0, 1)]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(loader.ascii_data)
    assert passes[0] != passes[1]


def test_lines_of_a_batch_are_of_similar_length(tmp_path):
    write_data(tmp_path, 400, seed=2)
    loader = DataLoader(loader_args(tmp_path))
    padding = np.mean([1 - loader.batch(n).mask.mean() for n in range(loader.num_batches)])
    assert padding < 0.1  # in random order it is about 0.35


def test_next_batch_goes_through_the_batches_by_number_and_into_the_next_pass(loader):
    for n in range(2 * loader.num_batches + 1):
        assert (loader.passes, loader.pointer) == divmod(n, loader.num_batches)
        x, y, texts, one_hot = loader.next_batch()
        batch = loader.batch(n)
        assert texts == batch.texts
        for mine, theirs in ((x, batch.x), (y, batch.y), (one_hot, batch.one_hot)):
            np.testing.assert_array_equal(mine, theirs)


def test_tick_moves_on_and_reset_starts_the_next_pass(loader):
    loader.tick_batch_pointer()
    assert (loader.passes, loader.pointer) == (0, 1)
    loader.reset_batch_pointer()
    assert (loader.passes, loader.pointer) == (1, 0)
    for _ in range(loader.num_batches):
        loader.tick_batch_pointer()
    assert (loader.passes, loader.pointer) == (2, 0)


def test_validation_data_is_the_first_validation_lines_and_moves_nothing(loader):
    x, y, texts, one_hot = loader.validation_data()
    assert texts == loader.valid_ascii_data[:8] and len(x) == len(y) == len(one_hot) == len(texts) == 3
    assert loader.pointer == 0
    np.testing.assert_array_equal(x[0, : len(loader.valid_stroke_data[0]) - 1], loader.valid_stroke_data[0][:-1])


def test_validation_batches_hold_every_validation_line_once(tmp_path):
    write_data(tmp_path, 201)
    loader = DataLoader(loader_args(tmp_path, batch_size=4))
    batches = list(loader.validation_batches())
    assert [len(batch.texts) for batch in batches] == [4, 4, 3]
    assert sorted(text for batch in batches for text in batch.texts) == sorted(loader.valid_ascii_data)


def test_a_character_outside_the_alphabet_gets_index_0(tmp_path):
    strokes, texts = make_lines(2)
    texts[1] = "é" + texts[1][1:]
    write_data(tmp_path, strokes=strokes, texts=texts)
    one_hot = DataLoader(loader_args(tmp_path)).next_batch()[3]
    assert one_hot[0, 0, 0] == 1 and one_hot[0, 1:, 0].sum() == 0


def test_defaults_serve_for_what_args_lack(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data("data", 3)
    loader = DataLoader(object())
    assert (loader.batch_size, loader.tsteps, loader.data_scale, loader.alphabet) == (32, 1300, 50.0, ALPHABET)


# ------------------------------------------------------------------------------------------------------------ errors


def test_missing_data_says_where_it_comes_from(tmp_path):
    with pytest.raises(FileNotFoundError, match="IAM-OnDB.*prepare_data.py"):
        DataLoader(loader_args(tmp_path))


def test_a_batch_size_below_1_is_refused(tmp_path):
    write_data(tmp_path, 3)
    with pytest.raises(ValueError, match="batch_size is 0"):
        DataLoader(loader_args(tmp_path, batch_size=0))


def test_data_without_a_usable_line_is_refused_with_the_reasons(tmp_path):
    write_data(tmp_path, 3)
    with pytest.raises(ValueError, match="no line to train on.*more than 10 points"):
        DataLoader(loader_args(tmp_path, tsteps=10))


def test_data_without_a_validation_line_says_so_when_one_is_asked_for(tmp_path):
    strokes, texts = make_lines(3)
    texts[0] = ""
    write_data(tmp_path, strokes=strokes, texts=texts)
    loader = DataLoader(loader_args(tmp_path))
    with pytest.raises(ValueError, match="no line to validate"):
        loader.validation_data()
    assert list(loader.validation_batches()) == []


def test_a_broken_file_is_refused_with_its_name(tmp_path):
    path = os.path.join(tmp_path, DATA_FILE)
    with open(path, "wb") as file:
        file.write(b"no pickle")
    with pytest.raises(ValueError, match=DATA_FILE):
        DataLoader(loader_args(tmp_path))


def test_synthetic_lines_look_like_handwriting():
    rng = np.random.default_rng(0)
    for _ in range(50):
        points, text = make_line(rng)
        assert points.dtype == np.int16 and points[0, :2].tolist() == [0, 0] and points[-1, 2] == 1
        assert line_fault(points, text, 1300) is None and set(text) <= set(ALPHABET)


@pytest.mark.smoke
def test_a_line_keeps_the_name_of_its_form_or_writer_from_the_file_to_the_loader(tmp_path):
    strokes, texts = make_lines(40)
    texts[1] = "x"  # the loader leaves this line out, and its name
    names = [f"a01-{i:03d}u" for i in range(40)]
    save_strokes(tmp_path / DATA_FILE, strokes, texts, names)
    assert load_named_strokes(tmp_path / DATA_FILE)[2] == names
    loader = DataLoader(loader_args(tmp_path))
    assert loader.valid_names == [names[0], names[20]]
    assert loader.names == [name for i, name in enumerate(names) if i not in (0, 1, 20)]
    assert dict(zip(loader.names, loader.ascii_data)).items() <= dict(zip(names, texts)).items()


def test_the_names_of_a_file_without_them_are_empty(tmp_path):
    save_strokes(tmp_path / DATA_FILE, *make_lines(40))
    assert load_named_strokes(tmp_path / DATA_FILE)[2] == [""] * 40
    loader = DataLoader(loader_args(tmp_path))
    assert loader.names == [""] * len(loader.ascii_data) and loader.valid_names == [""] * len(loader.valid_ascii_data)


@pytest.mark.parametrize(
    ("names", "reason"), [(["a"], "2 texts but 1 names"), (["a", 7], "name 1 that should be a string")]
)
def test_names_that_do_not_fit_the_lines_are_told(tmp_path, names, reason):
    (tmp_path / "p").write_bytes(pickle.dumps([[np.ones((2, 3))] * 2, ["a", "b"], names]))
    with pytest.raises(ValueError, match=reason):
        load_named_strokes(tmp_path / "p")
