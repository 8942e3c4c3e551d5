"""Reads handwriting out of files: InkML, SVG, IAM-OnDB XML, and what Scribe itself writes (pickle, json). NumPy alone.

    from scribe.files.recordings import read_ink
    for piece in read_ink("me.inkml"):
        print(piece.text, len(piece.strokes))

The kind of a file is recognised by its content, not by its name. Nothing in a file can run, reach outside of it or grow
without bound: XML that declares entities is refused, and so is a pickle that asks for more than numbers and texts.

Strokes come as they stand in the file: x to the right, y downwards, in whatever unit it has.
"""

import os

import numpy as np

from scribe.files.iam import read_strokes, text_beside
from scribe.files.inkml import InkML
from scribe.files.page_json import read_page_json
from scribe.files.recorded_piece import Piece
from scribe.files.safe_pickle import UnsafePickleError
from scribe.files.stroke_file import load_strokes
from scribe.files.svg_paths import drawn_strokes
from scribe.files.xml_tree import read_tree, tag_name
from scribe.ink.strokes import absolute_points, split_strokes

MAX_FILE_BYTES = 256 * 2**20  # all of IAM-OnDB as a pickle has 42 million


def read_ink(path: str) -> list[Piece]:
    """All handwriting of a file, in writing order.

    Args:
        path: of InkML, SVG, XML of IAM-OnDB, json of `sample.py --format json`, or a pickle of [strokes, asciis].

    Returns:
        a list of Pieces; at least one, each with at least one stroke.

    Raises:
        ValueError: it is none of these, it is broken, or there is no handwriting in it; one line that names the file.
        OSError: it cannot be read.
    """
    if os.path.getsize(path) > MAX_FILE_BYTES:
        raise ValueError(f"{path} has more than {MAX_FILE_BYTES // 2**20} MiB: that is no sample of a hand.")
    with open(path, "rb") as file:
        start = file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told below
            pieces = _read_as(start, path)
    except UnsafePickleError:
        raise
    except RecursionError:
        raise ValueError(f"{path} cannot be read: it is nested too deep.") from None
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise ValueError(reason + "." if str(path) in reason else f"{path} cannot be read: {reason}.") from None
    pieces = [Piece([stroke for stroke in p.strokes if len(stroke)], (p.text or "").strip() or None) for p in pieces]
    pieces = [piece for piece in pieces if piece.strokes]
    if not pieces:
        raise ValueError(f"{path} has no pen strokes.")
    for piece in pieces:
        # Squares of what is larger or smaller than this leave the numbers that a computer has.
        if not all(np.isfinite(stroke).all() and np.abs(stroke).max() < 1e15 for stroke in piece.strokes):
            raise ValueError(f"{path} cannot be read: a pen point is not a finite number, or beyond 1e15.")
    return pieces


def _read_as(start, path):
    """The Pieces of a file that begins with these bytes."""
    if start[:1] == b"<" or start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _read_xml(path)
    if start[:1] in (b"{", b"["):
        return read_page_json(path)
    if start[:1] in (b"\x80", b"(", b"]"):
        return [Piece(_strokes_of(line), text) for line, text in zip(*load_strokes(path), strict=True)]
    raise ValueError("it is neither InkML, SVG, XML of IAM-OnDB, json of Scribe nor a pickle of strokes")


def _read_xml(path):
    """The Pieces of an XML file, by its first element."""
    root = read_tree(path)
    kind = tag_name(root)
    if kind == "ink":
        return InkML(root).pieces()
    if kind == "svg":
        return [Piece(drawn_strokes(root))]
    if kind == "WhiteboardCaptureSession":
        try:
            return [Piece([np.array(stroke, float) for stroke in read_strokes(path)], text_beside(path))]
        except OverflowError:
            raise ValueError("a number is too large") from None
    raise ValueError(f"it is XML, but its first element is {kind[:40]!r}: it should be ink, svg or that of IAM-OnDB")


def _strokes_of(offsets):
    """A line [n, 3] of offsets as strokes [m, 2] of positions."""
    if not np.isfinite(np.asarray(offsets, float)).all():
        raise ValueError("a pen point is not a finite number")
    return [stroke[:, :2] for stroke in split_strokes(absolute_points(offsets))]
