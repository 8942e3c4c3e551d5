"""What the archived TensorFlow 1 program computes from two checkpoints: the numbers that conversions are held against.

    python tests/regression/tf1/make_tf1_outputs.py --check     # computes them again and prints the differences
    python tests/regression/tf1/make_tf1_outputs.py             # writes them (and random/, if it is not there)

To be run with the Python of legacy_tf1/README.md. Two folders, each with a checkpoint and outputs.npz:

    trained/   a real run of legacy_tf1/run.py (legacy_tf1/README.md has its flags), with RMSProp's slots
    random/    weights drawn with NumPy, other sizes (two window components), with Adam's slots

outputs.npz holds, for each of two lines (A, B): text, points [n, 3] that were fed from zero states on, every parameter
of the density at every point, kappas, window and phi; and greedy [300, 3], how the line goes on from its last point
without chance, by the means of components [300]. Points are made by a generator with a fixed seed. Texts hold
characters outside of the alphabet, too.
"""

import argparse
import os
import sys
import warnings
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
warnings.filterwarnings("ignore", category=FutureWarning)

import numpy as np  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "legacy_tf1"))

GREEDY_POINTS = 300
# As legacy_tf1/utils.py has it; the trained network's own alphabet.
ALPHABET = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
CASES = {
    "trained": {
        "sizes": {"rnn_size": 64, "nmixtures": 8, "kmixtures": 1, "alphabet": ALPHABET, "optimizer": "rmsprop"},
        # The NULs are written as the unknown character, as is the padding of the TF1 scribe.
        "texts": {"A": "Quiet rivers carve the valley", "B": "Zinc + 12 boxes\0\0\0\0\0"},
    },
    "random": {
        "sizes": {"rnn_size": 12, "nmixtures": 3, "kmixtures": 2, "alphabet": "abcde ", "optimizer": "adam"},
        "texts": {"A": "a bad cab edced a cab", "B": "deaf?"},
    },
}
TOLERANCE = 1e-5


def make_points(rng, n):
    """Wavy handwriting in model units: [n, 3]."""
    phase = np.cumsum(rng.uniform(0.1, 0.6, n))
    points = np.stack([0.15 + 0.4 * np.cos(phase), 0.7 * np.sin(phase), rng.uniform(size=n) < 0.05], 1)
    points[:, :2] += rng.normal(0, 0.1, (n, 2))
    points[0] = 0, 0, 1
    return points.astype(np.float32)


def checkpoint_of(case):
    """The prefix of its checkpoint, or None."""
    folder = os.path.join(HERE, case)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = [name[: -len(".index")] for name in names if name.endswith(".index")]
    return os.path.join(folder, found[0]) if found else None


def load(case):
    """The model of a case, with the weights of its checkpoint; those of `random` are drawn if they are missing."""
    import tensorflow as tf

    from model import Model

    tf.reset_default_graph()
    args = SimpleNamespace(train=False, tsteps=1, batch_size=1, dropout=1.0, grad_clip=10.0, **CASES[case]["sizes"])
    model = Model(args, SimpleNamespace(write=lambda text: None))
    prefix = checkpoint_of(case)
    if prefix is None and case == "random":
        rng = np.random.RandomState(8)
        for variable in tf.trainable_variables():
            value = rng.normal(0, 0.38, variable.shape.as_list())
            if variable.name.startswith("window/window_b"):
                value[-args.kmixtures :] -= 2.5  # the window walks on by about a tenth of a character a point
            if variable.name.startswith("mdn_dense"):
                value[..., 0] *= 4  # so that the pen of a greedy line lifts at some points and not at others
            variable.load(value, model.sess)
        prefix = os.path.join(HERE, case, "model.ckpt-0")
        model.saver.save(model.sess, prefix, write_meta_graph=False, write_state=False)
    model.saver.restore(model.sess, prefix)
    return model


def compute(case):
    """The content of outputs.npz, a dict."""
    from sample import continue_greedily, run_line
    from utils import to_one_hot

    model = load(case)
    rng = np.random.RandomState(1308)
    values = {"alphabet": model.alphabet}
    for line, text in sorted(CASES[case]["texts"].items()):
        points = make_points(rng, 12 * len(text) + 5)
        one_hot = to_one_hot(text, len(text), model.alphabet)
        found, states = run_line(model, points[:-1], one_hot)
        # As bytes: NumPy drops the NULs at the end of a text.
        values[line + "/text"], values[line + "/points"] = np.frombuffer(text.encode("ascii"), np.uint8), points
        for name in ("eos", "pi", "mu1", "mu2", "sigma1", "sigma2", "rho", "phi", "window"):
            values[f"{line}/{name}"] = found[name]
        values[line + "/kappas"] = found["new_kappa"]
        greedy = continue_greedily(model, points[-1], one_hot, states, GREEDY_POINTS)
        values[line + "/greedy"], values[line + "/components"] = greedy
    return values


def check(case, found):
    """Prints the largest difference of every array from the stored one; returns whether all are small."""
    good = True
    with np.load(os.path.join(HERE, case, "outputs.npz")) as stored:
        for name in stored.files:
            if stored[name].dtype.kind == "f":
                difference = float(np.abs(stored[name] - found[name]).max())
                print(f"{case} {name}: {difference:.1e}")
                good &= difference <= TOLERANCE
            else:
                good &= bool(np.array_equal(stored[name], found[name]))
        good &= set(stored.files) == set(found)
    return good


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--check", action="store_true", help="compare with what is stored and write nothing")
    args = p.parse_args(argv)
    import tensorflow as tf

    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    for case in CASES:
        found = compute(case)
        if not args.check:
            np.savez_compressed(os.path.join(HERE, case, "outputs.npz"), **found)
        elif not check(case, found):
            print(f"Error: {case} differs by more than {TOLERANCE}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
