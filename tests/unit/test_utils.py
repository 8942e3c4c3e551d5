import collections
import copyreg
import os
import pickle
import struct
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

import utils
from data_helpers import make_lines, write_data
from disk_helpers import files_of_at_most
from scribe.console import UsageError
from scribe.files import text_file
from scribe.files.iam import read_lines, read_strokes
from scribe.files.limits import MAX_DATA_BYTES
from scribe.files.recordings import read_recording
from scribe.files.safe_pickle import UnsafePickleError, load_pickle
from scribe.files.stroke_file import load_strokes, save_strokes
from scribe.ink.alphabet import ALPHABET, fit_to_alphabet
from scribe.ink.strokes import raw_offsets
from utils import Logger, to_one_hot

# ------------------------------------------------------------------------------------------------------------- text


@pytest.mark.smoke
def test_one_hot_has_a_one_at_the_place_of_every_character():
    one_hot = to_one_hot("ba!", alphabet="ab")
    assert one_hot.dtype == np.float32
    np.testing.assert_array_equal(one_hot, [[0, 0, 1], [0, 1, 0], [1, 0, 0]])


def test_one_hot_cuts_a_long_text_and_pads_a_short_one_with_zero_rows():
    np.testing.assert_array_equal(to_one_hot("abab", 2, "ab"), to_one_hot("ab", alphabet="ab"))
    padded = to_one_hot("a", 3, "ab")
    assert padded.shape == (3, 3) and padded[1:].sum() == 0
    assert to_one_hot("", 0).shape == (0, len(ALPHABET) + 1)


def test_alphabet_has_no_character_twice():
    assert len(set(ALPHABET)) == len(ALPHABET)


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("plain text, 1-2", "plain text, 1-2"),
        ("“naïve” – café…", '"naive" - cafe...'),
        ("½ cup", "1/2 cup"),
        ("Straße, Æsop, ﬁne", "Strasse, AEsop, fine"),
        ("x² ≠ 日本 😀", "x2 - "),
        ("a\u00a0b\tc\nd", "a b c d"),
    ],
)
def test_text_is_written_with_the_closest_characters(text, fitted):
    assert fit_to_alphabet(text)[0].strip() == fitted.strip()


def test_fitting_tells_what_was_replaced_and_what_was_dropped():
    assert fit_to_alphabet("é日日é") == ("ee", {"é": "e"}, ["日"])


def test_fitting_takes_the_other_case_where_the_alphabet_has_only_that():
    assert fit_to_alphabet("aBc", "ABC")[0] == "ABC"


# ---------------------------------------------------------------------------------------------- pickles that are data


def write(path, content):
    path.write_bytes(content)
    return path


def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and (a == b).all()


@pytest.mark.smoke
@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_protocol_load(tmp_path, protocol):
    arrays = [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.zeros((0, 3), np.float32),
        np.array([True, False]),
        np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    ]
    others = ["text", b"bytes", b"", {"a": {1, 2}, 3: (4.5, None)}]
    loaded, rest = load_pickle(write(tmp_path / "p", pickle.dumps([arrays, others], protocol)))
    assert all(same(a, b) for a, b in zip(loaded, arrays, strict=True))
    assert rest == others


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_module_names_of_numpy_1_and_2_load(tmp_path, protocol, core):
    content = pickle.dumps([[np.ones((2, 3))], [np.str_("a"), np.float64(2.5)]], protocol)
    theirs = b"numpy._core" if b"numpy._core" in content else b"numpy.core"
    if protocol < 4:  # the names end at a line break there
        content = content.replace(theirs, core.encode())
    else:  # a length stands before the name, and a frame around all
        old, new = theirs + b".multiarray", core.encode() + b".multiarray"
        content = content.replace(bytes([len(old)]) + old, bytes([len(new)]) + new)
        assert content[2:3] == pickle.FRAME
        content = content[:3] + struct.pack("<Q", len(content) - 11) + content[11:]
    assert core.encode() in content
    (array,), (text, number) = load_pickle(write(tmp_path / "p", content))
    assert same(array, np.ones((2, 3))) and text == "a" and number == 2.5


def python2_pickle(texts):
    """Protocol 2 as Python 2 writes it: numbers of arrays and texts are byte strings (SHORT_BINSTRING)."""

    def string(b):
        return b"U" + bytes([len(b)]) + b

    points = np.array([[0, 0, 0], [-200, 130, 1]], "<i2")
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + b"K\x00\x85" + string(b"b") + b"\x87R"
        b"(K\x01K\x02K\x03\x86cnumpy\ndtype\n" + string(b"i2") + b"K\x00K\x01\x87R"
        b"(K\x03"
        + string(b"<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + string(points.tobytes())
        + b"tb"
    )
    strings = b"".join(string(text) for text in texts)
    return points, b"\x80\x02](](" + array * len(texts) + b"e](" + strings + b"ee."


@pytest.mark.smoke
def test_python_2_pickles_with_latin1_strings_load(tmp_path):
    points, content = python2_pickle([b"caf\xe9", b"plain\r"])
    strokes, texts = load_strokes(write(tmp_path / "p", content))
    assert texts == ["café", "plain\r"]
    assert all(same(line, points) for line in strokes)


@pytest.mark.parametrize("protocol", range(6))
def test_nested_lists_of_floats_load(tmp_path, protocol):
    lines = [[[0.0, 0.0, 0.0], [1.5, -2.0, 1.0]], ((1, 2, 0), (3, 4, 1))]
    strokes, _ = load_strokes(write(tmp_path / "p", pickle.dumps([lines, ["a", "b"]], protocol)))
    for line, array in zip(lines, strokes, strict=True):
        np.testing.assert_array_equal(array, np.array(line, float))


def test_object_arrays_of_lines_load_even_where_all_lines_are_equally_long(tmp_path):
    lines = np.empty(2, object)
    lines[0], lines[1] = np.ones((2, 3), np.int16), [[1.0, 2.0, 0.0], [3.0, 4.0, 1.0]]
    strokes, texts = load_strokes(write(tmp_path / "p", pickle.dumps([lines, np.array(["a", "b"])], 2)))
    assert same(strokes[0], lines[0]) and same(strokes[1], np.array(lines[1])) and texts == ["a", "b"]
    for content in ([np.array([[0, 0, 0], [1, 2, 1]], object)], np.ones((1, 4, 3), object)):
        ((line,), _) = load_strokes(write(tmp_path / "q", pickle.dumps([content, ["a"]])))
        assert same(line, np.array(content[0], float))


def test_loaded_arrays_can_be_written_to(tmp_path):
    for protocol in (2, 4, 5):
        strokes, _ = load_strokes(write(tmp_path / "p", pickle.dumps([[np.ones((2, 3))], ["a"]], protocol)))
        strokes[0][0, 0] = 7


def test_saved_strokes_load_as_they_were(tmp_path):
    strokes, texts = write_data(tmp_path, 5, seed=3)
    loaded, loaded_texts = load_strokes(tmp_path / utils.DATA_FILE)
    assert loaded_texts == texts and all(same(a, b) for a, b in zip(loaded, strokes, strict=True))


def test_a_save_that_fails_leaves_the_earlier_file_whole(tmp_path):
    path = tmp_path / "p"
    save_strokes(path, *make_lines(2))
    before = path.read_bytes()
    with pytest.raises((AttributeError, pickle.PicklingError, TypeError)):
        save_strokes(path, [lambda: None], ["a"])
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["p"]


# --------------------------------------------------------------------------------------------- pickles that are not


class Evil:
    """Pickles as a call of `function`."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def bombs(target):
    """name: (pickle, what its refusal has to name)."""
    command = f"touch {target}"
    text = b"X" + struct.pack("<I", len(command)) + command.encode()
    code = f"__import__('os').system({command!r})"
    return {
        "os.system": (pickle.dumps(Evil(os.system, command)), f"{os.name}.system"),
        "os.system by name": (b"cos\nsystem\n(S'" + command.encode() + b"'\ntR.", "os.system"),
        "os.system by INST": (b"(S'" + command.encode() + b"'\nios\nsystem\n.", "os.system"),
        "os.system by OBJ": (b"(cos\nsystem\nS'" + command.encode() + b"'\no.", "os.system"),
        "subprocess by NEWOBJ": (b"\x80\x02csubprocess\nPopen\n" + text + b"\x85\x81.", "subprocess.Popen"),
        "eval": (pickle.dumps(Evil(eval, code), 2), "__builtin__.eval"),
        "eval, protocol 4": (pickle.dumps(Evil(eval, code), 4), "builtins.eval"),
        "in a list": (pickle.dumps([[np.ones((2, 3))], ["a", Evil(os.system, command)]]), f"{os.name}.system"),
        "in an object array": (pickle.dumps(np.array([1, Evil(os.system, command)], object)), f"{os.name}.system"),
        "in a key": (pickle.dumps({Evil(os.system, command): 1}), f"{os.name}.system"),
        "attribute of an admitted class": (
            b"\x80\x04\x8c\x08builtins\x8c\x0elist.__class__\x93" + text + b"\x85R.",
            "builtins.list.__class__",
        ),
        "getattr": (b"c__builtin__\ngetattr\n(c__builtin__\nlist\nS'__class__'\ntR.", "__builtin__.getattr"),
        "_reconstruct of another class": (
            b"cnumpy.core.multiarray\n_reconstruct\n(c__builtin__\nlist\n(I0\ntS'b'\ntR.",
            "list",
        ),
        "_reconstruct of a subclass": (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nmemmap\n(I0\ntS'b'\ntR.",
            "numpy.memmap",
        ),
        "_reconstructor": (pickle.dumps(collections.UserList([1]), 0), "copy_reg._reconstructor"),
        "a codec": (b"c_codecs\nencode\n(Vabc\nVidna\ntR.", "_codecs.encode"),
        "another codec function": (b"c_codecs\nlookup\n(Vidna\ntR.", "_codecs.lookup"),
        "numpy.load": (b"cnumpy\nload\n(S'x'\ntR.", "numpy.load"),
        "fields": (b"cnumpy\ndtype\n(S'i4,O'\nI0\nI1\ntR.", "not handwriting"),
        "an object from outside": (b"Pname\n.", "outside"),
        "an object from outside, binary": (b"\x80\x02K\x01Q.", "outside"),
        "the state of a function": (b"\x80\x02c_codecs\nencode\n}X\x01\x00\x00\x00aK\x01sb.", "state of a function"),
        "the state of a class": (b"\x80\x02cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.", "state of a type"),
        "a name that a terminal would obey": (b"cos\x1b[2J\nsystem\n(tR.", "os\\x1b[2J.system"),
    }


@pytest.mark.parametrize("name", bombs(""))
def test_a_malicious_pickle_is_refused_by_name_and_nothing_of_it_runs(tmp_path, name):
    target = tmp_path / "it_ran"
    content, named = bombs(target)[name]
    path = write(tmp_path / "p", content)
    with pytest.raises(UnsafePickleError) as refusal:
        load_pickle(path)
    assert named in str(refusal.value) and str(path) in str(refusal.value)
    assert not target.exists()


@pytest.mark.smoke
def test_the_malicious_pickles_of_these_tests_would_run_elsewhere(tmp_path):
    target = tmp_path / "it_ran"
    pickle.loads(bombs(target)["in a list"][0])
    assert target.exists()


@pytest.mark.parametrize("content", [b"\x80\x02\x82\xf7.", b"\x80\x02\x83\xf7\x00.", b"\x80\x02\x84\xf7\x00\x00\x00."])
def test_extension_codes_are_refused_though_a_library_has_registered_and_used_them(tmp_path, content):
    class Registered:
        pass

    module = sys.modules[__name__]
    module.Registered, Registered.__qualname__ = Registered, "Registered"
    copyreg.add_extension(__name__, "Registered", 247)
    try:
        assert pickle.loads(content) is Registered  # from now on it stands in a cache, past find_class
        with pytest.raises(UnsafePickleError, match="extension code 247"):
            load_pickle(write(tmp_path / "p", content))
    finally:
        copyreg.remove_extension(__name__, "Registered", 247)
        del module.Registered


def test_a_file_larger_than_any_of_its_kind_is_told_before_it_is_read(tmp_path):
    """MemoryError, after the machine had no memory left."""
    with open(tmp_path / "large", "wb") as file:
        file.truncate(MAX_DATA_BYTES + 1)  # takes no room on the disk
    tracemalloc.start()
    try:
        for read in (load_pickle, read_strokes, read_lines):
            with pytest.raises(OSError, match="MiB, which is too much: '.*large'"):
                read(str(tmp_path / "large"))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_text_of_gigabytes_is_told_when_so_much_has_been_read_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(text_file, "MAX_PICKLE_BYTES", 2**20)
    (tmp_path / "text").write_bytes(b"a" * 2**20)
    assert len(text_file.read_text(str(tmp_path / "text"))) == 2**20
    (tmp_path / "text").write_bytes(b"a" * (2**20 + 1))
    with pytest.raises(UsageError, match="has more than 1 MiB: split it"):
        text_file.read_text(str(tmp_path / "text"))


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="no file here that can be opened and not read")
def test_a_disk_that_fails_while_a_file_is_read_is_told_with_the_name_of_the_file():
    """[Errno 5] Input/output error."""
    for read in (load_pickle, text_file.read_text, read_strokes, read_recording):
        with pytest.raises(OSError, match="/proc/self/mem"):
            read("/proc/self/mem")


@pytest.mark.parametrize("protocol", range(6))
def test_a_truncated_pickle_gives_value_error(tmp_path, protocol):
    content = pickle.dumps([[np.ones((2, 3))], ["text"]], protocol)
    for n in range(len(content)):
        with pytest.raises(ValueError, match="readable pickle"):
            load_pickle(write(tmp_path / "p", content[:n]))


@pytest.mark.parametrize(
    "content",
    {
        "memo index": b"\x80\x02Nr\xff\xff\xff\x7f0" + b"h\x01.",
        "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"a.",
        "bytearray that the machine has": b"\x80\x05\x96" + struct.pack("<Q", 1 << 31) + b"a.",
        "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"a.",
        "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"a.",
        "bytes of a number": b"c__builtin__\nbytes\n(I1000000000000\ntR.",
        "array of a number": b"cnumpy\nndarray\n(tR(I1\n(I3\ntcnumpy\ndtype\n(S'i2'\ntRI0\nI1000000000000\ntb.",
        "rows without numbers": b"c__builtin__\nlist\n(cnumpy\nndarray\n(tR"
        b"(I1\n(I1000000000000\nI0\ntcnumpy\ndtype\n(S'i2'\ntRI0\nS''\ntbtR.",
    }.items(),
    ids=lambda item: item[0],
)
def test_a_small_file_cannot_ask_for_much_memory(tmp_path, content):
    """Also not for as much as there is: what fails for want of memory was refused by luck."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="readable pickle") as error:
            load_pickle(write(tmp_path / "p", content[1]))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert "MemoryError" not in str(error.value)


NONES = 20_000
MANY = b"\x80\x04](" + b"N" * NONES + b"e\x940"  # a list, in place 0 of the memo
LATIN = b"\x80\x04X" + struct.pack("<I", NONES) + b"a" * NONES + b"\x940"  # a text there
BYTES = b"\x80\x04B" + struct.pack("<I", NONES) + b"a" * NONES + b"\x940"
DTYPE = b"cnumpy\ndtype\n(S'%b'\nI0\nI1\ntR"
STATE = b"(I1\n(I%d\nt%bI00\nh\x00t\x940"  # of an array with the memo's place 0 as its content; place 1 of the memo
ARRAY = BYTES + STATE % (NONES, DTYPE % b"i1")


@pytest.mark.parametrize(
    "parts",
    {
        "list": (MANY, b"cbuiltins\nlist\nh\x00\x85R"),
        "tuple": (MANY, b"cbuiltins\ntuple\nh\x00\x85R"),
        "set of a text": (LATIN, b"cbuiltins\nset\nh\x00\x85R"),
        "dict": (
            b"\x80\x04}(" + b"".join(b"M%bN" % struct.pack("<H", i) for i in range(NONES)) + b"u\x940",
            b"cbuiltins\ndict\nh\x00\x85R",
        ),
        "list by NEWOBJ": (MANY, b"cbuiltins\ntuple\nh\x00\x85\x81"),
        "list by NEWOBJ_EX": (MANY, b"cbuiltins\ntuple\nh\x00\x85}\x92"),
        "list by INST": (MANY, b"(h\x00ibuiltins\nlist\n"),
        "list by OBJ": (MANY, b"(cbuiltins\nlist\nh\x00o"),
        "text as bytes": (LATIN, b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"),
        "array of a buffer": (
            BYTES,
            b"cnumpy.core.numeric\n_frombuffer\n(h\x00" + DTYPE % b"i1" + b"I%d\n\x85X\x01\x00\x00\x00CtR" % NONES,
        ),
        "scalar": (BYTES, b"cnumpy.core.multiarray\nscalar\n" + DTYPE % (b"S%d" % NONES) + b"h\x00\x86R"),
        "state of an array": (ARRAY, b"cnumpy\nndarray\n)Rh\x01b"),
        "state of an array of objects": (
            MANY + STATE % (NONES, DTYPE % b"O"),
            b"cnumpy\nndarray\n)Rh\x01b",
        ),
        "rows of an array": (ARRAY + b"cnumpy\nndarray\n)Rh\x01b\x940", b"cbuiltins\nlist\nh\x02\x85R"),
    }.items(),
    ids=lambda item: item[0],
)
def test_what_a_pickle_holds_once_is_not_copied_again_and_again(tmp_path, parts):
    """106 kB took 799 MB: a list of 100,000, and then its copy a thousand times, for six bytes each."""
    beginning, copy = parts[1]
    path = write(tmp_path / "p", beginning + b"](" + copy * 300 + b"e.")
    tracemalloc.start()
    try:
        with pytest.raises(UnsafePickleError, match="copies|makes an object"):
            load_pickle(path)
        assert tracemalloc.get_traced_memory()[1] < 15_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    {
        "name of a type": b"cnumpy\ndtype\n(%bI0\nI1\ntR.",
        "codec": b"c_codecs\nencode\n(Va\n%btR.",
        "class of an array": b"cnumpy.core.multiarray\n_reconstruct\n(%b(I0\ntS'b'\ntR.",
    }.items(),
    ids=lambda item: item[0],
)
def test_a_name_that_is_lists_in_lists_is_refused_without_writing_them_out(tmp_path, content):
    """A message, or NumPy's name of a type, would hold 10 ** 12 characters; this test has fewer, should it fail."""
    grown = [None] * 10
    for _ in range(4):
        grown = [grown] * 10
    path = write(tmp_path / "p", content[1] % pickle.dumps(grown, 1)[:-1])
    tracemalloc.start()
    try:
        with pytest.raises(UnsafePickleError) as refusal:
            load_pickle(path)
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()
    assert len(str(refusal.value)) < 300


def test_what_should_be_pairs_of_a_dict_is_not_copied_to_see_that_it_is_not(tmp_path):
    path = write(tmp_path / "p", MANY + b"cbuiltins\ndict\n](" + b"h\x00" * 300 + b"e\x85R.")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="readable pickle"):
            load_pickle(path)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("protocol", range(6))
def test_the_smallest_pieces_that_numpy_and_python_write_are_within_what_may_be_copied(tmp_path, protocol):
    """Bytes of the early protocols are copied twice: from a text to bytes, and from these to an array."""
    arrays = [np.zeros(n, np.uint8) for n in (0, 1, 1, 2, 100_000)] + [np.full(100_000, 255, np.uint8)]
    others = [[np.bool_(True), np.float64(2.5), np.str_("é"), np.bytes_(b"a")] * 50, [{None}, frozenset("a")] * 50]
    others.append([bytes([i % 256]) for i in range(300)])
    loaded, rest = load_pickle(write(tmp_path / "p", pickle.dumps([arrays, others], protocol)))
    assert all(same(a, b) for a, b in zip(loaded, arrays, strict=True))
    assert rest == others


def test_lists_in_lists_that_would_grow_without_bound_are_refused(tmp_path):
    grown = [0.0] * 10
    for _ in range(12):
        grown = [grown] * 10
    with pytest.raises(ValueError, match="line 0 .* point 0 is a list of 10"):
        load_strokes(write(tmp_path / "p", pickle.dumps([[grown], ["a"]])))
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="line 0"):
        load_strokes(write(tmp_path / "p", pickle.dumps([[endless], ["a"]])))


# ------------------------------------------------------------------------------------------------- shape of the file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 1, "b": 2}, "should hold the lists"),
        ("ab", "should hold the lists"),
        ([1, 2], "should hold the lists"),
        ([[], [], [], []], "a list of 4"),
        (5, "a int"),
        ([[np.ones((2, 3))], []], "1 lines of strokes but 0 texts"),
        ([[np.ones((2, 3)), np.ones((2, 4))], ["a", "b"]], r"line 1 .* its shape is \(2, 4\)"),
        ([[np.ones(3)], ["a"]], r"line 0 .* its shape is \(3,\)"),
        ([["abc"], ["a"]], "line 0 .* a str"),
        ([[[[1, 2, "x"]]], ["a"]], "line 0 .* its point 0 is not three numbers"),
        ([[[[1, 2, 3], [1, 2]]], ["a"]], "line 0 .* its point 1 is a list of 2"),
        ([[np.ones((2, 3))], [None]], "text 0 .* a NoneType"),
    ],
)
def test_a_file_of_another_shape_is_refused_with_the_line_and_what_is_wrong(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        load_strokes(write(tmp_path / "p", pickle.dumps(content)))


def test_a_missing_file_gives_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_pickle(tmp_path / "none")


# ------------------------------------------------------------------------------------------------------------ logger


def test_logger_writes_to_stderr_and_to_its_file(tmp_path, capsys):
    logger = Logger(SimpleNamespace(log_dir=tmp_path / "logs"))
    logger.write("both")
    logger.write("file alone", print_it=False)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "both\n")
    lines = (tmp_path / "logs" / "train_scribe.txt").read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["both", "file alone"]


def test_logger_whose_disk_is_full_says_so_once_and_goes_on(tmp_path, capsys):
    """A message that could not be written ended the training that it was about."""
    logger = Logger(SimpleNamespace(log_dir=tmp_path))
    logger.write("one")
    with files_of_at_most(10):
        logger.write("two")
        logger.write("three")
    one, two, warning, three = capsys.readouterr().err.splitlines()
    assert (one, two, three) == ("one", "two", "three")
    assert warning.startswith(f"Warning: {tmp_path}") and "File too large" in warning


def test_logger_without_a_folder_writes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Logger().write("text")
    assert os.listdir(tmp_path) == []


def test_raw_offsets_lead_back_to_where_the_pen_was():
    points = np.column_stack([np.random.default_rng(0).normal(0, 1, (400, 2)).cumsum(axis=0), np.zeros(400)])
    points[-1, 2] = 1
    raw = raw_offsets(points, 50.0)
    assert raw.dtype == np.int16 and raw[0].tolist() == [0, 0, 0] and raw[-1, 2] == 1
    places = np.cumsum(raw[:, :2].astype(float), axis=0) / 50.0
    np.testing.assert_allclose(places, points[:, :2] - points[0, :2], atol=0.5 * 2 / 50)
