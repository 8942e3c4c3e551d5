"""Writes data/strokes_training_data.cpkl with the model: lines to train on where no real ones are at hand.

    python3 scripts/make_corpus.py

The texts are those of data/corpus_texts.txt (see corpus_texts.py). Two lines in three are each in a hand of their own,
the others in the hands of data/styles.p; the bias differs from line to line. Lines that failed in all attempts, by the
attention or by the recogniser, are left out, and so are those that the loader of train.py would leave out.
"""

import argparse
import hashlib
import json
import os
import sys

import numpy as np
from tqdm import tqdm

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from model import load_model  # noqa: E402
from scribe.console import say  # noqa: E402
from scribe.files.atomic import check_writable, written_aside  # noqa: E402
from scribe.files.stroke_file import DATA_FILE, save_strokes  # noqa: E402
from scribe.ink.strokes import raw_offsets  # noqa: E402
from scribe.network.checkpoint import SHIPPED  # noqa: E402
from scribe.network.tf_setup import one_thread_per_operation  # noqa: E402
from scribe.writing.proofread import sample_checked  # noqa: E402
from scribe.writing.recogniser import load_recogniser  # noqa: E402
from scribe.writing.styles import load_style  # noqa: E402
from utils import line_fault  # noqa: E402
from verify_data import ORIGIN_FILE  # noqa: E402

STYLES = 12
GROUPS = 3 * STYLES  # of the lines; every third is in one of the styles
MAX_POINTS = 1200
LARGEST_BIAS = 1.2
ORIGIN = (
    "Origin: written by the shipped model (scripts/make_corpus.py), over old books and made-up texts, so that training "
    "works out of the box. It is not people's handwriting: that comes from IAM-OnDB through prepare_data.py."
)


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--save_path", default=os.path.join(ROOT, SHIPPED), help="prefix of the checkpoint")
    p.add_argument(
        "--texts", default=os.path.join(ROOT, "data", "corpus_texts.txt"), help="file with a text on every line"
    )
    p.add_argument("--data_dir", default=os.path.join(ROOT, "data"), help="folder with styles.p")
    p.add_argument("--output", default=os.path.join(ROOT, "data", DATA_FILE), help="data file to write")
    p.add_argument("--count", type=int, default=11_916, help="lines to write")
    p.add_argument("--seed", type=int, default=0, help="seed of the lines; the same seed gives the same ones")
    args = p.parse_args(argv)

    check_writable(args.output)
    model = load_model(args.save_path)
    one_thread_per_operation()
    scale = model.config.data_scale
    with open(args.texts, encoding="utf-8") as file:
        texts = file.read().splitlines()
    biases = np.random.default_rng(args.seed).uniform(0, LARGEST_BIAS, len(texts)).round(2)
    written, failed = {}, 0
    for group in tqdm(range(GROUPS), unit="group", disable=None):
        style = load_style(group // 3, args.data_dir, scale) if group % 3 == 2 else None
        rows = list(range(group, len(texts), GROUPS))
        seeds = [(args.seed, i) for i in rows]
        lines, faults, _ = sample_checked(
            [texts[i] for i in rows], model, bias=biases[rows], seed=seeds, style=style, recogniser=load_recogniser()
        )
        for i, line, found in zip(rows, lines, faults, strict=True):
            strokes = raw_offsets(line.strokes, scale)
            if found or line_fault(strokes, line.text, MAX_POINTS):
                failed += 1
            else:
                written[i] = strokes, line.text
    kept = [written[i] for i in sorted(written)][: args.count]
    say(f"{len(written)} of {len(texts)} lines have no failures, {failed} do.")
    if len(kept) < args.count:
        say(f"Error: {args.count} are wanted; give more texts.")
        return 1
    save_strokes(args.output, [strokes for strokes, _ in kept], [text for _, text in kept])
    with open(args.output, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    origin = os.path.join(os.path.dirname(args.output), ORIGIN_FILE)
    with written_aside(origin) as aside, open(aside, "w", encoding="utf-8") as file:
        json.dump({os.path.basename(args.output): {"sha256": digest, "origin": ORIGIN}}, file, indent=1)
        file.write("\n")
    print(args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
