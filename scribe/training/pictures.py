"""Pictures for TensorBoard: what a network in training writes, where its attention was, and the density it drew from.

from scribe.training.pictures import pictures_of
curves.show(run.batches, lambda: pictures_of(model))
"""

import os
import tempfile
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scribe.ink.alphabet import fit_to_alphabet
from scribe.writing.lines import sample_batch
from scribe.writing.prediction import predict_lines

TEXTS = ("the quick brown fox", "Hello World", "You know nothing")  # the same in all validations of all runs
BIAS, SEED = 1.0, 1
POINTS_PER_CHARACTER = 30  # the line of a network that does not yet know where the text ends is cut there
PREDICTED_POINTS = 400
DPI = 80


def pictures_of(model) -> Iterator[tuple[str, NDArray[np.uint8], str]]:
    """Three lines, written with the weights as they are.

    Args:
        model: a HandwritingModel. What its alphabet lacks is left out of the texts; a prediction network writes lines
            without a text, and has no attention to show.

    Yields:
        name, picture [height, width, 3] and text: of each line, of its density and of its attention.
    """
    from scribe.pages.figures import draw_attention, draw_density, draw_line  # late: Matplotlib costs a second

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "picture.png")
        for number, (text, strokes, phis) in enumerate(_written_lines(model), 1):
            draw_line(strokes, path, dpi=DPI)
            yield f"written/{number}", _read(path), text
            draw_density(strokes, path, dpi=DPI)
            yield f"density/{number}", _read(path), text
            if phis is not None:
                draw_attention(phis, strokes, text, path, dpi=DPI)
                yield f"attention/{number}", _read(path), text


def _read(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _written_lines(model):
    """(text, strokes, phis) of each line."""
    if not model.alphabet:
        return [("", strokes, None) for strokes in predict_lines(model, len(TEXTS), PREDICTED_POINTS, seed=SEED)]
    texts = [fit_to_alphabet(text, model.alphabet)[0].strip() for text in TEXTS]
    texts = [text for text in texts if text]
    limit = POINTS_PER_CHARACTER * max(map(len, texts), default=0)
    lines = sample_batch(texts, model, bias=BIAS, seed=SEED, tsteps=limit)
    return [(line.text, line.strokes, line.phis) for line in lines]
