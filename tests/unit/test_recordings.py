"""scribe/files/recordings.py: every format gives the strokes that were put into it; all else is one clear line."""

import gzip
import json
import math
import pickle

import numpy as np
import pytest

import ink_helpers as ink
from scribe.files.recordings import read_ink, read_recording
from scribe.files.safe_pickle import UnsafePickleError
from scribe.files.svg_shapes import path_parts

STROKES = [np.array([[1, 2], [3, 4.5], [5, 2]]), np.array([[7.0, 1]]), np.array([[8, 8], [9, -9.25]])]


def path_strokes(data):
    return path_parts(data)[0]


def same(strokes, wanted, tolerance=1e-9):
    assert len(strokes) == len(wanted)
    for stroke, other in zip(strokes, wanted):
        assert stroke == pytest.approx(np.asarray(other, float), abs=tolerance)


def read(tmp_path, content, name="file"):
    return read_ink(ink.write(tmp_path / name, content))


# ------------------------------------------------------------------------------------------------ data files, json


@pytest.mark.smoke
def test_a_pickle_of_offsets_gives_its_strokes_and_texts(tmp_path):
    first, second = read_ink(ink.pickled(tmp_path / "a", [STROKES, STROKES[:1]], ["one ", "two"]))
    same(first.strokes, [stroke - [1, 2] for stroke in STROKES])
    assert first.text == "one" and second.text == "two" and len(second.strokes) == 1


def test_an_array_of_one_text_is_no_recording(tmp_path):
    """Such as style-0-chars.npy, which lies beside style-0-strokes.npy."""
    np.save(tmp_path / "style-0-chars.npy", "what is written")
    with pytest.raises(ValueError, match="style-0-chars.npy .*not an array"):
        read_recording(tmp_path / "style-0-chars.npy")


def test_lists_in_lists_of_a_pickle_are_not_followed(tmp_path):
    points = [0.0] * 10
    for _ in range(11):  # of some hundred bytes, but a hundred billion numbers
        points = [points] * 10
    (tmp_path / "deep.pkl").write_bytes(pickle.dumps(["a text", points, None]))
    with pytest.raises(ValueError, match="its point 0"):
        read_recording(tmp_path / "deep.pkl")


def test_a_pickle_that_would_run_code_is_refused_and_nothing_of_it_runs(tmp_path):
    class Bad:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    (tmp_path / "bad.p").write_bytes(pickle.dumps([[Bad()], ["text"]]))
    with pytest.raises(UnsafePickleError, match="bad.p was refused"):
        read_ink(tmp_path / "bad.p")
    assert not (tmp_path / "harm").exists()


def test_json_of_scribe_is_read_by_the_names_of_its_columns(tmp_path):
    content = json.loads(ink.scribe_json([STROKES], ["one"]))
    same(read(tmp_path, json.dumps(content))[0].strokes, STROKES)
    content["columns"] = ["pen_lift", "y", "x"]
    line = content["pages"][0]["lines"][0]
    line["points"] = [[row[3], row[1], row[0]] for row in line["points"]]
    (piece,) = read(tmp_path, "\ufeff" + json.dumps(content))
    same(piece.strokes, STROKES)
    assert piece.text == "one"


def test_json_whose_y_grows_upwards_is_turned(tmp_path):
    (piece,) = read(tmp_path, ink.scribe_json([STROKES], ["one"], y_axis="up"))
    same(piece.strokes, [stroke * [1, -1] for stroke in STROKES])


def test_what_scribe_writes_as_json_and_inkml_it_reads(tmp_path):
    from scribe.pages.formats import write
    from writing_helpers import page

    written = page("one two", "three")
    for name in ("a.json", "a.inkml"):
        write([written], str(tmp_path / name))
        pieces = read_ink(tmp_path / name)
        assert [piece.text for piece in pieces] == ["one two", "three"]
        for piece, line in zip(pieces, written.lines):
            same(piece.strokes, [line.points[stroke, :2] for stroke in line.strokes()], 1e-3)


def test_svg_of_scribe_gives_the_strokes_in_writing_order(tmp_path):
    from scribe.pages.formats import Options, write
    from writing_helpers import page

    written = page("one two")
    write([written], str(tmp_path / "a.svg"), options=Options(smooth=False, tolerance_mm=0))
    (piece,) = read_ink(tmp_path / "a.svg")
    starts = [line.points[stroke, :2][0] for line in written.lines for stroke in line.strokes()]
    assert np.array([stroke[0] for stroke in piece.strokes]) == pytest.approx(np.array(starts), abs=0.051)


# ----------------------------------------------------------------------------------------------------- IAM-OnDB XML


def test_a_line_of_the_database_is_read_and_its_text_found_beside_it(tmp_path):
    folder = tmp_path / "lineStrokes" / "a01" / "a01-000"
    folder.mkdir(parents=True)
    strokes = [np.round(stroke) for stroke in STROKES]
    (piece,) = read_ink(ink.write(folder / "a01-000u-02.xml", ink.iam(strokes)))
    same(piece.strokes, strokes)
    assert piece.text is None
    texts = tmp_path / "ascii" / "a01" / "a01-000"
    texts.mkdir(parents=True)
    (texts / "a01-000u.txt").write_text("OCR:\nx\n\nCSR:\n\nthe first\nthe second\n")
    assert read_ink(folder / "a01-000u-02.xml")[0].text == "the second"
    ink.write(folder / "a01-000u-07.xml", ink.iam(strokes))
    assert read_ink(folder / "a01-000u-07.xml")[0].text is None


# ------------------------------------------------------------------------------------------------------------ InkML


@pytest.mark.smoke
def test_groups_of_inkml_are_pieces_with_their_texts(tmp_path):
    first, second = read(tmp_path, ink.inkml([STROKES, STROKES[:1]], ["one &amp; two", None]))
    same(first.strokes, STROKES)
    assert first.text == "one & two" and second.text is None


def test_traces_without_a_group_are_one_piece(tmp_path):
    (piece,) = read(tmp_path, ink.inkml([STROKES, STROKES], group=""))
    same(piece.strokes, STROKES * 2)


def test_a_text_of_the_whole_goes_before_those_of_its_characters(tmp_path):
    content = ink.inkml([STROKES[:1], STROKES[1:]], ["a", "b"], head='<annotation type="Truth"> ab  c</annotation>')
    (piece,) = read(tmp_path, content)
    same(piece.strokes, STROKES)
    assert piece.text == "ab c"
    content = ink.inkml([STROKES[:1], STROKES[1:]], ["a", "b"], head='<annotation type="truth">a b</annotation>')
    assert [piece.text for piece in read(tmp_path, content)] == ["a", "b"]
    content = ink.inkml([STROKES], ["a"], head='<annotation type="copyright">me</annotation>')
    assert [piece.text for piece in read(tmp_path, content)] == ["a"]


CHANNELS = (
    '<traceFormat><channel name="T" type="integer"/><channel name="Y"/><channel name="X"/>'
    '<intermittentChannels><channel name="F"/></intermittentChannels></traceFormat>'
)


@pytest.mark.parametrize("around", ["{}", "<context>{}</context>", "<context><inkSource>{}</inkSource></context>"])
def test_channels_may_come_in_any_order_and_some_be_missing(tmp_path, around):
    traces = "<trace>0 2 1 7, 1 4.5 3, 2 2 5</trace>"
    (piece,) = read(tmp_path, f"<ink>{around.format(CHANNELS)}{traces}</ink>")
    same(piece.strokes, STROKES[:1])


def test_the_context_of_a_trace_is_the_one_that_it_names_or_the_last_before_it(tmp_path):
    definitions = (
        '<definitions><traceFormat xml:id="yx"><channel name="Y"/><channel name="X"/></traceFormat>'
        '<context xml:id="a" traceFormatRef="#yx"/><context xml:id="b" contextRef="#a"/>'
        '<context xml:id="c"><canvasTransform><mapping type="affine"><affine>2 0 1, 0 -3 0</affine></mapping>'
        "</canvasTransform></context></definitions>"
    )
    content = (
        f'<ink>{definitions}<trace contextRef="#b">1 2, 3 4</trace>'
        '<traceGroup contextRef="#c"><trace>1 2, 3 4</trace></traceGroup></ink>'
    )
    first, second = read(tmp_path, content)
    same(first.strokes, [[[2, 1], [4, 3]]])
    same(second.strokes, [[[3, -6], [7, -12]]])
    content = "<ink><context/><trace>1 2</trace><context>" + CHANNELS + "</context><trace>0 2 1</trace></ink>"
    (piece,) = read(tmp_path, content)
    same(piece.strokes, [[[1, 2]], [[1, 2]]])


def test_y_that_grows_upwards_is_turned(tmp_path):
    form = '<traceFormat><channel name="X"/><channel name="Y" orientation="-ve"/></traceFormat>'
    (piece,) = read(tmp_path, ink.inkml([STROKES], head=form, flip=(1, -1)))
    same(piece.strokes, STROKES)
    turn = (
        '<context><canvasTransform><mapping type="affine"><affine>1 0 0, 0 -1 0</affine></mapping></canvasTransform>'
        "</context>"
    )
    (piece,) = read(tmp_path, ink.inkml([STROKES], head=turn, flip=(1, -1)))
    same(piece.strokes, STROKES)


def test_units_that_differ_between_x_and_y_are_made_one(tmp_path):
    form = '<traceFormat><channel name="X" units="mm"/><channel name="Y" units="cm"/></traceFormat>'
    (piece,) = read(tmp_path, ink.inkml([STROKES], head=form, flip=(10, 1)))
    same(piece.strokes, [stroke * 10 for stroke in STROKES])  # in mm
    source = (
        "<context><inkSource><traceFormat><channel name='X' units='dev'/><channel name='Y' units='dev'/></traceFormat>"
        "<channelProperties><channelProperty channel='X' name='resolution' value='100' units='1/cm'/>"
        "<channelProperty channel='Y' name='resolution' value='50' units='1/cm'/></channelProperties></inkSource>"
        "</context>"
    )
    (piece,) = read(tmp_path, ink.inkml([STROKES], head=source, flip=(100, 50)))
    same(piece.strokes, [stroke * 10 for stroke in STROKES])


def test_differences_and_differences_of_them_are_added_up(tmp_path):
    content = """<ink><trace>1125 18432,'23'43,"7"-8,3-5,7 -3,6 2,!1000!5,* 6</trace></ink>"""
    (piece,) = read(tmp_path, content)
    wanted = [[1125, 18432], [1148, 18475], [1178, 18510], [1211, 18540], [1251, 18567], [1297, 18596]]
    same(piece.strokes, [[*wanted, [1000, 5], [1000, 6]]])


def test_a_pen_that_is_up_writes_nothing_and_a_continued_trace_is_one_stroke(tmp_path):
    content = (
        '<ink><trace xml:id="t1" continuation="begin">1 2, 3 4</trace><trace type="penUp">9 9</trace>'
        '<trace continuation="end" priorRef="#t1">5 6</trace><trace>? 1, 7 8</trace><trace></trace></ink>'
    )
    (piece,) = read(tmp_path, content)
    same(piece.strokes, [[[1, 2], [3, 4], [5, 6]], [[7, 8]]])


# -------------------------------------------------------------------------------------------------------------- svg


@pytest.mark.smoke
def test_polylines_lines_and_paths_are_strokes_in_the_order_of_the_document(tmp_path):
    content = (
        "<svg><g><polyline points='1,2 3,4.5 5 2'/></g><defs><path d='M0 0L9 9'/></defs><circle r='3'/>"
        "<path d='M7 1h0'/><line x1='8' y1='8' x2='9' y2='-9.25'/><path style='display:none' d='M0 0L1 1'/></svg>"
    )
    (piece,) = read(tmp_path, content)
    same(piece.strokes, STROKES)


@pytest.mark.parametrize(
    ("transform", "wanted"),
    [
        ("translate(3)", [4, 2]),
        ("translate(3,-1)", [4, 1]),
        ("scale(2)", [2, 4]),
        ("scale(2 -1)", [2, -2]),
        ("rotate(90)", [-2, 1]),
        ("rotate(90, 1, 1)", [0, 1]),
        ("skewX(45)", [3, 2]),
        ("skewY(45)", [1, 3]),
        ("matrix(1 2 3 4 5 6)", [12, 16]),
        ("translate(3,0) scale(2)", [5, 4]),
        ("scale(2), translate(3,0)", [8, 4]),
    ],
)
def test_transforms_are_those_of_svg_and_nest(tmp_path, transform, wanted):
    (piece,) = read(tmp_path, f"<svg><path transform='{transform}' d='M1 2h1'/></svg>")
    assert piece.strokes[0][0] == pytest.approx(wanted)
    parts = transform.replace("),", ")").split(") ")
    outer, inner = (parts[0] + ")", parts[1]) if len(parts) > 1 else (transform, "")
    (piece,) = read(tmp_path, f"<svg><g transform='{outer}'><path transform='{inner}' d='M1 2h1'/></g></svg>")
    assert piece.strokes[0][0] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("M1 2 L3 4", [[1, 2], [3, 4]]),
        ("m1 2 3 4 5 6", [[1, 2], [4, 6], [9, 12]]),
        ("M1,2,3,4", [[1, 2], [3, 4]]),
        ("M1 2h3v4H0V0", [[1, 2], [4, 2], [4, 6], [0, 6], [0, 0]]),
        ("M1-2l.5.5-1e1,0", [[1, -2], [1.5, -1.5], [-8.5, -1.5]]),
        ("M0 0L4 0 4 4z", [[0, 0], [4, 0], [4, 4], [0, 0]]),
        ("M1 1A0 5 0 0 1 3 3", [[1, 1], [3, 3]]),
        ("M1 1A5 5 0 0 1 1 1", [[1, 1], [1, 1]]),
    ],
)
def test_straight_commands_of_paths(data, wanted):
    ((points, _),) = path_strokes(data)
    assert points == pytest.approx(np.array(wanted, float))


def test_a_path_may_hold_several_strokes_and_go_on_after_it_was_closed():
    strokes = path_strokes("M0 0L4 0ZL1 1M5 5L6 6m1 1l1 1")
    wanted = [[[0, 0], [4, 0], [0, 0]], [[0, 0], [1, 1]], [[5, 5], [6, 6]], [[7, 7], [8, 8]]]
    same([points for points, _ in strokes], wanted)
    assert [closed for _, closed in strokes] == [True, False, False, False]


def test_curves_are_those_of_svg():
    t = np.arange(25)[:, None] / 24
    p0, p1, p2, p3 = np.array([[0, 0], [1, 3], [4, 3], [5, 0]], float)
    cubic = (1 - t) ** 3 * p0 + 3 * t * (1 - t) ** 2 * p1 + 3 * t**2 * (1 - t) * p2 + t**3 * p3
    quadratic = (1 - t) ** 2 * p0 + 2 * t * (1 - t) * p1 + t**2 * p2
    assert path_strokes("M0 0C1 3 4 3 5 0")[0][0] == pytest.approx(cubic)
    assert path_strokes("M0 0q1 3 4 3")[0][0] == pytest.approx(quadratic)
    # S and T mirror the control point before; after anything else, it is where the pen is.
    smooth, told = path_strokes("M0 0C1 3 4 3 5 0S9 -3 10 0"), path_strokes("M0 0C1 3 4 3 5 0C6 -3 9 -3 10 0")
    assert smooth[0][0] == pytest.approx(told[0][0])
    smooth, told = path_strokes("M0 0Q1 3 4 0t4 0T12 0"), path_strokes("M0 0Q1 3 4 0Q7 -3 8 0Q9 3 12 0")
    assert smooth[0][0] == pytest.approx(told[0][0])
    assert path_strokes("M0 0S4 3 5 0")[0][0] == pytest.approx(path_strokes("M0 0C0 0 4 3 5 0")[0][0])
    assert path_strokes("M0 0T5 0")[0][0][-1] == pytest.approx([5, 0])


@pytest.mark.parametrize(("large", "sweep"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_an_arc_is_the_part_of_the_ellipse_that_its_flags_choose(large, sweep):
    # Of circles of radius 5 through (0, 0) and (6, 0): centres (3, 4) and (3, -4), y downwards.
    points = path_strokes(f"M0 0a5 5 30 {large}{sweep}6 0")[0][0]
    centre = [3, 4] if large != sweep else [3, -4]
    centre = centre if (large, sweep) in ((0, 1), (1, 0)) else [3, -4]
    assert np.hypot(*(points - centre).T) == pytest.approx(5)
    angles = np.unwrap(np.arctan2(*(points - centre).T[::-1]))
    small = 2 * math.asin(3 / 5)
    assert angles[-1] - angles[0] == pytest.approx((1 if sweep else -1) * (2 * math.pi - small if large else small))


def test_an_arc_that_is_too_small_is_scaled_up_and_an_ellipse_may_be_turned():
    points = path_strokes("M0 0A1 1 0 0 1 6 0")[0][0]
    assert np.hypot(*(points - [3, 0]).T) == pytest.approx(3)
    points = path_strokes("M0 0A2 4 90 0 1 8 0")[0][0]
    assert ((points[:, 0] - 4) / 4) ** 2 + (points[:, 1] / 2) ** 2 == pytest.approx(np.ones(len(points)))


def test_outlines_of_ink_are_told_from_the_way_of_a_pen(tmp_path):
    outline = "<path d='M0 0L4 0 4 4z'/>"
    with pytest.raises(ValueError, match="filled outlines"):
        read(tmp_path, f"<svg>{outline * 3}<polyline points='1 2 3 4'/></svg>")
    (piece,) = read(tmp_path, f"<svg>{outline}<path d='M0 0L4 0'/><path d='M0 0L4 0'/></svg>")
    assert len(piece.strokes) == 2  # the area is paper
    for pen in ("stroke='navy'", "fill='none'", "style='fill:none; stroke:#000'"):
        (piece,) = read(tmp_path, f"<svg><g {pen}>{outline * 3}</g></svg>")
        assert len(piece.strokes) == 3


# ------------------------------------------------------------------------------------------------------ broken files

LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
READS = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>'
MAPPED = "<ink><context><canvasTransform>{}</canvasTransform></context><trace>1 2</trace></ink>"
FORM = "<ink><traceFormat>{}</traceFormat><trace>1 2</trace></ink>"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("hello", "neither InkML"),
        ("<html></html>", "'html'"),
        ("", "is empty"),
        (" \n", "is empty"),
        (gzip.compress(b"", mtime=0).decode("latin1"), "is empty"),
        ("<svg><path d='M0 0'/>", "broken XML"),
        (LAUGHS + "<svg/>", "entities"),
        (READS + "<ink/>", "entities"),
        ("<svg>" + "<g>" * 300, "within each other"),
        ("<svg/>", "no pen strokes"),
        ("<ink/>", "no pen strokes"),
        ("<svg><path d='L1 2'/></svg>", "the path 'L1 2' cannot be read"),
        ("<svg><path d='M1'/></svg>", "the path 'M1' cannot be read"),
        ("<svg><path d='M1 2 X'/></svg>", "'X'"),
        ("<svg><path d='1 2'/></svg>", "the path '1 2' cannot be read"),
        ("<svg><path d='M1 2'/></svg>", "no pen strokes"),
        ("<svg><path d='M1 2A1 1 0 5 0 1 1'/></svg>", "cannot be read, from '1 1' on"),
        ("<svg><line x1='one'/></svg>", "'one' is not a length"),
        ("<svg><path transform='spin(3)' d='M1 2'/></svg>", "spin"),
        ("<svg><path transform='scale()' d='M1 2'/></svg>", "scale"),
        ("<svg><path transform='rotate 3' d='M1 2'/></svg>", "rotate 3"),
        ("<svg><path transform='scale(1e300)' d='M1e300 2L3 4'/></svg>", "finite"),
        ("<svg><polyline points='1e16 2'/></svg>", "1e15"),
        ("<ink><trace>1 two</trace></ink>", "1 two"),
        ("<ink><trace>1</trace></ink>", "2 channels"),
        ("<ink><trace>1e999 2</trace></ink>", "finite"),
        ("<ink><trace contextRef='#none'>1 2</trace></ink>", "#none"),
        (FORM.format("<channel name='P'/><channel name='X'/>"), "takes X and Y"),
        ("<ink><context xml:id='a' contextRef='#a'/><trace>1 2</trace></ink>", "circle"),
        (MAPPED.format("<mapping type='mathml'/>"), "mathml"),
        (MAPPED.format("<mapping type='affine'><affine>1 2</affine></mapping>"), "two rows"),
        ("{", "cannot be read"),
        ("{}", "not of Scribe"),
        ("[" * 100_000, "cannot be read"),
        (ink.scribe_json([], [], y_axis="sideways"), "y_axis"),
        (ink.scribe_json([], []), "no pen strokes"),
        (ink.scribe_json([], [], columns=["x", "y"]), "columns"),
        (ink.scribe_json([], [], pages=[{"lines": [{"points": [[1]]}]}]), "columns"),
        (ink.scribe_json([], [], pages=3), "columns"),
        (ink.scribe_json([], [], pages=[{"lines": [{"points": [[math.nan, 1, 0, 1]]}]}]), "finite"),
        ("(lp0\n", "not a readable pickle"),
        ("\x80abc", None),
        ("<WhiteboardCaptureSession><Point x='1' y='2'/></WhiteboardCaptureSession>", "outside of a Stroke"),
        ("<WhiteboardCaptureSession/>", "no pen strokes"),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_line_that_names_it(tmp_path, content, reason):
    path = tmp_path / "file"
    path.write_bytes(content.encode("latin1"))
    with pytest.raises(ValueError, match=reason and reason.replace("(", r"\(")) as error:
        read_ink(path)
    message = str(error.value)
    assert str(path) in message and "\n" not in message and message.endswith(".")


def test_a_file_of_too_many_bytes_points_strokes_or_elements_is_refused(tmp_path, monkeypatch):
    from scribe.files import json_ink, limits, recordings, svg_shapes, xml_tree

    monkeypatch.setattr(limits, "MAX_POINTS", 40)
    monkeypatch.setattr(svg_shapes, "MAX_POINTS", 40)
    many = [np.ones((30, 2)), np.ones((30, 2)) + 3]
    contents = [
        "<svg><path d='M0 0 1 1 C1 2 3 4 5 6 C1 2 3 4 5 6'/></svg>",
        ink.svg(many), ink.inkml([many]), ink.iam(many), ink.scribe_json([many], ["a"]),
        json.dumps([stroke.tolist() for stroke in many]),
        ".VERSION 1.0\n.PEN_DOWN\n" + "1 2\n" * 50,
        "<xournal><page>" + f"<stroke>{'1 2 ' * 30}</stroke>" * 2 + "</page></xournal>",
    ]  # fmt: skip
    for content in contents:
        with pytest.raises(ValueError, match="more than 40"):
            read(tmp_path, content)
    monkeypatch.setattr(limits, "MAX_STROKES", 3)
    with pytest.raises(ValueError, match="more than 3 strokes"):
        read(tmp_path, ink.svg([np.ones((2, 2)) * k for k in range(5)]))
    monkeypatch.setattr(xml_tree, "MAX_ELEMENTS", 10)
    with pytest.raises(ValueError, match="more than 10 elements"):
        read(tmp_path, "<svg>" + "<g/>" * 20 + "</svg>")
    monkeypatch.setattr(json_ink, "MAX_ELEMENTS", 1)
    with pytest.raises(ValueError, match="more than 4 lists"):
        read(tmp_path, "[[1,2],[1,2],[1,2],[3,4]]")
    monkeypatch.setattr(recordings, "MAX_BYTES", 2**20)
    with pytest.raises(ValueError, match="1 MiB"):
        read(tmp_path, " " * (2**20 + 1))
    (tmp_path / "bomb.svgz").write_bytes(gzip.compress(b" " * (2**20 + 1)))
    with pytest.raises(ValueError, match="unpacks to more than 1 MiB"):
        read_ink(tmp_path / "bomb.svgz")
