"""Trains a network that writes in hands to write what readers read right, on a machine with a GPU and JAX.

    python3 tools/hands_for_jax.py --data_dir real --hold_out 100 saved/gpu   # where TensorFlow is: lines and weights
    python3 tools/train_by_readers_jax.py saved/gpu --seconds 205             # where the GPU is
    python3 tools/hands_for_jax.py --back saved/gpu                           # where TensorFlow is: a checkpoint

At every step the network writes texts in hands, several lines of each. Three readers judge every character: the two
recognisers of data/, and one that reads the points as such, trained at the start on people's lines. A fourth network,
trained along the way, tells how like a person's each part of a line is. What was judged better than the same character
in the other lines of the text becomes likelier, what was judged worse less likely (a policy gradient: Williams, 1992),
while lines of people keep the network what it is. The encoder of hands stays as it is, so all hands remain in use.

The folder needs lines.npz and weights.npz; all weights, the trained ones averaged, come to trained.npz at every
validation. The other machine needs JAX, NumPy, and the folders scribe, tools and data. A run does not resume.
"""

import argparse
import concurrent.futures
import functools
import math
import os
import sys
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from jax_training.adam import adam_state
from jax_training.ctc import read
from jax_training.hands import describe
from jax_training.judge_training import likeness_step, reader_rate, reader_step
from jax_training.network import PRECISIONS, loss_sum_and_count, network
from jax_training.readers import alike, likeness_weights, point_reader_weights
from jax_training.rewards import Judges, judge
from jax_training.subjects import PeopleLines, Subjects, hands_of, writable
from jax_training.written import told_of, write_lines
from scribe.console import OneLineParser, UsageError, run_command, say
from scribe.files.atomic import written_aside
from scribe.files.needed_files import ROOT
from scribe.hands.catalogue import HANDS_FILE, load_catalogue
from scribe.network.hand_sizes import POINTS_PER_FRAME
from scribe.writing.bias import RESTING
from scribe.writing.misread import error_share
from train_hands_jax import Programs, changed, since

WARMUP, LAST_RATE = 15, 0.03
ALIKE = 0.5  # share of the probability of what looks like a character that counts for it
LIKENESS_STEPS_BEFORE, WRITE_ANEW_EVERY, LIKENESS_STEPS, LIKENESS_RATE = 60, 6, 3, 3e-4
FORMS_TOGETHER = 64  # read at once
STEPS_PER_MESSAGE = 10
READERS = "path", "pictures", "points"
# What random keys are for.
READING, LIKENESS_BEFORE, WRITING, JUDGING, LIKENESS = range(5)


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", help="with lines.npz and weights.npz of tools/hands_for_jax.py")
    data = os.path.join(ROOT, "data")
    p.add_argument("--hands", default=os.path.join(data, HANDS_FILE), help="catalogue of hands to write in")
    p.add_argument("--texts", default=os.path.join(data, "corpus_texts.txt"), help="file with texts as lines")
    p.add_argument("--seconds", type=float, default=205.0, help="of training by readers, at most")
    p.add_argument("--steps", type=int, default=100_000, help="steps of the training by readers, at most")
    p.add_argument("--reader_steps", type=int, default=1400, help="steps of the training of the third reader")
    p.add_argument("--texts_per_step", type=int, default=128, help="texts that are written at a step")
    p.add_argument("--tries", type=int, default=8, help="lines that are written of each text")
    p.add_argument("--batch_size", type=int, default=256, help="lines of people at a step")
    p.add_argument("--tsteps", type=int, default=900, help="pen points of a line; longer ones are left out")
    p.add_argument("--characters", type=int, default=28, help="characters of a text; longer ones are cut at a space")
    p.add_argument("--choice_weight", type=float, default=5.0, help="of what was written beside people's lines")
    p.add_argument("--likeness_weight", type=float, default=2.0, help="of the likeness beside the readers")
    p.add_argument("--learning_rate", type=float, default=1.5e-4, help="highest learning rate")
    p.add_argument("--dropout", type=float, default=0.8, help="probability to keep an output, for lines of people")
    p.add_argument("--distort", type=float, default=0.13, help="spread of width, height and slant of people's lines")
    p.add_argument("--ema", type=float, default=0.98, help="decay of the weight average")
    p.add_argument("--validate_every", type=int, default=40, help="steps")
    p.add_argument("--dtype", choices=sorted(PRECISIONS), default="bfloat16", help="factors of the large products")
    p.add_argument("--unroll", type=int, default=4, help="points in one turn of the loop over time")
    p.add_argument("--seed", type=int, default=0, help="seed of batches, texts and noise")
    args = p.parse_args(argv)
    p.require(args, "steps", "reader_steps", "batch_size", "validate_every", "unroll", least=1)
    # A line is held against others of its text; some texts are people's, some of the corpus.
    p.require(args, "tries", "texts_per_step", "characters", least=2)
    if args.tsteps < 1 or args.tsteps % POINTS_PER_FRAME:
        p.error(f"--tsteps is {args.tsteps}: it has to be a multiple of {POINTS_PER_FRAME}")
    if not 0 < args.dropout <= 1:
        p.error(f"--dropout is {args.dropout}: it has to be above 0 and at most 1")
    return args


# --------------------------------------------------------------------------------------------------------- programs


class Step(NamedTuple):
    """What a step learns from: a `Choice` of people's lines; a `ToWrite` in `Hands`, the `Written` lines, and the
    advantages [B, T] of their points."""

    people: Any
    hands: Any
    lines: Any
    written: Any
    advantages: Any


class ReaderPrograms(Programs):
    """The compiled programs of the training by readers; those of train_hands_jax.py with another loss, and more.

    Args:
        args: flags. lines: `PeopleLines`. weights: {name: array}. data_scale: of the lines.

    Attributes:
        judges: `Judges`, whose last two networks are trained here.
    """

    def __init__(self, args, lines, weights, data_scale):
        encoder = {name: jnp.asarray(value) for name, value in weights.items() if name.startswith("encoder_")}
        super().__init__(args, lines, {name: value for name, value in weights.items() if name not in encoder})
        self.averages = encoder  # like them, all of the encoder is used and not trained
        points = np.zeros([len(lines.arrays[0]), args.tsteps, 3], np.float32)  # as long as written lines
        points[:, : lines.arrays[0].shape[1]] = lines.arrays[0]
        self.people = jax.device_put(points)
        self.judges = Judges(*recognisers(lines.alphabet), *small_networks(args.seed, lines.alphabet))
        self._states = {name: adam_state(getattr(self.judges, name)) for name in ("points", "likeness")}
        self.key = jax.random.key(args.seed)
        resting = RESTING / data_scale
        self._write = jax.jit(
            lambda *given: write_lines(*given, length=args.tsteps, resting=resting, compute=self.compute)
        )
        self._judge = jax.jit(lambda *given: judge(*given, G=args.tries, likeness_weight=args.likeness_weight))
        self._reader_step = jax.jit(self._train_reader_step)
        self._likeness_step = jax.jit(self._train_likeness_step)

    def compile_for(self, shape, choice, hands, lines):
        """Compiles everything side by side for a batch of people's lines and a `ToWrite`."""
        weights, number, rows = self.state["weights"], np.float32(0), np.zeros(likeness_lines(self.args), np.int32)
        written = jax.eval_shape(self._write, weights, hands, lines, self.key)
        judged = jax.eval_shape(self._judge, self.judges, lines, written, self.key)
        step = Step(choice, hands, lines, written, judged.advantages)
        for_reader = self.judges.points, self._states["points"], self.people, self.arrays, choice
        for_likeness = self.judges.likeness, self._states["likeness"], self.people, self.arrays, rows, written, rows
        programs = {
            "_write": lambda: self._write.lower(weights, hands, lines, self.key),
            "_judge": lambda: self._judge.lower(self.judges, lines, written, self.key),
            "_reader_step": lambda: self._reader_step.lower(*for_reader, self.key, number),
            "_likeness_step": lambda: self._likeness_step.lower(*for_likeness, self.key),
            "_step": lambda: self._step.lower(self.state, self.arrays, step, number, length=shape[1]),
        }
        with concurrent.futures.ThreadPoolExecutor(len(programs)) as pool:
            compiled = {name: pool.submit(lambda lower=lower: lower().compile()) for name, lower in programs.items()}
            compiled = {name: one.result() for name, one in compiled.items()}
        self._steps = {shape: compiled.pop("_step")}
        vars(self).update(compiled)

    def write(self, weights, hands, lines, *number):
        """The `Written` lines of a `ToWrite`; number: of the random key."""
        return self._write(weights, hands, lines, self._key(WRITING, *number))

    def judged(self, lines, written, *number):
        """What is `Judged` of them."""
        return self._judge(self.judges, lines, written, self._key(JUDGING, *number))

    def train_reader(self, choice, step, rate):
        """One step of the third reader; returns nats per character before they are computed."""
        given = self.people, self.arrays, choice, self._key(READING, step), np.float32(rate)
        weights, self._states["points"], nats = self._reader_step(self.judges.points, self._states["points"], *given)
        self.judges = self.judges._replace(points=weights)
        return nats

    def train_likeness(self, rows, written, which, *number):
        """One step of the likeness on lines of people, int [n], and as many written ones; returns the share of pairs
        told apart before it is computed."""
        given = self.people, self.arrays, np.int32(rows), written, np.int32(which), self._key(*number)
        before = self.judges.likeness, self._states["likeness"]
        weights, self._states["likeness"], right = self._likeness_step(*before, *given)
        self.judges = self.judges._replace(likeness=weights)
        return right

    def described(self, lines, rng):
        """vectors [forms, D] and glyphs [forms, A, D] of the hands of `lines.forms`, each by some lines."""

        @jax.jit
        def of_some(arrays, read, there):
            points, characters, _, counts, _ = arrays
            mask = (jnp.arange(points.shape[1]) < counts[read][..., None]) * there[..., None]
            return describe(self.averages, points[read] * mask[..., None], mask, characters[read])[:2]

        read, there = lines.tell_of_forms(rng)
        found = []
        for k in range(0, len(read), FORMS_TOGETHER):
            more = max(0, k + FORMS_TOGETHER - len(read))  # so that all calls have one shape
            some = (np.pad(v[k : k + FORMS_TOGETHER], ((0, more), (0, 0))) for v in (read, there))
            found.append([np.asarray(v)[: FORMS_TOGETHER - more] for v in of_some(self.arrays, *some)])
        return map(np.concatenate, zip(*found, strict=True))

    def _key(self, *numbers):
        return functools.reduce(jax.random.fold_in, numbers, self.key)

    def _loss(self, weights, arrays, step, key, length):
        """Nats per point of people's lines, and those of written ones by the advantages of their points."""
        x, y, mask, one_hot, read = self._batch(arrays, step.people, length)
        for_told, for_dropout = jax.random.split(key)
        there = step.people.there.max(axis=1, keepdims=True)
        hand, glyphs, _ = self._told(weights, read, there, one_hot, for_told)
        y_hat = network(weights, x, one_hot, self.compute, self.args.dropout, for_dropout, hand, glyphs)
        nats, points = loss_sum_and_count(y_hat, y, mask)

        told, y = told_of(step.hands, step.lines), jnp.swapaxes(step.written.points, 0, 1)
        x = jnp.pad(y[:-1], ((1, 0), (0, 0), (0, 0)))
        y_hat = network(weights, x, told.one_hot, self.compute, hand=told.hand, glyphs=told.glyphs)
        chosen = loss_sum_and_count(y_hat, y, step.advantages.T)[0] / step.written.counts.sum()
        return nats / points + self.args.choice_weight * chosen, (nats / points, chosen)

    def _train_reader_step(self, weights, state, people, arrays, choice, key, rate):
        _, _, text, counts, text_counts = arrays
        line = choice.lines[:, 0]
        points, codes = changed(people[line], choice.change + choice.more), text[line].astype(jnp.int32) - 1
        return reader_step(weights, state, points, counts[line], codes, text_counts[line], key, rate)

    def _train_likeness_step(self, weights, state, people, arrays, rows, written, which, key):
        of_people, of_network = (people[rows], arrays[3][rows]), (written.points[which], written.counts[which])
        return likeness_step(weights, state, of_people, of_network, key, LIKENESS_RATE)


def recognisers(alphabet):
    """Weights of the recognisers of data/ for the path and for pictures, for a network with this alphabet."""
    found = []
    for name in ("reader.npz", "picture_reader.npz"):
        with np.load(os.path.join(ROOT, "data", name), allow_pickle=False) as file:
            if str(file["alphabet"]) != alphabet:
                raise UsageError(f"data/{name} reads other characters than those of the network.")
            found.append({k: jnp.asarray(file[k], jnp.float32) for k in file.files if k != "alphabet"})
    return found


def small_networks(seed, alphabet):
    """Weights of the reader of points and of the likeness before their training, and the matrix of what is alike."""
    numbers = point_reader_weights(seed + 1, len(alphabet) + 1), likeness_weights(seed + 2), alike(alphabet, ALIKE)
    return jax.tree.map(jnp.asarray, numbers)


def likeness_lines(args):
    """Lines of people, and as many written ones, at a step of the likeness."""
    return min(args.batch_size, args.texts_per_step * args.tries // 2)


# ---------------------------------------------------------------------------------------------------------- the run


def load(args):
    """The lines, the weights {name: array} and the data scale of the folder."""
    found = [os.path.join(args.folder, name) for name in ("lines.npz", "weights.npz")]
    if missing := [path for path in found if not os.path.exists(path)]:
        raise UsageError(f"there is no {missing[0]}: tools/hands_for_jax.py writes it, where TensorFlow is.")
    try:
        lines = PeopleLines(found[0], args.batch_size, args.tsteps, args.distort, args.seed)
    except ValueError as error:
        raise UsageError(str(error)) from None
    with np.load(found[0], allow_pickle=False) as file:
        data_scale = float(file["data_scale"])
    with np.load(found[1], allow_pickle=False) as file:
        return lines, {name: file[name] for name in file.files}, data_scale


def subjects_and_hands(args, lines, programs):
    """`Subjects` to write, and the `Hands` that they are written in."""
    catalogue = load_catalogue(args.hands).hands
    D = programs.state["weights"]["lstm0_hand_kernel"].shape[0]
    if not catalogue or len(catalogue[0].vector) != D:
        raise UsageError(f"{args.hands} has no hands that this network writes in: they are {D} numbers each.")
    with open(args.texts, encoding="utf-8") as file:
        sources = lines.texts(0), file, lines.texts(1)
        texts = [writable(source, lines.alphabet, args.characters) for source in sources]
    if not (all(texts) and lines.forms):
        raise UsageError("this needs texts, lines of people to train and to validate on, and forms of several lines.")
    hands = hands_of(catalogue, *programs.described(lines, np.random.default_rng(args.seed)), lines.alphabet)
    subjects = Subjects(
        *texts, alphabet=lines.alphabet, characters=args.characters, catalogue=len(catalogue),
        forms=[len(form) for form in lines.forms], texts=args.texts_per_step, tries=args.tries, seed=args.seed,
    )  # fmt: skip
    return subjects, jax.device_put(hands)


def train_reader(args, lines, programs):
    """Trains the third reader."""
    start, seen = time.monotonic(), []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        following = pool.submit(lines.batch)
        for step in range(args.reader_steps):
            (_, choice), following = following.result(), pool.submit(lines.batch)
            seen.append(programs.train_reader(choice, step, reader_rate(step, args.reader_steps)))
            if (step + 1) % 100 == 0 or step + 1 == args.reader_steps:
                nats = np.mean([float(v) for v in seen])
                say(f"reader of points, step {step + 1}, {since(start):.0f} s: {nats:.3f} nats/character")
                seen = []


class Run:
    """One run: the subjects, and what its parts share.

    Args:
        args: flags. lines: `PeopleLines`. programs: `ReaderPrograms`. subjects: `Subjects`. hands: `Hands`.
    """

    def __init__(self, args, lines, programs, subjects, hands):
        self.args, self.lines, self.programs, self.subjects, self.hands = args, lines, programs, subjects, hands
        self._of_forms = np.concatenate(lines.forms)
        self._rng = np.random.default_rng(args.seed)

    def likeness_step(self, written, *number):
        """One step of the likeness, on lines of people and on lines that were written of people's texts."""
        count = likeness_lines(self.args)
        which = self._rng.permutation(self.subjects.people)
        people = self._of_forms[self._rng.integers(len(self._of_forms), size=count)]
        return self.programs.train_likeness(people, written, np.resize(which, count), *number)

    def train_likeness(self):
        """The steps of the likeness before the network is trained by it."""
        weights, right = self.programs.state["weights"], 0.5
        for step in range(LIKENESS_STEPS_BEFORE):
            if step % WRITE_ANEW_EVERY == 0:
                written = self.programs.write(weights, self.hands, self.subjects.draw(), LIKENESS_BEFORE, step)
            right = self.likeness_step(written, LIKENESS_BEFORE, step)
        say(f"likeness: {float(right):.0%} of pairs of a person's line and a written one told apart")

    def step(self, number, shape, people, rate):
        """One step; returns its numbers as arrays that are not computed yet: of the loss, of what was judged, and the
        share of pairs that the likeness told apart."""
        lines = self.subjects.draw()
        written = self.programs.write(self.programs.state["weights"], self.hands, lines, number)
        judged = self.programs.judged(lines, written, number)
        found = self.programs.train_step(shape, Step(people, self.hands, lines, written, judged.advantages), rate)
        right = [self.likeness_step(written, LIKENESS, number, k) for k in range(LIKENESS_STEPS)]
        return found, judged.means, right[-1]

    def validate(self, step):
        """Says how the averaged weights are read, and writes trained.npz."""
        lines = self.subjects.validation()
        ema = self.programs.state["ema"]
        written = self.programs.write(ema, self.hands, lines, 0)
        judged = self.programs.judged(lines, written, 0)
        texts = ["".join(self.lines.alphabet[k - 1] for k in row[:n]) for row, n in zip(lines.text, lines.counts)]
        shares = []
        for name, best, frames in zip(READERS, judged.best, judged.frames, strict=True):
            reads = read(np.asarray(best), np.asarray(frames), self.lines.alphabet)
            of_biases = (f"{error_share(texts[k::2], reads[k::2]):.2%}" for k in (0, 1))
            shares.append(f"{name} {' '.join(of_biases)}")
        say(
            f"step {step}: misread, bias 0.5 and 1: {', '.join(shares)}; {float(written.finished.mean()):.2%} ended, "
            f"{written.counts.sum() / lines.counts.sum():.1f} points/character"
        )
        arrays = {name: np.asarray(value) for name, value in (ema | self.programs.averages).items()}
        with written_aside(os.path.join(self.args.folder, "trained.npz")) as aside:
            np.savez(aside, **arrays)

    def train(self):
        """Trains the network, and validates it at the start, now and then, and at the end."""
        args = self.args
        self.validate(0)
        start, step, seen, waiting = time.monotonic(), 0, [], []
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            following = pool.submit(self.lines.batch)
            while step < args.steps and since(start) < args.seconds:
                (shape, people), following = following.result(), pool.submit(self.lines.batch)
                done = max(step / args.steps, since(start) / args.seconds)
                rate = args.learning_rate * min(1.0, (step + 1) / WARMUP)
                rate *= LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
                waiting.append(self.step(step, shape, people, rate))
                step += 1
                if len(waiting) > 2:  # so that the device never waits for the host
                    seen.append(jax.device_get(waiting.pop(0)))
                if step % STEPS_PER_MESSAGE == 0 and seen:
                    self._tell(step, since(start), seen)
                    seen = []
                if step % args.validate_every == 0:
                    self.validate(step)
        if step % args.validate_every:
            self.validate(step)

    @staticmethod
    def _tell(step, seconds, seen):
        """What the last steps were like."""
        of_loss, of_lines, right = (np.mean(numbers, axis=0) for numbers in zip(*seen, strict=True))
        nats, chosen, norm = of_loss
        *scores, by_readers, by_likeness, odds, points, finished = of_lines
        scores = " ".join(f"{score:.3f}" for score in scores)
        say(
            f"step {step}, {seconds:.0f} s: characters {scores} nats, deviations {by_readers:.2f} {by_likeness:.2f}; "
            f"likeness {odds:.2f}, told apart {right:.0%}; {points:.0f} points, {finished:.2%} ended; people's lines "
            f"{nats:.4f} nats/point, choice {chosen:.4f}, norm {norm:.2f}"
        )


def train(args):
    """Trains; returns the exit code."""
    lines, weights, data_scale = load(args)
    programs = ReaderPrograms(args, lines, weights, data_scale)
    subjects, hands = subjects_and_hands(args, lines, programs)
    start = time.monotonic()
    programs.compile_for(*lines.batch(), hands, subjects.draw())
    say(f"Compiled for {args.tsteps} points on {jax.devices()[0].device_kind}: {since(start):.0f} s.")
    train_reader(args, lines, programs)
    run = Run(args, lines, programs, subjects, hands)
    run.train_likeness()
    run.train()
    return 0


def main(argv=None):
    args = parse_args(argv)
    return run_command(lambda: train(args), stopped="Stopped; the averaged weights of the last validation are kept.")


if __name__ == "__main__":
    sys.exit(main())
