"""tools/train_jax.py against train.py: the same loss, gradients, steps and averages; exact saves, resumes, imports."""

import dataclasses
import importlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import train
from data_helpers import make_lines, write_data
from model import compute_loss, load_model
from model import loss_sum_and_count as tf_loss_sum_and_count
from scribe.ink.batch import make_batch, network_arrays
from scribe.network.checkpoint import find_checkpoint
from scribe.network.config import ModelConfig
from scribe.training.run_state import WeightAverage
from tools import import_jax
from train import make_optimizer, make_train_step
from utils import DataLoader

import tensorflow as tf  # isort: skip

jax = pytest.importorskip("jax")
train_jax = importlib.import_module("tools.train_jax")
network, steps, run_files = (
    importlib.import_module(f"jax_training.{name}") for name in ("network", "steps", "run_files")
)
jnp = jax.numpy

pytestmark = pytest.mark.xdist_group("train_jax")  # what was compiled, and a run that is finished

ROOT = os.path.dirname(os.path.abspath(train.__file__))
CONFIG = ModelConfig(rnn_size=16, nmixtures=3, kmixtures=2, alphabet="abcdefghijklmnop qrstuvwxyz")
D = 5  # numbers of a hand
SIZES = ["--rnn_size", "16", "--nmixtures", "3", "--kmixtures", "2", "--alphabet", CONFIG.alphabet]


@pytest.fixture(scope="module", autouse=True)
def compile_once(tmp_path_factory):
    """Compilation takes longest here, so it optimizes little, and what was compiled before is found in a folder."""
    options = {  # (here, JAX's own)
        "jax_disable_most_optimizations": (True, False),
        "jax_compilation_cache_dir": (str(tmp_path_factory.mktemp("compiled")), None),
        "jax_persistent_cache_min_compile_time_secs": (0.0, 1.0),
    }
    for name, (here, _) in options.items():
        jax.config.update(name, here)
    yield
    for name, (_, default) in options.items():
        jax.config.update(name, default)


def make_weights(seed=0, config=CONFIG):
    """Weights with nothing at a special place: no bias is 0, no row orthogonal to another."""
    rng = np.random.default_rng(seed)
    weights = network.initial_weights(config, seed)
    return {name: (w + rng.normal(0, 0.1, w.shape)).astype(np.float32) for name, w in weights.items()}


def make_real_batch(seed, lines=4, longest=50):
    """A `utils.Batch` of lines of different lengths and texts."""
    strokes, texts = make_lines(lines, seed)
    points = [np.array(line[: longest - 7 * i], np.float32) / [50, 50, 1] for i, line in enumerate(strokes)]
    return make_batch(points, [text[: 12 - 2 * i] for i, text in enumerate(texts)], CONFIG.alphabet)


def padded(batch, lines=5, length=64, characters=15):
    """More lines, points and characters than the batch has: padding must not count."""
    return network.pad_batch(batch, lines, length, characters)


def tf_model(weights, config=CONFIG, **changes):
    model = import_jax.build_model(ModelConfig(**dataclasses.asdict(config)), weights)
    for name, value in changes.items():
        setattr(model, name, value)
    return model


def jax_loss(weights, batch, compute=network.EXACT, **options):
    total, count = network.loss_sum_and_count(
        network.network(weights, batch.x, batch.char_seq, compute, **options), batch.y, batch.mask
    )
    return total / count


def assert_all_close(found, expected, **tolerance):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(np.asarray(found[name]), np.asarray(expected[name]), err_msg=name, **tolerance)


def equal(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


# ---------------------------------------------------------------------------------------------- the same as train.py


def test_flags_that_both_have_mean_the_same():
    ours, theirs = (vars(module.parse_args([])) for module in (train_jax, train))
    of_tensorflow = {"hand_size", "precision", "unconditional", "weight_noise", "noise_deviation", "no_pictures"}
    assert theirs.keys() - ours.keys() == {"towers", "accumulate", "distribute"} | of_tensorflow
    assert ours.keys() - theirs.keys() == {"wall_time", "keep", "dtype", "length_multiple", "unroll"}
    differing = {name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]}
    assert differing == {"save_path"}
    assert ours["wall_time"] == 0


def test_initial_weights_have_the_names_shapes_and_spread_of_the_suite_s():
    config = dataclasses.replace(CONFIG, rnn_size=48)
    tf.keras.utils.set_random_seed(0)
    theirs = import_jax.vars_by_name(tf_model(network.initial_weights(config, 0), config))
    fresh = import_jax.vars_by_name(train.HandwritingModel(ModelConfig(**dataclasses.asdict(config))))
    ours = network.initial_weights(config, 0)
    shapes = run_files.weight_shapes(config)
    assert sum(map(math.prod, shapes.values())) == config.weights
    assert list(ours) == list(shapes) and ours.keys() == theirs.keys()
    for name, w in ours.items():
        expected = fresh[name].numpy()
        if name.endswith("bias"):
            np.testing.assert_allclose(w, expected, rtol=1e-6)
        elif name.endswith("recurrent_kernel"):
            np.testing.assert_allclose(w @ w.T, np.eye(len(w)), atol=1e-5)
        else:
            assert np.abs(w).max() == pytest.approx(np.abs(expected).max(), rel=0.05)
            assert w.std() == pytest.approx(expected.std(), rel=0.1)
    assert not equal(ours, network.initial_weights(config, 1))


def test_loss_and_every_gradient_equal_tensorflow_s_whatever_the_padding():
    weights, batch = make_weights(), make_real_batch(0)
    model = tf_model(weights)
    variables = import_jax.vars_by_name(model)
    with tf.GradientTape() as tape:
        out = model({"stroke_data": tf.constant(batch.x), "char_seq": tf.constant(batch.one_hot)})
        expected = compute_loss(out, tf.constant(batch.y), tf.constant(batch.mask))
    expected_gradients = dict(zip(variables, tape.gradient(expected, list(variables.values()))))
    loss, gradients = jax.jit(jax.value_and_grad(jax_loss))(weights, padded(batch))
    assert float(loss) == pytest.approx(float(expected), abs=1e-5)
    assert min(float(np.abs(g).max()) for g in gradients.values()) > 1e-3  # none is 0, so each was compared
    assert_all_close(gradients, expected_gradients, rtol=1e-5, atol=1e-6)


def test_the_network_in_hands_and_its_gradients_equal_tensorflow_s():
    config = dataclasses.replace(CONFIG, hand_size=D)
    weights, batch, rng = make_weights(), make_real_batch(0), np.random.default_rng(1)
    told = {
        f"lstm{i}_{kind}_kernel": rng.normal(0, 0.3, [D, 4 * config.rnn_size]).astype(np.float32)
        for i in range(3)
        for kind in ("hand", "glyph")
    }
    hand = rng.normal(0, 1, [len(batch.x), D]).astype(np.float32)
    glyphs = rng.normal(0, 1, [*batch.one_hot.shape[:2], D]).astype(np.float32)
    glyphs *= batch.one_hot.sum(axis=-1, keepdims=True)
    model = train.HandwritingModel(config)
    variables = import_jax.vars_by_name(model) | {name: getattr(model.named_weights, name) for name in told}
    for name, value in (weights | told).items():
        variables[name].assign(value)
    with tf.GradientTape() as tape:
        hand_t, glyphs_t = tf.constant(hand), tf.constant(glyphs)
        tape.watch(hand_t)
        out = model({"stroke_data": batch.x, "char_seq": batch.one_hot, "hand": hand_t, "glyphs": glyphs_t})
        expected = compute_loss(out, tf.constant(batch.y), tf.constant(batch.mask))
    *expected_gradients, of_hand = tape.gradient(expected, [*variables.values(), hand_t])

    plain = padded(batch, lines=len(batch.x), characters=batch.one_hot.shape[1])

    def loss(weights, hand, glyphs):
        y_hat = network.network(weights, plain.x, plain.char_seq, hand=hand, glyphs=glyphs)
        total, count = network.loss_sum_and_count(y_hat, plain.y, plain.mask)
        return total / count

    found, (gradients, for_hand, for_glyphs) = jax.jit(jax.value_and_grad(loss, (0, 1, 2)))(
        weights | told, hand, glyphs
    )
    assert float(found) == pytest.approx(float(expected), abs=1e-5)
    assert_all_close(gradients, dict(zip(variables, expected_gradients)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(for_hand, of_hand, rtol=1e-5, atol=1e-6)
    assert np.abs(for_glyphs).max() > 1e-4  # TensorFlow's recurrence gives the text no gradient; see below


def test_gradients_taken_after_the_loop_equal_plain_differentiation_in_float64(monkeypatch):
    with jax.experimental.enable_x64() if hasattr(jax.experimental, "enable_x64") else jax.enable_x64(True):
        weights = {name: jnp.asarray(w, jnp.float64) for name, w in make_weights(1).items()}
        batch = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), padded(make_real_batch(1, longest=30), length=32))
        rng, B, U = np.random.default_rng(2), *batch.char_seq.shape[:2]
        for name in [f"lstm{i}_{kind}_kernel" for i in range(3) for kind in ("hand", "glyph")]:
            weights[name] = jnp.asarray(rng.normal(0, 0.3, [D, 4 * CONFIG.rnn_size]))
        given = weights, batch, *(jnp.asarray(rng.normal(0, 1, shape)) for shape in ([B, D], [B, U, D]))

        def gradients():
            def loss(weights, batch, hand, glyphs):
                return jax_loss(weights, batch, hand=hand, glyphs=glyphs)

            weights, hand, glyphs = jax.jit(jax.grad(loss, (0, 2, 3)))(*given)
            return weights | {"hand": hand, "glyphs": glyphs}

        found = gradients()
        monkeypatch.setattr(network, "lstm_sequence", network._lstm_loop)
        monkeypatch.setattr(network, "attention_lstm_sequence", attention_loop)
        monkeypatch.setattr(network, "_times_constant", lambda compute, h, kernel: h @ kernel)
        monkeypatch.setattr(network, "project", lambda compute, x, kernel: x @ kernel)
        assert_all_close(found, gradients(), rtol=1e-9, atol=1e-13)
        assert found["lstm1_kernel"].dtype == found["glyphs"].dtype == np.float64


def attention_loop(*args):
    """`attention_lstm_sequence`, differentiated as JAX does it."""
    return network._attention_lstm_loop(*args)[:2]


def weight_sized_products_in_loops(function, *args):
    """How many products in the loops of a function have the shape of a gradient of [.., 4H] weights."""

    def walk(jaxpr, inside):
        for equation in jaxpr.eqns:
            if inside and equation.primitive.name == "dot_general":
                shape = equation.outvars[0].aval.shape
                yield len(shape) == 2 and min(shape) >= CONFIG.rnn_size and 4 * CONFIG.rnn_size in shape
            for value in equation.params.values():
                inner = getattr(value, "jaxpr", value)
                if hasattr(inner, "eqns"):
                    yield from walk(inner, inside or equation.primitive.name == "scan")

    return sum(walk(jax.make_jaxpr(function)(*args).jaxpr, False))


def test_no_weight_gradient_is_computed_inside_of_a_loop(monkeypatch):
    weights, batch = make_weights(), padded(make_real_batch(0))
    assert weight_sized_products_in_loops(jax.grad(jax_loss), weights, batch) == 0
    # What is counted: plain differentiation has one for each recurrent kernel.
    monkeypatch.setattr(network, "lstm_sequence", network._lstm_loop)
    monkeypatch.setattr(network, "attention_lstm_sequence", attention_loop)
    monkeypatch.setattr(network, "_times_constant", lambda compute, h, kernel: h @ kernel)
    assert weight_sized_products_in_loops(jax.grad(lambda w, b: jax_loss(w, b)), weights, batch) == 3


@pytest.mark.parametrize(
    "flags",
    [
        ["--optimizer", "adam", "--grad_clip", "0.5", "--ema", "0.3"],
        ["--optimizer", "rmsprop", "--grad_clip", "0", "--momentum", "0.8"],
    ],
    ids=["adam, clipped", "rmsprop"],
)
def test_three_steps_of_optimizer_clipping_and_average_equal_those_of_train_py(flags):
    args = train_jax.parse_args([*SIZES, *flags])
    weights = make_weights(2)
    model = tf_model(weights)
    average = WeightAverage(model.trainable_variables, args.ema)
    tf_step = make_train_step(model, make_optimizer(args), average, args.grad_clip)
    step_fn, state = jax.jit(steps.make_train_step(args)), steps.initial_state(args, weights)
    norms = []
    for step in range(3):
        batch, rate = make_real_batch(step), 1e-2 / (step + 1)
        *expected, taken = (t.numpy() for t in tf_step(*network_arrays(batch), rate, step, [args.seed, step]))
        state, result = step_fn(state, padded(batch), np.float32(rate), np.int32(step))
        np.testing.assert_allclose(result, [*expected, 1.0], rtol=1e-5)
        assert taken
        norms.append(float(result[2]))
    if args.grad_clip:
        assert min(norms) > args.grad_clip  # it was clipped
    by_variable = {id(v): name for name, v in import_jax.vars_by_name(model).items()}
    names = [by_variable[id(v)] for v in model.trainable_variables]
    assert_all_close(state["weights"], {n: v.numpy() for n, v in zip(names, model.trainable_variables)}, atol=1e-5)
    assert_all_close(state["ema"], {n: v.numpy() for n, v in zip(names, average.values)}, atol=1e-5)
    assert max(np.abs(state["weights"][n] - weights[n]).max() for n in names) > 1e-2  # they have moved
    assert int(state["iterations"]) == 3


def test_a_step_that_is_not_finite_changes_nothing():
    args = train_jax.parse_args(SIZES)
    state = steps.initial_state(args, make_weights())
    batch = padded(make_real_batch(0))
    batch.y[0, 0, 0] = np.inf
    after, result = jax.jit(steps.make_train_step(args))(state, batch, np.float32(1e-3), np.int32(0))
    assert result[3] == 0
    assert jax.tree.all(jax.tree.map(np.array_equal, after, state))


def test_dropout_is_a_probability_to_keep_and_scales_what_it_keeps():
    weights, batch = make_weights(), padded(make_real_batch(0))
    # An MDN layer of ones on zero biases shows the sum of what was kept.
    weights["mdn_kernel"], weights["mdn_bias"] = np.eye(48, 19, dtype=np.float32), np.zeros(19, np.float32)
    run = jax.jit(
        lambda keep, key: network.network(weights, batch.x, batch.char_seq, keep=keep, key=key), static_argnums=0
    )
    whole = np.asarray(run(1.0, None))[..., :16]  # the outputs of LSTM0, which no dropout below changes
    everything = np.asarray(run(0.8, jax.random.key(0)))
    dropped = everything[..., :16]
    assert not np.array_equal(everything[..., :3] != 0, everything[..., 16:] != 0)  # each layer has noise of its own
    kept = dropped != 0
    assert kept.mean() == pytest.approx(0.8, abs=0.02)
    np.testing.assert_allclose(dropped[kept], (whole / 0.8)[kept], rtol=1e-5)
    assert np.array_equal(dropped, np.asarray(run(0.8, jax.random.key(0)))[..., :16])
    assert not np.array_equal(kept, np.asarray(run(0.8, jax.random.key(1)))[..., :16] != 0)


def test_dropout_noise_is_a_function_of_seed_and_step():
    weights, batch = make_weights(), padded(make_real_batch(0))
    args = train_jax.parse_args([*SIZES, "--dropout", "0.5"])
    state, step_fn = steps.initial_state(args, weights), jax.jit(steps.make_train_step(args))
    losses = [float(step_fn(state, batch, np.float32(1e-3), np.int32(step))[1][0]) for step in (0, 1, 0)]
    assert losses[0] == losses[2] != losses[1]


def test_products_in_bfloat16_are_near_those_in_float32_and_keep_float32_gradients():
    weights, batch = make_weights(), padded(make_real_batch(0))
    loss, gradients = jax.jit(jax.value_and_grad(jax_loss))(weights, batch)
    rounded = network.Compute("bfloat16", unroll=2)
    near, near_gradients = jax.jit(jax.value_and_grad(lambda w: jax_loss(w, batch, rounded)))(weights)
    assert 0 < abs(float(near) - float(loss)) < 0.01
    for name, g in gradients.items():
        assert near_gradients[name].dtype == np.float32
        assert np.linalg.norm(near_gradients[name] - g) < 0.03 * np.linalg.norm(g), name


# ------------------------------------------------------------------------------------------------------- whole runs


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """60 lines of 30 to 60 points, of which 3 are for validation: 15 batches of 4, one length after padding."""
    folder = tmp_path_factory.mktemp("data")
    strokes, _ = make_lines(60)
    strokes = [line[: 30 + i % 30] for i, line in enumerate(strokes)]
    write_data(folder, strokes=strokes, texts=[CONFIG.alphabet[i % 20 : i % 20 + 3] for i in range(60)])
    return str(folder)


def flags(data_dir, folder, *more):
    run = ["--data_dir", data_dir, "--save_path", str(folder), "--log_dir", "", "--batch_size", "4"]
    run += ["--length_multiple", "64", "--nepochs", "2", "--save_every", "4", "--validate_every", "5", "--warmup", "2"]
    return [*SIZES, *run, "--dropout", "0.9", "--learning_rate", "0.01", *more]


@pytest.fixture(scope="module")
def finished(data_dir, tmp_path_factory):
    """The folder of a run of 30 steps that nobody interrupted."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert train_jax.main(flags(data_dir, folder)) == 0
    return folder


def content(folder):
    """Everything of a run but what tells the time."""
    run = run_files.read_run(str(folder))
    for clocked in ("args",):
        del run[clocked]
    del run["latest"]["seconds"]
    names = [n for files in run["latest"]["copies"].values() for n in files] + run["best"]["files"]
    arrays = {name: run_files.read_parts(str(folder), [name]) for name in names}
    return run, arrays


def assert_same_run(folder, other):
    (run, arrays), (expected_run, expected_arrays) = content(folder), content(other)
    assert run == expected_run
    assert equal(arrays, expected_arrays)


def log_of(folder):
    return [json.loads(row) for row in (folder / "log.jsonl").read_text().splitlines()]


def stop_at(monkeypatch, step, action):
    """Runs `action` when step `step` was given to the machine."""
    original = steps.Batches.train_step

    def train_step(self, state, batch, rate, n):
        result = original(self, state, batch, rate, n)
        if n == step:
            action()
        return result

    monkeypatch.setattr(steps.Batches, "train_step", train_step)


def test_a_run_writes_what_it_says_it_writes(finished):
    names = sorted(os.listdir(finished))
    run, _ = content(finished)
    assert run["latest"]["batches"] == run["latest"]["iterations"] == 30
    copies = [f"latest-000030-{copy}-0.npz" for copy in ("ema", "mean", "square", "weights")]
    assert names == sorted([f"best-{run['best']['batches']:06d}-0.npz", *copies, "log.jsonl", "run.json"])
    rows = log_of(finished)
    validated = {row["step"]: row["validation_nats_per_point"] for row in rows if "validation_nats_per_point" in row}
    assert list(validated) == [5, 10, 15, 20, 25, 30]
    assert run["best"]["loss"] == min(validated.values()) == validated[run["best"]["batches"]]
    assert validated[30] < validated[5] - 0.1  # it learns
    (trained,) = (row for row in rows if "train_nats_per_point" in row)
    assert trained["step"] == 30 and trained["points_per_second"] > 0 and trained["wall"] > 0
    assert trained["points"] == run["latest"]["points"] > 0


def test_the_points_counted_and_the_validation_loss_are_those_of_the_lines(finished, data_dir):
    args = train_jax.parse_args(flags(data_dir, finished))
    loader = DataLoader(args)
    run, _ = content(finished)
    assert run["latest"]["points"] == 2 * sum(len(line) - 1 for line in loader.stroke_data)
    model = tf_model(run_files.load_weights(str(finished), CONFIG))
    batch = make_batch(loader.valid_stroke_data, loader.valid_ascii_data, CONFIG.alphabet)
    total, count = tf_loss_sum_and_count(
        model({"stroke_data": batch.x, "char_seq": batch.one_hot}), batch.y, batch.mask
    )
    assert run["best"]["loss"] == pytest.approx(float(total / count), abs=1e-5)
    at_best = [r for r in log_of(finished) if r["step"] == run["best"]["batches"] and "nats_per_line" in r]
    assert at_best[0]["nats_per_line"] == pytest.approx(float(total) / 3, rel=1e-5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_run_that_a_signal_stopped_saves_first_and_ends_as_one_that_was_never_stopped(
    number, finished, data_dir, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        stop_at(patch, 6, lambda: signal.raise_signal(number))
        assert train_jax.main(flags(data_dir, tmp_path / "run")) == 128 + number
    assert run_files.read_run(str(tmp_path / "run"))["latest"]["batches"] == 7
    assert train_jax.main(flags(data_dir, tmp_path / "run")) == 0
    assert_same_run(tmp_path / "run", finished)
    with open(tmp_path / "run" / "log.jsonl") as file:
        assert len(file.readlines()) == len(log_of(finished))


def test_a_run_that_was_killed_between_two_saves_ends_as_one_that_never_was(finished, data_dir, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_at(patch, 18, kill)
        train_jax.main(flags(data_dir, tmp_path / "run"))
    with open(tmp_path / "run" / "log.jsonl", "a") as file:
        file.write('{"step": 99}\n{"step": 1')  # of after the save, and cut off
    (tmp_path / "run" / "latest-000018-ema-0.npz").write_bytes(b"half of a save")
    assert run_files.read_run(str(tmp_path / "run"))["latest"]["batches"] == 16
    assert train_jax.main(flags(data_dir, tmp_path / "run")) == 0
    assert_same_run(tmp_path / "run", finished)
    assert [row["step"] for row in log_of(tmp_path / "run")] == [row["step"] for row in log_of(finished)]
    assert sorted(os.listdir(tmp_path / "run")) == sorted(os.listdir(finished))


@pytest.mark.parametrize(("wall_time", "reached"), [(2, range(1, 2)), (12, range(4, 10))])
def test_a_run_stops_before_its_wall_time_saves_and_goes_on(
    wall_time, reached, finished, data_dir, tmp_path, monkeypatch
):
    now = 100.0

    def takes(seconds, function):
        def wrapped(*args, **kwargs):
            nonlocal now
            now += seconds
            return function(*args, **kwargs)

        return wrapped

    class Result:
        """What a GPU has not computed yet: who wants to see it waits for a second."""

        def __init__(self, result):
            self.result = result

        def __array__(self, dtype=None, copy=None):
            return takes(1.0, np.array)(self.result, dtype)

    original = steps.Batches.train_step

    def train_step(*args):
        state, result = original(*args)
        return state, Result(result)

    with monkeypatch.context() as patch:
        patch.setattr(steps.Batches, "train_step", train_step)
        patch.setattr(steps.Batches, "evaluate", takes(0.25, steps.Batches.evaluate))
        patch.setattr(run_files.Run, "save", takes(0.25, run_files.Run.save))
        patch.setattr(time, "monotonic", lambda: now)
        assert train_jax.main(flags(data_dir, tmp_path / "run", "--wall_time", str(wall_time))) == 0
        assert now <= 100 + wall_time
    assert run_files.read_run(str(tmp_path / "run"))["latest"]["batches"] in reached
    if wall_time == 12:
        assert train_jax.main(flags(data_dir, tmp_path / "run")) == 0
        assert_same_run(tmp_path / "run", finished)


def test_a_save_that_fails_leaves_the_one_before_whole(finished, tmp_path, monkeypatch, data_dir):
    shutil.copytree(finished, tmp_path / "run")
    args = train_jax.parse_args(flags(data_dir, tmp_path / "run"))
    run = run_files.Run(args, CONFIG)
    state = run.restore()
    run.batches += 1

    def full(path, write):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(os, "replace", full)
        run.save(state)
    assert_same_run(tmp_path / "run", finished)
    assert not [name for name in os.listdir(tmp_path / "run") if "tmp" in name]


@pytest.mark.parametrize(
    ("changes", "named"),
    [(["--rnn_size", "8"], "rnn_size 16 (now 8)"), (["--optimizer", "rmsprop"], "optimizer"), (["--ema", "0"], "ema")],
    ids=lambda x: str(x),
)
def test_a_resume_with_flags_that_contradict_the_run_is_refused(changes, named, finished, data_dir, capsys):
    assert train_jax.main(flags(data_dir, finished, *changes)) == 1
    assert named in capsys.readouterr().err


def test_ten_steps_in_a_row_that_are_not_finite_end_the_run(finished, data_dir, tmp_path, monkeypatch, capsys):
    shutil.copytree(finished, tmp_path / "run")
    original = steps.Batches.training

    def spoilt(self, step):
        batch = original(self, step)
        batch.y[0, 0, 0] = np.nan
        return batch

    monkeypatch.setattr(steps.Batches, "training", spoilt)
    assert train_jax.main(flags(data_dir, tmp_path / "run", "--nepochs", "4")) == 1
    assert "(10 in a row)" in capsys.readouterr().err
    assert_same_run(tmp_path / "run", finished)


def test_keep_ema_keeps_the_averaged_weights_and_nothing_else(finished, data_dir, tmp_path, monkeypatch, capsys):
    """Stopped between two validations, it validates once more: else what was learned since would be lost."""
    monkeypatch.setattr(run_files, "PART_BYTES", 16384)
    command = flags(data_dir, tmp_path / "run", "--keep", "ema")
    with monkeypatch.context() as patch:
        stop_at(patch, 11, lambda: signal.raise_signal(signal.SIGTERM))
        assert train_jax.main(command) == 128 + signal.SIGTERM
    run = run_files.read_run(str(tmp_path / "run"))
    assert run["latest"] is None and run["best"]["batches"] == 12
    parts = [name for name in sorted(os.listdir(tmp_path / "run")) if name.endswith(".npz")]
    assert parts == run["best"]["files"] and len(parts) > 1
    assert all(os.path.getsize(tmp_path / "run" / name) < 16384 + 1024 for name in parts)
    weights = run_files.load_weights(str(tmp_path / "run"), CONFIG)
    _, imported, trained = import_jax.read_weights(str(tmp_path / "run"))
    assert equal(weights, imported) and trained == 12
    assert train_jax.main(command) == 1
    assert "--keep ema none can go on" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ from and to the suite


@pytest.mark.parametrize("which", ["best", "latest"])
def test_an_imported_run_is_a_checkpoint_with_the_same_weights_bit_for_bit(which, finished, data_dir, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    run = run_files.read_run(str(folder))
    files = run["best"]["files"] if which == "best" else run["latest"]["copies"]["ema"]
    vector = run_files.read_parts(str(folder), files) + np.float32(1e-3)  # else the last step may be the best, too
    np.savez(folder / files[0], values=vector)
    assert import_jax.main([str(folder), "--which", which]) == 0
    model = load_model(find_checkpoint(str(folder)))
    assert dataclasses.asdict(model.config) == dataclasses.asdict(CONFIG)
    found = {name: v.numpy() for name, v in import_jax.vars_by_name(model).items()}
    assert equal(found, run_files.from_vector(vector, run_files.weight_shapes(CONFIG)))
    assert np.concatenate([w.ravel() for w in found.values()]).size == vector.size


def test_weights_of_a_checkpoint_come_back_from_an_export_bit_for_bit(finished, data_dir, tmp_path):
    weights = make_weights(7)
    import_jax.save_model(str(tmp_path / "checkpoint"), tf_model(weights))
    file = str(tmp_path / "weights.npz")
    assert import_jax.main(["--export", str(tmp_path), file]) == 0
    assert equal(run_files.load_weights(file, CONFIG), weights)
    run = train_jax.main(flags(data_dir, tmp_path / "run", "--init_from", file, "--nepochs", "1", "--nbatches", "1"))
    assert run == 0
    first = run_files.read_parts(str(tmp_path / "run"), ["latest-000001-weights-0.npz"])
    # One step of Adam with warm-up moves no weight further than the learning rate.
    assert 0 < np.abs(first - run_files.to_vector(weights, weights)).max() < 0.011


def test_weights_of_another_network_are_refused(finished, tmp_path):
    with pytest.raises(run_files.RunError, match="another network"):
        run_files.load_weights(str(finished), dataclasses.replace(CONFIG, nmixtures=4))
    with pytest.raises(run_files.RunError, match="neither"):
        run_files.load_weights(str(tmp_path), CONFIG)


def test_a_damaged_or_missing_run_cannot_be_imported(finished, tmp_path, capsys):
    folder = tmp_path / "run"
    assert import_jax.main([str(folder)]) == 1
    shutil.copytree(finished, folder)
    part = folder / run_files.read_run(str(folder))["best"]["files"][0]
    part.write_bytes(part.read_bytes()[:100])
    assert import_jax.main([str(folder)]) == 1
    assert capsys.readouterr().err.count("is not a whole run") == 2
    assert not os.path.exists(folder / "checkpoint.index")


def test_the_trainer_needs_nothing_but_jax_numpy_utils_and_the_folders_scribe_and_tools(data_dir, tmp_path):
    """It must start on a machine without TensorFlow, from what its help names."""
    for name in ("scribe", "tools"):
        shutil.copytree(os.path.join(ROOT, name), tmp_path / name)
    shutil.copy(os.path.join(ROOT, "utils.py"), tmp_path)
    code = (
        "import runpy, sys; sys.modules.update(dict.fromkeys(['tensorflow', 'keras', 'optax', 'tqdm', 'matplotlib']));"
        "sys.argv = ['train_jax.py', '--help']; runpy.run_path('tools/train_jax.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--wall_time" in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [["--wall_time", "-1"], ["--wall_time", "inf"], ["--length_multiple", "0"], ["--unroll", "0"], ["--dropout", "0"]],
    ids=" ".join,
)
def test_a_wrong_flag_ends_with_exit_code_2_and_names_it(wrong, capsys):
    with pytest.raises(SystemExit) as caught:
        train_jax.parse_args(wrong)
    assert caught.value.code == 2
    assert wrong[0].lstrip("-") in capsys.readouterr().err.splitlines()[-1]
