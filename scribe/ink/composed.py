"""Composed characters: what the network writes for them, and what is added to its ink. Texts alone, no ink.

    from scribe.ink.composed import compose_text
    composition = compose_text("Zoë pays 5 €")
    composition.base        # "Zoe pays 5": what the network writes
    composition.text        # what stands there in the end

The network has learned some 80 characters. An accented letter is its base letter with marks over, under or through it;
a few letters are two base letters moved together; every other sign is drawn (`scribe/ink/shapes.py`). Where a sign
stands, the network leaves a space, so that the pen lifts there and the sign finds its room.
`scribe/ink/composing.py` adds the ink.
"""

import dataclasses
import functools
import itertools
import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

from scribe.ink.alphabet import ALPHABET
from scribe.ink.shapes import PUNCTUATION, SIGNS

OVER, UNDER, THROUGH, BESIDE = "over", "under", "through", "beside"
# Marks of `shapes.MARKS`, by the combining character that Unicode writes them with.
_COMBINING = {
    "\u0300": "grave", "\u0301": "acute", "\u0302": "circumflex", "\u0303": "tilde", "\u0304": "macron",
    "\u0306": "breve", "\u0307": "dot", "\u0308": "diaeresis", "\u0309": "hook", "\u030a": "ring",
    "\u030b": "double acute", "\u030c": "caron", "\u030f": "double grave", "\u0311": "inverted breve",
    "\u031b": "horn", "\u0323": "dot below", "\u0324": "diaeresis below", "\u0326": "comma", "\u0327": "cedilla",
    "\u0328": "ogonek", "\u032d": "circumflex below", "\u0331": "macron below",
}  # fmt: skip
PLACES = {
    **dict.fromkeys(_COMBINING.values(), OVER), "turned comma": OVER, "apostrophe": BESIDE, "middle dot": BESIDE,
    "horn": BESIDE, "bar": THROUGH, "short slash": THROUGH, "slash": THROUGH,
    **dict.fromkeys(
        ("dot below", "diaeresis below", "comma", "cedilla", "ogonek", "circumflex below", "macron below"), UNDER
    ),
}  # fmt: skip
# Where Unicode's decomposition does not say what is written.
_OTHER: dict[str, tuple[str, tuple[str, ...]]] = {
    "ø": ("o", ("slash",)), "Ø": ("O", ("slash",)), "ł": ("l", ("short slash",)), "Ł": ("L", ("short slash",)),
    "đ": ("d", ("bar",)), "Đ": ("D", ("bar",)), "Ð": ("D", ("bar",)), "ħ": ("h", ("bar",)), "Ħ": ("H", ("bar",)),
    "ŧ": ("t", ("bar",)), "Ŧ": ("T", ("bar",)), "ƀ": ("b", ("bar",)), "ǥ": ("g", ("bar",)), "ı": ("i", ()),
    "ȷ": ("j", ()), "æ": ("ae", ()), "œ": ("oe", ()), "ĳ": ("ij", ()), "Ĳ": ("IJ", ()), "ŉ": ("'n", ()),
    "’": ("'", ()), "ŀ": ("l", ("middle dot",)), "Ŀ": ("L", ("middle dot",)),
    "ď": ("d", ("apostrophe",)), "ť": ("t", ("apostrophe",)), "ľ": ("l", ("apostrophe",)),
    "Ľ": ("L", ("apostrophe",)), "ģ": ("g", ("turned comma",)),
    **{c: (base, ("comma",)) for c, base in zip("ĢķĶļĻņŅŗŖ", "GkKlLnNrR")},
}  # fmt: skip
# Too rare in people's lines for the network to learn: a slash comes out as a 1, a bracket as a C.
BADLY_WRITTEN = frozenset("/+#[]")
MERGED = ("ae", "oe")  # base letters that are moved together
_DOTTED = "ij"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a character is written.

    Attributes:
        base: what the network writes, one or two letters; "" for a sign that is drawn.
        marks: names of `shapes.MARKS`, in the order of writing.
        dotless: the i or j loses its dot.
    """

    base: str
    marks: tuple[str, ...] = ()
    dotless: bool = False


@functools.cache
def recipe_of(character: str) -> Recipe | None:
    """The recipe of a composed character; None for any other."""
    if character in SIGNS:
        return Recipe("")
    base, marks = _OTHER.get(character, ("", ()))
    if not base:
        first, *combining = list(unicodedata.normalize("NFD", character))
        if not combining or not all(c in _COMBINING for c in combining):
            return None
        before = recipe_of(first) if first in _OTHER or first in SIGNS else Recipe(first)
        if before is None or not (before.base.isascii() and (before.base.isalpha() or first in SIGNS)):
            return None
        base, marks = before.base, before.marks + tuple(_COMBINING[c] for c in combining)
    over = any(PLACES[mark] == OVER for mark in marks)
    return Recipe(base, marks, dotless=base in _DOTTED and (over or not marks))


def is_composed(character: str, alphabet: str = ALPHABET) -> bool:
    """Whether a character that the alphabet lacks can be written by composing."""
    recipe = None if character in alphabet else recipe_of(character)
    return recipe is not None and all(c in alphabet for c in recipe.base)


def base_letter(character: str) -> str:
    """The base letter of a composed one, the first of two; "" for a sign; any other character is its own."""
    recipe = recipe_of(character)
    return character if recipe is None else recipe.base[:1]


@dataclasses.dataclass(frozen=True)
class Composition:
    """A text, and what the network writes for it.

    Attributes:
        text: U characters, some of them composed.
        base: what the network writes: V characters of its alphabet.
        places: int [V], the character of `text` that each of `base` belongs to.
        gaps: for each word of `base` the characters of `text` (spaces and signs, by their place) before it, and at last
            those after the last word.
    """

    text: str
    base: str
    places: NDArray[np.integer]
    gaps: list[list[int]]

    @property
    def is_plain(self) -> bool:
        """Whether the network writes the text as it is."""
        return self.text == self.base

    def gaps_of(self, counts: list[int]) -> list[list[int]]:
        """The gaps around groups of words, each of as many as `counts` says; what is within a group comes after it."""
        gaps, k = [list(self.gaps[0])], 1
        for count in counts:
            gaps.append([])
            for inner in self.gaps[k : k + count - 1]:
                gaps[-1] += [u for u in inner if self.text[u] != " "]
            gaps[-1] += self.gaps[k + count - 1]
            k += count
        return gaps

    def has_signs(self) -> bool:
        """Whether something is drawn between words, so that they stand elsewhere than the network writes them."""
        return any(self.text[u] != " " for gap in self.gaps for u in gap)


def _drawn(text, alphabet):
    """For each character whether it is drawn between words: signs, what the network writes badly, and punctuation that
    stands between these alone.

    So is a text of nothing but punctuation: the network needs letters to know where a hyphen is and where a full stop.
    """
    drawn = [c in BADLY_WRITTEN or c not in alphabet and getattr(recipe_of(c), "base", None) == "" for c in text]
    if all(sign or c in PUNCTUATION or c == " " for sign, c in zip(drawn, text, strict=True)):
        return [c != " " for c in text]
    for match in re.finditer(r"[^ ]+", text):
        start, end = match.span()
        for sign, run in itertools.groupby(range(start, end), lambda u: drawn[u]):
            own = list(run)
            beside_sign = own[0] > start or own[-1] < end - 1
            if not sign and beside_sign and all(text[u] in PUNCTUATION for u in own):
                for u in own:
                    drawn[u] = True
    return drawn


def compose_text(text: str, alphabet: str = ALPHABET) -> Composition:
    """The Composition of a text: one space between words and none at the ends.

    Args:
        text: characters of the alphabet and composed ones; `scribe/ink/writable.py` makes such a text of any other.
        alphabet: of the network.

    Raises:
        ValueError: a character is neither.
    """
    text = " ".join(text.split())
    drawn = _drawn(text, alphabet)
    words: list[str] = [""]
    places: list[list[int]] = [[]]
    gaps: list[list[int]] = [[]]
    for u, c in enumerate(text):
        recipe = Recipe(c) if c in alphabet else recipe_of(c)
        if recipe is None or not all(k in alphabet for k in recipe.base):
            raise ValueError(f"{c!r} in {text!r} can neither be written nor composed.")
        if c != " " and not drawn[u]:
            words[-1] += recipe.base
            places[-1] += [u] * len(recipe.base)
        else:
            if words[-1]:
                words.append("")
                places.append([])
                gaps.append([])
            gaps[-1].append(u)
    if words[-1]:
        gaps.append([])
    else:
        words.pop()
        places.pop()
    index: list[int] = []
    for k, own in enumerate(places):
        index += ([gaps[k][0]] if k else []) + own
    return Composition(text, " ".join(words), np.array(index, int), gaps)
