"""Kills commands at any instant, starts them again, and compares what they end with.

    python3 benchmarks/kill_campaign.py                                  # 10 kills of each command, about 20 minutes
    python3 benchmarks/kill_campaign.py --kills 60 --only training --json killed.json

Four commands, each started again after every kill. Whenever it comes to its end, the result is compared, and it begins
anew until it has been killed often enough:

    training     the latest and the best checkpoint hold the same numbers, bit for bit, as those of a run never killed
    data set     the same files with the same bytes as one never killed
    cards        the same, of `sample.py --cards`
    page         at every instant its file is whole: the old one, or the new one

Half of the kills come at a random time, half as soon as the command begins to write a file, so that saves are hit. Nine
in ten are SIGKILL, which no program can answer; the others SIGTERM. The exit code is 1 if anything differs.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scribe.console import SuiteError, run_command, say  # noqa: E402
from scribe.files.atomic import check_writable, save_json  # noqa: E402
from scribe.files.stroke_file import DATA_FILE, load_strokes, save_strokes  # noqa: E402

LINES = 60  # of the corpus, to train on
SMALL = ["--rnn_size", "12", "--nmixtures", "2", "--batch_size", "6", "--warmup", "3", "--nepochs", "6"]
PARTS = ("training", "data set", "cards", "page")
CARDS = 24  # three groups that are written together
POLL = 0.002  # seconds between two looks at a folder


def files_of(folder):
    """{path within the folder: (size, time of its last change)} of all files; those that vanish meanwhile are left
    out."""
    found = {}
    for path in Path(folder).rglob("*"):
        try:
            stat = path.stat()
            if path.is_file():
                found[path.relative_to(folder).as_posix()] = stat.st_size, stat.st_mtime_ns
        except OSError:
            pass
    return found


def digests(folder):
    """{path within the folder: SHA-256} of all files."""
    paths = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


class Campaign:
    """Runs a command, kills it, and runs it again; compares what it has made whenever it comes to its end.

    Args:
        words: the command. folder: where it writes; removed before it begins anew.
        watched: the folder whose changes a kill waits for. seconds: how long the command takes when it is left alone.
        compare: returns what is not as it should be at the end, a list of names. rng: decides on the instants.
    """

    def __init__(self, words, folder, watched, seconds, compare, rng):
        self.words, self.folder, self.watched, self.seconds = words, folder, watched, seconds
        self.compare, self.rng = compare, rng
        self.kills = {"SIGKILL": 0, "SIGTERM": 0}
        self.at_a_write = self.ends = 0
        self.differing = []

    def run(self, kills, before=lambda: None, after=lambda: []):
        """Kills the command `kills` times, then lets it end.

        Args:
            before: called before every start. after: called after every kill; returns what is not as it should be.
        """
        while sum(self.kills.values()) < kills:
            before()
            if self.kill_once():
                self.differing += after()
            else:
                self._end()
                shutil.rmtree(self.folder, ignore_errors=True)
        before()
        subprocess.run(self.words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._end()
        return {
            "kills": self.kills, "as a write began": self.at_a_write, "ends": self.ends, "differing": self.differing
        }  # fmt: skip

    def _end(self):
        self.ends += 1
        self.differing += self.compare()

    def kill_once(self):
        """Starts the command and kills it at some instant; returns False if it came to its end before that."""
        process = subprocess.Popen(self.words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        start, before = time.monotonic(), None
        wait = self.rng.uniform(0, 0.9 * self.seconds)
        at_a_write = self.rng.random() < 0.5
        while process.poll() is None:
            if time.monotonic() - start >= wait:
                now = files_of(self.watched)
                if not at_a_write or before is not None and now != before:
                    break
                before = now
            time.sleep(POLL)
        name = "SIGTERM" if self.rng.random() < 0.1 else "SIGKILL"
        if process.poll() is None:
            process.send_signal(getattr(signal, name))
        code = process.wait()
        if code in (0, 1, 2):
            if code:
                raise SuiteError(f"{' '.join(self.words)} ended by itself with the exit code {code}.")
            return False
        self.kills[name] += 1
        self.at_a_write += at_a_write
        return True


def timed(words):
    """Runs a command that has to succeed; returns its seconds."""
    start = time.monotonic()
    subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


# -------------------------------------------------------------------------------------------------------- the commands


def tensors(run):
    """All numbers of the latest and the best checkpoint of a training run, as bytes by name."""
    from scribe.network.tf_setup import tf

    found = {}
    for part in ("latest", "best"):
        prefix = tf.train.latest_checkpoint(os.path.join(run, part))
        reader = tf.train.load_checkpoint(prefix)
        for name in reader.get_variable_to_shape_map():
            if "OBJECT_GRAPH" not in name and "save_counter" not in name:  # TensorFlow's own count of saves
                found[f"{os.path.basename(prefix)} of {part}: {name}"] = np.asarray(reader.get_tensor(name)).tobytes()
    return found


def kill_training(folder, kills, rng):
    """Kills a training; returns the report."""
    strokes, texts = load_strokes(str(ROOT / "data" / DATA_FILE))
    os.makedirs(folder / "data")
    save_strokes(str(folder / "data" / DATA_FILE), strokes[:LINES], texts[:LINES])

    def words(name):
        own = folder / name
        paths = ["--data_dir", folder / "data", "--save_path", own / "run", "--log_dir", own / "logs"]
        return [sys.executable, "train.py", *map(str, paths), *SMALL, "--save_every", "2"]

    seconds, whole = timed(words("whole")), tensors(folder / "whole" / "run")

    def compare():
        killed = tensors(folder / "killed" / "run")
        return [name for name in sorted({*whole, *killed}) if whole.get(name) != killed.get(name)]

    killed = folder / "killed"
    return {"arrays": len(whole)} | Campaign(words("killed"), killed, killed / "run", seconds, compare, rng).run(kills)


def kill_dataset(folder, kills, rng):
    """Kills the writing of a data set; returns the report."""

    def words(name):
        flags = ["--count", "72", "--styles", "all", "--strokes", "json", "--seed", "5", "--tries", "2"]
        texts = ROOT / "data" / "evaluation_texts.txt"
        return [sys.executable, "make_dataset.py", "--texts", str(texts), "--output", str(folder / name), *flags]

    return kill_writing_to_a_folder(words, folder, kills, rng)


def kill_cards(folder, kills, rng):
    """Kills the writing of cards; returns the report."""
    table, template = folder / "guests.csv", folder / "card.txt"
    table.write_text("name\n" + "".join(f"Zoë {k}\n" for k in range(CARDS)), encoding="utf-8")
    template.write_text("Dear {name},", encoding="utf-8")

    def words(name):
        flags = ["--format", "svg", "png", "--seed", "5", "--tries", "2", "--save_path", "saved/checkpoint"]
        paths = ["--cards", str(table), "--template", str(template), "--output", str(folder / name)]
        return [sys.executable, "sample.py", *paths, *flags]

    return kill_writing_to_a_folder(words, folder, kills, rng)


def kill_writing_to_a_folder(words, folder, kills, rng):
    """Kills a command that fills a folder; `words` gives the command by the name of that folder. Returns the report."""
    seconds, whole = timed(words("whole")), digests(folder / "whole")

    def compare():
        killed = digests(folder / "killed")
        return [name for name in sorted({*whole, *killed}) if whole.get(name) != killed.get(name)]

    killed = folder / "killed"
    return {"files": len(whole)} | Campaign(words("killed"), killed, killed, seconds, compare, rng).run(kills)


def kill_page(folder, kills, rng):
    """Kills the writing of a page over another one; returns the report."""
    killed = folder / "killed"
    path, contents = killed / "card.json", {}

    def words(name, text):
        flags = ["--lines", *text, "--seed", "3", "--no_proofread", "--save_path", "saved/checkpoint"]
        return [sys.executable, "sample.py", *flags, "--output", str(folder / name / "card.json")]

    for name, text in (("old", ["one line", "another"]), ("new", ["three lines", "that are others", "than before"])):
        seconds = timed(words(name, text))
        contents[name] = (folder / name / "card.json").read_bytes()

    def before():
        os.makedirs(killed, exist_ok=True)
        path.write_bytes(contents["old"])

    campaign = Campaign(
        words("killed", text),
        killed,
        killed,
        seconds,
        lambda: [path.name] * (path.read_bytes() != contents["new"]),
        rng,
    )
    return campaign.run(kills, before, lambda: [path.name] * (path.read_bytes() not in contents.values()))


# ------------------------------------------------------------------------------------------------------- command line


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kills", type=int, default=10, help="kills of each command (default: 10)")
    p.add_argument("--only", choices=PARTS, default=None, help="one of the commands (default: all)")
    p.add_argument("--seed", type=int, default=0, help="seed of the instants")
    p.add_argument("--json", metavar="FILE", default=None, help="file for the report")
    args = p.parse_args(argv)
    return run_command(lambda: work(args))


def work(args):
    """Runs the campaigns that the flags name. Returns the exit code."""
    if args.json:
        check_writable(args.json)
    commands = dict(zip(PARTS, (kill_training, kill_dataset, kill_cards, kill_page)))
    reports = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in [args.only] if args.only else PARTS:
            folder = Path(scratch, name.replace(" ", "_"))
            os.makedirs(folder)
            start = time.monotonic()
            reports[name] = commands[name](folder, args.kills, random.Random(f"{args.seed} {name}"))
            reports[name]["seconds"] = round(time.monotonic() - start)
            say(f"{name}: {reports[name]}")
    print("| command | SIGKILL | SIGTERM | as a write began | ends compared | differing |\n|---|---|---|---|---|---|")
    for name, report in reports.items():
        kills, differing = report["kills"], len(report["differing"])
        row = (name, kills["SIGKILL"], kills["SIGTERM"], report["as a write began"], report["ends"], differing)
        print("| " + " | ".join(map(str, row)) + " |")
    if args.json:
        save_json(args.json, {"kills": args.kills, "seed": args.seed, "reports": reports})
    return int(any(report["differing"] for report in reports.values()))


if __name__ == "__main__":
    sys.exit(main())
