"""Tells from a written line and its attention where the writing failed. NumPy only; knows nothing of the network.

    from scribe.writing.failures import find_failures
    for failure in find_failures(line):       # a `lines.Line`
        print(failure)

The attention says which character every pen point belongs to, so each character has its points and its ink: the length
that the pen drew for it. In real handwriting both keep close to what is usual for that character once the size of the
hand is divided out; a character with hardly any ink was skipped, one with several times as much was written twice or
the pen got stuck in it. What a stranger would read is another matter: a line without failures can still be scrawled.
"""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribe.ink.point_characters import attended_characters
from scribe.ink.strokes import ink_lengths
from scribe.ink.typical import LARGE_ON_BASELINE, points_and_ink

UNFINISHED, SKIPPED, REPEATED, RUN_ON, OFF_BASELINE = "unfinished", "skipped", "repeated", "run-on", "off-baseline"
TOO_SMALL = "too small"
MISREAD = "misread"  # found by `slips.find_slips`, not here
STRAY_MARK = "stray mark"  # found by `marks.find_marks`
MERGED = "merged"  # found by `gaps.find_gaps`
RAISED = "raised"  # found by `levels.find_raised`
SHAPES = STRAY_MARK, MERGED, RAISED  # slips that the form of the ink shows
KINDS = (UNFINISHED, SKIPPED, REPEATED, RUN_ON, OFF_BASELINE, TOO_SMALL)

# Shares of what is typical. With these, 27 of 534 real lines pass for failures when a trained model follows them; 16 of
# the 27 do lack ink or words of their text.
LEAST_INK = 0.15
MOST_INK, MOST_POINTS = 4.5, 5.0
# Ink of a number or a word in capitals, as a share of what is typical beside the small letters of the line: of 309 real
# ones, 2 have less.
LEAST_WORD_INK = 0.65
NUMBER_OR_CAPITALS = re.compile(r"[A-Z0-9][A-Z0-9.,:/-]*[A-Z0-9]")
LARGEST_TILT = 0.35  # y over x, about 19 degrees
LARGEST_DRIFT = 1.5  # heights of a letter between where a letter stands and the straight line through all of them


class Failure(NamedTuple):
    """One fault of a line: its kind (of KINDS, MISREAD, or SHAPES), and the characters [start, end) of the
    text it concerns; `instead`: what a misread one may be taken for, None where that is not known."""

    kind: str
    start: int
    end: int
    instead: str | None = None

    def describe(self, text: str) -> str:
        """In words, for a message: 'skipped "l" in "Hello"'."""
        if self.kind in (UNFINISHED, OFF_BASELINE):
            return {UNFINISHED: "not finished", OFF_BASELINE: "left its baseline"}[self.kind]
        word, part = self.word_of(text), text[self.start : self.end]
        if self.kind == STRAY_MARK:
            return f'a dot too many at the "{part}" of "{word}"'
        if self.kind == RAISED:
            return f'the "{part}" of "{word}" hangs above the line'
        if self.kind == MERGED:
            return 'no gap between "{}" and "{}"'.format(*(word.split(" ") + [""])[:2])
        if self.kind == MISREAD:
            return f"{self.place(text)} may be hard to read"
        return f'{self.kind} "{part}"' + (f' in "{word}"' if word != part else "")

    def place(self, text: str) -> str:
        """What of a text it concerns, and what that may be taken for: 'the "O" of "Oslo" (as "0")'."""
        part, word = text[self.start : self.end].strip(), self.word_of(text)
        instead = f' (as "{self.instead}")' if (self.instead or "").strip() else ""
        return (f'"{word}"' if part in (word, "") else f'the "{part}" of "{word}"') + instead

    def placed(self, places: NDArray) -> "Failure":
        """The same in another text; places: int [U], the character there that each of this text belongs to."""
        return self._replace(start=int(places[self.start]), end=int(places[self.end - 1]) + 1)

    def word_of(self, text: str) -> str:
        """The word, or the words, that it concerns."""
        word_start = text.rfind(" ", 0, self.start) + 1
        word_end = text.find(" ", self.end)
        return text[word_start : word_end if word_end >= 0 else len(text)]


def find_failures(line):
    """What went wrong in a line, in the order of the text.

    Args:
        line: has text (U characters), strokes [n, 6], phis [n, U], finished; a `lines.Line`.

    Returns:
        A list of `Failure`, empty for a line without any.
    """
    text, U = line.text, len(line.text)
    characters = attended_characters(line.phis)
    lengths = ink_lengths(line.strokes)
    points = np.bincount(characters, minlength=U)
    ink = np.bincount(characters, weights=lengths, minlength=U)
    typical_points, typical_ink = np.array([points_and_ink(c) for c in text], float).T
    # A large or a slow hand has more of both everywhere.
    words = np.array([c.isalnum() for c in text])
    typical_points *= _size(points, typical_points, words)
    typical_ink *= _size(ink, typical_ink, words)

    failures = []
    for u, c in enumerate(text):
        if c == " ":
            continue
        if c.isalnum():
            skipped = ink[u] < LEAST_INK * typical_ink[u]
        else:  # The attention is often a few points early or late with punctuation: count its neighbours' surplus too.
            skipped = points[u] == 0 and ink[max(0, u - 1) : u + 2].sum() < 1.1 * typical_ink[max(0, u - 1)]
        if skipped:
            failures.append(Failure(SKIPPED, u, u + 1))
        elif points[u] > MOST_POINTS * typical_points[u] or ink[u] > MOST_INK * typical_ink[u]:
            failures.append(Failure(RUN_ON if u == U - 1 else REPEATED, u, u + 1))
    failures += _returns(characters, lengths, typical_ink)
    failures += _too_small(text, ink, typical_ink)
    if _leaves_baseline(text, line.strokes, characters):
        failures.append(Failure(OFF_BASELINE, 0, U))
    if not line.finished:
        failures.append(Failure(UNFINISHED, int(characters[-1]), U))
    return _merged(failures)


def _size(amounts, typical, words):
    """The size of the hand: the median ratio of amounts to what is typical, over the characters of `words`."""
    if not words.any():
        return 1.0
    return float(np.clip(np.median(amounts[words] / typical[words]), 0.3, 3.0))


def _returns(characters, lengths, typical_ink):
    """Where the attention went back over characters already written, and the pen wrote there again.

    characters, lengths: [n], of every point. typical_ink: [U].
    """
    failures = []
    reached = np.maximum.accumulate(characters)
    behind = reached - characters
    start = None
    for t in range(len(characters) + 1):
        back = t < len(characters) and behind[t] >= 2
        if back and start is None:
            start = t
        elif not back and start is not None:
            first, last = int(characters[start:t].min()), int(reached[t - 1])
            if lengths[start:t].sum() > 0.5 * typical_ink[first:last].mean():
                failures.append(Failure(REPEATED, first, last))
            start = None
    return failures


def _too_small(text, ink, typical_ink):
    """Numbers and words in capitals that are far too small for the small letters beside them.

    ink, typical_ink: [U].
    """
    small = np.array([c.islower() for c in text])
    if small.sum() < 3:  # too few to tell the size of the hand
        return []
    hand = _size(ink, typical_ink, small)
    words = [match.span() for match in NUMBER_OR_CAPITALS.finditer(text)]
    return [
        Failure(TOO_SMALL, start, end)
        for start, end in words
        if ink[start:end].sum() < LEAST_WORD_INK * hand * typical_ink[start:end].sum()
    ]


def _leaves_baseline(text, strokes, characters):
    """Whether the line climbs or falls steeply, or departs from a straight line by more than LARGEST_DRIFT."""
    spots, heights = [], []
    for u, c in enumerate(text):
        if c in LARGE_ON_BASELINE:
            x, y = strokes[characters == u, :2].T
            if len(x) >= 5:
                y = np.sort(y)
                lower = np.interp(0.95 * (len(y) - 1), np.arange(len(y)), y)  # 95th percentile, sooner than NumPy's own
                spots.append((x.mean(), lower))
                heights.append(y[-1] - y[0])
    if len(spots) < 4:
        return False
    x, y = np.array(spots).T
    height = float(np.median(heights))
    y = np.array([np.median(y[max(0, i - 1) : i + 2]) for i in range(len(y))])  # single letters may jump
    if np.ptp(x) < 5 * height:  # too short to have a direction
        return bool(np.ptp(y) > 3 * height)
    slope, start = np.polyfit(x, y, 1)
    return bool(abs(slope) > LARGEST_TILT or np.abs(y - (slope * x + start)).max() > LARGEST_DRIFT * height)


def _merged(failures):
    """Neighbouring characters with the same fault as one failure, in the order of the text."""
    merged = []
    for failure in sorted(failures, key=lambda f: (KINDS.index(f.kind), f.start)):
        if merged and merged[-1].kind == failure.kind and failure.start <= merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, failure.end))
        else:
            merged.append(failure)
    return sorted(merged, key=lambda f: (f.start, KINDS.index(f.kind)))


def attention_summary(phis):
    """How the attention moved over a line.

    Args:
        phis: [n, U].

    Returns:
        monotony: share of the steps at which the mean position did not fall back by more than a tenth of a character;
        width: the mean number of characters attended to at once (exp of the entropy of the weights).
    """
    shares = phis.astype(np.float64) + 1e-12
    shares /= shares.sum(axis=1, keepdims=True)
    position = shares @ np.arange(phis.shape[1])
    steps = np.diff(position)
    monotony = float(np.mean(steps > -0.1)) if len(steps) else 1.0
    return monotony, float(np.mean(np.exp(-np.sum(shares * np.log(shares), axis=1))))
