"""Reads the weights out of a checkpoint of the TF1 scribe, under TensorFlow 1.15 or 2 alike.

    python extract_weights_tf1.py saved/model.ckpt-500 weights.npz

CHECKPOINT is its prefix, one of its files, or its folder (then the latest one in it). OUT.npz gets the ten arrays of
the network under the names of `NAMES`, float32, as TensorFlow 1 has them; optimizer slots and counters are left out.
`convert_tf1.py` of the suite takes the npz, or the checkpoint itself.
"""

import argparse
import os
import re
import sys
import warnings

import numpy as np

NAMES = tuple(f"cell{i}/lstm_cell/{part}" for i in range(3) for part in ("kernel", "bias"))
NAMES += ("window/window_w", "window/window_b", "mdn_dense/output_w", "mdn_dense/output_b")

# The names of an LSTM's cell and of its weights have changed from TensorFlow 0.12 over 1.0 to 1.15.
_CELL = r"(?:lstm_cell|basic_lstm_cell|LSTMCell|BasicLSTMCell)"
_PARTS = {"kernel": r"(?:kernel|weights|W_0)", "bias": r"(?:bias|biases|B)"}
_LISTED = 12  # names that an error lists before it counts the others


class WeightsError(Exception):
    """There are no weights of the TF1 scribe's network; the message says in one line what there is instead."""


def _patterns():
    """What the variable of every name can be called: anything may stand before it, one scope around the cell."""
    patterns = {}
    for name in NAMES:
        if name.startswith("cell"):
            cell, _, part = name.split("/")
            tail = rf"{cell}/(?:[^/]+/)?{_CELL}/{_PARTS[part]}"
        else:
            tail = name
        patterns[name] = re.compile(rf"(?:.+/)?{tail}(/.+)?")
    return patterns


def select(shapes):
    """Finds the network among the variables of a checkpoint.

    Args:
        shapes: a dict from the name of every variable to its shape.

    Returns:
        a dict from `NAMES` to the variables' names.

    Raises:
        WeightsError: a variable is missing, is there twice, or is not part of such a network.
    """
    found, unexpected = {name: [] for name in NAMES}, []
    patterns = _patterns()
    for variable in sorted(shapes):
        for name, pattern in patterns.items():
            match = pattern.fullmatch(variable)
            if match:
                if not match.group(1):  # else it is a slot below the weight: an optimizer's, or an average
                    found[name].append(variable)
                break
        else:
            if len(shapes[variable]):  # a scalar is a learning rate, a counter, a power of Adam's beta
                unexpected.append(variable)
    missing = [name for name in NAMES if not found[name]]
    twice = [variable for name in NAMES if len(found[name]) > 1 for variable in found[name]]
    faults = [
        f"{what}: {_listed(names)}"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("more than one network", twice))
        if names
    ]
    if faults:
        raise WeightsError("these are not the weights of the TF1 scribe's network; " + "; ".join(faults))
    return {name: variables[0] for name, variables in found.items()}


def _listed(names):
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def sizes(weights):
    """The sizes of the network, from the shapes of its weights.

    Args:
        weights: a dict from `NAMES` to arrays.

    Returns:
        a dict with rnn_size, nmixtures, kmixtures, char_vec_len (characters of the alphabet and one for all others).

    Raises:
        WeightsError: the shapes do not belong together, or a number is not finite.
    """
    shapes = {name: tuple(np.shape(value)) for name, value in weights.items()}
    if len(shapes["window/window_w"]) != 2 or len(shapes["cell1/lstm_cell/kernel"]) != 2:
        raise WeightsError("window/window_w and cell1/lstm_cell/kernel have to be matrices")
    H, K = shapes["window/window_w"][0], shapes["window/window_w"][1] // 3
    M = (int(np.prod(shapes["mdn_dense/output_b"])) - 1) // 6
    A = shapes["cell1/lstm_cell/kernel"][0] - 2 * H - 3
    expected = {
        "cell0/lstm_cell/kernel": (3 + H, 4 * H),
        "cell1/lstm_cell/kernel": (H + max(A, 1) + 3 + H, 4 * H),
        "cell2/lstm_cell/kernel": (H + H, 4 * H),
        "window/window_w": (H, 3 * max(K, 1)),
        "window/window_b": (3 * max(K, 1),),
        "mdn_dense/output_w": (H, 1 + 6 * max(M, 1)),
        "mdn_dense/output_b": (1 + 6 * max(M, 1),),
    }
    expected.update({f"cell{i}/lstm_cell/bias": (4 * H,) for i in range(3)})
    wrong = [
        f"{name} is {shape} instead of {expected[name]}" for name, shape in shapes.items() if shape != expected[name]
    ]
    if wrong:
        raise WeightsError(f"these shapes are not those of a network with {H} units: {_listed(wrong)}")
    broken = [name for name in NAMES if not np.isfinite(weights[name]).all()]
    if broken:
        raise WeightsError(f"not all numbers are finite in {_listed(broken)}")
    return {"rnn_size": H, "nmixtures": M, "kmixtures": K, "char_vec_len": A}


# ------------------------------------------------------------------------------------------------------------- files


def find_prefix(path):
    """A checkpoint's prefix, from the prefix itself, one of its files, or its folder.

    Raises:
        WeightsError: there is none.
    """
    path = re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", path)
    if os.path.isdir(path):
        return _latest(path)
    # Before TensorFlow 0.12 a checkpoint was one file, without an index.
    if not os.path.exists(path + ".index") and not os.path.isfile(path):
        raise WeightsError(f"there is no checkpoint {path} (no {path}.index)")
    return path


def _latest(folder):
    try:
        with open(os.path.join(folder, "checkpoint")) as file:
            named = re.search(r'^model_checkpoint_path: "(.*)"', file.read(), re.M)
    except (OSError, UnicodeDecodeError):
        named = None
    # Only its last part: the folder may have been moved since, and the path in the file was often an absolute one.
    if named:
        prefix = os.path.join(folder, re.split(r"[/\\]", named.group(1))[-1])
        if os.path.exists(prefix + ".index") or os.path.isfile(prefix):
            return prefix
    prefixes = sorted(name[: -len(".index")] for name in os.listdir(folder) if name.endswith(".index"))
    if len(prefixes) == 1:
        return os.path.join(folder, prefixes[0])
    if prefixes:
        raise WeightsError(f"{folder} has several checkpoints: name one of {_listed(prefixes)}")
    raise WeightsError(f"there is no checkpoint in {folder} (no file that ends in .index)")


def read_weights(path):
    """The network's weights, from a checkpoint (see `find_prefix`) or from an npz that this program wrote.

    Returns:
        a dict from `NAMES` to float32 arrays.

    Raises:
        WeightsError: it cannot be read, or it does not hold such a network.
    """
    if path.endswith(".npz"):
        return _read_npz(path)
    prefix = find_prefix(path)
    tf = _tensorflow()
    # A damaged file can raise almost anything of these.
    try:
        reader = tf.train.load_checkpoint(prefix)
        shapes = reader.get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError) as error:
        raise WeightsError(f"{prefix} cannot be read as a checkpoint: {_first_line(error)}") from None
    try:
        chosen = select(shapes)
        weights = {name: np.asarray(reader.get_tensor(variable), np.float32) for name, variable in chosen.items()}
        sizes(weights)
    except WeightsError as error:
        if any(".ATTRIBUTES" in variable for variable in shapes):
            raise WeightsError(f"{prefix}: a checkpoint of TensorFlow 2 needs no conversion ({error})") from None
        raise WeightsError(f"{prefix}: {error}") from None
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError) as error:
        raise WeightsError(f"{prefix} is damaged: {_first_line(error)}") from None
    return weights


def _read_npz(path):
    try:
        with np.load(path, allow_pickle=False) as arrays:
            chosen = select({name: arrays[name].shape for name in arrays.files})
            weights = {name: np.asarray(arrays[key], np.float32) for name, key in chosen.items()}
        sizes(weights)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except Exception as error:  # a broken zip file can raise almost anything
        raise WeightsError(f"{path} cannot be read: {_first_line(error)}") from None
    return weights


def _first_line(error):
    return (str(getattr(error, "message", error)).strip().splitlines() or [type(error).__name__])[0]


def _tensorflow():
    """TensorFlow, without what it says on stderr as it is imported: some of it no option silences this early."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # TensorFlow 1.15 and NumPy 1.17 to 1.18, among themselves
            import tensorflow as tf
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
    return tf


def write_npz(path, weights):
    """Writes the arrays aside and renames."""
    aside = f"{path}.tmp-{os.getpid()}"
    try:
        with open(aside, "wb") as file:
            np.savez_compressed(file, **weights)
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):
            os.remove(aside)


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", metavar="CHECKPOINT", help="prefix, one of its files, or its folder")
    p.add_argument("out", metavar="OUT.npz", help="file to write")
    args = p.parse_args(argv)
    if not args.out.endswith(".npz"):
        p.error(f"{args.out} has to end in .npz")
    try:
        weights = read_weights(args.checkpoint)
        write_npz(args.out, weights)
    except (WeightsError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    found = ", ".join(f"{name} {value}" for name, value in sizes(weights).items())
    print(f"{args.checkpoint}: {found}", file=sys.stderr)
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
