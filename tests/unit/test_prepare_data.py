import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ink_helpers as ink
import prepare_data
from scribe.files.stroke_file import DATA_FILE, load_named_strokes, load_strokes, save_strokes
from scribe.ink.strokes import absolute_points, split_strokes
from scribe.ink.x_height import x_height_of_ink

REPOSITORY = Path(prepare_data.__file__).resolve().parent
REAL = REPOSITORY.parent / "shared" / "data"

TWO_STROKES = [[(100, 50), (103, 48), (110, 60)], [(120, 61), (119, 70)]]
OFFSETS = [[0, 0, 0], [3, -2, 0], [7, 12, 1], [10, 1, 0], [-1, 9, 1]]


def xml(strokes=TWO_STROKES, head="", encoding="ISO-8859-1"):
    body = "".join(
        "<Stroke colour='black'>" + "".join(f'<Point x="{x}" y="{y}" time="1.5"/>' for x, y in stroke) + "</Stroke>"
        for stroke in strokes
    )
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>{head}<WhiteboardCaptureSession><WhiteboardDescription>'
        f'<SensorLocation corner="top_left"/></WhiteboardDescription><StrokeSet>{body}</StrokeSet>'
        "</WhiteboardCaptureSession>"
    )


def write_form(source, form, texts, files=None, head="OCR:\n\nsomething else here\n\nCSR:\n\n", end="\n"):
    """A form as the database has it; files: {line number: XML}, by default one for every text."""
    group, folder = form[:3], form[:7]
    if texts is not None:
        path = source / "ascii" / group / folder / f"{form}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((head + "\n".join(texts) + end).encode("latin1"))
    for number, content in (files or {i + 1: xml() for i in range(len(texts))}).items():
        path = source / "lineStrokes" / group / folder / f"{form}-{number:02d}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("latin1"))


def prepare(tmp_path, *flags):
    code = prepare_data.main(["--source", str(tmp_path / "raw"), "--data_dir", str(tmp_path / "data"), *flags])
    path = tmp_path / "data" / DATA_FILE
    return code, (load_strokes(path) if path.exists() else None)


@pytest.mark.smoke
def test_points_become_offsets_with_a_lift_at_the_end_of_every_stroke(tmp_path, capsys):
    write_form(tmp_path / "raw", "a01-000u", ["the first line", "the second line"])
    code, (strokes, texts) = prepare(tmp_path)
    assert code == 0 and texts == ["the first line", "the second line"]
    assert all(line.dtype == np.int16 and line.tolist() == OFFSETS for line in strokes)
    out, err = capsys.readouterr()
    assert out == f"Wrote {tmp_path / 'data' / DATA_FILE}: 2 lines, 10 pen points.\n" and err == ""


def test_empty_strokes_are_passed_over_and_a_dot_is_a_stroke(tmp_path):
    content = xml([[], [(5, 5)], [], [(6, 7), (8, 9)]])
    write_form(tmp_path / "raw", "a01-000u", ["the first line"], {1: content})
    _, ((line,), _) = prepare(tmp_path)
    assert line.tolist() == [[0, 0, 1], [1, 2, 0], [2, 2, 1]]


@pytest.mark.parametrize(
    ("head", "end"),
    [("OCR:\n\nx\n\nCSR:\n\n", "\n"), ("OCR: \r\n \r\n\r\nx\r\nCSR: \r\n \r\n\r\n", "\r\n\r\n \r\n"), ("CSR:\n", "")],
)
def test_lines_of_text_are_found_after_csr_and_kept_as_they_are(tmp_path, head, end):
    write_form(tmp_path / "raw", "a01-000u", ["the first line ", "caf\xe9 and second"], head=head, end=end)
    _, (_, texts) = prepare(tmp_path)
    assert texts == ["the first line ", "caf\xe9 and second"]


def test_lines_come_in_the_order_of_folder_form_and_number(tmp_path):
    for form in ("b02-010", "a01-000x", "a01-000u"):
        write_form(tmp_path / "raw", form, [f"line {i} of {form}" for i in range(1, 12)])
    _, (_, texts) = prepare(tmp_path)
    assert texts == [f"line {i} of {form}" for form in ("a01-000u", "a01-000x", "b02-010") for i in range(1, 12)]


def test_the_folders_may_lie_at_different_depths_and_have_strange_files_in_them(tmp_path):
    write_form(tmp_path / "raw" / "lineStrokes-all", "a01-000u", None, {1: xml()})
    write_form(tmp_path / "raw" / "text" / "ascii-all", "a01-000u", ["the first line"], {1: xml()})
    folder = tmp_path / "raw" / "lineStrokes-all" / "lineStrokes" / "a01"
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "a01-000" / "._a01-000u-01.xml").write_bytes(b"x")
    (tmp_path / "raw" / "up").symlink_to(tmp_path / "raw")
    code, (_, texts) = prepare(tmp_path)
    assert code == 0 and texts == ["the first line"]


def test_every_line_keeps_its_name(tmp_path):
    for form in ("b02-010", "a01-000u"):
        write_form(tmp_path / "raw", form, [f"line {i} of {form}" for i in range(1, 3)])
    prepare(tmp_path)
    names = ["a01-000u-01", "a01-000u-02", "b02-010-01", "b02-010-02"]
    assert load_named_strokes(tmp_path / "data" / DATA_FILE)[2] == names


def test_an_older_data_file_gets_the_names_of_its_lines(tmp_path, capsys):
    save_strokes(tmp_path / "old.cpkl", [np.array(OFFSETS)] * 2, ["one", "two"])
    (tmp_path / "names.txt").write_text("a01-000u-01\nb02-010-07\n")
    flags = ["--source", str(tmp_path / "old.cpkl"), "--data_dir", str(tmp_path / "data")]
    assert prepare_data.main([*flags, "--names", str(tmp_path / "names.txt")]) == 0
    strokes, texts, names = load_named_strokes(tmp_path / "data" / DATA_FILE)
    assert strokes[0].tolist() == OFFSETS and texts == ["one", "two"] and names == ["a01-000u-01", "b02-010-07"]
    (tmp_path / "names.txt").write_text("a01-000u-01\n")
    assert prepare_data.main([*flags, "--names", str(tmp_path / "names.txt")]) == 2
    assert "has 1 lines, but" in capsys.readouterr().err
    (tmp_path / "names.txt").write_bytes(b"\x9b\xff")
    assert prepare_data.main([*flags, "--names", str(tmp_path / "names.txt")]) == 2
    assert f"{tmp_path / 'names.txt'} is not a text" in capsys.readouterr().err


HAND_TEXT = "the quick brown fox"


def test_recordings_of_any_program_become_lines_of_the_usual_size_with_their_writer(tmp_path, capsys):
    folder = tmp_path / "raw" / "anna"
    folder.mkdir(parents=True)
    hand = ink.hand(HAND_TEXT, scale=3.0)
    for name, content in {
        "one.inkml": ink.inkml([hand], [HAND_TEXT]),
        "two.svg": ink.svg(hand),
        "two.txt": HAND_TEXT,
        "three.svg": ink.svg(hand),
        "texts.tsv": f"three.svg\t{HAND_TEXT}\n",
        "four.svg": ink.svg(hand),
        "five.png": "\x89PNG",
        "six.inkml": ink.inkml([hand], ["$x^2 + y_1 = 3$"]),
    }.items():
        ink.write(folder / name, content)
    (folder / "0").write_bytes(pickle.dumps([HAND_TEXT, ink.offsets(hand), None]))
    (folder / "0_resample20").write_bytes(b"the same with other points")
    code, (strokes, texts) = prepare(tmp_path)
    assert code == 0 and texts == [HAND_TEXT] * 4
    assert load_named_strokes(tmp_path / "data" / DATA_FILE)[2] == ["anna"] * 4
    for line in strokes:
        strokes_of_line = [stroke[:, :2] for stroke in split_strokes(absolute_points(line))]
        assert line.dtype == np.int16 and 40 < x_height_of_ink(strokes_of_line) < 260
    err = capsys.readouterr().err
    assert "four.svg: no text" in err and "five.png: a file that is no recording" in err and "six.inkml: no text" in err


@pytest.mark.parametrize("name", ["one.txt", "texts.tsv"])
@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_text_beside_a_recording_is_read_as_it_was_saved_or_the_line_is_left_out(tmp_path, capsys, name, encoding):
    folder = tmp_path / "raw" / "anna"
    folder.mkdir(parents=True)
    text = "caf\u00e9 brown fox"
    hand = ink.hand(HAND_TEXT, scale=3.0)
    for recording in ("one.svg", "two.inkml"):
        ink.write(folder / recording, ink.svg(hand) if recording == "one.svg" else ink.inkml([hand], [HAND_TEXT]))
    content = text if name == "one.txt" else f"one.svg\t{text}\n"
    (folder / name).write_bytes(content.encode(encoding))
    if name == "texts.tsv" and encoding == "latin-1":  # then no line of the folder can be trusted
        (folder / "two.txt").write_text(HAND_TEXT)
    code, (_, texts) = prepare(tmp_path)
    assert code == 0 and texts == ([text, HAND_TEXT] if encoding == "utf-16" else [HAND_TEXT])
    assert ("one.svg: unreadable text file" in capsys.readouterr().err) == (encoding == "latin-1")


@pytest.mark.parametrize(
    "change",
    [
        lambda line: np.column_stack([np.cumsum(line[:, :2], axis=0), line[:, 2]]),
        lambda line: line / [50, 50, 1],
        lambda line: line * [9, 9, 1],
    ],
)
def test_lines_that_training_cannot_use_are_mended(tmp_path, change):
    wanted = ink.offsets(ink.hand(HAND_TEXT, scale=60.0))
    folder, mended = tmp_path / "mended", []
    for source in (change(wanted), wanted):
        save_strokes(tmp_path / "bad.cpkl", [source] * 3, [HAND_TEXT] * 3, ["a", "b", "c"])
        flags = ["--source", str(tmp_path / "bad.cpkl"), "--mend", "--data_dir", str(folder)]
        assert prepare_data.main(flags) == 0
        strokes, texts, names = load_named_strokes(folder / DATA_FILE)
        assert texts == [HAND_TEXT] * 3 and names == ["a", "b", "c"]
        mended.append(strokes[0])
    assert len(mended[0]) == pytest.approx(len(mended[1]), rel=0.02)
    sizes = [np.ptp(absolute_points(line)[:, :2], axis=0) for line in mended]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)


LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
READS = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "broken XML"),
        (xml()[:-20], "broken XML"),
        (b"\x00\xff\xfe", "broken XML"),
        (xml(encoding="no-such"), "broken XML"),
        (xml().replace('x="103"', 'x="1e3"'), "whole numbers"),
        (xml().replace('x="103" ', ""), "whole numbers"),
        ('<Point x="1" y="2"/>', "outside of a Stroke"),
        (xml([]), "no pen points"),
        (xml([[(0, 0), (40000, 0)]]), "offset too large"),
        (xml([[(0, 0), (10**30, 0)]]), "offset too large"),
        (xml(head=LAUGHS), "entities"),
        (xml(head=READS), "entities"),
    ],
)
def test_a_bad_file_is_named_and_the_rest_is_used(tmp_path, capsys, content, reason):
    write_form(tmp_path / "raw", "a01-000u", ["the first line", "the second line"], {1: content, 2: xml()})
    code, (_, texts) = prepare(tmp_path)
    assert code == 0 and texts == ["the second line"]
    err = capsys.readouterr().err
    assert "a01-000u-01.xml" in err and reason in err and "Skipped 1 lines:" in err


def test_a_doctype_without_entities_is_read(tmp_path):
    content = xml(head="<!DOCTYPE WhiteboardCaptureSession SYSTEM 'none.dtd'>")
    write_form(tmp_path / "raw", "a01-000u", ["the first line"], {1: content})
    assert prepare(tmp_path)[0] == 0


def test_lines_without_text_or_with_too_short_a_text_are_counted(tmp_path, capsys):
    write_form(tmp_path / "raw", "a01-000u", ["the first line", " ", "short", "the fourth line"])
    code, (_, texts) = prepare(tmp_path)
    assert code == 0 and texts == ["the first line", "the fourth line"]
    err = capsys.readouterr().err
    assert "a01-000u-02.xml: no text" in err and "a01-000u-03.xml: a text shorter than 11" in err
    assert prepare(tmp_path, "--min_characters", "5")[1][1] == ["the first line", "short", "the fourth line"]


def test_forms_whose_text_is_missing_or_does_not_match_are_left_out(tmp_path, capsys):
    raw = tmp_path / "raw"
    write_form(raw, "a01-000u", ["the first line"])
    write_form(raw, "a01-001", None, {1: xml()})
    write_form(raw, "a01-002", ["the first line", "the second line"], {1: xml()})
    write_form(raw, "a01-003", ["the first line"], {1: xml(), 2: xml()})
    write_form(raw, "a01-004", ["the first line"], head="OCR:\n\n")
    write_form(raw, "a01-005", ["the first line", "the second line"], {2: xml()})  # the number tells which line it is
    (raw / "lineStrokes" / "a01" / "a01-000" / "notes.xml").write_text("<a/>")
    code, (_, texts) = prepare(tmp_path)
    assert code == 0 and texts == ["the first line", "the second line"]
    err = capsys.readouterr().err
    for name, reason in (
        ("a01-001-01.xml", "no text file: ascii/a01/a01-001/a01-001.txt is missing"),
        ("a01-002-01.xml", "do not match: 2 lines"),
        ("a01-003-02.xml", "do not match: 1 lines"),
        ("a01-004-01.xml", "no line after CSR:"),
        ("notes.xml", "without a line number"),
    ):
        assert any(name in line and reason in line for line in err.splitlines()), name
    assert "Skipped 6 lines:" in err


def test_only_the_first_skipped_lines_are_named_unless_asked(tmp_path, capsys):
    write_form(tmp_path / "raw", "a01-000u", ["the first line"] + ["short"] * 30)
    prepare(tmp_path)
    assert capsys.readouterr().err.count("-000u-") == 20
    prepare(tmp_path, "--verbose")
    assert capsys.readouterr().err.count("-000u-") == 30


def test_nothing_usable_gives_exit_code_1_and_leaves_the_earlier_file(tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    (tmp_path / "data").mkdir()
    save_strokes(tmp_path / "data" / DATA_FILE, [np.array(OFFSETS)], ["earlier"])
    code, (_, texts) = prepare(tmp_path)
    assert code == 1 and texts == ["earlier"]
    assert "no usable line" in capsys.readouterr().err


def test_a_new_file_takes_the_place_of_the_earlier_one(tmp_path):
    write_form(tmp_path / "raw", "a01-000u", ["the first line"])
    (tmp_path / "data").mkdir()
    save_strokes(tmp_path / "data" / DATA_FILE, [np.array(OFFSETS)], ["earlier"])
    assert prepare(tmp_path)[1][1] == ["the first line"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == [DATA_FILE]


def test_wrong_usage_gives_exit_code_2(tmp_path, capsys):
    assert prepare_data.main(["--source", str(tmp_path / "none")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as error:
        prepare_data.main([])
    assert error.value.code == 2


def test_an_output_folder_that_cannot_be_made_gives_one_line(tmp_path, capsys):
    write_form(tmp_path / "raw", "a01-000u", ["the first line"])
    (tmp_path / "data").write_text("a file")
    code = prepare_data.main(["--source", str(tmp_path / "raw"), "--data_dir", str(tmp_path / "data")])
    assert code == 1
    assert capsys.readouterr().err.startswith("Error: ")


def test_the_bar_appears_on_a_terminal_alone(tmp_path, monkeypatch, capsys):
    write_form(tmp_path / "raw", "a01-000u", ["the first line", "short"])
    prepare(tmp_path)
    assert "form" not in capsys.readouterr().err.replace("a01-000u", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    prepare(tmp_path)
    assert "1/1" in capsys.readouterr().err


@pytest.mark.smoke
@pytest.mark.parametrize("module", ["prepare_data", "verify_data", "utils"])
def test_import_brings_in_neither_tensorflow_nor_tqdm_nor_matplotlib(module):
    code = f"import sys, {module}; sys.exit(bool({{'tensorflow', 'keras', 'tqdm', 'matplotlib'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.skipif(not (REAL / "iam_ondb_raw_sample.tar.gz").exists(), reason="no real handwriting here")
def test_the_raw_sample_gives_exactly_its_lines_of_the_prepared_file(tmp_path, capsys):
    import tarfile

    with tarfile.open(REAL / "iam_ondb_raw_sample.tar.gz") as archive:
        archive.extractall(tmp_path / "raw", filter="data")
    code, (strokes, texts) = prepare(tmp_path)
    assert code == 0 and len(strokes) > 400
    wanted, wanted_texts = load_strokes(REAL / DATA_FILE)
    places = {line.tobytes(): i for i, line in enumerate(wanted)}
    found = [places[line.tobytes()] for line in strokes]  # a KeyError: a line that the prepared file does not have
    assert [wanted_texts[i] for i in found] == texts
    assert all(line.dtype == wanted[i].dtype for line, i in zip(strokes, found, strict=True))
    assert found == sorted(found)
    # Its folders stand in the prepared file without a gap: no line is missing.
    assert sum(b != a + 1 for a, b in zip(found, found[1:], strict=False)) == 2
