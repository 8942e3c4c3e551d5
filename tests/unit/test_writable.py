"""Any text as one that can be written: substitutes that keep the meaning, and what is refused."""

import pytest

from scribe.console import UsageError
from scribe.ink.alphabet import fit_to_alphabet
from scribe.ink.composed import compose_text
from scribe.ink.writable import clean, fit_lines, fit_text, foreign_scripts, transliterate

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2½ cups at 20 °C, 10² m", "2½ cups at 20 °C, 10² m"),
        ("a ≠ b, ~5 km, ±3, 50¢", "a ≠ b, ~5 km, ±3, 50¢"),
        ("5 €, please", "5 €, please"),
        ("x ≤ y ⇒ z", "x <= y => z"),
        ("₹500, 500₹, please ₹", "INR 500, 500 INR, please INR"),
        ("№5", "No. 5"),
        ("20 ℃, 3 ㎏", "20 °C, 3 kg"),
        ("Ｈｅｌｌｏ　Ｗｏｒｌｄ ﬁne oﬃce ① Ⅳ", "Hello World fine office (1) IV"),
        ("zero\u200bwidth soft\xadhyphen a\xa0b \ufeffend", "zerowidth softhyphen a b end"),
        ("e\u0301te\u0301", "été"),
        ("a\x00b\x1b[31mc\td", "a bc d"),
        ("I ❤️ you 😀 👩‍👩‍👧!", "I ♥ you :-)!"),
        ("Dear Zoë 🦄, you 🦄 are (one 🦄)", "Dear Zoë, you are (one)"),
        ("5 μm, 3 Ω", "5 µm, 3 Ω"),
        ("١٢٣", "123"),
        ("− 5 ― 6", "− 5 — 6"),
    ],
)
def test_a_text_keeps_its_meaning(text, written):
    assert fit_text(text).text == written


@pytest.mark.parametrize("text", ["2½ ≤ ₹5 №", "I ❤️ you 😀", "Ștefan ǎ ɓ ①", "Łódź – “œuvre”…"])
def test_what_was_fitted_can_be_composed_and_is_fitted_once_and_for_all(text):
    fitted = fit_text(text).text
    assert compose_text(fitted).text == fitted and fit_text(fitted) == type(fit_text(""))(fitted)


def test_what_says_something_else_without_a_sign_is_told_apart_from_pictures():
    fitted = fit_text("∛8 = 2 🦄")
    assert fitted.text == "8 = 2" and fitted.dropped == ["∛", "🦄"]
    assert fitted.turned == ["'∛' is left out of '∛8'"]


def test_lines_keep_their_indents_and_what_changed_is_said_once_for_all():
    lines, remarks = fit_lines(["  a ≤ 🦄", "\tb ≤ ∛8", " "])
    assert lines == ["  a <=", "    b <= 8", ""]
    assert [remark.partition(":")[0] for remark in remarks] == [
        "written as the closest that exists",
        "left out, the model has not learned them",
        "this may say something else now",
    ]
    assert fit_lines(["plain"])[1] == []


def test_an_alphabet_without_a_letter_gets_the_other_case_or_nothing():
    assert fit_text("aBc", "ABC").text == "ABC"
    assert fit_text("né", "n").text == "n"


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("你好，世界", ["Chinese"]), ("السلام hello שלום 123", ["Arabic", "Hebrew"]), ("こんにちは", ["Japanese"]),
        ("Привет Γειά Hello", ["Cyrillic", "Greek"]), ("안녕", ["Korean"]), ("नमस्ते", ["Devanagari"]),
        ("plain Łódź 5 µm", []),
    ],
)  # fmt: skip
def test_letters_that_cannot_be_written_are_named_by_their_script(text, scripts):
    assert list(foreign_scripts(text)) == scripts


def test_greek_and_cyrillic_become_latin_where_that_is_asked_and_units_stay():
    assert transliterate("Привет Γειά Hello, 5 µm") == "Privet Geia Hello, 5 µm"
    assert not foreign_scripts(transliterate("Щука и Ωμέγα"))


@pytest.mark.parametrize("read", [fit_text, foreign_scripts, fit_to_alphabet])
@pytest.mark.parametrize("half", ["\ud83d", "\ude00", "\udcff", "\ud83d\ude00"])
def test_half_of_a_character_is_an_error_that_shows_where_it_is(read, half):
    with pytest.raises(UsageError, match="half of a character") as error:
        read("some words before it " + half + " and after it")
    assert ascii(half)[1:-1] in str(error.value) and "some words" not in str(error.value)
    assert str(error.value).isascii()


def test_a_character_that_has_no_meaning_is_left_out_and_named():
    assert fit_text("a\ue000b \U000e1234 c").dropped == ["\ue000", "\U000e1234"]


def test_cleaning_leaves_visible_text_alone():
    assert clean("a  b") == "a  b" and clean("a\nb") == "a b"
