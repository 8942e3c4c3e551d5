"""Trains the encoder that describes hands (scribe/network/hand_encoder.py), and gives it to a network.

    python3 scripts/train_hand_encoder.py --data_dir data --init_from saved/checkpoint --output saved/hands/start

The data file has to name the form or the writer of each line (prepare_data.py keeps them). Two halves of the lines of a
form are read apart, and the encoder learns three things by them: to find the other half among those of all forms of a
batch, by the vector of the hand and by the descriptions of the characters (InfoNCE; van den Oord et al., 2018); and to
tell what the characters look like in the other half. What is written there does not help it.

The output is a checkpoint with the weights of --init_from, the encoder, and a hand input of weight 0: the network
writes as before, until `train.py --init_from saved/hands/start` teaches it to use what the encoder says. It takes ten
minutes on two cores.
"""

import argparse
import dataclasses
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import numpy as np

from model import HandwritingModel, load_model
from scribe.console import SuiteError, UsageError, run_command, say
from scribe.files.atomic import check_writable
from scribe.ink.strokes import transformed
from scribe.learning.forms import lines_of_forms
from scribe.learning.reading import add_sums, align, read_lines
from scribe.network.checkpoint import find_checkpoint, save_model
from scribe.network.hand_encoder import InkSums
from scribe.network.tf_setup import tf
from utils import DataLoader, Logger

RATE, WARMUP, CLIP = 1e-3, 50, 1.0
FORMS, POINTS = 48, 512  # forms in a batch; points of a line that are read in a step
LINES = 2  # of each half of a form, at most
SPREAD = 0.1  # of width, height and slant, the same change for all lines of a form
SEEN_FRAMES = 1.5  # of a character: with less it counts as not seen
MIN_FORMS = 8  # that show a character, for a mean of its own
TINY = 1e-6  # a number that never varies is divided by this
SHAPE_POINTS, MIN_SHAPE_POINTS = 10, 4  # points of a shape; pen points of a character that has one
SHAPE_LIMIT = 4.0  # deviations from the mean shape: more is cut
SHAPE_WEIGHT, SPREAD_WEIGHT, CORRELATION_WEIGHT = 3.0, 2.0, 0.3  # of the parts of the loss


# ------------------------------------------------------------------------------------------------ shapes of characters


def shapes_of_line(strokes, characters, space):
    """What the characters of a line look like, each as SHAPE_POINTS points, its pen lifts and how long it took.

    Args:
        strokes: [n, 3] offsets. characters: int [n], from `align`. space: the index of a space, which has no shape.

    Returns:
        {character: [2 * SHAPE_POINTS + 2]}, the mean over its instances; x from its middle, y from the line's.
    """
    xy = np.cumsum(strokes[:, :2], axis=0)
    if len(xy) > MIN_SHAPE_POINTS:
        xy[:, 1] -= np.polyval(np.polyfit(xy[:, 0], xy[:, 1], 1), xy[:, 0])
    found: dict[int, list] = {}
    edges = np.flatnonzero(np.diff(characters)) + 1
    for start, end in zip([0, *edges], [*edges, len(characters)]):
        n = end - start
        if n < MIN_SHAPE_POINTS or characters[start] == space:
            continue
        at = np.linspace(0, n - 1, SHAPE_POINTS)
        x, y = (np.interp(at, np.arange(n), xy[start:end, k]) for k in (0, 1))
        shape = np.concatenate([x - x.mean(), y, [strokes[start:end, 2].sum(), math.log(n)]])
        found.setdefault(int(characters[start]), []).append(shape)
    return {character: np.mean(shapes, axis=0) for character, shapes in found.items()}


class Shapes:
    """The shapes of the characters of all lines, as deviations from the mean shape of the character.

    Args:
        shapes: from `shapes_of_line`, one for each line. char_vec_len: A.
    """

    SIZE = 2 * SHAPE_POINTS + 2

    def __init__(self, shapes, char_vec_len):
        self.of_line, self.char_vec_len = shapes, char_vec_len
        total, square, count = np.zeros([char_vec_len, self.SIZE]), np.zeros(self.SIZE), np.zeros(char_vec_len)
        for found in shapes:
            for character, shape in found.items():
                total[character] += shape
                count[character] += 1
        self.mean = (total + total.sum(0) / count.sum()) / (count + 1)[:, None]
        for found in shapes:
            for character, shape in found.items():
                square += (shape - self.mean[character]) ** 2
        self.deviation = np.sqrt(square / count.sum()) + 1e-3

    def of_lines(self, lines, width, height, slant):
        """Deviations [A, SIZE] and whether there is one [A], of some lines that `transformed` has changed."""
        found: dict[int, list] = {}
        for i in lines:
            for character, shape in self.of_line[i].items():
                found.setdefault(character, []).append(shape)
        values, there = np.zeros([self.char_vec_len, self.SIZE], np.float32), np.zeros(self.char_vec_len, np.float32)
        for character, shapes in found.items():
            shape = np.mean(shapes, axis=0)
            x, y = shape[:SHAPE_POINTS], shape[SHAPE_POINTS : 2 * SHAPE_POINTS]
            shape[:SHAPE_POINTS] = width * x - slant * (y - y.mean())
            shape[SHAPE_POINTS : 2 * SHAPE_POINTS] = height * y
            values[character], there[character] = (shape - self.mean[character]) / self.deviation, 1.0
        return np.clip(values, -SHAPE_LIMIT, SHAPE_LIMIT), there


# -------------------------------------------------------------------------------------------------------- the batches


class HalfForms:
    """Batches of two halves of the lines of each of some forms.

    Args:
        lines: list of [n, 3] offsets in units of data_scale. characters: list of [n], from `align`. forms: from
            `lines_of_forms`. shapes: a `Shapes`.
    """

    def __init__(self, lines, characters, forms, shapes):
        self.lines, self.characters, self.shapes = lines, characters, shapes
        self.forms = [numbers for numbers in forms.values() if len(numbers) > 1]

    def batch(self, rng):
        """Both halves, the first of all forms before the second: strokes [2 F LINES, T, 3], mask, characters,
        shapes [2 F, A, SIZE] and whether there is one [2 F, A]."""
        count = min(FORMS, len(self.forms))
        halves, changes = [], []
        for form in rng.choice(len(self.forms), count, replace=False):
            numbers = rng.permutation(self.forms[form])
            middle = len(numbers) // 2
            halves.append([half[: rng.integers(1, LINES + 1)] for half in (numbers[:middle], numbers[middle:])])
            width, height, slant = rng.normal(0, SPREAD, 3)
            changes.append((math.exp(width), math.exp(height), slant))
        parts = [self._half([half[side] for half in halves], changes, rng) for side in (0, 1)]
        strokes, mask, characters, shapes, there = (np.concatenate(values) for values in zip(*parts))
        longest = int(mask.sum(axis=1).max())
        return strokes[:, :longest], mask[:, :longest], characters[:, :longest], shapes, there

    def _half(self, groups, changes, rng):
        rows = len(groups) * LINES
        strokes, mask = np.zeros([rows, POINTS, 3], np.float32), np.zeros([rows, POINTS], np.float32)
        characters, seen = np.zeros([rows, POINTS], np.int32), []
        for k, (numbers, change) in enumerate(zip(groups, changes, strict=True)):
            for row, i in enumerate(numbers, start=k * LINES):
                start = rng.integers(max(1, len(self.lines[i]) - POINTS + 1))
                part = transformed(self.lines[i], *change)[start : start + POINTS]
                strokes[row, : len(part)], mask[row, : len(part)] = part, 1.0
                characters[row, : len(part)] = self.characters[i][start : start + POINTS]
            seen.append(self.shapes.of_lines(numbers, *change))
        values, there = (np.stack(v) for v in zip(*seen))
        return strokes, mask, characters, values, there


# ----------------------------------------------------------------------------------------------------------- the loss


def make_train_step(encoder, optimizer):
    """A tf.function (what `HalfForms.batch` returns, rate) -> the parts of the loss: vector, glyphs, spread, shapes."""
    A, D = encoder.char_vec_len, encoder.hand_size
    scale = tf.Variable(0.0)
    hidden = tf.keras.layers.Dense(160, activation="gelu")
    shape = tf.keras.layers.Dense(Shapes.SIZE)
    hidden.build((None, 2 * D + A))
    shape.build((None, 160))
    variables = encoder.trainable_variables + hidden.trainable_variables + shape.trainable_variables + [scale]
    optimizer.build(variables)

    def read(strokes, mask, characters):
        """Of each form: vector [F, D], descriptions of its characters [F, A, D], whether each was seen [F, A, 1]."""
        sums = encoder.read(strokes, mask, characters)
        sums = InkSums(*(tf.reduce_sum(tf.reshape(v, [-1, LINES, *v.shape[1:]]), axis=1) for v in sums))
        glyphs = sums.glyph_total / (sums.glyph_count[..., None] + 1e-3)
        seen = tf.cast(sums.glyph_count > SEEN_FRAMES, tf.float32)[..., None]
        return encoder.pool(sums.total, sums.square, sums.count), glyphs, seen

    def spread(values, count):
        """Small where numbers have mean 0, deviation 1 and no correlation: values [N, D] of `count` that count."""
        covariance = tf.matmul(values, values, transpose_a=True) / count
        variance = tf.linalg.diag_part(covariance)
        correlation = tf.reduce_sum(covariance**2) - tf.reduce_sum(variance**2)
        apart = tf.reduce_mean((tf.sqrt(variance + 1e-4) - 1) ** 2)
        return SPREAD_WEIGHT * apart + CORRELATION_WEIGHT * correlation / D

    def info_nce(distances):
        """[F, F] squared distances between first and second halves -> nats to find each half by the other."""
        own = tf.range(tf.shape(distances)[0])
        find = tf.nn.sparse_softmax_cross_entropy_with_logits
        return tf.reduce_mean(find(own, -distances)) + tf.reduce_mean(find(own, -tf.transpose(distances)))

    @tf.function(reduce_retracing=True)
    def train_step(strokes, mask, characters, shapes, there, rate):
        forms = tf.shape(there)[0] // 2
        with tf.GradientTape() as tape:
            vector, glyphs, seen = read(strokes, mask, characters)
            mean = tf.reduce_mean(vector, axis=0)
            apart = tf.reduce_sum((vector[:forms, None] - vector[None, forms:]) ** 2, axis=-1)
            of_vector = info_nce(apart / 8.0)

            glyph_mean = tf.reduce_sum(glyphs * seen, axis=0) / (tf.reduce_sum(seen, axis=0) + 1e-3)
            glyphs = (glyphs - glyph_mean) * seen  # [2F, A, D]
            first, second = glyphs[:forms], glyphs[forms:]
            in_first, in_second = seen[:forms, :, 0], seen[forms:, :, 0]
            # Squared distances, summed over the characters that both halves show, per character.
            apart = (
                tf.matmul(tf.reduce_sum(first**2, -1), in_second, transpose_b=True)
                + tf.matmul(in_first, tf.reduce_sum(second**2, -1), transpose_b=True)
                - 2 * tf.matmul(*(tf.reshape(v, [-1, A * D]) for v in (first, second)), transpose_b=True)
            ) / (tf.matmul(in_first, in_second, transpose_b=True) + 0.5)
            of_glyphs = info_nce(apart * tf.exp(scale) / 8.0)

            spreads = tf.reduce_mean(mean**2) + 0.1 * tf.reduce_mean(glyph_mean**2)
            spreads += spread(vector - mean, tf.cast(2 * forms, tf.float32))
            spreads += spread(tf.reshape(glyphs, [-1, D]), tf.maximum(tf.reduce_sum(seen), 1.0))

            # What a half says about its characters has to tell what they look like in the other half.
            noisy = glyphs + 0.1 * tf.random.normal(tf.shape(glyphs)) * seen
            of_hand = tf.repeat(vector[:, None], A, axis=1)
            character = tf.repeat(tf.eye(A)[None], 2 * forms, axis=0)
            told = shape(hidden(tf.concat([noisy, of_hand, character], axis=-1)))  # [2F, A, SIZE]
            other, other_there = tf.roll(shapes, forms, axis=0), tf.roll(there, forms, axis=0)
            weight = seen * other_there[..., None]
            # A batch of few short lines may share no character, or show none.
            error = tf.reduce_sum(weight * (told - other) ** 2) / (Shapes.SIZE * tf.maximum(tf.reduce_sum(weight), 1.0))
            loss = of_vector + of_glyphs + spreads + SHAPE_WEIGHT * error
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), CLIP)
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(gradients, variables))
        return of_vector, of_glyphs, spreads, error

    return train_step


def normalise(encoder, sums):
    """Sets what people's descriptions are on average, from the `InkSums` of many forms."""
    pooled = (np.stack([getattr(s, name) for s in sums]) for name in ("total", "square", "count"))
    vectors = encoder.pool(*pooled).numpy()
    counts = np.stack([s.glyph_count for s in sums])
    glyphs = np.stack([s.glyph_total for s in sums]) / np.maximum(counts, 1e-3)[..., None]
    seen = (counts > SEEN_FRAMES)[..., None].astype(np.float32)
    number = seen.sum(axis=0)  # [A, 1]
    of_all = (glyphs * seen).sum((0, 1)) / max(seen.sum(), 1.0)
    mean = np.where(number >= MIN_FORMS, (glyphs * seen).sum(0) / np.maximum(number, 1), of_all)
    encoder.vector_mean.assign(vectors.mean(0))
    encoder.vector_scale.assign(np.maximum(vectors.std(0), TINY))
    encoder.glyph_mean.assign(mean)
    deviations = np.sqrt((((glyphs - mean) * seen) ** 2).sum((0, 1)) / max(seen.sum(), 1.0))
    encoder.glyph_scale.assign(np.maximum(deviations, TINY))


# -------------------------------------------------------------------------------------------------------- the command


def parse_args(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data_dir", default="data", help="folder with strokes_training_data.cpkl, with names")
    p.add_argument("--init_from", default=None, help="checkpoint whose weights are kept; as --save_path of sample.py")
    p.add_argument("--output", required=True, help="checkpoint to write, without its extensions")
    p.add_argument("--hand_size", type=int, default=64, help="numbers that describe a hand, and each of its characters")
    p.add_argument("--steps", type=int, default=1200, help="steps of training, of up to 48 forms each")
    p.add_argument("--tsteps", type=int, default=1300, help="largest number of pen points of a line")
    p.add_argument("--seed", type=int, default=0, help="seed of weights and batches")
    args = p.parse_args(argv)
    for name in ("hand_size", "steps", "tsteps"):
        if getattr(args, name) < 1:
            p.error(f"--{name} is {getattr(args, name)}: it has to be 1 or more")
    if not 0 <= args.seed < 2**31:
        p.error(f"--seed is {args.seed}: it has to be at least 0 and below 2147483648")
    return args


def check_output(prefix):
    """Raises an error if the checkpoint could not be written, or if a config for it would replace that of another."""
    folder = os.path.dirname(prefix) or "."
    names = os.listdir(folder) if os.path.isdir(folder) else []
    others = [name for name in names if name.endswith(".index") and name != os.path.basename(prefix) + ".index"]
    if others:
        raise UsageError(
            f"{folder} holds {others[0]}, whose config would be replaced: name another folder in --output."
        )
    check_writable(prefix)


def main(argv=None):
    args = parse_args(argv)
    return run_command(lambda: train(args))


def train(args):
    """Trains and writes the checkpoint; returns the exit code."""
    check_output(args.output)
    tf.keras.utils.set_random_seed(args.seed)
    before = load_model(find_checkpoint(args.init_from))
    if not before.alphabet:
        raise UsageError(f"{args.init_from} sees no text, so it cannot tell which character a point belongs to.")
    args.data_scale, args.alphabet, args.batch_size = before.config.data_scale, before.config.alphabet, FORMS
    loader = DataLoader(args, Logger())
    forms = lines_of_forms(loader.names)
    if sum(len(numbers) > 1 for numbers in forms.values()) < 2:
        raise UsageError(
            f"{loader.path} does not tell of two forms or more which lines are on them: prepare_data.py keeps the "
            "names of the lines, --names adds them to an older data file."
        )
    model = HandwritingModel(dataclasses.replace(before.config, hand_size=args.hand_size))
    for name, value in vars(before.named_weights).items():
        # What an earlier encoder said of hands means nothing any more.
        if hasattr(value, "assign") and not name.endswith(("hand_kernel", "glyph_kernel")):
            getattr(model.named_weights, name).assign(value)

    say(f"Finding the characters of {len(loader.stroke_data)} lines ...")
    characters = align(loader.stroke_data, loader.ascii_data, before)
    space = before.config.alphabet.find(" ") + 1
    shapes = Shapes(
        [shapes_of_line(*line, space) for line in zip(loader.stroke_data, characters, strict=True)],
        model.char_vec_len,
    )
    halves = HalfForms(loader.stroke_data, characters, forms, shapes)
    optimizer = tf.keras.optimizers.Adam(RATE, beta_2=0.99)
    train_step, rng, seen = make_train_step(model.hand_encoder, optimizer), np.random.default_rng(args.seed), []
    for step in range(args.steps):
        rate = RATE * min(1.0, (step + 1) / WARMUP) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / args.steps)))
        seen.append([float(v) for v in train_step(*halves.batch(rng), np.float32(rate))])
        if (step + 1) % 50 == 0 or step + 1 == args.steps:
            parts = zip(("vector", "glyphs", "spread", "shapes"), np.mean(seen, axis=0))
            say(f"step {step + 1} of {args.steps}: " + ", ".join(f"{name} {value:.3f}" for name, value in parts))
            seen = []
    sums = read_lines(loader.stroke_data, characters, model)
    normalise(model.hand_encoder, [add_sums([sums[i] for i in numbers]) for numbers in forms.values()])
    if not all(np.isfinite(variable).all() for variable in model.hand_encoder.variables):
        raise SuiteError("the encoder has numbers that are not finite; nothing was written. Try another --seed.")
    save_model(args.output, model)
    say(f"Wrote {args.output}; train.py --init_from {args.output} goes on: docs/TRAINING.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
