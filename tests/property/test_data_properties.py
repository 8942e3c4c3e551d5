import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data_helpers import loader_args, make_lines, write_data
from scribe.files.safe_pickle import load_pickle
from scribe.files.stroke_file import load_strokes
from scribe.ink.alphabet import ALPHABET, fit_to_alphabet
from utils import DataLoader, to_one_hot

alphabets = st.text(min_size=1, max_size=20).map(lambda text: "".join(dict.fromkeys(text)))


@given(st.text(ALPHABET), st.integers(0, 30))
def test_one_hot_can_be_read_back(text, ascii_steps):
    one_hot = to_one_hot(text)
    assert "".join(ALPHABET[i - 1] for i in one_hot.argmax(1)) == text
    cut = to_one_hot(text, ascii_steps)
    assert cut.shape == (ascii_steps, len(ALPHABET) + 1)
    np.testing.assert_array_equal(cut[: len(text)], one_hot[:ascii_steps])


@given(st.text(), alphabets)
def test_one_hot_has_one_1_a_row_and_in_column_0_for_what_is_unknown(text, alphabet):
    one_hot = to_one_hot(text, alphabet=alphabet)
    assert (one_hot.sum(1) == 1).all() and set(np.unique(one_hot)) <= {0, 1}
    assert [row[0] == 1 for row in one_hot] == [c not in alphabet for c in text]


@given(st.text(), st.one_of(st.just(ALPHABET), alphabets))
def test_a_fitted_text_is_inside_the_alphabet_and_nothing_is_lost_unsaid(text, alphabet):
    fitted, replaced, dropped = fit_to_alphabet(text, alphabet)
    assert set(fitted) <= set(alphabet)
    assert fitted == "".join(c if c in alphabet else replaced.get(c, "") for c in text)
    assert all(replaced.values()) and not set(replaced) & set(dropped)
    assert set(text) == {c for c in text if c in alphabet} | set(replaced) | set(dropped)
    assert fit_to_alphabet(fitted, alphabet) == (fitted, {}, [])


@settings(max_examples=25, deadline=None)
@given(lines=st.integers(2, 50), batch_size=st.integers(1, 60), seed=st.integers(0, 2**32))
def test_no_line_is_lost_in_a_pass_whatever_the_batch_size(lines, batch_size, seed):
    with tempfile.TemporaryDirectory() as folder:
        write_data(folder, lines, seed=lines)
        loader = DataLoader(loader_args(folder, batch_size=batch_size, seed=seed))
    for passes in range(2):
        batches = [loader.batch(passes * loader.num_batches + n) for n in range(loader.num_batches)]
        assert sorted(text for batch in batches for text in batch.texts) == sorted(loader.ascii_data)
        assert sum(batch.mask.sum() for batch in batches) == sum(len(line) - 1 for line in loader.stroke_data)
        assert all(1 <= len(batch.texts) <= batch_size for batch in batches)


def load_quietly(content):
    """Loads bytes from a file; only ValueError may be raised."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "p")
        path.write_bytes(content)
        for load in (load_pickle, load_strokes):
            try:
                load(path)
            except ValueError as error:
                assert str(path) in str(error)


def real_pickles():
    strokes, texts = make_lines(3)
    strokes = [line[:4] for line in strokes]
    lists, objects = [line.tolist() for line in strokes], np.empty(3, object)
    objects[:] = strokes
    contents = ([strokes, texts], [lists, texts], [objects, np.array(texts)], [np.float32(1.5), {"a": {b"b"}}])
    return [pickle.dumps(content, protocol) for content in contents for protocol in range(6)]


REAL_PICKLES = real_pickles()
OPCODES = [bytes([op]) for op in pickle._Unpickler.dispatch]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_value_error(content):
    load_quietly(content)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(OPCODES), st.binary(max_size=4)), max_size=40))
def test_random_opcodes_raise_nothing_but_value_error(parts):
    load_quietly(b"\x80\x04" + b"".join(parts) + b".")


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_mutated_pickles_raise_nothing_but_value_error(data):
    content = bytearray(data.draw(st.sampled_from(REAL_PICKLES)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(("byte", "opcode", "cut", "insert")))
        if kind == "byte":
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "opcode":
            content[at : at + 1] = data.draw(st.sampled_from(OPCODES))
        elif kind == "cut":
            del content[at : at + data.draw(st.integers(1, 10))]
            assume(content)
        else:
            content[at:at] = data.draw(st.binary(min_size=1, max_size=10))
    load_quietly(bytes(content))


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(), inner, max_size=4),
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("protocol", range(6))
@settings(max_examples=50, deadline=None)
@given(content=plain)
def test_plain_data_loads_as_it_was(protocol, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "p")
        path.write_bytes(pickle.dumps(content, protocol))
        assert load_pickle(path) == content
