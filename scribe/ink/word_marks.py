"""What a text says about its words beside their letters: where they may be broken, what is underlined or crossed out.

    from scribe.ink.word_marks import break_long_words, parse_markup, read_words
    text = break_long_words(parse_markup("a __very__ long ~~URL~~: https://..."), room, breaker)
    plain, joints, marks = read_words(text)

Such a text has a few characters of Unicode that are not written: JOINT or HYPHEN after a space joins two pieces of a
word, UNDERLINED or CROSSED stands before a word. `read_words` takes them out again when the text is written, piece by
piece, as if they were words; `scribe/pages/layout.py` sets the pieces side by side, or breaks the line there.
"""

import re
from collections.abc import Callable

from scribe.ink.composed import base_letter
from scribe.ink.typical import estimate_width

JOINT, HYPHEN = "\u200b", "\u00ad"  # a line may break here; with a hyphen
UNDERLINED, CROSSED = "\ue000", "\ue001"
MARKS = {UNDERLINED: "underlined", CROSSED: "crossed"}
# After these an address may be broken, but not between two of them.
_BREAK_AFTER = "/.-?&=@_\\,;:|+"
LONGEST_PIECE = 24  # characters; of longer ones the network has seen few
LEAST_PIECE = 2  # letters on each side of a hyphen
ROOM_USED = 0.72  # share of a line that a piece may take by its estimated width, since it may come out wider
_VOWELS = frozenset("aeiouyáàâäãåæéèêëíìîïóòôöõøœúùûüýAEIOUY")


def parse_markup(text: str) -> str:
    """`__words__` and `~~words~~` as words with UNDERLINED or CROSSED before each; other underscores stay."""
    for sign, mark in (("__", UNDERLINED), ("~~", CROSSED)):
        pattern = rf"(?<!\w){re.escape(sign)}(?=\S)(.+?)(?<=\S){re.escape(sign)}(?!\w)"
        text = re.sub(pattern, lambda m, mark=mark: re.sub(r"(?<!\S)(?=\S)", mark, m[1]), text)
    return text


def plain(text: str) -> str:
    """A text without the characters that are not written."""
    return re.sub(f"[{JOINT}{HYPHEN}{UNDERLINED}{CROSSED}]", "", text)


def read_words(text: str) -> tuple[str, list[str], list[str]]:
    """What is written, and about each of its words (pieces of words are words here) what stands before and its mark.

    Returns:
        (text without the special characters, a space between words; for each word " ", "" or "-": a space, or the joint
        of two pieces without or with a hyphen; for each word "", "underlined" or "crossed").
    """
    words, joints, marks = [], [], []
    mark = ""
    for match in re.finditer(f"([ {JOINT}{HYPHEN}]*)([^ {JOINT}{HYPHEN}]+)", text):
        before, word = match.groups()
        joint = "-" if HYPHEN in before else "" if JOINT in before else " "
        own = "".join(MARKS[c] for c in word if c in MARKS)[:10]
        mark = own if joint == " " else own or mark
        words.append(word.lstrip(UNDERLINED + CROSSED))
        joints.append(joint)
        marks.append(mark)
    return " ".join(words), joints, marks


def width_of(text: str) -> float:
    """The estimated width of a text in x-heights, composed characters included."""
    return estimate_width("".join(base_letter(c) or c for c in plain(text)))


def hyphenator(language: str) -> Callable[[str], list[int]]:
    """A function that returns the places where a word of a language may be hyphenated.

    Raises:
        ValueError: there are no rules for the language.
    """
    import pyphen

    name = pyphen.language_fallback(language.replace("-", "_"))
    if name is None:
        known = sorted({name.split("_")[0] for name in pyphen.LANGUAGES})
        raise ValueError(f"there is no hyphenation for {language!r}: it is one of {', '.join(known)}.")
    return pyphen.Pyphen(lang=name).positions


def break_long_words(
    text: str, room: float, hyphenate: Callable[[str], list[int]] | None = None
) -> tuple[str, list[str]]:
    """Words that may not fit into a line as pieces, with a space and JOINT or HYPHEN between them.

    Addresses break after their signs, other words where `hyphenate` allows it, else between syllables as they look.

    Args:
        text: words with one space between them. room: the width of a line in x-heights. hyphenate: a function that
            returns the places in a word where it may be broken.

    Returns:
        (the text, the words that are broken although nobody asked for it).
    """
    words, forced = [], []
    for word in text.split(" "):
        if width_of(word) <= ROOM_USED * room and len(plain(word)) <= LONGEST_PIECE + 8:
            words.append(word)
            continue
        mark = word[: len(word) - len(word.lstrip(UNDERLINED + CROSSED))]
        pieces, hyphenated = _pieces(word[len(mark) :], room, hyphenate)
        words.append(mark + pieces)
        if hyphenated and hyphenate is None and width_of(word) > room:
            forced.append(plain(word))
    return " ".join(words), forced


def _pieces(word, room, hyphenate):
    """(a word with JOINT and HYPHEN in it, whether there is a HYPHEN)."""

    def fits(part):
        return width_of(part) <= ROOM_USED * room and len(part) <= LONGEST_PIECE

    atoms = []  # (part of the word, what stands before it)
    signs = re.escape(_BREAK_AFTER)
    for part in re.findall(rf"[{signs}]*[^{signs}]+[{signs}]*|[{signs}]+", word):
        places = [] if fits(part) else _hyphen_places(part, hyphenate)
        cuts = [0, *places, len(part)]
        for k, (start, end) in enumerate(zip(cuts, cuts[1:])):
            atoms.append((part[start:end], HYPHEN if k and part.isalpha() else JOINT))
    pieces: list[tuple[str, str]] = []
    for part, joint in atoms:
        if pieces and fits(pieces[-1][0] + part):
            pieces[-1] = (pieces[-1][0] + part, pieces[-1][1])
        else:
            pieces.append((part, joint))
    text = pieces[0][0] + "".join(f" {joint}{part}" for part, joint in pieces[1:])
    return text, HYPHEN in text


def _hyphen_places(part, hyphenate):
    """Where a part of a word may be hyphenated: by a language's rules; else before a consonant that a vowel follows,
    as syllables of most languages begin; else anywhere."""
    places = hyphenate(part) if hyphenate else []
    if not places:
        vowel = [c in _VOWELS for c in part] + [False]
        places = [k for k in range(1, len(part)) if not vowel[k] and vowel[k + 1]] if part.isalpha() else []
    inside = [k for k in places if LEAST_PIECE <= k <= len(part) - LEAST_PIECE]
    return inside or list(range(LEAST_PIECE, len(part) - LEAST_PIECE + 1))
