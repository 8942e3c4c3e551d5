"""From texts to written lines: `sample_batch` writes each text once; scribe/writing/proofread.py repeats what fails.

    from model import load_model
    from scribe.writing.lines import sample_batch
    lines = sample_batch(["Hello World", "Dear Jon,"], load_model(), bias=1.0, seed=7)

Letters: N lines, n points of a line, U characters, A alphabet + 1, K window components.
"""

import dataclasses
import itertools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scribe.console import shortened
from scribe.hands.hand import Hand, hand_arrays
from scribe.ink.alphabet import fit_to_alphabet, to_one_hot
from scribe.ink.composed import Composition, compose_text
from scribe.ink.composing import ComposedInk, compose_ink
from scribe.ink.typical import MEDIAN_X_HEIGHT
from scribe.ink.writable import fit_text
from scribe.network.config import POINT_SIZE
from scribe.network.tf_setup import tf
from scribe.writing.adapted import model_for
from scribe.writing.sampler import LATE_DOT, MAYBE_PASSED, PreparedLines, sampler_of

DEFAULT_BIAS = 1.0
# Real handwriting has about 21 pen points a character and rarely more than 36; a line that is not finished after this
# many has gone astray.
LIMIT_POINTS_PER_CHARACTER, LIMIT_EXTRA_POINTS = 45, 100
ROWS = 64  # lines that one loop writes at a time
LINES_PER_GROUP = 128  # lines that one loop writes in all
LINES_FOR_TWO_GROUPS = 32  # more lines than this are worth a second core
DRAWN_STREAM = 2  # of the random numbers of a line: what is drawn; 0 and 1 are those of the network
# The network keeps all that it computes of the points that it is given at once: some 30 kB for each point of each line.
LINES_PRIMED_TOGETHER, POINTS_PRIMED_TOGETHER = 32, 128

Style = tuple[NDArray[Any], str]  # strokes [n, 3], offsets in units of data_scale, and their text


@dataclasses.dataclass
class Line:
    """One written line; n points, U characters, K window components.

    Attributes:
        text: what was to be written, in the characters of the model's alphabet and composed ones.
        strokes: float32 [n, 6]: x, y (absolute, y grows downwards), sigma1, sigma2, rho of the component that the point
            was drawn from, pen lift (1 where the pen lifts after the point). Lengths in units of data_scale.
        phis: float32 [n, U], the weight of every character at every point (eq. 46).
        kappas: float32 [n, K], the window positions in characters; 0 is the first character of `text`.
        finished: whether the line ended after its last character, within the limit.
        ink: of a line with composed characters: which points were added, and the character of each (`ComposedInk`);
            None: the attention tells it (`scribe/ink/point_characters.py`).
        base: of such a line: the line as the network wrote it, without what was composed.
    """

    text: str
    strokes: NDArray[np.float32]
    phis: NDArray[np.float32]
    kappas: NDArray[np.float32]
    finished: bool
    ink: ComposedInk | None = None
    base: "Line | None" = None


def sample_batch(
    texts: Sequence[str],
    model,
    *,
    bias: ArrayLike = DEFAULT_BIAS,
    seed: Any = 0,
    tsteps: int | None = None,
    style: Style | None = None,
    hand: Hand | Sequence[Hand | None] | None = None,
    initial_states: dict | Sequence | None = None,
    eos_threshold: float | None = None,
) -> list[Line]:
    """Writes many lines at once.

    Args:
        texts: strings. What the alphabet lacks is composed, written as the closest that exists, or left out;
            `fit_text` in scribe/ink/writable.py says what.
        model: a HandwritingModel.
        bias: 0 writes as the model learned it, higher is neater; a number, or one for each line.
        seed: the same seed gives the same lines for the same texts. Line i draws its numbers from (seed, i); a sequence
            gives each line a seed of its own, a number or a tuple of numbers.
        tsteps: most points of a line; None: 45 for each character and 100 more.
        style: (strokes [n, 3], text): a line to go on from in the same hand; offsets in units of data_scale.
        hand: the hand to write in, or one for each line; None: any.
        initial_states: instead of a style, what `model()` returned for other points: its "states", "kappa" [B, K, 1]
            and "window" [B, A] are gone on from. The text is read on from where kappa stands in it. Without kappa and
            window, or as the states alone, three pairs (h, c), each [B, H]: the text is read from its beginning.
        eos_threshold: the pen lifts where the probability is above it, as in the first scribes; None: with that
            probability, as in the paper.

    Returns:
        a `Line` for each text.

    Raises:
        ValueError: a text has no character that the model can write, or an argument is out of range.
        HandError: a hand does not belong to this model.
    """
    alphabet = model.config.alphabet
    texts = [fit_text(text, alphabet).text for text in texts]
    biases = np.broadcast_to(np.asarray(bias, np.float32), [len(texts)])
    if not np.isfinite(biases).all() or (biases < 0).any():
        raise ValueError(f"bias is {bias}: it has to be 0 or more (0 as learned, 1 natural, 2 neat).")
    if tsteps is not None and tsteps < 1:
        raise ValueError(f"tsteps is {tsteps}: it has to be 1 or more.")
    for i, text in enumerate(texts):
        if not text:
            known = shortened(repr(alphabet), 120)
            raise ValueError(f"text {i} has no character that this model can write; it knows {known}.")
    if not texts:
        return []
    if style is not None and initial_states is not None:
        raise ValueError("style and initial_states exclude each other: give one of them.")
    if eos_threshold is not None and not 0 <= eos_threshold <= 1:
        raise ValueError(f"eos_threshold is {eos_threshold}: it is a probability, from 0 to 1.")
    hands, seeds = hand_of_each(hand, len(texts)), line_seeds(seed, len(texts))
    compositions = [compose_text(text, alphabet) for text in texts]
    if not all(composition.is_plain for composition in compositions):
        own = [i for i, composition in enumerate(compositions) if composition.base]
        base_lines = dict(
            zip(own, sample_batch(
                [compositions[i].base for i in own], model, bias=biases[own], seed=[seeds[i] for i in own],
                tsteps=tsteps, style=style, hand=[hands[i] for i in own], initial_states=initial_states,
                eos_threshold=eos_threshold,
            ), strict=True)
        )  # fmt: skip
        return [composed(composition, base_lines.get(i), seeds[i], model) for i, composition in enumerate(compositions)]
    written: list[Line] = [None] * len(texts)  # type: ignore[list-item]
    for adapted, rows in _rows_by_model(model, hands):
        some = _write_lines(
            [texts[i] for i in rows], adapted, biases[rows], [seeds[i] for i in rows], tsteps, style,
            [hands[i] for i in rows], initial_states, eos_threshold,
        )  # fmt: skip
        for i, line in zip(rows, some, strict=True):
            written[i] = line
    return written


def hand_of_each(hand: Hand | Sequence[Hand | None] | None, count: int) -> list[Hand | None]:
    """The hand of each of `count` lines; `hand` as in `sample_batch`."""
    hands = [hand] * count if hand is None or isinstance(hand, Hand) else list(hand)
    if len(hands) != count:
        raise ValueError(f"there are {count} texts but {len(hands)} hands.")
    return hands


def _rows_by_model(model, hands):
    """(network, numbers of the lines that it writes): hands with differences have networks of their own."""
    groups: dict[int, tuple[Any, list[int]]] = {}
    for i, hand in enumerate(hands):
        adapted = model_for(model, hand)
        groups.setdefault(id(adapted), (adapted, []))[1].append(i)
    return list(groups.values())


def _write_lines(texts, model, biases, seeds, tsteps, style, hands, initial_states, eos_threshold):
    """The lines of texts that one network writes; arguments as those of `sample_batch`, checked."""
    alphabet = model.config.alphabet
    prime_strokes, prime_text = np.array([[0, 0, model.config.first_pen]], np.float32), ""
    if style is not None:
        prime_strokes, prime_text = _checked_style(style, alphabet)
    lines = _make_lines(texts, biases, prime_strokes[-1], prime_text, model, hands)
    if tsteps is not None:
        lines.limit[:] = tsteps
    noise = [_noise(s, limit) for s, limit in zip(seeds, lines.limit, strict=True)]
    if eos_threshold is not None:
        for points in noise:
            points[:, 3] = eos_threshold  # the number that the probability of a pen lift has to exceed
    sampler = sampler_of(model)

    def states_of(rows):
        """The states that some of the lines go on from: after all points of the style but the last, the first input."""
        if initial_states is not None:
            return tf.nest.map_structure(lambda values: tf.gather(values, rows), _given_states(initial_states, model))
        if len(prime_strokes) < 2:
            return model.zero_state(len(rows))
        text = lines.char_seq[rows], lines.hand[rows], lines.glyphs[rows]
        return _primed(sampler, model, prime_strokes[:-1], text)

    def write(rows):
        """What is written of some of the lines."""
        T = lines.limit[rows].max()
        padded = np.stack([np.pad(noise[i], [(0, T - len(noise[i])), (0, 0)]) for i in rows])  # [N, T, 4]
        group = PreparedLines(*(values[rows] for values in lines))
        return _split_by_line(sampler.write(group, states_of(rows), padded, np.int32(ROWS)), len(rows))

    # The groups run side by side, each with lines of all lengths, the longest first: at the end, when no line is left
    # to begin, the short ones fill the rows.
    longest_first = np.argsort(-lines.length, kind="stable")
    count = groups_of(len(texts))
    groups = [longest_first[k::count] for k in range(count)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        written = itertools.chain.from_iterable(pool.map(write, groups))
    by_line = dict(zip(np.concatenate(groups), written, strict=True))
    return [_as_line(text, *by_line[i], first=len(prime_text)) for i, text in enumerate(texts)]


def composed(composition: Composition, base: Line | None, seed: tuple, model) -> Line:
    """The line of a text with composed characters.

    Args:
        composition: of the text. base: the line of its base text, None if that is empty. seed: of the line, from which
            the drawn ink takes its variation. model: that wrote it.
    """
    if composition.is_plain and base is not None:
        return base
    if base is None:
        points, phis, kappas = (np.zeros([0, size], np.float32) for size in (6, 0, model.kmixtures))
        base = Line("", points, phis, kappas, finished=True)
    unit = MEDIAN_X_HEIGHT / model.config.data_scale
    rng = np.random.default_rng([*seed, DRAWN_STREAM])
    ink = compose_ink(composition, base.strokes, base.phis, rng, unit)
    m, written = len(ink.points), ~ink.added
    strokes, phis = ink.points.astype(np.float32), np.zeros([m, len(composition.text)], np.float32)
    ink.metrics = ink.metrics.moved(*-ink.points[0, :2])
    strokes[:, :2] = ink.points[:, :2] - ink.points[0, :2]
    columns = np.zeros([len(composition.base), len(composition.text)], np.float32)
    columns[np.arange(len(composition.base)), composition.places] = 1.0
    phis[written] = base.phis[ink.source[written]] @ columns
    phis[~written, ink.index[~written]] = 1.0
    # What was added has no window of its own: it stays where the network had it before.
    before = np.maximum.accumulate(np.where(written, ink.source, 0))
    kappas = base.kappas[before] if len(base.kappas) else np.zeros([m, model.kmixtures], np.float32)
    return Line(composition.text, strokes, phis, kappas, base.finished, ink, base)


def _given_states(initial_states, model):
    """`initial_states` of `sample_batch` in the form of `HandwritingModel.zero_state`."""
    given = initial_states if isinstance(initial_states, dict) else {"states": initial_states}
    pairs = tuple(tuple(pair) for pair in given["states"])
    if [len(pair) for pair in pairs] != [2, 2, 2]:
        raise ValueError("initial_states has to hold the states of the three LSTMs, a pair (h, c) of each.")
    _, kappa, window = model.zero_state(len(pairs[0][0]))
    return pairs, given["kappa"][:, :, 0] if "kappa" in given else kappa, given.get("window", window)


def groups_of(lines: int) -> int:
    """In how many groups so many lines are written; as many cores are used at most.

    It must not depend on the machine: it changes the rounding of the products, and with it the lines.
    """
    return max(math.ceil(lines / LINES_PER_GROUP), min(2, math.ceil(lines / LINES_FOR_TWO_GROUPS)))


def line_seeds(seed: Any, count: int) -> list[tuple]:
    """The seed of each of `count` lines, a tuple of numbers; `seed` as in `sample_batch`."""
    if not isinstance(seed, Sequence | np.ndarray):
        return [(seed, i) for i in range(count)]
    if len(seed) != count:
        raise ValueError(f"there are {count} texts but {len(seed)} seeds.")
    return [tuple(np.atleast_1d(s)) for s in seed]


def _make_lines(texts, biases, point, prime_text, model, hands):
    """The `PreparedLines` of texts, which begin after `point` and the text of the style."""
    full_texts = [prime_text + text for text in texts]
    length = np.array([len(text) for text in full_texts], np.int32)
    vectors, glyphs = hand_arrays(hands, full_texts, model.config.hand_size, length.max())
    return PreparedLines(
        char_seq=np.stack([to_one_hot(text, length.max(), model.config.alphabet) for text in full_texts]),
        hand=vectors,
        glyphs=glyphs,
        length=length,
        point=np.tile(point, [len(texts), 1]),
        bias=biases[:, None],
        limit=np.array([LIMIT_POINTS_PER_CHARACTER * len(text) + LIMIT_EXTRA_POINTS for text in texts], np.int32),
        passed_at=np.array([np.inf if text[-1] in LATE_DOT else MAYBE_PASSED for text in texts], np.float32),
    )


def _noise(seed, tsteps):
    """[tsteps, 4] two normals, two uniforms; the first rows do not depend on how many there are."""
    normal, uniform = (np.random.default_rng([*seed, stream]) for stream in (0, 1))
    parts = [g([tsteps, 2], dtype=np.float32) for g in (normal.standard_normal, uniform.random)]
    return np.concatenate(parts, axis=1)


def _checked_style(style, alphabet):
    """A style as float32 strokes, and its text with a space after it."""
    strokes, text = style
    strokes = np.asarray(strokes, np.float32)
    text = fit_to_alphabet(text.strip(), alphabet)[0]
    if strokes.ndim != 2 or strokes.shape[1] != POINT_SIZE or not len(strokes) or not text:
        raise ValueError(
            f"a style is (strokes [n, 3], text), but this one has {strokes.shape} strokes and {shortened(repr(text))}."
        )
    return strokes, text + " "


def _primed(sampler, model, strokes, text):
    """The states after strokes [n, 3], for each of the texts: char_seq [N, U, A], hand [N, D], glyphs [N, U, D]."""
    primed = []
    for k in range(0, len(text[0]), LINES_PRIMED_TOGETHER):
        texts = [values[k : k + LINES_PRIMED_TOGETHER] for values in text]
        states = model.zero_state(len(texts[0]))
        for t in range(0, len(strokes), POINTS_PRIMED_TOGETHER):
            points = strokes[t : t + POINTS_PRIMED_TOGETHER]
            states = sampler.prime(np.tile(points[None], [len(texts[0]), 1, 1]), *texts, states)
        primed.append(states)
    return tf.nest.map_structure(lambda *states: tf.concat(states, axis=0), *primed)


def _split_by_line(written, count):
    """`_Written` as one tuple for each of `count` lines: points [n, 6], phis [n, U], kappas [n, K], finished."""
    *values, line, finished = (t.numpy().swapaxes(0, 1) for t in written)
    # Row after row, the points of a line follow one another.
    values, line = [v.reshape(-1, v.shape[-1]) for v in values], line.ravel()
    order = np.argsort(line, kind="stable")
    edges = np.searchsorted(line[order], np.arange(count + 1))
    finished = np.isin(np.arange(count), finished)
    return [(*(v[order[edges[k] : edges[k + 1]]] for v in values), bool(finished[k])) for k in range(count)]


def _as_line(text, points, phis, kappas, finished, *, first):
    """The `Line` of what was written after the `first` characters, those of the style."""
    if first:
        points, phis, kappas = (part[_own_start(points, phis, first) :] for part in (points, phis, kappas))
    strokes = points.copy()
    strokes[0, :2] = 0.0  # the line starts at the origin, wherever the style ended
    strokes[:, :2] = np.cumsum(strokes[:, :2], axis=0)
    return Line(text, strokes, phis[:, first : first + len(text)].copy(), kappas - first, finished)


def _own_start(points, phis, first):
    """Where a primed line begins: after the strokes that still belong to the style's text, its first characters."""
    reached = np.flatnonzero(np.argmax(phis, axis=1) >= first)
    if not len(reached):
        return 0
    lifts = np.flatnonzero(points[: reached[0], 5] > 0.5)
    return int(lifts[-1]) + 1 if len(lifts) else 0
