"""Trains the recogniser (scribe/writing/recogniser.py) on people's handwriting, or the one of pictures.

    python3 scripts/train_recogniser.py --data_dir data --extra_data data/rare_characters.cpkl --output data/reader.npz
    python3 scripts/train_recogniser.py --pictures --data_dir data --extra_data data/rare_characters.cpkl \
        --output data/picture_reader.npz

Prints the share of misread characters of the validation lines as it goes. About half an hour on two cores, for
pictures an hour. The loss stays near 3.5 nats per character for some hundred steps, then falls.
"""

import argparse
import math
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import numpy as np

from scribe.console import run_command
from scribe.files.atomic import check_writable
from scribe.ink.strokes import absolute_points
from scribe.network.precision import faster_products
from scribe.network.tf_setup import one_thread_per_operation, tf
from scribe.training.run_state import WeightAverage
from scribe.writing.ctc_reader import LINES_READ_TOGETHER
from scribe.writing.misread import error_share
from scribe.writing.picture_recogniser import UNITS, PictureRecogniser
from scribe.writing.recogniser import Recogniser
from utils import DataLoader, Logger

WARMUP, KEEP, EMA, CLIP = 100, 0.85, 0.998, 2.0
NEAR_SHARE = 0.3  # of the loss of the convolutions alone: they learn to read without guessing from afar
LINES_TOGETHER = 32


def make_train_step(recogniser, optimizer, average):
    """A tf.function (x, lengths, labels, rate, step) -> loss in nats per character."""
    variables = list(recogniser.trainable_variables)
    optimizer.build(variables)
    spec = tf.TensorSpec

    @tf.function(
        input_signature=[
            recogniser.INPUT, spec([None], tf.int32),
            tf.SparseTensorSpec([None, None], tf.int32), spec([]), spec([], tf.int32),
        ]
    )  # fmt: skip
    def train_step(x, lengths, labels, rate, step):
        with tf.GradientTape() as tape:
            *outputs, frames = recogniser(x, lengths, tf.stack([0, step]), KEEP)
            nats, nats_near = (
                tf.reduce_sum(tf.nn.ctc_loss(labels, logits, None, frames, blank_index=-1))
                / tf.cast(tf.size(labels.values), tf.float32)
                for logits in outputs
            )
            loss = nats + NEAR_SHARE * nats_near
        gradients, norm = tf.clip_by_global_norm(tape.gradient(loss, variables), CLIP)
        # A line that cannot be explained at all has an infinite loss: its batch teaches nothing.
        gradients = [tf.where(tf.math.is_finite(norm), gradient, 0.0) for gradient in gradients]
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(gradients, variables))
        average.update(step)
        return nats

    return train_step


def sparse_labels(texts, alphabet):
    """The codes of the characters as tf.nn.ctc_loss takes them, int32 [B, most characters]."""
    codes = [[alphabet.index(c) for c in text] for text in texts]
    places = [[row, k] for row, line in enumerate(codes) for k in range(len(line))]
    return tf.SparseTensor(places, [c for line in codes for c in line], [len(codes), max(map(len, codes))])


def readable(strokes, texts, recogniser):
    """The lines that CTC can learn from: all characters known, and a frame for each, one more between two of a kind.

    Args:
        strokes: list of [n, 3] offsets. texts: strings. recogniser: a `CtcReader`.

    Returns:
        lines as `CtcReader.features` takes them, and their texts.
    """
    kept = []
    for line, text in zip(map(absolute_points, strokes), texts, strict=True):
        # Half as many more: random changes of width can make a line shorter.
        if recogniser.knows(text) and recogniser.frames(recogniser.features(line)) >= 1.5 * frames_of(text):
            kept.append((line, text))
    return [line for line, _ in kept], [text for _, text in kept]


def frames_of(text):
    """The least frames that CTC needs for a text."""
    return len(text) + sum(a == b for a, b in zip(text, text[1:]))


def train(recogniser, real, valid, args, log):
    """Trains, and writes the averaged weights to args.output after every epoch that misreads less than all before.

    Args:
        recogniser: a `CtcReader`. real, valid: lines and their texts, as `readable` returns them.
        args: has epochs, rate, seed, output. log: called with messages.
    """
    lines, texts = real
    average = WeightAverage(recogniser.trainable_variables, EMA)
    train_step = make_train_step(recogniser, tf.keras.optimizers.Adam(args.rate), average)
    lengths = np.array([len(line) for line in lines])
    steps_per_epoch = math.ceil(len(lines) / LINES_TOGETHER)
    steps, step, best, start = args.epochs * steps_per_epoch, 0, math.inf, time.time()
    for epoch in range(args.epochs):
        rng = np.random.default_rng([args.seed, epoch])
        order = np.argsort(lengths * rng.uniform(0.9, 1.1, len(lines)))
        batches = [order[i : i + LINES_TOGETHER] for i in range(0, len(order), LINES_TOGETHER)]
        losses = []
        for k in rng.permutation(len(batches)):
            rate = args.rate * min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))
            seen = [(recogniser.features(lines[i], rng), texts[i]) for i in batches[k]]
            seen = [(features, text) for features, text in seen if recogniser.frames(features) >= frames_of(text)]
            x, t = recogniser.together([features for features, _ in seen])
            labels = sparse_labels([text for _, text in seen], recogniser.alphabet)
            losses.append(float(train_step(x, t, labels, rate, step)))
            step += 1
            if step % 50 == 0:
                nats = np.ma.masked_invalid(losses[-50:]).mean()
                log(f"step {step}/{steps}: {nats:.3f} nats/character, {time.time() - start:.0f} s")
        with average.in_place():
            share = error_share(valid[1], recogniser.read(valid[0]))
            log(f"epoch {epoch + 1}: misreads {share:.2%} of the characters of the validation lines")
            if share < best:
                best = share
                recogniser.save(args.output)


def parse_args(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data_dir", default="data", help="folder with strokes_training_data.cpkl: real lines")
    p.add_argument(
        "--extra_data", default=None, help="further lines, as augment_data.py writes them: digits and capitals"
    )
    p.add_argument("--pictures", action="store_true", help="train the recogniser that looks at pictures of the lines")
    p.add_argument(
        "--output", required=True, help="file for the weights; sample.py uses data/reader.npz and picture_reader.npz"
    )
    p.add_argument("--init_from", default=None, help="file of weights to go on from")
    p.add_argument("--rate", type=float, default=2e-3, help="learning rate of Adam, which falls to 0 along a cosine")
    p.add_argument("--epochs", type=int, default=10, help="passes over the lines")
    p.add_argument("--tsteps", type=int, default=1300, help="most pen points of a line")
    p.add_argument("--seed", type=int, default=0, help="seed of weights, shuffling and dropout")
    return p.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    logger = Logger()
    return run_command(lambda: train_on_files(args, logger), logger.write)


def train_on_files(args, logger):
    """Trains on the data that the flags name. Returns the exit code."""
    check_writable(args.output)
    one_thread_per_operation()
    args.batch_size, args.data_scale = LINES_READ_TOGETHER, 50.0  # the scale does not matter to the features
    loader = DataLoader(args, logger)
    kind = PictureRecogniser if args.pictures else Recogniser
    recogniser = kind(loader.alphabet, args.seed)
    if args.pictures:
        recogniser.products = faster_products(LINES_TOGETHER, UNITS)
    if args.init_from:
        recogniser.take_weights(kind.load(args.init_from))
    real = readable(loader.stroke_data, loader.ascii_data, recogniser)
    valid = readable(loader.valid_stroke_data, loader.valid_ascii_data, recogniser)
    if not real[0] or not valid[0]:
        raise ValueError(f"{loader.path} has no line to {'train on' if valid[0] else 'validate'} that can be read.")
    logger.write(f"Reading {len(real[0])} lines, {len(valid[0])} to validate.")
    train(recogniser, real, valid, args, logger.write)
    logger.write(f"Wrote {args.output}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
