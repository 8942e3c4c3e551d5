"""Trains a network that writes in hands to make fewer slips, by what proofreading accepts and rejects.

    python3 scripts/train_by_choice.py --data_dir real --save_path saved/in_hands --output saved/chosen

The network writes texts in the hands of the catalogue and of people; words with slips are tried again. Of two tries of
a word, the one that reads right becomes likelier beside the other (scribe/learning/choice.py), while lines of people
keep the network what it is. The words are written at a low bias: of what a high one wrote, the network would learn to
write as evenly. One run at a bias is enough: a second one pleases those that choose, and no other reader
(docs/archive/RUNS.md). It takes half an hour on two cores.

real/ has people's lines with the names of their forms (docs/TRAINING.md). The output is a folder with a checkpoint, the
averaged weights.
"""

import argparse
import os
import sys

import numpy as np
from tqdm import tqdm

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from model import load_model  # noqa: E402
from scribe.console import UsageError, run_command, say  # noqa: E402
from scribe.files.atomic import check_writable  # noqa: E402
from scribe.hands.catalogue import HANDS_FILE, load_catalogue  # noqa: E402
from scribe.ink.batch import network_arrays  # noqa: E402
from scribe.learning.choice import make_choice_step, pair_arrays, write_pairs  # noqa: E402
from scribe.learning.forms import tells_of_hands  # noqa: E402
from scribe.learning.hand_batches import HandBatches  # noqa: E402
from scribe.network.checkpoint import find_checkpoint, save_model  # noqa: E402
from scribe.network.precision import faster_products  # noqa: E402
from scribe.network.tf_setup import one_thread_per_operation, tf  # noqa: E402
from scribe.training.run_state import WeightAverage  # noqa: E402
from scribe.writing.adapted import adapted_copy  # noqa: E402
from scribe.writing.recogniser import load_recogniser  # noqa: E402
from train import default_towers  # noqa: E402
from utils import DataLoader, Logger  # noqa: E402

BIASES = (0.3, 0.7, 1.1)
OF_CATALOGUE = 0.5  # share of the texts; the others are in the hands of forms
EMPHASIS = (1.0, 1.4)  # hands of forms are told so many times as far from the average of all people, least and most
FEWEST_LINES = 3  # of a form in whose hand lines are written
TOGETHER = 256  # texts
LONGEST = 900  # points of a line up to the end of the word, so that a step takes the same memory
PAIRS, LINES = 16, 8  # of a step
WARMUP, LAST_RATE, SECOND_MOMENT, AVERAGE = 20, 0.05, 0.99, 0.99
SPREAD = 0.13  # of the lines of people, as in their training
SAVE_EVERY = 100


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--save_path", default=None, help="checkpoint or run to start from (default: the shipped model)")
    p.add_argument("--data_dir", required=True, help="folder with people's lines and their names")
    p.add_argument("--extra_data", default=None, help="further file of lines to keep likely, of augment_data.py")
    p.add_argument("--hands", default=os.path.join(ROOT, "data", HANDS_FILE), help="catalogue of hands to write in")
    p.add_argument("--texts", default=os.path.join(ROOT, "data", "corpus_texts.txt"), help="file with texts as lines")
    p.add_argument("--count", type=int, default=2_600, help="texts to write")
    p.add_argument("--steps", type=int, default=240, help="steps of the training")
    p.add_argument("--learning_rate", type=float, default=6e-5, help="highest learning rate")
    p.add_argument("--dropout", type=float, default=0.8, help="for lines of people, as in their training")
    p.add_argument("--output", required=True, help="folder for the new checkpoint, and for what was read of hands")
    p.add_argument("--seed", type=int, default=0, help="seed of texts, lines and order")
    args = p.parse_args(argv)

    os.makedirs(args.output, exist_ok=True)
    prefix = os.path.join(args.output, "checkpoint")
    check_writable(f"{prefix}.index")
    one_thread_per_operation()
    model = load_model(find_checkpoint(args.save_path) if args.save_path else None)
    args.batch_size, args.distort, args.tsteps = LINES, SPREAD, LONGEST
    loader = DataLoader(args, Logger())
    if not (model.hand_size and tells_of_hands(loader.names)):
        raise UsageError("this needs a network with hands, and lines with names: see docs/TRAINING.md.")
    lines = loader.stroke_data, loader.ascii_data, loader.names
    kept_in = os.path.join(args.output, "hands.npz")
    loader.hands = HandBatches(*lines, model, spread=SPREAD, kept_in=kept_in, report=say)

    rng = np.random.default_rng(args.seed)
    with open(args.texts, encoding="utf-8") as file:
        texts = [line for line in map(str.strip, file) if line]
    texts = [texts[i] for i in rng.permutation(len(texts))[: args.count]]
    catalogue, recogniser = load_catalogue(args.hands).hands, load_recogniser()
    forms = [of_form for _, of_form in sorted(loader.hands.forms.items()) if len(of_form) >= FEWEST_LINES]
    pairs = []
    for start in tqdm(range(0, len(texts), TOGETHER), unit="batch", desc="writing", disable=None):
        some = texts[start : start + TOGETHER]
        hands = [random_hand(catalogue, loader.hands, forms, rng) for _ in some]
        seeds = [(args.seed, start + i) for i in range(len(some))]
        pairs += write_pairs(some, hands, model, rng.choice(BIASES, len(some)), seeds, recogniser)
    pairs = [pair for pair in pairs if max(len(pair.good.points), len(pair.bad.points)) <= LONGEST]
    say(f"{len(pairs)} pairs of tries of words in {len(texts)} texts.")
    if len(pairs) < PAIRS:
        raise UsageError(f"{PAIRS} pairs are the least to learn from: write more texts.")
    train(model, loader, pairs, args, prefix, rng)
    print(prefix)
    return 0


def random_hand(catalogue, hands, forms, rng):
    """A hand of the catalogue, or what some lines of one of the forms tell of its hand."""
    if rng.random() < OF_CATALOGUE:
        return catalogue[rng.integers(len(catalogue))]
    lines = rng.permutation(forms[rng.integers(len(forms))])
    return hands.hand(lines[: rng.integers(1, len(lines) + 1)].tolist()).scaled(rng.uniform(*EMPHASIS))


def train(model, loader, pairs, args, prefix, rng):
    """Trains the model, and saves the averaged weights to `prefix`, now and then and at the end."""
    towers = default_towers(LINES)
    reference = adapted_copy(model)
    products = faster_products(2 * PAIRS // towers, model.rnn_size)
    for network in (model, reference):
        network.keep_probability = 1.0
        network.products = products
    model.hand_encoder.trainable = False
    optimizer = tf.keras.optimizers.Adam(args.learning_rate, beta_2=SECOND_MOMENT)
    average = WeightAverage(model.trainable_variables, AVERAGE)
    step = make_choice_step(model, reference, optimizer, average, towers, args.dropout)
    groups, found = [], []
    for k in tqdm(range(args.steps), unit="step", desc="training", disable=None):
        groups = groups or groups_of_like_length(pairs, rng)
        rate = args.learning_rate * min(1.0, (k + 1) / WARMUP)
        rate *= LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + np.cos(np.pi * k / args.steps))
        arrays = pair_arrays(groups.pop(), model)
        lines = network_arrays(loader.batch(k), model.hand_size)
        found.append([float(v) for v in step(arrays, lines, tf.constant(rate, tf.float32), tf.constant(k))])
        done = k + 1 == args.steps
        if (k + 1) % 20 == 0 or done:
            message = "step {}: {:.4f} nats/point of people's lines, choices {:.4f}, margin {:.2f} nats, {:.0%} right"
            say(message.format(k + 1, *np.mean(found, axis=0)))
            found = []
        if (k + 1) % SAVE_EVERY == 0 or done:
            with average.in_place():
                save_model(prefix, model)


def groups_of_like_length(pairs, rng):
    """All pairs, in groups of PAIRS, in random order."""
    lengths = np.array([max(len(pair.good.points), len(pair.bad.points)) for pair in pairs])
    order = np.argsort(lengths * rng.uniform(0.9, 1.1, len(pairs)), kind="stable")
    groups = [order[i : i + PAIRS] for i in range(0, len(order) - PAIRS + 1, PAIRS)]
    return [[pairs[i] for i in groups[g]] for g in rng.permutation(len(groups))]


if __name__ == "__main__":
    sys.exit(run_command(main))
