"""Texts of a data set: read, cut into lines that the network can write, ordered by the seed.

from scribe.dataset.texts import cut_texts, order_texts, read_texts
texts = cut_texts(read_texts(["texts.txt"]), ALPHABET, max_characters=40)
lines = order_texts(texts.lines, seed=0)
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence

import numpy as np

from scribe.files.text_file import read_text
from scribe.ink.segments import split_text
from scribe.ink.writable import fit_text, foreign_scripts

LONGEST_WORD = 40  # characters; the network has hardly seen longer ones

# What pandas, and so Hugging Face's imagefolder, reads from a CSV as a missing value, and what as a boolean.
PANDAS_NA_STRINGS = frozenset(
    "#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null".split("|")
)
PANDAS_BOOLEANS = frozenset("true false True False TRUE FALSE".split())


def read_texts(paths: Iterable[str]) -> list[str]:
    """The contents of text files, as `text_file.read_text` reads them.

    Raises:
        UsageError: a file is not a text. OSError: it cannot be read.
    """
    return [read_text(path) for path in paths]


@dataclasses.dataclass
class Texts:
    """What there is to write.

    Attributes:
        lines: the distinct lines, as they will be written, in the order in which the files have them.
        replaced: character -> what is written for it.
        dropped: characters that are left out.
        turned: what may say something else now, as `Fitted.turned`.
        foreign: script -> number of lines left out because of its letters.
        too_long: number of lines left out because a word has more than LONGEST_WORD characters.
    """

    lines: list[str]
    replaced: dict[str, str]
    dropped: list[str]
    too_long: int
    turned: list[str] = dataclasses.field(default_factory=list)
    foreign: dict[str, int] = dataclasses.field(default_factory=dict)


def cut_texts(contents: Iterable[str], alphabet: str, max_characters: int) -> Texts:
    """Cuts texts into lines that the network can write: every line of a text becomes one or more lines.

    Args:
        contents: texts.
        alphabet: characters that the network knows; others are composed, or written as `fit_text` does.
        max_characters: of a line, which is cut at words.
    """
    texts = Texts([], {}, [], 0)
    seen: set[str] = set()
    dropped: dict[str, None] = {}  # as an ordered set
    for line in (line for content in contents for line in content.splitlines()):
        foreign = foreign_scripts(line, alphabet)
        if foreign:  # what is left of such a line is no text
            for script in foreign:
                texts.foreign[script] = texts.foreign.get(script, 0) + 1
            continue
        fitted = fit_text(line, alphabet)
        texts.replaced |= fitted.replaced
        texts.turned += fitted.turned
        dropped |= dict.fromkeys(fitted.dropped)
        for text in (text for paragraph in split_text(fitted.text, max_characters, "keep") for text in paragraph):
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
