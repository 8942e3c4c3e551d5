"""Words beside their letters: where they are broken, what is underlined or crossed out."""

import pytest

from scribe.ink.segments import split_line, text_lines
from scribe.ink.word_marks import break_long_words, hyphenator, parse_markup, plain, read_words, width_of

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


def test_a_number_is_broken_without_a_hyphen():
    assert {joint for _, joint in pieces("1234567890" * 5, 25)[1:]} == {""}


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


def test_a_list_keeps_its_items_and_narrow_wrapped_text_is_filled_again():
    items = "- one thing that is quite long, so long that it fills its line\n- two\n- three"
    assert [line.text[:5] for line in text_lines(items)] == ["- one", "- two", "- thr"]
    import textwrap

    words = " ".join(f"word{k}" for k in range(30))
    assert text_lines(textwrap.fill(words, 45))[0].text == words
    poem = "The woods are lovely,\ndark and deep,\nbut I have promises"
    assert len(text_lines(poem)) == 3
