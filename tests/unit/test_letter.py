"""Letters: a job in one hand, or in many; what its flags mean, and which contradict each other."""

import argparse
import io
import sys
import types

import numpy as np
import pytest

from scribe.console import UsageError
from scribe.pages import flags as page_flags
from scribe.pages import letter
from scribe.pages.flags import asked_texts
from scribe.pages.job import Job, file_name, text_name
from scribe.pages.letter import Paragraph, as_style, line_paragraphs, text_paragraphs, write_paragraphs
from writing_helpers import write_text


class Writer:
    """Stands for the network: writes in the synthetic hand, and remembers what it was asked."""

    def __init__(self):
        self.calls = []

    def __call__(self, texts, biases, seeds, style):
        self.calls.append((list(texts), list(biases), list(seeds), style))
        lines = []
        for text in texts:
            strokes, index = write_text(text)
            lines.append(
                types.SimpleNamespace(text=text, strokes=strokes, phis=np.eye(len(text))[index], finished=True)
            )
        return lines


STYLE = (np.array([[0, 0, 0], [1, 1, 1]], np.float32), "ab")


@pytest.mark.smoke
def test_a_letter_is_in_the_hand_of_its_longest_early_line():
    write = Writer()
    texts = text_paragraphs("Dear Jon,\n\nyou know nothing at all.\n\nYours")
    paragraphs = write_paragraphs(texts, write, seed=7)
    assert [[s.text for s in paragraph] for paragraph in paragraphs] == [
        ["Dear Jon,"], [], ["you know nothing at all."], [], ["Yours"]
    ]  # fmt: skip
    (first, others) = write.calls
    assert first[0] == ["you know nothing at all."] and first[3] is None
    assert others[0] == ["Dear Jon,", "Yours"] and others[3][1] == "you know nothing at all."
    assert first[2] + others[2] == [(7, 1), (7, 0), (7, 2)]  # seeds do not depend on the order of writing


def test_a_hand_is_handed_on_as_offsets_that_draw_the_same_line():
    line = Writer()(["it was"], [1], [0], None)[0]
    offsets, text = as_style(line)
    assert text == "it was" and offsets[0, :2].tolist() == [0, 0]
    drawn = np.cumsum(offsets[:, :2], axis=0)
    assert drawn == pytest.approx(line.strokes[:, :2] - line.strokes[0, :2], abs=1e-4)
    assert np.array_equal(offsets[:, 2], line.strokes[:, 5])


def test_rows_of_a_style_are_primed_with_it_and_written_together():
    write = Writer()
    write_paragraphs(
        line_paragraphs(["one", "two", "six"], [0.5, 1, 2], [3, None, 3]), write, seed=1, styles={3: STYLE}
    )
    by_hand = {tuple(texts): (biases, style) for texts, biases, _, style in write.calls}
    assert by_hand == {("one", "six"): ([0.5, 2], STYLE), ("two",): ([1], None)}


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_segment_is_written_once_whatever_their_number(count):
    """Of two, the first was easily written twice: on its own, to set the hand, and with the others."""
    texts = [f"line {k} of some" for k in range(count)]
    write = Writer()
    paragraphs = write_paragraphs([Paragraph([text]) for text in texts], write, seed=1)
    assert sorted(text for call in write.calls for text in call[0]) == texts
    assert sorted(seed for call in write.calls for seed in call[2]) == [(1, k) for k in range(count)]
    assert [paragraph[0].text for paragraph in paragraphs] == texts
    assert [call[3] is None for call in write.calls] == [True, False][: len(write.calls)]


def test_a_long_letter_is_written_in_parts_of_one_hand(monkeypatch):
    """With the attention of all its points, a letter of 5,000 words took 2.8 GiB."""
    monkeypatch.setattr(letter, "SEGMENTS_AT_A_TIME", 3)
    texts = [f"line number {k}" for k in range(9)]
    write = Writer()
    paragraphs = write_paragraphs([Paragraph(texts)], write, seed=1)
    assert [len(call[0]) for call in write.calls] == [1, 3, 3, 2]
    assert [segment.text for segment in paragraphs[0]] == texts
    assert len({call[3][1] for call in write.calls[1:]}) == 1
    assert sorted(seed for call in write.calls for seed in call[2]) == [(1, k) for k in range(9)]


def test_a_single_segment_is_written_without_a_style():
    write = Writer()
    write_paragraphs([Paragraph(["one"])], write, seed=1)
    assert len(write.calls) == 1 and write.calls[0][3] is None


# ---------------------------------------------------------------------------------------------------------- flags


def parse(*flags):
    parser = argparse.ArgumentParser()
    for name in ("--text", "--file"):
        parser.add_argument(name)
    parser.add_argument("--lines", nargs="+")
    parser.add_argument("--style", type=int)
    parser.add_argument("--bias", type=float, default=1.0)
    parser.add_argument("--log_dir", default="logs")
    page_flags.add_flags(parser)
    args = parser.parse_args(list(flags))
    page_flags.check_flags(parser, args)
    return args


def test_text_alone_is_no_page():
    assert not parse("--text", "a").pages
    assert parse("--text", "a", "--format", "svg").pages and parse("--lines", "a").pages and parse("--file", "a").pages


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--lines", "a", "b", "--biases", "1"], "1 values for 2"),
        (["--lines", "a", "--biases", "-1"], "0 or more"),
        (["--text", "a", "--styles", "1"], "--styles is for --lines, with a value for each: take --style here"),
        (["--lines", "a", "b", "--inks", "red"], "1 values for 2"),
        (["--lines", "a", "--inks", "no colour"], "no colour"),
        (["--text", "a", "--margin", "1", "2"], "2 values"),
        (["--text", "a", "--page", "20x60", "--margin", "1", "--columns", "3"], "columns leave no room"),
        (["--lines", "a", "--styles", "1", "--style", "2"], "exclude"),
        (["--lines", "a", "--newlines", "keep"], "--newlines"),
        (["--text", "a", "--format", "bmp"], "bmp"),
        (["--text", "a", "--output", "-"], "one --format"),
        (["--text", "a", "--output", "-", "--format", "svg", "png"], "one --format"),
        (["--text", "a", "--page", "b5"], "b5"),
        (["--text", "a", "--fit"], "--fit needs a page with a size: name one with --page"),
        (["--text", "a", "--page", "a6", "--fit", "0"], "--fit is 0"),
        (["--file", "a", "--page", "a6", "--margin", "60"], "margins"),
        (["--text", "a", "--x_height", "0"], "x-height"),
        (["--text", "a", "--dpi", "-3"], "dpi"),
        (["--text", "a", "--repeat", "0"], "repeat"),
        (["--text", "a", "--paper", "no colour"], "no colour"),
    ],
)
def test_contradictions_are_wrong_usage_and_named(flags, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(*flags)
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_a_file_is_read_as_lines(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_bytes("\ufeffDear Jon,\r\n\r\nyou".encode())
    assert asked_texts(parse("--file", str(path))) == ["Dear Jon,", "", "you"]
    path.write_bytes("Zoë\r\nŁódź".encode("utf-16"))
    assert asked_texts(parse("--file", str(path))) == ["Zoë", "Łódź"]
    path.write_bytes("café".encode("latin-1"))
    with pytest.raises(UsageError, match="UTF-8"):
        asked_texts(parse("--file", str(path)))
    path.write_text("word " * 60_000)
    with pytest.raises(UsageError, match="200,000"):
        asked_texts(parse("--file", str(path)))
    path.write_text("")
    assert asked_texts(parse("--file", str(path))) == [""]


def test_standard_input_is_a_file_named_dash(monkeypatch):
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO("é\n".encode())))
    assert asked_texts(parse("--file", "-")) == ["é"]
    assert asked_texts(parse("--text", "b\nc")) == ["b", "c"] and asked_texts(parse()) is None


# ------------------------------------------------------------------------------------------------------------ jobs


def run(args, texts):
    return Job(args, texts).run(Writer(), 1, {}, "bias1_seed1")


def test_a_job_writes_every_format_into_the_folder(tmp_path):
    names = run(
        parse("--lines", "one", "two", "--format", "svg", "json", "--output", str(tmp_path / "new")), ["one", "two"]
    )
    name = text_name(["one", "two"])
    assert names == [str(tmp_path / "new" / f"{name}_bias1_seed1{end}") for end in (".svg", ".json")]
    assert (tmp_path / "new" / f"{name}_bias1_seed1.svg").read_text().lstrip().startswith("<?xml")


def test_a_file_name_tells_the_format(tmp_path):
    assert run(parse("--text", "one", "--output", str(tmp_path / "x.svg")), ["one"]) == [str(tmp_path / "x.svg")]
    with pytest.raises(UsageError, match="end in"):
        Job(parse("--text", "one", "--output", str(tmp_path / "x.bmp")), ["one"])
    with pytest.raises(UsageError, match="several"):
        Job(parse("--text", "a", "--format", "svg", "png", "--output", str(tmp_path / "x.svg")), ["a"])
    assert not (tmp_path / "x.bmp").exists()


@pytest.mark.parametrize(
    "name, format, refused",
    [
        ("x.pdf", "svg", True),
        ("x.PDF", "png", True),
        ("x.png", "pdf", True),
        ("x.animated.svg", "png", True),
        ("x.svg", "animated-svg", False),
        ("x.animated.svg", "svg", False),
        ("x.pdf", "pdf", False),
        ("x.ink", "inkml", False),
    ],
)
def test_a_file_is_not_named_as_one_of_another_format(name, format, refused, tmp_path):
    args = parse("--text", "one", "--format", format, "--output", str(tmp_path / name))
    if refused:
        with pytest.raises(UsageError, match=rf"{name} ends in \.\w+, but --format is {format}: ") as error:
            Job(args, ["one"])
        assert "\n" not in str(error.value)
    else:
        assert run(args, ["one"]) == [str(tmp_path / name)]


def test_a_stream_gets_the_bytes_and_no_name(monkeypatch):
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", types.SimpleNamespace(buffer=stream))
    assert run(parse("--text", "one", "--format", "svg", "--output", "-"), ["one"]) == []
    assert b"<svg" in stream.getvalue()


def test_what_an_output_folder_cannot_hold_is_told_before_anything_is_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        Job(parse("--text", "one", "--output", str(tmp_path / "file" / "folder")), ["one"])
    with pytest.raises(OSError, match="too long"):
        Job(parse("--text", "one", "--output", str(tmp_path / ("n" * 252 + ".png"))), ["one"])
    # Pages get names that are longer.
    with pytest.raises(OSError, match="too long"):
        Job(parse("--text", "one", "--page", "a4", "--output", str(tmp_path / ("n" * 250 + ".png"))), ["one"])
    Job(parse("--text", "one", "--page", "a4", "--output", str(tmp_path / ("n" * 250 + ".pdf"))), ["one"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]
    with pytest.raises(OSError, match="file is a file, not a folder"):
        Job(parse("--text", "one", "--output", str(tmp_path / "file" / "x.png")), ["one"])


def test_names_of_files_are_plain():
    assert file_name("Dear Jon, Äh!") == "dear_jon_h" and file_name("?!") == "line"


def test_texts_that_begin_alike_have_files_of_their_own():
    assert text_name(["Hello World"]) == "hello_world"
    names = {text_name(texts) for texts in (["Dear Jon"], ["Dear Jon,"], ["Dear Jon", "yes"], ["Dear Jon", "no"])}
    assert len(names) == 4 and all(name.startswith("dear_jon") for name in names)
