"""The ink that is read from an SVG is where a browser draws it: compared with the pixels of headless Chromium."""

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import ink_helpers as ink
from dialects import DIALECTS, drawing
from scribe.files.recordings import read_ink

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
WIDTH, HEIGHT, PEN = 900, 300, 2
A_PATH = (
    "M20 20C60 90 90 10 130 60S200 90 240 40Q260 10 280 60T330 60A30 20 30 0 1 380 60a20 20 0 1 0 30 20h20v-30l9 40"
)
SHAPE = f'<path d="{A_PATH}"/>'
TRICKY = {
    "curves and arcs": SHAPE,
    "a symbol in a viewBox": f'<symbol id="s" overflow="visible" viewBox="0 0 500 100">{SHAPE}</symbol>'
    '<use href="#s" x="20" y="30" width="400" height="200"/><use href="#s" x="50%" y="50%" width="300" height="90"/>',
    "stretched": '<svg x="10%" y="10" width="50%" height="80%" viewBox="0 0 500 100" preserveAspectRatio="none">'
    + SHAPE
    + "</svg>",
    "rotated about a place": f'<g transform="rotate(20 300 100) skewX(10) translate(90,19)">{SHAPE}</g>',
    "css transform": f'<g style="transform-origin:200px 100px;transform: rotate(-.05turn) scale(1.5, .8)">{SHAPE}</g>',
    "css that hides": "<style>.a path{display:none} .b{visibility:hidden} #c{opacity:0} g.d > path{stroke:none}"
    "@media print{path{display:none}} path{stroke:red} #e{stroke:#000!important}</style>"
    + "".join(
        f'<g class="{c}" id="{c}"><path d="M{k} 9L{k + 40} 200"/></g>' for k, c in ((9, "a"), (99, "b"), (199, "c"))
    )
    + f'<g class="d"><path d="M300 9L340 200"/></g><g id="e" style="stroke:none">{SHAPE}</g>',
    "units": '<line x1="10mm" y1="10%" x2="50%" y2="5em"/><polyline points="400,20 450 80,500,20"/>'
    '<path d="M500 100 600 150z"/><path d="M500 200L520 240 540 nan L600 290"/>',
    "switch": f'<switch><g requiredExtensions="http://a"><path d="M0 0L900 300"/></g><g>{SHAPE}</g>{SHAPE}</switch>',
}
STROKED = f'<g fill="none" stroke="#000" stroke-width="{PEN}" vector-effect="non-scaling-stroke">'
CONTENTS = {name: drawing(STROKED + body + "</g>") for name, body in TRICKY.items()}
HAND = [stroke + [40, 90] for stroke in ink.hand("the quick fox", scale=12.0) if len(stroke) > 1]  # no dots
CONTENTS |= {
    name: DIALECTS[name].make(HAND, "")
    for name in ("svg style sheet", "svg moved", "svg use", "svg mm", "svg entities")
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("name", CONTENTS)
def test_the_ink_that_is_read_covers_what_a_browser_draws(tmp_path, name):
    path = ink.write(tmp_path / "a.svg", CONTENTS[name])
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"]
    target = f"--screenshot={tmp_path / 'a.png'}"
    subprocess.run([CHROMIUM, *flags, target, f"file://{path}"], check=True, capture_output=True, timeout=120)
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("L"), float)[:HEIGHT, :WIDTH]
    dark = np.argwhere(picture < 245)[:, ::-1] + 0.5
    ways = []
    for stroke in read_ink(path)[0].strokes:
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
        at = np.linspace(0, along[-1], 2 + int(2 * along[-1]))
        ways.append(np.column_stack([np.interp(at, along, stroke[:, k]) for k in (0, 1)]))
    ways = np.concatenate(ways)
    inside = ways[((ways > 1) & (ways < [WIDTH - 1, HEIGHT - 1])).all(axis=1)]
    assert len(dark) > 20 and nearest(dark, ways).max() < 2 * PEN + 1.5  # a pen that a transform has made wider
    assert nearest(inside, dark).max() < 2.5


def nearest(places, others):
    """The distance of each of places [n, 2] from the nearest of others [m, 2]."""
    parts = np.array_split(places, 1 + len(places) // 200)
    return np.concatenate([np.hypot(*(part[:, None] - others).transpose(2, 0, 1)).min(axis=1) for part in parts])
