"""Kills commands at any instant, starts them again, and compares what they end with.

    python3 benchmarks/kill_campaign.py                                  # 10 kills of each command, about 15 minutes
    python3 benchmarks/kill_campaign.py --kills 60 --only training --json killed.json

Three commands, each started again after every kill until it has been killed often enough, then left to finish:

    training     the latest and the best checkpoint hold the same numbers, bit for bit, as those of a run never killed
    data set     the same files with the same bytes as one never killed
    page         at every instant its file is whole: the old one, or the new one

Half of the kills come at a random time, half as soon as the command begins to write a file, so that saves are hit. Nine
in ten are SIGKILL, which no program can answer; the others SIGTERM. The exit code is 1 if anything differs.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scribe.console import say  # noqa: E402
from scribe.files.atomic import check_writable, save_json  # noqa: E402
from scribe.files.stroke_file import DATA_FILE, load_strokes, save_strokes  # noqa: E402

LINES = 60  # of the corpus, to train on
SMALL = ["--rnn_size", "12", "--nmixtures", "2", "--batch_size", "6", "--warmup", "3", "--nepochs", "6"]
PARTS = ("training", "data set", "page")
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


def digests(folder, leave_out=()):
    """{path within the folder: SHA-256} of all files."""
    paths = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in names.items() if n not in leave_out}


class Campaign:
    """Runs a command, kills it, and runs it again.

    Args:
        words: the command. watched: the folder that it writes to. seconds: how long it takes when it is left alone.
        rng: decides on the instants.
    """

    def __init__(self, words, watched, seconds, rng):
        self.words, self.watched, self.seconds, self.rng = words, watched, seconds, rng
        self.kills = {"SIGKILL": 0, "SIGTERM": 0}
        self.in_a_write = self.finished_before = 0

    def kill_once(self):
        """Starts the command and kills it at some instant, or sees it end."""
        process = subprocess.Popen(self.words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        start, before = time.monotonic(), files_of(self.watched)
        wait = self.rng.uniform(0, 0.9 * self.seconds)
        at_a_write = self.rng.random() < 0.5
        while process.poll() is None:
            if time.monotonic() - start >= wait:
                if not at_a_write or (now := files_of(self.watched)) != before:
                    break
                before = now
            time.sleep(POLL)
        if process.poll() is not None:
            self.finished_before += 1
            return
        name = "SIGTERM" if self.rng.random() < 0.1 else "SIGKILL"
        process.send_signal(getattr(signal, name))
        process.wait()
        self.kills[name] += 1
        self.in_a_write += at_a_write

    def finish(self):
        """Runs the command to its end; returns what went wrong, as a list of sentences."""
        done = subprocess.run(self.words, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            return [f"the last start ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"]
        return []

    def report(self, differing):
        """What happened, as a dict."""
        return {"kills": self.kills, "as a write began": self.in_a_write, "differing": differing}


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
                found[f"{os.path.basename(prefix)} of {part}: {name}"] = reader.get_tensor(name).tobytes()
    return found


def kill_training(folder, kills, rng):
    """Kills a training; returns the report."""
    strokes, texts = load_strokes(str(ROOT / "data" / DATA_FILE))
    os.makedirs(folder / "data")
    save_strokes(str(folder / "data" / DATA_FILE), strokes[:LINES], texts[:LINES])

    def words(name):
        paths = [
            "--data_dir",
            folder / "data",
            "--save_path",
            folder / name / "run",
            "--log_dir",
            folder / name / "logs",
        ]
        return [sys.executable, "train.py", *map(str, paths), *SMALL, "--save_every", "2"]

    seconds = timed(words("whole"))
    os.makedirs(folder / "killed")
    campaign = Campaign(words("killed"), folder / "killed", seconds, rng)
    while sum(campaign.kills.values()) < kills and campaign.finished_before < 3:
        campaign.kill_once()
    differing = campaign.finish()
    if not differing:
        whole, killed = tensors(folder / "whole" / "run"), tensors(folder / "killed" / "run")
        differing = [name for name in sorted({*whole, *killed}) if whole.get(name) != killed.get(name)]
    return {**campaign.report(differing), "arrays compared": len(tensors(folder / "whole" / "run"))}


def kill_dataset(folder, kills, rng):
    """Kills the writing of a data set; returns the report."""

    def words(name):
        flags = ["--count", "72", "--styles", "all", "--strokes", "json", "--seed", "5", "--tries", "2"]
        texts = ROOT / "data" / "evaluation_texts.txt"
        return [sys.executable, "make_dataset.py", "--texts", str(texts), "--output", str(folder / name), *flags]

    seconds = timed(words("whole"))
    os.makedirs(folder / "killed")
    campaign = Campaign(words("killed"), folder / "killed", seconds, rng)
    while sum(campaign.kills.values()) < kills and campaign.finished_before < 3:
        campaign.kill_once()
    differing = campaign.finish()
    whole, killed = digests(folder / "whole"), digests(folder / "killed")
    differing += [name for name in sorted({*whole, *killed}) if whole.get(name) != killed.get(name)]
    return {**campaign.report(differing), "files compared": len(whole)}


def kill_page(folder, kills, rng):
    """Kills the writing of a page over another one; returns the report."""
    path, formats = folder / "killed" / "card.json", {}

    def words(name, text):
        flags = ["--lines", *text, "--seed", "3", "--no_proofread", "--save_path", "saved/checkpoint"]
        return [sys.executable, "sample.py", *flags, "--output", str(folder / name / "card.json")]

    for name, text in (("old", ["one line", "another"]), ("new", ["three lines", "that are others", "than before"])):
        seconds = timed(words(name, text))
        formats[name] = (folder / name / "card.json").read_bytes()
    os.makedirs(folder / "killed")
    campaign = Campaign(words("killed", text), folder / "killed", seconds, rng)
    differing = []
    while sum(campaign.kills.values()) < kills and campaign.finished_before < kills:
        path.write_bytes(formats["old"])
        campaign.kill_once()
        if path.read_bytes() not in formats.values():
            differing.append(f"card.json after kill {sum(campaign.kills.values())}")
    differing += campaign.finish()
    if path.read_bytes() != formats["new"]:
        differing.append("card.json at the end")
    return campaign.report(differing)


# ------------------------------------------------------------------------------------------------------- command line


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kills", type=int, default=10, help="kills of each command (default: 10)")
    p.add_argument("--only", choices=PARTS, default=None, help="one of the commands (default: all)")
    p.add_argument("--seed", type=int, default=0, help="seed of the instants")
    p.add_argument("--json", metavar="FILE", default=None, help="file for the report")
    args = p.parse_args(argv)
    if args.json:
        check_writable(args.json)
    commands = dict(zip(PARTS, (kill_training, kill_dataset, kill_page)))
    reports = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in [args.only] if args.only else PARTS:
            folder = Path(scratch, name.replace(" ", "_"))
            os.makedirs(folder)
            start = time.monotonic()
            reports[name] = commands[name](folder, args.kills, random.Random(f"{args.seed} {name}"))
            reports[name]["seconds"] = round(time.monotonic() - start)
            say(f"{name}: {reports[name]}")
    print("| command | SIGKILL | SIGTERM | as a write began | differing |\n|---|---|---|---|---|")
    for name, report in reports.items():
        kills, differing = report["kills"], len(report["differing"])
        row = (name, kills["SIGKILL"], kills["SIGTERM"], report["as a write began"], differing)
        print("| " + " | ".join(map(str, row)) + " |")
    if args.json:
        save_json(args.json, {"kills": args.kills, "seed": args.seed, "reports": reports})
    return int(any(report["differing"] for report in reports.values()))


if __name__ == "__main__":
    sys.exit(main())
