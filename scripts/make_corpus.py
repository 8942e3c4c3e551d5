"""Writes data/strokes_training_data.cpkl with the model: lines to train on where no real ones are at hand.

    python3 scripts/make_corpus.py

The texts are those of data/corpus_texts.txt (see corpus_texts.py). Every line is in a hand of its own: between two of
data/hands.npz, leaning, joining, as large and as wide as chance has it. The bias differs from line to line, and is
hardly any, so that letters vary as people's do: whoever learns to read from these lines has to know the sloppy ones,
too. So they are not proofread. Left out is what the attention finds faults in at every attempt, what nobody could read,
and what the loader of train.py would leave out.
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
from scribe.console import UsageError, run_command, say  # noqa: E402
from scribe.files.atomic import check_writable, written_aside  # noqa: E402
from scribe.files.stroke_file import DATA_FILE, save_strokes  # noqa: E402
from scribe.hands.catalogue import DIRECTIONS, HANDS_FILE, LARGEST_STEP, drawn_hand, load_catalogue, turned  # noqa: E402
from scribe.ink.strokes import raw_offsets  # noqa: E402
from scribe.network.checkpoint import SHIPPED  # noqa: E402
from scribe.network.tf_setup import one_thread_per_operation  # noqa: E402
from scribe.writing.misread import count_errors  # noqa: E402
from scribe.writing.proofread import sample_checked  # noqa: E402
from scribe.writing.recogniser import load_recogniser  # noqa: E402
from utils import line_fault  # noqa: E402
from verify_data import ORIGIN_FILE  # noqa: E402

TOGETHER = 512  # lines
MAX_POINTS = 1200
LARGEST_BIAS = 0.5
MOST_MISREAD = 0.25  # of the characters of a line by the recogniser; of people's lines, one in fifty has more
SPREAD = 0.7  # of a hand in each of the directions of the catalogue, in standard deviations of people
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
    p.add_argument("--hands", default=os.path.join(ROOT, "data", HANDS_FILE), help="catalogue of hands to write in")
    p.add_argument("--output", default=os.path.join(ROOT, "data", DATA_FILE), help="data file to write")
    p.add_argument("--count", type=int, default=10_000, help="lines to keep, at most")
    p.add_argument("--seed", type=int, default=0, help="seed of the lines; the same seed gives the same ones")
    args = p.parse_args(argv)

    check_writable(args.output)
    model = load_model(args.save_path)
    one_thread_per_operation()
    scale = model.config.data_scale
    with open(args.texts, encoding="utf-8") as file:
        texts = file.read().splitlines()
    rng = np.random.default_rng(args.seed)
    biases = rng.uniform(0, LARGEST_BIAS, len(texts)).round(2)
    catalogue, recogniser = load_catalogue(args.hands), load_recogniser()
    numbers = rng.integers(2**31, size=len(texts))
    steps = rng.normal(0, SPREAD, (len(texts), len(DIRECTIONS))).clip(-LARGEST_STEP, LARGEST_STEP)
    written, failed = {}, 0
    for start in tqdm(range(0, len(texts), TOGETHER), unit="batch", disable=None):
        rows = range(start, min(start + TOGETHER, len(texts)))
        seeds = [(args.seed, i) for i in rows]
        hands = [
            turned(drawn_hand(catalogue, numbers[i]), catalogue, **dict(zip(DIRECTIONS, steps[i], strict=True)))
            for i in rows
        ]
        lines, faults, _ = sample_checked([texts[i] for i in rows], model, bias=biases[rows], seed=seeds, hand=hands)
        all_read = recogniser.read([line.strokes for line in lines])
        for i, line, found, read in zip(rows, lines, faults, all_read, strict=True):
            strokes = raw_offsets(line.strokes, scale)
            misread = count_errors(line.text, read) > MOST_MISREAD * len(line.text)
            if found or misread or line_fault(strokes, line.text, MAX_POINTS):
                failed += 1
            else:
                written[i] = strokes, line.text
    kept = [written[i] for i in sorted(written)][: args.count]
    say(f"{len(written)} of {len(texts)} lines can be read, {failed} cannot; {len(kept)} are kept.")
    if not kept:
        raise UsageError("there is nothing to keep: give more texts, or a network that writes more legibly.")
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
    sys.exit(run_command(main))
