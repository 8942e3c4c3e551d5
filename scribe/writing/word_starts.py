"""Where the words of written lines begin, and lines of which some words are written anew while the others stay.

Letters: B rows, n points of a line, U characters; places are numbers of characters in the text.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scribe.ink.point_characters import character_index
from scribe.writing.line_ends import Ends
from scribe.writing.points import Drawn
from scribe.writing.rows import RowState, WordStart, WrittenLine, take_rows

# A word begins at the last pen lift at which the attention is this near to its first character, in characters: where it
# joins the word before, a few letters of that are written again, too.
BEFORE_WORD, INTO_WORD = 3.0, -0.15
BEGUN = 0.3  # a word has begun where the attention is this far behind its first character
STRAY_POINTS = 2  # so many may be of another word, as the attention has it, which is often a few points early or late


def mark_words(
    words: Sequence[tuple[dict[int, WordStart], list[int]]], last: NDArray, state: RowState, drawn: Drawn, ends: Ends
) -> None:
    """Keeps the states before words: those of rows whose pen is lifted where the attention is near a word.

    Args:
        words: of each row what takes the states, by the place of the word's first character, and the places of the
            words that the pen has not come to; those that it has come to are taken out.
        last: [B], place of the last character. state: before what was drawn. ends: of that.
    """
    if not any(ahead for _, ahead in words):
        return
    places = drawn.positions + last
    for t, row in np.argwhere((drawn.points[:, :, 5] > 0.5) & ~ends.done):
        marks, ahead = words[row]
        while ahead and places[t, row] > ahead[0] + INTO_WORD:
            del ahead[0]
        if ahead and places[t, row] > ahead[0] - BEFORE_WORD:
            there = RowState(take_rows(state.network, row), *(values[t, row].copy() for values in ends.states))
            read = np.concatenate([state.point[row][None], ends.states[0][:t, row]])
            marks[ahead[0]] = WordStart(there, read)


def is_between_words(phis: NDArray, points: int, place: int) -> bool:
    """Whether the first points of a line write all words before a place, and the others none of them.

    Args:
        phis: [n, U], weights of the characters. place: of the first character of a word.
    """
    index = character_index(phis[:, : place + 1])
    late = (index[points:] < place - 1).sum()
    return 0 < points < len(index) and index[points - 1] >= place - 2 and bool(late <= STRAY_POINTS)


def can_follow(rest: WrittenLine, place: int) -> bool:
    """Whether what a line has from a word on can follow what is written anew before it."""
    mark = rest.marks.get(place)
    return rest.finished and mark is not None and is_between_words(rest.phis, mark.points, place)


def can_take_over(marks: Mapping[int, WordStart], phis: NDArray, rest: WrittenLine, place: int, most: int) -> bool:
    """Whether what a line has from a word on can follow what another one has before it.

    Args:
        marks, phis: of that other one, which has begun the word, and perhaps comes to it in another way.
        rest: for which `can_follow` is true. most: points that a line may have.
    """
    mark = marks.get(place)
    if mark is None or not is_between_words(phis, mark.points, place):
        return False
    return mark.points + len(rest.points) - rest.marks[place].points <= most


def with_rest(new: WrittenLine, rest: WrittenLine, place: int) -> WrittenLine:
    """A line up to a word, and what another one has from there on, moved to where the new line begins the word.

    So the gap between the words is that of the new line. The height is the mean of where the new line begins the word
    and where the rest had it, since a letter may be begun at its top or at its bar: baselines of the words on both
    sides then differ by 0.41 x-heights (standard deviation at 271 places; 0.45 and 0.57 at the one height and at the
    other, 0.44 in the lines before).

    Args:
        new: with one point of the word at least. rest: for which `can_follow` is true. place: of the word.
    """
    n, was = new.marks[place].points, rest.marks[place].points
    further = new.points[: n + 1, 0].sum() - rest.points[: was + 1, 0].sum()
    points = rest.points[was:].copy()
    heights = new.points[: n + 1, 1].sum(), rest.points[: was + 1, 1].sum()
    points[0, :2] = new.points[n, 0], np.mean(heights) - new.points[:n, 1].sum()
    marks = {word: mark for word, mark in new.marks.items() if word <= place}
    marks |= {word: mark.moved(n - was, further) for word, mark in rest.marks.items() if word > place}
    return WrittenLine(
        new.key,
        np.concatenate([new.points[:n], points]),
        np.concatenate([new.phis[:n], rest.phis[was:]]),
        np.concatenate([new.kappas[:n], rest.kappas[was:]]),
        rest.finished,
        marks,
        place,
    )
