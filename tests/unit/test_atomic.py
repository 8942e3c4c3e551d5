"""scribe/files/atomic.py: what was there before stays whole until what replaces it is."""

import os

import pytest

from scribe.files.atomic import all_written_aside, save_json, written_aside


def write(path, content):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)


def test_a_file_is_replaced_when_it_is_whole(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with written_aside(str(tmp_path / "a.txt")) as aside:
        write(aside, "new")
        assert (tmp_path / "a.txt").read_text() == "old" and aside.endswith(".txt")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "new"}


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt), written_aside(str(tmp_path / "a.txt")) as aside:
        write(aside, "half")
        raise KeyboardInterrupt
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "old"}


def test_several_files_are_replaced_together_or_not_at_all(tmp_path):
    paths = [str(tmp_path / name) for name in ("a", "b")]
    with pytest.raises(OSError), all_written_aside(paths) as asides:
        write(asides[0], "half")
        raise OSError("full")
    assert not list(tmp_path.iterdir())
    with all_written_aside(paths) as asides:
        for aside in asides:
            write(aside, "whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_the_temporary_file_can_be_in_another_folder(tmp_path):
    (tmp_path / "asides").mkdir()
    with written_aside(str(tmp_path / "a"), str(tmp_path / "asides" / "x")) as aside:
        assert os.path.dirname(aside) == str(tmp_path / "asides")
        write(aside, "whole")
    assert (tmp_path / "a").read_text() == "whole" and not list((tmp_path / "asides").iterdir())


def test_json_is_readable_and_ends_with_a_newline(tmp_path):
    save_json(str(tmp_path / "a.json"), {"é": [1]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "é": [\n    1\n  ]\n}\n'
