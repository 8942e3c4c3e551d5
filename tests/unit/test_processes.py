"""Processes that draw: they leave the main program alone, and it hears of their end."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from scribe.pages.workers import drawing_processes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run_program(tmp_path, body):
    """A main program that writes a line whenever somebody imports it; returns its process, with stdout as a pipe."""
    program = tmp_path / "program.py"
    program.write_text("import os\nprint('imported', flush=True)\n" + textwrap.dedent(body), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True, env=environment)


def test_processes_do_not_import_the_main_program(tmp_path):
    process = run_program(
        tmp_path,
        """
        if __name__ == "__main__":
            import sys
            from scribe.pages.workers import drawing_processes
            main = sys.modules["__main__"]
            with drawing_processes(2) as pool:
                print(sorted(pool.map(abs, range(-4, 0))))
            assert sys.modules["__main__"] is main
        """,
    )
    assert process.communicate(timeout=60)[0].split("\n")[:2] == ["imported", "[1, 2, 3, 4]"]
    assert process.returncode == 0


def test_a_process_that_is_killed_is_an_error_and_does_not_hang():
    with pytest.raises(OSError, match="ended from outside"), drawing_processes(1) as pool:
        os.kill(pool.submit(os.getpid).result(), signal.SIGKILL)
        pool.submit(time.sleep, 60).result()


def test_processes_end_when_the_main_program_is_killed(tmp_path):
    process = run_program(
        tmp_path,
        """
        if __name__ == "__main__":
            import time
            from scribe.pages.workers import drawing_processes
            with drawing_processes(1) as pool:
                print(pool.submit(os.getpid).result(), flush=True)
                pool.submit(time.sleep, 60).result()
        """,
    )
    try:
        assert process.stdout.readline() == "imported\n"
        int(process.stdout.readline())
    finally:
        process.kill()
    # Its stdout ends when nobody holds it any more, the other process included.
    assert process.communicate(timeout=20)[0] == ""
