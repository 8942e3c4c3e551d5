"""scripts/make_hands.py: the hands of people become a catalogue of nobody's hands, and a line in each to prime with."""

import os

import numpy as np
import pytest

from data_helpers import write_data
from scribe.files.stroke_file import STYLES_FILE, load_strokes
from scribe.hands.catalogue import HANDS_FILE, load_catalogue
from scribe.network.checkpoint import SHIPPED
from scripts import make_hands, train_hand_encoder
from writing_helpers import write_text

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("make_hands")]

TEXTS = ["dear jon a long day", "we went abroad then", "the quick letter is", "some years ago we"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Lines of ten forms, of other sizes, widths and slants, half of them joined; and the shipped network with hands.

    Its encoder has learned next to nothing, and the network does not mind what it says: it writes as it was shipped.
    """
    folder = tmp_path_factory.mktemp("people")
    strokes, texts, names = [], [], []
    for form in range(10):
        for number, text in enumerate(TEXTS):
            points, _ = write_text(text, 50 + 4 * form, slant=0.1 * (form - 5), joined=form % 2 == 1, seed=number)
            points[:, 0] *= 1 + 0.05 * form
            offsets = np.round(np.diff(points[:, :2], axis=0, prepend=points[:1, :2]))
            strokes.append(np.column_stack([offsets, points[:, 5]]).astype(np.int16))
            texts.append(text)
            names.append(f"f{form}-{number:02d}")
    write_data(folder, strokes=strokes, texts=texts, names=names)
    shipped = os.path.join(make_hands.ROOT, SHIPPED)
    flags = ["--data_dir", folder, "--init_from", shipped, "--output", folder / "start", "--hand_size", 4, "--steps", 2]
    assert train_hand_encoder.main([str(flag) for flag in flags]) == 0
    return folder


def run(folder, *flags):
    paths = ["--data_dir", folder, "--save_path", folder / "start", "--output", folder / "made"]
    return make_hands.main([str(flag) for flag in [*paths, *flags]])


def test_hands_directions_and_styles_are_made(folder, capsys):
    assert run(folder, "--candidates", 8, "--count", 2, "--most_misread", 0.5, "--bias", 2) == 0
    assert "10 hands of people were read" in capsys.readouterr().err
    catalogue = load_catalogue(folder / "made" / HANDS_FILE)
    assert len(catalogue.hands) == 2 and {hand.size for hand in catalogue.hands} == {4}
    assert list(catalogue.directions) == ["slant", "joined", "size", "width"]
    assert all(np.abs(direction.vector).max() > 0 for direction in catalogue.directions.values())
    strokes, texts = load_strokes(folder / "made" / STYLES_FILE)
    assert len(strokes) == 2 and set(texts) <= set(make_hands.STYLE_TEXTS)
    assert all(line.dtype == np.int16 and 100 < len(line) < make_hands.MAX_POINTS for line in strokes)


def test_too_few_legible_candidates_are_one_clear_error_and_nothing_is_written(folder, capsys):
    (folder / "made").mkdir(exist_ok=True)
    before = sorted(path.name for path in (folder / "made").iterdir())
    assert run(folder, "--candidates", 2, "--count", 3) == 2
    assert "take more --candidates" in capsys.readouterr().err
    assert sorted(path.name for path in (folder / "made").iterdir()) == before
