"""Composed characters: what the network writes for them, and where their marks and signs go."""

import numpy as np
import pytest

from scribe.ink.composed import base_letter, compose_text, is_composed, recipe_of
from scribe.ink.composing import compose_ink
from scribe.ink.mark_places import Letter, place_mark
from scribe.ink.shapes import MARKS, SIGNS, draw
from scribe.ink.strokes import stroke_slices
from writing_helpers import write_text

LATIN = [chr(code) for code in range(0xA1, 0x180) if code != 0xAD]  # all of Latin-1 and Latin Extended-A
SIGNS_ASKED_FOR = "@€£$¥§©°<>={}|\\^_~±×÷«»„“”‘’–—…•½¼¾²³µ¿¡™→"


def composed(text, joined=False, slant=0.0, seed=0):
    """The ink of a text whose base the synthetic hand has written; x-heights of 1.5."""
    composition = compose_text(text)
    if not composition.base:
        return compose_ink(composition, np.zeros((0, 6)), np.zeros((0, 0)), np.random.default_rng(seed), unit=1.5)
    strokes, index = write_text(composition.base, joined=joined, slant=slant)
    return compose_ink(composition, strokes, np.eye(len(composition.base))[index], np.random.default_rng(seed))


@pytest.mark.smoke
def test_all_of_latin_1_and_latin_extended_a_and_the_usual_signs_are_composed():
    assert [c for c in [*LATIN, *SIGNS_ASKED_FOR] if not is_composed(c)] == []


def test_the_network_writes_base_letters_and_a_space_where_something_is_drawn():
    for text, base in (
        ("Zoë", "Zoe"), ("Łódź", "Lodz"), ("cœur", "coeur"), ("anna@example.org", "anna example.org"),
        ("5 €, please", "5 please"), ("2½ cups", "2 cups"), ("sister’s", "sister's"), ("“yes” – no", "yes no"),
        ("½", ""), ("x² + y²", "x y"), ("3 - 4", "3 - 4"), ("-", ""), ("- ?!", ""), ("€ -", ""), ("- a", "- a"),
        ("and/or", "and or"), ("[a] #3", "a 3"), ("/", ""),
    ):  # fmt: skip
        assert compose_text(text).base == base
    assert compose_text("plain, 1-2").is_plain and not compose_text("é").is_plain


@pytest.mark.parametrize("slant", [-0.5, 0.0, 0.5])
def test_a_slash_leans_forward_in_every_hand(slant):
    text = "on/of"
    ink = composed(text, slant=slant)
    slash = ink.points[ink.index == text.index("/")]
    top, bottom = slash[slash[:, 1].argmin()], slash[slash[:, 1].argmax()]
    assert top[0] - bottom[0] > 0.3 * (bottom[1] - top[1])


def test_places_lead_from_the_base_to_the_text():
    composition = compose_text("cœur à 5 €")
    for v, u in enumerate(composition.places):
        assert (
            composition.base[v] in (recipe_of(composition.text[u]) or recipe_of("€")).base
            or composition.text[u] in (composition.base[v])
        )
    assert base_letter("é") == "e" and base_letter("Ł") == "L" and base_letter("q") == "q"


def test_what_the_network_wrote_stays_as_it_is_but_for_the_dots_of_marked_letters():
    text = "naïve éclair"
    ink = composed(text)
    strokes, index = write_text("naive eclair")
    kept = ink.points[~ink.added][:, :2]
    assert kept == pytest.approx(strokes[sorted(ink.source[~ink.added]), :2])
    lost = np.setdiff1d(np.arange(len(strokes)), ink.source)
    assert len(lost) and set(index[lost]) == {2}  # the dot of the ï, not that of the i


@pytest.mark.parametrize("c", "éèêëẽēĕėěęçşąąőåůñčřģķŗ")
def test_a_mark_stands_over_or_under_its_own_letter(c):
    text = f"on{c}am"
    ink = composed(text, slant=0.3)
    mark, letter = ink.points[ink.added], ink.points[~ink.added & (ink.index == 2)]
    assert set(ink.index[ink.added]) == {2}
    upright = mark[:, 0] + 0.3 * mark[:, 1]
    body = letter[:, 0] + 0.3 * letter[:, 1]
    assert body.min() - 0.3 < upright.mean() < body.max() + 0.3
    if c in "ęçşąķŗ":
        assert mark[:, 1].mean() > 0.1  # y grows downwards
    else:
        assert mark[:, 1].max() < -1.5


def test_marks_are_written_after_the_word_in_a_hand_that_joins_its_letters_else_after_the_letter():
    apart, joined = composed("übung da"), composed("übung da", joined=True)
    first = int(np.flatnonzero(apart.added)[0])
    assert set(apart.index[:first]) == {0}
    assert joined.added.any() and not joined.added[joined.index == 1].any()
    assert len(stroke_slices(joined.points)) > 1


def test_a_mark_stands_above_a_letter_that_is_larger_than_the_others():
    """It stood within the loop of the letter, where a small letter of the line would have ended."""
    composition = compose_text("on é nnnnnn")
    strokes, index = write_text(composition.base)
    large = index == 3
    strokes[large, 1] *= 1.7
    ink = compose_ink(composition, strokes, np.eye(len(composition.base))[index], np.random.default_rng(0))
    assert ink.points[ink.added, 1].max() < strokes[large, 1].min()


def test_the_ring_of_a_degree_does_not_touch_its_letter():
    for text in ("5 °C", "7 °F", "20°"):
        ink = composed(text, slant=0.3)
        ring, letters = ink.points[ink.added, :2], ink.points[~ink.added, :2]
        assert np.sqrt(((ring[:, None] - letters[None]) ** 2).sum(axis=2)).min() > 0.25 * 1.5


@pytest.mark.parametrize("stretch", [0.75, 1.0, 1.3])
@pytest.mark.parametrize(
    ("c", "lowest", "highest"), [("Đ", 0.4, 0.6), ("Ŧ", 0.4, 0.6), ("Ł", 0.4, 0.6), ("ł", 0.4, 0.6), ("Ħ", 0.65, 0.9)]
)
def test_a_bar_crosses_a_letter_at_its_own_height_however_tall_that_is(c, lowest, highest, stretch):
    composition = compose_text(f"no{c}mane on")
    strokes, index = write_text(composition.base)
    strokes[index == 2, 1] *= stretch
    ink = compose_ink(composition, strokes, np.eye(len(composition.base))[index], np.random.default_rng(0))
    letter, bar = (ink.points[(ink.index == 2) & (ink.added == added), 1] for added in (False, True))
    assert lowest < bar.mean() / letter.min() < highest


@pytest.mark.parametrize("top", [1.7, 2.1, 2.7])
def test_the_bar_of_an_ascender_is_between_the_small_letters_and_its_upper_end(top):
    composition = compose_text("nođmane on")
    strokes, index = write_text(composition.base)
    tall = (index == 2) & (strokes[:, 1] < -1.5)  # an x-height is 1.5
    strokes[tall, 1] *= top / 2.1
    ink = compose_ink(composition, strokes, np.eye(len(composition.base))[index], np.random.default_rng(0))
    height = -ink.points[(ink.index == 2) & ink.added, 1].mean() / ink.metrics.x_height
    assert 1.2 < height < top - 0.15


def test_the_slash_of_a_wide_letter_ends_outside_it_though_its_neighbours_are_near():
    turn = np.linspace(0, 2 * np.pi, 40)
    ring = np.column_stack([0.75 * np.cos(turn), -0.5 + 0.5 * np.sin(turn)])
    beside = [np.column_stack([np.full(9, x), np.linspace(-1.1, 0.1, 9)]) for x in (-0.9, 0.9)]
    own = [np.ones(40, bool), np.zeros(9, bool), np.zeros(9, bool)]
    (slash,) = place_mark("slash", Letter("o", ring), [ring, *beside], own, np.random.default_rng(0), 1.0, {})
    assert slash[:, 1].min() < -1.0 and slash[:, 1].max() > 0.0


def test_marks_do_not_touch_an_ascender_beside_them():
    ink = composed("lélúlñl")
    mark, others = ink.points[ink.added, :2], ink.points[~ink.added, :2]
    assert np.sqrt(((mark[:, None] - others[None]) ** 2).sum(axis=2)).min() > 0.14 * 1.5


def test_signs_stand_between_the_words_in_the_order_of_the_text_and_touch_nothing():
    text = "me@home.org = 5 € ½"
    ink = composed(text)
    middles = [ink.points[ink.index == u, 0].mean() for u, c in enumerate(text) if c != " "]
    assert (np.diff(middles) > 0).all()
    right = -np.inf
    for u in (2, 12, 16, 18):  # the signs
        own = ink.points[ink.index == u, 0]
        before = ink.points[(ink.index < u) & (ink.index >= 0), 0]
        assert own.min() > before.max() > right
        right = before.max()


def test_a_text_of_signs_alone_is_drawn_without_the_network():
    ink = composed("€ ½")
    assert ink.added.all() and set(ink.index) == {0, 2} and np.isfinite(ink.points).all()


def test_a_merged_letter_is_narrower_than_its_two():
    apart, merged = composed("cael"), composed("cæl")
    assert np.ptp(merged.points[:, 0]) < np.ptp(apart.points[:, 0]) - 0.5
    assert set(merged.index) == {0, 1, 2}


def test_composing_repeats_itself_and_another_seed_draws_other_shapes():
    one, same, other = (composed("é €", seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.points, same.points) and not np.array_equal(one.points, other.points)


@pytest.mark.parametrize("name", [*SIGNS, *MARKS])
def test_every_shape_can_be_drawn_and_no_two_are_the_same(name):
    shape = {**SIGNS, **MARKS}[name]
    drawn = [np.concatenate(draw(shape, np.random.default_rng(seed))) for seed in (0, 1)]
    assert all(np.isfinite(points).all() and np.abs(points).max() < 3 for points in drawn)
    assert drawn[0].shape != drawn[1].shape or not np.array_equal(*drawn)
