"""Formats: every file can be opened by those who use it, and holds what was written, where and as large as it was."""

import io
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from scribe.pages.formats import FORMATS, Options, Page, PlacedLine, encode, format_of, page_names, read_json, write
from scribe.pages.page import schedule, simplify, smooth
from scribe.pages.ruling import rules_of
from scribe.pages.workers import drawing_processes
from writing_helpers import page, placed

SVG, INKSCAPE = "{http://www.w3.org/2000/svg}", "{http://www.inkscape.org/namespaces/inkscape}"
INKML = "{http://www.w3.org/2003/InkML}"
PLAIN = Options(smooth=False)


def xml(data):
    return ElementTree.fromstring(data)


def paths_of(root):
    """Each path of an svg as an array [n, 2]."""
    return [np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", p.get("d")), float) for p in root.iter(SVG + "path")]


def strokes_of(*pages):
    return [line.points[stroke, :2] for p in pages for line in p.lines for stroke in line.strokes()]


def length(parts):
    return sum(np.hypot(*np.diff(part, axis=0).T).sum() for part in parts)


def straight_line(x0, y0, x1, y1, n=20, **style):
    points = np.column_stack([np.linspace(x0, x1, n), np.linspace(y0, y1, n), np.zeros(n)])
    points[-1, 2] = 1
    return PlacedLine(points, "l", **style)


# --------------------------------------------------------------------------------------------------------- all formats


@pytest.mark.smoke
@pytest.mark.parametrize("format", FORMATS)
def test_format_is_that_of_the_name_and_nothing_else_is_left(format, tmp_path):
    name = str(tmp_path / ("a" + FORMATS[format][0]))
    assert format_of(name) == format and format_of(name.upper()) == format
    assert write([page("it is")], name) == [name]
    assert [p.name for p in tmp_path.iterdir()] == ["a" + FORMATS[format][0]]
    assert (tmp_path / ("a" + FORMATS[format][0])).read_bytes() == encode([page("it is")], format)


@pytest.mark.parametrize("format", FORMATS)
def test_a_stream_gets_the_same_bytes_every_time(format):
    streams = [io.BytesIO(), io.BytesIO()]
    for stream in streams:
        assert write([page("it is")], stream, format) == []
    assert streams[0].getvalue() == streams[1].getvalue() != b""


@pytest.mark.parametrize("format", FORMATS)
def test_several_pages_are_one_file_or_one_each(format, tmp_path):
    ending, one_each = FORMATS[format]
    names = write([page("a"), page("b"), page("c")], str(tmp_path / f"x{ending}"))
    expected = [f"x-{k}{ending}" for k in (1, 2, 3)] if one_each else [f"x{ending}"]
    assert sorted(p.name for p in tmp_path.iterdir()) == expected == [n.split("/")[-1] for n in names]


@pytest.mark.parametrize("format", ["svg", "png"])
def test_pages_drawn_by_other_processes_are_the_same(format, tmp_path):
    pages = [page("a"), page("b"), page("c")]
    with drawing_processes(2) as pool:
        names = write(pages, str(tmp_path / f"x.{format}"), pool=pool)
        with pytest.raises(ValueError, match="lower dpi"):
            write(pages, str(tmp_path / "y.png"), options=Options(dpi=1e6), pool=pool)
    for name, of_page in zip(names, pages, strict=True):
        with open(name, "rb") as file:
            assert file.read() == encode([of_page], format)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("format", FORMATS)
def test_page_without_lines_can_be_written(format):
    assert encode([Page(100, 50, [])], format)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("pages", "what"),
    [
        ([], "no page"),
        ([Page(0, 10, [])], "0 x 10 mm"),
        ([Page(10, 10, [PlacedLine(np.full((2, 3), np.nan), "ab")])], "line 1 of page 1 .'ab'. .*not a finite"),
        ([Page(10, 10, [PlacedLine(np.zeros((0, 3)))])], r"shape is \(0, 3\)"),
        ([Page(10, 10, [PlacedLine(np.zeros((2, 3)), "a", np.zeros(3, int))])], "index of shape"),
        ([Page(10, 10, [PlacedLine(np.zeros((2, 3)), pen_width_mm=0)])], "pen of 0 mm"),
        ([Page(10, 10, [PlacedLine(np.zeros((2, 3)), ink="inkish")])], "'inkish' is not known"),
    ],
)
def test_pages_that_cannot_be_written_are_refused_and_leave_no_file(format, pages, what, tmp_path):
    with pytest.raises(ValueError, match=what):
        write(pages, str(tmp_path / "a"), format)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [{"dpi": 0}, {"dpi": float("nan")}, {"speed": -1}, {"fps": 0}, {"seconds": 0}, {"repeat": -1}, {"speed_width": 2},
     {"layers": "x"}, {"paper": "nocolour"}, {"tolerance_mm": -1}],
)  # fmt: skip
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options)).replace("paper", "colour")):
        encode([page("a")], "json", Options(**options))


def test_picture_too_large_to_draw_is_refused():
    with pytest.raises(ValueError, match="lower dpi"):
        encode([page("a")], "png", Options(dpi=20000))


def test_unknown_names_and_formats_are_refused():
    with pytest.raises(ValueError, match=r"letter\.doc does not tell its format"):
        write([page("a")], "letter.doc")
    with pytest.raises(ValueError, match="'doc' is not known"):
        encode([page("a")], "doc")
    with pytest.raises(ValueError, match="name one of"):
        write([page("a")], io.BytesIO())
    with pytest.raises(ValueError, match="png holds one page"):
        write([page("a"), page("b")], io.BytesIO(), "png")


def test_folder_that_cannot_be_written_is_named_in_one_sentence(tmp_path):
    name = str(tmp_path / "nowhere" / "a.svg")
    with pytest.raises(OSError, match="cannot be written") as error:
        write([page("a")], name)
    assert name in str(error.value) and "tmp" not in str(error.value).replace(str(tmp_path), "")


def test_failure_on_a_later_page_leaves_all_earlier_files_as_they_were(tmp_path, monkeypatch):
    from scribe.pages import svg

    write([page("a"), page("b")], str(tmp_path / "x.svg"))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    plotter = svg.plotter

    def fails_on_second(pages, options):
        if pages[0].lines[0].text == "d":
            raise OSError(28, "No space left on device")
        return plotter(pages, options)

    monkeypatch.setattr(svg, "plotter", fails_on_second)
    with pytest.raises(OSError, match="No space left"):
        write([page("c"), page("d")], str(tmp_path / "x.svg"))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_names_of_pages():
    assert page_names("a/b.svg", 1) == ["a/b.svg"]
    assert page_names("a.b/c.animated.svg", 2, ".animated.svg") == ["a.b/c-1.animated.svg", "a.b/c-2.animated.svg"]
    assert page_names("x", 2, ".svg") == ["x-1", "x-2"]


# ------------------------------------------------------------------------------------------------------- plotter svg


def test_svg_is_a_plotter_file():
    root = xml(encode([page("it is", "a quick fox")], "svg"))
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("148mm", "105mm", "0 0 148 105")
    assert {e.tag for e in root.iter()} == {SVG + "svg", SVG + "g", SVG + "path"}  # no background, no text
    for group in root.findall(SVG + "g"):
        assert group.get("fill") == "none" and group.get(INKSCAPE + "groupmode") == "layer"
    for path in root.iter(SVG + "path"):
        assert "Z" not in path.get("d").upper() and path.get("d").count("M") == 1
        assert all(len(n.split(".")[1]) <= 3 for n in re.findall(r"\d+\.\d+", path.get("d")))


def test_svg_has_a_path_for_each_stroke_in_writing_order():
    one = page("it is", "a quick fox")
    paths, strokes = paths_of(xml(encode([one], "svg", PLAIN))), strokes_of(one)
    assert len(paths) == len(strokes)
    for path, stroke in zip(paths, strokes):
        if len(stroke) > 1:
            assert path[0] == pytest.approx(stroke[0], abs=1e-3) and path[-1] == pytest.approx(stroke[-1], abs=1e-3)


def test_svg_dot_is_a_stroke_that_a_plotter_draws():
    dot = PlacedLine(np.array([[10.0, 20, 1], [30, 20, 0], [30.001, 20, 1]]), ".")
    for path in paths_of(xml(encode([Page(50, 50, [dot])], "svg"))):
        assert length([path]) == pytest.approx(0.1, abs=1e-3)
        x, y = path.mean(axis=0)
        assert y == pytest.approx(20) and min(abs(x - 10), abs(x - 30)) < 2e-3


@pytest.mark.parametrize("tolerance", [0.01, 0.1, 0.5])
def test_svg_stays_within_the_stated_tolerance_of_the_pens_way(tolerance):
    t = np.linspace(0, 12, 400)
    points = np.column_stack([20 + 3 * t + 4 * np.cos(3 * t), 40 + 9 * np.sin(2 * t), np.zeros(400)])
    one = Page(100, 100, [PlacedLine(points, "s")])
    (path,) = paths_of(xml(encode([one], "svg", Options(smooth=False, tolerance_mm=tolerance))))
    assert len(path) < 400
    away = _distances(points[:, :2], path).max()
    assert away <= tolerance + 0.001
    assert tolerance < 0.1 or away > 0.2 * tolerance  # and no closer than it has to be


def _distances(points, path):
    """From each point to the nearest place on the path."""
    start, chord = path[:-1], np.diff(path, axis=0)
    away = points[:, None] - start
    along = np.clip((away * chord).sum(-1) / np.maximum((chord**2).sum(-1), 1e-18), 0, 1)
    return np.hypot(*np.moveaxis(away - along[..., None] * chord, -1, 0)).min(axis=1)


def test_svg_way_between_points_is_round_unless_told_otherwise():
    t = np.linspace(0, np.pi, 7)
    line = PlacedLine(np.column_stack([20 + 10 * np.cos(t), 20 + 10 * np.sin(t), np.zeros(7)]), "u")
    (rounded,), (plain,) = (
        paths_of(xml(encode([Page(40, 40, [line])], "svg", Options(smooth=s)))) for s in (True, False)
    )
    assert length([plain]) < 10 * np.pi * 0.99 < length([rounded]) < 10 * np.pi * 1.01


def test_svg_layers_are_pens_or_lines():
    lines = [placed("one", y=20), placed("two", y=40, ink="#aa0000"), placed("three & <four>", y=60)]
    one = Page(148, 105, lines)

    def labels(layers):
        return [g.get(INKSCAPE + "label") for g in xml(encode([one], "svg", Options(layers=layers))).findall(SVG + "g")]

    assert labels("line") == ["1 one", "2 two", "3 three & <four>"]
    assert labels("pen") == ["1 #10204d 0.35 mm", "2 #aa0000 0.35 mm"]


@pytest.mark.parametrize("layers", ["pen", "line"])
@pytest.mark.parametrize("smoothed", [False, True])
def test_vpype_reads_size_layers_strokes_and_pen_down_length(layers, smoothed, tmp_path):
    vpype = pytest.importorskip("vpype")
    texts = ["it is 1984.", "a quick fox", "Jon"]
    one = page(*texts)
    name = str(tmp_path / "a.svg")
    write([one], name, options=Options(layers=layers, smooth=smoothed))
    document = vpype.read_multilayer_svg(name, quantization=0.1)
    mm = 96 / 25.4
    assert document.page_size == pytest.approx((148 * mm, 105 * mm))
    assert sorted(document.layers) == ([1, 2, 3] if layers == "line" else [1])
    strokes = strokes_of(one)
    dots = sum(len(s) == 1 for s in strokes)
    assert dots == 4 and sum(len(layer) for layer in document.layers.values()) == len(strokes)
    expected = length(strokes) + 0.1 * dots
    # A rounded way is a little longer than that from point to point.
    assert document.length() / mm == pytest.approx(expected, rel=0.05 if smoothed else 0.003)
    bounds = np.array(document.bounds()) / mm
    ink = np.concatenate(strokes)
    assert bounds == pytest.approx([*ink.min(axis=0), *ink.max(axis=0)], abs=0.3)


def test_simplification_keeps_a_loop_that_ends_where_it_began():
    t = np.linspace(0, 2 * np.pi, 60)
    circle = np.column_stack([np.cos(t), np.sin(t)])
    kept = simplify(circle, 0.01)
    assert 10 < len(kept) < 60 and length([kept]) == pytest.approx(2 * np.pi, rel=0.02)
    assert len(simplify(np.column_stack([t, 2 * t]), 0.01)) == 2
    there_and_back = np.array([[0.0, 0], [10, 0], [5, 0]])
    assert len(simplify(there_and_back, 0.01)) == 3


def test_smoothing_goes_through_all_points_and_leaves_straight_lines_straight():
    rng = np.random.default_rng(0)
    points = rng.normal(0, 1, (9, 2))
    assert smooth(points, 4)[::4] == pytest.approx(points)
    line = np.column_stack([np.arange(5.0), 2 * np.arange(5.0)])
    assert smooth(line, 4)[:, 1] == pytest.approx(2 * smooth(line, 4)[:, 0])
    t = np.linspace(0, np.pi, 9)
    arc = smooth(np.column_stack([np.cos(t), np.sin(t)]), 4)
    assert np.abs(np.hypot(*arc.T) - 1).max() < 0.5 * (1 - np.cos(np.pi / 16))  # half as far off as chords


# ------------------------------------------------------------------------------------------------------ animated svg


def _timings(root):
    found = [re.findall(r"animation-(?:delay|duration):([\d.]+)s", p.get("style")) for p in root.iter(SVG + "path")]
    return np.array(found, float)


def test_animated_svg_writes_stroke_after_stroke_with_time_for_pen_lifts():
    one = page("it is", "a quick fox")
    timings = _timings(xml(encode([one], "animated-svg")))
    begins, ends = timings[:, 0], timings.sum(axis=1)
    assert len(timings) == len(strokes_of(one))
    assert (begins[1:] > ends[:-1] + 0.05).all()
    points = [len(s) for s in strokes_of(one)]
    long = np.argmax(points)
    assert timings[long, 1] == pytest.approx(0.0164 * (points[long] - 1), abs=2e-3)


@pytest.mark.parametrize(("options", "end"), [(Options(seconds=3), 3.0), (Options(speed=2), None)])
def test_animated_svg_takes_the_time_it_is_told(options, end):
    one = page("it is")
    real = _timings(xml(encode([one], "animated-svg")))[-1].sum()
    told = _timings(xml(encode([one], "animated-svg", options)))[-1].sum()
    assert told == pytest.approx(end or real / 2, rel=0.02)


def test_animated_svg_uncovers_each_stroke_from_nothing_to_its_whole_length():
    style = xml(encode([page("it is")], "animated-svg")).find(SVG + "style").text
    name, start, end = re.search(r"@keyframes (\w+) \{\s*from \{(.*?)\}\s*to \{(.*?)\}\s*\}", style).groups()
    assert re.search(rf"path \{{ animation: {name} \S+ linear backwards", style)  # hidden until its turn comes
    dash, offset = "stroke-dasharray: 1 2", r"stroke-dashoffset: ([\d.]+)"
    assert dash in start and dash in end
    assert 1 < float(re.search(offset, start)[1]) < 1.1 and float(re.search(offset, end)[1]) == 0


def test_animated_svg_shows_all_ink_to_programs_that_do_not_animate():
    root = xml(encode([page("it is")], "animated-svg", Options(paper="ivory")))
    for path in root.iter(SVG + "path"):
        assert path.get("pathLength") == "1" and "dash" not in path.get("style") + str(path.keys())
    assert root.find(SVG + "rect").get("fill") == "#fffff0"
    assert root.find(f"{SVG}g/{SVG}title").text == "it is"


def _keyframes(root):
    """For each path (seconds of the whole, begin, end in percent) of its keyframes."""
    css = root.find(SVG + "style").text
    seconds = float(re.search(r"path \{ animation: ([\d.]+)s linear infinite \}", css)[1])
    stroke = r"@keyframes (\w+) \{ 0%, ([\d.]+)% \{ (.*?) \} ([\d.]+)%, 100% \{ (.*?) \} \}"
    found = {name: (float(a), float(b), start, end) for name, a, start, b, end in re.findall(stroke, css)}
    return seconds, [found[p.get("style").removeprefix("animation-name:")] for p in root.iter(SVG + "path")]


def test_animated_svg_repeats_after_a_pause_in_the_rhythm_in_which_it_is_written_once():
    one = page("it is", "a quick fox")
    once = _timings(xml(encode([one], "animated-svg", Options(seconds=4))))
    root = xml(encode([one], "animated-svg", Options(seconds=4, repeat=1.5)))
    seconds, strokes = _keyframes(root)
    assert seconds == pytest.approx(5.5) and len(strokes) == len(strokes_of(one))
    begins, ends = np.array([s[:2] for s in strokes]).T * seconds / 100
    assert begins == pytest.approx(once[:, 0], abs=2e-3) and ends == pytest.approx(once.sum(axis=1), abs=2e-3)
    assert ends.max() == pytest.approx(seconds - 1.5, abs=0.03)  # then the whole text stays for the pause
    for _, _, start, end in strokes:
        assert "dasharray: 1 2" in start and 1 < float(re.search(r"dashoffset: ([\d.]+)", start)[1]) < 1.1
        assert "dasharray: 1 2" in end and end.endswith("dashoffset: 0")
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("148mm", "105mm", "0 0 148 105")
    assert all(np.array_equal(a, b) for a, b in zip(paths_of(root), paths_of(xml(encode([one], "animated-svg")))))


@pytest.mark.parametrize("repeat", [None, 2.0])
def test_animated_svg_stands_still_with_all_ink_where_motion_is_not_wanted(repeat):
    root = xml(encode([page("it is")], "animated-svg", Options(repeat=repeat)))
    rule = "@media (prefers-reduced-motion: reduce) { path { animation: none !important } }"
    assert rule in root.find(SVG + "style").text  # what is drawn without an animation has no dashes
    assert not any("dash" in value for path in root.iter(SVG + "path") for value in path.attrib.values())


# ------------------------------------------------------------------------------------------------------ png, pdf, gif


def test_png_has_the_size_of_the_page_and_is_transparent_without_paper():
    image = Image.open(io.BytesIO(encode([page("it is")], "png", Options(dpi=100))))
    assert image.size == (round(148 / 25.4 * 100), round(105 / 25.4 * 100)) and image.mode == "RGBA"
    assert image.info["dpi"] == pytest.approx((100, 100), abs=0.1)
    alpha = np.asarray(image)[:, :, 3]
    assert alpha[0, 0] == 0 and alpha.max() == 255
    assert 0 < ((alpha > 0) & (alpha < 255)).sum()  # antialiased
    paper = Image.open(io.BytesIO(encode([page("it is")], "png", Options(dpi=100, paper="#ffeecc"))))
    assert paper.mode == "RGB" and paper.getpixel((0, 0)) == (255, 238, 204)


def test_png_ink_is_where_the_pen_went_as_wide_as_the_pen_and_of_its_colour():
    line = straight_line(20, 30, 60, 30, ink="#cc0000", pen_width_mm=2.0)
    other = straight_line(20, 60, 20, 80, ink="#0000cc", pen_width_mm=1.0)
    options = Options(dpi=254, paper="white", speed_width=0)  # 10 pixels a mm
    pixels = np.asarray(Image.open(io.BytesIO(encode([Page(100, 100, [line, other])], "png", options)))).astype(int)
    red = (pixels[:, :, 0] > 150) & (pixels[:, :, 1] < 100)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert (rows[0], rows[-1]) == (pytest.approx(290, abs=1), pytest.approx(309, abs=1))
    assert (columns[0], columns[-1]) == (pytest.approx(190, abs=1), pytest.approx(609, abs=1))
    assert tuple(pixels[300, 400]) == (204, 0, 0) and tuple(pixels[700, 200]) == (0, 0, 204)


def test_png_dot_is_as_wide_as_the_pen():
    dot = PlacedLine(np.array([[5.0, 5, 1]]), ".", pen_width_mm=1.0)
    pixels = np.asarray(Image.open(io.BytesIO(encode([Page(10, 10, [dot])], "png", Options(dpi=254)))))[:, :, 3]
    assert pixels[50, 50] == 255 and (pixels > 127).sum() == pytest.approx(np.pi * 25, rel=0.15)


def test_slow_strokes_are_wider():
    t = np.linspace(0, 1, 60) ** 2  # slow at the left
    line = PlacedLine(np.column_stack([5 + 80 * t, np.full(60, 10.0), np.zeros(60)]), "-", pen_width_mm=1.0)
    options = Options(dpi=254, speed_width=1)
    inked = np.asarray(Image.open(io.BytesIO(encode([Page(90, 20, [line])], "png", options))))[:, :, 3] > 127
    widths = inked.sum(axis=0)
    assert widths[70] > 1.2 * widths[800] > 0


def _media_boxes(data):
    return [tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox \[([^\]]*)\]", data)]


def test_pdf_has_all_pages_in_their_exact_size():
    data = encode([page("a"), Page(210, 297, [placed("b")])], "pdf")
    points = 72 / 25.4
    assert data.startswith(b"%PDF") and data.rstrip().endswith(b"%%EOF")
    boxes = sorted(_media_boxes(data))
    assert boxes[0] == pytest.approx((0, 0, 148 * points, 105 * points), abs=1e-3)
    assert boxes[1] == pytest.approx((0, 0, 210 * points, 297 * points), abs=1e-3)


def _frames(data):
    image = Image.open(io.BytesIO(data))
    frames, durations = [], []
    for k in range(image.n_frames):
        image.seek(k)
        frames.append(np.asarray(image.convert("RGBA")).astype(int))
        durations.append(image.info["duration"])
    return image, frames, durations


def _inked(frame):
    return (frame[:, :, 3] > 0) & (frame[:, :, :3].sum(axis=2) < 600)


@pytest.mark.parametrize("paper", [None, "white"])
def test_gif_writes_more_and_more_and_ends_as_the_picture(paper):
    one = page("it is")
    options = Options(paper=paper, dpi=60, seconds=2, speed_width=0)
    image, frames, durations = _frames(encode([one], "gif", options))
    counts = [_inked(frame).sum() for frame in frames]
    assert counts[0] == 0 and (np.diff(counts) >= 0).all() and len(set(counts)) > 10
    assert image.info["loop"] == 0 and image.size == (round(148 / 25.4 * 60), round(105 / 25.4 * 60))
    assert sum(durations[:-1]) == pytest.approx(2000, abs=110) and durations[-1] == 2000
    whole = np.asarray(Image.open(io.BytesIO(encode([one], "png", Options(dpi=60, paper="white", speed_width=0)))))
    different = _inked(frames[-1]) != (whole.astype(int).sum(axis=2) < 600)
    assert different.sum() < 0.1 * _inked(frames[-1]).sum()


@pytest.mark.parametrize("paper", [None, "white"])
def test_gif_clears_a_page_before_the_next_and_keeps_inks_apart(paper):
    first = Page(50, 50, [straight_line(5, 10, 45, 10, ink="#cc0000")])
    second = Page(50, 50, [straight_line(5, 40, 45, 40, ink="#0000cc")])
    _, frames, _ = _frames(encode([first, second], "gif", Options(paper=paper, dpi=60, seconds=1)))
    last = frames[-1]
    inked = np.flatnonzero(_inked(last).any(axis=1))
    assert inked.min() > 0.6 * len(last)  # nothing of the first page
    middle = last[inked[len(inked) // 2], last.shape[1] // 2]
    assert middle[2] > middle[0] + 50
    red = [f for f in frames if _inked(f)[: len(last) // 2].any()]
    assert red and all((f[_inked(f)][:, 0] > f[_inked(f)][:, 2]).all() for f in red)


def test_gif_that_nobody_gave_a_time_ends_within_half_a_minute():
    many = page(*["it is a quick fox and a man"] * 5)
    assert schedule([many])[0][-1][-1] > 32
    _, _, durations = _frames(encode([many], "gif", Options(dpi=20, fps=4)))
    assert 28_000 < sum(durations[:-1]) < 31_000


# --------------------------------------------------------------------------------------------------- json and inkml


def test_json_holds_every_point_with_time_pen_lift_and_character():
    pages = [page("it is", "a fox"), page("Jon")]
    content = json.loads(encode(pages, "json"))
    assert content["units"] == {"length": "mm", "time": "s"} and content["y_axis"] == "down"
    assert content["columns"] == ["x", "y", "time", "pen_lift", "character"]
    times = []
    for read, one in zip(content["pages"], pages, strict=True):
        assert (read["width"], read["height"]) == (148, 105)
        for line, placed_line in zip(read["lines"], one.lines, strict=True):
            points = np.array(line["points"])
            assert points[:, :2] == pytest.approx(placed_line.points[:, :2], abs=1e-3)
            assert (points[:, 3] == placed_line.points[:, 2]).all() and (points[:, 4] == placed_line.index).all()
            assert (line["text"], line["baseline"]) == (placed_line.text, placed_line.baseline_mm)
            times += points[:, 2].tolist()
    assert (np.diff(times) > 0).all()


def test_pages_come_back_from_json_as_they_were(tmp_path):
    pages = [page("it is", "a fox"), page("Jon")]
    pages[1].rules = rules_of("squared", 5.0, (148, 105))
    write(pages, tmp_path / "x.json")
    for read, one in zip(read_json(tmp_path / "x.json"), pages, strict=True):
        assert (read.width_mm, read.height_mm, read.rules) == (one.width_mm, one.height_mm, one.rules)
        for line, placed_line in zip(read.lines, one.lines, strict=True):
            assert line.points == pytest.approx(placed_line.points, abs=1e-3)
            assert np.array_equal(line.index, placed_line.index) and line.text == placed_line.text
            assert (line.label, line.ink) == (placed_line.label or placed_line.text, placed_line.ink)
            assert (line.pen_width_mm, line.baseline_mm) == (placed_line.pen_width_mm, placed_line.baseline_mm)


def test_json_says_minus_one_where_characters_are_not_known():
    content = json.loads(encode([Page(9, 9, [PlacedLine(np.array([[1.0, 2, 1]]), "ü")])], "json"))
    (line,) = content["pages"][0]["lines"]
    assert line["text"] == "ü" and line["points"] == [[1.0, 2.0, 0.0, 1, -1]]


def test_inkml_has_a_trace_for_each_stroke_and_the_text_of_each_line():
    pages = [page("it is <1> & 2", "a fox"), page("Jon")]
    root = xml(encode(pages, "inkml"))
    assert root.tag == INKML + "ink"
    channels = {c.get("name"): c.get("units") for c in root.iter(INKML + "channel")}
    assert channels == {"X": "mm", "Y": "mm", "T": "ms"}
    truths = [a.text for a in root.iter(INKML + "annotation") if a.get("type") == "truth"]
    assert truths == ["it is <1> & 2", "a fox", "Jon"]
    traces = [
        np.array([point.split() for point in trace.text.split(",")], float) for trace in root.iter(INKML + "trace")
    ]
    strokes = strokes_of(*pages)
    assert len(traces) == len(strokes)
    for trace, stroke in zip(traces, strokes):
        assert trace[:, :2] == pytest.approx(stroke, abs=1e-3)
    assert (np.diff(np.concatenate(traces)[:, 2]) > 0).all()


def test_inkml_and_json_have_the_same_times_in_milliseconds_and_in_seconds():
    pages = [page("it is", "so"), page("a")]
    root = xml(encode(pages, "inkml"))
    (channel,) = [c for c in root.iter(INKML + "channel") if c.get("name") == "T"]
    assert channel.get("units") == "ms"
    in_inkml = [float(point.split()[2]) for trace in root.iter(INKML + "trace") for point in trace.text.split(",")]
    expected = [seconds for of_page in schedule(pages) for of_line in of_page for seconds in of_line]
    assert in_inkml == pytest.approx(1000 * np.array(expected), abs=0.5) and in_inkml[-1] > 1000
    content = json.loads(encode(pages, "json"))
    in_json = [point[2] for p in content["pages"] for line in p["lines"] for point in line["points"]]
    assert in_json == pytest.approx(expected, abs=1e-4) and content["units"]["time"] == "s"


def test_inkml_references_lead_to_what_is_defined():
    lines = [placed("a"), placed("b", ink="navy", pen_width_mm=0.5), placed("c")]
    root = xml(encode([Page(99, 99, lines)], "inkml"))
    name = "{http://www.w3.org/XML/1998/namespace}id"
    names = [e.get(name) for e in root.iter() if e.get(name)]
    assert len(names) == len(set(names))
    references = [e.get(a)[1:] for e in root.iter() for a in ("brushRef", "contextRef") if e.get(a)]
    assert len(references) == 4 and set(references) <= set(names)
    assert {p.get("value") for p in root.iter(INKML + "brushProperty")} == {"#10204d", "0.35", "#000080", "0.5"}


@pytest.mark.parametrize("format", ["svg", "animated-svg", "inkml"])
def test_control_characters_in_a_text_do_not_break_the_xml(format):
    line = placed("ab")
    line.text = line.label = 'a\x00\x0b"<&>\ud800\n'
    assert xml(encode([Page(50, 50, [line])], format, Options(layers="line"))) is not None
