"""scripts/train_by_choice.py: a network learns from what proofreading chose of its own lines."""

import os

import numpy as np
import pytest

from data_helpers import write_data
from model import load_model
from scribe.console import UsageError
from scribe.ink.strokes import raw_offsets
from scribe.network.checkpoint import load_config
from scribe.writing.lines import sample_batch
from scripts import train_by_choice

pytestmark = pytest.mark.slow

FORMS, LINES = 3, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Lines of three forms, which the shipped model wrote, and texts of which some words fail."""
    folder = tmp_path_factory.mktemp("people")
    texts = [f"some line {'abcd'[i % LINES]}" for i in range(FORMS * LINES)]
    lines = sample_batch(texts, load_model(), bias=1.0, seed=1)
    names = [f"f{i // LINES}-{i % LINES:02d}" for i in range(len(texts))]
    write_data(folder, strokes=[raw_offsets(line.strokes, 50) for line in lines], texts=texts, names=names)
    words = "quick exam fuzzy jazz wreck xylophone vexing zebra hazy Quebec".split()
    (folder / "texts.txt").write_text("\n".join(f"{a} {b} {c}" for a in words for b in words for c in ("x", "z")))
    return folder


def run(folder, output, *flags):
    paths = ["--data_dir", folder, "--texts", folder / "texts.txt", "--output", output]
    return train_by_choice.main([str(flag) for flag in [*paths, *flags]])


def test_the_weights_change_a_little_and_the_encoder_not_at_all(folder, tmp_path, capsys):
    assert run(folder, tmp_path, "--count", 160, "--steps", 3) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(tmp_path / "checkpoint")
    assert "pairs of tries" in out + err and "right" in out + err
    before, after = load_model(), load_model(str(tmp_path / "checkpoint"))
    assert load_config(str(tmp_path / "checkpoint")) == before.config
    changes = [np.abs(a.numpy() - b.numpy()).max() for a, b in zip(after.weights, before.weights, strict=True)]
    encoder = {id(v) for v in after.hand_encoder.weights}
    of_encoder = [change for change, v in zip(changes, after.weights) if id(v) in encoder]
    others = [change for change, v in zip(changes, after.weights) if id(v) not in encoder]
    assert max(of_encoder) == 0 < max(others) < 0.01


def test_too_few_pairs_are_refused(folder, tmp_path):
    with pytest.raises(UsageError, match="write more texts"):
        run(folder, tmp_path, "--count", 1, "--steps", 1)


def test_lines_without_names_are_refused(tmp_path):
    write_data(tmp_path, lines=6)
    with pytest.raises(UsageError, match="names"):
        train_by_choice.main(["--data_dir", str(tmp_path), "--output", os.path.join(tmp_path, "new")])
