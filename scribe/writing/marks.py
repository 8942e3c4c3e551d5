"""Finds the dots and ticks of a line that belong to no character, and letters that are no more than a dot. NumPy alone.

    from scribe.writing.marks import find_marks
    for failure in find_marks(line, assign_characters(line.strokes, line.phis, line.text)):      # a `lines.Line`
        print(failure.describe(line.text))

The network has seen hands that set their dots late, far to the right or in the wrong place, and sets dots of its own
where no letter takes one: on an l, beside a p, below a y. The eye reads them as an i, an apostrophe, an accent.

A mark is a small stroke that touches no other ink. Each i and j takes one, signs take those that they are made of, and
letters with bars take a bar. People set a dot up to two letters late, so a letter may take one from there, the nearest
first. Where the pen lifted within a small letter, a mark may be a part of it. What is left is stray.
"""

import numpy as np

from scribe.ink.strokes import stroke_slices
from scribe.ink.typical import DOTTED, SMALL
from scribe.ink.x_height import x_height_of_characters
from scribe.writing.failures import STRAY_MARK, TOO_SMALL, Failure

# Lengths in x-heights. The size of a mark, and how far it is from all other ink; a larger one has to be farther.
MARK_SIZE, APART = 0.55, 0.12
TICK_SIZE, TICK_APART = 0.75, 0.3
# How far to the left and to the right of the middle of its letter a dot may be, and how far below its top.
DOT_LEFT, DOT_RIGHT, DOT_BELOW = 0.9, 2.4, 0.35
STEM_BESIDE = 0.4  # how far a stem as short as a mark may stand beside its dot
PART_APART = 0.3  # within a small letter and no farther than this from its ink, a mark is a part of it
BAR_WIDTH, BAR_BESIDE = 0.12, 0.5  # least width of a bar, and how far beside its letter it may end
SIGN_INTO_NEXT = 0.3  # how far right of where the next character begins the ink of a sign may be
MARKS_OF_SIGNS = dict.fromkeys('!?%#:;"&*+/', 2) | dict.fromkeys(".,'-()[]", 1)
BARRED = frozenset("tfTFEHAIJGzZ7")
WITHIN = SMALL | frozenset("gpqy")  # letters that the pen may leave within


def find_marks(line, index):
    """The marks of a line that belong to no character, and characters that have no more ink than a mark.

    Args:
        line: has text and strokes [n, 6]; a `lines.Line`. index: int [n], the character of every point, as
            `assign_characters` tells it.

    Returns:
        a list of `Failure` in the order of the text; a stray mark is at the character that it is nearest to.
    """
    text = line.text
    points = np.asarray(line.strokes[:, :2], float)
    points = points / x_height_of_characters(points, index, text)
    marks = _marks(points, stroke_slices(line.strokes))
    body = np.ones(len(points), bool)
    for mark in marks:
        body[mark] = False
    boxes = _boxes(points, index, body)
    owned = _owned(marks, points, index, text, boxes)
    failures = []
    for k, mark in enumerate(marks):
        if k not in owned and not _is_part(points[mark], points[body], index[body], text):
            u = int(index[mark.start])
            if u in boxes or not text[u].isalnum():
                u = _nearest(points[mark].mean(axis=0), boxes, u)
                failures.append(Failure(STRAY_MARK, u, u + 1))
            elif np.ptp(points[mark], axis=0).max() <= MARK_SIZE:
                failures.append(Failure(TOO_SMALL, u, u + 1))
    return sorted(set(failures), key=lambda failure: failure.start)


def _marks(points, strokes):
    """The slices of the strokes that are marks; points [n, 2] in x-heights."""
    starts = [stroke.start for stroke in strokes]
    low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    sizes = (high - low).max(axis=1)
    marks = []
    for k in np.flatnonzero(sizes <= TICK_SIZE).tolist():
        own, apart = points[strokes[k]], APART if sizes[k] <= MARK_SIZE else TICK_APART
        near = ((low <= high[k] + apart) & (high >= low[k] - apart)).all(axis=1)
        others = [_filled(points[strokes[j]]) for j in np.flatnonzero(near).tolist() if j != k]
        if not others or np.hypot(*(np.concatenate(others)[:, None] - own).T).min() > apart:
            marks.append(strokes[k])
    return marks


def _filled(stroke):
    """A stroke [m, 2] with three further points between any two."""
    if len(stroke) < 2:
        return stroke
    steps = np.diff(stroke, axis=0)
    return np.concatenate([*(stroke[:-1] + part * steps for part in (0.0, 0.25, 0.5, 0.75)), stroke[-1:]])


def _is_part(mark, points, index, text):
    """Whether a mark [m, 2] is a part of the small letter that it is nearest to.

    points: [n, 2], index: [n], of the ink beside marks.
    """
    if not len(points):
        return False
    away = np.hypot(*(points[:, None] - mark).T).min(axis=0)
    v = int(index[away.argmin()])
    y, level = points[index == v, 1], mark[:, 1].mean()
    return text[v] in WITHIN and away.min() < PART_APART and y.min() - 0.05 < level < min(y.max(), y.min() + 1.3)


def _boxes(points, index, body):
    """{character: (left, right, top)} of all characters that have ink beside marks."""
    boxes = {}
    for u in np.unique(index[body]):
        x, y = points[body & (index == u)].T
        boxes[int(u)] = float(x.min()), float(x.max()), float(y.min())
    return boxes


def _owned(marks, points, index, text, boxes):
    """The numbers of the marks that characters take, the nearest first."""
    room = {u: MARKS_OF_SIGNS.get(c, 1) for u, c in enumerate(text)}
    place = np.cumsum([c != " " for c in text])  # among the characters that have ink
    pairs = []
    for k, mark in enumerate(marks):
        (x, y), (width, height), own = points[mark].mean(axis=0), np.ptp(points[mark], axis=0), int(index[mark.start])
        for u, c in enumerate(text):
            beside = abs(int(place[own]) - int(place[u]))
            left, right, top = boxes.get(u, (np.nan,) * 3)
            if c in DOTTED and u in boxes:
                away = x - (left + right) / 2
                if -DOT_LEFT < away < DOT_RIGHT and y < top + DOT_BELOW:
                    pairs.append((abs(away - 0.1), k, u))
            if c in DOTTED and beside <= 1 and (u not in boxes or _has_beside(points, marks, k)):
                room[u] = 2  # a stem as short as a mark, and its dot
                pairs.append((1.0 + beside, k, u))
            if c in MARKS_OF_SIGNS and (not beside or beside <= 2 and _in_place_of(u, x, text, boxes)):
                pairs.append((beside, k, u))
            bar = c in BARRED and u in boxes and width > max(BAR_WIDTH, height)
            if bar and left - BAR_BESIDE < x < right + BAR_BESIDE:
                pairs.append((1.0 + max(left - x, x - right, 0.0), k, u))
    owned = set()
    for _, k, u in sorted(pairs):
        if k not in owned and room[u]:
            owned.add(k)
            room[u] -= 1
    return owned


def _in_place_of(u, x, text, boxes):
    """Whether x is between the middle of the character before u and the beginning of the one after it."""
    before = next((boxes[v] for v in range(u - 1, -1, -1) if v in boxes), (-np.inf, -np.inf))
    after = next((boxes[v][0] for v in range(u + 1, len(text)) if v in boxes), np.inf)
    return (before[0] + before[1]) / 2 < x < after + SIGN_INTO_NEXT


def _has_beside(points, marks, k):
    """Whether another mark stands over or under a mark."""
    x = points[marks[k], 0].mean()
    return any(j != k and abs(points[mark, 0].mean() - x) < STEM_BESIDE for j, mark in enumerate(marks))


def _nearest(middle, boxes, u):
    """The character whose ink is over or under a mark, or next to it; `u` if none has ink."""
    away = {v: max(left - middle[0], middle[0] - right, 0.0) + 0.01 * abs(v - u)
            for v, (left, right, _) in boxes.items()}  # fmt: skip
    return min(away, key=away.__getitem__, default=u)
