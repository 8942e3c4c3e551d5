"""Makes the pictures of docs/PAPER.md: the figures of reproduce.py, small enough for a document.

python3 scripts/draw_gallery.py
python3 scripts/draw_gallery.py --figures 13 14
"""

import argparse
import os
import sys
import tempfile

from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import reproduce  # noqa: E402
from scribe.files.atomic import written_aside  # noqa: E402

COLOURS, WIDTH = 40, 760  # of a picture; its width in pixels


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--figures", type=int, nargs="+", default=list(reproduce.FIGURES), help="numbers (default: all)")
    p.add_argument("--output", default=os.path.join(ROOT, "docs", "paper"), help="folder of the pictures")
    args = p.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        code = reproduce.main(["--output", folder, "--figures", *map(str, args.figures)])
        shrink(folder, args.output)
    return code


def shrink(folder, output):
    """Makes the pictures of a folder small enough for a document, in another folder."""
    os.makedirs(output, exist_ok=True)
    for name in sorted(os.listdir(folder)):
        with Image.open(os.path.join(folder, name)) as picture:
            height = round(picture.height * WIDTH / picture.width)
            small = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
        with written_aside(os.path.join(output, name)) as aside:
            small.quantize(COLOURS, dither=Image.Dither.NONE).save(aside, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
