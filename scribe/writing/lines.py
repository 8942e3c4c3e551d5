"""From texts to written lines: `sample_batch` writes each text once; scribe/writing/proofread.py repeats what fails.

    from model import load_model
    from scribe.writing.lines import sample_batch
    lines = sample_batch(["Hello World", "Dear Jon,"], load_model(), bias=1.0, seed=7)

Letters: N lines, n points of a line, U characters, A alphabet + 1, K window components.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scribe.console import shortened
from scribe.hands.hand import Hand
from scribe.ink.composed import Composition, compose_text
from scribe.ink.composing import compose_ink
from scribe.ink.typical import MEDIAN_X_HEIGHT
from scribe.ink.writable import fit_text
from scribe.writing.adapted import model_for
from scribe.writing.line_writer import Judge, Line, LineWriter, Style

DEFAULT_BIAS = 1.0
# Of a line: far more than the network can write well, and still less than a gigabyte.
MAX_POINTS, MAX_LINE_CHARACTERS = 100_000, 1000
DRAWN_STREAM = 2  # of the random numbers of a line: what is drawn; 0 and 1 are those of the network


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
        style: (strokes [n, 3], text): a line to go on from in the same hand; offsets in units of data_scale. None: the
            line of the hand, if it has one.
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
    texts, biases = checked_texts(texts, model, bias, tsteps, style, initial_states, eos_threshold)
    hands, seeds = hand_of_each(hand, len(texts)), line_seeds(seed, len(texts))
    how: dict[str, Any] = {
        "tsteps": tsteps, "style": style, "initial_states": initial_states, "eos_threshold": eos_threshold,
    }  # fmt: skip
    compositions = [compose_text(text, model.config.alphabet) for text in texts]
    if not all(composition.is_plain for composition in compositions):
        own = [i for i, composition in enumerate(compositions) if composition.base]
        written = sample_batch(
            [compositions[i].base for i in own], model, bias=biases[own], seed=[seeds[i] for i in own],
            hand=[hands[i] for i in own], **how,
        )  # fmt: skip
        base_lines = dict(zip(own, written, strict=True))
        return [composed(composition, base_lines.get(i), seeds[i], model) for i, composition in enumerate(compositions)]
    lines: list[Line] = [None] * len(texts)  # type: ignore[list-item]

    def keep(written):
        for i, line, _ in written:
            lines[i] = line
        return []

    write_texts(texts, model, biases, hands, seeds, keep, **how)
    return lines


def checked_texts(texts, model, bias, tsteps, style, initial_states, eos_threshold):
    """The texts in characters that can be written, and the bias of each; arguments as those of `sample_batch`."""
    alphabet = model.config.alphabet
    texts = [fit_text(text, alphabet).text for text in texts]
    biases = np.broadcast_to(np.asarray(bias, np.float32), [len(texts)])
    if not np.isfinite(biases).all() or (biases < 0).any():
        raise ValueError(f"bias is {bias}: it has to be 0 or more (0 as learned, 1 natural, 2 neat).")
    if tsteps is not None and not 1 <= tsteps <= MAX_POINTS:
        raise ValueError(f"tsteps is {tsteps}: it has to be from 1 to {MAX_POINTS}.")
    for i, text in enumerate(texts):
        if len(text) > MAX_LINE_CHARACTERS:
            raise ValueError(
                f"text {i} has {len(text):,} characters: a line may have {MAX_LINE_CHARACTERS:,}. Split it into lines."
            )
        if not text:
            known = shortened(repr(alphabet), 120)
            raise ValueError(f"text {i} has no character that this model can write; it knows {known}.")
    if style is not None and initial_states is not None:
        raise ValueError("style and initial_states exclude each other: give one of them.")
    if eos_threshold is not None and not 0 <= eos_threshold <= 1:
        raise ValueError(f"eos_threshold is {eos_threshold}: it is a probability, from 0 to 1.")
    return texts, biases


def write_texts(
    texts: Sequence[str],
    model,
    biases: ArrayLike,
    hands: Sequence[Hand | None],
    seeds: Sequence[tuple],
    judge: Judge,
    **how: Any,
) -> None:
    """Writes texts without composed characters, and again what `judge` asks for.

    Args:
        texts, model, biases, hands, seeds: as `sample_batch` has checked them; how: its other arguments.
        judge: gets each text with its number as it has been written; see `line_writer.Judge`.
    """
    biases = np.asarray(biases, np.float32)
    begins_with_nothing = how.get("style") is None and how.get("initial_states") is None
    for adapted, line, rows in _rows_that_go_together(model, hands):
        begins = {"style": line} if begins_with_nothing else {}
        place = {i: k for k, i in enumerate(rows)}  # of each text among those of this network

        def judge_some(written, rows=rows, place=place):
            again = judge([(rows[k], *line) for k, *line in written])
            return [one._replace(number=place[one.number]) for one in again]

        writer = LineWriter([texts[i] for i in rows], adapted, biases[rows], [hands[i] for i in rows], **how | begins)
        writer.write([seeds[i] for i in rows], judge_some)


def hand_of_each(hand: Hand | Sequence[Hand | None] | None, count: int) -> list[Hand | None]:
    """The hand of each of `count` lines; `hand` as in `sample_batch`."""
    hands = [hand] * count if hand is None or isinstance(hand, Hand) else list(hand)
    if len(hands) != count:
        raise ValueError(f"there are {count} texts but {len(hands)} hands.")
    return hands


def _rows_that_go_together(model, hands):
    """(network, line that it goes on from, numbers of the lines that it writes): hands with differences have networks
    of their own, and hands with a line of ink begin with that."""
    groups: dict[tuple[int, int], tuple[Any, Style | None, list[int]]] = {}
    for i, hand in enumerate(hands):
        adapted, line = model_for(model, hand), None if hand is None else hand.line
        groups.setdefault((id(adapted), id(line)), (adapted, line, []))[2].append(i)
    return list(groups.values())


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


def line_seeds(seed: Any, count: int) -> list[tuple]:
    """The seed of each of `count` lines, a tuple of numbers; `seed` as in `sample_batch`."""
    if not isinstance(seed, Sequence | np.ndarray):
        return [(seed, i) for i in range(count)]
    if len(seed) != count:
        raise ValueError(f"there are {count} texts but {len(seed)} seeds.")
    return [tuple(np.atleast_1d(s)) for s in seed]
