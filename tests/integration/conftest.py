"""What several files of this folder start from: a checkpoint, and a storage emulator."""

import pytest


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A tiny model that nobody trained, saved; its window walks on, so lines end."""
    from model_helpers import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("saved"))


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
