"""Makes further training lines out of real ones, with the characters that real ones lack: digits, capitals, signs.

    python3 augment_data.py --output data/rare_characters.cpkl
    python3 train.py --extra_data data/rare_characters.cpkl

A trained model tells which character each pen point of the training lines belongs to. Digits, capitals and signs that
stand apart are cut out and set into other lines, in the place of words and of initials: numbers, prices, dates, words
in capitals, names with rare initials. In one new line of three, small letters that stand apart become an x, z or q.
With `--repeat xxzzqj` the lines that hold an x or a z go in twice more as they are, those with a q or a j once.
Validation lines are neither read nor made. A new line has the name of the line that it was made of, if anything is left
of that, so that a network with hands knows whose it is.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import re
import sys

import numpy as np
from tqdm import tqdm

# TensorFlow, which costs seconds, is imported where it is used: a wrong flag is told at once.
from scribe.console import OneLineParser, run_command, say
from scribe.files.atomic import check_writable
from scribe.files.stroke_file import save_strokes
from scribe.ink.batch import make_batch
from scribe.ink.glyphs import RARE_SMALL, SHAPES, Glyph, WrittenLine, collect_glyphs, draw_shape, set_glyphs
from scribe.ink.point_characters import attended_characters
from scribe.ink.strokes import absolute_points, raw_offsets
from scribe.ink.typical import CAPITALS, DIGITS
from utils import DataLoader, Logger

BATCH = 48
MAX_LINE_CHARACTERS = 64  # of a new line
CHOICES = 3  # glyphs drawn at random, of which the one closest to the line's slant is taken


# ------------------------------------------------------------------------------------------------------ composition


# Tokens that take the place of a word; every 9 becomes a random digit, every A a random capital.
PATTERNS = (
    "9|99|999|9999|9999|9.99|99.99|9,999|99,999|99/99/9999|9/9/99|9.9.99|99.99.9999|9:99|99:99|999 9999|99-99|99%|#99"
    "|(9)|(99)|[9]|[99]|A9|A99|9A|AA|AAA|AAAA|AAAAA|A & A|&|A. A.|A.A.|AA?|99!|99;|9:|9 + 9|99 + 99|*|9*9|A/A|99?|A-A"
    "|999 9999|99 99 99 99|999 9999 9999|99999999|9,999,999|999.99|A A A|A A A A A|AAAAAA|9 9 9|A: 99|#9|A9 9AA"
    "|&|&|&|&|&|A & A|A&A|A&A|9 + 9|A + A|A++|9+|+|9;|A;|AA/AA|99/9"
).split("|")
WORDS_IN_CAPITALS = 0.4  # share of the tokens that are a word in capitals instead of one of PATTERNS
WHOLE_LINES = 0.35  # share of the lines with tokens that consist of nothing else
# Heights of numbers and words in capitals, mean and deviation, and the gap between their characters, in x-heights. A
# little more than in real lines (2.1), since the network writes them smaller and closer than what it has seen.
HEIGHT, GAP = (2.2, 0.2), 0.45
SMALL_LINES = 1 / 3  # share of the new lines in which rare small letters take the place of others
SMALL_LETTERS = "xxxxzq"  # a letter is drawn from these, so x comes four times as often as z
MAX_SMALL = 4  # small letters that are replaced in a line
REPLACEABLE = set("abcdeghklmnoprsuvwy")  # without those whose dots and bars may be drawn after the word


class Composer:
    """Composes new lines.

    Args:
        lines: WrittenLines. glyphs: from `collect_glyphs` of them. rng: a NumPy Generator.
    """

    def __init__(self, lines, glyphs, rng):
        self.lines, self.glyphs, self.rng = lines, glyphs, rng
        counts = np.array([sum(line.text.count(c) for line in lines) for c in CAPITALS], float)
        self.capital_odds = (1 + counts) ** -0.5 / np.sum((1 + counts) ** -0.5)
        words = {word.upper() for line in lines for word in re.findall(r"[A-Za-z]{2,9}", line.text)}
        self.words = sorted(words)

    def random_token(self):
        """A word in capitals, or one of PATTERNS with random digits and capitals."""
        if self.rng.random() < WORDS_IN_CAPITALS:
            some = [self.words[k] for k in self.rng.integers(len(self.words), size=CHOICES)]
            return max(some, key=lambda word: np.mean([self.capital_odds[CAPITALS.index(c)] for c in word]))
        pattern = PATTERNS[self.rng.integers(len(PATTERNS))]
        return "".join(self.rng.choice(list({"9": DIGITS, "A": CAPITALS}.get(c, c))) for c in pattern)

    def compose(self):
        """A new WrittenLine and the number of the line that it was made of, None if nothing is left of that.

        None instead of both if this attempt failed.
        """
        number = int(self.rng.integers(len(self.lines)))
        line = self.lines[number]
        if self.rng.random() < SMALL_LINES:
            new = self.with_small_letters(line)
            whole = new is not None and not any(old == c != " " for old, c in zip(line.text, new.text))
        else:
            whole = self.rng.random() < WHOLE_LINES
            new = self.with_tokens(line, whole)
        return None if new is None else (new, None if whole else number)

    def with_small_letters(self, line):
        """The line with some small letters replaced by rare ones, or None."""
        new, letters = None, [c for c in SMALL_LETTERS if c in self.glyphs]
        for _ in range(self.rng.integers(1, MAX_SMALL + 1)):
            words = [m.span() for m in re.finditer(r"\S+", line.text)] if line.x_height else []
            places = [
                (u, own)
                for start, end in words
                for u, own in line.small_apart(start, end)
                if line.text[u] in REPLACEABLE and own == list(range(own[0], own[-1] + 1))
            ]
            if not places or not letters:
                break
            u, own = places[self.rng.integers(len(places))]
            letter = str(self.rng.choice(letters))
            line = new = set_glyphs(line, own, u, u + 1, [self.choose(letter, line.slant)], rng=self.rng)
        return new

    def with_tokens(self, line, whole=False):
        """The line with a word or an initial, or the `whole` of it, replaced by what is rare, or None."""
        words = [m.span() for m in re.finditer(r"\S+", line.text)]
        start, end = words[self.rng.integers(len(words))]
        if not line.x_height or len(words) < 2:
            return None
        if whole:
            start, end, own = 0, len(line.text), list(range(len(line.strokes)))
            token = " ".join(self.random_token() for _ in range(self.rng.integers(1, 4)))
        elif line.text[start] in CAPITALS and self.rng.random() < 0.7:
            groups = line.clusters(start, end)
            if line.initial(start, end) is None:
                return None
            own, end, token = groups[0], start + 1, str(self.rng.choice(list(CAPITALS), p=self.capital_odds))
        else:
            own, token = line.strokes_of(start, end), self.random_token()
        if own is None or own != list(range(own[0], own[-1] + 1)):
            return None
        if len(line.text) - (end - start) + len(token) > MAX_LINE_CHARACTERS:
            return None
        if not all(c == " " or c in SHAPES or c in self.glyphs for c in token):
            return None
        height = self.rng.normal(*HEIGHT)
        glyphs = [None if c == " " else self.choose(c, line.slant, height) for c in token]
        return set_glyphs(line, own, start, end, glyphs, rng=self.rng, gap=GAP)

    def choose(self, character, slant, height=None):
        """A glyph of about the line's slant, drawn towards a height; or a drawn shape where there are few."""
        found = self.glyphs.get(character, [])
        # In the real lines, # stands for what could not be read.
        if character in SHAPES and (character == "#" or self.rng.random() < 8 / (8 + len(found))):
            return draw_shape(character, self.rng)
        some = [found[k] for k in self.rng.integers(len(found), size=CHOICES)]
        glyph = min(some, key=lambda g: abs(g.slant - slant))
        if character not in DIGITS + CAPITALS + RARE_SMALL:
            return glyph
        points = glyph.points.copy()
        if height is not None:
            points[:, :2] *= np.clip(height / np.ptp(points[:, 1]), 0.6, 1.6) ** 0.8
        # Of some digits there are hardly ten: no two of the new ones are quite the same.
        points[:, 0] = points[:, 0] * self.rng.uniform(0.85, 1.15) - self.rng.normal(0, 0.06) * points[:, 1]
        return Glyph(character, points, glyph.slant, glyph.donor)


# ------------------------------------------------------------------------------------------------------ the command


def written_lines(model, strokes, texts):
    """Lines with the character of each point, by the model's attention.

    Args:
        model: a HandwritingModel. strokes: list of [n, 3] offsets in units of data_scale. texts: list of strings.

    Returns:
        WrittenLines.
    """
    from scribe.network.tf_setup import tf

    spec = tf.TensorSpec
    attend = tf.function(
        lambda x, char_seq: model({"stroke_data": x, "char_seq": char_seq})["phi"],
        input_signature=[spec([None, None, 3]), spec([None, None, model.char_vec_len])],
    )
    order = np.argsort([len(line) for line in strokes], kind="stable")
    lines = [None] * len(strokes)
    for start in tqdm(range(0, len(order), BATCH), unit="batch", disable=None):
        rows = order[start : start + BATCH]
        batch = make_batch([strokes[i] for i in rows], [texts[i] for i in rows], model.config.alphabet)
        phis = attend(batch.x, batch.one_hot).numpy()
        for phi, i in zip(phis, rows):
            n, text = len(strokes[i]), texts[i]
            # phi at a point is what the next one is written with.
            index = attended_characters(phi[: n - 1, : len(text)])
            lines[i] = WrittenLine(text, absolute_points(strokes[i]), np.concatenate([index[:1], index]))
    return lines


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data_dir", default="data", help="folder with strokes_training_data.cpkl: real lines")
    p.add_argument("--output", default="data/rare_characters.cpkl", help="file to write, in the same format")
    p.add_argument("--count", type=int, default=4000, help="number of new lines")
    p.add_argument(
        "--repeat", default="", help="letters; a real line is added once for each time that one of its own is given"
    )
    p.add_argument(
        "--save_path",
        default=None,
        help="checkpoint of the model that finds the characters; as in sample.py",
    )
    p.add_argument("--tsteps", type=int, default=1300, help="largest number of pen points of a line")
    p.add_argument("--seed", type=int, default=0, help="seed of all random choices; the same seed gives the same lines")
    args = p.parse_args(argv)
    p.require(args, "count", "tsteps", least=1)
    p.require(args, "seed")
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    return run_command(lambda: augment(args))


def augment(args: argparse.Namespace) -> int:
    """Makes and writes the new lines; returns the exit code."""
    from model import load_model
    from scribe.network.checkpoint import find_checkpoint
    from scribe.network.tf_setup import one_thread_per_operation

    check_writable(args.output)
    model = load_model(find_checkpoint(args.save_path))
    one_thread_per_operation()
    args.data_scale, args.alphabet, args.batch_size = model.config.data_scale, model.config.alphabet, BATCH
    loader = DataLoader(args, Logger())
    strokes, texts, names = compose_lines(model, loader, args.count, args.tsteps, args.seed)
    again = repeated_lines(loader.ascii_data, args.repeat)
    strokes += [raw_offsets(absolute_points(loader.stroke_data[i]), loader.data_scale) for i in again]
    texts += [loader.ascii_data[i] for i in again]
    names += [loader.names[i] for i in again]
    save_strokes(args.output, strokes, texts, names)
    say(f"Wrote {len(texts)} lines, {sum(map(len, strokes))} pen points, to {args.output}.")
    return 0


def repeated_lines(texts, letters):
    """Numbers of the lines that are added as they are: each as often as `letters` holds one of its characters."""
    return [i for i, text in enumerate(texts) for _ in range(max(map(letters.count, text)))]


def compose_lines(model, loader, count, tsteps, seed):
    """`count` new lines out of the loader's training lines.

    Returns:
        three lists: int16 [n, 3] raw offsets; texts; names of the lines that they were made of, "" for a line that has
        nothing left of its own.
    """
    apart = re.compile(rf"[A-Z0-9!#()+/:;?\[\]{RARE_SMALL}]")
    rows = [i for i, text in enumerate(loader.ascii_data) if apart.search(text)]
    lines = written_lines(model, [loader.stroke_data[i] for i in rows], [loader.ascii_data[i] for i in rows])
    composer = Composer(lines, collect_glyphs(lines), np.random.default_rng(seed))
    strokes, texts, names = [], [], []
    for _ in range(100 * count if lines else 0):
        made = composer.compose()
        if made is not None and len(made[0].points) <= tsteps:
            line, number = made
            strokes.append(raw_offsets(line.points, loader.data_scale))
            texts.append(line.text)
            names.append("" if number is None else loader.names[rows[number]])
            if len(texts) == count:
                return strokes, texts, names
    raise ValueError(
        f"{loader.path} has too few lines whose characters stand apart: {len(texts)} of {count} came about."
    )


if __name__ == "__main__":
    sys.exit(main())
