"""scribe/files/atomic.py: what was there before stays whole until what replaces it is."""

import errno
import os

import numpy as np
import pytest

from disk_helpers import files_of_at_most
from scribe.dataset.folder import Folder
from scribe.files.atomic import (
    WriteError,
    all_written_aside,
    check_folder_writable,
    check_writable,
    save_json,
    write_errors,
    written_aside,
)
from scribe.files.stroke_file import save_strokes
from scribe.pages import formats
from scribe.pages.figures import draw_line
from scribe.pages.page import Page, PlacedLine


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


# ------------------------------------------------------------------------------------------------------ how it is done

LINE = np.array([[0, 0, 0], [5, 5, 1]], float)


def write_plain(path, content):
    with written_aside(path) as aside:
        write(aside, content)


def write_several(path, content):
    paths = [path + ".other", path]
    with all_written_aside(paths) as asides:
        for of, aside in zip(paths, asides):
            with write_errors(of, aside):
                write(aside, content)


WRITERS = {
    "written_aside": write_plain,
    "all_written_aside": write_several,
    "JSON": lambda path, content: save_json(path, [content]),
    "data set": lambda path, content: Folder(os.path.dirname(path)).write(os.path.basename(path), content.encode()),
    "data file": lambda path, content: save_strokes(path, [LINE], [content]),
    "page": lambda path, content: formats.write([Page(20, 20, [PlacedLine(LINE, content)])], path, "json"),
    "picture": lambda path, content: draw_line(np.insert(LINE, 2, [[0.1], [0.1], [0]], axis=1), path),
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_file_is_replaced_in_one_operation_and_never_written_to_itself(tmp_path, monkeypatch, writer):
    """A copy would do as well until the process dies in the middle of it. Each file that is opened to be written must
    be one that is not there yet, and what gets the name must be that very file."""
    path = str(tmp_path / "a.png")
    writer(path, "old")
    with open(path, "rb") as file:
        old, before = file.read(), os.fstat(file.fileno())
        replaced = {}
        replace = os.replace

        def remember(source, target):
            replaced[target] = os.stat(source).st_ino
            replace(source, target)

        monkeypatch.setattr(os, "replace", remember)
        writer(path, "new")
        assert os.fstat(file.fileno()).st_mtime_ns == before.st_mtime_ns  # the old file has not been touched
        file.seek(0)
        assert file.read() == old
    assert os.stat(path).st_ino == replaced[path] != before.st_ino


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_full_disk_is_one_error_that_names_the_file_and_keeps_the_old_one(tmp_path, writer):
    path = str(tmp_path / "a.png")
    writer(path, "old")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    with files_of_at_most(5), pytest.raises(WriteError) as error:
        writer(path, "new and far longer than it was")
    said = str(error.value)
    assert said.startswith(path) and "untouched" in said and "tmp-" not in said and "\n" not in said
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before
    assert not [p for p in tmp_path.rglob("*") if "aside" in p.name or "tmp-" in p.name]


def test_the_error_of_another_file_keeps_its_own_name(tmp_path):
    with pytest.raises(FileNotFoundError) as error, written_aside(str(tmp_path / "a")):
        open(tmp_path / "missing")
    assert error.value.filename == str(tmp_path / "missing")


def test_an_error_without_a_reason_is_told_in_its_own_words():
    with pytest.raises(WriteError, match="a cannot be written .the tape is torn.;"), write_errors("a"):
        raise OSError("the tape is torn")
    with pytest.raises(WriteError, match="^b cannot") as error, write_errors("a"), write_errors("b"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.errno == errno.ENOSPC


@pytest.mark.parametrize("name", ["n" * 250, "n" * 251 + ".png", "n" + "é" * 124, "n" * 246 + ".tmp-more"])
def test_a_name_as_long_as_the_disk_takes_it_can_be_written(tmp_path, name):
    """The temporary file had a longer name than the file itself."""
    check_writable(str(tmp_path / name))
    other = "o" + name[1:]
    with all_written_aside([str(tmp_path / name), str(tmp_path / other)]) as asides:
        assert len({*asides, name, other}) == 4
        for aside in asides:
            write(aside, os.path.basename(aside))
    assert {len((tmp_path / n).read_text()) > 4 for n in (name, other)} == {True}
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "name, kept",
    [
        ("letter.pdf", ("letter.tmp-", ".pdf")),
        ("n" * 251 + ".png", (".tmp-", ".png")),
        ("n" * 20 + "." + "e" * 98, ("n" * 20 + ".tmp-", "." + "e" * 98)),
        ("n" * 150 + "." + "e" * 99, (".tmp-",)),  # no extension that a writer would choose its format by
        ("n" * 150 + "." + "e" * 103, (".tmp-",)),
        ("n" * 150 + "." + "e" * 98, (".tmp-", "." + "e" * 98)),
    ],
)
def test_a_temporary_file_keeps_the_extension_and_fits(tmp_path, name, kept):
    with written_aside(str(tmp_path / name)) as aside:
        found = os.path.basename(aside)
        assert all(part in found for part in kept) and len(found) <= 255 and found != name
        assert found.endswith(kept[-1]) or len(kept) == 1
        assert "e" * 99 not in found
        write(aside, "x")
    assert os.listdir(tmp_path) == [name]


def test_a_temporary_name_is_another_one_only_where_it_would_be_too_long(tmp_path):
    longest = 255 - len(f".tmp-{os.getpid()}")
    for length, kept in ((longest, True), (longest + 1, False)):
        name = "n" * length
        with written_aside(str(tmp_path / name)) as aside:
            assert os.path.basename(aside).startswith(name) == kept and len(os.path.basename(aside)) <= 255
            write(aside, "x")


# -------------------------------------------------------------------------------------------- before a job that is long


def test_what_can_be_written_is_found_so_and_leaves_its_folder_alone(tmp_path):
    path = tmp_path / "new" / "er" / "a.pdf"
    check_writable(str(path))
    assert path.parent.is_dir() and not list(path.parent.iterdir())
    path.write_text("old")
    check_writable(str(path))
    check_folder_writable(str(path.parent))
    assert path.read_text() == "old" and os.listdir(path.parent) == ["a.pdf"]


def test_what_cannot_be_written_is_found_before_the_job(tmp_path):
    (tmp_path / "file").write_text("x")
    cases = {
        tmp_path / "file" / "a.pdf": "file is a file, not a folder",
        tmp_path / "file" / "b" / "a.pdf": "file is a file, not a folder",
        tmp_path: "[(]Is a directory[)]",
        tmp_path / ("n" * 256): "[(]File name too long[)]",
        tmp_path / ("n" * 300) / "a.pdf": f"[(]{tmp_path}/n{{300}}: File name too long[)]",
    }
    for path, reason in cases.items():
        with pytest.raises(WriteError, match=reason) as error:
            check_writable(str(path))
        assert error.value.filename == str(path)
    with files_of_at_most(100), pytest.raises(WriteError, match="too large"):
        check_writable(str(tmp_path / "a.pdf"))
    with pytest.raises(WriteError, match="^[^ ]*/file/b cannot be written .*file is a file"):
        check_folder_writable(str(tmp_path / "file" / "b"))
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_read_only_is_found_before_the_job(tmp_path):
    (tmp_path / "mine").mkdir(mode=0o555)
    with pytest.raises(WriteError, match="Permission denied"):
        check_writable(str(tmp_path / "mine" / "a.pdf"))
    with pytest.raises(WriteError, match="Permission denied"):
        check_folder_writable(str(tmp_path / "mine" / "new"))
