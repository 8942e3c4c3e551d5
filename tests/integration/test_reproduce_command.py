"""python3 reproduce.py: figures and tables from small networks that nobody trained, and the way to prediction lines."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

import evaluate
import reproduce
import sample
import train
from conftest import ROOT
from data_helpers import write_data
from model import HandwritingModel
from model_helpers import save_tiny_model
from scribe.network.checkpoint import save_model
from scribe.writing.proofread import sample_checked


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """The folder of a tiny network, a tiny prediction network, and data."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "texts").mkdir()
    save_tiny_model(folder / "texts")
    model = HandwritingModel(SimpleNamespace(rnn_size=8, nmixtures=3, kmixtures=1, alphabet=""))
    save_model(str(folder / "prediction" / "checkpoint"), model)
    write_data(folder / "data", 40)
    return folder


def run(networks, *flags):
    paths = ["--save_path", networks / "texts" / "checkpoint", "--data_dir", networks / "data"]
    return reproduce.main([str(part) for part in (*paths, *flags)])


@pytest.mark.slow
def test_all_figures_and_tables_are_made(networks, tmp_path, capsys, monkeypatch):
    """With one try of each line: nobody trained the network, so more of them would be as bad."""
    monkeypatch.setattr(reproduce, "sample_checked", partial(sample_checked, attempts=1))
    monkeypatch.setattr(reproduce, "PREDICTED_POINTS", 60)
    monkeypatch.setattr(reproduce, "PRIMES", {number: (number - 18,) for number in reproduce.PRIMES})
    code = run(networks, "--all", "--output", tmp_path, "--prediction", networks / "prediction" / "checkpoint")
    out, err = capsys.readouterr()
    assert code == 0, err
    files = {f"figure_{number}.png" for number in reproduce.FIGURES}
    assert {path.name for path in tmp_path.iterdir()} == files
    assert "-1096.9" in out and "-1025.7" in out and out.count("measured") == 2
    assert "2 lines of" in out


def test_what_needs_a_prediction_network_is_left_out_with_a_message_where_there_is_none(networks, tmp_path, capsys):
    flags = ["--output", tmp_path, "--prediction", networks / "none", "--tables", "3", "4"]
    assert run(networks, *flags) == 0
    out, err = capsys.readouterr()
    assert "Table 3 left out" in err and "--unconditional" in err and "Table 4" in out and "Table 3" not in out
    assert run(networks, *flags[:4], "--figures", "11") == 1


def test_nothing_to_make_and_the_wrong_network_are_wrong_usage(networks, tmp_path, capsys):
    for flags in ((), ("--figures", "12"), ("--all", "--seed", "-1")):
        with pytest.raises(SystemExit) as exit:
            run(networks, *flags)
        assert exit.value.code == 2
    assert run(networks, "--tables", "3", "--prediction", networks / "texts" / "checkpoint") == 2
    assert "--prediction" in capsys.readouterr().err


@pytest.mark.slow
def test_a_prediction_network_is_trained_measured_and_writes(networks, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = ["--rnn_size", "8", "--nmixtures", "2", "--nepochs", "1", "--batch_size", "8", "--warmup", "2"]
    data = ["--data_dir", str(networks / "data")]
    assert train.main(["--unconditional", "--save_path", "saved/prediction", *sizes, *data]) == 0
    assert evaluate.main(["--part", "likelihood", "--save_path", "saved/prediction", *data]) == 0
    assert "nats per line" in capsys.readouterr().out
    flags = ["--save_path", "saved/prediction", "--seed", "1"]
    assert sample.main(["--unconditional", "--tsteps", "50", *flags]) == 0
    names = capsys.readouterr().out.split()
    assert len(names) == 3 and all((tmp_path / name).exists() for name in names)
    assert sample.main(["--text", "abc", *flags]) == 2
    assert "add --unconditional" in capsys.readouterr().err
    assert evaluate.main(["--save_path", "saved/prediction", *data]) == 2


def test_the_shipped_prediction_network_writes_without_being_named(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert sample.main(["--unconditional", "--tsteps", "60", "--seed", "1", "--log_dir", str(tmp_path)]) == 0
    names = capsys.readouterr().out.split()
    assert len(names) == 3 and all((tmp_path / "figures").samefile(Path(name).parent) for name in names)


def test_a_network_that_writes_texts_cannot_write_without(networks, capsys):
    assert sample.main(["--unconditional", "--save_path", str(networks / "texts" / "checkpoint")]) == 2
    assert "train.py --unconditional" in capsys.readouterr().err
