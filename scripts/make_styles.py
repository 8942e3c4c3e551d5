"""Lets the model write in many hands, chooses some that differ, and keeps them as data/styles.p, with a contact sheet.

    python3 scripts/make_styles.py

Without a style, every line is in a hand of its own. Of many such lines those are kept that are whole, and of them those
that differ most in slant, size, width, joining and height of the tall letters. A hand is only taken if lines that are
primed with it come out whole.
"""

import argparse
import os
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from checkpoint import SHIPPED, load_model  # noqa: E402
from drawing import draw_lines  # noqa: E402
from failures import attended_characters, find_failures  # noqa: E402
from measure import measure_line  # noqa: E402
from sample import sample_batch  # noqa: E402
from utils import STYLES_FILE, raw_offsets, save_strokes  # noqa: E402

# About as long as the lines of the data, and of many different letters.
STYLE_TEXTS = (
    "we quickly moved the big jars from",
    "a very small fox jumped right back",
    "the wizard got his black jam box",
)
SHEET_TEXT = "You know nothing Jon Snow"
TRIAL_TEXTS = (
    SHEET_TEXT,
    "Dear Mr. Brown, thank you for",
    "the quick letter that arrived",
    "some years ago we went abroad",
)
# How much each of `features` weighs in the distance between two hands, after division by its deviation.
WEIGHTS = np.array([1.0, 0.8, 1.0, 1.3, 0.6])


def features(line):
    """slant; log of the x-height; log of the width of a character and of the height of tall letters, both in x-heights;
    share of the letters that the pen did not lift after."""
    strokes = line.strokes
    metrics = measure_line(strokes, line.text, attended_characters(line.phis))
    width = np.ptp(strokes[:, 0]) / len(line.text) / metrics.x_height
    letters = sum(c.isalpha() for c in line.text)
    joined = 1 - min(1.0, strokes[:, 5].sum() / letters)
    heights = (metrics.baseline_at(strokes[:, 0]) - strokes[:, 1]) / metrics.x_height
    return np.array(
        [metrics.slant, np.log(metrics.x_height), np.log(width), joined, np.log(np.percentile(heights, 97))]
    )


def primed_with(raw, data_scale):
    """What `sample_batch` takes as a style."""
    strokes, text = raw
    return np.column_stack([strokes[:, :2] / data_scale, strokes[:, 2]]).astype(np.float32), text


def choose_styles(model, candidates, count, scale, bias, seed, log):
    """Indices of `count` candidates that differ, each proved by lines primed with it."""
    vectors = np.array([features(line) for line in candidates])
    vectors = (vectors - np.median(vectors, axis=0)) / vectors.std(axis=0) * WEIGHTS
    distance = lambda i, j: float(np.linalg.norm(vectors[i] - vectors[j]))  # noqa: E731
    chosen, left = [], set(range(len(candidates)))
    while len(chosen) < count and left:
        # First the hand in the middle of all, then always the one that is farthest from those chosen.
        if chosen:
            best = max(sorted(left), key=lambda i: min(distance(i, j) for j in chosen))
        else:
            best = min(sorted(left), key=lambda i: np.linalg.norm(vectors[i]))
        left.remove(best)
        if np.abs(vectors[best]).max() > 3.5:  # a freak
            continue
        style = primed_with((raw_offsets(candidates[best].strokes, scale), candidates[best].text), scale)
        trials = sample_batch(TRIAL_TEXTS, model, bias=bias, seed=seed, style=style)
        if any(find_failures(line) for line in trials):
            continue
        chosen.append(best)
        log(f"style {len(chosen) - 1}: {describe(candidates[best], candidates)}")
    return chosen


def describe(line, candidates):
    """A hand in words, in relation to all."""
    value, all_values = features(line), np.array([features(c) for c in candidates])
    rank = (all_values < value).mean(axis=0)
    words = [
        ("leaning left", "upright", "slanted"), ("small", "", "large"), ("narrow", "", "wide"),
        ("print", "", "cursive"), ("low", "", "tall"),
    ]  # fmt: skip
    picked = [names[0 if r < 0.25 else 2 if r > 0.75 else 1] for names, r in zip(words, rank)]
    return ", ".join(word for word in picked if word)


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--save_path", default=os.path.join(ROOT, SHIPPED), help="prefix of the checkpoint")
    p.add_argument("--output", default=os.path.join(ROOT, "data", STYLES_FILE), help="the file of styles")
    p.add_argument("--sheet", default=os.path.join(ROOT, "static", "styles.png"), help="the contact sheet")
    p.add_argument("--candidates", type=int, default=360, help="lines to choose from")
    p.add_argument("--count", type=int, default=12, help="styles to keep")
    p.add_argument("--bias", type=float, default=0.5, help="of the styles: the lower, the more the hands differ")
    p.add_argument("--trial_bias", type=float, default=1.0, help="of the lines that are primed with them")
    p.add_argument("--seed", type=int, default=1, help="of all lines")
    args = p.parse_args(argv)
    model = load_model(args.save_path)
    scale = model.config.data_scale
    texts = [STYLE_TEXTS[i % len(STYLE_TEXTS)] for i in range(args.candidates)]
    lines = sample_batch(texts, model, bias=args.bias, seed=args.seed)
    whole = [line for line in lines if not find_failures(line)]
    print(f"{len(whole)} of {len(lines)} candidates are whole.", file=sys.stderr)
    chosen = choose_styles(
        model, whole, args.count, scale, args.trial_bias, args.seed, log=lambda text: print(text, file=sys.stderr)
    )
    if len(chosen) < args.count:
        print(f"Error: only {len(chosen)} of {args.count} styles came about; take more --candidates.", file=sys.stderr)
        return 1
    raw = [(raw_offsets(whole[i].strokes, scale), whole[i].text) for i in chosen]
    save_strokes(args.output, [strokes for strokes, _ in raw], [text for _, text in raw])
    sheet = [
        sample_batch(TRIAL_TEXTS, model, bias=args.trial_bias, seed=args.seed, style=primed_with(style, scale))[
            0
        ].strokes
        for style in raw
    ]
    draw_lines(sheet, args.sheet)
    print(args.output)
    print(args.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
