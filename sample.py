"""Writes text in handwriting.

    python3 sample.py --text "Hello World"
    python3 sample.py --text "Hello World" --bias 1.5 --seed 7
    python3 sample.py                                   # five test strings
    python3 sample.py --file letter.txt --output letter.pdf
    python3 sample.py --lines "Dear Jon," "you know nothing." --format svg png --page a6
    python3 sample.py --cards guests.csv --template invitation.txt --output cards
    python3 sample.py --text "Hello World" --hand 7     # one of the hands that come with it; docs/HANDS.md
    python3 sample.py --text "Hello World" --style_file me.inkml --style_text "what is written in it"

In a notebook:

    from model import load_model
    from sample import sample
    strokes, phis, kappas = sample("Hello World", load_model())

Pictures and pages go to logs/figures unless --output says otherwise, their names to stdout, messages to stderr.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

# TensorFlow, which costs seconds, is imported where it is used: a wrong flag is told at once.
from scribe.console import OneLineParser, UsageError, run_command, shortened
from scribe.dataset.folder import sha256
from scribe.files.atomic import check_folder_writable
from scribe.hands.catalogue import (
    DATA_DIR,
    DIRECTIONS,
    HANDS_FILE,
    Catalogue,
    drawn_hand,
    find_catalogue,
    find_hand,
    load_catalogue,
    turned,
)
from scribe.hands.hand import HAND_ENDING, Hand
from scribe.ink.alphabet import to_one_hot  # noqa: F401 - notebooks import to_one_hot from here
from scribe.ink.segments import MAX_CHARACTERS
from scribe.ink.writable import TRANSLITERATED, fit_lines, foreign_scripts, transliterate
from scribe.network.config import PREDICTION, SAVED
from scribe.pages import cards, flags
from scribe.pages.job import Job, file_name, text_name
from scribe.writing.failures import MISREAD, SHAPES
from scribe.writing.lines import DEFAULT_BIAS, MAX_POINTS, Style, sample_batch
from scribe.writing.own_hand import UnknownTextError, lines_in, load_own_hand
from scribe.writing.prediction import POINTS, predict_lines
from scribe.writing.proofread import DEFAULT_ATTEMPTS, Checked, sample_checked
from scribe.writing.styles import MIN_TEXT_GAIN, load_style, text_gain
from utils import Logger

TEST_STRINGS = (
    "call me ishmael some years ago",
    "A project by Sam Greydanus",
    "mmm mmm mmm mmm mmm mmm mmm",
    "What I cannot create I do not understand",
    "You know nothing Jon Snow",
)
MAX_HARD = 8  # places that may be hard to read; of more of them the first are named
MAX_SAMPLES = 1000
PREDICTED_LINES = 3
BAR_AFTER = 2.0  # seconds of writing that need no progress bar
OWN_HAND = "own"  # stands for the number of a style: that of --style_file
HAND = "hand"  # the same: that of --hand, or the one that is drawn for the job

Sample = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def sample(
    text: str,
    model,
    args: Any = None,
    bias: ArrayLike | None = None,
    initial_states: dict | Sequence | None = None,
    *,
    seed: Any = None,
    style: Style | None = None,
    hand: Hand | int | str | None = None,
    tsteps: int | None = None,
    eos_threshold: float | None = None,
    tries: int = DEFAULT_ATTEMPTS,
    n: int | None = None,
) -> Sample | list[Sample]:
    """Writes one line; a word that failed or cannot be read is written again, and the best attempt kept.

    Args:
        text: what to write. It warns of characters that are left out or replaced, as the command does; the lines of a
            text follow each other, a space between them. model: a HandwritingModel, see `model.load_model`.
        args: optional, an object with bias, seed, tsteps and eos_threshold, each optional; keywords take precedence.
        bias: 0 writes as the model learned it, 1 naturally (the default), 2 neatly.
        seed: the same seed gives the same line; without one, every call gives another line, drawn from NumPy's global
            generator: `np.random.seed` makes these repeatable.
        hand: a Hand, or what --hand takes: a number, a file of learn_hand.py, a mixture such as "3:0.7,41:0.3"; None:
            any. initial_states, style, tsteps, eos_threshold: as in `scribe.writing.lines.sample_batch`.
        tries: of each word before the best one is kept, as the flag --tries; 1 returns the first line as it is. With
            initial_states there is one.
        n: so many different candidates, of which the first is the line without n; None: one line.

    Returns:
        strokes [points, 6], phis [points, U], kappas [points, K]; see `scribe.writing.lines.Line`. With n, a list.

    Raises:
        ValueError: an argument is out of range, or the text has nothing that can be written.
        HandError: there is no such hand, or it does not belong to this model.
    """
    if isinstance(style, int | np.integer | str):
        raise ValueError(
            f"style is {style!r}: it is (strokes, text) of a line to go on from; hand={style!r} is a hand."
        )
    if isinstance(hand, int | np.integer | str):
        hand = find_hand(str(hand), load_catalogue(os.path.join(os.path.dirname(__file__), DATA_DIR, HANDS_FILE)))
    for remark in fit_lines([text], model.config.alphabet)[1]:
        warn(f"{shortened(text)!r}: {remark}.", stacklevel=2)
    bias = _first_given(bias, getattr(args, "bias", None), DEFAULT_BIAS)
    seed = _first_given(seed, getattr(args, "seed", None))
    if seed is None:
        seed = random_seed()
    how: dict[str, Any] = {
        "bias": bias, "seed": seed, "style": style, "hand": hand,
        "tsteps": _first_given(tsteps, getattr(args, "tsteps", None)),
        "eos_threshold": _first_given(eos_threshold, getattr(args, "eos_threshold", None)),
    }  # fmt: skip
    if n is not None:
        if n < 1:
            raise ValueError(f"n is {n}: it has to be 1 or more.")
        if initial_states is not None and n > 1:
            raise ValueError("initial_states are those of one line: leave n out.")
    texts = [text] * (n or 1)
    if tries == 1 or initial_states is not None:
        lines = sample_batch(texts, model, initial_states=initial_states, **how)
    else:
        from scribe.writing.recogniser import load_recogniser

        lines = sample_checked(texts, model, attempts=tries, recogniser=load_recogniser(), **how).lines
    samples = [(line.strokes, line.phis, line.kappas) for line in lines]
    return samples[0] if n is None else samples


def random_seed() -> int:
    """A seed that nobody chose, small enough to be typed; from NumPy's global generator, which may have been seeded."""
    return int(np.random.randint(2**24))


def _first_given(*values):
    return next((value for value in values if value is not None), None)


# ----------------------------------------------------------------------------------------------------- command line


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = p.add_mutually_exclusive_group()
    what.add_argument(
        "--text",
        default=None,
        help="text to write; a long one becomes several lines (default, and for an empty one: five test strings)",
    )
    what.add_argument("--lines", nargs="+", metavar="TEXT", help="lines of a page")
    what.add_argument("--file", metavar="FILE", help="text to set on pages, UTF-8 or UTF-16; - is stdin")
    what.add_argument("--cards", metavar="FILE", help="CSV whose first row names its fields: a page for each other row")
    p.add_argument(
        "--template", metavar="FILE", help="text of --cards, with fields such as {name}; without: field text"
    )
    p.add_argument(
        "--samples",
        type=int,
        default=None,
        metavar="N",
        help="N candidates of --text, each as a file, and a sheet of all",
    )
    p.add_argument("--overwrite", action="store_true", help="replace files that another text or other flags made")
    p.add_argument(
        "--transliterate", action="store_true", help="write Greek, Cyrillic, Armenian and Georgian in Latin letters"
    )
    p.add_argument(
        "--bias", type=float, default=DEFAULT_BIAS, help="neatness: 0 as learned, 1 natural, 2 neat, 3 very neat"
    )
    p.add_argument(
        "--tsteps", type=int, default=None, help="most pen points of a line (default: 45 per character + 100)"
    )
    p.add_argument(
        "--hand", default=None, help="whose hand: a number, a file of learn_hand.py, or a mixture such as 3:0.7,41:0.3"
    )
    for name in DIRECTIONS:
        p.add_argument(
            f"--{name}", type=float, default=None, metavar="X", help=f"more (or less: -1) {name} than the hand"
        )
    p.add_argument("--style", type=int, default=None, help="the same as --hand, for a number (-1: none)")
    p.add_argument(
        "--style_file", metavar="FILE", help="recording whose hand it writes in (docs/STYLES.md); FILE#3: its line 3"
    )
    p.add_argument("--style_text", metavar="TEXT", help="text of --style_file, if it does not say so itself")
    what.add_argument(
        "--unconditional",
        action="store_true",
        help="no text: three lines of a prediction network, of --tsteps points (default: 700)",
    )
    p.add_argument("--style_sort", action="store_true", help="sort its strokes: they are not in the order of writing")
    p.add_argument(
        "--tries", type=int, default=DEFAULT_ATTEMPTS, help="tries of each word of a line before the best one is kept"
    )
    p.add_argument(
        "--no_proofread", action="store_true", help="do without the recogniser: only the attention shows what failed"
    )
    p.add_argument(
        "--seed", type=int, default=None, help="seed of the line; the same seed gives the same line (default: random)"
    )
    p.add_argument(
        "--save_path",
        default=None,
        help="a checkpoint or the folder of a training run (default: the newest run in saved/, else saved/checkpoint)",
    )
    p.add_argument("--log_dir", default="logs", help="folder; pictures go to figures/ in it")
    p.add_argument("--data_dir", default="data", help="folder with hands.npz and styles.p")
    p.add_argument(
        "--eos_threshold",
        type=float,
        default=None,
        metavar="P",
        help="probability above which the pen lifts, as in the first scribes (default: it lifts with its probability)",
    )
    p.add_argument("--workers", type=int, default=None, help="processes that draw many pages (default: one per core)")
    flags.add_flags(p)
    g = p.add_argument_group("sizes that the checkpoint's config has; a flag that contradicts it is an error")
    g.add_argument("--rnn_size", type=int, default=None, help="units in each LSTM")
    g.add_argument("--nmixtures", type=int, default=None, help="components of the mixture density")
    g.add_argument("--kmixtures", type=int, default=None, help="components of the window")
    g.add_argument("--alphabet", default=None, help="characters that the model knows, or some of them, in any order")
    g.add_argument(
        "--tsteps_per_ascii", type=float, default=None, help="pen points per character; it matters in training alone"
    )
    args = p.parse_args(argv)
    without_text = {"unconditional", "tsteps", "bias", "seed", "save_path", "log_dir"}
    unused = [a.option_strings[0] for a in p._actions if getattr(args, a.dest, a.default) != a.default]
    unused = [flag for flag in unused if flag.removeprefix("--") not in without_text]
    if args.unconditional and unused:
        p.error(f"{', '.join(unused)}: --unconditional writes no text, in no hand and on no page; leave it out")
    args.any_hand, args.style = args.style == -1, None if args.style == -1 else args.style
    args.text = None if args.text == "" else args.text
    p.require(args, "bias", "seed", "workers")
    p.require(args, "tries", least=1)
    p.require(args, "tsteps", least=1, most=MAX_POINTS)
    p.require(args, "samples", least=1, most=MAX_SAMPLES)
    if args.samples is not None and args.text is None:
        p.error("--samples are candidates of one line: give it with --text")
    if args.eos_threshold is not None and not 0 <= args.eos_threshold <= 1:
        p.error(f"--eos_threshold is {args.eos_threshold}: it is a probability, from 0 to 1")
    if args.text is not None and not args.text.strip():
        p.error("--text is empty: give it something to write")
    if args.template is not None and args.cards is None:
        p.error("--template is the text of --cards: name that file too")
    if args.hand is not None and (args.style is not None or args.styles or args.style_file is not None):
        p.error("--hand and --style, --styles or --style_file exclude each other: each says whose hand it is")
    if args.style_file is not None and any(getattr(args, name) is not None for name in DIRECTIONS):
        p.error(f"--{', --'.join(DIRECTIONS)} turn a hand, but --style_file goes on from a line: see learn_hand.py")
    if args.style_file is None and (args.style_text is not None or args.style_sort):
        p.error("--style_text and --style_sort say something about --style_file: name that file too")
    if args.style_file is not None and (args.style is not None or args.styles):
        p.error(f"--style_file and --style{'s' if args.styles else ''} exclude each other")
    if args.style_text is not None and not args.style_text.strip():
        p.error("--style_text is empty: it is what is written in --style_file")
    flags.check_flags(p, args)
    if args.hand is not None:
        args.style = HAND
    if args.style_file is not None:
        args.style = OWN_HAND  # from here on a style like any other
    return args


def contradictions(args, config):
    """Flags that differ from the checkpoint's config, as sentences."""
    differing = [
        f"--{name} is {shortened(repr(getattr(args, name)), 120)}, but the checkpoint was trained with "
        f"{shortened(repr(getattr(config, name)), 120)}"
        for name in ("rnn_size", "nmixtures", "kmixtures")
        if getattr(args, name) is not None and getattr(args, name) != getattr(config, name)
    ]
    unknown = sorted(set(args.alphabet or "") - set(config.alphabet))  # their order means nothing
    if unknown:
        differing.append(f"--alphabet has {''.join(unknown)!r}, which the checkpoint was not trained with")
    return differing


def main(argv=None):
    args = parse_args(argv)
    logger = Logger()
    return run_command(lambda: write_files(args, logger), logger.write)


def write_files(args, logger):
    """Writes what the flags ask for, and prints the names of the files. Returns the exit code."""
    from scribe.network.checkpoint import load_config
    from scribe.network.checkpoint_files import checkpoint_files, find_checkpoint

    prefix = find_checkpoint(args.save_path or (PREDICTION if args.unconditional else None))
    config = load_config(prefix)
    if args.unconditional != (config.alphabet == ""):
        needs = "is a prediction network, which writes no text: add --unconditional, or"
        wants = "writes texts: --unconditional needs a network of train.py --unconditional;"
        raise UsageError(f"{prefix} {wants if args.unconditional else needs} name another with --save_path.")
    if args.unconditional:
        return write_predictions(args, prefix, logger)
    differing = contradictions(args, config)
    if differing:
        raise UsageError(f"{'; '.join(differing)}. Leave the flag out: it is read from the checkpoint.")
    hands = _Hands(args, config, logger)
    if args.style is None and not args.styles and not args.any_hand and hands.known:
        args.style = HAND
    job = None
    if args.cards is not None:
        card_batch = cards.Batch(args, lambda lines: fit_texts(lines, config.alphabet, args, logger), logger.write)
        numbers = card_batch.styles()
    else:
        texts = texts_of(args, config.alphabet, logger)
        job = Job(args, texts) if args.pages else None
        if job and args.samples:
            of_pages = [f"--{flag}" for flag in args.page_flags if getattr(args, flag) not in (None, [])]
            leave = f": leave out {', '.join(of_pages)}" if of_pages else ""
            raise UsageError(f"--samples writes one line of up to {MAX_CHARACTERS} characters, on no page{leave}.")
        if not job:
            texts = [text for text in texts if text]
            check_folder_writable(os.path.join(args.log_dir, "figures"))
        numbers = {paragraph.style for paragraph in job.paragraphs} if job else {args.style}
    seed = args.seed
    if seed is None and args.cards is not None:
        seed = card_batch.seed  # that of the cards which are there already
    seed = random_seed() if seed is None else seed
    styles = {n: hands.find(n, seed) or _style(n, args, config, logger) for n in numbers - {None}}
    newest = " (the newest run; the shipped model: --save_path saved/checkpoint)"
    own_run = not args.save_path and os.path.dirname(prefix) != SAVED
    logger.write(
        f"Writing with {prefix}{newest if own_run else ''}, {_biases_of(args)}{hands.said(styles)}, seed {seed}."
    )
    from model import load_model
    from scribe.learning.learn import quick_hand
    from scribe.network.tf_setup import one_thread_per_operation
    from scribe.writing.recogniser import load_recogniser

    one_thread_per_operation()
    # What is needed after the writing gets ready beside it.
    beside = ThreadPoolExecutor(2)
    reading = None if args.no_proofread else beside.submit(load_recogniser)
    if args.cards is None and not job:
        beside.submit(import_module, "scribe.pages.figures")  # Matplotlib costs a second
    model = load_model(prefix)
    if args.style_file is not None and not text_gain(styles[OWN_HAND], model) > MIN_TEXT_GAIN:
        logger.write(
            f"Warning: {args.style_file} does not look like {styles[OWN_HAND][1]!r} to the model. If something "
            "else is written there, the lines fail: tell it with --style_text, and see docs/STYLES.md."
        )
    recogniser = reading.result() if reading else None

    written = Checked([], [], [])  # of the whole job: told once, at its end

    # What the encoder reads of a recording brings its line nearer to the hand than priming alone.
    read = None
    if args.style_file is not None and config.hand_size:
        read = quick_hand([styles[OWN_HAND]], model)
        logger.write("python3 learn_hand.py learns this hand from all lines of the recording, and keeps it in a file.")

    def write(texts, bias, seed, style):
        how = {"hand": style} if isinstance(style, Hand) else {"style": style, "hand": read if style else None}
        checked = sample_checked(
            texts, model, bias=bias, seed=seed, tsteps=args.tsteps, attempts=args.tries,
            eos_threshold=args.eos_threshold, recogniser=recogniser, progress=bar.update, **how,
        )  # fmt: skip
        # Their texts alone: the attention of many lines takes gigabytes.
        texts_written = [SimpleNamespace(text=line.text) for line in checked.lines]
        for total, part in zip(written, checked._replace(lines=texts_written), strict=True):
            total += part
        return checked.lines

    if job:
        total = sum(len(paragraph.texts) for paragraph in job.paragraphs)
    else:
        total = None if args.cards is not None else len(texts) * (args.samples or 1)
    bar = tqdm(total=total, unit="line", disable=None, delay=BAR_AFTER, leave=False)  # on a terminal alone
    suffix = _suffix_of(args, seed)
    workers = (os.cpu_count() or 1) if args.workers is None else args.workers
    if args.cards is not None:
        made_by = sha256(*(Path(name).read_bytes() for name in checkpoint_files(prefix))) + hands.said(styles)
        names = card_batch.run(write, seed, styles, made_by)
    elif job:
        names = job.run(write, seed, styles, suffix, workers, lambda text: logger.write(f"Warning: {text}"))
    else:
        lines = write(texts * (args.samples or 1), args.bias, seed, styles.get(args.style))
        drawing = draw_samples if args.samples else draw
        names = drawing(lines, os.path.join(args.log_dir, "figures"), suffix)
    bar.close()
    report(*written, logger, card_batch.written if args.cards is not None else None)
    for name in names:
        print_name(name)
    return 1 if args.cards is not None and card_batch.left_out else 0


def write_predictions(args, prefix, logger):
    """Writes lines of a prediction network, and prints the names of the pictures. Returns the exit code."""
    from model import load_model
    from scribe.pages.figures import draw_line  # late: Matplotlib costs a second

    folder = os.path.join(args.log_dir, "figures")
    check_folder_writable(folder)
    seed = random_seed() if args.seed is None else args.seed
    logger.write(f"Writing with {prefix}, bias {args.bias:g}, seed {seed}.")
    lines = predict_lines(load_model(prefix), PREDICTED_LINES, args.tsteps or POINTS, args.bias, seed)
    for number, strokes in enumerate(lines, 1):
        name = os.path.join(folder, f"prediction_{number}_bias{args.bias:g}_seed{seed}.png")
        draw_line(strokes, name)
        print_name(name)
    return 0


def print_name(name):
    """Prints the name of a file, also where the terminal cannot show all its characters."""
    try:
        print(name)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        print(name.encode(encoding, "backslashreplace").decode(encoding))


def _biases_of(args):
    """The bias as a message says it."""
    if args.biases:
        return "biases " + " ".join(f"{bias:g}" for bias in args.biases)
    return f"bias {args.bias:g}"


def _suffix_of(args, seed):
    """The part of file names that tells the same text from itself with other flags."""
    biases = "-".join(f"{bias:g}" for bias in args.biases or [args.bias])
    suffix = f"bias{biases}_seed{seed}"
    if args.style_file is not None:
        return suffix + "_" + file_name(os.path.splitext(os.path.basename(args.style_file))[0])
    if args.styles:
        return suffix + "_styles" + "-".join("none" if n == -1 else str(n) for n in args.styles)
    if args.hand is not None:
        return suffix + "_hand" + file_name(os.path.basename(args.hand).removesuffix(HAND_ENDING))
    return suffix + ("" if args.style in (None, HAND) else f"_style{args.style}")


class _Hands:
    """The hands that the flags ask for, where the network knows of hands.

    Attributes:
        known: whether it does, and has a catalogue of them.
    """

    def __init__(self, args, config, logger):
        no_hand = args.any_hand or args.style_file is not None
        path = find_catalogue(args.data_dir, config.hand_size, (lambda text: None) if no_hand else logger.write)
        self.args, self.known = args, path is not None
        self.steps = {name: getattr(args, name) for name in DIRECTIONS if getattr(args, name) is not None}
        if not config.hand_size and (args.hand is not None or self.steps):
            raise UsageError(
                "this checkpoint knows of no hands (its hand_size is 0): leave --hand and its changes out."
            )
        self.catalogue = load_catalogue(path) if path else Catalogue([], {})

    def find(self, style, seed):
        """The `Hand` that a key of the styles stands for; None where it is no hand."""
        if style == OWN_HAND or not (self.known or style == HAND):
            return None
        if style == HAND:
            asked = self.args.hand
            hand = drawn_hand(self.catalogue, seed) if asked is None else find_hand(asked, self.catalogue)
        else:
            hand = find_hand(str(style), self.catalogue)
        return turned(hand, self.catalogue, **self.steps)

    def said(self, styles):
        """The hand of the job as a message says it."""
        turns = "".join(f", {name} {step:+g}" for name, step in self.steps.items())
        return (f", hand {self.args.hand or styles[HAND].name}" if HAND in styles else "") + turns


def _style(number, args, config, logger):
    """A style by its number, or that of --style_file."""
    if number != OWN_HAND:
        return load_style(number, args.data_dir, config.data_scale, "--styles" if args.styles else "--style")
    try:
        return load_own_hand(
            args.style_file, args.style_text, data_scale=config.data_scale, alphabet=config.alphabet,
            sort=args.style_sort, note=logger.write,
        )  # fmt: skip
    except UnknownTextError as error:
        raise UsageError(f"{error}{_proposed_text(args)}") from None
    except ValueError as error:
        raise UsageError(str(error)) from None


def _proposed_text(args):
    """What the recogniser reads in --style_file, as a sentence after the one that its text is not known."""
    from scribe.writing.recogniser import load_recogniser

    try:
        read = [text for text in load_recogniser().read(lines_in(args.style_file, sort=args.style_sort)[:3]) if text]
    except (ValueError, OSError):
        return ""
    return f" It looks like {chr(10).join(read)!r}; correct it where it is wrong." if read else ""


def texts_of(args, alphabet, logger):
    """The lines that the flags ask for, as they can be written; args.pages where they need pages."""
    asked = flags.asked_texts(args) or list(TEST_STRINGS)
    if not any(text.strip() for text in asked):
        raise UsageError(
            f"{shortened(args.file, 120) if args.file else 'the text'} is empty: there is nothing to write."
        )
    texts = fit_texts(asked, alphabet, args, logger)
    if not any(texts):
        known = shortened(repr(alphabet), 120)
        raise UsageError(f"nothing of {' '.join(asked)[:60].strip()!r} can be written; the model knows {known}.")
    if args.text and len(texts) > 1:
        args.pages = True
    if args.text and not args.pages and len(texts[0]) > MAX_CHARACTERS:
        # The network has seen lines of about 30 characters; far longer ones fail.
        args.pages = True
        logger.write("The text is longer than a line: it becomes several lines in one hand.")
    return texts


def fit_texts(texts, alphabet, args, logger):
    """Texts as they can be written, with their indents; says which characters were replaced or left out.

    Raises:
        UsageError: a text is in letters that cannot be written.
    """
    if args.transliterate:
        texts = [transliterate(text) for text in texts]
    foreign = {}
    for text in texts:
        foreign = foreign_scripts(text, alphabet) | foreign
    if foreign:
        words = ", ".join(f"{word[:20]!r} in {script} letters" for script, word in foreign.items())
        help = " --transliterate writes them in Latin letters." if set(foreign) <= set(TRANSLITERATED) else ""
        raise UsageError(f"the text has {words}, which cannot be written.{help}")
    fitted, remarks = fit_lines(texts, alphabet)
    for remark in remarks:
        logger.write(f"Warning: {remark}.")
    return fitted


def report(lines, failures, attempts, logger, cards=None):
    """Says which lines were written more than once, and what is still wrong with those that failed every time.

    Args:
        lines, failures, attempts: as `sample_checked` returns them.
        cards: the number of the card of each line, 0 for a line that nobody sees; None: there are no cards.
    """
    rows = list(zip(lines, failures, attempts, strict=True))
    fixed = [(line.text, times) for line, found, times in rows if times > 1 and not found]
    if len(fixed) == 1:
        logger.write(f"{fixed[0][0]!r} is the best of {fixed[0][1]} attempts.")
    elif fixed:
        most = max(times for _, times in fixed)
        logger.write(f"{len(fixed)} of {len(lines)} lines were written up to {most} times, and the best attempts kept.")
    warnings = warnings_of(rows)
    if cards is not None:
        warnings = [
            f"card {card}: {warning}"
            for card in sorted(set(cards) - {0})
            for warning in warnings_of([row for row, own in zip(rows, cards, strict=True) if own == card])
        ]
    for warning in warnings:
        logger.write(f"Warning: {warning}.")
    if warnings:
        logger.write("For lines with failures try another --seed, a higher --bias, or more --tries.")


def warnings_of(rows):
    """What is wrong with lines, as sentences without a full stop; rows: (line, its failures, its attempts)."""
    warnings = []
    for line, found, times in rows:
        lost = [failure.describe(line.text) for failure in found if failure.kind not in (MISREAD, *SHAPES)]
        if lost:
            again = f" after {times} attempts" if times > 1 else ""
            warnings.append(f"{line.text!r} has failures{again}: {'; '.join(lost)}")
    shapes = [failure.describe(line.text) for line, found, _ in rows for failure in found if failure.kind in SHAPES]
    if shapes:
        more = f" and {len(shapes) - MAX_HARD} more" if len(shapes) > MAX_HARD else ""
        warnings.append(f"{', '.join(shapes[:MAX_HARD])}{more}")
    hard = [failure.place(line.text) for line, found, _ in rows for failure in found if failure.kind == MISREAD]
    if hard:
        more = f" and {len(hard) - MAX_HARD} other places" if len(hard) > MAX_HARD else ""
        warnings.append(f"{', '.join(hard[:MAX_HARD])}{more} may be hard to read")
    return warnings


def draw(lines, folder, suffix):
    """Draws every line, its attention and its density. Returns the names of the pictures."""
    from scribe.pages.figures import (  # late: Matplotlib costs a second
        draw_attention,
        draw_density,
        draw_line,
    )

    os.makedirs(folder, exist_ok=True)
    names = []
    for line in lines:
        stem = os.path.join(folder, f"{text_name([line.text])}_{suffix}")
        draw_line(line.strokes, stem + ".png")
        draw_attention(line.phis, line.strokes, line.text, stem + "_attention.png")
        draw_density(line.strokes, stem + "_density.png")
        names += [f"{stem}{part}.png" for part in ("", "_attention", "_density")]
    return names


def draw_samples(lines, folder, suffix):
    """Draws candidates of a text, and a sheet of them with their numbers. Returns the names of the pictures."""
    from scribe.pages.figures import draw_line, draw_lines  # late: Matplotlib costs a second

    os.makedirs(folder, exist_ok=True)
    stem = os.path.join(folder, f"{text_name([lines[0].text])}_{suffix}")
    names = [f"{stem}_{k}.png" for k in range(1, len(lines) + 1)]
    for line, name in zip(lines, names, strict=True):
        draw_line(line.strokes, name)
    sheet = f"{stem}_samples.png"
    draw_lines([line.strokes for line in lines], sheet, labels=range(1, len(lines) + 1))
    return [sheet, *names]


if __name__ == "__main__":
    sys.exit(main())
