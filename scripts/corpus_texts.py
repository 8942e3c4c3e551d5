"""Makes data/corpus_texts.txt: what the lines of the shipped corpus say, one text a line.

    python3 scripts/corpus_texts.py holmes.txt worlds.txt nowhere.txt willows.txt music.txt

Four lines in five are cut out of prose whose authors have been dead for more than 70 years, so that many different
words come: of Project Gutenberg numbers 1661 (Doyle, The Adventures of Sherlock Holmes), 36 (Wells, The War of the
Worlds), 3261 (Morris, News from Nowhere), 289 (Grahame, The Wind in the Willows) and 17474 (Krehbiel, How to Listen to
Music), as plain text. Books have hardly any digits, capitals and signs, so the others are put together from words of
today: sentences, letters, names, addresses, dates, times, prices, headings.
"""

import argparse
import os
import re
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from scribe.ink.alphabet import ALPHABET  # noqa: E402

TEXTS_FILE = os.path.join(ROOT, "data", "corpus_texts.txt")
FROM_BOOKS = 0.8
SHORTEST, LONGEST = 6, 44  # characters of a line

WORDS = {
    "noun": "garden letter window kitchen journey question market picture village doctor engine bicycle jacket library "
    "quartz zebra box puzzle violin sandwich jungle oxygen lizard taxi museum yacht kitten quilt fox vase axe",
    "kind": "quiet lazy fuzzy small golden exact happy frozen dusty rapid strange exotic vivid huge jolly heavy wooden "
    "empty bright zealous quick juicy extra average unusual",
    "did": "found sold painted fixed carried opened forgot liked wanted missed bought kept packed drew examined quoted "
    "organized joined measured squeezed",
    "who": "I we they you he she nobody everybody",
    "first": "Quentin Xavier Zoe Victor Jack Kate Ursula Yvonne Olivia Walter Emily Frank Grace Henry Iris Laura Nora "
    "Oscar Paula Ruth Simon Thomas Una Vera Wanda Yusuf Zara Anna Brian Clara David Felix Max Roxy Martin",
    "last": "Quinn Xu Zhang Young King Vaughan Jones Novak Walker Evans Fisher Green Hughes Irwin Jackson Kelly Lopez "
    "Moore Nash Owens Parker Reed Stone Turner Underhill Vance White York Ziegler Becker Cox Dixon",
    "city": "Quebec Xanadu Zurich Vienna Kyoto Oslo Paris Quito Yukon Jersey Berlin Dublin Exeter Florence Geneva Rome "
    "Havana India Jamaica Kansas London Madrid Naples Oxford Prague Queens Sydney Texas Utah Venice Warsaw York",
    "month": "January February March April May June July August September October November December",
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "street": "Street Road Avenue Square Lane",
    "unit": "kg km cm pounds euros miles hours days weeks people pages boxes",
    "LOUD": "NOTICE EXIT QUIZ SALE FREE JAZZ OPEN CLOSED WARNING KEEP OUT ZONE BOX EXTRA QUICK PRIZE VOTE JUNE MAY NEW "
    "BUY TAXI ZOO MENU LUNCH FRAGILE URGENT PRIVATE TODAY ONLY PLEASE NO SMOKING THE END OF WORK PARK HOTEL KING WAY",
}
# {..} stands for a word of that kind, 9 for a digit, @ for a capital.
PATTERNS = (
    "The {kind} {noun} {did} a {noun}.|{who} {did} the {kind} {noun}|{who} {did} a {noun} and a {noun}|"
    "Did {first} like the {noun}?|Why has {first} {did} it?|My {noun} is {kind}, yours {kind}|Dear {first}, thank you|"
    "Dear Mr. {last},|Dear Mrs. {last},|Yours sincerely, {first}|See you on {day} at 9:99|Love from {first}|"
    'the {kind} {noun} of {city}|from {city} to {city} by {noun}|{first} {last} said: "No!"|"A {kind} {noun}," I said|'
    "it's {first}'s {noun}|{first} & {first}|{first} and {first} {last}|Stop! The {noun} is {kind}!|"
    "Who {did} the {noun}?|Is this your {kind} {noun}?|a {noun}; a {noun}; a {noun}|the {noun} (see page 99)|"
    "{noun} - {kind} or {kind}|{first} {last}|{first} @. {last}|@. @. {last}|Dr. {first} {last}|Mrs. @. {last}|"
    "{first} {last}, {city}|99 {last} {street}|9 {last} {street}, {city}|999 {last} {street}|{city}, 9 {month} 9999|"
    "9 {month} 9999|{month} 9, 9999|99/99/9999|99.99.99|{day}, 99 {month}|in 9999|from 9999 to 9999|the 9999s|at 99:99|"
    "9:99 pm|Room 999|No. 99|page 999|Chapter 99|Flight @@ 999|Platform 9|9 {noun}s, 9 {noun}s|99 {unit}|9.9 {unit}|"
    "about 9,999 {unit}|It costs 99.99|Total: 999.99|only 9.99|only 9 {unit} left|Tel. 999 9999|call 999 999 9999|99%|"
    "99% of the {noun}|9 + 9 is 99|9 x 99|#9: the {noun}|Plan @|Type @9|@@ 99 @@|@99 9@@|@@@|@@@@|@. @. @.|@ @ @|"
    "{LOUD}|{LOUD} {LOUD}|{LOUD} {LOUD}|{LOUD} {LOUD} {LOUD}|Please bring it by {day}|P.S. The {noun} is {kind}|"
    "to do: {noun}, {noun}, {noun}|9. the {kind} {noun}|(9) a {noun}|[9] {noun}|half of 99 is 99|"
    "Question 9: who {did} it?|In {month} we {did} the {noun}|On {day} we {did} it|Size @, 99 {unit}|"
    "the {noun} in {city}|Is it {kind} or {kind}?|* {noun}, {noun}|{noun}*|the {kind} {noun}*|* {who} {did} it|"
    "9 * 9 is 99|99 * 99|*** {LOUD} ***|*9: page 999"
).split("|")


def from_pattern(pattern, rng):
    """A pattern with words, digits and capitals drawn for its places."""
    rare_first = "QXZJVKYUW" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def draw(match):
        place = match.group()
        if place == "9":
            return str(rng.integers(10))
        return rng.choice(list(rare_first) if place == "@" else WORDS[place[1:-1]].split())

    text = re.sub(r"\{\w+\}|9|@", draw, pattern)
    return text[0].upper() + text[1:] if rng.random() < 0.5 else text


def words_of_book(text):
    """The words of a book without what Project Gutenberg has put before, after and between them."""
    text = re.split(r"(?m)^\*\*\* ?START OF .*$", text)[-1]
    text = re.split(r"(?m)^\*\*\* ?END OF .*$", text)[0]
    text = re.sub(r"\[[^][]*\]", " ", text)  # notes and captions
    return re.sub(r"[*_=<>{}]+|--", " ", text).split()


def from_book(words, rng):
    """A piece of a book (a list of words), as long as a line."""
    length = int(np.clip(rng.normal(34, 7), SHORTEST, LONGEST))
    start = int(rng.integers(len(words) - 20))
    text = ""
    for word in words[start : start + 20]:
        if len(text) + len(word) + 1 > length and text:
            break
        text = f"{text} {word}".strip()
    return text


def usable(text):
    return SHORTEST // 2 <= len(text) <= LONGEST and set(text) <= set(ALPHABET)


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("books", nargs="+", help="text files")
    p.add_argument("--output", default=TEXTS_FILE, help="file to write, a text on every line")
    p.add_argument(
        "--count",
        type=int,
        default=12_400,
        help="texts to write; some more than lines, since lines that fail are left out",
    )
    p.add_argument("--seed", type=int, default=0, help="seed of all random choices")
    args = p.parse_args(argv)
    rng = np.random.default_rng(args.seed)
    books = []
    for path in args.books:
        with open(path, encoding="utf-8", errors="replace") as file:
            books.append(words_of_book(file.read()))
    shares = np.array([max(len(words), 60_000) for words in books], float)
    texts = set()
    while len(texts) < args.count:
        if rng.random() < FROM_BOOKS:
            text = from_book(books[rng.choice(len(books), p=shares / shares.sum())], rng)
        else:
            text = from_pattern(PATTERNS[rng.integers(len(PATTERNS))], rng)
        if usable(text):
            texts.add(text)
    texts = sorted(texts)
    rng.shuffle(texts)
    with open(args.output, "w", encoding="utf-8") as file:
        file.write("\n".join(texts) + "\n")
    print(args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
