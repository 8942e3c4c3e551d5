"""Sheets to count slips on by eye, without knowing whose they are: lines of people, and the same texts as written.

    python3 benchmarks/by_eye.py --data_dir real --output logs/by_eye

real/ has people's lines with the names of their forms (docs/TRAINING.md). Every sheet has lines of some forms; for each
sheet of people's there is one of the same texts in as many drawn hands, at the default bias, proofread.
All are drawn alike: A.png, B.png, ... in random order, with what should stand there in A.txt, B.txt, ... Whose they are
stands in key.json: give it to nobody who counts. A slip is a word that reads as something else if it is seen alone;
count apart those that a reader would stumble over.
"""

import argparse
import os
import string
import sys

import numpy as np
from PIL import Image, ImageDraw

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from model import load_model  # noqa: E402
from scribe.console import OneLineParser, UsageError, run_command  # noqa: E402
from scribe.files.atomic import save_json  # noqa: E402
from scribe.hands.catalogue import HANDS_FILE, drawn_hand, load_catalogue  # noqa: E402
from scribe.ink.strokes import absolute_points, stroke_slices  # noqa: E402
from scribe.learning.forms import lines_of_forms  # noqa: E402
from scribe.writing.levelled import levelled  # noqa: E402
from scribe.writing.lines import DEFAULT_BIAS  # noqa: E402
from scribe.writing.proofread import sample_checked  # noqa: E402
from scribe.writing.recogniser import load_recogniser  # noqa: E402
from utils import DataLoader, Logger  # noqa: E402

WORDS = 38  # of a form: the first lines that have so many
X_HEIGHT, LINE, LEFT, PEN = 21, 142, 40, 4  # pixels
WIDEST = 1300  # of a line


def words_in(texts):
    return sum(len(text.split()) for text in texts)


def draw_sheet(lines, path):
    """Draws lines [n, 3 or more], absolute points with the pen lift last, one below the other, at one x-height."""
    image = Image.new("L", (WIDEST + 2 * LEFT, LINE * len(lines) + LEFT), 255)
    draw = ImageDraw.Draw(image)
    for k, points in enumerate(lines):
        xy, _, x_height = levelled(points)
        left, width = xy[:, 0].min(), np.ptp(xy[:, 0])
        scale = min(X_HEIGHT / x_height, WIDEST / max(width, 1e-6))
        xy = (xy - [left, 0]) * scale + [LEFT, LINE * (k + 0.6)]
        draw.text((4, LINE * (k + 0.6)), str(k + 1), fill=0)
        for stroke in stroke_slices(points):
            places = xy[stroke]
            draw.line(places.ravel().tolist(), fill=0, width=PEN, joint="curve")
            for x, y in places[[0, -1]]:
                draw.ellipse([x - PEN / 2, y - PEN / 2, x + PEN / 2, y + PEN / 2], fill=0)
    image.save(path)


def write_sheets(args):
    """Writes the sheets; returns the exit code."""
    loader = DataLoader(args, Logger())
    rng = np.random.default_rng(args.seed)
    forms = []
    for lines in lines_of_forms(loader.names).values():
        counts = np.cumsum([words_in([loader.ascii_data[i]]) for i in lines])
        if counts[-1] >= WORDS:
            forms.append(lines[: int(np.searchsorted(counts, WORDS)) + 1])
    if len(forms) < args.sheets * args.forms:
        raise UsageError(f"{args.data_dir} has {len(forms)} forms of {WORDS} words: fewer than the sheets take.")
    forms = [forms[k] for k in rng.permutation(len(forms))[: args.sheets * args.forms]]
    model, recogniser = load_model(), load_recogniser()
    catalogue = load_catalogue(os.path.join(ROOT, "data", HANDS_FILE))
    os.makedirs(args.output, exist_ok=True)
    names, key = rng.permutation(list(string.ascii_uppercase[: 2 * args.sheets])).tolist(), {}
    for start in range(0, len(forms), args.forms):
        some = forms[start : start + args.forms]
        rows = [i for lines in some for i in lines]
        hands = [drawn_hand(catalogue, args.seed + start + k) for k, lines in enumerate(some) for _ in lines]
        texts = [loader.ascii_data[i] for i in rows]
        written = sample_checked(
            texts, model, bias=args.bias, seed=args.seed + start, hand=hands, recogniser=recogniser
        )
        sheets = {
            "people": [absolute_points(loader.stroke_data[i]) for i in rows],
            "written": [line.strokes for line in written.lines],
        }
        for whose, lines in sheets.items():
            name = names.pop()
            draw_sheet(lines, os.path.join(args.output, f"{name}.png"))
            with open(os.path.join(args.output, f"{name}.txt"), "w", encoding="utf-8") as file:
                file.writelines(f"{k}: {text}\n" for k, text in enumerate(texts, start=1))
            key[name] = {"whose": whose, "words": words_in(texts), "forms": [loader.names[lines[0]] for lines in some]}
    save_json(os.path.join(args.output, "key.json"), dict(sorted(key.items())))
    print(args.output)
    return 0


def main(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data_dir", required=True, help="folder with people's lines and their names")
    p.add_argument("--output", default="logs/by_eye", help="folder for the sheets")
    p.add_argument("--sheets", type=int, default=3, help="of people's lines, and as many of written ones; 13 at most")
    p.add_argument("--forms", type=int, default=4, help="hands on a sheet")
    p.add_argument("--bias", type=float, default=DEFAULT_BIAS, help="as in sample.py")
    p.add_argument("--seed", type=int, default=0, help="seed of forms, hands, lines and order")
    args = p.parse_args(argv)
    if not 1 <= args.sheets <= 13 or args.forms < 1:
        p.error("--sheets has to be from 1 to 13, and --forms 1 or more")
    args.batch_size, args.tsteps = 32, 1300
    return run_command(lambda: write_sheets(args))


if __name__ == "__main__":
    sys.exit(main())
