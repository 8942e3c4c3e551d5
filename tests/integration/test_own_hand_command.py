"""python3 sample.py --style_file FILE: from the recording of a hand to a text in it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import ink_helpers as ink
import sample
from ink_helpers import TEXT
from scribe.files.recordings import read_ink
from scribe.writing import recogniser
from scribe.writing.own_hand import load_own_hand

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(checkpoint, tmp_path, capsys):
    """run(flags) -> (exit code, lines on stdout, stderr), in this process."""

    def run(*flags):
        try:
            code = sample.main(["--save_path", checkpoint, "--log_dir", str(tmp_path), "--seed", "1", *flags])
        except SystemExit as stopped:
            code = stopped.code
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return run


@pytest.fixture
def recorded(tmp_path):
    return ink.write(tmp_path / "me.inkml", ink.inkml([ink.hand()], [TEXT]))


WRITE = ("--text", "abc", "--tsteps", "30")


@pytest.mark.smoke
def test_a_text_is_written_in_the_hand_of_a_file(run, recorded, tmp_path):
    code, names, err = run(*WRITE, "--style_file", recorded, "--format", "json", "--output", str(tmp_path / "own.json"))
    assert code == 0 and names == [str(tmp_path / "own.json")], err
    run(*WRITE, "--format", "json", "--output", str(tmp_path / "none.json"))
    points = [json.loads((tmp_path / f"{name}.json").read_text())["pages"] for name in ("own", "none")]
    assert points[0] != points[1]  # it does change what is written


def test_it_is_what_a_script_gets_from_load_own_hand(run, recorded, tmp_path, monkeypatch):
    seen = []
    write = sample.sample_checked

    def remember(texts, model, **how):
        seen.append(how["style"])
        return write(texts, model, **how)

    monkeypatch.setattr(sample, "sample_checked", remember)
    assert run(*WRITE, "--style_file", recorded, "--style_text", "thé pen movéd over")[0] == 0
    strokes, text = load_own_hand(recorded, TEXT, data_scale=50.0)
    assert seen[0][1] == text and np.array_equal(seen[0][0], strokes)


def test_a_text_that_does_not_show_in_the_strokes_is_warned_of(run, recorded, monkeypatch):
    for gain, warned in ((sample.MIN_TEXT_GAIN / 2, True), (2 * sample.MIN_TEXT_GAIN, False), (float("nan"), True)):
        monkeypatch.setattr(sample, "text_gain", lambda style, model, gain=gain: gain)
        code, _, err = run(*WRITE, "--style_file", recorded)
        assert code == 0 and ("does not look like" in err) == warned


def test_all_lines_of_a_page_are_in_that_hand(run, recorded, tmp_path):
    flags = ["--lines", "Dear Jon,", "you", "--tsteps", "30", "--style_file", recorded]
    code, names, err = run(*flags, "--output", str(tmp_path / "page.svg"))
    assert code == 0 and Path(names[0]).exists(), err


def test_a_drawing_needs_its_text_and_may_be_sorted(run, tmp_path):
    path = ink.write(tmp_path / "me.svg", ink.svg(ink.hand()[::-1]))
    code, names, err = run(*WRITE, "--style_file", path)
    assert code == 2 and not names and "--style_text" in err and "Traceback" not in err
    assert run(*WRITE, "--style_file", path, "--style_text", TEXT, "--style_sort")[0] == 0


def test_a_line_of_many_is_named_in_the_file_name(run, tmp_path):
    path = ink.pickled(tmp_path / "many.p", [ink.hand()] * 2, [TEXT] * 2)
    assert run(*WRITE, "--style_file", path + "#1")[0] == 0
    code, _, err = run(*WRITE, "--style_file", path + "#7")
    assert code == 2 and "counted from 0" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--style_file", "a", "--style", "1"], "--style_file and --style exclude"),
        (["--style_text", "a"], "--style_file"),
        (["--style_sort"], "--style_file"),
        (["--style_file", "a", "--style_text", " "], "--style_text is empty"),
    ],
)
def test_contradictions_are_wrong_usage(run, flags, message):
    code, names, err = run(*WRITE, *flags)
    assert code == 2 and not names and message in err


def test_style_file_and_styles_exclude_each_other(run):
    code, _, err = run("--lines", "a", "b", "--styles", "1", "2", "--style_file", "x")
    assert code == 2 and "--style_file and --styles exclude" in err


@pytest.mark.parametrize(("content", "message"), [(None, "is not a file"), ("<svg", "broken XML"), ("", "is empty")])
def test_a_file_that_cannot_be_used_is_one_line(run, tmp_path, content, message):
    path = tmp_path / "bad.svg"
    if content is not None:
        path.write_text(content)
    code, names, err = run(*WRITE, "--style_file", str(path), "--style_text", TEXT)
    assert code == 2 and not names and err.count("\n") == 1 and err.startswith("Error: ") and message in err


def test_without_a_text_the_message_proposes_what_the_recogniser_reads(run, tmp_path, monkeypatch):
    path = ink.write(tmp_path / "me.svg", ink.svg(ink.hand()))
    reader = SimpleNamespace(read=lambda lines: ["the pen moved ovcr" for _ in lines])
    monkeypatch.setattr(recogniser, "load_recogniser", lambda: reader)
    code, names, err = run(*WRITE, "--style_file", path)
    assert code == 2 and not names and err.count("\n") == 1
    assert "tell it with --style_text" in err and "It looks like 'the pen moved ovcr'" in err


def test_what_was_left_out_of_a_drawing_is_said(run, tmp_path):
    path = ink.write(tmp_path / "me.svg", ink.svg(ink.hand(), around=("<image/><image/>", "")))
    code, _, err = run(*WRITE, "--style_file", path, "--style_text", TEXT)
    assert code == 0 and "left out: 2 images" in err


# -------------------------------------------------------------------------------------------------- recording page

NODE = shutil.which("node")


def run_page(script):
    """Runs JavaScript after the module with which the server's page saves recordings; returns what it printed."""
    own = (ROOT / "scribe" / "web" / "page" / "inkml.js").read_text(encoding="utf-8").replace("export ", "")
    done = subprocess.run([NODE, "-e", own + script], capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(NODE is None, reason="no Node.js here")
def test_what_the_recording_page_saves_becomes_a_style(tmp_path):
    lines = ink.sheet("it was a <dark> night", "and the rain & fell")
    given = [
        {"text": text, "strokes": [[{"x": x, "y": y, "t": 1.6} for x, y in s.tolist()] for s in strokes]}
        for text, strokes in zip(["it was a <dark> night", " and the rain & fell \x0b\ud800"], lines)
    ]
    empty = {"text": "not written", "strokes": []}
    out = run_page(f"process.stdout.write(toInkML({json.dumps([*given, empty])}))")
    (tmp_path / "page.inkml").write_text(out, encoding="utf-8")
    pieces = read_ink(tmp_path / "page.inkml")
    assert [piece.text for piece in pieces] == ["it was a <dark> night", "and the rain & fell"]
    for piece, strokes in zip(pieces, lines):
        assert len(piece.strokes) == len(strokes)
        for a, b in zip(piece.strokes, strokes):
            assert a == pytest.approx(b, abs=0.006)
    assert load_own_hand(tmp_path / "page.inkml", data_scale=50.0)[1] == "it was a (dark) night and the rain & fell"


@pytest.mark.skipif(NODE is None, reason="no Node.js here")
def test_the_recording_page_says_what_is_missing():
    stroke = [[{"x": 1, "y": 1, "t": 0}]]
    for lines, message in (
        ([{"text": "a line of text", "strokes": []}], "Nothing is written"),
        ([{"text": " ", "strokes": stroke}], "no text"),
        ([{"text": "short", "strokes": stroke}], "Only 5 characters"),
        ([{"text": "long enough", "strokes": stroke}], ""),
    ):
        out = run_page(f"process.stdout.write(problem({json.dumps(lines)}))")
        assert message in out and bool(out) == bool(message)


@pytest.mark.slow
def test_the_shipped_model_writes_in_the_hand_of_a_file(tmp_path):
    """A line that the model wrote is recorded as a drawing; the same model goes on from it."""
    command = [sys.executable, "sample.py", "--save_path", "saved/checkpoint", "--seed", "1"]
    command += ["--log_dir", str(tmp_path)]
    how = {"cwd": ROOT, "capture_output": True, "text": True, "check": False}
    how["env"] = {**os.environ, "COVERAGE_PROCESS_START": ""}
    text = "the quick letter that arrived"
    done = subprocess.run([*command, "--text", text, "--output", str(tmp_path / "me.svg")], **how)
    assert done.returncode == 0, done.stderr
    flags = ["--text", "Hello World", "--style_file", str(tmp_path / "me.svg"), "--style_text", text]
    done = subprocess.run([*command, *flags], **how)
    assert done.returncode == 0 and "has failures" not in done.stderr, done.stderr
    assert len(done.stdout.splitlines()) == 3
