"""How commands speak and end: messages to stderr, and one line with an exit code for what a user can put right.

    def main(argv=None):
        args = parse_args(argv)
        return run_command(lambda: work(args))

Exit codes: 0 done, 1 the job failed, 2 wrong usage, 130 stopped by Ctrl-C.
"""

import argparse
import contextlib
import errno
import math
import os
import signal
import sys
from typing import NoReturn

LONGEST_MESSAGE = 1000  # characters of an error: one that quotes what a stranger's file holds could be of any length

# An error with one of these numbers and no file is one of stdout: what writes files tells which.
OF_STDOUT = errno.EPIPE, errno.ENOSPC, errno.EFBIG, errno.EBADF


class SuiteError(Exception):
    """Something that a user can put right; the message is one line that says what is wrong and how to fix it."""


class UsageError(SuiteError, ValueError):
    """What was asked for makes no sense, or flags contradict each other; nothing was begun."""


def finite_float(text: str) -> float:
    """A flag's number; one that is not finite is a slip wherever it stands, and is in no range that can be checked."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not a finite number")
    return value


def storable_int(text: str) -> int:
    """A flag's whole number; beyond 64 bits it can neither be computed with nor saved."""
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is too large")
    return value


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that tells what is wrong with the flags in one line, without all flags before it.

    Flags with type=float take finite numbers only, those with type=int whole numbers of 64 bits.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register("type", float, finite_float)
        self.register("type", int, storable_int)

    def require(self, args: argparse.Namespace, *names: str, least: float = 0, most: float = math.inf) -> None:
        """Ends the command where one of these flags, if it is given, is not from `least` to `most`."""
        for name in names:
            value = getattr(args, name)
            if value is not None and not least <= value <= most:
                allowed = f"{least:g} or more" if most == math.inf else f"from {least:g} to {most:,.15g}"
                self.error(f"--{name} is {value}: it has to be {allowed}")

    def error(self, message: str) -> NoReturn:
        """Ends the command with exit code 2."""
        message = shortened(" ".join(message.split()), LONGEST_MESSAGE)
        self.exit(2, f"Error: {message} ({self.prog} --help lists all flags)\n")


def say(text):
    """Prints a message to stderr; stdout carries results. No job ends because nobody can be told about it."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def shortened(text, limit=60):
    """A text that a message quotes, cut to `limit` characters."""
    text = str(text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def quiet_interrupts() -> None:
    """Makes Ctrl-C end this process with a word instead of a traceback, also while it still imports.

    A program calls it first of all; within `run_command` nothing depends on it.
    """

    def told(kind, error, trace):
        if issubclass(kind, KeyboardInterrupt):
            say("Stopped.")
        else:
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = told


def run_command(work, say=say, stopped="Stopped."):
    """Runs a command to its exit code.

    Args:
        work: function without arguments that returns the exit code.
        say: function that takes a message, such as `Logger.write`.
        stopped: message after Ctrl-C.

    Returns:
        what `work` returns; 2 for a UsageError, 1 for another SuiteError, a ValueError or an OSError, each told in one
        line; 130 for Ctrl-C. Anything else is a bug and keeps its traceback.
    """
    _open_closed_streams()
    try:
        code = work()
        flush_stdout()
        return code
    except UsageError as error:
        say(f"Error: {_one_line(error)}")
        return 2
    except (SuiteError, ValueError, OSError) as error:
        say(f"Error: {_one_line(error)}")
        with contextlib.suppress(SuiteError):
            flush_stdout()
        return 1
    except KeyboardInterrupt:
        say(stopped)
        return 128 + signal.SIGINT


def _open_closed_streams():
    """Opens those of stdin, stdout and stderr that are closed on nothing.

    The next file that is opened would take the number of such a stream, and messages of libraries would be written into
    it. What is closed as stdout stays an error to write to: somebody wants the results.
    """
    for number, (name, mode) in enumerate((("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)  # takes the lowest number that is free, which is this
            if getattr(sys, name) is None:
                setattr(sys, name, open(number, "w" if number else "r", closefd=False))


def _one_line(error):
    text = str(error)
    if isinstance(error, OSError) and error.filename is None and error.errno in OF_STDOUT:
        return _about_stdout(error)
    if text.startswith("[Errno") and error.filename is not None:  # Python's own words, in which the number comes first
        text = f"{os.fsdecode(error.filename)}: {error.strerror}"
    return shortened(" ".join(text.split("\n")), LONGEST_MESSAGE)


def flush_stdout() -> None:
    """Writes out what stdout holds; raises SuiteError if that fails, which Python itself tells with a traceback."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # what is left in it would fail again when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SuiteError(_about_stdout(error)) from None


def _about_stdout(error):
    return f"stdout cannot be written ({error.strerror}); what was written to files is whole."
