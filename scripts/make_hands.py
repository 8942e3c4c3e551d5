"""Makes the hands to choose from: data/hands.npz, and data/styles.p with a line in each.

    python3 scripts/make_hands.py --data_dir DATA       # people's handwriting, with the names of its forms
    python3 scripts/make_hands.py --data_dir DATA --replace 3 17 41     # other hands for these numbers
    python3 scripts/draw_pictures.py                    # draws the contact sheets, among others

The hands of many people are read. A candidate is a mixture of two that are not much alike and not the same person's, so
it is nobody's hand; hands like those that are replaced, but nearer to the average of all people, are tried as well.
Each writes trial lines, which have to be without failures and easy to read. Of the hands that pass, those that differ
most from one another and from those that stay are chosen, if they pass with more lines, too. The directions of the
catalogue are the differences between the hands that have most of something and those that have least: slant, letters
joined, size, width.
"""

import argparse
import dataclasses
import os
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from model import load_model  # noqa: E402
from scribe.console import UsageError, run_command, say  # noqa: E402
from scribe.files.atomic import check_writable  # noqa: E402
from scribe.files.stroke_file import STYLES_FILE, load_strokes, save_strokes  # noqa: E402
from scribe.hands.catalogue import HANDS_FILE, Catalogue, load_catalogue, save_catalogue  # noqa: E402
from scribe.hands.hand import mix_hands  # noqa: E402
from scribe.hands.likeness import HandSpace, statistics_of  # noqa: E402
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

MAX_POINTS = 1300  # pen points of a style; no training line has more
# Of the two hands of a mixture: how many are nearer to the first than the second is, least and most. The nearest ones
# may be by the same person; the farthest have nothing in common, and what is between them is near the average of all.
NEIGHBOURS = (15, 80)
SHARES = (0.5, 0.7)  # of the first hand, least and most
# A mixture is nearer to the average of all people than its parts. It is taken out again, to this many times the
# distance of a person; what the network writes lies further in than what it is told (docs/HANDS.md).
DISTANCE, LARGEST_FACTOR = 1.35, 2.2
JOINED_SHARE = 0.35  # of the candidates: mixtures of hands that join most letters, since few people do
# What is tried instead of a hand that is replaced: the same at this share of its distance from the average of all
# people, and mixed with the nearest hand that stays, so much of it.
NEARER, SHARE_BESIDE, MIXED_FACTOR = 0.75, 0.6, 1.1
EXTREME = 0.2  # share of the hands that are taken as those with most, and with least, of something
TRIAL_TEXTS = (
    "You know nothing Jon Snow",
    "Dear Mr. Brown, thank you for",
    "the quick letter that arrived",
    "some years ago we went abroad",
)
MORE_TRIAL_TEXTS = (
    "we have been very busy since June",
    "Please give my love to everybody",
    "a hazy view over the calm water",
    "What an extraordinary thing to say",
    "nobody knows exactly how he did it",
    "In winter we keep the big fire going",
    "quite a few of them were just lazy",
    "Kate and Victor arrived on Friday",
)
LINES_TOGETHER = 1000  # trial lines that are kept in memory at a time
# Of the coordinates in which hands of people lie apart (scribe/hands/likeness.py): the first, which tell most.
COORDINATES = 10
SMALLEST_HEIGHT = 0.05  # of the letters of a line that was written without failures, in units of the network
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
    sides = [(strokes[index < u, 0], strokes[index > u, 0]) for u in spaces]
    gaps = [right.min() - left.max() for left, right in sides if len(left) and len(right)] or [0.0]
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


def appearance(points, text, space):
    """What hands are compared by, of a line [n, 3 or more] and its text, without its attention: [4 + COORDINATES]."""
    metrics = measure_line(points, text)
    letters = max(1.0, sum(c.isalpha() for c in text))
    joined, height = letters / max(1.0, points[:, -1].sum()), max(metrics.x_height, SMALLEST_HEIGHT)
    own = [metrics.slant, np.log(joined), np.log(height), np.log(np.ptp(points[:, 0]) / len(text) / height)]
    return np.concatenate([own, space(statistics_of(points))])


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


def space_of_people(lines_of_forms):
    """The first coordinates in which lines of people, a list for each form, lie apart: a function of statistics."""
    lines = [
        (k, statistics_of(absolute_points(offsets))) for k, lines in enumerate(lines_of_forms) for offsets in lines
    ]
    forms, statistics = zip(*lines)
    return HandSpace(np.array(statistics), [str(form) for form in forms], COORDINATES)


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


def gentler(hands, staying):
    """For each of the hands two that are like it and may be easier to read."""
    vectors = np.stack([hand.vector for hand in staying])
    made = []
    for hand in hands:
        beside = staying[int(np.argmin(((vectors - hand.vector) ** 2).sum(axis=1)))]
        mixture = mix_hands([(hand, SHARE_BESIDE), (beside, 1 - SHARE_BESIDE)])
        made += [hand.scaled(NEARER), mixture.scaled(MIXED_FACTOR)]
    return made


class Tried(NamedTuple):
    """What a hand has written to be tried."""

    looks: NDArray  # what `appearance` says of each line, [lines, coordinates]
    features: NDArray  # what `features` says, [lines, features]
    misread: float  # share of the characters
    failed: bool  # whether any line has a failure
    style: tuple[NDArray, str]  # the most legible line to prime with: int16 [n, 3] raw offsets, and its text

    def is_legible(self, most_misread):
        return not self.failed and self.misread <= most_misread


def try_hands(model, recogniser, hands, texts, bias, seed, space):
    """A `Tried` for each of the hands, which writes each of the texts once; `space` as `space_of_people` returns it."""
    tried, together = [], max(1, LINES_TOGETHER // len(texts))
    for start in range(0, len(hands), together):
        some = hands[start : start + together]
        seeds = [(seed, start + k, n) for k in range(len(some)) for n in range(len(texts))]
        who = [hand for hand in some for _ in texts]
        lines = sample_batch([*texts] * len(some), model, bias=bias, seed=seeds, hand=who)
        for k in range(0, len(lines), len(texts)):
            own = lines[k : k + len(texts)]
            reads = recogniser.read([line.strokes for line in own])
            errors = [
                (len(line.strokes) > MAX_POINTS, count_errors(text, read))
                for line, text, read in zip(own, texts, reads, strict=True)
            ]
            best = own[min(range(len(own)), key=errors.__getitem__)]
            tried.append(
                Tried(
                    np.array([appearance(line.strokes, line.text, space) for line in own]),
                    np.array([features(line) for line in own]),
                    error_share(texts, reads),
                    any(find_failures(line) for line in own),
                    (raw_offsets(best.strokes, model.config.data_scale), best.text),
                )
            )
    return tried


def farthest(looks, count, before=0):
    """Indices of `count` hands: always the one that is farthest from those that were taken already.

    Args:
        looks: for each hand [lines, coordinates], as `appearance` says of its lines; compared in units of how much they
            vary within one hand. before: so many, the first ones, count as taken; without any, the one in the middle is
            the first.
    """
    means = np.array([v.mean(axis=0) for v in looks])
    within = np.mean([v.var(axis=0) for v in looks if len(v) > 1], axis=0)
    vectors = (means - np.median(means, axis=0)) / np.maximum(np.sqrt(within), 1e-6)
    # A hand far out in one feature shall not be chosen for that alone.
    vectors = np.sign(vectors) * np.log1p(np.abs(vectors))
    taken = list(range(before)) or [int(np.argmin(np.linalg.norm(vectors, axis=1)))]
    while len(taken) < before + count:
        nearest = np.min(np.linalg.norm(vectors[:, None] - vectors[None, taken], axis=2), axis=1)
        taken.append(int(np.argmax(nearest)))
    return taken[before:]


def choose_hands(pool, before, count, most_misread, try_them, seed):
    """`count` hands of a pool that are far from one another, and legible in further trial lines as well.

    Args:
        pool: (number of a candidate, looks as in `farthest`). before: looks of the hands that stay. try_them: from such
            numbers, texts and a seed to a list of `Tried`.

    Returns:
        their numbers.

    Raises:
        UsageError: there are not so many.
    """
    chosen: list = []
    while missing := count - len(chosen):
        if len(pool) < missing:
            raise UsageError(f"{count} hands are wanted, {missing} more than are legible: take more --candidates.")
        taken = [*before, *(looks for _, looks in chosen)]
        picked = [k - len(taken) for k in farthest([*taken, *(looks for _, looks in pool)], missing, len(taken))]
        seed += len(MORE_TRIAL_TEXTS)
        tried = try_them([pool[k][0] for k in picked], MORE_TRIAL_TEXTS, seed)
        chosen += [pool[k] for k, one in zip(picked, tried, strict=True) if one.is_legible(most_misread)]
        pool = [one for k, one in enumerate(pool) if k not in picked]
    return [hand for hand, _ in chosen]


def words_for(values, among):
    """Words for each hand, by what it has more or less of than most of others; both: lists of [lines, features]."""
    means, others = (np.array([v.mean(axis=0) for v in hands]) for hands in (values, among))
    ranks = (means[:, None] > others[None]).mean(axis=1)  # [hands, features]
    return [
        ", ".join(names[int(r > 0.5)] for names, r in zip(FEATURE_WORDS, rank) if not 0.2 <= r <= 0.8) or "average"
        for rank in ranks
    ]


def number_and_candidate(text):
    """3 as (3, None), 3:17 as (3, 17)."""
    number, _, candidate = text.partition(":")
    return int(number), int(candidate) if candidate else None


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data_dir", required=True, help="folder with people's handwriting, with the names of its forms")
    p.add_argument("--save_path", default=os.path.join(ROOT, SHIPPED), help="network with hands, as in sample.py")
    p.add_argument("--output", default=os.path.join(ROOT, "data"), help=f"folder of {HANDS_FILE} and {STYLES_FILE}")
    p.add_argument("--candidates", type=int, default=600, help="hands to choose from")
    p.add_argument("--count", type=int, default=112, help="hands to make")
    p.add_argument(
        "--replace",
        nargs="+",
        type=number_and_candidate,
        metavar="N[:K]",
        help="make these numbers of the catalogue anew, of candidate K (from 0) where that is said; the others stay",
    )
    p.add_argument("--bias", type=float, default=2.2, help="bias of the trial lines and styles")
    p.add_argument(
        "--most_misread", type=float, default=0.03, help="largest share of misread characters in trial lines"
    )
    p.add_argument("--seed", type=int, default=1, help="seed of all lines")
    args = p.parse_args(argv)
    return run_command(lambda: make(args))


def read_people(args, model):
    """The hands of people, what `measures` says of each, and the space that `space_of_people` makes of their lines."""
    args.data_scale, args.alphabet, args.batch_size = model.config.data_scale, model.config.alphabet, 1
    args.tsteps = MAX_POINTS
    loader = DataLoader(args, Logger())
    people = HandBatches(loader.stroke_data, loader.ascii_data, loader.names, model, changes=1)
    forms = list(people.forms.values())
    strokes = [[loader.stroke_data[i] for i in lines] for lines in forms]
    texts = [[loader.ascii_data[i] for i in lines] for lines in forms]
    say(f"{len(forms)} hands of people were read.")
    return (
        [people.hand(lines) for lines in forms],
        np.array(list(map(measures, strokes, texts))),
        space_of_people(strokes),
    )


def make(args):
    """Makes and writes the hands; returns the exit code."""
    os.makedirs(args.output, exist_ok=True)
    catalogue_file, styles_file = (os.path.join(args.output, name) for name in (HANDS_FILE, STYLES_FILE))
    check_writable(catalogue_file)
    named, styles, numbers = {}, {}, dict.fromkeys(range(args.count))  # of the numbers: their candidates
    if args.replace is not None:
        named, numbers = dict(enumerate(load_catalogue(catalogue_file).hands)), dict(sorted(args.replace))
        styles = dict(enumerate(zip(*load_strokes(styles_file), strict=True)))
        if not numbers.keys() <= named.keys():
            raise UsageError(f"--replace: {catalogue_file} has the hands 0 to {len(named) - 1}.")
    staying = [hand for number, hand in named.items() if number not in numbers]
    one_thread_per_operation()
    model, recogniser = load_model(find_checkpoint(args.save_path)), load_recogniser()
    people, measured, space = read_people(args, model)

    scale = model.config.data_scale
    before = [
        appearance(absolute_points(np.asarray(styles[k][0]) / [scale, scale, 1]), styles[k][1], space)[None]
        for k in styles
        if k not in numbers
    ]

    def try_them(hands, texts, seed):
        return try_hands(model, recogniser, hands, texts, args.bias, seed, space)

    rng = np.random.default_rng(args.seed)
    groups = [mixtures(people, np.nan_to_num(measured[:, 1]), args.candidates, rng)]
    if staying:
        groups.append(gentler([named[number] for number in numbers], staying))
    candidates = [hand for group in groups for hand in group]
    tried = [one for k, group in enumerate(groups) for one in try_them(group, TRIAL_TEXTS, args.seed + k)]
    legible = [k for k, one in enumerate(tried) if one.is_legible(args.most_misread)]
    say(f"{len(legible)} of {len(candidates)} candidates are without failures and legible.")
    asked = {number: k for number, k in numbers.items() if k is not None}
    unknown = [k for k in asked.values() if not 0 <= k < len(candidates)]
    if unknown:
        raise UsageError(f"--replace: there are the candidates 0 to {len(candidates) - 1}, not {unknown[0]}.")
    before += [tried[k].looks for k in asked.values()]
    pool = [(k, tried[k].looks) for k in legible if k not in asked.values()]
    found = choose_hands(
        pool,
        before,
        len(numbers) - len(asked),
        args.most_misread,
        lambda some, texts, seed: try_them([candidates[k] for k in some], texts, seed),
        args.seed,
    )
    words = words_for([one.features for one in tried], [tried[k].features for k in legible])
    for number in numbers:
        k = asked[number] if number in asked else found.pop(0)
        named[number], styles[number] = dataclasses.replace(candidates[k], name=words[k]), tried[k].style
        say(f"hand {number}: candidate {k}, {words[k]}")
    save_catalogue(catalogue_file, Catalogue([named[k] for k in sorted(named)], find_directions(people, measured)))
    save_strokes(styles_file, *map(list, zip(*(styles[k] for k in sorted(styles)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
