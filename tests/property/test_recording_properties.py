"""Any strokes, written as any program would, come back; any damage to such a file is one line, soon."""

import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ink_helpers as ink
from dialects import DIALECTS
from scribe.files.recordings import read_ink, read_recording

# Arrays tell positions from offsets by how smooth writing is: they get strokes of a hand.
ARRAYS = {"npy offsets", "npy positions", "npy pen first", "sketch-rnn", "brush"}
places = st.tuples(st.floats(0, 20), st.floats(0, 60)).map(lambda place: (round(place[0], 2), round(place[1], 2)))


@st.composite
def stroke_sets(draw):
    """Up to five strokes beside each other, of too few points to tell which way is up."""
    strokes = draw(st.lists(st.lists(places, min_size=1, max_size=10, unique=True), min_size=1, max_size=5))
    return [np.array(stroke) + [30.0 + 40 * k, 40.0] for k, stroke in enumerate(strokes)]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(DIALECTS.keys() - ARRAYS)), stroke_sets())
def test_any_strokes_in_any_dialect_come_back(name, strokes):
    with tempfile.TemporaryDirectory() as folder:
        (piece,) = read_ink(DIALECTS[name].write(folder, strokes, "any text"))
    moved = strokes[0][0] - piece.strokes[0][0] if DIALECTS[name].moved else 0.0
    assert len(piece.strokes) == len(strokes)
    for stroke, other in zip(piece.strokes, strokes):
        assert stroke + moved == pytest.approx(other, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(ARRAYS)), st.text("abcdefghijklmnopqrstuvwxyz", min_size=4, max_size=12), st.floats(5, 60)
)
def test_a_hand_of_any_size_in_an_array_comes_back(name, text, scale):
    strokes = ink.hand(text, scale=scale)
    with tempfile.TemporaryDirectory() as folder:
        (piece,) = read_ink(DIALECTS[name].write(folder, strokes, text))
    unit = 50.0 if name == "sketch-rnn" else 1.0
    assert len(piece.strokes) == len(strokes)
    for stroke, other in zip(piece.strokes, strokes):
        found = (stroke - piece.strokes[0][0]) / unit
        assert found == pytest.approx(other - strokes[0][0], abs=0.7 if unit > 1 else 1e-3 * scale)


WHOLE = {name: dialect.make(ink.hand("the pen")[:6], "the pen") for name, dialect in DIALECTS.items()}
WHOLE = {name: content if isinstance(content, bytes) else content.encode() for name, content in WHOLE.items()}
INSERTED = (
    b"9" * 20,
    b"e99",
    b"-",
    b"<",
    b">",
    b'"',
    b" ",
    b"nan",
    b",",
    b"*",
    b"e-320",
    b"%",
    b"{",
    b"url(#a)",
    b"\xff",
)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_file_of_any_dialect_is_strokes_or_one_line_and_soon(data):
    content = bytearray(WHOLE[data.draw(st.sampled_from(sorted(WHOLE)))])
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, max(len(content) - 1, 0)))
        kind = data.draw(st.sampled_from(("byte", "cut", "insert", "double")))
        if kind == "cut":
            del content[at : at + data.draw(st.integers(1, 60))]
        elif kind == "insert":
            content[at:at] = data.draw(st.sampled_from(INSERTED))
        elif kind == "double":
            content[at:at] = content[at : at + data.draw(st.integers(1, 200))]
        elif content:
            content[at] = data.draw(st.integers(0, 255))
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(content)
        try:
            pieces = read_recording(path).pieces
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            assert pieces and all(np.isfinite(stroke).all() for piece in pieces for stroke in piece.strokes)
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    "content",
    [
        "<svg>" + "".join(f'<g id="a{k}"><use href="#a{k + 1}"/><use href="#a{k + 1}"/></g>' for k in range(40))
        + '<g id="a40"><path d="M0 0L1 1"/></g></svg>',
        '<svg><g id="a"><use href="#a"/></g></svg>',
        "<svg><style>" + "*{fill:none}" * 15_000 + "</style>" + "<g/>" * 3_000 + "</svg>",
        "<svg " * 400_000,
        "<html>" + "<svg>" * 100_000,
        "<ink>" + "<trace>1 2,3 4</trace>" * 100_000 + "</ink>",
        "<ink><trace>" + "1 2," * 2_000_000 + "</trace></ink>",
        "[" + "[[1,2]]," * 200_000 + "[[1,2]]]",
        '<!DOCTYPE a [<!ENTITY a "' + "x" * 900 + '">]><svg>' + "&a;" * 100_000 + "</svg>",
        "<ink><traceGroup xml:id='g'>" + "<trace>1 2</trace>" * 2000 + "</traceGroup>"
        + "<traceView traceDataRef='#g'/>" * 2000 + "</ink>",
        ".PEN_DOWN\n" + "1 2\n" * 1_000_000,
    ],
    ids=["uses", "a circle", "rules", "tags", "html", "traces", "points", "strokes", "entities", "views", "unipen"],
)  # fmt: skip
def test_a_file_that_could_grow_is_refused_before_it_does(tmp_path, content):
    """Some of these took minutes, or gigabytes."""
    begun = time.process_time()
    with pytest.raises(ValueError):
        read_ink(ink.write(tmp_path / "file", content))
    assert time.process_time() - begun < 10
