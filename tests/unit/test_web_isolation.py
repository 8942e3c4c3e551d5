"""What one visitor sends, or one hand needs, does not harm what others get from the server."""

import asyncio
import base64
import dataclasses
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the server takes requirements-web.txt")
from fastapi.testclient import TestClient  # noqa: E402

from model_helpers import save_tiny_model  # noqa: E402
from scribe.hands.catalogue import Catalogue  # noqa: E402
from scribe.hands.hand import Hand, hand_bytes  # noqa: E402
from scribe.web.limits import Limits, RequestError  # noqa: E402
from scribe.web.requests import HandwritingRequest  # noqa: E402
from web_helpers import make_app  # noqa: E402

SIZE = 4  # numbers of a hand
TEXT = "it was a dark night"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from model import load_model

    model = load_model(save_tiny_model(tmp_path_factory.mktemp("saved"), hand_size=SIZE))
    for k in range(3):  # a network that nobody trained takes no notice of hands
        weight = getattr(model.named_weights, f"lstm{k}_hand_kernel")
        weight.assign(np.random.default_rng(k).normal(0, 3, weight.shape))
    return model


def hand(k, encoder=""):
    vector = np.random.default_rng(k).normal(0, 1, SIZE).astype(np.float32)
    return Hand(vector, {"a": vector}, name=f"hand {k}", encoder=encoder)


def catalogue(count=3):
    return Catalogue([hand(k) for k in range(count)], {"slant": hand(99)})


def app_of(model, count=3, **limits):
    return make_app(model, catalogue(count), **limits)


def post(client, **asked):
    return client.post("/api/handwriting", json={"text": TEXT, "seed": 1, "tries": 1, "format": "svg", **asked})


def file_of(hand):
    return base64.b64encode(hand_bytes(hand)).decode()


# --------------------------------------------------------------------------------------- one order among the others


def test_the_file_of_a_hand_of_another_network_is_refused_and_that_of_this_one_is_taken(model):
    with TestClient(app_of(model)) as client:
        refused = post(client, hand_file=file_of(hand(1, encoder="0" * 12)))
        assert refused.status_code == 422
        assert "read by another network: learn it again with this one" in refused.json()["error"]
        assert post(client, hand_file=file_of(hand(1, encoder=model.hand_encoder.digest()))).status_code == 200


def begun(engine, monkeypatch, fails):
    """What comes of an order of two lines and of another one, where beginning a line raises if fails(text) says so."""
    from scribe.web import batches
    from scribe.web.orders import Ended, LineSpec

    works = batches.row_text

    def row_text(text, *arguments):
        if fails(text):
            raise RuntimeError("a bug")
        return works(text, *arguments)

    monkeypatch.setattr(batches, "row_text", row_text)

    async def all_of(order):
        return [event async for events in order.events() for event in events]

    async def run():
        other = engine.submit([LineSpec(TEXT * 2, (k,), attempts=1) for k in range(4)], "one")
        bad = engine.submit([LineSpec(text, (1,), attempts=1) for text in ("good " * 10, "bad", "good")], "two")
        return await asyncio.gather(all_of(other), all_of(bad), return_exceptions=True)

    others, bad = asyncio.run(run())
    assert isinstance(bad, RequestError) and bad.status == 503 and "writing failed" in str(bad)
    return [event.line for event in others if isinstance(event, Ended)]


@pytest.mark.parametrize("bad", ["good", "bad"])  # the first line, and one after another one has been begun
def test_an_order_that_cannot_be_begun_fails_alone(model, monkeypatch, bad):
    """A visitor's hand of another network ended what was being written for all others with status 503."""
    from scribe.web.engine import Engine

    engine = Engine(model, None, Limits(rows=5))
    try:
        assert sorted(begun(engine, monkeypatch, lambda text: text.startswith(bad))) == [0, 1, 2, 3]
        assert engine.load() == {"waiting": 0, "writing": 0} and not engine._orders
    finally:
        engine.close()


# ------------------------------------------------------------------------------------------------------- the gallery


def test_the_gallery_is_written_however_few_lines_of_visitors_may_wait(model):
    with TestClient(app_of(model, 6, waiting=4)) as client:
        answer = client.get("/api/hands")
        assert answer.status_code == 200
        assert [one["label"] for one in answer.json()["hands"]] == [f"hand {k}" for k in range(6)]


def test_a_gallery_that_failed_is_written_at_the_next_request(model, monkeypatch):
    from scribe.web.gallery import Gallery

    works, tries = Gallery._picture, []

    def fails_once(self, number, line):
        tries.append(number)
        if len(tries) == 2:
            raise RequestError("the server is stopping.", 503, 5)
        return works(self, number, line)

    monkeypatch.setattr(Gallery, "_picture", fails_once)
    with TestClient(app_of(model)) as client:
        assert client.get("/api/hands").status_code == 503
        for _ in range(2):
            assert [one["id"] for one in client.get("/api/hands").json()["hands"]] == ["0", "1", "2"]
    assert len(tries) == 2 + 3


def test_where_one_line_may_wait_a_text_of_one_line_is_written_and_a_longer_one_is_told_why_not(model):
    with TestClient(app_of(model, waiting=1)) as client:
        assert client.get("/api/hands").status_code == 200
        assert post(client).status_code == 200
        refused = post(client, text="one\ntwo")
        assert refused.status_code == 422 and "2 lines" in refused.json()["error"]
        assert "retry-after" not in refused.headers


# ------------------------------------------------------------------------------------------------------ visitors' hands


def test_hands_are_kept_and_chosen_in_several_threads_at_a_time(model):
    """RuntimeError: OrderedDict mutated during iteration; KeyError, of a hand that had just come."""
    from scribe.web.visitors import Hands

    hands = Hands(catalogue(), model, Limits(visitors=6))
    files = [hand_bytes(hand(k)) for k in range(8)]
    vectors = [hand(k).vector for k in range(8)]
    loaded = {content: hands._loaded(content) for content in files}
    hands._loaded = loaded.get  # so that the threads spend their time where they meet
    names = [hands.keep(content).name for content in files]
    mistakes, ends = [], threading.Event()

    def use(own):
        try:
            for k in range(own, own + 1500):
                if ends.is_set():
                    return
                chosen = hands.keep(files[k % 8])
                assert chosen.name == names[k % 8] and chosen.hand.vector.tolist() == vectors[k % 8].tolist()
                try:
                    hands.choose(HandwritingRequest(text="a", hand=names[(k + 3) % 8]), 0)
                except RequestError as error:
                    assert error.status == 409
        except Exception as error:
            mistakes.append(error)
            ends.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=use, args=(own,)) for own in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert mistakes == []
    assert len(hands._visitors) == 6


# ------------------------------------------------------------------------------------------------------ hands apart


def ink(client, **asked):
    answer = post(client, format="json", **asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["pages"][0]["lines"], answer.headers["X-Hand"]


def drawn_alike(hands):
    """Two seeds whose hands are mixed of the same two, with shares that differ by less than a hundredth."""
    from scribe.hands.catalogue import drawn_hand

    seen = {}
    for seed in range(3000):
        parts = [part.split(":") for part in drawn_hand(hands, seed).name.split(",")]
        other = seen.setdefault(tuple((number, f"{float(share):.2f}") for number, share in parts), seed)
        if other != seed:
            return other, seed
    raise AssertionError("there are none")


def test_hands_that_are_turned_by_nearly_the_same_are_two_hands(model):
    """The second one was written with what the network had been told of the first."""
    asked = [{"hand": "1", "slant": slant} for slant in (1.0, 1.004)]
    with TestClient(app_of(model)) as client:
        first, second = (ink(client, **one)[0] for one in asked)
    with TestClient(app_of(model)) as client:
        alone = ink(client, **asked[1])[0]
    assert first != second == alone


def test_hands_that_are_drawn_nearly_the_same_are_two_hands(model):
    one, other = drawn_alike(catalogue())
    with TestClient(app_of(model)) as client:
        (_, first), (second, name) = ink(client, seed=one), ink(client, seed=other)
    with TestClient(app_of(model)) as client:
        alone, _ = ink(client, seed=other)
    assert second == alone and first != name


def test_the_hand_that_an_answer_names_writes_the_same_again(model):
    with TestClient(app_of(model)) as client:
        written, name = ink(client, seed=5)
    with TestClient(app_of(model)) as client:  # which has nothing in its memory
        assert "," in name and ink(client, seed=5, hand=name) == (written, name)


def test_hands_are_told_apart_by_what_they_write_and_not_by_their_names():
    from scribe.hands.hand import hand_key

    one, factors = hand(1), (np.ones([2, 1], np.float16), np.ones([1, 2], np.float16))
    others = [
        hand(2),
        dataclasses.replace(one, vector=np.nextafter(one.vector, np.float32(9))),
        dataclasses.replace(one, glyphs={"b": one.glyphs["a"]}),
        dataclasses.replace(one, glyphs={}),
        dataclasses.replace(one, differences={"lstm0_kernel": factors}),
        dataclasses.replace(one, differences={"lstm1_kernel": factors}),
        dataclasses.replace(one, differences={"lstm0_kernel": (factors[0].T, factors[1].T)}),
        dataclasses.replace(one, line=(np.zeros([3, 3], np.float32), "a")),
        dataclasses.replace(one, line=(np.zeros([3, 3], np.float32), "b")),
        dataclasses.replace(one, encoder="0" * 12),
    ]
    assert len({hand_key(each) for each in [one, None, *others]}) == 2 + len(others)
    assert hand_key(dataclasses.replace(one, name="another name", vector=one.vector.copy())) == hand_key(one)
