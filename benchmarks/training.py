"""Measures training: speed against plain Keras and against the machine's own limit, peak memory, and how both grow.

    python3 benchmarks/training.py                                        # the default network, about ten minutes
    python3 benchmarks/training.py --data_dir data --json training.json   # whole lines of real handwriting
    python3 benchmarks/training.py --lengths 320 --batches 16 --sizes 100 --no-reference    # in a minute

It times, in turns, the suite's `train_step`, the same network out of `tf.keras.layers.RNN(AttentionLSTMCell)` and
`tf.keras.layers.LSTM` under automatic differentiation, and products of large float32 matrices; medians count. First,
both networks have to give the same loss for the same weights. The middle value of --lengths, --batches and --sizes is
the base configuration; each list is then walked through with the other two held.

Each of the three lives in a process of its own, and one computes at a time: the suite sets TensorFlow's threads for its
own use, which would slow the others down, and peak memory belongs to a process.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from model import AttentionLSTMCell, HandwritingModel, loss_sum_and_count, split_head
from scribe.console import run_command, say
from scribe.files.atomic import save_json
from scribe.ink.alphabet import ALPHABET
from scribe.ink.batch import Batch, make_batch, network_arrays
from scribe.network.config import POINT_SIZE, ModelConfig
from scribe.network.precision import TYPES
from scribe.network.tf_setup import GPUS, one_thread_per_operation, tf
from scribe.training.run_state import WeightAverage
from train import default_towers, make_evaluate_step, make_optimizer, make_train_step
from utils import DataLoader

GRAD_CLIP, EMA = 1.0, 0.998  # as in train.py
POINTS_PER_CHARACTER = 25
TOLERANCE = 1e-4  # between the losses of the two networks, relative where the loss is above 1
MIB = 2**20


class Configuration(NamedTuple):
    """What is measured: pen points a line, lines a batch, units in each LSTM."""

    length: int
    batch: int
    size: int


# ------------------------------------------------------------------------------------------------------- the reference


class PlainKerasModel:
    """The network of `HandwritingModel` from Keras' layers alone, with the same weights: what one writes first.

    Args:
        model: the HandwritingModel whose weights are copied.
    """

    def __init__(self, model):
        self.nmixtures = model.nmixtures
        self.cell = AttentionLSTMCell(model.rnn_size, model.kmixtures, model.char_vec_len)
        self.lstm0 = tf.keras.layers.RNN(self.cell, return_sequences=True)
        self.lstm1 = tf.keras.layers.LSTM(model.rnn_size, return_sequences=True)
        self.lstm2 = tf.keras.layers.LSTM(model.rnn_size, return_sequences=True)
        self.mdn = tf.keras.layers.Dense(1 + 6 * model.nmixtures)
        self.lstm0.build((None, None, POINT_SIZE))
        for lstm in (self.lstm1, self.lstm2):
            lstm.build((None, None, POINT_SIZE + model.char_vec_len + model.rnn_size))
        self.mdn.build((None, None, 3 * model.rnn_size))

        pairs = [(self.cell.attention, model.attention_layer), (self.mdn, model.mdn_layer)]
        pairs += [(self.cell, model.lstm0), (self.lstm1.cell, model.lstm1.cell), (self.lstm2.cell, model.lstm2.cell)]
        self.trainable_variables = []
        for own, other in pairs:
            for name in ("kernel", "recurrent_kernel", "bias"):
                if hasattr(own, name):
                    getattr(own, name).assign(getattr(other, name))
                    self.trainable_variables.append(getattr(own, name))

    def __call__(self, x, char_seq):
        """x [B, T, 3], char_seq [B, U, A] -> the density of every next point, as `HandwritingModel` returns it."""
        self.cell.char_seq = char_seq
        h0, w = tf.split(self.lstm0(x), [self.cell.units, self.cell.char_vec_len], axis=-1)
        self.cell.char_seq = None
        h1 = self.lstm1(tf.concat([x, w, h0], axis=-1))
        h2 = self.lstm2(tf.concat([x, w, h1], axis=-1))
        return split_head(self.mdn(tf.concat([h0, h1, h2], axis=-1)), self.nmixtures)


def _signature(model):
    spec = tf.TensorSpec
    points = [spec([None, None, POINT_SIZE]), spec([None, None, POINT_SIZE]), spec([None, None])]
    return [*points, spec([None, None, model.char_vec_len])]


def make_reference_step(model, reference, optimizer):
    """A tf.function by automatic differentiation: (x, y, mask, char_seq) -> (loss in nats per point, gradient norm)."""
    variables = reference.trainable_variables
    optimizer.build(variables)

    @tf.function(input_signature=_signature(model))
    def step(x, y, mask, char_seq):
        with tf.GradientTape() as tape:
            total, count = loss_sum_and_count(reference(x, char_seq), y, mask)
            loss = total / tf.maximum(count, 1.0)
        gradients = tape.gradient(loss, variables)
        gradients, norm = _clip(gradients)
        optimizer.apply_gradients(zip(gradients, variables))
        return loss, norm

    return step


def _clip(gradients):
    norm = tf.linalg.global_norm(gradients)
    return tf.clip_by_global_norm(gradients, GRAD_CLIP, use_norm=norm)[0], norm


# ------------------------------------------------------------------------------------------------------------- batches


def load_lines(data_dir, longest):
    """All lines to train on of a data folder: (strokes in model units, texts)."""
    loader = DataLoader(SimpleNamespace(data_dir=data_dir, batch_size=1, tsteps=max(1300, 2 * longest)))
    return loader.stroke_data, loader.ascii_data


def synthetic_lines(count, length, seed=0):
    """Random lines of about `length` points, as alike as those of one bucket of the loader: (strokes, texts)."""
    rng = np.random.default_rng([seed, length])
    strokes, texts = [], []
    for n in rng.integers(int(0.95 * length), int(1.05 * length), count, endpoint=True):
        line = np.zeros((n + 1, POINT_SIZE), np.float32)
        line[1:, :2] = rng.normal([0.1, 0.0], [0.2, 0.2], (n, 2))
        line[:, 2] = rng.random(n + 1) < 1 / POINTS_PER_CHARACTER
        strokes.append(line)
        texts.append("".join(rng.choice(list(ALPHABET), max(1, n // POINTS_PER_CHARACTER))))
    return strokes, texts


def batch_for(configuration, lines=None):
    """A padded batch of `configuration`; of `lines` (strokes, texts), the ones whose length is nearest."""
    strokes, texts = lines or synthetic_lines(configuration.batch, configuration.length)
    distances = [abs(len(line) - 1 - configuration.length) for line in strokes]
    chosen = np.argsort(distances, kind="stable")[: configuration.batch]
    return make_batch([strokes[i] for i in chosen], [texts[i] for i in chosen])


# -------------------------------------------------------------------------------------------------------- the two steps


def make_model(configuration, args):
    """The network of a configuration, always with the same weights."""
    tf.keras.utils.set_random_seed(0)
    return HandwritingModel(
        SimpleNamespace(
            rnn_size=configuration.size, nmixtures=args.nmixtures, kmixtures=args.kmixtures, alphabet=ALPHABET,
            tsteps_per_ascii=POINTS_PER_CHARACTER,
        )
    )  # fmt: skip


def _optimizer():
    # A learning rate of 0 is as much work as any other, and all runs see the same weights.
    return make_optimizer(SimpleNamespace(optimizer="adam", learning_rate=0.0, momentum=0.9, decay=0.99))


def make_run(name, configuration, args, batch):
    """A function without arguments that takes one training step of "suite" or "keras": (loss, gradient norm)."""
    model = make_model(configuration, args)
    model.products = TYPES[args.precision]
    tensors = [tf.constant(array) for array in network_arrays(batch)]
    if name == "keras":
        step = make_reference_step(model, PlainKerasModel(model), _optimizer())
        return lambda: tuple(float(t) for t in step(*tensors[:4]))  # without the arrays of a hand
    average = WeightAverage(model.trainable_variables, EMA)
    towers = towers_for(args, configuration.batch)
    train_step = make_train_step(model, _optimizer(), average, GRAD_CLIP, towers, accumulate=args.accumulate)

    def run_suite():
        total, count, norm, _ = (t.numpy() for t in train_step(*tensors, 0.0, 0, [0, 0]))
        return float(total / count), float(norm)

    return run_suite


def towers_for(args, batch):
    """Slices of a batch, as train.py chooses them."""
    return args.towers or default_towers(batch // args.accumulate)


def check_equal(configuration, args, batch):
    """Raises ValueError unless both networks give the same loss for the same weights; returns both losses.

    A few short lines are enough: a difference in the networks shows at the first points.
    """
    model = make_model(configuration, args)
    reference = PlainKerasModel(model)
    points = [tf.constant(array[:8, :100]) for array in (batch.x, batch.y, batch.mask)]
    tensors = [*points, tf.constant(batch.one_hot[:8])]
    hands = [tf.constant(array[:8]) for array in network_arrays(batch)[4:]]
    total, count = make_evaluate_step(model)(*tensors, *hands)
    reference_loss = tf.function(
        lambda x, y, mask, char_seq: loss_sum_and_count(reference(x, char_seq), y, mask),
        input_signature=_signature(model),
    )
    reference_total, reference_count = reference_loss(*tensors)
    losses = float(total / count), float(reference_total / reference_count)
    if not _close(*losses):
        raise ValueError(
            f"with the same weights the suite's loss is {losses[0]:.6f} and plain Keras' {losses[1]:.6f} nats/point: "
            "they are not the same network, so their speeds say nothing about each other."
        )
    return losses


def _close(a, b, tolerance=TOLERANCE):
    return abs(a - b) <= tolerance * max(1.0, abs(a))


# --------------------------------------------------------------------------------------------------------- measurement


def make_matmul(square, precision):
    """A function without arguments: one product of two squares."""
    a = tf.cast(tf.random.stateless_normal([square, square], [0, 1]), TYPES[precision])
    b = tf.cast(tf.random.stateless_normal([square, square], [0, 2]), TYPES[precision])
    # A number is read back: without it a GPU would only have queued the product.
    return lambda: float(tf.matmul(a, b)[0, 0])


def peak_memory():
    """The largest resident set that this process has had, in bytes."""
    try:
        # Not getrusage: on Linux its value survives the start of a program, so that a child reports its parent's peak.
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        try:
            import resource
        except ImportError:  # Windows
            return None
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Worker:
    """A process that takes one step, of a network or of matrix products, each time it is asked to.

    Args:
        name: "suite", "keras" or "matmul". configuration, batch: what to train; None for "matmul".
    """

    def __init__(self, name, args, configuration=None, batch=None):
        self.name = name
        self.files = contextlib.ExitStack()
        request = {"name": name, "configuration": configuration and configuration._asdict()}
        if batch is not None:
            # The worker gets the batch alone: a whole data set in its memory would hide the training.
            folder = self.files.enter_context(tempfile.TemporaryDirectory())
            request["batch"] = os.path.join(folder, "batch.npz")
            np.savez(request["batch"], x=batch.x, y=batch.y, mask=batch.mask, one_hot=batch.one_hot)
        command = [sys.executable, os.path.abspath(__file__), "--worker", json.dumps(request)]
        for flag in ("nmixtures", "kmixtures", "square", "towers", "precision", "accumulate"):
            command += [f"--{flag}", str(getattr(args, flag))]
        self.errors = self.files.enter_context(tempfile.TemporaryFile("w+"))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()  # the worker's loop ends
        self.process.wait()
        self.process.stdout.close()
        self.files.close()

    def step(self):
        """{"seconds", "result", "peak", "before"}: see `work`."""
        try:
            self.process.stdin.write("step\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            self.process.wait()
            self.errors.seek(0)
            reason = (self.errors.read().strip().splitlines() or ["no message"])[-1]
            raise ValueError(f"the process of {self.name} ended with exit code {self.process.returncode}: {reason}")
        return json.loads(answer)


def work(request, args):
    """The worker's side: for each line of stdin one step, and one line of JSON about it."""
    if request["name"] == "matmul":
        run = make_matmul(args.square, args.precision)
    else:
        configuration = Configuration(**request["configuration"])
        with np.load(request["batch"]) as arrays:
            batch = Batch(texts=[], **arrays)
        if request["name"] == "suite" and towers_for(args, configuration.batch) > 1:
            one_thread_per_operation(towers_for(args, configuration.batch))
        run = make_run(request["name"], configuration, args, batch)
    before = peak_memory()  # TensorFlow, the weights and the batch
    for _ in sys.stdin:
        start = time.perf_counter()
        result = run()
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "result": result, "peak": peak_memory(), "before": before}), flush=True)
    return 0


def measure(configuration, args, lines, with_reference, matmul):
    """One row of the table, a dict."""
    batch = batch_for(configuration, lines)
    configuration = configuration._replace(batch=len(batch.texts))
    names = ["suite", "keras"] if with_reference else ["suite"]
    with contextlib.ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(name, args, configuration, batch)) for name in names}
        warm = {name: worker.step()["result"] for name, worker in workers.items()}  # traces, touches all memory once
        if with_reference and not all(_close(a, b, 10 * TOLERANCE) for a, b in zip(warm["suite"], warm["keras"])):
            raise ValueError(f"loss and gradient norm of a step differ: {warm['suite']} and {warm['keras']}.")
        steps, rates = {name: [] for name in names}, []
        for _ in range(args.repeats):  # in turns, so that a busy spell of the machine strikes all alike
            for name, worker in workers.items():
                steps[name].append(worker.step())
            rates.append(2 * args.square**3 / matmul.step()["seconds"])
    points, parameters = float(batch.mask.sum()), _parameters(configuration, args)
    row = {
        **configuration._asdict(),
        "points_per_line": points / len(batch.texts),
        "padded_to": batch.x.shape[1],
        "parameters": parameters,
        "matmul_rates": rates,
    }
    for name in names:
        seconds, last = [step["seconds"] for step in steps[name]], steps[name][-1]
        points_per_second = points / statistics.median(seconds)
        row[name] = {
            "seconds": seconds,
            "points_per_second": points_per_second,
            "flops": 6 * parameters * points_per_second,
            "peak_bytes": last["peak"],
            "bytes_of_steps": last["peak"] and last["peak"] - last["before"],
        }
    return row


def _parameters(configuration, args):
    return ModelConfig(configuration.size, args.nmixtures, args.kmixtures, ALPHABET).weights


# --------------------------------------------------------------------------------------------------------------- report


def report(title, rows, machine_rate):
    """One table on stdout; the growth columns compare with its first row."""
    print(f"\n{title}")
    print(
        f"{'size':>5} {'batch':>5} {'points':>6} {'M param':>7} | {'points/s':>9} {'of matmul':>9} {'s/step':>7} "
        f"{'x first':>7} {'peak MiB':>8} {'steps MiB':>9} {'x first':>7} | "
        f"{'keras':>9} {'of matmul':>9} {'peak MiB':>8} | {'speedup':>7}"
    )
    first = rows[0]["suite"]
    for row in rows:
        suite, keras = row["suite"], row.get("keras")
        step = statistics.median(suite["seconds"])
        text = f"{row['size']:>5} {row['batch']:>5} {row['points_per_line']:>6.0f} {row['parameters'] / 1e6:>7.2f} | "
        text += f"{suite['points_per_second']:>9.0f} {suite['flops'] / machine_rate:>9.1%} {step:>7.2f} "
        text += f"{step / statistics.median(first['seconds']):>7.2f} {_mib(suite['peak_bytes']):>8} "
        text += f"{_mib(suite['bytes_of_steps']):>9} {_ratio(suite['bytes_of_steps'], first['bytes_of_steps']):>7} | "
        if keras:
            text += f"{keras['points_per_second']:>9.0f} {keras['flops'] / machine_rate:>9.1%} "
            text += f"{_mib(keras['peak_bytes']):>8} | "
            text += f"{suite['points_per_second'] / keras['points_per_second']:>6.2f}x"
        else:
            text += f"{'-':>9} {'-':>9} {'-':>8} | {'-':>7}"
        print(text)


def _mib(value):
    return "-" if value is None else f"{value / MIB:.0f}"


def _ratio(a, b):
    return f"{a / b:.2f}" if a and b else "-"


def _one_dnn():
    try:
        from tensorflow.python.util import _pywrap_util_port

        return bool(_pywrap_util_port.IsMklEnabled())
    except (ImportError, AttributeError):
        return None


def parse_args(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lengths", type=int, nargs="+", default=[320, 640, 1280], help="pen points a line")
    p.add_argument("--batches", type=int, nargs="+", default=[16, 32, 64], help="lines in a batch")
    p.add_argument("--sizes", type=int, nargs="+", default=[100, 400, 900], help="units in each of the three LSTMs")
    p.add_argument("--nmixtures", type=int, default=20, help="components of the mixture density")
    p.add_argument("--kmixtures", type=int, default=1, help="components of the window over the text")
    p.add_argument("--repeats", type=int, default=5, help="timed steps of each kind, in turns; their median counts")
    p.add_argument("--square", type=int, default=4096, help="side of the matrices that give the machine's own rate")
    p.add_argument(
        "--reference",
        action=argparse.BooleanOptionalAction,
        help="time plain Keras in every configuration, or in none (without either flag: in the base; it is slow)",
    )
    p.add_argument("--data_dir", default=None, help="folder with strokes_training_data.cpkl (without: random lines)")
    p.add_argument("--json", default=None, metavar="FILE", help="file for everything that was measured")
    p.add_argument("--towers", type=int, default=0, help="slices of a batch, as in train.py (0 = as train.py chooses)")
    p.add_argument(
        "--precision", choices=TYPES, default="float32", help="type of the factors in large products; Keras has float32"
    )
    p.add_argument("--accumulate", type=int, default=1, help="parts of a batch one after another, as in train.py")
    p.add_argument("--worker", default=None, help=argparse.SUPPRESS)
    args = p.parse_args(argv)
    for name in ("lengths", "batches", "sizes"):
        if min(getattr(args, name)) < 1:
            p.error(f"--{name} has {min(getattr(args, name))}: every one has to be 1 or more")
        setattr(args, name, sorted(set(getattr(args, name))))
    for name in ("nmixtures", "kmixtures", "repeats", "square", "accumulate"):
        if getattr(args, name) < 1:
            p.error(f"--{name} is {getattr(args, name)}: it has to be 1 or more")
    return args


def run(args):
    """The whole benchmark; returns what was measured, a dict."""
    lines = load_lines(args.data_dir, max(args.lengths)) if args.data_dir else None
    base = Configuration(*(values[len(values) // 2] for values in (args.lengths, args.batches, args.sizes)))
    sweeps = {
        "Growth with length": [base._replace(length=value) for value in args.lengths],
        "Growth with batch": [base._replace(batch=value) for value in args.batches],
        "Growth with size": [base._replace(size=value) for value in args.sizes],
    }
    losses = check_equal(base, args, batch_for(base, lines))
    say(f"Same weights, same loss: {losses[0]:.6f} (suite), {losses[1]:.6f} (plain Keras) nats/point.")

    configurations = dict.fromkeys([base, *(c for sweep in sweeps.values() for c in sweep)])
    rows = {}
    with Worker("matmul", args) as matmul:
        matmul.step()
        for number, configuration in enumerate(configurations, 1):
            say(f"[{number}/{len(configurations)}] {configuration}")
            with_reference = configuration == base if args.reference is None else args.reference
            rows[configuration] = measure(configuration, args, lines, with_reference, matmul)
    machine_rate = max(rate for row in rows.values() for rate in row["matmul_rates"])

    one_dnn = {True: "on", False: "off", None: "unknown"}[_one_dnn()]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
    machine += f"TensorFlow {tf.__version__}, Keras {importlib.metadata.version('keras')}, oneDNN {one_dnn}, "
    machine += f"{towers_for(args, base.batch)} towers"
    print(machine)
    print(f"{args.precision} matrix products: {machine_rate / 1e9:.0f} GFLOP/s (best of {args.square} x {args.square})")
    print(
        f"Lines: {'real, from ' + args.data_dir if args.data_dir else 'random'}; "
        f"M={args.nmixtures}, K={args.kmixtures}; median of {args.repeats}; "
        "'of matmul' counts 6 x parameters x points; 'steps MiB' is the part of the peak that the training steps added."
    )
    report("Base", [rows[base]], machine_rate)
    for title, sweep in sweeps.items():
        if len(sweep) > 1:
            report(title, [rows[configuration] for configuration in sweep], machine_rate)
    if "keras" in rows[base]:
        suite, keras = rows[base]["suite"], rows[base]["keras"]
        print(
            f"\nTraining runs at {suite['points_per_second'] / keras['points_per_second']:.2f} times the speed of "
            f"plain Keras and at {suite['flops'] / machine_rate:.1%} of the machine's own rate."
        )
    return {
        "machine": machine,
        "matmul_flops": machine_rate,
        "losses": losses,
        "base": base._asdict(),
        "flags": {name: value for name, value in vars(args).items() if name != "worker"},
        "rows": list(rows.values()),
    }


def main(argv=None):
    args = parse_args(argv)
    for gpu in GPUS:
        tf.config.experimental.set_memory_growth(gpu, True)

    def measure_all():
        if args.worker:
            return work(json.loads(args.worker), args)
        result = run(args)
        if args.json:
            save_json(args.json, result)
        return 0

    return run_command(measure_all)


if __name__ == "__main__":
    sys.exit(main())
