"""Files of strangers, as many as fit into a time: new ones in every run, unlike those of tests/property.

    python3 -m pytest -m fuzz                               # half a minute for each kind of file
    SCRIBE_FUZZ_SECONDS=600 python3 -m pytest -m fuzz -s    # ten minutes; -s shows how many files there were

Whatever is in a file, its loader ends soon, without much memory, and either returns or raises its own error: one line
of a readable length that names the file. A file that breaks this is printed, shrunk by Hypothesis.
"""

import dataclasses
import functools
import os
import pickle
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ink_helpers as ink
from data_helpers import make_lines
from model import HandwritingModel, load_model
from scribe.files.recordings import read_ink
from scribe.files.safe_pickle import load_pickle
from scribe.files.stroke_file import load_strokes
from scribe.ink.alphabet import ALPHABET, fit_to_alphabet
from scribe.ink.segments import split_text
from scribe.network.checkpoint import CheckpointError, save_model
from scribe.network.config import ModelConfig
from scribe.writing.ctc_reader import RecogniserError
from scribe.writing.own_hand import load_own_hand
from scribe.writing.picture_recogniser import PictureRecogniser
from scribe.writing.recogniser import Recogniser

pytestmark = [pytest.mark.fuzz, pytest.mark.slow]

SECONDS = float(os.environ.get("SCRIBE_FUZZ_SECONDS", "30"))  # for each kind of file
MOST_SECONDS, MOST_MEMORY = 10, 2**30  # of one file: processor time, bytes
LONGEST = 1500  # characters of a message
EXAMPLES = 25  # between two looks at the clock


@dataclasses.dataclass
class Kind:
    """A kind of file: whole ones, from which damaged ones are made, and what loads them.

    Attributes:
        whole: returns contents of whole files. load: takes the path. errors: what it may raise. name: of the file.
        around: returns a folder of files that the file is put among.
    """

    whole: Callable[[], list[bytes]]
    load: Callable
    errors: type[Exception] | tuple = ValueError
    name: str = "file"
    around: Callable[[Path], None] = lambda folder: None


def pickles():
    strokes, texts = make_lines(3)
    strokes = [line[:4] for line in strokes]
    contents = ([strokes, texts], [[line.tolist() for line in strokes], texts], {"a": {b"b"}, "c": np.float32(1)})
    return [pickle.dumps(content, protocol) for content in contents for protocol in range(6)]


def recordings():
    strokes = ink.hand()
    path = '<path d="M0 0c1 2 3 4 5 6a5 5 0 01 6 0z"/>'
    files = [
        ink.inkml([strokes], [ink.TEXT]),
        ink.svg(strokes, around=(f'<g transform="rotate(3) scale(2,1)">{path}', "</g>")),
        ink.scribe_json([strokes], [ink.TEXT]),
        ink.iam(strokes),
    ]
    return [file.encode() for file in files]


def weights_of(name):
    """() -> the bytes of a file of the data folder, if it is there."""
    path = Path(__file__).parents[2] / "data" / name
    return lambda: [path.read_bytes()] if path.exists() else []


@functools.cache
def checkpoint_files():
    """{name: content} of the files of a small checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        save_model(os.path.join(folder, "checkpoint"), HandwritingModel(ModelConfig(6, 2, 1, "abc")))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def write_checkpoint(folder):
    for name, content in checkpoint_files().items():
        (folder / name).write_bytes(content)


def part_of_checkpoint(name):
    """The kind of a file of a checkpoint."""
    return Kind(lambda: [checkpoint_files()[name]], load_checkpoint, CheckpointError, name, write_checkpoint)


def load_both(*loaders):
    def load(path):
        for loader in loaders:
            loader(path)

    return load


def write_text(path):
    """What `sample.py --file` does with a text before it is written."""
    with open(path, encoding="utf-8", errors="strict") as file:
        text = file.read()
    fitted, _, _ = fit_to_alphabet(text, ALPHABET)
    assert set(fitted) <= set(ALPHABET) | {"\n"}
    for texts in split_text(fitted):
        assert all(len(part) <= 60 for part in texts)


def load_checkpoint(path):
    model = load_model(os.path.join(os.path.dirname(path), "checkpoint"))
    assert all(np.isfinite(w).all() for w in model.get_weights())


KINDS = {
    "pickle": Kind(pickles, load_both(load_pickle, load_strokes)),
    "recording": Kind(recordings, read_ink),
    "style": Kind(recordings, lambda path: load_own_hand(path, ink.TEXT, data_scale=50.0)),
    "recogniser": Kind(weights_of("reader.npz"), Recogniser.load, RecogniserError, "reader.npz"),
    "pictures": Kind(weights_of("picture_reader.npz"), PictureRecogniser.load, RecogniserError, "picture_reader.npz"),
    "config": part_of_checkpoint("config.json"),
    "index": part_of_checkpoint("checkpoint.index"),
    "weights": part_of_checkpoint("checkpoint.data-00000-of-00001"),
}


@st.composite
def damaged(draw, whole):
    """A file that was whole once."""
    content = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        kind = draw(st.sampled_from(("byte", "number", "cut", "end", "insert", "twice", "many")))
        if kind == "byte" and content:
            content[at] = draw(st.integers(0, 255))
        elif kind == "number":
            content[at:at] = draw(st.sampled_from([b"9" * 20, b"1e999", b"-1", b"nan", b"NaN", b"1e-320", b"Infinity"]))
        elif kind == "cut":
            del content[at : at + draw(st.integers(1, 60))]
        elif kind == "end":
            del content[at:]
        elif kind == "insert":
            content[at:at] = draw(st.binary(min_size=1, max_size=10))
        elif kind == "twice":
            content[at:at] = content[at : at + draw(st.integers(1, 200))]
        else:
            content[at:at] = draw(st.sampled_from([b"[", b"<a>", b'"', b"(", b" ", b"\x00", b"\xff"])) * draw(
                st.sampled_from([100, 10_000, 100_000])
            )
    return bytes(content)


def peak():
    """The largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path, name):
    kind = KINDS[name]
    whole = kind.whole()
    if not whole:
        pytest.skip("there is no such file here")
    kind.around(tmp_path)
    path, counts = tmp_path / kind.name, {"read": 0, "refused": 0}

    def check(content):
        path.write_bytes(content)
        start, before = time.process_time(), peak()
        try:
            kind.load(str(path))
            counts["read"] += 1
        except kind.errors as error:
            said = str(error)
            assert str(tmp_path) in said and "\n" not in said and "{{" not in said and len(said) < LONGEST
            counts["refused"] += 1
        assert time.process_time() - start < MOST_SECONDS
        assert peak() - before < MOST_MEMORY

    for content in whole:
        check(content)
    assert counts["read"] > 0, "a loader that refuses everything would pass, too"
    fuzz(damaged(whole), check)
    print(f"\n{name}: {counts['read']} read, {counts['refused']} refused")
    assert counts["refused"] > 0


def test_any_text_is_written_in_the_characters_of_the_alphabet(tmp_path):
    path, counts = tmp_path / "text", [0]

    def check(content):
        path.write_bytes(content)
        try:
            write_text(path)
        except UnicodeDecodeError:
            pass
        counts[0] += 1

    fuzz(st.one_of(st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace")), st.binary()), check)
    print(f"\ntexts: {counts[0]}")


def fuzz(strategy, check):
    """Checks examples until the time is over."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:

        @hypothesis.seed(random.SystemRandom().getrandbits(64))
        @settings(
            max_examples=EXAMPLES,
            derandomize=False,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def examples(example):
            check(example)

        examples()
