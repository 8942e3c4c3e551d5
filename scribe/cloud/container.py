"""What a container in the cloud runs: fetches data, restores the run, runs train.py, brings it all to the bucket.

    python3 -m scribe.cloud.container --job gs://BUCKET/scribe/JOB \\
        --input gs://BUCKET/data.cpkl=data/strokes_training_data.cpkl -- --rnn_size 400 --nepochs 30

submit_training.py writes this command. Only the bucket counts: what an earlier container left on this machine is
removed, and training goes on from the newest complete set in the bucket. A set is uploaded whenever train.py has
saved, its manifest last. On SIGTERM (a spot machine is taken away, a job is cancelled) train.py saves, this uploads and
both end. Of several workers the chief alone writes to the bucket. Exit codes: those of train.py; 1 if the bucket
cannot be used, 2 for wrong usage.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

from scribe import console
from scribe.cloud.bucket import download_file, hex_md5, local_path, split_uri, upload_file
from scribe.cloud.clients import storage_client, storage_retry
from scribe.cloud.errors import CloudError, clear_errors
from scribe.cloud.file_sets import fetch_set, newest_set, remove_old_sets, write_set
from scribe.console import OneLineParser, UsageError, run_command
from scribe.files.needed_files import ROOT
from scribe.training.cluster import read_task

POLL = 0.5  # seconds between looks at train.py


def parse_args(argv=None):
    argv = list(sys.argv[1:] if argv is None else argv)
    own, flags = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])
    p = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--job", default=None, help="gs://BUCKET/FOLDER of this job (default: from AIP_CHECKPOINT_DIR)")
    p.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="GS=FILE",
        help="object to fetch, and its name in the work folder",
    )
    p.add_argument("--work_dir", default=os.path.join(tempfile.gettempdir(), "scribe"), help="folder to train in")
    p.add_argument("--sync_every", type=float, default=60.0, help="minimum seconds between two uploads")
    p.add_argument(
        "--gpus", type=int, default=0, help="GPUs that are paid for: stop at once if TensorFlow does not see them"
    )
    p.add_argument("--sample", default=None, metavar="TEXT", help="text to write with the trained model at the end")
    args = p.parse_args(own)
    args.flags = flags
    if args.sync_every < 0:
        p.error(f"--sync_every is {args.sync_every}: it has to be 0 or more")
    return args


def say(text):
    """Prints a message to stderr, which Vertex AI puts into the log of the job."""
    console.say(f"container: {text}")


# ------------------------------------------------------------------------------------------------ where this runs


def is_chief(environ: Mapping[str, str]) -> bool:
    """Whether this worker writes to the bucket: the only one, the chief of TF_CONFIG, else its worker 0."""
    text = environ.get("TF_CONFIG")
    if not text:
        return True
    try:
        task = read_task(text)
    except UsageError as error:
        raise CloudError(f"TF_CONFIG does not describe a worker: {error}") from None
    chiefs = {"chief", "master"}  # "master" is what older containers call it; train.py trains with a "chief" alone
    return task.kind in chiefs or task.kind == "worker" and task.number == 0 and not chiefs & task.jobs.keys()


def folders(args: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, str]:
    """Where things go in the bucket, as a dict of gs:// addresses: checkpoints, logs, model.

    Vertex AI sets one variable for each; --job stands in for those that it does not set.
    """
    variables = {"checkpoints": "AIP_CHECKPOINT_DIR", "logs": "AIP_TENSORBOARD_LOG_DIR", "model": "AIP_MODEL_DIR"}
    found = {name: (environ.get(variable) or "").rstrip("/") for name, variable in variables.items()}
    for name in found:
        if not found[name]:
            job = (args.job or "").rstrip("/") or found["checkpoints"].removesuffix("/checkpoints")
            if not job:
                raise UsageError("--job is missing, and AIP_CHECKPOINT_DIR is not set: name gs://BUCKET/FOLDER.")
            found[name] = f"{job}/{name}"
    return found


def check_gpus(wanted: int) -> None:
    """Raises CloudError if TensorFlow sees fewer GPUs: it would train on the processor, at the price of the GPUs."""
    if not wanted:
        return
    program = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
    done = subprocess.run([sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = done.stdout.split()[-1:]
    if done.returncode or int(found[0]) < wanted:
        reason = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        seen = f"TensorFlow cannot be loaded ({reason})" if done.returncode else f"TensorFlow sees {found[0]} GPUs"
        raise CloudError(f"{seen} where {wanted} are paid for: nothing was trained. See docs/VERTEX_AI_SETUP.md.")


# ------------------------------------------------------------------------------------------------------------- a copy


def copy_of_run(work: str, aside: str) -> tuple[dict[str, str], int | None] | None:
    """Copies run/ and logs/ while train.py may be writing; returns ({name in the set: path}, step) or None.

    None: the run changed meanwhile, so try again. TensorFlow writes files aside and renames them, then the file
    `checkpoint` that names them, and removes old ones after that. step is None before the first checkpoint.
    """
    before = state_of(work)
    shutil.rmtree(aside, ignore_errors=True)
    files = {}
    try:
        for part in ("run", "logs"):
            for folder, _, names in os.walk(os.path.join(work, part)):
                for name in names:
                    path = os.path.join(folder, name)
                    relative = os.path.relpath(path, work).replace(os.sep, "/")
                    if is_unfinished(relative):
                        continue
                    target = os.path.join(aside, relative)
                    os.makedirs(os.path.dirname(target), exist_ok=True)
                    shutil.copyfile(path, target)
                    files[relative] = target
    except FileNotFoundError:
        return None
    if state_of(work) != before:
        return None
    step = None
    for part, text in before.items():
        prefix = named_checkpoint(text)
        if prefix is None:
            continue
        names = [n for n in files if n.startswith(f"run/{part}/{prefix}.")]
        if not any(n.endswith(".index") for n in names) or not any(".data-" in n for n in names):
            return None
        if part == "latest":
            step = int(prefix.rsplit("-", 1)[1])
    return files, step


def state_of(work: str) -> dict[str, str]:
    """What the files `checkpoint` of the run say: {"latest": text, "best": text}."""
    texts = {}
    for part in ("latest", "best"):
        try:
            with open(os.path.join(work, "run", part, "checkpoint"), encoding="utf-8") as file:
                texts[part] = file.read()
        except FileNotFoundError:
            texts[part] = ""
    return texts


def named_checkpoint(text: str) -> str | None:
    """The checkpoint that a file `checkpoint` names as the newest, such as "ckpt-400", or None."""
    match = re.search(r'^model_checkpoint_path: "(?:.*/)?(ckpt-\d+)"', text, re.MULTILINE)
    return match[1] if match else None


def is_unfinished(name: str) -> bool:
    """Whether a file is still being written: TensorFlow's and this suite's names for those."""
    return "_temp/" in name or ".tmp" in name or ".tempstate" in name


# ------------------------------------------------------------------------------------------------------------- syncing


class Sync:
    """Brings the run to the bucket.

    Args:
        client: client of Cloud Storage. where: see `folders`. work: folder of run/ and logs/.
        every: minimum seconds between two uploads.
    """

    def __init__(self, client, where, work, every):
        self.work, self.every = work, every
        bucket, self.prefix = split_uri(where["checkpoints"])
        self.bucket = client.bucket(bucket)
        bucket, self.logs = split_uri(where["logs"])
        self.logs_bucket = client.bucket(bucket)
        self._synced, self._last = state_of(work), time.monotonic()

    def restore(self):
        """Brings the newest complete set to the work folder; returns it, or None."""
        for part in ("run", "logs"):
            shutil.rmtree(os.path.join(self.work, part), ignore_errors=True)
        found = newest_set(self.bucket, self.prefix, lambda text: say(f"Warning: {text}"))
        if found:
            fetch_set(self.bucket, found, lambda name: local_path(self.work, name))
        self._synced = state_of(self.work)
        return found

    def when_due(self):
        """Uploads a set if train.py has saved and the last set is old enough; a fault is a warning, and waits."""
        # After a validation the best weights are saved first and the latest state next: they go together.
        if time.monotonic() - self._last < self.every or state_of(self.work)["latest"] == self._synced["latest"]:
            return
        try:
            self.now()
        except CloudError as error:
            say(f"Warning: {error} It is tried again in {self.every:g} s; training goes on.")
            self._last = time.monotonic()

    def now(self):
        """Uploads a set, shows the logs and removes old sets. Returns the set, or None if there is nothing yet.

        Raises:
            CloudError: the set could not be uploaded. Of what comes after it, a fault is a warning.
        """
        aside = os.path.join(self.work, "aside")
        for _ in range(50):
            copied = copy_of_run(self.work, aside)
            if copied:
                break
            time.sleep(0.1)
        else:
            raise CloudError("the run changed while it was copied, again and again.")
        files, step = copied
        if not files:
            return None
        state = state_of(aside)
        found, sent = write_set(self.bucket, self.prefix, files, step)
        self._synced, self._last = state, time.monotonic()
        say(
            f"step {step if step is not None else 0} is in the bucket: set {found.number}, "
            f"{sent} of {len(files)} files sent."
        )
        # The set is complete: what follows is a courtesy, and no reason to lose a training or its model.
        try:
            for name, path in files.items():
                if name.startswith("logs/"):
                    upload_file(self.logs_bucket, path, f"{self.logs}/{name.removeprefix('logs/')}")
        except CloudError as error:
            say(f"Warning: {error} The logs are not where TensorBoard reads them, but set {found.number} has them.")
        try:
            remove_old_sets(self.bucket, self.prefix)
        except CloudError as error:
            say(f"Warning: {error} The older sets stay in the bucket.")
        shutil.rmtree(aside, ignore_errors=True)
        return found

    def publish(self, uri):
        """Puts the best weights and their config into the folder of the model, with the names of the shipped model."""
        bucket, prefix = split_uri(uri)
        bucket = self.bucket.client.bucket(bucket)
        state = state_of(self.work)
        found = {part: stem for part in ("best", "latest") if (stem := named_checkpoint(state[part]))}
        if not found:
            return
        part, stem = next(iter(found.items()))
        folder = os.path.join(self.work, "run", part)
        for name in sorted(os.listdir(folder)):
            if name.startswith(stem + "."):
                upload_file(bucket, os.path.join(folder, name), f"{prefix}/checkpoint{name.removeprefix(stem)}")
        upload_file(bucket, os.path.join(folder, "config.json"), f"{prefix}/config.json")
        say(f"The weights of {part} are in {uri}.")


def fetch_inputs(client, inputs, work):
    """Fetches the objects of --input; each lies in a folder that is named after its MD5 checksum."""
    for item in inputs:
        uri, _, name = item.partition("=")
        bucket, path = split_uri(uri)
        if not name or os.path.isabs(name) or ".." in name.split("/"):
            raise UsageError(f"--input {item} has to be gs://BUCKET/OBJECT=FILE, with a file below the work folder.")
        with clear_errors(f"fetch {uri}", denied="The job's service account has to be able to read it."):
            blob = client.bucket(bucket).get_blob(path, retry=storage_retry(), timeout=60)
        if blob is None:
            raise CloudError(f"{uri} does not exist: submit the job again, which uploads it.")
        target = os.path.join(work, *name.split("/"))
        download_file(client.bucket(bucket), path, target, md5=hex_md5(blob.md5_hash), size=blob.size)


# ---------------------------------------------------------------------------------------------------------------- main


class Signals:
    """Passes SIGTERM and SIGINT on to train.py, also those that came before it was started."""

    def __init__(self):
        self.received, self.process = None, None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)

    def _pass_on(self, number, frame):
        first, self.received = self.received is None, number
        if self.process is not None and self.process.poll() is None and first:
            self.process.send_signal(signal.SIGTERM)

    def start(self, command, **options):
        """Starts a process; it receives every signal, also one that came before."""
        self.process = subprocess.Popen(command, **options)
        if self.received is not None:
            self.process.send_signal(signal.SIGTERM)
        return self.process


def run(args, environ):
    """The whole job. Returns the exit code."""
    signals = Signals()
    chief, where = is_chief(environ), folders(args, environ)
    check_gpus(args.gpus)
    work = os.path.join(args.work_dir, where["checkpoints"].split("/")[-2])
    os.makedirs(work, exist_ok=True)
    client = storage_client()
    fetch_inputs(client, args.input, work)
    sync = Sync(client, where, work, args.sync_every)
    found = sync.restore()
    say(
        f"Going on from set {found.number}, step {found.step}."
        if found
        else "There is no complete set yet: a new training."
    )

    paths = ["--data_dir", "data", "--save_path", "run", "--log_dir", "logs"]
    command = [sys.executable, "-u", os.path.join(ROOT, "train.py"), *args.flags, *paths]
    process = signals.start(command, cwd=work, stdin=subprocess.DEVNULL)
    while process.poll() is None:
        time.sleep(POLL)
        if chief:
            sync.when_due()
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    if not chief:
        return code
    if code == 0 and args.sample and signals.received is None:
        write_sample(args.sample, work)
    # After SIGTERM there are seconds left, so the set goes first, and what is optional goes last or not at all.
    found = sync.now()
    if code == 0:
        sync.publish(where["model"])
        say("Done.")
    elif found is not None and (signals.received is not None or code == 128 + signal.SIGTERM):  # also another worker's
        say(f"Stopped by a signal at step {found.step}; the same job, submitted again, goes on from there.")
    else:
        say(f"train.py ended with exit code {code}; its message is above. The last good set is kept.")
    return code


def write_sample(text, work):
    """Writes a text with the new model; a failure does not fail the job."""
    command = [
        sys.executable,
        os.path.join(ROOT, "sample.py"),
        "--text",
        text,
        "--save_path",
        "run",
        "--log_dir",
        "logs",
    ]
    # The recogniser's weights are not in the container, so nothing is proofread.
    done = subprocess.run(
        [*command, "--data_dir", "data", "--seed", "1", "--no_proofread"],
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    if done.returncode:
        say("Warning: the sample could not be written; the model is not touched by that.")


def main(argv=None):
    return run_command(lambda: run(parse_args(argv), os.environ), say=say)


if __name__ == "__main__":
    sys.exit(main())
