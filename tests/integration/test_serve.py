"""The server as a program: whatever is asked of it, it has an answer; it starts, says where it is, and stops."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

pytest.importorskip("fastapi", reason="the server takes requirements-web.txt")
schemathesis = pytest.importorskip("schemathesis")

import serve  # noqa: E402
from model_helpers import save_tiny_model  # noqa: E402
from scribe.console import SuiteError  # noqa: E402
from web_helpers import make_app  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def served(app):
    """The address of an application that is served in a thread."""
    import uvicorn

    listening = serve.listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield serve.address_of(listening)
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    from model import load_model

    model = load_model(save_tiny_model(tmp_path_factory.mktemp("saved")))
    with served(make_app(model, seconds=20)) as address:
        yield address


@pytest.mark.slow
def test_no_request_is_answered_with_a_mistake_of_the_server(address):
    """Requests that the description of the API allows, and such as it does not."""
    for found in schemathesis.openapi.from_url(f"{address}openapi.json").get_all_operations():

        @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=found.ok().as_strategy())
        def ask(case):
            status = case.call(timeout=60).status_code
            assert status < 500 or status == 503  # too much waits

        ask()


def test_many_clients_at_once_are_all_answered_and_nothing_is_left(address):
    answers = []

    def client(number):
        for k in range(6):
            asked = {"text": f"line {k} of {number}", "seed": k, "tries": 1, "format": ("stream", "svg", "json")[k % 3]}
            if k == 4:
                asked["bias"] = -1
            request = urllib.request.Request(
                f"{address}api/handwriting", json.dumps(asked).encode(), {"Content-Type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    answers.append((answer.status, bool(answer.read())))
            except urllib.error.HTTPError as error:
                answers.append((error.code, bool(error.read())))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [(200, True)] * 80 + [(422, True)] * 16
    with urllib.request.urlopen(f"{address}health") as answer:
        assert json.load(answer) == {"status": "ok", "waiting": 0, "writing": 0}


def test_a_client_that_goes_away_frees_its_place(address):
    asked = json.dumps({"text": "\n".join(["a long line of many words to write"] * 50), "format": "stream"}).encode()
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /api/handwriting HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(asked)}\r\n\r\n".encode() + asked)
        received = b""
        while b"event: begin" not in received:
            piece = connection.recv(100_000)
            assert piece, received
            received += piece
    ends = time.monotonic() + 20
    left = {}
    while time.monotonic() < ends:
        with urllib.request.urlopen(f"{address}health") as answer:
            left = json.load(answer)
        if not left["waiting"] + left["writing"]:
            return
        time.sleep(0.05)
    raise AssertionError(left)


def test_a_port_that_is_taken_is_told_before_anything_is_loaded():
    with contextlib.closing(serve.listen("127.0.0.1", 0)) as taken, pytest.raises(SuiteError, match="another --port"):
        serve.listen("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize("flags", [["--port", "70000"], ["--max_lines", "0"], ["--max_seconds", "-1"], ["--nothing"]])
def test_flags_that_make_no_sense_are_wrong_usage(flags, capsys):
    with pytest.raises(SystemExit) as ended:
        serve.main(flags)
    assert ended.value.code == 2 and capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_where_it_is_and_stops_in_an_orderly_way(tmp_path, stop):
    prefix = save_tiny_model(tmp_path)
    command = [sys.executable, str(ROOT / "serve.py"), "--port", "0", "--save_path", prefix, "--no_proofread"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    address = process.stdout.readline().strip()
    with urllib.request.urlopen(f"{address}health", timeout=60) as answer:
        assert json.load(answer)["status"] == "ok"
    process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0 and "Stopped." in said and "Traceback" not in said
