"""Runs the application until a signal stops it, in an orderly way."""

import contextlib
import signal
import socket
import sys
import threading

import uvicorn
from fastapi import FastAPI

GRACE_SECONDS = 5.0  # that answers on their way may take once the server is to stop
LAST_SECONDS = 3  # and then to say that it stops
SWITCH_SECONDS = 0.0005  # that a thread may keep the interpreter while the one that writes wants it


def run(app: FastAPI, listening: socket.socket) -> None:
    """Serves an application of `create_app` on a socket that listens, until SIGINT or SIGTERM.

    There is no access log: it would hold who asked when.
    """
    config = uvicorn.Config(
        app, access_log=False, log_level="warning", server_header=False, limit_concurrency=1000,
        timeout_keep_alive=30, timeout_graceful_shutdown=int(GRACE_SECONDS) + LAST_SECONDS,
    )  # fmt: skip
    # After an orderly stop uvicorn raises the signal again, which shall not end the process a second time.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    sys.setswitchinterval(SWITCH_SECONDS)
    _Server(config, app).run([listening])


class _Server(uvicorn.Server):
    """Ends what is still being written when the time for answers on their way is over: they say so and end."""

    def __init__(self, config, app):
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig, frame):
        """Called for a signal."""
        super().handle_exit(sig, frame)
        with contextlib.suppress(AttributeError):  # it has not begun yet
            ending = threading.Timer(GRACE_SECONDS, self._app.state.server.close)
            ending.daemon = True
            ending.start()
