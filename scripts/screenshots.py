"""Takes the pictures of the server's page for the README: static/page*.png.

    python3 scripts/screenshots.py

It takes requirements-test.txt and Chromium.
"""

import io
import shutil
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scribe.writing.styles import load_styles  # noqa: E402

TEXT = "Dear Ada,\nthe engine weaves patterns\njust as the loom weaves\nflowers and leaves."
HAND, SEED = "6", 3
MIDDLE = 84  # pixels from the upper edge of a box of the pad to the middle of small letters


def address_of(**told):
    """What follows the # of an address."""
    return "#" + urllib.parse.urlencode({"text": TEXT, "hand": HAND, "seed": SEED, **told})


def save(page, name, **how):
    """Takes a picture of the window."""
    Image.open(io.BytesIO(page.screenshot(**how))).convert("RGB").save(ROOT / "static" / name, optimize=True)
    print(ROOT / "static" / name)


def written(page):
    """Waits until all is written."""
    page.wait_for_selector(".tile svg path")
    page.wait_for_selector("#sheets[aria-busy='false']")


def write_on(page, number, strokes):
    """Writes a line of a style into a box of the pad with the mouse."""
    page.locator(".pad-row canvas").nth(number).scroll_into_view_if_needed()
    box = page.locator(".pad-row canvas").nth(number).bounding_box()
    places = np.cumsum(strokes[:, :2], axis=0)
    low, high = places.min(axis=0), places.max(axis=0)
    scale = min(0.94 * box["width"] / (high[0] - low[0]), 0.75 * box["height"] / (high[1] - low[1]))
    places = (places - [low[0], np.median(places[:, 1])]) * scale + [box["x"] + 12, box["y"] + MIDDLE]
    down = False
    for place, lifts in zip(places.tolist(), strokes[:, 2]):
        page.mouse.move(*place)
        if not down:
            page.mouse.down()
        down = not lifts
        if lifts:
            page.mouse.up()


def take(address, browser):
    """All pictures."""

    def visit(width, height, fragment, **how):
        page = browser.new_context(viewport={"width": width, "height": height}, **how).new_page()
        page.set_default_timeout(240_000)
        page.goto(address + fragment)
        return page

    page = visit(1180, 760, address_of(paper="#fbf5e2"))
    written(page)
    save(page, "page.png")
    page.click("#watch")
    page.wait_for_function("() => document.querySelectorAll('#ribbon span').length > 20")
    page.wait_for_timeout(6000)
    page.click("#pause")
    desk = page.locator(".desk").bounding_box()
    clip = {"x": desk["x"] - 12, "y": desk["y"] - 4, "width": desk["width"] + 24, "height": desk["height"]}
    save(page, "page_attention.png", clip=clip)
    dark = {"ink": "#f4f1e6", "paper": "#27323c"}
    page = visit(1180, 760, address_of(**dark), color_scheme="dark")
    written(page)
    save(page, "page_dark.png")
    page = visit(390, 844, address_of(line_width=70), device_scale_factor=1.5, has_touch=True)
    written(page)
    save(page, "page_phone.png")
    page = visit(900, 760, address_of())
    written(page)
    page.click("#own-hand")
    for number, (strokes, text) in enumerate(load_styles("data", 50.0)[20:22]):
        page.locator(".pad-row input").nth(number).fill(text)
        write_on(page, number, strokes)
    page.evaluate("document.querySelector('#pad').scrollTop = 0")
    page.evaluate("document.activeElement.blur()")
    save(page, "page_pad.png")


def main():
    from playwright.sync_api import sync_playwright

    chromium = next(path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)))
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "serve.py"), "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().strip()
        urllib.request.urlopen(address + "api/hands", timeout=600).read()
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            take(address, browser)
            browser.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


if __name__ == "__main__":
    main()
