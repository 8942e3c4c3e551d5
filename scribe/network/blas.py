"""NumPy's matrix products on one thread, while many small ones are computed."""

import contextlib
import functools
import threading

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_users = 0  # threads that are within `one_thread`
_limit = None


@functools.cache
def _controller():
    return ThreadpoolController()


@contextlib.contextmanager
def one_thread():
    """Within it, a product does not share its work among cores: a small one would wait longer for them than it takes.

    The setting belongs to the process. It is restored when the last of the threads that use this has left.
    """
    global _users, _limit
    with _lock:
        if not _users:
            _limit = _controller().limit(limits=1, user_api="blas")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _limit.restore_original_limits()
