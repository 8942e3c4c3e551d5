"""The learning rate of a run over its steps, and how a signal stops it. Without TensorFlow.

train.py trains with TensorFlow and tools/train_jax.py with JAX; what must be the same for both is here.
"""

import math
import signal
from typing import Any

MAX_BAD_STEPS = 10  # in a row with a loss or gradient that is not finite, before the run gives up


def learning_rate(args: Any, step: int, steps: int, steps_per_epoch: int) -> float:
    """The learning rate of step `step` (from 0) of `steps`: a pure function, so a resumed run has the same."""
    rate = args.learning_rate * args.lr_decay ** (step // steps_per_epoch)
    if args.lr_schedule == "cosine":
        rate *= 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return rate * min(1.0, (step + 1) / max(1, args.warmup))


class Interrupt:
    """Remembers SIGINT or SIGTERM, so that the loop can save before it stops. A second SIGINT stops at once.

    A context manager: on exit the earlier handlers are restored (a notebook lives on after the run).
    """

    def __init__(self):
        self.signal: int | None = None

    def __enter__(self):
        self._before = {n: signal.signal(n, self._remember) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number, frame):
        if self.signal == number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
