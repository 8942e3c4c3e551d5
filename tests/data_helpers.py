"""Synthetic handwriting for tests: wavy lines with plausible numbers of points per character and pen lifts."""

import os
from types import SimpleNamespace

import numpy as np

from scribe.files.stroke_file import DATA_FILE, save_strokes

WORDS = "the quick brown fox jumps over a lazy dog while Zoe (aged 7) quips: is it 12 or 3? No, #5!".split()


def make_line(rng, characters=None, points_per_character=22):
    """One line: int16 (n, 3) raw offsets (first offset 0, 0; pen lift on the last point), and its text."""
    if characters is None:
        characters = int(rng.integers(12, 30))
    text = ""
    while len(text) < characters:
        text += str(rng.choice(WORDS)) + " "
    text = text[:characters].strip().ljust(characters, ".")
    n = max(2, round(characters * points_per_character * float(rng.uniform(0.8, 1.2))))
    phase = np.linspace(0, 2 * np.pi * characters, n) + rng.uniform(0, 6)
    x = np.linspace(0, 150 * characters, n) + 60 * np.cos(phase)
    y = 120 * np.sin(phase) + rng.normal(0, 3, n)
    points = np.zeros((n, 3), np.int16)
    points[1:, :2] = np.diff(np.round(np.stack([x, y], 1)), axis=0)
    points[:, 2] = rng.uniform(size=n) < 0.04
    points[-1, 2] = 1
    return points, text


def make_lines(lines=40, seed=0):
    rng = np.random.default_rng(seed)
    pairs = [make_line(rng) for _ in range(lines)]
    return [points for points, _ in pairs], [text for _, text in pairs]


def write_data(folder, lines=40, seed=0, strokes=None, texts=None, names=None):
    """Writes a data file of synthetic lines (or of those given) to `folder`; returns (strokes, texts)."""
    if strokes is None:
        strokes, texts = make_lines(lines, seed)
    os.makedirs(folder, exist_ok=True)
    save_strokes(os.path.join(folder, DATA_FILE), strokes, texts, names)
    return strokes, texts


def loader_args(folder, **changes):
    """What DataLoader asks of args; alphabet and the rest are its defaults."""
    values = {"data_dir": str(folder), "batch_size": 8, "tsteps": 1300, "data_scale": 50.0, "seed": 0, **changes}
    return SimpleNamespace(**values)
