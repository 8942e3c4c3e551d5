"""The web application: the page, and the API behind it. See docs/SERVE.md.

app = create_app(model, recogniser, catalogue, others=load_styles("data", scale))
uvicorn.run(app)
"""

import asyncio
import base64
import contextlib
import logging
import os
import random
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from scribe.hands.catalogue import Catalogue
from scribe.hands.hand import hand_bytes
from scribe.pages import formats
from scribe.web.engine import Engine
from scribe.web.gallery import Gallery
from scribe.web.guard import Guard
from scribe.web.limits import Limits, RequestError
from scribe.web.manuscript import Manuscript
from scribe.web.own_hand import Teacher
from scribe.web.requests import MEDIA_TYPES, HandwritingRequest, answered_format
from scribe.web.stream import error_event, event, stream, written_lines
from scribe.web.visitors import Hands
from scribe.writing.lines import Style
from scribe.writing.proofread import DEFAULT_ATTEMPTS

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")
LARGEST_SEED = 2**24  # of those that are drawn: small enough to be typed
NORMAL = Limits()
log = logging.getLogger("scribe.web")

_ERRORS: dict[int | str, dict[str, Any]] = {
    422: {"description": "the request is not possible; `error` says why"},
    413: {"description": "the request is too large"},
    429: {"description": "too many lines of this address wait"},
    503: {"description": "too much waits; Retry-After says when to try again"},
}
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {media: {} for media in MEDIA_TYPES.values()}, "description": "the handwriting"},
    406: {"description": "none of the formats in Accept is known"},
    409: {"description": "the server does not have the hand of this digest any more: send its file"},
}


class Server:
    """What the routes share.

    Args:
        model: a HandwritingModel. recogniser: a `Recogniser`. catalogue: hands to choose from. others: lines in other
            hands, for learning. limits: of everything.
    """

    def __init__(self, model, recogniser, catalogue: Catalogue, others: list[Style], limits: Limits):
        self.model, self.limits = model, limits
        self.engine = Engine(model, recogniser, limits)
        self.hands = Hands(catalogue, model, limits)
        self.gallery = Gallery(catalogue, self.engine)
        self.teacher = Teacher(model, recogniser, others, limits)
        self._drawing = asyncio.Semaphore(1)  # Matplotlib draws one picture at a time

    def close(self) -> None:
        """Ends the threads."""
        self.engine.close()
        self.teacher.close()

    def manuscript(self, request: HandwritingRequest, live: bool):
        """(hand, Manuscript) of a request."""
        if len(request.text) > self.limits.characters:
            raise RequestError(
                f"text: it has {len(request.text):,} characters, and {self.limits.characters:,} are allowed."
            )
        seed = random.randrange(LARGEST_SEED) if request.seed is None else request.seed
        hand = self.hands.choose(request, seed)
        usual = self.engine.usual_tries()
        manuscript = Manuscript(request, hand, seed, self.model, self.limits, live, request.tries or usual)
        if request.tries is None and usual < DEFAULT_ATTEMPTS:
            manuscript.remarks.append("Many are writing at the moment: words that fail are written again less often.")
        return hand, manuscript

    async def live(self, request: HandwritingRequest, client: str):
        """The events of a text, see scribe/web/stream.py."""
        hand, manuscript = await asyncio.to_thread(self.manuscript, request, True)
        order = self.engine.submit(manuscript.specs, client)

        async def events():
            try:
                async with asyncio.timeout(self.limits.seconds):
                    async for part in stream(
                        manuscript, order, hand, request, self.gallery.heights.get(hand.key), self.gallery.measured
                    ):
                        yield part
            except TimeoutError:
                yield error_event(RequestError("it took too long: write less at a time.", 503))
            except RequestError as error:
                yield error_event(error)
            finally:
                self.engine.cancel(order)

        return events()

    async def file(self, request: HandwritingRequest, format: str, client: str):
        """(content, headers) of a text as a file."""
        hand, manuscript = await asyncio.to_thread(self.manuscript, request, False)
        order = self.engine.submit(manuscript.specs, client)
        try:
            async with asyncio.timeout(self.limits.seconds):
                ended = await written_lines(order)
                lines = dict(zip(manuscript.writes, [e.written for e in ended], strict=True))
                pages = await asyncio.to_thread(
                    lambda: manuscript.pages(
                        [manuscript.segment(k, lines.get(k)) for k in range(len(manuscript.texts))]
                    )
                )
                count = len(pages)
                if formats.FORMATS[format][1]:
                    if request.number > count:
                        raise RequestError(f"number: there {'is 1 page' if count == 1 else f'are {count} pages'}.")
                    pages = pages[request.number - 1 : request.number]
                if format == "png":
                    request.check_picture(pages[0].width_mm, pages[0].height_mm)
                async with self._drawing if format in ("png", "pdf") else contextlib.nullcontext():
                    content = await asyncio.to_thread(formats.encode, pages, format, request.options())
        except TimeoutError:
            raise RequestError("it took too long: write less at a time.", 503, 10) from None
        finally:
            self.engine.cancel(order)
        faulty = sum(bool(e.failures) for e in ended)
        return content, {
            "X-Seed": str(manuscript.seed),
            "X-Hand": hand.name,
            "X-Tries": str(manuscript.tries),
            "X-Pages": str(count),
            "X-Lines-With-Failures": str(faulty),
        }

    async def learned(self, content: bytes, name: str, text: str | None, sort: bool, practise: bool):
        """The events of learning a hand: read, step, learned."""
        self.teacher.take_place()
        loop, steps, gone = asyncio.get_running_loop(), asyncio.Queue(), False
        try:
            lines, notes = await asyncio.wrap_future(
                self.teacher.submit(lambda: self.teacher.read(content, text, sort))
            )
            yield "read", {"lines": [line for _, line in lines], "remarks": notes}

            def report(*step):
                if gone:
                    raise RequestError("the visitor has gone.", 503)
                loop.call_soon_threadsafe(steps.put_nowait, step)

            work = self.teacher.submit(lambda: self.teacher.teach(lines, name, practise, report))
            done = asyncio.wrap_future(work)
            while not done.done():
                waiting = asyncio.create_task(steps.get())
                await asyncio.wait({waiting, done}, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    step, of = waiting.result()
                    yield "step", {"step": step, "steps": of}
                else:
                    waiting.cancel()
            hand = await done
            file = hand_bytes(hand)
            yield (
                "learned",
                {
                    "hand": self.hands.keep(file).name,
                    "name": hand.name,
                    "characters": "".join(sorted(hand.glyphs)),
                    "notice": hand.notice,
                    "file": base64.b64encode(file).decode(),
                },
            )
        finally:
            gone = True
            self.teacher.leave_place()


def create_app(
    model, recogniser, catalogue: Catalogue, others: list[Style] = (), limits: Limits = NORMAL, hosts=()
) -> FastAPI:
    """The application.

    Args:
        model, recogniser, catalogue, others, limits: as `Server`.
        hosts: names under which it may be asked; none: any.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app):
        server = app.state.server = Server(model, recogniser, catalogue, others, limits)
        server.gallery.begin()
        try:
            yield
        finally:
            await asyncio.to_thread(server.close)

    app = FastAPI(
        title="Scribe",
        summary="Handwriting from text, stroke by stroke",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Guard, limits=limits, hosts=tuple(hosts))
    _add_errors(app)
    _add_routes(app)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    return app


def _add_errors(app):
    @app.exception_handler(RequestError)
    async def refused(request, error):
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return JSONResponse({"error": str(error)}, error.status, headers)

    @app.exception_handler(RequestValidationError)
    async def wrong(request, error):
        # What was sent is not told back: it may be somebody's text.
        reasons = []
        for one in error.errors()[:5]:
            place = ".".join(str(part) for part in one["loc"] if part != "body")
            reason = one["msg"].removeprefix("Value error, ")
            reasons.append(f"{place}: {reason}" if place else reason)
        return JSONResponse({"error": "; ".join(reasons)}, 422)

    @app.exception_handler(HTTPException)
    async def not_there(request, error):
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def broken(request, error):
        log.error("A request failed", exc_info=error)
        return JSONResponse({"error": "the server made a mistake; its log says which."}, 500)


def _client(request):
    return request.client.host if request.client else ""


def _add_routes(app):
    @app.get("/", include_in_schema=False)
    async def page():
        return FileResponse(os.path.join(PAGE, "index.html"))

    @app.get("/docs", include_in_schema=False)
    async def documentation():
        return FileResponse(os.path.join(PAGE, "api.html"))

    @app.get("/health")
    async def health(request: Request) -> dict[str, Any]:
        """Whether the server is there, and how many lines wait."""
        server: Server = request.app.state.server
        return {"status": "ok", **server.engine.load()}

    @app.get("/api/limits")
    async def limits(request: Request) -> dict[str, Any]:
        """What one request may ask for."""
        allowed: Limits = request.app.state.server.limits
        return {
            "characters": allowed.characters, "lines": allowed.lines, "bytes": allowed.body,
            "upload_bytes": allowed.upload, "seconds": allowed.seconds,
        }  # fmt: skip

    @app.post("/api/handwriting", response_class=Response, responses={**_FILES, **_ERRORS})
    async def handwriting(request: Request, asked: HandwritingRequest):
        """Writes a text: as strokes (JSON, InkML), as a picture (SVG, PNG), as a document (PDF), or as a stream."""
        server: Server = request.app.state.server
        format = answered_format(asked.format, request.headers.get("accept", "*/*"))
        if format == "stream":
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            return StreamingResponse(await server.live(asked, _client(request)), 200, headers, MEDIA_TYPES["stream"])
        content, headers = await server.file(asked, format, _client(request))
        name = f"handwriting{formats.FORMATS[format][0]}"
        headers["Content-Disposition"] = f'inline; filename="{name}"'
        return Response(content, 200, headers, MEDIA_TYPES[format])

    @app.get("/api/hands")
    async def hands(request: Request) -> dict[str, Any]:
        """The hands to choose from, each with a picture: an SVG path and its box."""
        server: Server = request.app.state.server
        return {"hands": await server.gallery.pictures(), "directions": list(server.hands.catalogue.directions)}

    @app.post("/api/hands", responses=_ERRORS)
    async def learn(
        request: Request,
        file: Annotated[UploadFile, File(description="a recording: InkML, SVG and what else sample.py reads")],
        consent: Annotated[bool, Form(description="it is your own hand, or that of a person who has agreed")],
        name: Annotated[str, Form(min_length=1, max_length=60, description="what to call the hand")] = "me",
        text: Annotated[
            str | None, Form(max_length=2000, description="what is written in it, if it does not say")
        ] = None,
        sort: Annotated[bool, Form(description="its strokes are not in the order of writing")] = False,
        practise: Annotated[bool, Form(description="about a minute of training, instead of reading alone")] = False,
    ):
        """Learns a hand from a recording. The answer holds its file, which the server does not keep."""
        server: Server = request.app.state.server
        if not consent:
            raise RequestError("consent: only your own hand, or that of a person who has agreed.")
        learned = server.learned(await file.read(), name, text, sort, practise)
        first = await anext(learned)  # errors of the recording come before the answer begins
        if answered_format(None, request.headers.get("accept", "*/*")) != "stream":
            found = {**first[1]}
            async for kind, content in learned:
                found |= content if kind == "learned" else {}
            return found

        async def events():
            try:
                yield event(first[0], **first[1])
                async for kind, content in learned:
                    yield event(kind, **content)
            except RequestError as error:
                yield error_event(error)

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(events(), 200, headers, MEDIA_TYPES["stream"])
