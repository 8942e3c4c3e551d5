"""Flags, the learning rate, and the one training step."""

import math
import os
import signal
import types

import numpy as np
import pytest

import train
from model import compute_loss
from scribe.ink.batch import Batch, BatchInHands, network_arrays
from scribe.network import precision
from scribe.network.precision import TYPES, faster_products
from scribe.training.curves import Curves
from scribe.training.run_state import TrainingRun, WeightAverage

import tensorflow as tf  # isort: skip

SIZES = ["--rnn_size", "6", "--nmixtures", "2", "--alphabet", "abc", "--tsteps_per_ascii", "3"]


def make_args(*flags):
    return train.parse_args([*SIZES, *flags])


def make_batch(B=4, T=12, U=4, seed=0):
    rng = np.random.default_rng(seed)
    strokes = rng.normal(0, 1, (B, T + 1, 3)).astype(np.float32)
    strokes[..., 2] = strokes[..., 2] > 1
    one_hot = np.eye(4, dtype=np.float32)[rng.integers(1, 4, (B, U))]
    return Batch(strokes[:, :-1], strokes[:, 1:], np.ones((B, T), np.float32), ["abca"] * B, one_hot)


def parts(*flags):
    """args, model, optimizer, average, and step(batch, number, rate) -> what train_step returns, as NumPy."""
    args = make_args(*flags)
    tf.keras.utils.set_random_seed(args.seed)
    model = train.make_model(args)
    optimizer = train.make_optimizer(args)
    average = WeightAverage(model.trainable_variables, args.ema)
    towers, more = max(1, args.towers), {"accumulate": args.accumulate}
    function = train.make_train_step(model, optimizer, average, args.grad_clip, towers, **more)

    def step(batch, number=0, rate=1e-3):
        result = function(*network_arrays(batch, model.hand_size), rate, number, [args.seed, number])
        return [t.numpy() for t in result]

    step.function = function
    return args, model, optimizer, average, step


def slots(optimizer):
    variables = optimizer.variables() if callable(optimizer.variables) else optimizer.variables
    return [np.array(v) for v in variables]


def state(model, optimizer, average):
    return [*map(np.array, [*model.trainable_variables, *average.values]), *slots(optimizer)]


# ---------------------------------------------------------------------------------------------------------------- flags


@pytest.mark.parametrize(
    "flags",
    [
        ["--rnn_size", "0"],
        ["--nmixtures", "-1"],
        ["--kmixtures", "0"],
        ["--batch_size", "0"],
        ["--nepochs", "0"],
        ["--tsteps", "0"],
        ["--save_every", "0"],
        ["--nbatches", "-1"],
        ["--patience", "-1"],
        ["--validate_every", "-1"],
        ["--dropout", "0"],
        ["--dropout", "1.01"],
        ["--dropout", "-0.5"],
        ["--dropout", "nan"],
        ["--rnn_size", "20000"],
        ["--nepochs", "9999999999"],
        ["--lr_decay", "inf"],
        ["--learning_rate", "0"],
        ["--learning_rate", "nan"],
        ["--lr_decay", "0"],
        ["--grad_clip", "-1"],
        ["--grad_clip", "nan"],
        ["--ema", "1"],
        ["--ema", "-0.1"],
        ["--decay", "1"],
        ["--momentum", "1"],
        ["--warmup", "-1"],
        ["--seed", "-1"],
        ["--seed", str(2**31)],
        ["--data_scale", "0"],
        ["--tsteps_per_ascii", "0"],
        ["--alphabet", "aa"],
        ["--alphabet", ""],
        ["--alphabet", "a\ud800"],
        ["--optimizer", "sgd"],
        ["--lr_schedule", "linear"],
        ["--precision", "float16"],
        ["--rnn_size", "big"],
        ["--no_such_flag"],
    ],
    ids=lambda flags: ascii(" ".join(flags)),
)
def test_a_wrong_flag_ends_with_exit_code_2_and_names_it(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        train.parse_args(flags)
    assert caught.value.code == 2
    assert flags[0].lstrip("-") in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "flags",
    [
        ["--dropout", "1"],
        ["--dropout", "0.05"],
        ["--grad_clip", "0"],
        ["--ema", "0"],
        ["--seed", str(2**31 - 1)],
        ["--warmup", "0"],
        ["--momentum", "0"],
    ],
    ids=" ".join,
)
def test_the_ends_of_a_range_are_admitted(flags):
    name, value = flags[0].lstrip("-"), float(flags[1])
    assert getattr(train.parse_args(flags), name) == value


def test_every_flag_has_a_help_text(capsys):
    with pytest.raises(SystemExit) as caught:
        train.parse_args(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for name in vars(train.parse_args([])):
        assert f"--{name} " in shown


# -------------------------------------------------------------------------------------------------------- learning rate


def test_the_learning_rate_rises_over_the_warm_up_and_then_stays():
    args = make_args("--warmup", "10", "--lr_schedule", "constant", "--learning_rate", "0.5")
    rates = [train.learning_rate(args, step, 1000, 100) for step in range(200)]
    np.testing.assert_allclose(rates[:10], 0.05 * np.arange(1, 11))
    assert set(rates[10:]) == {0.5}


def test_the_cosine_falls_to_a_hundredth_at_the_last_step():
    args = make_args("--warmup", "0", "--learning_rate", "0.5")
    rates = np.array([train.learning_rate(args, step, 100, 10) for step in range(101)])
    np.testing.assert_allclose(rates, 0.5 * (0.01 + 0.99 * 0.5 * (1 + np.cos(math.pi * np.arange(101) / 100))))
    assert rates[0] == 0.5 and math.isclose(rates[100], 0.005) and np.all(np.diff(rates) < 0)


def test_the_learning_rate_is_multiplied_after_every_epoch():
    args = make_args("--warmup", "0", "--lr_schedule", "constant", "--lr_decay", "0.5", "--learning_rate", "1")
    assert [train.learning_rate(args, step, 30, 10) for step in (0, 9, 10, 19, 20)] == [1, 1, 0.5, 0.5, 0.25]


# --------------------------------------------------------------------------------------------------------- the one step


def test_batches_of_all_shapes_share_one_trace_and_the_loss_falls():
    _, model, optimizer, average, step = parts()
    batch = make_batch()
    first = step(batch, rate=1e-2)
    assert bool(first[3]) and first[1] == 48
    for n, shape in enumerate([(4, 12, 4), (2, 7, 3), (1, 3, 1), (5, 20, 9)]):
        assert step(make_batch(*shape), n)[3]
    for n in range(10):
        last = step(batch, n, rate=1e-2)
    assert last[0] < first[0]
    assert step.function.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_batch_that_is_not_finite_changes_nothing(optimizer):
    """No weight, no slot of the optimizer (also not its counter), no average."""
    _, model, opt, average, step = parts("--optimizer", optimizer)
    batch = make_batch()
    step(batch, 0)
    before = state(model, opt, average)
    # The loss of the last one is finite, about 1e29; the squares of its gradient are not.
    for bad, loss_is_finite in ((np.nan, False), (np.inf, False), (1e38, False), (1e15, True)):
        y = batch.y.copy()
        y[1, 2, 0] = bad
        total, _, norm, applied = step(batch._replace(y=y), 1)
        assert not applied and np.isfinite(total) == loss_is_finite and not np.isfinite(norm)
        for found, expected in zip(state(model, opt, average), before, strict=True):
            np.testing.assert_array_equal(found, expected)
    assert step(batch, 1)[3]
    assert any(np.any(f != e) for f, e in zip(state(model, opt, average), before, strict=True))


@pytest.mark.parametrize("clip, share", [("0", 1.0), ("0.01", None), ("1000", 1.0)])
def test_the_gradient_is_clipped_to_the_given_norm_and_zero_means_off(clip, share):
    _, model, optimizer, _, step = parts("--grad_clip", clip, "--momentum", "0", "--ema", "0")
    batch = make_batch()
    with tf.GradientTape() as tape:
        loss = compute_loss(model({"stroke_data": batch.x, "char_seq": batch.one_hot}, training=True), batch.y)
    norm = float(tf.linalg.global_norm(tape.gradient(loss, model.trainable_variables)))
    arguments = [tf.constant(a) for a in network_arrays(batch)]
    given_norm = []
    optimizer.apply_gradients = lambda pairs: given_norm.append(float(tf.linalg.global_norm([g for g, _ in pairs])))
    reported = step.function.python_function(*arguments, tf.constant(1e-3), tf.constant(0), tf.constant([0, 0]))[2]
    np.testing.assert_allclose(reported, norm, rtol=1e-4)  # the one that is reported is that before clipping
    np.testing.assert_allclose(given_norm, [norm if share else float(clip)], rtol=1e-4)


def test_slices_side_by_side_give_the_loss_and_gradient_of_the_whole_batch():
    """Also when there are more slices than lines."""
    _, model, *_ = parts()
    for B in (4, 3, 1):
        batch, results = make_batch(B=B), []
        for towers in (1, 3):
            with tf.GradientTape() as tape:
                seed = tf.zeros([2], tf.int32)
                total, count = train.parallel_loss(model, network_arrays(batch), seed, towers, training=True)
            assert float(count) == 12 * B
            results.append([total, *tape.gradient(total, model.trainable_variables)])
        for found, expected in zip(results[1], results[0], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_parts_of_a_batch_one_after_another_take_the_step_of_the_whole_batch():
    """Also when there are more slices than lines."""
    for B in (4, 3):
        steps = {}
        for accumulate in (1, 2, 3):
            _, _, optimizer, _, step = parts("--accumulate", str(accumulate), "--towers", "2")
            total, count, norm, applied = step(make_batch(B=B))
            assert applied and float(count) == 12 * B
            # The means of the gradients, not the weights: Adam steps as far for a gradient of rounding errors.
            steps[accumulate] = [total, norm, *slots(optimizer)]
        for accumulate in (2, 3):
            for found, expected in zip(steps[accumulate], steps[1], strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_parts_of_a_batch_have_dropout_of_their_own():
    """The parts of a batch are slices like those of towers, with the noise of their number."""
    totals = []
    for flags in (["--accumulate", "4", "--towers", "1"], ["--accumulate", "2", "--towers", "2"], ["--towers", "4"]):
        totals.append(parts("--dropout", "0.5", *flags)[-1](make_batch(B=4))[0])
    assert totals == pytest.approx([totals[0]] * 3, rel=1e-5)


def test_slices_of_a_batch_have_dropout_of_their_own():
    """Two lines that are alike, a slice for each: with the same seed they would lose the same outputs."""
    _, model, *_ = parts("--dropout", "0.5")
    arrays = [np.concatenate([part, part]) for part in network_arrays(make_batch(B=1))]
    x, y, mask, char_seq, *_ = arrays
    seed = tf.constant([3, 4])

    def alone(k):
        dropped = {"stroke_data": x[:1], "char_seq": char_seq[:1], "dropout_seed": tf.random.fold_in(seed, k)}
        return float(train.loss_sum_and_count(model(dropped, training=True), y[:1], mask[:1])[0])

    total, _ = train.parallel_loss(model, arrays, seed, towers=2, training=True)
    assert alone(0) != pytest.approx(alone(1), rel=1e-3)
    assert float(total) == pytest.approx(alone(0) + alone(1), rel=1e-5)
    second = train.parallel_loss(model, arrays, seed, 1, True, part=1, parts=2)[0]
    assert float(second) == pytest.approx(alone(1), rel=1e-5)


def test_curves_are_written_until_they_cannot_be_and_then_told_once(tmp_path):
    said = []
    curves = Curves(str(tmp_path / "logs"), said.append)
    curves.write(7, {"a": 1.5, "b": np.float32(2)})
    curves.close()
    (file,) = (tmp_path / "logs").iterdir()
    events = [(e.step, v.tag) for e in tf.compat.v1.train.summary_iterator(str(file)) for v in e.summary.value]
    assert events == [(7, "a"), (7, "b")] and not said
    (tmp_path / "file").write_text("")
    curves = Curves(str(tmp_path / "file"), said.append)
    for step in range(3):
        curves.write(step, {"a": 1.0})
    curves.close()
    assert len(said) == 1 and "training on without" in said[0] and "\n" not in said[0] and "{{" not in said[0]
    Curves(None, said.append).write(1, {"a": 1.0})
    assert len(said) == 1


def test_the_step_follows_the_loss_of_the_model():
    _, model, *_, step = parts()
    batch = make_batch()
    mask = batch.mask.copy()
    mask[0, 5:] = 0
    expected = compute_loss(model({"stroke_data": batch.x, "char_seq": batch.one_hot}), batch.y, mask)
    total, count, *_ = step(batch._replace(mask=mask))
    np.testing.assert_allclose(total / count, expected, rtol=1e-5)
    assert count == 12 * 3 + 5


@pytest.mark.smoke
def test_rounded_products_take_nearly_the_same_step_and_leave_validation_exact():
    _, model, _, _, step = parts("--ema", "0")
    _, rounded_model, _, _, rounded_step = parts("--ema", "0")
    rounded_model.products = tf.bfloat16
    batch = make_batch()
    exact_loss, rounded_loss = (
        train.make_evaluate_step(m)(*network_arrays(batch))[0].numpy() for m in (model, rounded_model)
    )
    assert exact_loss == rounded_loss
    (total, _, norm, _), (rounded_total, _, rounded_norm, applied) = step(batch), rounded_step(batch)
    assert applied and rounded_total != total
    np.testing.assert_allclose([rounded_total, rounded_norm], [total, norm], rtol=0.01)
    assert all(v.dtype == "float32" for v in rounded_model.trainable_variables)


def test_the_precision_is_the_faster_one_and_a_run_that_goes_on_keeps_its_own(monkeypatch):
    args = make_args()
    assert args.precision == "auto"
    monkeypatch.setattr(train, "faster_products", lambda rows, units: tf.bfloat16)
    assert train.choose_precision(args) == "bfloat16"
    assert train.choose_precision(args, {"precision": "float32"}) == "float32"
    assert train.choose_precision(args, {"rnn_size": 6}) == "float32"  # begun when there was no choice


@pytest.mark.smoke
def test_the_faster_products_are_of_one_of_the_types():
    assert faster_products(rows=4, units=64) in TYPES.values()


@pytest.mark.smoke
def test_the_precision_of_a_small_network_is_no_matter_of_chance(monkeypatch):
    """Else two runs of the same seed would differ where bfloat16 happened to win by a few microseconds."""
    monkeypatch.setattr(precision, "WORTHWHILE", 0.0)  # bfloat16 would win any measurement
    assert faster_products(rows=4, units=64) == tf.bfloat16
    assert faster_products(rows=4, units=8) == tf.float32


def test_dropout_of_a_step_depends_on_seed_and_step_alone():
    _, _, _, _, step = parts("--dropout", "0.5", "--ema", "0")
    losses = [step(make_batch(), number, rate=0.0)[0] for number in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]


def test_validation_averages_over_points_and_over_lines():
    _, model, *_ = parts()
    evaluate_step = train.make_evaluate_step(model)
    batches = [make_batch(seed=1), make_batch(B=2, T=5, seed=2)]
    per_point, per_line = train.evaluate(evaluate_step, batches)
    totals = [float(evaluate_step(*network_arrays(b))[0]) for b in batches]
    np.testing.assert_allclose([per_point, per_line], [sum(totals) / 58, sum(totals) / 6], rtol=1e-5)


# ------------------------------------------------------------------------------------------------------------ the hands


def in_hands(batch, D=3, seed=5):
    rng = np.random.default_rng(seed)
    B, U = batch.one_hot.shape[:2]
    hand, glyphs = rng.normal(size=[B, D]), rng.normal(size=[B, U, D])
    return BatchInHands(*batch, hand.astype(np.float32), glyphs.astype(np.float32))


def hand_parts(*flags):
    args, model, optimizer, average, step = parts("--hand_size", "3", *flags)
    for name, value in vars(model.named_weights).items():
        if name.endswith(("hand_kernel", "glyph_kernel")):
            value.assign(tf.random.normal(value.shape, seed=1))
    return args, model, optimizer, average, step


@pytest.mark.smoke
def test_the_encoder_of_hands_is_saved_but_neither_trained_nor_averaged(tmp_path):
    args, model, optimizer, average, _ = hand_parts("--ema", "0.9")
    encoder = {id(v) for v in model.hand_encoder.variables}
    trained = [*model.trainable_variables, *average.variables]
    assert encoder and not any(id(v) in encoder for v in trained)
    assert len(model.trainable_variables) == len(model.config.shapes)
    slots = optimizer.variables() if callable(optimizer.variables) else optimizer.variables
    assert len(slots) < 2 * len(model.trainable_variables) + 4
    run = TrainingRun(str(tmp_path), model, optimizer, average)
    assert encoder <= {id(v) for v in run.variables}


def test_a_step_in_hands_follows_the_loss_of_the_model_in_those_hands_and_teaches_them():
    _, model, _, _, step = hand_parts("--ema", "0")
    before = {name: np.array(v) for name, v in vars(model.named_weights).items() if hasattr(v, "assign")}
    encoder = [np.array(v) for v in model.hand_encoder.variables]
    batch = in_hands(make_batch())
    given = {"stroke_data": batch.x, "char_seq": batch.one_hot, "hand": batch.hand, "glyphs": batch.glyphs}
    expected = compute_loss(model(given), batch.y, batch.mask)
    evaluated = train.evaluate(train.make_evaluate_step(model, towers=2), [batch], 3)[0]
    total, count, *_ = step(batch)
    np.testing.assert_allclose([total / count, evaluated], expected, rtol=1e-5)
    assert all(np.any(np.array(getattr(model.named_weights, name)) != value) for name, value in before.items())
    assert all((np.array(v) == old).all() for v, old in zip(model.hand_encoder.variables, encoder, strict=True))
    plain = train.evaluate(train.make_evaluate_step(model), [make_batch()], 3)[0]
    np.testing.assert_allclose(plain, compute_loss(model(given | without_hand(batch)), batch.y, batch.mask), rtol=1e-5)


def without_hand(batch):
    return {"hand": np.zeros_like(batch.hand), "glyphs": np.zeros_like(batch.glyphs)}


def test_the_mean_of_both_validations_decides_what_is_best(tmp_path, monkeypatch):
    args, model, optimizer, average, _ = hand_parts("--ema", "0")
    run = TrainingRun(str(tmp_path), model, optimizer, average)
    run.start({})
    asked, written, logger = [], {}, Lines()

    class Loader:
        hands = object()  # what is told of them

        def validation_batches(self, in_hands=False):
            asked.append(in_hands)
            return [in_hands]

    losses = {}
    monkeypatch.setattr(train, "evaluate", lambda step, batches, size: (losses[batches[0]], 10 * losses[batches[0]]))
    curves = types.SimpleNamespace(write=lambda step, values: written.update(values), show=lambda step, pictures: None)
    for without, within, best, stale in ((-1.0, -2.0, -1.5, 0), (-1.4, -1.5, -1.5, 1), (-1.1, -2.1, -1.6, 0)):
        losses.update({False: without, True: within})
        train.validate(args, run, average, None, Loader(), curves, logger)
        assert run.best_loss == pytest.approx(best) and run.stale == stale
        assert written["validation/nats_per_point"] == pytest.approx((without + within) / 2)
        assert written["validation/nats_per_point_without_hand"] == without
        assert written["validation/nats_per_line_in_hand"] == 10 * within
        assert f"{without:.4f} without a hand and {within:.4f} in the hand" in logger.lines[-1]
    assert asked == [False, True] * 3


# ------------------------------------------------------------------------------------------------------------- the loop


class FakeLoader:
    """Batches in memory; `spoil(step)` says which are not finite, `on_batch(step)` is told of each."""

    num_batches = 5
    hands = None

    def __init__(self, spoil=lambda step: False, on_batch=lambda step: None):
        self.spoil, self.on_batch = spoil, on_batch
        self.valid_stroke_data = [0]

    def batch(self, n):
        self.on_batch(n)
        batch = make_batch(seed=n % 5)
        return batch._replace(y=batch.y * np.float32(np.nan)) if self.spoil(n) else batch

    def validation_batches(self):
        return [make_batch(seed=99)]


class Lines:
    def __init__(self):
        self.lines = []

    def write(self, text, print_it=True):
        self.lines.append(text)


def quick_train_step(model, optimizer, average, *_):
    """Stands in for `make_train_step`: what the loop sees of a step, without the seconds that it takes to trace one."""
    optimizer.build(model.trainable_variables)

    def step(x, y, mask, char_seq, hand, glyphs, rate, step, dropout_seed):
        finite = bool(np.isfinite(y).all())
        if finite:
            model.trainable_variables[0].assign_add(tf.ones_like(model.trainable_variables[0]) * rate)
            average.update(step)
        return [tf.constant(v) for v in (1.0 if finite else math.nan, 2.0, 3.0, finite)]

    return step


@pytest.fixture
def run_loop(monkeypatch):
    """run_loop(folder, loader, *flags) -> exit code and messages of `train.train`; every validation loss is 1.5."""
    monkeypatch.setattr(train, "make_train_step", quick_train_step)
    monkeypatch.setattr(train, "make_evaluate_step", lambda *_: lambda *_: (tf.constant(3.0), tf.constant(2.0)))

    def run(folder, loader, *flags):
        args = make_args(
            "--save_path",
            str(folder / "run"),
            "--log_dir",
            str(folder / "logs"),
            "--towers",
            "1",
            "--no_pictures",
            *flags,
        )
        logger = Lines()
        return train.train(args, loader, logger), logger.lines

    return run


def latest(folder):
    return sorted(int(n[5:-6]) for n in os.listdir(folder / "run" / "latest") if n.endswith(".index"))


def test_ten_steps_that_are_not_finite_in_a_row_end_the_run_and_keep_the_checkpoint(run_loop, tmp_path):
    assert run_loop(tmp_path, FakeLoader(), "--nepochs", "1", "--save_every", "2")[0] == 0
    files = {n: (tmp_path / "run" / "latest" / n).read_bytes() for n in os.listdir(tmp_path / "run" / "latest")}
    code, lines = run_loop(tmp_path, FakeLoader(spoil=lambda n: True), "--nepochs", "9", "--save_every", "2")
    assert code == 1 and "Error: 10 such steps in a row" in lines[-1]
    assert files == {n: (tmp_path / "run" / "latest" / n).read_bytes() for n in os.listdir(tmp_path / "run" / "latest")}


def test_bad_steps_that_are_not_in_a_row_do_not_end_the_run(run_loop, tmp_path):
    code, lines = run_loop(
        tmp_path, FakeLoader(spoil=lambda n: n % 12 > 2), "--nepochs", "6", "--validate_every", "100"
    )
    assert code == 0 and sum("not finite" in line for line in lines) == 30 - 9


def test_a_bad_last_step_does_not_lose_the_run(run_loop, tmp_path):
    """It is validated and saved all the same."""
    code, _ = run_loop(tmp_path, FakeLoader(spoil=lambda n: n == 4), "--nepochs", "1")
    assert code == 0 and latest(tmp_path) == [5]
    assert os.path.exists(tmp_path / "run" / "best" / "ckpt-5.index")


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("spoiled", [False, True], ids=["good step", "bad step"])
def test_a_signal_saves_first(run_loop, tmp_path, number, code, spoiled):
    loader = FakeLoader(spoil=lambda n: spoiled and n == 2, on_batch=lambda n: n == 2 and os.kill(os.getpid(), number))
    found, lines = run_loop(tmp_path, loader, "--nepochs", "4")
    assert found == code and latest(tmp_path) == [3]
    assert "Saved at step 3" in lines[-1] and signal.Signals(number).name in lines[-1]


def test_a_signal_that_comes_after_the_decision_to_save_is_not_lost(run_loop, tmp_path, monkeypatch):
    """It must never say "saved" of a step that was not."""

    class Late(train.Interrupt):
        asked = 0

        @property
        def signal(self):
            self.asked += 1
            return signal.SIGTERM if self.asked > 1 else None  # arrives between the first look and the second

        @signal.setter
        def signal(self, value):
            pass

    monkeypatch.setattr(train, "Interrupt", Late)
    code, lines = run_loop(tmp_path, FakeLoader(), "--nepochs", "4")
    assert code == 143
    said = int(next(line for line in lines if line.startswith("Saved at step")).split()[3])
    assert latest(tmp_path) == [said]


def test_after_a_run_the_signals_belong_to_the_caller_again(run_loop, tmp_path):
    """Else Ctrl-C in a notebook would do nothing any more."""
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    run_loop(tmp_path, FakeLoader(), "--nepochs", "1")
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_run_that_patience_has_ended_does_not_go_on(run_loop, tmp_path):
    """The same command again must leave what an uninterrupted run leaves."""
    flags = ("--nepochs", "50", "--patience", "2", "--validate_every", "1")
    code, lines = run_loop(tmp_path, FakeLoader(), *flags)
    assert code == 0 and latest(tmp_path)[-1] == 3 and "Done: 3 steps" in lines[-1]
    code, lines = run_loop(tmp_path, FakeLoader(), *flags)
    assert code == 0 and latest(tmp_path)[-1] == 3 and "Done: 3 steps" in lines[-1]


def test_best_is_the_lowest_validation_and_a_worse_one_does_not_replace_it(run_loop, tmp_path, monkeypatch):
    losses = iter([3.0, 2.0, 2.5, 2.0, math.nan])
    monkeypatch.setattr(train, "evaluate", lambda *_: (next(losses), 0.0))
    code, lines = run_loop(tmp_path, FakeLoader(), "--nepochs", "5")
    assert code == 0 and [n for n in os.listdir(tmp_path / "run" / "best") if n.endswith(".index")] == ["ckpt-10.index"]
    assert "lowest validation loss 2.0" in lines[-1]


def test_a_run_writes_curves(run_loop, tmp_path):
    run_loop(tmp_path, FakeLoader(), "--nepochs", "1")
    assert any("tfevents" in name for name in os.listdir(tmp_path / "logs"))


@pytest.mark.slow
def test_training_can_start_after_tensorflow_has(tmp_path, capsys):
    """In a notebook TensorFlow has already run something, and its threads can no longer be set."""
    from data_helpers import write_data

    write_data(tmp_path / "data", lines=20)
    tf.zeros([1]) + 1
    flags = ["--data_dir", tmp_path / "data", "--save_path", tmp_path / "run", "--log_dir", tmp_path / "logs"]
    sizes = ["--rnn_size", 4, "--nmixtures", 1, "--batch_size", 8, "--nepochs", 1, "--nbatches", 1, "--towers", 2]
    assert train.main([str(f) for f in [*flags, *sizes]]) == 0, capsys.readouterr().err
