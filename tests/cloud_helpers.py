"""Stand-ins for the cloud, on loopback: a storage emulator in a process of its own, a faulty line to it, and a server
that answers as Vertex AI and Cloud Logging do.
"""

import contextlib
import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUCKET, PROJECT, REGION = "scribe-test", "a-project", "europe-west4"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def storage_emulator(folder):
    """Starts the emulator; yields its port. It stores in memory; `folder` is the one that it works in."""
    port = free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "--data-dir", str(folder), "start", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--default-bucket", BUCKET, "--in-memory", "--quiet"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while True:
            assert process.poll() is None and time.monotonic() < end, "the storage emulator does not start"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def serving(handler):
    """Serves on a free port of loopback while the block runs; yields the server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle(self):
        with contextlib.suppress(ConnectionError):
            super().handle()


# ---------------------------------------------------------------------------------------------------- a faulty line


@contextlib.contextmanager
def faulty_line(port, plan):
    """A proxy in front of the emulator; yields its address and the list of requests that came, as (method, path).

    Args:
        port: of the emulator.
        plan: called with (method, path, headers) of every request; returns what goes wrong with it: None, "drop" (not
            passed on, no answer), "lose" (passed on, but no answer), a status such as 503, ("cut", n) (only n bytes of
            the answer), or "flip" (one bit of the answer is another).
    """
    requests = []

    class Line(_Quiet):
        def pass_on(self):
            data = self.body()
            requests.append((self.command, self.path))
            fault = plan(self.command, self.path, self.headers)
            if fault == "drop":
                self.close_connection = True
                return
            if isinstance(fault, int):
                self.answer(fault, [], b"{}")
                return
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            headers = {
                k: v for k, v in self.headers.items() if k.lower() not in ("transfer-encoding", "content-length")
            }
            headers["Content-Length"] = str(len(data))
            connection.request(self.command, self.path, data, headers)
            response = connection.getresponse()
            content = response.read()
            connection.close()
            if fault == "lose":
                self.close_connection = True
                return
            if fault == "flip" and content:
                middle = len(content) // 2
                content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            kept = [
                (k, v) for k, v in response.getheaders() if k.lower() not in ("content-length", "transfer-encoding")
            ]
            self.answer(response.status, kept, content, fault[1] if isinstance(fault, tuple) else None)

        def answer(self, status, headers, content, cut=None):
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("server", "date"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if cut is None else content[:cut])
            if cut is not None:
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

    with serving(Line) as server:
        yield f"http://127.0.0.1:{server.server_port}", requests


# --------------------------------------------------------------------------------------------- Vertex AI and its log


class VertexStandIn:
    """Answers the requests for custom jobs and for log entries.

    Requests for new jobs are read with the client library's own types, which refuse what Vertex AI does not know.

    Attributes:
        jobs: resource name -> job as JSON. states: what the next looks at a job find, one by one; the last one stays.
        entries: of the log. faults: what happens to the next requests: a status, or "drop". requests: (method, path).
    """

    def __init__(self):
        self.jobs, self.states, self.entries, self.faults, self.requests = {}, [], [], [], []
        self.on_look = lambda count: None
        self._looks = 0

    def add_job(self, job, number="1234567890123456789", **fields):
        name = f"projects/{PROJECT}/locations/{REGION}/customJobs/{number}"
        times = {"createTime": "2025-01-02T03:00:00Z"}
        self.jobs[name] = {**job, "name": name, "state": "JOB_STATE_PENDING", **times, **fields}
        return self.jobs[name]

    def say(self, *lines, start="2025-01-02T03:10:00", number="1234567890123456789"):
        for i, line in enumerate(lines):
            self.entries.append(
                {
                    "logName": f"projects/{PROJECT}/logs/workerpool0-0",
                    "resource": {"type": "ml_job", "labels": {"job_id": number}},
                    "timestamp": f"{start[:-2]}{i:02d}Z",
                    "insertId": f"{start}{i}",
                    "jsonPayload": {"message": line + "\n", "levelname": "ERROR"},
                }
            )

    @contextlib.contextmanager
    def serve(self, monkeypatch):
        stand_in = self

        class Handler(_Quiet):
            def answer(self):
                data = self.body()
                stand_in.requests.append((self.command, self.path))
                fault = stand_in.faults.pop(0) if stand_in.faults else None
                if fault == "drop":
                    self.close_connection = True
                    return
                status, content = (fault, _error(fault)) if fault else stand_in.respond(self.command, self.path, data)
                text = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = answer

        with serving(Handler) as server:
            address = f"http://127.0.0.1:{server.server_port}"
            monkeypatch.setenv("SCRIBE_VERTEX_ENDPOINT", address)
            monkeypatch.setenv("SCRIBE_LOGGING_ENDPOINT", address)
            yield address

    def respond(self, method, path, data):
        from google.cloud.aiplatform_v1.types import CustomJob

        path = path.split("?")[0]
        parent = f"/v1/projects/{PROJECT}/locations/{REGION}/customJobs"
        if method == "POST" and path == "/v2/entries:list":
            wanted = json.loads(data)
            since = re.search(r'timestamp>="([^"]+)"', wanted["filter"])
            number = re.search(r'job_id="([^"]+)"', wanted["filter"])[1]
            entries = [
                e
                for e in self.entries
                if e["resource"]["labels"]["job_id"] == number and (not since or e["timestamp"] >= since[1][:19])
            ]
            return 200, {"entries": entries}
        if method == "POST" and path == parent:
            job = CustomJob.from_json(data)
            pools = job.job_spec.worker_pool_specs
            if not job.display_name or not pools or pools[0].replica_count != 1:
                return 400, _error(400, "the first worker pool must have replica_count 1")
            for pool in pools:
                if not (pool.machine_spec.machine_type and ("python_package_spec" in pool or "container_spec" in pool)):
                    return 400, _error(400, "a worker pool needs a machine and something to run")
            return 200, self.add_job(json.loads(data))
        if method == "GET" and path == parent:
            return 200, {"customJobs": [self.look(job) for job in self.jobs.values()]}
        if method == "GET" and path.removeprefix("/v1/") in self.jobs:
            return 200, self.look(self.jobs[path.removeprefix("/v1/")])
        return 404, _error(404, f"{path} was not found")

    def look(self, job):
        if self.states:
            job["state"] = "JOB_STATE_" + (self.states.pop(0) if len(self.states) > 1 else self.states[0])
        self._looks += 1
        self.on_look(self._looks)
        return job


def _error(status, message="the service is out of order"):
    names = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
    return {"error": {"code": status, "message": message, "status": names.get(status, "UNAVAILABLE")}}
