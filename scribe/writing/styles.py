"""Styles: lines of handwriting, with their texts, from which the network goes on in the same hand.

    from scribe.writing.styles import load_style
    strokes, text = load_style(3, "data", model.config.data_scale)
    line = sample_batch(["Dear Jon,"], model, style=(strokes, text))[0]

`load_style` reads those of a file, such as data/styles.p; scribe/writing/own_hand.py makes one of a recording.
"""

import os

import numpy as np

from scribe.files.stroke_file import STYLES_FILE, load_strokes
from scribe.ink.batch import make_batch
from scribe.writing.lines import Style

# `text_gain` of 300 real lines: 0.38 nats a point in half of them, and 0.1 in all but one; with the text of another
# line, 3 in 100 have more.
MIN_TEXT_GAIN = 0.1
SHUFFLED_TEXTS = 3  # texts in another order that a style's own is compared with


def load_style(number: int, data_dir: str, data_scale: float, flag: str = "--style") -> Style:
    """Style `number` of data_dir/styles.p, as `load_styles`.

    Args:
        flag: what the user asked for it with, for the error.

    Raises:
        ValueError: there is no such file or style.
    """
    path = os.path.join(data_dir, STYLES_FILE)
    if not os.path.exists(path):
        raise ValueError(f"{flag} {number} needs {path}, which does not exist.")
    styles = load_styles(data_dir, data_scale)
    if not 0 <= number < len(styles):
        raise ValueError(f"{flag} is {number}, but {path} has the styles 0 to {len(styles) - 1}.")
    return styles[number]


def load_styles(data_dir: str, data_scale: float) -> list[Style]:
    """All styles of data_dir/styles.p as (strokes [n, 3] in units of data_scale, text).

    Offsets that the file holds as integers are raw; floats have been divided already, as in the TF1 scribe.
    """
    styles = []
    for strokes, text in zip(*load_strokes(os.path.join(data_dir, STYLES_FILE)), strict=True):
        points = strokes.astype(np.float32)
        if strokes.dtype.kind in "iu":
            points[:, :2] /= data_scale
        styles.append((points, text.strip()))
    return styles


def text_gain(style: Style, model) -> float:
    """How much better the network predicts the strokes of a style with its text than with the characters shuffled.

    Args:
        style: (strokes [n, 3], text); offsets in units of data_scale. model: a HandwritingModel.

    Returns:
        nats per point. Near 0, or below, if something else is written there; see MIN_TEXT_GAIN.
    """
    from scribe.writing.whole_lines import whole_lines  # late: it needs TensorFlow, whose import takes seconds

    strokes, text = style[0], style[1].strip()
    letters = [k for k, c in enumerate(text) if c != " "]
    texts = [text]
    for rng in map(np.random.default_rng, range(SHUFFLED_TEXTS)):
        shuffled = list(text)
        for k, other in zip(letters, rng.permutation(letters), strict=True):
            shuffled[k] = text[other]
        texts.append("".join(shuffled))

    batch = make_batch([strokes] * len(texts), texts, model.config.alphabet)
    arrays = batch.x, batch.y, batch.mask, batch.one_hot
    right, wrong = (whole_lines(model).loss(*(v[rows] for v in arrays)) for rows in (slice(0, 1), slice(1, None)))
    return float(wrong - right)
