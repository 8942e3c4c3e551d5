"""Measures sampling: points per second for few and many lines against the machine's own limit, and the cold start.

    python3 benchmarks/sampling.py                          # the shipped model, about two minutes
    python3 benchmarks/sampling.py --lines 1 64 --repeats 5 --json sampling.json

For many lines the limit is the rate of large float32 matrix products, with 2 x parameters operations for each point, on
as many cores as there are groups of lines; for one line it is the rate at which the weights can be read, once for each
point. Both are measured in the same run; medians count. The cold start is that of
`sample.py --text "Hello World"` in a new process, and the time of its parts.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

TEXT = "What I cannot create I do not understand"
POINTS = 300  # of every line
SQUARE = 2048  # side of the matrices whose products give the machine's rate
PARTS = """
import time; start = time.perf_counter(); times = []
def lap(name):
    global start
    now = time.perf_counter(); times.append((name, now - start)); start = now
import sample; lap("import")
from model import load_model
sample.one_thread_per_operation(); model = load_model({prefix!r}); lap("restore")
sample.sample_batch(["H"], model, tsteps=1); lap("trace")
lines = sample.sample_batch(["Hello World"], model, bias=1.5, seed=1); lap("sample")
sample.draw(lines, {folder!r}, "x"); lap("draw")
print(" ".join(f"{{name}}={{seconds:.3f}}" for name, seconds in times))
"""


def seconds_of(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure_rates(model, counts, repeats):
    """For each number of lines a dict: points per second, that of the limit, and the share of it."""
    from scribe.network.tf_setup import tf
    from scribe.writing.lines import groups_of, sample_batch

    parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    a, b = (tf.random.normal([SQUARE, SQUARE]) for _ in range(2))
    # As large as the weights; two, so that none stays in the cache alone. NumPy's product with a vector reads fastest.
    weights = [np.ones([parameters // 1024, 1024], np.float32) for _ in range(2)]
    vector = np.ones(1024, np.float32)
    product = tf.function(lambda: tf.matmul(a, b))
    product()
    # Before the sampling, since the threads of NumPy's products go on waiting for work for a while.
    flops = statistics.median(2 * SQUARE**3 / seconds_of(lambda: product().numpy()) for _ in range(repeats))
    reads = statistics.median(20 / seconds_of(lambda: [w @ vector for w in 10 * weights]) for _ in range(repeats))
    time.sleep(1)
    results = []
    for count in counts:
        rates = []
        for seed in range(repeats + 1):
            start = time.perf_counter()
            points = sum(len(line.strokes) for line in sample_batch([TEXT] * count, model, seed=seed, tsteps=POINTS))
            rates.append(points / (time.perf_counter() - start))
        rate = statistics.median(rates[1:])  # the first one warms up
        groups = min(os.cpu_count() or 1, groups_of(count))
        # A product runs on one core here, as within the sampler.
        limit = min(flops * groups / (2 * parameters), reads * count)
        results.append({"lines": count, "points_per_second": rate, "limit": limit, "share": rate / limit})
    return results


def measure_cold_start(prefix, repeats):
    """Median seconds of the whole command in a new process, and of its parts in another."""
    whole, parts = [], {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, os.path.join(ROOT, "sample.py"), "--text", "Hello World", "--bias", "1.5"]
        command += ["--seed", "1", "--save_path", prefix, "--log_dir", folder]
        script = PARTS.format(prefix=prefix, folder=folder)
        for _ in range(repeats):
            whole.append(seconds_of(lambda: subprocess.run(command, check=True, capture_output=True)))
            done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
            for part in done.stdout.split():
                name, seconds = part.split("=")
                parts.setdefault(name, []).append(float(seconds))
    return statistics.median(whole), {name: statistics.median(values) for name, values in parts.items()}


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--save_path", default=os.path.join(ROOT, "saved", "checkpoint"), help="prefix of the checkpoint")
    p.add_argument("--lines", type=int, nargs="+", default=[1, 8, 64, 256], help="numbers of lines written at once")
    p.add_argument("--repeats", type=int, default=5, help="runs, of which the median counts")
    p.add_argument("--json", metavar="FILE", help="file for everything that was measured")
    args = p.parse_args(argv)
    whole, parts = measure_cold_start(args.save_path, min(3, args.repeats))
    print(
        f"Cold start: {whole:.1f} s in all; " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items())
    )

    from model import load_model
    from scribe.files.atomic import save_json
    from scribe.network.tf_setup import one_thread_per_operation

    one_thread_per_operation()
    results = measure_rates(load_model(args.save_path), args.lines, args.repeats)
    print(f"{'lines':>6}{'points/s':>10}{'limit':>10}{'share':>8}")
    for r in results:
        print(f"{r['lines']:>6}{r['points_per_second']:>10.0f}{r['limit']:>10.0f}{r['share']:>8.0%}")
    if args.json:
        save_json(args.json, {"cold_start": {"whole": whole, **parts}, "sampling": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
