"""Draws a written line as a scanner would picture it, and gives the box of every character.

    from scribe.dataset.pictures import Look, draw_picture, png
    picture = draw_picture(strokes, index, text, Look(height=64), seed=7)     # index from characters.assign_characters
    open("line.png", "wb").write(png(picture.image))

NumPy alone, except for the PNG, which is Pillow's. The darkness of a pixel is the share of it that the pen covers, from
its distance to the pen's way, so lines are smooth at any height. Everything that varies from picture to picture (pen,
ink, paper, margins, rotation, slant, noise) comes from the seed.
"""

import dataclasses
import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scribe.ink.point_characters import character_boxes
from scribe.ink.strokes import checked_strokes, split_strokes
from scribe.ink.x_height import x_height_of_characters
from scribe.pages.page import SMOOTH_STEPS, relative_widths, smooth

MAX_X_HEIGHT = 0.42  # of the height of the picture: a line without tall letters is not blown up
MAX_WIDTH = 60  # heights of the picture; a longer line is drawn smaller
MAX_PIECE = 1.0  # pixels: the pen's way is drawn in pieces no longer than this
PICTURE_WIDENING = 0.2  # share by which a slow pen draws wider, a fast one thinner
FADING = 0.25  # largest share by which ink fades along the line
SHADE_LENGTH = 4.0  # heights of the picture from one shade of the paper to the next
INKS = ((20, 20, 24), (16, 28, 66), (24, 48, 140), (70, 70, 78))  # with colour: black, blue-black, blue, pencil
PAPERS = ((255, 255, 255), (255, 252, 240), (246, 249, 255), (250, 246, 236))


@dataclasses.dataclass(frozen=True)
class Look:
    """How pictures look. Ranges are (lowest, highest); each picture draws its own value from them.

    Attributes:
        height: pixels.
        padding: pixels of paper on each side of the ink.
        pen: width of the pen in x-heights.
        ink, paper: grey levels, 0 black to 255 white; with colour, how light the ink and the paper are.
        texture: grey levels by which the paper is lighter or darker from place to place.
        noise: deviation of the grey level of single pixels.
        rotation: degrees by which a line may be turned either way.
        skew: degrees by which it may be slanted either way.
        colour: red, green and blue instead of grey.
    """

    height: int = 64
    padding: tuple[float, float] = (2, 8)
    pen: tuple[float, float] = (0.1, 0.2)
    ink: tuple[float, float] = (0, 80)
    paper: tuple[float, float] = (225, 255)
    texture: float = 6.0
    noise: float = 0.0
    rotation: float = 0.0
    skew: float = 0.0
    colour: bool = False

    def check(self) -> None:
        """Raises ValueError for a value out of range."""
        if not 16 <= self.height <= 1024:
            raise ValueError(f"height is {self.height}: it has to be from 16 to 1024 pixels.")
        limits = {"padding": (0, 0.35 * self.height), "pen": (0.02, 1), "ink": (0, 255), "paper": (0, 255)}
        for name, (low, high) in limits.items():
            first, last = getattr(self, name)
            if not low <= first <= last <= high:
                raise ValueError(f"{name} is {first:g} to {last:g}: it has to be a range within {low:g} to {high:g}.")
        if self.paper[0] - self.ink[1] < 64:
            raise ValueError(
                f"ink up to {self.ink[1]:g} on paper from {self.paper[0]:g} cannot be read: leave 64 levels in between."
            )
        for name, high in (("texture", 64), ("noise", 64), ("rotation", 30), ("skew", 45)):
            if not 0 <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name):g}: it has to be from 0 to {high}.")


@dataclasses.dataclass
class Picture:
    """A drawn line.

    Attributes:
        image: uint8 [height, width] or, in colour, [height, width, 3].
        points: float [n, 3]: x, y in pixels from the upper left corner of the picture, pen lift.
        pen: width of the pen in pixels.
        ink: its colour as #rrggbb.
        boxes: for each of the U characters [x, y, width, height] in whole pixels; None where a character has no ink. A
            space has the place between its neighbours.
    """

    image: NDArray[np.uint8]
    points: NDArray[np.floating]
    pen: float
    ink: str
    boxes: list[list[int] | None]


def draw_picture(
    strokes: NDArray[np.floating], index: NDArray[np.integer], text: str, look: Look, seed: int | Sequence[int]
) -> Picture:
    """Draws a line.

    Args:
        strokes: [n, 3] or [n, 6], as `sample()` returns them.
        index: int [n], the character of every point.
        text: U characters.
        look: what may vary, and by how much.
        seed: a number or a sequence of numbers.
    """
    rng = np.random.default_rng(seed)
    turn, slant = np.radians(rng.uniform(-1, 1, 2) * [look.rotation, look.skew])
    left, top, right, bottom = rng.uniform(*look.padding, 4)
    share = rng.uniform(*look.pen)
    points = checked_strokes(strokes, f"the line {text!r}")
    unit = x_height_of_characters(points, index, text)
    x, y = points[:, 0] - math.tan(slant) * points[:, 1], points[:, 1]
    points[:, 0] = math.cos(turn) * x - math.sin(turn) * y
    points[:, 1] = math.sin(turn) * x + math.cos(turn) * y

    low, size = points[:, :2].min(axis=0), np.ptp(points[:, :2], axis=0)
    edge = share * (1 + PICTURE_WIDENING) * unit  # of ink around the pen's way, both sides together
    scale = min(
        (look.height - top - bottom) / (size[1] + edge),
        MAX_X_HEIGHT * look.height / unit,
        MAX_WIDTH * look.height / (size[0] + edge),
    )
    width = math.ceil((size[0] + edge) * scale + left + right)
    spare = look.height - top - bottom - (size[1] + edge) * scale
    points[:, :2] = (points[:, :2] - low + edge / 2) * scale + [left, top + spare / 2]
    pen = max(share * unit * scale, 1.0)  # a thinner one could hardly be seen

    image, ink = _ink_on_paper(_coverage(points, pen, (look.height, width), rng), look, rng)
    boxes = _pixel_boxes(
        character_boxes(points, index, len(text)), text, pen * (1 + PICTURE_WIDENING) / 2, (look.height, width)
    )
    return Picture(image, points, pen, ink, boxes)


def png(image: NDArray[np.uint8]) -> bytes:
    """The bytes of a PNG file: uint8 [height, width] or [height, width, 3]."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=6)
    return stream.getvalue()


def _coverage(points, pen, shape, rng):
    """float32 [height, width]: how much of each pixel is covered with ink, 0 to 1."""
    starts, ends, radii = [], [], []
    for stroke in split_strokes(points):
        curve = smooth(stroke[:, :2], SMOOTH_STEPS)
        if len(curve) == 1:
            curve = np.repeat(curve, 2, axis=0)
        starts.append(curve[:-1])
        ends.append(curve[1:])
        radii.append(0.5 * pen * relative_widths(curve, PICTURE_WIDENING, SMOOTH_STEPS))
    a, b, radius = np.concatenate(starts), np.concatenate(ends), np.concatenate(radii)
    # Long pieces are cut, so that a small square of pixels around its middle holds all that a piece can cover.
    cuts = np.maximum(np.ceil(np.hypot(*(b - a).T) / MAX_PIECE), 1).astype(int)
    which = np.repeat(np.arange(len(a)), cuts)
    part = np.arange(len(which)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    way = (b - a)[which] / cuts[which, None]
    a, radius = a[which] + part[:, None] * way, radius[which]
    # Ink fades and comes back slowly as the pen moves on.
    knots = rng.uniform(1 - FADING, 1, max(len(a) // 200, 1) + 2)
    strength = np.interp(np.linspace(0, len(knots) - 1, len(a)), np.arange(len(knots)), knots)

    reach = math.ceil(radius.max() + 0.5 + MAX_PIECE / 2)
    corner = np.floor(a + way / 2).astype(int)  # the pixel in which the middle of a piece is
    squared = np.maximum((way * way).sum(axis=1), 1e-12)
    coverage = np.zeros((shape[0] + 2 * reach, shape[1] + 2 * reach), np.float32)
    flat = coverage.reshape(-1)
    for row in range(-reach, reach + 1):
        for column in range(-reach, reach + 1):
            away = corner + 0.5 + [column, row] - a  # from the beginning of a piece to the middle of the pixel
            along = np.clip((away * way).sum(axis=1) / squared, 0.0, 1.0)
            distance = np.hypot(*(away - along[:, None] * way).T)
            share = np.clip(radius + 0.5 - distance, 0.0, 1.0) * strength
            some = share > 0
            x, y = corner[some].T
            np.maximum.at(flat, (y + row + reach) * coverage.shape[1] + x + column + reach, share[some])
    return coverage[reach:-reach, reach:-reach]


def _ink_on_paper(coverage, look, rng):
    """uint8 picture, and the colour of its ink as #rrggbb."""
    height, width = coverage.shape
    ink, paper = rng.uniform(*look.ink), rng.uniform(*look.paper)
    shades = rng.uniform(-1, 1, (3, math.ceil(width / (SHADE_LENGTH * height)) + 2))
    noise = rng.standard_normal(coverage.shape, np.float32) * look.noise if look.noise else 0.0
    hue, tint = rng.integers(len(INKS)), rng.integers(len(PAPERS))
    # From knot to knot along the line, then from the upper to the middle to the lower edge.
    along = np.linspace(0, shades.shape[1] - 1, width)
    rows = np.stack([np.interp(along, np.arange(shades.shape[1]), row) for row in shades])
    down = np.clip(np.abs(np.linspace(0, 2, height)[:, None] - np.arange(3)), 0, 1)
    texture = look.texture * ((1 - down) @ rows) + noise
    coverage = np.asarray(coverage, np.float64)
    if not look.colour:
        image = (paper + texture) * (1 - coverage) + ink * coverage
        colour = 3 * [ink]
    else:
        colour = np.array(INKS[hue]) * (1 - ink / 255) + ink
        base = np.array(PAPERS[tint]) * (paper / 255)
        image = (base + texture[..., None]) * (1 - coverage[..., None]) + colour * coverage[..., None]
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), "#" + "".join(f"{round(float(c)):02x}" for c in colour)


def _pixel_boxes(boxes, text, around, shape):
    """Boxes [U, 4] (left, top, right, bottom of the pen's way) as [x, y, width, height] in whole pixels or None."""
    boxes = boxes + np.array([-around, -around, around, around])
    last = None  # right edge, top and bottom of the character before
    found = []
    for u, c in enumerate(text):
        left, top, right, bottom = boxes[u]
        if c == " ":
            after = next((box for box in boxes[u + 1 :] if not np.isnan(box[0])), None)
            if last is None or after is None:
                found.append(None)
                continue
            top, bottom = min(last[1], after[1]), max(last[2], after[3])
            left, right = min(last[0], after[0]), max(last[0], after[0])
        elif np.isnan(left):
            found.append(None)
            continue
        else:
            last = (right, top, bottom)
        x, y = max(math.floor(left), 0), max(math.floor(top), 0)
        found.append([x, y, min(math.ceil(right), shape[1]) - x, min(math.ceil(bottom), shape[0]) - y])
    return found
