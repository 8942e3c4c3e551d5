"""Every command and every piece of Python in README.md does what it says, or is listed here with why it is not run."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import ink_helpers
from scribe.hands.catalogue import load_catalogue
from scribe.hands.hand import save_hand
from scribe.ink.strokes import absolute_points, split_strokes
from scribe.writing.styles import load_style

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LETTER = "Dear Jon,\n\nyou know nothing.\n"

# What is not run, and why; of all Python commands among them the flags are checked.
NOT_RUN = {
    "python3 -m venv": "sets up an environment from the registry; .ci/run runs it as it stands in the README",
    "pip install": "needs the registry of packages",
    "python3 prepare_data.py": "needs IAM-OnDB; tests/unit/test_prepare_data.py has lines of its own",
    "python3 train.py": "takes hours; tests/integration/test_training.py trains small networks",
    "python3 augment_data.py": "takes minutes; tests/unit/test_augment_data.py makes lines with a small network",
    "python3 evaluate.py": "takes minutes; tests/unit/test_evaluate.py measures a small network",
    "python3 make_dataset.py": "ten thousand lines; tests/integration/test_make_dataset_command.py makes some",
    "python3 serve.py": "serves until it is stopped; tests/integration/test_page.py visits it",
    "python3 submit_training.py": "costs money; tests/integration/test_cloud_jobs.py has stand-ins for the cloud",
    "python3 monitor_training.py": "needs a job in the cloud; tests/integration/test_cloud_jobs.py has a stand-in",
    "python3 download_results.py": "needs a bucket; tests/integration/test_cloud_storage.py has an emulator",
}
PACKAGES = {"submit_training": "google.cloud.storage", "download_results": "google.cloud.storage"}


# Commands within a sentence or a table.
INLINE = re.findall(r"`python3 (\w+\.py)((?: [^`]*)?)`", README)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


COMMANDS = [
    line.split("#")[0].strip() for block in blocks("bash") for line in block.splitlines() if line.split("#")[0].strip()
]
RUN = [command for command in COMMANDS if not command.startswith(tuple(NOT_RUN))]


def test_every_reason_is_of_a_command_that_the_readme_has():
    for start in NOT_RUN:
        assert any(command.startswith(start) for command in COMMANDS), start


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN)
def test_a_command_of_the_readme_runs(command, tmp_path):
    (tmp_path / "letter.txt").write_text(LETTER, encoding="utf-8")
    (tmp_path / "guests.csv").write_text("name\nAnn\nJon\n", encoding="utf-8")
    (tmp_path / "invitation.txt").write_text("Dear {name},\n\nplease come.\n", encoding="utf-8")
    # A line that can be read: learn_hand.py learns from no other.
    strokes, written = load_style(0, str(ROOT / "data"), 1.0)
    strokes = [stroke[:, :2] for stroke in split_strokes(absolute_points(strokes))]
    (tmp_path / "me.inkml").write_text(ink_helpers.inkml([strokes], [written]), encoding="utf-8")
    if "--hand me" in command:
        save_hand(tmp_path / "me.hand.npz", load_catalogue(ROOT / "data" / "hands.npz").hands[0])
    assert command.startswith("python3 ")
    script, *flags = shlex.split(command)[1:]
    # In a folder of its own, so what it finds beside it has to be named.
    flags += ["--data_dir", str(ROOT / "data")]
    flags += ["--save_path", str(ROOT / "saved" / "checkpoint")] if script != "verify_data.py" else []
    flags += ["--steps", "2"] if script == "learn_hand.py" else []  # of the minute that it learns
    done = subprocess.run(
        [sys.executable, str(ROOT / script), *flags], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c.startswith(tuple(NOT_RUN)) and ".py" in c and "venv" not in c]
)
def test_the_flags_of_a_command_that_is_not_run_exist(command, monkeypatch):
    script, *flags = shlex.split(command.split("&&")[0])[1:]
    name = os.path.splitext(os.path.basename(script))[0]
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    monkeypatch.chdir(ROOT)
    importlib.import_module(name).parse_args(flags)


@pytest.mark.parametrize(("script", "flags"), INLINE)
def test_the_flags_of_a_command_within_the_text_exist(script, flags, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert Path(script).exists()
    if flags.strip() != "--help":
        importlib.import_module(Path(script).stem).parse_args(shlex.split(flags))


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks("python"))
def test_the_python_of_the_readme_runs(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
