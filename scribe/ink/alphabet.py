"""Text as the network takes it: the alphabet, one-hot rows, the closest known characters. NumPy alone."""

import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

from scribe.console import UsageError

ALPHABET = " !\"#%&'()*+,-./0123456789:;?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]abcdefghijklmnopqrstuvwxyz"


def to_one_hot(s: str, ascii_steps: int | None = None, alphabet: str = ALPHABET) -> NDArray:
    """Text -> float32 [ascii_steps, len(alphabet) + 1]; a character outside the alphabet gets index 0.

    Args:
        s: the text.
        ascii_steps: rows; a longer text is cut, a shorter one is padded with zero rows. None: as many as characters.
        alphabet: known characters; character i of it gets index i + 1.
    """
    steps = len(s) if ascii_steps is None else ascii_steps
    one_hot = np.zeros((steps, len(alphabet) + 1), np.float32)
    indices = [alphabet.find(c) + 1 for c in s[:steps]]
    one_hot[np.arange(len(indices)), indices] = 1.0
    return one_hot


_SURROGATE = re.compile("[\ud800-\udfff]")


def has_half_character(text: str) -> bool:
    """Whether a text holds a lone surrogate: half of a character, which no file in UTF-8 can hold."""
    return _SURROGATE.search(text) is not None


def check_characters(text: str) -> None:
    """Raises UsageError where a text has half of a character: such a text is damaged, and could not be saved."""
    half = _SURROGATE.search(text)
    if half:
        where = ascii(text[max(0, half.start() - 10) : half.end() + 10])
        raise UsageError(f"the text has half of a character (a lone surrogate), near {where}: it is not whole Unicode.")


# Characters without a decomposition in Unicode: those that people paste from a word processor, and a few letters.
CLOSEST = {
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "`": "'", "´": "'", "′": "'",
    "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "_": "-", "~": "-", "•": "*", "·": ".", "×": "*", "÷": "/",
    "⁄": "/", "\t": " ", "\n": " ", "\r": " ", "{": "(", "}": ")", "<": "(", ">": ")", "|": "/", "\\": "/", "¿": "?",
    "¡": "!", "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d",
    "Đ": "D", "ð": "d", "þ": "th", "Þ": "Th", "ı": "i", "€": "EUR ", "£": "GBP ", "$": "USD ", "@": "(at)",
    "=": "-", "^": "'",
}  # fmt: skip


def fit_to_alphabet(text: str, alphabet: str = ALPHABET) -> tuple[str, dict[str, str], list[str]]:
    """Writes `text` with the characters of `alphabet` alone, as for the text of a style; for what is to be written see
    scribe/ink/writable.py.

    Returns:
        (fitted text, replaced, dropped): replaced maps every character that was written as a close one to what stands
        for it; dropped lists the characters that were left out, each once, in order.

    Raises:
        UsageError: the text has half of a character.
    """
    check_characters(text)
    fitted, replaced, dropped = [], {}, []
    for c in text:
        if c in alphabet:
            fitted.append(c)
            continue
        for candidate in (CLOSEST.get(c, ""), unicodedata.normalize("NFKD", c), c.upper(), c.lower()):
            kept = "".join(k for k in (CLOSEST.get(k, k) for k in candidate) if k and all(p in alphabet for p in k))
            if kept:
                break
        if kept:
            replaced[c] = kept
            fitted.append(kept)
        elif c not in dropped:
            dropped.append(c)
    return "".join(fitted), replaced, dropped
