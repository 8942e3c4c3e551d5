"""Recordings of all programs: what each writes comes in as the strokes that were put into it."""

import re
from pathlib import Path

import numpy as np
import pytest

import ink_helpers as ink
from dialects import DIALECTS, PEN, drawing, paths
from scribe.files.recordings import read_ink, read_recording
from scribe.ink.strokes import split_strokes
from scribe.writing.own_hand import load_own_hand

ROOT = Path(__file__).parents[2]
CASES = ROOT.parent / "shared" / "cases"
CASES = CASES if CASES.exists() else ROOT.parents[1] / "shared" / "cases"
TEXT = "the quick brown fox jumps over"
STROKES = [stroke + [60, 90] for stroke in ink.hand(TEXT, scale=8.0)]


def same(strokes, wanted, tolerance=0.01, moved=False):
    assert [len(stroke) > 1 for stroke in strokes] == [len(stroke) > 1 for stroke in wanted]
    shift = wanted[0][0] - strokes[0][0] if moved else 0.0
    for stroke, other in zip(strokes, wanted):
        assert len(stroke) == len(other)
        factor = 1 if tolerance < 0.1 else 50
        assert (stroke + shift if factor == 1 else (stroke - strokes[0][0]) / 50) == pytest.approx(
            other if factor == 1 else other - wanted[0][0], abs=tolerance
        )


@pytest.mark.parametrize("name", DIALECTS)
def test_what_a_program_writes_is_the_strokes_that_were_put_into_it(tmp_path, name):
    dialect = DIALECTS[name]
    (piece,) = read_ink(dialect.write(tmp_path, STROKES, TEXT))
    same(piece.strokes, STROKES, dialect.tolerance, dialect.moved)
    assert (piece.text == TEXT) == dialect.says_text


PEN_WIDTH = 2.0  # of the plain drawing
OTHERWISE = ("line2", "closed")  # as strokes, a second line that is moved and letters that z closes are not the same


@pytest.mark.skipif(not CASES.exists(), reason="no recordings of other programs here")
@pytest.mark.parametrize("name", sorted(path.name for path in CASES.glob("*.*") if path.suffix != ".md"))
def test_a_case_is_the_same_hand_as_the_plain_drawing(name):
    if name.endswith("-chars.npy"):
        pytest.skip("the text of the file beside it")
    if name == "sketchrnn.npz":
        with pytest.raises(ValueError, match="the letters have lost their shapes"):
            read_ink(CASES / name)
        return
    (plain,), (piece,) = (read_ink(CASES / file) for file in ("svg_01_plain.svg", name))
    assert len(piece.strokes) == len(plain.strokes)
    if not any(word in name for word in OTHERWISE):
        assert distance_but_for_place_and_size(piece.strokes, plain.strokes) < PEN_WIDTH / 2
    styles = [load_own_hand(CASES / file, TEXT, data_scale=117.0)[0] for file in ("svg_01_plain.svg", name)]
    width, wanted = (np.ptp(np.cumsum(style[:, 0])) for style in styles)
    assert width == pytest.approx(wanted, rel=0.05)


def distance_but_for_place_and_size(strokes, wanted):
    """The largest distance of strokes from others, after they have been moved, scaled and turned onto them."""

    def along(stroke):
        way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
        at = np.linspace(0, way[-1], 60)
        return np.interp(at, way, stroke[:, 0]) + 1j * np.interp(at, way, stroke[:, 1])

    a, b = (np.concatenate([along(stroke) for stroke in each]) for each in (strokes, wanted))
    basis = np.column_stack([a / np.abs(a).max(), np.ones(len(a))])
    return np.abs(basis @ np.linalg.lstsq(basis, b, rcond=None)[0] - b).max()


def test_pieces_whose_ends_meet_are_one_stroke_and_others_are_not(tmp_path):
    lines = (
        '<line x1="0" y1="0" x2="5" y2="9"/><line x1="5" y1="9" x2="9" y2="3"/><line x1="9.2" y1="3" x2="14" y2="8"/>'
    )
    path = ink.write(tmp_path / "a.svg", drawing(f'<g stroke="#000">{lines}<line x1="30" y1="8" x2="31" y2="9"/></g>'))
    (piece,) = read_ink(path)
    assert [stroke.tolist() for stroke in piece.strokes] == [
        [[0, 0], [5, 9], [9, 3], [9.2, 3], [14, 8]], [[30, 8], [31, 9]],
    ]  # fmt: skip


def test_what_is_left_out_of_a_drawing_is_listed(tmp_path):
    frame = '<rect width="9" height="9" fill="#fff"/><path fill="#000" d="M0 0L50 0L50 3z"/><path d="M NaN 1 L2 2"/>'
    hidden = f'<g style="display:none"><path {PEN} d="M0 0L1 1"/></g><text>a</text><text>b</text>'
    path = ink.write(tmp_path / "a.svg", drawing(frame + hidden + paths(STROKES)))
    remark = read_recording(path).remark()
    for part in ("1 rectangle", "1 closed shape", "1 shape that cannot be read", "1 hidden element", "2 texts"):
        assert part in remark
    notes = []
    load_own_hand(path, TEXT, data_scale=50.0, note=notes.append)
    assert notes == [f"{path}: {remark}."]


def test_writing_that_stands_on_its_head_is_turned_where_the_file_does_not_say_which_way_y_grows(tmp_path):
    hand = [stroke + [60, 90] for stroke in left_turning_hand()]
    head = '<traceFormat><channel name="X"/><channel name="Y" orientation="+ve"/></traceFormat>'
    for content, turned in ((ink.inkml([hand], flip=(1, -1)), True), (ink.inkml([hand]), False)):
        recording = read_recording(ink.write(tmp_path / "a.inkml", content))
        assert recording.turned is turned
        same(recording.pieces[0].strokes, hand)
    recording = read_recording(ink.write(tmp_path / "a.inkml", ink.inkml([hand], head=head, flip=(1, -1))))
    assert not recording.turned  # it says so, whatever it looks like


def left_turning_hand():
    """Strokes like those of real writing: they begin above, turn to the left, and end below."""
    t = np.linspace(0, 2.5 * np.pi, 30)
    return [np.column_stack([k * 30 - 8 * np.sin(t), -9 * np.cos(t) + 2.2 * t - 5]) for k in range(12)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n", "is a picture .PNG.: a picture does not tell where the pen went"),
        (b"\xff\xd8\xff\xe0", "is a picture .JPEG."),
        (b"%PDF-1.7", "is a document for printing"),
        (b"reMarkable .lines file, version=6", "export it as SVG"),
        (b"PK\x03\x04", "cannot be read"),
        (b"\x1f\x8b\x08\x00", "cannot be read"),
        (b"\x93NUMPY\x01\x00", "broken"),
        (b"MIME-Version: 1.0\r\n\r\nhello", "none of them is InkML or SVG"),
    ],
)
def test_what_holds_no_way_of_a_pen_is_told_in_a_sentence_of_its_own(tmp_path, content, reason):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=reason) as error:
        read_ink(tmp_path / "a")
    assert "\n" not in str(error.value)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for k in (10, 2, 1):
        ink.write(tmp_path / f"line{k}.inkml", ink.inkml([STROKES[:3]], [f"line {k}"]))
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    recording = read_recording(tmp_path)
    assert [piece.text for piece in recording.pieces] == ["line 1", "line 2", "line 10"]
    assert recording.remark() == "left out: 1 file that cannot be read"


def test_the_array_beside_an_array_says_its_text(tmp_path):
    from dialects import npy

    up = ink.offsets(STROKES) * [0.1, -0.1, 0.1]
    (tmp_path / "style-0-strokes.npy").write_bytes(npy(up.astype(np.float32)))
    (tmp_path / "style-0-chars.npy").write_bytes(npy(np.array(TEXT.encode())))
    (piece,) = read_ink(tmp_path / "style-0-strokes.npy")
    assert piece.text == TEXT
    wanted = split_strokes(np.column_stack([np.cumsum(up[:, :2] * [1, -1], axis=0), up[:, 2] > 0]))
    for stroke, other in zip(piece.strokes, wanted):
        assert stroke == pytest.approx(other[:, :2], abs=1e-4)


def table():
    """The rows of the table in docs/STYLES.md: format, programs, whether the text is read from it."""
    rows: dict[tuple[str, bool], list[str]] = {}
    for dialect in DIALECTS.values():
        programs = rows.setdefault((dialect.file or "(no ending)", dialect.says_text), [])
        programs += [program for program in [dialect.program] if program not in programs]
    return [
        f"| `{file}` | {', '.join(programs)} | {'read' if text else '`--style_text`'} |"
        for (file, text), programs in rows.items()
    ]


def test_the_table_of_the_documents_is_what_these_tests_read():
    document = (ROOT / "docs" / "STYLES.md").read_text(encoding="utf-8")
    found = re.search(r"\| file \| written by \| its text \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", document)
    assert found and found[1].splitlines() == table(), "\n".join(table())


def test_offsets_that_were_rounded_to_nothing_are_refused(tmp_path):
    coarse = ink.offsets([np.round(stroke / 4) for stroke in STROKES]).astype(np.int16)
    coarse[:, :2] = np.trunc(ink.offsets(STROKES)[:, :2] / 4)
    from dialects import npy

    (tmp_path / "a.npy").write_bytes(npy(coarse))
    with pytest.raises(ValueError, match="whole numbers, but half of them are"):
        read_ink(tmp_path / "a.npy")
