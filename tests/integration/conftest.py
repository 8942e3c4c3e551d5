"""What several files of this folder start from: a checkpoint, lines to train on, and a storage emulator."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A tiny model that nobody trained, saved; its window walks on, so lines end."""
    from model_helpers import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("saved"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with 24 lines of 4 to 6 characters: 22 to train on, 2 to validate."""
    from data_helpers import make_line, write_data

    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    pairs = [make_line(rng, characters=4 + i % 3, points_per_character=9) for i in range(24)]
    write_data(folder, strokes=[points for points, _ in pairs], texts=[text for _, text in pairs])
    return folder


@pytest.fixture(scope="module")
def emulator_port(tmp_path_factory):
    """Of a storage emulator whose bucket is empty when a file of tests starts."""
    from cloud_helpers import storage_emulator

    with storage_emulator(tmp_path_factory.mktemp("cloud")) as port:
        yield port


@pytest.fixture(scope="module")
def emulator(emulator_port):
    """Its address."""
    return f"http://127.0.0.1:{emulator_port}"
