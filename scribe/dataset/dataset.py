"""Plans a data set of handwritten lines, shard by shard, and writes its files. No network: it comes as a function.

    from scribe.dataset.dataset import Folder, Plan, run
    plan = Plan(settings, texts)                   # settings: what decides the bytes; texts: as `order_texts` has them
    run(plan, Folder("lines"), write_shards)       # write_shards: a function that writes `Shard`s, see `write_shard`

A shard is 64 lines (less where there are few) that the network writes in one batch: what a line looks like depends,
by the rounding of products, on the lines that are computed with it, so the shard is the unit of everything: of work, of
seeds, of what is written again after a kill. How many shards are written at a time, where, and in which order changes
nothing.

A line that failed is left out, and after all shards there is a round of further ones, with the next texts, for as many
lines as are missing; and so on. So a data set has exactly as many lines as were asked for, all of them whole.

    OUTPUT/train/0000/00000000.png             the lines; the number is the line's place in the plan
    OUTPUT/train/metadata.csv                  file_name, text, ... of one split, as Hugging Face's imagefolder wants it
    OUTPUT/labels.csv, boxes.jsonl, left_out.csv, dataset.json
    OUTPUT/.unfinished/                        until the end: settings.json, a file for each shard that is done
"""

import contextlib
import csv
import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import threading

import numpy as np

from scribe.console import UsageError
from scribe.dataset.pictures import Look, draw_picture, png
from scribe.ink.characters import assign_characters
from scribe.ink.text import fit_to_alphabet, split_text
from scribe.pages import formats
from scribe.pages.page import Page, PlacedLine

SHARD = 64  # lines
SPLITS = ("train", "validation", "test")
# Lines of the partition of the IAM database that is used most often.
IAM_SHARES = (6482, 976, 2915)
STROKES = ("none", "json", "inkml")
LONGEST_WORD = 40  # characters; the network has hardly seen longer ones
IN_A_FOLDER = 10_000  # lines: more files than that in one folder are a burden
MOST_ROUNDS = 12
STROKES_DPI = 300  # the resolution at which a picture is as large as the page of its strokes

UNFINISHED = ".unfinished"
PARTS, SETTINGS = f"{UNFINISHED}/parts", f"{UNFINISHED}/settings.json"
DESCRIPTION = "dataset.json"
LABELS = ("file", "text", "style", "bias", "seed", "split")
METADATA = ("file_name", "text", "style", "bias", "seed")
LEFT_OUT = ("text", "style", "bias", "seed", "split", "failures")
FORMAT, VERSION = "scribe-handwriting-lines", 1

# What readers of CSV (pandas, and so Hugging Face's imagefolder) take for a missing value.
NOTHING = frozenset(
    "#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null".split("|")
)
TRUTHS = frozenset("true false True False TRUE FALSE".split())


# -------------------------------------------------------------------------------------------------------------- texts


def read_files(paths):
    """The contents of text files in UTF-8.

    Raises:
        UsageError: a file is not a text. OSError: it cannot be read.
    """
    contents = []
    for path in paths:
        try:
            with open(path, encoding="utf-8-sig") as file:
                contents.append(file.read())
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not a text in UTF-8: {error}.") from None
    return contents


@dataclasses.dataclass
class Texts:
    """What there is to write.

    Attributes:
        lines: the different lines, in the characters of the alphabet, in the order in which they stand in the files.
        replaced: character -> what is written for it. dropped: characters that are left out. too_long: how many lines
            were left out for a word of more than LONGEST_WORD characters.
    """

    lines: list
    replaced: dict
    dropped: list
    too_long: int


def fit_texts(contents, alphabet, max_characters):
    """Cuts texts into lines that the network can write: every line of a text is one or more lines.

    Args:
        contents: texts. alphabet: what the network knows. max_characters: of a line, cut at words.

    Returns:
        Texts.
    """
    texts = Texts([], {}, [], 0)
    seen, dropped = set(), {}
    for line in (line for content in contents for line in content.splitlines()):
        fitted, replaced, lost = fit_to_alphabet(line, alphabet)
        texts.replaced |= replaced
        dropped |= dict.fromkeys(lost)
        for text in (text for paragraph in split_text(fitted, max_characters, "keep") for text in paragraph):
            if text in seen:
                continue
            seen.add(text)
            if max(map(len, text.split())) > LONGEST_WORD:
                texts.too_long += 1
            else:
                texts.lines.append(text)
    texts.dropped = list(dropped)
    return texts


def order_texts(lines, seed):
    """Lines in the order in which they are written."""
    return [lines[i] for i in np.random.default_rng([seed, 0]).permutation(len(lines))]


def split_of_texts(count, shares):
    """The split of every text, so that of any number of first texts the splits have their shares, within one text.

    Args:
        count: texts. shares: a number for each of SPLITS.

    Returns:
        int8 [count], places in SPLITS.
    """
    shares = np.asarray(shares, float) / np.sum(shares)
    splits, given = np.zeros(count, np.int8), np.zeros(len(shares))
    for k in range(count):
        splits[k] = np.argmax(shares * (k + 1) - given)
        given[splits[k]] += 1
    return splits


def misread_as_csv(texts):
    """Whether a reader of CSV that guesses types would take a text of this column for nothing, or all for numbers."""
    numbers = 0
    for text in texts:
        if text in NOTHING:
            return True
        numbers += text in TRUTHS or bool(re.fullmatch(r"[-+]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?|[-+]?inf(inity)?", text))
    return 2 * numbers >= max(len(texts), 1)  # such readers guess for some thousand rows at a time


# --------------------------------------------------------------------------------------------------------------- plan


@dataclasses.dataclass(frozen=True)
class Shard:
    """Lines `first` to before `first + count` of the plan, written in one batch in the hand `style` (or None)."""

    number: int
    first: int
    count: int
    style: int | None


class Plan:
    """Which line gets which text, hand, bias and seed: a function of the settings and the texts alone.

    Args:
        settings: a dict, as `make_dataset.settings_of` makes it; it goes into dataset.json.
        texts: the lines to write, in the order of `order_texts`. They are gone through again and again.
    """

    def __init__(self, settings, texts):
        self.settings, self.texts = settings, texts
        self.count, self.seed, self.strokes = settings["count"], settings["seed"], settings["strokes"]
        self.styles = settings["styles"] or [None]
        self.look = Look(**{k: tuple(v) if isinstance(v, list) else v for k, v in settings["look"].items()})
        self.splits = split_of_texts(len(texts), settings["shares"])
        # With few lines and many styles shards are smaller, so that all styles have their share.
        self.size = min(SHARD, -(-self.count // len(self.styles)))

    def shards(self, number, first, count):
        """Shards for `count` lines from line `first` on; the first of them has the given number."""
        starts = range(first, first + count, self.size)
        return [
            Shard(n, start, min(self.size, first + count - start), self.styles[n % len(self.styles)])
            for n, start in enumerate(starts, number)
        ]

    def rows(self, shard):
        """What is to be written: a dict for each line of a shard, with the columns of labels.csv and its `line`."""
        low, high = self.settings["biases"]
        # Of each, 53 bits: numbers that every reader of a table keeps as they are.
        seeds = np.random.SeedSequence([self.seed, 1, shard.number]).generate_state(shard.count, np.uint64).tolist()
        rows = []
        for line, seed in enumerate((s >> 11 for s in seeds), shard.first):
            text = line % len(self.texts)
            split = SPLITS[self.splits[text]]
            rows.append(
                {
                    "line": line,
                    "file": f"{split}/{line // IN_A_FOLDER:04d}/{line:08d}.png",
                    "text": self.texts[text],
                    "style": "none" if shard.style is None else shard.style,
                    "bias": round(float(np.random.default_rng([seed, 2]).uniform(low, high)), 3),
                    "seed": seed,
                    "split": split,
                }
            )
        return rows

    def metadata_ending(self):
        """csv; jsonl where a reader of the CSV would not get the texts as they are."""
        splits = [[text for text, s in zip(self.texts, self.splits) if s == k] for k in range(len(SPLITS))]
        return "jsonl" if any(texts and misread_as_csv(texts) for texts in splits) else "csv"


# -------------------------------------------------------------------------------------------------------------- files


class Folder:
    """The folder of a data set on a disk. Names are relative to it, with slashes. Files are written aside and renamed.

    `beam.RemoteFolder` is the same for what is not a disk.
    """

    def __init__(self, path):
        self.path = path

    def __str__(self):
        return self.path

    def local(self, name):
        return os.path.join(self.path, *name.split("/"))

    @contextlib.contextmanager
    def writing(self, name):
        """A binary file to write to, which gets its name when all is written."""
        path = self.local(name)
        # All of them in one place, where a run after a kill can find and remove them.
        aside = self.local(f"{UNFINISHED}/aside-{os.getpid()}-{threading.get_ident()}-{name.replace('/', '-')}")
        try:
            for folder in (aside, path):
                os.makedirs(os.path.dirname(folder), exist_ok=True)
            with open(aside, "wb") as file:
                yield file
            os.replace(aside, path)
        except OSError as error:
            if error.filename not in (None, aside, path, os.path.dirname(aside), os.path.dirname(path)):
                raise  # that of another file, met while this one was written
            raise OSError(error.errno, f"cannot be written ({error.strerror})", path) from None
        finally:
            if os.path.exists(aside):
                os.remove(aside)

    def write(self, name, content):
        """Writes a file from bytes."""
        with self.writing(name) as file:
            file.write(content)

    def read(self, name):
        """The bytes of a file, None if there is none."""
        try:
            with open(self.local(name), "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_all(self, names):
        """The bytes of many files, one after the other."""
        return map(self.read, names)

    def names(self, name=""):
        """Names of what is in a folder; none if it does not exist."""
        try:
            return sorted(os.listdir(self.local(name) if name else self.path))
        except FileNotFoundError:
            return []

    def remove(self, name):
        """Removes a folder with all that is in it, if it exists."""
        shutil.rmtree(self.local(name), ignore_errors=True)

    def lock(self):
        """Raises UsageError while another run writes here; ends with the process."""
        try:
            import fcntl
        except ImportError:  # Windows has no such lock
            return
        os.makedirs(self.local(UNFINISHED), exist_ok=True)
        self._lock = open(self.local(f"{UNFINISHED}/lock"), "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another run is writing to {self.path}: wait for it, or name another --output.") from None


def claim(folder, settings):
    """Makes sure that a folder is empty, or belongs to a data set of the same settings; returns whether it is complete.

    Raises:
        UsageError: it belongs to anything else.
    """
    described = folder.read(DESCRIPTION)
    begun = described or folder.read(SETTINGS)
    if begun is None:
        if [name for name in folder.names() if name != UNFINISHED]:
            raise UsageError(f"{folder} holds other files: name a folder that is new or empty.")
        folder.lock()
        folder.write(SETTINGS, _json_bytes({"settings": settings}))
        return False
    try:
        before = dict(json.loads(begun)["settings"])
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{folder} holds something that is no data set of this command: name another one.") from None
    now = json.loads(json.dumps(settings))
    differing = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    if differing:
        what = ", ".join(_difference(key, before.get(key), now.get(key)) for key in differing)
        raise UsageError(f"{folder} was begun with {what}: use the same settings, or another --output.")
    if described is None:
        folder.lock()
    elif UNFINISHED in folder.names():  # killed while it was tidied up
        folder.remove(UNFINISHED)
    return described is not None


def _difference(key, before, now):
    """In words: 'count 10 (now 20)', 'other texts'."""
    if key.endswith("_sha256"):
        return f"other {key.removesuffix('_sha256')}"
    before, now = (text if len(text) <= 60 else text[:57] + "..." for text in map(json.dumps, (before, now)))
    return f"{key} {before} (now {now})"


def _json_bytes(content):
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def sha256(*contents):
    """The SHA-256 of some bytes, one after the other."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


# ------------------------------------------------------------------------------------------------------ one shard


@dataclasses.dataclass
class Written:
    """A line as a drawing process takes it: text, strokes [n, 6], phis [n, U], and what failed, in words, or ""."""

    text: str
    strokes: np.ndarray
    phis: np.ndarray
    failures: str


def write_lines(plan, shard, write):
    """Lets the network write a shard.

    Args:
        write: a function (texts, biases, seeds, style) -> (`sample.Line`s, for each a list of `failures.Failure`).

    Returns:
        A list of Written.
    """
    rows = plan.rows(shard)
    # sample.py draws the numbers of its only line from (--seed, 0).
    lines, failures = write(
        [row["text"] for row in rows], [row["bias"] for row in rows], [(row["seed"], 0) for row in rows], shard.style
    )
    return [
        Written(line.text, line.strokes, line.phis, "; ".join(failure.describe(line.text) for failure in found))
        for line, found in zip(lines, failures, strict=True)
    ]


def finish_shard(folder, look, strokes_format, number, rows, lines):
    """Draws the lines of a shard and writes their files; last, the part that says that the shard is done.

    Args:
        folder: a Folder. look, strokes_format: of the plan. number: of the shard. rows: `Plan.rows` of it. lines:
            `write_lines` of it.

    Returns:
        how many lines there are now; the others failed.
    """
    done, left_out = [], []
    for row, line in zip(rows, lines, strict=True):
        row = row | {"text": line.text}  # the label is what was written, whatever was asked for
        if line.failures:
            left_out.append(row | {"failures": line.failures})
            continue
        index = assign_characters(line.strokes, line.phis, line.text)
        picture = draw_picture(line.strokes, index, line.text, look, [row["seed"], 1])
        folder.write(row["file"], png(picture.image))
        if strokes_format != "none":
            stem = os.path.splitext(row["file"])[0]
            folder.write(f"{stem}.{strokes_format}", strokes_file(picture, index, line.text, strokes_format))
        height, width = picture.image.shape[:2]
        done.append(row | {"width": width, "height": height, "boxes": picture.boxes})
    part = {"lines": done, "left_out": left_out}
    folder.write(part_name(number, len(done)), json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode())
    return len(done)


def strokes_file(picture, index, text, format):
    """The strokes of a picture as the bytes of a json or inkml file: a page as large as the picture at STROKES_DPI."""
    mm = 25.4 / STROKES_DPI
    height, width = picture.image.shape[:2]
    points = picture.points * [mm, mm, 1]
    line = PlacedLine(points, text, index, ink=picture.ink, pen_width_mm=picture.pen * mm)
    return formats.encode([Page(width * mm, height * mm, [line])], format)


def part_name(number, count):
    """The part of a shard; its name alone tells how many lines came out, so nobody has to read it to know."""
    return f"{PARTS}/{number:08d}.{count}.json"


def parts_done(folder):
    """A dict, number of a shard -> how many lines it has, of the shards that are done."""
    names = (re.fullmatch(r"(\d+)\.(\d+)\.json", name) for name in folder.names(PARTS))
    return {int(name[1]): int(name[2]) for name in names if name}


# ---------------------------------------------------------------------------------------------------------- all shards


def run(plan, folder, write_shards, describe=lambda: {}, say=lambda text: None):
    """Writes all shards that are not done yet, and then the files about all lines.

    Args:
        plan: a Plan. folder: a Folder that `claim` has found to be right, and not complete.
        write_shards: a function that writes a list of Shards, in any order and anywhere: `write_lines` and then
            `finish_shard` of each.
        describe: returns a dict with what else goes into dataset.json. say: takes a message.

    Returns:
        The content of dataset.json.

    Raises:
        ValueError: too few lines come out whole.
    """
    number = first = 0
    missing = plan.count
    shards = []
    for _ in range(MOST_ROUNDS):
        shards += plan.shards(number, first, missing)
        done = parts_done(folder)
        todo = [shard for shard in shards if shard.number not in done]
        if todo:
            write_shards(todo)
            done = parts_done(folder)
        first += missing
        number = len(shards)
        missing = plan.count - sum(done[shard.number] for shard in shards)
        if not missing:
            break
        say(f"{missing} lines failed and are left out: writing as many others.")
    else:
        raise ValueError(
            f"only {plan.count - missing} of {plan.count} lines came out whole of {first}: this model, or these texts, "
            "fail too often; more --tries or another --bias may help."
        )
    return _assemble(plan, folder, [part_name(n, done[n]) for n in range(number)], describe())


def _assemble(plan, folder, parts, description):
    """Writes the files about all lines; dataset.json is the last one, so where it is, everything is."""
    ending = plan.metadata_ending()
    counts = dict.fromkeys(SPLITS, 0) | {"left_out": 0}
    with contextlib.ExitStack() as stack:
        files = {}

        def add(name, columns, row):
            """Adds a row to a table, or, without columns, a line of JSON to a file; begins it where it is the first."""
            if name not in files:
                files[name] = stack.enter_context(folder.writing(name))
                if columns and not name.endswith("jsonl"):
                    files[name].write(_csv(columns))
            if row is not None:
                row = {column: row[column] for column in columns} if columns else row
                files[name].write(_json_line(row) if name.endswith("jsonl") else _csv(row.values()))

        add("labels.csv", LABELS, None)
        add("left_out.csv", LEFT_OUT, None)
        for content in folder.read_all(parts):
            part = json.loads(content)
            for row in part["lines"]:
                split, name = row["file"].split("/", 1)  # imagefolder's names are relative to the file that holds them
                counts[split] += 1
                add("labels.csv", LABELS, row)
                add("boxes.jsonl", (), boxes_line(row, plan.settings["alphabet"]))
                add(f"{split}/metadata.{ending}", METADATA, row | {"file_name": name})
            for row in part["left_out"]:
                counts["left_out"] += 1
                add("left_out.csv", LEFT_OUT, row)
    content = {
        "format": FORMAT, "version": VERSION, **description, "settings": plan.settings, "lines": counts,
        "texts": len(plan.texts), "metadata": f"metadata.{ending}",
    }  # fmt: skip
    folder.write(DESCRIPTION, _json_bytes(content))
    folder.remove(UNFINISHED)
    return content


def boxes_line(row, alphabet):
    """A line of boxes.jsonl: an image and its annotations, in the words of COCO.

    category_id is the place of the character in the alphabet, from 1; bbox is [x, y, width, height] in pixels from the
    upper left corner of the picture, null where a character has no ink of its own.
    """
    annotations = [
        {"id": u, "character": c, "category_id": alphabet.find(c) + 1, "bbox": box}
        for u, (c, box) in enumerate(zip(row["text"], row["boxes"], strict=True))
    ]
    image = {"image_id": row["line"], "file_name": row["file"], "width": row["width"], "height": row["height"]}
    return {**image, "text": row["text"], "annotations": annotations}


def _json_line(content):
    return (json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def _csv(values):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(values)
    return stream.getvalue().encode()
