"""Imports TensorFlow for the suite, so that its options stand before: `from scribe.network.tf_setup import tf`.

Set TF_CPP_MIN_LOG_LEVEL=0 in the environment to see everything that TensorFlow has to say.
"""

import contextlib
import os
import re

from scribe.console import shortened

# TensorFlow turns oneDNN on by itself on some processors only; on the others, too, it makes the large matrix products
# of training about 1.5 times as fast.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextlib.contextmanager
def _without_stderr():
    """Drops what is written to file descriptor 2 from C++, which no option of TensorFlow silences this early."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)


# On a machine without a GPU every start would print an error about CUDA that is none. Who sets a level wants to see it.
with contextlib.nullcontext() if "TF_CPP_MIN_LOG_LEVEL" in os.environ else _without_stderr():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    GPUS = tf.config.list_physical_devices("GPU")


def one_thread_per_operation(side_by_side=0):
    """Lets operations run side by side, each on one thread: those of a recurrence are too small to share among cores.

    It has to be called before TensorFlow runs its first operation; later, and in a program that has set TensorFlow up
    in its own way, it does nothing.

    Args:
        side_by_side: operations at a time; 0 is one for each core.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(side_by_side)
    except RuntimeError:
        pass


def describe(error: Exception) -> str:
    """What an error of TensorFlow says to a user: its first line, without the names of the graph's nodes."""
    lines = str(getattr(error, "message", None) or error).strip().splitlines() or [type(error).__name__]
    text = re.sub(r"\{\{[^}]*\}\}|\[Op:[^\]]*\]|\bname: ?$", "", lines[0])
    return shortened(" ".join(text.split()), 200)
