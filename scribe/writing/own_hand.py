"""Turns a few lines of somebody's handwriting into a style that the network can continue. NumPy alone.

    from scribe.writing.own_hand import load_own_hand
    strokes, text = load_own_hand("me.inkml", data_scale=model.config.data_scale, alphabet=model.config.alphabet)
    strokes, text = load_own_hand("me.svg", "what I wrote there", data_scale=50, alphabet=ALPHABET)
    line = sample_batch(["Dear Jon,"], model, style=(strokes, text))[0]

The network has only seen the hands of IAM-OnDB: of about one size, on a level line, with a point every few hundredths
of a second. A recording of a tablet or a drawing program differs in all of that, so it is converted: scaled by the
height of its small letters, straightened, and given new points along its way, dense where a pen is slow. What is the
writer's own stays: shapes, slant, width, spaces, where the pen lifts.
"""

import os
import re

import numpy as np
from numpy.typing import NDArray

from scribe.files.recordings import read_ink
from scribe.ink.alphabet import ALPHABET, fit_to_alphabet
from scribe.ink.measure import measure_line, straighten
from scribe.ink.pen import SMOOTHING, resample, unsteady
from scribe.ink.strokes import join_strokes, split_strokes, stroke_length
from scribe.ink.typical import ADVANCES, MEDIAN_X_HEIGHT, OFFSET_LIMIT, estimate_width, points_and_ink
from scribe.ink.words import Segment, split_words
from scribe.ink.x_height import x_height_of_ink

# The longest style, since a short one is the safe one (docs/archive/RUNS.md). One of fewer characters than the least
# says too little.
MAX_STYLE_CHARACTERS, MIN_STYLE_CHARACTERS = 50, 10
MAX_LINES = 12  # of a file that is taken as a whole; of more, one has to be named
GRID_SMOOTHING = 1.6  # in units of a grid that all points lie on, such as pixels: its steps are no tremor of the hand

# Where a new line of a sheet begins, in x-heights: this far to the left of what was written, and this far below it.
LINE_BACK, LINE_DOWN = 3.0, 1.6

# How much ink and width a text may have, least and most, as shares of what is typical for its characters; of 681 real
# lines, 2 have less or more.
INK_RANGE, WIDTH_RANGE = (0.45, 2.4), (0.38, 2.5)


def load_own_hand(
    path: str | os.PathLike,
    text: str | None = None,
    *,
    data_scale: float,
    alphabet: str = ALPHABET,
    line: int | None = None,
    sort: bool = False,
    max_characters: int = MAX_STYLE_CHARACTERS,
) -> tuple[NDArray, str]:
    """Reads handwriting from a file and makes it a style.

    Args:
        path: of a file that `recordings.read_ink` knows; "me.p#3" is its line 3, the first is 0.
        text: what is written there; None: what the file itself says. A newline may stand where a line ends.
        data_scale: raw units in one unit of the network (`model.config.data_scale`).
        alphabet: characters that the network knows.
        line: which line, as "#3" in the path; None: all of them, as far as `max_characters` allow.
        sort: the strokes are not in the order in which they were written: puts them from left to right, line by line.
        max_characters: longer handwriting is cut, between lines or words.

    Returns:
        (strokes, text): float32 [n, 3] offsets in units of data_scale, y growing downwards, and 1 where the pen lifts,
        as it does after the last point; the text in characters of the alphabet.

    Raises:
        ValueError: the file cannot be used as a style; the message is one line that says why and what would help.
        OSError: it cannot be read.
    """
    file, line = _chosen_line(os.fspath(path), line)
    pieces = read_ink(file)
    if line is not None and len(pieces) > 1:
        pieces, line = [_nth(pieces, line, file)], None
    if len(pieces) > MAX_LINES and text is None and all(piece.text for piece in pieces):
        raise ValueError(f"{file} has {len(pieces):,} lines: name one of them, such as {file}#0.")
    text = "\n".join(" ".join(row.split()) for row in (text or "").splitlines() if row.strip())
    known = text or " ".join(piece.text or "" for piece in pieces)
    lines = _lines(pieces, known if line is None else "", sort)
    if line is not None:
        lines = [_nth(lines, line, file)]
    lines, text = _texts(lines, text, pieces, file)
    lines = [(strokes, fit_to_alphabet(part, alphabet)[0] if part else None) for strokes, part in lines]
    text = fit_to_alphabet(text, alphabet)[0].strip()
    points, text, unit = _joined(lines, text, max_characters)
    points, text = _cut(points, text, max_characters, file)
    smoothing = max(SMOOTHING, GRID_SMOOTHING * _grid(pieces) / unit)
    _check(points, text, file)
    return _offsets(points, data_scale, smoothing), text


def _chosen_line(path, line):
    """(path, line) of "path#line", unless there is a file of that very name."""
    match = re.fullmatch(r"(.+)#(\d{1,9})", path)
    if match and not os.path.exists(path):
        if line is not None and line != int(match[2]):
            raise ValueError(f"{path} names line {match[2]}, but line is {line}: give one of them.")
        path, line = match[1], int(match[2])
    if not os.path.isfile(path):
        raise ValueError(f"{path} is not a file: a style is read from InkML, SVG, XML, json or a pickle of strokes.")
    return path, line


def _nth(lines, n, path):
    if not 0 <= n < len(lines):
        raise ValueError(f"{path} has no line {n}: it has {len(lines)}, counted from 0.")
    return lines[n]


# ------------------------------------------------------------------------------------------------ lines of a sheet


def _lines(pieces, text, sort):
    """Pieces of a file as lines of writing: (strokes, text or None) each.

    A piece may be a line, a word, a character or a whole page, so the ends of lines are found by where the pen goes.

    Args:
        pieces: `recordings.Piece`s. text: of all; "" where it is not known. sort: as `load_own_hand`.
    """
    strokes = [stroke for piece in pieces for stroke in piece.strokes]
    owner = np.repeat(np.arange(len(pieces)), [len(piece.strokes) for piece in pieces])
    unit = x_height_of_ink(strokes, text)
    if sort:
        order = _reading_order(strokes, unit)
        strokes, owner = [strokes[k] for k in order], owner[order]
    low, high = (np.array([end(stroke, axis=0) for stroke in strokes]) for end in (np.min, np.max))
    middle = (low + high)[:, 1] / 2
    starts = [0]
    for k in range(1, len(strokes)):
        before = slice(starts[-1], k)
        back = high[before, 0].max() - low[k, 0] > LINE_BACK * unit
        # A line may climb: what counts is the height of those of its strokes that are nearest.
        distance = np.abs((low[before, 0] + high[before, 0]) / 2 - low[k, 0])
        nearest = np.argsort(distance, kind="stable")[:6]
        below = middle[k] - np.median(middle[before][nearest]) > LINE_DOWN * unit
        # Lines that were recorded one by one may all lie in the same place: then the next begins where they begin.
        anew = owner[k] != owner[k - 1] and low[k, 0] - low[before, 0].min() < LINE_BACK * unit
        if back and (below or anew):
            starts.append(k)
    lines = []
    for a, b in zip(starts, [*starts[1:], len(strokes)]):
        # The text of a line is known if its pieces have one and do not reach into another line.
        owners = list(dict.fromkeys(owner[a:b].tolist()))
        whole = sum(len(pieces[p].strokes) for p in owners) == b - a and all(pieces[p].text for p in owners)
        lines.append((strokes[a:b], " ".join(pieces[p].text for p in owners) if whole else None))
    return lines


def _reading_order(strokes, unit):
    """Indices of strokes line by line, each from left to right; lines are where most ink is at one height."""
    ink = np.array([stroke_length(stroke) for stroke in strokes]) + 0.1 * unit
    middle = np.array([(stroke[:, 1].min() + stroke[:, 1].max()) / 2 for stroke in strokes])
    grid = np.arange(middle.min() - 2 * unit, middle.max() + 2 * unit, max(0.1 * unit, np.ptp(middle) / 5000))
    density = (np.exp(-0.5 * ((grid[:, None] - middle) / (0.7 * unit)) ** 2) * ink).sum(axis=1)
    inner = (density[1:-1] >= density[:-2]) & (density[1:-1] > density[2:]) & (density[1:-1] > 0.15 * density.max())
    peaks = grid[1:-1][inner] if inner.any() else grid[[density.argmax()]]
    row = np.abs(middle[:, None] - peaks).argmin(axis=1)
    # What is small is a dot or a crossing, and comes after the letter that it stands over.
    small = np.array([max(np.ptp(stroke, axis=0)) < 0.7 * unit for stroke in strokes])
    left = np.array([stroke[:, 0].min() for stroke in strokes]) + small * 0.4 * unit
    return np.lexsort([left, row])


def _texts(lines, text, pieces, path):
    """The lines, each with its text where that is known, and the text of all. Arguments as in `load_own_hand`."""
    rows = text.split("\n")
    if text:
        own = rows if len(rows) == len(lines) else [None] * len(lines)
        return [(strokes, part) for (strokes, _), part in zip(lines, own)], " ".join(rows)
    if all(part for _, part in lines):
        return lines, " ".join(part for _, part in lines)
    if all(piece.text for piece in pieces) and sum(len(s) for s, _ in lines) == sum(len(p.strokes) for p in pieces):
        return lines, " ".join(piece.text for piece in pieces)
    raise ValueError(f"{path} does not say what is written in it: tell it with --style_text.")


# ------------------------------------------------------------------------------------------- as in the training data


def _joined(lines, text, max_characters):
    """Lines as one, level, in x-heights: (points [n, 3]: x, y, pen lift; text; the x-height in the file).

    Lines whose texts are known are taken as long as there is room. The x-height is that of all of them: they are of one
    hand.
    """
    if all(part for _, part in lines):
        length, count = len(lines[0][1]), 1
        while count < len(lines) and length + 1 + len(lines[count][1]) <= max_characters:
            length, count = length + 1 + len(lines[count][1]), count + 1
        lines = lines[:count]
        text = " ".join(part for _, part in lines)
    rough = x_height_of_ink([stroke for strokes, _ in lines for stroke in strokes], text)
    level = [_level([(stroke - strokes[0][0]) / rough for stroke in strokes], part or text) for strokes, part in lines]
    measured = [(metrics.x_height, metrics.letters) for _, metrics in level if metrics.x_height]
    heights, trust = np.array(measured or [(1.0, 1.0)]).T
    order = np.argsort(heights)
    unit = heights[order][np.searchsorted(np.cumsum(trust[order]), trust.sum() / 2)]
    joined, right = [], 0.0
    for points, metrics in level:
        points = straighten(points, metrics, slant=metrics.slant)
        points[:, :2] /= unit
        points[:, 0] += right - points[:, 0].min()
        right = points[:, 0].max() + ADVANCES[" "]
        joined.append(points)
    return np.concatenate(joined), text, unit * rough


def _level(strokes, text):
    """A line of strokes as points [n, 3] without its tilt, and its `measure.Metrics`.

    The measures are taken on resampled points: else a part with many recorded points would count more.
    """
    points, even = join_strokes(strokes), join_strokes([resample(stroke) for stroke in strokes])
    if np.ptp(even[:, 0]) > 10:  # else a word is too short to have a direction
        tilt = np.polyfit(even[:, 0], even[:, 1], 1)[0]
        turn = np.array([[1.0, tilt], [-tilt, 1.0]]) / np.hypot(1.0, tilt)
        points[:, :2], even[:, :2] = points[:, :2] @ turn.T, even[:, :2] @ turn.T
    return points, measure_line(even, text)


def _cut(points, text, max_characters, path):
    """The first words of a line that is too long. Points [n, 3] and text as they are, where it is not."""
    if len(text) <= max_characters:
        return points, text
    words = split_words(Segment(text, points))
    lengths = np.cumsum([len(word.text) + 1 for word in words]) - 1
    count = max(1, int(np.searchsorted(lengths, max_characters, side="right")))
    if lengths[count - 1] > 1.3 * max_characters:
        raise ValueError(
            f"{path} has {len(text)} characters without a gap between words that could be seen: "
            f"give a sample of at most {max_characters} characters."
        )
    return np.concatenate([word.points for word in words[:count]]), " ".join(word.text for word in words[:count])


def _check(points, text, path):
    """Raises ValueError where there is too little, or the text cannot be what is written."""
    if len(text) < MIN_STYLE_CHARACTERS:
        raise ValueError(
            f"{path} has {len(text)} characters, {text!r}: a hand shows in {MIN_STYLE_CHARACTERS} or more, best in 30 "
            "to 50."
        )
    ink = sum(stroke_length(stroke[:, :2]) for stroke in split_strokes(points))
    # Typical ink is in offsets / 50 of a hand of median size.
    typical = sum(points_and_ink(c)[1] for c in text if c != " ") * 50 / MEDIAN_X_HEIGHT
    ink, width = ink / typical, np.ptp(points[:, 0]) / estimate_width(text)
    for what, share, (least, most) in (("ink", ink, INK_RANGE), ("width", width, WIDTH_RANGE)):
        if not least <= share <= most:
            raise ValueError(
                f"{path} has {share:.2g} times the {what} that {text[:30]!r}... would have, measured by its small "
                f"letters: the text has to be what is written there, no less and no more, and all strokes be writing."
            )


def _grid(pieces):
    """The distance of the lines of a grid that all points lie on; 0 where there is none."""
    steps = np.concatenate([np.abs(np.diff(stroke, axis=0)).ravel() for piece in pieces for stroke in piece.strokes])
    steps = steps[steps > 1e-9 * steps.max(initial=0.0)]
    if not len(steps):
        return 0.0
    times = steps / steps.min()
    return float(steps.min()) if np.abs(times - np.round(times)).max() < 0.01 else 0.0


def _offsets(points, data_scale, smoothing):
    """Points in x-heights as the network takes them: float32 [n, 3] offsets in units of data_scale, pen lifts."""
    rng = np.random.default_rng(0)  # the same file is the same style
    points = join_strokes([unsteady(resample(stroke[:, :2], smoothing), rng) for stroke in split_strokes(points)])
    # Whole raw units, as those of the training data.
    places = np.round(points[:, :2] * MEDIAN_X_HEIGHT)
    offsets = np.zeros([len(points), 3], np.float32)
    # As in training: where the line starts says nothing, and a leap is cut to what the network has seen.
    offsets[1:, :2] = np.clip(np.diff(places, axis=0), -OFFSET_LIMIT, OFFSET_LIMIT) / data_scale
    offsets[:, 2] = points[:, 2]
    return offsets
