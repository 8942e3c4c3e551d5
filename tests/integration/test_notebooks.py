"""The notebooks execute from top to bottom, show pictures and no errors, and leave the work to the modules.

They run in copies, on a small model and synthetic lines; the committed files are not touched.
"""

import ast
import hashlib
import json
import os
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import utils
from data_helpers import make_line, write_data
from model import HandwritingModel
from scribe.files.stroke_file import STYLES_FILE
from scribe.ink.alphabet import ALPHABET
from scribe.network.checkpoint import save_model

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
from IPython.core.inputtransformer2 import TransformerManager  # noqa: E402

ROOT = os.path.dirname(os.path.abspath(utils.__file__))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import run_notebooks  # noqa: E402

pytestmark = pytest.mark.notebooks
NAMES = run_notebooks.NOTEBOOKS
LIMIT = 300  # seconds for a cell


def committed(name):
    return nbformat.read(os.path.join(ROOT, name), as_version=4)


def digests():
    return {name: hashlib.sha256(open(os.path.join(ROOT, name), "rb").read()).hexdigest() for name in NAMES}


def pictures(notebook):
    kinds = [kind for cell in notebook.cells for output in cell.get("outputs", []) for kind in output.get("data", {})]
    return sum(kind.startswith("image/") for kind in kinds)


def said(notebook):
    """All text that the cells have put out."""
    return "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))


def code(notebook):
    """The code of all cells as Python: magics become calls."""
    return [TransformerManager().transform_cell(cell.source) for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory):
    """The environment of the notebooks: 60 short lines, the shipped styles, a tiny model whose window walks on."""
    folder = tmp_path_factory.mktemp("notebooks")
    data = folder / "data"
    rng = np.random.default_rng(0)
    pairs = [make_line(rng, characters=6 + i % 5, points_per_character=12) for i in range(60)]
    write_data(data, strokes=[points for points, _ in pairs], texts=[text for _, text in pairs])
    shutil.copy(os.path.join(ROOT, "data", STYLES_FILE), data)
    model = HandwritingModel(SimpleNamespace(rnn_size=12, nmixtures=3, kmixtures=1, alphabet=ALPHABET, hand_size=4))
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.2, variable.shape))
    model.attention_layer.bias.assign([0, 0.5, -2.0])  # a character every seven points
    save_model(str(folder / "model" / "checkpoint"), model)
    return {
        "SCRIBE_DATA_DIR": str(data),
        "SCRIBE_MODEL": str(folder / "model" / "checkpoint"),
        "SCRIBE_DRIVE": str(folder / "drive"),
        "SCRIBE_RNN_SIZE": "8",
        "SCRIBE_BATCH_SIZE": "4",
        "SCRIBE_BATCHES": "3",
        "SCRIBE_EPOCHS": "2",
        "SCRIBE_SAVE_EVERY": "2",
        "SCRIBE_LOOK_EVERY": "6",
    }


def execute(name, environment, until=None):
    """An executed copy of a notebook, cleaned as it would be for the repository. An error of a cell is raised.

    Args:
        until: text of the last cell to execute; None: all of them.
    """
    before = digests()
    notebook = committed(name)
    if until:
        (last,) = [i for i, cell in enumerate(notebook.cells) if until in cell.source]
        notebook.cells = notebook.cells[: last + 1]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    run_notebooks.execute(notebook, environment, LIMIT)
    run_notebooks.clean(notebook, environment)
    assert digests() == before
    return notebook


def assert_sound(notebook, environment, least_pictures):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    assert pictures(notebook) >= least_pictures
    assert "Traceback" not in said(notebook)
    everything = json.dumps(notebook)
    for path in (ROOT + os.sep, os.path.expanduser("~") + os.sep, *environment.values()):
        assert os.sep not in path or path not in everything, path


# ------------------------------------------------------------------------------------------- executed, on small things


@pytest.mark.slow
def test_the_data_notebook_shows_lines_lengths_and_batches_and_refuses_a_strange_pickle(surroundings):
    notebook = execute("dataloader.ipynb", surroundings)
    assert_sound(notebook, surroundings, least_pictures=9)
    assert "asks for builtins.print" in said(notebook) and "60 lines" in said(notebook)


@pytest.mark.slow
def test_the_sampling_notebook_computes_the_window_of_the_network_by_hand(surroundings):
    notebook = execute("sample.ipynb", surroundings)
    assert_sound(notebook, surroundings, least_pictures=13)
    assert "as in the network: True True" in said(notebook)
    assert any("image/gif" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))


@pytest.mark.slow
def test_the_training_notebook_trains_and_goes_on_when_it_is_executed_again(surroundings):
    first = execute("COLAB_TRAINING.ipynb", {**surroundings, "SCRIBE_EPOCHS": "1"})
    assert_sound(first, surroundings, least_pictures=2)
    assert "A new training." in said(first) and "Done: 3 steps" in said(first) and "exit code 0" in said(first)
    assert said(first).count("Going on from") == 1  # the cell that gives the same command again

    drive = surroundings["SCRIBE_DRIVE"]
    assert {"scribe_model.zip", "result", "run", "logs"} <= set(os.listdir(drive))
    assert os.path.exists(os.path.join(drive, "result", "config.json"))

    second = execute("COLAB_TRAINING.ipynb", surroundings, until="messages.read()")
    assert "There is a training to go on with." in said(second)
    assert "step 3 of 6" in said(second) and "Done: 6 steps" in said(second)


def test_in_colab_the_suite_is_the_folder_on_the_drive(tmp_path, monkeypatch, capsys):
    """The first cells in order, with a stand-in for Colab's modules, and a folder in the place of /content."""
    content = tmp_path / "content"
    suite = content / "drive" / "MyDrive" / "my scribe"
    for name in ("COLAB_TRAINING.ipynb", "requirements.txt", "train.py"):
        suite.mkdir(parents=True, exist_ok=True)
        (suite / name).write_text(name)
    (suite / ".git").mkdir()
    mounted, ran = [], []
    drive = SimpleNamespace(mount=mounted.append)
    colab = SimpleNamespace(drive=drive)
    for name, module in (("google.colab", colab), ("google.colab.drive", drive)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "google", SimpleNamespace(colab=colab))
    shell = SimpleNamespace(
        system=lambda command: ran.append(command), run_line_magic=lambda name, line: ran.append(f"{name} {line}")
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    namespace = {"get_ipython": lambda: shell}
    for source in code(committed("COLAB_TRAINING.ipynb"))[:2]:
        exec(source.replace("/content", str(content)), namespace)
    assert mounted == [str(content / "drive")] and ran == ["pip install --quiet -r requirements.txt"]
    assert os.getcwd() == str(content / "suite") and os.path.exists("train.py") and not os.path.exists(".git")
    assert "my scribe" in capsys.readouterr().out
    assert namespace["RUN"] == str(content / "drive" / "MyDrive" / "scribe_training" / "run")

    shutil.rmtree(suite)
    shutil.rmtree(content / "suite")
    with pytest.raises(SystemExit, match="copy its folder to the root of your Drive"):
        exec(source.replace("/content", str(content)), namespace)


# ------------------------------------------------------------------------------------------------ as they are committed


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_notebook_was_executed_without_errors_and_is_small(name):
    notebook = committed(name)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert_sound(notebook, {}, least_pictures=2)
    assert os.path.getsize(os.path.join(ROOT, name)) < run_notebooks.MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_notebook_holds_nothing_of_the_machine_that_executed_it(name):
    notebook = committed(name)
    assert notebook.metadata == run_notebooks.METADATA
    assert not [cell for cell in notebook.cells if "execution" in cell.metadata]
    everything = json.dumps(notebook)
    for path in ("/home/", "/root/", "/tmp/", "/Users/", "site-packages"):
        assert path not in everything


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_defines_nothing_but_small_functions_that_draw(name):
    """Logic in a notebook is tested by nobody and copied by everybody: it belongs to a module."""
    for source in code(committed(name)):
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(node, (ast.ClassDef, ast.AsyncFunctionDef, ast.Lambda)) or _is_key(node, source)
            if isinstance(node, ast.FunctionDef):
                assert node.name.startswith("show_"), node.name
                assert node.end_lineno - node.lineno < 14, f"{node.name} is long"
                inner = list(ast.walk(node))
                assert not [part for part in inner if isinstance(part, (ast.While, ast.Yield))], node.name
                assert not [part for part in inner if isinstance(part, ast.Return) and part.value], node.name
                called = [part.func for part in inner if isinstance(part, ast.Call)]
                owners = {f.value.id for f in called if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name)}
                assert owners & {"axes", "axis"} or "show_line" in {getattr(f, "id", "") for f in called}, node.name


def _is_key(node, source):
    """A lambda is allowed where it says by what to sort."""
    return isinstance(node, ast.Lambda) and "key=" + ast.get_source_segment(source, node) in source


# ------------------------------------------------------------------------------------------- the script that runs them


def test_a_notebook_that_fails_is_left_as_it_was_and_the_exit_code_is_1(tmp_path, capsys):
    path = tmp_path / "broken.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(notebook, path)
    before = path.read_bytes()
    assert run_notebooks.main([str(path), "--timeout", "60"]) == 1
    out, err = capsys.readouterr()
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["broken.ipynb"]
    assert out == "" and "ZeroDivisionError" in err and "left as it was" in err


def test_a_notebook_that_does_not_exist_is_wrong_usage():
    with pytest.raises(SystemExit) as exit:
        run_notebooks.main(["none.ipynb"])
    assert exit.value.code == 2


def test_cleaning_takes_out_paths_colours_and_times():
    output = nbformat.v4.new_output("stream", text=f"\x1b[31m{ROOT}/train.py\x1b[0m\nold\rnew\n")
    cell = nbformat.v4.new_code_cell("x", outputs=[output], metadata={"execution": {"iopub.execute_input": "2026"}})
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"language_info": {"name": "python", "version": "3"}})
    run_notebooks.clean(notebook, {})
    assert notebook.cells[0].outputs[0].text == "train.py\nnew\n"
    assert notebook.cells[0].metadata == {} and notebook.metadata == run_notebooks.METADATA
