"""Measures how fast data sets are made: lines per second of sampling, of drawing, and of the whole command.

    python3 benchmarks/dataset.py                            # the shipped model, about three minutes
    python3 benchmarks/dataset.py --lines 256 --json dataset.json

Sampling is the network with failed lines written again, 64 lines at a time. Drawing is one process: the characters of
the points, the picture with its boxes, the PNG. The whole is `make_dataset.py` in a new process, files included, with
one drawing process per core; the time of a data set of 64 lines is subtracted, and with it that of starting.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

TEXTS = os.path.join(ROOT, "data", "evaluation_texts.txt")
BIASES = (0.5, 1.5)


def measure_sampling(prefix, shards):
    """(lines per second, points per line, tries per line, the lines) of shards that the network writes one by one."""
    import numpy as np

    from evaluate import load_texts
    from model import load_model
    from scribe.dataset.plan import SHARD_LINES
    from scribe.network.tf_setup import one_thread_per_operation
    from scribe.writing.proofread import sample_checked

    one_thread_per_operation()
    model = load_model(prefix)
    texts = [text for text in load_texts(TEXTS) if len(text) >= 20]
    rng = np.random.default_rng(0)
    times, lines, tries = [], [], []
    for shard in range(shards + 1):
        some = [texts[i] for i in rng.integers(len(texts), size=SHARD_LINES)]
        start = time.perf_counter()
        written, _, again = sample_checked(some, model, bias=rng.uniform(*BIASES, SHARD_LINES), seed=shard)
        times.append(time.perf_counter() - start)
        lines += written
        tries += again
    points = sum(len(line.strokes) for line in lines) / len(lines)
    # The first one warms up.
    return SHARD_LINES / statistics.median(times[1:]), points, sum(tries) / len(tries), lines


def measure_drawing(lines):
    """Milliseconds of each part for a line, one process; a dict."""
    from scribe.dataset.pictures import Look, draw_picture, png
    from scribe.ink.point_characters import assign_characters

    parts = {"characters": 0.0, "picture": 0.0, "png": 0.0}
    for k, line in enumerate(lines):
        moments = [time.perf_counter()]
        index = assign_characters(line.strokes, line.phis, line.text)
        moments.append(time.perf_counter())
        picture = draw_picture(line.strokes, index, line.text, Look(), k)
        moments.append(time.perf_counter())
        png(picture.image)
        moments.append(time.perf_counter())
        for name, start, end in zip(parts, moments, moments[1:]):
            parts[name] += 1000 * (end - start) / len(lines)
    return parts


def measure_whole(prefix, count):
    """Lines per second of the command, without its start."""

    def seconds(lines):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, os.path.join(ROOT, "make_dataset.py"), "--texts", TEXTS, "--save_path", prefix]
            command += ["--count", str(lines), "--output", os.path.join(folder, "lines"), "--biases", *map(str, BIASES)]
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            return time.perf_counter() - start

    few = 64
    return count / (seconds(few + count) - seconds(few))


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--save_path", default=os.path.join(ROOT, "saved", "checkpoint"), help="prefix of the checkpoint")
    p.add_argument("--lines", type=int, default=1024, help="lines of the data set made by the command")
    p.add_argument("--shards", type=int, default=5, help="shards sampled; the speed is their median")
    p.add_argument("--json", metavar="FILE", help="file to write all measurements to")
    args = p.parse_args(argv)
    whole = measure_whole(args.save_path, args.lines)  # before TensorFlow's threads are here
    sampling, points, tries, lines = measure_sampling(args.save_path, args.shards)
    parts = measure_drawing(lines)
    drawing = 1000 / sum(parts.values())
    cores = os.cpu_count() or 1
    print(f"Sampling: {sampling:.1f} lines/s ({points:.0f} points a line, {tries:.2f} tries a line)")
    print(
        f"Drawing, one process: {drawing:.1f} lines/s; "
        + ", ".join(f"{name} {milliseconds:.1f} ms" for name, milliseconds in parts.items())
    )
    print(f"All together: {whole:.1f} lines/s on {cores} cores, {whole / cores:.1f} lines/s for each core")
    if args.json:
        from scribe.files.atomic import save_json

        measured = {
            "cores": cores, "sampling": sampling, "points_per_line": points, "tries_per_line": tries,
            "drawing": drawing, "drawing_milliseconds": parts, "whole": whole,
        }  # fmt: skip
        save_json(args.json, measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
