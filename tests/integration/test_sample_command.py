"""python3 sample.py, as people call it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import sample
from model import load_model
from scribe.files.stroke_file import save_strokes
from scribe.network.checkpoint import save_model
from scribe.writing.failures import Failure
from utils import Logger

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(checkpoint, tmp_path, capsys):
    """run(flags) -> (exit code, lines on stdout, stderr), in this process."""

    def run(*flags):
        code = sample.main(["--save_path", checkpoint, "--log_dir", str(tmp_path), *flags])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return run


def test_a_run_that_nobody_named_is_told_and_how_to_get_the_shipped_model(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write = ["--text", "a", "--tsteps", "5", "--tries", "1"]
    save_model(str(tmp_path / "saved" / "checkpoint"), load_model(checkpoint))
    assert sample.main([*write]) == 0
    assert "--save_path saved/checkpoint" not in capsys.readouterr().err
    best = tmp_path / "saved" / "mine" / "best"
    save_model(str(best / "ckpt-1"), load_model(checkpoint))
    for state in (None, 'model_checkpoint_path: "ckpt-1"\n'):  # TensorFlow's list, which a copy may lack
        if state is not None:
            (best / "checkpoint").write_text(state)
        assert sample.main([*write]) == 0
        assert "the newest run; the shipped model: --save_path saved/checkpoint" in capsys.readouterr().err


@pytest.mark.smoke
def test_text_becomes_three_pictures_whose_names_are_printed(run):
    code, names, err = run("--text", "Hello World", "--seed", "1", "--bias", "0.5")
    assert code == 0
    assert [Path(name).name for name in names] == [
        f"hello_world_bias0.5_seed1{part}.png" for part in ("", "_attention", "_density")
    ]
    assert all(Path(name).read_bytes()[1:4] == b"PNG" for name in names)
    assert "bias 0.5, seed 1" in err


def test_without_text_the_five_test_strings_are_written(run):
    code, names, _ = run("--tsteps", "30")
    assert code == 0 and len(names) == 15


def test_the_seed_that_is_told_repeats_the_picture(run):
    _, names, err = run("--text", "abc", "--tsteps", "50")
    first = Path(names[0]).read_bytes()
    seed = err.split("seed ")[1].split(".")[0]
    Path(names[0]).unlink()
    _, again, _ = run("--text", "abc", "--tsteps", "50", "--seed", seed)
    assert again == names and Path(names[0]).read_bytes() == first


def attempts_in(message):
    return int(re.search(r"failures after (\d+) attempts", message)[1])


def test_an_unfinished_line_is_told(run):
    code, _, err = run("--text", "a long line of words", "--tsteps", "9", "--seed", "1")
    assert code == 0 and "not finished" in err and attempts_in(err) > 4


def test_tries_limits_how_often_a_failed_line_is_written(run):
    _, _, err = run("--text", "a long line of words", "--tsteps", "9", "--seed", "1", "--tries", "1")
    assert "not finished" in err and "attempts:" not in err
    _, _, err = run("--text", "a long line of words", "--tsteps", "9", "--seed", "1", "--tries", "2")
    assert 2 <= attempts_in(err) <= 4  # up to two of each word


def test_lines_that_a_later_try_mended_are_told_once(capsys):
    def told(*written, failures=()):
        lines = [SimpleNamespace(text=f"line {i}") for i in range(len(written))]
        found = [[Failure("skipped", 5, 6)] if i in failures else [] for i in range(len(written))]
        sample.report(lines, found, written, Logger())
        return capsys.readouterr().err.splitlines()

    assert told(1, 1) == []
    assert told(1, 3) == ["'line 1' is the best of 3 attempts."]
    assert told(1, 3, 2) == ["2 of 3 lines were written up to 3 times, and the best attempts kept."]
    assert told(1, *[2] * 6, 4) == ["7 of 8 lines were written up to 4 times, and the best attempts kept."]
    failed = told(5, 1, 2, failures=[0])
    assert failed[0] == "'line 2' is the best of 2 attempts."
    assert failed[1].startswith("Warning: 'line 0' has failures after 5 attempts: skipped") and "--seed" in failed[2]


def test_words_that_may_be_hard_to_read_are_named_together_at_the_end(capsys):
    texts = ["We saw Oslo", "and then", "it was gone"]
    misread = [[Failure("misread", 7, 8)], [], [Failure("misread", 3, 6), Failure("skipped", 7, 8)]]
    sample.report([SimpleNamespace(text=text) for text in texts], misread, [1, 1, 1], Logger())
    told = capsys.readouterr().err.splitlines()
    assert told[0] == 'Warning: \'it was gone\' has failures: skipped "g" in "gone".'
    assert told[1] == 'Warning: the "O" of "Oslo", "was" may be hard to read.' and len(told) == 3


def test_slips_of_the_shape_are_named_in_plain_words_at_the_end(capsys):
    texts = ["so wild", "he is here"]
    found = [[Failure("stray mark", 5, 6), Failure("misread", 3, 4, "n")], [Failure("merged", 2, 3)]]
    sample.report([SimpleNamespace(text=text) for text in texts], found, [1, 1], Logger())
    told = capsys.readouterr().err.splitlines()
    assert told[0] == 'Warning: a dot too many at the "l" of "wild", no gap between "he" and "is".'
    assert told[1] == 'Warning: the "w" of "wild" (as "n") may be hard to read.' and len(told) == 3


def test_warnings_of_cards_name_the_card_and_none_is_of_the_line_that_sets_the_hand(capsys):
    texts = ["in the hand", "we saw Oslo", "so wild", "in the hand"]
    found = [
        [Failure("stray mark", 3, 4)],
        [Failure("misread", 7, 8), Failure("skipped", 3, 4)],
        [Failure("stray mark", 5, 6)],
        [],
    ]
    lines = [SimpleNamespace(text=text) for text in texts]
    sample.report(lines, found, [1] * 4, Logger(), cards=[0, 12, 3, 3])
    assert capsys.readouterr().err.splitlines()[:-1] == [
        'Warning: card 3: a dot too many at the "l" of "wild".',
        'Warning: card 12: \'we saw Oslo\' has failures: skipped "s" in "saw".',
        'Warning: card 12: the "O" of "Oslo" may be hard to read.',
    ]
    sample.report(lines, found, [1] * 4, Logger(), cards=[0, 0, 0, 3])
    assert capsys.readouterr().err == ""


def test_samples_are_pictures_of_each_candidate_and_a_sheet_of_all(run):
    code, names, _ = run("--text", "a line", "--samples", "3", "--tsteps", "30", "--seed", "1")
    assert code == 0 and [name.rsplit("_", 1)[1] for name in names] == ["samples.png", "1.png", "2.png", "3.png"]
    assert len({Path(name).read_bytes() for name in names}) == 4


def test_samples_are_of_one_line(run):
    code, _, err = run("--text", "a line", "--samples", "2", "--page", "a6", "--paper", "white")
    assert code == 2 and "--samples" in err and "leave out --page, --paper" in err


def test_characters_that_cannot_be_composed_are_named(run):
    code, names, err = run("--text", "Café ≤ 🦄 “x” ∛8", "--tsteps", "9")
    assert code == 0 and len(names) == 3
    assert "'≤' as '<='" in err and "left out" in err and "'🦄'" in err and "'é'" not in err
    assert "may say something else now: '∛' is left out of '∛8'" in err


def test_newlines_of_a_text_are_newlines_and_files_of_texts_that_begin_alike_differ(run):
    _, one, _ = run("--text", "ab\ncd", "--tsteps", "20", "--seed", "1")
    _, other, _ = run("--text", "ab\ndc", "--tsteps", "20", "--seed", "1")
    assert len(one) == len(other) == 1 and one != other
    assert all(Path(name).exists() for name in one + other)


def test_styles_are_part_of_the_name_of_the_file(run):
    _, plain, err = run("--lines", "ab", "cd", "--tsteps", "20", "--seed", "1", "--biases", "1", "2")
    _, styled, _ = run("--lines", "ab", "cd", "--tsteps", "20", "--seed", "1", "--styles", "3", "-1")
    assert "_bias1-2_seed1" in plain[0] and "biases 1 2, seed 1" in err and "_styles3-none" in styled[0]


def test_what_is_wrong_with_the_flags_is_one_line(run, capsys):
    with pytest.raises(SystemExit) as stopped:
        run("--lines", "a", "--styles", "1", "2")
    assert stopped.value.code == 2 and len(capsys.readouterr().err.splitlines()) == 1


def test_cards_of_a_table_are_written_and_gone_on_with(run, tmp_path):
    (tmp_path / "guests.csv").write_text("name\nZoë\nJon\n", encoding="utf-8")
    (tmp_path / "card.txt").write_text("Dear {name},", encoding="utf-8")
    flags = ["--cards", str(tmp_path / "guests.csv"), "--template", str(tmp_path / "card.txt"), "--tsteps", "20"]
    flags += ["--tries", "1", "--format", "svg", "--output", str(tmp_path / "out")]
    code, names, err = run(*flags)
    assert code == 0 and [Path(name).name for name in names] == ["1_zoe.svg", "2_jon.svg"], err
    before = [Path(name).read_bytes() for name in names]
    Path(names[1]).unlink()
    code, again, err = run(*flags)
    assert code == 0 and again == names and "1 of 2 cards are there already" in err
    assert [Path(name).read_bytes() for name in names] == before


def test_greek_and_cyrillic_are_written_in_latin_letters_where_that_is_asked(run):
    code, names, err = run("--text", "Привет Γειά", "--tsteps", "9")
    assert code == 2 and not names and "Cyrillic" in err and "Greek" in err and "--transliterate" in err
    code, names, _ = run("--text", "Привет Γειά", "--tsteps", "9", "--transliterate", "--tries", "1")
    assert code == 0 and "privet_geia" in names[0]


def test_a_long_text_becomes_several_lines_in_one_picture(run):
    text = "it is a truth universally acknowledged that a single man wants a good pen"
    code, names, err = run("--text", text, "--tsteps", "40")
    assert code == 0 and len(names) == 1 and Path(names[0]).suffix == ".png"
    assert "becomes several lines" in err


def test_lines_and_files_become_pages(run, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear Jon,\n\nyou know.\n", encoding="utf-8")
    for flags in (["--lines", "Dear Jon,", "you", "--biases", "0.5", "1"], ["--file", str(tmp_path / "letter.txt")]):
        code, names, err = run(
            *flags, "--format", "svg", "pdf", "--seed", "1", "--tsteps", "40", "--output", str(tmp_path)
        )
        assert code == 0, err
        assert [Path(name).suffix for name in names] == [".svg", ".pdf"]
        assert all(Path(name).stat().st_size > 300 for name in names)


def test_pages_are_the_same_whoever_draws_them(run, tmp_path):
    (tmp_path / "letter.txt").write_text("one two three four\n\n" * 16, encoding="utf-8")
    flags = ("--file", str(tmp_path / "letter.txt"), "--page", "a6", "--landscape", "--format", "svg", "--seed", "1")
    contents = []
    for workers in ("0", "2"):
        code, names, _ = run(*flags, "--output", str(tmp_path / workers), "--workers", workers)
        assert code == 0 and len(names) >= 4
        contents.append([Path(name).read_bytes() for name in names])
    assert contents[0] == contents[1]
    with pytest.raises(SystemExit):
        run("--text", "a", "--workers", "-1")


def test_pages_repeat_with_their_seed(run, tmp_path):
    flags = ["--lines", "abc", "de", "--seed", "3", "--tsteps", "40", "--output"]
    assert run(*flags, str(tmp_path / "a.svg"))[0] == run(*flags, str(tmp_path / "b.svg"))[0] == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_text_of_another_script_or_kind_is_one_clear_line(run, tmp_path):
    (tmp_path / "letter.txt").write_bytes(b"\xff\xfe\x00")
    for text, told in (("\x00\x07", "can be written"), ("שלום", "Hebrew letters, which cannot be written")):
        code, names, err = run("--lines", text)
        assert code == 2 and not names and told in err and "Traceback" not in err
    code, names, err = run("--file", str(tmp_path / "letter.txt"))
    assert code == 2 and not names and "UTF-8" in err
    code, names, err = run("--file", str(tmp_path / "none.txt"))
    assert code == 1 and not names and "none.txt" in err


def test_an_empty_text_is_said_to_be_empty(run, tmp_path):
    (tmp_path / "letter.txt").write_text("\n\n  \n", encoding="utf-8")
    for flags, told in (
        (["--file", str(tmp_path / "letter.txt")], "letter.txt is empty"),
        (["--lines", "", " "], "empty"),
    ):
        code, names, err = run(*flags)
        assert code == 2 and not names and told in err and "the model knows" not in err


def test_nothing_writable_is_wrong_usage(run):
    code, names, err = run("--text", "🦄🦄")
    assert code == 2 and not names and "nothing of '🦄🦄' can be written" in err


@pytest.mark.parametrize(
    "flag, value, own",
    [("--rnn_size", "900", "8"), ("--kmixtures", "10", "1"), ("--alphabet", "€", "not trained with")],
)
def test_a_flag_that_contradicts_the_checkpoint_is_an_error_that_names_both(run, flag, value, own):
    code, names, err = run("--text", "abc", flag, value)
    assert code == 2 and not names
    assert value in err and own in err and "Traceback" not in err


def test_flags_that_agree_with_the_checkpoint_are_welcome(run):
    assert run("--text", "abc", "--rnn_size", "8", "--nmixtures", "2", "--tsteps", "9")[0] == 0


def test_a_missing_checkpoint_is_one_clear_line(tmp_path, capsys):
    assert sample.main(["--text", "abc", "--save_path", str(tmp_path / "nothing")]) == 1
    err = capsys.readouterr().err.strip()
    assert err.startswith("Error:") and "nothing" in err and "\n" not in err


def test_a_style_primes_the_line(run, tmp_path):
    strokes = np.array([[0, 0, 0], [60, 10, 0], [20, -30, 1]] * 5, np.int16)
    save_strokes(str(tmp_path / "styles.p"), [strokes], ["dead"])
    code, names, _ = run("--text", "abc", "--style", "0", "--data_dir", str(tmp_path), "--tsteps", "20", "--seed", "1")
    assert code == 0 and names[0].endswith("_seed1_style0.png")  # another name than in another style
    code, _, err = run("--text", "abc", "--style", "4", "--data_dir", str(tmp_path))
    assert code == 1 and "styles 0 to 0" in err


@pytest.mark.slow
def test_the_command_writes_with_the_shipped_checkpoint(tmp_path):
    """The README's own command, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "sample.py", "--text", "Hello World", "--save_path", "saved/checkpoint", "--seed", "1"]
        + ["--log_dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "COVERAGE_PROCESS_START": ""}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3 and "Traceback" not in done.stderr
    assert "not finished" not in done.stderr
