"""The files of a checkpoint: which there are, where one is found, how a save takes effect; without TensorFlow.

    from scribe.network.checkpoint_files import checkpoint_files, find_checkpoint
    config, *weights = checkpoint_files(find_checkpoint("saved/mine"))

A checkpoint is PREFIX.index and PREFIX.data-*; the config.json in the same folder, or the one above, says how to build
the network. The folder of a training run (scribe/training/run_state.py) holds two, in latest/ and in best/.
"""

import contextlib
import glob
import os
import re

from scribe.console import SuiteError
from scribe.network.config import SAVED, SHIPPED

CONFIG_FILE = "config.json"
STATE_FILE = "checkpoint"  # in it, TensorFlow keeps the name of the newest checkpoint of a folder
INDEX_END = bytes.fromhex("57fb808b247547db")  # the last bytes of every index


class CheckpointError(SuiteError):
    """A checkpoint cannot be found, read or written; the message says what to do."""


# --------------------------------------------------------------------------------------------------------- the files


def config_file(prefix: str) -> str:
    """The path of the config.json of a checkpoint: in its folder or the folder above.

    Raises:
        CheckpointError: there is none.
    """
    folder = os.path.dirname(prefix)
    candidates = [os.path.join(place, CONFIG_FILE) for place in (folder, os.path.dirname(folder))]
    for path in candidates:
        if os.path.exists(path):
            return path
    raise CheckpointError(
        f"{prefix} has no {candidates[0]}, so its sizes are not known; copy it from where it was trained. "
        "A checkpoint of an earlier scribe is converted by convert_checkpoint.py."
    )


def data_files(prefix: str) -> list[str]:
    """The data files of a checkpoint that are there, sorted."""
    return sorted(glob.glob(glob.escape(prefix) + ".data-?????-of-?????"))


def has_files(prefix: str) -> bool:
    """Whether the index and all data files of a checkpoint are there."""
    numbers = {path[-14:] for path in data_files(prefix)}  # such as 00000-of-00001
    count = max((int(number[-5:]) for number in numbers), default=0)
    whole = {f"{i:05d}-of-{count:05d}" for i in range(count)}
    return os.path.exists(prefix + ".index") and bool(whole) and whole <= numbers


def checkpoint_files(prefix: str) -> list[str]:
    """The files of a checkpoint: its config, its index, its data files.

    Raises:
        CheckpointError: one of them is missing.
    """
    finish_save(prefix)
    if not has_files(prefix):
        raise CheckpointError(f"{prefix} is not a whole checkpoint: it takes {prefix}.index and {prefix}.data-*.")
    return [config_file(prefix), prefix + ".index", *data_files(prefix)]


def saved_aside(prefix: str) -> str:
    """The folder that holds the files of a save which is whole, until all of them are in their places."""
    folder, name = os.path.split(prefix)
    return os.path.join(folder, f".{name}.saved")  # hidden: a run may have any other name


def finish_save(prefix: str) -> None:
    """Moves the files of `saved_aside(prefix)`, if there is such a folder, to their places; the index is the last.

    With the rename that gives the folder this name a save has taken effect, all or nothing. What is left are renames,
    which a kill can interrupt: whoever looks for the checkpoint next goes on with them.

    Raises:
        CheckpointError: a file cannot be moved.
    """
    aside = saved_aside(prefix)
    if not os.path.isdir(aside):
        return
    try:
        with contextlib.suppress(FileNotFoundError):  # another process moves the files as well
            for name in sorted(os.listdir(aside), key=lambda name: (name.endswith(".index"), name)):
                os.replace(os.path.join(aside, name), os.path.join(os.path.dirname(prefix), name))
            os.rmdir(aside)
    except OSError as error:
        raise CheckpointError(
            f"{prefix} was saved, but the files of {aside} cannot be moved to their places ({error.strerror}): the "
            "next command that reads it goes on with that."
        ) from None


# -------------------------------------------------------------------------------------------------------- finding one


def find_checkpoint(save_path: str | None = None, saved: str = SAVED) -> str:
    """The prefix of a checkpoint.

    Args:
        save_path: a prefix, the folder of a training run (its best weights, else its latest), or None: the newest
            training run in `saved`, else the shipped checkpoint.

    Raises:
        CheckpointError: there is none.
    """
    if save_path:
        if _is_there(save_path):
            return save_path
        prefix = _of_run(save_path) or newest_checkpoint(save_path)
        if prefix is None and _is_there(os.path.join(save_path, "checkpoint")):
            prefix = os.path.join(save_path, "checkpoint")
        if prefix is None:
            raise CheckpointError(f"{save_path} is neither a checkpoint (no {save_path}.index) nor a folder with one.")
        return prefix
    runs = [_of_run(os.path.join(saved, name)) for name in (os.listdir(saved) if os.path.isdir(saved) else [])]
    runs = sorted((prefix for prefix in runs if prefix), key=lambda prefix: os.path.getmtime(prefix + ".index"))
    if runs:
        return runs[-1]
    shipped = os.path.join(saved, os.path.basename(SHIPPED))
    if _is_there(shipped):
        return shipped
    raise CheckpointError(
        f"there is no checkpoint in {os.path.abspath(saved)}: start the command in the folder of the suite, train one "
        "with python3 train.py, or name one with --save_path."
    )


def _is_there(prefix):
    finish_save(prefix)
    return os.path.exists(prefix + ".index")


def _of_run(folder):
    """The best, else the latest checkpoint of a training run, or None."""
    found = (newest_checkpoint(os.path.join(folder, part)) for part in ("best", "latest"))
    return next(filter(None, found), None)


def newest_checkpoint(folder: str) -> str | None:
    """The prefix of the checkpoint that the state file of a folder names, else of the newest whole ckpt-STEP.

    A copy of a folder may lack the state file, or what it names. None: there is no checkpoint.
    """
    return named_checkpoint(folder) or next(reversed(whole_checkpoints(folder)), None)


def named_checkpoint(folder: str) -> str | None:
    """The prefix of the checkpoint that the state file of a folder names, if its files are there, else None."""
    try:
        with open(os.path.join(folder, STATE_FILE), encoding="utf-8") as file:
            match = re.search(r'^model_checkpoint_path: "(.+)"$', file.read(), re.MULTILINE)
        # What is not ASCII may stand there as it is or as its bytes, such as \303\251.
        name = match[1].encode("utf-8").decode("unicode_escape").encode("latin1").decode("utf-8") if match else ""
    except (OSError, ValueError):
        return None
    prefix = os.path.join(folder, name)
    return prefix if name and has_files(prefix) else None


def whole_checkpoints(folder: str) -> list[str]:
    """The prefixes of all ckpt-STEP of a folder that are whole, the newest last."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    steps = [int(match[1]) for name in names if (match := re.fullmatch(r"ckpt-(\d+)\.index", name))]
    return [prefix for step in sorted(steps) if _is_whole(prefix := os.path.join(folder, f"ckpt-{step}"))]


def _is_whole(prefix):
    """Whether all files are there, and the index, which TensorFlow writes last of all and in its place, has its end."""
    if not has_files(prefix):
        return False
    with open(prefix + ".index", "rb") as file:
        return file.read().endswith(INDEX_END)
