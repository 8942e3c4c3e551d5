"""What every test needs before TensorFlow is imported: the suite on the path, and a quiet, well-behaved TensorFlow."""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

TESTS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(TESTS)

# The commands lie in the root and import scribe from there; the tests share a few helpers of their own.
for folder in (TESTS, ROOT):
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)

# Scripts that tests start as processes of their own inherit all of these.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
# Whichever module a test imports first, TensorFlow computes as it does for a user.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Workers of pytest-xdist share the machine: without a limit, each would start a thread for every core.
_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if _workers > 1:
    _threads = str(max(1, (os.cpu_count() or 1) // _workers))
    for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_name, _threads)

# The first call of a tf.function takes seconds, so no example has a deadline. The examples are the same in every run;
# `--hypothesis-profile=explore` looks for new ones.
_common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("repeatable", derandomize=True, **_common)
settings.register_profile("explore", max_examples=1000, **_common)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(config, items):
    """Fuzzing takes as long as it is let: it runs where it is asked for, `-m fuzz`, and is no part of the suite."""
    if "fuzz" not in config.option.markexpr:
        fuzzing = [item for item in items if item.get_closest_marker("fuzz")]
        items[:] = [item for item in items if item not in fuzzing]
        if fuzzing:
            config.hook.pytest_deselected(items=fuzzing)


def pytest_configure(config):
    """A deprecation in the suite's own files fails the test that meets it."""
    modules = [r"scribe\."]
    for folder in (ROOT, os.path.join(ROOT, "tools"), os.path.join(ROOT, "legacy_tf1")):
        modules += [f"{path.stem}$" for path in Path(folder).glob("*.py")]
    for module in modules:
        for category in ("DeprecationWarning", "FutureWarning"):
            config.addinivalue_line("filterwarnings", f"error::{category}:{module}")
