"""What TensorBoard shows of a run: curves at every step, pictures at every validation; and runs with weight noise."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from data_helpers import make_line, write_data
from scribe.training.pictures import TEXTS

import tensorflow as tf  # isort: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    pairs = [make_line(rng, characters=8, points_per_character=10) for _ in range(24)]
    write_data(folder, strokes=[points for points, _ in pairs], texts=[text for _, text in pairs])
    return folder


def run(data, folder, *flags):
    sizes = ["--rnn_size", "6", "--nmixtures", "2", "--batch_size", "8", "--nepochs", "2", "--warmup", "2"]
    paths = ["--data_dir", data, "--save_path", folder / "run", "--log_dir", folder / "logs"]
    assert train.main([str(part) for part in (*paths, *sizes, *flags)]) == 0
    return EventAccumulator(str(folder / "logs"), {"tensors": 0}).Reload()


def test_every_validation_shows_three_lines_their_attention_and_their_density(data, tmp_path):
    events = run(data, tmp_path)
    tags = set(events.Tags()["tensors"])
    assert {"train/learning_rate", "train/gradient_norm", "train/points_per_second", "train/nats_per_point"} <= tags
    steps = [event.step for event in events.Tensors("validation/nats_per_point")]
    assert len(steps) == 2
    for name in ("written", "attention", "density"):
        for number in range(1, len(TEXTS) + 1):
            pictures = events.Tensors(f"{name}/{number}")
            assert [event.step for event in pictures] == steps
            width, height, png, *_ = tf.make_ndarray(pictures[-1].tensor_proto)
            picture = tf.io.decode_png(png).numpy()
            assert picture.shape[:2] == (int(height), int(width)) and picture.std() > 1  # something is drawn


def test_pictures_can_be_left_out_and_change_nothing_of_the_training(data, tmp_path):
    with_pictures, without = run(data, tmp_path / "a"), run(data, tmp_path / "b", "--no_pictures")
    assert not [tag for tag in without.Tags()["tensors"] if "written" in tag]
    for tag in ("train/nats_per_point", "validation/nats_per_point"):
        values = [
            [tf.make_ndarray(e.tensor_proto).item() for e in events.Tensors(tag)] for events in (with_pictures, without)
        ]
        assert values[0] == values[1]


def test_a_run_with_weight_noise_goes_on_as_if_it_had_not_stopped(data, tmp_path):
    flags = ["--weight_noise", "adaptive", "--noise_deviation", "0.05", "--no_pictures", "--lr_schedule", "constant"]
    whole = run(data, tmp_path / "whole", *flags)
    run(data, tmp_path / "parts", *flags, "--nepochs", "1")
    again = run(data, tmp_path / "parts", *flags)
    (tag,) = [tag for tag in whole.Tags()["tensors"] if "nats_of_the_weights" in tag]
    last = [tf.make_ndarray(events.Tensors(tag)[-1].tensor_proto).item() for events in (whole, again)]
    assert last[0] == pytest.approx(last[1]) and last[0] > 0


def test_a_run_with_weight_noise_cannot_go_on_without(data, tmp_path, capsys):
    run(data, tmp_path, "--no_pictures", "--weight_noise", "adaptive")
    paths = ["--data_dir", data, "--save_path", tmp_path / "run", "--log_dir", tmp_path / "logs"]
    sizes = ["--rnn_size", "6", "--nmixtures", "2", "--batch_size", "8", "--nepochs", "3"]
    assert train.main([str(part) for part in (*paths, *sizes)]) == 1
    assert "weight_noise 'adaptive' (now 'none')" in capsys.readouterr().err
