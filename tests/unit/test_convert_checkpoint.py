"""Reading a checkpoint of TensorFlow 1 and moving its weights: which variables, which sizes, which errors.

That the converted network computes the same numbers is shown in regression/test_tf1_parity.py.
"""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

import convert_checkpoint
from keras_scribe import ALPHABET as KERAS_ALPHABET
from keras_scribe import save_keras_scribe
from legacy_tf1 import extract_weights_tf1
from legacy_tf1.extract_weights_tf1 import NAMES, WeightsError, read_weights, sizes
from model import load_model
from scribe.ink.alphabet import ALPHABET as SUITE_ALPHABET
from scribe.network.checkpoint import find_checkpoint
from tf1_helpers import ALPHABET, RANDOM, TRAINED, make_weights, write_checkpoint
from utils import to_one_hot


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """run(arguments) -> (exit code, lines on stdout, stderr), in a folder of its own, whose saved/ it writes to."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            code = convert_checkpoint.main([str(argument) for argument in arguments])
        except SystemExit as exit:
            code = exit.code
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return run


def outputs(model, text, alphabet=None, seed=3):
    """The parameters of the density for a random line, as one array."""
    rng = np.random.default_rng(seed)
    strokes = rng.normal(0, 1, (1, 20, 3)).astype(np.float32)
    one_hot = to_one_hot(text, alphabet=alphabet or model.config.alphabet)[None]
    out = model({"stroke_data": strokes, "char_seq": one_hot})
    names = ("eos", "pi", "mu1", "mu2", "sigma1", "sigma2", "rho")
    return np.concatenate([out[name].numpy() for name in names], axis=-1)


# ---------------------------------------------------------------------------------------------------------- variables


def test_slots_and_scalars_are_not_read_and_all_ten_weights_are():
    weights = read_weights(TRAINED)
    assert tuple(weights) == NAMES
    assert all(value.dtype == np.float32 for value in weights.values())
    assert sizes(weights) == {"rnn_size": 64, "nmixtures": 8, "kmixtures": 1, "char_vec_len": 54}


RENAMINGS = {
    "TensorFlow 1.0": lambda name: name.replace("/kernel", "/weights").replace("/bias", "/biases"),
    "TensorFlow 0.12": lambda name: name.replace("lstm_cell/kernel", "LSTMCell/W_0").replace(
        "lstm_cell/bias", "LSTMCell/B"
    ),
    "a scope around the network": lambda name: f"tower/model/{name}",
    "a scope around the cell": lambda name: name.replace("/lstm_cell", "/rnn/lstm_cell"),
}


@pytest.mark.parametrize("renaming", RENAMINGS)
def test_every_known_naming_of_the_variables_is_read(renaming, tmp_path):
    weights, rename = make_weights(), RENAMINGS[renaming]
    variables = {rename(name): value for name, value in weights.items()}
    for name, value in weights.items():
        variables[rename(name) + "/RMSProp"] = variables[rename(name) + "/RMSProp_1"] = np.zeros_like(value)
    variables |= {name: np.float32(0.5) for name in ("Variable", "Variable_1", "Variable_2", "beta1_power")}
    found = read_weights(write_checkpoint(str(tmp_path / "m" / "model.ckpt-7"), variables))
    assert all(np.array_equal(found[name], weights[name]) for name in NAMES)


def test_missing_and_unexpected_variables_are_listed_in_one_line(run, tmp_path):
    variables = make_weights()
    variables["cell3/lstm_cell/kernel"] = variables.pop("cell2/lstm_cell/kernel")
    del variables["mdn_dense/output_b"]
    prefix = write_checkpoint(str(tmp_path / "m" / "model.ckpt-1"), variables)
    code, out, err = run(prefix, "--name", "mine", "--alphabet", ALPHABET)
    assert code == 1 and not out and len(err.splitlines()) == 1
    assert "missing: cell2/lstm_cell/kernel, mdn_dense/output_b;" in err
    assert "unexpected: cell3/lstm_cell/kernel" in err
    assert not os.path.exists("saved")


def test_a_peephole_is_not_left_out_in_silence(tmp_path):
    variables = make_weights() | {"cell0/lstm_cell/w_f_diag": np.zeros(5, np.float32)}
    with pytest.raises(WeightsError, match="unexpected: cell0/lstm_cell/w_f_diag"):
        read_weights(write_checkpoint(str(tmp_path / "m" / "model.ckpt-1"), variables))


def test_two_networks_in_one_checkpoint_are_not_guessed_between(tmp_path):
    variables = {f"{part}/{name}": value for part in ("a", "b") for name, value in make_weights().items()}
    with pytest.raises(WeightsError, match="more than one network: a/cell0"):
        read_weights(write_checkpoint(str(tmp_path / "m" / "model.ckpt-1"), variables))


def test_a_checkpoint_of_this_suite_is_called_that(run):
    code, _, err = run(
        os.path.join(os.path.dirname(convert_checkpoint.__file__), "saved", "checkpoint"), "--name", "mine"
    )
    assert code == 1 and "needs no conversion" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "name, shape",
    [
        ("cell0/lstm_cell/kernel", (9, 20)),
        ("cell1/lstm_cell/kernel", (13, 20)),
        ("cell2/lstm_cell/bias", (21,)),
        ("window/window_w", (5, 4)),
        ("mdn_dense/output_w", (5, 14)),
        ("mdn_dense/output_b", (12,)),
    ],
)
def test_shapes_that_do_not_belong_together_are_named(name, shape):
    with pytest.raises(WeightsError, match=f"{name} is"):
        sizes(make_weights() | {name: np.zeros(shape, np.float32)})


def test_a_weight_that_is_not_finite_is_named():
    weights = make_weights()
    weights["window/window_b"][1] = np.nan
    with pytest.raises(WeightsError, match="not all numbers are finite in window/window_b"):
        sizes(weights)


# -------------------------------------------------------------------------------------------------------------- files


def test_a_checkpoint_is_found_by_prefix_by_file_and_by_folder(tmp_path):
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(TRAINED + suffix, tmp_path)
    prefix = str(tmp_path / os.path.basename(TRAINED))
    for path in (prefix, prefix + ".index", prefix + ".meta", prefix + ".data-00000-of-00001", str(tmp_path)):
        assert extract_weights_tf1.find_prefix(path) == prefix


def test_of_a_folder_that_has_moved_the_latest_checkpoint_is_taken(tmp_path):
    for step in (500, 1000):
        write_checkpoint(str(tmp_path / f"model.ckpt-{step}"), make_weights(seed=step))
    (tmp_path / "checkpoint").write_text(
        'model_checkpoint_path: "/home/other/saved/model.ckpt-1000"\n'
        'all_model_checkpoint_paths: "/home/other/saved/model.ckpt-500"\n'
    )
    assert extract_weights_tf1.find_prefix(str(tmp_path)) == str(tmp_path / "model.ckpt-1000")
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(WeightsError, match="several checkpoints: name one of model.ckpt-1000, model.ckpt-500"):
        extract_weights_tf1.find_prefix(str(tmp_path))


@pytest.mark.parametrize("damage", ["no file", "empty index", "text", "short data", "no data"])
def test_a_damaged_checkpoint_is_one_line_and_exit_code_1(damage, run, tmp_path):
    prefix = write_checkpoint(str(tmp_path / "m" / "model.ckpt-1"), make_weights())
    index, data = prefix + ".index", prefix + ".data-00000-of-00001"
    content = open(data, "rb").read()
    {
        "no file": lambda: os.remove(index),
        "empty index": lambda: open(index, "wb").close(),
        "text": lambda: open(index, "w").write("not a checkpoint\n" * 9),
        "short data": lambda: open(data, "wb").write(content[:100]),
        "no data": lambda: os.remove(data),
    }[damage]()
    code, out, err = run(prefix, "--name", "mine", "--alphabet", ALPHABET)
    assert code == 1 and not out and not os.path.exists("saved")
    assert err.startswith("Error: ") and len(err.splitlines()) == 1


def test_extraction_writes_an_npz_that_converts_to_the_same_weights(run, tmp_path, capsys):
    assert extract_weights_tf1.main([RANDOM, str(tmp_path / "w.npz")]) == 0
    out, err = capsys.readouterr()
    assert out.split() == [str(tmp_path / "w.npz")] and "rnn_size 12, nmixtures 3, kmixtures 2" in err
    for name, source in (("a", tmp_path / "w.npz"), ("b", RANDOM)):
        assert run(source, "--name", name, "--alphabet", ALPHABET)[0] == 0
    a, b = (load_model(find_checkpoint(f"saved/{name}")) for name in "ab")
    assert all(np.array_equal(v, w) for v, w in zip(a.get_weights(), b.get_weights()))


def test_extraction_of_what_is_no_checkpoint_is_exit_code_1(tmp_path, capsys):
    (tmp_path / "broken.npz").write_bytes(b"PK\3\4 no zip")
    for source in (tmp_path / "none", tmp_path / "broken.npz"):
        assert extract_weights_tf1.main([str(source), str(tmp_path / "w.npz")]) == 1
        assert capsys.readouterr().err.startswith("Error: ")
    assert not (tmp_path / "w.npz").exists()


# --------------------------------------------------------------------------------------------------------- conversion


def test_what_the_old_network_lacked_gets_zero_weights():
    model = convert_checkpoint.convert(make_weights(), ALPHABET)
    H, A = model.rnn_size, model.char_vec_len
    assert not model.lstm0.kernel.numpy()[3:].any()
    assert not model.lstm2.cell.kernel.numpy()[: 3 + A].any()
    assert not model.mdn_layer.kernel.numpy()[: 2 * H].any()


@pytest.mark.parametrize("text", ["bad cab", "a 7 b?"])
def test_a_padded_alphabet_changes_no_output(text):
    weights = make_weights()
    plain, padded = (convert_checkpoint.convert(weights, ALPHABET, new) for new in (None, SUITE_ALPHABET))
    assert padded.config.alphabet == SUITE_ALPHABET
    np.testing.assert_allclose(outputs(padded, text), outputs(plain, text), rtol=0, atol=1e-6)
    assert np.abs(outputs(plain, text) - outputs(plain, "a" * len(text))).max() > 1e-3  # the text does matter


def test_a_new_alphabet_that_loses_characters_is_refused():
    with pytest.raises(ValueError, match="the new alphabet lacks 'e '"):
        convert_checkpoint.convert(make_weights(), ALPHABET, "abcdxyz")


def test_the_alphabet_is_never_guessed(run, tmp_path):
    prefix = write_checkpoint(str(tmp_path / "m" / "model.ckpt-1"), make_weights())
    code, _, err = run(prefix, "--name", "mine")
    assert code == 1 and "the checkpoint knows 6 characters" in err and "--alphabet" in err
    code, _, err = run(prefix, "--name", "mine", "--alphabet", "abc")
    assert code == 1 and "knows 6 characters, but --alphabet has 3" in err
    code, _, err = run(prefix, "--name", "mine", "--alphabet", "abcdaa")
    assert code == 1 and "['a'] more than once" in err


def test_config_beside_the_weights_describes_the_network(run):
    code, out, _ = run(TRAINED, "--name", "mine", "--data_scale", "20")
    assert code == 0 and out == [os.path.join("saved", "mine")]
    assert sorted(os.listdir("saved")) == ["mine"]  # nothing is left beside it
    with open("saved/mine/config.json", encoding="utf-8") as file:
        config = json.load(file)
    assert config == {
        "rnn_size": 64,
        "nmixtures": 8,
        "kmixtures": 1,
        "alphabet": convert_checkpoint.FIRST_ALPHABET,
        "tsteps_per_ascii": 25.0,
        "data_scale": 20.0,
        "first_pen": 1,
        "hand_size": 0,
    }
    assert load_model(find_checkpoint("saved/mine")).rnn_size == 64


def test_a_conversion_is_replaced_and_a_training_run_is_not(run, tmp_path):
    os.makedirs("saved/run/latest")
    code, _, err = run(TRAINED, "--name", "run")
    assert code == 1 and "choose another --name" in err and os.listdir("saved/run") == ["latest"]
    assert run(TRAINED, "--name", "mine")[0] == 0
    assert run(RANDOM, "--name", "mine", "--alphabet", ALPHABET)[0] == 0
    assert load_model(find_checkpoint("saved/mine")).rnn_size == 12
    assert sorted(os.listdir("saved")) == ["mine", "run"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("failing", [1, 2, 3])
def test_an_earlier_conversion_is_whole_when_a_new_one_cannot_take_its_place(run, monkeypatch, failing, error):
    """Its files were removed although those of the new one had not come to their place."""
    assert run(TRAINED, "--name", "mine")[0] == 0
    before = {name: open(os.path.join("saved/mine", name), "rb").read() for name in os.listdir("saved/mine")}
    rename, left = os.rename, [failing]

    def fail(source, target):
        left[0] -= 1
        if left[0] == 0:
            raise error
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)  # 1: a folder within the new one, 2: the old one's, 3: the new one's
    code, _, err = run(RANDOM, "--name", "mine", "--alphabet", ALPHABET)
    if isinstance(error, OSError):
        assert code == 1 and "No space left on device" in err and "untouched" in err
    else:
        assert code == 130
    assert {name: open(os.path.join("saved/mine", name), "rb").read() for name in os.listdir("saved/mine")} == before
    assert os.listdir("saved") == ["mine"]


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--name", ""),
        ("--name", "a/b"),
        ("--name", ".."),
        ("--name", "mine", "--data_scale", "0"),
        ("--name", "mine", "--alphabet", "a\ud800"),
        ("--name", "mine", "--bias", "1"),
        ("--name", "mine", "--text", "abc", "--bias", "-1"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_writes_nothing(flags, run):
    assert run(TRAINED, *flags)[0] == 2
    assert not os.path.exists("saved")


# -------------------------------------------------------------------------------------------- the TensorFlow 2 scribe


def keras_outputs(old, model, text, alphabet):
    """What both networks say of a random line: two arrays."""
    rng = np.random.default_rng(4)
    strokes = np.column_stack([rng.normal(0, 1, (60, 2)), rng.random(60) < 0.1])[None].astype(np.float32)
    names = ("eos", "pi", "mu1", "mu2", "sigma1", "sigma2", "rho")
    pairs = ((old, alphabet), (model, model.alphabet))
    for network, known in pairs:
        out = network({"stroke_data": strokes, "char_seq": to_one_hot(text, alphabet=known)[None]})
        yield np.concatenate([out[name].numpy() for name in names], axis=-1)


@pytest.mark.smoke
@pytest.mark.parametrize("pad", [False, True], ids=["its own alphabet", "padded"])
@pytest.mark.parametrize("alphabet", [KERAS_ALPHABET, convert_checkpoint.FIRST_ALPHABET, "xyz ab"])
def test_a_checkpoint_of_the_tensorflow_2_scribe_converts_without_a_config(alphabet, pad, run, tmp_path):
    old = save_keras_scribe(tmp_path / "old", len(alphabet) + 1)
    given = ["--alphabet", alphabet] if alphabet == "xyz ab" else []
    code, out, err = run(tmp_path / "old" / "ckpt-500", "--name", "mine", *given, *["--pad_alphabet"] * pad)
    assert code == 0 and out == [os.path.join("saved", "mine")], err
    assert "Both networks say the same of 200 points" in err
    model = load_model(find_checkpoint("saved/mine"))
    assert (model.rnn_size, model.nmixtures, model.kmixtures) == (7, 3, 2)
    assert model.alphabet == (SUITE_ALPHABET if pad else alphabet)
    for text in ("abba yz", "by a x\0"):
        expected, found = keras_outputs(old, model, text, alphabet)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    different, _ = keras_outputs(old, model, "zzzzzzz", alphabet)
    assert np.abs(different - expected).max() > 1e-3  # the text does matter


def test_the_save_path_of_the_tensorflow_2_scribe_name_its_newest_checkpoint(run, tmp_path):
    for step in (500, 1000):
        save_keras_scribe(tmp_path / "old", len(KERAS_ALPHABET) + 1, step=step)
    (tmp_path / "old" / "checkpoint").unlink()
    code, _, err = run(tmp_path / "old" / "model", "--name", "mine")
    assert code == 0 and "ckpt-1000: rnn_size 7" in err
    code, _, err = run(tmp_path / "old" / "ckpt-600", "--name", "other")
    assert code == 1 and "there is no checkpoint" in err  # a mistyped number is not another checkpoint


def test_conversion_that_would_compute_something_else_writes_nothing(run, tmp_path, monkeypatch):
    save_keras_scribe(tmp_path / "old", len(KERAS_ALPHABET) + 1)
    assign = convert_checkpoint._assignments

    def wrong(*arguments):
        for variable, value in assign(*arguments):
            yield variable, value * 1.001

    monkeypatch.setattr(convert_checkpoint, "_assignments", wrong)
    code, _, err = run(tmp_path / "old" / "ckpt-500", "--name", "mine")
    assert code == 1 and "computes something else" in err and not os.path.exists("saved")


def test_a_checkpoint_of_another_keras_network_names_what_is_missing(run, tmp_path):
    other = tf.train.Checkpoint(model=tf.Module(), step=tf.Variable(1))
    code, _, err = run(other.save(str(tmp_path / "other" / "ckpt")), "--name", "mine")
    assert code == 1 and "lstm0/kernel" in err and len(err.splitlines()) == 1


def test_a_checkpoint_of_handwriting_synthesis_is_told_why_it_does_not_map(run, tmp_path):
    scope = "rnn/LSTMAttentionCell/"
    variables = {scope + f"lstm_cell{n}/kernel": np.zeros([8, 8], np.float32) for n in ("", "_1", "_2")}
    variables |= {scope + "attention/weights": np.zeros([8, 30], np.float32), "rnn/gmm/weights": np.zeros([2, 121])}
    code, _, err = run(write_checkpoint(str(tmp_path / "m" / "model-17900"), variables), "--name", "mine")
    assert code == 1 and "softplus" in err and len(err.splitlines()) == 1 and not os.path.exists("saved")


def test_the_earlier_name_of_the_command_does_the_same(run, capsys):
    import convert_tf1

    assert convert_tf1.main([TRAINED, "--name", "mine"]) == 0
    assert capsys.readouterr().out.split() == [os.path.join("saved", "mine")]
