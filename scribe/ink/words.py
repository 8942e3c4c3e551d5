"""Cuts written segments into words. NumPy alone.

    from scribe.ink.words import Segment, split_words
    segment = Segment(line.text, line.strokes, character_index(line.phis))
    words = split_words(segment)

The network has seen lines of about 30 characters, 60 at most: what is longer fails. So a text is written in segments
that end between words (`scribe.ink.segments.split_text`), and they are cut into words, which are then set on the page
by their measured widths (`scribe/pages/layout.py`).
"""

import dataclasses
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from scribe.console import shortened
from scribe.ink.measure import Metrics
from scribe.ink.strokes import checked_strokes, stroke_ends
from scribe.ink.written_text import WrittenText

NO_GAP = -0.35  # a gap in characters: where ink overlaps by more than this, words are left together
# What ends a word and belongs to it, and what it costs, as a gap in characters, to begin the next word with it.
ENDS_WORD, END_COST = frozenset(",.;:!?"), 2.0
# A stroke that is smaller, in characters, may be a dot with which a letter begins, even at its far end: the gap before
# it is no wider than that before the stroke that follows.
DOT = 0.25
# What stands within a word ("o'clock", "e-mail", "7:30") often stands apart from both neighbours: what it costs to cut
# beside it, as a gap in characters.
WITHIN_WORD, WITHIN_COST = frozenset("'-.,:/"), 2.0


@dataclasses.dataclass
class Segment(WrittenText):
    """A text that was written in one go.

    Attributes:
        text, points, index: see `WrittenText`.
        hand: segments of the same hand (any hashable) get the same scale, slant and word spaces.
        ink: a colour of matplotlib, None for that of the page.
        indent: in x-heights, of the line that the segment begins.
        joints, marks: for each word what stands before it and its mark, as `word_marks.read_words` returns them; ():
            spaces, and none.
        added: bool [n], the points that composing added; None for none. metrics: of the line without them; None: it has
            still to be measured.
    """

    hand: Hashable = None
    ink: str | None = None
    indent: float = 0.0
    joints: Sequence[str] = ()
    marks: Sequence[str] = ()
    added: NDArray | None = None
    metrics: Metrics | None = None


def split_words(segment: WrittenText, force: bool = False) -> list[WrittenText]:
    """Cuts a written segment into its words, between pen strokes: no stroke is ever cut.

    The attention tells roughly where a space was, but not between which strokes: the crossing of a t or the dot of an i
    comes late, and the network reads ahead. So each space gets a pen lift that is near to where the attention passed it
    and has a wide gap of ink; the choice is the best for all spaces together, in order. Words that the pen joined stay
    together.

    Args:
        segment: a Segment, or any other WrittenText. force: cuts also where there is no gap, at the best pen lifts.

    Returns:
        the words in writing order, points [m, 3] in the unit and place of the segment; together they have every point
        of it. The text of a word contains a space where two words could not be told apart. Its index is -1 throughout
        where that of the segment is not known.

    Raises:
        ValueError: no points, points that are not finite, or an index of another length.
    """
    points = checked_strokes(segment.points, f"the segment {segment.text!r}")
    text = " ".join(segment.text.split())
    index = _index_of(segment, text, len(points))
    known = segment.index is not None
    # A mark that was added after its word does not go back to the beginning of the word.
    reached = index if getattr(segment, "added", None) is None else np.maximum.accumulate(index)
    spaces = [k for k, c in enumerate(text) if c == " "]
    lifts = stroke_ends(points[:-1]) - 1  # the last one separates nothing
    cuts = _choose_cuts(points, reached, text, known=known, lifts=lifts, skip=-99.0 if force else NO_GAP)
    words, start, first = [], 0, 0
    for space, cut in [*zip(spaces, cuts, strict=True), (len(text), len(points) - 1)]:
        if cut is None:
            continue
        part = text[first:space]
        # What the attention gave to the space or to a neighbour belongs to the nearest character of this word.
        characters = (
            np.clip(index[start : cut + 1] - first, 0, len(part) - 1) if known else np.full(cut + 1 - start, -1)
        )
        words.append(WrittenText(part, points[start : cut + 1], characters))
        start, first = cut + 1, space + 1
    return words


def _index_of(segment, text, n):
    """int [n]: the character of `text` (white space normalised) of every point; spread evenly if it is not known."""
    if segment.index is None:
        return np.minimum((np.arange(n) * max(len(text), 1)) // max(n, 1), max(len(text) - 1, 0))
    index = np.asarray(segment.index, int)
    if index.shape != (n,):
        raise ValueError(
            f"the segment {shortened(repr(segment.text))} has {n} points, but its index has the shape {index.shape}: "
            "it should have one entry for each point."
        )
    if text != segment.text:  # where each character of the segment is in the normalised text
        places = [max(len(" ".join(segment.text[: k + 1].split())) - 1, 0) for k in range(len(segment.text))]
        index = np.array(places or [0], int)[np.clip(index, 0, max(len(places) - 1, 0))]
    return index


def _choose_cuts(points, index, text, *, known, lifts, skip):
    """For every space the point of `lifts` after which the next word begins, or None; increasing.

    skip: score of a space without a cut, as a gap in characters.
    """
    spaces = [k for k, c in enumerate(text) if c == " "]
    if not spaces or not len(lifts):
        return [None] * len(spaces)
    # Gap in ink at every lift: from the right edge of what was written before to the left edge of the stroke after it.
    # The edge before looks back a word or so; a stroke that goes back over it makes the gap negative.
    ends = np.concatenate([lifts, [len(points) - 1]])
    starts = np.concatenate([[0], lifts + 1])
    left = np.array([points[a : b + 1, 0].min() for a, b in zip(starts, ends)])
    right = np.array([points[a : b + 1, 0].max() for a, b in zip(starts, ends)])
    unit = max(np.ptp(points[:, 0]), 1e-9) / max(len(text), 1)  # about a character
    reach = np.array([right[max(0, k - 6) : k + 1].max() for k in range(len(lifts))])
    small = np.array([np.ptp(points[a : b + 1, :2], axis=0).max() < DOT * unit for a, b in zip(starts, ends)])
    following = np.where(small[1:], np.minimum(left[1:], np.append(left[2:], np.inf)), left[1:])
    gaps = np.clip((following - reach) / unit, -2.0, 2.5)
    # Where the attention leaves the space, in characters: the lift's own position on the same scale.
    position = index[lifts] + 0.5
    doubt = 0.55 if known else 0.12  # gap, in characters, that one character of distance is worth
    scores = gaps[None, :] - doubt * np.maximum(np.abs(position[None, :] - np.array(spaces)[:, None]) - 1.0, 0.0)
    for s, space in enumerate(spaces):
        if known and text[space - 1] in ENDS_WORD:  # it stands as near to the next word at times
            own = [bool((index[a : b + 1] == space - 1).any()) for a, b in zip(starts[1:], ends[1:])]
            scores[s] -= END_COST * np.array(own)
    within = [k for k in range(1, len(text) - 1) if text[k] in WITHIN_WORD and " " not in text[k - 1 : k + 2]]
    if known and within:
        marks = [np.isin(index[a : b + 1], within).mean() > 0.5 for a, b in zip(starts, ends)]
        scores -= WITHIN_COST * np.logical_or(marks[:-1], marks[1:])
    S, C = scores.shape
    best = np.full((S + 1, C + 1), 0.0)  # best[s, c]: the first s spaces within the first c lifts
    for s in range(1, S + 1):
        best[s, 0] = best[s - 1, 0] + skip
        for c in range(1, C + 1):
            best[s, c] = max(best[s - 1, c] + skip, best[s, c - 1], best[s - 1, c - 1] + scores[s - 1, c - 1])
    cuts, s, c = [None] * S, S, C
    while s and c:
        if best[s, c] == best[s, c - 1]:
            c -= 1
        elif best[s, c] == best[s - 1, c] + skip:
            s -= 1
        else:
            cuts[s - 1] = int(lifts[c - 1])
            s, c = s - 1, c - 1
    return cuts
