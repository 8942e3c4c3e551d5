"""Texts cut into what is written in one go: paragraphs into segments that end between words."""

MAX_CHARACTERS = 40  # of a segment


def split_text(text: str, max_characters: int = MAX_CHARACTERS, newlines: str = "auto") -> list[list[str]]:
    """Splits a text into paragraphs of segments.

    Args:
        text: any text. White space within a line counts as one space. Blank lines separate paragraphs.
        max_characters: of a segment; a longer word is a segment of its own, whatever its length.
        newlines: "keep": every line of the text begins a new line on the page. "join": only blank lines do. "auto": a
            newline is kept unless the line before it was full, that is, the first word of the next line would have made
            it longer than the longest line of the text, and that line has more than 45 characters. So an address keeps
            its lines, and a text that an editor has wrapped flows again.

    Returns:
        a list with a list of segments (strings without white space at their ends) for each line that begins anew, and
        an empty list for each run of blank lines between them.

    Raises:
        ValueError: `newlines` or `max_characters` is out of range.
    """
    if newlines not in ("auto", "keep", "join"):
        raise ValueError(f'newlines is {newlines!r}: it has to be "auto", "keep" or "join".')
    if max_characters < 1:
        raise ValueError(f"max_characters is {max_characters}: it has to be 1 or more.")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    longest = max(map(len, lines), default=0)
    paragraphs: list[str] = []
    previous = ""
    for line in lines:
        if not line:
            if paragraphs and paragraphs[-1]:
                paragraphs.append("")
        elif previous and (
            newlines == "join"
            or newlines == "auto"
            and longest > 45
            and len(previous) + 1 + len(line.split()[0]) > longest
        ):
            paragraphs[-1] += " " + line
        else:
            paragraphs.append(line)
        previous = line
    while paragraphs and not paragraphs[-1]:
        paragraphs.pop()
    return [split_line(paragraph, max_characters) for paragraph in paragraphs]


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
