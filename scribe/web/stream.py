"""A text as a stream of events while it is written (server-sent events), see docs/SERVE.md.

begin    what is written: seed, hand, page, the lines, remarks
ink      further points of a line: offsets, pen lifts, characters
failed   an attempt at a line failed, and why; another one goes on from its first faulty word, up to its last one
ended    a line is done
layout   where all points of the lines that are done stand on their pages
done     all is written
error    it could not be; the stream ends
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np

from scribe.ink.measure import measure_line
from scribe.pages.page import PEN_WIDTH_MM
from scribe.web.limits import RequestError
from scribe.web.manuscript import Manuscript, placed_segments, provisional_unit_mm
from scribe.web.orders import Ended, Failed, Ink, Order
from scribe.web.visitors import ChosenHand
from scribe.writing.lines import Line

RAW_STEPS = 1000  # in a unit of the network; a point is told in whole steps
MM_STEPS = 100
LAYOUT_SECONDS = 0.7  # between two layouts of a text that is not done


def event(name: str, /, **content: Any) -> bytes:
    """A server-sent event."""
    return f"event: {name}\ndata: {json.dumps(content, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


async def written_lines(order: Order) -> list[Ended]:
    """Waits until all lines of an order are done; returns them in their order."""
    ended: dict[int, Ended] = {}
    async for events in order.events():
        ended |= {e.line: e for e in events if isinstance(e, Ended)}
    return [ended[k] for k in range(len(order.specs))]


async def stream(
    manuscript: Manuscript,
    order: Order,
    hand: ChosenHand,
    request: Any,
    x_height: float | None,
    measured: Callable[[str, float], None],
) -> AsyncIterator[bytes]:
    """The events of a text.

    Args:
        manuscript: what is written. order: its lines. hand: whose. request: the `HandwritingRequest`.
        x_height: of the hand, in units of the network; None: not known yet. measured: is told of it.
    """
    yield _begin(manuscript, hand, request, x_height)
    lines: dict[int, Line | None] = {k: None for k in range(len(manuscript.texts)) if k not in manuscript.writes}
    segments: dict[int, Any] = {}
    laid_out, last = 0, time.monotonic() - LAYOUT_SECONDS
    left = len(manuscript.specs)
    if not left:
        yield await asyncio.to_thread(_layout, manuscript, lines, segments, len(lines), request.density)
    async for events in order.events():
        parts = []
        for told in events:
            number = manuscript.writes[told.line]
            if isinstance(told, Ink):
                parts.append(_ink(told, number, manuscript, request.density))
            elif isinstance(told, Failed):
                composition = manuscript.compositions[number]
                content = {"start": told.stays, "character": int(composition.places[told.word])}
                content["reasons"] = _reasons(told.failures, composition)
                if told.until is not None:
                    content["until"] = int(composition.places[told.until])
                if told.rest is not None:
                    content["rest"] = told.rest
                parts.append(event("failed", line=number, attempt=told.attempt, **content))
            elif isinstance(told, Ended):
                lines[number] = told.written
                left -= 1
                reasons = _reasons(told.failures, manuscript.compositions[number])
                parts.append(event("ended", line=number, kept=told.kept, attempts=told.attempts, failures=reasons))
                if x_height is None:
                    _measure(told.written, hand, measured)
        yield b"".join(parts)
        there = next((k for k in range(len(manuscript.texts)) if k not in lines), len(manuscript.texts))
        if there > laid_out and (not left or time.monotonic() - last > LAYOUT_SECONDS):
            yield await asyncio.to_thread(_layout, manuscript, lines, segments, there, request.density)
            laid_out, last = there, time.monotonic()
    yield event("done")


def _reasons(failures, composition):
    """In words what is wrong with what the network wrote of a text."""
    return [failure.placed(composition.places).describe(composition.text) for failure in failures]


def _begin(manuscript, hand, request, x_height):
    style = manuscript.style
    size = style.page_size()
    return event(
        "begin",
        seed=manuscript.seed,
        hand={"id": hand.name, "label": hand.label},
        bias=request.bias,
        tries=manuscript.tries,
        page={
            "size": size,
            "margins": style.margins(),
            "width": style.text_width() if np.isfinite(style.text_width()) else None,
            "baseline": manuscript.first_baseline_mm(),
            "pitch": style.pitch(),
            "x_height": style.x_height_mm,
            "pen_width": style.pen_width_mm or PEN_WIDTH_MM,
            "ink": request.ink,
        },
        unit=provisional_unit_mm(style, x_height, manuscript.model.config.data_scale),
        lines=[
            {"text": text, "paragraph": paragraph, "indent": round(indent, 2)}
            for text, paragraph, indent in zip(
                manuscript.texts, manuscript.paragraphs, manuscript.indents(), strict=True
            )
        ],
        remarks=manuscript.remarks,
    )


def _ink(told, number, manuscript, density):
    places = manuscript.compositions[number].places
    points = np.round(told.points[:, :2] * RAW_STEPS).astype(int)
    rows = np.column_stack([points, told.points[:, 5] > 0.5, places[told.characters]]).ravel().tolist()
    content = {"line": number, "attempt": told.attempt, "start": told.start, "points": rows}
    if density:
        content["density"] = np.round(told.points[:, 2:5] * RAW_STEPS).astype(int).ravel().tolist()
    if told.rest is not None:
        content["rest"] = told.rest
    return event("ink", **content)


def _measure(line, hand, measured):
    """Tells the x-height of a hand that a line is in."""
    metrics = measure_line(line.strokes, line.text, line.phis.argmax(axis=1))
    if metrics.x_height:
        measured(hand.key, metrics.x_height)


def _layout(manuscript, lines, segments, count, density):
    """The event that says where the first `count` lines stand; `segments` keeps what has been made of them."""
    for number in range(count):
        if number not in segments:
            segments[number] = manuscript.segment(number, lines[number])
    chosen = [segments[number] for number in range(count)]
    pages = manuscript.pages(chosen)
    told = []
    for number, placed in enumerate(placed_segments(pages, chosen)):
        xy = np.round(placed.points[:, :2] * MM_STEPS).astype(int)
        steps = np.diff(xy, axis=0, prepend=0)
        rows = np.column_stack([steps, placed.points[:, 2] > 0.5, placed.characters]).ravel().tolist()
        turns = np.flatnonzero(np.diff(placed.pages, prepend=-1))
        content = {
            "line": number,
            "points": rows,
            "pages": [[int(k), int(placed.pages[k])] for k in turns],
            "exact": placed.exact,
        }
        told.append(content)
    sheets = [
        {
            "width": round(page.width_mm, 2),
            "height": round(page.height_mm, 2),
            "baselines": [round(line.baseline_mm, 2) for line in page.lines],
            "rules": [[round(v, 2) for v in (r.x1, r.y1, r.x2, r.y2, r.width_mm)] + [r.colour] for r in page.rules],
        }
        for page in pages
    ]
    return event("layout", complete=count == len(manuscript.texts), pages=sheets, lines=told)


def error_event(error: RequestError) -> bytes:
    """The last event of a stream that could not go on."""
    return event("error", message=str(error), status=error.status)
