"""Turns a checkpoint of the TF1 scribe (Sam Greydanus' scribe, TensorFlow 1) into one of this suite, without loss.

    python3 convert_tf1.py old/saved/model.ckpt-500 --name mine                         # writes saved/mine
    python3 convert_tf1.py old/saved/model.ckpt-500 --name mine --text "Hello World"    # ... and a picture with it
    python3 convert_tf1.py weights.npz --name mine                                      # of extract_weights_tf1.py

After that, saved/mine is a checkpoint like any other: `python3 sample.py --save_path saved/mine`. TensorFlow 1 is not
needed for any of this. docs/MIGRATION_GUIDE.md has what stays the same and what differs.
"""

import argparse
import dataclasses
import os
import shutil
import sys

import numpy as np

from legacy_tf1.extract_weights_tf1 import WeightsError, read_weights, sizes
from model import HandwritingModel
from scribe.console import OneLineParser, SuiteError, run_command
from scribe.ink.alphabet import ALPHABET
from scribe.network.checkpoint import SAVED, CheckpointError, save_model
from scribe.network.config import POINT_SIZE, ModelConfig
from utils import Logger

FIRST_ALPHABET = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # the default of the TF1 scribe
FORGET_BIAS = 1.0  # what LSTMCell of TensorFlow 1 adds to the forget gate as it runs
CHECKPOINT = "checkpoint"  # the prefix within saved/NAME


def convert(weights, alphabet=None, new_alphabet=None, data_scale=None):
    """Builds the network that computes what that of the TF1 scribe did.

    Args:
        weights: a dict of arrays, from `read_weights`.
        alphabet: the characters it was trained with, in their order; None: the default of the TF1 scribe.
        new_alphabet: the characters of the new network, in any order; None: the same. A character that the old network
            did not know is written as the old one wrote it: as the unknown character.
        data_scale: raw units in one model unit of length; None: the default of both programs, 50.

    Returns:
        a HandwritingModel.

    Raises:
        ValueError: an alphabet does not fit the weights.
        WeightsError: the weights are not those of such a network.
    """
    found = sizes(weights)
    alphabet = _checked_alphabet(alphabet, found["char_vec_len"])
    new_alphabet = alphabet if new_alphabet is None else new_alphabet
    lost = [c for c in alphabet if c not in new_alphabet]
    if lost:
        raise ValueError(f"the new alphabet lacks {''.join(lost)!r}, which the checkpoint knows")
    config = ModelConfig(
        rnn_size=found["rnn_size"],
        nmixtures=found["nmixtures"],
        kmixtures=found["kmixtures"],
        alphabet=new_alphabet,
        data_scale=ModelConfig.data_scale if data_scale is None else data_scale,
        first_pen=1,  # as the sampler of the TF1 scribe starts
    )
    model = HandwritingModel(config)
    # Row i of the window's weights in the new network is this row of the old one; 0 is the unknown character.
    rows = [0] + [alphabet.find(c) + 1 for c in new_alphabet]
    for variable, value in _assignments(model, weights, rows):
        variable.assign(value)
    return model


def _checked_alphabet(alphabet, char_vec_len):
    if alphabet is None:
        alphabet = FIRST_ALPHABET
        if len(alphabet) + 1 != char_vec_len:
            raise ValueError(
                f"the checkpoint knows {char_vec_len - 1} characters, not the {len(alphabet)} of the TF1 scribe's "
                "default: give them with --alphabet, in the order they were trained with"
            )
    if len(alphabet) + 1 != char_vec_len:
        raise ValueError(f"the checkpoint knows {char_vec_len - 1} characters, but --alphabet has {len(alphabet)}")
    if len(set(alphabet)) != len(alphabet):
        # str.find, which both programs use, never saw the second one: a model that has one cannot name its rows.
        raise ValueError(f"--alphabet holds {sorted({c for c in alphabet if alphabet.count(c) > 1})} more than once")
    return alphabet


def _assignments(model, weights, rows):
    """(variable of the model, array) for every weight of it."""
    H, A = model.rnn_size, len(rows)
    no_point, no_window = np.zeros([POINT_SIZE, 4 * H], np.float32), np.zeros([A, 4 * H], np.float32)
    no_state = np.zeros([H, 1 + 6 * model.nmixtures], np.float32)

    # The old kernels hold the rows of the inputs first, then those of the layer's own h.
    kernels = [_to_ifco(weights[f"cell{i}/lstm_cell/kernel"]) for i in range(3)]
    biases = [_to_ifco(weights[f"cell{i}/lstm_cell/bias"]) for i in range(3)]
    for bias in biases:
        bias[H : 2 * H] += FORGET_BIAS
    point0, own0 = np.split(kernels[0], [POINT_SIZE])
    before1, window1, point1, own1 = np.split(kernels[1], [H, kernels[1].shape[0] - H - POINT_SIZE, -H])
    before2, own2 = np.split(kernels[2], [H])
    head, head_bias = weights["mdn_dense/output_w"].copy(), weights["mdn_dense/output_b"].copy()
    head[:, 0] *= -1  # the old network's pen lifts with sigmoid(-y), this one's with sigmoid(y)
    head_bias[0] *= -1

    lstms = (model.lstm0, model.lstm1.cell, model.lstm2.cell)
    inputs = (
        [point0, no_window],  # the window was not fed back
        [point1, window1[rows], before1],
        [no_point, no_window, before2],  # the third LSTM saw the second alone
    )
    for lstm, parts, own, bias in zip(lstms, inputs, (own0, own1, own2), biases, strict=True):
        yield lstm.kernel, np.concatenate(parts)
        yield lstm.recurrent_kernel, own
        yield lstm.bias, bias
    yield model.attention_layer.kernel, weights["window/window_w"]
    yield model.attention_layer.bias, weights["window/window_b"]
    yield model.mdn_layer.kernel, np.concatenate([no_state, no_state, head])  # the head saw the third LSTM alone
    yield model.mdn_layer.bias, head_bias


def _to_ifco(array):
    """The last axis from the gates' order of TensorFlow 1 (i, j, f, o) to that of Keras (i, f, c, o); j is c."""
    i, j, f, o = np.split(array, 4, axis=-1)
    return np.concatenate([i, f, j, o], axis=-1)


# -------------------------------------------------------------------------------------------------------- saved/NAME


def save(name, model, saved=SAVED):
    """Writes saved/NAME/checkpoint.* and saved/NAME/config.json aside and renames the folder.

    Returns:
        the folder.

    Raises:
        CheckpointError: the folder holds something else than an earlier conversion, or it cannot be written.
    """
    folder = os.path.join(saved, name)
    if os.path.lexists(folder) and not _is_conversion(folder):
        raise CheckpointError(f"{folder} is there already and was not made by this program: choose another --name.")
    aside, old = (os.path.join(saved, f".{name}.{part}-{os.getpid()}") for part in ("tmp", "old"))
    try:
        save_model(os.path.join(aside, CHECKPOINT), model)
        if os.path.exists(folder):
            os.rename(folder, old)
        os.rename(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
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
    p.add_argument("--alphabet", default=None, help="characters it knows, in their order (default: space, a-z, A-Z)")
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
        weights = read_weights(args.checkpoint)
        model = convert(weights, args.alphabet, args.pad_alphabet, args.data_scale)
    except WeightsError as error:
        raise SuiteError(error) from None
    folder = save(args.name, model)
    config = dataclasses.asdict(model.config)
    logger.write(f"Converted {args.checkpoint}: " + ", ".join(f"{name} {value!r}" for name, value in config.items()))
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
