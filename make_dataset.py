"""Writes a data set for handwriting recognition: pictures of handwritten lines, their texts, a box for every character.

    python3 make_dataset.py --texts texts.txt --count 10000 --output lines
    python3 make_dataset.py --texts a.txt b.txt --count 500 --output lines --biases 0.5 1.5 --styles all --seed 7
    python3 make_dataset.py --texts texts.txt --count 500 --output lines --height 96 --colour --noise 4 --rotation 2
    python3 make_dataset.py --texts texts.txt --count 10000000 --output gs://bucket/lines --runner DataflowRunner ...

The same command again goes on after any interruption. The same seed gives the same bytes, whatever the number of
--workers, and on Apache Beam as here. docs/DATASETS.md has the files and what they hold. The name of the folder goes to
stdout, messages to stderr.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import dataclasses
import functools
import os
import platform
import shlex
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import nullcontext
from pathlib import Path

# TensorFlow, which costs seconds, is imported where it is used: a wrong flag is told at once.
from scribe.console import OneLineParser, UsageError, run_command, say, shortened
from scribe.dataset.folder import Folder, claim, sha256
from scribe.dataset.pictures import Look
from scribe.dataset.plan import Plan
from scribe.dataset.shards import STROKES_FORMATS, finish_shard, parts_done, run, write_lines
from scribe.dataset.splits import IAM_SHARES, SPLITS
from scribe.dataset.texts import cut_texts, order_texts, read_texts
from scribe.dataset.writer import load_writer
from scribe.files.needed_files import needed_files
from scribe.files.stroke_file import STYLES_FILE, load_strokes
from scribe.hands.catalogue import find_catalogue, find_hand, load_catalogue
from scribe.ink.segments import MAX_CHARACTERS
from scribe.ink.writable import remarks_on
from scribe.network.checkpoint_files import checkpoint_files
from scribe.pages.workers import drawing_processes

ROOT = Path(__file__).resolve().parent
NOT_IN_A_LINE = ("cloud", "training")  # folders of scribe/ that have no part in what a line is or looks like


def parse_args(argv=None):
    """Flags, and with a --runner those of Beam: the ones that are not known here."""
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    p.add_argument(
        "--texts", nargs="+", required=True, metavar="FILE", help="texts in UTF-8; long lines are cut at words"
    )
    p.add_argument("--count", type=int, required=True, help="lines of the data set")
    p.add_argument("--output", required=True, metavar="DIR", help="a new or empty folder, or a data set to go on with")
    p.add_argument("--seed", type=int, default=0, help="seed of all random choices; the same seed gives the same bytes")
    add_handwriting_flags(p.add_argument_group("handwriting"))
    add_picture_flags(p.add_argument_group("pictures"))
    g = p.add_argument_group("files")
    g.add_argument(
        "--strokes",
        choices=STROKES_FORMATS,
        default="none",
        help="format of files with the strokes of every line (default: none)",
    )
    shares = "shares of the splits, in any unit (default: those of IAM, {} {} {})".format(*IAM_SHARES)
    names = ("TRAIN", "VALIDATION", "TEST")
    g.add_argument("--shares", type=float, nargs=3, default=IAM_SHARES, metavar=names, help=shares)
    g = p.add_argument_group("speed: changes no byte")
    workers = "processes that draw; 0 draws in the main process (default: one for each core)"
    g.add_argument("--workers", type=int, default=None, help=workers)
    g.add_argument(
        "--runner", default=None, help="runner of Apache Beam, which gets the options that are not known here"
    )
    args, args.beam = p.parse_known_args(argv)
    check_flags(p, args)
    return args


def add_handwriting_flags(g):
    """What is written, and in which hand."""
    checkpoint = "a checkpoint or the folder of a run (default: the newest run in saved/, else saved/checkpoint)"
    g.add_argument("--save_path", default=None, help=checkpoint)
    biases = "a range, or one bias for all lines (default: 0.5 1.5)"
    g.add_argument("--biases", type=float, nargs="+", default=[0.5, 1.5], metavar="B", help=biases)
    styles = "numbers of hands that come with it, all, or none: a hand of its own for every line"
    g.add_argument("--styles", "--hands", nargs="+", default=["none"], metavar="N", help=styles)
    g.add_argument("--data_dir", default="data", help="folder with hands.npz and styles.p")
    g.add_argument("--tries", type=int, default=5, help="attempts per line, the first included (default: 5)")
    longest = "length of a line (default: 40); the network has seen 60"
    g.add_argument("--max_characters", type=int, default=MAX_CHARACTERS, help=longest)


def add_picture_flags(g):
    """The fields of `Look`."""
    look = Look()

    def add_range(name, default, help):
        g.add_argument(name, type=float, nargs=2, default=default, metavar=("LOW", "HIGH"), help=help)

    def add_number(name, default, help):
        g.add_argument(name, type=float, default=default, help=help)

    g.add_argument("--height", type=int, default=look.height, help="height of the pictures in pixels (default: 64)")
    add_range("--padding", look.padding, "pixels of paper on each side (default: 2 8)")
    add_range("--pen_width", look.pen, "width of the pen in heights of a small letter (default: 0.1 0.2)")
    add_range("--ink", look.ink, "grey levels of the ink, 0 is black (default: 0 80)")
    add_range("--paper", look.paper, "grey levels of the paper, 255 is white (default: 225 255)")
    add_number("--texture", look.texture, "grey levels by which paper varies (default: 6)")
    add_number("--noise", look.noise, "standard deviation of single pixels, grey levels (default: 0)")
    add_number("--rotation", look.rotation, "largest rotation of a line either way, degrees (default: 0)")
    add_number("--skew", look.skew, "largest slant of a line either way, degrees (default: 0)")
    g.add_argument("--colour", action="store_true", help="coloured inks and papers instead of grey")


def check_flags(p, args):
    """Ends with a usage error for flags that are out of range or contradict each other."""
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
        short = (int(v) if isinstance(v, float) and v.is_integer() else v for v in values)  # 80, not 80.0
        words += [f"--{name}", *map(str, short)]
    return shlex.join(words)


def settings_of(args, texts, styles, hands, prefix, alphabet):
    """What decides the bytes of a data set; a run goes on only where all of it is the same.

    Args:
        args: the flags.
        texts: lines in their order.
        styles: a list of numbers, empty for none.
        hands: path of the catalogue of hands, or None.
        prefix: of the checkpoint.
        alphabet: of the checkpoint.
    """
    return {
        "count": args.count, "seed": args.seed, "biases": [args.biases[0], args.biases[-1]], "styles": styles,
        "tries": args.tries, "max_characters": args.max_characters, "strokes": args.strokes,
        "shares": [float(share) for share in args.shares], "look": dataclasses.asdict(look_of(args)),
        "alphabet": alphabet, "texts_sha256": sha256(*(f"{text}\n".encode() for text in texts)),
        "checkpoint_sha256": sha256(*(_read(name) for name in checkpoint_files(prefix))),
        "styles_sha256": sha256(_read(os.path.join(args.data_dir, STYLES_FILE))) if styles and not hands else None,
        "hands_sha256": sha256(_read(hands)) if hands else None,
        "code_sha256": sha256(*(_read(path) for path in code_files())),
        "versions": versions(),
    }  # fmt: skip


def code_files():
    """Files of the suite that decide what a line is and looks like, sorted: a data set goes on with the same alone."""
    library = ROOT / "scribe"
    files = [path for path in library.rglob("*.py") if path.relative_to(library).parts[0] not in NOT_IN_A_LINE]
    files += [ROOT / path for path in needed_files(str(ROOT), ["make_dataset.py"])[0] if "/" not in path]
    return sorted(files, key=lambda path: path.relative_to(ROOT).as_posix())


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


def style_numbers(args, hands):
    """The styles that --styles names, as sorted numbers; empty for none. hands: as `find_catalogue` says."""
    if args.styles == ["none"]:
        return []
    if args.styles != ["all"]:
        return sorted({int(style) for style in args.styles})
    if hands:
        return list(range(len(load_catalogue(hands).hands)))
    path = os.path.join(args.data_dir, STYLES_FILE)
    if not os.path.exists(path):
        raise ValueError(f"--styles all needs {path}, which does not exist.")
    return list(range(len(load_strokes(path)[0])))


# ---------------------------------------------------------------------------------------------------- on this machine


def write_shards_here(plan, folder, write, workers, progress):
    """Returns a function that writes shards on this machine, as `shards.run` takes it.

    A few threads let the network write, each one shard after the other, and processes draw.

    Args:
        plan, folder: of the data set.
        write: as `shards.write_lines` takes it.
        workers: processes, 0: none.
        progress: called with a number of lines.
    """
    # A shard keeps two cores busy, except for its second attempts, which are few lines; another shard fills these gaps.
    threads = (os.cpu_count() or 1) // 2 + 1
    here = Folder(folder.path)

    def write_shard(shard, drawing):
        lines = write_lines(plan, shard, write)
        rows = plan.rows(shard)
        finish = functools.partial(
            finish_shard, here, lines, number=shard.number, rows=rows, look=plan.look, strokes_format=plan.strokes
        )
        return drawing.submit(finish).result() if drawing else finish()

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
    """Counts lines, and shows a bar on a terminal.

    Args:
        total: lines of the data set.
        done: how many of them there were before.
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


def warn_of_texts(texts):
    """Says what the texts had that cannot be written."""
    for remark in remarks_on(texts.replaced, texts.dropped, texts.turned):
        say(f"Warning: {remark}.")
    for script, count in texts.foreign.items():
        say(f"Warning: left out, {count} lines with {script} letters, which cannot be written.")
    if texts.too_long:
        say(f"Warning: left out, {texts.too_long} lines with a word that is too long to be written.")


def make_dataset(args):
    """Does what the flags ask for. Returns the content of dataset.json, None where it was there already."""
    contents = read_texts(args.texts)
    beam = _import_beam() if args.runner is not None else None
    folder = beam.open_folder(args.output) if beam else Folder(args.output)
    options = beam.parse_options(args.runner, args.beam) if beam else None
    from model import load_model
    from scribe.network.checkpoint import find_checkpoint, load_config
    from scribe.writing.styles import load_style

    prefix = find_checkpoint(args.save_path)
    config = load_config(prefix)
    texts = cut_texts(contents, config.alphabet, args.max_characters)
    warn_of_texts(texts)
    if not texts.lines and texts.foreign:
        raise UsageError(
            f"{' '.join(args.texts)}: nothing can be written, all is in {' and '.join(texts.foreign)} letters."
        )
    if not texts.lines:
        known = shortened(repr(config.alphabet), 120)
        raise UsageError(f"{' '.join(args.texts)}: nothing of it can be written; the model knows {known}.")
    lines = order_texts(texts.lines, args.seed)
    hands = find_catalogue(args.data_dir, config.hand_size, say)
    numbers = style_numbers(args, hands)
    if hands:
        styles, catalogue = {}, load_catalogue(hands)
        for number in numbers:
            find_hand(str(number), catalogue)  # one that is not there is told before anything is written
    else:
        styles = {number: load_style(number, args.data_dir, config.data_scale) for number in numbers}
    settings = settings_of(args, lines, numbers, hands, prefix, config.alphabet)
    if claim(folder, settings):
        return None
    plan = Plan(settings, lines)
    say(f"Writing {args.count} lines with {prefix}, {len(lines)} different texts, seed {args.seed}.")

    def describe():
        return {
            "command": command_of(args),
            "files": [{"file": path, "sha256": sha256(_read(path))} for path in args.texts],
            "checkpoint": prefix,
            "replaced": texts.replaced, "dropped": texts.dropped, "too_long": texts.too_long, "foreign": texts.foreign,
        }  # fmt: skip

    load = functools.partial(load_writer, load_model=load_model)
    if beam:
        write_shards = beam.write_shards_with(
            options,
            plan,
            folder,
            checkpoint_files=checkpoint_files(prefix),
            styles=styles,
            hands=hands,
            load_writer=load,
        )
        return run(plan, folder, write_shards, describe, say)
    write = load(prefix, styles, args.tries, hands)
    workers = (os.cpu_count() or 1) if args.workers is None else args.workers
    progress = Progress(args.count, sum(parts_done(folder).values()))
    try:
        write_shards = write_shards_here(plan, folder, write, workers, progress)
        return run(plan, folder, write_shards, describe, say)
    finally:
        rate = progress.close()
        say(f"{progress.written} lines, {rate:.1f} lines/s.")


def main(argv=None):
    args = parse_args(argv)

    def work():
        made = make_dataset(args)
        if made is None:
            say(f"{args.output} is complete already.")
        else:
            counts = made["lines"]
            parts = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
            say(f"Wrote {parts}; {counts['left_out']} that failed are left out, see left_out.csv.")
        print(args.output)
        return 0

    return run_command(work, stopped="Stopped: the same command goes on from here.")


def _import_beam():
    try:
        from scribe.dataset import beam
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "apache_beam":
            raise
        raise ValueError("--runner needs Apache Beam: python3 -m pip install -r requirements-beam.txt") from None
    return beam


if __name__ == "__main__":
    sys.exit(main())
