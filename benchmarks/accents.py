"""Measures what accents cost: the time of a page of accented text against that of the same page without its accents.

    python3 benchmarks/accents.py                                    # the shipped model, two to three minutes
    python3 benchmarks/accents.py --repeats 5 --json accents.json

Each page is a run of `sample.py --file` in a new process, with proofreading, from the same seed: the network writes the
same base letters for both. The two take turns, and the ratio of the medians counts, of the processor's time as well as
of the clock's.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

# French, Czech, Polish, Hungarian and Portuguese: one letter in five has a mark over it or under it.
TEXT = """Chère Zoé, nous avons été très gênés par la grêle, mais le marché où tu achètes tes pâtes était déjà fermé.

Příští týden přijede náš děda z Plzně a přiveze čerstvý chléb, žluté švestky a černý čaj.

Moja córka uczy się grać na skrzypcach, a mój mąż śpiewa w chórze; wieczorem będą ćwiczyć.

Tegnap délután sűrű köd ült a völgyön, és az öreg hídőr lámpával várta a késő vonatot.

A irmã da Conceição não vê televisão: lê histórias às crianças até às três da manhã.
"""


def without_accents(text):
    """The text with base letters alone."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def write_page(folder, name, text, prefix):
    """Writes a page in a new process; returns its (seconds of the clock, seconds of the processor)."""
    source = os.path.join(folder, f"{name}.txt")
    with open(source, "w", encoding="utf-8") as file:
        file.write(text)
    command = [sys.executable, os.path.join(ROOT, "sample.py"), "--file", source, "--seed", "1", "--save_path", prefix]
    command += ["--output", os.path.join(folder, f"{name}.pdf"), "--log_dir", folder]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--save_path", default=os.path.join(ROOT, "saved", "checkpoint"), help="prefix of the checkpoint")
    p.add_argument("--repeats", type=int, default=3, help="pages of each kind, of which the median counts")
    p.add_argument("--json", metavar="FILE", help="file for everything that was measured")
    args = p.parse_args(argv)
    pages = {"with accents": TEXT, "without": without_accents(TEXT)}
    times = {name: [] for name in pages}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.repeats):
            for name, text in pages.items():
                times[name].append(write_page(folder, name.replace(" ", "_"), text, args.save_path))
    medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in times.items()}
    for name, (wall, cpu) in medians.items():
        print(f"{name:<14}{wall:>7.1f} s{cpu:>8.1f} s of the processor")
    wall, cpu = (a / b for a, b in zip(medians["with accents"], medians["without"]))
    print(f"{'ratio':<14}{wall:>7.2f}{cpu:>10.2f}")
    if args.json:
        from scribe.files.atomic import save_json

        save_json(args.json, {"seconds": times, "ratio": wall, "ratio_of_processor_time": cpu})
    return 0


if __name__ == "__main__":
    sys.exit(main())
