"""Processes that draw, beside the main process: Matplotlib keeps one core busy, however many there are.

    with drawing_processes(2) as pool:
        pictures = list(pool.map(draw, pages))

`draw` has to be a function of a module: the processes do not import the main program.
"""

import contextlib
import multiprocessing.connection
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool


@contextlib.contextmanager
def drawing_processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A `concurrent.futures` executor with this number of processes.

    They start at the first call, end with the block or when this process is killed, and ignore Ctrl-C, which is for it.

    Raises:
        OSError: one of them was killed.
    """
    pool = _Processes(workers)
    try:
        yield pool
    except BrokenProcessPool:
        raise OSError("a process that draws was ended from outside, possibly out of memory.") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Processes(ProcessPoolExecutor):
    _lock = threading.Lock()

    def __init__(self, workers):
        # TensorFlow does not survive a fork.
        super().__init__(workers, multiprocessing.get_context("spawn"), initializer=_end_with_parent)

    def submit(self, function, /, *args, **kwargs):
        """As in the base class, which starts a process here when all are busy."""
        # A new process imports the main program again, which would load TensorFlow: seconds, and of no use to drawing.
        with self._lock:
            main = sys.modules["__main__"]
            sys.modules["__main__"] = types.ModuleType("__main__")
            try:
                return super().submit(function, *args, **kwargs)
            finally:
                sys.modules["__main__"] = main


def _end_with_parent():
    """Makes a drawing process end when the main process has been killed, instead of waiting for work forever."""

    def watch():
        multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal is for the main process
    threading.Thread(target=watch, daemon=True).start()
