"""The page of the server in a real browser: Chromium, without a window, on a server with the shipped weights."""

import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import ink_helpers as ink
from scribe.ink.strokes import absolute_points, split_strokes
from scribe.writing.styles import load_style

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
playwright = pytest.importorskip("playwright.sync_api", reason="the browser is driven by playwright")
pytest.importorskip("fastapi", reason="the server takes requirements-web.txt")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the page has not been tried in a browser"),
    pytest.mark.xdist_group("page"),
]
WAIT = 120_000  # milliseconds, on a machine that does much else
TEXT = "we quickly moved the big"


@pytest.fixture(scope="module")
def address():
    command = [sys.executable, str(ROOT / "serve.py"), "--port", "0", "--data_dir", str(ROOT / "data")]
    command += ["--save_path", str(ROOT / "saved" / "checkpoint")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        line = process.stdout.readline().strip()
        assert line.startswith("http://127.0.0.1:"), process.stderr.read()
        yield line
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in said, said


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, address):
    """Opens the page; at the end nothing may have gone wrong in it, nor been asked for elsewhere."""
    wrong, contexts, own = [], [], (address, "blob:")

    def open_page(fragment="", width=1280, height=860, **how):
        context = chromium.new_context(viewport={"width": width, "height": height}, accept_downloads=True, **how)
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else 0)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith(own) else 0)
        page.goto(address + fragment)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in wrong if "status of 503" not in text] == []


def pixels(page):
    """How many pixels of the first sheet are dark."""
    return page.evaluate(
        """() => {
        const canvas = document.querySelector(".sheet canvas");
        if (!canvas) return 0;
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        let dark = 0;
        for (let k = 0; k < data.length; k += 4) if (data[k] + data[k + 1] + data[k + 2] < 380) dark++;
        return dark;
    }"""
    )


def pixels_at_rest(page):
    """`pixels` as soon as a while has changed nothing: on a busy machine what was begun may take its time."""
    last = None
    for _ in range(40):
        now = pixels(page)
        if now == last:
            break
        last = now
        page.wait_for_timeout(300)
    return now


def wait_until_written(page):
    page.wait_for_selector("#sheets[aria-busy='false']")


def type_text(page, text):
    page.fill("#text", text)
    wait_until_written(page)


def test_what_is_typed_is_written_at_once_and_more_ink_follows(visit):
    page = visit()
    page.wait_for_selector(".sheet canvas")
    page.fill("#text", "it was a dark night")
    page.wait_for_function("() => performance.getEntriesByName('scribe-ink').length")
    early = pixels(page)
    wait_until_written(page)
    assert pixels(page) > 1.5 * early
    type_text(page, "it was a dark night\nand the rain fell")
    assert "2 lines written" in page.inner_text("#status")


def test_the_ink_is_dark_where_the_strokes_of_the_file_are(visit, address):
    page = visit("#text=Hello+World&hand=3&seed=5&ink=%23000000&page=148x105")
    wait_until_written(page)
    page.select_option("#format", "svg")
    with page.expect_download() as waiting:
        page.click("#download")
    root = ElementTree.fromstring(Path(waiting.value.path()).read_text(encoding="utf-8"))
    assert waiting.value.suggested_filename == "hello_world.svg"
    paths = [path.get("d") for path in root.iter("{http://www.w3.org/2000/svg}path")]
    assert len(paths) > 3
    places = np.concatenate([np.array([p.split(",") for p in d[1:].split(" ")], float) for d in paths])  # mm
    dark = page.evaluate(
        """(places) => {
        const canvas = document.querySelector(".sheet canvas"), context = canvas.getContext("2d");
        const scale = canvas.width / 148;
        return places.filter(([x, y]) => {
            const { data } = context.getImageData(Math.round(x * scale) - 1, Math.round(y * scale) - 1, 3, 3);
            for (let k = 0; k < data.length; k += 4) if (data[k] + data[k + 1] + data[k + 2] < 500) return true;
            return false;
        }).length;
    }""",
        places[:: max(1, len(places) // 300)].tolist(),
    )
    assert dark > 0.97 * len(places[:: max(1, len(places) // 300)])


def test_the_link_brings_the_same_picture(visit):
    page = visit()
    type_text(page, "the same again")
    page.click("#more summary")
    page.select_option("#page", "a6")
    page.fill("#seed", "77")
    page.wait_for_function("() => location.hash.includes('seed=77') && location.hash.includes('page=a6')")
    page.wait_for_timeout(1000)  # until it has begun
    wait_until_written(page)
    other = visit("#" + page.evaluate("location.hash.slice(1)"))
    wait_until_written(other)
    assert other.input_value("#text") == "the same again"
    assert other.evaluate("document.querySelector('.sheet canvas').toDataURL()") == page.evaluate(
        "document.querySelector('.sheet canvas').toDataURL()"
    )


def test_what_a_link_does_not_name_is_as_usual(visit):
    page = visit("#text=one&page=a6&seed=9")
    wait_until_written(page)
    assert page.input_value("#page") == "a6"
    page.evaluate("location.hash = 'text=two'")
    page.wait_for_function("() => document.getElementById('page').value === 'tight'")
    assert (page.input_value("#text"), page.input_value("#seed")) == ("two", "1")


def test_printed_is_a_drawing_of_each_page_in_its_size(visit):
    page = visit("#text=on+paper&page=a5")
    wait_until_written(page)
    shown = "[...document.querySelectorAll('#print-pages img')]"
    page.evaluate(f"() => {{ window.print = () => {{ window.printed = {shown}; }}; }}")
    page.click("#print")
    page.wait_for_function("() => window.printed")
    # 148 mm are 559 pixels of a page.
    assert page.evaluate("printed.map((picture) => Math.round(picture.naturalWidth / 10))") == [56]
    assert "148mm 210mm" in page.evaluate("document.styleSheets[0].cssRules[0].cssText")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#print-pages img").count() == 0


def test_typing_goes_on_after_a_pause(visit):
    page = visit("#text=paused")
    page.click("#pause")
    assert page.get_attribute("#pause", "aria-pressed") == "true"
    type_text(page, "typed")
    assert page.get_attribute("#pause", "aria-pressed") == "false"


def test_another_hand_writes_another_picture(visit):
    page = visit("#text=hands")
    wait_until_written(page)
    before = page.evaluate("document.querySelector('.sheet canvas').toDataURL()")
    page.wait_for_selector(".tile svg path")
    assert page.locator(".tile").count() >= 100
    page.locator(".tile input[value='41']").check(force=True)
    page.wait_for_function("() => document.getElementById('hand-name').textContent.startsWith('41')")
    page.wait_for_timeout(1000)  # until it has begun
    wait_until_written(page)
    assert page.evaluate("document.querySelector('.sheet canvas').toDataURL()") != before


@pytest.mark.parametrize(
    "format, start",
    [("pdf", b"%PDF"), ("png", b"\x89PNG"), ("animated-svg", b"<?xml"), ("json", b'{"format"'), ("inkml", b"<?xml")],
)
def test_every_format_can_be_downloaded(visit, format, start):
    page = visit("#text=take+me")
    page.select_option("#format", format)
    with page.expect_download() as waiting:
        page.click("#download")
    assert Path(waiting.value.path()).read_bytes().startswith(start)


def test_pause_stops_the_pen_and_replay_writes_again(visit):
    page = visit("#text=it+was+a+dark+night+and+the+rain")
    page.wait_for_function("() => performance.getEntriesByName('scribe-ink').length")
    page.click("#pause")
    paused = pixels_at_rest(page)
    page.wait_for_timeout(1500)
    later = pixels(page)  # the line may have been moved to its place by then, or be one that is written again
    page.click("#pause")
    wait_until_written(page)
    full = pixels_at_rest(page)
    assert max(paused, later) < 0.8 * full
    page.click("#replay")
    assert any(pixels(page) < 0.7 * full for _ in range(20))


# A sheet of 100 x 40 mm, on which a zigzag goes 1 mm to the right with each point, and what is seen on it: the columns
# with dark and with red pixels, in mm. `until` waits for what is drawn.
OWN_SHEET = """async () => {
    const { Sheet } = await import("/page/sheet.js");
    const box = document.body.appendChild(document.createElement("div"));
    box.style.width = "600px";
    const sheet = new Sheet(box, { character() {}, idle() {}, ink() {} });
    sheet.speed = 12;
    const page = { size: [100, 40], margins: [5, 5, 5, 5], width: 90, baseline: 20, pitch: 10 };
    Object.assign(page, { x_height: 2.5, pen_width: 0.4 });
    const zigzag = (height, count) => [...Array(count).keys()].flatMap((k) => [1000, k % 2 ? height : -height, 0, 0]);
    const columns = (is) => {
        const canvas = box.querySelector("canvas"), { width, height } = canvas, found = new Set();
        const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
        for (let k = 0; k < data.length; k += 4) {
            if (is(data[k], data[k + 1], data[k + 2])) found.add((k / 4 % width) * 100 / width);
        }
        return [Math.min(...found), Math.max(...found)];
    };
    const frames = (n) => new Promise((done) => (n ? requestAnimationFrame(() => done(frames(n - 1))) : done()));
    const until = async (is) => { while (!is()) await frames(1); await frames(2); };
    const dark = () => columns((r, g, b) => r + g + b < 330 && r < 100), red = () => columns((r, g, b) => r > g + 40);
    const begin = (text) => sheet.begin({ page, unit: 1, lines: [{ text, paragraph: 0, indent: 0 }] });
    const ink = (attempt, start, points, told) => sheet.ink({ line: 0, attempt, start, points, ...told });
    Object.assign(window, { sheet, zigzag, dark, red, until, frames, begin, ink });
}"""


def test_what_stands_before_a_faulty_word_stays_and_the_rest_is_crossed_out_and_drawn_anew(visit):
    page = visit("#text=own+sheet")
    wait_until_written(page)
    page.evaluate(OWN_SHEET)
    left, right = page.evaluate(
        """async () => {
        begin("ab cd");
        ink(0, 0, zigzag(1500, 40));
        await until(() => sheet.lines[0].drawn === 40);
        sheet.failed({ line: 0, attempt: 0, start: 20 });
        ink(1, 20, zigzag(400, 30));
        await frames(3);
        return [dark(), red()];
    }"""
    )
    assert left[0] < 6 and left[1] < 26 and 23 < right[0] and right[1] > 43
    over, final, rest = page.evaluate(
        """async () => {
        await until(() => sheet.lines[0].drawn > 30);
        const over = sheet.views[0].over.marked;
        sheet.ended({ line: 0, attempts: 2, failures: [] });
        await until(() => sheet.lines[0].drawn === 50);
        await until(() => !sheet.views[0].over.marked);
        return [over, dark(), red()];
    }"""
    )
    assert over and final[0] < 6 and final[1] > 53 and rest[0] > rest[1]


def test_what_follows_a_faulty_word_stays_and_is_moved_to_where_the_new_word_ends(visit):
    page = visit("#text=own+sheet")
    wait_until_written(page)
    page.evaluate(OWN_SHEET)
    crossed, drawn, moved, skipped, end = page.evaluate(
        """async () => {
        const line = () => sheet.lines[0];
        begin("ab cd ef");
        ink(0, 0, zigzag(1500, 60));
        await until(() => line().drawn === 60);
        sheet.failed({ line: 0, attempt: 0, start: 10, until: 6, rest: 30 });
        ink(1, 10, zigzag(400, 12));
        await frames(3);
        const crossed = [...red(), dark()[1]];
        await until(() => line().drawn === 22);
        ink(1, 22, zigzag(400, 4));
        ink(1, 26, zigzag(1500, 30), { rest: true });
        const drawn = line().drawn;
        await frames(3);
        const moved = dark()[1];
        await until(() => line().drawn >= 26);
        await frames(1);
        sheet.ended({ line: 0, attempts: 2, failures: [] });
        await until(() => !sheet.views[0].over.marked);
        return [crossed, drawn, moved, line().drawn, dark()[1]];
    }"""
    )
    assert 14 < crossed[0] and crossed[1] < 36 and crossed[2] > 63  # the word is crossed out, what follows it is not
    assert drawn == 22 and 58 < moved < 62 and skipped == 56 and end == moved


def test_what_might_have_stayed_is_crossed_out_where_it_does_not(visit):
    page = visit("#text=own+sheet")
    wait_until_written(page)
    page.evaluate(OWN_SHEET)
    crossed, end = page.evaluate(
        """async () => {
        begin("ab cd ef");
        ink(0, 0, zigzag(1500, 60));
        await until(() => sheet.lines[0].drawn === 60);
        sheet.failed({ line: 0, attempt: 0, start: 10, until: 6, rest: 30 });
        ink(1, 10, zigzag(400, 12));
        await until(() => sheet.lines[0].drawn === 22);
        ink(1, 22, zigzag(400, 4), { rest: false });
        await frames(3);
        const crossed = red();
        sheet.ended({ line: 0, attempts: 2, failures: [] });
        await until(() => sheet.lines[0].drawn === 26 && !sheet.lines[0].crossed);
        return [crossed, dark()[1]];
    }"""
    )
    assert 34 < crossed[0] and crossed[1] > 63 and end < 32


def test_what_stands_there_stays_while_the_ink_that_comes_is_the_same(visit):
    page = visit("#text=own+sheet")
    wait_until_written(page)
    page.evaluate(OWN_SHEET)
    seen = page.evaluate(
        """async () => {
        const points = zigzag(1500, 60), seen = [];
        begin("ab cd");
        ink(0, 0, points.slice(0, 160));
        sheet.ended({ line: 0, attempts: 1, failures: [] });
        await until(() => sheet.lines[0].drawn === 40);
        begin("ab cde");
        for (const [from, to] of [[0, 20], [20, 35], [35, 60]]) {
            ink(0, from, points.slice(4 * from, 4 * to));
            seen.push(sheet.lines[0].drawn);
            await frames(2);
            seen.push(dark()[1]);
        }
        return seen;
    }"""
    )
    assert [seen[0], seen[2], seen[4]] == [20, 35, 40] and min(seen[1], seen[3], seen[5]) > 43


def test_the_attention_lights_up_the_character_that_is_written(visit):
    page = visit("#text=quick+brown+fox")
    wait_until_written(page)
    page.click("#watch")
    page.wait_for_selector("#ribbon .lit")
    assert page.inner_text("#ribbon").replace("\n", "") == "quick brown fox"
    lit = page.evaluate("[...document.querySelectorAll('#ribbon span')].findIndex((s) => s.className === 'lit')")
    page.wait_for_function(
        "(k) => [...document.querySelectorAll('#ribbon span')].findIndex((s) => s.className === 'lit') > k + 3", arg=lit
    )


def test_the_keyboard_alone_is_enough(visit):
    page = visit()
    page.wait_for_selector(".tile svg path")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "text":
            break
    page.keyboard.press("Control+A")
    page.keyboard.type("by keyboard")
    wait_until_written(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "hand"
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.getElementById('hand-name').textContent.startsWith('8')")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "any-hand"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_and_has_names_and_contrast(visit, width, dark):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
    page = visit("#text=axe", width=width, height=740, color_scheme="dark" if dark else "light")
    wait_until_written(page)
    page.click("#more summary")
    found = axe().run(page)
    assert [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#own-hand")
    page.wait_for_selector("#pad[open]")
    found = axe().run(page)
    assert [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_with_reduced_motion_the_ink_is_there_at_once(visit):
    page = visit("#text=no+motion", reduced_motion="reduce")
    wait_until_written(page)
    assert page.inner_text("#speed-value") == "at once" and pixels(page) > 200


def test_a_hand_that_is_written_on_the_pad_is_learned_and_writes(visit, tmp_path):
    page = visit("#text=in+my+hand")
    wait_until_written(page)
    page.click("#own-hand")
    page.click("#pad-learn")
    assert "Nothing is written yet" in page.inner_text("#pad-state")
    boxes = page.locator(".pad-row canvas")
    for number, asked in enumerate((TEXT, "jars of fine black pepper")):
        strokes, text = legible_line(number)
        assert page.locator(".pad-row input").nth(number).input_value() == asked
        page.locator(".pad-row input").nth(number).fill(text)
        boxes.nth(number).scroll_into_view_if_needed()
        draw(page, boxes.nth(number).bounding_box(), strokes)
    page.click("#pad-learn")
    assert "agreed" in page.inner_text("#pad-state")
    page.check("#pad-consent")
    with page.expect_download() as waiting:
        page.click("#pad-learn")
    from scribe.hands.hand import CONSENT, load_hand

    hand = load_hand(waiting.value.path())
    page.wait_for_selector("#pad-show:visible")
    assert f"“{legible_line(0)[1]}”" in page.inner_text("#pad-state")
    page.click("#pad-show")
    assert waiting.value.suggested_filename == "me.hand.npz" and hand.notice == CONSENT and len(hand.glyphs) > 15
    page.wait_for_function("() => document.getElementById('hand-name').textContent === 'yours: me'")
    page.wait_for_timeout(1000)  # until it has begun
    wait_until_written(page)
    assert page.locator(".tile.own").count() == 1
    page.reload()  # it lives in the browser
    page.wait_for_selector(".tile.own")
    wait_until_written(page)
    assert page.inner_text("#hand-name") == "yours: me"
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#forget")
    page.wait_for_function("() => document.getElementById('hand-name').textContent.startsWith('7')")
    assert page.locator(".tile.own").count() == 0 and page.is_hidden("#forget")


def test_on_a_narrow_screen_the_lines_of_the_pad_are_short(visit):
    for width, rows in ((360, 8), (1280, 4)):
        page = visit("#text=narrow", width=width)
        page.click("#own-hand")
        texts = [page.locator(".pad-row input").nth(k).input_value() for k in range(rows)]
        assert page.locator(".pad-row").count() == rows
        assert (
            " ".join(texts)
            == "we quickly moved the big jars of fine black pepper Next Sunday at 7:30 we go to Zurich, said lazy Hugo."
        )


def legible_line(number):
    """A shipped line as (strokes [n, 2], text): no hand is learned from ink that does not say what its text says."""
    strokes, text = load_style(number, str(ROOT / "data"), 1.0)
    return [stroke[:, :2] for stroke in split_strokes(absolute_points(strokes))], text


def draw(page, box, strokes):
    """Writes strokes into a box of the pad with the mouse."""
    every = np.concatenate(strokes)
    low, high = every.min(axis=0), every.max(axis=0)
    scale = min(0.9 * box["width"] / (high[0] - low[0]), 0.8 * box["height"] / (high[1] - low[1]))
    for stroke in strokes:
        places = (stroke - low) * scale + [box["x"] + 0.04 * box["width"], box["y"] + 0.1 * box["height"]]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()


def test_a_recording_is_uploaded_and_learned(visit, tmp_path):
    strokes, text = legible_line(0)
    (tmp_path / "me.inkml").write_text(ink.inkml([strokes], [text]), encoding="utf-8")
    page = visit("#text=uploaded")
    page.click("#own-hand")
    page.click("#pad summary")
    page.set_input_files("#pad-file", tmp_path / "me.inkml")
    page.fill("#pad-name", "uploaded")
    page.check("#pad-consent")
    with page.expect_download() as waiting:
        page.click("#pad-learn")
    assert waiting.value.suggested_filename == "uploaded.hand.npz"
    page.wait_for_selector(".tile.own")


def test_the_description_of_the_api_is_shown(visit):
    page = visit("docs")
    page.wait_for_selector("text=POST /api/handwriting")
    assert page.locator("th", has_text="x_height").count() == 1


def test_a_server_that_has_too_much_to_do_is_said(visit):
    page = visit("#text=busy")
    wait_until_written(page)
    full = {"status": 503, "headers": {"Retry-After": "60"}, "json": {"error": "too much waits"}}
    page.route("**/api/handwriting", lambda route: route.fulfill(**full))
    page.fill("#text", "busier")
    page.wait_for_function("() => document.getElementById('status').textContent === 'too much waits'")
    assert "wrong" in page.get_attribute("#status", "class")
