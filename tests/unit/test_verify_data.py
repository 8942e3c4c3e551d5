import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import verify_data
from data_helpers import make_lines, write_data
from scribe.files.needed_files import needed_files
from scribe.files.stroke_file import DATA_FILE, STYLES_FILE

REPOSITORY = Path(verify_data.__file__).resolve().parent
LIBRARY = REPOSITORY / "scribe"
REAL = REPOSITORY.parent / "shared" / "data"
SUCCESS = "SUCCESS! All checks passed!"


@pytest.fixture
def verify(tmp_path, capsys, monkeypatch):
    """Runs verify_data on the folder `data` of an otherwise empty place: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*flags):
        code = verify_data.main(list(flags))
        return code, *capsys.readouterr()

    return run


def assert_fault(result, *named):
    code, out, err = result
    assert code == 1 and SUCCESS not in out
    assert any(line.startswith("FAULT: ") and all(part in line for part in named) for line in err.splitlines()), err


@pytest.mark.smoke
def test_sound_data_ends_with_success(verify):
    strokes, texts = write_data("data", 60)
    code, out, err = verify()
    assert code == 0 and out.endswith(f"\n{SUCCESS}\n")
    assert "FAULT" not in err and "Warning" not in err
    assert f"60 samples (lines), {sum(map(len, strokes))} pen points, {sum(map(len, texts))} characters" in out


@pytest.mark.smoke
def test_the_command_line_works_from_another_folder(tmp_path):
    write_data(tmp_path / "data", 20)
    command = [sys.executable, str(REPOSITORY / "verify_data.py")]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0 and run.stdout.splitlines()[-1] == SUCCESS
    run = subprocess.run([*command, "--data_dir", "none"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert subprocess.run([*command, "--nonsense"], capture_output=True, check=False).returncode == 2


def test_statistics_show_lengths_characters_and_the_oddest_lines(verify):
    strokes, texts = make_lines(200)
    texts[7] = texts[7][:8] + "Z"
    write_data("data", strokes=strokes, texts=texts)
    _, out, _ = verify("--worst", "1")
    assert "percentile" in out and "points per character" in out
    assert f"{'e'} {''.join(texts).count('e')}" in out
    (row,) = [line for line in out.splitlines() if line.startswith("  line ")]
    assert row.startswith("  line      7:") and row.endswith(texts[7])
    assert "  line " not in verify("--worst", "0")[1]


def test_missing_data_says_how_to_get_it(verify, tmp_path):
    assert_fault(verify(), "data does not exist", "IAM-OnDB", "prepare_data.py")
    (tmp_path / "data").mkdir()
    assert_fault(verify(), DATA_FILE, "does not exist", "prepare_data.py")


def test_a_file_of_known_origin_says_what_it_is_until_it_changes(verify, tmp_path):
    write_data("data", 60)
    path = tmp_path / "data" / DATA_FILE
    known = {DATA_FILE: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "origin": "Origin: a test."}}
    (tmp_path / "data" / verify_data.ORIGIN_FILE).write_text(json.dumps(known))
    assert "Origin: a test.\n" in verify()[1]
    write_data("data", 61)
    code, out, _ = verify()
    assert code == 0 and "Origin" not in out
    (tmp_path / "data" / verify_data.ORIGIN_FILE).write_text("[]")
    assert verify()[0] == 0


def test_a_report_holds_figures_and_faults(verify, tmp_path):
    strokes, texts = make_lines(60)
    texts[3] = ""
    write_data("data", strokes=strokes, texts=texts)
    code, out, err = verify("--report", "report.md")
    report = (tmp_path / "report.md").read_text()
    assert code == 1 and "exit code 1" in report and out in report and err in report and "no text" in report
    code, _, err = verify("--report", "nowhere/report.md")
    assert code == 1 and "cannot be written" in err and "Traceback" not in err


def spoil(strokes, texts, how):
    strokes = [line.astype(float) for line in strokes]
    if how == "nan":
        strokes[3][2, 0] = np.nan
    elif how == "lift":
        strokes[3][2, 2] = 2
    elif how == "shape":
        strokes[3] = strokes[3][:, :2]
    elif how == "nested":
        strokes[3] = [[1, 2, 3], [1, "x", 0]]
    elif how == "no text":
        texts[3] = " \r\n"
    elif how == "text type":
        texts[3] = None
    return strokes, texts


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ("nan", "not finite (NaN or infinity"),
        ("lift", "a pen lift other than 0 and 1 (the third number"),
        ("shape", "not an (n, 3) array of numbers (every pen point is dx, dy and pen lift; in the first of them, its"),
        ("nested", "its point 1 is not three numbers"),
        ("no text", "no text (without its text"),
        ("text type", "it is a NoneType"),
    ],
)
def test_a_fault_is_named_with_its_line_and_what_it_means(verify, how, named):
    strokes, texts = spoil(*make_lines(200), how)
    write_data("data", strokes=strokes, texts=texts)
    assert_fault(verify(), f"{DATA_FILE}, line 3: ", named)


def test_every_fault_of_a_file_is_named(verify):
    strokes, texts = make_lines(100)
    for i in (5, 6, 7, 40):
        texts[i] = ""
    strokes[40] = strokes[40][:, 0]
    write_data("data", strokes=strokes, texts=texts)
    result = verify()
    assert_fault(result, "lines 5-7, 40: no text")
    assert_fault(result, "line 40: strokes that are not")
    assert "2 faults found." in result[2]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "not a readable pickle"),
        (b"cos\nsystem\n(S'true'\ntR.", "refused: it asks for os.system"),
        (pickle.dumps({"a": 1, "b": 2}), "the lists"),
        (pickle.dumps([1, 2]), "the lists"),
        (pickle.dumps([[], [], [], []]), "the lists"),
        (pickle.dumps([["abc"], "a"]), "the lists"),
        (pickle.dumps([[], []]), "no lines"),
        (pickle.dumps([make_lines(3)[0], ["only one text"]]), "3 lines of strokes but 1 texts"),
    ],
)
def test_a_file_that_is_no_data_file_is_a_fault(verify, tmp_path, content, named):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / DATA_FILE).write_bytes(content)
    assert_fault(verify(), DATA_FILE, named)


def test_lines_that_the_loader_leaves_out_are_warnings_below_2_percent(verify):
    strokes, texts = make_lines(101)
    texts[50] = "x"
    texts[51] = "y"
    write_data("data", strokes=strokes, texts=texts)
    code, out, err = verify()
    assert code == 0 and SUCCESS in out
    assert "Warning: " in err and "lines 50-51: points per character" in err
    texts[52] = "z"
    write_data("data", strokes=strokes, texts=texts)
    assert_fault(verify(), "3 of 101 lines (3.0%", "--tsteps 1300")


def test_tsteps_decides_what_is_too_long(verify):
    strokes, _ = write_data("data", 100)
    longest = max(map(len, strokes))
    assert "left out" not in verify("--tsteps", str(longest))[2]
    code, _, err = verify("--tsteps", str(longest - 1))
    assert code == 0 and f"more than {longest - 1} points; the loader leaves this out" in err


def test_a_last_point_without_pen_lift_is_a_warning(verify):
    strokes, texts = make_lines(10)
    strokes[4][-1, 2] = 0
    write_data("data", strokes=strokes, texts=texts)
    code, _, err = verify()
    assert code == 0 and "line 4: the pen does not lift after the last point" in err


def test_characters_outside_of_the_alphabet_are_named_in_a_way_that_a_terminal_does_not_obey(verify):
    strokes, texts = make_lines(10)
    texts[4] = "\x1b[2J é" + texts[4][6:] + "\ud800"
    write_data("data", strokes=[s.tolist() for s in strokes], texts=texts)
    code, out, err = verify()
    assert code == 0 and "\x1b" not in out + err
    assert "line 4: characters outside of the alphabet" in err and "'\\xe9' (U+00E9) 1 times" in err


def test_no_styles_are_a_note_and_broken_ones_a_fault(verify, tmp_path):
    write_data("data", 20)
    code, _, err = verify()
    assert code == 0 and f"Note: {os.path.join('data', STYLES_FILE)} does not exist" in err
    strokes, texts = make_lines(2)
    styles = tmp_path / "data" / STYLES_FILE
    scaled = [(line / (50, 50, 1)).astype(np.float32)[:100] for line in strokes]  # pieces of lines, in model units
    styles.write_bytes(pickle.dumps([scaled, [texts[0] + "\r", texts[1]]], 2))
    code, out, err = verify()
    assert code == 0 and "2 styles" in out and "Note" not in err
    styles.write_bytes(pickle.dumps([strokes, [texts[0], ""]]))
    assert_fault(verify(), f"{STYLES_FILE}, line 1: no text")


def test_folders_that_training_cannot_write_to_are_faults(verify, tmp_path, monkeypatch):
    write_data("data", 20)
    (tmp_path / "logs").mkdir()
    assert verify()[0] == 0
    (tmp_path / "saved").write_text("a file")
    assert_fault(verify(), "saved is not a folder", "--save_dir")
    assert_fault(verify("--log_dir", "saved/logs"), "saved/logs cannot be made (Not a directory)", "--log_dir")
    assert_fault(verify("--log_dir", "n" * 256), "cannot be made (File name too long)", "--log_dir")
    (tmp_path / "saved").unlink()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and access(path, mode))
    assert_fault(verify(), "logs cannot be written", "--log_dir")
    assert_fault(verify("--log_dir", "none/yet"), f"{tmp_path} cannot be written", "--log_dir")
    assert "Note: the data folder data cannot be written" in verify()[2]


def test_sources_that_are_missing_or_broken_are_faults(tmp_path, capsys):
    for name in (*verify_data.SOURCES, "scribe/__init__.py", "scribe/pages/__init__.py", "scribe/pages/page.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "model.py").write_text("def late():\n    from scribe.pages import page\n    import numpy\n")
    report = verify_data.Report()
    verify_data.check_sources(report, tmp_path)
    assert report.faults == 0
    (tmp_path / "train.py").unlink()
    (tmp_path / "scribe" / "pages" / "page.py").unlink()
    (tmp_path / "sample.py").write_text("def f(:\n")
    (tmp_path / "another.py").write_bytes(b"x = 1\0")
    (tmp_path / "scribe" / "pages" / "deeper.py").write_text("x = (\n")
    verify_data.check_sources(report, tmp_path)
    err = capsys.readouterr().err
    assert report.faults == 5 and "deeper.py is not Python" in err
    assert "train.py is missing" in err and "page.py is missing" in err
    assert "sample.py is not Python" in err and "another.py is not Python" in err
    assert not (tmp_path / "__pycache__").exists()


def test_every_library_file_that_sampling_imports_is_reported_when_it_is_missing(tmp_path):
    script = "import sys, sample; print(*(getattr(m, '__file__', None) for m in sys.modules.values()), sep='\\n')"
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    library = [path.relative_to(REPOSITORY) for path in map(Path, run.stdout.splitlines()) if LIBRARY in path.parents]
    assert len(library) > 20  # or the list says nothing
    shutil.copytree(LIBRARY, tmp_path / "scribe", ignore=shutil.ignore_patterns("__pycache__"))
    for path in REPOSITORY.glob("*.py"):
        shutil.copy(path, tmp_path)
    for path in library:
        content = (tmp_path / path).read_bytes()
        (tmp_path / path).unlink()
        assert needed_files(tmp_path, verify_data.SOURCES)[1] == [path.as_posix()]
        (tmp_path / path).write_bytes(content)
    assert needed_files(tmp_path, verify_data.SOURCES)[1] == []


def test_line_numbers_are_written_as_ranges_and_a_long_list_is_cut():
    assert verify_data.name_lines([4]) == "line 4"
    assert verify_data.name_lines([0, 1, 2, 7]) == "lines 0-2, 7"
    assert verify_data.name_lines(range(0, 200, 2), most=2) == "lines 0, 2 and 98 more"


@pytest.mark.skipif(not (REAL / DATA_FILE).exists(), reason="no real handwriting here")
def test_real_handwriting_passes(verify):
    code, out, _ = verify("--data_dir", str(REAL))
    assert code == 0 and out.endswith(f"{SUCCESS}\n")


def real_like(lines=60):
    """Lines of the synthetic hand that begin strokes above and end them below, in raw units."""
    strokes, texts = make_lines(lines)
    return [line.astype(float) for line in strokes], texts


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda line: np.column_stack([np.cumsum(line[:, :2], axis=0), line[:, 2]]), "hold positions"),
        (lambda line: line / [50, 50, 1], "seem to be divided already"),
        (lambda line: line * [9, 9, 1], "small letters are about"),
        (lambda line: line[::2] * [2, 2, 1], "sampled at another rate"),
    ],
    ids=["positions", "divided", "other units", "other rate"],
)
def test_numbers_that_training_cannot_use_are_faults_that_name_what_mends_them(verify, change, reason):
    strokes, texts = real_like()
    write_data("data", strokes=[change(line) for line in strokes], texts=texts)
    assert_fault(verify(), reason, "prepare_data.py --source", "--mend")
    write_data("data", strokes=strokes, texts=texts)
    assert "FAULT" not in verify()[2]


def test_writing_upside_down_is_a_fault(verify):
    t = np.linspace(0, 2.5 * np.pi, 25)
    letter = np.column_stack([t * 9 - 30 * np.sin(t), -60 * np.cos(t) + 12 * t])
    line = np.concatenate([np.column_stack([letter + [110 * k, 0], t == t[-1]]) for k in range(15)])
    offsets = np.column_stack([np.diff(line[:, :2], axis=0, prepend=line[:1, :2]), line[:, 2]])
    write_data("data", strokes=[offsets] * 30, texts=["e" * 15] * 30)
    assert "stands on its head" not in verify()[2]
    write_data("data", strokes=[offsets * [1, -1, 1]] * 30, texts=["e" * 15] * 30)
    assert_fault(verify(), "stands on its head", "--mend")
