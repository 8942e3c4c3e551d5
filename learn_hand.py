"""Learns a hand from somebody's handwriting, to write in it with sample.py --hand.

    python3 learn_hand.py me.inkml --name me            # about a minute; writes me.hand.npz
    python3 sample.py --text "Hello World" --hand me
    python3 learn_hand.py page1.svg page2.svg --name me --text "what is written there"
    python3 learn_hand.py me.inkml --name me --quick    # reads the hand only, without any training

From one line to some thirty of them, in every format that sample.py --style_file reads. Write only in your own hand, or
in that of a person who has agreed, and never to deceive.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import sys

from tqdm import tqdm

# TensorFlow, which costs seconds, is imported where it is used: a wrong flag is told at once.
from scribe.console import OneLineParser, UsageError, run_command
from scribe.files.atomic import check_writable
from scribe.hands.hand import CONSENT, HAND_ENDING, save_hand
from scribe.learning.practice import Practice
from scribe.writing.own_hand import load_own_lines
from scribe.writing.styles import load_styles
from utils import Logger

MAX_LINES = 60  # more tell little more, and take longer
MOST_STEPS = 10_000


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("recordings", nargs="+", metavar="FILE", help="recordings of one person's handwriting")
    p.add_argument("--name", required=True, help="what to call the hand; also the name of the file")
    p.add_argument("--text", default=None, help="what is written in the recordings, if they do not say so themselves")
    p.add_argument("--sort", action="store_true", help="sort the strokes: they are not in the order of writing")
    p.add_argument("--output", default=None, help=f"file to write (default: NAME{HAND_ENDING})")
    p.add_argument("--quick", action="store_true", help="read the hand, without training: in seconds")
    p.add_argument("--steps", type=int, default=Practice.steps, help="steps of training, at most")
    p.add_argument("--seed", type=int, default=0, help="seed of the training; the same seed learns the same hand")
    p.add_argument("--save_path", default=None, help="checkpoint; as in sample.py")
    p.add_argument("--data_dir", default="data", help="folder with styles.p, lines that are replayed while learning")
    args = p.parse_args(argv)
    if args.text is not None and len(args.recordings) > 1:
        p.error("--text says what is written in one recording, but there are several: join them, or keep it in them")
    p.require(args, "steps", least=1, most=MOST_STEPS)
    p.require(args, "seed")
    return args


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

    output = args.output or args.name + HAND_ENDING
    check_writable(output)
    one_thread_per_operation()
    model, recogniser = load_model(find_checkpoint(args.save_path)), load_recogniser()
    if not model.hand_size:
        raise UsageError("this network knows of no hands: its hand_size is 0. The shipped one does.")
    scale, alphabet = model.config.data_scale, model.config.alphabet
    lines = []
    for path in args.recordings:
        try:
            lines += load_own_lines(
                path, args.text, data_scale=scale, alphabet=alphabet, sort=args.sort, read=recogniser.read,
                note=logger.write,
            )  # fmt: skip
        except ValueError as error:
            raise UsageError(str(error).replace("--style_text", "--text")) from None
    if len(lines) > MAX_LINES:
        logger.write(f"The first {MAX_LINES} of {len(lines)} lines are taken.")
        del lines[MAX_LINES:]
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
    save_hand(output, hand)
    logger.write(CONSENT)
    logger.write(f'Next: python3 sample.py --text "Hello World" --hand {output.removesuffix(HAND_ENDING)}')
    print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
