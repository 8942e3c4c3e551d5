"""Makes the hands to choose from: data/hands.npz, and data/styles.p with a line in each.

    python3 scripts/make_hands.py --data_dir DATA       # people's handwriting, with the names of its forms
    python3 scripts/draw_pictures.py                    # draws the contact sheets, among others

The hands of many people are read. A candidate is a mixture of two that are not much alike and not the same person's, so
it is nobody's hand. It writes some trial lines, which have to be without failures and easy to read; of the hands that
pass, those that differ most are chosen. The directions of the catalogue are the differences between the hands that have
most of something and those that have least: slant, letters joined, size, width.
"""

import argparse
import dataclasses
import os
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from model import load_model  # noqa: E402
from scribe.console import UsageError, run_command, say  # noqa: E402
from scribe.files.atomic import check_writable  # noqa: E402
from scribe.files.stroke_file import STYLES_FILE, save_strokes  # noqa: E402
from scribe.hands.catalogue import HANDS_FILE, Catalogue, save_catalogue  # noqa: E402
from scribe.hands.hand import mix_hands  # noqa: E402
from scribe.ink.measure import measure_line  # noqa: E402
from scribe.ink.point_characters import attended_characters  # noqa: E402
from scribe.ink.strokes import absolute_points, raw_offsets  # noqa: E402
from scribe.learning.hand_batches import HandBatches  # noqa: E402
from scribe.network.checkpoint import SHIPPED, find_checkpoint  # noqa: E402
from scribe.network.tf_setup import one_thread_per_operation  # noqa: E402
from scribe.writing.failures import find_failures  # noqa: E402
from scribe.writing.lines import sample_batch  # noqa: E402
from scribe.writing.misread import count_errors, error_share  # noqa: E402
from scribe.writing.recogniser import load_recogniser  # noqa: E402
from utils import DataLoader, Logger  # noqa: E402

# About as long as the lines of the data, and of many different letters.
STYLE_TEXTS = (
    "we quickly moved the big jars from",
    "a very small fox jumped right back",
    "the wizard got his black jam box",
)
STYLE_ATTEMPTS = 6  # at the line of a style
MAX_POINTS = 1300  # pen points of a style; no training line has more
# Of the two hands of a mixture: how many are nearer to the first than the second is, least and most. The nearest ones
# may be by the same person; the farthest have nothing in common, and what is between them is near the average of all.
NEIGHBOURS = (15, 80)
SHARES = (0.5, 0.7)  # of the first hand, least and most
# A mixture is nearer to the average of all people than its parts. It is taken out again, to this many times the
# distance of a person; what the network writes lies further in than what it is told (docs/HANDS.md).
DISTANCE, LARGEST_FACTOR = 1.35, 2.2
JOINED_SHARE = 0.25  # of the candidates: mixtures of hands that join most letters, since few people do
EXTREME = 0.2  # share of the hands that are taken as those with most, and with least, of something
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


def measures(strokes, texts):
    """What the directions of the catalogue are found by, of the lines of a form: [4], NaN where they tell nothing."""
    found = []
    for offsets, text in zip(strokes, texts, strict=True):
        points = absolute_points(offsets)
        metrics = measure_line(points, text)
        if metrics.x_height:
            joined = max(1.0, sum(c.isalpha() for c in text)) / max(1.0, points[:, 2].sum())
            width = np.ptp(points[:, 0]) / len(text) / metrics.x_height
            found.append([metrics.slant, np.log(joined), np.log(metrics.x_height), np.log(width)])
    return np.median(found, axis=0) if found else np.full(4, np.nan)


def find_directions(hands, values):
    """The directions of a catalogue, as long as one standard deviation of people.

    Args:
        hands: of people. values: [hands, 4], from `measures`.
    """
    directions = {}
    for name, value in zip(("slant", "joined", "size", "width"), np.array(values).T, strict=True):
        usable = np.flatnonzero(np.isfinite(value))
        order = usable[np.argsort(value[usable])]
        count = max(1, int(EXTREME * len(order)))
        least, most = order[:count], order[-count:]
        length = (value[most].mean() - value[least].mean()) / value[usable].std()
        parts = [(hands[i], 1 / count / length) for i in most] + [(hands[i], -1 / count / length) for i in least]
        directions[name] = mix_hands(parts, name=name)
    return directions


def mixtures(hands, joined, count, rng):
    """`count` hands, each between two of `hands`; `joined` says of each how many letters it writes per pen lift."""
    vectors = np.stack([hand.vector for hand in hands])
    joining = np.argsort(-joined)[: max(1, len(hands) // 10)]
    typical = np.median(np.linalg.norm(vectors, axis=1))
    made = []
    for k in range(count):
        pool = joining if k < JOINED_SHARE * count else np.arange(len(hands))
        first = int(rng.choice(pool))
        near = np.argsort(((vectors - vectors[first]) ** 2).sum(axis=1))
        low, high = (min(n, len(hands) - 1) for n in NEIGHBOURS)
        second = int(near[rng.integers(min(low, high - 1), high)])
        share = rng.uniform(*SHARES)
        mixture = mix_hands([(hands[first], share), (hands[second], 1 - share)])
        made.append(mixture.scaled(min(LARGEST_FACTOR, DISTANCE * typical / np.linalg.norm(mixture.vector))))
    return made


def trial_lines(model, recogniser, hands, bias, most_misread, seed):
    """(hand, its trial lines) of the hands whose trial lines are without failures and legible."""
    texts, count = TRIAL_TEXTS * len(hands), len(TRIAL_TEXTS)
    lines = sample_batch(texts, model, bias=bias, seed=seed, hand=[hand for hand in hands for _ in TRIAL_TEXTS])
    kept = []
    for k, hand in enumerate(hands):
        trials = lines[k * count : (k + 1) * count]
        if any(find_failures(trial) for trial in trials):
            continue
        if error_share(TRIAL_TEXTS, recogniser.read([trial.strokes for trial in trials])) <= most_misread:
            kept.append((hand, trials))
    return kept


def style_line(model, recogniser, hand, number, bias, seed):
    """A line to prime with, in a hand: int16 [n, 3] raw offsets, and its text; the most legible of some."""
    texts = [STYLE_TEXTS[(number + k) % len(STYLE_TEXTS)] for k in range(STYLE_ATTEMPTS)]
    lines = sample_batch(texts, model, bias=bias, seed=[(seed, number, k) for k in range(STYLE_ATTEMPTS)], hand=hand)
    read = recogniser.read([line.strokes for line in lines])

    def faults(k):
        too_long = len(lines[k].strokes) > MAX_POINTS
        return too_long, len(find_failures(lines[k])), count_errors(texts[k], read[k])

    best = lines[min(range(STYLE_ATTEMPTS), key=faults)]
    return raw_offsets(best.strokes, model.config.data_scale), best.text


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
    p.add_argument("--data_dir", required=True, help="folder with people's handwriting, with the names of its forms")
    p.add_argument("--save_path", default=os.path.join(ROOT, SHIPPED), help="network with hands, as in sample.py")
    p.add_argument("--output", default=os.path.join(ROOT, "data"), help=f"folder of {HANDS_FILE} and {STYLES_FILE}")
    p.add_argument("--candidates", type=int, default=600, help="hands to choose from")
    p.add_argument("--count", type=int, default=120, help="hands to keep")
    p.add_argument("--bias", type=float, default=1.0, help="bias of the trial lines and styles")
    p.add_argument(
        "--most_misread", type=float, default=0.04, help="largest share of misread characters in trial lines"
    )
    p.add_argument("--seed", type=int, default=1, help="seed of all lines")
    args = p.parse_args(argv)
    return run_command(lambda: make(args))


def make(args):
    """Makes and writes the hands; returns the exit code."""
    os.makedirs(args.output, exist_ok=True)
    check_writable(os.path.join(args.output, HANDS_FILE))
    one_thread_per_operation()
    model, recogniser = load_model(find_checkpoint(args.save_path)), load_recogniser()
    args.data_scale, args.alphabet, args.batch_size = model.config.data_scale, model.config.alphabet, 1
    args.tsteps = MAX_POINTS
    loader = DataLoader(args, Logger())
    people = HandBatches(loader.stroke_data, loader.ascii_data, loader.names, model, changes=1)
    forms = list(people.forms.values())
    hands = [people.hand(lines) for lines in forms]
    values = np.array(
        [measures([loader.stroke_data[i] for i in lines], [loader.ascii_data[i] for i in lines]) for lines in forms]
    )
    say(f"{len(hands)} hands of people were read.")
    candidates = mixtures(hands, np.nan_to_num(values[:, 1]), args.candidates, np.random.default_rng(args.seed))
    found = trial_lines(model, recogniser, candidates, args.bias, args.most_misread, args.seed)
    say(f"{len(found)} of {args.candidates} candidates are without failures and legible.")
    if len(found) < args.count:
        raise UsageError(f"{args.count} hands are wanted: take more --candidates.")
    chosen, words = choose_styles([trials for _, trials in found], args.count)
    named = [dataclasses.replace(found[i][0], name=text) for i, text in zip(chosen, words, strict=True)]
    save_catalogue(os.path.join(args.output, HANDS_FILE), Catalogue(named, find_directions(hands, values)))
    styles = [style_line(model, recogniser, hand, k, args.bias, args.seed) for k, hand in enumerate(named)]
    save_strokes(os.path.join(args.output, STYLES_FILE), *map(list, zip(*styles)))
    for number, text in enumerate(words):
        say(f"hand {number}: {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
