"""Measures a model: how likely it finds real handwriting, and how well it writes.

    python3 evaluate.py                                        # the shipped model on the validation lines of data/
    python3 evaluate.py --save_path saved/mine --json mine.json
    python3 evaluate.py --data_dir other --split all           # on every line of other/strokes_training_data.cpkl
    python3 evaluate.py --part sampling --texts texts.txt --biases 0 0.5 1 2 --seeds 1 2 3
    python3 evaluate.py --part hands --data_dir people         # how like people's hands; people/ has lines with names

Three parts, each a table on stdout. Likelihood: nats per point and per line, in the suite's units and in the paper's,
the squared error of the predicted offset, and whether the pen lifts as often as predicted. Sampling: over texts, biases
and seeds, the share of lines that came out without failures ("whole" in the table), what went wrong with the others,
how many characters the recogniser (scribe/writing/recogniser.py) misreads, and how the attention moved. Hands: of
people whose lines are in --data_dir with the names of their forms, some lines are read and others are written in their
hand; how often such a line is nearest to the right hand, and how well written lines are told from people's.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import dataclasses
import math
import os
import sys
from types import SimpleNamespace

import numpy as np

# TensorFlow, which costs seconds, is imported where it is used: a wrong flag is told at once.
from scribe.console import OneLineParser, UsageError, run_command
from scribe.files.atomic import check_writable, save_json
from scribe.files.text_file import read_text
from scribe.hands.likeness import AMONG, HandSpace, likeness, realism, statistics_of
from scribe.ink.batch import make_batch
from scribe.ink.strokes import absolute_points
from scribe.learning.forms import form_of, lines_of_forms, tells_of_hands
from scribe.network.config import POINT_SIZE
from scribe.writing.failures import KINDS, attention_summary, find_failures
from scribe.writing.lines import sample_batch
from scribe.writing.misread import error_share
from scribe.writing.proofread import DEFAULT_ATTEMPTS, sample_checked
from utils import DataLoader, Logger

TEXTS_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "evaluation_texts.txt")
PEN_LIFT_BINS = 10
MAX_SHOWN = 20  # failed lines on stdout
# Hands: how many are compared; lines of each that are read, and written; fewest points of a line that is compared.
HANDS, LINES_READ, LINES_WRITTEN, SHORTEST_LINE = 40, 4, 4, 60


# -------------------------------------------------------------------------------------------------------- likelihood


def make_measure_step(model):
    """A tf.function: (x, y, char_seq) -> what is measured at every point, each [B, T].

    In this order: nats of the offset, nats of the pen lift, squared error of the expected offset along x and along y,
    the predicted probability of a pen lift. x, y [B, T, 3], char_seq [B, U, A] as in `batch.Batch`.
    """
    from scribe.network.density import log_density
    from scribe.network.tf_setup import tf

    spec = tf.TensorSpec
    points = spec([None, None, POINT_SIZE])

    @tf.function(input_signature=[points, points, spec([None, None, model.char_vec_len])])
    def measure_step(x, y, char_seq):
        out = model({"stroke_data": x, "char_seq": char_seq})
        offset = -log_density(out, y[..., :2])
        lift = tf.nn.sigmoid_cross_entropy_with_logits(labels=y[..., 2], logits=out["eos_hat"][..., 0])
        # The least squared error is that of the mean of the mixture.
        errors = [
            tf.square(tf.reduce_sum(out["pi"] * out[mu], axis=-1) - y[..., axis])
            for axis, mu in enumerate(("mu1", "mu2"))
        ]
        return tf.stack([offset, lift, *errors, out["eos"][..., 0]])

    return measure_step


def measure_likelihood(model, strokes, texts, deviations, batch_size=32):
    """How likely the model finds lines.

    Args:
        model: a HandwritingModel. strokes: list of [n, 3] in units of data_scale. texts: list of strings.
        deviations: (x, y) standard deviation of the offsets in units of data_scale, which the paper divides by.
        batch_size: lines computed at once; changes nothing but the speed.

    Returns:
        A dict of numbers; `likelihood_table` says what each is.
    """
    measure_step = make_measure_step(model)
    order = np.argsort([len(line) for line in strokes], kind="stable")
    columns = []
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = make_batch([strokes[i] for i in rows], [texts[i] for i in rows], model.config.alphabet)
        measured = measure_step(batch.x, batch.y, batch.one_hot).numpy()
        real = batch.mask > 0
        columns.append(np.concatenate([measured[:, real], batch.y[real][None, :, 2]]))  # [6, points]
    offset, lift, error_x, error_y, probability, lifted = np.concatenate(columns, axis=1).astype(np.float64)
    points, lines = len(offset), len(strokes)
    nats = (offset.sum() + lift.sum()) / points
    # A density changes by the factor by which the unit of length does (Graves normalises offsets to deviation 1).
    to_paper = -math.log(deviations[0] * deviations[1])
    return {
        "lines": lines,
        "points": points,
        "nats_per_point": nats,
        "nats_per_line": nats * points / lines,
        "offset_nats_per_point": offset.mean(),
        "pen_lift_nats_per_point": lift.mean(),
        "squared_error_per_point": error_x.mean() + error_y.mean(),
        "paper_nats_per_point": nats + to_paper,
        "paper_nats_per_line": (nats + to_paper) * points / lines,
        "paper_squared_error_per_point": error_x.mean() / deviations[0] ** 2 + error_y.mean() / deviations[1] ** 2,
        "pen_lift": calibration(probability, lifted),
    }


def calibration(probability, happened, bins=PEN_LIFT_BINS):
    """Whether what was predicted with probability p happened in a share p of the cases.

    Args:
        probability, happened: [n], in 0 .. 1. bins: how many equal intervals of probability.

    Returns:
        "error": the mean distance of the two over all cases; "bins": a list of [cases, mean probability, share that
        happened], empty bins left out.
    """
    which = np.minimum((probability * bins).astype(int), bins - 1)
    table = [[int(m.sum()), float(probability[m].mean()), float(happened[m].mean())] for m in _groups(which, bins)]
    error = sum(count * abs(predicted - share) for count, predicted, share in table) / max(1, len(probability))
    return {"error": error, "bins": table}


def _groups(which, count):
    masks = (which == k for k in range(count))
    return (mask for mask in masks if mask.any())


# ---------------------------------------------------------------------------------------------------------- sampling


def measure_sampling(model, texts, bias, seeds, recogniser, attempts=1):
    """How often lines come out without failures and legible, at the first attempt and after several.

    Args:
        model: a HandwritingModel. texts: list of strings. bias: a number. seeds: a list; every text is written once
            with each. recogniser: a `Recogniser`. attempts: per line, as in `proofread.sample_checked`.

    Returns:
        A dict. Figures are of first attempts unless the key says after_tries: then of the attempts that are kept.
            bias, tries: as given. lines: number of texts times seeds.
            whole: share of lines without any failure.
            whole_after_tries: share of lines whose attention shows no failure.
            read_after_tries: share of lines of which sample.py warns in no way (`slips.find_slips`).
            each of `failures.KINDS`: share of lines with such a failure.
            points_per_character: median and 95th percentile over the lines.
            monotony, width: means over the lines of `failures.attention_summary`.
            failed: a list of [text, seed, what failed].
            misread: misread characters over all characters, without lines that the recogniser lacks characters for.
            misread_after_tries: the same; too low a figure, since the same recogniser has chosen the attempts.
            read: a list of [text, what was read instead].
    """
    failed, shares, rates, attention = [], dict.fromkeys(KINDS, 0), [], []
    not_whole, not_legible = 0, 0  # of the lines that are kept
    firsts, kept = [], []  # lines
    for seed in seeds:
        lines = sample_batch(texts, model, bias=bias, seed=seed)
        firsts += lines
        for line in lines:
            failures = find_failures(line)
            for kind in {failure.kind for failure in failures}:
                shares[kind] += 1
            if failures:
                failed.append([line.text, seed, "; ".join(failure.describe(line.text) for failure in failures)])
            rates.append(len(line.strokes) / len(line.text))
            attention.append(attention_summary(line.phis))
        # Writes the first attempts once more, so that the figures are those of what people get from the sampler.
        checked = sample_checked(texts, model, bias=bias, seed=seed, attempts=attempts, recogniser=recogniser)
        kept += checked.lines
        not_whole += sum(any(failure.kind in KINDS for failure in failures) for failures in checked.failures)
        not_legible += sum(map(bool, checked.failures))
    first_texts, first_reads = read_lines(recogniser, [line.text for line in firsts], [line.strokes for line in firsts])
    kept_texts, kept_reads = read_lines(recogniser, [line.text for line in kept], [line.strokes for line in kept])
    count = len(rates)
    monotony, width = np.mean(attention, axis=0)
    return {
        "bias": bias,
        "lines": count,
        "whole": 1 - len(failed) / count,
        "tries": attempts,
        "whole_after_tries": 1 - not_whole / count,
        "read_after_tries": 1 - not_legible / count,
        **{kind: number / count for kind, number in shares.items()},
        "points_per_character": [float(np.median(rates)), float(np.percentile(rates, 95))],
        "monotony": float(monotony),
        "width": float(width),
        "failed": failed,
        "misread": error_share(first_texts, first_reads),
        "misread_after_tries": error_share(kept_texts, kept_reads),
        "read": [[text, read] for text, read in zip(first_texts, first_reads, strict=True) if text != read],
    }


def read_lines(recogniser, texts, strokes):
    """The texts whose characters the recogniser knows, and what it reads in their strokes [n, 3] or [n, 6]."""
    known = [i for i, text in enumerate(texts) if recogniser.knows(text)]
    return [texts[i] for i in known], recogniser.read([strokes[i] for i in known])


# ------------------------------------------------------------------------------------------------------------- hands


def measure_hands(model, strokes, texts, names, to_write, bias, count=HANDS, seed=1):
    """How like people's hands what is written in them is, and how like people's writing.

    Args:
        model: a HandwritingModel with a hand_size. strokes: list of [n, 3] in units of data_scale. texts, names: of the
            lines; those of one form are by one hand. to_write: texts. bias, seed: of the lines that are written.
        count: of hands that are compared, from forms of at least LINES_READ + 2 lines, evenly over the data.

    Returns:
        A dict: bias; hands, how many; the shares and the spread of `hands.likeness.Likeness`; auc, of `realism`.

    Raises:
        ValueError: there are not three such forms, or none beside them.
    """
    from scribe.learning.learn import quick_hand

    usable = [i for i, line in enumerate(strokes) if len(line) >= SHORTEST_LINE]
    forms = {
        form: [usable[k] for k in lines]
        for form, lines in lines_of_forms([names[i] for i in usable]).items()
        if len(lines) >= LINES_READ + 2
    }
    chosen = list(forms)[:: max(1, len(forms) // count)][:count]
    if len(chosen) < 3:
        raise ValueError(f"hands are compared on three forms or more that have {LINES_READ + 2} lines each.")
    measured = {i: statistics_of(absolute_points(strokes[i])) for i in usable if names[i]}
    others = [i for i in measured if form_of(names[i]) not in chosen]
    space = HandSpace(np.array([measured[i] for i in others]), [form_of(names[i]) for i in others])

    hands = [quick_hand([(strokes[i], texts[i]) for i in forms[form][:LINES_READ]], model) for form in chosen]
    hands = [hand for hand in hands for _ in range(LINES_WRITTEN)]
    lines = sample_batch(
        [to_write[k % len(to_write)] for k in range(len(hands))], model, bias=bias, seed=seed, hand=hands
    )
    written = np.array([statistics_of(line.strokes) for line in lines])
    real = [np.array([measured[i] for i in forms[form][LINES_READ:]]) for form in chosen]
    found = likeness(space, real, np.split(written, len(chosen)))
    return {"bias": bias, "hands": len(chosen), **found._asdict(), "auc": realism(np.concatenate(real), written)}


# ------------------------------------------------------------------------------------------------------------ tables


def likelihood_table(measured):
    """What `measure_likelihood` returned, as text."""
    m = SimpleNamespace(**measured)
    rows = [
        ("", "this model", "paper's units"),
        ("nats per point", f"{m.nats_per_point:.4f}", f"{m.paper_nats_per_point:.4f}"),
        ("  of it the offset", f"{m.offset_nats_per_point:.4f}", ""),
        ("  of it the pen lift", f"{m.pen_lift_nats_per_point:.4f}", ""),
        ("nats per line", f"{m.nats_per_line:.1f}", f"{m.paper_nats_per_line:.1f}"),
        ("squared error per point", f"{m.squared_error_per_point:.4f}", f"{m.paper_squared_error_per_point:.4f}"),
    ]
    text = "\n".join(f"{name:<28}{own:>12}{paper:>16}" for name, own, paper in rows)
    lifts = "\n".join(f"{count:>12}{expected:>12.3f}{share:>12.3f}" for count, expected, share in m.pen_lift["bins"])
    return (
        f"Likelihood of {m.lines} lines, {m.points} points\n{text}\n\n"
        f"Pen lifts: mean distance of probability and share {m.pen_lift['error']:.4f}\n"
        f"{'points':>12}{'predicted':>12}{'lifted':>12}\n{lifts}"
    )


def sampling_table(results, real_rate=None, real_misread=None):
    """A list of what `measure_sampling` returned, as text.

    real_rate, real_misread: points per character of real lines, and the share of their characters that is misread.
    """
    n = results[0]["tries"]
    head = f"{'bias':>5}{'lines':>7}{'whole@1':>9}{f'whole@{n}':>10}{f'legible@{n}':>12}"
    head += "".join(f"{kind:>14}" for kind in KINDS)
    head += f"{'misread@1':>11}{f'misread@{n}':>12}{'points/char':>13}{'95%':>7}{'monotony':>10}{'width':>7}"
    rows = [
        f"{r['bias']:>5g}{r['lines']:>7}{r['whole']:>9.1%}{r['whole_after_tries']:>10.1%}{r['read_after_tries']:>12.1%}"
        + "".join(f"{r[kind]:>14.1%}" for kind in KINDS)
        + f"{r['misread']:>11.1%}{r['misread_after_tries']:>12.1%}"
        + f"{r['points_per_character'][0]:>13.1f}{r['points_per_character'][1]:>7.1f}"
        + f"{r['monotony']:>10.3f}{r['width']:>7.2f}"
        for r in results
    ]  # fmt: skip
    legend = [
        f"  @1: first attempts; @{n}: with up to {n} tries of each word, as sample.py keeps it",
        "  whole: lines without failures; legible: lines of which sample.py does not warn",
        f"  {KINDS[0]} ... {KINDS[-1]}: lines with such a failure, of first attempts",
        "  misread: characters that the recogniser misreads, of all characters",
        "  points/char, 95%: pen points per character, median and 95th percentile of the lines",
        "  monotony: steps at which the attention does not go back; width: characters attended to at once",
    ]
    if real_rate:
        legend.append(f"  real lines: {real_rate:.1f} points per character, {real_misread:.1%} misread")
    failed = [
        f"  bias {r['bias']:g}, seed {seed}: {text!r}: {what}" for r in results for text, seed, what in r["failed"]
    ]
    shown = (
        failed[:MAX_SHOWN]
        + [f"  ... and {len(failed) - MAX_SHOWN} more (all of them with --json)"][: len(failed) > MAX_SHOWN]
    )
    return "\n".join(["Sampling", head, *rows, *legend, *(["Failed first attempts:", *shown] if failed else [])])


def hands_table(results):
    """A list of what `measure_hands` returned, as text."""
    head = f"{'bias':>5}{'own first':>11}{f'among {AMONG}':>9}{'spread':>8}{'AUC':>7}"
    rows = [f"{r['bias']:>5g}{r['first']:>11.0%}{r['among']:>9.0%}{r['spread']:>8.2f}{r['auc']:>7.2f}" for r in results]
    first, among = results[0]["real_first"], results[0]["real_among"]
    legend = [
        f"  own first, among {AMONG}: lines whose own hand, of {results[0]['hands']}, is the nearest or among the "
        f"{AMONG} nearest; of people's lines {first:.0%} and {among:.0%}",
        "  spread: how far the written hands lie apart; people's: 1",
        "  AUC: how well written lines are told from people's: 0.5 not at all, 1 always",
    ]
    return "\n".join(["Hands", head, *rows, *legend])


# ------------------------------------------------------------------------------------------------------ command line


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "--save_path",
        default=None,
        help="a checkpoint or the folder of a training run (default: the newest run in saved/, else saved/checkpoint)",
    )
    p.add_argument(
        "--part",
        choices=["likelihood", "sampling", "hands", "both"],
        default="both",
        help="part that is measured (both = likelihood and sampling)",
    )
    p.add_argument("--json", metavar="FILE", default=None, help="file for all figures, with every failed line")
    g = p.add_argument_group("likelihood")
    g.add_argument("--data_dir", default="data", help="folder with strokes_training_data.cpkl")
    g.add_argument(
        "--split",
        choices=["validation", "train", "all"],
        default="validation",
        help="lines: every 20th as train.py keeps for validation, the others, or all",
    )
    g.add_argument("--tsteps", type=int, default=1300, help="most pen points of a line; longer ones are left out")
    g = p.add_argument_group("sampling")
    g.add_argument(
        "--texts", metavar="FILE", default=TEXTS_FILE, help="file with one text in each line (default: 200 varied ones)"
    )
    g.add_argument(
        "--biases", type=float, nargs="+", default=[0.0, 0.5, 1.0, 2.0], help="biases of the lines, as in sample.py"
    )
    g.add_argument(
        "--seeds", type=int, nargs="+", default=[1], help="seeds; every text is written once with each of them"
    )
    g.add_argument(
        "--tries", type=int, default=DEFAULT_ATTEMPTS, help="tries of each word of a line before the best one is kept"
    )
    args = p.parse_args(argv)
    p.require(args, "tries", "tsteps", least=1)
    if min(args.biases) < 0:
        p.error(f"--biases are {args.biases}: they have to be 0 or more")
    if min(args.seeds) < 0:
        p.error(f"--seeds are {args.seeds}: they have to be 0 or more")
    return args


def load_texts(path):
    """The lines of a text file that hold anything."""
    texts = [text for text in map(str.strip, read_text(path).splitlines()) if text]
    if not texts:
        raise ValueError(f"{path} has no text in it.")
    return texts


def main(argv=None):
    args = parse_args(argv)
    logger = Logger()
    return run_command(lambda: measure(args, logger), logger.write)


def measure(args, logger):
    """Measures what the flags ask for, and prints the tables. Returns the exit code."""
    from model import load_model
    from scribe.network.checkpoint import find_checkpoint, load_config
    from scribe.network.tf_setup import one_thread_per_operation
    from scribe.writing.recogniser import load_recogniser

    if args.json:
        check_writable(args.json)
    prefix = find_checkpoint(args.save_path)
    config = load_config(prefix)
    if args.part == "hands" and not config.hand_size:
        raise UsageError(f"{prefix} knows of no hands: its hand_size is 0.")
    if not config.alphabet and args.part != "likelihood":
        raise UsageError(f"{prefix} is a prediction network, which writes no text: add --part likelihood.")
    report = {"checkpoint": prefix, "config": dataclasses.asdict(config)}
    texts = load_texts(args.texts) if args.part != "likelihood" else []
    one_thread_per_operation()
    model = load_model(prefix)
    recogniser = load_recogniser()
    logger.write(f"Measuring {prefix}.")
    real_rate = real_misread = None
    if args.part != "sampling":
        loader_args = SimpleNamespace(
            data_dir=args.data_dir, data_scale=config.data_scale, alphabet=config.alphabet, tsteps=args.tsteps
        )
        loader = DataLoader(loader_args, logger)
    if args.part in ("likelihood", "both"):
        strokes, line_texts = lines_of(loader, args.split)
        # The paper normalises by the training lines; a file that is not trained on stands for itself.
        deviations = np.concatenate(loader.stroke_data)[:, :2].std(axis=0, dtype=np.float64)
        measured = measure_likelihood(model, strokes, line_texts, deviations)
        real_rate = float(np.median([len(s) / len(t) for s, t in zip(strokes, line_texts, strict=True)]))
        real_misread = error_share(*read_lines(recogniser, line_texts, [absolute_points(line) for line in strokes]))
        report["likelihood"] = {
            "data": loader.path, "split": args.split, "offset_deviations": deviations.tolist(),
            "points_per_character": real_rate, "misread": real_misread, **measured,
        }  # fmt: skip
        print(likelihood_table(measured), flush=True)
    if args.part == "hands":
        if not tells_of_hands(loader.names):
            raise UsageError(f"{loader.path} does not name the forms of its lines, so it tells nothing of hands.")
        lines = loader.stroke_data, loader.ascii_data, loader.names
        of_usual_length = [text for text in texts if 20 <= len(text) <= 40 and not text.isupper()] or texts
        report["hands"] = []
        for bias in args.biases:
            logger.write(f"Writing in the hands of people with bias {bias:g}.")
            report["hands"].append(measure_hands(model, *lines, of_usual_length, bias, seed=args.seeds[0]))
        print(hands_table(report["hands"]), flush=True)
    if args.part in ("sampling", "both"):
        report["sampling"] = []
        for bias in args.biases:
            logger.write(f"Writing {len(texts) * len(args.seeds)} lines with bias {bias:g}.")
            report["sampling"].append(measure_sampling(model, texts, bias, args.seeds, recogniser, args.tries))
        table = sampling_table(report["sampling"], real_rate, real_misread)
        print(("\n" if args.part == "both" else "") + table, flush=True)
    if args.json:
        save_json(args.json, report)
    return 0


def lines_of(loader, split):
    """The lines of a DataLoader that --split names: strokes, texts."""
    train, validation = (loader.stroke_data, loader.ascii_data), (loader.valid_stroke_data, loader.valid_ascii_data)
    strokes, texts = {
        "train": train,
        "validation": validation,
        "all": tuple(a + b for a, b in zip(train, validation, strict=True)),
    }[split]
    if not strokes:
        raise ValueError(f"{loader.path} has no line in the split {split!r}.")
    return strokes, texts


if __name__ == "__main__":
    sys.exit(main())
