"""Training to write in hands as people start it: the encoder, then the network, which dies and goes on."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import train
from data_helpers import make_line, write_data
from model import load_model
from model_helpers import save_tiny_model
from scribe.ink.alphabet import ALPHABET
from scribe.learning.forms import lines_of_forms
from scribe.learning.reading import read_hand
from scribe.network.checkpoint import find_checkpoint
from scribe.network.hand_sizes import DEVIATION
from scripts import train_hand_encoder
from utils import DataLoader

import tensorflow as tf  # isort: skip

pytestmark = pytest.mark.xdist_group("hands")  # `start`

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIZES = ["--rnn_size", "8", "--nmixtures", "2", "--batch_size", "4", "--warmup", "3", "--no_pictures"]
D = 4


@pytest.fixture(scope="module")
def named_data(tmp_path_factory):
    """A folder with 50 lines: 10 forms of 5, each form wider or narrower than the others."""
    folder = tmp_path_factory.mktemp("named")
    rng = np.random.default_rng(0)
    strokes, texts, names = [], [], []
    for form in range(10):
        for number in range(5):
            points, text = make_line(rng, characters=5 + number % 3, points_per_character=14)
            strokes.append(points * [0.6 + 0.1 * form, 1, 1])
            texts.append(text)
            names.append(f"f{form}-{number:02d}")
    write_data(folder, strokes=strokes, texts=texts, names=names)
    return folder


@pytest.fixture(scope="module")
def start(named_data, tmp_path_factory):
    """The folder of a network that nobody trained, `checkpoint`, and of one with an encoder of hands, `hands/start`."""
    folder = tmp_path_factory.mktemp("start")
    save_tiny_model(folder)
    assert train_hand_encoder.main(encoder_flags(named_data, folder)) == 0
    return folder


def encoder_flags(data, folder, *more):
    flags = ["--data_dir", data, "--init_from", folder / "checkpoint", "--output", folder / "hands" / "start"]
    return [str(flag) for flag in [*flags, "--hand_size", D, "--steps", 12, *more]]


def flags_of(data, folder, start, *more):
    paths = ["--data_dir", data, "--save_path", folder / "run", "--log_dir", folder / "logs"]
    return list(map(str, [*paths, *SIZES, "--init_from", start / "hands" / "start", *more]))


def stored(folder, part):
    """The name of a checkpoint of a run, and every number in it but TensorFlow's own count of saves."""
    prefix = tf.train.latest_checkpoint(str(folder / "run" / part))
    reader = tf.train.load_checkpoint(prefix)
    names = [n for n in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n and "save_counter" not in n]
    return os.path.basename(prefix), {name: reader.get_tensor(name) for name in names}


def latest_step(folder):
    state = tf.train.get_checkpoint_state(str(folder / "run" / "latest"))
    return int(state.model_checkpoint_path.split("-")[-1]) if state else 0


# --------------------------------------------------------------------------------------------------------- the encoder


def test_the_network_of_the_encoder_writes_as_before_and_minds_no_hand_yet(start):
    before, after = load_model(str(start / "checkpoint")), load_model(str(start / "hands" / "start"))
    assert after.hand_size == D
    rng = np.random.default_rng(0)
    given = {"stroke_data": rng.normal(size=[2, 9, 3]).astype(np.float32)}
    given["char_seq"] = np.eye(len(ALPHABET) + 1, dtype=np.float32)[rng.integers(1, 80, [2, 3])]
    told = {"hand": rng.normal(size=[2, D]).astype(np.float32), "glyphs": rng.normal(size=[2, 3, D]).astype(np.float32)}
    for out in (after(given), after(given | told)):
        for name in ("mu1", "pi_hat", "phi"):
            np.testing.assert_allclose(out[name], before(given)[name], atol=1e-6)


def test_descriptions_of_people_have_mean_0_and_the_deviation_that_was_agreed_on(start, named_data):
    model, loader = load_model(str(start / "hands" / "start")), loader_of(named_data)
    lines = list(zip(loader.stroke_data, loader.ascii_data, strict=True))
    hands = [read_hand([lines[i] for i in numbers], model) for numbers in lines_of_forms(loader.names).values()]
    vectors = np.stack([hand.vector for hand in hands])
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(vectors.std(axis=0), DEVIATION, rtol=0.1)
    assert all(np.isfinite(glyph).all() for hand in hands for glyph in hand.glyphs.values())


def loader_of(folder):
    return DataLoader(train.parse_args(["--data_dir", str(folder)]))


@pytest.mark.slow
def test_the_encoder_learns_to_tell_forms_apart(named_data, tmp_path, capsys):
    """By what it says of the last steps. Who cannot tell ten forms apart takes 2 log 10 nats, log 10 each way."""
    save_tiny_model(tmp_path)
    capsys.readouterr()
    assert train_hand_encoder.main(encoder_flags(named_data, tmp_path, "--steps", 100)) == 0
    first, last = (
        {part.split()[0]: float(part.split()[1]) for part in line.split(": ")[1].split(", ")}
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("step")
    )
    assert last["vector"] < 0.95 * 2 * np.log(10) and all(last[part] < first[part] for part in ("spread", "shapes"))


def test_an_encoder_is_made_anew_for_a_network_that_has_one(start, named_data, tmp_path):
    flags = ["--data_dir", named_data, "--init_from", start / "hands" / "start", "--output", tmp_path / "again"]
    assert train_hand_encoder.main([str(f) for f in [*flags, "--hand_size", D + 2, "--steps", 1]]) == 0
    assert load_model(str(tmp_path / "again")).hand_size == D + 2


def test_what_the_encoder_cannot_learn_from_or_write_to_is_one_clear_error(data, start, tmp_path, capsys):
    def error_of(*flags):
        capsys.readouterr()
        code = train_hand_encoder.main([*encoder_flags(data, start, "--steps", 1), *map(str, flags)])
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error")]
        return code, line

    code, line = error_of("--output", tmp_path / "start")
    assert code == 2 and "prepare_data.py" in line
    code, line = error_of("--output", start / "other")
    assert code == 2 and "checkpoint.index" in line  # whose config.json it would have replaced
    (tmp_path / "file").write_text("")
    assert error_of("--output", tmp_path / "file" / "start")[0] == 1
    for flags in (["--steps", "0"], ["--hand_size", "0"], ["--seed", "-1"]):
        with pytest.raises(SystemExit) as caught:
            train_hand_encoder.parse_args(["--output", "x", *flags])
        assert caught.value.code == 2


# -------------------------------------------------------------------------------------------------------- the training


@pytest.mark.slow
def test_a_run_in_hands_learns_them_keeps_its_encoder_and_says_both_losses(named_data, start, tmp_path, capsys):
    assert train.main(flags_of(named_data, tmp_path, start, "--nepochs", 2, "--distort", 0.1, "--towers", 2)) == 0
    said = capsys.readouterr().err
    assert "Reading the hands of 47 lines" in said and said.count("without a hand and") == 2
    both = r"validation (\S+) nats/point.*, the mean of (\S+) without a hand and (\S+) in the hand"
    mean, without, within = map(float, re.search(both, said).groups())
    assert mean == pytest.approx((without + within) / 2, abs=1e-4)

    model, before = load_model(find_checkpoint(str(tmp_path / "run"))), load_model(str(start / "hands" / "start"))
    for own, other in zip(model.hand_encoder.variables, before.hand_encoder.variables, strict=True):
        np.testing.assert_array_equal(own, other)
    for name in ("lstm0_hand_kernel", "lstm2_glyph_kernel"):
        assert np.abs(getattr(model.named_weights, name)).max() > 0
    assert not any("hand_encoder" in name for name in stored(tmp_path, "latest")[1] if "optimizer" in name)


def test_a_network_of_hands_trains_on_lines_without_names_and_keeps_what_it_knows_of_hands(
    data, start, tmp_path, capsys
):
    assert train.main(flags_of(data, tmp_path, start, "--nepochs", 1, "--towers", 1)) == 0
    said = capsys.readouterr().err
    assert "trained without hands" in said and "in the hand" not in said and "Reading the hands" not in said
    model, before = load_model(find_checkpoint(str(tmp_path / "run"))), load_model(str(start / "hands" / "start"))
    assert model.hand_size == D
    for own, other in zip(model.hand_encoder.variables, before.hand_encoder.variables, strict=True):
        np.testing.assert_array_equal(own, other)
    changed = {
        name
        for name, value in vars(model.named_weights).items()
        if hasattr(value, "assign") and np.any(value != getattr(before.named_weights, name))
    }
    assert "lstm1_kernel" in changed and not any("hand_kernel" in name or "glyph_kernel" in name for name in changed)


@pytest.mark.slow
def test_a_run_in_hands_that_is_killed_ends_as_one_that_never_was_and_reads_once(named_data, start, tmp_path):
    """Bit for bit; the second time also without what was kept of the reading."""
    flags = ["--dropout", "0.7", "--distort", "0.1", "--ema", "0.9", "--nepochs", "9", "--save_every", "1"]
    flags += ["--validate_every", "7", "--towers", "1"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def process(folder):
        os.makedirs(folder, exist_ok=True)
        with open(folder / "stderr", "a") as log:
            command = [sys.executable, os.path.join(ROOT, "train.py"), *flags_of(named_data, folder, start, *flags)]
            return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=log)

    never_killed = process(whole)
    rng, reached, kills = random.Random(0), 0, 0
    for attempt in range(2):
        running = process(killed)
        end = time.monotonic() + 300
        while running.poll() is None and latest_step(killed) <= reached:
            assert time.monotonic() < end, (killed / "stderr").read_text()
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.3))
        running.send_signal(signal.SIGKILL)
        kills, reached = kills + (running.wait() == -signal.SIGKILL), latest_step(killed)
        if attempt == 1:
            os.remove(killed / "run" / "hands.npz")
    assert process(killed).wait(timeout=300) == 0, (killed / "stderr").read_text()
    assert never_killed.wait(timeout=300) == 0, (whole / "stderr").read_text()
    assert kills == 2, "the run was over before it was killed often enough to prove anything"
    assert (killed / "stderr").read_text().count("Reading the hands") == 2
    for part in ("latest", "best"):
        (name, found), (expected_name, expected) = stored(killed, part), stored(whole, part)
        assert name == expected_name and found.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value, err_msg=f"{part} {key}")


@pytest.mark.parametrize(
    "flags, code, message",
    [
        (["--hand_size", "7"], 2, "--hand_size is 7, but .* has hands of 4 numbers"),
        (["--hand_size", "0"], 2, "--hand_size is 0, but .* has hands of 4 numbers"),
        (["--init_from", "{start}/checkpoint", "--hand_size", "4"], 2, "train_hand_encoder.py"),
        (["--init_from", "", "--hand_size", "4"], 2, "train_hand_encoder.py"),
        (["--data_dir", "{unnamed}", "--hand_size", "4"], 2, "prepare_data.py"),
        (["--init_from", "{start}/nothing"], 1, "nothing"),
    ],
)
def test_what_cannot_be_trained_is_one_clear_error(named_data, data, start, tmp_path, capsys, flags, code, message):
    more = [flag.format(start=start, unnamed=data) for flag in flags]
    assert train.main(flags_of(named_data, tmp_path, start, "--nepochs", 1, *more)) == code
    lines = capsys.readouterr().err.splitlines()
    (error,) = [line for line in lines if line.startswith("Error")]
    assert re.search(message, error), error
    assert not (tmp_path / "run").exists()
