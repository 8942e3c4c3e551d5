"""Trains the reader of scribe/writing/recogniser.py on people's handwriting.

    python3 scripts/train_recogniser.py --data_dir data --extra_data data/rare_characters.cpkl --output data/reader.npz

Prints the share of misread characters of the validation lines as it goes. About half an hour on two cores.
"""

import argparse
import math
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import numpy as np

from scribe.files.safe_pickle import UnsafePickleError
from scribe.ink.strokes import absolute_points
from scribe.network.checkpoint import WeightAverage
from scribe.network.tf_setup import one_thread_per_operation, tf
from scribe.writing.recogniser import BATCH, FEATURES, Reader, error_share, pad, path_features
from utils import DataLoader, Logger

RATE, WARMUP, KEEP, EMA, CLIP = 2e-3, 100, 0.85, 0.995, 2.0


def make_train_step(reader, optimizer, average):
    """A tf.function (x, lengths, labels, rate, step) -> loss in nats per character."""
    variables = list(reader.trainable_variables)
    optimizer.build(variables)
    spec = tf.TensorSpec

    @tf.function(
        input_signature=[
            spec([None, None, FEATURES]), spec([None], tf.int32),
            tf.SparseTensorSpec([None, None], tf.int32), spec([]), spec([], tf.int32),
        ]
    )  # fmt: skip
    def train_step(x, lengths, labels, rate, step):
        with tf.GradientTape() as tape:
            logits, frames = reader(x, lengths, tf.stack([0, step]), KEEP)
            nats = tf.nn.ctc_loss(labels, logits, None, frames, blank_index=-1)
            loss = tf.reduce_sum(nats) / tf.cast(tf.size(labels.values), tf.float32)
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), CLIP)
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(gradients, variables))
        average.update(step)
        return loss

    return train_step


def sparse_labels(texts, alphabet):
    """The codes of the characters as tf.nn.ctc_loss takes them, int32 [B, most characters]."""
    codes = [[alphabet.index(c) for c in text] for text in texts]
    places = [[row, k] for row, line in enumerate(codes) for k in range(len(line))]
    return tf.SparseTensor(places, [c for line in codes for c in line], [len(codes), max(map(len, codes))])


def readable(strokes, texts, alphabet):
    """The lines that CTC can learn from: all characters known, and a frame for each, one more between two of a kind.

    Args:
        strokes: list of [n, 3] offsets. texts, alphabet: strings.

    Returns:
        lines as `recogniser.path_features` takes them, and their texts.
    """
    kept = []
    for line, text in zip(map(absolute_points, strokes), texts, strict=True):
        frames = (len(path_features(line)) + 1) // 2
        # Half as many again: the path of a line has fewer steps in a hand that is changed to be narrower.
        if set(text) <= set(alphabet) and frames >= 1.5 * (len(text) + sum(a == b for a, b in zip(text, text[1:]))):
            kept.append((line, text))
    return [line for line, _ in kept], [text for _, text in kept]


def train(reader, lines, texts, valid, epochs, seed, output, log):
    """Trains, and writes the averaged weights to `output` after every epoch that misreads less than all before."""
    average = WeightAverage(reader.trainable_variables, EMA)
    train_step = make_train_step(reader, tf.keras.optimizers.Adam(RATE), average)
    lengths = np.array([len(line) for line in lines])
    steps_per_epoch = math.ceil(len(lines) / BATCH)
    steps, step, best, start = epochs * steps_per_epoch, 0, math.inf, time.time()
    for epoch in range(epochs):
        rng = np.random.default_rng([seed, epoch])
        order = np.argsort(lengths * rng.uniform(0.9, 1.1, len(lines)))
        batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
        losses = []
        for k in rng.permutation(len(batches)):
            rate = RATE * min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))
            x, t = pad([path_features(lines[i], rng) for i in batches[k]])
            labels = sparse_labels([texts[i] for i in batches[k]], reader.alphabet)
            losses.append(float(train_step(x, t, labels, rate, step)))
            step += 1
            if step % 50 == 0:
                log(f"step {step}/{steps}: {np.mean(losses[-50:]):.3f} nats/character, {time.time() - start:.0f} s")
        with average.in_place():
            share = error_share(valid[1], reader.read(valid[0]))
            log(f"epoch {epoch + 1}: misreads {share:.2%} of the characters of the validation lines")
            if share < best:
                best = share
                reader.save(output)


def parse_args(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data_dir", default="data", help="folder with strokes_training_data.cpkl: real lines")
    p.add_argument("--extra_data", default=None, help="more lines, of augment_data.py: digits and capitals")
    p.add_argument("--output", required=True, help="where the weights go; data/reader.npz is what sample.py reads with")
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--tsteps", type=int, default=1300, help="most pen points of a line")
    p.add_argument("--seed", type=int, default=0)
    return p.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    one_thread_per_operation()
    logger = Logger()
    args.batch_size, args.data_scale = BATCH, 50.0  # the scale does not matter to the features
    try:
        loader = DataLoader(args, logger)
        reader = Reader(loader.alphabet, args.seed)
        real = readable(loader.stroke_data, loader.ascii_data, reader.alphabet)
        valid = readable(loader.valid_stroke_data, loader.valid_ascii_data, reader.alphabet)
        if not real[0] or not valid[0]:
            raise ValueError(f"{loader.path} has no line to {'train on' if valid[0] else 'validate'} that can be read.")
        logger.write(f"Reading {len(real[0])} lines, {len(valid[0])} to validate.")
        train(reader, *real, valid, args.epochs, args.seed, args.output, logger.write)
    except (UnsafePickleError, ValueError, OSError) as error:
        logger.write(f"Error: {error}")
        return 1
    logger.write(f"Wrote {args.output}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
