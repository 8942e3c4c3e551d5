"""The function that writes the lines of a shard: the network, which is handed in, and the styles.

    from functools import partial
    from model import load_model
    write = load_writer("saved/checkpoint", styles={}, tries=5, load_model=load_model, sample_checked=sample_checked)
    lines, failures = write(["Hello World"], [1.0], [(7, 0)], None)

`load_writer` and what is bound to it are functions of modules, so `partial(load_writer, load_model=...)` can be pickled
for workers on other machines, which then load the network themselves.
"""

from collections.abc import Callable
from typing import Any


def load_writer(
    prefix: str, styles: dict[int, Any], tries: int, *, load_model: Callable, sample_checked: Callable
) -> Callable:
    """Loads the model; returns a function that writes a batch of lines, as `shards.write_lines` takes it.

    Args:
        prefix: of the checkpoint.
        styles: number -> (strokes [n, 3], text).
        tries: attempts per line.
        load_model: a function, prefix -> model.
        sample_checked: a function (texts, model, bias, seed, tries, style) -> (lines, failures, attempts) that writes
            lines, and those that failed again.
    """
    from scribe.network.tf_setup import one_thread_per_operation  # TensorFlow costs seconds

    one_thread_per_operation()
    model = load_model(prefix)
    # Compiles the sampler once; threads that begin together would do it side by side.
    sample_checked([model.config.alphabet.strip()[0]], model, tsteps=1, tries=1)

    def write(texts, biases, seeds, style):
        return sample_checked(texts, model, bias=biases, seed=seeds, tries=tries, style=styles.get(style))[:2]

    return write
