"""Changes the library's core in small ways, one at a time, and counts how many changes the tests notice.

    python3 -m venv .mutants && .mutants/bin/pip install cosmic-ray
    python3 benchmarks/mutants.py --cosmic-ray .mutants/bin/cosmic-ray                        # all; takes hours
    python3 benchmarks/mutants.py --cosmic-ray .mutants/bin/cosmic-ray --only plan --most 50  # 50 of one module

The suite is copied first, so the files here stay as they are. Cosmic Ray makes the mutants; of a module with more than
--most, a random sample is tested, each with the quick tests of that module alone. Decorators and annotations are left
out: they change nothing that runs. Those that survive are printed: read each, since some are equivalent to the original
and no test could notice them.

Tests are run in children of a process that has the libraries loaded: TensorFlow alone takes seconds to import. The
largest part of what a mutant costs is what a child has to load anew, which is the suite and its tests.
"""

import argparse
import compileall
import contextlib
import json
import os
import py_compile
import random
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scribe.console import SuiteError, run_command, say  # noqa: E402
from scribe.files.atomic import check_writable, save_json  # noqa: E402

# By name: the module, and the arguments of pytest that select its tests.
MODULES = {
    "density": ("scribe/network/density.py", "tests/unit/test_density.py"),
    "recurrence": ("scribe/network/recurrent.py", "tests/unit/test_recurrent.py"),
    "sampler": (
        "scribe/writing/sampler.py scribe/writing/line_ends.py",
        "tests/unit/test_sampler.py",
    ),
    "rows": (
        "scribe/writing/rows.py scribe/writing/word_starts.py",
        "tests/unit/test_word_starts.py tests/unit/test_sampler.py",
    ),
    "safe pickle": ("scribe/files/safe_pickle.py", "tests/unit/test_utils.py tests/property/test_data_properties.py"),
    "atomic writes": ("scribe/files/atomic.py", "tests/unit/test_atomic.py"),
    "plan": (
        "scribe/dataset/plan.py scribe/dataset/splits.py",
        "tests/unit/test_dataset.py -k 'shard or split or seed or csv'",
    ),
    "bias": ("scribe/writing/bias.py", "tests/unit/test_sample.py -k 'moments or bias_ or component'"),
    "attempts": (
        "scribe/writing/proofread.py scribe/writing/line_writer.py scribe/writing/lines.py",
        "tests/unit/test_attempts.py",
    ),
    "failures": ("scribe/writing/failures.py", "tests/unit/test_failures.py"),
    "slips": (
        "scribe/writing/slips.py scribe/writing/gaps.py scribe/writing/levels.py scribe/writing/marks.py",
        "tests/unit/test_slips.py",
    ),
}
LEFT_OUT = ("core/RemoveDecorator", "core/ReplaceBinaryOperator_BitOr")  # the second: annotations such as str | None
CONFIG = """[cosmic-ray]
module-path = {modules}
timeout = {timeout}.0
excluded-modules = []
test-command = "{python} ask.py"

[cosmic-ray.distributor]
name = "local"
"""


# What Cosmic Ray runs as the tests: asks the server of `serve`.
ASK = """import socket, sys
with socket.socket(socket.AF_UNIX) as client:
    client.connect("server")
    sys.exit(int(client.recv(16)))
"""


def serve(folder, tests, timeout):
    """Waits at a socket in `folder`; for each caller, runs the tests in a child and sends its exit code. Never ends.

    The child has its own TensorFlow: here it is imported, but nothing is computed.
    """
    os.chdir(folder)
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="1")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # plugins of the environment cost as much as some tests
    sink = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(sink, stream)
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() not in (ROOT, ROOT / "benchmarks")]
    import pytest

    words = ["-x", "-q", "-p", "no:cacheprovider", *shlex.split(tests)]
    _forget_the_suite(folder)
    # By the hash of its source, since a mutant can have the size and the second of the one before.
    compileall.compile_dir("scribe", quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    pytest.main(["--collect-only", *words])  # loads all that the tests import
    sys.dont_write_bytecode = True
    _forget_the_suite(folder)
    server = socket.socket(socket.AF_UNIX)
    server.bind("server")
    server.listen()
    while True:
        caller, _ = server.accept()
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            os._exit(int(pytest.main(words)))
        end, code = time.monotonic() + timeout, None
        while code is None:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                code = 99
            else:
                time.sleep(0.02)
        with caller:
            caller.sendall(str(abs(code)).encode())


def _forget_the_suite(folder):
    """Unloads the modules of the suite and of its copy in `folder`, so that the next import reads their files."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.split(".")[0] == "scribe" or (file and Path(file).resolve().is_relative_to(folder.resolve())):
            del sys.modules[name]


@contextlib.contextmanager
def serving(folder, tests, timeout):
    """A context within which `serve` waits in `folder`."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(folder / "server")
    (folder / "ask.py").write_text(ASK)
    server = os.fork()
    if not server:
        serve(folder, tests, timeout)
    try:
        while not (folder / "server").exists():
            time.sleep(0.1)
        yield
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)


def copy_suite(folder):
    """Copies what git knows of the suite, and new files that it does not ignore."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def test_module(folder, cosmic_ray, name, most, timeout, rng):
    """Tests mutants of one module; returns a dict."""
    modules, tests = MODULES[name]
    config, session = folder / "mutants.toml", folder / "mutants.sqlite"
    session.unlink(missing_ok=True)
    # The server has its own limit, since a client that is killed leaves it behind.
    config.write_text(CONFIG.format(modules=json.dumps(modules.split()), timeout=timeout + 60, python=sys.executable))

    def cosmic(*words):
        return subprocess.run([cosmic_ray, *words], cwd=folder, capture_output=True, text=True)

    made = cosmic("init", config.name, session.name)
    if made.returncode:
        raise SuiteError(f"cosmic-ray: {made.stderr.strip().splitlines()[-1:]}")
    with sqlite3.connect(session) as database:
        rows = database.execute("select job_id, operator_name from mutation_specs").fetchall()
        jobs = sorted(job for job, operator in rows if not operator.startswith(LEFT_OUT))
        kept = set(rng.sample(jobs, min(most, len(jobs))))
        for job, _ in rows:
            if job not in kept:
                for table in ("mutation_specs", "work_items"):
                    database.execute(f"delete from {table} where job_id = ?", (job,))
    with serving(folder, tests, timeout):
        if subprocess.run([sys.executable, "ask.py"], cwd=folder).returncode:
            raise SuiteError(f"the tests of {name} fail without any mutant.")
        cosmic("exec", config.name, session.name)
    with sqlite3.connect(session) as database:
        outcomes = dict(database.execute("select job_id, test_outcome from work_results").fetchall())
        diffs = dict(database.execute("select job_id, diff from work_results").fetchall())
    survivors = sorted(diffs[job] for job, outcome in outcomes.items() if outcome.lower().endswith("survived"))
    return {"mutants": len(jobs), "tested": len(outcomes), "survived": len(survivors), "survivors": survivors}


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cosmic-ray", default="cosmic-ray", help="its command")
    p.add_argument("--only", choices=MODULES, nargs="+", default=list(MODULES), help="modules (default: all)")
    p.add_argument("--most", type=int, default=10**6, help="mutants of each module; of more, a sample (default: all)")
    p.add_argument("--timeout", type=int, default=120, help="seconds for the tests of a mutant")
    p.add_argument("--seed", type=int, default=0, help="seed of the sample")
    p.add_argument("--json", metavar="FILE", default=None, help="file for the report, survivors included")
    args = p.parse_args(argv)
    return run_command(lambda: work(args))


def work(args):
    """Tests the modules that the flags name. Returns the exit code."""
    if shutil.which(args.cosmic_ray) is None:
        raise SuiteError(f"{args.cosmic_ray} is not there: install it, and say where with --cosmic-ray.")
    if args.json:
        check_writable(args.json)
    reports, cosmic_ray = {}, os.path.abspath(shutil.which(args.cosmic_ray))
    with tempfile.TemporaryDirectory() as scratch:
        copy_suite(Path(scratch))
        for name in args.only:
            report = test_module(Path(scratch), cosmic_ray, name, args.most, args.timeout, random.Random(args.seed))
            reports[name] = report
            for diff in report["survivors"]:
                say(f"{name}, survived:\n{diff}\n")
            if args.json:
                save_json(args.json, reports)
    print("| module | mutants | tested | killed |\n|---|---|---|---|")
    for name, report in reports.items():
        killed = report["tested"] - report["survived"]
        share = f"{killed / max(1, report['tested']):.0%}"
        print(f"| {name} | {report['mutants']} | {report['tested']} | {killed} ({share}) |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
