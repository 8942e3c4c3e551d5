"""Reads handwriting out of files of any program: what it is, its content tells, not its name. NumPy alone.

    from scribe.files.recordings import read_ink, read_recording
    for piece in read_ink("me.inkml"):
        print(piece.text, len(piece.strokes))
    print(read_recording("me.svg").remark())      # "left out: 9 closed shapes, 2 images"

Nothing in a file can run, reach outside of it or grow without bound: entities of XML that could are refused, and so is
a pickle that asks for more than numbers and texts; packed files are unpacked within bounds.

Strokes come as they stand in the file: x to the right, y downwards, in whatever unit it has. Where the format does not
say which way y grows, and the writing stands on its head, it is turned.
"""

import email
import email.policy
import io
import os
import re
import zipfile
import zlib

import numpy as np

from scribe.files.array_ink import read_npy, read_npz, strokes_of_array
from scribe.files.iam import read_form
from scribe.files.inkml import InkML
from scribe.files.joined_pieces import join_pieces
from scribe.files.json_ink import read_json
from scribe.files.limits import MAX_BYTES, MAX_COORDINATE, MAX_PICKLE_BYTES, read_bytes
from scribe.files.note_formats import read_unipen, read_xournal
from scribe.files.recorded_piece import Piece, Recording
from scribe.files.safe_pickle import UnsafePickleError, load_pickled_bytes
from scribe.files.stroke_file import as_points, as_text, lines_of
from scribe.files.svg_paths import drawn_strokes
from scribe.files.xml_tree import embedded, read_tree, tag_name
from scribe.ink.strokes import absolute_points, split_strokes
from scribe.ink.upright import UPSIDE_DOWN, uprightness

# What begins so is no recording; the rest of the sentence says why.
OTHER_FILES = (
    (rb"\x89PNG", "a picture (PNG)"),
    (rb"\xff\xd8\xff", "a picture (JPEG)"),
    (rb"GIF8", "a picture (GIF)"),
    (rb"BM....\0\0\0\0", "a picture (BMP)"),
    (rb"II\*\0|MM\0\*", "a picture (TIFF)"),
    (rb"RIFF....WEBP", "a picture (WebP)"),
    (rb"\0\0\0.ftyp", "a picture or a film (HEIC, MP4)"),
    (rb"%PDF", "a document for printing (PDF)"),
    (rb"%!PS", "a document for printing (PostScript)"),
)
NO_PEN = "a picture does not tell where the pen went, nor in which order: export the strokes as InkML or SVG"
KINDS = "neither InkML, SVG, Xournal++, UNIPEN, XML of IAM-OnDB, JSON with strokes, an array nor a pickle of strokes"
IGNORED = (".", "~", "Thumbs.db", "desktop.ini")  # what programs leave in folders


def read_ink(path: str | os.PathLike) -> list[Piece]:
    """All handwriting of a file, in writing order: the pieces of `read_recording`."""
    return read_recording(path).pieces


def read_recording(path: str | os.PathLike) -> Recording:
    """All handwriting of a file or of the files in a folder, in writing order, and what was left out.

    Args:
        path: of InkML, SVG (also packed, or within HTML), Xournal++, UNIPEN, XML of IAM-OnDB, JSON, .npy, .npz, an
            Office document with ink, a pickle of [strokes, asciis]; or a folder with any of these.

    Returns:
        a Recording with at least one Piece, each with at least one stroke.

    Raises:
        ValueError: it is none of these, it is broken, or there is no handwriting in it; one line that names the file.
        OSError: it cannot be read.
    """
    if os.path.isdir(path):
        return _read_folder(path)
    if os.path.getsize(path) > MAX_PICKLE_BYTES:
        raise ValueError(f"{path} has more than {MAX_PICKLE_BYTES // 2**20} MiB: that is no sample of a hand.")
    content = read_bytes(path)
    try:
        with np.errstate(all="ignore"):  # what is not finite is told below
            recording = _finished(_read_as(content, path))
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{path} was refused: {error}") from None
    except RecursionError:
        raise ValueError(f"{path} cannot be read: it is nested too deep.") from None
    except (ValueError, OverflowError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        reason = " ".join(str(error).split()).rstrip(".")[:300] or type(error).__name__
        verb = "" if reason.startswith("is ") else "cannot be read: "
        raise ValueError(f"{path} {verb}{reason}.") from None
    return recording


def _finished(recording):
    """Without what is empty or no number; raises ValueError where nothing is left."""
    pieces = []
    for piece in recording.pieces:
        kept = []
        for stroke in piece.strokes:
            sound = np.isfinite(stroke).all(axis=1) & (np.abs(stroke) < MAX_COORDINATE).all(axis=1)
            recording.left_out["point that is not a finite number below 1e15"] += int((~sound).sum())
            kept.append(stroke[sound])
        kept = [stroke for stroke in kept if len(stroke)]
        if kept:
            text = " ".join((piece.text or "").split())
            pieces.append(Piece(kept, text or None, piece.name))
    recording.pieces = pieces
    if not pieces:
        remark = recording.remark()
        raise ValueError("it has no pen strokes" + (f" ({remark})" if remark else ""))
    if not recording.y_is_down and uprightness([s for piece in pieces for s in piece.strokes]) < UPSIDE_DOWN:
        recording.turned = True
        for piece in pieces:
            piece.strokes = [stroke * [1.0, -1.0] for stroke in piece.strokes]
    return recording


def _read_folder(path):
    """The files of a folder, in the order of their names, numbers by their values; what cannot be read is left out."""
    total = Recording([])
    names = [name for name in os.listdir(path) if not name.startswith(IGNORED)]
    reasons = []
    for name in sorted(names, key=natural_order):
        file = os.path.join(path, name)
        if not os.path.isfile(file) or name.lower().endswith(("-chars.npy", ".txt")):
            continue
        try:
            recording = read_recording(file)
        except (ValueError, OSError) as error:
            total.left_out["file that cannot be read"] += 1
            reasons.append(str(error))
            continue
        total.pieces += recording.pieces
        total.left_out += recording.left_out
        total.turned |= recording.turned
    if not total.pieces:
        raise ValueError(reasons[0] if reasons else f"{path} is a folder without recordings in it.")
    return total


def natural_order(name: str) -> list:
    """A key that sorts names as people do: line2 before line10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _read_as(content, path):
    """The Recording of a file's content."""
    for start, what in OTHER_FILES:
        if re.match(start, content, re.DOTALL):
            raise ValueError(f"is {what}: {NO_PEN}")
    if content.startswith(b"\x1f\x8b"):
        return _read_as(_unpacked(content), path)
    if content.startswith(b"PK\x03\x04"):
        return _read_zip(content)
    if content.startswith(b"\x93NUMPY"):
        return read_npy(path, content)
    if content.startswith(b"reMarkable .lines"):
        raise ValueError("is a notebook page of a reMarkable in its own format: export it as SVG")
    if content[:1] in (b"\x80", b"(", b"]"):
        return _read_pickle(content)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES // 2**20} MiB: that is no sample of a hand")
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if content.startswith(mark):
            text = content.decode(encoding, "replace")
            # Whatever it says of its encoding, it is another one now.
            content = re.sub(r"^\s*<\?xml[^<>]*\?>", "", text, count=1).encode()
            break
    if not content.strip():
        raise ValueError("is empty: save or export the recording again")
    start = content[:4096].lstrip()
    if start[:1] in (b"{", b"["):
        return read_json(content)
    if re.search(rb"^\.(VERSION|COORD|HIERARCHY|PEN_DOWN|SEGMENT|DATA_SOURCE)\b", content[:100_000], re.MULTILINE):
        return read_unipen(content)
    if start[:1] == b"<":
        return _read_xml(content, path)
    if start[:2] == b"--" or re.match(rb"(MIME-Version|Content-[\w-]+)\s*:", start, re.IGNORECASE):
        return _read_parts(content, path)
    raise ValueError(f"it is {KINDS}")


def _unpacked(content):
    """The content of a gzip file, within bounds."""
    unpacker = zlib.decompressobj(wbits=31)
    plain = unpacker.decompress(content, MAX_BYTES + 1)
    if len(plain) > MAX_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_BYTES // 2**20} MiB: that is no sample of a hand")
    if not plain and not unpacker.eof:
        raise ValueError("it is packed, and cut off")
    if plain.startswith(b"\x1f\x8b"):
        raise ValueError("it is packed twice")
    return plain


def _read_zip(content):
    """Arrays of NumPy, or the ink of an Office document."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = archive.infolist()
        if any(info.filename.endswith(".npy") for info in files):
            return read_npz(content)
        inks = [i for i in files if re.search(r"/ink/ink\d*\.xml$|\.inkml$|\.svg$", i.filename, re.IGNORECASE)]
        if not inks:
            raise ValueError("is a packed file without ink in it that could be read: unpack it, or export InkML or SVG")
        if sum(info.file_size for info in inks) > MAX_BYTES:
            raise ValueError(f"it unpacks to more than {MAX_BYTES // 2**20} MiB: that is no sample of a hand")
        total = Recording([])
        for info in sorted(inks, key=lambda info: natural_order(info.filename)):
            recording = _read_as(archive.read(info), info.filename)
            total.pieces += recording.pieces
            total.left_out += recording.left_out
            total.y_is_down &= recording.y_is_down
    return total


def _read_parts(content, path):
    """A message in several parts (MIME), as programs send ink with: the first part that can be read."""
    if content.lstrip()[:2] == b"--":
        boundary = content.lstrip().split(b"\n", 1)[0].strip()[2:]
        content = b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n' + content
    parts = email.message_from_bytes(content, policy=email.policy.default).walk()
    payloads = [part.get_payload(decode=True) for part in parts if not part.is_multipart()]
    for payload in payloads:
        if isinstance(payload, bytes) and payload.lstrip()[:1] == b"<" and (b"ink" in payload or b"<svg" in payload):
            return _read_xml(payload, path)
    raise ValueError("is a message in several parts, but none of them is InkML or SVG")


def _read_xml(content, path):
    """The Recording of an XML file, by its first element, or of what stands in a page of HTML."""
    try:
        root = read_tree(content)
        kind = tag_name(root)
    except ValueError as error:
        kind, reason = "", error
    if kind == "ink":
        return InkML(root).recording()
    if kind == "svg":
        strokes, widths, left_out = drawn_strokes(root)
        return Recording([Piece(join_pieces(strokes, widths))] if strokes else [], left_out)
    if kind == "xournal":
        return read_xournal(root)
    if kind == "WhiteboardCaptureSession":
        return Recording([read_form(root, path)])
    total = Recording([])
    for name in ("svg", "ink"):
        inner = embedded(content, name)
        if len(inner) == 1 and inner[0] == content.strip():
            break
        for part in inner:
            recording = _read_xml(part, path)
            total.pieces += recording.pieces
            total.left_out += recording.left_out
            total.y_is_down &= recording.y_is_down
        if inner:
            return total
    if not kind:
        raise reason
    raise ValueError(
        f"it is XML, but its first element is {kind[:40]!r}: it should be ink, svg, xournal or that of IAM-OnDB"
    )


def _read_pickle(content):
    """A data file of this suite, or one line as [text, points, ...] of the database BRUSH."""
    value = load_pickled_bytes(content)
    parts = list(value) if isinstance(value, (list, tuple)) else []
    if len(parts) in (2, 3) and isinstance(parts[0], (str, bytes)) and hasattr(parts[1], "__len__"):
        points = getattr(parts[1], "array", parts[1])
        # Nested lists are looked at one by one: NumPy would follow them to billions of numbers.
        is_array = isinstance(points, np.ndarray) and points.dtype != object
        points = points.astype(float) if is_array else as_points(points)
        return Recording([Piece(strokes_of_array(points), as_text(parts[0]))], y_is_down=False)
    lines = zip(*lines_of(value), strict=True)
    return Recording([Piece(_strokes_of(line), text, name) for line, text, name in lines])


def _strokes_of(offsets):
    """A line [n, 3] of offsets as strokes [m, 2] of positions."""
    if not np.isfinite(np.asarray(offsets, float)).all():
        raise ValueError("a pen point is not a finite number")
    return [stroke[:, :2] for stroke in split_strokes(absolute_points(offsets))]
