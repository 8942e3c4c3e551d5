"""The files about all lines of a data set: labels, metadata of the splits, boxes, what was left out, the description.

OUTPUT/labels.csv                 every line
OUTPUT/train/metadata.csv         file_name, text, ... of one split, as Hugging Face's imagefolder wants it
OUTPUT/boxes.jsonl                a box for every character
OUTPUT/left_out.csv               lines that failed
OUTPUT/dataset.json               settings and counts
"""

import contextlib
import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import IO, Any

from scribe.dataset.folder import DESCRIPTION, WORK_FOLDER, Folder, json_bytes
from scribe.dataset.plan import Plan
from scribe.dataset.splits import SPLITS

LABELS = ("file", "text", "style", "bias", "seed", "split")
METADATA = ("file_name", "text", "style", "bias", "seed")
LEFT_OUT = ("text", "style", "bias", "seed", "split", "failures")
FORMAT, VERSION = "scribe-handwriting-lines", 1


def write_tables(plan: Plan, folder: Folder, parts: Sequence[str], description: dict[str, Any]) -> dict[str, Any]:
    """Writes the files about all lines; dataset.json is the last one, so where it is, everything is.

    Args:
        plan, folder: of the data set.
        parts: names of the files of all shards, as `shards.finish_shard` writes them, in their order.
        description: what goes into dataset.json besides settings and counts.

    Returns:
        The content of dataset.json.
    """
    extension = plan.metadata_extension()
    counts = dict.fromkeys(SPLITS, 0) | {"left_out": 0}
    with contextlib.ExitStack() as stack:
        files: dict[str, IO[bytes]] = {}

        def begin(name, head=b""):
            files[name] = stack.enter_context(folder.writing(name))
            files[name].write(head)

        def add(name, row, columns=None):
            """Adds a row to a table, or to a file of JSON lines; without columns, all of the row. Begins a new file."""
            is_json = name.endswith("jsonl")
            if name not in files:
                begin(name, b"" if is_json else csv_line(columns))
            row = {column: row[column] for column in columns} if columns else row
            files[name].write(_json_line(row) if is_json else csv_line(row.values()))

        begin("labels.csv", csv_line(LABELS))
        begin("left_out.csv", csv_line(LEFT_OUT))
        for part in map(json.loads, folder.read_all(parts)):
            for row in part["lines"]:
                split, name = row["file"].split("/", 1)  # imagefolder's names are relative to the file that holds them
                counts[split] += 1
                add("labels.csv", row, LABELS)
                add("boxes.jsonl", boxes_line(row, plan.settings["alphabet"]))
                add(f"{split}/metadata.{extension}", row | {"file_name": name}, METADATA)
            for row in part["left_out"]:
                counts["left_out"] += 1
                add("left_out.csv", row, LEFT_OUT)
    content = {
        "format": FORMAT, "version": VERSION, **description, "settings": plan.settings, "lines": counts,
        "texts": len(plan.texts), "metadata": f"metadata.{extension}",
    }  # fmt: skip
    folder.write(DESCRIPTION, json_bytes(content))
    folder.remove(WORK_FOLDER)
    return content


def boxes_line(row: dict[str, Any], alphabet: str) -> dict[str, Any]:
    """A line of boxes.jsonl: an image and its annotations, in the words of COCO.

    category_id is the place of the character in the alphabet, from 1; bbox is [x, y, width, height] in pixels from the
    upper left corner of the picture, null where a character has no ink of its own.
    """
    annotations = [
        {"id": u, "character": c, "category_id": alphabet.find(c) + 1, "bbox": box}
        for u, (c, box) in enumerate(zip(row["text"], row["boxes"], strict=True))
    ]
    image = {"image_id": row["line"], "file_name": row["file"], "width": row["width"], "height": row["height"]}
    return {**image, "text": row["text"], "annotations": annotations}


def _json_line(content):
    return (json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def csv_line(values: Iterable[Any]) -> bytes:
    """A row of a CSV file, in UTF-8 and ending with a newline."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(values)
    return stream.getvalue().encode()
