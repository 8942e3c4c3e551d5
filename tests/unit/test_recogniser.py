"""The recogniser: its input does not depend on size or speed, and what it reads not on the other lines."""

import io
import os
import pickle

import numpy as np
import pytest

from scribe.files.stroke_file import DATA_FILE, load_strokes
from scribe.ink.alphabet import ALPHABET
from scribe.ink.strokes import absolute_points
from scribe.network import openvino_graphs
from scribe.network.tf_setup import tf
from scribe.writing.ctc_reader import RecogniserError
from scribe.writing.misread import count_errors, error_share
from scribe.writing.picture_recogniser import (
    ACROSS,
    HEIGHT,
    LARGEST,
    MARGIN,
    MIDDLE,
    SHRINK,
    X_HEIGHT,
    PictureRecogniser,
    line_picture,
)
from scribe.writing.recogniser import MAX_STEPS, Recogniser, load_recogniser, path_features
from writing_helpers import write_text

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINES = [write_text(text, seed=k)[0] for k, text in enumerate(["Tall ships", "a", "it is 1854, I know", "zip."])]


# What may lie between two ways of computing; and where one has factors in bfloat16, as some processors do.
EXACT, ROUNDED = 1e-4, 0.05


@pytest.fixture(scope="module", params=[Recogniser, PictureRecogniser], ids=["path", "pictures"])
def recogniser(request):
    return request.param(seed=1)


def test_size_and_place_of_a_line_do_not_matter():
    line = LINES[2]
    other = line.copy()
    other[:, :2] = 7.5 * line[:, :2] + [300, -40]
    assert np.allclose(path_features(line), path_features(other), atol=1e-4)


def test_the_speed_of_the_pen_hardly_matters():
    points = LINES[2][:, [0, 1, 5]]
    halfway = (points[1:] + points[:-1]) / 2
    halfway[:, 2] = 0
    between = points[:-1, 2] < 0.5  # nothing is drawn where the pen is lifted
    slow = np.insert(points, np.flatnonzero(between) + 1, halfway[between], axis=0)
    assert len(slow) > 1.5 * len(points)
    a, b = path_features(points), path_features(slow)
    assert abs(len(b) / len(a) - 1) < 0.05 and np.allclose(a[:, 4].std(), b[:, 4].std(), rtol=0.05)


def test_a_line_that_climbs_has_the_heights_of_a_level_one():
    level, _ = write_text("over the hills and far away", joined=False)
    climbing = level.copy()
    climbing[:, 1] -= 0.15 * level[:, 0]
    a, b = path_features(level), path_features(climbing)
    assert abs(a[:, 4].std() - b[:, 4].std()) < 0.1 * a[:, 4].std() and abs(b[:50, 4].mean() - b[-50:, 4].mean()) < 0.5


def test_a_lift_is_a_jump_and_ink_is_steps():
    features = path_features(np.array([[0, 0, 0], [4, 0, 1], [6, 2, 0], [6, 6, 0]], float))
    lifted = features[:, 5] == 1
    assert lifted.sum() == 1 and not features[lifted][:, :2].any() and features[lifted][0, 2:4].all()
    assert not features[~lifted][:, 2:4].any()
    assert np.allclose(np.hypot(*features[~lifted, :2].T), 1.0, atol=0.2)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros([0, 6]),
        np.zeros([1, 3]),
        np.array([[0, 0, 1], [5, 5, 1]], float),
        np.array([[0, 0, 0], [0, 1, 1], [10, 0, 1]], float),  # a stroke straight down, and a dot far to the right
    ],
)
def test_lines_with_hardly_any_ink_have_features_too(points, recogniser):
    features = recogniser.features(points)
    assert np.isfinite(features).all() and recogniser.frames(features) >= 1
    assert isinstance(recogniser.read([points])[0], str)


def test_a_pen_that_ran_wild_costs_no_more_memory_than_a_long_line():
    wild = np.zeros([1000, 3])
    wild[:, 0] = 100.0 * (np.arange(1000) % 2)
    assert len(path_features(wild)) <= MAX_STEPS + 1
    assert line_picture(wild).shape[1] <= LARGEST + 3 * MARGIN


def test_a_picture_shows_the_ink_and_neither_its_size_nor_its_place():
    line = LINES[2]
    picture = line_picture(line)
    assert picture.shape[0] == HEIGHT and picture.shape[1] % SHRINK == 0
    columns, rows = (np.flatnonzero(picture.max(axis=axis) > 100) for axis in (0, 1))
    across = np.ptp(line[:, 0]) / (1.5 / ACROSS)  # the x-height of the helper is 1.5
    assert abs(np.ptp(columns) - across) < 0.1 * across and 0.05 < (picture > 100).mean() < 0.3
    assert 0 < rows[0] and rows[-1] < HEIGHT - 1 and abs((picture > 100).mean(axis=1).argmax() - MIDDLE) < X_HEIGHT
    other = line.copy()
    other[:, :2] = 7.5 * line[:, :2] + [300, -40]
    assert (line_picture(other) != picture).mean() < 0.01


def test_a_picture_does_not_show_the_way_of_the_pen():
    line = LINES[0][:, [0, 1, 5]]
    ends = np.flatnonzero(line[:, 2] > 0.5) + 1
    strokes = np.split(line, ends)[:-1]
    backwards = [np.column_stack([stroke[::-1, :2], stroke[:, 2]]) for stroke in strokes[::-1]]
    other, picture = (line_picture(points).astype(int) for points in (np.concatenate(backwards), line))
    assert (abs(other - picture) > 128).mean() < 0.01


def test_a_dot_and_a_hidden_stroke_are_drawn_or_not():
    dot = np.array([[0, 0, 0], [0, 30, 1], [10, 0, 1], [20, 0, 0], [20, 30, 1]], float)
    without = np.delete(dot, 2, axis=0)
    more = line_picture(dot).astype(int).sum() - line_picture(without).astype(int).sum()
    assert more > 255


def test_training_varies_pictures(recogniser):
    line = LINES[0]
    varied = recogniser.features(line, np.random.default_rng(1))
    assert varied.shape != recogniser.features(line).shape or (varied != recogniser.features(line)).any()


def test_a_line_is_read_alike_whatever_it_is_read_with(recogniser):
    features = [recogniser.features(line) for line in LINES]
    together, frames = recogniser.logits(*recogniser.together(features))
    for k, f in enumerate(features):
        alone, count = recogniser.logits(*recogniser.together([f]))
        assert count[0] == frames[k] == recogniser.frames(f)
        assert np.allclose(alone[: count[0], 0], together[: count[0], k], atol=ROUNDED)


@pytest.mark.parametrize(
    "compiled, rounding", [(False, EXACT), *([(True, EXACT), (True, ROUNDED)] if openvino_graphs.AVAILABLE else [])]
)
def test_what_reads_is_the_network_that_was_trained(recogniser, monkeypatch, compiled, rounding):
    """`logits` computes by OpenVINO, or in NumPy, what `__call__` trains in TensorFlow."""
    for module in ("recogniser", "picture_recogniser"):
        monkeypatch.setattr(f"scribe.writing.{module}.AVAILABLE", compiled)
    monkeypatch.setattr(recogniser, "_compiled", ({}, None))
    if rounding == EXACT:
        for module in ("compiled_reading", "compiled_pictures"):
            monkeypatch.setattr(f"scribe.writing.{module}.has_bfloat16", lambda: False)
    x, lengths = recogniser.together([recogniser.features(line) for line in LINES])
    found, frames = recogniser.logits(x, lengths)
    expected, _, counts = recogniser(x, lengths)
    np.testing.assert_array_equal(frames, counts)
    for k, count in enumerate(frames):
        np.testing.assert_allclose(found[:count, k], expected[:count, k], atol=rounding)


def test_new_weights_are_read_with(tmp_path):
    first, second = Recogniser(seed=1), Recogniser(seed=2)
    features = first.together([path_features(LINES[0])])
    before = first.logits(*features)[0]
    first.take_weights(second)
    np.testing.assert_array_equal(first.logits(*features)[0], second.logits(*features)[0])
    first.trainable_variables[0].assign_add(tf.ones_like(first.trainable_variables[0]))
    assert (first.logits(*features)[0] != second.logits(*features)[0]).any()
    second.save(tmp_path / "reader.npz")
    loaded = Recogniser.load(tmp_path / "reader.npz")
    assert loaded.fixed and (loaded.logits(*features)[0] != before).any()
    loaded.take_weights(first)
    np.testing.assert_array_equal(loaded.logits(*features)[0], first.logits(*features)[0])


def test_lines_come_back_in_the_order_in_which_they_were_given(recogniser):
    lines = [write_text(ALPHABET[10 : 10 + n], seed=n)[0] for n in (9, 2, 14, 5)] * 10
    assert recogniser.read(lines) == [recogniser.read([line])[0] for line in lines]


def test_a_saved_reader_reads_as_before(recogniser, tmp_path):
    recogniser.save(tmp_path / "reader.npz")
    again = type(recogniser).load(tmp_path / "reader.npz")
    assert again.alphabet == recogniser.alphabet
    features = recogniser.together([recogniser.features(line) for line in LINES])
    assert np.allclose(recogniser.logits(*features)[0], again.logits(*features)[0], atol=0.05)  # half precision


def archive(**changes):
    """The bytes of a file of weights, in which some arrays are others, or none."""
    arrays = {name: v.numpy().astype(np.float16) for name, v in Recogniser()._variables.items()}
    arrays = {"alphabet": np.array(ALPHABET), **arrays, **changes}
    stream = io.BytesIO()
    np.savez_compressed(stream, **{name: array for name, array in arrays.items() if array is not None})
    return stream.getvalue()


def flipped(content):
    """The same bytes with one bit of the first array's values changed."""
    at = content.index(b"convolution0.npy") + 200
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def saved(save, content):
    stream = io.BytesIO()
    save(stream, content)
    return stream.getvalue()


BROKEN = {
    "empty": lambda: b"",
    "cut": lambda: archive()[:-2000],
    "half": lambda: archive()[:200_000],
    "a flipped bit": lambda: flipped(archive()),
    "no alphabet": lambda: archive(alphabet=None),
    "no weights": lambda: archive(lstm1_forward=None),
    "an alphabet of numbers": lambda: archive(alphabet=np.zeros(3)),
    "an alphabet twice": lambda: archive(alphabet=np.array("aa")),
    "another alphabet": lambda: archive(alphabet=np.array("abc")),
    "another shape": lambda: archive(lstm0_forward=np.zeros([3, 3], np.float16)),
    "text for weights": lambda: archive(lstm0_forward=np.array("abc")),
    "objects": lambda: archive(lstm0_forward=np.array([{}], object)),
    "NaN": lambda: archive(characters_bias=np.full(len(ALPHABET) + 1, np.nan, np.float16)),
    "infinite": lambda: archive(characters_bias=np.full(len(ALPHABET) + 1, np.inf, np.float16)),
    "text": lambda: b"these are not weights\n",
    "a pickle": lambda: pickle.dumps({"alphabet": "abc"}),
    "one array": lambda: saved(np.save, np.zeros(5)),
    "another archive": lambda: saved(lambda stream, _: np.savez(stream, np.zeros(5)), None),
    "a bomb": lambda: archive(bomb=np.zeros(100_000_000, np.float16)),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_recogniser_is_one_error_that_says_the_way_out(tmp_path, content):
    """They ended in tracebacks: EOFError, BadZipFile, KeyError, TypeError; weights of NaN were taken."""
    path = tmp_path / "reader.npz"
    path.write_bytes(content())
    with pytest.raises(RecogniserError) as error:
        load_recogniser(str(path))
    said = str(error.value)
    assert said.startswith(str(path)) and "restore the file" in said and "--no_proofread" in said
    assert "\n" not in said and len(said) < 350 + len(str(path))


def test_the_recogniser_of_pictures_is_told_in_the_same_way(tmp_path):
    path = tmp_path / "pictures.npz"
    path.write_bytes(archive())  # of the other kind
    with pytest.raises(RecogniserError, match="restore the file"):
        load_recogniser(pictures=str(path))


def test_a_recogniser_that_is_missing_is_told_as_well(tmp_path):
    with pytest.raises(RecogniserError, match="No such file"):
        load_recogniser(str(tmp_path / "reader.npz"))


def test_a_whole_archive_of_the_helper_loads(tmp_path):
    (tmp_path / "reader.npz").write_bytes(archive())
    assert load_recogniser(str(tmp_path / "reader.npz"), None).alphabet == ALPHABET


@pytest.mark.parametrize(
    ("text", "read", "errors"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)],
)
def test_errors_are_insertions_deletions_and_replacements(text, read, errors):
    assert count_errors(text, read) == errors


def test_the_share_of_errors_is_over_all_characters():
    assert error_share(["abcd", "ab"], ["abc", "ab"]) == 1 / 6
    assert error_share([], []) == 0


@pytest.mark.smoke
def test_the_shipped_reader_reads_the_shipped_corpus():
    strokes, texts = load_strokes(os.path.join(ROOT, "data", DATA_FILE))
    recogniser = load_recogniser()
    lines = [absolute_points(line) for line in strokes[:60]]
    for reader in (recogniser, recogniser.eye):
        assert error_share(texts[:60], reader.read(lines)) < 0.12
