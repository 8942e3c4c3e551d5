"""Cards: a page for each row of a table; distinct, repeatable, gone on with after a kill."""

import argparse
import types
from pathlib import Path

import numpy as np
import pytest

from scribe.console import UsageError
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


def run(folder, writer, *more, seed=7):
    batch = Batch(parse(folder, *more), list, lambda text: None)
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
