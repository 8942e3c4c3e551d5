"""python3 make_dataset.py, as people call it: whole data sets, kills, workers, Beam, Hugging Face, what it refuses."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import make_dataset
import scribe.dataset
from model_helpers import save_tiny_model
from scribe.files.stroke_file import save_strokes

ROOT = Path(__file__).resolve().parents[2]
TEXTS = (
    "the quick brown fox\nHello World\nCafé ≤ “x”, 🦄\n\nA stitch in time, it was the best of times it is\njumps over\n"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A window as slow as that of a model that was trained: about half of the lines pass for whole."""
    return save_tiny_model(tmp_path_factory.mktemp("saved"), -2.7)


@pytest.fixture
def flags(checkpoint, tmp_path):
    """flags(output, ...) -> those of a small data set."""
    texts = tmp_path / "texts.txt"
    texts.write_text(TEXTS, encoding="utf-8")

    def flags(output, *others, count=12):
        return ["--texts", str(texts), "--count", str(count), "--save_path", checkpoint, "--tries", "2",
                "--height", "32", "--padding", "1", "3", "--output", str(output), *others]  # fmt: skip

    return flags


@pytest.fixture
def run(capsys):
    """run(flags) -> (exit code, stdout, stderr), in this process."""

    def run(flags):
        try:
            code = make_dataset.main(flags)
        except SystemExit as stopped:
            code = stopped.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def labels(folder):
    with open(Path(folder) / "labels.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def start(flags):
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "make_dataset.py"), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# ---------------------------------------------------------------------------------------------------------- it works


@pytest.mark.smoke
def test_texts_become_pictures_labels_boxes_and_a_description(run, flags, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)  # nothing of Beam is needed without a --runner
    code, out, err = run(flags(tmp_path / "a", "--workers", "0"))
    assert code == 0, err
    assert out.splitlines() == [str(tmp_path / "a")] and "lines/s" in err
    assert "'≤' as '<='" in err and "left out" in err and "'🦄'" in err
    rows = labels(tmp_path / "a")
    assert len(rows) == 12 and all((tmp_path / "a" / row["file"]).read_bytes()[1:4] == b"PNG" for row in rows)
    cut = {"A stitch in time, it was", "the best of times it is"}
    assert {row["text"] for row in rows} <= {"the quick brown fox", "Hello World", "Café <= “x”,", "jumps over"} | cut
    description = json.loads((tmp_path / "a" / "dataset.json").read_text(encoding="utf-8"))
    assert description["lines"]["train"] + description["lines"]["validation"] + description["lines"]["test"] == 12
    assert description["replaced"] == {"≤": "<="} and description["dropped"] == ["🦄"]
    assert {"python", "tensorflow", "numpy"} <= description["settings"]["versions"].keys()
    assert len(description["settings"]["checkpoint_sha256"]) == 64
    assert "--count 12" in description["command"] and "--output" not in description["command"]


def test_the_same_command_again_does_nothing_and_other_settings_are_refused(run, flags, tmp_path):
    assert run(flags(tmp_path / "a", "--workers", "0"))[0] == 0
    before = contents(tmp_path / "a")
    code, out, err = run(flags(tmp_path / "a", "--workers", "0"))
    assert code == 0 and "complete already" in err and out.splitlines() == [str(tmp_path / "a")]
    code, out, err = run(flags(tmp_path / "a", "--seed", "5"))
    assert code == 2 and not out and "begun with seed 0 (now 5)" in err and "Traceback" not in err
    assert contents(tmp_path / "a") == before


def test_code_of_any_room_that_lines_come_from_is_part_of_the_settings(monkeypatch, tmp_path):
    files = {path.relative_to(ROOT).as_posix() for path in make_dataset.code_files()}
    lacking_once = {"scribe/network/config.py", "scribe/network/tf_setup.py", "scribe/network/checkpoint.py"}
    assert {"model.py", "make_dataset.py", "scribe/pages/page.py", "scribe/ink/alphabet.py"} <= files
    assert lacking_once <= files and not any(name.startswith(("scribe/cloud/", "scribe/training/")) for name in files)
    (tmp_path / "scribe" / "cloud").mkdir(parents=True)
    for name in ("model.py", "sample.py", "scribe/new.py", "scribe/cloud/jobs.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "make_dataset.py").write_text("from model import load_model")
    monkeypatch.setattr(make_dataset, "ROOT", tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in make_dataset.code_files()]
    assert names == ["make_dataset.py", "model.py", "scribe/new.py"]


def test_the_described_command_makes_the_same_data_set(run, flags, tmp_path):
    assert run(flags(tmp_path / "a", "--workers", "0", "--biases", "0.7", "--colour", "--noise", "2.5"))[0] == 0
    words = json.loads((tmp_path / "a" / "dataset.json").read_text(encoding="utf-8"))["command"]
    assert run([*shlex.split(words)[2:], "--output", str(tmp_path / "b"), "--workers", "0"])[0] == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert {row["bias"] for row in labels(tmp_path / "a")} == {"0.7"}


def test_styles_of_a_file_are_taken_in_turn(run, flags, tmp_path):
    rng = np.random.default_rng(0)
    strokes = [np.column_stack([rng.normal(0, 20, (60, 2)), rng.uniform(size=60) < 0.1]).astype(int) for _ in range(3)]
    save_strokes(str(tmp_path / "styles.p"), strokes, ["one", "two", "six"])
    code, _, err = run(flags(tmp_path / "a", "--styles", "all", "--data_dir", str(tmp_path), "--workers", "0"))
    assert code == 0, err
    assert {row["style"] for row in labels(tmp_path / "a")} == {"0", "1", "2"}


@pytest.mark.slow
def test_bytes_are_the_same_for_any_number_of_workers(run, flags, tmp_path):
    for workers in ("0", "1", "2"):
        code, _, err = run(flags(tmp_path / workers, "--workers", workers, "--strokes", "inkml"))
        assert code == 0, err
    assert contents(tmp_path / "0") == contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_command_and_ends_with_the_same_bytes(run, flags, tmp_path):
    changes = {"count": 24}
    assert run(flags(tmp_path / "whole", "--workers", "0", **changes))[0] == 0
    parts = tmp_path / "a" / ".unfinished" / "parts"
    process = start(flags(tmp_path / "a", "--workers", "1", **changes))
    while not (parts.exists() and os.listdir(parts)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()  # ends when the processes that draw have ended, too: they hold its pipes
    assert not (tmp_path / "a" / "dataset.json").exists()
    code, _, err = run(flags(tmp_path / "a", "--workers", "0", **changes))
    assert code == 0, err
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


# ----------------------------------------------------------------------------------------------- others read and run it


@pytest.mark.slow
def test_hugging_face_loads_the_folder_with_its_texts(run, flags, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    for kind, texts in (("csv", TEXTS), ("jsonl", TEXTS + "NA\n1984\n")):
        (tmp_path / "texts.txt").write_text(texts, encoding="utf-8")
        folder = tmp_path / kind
        assert run(flags(folder, "--strokes", "json", "--workers", "0", count=30))[0] == 0
        assert len(list(folder.rglob(f"metadata.{kind}"))) >= 2
        loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / f"cache_{kind}"))
        expected = {}
        for row in labels(folder):
            expected.setdefault(row["split"], []).append((row["text"], row["seed"]))
        assert set(loaded) == set(expected)
        for split, rows in expected.items():
            assert sorted(zip(loaded[split]["text"], map(str, loaded[split]["seed"]))) == sorted(rows)
            assert all(image.size[1] == 32 for image in loaded[split]["image"])


@pytest.mark.slow
def test_beam_writes_the_same_bytes(run, flags, tmp_path):
    pytest.importorskip("apache_beam")
    assert run(flags(tmp_path / "here", "--workers", "0", "--strokes", "json"))[0] == 0
    code, out, err = run(flags(tmp_path / "beam", "--strokes", "json", "--runner", "DirectRunner"))
    assert code == 0, err
    assert out.splitlines()[-1] == str(tmp_path / "beam")
    assert contents(tmp_path / "beam") == contents(tmp_path / "here")


def test_what_neither_the_suite_nor_beam_knows_is_refused(run, flags, tmp_path):
    pytest.importorskip("apache_beam")
    code, _, err = run(flags(tmp_path / "a", "--runner", "DirectRunner", "--hieght", "9"))
    assert code == 2 and "--hieght" in err and not (tmp_path / "a").exists()


def test_a_folder_that_is_no_disk_is_written_through_the_file_systems_of_beam(tmp_path):
    pytest.importorskip("apache_beam")
    from scribe.dataset import beam

    folder = beam.RemoteFolder(str(tmp_path / "a"))  # a disk is one of them
    assert folder.names() == [] and folder.read("x/y") is None
    folder.write("x/y", b"1")
    folder.write("x/z", b"2")
    with folder.writing("table") as file:
        file.write(b"3")
        file.write(b"4")
    assert folder.read("x/y") == b"1" and folder.read("table") == b"34" and folder.names("x") == ["y", "z"]
    assert list(folder.read_all(["x/y", "x/z"])) == [b"1", b"2"]
    folder.remove("x")
    assert folder.read("x/y") is None and (tmp_path / "a" / "table").exists()
    assert beam.open_folder(str(tmp_path)).path == str(tmp_path)


def test_without_beam_a_runner_is_one_clear_line(run, flags, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "scribe.dataset.beam", raising=False)
    monkeypatch.delattr(scribe.dataset, "beam", raising=False)
    code, out, err = run(flags(tmp_path / "a", "--runner", "DirectRunner"))
    assert code == 1 and not out and "pip install -r requirements-beam.txt" in err and len(err.splitlines()) == 1
    assert not (tmp_path / "a").exists()


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (["--count", "0"], "--count is 0"),
        (["--tries", "0"], "--tries is 0"),
        (["--seed", "-1"], "--seed is -1"),
        (["--biases", "1", "0.5"], "--biases are"),
        (["--biases", "0.5", "1", "2"], "--biases are"),
        (["--biases", "nan"], "--biases: nan is not a finite number"),
        (["--shares", "0", "0", "0"], "--shares are"),
        (["--styles", "all", "3"], "--styles is 'all 3'"),
        (["--styles", "-1"], "--styles is '-1'"),
        (["--height", "4"], "height is 4"),
        (["--ink", "0", "250"], "cannot be read"),
        (["--strokes", "svg"], "invalid choice"),
        (["--workers", "-1"], "--workers is -1"),
        (["--workers", "2", "--runner", "DirectRunner"], "--workers is for this machine"),
        (["--num_workers", "2"], "unrecognized arguments"),
        (["--output", "gs://bucket/lines"], "it needs a --runner"),
    ],
)
def test_contradictions_are_wrong_usage_and_write_nothing(run, flags, tmp_path, others, message):
    code, out, err = run(flags(tmp_path / "a", *others))
    assert code == 2 and not out and message in err.splitlines()[-1] and not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [(b"\xff\xfe\x00", 2, "not a text in UTF-8"), (b"", 2, "nothing of it can be written"),
     ("漢字\n".encode(), 2, "all is in Chinese letters"), (None, 1, "texts.txt")],
)  # fmt: skip
def test_texts_that_cannot_be_used_are_one_clear_line(run, flags, tmp_path, content, code, message):
    arguments = flags(tmp_path / "a")
    (tmp_path / "texts.txt").unlink()
    if content is not None:
        (tmp_path / "texts.txt").write_bytes(content)
    got, out, err = run(arguments)
    assert got == code and not out and message in err.splitlines()[-1] and "Traceback" not in err
    assert not (tmp_path / "a").exists()


def test_places_that_cannot_be_written_are_one_clear_line(run, flags, tmp_path):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "a"):
        code, out, err = run(flags(output))
        assert code in (1, 2) and not out and str(tmp_path / "file") in err.splitlines()[-1] and "Traceback" not in err
    code, _, err = run(flags(tmp_path))
    assert code == 2 and "holds other files" in err and not (tmp_path / ".unfinished").exists()


def test_checkpoints_and_styles_that_are_not_there_are_one_clear_line(run, flags, tmp_path):
    code, _, err = run([*flags(tmp_path / "a"), "--save_path", str(tmp_path / "none")])
    assert code == 1 and "neither a checkpoint" in err
    for style in ("all", "3"):
        code, _, err = run(flags(tmp_path / "a", "--styles", style, "--data_dir", str(tmp_path)))
        assert code == 1 and "styles.p" in err.splitlines()[-1]
    assert not (tmp_path / "a").exists()


def test_a_model_whose_lines_all_fail_is_told_and_leaves_no_data_set(run, flags, tmp_path):
    fast = save_tiny_model(tmp_path / "fast", 1.0)  # one point for several characters
    code, out, err = run(flags(tmp_path / "a", "--workers", "0", "--tries", "1", "--save_path", fast, count=4))
    assert code == 1 and not out and "only 0 of 4 lines came out whole" in err and "Traceback" not in err
    assert not (tmp_path / "a" / "dataset.json").exists()
