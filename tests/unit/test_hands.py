"""Hands: their descriptions, files and mixtures; the encoder that reads them; the network that is told of them."""

import dataclasses
import io
import types
import zipfile

import numpy as np
import pytest

from data_helpers import loader_args, write_data
from model import HandwritingModel
from scribe.console import UsageError
from scribe.hands.catalogue import (
    Catalogue,
    drawn_hand,
    find_catalogue,
    find_hand,
    load_catalogue,
    save_catalogue,
    turned,
)
from scribe.hands.hand import Hand, HandError, hand_arrays, load_hand, mix_hands, save_hand
from scribe.ink.batch import network_arrays
from scribe.ink.strokes import transformed
from scribe.learning import learn
from scribe.learning.forms import form_of, lines_of_forms, names_of_lines, tells_of_hands
from scribe.learning.hand_batches import HandBatches
from scribe.learning.learn import Practice, learn_hand, line_to_go_on_from, quick_hand
from scribe.learning.reading import add_sums, align, hand_of_sums, read_hand, read_lines
from scribe.network.hand_encoder import InkSums
from scribe.network.tf_setup import tf
from scribe.writing.adapted import ADAPTED_WEIGHTS, adapted_copy, low_rank, model_for, product
from scribe.writing.lines import sample_batch
from scribe.writing.proofread import sample_checked
from utils import DataLoader

D, ALPHABET = 4, " abcde"


def make_model(hand_size=D, seed=0, kernels=0.3):
    """A small network; `kernels`: how much it minds hands."""
    tf.keras.utils.set_random_seed(seed)
    args = types.SimpleNamespace(rnn_size=8, nmixtures=2, kmixtures=2, alphabet=ALPHABET, hand_size=hand_size)
    model = HandwritingModel(args)
    for name, value in vars(model.named_weights).items():
        if name.endswith(("hand_kernel", "glyph_kernel")):
            value.assign(kernels * tf.random.normal(value.shape))
    return model


def make_line(rng, n=60, text="abc de"):
    lift = rng.random(n) < 0.1
    return np.column_stack([rng.normal(0.3, 0.4, n), rng.normal(0, 0.4, n), lift]).astype(np.float32), text


def make_hand(seed=0, characters="abc", **more):
    rng = np.random.default_rng(seed)
    glyphs = {c: rng.normal(size=D).astype(np.float32) for c in characters}
    return Hand(rng.normal(size=D).astype(np.float32), glyphs, **more)


@pytest.fixture(scope="module")
def model():
    return make_model()


# ----------------------------------------------------------------------------------------------- hands and their files


@pytest.mark.smoke
def test_a_hand_comes_back_from_its_file_as_it_was(tmp_path):
    differences = {"mdn_kernel": (np.ones([3, 2], np.float16), np.ones([2, 5], np.float16))}
    differences["mdn_bias"] = (np.arange(5, dtype=np.float16),)
    hand = make_hand(name="me", notice="only with consent", differences=differences)
    save_hand(tmp_path / "me.hand.npz", hand)
    back = load_hand(tmp_path / "me.hand.npz")
    assert (back.name, back.notice) == (hand.name, hand.notice)
    np.testing.assert_array_equal(back.vector, hand.vector)
    assert list(back.glyphs) == list(hand.glyphs)
    for c, glyph in hand.glyphs.items():
        np.testing.assert_allclose(back.glyphs[c], glyph, rtol=2e-3)
    assert {k: len(v) for k, v in back.differences.items()} == {"mdn_kernel": 2, "mdn_bias": 1}
    for name, factors in differences.items():
        for one, other in zip(factors, back.differences[name], strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_line_of_a_hand_comes_back_from_its_file(tmp_path):
    assert make_hand().line is None
    strokes, text = make_line(np.random.default_rng(0))
    save_hand(tmp_path / "me.npz", make_hand(line=(strokes, text)))
    back, text_back = load_hand(tmp_path / "me.npz").line
    assert text_back == text and back.dtype == np.float32
    np.testing.assert_allclose(back, strokes, atol=2e-3)
    np.testing.assert_array_equal(back[:, 2], strokes[:, 2])


def test_a_line_that_is_none_makes_a_file_no_hand(tmp_path):
    save_hand(tmp_path / "me.npz", make_hand(line=(np.ones([5, 2]), "abc")))
    with pytest.raises(HandError, match="not the file of a hand"):
        load_hand(tmp_path / "me.npz")
    save_hand(tmp_path / "me.npz", make_hand(line=(np.full([5, 3], np.nan), "abc")))
    with pytest.raises(HandError, match="not finite"):
        load_hand(tmp_path / "me.npz")


def test_a_hand_keeps_its_line_and_a_mixture_of_hands_has_none():
    hand = make_hand(line=make_line(np.random.default_rng(0)))
    assert hand.scaled(1.4).line is hand.line
    assert mix_hands([(hand, 0.7), (make_hand(1), 0.3)]).line is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"not a zip file at all" * 20])
def test_a_damaged_file_of_a_hand_is_one_clear_error(tmp_path, content):
    (tmp_path / "me.npz").write_bytes(content)
    with pytest.raises(HandError, match="me.npz is not the file of a hand") as caught:
        load_hand(tmp_path / "me.npz")
    assert "\n" not in str(caught.value) and "pickle" not in str(caught.value)


def test_an_array_file_of_another_kind_is_no_hand(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(HandError, match="not the file of a hand"):
        load_hand(tmp_path / "other.npz")
    with pytest.raises(HandError, match="there is no hand"):
        load_hand(tmp_path / "missing.npz")


def test_a_hand_that_is_not_finite_is_refused(tmp_path):
    save_hand(tmp_path / "me.npz", Hand(np.full(D, np.nan, np.float32), {}))
    with pytest.raises(HandError, match="not finite"):
        load_hand(tmp_path / "me.npz")


def test_no_code_in_the_file_of_a_hand_is_run(tmp_path):
    np.savez(tmp_path / "evil.npz", format=np.int64(2), vector=np.array([print], dtype=object))
    with pytest.raises(HandError):
        load_hand(tmp_path / "evil.npz")


def test_glyphs_that_a_hand_does_not_show_are_zero():
    hand = make_hand(characters="ab")
    glyphs = hand.glyphs_of("bza")
    np.testing.assert_array_equal(glyphs[0], hand.glyphs["b"])
    assert (glyphs[1] == 0).all() and hand.glyphs_of("").shape == (0, D)


def test_a_mixture_is_the_weighted_sum_of_its_hands():
    one, other = make_hand(1, "ab", name="one", notice="n"), make_hand(2, "bc", name="other")
    mixed = mix_hands([(one, 0.7), (other, 0.3)])
    np.testing.assert_allclose(mixed.vector, 0.7 * one.vector + 0.3 * other.vector, rtol=1e-6)
    np.testing.assert_allclose(mixed.glyphs["b"], 0.7 * one.glyphs["b"] + 0.3 * other.glyphs["b"], rtol=1e-6)
    np.testing.assert_allclose(mixed.glyphs["a"], 0.7 * one.glyphs["a"], rtol=1e-6)
    assert mixed.name == "one+other" and mixed.notice == "n"
    with pytest.raises(ValueError, match="one size"):
        mix_hands([(one, 1.0), (Hand(np.zeros(D + 1, np.float32), {}), 1.0)])
    with pytest.raises(ValueError, match="one size"):
        mix_hands([])


def test_a_mixture_changes_weights_by_the_weighted_sum_of_what_its_hands_change():
    rng = np.random.default_rng(0)
    parts = [(rng.normal(size=[6, 2]).astype(np.float16), rng.normal(size=[2, 5]).astype(np.float16)) for _ in "ab"]
    hands = [make_hand(k, differences={"mdn_kernel": part, "mdn_bias": (part[1][0],)}) for k, part in enumerate(parts)]
    mixed = mix_hands([(hands[0], 0.5), (hands[1], 0.25)])
    expected = 0.5 * product(parts[0]) + 0.25 * product(parts[1])
    np.testing.assert_allclose(product(mixed.differences["mdn_kernel"]), expected, atol=2e-2)
    np.testing.assert_allclose(
        product(mixed.differences["mdn_bias"]), 0.5 * parts[0][1][0] + 0.25 * parts[1][1][0], atol=1e-2
    )


def test_a_hand_of_another_network_is_refused():
    with pytest.raises(HandError, match="4 numbers, but this network knows hands of 5"):
        hand_arrays([make_hand()], ["ab"], D + 1, 2)
    with pytest.raises(HandError, match="knows of no hands"):
        hand_arrays([make_hand()], ["ab"], 0, 2)
    with pytest.raises(ValueError, match="should all be"):
        Hand(np.zeros(3, np.float32), {"a": np.zeros(4, np.float32)})


def test_a_hand_of_another_encoder_is_refused_and_mixes_with_none(tmp_path):
    one, other = make_model(seed=1), make_model(seed=2)
    hand, theirs = (read_hand([make_line(np.random.default_rng(0))], m, name="me") for m in (one, other))
    save_hand(tmp_path / "me.hand.npz", hand)
    loaded = load_hand(tmp_path / "me.hand.npz")
    assert loaded.encoder == one.hand_encoder.digest() != theirs.encoder
    assert loaded.scaled(1.4).encoder == mix_hands([(loaded, 0.5), (make_hand(), 0.5)]).encoder == loaded.encoder
    sample_batch(["abc"], one, hand=loaded, seed=1, tsteps=9)
    with pytest.raises(HandError, match="'me' was read by another network: learn it again.*--any_hand"):
        sample_batch(["abc"], other, hand=loaded, seed=1, tsteps=9)
    with pytest.raises(HandError, match="different networks"):
        mix_hands([(hand, 0.5), (theirs, 0.5)])


def test_a_file_that_does_not_name_its_encoder_is_to_be_learned_again(tmp_path):
    save_hand(tmp_path / "me.hand.npz", make_hand())
    with np.load(tmp_path / "me.hand.npz") as file:
        np.savez(tmp_path / "me.hand.npz", **{**file, "format": np.int64(1)})
    with pytest.raises(HandError, match="of an earlier network.*learn the hand again"):
        load_hand(tmp_path / "me.hand.npz")


# --------------------------------------------------------------------------------------------------------- a catalogue


@pytest.fixture
def catalogue():
    hands = [make_hand(k, name=f"hand {k}") for k in range(5)]
    return Catalogue(hands, {"slant": make_hand(7, name="slant"), "size": make_hand(8, "a", name="size")})


def test_a_catalogue_comes_back_from_its_file(tmp_path, catalogue):
    save_catalogue(tmp_path / "hands.npz", catalogue)
    back = load_catalogue(tmp_path / "hands.npz")
    assert [hand.name for hand in back.hands] == [hand.name for hand in catalogue.hands]
    assert list(back.directions) == ["slant", "size"] and set(back.directions["size"].glyphs) == {"a"}
    for one, other in zip(back.hands, catalogue.hands, strict=True):
        np.testing.assert_allclose(one.vector, other.vector, rtol=2e-3)
        assert set(one.glyphs) == set(other.glyphs)
    (tmp_path / "hands.npz").write_bytes(b"nothing")
    with pytest.raises(HandError, match="not a catalogue"):
        load_catalogue(tmp_path / "hands.npz")
    with pytest.raises(HandError, match="does not exist"):
        load_catalogue(tmp_path / "other.npz")


@pytest.mark.parametrize("hands, directions", [(2, 0), (1, 1), (0, 1)])
def test_a_catalogue_without_directions_or_hands_comes_back_too(tmp_path, catalogue, hands, directions):
    """It was written with one name too many, and refused."""
    some = Catalogue(catalogue.hands[:hands], dict([*catalogue.directions.items()][:directions]))
    save_catalogue(tmp_path / "hands.npz", some)
    back = load_catalogue(tmp_path / "hands.npz")
    assert [hand.name for hand in back.hands] == [hand.name for hand in some.hands]
    assert list(back.directions) == list(some.directions)


def test_a_catalogue_with_nothing_in_it_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="no hand"):
        save_catalogue(tmp_path / "hands.npz", Catalogue([], {}))
    assert not list(tmp_path.iterdir())


def test_of_one_hand_that_one_is_drawn_and_of_none_an_error_says_so(catalogue):
    assert drawn_hand(Catalogue(catalogue.hands[:1], {}), 3) is catalogue.hands[0]
    with pytest.raises(HandError, match="no hands"):
        drawn_hand(Catalogue([], catalogue.directions), 3)


def test_a_folder_without_hands_is_told_and_one_that_is_none_is_an_error(tmp_path, monkeypatch):
    """What a wrong --data_dir named was written without a word, in any hand."""
    said = []
    with pytest.raises(UsageError, match="--data_dir .*/missing is not a folder"):
        find_catalogue(str(tmp_path / "missing"), D, said.append)
    with pytest.raises(UsageError, match="is not a folder"):
        find_catalogue(str(tmp_path / "missing"), 0, said.append)
    assert find_catalogue(str(tmp_path), 0, said.append) is None and said == []  # there is nothing to be missed
    assert find_catalogue(str(tmp_path), D, said.append) is None
    assert len(said) == 1 and f"there is no {tmp_path}/hands.npz" in said.pop()
    (tmp_path / "hands.npz").touch()
    assert find_catalogue(str(tmp_path), D, said.append) == f"{tmp_path}/hands.npz" and said == []
    assert find_catalogue(str(tmp_path), 0, said.append) is None
    monkeypatch.chdir(tmp_path)  # away from the suite, where there is no folder "data", which nobody has named
    assert find_catalogue("data", D, said.append) is None and "there is no data/hands.npz" in said.pop()


NO_NUMBERS = {
    "complex": lambda v: v.astype(complex), "text": lambda v: v.astype(str), "too large": lambda v: v + 1e7,
    "not finite": lambda v: v * np.nan,
}  # fmt: skip
IN_THE_ARCHIVE = {"encrypted": (6, 1), "an unknown compression": (8, 99)}  # where in its headers, and what stands there


def damage(path, kind):
    """Damages an .npz file of hands."""
    with np.load(path) as file:
        arrays = dict(file)
    name = "vectors" if "vectors" in arrays else "vector"
    if kind in NO_NUMBERS:
        arrays[name] = NO_NUMBERS[kind](arrays[name].astype(np.float32))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in arrays.items():
            stream = io.BytesIO()
            if key == name and kind == "a shape that no memory holds":
                header = {"descr": "<f4", "fortran_order": False, "shape": (10**11, 99)}
                np.lib.format.write_array_header_1_0(stream, header)
            else:
                np.save(stream, array)
            archive.writestr(f"{key}.npy", stream.getvalue())
        if kind == "gigabytes":
            archive.writestr("more.npy", bytes(1 << 28))
    if kind in IN_THE_ARCHIVE:
        offset, value = IN_THE_ARCHIVE[kind]
        content = bytearray(path.read_bytes())
        for signature, further in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
            place = content.find(signature)
            while place >= 0:
                content[place + offset + further] = value
                place = content.find(signature, place + 1)
        path.write_bytes(content)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("kind", [*NO_NUMBERS, *IN_THE_ARCHIVE, "gigabytes", "a shape that no memory holds"])
def test_whatever_is_wrong_with_a_file_of_hands_is_one_line(tmp_path, catalogue, kind):
    save_hand(tmp_path / "me.npz", make_hand())
    save_catalogue(tmp_path / "hands.npz", catalogue)
    for path, load in ((tmp_path / "me.npz", load_hand), (tmp_path / "hands.npz", load_catalogue)):
        load(path)
        damage(path, kind)
        with pytest.raises(HandError, match=path.name) as caught:
            load(path)
        assert "\n" not in str(caught.value)


def test_a_hand_that_was_learned_for_another_network_is_one_line(model):
    for name, factors in {
        "mdn_bias": (np.ones(3, np.float16),),
        "lstm0_bias": (np.ones([2, 1], np.float16), np.ones([3, 2], np.float16)),
        "nosuch": (np.ones(3, np.float16),),
        "config": (np.ones(3, np.float16),),
    }.items():
        with pytest.raises(HandError, match="'me' was learned for another network"):
            model_for(model, make_hand(name="me", differences={name: factors}))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("asked", ["3:1e300", "3:-11", "1:0.5,3:1e400", "9" * 5000])
def test_a_hand_far_from_all_hands_cannot_be_asked_for(catalogue, asked):
    with pytest.raises(HandError, match="from -10 to 10|there is no hand 999"):
        find_hand(asked, catalogue)


def test_an_empty_catalogue_has_no_numbers_to_choose_from():
    for asked in ("3", "me"):
        with pytest.raises(HandError, match="there is no hand .*: there are none to choose from"):
            find_hand(asked, Catalogue([], {}))


def test_hands_are_found_by_number_by_file_and_as_mixtures(tmp_path, catalogue):
    save_hand(tmp_path / "me.hand.npz", make_hand(9, name="me"))
    assert find_hand("3", catalogue) is catalogue.hands[3]
    assert find_hand(str(tmp_path / "me"), catalogue).name == "me"
    assert find_hand(str(tmp_path / "me.hand.npz"), catalogue).name == "me"
    mixed = find_hand("3:0.7, 1:0.3", catalogue)
    np.testing.assert_allclose(
        mixed.vector, 0.7 * catalogue.hands[3].vector + 0.3 * catalogue.hands[1].vector, rtol=1e-6
    )
    np.testing.assert_allclose(find_hand("2:2", catalogue).vector, 2 * catalogue.hands[2].vector)


@pytest.mark.parametrize("asked", ["5", "99", "nobody", "", "3:x", "3:0.5,", "1:-e"])
def test_a_hand_that_is_not_there_is_one_clear_error(catalogue, asked):
    with pytest.raises(HandError) as caught:
        find_hand(asked, catalogue)
    assert "\n" not in str(caught.value) and "pickle" not in str(caught.value)


def test_a_hand_turns_in_the_directions_of_its_catalogue(catalogue):
    hand = turned(catalogue.hands[0], catalogue, slant=2.0, size=-1.0)
    expected = (
        catalogue.hands[0].vector + 2 * catalogue.directions["slant"].vector - catalogue.directions["size"].vector
    )
    np.testing.assert_allclose(hand.vector, expected, rtol=1e-5)
    assert turned(hand, catalogue) is hand
    with pytest.raises(HandError, match="no direction"):
        turned(hand, catalogue, beauty=1.0)
    for step in (3.5, float("nan")):
        with pytest.raises(HandError, match="from -3 to 3"):
            turned(hand, catalogue, slant=step)


def test_every_seed_draws_a_hand_of_its_own_and_always_the_same(catalogue):
    drawn = [drawn_hand(catalogue, seed) for seed in range(20)]
    assert len({hand.vector.tobytes() for hand in drawn}) == 20
    np.testing.assert_array_equal(drawn[3].vector, drawn_hand(catalogue, 3).vector)
    np.testing.assert_allclose(find_hand(drawn[3].name, catalogue).vector, drawn[3].vector, atol=0.02)


# ---------------------------------------------------------------------------------------------------------- the encoder


def test_the_encoder_reads_a_line_as_it_reads_it_beside_longer_ones(model):
    rng = np.random.default_rng(0)
    lines = [make_line(rng, n)[0] for n in (37, 50, 90)]
    characters = [rng.integers(0, len(ALPHABET) + 1, len(line)).astype(np.int32) for line in lines]
    together = read_lines(lines, characters, model)
    for line, index, sums in zip(lines, characters, together, strict=True):
        (alone,) = read_lines([line], [index], model)
        for one, other in zip(alone, sums, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)


def test_ink_of_a_character_counts_for_that_character_alone(model):
    rng = np.random.default_rng(0)
    line, _ = make_line(rng)
    (sums,) = read_lines([line], [np.full(len(line), 3, np.int32)], model)
    assert np.flatnonzero(sums.glyph_count).tolist() == [3] and (sums.glyph_total[[0, 1, 2, 4, 5, 6]] == 0).all()
    np.testing.assert_allclose(sums.glyph_count[3], sums.count[0])
    hand = hand_of_sums(sums, model)
    assert list(hand.glyphs) == [ALPHABET[2]]


def test_what_several_lines_say_does_not_depend_on_their_order(model):
    rng = np.random.default_rng(0)
    lines = [make_line(rng, 40 + 9 * k) for k in range(4)]
    one, other = read_hand(lines, model), read_hand(lines[::-1], model)
    np.testing.assert_allclose(one.vector, other.vector, atol=1e-4)
    strokes, texts = zip(*lines)
    sums = read_lines(strokes, align(strokes, texts, model), model)
    np.testing.assert_allclose(hand_of_sums(add_sums(sums), model).vector, one.vector, atol=1e-4)


def test_little_ink_of_a_character_is_drawn_towards_the_average(model):
    A, rng = len(ALPHABET) + 1, np.random.default_rng(0)
    total = rng.normal(size=[1, A, D]).astype(np.float32)

    def glyphs(frames):
        sums = InkSums(np.ones([1, 192]), np.ones([1, 192]), np.ones([1, 1]), frames * total, np.full([1, A], frames))
        return model.hand_encoder.describe(InkSums(*(tf.constant(v, tf.float32) for v in sums)))[1].numpy()

    np.testing.assert_allclose(glyphs(2.5), 0.5 / (1000 / 1002.5) * glyphs(1000.0), rtol=1e-3)


# ---------------------------------------------------------------------------------------- a network told of hands


def inputs(rng, batch=3, steps=9, characters=5):
    one_hot = np.eye(len(ALPHABET) + 1, dtype=np.float32)[rng.integers(1, len(ALPHABET) + 1, [batch, characters])]
    return {"stroke_data": rng.normal(size=[batch, steps, 3]).astype(np.float32), "char_seq": one_hot}


def test_without_a_hand_the_network_is_that_without_hands():
    model, plain = make_model(), make_model(hand_size=0)
    for name, value in vars(plain.named_weights).items():
        if hasattr(value, "assign"):
            value.assign(getattr(model.named_weights, name))
    given = inputs(np.random.default_rng(0))
    zeros = {"hand": np.zeros([3, D], np.float32), "glyphs": np.zeros([3, 5, D], np.float32)}
    for told in (model(given), model(given | zeros)):
        for key in ("eos_hat", "mu1", "phi"):
            np.testing.assert_allclose(told[key], plain(given)[key], atol=1e-6)


@pytest.mark.parametrize("key, shape", [("hand", [3, D]), ("glyphs", [3, 5, D])])
def test_what_is_told_of_a_hand_changes_what_is_written_and_has_a_gradient(model, key, shape):
    given, told = inputs(np.random.default_rng(0)), tf.random.normal(shape)
    with tf.GradientTape() as tape:
        tape.watch(told)
        out = model(given | {key: told})["mu1"]
    assert np.abs(out - model(given)["mu1"]).max() > 1e-3
    assert np.abs(tape.gradient(out, told)).min() > 0


def test_a_hand_step_by_step_equals_the_whole_sequence(model):
    rng = np.random.default_rng(0)
    given = inputs(rng)
    hand, glyphs = rng.normal(size=[3, D]).astype(np.float32), rng.normal(size=[3, 5, D]).astype(np.float32)
    whole = model(given | {"hand": hand, "glyphs": glyphs})
    text, state = model.text_with_glyphs(given["char_seq"], glyphs), model.zero_state(3)
    weights, mask = model.step_weights(hand), tf.ones([3, 5])
    for t in range(9):
        y, phi, state = model.step(given["stroke_data"][:, t], text, mask, state, weights)
        np.testing.assert_allclose(phi, whole["phi"][:, t], atol=1e-5)
    np.testing.assert_allclose(y[:, :1], whole["eos_hat"][:, -1], atol=1e-4)
    np.testing.assert_allclose(state[2], whole["window"], atol=1e-5)


def test_a_line_in_a_hand_does_not_depend_on_the_hands_beside_it(model):
    hands = [make_hand(k) for k in range(3)] + [None]
    lines = sample_batch(["abc"] * 4, model, seed=[1, 1, 1, 1], hand=hands, tsteps=40)
    for hand, line in zip(hands, lines, strict=True):
        (alone,) = sample_batch(["abc"], model, seed=[1], hand=hand, tsteps=40)
        np.testing.assert_allclose(alone.strokes[:20], line.strokes[:20], atol=1e-3)
    first = [line.strokes[:10, :2].tobytes() for line in lines]
    assert len(set(first)) == 4
    with pytest.raises(ValueError, match="2 texts but 1 hands"):
        sample_batch(["a", "b"], model, hand=[None])


def test_lines_that_are_written_again_keep_their_hands(model):
    hands = [make_hand(k) for k in range(3)]
    checked = sample_checked(["abc", "de", "ab"], model, seed=3, hand=hands, attempts=2, tsteps=40)
    for i, (line, attempts) in enumerate(zip(checked.lines, checked.attempts, strict=True)):
        tries = [
            sample_batch([line.text], model, seed=[seed], hand=hands[i], tsteps=40)[0]
            for seed in ((3, i), (3, i, 1))[:attempts]
        ]
        assert any(np.allclose(line.strokes[:10], one.strokes[:10], atol=1e-3) for one in tries)


# ----------------------------------------------------------------------------------------------------- learning a hand


def test_lines_go_on_from_the_line_of_their_hand_unless_a_style_is_given(model):
    rng = np.random.default_rng(5)
    style, other = make_line(rng), make_line(rng, text="cab")
    plain = make_hand(3)
    with_line = dataclasses.replace(plain, line=style)
    texts = ["abc", "de"]

    def written(**how):
        return [line.strokes for line in sample_batch(texts, model, seed=2, tsteps=30, **how)]

    def same(one, two):
        return all(a.shape == b.shape and np.allclose(a, b, atol=1e-4) for a, b in zip(one, two, strict=True))

    from_line, from_nothing = written(hand=with_line), written(hand=plain)
    assert same(from_line, written(hand=plain, style=style)) and not same(from_line, from_nothing)
    assert same(written(hand=with_line, style=other), written(hand=plain, style=other))
    mixed = written(hand=[with_line, plain])
    assert same(mixed[:1], from_line[:1]) and same(mixed[1:], from_nothing[1:])


def test_differences_of_low_rank_come_back_as_they_were(model):
    rng = np.random.default_rng(0)
    weights = {name: getattr(model.named_weights, name).numpy() for name in ADAPTED_WEIGHTS}
    changed = dict(weights)
    a, b = rng.normal(size=[weights["mdn_kernel"].shape[0], 2]), rng.normal(size=[2, weights["mdn_kernel"].shape[1]])
    changed["mdn_kernel"] = weights["mdn_kernel"] + (a @ b).astype(np.float32)
    changed["mdn_bias"] = weights["mdn_bias"] + 1.0
    found = low_rank(model, changed, rank=2)
    np.testing.assert_allclose(product(found["mdn_kernel"]), a @ b, atol=2e-2)
    np.testing.assert_allclose(product(found["mdn_bias"]), np.ones_like(weights["mdn_bias"]))
    assert np.abs(product(found["lstm0_kernel"])).max() < 1e-6


def test_a_hand_with_differences_has_a_network_of_its_own_and_leaves_the_other_alone(model):
    before = model.mdn_layer.bias.numpy().copy()
    hand = make_hand(differences={"mdn_bias": (np.ones(13, np.float16),)})
    adapted = model_for(model, hand)
    assert adapted is not model and model_for(model, hand) is adapted and model_for(model, make_hand()) is model
    np.testing.assert_allclose(adapted.mdn_layer.bias, before + 1.0)
    np.testing.assert_array_equal(model.mdn_layer.bias, before)
    lines = sample_batch(["abc", "abc", "abc"], model, seed=[1, 1, 1], hand=[make_hand(), hand, make_hand()], tsteps=30)
    np.testing.assert_allclose(lines[0].strokes, lines[2].strokes, atol=1e-4)
    assert not np.allclose(lines[0].strokes[:5], lines[1].strokes[:5], atol=1e-3)


def test_learning_brings_a_network_nearer_to_a_hand_and_does_not_change_it():
    model, rng = make_model(), np.random.default_rng(1)
    before = [value.numpy() for value in model.weights]
    lines = [make_line(rng, 50) for _ in range(4)]
    others = [make_line(rng, 50) for _ in range(3)]
    told = []
    practice = Practice(steps=30, rate=5e-3, check_every=10)
    hand = learn_hand(lines, model, others=others, practice=practice, name="me", report=lambda *n: told.append(n))
    assert all((value.numpy() == old).all() for value, old in zip(model.weights, before, strict=True))
    assert told[0] == (1, 30) and hand.name == "me" and set(hand.differences) == set(ADAPTED_WEIGHTS)

    def nats(hand):
        from scribe.ink.batch import make_batch
        from scribe.network.density import loss_sum_and_count

        batch = make_batch([s for s, _ in lines], [t for _, t in lines], ALPHABET)
        vectors, glyphs = hand_arrays([hand] * 4, batch.texts, D, batch.one_hot.shape[1])
        out = model_for(model, hand)(
            {"stroke_data": batch.x, "char_seq": batch.one_hot, "hand": vectors, "glyphs": glyphs}
        )
        total, count = loss_sum_and_count(out, batch.y, batch.mask)
        return float(total / count)

    assert nats(hand) < nats(read_hand(lines, model)) - 0.05


def test_practice_ends_where_a_line_that_is_kept_back_is_predicted_much_worse():
    model, rng = make_model(), np.random.default_rng(1)
    lines = [make_line(rng, 50) for _ in range(learn.ENOUGH_TO_KEEP_BACK)]
    told = []
    ruinous = Practice(steps=40, rate=1.0, check_every=2, tolerance=0.05)
    hand = learn_hand(lines, model, practice=ruinous, report=lambda *n: told.append(n))
    assert told[-1] == (2, 40)  # the first look
    assert max(np.abs(product(factors)).max() for factors in hand.differences.values()) == 0.0


def test_a_hand_goes_on_from_a_long_line_that_the_network_expects(monkeypatch, model):
    rng = np.random.default_rng(0)
    lines = [make_line(rng, n) for n in (900, 30, 50, 60, 70, 80)]
    gains = {900: 9.0, 30: 8.0, 50: 1.0, 60: 3.0, 70: 2.0, 80: 0.0}
    monkeypatch.setattr(learn, "text_gain", lambda line, model: gains[len(line[0])])
    assert len(line_to_go_on_from(lines, model)[0]) == 60
    assert len(line_to_go_on_from(lines[:1], model)[0]) == 900
    hand = quick_hand(lines, model, "me", "mind")
    assert len(hand.line[0]) == 60 and (hand.name, hand.notice) == ("me", "mind")


def test_learning_a_hand_twice_gives_the_same_hand():
    model, rng = make_model(), np.random.default_rng(1)
    lines = [make_line(rng, 40) for _ in range(2)]
    one, other = (learn_hand(lines, model, practice=Practice(steps=3), seed=5) for _ in range(2))
    np.testing.assert_allclose(one.vector, other.vector, atol=1e-6)
    assert learn_hand(lines[:1], model, practice=Practice(steps=2)).size == D


def test_a_hand_needs_ink_and_a_network_that_knows_of_hands(model):
    with pytest.raises(ValueError, match="at least one line"):
        read_hand([], model)
    with pytest.raises(ValueError, match="knows of no hands"):
        read_hand([make_line(np.random.default_rng(0))], make_model(hand_size=0))


def test_an_adapted_copy_has_the_weights_of_the_network(model):
    for value, copy in zip(model.weights, adapted_copy(model).weights, strict=True):
        np.testing.assert_array_equal(value, copy)


# -------------------------------------------------------------------------------------------------- forms of a data set


def test_lines_of_a_form_are_found_by_their_names():
    assert form_of("a01-000u-03") == "a01-000u" and form_of("mary") == "mary"
    assert lines_of_forms(["a-01", "b-01", "", "a-02", "b-01"]) == {"a": [0, 3], "b": [1, 4]}


def test_names_of_forms_or_writers_get_numbers_and_names_of_lines_stay():
    assert names_of_lines(["a-01", "a-02", "b-01", ""]) == ["a-01", "a-02", "b-01", ""]
    assert names_of_lines(["mary", "mary", "", "jon-7", "jon-7"]) == ["mary-0", "mary-1", "", "jon-7-3", "jon-7-4"]
    assert names_of_lines(["mary-1", "mary-1", "", "mary-0"], known={"mary-0", "mary-1"}) == ["mary-1"] * 2 + [
        "",
        "mary-0",
    ]
    assert tells_of_hands(["a-01", "", "a-02"]) and not tells_of_hands(["a-01", "a-01", "b-01", "", ""])


NAMES = ["a-01", "a-02", "a-03", "b-01", "", "a-02"]  # the last line was made of the second


@pytest.fixture(scope="module")
def lines():
    rng = np.random.default_rng(0)
    return [make_line(rng, 40 + k) for k in range(6)]


def test_a_line_is_told_of_its_hand_by_other_lines_alone(model, lines):
    people = HandBatches(*zip(*lines), NAMES, model, spread=0.1)
    assert [people.others(name) for name in NAMES] == [[1, 2], [0, 2], [0, 1], [], [], [0, 2]]
    assert people.others("a-09") == [0, 1, 2]  # a line to validate with
    expected = read_hand([lines[0], lines[2]], model)
    found = people.hand(people.others("a-02"))
    np.testing.assert_allclose(found.vector, expected.vector, atol=1e-3)
    assert found.glyphs.keys() == expected.glyphs.keys()
    for c, glyph in expected.glyphs.items():
        np.testing.assert_allclose(found.glyphs[c], glyph, atol=5e-3)  # kept in half precision
    told = people.hands_of(["a-02", "b-01", "", "nobody"])
    np.testing.assert_allclose(told[0].vector, found.vector, atol=1e-5)
    assert told[1:] == [None] * 3


def test_most_training_lines_have_a_hand_and_those_without_others_none(model, lines):
    people, rng = HandBatches(*zip(*lines), NAMES, model, spread=0.1), np.random.default_rng(0)
    points, hands = people.training_lines([4, *[0] * 60], rng)
    assert hands[0] is None and points[0].shape == lines[4][0].shape
    assert 0 < sum(hand is None for hand in hands[1:]) < 30
    vectors = {hand.vector.tobytes() for hand in hands if hand is not None}
    assert len(vectors) > 25  # of other lines, under other changes, and with noise


def test_without_spread_lines_stay_as_they_are_and_are_read_once(model, lines):
    people = HandBatches(*zip(*lines), NAMES, model)
    points, _ = people.training_lines([0, 3], np.random.default_rng(0))
    assert people.changes == [(1.0, 1.0, 0.0)]
    for line, i in zip(points, (0, 3), strict=True):
        np.testing.assert_array_equal(line, lines[i][0])


def test_what_is_told_follows_the_change_of_the_line(model, lines):
    """Else a network would be told of slanted hands for upright lines."""
    people = HandBatches(*zip(*lines), NAMES, model, spread=0.3)
    for change in range(len(people.changes)):
        changed = [(transformed(s, *people.changes[change]).astype(np.float32), t) for s, t in lines]
        sums = read_lines([changed[0][0]], align([lines[0][0]], [lines[0][1]], model), model)
        np.testing.assert_allclose(people.hand([0], change).vector, hand_of_sums(sums[0], model).vector, atol=1e-3)


def test_what_was_read_is_kept_until_the_lines_or_the_encoder_change(tmp_path, lines):
    model, path, said = make_model(), str(tmp_path / "run" / "hands.npz"), []

    def people(lines=lines, spread=0.1):
        said.clear()
        return HandBatches(*zip(*lines), NAMES, model, spread=spread, kept_in=path, report=said.append)

    first = people()
    assert len(said) == 1
    again = people()
    assert not said
    for one, other in zip(
        *(p.training_lines(range(6), np.random.default_rng(1))[1] for p in (first, again)), strict=True
    ):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one.vector, other.vector)
            assert all((one.glyphs[c] == glyph).all() for c, glyph in other.glyphs.items())
    people(spread=0.2)
    assert said
    people([*lines[:2], make_line(np.random.default_rng(9), 50), *lines[3:]])
    assert said
    people()
    model.hand_encoder.vector.bias.assign_add(np.ones(D, np.float32))
    people()
    assert said
    model.mdn_layer.bias.assign_add(np.ones(13, np.float32))  # the encoder alone counts
    people()
    assert not said
    with open(path, "r+b") as file:
        file.truncate(200)
    people()
    assert said and "Warning" not in said[0]


def test_what_cannot_be_kept_is_a_warning(tmp_path, model, lines):
    (tmp_path / "file").write_text("")
    said = []
    HandBatches(*zip(*lines), NAMES, model, kept_in=str(tmp_path / "file" / "hands.npz"), report=said.append)
    assert len(said) == 2 and said[1].startswith("Warning") and "\n" not in said[1]


def loader_in_hands(folder, model, **more):
    loader = DataLoader(loader_args(folder, alphabet=ALPHABET, **more))
    lines = loader.stroke_data, loader.ascii_data, loader.names
    loader.hands = HandBatches(*lines, model, spread=loader.distort)
    return loader


def test_a_batch_in_hands_is_a_function_of_seed_and_number_alone(model, tmp_path):
    write_data(tmp_path, lines=42, names=[f"form{k // 6}-{k % 6:02d}" for k in range(42)])
    loader = loader_in_hands(tmp_path, model, distort=0.1)
    wanted = [loader.batch(n) for n in range(2 * loader.num_batches)]
    again = loader_in_hands(tmp_path, model, distort=0.1)
    for n in (7, 0, 9, 7):
        for one, other in zip(again.batch(n), wanted[n], strict=True):
            np.testing.assert_array_equal(one, other)
    different = loader_in_hands(tmp_path, model, distort=0.1, seed=1)
    assert any((different.batch(n).hand != wanted[n].hand).any() for n in range(3) if len(wanted[n].hand) == 8)
    for batch in wanted:
        assert batch.hand.shape == (len(batch.texts), D) and batch.glyphs.shape == (*batch.one_hot.shape[:2], D)
        assert all((glyphs[len(text) :] == 0).all() for glyphs, text in zip(batch.glyphs, batch.texts, strict=True))
    assert np.mean([(batch.hand != 0).any(axis=1).mean() for batch in wanted]) > 0.6


def test_validation_lines_come_without_a_hand_and_as_other_lines_of_their_form_tell(model, tmp_path):
    write_data(tmp_path, lines=42, names=[f"form{k // 14}-{k % 14:02d}" for k in range(42)])
    loader = loader_in_hands(tmp_path, model)
    (plain,), (told,) = loader.validation_batches(), loader.validation_batches(in_hands=True)
    for one, other in zip(plain, told[:5], strict=True):
        np.testing.assert_array_equal(one, other)
    assert all((values == 0).all() for values in network_arrays(plain, D)[4:])
    lines = dict(zip(loader.names, zip(loader.stroke_data, loader.ascii_data), strict=True))
    names = dict(zip(loader.valid_ascii_data, loader.valid_names, strict=True))
    assert len(told.texts) == 3
    for text, hand, glyphs in zip(told.texts, told.hand, told.glyphs, strict=True):
        form = form_of(names[text])
        read = read_hand([lines[name] for name in sorted(lines) if form_of(name) == form][:4], model)
        np.testing.assert_allclose(hand, read.vector, atol=1e-3)
        np.testing.assert_allclose(glyphs[: len(text)], read.glyphs_of(text), atol=1e-2)


def test_the_size_of_a_hand_is_checked():
    config = make_model().config
    with pytest.raises(ValueError, match="hand_size"):
        dataclasses.replace(config, hand_size=-1)
