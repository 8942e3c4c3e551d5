"""The HTTP API of the server: what it answers, what it refuses and how; on a tiny model that nobody trained."""

import base64
import io
import json
import types
import xml.etree.ElementTree as ElementTree
import zipfile

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the server takes requirements-web.txt")
from fastapi.testclient import TestClient  # noqa: E402

import ink_helpers as ink  # noqa: E402
from model_helpers import save_tiny_model  # noqa: E402
from scribe.hands.hand import Hand, hand_bytes  # noqa: E402
from scribe.ink.alphabet import ALPHABET  # noqa: E402
from scribe.web.limits import Limits, RequestError  # noqa: E402
from scribe.web.own_hand import Teacher  # noqa: E402
from scribe.web.requests import HandwritingRequest, answered_format  # noqa: E402
from scribe.web.stream import event  # noqa: E402
from web_helpers import events_of, make_app  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
SMALL = {"seed": 1, "tries": 1}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from model import load_model

    return load_model(save_tiny_model(tmp_path_factory.mktemp("saved")))


@pytest.fixture(scope="module")
def client(model):
    with TestClient(make_app(model, characters=500, lines=12, body=20_000, upload=30_000)) as client:
        yield client


def post(client, **asked):
    return client.post("/api/handwriting", json={**SMALL, **asked})


# ------------------------------------------------------------------------------------------------------ what it answers


@pytest.mark.parametrize(
    "format, start", [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml"), ("inkml", b"<?xml")]
)
def test_a_text_is_answered_in_the_format_that_is_asked_for(client, format, start):
    answer = post(client, text="it was a dark night", format=format, dpi=72)
    assert answer.status_code == 200 and answer.content.startswith(start)
    assert answer.headers["X-Seed"] == "1" and answer.headers["X-Pages"] == "1"


def test_the_strokes_are_those_of_the_json_format(client):
    answer = client.post("/api/handwriting", json={**SMALL, "text": "one\n\ntwo"}).json()
    assert answer["format"] == "scribe-handwriting"
    assert [line["text"] for line in answer["pages"][0]["lines"]] == ["one", "two"]


@pytest.mark.parametrize(
    "accept, format",
    [
        ("*/*", "json"), ("image/png", "png"), ("image/*", "svg"), ("text/html, application/pdf;q=0.9", "pdf"),
        ("image/png;q=0.1, image/svg+xml", "svg"), ("text/event-stream", "stream"), ("image/png;q=0, */*", "json"),
    ],
)  # fmt: skip
def test_the_accept_header_decides_where_no_format_is_named(accept, format):
    assert answered_format(None, accept) == format
    assert answered_format("png", accept) == "png"


def test_what_nobody_can_answer_is_not_acceptable():
    with pytest.raises(RequestError) as refused:
        answered_format(None, "text/html, audio/*;q=0.5")
    assert refused.value.status == 406


def test_the_same_request_is_answered_with_the_same_bytes(client):
    first, second = (post(client, text="twice the same", format="svg").content for _ in range(2))
    assert first == second != post(client, text="twice the same", format="svg", seed=2).content


def test_pages_of_a_format_that_holds_one_are_asked_for_by_number(client):
    asked = {"text": "\n".join(["a line of text"] * 10), "page": "a6", "x_height": 6, "format": "svg"}
    first = post(client, **asked)
    pages = int(first.headers["X-Pages"])
    assert pages > 1
    assert post(client, **asked, number=pages).content != first.content
    assert post(client, **asked, number=pages + 1).status_code == 422


def test_the_size_ink_and_width_of_the_page_are_those_that_are_asked_for(client):
    answer = post(client, text="ink", page="110x60", ink="#ff0000", pen_width=0.7, format="svg")
    root = ElementTree.fromstring(answer.content)
    assert (root.get("width"), root.get("height")) == ("110mm", "60mm")
    pen = root.find(f"{SVG}g[@stroke]")
    assert (pen.get("stroke"), pen.get("stroke-width")) == ("#ff0000", "0.7")


# ----------------------------------------------------------------------------------------------------------- the stream


def stream(client, **asked):
    answer = post(client, format="stream", **asked)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    return events_of(answer.text)


def test_an_event_may_tell_of_a_name():
    assert events_of(event("learned", name="me").decode()) == [("learned", {"name": "me"})]


def test_a_stream_begins_tells_ink_and_ends_with_the_layout(client):
    events = stream(client, text="it was a dark night\nand the rain fell", density=True)
    names = [name for name, _ in events]
    assert names[0] == "begin" and names[-2:] == ["layout", "done"]
    begin = events[0][1]
    assert [line["text"] for line in begin["lines"]] == ["it was a dark night", "and the rain fell"]
    for line in range(2):
        parts = [told for name, told in events if name == "ink" and told["line"] == line]
        counts = [len(told["points"]) // 4 for told in parts]
        assert [told["start"] for told in parts] == np.cumsum([0, *counts[:-1]]).tolist()
        assert [len(told["density"]) // 3 for told in parts] == counts
        placed = next(p for p in events[-2][1]["lines"] if p["line"] == line)
        assert placed["exact"] and len(placed["points"]) // 4 == sum(counts)
        lifts = [v for told in parts for v in told["points"][2::4]]
        assert placed["points"][2:-4:4] == lifts[:-1]


def test_what_is_wrong_with_a_line_is_told_in_the_words_of_the_text_that_was_asked_for(client, monkeypatch):
    from scribe.writing.failures import Failure
    from scribe.writing.proofread import Verdict

    # Of "1 Zoe is", which the network writes of it.
    faults = [Failure("stray mark", 4, 5), Failure("misread", 7, 8, "I")]
    verdict = Verdict(faults, (0, 1.4), {1: 1.4}, frozenset({1}))
    monkeypatch.setattr("scribe.web.engine.judge_lines", lambda lines, _: [verdict] * len(lines))
    events = stream(client, text="1 € Zoé is", tries=2)
    told = ['a dot too many at the "é" of "Zoé"', 'the "s" of "is" (as "I") may be hard to read']
    failed = [content for name, content in events if name == "failed"]
    assert [content["reasons"] for content in failed] == [told] and failed[0]["character"] == 4
    parts = [content for name, content in events if name == "ink"]
    counts = [content["start"] + len(content["points"]) // 4 for content in parts]
    again = next(k for k, content in enumerate(parts) if content["attempt"] == 1)
    assert parts[again]["start"] == failed[0]["start"] < counts[again - 1]
    assert [content["failures"] for name, content in events if name == "ended"] == [told]


def test_while_many_write_words_are_tried_less_often_unless_the_request_says_how_often(client, monkeypatch):
    assert client.post("/api/handwriting", json={"text": "a", "format": "svg"}).headers["X-Tries"] == "5"
    monkeypatch.setattr("scribe.web.engine.TRIES_OF_CROWD", {0: 2})
    begin = events_of(client.post("/api/handwriting", json={"text": "a", "format": "stream"}).text)[0][1]
    assert begin["tries"] == 2 and "Many are writing" in " ".join(begin["remarks"])
    begin = stream(client, text="a", tries=4)[0][1]
    assert begin["tries"] == 4 and not begin["remarks"]


def test_the_points_of_the_layout_are_those_of_the_file(client):
    asked = {"text": "it was a dark night and the rain fell in torrents\nexcept at times", "page": "a6"}
    events = stream(client, **asked)
    (layout,) = [told for name, told in events if name == "layout" and told["complete"]]
    ours = [np.cumsum(np.reshape(line["points"], [-1, 4])[:, :2], axis=0) / 100 for line in layout["lines"]]
    file = post(client, **asked).json()
    theirs = np.array([p[:2] for page in file["pages"] for line in page["lines"] for p in line["points"]])
    assert np.concatenate(ours) == pytest.approx(theirs, abs=0.0101)


def test_composed_characters_and_signs_are_placed_too(client):
    events = stream(client, text="Zoë €\n€")
    (layout,) = [told for name, told in events if name == "layout" and told["complete"]]
    assert [line["line"] for line in layout["lines"]] == [0, 1]
    assert {name for name, _ in events} >= {"begin", "ink", "done"}
    assert not [told for name, told in events if name == "ink" and told["line"] == 1]
    characters = set(layout["lines"][0]["points"][3::4])
    assert {2, 4} <= characters  # the ë with its dots, the sign


def test_a_hyphen_that_the_layout_adds_is_of_no_segment_but_the_points_still_are(client):
    text = "Donaudampfschifffahrtsgesellschaftskapitaen and more"
    events = stream(client, text=text, page="a6", x_height=5)
    (layout,) = [told for name, told in events if name == "layout" and told["complete"]]
    written = sum(len(told["points"]) // 4 for name, told in events if name == "ink")
    assert sum(len(line["points"]) // 4 for line in layout["lines"]) >= written


def test_what_was_replaced_or_left_out_is_remarked(client):
    remarks = " ".join(stream(client, text="5 ≤ 7 \U0001f9ff")[0][1]["remarks"])
    assert "'≤' as '<='" in remarks and "Left out" in remarks


# --------------------------------------------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    "asked, reason",
    [
        ({"text": ""}, "text: "),
        ({"text": " \n "}, "nothing in it"),
        ({"text": "x" * 501}, "501 characters, and 500"),
        ({"text": "a\n" * 12 + "a"}, "13 lines, and 12"),
        ({"text": "你好"}, "Chinese letters"),
        ({"text": "привет"}, "Latin letters (transliterate)"),
        ({"text": "a", "bias": -1}, "bias: "),
        ({"text": "a", "bias": 99}, "bias: "),
        ({"text": "a", "seed": -1}, "seed: "),
        ({"text": "a", "seed": 1.5}, "seed: "),
        ({"text": "a", "page": "a99"}, "page: "),
        ({"text": "a", "page": "5x5000"}, "page: "),
        ({"text": "a", "page": "a6", "margin": 90}, "page: "),
        ({"text": "a", "ink": "no colour"}, "ink: "),
        ({"text": "a", "hand": "../../etc/passwd"}, "hand: "),
        ({"text": "a", "hand": "me.hand.npz"}, "hand: "),
        ({"text": "a", "hand": "3"}, "hand: "),
        ({"text": "a", "hand_file": "?"}, "hand_file: "),
        ({"text": "a", "hand_file": base64.b64encode(b"PK\x03\x04 nothing").decode()}, "hand_file: "),
        ({"text": "a", "format": "exe"}, "format: "),
        ({"text": "a", "colour": "red"}, "colour: "),
        ({"text": "a", "page": "1000x1000", "dpi": 1200, "format": "png"}, "million pixels"),
        ({"text": 7}, "text: "),
        ({}, "text: "),
    ],
)
def test_what_is_not_possible_is_refused_with_the_reason(client, asked, reason):
    answer = client.post("/api/handwriting", json=asked)
    assert answer.status_code == 422 and reason in answer.json()["error"]


def test_a_refusal_does_not_repeat_what_was_sent(client):
    answer = client.post("/api/handwriting", json={"text": ["my secret"], "seed": "my secret"})
    assert answer.status_code == 422 and "secret" not in answer.text


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"text": "\\ud800"}', b'{"seed": 1e999}']
)
def test_what_is_no_json_object_is_refused(client, content):
    answer = client.post("/api/handwriting", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and answer.json()["error"]


def test_a_body_that_is_too_large_is_refused_whether_it_says_its_size_or_not(client):
    headers = {"Content-Type": "application/json"}
    assert client.post("/api/handwriting", content=b"x" * 20_001, headers=headers).status_code == 413
    assert client.post("/api/handwriting", content=iter([b"x" * 9000] * 3), headers=headers).status_code == 413


def test_pages_of_other_sites_may_not_ask(client):
    for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post("/api/handwriting", json={"text": "a", **SMALL}, headers=headers).status_code == 403
    assert (
        client.post(
            "/api/handwriting", json={"text": "a", **SMALL}, headers={"Origin": "http://testserver"}
        ).status_code
        == 200
    )


def test_a_name_that_leads_here_from_elsewhere_is_not_answered(model):
    with TestClient(make_app(model, hosts=("localhost",)), base_url="http://localhost:8000") as client:
        assert client.get("/health").status_code == 200
        assert client.get("/health", headers={"Host": "rebound.example"}).status_code == 421


@pytest.mark.parametrize("name", ["Scribe.example.org", "[::1]", "::1"])
def test_an_allowed_name_may_be_written_as_in_an_address(model, name):
    """The name of a request comes in lower case and without brackets, so these refused everybody."""
    address = "[::1]" if "::1" in name else "scribe.EXAMPLE.org"
    with TestClient(make_app(model, hosts=("localhost", name))) as client:
        for host in (address, address.lower(), f"{address}:8000"):
            assert client.get("/health", headers={"Host": host}).status_code == 200
        assert client.get("/health", headers={"Host": "[::2]"}).status_code == 421


@pytest.mark.parametrize("host", ["[", "[::1", "a]b", "[v1.x]", "127.0.0.1:none", "[::1]:" + "9" * 5000])
def test_names_and_origins_that_are_none_are_refused(model, host):
    """ValueError: Invalid IPv6 URL, an answer with status 500 and a traceback in the log."""
    with TestClient(make_app(model, hosts=("localhost",)), base_url="http://localhost:8000") as client:
        assert client.get("/health", headers={"Host": host}).status_code == 421
        for origin in (host, f"http://{host}"):
            assert client.post("/api/handwriting", json={"text": "a"}, headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("length", ["²".encode("latin-1"), b"9" * 5000])
def test_a_length_that_is_no_number_is_no_mistake_of_the_server(client, length):
    headers = {"Content-Type": "application/json", "Content-Length": length}
    assert client.post("/api/handwriting", content=b"{}", headers=headers).status_code in (400, 413, 422)


def test_what_is_not_there_and_what_is_not_allowed_are_told_as_json(client):
    assert client.get("/nothing").status_code == 404 and client.get("/nothing").json()["error"]
    assert client.get("/api/handwriting").status_code == 405
    assert client.get("/page/../app.py").status_code == 404


def test_every_answer_has_the_headers_that_protect_it(client):
    answers = [client.get(path) for path in ("/", "/docs", "/page/main.js", "/health", "/nothing")]
    answers += [client.post("/api/handwriting", json={}), post(client, text="a")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


def test_the_page_asks_for_nothing_from_outside_and_has_no_script_in_it(client):
    for path in ("/", "/docs", "/page/style.css", "/page/main.js", "/page/sheet.js", "/page/pad.js", "/page/api.js"):
        text = client.get(path).text
        addresses = {part.split('"')[0] for part in text.split("http")[1:]}
        assert all("www.w3.org" in address for address in addresses), (path, addresses)
        assert "<script>" not in text and " onclick=" not in text and " style=" not in text


def test_the_description_of_the_api_has_every_route(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/health", "/api/limits", "/api/handwriting", "/api/hands"}
    assert set(paths["/api/hands"]) == {"get", "post"}


def test_no_text_goes_into_the_log(client, caplog, capfd):
    with caplog.at_level("DEBUG"):
        post(client, text="my secret love letter", format="svg")
        client.post("/api/handwriting", json={"text": "my secret 你好"})
        stream(client, text="my secret diary")
    assert "secret" not in caplog.text and "secret" not in "".join(capfd.readouterr())


# ----------------------------------------------------------------------------------------------------- visitors' hands


@pytest.fixture
def hands(monkeypatch):
    import types

    from scribe.hands.catalogue import Catalogue
    from scribe.web.limits import Limits
    from scribe.web.visitors import Hands

    shapes = {"lstm0_kernel": np.zeros([6, 8]), "lstm0_bias": np.zeros(8)}
    weights = types.SimpleNamespace(**shapes)
    monkeypatch.setattr("scribe.web.visitors.ADAPTED_WEIGHTS", list(shapes))
    catalogue = Catalogue([hand(k) for k in range(3)], {"slant": hand(9)})
    model = types.SimpleNamespace(hand_size=4, named_weights=weights, config=types.SimpleNamespace(alphabet=ALPHABET))
    model.hand_encoder = types.SimpleNamespace(digest=lambda: "ours")
    return Hands(catalogue, model, Limits(visitors=2))


def hand(k, **differences):
    return Hand(np.full(4, k, np.float32), {"a": np.ones(4, np.float32)}, name=f"hand {k}", differences=differences)


def asked(**what):
    return HandwritingRequest(text="a", **what)


def test_a_hand_is_found_by_number_mixture_file_and_digest_and_turned(hands):
    assert hands.choose(asked(hand="2"), 0).hand.vector[0] == 2
    assert hands.choose(asked(hand="1:0.5,2:0.25"), 0).hand.vector[0] == 1
    file = hand_bytes(hand(7))
    chosen = hands.choose(asked(hand_file=base64.b64encode(file).decode()), 0)
    assert chosen.hand.vector[0] == 7
    assert hands.choose(asked(hand=chosen.name), 0).hand.vector[0] == 7
    turned = hands.choose(asked(hand="1", slant=2), 0)
    assert turned.hand.vector[0] == 1 + 2 * 9 and turned.name != "1"
    drawn = [hands.choose(asked(), seed).name for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_hands_of_visitors_are_forgotten_when_there_are_many_and_when_they_are_old(hands, monkeypatch):
    names = [hands.keep(hand_bytes(hand(k))).name for k in range(3)]
    for name, known in zip(names, (False, True, True)):
        if known:
            assert hands.choose(asked(hand=name), 0).hand
        else:
            with pytest.raises(RequestError) as gone:
                hands.choose(asked(hand=name), 0)
            assert gone.value.status == 409
    monkeypatch.setattr("scribe.web.visitors.time.monotonic", lambda: 1e9)
    with pytest.raises(RequestError):
        hands.choose(asked(hand=names[2]), 0)


def bomb():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vector.npy", bytes(50 << 20))
    return content.getvalue()


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "hand_file"),
        (b"no archive", "hand_file"),
        (bomb(), "unpacks to more"),
        (hand_bytes(Hand(np.zeros(5, np.float32), {})), "5 numbers"),
        (hand_bytes(Hand(np.zeros(4, np.float32), {}, encoder="theirs")), "read by another network: learn it again"),
        (hand_bytes(hand(1, call_me=(np.zeros(3, np.float16),))), "another network"),
        (
            hand_bytes(hand(1, lstm0_kernel=(np.zeros([6, 2], np.float16), np.zeros([3, 8], np.float16)))),
            "another network",
        ),
        (hand_bytes(hand(1, lstm0_bias=(np.zeros(9, np.float16),))), "another network"),
        (hand_bytes(hand(1, lstm0_bias=(np.array(["a"] * 8),))), "hand_file"),
        (hand_bytes(Hand(np.zeros(4, np.float32), {}, line=(np.zeros([5000, 3]), "a"))), "too long"),
        (hand_bytes(Hand(np.zeros(4, np.float32), {}, line=(np.zeros([5, 3]), "\u4f60"))), "hand_file"),
    ],
)
def test_what_is_no_hand_of_this_network_is_refused(hands, content, reason):
    with pytest.raises(RequestError, match=reason):
        hands.keep(content)


def test_a_hand_of_this_network_with_differences_is_taken(hands):
    factors = np.zeros([6, 2], np.float16), np.zeros([2, 8], np.float16)
    assert hands.keep(hand_bytes(hand(1, lstm0_kernel=factors, lstm0_bias=(np.zeros(8, np.float16),))))


@pytest.mark.parametrize(
    "consent, content", [("false", b"<ink/>"), ("true", b"<ink/>"), ("true", b"no ink"), ("true", b"")]
)
def test_a_recording_that_cannot_be_learned_is_refused(client, consent, content):
    answer = client.post("/api/hands", files={"file": ("a.inkml", content)}, data={"consent": consent, "name": "me"})
    assert answer.status_code == 422 and answer.json()["error"] and "/tmp" not in answer.text


def test_lines_that_do_not_say_what_their_texts_say_are_not_learned(monkeypatch):
    """What the recogniser cannot read is right where the network knows it, and here it does not."""
    from scribe.learning import texts_that_fit

    monkeypatch.setattr(texts_that_fit, "text_gain", lambda line, model: -1.0)
    texts = ["the quick brown fox", "jumps over the dog"]
    recording = ink.inkml([ink.hand(text, scale=3.0) for text in texts], texts).encode()
    config = types.SimpleNamespace(data_scale=50.0, alphabet=ALPHABET)
    for reads, kept in ([texts, texts], [[texts[0], "something else"], texts[:1]], [["x", "y"], []]):
        recogniser = types.SimpleNamespace(read=lambda lines, reads=reads: reads[: len(lines)])
        model = types.SimpleNamespace(hand_size=4, config=config)
        teacher = Teacher(model, recogniser, [], Limits())
        try:
            if kept:
                lines, notes = teacher.read(recording, None, sort=False)
                assert [text for _, text in lines] == kept
                assert ("does not look like" in "".join(notes)) == (kept != texts)
            else:
                with pytest.raises(RequestError, match="does not look like its text"):
                    teacher.read(recording, None, sort=False)
        finally:
            teacher.close()


def test_a_recording_without_its_fields_is_refused(client):
    assert client.post("/api/hands", data={"consent": "true"}).status_code == 422
    assert client.post("/api/hands", files={"file": b"<ink/>"}).status_code == 422


def test_the_answer_of_health_says_how_much_waits(client):
    assert client.get("/health").json() == {"status": "ok", "waiting": 0, "writing": 0}


def test_json_of_the_api_is_what_the_recordings_are_read_from(client, tmp_path):
    from scribe.files.recordings import read_ink

    (tmp_path / "a.json").write_text(json.dumps(post(client, text="read me again").json()), encoding="utf-8")
    assert [piece.text for piece in read_ink(tmp_path / "a.json")] == ["read me again"]
