"""Serves a page that writes while you watch, and an API, to browsers on this machine.

    python3 serve.py                       # then open the address that it prints
    python3 serve.py --port 8080 --open    # opens it by itself
    curl http://127.0.0.1:8000/api/handwriting --json '{"text": "Hello World", "format": "svg"}'

It takes what requirements-web.txt lists beside requirements.txt. Only this machine can reach it unless --host says
otherwise. Texts and hands of visitors are not logged, and nothing of them stays on disk. docs/SERVE.md has the rest.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import dataclasses
import logging
import socket
import sys
import webbrowser

from scribe.console import OneLineParser, SuiteError, UsageError, run_command
from scribe.web.limits import Limits
from utils import Logger

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--host", default="127.0.0.1", help="address to listen on (0.0.0.0: every machine may ask)")
    p.add_argument("--port", type=int, default=8000, help="port to listen on; 0: any that is free")
    p.add_argument(
        "--allowed_hosts", nargs="+", default=None, metavar="NAME",
        help="names under which it may be asked (default: those of this machine; with --host, any)",
    )  # fmt: skip
    p.add_argument("--open", action="store_true", help="open the page in a browser")
    p.add_argument("--save_path", default=None, help="checkpoint; as in sample.py")
    p.add_argument("--data_dir", default="data", help="folder with hands.npz and styles.p")
    p.add_argument("--no_proofread", action="store_true", help="do without the recogniser, as sample.py")
    g = p.add_argument_group("limits")
    g.add_argument("--max_characters", type=int, default=Limits.characters, help="most characters of a text")
    g.add_argument("--max_lines", type=int, default=Limits.lines, help="most lines of a text")
    g.add_argument("--max_waiting", type=int, default=Limits.waiting, help="most lines that wait, of all clients")
    g.add_argument("--max_seconds", type=float, default=Limits.seconds, help="most seconds that a text may take")
    args = p.parse_args(argv)
    if not 0 <= args.port <= 65535:
        p.error(f"--port is {args.port}: it has to be from 0 to 65535")
    for name in ("max_characters", "max_lines", "max_waiting", "max_seconds"):
        if not getattr(args, name) > 0:
            p.error(f"--{name} is {getattr(args, name)}: it has to be more than 0")
    return args


def main(argv: list[str] | None = None) -> int:
    args, logger = parse_args(argv), Logger()
    return run_command(lambda: serve(args, logger), logger.write)


def serve(args, logger):
    """Serves until it is stopped; returns the exit code."""
    try:
        from scribe.web.app import create_app
        from scribe.web.running import run
    except ModuleNotFoundError as error:
        raise SuiteError(f"{error.name} is missing: pip install -r requirements-web.txt") from None
    listening = listen(args.host, args.port)
    # Late, so that a port that is taken is told at once.
    from model import load_model
    from scribe.hands.catalogue import Catalogue, find_catalogue, load_catalogue
    from scribe.network.checkpoint import find_checkpoint
    from scribe.network.tf_setup import one_thread_per_operation
    from scribe.writing.recogniser import load_recogniser
    from scribe.writing.styles import load_styles

    one_thread_per_operation()
    model = load_model(find_checkpoint(args.save_path))
    if not model.config.alphabet:
        raise UsageError("this is a prediction network, which writes no text: name another one with --save_path.")
    hands = find_catalogue(args.data_dir, model.hand_size, logger.write)
    catalogue = load_catalogue(hands) if hands else Catalogue([], {})
    others = load_styles(args.data_dir, model.config.data_scale) if hands else []
    limits = dataclasses.replace(
        Limits(), characters=args.max_characters, lines=args.max_lines, waiting=args.max_waiting,
        seconds=args.max_seconds,
    )  # fmt: skip
    hosts = args.allowed_hosts or (LOOPBACK if args.host in LOOPBACK else ())
    recogniser = None if args.no_proofread else load_recogniser()
    app = create_app(model, recogniser, catalogue, others, limits, hosts)

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    address = address_of(listening)
    print(address, flush=True)
    logger.write(f"Scribe writes at {address}; Ctrl-C stops it. The API: {address}docs")
    if args.open:
        webbrowser.open(address)
    run(app, listening)
    logger.write("Stopped.")
    return 0


def listen(host, port):
    """A socket that listens. Raises SuiteError with what to do where it cannot."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(512)
        return listening
    except OSError as error:
        raise SuiteError(f"cannot listen on {host}, port {port} ({error.strerror}): try another --port.") from None


def address_of(listening):
    """The address of the page."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}/"


if __name__ == "__main__":
    sys.exit(main())
