"""Recordings of handwriting with their texts to `strokes_training_data.cpkl`, the file that train.py reads.

    python3 prepare_data.py --source FOLDER                  # FOLDER holds recordings at any depth, see below
    python3 prepare_data.py --source FOLDER --data_dir data
    python3 prepare_data.py --source old.cpkl --names names.txt     # adds the names of its lines to an older data file
    python3 prepare_data.py --source bad.cpkl --mend                # makes what verify_data.py found unusable usable

IAM-OnDB: lineStrokes/a01/a01-000/a01-000u-01.xml is line 1 of the form a01-000u: the points of a pen on a whiteboard,
stroke by stroke. ascii/a01/a01-000/a01-000u.txt is the text of the form; its section `CSR:` holds the lines in the same
order. These lines are taken as they are.

Any other recording that docs/STYLES.md lists, a line in each of its groups: the text is read from the file, or from
me.txt beside me.svg, or from texts.tsv in the same folder (name of the file, tab, text). These lines are scaled to the
size of IAM-OnDB and get points as its pens put them.

Every line keeps its name: the form or the writer, where the file tells, else its folder and file.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable

from numpy.typing import NDArray

from scribe import console
from scribe.console import OneLineParser, SuiteError, UsageError, run_command
from scribe.files.atomic import check_writable
from scribe.files.iam import LineError, read_lines, read_strokes, to_offsets
from scribe.files.recordings import natural_order, read_recording
from scribe.files.stroke_file import DATA_FILE, HOW_TO_GET_DATA, load_named_strokes, save_strokes
from scribe.files.text_file import read_text
from scribe.writing.training_lines import mended_lines, training_line

NO_RECORDINGS = (".txt", ".tsv", ".csv", ".md", ".py")  # what lies beside recordings
MAX_TEXT = 2**16  # characters of a text beside one


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--source", required=True, help="folder with recordings at any depth; or a data file")
    p.add_argument(
        "--names", metavar="FILE", help="text file with the name of the form or the writer of every line of a data file"
    )
    p.add_argument(
        "--mend",
        action="store_true",
        help="convert a data file of positions, other units or rates, or y upwards",
    )
    p.add_argument("--data_dir", default="data", help=f"folder to write {DATA_FILE} to")
    p.add_argument("--min_characters", type=int, default=11, help="shortest text of a line that is kept")
    p.add_argument("--verbose", action="store_true", help="name every line that is left out, not only the first few")
    args = p.parse_args(argv)
    p.require(args, "min_characters")
    return args


# ------------------------------------------------------------------------------------------------------- all lines


def find_files(source: str) -> tuple[dict, dict, list[str]]:
    """Finds the files of the database anywhere below `source`.

    Returns:
        (forms, texts, strange): forms maps (folder, form), such as ("a01/a01-000", "a01-000u"), to a sorted list of
        (number, path); texts maps the same keys to the path of the text file; strange: XML files without a number.
    """
    forms: dict[tuple[str, str], dict[int, str]] = {}
    texts: dict[tuple[str, str], str] = {}
    strange, seen = [], set()
    for folder, folders, names in os.walk(source, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        parts = os.path.abspath(folder).split(os.sep)
        kind = next((part for part in reversed(parts) if part in ("lineStrokes", "ascii")), None)
        if kind is None:
            continue
        below = "/".join(parts[len(parts) - parts[::-1].index(kind) :])
        for name in sorted(names):
            path, (stem, ending) = os.path.join(folder, name), os.path.splitext(name)
            if name.startswith("."):  # what file managers and archivers leave behind
                continue
            if kind == "ascii" and ending == ".txt":
                texts.setdefault((below, stem), path)
            elif kind == "lineStrokes" and ending == ".xml":
                match = re.fullmatch(r"(.+)-(\d{1,4})", stem)
                if match:
                    lines = forms.setdefault((below, match[1]), {})
                    lines.setdefault(int(match[2]), path)
                else:
                    strange.append(path)
    return {key: sorted(lines.items()) for key, lines in sorted(forms.items())}, texts, strange


def convert(
    source: str,
    min_characters: int = 11,
    skip: Callable[[str, LineError], None] = lambda path, error: None,
    progress: Callable[[list], Iterable] = lambda paths: paths,
) -> tuple[list[NDArray], list[str], list[str]]:
    """All usable lines below `source`, sorted by folder, form and number.

    Args:
        min_characters: shorter texts are left out.
        skip: called with (path, LineError) for every line that is left out.
        progress: wraps the list of forms, to show a progress bar.

    Returns:
        (strokes, texts, names): int16 (n, 3) arrays as `to_offsets` makes them; the lines of the text files as they
        are; the names of the XML files, such as a01-000u-01.
    """
    forms, text_files, strange = find_files(source)
    for path in strange:
        skip(path, LineError("a file name without a line number"))
    strokes, texts, names = [], [], []
    for key, files in progress(list(forms.items())):
        try:
            lines = form_lines(key, files, text_files)
        except LineError as error:
            for _, path in files:
                skip(path, error)
            continue
        for number, path in files:
            try:
                text = lines[number - 1]
                if not text.strip():
                    raise LineError("no text")
                if len(text) < min_characters:
                    raise LineError(f"a text shorter than {min_characters} characters", repr(text))
                try:
                    points = to_offsets(read_strokes(path))
                except OSError as error:
                    raise LineError("unreadable file", error.strerror or str(error)) from None
            except LineError as error:
                skip(path, error)
                continue
            strokes.append(points)
            texts.append(text)
            names.append(os.path.splitext(os.path.basename(path))[0])
    tables: dict[str, dict[str, str]] = {}
    for path in progress(other_recordings(source)):
        for points, text, name in recorded_lines(path, source, min_characters, skip, tables):
            strokes.append(points)
            texts.append(text)
            names.append(name)
    return strokes, texts, names


# ---------------------------------------------------------------------------------------------- any other recording


def other_recordings(source: str) -> list[str]:
    """The files below `source` that are not of IAM-OnDB and may be recordings, sorted."""
    paths, seen = [], set()
    for folder, folders, files in os.walk(source, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural_order)
        parts = os.path.relpath(folder, os.path.dirname(os.path.abspath(source))).split(os.sep)
        if {"lineStrokes", "ascii"} & {*parts, *os.path.abspath(folder).split(os.sep)}:
            continue
        for name in sorted(files, key=natural_order):
            # The database BRUSH has most of its samples three times: as they are, and with other points.
            copy = re.fullmatch(r"(.+)_resample\d+", name)
            if name.startswith(".") or name.lower().endswith(NO_RECORDINGS) or copy and copy[1] in files:
                continue
            if name.lower().endswith("-chars.npy"):
                continue
            paths.append(os.path.join(folder, name))
    return paths


def recorded_lines(path, source, min_characters, skip, tables):
    """[(int16 [n, 3] offsets, text, name)] of a recording; `skip` is called for every line that is left out.

    `tables` is that of `text_beside_recording`.
    """
    try:
        pieces = read_recording(path).pieces
    except OSError as error:
        skip(path, LineError("unreadable file", error.strerror or str(error)))
        return []
    except ValueError as error:
        skip(path, LineError("a file that is no recording", str(error).removeprefix(path).strip().rstrip(".")))
        return []
    try:
        beside = text_beside_recording(path, tables)
    except (OSError, UsageError) as error:
        skip(path, LineError("unreadable text file", str(error)))
        return []
    if beside:
        rows = beside.splitlines() if len(pieces) > 1 else [beside]
        for piece, row in zip(pieces, rows if len(rows) == len(pieces) else [None] * len(pieces)):
            piece.text = row or piece.text
    relative = os.path.splitext(os.path.relpath(path, source))[0].replace(os.sep, "/")
    folder = os.path.dirname(relative)
    lines = []
    for number, piece in enumerate(pieces):
        where = path if len(pieces) == 1 else f"{path}#{number}"
        text = " ".join((piece.text or "").split())
        try:
            if not text:
                raise LineError("no text")
            if len(text) < min_characters:
                raise LineError(f"a text shorter than {min_characters} characters", repr(text))
            # A folder of its own is mostly that of a writer.
            lines.append((training_line(piece.strokes, text), text, piece.name or folder or relative))
        except LineError as error:
            skip(where, error)
    return lines


def text_beside_recording(path: str, tables: dict[str, dict[str, str]]) -> str | None:
    """The text of a recording in a file beside it: of the same name with .txt, or a row of texts.tsv; else None.

    Args:
        path: of the recording. tables: folder -> its texts.tsv, name -> text, of the folders that were seen; added to.

    Raises:
        UsageError: the file is no text, or the text is too long. OSError: it cannot be read.
    """
    folder, name = os.path.split(path)
    stem, ending = os.path.splitext(name)
    beside = os.path.join(folder, stem + ".txt")
    if ending != ".txt" and os.path.exists(beside):
        return read_text(beside, MAX_TEXT).strip() or None
    if folder not in tables:
        table = os.path.join(folder, "texts.tsv")
        rows = read_text(table).split("\n") if os.path.exists(table) else []
        tables[folder] = dict(row.split("\t", 1) for row in rows if "\t" in row)
    return tables[folder].get(name) or tables[folder].get(stem) or None


def form_lines(key, files, text_files):
    """The lines of text of a form. Raises LineError if they do not match its XML files."""
    if key not in text_files:
        raise LineError("no text file", f"ascii/{'/'.join(key)}.txt is missing")
    try:
        lines = read_lines(text_files[key])
    except OSError as error:
        raise LineError("unreadable text file", f"{text_files[key]}: {error.strerror or error}") from None
    if not lines:
        raise LineError("no text", f"no line after CSR: in {text_files[key]}")
    # Files are numbered, so one that is missing in between does no harm; but where the last numbers differ, a line was
    # split or joined somewhere, and texts stand beside the wrong strokes.
    if files[-1][0] != len(lines) or files[0][0] < 1:
        detail = f"{len(lines)} lines in {text_files[key]}, but the XML files go from {files[0][0]} to {files[-1][0]}"
        raise LineError("lines of text and XML files that do not match", detail)
    return lines


# ------------------------------------------------------------------------------------------------------------ main


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    return run_command(lambda: prepare(args))


def prepare(args: argparse.Namespace) -> int:
    """Converts what the flags say, and tells what was left out; returns the exit code."""
    if os.path.isfile(args.source):
        return convert_data_file(args)
    if args.names is not None or args.mend:
        raise UsageError("--names and --mend are for the lines of a data file: --source should be that file.")
    if not os.path.isdir(args.source):
        raise UsageError(f"--source {args.source} is not a folder. {HOW_TO_GET_DATA}")
    path = os.path.join(args.data_dir, DATA_FILE)
    check_writable(path)
    kinds: Counter[str] = Counter()
    shown = 20

    def skip(path, error):
        kinds[error.kind] += 1
        total = sum(kinds.values())
        if args.verbose or total <= shown:
            say(f"Skipped {path}: {error}.")
        elif total == shown + 1:
            say("Skipped more; --verbose names them all.")

    say, progress = _terminal()
    strokes, texts, names = convert(args.source, args.min_characters, skip, progress)
    if strokes:
        save_strokes(path, strokes, texts, names)
    tell_skipped(kinds, say)
    if not strokes:
        wanted = "lineStrokes/*/*/*.xml with their texts in ascii/*/*/*.txt, or other recordings with texts"
        raise SuiteError(f"no usable line below {args.source}: expected {wanted}. {HOW_TO_GET_DATA}")
    print(f"Wrote {path}: {len(strokes)} lines, {sum(map(len, strokes))} pen points.")
    return 0


def convert_data_file(args: argparse.Namespace) -> int:
    """Writes the data file `args.source` again: with the names of its lines, or with its lines mended, or as it is."""
    path = os.path.join(args.data_dir, DATA_FILE)
    check_writable(path)
    strokes, texts, names = load_named_strokes(args.source)
    if args.names is not None:
        names = read_text(args.names).splitlines()
        if len(names) != len(texts):
            raise UsageError(f"{args.names} has {len(names)} lines, but {args.source} has {len(texts)}: one for each.")
    if args.mend:
        kinds: Counter[str] = Counter()
        rows: list[tuple[NDArray, str, str]] = []
        for line, text, name in zip(mended_lines(strokes, texts), texts, names, strict=True):
            if isinstance(line, LineError):
                kinds[line.kind] += 1
            else:
                rows.append((line, text, name))
        tell_skipped(kinds, console.say)
        if not rows:
            raise SuiteError(f"no line of {args.source} can be mended.")
        strokes, texts, names = (list(column) for column in zip(*rows))
    save_strokes(path, strokes, texts, names)
    print(f"Wrote {path}: {len(strokes)} lines, {sum(map(len, strokes))} pen points, {len(set(names))} names.")
    return 0


def tell_skipped(kinds: Counter[str], say: Callable[[str], None]) -> None:
    """Says how many lines were left out, and why."""
    if kinds:
        say(f"Skipped {sum(kinds.values())} lines:")
        for kind, count in kinds.most_common():
            say(f"{count:8d}  {kind}")


def _terminal():
    """(say, progress): messages to stderr, and a progress bar over the forms where stderr is a terminal."""
    if not sys.stderr.isatty():
        return console.say, lambda forms: forms
    from tqdm import tqdm

    return lambda text: tqdm.write(text, file=sys.stderr), lambda forms: tqdm(forms, unit="form")


if __name__ == "__main__":
    sys.exit(main())
