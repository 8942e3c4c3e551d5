"""What a text says about its words beside their letters: where they may be broken, what is underlined or crossed out.

    from scribe.ink.word_marks import break_long_words, parse_markup, read_words
    text = break_long_words(parse_markup("a __very__ long ~~URL~~: https://..."), room, breaker)
    plain, joints, marks = read_words(text)

Such a text has a few characters of Unicode that are not written: JOINT or HYPHEN after a space joins two pieces of a
word, with FORCED where nobody asked for a break; UNDERLINED or CROSSED stands before a word. `read_words` takes them
out again when the text is written, piece by piece, as if they were words; `scribe/pages/layout.py` sets the pieces side
by side, or breaks the line there.
"""

import re
from collections.abc import Callable

from scribe.ink.composed import base_letter
from scribe.ink.typical import estimate_width

JOINT, HYPHEN = "\u200b", "\u00ad"  # a line may break here; with a hyphen
FORCED = "\ue002"  # after one of them: a line breaks here only where it has no room for the word
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
    return re.sub(f"[{JOINT}{HYPHEN}{FORCED}{UNDERLINED}{CROSSED}]", "", text)


def bare(word: str) -> str:
    """A word as a message names it: without the punctuation around it."""
    return re.sub(r"^\W+|\W+$", "", word)


def read_words(text: str) -> tuple[str, list[str], list[str]]:
    """What is written, and about each of its words (pieces of words are words here) what stands before and its mark.

    Returns:
        (text without the special characters, a space between words; for each word " ", "" or "-": a space, or the joint
        of two pieces without or with a hyphen, "!" or "-!" where it is forced; for each word "", "underlined" or
        "crossed").
    """
    joining = JOINT + HYPHEN + FORCED
    words, joints, marks = [], [], []
    mark = ""
    for match in re.finditer(f"([ {joining}]*)([^ {joining}]+)", text):
        before, word = match.groups()
        joint = "-" if HYPHEN in before else "" if JOINT in before else " "
        joint += "!" if FORCED in before else ""
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

    Addresses break after their signs, other words where `hyphenate` allows it, else between syllables as they look,
    numbers and codes anywhere.

    Args:
        text: words with one space between them. room: the width of a line in x-heights. hyphenate: a function that
            returns the places in a word where it may be broken.

    Returns:
        (the text, the words that are probably broken although nobody asked for it: the layout, which knows how wide
        they were written, says which of them are).
    """
    words, forced = [], []
    for word in text.split(" "):
        if width_of(word) <= ROOM_USED * room and len(plain(word)) <= LONGEST_PIECE + 8:
            words.append(word)
            continue
        mark = word[: len(word) - len(word.lstrip(UNDERLINED + CROSSED))]
        pieces = _pieces(word[len(mark) :], room, hyphenate)
        words.append(mark + pieces)
        if FORCED in pieces and width_of(word) > room:
            forced.append(bare(plain(word)))
    return " ".join(words), forced


def _pieces(word, room, hyphenate):
    """A word with a space and the characters of a joint wherever it may be broken."""

    def fits(part):
        return width_of(part) <= ROOM_USED * room and len(part) <= LONGEST_PIECE

    atoms = []  # (part of the word, what joins it to the one before)
    signs = re.escape(_BREAK_AFTER)
    for part in re.findall(rf"[{signs}]*[^{signs}]+[{signs}]*|[{signs}]+", word):
        joints = {0: JOINT} | ({} if fits(part) else _joints_within(part, hyphenate))
        for (start, joint), end in zip(joints.items(), [*list(joints)[1:], len(part)], strict=True):
            atoms.append((part[start:end], joint))
    pieces: list[tuple[str, str]] = []
    for part, joint in atoms:
        if pieces and fits(pieces[-1][0] + part):
            pieces[-1] = (pieces[-1][0] + part, pieces[-1][1])
        else:
            pieces.append((part, joint))
    return pieces[0][0] + "".join(f" {joint}{part}" for part, joint in pieces[1:])


def _joints_within(part, hyphenate):
    """{place: joint} of a part of a word without signs within it, places in order.

    The letters of a word take hyphens, whatever stands before and after them. A hyphen in a number or a code would be
    read as part of it, so these are cut without one, and anywhere.
    """
    runs = [run for run in re.finditer(r"[^\W\d_]+", part) if len(run[0]) >= 2 * LEAST_PIECE]
    if not runs or any(map(str.isdigit, part)):
        return dict.fromkeys(range(LEAST_PIECE, len(part) - LEAST_PIECE + 1), JOINT + FORCED)
    joints = {}
    for run in runs:
        places = _within(hyphenate(run[0]), run[0]) if hyphenate else []
        joint = HYPHEN if places else HYPHEN + FORCED
        joints |= dict.fromkeys((run.start() + k for k in places or _syllables(run[0])), joint)
    return joints


def _syllables(letters):
    """Where letters may be cut without the rules of a language: before a consonant that a vowel follows, as syllables
    of most languages begin; else anywhere."""
    vowel = [c in _VOWELS for c in letters] + [False]
    places = [k for k in range(1, len(letters)) if not vowel[k] and vowel[k + 1]]
    return _within(places, letters) or list(range(LEAST_PIECE, len(letters) - LEAST_PIECE + 1))


def _within(places, letters):
    """The places that leave LEAST_PIECE letters on both sides."""
    return [k for k in places if LEAST_PIECE <= k <= len(letters) - LEAST_PIECE]
