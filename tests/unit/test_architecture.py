"""The layout of the suite: commands in the root, the library scribe/ below them, imports in one direction."""

import argparse
import ast
import functools
import graphlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scribe.console import finite_float

pytestmark = pytest.mark.smoke

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(ROOT.glob("*.py"))  # and model.py and utils.py
LIBRARY = sorted((ROOT / "scribe").rglob("*.py"))
NOT_THE_LIBRARY = {path.stem for path in COMMANDS} | {"tools", "scripts", "benchmarks", "tests", "legacy_tf1"}
# What does not compute. TensorFlow takes seconds to import.
WITHOUT_TENSORFLOW = (
    *("scribe.console", "scribe.ink", "scribe.files", "scribe.pages", "scribe.dataset", "scribe.cloud"),
    *("scribe.network.config", "scribe.training.flags", "scribe.training.schedule", "scribe.training.cluster"),
    *("utils", "prepare_data", "verify_data", "submit_training", "monitor_training", "download_results"),
)
MAX_LINES = 450


def name_of(path):
    """The name of a module, such as scribe.ink.alphabet, or scribe.ink for the __init__.py of a folder."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in (*COMMANDS, *LIBRARY)}


def import_statements(node, late):
    """The import statements within a node of the syntax tree; without those in functions unless `late`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif late or not (isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _for_types(child)):
            yield from import_statements(child, late)


def _for_types(node):
    """Whether it is `if TYPE_CHECKING:`, whose block never runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@functools.cache
def imports(path, late=True):
    """The names of all modules that a file imports, and of what it imports from them: {"a.b", "a.b.c"}.

    Args:
        path: the file. late: with imports in functions, which run only when the function does.
    """
    names = set()
    for statement in import_statements(ast.parse(path.read_text(encoding="utf-8")), late):
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        else:
            assert statement.level == 0, f"{name_of(path)} has a relative import"
            names |= {statement.module, *(f"{statement.module}.{alias.name}" for alias in statement.names)}
    return names


def imported_with(name):
    """All that is imported when the module `name` is: by itself, or by what it imports."""
    found, queue = set(), [name]
    while queue:
        path = MODULES.get(queue.pop())
        new = imports(path, late=False) - found if path else set()
        found |= new
        queue += new
    return found


def graph(parts):
    """{part of the library: parts that it imports}, where the first `parts` words of a module's name are its part."""
    arrows = {}
    for path in LIBRARY:
        own, *targets = [".".join(name.split(".")[:parts]) for name in (name_of(path), *imports(path) & MODULES.keys())]
        arrows.setdefault(own, set()).update(set(targets) - {own})
    return arrows


def test_a_module_of_the_root_is_a_command_or_one_that_notebooks_import():
    functions = {path.stem: {getattr(n, "name", "") for n in ast.parse(path.read_text()).body} for path in COMMANDS}
    without_main = {name for name, defined in functions.items() if "main" not in defined}
    assert without_main == {"model", "utils"}
    assert {"train", "sample"} <= MODULES.keys()


def test_the_library_never_imports_the_root():
    climbing = {name_of(path): {name.split(".")[0] for name in imports(path)} & NOT_THE_LIBRARY for path in LIBRARY}
    assert {name: targets for name, targets in climbing.items() if targets} == {}


@pytest.mark.parametrize("parts", [2, 3], ids=["folders", "files"])
def test_imports_within_the_library_form_no_circle(parts):
    graphlib.TopologicalSorter(graph(parts)).prepare()  # raises CycleError, which names the circle


def test_what_does_not_compute_never_imports_tensorflow():
    for name, path in MODULES.items():
        if f"{name}.".startswith(tuple(f"{prefix}." for prefix in WITHOUT_TENSORFLOW)):
            first_words = {module.split(".")[0] for module in imports(path) | imported_with(name)}
            assert not first_words & {"tensorflow", "keras"}, f"{name} imports TensorFlow"


COMMANDS_THAT_IMPORT_LATE = [name for name in MODULES if "." not in name and name not in ("model", "train")]


@pytest.mark.parametrize("name", COMMANDS_THAT_IMPORT_LATE)
def test_a_command_looks_at_its_flags_before_it_imports_tensorflow(name):
    assert not {module.split(".")[0] for module in imported_with(name)} & {"tensorflow", "keras"}


@pytest.mark.parametrize(("flag", "code"), [("--nosuch", 2), ("--help", 0)])
def test_training_looks_at_its_flags_before_it_imports_tensorflow(flag, code, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit(99)")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    words = [sys.executable, "-P", str(ROOT / "train.py"), flag]
    assert subprocess.run(words, env=os.environ | {"PYTHONPATH": path}, capture_output=True).returncode == code


TAKES_FLAGS = [path.stem for path in COMMANDS if "def parse_args(" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("command", TAKES_FLAGS)
def test_every_command_tells_a_wrong_flag_in_one_line_and_takes_no_number_that_is_not_finite(
    command, monkeypatch, capsys
):
    parse_args = importlib.import_module(command).parse_args
    parsers = []

    class Found(Exception):
        pass

    def found(parser, *_):
        parsers.append(parser)
        raise Found

    with monkeypatch.context() as context, pytest.raises(Found):
        context.setattr(argparse.ArgumentParser, "parse_known_args", found)
        parse_args([])
    of_numbers = [action.option_strings[0] for action in parsers[0]._actions if action.type in (float, finite_float)]
    for wrong in ([f"{flag}=nan"] for flag in of_numbers):
        with pytest.raises(SystemExit) as error:
            parse_args(wrong)
        said = capsys.readouterr().err
        assert error.value.code == 2 and said.startswith("Error: ") and said.count("\n") == 1
        assert wrong[0].removesuffix("=nan") in said
    with pytest.raises(SystemExit) as error:
        parse_args(["--no_such_flag"])
    said = capsys.readouterr().err
    assert error.value.code == 2 and said.startswith("Error: ") and said.count("\n") == 1


def test_no_import_is_a_star():
    assert not [name for name, path in MODULES.items() if any(target.endswith(".*") for target in imports(path))]


def test_packages_are_empty_so_that_importing_one_file_costs_no_other():
    assert [name_of(path) for path in LIBRARY if path.name == "__init__.py" and path.read_text().strip()] == []


def test_library_files_can_be_read_in_one_sitting():
    lines = {name_of(path): path.read_text(encoding="utf-8").count("\n") for path in LIBRARY}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_the_archived_program_imports_nothing_of_the_suite():
    """It runs under Python 3.7 and TensorFlow 1; its `utils`, `model` and `sample` are its own."""
    archived = list((ROOT / "legacy_tf1").glob("*.py"))
    assert archived and not [path.name for path in archived if any(n.startswith("scribe.") for n in imports(path))]
