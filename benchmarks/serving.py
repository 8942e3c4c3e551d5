"""How fast the server answers: first ink, many clients at once, and whether it stays as it is for thousands of lines.

    python3 benchmarks/serving.py                          # starts a server of its own
    python3 benchmarks/serving.py --lines 10000            # and sends it so many lines, bad requests among them
    python3 benchmarks/serving.py --browser                # first ink in Chromium, from the key press

It prints a table in Markdown. A machine that does something else gives other figures.
"""

import argparse
import concurrent.futures
import json
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINE = "it was a dark and stormy night"  # 30 characters
BAD = ({"text": ""}, {"text": "a", "bias": -1}, {"seed": 1}, {"text": "你好"}, {"text": "a", "hand": "9999"}, ["text"])
SECONDS = 30  # of each load


def ask(address, asked, timeout=120):
    """(status, seconds to the first ink or None, seconds to the end, attempts) of a request; the status is 0 where the
    answer has no end."""
    body = json.dumps(asked).encode()
    request = urllib.request.Request(address + "api/handwriting", body, {"Content-Type": "application/json"})
    start, first, attempts = time.perf_counter(), None, 1
    whole = not isinstance(asked, dict) or asked.get("format") != "stream"
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            for line in answer:
                if first is None and line.startswith(b"event: ink"):
                    first = time.perf_counter() - start
                attempts += line.startswith(b"event: failed")
                whole |= line.startswith(b"event: done")
            status = answer.status if whole else 0
    except urllib.error.HTTPError as error:
        error.read()
        status = error.code
    except OSError:
        status = 0
    return status, first, time.perf_counter() - start, attempts


def stream_of(text, seed):
    return {"text": text, "seed": seed, "hand": str(seed % 112), "format": "stream"}


def first_ink(address, times=20):
    """Seconds from a request to its first ink, at an idle server."""
    found = []
    for seed in range(times):
        found.append(ask(address, stream_of("Hello World", 5000 + seed))[1])
        time.sleep(0.2)
    return found


def load(address, clients, seconds=SECONDS):
    """What so many clients get that ask for one line after the other.

    Returns:
        lines a second, attempts a second, the waits of each client.
    """
    ends = time.perf_counter() + seconds

    def client(number):
        waits, attempts, draw = [], 0, random.Random(1000 * clients + number)
        while time.perf_counter() < ends:
            status, _, whole, tried = ask(address, stream_of(LINE, draw.randrange(2**24)))
            assert status == 200, status
            waits.append(whole)
            attempts += tried
        return waits, attempts

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        waits, attempts = zip(*pool.map(client, range(clients)), strict=True)
    took = time.perf_counter() - start
    return sum(map(len, waits)) / took, sum(attempts) / took, waits


def many(address, lines, process, first=0):
    """Sends so many short lines from number `first` on, a tenth of the requests bad.

    Returns:
        answers by status, memory in MiB now and then.
    """
    statuses, memory = {}, []

    def one(number):
        if number % 10 == 0:
            return ask(address, BAD[number // 10 % len(BAD)])[0]
        format = ("stream", "svg", "json")[number % 3]
        text = " ".join(random.Random(number).choices(LINE.split(), k=2))
        return ask(address, {**stream_of(text, number), "format": format})[0]

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        for number, status in enumerate(pool.map(one, range(first, first + lines))):
            statuses[status] = statuses.get(status, 0) + 1
            if number % max(lines // 10, 1) == 0:
                memory.append(resident(process.pid))
    memory.append(resident(process.pid))
    return statuses, memory


def resident(pid):
    """MiB of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    return 0


def first_ink_in_browser(address, times=20):
    """Seconds from the event of a key to ink on the canvas."""
    from playwright.sync_api import sync_playwright

    chromium = next(path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)))
    found = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector(".tile svg path", timeout=120_000)
        for seed in range(times):
            page.fill("#text", "")
            page.fill("#seed", str(7000 + seed))
            page.wait_for_timeout(400)
            page.evaluate("performance.clearMarks()")
            page.fill("#text", "Hello World")
            page.wait_for_function("() => performance.getEntriesByName('scribe-ink').length", timeout=60_000)
            found.append(
                page.evaluate(
                    "(performance.getEntriesByName('scribe-ink')[0].startTime"
                    " - performance.getEntriesByName('scribe-key')[0].startTime) / 1000"
                )
            )
            page.wait_for_timeout(600)
        browser.close()
    return found


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--clients", type=int, nargs="*", default=[1, 8, 32], help="numbers of clients at once")
    p.add_argument("--seconds", type=float, default=SECONDS, help="of each load")
    p.add_argument("--lines", type=int, default=0, help="lines of the long run")
    p.add_argument("--browser", action="store_true", help="measure the first ink in Chromium, too")
    args = p.parse_args(argv)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "serve.py"), "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().strip()
        urllib.request.urlopen(address + "api/hands", timeout=300).read()  # it is warm when the pictures are there
        time.sleep(2)
        measure(address, process, args)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return 0


def measure(address, process, args):
    """Prints the table."""
    print("| what | figure |\n|---|---|")
    inks = first_ink(address)
    said = f"median {statistics.median(inks):.3f} s, most {max(inks):.3f} s"
    print(f"| first ink of Hello World, request to event | {said} |", flush=True)
    if args.browser:
        inks = first_ink_in_browser(address)
        said = f"median {statistics.median(inks):.3f} s, most {max(inks):.3f} s"
        print(f"| first ink of Hello World, key press to canvas | {said} |")
    alone = None
    for clients in args.clients:
        rate, attempts, waits = load(address, clients, args.seconds)
        alone = alone or (rate, attempts)
        every = sorted(wait for some in waits for wait in some)
        means = [statistics.mean(some) for some in waits]
        said = f"{rate:.2f} lines/s, {rate / alone[0]:.1f} times one client; "
        said += f"{attempts:.2f} attempts/s, {attempts / alone[1]:.1f} times; median {statistics.median(every):.2f} s, "
        said += f"p95 {every[int(0.95 * (len(every) - 1))]:.2f} s; "
        said += f"slowest client {max(means) / min(means):.2f} times the fastest"
        print(f"| {clients} clients, lines of {len(LINE)} characters | {said} |", flush=True)
    if args.lines:
        statuses, memory = many(address, args.lines, process)
        told = ", ".join(f"{count:,} times {status}" for status, count in sorted(statuses.items()))
        told += f"; memory {' '.join(map(str, memory))} MiB"
        print(f"| {args.lines:,} requests from 32 clients, one in ten bad | {told} |")


if __name__ == "__main__":
    sys.exit(main())
