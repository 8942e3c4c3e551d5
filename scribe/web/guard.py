"""What stands before all routes: whose requests are answered, how large they may be, and the headers of all answers."""

import asyncio
import json
from urllib.parse import urlsplit

from scribe.web.limits import Limits

BODY_SECONDS = 30.0  # in which a request has to be there
DIGITS = 20  # of the length of a body
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
UPLOADS = "multipart/form-data"


class Guard:
    """ASGI middleware.

    Args:
        app: what it stands before. limits: of bodies.
        hosts: names under which the server may be asked; empty: any. A page of somebody else can reach a server on
            this machine through a name of its own that leads here, but not under these.
    """

    def __init__(self, app, limits: Limits, hosts: tuple[str, ...] = ()):
        self.app, self.limits = app, limits
        # As `urlsplit` gives the name in a request: in lower case, the address of IPv6 without its brackets.
        self.hosts = {host.lower().strip("[]") for host in hosts}

    async def __call__(self, scope, receive, send):
        """Answers a request, or hands it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}

        async def answer(message):
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                there = {name.lower() for name, _ in message["headers"]}
                if b"cache-control" not in there:
                    own.append((b"cache-control", b"no-store" if scope["path"].startswith("/api") else b"no-cache"))
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        problem = self._refused(scope, headers)
        body = b""
        if problem is None and scope["method"] in ("POST", "PUT", "PATCH"):
            upload = headers.get("content-type", "").startswith(UPLOADS)
            body, problem = await self._body(receive, headers, self.limits.upload if upload else self.limits.body)
        if problem is not None:
            await _refuse(answer, *problem)
            return
        sent = False

        async def replay():
            nonlocal sent
            if not sent and scope["method"] in ("POST", "PUT", "PATCH"):
                sent = True
                return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        await self.app(scope, replay, answer)

    def _refused(self, scope, headers):
        """(status, message) for a request that is not for this server, or that another site's page sends."""
        host = headers.get("host", "")
        if self.hosts and _part(f"//{host}", "hostname") not in self.hosts:
            return 421, "this server is not asked for under this name: see --allowed_hosts."
        if scope["method"] not in ("GET", "HEAD"):
            origin = headers.get("origin")
            foreign = origin is not None and _part(origin, "netloc") != host
            if foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
                return 403, "pages of other sites may not ask this server."
        return None

    @staticmethod
    async def _body(receive, headers, limit):
        """(the body of a request, None), or (b"", (status, message)) where it is too large or does not come."""
        too_large = 413, f"the request has more than {limit:,} bytes."
        length = headers.get("content-length", "")
        if len(length) > DIGITS or (length.isdecimal() and int(length) > limit):
            return b"", too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return b"", (400, "the request ended before its body was there.")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > limit:
                        return b"", too_large
                    if not message.get("more_body"):
                        return b"".join(parts), None
        except TimeoutError:
            return b"", (408, "the request did not come in time.")


def _part(url, name):
    """A part of a URL by the name that `urlsplit` gives it; None of one that is none."""
    try:
        return getattr(urlsplit(url), name)
    except ValueError:
        return None


async def _refuse(send, status, message):
    content = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": content})
