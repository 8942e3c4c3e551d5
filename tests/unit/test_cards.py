"""Cards: a page for each row of a table; distinct, repeatable, gone on with after a kill."""

import argparse
import re
import types
from pathlib import Path

import numpy as np
import pytest

from scribe.console import UsageError
from scribe.hands.hand import Hand
from scribe.pages import flags as page_flags
from scribe.pages import formats
from scribe.pages.cards import GROUP, Batch, filled, read_cards
from writing_helpers import write_text

ROWS = ["name,place", *(f"Guest {k},Table {k % 3}" for k in range(12))]
TEMPLATE = "Dear {name},\n\nyou sit at {place}.\n"


class Writer:
    """Stands for the network: the synthetic hand in a size and slant that the seed decides; dies after some calls."""

    def __init__(self, calls=1000):
        self.calls, self.texts, self.styles = calls, [], []

    def __call__(self, texts, biases, seeds, style):
        if not self.calls:
            raise KeyboardInterrupt
        self.calls -= 1
        self.texts += texts
        self.styles.append(style)
        lines = []
        for text, seed in zip(texts, seeds, strict=True):
            rng = np.random.default_rng(seed)
            strokes, index = write_text(text, jitter=0.05, slant=rng.uniform(-0.2, 0.2), seed=seed)
            lines.append(types.SimpleNamespace(text=text, strokes=strokes, phis=np.eye(len(text))[index]))
        return lines


@pytest.fixture
def files(tmp_path):
    (tmp_path / "guests.csv").write_text("\n".join(ROWS), encoding="utf-8")
    (tmp_path / "letter.txt").write_text(TEMPLATE, encoding="utf-8")
    return tmp_path


def parse(folder, *more):
    parser = argparse.ArgumentParser()
    for name in ("--text", "--file", "--cards", "--template", "--log_dir"):
        parser.add_argument(name)
    parser.add_argument("--lines", nargs="+")
    parser.add_argument("--style", type=int)
    parser.add_argument("--bias", type=float, default=1.0)
    parser.add_argument("--overwrite", action="store_true")
    page_flags.add_flags(parser)
    where = ["--cards", str(folder / "guests.csv"), "--template", str(folder / "letter.txt")]
    args = parser.parse_args([*where, "--output", str(folder / "out"), "--format", "svg", *more])
    page_flags.check_flags(parser, args)
    return args


def run(folder, writer, *more, seed=7, fit=list, say=lambda text: None):
    batch = Batch(parse(folder, *more), fit, say)
    return batch.run(writer, batch.seed or seed, {}, "model")


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.svg"))}


def test_every_row_is_a_page_of_its_own_in_its_own_variation(files):
    names = run(files, Writer())
    assert len(set(names)) == 12 and Path(names[0]).name == "01_guest_0.svg"
    written = contents(files / "out")
    assert len(set(written.values())) == 12


def test_cards_are_in_one_hand_that_is_written_first(files):
    writer = Writer()
    run(files, writer)
    assert writer.styles[0] is None and all(style is writer.styles[1] for style in writer.styles[1:])


@pytest.mark.parametrize("other", [Hand(np.ones(4, np.float32), {}, "me"), (np.ones([2, 3]), "ab"), None])
def test_cards_in_a_hand_that_was_learned_again_are_no_longer_there(files, other):
    """Its file has the same name, and the flags are the same."""
    hand, args = Hand(np.zeros(4, np.float32), {}, "me"), ("--style", "3")
    Batch(parse(files, *args), list, lambda text: None).run(Writer(), 7, {3: hand}, "model")
    again = Batch(parse(files, *args), list, lambda text: None)
    again.run(Writer(), 7, {3: hand}, "model")
    assert not again.written
    with pytest.raises(UsageError, match="--overwrite"):
        Batch(parse(files, *args), list, lambda text: None).run(Writer(), 7, {3: other}, "model")


def test_a_job_tells_which_card_each_line_that_it_had_written_is_on(files):
    batch, writer = Batch(parse(files), list, lambda text: None), Writer()
    batch.run(writer, 7, {}, "model")
    assert batch.written[0] == 0 and len(batch.written) == len(writer.texts)
    guests = [(card, text) for card, text in zip(batch.written, writer.texts, strict=True) if "Guest" in text and card]
    assert guests == [(k + 1, f"Dear Guest {k},") for k in range(12)]


def test_a_job_that_was_killed_goes_on_and_ends_with_the_same_bytes(files, tmp_path):
    run(files, Writer())
    whole = contents(files / "out")
    (files / "out").rename(files / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(files, Writer(calls=2))
    assert 0 < len(contents(files / "out")) == GROUP < 12
    writer = Writer()
    assert len(run(files, writer, seed=8)) == 12  # the seed is that of the cards which are there
    assert contents(files / "out") == whole and "Dear Guest 0," not in writer.texts[1:]


@pytest.mark.parametrize("kept", [1, GROUP + 1])
def test_a_job_that_was_killed_between_two_files_of_a_group_goes_on(files, monkeypatch, kept):
    """What a killed job had written but not yet recorded was taken for the work of another text."""
    run(files, Writer())
    whole = contents(files / "out")
    (files / "out").rename(files / "whole")
    written = []

    def write(pages, target, *rest):
        if len(written) == kept:
            Path(f"{target}".replace(".svg", ".tmp-12345.svg")).write_text("<svg")  # what a kill leaves behind
            raise KeyboardInterrupt
        written.append(target)
        return save(pages, target, *rest)

    save = formats.write
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(formats, "write", write)
        run(files, Writer())
    assert len(written) == kept
    assert len(run(files, Writer(), seed=8)) == 12
    assert contents(files / "out") == whole


@pytest.mark.parametrize(
    "record",
    ["", "[]", "{", '{"files": []}', '{"whole": {}}', '{"seed": "a"}', '{"begun": 1}', "[" * 100_000],
    ids=lambda record: record[:9],
)
def test_a_record_that_is_none_is_refused_in_one_line(files, record):
    (files / "out").mkdir()
    (files / "out" / "cards.json").write_text(record)
    with pytest.raises(UsageError, match="cards.json is not what --cards wrote"):
        run(files, Writer())


def test_what_a_killed_job_left_is_replaced_by_no_other_text(files, monkeypatch):
    def write(pages, target, *rest):
        if "03_" in str(target):
            raise KeyboardInterrupt
        return save(pages, target, *rest)

    save = formats.write
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(formats, "write", write)
        run(files, Writer())
    before = contents(files / "out")
    (files / "letter.txt").write_text("Dear {name}, never mind.", encoding="utf-8")
    with pytest.raises(UsageError, match="01_guest_0.svg is there, from another text"):
        run(files, Writer())
    assert contents(files / "out") == before


def test_a_card_that_lost_one_of_its_files_is_written_again(files):
    run(files, Writer(), "--format", "svg", "json")
    before = contents(files / "out")
    (files / "out" / "02_guest_1.json").unlink()
    run(files, Writer(), "--format", "svg", "json")
    assert contents(files / "out") == before and (files / "out" / "02_guest_1.json").exists()


def test_a_finished_job_writes_nothing_again(files):
    names = run(files, Writer())
    writer = Writer()
    assert run(files, writer) == names and not writer.texts


def test_what_another_text_made_is_not_replaced_unless_asked(files):
    run(files, Writer())
    before = contents(files / "out")
    (files / "letter.txt").write_text("Dear {name}, never mind.", encoding="utf-8")
    with pytest.raises(UsageError, match="01_guest_0.svg is there, from another text .*--overwrite"):
        run(files, Writer())
    assert contents(files / "out") == before
    run(files, Writer(), "--overwrite")
    assert not set(contents(files / "out").values()) & set(before.values())


def pages_of(pdf):
    return len(re.findall(rb"/Type /Page\b", Path(pdf).read_bytes()))


def test_all_cards_are_one_pdf_where_the_output_is_one_and_a_killed_job_goes_on(files):
    flags = ["--format", "pdf", "--output", str(files / "cards.pdf")]
    with pytest.raises(KeyboardInterrupt):
        run(files, Writer(calls=2), *flags)
    assert not (files / "cards.pdf").exists() and len(list((files / "cards").glob("*.json"))) == GROUP + 1
    writer = Writer()
    assert run(files, writer, *flags, seed=8) == [str(files / "cards.pdf")]
    assert pages_of(files / "cards.pdf") == 12 and "Dear Guest 0," not in writer.texts[1:]
    whole = (files / "cards.pdf").read_bytes()
    writer = Writer()
    run(files, writer, *flags)
    assert (files / "cards.pdf").read_bytes() == whole and not writer.texts  # a finished job writes nothing again
    run(files, Writer(), "--format", "pdf", "--output", str(files / "other.pdf"))
    assert (files / "other.pdf").read_bytes() == whole  # nor does it matter where it was killed


def test_a_pdf_of_another_text_is_not_replaced_unless_asked(files):
    flags = ["--format", "pdf", "--output", str(files / "cards.pdf")]
    (files / "cards.pdf").write_bytes(b"mine")
    with pytest.raises(UsageError, match="cards.pdf is there, from another text .*--overwrite"):
        run(files, Writer(), *flags)
    assert (files / "cards.pdf").read_bytes() == b"mine"
    run(files, Writer(), *flags, "--overwrite")
    (files / "guests.csv").write_text("name,place\nMia,Table 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="cards.pdf is there, from another text .*--overwrite"):
        run(files, Writer(), *flags)
    assert pages_of(files / "cards.pdf") == 12


@pytest.mark.parametrize(
    "name, formats, what",
    [
        ("cards.png", ["png"], "is one file, but cards are many: name a folder, or a file that ends in .pdf"),
        ("cards.svg", ["pdf"], "is one file, but cards are many"),
        ("cards.pdf", ["pdf", "svg"], "is one pdf: leave out --format, or name a folder"),
        ("cards.pdf", ["png"], "is one pdf: leave out --format, or name a folder"),
    ],
)
def test_a_file_that_cannot_hold_all_cards_is_refused_in_one_line(files, name, formats, what):
    with pytest.raises(UsageError, match=what) as error:
        run(files, Writer(), "--format", *formats, "--output", str(files / name))
    assert "\n" not in str(error.value) and not (files / name).exists() and not (files / "cards").exists()


def fit_latin(lines):
    """Stands for the alphabet: refuses what is no ASCII, leaves out "#"."""
    for line in lines:
        if not line.isascii():
            raise UsageError(f"the text has {line!r}, which cannot be written.")
    return [line.replace("#", "") for line in lines]


def test_a_row_that_cannot_be_written_is_named_and_the_other_cards_are_those_of_a_job_without_it(files):
    run(files, Writer())
    whole = contents(files / "out")
    rows = list(ROWS)
    rows[5], rows[8] = "\u738b,Table 1", "Guest 7,Table \u738b"
    (files / "guests.csv").write_text("\n".join(rows), encoding="utf-8")
    said, flags = [], ["--output", str(files / "mended")]
    batch = Batch(parse(files, *flags), fit_latin, said.append)
    names = batch.run(Writer(), 7, {}, "model")
    assert batch.left_out == [5, 8] and len(names) == 10
    assert said[0].startswith("Warning: card 5 is left out: the text has 'Dear \u738b,', which cannot")
    assert said[1].startswith("Warning: card 8 is left out: ") and "cards 5, 8 are not written" in said[-1]
    written = contents(files / "mended")
    assert {name: whole[name] for name in written} == written and len(written) == 10
    (files / "guests.csv").write_text("\n".join(ROWS), encoding="utf-8")
    assert len(run(files, Writer(), *flags, fit=fit_latin)) == 12  # the rows that were put right are added
    assert contents(files / "mended") == whole


def test_a_table_of_which_no_card_can_be_written_is_refused(files):
    (files / "guests.csv").write_text("name,place\n\u738b,x\n\u738b,y\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no card .* can be written; card 1: the text has"):
        Batch(parse(files), fit_latin, lambda text: None)
    (files / "letter.txt").write_text("#{name}", encoding="utf-8")
    (files / "guests.csv").write_text("name,place\n#,x\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no card .* can be written; card 1: nothing of it can be written"):
        Batch(parse(files), fit_latin, lambda text: None)


def test_an_empty_field_is_named_with_its_cards_and_they_are_written(files):
    rows = list(ROWS)
    rows[4] = ",Table 1"
    for k in (2, 3, *range(5, 12)):
        rows[k] = rows[k].split(",")[0] + ","
    (files / "guests.csv").write_text("\n".join(rows), encoding="utf-8")
    said = []
    assert len(run(files, Writer(), say=said.append)) == 12
    warnings = [text for text in said if "empty" in text]
    assert warnings == [
        "Warning: cards 2, 3, 5, 6, 7, 8, 9, 10 and 1 more: their field 'place' is empty.",
        "Warning: card 4: its field 'name' is empty.",
    ]


def test_cards_are_written_smaller_where_each_is_to_fit_on_a_page(files):
    (files / "letter.txt").write_text("Dear {name},\n\n" + "you sit at {place} with all of us. " * 3)
    (files / "guests.csv").write_text("\n".join(ROWS[:3]), encoding="utf-8")
    flags = ["--page", "70x60", "--margin", "5"]
    assert len(run(files, Writer(), *flags)) > 2
    assert len(run(files, Writer(), *flags, "--fit", "--output", str(files / "fitted"))) == 2


def test_a_row_may_name_its_style_and_its_text(tmp_path):
    path = tmp_path / "cards.csv"
    path.write_text("name;style;text\nZoë;3;Hello {x}\nJon;;Bye\n", encoding="utf-16")
    one, two = read_cards(str(path), None, style=5)
    assert (one.style, one.text, two.style, two.text) == (3, "Hello {x}", 5, "Bye")
    assert (one.name, two.name) == ("1_zoe", "2_jon")


@pytest.mark.parametrize(
    ("rows", "template", "what"),
    [
        ("name\n", "Dear {name}", "has no cards"),
        ("name,place\nJon\n", "Dear {name}", "card 1 has 1 fields, but the first row names 2"),
        ("name\nJon\n", "Dear {nmae}", "field 'nmae', but .* has name"),
        ("name\nJon\n", None, "no field 'text'"),
        ("name,text\nJon,\n", None, "card 1 has no text"),
        ("name,text,style\nJon,a,x\n", None, "card 1 has the style 'x'"),
        ("name\n" + "J" * 200_000, "Dear {name}", "cannot be read as a CSV, in line 2: field larger than"),
    ],
)
def test_tables_that_make_no_cards_are_refused_in_one_line(tmp_path, rows, template, what):
    path = tmp_path / "cards.csv"
    path.write_text(rows)
    with pytest.raises(UsageError, match=what) as error:
        read_cards(str(path), template)
    assert "\n" not in str(error.value)


def test_a_template_keeps_doubled_braces():
    assert filled("{{name}} {name}", {"name": "Jon"}, "x.csv") == "{name} Jon"
