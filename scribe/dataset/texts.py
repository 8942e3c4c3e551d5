"""Texts of a data set: read, cut into lines that the network can write, ordered by the seed.

from scribe.dataset.texts import cut_texts, order_texts, read_texts
texts = cut_texts(read_texts(["texts.txt"]), ALPHABET, max_characters=40)
lines = order_texts(texts.lines, seed=0)
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence

import numpy as np

from scribe.console import UsageError
from scribe.ink.alphabet import fit_to_alphabet
from scribe.ink.segments import split_text

LONGEST_WORD = 40  # characters; the network has hardly seen longer ones

# What pandas, and so Hugging Face's imagefolder, reads from a CSV as a missing value, and what as a boolean.
PANDAS_NA_STRINGS = frozenset(
    "#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null".split("|")
)
PANDAS_BOOLEANS = frozenset("true false True False TRUE FALSE".split())


def read_texts(paths: Iterable[str]) -> list[str]:
    """The contents of text files in UTF-8.

    Raises:
        UsageError: a file is not a text. OSError: it cannot be read.
    """
    contents = []
    for path in paths:
        try:
            with open(path, encoding="utf-8-sig") as file:
                contents.append(file.read())
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not a text in UTF-8: {error}.") from None
    return contents


@dataclasses.dataclass
class Texts:
    """What there is to write.

    Attributes:
        lines: the distinct lines, in the characters of the alphabet, in the order in which the files have them.
        replaced: character -> what is written for it.
        dropped: characters that are left out.
        too_long: number of lines left out because a word has more than LONGEST_WORD characters.
    """

    lines: list[str]
    replaced: dict[str, str]
    dropped: list[str]
    too_long: int


def cut_texts(contents: Iterable[str], alphabet: str, max_characters: int) -> Texts:
    """Cuts texts into lines that the network can write: every line of a text becomes one or more lines.

    Args:
        contents: texts.
        alphabet: characters that the network knows.
        max_characters: of a line, which is cut at words.
    """
    texts = Texts([], {}, [], 0)
    seen: set[str] = set()
    dropped: dict[str, None] = {}  # as an ordered set
    for line in (line for content in contents for line in content.splitlines()):
        fitted, replaced, lost = fit_to_alphabet(line, alphabet)
        texts.replaced |= replaced
        dropped |= dict.fromkeys(lost)
        for text in (text for paragraph in split_text(fitted, max_characters, "keep") for text in paragraph):
            if text in seen:
                continue
            seen.add(text)
            if max(map(len, text.split())) > LONGEST_WORD:
                texts.too_long += 1
            else:
                texts.lines.append(text)
    texts.dropped = list(dropped)
    return texts


def order_texts(lines: Sequence[str], seed: int) -> list[str]:
    """Lines in the order in which they are written."""
    return [lines[i] for i in np.random.default_rng([seed, 0]).permutation(len(lines))]


def misread_as_csv(texts: Sequence[str]) -> bool:
    """Whether a CSV reader that guesses types would read one of these texts as missing, or the column as numbers."""
    numbers = 0
    for text in texts:
        if text in PANDAS_NA_STRINGS:
            return True
        number = re.fullmatch(r"[-+]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?|[-+]?inf(inity)?", text)
        numbers += text in PANDAS_BOOLEANS or bool(number)
    return 2 * numbers >= max(len(texts), 1)  # such readers guess from some thousand rows at a time
