"""Learns a hand from somebody's handwriting, to write in it with sample.py --hand.

    python3 learn_hand.py me.inkml --name me            # about a minute; writes me.hand.npz
    python3 sample.py --text "Hello World" --hand me
    python3 learn_hand.py page1.svg page2.svg --name me --text "what is written on page 1" "what is on page 2"
    python3 learn_hand.py me.inkml --name me --quick    # reads the hand only, without any training

From one line to 60 of them, in every format that sample.py --style_file reads. Write only in your own hand, or in that
of a person who has agreed, and never to deceive.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import contextlib
import os
import re
import shlex
import sys

from tqdm import tqdm

# TensorFlow, which costs seconds, is imported where it is used: a wrong flag is told at once.
from scribe.console import OneLineParser, UsageError, run_command, shortened
from scribe.files.atomic import check_writable
from scribe.hands.hand import CONSENT, HAND_ENDING, HandError, load_hand, save_hand
from scribe.learning.practice import Practice
from scribe.writing.own_hand import load_own_lines
from scribe.writing.styles import load_styles
from utils import Logger

MAX_LINES = 60  # more tell little more, and take longer
MOST_STEPS = 10_000


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # Not nargs="+": what is missing is told below, where a --text before it may have taken it.
    p.add_argument("recordings", nargs="*", metavar="FILE", help="recordings of one person's handwriting")
    p.add_argument("--name", required=True, help="what to call the hand; also the name of the file")
    p.add_argument(
        "--text", nargs="+", action="extend",
        help='what is written in the recordings, if they do not say so themselves: one text for each, in order ("": it '
        "says so itself)",
    )  # fmt: skip
    p.add_argument("--sort", action="store_true", help="sort the strokes: they are not in the order of writing")
    p.add_argument("--output", default=None, help=f"file to write (default: NAME{HAND_ENDING})")
    p.add_argument("--overwrite", action="store_true", help="let --quick replace a hand that was learned without it")
    p.add_argument("--quick", action="store_true", help="read the hand, without training: in seconds")
    p.add_argument("--steps", type=int, default=Practice.steps, help="steps of training, at most")
    p.add_argument("--seed", type=int, default=0, help="seed of the training; the same seed learns the same hand")
    p.add_argument("--save_path", default=None, help="checkpoint; as in sample.py")
    p.add_argument("--data_dir", default="data", help="folder with styles.p, lines that are replayed while learning")
    args = p.parse_args(argv)
    files, texts = len(args.recordings), len(args.text or [])
    if not files:
        p.error("there is no recording: name one FILE or several, before --text")
    if texts not in (0, files):
        p.error(
            f"--text has {texts} text{'s' * (texts > 1)} for {files} recording{'s' * (files > 1)}: give one for each, "
            'in order and in quotation marks ("" where it says so itself)'
        )
    args.output = args.output or args.name + HAND_ENDING
    for flag, asked in (("--name", args.name), ("--output", hand_at(args.output))):
        if not is_name(asked):
            p.error(
                f"{flag} is {shortened(asked)!r}: it has to be no number, without , and :, since these mean other "
                "hands to --hand; give another name, such as me"
            )
    p.require(args, "steps", least=1, most=MOST_STEPS)
    p.require(args, "seed")
    return args


def hand_at(path: str) -> str:
    """What --hand calls the hand in a file."""
    return path.removesuffix(HAND_ENDING)


def is_name(asked: str) -> bool:
    """Whether --hand takes this for one file: a number is a shipped hand, and , and : make a mixture."""
    number = re.fullmatch(r"\s*\d*\s*", asked)
    return not number and "," not in asked and ":" not in os.path.basename(asked)


def main(argv: list[str] | None = None) -> int:
    args, logger = parse_args(argv), Logger()
    return run_command(lambda: learn(args, logger), logger.write)


def learn(args, logger):
    """Reads the recordings, learns the hand and writes it; returns the exit code."""
    from model import load_model
    from scribe.learning.learn import learn_hand, quick_hand
    from scribe.network.checkpoint import find_checkpoint
    from scribe.network.tf_setup import one_thread_per_operation
    from scribe.writing.recogniser import load_recogniser

    check_writable(args.output)
    if args.quick and not args.overwrite:
        check_not_practised(args.output)
    one_thread_per_operation()
    model, recogniser = load_model(find_checkpoint(args.save_path)), load_recogniser()
    if not model.hand_size:
        raise UsageError("this network knows of no hands: its hand_size is 0. The shipped one does.")
    scale, alphabet = model.config.data_scale, model.config.alphabet
    lines, paths = [], []  # of each line, where it stands
    for path, text in zip(args.recordings, args.text or [None] * len(args.recordings), strict=True):
        try:
            lines += load_own_lines(
                path, text, data_scale=scale, alphabet=alphabet, sort=args.sort, read=recogniser.read,
                note=logger.write,
            )  # fmt: skip
        except ValueError as error:
            raise UsageError(str(error).replace("--style_text", "--text")) from None
        paths += [path] * (len(lines) - len(paths))
    if len(lines) > MAX_LINES:
        logger.write(f"The first {MAX_LINES} of {len(lines)} lines are taken.")
        del lines[MAX_LINES:], paths[MAX_LINES:]
    lines = lines_that_fit(lines, paths, model, recogniser, logger)
    logger.write(f"Learning {args.name!r} from {len(lines)} line{'s' * (len(lines) > 1)}:")
    for _, text in lines[:5]:
        logger.write(f"    {text}")
    if args.quick:
        hand = quick_hand(lines, model, args.name, CONSENT)
    else:
        with tqdm(total=args.steps, unit="step", disable=None) as bar:
            hand = learn_hand(
                lines, model, others=load_styles(args.data_dir, scale), practice=Practice(steps=args.steps),
                name=args.name, notice=CONSENT, seed=args.seed, report=lambda step, steps: bar.update(),
            )  # fmt: skip
    save_hand(args.output, hand)
    logger.write(CONSENT)
    logger.write(f'Next: python3 sample.py --text "Hello World" --hand {shlex.quote(hand_at(args.output))}')
    print(args.output)
    return 0


def lines_that_fit(lines, paths, model, recogniser, logger):
    """Those of the lines whose text is what is written there; the others, of files `paths`, are warned of.

    Raises:
        UsageError: there are none.
    """
    from scribe.learning.texts_that_fit import fits

    right = fits(lines, model, recogniser.read)
    for path, (_, text), fit in zip(paths, lines, right, strict=True):
        if not fit:
            logger.write(f"Warning: a line of {path} is left out: what is written there does not look like {text!r}.")
    remedy = (
        "tell what is written with --text, word for word, or, if the strokes are not in the order of writing, add "
        "--sort (docs/STYLES.md)"
    )
    if not any(right):
        raise UsageError(f"nothing is learned, since no text is what is written in its line: {remedy}.")
    if not all(right):
        logger.write(f"To learn from what is left out, too: {remedy}.")
    return [line for line, fit in zip(lines, right, strict=True) if fit]


def check_not_practised(path: str) -> None:
    """Raises UsageError where a file has a hand that the network practised, which took a minute and is more alike."""
    with contextlib.suppress(HandError):  # there is none, or none of use
        if load_hand(path).differences:
            raise UsageError(f"{path} was learned without --quick: --overwrite replaces it, or name another --output.")


if __name__ == "__main__":
    sys.exit(main())
