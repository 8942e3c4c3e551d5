"""What the commands for Google Cloud share: machines and prices, estimates, buckets, complete sets. No TensorFlow.

    submit_training.py -> Vertex AI -> scribe/cloud/container.py in a container -> bucket -> download_results.py
                          monitor_training.py

Everything of a job lies below gs://BUCKET/scribe/JOB/, named as Vertex AI names it:

    job.json              what was submitted
    checkpoints/files/    files of the run and its logs, each under its MD5 checksum: what is there is not sent again
    checkpoints/sets/     NUMBER-MD5.json: the files that belong together. It is written after all of them, so a set
                          that has it is complete, and one that was cut off in the middle does not count
    logs/                 logs as they are, for TensorBoard
    model/                the best weights, once the job is done

and, shared by all jobs, scribe/code/ and scribe/inputs/. This module and scribe/cloud/container.py also run on Python
3.10, which is what the prebuilt containers have.
"""

import base64
import contextlib
import hashlib
import json
import math
import os
import re
import time
from typing import NamedTuple

from scribe.console import SuiteError, UsageError
from scribe.network.config import ModelConfig

ROOT = "scribe"  # folder in the bucket
NAME_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"  # of a job: what labels, folders and display names all admit
BUCKET_PATTERN = r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]"
KEPT_SETS = 2
CHUNK = 8 * 2**20  # bytes of an upload that are sent, and after a fault sent again, at once
LOG_IN = "gcloud auth application-default login"
AGAIN = "run the same command again."
DENIED = "Who runs this needs the role Storage Object Admin on the bucket: see docs/VERTEX_AI_SETUP.md."


class CloudError(SuiteError):
    """Something in the cloud is missing or failed; the message is one line and says how to mend it."""


class NetworkError(CloudError):
    """The network or the service failed, which may be over soon."""


# ------------------------------------------------------------------------------------------------ machines and prices

# What a machine with its GPUs costs in an hour of custom training, us-central1, USD, on demand, without its disk (0.03
# for 100 GB). No program reads the price list for this: it is a copy, to be checked before it is relied on, at
# https://cloud.google.com/vertex-ai/pricing. Vertex AI takes Compute Engine's price and a fee of 15% of it. Confirmed
# and not:
#   n1, h100    on that page in 2026-10: n1-standard-4 at 0.2185, one H100 at 9.7966 (and the fee); the whole
#               a3-highgpu-8g at 101.01 on a bill of 2025-08
#   t4, v100, l4, a100-80gb    reckoned: 1.15 x Compute Engine's prices, from undated copies of its list
#   a100        not confirmed: an article of 2026 has 35.26 for eight, reckoned it is 4.22 for one; the higher stands
PRICE_DATE, PRICE_REGION = "2026-10", "us-central1"
FEE = 0.15
# Spot machines are advertised at 9% to 40% of Compute Engine's price; the fee stays that of the full price.
SPOT_SHARE = round((0.4 + FEE) / (1 + FEE), 2)

# Two more assumptions, for lack of a measurement on these GPUs. On processors, training reaches 51% to 60% of the
# machine's matrix-product rate (docs/TRAINING.md).
ASSUMED_SHARE = 0.25  # of a GPU's float32 peak
ASSUMED_STEP = 1e-3  # seconds for a pen point of all lines of a batch, there and back: small kernels, one by one
START_MINUTES = 10  # until a machine is there and its container runs


class Gpu(NamedTuple):
    """accelerator: Vertex AI's name of it. tflops: float32 peak of one. machines: GPUs -> (type, USD an hour).
    share, step: what is assumed above. spot_only: numbers of GPUs that there are as spot machines alone.
    quota: of the quota's name, custom_model_training_QUOTA_gpus, where it is not the accelerator's.
    """

    accelerator: str
    tflops: float
    machines: dict
    share: float = ASSUMED_SHARE
    step: float = ASSUMED_STEP
    spot_only: tuple = ()
    quota: str = ""


# Machine types and numbers of GPUs are those of https://cloud.google.com/vertex-ai/docs/training/configure-compute, in
# 2026. There are no P100s any more: their support ended on 2026-09-15.
GPUS = {
    "none": Gpu("", 0.5, {0: ("n1-standard-16", 0.87)}, share=0.4, step=0.0),
    "t4": Gpu(
        "NVIDIA_TESLA_T4", 8.1, {1: ("n1-standard-8", 0.84), 2: ("n1-standard-16", 1.68), 4: ("n1-standard-32", 3.36)}
    ),
    "v100": Gpu(
        "NVIDIA_TESLA_V100", 15.7,
        {
            1: ("n1-standard-8", 3.29), 2: ("n1-standard-16", 6.58),
            4: ("n1-standard-32", 13.16), 8: ("n1-standard-64", 26.31),
        },
    ),
    "l4": Gpu(
        "NVIDIA_L4", 30.3,
        {
            1: ("g2-standard-8", 0.98), 2: ("g2-standard-24", 2.30),
            4: ("g2-standard-48", 4.60), 8: ("g2-standard-96", 9.20),
        },
    ),
    "a100": Gpu(
        "NVIDIA_TESLA_A100", 19.5,
        {
            1: ("a2-highgpu-1g", 4.41), 2: ("a2-highgpu-2g", 8.82),
            4: ("a2-highgpu-4g", 17.63), 8: ("a2-highgpu-8g", 35.26),
        },
    ),
    "a100-80gb": Gpu(
        "NVIDIA_A100_80GB", 19.5,
        {
            1: ("a2-ultragpu-1g", 5.78), 2: ("a2-ultragpu-2g", 11.56),
            4: ("a2-ultragpu-4g", 23.13), 8: ("a2-ultragpu-8g", 46.25),
        },
    ),
    "h100": Gpu(
        "NVIDIA_H100_80GB", 66.9,
        {
            1: ("a3-highgpu-1g", 12.63), 2: ("a3-highgpu-2g", 25.25),
            4: ("a3-highgpu-4g", 50.50), 8: ("a3-highgpu-8g", 101.01),
        },
        spot_only=(1, 2, 4), quota="nvidia_h100",
    ),
}  # fmt: skip


def find_gpu(name):
    """The Gpu of a --gpu-type; raises UsageError with all there are."""
    try:
        return GPUS[name.lower()]
    except KeyError:
        raise UsageError(f"--gpu-type {name} is not known: it is one of {', '.join(GPUS)}.") from None


def find_machine(name, count, spot=False):
    """(machine type, USD an hour on demand) for `count` GPUs of a kind; raises UsageError if there is none."""
    gpu = find_gpu(name)
    if not gpu.accelerator:
        if count not in (0, None):
            raise UsageError(f"--gpu-count is {count}, but --gpu-type none has no GPU: leave it out.")
        return gpu.machines[0]
    count = 1 if count is None else count
    if count not in gpu.machines:
        raise UsageError(
            f"--gpu-count is {count}, but a machine has {', '.join(map(str, gpu.machines))} {name.upper()} GPUs."
        )
    if count in gpu.spot_only and not spot:
        raise UsageError(f"--gpu-count {count} of {name.upper()} exists as a spot machine alone: add --spot.")
    return gpu.machines[count]


def quota_name(name, spot=False):
    """The quota that a --gpu-type counts against, as the console names it; None without a GPU."""
    gpu = find_gpu(name)
    if not gpu.accelerator:
        return None
    kind = gpu.quota or gpu.accelerator.lower().replace("tesla_", "")
    return f"custom_model_training_{'preemptible_' if spot else ''}{kind}_gpus"


def spec_price(worker_pools):
    """USD an hour on demand of worker pools as the job specification has them (dicts in JSON form), or None."""
    prices = {
        (gpu.accelerator, count, machine): price
        for gpu in GPUS.values()
        for count, (machine, price) in gpu.machines.items()
    }
    total = 0.0
    for pool in worker_pools:
        machine = pool["machineSpec"]
        accelerator = machine.get("acceleratorType", "").removeprefix("ACCELERATOR_TYPE_UNSPECIFIED")
        key = accelerator, int(machine.get("acceleratorCount", 0)), machine["machineType"]
        if key not in prices:
            return None
        total += prices[key] * int(pool.get("replicaCount", 1))
    return total


class Estimate(NamedTuple):
    """points: to train on in all; rate: points a second; hours; usd; share: of the GPUs' float32 peak."""

    points: int
    rate: float
    hours: float
    usd: float
    share: float


def estimate(args, points, gpu_type, gpus=None, workers=1, spot=False):
    """What training costs: 6 x parameters x points operations, at the assumed shares above.

    Args:
        args: flags of train.py. points: pen points in the whole training. gpus: in a machine. workers: machines.
    """
    gpu = find_gpu(gpu_type)
    _, price = find_machine(gpu_type, gpus, spot)
    replicas = max(1, gpus if gpus is not None else 1) * workers
    operations = 6 * ModelConfig.from_args(args).weights  # for each point
    # A batch is split over the GPUs: each has fewer points in a step, but as many kernels to wait for.
    by_peak = replicas * gpu.share * gpu.tflops * 1e12 / operations
    by_steps = args.batch_size / gpu.step if gpu.step else math.inf
    rate = min(by_peak, by_steps)
    hours = points / rate / 3600 + START_MINUTES / 60
    usd = hours * price * workers * (SPOT_SHARE if spot else 1.0)
    return Estimate(points, rate, hours, usd, rate * operations / (replicas * gpu.tflops * 1e12))


def price_table(args, points, chosen, spot):
    """Lines: what the same training would take on one machine of every kind."""
    titles = f"{'USD/h':>7}{'spot':>7}{'hours':>8}{'USD':>8}{'spot':>8}{'points/s':>10}"
    yield f"  {'GPU':<12}{'machine':<16}{titles}  of peak"
    for name, gpu in GPUS.items():
        count = min(gpu.machines)
        machine, price = gpu.machines[count]
        e = estimate(args, points, name, count, spot=True)
        demand, cheap = f"{e.usd / SPOT_SHARE:.2f}", f"{e.usd:.2f}"
        hourly = f"{price:.2f}"
        if count in gpu.spot_only:
            demand = hourly = "-"
        yield (
            f"{'* ' if name == chosen else '  '}{name:<12}{machine:<16}{hourly:>7}{price * SPOT_SHARE:>7.2f}"
            f"{e.hours:>8.1f}{demand:>8}{cheap:>8}{e.rate:>10,.0f}  {e.share:.1%}"
        )
    yield (
        f"  An estimate, check it before you rely on it: about the prices of {PRICE_REGION} as of {PRICE_DATE}; spot "
        f"at {SPOT_SHARE:.0%}; at most {ASSUMED_SHARE:.0%} of a GPU's float32 peak; {ASSUMED_STEP * 1000:g} ms for a "
        f"point of all lines of a batch; {START_MINUTES} min to start."
    )


def duration(seconds):
    """75 -> "1 min 15 s"; 3700 -> "1 h 1 min"."""
    seconds = max(0, int(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


# -------------------------------------------------------------------------------------------------- clients and errors


@contextlib.contextmanager
def clear_errors(what, missing="", denied=""):
    """Turns what Google's libraries raise into one line that says how to mend it.

    Args:
        what: is being done, to go after "cannot". missing, denied: what to do where something is not there, or not
            allowed.
    """
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    try:
        yield
    except auth.DefaultCredentialsError:
        raise CloudError(f"cannot {what}: there are no credentials. Run: {LOG_IN}") from None
    except (auth.RefreshError, api.Unauthorized) as error:
        raise CloudError(
            f"cannot {what}: the credentials are not valid any more ({_first_line(error)}). Run: {LOG_IN}"
        ) from None
    except api.NotFound as error:
        raise CloudError(f"cannot {what}: {missing or _first_line(error)}") from None
    except api.Forbidden as error:
        raise CloudError(f"cannot {what}: {_first_line(error)}. {denied}".rstrip()) from None
    except api.BadRequest as error:
        raise CloudError(f"cannot {what}: it was refused: {_first_line(error)}") from None
    except api.TooManyRequests as error:
        raise CloudError(
            f"cannot {what}: a quota is used up ({_first_line(error)}). Ask for more at "
            "https://console.cloud.google.com/iam-admin/quotas, or take another --gpu-type or --region."
        ) from None
    except (api.GoogleAPIError, auth.GoogleAuthError, *network_errors()) as error:
        if isinstance(error, api.ClientError) and error.code not in (408, 429):
            raise CloudError(f"cannot {what}: {_first_line(error)}") from None
        raise NetworkError(
            f"cannot {what}: {_first_line(error)}. Is the network there? The same command again goes on."
        ) from None


def network_errors():
    """What the libraries below Google's raise, and Google's let through, when a connection breaks."""
    import requests
    import urllib3

    try:
        from google.cloud.storage.exceptions import DataCorruption
    except ImportError:  # before version 3
        from google.resumable_media import DataCorruption
    return requests.RequestException, urllib3.exceptions.HTTPError, DataCorruption, ConnectionError, TimeoutError


def _first_line(error):
    text = str(getattr(error, "message", "") or error).strip() or type(error).__name__
    return re.sub(r"^[A-Z]+ https?://\S+: ", "", text.splitlines()[0]).rstrip(".")[:300]  # without the request


def require(module, what):
    """Imports a package of requirements-cloud.txt; raises CloudError where it is not installed."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise CloudError(
            f"{what} needs a package that is not installed ({error}): pip install -r requirements-cloud.txt"
        ) from None


def credentials_for(endpoint):
    """None (the library finds the user's own), or anonymous ones for a plain http:// address, which no cloud has."""
    if not endpoint.startswith("http://"):
        return None
    from google.auth.credentials import AnonymousCredentials

    return AnonymousCredentials()


def storage_client(project=None):
    """A client of Cloud Storage; STORAGE_EMULATOR_HOST in the environment names another server, as everywhere."""
    storage = require("google.cloud.storage", "reading and writing a bucket")
    with clear_errors("reach Cloud Storage"):
        return storage.Client(project=project)


def job_client(region):
    """A client of Vertex AI's jobs over HTTP; SCRIBE_VERTEX_ENDPOINT names another address, private or of a test."""
    require("google.cloud.aiplatform_v1", "Vertex AI")
    from google.cloud.aiplatform_v1.services.job_service import JobServiceClient

    endpoint = os.environ.get("SCRIBE_VERTEX_ENDPOINT") or f"{region}-aiplatform.googleapis.com"
    with clear_errors("reach Vertex AI"):
        return JobServiceClient(
            transport="rest", client_options={"api_endpoint": endpoint}, credentials=credentials_for(endpoint)
        )


def find_project(project):
    """--project, else that of the environment or of the credentials; raises CloudError where there is none."""
    if project:
        return project
    auth = require("google.auth", "finding out the project")
    project = os.environ.get("GOOGLE_CLOUD_PROJECT")
    if not project:
        with clear_errors("find out the project"):
            _, project = auth.default()
    if not project:
        raise UsageError(
            "--project is missing, and the credentials name none: gcloud config set project PROJECT, or name it."
        )
    return project


def open_bucket(client, name, region=None):
    """The bucket; raises CloudError where it is not there or not ours. Returns (bucket, warning or None)."""
    with clear_errors(
        f"open the bucket {name}",
        missing="it does not exist. Make it: gcloud storage buckets create "
        f"gs://{name} --location {region or 'REGION'}, or name another with --bucket.",
        denied="You need the roles Storage Object Admin and Legacy Bucket Reader on it: see docs/VERTEX_AI_SETUP.md.",
    ):
        bucket = client.get_bucket(name, timeout=30, retry=storage_retry())
    place = (bucket.location or "").lower()
    if region and place and region != place and "-" in place:
        return bucket, (
            f"the bucket {name} is in {place}, the job in {region}: reading across regions is slower and costs money. "
            f"Use --region {place}, or a bucket in {region}."
        )
    return bucket, None


def storage_retry():
    """How long a request to Cloud Storage is repeated: SCRIBE_RETRY_SECONDS, 120 by default."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(float(os.environ.get("SCRIBE_RETRY_SECONDS", 120)))


def split_uri(uri):
    """gs://bucket/a/b -> ("bucket", "a/b"); raises UsageError for anything else."""
    match = re.fullmatch(rf"gs://({BUCKET_PATTERN})/(.*[^/])/*", uri)
    if not match:
        raise UsageError(f"{uri} is not an address in a bucket: it has to look like gs://BUCKET/FOLDER.")
    return match[1], match[2]


def check_names(bucket=None, job=None):
    """Raises UsageError for a name that no bucket or job can have."""
    if bucket is not None and not re.fullmatch(BUCKET_PATTERN, bucket):
        what = "leave out gs://" if bucket.startswith("gs:") else "3 to 63 lower-case letters, digits, - _ ."
        raise UsageError(f"--bucket {bucket} is not the name of a bucket: {what}.")
    if job is not None and not re.fullmatch(NAME_PATTERN, job):
        raise UsageError(f"--job {job} is not a name for a job: at most 63 lower-case letters, digits and hyphens.")


# ---------------------------------------------------------------------------------------------------- one file, whole


def md5_of(path):
    """The MD5 checksum of a file, in hexadecimal: Cloud Storage keeps the same for every object."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def hex_md5(md5_base64):
    return base64.b64decode(md5_base64).hex() if md5_base64 else ""


def upload_file(bucket, path, name, md5=None):
    """Uploads a file unless the very same is there already. Returns whether it had to be sent.

    The library compares checksums as well; here the object's own is read back and held against the file's.
    """
    md5 = md5 or md5_of(path)
    with clear_errors(
        f"upload {path} to gs://{bucket.name}/{name}", missing=f"the bucket {bucket.name} does not exist.",
        denied=DENIED,
    ):  # fmt: skip
        there = bucket.get_blob(name, retry=storage_retry(), timeout=60)
        if there is not None and hex_md5(there.md5_hash) == md5:
            return False
        blob = bucket.blob(name, chunk_size=CHUNK)
        blob.md5_hash = base64.b64encode(bytes.fromhex(md5)).decode()  # the server refuses other content
        # Sent again after a fault without harm: it is the same content.
        blob.upload_from_filename(path, retry=storage_retry(), timeout=60)
        blob.reload(retry=storage_retry(), timeout=60)
    if hex_md5(blob.md5_hash) != md5:
        raise CloudError(f"gs://{bucket.name}/{name} arrived damaged: the same command again sends it once more.")
    return True


def upload_text(bucket, name, text):
    """Writes a small object."""
    with clear_errors(f"write gs://{bucket.name}/{name}", denied=DENIED):
        bucket.blob(name).upload_from_string(text, content_type="application/json", retry=storage_retry(), timeout=60)


def read_text(bucket, name):
    """The text of a small object, or None."""
    from google.api_core.exceptions import NotFound

    with clear_errors(f"read gs://{bucket.name}/{name}", denied=DENIED):
        try:
            return bucket.blob(name).download_as_bytes(retry=storage_retry(), timeout=60).decode("utf-8")
        except NotFound:
            return None


def download_file(bucket, name, path, md5, size, tries=8):
    """Downloads an object to `path`, whole or not at all; returns whether it had to be fetched.

    What has arrived is kept in `path`.part-MD5: the rest of it is all that another try, or another call, asks for. Only
    the very object that has this checksum is read: one that takes its place meanwhile is an error, not a mixture.
    """
    from google.api_core import exceptions as api

    where = f"gs://{bucket.name}/{name}"
    if os.path.exists(path) and os.path.getsize(path) == size and md5_of(path) == md5:
        return False
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    part = f"{path}.part-{md5}"
    with clear_errors(f"download {where}", missing=f"the bucket {bucket.name} does not exist.", denied=DENIED):
        there = bucket.get_blob(name, retry=storage_retry(), timeout=60)
    if there is None:
        _remove(part)
        raise CloudError(f"{where} is missing: the set it belongs to is not complete.")
    if (there.size, hex_md5(there.md5_hash)) != (size, md5):
        _remove(part)
        raise CloudError(f"{where} is not the file that was expected (MD5 {md5}): {AGAIN}")
    blob = bucket.blob(name, generation=there.generation)
    faults = 0
    while not os.path.exists(part) or os.path.getsize(part) < size:
        start = os.path.getsize(part) if os.path.exists(part) else 0
        reason = "less arrived than there should be"
        try:
            with open(part, "ab") as file:
                if size:
                    # The library's own checksum would be that of the rest alone; that of the whole is looked at below.
                    blob.download_to_file(
                        _Appending(file), start=start, raw_download=True, checksum=None, retry=None, timeout=60
                    )
        except (api.NotFound, api.PreconditionFailed):
            _remove(part)
            raise CloudError(f"{where} was removed or replaced while it was fetched: {AGAIN}") from None
        except (api.GoogleAPIError, *network_errors()) as error:
            if isinstance(error, api.ClientError) and error.code not in (408, 416, 429):
                with clear_errors(f"download {where}", denied=DENIED):
                    raise
            reason = _first_line(error)
        if os.path.getsize(part) >= size:
            break
        faults = faults + 1 if os.path.getsize(part) == start else 0
        if faults >= tries:
            raise NetworkError(f"cannot download {where}: {reason}. The same command again goes on.") from None
        time.sleep(min(30, 0.5 * 2**faults))
    if os.path.getsize(part) != size or md5_of(part) != md5:
        _remove(part)
        raise CloudError(f"{where} arrived damaged (its MD5 is not {md5}): {AGAIN}")
    os.replace(part, path)
    return True


class _Appending:
    """A file that can only grow: without seek and tell, the library never goes back over what is there."""

    def __init__(self, file):
        self.write, self.flush = file.write, file.flush


def _remove(path):
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def local_path(folder, name):
    """`folder`/`name` for a name from a bucket; raises CloudError for one that could lead out of the folder."""
    parts = name.split("/")
    if not all(parts) or {".", ".."} & set(parts) or re.search(r"\\|^[A-Za-z]:|\0", name):
        raise CloudError(f"the bucket has a file named {name!r}, which is no place in {folder}: nothing was fetched.")
    return os.path.join(folder, *parts)


# ------------------------------------------------------------------------------------------------------ complete sets


class FileSet(NamedTuple):
    """name: of the manifest in the bucket; number: they count up; created: ISO time; step: of the training, or None;
    files: local name -> {"object", "md5", "size"}.
    """

    name: str
    number: int
    created: str
    step: int | None
    files: dict


def write_set(bucket, prefix, files, step=None):
    """Uploads files and then the manifest that makes them a complete set.

    Args:
        prefix: folder in the bucket. files: name in the set -> path; they must not change meanwhile.

    Returns:
        (the FileSet, number of files that had to be sent).
    """
    entries, sent = {}, 0
    for name, path in sorted(files.items()):
        md5 = md5_of(path)
        target = f"{prefix}/files/{md5}-{os.path.basename(name)}"
        sent += upload_file(bucket, path, target, md5)
        entries[name] = {"object": target, "md5": md5, "size": os.path.getsize(path)}
    names = list_sets(bucket, prefix)
    number = _number(names[-1]) + 1 if names else 1
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    content = json.dumps({"created": created, "step": step, "files": entries}, indent=1, sort_keys=True)
    md5 = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
    name = f"{prefix}/sets/{number:08d}-{md5}.json"  # with its own checksum: it can neither be torn nor overwritten
    upload_text(bucket, name, content)
    return FileSet(name, number, created, step, entries), sent


def list_sets(bucket, prefix):
    """Names of the manifests, newest last."""
    missing = f"the bucket {bucket.name} does not exist."
    with clear_errors(f"list gs://{bucket.name}/{prefix}", missing, DENIED):
        blobs = bucket.client.list_blobs(bucket, prefix=f"{prefix}/sets/", retry=storage_retry(), timeout=60)
        return sorted(blob.name for blob in blobs if re.search(r"/\d{8}-[0-9a-f]{32}\.json$", blob.name))


def _number(name):
    return int(name.rsplit("/", 1)[1].split("-")[0])


def newest_set(bucket, prefix, warn=lambda text: None):
    """The newest set of which all files are there, or None; `warn` is told about newer ones that are not whole."""
    names = list_sets(bucket, prefix)
    if not names:
        return None
    with clear_errors(f"list gs://{bucket.name}/{prefix}", denied=DENIED):
        blobs = bucket.client.list_blobs(bucket, prefix=f"{prefix}/files/", retry=storage_retry(), timeout=60)
        there = {blob.name: (blob.size, hex_md5(blob.md5_hash)) for blob in blobs}
    for name in reversed(names):
        text = read_text(bucket, name)
        md5 = name.rsplit("-", 1)[1].removesuffix(".json")
        if text is None or hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() != md5:
            warn(f"gs://{bucket.name}/{name} is damaged; the set before it is used.")
            continue
        try:
            content = json.loads(text)
            found = FileSet(name, _number(name), content["created"], content["step"], content["files"])
            files = found.files
            lacking = [f for f in files.values() if there.get(f["object"]) != (f["size"], f["md5"])]
        except (ValueError, KeyError, TypeError, AttributeError):
            warn(f"gs://{bucket.name}/{name} does not describe a set; the set before it is used.")
            continue
        if lacking:
            warn(
                f"gs://{bucket.name}/{name} is not complete ({len(lacking)} of {len(files)} files are missing or "
                f"damaged, such as {lacking[0]['object'].rsplit('/', 1)[1]}); the set before it is used."
            )
            continue
        return found
    return None


def fetch_set(bucket, found, place):
    """Downloads the files of a set.

    Args:
        found: a FileSet. place: name in the set -> path, or None to leave it out. It is asked for all files before the
            first is fetched.

    Returns:
        number of files that had to be fetched.
    """
    fetched, paths = 0, {name: place(name) for name in found.files}
    # TensorFlow reads the file `checkpoint` first of all, so it comes last: what it names is there by then.
    for name, entry in sorted(
        found.files.items(), key=lambda item: (os.path.basename(item[0]) == "checkpoint", item[0])
    ):
        if paths[name]:
            fetched += download_file(bucket, entry["object"], paths[name], entry["md5"], entry["size"])
    return fetched


def remove_old_sets(bucket, prefix, keep=KEPT_SETS):
    """Removes all but the newest sets, and the files that no set needs any more: manifests first, files after them."""
    names = list_sets(bucket, prefix)
    needed = set()
    for name in names[-keep:]:
        text = read_text(bucket, name)
        if text is None:
            return  # another process is at work here
        needed |= {entry["object"] for entry in json.loads(text)["files"].values()}
    with clear_errors(f"clear up gs://{bucket.name}/{prefix}", denied=DENIED):
        for name in names[:-keep]:
            _delete(bucket, name)
        for blob in list(
            bucket.client.list_blobs(bucket, prefix=f"{prefix}/files/", retry=storage_retry(), timeout=60)
        ):
            if blob.name not in needed:
                _delete(bucket, blob.name)


def _delete(bucket, name):
    from google.api_core.exceptions import NotFound

    with contextlib.suppress(NotFound):
        bucket.blob(name).delete(retry=storage_retry(), timeout=60)
