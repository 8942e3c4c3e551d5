"""Makes the figures and tables of the paper, sections 4 and 5, from trained weights (Graves, arXiv:1308.0850).

    python3 reproduce.py --all                              # all of them, to logs/paper
    python3 reproduce.py --figures 13 14 --output mine
    python3 reproduce.py --tables 4 --data_dir FOLDER       # measured on the validation lines of FOLDER

Figures 10 and 11 and table 3 are of the prediction network, which knows no text (train.py --unconditional trains one);
they are left out, with a message, where --prediction names none. Names of files and tables go to stdout, messages to
stderr. docs/PAPER.md shows what comes out beside what the paper says.
"""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import argparse
import os
import sys
from types import SimpleNamespace

import numpy as np

# TensorFlow, which costs seconds, is imported where it is used: a wrong flag is told at once.
from evaluate import measure_likelihood
from scribe.console import OneLineParser, UsageError, run_command
from scribe.files.atomic import check_folder_writable
from scribe.ink.alphabet import to_one_hot
from scribe.ink.strokes import absolute_points
from scribe.network.config import PREDICTION, SHIPPED
from scribe.pages.figures import draw_lines
from scribe.pages.paper_figures import Density, draw_blocks, draw_mixture, draw_window
from scribe.writing.bias import asked_bias
from scribe.writing.lines import sample_batch
from scribe.writing.prediction import predict_lines
from scribe.writing.proofread import sample_checked
from scribe.writing.styles import load_style
from utils import DataLoader, Logger

# The texts are the paper's where it can be read there what they are.
WORD = "under"  # figures 10 and 14
WINDOW_TEXT = "a thought which had never"  # figure 13
UNBIASED_TEXT = "from his travels it might have been"  # figure 15
BIASED_TEXT = "until they all look exactly the same"  # figure 16
SLIGHTLY_BIASED_TEXT = "more of national temperament"  # figure 17
PRIMED_TEXTS = ("when the network is primed", "and writes in the same hand")  # figures 18 to 21
LINES, BIASES, SLIGHT_BIAS, PRIMED_BIAS = 8, (0.1, 0.5, 2, 5, 10), 0.15, 1.0  # of eq. 61-62
PRIMES = {18: (0, 3, 7), 19: (1, 5, 10), 20: (0, 3, 7), 21: (1, 5, 10)}  # numbers of styles
PREDICTED_LINES, PREDICTED_POINTS = 5, 700  # figure 11

# Nats per line and squared error per point in the paper; what it was measured on is another split of the same database.
TABLE_3 = (
    ("one layer of 900", -1025.7, 0.40),
    ("three layers of 400", -1041.0, 0.41),
    ("three layers of 400, adaptive weight noise", -1057.7, 0.41),
)
TABLE_4 = (("no regularisation", -1096.9, 0.23), ("adaptive weight noise", -1128.2, 0.23))


class Paper:
    """What figures and tables are made from.

    Args:
        args: the flags. logger: has write(text).
    """

    def __init__(self, args, logger):
        from model import load_model
        from scribe.network.checkpoint import CheckpointError, find_checkpoint

        self.args, self.logger = args, logger
        self.model = load_model(find_checkpoint(args.save_path))
        if not self.model.alphabet:
            raise UsageError(f"--save_path {args.save_path} is a prediction network: name it with --prediction.")
        try:
            self.prediction = load_model(find_checkpoint(args.prediction))
        except CheckpointError:
            self.prediction = None
        if self.prediction and self.prediction.alphabet:
            raise UsageError(f"--prediction {args.prediction} is not a network of train.py --unconditional.")

    def path(self, number):
        return os.path.join(self.args.output, f"figure_{number}.png")

    # ---- section 5: synthesis

    def figure_13(self):
        """The window weights while a line is written."""
        (line,) = self._checked([WINDOW_TEXT], bias=0.1)
        draw_window(line.phis, line.strokes, line.text, self.path(13))

    def figure_14(self):
        """The density of the next point while a word is written, and the weights of its components."""
        (line,) = self._checked([WORD], bias=0.1)
        self._draw_mixture(self.model, line.strokes, line.text, 14)

    def figure_15(self):
        """Lines of one text, unbiased."""
        lines = self._samples([UNBIASED_TEXT] * LINES, bias=0.0)
        draw_lines([line.strokes for line in lines], self.path(15))

    def figure_16(self):
        """One text with more and more bias."""
        lines = self._samples([BIASED_TEXT] * len(BIASES), bias=BIASES)
        draw_lines([line.strokes for line in lines], self.path(16), labels=[f"{bias:g}" for bias in BIASES])

    def figure_17(self):
        """Lines of one text, slightly biased."""
        lines = self._samples([SLIGHTLY_BIASED_TEXT] * LINES, bias=SLIGHT_BIAS)
        draw_lines([line.strokes for line in lines], self.path(17))

    def figure_18(self):
        """Lines primed with a line of somebody's writing, which stands above each block."""
        self._draw_primed(18, bias=0.0)

    def figure_19(self):
        """More of them."""
        self._draw_primed(19, bias=0.0)

    def figure_20(self):
        """Primed and biased."""
        self._draw_primed(20, bias=PRIMED_BIAS)

    def figure_21(self):
        """More of them."""
        self._draw_primed(21, bias=PRIMED_BIAS)

    def table_4(self):
        """Likelihood of lines with their texts."""
        self._print_table("Table 4: handwriting synthesis", TABLE_4, self.model)

    # ---- section 4: prediction

    def figure_10(self):
        """As figure 14, of the prediction network, while it looks on as the same word is written."""
        (line,) = self._checked([WORD], bias=0.1)
        self._draw_mixture(self.prediction, line.strokes, "", 10)

    def figure_11(self):
        """What the prediction network writes."""
        lines = predict_lines(self.prediction, PREDICTED_LINES, PREDICTED_POINTS, seed=self.args.seed)
        draw_lines(lines, self.path(11))

    def table_3(self):
        """Likelihood of lines without their texts."""
        self._print_table("Table 3: handwriting prediction", TABLE_3, self.prediction)

    # ---- parts

    def _samples(self, texts, bias):
        return sample_batch(texts, self.model, bias=asked_bias(bias), seed=self.args.seed)

    def _checked(self, texts, bias, style=None):
        """Lines that can be read, as the paper chose them for its primed samples."""
        from scribe.writing.recogniser import load_recogniser

        checked = sample_checked(
            texts, self.model, bias=asked_bias(bias), seed=self.args.seed, style=style, recogniser=load_recogniser()
        )
        return checked.lines

    def _draw_mixture(self, model, strokes, text, number):
        offsets = np.array(strokes[:, [0, 1, 5]])
        offsets[:, :2] = np.diff(offsets[:, :2], axis=0, prepend=np.zeros([1, 2], np.float32))
        one_hot = to_one_hot(text, alphabet=model.alphabet) if text else np.zeros([1, model.char_vec_len], np.float32)
        out = model({"stroke_data": offsets[None], "char_seq": one_hot[None]})
        draw_mixture(strokes, Density(*(out[name][0].numpy() for name in Density._fields)), self.path(number))

    def _draw_primed(self, number, bias):
        blocks = []
        for style_number in PRIMES[number]:
            style = load_style(style_number, self.args.styles_dir, self.model.config.data_scale)
            lines = self._checked(PRIMED_TEXTS, bias, style)
            blocks.append(([absolute_points(style[0])], [line.strokes for line in lines]))
        draw_blocks(blocks, self.path(number))

    def _print_table(self, title, paper, model):
        loader = self._loader()
        if not loader.valid_stroke_data:
            raise ValueError(f"{loader.path} has no line to validate on.")
        deviations = np.concatenate(loader.stroke_data)[:, :2].std(axis=0, dtype=np.float64)
        measured = measure_likelihood(model, loader.valid_stroke_data, loader.valid_ascii_data, deviations)
        rows = [("in the paper", *row) for row in paper]
        rows.append(
            ("measured", f"{measured['lines']} lines of {loader.path}", measured["paper_nats_per_line"],
             measured["paper_squared_error_per_point"])
        )  # fmt: skip
        print(f"{title} (nats per line, squared error per point; offsets normalised to deviation 1)")
        for where, what, nats, error in rows:
            print(f"  {where:<13}{what:<62}{nats:>9.1f}{error:>7.2f}")

    def _loader(self):
        config = self.model.config
        args = SimpleNamespace(data_dir=self.args.data_dir, data_scale=config.data_scale, alphabet=config.alphabet)
        return DataLoader(args, self.logger)


FIGURES = {number: getattr(Paper, f"figure_{number}") for number in (10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21)}
TABLES = {number: getattr(Paper, f"table_{number}") for number in (3, 4)}
OF_PREDICTION = (Paper.figure_10, Paper.figure_11, Paper.table_3)


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--all", action="store_true", help="make all figures and tables")
    numbers = {"type": int, "nargs": "+", "default": [], "metavar": "N"}
    p.add_argument("--figures", choices=FIGURES, help=f"numbers of figures: {', '.join(map(str, FIGURES))}", **numbers)
    p.add_argument("--tables", choices=TABLES, help=f"numbers of tables: {', '.join(map(str, TABLES))}", **numbers)
    p.add_argument("--output", default=os.path.join("logs", "paper"), help="folder for the figures")
    p.add_argument("--save_path", default=SHIPPED, help="checkpoint or run of the synthesis network")
    p.add_argument("--prediction", default=PREDICTION, help="checkpoint or run of the prediction network")
    p.add_argument("--data_dir", default="data", help="folder with the lines that the tables are measured on")
    p.add_argument("--styles_dir", default="data", help="folder with the styles.p that figures 18 to 21 begin with")
    p.add_argument("--seed", type=int, default=1, help="seed of all lines")
    args = p.parse_args(argv)
    if args.all:
        args.figures, args.tables = list(FIGURES), list(TABLES)
    if not args.figures and not args.tables:
        p.error("say what to make: --all, --figures or --tables")
    p.require(args, "seed")
    return args


def reproduce(args, logger):
    """Makes what the flags ask for. Returns the exit code."""
    from scribe.network.tf_setup import one_thread_per_operation

    if args.figures:
        check_folder_writable(args.output)
    one_thread_per_operation()
    paper = Paper(args, logger)
    wanted = [(f"Figure {n}", FIGURES[n]) for n in sorted(set(args.figures))]
    wanted += [(f"Table {n}", TABLES[n]) for n in sorted(set(args.tables))]
    left_out = [name for name, make in wanted if make in OF_PREDICTION and not paper.prediction]
    if left_out:
        logger.write(
            f"{', '.join(left_out)} left out: there is no prediction network {args.prediction} "
            "(python3 train.py --unconditional --rnn_size 200 --save_path saved/own_prediction)."
        )
    for name, make in wanted:
        if name in left_out:
            continue
        logger.write(f"{name}: {make.__doc__}")
        make(paper)
        if name.startswith("Figure"):
            print(paper.path(int(name.split()[1])), flush=True)
    return 1 if len(left_out) == len(wanted) else 0


def main(argv=None):
    args = parse_args(argv)
    logger = Logger()
    return run_command(lambda: reproduce(args, logger), logger.write)


if __name__ == "__main__":
    sys.exit(main())
