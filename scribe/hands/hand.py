"""A hand: how one person writes, as numbers that the network understands. NumPy alone.

    hand = load_hand("me.hand.npz")
    lines = sample_batch(["Dear Jon,"], model, hand=hand)
    between = mix_hands([(hand, 0.7), (other, 0.3)])

scribe/learning/reading.py makes a Hand of ink. Letters: D numbers of a description, U characters of a text.
"""

import contextlib
import dataclasses
import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scribe.console import SuiteError
from scribe.files.atomic import written_aside

# Written into every file of a hand that was learned from somebody's ink.
CONSENT = (
    "This file imitates a person's handwriting, and holds a line of it. Make and use it only with that person's "
    "consent, and never to deceive: not for signatures, and not for documents that seem to be by them."
)
LARGEST_FILE = 16 << 20  # bytes, packed and unpacked
LARGEST_NUMBER = 1e4  # of a hand; those of people are below 2, and of a line of ink below 100
HAND_ENDING = ".hand.npz"
FORMAT = 2  # 1 did not say which encoder a hand is of
DIFFERENCE = "difference"  # begins the names of the factors in a file; their number follows


# What reading a damaged archive of arrays raises: RuntimeError where it is encrypted (NotImplementedError is one, too).
DAMAGED = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error),
)


class HandError(SuiteError):
    """A file of a hand cannot be used; the message says why."""


@dataclasses.dataclass(frozen=True)
class Hand:
    """How one person writes.

    Attributes:
        vector: float32 [D], of the hand as a whole. All 0: the average of all people.
        glyphs: the characters of which something is known, each with float32 [D]; the others are written as the vector
            suggests.
        name: what to call it.
        notice: what its users should know, "" for a hand that is nobody's.
        differences: what the weights of the network differ by in this hand, by their names: float16 factors of a
            matrix, (a x rank, rank x b), or one vector; none for a hand that was only read. See
            scribe/writing/adapted.py.
        line: (strokes [n, 3], text), a line by the person to go on from, as from a style; offsets in units of
            data_scale. Matching (scribe/learning/matching.py) lets it lean a little otherwise. None: what is written
            begins with nothing, and is told of the hand by the numbers alone.
        encoder: `HandEncoder.digest` of the encoder whose numbers these are; "": not known.
    """

    vector: NDArray[np.float32]
    glyphs: dict[str, NDArray[np.float32]]
    name: str = ""
    notice: str = ""
    differences: dict[str, tuple[NDArray, ...]] = dataclasses.field(default_factory=dict)
    line: tuple[NDArray, str] | None = None
    encoder: str = ""

    def __post_init__(self):
        shapes = {np.shape(v) for v in (self.vector, *self.glyphs.values())}
        if shapes != {(len(self.vector),)}:
            raise ValueError(f"the descriptions of a hand should all be [D], but their shapes are {sorted(shapes)}.")

    @property
    def size(self) -> int:
        """D."""
        return len(self.vector)

    def glyphs_of(self, text: str) -> NDArray[np.float32]:
        """[U, D]: the descriptions of the characters of a text, 0 where nothing is known."""
        unknown = np.zeros(self.size, np.float32)
        return np.array([self.glyphs.get(c, unknown) for c in text], np.float32).reshape(len(text), self.size)

    def scaled(self, factor: float) -> "Hand":
        """The hand further from the average of all people (factor > 1), or nearer to it (< 1)."""
        return mix_hands([(self, factor)])


def hand_key(hand: Hand | None) -> str:
    """A digest of what a hand is, whatever it is called: two hands may have one name. "": any hand."""
    if hand is None:
        return ""
    named: list[tuple[Any, NDArray]] = [("vector", hand.vector), *sorted(hand.glyphs.items())]
    named += [((name, k), factor) for name, of in sorted(hand.differences.items()) for k, factor in enumerate(of)]
    if hand.line is not None:
        named.append((("line", hand.line[1]), np.asarray(hand.line[0])))
    digest = hashlib.sha256(hand.encoder.encode())
    for name, numbers in named:
        digest.update(repr((name, numbers.shape, numbers.dtype.str)).encode())
        digest.update(numbers.tobytes())
    return digest.hexdigest()


def mix_hands(parts: Sequence[tuple[Hand, float]], name: str = "") -> Hand:
    """A hand between hands: the sum of their descriptions, each times its weight.

    A character that a hand does not show counts there as the average of all people does, which is 0. The line of a
    single hand is kept; between hands there is none.

    Raises:
        ValueError: there are no hands, or they have different sizes.
        HandError: they are of different encoders, whose numbers mean different things.
    """
    if not parts or len({hand.size for hand, _ in parts}) != 1:
        raise ValueError(f"hands of one size can be mixed, but these have {[hand.size for hand, _ in parts]}.")
    characters = sorted(set().union(*(hand.glyphs for hand, _ in parts)))
    weights = np.array([weight for _, weight in parts], np.float32)
    vector = weights @ np.stack([hand.vector for hand, _ in parts])
    glyphs = {c: weights @ np.concatenate([hand.glyphs_of(c) for hand, _ in parts]) for c in characters}
    notices = dict.fromkeys(hand.notice for hand, _ in parts if hand.notice)
    differences = _mixed_differences([(hand.differences, weight) for hand, weight in parts])
    line = parts[0][0].line if len(parts) == 1 else None
    name = name or "+".join(hand.name for hand, _ in parts)
    encoders = {hand.encoder for hand, _ in parts} - {""}
    if len(encoders) > 1:
        raise HandError(f"the hands {name} are of different networks: learn them again with one.")
    return Hand(vector, glyphs, name, "\n".join(notices), differences, line, *encoders)


def _mixed_differences(parts):
    """Factors whose product is the sum of the products, each times its weight."""
    mixed = {}
    for name in dict.fromkeys(name for differences, _ in parts for name in differences):
        there = [(differences[name], np.float16(weight)) for differences, weight in parts if name in differences]
        first = [weight * factors[0] for factors, weight in there]
        second = [factors[1] for factors, _ in there if len(factors) > 1]
        mixed[name] = (np.concatenate(first, axis=1), np.concatenate(second)) if second else (sum(first),)
    return mixed


def hand_arrays(hands: Sequence[Hand | None], texts: Sequence[str], hand_size: int, length: int):
    """What the network is told of the hands that texts are to be written in.

    Args:
        hands: one for each text; None: any hand. texts: N strings. hand_size: D of the network. length: U, of the
            longest text.

    Returns:
        vectors [N, D], glyphs [N, U, D], float32.

    Raises:
        HandError: a hand was made for another network.
    """
    vectors = np.zeros([len(texts), hand_size], np.float32)
    glyphs = np.zeros([len(texts), length, hand_size], np.float32)
    for i, (hand, text) in enumerate(zip(hands, texts, strict=True)):
        if hand is None:
            continue
        if hand.size != hand_size:
            knows = f"knows hands of {hand_size} numbers" if hand_size else "knows of no hands"
            raise HandError(f"the hand {hand.name!r} has {hand.size} numbers, but this network {knows}.")
        vectors[i], glyphs[i, : len(text)] = hand.vector, hand.glyphs_of(text)
    return vectors, glyphs


# ------------------------------------------------------------------------------------------------------------- files


def hand_bytes(hand: Hand) -> bytes:
    """A hand as the content of an .npz file."""
    characters = "".join(hand.glyphs)
    arrays: dict[str, Any] = {
        f"{DIFFERENCE}{n}{name}": f for name, factors in hand.differences.items() for n, f in enumerate(factors)
    }
    arrays |= {"vector": hand.vector.astype(np.float32), "glyphs": hand.glyphs_of(characters).astype(np.float16)}
    texts = {"characters": characters, "name": hand.name, "notice": hand.notice, "encoder": hand.encoder}
    if hand.line is not None:
        strokes, texts["line_text"] = hand.line
        arrays["line"] = np.asarray(strokes, np.float16)
    arrays |= {key: np.array(value) for key, value in texts.items()} | {"format": np.int64(FORMAT)}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def save_hand(path: str | os.PathLike, hand: Hand) -> None:
    """Writes a hand to an .npz file, whole or not at all."""
    content = hand_bytes(hand)
    with written_aside(path) as aside, open(aside, "wb") as file:
        file.write(content)


def load_hand(path: str | os.PathLike | BinaryIO) -> Hand:
    """Reads a hand that `save_hand` wrote, from a file or a stream that can seek; no code in a file is run.

    Raises:
        HandError: it is missing, damaged, or something else.
    """
    missing = f"there is no hand {path}: learn one with python3 learn_hand.py."
    with opened_hands(path, LARGEST_FILE, "the file of a hand", "learn the hand again", missing) as file:
        vector, glyphs = checked_numbers(file["vector"]), checked_numbers(file["glyphs"])
        characters, name, notice, encoder = (str(file[key]) for key in ("characters", "name", "notice", "encoder"))
        differences: dict[str, tuple] = {}
        for key in sorted(key for key in file.files if key.startswith(DIFFERENCE)):
            weight = key[len(DIFFERENCE) + 1 :]
            differences[weight] = *differences.get(weight, ()), checked_numbers(file[key], np.float16)
        line = (checked_numbers(file["line"]), str(file["line_text"])) if "line" in file.files else None
        if line and (line[0].ndim != 2 or line[0].shape[1] != 3 or not len(line[0])):
            raise ValueError(f"its line has the shape {line[0].shape}")
        return Hand(vector, dict(zip(characters, glyphs, strict=True)), name, notice, differences, line, encoder)


def checked_numbers(array: NDArray, dtype: Any = np.float32) -> NDArray:
    """An array of a file, as numbers of the given type; ValueError if it holds none, or such as no hand has."""
    if array.dtype.kind != "f":
        raise ValueError(f"its numbers are of the type {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError("it holds numbers that are not finite")
    if np.abs(array).max(initial=0) > LARGEST_NUMBER:
        raise ValueError(f"it holds numbers above {LARGEST_NUMBER:,.0f}")
    return array.astype(dtype)


@contextlib.contextmanager
def opened_hands(
    path: str | os.PathLike | BinaryIO, largest: int, what: str, remedy: str, missing: str
) -> Iterator[Any]:
    """An .npz file of hands, checked and open to be read; whatever is wrong with it or its arrays is a `HandError`.

    Args:
        largest: bytes, packed and unpacked. what: it should be, as "the file of a hand".
        remedy: what to do about a damaged one. missing: the message where there is no file.
    """
    try:
        if not hasattr(path, "read") and os.path.getsize(path) > largest:
            raise HandError(f"{path} is larger than any such file: it is something else.")
        with np.load(path, allow_pickle=False) as file:
            if sum(member.file_size for member in file.zip.infolist()) > largest:
                raise HandError(f"{path} unpacks to more than any such file: it is something else.")
            if int(file["format"]) > FORMAT:
                raise HandError(f"{path} was written by a newer version of the suite.")
            if int(file["format"]) < FORMAT:
                raise HandError(f"{path} is of an earlier network, to which its numbers mean something else: {remedy}.")
            yield file
    except FileNotFoundError:
        raise HandError(missing) from None
    except DAMAGED as error:
        reason = "".join((getattr(error, "strerror", None) or str(error)).strip().splitlines()[:1])[:120]
        if "pickle" in reason:  # NumPy's words tell how to load it all the same, which would run a stranger's code
            reason = "it is no archive of arrays"
        named = "this" if hasattr(path, "read") else path
        raise HandError(f"{named} is not {what} ({reason}): {remedy}.") from None
