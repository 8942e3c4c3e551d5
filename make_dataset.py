"""Writes a data set for handwriting recognition: pictures of handwritten lines, their texts, a box for every character.

    python3 make_dataset.py --texts texts.txt --count 10000 --output lines
    python3 make_dataset.py --texts a.txt b.txt --count 500 --output lines --biases 0.5 1.5 --styles all --seed 7
    python3 make_dataset.py --texts texts.txt --count 500 --output lines --height 96 --colour --noise 4 --rotation 2
    python3 make_dataset.py --texts texts.txt --count 10000000 --output gs://bucket/lines --runner DataflowRunner ...

The same command again goes on after any interruption. The same seed gives the same bytes, whatever the number of
--workers, and on Apache Beam as here. docs/DATASETS.md has the files and what they hold. The name of the folder goes to
stdout, messages to stderr.
"""

import argparse
import dataclasses
import os
import platform
import shlex
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import nullcontext

# TensorFlow, which costs seconds, is imported where it is used: a wrong flag is told at once.
from scribe.console import UsageError
from scribe.dataset.dataset import (
    IAM_SHARES,
    SPLITS,
    STROKES,
    Folder,
    Plan,
    claim,
    finish_shard,
    fit_texts,
    order_texts,
    parts_done,
    read_files,
    run,
    sha256,
    write_lines,
)
from scribe.dataset.pictures import Look
from scribe.files.safe_pickle import UnsafePickleError
from scribe.files.stroke_file import STYLES_FILE, load_strokes
from scribe.ink.text import MAX_CHARACTERS
from scribe.pages.workers import drawing_processes
from utils import Logger

# Files of the suite that decide what a line is and looks like.
CODE = (
    "model", "scribe/network/recurrent", "sample", "scribe/writing/failures", "utils", "scribe/ink/words",
    "scribe/ink/measure", "scribe/ink/characters", "scribe/pages/page", "scribe/pages/formats",
    "scribe/dataset/pictures", "scribe/dataset/dataset",
)  # fmt: skip
ROOT = os.path.dirname(os.path.abspath(__file__))
RANGE = ("LOW", "HIGH")
STOPPED = 130  # exit code after Ctrl-C


def parse_args(argv=None):
    """Flags, and the flags of Beam: what is left over where there is a --runner."""
    look = Look()
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    p.add_argument("--texts", nargs="+", required=True, metavar="FILE", help="UTF-8; long lines are cut at words")
    p.add_argument("--count", type=int, required=True, help="lines of the data set")
    p.add_argument("--output", required=True, metavar="DIR", help="a folder that is new, empty, or to be gone on with")
    p.add_argument("--seed", type=int, default=0, help="the same seed gives the same bytes")
    g = p.add_argument_group("handwriting")
    g.add_argument(
        "--save_path",
        default=None,
        help="a checkpoint or the folder of a training run (default: the newest run in saved/, else saved/checkpoint)",
    )
    g.add_argument(
        "--biases",
        type=float,
        nargs="+",
        default=[0.5, 1.5],
        metavar="B",
        help="a range, or one bias for all lines (default: 0.5 1.5)",
    )
    g.add_argument(
        "--styles", nargs="+", default=["none"], metavar="N",
        help="numbers of styles in data/styles.p, all, or none: a hand of its own for every line",
    )  # fmt: skip
    g.add_argument("--data_dir", default="data", help="folder with styles.p")
    g.add_argument(
        "--tries", type=int, default=5, help="write a failed line again, so many times in all at most (default: 5)"
    )
    g.add_argument(
        "--max_characters", type=int, default=MAX_CHARACTERS, help="of a line (default: 40); the network has seen 60"
    )
    g = p.add_argument_group("pictures")
    g.add_argument("--height", type=int, default=look.height, help="pixels (default: 64)")
    g.add_argument(
        "--padding", type=float, nargs=2, default=look.padding, metavar=RANGE, help="pixels a side (default: 2 8)"
    )
    g.add_argument(
        "--pen_width",
        type=float,
        nargs=2,
        default=look.pen,
        metavar=RANGE,
        help="in heights of a small letter (default: 0.1 0.2)",
    )
    g.add_argument(
        "--ink", type=float, nargs=2, default=look.ink, metavar=RANGE, help="grey levels, 0 is black (default: 0 80)"
    )
    g.add_argument(
        "--paper",
        type=float,
        nargs=2,
        default=look.paper,
        metavar=RANGE,
        help="grey levels, 255 is white (default: 225 255)",
    )
    g.add_argument("--texture", type=float, default=look.texture, help="grey levels by which paper varies (default: 6)")
    g.add_argument("--noise", type=float, default=look.noise, help="deviation of single pixels, grey levels")
    g.add_argument(
        "--rotation", type=float, default=look.rotation, help="most degrees that lines are turned either way"
    )
    g.add_argument("--skew", type=float, default=look.skew, help="most degrees that lines are slanted either way")
    g.add_argument("--colour", action="store_true", help="coloured inks and papers instead of grey")
    g = p.add_argument_group("files")
    g.add_argument("--strokes", choices=STROKES, default="none", help="also the strokes of every line")
    g.add_argument(
        "--shares", type=float, nargs=3, default=IAM_SHARES, metavar=("TRAIN", "VALIDATION", "TEST"),
        help="shares of the splits, in any unit (default: those of IAM, {} {} {})".format(*IAM_SHARES),
    )  # fmt: skip
    g = p.add_argument_group("speed: changes no byte")
    g.add_argument(
        "--workers", type=int, default=None, help="processes that draw, 0: this one alone (default: one for each core)"
    )
    g.add_argument("--runner", default=None, help="run on Apache Beam; its own options are passed on to it")
    args, args.beam = p.parse_known_args(argv)
    if args.beam and args.runner is None:
        p.error(f"unrecognized arguments: {' '.join(args.beam)}")
    if args.runner is not None and args.workers is not None:
        p.error("--workers is for this machine, not for a --runner: Beam has its own options for that")
    for name, low in (("count", 1), ("seed", 0), ("tries", 1), ("max_characters", 1), ("workers", 0)):
        value = getattr(args, name)
        if value is not None and value < low:
            p.error(f"--{name} is {value}: it has to be {low} or more")
    if len(args.biases) > 2 or not 0 <= args.biases[0] <= args.biases[-1] < float("inf"):
        p.error(f"--biases are {args.biases}: give one number, or the lowest and the highest, 0 or more")
    if not (all(0 <= share < float("inf") for share in args.shares) and sum(args.shares)):
        p.error(f"--shares are {args.shares}: give three numbers, 0 or more and not all 0")
    if args.styles != ["none"] and args.styles != ["all"] and not all(style.isdecimal() for style in args.styles):
        p.error(f"--styles is {' '.join(args.styles)!r}: give numbers, or all, or none")
    if "://" in args.output and args.runner is None:
        p.error(f"--output {args.output} is no folder of this machine: it needs a --runner, or name a folder")
    try:
        look_of(args).check()
    except ValueError as error:
        p.error(str(error))
    return args


def look_of(args):
    """The Look that the flags ask for."""
    ranges = (tuple(map(float, values)) for values in (args.padding, args.pen_width, args.ink, args.paper))
    return Look(args.height, *ranges, args.texture, args.noise, args.rotation, args.skew, args.colour)


def command_of(args):
    """The command that makes this data set, with all that decides its bytes; where to and how fast are left out."""
    words = ["python3", "make_dataset.py"]
    for name, value in vars(args).items():
        if name in ("output", "workers", "runner", "beam") or value is None or value is False:
            continue
        values = value if isinstance(value, list | tuple) else [] if value is True else [value]
        whole = (int(v) if isinstance(v, float) and v.is_integer() else v for v in values)  # 80, not 80.0
        words += [f"--{name}", *map(str, whole)]
    return shlex.join(words)


def settings_of(args, texts, styles, prefix, alphabet):
    """What decides the bytes of a data set; a run goes on only where all of it is the same.

    Args:
        texts: lines in their order. styles: a list of numbers, empty for none. prefix: of the checkpoint.
    """
    return {
        "count": args.count, "seed": args.seed, "biases": [args.biases[0], args.biases[-1]], "styles": styles,
        "tries": args.tries, "max_characters": args.max_characters, "strokes": args.strokes,
        "shares": [float(share) for share in args.shares], "look": dataclasses.asdict(look_of(args)),
        "alphabet": alphabet, "texts_sha256": sha256(*(f"{text}\n".encode() for text in texts)),
        "checkpoint_sha256": sha256(*(_read(name) for name in checkpoint_files(prefix))),
        "styles_sha256": sha256(_read(os.path.join(args.data_dir, STYLES_FILE))) if styles else None,
        "code_sha256": sha256(*(_read(os.path.join(ROOT, f"{name}.py")) for name in CODE)),
        "versions": versions(),
    }  # fmt: skip


def checkpoint_files(prefix):
    """The files of a checkpoint, its config among them."""
    from scribe.network.checkpoint import CONFIG_FILE

    folder, name = os.path.split(prefix)
    config = os.path.join(folder, CONFIG_FILE)
    if not os.path.exists(config):
        config = os.path.join(os.path.dirname(folder), CONFIG_FILE)
    parts = sorted(part for part in os.listdir(folder or ".") if part.startswith((f"{name}.index", f"{name}.data-")))
    return [config, *(os.path.join(folder, part) for part in parts)]


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def versions():
    """Versions of what decides the bytes."""
    import numpy
    import PIL
    import tensorflow

    return {
        "python": platform.python_version(), "tensorflow": tensorflow.__version__, "numpy": numpy.__version__,
        "pillow": PIL.__version__,
    }  # fmt: skip


def style_numbers(args):
    """The styles that --styles names, as sorted numbers; empty for none."""
    if args.styles == ["none"]:
        return []
    if args.styles != ["all"]:
        return sorted({int(style) for style in args.styles})
    path = os.path.join(args.data_dir, STYLES_FILE)
    if not os.path.exists(path):
        raise ValueError(f"--styles all needs {path}, which does not exist.")
    return list(range(len(load_strokes(path)[0])))


def make_writer(prefix, styles, tries):
    """Loads the model; returns a function that writes a batch of lines, as `dataset.write_lines` takes it.

    Args:
        prefix: of the checkpoint. styles: number -> (strokes [n, 3], text). tries: as in `sample_checked`.
    """
    from model import load_model
    from sample import sample_batch
    from scribe.network.tf_setup import one_thread_per_operation
    from scribe.writing.proofread import sample_checked

    one_thread_per_operation()
    model = load_model(prefix)
    # Compiles the sampler once; threads that begin together would do it side by side.
    sample_batch([model.config.alphabet.strip()[0]], model, tsteps=1)

    def write(texts, biases, seeds, style):
        return sample_checked(texts, model, bias=biases, seed=seeds, attempts=tries, style=styles.get(style))[:2]

    return write


# ---------------------------------------------------------------------------------------------------- on this machine


def write_shards_here(plan, folder, write, workers, progress):
    """Returns a function that writes shards on this machine, as `dataset.run` takes it.

    A few threads let the network write, each one shard after the other, and processes draw.

    Args:
        write: as `dataset.write_lines` takes it. workers: processes, 0: none. progress: called with a number of lines.
    """
    # A shard keeps two cores busy, but for its second tries, which are few lines; another shard fills these gaps.
    threads = (os.cpu_count() or 1) // 2 + 1
    here = Folder(folder.path)

    def write_shard(shard, drawing):
        lines = write_lines(plan, shard, write)
        arguments = (here, plan.look, plan.strokes, shard.number, plan.rows(shard), lines)
        return drawing.submit(finish_shard, *arguments).result() if drawing else finish_shard(*arguments)

    def write_shards(shards):
        writing = ThreadPoolExecutor(threads)
        with drawing_processes(min(workers, len(shards))) if workers else nullcontext() as drawing:
            try:
                waiting = {writing.submit(write_shard, shard, drawing) for shard in shards}
                while waiting:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        progress(future.result())
            finally:
                writing.shutdown(wait=True, cancel_futures=True)

    return write_shards


class Progress:
    """A bar on a terminal; counts lines anywhere.

    Args:
        total: lines of the data set. done: how many of them there were.
    """

    def __init__(self, total, done):
        self.written, self.start, self.bar = 0, time.monotonic(), None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=total, initial=done, unit="line", smoothing=0.05)

    def __call__(self, lines):
        self.written += lines
        if self.bar is not None:
            self.bar.update(lines)

    def close(self):
        """Returns lines per second."""
        if self.bar is not None:
            self.bar.close()
        return self.written / max(time.monotonic() - self.start, 1e-9)


# ------------------------------------------------------------------------------------------------------ command line


def report(texts, logger):
    """Says what the texts had that cannot be written."""
    if texts.replaced:
        closest = ", ".join(f"{a!r} as {b!r}" for a, b in texts.replaced.items())
        logger.write(f"Warning: written as the closest that exists: {closest}")
    if texts.dropped:
        logger.write("Warning: left out, the model has not learned them: " + " ".join(map(repr, texts.dropped)))
    if texts.too_long:
        logger.write(f"Warning: left out, {texts.too_long} lines with a word that is too long to be written.")


def make_dataset(args, logger):
    """Does what the flags ask for. Returns the content of dataset.json, None where it was there already."""
    contents = read_files(args.texts)
    beam = _import_beam() if args.runner is not None else None
    folder = beam.open_folder(args.output) if beam else Folder(args.output)
    options = beam.parse_options(args.runner, args.beam) if beam else None
    from scribe.network.checkpoint import find_checkpoint, load_config
    from scribe.writing.styles import load_style

    prefix = find_checkpoint(args.save_path)
    config = load_config(prefix)
    texts = fit_texts(contents, config.alphabet, args.max_characters)
    report(texts, logger)
    if not texts.lines:
        raise UsageError(f"{' '.join(args.texts)}: nothing of it can be written; the model knows {config.alphabet!r}.")
    lines = order_texts(texts.lines, args.seed)
    numbers = style_numbers(args)
    styles = {number: load_style(number, args.data_dir, config.data_scale) for number in numbers}
    settings = settings_of(args, lines, numbers, prefix, config.alphabet)
    if claim(folder, settings):
        return None
    plan = Plan(settings, lines)
    logger.write(f"Writing {args.count} lines with {prefix}, {len(lines)} different texts, seed {args.seed}.")

    def describe():
        return {
            "command": command_of(args),
            "files": [{"file": path, "sha256": sha256(_read(path))} for path in args.texts],
            "checkpoint": prefix,
            "replaced": texts.replaced, "dropped": texts.dropped, "too_long": texts.too_long,
        }  # fmt: skip

    if beam:
        write_shards = beam.write_shards_with(options, plan, folder, checkpoint_files(prefix), styles)
        return run(plan, folder, write_shards, describe, logger.write)
    write = make_writer(prefix, styles, args.tries)
    workers = (os.cpu_count() or 1) if args.workers is None else args.workers
    progress = Progress(args.count, sum(parts_done(folder).values()))
    try:
        write_shards = write_shards_here(plan, folder, write, workers, progress)
        return run(plan, folder, write_shards, describe, logger.write)
    finally:
        rate = progress.close()
        logger.write(f"{progress.written} lines, {rate:.1f} lines/s.")


def main(argv=None):
    args = parse_args(argv)
    logger = Logger()
    try:
        made = make_dataset(args, logger)
        if made is None:
            logger.write(f"{args.output} is complete already.")
        else:
            counts = made["lines"]
            parts = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
            logger.write(f"Wrote {parts}; {counts['left_out']} that failed are left out, see left_out.csv.")
        print(args.output)
        return 0
    except UsageError as error:
        logger.write(f"Error: {error}")
        return 2
    except KeyboardInterrupt:
        logger.write("Stopped: the same command goes on from here.")
        return STOPPED
    except (_checkpoint_error(), UnsafePickleError, ValueError, OSError) as error:
        logger.write(f"Error: {error}")
        return 1


def _import_beam():
    try:
        from scribe.dataset import beam
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "apache_beam":
            raise
        raise ValueError("--runner needs Apache Beam: python3 -m pip install -r requirements-beam.txt") from None
    return beam


def _checkpoint_error():
    """checkpoint.CheckpointError, imported once something has gone wrong."""
    from scribe.network.checkpoint import CheckpointError

    return CheckpointError


if __name__ == "__main__":
    sys.exit(main())
