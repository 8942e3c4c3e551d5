"""Draws the pictures of the README with the shipped model.

    python3 scripts/draw_pictures.py
"""

import argparse
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from checkpoint import SHIPPED, load_model  # noqa: E402
from drawing import draw_attention, draw_line, draw_lines  # noqa: E402
from sample import sample_batch  # noqa: E402


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--save_path", default=os.path.join(ROOT, SHIPPED), help="prefix of the checkpoint")
    p.add_argument("--output", default=os.path.join(ROOT, "static"), help="folder of the pictures")
    p.add_argument("--seed", type=int, default=1, help="of the lines")
    args = p.parse_args(argv)
    os.makedirs(args.output, exist_ok=True)
    model = load_model(args.save_path)

    hello, snow = sample_batch(["Hello World", "You know nothing Jon Snow"], model, bias=1.5, seed=[args.seed] * 2)
    draw_line(hello.strokes, os.path.join(args.output, "hello_world.png"))
    draw_attention(snow.phis, snow.strokes, snow.text, os.path.join(args.output, "attention.png"))
    text = "What I cannot create I do not understand"
    lines = sample_batch([text] * 3, model, bias=[0.0, 0.75, 1.5], seed=[args.seed] * 3)
    draw_lines([line.strokes for line in lines], os.path.join(args.output, "biases.png"))
    for line in (hello, snow, *lines):
        print(f"{'finished' if line.finished else 'NOT finished'}: {line.text} ({len(line.strokes)} points)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
