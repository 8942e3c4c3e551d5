"""The function that writes the lines of a shard: the network, which is handed in, and the styles.

    from functools import partial
    from model import load_model
    write = load_writer("saved/checkpoint", styles={}, attempts=5, load_model=load_model)
    lines, failures = write(["Hello World"], [1.0], [(7, 0)], None)

`load_writer` and `load_model` are functions of modules, so `partial(load_writer, load_model=load_model)` can be pickled
for workers on other machines, which then load the network themselves.
"""

from collections.abc import Callable
from typing import Any

from scribe.hands.catalogue import drawn_hand, find_hand, load_catalogue


def load_writer(
    prefix: str, styles: dict[int, Any], attempts: int, hands: str | None = None, *, load_model: Callable
) -> Callable:
    """Loads the model; returns a function that writes a batch of lines, as `shards.write_lines` takes it.

    Args:
        prefix: of the checkpoint.
        styles: number -> (strokes [n, 3], text).
        attempts: per line, the first included.
        hands: path of a catalogue of hands, for a network that knows of hands: a number is then one of these, and a
            line without one is in a hand that is drawn for it. None: the numbers are those of `styles`.
        load_model: a function, prefix -> model.
    """
    from scribe.network.tf_setup import one_thread_per_operation  # TensorFlow costs seconds
    from scribe.writing.proofread import sample_checked

    one_thread_per_operation()
    model = load_model(prefix)
    catalogue = None if hands is None else load_catalogue(hands)

    def write(texts, biases, seeds, style):
        how: dict[str, Any] = {"style": styles.get(style)}
        if catalogue is not None:
            drawn = [drawn_hand(catalogue, seed[0]) for seed in seeds]
            how = {"hand": drawn if style is None else find_hand(str(style), catalogue)}
        return sample_checked(texts, model, bias=biases, seed=seeds, attempts=attempts, **how)[:2]

    return write
