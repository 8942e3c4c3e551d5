"""Makes a few lines of somebody's handwriting a style that the network can go on from. NumPy alone.

    from scribe.writing.own_hand import load_own_hand
    strokes, text = load_own_hand("me.inkml", data_scale=model.config.data_scale, alphabet=model.config.alphabet)
    strokes, text = load_own_hand("me.svg", "what I wrote there", data_scale=50, alphabet=ALPHABET)
    line = sample_batch(["Dear Jon,"], model, style=(strokes, text))[0]

The network has seen the hands of IAM-OnDB alone: of about one size, on a level line, with a point every few hundredths
of a second. What a tablet or a drawing program writes is none of that, so it is brought there: scaled by the height of
its small letters, straightened, and given new points along its way, dense where a pen is slow. What is the writer's
own stays: shapes, slant, width, spaces, where the pen lifts.
"""

import os
import re

import numpy as np

from scribe.files.recordings import read_ink
from scribe.ink.measure import measure_line, straighten
from scribe.ink.words import ADVANCES, Segment, estimate_width, split_words
from scribe.writing.failures import OTHER, TYPICAL
from utils import ALPHABET, fit_to_alphabet

# A style of this many characters at most; docs/STYLES.md has what was measured. Fewer than the least say too little.
MAX_CHARACTERS, MIN_CHARACTERS = 50, 10
MOST_LINES = 12  # of a file that is taken as a whole; of more, one has to be named

# Of real handwriting, in raw units: the median x-height, and the largest offset (the limit of DataLoader).
X_HEIGHT, LIMIT = 117.0, 500.0
# The time of the pen, in points: of a stroke in itself, for each x-height of its way, for each radian that it turns by.
# Fitted to the number of points of 7,000 strokes of IAM-OnDB, of which it explains 92% of the variance.
STROKE_TIME, WAY_TIME, TURN_TIME = 3.35, 2.19, 1.58
# The share of these points that a style gets: a swift pen. After a slow one, the network more often rests and never
# goes on (docs/STYLES.md).
PACE = 0.75
# In x-heights: how dense the way is measured, over how much it is smoothed before, how far around a turn and from the
# ends of a stroke the pen is slow. So chosen that steps and their changes have the distribution of IAM-OnDB; a pen that
# rests longer in its turns makes the network rest and never go on.
STEP, SMOOTHING, SLOW_TURN, SLOW_END = 0.04, 0.05, 0.13, 0.2
GRID_SMOOTHING = 1.6  # in units of a grid that all points lie on, such as pixels: its stairs are no tremor of the hand
# How far a pen is from keeping time, in points, and from its way. Where all steps follow from those before, the network
# grows too sure of itself and gets stuck: of 156 lines 74% came out whole at once without the two, 86% with them.
UNSTEADY, TREMOR = 0.22, 0.01
# A dot, as pens write it: a tick hardly longer than the line is wide.
DOT = np.array([[0.0, 0.0], [0.02, 0.05], [0.03, 0.07], [0.01, 0.04]])
CORNER = np.cos(np.radians(50))  # a way that turns by more at a point has a corner there

# Where a new line of a sheet begins, in x-heights: this far to the left of what was written, and this far below it.
LINE_BACK, LINE_DOWN = 3.0, 1.6
# In x-heights, the medians of real lines: ink a character; height of a stroke, each weighted with its ink.
INK, STROKE_HEIGHT = 3.45, 2.0

# How much ink and width a text may have, as shares of what is typical for its characters; of 681 real lines, 2 have
# less or more.
LEAST_INK, MOST_INK = 0.45, 2.4
LEAST_WIDTH, MOST_WIDTH = 0.38, 2.5


def load_own_hand(
    path, text=None, *, data_scale, alphabet=ALPHABET, line=None, sort=False, max_characters=MAX_CHARACTERS
):
    """Reads handwriting from a file and makes it a style.

    Args:
        path: of a file that `recordings.read_ink` knows; "me.p#3" is its line 3, the first is 0.
        text: what is written there; None: what the file itself says. A newline may stand where a line ends.
        data_scale: raw units of the data in one of the network (`model.config.data_scale`).
        alphabet: characters that the network knows.
        line: which line, as "#3" in the path; None: all of them, as far as `max_characters` allow.
        sort: the strokes are not in the order in which they were written: puts them from left to right, line by line.
        max_characters: longer handwriting is cut, between lines or words.

    Returns:
        (strokes, text): float32 [n, 3] offsets in units of data_scale, y growing downwards, and 1 where the pen lifts,
        as it does after the last point; the text in characters of the alphabet.

    Raises:
        ValueError: the file cannot be used as a style; one line that says why and what would help.
        OSError: it cannot be read.
    """
    path, line = _chosen_line(os.fspath(path), line)
    pieces = read_ink(path)
    if line is not None and len(pieces) > 1:
        pieces, line = [_nth(pieces, line, path)], None
    if len(pieces) > MOST_LINES and text is None and all(piece.text for piece in pieces):
        raise ValueError(f"{path} has {len(pieces):,} lines: name one of them, such as {path}#0.")
    text = "\n".join(" ".join(row.split()) for row in (text or "").splitlines() if row.strip())
    known = text or " ".join(piece.text or "" for piece in pieces)
    lines = _lines(pieces, known if line is None else "", sort)
    if line is not None:
        lines = [_nth(lines, line, path)]
    lines, text = _texts(lines, text, pieces, path)
    lines = [(strokes, fit_to_alphabet(part, alphabet)[0] if part else None) for strokes, part in lines]
    text = fit_to_alphabet(text, alphabet)[0].strip()
    points, text, unit = _joined(lines, text, max_characters)
    points, text = _cut(points, text, max_characters, path)
    smoothing = max(SMOOTHING, GRID_SMOOTHING * _grid(pieces) / unit)
    _check(points, text, path)
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

    A piece may be a line, a word, a character or a whole page: where lines end is seen from where the pen goes.

    Args:
        pieces: `recordings.Piece`s. text: of all; "" where it is not known. sort: as `load_own_hand`.
    """
    strokes = [stroke for piece in pieces for stroke in piece.strokes]
    owner = np.repeat(np.arange(len(pieces)), [len(piece.strokes) for piece in pieces])
    unit = _rough_x_height(strokes, text)
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
        # Lines that were recorded one by one may all lie in the same place: then the next begins where they do.
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


def _rough_x_height(strokes, text):
    """About the x-height, before anything is known of lines and baselines: from the ink of a text, or of strokes."""
    ink = np.array([np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in strokes])
    if not ink.sum() > 0:
        return 1.0  # dots alone: there is no writing that could be told apart
    if text:
        return ink.sum() / len(text) / INK
    heights = np.array([np.ptp(stroke[:, 1]) for stroke in strokes])
    order = np.argsort(heights, kind="stable")
    median = heights[order][np.searchsorted(np.cumsum(ink[order]), ink.sum() / 2)]
    return median / STROKE_HEIGHT or ink.sum() / len(strokes) / INK


def _reading_order(strokes, unit):
    """Indices of strokes line by line, each from left to right; lines are where most ink is at one height."""
    ink = np.array([np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in strokes]) + 0.1 * unit
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
    rough = _rough_x_height([stroke for strokes, _ in lines for stroke in strokes], text)
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

    What is measured are points as the training data would have them: where a recording has many, it would count more.
    """
    points, even = _points(strokes), _points([resample(stroke) for stroke in strokes])
    if np.ptp(even[:, 0]) > 10:  # else a word is too short to have a direction
        tilt = np.polyfit(even[:, 0], even[:, 1], 1)[0]
        turn = np.array([[1.0, tilt], [-tilt, 1.0]]) / np.hypot(1.0, tilt)
        points[:, :2], even[:, :2] = points[:, :2] @ turn.T, even[:, :2] @ turn.T
    return points, measure_line(even, text)


def _points(strokes):
    """Strokes [m, 2] as points [n, 3]: x, y, pen lift."""
    points = np.concatenate([np.column_stack([stroke, np.zeros(len(stroke))]) for stroke in strokes])
    points[np.cumsum([len(stroke) for stroke in strokes]) - 1, 2] = 1.0
    return points


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
    if len(text) < MIN_CHARACTERS:
        raise ValueError(
            f"{path} has {len(text)} characters, {text!r}: a hand shows in {MIN_CHARACTERS} or more, best in 30 to 50."
        )
    ink = sum(np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in _split(points))
    # TYPICAL is in offsets / 50 of a hand of median size.
    typical = sum(TYPICAL.get(c, OTHER)[1] for c in text if c != " ") * 50 / X_HEIGHT
    ink, width = ink / typical, np.ptp(points[:, 0]) / estimate_width(text)
    for what, share, least, most in (("ink", ink, LEAST_INK, MOST_INK), ("width", width, LEAST_WIDTH, MOST_WIDTH)):
        if not least <= share <= most:
            raise ValueError(
                f"{path} has {share:.2g} times the {what} that {text[:30]!r}... would have, measured by its small "
                f"letters: the text has to be what is written there, no less and no more, and all strokes be writing."
            )


def _split(points):
    """Points [n, 3] as strokes [m, 2]."""
    ends = np.flatnonzero(points[:, 2] > 0.5) + 1
    return [part[:, :2] for part in np.split(points, ends) if len(part)]


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
    points = _points([unsteady(resample(stroke, smoothing), rng) for stroke in _split(points)])
    # Whole raw units, as those of the training data.
    places = np.round(points[:, :2] * X_HEIGHT)
    offsets = np.zeros([len(points), 3], np.float32)
    # As in training: where the line starts says nothing, and a leap is cut to what the network has seen.
    offsets[1:, :2] = np.clip(np.diff(places, axis=0), -LIMIT, LIMIT) / data_scale
    offsets[:, 2] = points[:, 2]
    return offsets


def resample(stroke, smoothing=SMOOTHING, pace=PACE):
    """A stroke with points where a pen of the training data would have them, whatever points it came with.

    A pen is slow where it turns, and where a stroke begins and ends. So each part of the way takes a time for its
    length and one for how far it turns, and points are even in time.

    Args:
        stroke: [n, 2], in x-heights. smoothing: over how much of its way it is smoothed, in x-heights. pace: how many
            points, as a share of what a pen of the training data has.

    Returns:
        float64 [m, 2], m > 1; the first and the last point are those of the stroke.
    """
    way = _smooth_way(np.asarray(stroke, float), smoothing)
    steps = np.diff(way, axis=0)
    lengths = np.hypot(*steps.T)
    if not lengths.sum() > STEP:
        return way[0] + DOT
    directions = np.arctan2(steps[:, 1], steps[:, 0])
    between = np.abs((np.diff(directions) + np.pi) % (2 * np.pi) - np.pi) / 2
    turns = np.concatenate([between, [0.0]]) + np.concatenate([[0.0], between])  # a turn lies between two steps
    reach = round(3 * SLOW_TURN / STEP)
    # Beyond its ends, a way goes on as its mirror image: no turn is lost there.
    turns = np.pad(turns, reach, "symmetric")
    turns = np.convolve(turns, _bell(SLOW_TURN, reach), "valid")
    along = np.cumsum(lengths) - lengths / 2
    ends = (np.exp(-along / SLOW_END) + np.exp((along - lengths.sum()) / SLOW_END)) * lengths
    time = WAY_TIME * lengths + TURN_TIME * turns + (STROKE_TIME - 1) * ends / ends.sum()
    clock = np.concatenate([[0.0], np.cumsum(time)])
    at = np.linspace(0.0, clock[-1], max(2, 1 + round(pace * clock[-1])))
    return np.column_stack([np.interp(at, clock, way[:, axis]) for axis in (0, 1)])


def unsteady(points, rng):
    """Points [n, 2] of a stroke a little before or after their time, and beside their place."""
    n = len(points)
    at = np.arange(n) + np.concatenate([[0.0], rng.normal(0.0, UNSTEADY, n - 2), [0.0]])
    at = np.sort(np.clip(at, 0, n - 1))
    points = np.column_stack([np.interp(at, np.arange(n), points[:, axis]) for axis in (0, 1)])
    return points + rng.normal(0.0, TREMOR, [n, 2])


def _smooth_way(points, smoothing):
    """The way through points [n, 2] in even steps of about STEP: curved between points that lie far apart, smoothed."""
    points = points[np.concatenate([[True], np.hypot(*np.diff(points, axis=0).T) > 1e-6])]
    if len(points) < 2:
        return points
    points = _curved(points)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    even = np.linspace(0.0, along[-1], max(2, 1 + round(along[-1] / STEP)))
    way = np.column_stack([np.interp(even, along, points[:, axis]) for axis in (0, 1)])
    reach = min(round(3 * smoothing / STEP), len(way) - 1)
    # Turned round its ends, so that they stay where they are.
    before, after = 2 * way[0] - way[reach:0:-1], 2 * way[-1] - way[-2 : -reach - 2 : -1]
    longer = np.concatenate([before, way, after])
    return np.column_stack([np.convolve(longer[:, axis], _bell(smoothing, reach), "valid") for axis in (0, 1)])


def _bell(deviation, reach):
    """Weights of a moving average over 2 reach + 1 places, STEP apart."""
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) * STEP / deviation) ** 2)
    return weights / weights.sum()


def _curved(points):
    """A curve through points [n, 2], with more points where they lie further apart than STEP; corners stay corners."""
    steps = np.diff(points, axis=0)
    lengths = np.hypot(*steps.T)
    pieces = np.clip(np.ceil(lengths / STEP), 1, 1000).astype(int)
    if len(points) < 3 or pieces.max() == 1:
        return points
    # The square roots of the lengths as time: a curve that neither loops nor overshoots (Catmull-Rom, centripetal).
    clock = np.concatenate([[0.0], np.cumsum(np.sqrt(lengths))])
    velocity = np.gradient(points, clock, axis=0, edge_order=2)
    cosines = (steps[1:] * steps[:-1]).sum(axis=1) / (lengths[1:] * lengths[:-1])
    velocity[1:-1][cosines < CORNER] = 0.0
    which = np.repeat(np.arange(len(steps)), pieces)
    u = (np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) / pieces[which]
    u, duration = u[:, None], np.sqrt(lengths)[which][:, None]
    curve = (
        (1 + 2 * u) * (1 - u) ** 2 * points[which]
        + u * (1 - u) ** 2 * duration * velocity[which]
        + u**2 * (3 - 2 * u) * points[which + 1]
        + u**2 * (u - 1) * duration * velocity[which + 1]
    )
    return np.concatenate([curve, points[-1:]])
