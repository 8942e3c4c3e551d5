"""The hands that can be asked for: those of the catalogue, mixtures of them, and those of visitors.

The file of a visitor's hand is kept by the visitor's browser, which sends it along once; here it stays in memory for a
while, under the digest of its content.
"""

import dataclasses
import functools
import hashlib
import io
import re
import threading
import time
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np

from scribe.hands.catalogue import DIRECTIONS, Catalogue, drawn_hand, find_hand, turned
from scribe.hands.hand import Hand, HandError, hand_key, load_hand
from scribe.web.limits import Limits, RequestError
from scribe.writing.adapted import ADAPTED_WEIGHTS
from scribe.writing.line_writer import checked_style

NUMBER = r"\d{1,4}"
WEIGHT = r"\d*\.?\d{1,16}"  # with all digits that the name of a drawn hand has
NAMED = re.compile(rf"{NUMBER}(:{WEIGHT})?(,{NUMBER}(:{WEIGHT})?){{0,7}}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LARGEST_FILE = 4 << 20  # bytes of a visitor's hand, unpacked; of rank 16 it has 700 kB
LONGEST_LINE = 2000, 100  # points and characters of the ink that it goes on from
NOT_KNOWN = 409  # the status for a digest whose file the server does not have (any more)


@dataclasses.dataclass(frozen=True)
class ChosenHand:
    """The hand of a request, None is any hand; its name and label are for people."""

    name: str
    hand: Hand | None
    label: str

    @functools.cached_property
    def key(self) -> str:
        """Another one for each hand, see `hand_key`."""
        return hand_key(self.hand)


class Hands:
    """Finds hands by what a request says; in any thread.

    Args:
        catalogue: to choose from. model: whose hands they have to be. limits: of the visitors' hands in memory.
    """

    def __init__(self, catalogue: Catalogue, model, limits: Limits):
        self.catalogue, self.limits = catalogue, limits
        self._size, self._alphabet = model.hand_size, model.config.alphabet
        self._shapes = {name: tuple(getattr(model.named_weights, name).shape) for name in ADAPTED_WEIGHTS}
        self._encoder = model.hand_encoder.digest() if model.hand_encoder else ""
        # Hands of visitors and when each was used last, the latest one at the end; only with the lock.
        self._visitors: OrderedDict[str, tuple[ChosenHand, float]] = OrderedDict()
        self._lock = threading.Lock()

    def choose(self, request: Any, seed: int) -> ChosenHand:
        """The hand that a request asks for; one that depends on the seed if it asks for none.

        Raises:
            RequestError: there is no such hand.
        """
        if request.hand_file is not None:
            chosen = self.keep(request.hand_file)
        elif request.hand is None:
            hand = drawn_hand(self.catalogue, seed) if self.catalogue.hands else None
            chosen = ChosenHand(hand.name if hand else "", hand, hand.name if hand else "any")
        elif DIGEST.fullmatch(request.hand):
            chosen = self._kept(request.hand)
            if chosen is None:
                raise RequestError("hand: the server does not have this hand any more: send its file along.", NOT_KNOWN)
        elif NAMED.fullmatch(request.hand):
            try:
                hand = find_hand(request.hand, self.catalogue)
            except (HandError, ValueError) as error:
                raise RequestError(f"hand: {str(error).replace('--hand ', '')}") from None
            chosen = ChosenHand(request.hand, hand, hand.name)
        else:
            raise RequestError('hand: it should be a number such as "7", or a mixture such as "3:0.7,41:0.3".')
        steps = {name: getattr(request, name) for name in DIRECTIONS if getattr(request, name)}
        if not steps:
            return chosen
        if chosen.hand is None:
            raise RequestError("this server's network knows of no hands, so none can be turned.")
        try:
            hand = turned(chosen.hand, self.catalogue, **steps)
        except HandError as error:
            raise RequestError(str(error).replace("--", "")) from None
        turns = ",".join(f"{name}{step:+.9g}" for name, step in steps.items())
        return ChosenHand(f"{chosen.name} {turns}", hand, chosen.label)

    def keep(self, content: bytes) -> ChosenHand:
        """Keeps a visitor's hand for a while, under a name by which it can be asked for.

        Raises:
            RequestError: it is not the file of a hand of this network.
        """
        name = f"sha256:{hashlib.sha256(content).hexdigest()}"
        chosen = self._kept(name)
        if chosen is not None:
            return chosen
        chosen = ChosenHand(name, self._loaded(content), "your hand")
        with self._lock:
            self._visitors[name] = chosen, time.monotonic()
            while len(self._visitors) > self.limits.visitors:
                self._visitors.popitem(last=False)
        return chosen

    def _kept(self, name):
        """The visitor's hand of a name, which is kept from now on as one that has just come; None: it is not there."""
        now = time.monotonic()
        with self._lock:
            oldest = now - self.limits.visitor_seconds
            for old in [old for old, (_, used) in self._visitors.items() if used < oldest]:
                del self._visitors[old]
            if name not in self._visitors:
                return None
            chosen, _ = self._visitors[name]
            self._visitors[name] = chosen, now
            self._visitors.move_to_end(name)
            return chosen

    def _loaded(self, content):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if sum(info.file_size for info in archive.infolist()) > LARGEST_FILE:
                    raise RequestError(f"hand_file: it unpacks to more than {LARGEST_FILE >> 20} MiB.")
            hand = load_hand(io.BytesIO(content))
            if hand.line is not None:
                checked_style(hand.line, self._alphabet)
        except (HandError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, MemoryError) as error:
            raise RequestError(f"hand_file: {error}") from None
        if hand.size != self._size:
            raise RequestError(f"hand_file: it has {hand.size} numbers, and this network knows hands of {self._size}.")
        if hand.encoder and self._encoder and hand.encoder != self._encoder:
            raise RequestError("hand_file: it was read by another network: learn it again with this one.")
        if hand.line is not None and (len(hand.line[0]) > LONGEST_LINE[0] or len(hand.line[1]) > LONGEST_LINE[1]):
            raise RequestError("hand_file: the line of ink in it is too long to go on from.")
        for name, factors in hand.differences.items():
            if not all(factor.dtype.kind == "f" for factor in factors):
                raise RequestError("hand_file: its numbers are of a wrong type.")
            shapes = [np.shape(factor) for factor in factors]
            if name not in self._shapes or _product_shape(shapes) != self._shapes[name]:
                raise RequestError("hand_file: it was learned for another network.")
        return hand


def _product_shape(shapes):
    """The shape of what the factors of a difference give; None where they do not fit."""
    if len(shapes) == 1 and len(shapes[0]) == 1:
        return shapes[0]
    if len(shapes) == 2 and all(len(shape) == 2 for shape in shapes) and shapes[0][1] == shapes[1][0]:
        return shapes[0][0], shapes[1][1]
    return None
