"""A checkpoint of TensorFlow 1 computes here what it computed there, for every point of a line.

tf1/ holds two checkpoints that TensorFlow 1.15 wrote and what its graph made of them: one that a real run trained, and
one with random weights, two window components and other sizes. make_tf1_outputs.py in it tells what is stored, and
makes it again.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

import convert_checkpoint
from legacy_tf1.extract_weights_tf1 import read_weights
from scribe.network.recurrent import text_mask
from scribe.network.tf_setup import tf
from tf1_helpers import FOLDER, RANDOM, TRAINED
from utils import to_one_hot

TOLERANCE = 1e-5
CASES = {"trained": TRAINED, "random": RANDOM}
DENSITY = ("eos", "pi", "mu1", "mu2", "sigma1", "sigma2", "rho")


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """(converted model, stored outputs)."""
    with np.load(os.path.join(FOLDER, request.param, "outputs.npz")) as file:
        stored = dict(file)
    return convert_checkpoint.convert(read_weights(CASES[request.param]), str(stored["alphabet"])), stored


def read_line(model, stored, line, *more):
    """Runs the model over a stored line but for its last point, then over `more`; returns its outputs and the text."""
    one_hot = to_one_hot(bytes(stored[f"{line}/text"]).decode("ascii"), alphabet=model.config.alphabet)[None]
    points = np.concatenate([stored[f"{line}/points"][:-1], *more])[None]
    return model({"stroke_data": points, "char_seq": one_hot}), tf.constant(one_hot)


@pytest.mark.parametrize("line", "AB")
def test_every_mixture_parameter_agrees_to_1e_5_over_a_whole_line(case, line):
    model, stored = case
    out, _ = read_line(model, stored, line)
    for name in DENSITY:
        found, expected = out[name].numpy()[0], stored[f"{line}/{name}"]
        assert found.shape == expected.shape and len(expected) >= 60
        assert expected.std(axis=0).min() > 0, f"{name} is the same at all points: nothing would be compared"
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE, err_msg=name)


@pytest.mark.parametrize("line", "AB")
def test_the_attention_agrees_over_a_whole_line(case, line):
    model, stored = case
    out, _ = read_line(model, stored, line)
    for name in ("kappas", "phi"):
        np.testing.assert_allclose(out[name].numpy()[0], stored[f"{line}/{name}"], rtol=0, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(out["window"].numpy()[0], stored[f"{line}/window"][-1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("line", "AB")
def test_each_of_300_greedy_points_follows_from_those_before_it(case, line):
    model, stored = case
    greedy, components = stored[f"{line}/greedy"], stored[f"{line}/components"]
    assert greedy.shape == (300, 3) and greedy[:, :2].std(axis=0).min() > 0
    # Fed what TensorFlow 1 wrote, the converted network answers with the next point of it.
    out, _ = read_line(model, stored, line, stored[f"{line}/points"][-1:], greedy[:-1])
    pi, mu1, mu2, eos = (out[name].numpy()[0, -300:] for name in ("pi", "mu1", "mu2", "eos"))
    np.testing.assert_array_equal(pi.argmax(axis=1), components)
    np.testing.assert_array_equal(eos[:, 0] > 0.5, greedy[:, 2] > 0.5)
    means = np.stack([mu[np.arange(300), components] for mu in (mu1, mu2)], axis=1)
    np.testing.assert_allclose(means, greedy[:, :2], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("line", "AB")
def test_a_greedy_continuation_of_300_points_stays_the_same(case, line):
    model, stored = case
    out, one_hot = read_line(model, stored, line)
    M, weights, mask = model.nmixtures, model.step_weights(), text_mask(one_hot)

    @tf.function
    def step(point, state):
        return model.step(point, one_hot, mask, state, weights)

    state = (tuple(tuple(pair) for pair in out["states"]), out["kappa"][:, :, 0], out["window"])
    point, points, components = stored[f"{line}/points"][-1], [], []
    for _ in range(300):
        y, _, state = step(tf.constant(point[None]), state)
        y = y.numpy()[0]
        j = int(np.argmax(y[1 : 1 + M]))  # the heaviest component
        point = np.array([y[1 + M + j], y[1 + 2 * M + j], y[0] > 0], np.float32)
        points.append(point)
        components.append(j)
    points, expected = np.array(points), stored[f"{line}/greedy"]
    np.testing.assert_array_equal(components, stored[f"{line}/components"])
    np.testing.assert_array_equal(points[:, 2], expected[:, 2])
    np.testing.assert_allclose(points[:100], expected[:100], rtol=0, atol=1e-4)
    # Each point is fed back, and the network answers a difference in rounding with a larger one: after 300 points the
    # two may be up to half a raw unit apart, the unit in which the data is measured.
    np.testing.assert_allclose(points, expected, rtol=0, atol=0.5 / model.config.data_scale)


@pytest.mark.slow
@pytest.mark.skipif("SCRIBE_TF1_PYTHON" not in os.environ, reason="SCRIBE_TF1_PYTHON names no Python with TensorFlow 1")
def test_stored_outputs_are_what_tensorflow_1_computes_now(tmp_path):
    # TensorFlow 2 sets TF2_BEHAVIOR in its own process, and TensorFlow 1 would behave as told.
    env = {name: value for name, value in os.environ.items() if name != "TF2_BEHAVIOR"}
    python, script = os.environ["SCRIBE_TF1_PYTHON"], os.path.join(FOLDER, "make_tf1_outputs.py")
    done = subprocess.run([python, script, "--check"], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    # The same extraction under TensorFlow 1 and 2, byte for byte.
    extract = os.path.join(os.path.dirname(convert_checkpoint.__file__), "legacy_tf1", "extract_weights_tf1.py")
    arrays = []
    for name, program in (("1", python), ("2", sys.executable)):
        out = str(tmp_path / f"{name}.npz")
        subprocess.run([program, extract, TRAINED, out], check=True, capture_output=True, env=env)
        with np.load(out) as file:
            arrays.append(dict(file))
    assert arrays[0].keys() == arrays[1].keys()
    assert all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])
