"""scripts/corpus_texts.py: texts to write lines of, cut out of books and put together."""

import numpy as np

from scripts import corpus_texts

BOOK = """Title: A Book
*** START OF THIS PROJECT GUTENBERG EBOOK A BOOK ***
And the _earth_ was -- as I said --
without form [Illustration: a globe] and void.
*** END OF THIS PROJECT GUTENBERG EBOOK A BOOK ***
License: all of this
"""


def test_the_words_of_a_book_are_without_its_licence_its_notes_and_its_marks():
    expected = "And the earth was as I said without form and void."
    assert " ".join(corpus_texts.words_of_book(BOOK)) == expected


def test_a_book_without_a_frame_is_taken_whole():
    assert corpus_texts.words_of_book("In the beginning\n") == ["In", "the", "beginning"]


def test_pieces_of_a_book_are_whole_words_and_no_longer_than_a_line():
    words, rng = [f"word{k}" for k in range(200)], np.random.default_rng(0)
    pieces = [corpus_texts.from_book(words, rng) for _ in range(50)]
    assert all(piece in " ".join(words) and len(piece) <= corpus_texts.LONGEST for piece in pieces)
    assert all(word in words for piece in pieces for word in piece.split())


def test_the_same_seed_gives_the_same_texts_each_of_which_fits_a_line(tmp_path):
    book = tmp_path / "book.txt"
    book.write_text(" ".join(f"{a}{b}" for a in "abcdefghij" for b in ("old", "ink", "rest", "and") * 5))
    found = []
    for name in ("one.txt", "two.txt"):
        assert corpus_texts.main([str(book), "--output", str(tmp_path / name), "--count", "60"]) == 0
        found.append((tmp_path / name).read_text(encoding="utf-8").splitlines())
    assert found[0] == found[1]
    assert len(set(found[0])) == 60
    assert all(map(corpus_texts.usable, found[0]))
