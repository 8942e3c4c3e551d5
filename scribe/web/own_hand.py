"""A visitor's hand: from a recording to a hand, which goes back to the visitor's browser and is not kept on disk."""

import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from scribe.console import SuiteError
from scribe.hands.hand import CONSENT, Hand
from scribe.learning.learn import Practice, learn_hand, quick_hand
from scribe.learning.texts_that_fit import fits
from scribe.web.limits import Limits, RequestError
from scribe.writing.lines import Style
from scribe.writing.own_hand import load_own_lines

MAX_LINES = 40  # of a recording that are learned
STEPS = Practice.steps
RECORDING = "recording"


class Teacher:
    """Reads and learns the hands of visitors, one after the other.

    Args:
        model: a HandwritingModel. recogniser: reads what is written; None: recordings have to say it. others: lines in
            other hands, replayed while learning. limits: of how many hands wait.
    """

    def __init__(self, model, recogniser, others: list[Style], limits: Limits):
        self.model, self.recogniser, self.others, self.limits = model, recogniser, others, limits
        self._pool = ThreadPoolExecutor(1, "teacher")
        self._waiting, self._lock, self._closed = 0, threading.Lock(), False

    def take_place(self) -> None:
        """Takes a place in the queue. Raises RequestError where it is full."""
        with self._lock:
            if self._waiting >= self.limits.learning:
                raise RequestError("several hands are being learned: try again in a minute.", 503, 60)
            self._waiting += 1

    def leave_place(self) -> None:
        """Leaves the place again."""
        with self._lock:
            self._waiting -= 1

    def submit(self, work: Callable[[], Any]) -> Any:
        """Runs something in the thread of the teacher; returns its Future."""
        return self._pool.submit(work)

    def read(self, content: bytes, text: str | None, sort: bool) -> tuple[list[Style], list[str]]:
        """The lines of a recording, and remarks on them.

        Raises:
            RequestError: it cannot be read.
        """
        if not self.model.hand_size:
            raise RequestError("this server's network knows of no hands.")
        notes: list[str] = []
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, RECORDING)
            with open(path, "wb") as file:
                file.write(content)

            def told(message):
                return str(message).replace(path, "the recording").replace("--style_text", "text")

            try:
                lines = load_own_lines(
                    path, text or None, data_scale=self.model.config.data_scale, alphabet=self.model.config.alphabet,
                    sort=sort, read=self.recogniser and self.recogniser.read,
                    note=lambda message: notes.append(told(message)),
                )  # fmt: skip
            except (ValueError, SuiteError, OSError) as error:
                raise RequestError(told(error)) from None
        if len(lines) > MAX_LINES:
            notes.append(f"The first {MAX_LINES} of {len(lines)} lines are taken.")
            del lines[MAX_LINES:]
        right = fits(lines, self.model, self.recogniser.read) if self.recogniser else [True] * len(lines)
        if not any(right):
            raise RequestError(
                "recording: what is written there does not look like its text: tell word for word what it says, or, if "
                "the strokes are not in the order of writing, have them sorted."
            )
        for (_, said), fit in zip(lines, right, strict=True):
            if not fit:
                notes.append(f"Left out, what is written there does not look like {said!r}.")
        return [line for line, fit in zip(lines, right, strict=True) if fit], notes

    def teach(
        self,
        lines: list[Style],
        name: str,
        practise: bool,
        report: Callable[[int, int], None] = lambda step, steps: None,
    ) -> Hand:
        """The hand in which lines are written.

        Args:
            practise: a copy of the network practises it, which takes about a minute; else it is read alone.
            report: is told of each step.
        """

        def told(step, steps):
            if self._closed:
                raise RequestError("the server is stopping.", 503, 5)
            report(step, steps)

        if not practise:
            return quick_hand(lines, self.model, name, CONSENT)
        return learn_hand(lines, self.model, others=self.others, name=name, notice=CONSENT, report=told)

    def close(self) -> None:
        """Stops learning."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
