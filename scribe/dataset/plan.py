"""The plan of a data set: which line gets which text, hand, bias and seed, and which lines are a shard.

A shard is 64 lines (fewer in a small data set) that the network writes in one batch. The batch affects each line, by
the rounding of matrix products; so the shard is the unit of everything: of work, of seeds, of what is written again
after a kill. How many shards are written at a time, where, and in which order changes nothing.
"""

import dataclasses
from typing import Any

import numpy as np

from scribe.dataset.pictures import Look
from scribe.dataset.splits import SPLITS, assign_splits
from scribe.dataset.texts import misread_as_csv

SHARD_LINES = 64
LINES_PER_FOLDER = 10_000  # more files in one folder are a burden


@dataclasses.dataclass(frozen=True)
class Shard:
    """Lines `first` to before `first + count` of the plan, written in one batch in the hand `style` (or None)."""

    number: int
    first: int
    count: int
    style: int | None


class Plan:
    """Which line gets which text, hand, bias and seed: a function of the settings and the texts alone.

    Args:
        settings: everything that decides the bytes; it goes into dataset.json. A dict with count, seed, biases, styles,
            strokes, shares, look (the fields of `Look`) and alphabet, among others.
        texts: the lines to write, in the order of `order_texts`. They are gone through again and again.
    """

    def __init__(self, settings: dict[str, Any], texts: list[str]):
        self.settings, self.texts = settings, texts
        self.count, self.seed, self.strokes = settings["count"], settings["seed"], settings["strokes"]
        self.styles = settings["styles"] or [None]
        look: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings["look"].items()}
        self.look = Look(**look)
        self.splits = assign_splits(len(texts), settings["shares"])
        # With few lines and many styles shards are smaller, so that all styles have their share.
        self.size = min(SHARD_LINES, -(-self.count // len(self.styles)))

    def shards(self, number: int, first: int, count: int) -> list[Shard]:
        """Shards for `count` lines from line `first` on; the first of them has the given number."""
        starts = range(first, first + count, self.size)
        return [
            Shard(n, start, min(self.size, first + count - start), self.styles[n % len(self.styles)])
            for n, start in enumerate(starts, number)
        ]

    def rows(self, shard: Shard) -> list[dict[str, Any]]:
        """What is to be written: a dict for each line of a shard, with the columns of labels.csv and its `line`."""
        low, high = self.settings["biases"]
        # 53 bits of each: integers that every reader of a table keeps exactly.
        seeds = np.random.SeedSequence([self.seed, 1, shard.number]).generate_state(shard.count, np.uint64).tolist()
        rows = []
        for line, seed in enumerate((s >> 11 for s in seeds), shard.first):
            text = line % len(self.texts)
            split = SPLITS[self.splits[text]]
            rows.append(
                {
                    "line": line,
                    "file": f"{split}/{line // LINES_PER_FOLDER:04d}/{line:08d}.png",
                    "text": self.texts[text],
                    "style": "none" if shard.style is None else shard.style,
                    "bias": round(float(np.random.default_rng([seed, 2]).uniform(low, high)), 3),
                    "seed": seed,
                    "split": split,
                }
            )
        return rows

    def metadata_extension(self) -> str:
        """csv; jsonl where a reader of the CSV would not get the texts as they are."""
        splits = [[text for text, s in zip(self.texts, self.splits) if s == k] for k in range(len(SPLITS))]
        return "jsonl" if any(texts and misread_as_csv(texts) for texts in splits) else "csv"
