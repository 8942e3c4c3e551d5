"""Texts cut into what is written in one go: paragraphs into segments that end between words."""

import itertools
import re
from typing import NamedTuple

MAX_CHARACTERS = 40  # of a segment
# A text whose longest line has more characters than this has been wrapped by an editor; one with shorter lines only
# where all lines of a paragraph are full.
WRAPPED_WIDTH, WRAPPED_PARAGRAPH_WIDTH, WRAPPED_LINES = 45, 30, 3
TAB = 4  # spaces
LEAST_INDENT = TAB  # of a line whose newline is kept since it looks meant; fewer spaces are a slip
# A number belongs to the word after it ("3 May"), so people break a line before it early: one of this share of the
# longest line is full then.
NEARLY_FULL = 0.8
_ITEM = re.compile(r"([-*+•◦‣–—☐✓✗]|\(?\d{1,3}[.)]|[a-z]\))\s")
_NUMBER, _ENDED = re.compile(r"\d+\S*\s"), re.compile(r"[.:;!?…][\"'”’)]*$")


class TextLine(NamedTuple):
    """What begins on a new line of the page: its text, "" for a blank line, and how many spaces stand before it."""

    text: str
    indent: int = 0


def text_lines(text: str, newlines: str = "auto") -> list[TextLine]:
    """A text as the lines that begin anew.

    Args:
        text: any text. White space within a line counts as one space.
        newlines: "keep": every line of the text begins a new line on the page, with its indent, and every blank line is
            one. "join": only blank lines begin anew. "auto": a newline is kept unless the line before it was full, that
            is, the first word of the next line would have made it longer than the longest line of the text, and that
            line has more than 45 characters, or more than 30 where three lines or more of a paragraph are all full. So
            an address keeps its lines, a list its items, and a text that an editor has wrapped flows again. What stands
            4 spaces or more, or a tab, to the right of the leftmost line keeps that indent.

    Returns:
        TextLines; none blank at the beginning and at the end, and without "keep" one at most between others.

    Raises:
        ValueError: `newlines` is out of range.
    """
    if newlines not in ("auto", "keep", "join"):
        raise ValueError(f'newlines is {newlines!r}: it has to be "auto", "keep" or "join".')
    raw = text.expandtabs(TAB).splitlines()
    lines = [" ".join(line.split()) for line in raw]
    indents = [len(line) - len(line.lstrip()) for line in raw]
    longest = max(map(len, lines), default=0)
    least = min((indent for indent, line in zip(indents, lines, strict=True) if line), default=0)
    full = [_is_full(line, after, longest) for line, after in zip(lines, [*lines[1:], ""])]
    wrapped, items = _wrapped_paragraphs(lines, full, longest), _items(lines)
    found: list[TextLine] = []
    for k, line in enumerate(lines):
        begins_anew = not k or not lines[k - 1] or newlines == "keep"
        if newlines == "auto":
            begins_anew = begins_anew or not (full[k - 1] and wrapped[k]) or k in items
        if not line:
            if newlines == "keep" or found and found[-1].text:
                found.append(TextLine(""))
        elif begins_anew:
            found.append(TextLine(line, _kept_indent(indents[k], least, newlines)))
        else:
            found[-1] = found[-1]._replace(text=f"{found[-1].text} {line}")
    while found and not found[0].text:
        found.pop(0)
    while found and not found[-1].text:
        found.pop()
    return found


def _kept_indent(indent, least, newlines):
    """The indent of a line that begins anew, where the leftmost line of the text has `least`."""
    if newlines == "keep":
        return indent
    return indent - least if newlines == "auto" and indent - least >= LEAST_INDENT else 0


def _is_full(line, after, longest):
    """Whether a line ends where it does since the next word had no room on it."""
    if not line or not after:
        return False
    if _NUMBER.match(after) and not _ENDED.search(line):
        return len(line) >= NEARLY_FULL * longest
    return len(line) + 1 + len(after.split()[0]) > longest


def _items(lines):
    """The numbers of the lines that begin an item of a list.

    A number or a dash also comes to stand there in mid-sentence, where an editor wraps: it is a marker after the end of
    a sentence, and where the markers before or after it in its paragraph go on with it.
    """
    markers = {k: match[1] for k, match in enumerate(map(_ITEM.match, lines)) if match}
    items = {k for k in markers if not k or not lines[k - 1] or _ENDED.search(lines[k - 1])}
    for one, other in itertools.pairwise(markers):
        if all(lines[one:other]) and _in_one_list(markers[one], markers[other]):
            items |= {one, other}
    return items


def _in_one_list(marker, following):
    """Whether two markers may follow each other, as "1." and "2.", "a)" and "b)", or a sign and the same sign."""
    one, other = (text.strip("(.)") for text in (marker, following))
    if one.isdigit() and other.isdigit():
        return int(other) == int(one) + 1
    if one.isalpha() and other.isalpha():
        return ord(other) == ord(one) + 1
    return marker == following


def _wrapped_paragraphs(lines, full, longest):
    """For each line whether it is in a paragraph that an editor may have wrapped."""
    if longest > WRAPPED_WIDTH:
        return [True] * len(lines)
    wrapped, start = [False] * len(lines), 0
    for k in range(len(lines) + 1):
        if k < len(lines) and lines[k]:
            continue
        if longest > WRAPPED_PARAGRAPH_WIDTH and k - start >= WRAPPED_LINES and all(full[start : k - 1]):
            wrapped[start:k] = [True] * (k - start)
        start = k + 1
    return wrapped


def split_text(text: str, max_characters: int = MAX_CHARACTERS, newlines: str = "auto") -> list[list[str]]:
    """Splits a text into paragraphs of segments.

    Args:
        text, newlines: as in `text_lines`.
        max_characters: of a segment; a longer word is a segment of its own, whatever its length.

    Returns:
        a list with a list of segments (strings without white space at their ends) for each line that begins anew, and
        an empty list for each run of blank lines between them.

    Raises:
        ValueError: `newlines` or `max_characters` is out of range.
    """
    if max_characters < 1:
        raise ValueError(f"max_characters is {max_characters}: it has to be 1 or more.")
    paragraphs: list[list[str]] = []
    for line in text_lines(text, newlines):
        if line.text or paragraphs[-1]:
            paragraphs.append(split_line(line.text, max_characters))
    return paragraphs


def split_line(text: str, max_characters: int = MAX_CHARACTERS) -> list[str]:
    """Splits a text into the fewest segments of at most `max_characters`, of lengths as equal as words allow."""
    words = text.split()
    if not words:
        return []
    # cost[k]: the lowest (segments, sum of squared lengths) of the first k words: few segments first, then equal ones.
    cost, first = [(0, 0)], [0]
    for k in range(1, len(words) + 1):
        candidates = []
        length = -1
        for j in range(k - 1, -1, -1):
            length += 1 + len(words[j])
            if length > max_characters and j < k - 1:
                break
            candidates.append((cost[j][0] + 1, cost[j][1] + length * length, j))
        fewest, squares, start = min(candidates)
        cost.append((fewest, squares))
        first.append(start)
    segments, k = [], len(words)
    while k:
        segments.append(" ".join(words[first[k] : k]))
        k = first[k]
    return segments[::-1]
