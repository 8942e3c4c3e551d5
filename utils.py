"""Stroke data without TensorFlow: the alphabet, one-hot text, safe loading, `DataLoader`, `Logger`.

    from utils import DataLoader, Logger, to_one_hot
    loader = DataLoader(args, Logger(args))
    x, y, texts, one_hot = loader.next_batch()

A line of handwriting is an (n, 3) array of pen points: dx, dy (offset from the point before, y growing downwards) and
1 where the pen lifts after the point, else 0. A data file is a pickle of [strokes, asciis]: the lines and their texts.
"""

import io
import math
import os
import pickle
import struct
import sys
import time
import unicodedata
from typing import NamedTuple

import numpy as np

ALPHABET = " !\"#%&'()*+,-./0123456789:;?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]abcdefghijklmnopqrstuvwxyz"

DATA_FILE = "strokes_training_data.cpkl"
STYLES_FILE = "styles.p"
HOW_TO_GET_DATA = (
    "Handwriting comes from IAM-OnDB (register at "
    "https://fki.tic.heia-fr.ch/databases/iam-on-line-handwriting-database, unpack lineStrokes-all.tar.gz and "
    "ascii-all.tar.gz into one folder) through: python3 prepare_data.py --source FOLDER --data_dir data"
)

# A line whose number of pen points per character is outside of this range does not match its text.
MIN_POINTS_PER_CHARACTER, MAX_POINTS_PER_CHARACTER = 6, 70


# ------------------------------------------------------------------------------------------------------------- text


def to_one_hot(s, ascii_steps=None, alphabet=ALPHABET):
    """Text -> float32 [ascii_steps, len(alphabet) + 1]; a character outside the alphabet gets index 0.

    Args:
        s: the text.
        ascii_steps: rows; a longer text is cut, a shorter one is padded with zero rows. None: as many as characters.
        alphabet: known characters; character i of it gets index i + 1.
    """
    steps = len(s) if ascii_steps is None else ascii_steps
    one_hot = np.zeros((steps, len(alphabet) + 1), np.float32)
    indices = [alphabet.find(c) + 1 for c in s[:steps]]
    one_hot[np.arange(len(indices)), indices] = 1.0
    return one_hot


# What has no decomposition in Unicode: characters that people paste from a word processor, and a few letters.
_CLOSEST = {
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "`": "'", "´": "'", "′": "'",
    "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "_": "-", "~": "-", "•": "*", "·": ".", "×": "*", "÷": "/",
    "⁄": "/", "\t": " ", "\n": " ", "\r": " ", "{": "(", "}": ")", "<": "(", ">": ")", "|": "/", "\\": "/", "¿": "?",
    "¡": "!", "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d",
    "Đ": "D", "ð": "d", "þ": "th", "Þ": "Th", "ı": "i", "€": "EUR ", "£": "GBP ", "$": "USD ", "@": "(at)",
    "=": "-", "^": "'",
}  # fmt: skip


def fit_to_alphabet(text, alphabet=ALPHABET):
    """Writes `text` with the characters of `alphabet` alone.

    Returns:
        (fitted text, replaced, dropped): replaced maps every character that was written as the closest that exists to
        what stands for it; dropped lists the characters that were left out, each once, in order.
    """
    fitted, replaced, dropped = [], {}, []
    for c in text:
        if c in alphabet:
            fitted.append(c)
            continue
        for candidate in (_CLOSEST.get(c, ""), unicodedata.normalize("NFKD", c), c.upper(), c.lower()):
            kept = "".join(k for k in (_CLOSEST.get(k, k) for k in candidate) if k and all(p in alphabet for p in k))
            if kept:
                break
        if kept:
            replaced[c] = kept
            fitted.append(kept)
        elif c not in dropped:
            dropped.append(c)
    return "".join(fitted), replaced, dropped


# ------------------------------------------------------------------------------------------------------ safe loading


class UnsafePickleError(ValueError):
    """The pickle asks for something that handwriting does not need, so it was not loaded."""


LONGEST_DTYPE = 32  # characters of a NumPy type's name, such as <f8 or float32


class _PickledArray:
    """Stands in for a NumPy array while a pickle is read: NumPy's own unpickling sees nothing of a stranger's data."""

    array = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        if dtype.dtype.kind == "O":
            array = np.empty(len(data), object)
            for i, item in enumerate(data):  # array[:] = data would spread lists of equal length over another axis
                array[i] = item
        else:
            array = np.frombuffer(_as_bytes(data), dtype.dtype).copy()
        self.array = _shaped(array, shape, "F" if fortran else "C")

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)

    def __len__(self):
        return len(self.array)

    def __iter__(self):
        return iter(self.array)


class _PickledDtype:
    """Stands in for a NumPy dtype: numbers, text and objects; no fields."""

    def __init__(self, name, *_):
        name = str(name) if not isinstance(name, bytes) else name.decode("ascii")
        if len(name) > LONGEST_DTYPE:  # NumPy would build a million fields before anything could look at them
            raise UnsafePickleError(f"a NumPy type with a name of {len(name)} characters is not handwriting.")
        self.dtype = np.dtype(name)
        if self.dtype.kind not in "biufOSU":
            raise UnsafePickleError(f"a NumPy array of type {self.dtype} is not handwriting.")

    def __setstate__(self, state):
        byte_order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        self.dtype = self.dtype.newbyteorder(byte_order) if byte_order in "<>" else self.dtype


def _as_bytes(data):
    if isinstance(data, (bytes, bytearray)):
        return data
    if isinstance(data, str):  # of Python 2
        return data.encode("latin1")
    raise ValueError(f"the numbers of an array should be bytes, but they are a {type(data).__name__}")


def _shaped(array, shape, order):
    array = array.reshape(shape, order=order)
    if array.ndim and len(array) > array.size:  # (1000000000, 0) needs no bytes, but a list of its rows would
        raise ValueError(f"an array without numbers has the shape {array.shape}")
    return array


def _reconstruct(kind, *_):
    if kind is not _PickledArray:
        raise UnsafePickleError(f"it asks NumPy to build a {getattr(kind, '__name__', kind)!r}.")
    return _PickledArray()


def _from_buffer(data, dtype, shape, order, axis_order=None):
    array = np.frombuffer(_as_bytes(data), dtype.dtype).copy()
    if order == "K":  # axes in another order than C and Fortran have them
        return _shaped(array, shape, "C").transpose(axis_order)
    return _shaped(array, shape, order)


def _encode(text, codec):
    if codec not in ("latin1", "latin-1"):
        raise UnsafePickleError(f"it asks for _codecs.encode with the codec {codec!r}.")
    return text.encode("latin1")


def _checked_keys(keys):
    """Raises UnsafePickleError for a key that is a container: the hash of a tuple within a million tuples needs more
    stack than there is, and then the whole process dies."""
    for key in keys:
        if isinstance(key, (tuple, frozenset)):
            raise UnsafePickleError(f"it has a {type(key).__name__} as a key or in a set.")
    return keys


def _dict(items=()):
    items = [tuple(item) for item in (items.items() if isinstance(items, dict) else items)]
    _checked_keys([item[0] for item in items])
    return dict(items)


_NUMPY_GLOBALS = {
    "multiarray._reconstruct": _reconstruct,
    "multiarray.scalar": lambda dtype, data: np.frombuffer(_as_bytes(data), dtype.dtype)[0],
    "numeric._frombuffer": _from_buffer,
}
_BUILTINS = ("builtins", "__builtin__")
_ADMITTED_GLOBALS = {
    **{f"numpy.{core}.{name}": make for core in ("core", "_core") for name, make in _NUMPY_GLOBALS.items()},
    "numpy.ndarray": _PickledArray,
    "numpy.dtype": _PickledDtype,
    "_codecs.encode": _encode,
    **{f"{module}.{t.__name__}": t for module in _BUILTINS for t in (list, tuple)},
    **{f"{module}.dict": _dict for module in _BUILTINS},
    **{f"{module}.set": lambda items=(): set(_checked_keys(list(items))) for module in _BUILTINS},
    **{f"{module}.frozenset": lambda items=(): frozenset(_checked_keys(list(items))) for module in _BUILTINS},
    # What protocols 0 to 2 write for b""; with arguments, bytes would make as many zeros as it is told.
    **{f"{module}.bytes": lambda: b"" for module in _BUILTINS},
}


class _WholeLines(io.BytesIO):
    """Bytes whose end within a line is an end of file, not half a name."""

    def readline(self, *size):
        line = super().readline(*size)
        if not line.endswith(b"\n"):
            raise EOFError("it ends in the middle of a line")
        return line


class _SafeUnpickler(pickle._Unpickler):
    """Python's own unpickler, in Python: unlike the one in C it can be told to refuse single operations, and a number
    in a damaged file does not make it fill the memory (C allocates a memo as long as the highest index it meets).
    """

    dispatch = dict(pickle._Unpickler.dispatch)

    def find_class(self, module, name):
        try:
            return _ADMITTED_GLOBALS[f"{module}.{name}"]
        except KeyError:
            raise UnsafePickleError(
                f"it asks for {ascii(f'{module}.{name}')[1:-1]}; only lists, texts, numbers and NumPy arrays are "
                "admitted, because anything else in a pickle can run code."
            ) from None

    def get_extension(self, code):  # else a class that another library has registered would pass by find_class
        raise UnsafePickleError(f"it asks for a class by the extension code {code}.")

    def persistent_load(self, pid):
        raise UnsafePickleError("it asks for an object outside of the file.")

    def load_build(self):  # else the attributes of any admitted function could be set
        if type(self.stack[-2]) not in (_PickledArray, _PickledDtype):
            raise UnsafePickleError(f"it sets the state of a {type(self.stack[-2]).__name__}.")
        super().load_build()

    def load_setitem(self):
        _checked_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self):  # the stack holds what came since the last mark: key, value, key, value, ...
        _checked_keys(self.stack[::2])
        super().load_setitems()

    def load_dict(self):
        _checked_keys(self.stack[::2])
        super().load_dict()

    def load_additems(self):
        _checked_keys(self.stack)
        super().load_additems()

    def load_frozenset(self):
        _checked_keys(self.stack)
        super().load_frozenset()

    def load_bytearray8(self):  # else it would allocate as many bytes as it is told
        (n,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(n)))

    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.ADDITEMS[0]] = load_additems
    dispatch[pickle.FROZENSET[0]] = load_frozenset
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def load_pickle(path):
    """Reads a pickle of containers, texts, numbers and NumPy arrays, of Python 2 or 3 and NumPy 1 or 2.

    Returns:
        what the pickle holds; an array may come as a stand-in, which has len() and iter() and which np.asarray() takes.

    Raises:
        UnsafePickleError: it asks for anything else; nothing of it has run.
        ValueError: it is not a whole pickle.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        content = _WholeLines(file.read())  # in memory, no operation can ask for more bytes than there are
    try:
        return _SafeUnpickler(content, encoding="latin1").load()
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{path} was refused: {error}") from None
    except Exception as error:  # a broken pickle can raise almost anything
        reason = f"{type(error).__name__}: {ascii(str(error))[1:-1]}"
        raise ValueError(f"{path} is not a readable pickle ({reason}).") from None


def load_strokes(path):
    """Reads a data file: a pickle of [strokes, asciis].

    Returns:
        (strokes, texts): lists of equal length; strokes[i] is an (n, 3) array of numbers as the file has them.

    Raises:
        ValueError: the file has another shape; the message names the line.
    """
    content = load_pickle(path)
    if not _is_sequence(content) or len(content) != 2 or not all(_is_sequence(part) for part in content):
        raise ValueError(f"{path} should hold two lists, [strokes, asciis], but it holds {_describe(content)}.")
    strokes, texts = (list(part) for part in content)
    if len(strokes) != len(texts):
        raise ValueError(f"{path} holds {len(strokes)} lines of strokes but {len(texts)} texts: they have to match.")
    for i, (line, text) in enumerate(zip(strokes, texts, strict=True)):
        try:
            strokes[i] = as_points(line)
        except ValueError as error:
            raise ValueError(f"line {i} of {path} should be an (n, 3) array of numbers, but {error}.") from None
        try:
            texts[i] = as_text(text)
        except ValueError as error:
            raise ValueError(f"text {i} of {path} should be a string, but {error}.") from None
    return strokes, texts


def as_points(line):
    """A line as a pickle has it (array, nested lists, array of objects) -> (n, 3) array of numbers.

    Raises:
        ValueError: it is something else; the message says what, to go on after "but".
    """
    array = line.array if isinstance(line, _PickledArray) else line
    if isinstance(array, np.ndarray) and array.dtype.kind in "biuf":
        if array.ndim != 2 or array.shape[1] != 3:
            raise ValueError(f"its shape is {array.shape}")
        return array
    if not _is_sequence(array):
        raise ValueError(f"it is {_describe(line)}")
    rows = []
    for k, point in enumerate(array):
        # Looked at one by one: NumPy would follow lists in lists, of which a small file can hold billions.
        if not _is_sequence(point) or len(point) != 3:
            raise ValueError(f"its point {k} is {_describe(point)}")
        try:
            rows.append([float(v) for v in point])
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"its point {k} is not three numbers") from None
    return np.array(rows, float).reshape(-1, 3)


def as_text(text):
    """The text of a line as a pickle has it -> str; bytes are Latin-1. Raises ValueError as `as_points` does."""
    if isinstance(text, bytes):
        return text.decode("latin1")
    if not isinstance(text, str):
        raise ValueError(f"it is {_describe(text)}")
    return str(text)


def _is_sequence(part):
    array = part.array if isinstance(part, _PickledArray) else part
    return isinstance(array, (list, tuple)) or isinstance(array, np.ndarray) and array.ndim > 0


def _describe(part):
    array = part.array if isinstance(part, _PickledArray) else part
    if isinstance(array, np.ndarray):
        return f"an array of shape {array.shape}"
    return f"a {type(array).__name__}" + (f" of {len(array)}" if isinstance(array, (list, tuple)) else "")


def absolute_points(offsets):
    """A line [n, 3] of offsets as one of positions in the same unit, float64."""
    points = offsets.astype(float)
    points[:, :2] = np.cumsum(points[:, :2], axis=0)
    return points


def raw_offsets(points, data_scale):
    """A line as the data file holds it.

    Args:
        points: [n, 3] or more columns: x, y (absolute, in units of data_scale) first, the pen lift last.
        data_scale: raw units in one unit.

    Returns:
        int16 [n, 3]: dx, dy in raw units, pen lift; the first point is at the origin. The offsets are differences of
        rounded positions, so that rounding errors do not add up.
    """
    places = np.round(points[:, :2] * data_scale)
    offsets = np.clip(np.diff(places, axis=0, prepend=places[:1]), -30000, 30000)
    return np.column_stack([offsets, points[:, -1]]).astype(np.int16)


def save_strokes(path, strokes, texts):
    """Writes a data file aside and renames it, so that a kill leaves the earlier one whole."""
    aside = f"{path}.tmp-{os.getpid()}"
    try:
        with open(aside, "wb") as file:
            pickle.dump([list(strokes), list(texts)], file, protocol=4)
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):
            os.remove(aside)


# ------------------------------------------------------------------------------------------------------------ loader


class Batch(NamedTuple):
    """Whole lines, padded with zeros to the longest one.

    x [B, T, 3]: points 0 .. n-2 of every line, y [B, T, 3]: points 1 .. n-1, what the network has to foretell;
    mask [B, T]: 1 for a real target; texts: B strings; one_hot [B, U, A]. float32; lengths in units of data_scale.
    """

    x: np.ndarray
    y: np.ndarray
    mask: np.ndarray
    texts: list
    one_hot: np.ndarray


def make_batch(strokes, texts, alphabet=ALPHABET):
    """Lines (strokes [n, 3] in model units, and texts) as a `Batch`."""
    B, T, U = len(strokes), max(map(len, strokes)) - 1, max(map(len, texts))
    x, y = np.zeros((B, T, 3), np.float32), np.zeros((B, T, 3), np.float32)
    mask, one_hot = np.zeros((B, T), np.float32), np.zeros((B, U, len(alphabet) + 1), np.float32)
    for row, (line, text) in enumerate(zip(strokes, texts)):
        n = len(line) - 1
        x[row, :n], y[row, :n], mask[row, :n] = line[:-1], line[1:], 1.0
        one_hot[row] = to_one_hot(text, U, alphabet)
    return Batch(x, y, mask, list(texts), one_hot)


class DataLoader:
    """Lines of handwriting in batches: whole, clipped, scaled, filtered, bucketed by length, padded and masked.

    Every 20th line of the file is kept for validation. The shuffling is a pure function of (seed, pass over the data),
    so a run that was stopped goes on at any batch: `batch(n)` is the n-th batch ever, whatever was asked before.

    Args:
        args: data_dir, batch_size, tsteps (longest line), data_scale, alphabet, seed, extra_data (a further file of
            lines, all of them to train on), distort (see `distorted`); the defaults of train.py for what it lacks.
        logger: has write(text); None for silence.
        limit: offsets are clipped to this many raw units.

    Attributes:
        stroke_data, ascii_data, valid_stroke_data, valid_ascii_data: lists; strokes are float32 [n, 3] in model units.
        pointer: index of the next batch in this pass. num_batches: batches in a pass.
    """

    def __init__(self, args, logger=None, limit=500):
        self.data_dir = getattr(args, "data_dir", "data")
        self.batch_size = int(getattr(args, "batch_size", 32))
        self.tsteps = int(getattr(args, "tsteps", 1300))
        self.data_scale = float(getattr(args, "data_scale", 50.0))
        self.alphabet = getattr(args, "alphabet", None) or ALPHABET
        self.seed = int(getattr(args, "seed", 0) or 0)
        self.distort = float(getattr(args, "distort", 0.0))
        self.limit = limit
        self._write = logger.write if logger is not None else lambda text: None
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}: it has to be 1 or more.")

        self.path = os.path.join(self.data_dir, DATA_FILE)
        if not os.path.exists(self.path):
            raise FileNotFoundError(f"{self.path} does not exist. {HOW_TO_GET_DATA}")
        self.skipped = {}
        self.stroke_data, self.ascii_data, self.valid_stroke_data, self.valid_ascii_data = [], [], [], []
        self._load(self.path, validate_every=20)
        extra = getattr(args, "extra_data", None)
        if extra:
            self._load(extra)
        self.num_batches = math.ceil(len(self.stroke_data) / self.batch_size)
        self._lengths = np.array([len(line) for line in self.stroke_data])
        self._order = (None, None)  # the pass whose order is at hand, and the order
        self.passes = 0
        self.pointer = 0

    def _load(self, path, validate_every=0):
        """Adds the lines of a file; every `validate_every`-th is for validation (0: none)."""
        strokes, texts = load_strokes(path)
        for i, (line, text) in enumerate(zip(strokes, texts, strict=True)):
            strokes[i] = None  # a data set is large: let go of what has been read
            text = text.strip()
            fault = line_fault(line, text, self.tsteps)
            if fault:
                self.skipped[fault] = self.skipped.get(fault, 0) + 1
                continue
            points = np.array(line, np.float32)
            points[:, :2] = np.clip(points[:, :2], -self.limit, self.limit) / self.data_scale
            points[0, :2] = 0.0  # where the line starts on the sheet says nothing about how it goes on
            kept = validate_every and i % validate_every == 0
            (self.valid_stroke_data if kept else self.stroke_data).append(points)
            (self.valid_ascii_data if kept else self.ascii_data).append(text)
        if not self.stroke_data:
            raise ValueError(f"{path} has no line to train on; skipped: {self.skipped or 'none'}.")
        skipped = ", ".join(f"{count} with {fault}" for fault, count in self.skipped.items())
        self._write(
            f"Loaded {path}: {len(self.stroke_data)} lines to train on, "
            f"{len(self.valid_stroke_data)} to validate, {sum(map(len, self.stroke_data))} pen points; "
            f"skipped: {skipped or 'none'}."
        )

    # ---- batches by number

    def batch(self, n):
        """The n-th batch of all, counted from 0 through pass after pass: a pure function of (seed, n)."""
        lines = self._lines(*divmod(n, self.num_batches))
        strokes = [self.stroke_data[i] for i in lines]
        if self.distort:
            rng = np.random.default_rng([self.seed, n])
            strokes = [distorted(line, self.distort, rng) for line in strokes]
        return make_batch(strokes, [self.ascii_data[i] for i in lines], self.alphabet)

    def validation_batches(self):
        """All validation lines, in batches of similar length."""
        order = np.argsort([len(line) for line in self.valid_stroke_data], kind="stable")
        for start in range(0, len(order), self.batch_size):
            yield self._batch(self.valid_stroke_data, self.valid_ascii_data, order[start : start + self.batch_size])

    def _lines(self, passes, index):
        if self._order[0] != passes:
            rng = np.random.default_rng([self.seed, passes])
            # Lines of about the same length go together; the jitter puts other lines together in every pass.
            order = np.argsort(self._lengths * rng.uniform(0.95, 1.05, len(self._lengths)), kind="stable")
            batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
            self._order = (passes, [batches[i] for i in rng.permutation(len(batches))])
        return self._order[1][index]

    def _batch(self, strokes, texts, lines):
        return make_batch([strokes[i] for i in lines], [texts[i] for i in lines], self.alphabet)

    # ---- batches one after the other, as the first scribe had them

    def next_batch(self):
        """x [B, T, 3], y [B, T, 3] (x one point later), texts, one_hot [B, U, A]; moves the pointer on.

        Zero rows after the end of a line are padding; `batch(n)` has their mask.
        """
        batch = self.batch(self.passes * self.num_batches + self.pointer)
        self.tick_batch_pointer()
        return batch.x, batch.y, batch.texts, batch.one_hot

    def validation_data(self):
        """As `next_batch`, for the first batch_size validation lines."""
        if not self.valid_stroke_data:
            raise ValueError(f"{self.path} has no line to validate: every 20th is kept for that, but it was skipped.")
        lines = range(min(self.batch_size, len(self.valid_stroke_data)))
        batch = self._batch(self.valid_stroke_data, self.valid_ascii_data, lines)
        return batch.x, batch.y, batch.texts, batch.one_hot

    def tick_batch_pointer(self):
        """On to the next batch, or to the next pass after the last one."""
        self.pointer += 1
        if self.pointer >= self.num_batches:
            self.reset_batch_pointer()

    def reset_batch_pointer(self):
        """Starts the next pass, in a new order."""
        self.passes += 1
        self.pointer = 0


def distorted(line, spread, rng):
    """The same line by a hand that writes a little larger or smaller, wider or narrower, and at another slant.

    Args:
        line: [n, 3] offsets. spread: standard deviation of the logarithms of width and height, and of the slant (units
            to the right for each unit upwards). rng: a NumPy Generator.
    """
    width, height, slant = rng.normal(0.0, spread, 3)
    new = line.copy()
    new[:, 0] = math.exp(width) * line[:, 0] - slant * line[:, 1]  # y grows downwards
    new[:, 1] = math.exp(height) * line[:, 1]
    return new


def line_fault(strokes, text, tsteps):
    """Why a line cannot be trained on, or None.

    Args:
        strokes: (n, 3). text: without white space at its ends. tsteps: most points that a line may have.
    """
    n = len(strokes)
    if not text:
        return "no text"
    if n < 2:
        return "fewer than 2 points"
    if not np.isfinite(strokes).all():
        return "a number that is not finite"
    if not np.isin(strokes[:, 2], (0, 1)).all():
        return "a pen lift other than 0 and 1"
    if n > tsteps:
        return f"more than {tsteps} points"
    if not MIN_POINTS_PER_CHARACTER <= n / len(text) <= MAX_POINTS_PER_CHARACTER:
        return f"points per character outside {MIN_POINTS_PER_CHARACTER} to {MAX_POINTS_PER_CHARACTER}"
    return None


# ------------------------------------------------------------------------------------------------------------ logger


class Logger:
    """Messages to stderr and to a file in `args.log_dir`.

    Args:
        args: has log_dir; None or an empty one: no file.
        name: of the file.
    """

    def __init__(self, args=None, name="train_scribe.txt"):
        log_dir = getattr(args, "log_dir", None)
        self.path = os.path.join(log_dir, name) if log_dir else None
        if self.path:
            os.makedirs(log_dir, exist_ok=True)

    def write(self, text, print_it=True):
        """One message; with print_it=False to the file alone."""
        if print_it:
            print(text, file=sys.stderr, flush=True)
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
