"""What the API takes, checked: `HandwritingRequest`."""

import binascii
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from scribe.hands.catalogue import LARGEST_STEP
from scribe.pages.drawing_options import Options
from scribe.pages.page import INK, PEN_WIDTH_MM, hex_colour
from scribe.pages.page_style import MARGIN_MM, PAGE_SIZES, TIGHT, TIGHT_MARGIN_MM, PageStyle
from scribe.web.limits import RequestError
from scribe.writing.lines import DEFAULT_BIAS

LARGEST_SIDE_MM = 1000.0
LARGEST_PICTURE = 40_000_000  # pixels of a PNG
DEFAULT_DPI = 300

# By name: the media type; the formats of scribe/pages/formats.py that are quick to make, and the stream.
MEDIA_TYPES = {
    "json": "application/json",
    "svg": "image/svg+xml",
    "animated-svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
    "inkml": "application/inkml+xml",
    "stream": "text/event-stream",
}
Format = Literal["json", "svg", "animated-svg", "png", "pdf", "inkml", "stream"]


def _checked_colour(value: str) -> str:
    return hex_colour(value)


def _decoded(value: Any) -> Any:
    """Base64 as bytes."""
    if not isinstance(value, str):
        raise ValueError("it should be a file in base64")
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not base64") from None


def _possible_page(value: str) -> str:
    name = value.strip().lower()
    measured = re.fullmatch(r"(\d{1,4}(?:\.\d{1,3})?)\s*[x×]\s*(\d{1,4}(?:\.\d{1,3})?)(?:\s*mm)?", name)
    if measured:
        if not all(10 <= float(side) <= LARGEST_SIDE_MM for side in measured.groups()):
            raise ValueError(f"its sides should be from 10 to {LARGEST_SIDE_MM:g} mm")
    elif name not in (*PAGE_SIZES, TIGHT):
        raise ValueError(f"it should be one of {', '.join(PAGE_SIZES)}, {TIGHT}, or width x height such as 110x220")
    return name


Colour = Annotated[str, Field(max_length=40), AfterValidator(_checked_colour)]
Step = Annotated[float, Field(ge=-LARGEST_STEP, le=LARGEST_STEP, allow_inf_nan=False)]


class HandwritingRequest(BaseModel):
    """A text to write, in which hand, on which page."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, json_schema_extra={"examples": [{"text": "Hello World", "hand": "7"}]}
    )

    text: str = Field(min_length=1, description="what to write; its line breaks are kept")
    hand: str | None = Field(
        None, max_length=200, description='a number such as "7", a mixture such as "3:0.7,41:0.3"; none: by the seed'
    )
    hand_file: Annotated[bytes, BeforeValidator(_decoded, json_schema_input_type=str)] | None = Field(
        None, description="instead of hand: the file of a learned hand in base64"
    )
    slant: Step = Field(0.0, description="more slanted than the hand, in standard deviations of people")
    joined: Step = Field(0.0, description="more joined")
    size: Step = Field(0.0, description="larger letters for their spaces")
    width: Step = Field(0.0, description="wider")
    bias: float = Field(
        DEFAULT_BIAS, ge=0, le=3, description="neatness: 0 as varied as people write, 1 natural, 2 neat, 3 very neat"
    )
    seed: int | None = Field(None, ge=0, lt=2**53, description="the same seed writes the same; none: any")
    tries: int | None = Field(
        None, ge=1, le=10, description="of a word that fails; none: 5, fewer while the lines of many others are written"
    )
    transliterate: bool = Field(False, description="Greek, Cyrillic, Armenian and Georgian in Latin letters")
    page: Annotated[str, Field(max_length=20), AfterValidator(_possible_page)] = Field(
        TIGHT, description=f"{', '.join(PAGE_SIZES)}, {TIGHT} (as large as the writing), or 110x220 in mm"
    )
    landscape: bool = Field(False, description="the page on its side")
    margin: float | None = Field(None, ge=0, le=200, description="mm on all sides")
    line_width: float | None = Field(None, ge=20, le=LARGEST_SIDE_MM, description="mm of a line on a tight page")
    x_height: float = Field(2.5, ge=0.5, le=50, description="mm, of a small letter")
    line_spacing: float | None = Field(None, ge=1, le=200, description="mm from line to line")
    align: Literal["left", "centre", "right"] = "left"
    ruling: Literal["ruled", "squared", "dotted", "seyes"] | None = Field(None, description="rules of the paper")
    ink: Colour = Field(INK, description="colour of the ink")
    paper: Colour | None = Field(None, description="colour of the paper; none: transparent")
    pen_width: float = Field(PEN_WIDTH_MM, ge=0.05, le=5, description="mm")
    dpi: int = Field(DEFAULT_DPI, ge=36, le=1200, description="of a PNG")
    number: int = Field(1, ge=1, description="which page, of a format that holds one: svg, animated-svg, png")
    density: bool = Field(False, description="in a stream: the density that each point was drawn from")
    format: Format | None = Field(None, description="what to answer with; none: what the Accept header asks for")

    def page_style(self) -> PageStyle:
        """The pages that are asked for."""
        tight = self.page == TIGHT
        margin = (TIGHT_MARGIN_MM if tight else MARGIN_MM) if self.margin is None else self.margin
        return PageStyle(
            self.page, self.landscape, margin, self.line_width if tight else None, self.x_height, self.line_spacing,
            self.align, ruling=self.ruling, ink=self.ink, pen_width_mm=self.pen_width,
        )  # fmt: skip

    def options(self) -> Options:
        """How files are written."""
        return Options(dpi=self.dpi, paper=self.paper)

    def check_picture(self, width_mm: float, height_mm: float) -> None:
        """Raises RequestError for a picture that would be too large."""
        if width_mm * height_mm * (self.dpi / 25.4) ** 2 > LARGEST_PICTURE:
            raise RequestError(
                f"dpi: a page of {width_mm:.0f} x {height_mm:.0f} mm with {self.dpi} dpi has more than "
                f"{LARGEST_PICTURE // 10**6} million pixels."
            )


def answered_format(asked: str | None, accept: str) -> str:
    """The format of the answer: the one that is asked for, or the first of the Accept header that there is.

    Raises:
        RequestError: the header allows none of them.
    """
    if asked is not None:
        return asked
    by_type: dict[str, str] = {}
    for name, media_type in MEDIA_TYPES.items():
        by_type.setdefault(media_type, name)
    ranges = []
    for k, part in enumerate(accept.split(",")[:50]):
        media, *parameters = (p.strip().lower() for p in part.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            ranges.append((-float(quality), k, media))
        except ValueError:
            ranges.append((-1.0, k, media))
    for quality, _, media in sorted(ranges):
        if quality == 0:
            continue
        if media in ("*/*", "application/*", ""):
            return "json"
        if media == "image/*":
            return "svg"
        if media in by_type:
            return by_type[media]
    raise RequestError(f"Accept: this server answers with {', '.join(by_type)}.", 406)
