"""What pages look like: sizes, margins, x-height, line spacing, alignment."""

import dataclasses
import math
import re

import numpy as np

from scribe.pages.page import INK, PEN_WIDTH_MM
from scribe.pages.ruling import CELL_MM, RULINGS

# Width and height in mm, upright. "tight": as large as the writing and its margins.
PAGE_SIZES = {
    "a3": (297.0, 420.0),
    "a4": (210.0, 297.0),
    "a5": (148.0, 210.0),
    "a6": (105.0, 148.0),
    "letter": (215.9, 279.4),
    "legal": (215.9, 355.6),
}
TIGHT = "tight"
MM_PER_INCH = 25.4
MARGIN_MM, TIGHT_MARGIN_MM = 20.0, 5.0  # the default of pages, and that of the command for tight ones
ALIGNMENTS = ("left", "centre", "right")
VERTICAL_ALIGNMENTS = ("top", "middle", "bottom")
# In x-heights: room above the first baseline and below the last one, the pitch of lines, and the space between words
# of a hand with too few gaps to measure.
ASCENT, DESCENT, PITCH, WORD_SPACE = 2.2, 1.4, 3.6, 2.0
NARROWEST = 3.0  # x-heights: a line with less room is none
GUTTER_MM = 10.0  # between two columns


@dataclasses.dataclass
class PageStyle:
    """What pages look like.

    Attributes:
        size: a name of PAGE_SIZES, "tight", width x height in mm such as "110x220" or in inches such as "5x7in", or
            (width, height) in mm.
        landscape: turns a size that is given by its name on its side.
        margin_mm: of all four sides, or (top, right, bottom, left).
        width_mm: of the lines on a "tight" page; None: a line is as long as its text.
        x_height_mm: height of a small letter.
        line_spacing_mm: from baseline to baseline; None: 3.6 x-heights, or more where letters would touch.
        align: "left", "centre" or "right".
        valign: where the writing stands on the page: "top", "middle" or "bottom".
        columns: side by side on a page. gutter_mm: between two of them.
        ruling: "ruled", "squared", "dotted" or "seyes" paper, on whose rules the baselines stand; None: blank paper.
        straighten: removes tilt, drift and the slant of single lines.
        ink: a matplotlib colour.
        pen_width_mm: width of the line that the pen draws.
    """

    size: str | tuple = "a4"
    landscape: bool = False
    margin_mm: float | tuple = MARGIN_MM
    width_mm: float | None = None
    x_height_mm: float = 2.5
    line_spacing_mm: float | None = None
    align: str = "left"
    valign: str = "top"
    columns: int = 1
    gutter_mm: float = GUTTER_MM
    ruling: str | None = None
    straighten: bool = True
    ink: str = INK
    pen_width_mm: float = PEN_WIDTH_MM

    def page_size(self) -> tuple[float, float] | None:
        """(width, height) in mm, or None for "tight". Raises ValueError for a size that does not exist."""
        if not isinstance(self.size, str):
            width, height = (float(v) for v in self.size)
            if not (0 < width < np.inf and 0 < height < np.inf):
                raise ValueError(f"a page of {width:g} x {height:g} mm does not exist.")
            return width, height
        name = self.size.strip().lower()
        if name == TIGHT:
            return None
        measured = re.fullmatch(r"(\d+(?:\.\d+)?)\s*[x×]\s*(\d+(?:\.\d+)?)\s*(mm|in|\")?", name)
        if measured:
            unit = 1.0 if measured[3] in (None, "mm") else MM_PER_INCH
            width, height = unit * float(measured[1]), unit * float(measured[2])
            if not (width > 0 and height > 0):
                raise ValueError(f"a page of {width:g} x {height:g} mm does not exist.")
            return (height, width) if self.landscape else (width, height)
        if name not in PAGE_SIZES:
            raise ValueError(
                f"the page size {self.size!r} is not known: it is one of {', '.join(PAGE_SIZES)}, {TIGHT}, or width x "
                "height in mm, such as 110x220, or in inches, such as 5x7in."
            )
        return PAGE_SIZES[name][::-1] if self.landscape else PAGE_SIZES[name]

    def margins(self) -> tuple[float, ...]:
        """(top, right, bottom, left) in mm; on a page that is not tight at least half a pen, which would leave it."""
        margins = tuple(np.broadcast_to(np.asarray(self.margin_mm, float), [4]).tolist())
        if not all(0 <= m < np.inf for m in margins):
            raise ValueError(f"the margin is {self.margin_mm}: it has to be 0 mm or more.")
        least = 0.0 if self.page_size() is None else self.pen_width_mm / 2
        return tuple(max(margin, least) for margin in margins)

    def text_width(self) -> float:
        """The width of a line in mm; infinite on a tight page without width_mm.

        Raises:
            ValueError: size, margins, x-height, spacing or alignment is not possible, or the page has no room for a
                line.
        """
        size, (top, right, bottom, left) = self.page_size(), self.margins()
        for name, value in (("x-height", self.x_height_mm), ("line spacing", self.pitch()), ("pen", self.pen_width_mm)):
            if not 0 < value < np.inf:
                raise ValueError(f"the {name} is {value:g} mm: it has to be more than 0.")
        for value, known in ((self.align, ALIGNMENTS), (self.valign, VERTICAL_ALIGNMENTS)):
            if value not in known:
                raise ValueError(f"the alignment is {value!r}: it has to be one of {', '.join(known)}.")
        if self.ruling is not None and self.ruling not in RULINGS:
            raise ValueError(f"the ruling is {self.ruling!r}: it has to be one of {', '.join(RULINGS)}.")
        if self.columns < 1 or not 0 <= self.gutter_mm < np.inf:
            raise ValueError(f"{self.columns} columns {self.gutter_mm:g} mm apart are not possible.")
        if size is None:
            width = np.inf if self.width_mm is None else float(self.width_mm)
        else:
            width = size[0] - left - right
            if size[1] - top - bottom < (ASCENT + DESCENT) * self.x_height_mm:
                raise ValueError(
                    f"a page {size[1]:g} mm high with margins of {top:g} and {bottom:g} mm has no room for a line with "
                    f"an x-height of {self.x_height_mm:g} mm."
                )
            width = (width - (self.columns - 1) * self.gutter_mm) / self.columns
        if not width > NARROWEST * self.x_height_mm:
            raise ValueError(
                f"the margins{' and columns' if self.columns > 1 else ''} leave no room for a line: {width:g} mm at an "
                f"x-height of {self.x_height_mm:g} mm."
            )
        return width

    def pitch(self) -> float:
        """From baseline to baseline, in mm; at least that, unless `spacing_is_fixed`."""
        pitch = PITCH * self.x_height_mm if self.line_spacing_mm is None else float(self.line_spacing_mm)
        cell = CELL_MM.get(self.ruling or "")
        return pitch if cell is None else cell * math.ceil(pitch / cell - 1e-6)

    def spacing_is_fixed(self) -> bool:
        """Whether lines are as far apart as somebody has said, or the paper."""
        return self.line_spacing_mm is not None or self.ruling is not None

    def cell_mm(self) -> float:
        """From rule to rule of ruled paper."""
        return CELL_MM.get(self.ruling or "", self.pitch())

    def first_baseline(self, above: float, top: float) -> float:
        """From the upper margin to the first baseline, in mm.

        Args:
            above: how far its ink reaches above it. top: the upper margin.
        """
        if self.ruling is None or self.page_size() is None:
            return above
        cell = self.cell_mm()
        return cell * math.ceil((top + above) / cell - 1e-6) - top

    def moved_down(self, free: float) -> float:
        """How far the lines of a page move down, in mm, where it has `free` mm left below them."""
        down = {"top": 0.0, "middle": 0.5, "bottom": 1.0}[self.valign] * free
        return down if self.ruling is None else self.cell_mm() * math.floor(down / self.cell_mm() + 1e-6)
