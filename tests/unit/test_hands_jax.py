"""tools/train_hands_jax.py and tools/hands_for_jax.py: the encoder is that of TensorFlow, and both ways are exact."""

import importlib
import os
import sys

import numpy as np
import pytest

from data_helpers import make_line, write_data
from model import HandwritingModel, load_model
from model_helpers import save_tiny_model
from scribe.network.config import ModelConfig
from scribe.network.hand_encoder import InkSums
from scribe.network.hand_sizes import MIN_FRAMES

import tensorflow as tf  # isort: skip

jax = pytest.importorskip("jax")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
hands_for_jax, train_hands_jax = (importlib.import_module(f"tools.{n}") for n in ("hands_for_jax", "train_hands_jax"))
hands, hand_lines = (importlib.import_module(f"jax_training.{name}") for name in ("hands", "hand_lines"))

pytestmark = pytest.mark.xdist_group("hands_jax")  # the exported folder

D = 4


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with lines and weights of a tiny network: 8 forms of 5 lines, each wider or narrower than the others."""
    folder, rng = tmp_path_factory.mktemp("hands_jax"), np.random.default_rng(0)
    strokes, texts, names = [], [], []
    for form in range(8):
        for number in range(5):
            points, text = make_line(rng, characters=5 + number % 3, points_per_character=14)
            strokes.append(points * [0.5 + 0.2 * form, 1, 1])
            texts.append(text)
            names.append(f"f{form}-{number:02d}")
    write_data(folder, strokes=strokes, texts=texts, names=names)
    save_tiny_model(folder, hand_size=D)
    flags = ["--data_dir", folder, "--save_path", folder / "checkpoint", "--hold_out", 1, folder / "gpu"]
    assert hands_for_jax.main(list(map(str, flags))) == 0
    return folder


def lines_of(exported, **changes):
    settings = {"batch_size": 6, "longest": 500, "spread": 0.1} | changes
    return hand_lines.HandLines(exported / "gpu" / "lines.npz", **settings)


def test_the_encoder_describes_as_tensorflow_s_does():
    A, rng = 7, np.random.default_rng(0)
    model = HandwritingModel(ModelConfig(rnn_size=4, nmixtures=1, alphabet="abcdef", hand_size=D))
    encoder = model.hand_encoder
    weights = {}
    for name, variable in hands_for_jax.variables_of(model).items():
        variable.assign(rng.normal(0.1, 0.3, variable.shape) + name.endswith("scale"))
        weights[name] = variable.numpy()
    assert {n: w.shape for n, w in weights.items() if n.startswith("encoder")} == hands.encoder_shapes(A, D)
    strokes = rng.normal(0, 1, [2, 3, 40, 3]).astype(np.float32)
    strokes[..., 2] = strokes[..., 2] > 1
    mask = (np.arange(40) < np.array([[40, 23, 0], [31, 8, 17]])[..., None]).astype(np.float32)
    strokes *= mask[..., None]
    characters = np.repeat(rng.integers(0, A, [2, 3, 5]), 8, axis=-1).astype(np.int32)

    sums = encoder.read(*(tf.constant(v.reshape(6, *v.shape[2:])) for v in (strokes, mask, characters)))
    of_hands = InkSums(*(tf.reduce_sum(tf.reshape(v, [2, 3, *v.shape[1:]]), axis=1) for v in sums))
    vector, glyphs = (v.numpy() for v in encoder.describe(of_hands))
    expected = glyphs * (of_hands.glyph_count.numpy()[..., None] > MIN_FRAMES)
    expected[:, 0] = 0
    assert np.abs(vector).max() > 0.1 and 0 < (expected == 0).mean() < 1
    found = hands.describe(weights, strokes, mask, characters)
    np.testing.assert_allclose(found[0], vector, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[2][..., 0], (expected != 0).any(axis=-1))


def test_a_line_is_told_of_others_of_its_form_alone_and_held_out_forms_are_not_trained_on(exported):
    lines = lines_of(exported)
    held = (exported / "gpu" / "held_out.txt").read_text().split()
    assert held and len(held) < 8
    with np.load(exported / "gpu" / "lines.npz") as file:
        forms, names, kinds = file["forms"], file["names"], file["validation"]
    assert {f"f{form}" for form in forms[kinds == 2]} == set(held)
    read = 0
    for _ in range(40):
        _, choice = lines.batch()
        assert set(kinds[choice.lines[:, 0]]) == {0}
        for line, others, there in zip(choice.lines[:, 0], choice.read, choice.there, strict=True):
            read += there.sum()
            for other in others[there > 0]:
                assert forms[other] == forms[line] and names[other] != names[line] and kinds[other] == 0
    assert read > 100
    for kind in (1, 2):
        counted = [line for _, choice, count in lines.validation(kind) for line in choice.lines[:count, 0]]
        assert sorted(counted) == np.flatnonzero(kinds == kind).tolist()
        for _, choice, _ in lines.validation(kind):
            assert not choice.change.any() and not choice.more.any()
            assert not (kinds[choice.read[choice.there > 0]] == 1).any()


def test_training_learns_and_comes_back_as_a_checkpoint(exported, capsys):
    flags = "--steps 30 --batch_size 8 --validate_every 30 --dtype float32 --unroll 1 --learning_rate 5e-3 --tsteps 500"
    assert train_hands_jax.main([str(exported / "gpu"), *flags.split()]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "in the hand" in line]
    values = [[float(word) for word in line.replace(",", " ").split() if word.count(".") == 1] for line in told]
    assert len(values) == 3 and np.isfinite(values).all()
    assert values[-1][0] < values[0][0] - 0.01 and values[-1][1] < values[0][1] - 0.01
    with np.load(exported / "gpu" / "weights.npz") as before, np.load(exported / "gpu" / "trained.npz") as after:
        before, after = dict(before), dict(after)
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {name for name in before if hands.is_trained(name)}

    flags = ["--back", "--save_path", exported / "checkpoint", exported / "gpu"]
    assert hands_for_jax.main(list(map(str, flags))) == 0
    found = hands_for_jax.variables_of(load_model(str(exported / "gpu" / "checkpoint")))
    assert found.keys() == after.keys()
    for name, variable in found.items():
        np.testing.assert_array_equal(variable.numpy(), after[name], err_msg=name)


@pytest.mark.parametrize("missing", ["lines.npz", "weights.npz"])
def test_a_folder_without_its_files_is_told_in_one_line(missing, tmp_path, capsys):
    for name in {"lines.npz", "weights.npz"} - {missing}:
        (tmp_path / name).write_bytes(b"")
    assert train_hands_jax.main([str(tmp_path)]) != 0
    assert missing in capsys.readouterr().err


def test_a_row_is_its_lines_one_after_the_other_with_a_gap_between_them(exported):
    lines = lines_of(exported, in_a_row=(0, 0, 1.0))
    points, _, text, counts, text_counts = lines.arrays
    (S, length), choice = lines.batch()
    assert S == 3 and choice.lines.shape == (6, 3)
    strokes, characters = train_hands_jax.in_rows(
        jax.tree.map(jax.numpy.asarray, lines.arrays), jax.tree.map(jax.numpy.asarray, choice), length + 1, lines.space
    )
    for row, members, joins in zip(range(6), choice.lines, choice.joins, strict=True):
        assert len({lines._forms[line] for line in members}) == 1 and len(set(members)) == 3
        expected, said = [], []
        for k, line in enumerate(members):
            own = points[line, : counts[line]].copy()
            if k > 0:
                own[0, :2] = joins[k - 1]
                said.append(lines.space)
            if k < 2:
                own[-1, 2] = 1
            expected.append(own)
            said += text[line, : text_counts[line]].tolist()
        expected = np.concatenate(expected)
        np.testing.assert_allclose(strokes[row, : len(expected)], expected, atol=1e-6)
        assert not strokes[row, len(expected) :].any()
        assert characters[row].tolist()[: len(said)] == said and (characters[row, len(said) :] == -1).all()


def test_training_in_rows_is_validated_by_what_follows_a_line(exported, capsys):
    flags = "--steps 2 --batch_size 4 --validate_every 2 --dtype float32 --unroll 1 --in_a_row 0.5 0.5"
    assert train_hands_jax.main([str(exported / "gpu"), *flags.split()]) == 0
    assert "held out after a line" in capsys.readouterr().err
    lines = lines_of(exported, in_a_row=(0.5, 0.5))
    names = lines._names
    for _, choice, _ in lines.validation(2, S=2):
        for (before, line), read, there in zip(choice.lines, choice.read, choice.there, strict=True):
            assert lines._forms[before] == lines._forms[line] and names[before] != names[line]
            assert not {names[before], names[line]} & set(names[read[there > 0]])


def test_a_share_of_the_trained_weights_comes_back_as_a_mean(exported, tmp_path):
    with np.load(exported / "gpu" / "weights.npz") as file:
        before = dict(file)
    np.savez(tmp_path / "trained.npz", **{name: value + 1 for name, value in before.items()})
    assert (
        hands_for_jax.main(["--back", "--share", "0.25", "--save_path", str(exported / "checkpoint"), str(tmp_path)])
        == 0
    )
    for name, variable in hands_for_jax.variables_of(load_model(str(tmp_path / "checkpoint"))).items():
        np.testing.assert_allclose(variable.numpy(), before[name] + 0.25, atol=1e-6)
