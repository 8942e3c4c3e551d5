"""evaluate.py: its figures equal what they claim to be, and its command does what its help says."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

import evaluate
from data_helpers import loader_args, make_lines, write_data
from evaluate import calibration, load_texts, measure_likelihood, measure_sampling
from model import HandwritingModel, compute_loss
from scribe.ink.alphabet import ALPHABET
from scribe.ink.batch import make_batch
from scribe.learning import learn
from scribe.network.checkpoint import save_model
from scribe.writing import proofread
from scribe.writing.failures import MISREAD, Failure
from scribe.writing.lines import sample_batch
from scribe.writing.slips import Slip
from utils import DataLoader

# A recogniser that judges no line.
READS_ALL = SimpleNamespace(knows=lambda text: False, read=lambda lines: [""] * len(lines))


@pytest.fixture(autouse=True)
def no_slips(monkeypatch):
    """An untrained network writes nothing else."""
    monkeypatch.setattr(proofread, "find_slips", lambda lines, recogniser: [[] for _ in lines])


@pytest.fixture(scope="module")
def model():
    """Tiny, untrained; its window walks on, so that lines end."""
    model = HandwritingModel(SimpleNamespace(rnn_size=8, nmixtures=2, kmixtures=1, alphabet=ALPHABET))
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.2, variable.shape))
    model.attention_layer.bias.assign([0.0, 0.5, -1.0])
    return model


@pytest.fixture(scope="module")
def lines():
    strokes, texts = make_lines(5, seed=3)
    return [np.array(s, np.float32) * [0.02, 0.02, 1] for s in strokes], texts


@pytest.fixture(scope="module")
def measured(model, lines):
    return measure_likelihood(model, *lines, deviations=(0.5, 2.0), batch_size=2)


@pytest.mark.smoke
def test_nats_are_those_of_the_training_loss(model, lines, measured):
    batch = make_batch(*lines)
    out = model({"stroke_data": batch.x, "char_seq": batch.one_hot})
    assert measured["nats_per_point"] == pytest.approx(float(compute_loss(out, batch.y, batch.mask)), rel=1e-5)
    assert measured["points"] == batch.mask.sum() and measured["lines"] == 5
    assert measured["nats_per_line"] == pytest.approx(measured["nats_per_point"] * measured["points"] / 5)
    parts = measured["offset_nats_per_point"] + measured["pen_lift_nats_per_point"]
    assert parts == pytest.approx(measured["nats_per_point"])


def test_in_the_papers_units_a_density_is_that_of_the_normalised_offsets(model, lines, measured):
    """p(z) dz = p(x) dx with z = x / deviation, per point and axis."""
    change = -math.log(0.5) - math.log(2.0)
    assert measured["paper_nats_per_point"] == pytest.approx(measured["nats_per_point"] + change)
    wider = measure_likelihood(model, *lines, deviations=(5.0, 2.0))
    assert wider["paper_nats_per_point"] == pytest.approx(measured["nats_per_point"] - math.log(10.0), rel=1e-4)


def test_squared_error_is_that_of_the_mean_of_the_mixture(model, lines, measured):
    total = np.zeros(2)
    for points, text in zip(*lines):
        batch = make_batch([points], [text])
        out = {name: t.numpy() for name, t in model({"stroke_data": batch.x, "char_seq": batch.one_hot}).items()
               if name in ("pi", "mu1", "mu2")}  # fmt: skip
        mean = np.stack([(out["pi"] * out[mu]).sum(-1)[0] for mu in ("mu1", "mu2")], axis=-1)
        total += ((mean - batch.y[0, :, :2]) ** 2).sum(axis=0)
    x, y = total / measured["points"]
    assert measured["squared_error_per_point"] == pytest.approx(x + y, rel=1e-4)
    assert measured["paper_squared_error_per_point"] == pytest.approx(x / 0.25 + y / 4, rel=1e-4)


def test_calibration_is_exact_for_foretold_shares_and_sees_what_is_off():
    probability = np.repeat([0.05, 0.35, 1.0], 100)
    happened = np.concatenate([np.arange(100) < 5, np.arange(100) < 35, np.ones(100)])
    assert calibration(probability, happened)["error"] == pytest.approx(0, abs=1e-12)
    assert [count for count, _, _ in calibration(probability, happened)["bins"]] == [100, 100, 100]
    assert calibration(probability, 1 - happened)["error"] == pytest.approx((0.9 + 0.3 + 1.0) / 3)


def test_shares_of_failures_count_lines_over_all_seeds(model, monkeypatch):
    def two_failures_in_b(line):
        return [failure, failure] if line.text == "b" else []

    failure = SimpleNamespace(kind="skipped", describe=lambda text: "skipped")
    monkeypatch.setattr(evaluate, "find_failures", two_failures_in_b)
    result = measure_sampling(model, ["a", "b"], 1.0, [3, 4], READS_ALL)
    assert (result["lines"], result["whole"], result["skipped"], result["run-on"]) == (4, 0.5, 0.5, 0.0)
    assert [(text, seed) for text, seed, _ in result["failed"]] == [("b", 3), ("b", 4)]


def test_the_share_in_the_end_counts_what_no_try_mended(model, monkeypatch):
    failure = SimpleNamespace(kind="skipped", start=0, end=1, describe=lambda text: "skipped")
    monkeypatch.setattr(evaluate, "find_failures", lambda line: [] if line.text == "a" else [failure])
    monkeypatch.setattr(proofread, "find_failures", lambda line: [failure] if line.text == "c" else [])
    result = measure_sampling(model, ["a", "b", "c", "a"], 1.0, [3], READS_ALL, attempts=2)
    assert (result["whole"], result["whole_after_tries"], result["tries"]) == (0.5, 0.75, 2)


def test_lines_that_the_reader_never_reads_are_whole_but_not_read_in_the_end(model, monkeypatch):
    recogniser = SimpleNamespace(knows=lambda text: True, read=lambda lines: ["zzzzzz" for _ in lines])
    slip = Slip(Failure(MISREAD, 0, 1), 0.9, warned=True)
    monkeypatch.setattr(evaluate, "find_failures", lambda line: [])
    monkeypatch.setattr(proofread, "find_failures", lambda line: [])
    monkeypatch.setattr(proofread, "find_slips", lambda lines, _: [[slip] * (line.text == "abcdef") for line in lines])
    result = measure_sampling(model, ["zzzzzz", "abcdef"], 1.0, [3], recogniser, attempts=2)
    assert (result["whole_after_tries"], result["read_after_tries"]) == (1.0, 0.5)


def test_misread_characters_are_counted_on_first_tries_and_on_those_that_are_kept(model, monkeypatch):
    monkeypatch.setattr(proofread, "find_failures", lambda line: [])
    texts = ["abcdefghij"] * 2

    def key(strokes):  # lines that are written together with others differ in rounding
        return tuple(np.round(strokes[1:4, :2], 2).ravel())

    firsts = {key(line.strokes) for line in sample_batch(texts, model, bias=0.0, seed=3)}

    class Reads:
        """Reads first attempts as the text without its first three letters, the others as the text."""

        def knows(self, text):
            return True

        def read(self, lines):
            return ["defghij" if key(line) in firsts else "abcdefghij" for line in lines]

    slip = Slip(Failure(MISREAD, 0, 3), 0.9, warned=True)
    monkeypatch.setattr(
        proofread, "find_slips", lambda lines, _: [[slip] * (key(line.strokes) in firsts) for line in lines]
    )
    result = measure_sampling(model, texts, 0.0, [3], Reads(), attempts=2)
    assert (result["misread"], result["misread_after_tries"]) == (6 / 20, 0.0)
    assert result["read"] == [["abcdefghij", "defghij"]] * 2


def test_every_figure_of_the_table_stands_under_its_name():
    figures = {kind: 0.5 for kind in evaluate.KINDS}
    figures |= {"bias": 1.0, "lines": 200, "whole": 0.91, "tries": 5, "whole_after_tries": 0.99}
    figures |= {"read_after_tries": 0.97, "monotony": 0.9, "width": 1.5}
    figures |= {"misread": 0.04, "misread_after_tries": 0.02, "points_per_character": [21.0, 36.0], "failed": []}
    head, row = evaluate.sampling_table([figures]).splitlines()[1:3]
    for name, value in (
        ("whole@1", "91.0%"), ("whole@5", "99.0%"), ("legible@5", "97.0%"), ("misread@1", "4.0%"),
        ("misread@5", "2.0%"), ("points/char", "21.0"), ("width", "1.50"),
    ):  # fmt: skip
        end = head.index(name) + len(name)
        assert row[:end].endswith(" " + value), name


@pytest.fixture
def folder(model, tmp_path):
    save_model(str(tmp_path / "checkpoint"), model)
    write_data(tmp_path, lines=41)
    (tmp_path / "texts.txt").write_text("one\n\n  two  \n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    def run(*flags):
        code = evaluate.main(["--save_path", str(folder / "checkpoint"), "--data_dir", str(folder), *flags])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_the_command_prints_tables_and_writes_every_figure(run, folder):
    report_file = folder / "report.json"
    code, out, _ = run("--texts", str(folder / "texts.txt"), "--biases", "0", "2", "--json", str(report_file))
    assert code == 0 and "Likelihood of 3 lines" in out and "whole@1" in out and "legible@5" in out
    report = json.loads(report_file.read_text())
    assert report["likelihood"]["lines"] == 3 and report["config"]["rnn_size"] == 8
    assert [(r["bias"], r["lines"]) for r in report["sampling"]] == [(0.0, 2), (2.0, 2)]


@pytest.mark.parametrize("split, lines", [("validation", 3), ("train", 38), ("all", 41)])
def test_the_split_chooses_the_lines(run, folder, split, lines):
    loader = DataLoader(loader_args(folder))
    assert len(evaluate.lines_of(loader, split)[0]) == lines
    code, out, _ = run("--part", "likelihood", "--split", split)
    assert code == 0 and f"Likelihood of {lines} lines" in out and "Sampling" not in out


def test_a_part_needs_only_its_own_input(run, folder):
    (folder / "strokes_training_data.cpkl").unlink()
    assert run("--part", "sampling", "--texts", str(folder / "texts.txt"), "--biases", "1")[0] == 0
    code, _, err = run("--part", "likelihood")
    assert code == 1 and "Error:" in err and "strokes_training_data.cpkl" in err


@pytest.fixture(scope="module")
def model_of_hands(model):
    """The tiny network, and an encoder of hands that has learned nothing."""
    told = HandwritingModel(SimpleNamespace(**dataclasses.asdict(model.config) | {"hand_size": 4}))
    for name in ("lstm0_kernel", "lstm1_kernel", "lstm2_kernel", "attention_kernel", "attention_bias"):
        getattr(told.named_weights, name).assign(getattr(model.named_weights, name))
    return told


def named_lines(folder, forms=5, lines=8):
    names = [f"form{k}-{i:02d}" for k in range(forms) for i in range(lines)]
    write_data(folder, lines=len(names), names=names)


def test_hands_are_read_from_some_lines_and_compared_with_others(run, folder, model_of_hands, monkeypatch):
    save_model(str(folder / "checkpoint"), model_of_hands)
    named_lines(folder)
    read, real_quick_hand = [], learn.quick_hand
    monkeypatch.setattr(learn, "quick_hand", lambda lines, model: read.append(lines) or real_quick_hand(lines, model))
    monkeypatch.setattr(evaluate, "HANDS", 3)
    monkeypatch.setattr(evaluate.measure_hands, "__defaults__", (3, 1))
    report_file, texts = folder / "report.json", str(folder / "texts.txt")
    code, out, err = run("--part", "hands", "--biases", "0", "1", "--texts", texts, "--json", str(report_file))
    assert code == 0, err
    assert "own first" in out and "Likelihood" not in out and "Sampling" not in out
    found = json.loads(report_file.read_text())["hands"]
    assert [(r["bias"], r["hands"]) for r in found] == [(0.0, 3), (1.0, 3)]
    assert all(0 <= r["first"] <= r["among"] <= 1 and 0 <= r["auc"] <= 1 and r["spread"] > 0 for r in found)
    assert [len(lines) for lines in read] == [evaluate.LINES_READ] * 6


def test_hands_need_names_and_a_network_that_knows_of_them(run, folder, model_of_hands):
    code, _, err = run("--part", "hands")
    assert code == 2 and "hand_size is 0" in err
    save_model(str(folder / "checkpoint"), model_of_hands)
    code, _, err = run("--part", "hands")
    assert code == 2 and "does not name the forms" in err
    named_lines(folder, forms=20, lines=2)
    code, _, err = run("--part", "hands")
    assert code == 1 and "three forms or more" in err


def test_wrong_flags_are_wrong_usage(run):
    for flags in (["--biases", "-1"], ["--seeds", "-1"], ["--split", "test"]):
        with pytest.raises(SystemExit) as stopped:
            run(*flags)
        assert stopped.value.code == 2


def test_the_list_of_texts_is_varied_and_can_be_written_whole():
    texts = load_texts(evaluate.TEXTS_FILE)
    assert len(texts) == 200 and set("".join(texts)) <= set(ALPHABET)
    assert set("".join(texts)) >= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.,'\"()?!:;-#/")


def test_a_file_without_texts_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(ValueError, match="no text"):
        load_texts(tmp_path / "empty.txt")
    (tmp_path / "no_text").write_bytes(b"\x9b\xff")
    with pytest.raises(ValueError, match="no_text is not a text"):
        load_texts(tmp_path / "no_text")
