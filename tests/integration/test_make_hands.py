"""scripts/make_hands.py: the hands of people become a catalogue of nobody's hands, and a line in each to prime with."""

import os

import numpy as np
import pytest

from data_helpers import write_data
from scribe.console import UsageError
from scribe.files.stroke_file import STYLES_FILE, load_strokes, save_strokes
from scribe.hands.catalogue import HANDS_FILE, Catalogue, load_catalogue, save_catalogue
from scribe.hands.hand import Hand
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
    assert len(strokes) == 2 and set(texts) <= set(make_hands.TRIAL_TEXTS)
    assert all(line.dtype == np.int16 and 100 < len(line) < make_hands.MAX_POINTS for line in strokes)


def test_too_few_legible_candidates_are_one_clear_error_and_nothing_is_written(folder, capsys):
    (folder / "made").mkdir(exist_ok=True)
    before = sorted(path.name for path in (folder / "made").iterdir())
    assert run(folder, "--candidates", 2, "--count", 3) == 2
    assert "take more --candidates" in capsys.readouterr().err
    assert sorted(path.name for path in (folder / "made").iterdir()) == before


def test_hands_that_the_catalogue_lacks_cannot_be_replaced(tmp_path, capsys):
    hands = [Hand(np.zeros(4, np.float32), {}, str(k)) for k in range(2)]
    save_catalogue(tmp_path / HANDS_FILE, Catalogue(hands, {"slant": hands[0]}))
    save_strokes(tmp_path / STYLES_FILE, [np.ones([3, 3], np.int16)] * 2, ["a", "b"])
    flags = ["--data_dir", str(tmp_path), "--output", str(tmp_path), "--replace", "1", "2:0"]
    assert make_hands.main(flags) == 2
    assert "has the hands 0 to 1" in capsys.readouterr().err


def test_the_farthest_hands_are_chosen_and_those_that_fail_further_trials_are_not():
    rng = np.random.default_rng(0)
    at = [0, 1, 10, 11, 20, 21]  # where the hands lie, in the first of two features
    looks = [np.column_stack([x + rng.normal(0, 0.5, 4), rng.normal(0, 0.5, 4)]) for x in at]
    assert set(make_hands.farthest(looks, 2, before=2)) in ({2, 4}, {2, 5}, {3, 4}, {3, 5})
    assert len(set(make_hands.farthest(looks, 6))) == 6

    def try_them(hands, texts, seed):  # hands 4 and 5 cannot be read
        return [make_hands.Tried(looks[hand], looks[hand], 0.2 * (hand > 3), False, None) for hand in hands]

    pool = list(enumerate(looks))[2:]
    assert set(make_hands.choose_hands(pool, looks[:2], 2, 0.1, try_them, 1)) == {2, 3}
    with pytest.raises(UsageError, match="more --candidates"):
        make_hands.choose_hands(pool, looks[:2], 3, 0.1, try_them, 1)
