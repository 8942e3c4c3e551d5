"""When a line counts as misread: what the recogniser read, held against the text that was to be written."""

import difflib
import math
from collections.abc import Sequence

from scribe.writing.failures import MISREAD, Failure

# A line of U characters with more than 0.5 + TOLERATED_SHARE exp(-STRICTNESS bias) U misread ones has failed: with
# fewer, the recogniser may well be wrong.
TOLERATED_SHARE, STRICTNESS = 0.2, 1.2


def tolerated_errors(text: str, bias: float) -> float:
    """A line with more misread characters than this has failed."""
    return 0.5 + TOLERATED_SHARE * math.exp(-STRICTNESS * bias) * len(text)


def find_misread(text: str, read: str) -> list[Failure]:
    """Which characters of a text were not read.

    Args:
        text: what was to be written. read: what `Recogniser.read` returned.

    Returns:
        a Failure for each stretch of misread characters; none if both are the same. They may name another number of
        characters than `count_errors`, which compares in another way.
    """
    failures = []
    for tag, start, end, _, _ in difflib.SequenceMatcher(None, text, read, autojunk=False).get_opcodes():
        if tag != "equal":  # an insertion has no character of its own: report the one it precedes
            start = min(start, len(text) - 1)
            failures.append(Failure(MISREAD, start, max(end, start + 1)))
    return failures


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
