"""Lines and weights for tools/train_hands_jax.py, and its weights as a checkpoint. Needs TensorFlow, not JAX.

    python3 tools/hands_for_jax.py --data_dir real --extra_data rare.cpkl --hold_out 100 saved/gpu
    python3 tools/hands_for_jax.py --back saved/gpu                       # writes saved/gpu/checkpoint.*
    python3 tools/hands_for_jax.py --back --share 0.6 saved/gpu           # the mean of these weights and those before

real/ has people's lines with the names of their forms (docs/TRAINING.md); the network, of --save_path, has a hand_size.
The attention of the network tells which character each point of a line belongs to, which takes minutes.

Every 20th line is for validation, as in train.py. --hold_out keeps whole groups of forms that look alike out of the
training, since a person may have written several: only so it is seen what strangers gain.
"""

import argparse
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from jax_training.hand_lines import save_lines
from model import load_model
from scribe.console import OneLineParser, SuiteError, UsageError, run_command, say
from scribe.files.atomic import check_writable, written_aside
from scribe.hands.hand import DAMAGED
from scribe.ink.strokes import absolute_points
from scribe.learning.forms import form_of, lines_of_forms, tells_of_hands
from scribe.learning.in_a_row import joint_of
from scribe.learning.reading import add_sums, align, hands_of_sums, read_lines
from scribe.network.checkpoint import find_checkpoint, save_model
from scribe.network.config import SHIPPED
from scribe.network.tf_setup import one_thread_per_operation
from scribe.writing.misread import count_errors
from scribe.writing.recogniser import load_recogniser
from utils import DataLoader, Logger

FORMS_OF_A_PERSON = 8  # on average; about so many alike are held out together
LARGEST_GROUP = 20  # forms that are alike: more are many people
TRAIN, VALIDATE, HELD_OUT, LEFT_OUT = range(4)
READ_TOGETHER = 200  # lines


def parse_args(argv=None):
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", help="to write lines.npz and weights.npz to, or with --back to read trained.npz from")
    p.add_argument("--back", action="store_true", help="make a checkpoint of trained.npz")
    p.add_argument("--share", type=float, default=1.0, help="with --back: of trained.npz, the rest is of --save_path")
    p.add_argument("--save_path", default=SHIPPED, help="network to start from, as in sample.py")
    p.add_argument("--data_dir", default="data", help="folder with strokes_training_data.cpkl, with names")
    p.add_argument("--extra_data", default=None, help="further lines to train on, of augment_data.py")
    p.add_argument("--hold_out", type=int, default=0, help="forms to leave out, about; held_out.txt names them")
    p.add_argument("--misread", type=float, default=1.0, help="leave out lines of which more is misread, 0 to 1")
    p.add_argument("--tsteps", type=int, default=1300, help="largest number of pen points of a line")
    p.add_argument("--seed", type=int, default=0, help="seed of what is held out")
    return p.parse_args(argv)


def variables_of(model):
    """The variables of a network with hands, by the names that they have in JAX."""
    names = ("kernel", "recurrent_kernel", "bias", "hand_kernel", "glyph_kernel")
    own = {f"{layer}_{name}" for layer in ("lstm0", "lstm1", "lstm2", "attention", "mdn") for name in names}
    found = {name: getattr(model.named_weights, name) for name in sorted(own) if hasattr(model.named_weights, name)}
    encoder = model.hand_encoder
    for name, value in vars(encoder).items():
        if hasattr(value, "kernel"):
            found |= {f"encoder_{name}_kernel": value.kernel, f"encoder_{name}_bias": value.bias}
    for name in ("vector_mean", "vector_scale", "glyph_mean", "glyph_scale"):
        found[f"encoder_{name}"] = getattr(encoder, name)
    return found


def hold_out(forms, sums, model, count, rng):
    """The names of `count` forms or somewhat more: some at random, each with those that look about as one person's."""
    names = list(forms)
    hands = hands_of_sums([add_sums([sums[i] for i in forms[name]]) for name in names], model)
    vectors = np.stack([hand.vector for hand in hands])
    apart = np.stack([np.linalg.norm(vectors - vector, axis=1) for vector in vectors])
    one_person = np.median(np.sort(apart, axis=1)[:, min(FORMS_OF_A_PERSON, len(names)) - 1])
    held: set[int] = set()
    for form in rng.permutation(len(names)):
        like = np.flatnonzero(apart[form] <= one_person)
        if len(held) < count and len(like) <= LARGEST_GROUP:
            held.update(like.tolist())
    return [names[i] for i in sorted(held)]


def is_misread(strokes, texts, most):
    """Of which lines the recogniser misreads more than that share of the characters: bool [n]."""
    recogniser, wrong = load_recogniser(), []
    for start in range(0, len(strokes), READ_TOGETHER):
        some = slice(start, start + READ_TOGETHER)
        read = recogniser.read([absolute_points(line) for line in strokes[some]])
        wrong += [count_errors(t, as_read) > most * len(t) for t, as_read in zip(texts[some], read, strict=True)]
    return np.array(wrong, bool)


def export(args):
    """Writes lines.npz and weights.npz; returns the exit code."""
    model = load_model(find_checkpoint(args.save_path))
    args.data_scale, args.alphabet, args.batch_size = model.config.data_scale, model.config.alphabet, 1
    loader = DataLoader(args, Logger())
    if not (model.hand_size and tells_of_hands(loader.names)):
        raise UsageError("this needs a network with hands, and lines with names: see docs/TRAINING.md.")
    os.makedirs(args.folder, exist_ok=True)
    path = os.path.join(args.folder, "lines.npz")
    check_writable(path)
    one_thread_per_operation()
    strokes, texts = loader.stroke_data + loader.valid_stroke_data, loader.ascii_data + loader.valid_ascii_data
    names, trained = loader.names + loader.valid_names, len(loader.stroke_data)
    # A line with the name of an earlier one was made of it, and tells nothing of a hand.
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        first.setdefault(name, i)
    forms = lines_of_forms([name if first[name] == i else "" for i, name in enumerate(names)])
    telling = sorted(i for lines in forms.values() for i in lines)
    say(f"Finding the characters of {len(telling)} lines ...")
    found = align([strokes[i] for i in telling], [texts[i] for i in telling], model)
    characters: list = [None] * len(names)
    for i, line in zip(telling, found, strict=True):
        characters[i] = line
    held: set[str] = set()
    if args.hold_out:
        sums = dict(zip(telling, read_lines([strokes[i] for i in telling], found, model), strict=True))
        held = set(hold_out(forms, sums, model, args.hold_out, np.random.default_rng(args.seed)))
        with open(os.path.join(args.folder, "held_out.txt"), "w", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in sorted(held))
    number = {form: k for k, form in enumerate(forms)}
    kinds = [HELD_OUT if form_of(n) in held else VALIDATE if i >= trained else TRAIN for i, n in enumerate(names)]
    if args.misread < 1:
        wrong = is_misread([strokes[i] for i in telling], [texts[i] for i in telling], args.misread)
        for i in np.array(telling)[wrong]:
            kinds[i] = LEFT_OUT if kinds[i] == TRAIN else kinds[i]
    joints = [joint_of(strokes[i], texts[i]) if characters[i] is not None else None for i in range(len(names))]
    with written_aside(path) as aside:
        save_lines(
            aside,
            strokes,
            texts,
            characters,
            joints,
            [number.get(form_of(name), -1) for name in names],
            [first[name] for name in names],
            kinds,
            model.config.alphabet,
            model.config.data_scale,
        )
    with written_aside(os.path.join(args.folder, "weights.npz")) as aside:
        np.savez(aside, **{name: variable.numpy() for name, variable in variables_of(model).items()})
    say(f"Wrote {path} and weights.npz: {kinds.count(TRAIN)} lines to train on, {len(held)} forms held out.")
    return 0


def bring_back(args):
    """Writes the checkpoint of trained.npz; returns the exit code."""
    path, model = os.path.join(args.folder, "trained.npz"), load_model(find_checkpoint(args.save_path))
    variables = variables_of(model)
    try:
        with np.load(path, allow_pickle=False) as file:
            trained = {name: file[name] for name in file.files}
    except DAMAGED as error:
        raise SuiteError(f"{path} has no weights of tools/train_hands_jax.py ({error}).") from None
    if {name: v.shape for name, v in trained.items()} != {name: tuple(v.shape) for name, v in variables.items()}:
        raise SuiteError(f"{path} has the weights of another network than --save_path {args.save_path}.")
    for name, value in trained.items():
        variables[name].assign(args.share * value + (1 - args.share) * variables[name])
    prefix = os.path.join(args.folder, "checkpoint")
    save_model(prefix, model)
    say(f"Wrote {prefix}.")
    return 0


def main(argv=None):
    args = parse_args(argv)
    return run_command(lambda: bring_back(args) if args.back else export(args))


if __name__ == "__main__":
    sys.exit(main())
