"""Writes text in handwriting.

    python3 sample.py --text "Hello World"
    python3 sample.py --text "Hello World" --bias 1.5 --seed 7
    python3 sample.py                                   # five test strings
    python3 sample.py --file letter.txt --output letter.pdf
    python3 sample.py --lines "Dear Jon," "you know nothing." --format svg png --page a6
    python3 sample.py --text "Hello World" --style_file me.inkml --style_text "what is written in it"

In a notebook:

    from scribe.network.checkpoint import find_checkpoint
from model import load_model
    from sample import sample
    model = load_model()
    strokes, phis, kappas = sample("Hello World", model, bias=1.0, seed=7)

Pictures and pages go to logs/figures unless --output says otherwise, their names to stdout, messages to stderr.
"""

import argparse
import dataclasses
import itertools
import math
import os
import sys
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from model import load_model, loss_sum_and_count, split_head
from scribe.console import UsageError
from scribe.files.safe_pickle import UnsafePickleError
from scribe.files.stroke_file import STYLES_FILE, load_strokes
from scribe.ink.batch import make_batch
from scribe.ink.text import MAX_CHARACTERS, fit_to_alphabet, split_line
from scribe.network.checkpoint import SAVED, CheckpointError, find_checkpoint, load_config
from scribe.network.config import POINT_SIZE
from scribe.network.tf_setup import one_thread_per_operation, tf
from scribe.pages import flags, letter
from scribe.writing.failures import find_failures
from scribe.writing.own_hand import load_own_hand
from scribe.writing.recogniser import count_errors, find_misread, load_reader, tolerated_errors, wanted_errors
from utils import Logger, to_one_hot

TEST_STRINGS = (
    "call me ishmael some years ago",
    "A project by Sam Greydanus",
    "mmm mmm mmm mmm mmm mmm mmm",
    "What I cannot create I do not understand",
    "You know nothing Jon Snow",
)
DEFAULT_BIAS = 1.0
# What a bias of b does besides narrowing the deviations; chosen by how a recogniser reads the lines, and how many come
# out whole (docs/TRAINING.md).
MAX_COMPONENT_BIAS = 1.0  # the likely components are favoured by so much of the bias at most,
COMPONENT_BIAS, STROKE_BIAS = 1.0, 3.0  # times the first within a stroke, the second where one begins
SURE_LIFT = 1.0  # from this bias on, the pen lifts where it is likely to, and not where it is not
RESTING = 3.0  # raw units: in IAM-OnDB one point in twenty moves by less, the median one by 24
REST_BIAS = 2.0  # a bias of b makes it exp(REST_BIAS b) times less likely that the pen rests
# Real handwriting has about 21 pen points a character and rarely more than 36; a line that is not finished after this
# many has gone astray.
MAX_POINTS_PER_CHARACTER, EXTRA_POINTS = 45, 100
DEFAULT_TRIES = 5
MOST_NAMED = 5  # lines written more than once; more of them are only counted
OWN_HAND = "own"  # stands for the number of a style: that of --style_file
# When a line ends. When the pen lifts for the last time in real lines, the attention has nearly always passed the last
# character by a tenth of its place, and in four of five lines by half of it. Where it has passed by half, the line
# ends; where by less, it ends if the pen would go on to the right of all ink: left of it are dots and crossings.
SURELY_PASSED, MAYBE_PASSED = 0.55, 0.1  # characters, of the mean position of the window
LAST_CHARACTER = -1.0  # before this, the line cannot end
DOTTED = set("ij!:")  # characters whose dot may well stand to the right of all ink
# Knowing its text is worth 0.38 nats a point in half of 300 real lines, and 0.1 in all but one; with the text of
# another line, 3 in 100 have more.
LEAST_WORTH = 0.1
SHUFFLED = 3  # texts in another order that a style's own is held against
ROWS = 64  # lines that one loop writes at a time
LINES_OF_A_JOB = 128  # lines that it writes in all
PRIMED = 32  # lines that go over a style together; each takes megabytes, since all points of it are kept
LINES_FOR_TWO = 32  # more lines than these are worth a second core


@dataclasses.dataclass
class Line:
    """One written line; n points, U characters, K window components.

    Attributes:
        text: what was to be written, in the characters of the model's alphabet.
        strokes: float32 [n, 6]: x, y (absolute, y grows downwards), sigma1, sigma2, rho of the component that the point
            was drawn from, pen lift (1 where the pen lifts after the point). Lengths in units of data_scale.
        phis: float32 [n, U], the weight of every character at every point (eq. 46).
        kappas: float32 [n, K], the window positions in characters; 0 is the first character of `text`.
        finished: whether the line ended after its last character, within the limit.
    """

    text: str
    strokes: np.ndarray
    phis: np.ndarray
    kappas: np.ndarray
    finished: bool


# ------------------------------------------------------------------------------------------------ drawing one point


def draw_point(y, nmixtures, bias, noise, resting=0.0, begins=0.0, inside=0.0):
    """Draws the next pen point from the density (eq. 17-25, with the bias of eq. 61-62).

    What differs from eq. 62: a neat line must not stand still. In real handwriting one point in twenty hardly moves,
    and the component for it is narrow and, once the pen rests, the likeliest: if the bias favours it, the pen never
    moves on. So the bias chooses among the components that move, and the more of it there is, the less the pen rests.
    Where a stroke begins, the components are places as far apart as the next letter and the bar of a t; there the bias
    counts for more, since a stroke that begins between them is read as neither. A high bias also makes the pen lift
    where it is likely to and nowhere else; not at the end of the text, where a lift that does not come would leave a
    line without an end.

    Args:
        y: [B, 1 + 6M] output of the head. nmixtures: M. bias: [B, 1].
        noise: [B, 4]: two standard normals for the offset, then two numbers uniform in [0, 1) for the component and the
            pen lift.
        resting: a component with a smaller root mean square of its offset is one of a pen that rests.
        begins: 1 where the pen was lifted before this point, else 0; a number or [B, 1].
        inside: 1 where the text goes on after this point, else 0; a number or [B, 1].

    Returns:
        [B, 6]: dx, dy, sigma1, sigma2, rho of the component that was drawn, pen lift (0 or 1).
    """
    normal1, normal2, for_component, for_pen = tf.split(noise, 4, axis=-1)  # [B, 1] each
    parts = tf.reshape(y[:, 1:], [-1, 6, nmixtures])  # [B, 6, M]
    learned = tf.nn.softmax(parts[:, 0])
    favour = (COMPONENT_BIAS + (STROKE_BIAS - COMPONENT_BIAS) * begins) * tf.minimum(bias, MAX_COMPONENT_BIAS)
    sharp = tf.nn.softmax(parts[:, 0] * (1.0 + favour))
    # What moves and what rests, each with its learned probability, shared out within it in favour of the likely.
    square = tf.reduce_sum(tf.square(tf.concat([parts[:, 1:3], tf.exp(parts[:, 3:5])], axis=1)), axis=1)  # [B, M]
    rests = tf.cast(square < resting * resting, y.dtype)
    groups = tf.stack([1.0 - rests, rests], axis=1)  # [B, 2, M]
    odds = tf.stack([tf.ones_like(bias), tf.exp(-REST_BIAS * bias)], axis=1)  # [B, 2, 1]
    probability = tf.reduce_sum(learned[:, None] * groups, axis=-1, keepdims=True) * odds
    within = sharp[:, None] * groups
    shares = tf.math.divide_no_nan(within, tf.reduce_sum(within, axis=-1, keepdims=True))
    weights = tf.reduce_sum(shares * probability, axis=1)  # [B, M]
    # The component whose share of the sum holds the number.
    cumulated = tf.cumsum(weights, axis=-1)
    index = tf.reduce_sum(tf.cast(cumulated <= for_component * cumulated[:, -1:], tf.int32), axis=-1)
    chosen = tf.one_hot(tf.minimum(index, nmixtures - 1), nmixtures, dtype=y.dtype)
    # What is left is a mixture of one component.
    lift_logit = y[:, :1] * (1.0 + inside * tf.maximum(bias - SURE_LIFT, 0.0))
    one = tf.concat([lift_logit, tf.reduce_sum(parts * chosen[:, None, :], axis=-1)], axis=-1)  # [B, 7]
    density = split_head(one, 1, bias)
    mu1, mu2, sigma1, sigma2, rho = (density[name] for name in ("mu1", "mu2", "sigma1", "sigma2", "rho"))  # [B, 1]
    dx = mu1 + sigma1 * normal1
    dy = mu2 + sigma2 * (rho * normal1 + tf.sqrt(1.0 - rho * rho) * normal2)
    lift = tf.cast(for_pen < density["eos"], y.dtype)
    return tf.concat([dx, dy, sigma1, sigma2, rho, lift], axis=-1)


class Sampler:
    """The loop over the points, compiled once for a model and used for every batch."""

    def __init__(self, model):
        # Only a weak reference, so that the cache of samplers does not keep a model alive.
        model_ref = weakref.ref(model)
        spec, H, K, A = tf.TensorSpec, model.rnn_size, model.kmixtures, model.char_vec_len
        states = tuple((spec([None, H]), spec([None, H])) for _ in range(3))

        @tf.function(
            input_signature=[
                spec([None, None, A]), spec([None], tf.int32), (states, spec([None, K]), spec([None, A])),
                spec([None, POINT_SIZE]), spec([None, 1]), spec([None, None, 4]), spec([None], tf.int32), spec([None]),
                spec([], tf.int32),
            ]
        )  # fmt: skip
        def write(char_seq, lengths, states, points, biases, noise, limits, passed_at, slots):
            """Writes N lines in B = `slots` rows of a batch: a row whose line is done goes on with the next line.

            Returns for every step and row the point [T, B, 6], phi [T, B, U + 2], kappa [T, B, K], the number of the
            line that the point belongs to, and of the line that is finished with this step [T, B] (-1: none).
            """
            model = model_ref()
            N, M = tf.shape(char_seq)[0], model.nmixtures
            weights = model.step_weights()
            # Two places more than there are characters: their one-hot is zero, so they add nothing to the window, but
            # their weights tell how far the attention has passed the last character.
            char_seq = tf.pad(char_seq, [[0, 0], [0, 2], [0, 0]])
            places = tf.range(tf.shape(char_seq)[1])
            mask = tf.cast(places < lengths[:, None] + 2, tf.float32)  # [N, U + 2]
            past_end = tf.cast(places - lengths[:, None] + 1, tf.float32)  # 0 at the last character
            # What a row starts a line with, and what it needs of the line at every step; line N is no line.
            start_of, text_of = tf.nest.map_structure(
                lambda v: tf.concat([v, tf.zeros_like(v[:1])], axis=0),
                ((states, points), (char_seq, mask, past_end, biases, passed_at)),
            )
            limits = tf.concat([limits, [0]], axis=0)
            last = tf.shape(noise)[1] - 1

            def gather(nested, line):
                return tf.nest.map_structure(lambda v: tf.gather(v, line), nested)

            def arrays():
                kinds = ((tf.float32, [None, 6]), (tf.float32, [None, None]), (tf.float32, [None, K]),
                         (tf.int32, [None]), (tf.int32, [None]))  # fmt: skip
                return tuple(tf.TensorArray(kind, 0, dynamic_size=True, element_shape=shape) for kind, shape in kinds)

            def step(t, waiting, line, i, state, point, pen, text, out):
                char_seq, mask, past_end, bias, passed_at = text
                x, right, may_end = pen
                y, phi, state = model.step(point, char_seq, mask, state, weights)
                numbers = tf.gather_nd(noise, tf.stack([tf.minimum(line, N - 1), i], axis=-1))
                position = tf.reduce_sum(phi * past_end, -1) / tf.maximum(tf.reduce_sum(phi, -1), 1e-30)
                inside = tf.cast(position < LAST_CHARACTER, tf.float32)[:, None]
                drawn = draw_point(y, M, bias, numbers, RESTING / model.config.data_scale, point[:, 2:], inside)
                x += drawn[:, 0]
                beyond = may_end & (x > right)  # a new stroke to the right of the last character: not this point
                right = tf.maximum(right, x)
                lifts = drawn[:, 5] > 0.5
                finished = (line < N) & (beyond | lifts & (position > SURELY_PASSED))
                may_end = lifts & (position > passed_at)
                next_i = tf.minimum(i + 1, last)  # rows without a line count on
                new_point = tf.stack([drawn[:, 0], drawn[:, 1], drawn[:, 5]], axis=-1)
                belongs_to = tf.where(beyond | (line == N), -1, line)
                values = (drawn, phi, state[1], belongs_to, tf.where(finished, line, -1))
                out = tuple(array.write(t, value) for array, value in zip(out, values, strict=True))
                done = finished | (line < N) & (i + 1 >= tf.gather(limits, line))

                def next_lines():
                    new = waiting + tf.cumsum(tf.cast(done, tf.int32))
                    new_line = tf.where(done, tf.minimum(new - 1, N), line)
                    started = tf.nest.map_structure(
                        lambda new, old: tf.where(done[:, None], new, old),
                        gather(start_of, new_line),
                        (state, new_point),
                    )
                    new_pen = tf.where(done, 0.0, x), tf.where(done, 0.0, right), may_end & ~done
                    return new[-1], new_line, tf.where(done, 0, next_i), *started, new_pen, gather(text_of, new_line)

                def same_lines():
                    return waiting, line, next_i, state, new_point, (x, right, may_end), text

                return t + 1, *tf.cond(tf.reduce_any(done), next_lines, same_lines), out

            line = tf.range(tf.minimum(slots, N))
            zero = tf.zeros([tf.shape(line)[0]])
            pen = (zero, zero, zero > 0)  # x, the rightmost ink, whether the line may end
            started, text = gather(start_of, line), gather(text_of, line)
            begin = (0, tf.shape(line)[0], line, tf.zeros_like(line), *started, pen, text, arrays())
            *_, out = tf.while_loop(lambda t, waiting, line, *_: tf.reduce_any(line < N), step, begin)
            return tuple(array.stack() for array in out)

        spec_x = spec([None, None, POINT_SIZE])

        @tf.function(input_signature=[spec_x, spec([None, None, A])])
        def prime(strokes, char_seq):
            out = model_ref()({"stroke_data": strokes, "char_seq": char_seq})
            return tuple(tuple(pair) for pair in out["states"]), out["kappa"][:, :, 0], out["window"]

        @tf.function(input_signature=[spec_x, spec_x, spec([None, None]), spec([None, None, A])])
        def loss(x, y, mask, char_seq):
            total, count = loss_sum_and_count(model_ref()({"stroke_data": x, "char_seq": char_seq}), y, mask)
            return total / tf.maximum(count, 1.0)

        self.write, self.prime, self.loss = write, prime, loss


_samplers = weakref.WeakKeyDictionary()


def _sampler_of(model):
    if model not in _samplers:
        _samplers[model] = Sampler(model)
    return _samplers[model]


# ------------------------------------------------------------------------------------------------------------ lines


def sample_batch(texts, model, *, bias=DEFAULT_BIAS, seed=0, tsteps=None, style=None, initial_states=None):
    """Writes many lines at once.

    Args:
        texts: B strings. What the alphabet lacks is written as the closest character that exists, or left out; ask
            `utils.fit_to_alphabet` what.
        model: a HandwritingModel.
        bias: 0 writes as the model learned it, higher is neater; a number, or one for each line.
        seed: the same seed gives the same lines for the same texts. Line i draws its numbers from (seed, i); a sequence
            gives each line a seed of its own, a number or a tuple of numbers.
        tsteps: most points of a line; None: 45 for each character and 100 more.
        style: (strokes [n, 3], text): a line to go on from in the same hand; offsets in units of data_scale.
        initial_states: instead of a style, what `model()` returned for other points: its "states", "kappa" [B, K, 1]
            and "window" [B, A] are gone on from. The text is read on from where kappa stands in it.

    Returns:
        B times `Line`.

    Raises:
        ValueError: a text has no character that the model can write, or an argument is out of range.
    """
    alphabet = model.config.alphabet
    texts = [fit_to_alphabet(text, alphabet)[0].strip() for text in texts]
    B = len(texts)
    biases = np.broadcast_to(np.asarray(bias, np.float32), [B])
    if not np.isfinite(biases).all() or (biases < 0).any():
        raise ValueError(f"bias is {bias}: it has to be 0 or more (0 as learned, 1 natural, 2 neat).")
    if tsteps is not None and tsteps < 1:
        raise ValueError(f"tsteps is {tsteps}: it has to be 1 or more.")
    for i, text in enumerate(texts):
        if not text:
            raise ValueError(f"text {i} has no character that this model can write; it knows {alphabet!r}.")
    if not B:
        return []
    sampler = _sampler_of(model)

    prime_text = ""
    state = model.zero_state(B)
    point = np.tile(np.array([0, 0, model.config.first_pen], np.float32), [B, 1])
    if initial_states is not None:
        if style is not None:
            raise ValueError("style and initial_states exclude each other: give one of them.")
        pairs = tuple(tuple(pair) for pair in initial_states["states"])
        state = (pairs, initial_states["kappa"][:, :, 0], initial_states["window"])
    if style is not None:
        prime_strokes, prime_text = _checked_style(style, alphabet)
        point[:] = prime_strokes[-1]
    full_texts = [prime_text + text for text in texts]
    lengths = np.array([len(text) for text in full_texts], np.int32)
    char_seq = np.stack([to_one_hot(text, lengths.max(), alphabet) for text in full_texts])
    limits = np.array([tsteps or MAX_POINTS_PER_CHARACTER * len(text) + EXTRA_POINTS for text in texts], np.int32)
    own = isinstance(seed, Sequence | np.ndarray)
    seeds = [np.atleast_1d(s) for s in seed] if own else [(seed, i) for i in range(B)]
    if len(seeds) != B:
        raise ValueError(f"there are {B} texts but {len(seeds)} seeds.")
    passed_at = np.array([np.inf if t[-1] in DOTTED else MAYBE_PASSED for t in full_texts], np.float32)
    noise = [_noise(s, limit) for s, limit in zip(seeds, limits, strict=True)]

    def start(rows):
        """The states that some of the lines go on from: after all points of the style but the last, the first input."""
        if style is None or len(prime_strokes) < 2:
            return tf.nest.map_structure(lambda s: tf.gather(s, rows), state)
        parts = [rows[k : k + PRIMED] for k in range(0, len(rows), PRIMED)]
        primed = [sampler.prime(np.tile(prime_strokes[None, :-1], [len(p), 1, 1]), char_seq[p]) for p in parts]
        return tf.nest.map_structure(lambda *states: tf.concat(states, axis=0), *primed)

    def write(rows):
        """Writes some of the lines; yields of each its number, points [n, 6], phis [n, U], kappas [n, K], finished."""
        T = limits[rows].max()
        padded = np.stack([np.pad(noise[i], [(0, T - len(noise[i])), (0, 0)]) for i in rows])  # [N, T, 4]
        arguments = (
            char_seq[rows], lengths[rows], start(rows), point[rows], biases[rows, None], padded, limits[rows],
            passed_at[rows], np.int32(ROWS),
        )  # fmt: skip
        *values, belongs_to, finished = (t.numpy().swapaxes(0, 1) for t in sampler.write(*arguments))
        finished = np.isin(np.arange(len(rows)), finished)
        # Row after row, the points of a line follow one another.
        values, belongs_to = [v.reshape(-1, v.shape[-1]) for v in values], belongs_to.ravel()
        order = np.argsort(belongs_to, kind="stable")
        edges = np.searchsorted(belongs_to[order], np.arange(len(rows) + 1))
        for k, i in enumerate(rows):
            its = order[edges[k] : edges[k + 1]]
            yield i, *(v[its] for v in values), bool(finished[k])

    # The jobs run side by side, each with lines of all lengths, the longest first: at the end, when no line is left to
    # begin, the short ones fill the rows. How many jobs there are must not depend on the machine: it changes the
    # rounding of the products, and with it the lines.
    longest_first = np.argsort(-lengths, kind="stable")
    jobs = jobs_for(B)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        written = list(pool.map(lambda rows: list(write(rows)), [longest_first[k::jobs] for k in range(jobs)]))
    by_line = {i: values for i, *values in itertools.chain.from_iterable(written)}
    first = len(prime_text)
    lines = []
    for i, text in enumerate(texts):
        points, phis, kappas, finished = by_line[i]
        if first:
            points, phis, kappas = (part[_own_start(points, phis, first) :] for part in (points, phis, kappas))
        strokes = points.copy()
        strokes[0, :2] = 0.0  # the line starts at the origin, wherever the style ended
        strokes[:, :2] = np.cumsum(strokes[:, :2], axis=0)
        lines.append(Line(text, strokes, phis[:, first : first + len(text)].copy(), kappas - first, finished))
    return lines


def jobs_for(lines):
    """In how many loops so many lines are written; as many cores are used at most."""
    return max(math.ceil(lines / LINES_OF_A_JOB), min(2, math.ceil(lines / LINES_FOR_TWO)))


def _own_start(points, phis, first):
    """Where a primed line begins: after the strokes that still belong to the style's text, its first characters."""
    reached = np.flatnonzero(np.argmax(phis, axis=1) >= first)
    if not len(reached):
        return 0
    lifts = np.flatnonzero(points[: reached[0], 5] > 0.5)
    return int(lifts[-1]) + 1 if len(lifts) else 0


def sample_whole(texts, model, *, bias=DEFAULT_BIAS, seed=0, tries=DEFAULT_TRIES, tsteps=None, style=None, reader=None):
    """Writes many lines, and those that failed again with other numbers.

    Args:
        texts, model, bias, tsteps, style: as in `sample_batch`. tries: most times that a line is written.
        seed: as in `sample_batch`; try k > 0 draws from the numbers of the line and k.
        reader: a `recogniser.Reader`, for texts whose characters it knows: a line of which it misreads more than
            `recogniser.wanted_errors` is written again, too, and one with more than `recogniser.tolerated_errors` has
            failed. None: the attention alone tells what failed.

    Returns:
        For each text a `Line`, and for each the list of its `failures.Failure`. Of a line that failed every time, the
        try with the fewest failures of the attention is kept, of several such ones the one with the fewest misread
        characters. The third list is how often each was written.
    """
    if tries < 1:
        raise ValueError(f"tries is {tries}: it has to be 1 or more.")
    biases = np.broadcast_to(np.asarray(bias, float), [len(texts)])
    several = isinstance(seed, Sequence | np.ndarray)
    seeds = [tuple(np.atleast_1d(s)) for s in seed] if several else [(seed, i) for i in range(len(texts))]
    lines = sample_batch(texts, model, bias=biases, seed=seeds, tsteps=tsteps, style=style)
    failures, errors = _faults(lines, biases, reader)
    written = [1] * len(lines)
    for k in range(1, tries):
        again = [i for i, found in enumerate(failures) if found or errors[i][1] > wanted_errors(texts[i], biases[i])]
        if not again:
            break
        others = sample_batch(
            [texts[i] for i in again], model, bias=biases[again], seed=[(*seeds[i], k) for i in again], tsteps=tsteps,
            style=style,
        )  # fmt: skip
        for i, line, found, count in zip(again, others, *_faults(others, biases[again], reader), strict=True):
            written[i] += 1
            if count < errors[i]:
                lines[i], failures[i], errors[i] = line, found, count
    return lines, failures, written


def _faults(lines, biases, reader):
    """For each line its failures, and how bad it is: (number of those that the attention shows, misread characters)."""
    failures = [find_failures(line) for line in lines]
    errors = [(len(found), 0) for found in failures]
    if reader is not None:
        for i, (line, read) in enumerate(zip(lines, reader.read([line.strokes for line in lines]), strict=True)):
            if reader.knows(line.text):
                errors[i] = len(failures[i]), count_errors(line.text, read)
                if errors[i][1] > tolerated_errors(line.text, biases[i]):
                    failures[i] += find_misread(line.text, read)
    return failures, errors


def sample(
    text, model, args=None, *, bias=None, seed=None, style=None, initial_states=None, tsteps=None, tries=DEFAULT_TRIES
):
    """Writes one line, and again if it failed or cannot be read.

    Args:
        text: a string. model: a HandwritingModel.
        args: an object with bias and tsteps, both optional; the keywords go before it.
        bias, seed, style, initial_states, tsteps: as in `sample_batch`; without a seed, every call gives another line.
        tries: as in `sample_whole`; 1 returns the first line as it is. With initial_states there is no other try.

    Returns:
        strokes [n, 6], phis [n, U], kappas [n, K]; see `Line`.
    """
    bias = _first_given(bias, getattr(args, "bias", None), DEFAULT_BIAS)
    seed = _first_given(seed, getattr(args, "seed", None), random_seed())
    tsteps = _first_given(tsteps, getattr(args, "tsteps", None))
    kwargs = {"bias": bias, "seed": seed, "style": style, "tsteps": tsteps}
    if tries == 1 or initial_states is not None:
        (line,) = sample_batch([text], model, initial_states=initial_states, **kwargs)
    else:
        (line,), _, _ = sample_whole([text], model, tries=tries, reader=load_reader(), **kwargs)
    return line.strokes, line.phis, line.kappas


def random_seed():
    """A seed that nobody chose, small enough to be typed."""
    return int.from_bytes(os.urandom(3), "big")


def _first_given(*values):
    return next((value for value in values if value is not None), None)


def _noise(seed, tsteps):
    """[tsteps, 4] two normals, two uniforms; the first rows do not depend on how many there are."""
    normal, uniform = (np.random.default_rng([*seed, stream]) for stream in (0, 1))
    parts = [g([tsteps, 2], dtype=np.float32) for g in (normal.standard_normal, uniform.random)]
    return np.concatenate(parts, axis=1)


def _checked_style(style, alphabet):
    strokes, text = style
    strokes = np.asarray(strokes, np.float32)
    text = fit_to_alphabet(text.strip(), alphabet)[0]
    if strokes.ndim != 2 or strokes.shape[1] != POINT_SIZE or not len(strokes) or not text:
        raise ValueError(f"a style is (strokes [n, 3], text), but this one has {strokes.shape} strokes and {text!r}.")
    return strokes, text + " "


def worth_of_text(style, model):
    """How much better the network foretells a style with its text than with the same characters in another order.

    Args:
        style: as in `sample_batch`. model: a HandwritingModel.

    Returns:
        nats per point: what knowing the text is worth. Near 0, or below, if something else is written there.
    """
    strokes, text = style[0], style[1].strip()
    letters = [k for k, c in enumerate(text) if c != " "]
    texts = [text]
    for rng in map(np.random.default_rng, range(SHUFFLED)):
        shuffled = list(text)
        for k, other in zip(letters, rng.permutation(letters), strict=True):
            shuffled[k] = text[other]
        texts.append("".join(shuffled))

    batch = make_batch([strokes] * len(texts), texts, model.config.alphabet)
    arrays = batch.x, batch.y, batch.mask, batch.one_hot
    right, shuffled = (_sampler_of(model).loss(*(v[rows] for v in arrays)) for rows in (slice(0, 1), slice(1, None)))
    return float(shuffled - right)


def load_style(number, data_dir, data_scale):
    """Style `number` of data_dir/styles.p as (strokes [n, 3] in units of data_scale, text).

    Offsets that the file holds as integers are raw; as floats, they have been divided already, as in the first scribe.
    """
    path = os.path.join(data_dir, STYLES_FILE)
    if not os.path.exists(path):
        raise ValueError(f"--style {number} needs {path}, which does not exist.")
    strokes, texts = load_strokes(path)
    if not 0 <= number < len(strokes):
        raise ValueError(f"--style is {number}, but {path} has the styles 0 to {len(strokes) - 1}.")
    points = strokes[number].astype(np.float32)
    if strokes[number].dtype.kind in "iu":
        points[:, :2] /= data_scale
    return points, texts[number].strip()


# ----------------------------------------------------------------------------------------------------- command line


def parse_args(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = p.add_mutually_exclusive_group()
    what.add_argument(
        "--text", default=None, help="what to write; a long text becomes several lines (default: five test strings)"
    )
    what.add_argument("--lines", nargs="+", metavar="TEXT", help="the lines of a page")
    what.add_argument("--file", metavar="FILE", help="a text to set on pages, UTF-8; - is stdin")
    p.add_argument("--bias", type=float, default=DEFAULT_BIAS, help="0 as learned, 0.5 messy, 1 natural, 2 neat")
    p.add_argument("--tsteps", type=int, default=None, help="most pen points of a line (default: 45 a character + 100)")
    p.add_argument("--style", type=int, default=None, help="write in the hand of this sample of data/styles.p")
    p.add_argument(
        "--style_file", metavar="FILE", help="write in the hand of this InkML, SVG, XML, json or pickle; FILE#3: line 3"
    )
    p.add_argument("--style_text", metavar="TEXT", help="what is written in --style_file, if it does not say so itself")
    p.add_argument("--style_sort", action="store_true", help="sort its strokes: they are not in the order of writing")
    p.add_argument(
        "--tries", type=int, default=DEFAULT_TRIES, help="write a line that failed or was misread so often at most"
    )
    p.add_argument(
        "--no_proofread", action="store_true", help="only the attention tells what failed; lines are not read over"
    )
    p.add_argument("--seed", type=int, default=None, help="the same seed gives the same line (default: a random one)")
    p.add_argument(
        "--save_path",
        default=None,
        help="a checkpoint or the folder of a training run (default: the newest run in saved/, else saved/checkpoint)",
    )
    p.add_argument("--log_dir", default="logs", help="pictures go to figures/ in it")
    p.add_argument("--data_dir", default="data", help="folder with styles.p")
    p.add_argument(
        "--workers", type=int, default=None, help="processes that draw many pages (default: one for each core)"
    )
    flags.add_flags(p)
    g = p.add_argument_group("what the checkpoint's config says already; a flag that contradicts it is an error")
    g.add_argument("--rnn_size", type=int, default=None, help="units in each LSTM")
    g.add_argument("--nmixtures", type=int, default=None, help="components of the mixture density")
    g.add_argument("--kmixtures", type=int, default=None, help="components of the window")
    g.add_argument("--alphabet", default=None, help="characters the model knows")
    args = p.parse_args(argv)
    if not (np.isfinite(args.bias) and args.bias >= 0):
        p.error(f"--bias is {args.bias}: it has to be 0 or more")
    if args.tsteps is not None and args.tsteps < 1:
        p.error(f"--tsteps is {args.tsteps}: it has to be 1 or more")
    if args.tries < 1:
        p.error(f"--tries is {args.tries}: it has to be 1 or more")
    if args.seed is not None and args.seed < 0:
        p.error(f"--seed is {args.seed}: it has to be 0 or more")
    if args.workers is not None and args.workers < 0:
        p.error(f"--workers is {args.workers}: it has to be 0 or more")
    if args.text is not None and not args.text.strip():
        p.error("--text is empty: give it something to write")
    if args.style_file is None and (args.style_text is not None or args.style_sort):
        p.error("--style_text and --style_sort say something about --style_file: name that file too")
    if args.style_file is not None and (args.style is not None or args.styles):
        p.error(f"--style_file and --style{'s' if args.styles else ''} exclude each other")
    if args.style_text is not None and not args.style_text.strip():
        p.error("--style_text is empty: it is what is written in --style_file")
    flags.check_flags(p, args)
    if args.style_file is not None:
        args.style = OWN_HAND  # from here on, a style as any other
    return args


def contradictions(args, config):
    """Flags that differ from the checkpoint's config, as sentences."""
    return [
        f"--{name} is {getattr(args, name)!r}, but the checkpoint was trained with {getattr(config, name)!r}"
        for name in ("rnn_size", "nmixtures", "kmixtures", "alphabet")
        if getattr(args, name) is not None and getattr(args, name) != getattr(config, name)
    ]


def main(argv=None):
    args = parse_args(argv)
    logger = Logger()
    try:
        prefix = find_checkpoint(args.save_path)
        config = load_config(prefix)
        differing = contradictions(args, config)
        if differing:
            logger.write(f"Error: {'; '.join(differing)}. Leave the flag out: it is read from the checkpoint.")
            return 2
        asked = flags.asked_texts(args) or TEST_STRINGS
        texts = fit_texts(asked, config.alphabet, logger)
        if not any(texts):
            logger.write(
                f"Error: nothing of {' '.join(asked)[:60]!r} can be written; the model knows {config.alphabet!r}."
            )
            return 2
        if args.text and not args.pages and len(texts[0]) > MAX_CHARACTERS:
            # The network has seen lines of about 30 characters; far longer ones fail.
            texts, args.pages = split_line(texts[0]), True
            logger.write(f"The text is longer than a line: it becomes {len(texts)} lines in one hand.")
        job = letter.Job(args, texts) if args.pages else None
        numbers = {paragraph.style for paragraph in job.paragraphs} if job else {args.style}
        styles = {n: _style(n, args, config) for n in sorted(numbers - {None})}
        seed = random_seed() if args.seed is None else args.seed
        newest = " (the newest run; the shipped model: --save_path saved/checkpoint)"
        own_run = not args.save_path and os.path.dirname(prefix) != SAVED
        logger.write(f"Writing with {prefix}{newest if own_run else ''}, bias {args.bias:g}, seed {seed}.")
        one_thread_per_operation()
        model = load_model(prefix)
        if args.style_file is not None and not worth_of_text(styles[OWN_HAND], model) > LEAST_WORTH:
            logger.write(
                f"Warning: {args.style_file} does not look like {styles[OWN_HAND][1]!r} to the model. If something "
                "else is written there, the lines fail: tell it with --style_text, and see docs/STYLES.md."
            )

        reader = None if args.no_proofread else load_reader()

        def write(texts, bias, seed, style):
            written = sample_whole(
                texts, model, bias=bias, seed=seed, style=style, tsteps=args.tsteps, tries=args.tries, reader=reader
            )
            report(*written, logger)
            return written[0]

        suffix = f"bias{args.bias:g}_seed{seed}" + _suffix_of_style(args)
        if job:
            workers = (os.cpu_count() or 1) if args.workers is None else args.workers
            names = job.run(write, seed, styles, suffix, workers)
        else:
            lines = write([text for text in texts if text], args.bias, seed, styles.get(args.style))
            names = draw(lines, os.path.join(args.log_dir, "figures"), suffix)
        for name in names:
            print(name)
        return 0
    except UsageError as error:
        logger.write(f"Error: {error}")
        return 2
    except (CheckpointError, UnsafePickleError, ValueError, OSError) as error:
        logger.write(f"Error: {error}")
        return 1


def _suffix_of_style(args):
    """What tells the pictures of one style from those of another."""
    if args.style_file is not None:
        return "_" + letter.file_name(os.path.splitext(os.path.basename(args.style_file))[0])
    return "" if args.style is None else f"_style{args.style}"


def _style(number, args, config):
    """A style by its number, or that of --style_file."""
    if number == OWN_HAND:
        return load_own_hand(
            args.style_file, args.style_text, data_scale=config.data_scale, alphabet=config.alphabet,
            sort=args.style_sort,
        )  # fmt: skip
    return load_style(number, args.data_dir, config.data_scale)


def fit_texts(texts, alphabet, logger):
    """Texts in the characters of the alphabet; says which others there were."""
    fitted, replaced, dropped = [], {}, {}
    for text in texts:
        written, closest, lost = fit_to_alphabet(text, alphabet)
        fitted.append(written.strip())
        replaced |= closest
        dropped |= dict.fromkeys(lost)
    if replaced:
        closest = ", ".join(f"{a!r} as {b!r}" for a, b in replaced.items())
        logger.write(f"Warning: written as the closest that exists: {closest}")
    if dropped:
        logger.write("Warning: left out, the model has not learned them: " + " ".join(map(repr, dropped)))
    return fitted


def report(lines, failures, written, logger):
    """Says which lines were written more than once, and what is still wrong with those that failed every time.

    Args:
        lines, failures, written: as `sample_whole` returns them.
    """
    rows = list(zip(lines, failures, written, strict=True))
    mended = [(line.text, times) for line, found, times in rows if times > 1 and not found]
    if len(mended) > MOST_NAMED:
        most = max(times for _, times in mended)
        logger.write(f"{len(mended)} of {len(lines)} lines were written up to {most} times, and the best tries kept.")
    else:
        for text, times in mended:
            logger.write(f"{text!r} is the best of {times} tries.")
    for line, found, times in rows:
        if found:
            again = f" after {times} tries" if times > 1 else ""
            what = "; ".join(failure.describe(line.text) for failure in found)
            logger.write(f"Warning: {line.text!r} has failures{again}: {what}.")
    if any(failures):
        logger.write("For lines with failures try another --seed, a higher --bias, or more --tries.")


def draw(lines, folder, suffix):
    """Draws every line, its attention and its density. Returns the names of the pictures."""
    from scribe.pages.figures import (  # Matplotlib costs a second: only who draws pays it
        draw_attention,
        draw_density,
        draw_line,
    )

    os.makedirs(folder, exist_ok=True)
    names = []
    for line in lines:
        stem = os.path.join(folder, f"{letter.file_name(line.text)}_{suffix}")
        draw_line(line.strokes, stem + ".png")
        draw_attention(line.phis, line.strokes, line.text, stem + "_attention.png")
        draw_density(line.strokes, stem + "_density.png")
        names += [f"{stem}{part}.png" for part in ("", "_attention", "_density")]
    return names


if __name__ == "__main__":
    sys.exit(main())
