"""What the server allows, and how it says no."""

import dataclasses

from scribe.console import SuiteError


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of what one request may ask for, and of what waits at a time.

    Attributes:
        characters, lines: of a text.
        body: bytes of a request; upload: of one that brings a recording.
        waiting: lines that wait for a row of the network, all clients together; client_share: the share of them that
            one address may hold, at least one line.
        seconds: that a text may take to be written, the waiting included.
        visitors: hands of visitors that are kept in memory, never on disk; visitor_seconds: for how long since the last
            use.
        learning: visitors' hands that are learned or wait to be.
        rows: lines that are written at a time.
        cache: bytes of lines that have been written, to go on from.
    """

    characters: int = 2000
    lines: int = 60
    body: int = 2 << 20
    upload: int = 8 << 20
    waiting: int = 400
    client_share: float = 0.5
    seconds: float = 90.0
    visitors: int = 64
    visitor_seconds: float = 3600.0
    learning: int = 3
    rows: int = 32
    cache: int = 96 << 20


class RequestError(SuiteError):
    """A request that cannot be done; the message says why.

    Attributes:
        status: of the answer, 4xx, or 503 where it can be done later.
        retry_after: seconds after which to try again; None where that would not help.
    """

    def __init__(self, message: str, status: int = 422, retry_after: int | None = None):
        super().__init__(message)
        self.status, self.retry_after = status, retry_after
