"""Any text as one that can be written: the network's characters, composed ones, and substitutes for the rest.

    from scribe.ink.writable import fit_text
    fitted = fit_text("Temperaturen ≤ 20 ℃")
    fitted.text          # "Temperaturen <= 20 °C"
    fitted.replaced      # {"≤": "<=", "℃": "°C"}

What has no substitute is left out. Letters of other scripts are too, so a command asks `foreign_scripts` first and
refuses such a text; Greek, Cyrillic, Armenian and Georgian can be written in Latin letters (`transliterate`).
"""

import dataclasses
import functools
import re
import unicodedata
from collections.abc import Iterable

from scribe.ink.alphabet import ALPHABET, CLOSEST, check_characters
from scribe.ink.composed import is_composed
from scribe.ink.segments import TAB

# Characters that stand for others of about the same shape or meaning. A substitute may need another one in its turn;
# where nothing can be composed, those of `alphabet.CLOSEST` follow.
_SUBSTITUTES = {
    "≤": "<=", "≥": ">=", "≦": "<=", "≧": ">=", "≪": "<<", "≫": ">>", "⇒": "=>", "⇐": "<=", "⇔": "<=>", "↔": "<->",
    "⟶": "→", "➔": "→", "➜": "→", "➡": "→", "⟵": "←", "⬅": "←", "≅": "≈", "≃": "≈", "≐": "=", "∼": "~", "∓": "-/+",
    "⁃": "-", "‐": "-", "‑": "-", "‒": "–", "―": "—", "⸺": "—", "−": "–", "⁻": "-", "⁺": "+", "₋": "-", "₊": "+",
    "‟": "“", "❝": "“", "❞": "”", "‛": "‘", "ʼ": "’", "ʻ": "‘", "‴": "′′′", "∕": "/", "∗": "*", "★": "*", "☆": "*",
    "∙": "·", "⋅": "·", "◦": "•", "‣": "•", "▪": "•", "▫": "•", "■": "•", "●": "•", "○": "•", "◆": "•", "◇": "•",
    "□": "☐", "⬜": "☐", "✔": "✓", "✅": "✓", "☑": "✓", "☒": "✗", "✘": "✗", "✕": "✗", "✖": "✗", "❌": "✗", "☺": ":-)",
    "☹": ":-(", "🙁": ":-(", "😢": ":-(", "😉": ";-)", "⋯": "…", "♯": "#", "♭": "b", "⌀": "Ø", "∅": "Ø", "₤": "£",
    "℗": "(P)", "℮": "e", "μ": "µ", "∆": "Δ", "¦": "|", "″": '"', "‹": "'", "›": "'", "ẞ": "SS", "ŋ": "ng", "Ŋ": "NG",
    "ſ": "s", "Ð": "D",
}  # fmt: skip
# Whole words, which take a space from their neighbours; currencies by their codes.
_WORDS = {
    "№": "No.", "§": "par.", "€": "EUR", "£": "GBP", "$": "USD", "¥": "JPY", "₹": "INR", "₽": "RUB", "₩": "KRW",
    "₪": "ILS", "₺": "TRY", "₴": "UAH", "₫": "VND", "₱": "PHP", "฿": "THB", "₿": "BTC", "₦": "NGN", "₸": "KZT",
    "₼": "AZN", "₾": "GEL", "₡": "CRC", "₲": "PYG", "₵": "GHS", "₭": "LAK", "₮": "MNT", "֏": "AMD", "៛": "KHR",
    "¢": "ct", "°": "deg",
}  # fmt: skip
# Substitutes that say less than what they stand for: whoever reads them may understand something else.
_TURNS_MEANING = frozenset("=~<>^|\\≠≈∓±×÷√∞")
_SCRIPTS = {
    "CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean", "ETHIOPIC": "Ethiopic",
}  # fmt: skip
TRANSLITERATED = ("Armenian", "Cyrillic", "Georgian", "Greek")
_TERMINAL_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CLOSE_UP = frozenset(",.;:!?)")
_MAX_NAMED = 5  # places that may say something else; of more of them the first are named
_MODIFIERS = re.compile("[\U0001f3fb-\U0001f3ff\ufe00-\ufe0f\u20e3\U000e0020-\U000e007f]")


@dataclasses.dataclass
class Fitted:
    """A text as it can be written.

    Attributes:
        text: without white space at its ends, and none but single spaces where something was replaced.
        replaced: character -> what is written for it.
        dropped: characters that are left out, each once, in order.
        turned: what may now say something else, as sentences such as "'∛' is left out of '∛8'".
    """

    text: str
    replaced: dict[str, str] = dataclasses.field(default_factory=dict)
    dropped: list[str] = dataclasses.field(default_factory=list)
    turned: list[str] = dataclasses.field(default_factory=list)


def fit_text(text: str, alphabet: str = ALPHABET) -> Fitted:
    """Writes a text with the characters of the alphabet and with composed ones.

    Args:
        text: any text; white space of any kind is a space, and what cannot be seen (zero-width characters, soft
            hyphens, control characters) is nothing.
        alphabet: of the network.

    Raises:
        UsageError: the text has half of a character, a lone surrogate.
    """
    text = clean(text)
    fitted = Fitted("")
    out: list[str] = []
    follows_dropped = False
    for k, c in enumerate(text):
        if _is_writable(c, alphabet):
            if follows_dropped and c in _CLOSE_UP and out and out[-1] == " ":  # "Zoë 😘," is "Zoë,"
                out.pop()
            follows_dropped = False
            out.append(c)
            continue
        written = _substitute(c, alphabet)
        follows_dropped = written is None
        if written is None:
            if c not in fitted.dropped:
                fitted.dropped.append(c)
            if not unicodedata.category(c).startswith("M") and not _is_picture(c):
                fitted.turned.append(f"{c!r} is left out of {_word_at(text, k)!r}")
            continue
        fitted.replaced[c] = written.strip()
        if c in _TURNS_MEANING:
            fitted.turned.append(f"{c!r} in {_word_at(text, k)!r} is written {written!r}")
        before, after = out[-1][-1:] if out else "", text[k + 1 : k + 2]
        if written == _WORDS.get(c):
            written = _spaced(written, before, after)
        elif before.isdigit() and unicodedata.decomposition(c).startswith("<fraction>"):
            written = f" {written}"
        out.append(written)
    fitted.text = "".join(out).strip()
    if fitted.dropped:  # the spaces around them would stand side by side
        fitted.text = re.sub(" +", " ", fitted.text)
    fitted.turned = list(dict.fromkeys(fitted.turned))
    return fitted


def fit_lines(lines: Iterable[str], alphabet: str = ALPHABET) -> tuple[list[str], list[str]]:
    """Lines as `fit_text` makes them, with their indents as spaces.

    Returns:
        (lines, remarks): remarks are sentences, without their stop, on what was replaced, left out, or may be
        misunderstood; each kind once for all lines.
    """
    fitted = []
    replaced: dict[str, str] = {}
    dropped: dict[str, None] = {}  # as ordered sets
    turned: dict[str, None] = {}
    for line in lines:
        one, wide = fit_text(line, alphabet), line.expandtabs(TAB)
        fitted.append(" " * (len(wide) - len(wide.lstrip())) + one.text if one.text else "")
        replaced |= one.replaced
        dropped |= dict.fromkeys(one.dropped)
        turned |= dict.fromkeys(one.turned)
    return fitted, remarks_on(replaced, dropped, turned)


def remarks_on(replaced: dict[str, str], dropped: Iterable[str], turned: Iterable[str]) -> list[str]:
    """What is to be said of texts that were fitted; arguments as the attributes of `Fitted`."""
    remarks = []
    if replaced:
        closest = ", ".join(f"{a!r} as {b!r}" for a, b in replaced.items())
        remarks.append(f"written as the closest that exists: {closest}")
    if dropped:
        remarks.append("left out, the model has not learned them: " + " ".join(map(repr, dropped)))
    if turned:
        remarks.append(f"this may say something else now: {'; '.join(list(turned)[:_MAX_NAMED])}")
    return remarks


def clean(text: str) -> str:
    """A text in composed Unicode (NFC) without what cannot be seen; white space of any kind becomes spaces.

    Raises:
        UsageError: it has half of a character.
    """
    check_characters(text)
    text = _MODIFIERS.sub("", _TERMINAL_COLOURS.sub("", unicodedata.normalize("NFC", text)))
    seen = (
        " " if c.isspace() or unicodedata.category(c) == "Cc" else c for c in text if unicodedata.category(c) != "Cf"
    )
    return "".join(seen)


def _is_writable(c, alphabet):
    return c in alphabet or is_composed(c, alphabet)


@functools.lru_cache(4096)
def _substitute(c, alphabet, depth=0):
    """What is written for a character that cannot be written itself; None if there is nothing."""
    for candidate in _candidates(c):
        parts = []
        for k in candidate:
            own = k if _is_writable(k, alphabet) else None
            if own is None and k != c and depth < 3:
                own = _substitute(k, alphabet, depth + 1)
            parts.append(own)
        if candidate and all(part is not None for part in parts):
            return "".join(parts)
    return None


def _candidates(c):
    """Texts that may stand for a character, the best first."""
    yield _SUBSTITUTES.get(c, "")
    yield _WORDS.get(c, "")
    yield CLOSEST.get(c, "")
    name = unicodedata.name(c, "")
    if unicodedata.category(c) == "Nd":
        yield str(unicodedata.digit(c))
    if unicodedata.category(c) == "Sc":
        yield name.removesuffix(" SIGN").lower()
    if "HEART" in name and _is_picture(c):
        yield "♥"
    if ("SMILING" in name or "GRINNING" in name) and "FACE" in name:
        yield ":-)"
    kind, _, _ = unicodedata.decomposition(c).partition(">")
    plain = unicodedata.normalize("NFKC", c).replace("⁄", "/").replace("∕", "/")
    if kind == "<circle":
        yield f"({plain})"
    if kind in ("<super", "<sub"):
        yield ("^" if kind == "<super" else "_") + plain
    yield plain
    apart = unicodedata.normalize("NFKD", c)
    yield "".join(k for k in apart if not unicodedata.combining(k)).replace("⁄", "/")
    match = re.match(r"LATIN (SMALL|CAPITAL) LETTER (?:\w+ )*?([A-Z])(?: WITH .*)?$", name)
    if match:
        yield match[2].lower() if match[1] == "SMALL" else match[2]
    for other in (c.upper(), c.lower()):
        yield other if other != c else ""


def _spaced(word, before, after):
    """A word between two characters: a space on each side where these are not spaces or punctuation already."""
    left = " " if before and (before.isalnum() or before in ").,:;!?%") else ""
    right = " " if after and (after.isalnum() or after in "([#") else ""
    return left + word + right


def _word_at(text, k):
    """The word around place k, and for a sign that stands alone its neighbours."""
    start, end = text.rfind(" ", 0, k) + 1, text.find(" ", k)
    end = len(text) if end < 0 else end
    if end - start == 1:
        start, end = max(text.rfind(" ", 0, max(start - 1, 0)) + 1, 0), text.find(" ", end + 1)
        end = len(text) if end < 0 else end
    return text[start:end]


def _is_picture(c):
    """Emoji and other pictures, which say nothing that a text depends on."""
    return unicodedata.category(c) in ("So", "Sk")


# ------------------------------------------------------------------------------------------------------------- scripts


def script_of(c: str) -> str:
    """The name of the script that a letter belongs to, such as "Greek"; "Latin" for all that is no letter."""
    if not unicodedata.category(c).startswith("L"):
        return "Latin"
    first = unicodedata.name(c, "UNKNOWN").split()[0].split("-")[0]
    if unicodedata.name(c, "").startswith(("LATIN", "FULLWIDTH LATIN", "MODIFIER LETTER", "FEMININE", "MASCULINE")):
        return "Latin"
    return _SCRIPTS.get(first, first.capitalize())


def foreign_scripts(text: str, alphabet: str = ALPHABET) -> dict[str, str]:
    """Scripts of letters that can neither be written nor substituted: {name: the first word in it}."""
    found: dict[str, str] = {}
    for word in clean(text).split():
        for c in word:
            if not _is_writable(c, alphabet) and _substitute(c, alphabet) is None:
                script = script_of(c)
                if script != "Latin":
                    found.setdefault(script, word)
    return found


def transliterate(text: str) -> str:
    """Words in Greek, Cyrillic, Armenian and Georgian in Latin letters; all else as it is."""
    from anyascii import anyascii

    def latin(match):
        word = match.group()
        scripts = {script_of(c) for c in word}
        if not scripts & set(TRANSLITERATED) or len(word) == 1 and is_composed(word):
            return word
        return "".join(anyascii(c) if script_of(c) in TRANSLITERATED else c for c in word)

    return re.sub(r"\w+", latin, unicodedata.normalize("NFC", text))
