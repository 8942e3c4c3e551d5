"""Measures sampling as it is used, against the machine's own limits, and the cold start.

    python3 benchmarks/sampling.py                          # the shipped model, about three minutes
    python3 benchmarks/sampling.py --lines 1 64 --repeats 5 --json sampling.json
    python3 benchmarks/sampling.py --against ../before      # in turns with another checkout of the suite
    python3 benchmarks/sampling.py --plain                  # in turns with such a network in plain TensorFlow 2

Three tables. Lines written: `sample_batch` of so many varied texts, each to its end, and the inner loop alone: as many
lines of 300 points that all end together. Letters, lines of prose, and lists, short texts of all kinds: characters a
second that are kept, with the checks of `sample_checked` on, in a hand that is drawn as `sample.py` does. Cold start:
`sample.py --text "Hello World"` in a new process against TensorFlow's bare import. Medians count. Whatever is compared
runs in turns, each in a process of its own.

For many lines the limit is the rate of large float32 matrix products, with 2 x parameters operations for each point;
for one line it is the rate at which the weights can be read, once for each point. Both are measured in the same run.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

HANDS = os.path.join(ROOT, "data", "hands.npz")
TEXTS = os.path.join(ROOT, "data", "evaluation_texts.txt")
PROSE = os.path.join(ROOT, "data", "corpus_texts.txt")
PROSE_LENGTH, FEWEST_GAPS = (30, 44), 4  # of a line of a letter: characters, and gaps between words
INNER_TEXT = "What I cannot create I do not understand"
INNER_POINTS = 300  # of every line of the inner loop
CHECKED_LINES = {"letter": 24, "list": 48}
SQUARE = 2048  # side of the matrices whose products give the machine's rate
# What a worker does for each line of its stdin, [kind, texts, seed]; it runs in any checkout that knows hands.
WORKER = """
import json, os, sys, time
sys.path.insert(0, os.getcwd())
from model import load_model
from scribe.hands.catalogue import drawn_hand, load_catalogue
from scribe.network.tf_setup import one_thread_per_operation
from scribe.writing.lines import sample_batch
from scribe.writing.proofread import sample_checked
from scribe.writing.recogniser import load_recogniser
one_thread_per_operation()
model, recogniser, catalogue = load_model({prefix!r}), load_recogniser(), load_catalogue({hands!r})
for request in sys.stdin:
    kind, texts, seed = json.loads(request)
    start = time.perf_counter()
    if kind in ("letter", "list"):
        hand = drawn_hand(catalogue, seed) if model.hand_size else None
        checked = sample_checked(texts, model, seed=seed, hand=hand, recogniser=recogniser)
        amount = sum(len(line.text) for line, found in zip(checked.lines, checked.failures) if not found)
    else:
        lines = sample_batch(texts, model, seed=seed, tsteps={points} if kind == "inner" else None)
        amount = sum(len(line.strokes) for line in lines)
    print(json.dumps(amount / (time.perf_counter() - start)), flush=True)
"""
PLAIN = "import sys; sys.path.insert(0, 'benchmarks'); from plain_sampler import main; main()"


class Worker:
    """A process that writes each time it is asked to, and answers with points or characters a second."""

    def __init__(self, script, folder):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", script], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, kind, texts, seed):
        self.process.stdin.write(json.dumps([kind, texts, seed]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"a worker ended with exit code {self.process.wait()}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def seconds_of(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def texts_for(count, seed):
    """So many of the texts that evaluate.py uses, other ones for each seed."""
    with open(TEXTS, encoding="utf-8") as file:
        texts = [line.strip() for line in file if line.strip()]
    return [texts[(seed * count + i) % len(texts)] for i in range(count)]


def prose_for(count, seed):
    """So many lines of a letter, other ones for each seed."""
    least, most = PROSE_LENGTH
    with open(PROSE, encoding="utf-8") as file:
        texts = [line for line in map(str.strip, file) if least <= len(line) <= most]
    texts = [text for text in texts if text.count(" ") >= FEWEST_GAPS and not any(c.isdigit() for c in text)]
    return [texts[(seed * count + i) % len(texts)] for i in range(count)]


def in_turns(workers, kind, count, repeats):
    """The median rate of each worker for so many lines; the same lines go to all, one after the other. The first lines
    are not timed."""
    rates = {name: [] for name in workers}
    for seed in range(repeats + 1):
        if kind == "inner":
            texts = [INNER_TEXT] * count
        else:
            texts = prose_for(count, seed) if kind == "letter" else texts_for(count, seed)
        for name, worker in workers.items():
            rates[name].append(worker(kind, texts, seed))
    return {name: statistics.median(values[1:]) for name, values in rates.items()}


def measure_limits(prefix):
    """(points a second by the rate of matrix products, points a second of one line by the rate of reading weights)."""
    from scribe.network.checkpoint import load_config
    from scribe.network.tf_setup import tf

    parameters = load_config(prefix).weights
    a, b = (tf.random.normal([SQUARE, SQUARE]) for _ in range(2))
    # As large as the weights; two, so that none stays in the cache alone. NumPy's product with a vector reads fastest.
    weights = [np.ones([parameters // 1024, 1024], np.float32) for _ in range(2)]
    vector = np.ones(1024, np.float32)
    flops = max(2 * SQUARE**3 / seconds_of(lambda: tf.matmul(a, b).numpy()) for _ in range(5))
    reads = max(20 / seconds_of(lambda: [w @ vector for w in 10 * weights]) for _ in range(5))
    return flops / (2 * parameters), reads


def measure_cold_start(folders, prefix, repeats):
    """Median seconds of TensorFlow's bare import, and of the whole command in each folder, in turns."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    commands = {"import tensorflow": ([sys.executable, "-c", "import tensorflow"], ROOT)}
    with tempfile.TemporaryDirectory() as pictures:
        flags = ["--text", "Hello World", "--bias", "1.5", "--seed", "1", "--save_path", prefix, "--log_dir", pictures]
        for name, folder in folders.items():
            commands[name] = [sys.executable, "sample.py", *flags], folder
        seconds = {name: [] for name in commands}
        for _ in range(repeats):
            for name, (command, folder) in commands.items():
                start = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--save_path", default=os.path.join(ROOT, "saved", "checkpoint"), help="prefix of the checkpoint")
    p.add_argument("--hands", default=HANDS, help="catalogue of the hands that letters are in, of the same network")
    p.add_argument("--lines", type=int, nargs="+", default=[1, 8, 64, 256], help="numbers of lines written at once")
    p.add_argument("--repeats", type=int, default=3, help="runs, of which the median counts")
    p.add_argument("--against", metavar="FOLDER", help="another checkout of the suite, measured in turns with this one")
    p.add_argument("--plain", action="store_true", help="also a network in plain TensorFlow 2 (plain_sampler.py)")
    p.add_argument("--json", metavar="FILE", help="file for everything that was measured")
    args = p.parse_args(argv)
    prefix = os.path.abspath(args.save_path)
    folders = {"suite": ROOT} | ({"against": os.path.abspath(args.against)} if args.against else {})

    results = {"cold_start": measure_cold_start(folders, prefix, args.repeats)}
    bare = results["cold_start"]["import tensorflow"]
    print("Cold start: " + ", ".join(f"{name} {s:.1f} s ({s / bare:.2f})" for name, s in results["cold_start"].items()))

    script = WORKER.format(prefix=prefix, hands=os.path.abspath(args.hands), points=INNER_POINTS)
    writers = {name: Worker(script, folder) for name, folder in folders.items()}
    # It writes nothing that could be judged, so it takes no part in letters and lists.
    workers = writers | ({"plain": Worker(PLAIN, ROOT)} if args.plain else {})
    product_limit, read_limit = measure_limits(prefix)
    print(f"Limits: {product_limit:.0f} points/s by products, {read_limit:.0f} for one line by reading the weights.")
    results |= {"limits": {"products": product_limit, "reads": read_limit}, "lines": []}
    print(f"{'lines':>6}  points/s to the end of varied texts, and in the inner loop")
    for count in args.lines:
        ends = in_turns(workers, "ends", count, args.repeats)
        inner = in_turns(workers, "inner", count, args.repeats)
        results["lines"].append({"lines": count, "ends": ends, "inner": inner})
        print(f"{count:>6}  {_row(ends)}   inner: {_row(inner)}")
    for kind, count in CHECKED_LINES.items():
        results[kind] = in_turns(writers, kind, count, args.repeats)
        print(f"{kind:>6}  {_row(results[kind])} kept characters/s, {count} lines")
    for worker in workers.values():
        worker.close()
    if args.json:
        from scribe.files.atomic import save_json

        save_json(args.json, results)
    return 0


def _row(rates):
    """Rates beside one another, the ratio of the first to each of the others behind them."""
    (_, first), *others = rates.items()
    return f"{first:.0f}" + "".join(f", {name} {rate:.0f} ({first / rate:.2f} x)" for name, rate in others)


if __name__ == "__main__":
    sys.exit(main())
