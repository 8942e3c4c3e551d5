#!/usr/bin/env bash
# Sets up Scribe on a Mac with Apple Silicon, and proves that it works.
#
#     scripts/setup-m1.sh                # TensorFlow for the processor: requirements.txt, Python 3.11 to 3.13
#     scripts/setup-m1.sh --metal        # TensorFlow with Apple's GPU: requirements-m1.txt, Python 3.11
#     scripts/setup-m1.sh --dry-run      # only says what it would do; on any machine
#     scripts/setup-m1.sh --check        # only proves that an existing environment works; on any machine
#
# It checks the machine and the Python, makes a virtual environment, installs into it, multiplies two matrices on every
# device and compares the result, and trains a tiny network for a few steps. Exit code 0: all is well; 1: something is
# wrong, and the last line says what; 2: wrong usage. docs/M1_SETUP.md has more.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/setup-m1.sh [--metal] [--venv FOLDER] [--python PYTHON] [--dry-run | --check]

  --metal          install tensorflow-macos and tensorflow-metal (requirements-m1.txt), which need Python 3.11
  --venv FOLDER    where the environment goes (default: .venv in the repository)
  --python PYTHON  the Python to make it with (default: the newest that fits)
  --dry-run        say what would be done, do nothing
  --check          install nothing, only prove that the environment in FOLDER works
TEXT
}

say() { printf '%s\n' "$*" >&2; }
fail() { printf 'Error: %s\n' "$*" >&2; exit 1; }
wrong() { printf 'Error: %s\n' "$*" >&2; usage >&2; exit 2; }

metal=no dry=no check=no venv='' wanted=''
while [ $# -gt 0 ]; do
    case $1 in
        --metal) metal=yes ;;
        --dry-run) dry=yes ;;
        --check) check=yes ;;
        --venv) [ $# -gt 1 ] || wrong "--venv needs a folder"; venv=$2; shift ;;
        --python) [ $# -gt 1 ] || wrong "--python needs a program"; wanted=$2; shift ;;
        -h|--help) usage; exit 0 ;;
        *) wrong "$1 is not known" ;;
    esac
    shift
done
[ "$dry$check" != yesyes ] || wrong "--dry-run and --check exclude each other"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${venv:-$root/.venv}
if [ "$metal" = yes ]; then
    requirements=requirements-m1.txt versions='3.11'
else
    requirements=requirements.txt versions='3.13 3.12 3.11'
fi

# In a dry run, what would stop a real one is only a message.
trouble() { if [ "$dry" = yes ]; then say "Would stop here: $*"; else fail "$*"; fi; }

# Prints a command and, unless this is a dry run, runs it.
run() {
    printf '$'
    printf ' %q' "$@"
    printf '\n'
    [ "$dry" = yes ] || "$@"
}

check_machine() {
    local system machine translated
    system=$(uname -s) machine=$(uname -m)
    say "Machine: $system $machine"
    if [ "$system" != Darwin ]; then
        trouble "this is $system, not macOS. On Linux: python3 -m venv .venv, then pip install -r requirements.txt"
    elif [ "$machine" != arm64 ]; then
        translated=$(sysctl -n sysctl.proc_translated 2>/dev/null || printf 0)
        if [ "$translated" = 1 ]; then
            trouble "this terminal runs under Rosetta, as on an Intel Mac. Open one that does not (Finder, Get Info of" \
                "the terminal program, 'Open using Rosetta' off), and start again"
        else
            trouble "this Mac has an Intel processor; TensorFlow for those ended with 2.16. See docs/M1_SETUP.md"
        fi
    fi
}

# Prints "VERSION MACHINE" of a Python, such as "3.11 arm64"; nothing if it cannot make environments.
describe() {
    "$1" -c 'import ensurepip, platform, sys, venv; print("%d.%d" % sys.version_info[:2], platform.machine())' \
        2>/dev/null || true
}

# Sets `python` to the first that fits: the one that was named, else python3.13 to python3.11, else python3.
find_python() {
    local candidate candidates version found seen=''
    candidates=$wanted
    if [ -z "$candidates" ]; then
        for version in 3.13 3.12 3.11; do candidates="$candidates python$version"; done
        candidates="$candidates python3"
    fi
    python=''
    for candidate in $candidates; do
        found=$(describe "$candidate")
        [ -n "$found" ] || continue
        seen="$seen $candidate (${found% *}, ${found#* })"
        case " $versions " in *" ${found% *} "*) ;; *) continue ;; esac
        if [ "$(uname -s)" = Darwin ] && [ "${found#* }" != arm64 ]; then continue; fi
        python=$candidate
        say "Python: $candidate, ${found% *} for ${found#* }"
        return
    done
    trouble "there is no Python $(printf '%s' "$versions" | tr ' ' /) for this machine; found:${seen:- none}." \
        "Get one from python.org, or: brew install python@3.11"
    python=python3.11
}

# A matrix product on every device, against NumPy's, and five training steps of a tiny network.
verify() {
    say "Proving that it works ..."
    (cd "$root" && "$venv/bin/python" - <<'PYTHON') || fail "the environment in $venv does not work (see above)." \
        "Remove the folder and set it up again; docs/M1_SETUP.md has the usual causes"
import sys
import time
from types import SimpleNamespace

sys.path.insert(0, ".")
import numpy as np

from scribe.network.tf_setup import GPUS, tf

print(f"TensorFlow {tf.__version__}, Keras {tf.keras.__version__}, NumPy {np.__version__}")
rng = np.random.default_rng(0)
a, b = (rng.standard_normal((1024, 1024), np.float32) for _ in range(2))
expected = a.astype(np.float64) @ b
for device in ["CPU:0"] + [f"GPU:{i}" for i in range(len(GPUS))]:
    with tf.device(device):
        x, y = tf.constant(a), tf.constant(b)
        tf.matmul(x, y).numpy()  # the first one also loads and compiles
        start = time.perf_counter()
        for _ in range(10):
            product = tf.matmul(x, y)
        product = product.numpy()
        seconds = (time.perf_counter() - start) / 10
    error = np.abs(product - expected).max()
    print(f"{device}: 1024 x 1024 matrix product in {seconds * 1e3:.1f} ms, largest error {error:.1e}")
    if not error < 0.5:
        sys.exit(f"{device} computes matrix products that are wrong.")

from model import HandwritingModel
from scribe.ink.batch import make_batch, network_arrays
from scribe.ink.alphabet import ALPHABET
from scribe.training.run_state import WeightAverage
from train import make_optimizer, make_train_step, parse_args

args = parse_args(["--rnn_size", "32", "--nmixtures", "4", "--optimizer", "adam"])
tf.keras.utils.set_random_seed(0)
model = HandwritingModel(args)
average = WeightAverage(model.trainable_variables, args.ema)
train_step = make_train_step(model, make_optimizer(args), average, args.grad_clip)
lines = [np.column_stack([rng.normal(0, 1, (60, 2)), rng.random(60) < 0.1]).astype(np.float32) for _ in range(4)]
batch = make_batch(lines, ["abc"] * 4, ALPHABET)
losses = []
for step in range(5):
    total, count, _, applied = train_step(*network_arrays(batch), 1e-2, step, [0, step])
    losses.append(float(total) / float(count))
    if not bool(applied):
        sys.exit("a training step gave a loss or a gradient that is not finite.")
print("training: " + " ".join(f"{loss:.3f}" for loss in losses) + " nats per point")
if not losses[-1] < losses[0]:
    sys.exit("training does not lower the loss.")
PYTHON
}

if [ "$check" = yes ]; then
    [ -x "$venv/bin/python" ] || fail "$venv holds no Python: set the environment up first, without --check"
    verify
    say "All is well."
    exit 0
fi

check_machine
find_python
if [ -x "$venv/bin/python" ]; then
    found=$(describe "$venv/bin/python")
    case " $versions " in
        *" ${found% *} "*) say "Environment: $venv is there already (Python ${found% *}) and is used." ;;
        *) trouble "$venv is there already, with Python ${found:-that does not start}; remove it, or name another --venv" ;;
    esac
else
    run "$python" -m venv "$venv"
fi
run "$venv/bin/python" -m pip install --upgrade pip
run "$venv/bin/python" -m pip install -r "$root/$requirements"
if [ "$dry" = yes ]; then
    say "Would prove that it works: a matrix product on every device, and five training steps of a tiny network."
    say "Nothing was done: this was a dry run."
    exit 0
fi
verify
say "All is well. Now: . $venv/bin/activate && python3 sample.py --text 'Hello World'"
