"""How pages are written: resolution, paper, pen, layers and the pace of animations."""

import dataclasses

import numpy as np

from scribe.pages.page import hex_colour


@dataclasses.dataclass
class Options:
    """How to write; each format reads the options that concern it.

    Attributes:
        dpi: pixels per inch of png and gif; None: 300 and 110.
        paper: a matplotlib colour; None: transparent in png, animated svg and gif, nothing in pdf. A plotter svg never
            has a background.
        speed_width: from 0, one width, to 1: slow strokes are wider, fast ones thinner (png, pdf, gif); None: 0.5 in
            png.
        smooth: rounds the way between two points (svg, animated svg, png, pdf, gif; json and inkml hold the points
            themselves).
        tolerance_mm: how far simplified lines may be from the pen's way (svg, animated svg).
        layers: "pen" makes an svg layer for each ink and width, "line" one for each line.
        speed: of the writing, 1 is real time (animated svg, gif); None: 1, but a gif is at most 30 s long.
        seconds: how long the writing takes, of each animated svg and of a whole gif; overrides speed.
        repeat: pause in seconds before an animated svg begins again; None: it is written once. A gif always repeats.
        fps: frames per second of a gif.
    """

    dpi: float | None = None
    paper: str | None = None
    speed_width: float | None = None
    smooth: bool = True
    tolerance_mm: float = 0.02
    layers: str = "pen"
    speed: float | None = None
    seconds: float | None = None
    repeat: float | None = None
    fps: float = 20.0

    def check(self) -> None:
        """Raises ValueError for a value out of range."""
        lower_bounds = {"dpi": 0, "tolerance_mm": -1e-12, "speed": 0, "seconds": 0, "repeat": 0, "fps": 0}
        for name, low in lower_bounds.items():
            value = getattr(self, name)
            if value is not None and not low < value < np.inf:
                raise ValueError(f"{name} is {value}: it has to be more than 0.")
        if self.speed_width is not None and not 0 <= self.speed_width <= 1:
            raise ValueError(f"speed_width is {self.speed_width}: it has to be from 0 to 1.")
        if self.layers not in ("pen", "line"):
            raise ValueError(f'layers is {self.layers!r}: it has to be "pen" or "line".')
        if self.paper is not None:
            hex_colour(self.paper)
