"""Commands find before their work that they cannot write what comes of it."""

import importlib

import pytest

# By command: what it does first of its work (of another module where that is imported late) and its flags; OUT is a
# folder that cannot be made.
WORK = {
    "augment_data": ("model.load_model", "--output OUT/lines.cpkl"),
    "evaluate": ("model.load_model", "--json OUT/figures.json"),
    "learn_hand": ("model.load_model", "recording.inkml --name me --output OUT/me.hand.npz"),
    "prepare_data": ("convert", "--source . --data_dir OUT"),
    "prepare_data, of a data file": ("load_named_strokes", "--source FILE --data_dir OUT"),
    "reproduce": ("Paper", "--figures 10 --output OUT"),
    "sample": ("model.load_model", "--text a --log_dir OUT"),
    "sample, pages": ("model.load_model", "--text a --output OUT/a.pdf"),
    "sample, without a text": ("model.load_model", "--unconditional --log_dir OUT"),
    "verify_data": ("verify", "--report OUT/report.md"),
}


@pytest.mark.parametrize("command", WORK)
def test_a_file_that_cannot_be_written_is_told_before_the_work(command, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("x")
    module = importlib.import_module(command.partition(",")[0])
    work, flags = WORK[command]

    def too_late(*args, **kwargs):
        raise AssertionError("the work has begun")

    *other, work = work.split(".")
    monkeypatch.setattr(importlib.import_module(other[0]) if other else module, work, too_late)
    flags = flags.replace("OUT", str(tmp_path / "file" / "out")).replace("FILE", str(tmp_path / "file")).split()
    assert module.main(flags) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: ") and said.count("\n") == 1
    assert f"{tmp_path}/file/out" in said and "cannot be written" in said
