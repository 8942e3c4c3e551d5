"""The first thing to run in a new environment: what the suite stands on is there, and it writes.

python3 -m pytest tests/unit/test_smoke.py
"""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

pytestmark = pytest.mark.smoke


def test_import_tensorflow():
    import tensorflow as tf

    major, minor = map(int, tf.__version__.split(".")[:2])
    assert (2, 15) <= (major, minor) < (3, 0)
    assert float(tf.reduce_sum(tf.ones([2, 3]))) == 6.0


@pytest.mark.parametrize("name", ["numpy", "matplotlib", "PIL", "tqdm", "tensorboard"])
def test_import_of_what_requirements_txt_names(name):
    assert importlib.import_module(name)


@pytest.mark.parametrize("name", ["model", "train", "sample", "utils", "verify_data", "prepare_data"])
def test_import_of_the_suite(name):
    assert importlib.import_module(name)


def test_a_small_model_predicts_learns_and_writes():
    import tensorflow as tf

    from model import HandwritingModel, compute_loss
    from sample import sample, to_one_hot

    model = HandwritingModel(SimpleNamespace(rnn_size=8, nmixtures=2, kmixtures=1, alphabet="abc "))
    strokes = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    strokes[..., 2] = strokes[..., 2] > 1
    inputs = {"stroke_data": strokes[:, :-1], "char_seq": np.stack([to_one_hot("a cab", alphabet=model.alphabet)] * 2)}
    with tf.GradientTape() as tape:
        loss = compute_loss(model(inputs, training=True), strokes[:, 1:])
    gradients = tape.gradient(loss, model.trainable_variables)
    assert np.isfinite(float(loss)) and all(gradient is not None for gradient in gradients)
    written, phis, kappas = sample("cab", model, seed=1, tsteps=20, tries=1)
    assert written.shape[1] == 6 and phis.shape == (len(written), 3) and kappas.shape == (len(written), 1)
