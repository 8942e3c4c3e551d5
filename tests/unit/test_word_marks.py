"""Words beside their letters: where they are broken, what is underlined or crossed out."""

import pytest

from scribe.ink.segments import split_line, text_lines
from scribe.ink.word_marks import break_long_words, hyphenator, parse_markup, plain, read_words, width_of
from scribe.pages.letter import Breaking, text_paragraphs

pytestmark = pytest.mark.smoke


def pieces(text, room, hyphenate=None):
    """The pieces that a text is written in, and what stands before each."""
    words, joints, _ = read_words(break_long_words(text, room, hyphenate)[0])
    return list(zip(words.split(), joints, strict=True))


def test_an_address_breaks_after_its_signs():
    broken = pieces("at https://www.example.org/path/to/file?x=1&y=2 now", 22)
    assert "".join(word for word, _ in broken[1:-1]) == "https://www.example.org/path/to/file?x=1&y=2"
    assert len(broken) > 4 and all(word[-1] in "/.?=&-" or word == "2" for word, _ in broken[1:-2])
    assert [joint for _, joint in broken[2:-1]] == [""] * (len(broken) - 3)
    assert all(width_of(word) <= 22 for word, _ in broken)


def test_a_word_is_hyphenated_by_its_language_where_that_is_asked():
    text, forced = break_long_words("Donaudampfschifffahrtsgesellschaft", 20, hyphenator("de"))
    words, joints, _ = read_words(text)
    assert words.replace(" ", "") == "Donaudampfschifffahrtsgesellschaft" and set(joints[1:]) == {"-"} and not forced
    assert words.split()[0] in ("Do", "Donau", "Donaudampf")


def test_a_word_that_fits_nowhere_is_broken_and_named():
    text, forced = break_long_words("so pneumonoultramicroscopicsilicovolcanoconiosis is", 25)
    assert forced == ["pneumonoultramicroscopicsilicovolcanoconiosis"]
    assert plain(text).replace(" ", "") == "sopneumonoultramicroscopicsilicovolcanoconiosisis"


@pytest.mark.parametrize("before, after", [("", "."), ("", ","), ("(", ")."), ('"', '!"'), ("l'", "'s")])
@pytest.mark.parametrize("language", [None, "de"])
def test_a_long_word_gets_its_hyphens_whatever_stands_before_and_after_it(before, after, language):
    word = "Donaudampfschifffahrtsgesellschaftskapitaen"
    broken = pieces(f"{before}{word}{after}", 25, language and hyphenator(language))
    assert "".join(piece for piece, _ in broken) == f"{before}{word}{after}"
    assert len(broken) > 2 and {joint.strip("!") for _, joint in broken[1:]} == {"-"}
    assert all(sum(map(str.isalpha, piece)) > 1 for piece, _ in broken)


def test_a_break_that_nobody_asked_for_is_told_from_one_by_the_rules_of_a_language_or_after_a_sign():
    word = "Donaudampfschifffahrtsgesellschaftskapitaen"
    assert {joint for _, joint in pieces(word, 25)[1:]} == {"-!"}
    assert {joint for _, joint in pieces(word, 25, hyphenator("de"))[1:]} == {"-"}
    assert {joint for _, joint in pieces("https://www.example.org/path/to/file", 25)[1:]} == {""}


@pytest.mark.parametrize("code", ["1234567890" * 5, "AB12345678901234567890XYZ", "A1B2C3D4E5F6G7H8K9" * 3])
@pytest.mark.parametrize("language", [None, "de"])
def test_a_number_or_a_code_is_broken_without_a_hyphen_that_would_be_read_as_part_of_it(code, language):
    text, forced = break_long_words(code + ".", 25, language and hyphenator(language))
    words, joints, _ = read_words(text)
    assert words.replace(" ", "") == code + "." and set(joints[1:]) == {"!"} and forced == [code]


def test_words_that_fit_are_left_alone():
    assert break_long_words("a short line, mail@example.org", 60) == ("a short line, mail@example.org", [])


def test_pieces_are_written_in_segments_like_words():
    text, _ = break_long_words("x" * 90, 1000)
    assert all(len(plain(segment)) <= 40 for segment in split_line(text, 40))


def test_an_unknown_language_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="'xx': it is one of .*de.*en"):
        hyphenator("xx")


def test_markup_marks_words_and_leaves_names_alone():
    words, _, marks = read_words(parse_markup("a __very long__ day, ~~no~~ snake__case__name __init__"))
    assert words == "a very long day, no snake__case__name init"
    assert marks == ["", "underlined", "underlined", "", "crossed", "", "underlined"]


def test_indents_and_blank_lines_are_kept_where_that_is_asked():
    text = "\n  roses are red,\n    violets blue\n\n\n\tend\n"
    assert text_lines(text, "keep") == [("roses are red,", 2), ("violets blue", 4), ("", 0), ("", 0), ("end", 4)]
    assert text_lines(text) == [("roses are red,", 0), ("violets blue", 0), ("", 0), ("end", 0)]


def test_what_stands_far_to_the_right_stays_there_and_what_a_text_has_in_common_is_no_indent():
    letter = "\t\t\t12 Elm Road\n\t\t\tBath\n\nDear Jon,\n  thank you.\n\n" + " " * 20 + "Yours\n"
    kept = [("12 Elm Road", 12), ("Bath", 12), ("", 0), ("Dear Jon,", 0), ("thank you.", 0), ("", 0), ("Yours", 20)]
    assert text_lines(letter) == kept
    assert text_lines("".join(f"\t{line}\n" for line in letter.splitlines())) == kept
    assert {line.indent for line in text_lines(letter, "join")} == {0}


def test_lines_that_flow_on_have_no_indent_of_their_own():
    wrapped = "\tthe first line begins to the right, and those that\nfollow at the margin\n\nYours"
    joined = "the first line begins to the right, and those that follow at the margin"
    assert text_lines(wrapped) == [(joined, 4), ("", 0), ("Yours", 0)]


def test_a_block_to_the_right_has_room_for_its_longest_line():
    text = " " * 60 + "12 Elm Road, Widcombe\n" + " " * 60 + "Bath\n\nDear Jon,"
    room = 50.0
    address, town, _, greeting = text_paragraphs(text, breaking=Breaking(room))
    assert address.indent == town.indent > 5 and greeting.indent == 0
    assert address.indent + width_of(address.texts[0]) < room


@pytest.mark.parametrize(
    "before, after",
    [
        ("I write because the parcel that I ordered on", "3 May has not arrived, and nobody knows where it is"),
        ("ich schreibe, weil das Paket, bestellt am", "3. Mai, nicht da ist, und niemand weiss, wo es ist"),
        ("we came back home late and saw, in our garden,", "- it was dark - the dog, which stood as it does"),
    ],
)
def test_a_line_that_begins_with_a_number_or_a_dash_in_mid_sentence_flows_on(before, after):
    lines = text_lines(f"{before}\n{after}\n\nYours")
    assert lines[0].text == f"{before} {after}", lines


def test_numbers_and_signs_begin_an_item_after_the_end_of_a_sentence_or_among_others():
    full = "what we still have to buy before all of our guests come in the evening"
    for items in (["1. milk", "2. eggs"], ["1) milk", "2) eggs"], ["a) milk", "b) eggs"], ["- milk", "- eggs"]):
        assert [line.text for line in text_lines("\n".join([full, *items]))] == [full, *items]
    for end in ":.":
        assert [line.text for line in text_lines(f"{full}{end}\n3. milk")] == [f"{full}{end}", "3. milk"]
    assert len(text_lines(f"{full}\n3. milk\n7. eggs")) == 2


def test_a_list_keeps_its_items_and_narrow_wrapped_text_is_filled_again():
    items = "- one thing that is quite long, so long that it fills its line\n- two\n- three"
    assert [line.text[:5] for line in text_lines(items)] == ["- one", "- two", "- thr"]
    import textwrap

    words = " ".join(f"word{k}" for k in range(30))
    assert text_lines(textwrap.fill(words, 45))[0].text == words
    poem = "The woods are lovely,\ndark and deep,\nbut I have promises"
    assert len(text_lines(poem)) == 3
