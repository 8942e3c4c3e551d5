"""The network computes today what it computed when the golden file was made, on every version of TensorFlow and Keras.

Weights are drawn with NumPy, so the initializers of Keras do not matter. The tolerance is 1e-5 of the largest number of
each output: rounding differs between versions and processors, anything else is a change of the network, after which
existing checkpoints would write something else. `python tests/regression/make_golden.py` makes the file anew.
"""

import os
import sys

import numpy as np
import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import make_golden  # noqa: E402


@pytest.mark.smoke
def test_outputs_loss_and_gradients_are_those_of_the_golden_file():
    found = make_golden.compute()
    with np.load(make_golden.GOLDEN) as golden:
        assert found.keys() == set(golden.files)
        for name, value in found.items():
            scale = np.abs(golden[name]).max()
            assert scale > 0 and value.shape == golden[name].shape, name
            np.testing.assert_allclose(value, golden[name], rtol=0, atol=1e-5 * scale, err_msg=name)
