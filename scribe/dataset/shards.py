"""Writes a data set of handwritten lines, shard by shard. No network: it comes as a function.

    from scribe.dataset.folder import Folder
    from scribe.dataset.plan import Plan
    from scribe.dataset.shards import run
    plan = Plan(settings, texts)                   # settings: what decides the bytes; texts: as `order_texts` has them
    run(plan, Folder("lines"), write_shards)       # write_shards: a function that writes `Shard`s

A line that failed is left out, and after all shards there is a round of further ones, with the next texts, for as many
lines as are missing; and so on. So a data set has exactly as many lines as were asked for, none with a failure.

    OUTPUT/train/0000/00000000.png             the lines; the number is the line's place in the plan
    OUTPUT/.unfinished/parts/                  until the end: a file for each shard that is done
"""

import dataclasses
import json
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.dataset.folder import WORK_FOLDER, Folder
from scribe.dataset.pictures import Look, Picture, draw_picture, png
from scribe.dataset.plan import Plan, Shard
from scribe.dataset.tables import write_tables
from scribe.ink.composing import composed_index
from scribe.ink.point_characters import assign_characters
from scribe.pages import formats
from scribe.pages.page import Page, PlacedLine

STROKES_FORMATS = ("none", "json", "inkml")
STROKES_DPI = 300  # the resolution at which a picture is as large as the page of its strokes
MAX_ROUNDS = 12
PARTS = f"{WORK_FOLDER}/parts"


@dataclasses.dataclass
class ShardLine:
    """A sampled line as a drawing process takes it, which has no TensorFlow and cannot load the sampler's own class.

    Attributes:
        text: what was written. strokes: [n, 6]. phis: [n, U].
        failures: what failed, in words; empty if nothing did.
        index: int [n], the character of every point of a line with composed characters; None: the attention tells it.
    """

    text: str
    strokes: NDArray[np.floating]
    phis: NDArray[np.floating]
    failures: str
    index: NDArray[np.integer] | None = None


def write_lines(plan: Plan, shard: Shard, write: Callable) -> list[ShardLine]:
    """Lets the network write a shard.

    Args:
        plan: the plan that the shard is part of.
        shard: which lines.
        write: a function (texts, biases, seeds, style) -> (lines with text, strokes and phis, for each a list of
            `failures.Failure`).
    """
    rows = plan.rows(shard)
    # sample.py draws the numbers of its only line from (--seed, 0).
    lines, failures = write(
        [row["text"] for row in rows], [row["bias"] for row in rows], [(row["seed"], 0) for row in rows], shard.style
    )
    return [
        ShardLine(
            line.text, line.strokes, line.phis, "; ".join(failure.describe(line.text) for failure in found),
            composed_index(line),
        )
        for line, found in zip(lines, failures, strict=True)
    ]  # fmt: skip


def finish_shard(
    folder: Folder,
    lines: Sequence[ShardLine],
    *,
    number: int,
    rows: Sequence[dict[str, Any]],
    look: Look,
    strokes_format: str,
) -> int:
    """Draws the lines of a shard and writes their files; last, the part that says that the shard is done.

    It takes parts of the plan, not the plan, because it runs in drawing processes: a plan has all texts.

    Args:
        folder: of the data set.
        lines: `write_lines` of the shard.
        number: of the shard.
        rows: `Plan.rows` of the shard.
        look, strokes_format: of the plan.

    Returns:
        how many lines there are now; the others failed.
    """
    done, left_out = [], []
    for row, line in zip(rows, lines, strict=True):
        row = row | {"text": line.text}  # the label is what was written, whatever was asked for
        if line.failures:
            left_out.append(row | {"failures": line.failures})
            continue
        index = line.index
        if index is None:
            index = assign_characters(line.strokes, line.phis, line.text)
        picture = draw_picture(line.strokes, index, line.text, look, [row["seed"], 1])
        folder.write(row["file"], png(picture.image))
        if strokes_format != "none":
            stem = os.path.splitext(row["file"])[0]
            folder.write(f"{stem}.{strokes_format}", strokes_file(picture, index, line.text, strokes_format))
        height, width = picture.image.shape[:2]
        done.append(row | {"width": width, "height": height, "boxes": picture.boxes})
    part = {"lines": done, "left_out": left_out}
    folder.write(part_name(number, len(done)), json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode())
    return len(done)


def strokes_file(picture: Picture, index: NDArray[np.integer], text: str, format: str) -> bytes:
    """The strokes of a picture as the bytes of a json or inkml file: a page as large as the picture at STROKES_DPI."""
    mm = 25.4 / STROKES_DPI
    height, width = picture.image.shape[:2]
    points = picture.points * [mm, mm, 1]
    line = PlacedLine(points, text, index, ink=picture.ink, pen_width_mm=picture.pen * mm)
    return formats.encode([Page(width * mm, height * mm, [line])], format)


def part_name(number: int, count: int) -> str:
    """The part of a shard; its name alone tells how many lines came out, so it need not be read to know."""
    return f"{PARTS}/{number:08d}.{count}.json"


def parts_done(folder: Folder) -> dict[int, int]:
    """Number of a shard -> how many lines it has, of the shards that are done."""
    names = (re.fullmatch(r"(\d+)\.(\d+)\.json", name) for name in folder.names(PARTS))
    return {int(name[1]): int(name[2]) for name in names if name}


def run(
    plan: Plan,
    folder: Folder,
    write_shards: Callable[[list[Shard]], None],
    describe: Callable[[], dict[str, Any]] = lambda: {},
    say: Callable[[str], Any] = lambda text: None,
) -> dict[str, Any]:
    """Writes all shards that are not done yet, and then the files about all lines.

    Args:
        plan: of the data set.
        folder: one that `claim` has found to belong to the plan, and not complete.
        write_shards: a function that writes a list of Shards, in any order and anywhere: `write_lines` and then
            `finish_shard` of each.
        describe: returns a dict with what else goes into dataset.json.
        say: takes a message.

    Returns:
        The content of dataset.json.

    Raises:
        ValueError: too few lines come out without failures.
    """
    number = first = 0
    missing = plan.count
    shards = []
    for _ in range(MAX_ROUNDS):
        shards += plan.shards(number, first, missing)
        done = parts_done(folder)
        todo = [shard for shard in shards if shard.number not in done]
        if todo:
            write_shards(todo)
            done = parts_done(folder)
        first += missing
        number = len(shards)
        missing = plan.count - sum(done[shard.number] for shard in shards)
        if not missing:
            break
        say(f"{missing} lines failed and are left out: writing as many others.")
    else:
        raise ValueError(
            f"only {plan.count - missing} of {plan.count} lines came out whole of {first}: this model, or these texts, "
            "fail too often; more --tries or another --bias may help."
        )
    return write_tables(plan, folder, [part_name(n, done[n]) for n in range(number)], describe())
