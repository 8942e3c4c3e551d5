"""Checks the handwriting that train.py reads, and the suite's own files; explains every fault.

    python3 verify_data.py
    python3 verify_data.py --data_dir data --tsteps 1300
    python3 verify_data.py --report report.md

Numbers go to stdout, faults and warnings to stderr. Exit code 0 and a last line "SUCCESS! All checks passed!", or 1.
A line of data is named by its index in the file, counted from 0.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import contextlib
import datetime
import hashlib
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np

from scribe.console import OneLineParser, SuiteError, flush_stdout, run_command, say, shortened
from scribe.files.array_ink import is_positions
from scribe.files.atomic import check_writable, written_aside
from scribe.files.needed_files import needed_files
from scribe.files.safe_pickle import load_pickle
from scribe.files.stroke_file import DATA_FILE, HOW_TO_GET_DATA, STYLES_FILE, as_points, as_text
from scribe.ink.alphabet import ALPHABET
from scribe.ink.strokes import absolute_points, split_strokes
from scribe.ink.typical import MEDIAN_X_HEIGHT, OFFSET_LIMIT
from scribe.ink.upright import UPSIDE_DOWN, falls, uprightness
from scribe.ink.x_height import x_height_of_ink
from utils import line_fault

ORIGIN_FILE = "origin.json"  # in the data folder: what the suite's own files are, by their SHA-256

# What people start first or import in notebooks. What these need of scribe/ is found by following their imports.
SOURCES = ["model.py", "utils.py", "train.py", "sample.py", "prepare_data.py", "verify_data.py"]

# The loader leaves out lines that do not match their text. Every collection has a few; a larger share is a fault.
MAX_FILTERED = 0.02

# What the offsets of usable data are like. Of IAM-OnDB: an x-height of 121 by the amount of ink, 21 points for each
# character, 0.15% of the offsets clipped.
X_HEIGHTS, POINT_RATES, MAX_CLIPPED = (45.0, 270.0), (13.0, 38.0), 0.02
SAMPLED_LINES = 400
FALLS_UPSIDE_DOWN = 0.06  # see `scribe.ink.upright.falls`

MEANINGS = {
    "strokes that are not an (n, 3) array of numbers": "every pen point is dx, dy and pen lift",
    "a number that is not finite": "NaN or infinity would spoil the whole network at its first step",
    "a pen lift other than 0 and 1": "the third number says whether the pen lifts after the point: 1, or 0",
    "a text that is not a string": "every line of strokes stands beside what it says",
    "no text": "without its text, a line teaches nothing about letters",
}


class Report:
    """Faults and warnings, printed to stderr as they come."""

    def __init__(self):
        self.faults = 0

    def fault(self, text):
        self.faults += 1
        say(f"FAULT: {_printable(text)}")

    def warn(self, text):
        say(f"Warning: {_printable(text)}")

    def note(self, text):
        say(f"Note: {_printable(text)}")


def _printable(text):
    """Escapes characters that a terminal would obey or cannot show: data can hold anything."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def name_lines(indices: Sequence[int], most: int = 50) -> str:
    """[0, 1, 2, 7] -> "lines 0-2, 7"."""
    ranges: list[list[int]] = []
    for i in indices:
        if ranges and ranges[-1][1] == i - 1:
            ranges[-1][1] = i
        else:
            ranges.append([i, i])
    named = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges[:most])
    rest = sum(b - a + 1 for a, b in ranges[most:])
    return f"line{'s' * (len(indices) > 1)} {named}" + (f" and {rest} more" if rest else "")


# ------------------------------------------------------------------------------------------------------------- files


def check_sources(report: Report, folder: str | None = None) -> None:
    """The files that SOURCES need are there, and all sources that are there can be compiled."""
    folder = folder or os.path.dirname(os.path.abspath(__file__))
    names = {name for name in os.listdir(folder) if name.endswith(".py")}
    for parent, _, files in os.walk(os.path.join(folder, "scribe")):
        inside = os.path.relpath(parent, folder).replace(os.sep, "/")
        names |= {f"{inside}/{name}" for name in files if name.endswith(".py")}
    names = {name for name in names if not os.path.basename(name).startswith(".")}
    needed, missing = needed_files(folder, SOURCES)
    for name in sorted({*names, *needed, *missing}):
        path = os.path.join(folder, *name.split("/"))
        try:
            with open(path, "rb") as file:
                compile(file.read(), path, "exec", dont_inherit=True)
        except FileNotFoundError:
            report.fault(f"{path} is missing; take it from the repository again.")
        except OSError as error:
            report.fault(f"{path} cannot be read: {error.strerror}.")
        except (SyntaxError, ValueError) as error:
            report.fault(f"{path} is not Python that {sys.version.split()[0]} can read: {error}.")


def check_folders(report: Report, data_dir: str, log_dir: str, save_dir: str) -> None:
    """The folder of the data can be read; those that training writes to can be written, or made."""
    if not os.path.isdir(data_dir):
        state = "is not a folder" if os.path.exists(data_dir) else "does not exist"
        report.fault(f"the data folder {data_dir} {state}. {HOW_TO_GET_DATA}")
    elif not os.access(data_dir, os.R_OK | os.X_OK):
        report.fault(f"the data folder {data_dir} cannot be read; fix its permissions.")
    elif not os.access(data_dir, os.W_OK):
        report.note(f"the data folder {data_dir} cannot be written, which only prepare_data.py has to.")
    for folder, flag in ((log_dir, "--log_dir"), (save_dir, "--save_dir")):
        fault = _why_not_writable(folder or ".")
        if fault:
            report.fault(f"{fault} or name another with {flag}.")


def _why_not_writable(folder):
    """Why training could not write to a folder, which it makes where it is missing; None if it could."""
    try:
        os.lstat(folder)
    except FileNotFoundError:
        return _why_not_writable(os.path.dirname(os.path.abspath(folder)))
    except OSError as error:
        return f"{shortened(folder, 300)} cannot be made ({error.strerror}); mend its name"
    if not os.path.isdir(folder):
        return f"{folder} is not a folder; move it away"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"{folder} cannot be written; fix its permissions"


# -------------------------------------------------------------------------------------------------------------- data


def read_parts(report, path):
    """(strokes, texts) as the pickle has them, or None where it is no such pickle."""
    try:
        content = load_pickle(path)
    except (OSError, ValueError) as error:
        report.fault(str(error))
        return None
    try:
        if isinstance(content, (str, bytes, dict, set, frozenset)):
            raise TypeError
        strokes, texts, *names = content
        if len(names) > 1 or any(isinstance(part, (str, bytes, dict, set, frozenset)) for part in content):
            raise TypeError
        strokes, texts, *names = map(list, content)
    except (TypeError, ValueError):
        report.fault(
            f"{path} should hold the lists [strokes, asciis] or [strokes, asciis, names], but it holds a "
            f"{type(content).__name__}."
        )
        return None
    if names and len(names[0]) != len(texts):
        report.fault(f"{path} holds {len(texts)} texts but {len(names[0])} names: they have to match.")
    if len(strokes) != len(texts):
        report.fault(f"{path} holds {len(strokes)} lines of strokes but {len(texts)} texts: they have to match.")
    return strokes, texts


def check_lines(report, path, strokes, texts):
    """Checks the form of every line and reports its faults.

    Returns:
        {index: (points (n, 3), text)} of the sound lines.
    """
    faults, details, sound = {}, {}, {}

    def fault(kind, i, detail=""):
        faults.setdefault(kind, []).append(i)
        details.setdefault(kind, detail)

    for i, (line, text) in enumerate(zip(strokes, texts, strict=False)):
        before = sum(map(len, faults.values()))
        try:
            points = as_points(line)
            if not np.isfinite(points).all():
                fault("a number that is not finite", i)
            elif not np.isin(points[:, 2], (0, 1)).all():
                fault("a pen lift other than 0 and 1", i)
        except ValueError as error:
            fault("strokes that are not an (n, 3) array of numbers", i, f"; in the first of them, {error}")
        try:
            text = as_text(text).strip()
            if not text:
                fault("no text", i)
        except ValueError as error:
            fault("a text that is not a string", i, f"; in the first of them, {error}")
        if sum(map(len, faults.values())) == before:
            sound[i] = points, text
    for kind, indices in faults.items():
        report.fault(f"{path}, {name_lines(indices)}: {kind} ({MEANINGS[kind]}{details[kind]}).")
    return sound


def check_data(report: Report, path: str, tsteps: int, worst: int) -> None:
    """Checks the strokes file: its form, and what the loader would leave out; prints its statistics."""
    if not os.path.exists(path):
        report.fault(f"{path} does not exist. {HOW_TO_GET_DATA}")
        return
    parts = read_parts(report, path)
    if parts is None:
        return
    strokes, texts = parts
    if not strokes or not texts:
        report.fault(f"{path} holds no lines. {HOW_TO_GET_DATA}")
        return
    sound = check_lines(report, path, strokes, texts)
    filtered: dict[str, list[int]] = {}
    no_lift = []
    for i, (points, text) in sound.items():
        reason = line_fault(points, text, tsteps)
        if reason:
            filtered.setdefault(reason, []).append(i)
        if len(points) and points[-1, 2] != 1:
            no_lift.append(i)
    count = sum(map(len, filtered.values()))
    for reason, indices in filtered.items():
        report.warn(f"{path}, {name_lines(indices)}: {reason}; the loader leaves this out.")
    if count and count >= MAX_FILTERED * len(strokes):
        report.fault(
            f"{path}: the loader would leave out {count} of {len(strokes)} lines ({count / len(strokes):.1%}; up to "
            f"{MAX_FILTERED:.0%} is usual). Texts may stand beside the wrong strokes, points may be too dense or too "
            f"sparse, or --tsteps {tsteps} is too small."
        )
    if no_lift:
        report.warn(f"{path}, {name_lines(no_lift)}: the pen does not lift after the last point.")
    if sound:
        check_units(report, path, sound)
        print_statistics(report, path, sound, worst)


def check_units(report: Report, path: str, sound: dict) -> None:
    """Whether the numbers are what training takes: raw offsets, y downwards, of the usual size and density.

    Training would take hours to show it: the network cannot learn from anything else.
    """
    chosen = [sound[i] for i in np.random.default_rng(0).permutation(sorted(sound))[:SAMPLED_LINES]]
    chosen = [(np.asarray(points, float), text) for points, text in chosen if len(points) > 2]
    if not chosen:
        return
    mend = f"python3 prepare_data.py --source {path} --mend --data_dir mended converts them"
    if np.mean([is_positions(points[:, :2]) for points, _ in chosen]) > 0.5:
        report.fault(f"{path}: the lines hold positions, but training takes offsets from point to point; {mend}.")
        return
    lines = [[stroke[:, :2] for stroke in split_strokes(absolute_points(points))] for points, _ in chosen]
    texts = [text for _, text in chosen]
    height = float(np.median([x_height_of_ink(strokes, text) for strokes, text in zip(lines, texts)]))
    rate = float(np.median([len(points) / len(text) for points, text in chosen]))
    clipped = float(np.mean([(np.abs(points[1:, :2]) > OFFSET_LIMIT).any(axis=1).mean() for points, _ in chosen]))
    print(
        f"x-height {height:.3g} raw units, {rate:.3g} points for each character, {clipped:.2%} of the offsets clipped"
    )
    if not X_HEIGHTS[0] <= height <= X_HEIGHTS[1]:
        divided = " (the offsets seem to be divided already)" if height < MEDIAN_X_HEIGHT / 10 else ""
        report.fault(
            f"{path}: small letters are about {height:.3g} units high, but training takes raw units, in which they "
            f"have about {MEDIAN_X_HEIGHT:.0f}{divided}; {mend}."
        )
    elif clipped > MAX_CLIPPED:
        report.fault(
            f"{path}: {clipped:.1%} of the offsets are longer than {OFFSET_LIMIT} units and would be clipped, which "
            f"deforms the writing; {mend}."
        )
    if not POINT_RATES[0] <= rate <= POINT_RATES[1]:
        report.fault(
            f"{path}: a character has {rate:.3g} points, but about 22 in IAM-OnDB: the pen was sampled at another "
            f"rate; {mend}."
        )
    # Two signs that have little to do with each other.
    mirrored = np.median([uprightness(strokes) for strokes in lines]) < UPSIDE_DOWN
    if mirrored and np.median([falls(strokes) for strokes in lines]) > FALLS_UPSIDE_DOWN:
        report.fault(f"{path}: the writing stands on its head: y has to grow downwards; {mend}.")


def origin(path):
    """Where a data file comes from, if origin.json beside it lists it by its SHA-256; else an empty string."""
    try:
        with open(os.path.join(os.path.dirname(path), ORIGIN_FILE), encoding="utf-8") as file:
            known = json.load(file)[os.path.basename(path)]
        with open(path, "rb") as file:
            return known["origin"] if hashlib.file_digest(file, "sha256").hexdigest() == known["sha256"] else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def check_styles(report: Report, path: str) -> None:
    """Checks the styles, if there are any: pieces of lines in model units, of any length."""
    if not os.path.exists(path):
        report.note(f"{path} does not exist: sample.py has no handwriting to imitate, all else works.")
        return
    parts = read_parts(report, path)
    if parts is not None:
        sound = check_lines(report, path, *parts)
        print(f"\n{path}: {len(sound)} styles")


# -------------------------------------------------------------------------------------------------------- statistics


def print_statistics(report, path, sound, worst):
    lengths = np.array([len(points) for points, _ in sound.values()])
    characters = np.array([len(text) for _, text in sound.values()])
    density = lengths / characters
    lifts = np.array([points[:, 2].sum() for points, _ in sound.values()])
    reach = np.array([np.abs(points[1:, :2]).max(initial=0) for points, _ in sound.values()])

    print(f"{path}: {len(sound):,} samples (lines), {lengths.sum()} pen points, {characters.sum()} characters")
    where_from = origin(path)
    if where_from:
        print(where_from)
    marks = (0, 1, 5, 25, 50, 75, 95, 99, 100)
    print(f"\n{'percentile':24s}" + "".join(f"{'min' if m == 0 else 'max' if m == 100 else m:>9}" for m in marks))
    for name, values in (
        ("pen points in a line", lengths),
        ("characters in a line", characters),
        ("points per character", density),
        ("pen lifts in a line", lifts),
        ("longest offset in a line", reach),
    ):
        print(f"{name:24s}" + "".join(f"{v:9.4g}" for v in np.percentile(values, marks)))

    counts = Counter(c for _, text in sound.values() for c in text)
    print(f"\ncharacters: {len(counts)} different ones")
    listed = [f"{c if c.isprintable() and c != ' ' else ascii(c)} {n}" for c, n in counts.most_common()]
    for start in range(0, len(listed), 10):
        print("  " + "".join(f"{item:<12}" for item in listed[start : start + 10]).rstrip())
    missing = [c for c in ALPHABET if c not in counts]
    if missing:
        print(f"of the alphabet, never: {' '.join(missing)}")
    unknown = {c: n for c, n in counts.most_common() if c not in ALPHABET}
    if unknown:
        lines = [i for i, (_, text) in sound.items() if not set(text) <= set(ALPHABET)]
        named = ", ".join(f"{ascii(c)} (U+{ord(c):04X}) {n} times" for c, n in list(unknown.items())[:20])
        report.warn(
            f"{path}, {name_lines(lines)}: characters outside of the alphabet, which the network sees as one and the "
            f"same unknown: {named}{' and more' if len(unknown) > 20 else ''}."
        )

    # How far a line is from the usual number of points per character, as a ratio in either direction.
    indices, oddness = list(sound), np.abs(np.log(np.maximum(density, 1e-9) / max(np.median(density), 1e-9)))
    if worst > 0:
        print("\nfarthest from the usual points per character:")
        for k in np.argsort(-oddness, kind="stable")[:worst]:
            text = _printable(sound[indices[k]][1])
            print(f"  line {indices[k]:6d}: {density[k]:7.1f} ({lengths[k]} points, {characters[k]} characters) {text}")


# -------------------------------------------------------------------------------------------------------------- main


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data_dir", default="data", help=f"folder with {DATA_FILE}, and {STYLES_FILE} if there is one")
    p.add_argument("--tsteps", type=int, default=1300, help="pen points of the longest line that the loader uses")
    p.add_argument("--log_dir", default="logs", help="folder that training writes messages to")
    p.add_argument("--save_dir", default="saved", help="folder that training writes checkpoints to")
    p.add_argument("--worst", type=int, default=10, help="lines to list that are farthest from the usual (0 = none)")
    p.add_argument("--report", metavar="FILE", default=None, help="Markdown file to write all this to as well")
    args = p.parse_args(argv)
    p.require(args, "tsteps", least=1)
    p.require(args, "worst")
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    return run_command(lambda: verify(args) if args.report is None else verify_with_report(args))


def verify_with_report(args: argparse.Namespace) -> int:
    """Runs all checks and also writes what they print to the file `args.report`; returns the exit code."""
    folder = os.path.dirname(args.report) or "."
    if not os.path.isdir(folder):
        raise SuiteError(f"{args.report} cannot be written: there is no folder {folder}.")
    check_writable(args.report)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = verify(args)
    command = f"python3 verify_data.py --data_dir {args.data_dir} --tsteps {args.tsteps}"
    with written_aside(args.report) as aside, open(aside, "w", encoding="utf-8") as file:
        file.write(
            f"# Data verification report\n\n{datetime.date.today()}, exit code {code}, from `{command}`.\n\n"
            f"## Figures\n\n```text\n{out.getvalue()}```\n\n"
            f"## Faults, warnings and notes\n\n```text\n{err.getvalue() or 'none'}\n```\n"
        )
    print(out.getvalue(), end="")
    if err.getvalue():
        say(err.getvalue().removesuffix("\n"))
    return code


def verify(args: argparse.Namespace) -> int:
    """Runs all checks; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a text may hold what the terminal's encoding cannot show
            stream.reconfigure(errors="backslashreplace")
    report = Report()
    check_sources(report)
    check_folders(report, args.data_dir, args.log_dir, args.save_dir)
    if os.path.isdir(args.data_dir):
        check_data(report, os.path.join(args.data_dir, DATA_FILE), args.tsteps, args.worst)
        check_styles(report, os.path.join(args.data_dir, STYLES_FILE))
    flush_stdout()
    if report.faults:
        say(f"{report.faults} fault{'s' * (report.faults > 1)} found.")
        return 1
    print("\nSUCCESS! All checks passed!")
    return 0


if __name__ == "__main__":
    sys.exit(main())
