"""Reads strokes from arrays: .npy and .npz of other projects, and pickles of a single line.

    from scribe.files.array_ink import read_npy, read_npz, strokes_of_array
    strokes = strokes_of_array(points)

Columns, and whether places are positions or offsets, are recognised by the numbers. Arrays of objects are pickles: the
safe unpickler reads them.
"""

import io
import os
import re
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.files.limits import MAX_PICKLE_BYTES, MAX_STROKES
from scribe.files.recorded_piece import Piece, Recording
from scribe.files.safe_pickle import PickledArray, load_pickled_bytes
from scribe.files.text_file import read_text

# Positions move on slowly: from point to point by a small share of how far they scatter. Offsets change as fast as they
# are large. On real lines the shares are 0.02 to 0.1, and 0.6 to 1.1.
POSITION_SHARE = 0.3
# Whole numbers as offsets: each is off by up to one, and these errors add up. Half the offsets of IAM-OnDB are over 24.
COARSE_STEP, LEAST_STEPS = 1.0, 100
STROKES_KEYS = ("strokes", "train", "samples", "data", "arr_0", "x", "valid", "test")
TEXTS_KEYS = ("texts", "text", "chars", "labels", "sentences", "words", "arr_1", "c")
NAMES_KEYS = ("subject_labels", "subjects", "writers", "w_id", "names")


def strokes_of_array(points: NDArray) -> list[NDArray]:
    """A line of points as strokes of positions.

    Args:
        points: [n, 2] places of one stroke; [n, 3] with a pen column of two values, the first or the last one: 1 where
            the pen lifts after the point, or 1 while it is down, where these are more; [n, 5] of sketch-rnn.
            Positions or offsets.

    Returns:
        strokes, float64 [m, 2], m > 0.

    Raises:
        ValueError: the shape is another one, or no column tells about the pen.
    """
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1] not in (2, 3, 4, 5) or not len(points):
        raise ValueError(f"an array of it has the shape {points.shape}, but a line is [n, 3]: x, y and the pen")
    if not np.isfinite(points).all():
        points = points[np.isfinite(points).all(axis=1)]  # some projects pad with NaN
        if not len(points):
            raise ValueError("an array of it has no finite number")
    if points.shape[1] == 5:  # dx, dy, and one of: the pen goes on, it lifts, the drawing ends
        ends = np.flatnonzero(points[:, 4] > 0.5)
        points = points[: ends[0] if len(ends) else None][:, [0, 1, 3]]
        if not len(points):
            raise ValueError("a drawing of it is empty")
    if points.shape[1] == 2:
        points = np.column_stack([points, np.zeros(len(points))])
        points[-1, 2] = 1.0
    points = points[:, :3]
    # Some divide all columns by the same number.
    most = points.max(axis=0)
    binary = [k for k in (2, 0) if most[k] >= 0 and np.isin(points[:, k], (0, most[k])).all()]
    if not binary:
        raise ValueError("no column of its arrays is 0 or 1, so that the lifts of the pen are not known")
    pen = points[:, binary[0]] > 0
    places = points[:, [0, 1] if binary[0] == 2 else [1, 2]]
    offsets = not is_positions(places)
    steps = np.abs(places[1:]).max(axis=1) if offsets and len(places) > 1 else np.zeros(0)
    if len(steps) > LEAST_STEPS and (places == np.round(places)).all() and np.median(steps) <= COARSE_STEP:
        raise ValueError(
            f"its offsets are whole numbers, but half of them are {np.median(steps):.0f} or less: what was rounded "
            "away adds up, and the letters have lost their shapes; export larger numbers"
        )
    if offsets:
        # Some projects begin with a row that says that the pen comes from elsewhere.
        skip = int(len(points) > 1 and pen[0] and not places[0].any())
        places, pen = np.cumsum(places, axis=0)[skip:], pen[skip:]
    if pen.mean() > 0.5:  # it tells where the pen is down
        down = np.flatnonzero(pen)
        return np.split(places[down], np.flatnonzero(np.diff(down) > 1) + 1)
    return [part for part in np.split(places, np.flatnonzero(pen) + 1) if len(part)]


def is_positions(places: NDArray) -> bool:
    """Whether places [n, 2] are positions, not offsets."""
    if len(places) < 3:
        return True
    scatter = np.abs(places - np.median(places, axis=0)).sum()
    return bool(np.abs(np.diff(places, axis=0)).sum() < POSITION_SHARE * scatter)


def read_npy(path: str | os.PathLike, content: bytes) -> Recording:
    """The Recording of a .npy; its texts lie beside it: style-0-chars.npy by style-0-strokes.npy, sentences.txt."""
    values = _load_npy(content)
    folder, name = os.path.split(os.fspath(path))
    texts, up = None, 1.0
    beside = re.sub("strokes?", lambda m: "chars", name, flags=re.IGNORECASE)
    if beside != name and os.path.isfile(os.path.join(folder, beside)):
        with open(os.path.join(folder, beside), "rb") as file:
            texts = _texts(_load_npy(file.read(2**20)))
        up = -1.0  # the program whose pairs these are counts upwards
    elif os.path.isfile(os.path.join(folder, "sentences.txt")):
        texts = read_text(os.path.join(folder, "sentences.txt")).splitlines()
    recording = _recording(values, texts)
    for piece in recording.pieces:
        piece.strokes = [stroke * [1.0, up] for stroke in piece.strokes]
    return recording


def read_npz(content: bytes) -> Recording:
    """The Recording of a .npz: sketch-rnn's (train, valid, test), or strokes with texts."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sizes = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if sum(info.file_size for info in sizes.values()) > MAX_PICKLE_BYTES:
            raise ValueError(f"it unpacks to more than {MAX_PICKLE_BYTES // 2**20} MiB: that is no sample of a hand")

        def load(keys):
            return [_load_npy(archive.read(sizes[key])) for key in keys if key in sizes]

        splits = [key for key in ("train", "valid", "test") if key in sizes]
        lines = load(splits) if splits else load(STROKES_KEYS)[:1]
        texts = [_texts(v) for v in load(TEXTS_KEYS)[:1]]
        names = [_texts(v) for v in load(NAMES_KEYS)[:1]]
    if not lines:
        raise ValueError(f"it has the arrays {', '.join(sizes)[:60]}, but it takes strokes, or train, valid and test")
    recordings = [_recording(v, texts[0] if texts else None, names[0] if names else None) for v in lines if len(v)]
    return Recording([piece for recording in recordings for piece in recording.pieces], y_is_down=False)


def _load_npy(content: bytes) -> Any:
    """The array of a .npy; a list where it holds objects."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    except Exception:  # NumPy reads the header as Python, and lets through whatever that raises
        raise ValueError("it begins as a NumPy array, but it is broken") from None
    if dtype.hasobject:
        value = load_pickled_bytes(content[stream.tell() :])
        return list(value) if isinstance(value, (list, tuple, PickledArray)) else [value]
    size = int(np.prod(shape, dtype=float))
    if dtype.itemsize * size > len(content) - stream.tell() or dtype.itemsize == 0:
        raise ValueError("it begins as a NumPy array, but it is broken")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _texts(values):
    """The texts of an array: strings, bytes, or numbers of writers."""
    items = list(np.ravel(values)) if isinstance(values, np.ndarray) else values
    items = [item.array if isinstance(item, PickledArray) else item for item in items]
    return [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in items]


def _recording(values, texts, names=None):
    """The lines of an array [n, 3] or of a list of such, with their texts where there are as many."""
    if isinstance(values, np.ndarray) and values.ndim in (0, 2):
        values = [values]
    if len(values) > MAX_STROKES:
        raise ValueError(f"it has more than {MAX_STROKES:,} lines")
    pieces = []
    for k, value in enumerate(values):
        array = value.array if isinstance(value, PickledArray) else value
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufO" or array.ndim != 2:
            raise ValueError(f"part {k} of it is not an array [n, 3] of numbers")
        try:
            array = array.astype(float)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"part {k} of it is not an array [n, 3] of numbers") from None
        text = texts[k].strip() if texts is not None and len(texts) == len(values) else None
        name = names[k] if names is not None and len(names) == len(values) else ""
        pieces.append(Piece(strokes_of_array(array), text or None, name))
    return Recording(pieces, y_is_down=False)
