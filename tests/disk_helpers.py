"""Disks that are full, for tests."""

import contextlib
import resource


@contextlib.contextmanager
def files_of_at_most(size):
    """A context within which no file of this process grows beyond `size` bytes: a write past it fails as on a full
    disk, with another number (EFBIG for ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
