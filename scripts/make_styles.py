"""Lets the model write in many hands, chooses some that differ, and keeps them as data/styles.p.

    python3 scripts/make_styles.py
    python3 scripts/draw_pictures.py    # draws their contact sheet, among others

Without a style, every line is in a hand of its own; but most of those hands are near the middle of all. So such lines
are slanted, widened and scaled at random, the model goes on from each as from a style, and what it then writes is a
candidate. A candidate has to say what it should, and is tried as a style: its trial lines have to be
without failures and easy to read. Of the hands that they are in, those that differ most are chosen.
"""

import argparse
import os
import sys

import numpy as np
from tqdm import tqdm

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from model import load_model  # noqa: E402
from scribe.files.atomic import check_writable  # noqa: E402
from scribe.files.stroke_file import STYLES_FILE, save_strokes  # noqa: E402
from scribe.ink.measure import measure_line  # noqa: E402
from scribe.ink.point_characters import attended_characters  # noqa: E402
from scribe.ink.strokes import raw_offsets, transformed  # noqa: E402
from scribe.network.checkpoint import SHIPPED  # noqa: E402
from scribe.network.tf_setup import one_thread_per_operation  # noqa: E402
from scribe.writing.failures import find_failures  # noqa: E402
from scribe.writing.lines import sample_batch  # noqa: E402
from scribe.writing.misread import count_errors, error_share  # noqa: E402
from scribe.writing.recogniser import load_recogniser  # noqa: E402

# About as long as the lines of the data, and of many different letters.
STYLE_TEXTS = (
    "we quickly moved the big jars from",
    "a very small fox jumped right back",
    "the wizard got his black jam box",
)
PARENTS = 4  # lines for each candidate, from which joined ones are chosen
MAX_MISREAD, MAX_POINTS = 1, 1300  # misread characters and pen points of a style; no training line has more points
TRIAL_TEXTS = (
    "You know nothing Jon Snow",
    "Dear Mr. Brown, thank you for",
    "the quick letter that arrived",
    "some years ago we went abroad",
)
FEATURE_WORDS = (
    ("leaning left", "slanted"), ("small", "large"), ("narrow", "wide"), ("print", "cursive"), ("low", "tall"),
    ("dense", "spaced"), ("round", "angular"),
)  # fmt: skip


def features(line):
    """What a person sees of a hand: seven numbers, low and high as FEATURE_WORDS says.

    Slant; log of the x-height; log of the width of a character in x-heights; letters for each pen lift; logs of the
    height of tall letters and of the gap between words in x-heights; share of sharp turns.
    """
    strokes, index = line.strokes, attended_characters(line.phis)
    metrics = measure_line(strokes, line.text, index)
    width = np.ptp(strokes[:, 0]) / len(line.text) / metrics.x_height
    tall = np.percentile((metrics.baseline_at(strokes[:, 0]) - strokes[:, 1]) / metrics.x_height, 97)
    spaces = [u for u, c in enumerate(line.text) if c == " "]
    gaps = [strokes[index > u, 0].min() - strokes[index < u, 0].max() for u in spaces]
    gap = max(float(np.median(gaps)) / metrics.x_height, 0.05)
    steps = np.diff(strokes[:, :2], axis=0)
    drawn = (strokes[:-2, 5] < 0.5) & (strokes[1:-1, 5] < 0.5) & (np.hypot(*steps[:-1].T) > 0.1)
    turns = np.angle(np.exp(1j * np.diff(np.arctan2(steps[:, 1], steps[:, 0]))))[drawn]
    sharp = float(np.mean(np.abs(turns) > 1.0))
    return np.array(
        [
            metrics.slant,
            np.log(metrics.x_height),
            np.log(width),
            letters_per_lift(line),
            np.log(tall),
            np.log(gap),
            sharp,
        ]
    )


def letters_per_lift(line):
    """How many letters the pen writes before it is lifted: more in joined hands."""
    return sum(c.isalpha() for c in line.text) / max(1.0, line.strokes[:, 5].sum())


def primed_with(raw, data_scale):
    """What `sample_batch` takes as a style."""
    strokes, text = raw
    return np.column_stack([strokes[:, :2] / data_scale, strokes[:, 2]]).astype(np.float32), text


def distorted_style(line, rng):
    """A written line, slanted, widened and scaled at random, as a style: (float32 [n, 3] offsets, text)."""
    size, width = np.exp(rng.normal(0, (0.2, 0.2)))
    offsets = np.diff(line.strokes[:, :2], axis=0, prepend=line.strokes[:1, :2])
    slanted = transformed(np.column_stack([offsets, line.strokes[:, 5]]), slant=rng.normal(0.1, 0.3))
    return transformed(transformed(slanted, size, size), width).astype(np.float32), line.text


def candidate_hands(model, recogniser, count, bias, trial_bias, most_misread, seed):
    """Yields (style as raw strokes and text, its trial lines), all without failures and legible."""
    rng = np.random.default_rng(seed)
    scale = model.config.data_scale
    texts = [STYLE_TEXTS[i % len(STYLE_TEXTS)] for i in range(PARENTS * count)]
    lines = [line for line in sample_batch(texts, model, bias=bias, seed=seed) if not find_failures(line)]
    joined = sorted(lines, key=letters_per_lift)[-(count // 2) :]  # few of all hands are joined
    parents = joined + lines[: count - len(joined)]
    for k, parent in enumerate(tqdm(parents, unit="hand", disable=None)):
        text = STYLE_TEXTS[(k + 1) % len(STYLE_TEXTS)]
        (line,) = sample_batch([text], model, bias=bias, seed=[(seed, k)], style=distorted_style(parent, rng))
        (read,) = recogniser.read([line.strokes])
        if find_failures(line) or count_errors(text, read) > MAX_MISREAD or len(line.strokes) > MAX_POINTS:
            continue
        raw = raw_offsets(line.strokes, scale), line.text
        trials = sample_batch(TRIAL_TEXTS, model, bias=trial_bias, seed=seed, style=primed_with(raw, scale))
        if any(find_failures(trial) for trial in trials):
            continue
        if error_share(TRIAL_TEXTS, recogniser.read([trial.strokes for trial in trials])) <= most_misread:
            yield raw, trials


def choose_styles(hands, count):
    """Indices of `count` hands, and words for each: the one in the middle, then always the farthest from those chosen.

    Args:
        hands: lists of trial lines. Their features are compared in units of how much they vary within one hand.
    """
    values = np.array([[features(trial) for trial in trials] for trials in hands])  # [hands, trials, features]
    means, within = values.mean(axis=1), np.sqrt(values.var(axis=1).mean(axis=0))
    vectors = (means - np.median(means, axis=0)) / np.maximum(within, 1e-6)
    # A hand far out in one feature shall not be chosen for that alone.
    vectors = np.sign(vectors) * np.log1p(np.abs(vectors))
    chosen = [int(np.argmin(np.linalg.norm(vectors, axis=1)))]
    while len(chosen) < count:
        nearest = np.min(np.linalg.norm(vectors[:, None] - vectors[None, chosen], axis=2), axis=1)
        chosen.append(int(np.argmax(nearest)))
    rank = (means[:, None] > means[None]).mean(axis=1)  # [hands, features]
    words = [
        ", ".join(names[int(r > 0.5)] for names, r in zip(FEATURE_WORDS, rank[i]) if not 0.2 <= r <= 0.8) or "average"
        for i in chosen
    ]
    return chosen, words


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--save_path", default=os.path.join(ROOT, SHIPPED), help="prefix of the checkpoint")
    p.add_argument("--output", default=os.path.join(ROOT, "data", STYLES_FILE), help="the file of styles")
    p.add_argument("--candidates", type=int, default=320, help="hands to choose from")
    p.add_argument("--count", type=int, default=12, help="styles to keep")
    p.add_argument("--bias", type=float, default=0.5, help="bias of the styles; a lower one makes hands differ more")
    p.add_argument("--trial_bias", type=float, default=1.0, help="bias of the trial lines, which are primed with them")
    p.add_argument(
        "--most_misread", type=float, default=0.06, help="largest share of misread characters in the trial lines"
    )
    p.add_argument("--seed", type=int, default=1, help="seed of all lines")
    args = p.parse_args(argv)
    check_writable(args.output)
    model = load_model(args.save_path)
    one_thread_per_operation()
    hands = list(
        candidate_hands(
            model, load_recogniser(), args.candidates, args.bias, args.trial_bias, args.most_misread, args.seed
        )
    )
    print(f"{len(hands)} of {args.candidates} hands are without failures and legible.", file=sys.stderr)
    if len(hands) < args.count:
        print(f"Error: {args.count} styles are wanted; take more --candidates.", file=sys.stderr)
        return 1
    chosen, words = choose_styles([trials for _, trials in hands], args.count)
    for number, text in enumerate(words):
        print(f"style {number}: {text}", file=sys.stderr)
    save_strokes(args.output, [hands[i][0][0] for i in chosen], [hands[i][0][1] for i in chosen])
    print(args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
