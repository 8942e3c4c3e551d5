"""scribe/console.py: one line for what a user can put right, and an exit code, whatever happens to the output."""

import ast
import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from scribe.console import LONGEST_MESSAGE, OneLineParser, SuiteError, UsageError, run_command, shortened

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.smoke


def said_by(error):
    """Exit code and messages of a command that raises an error."""
    said = []

    def work():
        raise error

    return run_command(work, said.append), said


@pytest.mark.parametrize(
    "error, code",
    [(UsageError("x"), 2), (SuiteError("x"), 1), (ValueError("x"), 1), (OSError("x"), 1), (KeyboardInterrupt(), 130)],
    ids=lambda value: type(value).__name__,
)
def test_each_error_has_its_exit_code_and_one_line(error, code):
    found, said = said_by(error)
    assert found == code and len(said) == 1 and said[0] in ("Error: x", "Stopped.")


def test_an_error_of_a_file_begins_with_its_name(tmp_path):
    for path, reason in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(OSError) as error:
            open(path)
        assert said_by(error.value) == (1, [f"Error: {path}: {reason}"])


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        said_by(ZeroDivisionError())


def test_a_message_that_quotes_a_file_stays_one_line_that_can_be_read():
    _, (line,) = said_by(ValueError("the text is 'a\nb" + 10_000_000 * "x"))
    assert "\n" not in line and line.endswith("...") and len(line) == LONGEST_MESSAGE + len("Error: ")
    assert shortened("abc", 3) == "abc" and shortened("abcd", 3) == "..." and shortened(12345678, 6) == "123..."


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--number=nan"], "argument --number: nan is not a finite number"),
        (["--number=-inf"], "argument --number: -inf is not a finite number"),
        (["--number=1e999"], "argument --number: 1e999 is not a finite number"),
        (["--number=-0.5"], "--number is -0.5: it has to be 0 or more"),
        (["--number="], "argument --number: invalid float value: ''"),
        (["--whole=1e3"], "argument --whole: invalid int value: '1e3'"),
        (["--whole=0"], "--whole is 0: it has to be from 1 to 1,000"),
        (["--whole=1001"], "--whole is 1001: it has to be from 1 to 1,000"),
        (["--whole=99999999999999999999999"], "argument --whole: 99999999999999999999999 is too large"),
        (["--in_group=nan"], "argument --in_group: nan is not a finite number"),
        (["--several", "1", "inf"], "argument --several: inf is not a finite number"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_code_2(flags, reason, capsys):
    p = OneLineParser(prog="this.py")
    p.add_argument("--number", type=float)
    p.add_argument("--whole", type=int)
    g = p.add_argument_group("group")
    g.add_argument("--in_group", type=float)
    g.add_argument("--several", type=float, nargs="+")
    with pytest.raises(SystemExit) as end:
        args = p.parse_args(flags)
        p.require(args, "number")
        p.require(args, "whole", least=1, most=1000)
    assert end.value.code == 2
    assert capsys.readouterr().err == f"Error: {reason} (this.py --help lists all flags)\n"


def test_numbers_in_their_range_and_flags_that_are_not_given_pass():
    p = OneLineParser()
    p.add_argument("--number", type=float)
    p.add_argument("--whole", type=int)
    for flags in ([], ["--number=0", "--whole=1000"], ["--whole=1"]):
        args = p.parse_args(flags)
        p.require(args, "number")
        p.require(args, "whole", least=1, most=1000)


def run_program(body, **options):
    program = "import sys\nfrom scribe.console import run_command, say\n" + textwrap.dedent(body)
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, text=True, timeout=60, **options)


needs_dev_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
PRINTS = """
    def work():
        print("result")
        return 0
    sys.exit(run_command(work))
"""


@needs_dev_full
@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_full_disk_for_stdout_is_one_line(lines):
    with open("/dev/full", "w") as full:
        body = PRINTS.replace('"result"', f"'\\n'.join(['result'] * {lines})")
        done = run_program(body, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: ") and os.strerror(errno.ENOSPC) in done.stderr


@needs_dev_full
def test_a_full_disk_for_messages_does_not_end_the_job():
    with open("/dev/full", "w") as full:
        done = run_program("say('hello')\n" + textwrap.dedent(PRINTS), stdout=subprocess.PIPE, stderr=full)
    assert done.returncode == 0 and done.stdout == "result\n"


def test_a_reader_of_stdout_that_has_gone_is_one_line():
    reading, writing = os.pipe()
    os.close(reading)
    done = run_program(PRINTS, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: stdout cannot be written")


def test_a_reader_that_has_gone_is_told_where_nothing_is_buffered(monkeypatch):
    """[Errno 32] Broken pipe."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    test_a_reader_of_stdout_that_has_gone_is_one_line()


@needs_dev_full
def test_a_result_that_is_printed_at_once_to_a_full_disk_is_one_line():
    with open("/dev/full", "w") as full:
        done = run_program(PRINTS.replace('"result"', '"result", flush=True'), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "stdout cannot be written" in done.stderr


def run_without(streams, body):
    """Runs a program in which some of the numbers 0, 1 and 2 are no open files."""
    closing = "import os\nfor number in {}: os.close(number)\nos.execv({!r}, [{!r}, '-c', {!r}])"
    program = "import sys\nfrom scribe.console import run_command, say\n" + textwrap.dedent(body)
    words = [sys.executable, "-c", closing.format(streams, sys.executable, sys.executable, program)]
    return subprocess.run(words, cwd=ROOT, text=True, timeout=60, input="", capture_output=True)


@pytest.mark.skipif(os.name == "nt", reason="closed streams are another matter there")
@pytest.mark.parametrize("streams", [[0], [1], [2], [0, 1, 2]])
def test_a_file_never_takes_the_place_of_a_stream_that_is_closed(tmp_path, streams):
    """What a library wrote to file descriptor 2 ended up in the file that had been opened as that."""
    name = str(tmp_path / "result")
    body = f"""
        import os
        def work():
            with open({name!r}, "wb") as file:
                file.write(b"whole")
                os.write(2, b"a message from C")
                print("message", file=sys.stderr)
                say("told")
            sys.stdin.buffer.read()
            return 0
        code = run_command(work)
        open({name + ".code"!r}, "w").write(str(code))
    """
    done = run_without(streams, body)
    assert (tmp_path / "result").read_bytes() == b"whole" and (tmp_path / "result.code").read_text() == "0", done
    assert done.stdout == ""  # nor do messages go where results belong
    if 2 not in streams:
        assert done.stderr.split() == "a message from Cmessage told".split()


@pytest.mark.skipif(os.name == "nt", reason="closed streams are another matter there")
def test_results_for_a_stdout_that_is_closed_are_an_error():
    """AttributeError: 'NoneType' object has no attribute 'flush'."""
    done = run_without([1], PRINTS)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "stdout cannot be written" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another matter there")
def test_ctrl_c_while_a_program_imports_is_one_word_and_a_bug_keeps_its_traceback():
    begin = "from scribe.console import quiet_interrupts\nquiet_interrupts()\n"
    # Programs in the background of a script ignore SIGINT, and so do those that they start.
    begin = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n" + begin
    interrupt = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(9)"
    done = run_program(begin + interrupt, capture_output=True)
    assert done.stderr == "Stopped.\n" and done.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    done = run_program(begin + "1 / 0", capture_output=True)
    assert done.returncode == 1 and "Traceback" in done.stderr and "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize("command", sorted(path.name for path in ROOT.glob("*.py") if "def main(" in path.read_text()))
def test_every_command_is_quiet_about_ctrl_c_before_it_imports_anything(command):
    first = ast.parse((ROOT / command).read_text()).body[1]
    begin = 'if __name__ == "__main__":\n    from scribe.console import quiet_interrupts\n    quiet_interrupts()'
    assert ast.unparse(first) == ast.unparse(ast.parse(begin))
