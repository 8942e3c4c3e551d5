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
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scribe.files.recorded_piece import Piece
from scribe.files.recordings import read_recording
from scribe.ink.alphabet import ALPHABET, fit_to_alphabet
from scribe.ink.measure import measure_line, straighten
from scribe.ink.pen import PACE, SMOOTHING, resample, unsteady
from scribe.ink.strokes import ink_lengths, join_strokes, split_strokes, stroke_length
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

# How much ink and width a text may have, least and most, as shares of what is typical for its characters; of 1,486 real
# lines, ink has 0.62 to 1.85 and width 0.50 to 2.23 in all but four in a thousand.
INK_RANGE, WIDTH_RANGE = (0.45, 2.4), (0.38, 2.5)
# The tops of letters alone give an x-height that is off by 23% (standard deviation, against the heights of words of
# small letters in 509 real lines), far too low more often than far too high: in some hands the tops of connecting
# strokes are taken for those of letters. So where the middle half of the ink, which needs no letters, is higher than it
# would be by more than a tolerance (a logarithm), the x-height follows it by this share.
MIDDLE_HALF, MIDDLE_SHARE, MIDDLE_TOLERANCE = 0.8, 0.58, 0.1
# A hand that joins its letters has more ink: the more letters a stroke has, this power of it.
JOIN_POWER, LETTERS_PER_STROKE = 0.35, (0.6, 4.0)
MAX_STROKES = 5_000  # of what is taken as one sample: some fifty pages
NEAR_STROKES = 40  # a line is followed by that many of its last strokes


class UnknownTextError(ValueError):
    """The file does not say what is written in it."""


def load_own_hand(
    path: str | os.PathLike,
    text: str | None = None,
    *,
    data_scale: float,
    alphabet: str = ALPHABET,
    line: int | None = None,
    sort: bool = False,
    max_characters: int = MAX_STYLE_CHARACTERS,
    note: Callable[[str], None] = lambda text: None,
) -> tuple[NDArray, str]:
    """Reads handwriting from a file and makes it a style.

    Args:
        path: of a file or folder that `recordings.read_recording` knows; "me.p#3" is its line 3, the first is 0.
        text: what is written there; None: what the file itself says. A newline may stand where a line ends.
        data_scale: raw units in one unit of the network (`model.config.data_scale`).
        alphabet: characters that the network knows.
        line: which line, as "#3" in the path; None: all of them, as far as `max_characters` allow.
        sort: the strokes are not in the order in which they were written: puts them from left to right, line by line.
        max_characters: longer handwriting is cut, between lines or words.
        note: called with a sentence about what was left out of the file, if anything was.

    Returns:
        (strokes, text): float32 [n, 3] offsets in units of data_scale, y growing downwards, and 1 where the pen lifts,
        as it does after the last point; the text in characters of the alphabet.

    Raises:
        UnknownTextError: it takes a text, and the file has none.
        ValueError: the file cannot be used as a style; the message is one line that says why and what would help.
        OSError: it cannot be read.
    """
    file, line, pieces, remark = _read(path, line)
    if remark:
        note(f"{file}: {remark}.")
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
    points, text, unit = join_lines(lines, text, max_characters)
    points, text = _cut(points, text, max_characters, file)
    _check(points, text, file)
    strokes = [stroke for piece in pieces for stroke in piece.strokes]
    offsets = offsets_of_points(points, strokes, unit, PACE)
    offsets[:, :2] /= data_scale
    return offsets, text


def load_own_lines(
    path: str | os.PathLike,
    text: str | None = None,
    *,
    data_scale: float,
    alphabet: str = ALPHABET,
    sort: bool = False,
    read: Callable[[list[NDArray]], list[str]] | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> list[tuple[NDArray, str]]:
    """Reads all handwriting in a file as lines to learn a hand from; arguments and errors as `load_own_hand`.

    Args:
        read: a reader of handwriting, as `Recogniser.read`, that is asked where the file does not say what is written;
            what it reads is told to `note`.

    Returns:
        a style for each line, or part of a line that is longer than MAX_STYLE_CHARACTERS.
    """
    file, line, pieces, remark = _read(path, None)
    if remark:
        note(f"{file}: {remark}.")
    text = "\n".join(" ".join(row.split()) for row in (text or "").splitlines() if row.strip())
    lines = _lines(pieces, text or " ".join(piece.text or "" for piece in pieces), sort)
    if line is not None:
        lines = [_nth(lines, line, file)]
    if read is not None and not text and not all(part for _, part in lines):
        lines = [
            (strokes, part) for (strokes, _), part in zip(lines, read([join_strokes(s) for s, _ in lines])) if part
        ]
        text = "\n".join(part for _, part in lines)
        note(f"{file} does not say what is written in it. It looks like {text!r}; where that is wrong, tell the text")
    lines, whole = _texts(lines, text, pieces, file)
    parts = [([strokes], part) for strokes, part in lines]
    if not all(part for _, part in lines):
        parts = [([strokes for strokes, _ in lines], whole)]
    found = []
    source = [stroke for piece in pieces for stroke in piece.strokes]
    for some, part in parts:
        part = fit_to_alphabet(part, alphabet)[0].strip()
        joined, _, unit = join_lines([(strokes, None) for strokes in some], part, len(part))
        _check(joined, part, file)
        for points, words in _parts(joined, part):
            if len(words) >= MIN_STYLE_CHARACTERS:
                offsets = offsets_of_points(points, source, unit)
                offsets[:, :2] /= data_scale
                found.append((offsets, words))
    if not found:
        raise ValueError(
            f"{file} has no line of {MIN_STYLE_CHARACTERS} characters or more: a hand shows in such lines."
        )
    return found


def _parts(points, text):
    """A line in parts of some MAX_STYLE_CHARACTERS, cut between words: (points, text) each."""
    if len(text) <= MAX_STYLE_CHARACTERS:
        return [(points, text)]
    parts: list[list] = [[]]
    for word in split_words(Segment(text, points)):
        if parts[-1] and sum(len(w.text) + 1 for w in parts[-1]) + len(word.text) > MAX_STYLE_CHARACTERS:
            parts.append([])
        parts[-1].append(word)
    return [(np.concatenate([w.points for w in words]), " ".join(w.text for w in words)) for words in parts]


def lines_in(path: str | os.PathLike, line: int | None = None, sort: bool = False) -> list[NDArray]:
    """The lines that are written in a file, for a reader of handwriting: points [n, 3] each, in the unit of the file.

    Args:
        path, line, sort: as in `load_own_hand`, which also says what is raised.
    """
    file, line, pieces, _ = _read(path, line)
    lines = [join_strokes(strokes) for strokes, _ in _lines(pieces, "", sort)]
    return [_nth(lines, line, file)] if line is not None else lines


def lines_of_writing(strokes: list[NDArray], text: str) -> list[list[NDArray]]:
    """The lines that strokes [n, 2] are written in, each as its strokes; text: what they say, "" if it is not known."""
    return [line for line, _ in _lines([Piece(strokes, text or None)], text, sort=False)]


def _read(path, line):
    """(file, line, pieces, what was left out): of the pieces, the one that the line names, where there are several."""
    file, line = _chosen_line(os.fspath(path), line)
    recording = read_recording(file)
    pieces = recording.pieces
    if line is not None and len(pieces) > 1:
        pieces, line = [_nth(pieces, line, file)], None
    elif sum(len(piece.strokes) for piece in pieces) > MAX_STROKES and any(piece.text is None for piece in pieces):
        raise ValueError(f"{file} has more than {MAX_STROKES:,} strokes: give a sample of a few lines.")
    return file, line, pieces, recording.remark()


def _chosen_line(path, line):
    """(path, line) of "path#line", unless there is a file of that very name."""
    match = re.fullmatch(r"(.+)#(\d{1,9})", path)
    if match and not os.path.exists(path):
        if line is not None and line != int(match[2]):
            raise ValueError(f"{path} names line {match[2]}, but line is {line}: give one of them.")
        path, line = match[1], int(match[2])
    if not os.path.isfile(path) and not os.path.isdir(path):
        raise ValueError(f"{path} is not a file: a style is read from InkML, SVG and other recordings of a pen.")
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
    starts, left, right = [0], low[0, 0], high[0, 0]  # where lines start; how far the present one reaches
    for k in range(1, len(strokes)):
        back = right - low[k, 0] > LINE_BACK * unit
        # Lines that were recorded one by one may all lie in the same place: then the next begins where they begin.
        anew = owner[k] != owner[k - 1] and low[k, 0] - left < LINE_BACK * unit
        if back and (anew or _is_below(k, starts[-1], (low, high, middle), unit)):
            starts.append(k)
            left, right = low[k, 0], high[k, 0]
        left, right = min(left, low[k, 0]), max(right, high[k, 0])
    lines = []
    for a, b in zip(starts, [*starts[1:], len(strokes)]):
        # The text of a line is known if its pieces have one and do not reach into another line.
        owners = list(dict.fromkeys(owner[a:b].tolist()))
        whole = sum(len(pieces[p].strokes) for p in owners) == b - a and all(pieces[p].text for p in owners)
        lines.append((strokes[a:b], " ".join(pieces[p].text for p in owners) if whole else None))
    return lines


def _is_below(k, start, extents, unit):
    """Whether stroke k is below the line that begins with stroke `start`.

    A line may climb: what counts is the height of those of its strokes that are nearest.
    """
    low, high, middle = extents
    far = np.arange(start, k)
    if len(far) > 2 * NEAR_STROKES:  # a new line is next to the beginning of the one before, or to its end
        far = np.concatenate([far[:NEAR_STROKES], far[-NEAR_STROKES:]])
    distance = np.abs((low[far, 0] + high[far, 0]) / 2 - low[k, 0])
    nearest = far[np.argsort(distance, kind="stable")[:6]]
    return middle[k] - np.median(middle[nearest]) > LINE_DOWN * unit


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
    raise UnknownTextError(f"{path} does not say what is written in it: tell it with --style_text.")


# ------------------------------------------------------------------------------------------- as in the training data


def join_lines(lines, text, max_characters):
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
    measured = [(metrics.x_height, metrics.letters) for _, _, metrics in level if metrics.x_height]
    heights, trust = np.array(measured or [(1.0, 1.0)]).T
    order = np.argsort(heights)
    tops = heights[order][np.searchsorted(np.cumsum(trust[order]), trust.sum() / 2)]
    evenly = [straighten(even, metrics, slant=metrics.slant) for _, even, metrics in level]
    unit = _with_middle(tops, np.concatenate(evenly))
    joined, right = [], 0.0
    for points, _, metrics in level:
        points = straighten(points, metrics, slant=metrics.slant)
        points[:, :2] /= unit
        points[:, 0] += right - points[:, 0].min()
        right = points[:, 0].max() + ADVANCES[" "]
        joined.append(points)
    return np.concatenate(joined), text, unit * rough


def _with_middle(tops, points):
    """The x-height by the tops of letters, or more where the middle half of the ink is too high for that.

    Args:
        tops: the x-height by them. points: [n, 3] in the same unit, even along the way, with a straight baseline.
    """
    ink = ink_lengths(points)
    order = np.argsort(points[:, 1])
    low, high = np.interp([0.25, 0.75], np.cumsum(ink[order]) / max(ink.sum(), 1e-12), points[order, 1])
    higher = np.log(max((high - low) / MIDDLE_HALF / tops, 1.0))
    return tops * np.exp(MIDDLE_SHARE * max(higher - MIDDLE_TOLERANCE, 0.0))


def _typical_ink(text, strokes):
    """The ink that a text in this number of strokes has on average, in x-heights."""
    # Typical ink is in offsets / 50 of a hand of median size.
    ink = sum(points_and_ink(c)[1] for c in text if c != " ") * 50 / MEDIAN_X_HEIGHT
    joins = np.clip(sum(map(str.isalpha, text)) / strokes, *LETTERS_PER_STROKE)
    return max(ink, 1e-9) * joins**JOIN_POWER


def _level(strokes, text):
    """A line of strokes as points [n, 3] without its tilt, the same evenly along its way, and its `measure.Metrics`.

    The measures are taken on resampled points: else a part with many recorded points would count more.
    """
    points, even = join_strokes(strokes), join_strokes([resample(stroke) for stroke in strokes])
    if np.ptp(even[:, 0]) > 10:  # else a word is too short to have a direction
        tilt = np.polyfit(even[:, 0], even[:, 1], 1)[0]
        turn = np.array([[1.0, tilt], [-tilt, 1.0]]) / np.hypot(1.0, tilt)
        points[:, :2], even[:, :2] = points[:, :2] @ turn.T, even[:, :2] @ turn.T
    return points, even, measure_line(even, text)


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
    try:
        check_ink(points, text)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


def check_ink(points: NDArray, text: str) -> None:
    """Raises ValueError where a text cannot be what is written; points [n, 3] in x-heights."""
    strokes = split_strokes(points)
    ink = sum(stroke_length(stroke[:, :2]) for stroke in strokes)
    ink, width = ink / _typical_ink(text, len(strokes)), np.ptp(points[:, 0]) / estimate_width(text)
    for what, share, (least, most) in (("ink", ink, INK_RANGE), ("width", width, WIDTH_RANGE)):
        if not least <= share <= most:
            raise ValueError(
                f"has {share:.2g} times the {what} that {text[:30]!r}... would have, measured by its small letters: "
                "the text has to be what is written there, no less and no more, and all strokes be writing."
            )


def _grid(strokes):
    """The distance of the lines of a grid that all points lie on; 0 where there is none."""
    steps = np.concatenate([np.abs(np.diff(stroke, axis=0)).ravel() for stroke in strokes])
    steps = steps[steps > 1e-9 * steps.max(initial=0.0)]
    if not len(steps):
        return 0.0
    times = steps / steps.min()
    return float(steps.min()) if np.abs(times - np.round(times)).max() < 0.01 else 0.0


def offsets_of_points(points: NDArray, source: list[NDArray], unit: float, pace: float = 1.0) -> NDArray[np.float32]:
    """A line as a pen of the training data would have recorded it.

    Args:
        points: [n, 3] in x-heights, positions and pen lifts. source: the strokes as the file has them. unit: an
            x-height in the unit of the file. pace: as in `resample`.

    Returns:
        float32 [m, 3]: offsets in whole raw units, pen lifts.
    """
    smoothing = max(SMOOTHING, GRID_SMOOTHING * _grid(source) / unit)
    rng = np.random.default_rng(0)  # the same file is the same style
    strokes = [unsteady(resample(stroke[:, :2], smoothing, pace), rng) for stroke in split_strokes(points)]
    points = join_strokes(strokes)
    # Whole raw units, as those of the training data.
    places = np.round(points[:, :2] * MEDIAN_X_HEIGHT)
    offsets = np.zeros([len(points), 3], np.float32)
    # As in training: where the line starts says nothing, and a leap is cut to what the network has seen.
    offsets[1:, :2] = np.clip(np.diff(places, axis=0), -OFFSET_LIMIT, OFFSET_LIMIT)
    offsets[:, 2] = points[:, 2]
    return offsets
