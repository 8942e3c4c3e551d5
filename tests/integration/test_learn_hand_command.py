"""python3 learn_hand.py FILE --name NAME: from recordings to a file of a hand, or one line that says why not."""

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

import ink_helpers as ink
import learn_hand
from ink_helpers import TEXT
from model_helpers import save_tiny_model
from scribe.hands.hand import load_hand
from scribe.learning import texts_that_fit
from scribe.writing import recogniser

ROOT = Path(__file__).resolve().parents[2]
OTHER = "and went home then"


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A tiny network that knows of hands."""
    return save_tiny_model(tmp_path_factory.mktemp("saved"), hand_size=4)


@pytest.fixture
def run(network, tmp_path, capsys, monkeypatch):
    """run(flags, reads=[...]) -> (exit code, lines on stdout, lines on stderr), in this process and in tmp_path.

    reads: what the recogniser reads in the lines, in order; None: it makes nothing of them, nor does the network.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(texts_that_fit, "text_gain", lambda line, model: 0.0)

    def run(*flags, reads=None):
        reader = SimpleNamespace(read=lambda lines: [*reads] if reads is not None else [""] * len(lines))
        monkeypatch.setattr(recogniser, "load_recogniser", lambda: reader)
        try:
            code = learn_hand.main(
                [*map(str, flags), "--save_path", network, "--data_dir", str(ROOT / "data"), "--steps", "1"]
            )
        except SystemExit as stopped:
            code = stopped.code
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run


@pytest.fixture
def recorded(tmp_path):
    return ink.write(tmp_path / "me.inkml", ink.inkml([ink.hand()], [TEXT]))


@pytest.fixture
def drawn(tmp_path):
    """Two drawings, which do not say what is written in them."""
    return [ink.write(tmp_path / f"{k}.svg", ink.svg(ink.hand(text))) for k, text in enumerate((TEXT, OTHER))]


@pytest.mark.parametrize("way", [(), ("--quick",)])
def test_a_hand_is_learned_from_a_line_whose_text_fits(run, recorded, tmp_path, way):
    code, names, said = run(recorded, "--name", "me", *way, reads=[TEXT])
    assert code == 0 and names == ["me.hand.npz"], said
    hand = load_hand(tmp_path / "me.hand.npz")
    assert hand.name == "me" and hand.line[1] == TEXT and bool(hand.differences) == (not way)


# ------------------------------------------------------------------------------------------------ texts that do not fit


@pytest.mark.parametrize("way", [(), ("--quick",)])
def test_a_text_that_does_not_show_in_the_strokes_makes_no_hand(run, recorded, tmp_path, way):
    """A hand was learned from it without a word, and wrote what nobody can read."""
    code, names, said = run(recorded, "--name", "me", *way)
    assert code == 2 and not names and not (tmp_path / "me.hand.npz").exists()
    assert len([line for line in said if line.startswith("Warning") and recorded in line and repr(TEXT) in line]) == 1
    assert len([line for line in said if line.startswith("Error")]) == 1
    assert all(what in said[-1] for what in ("Error", "--text", "--sort", "docs/STYLES.md"))


def test_a_line_whose_text_does_not_fit_is_left_out_and_named(run, drawn, tmp_path):
    flags = [*drawn, "--name", "me", "--quick", "--text", TEXT, OTHER]
    code, names, said = run(*flags, reads=["nothing of the kind", OTHER])
    assert code == 0 and names, said
    warned = [line for line in said if line.startswith("Warning")]
    assert len(warned) == 1 and "0.svg" in warned[0] and repr(TEXT) in warned[0]
    assert any("--sort" in line for line in said) and "from 1 line:" in "".join(said)
    assert load_hand(tmp_path / "me.hand.npz").line[1] == OTHER


def test_a_hand_that_the_recogniser_cannot_read_is_learned_where_the_network_knows_the_text(run, recorded, monkeypatch):
    monkeypatch.setattr(texts_that_fit, "text_gain", lambda line, model: 1.0)
    code, names, said = run(recorded, "--name", "me", "--quick")
    assert code == 0 and names and not any(line.startswith("Warning") for line in said)


# ---------------------------------------------------------------------------------------------- texts of the recordings


def test_each_recording_has_its_text_in_order(run, drawn):
    """The example of --help was refused."""
    code, names, said = run(*drawn, "--name", "me", "--quick", "--text", TEXT, OTHER, reads=[TEXT, OTHER])
    assert code == 0 and names and [line.strip() for line in said if line.startswith("    ")] == [TEXT, OTHER]


def test_texts_can_be_told_one_by_one_and_an_empty_one_leaves_it_to_the_recording(run, drawn, recorded):
    flags = [drawn[1], recorded, "--name", "me", "--quick", "--text", OTHER, "--text", ""]
    code, names, said = run(*flags, reads=[OTHER, TEXT])
    assert code == 0 and names and [line.strip() for line in said if line.startswith("    ")] == [OTHER, TEXT]


def test_the_examples_of_the_help_are_understood():
    examples = [line.split("#")[0] for line in learn_hand.__doc__.splitlines() if "learn_hand.py" in line]
    assert len(examples) >= 3
    for example in examples:
        learn_hand.parse_args(shlex.split(example)[2:])


def test_the_help_and_the_docs_say_how_many_lines_are_taken():
    assert f"From one line to {learn_hand.MAX_LINES} of them" in " ".join(learn_hand.__doc__.split())
    docs = (ROOT / "docs" / "HANDS.md").read_text(encoding="utf-8")
    assert f"from one line to {learn_hand.MAX_LINES}" in " ".join(docs.split())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["a.svg", "b.svg", "--text", "one text alone"], "1 text for 2 recordings"),
        (["a.svg", "--text", "a", "b"], "2 texts for 1 recording"),
        (["--text", "a", "a.svg"], "before --text"),
        ([], "FILE"),
    ],
)
def test_texts_that_do_not_match_the_recordings_are_wrong_usage(run, flags, message):
    code, names, said = run(*flags, "--name", "me")
    assert code == 2 and not names and len(said) == 1 and message in said[0]


# ---------------------------------------------------------------------------------------------------- names and files


@pytest.mark.parametrize("flag", ["--name", "--output"])
@pytest.mark.parametrize("name", ["5", " 5", "007", "me,you", "me:0.7", ":", "", " "])
def test_a_name_that_means_something_else_to_hand_is_refused(run, flag, name):
    """--name 5 wrote a file, and --hand 5 went on writing in the shipped hand of that number."""
    if flag == "--output" and not name.strip():
        name += "/,"  # an empty --output is none
    code, names, said = run("a.svg", *([] if flag == "--name" else ["--name", "me"]), flag, name)
    assert code == 2 and not names and len(said) == 1 and f"{flag} is" in said[0]


@pytest.mark.parametrize("name", ["me", "5a", "me-5", "Jörg B."])
def test_a_usual_name_is_taken(name):
    assert learn_hand.parse_args(["a.svg", "--name", name]).name == name


def test_a_number_in_a_folder_is_a_name(tmp_path):
    assert learn_hand.parse_args(["a.svg", "--name", "me", "--output", str(tmp_path / "5.hand.npz")])


def test_the_command_that_is_proposed_can_be_pasted_into_a_shell(run, recorded):
    code, names, said = run(recorded, "--name", "it's me", "--quick", reads=[TEXT])
    assert code == 0 and names == ["it's me.hand.npz"]
    (line,) = [line for line in said if line.startswith("Next: ")]
    assert shlex.split(line.removeprefix("Next: "))[-2:] == ["--hand", "it's me"]


def test_quick_does_not_replace_a_hand_that_was_practised_unless_told_so(run, recorded, tmp_path):
    flags = [recorded, "--name", "me"]
    assert run(*flags, reads=[TEXT])[0] == 0
    before = (tmp_path / "me.hand.npz").read_bytes()
    code, names, said = run(*flags, "--quick", reads=[TEXT])
    assert code == 2 and not names and len(said) == 1 and "me.hand.npz" in said[0] and "--overwrite" in said[0]
    assert (tmp_path / "me.hand.npz").read_bytes() == before
    assert run(*flags, reads=[TEXT])[0] == 0  # in the same way
    assert run(*flags, "--quick", "--overwrite", reads=[TEXT])[0] == 0
    assert not load_hand(tmp_path / "me.hand.npz").differences
    assert run(*flags, "--quick", reads=[TEXT])[0] == 0


def test_quick_replaces_what_is_no_hand_of_this_version(run, recorded, tmp_path):
    """Such a file says itself that the hand is to be learned again."""
    (tmp_path / "me.hand.npz").write_bytes(b"old")
    assert run(recorded, "--name", "me", "--quick", reads=[TEXT])[0] == 0
