"""Measures training on several workers: the same batch by one process and by several, and what a network would cost.

    python3 benchmarks/distribute.py                                   # one and two processes on this machine
    python3 benchmarks/distribute.py --workers 1 2 4 --steps 9 --json distribute.json
    python3 benchmarks/distribute.py --size 16 --length 40 --batch 4 --steps 2         # does it work at all

All processes share the cores of this machine, so this does not measure the gain of further machines, but the cost of
the exchange. The expected time of a step on N machines with a network between them is

    t(N) = compute / N + 2 (N - 1) / N * bytes / bandwidth

where compute is the time of a step in one process, and bytes is the size of the gradient, each byte of which a ring of
N machines sends 2 (N - 1) / N times. It leaves out latency, and that the lines of a batch are not divided evenly.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from training import EMA, GRAD_CLIP, POINTS_PER_CHARACTER, Configuration, batch_for

from model import HandwritingModel
from scribe.files.atomic import save_json
from scribe.ink.alphabet import ALPHABET
from scribe.ink.batch import network_arrays
from scribe.network.tf_setup import GPUS, one_thread_per_operation, tf
from scribe.training.cluster import SINGLE_WORKER, read_cluster
from scribe.training.devices import join
from scribe.training.flags import parse_training_flags
from scribe.training.run_state import WeightAverage
from train import make_optimizer, make_train_step

BANDWIDTHS = (1, 10, 100)  # Gbit/s
MACHINES = (1, 2, 4, 8, 16, 32)
LIMIT = 3600  # seconds that a worker may take


# ---------------------------------------------------------------------------------------------------- what is measured


def work(args):
    """One worker of TF_CONFIG, or one without others: prints JSON with seconds of steps and exchanges."""
    workers = args.workers[0]
    towers = 1 if GPUS else max(1, min((os.cpu_count() or 1) // workers, args.batch // workers // 4))
    if towers > 1 or workers > 1:
        one_thread_per_operation(towers)
    alone = workers == 1
    cluster = SINGLE_WORKER if alone else read_cluster(os.environ)
    devices = join("none" if alone else "multiworker", cluster)
    flags = ["--rnn_size", str(args.size), "--tsteps_per_ascii", str(POINTS_PER_CHARACTER), "--learning_rate", "1e-30"]
    train_args = parse_training_flags([*flags, "--alphabet", ALPHABET], None)
    tf.keras.utils.set_random_seed(0)

    model = HandwritingModel(train_args)
    average = WeightAverage(model.trainable_variables, EMA)
    train_step = make_train_step(model, make_optimizer(train_args), average, GRAD_CLIP, towers, devices)
    batch = batch_for(Configuration(args.length, args.batch, args.size))
    tensors = [tf.constant(array) for array in network_arrays(batch)]
    gradient = tf.zeros([model.config.weights])
    exchange = tf.function(lambda: devices.sum(lambda replica: [gradient])[0][0])

    def timed(run):
        run()  # the first one is traced
        seconds = []
        for _ in range(args.steps):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        return seconds

    steps = timed(lambda: [t.numpy() for t in train_step(*tensors, 1e-30, 0, [0, 0])])
    total, count, *_ = train_step(*tensors, 1e-30, 0, [0, 0])
    result = {
        "steps": steps, "exchanges": timed(lambda: exchange().numpy()), "loss": float(total / count),
        "points": int(count), "bytes": 4 * model.config.weights, "towers": towers,
    }  # fmt: skip
    print(json.dumps(result), flush=True)
    return 0


def measure(args, workers):
    """What the chief of `workers` processes measured, as `work` prints it."""
    with_ports = [f"127.0.0.1:{free_port()}" for _ in range(workers)]
    command = [sys.executable, os.path.abspath(__file__), "--worker", "--workers", str(workers)]
    for name in ("size", "length", "batch", "steps"):
        command += [f"--{name}", str(getattr(args, name))]
    processes = []
    try:
        for index in range(workers):
            task = {"cluster": {"worker": with_ports}, "task": {"type": "worker", "index": index}}
            environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
            environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # that of this process; tf_setup sets it, more quietly
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True))
        outputs = [process.communicate(timeout=LIMIT)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    if any(process.returncode for process in processes):
        raise ValueError(f"one of {workers} workers ended with an error, above.")
    return json.loads(outputs[0].splitlines()[-1])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# ---------------------------------------------------------------------------------------------------- what is expected


def step_seconds(machines, compute, size, gigabits):
    """Seconds of a step on N machines: see above. compute: seconds on one; size: bytes of the gradient."""
    return compute / machines + 2 * (machines - 1) / machines * size * 8 / (gigabits * 1e9)


def report(args, rows):
    print(
        f"H={args.size}, {args.batch} lines of about {args.length} points, {rows[0]['points']:,} points a step; "
        f"median of {args.steps} steps; {os.cpu_count()} cores, {len(GPUS)} GPUs, TensorFlow {tf.__version__}"
    )
    print(f"A step exchanges {rows[0]['bytes']:,} bytes of gradient.\n")
    print(f"{'processes':>9} {'slices each':>11} {'s a step':>9} {'points/s':>9} {'exchange alone, s':>18}")
    for row in rows:
        alone = f"{row['exchange']:.4f}" if row["workers"] > 1 else "-"
        print(
            f"{row['workers']:>9} {row['towers']:>11} {row['step']:>9.3f} {row['points_per_second']:>9.0f} {alone:>18}"
        )
    print(f"\nExpected, from {rows[0]['step']:.3f} s a step on one machine: points/s, and times as fast")
    print(f"{'machines':>9} " + " ".join(f"{f'{g} Gbit/s':>18}" for g in BANDWIDTHS))
    for machines in MACHINES:
        seconds = [step_seconds(machines, rows[0]["step"], rows[0]["bytes"], g) for g in BANDWIDTHS]
        cells = [f"{rows[0]['points'] / s:.0f} ({rows[0]['step'] / s:.2f}x)" for s in seconds]
        print(f"{machines:>9} " + " ".join(f"{cell:>18}" for cell in cells))


def run(args):
    """The whole benchmark; returns one dict for each number of workers."""
    rows = []
    for workers in args.workers:
        row = {"workers": workers, **measure(args, workers)}
        row |= {"step": statistics.median(row["steps"]), "exchange": statistics.median(row["exchanges"])}
        rows.append(row | {"points_per_second": row["points"] / row["step"]})
        print(f"{workers} of {args.workers} processes: {row['step']:.3f} s a step", file=sys.stderr, flush=True)
        if abs(row["loss"] - rows[0]["loss"]) > 1e-4 * max(1.0, abs(rows[0]["loss"])):
            raise ValueError(
                f"{workers} processes have the loss {row['loss']}, one {rows[0]['loss']}: not the same step."
            )
    return rows


def parse_args(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of processes, the first one is 1")
    p.add_argument("--steps", type=int, default=5, help="timed steps, whose median counts")
    p.add_argument("--size", type=int, default=400, help="units in each of the three LSTMs")
    p.add_argument("--length", type=int, default=640, help="pen points a line")
    p.add_argument("--batch", type=int, default=32, help="lines in a batch, of all workers together")
    p.add_argument("--json", default=None, metavar="FILE", help="file for everything that was measured")
    p.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args(argv)
    for name in ("steps", "size", "length", "batch"):
        if getattr(args, name) < 1:
            p.error(f"--{name} is {getattr(args, name)}: it has to be 1 or more")
    if min(args.workers) < 1 or args.workers[0] != 1 and not args.worker:
        p.error(f"--workers is {args.workers}: it begins with 1, which the others are compared with")
    return args


def main(argv=None):
    args = parse_args(argv)
    if args.worker:
        return work(args)
    try:
        rows = run(args)
        report(args, rows)
        if args.json:
            save_json(args.json, {"flags": vars(args), "rows": rows})
        return 0
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
