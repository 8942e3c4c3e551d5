"""Reads pickles of handwriting without running what is in them.

    from scribe.files.safe_pickle import UnsafePickleError, load_pickle
    strokes, texts = load_pickle("data/strokes_training_data.cpkl")

A pickle can run code. This unpickler admits plain containers, texts, numbers and NumPy arrays; anything else that a
pickle asks for is refused by name before any of it runs. It can also ask for copies of what it holds, a few bytes for
each: these have a limit that grows with the file.
"""

import io
import pickle
import struct
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from scribe.console import shortened
from scribe.files.limits import MAX_DATA_BYTES, read_bytes


class UnsafePickleError(ValueError):
    """The pickle asks for something that handwriting does not need, so it was not loaded."""


LONGEST_DTYPE = 32  # characters of a NumPy type's name, such as <f8 or float32

# Items and bytes that functions may be given, for each byte of the file. In a pickle that was not made to harm each of
# them stands in the file, and is handed on twice at most: from a text to bytes, and from these to an array.
COPIES = 2


class PickledArray:
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
        if not isinstance(name, (str, bytes)):  # of lists in lists, a text could fill the memory
            raise UnsafePickleError(f"it names a NumPy type with a {type(name).__name__}.")
        name = str(name) if not isinstance(name, bytes) else name.decode("ascii")
        if len(name) > LONGEST_DTYPE:  # NumPy would build a million fields before anything could look at them
            raise UnsafePickleError(f"a NumPy type with a name of {len(name)} characters is not handwriting.")
        self.dtype = np.dtype(name)
        if self.dtype.kind not in "biufOSU":
            raise UnsafePickleError(f"a NumPy array of type {self.dtype} is not handwriting.")

    def __setstate__(self, state):
        byte_order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        self.dtype = self.dtype.newbyteorder(byte_order) if byte_order in "<>" else self.dtype


def _quoted(value):
    """Something of a pickle, for a message: a stranger's text can be of any length, and hold what a terminal obeys.

    Of what is neither a text nor a number it is the type: lists in lists could have more characters than there is room.
    """
    return shortened(ascii(value)) if isinstance(value, (str, bytes, int)) else f"a {type(value).__name__}"


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
    if kind is not PickledArray:
        raise UnsafePickleError(f"it asks NumPy to build {_quoted(getattr(kind, '__name__', kind))}.")
    return PickledArray()


def _from_buffer(data, dtype, shape, order, axis_order=None):
    array = np.frombuffer(_as_bytes(data), dtype.dtype).copy()
    if order == "K":  # axes in another order than C and Fortran have them
        return _shaped(array, shape, "C").transpose(axis_order)
    return _shaped(array, shape, order)


def _encode(text, codec):
    if codec not in ("latin1", "latin-1"):
        raise UnsafePickleError(f"it asks for _codecs.encode with the codec {_quoted(codec)}.")
    return text.encode("latin1")


def _checked_keys(keys):
    """Raises UnsafePickleError for a key that is a container: the hash of a tuple within a million tuples needs more
    stack than there is, and then the whole process dies."""
    for key in keys:
        if isinstance(key, (tuple, frozenset)):
            raise UnsafePickleError(f"it has a {type(key).__name__} as a key or in a set.")
    return keys


def _dict(items=()):
    pairs = [(key, value) for key, value in (items.items() if isinstance(items, dict) else items)]
    _checked_keys([key for key, _ in pairs])
    return dict(pairs)


_NUMPY_GLOBALS = {
    "multiarray._reconstruct": _reconstruct,
    "multiarray.scalar": lambda dtype, data: np.frombuffer(_as_bytes(data), dtype.dtype)[0],
    "numeric._frombuffer": _from_buffer,
}
_BUILTINS = ("builtins", "__builtin__")
_ADMITTED_GLOBALS = {
    **{f"numpy.{core}.{name}": make for core in ("core", "_core") for name, make in _NUMPY_GLOBALS.items()},
    "numpy.ndarray": PickledArray,
    "numpy.dtype": _PickledDtype,
    "_codecs.encode": _encode,
    **{f"{module}.{t.__name__}": t for module in _BUILTINS for t in (list, tuple)},
    **{f"{module}.dict": _dict for module in _BUILTINS},
    **{f"{module}.set": lambda items=(): set(_checked_keys(list(items))) for module in _BUILTINS},
    **{f"{module}.frozenset": lambda items=(): frozenset(_checked_keys(list(items))) for module in _BUILTINS},
    # What protocols 0 to 2 write for b""; with arguments, bytes would make any number of zeros.
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

    dispatch: ClassVar[dict[int, Callable]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, content):
        # In memory, no operation can ask for more bytes than there are.
        super().__init__(_WholeLines(content), encoding="latin1")
        self.copies_left = COPIES * len(content)

    def pay_for(self, arguments):
        """Counts what a function may copy of its arguments; raises UnsafePickleError where it is too much in all."""
        self.copies_left -= len(arguments)
        for argument in arguments:
            if isinstance(argument, PickledArray):  # each of its rows would become an object of its own
                raise UnsafePickleError("it copies an array row by row.")
            if hasattr(type(argument), "__len__"):
                self.copies_left -= len(argument)
        if self.copies_left < 0:
            raise UnsafePickleError("it copies what it holds again and again, which would fill the memory.")

    def find_class(self, module, name):
        try:
            return _ADMITTED_GLOBALS[f"{module}.{name}"]
        except KeyError:
            asked = shortened(ascii(f"{module}.{name}")[1:-1], 120)
            raise UnsafePickleError(
                f"it asks for {asked}; only lists, texts, numbers and NumPy arrays are "
                "admitted, because anything else in a pickle can run code."
            ) from None

    def get_extension(self, code):  # else a class that another library has registered would pass by find_class
        raise UnsafePickleError(f"it asks for a class by the extension code {_quoted(code)}.")

    def persistent_load(self, pid):
        raise UnsafePickleError("it asks for an object outside of the file.")

    def load_reduce(self):  # the stack ends with a function and its arguments
        self.pay_for(self.stack[-1])
        super().load_reduce()

    def load_newobj(self):  # what is admitted is made by REDUCE or by an operation of its own
        raise UnsafePickleError("it makes an object of a class without its constructor.")

    def _instantiate(self, klass, args):  # INST and OBJ, of which the same is true
        raise UnsafePickleError(f"it makes an object of the class {_quoted(getattr(klass, '__name__', klass))}.")

    def load_build(self):  # else the attributes of any admitted function could be set
        if type(self.stack[-2]) not in (PickledArray, _PickledDtype):
            raise UnsafePickleError(f"it sets the state of a {type(self.stack[-2]).__name__}.")
        self.pay_for(self.stack[-1])
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

    def load_bytearray8(self):  # else it would allocate any number of bytes
        (n,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(n)))

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.ADDITEMS[0]] = load_additems
    dispatch[pickle.FROZENSET[0]] = load_frozenset
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def load_pickle(path: str) -> Any:
    """Reads a pickle of containers, texts, numbers and NumPy arrays, of Python 2 or 3 and NumPy 1 or 2.

    Returns:
        what the pickle holds; an array may come as a stand-in, which has len() and iter() and which np.asarray() takes.

    Raises:
        UnsafePickleError: it asks for anything else; nothing of it has run.
        ValueError: it is not a whole pickle.
        OSError: it cannot be read, or is too large.
    """
    content = read_bytes(path, MAX_DATA_BYTES)
    try:
        return load_pickled_bytes(content)
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{path} was refused: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


def load_pickled_bytes(content: bytes) -> Any:
    """As `load_pickle`, for the bytes of a pickle; the messages do not name a file."""
    try:
        return _SafeUnpickler(content).load()
    except Exception as error:  # a broken pickle can raise almost anything
        if _is_text_copy(content):
            raise ValueError(
                "is a pickle that was copied as a text, which changed the ends of its lines: copy it again, as a file "
                "that is not a text."
            ) from None
        if isinstance(error, UnsafePickleError):
            raise
        reason = shortened(f"{type(error).__name__}: {ascii(str(error))[1:-1]}", 200)
        raise ValueError(f"is not a readable pickle ({reason}).") from None


def _is_text_copy(content):
    """Whether every line of a file ends as those of Windows do: by chance, one line break in 256 of a pickle does."""
    breaks = content.count(b"\n")
    return breaks > 2 and content.count(b"\r\n") == breaks
