"""The archived TensorFlow 1 program: trains and samples with the TF1 scribe's network and flags.

    python run.py --train --data_dir ../data
    python run.py --sample --tsteps 700 --text "Hello World"

README.md in this folder says which Python and TensorFlow it takes.
"""

import argparse
import os
import random
import sys
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
warnings.filterwarnings("ignore", category=FutureWarning)  # TensorFlow 1.15 and NumPy 1.17 to 1.18, among themselves

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from model import Model  # noqa: E402
from sample import line_plot, sample, window_plot  # noqa: E402
from utils import ALPHABET, DataLoader, Logger  # noqa: E402

TEST_STRINGS = (
    "call me ishmael some years ago",
    "A project by Sam Greydanus",
    "mmm mmm mmm mmm mmm mmm mmm",
    "What I cannot create I do not understand",
    "You know nothing Jon Snow",
)


def parse_args(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--train", dest="train", action="store_true", help="train the model (the default)")
    p.add_argument("--sample", dest="train", action="store_false", help="write text with the model")
    p.add_argument("--rnn_size", type=int, default=100, help="units in each of the three LSTMs")
    p.add_argument("--tsteps", type=int, default=150, help="points of a line that are trained on, or written")
    p.add_argument("--nmixtures", type=int, default=8, help="components of the mixture density")
    p.add_argument("--kmixtures", type=int, default=1, help="components of the window over the text")
    p.add_argument("--alphabet", default=ALPHABET, help="characters the model knows; all others share one index")
    p.add_argument("--tsteps_per_ascii", type=int, default=25, help="pen points per character")
    p.add_argument("--batch_size", type=int, default=32, help="lines in a batch")
    p.add_argument("--nbatches", type=int, default=500, help="batches in an epoch")
    p.add_argument("--nepochs", type=int, default=250, help="epochs")
    p.add_argument("--dropout", type=float, default=0.85, help="probability to KEEP an output of an LSTM")
    p.add_argument("--grad_clip", type=float, default=10.0, help="largest norm of the gradient")
    p.add_argument("--optimizer", choices=("rmsprop", "adam"), default="rmsprop", help="optimizer")
    p.add_argument("--learning_rate", type=float, default=1e-4, help="learning rate")
    p.add_argument("--lr_decay", type=float, default=1.0, help="factor on the learning rate after every epoch")
    p.add_argument("--decay", type=float, default=0.95, help="decay of rmsprop")
    p.add_argument("--momentum", type=float, default=0.9, help="momentum of rmsprop")
    p.add_argument("--data_scale", type=float, default=50, help="raw units in one model unit of length")
    p.add_argument("--log_dir", default="./logs/", help="folder of messages, and of pictures in figures/")
    p.add_argument("--data_dir", default="./data", help="folder with strokes_training_data.cpkl and styles.p")
    p.add_argument("--save_path", default="saved/model.ckpt", help="checkpoint; training adds the step to its name")
    p.add_argument("--save_every", type=int, default=500, help="batches between saves")
    p.add_argument("--text", default="", help="text to write (default: five test strings)")
    p.add_argument("--style", type=int, default=-1, help="number of the sample of styles.p whose hand it writes in")
    p.add_argument("--bias", type=float, default=1.0, help="neatness: 0 as learned, higher is neater")
    p.add_argument("--sleep_time", type=int, default=0, help="seconds until it samples again; 0: only once")
    p.add_argument("--seed", type=int, default=None, help="seed that makes weights, batches and lines repeatable")
    p.set_defaults(train=True)
    return p.parse_args(argv)


def train_model(args):
    logger = Logger(args)
    logger.write(f"Training: {vars(args)}")
    loader = DataLoader(args, logger)
    model = Model(args, logger)
    _, step = model.try_load_model(args.save_path)
    # Every line starts from zero states: what comes after its first tsteps points is never seen.
    feed = model.zero_states()
    validation = loader.validation_data()
    run = model.sess.run
    run([model.decay.assign(args.decay), model.momentum.assign(args.momentum)])
    average, start, first = None, time.time(), step
    while step < args.nepochs * args.nbatches:
        if step % args.nbatches == 0 or step == first:
            run(model.learning_rate.assign(args.learning_rate * args.lr_decay ** (step // args.nbatches)))
        feed[model.input_data], feed[model.target_data], _, feed[model.char_seq] = loader.next_batch()
        loss, _ = run([model.cost, model.train_op], feed)
        average = loss if average is None else 0.99 * average + 0.01 * loss
        step += 1
        if step % 10 == 0:
            text = f"{step}/{args.nepochs * args.nbatches}, loss = {loss:.3f}, regloss = {average:.5f}"
            if validation:
                feed[model.input_data], feed[model.target_data], _, feed[model.char_seq] = validation
                text += f", valid_loss = {run(model.cost, feed):.3f}"
            logger.write(f"{text}, time = {(time.time() - start) / (step - first):.3f}")
        if step % args.save_every == 0:
            model.save(args.save_path, step)
    if step % args.save_every:
        model.save(args.save_path, step)
    return 0


def sample_model(args):
    logger = Logger(args)
    model = Model(args, logger)
    found, step = model.try_load_model(args.save_path)
    if not found:
        return 1
    figures = os.path.join(args.log_dir, "figures")
    os.makedirs(figures, exist_ok=True)
    ascii_steps = args.tsteps // args.tsteps_per_ascii
    chance = np.random.RandomState(args.seed)
    for text in [args.text] if args.text else TEST_STRINGS:
        if len(text) > ascii_steps:
            logger.write(
                f"Warning: only {text[:ascii_steps]!r} will be seen; for the whole text use "
                f"--tsteps {len(text) * args.tsteps_per_ascii}"
            )
        strokes, phis, windows, _ = sample(text, model, args, chance)
        name = "iter-{}-{{}}-{}.png".format(step, "".join(c if c.isalnum() else "_" for c in text[:10]))
        line_plot(strokes, text, os.path.join(figures, name.format("l")))
        window_plot(phis, windows, os.path.join(figures, name.format("w")))
        logger.write(os.path.join(figures, name.format("l")))
    return 0


def main(argv=None):
    args = parse_args(argv)
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    if args.seed is not None:
        random.seed(args.seed)
        tf.set_random_seed(args.seed)
    if args.train:
        return train_model(args)
    while True:
        code = sample_model(args)
        if code or not args.sleep_time:
            return code
        tf.reset_default_graph()
        time.sleep(args.sleep_time)


if __name__ == "__main__":
    sys.exit(main())
