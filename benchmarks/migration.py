"""Measures the archived TensorFlow 1 program and this suite side by side: training, sampling, memory, loss.

    python3 benchmarks/migration.py --tf1_python PYTHON --data_dir data                 # speed and memory, ten minutes
    python3 benchmarks/migration.py --tf1_python PYTHON --data_dir data --points 1500000    # and the loss after as many

PYTHON is the interpreter of legacy_tf1/README.md. Each of the four jobs (two programs, training and sampling) has a
process of its own; they work in turns, one at a time, and medians count. On a machine that has other work to do, points
per CPU second (of all threads of the process) are the better measure. Both programs train with their
own defaults, except for the sizes, which are those of the TensorFlow 1 program. That trains on the first 150 points of
32 lines, the suite on 16 whole lines. Points are real ones, padding does not count.

With --points both train as many of them from the start, and the losses of both are computed by the suite's own
evaluation, over the same validation lines: the TensorFlow 1 checkpoint is converted first.
"""

# A worker runs this file with Python 3.7 and TensorFlow 1.15, too: no newer syntax, and imports where they are used.

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from types import SimpleNamespace

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Those of the TensorFlow 1 program; --rnn_size changes the first.
SIZES = {"rnn_size": 100, "nmixtures": 8, "kmixtures": 1}
TF1_BATCH, TF1_POINTS, TF2_BATCH = 32, 150, 16
SAMPLED_POINTS, SAMPLED_LINES = 300, 32
TEXT = "Quiet rivers carve it"
JOBS = ("tf1-train", "tf2-train", "tf1-sample", "tf2-sample", "tf2-sample-many")


# -------------------------------------------------------------------------------------------------------- the workers


def tf1_args(data_dir, train):
    return SimpleNamespace(
        train=train, tsteps=TF1_POINTS, batch_size=TF1_BATCH, dropout=0.85, grad_clip=10.0, optimizer="rmsprop",
        data_dir=data_dir, data_scale=50, tsteps_per_ascii=25, style=-1, bias=1.0,
        alphabet=" abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", **SIZES
    )  # fmt: skip


def tf1_job(job, data_dir):
    """A function without arguments that does one piece of work and returns its number of points."""
    sys.path.insert(0, os.path.join(ROOT, "legacy_tf1"))
    import numpy as np
    import tensorflow as tf

    from model import Model
    from sample import sample
    from utils import DataLoader

    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    logger = SimpleNamespace(write=lambda text: None)
    args = tf1_args(data_dir, job == "tf1-train")
    model = Model(args, logger)
    if job == "tf1-sample":
        args.tsteps = SAMPLED_POINTS
        chance = np.random.RandomState(1)
        return lambda: len(sample(TEXT, model, args, chance)[0])
    loader = DataLoader(args, logger)
    model.sess.run([model.learning_rate.assign(1e-4), model.decay.assign(0.95), model.momentum.assign(0.9)])
    feed = model.zero_states()

    def train():
        feed[model.input_data], feed[model.target_data], _, feed[model.char_seq] = loader.next_batch()
        model.sess.run([model.cost, model.train_op], feed)
        return TF1_BATCH * TF1_POINTS

    return train


def tf2_job(job, data_dir):
    """The same as `tf1_job` for this suite."""
    sys.path.insert(0, ROOT)
    from model import HandwritingModel
    from sample import sample_batch
    from scribe.ink.batch import network_arrays
    from scribe.network.tf_setup import one_thread_per_operation
    from scribe.training.run_state import WeightAverage
    from train import default_towers, make_optimizer, make_train_step, parse_args
    from utils import DataLoader

    args = parse_args(["--data_dir", data_dir, "--batch_size", str(TF2_BATCH)])
    for name, value in SIZES.items():
        setattr(args, name, value)
    if job.startswith("tf2-sample"):
        one_thread_per_operation()
        model = HandwritingModel(args)
        texts = [TEXT] * (SAMPLED_LINES if job == "tf2-sample-many" else 1)
        return lambda: sum(len(line.strokes) for line in sample_batch(texts, model, tsteps=SAMPLED_POINTS))
    towers = default_towers(TF2_BATCH)
    one_thread_per_operation(towers)
    model = HandwritingModel(args)
    optimizer = make_optimizer(args)
    step = make_train_step(model, optimizer, WeightAverage(model.trainable_variables, args.ema), args.grad_clip, towers)
    loader, number = DataLoader(args), iter(range(10**9))

    def train():
        n = next(number)
        batch = loader.batch(n)
        step(*network_arrays(batch), 1e-3, n, [0, n])
        return int(batch.mask.sum())

    return train


def peak_memory():
    """The largest resident set of this process so far, in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


def work(job, data_dir):
    """For each line of stdin, a number of pieces of work, one line of JSON."""
    run = (tf1_job if job.startswith("tf1") else tf2_job)(job, data_dir)
    for line in sys.stdin:
        start, cpu, points = time.perf_counter(), time.process_time(), 0
        for _ in range(int(line)):
            points += run()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(json.dumps({"points": points, "seconds": seconds, "cpu": cpu, "peak": peak_memory()}), flush=True)
    return 0


class Worker:
    """One job in a process of its own, which computes only when asked to."""

    def __init__(self, job, python, data_dir):
        command = [python, os.path.abspath(__file__), "--worker", job, "--data_dir", data_dir]
        command += ["--rnn_size", str(SIZES["rnn_size"])]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, text=True, env=_environment(), **pipes)

    def run(self, pieces):
        try:
            self.process.stdin.write(f"{pieces}\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            raise ValueError(f"{' '.join(self.process.args)} ended with exit code {self.process.wait()}")
        return json.loads(answer)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


# ----------------------------------------------------------------------------------------------------------- the loss


def losses(args, folder):
    """Trains both for args.points points; rows (program, first 150 points, whole lines) in nats per point.

    A run that is complete in `folder` is not repeated.
    """
    sys.path.insert(0, ROOT)
    from convert_checkpoint import convert
    from legacy_tf1.extract_weights_tf1 import read_weights
    from model import load_model
    from scribe.network.checkpoint import find_checkpoint
    from train import default_towers
    from utils import DataLoader

    loader_args = SimpleNamespace(data_dir=args.data_dir, batch_size=TF2_BATCH, tsteps=1300, data_scale=50.0, seed=0)
    loader = DataLoader(loader_args)
    steps, points = 0, 0
    while points < args.points:
        points += loader.batch(steps).mask.sum()
        steps += 1
    tf1_steps = round(args.points / (TF1_BATCH * TF1_POINTS))
    models = {}
    for rate in args.tf1_rates:
        run = os.path.join(folder, f"tf1_{rate}")
        prefix = os.path.join(run, f"model.ckpt-{tf1_steps}")
        if not os.path.exists(prefix + ".index"):
            flags = {"nbatches": tf1_steps, "nepochs": 1, "learning_rate": rate, "seed": 1, "data_dir": args.data_dir}
            flags.update({"save_path": os.path.join(run, "model.ckpt"), "log_dir": run})
            _start(args.tf1_python, os.path.join("legacy_tf1", "run.py"), {**flags, **SIZES})
        models[f"TensorFlow 1, learning rate {rate}"] = convert(read_weights(prefix))
    run = os.path.join(folder, "tf2")
    if not os.path.isdir(os.path.join(run, "best")):
        flags = {"nbatches": steps, "nepochs": 1, "seed": 1, "data_dir": args.data_dir, "save_path": run}
        _start(sys.executable, "train.py", {**flags, "log_dir": run, **SIZES})
    models["this suite"] = load_model(find_checkpoint(run))
    towers = default_towers(TF2_BATCH)
    return [(name, *_evaluate(model, loader_args, towers)) for name, model in models.items()]


def _start(python, script, flags):
    command = [python, os.path.join(ROOT, script)]
    for name, value in flags.items():
        command += [f"--{name}", str(value)]
    subprocess.run(command, check=True, env=_environment(), stdout=subprocess.DEVNULL)


def _environment():
    """Without what TensorFlow 2 sets in its own process: it would tell TensorFlow 1 to behave like it."""
    return {name: value for name, value in os.environ.items() if name not in ("TF2_BEHAVIOR", "TF_CPP_MIN_LOG_LEVEL")}


def _evaluate(model, loader_args, towers):
    from train import evaluate, make_evaluate_step
    from utils import DataLoader

    step = make_evaluate_step(model, towers)
    batches = list(
        DataLoader(SimpleNamespace(**vars(loader_args), alphabet=model.config.alphabet)).validation_batches()
    )
    short = [b._replace(x=b.x[:, :TF1_POINTS], y=b.y[:, :TF1_POINTS], mask=b.mask[:, :TF1_POINTS]) for b in batches]
    return evaluate(step, short)[0], evaluate(step, batches)[0]


# --------------------------------------------------------------------------------------------------------- the report


def speeds(args):
    """{job: {"rates": [points/s], "peak": bytes}}, by workers in turns."""
    pieces = {"tf1-train": args.steps, "tf2-train": args.steps, "tf1-sample": 1, "tf2-sample": 3, "tf2-sample-many": 1}
    workers = {
        job: Worker(job, args.tf1_python if job.startswith("tf1") else sys.executable, args.data_dir)
        for job in args.jobs
    }
    found = {job: {"seconds": [], "cpu": [], "peak": 0} for job in args.jobs}
    try:
        for worker in workers.values():
            worker.run(2)  # traces and compiles
        for repeat in range(args.repeats):
            for job, worker in workers.items():
                answer = worker.run(pieces[job])
                for clock in ("seconds", "cpu"):
                    found[job][clock].append(answer["points"] / answer[clock])
                found[job]["peak"] = answer["peak"]
            print(f"{repeat + 1} of {args.repeats}", file=sys.stderr, flush=True)
    finally:
        for worker in workers.values():
            worker.stop()
    return found


def report(found):
    rows = (
        ("training", "tf1-train", "tf2-train"),
        ("sampling, one line", "tf1-sample", "tf2-sample"),
        (f"sampling, {SAMPLED_LINES} lines", "tf1-sample", "tf2-sample-many"),
    )
    rows = [row for row in rows if {*row[1:]} <= found.keys()]
    for clock, title in (("seconds", "points a second"), ("cpu", "points a CPU second")):
        print(f"{title:<22} {'TensorFlow 1':>12} {'this suite':>12} {'ratio':>6}   lowest to highest")
        for name, one, two in rows:
            rates = [found[job][clock] for job in (one, two)]
            a, b = (statistics.median(values) for values in rates)
            spans = ", ".join(f"{min(values):.0f} to {max(values):.0f}" for values in rates)
            print(f"{name:<22} {a:>12.0f} {b:>12.0f} {b / a:>6.2f}   {spans}")
    print(f"{'peak memory, MiB':<22}")
    for name, one, two in rows:
        mib = [found[job]["peak"] / 2**20 for job in (one, two)]
        print(f"{name:<22} {mib[0]:>12.0f} {mib[1]:>12.0f} {mib[1] / mib[0]:>6.2f}")


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tf1_python", default=None, help="Python with TensorFlow 1.15")
    p.add_argument("--data_dir", default="data", help="folder with strokes_training_data.cpkl")
    p.add_argument("--repeats", type=int, default=5, help="turns, whose median counts")
    p.add_argument("--steps", type=int, default=5, help="training steps in a turn")
    p.add_argument("--points", type=int, default=0, help="points after which to compare the loss as well (0 = do not)")
    p.add_argument("--rnn_size", type=int, default=SIZES["rnn_size"], help="units in each LSTM of both")
    p.add_argument(
        "--tf1_rates",
        nargs="+",
        default=["1e-4", "1e-3"],
        help="learning rates of TensorFlow 1 (default: its own, and ours)",
    )
    p.add_argument("--jobs", nargs="+", choices=JOBS, default=JOBS, help="what to time (default: all)")
    p.add_argument("--work_dir", default="runs/migration", help="folder for the training runs of --points")
    p.add_argument("--worker", default=None, help=argparse.SUPPRESS)
    args = p.parse_args(argv)
    args.data_dir = os.path.abspath(args.data_dir)
    SIZES["rnn_size"] = args.rnn_size
    if args.worker:
        return work(args.worker, args.data_dir)
    if not args.tf1_python:
        p.error("--tf1_python is missing: legacy_tf1/README.md says how to set one up")
    try:
        if args.repeats:
            report(speeds(args))
        if args.points:
            print(f"\nnats per point after {args.points} points, 150 first points and whole validation lines")
            for name, short, whole in losses(args, os.path.abspath(args.work_dir)):
                print(f"{name:<36} {short:>8.3f} {whole:>8.3f}", flush=True)
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
