"""The hands to choose from as pictures: the same words in each of them, written by the engine when it starts."""

import asyncio
from typing import Any

import numpy as np

from scribe.hands.catalogue import Catalogue
from scribe.hands.hand import hand_key
from scribe.ink.measure import measure_line, straighten
from scribe.ink.point_characters import character_index
from scribe.ink.strokes import stroke_slices
from scribe.web.engine import Engine
from scribe.web.orders import LineSpec
from scribe.web.stream import written_lines

WORDS = "Dearly"
BIAS, SEED = 1.2, 11
STEPS = 40  # in an x-height; the points of a picture are whole steps


class Gallery:
    """Pictures of the hands of a catalogue, and what is known of the x-heights of hands.

    Attributes:
        heights: the x-height of hands by their `hand_key`, in units of the network.
    """

    def __init__(self, catalogue: Catalogue, engine: Engine):
        self._hands, self._engine = catalogue.hands, engine
        self.heights: dict[str, float] = {}
        self._task: asyncio.Task[list[dict[str, Any]]] | None = None

    def begin(self) -> None:
        """Begins to write the pictures, whenever nobody else wants something written."""
        self._task = asyncio.create_task(self._write())

    async def pictures(self) -> list[dict[str, Any]]:
        """For each hand id, label, and a picture: an SVG path with the baseline at y = 0, its box, its x-height."""
        if self._task is None or (self._task.done() and self._task.exception()):  # what failed once may come out now
            self.begin()
        return await asyncio.shield(self._task)

    def measured(self, key: str, x_height: float) -> None:
        """Remembers the x-height of a hand by its `hand_key`."""
        if key not in self.heights:
            if len(self.heights) > 2000:
                del self.heights[next(iter(self.heights))]
            self.heights[key] = x_height

    async def _write(self):
        specs = [
            LineSpec(WORDS, (SEED, number), hand, hand_key(hand), BIAS, attempts=3)
            for number, hand in enumerate(self._hands)
        ]
        order = self._engine.submit(specs, "gallery", background=True)
        return [self._picture(number, ended.written) for number, ended in enumerate(await written_lines(order))]

    def _picture(self, number, line):
        index = character_index(line.phis)
        metrics = measure_line(line.strokes, line.text, index)
        unit = metrics.x_height or float(np.ptp(line.strokes[:, 1])) / 2
        self.heights[hand_key(self._hands[number])] = unit
        points = straighten(line.strokes[:, [0, 1, 5]], metrics, metrics.slant)[:, :2] / unit
        places = np.round(points * STEPS).astype(int)
        parts = []
        for stroke in stroke_slices(line.strokes):
            first, *steps = places[stroke][:1].tolist() + np.diff(places[stroke], axis=0).tolist()
            parts.append(f"M{first[0]} {first[1]}l" + " ".join(f"{x} {y}" for x, y in steps or [(1, 0)]))
        low, high = places.min(axis=0).tolist(), places.max(axis=0).tolist()
        return {
            "id": str(number),
            "label": self._hands[number].name,
            "path": "".join(parts),
            "box": [*low, *high],
            "x_height": STEPS,
        }
