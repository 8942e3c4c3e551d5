"""python3 convert_checkpoint.py, as people call it: from a checkpoint of TensorFlow 1 to a picture."""

import os
import subprocess
import sys
from pathlib import Path

from tf1_helpers import TRAINED

ROOT = Path(__file__).resolve().parents[2]


def test_one_command_leads_from_a_checkpoint_to_a_picture_and_the_result_can_be_sampled_again(tmp_path):
    flags = ["--text", "Hello World", "--seed", "3", "--bias", "1"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "convert_checkpoint.py"), TRAINED, "--name", "mine", *flags],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder, *pictures = done.stdout.splitlines()
    assert folder == os.path.join("saved", "mine") and len(pictures) == 3
    assert all((tmp_path / picture).read_bytes()[1:4] == b"PNG" for picture in pictures)

    first = (tmp_path / pictures[0]).read_bytes()
    (tmp_path / pictures[0]).unlink()
    again = subprocess.run(
        [sys.executable, str(ROOT / "sample.py"), "--save_path", "saved/mine", *flags],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert (tmp_path / pictures[0]).read_bytes() == first
