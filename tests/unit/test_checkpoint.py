"""Saving and loading: whole or a clear error, the same names in every version of Keras, nothing lost on the way."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from model import HandwritingModel, load_model
from scribe.files.atomic import save_json
from scribe.network.checkpoint import (
    CheckpointError,
    find_checkpoint,
    load_config,
    restore_weights,
    save_model,
)
from scribe.network.checkpoint_files import checkpoint_files
from scribe.training.run_state import TrainingRun, WeightAverage
from train import make_optimizer

import tensorflow as tf  # isort: skip

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIZES = {
    "rnn_size": 5, "nmixtures": 2, "kmixtures": 2, "alphabet": 'aé"', "tsteps_per_ascii": 11.0, "data_scale": 7.0,
    "first_pen": 1,
    "hand_size": 0,
}  # fmt: skip
FLAGS = {"optimizer": "adam", "learning_rate": 1e-3, "momentum": 0.9, "decay": 0.99, "ema": 0.9}


def make_model(seed=0, **changes):
    model = HandwritingModel(SimpleNamespace(**{**SIZES, **changes}))
    rng = np.random.default_rng(seed)
    for v in model.trainable_variables:
        v.assign(rng.normal(size=v.shape))
    return model


def make_run(folder, seed=0, sizes=None, **flags):
    flags = {**FLAGS, **flags}
    model = make_model(seed, **(sizes or {}))
    optimizer = make_optimizer(SimpleNamespace(**flags))
    optimizer.build(model.trainable_variables)
    average = WeightAverage(model.trainable_variables, flags["ema"])
    run = TrainingRun(str(folder), model, optimizer, average)
    return run, model, optimizer, average, flags


def saved_run(folder, step=3, **changes):
    """A run that has taken a step, saved as latest and best; what make_run returns."""
    parts = run, model, optimizer, average, flags = make_run(folder, **changes)
    run.start(flags)
    optimizer.apply_gradients([(tf.ones(v.shape), v) for v in model.trainable_variables])
    average.update(tf.constant(5))
    run.batches, run.best_loss, run.stale = step, 1.25, 2
    run.save_best()
    run.save()
    return parts


def weights(model):
    return [v.numpy() for v in model.trainable_variables]


def everything(model, optimizer, average):
    variables = optimizer.variables() if callable(optimizer.variables) else optimizer.variables
    return weights(model) + [np.asarray(v) for v in variables] + [v.numpy() for v in average.values]


def assert_equal(found, expected):
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_array_equal(f, e)


def error_of(function, *arguments):
    with pytest.raises(CheckpointError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert message and "\n" not in message
    return message


# ------------------------------------------------------------------------------------------------------------ one model


@pytest.mark.smoke
def test_a_saved_model_loads_without_naming_its_sizes(tmp_path):
    model, prefix = make_model(), str(tmp_path / "new" / "checkpoint")
    save_model(prefix, model)
    assert json.load(open(tmp_path / "new" / "config.json", encoding="utf-8")) == SIZES
    loaded = load_model(prefix)
    assert loaded.config == model.config
    assert_equal(weights(loaded), weights(model))


def test_a_prefix_without_a_folder_is_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = make_model()
    save_model("mine", model)
    assert_equal(weights(load_model(find_checkpoint("mine"))), weights(model))


@pytest.mark.smoke
def test_every_weight_has_a_name_that_no_version_of_keras_changes(tmp_path):
    """Keras 2 and 3 name the parts of their layers differently, so weights are found below `named_weights`."""
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    model, prefix = make_model(), str(tmp_path / "checkpoint")
    save_model(prefix, model)
    reader = tf.train.load_checkpoint(prefix)
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))

    def child(node, name):
        return graph.nodes[next(c.node_id for c in node.children if c.local_name == name)]

    named = child(child(graph.nodes[0], "model"), "named_weights")
    found = {}
    for entry in named.children:
        (attribute,) = graph.nodes[entry.node_id].attributes
        found[entry.local_name] = reader.get_tensor(attribute.checkpoint_key)
    assert found.pop("alphabet").decode("utf-8") == SIZES["alphabet"]
    layers = {
        "lstm0": model.lstm0,
        "attention": model.attention_layer,
        "lstm1": model.lstm1.cell,
        "lstm2": model.lstm2.cell,
        "mdn": model.mdn_layer,
    }
    expected = {
        f"{layer_name}_{name}": np.asarray(getattr(layer, name))
        for layer_name, layer in layers.items()
        for name in ("kernel", "recurrent_kernel", "bias")
        if hasattr(layer, name)
    }
    assert found.keys() == expected.keys() and len(found) == 13
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_tensorflow_alone_restores_a_model_and_the_state_of_a_run(tmp_path):
    model, prefix = make_model(), str(tmp_path / "checkpoint")
    save_model(prefix, model)
    run_model = saved_run(tmp_path / "run")[1]
    latest = tf.train.latest_checkpoint(str(tmp_path / "run" / "latest"))
    for source, expected in ((prefix, model), (latest, run_model)):
        other = make_model(seed=9)
        tf.train.Checkpoint(model=other).restore(source)
        assert_equal(weights(other), weights(expected))


@pytest.mark.parametrize("other", [{"rnn_size": 6}, {"nmixtures": 3}, {"kmixtures": 1}], ids=str)
def test_weights_of_another_network_are_refused(tmp_path, other):
    prefix = str(tmp_path / "checkpoint")
    save_model(prefix, make_model())
    assert prefix in error_of(restore_weights, prefix, make_model(**other))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '{"rnn_size": 0}',
        '{"rnn_size": "x"}',
        '{"rnn_size": "5"}',
        '{"rnn_size": null}',
        '{"rnn_size": 5.5}',
        '{"no_such_size": 1}',
        '{"alphabet": "aa"}',
        '{"alphabet": 3}',
        '{"data_scale": "x"}',
        b"\xff\xfe",
    ],
)
def test_a_broken_config_is_named(tmp_path, content):
    save_model(str(tmp_path / "checkpoint"), make_model())
    (tmp_path / "config.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "config.json does not describe a model" in error_of(load_model, str(tmp_path / "checkpoint"))


def test_a_missing_config_is_named(tmp_path):
    save_model(str(tmp_path / "a" / "b" / "checkpoint"), make_model())
    os.remove(tmp_path / "a" / "b" / "config.json")
    assert os.path.join("b", "config.json") in error_of(load_model, str(tmp_path / "a" / "b" / "checkpoint"))


def test_the_config_may_lie_one_folder_up(tmp_path):
    save_model(str(tmp_path / "run" / "best" / "ckpt-1"), make_model())
    shutil.move(tmp_path / "run" / "best" / "config.json", tmp_path / "run" / "config.json")
    assert load_config(str(tmp_path / "run" / "best" / "ckpt-1")) == make_model().config


@pytest.mark.parametrize(
    "damage", ["no index", "empty index", "garbage index", "half index", "no data", "half data", "empty data"]
)
def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path, damage):
    prefix = str(tmp_path / "checkpoint")
    save_model(prefix, make_model())
    how, part = damage.split()
    path = prefix + {"index": ".index", "data": ".data-00000-of-00001"}[part]
    content = open(path, "rb").read()
    if how == "no":
        os.remove(path)
    else:
        with open(path, "wb") as file:
            file.write({"empty": b"", "garbage": b"\x5a" * len(content), "half": content[: len(content) // 2]}[how])
    assert prefix in error_of(load_model, prefix)


def test_a_failed_save_says_that_the_earlier_one_is_whole(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert "could not save" in error_of(save_model, str(tmp_path / "file" / "checkpoint"), make_model())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError):
        save_json(str(tmp_path / "config.json"), {})
    assert os.listdir(tmp_path) == ["file"]  # no half file is left


class Killed(BaseException):
    """A process that ends at once."""


def kill_at(monkeypatch, number):
    """Ends the process before its so-many-th rename by Python, or as TensorFlow has written aside (0)."""
    renames = []

    def dying(rename):
        def either(*paths):
            renames.append(paths)
            if len(renames) == number:
                raise Killed
            rename(*paths)

        return either

    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # who is killed does not clear up
    return renames


@pytest.mark.parametrize("first", [True, False], ids=["the first save", "a later save"])
@pytest.mark.parametrize("number", range(1, 7))
def test_a_save_that_is_killed_before_any_rename_leaves_one_checkpoint_whole(tmp_path, monkeypatch, first, number):
    """It left the new config beside the old weights, or a new data file with the old index."""
    prefix, old, new = str(tmp_path / "mine"), make_model(1), make_model(2, data_scale=9.0)
    if not first:
        save_model(prefix, old)
    with monkeypatch.context() as context:
        renames = kill_at(context, number)
        try:
            save_model(prefix, new)
            killed = False
        except Killed:
            killed = True
    assert killed == (number <= 5) and len(renames) == min(number, 5)  # config.json, the folder, and three files
    expected = new if number > 2 else None if first else old
    for read in (find_checkpoint, load_config, lambda path: find_checkpoint(os.path.dirname(path) + "/mine")):
        if expected is None:
            error_of(read, prefix)
        else:
            read(prefix)
    if expected is not None:
        loaded = load_model(prefix)
        assert loaded.config == expected.config
        assert_equal(weights(loaded), weights(expected))
    save_model(prefix, new)
    assert sorted(os.listdir(tmp_path)) == ["config.json", "mine.data-00000-of-00001", "mine.index"]
    assert_equal(weights(load_model(prefix)), weights(new))


def test_files_of_different_saves_are_refused_by_their_checksums(tmp_path):
    """What a program that does not finish a save may meet."""
    prefixes = [str(tmp_path / name / "mine") for name in ("a", "b")]
    for seed, prefix in enumerate(prefixes):
        save_model(prefix, make_model(seed))
    shutil.copy(prefixes[0] + ".data-00000-of-00001", prefixes[1] + ".data-00000-of-00001")
    assert "cannot be restored" in error_of(load_model, prefixes[1])


def test_files_that_cannot_be_moved_to_their_places_are_told_and_moved_by_the_next_command(tmp_path, monkeypatch):
    prefix, new = str(tmp_path / "mine"), make_model(2)
    save_model(prefix, make_model(1))

    def refuse(source, target):
        if target.endswith(".index"):
            raise PermissionError(13, "Permission denied")
        replace(source, target)

    replace = os.replace
    with monkeypatch.context() as context:
        context.setattr(os, "replace", refuse)
        assert "Permission denied" in error_of(save_model, prefix, new)
    assert_equal(weights(load_model(prefix)), weights(new))


def test_a_run_that_has_the_name_of_another_with_an_ending_is_left_alone(tmp_path):
    save_model(str(tmp_path / "mine"), make_model())
    for name in ("mine.new", "mine.saved", "mine.tmp"):
        saved_run(tmp_path / name)
    before = {path for path in tmp_path.rglob("*")}
    save_model(str(tmp_path / "mine"), make_model())
    find_checkpoint(str(tmp_path / "mine"))
    assert {path for path in tmp_path.rglob("*")} == before


# ----------------------------------------------------------------------------------------------- files of a checkpoint


def test_the_files_of_a_checkpoint_are_its_config_its_index_and_its_data(tmp_path, monkeypatch):
    save_model(str(tmp_path / "run" / "best" / "ckpt-1"), make_model())
    for other in ("ckpt-10.index", "ckpt-1.index.bak", "ckpt-1.tmp"):
        (tmp_path / "run" / "best" / other).write_text("")
    names = ["ckpt-1.index", "ckpt-1.data-00000-of-00001"]
    for prefix in (str(tmp_path / "run" / "best" / "ckpt-1"), os.path.join("run", "best", "ckpt-1"), "ckpt-1"):
        monkeypatch.chdir(tmp_path if prefix != "ckpt-1" else tmp_path / "run" / "best")
        folder = os.path.dirname(prefix)
        assert checkpoint_files(prefix) == [os.path.join(folder, name) for name in ["config.json", *names]]
    monkeypatch.chdir(tmp_path)
    os.rename("run/best/config.json", "run/config.json")
    assert checkpoint_files("run/best/ckpt-1")[0] == "run/config.json"
    os.remove("run/config.json")
    assert "config.json" in error_of(checkpoint_files, "run/best/ckpt-1")
    os.remove("run/best/ckpt-1.data-00000-of-00001")
    assert "ckpt-1.data-" in error_of(checkpoint_files, "run/best/ckpt-1")


@pytest.mark.parametrize("name", ["model.ckpt-5", "ckpt-5", "modèle", 'with "quotes"'])
@pytest.mark.parametrize("absolute", [False, True])
def test_the_checkpoint_that_tensorflow_names_is_found_as_tensorflow_finds_it(tmp_path, name, absolute):
    folder = tmp_path / "größer"
    save_model(str(folder / name), make_model())
    tf.compat.v1.train.update_checkpoint_state(str(folder), str(folder / name) if absolute else name)
    assert find_checkpoint(str(folder)) == tf.train.latest_checkpoint(str(folder)) == str(folder / name)


# ------------------------------------------------------------------------------------------------- finding a checkpoint


def test_the_newest_run_of_ones_own_comes_before_the_shipped_model(tmp_path):
    saved = str(tmp_path)
    assert "train.py" in error_of(find_checkpoint, None, saved)
    assert "train.py" in error_of(find_checkpoint, None, os.path.join(saved, "nothing"))
    save_model(os.path.join(saved, "checkpoint"), make_model())
    assert find_checkpoint(None, saved) == os.path.join(saved, "checkpoint")
    for name in ("old", "new"):
        saved_run(tmp_path / name)
    os.makedirs(tmp_path / "empty" / "latest")
    for age, name in ((100, "old"), (1, "new")):
        index = tmp_path / name / "best" / "ckpt-3.index"
        then = os.path.getmtime(tmp_path / "checkpoint.index") - age
        os.utime(index, (then, then))
    assert find_checkpoint(None, saved) == os.path.join(saved, "new", "best", "ckpt-3")


def test_a_checkpoint_is_found_by_prefix_by_run_and_by_folder(tmp_path):
    saved_run(tmp_path / "run")
    save_model(str(tmp_path / "checkpoint"), make_model())
    best = str(tmp_path / "run" / "best" / "ckpt-3")
    latest = str(tmp_path / "run" / "latest" / "ckpt-3")
    assert find_checkpoint(latest) == latest
    assert find_checkpoint(str(tmp_path / "run")) == find_checkpoint(str(tmp_path / "run") + os.sep) == best
    assert find_checkpoint(str(tmp_path / "run" / "latest")) == latest
    assert find_checkpoint(str(tmp_path)) == str(tmp_path / "checkpoint")
    shutil.rmtree(tmp_path / "run" / "best")
    assert find_checkpoint(str(tmp_path / "run")) == latest
    assert "nothing" in error_of(find_checkpoint, str(tmp_path / "nothing"))


# ------------------------------------------------------------------------------------------------------- training state


@pytest.mark.parametrize("optimizer", [pytest.param("adam", marks=pytest.mark.smoke), "rmsprop"])
def test_a_run_restores_weights_optimizer_average_and_counters(tmp_path, optimizer):
    run, *parts, flags = saved_run(tmp_path / "run", optimizer=optimizer)
    again, *other, _ = make_run(tmp_path / "run", seed=4, optimizer=optimizer)
    assert again.restore(flags) == str(tmp_path / "run" / "latest" / "ckpt-3")
    assert (again.batches, again.best_loss, again.stale) == (3, 1.25, 2)
    assert_equal(everything(*other), everything(*parts))


def test_a_worker_that_is_not_the_chief_neither_reads_nor_writes(tmp_path):
    """And what the chief gives it, `variables`, is all that a resumed run would have."""
    run, *parts, flags = saved_run(tmp_path / "run")
    files = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    for folder in ("run", "nowhere"):
        worker, *other, _ = make_run(tmp_path / folder, seed=4)
        worker.chief = False
        assert worker.restore(flags) is None and worker.batches == 0
        for variable, value in zip(worker.variables, run.variables, strict=True):
            variable.assign(tf.convert_to_tensor(value))
        assert (worker.batches, worker.best_loss, worker.stale) == (3, 1.25, 2)
        assert_equal(everything(*other), everything(*parts))
        worker.batches = 7
        worker.start(flags)
        worker.save_best()
        worker.save()
    assert files == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_new_run_has_nothing_to_restore(tmp_path):
    run, *_, flags = make_run(tmp_path / "run")
    assert run.restore(flags) is None and (run.batches, run.best_loss, run.stale) == (0, np.inf, 0)
    run.start(flags)
    assert json.load(open(tmp_path / "run" / "args.json")) == flags
    assert json.load(open(tmp_path / "run" / "config.json", encoding="utf-8")) == dataclasses.asdict(run.model.config)


@pytest.mark.parametrize("relative", [False, True])
def test_a_run_goes_on_after_its_folder_has_moved(tmp_path, monkeypatch, relative):
    """Nothing in it says where it was."""
    monkeypatch.chdir(tmp_path)
    here, there = ("here", "there") if relative else (str(tmp_path / "here"), str(tmp_path / "there"))
    run, *parts, flags = saved_run(here)
    run.batches = 4
    run.save()
    for part in ("latest", "best"):
        assert "here" not in open(os.path.join(here, part, "checkpoint")).read()
    os.rename(here, there)
    again, *other, _ = make_run(there, seed=4)
    assert again.restore(flags) == os.path.join(there, "latest", "ckpt-4")
    assert_equal(everything(*other), everything(*parts))
    for step in (5, 6, 7):
        again.batches = step
        again.save()
    again.save_best()
    assert sorted(n for n in os.listdir(os.path.join(there, "latest")) if n.endswith(".index")) == [
        "ckpt-6.index",
        "ckpt-7.index",
    ]
    assert find_checkpoint(there) == os.path.join(there, "best", "ckpt-7")
    assert not os.path.exists(here)


def test_only_two_latest_and_one_best_are_kept(tmp_path):
    run, *_ = saved_run(tmp_path / "run", step=1)
    for step in (2, 3):
        run.batches = step
        run.save()
        run.save_best()
    names = {
        part: sorted(n[:-6] for n in os.listdir(tmp_path / "run" / part) if n.endswith(".index"))
        for part in ("latest", "best")
    }
    assert names == {"latest": ["ckpt-2", "ckpt-3"], "best": ["ckpt-3"]}


@pytest.mark.parametrize(
    "before, now, named",
    [
        ({}, {"optimizer": "rmsprop"}, ["optimizer", "'adam'", "'rmsprop'"]),
        ({"optimizer": "rmsprop"}, {"optimizer": "adam"}, ["optimizer", "'rmsprop'", "'adam'"]),
        ({}, {"ema": 0.0}, ["ema", "0.9", "0.0"]),
        ({"ema": 0.0}, {"ema": 0.5}, ["ema", "0.0", "0.5"]),
        ({}, {"sizes": {"nmixtures": 7}}, ["nmixtures", "2", "7"]),
        ({}, {"sizes": {"alphabet": "xyz"}}, ["alphabet", "'xyz'"]),
    ],
    ids=str,
)
def test_flags_that_contradict_the_run_are_refused_with_both_values(tmp_path, before, now, named):
    saved_run(tmp_path / "run", **before)
    run, *_, flags = make_run(tmp_path / "run", **now)
    message = error_of(run.restore, flags)
    assert all(part in message for part in [*named, "--save_path"]), message


def test_flags_that_do_not_contradict_may_change(tmp_path):
    saved_run(tmp_path / "run")
    run, *_, flags = make_run(tmp_path / "run", ema=0.5, learning_rate=1.0, decay=0.5)
    assert run.restore(flags)


def test_what_a_killed_save_leaves_is_removed_and_whole_checkpoints_are_not(tmp_path):
    run, *_, flags = saved_run(tmp_path / "run")
    latest = tmp_path / "run" / "latest"
    whole = set(os.listdir(latest))
    os.makedirs(latest / "ckpt-9_temp")
    (latest / "ckpt-9_temp" / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"x")
    (latest / "ckpt-1.data-00000-of-00001").write_bytes(b"x")
    (latest / "ckpt-2.index").write_bytes(b"x")
    (latest / "notes.txt").write_text("mine")
    again, *_ = make_run(tmp_path / "run")
    assert again.restore(flags)
    again.start(flags)
    assert set(os.listdir(latest)) == whole | {"notes.txt"}


def test_a_damaged_latest_state_is_refused(tmp_path):
    *_, flags = saved_run(tmp_path / "run")
    path = tmp_path / "run" / "latest" / "ckpt-3.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:500])
    assert "ckpt-3" in error_of(make_run(tmp_path / "run")[0].restore, flags)


@pytest.mark.parametrize("state", ["missing", "", "garbage {", 'model_checkpoint_path: "ckpt-900"\n'], ids=repr)
@pytest.mark.parametrize("parts", [["latest"], ["best"], ["latest", "best"]], ids="+".join)
def test_a_run_whose_state_file_was_lost_goes_on_at_its_step_and_keeps_its_best_weights(tmp_path, capsys, state, parts):
    """It began anew at step 0, with no best loss, and the first validation removed the best weights."""
    run, *parts_of_run, flags = saved_run(tmp_path / "run", step=4)
    run.batches = 5
    run.save()
    for part in parts:
        path = tmp_path / "run" / part / "checkpoint"
        path.unlink() if state == "missing" else path.write_text(state)
    (tmp_path / "run" / "latest" / "ckpt-900.index").write_bytes(b"x")  # what a killed save leaves
    again, *other, _ = make_run(tmp_path / "run", seed=4)
    said = capsys.readouterr().err
    for part in parts:
        assert f"{os.path.join(part, 'checkpoint')} is missing or" in said and said.count("Warning: ") == len(parts)
    assert again.restore(flags) == str(tmp_path / "run" / "latest" / "ckpt-5")
    assert (again.batches, again.best_loss, again.stale) == (5, 1.25, 2)
    assert_equal(everything(*other), everything(*parts_of_run))
    again.start(flags)
    for step in (6, 7):
        again.batches = step
        again.save()
    indices = {part: sorted(p.name for p in (tmp_path / "run" / part).glob("*.index")) for part in ("latest", "best")}
    assert indices == {"latest": ["ckpt-6.index", "ckpt-7.index"], "best": ["ckpt-4.index"]}
    assert "run" not in (tmp_path / "run" / "latest" / "checkpoint").read_text()
    again.save_best()
    assert sorted(p.name for p in (tmp_path / "run" / "best").glob("*.index")) == ["ckpt-7.index"]
    assert find_checkpoint(str(tmp_path / "run")) == str(tmp_path / "run" / "best" / "ckpt-7")


@pytest.mark.parametrize("state", ["missing", ""], ids=repr)
def test_the_best_weights_are_found_where_the_state_file_was_lost(tmp_path, state):
    """sample.py wrote with the latest weights, or said that the run was no checkpoint."""
    run, *_ = saved_run(tmp_path / "run", step=9)
    run.batches = 10  # the larger number, not the name that comes last
    run.save()
    for part in ("best", "latest"):
        path = tmp_path / "run" / part / "checkpoint"
        path.unlink() if state == "missing" else path.write_text(state)
    assert find_checkpoint(str(tmp_path / "run")) == str(tmp_path / "run" / "best" / "ckpt-9")
    assert find_checkpoint(str(tmp_path / "run" / "latest")) == str(tmp_path / "run" / "latest" / "ckpt-10")
    assert find_checkpoint(None, str(tmp_path)) == str(tmp_path / "run" / "best" / "ckpt-9")


def test_a_state_file_that_is_empty_where_no_checkpoint_lies_is_told_in_one_line(tmp_path):
    (tmp_path / "run" / "latest").mkdir(parents=True)
    (tmp_path / "run" / "latest" / "checkpoint").write_text("")
    assert os.path.join("latest", "checkpoint") in error_of(make_run, tmp_path / "run")


# ------------------------------------------------------------------------------------------------------- weight average


def test_the_average_moves_as_documented():
    """From the weights at the start, by 1 - min(decay, (1 + step) / (10 + step))."""
    variable = tf.Variable([2.0])
    average = WeightAverage([variable], 0.9)
    expected = 2.0
    for step, value in enumerate([4.0, -1.0, 0.5]):
        variable.assign([value])
        average.update(tf.constant(step))
        expected += (1 - (1 + step) / (10 + step)) * (value - expected)
        np.testing.assert_allclose(average.values[0], [expected], rtol=1e-6)
    average.update(tf.constant(10**6))
    np.testing.assert_allclose(average.values[0], [expected + (1 - 0.9) * (0.5 - expected)], rtol=1e-5)


def test_the_weights_are_the_averages_inside_and_their_own_again_after_an_error():
    a, b = tf.Variable([1.0]), tf.Variable([2.0])
    average = WeightAverage([a, b], 0.9)
    a.assign([5.0])
    with average.in_place():
        assert (float(a[0]), float(b[0])) == (1.0, 2.0)
    assert float(a[0]) == 5.0
    with pytest.raises(KeyboardInterrupt):
        with average.in_place():
            raise KeyboardInterrupt
    assert (float(a[0]), float(b[0])) == (5.0, 2.0)


def test_the_weights_are_their_own_again_when_putting_the_averages_in_place_fails_half_way():
    a, b = tf.Variable([1.0]), tf.Variable([2.0])
    average = WeightAverage([a, b], 0.9)
    a.assign([5.0])
    average.values[1] = tf.zeros([3])  # cannot be assigned to b
    with pytest.raises(ValueError):
        with average.in_place():
            pass
    assert (float(a[0]), float(b[0])) == (5.0, 2.0)


def test_without_averaging_the_weights_stay():
    a = tf.Variable([1.0])
    average = WeightAverage([a], 0.0)
    average.update(tf.constant(1))
    with average.in_place():
        a.assign([3.0])
    assert float(a[0]) == 3.0


# --------------------------------------------------------------------------------------------------------- import order


@pytest.mark.smoke
@pytest.mark.parametrize("module", ["scribe.network.recurrent", "model", "scribe.network.checkpoint", "train"])
def test_onednn_is_asked_for_before_tensorflow_is_imported(module):
    """TensorFlow reads the variable once, when it is imported: set later, it does nothing, and training is slower."""
    program = f"""
import os, sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"), flush=True)
            os._exit(0)
sys.meta_path.insert(0, Stop())
import {module}
"""
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr
