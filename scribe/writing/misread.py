"""How many characters were misread: what a recogniser read, held against the text that was to be written."""

from collections.abc import Sequence


def count_errors(text: str, read: str) -> int:
    """The Levenshtein distance: how few characters to insert, delete or replace make one string of the other."""
    row = list(range(len(read) + 1))
    for i, c in enumerate(text, 1):
        diagonal, row[0] = row[0], i
        for j, d in enumerate(read, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (c != d))
    return row[-1]


def error_share(texts: Sequence[str], reads: Sequence[str]) -> float:
    """Misread characters over all characters of the texts (character error rate); 0 if there are none."""
    return sum(map(count_errors, texts, reads)) / max(1, sum(map(len, texts)))
