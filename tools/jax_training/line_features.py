"""What the two recognisers see of lines, computed on the device: `path_features` and `line_picture` of scribe/writing.

Letters: B lines, T pen points, R steps of a path, W columns of a picture. All lines have the same T, R and W; how much
of them counts is told beside.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from scribe.writing.levelled import LONGEST, MIDDLE_HALF_HEIGHT

# Of scribe/writing/recogniser.py and picture_recogniser.py, which import TensorFlow; the tests compare them.
STEP, FEATURES, LARGEST_FEATURE = 0.25, 6, 6.0
HEIGHT, MIDDLE, X_HEIGHT, ACROSS, MARGIN, SHRINK = 64, 33, 14, 16, 8, 4
PEN_RADIUS = 1.0  # pixels, at the x-height that all pictures have
STROKES = 192  # of a line, at most; what comes after them is not seen
SAMPLES = 8  # of the way from each point to the next in a picture: points lie up to an x-height apart
PARTS = 4  # of the same way, where the height of a line is measured
FAR_BELOW = 1e6  # where samples without ink are put, so that they come last in the order of heights


class Seen(NamedTuple):
    """What is seen of lines.

    path: [B, R, FEATURES]. steps: int [B]. pictures: [B, HEIGHT, W], 1 where ink is. columns: int [B].
    """

    path: Any
    steps: Any
    pictures: Any
    columns: Any


class Levelled(NamedTuple):
    """A line with its middle on y = 0.

    xy: [T, 2]; after the last point, that again. lifts: bool [T]. length: [T], of the ink before each point. height:
    the x-height. count: points.
    """

    xy: Any
    lifts: Any
    length: Any
    height: Any
    count: Any


def seen(points, counts, R, W):
    """What is `Seen` of lines: points [B, T, 3], offsets and pen lifts; counts int [B]."""
    lines = jax.vmap(levelled)(jnp.cumsum(points[..., :2], axis=1), points[..., 2] > 0.5, counts)
    return Seen(*jax.vmap(lambda line: path(line, R))(lines), *jax.vmap(lambda line: picture(line, W))(lines))


def levelled(xy, lifts, count):
    """The `Levelled` of a line, see scribe/writing/levelled.py: xy [T, 2] absolute, lifts bool [T]."""
    t = jnp.arange(len(xy))
    within = t < count
    xy = xy - xy[0]
    xy = jnp.where(within[:, None], xy, xy[count - 1])
    steps = jnp.diff(xy, axis=0)
    ink = jnp.hypot(*steps.T) * ~lifts[:-1] * within[1:]
    parts = (jnp.arange(PARTS) + 0.5)[:, None, None] / PARTS
    x, y = (xy[:-1] + parts * steps).reshape(-1, 2).T
    weight = jnp.tile(ink, PARTS)
    total, drawn = jnp.maximum(weight.sum(), 1e-9), weight > 0

    def extent(values, which):
        return jnp.where(which, values, -jnp.inf).max() - jnp.where(which, values, jnp.inf).min()

    x_mean, y_mean = (x * weight).sum() / total, (y * weight).sum() / total
    slope = ((x - x_mean) * (y - y_mean) * weight).sum() / jnp.maximum(((x - x_mean) ** 2 * weight).sum(), 1e-9)
    slope = jnp.where(extent(x, drawn) > 3 * extent(y, drawn), slope, 0.0)
    level = jnp.where(drawn, y - slope * x, FAR_BELOW)
    order = jnp.argsort(level)
    share = jnp.cumsum(weight[order]) / total
    low, middle, high = jnp.interp(jnp.array([0.25, 0.5, 0.75]), share, level[order])
    size = jnp.maximum(extent(xy[:, 0], within), extent(xy[:, 1], within))
    smallest = jnp.maximum(jnp.maximum(0.02 * size, total / PARTS / LONGEST), 1e-6)
    height = jnp.maximum((high - low) / MIDDLE_HALF_HEIGHT, smallest)
    there_is_ink = drawn.any()
    middle = jnp.where(there_is_ink, middle + slope * xy[:, 0], (xy[:, 1] * within).sum() / within.sum())
    height = jnp.where(there_is_ink, height, jnp.maximum(size, 1e-6))
    xy = xy - jnp.stack([jnp.zeros_like(middle), middle], axis=1)
    return Levelled(xy, lifts, jnp.pad(jnp.cumsum(ink), (1, 0)), height, count)


def path(line, R):
    """The features [R, FEATURES] of the path of a `Levelled` line, 0 after its steps, and their number, at most R.

    Each step looks up its stroke, and where on it the step begins and ends.
    """
    xy, lifts, length, height, count = line
    t = jnp.arange(len(xy))
    stroke = jnp.cumsum(jnp.pad(lifts[:-1], (1, 0)).astype(jnp.int32))
    stroke = jnp.where(t < count, jnp.minimum(stroke, STROKES), STROKES)
    first = jax.ops.segment_min(t, stroke, STROKES + 1)[:STROKES]
    last = jax.ops.segment_max(t, stroke, STROKES + 1)[:STROKES]
    there = jnp.zeros(STROKES + 1, bool).at[stroke].set(True)[:STROKES]
    first, last = jnp.where(there, first, 0), jnp.where(there, last, 0)
    along = length[last] - length[first]
    steps = jnp.where(there, jnp.maximum(1, jnp.round(along / (STEP * height)).astype(jnp.int32)), 0)
    rows = steps + (there & (jnp.arange(STROKES) > 0))  # the jump to a stroke comes before its steps
    until = jnp.cumsum(rows)

    r = jnp.arange(R)
    own = jnp.minimum(jnp.searchsorted(until, r, side="right"), STROKES - 1)
    place = r - (until[own] - rows[own])
    jumps, number = (own > 0) & (place == 0), place - (own > 0)
    first, last, along, steps = first[own], last[own], along[own], jnp.maximum(steps[own], 1)

    def position(k):
        """Where the ink of the stroke is after k of its steps: [R, 2]."""
        mark = length[first] + along * k / steps
        before = jnp.clip(jnp.searchsorted(length, mark, side="right") - 1, first, jnp.maximum(first, last - 1))
        after = jnp.minimum(before + 1, last)
        part = (mark - length[before]) / jnp.maximum(length[after] - length[before], 1e-9)
        part = jnp.clip(part, 0, 1)[:, None]
        return xy[before] * (1 - part) + xy[after] * part

    start, end, nothing = position(number), position(number + 1), jnp.zeros([R, 2])
    of_ink = jnp.concatenate([(end - start) / (STEP * height), nothing, -end[:, 1:] / height, nothing[:, :1]], axis=1)
    jump = (xy[first] - xy[jnp.maximum(first - 1, 0)]) / height
    of_jump = jnp.concatenate([nothing, jump, -xy[first, 1:] / height, nothing[:, :1] + 1], axis=1)
    features = jnp.clip(jnp.where(jumps[:, None], of_jump, of_ink), -LARGEST_FEATURE, LARGEST_FEATURE)
    return features * (r < until[-1])[:, None], jnp.minimum(until[-1], R)


def picture(line, W):
    """The picture [HEIGHT, W] of a `Levelled` line, 1 where ink is, and its columns, at most W.

    A line is drawn as discs along its way, each on the nine pixels around its middle.
    """
    xy, lifts, _, height, count = line
    within = jnp.arange(len(xy)) < count
    x = (xy[:, 0] - jnp.where(within, xy[:, 0], jnp.inf).min()) / height * ACROSS + MARGIN
    y = jnp.clip(xy[:, 1] / height * X_HEIGHT + MIDDLE, -HEIGHT, 2 * HEIGHT)
    columns = jnp.where(within, x, -jnp.inf).max().astype(jnp.int32) + MARGIN
    columns += -columns % SHRINK
    drawn = (~lifts[:-1] & within[1:])[:, None]  # where nothing is, all samples lie on the point
    parts = jnp.arange(SAMPLES) / SAMPLES * drawn
    x, y = (jnp.append((v[:-1, None] + jnp.diff(v)[:, None] * parts).ravel(), v[-1]) for v in (x, y))
    there = jnp.append(jnp.repeat(within[:-1], SAMPLES), within[-1])
    column, row = jnp.floor(x).astype(jnp.int32), jnp.floor(y).astype(jnp.int32)
    pixels = jnp.zeros([HEIGHT * W])
    for across in (-1, 0, 1):
        for down in (-1, 0, 1):
            i, j = row + down, column + across
            distance = jnp.hypot(j + 0.5 - x, i + 0.5 - y)
            ink = jnp.clip(PEN_RADIUS + 0.5 - distance, 0, 1)
            inside = there & (i >= 0) & (i < HEIGHT) & (j >= 0) & (j < W)
            pixels = pixels.at[jnp.where(inside, i * W + j, HEIGHT * W)].max(ink, mode="drop")
    return pixels.reshape(HEIGHT, W), jnp.clip(columns, SHRINK, W)
