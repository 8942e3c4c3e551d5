"""scripts/make_corpus.py: the shipped model writes lines to train on, each in a hand of its own."""

import hashlib
import json

import pytest

from scribe.console import UsageError
from scribe.files.stroke_file import DATA_FILE, load_strokes
from scribe.ink.measure import measure_line
from scribe.ink.strokes import absolute_points
from scripts import make_corpus
from verify_data import ORIGIN_FILE

pytestmark = pytest.mark.slow

TEXTS = ["some years ago", "we went abroad", "the quick letter", "nobody knows", "a warm garden", "dear old Jon"]


def run(folder, count, seed=0, texts=TEXTS):
    (folder / "texts.txt").write_text("\n".join(texts))
    flags = ["--texts", folder / "texts.txt", "--output", folder / DATA_FILE, "--count", count, "--seed", seed]
    return make_corpus.main([str(flag) for flag in flags])


def test_lines_are_in_the_order_of_their_texts_and_their_hands_differ(tmp_path, capsys):
    assert run(tmp_path, 4) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / DATA_FILE)
    strokes, texts = load_strokes(tmp_path / DATA_FILE)
    assert len(strokes) == len(texts) == 4 and texts == [text for text in TEXTS if text in texts]
    lines = [measure_line(absolute_points(line), text) for line, text in zip(strokes, texts, strict=True)]
    assert len({round(line.x_height) for line in lines}) > 1 < len({round(line.slant, 2) for line in lines})


def test_the_origin_names_the_very_file_and_a_seed_repeats_it(tmp_path):
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        assert run(tmp_path / name, 3, seed) == 0
        digests.append(hashlib.sha256((tmp_path / name / DATA_FILE).read_bytes()).hexdigest())
        assert json.loads((tmp_path / name / ORIGIN_FILE).read_text())[DATA_FILE]["sha256"] == digests[-1]
    assert digests[0] == digests[1] != digests[2]


def test_lines_with_failures_cost_no_others(tmp_path, capsys):
    assert run(tmp_path, 100, texts=["a warm garden", "qzxj " * 8, "we went abroad"]) == 0
    assert "lines can be read" in capsys.readouterr().err
    assert {"a warm garden", "we went abroad"} & set(load_strokes(tmp_path / DATA_FILE)[1])


def test_lines_that_are_misread_too_much_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(make_corpus, "MOST_MISREAD", -1.0)  # more than that is misread of every line
    with pytest.raises(UsageError, match="nothing to keep"):
        run(tmp_path, 4)
