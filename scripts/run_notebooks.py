"""Executes the notebooks from top to bottom and writes them back with their outputs.

    python3 scripts/run_notebooks.py                              # all three, in place
    python3 scripts/run_notebooks.py sample.ipynb --timeout 1200
    python3 scripts/run_notebooks.py --data_dir other --save_path saved/mine

What differs from run to run and means nothing is left out: execution times, names of kernels, paths of this machine,
progress bars. A notebook that fails keeps its earlier outputs.
Needs nbclient and ipykernel (requirements-test.txt). Names of finished notebooks go to stdout, messages to stderr. Exit
code 0: all were executed; 1: at least one failed; 2: wrong usage.
"""

import argparse
import os
import re
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from scribe.console import say  # noqa: E402
from scribe.files.atomic import written_aside  # noqa: E402

NOTEBOOKS = ("dataloader.ipynb", "sample.ipynb", "COLAB_TRAINING.ipynb")
MOST_BYTES = 1_000_000  # of a notebook with its pictures
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def parse_args(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("notebooks", nargs="*", help="notebooks to execute (default: all of the repository)")
    p.add_argument("--data_dir", default=None, help="folder with the strokes and the styles (default: data)")
    p.add_argument("--save_path", default=None, help="checkpoint of sample.ipynb (default: the shipped one)")
    p.add_argument("--timeout", type=int, default=1800, help="most seconds for a cell")
    args = p.parse_args(argv)
    args.notebooks = args.notebooks or [os.path.join(ROOT, name) for name in NOTEBOOKS]
    for path in args.notebooks:
        if not os.path.isfile(path):
            p.error(f"{path} does not exist")
    if args.timeout < 1:
        p.error(f"--timeout is {args.timeout}: it has to be 1 or more")
    return args


def settings(args, folder):
    """The environment variables of the notebooks; training goes to `folder`."""
    values = {"SCRIBE_DATA_DIR": args.data_dir, "SCRIBE_MODEL": args.save_path, "SCRIBE_DRIVE": folder}
    return {name: os.path.abspath(value) for name, value in values.items() if value}


def execute(notebook, environment, timeout):
    """Executes all cells in the repository's folder; raises nbclient's CellExecutionError at the first that fails."""
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", record_timing=False, resources={"metadata": {"path": ROOT}}
    )
    client.execute(env={**os.environ, **environment})


def clean(notebook, environment):
    """Removes from an executed notebook what belongs to this run or this machine."""
    notebook.metadata.clear()
    notebook.metadata.update(METADATA)
    # Longest first, so that a folder within another is not left half replaced.
    names = {ROOT: ".", os.path.expanduser("~"): "~", tempfile.gettempdir(): "tmp"}
    stand_in = {"SCRIBE_DATA_DIR": "data", "SCRIBE_MODEL": os.path.join("saved", "checkpoint"), "SCRIBE_DRIVE": "drive"}
    names |= {environment[variable]: name for variable, name in stand_in.items() if variable in environment}
    names |= {os.path.realpath(path): name for path, name in names.items()}
    paths = sorted(names.items(), key=lambda item: -len(item[0]))
    for number, cell in enumerate(notebook.cells, 1):
        cell["id"] = f"cell-{number:02d}"
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("metadata", {}).clear()
            if "transient" in output:
                del output["transient"]
            if "text" in output:
                output["text"] = _clean_text(output["text"], paths)
            for kind, value in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output["data"][kind] = _clean_text(value, paths)


def _clean_text(text, paths):
    for path, name in paths:
        text = text.replace(path + os.sep, "" if name == "." else name + "/").replace(path, name)
    lines = [line.split("\r")[-1] if "\r" in line.rstrip("\r") else line for line in text.split("\n")]
    return _plain("\n".join(lines))


def _plain(text):
    """The text without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def save(notebook, path):
    """Writes a notebook; returns its size in bytes."""
    import nbformat

    with written_aside(path) as aside, open(aside, "w", encoding="utf-8") as file:
        nbformat.write(notebook, file)
    return os.path.getsize(path)


def main(argv=None):
    args = parse_args(argv)
    try:
        import nbformat
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    except ImportError as error:
        say(f"Error: {error}. It needs: pip install nbclient nbformat ipykernel")
        return 1
    failed = 0
    for path in args.notebooks:
        say(f"Executing {path} ...")
        try:
            notebook = nbformat.read(path, as_version=4)
            with tempfile.TemporaryDirectory() as folder:  # a fresh one, so that training starts anew
                environment = settings(args, folder)
                execute(notebook, environment, args.timeout)
                clean(notebook, environment)
            size = save(notebook, path)
        except (CellExecutionError, CellTimeoutError, DeadKernelError, OSError, ValueError) as error:
            say(f"Error: {path} failed and was left as it was: {_plain(str(error))}")
            failed += 1
            continue
        if size > MOST_BYTES:
            say(f"Warning: {path} has {size:,} bytes; make its pictures smaller.")
        print(path)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
