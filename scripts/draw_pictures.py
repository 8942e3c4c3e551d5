"""Draws all pictures of the documents, most of them with the shipped model.

python3 scripts/draw_pictures.py
"""

import argparse
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import draw_losses  # noqa: E402
from diagrams import draw_timestep, draw_unrolled  # noqa: E402

from model import load_model  # noqa: E402
from scribe.hands.catalogue import HANDS_FILE, load_catalogue  # noqa: E402
from scribe.network.checkpoint import SHIPPED  # noqa: E402
from scribe.pages.figures import draw_attention, draw_line, draw_lines  # noqa: E402
from scribe.pages.formats import Options, write  # noqa: E402
from scribe.pages.layout import compose  # noqa: E402
from scribe.pages.letter import text_paragraphs, write_paragraphs  # noqa: E402
from scribe.pages.page_style import PageStyle  # noqa: E402
from scribe.writing.proofread import sample_checked  # noqa: E402
from scribe.writing.recogniser import load_recogniser  # noqa: E402

LETTER = """Dear Victoria,

thank you for your letter of 12 May. The house by the sea must be lovely, and I am glad that the dogs like it as \
much as the children do.

Yours ever,
John
"""


SNOW = "You know nothing Jon Snow"
PRINT, CURSIVE, OF_THE_LETTER = 24, 87, 3  # hands of the catalogue
ON_THE_SHEET = 24  # hands


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--save_path", default=os.path.join(ROOT, SHIPPED), help="prefix of the checkpoint")
    p.add_argument("--output", default=os.path.join(ROOT, "static"), help="folder of the pictures")
    p.add_argument(
        "--seeds",
        type=int,
        nargs=6,
        default=[4, 7, 5, 1, 5, 9],
        help="seeds of greeting, biases, author, print, cursive, letter",
    )
    args = p.parse_args(argv)
    os.makedirs(args.output, exist_ok=True)
    model, recogniser = load_model(args.save_path), load_recogniser()
    hands = load_catalogue(os.path.join(ROOT, "data", HANDS_FILE)).hands
    seed, seed_of_biases, seed_of_author, *seeds_of_hands, seed_of_letter = args.seeds

    (hello, snow), _, _ = sample_checked(["Hello World", SNOW], model, bias=1.5, seed=seed, recogniser=recogniser)
    draw_line(hello.strokes, os.path.join(args.output, "hello_world.png"))
    draw_attention(snow.phis, snow.strokes, snow.text, os.path.join(args.output, "attention.png"))
    text = "What I cannot create I do not understand"
    seeds = [(seed_of_biases,)] * 4  # the same random numbers for all
    lines, _, _ = sample_checked([text] * 4, model, bias=[0.0, 0.5, 1.0, 2.0], seed=seeds, recogniser=recogniser)
    for bias, line in zip(("0", "0.5", "1", "2"), lines):
        draw_lines([line.strokes], os.path.join(args.output, f"bias_{bias}.png"))

    author, _, _ = sample_checked(
        ["after Alex Graves, 2013"], model, bias=1.0, seed=seed_of_author, recogniser=recogniser
    )
    draw_lines([line.strokes for line in author], os.path.join(args.output, "author.png"))
    snows = []
    for number, seed_of_hand in zip((PRINT, CURSIVE), seeds_of_hands, strict=True):
        snows += sample_checked([SNOW], model, seed=seed_of_hand, hand=hands[number], recogniser=recogniser)[0]
    draw_lines([line.strokes for line in snows], os.path.join(args.output, "print_and_cursive.png"))
    sheet, _, _ = sample_checked(
        [SNOW] * ON_THE_SHEET, model, bias=0.7, seed=seed, hand=hands[:ON_THE_SHEET], recogniser=recogniser
    )
    draw_lines([line.strokes for line in sheet], os.path.join(args.output, "hands.png"), labels=range(ON_THE_SHEET))
    draw_timestep(os.path.join(args.output, "timestep.png"))
    draw_unrolled(os.path.join(args.output, "unrolled.png"))
    draw_losses.main(["--output", os.path.join(args.output, "losses.png")])

    def by_the_model(texts, biases, seeds, style):
        return sample_checked(texts, model, bias=biases, seed=seeds, hand=hands[style], recogniser=recogniser)[0]

    paragraphs = write_paragraphs(
        text_paragraphs(LETTER, 1.5, OF_THE_LETTER), by_the_model, seed_of_letter, {OF_THE_LETTER: OF_THE_LETTER}
    )
    pages = compose(paragraphs, PageStyle("a6", margin_mm=10))
    write(pages, os.path.join(args.output, "letter.png"), options=Options(dpi=110, paper="white"))
    for line in (hello, snow, *lines, *author, *snows, *sheet):
        print(f"{'finished' if line.finished else 'NOT finished'}: {line.text} ({len(line.strokes)} points)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
