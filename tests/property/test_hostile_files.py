"""Files from strangers: whatever is in them, each loader raises its own error, and soon."""

import json
import os
import pickle
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import HandwritingModel, load_model
from scribe.files.iam import LineError, read_lines, read_strokes, to_offsets
from scribe.files.safe_pickle import UnsafePickleError, load_pickle
from scribe.network.checkpoint import CheckpointError, save_model
from scribe.network.config import ModelConfig

# ------------------------------------------------------------------------------------------------------------- pickles

DEEP = b"N" + b"\x85" * 1_000_000  # None in a tuple in a tuple in a tuple ...
NESTED = b"N\x85\x85"


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04}" + DEEP + b"K\x01s.",
        b"\x80\x04}(" + NESTED + b"K\x01u.",
        b"(" + NESTED + b"K\x01d.",
        b"\x80\x04\x8f(" + NESTED + b"\x90.",
        b"\x80\x04(" + NESTED + b"\x91.",
        b"cbuiltins\nset\n(]" + NESTED + b"atR.",
        b"cbuiltins\nfrozenset\n(]" + NESTED + b"atR.",
        b"cbuiltins\ndict\n(](" + NESTED + b"I1\ntatR.",
    ],
    ids=["SETITEM", "SETITEMS", "DICT", "ADDITEMS", "FROZENSET", "set()", "frozenset()", "dict()"],
)
def test_tuples_within_tuples_are_not_hashed(tmp_path, content):
    """The hash of a tuple within a million tuples used up the stack, and the whole process died."""
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(UnsafePickleError, match="as a key or in a set"):
        load_pickle(tmp_path / "p")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("content", [{1, "a", b"b"}, frozenset("ab"), {"a": {1: 2}, None: ()}, set(), {}, ((1, (2,)),)])
def test_plain_sets_and_dicts_still_load(tmp_path, protocol, content):
    (tmp_path / "p").write_bytes(pickle.dumps(content, protocol))
    assert load_pickle(tmp_path / "p") == content


def test_a_numpy_type_of_a_million_fields_is_refused_by_its_name(tmp_path):
    """NumPy built the fields, for a minute, before anything looked at them."""
    name = b",".join([b"i4"] * 1_000_000)
    (tmp_path / "p").write_bytes(b"cnumpy\ndtype\n(S'" + name + b"'\nI0\nI1\ntR.")
    with pytest.raises(UnsafePickleError, match="2999999 characters") as raised:
        load_pickle(tmp_path / "p")
    assert len(str(raised.value)) < 300


# ----------------------------------------------------------------------------------------------------------------- XML

HEAD = b'<?xml version="1.0"?>'
XML = (
    HEAD
    + b"<Session><StrokeSet><Stroke><Point x='1' y='2' time='3.5'/><Point x='5' y='9'/></Stroke></StrokeSet></Session>"
)
PIECES = (
    b"<Stroke>|</Stroke>|<Point x='1' y='2'/>|<!DOCTYPE a [<!ENTITY b 'c'>]>|&b;|<!--|-->|<![CDATA[|]]>|<?x y?>|<|>|'"
)


def offsets_of(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "line.xml")
        path.write_bytes(content)
        return to_offsets(read_strokes(path))


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(XML)),
            st.integers(0, 12),
            st.one_of(st.sampled_from(PIECES.split(b"|")), st.binary(max_size=6)),
        ),
        max_size=6,
    )
)
def test_damaged_xml_gives_points_or_a_line_error(edits):
    content = XML
    for at, cut, new in edits:
        content = content[:at] + new + content[at + cut :]
    try:
        assert offsets_of(content).shape[1] == 3
    except LineError as error:
        assert error.kind


@pytest.mark.parametrize(
    "content, kind",
    [
        (
            b"<!DOCTYPE a [<!ENTITY l0 'lol'>"
            + b"".join(b"<!ENTITY l%d '%s'>" % (i, b"&l%d;" % (i - 1) * 10) for i in range(1, 12))
            + b"]><a>&l11;</a>",
            "XML with entities",
        ),
        (b"<!DOCTYPE a [<!ENTITY l '" + b"x" * 50_000 + b"'>]><a>" + b"&l;" * 50_000 + b"</a>", "XML with entities"),
        (b"<!DOCTYPE a [<!ENTITY l SYSTEM 'file:///etc/passwd'>]><Stroke>&l;</Stroke>", "XML with entities"),
        (b"<!DOCTYPE a [<!ENTITY % l SYSTEM 'file:///etc/passwd'> %l;]><a/>", "XML with entities"),
        (b"<a>" * 200_000 + b"</a>" * 200_000, "no pen points"),
        (b"<Stroke><Point x='" + b"1" * 1_000_000 + b"' y='1'/></Stroke>", "broken XML"),
    ],
    ids=["billion laughs", "quadratic blow-up", "external entity", "parameter entity", "deep", "a million digits"],
)
def test_an_xml_bomb_does_not_go_off(content, kind):
    with pytest.raises(LineError) as raised:
        offsets_of(HEAD + content)
    assert raised.value.kind == kind


def test_a_long_token_of_xml_is_read_once():
    """Handed over in parts, expat before 2.6 begins it anew with every part: 8 MB took nine seconds, 80 MB minutes."""
    start = time.process_time()
    with pytest.raises(LineError):
        offsets_of(HEAD + b"<Stroke a='" + b"x" * 8_000_000)
    assert time.process_time() - start < 3


@given(st.binary(max_size=300))
def test_any_bytes_are_a_text_file_of_lines(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "form.txt")
        for bytes_before in (b"", b"CSR:\n"):
            path.write_bytes(bytes_before + content)
            assert all(isinstance(line, str) for line in read_lines(path))


# --------------------------------------------------------------------------------------------------------- checkpoints


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A small checkpoint: folder, config."""
    folder = tmp_path_factory.mktemp("shipped")
    save_model(str(folder / "checkpoint"), HandwritingModel(ModelConfig(6, 2, 1, "abc")))
    return folder, json.loads((folder / "config.json").read_text())


def load_with(shipped, name, content):
    """Loads a copy of the checkpoint in which one file has another content."""
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "copy")
        shutil.copytree(shipped[0], copy)
        Path(copy, name).write_bytes(content)
        return load_model(os.path.join(copy, "checkpoint"))


@pytest.mark.parametrize("field", ["rnn_size", "nmixtures", "kmixtures"])
@pytest.mark.parametrize("value", [10**5, 10**9, 10**30])
def test_a_config_cannot_ask_for_more_memory_than_its_checkpoint_fills(shipped, field, value):
    """It used to be built first and compared afterwards, which filled the memory."""
    with pytest.raises(CheckpointError, match="belongs to another checkpoint"):
        load_with(shipped, "config.json", json.dumps({**shipped[1], field: value}).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"alphabet": "abc"}',
        b"1",
        b"[" * 100_000,
        b"9" * 5000,
        b'{"rnn_size": "6"}',
        b'{"x": 1}',
    ]
    + [b'{"data_scale": Infinity}', b'{"data_scale": 1e400}', b'{"tsteps_per_ascii": NaN}', b'{"alphabet": "aa"}'],
)
def test_a_broken_config_is_one_clear_error(shipped, content):
    """JSON nested 100,000 deep ended in a RecursionError; an infinite scale was accepted."""
    with pytest.raises(CheckpointError, match="does not describe a model"):
        load_with(shipped, "config.json", content)


@pytest.mark.parametrize("missing", ["alphabet", "rnn_size", "nmixtures", "kmixtures"])
def test_a_config_that_lacks_a_size_says_which(shipped, missing):
    """Without an alphabet it described another network, one of a single character."""
    content = {name: value for name, value in shipped[1].items() if name != missing}
    with pytest.raises(CheckpointError, match=f"it has no {missing}"):
        load_with(shipped, "config.json", json.dumps(content).encode())


@pytest.mark.parametrize("field", ["rnn_size", "first_pen", "alphabet", "x" * 1_000_000])
@pytest.mark.parametrize("value", ["a" * 1_000_000, ["b"] * 100_000, "ab" * 300_000])
def test_a_message_does_not_repeat_a_whole_config(shipped, field, value):
    with pytest.raises(CheckpointError) as error:
        load_with(shipped, "config.json", json.dumps({**shipped[1], field: value}).encode())
    assert len(str(error.value)) < 600


def test_a_data_file_that_is_large_without_holding_anything_builds_no_large_network(shipped, tmp_path):
    """The size of the file alone was looked at: a network of 20,000 units filled 17 GB."""
    shutil.copytree(shipped[0], tmp_path / "copy")
    (tmp_path / "copy" / "config.json").write_text(json.dumps({**shipped[1], "rnn_size": 20_000}))
    os.truncate(tmp_path / "copy" / "checkpoint.data-00000-of-00001", 40_000_000_000)
    with pytest.raises(CheckpointError, match="belongs to another checkpoint"):
        load_model(str(tmp_path / "copy" / "checkpoint"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_told_as_such(shipped, tmp_path, value):
    model = load_model(str(shipped[0] / "checkpoint"))
    model.trainable_variables[3].assign(np.full(model.trainable_variables[3].shape, value))
    save_model(str(tmp_path / "checkpoint"), model)
    with pytest.raises(CheckpointError, match="weights that are not finite, in 1 of"):
        load_model(str(tmp_path / "checkpoint"))


@pytest.mark.parametrize("sizes", [(6, 2, 1, "abc"), (5, 3, 4, ""), (9, 1, 2, " a")])
def test_a_config_knows_the_shapes_of_its_network(sizes):
    config = ModelConfig(*sizes)
    variables = HandwritingModel(config).trainable_variables
    assert sorted(config.shapes) == sorted(tuple(v.shape) for v in variables)
    assert config.weights == sum(int(np.prod(v.shape)) for v in variables)


@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_checkpoint_is_never_restored(shipped, data):
    """TensorFlow keeps checksums of both files, but for a few bytes of the index that nothing reads."""
    name = data.draw(st.sampled_from(["checkpoint.index", "checkpoint.data-00000-of-00001"]))
    content = bytearray((shipped[0] / name).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["byte", "cut", "drop", "insert"]))
    if kind == "byte":
        content[at] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del content[at:]
    elif kind == "drop":
        del content[at : at + data.draw(st.integers(1, 50))]
    else:
        content[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    try:
        weights = load_with(shipped, name, bytes(content)).get_weights()
    except CheckpointError as error:
        assert "{{" not in str(error) and "\n" not in str(error)
        return
    whole = load_model(str(shipped[0] / "checkpoint")).get_weights()
    assert name == "checkpoint.index" and all(map(np.array_equal, weights, whole))
