"""Files of strangers: whatever is in them, reading ends in strokes or in one line that says why not."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ink_helpers as ink
from scribe.files.recordings import read_ink
from scribe.files.svg_shapes import path_parts
from scribe.ink.pen import resample
from scribe.writing.own_hand import load_own_hand

STROKES = ink.hand()
FILES = [
    ink.inkml([STROKES[:5]], ["the pen"], head='<traceFormat><channel name="X"/><channel name="Y"/></traceFormat>'),
    ink.inkml(
        [STROKES[:5]],
        head="<context><canvasTransform><mapping type='affine'><affine>1 0 0, 0 -1 0</affine></mapping>"
        "</canvasTransform></context>",
    ),
    ink.svg(
        STROKES[:5], around=('<g transform="rotate(3) scale(2,1)"><path d="M0 0c1 2 3 4 5 6a5 5 0 01 6 0z"/>', "</g>")
    ),
    ink.scribe_json([STROKES[:5]], ["the pen"]),
    ink.iam(STROKES[:5]),
]  # fmt: skip


def load_quietly(content):
    """Only ValueError may be raised, in one line that names the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(content)
        for load in (read_ink, lambda path: load_own_hand(path, "the pen moved", data_scale=50.0)):
            try:
                load(path)
            except ValueError as error:
                assert str(path) in str(error) and "\n" not in str(error)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([b"", b"<", b"{", b"(", b"\x80\x04", b"<svg>", b"<ink>"]), st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_value_error(start, rest):
    load_quietly(start + rest)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mutated_files_raise_nothing_but_value_error(data):
    content = bytearray(data.draw(st.sampled_from(FILES)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(("byte", "digit", "cut", "insert")))
        if kind == "cut":
            del content[at : at + data.draw(st.integers(1, 30))]
        elif kind == "insert":
            parts = [b"9" * 20, b"e99", b"-", b"<", b">", b'"', b" ", b"nan", b",", b"*", b"e-320"]
            content[at:at] = data.draw(st.sampled_from(parts))
        else:
            content[at] = data.draw(st.integers(0, 255) if kind == "byte" else st.integers(48, 57))
    load_quietly(bytes(content))


@settings(max_examples=200, deadline=None)
@given(st.text("MmLlHhVvCcSsQqTtAaZz0123456789.,-+e ", max_size=60))
def test_any_path_is_read_or_refused(data):
    try:
        strokes, _ = path_parts(data)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert all(points.ndim == 2 and points.shape[1] == 2 and len(points) for points, _ in strokes)


numbers = st.floats(-30, 30).map(lambda value: round(value, 3))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30))
def test_a_resampled_stroke_keeps_its_ends_and_stays_near_its_way(points):
    points = np.array(points)
    even = resample(points)
    assert np.isfinite(even).all() and 2 <= len(even)
    assert even[0] == pytest.approx(points[0], abs=0.05)
    assert even[-1] == pytest.approx(points[-1], abs=0.15)
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.ptp(points, axis=0).max()
    assert (even >= low - 0.3 * size - 0.1).all() and (even <= high + 0.3 * size + 0.1).all()


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(-5, 5).map(lambda power: 10.0**power), x=st.floats(-1e3, 1e3), y=st.floats(-1e3, 1e3))
def test_neither_unit_nor_place_changes_a_style(scale, x, y):
    with tempfile.TemporaryDirectory() as folder:
        styles = []
        for name, strokes in (("a", STROKES), ("b", [(stroke + [x, y]) * scale for stroke in STROKES])):
            path = ink.write(Path(folder, name), ink.inkml([strokes], [ink.TEXT]))
            styles.append(load_own_hand(path, data_scale=50.0)[0])
    assert styles[0].shape == styles[1].shape and styles[1] == pytest.approx(styles[0], abs=1e-3)
