"""The same data set on Apache Beam: `make_dataset.py --runner ...` with the shard as the unit of work.

    python3 make_dataset.py --texts texts.txt --count 1000 --output lines --runner DirectRunner
    python3 make_dataset.py --texts texts.txt --count 10000000 --output gs://bucket/lines --runner DataflowRunner \\
        --project mine --region europe-west1 --temp_location gs://bucket/tmp --sdk_container_image IMAGE

Only numbers of shards go through the pipeline. What a worker needs to write one (settings, texts, styles, checkpoint)
lies in the folder of the data set, where every worker reads it once; pictures and parts go there. This module needs
requirements-beam.txt and is imported only with a --runner.
"""

import contextlib
import json
import logging
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.shared import Shared

from scribe.console import UsageError
from scribe.dataset.folder import WORK_FOLDER, Folder, sha256
from scribe.dataset.plan import Plan, Shard
from scribe.dataset.shards import finish_shard, write_lines
from scribe.hands.catalogue import HANDS_FILE

JOB, TEXTS, CHECKPOINT = (f"{WORK_FOLDER}/{name}" for name in ("job.json", "texts.txt", "checkpoint"))
CONCURRENT_READS = 32  # of a remote folder


def open_folder(path: str) -> "Folder | RemoteFolder":
    """The folder of a data set: on a disk, or wherever Beam's FileSystems can write."""
    return RemoteFolder(path) if "://" in path else Folder(path)


class RemoteFolder:
    """`folder.Folder` for gs://, s3://, hdfs:// and whatever else Beam has a file system for.

    Object stores show a file when it is whole and closed, so nothing has to be written aside.
    """

    def __init__(self, path: str):
        self.path = path.rstrip("/")
        try:
            FileSystems.get_filesystem(self.path)
        except ValueError as error:
            raise UsageError(f"--output {path}: {error}") from None

    def __str__(self):
        return self.path

    def _join(self, name):
        return FileSystems.join(self.path, *name.split("/"))

    @contextlib.contextmanager
    def writing(self, name):
        """A binary file to write to."""
        path = self._join(name)
        with contextlib.suppress(Exception):  # an object store has no folders, and says so in many ways
            FileSystems.mkdirs(path.rsplit("/", 1)[0])
        with _as_os_error(path), FileSystems.create(path, "application/octet-stream") as file:
            yield file

    def write(self, name, content):
        """Writes a file from bytes."""
        with self.writing(name) as file:
            file.write(content)

    def read(self, name):
        """The bytes of a file, None if there is none."""
        path = self._join(name)
        with _as_os_error(path):
            if not FileSystems.exists(path):
                return None
            with FileSystems.open(path, "application/octet-stream") as file:
                return file.read()

    def read_all(self, names):
        """The bytes of many files, one after the other; some are read ahead."""
        with ThreadPoolExecutor(CONCURRENT_READS) as pool:
            for start in range(0, len(names), CONCURRENT_READS):
                yield from pool.map(self.read, names[start : start + CONCURRENT_READS])

    def names(self, name=""):
        """Names of what is in a folder; none if it does not exist."""
        folder = self._join(name) if name else self.path
        with _as_os_error(folder):
            found = FileSystems.match([f"{folder}/*"])[0].metadata_list
        return sorted({file.path[len(folder) :].lstrip("/").split("/")[0] for file in found})

    def remove(self, name):
        """Removes a folder with all that is in it, if it exists."""
        path = self._join(name)
        with _as_os_error(path):
            found = [file.path for file in FileSystems.match([f"{path}/**"])[0].metadata_list]
            FileSystems.delete([*found, path] if FileSystems.exists(path) else found)

    def lock(self):
        """There is no lock out there: two launches of one data set write the same bytes twice, no worse."""


@contextlib.contextmanager
def _as_os_error(path):
    """Turns the errors of Beam's file systems into an OSError that names the path."""
    try:
        yield
    except (beam.io.filesystem.BeamIOError, OSError) as error:
        raise OSError(f"{path}: {str(error).splitlines()[0]}") from None


def parse_options(runner, flags):
    """Beam's options. Raises UsageError for flags that neither this suite nor Beam knows."""
    options = PipelineOptions([f"--runner={runner}", *flags])
    logger = logging.getLogger("apache_beam.options.pipeline_options")
    level = logger.level
    logger.setLevel(logging.ERROR)  # its warnings are errors here
    try:
        known = options.get_all_options()
        unknown = sorted(set(options.get_all_options(retain_unknown_options=True)) - set(known))
    except (SystemExit, ValueError):
        raise UsageError(f"Beam cannot read its options {' '.join(flags)}.") from None
    finally:
        logger.setLevel(level)
    if unknown:
        raise UsageError(f"unrecognized arguments: {' '.join(f'--{name}' for name in unknown)}")
    return options


def write_shards_with(options, plan, folder, *, checkpoint_files, styles, hands, load_writer):
    """Returns a function that writes shards with a pipeline, as `shards.run` takes it.

    Args:
        options: PipelineOptions.
        plan, folder: of the data set.
        checkpoint_files: names of files, the config first.
        styles: number -> (strokes [n, 3], text). hands: path of a catalogue of hands, or None.
        load_writer: a function (prefix, styles, attempts, hands) -> what `shards.write_lines` takes. It is pickled for
            the workers, by reference: not a function of the main program.
    """

    def write_shards(shards):
        names = []
        for path in [*checkpoint_files, *([hands] if hands else [])]:
            with open(path, "rb") as file:
                names.append(os.path.basename(path))
                folder.write(f"{CHECKPOINT}/{names[-1]}", file.read())
        lines = {str(number): [np.asarray(strokes).tolist(), text] for number, (strokes, text) in styles.items()}
        folder.write(TEXTS, "".join(f"{text}\n" for text in plan.texts).encode())
        job = {"settings": plan.settings, "checkpoint": names, "styles": lines}
        folder.write(JOB, json.dumps(job).encode())
        fields = [(shard.number, shard.first, shard.count, shard.style) for shard in shards]
        with beam.Pipeline(options=options) as pipeline:
            (
                pipeline
                | "Shards" >> beam.Create(fields)
                | "Spread" >> beam.Reshuffle()
                | "Write" >> beam.ParDo(WriteShard(folder.path, load_writer))
            )

    return write_shards


_jobs = Shared()  # one for all threads of a process: a model is large


class Job:
    """What a worker needs to write shards.

    Args:
        folder: of the data set, where texts and checkpoint are read.
        job: the content of JOB.
        load_writer: as in `write_shards_with`.
    """

    def __init__(self, folder, job, load_writer):
        self.folder = folder
        self.plan = Plan(job["settings"], self.folder.read(TEXTS).decode().split("\n")[:-1])
        styles = {int(n): (np.array(strokes, np.float32), text) for n, (strokes, text) in job["styles"].items()}
        with tempfile.TemporaryDirectory() as local:
            for name in job["checkpoint"]:
                with open(os.path.join(local, name), "wb") as file:
                    file.write(self.folder.read(f"{CHECKPOINT}/{name}"))
            index = next(name for name in job["checkpoint"] if name.endswith(".index"))
            prefix = os.path.join(local, index.removesuffix(".index"))
            hands = os.path.join(local, HANDS_FILE) if HANDS_FILE in job["checkpoint"] else None
            self.write = load_writer(prefix, styles, job["settings"]["tries"], hands)


class WriteShard(beam.DoFn):
    """Writes a shard: (number, first, count, style) -> nothing.

    A shard that Beam writes a second time, because a worker was lost, has the same bytes.
    """

    def __init__(self, output, load_writer):
        self.output, self.load_writer = output, load_writer

    def setup(self):
        folder = open_folder(self.output)
        job = folder.read(JOB)
        key = sha256(self.output.encode(), job)
        self.job = _jobs.acquire(lambda: Job(folder, json.loads(job), self.load_writer), key)

    def process(self, fields):
        shard, plan = Shard(*fields), self.job.plan
        lines = write_lines(plan, shard, self.job.write)
        finish_shard(
            self.job.folder, lines, number=shard.number, rows=plan.rows(shard), look=plan.look,
            strokes_format=plan.strokes,
        )  # fmt: skip
