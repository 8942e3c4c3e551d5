"""Turns a checkpoint of an earlier scribe into one of this suite, without loss, and proves that it computes the same.

    python3 convert_checkpoint.py old/saved/ckpt-500 --name mine              # of the TensorFlow 2 scribe: saved/mine
    python3 convert_checkpoint.py old/saved/model.ckpt-500 --name mine        # of Sam Greydanus' scribe, TensorFlow 1
    python3 convert_checkpoint.py old/saved/model.ckpt-500 --name mine --text "Hello World"    # ... and a picture
    python3 convert_checkpoint.py weights.npz --name mine                     # of legacy_tf1/extract_weights_tf1.py

After that, saved/mine is a checkpoint like any other: `python3 sample.py --save_path saved/mine`. TensorFlow 1 is not
needed for any of this. docs/MIGRATION_GUIDE.md has what stays the same, what differs, and which other programs'
checkpoints cannot be converted.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import dataclasses
import os
import re
import shutil
import sys

import numpy as np

# TensorFlow, which costs seconds, is imported where it is used: a wrong flag is told at once.
from legacy_tf1.extract_weights_tf1 import WeightsError, find_prefix, read_weights, sizes
from scribe.console import OneLineParser, SuiteError, run_command
from scribe.ink.alphabet import ALPHABET, has_half_character, to_one_hot
from scribe.network.config import POINT_SIZE, SAVED, ModelConfig
from scribe.network.first_network import (
    KERAS,
    OUTPUTS,
    SOFTPLUS,
    SUITE,
    FirstNetwork,
    kind_of_checkpoint,
    read_keras_checkpoint,
)
from utils import Logger

FIRST_ALPHABET = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # the default of the TF1 scribe
KERAS_ALPHABET = FIRST_ALPHABET + "0123456789!\"#%&'()*+,-./:;?[]"  # the default of the TensorFlow 2 scribe
FORGET_BIAS = 1.0  # what LSTMCell of TensorFlow 1 adds to the forget gate as it runs
CHECKPOINT = "checkpoint"  # the prefix within saved/NAME
COMPARED_POINTS = 200  # of the random line that both networks are compared on
EQUAL = 1e-5  # largest difference of what they say of it


def convert(weights, alphabet=None, new_alphabet=None, data_scale=None):
    """Builds the network that computes what that of an earlier scribe did.

    Args:
        weights: a `FirstNetwork`, or a dict of arrays from `read_weights`, those of TensorFlow 1.
        alphabet: the characters it was trained with, in their order; None: the default of the earlier scribes that has
            so many.
        new_alphabet: the characters of the new network, in any order; None: the same. A character that the old network
            did not know is written as the old one wrote it: as the unknown character.
        data_scale: raw units in one model unit of length; None: the default of all of them, 50.

    Returns:
        a HandwritingModel.

    Raises:
        ValueError: an alphabet does not fit the weights.
        WeightsError: the weights are not those of such a network.
    """
    from model import HandwritingModel

    old = weights if isinstance(weights, FirstNetwork) else from_tf1(weights)
    alphabet = _checked_alphabet(alphabet, old.char_vec_len)
    new_alphabet = alphabet if new_alphabet is None else new_alphabet
    lost = [c for c in alphabet if c not in new_alphabet]
    if lost:
        raise ValueError(f"the new alphabet lacks {''.join(lost)!r}, which the checkpoint knows")
    config = ModelConfig(
        rnn_size=old.rnn_size,
        nmixtures=old.nmixtures,
        kmixtures=old.kmixtures,
        alphabet=new_alphabet,
        data_scale=ModelConfig.data_scale if data_scale is None else data_scale,
        first_pen=1,  # as the samplers of these scribes start
    )
    model = HandwritingModel(config)
    # Row i of the window's weights in the new network is this row of the old one; 0 is the unknown character.
    rows = [0] + [alphabet.find(c) + 1 for c in new_alphabet]
    for variable, value in _assignments(model, old, rows):
        variable.assign(value)
    return model


def from_tf1(weights):
    """The `FirstNetwork` of arrays under the names of TensorFlow 1; WeightsError if they are not those of one."""
    sizes(weights)
    # The old kernels hold the rows of the inputs first, then those of the layer's own h.
    kernels = [_to_ifco(weights[f"cell{i}/lstm_cell/kernel"]) for i in range(3)]
    biases = [_to_ifco(weights[f"cell{i}/lstm_cell/bias"]) for i in range(3)]
    H = len(biases[0]) // 4
    for bias in biases:
        bias[H : 2 * H] += FORGET_BIAS
    return FirstNetwork(
        [kernel[:-H] for kernel in kernels],
        [kernel[-H:] for kernel in kernels],
        biases,
        weights["window/window_w"],
        weights["window/window_b"],
        weights["mdn_dense/output_w"],
        weights["mdn_dense/output_b"],
    )


def _checked_alphabet(alphabet, char_vec_len):
    if alphabet is None:
        defaults = {len(default) + 1: default for default in (FIRST_ALPHABET, KERAS_ALPHABET)}
        if char_vec_len not in defaults:
            raise ValueError(
                f"the checkpoint knows {char_vec_len - 1} characters, not the {len(FIRST_ALPHABET)} or "
                f"{len(KERAS_ALPHABET)} of the earlier scribes' defaults: give them with --alphabet, in the order they "
                "were trained with"
            )
        alphabet = defaults[char_vec_len]
    if len(alphabet) + 1 != char_vec_len:
        raise ValueError(f"the checkpoint knows {char_vec_len - 1} characters, but --alphabet has {len(alphabet)}")
    if len(set(alphabet)) != len(alphabet):
        # str.find, which all of them use, never saw the second one: a model that has one cannot name its rows.
        raise ValueError(f"--alphabet holds {sorted({c for c in alphabet if alphabet.count(c) > 1})} more than once")
    return alphabet


def _assignments(model, old, rows):
    """(variable of the model, array) for every weight of it."""
    H, A = model.rnn_size, len(rows)
    no_point, no_window = np.zeros([POINT_SIZE, 4 * H], np.float32), np.zeros([A, 4 * H], np.float32)
    no_state = np.zeros([H, 1 + 6 * model.nmixtures], np.float32)

    point0, (before1, window1, point1), before2 = (
        old.kernels[0],
        np.split(old.kernels[1], [H, H + old.char_vec_len]),
        old.kernels[2],
    )
    head, head_bias = old.head_kernel.copy(), old.head_bias.copy()
    head[:, 0] *= -1  # the old network's pen lifts with sigmoid(-y), this one's with sigmoid(y)
    head_bias[0] *= -1

    lstms = (model.lstm0, model.lstm1.cell, model.lstm2.cell)
    inputs = (
        [point0, no_window],  # the window was not fed back
        [point1, window1[rows], before1],
        [no_point, no_window, before2],  # the third LSTM saw the second alone
    )
    for lstm, parts, own, bias in zip(lstms, inputs, old.recurrent_kernels, old.biases, strict=True):
        yield lstm.kernel, np.concatenate(parts)
        yield lstm.recurrent_kernel, own
        yield lstm.bias, bias
    yield model.attention_layer.kernel, old.attention_kernel
    yield model.attention_layer.bias, old.attention_bias
    yield model.mdn_layer.kernel, np.concatenate([no_state, no_state, head])  # the head saw the third LSTM alone
    yield model.mdn_layer.bias, head_bias


def _to_ifco(array):
    """The last axis from the gates' order of TensorFlow 1 (i, j, f, o) to that of Keras (i, f, c, o); j is c."""
    i, j, f, o = np.split(array, 4, axis=-1)
    return np.concatenate([i, f, j, o], axis=-1)


# ------------------------------------------------------------------------------------------------- read and compare


def read_checkpoint(path):
    """(where it is, its weights) of a checkpoint of an earlier scribe; the weights as `convert` takes them.

    Raises:
        WeightsError, NetworkError: there is none, or the network is another one.
    """
    if path.endswith(".npz"):
        return path, read_weights(path)
    prefix = _find_prefix(path)
    kind = kind_of_checkpoint(prefix)
    if kind == SUITE:
        raise WeightsError(f"{prefix} is a checkpoint of this suite: it needs no conversion")
    if kind == SOFTPLUS:
        raise WeightsError(
            f"{prefix} is of sjvasquez/handwriting-synthesis, whose network this one does not contain: its attention "
            "is the softplus of a layer that sees window, point and h, where here it is exp of one that sees h alone "
            "(docs/MIGRATION_GUIDE.md)"
        )
    return prefix, read_keras_checkpoint(prefix) if kind == KERAS else read_weights(prefix)


def _find_prefix(path):
    """`find_prefix`; it also takes the --save_path of the TensorFlow 2 scribe: saved/model stands for saved/ckpt-N."""
    try:
        return find_prefix(path)
    except WeightsError:
        folder = os.path.dirname(path) or "."
        if os.path.basename(path) != "model" or os.path.exists(path):
            raise
        named = [name for name in os.listdir(folder) if re.fullmatch(r"ckpt-\d+\.index", name)]
        if not named:
            raise
        return find_prefix(folder if os.path.exists(os.path.join(folder, "checkpoint")) else _newest(folder, named))


def _newest(folder, names):
    """The prefix of the ckpt-N.index with the largest N."""
    return os.path.join(folder, max(names, key=lambda name: int(re.findall(r"\d+", name)[-1])).removesuffix(".index"))


def largest_difference(old, model, alphabet=None):
    """The largest difference between what both networks say of a random line, relative to 1 or the value if larger.

    Args:
        old: a `FirstNetwork`. model: what `convert` made of it. alphabet: of the old one; None: its default.
    """
    alphabet = _checked_alphabet(alphabet, old.char_vec_len)
    rng = np.random.default_rng(0)
    strokes = np.column_stack([rng.normal(size=(COMPARED_POINTS, 2)), rng.random(COMPARED_POINTS) < 0.05])
    text = "".join(rng.choice(list(alphabet), COMPARED_POINTS // 10)) + "\0"  # \0: the unknown character
    expected = old.outputs(strokes.astype(np.float32), to_one_hot(text, alphabet=alphabet))
    inputs = {
        "stroke_data": strokes[None].astype(np.float32),
        "char_seq": to_one_hot(text, alphabet=model.alphabet)[None],
    }
    out = model(inputs)
    return max(
        float(np.max(np.abs(out[name][0].numpy() - expected[name]) / np.maximum(1, np.abs(expected[name]))))
        for name in OUTPUTS
    )


# -------------------------------------------------------------------------------------------------------- saved/NAME


def save(name, model, saved=SAVED):
    """Writes saved/NAME/checkpoint.* and saved/NAME/config.json aside and renames the folder.

    A conversion of that name is put aside before, since no folder can replace another one that has files. It is back in
    its place where the new one does not get there; a kill between the two renames leaves it in saved/.NAME.old-*.

    Returns:
        the folder.

    Raises:
        CheckpointError: the folder holds something else than an earlier conversion, or it cannot be written.
    """
    from scribe.network.checkpoint import CheckpointError, save_errors, save_model

    folder = os.path.join(saved, name)
    if os.path.lexists(folder) and not _is_conversion(folder):
        raise CheckpointError(f"{folder} is there already and was not made by this program: choose another --name.")
    aside, old = (os.path.join(saved, f".{name}.{part}-{os.getpid()}") for part in ("tmp", "old"))
    try:
        save_model(os.path.join(aside, CHECKPOINT), model)
        with save_errors(folder):
            if os.path.exists(folder):
                os.rename(folder, old)
            try:
                os.rename(aside, folder)
            except BaseException:  # also Ctrl-C: the earlier conversion is still what there is
                if os.path.exists(old):
                    os.rename(old, folder)
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)  # only now that the new folder is in its place
    return folder


def _is_conversion(folder):
    return os.path.isdir(folder) and all(
        part == "config.json" or part.startswith(CHECKPOINT + ".") for part in os.listdir(folder)
    )


# ------------------------------------------------------------------------------------------------------ command line


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", metavar="CHECKPOINT", help="its prefix, one of its files, its folder, or an npz")
    p.add_argument("--name", required=True, help="name of the result, which goes to saved/NAME")
    p.add_argument(
        "--alphabet",
        default=None,
        help="characters it knows, in their order (default: that of the earlier scribes with so many characters)",
    )
    p.add_argument(
        "--pad_alphabet",
        nargs="?",
        const=ALPHABET,
        default=None,
        metavar="CHARACTERS",
        help="give the result this alphabet (without a value: train.py's), to train on; a character that is new is "
        "written as the unknown one was",
    )
    p.add_argument("--data_scale", type=float, default=None, help="raw units in one unit of length (default: 50)")
    g = p.add_argument_group("write something with it at once; sample.py has more")
    g.add_argument("--text", default=None, help="text to write")
    for flag, what in (("bias", "0 as learned, 1 natural, 2 neat"), ("seed", "the same seed gives the same line")):
        g.add_argument(f"--{flag}", default=None, help=what)
    g.add_argument("--log_dir", default=None, help="folder; pictures go to figures/ in it")
    args = p.parse_args(argv)
    if args.name in ("", ".", "..") or os.path.basename(args.name) != args.name or args.name.startswith("."):
        p.error(f"--name is {args.name!r}: it has to be the name of a folder in {SAVED}, not a path")
    for name in ("name", "alphabet", "pad_alphabet"):
        if has_half_character(getattr(args, name) or ""):
            p.error(f"--{name} has half of a character (a lone surrogate): it is not whole Unicode")
    if args.data_scale is not None and not (np.isfinite(args.data_scale) and args.data_scale > 0):
        p.error(f"--data_scale is {args.data_scale}: it has to be greater than 0")
    if args.text is None and (args.bias, args.seed, args.log_dir) != (None, None, None):
        p.error("--bias, --seed and --log_dir need --text")
    return args


def main(argv=None):
    args = parse_args(argv)
    sample_flags = None
    if args.text is not None:
        import sample  # late: it costs a second, which only who draws pays

        given = {name: getattr(args, name) for name in ("text", "bias", "seed", "log_dir")}
        sample_flags = ["--save_path", os.path.join(SAVED, args.name)]
        sample_flags += [part for name, value in given.items() if value is not None for part in (f"--{name}", value)]
        sample.parse_args(sample_flags)  # a wrong flag ends here, before anything is written
    logger = Logger()
    code = run_command(lambda: convert_files(args, logger), logger.write)
    return code if code or sample_flags is None else sample.main(sample_flags)


def convert_files(args, logger):
    """Converts the checkpoint that the flags name, and prints the new folder. Returns the exit code."""
    try:
        prefix, weights = read_checkpoint(args.checkpoint)
        old = weights if isinstance(weights, FirstNetwork) else from_tf1(weights)
        model = convert(old, args.alphabet, args.pad_alphabet, args.data_scale)
    except WeightsError as error:
        raise SuiteError(error) from None
    difference = largest_difference(old, model, args.alphabet)
    if not difference <= EQUAL:
        raise SuiteError(
            f"{prefix} was read, but the converted network computes something else (difference {difference:.1e}); "
            "nothing was written"
        )
    folder = save(args.name, model)
    config = dataclasses.asdict(model.config)
    logger.write(f"Converted {prefix}: " + ", ".join(f"{name} {value!r}" for name, value in config.items()))
    logger.write(f"Both networks say the same of {COMPARED_POINTS} points, to {difference:.0e}.")
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
