"""Data and messages of the archived TensorFlow 1 program: one-hot text, safe loading, `DataLoader`, `Logger`.

NumPy alone, Python 3.6 to 3.8. The suite's own utils.py asks for a newer Python, so the little that is needed stands
here once more.
"""

import os
import pickle
import random

import numpy as np

ALPHABET = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # the TF1 scribe's default
DATA_FILE = "strokes_training_data.cpkl"
STYLES_FILE = "styles.p"

# All that a pickle of lists, texts and NumPy arrays asks for; anything else in a pickle can run code. NumPy 2 renamed
# numpy.core: its pickles are read with the NumPy 1 of this program.
_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _SafeUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        module = module.replace("numpy._core", "numpy.core")
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which handwriting does not need")
        return super().find_class(module, name)


def load_strokes(path):
    """Reads a pickle of [strokes, texts]; returns (list of arrays [n, 3], list of texts)."""
    with open(path, "rb") as file:
        strokes, texts = _SafeUnpickler(file, encoding="latin1").load()
    return [np.asarray(line) for line in strokes], [str(text) for text in texts]


def to_one_hot(text, ascii_steps, alphabet):
    """Text -> float32 [ascii_steps, len(alphabet) + 1].

    As in the TF1 scribe, index 0 stands for every character outside of the alphabet and for the padding after a text
    that is shorter than `ascii_steps`; a longer text is cut.
    """
    indices = np.zeros(ascii_steps, int)
    known = [alphabet.find(c) + 1 for c in text[:ascii_steps]]
    indices[: len(known)] = known
    return np.eye(len(alphabet) + 1, dtype=np.float32)[indices]


class DataLoader:
    """The first `tsteps` points of every line, in shuffled batches.

    Args:
        args: data_dir, batch_size, tsteps, tsteps_per_ascii, data_scale, alphabet.
        logger: has write(text).
        limit: offsets are clipped to this many raw units.
    """

    def __init__(self, args, logger, limit=500):
        self.batch_size, self.tsteps, self.alphabet = args.batch_size, args.tsteps, args.alphabet
        self.ascii_steps = args.tsteps // args.tsteps_per_ascii
        strokes, texts = load_strokes(os.path.join(args.data_dir, DATA_FILE))
        self.stroke_data, self.ascii_data, self.valid_stroke_data, self.valid_ascii_data = [], [], [], []
        kept = 0
        for line, text in zip(strokes, texts):
            if len(line) <= self.tsteps + 2 or len(text) <= self.ascii_steps:
                continue  # too short to fill all steps
            line = np.clip(line.astype(np.float32), -limit, limit)
            line[:, :2] /= args.data_scale
            kept += 1
            for_validation = kept % 20 == 0
            (self.valid_stroke_data if for_validation else self.stroke_data).append(line)
            (self.valid_ascii_data if for_validation else self.ascii_data).append(text)
        if not self.stroke_data:
            raise ValueError(f"{args.data_dir} has no line of more than {self.tsteps + 2} points")
        self.num_batches = len(self.stroke_data) // self.batch_size
        logger.write(f"Lines: {len(self.stroke_data)} to train on, {len(self.valid_stroke_data)} to validate")
        self.reset_batch_pointer()

    def _batch(self, strokes, texts):
        x = np.stack([line[: self.tsteps] for line in strokes])
        y = np.stack([line[1 : self.tsteps + 1] for line in strokes])
        return x, y, texts, np.stack([to_one_hot(text, self.ascii_steps, self.alphabet) for text in texts])

    def validation_data(self):
        """x [B, T, 3], y [B, T, 3] (x one point later), texts, one_hot [B, U, A]; None if no line is left for it."""
        if not self.valid_stroke_data:
            return None
        rows = [i % len(self.valid_stroke_data) for i in range(self.batch_size)]
        return self._batch([self.valid_stroke_data[i] for i in rows], [self.valid_ascii_data[i] for i in rows])

    def next_batch(self):
        """As `validation_data`, for the next lines of the shuffled training data."""
        rows = []
        for _ in range(self.batch_size):
            rows.append(self.order[self.pointer])
            self.tick_batch_pointer()
        return self._batch([self.stroke_data[i] for i in rows], [self.ascii_data[i] for i in rows])

    def tick_batch_pointer(self):
        self.pointer += 1
        if self.pointer >= len(self.stroke_data):
            self.reset_batch_pointer()

    def reset_batch_pointer(self):
        self.order = list(range(len(self.stroke_data)))
        random.shuffle(self.order)
        self.pointer = 0


class Logger:
    """Messages to the terminal and to train_scribe.txt or sample_scribe.txt in `args.log_dir`."""

    def __init__(self, args):
        os.makedirs(args.log_dir, exist_ok=True)
        self.path = os.path.join(args.log_dir, "train_scribe.txt" if args.train else "sample_scribe.txt")

    def write(self, text, print_it=True):
        if print_it:
            print(text, flush=True)
        with open(self.path, "a") as file:
            file.write(text + "\n")
