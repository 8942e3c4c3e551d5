"""The hands to choose from, data/hands.npz, and how to name one: by number, by file, or as a mixture. NumPy alone.

    catalogue = load_catalogue("data/hands.npz")
    hand = catalogue.hands[3]
    hand = find_hand("3:0.7,me.hand.npz:0.3", catalogue)
    hand = turned(hand, catalogue, slant=1.0, joined=-0.5)

None of the hands is a person's: each is a mixture of several. scripts/make_hands.py makes them, and the directions,
which lead from hands that are, say, upright to hands that slant.
"""

import dataclasses
import os
import re
from collections.abc import Callable

import numpy as np

from scribe.console import UsageError, shortened
from scribe.files.atomic import written_aside
from scribe.hands.hand import FORMAT, HAND_ENDING, Hand, HandError, checked_numbers, load_hand, mix_hands, opened_hands

DATA_DIR, HANDS_FILE = "data", "hands.npz"
LARGEST_FILE = 64 << 20  # bytes, packed and unpacked
DIRECTIONS = ("slant", "joined", "size", "width")
LARGEST_WEIGHT = 10.0  # of a hand in a mixture, either way
LARGEST_STEP = 3.0  # in a direction: further out there are no hands


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """Hands to choose from, and directions to change them by.

    Attributes:
        hands: their names say their kind, such as "cursive". directions: what a hand has more of by name, one standard
            deviation of people each, as something to be added to a Hand.
    """

    hands: list[Hand]
    directions: dict[str, Hand]


def save_catalogue(path: str | os.PathLike, catalogue: Catalogue) -> None:
    """Writes a catalogue to an .npz file, whole or not at all.

    Raises:
        ValueError: it holds neither hands nor directions.
    """
    everything = [*catalogue.hands, *catalogue.directions.values()]
    if not everything:
        raise ValueError("there is no hand to write.")
    characters = "".join(sorted(set().union(*(hand.glyphs for hand in everything))))
    known = np.array([[c in hand.glyphs for c in characters] for hand in everything])
    with written_aside(path) as aside, open(aside, "wb") as file:
        np.savez_compressed(
            file,
            format=np.int64(FORMAT),
            characters=np.array(characters),
            known=known,
            vectors=np.stack([hand.vector for hand in everything]).astype(np.float16),
            glyphs=np.stack([hand.glyphs_of(characters) for hand in everything]).astype(np.float16),
            names=np.array([hand.name for hand in catalogue.hands], str),
            directions=np.array(list(catalogue.directions), str),
            encoder=np.array(mix_hands([(hand, 1.0) for hand in everything]).encoder),
        )


def find_catalogue(data_dir: str, hand_size: int, warn: Callable[[str], object]) -> str | None:
    """The path of the catalogue of hands that a network writes in.

    Args:
        data_dir: folder that --data_dir names, DATA_DIR without it. hand_size: of the network.
        warn: takes a message where the network knows of hands, but there is no catalogue of them.

    Returns:
        None where there is none, or the network knows of no hands.

    Raises:
        UsageError: another folder than DATA_DIR was named, and is none.
    """
    if data_dir != DATA_DIR and not os.path.isdir(data_dir):
        raise UsageError(f"--data_dir {data_dir} is not a folder: it has to be one with {HANDS_FILE}.")
    path = os.path.join(data_dir, HANDS_FILE)
    if hand_size and not os.path.exists(path):
        warn(f"Warning: there is no {path}, so the network itself chooses the hand.")
    return path if hand_size and os.path.exists(path) else None


def load_catalogue(path: str | os.PathLike) -> Catalogue:
    """Reads a catalogue that `save_catalogue` wrote; no code in a file is run.

    Raises:
        HandError: it is missing, damaged, or something else.
    """
    missing = f"{path} does not exist: restore it, or write without --hand."
    with opened_hands(
        path, LARGEST_FILE, "a catalogue of hands", "restore it, or write without --hand", missing
    ) as file:
        names = [*map(str, file["names"]), *map(str, file["directions"])]
        characters, known, count = str(file["characters"]), file["known"], len(file["names"])
        vectors, glyphs = checked_numbers(file["vectors"]), checked_numbers(file["glyphs"])
        encoder = str(file["encoder"])
        everything = [
            Hand(
                vector,
                {c: g for c, g, there in zip(characters, row, is_known, strict=True) if there},
                name,
                encoder=encoder,
            )
            for vector, row, is_known, name in zip(vectors, glyphs, known, names, strict=True)
        ]
        return Catalogue(everything[:count], {hand.name: hand for hand in everything[count:]})


def find_hand(asked: str, catalogue: Catalogue) -> Hand:
    """The hand that is asked for.

    Args:
        asked: a number of the catalogue, the path of a file that learn_hand.py wrote (with or without its ending), or
            several of these with their weights: "3:0.7,41:0.3".

    Raises:
        HandError: there is no such hand, or a weight is not a number.
    """
    parts = []
    for part in asked.split(","):
        match = re.fullmatch(r"\s*(.+?)\s*(?::\s*([-+.\de]+)\s*)?", part)
        if not match:
            raise HandError(f"--hand {asked} names no hand: say --hand 3, --hand me, or --hand 3:0.7,41:0.3.")
        try:
            weight = float(match[2]) if match[2] else 1.0
        except ValueError:
            raise HandError(f"--hand {asked}: {match[2]!r} is not a weight, such as 0.7.") from None
        if not -LARGEST_WEIGHT <= weight <= LARGEST_WEIGHT:
            raise HandError(f"--hand {asked}: a weight has to be from {-LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}.")
        parts.append((_one_hand(match[1], catalogue), weight))
    if len(parts) == 1 and parts[0][1] == 1.0:
        return parts[0][0]
    return mix_hands(parts, name=asked)


def _one_hand(asked, catalogue):
    count = len(catalogue.hands)
    if re.fullmatch(r"\d+", asked):
        if len(asked) > 9 or int(asked) >= count:  # of thousands of digits, int() makes no number
            there = f"the catalogue has 0 to {count - 1}" if count else "there are none to choose from"
            raise HandError(f"there is no hand {shortened(asked)}: {there}.")
        return catalogue.hands[int(asked)]
    for path in (asked, asked + HAND_ENDING):
        if os.path.isfile(path):
            return load_hand(path)
    numbers = f"give a number from 0 to {count - 1}, or" if count else "there are none to choose from; give"
    raise HandError(f"there is no hand {asked}: {numbers} a file that python3 learn_hand.py wrote.")


def turned(hand: Hand, catalogue: Catalogue, **steps: float) -> Hand:
    """A hand with more or less of some of DIRECTIONS; steps in standard deviations of people.

    Raises:
        HandError: an unknown direction, or a step that leads to where there are no hands.
    """
    parts = [(hand, 1.0)]
    for name, step in steps.items():
        if name not in catalogue.directions:
            raise HandError(f"there is no direction {name!r}: there are {', '.join(catalogue.directions)}.")
        if not abs(step) <= LARGEST_STEP:
            raise HandError(f"--{name} is {step}: it has to be from {-LARGEST_STEP:g} to {LARGEST_STEP:g}.")
        parts.append((catalogue.directions[name], step))
    return mix_hands(parts, name=hand.name) if len(parts) > 1 else hand


def drawn_hand(catalogue: Catalogue, seed: int) -> Hand:
    """A hand between two of the catalogue, another one for each seed; its only hand if there is one.

    Raises:
        HandError: there are no hands.
    """
    if not catalogue.hands:
        raise HandError("there are no hands to choose from.")
    if len(catalogue.hands) == 1:
        return catalogue.hands[0]
    rng = np.random.default_rng([seed, 0x48414E44])
    first, second = rng.choice(len(catalogue.hands), 2, replace=False)
    share = rng.uniform(0.5, 1.0)
    parts = [(first, share), (second, 1.0 - share)]
    # As many digits as `mix_hands` counts with: asked for by its name, it is the same hand.
    name = ",".join(f"{number}:{np.format_float_positional(np.float32(weight), trim='-')}" for number, weight in parts)
    return mix_hands([(catalogue.hands[number], weight) for number, weight in parts], name=name)
