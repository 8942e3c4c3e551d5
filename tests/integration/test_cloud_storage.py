"""Files on their way to a bucket and back, over a line that fails: whole or not at all, never twice, clear errors."""

import hashlib
import json
import os
import random
import subprocess
import sys

import pytest

pytest.importorskip("google.cloud.storage")
pytest.importorskip("gcp_storage_emulator")

from cloud_helpers import BUCKET, faulty_line, free_port  # noqa: E402
from scribe.cloud import clients, container, file_sets  # noqa: E402
from scribe.cloud.bucket import (  # noqa: E402
    CHUNK,
    download_file,
    hex_md5,
    local_path,
    md5_of,
    open_bucket,
    read_text,
    upload_file,
    upload_text,
)
from scribe.cloud.errors import CloudError, NetworkError  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PREFIX = "scribe/a/checkpoints"


@pytest.fixture
def line(emulator_port, monkeypatch, request):
    """line(plan) -> (bucket, requests): a bucket behind a faulty line; empty at the start of every test."""
    opened = []
    monkeypatch.setenv("SCRIBE_RETRY_SECONDS", "20")

    def line(plan=lambda method, path, headers: None):
        context = faulty_line(emulator_port, plan)
        address, requests = context.__enter__()
        opened.append(context)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        client = clients.storage_client("a-project")
        client._http.trust_env = False  # loopback, whatever proxy the environment names
        return client.bucket(BUCKET), requests

    bucket, _ = line()
    for blob in list(bucket.client.list_blobs(bucket)):
        blob.delete()
    yield line
    for context in opened:
        context.__exit__(None, None, None)


def fails(*faults, when=lambda method, path: True):
    """A plan: the requests that `when` picks have these faults, one after the other; all later ones have none."""
    faults = list(faults)
    return lambda method, path, headers: faults.pop(0) if faults and when(method, path) else None


def write(path, size, seed=0):
    """A file of bytes that compress and repeat nowhere."""
    os.makedirs(path.parent, exist_ok=True)
    path.write_bytes(random.Random(seed).randbytes(size))
    return str(path)


def run_files(tmp_path, step, size=3000):
    """Files of a run as scribe/cloud/container.py names them."""
    names = {
        "run/config.json": 50, "run/latest/checkpoint": 60, f"run/latest/ckpt-{step}.index": 400,
        f"run/latest/ckpt-{step}.data-00000-of-00001": size, "logs/train_scribe.txt": 100,
    }  # fmt: skip
    return {name: write(tmp_path / str(step) / name, n, step * len(name)) for name, n in names.items()}


def contents(files):
    return {name: open(path, "rb").read() for name, path in files.items()}


def fetched(bucket, found, folder):
    file_sets.fetch_set(bucket, found, lambda name: str(folder / name))
    return contents({name: folder / name for name in found.files})


# ------------------------------------------------------------------------------------------------------------ one file


@pytest.mark.parametrize("size", [0, 1, 5000, CHUNK + 12345, 2 * CHUNK])
def test_a_file_comes_back_as_it_was_and_is_sent_and_fetched_once(line, tmp_path, size):
    bucket, requests = line()
    path, copy = write(tmp_path / "file", size), str(tmp_path / "there" / "copy")
    assert upload_file(bucket, path, "a/file") is True
    assert upload_file(bucket, path, "a/file") is False
    assert download_file(bucket, "a/file", copy, md5=md5_of(path), size=size) is True
    assert download_file(bucket, "a/file", copy, md5=md5_of(path), size=size) is False
    assert open(copy, "rb").read() == open(path, "rb").read()
    assert os.listdir(tmp_path / "there") == ["copy"]
    assert sum("/upload/" in path and method == "POST" for method, path in requests) == 1


@pytest.mark.parametrize("fault", ["drop", "lose", 503, 429])
@pytest.mark.parametrize("size", [5000, 2 * CHUNK + 77])
def test_an_upload_survives_faults(line, tmp_path, fault, size):
    plan = fails(fault, when=lambda method, path: method in ("POST", "PUT"))
    bucket, _ = line(plan)
    path = write(tmp_path / "file", size)
    upload_file(bucket, path, "a/file")
    plain, _ = line()
    assert hex_md5(plain.get_blob("a/file").md5_hash) == md5_of(path)


def test_a_long_upload_that_breaks_in_the_middle_goes_on_with_the_chunk_that_was_lost(line, tmp_path):
    chunks = []

    def plan(method, path, headers):
        if method == "PUT" and not headers.get("Content-Range", "").startswith("bytes */"):
            chunks.append(headers["Content-Range"])
            return "drop" if len(chunks) == 2 else None

    bucket, _ = line(plan)
    path = write(tmp_path / "file", 3 * CHUNK)
    upload_file(bucket, path, "a/file")
    starts = [int(text.split()[1].split("-")[0]) // CHUNK for text in chunks]
    assert starts == [0, 1, 1, 2], chunks


def test_a_download_that_breaks_asks_for_the_rest_alone(line, tmp_path):
    asked = []

    def plan(method, path, headers):
        if "alt=media" in path:
            asked.append(headers.get("Range", ""))
            return {1: ("cut", 2000), 2: "drop", 3: ("cut", 1500), 4: 503}.get(len(asked))

    bucket, _ = line(plan)
    path, copy = write(tmp_path / "file", 5000), str(tmp_path / "copy")
    upload_file(bucket, path, "a/file")
    download_file(bucket, "a/file", copy, md5=md5_of(path), size=5000)
    assert open(copy, "rb").read() == open(path, "rb").read()
    starts = [int(text.removeprefix("bytes=").split("-")[0] or 0) if text else 0 for text in asked]
    assert starts[:2] == [0, 2000] and starts[-1] == 3500, asked


def test_another_call_goes_on_where_a_broken_one_was(line, tmp_path):
    path, copy = write(tmp_path / "file", 5000), str(tmp_path / "copy")
    plain, _ = line()
    upload_file(plain, path, "a/file")
    bucket, _ = line(fails(("cut", 2000), *["drop"] * 100, when=lambda method, path: "alt=media" in path))
    with pytest.raises(CloudError, match="The same command again goes on"):
        download_file(bucket, "a/file", copy, md5=md5_of(path), size=5000, attempts=2)
    assert not os.path.exists(copy)
    ranges = []
    bucket, _ = line(lambda method, path, headers: ranges.append(headers["Range"]) if "alt=media" in path else None)
    download_file(bucket, "a/file", copy, md5=md5_of(path), size=5000)
    assert open(copy, "rb").read() == open(path, "rb").read() and ranges[0].startswith("bytes=2000-")


def test_a_bit_that_flips_on_the_way_is_noticed(line, tmp_path):
    path, copy = write(tmp_path / "file", 5000), str(tmp_path / "copy")
    bucket, _ = line(fails("flip", when=lambda method, path: "alt=media" in path))
    upload_file(bucket, path, "a/file")
    with pytest.raises(CloudError, match="arrived damaged"):
        download_file(bucket, "a/file", copy, md5=md5_of(path), size=5000)
    assert not os.path.exists(copy)
    download_file(bucket, "a/file", copy, md5=md5_of(path), size=5000)
    assert open(copy, "rb").read() == open(path, "rb").read()


@pytest.mark.parametrize("status", [404, 412])
def test_an_object_that_is_replaced_while_it_is_fetched_is_an_error_and_no_mixture(line, tmp_path, status):
    """What is asked for is one generation of the object; it is gone when another one takes its place."""
    asked = []

    def plan(method, path, headers):
        if "alt=media" in path:
            asked.append(path)
            return ("cut", 2000) if len(asked) == 1 else status

    bucket, _ = line(plan)
    path, copy = write(tmp_path / "file", 5000), str(tmp_path / "there" / "copy")
    upload_file(bucket, path, "a/file")
    with pytest.raises(CloudError, match="replaced while it was fetched: run the same command again"):
        download_file(bucket, "a/file", copy, md5=md5_of(path), size=5000)
    generation = bucket.get_blob("a/file").generation
    assert len(asked) == 2 and all(f"generation={generation}" in path for path in asked), asked
    assert os.listdir(tmp_path / "there") == []


def test_a_part_of_an_earlier_object_is_not_gone_on_with_when_another_stands_there(line, tmp_path):
    path, copy = write(tmp_path / "file", 5000), str(tmp_path / "there" / "copy")
    bucket, requests = line()
    upload_file(bucket, write(tmp_path / "other", 5000, seed=1), "a/file")
    write(tmp_path / "there" / f"copy.part-{md5_of(path)}", 2000)
    with pytest.raises(CloudError, match="not the file that was expected"):
        download_file(bucket, "a/file", copy, md5=md5_of(path), size=5000)
    assert os.listdir(tmp_path / "there") == [] and not [p for _, p in requests if "alt=media" in p]


@pytest.mark.parametrize("what", ["open", "upload", "write", "read", "list", "download"])
def test_without_the_right_to_the_bucket_the_role_is_named(line, tmp_path, what):
    path = write(tmp_path / "file", 100)
    plain, _ = line()
    upload_file(plain, path, "a/file")
    bucket, _ = line(lambda method, path, headers: 403)
    calls = {
        "open": lambda: open_bucket(bucket.client, BUCKET),
        "upload": lambda: upload_file(bucket, path, "a/other"),
        "write": lambda: upload_text(bucket, "a/text", "{}"),
        "read": lambda: read_text(bucket, "a/text"),
        "list": lambda: file_sets.newest_set(bucket, PREFIX),
        "download": lambda: download_file(bucket, "a/file", str(tmp_path / "copy"), md5=md5_of(path), size=100),
    }
    with pytest.raises(CloudError) as caught:
        calls[what]()
    message = str(caught.value)
    assert "Storage Object Admin" in message and "docs/VERTEX_AI_SETUP.md" in message and "\n" not in message


def test_a_network_that_stays_away_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("SCRIBE_RETRY_SECONDS", "1")
    client = clients.storage_client("a-project")
    with pytest.raises(NetworkError) as caught:
        open_bucket(client, BUCKET)
    assert "\n" not in str(caught.value) and "The same command again goes on" in str(caught.value)


def test_a_bucket_that_is_not_there_is_named_with_the_command_that_makes_it(line):
    client = line()[0].client
    with pytest.raises(CloudError) as caught:
        open_bucket(client, "not-there", "europe-west4")
    message = str(caught.value)
    assert "gcloud storage buckets create gs://not-there --location europe-west4" in message and "\n" not in message


def test_missing_credentials_are_named_with_the_command_that_makes_them(tmp_path):
    """In a process of its own, without what this machine may know about its user."""
    program = f"""
import sys; sys.path.insert(0, {ROOT!r})
from scribe.cloud import clients
from scribe.cloud.errors import CloudError
try:
    clients.storage_client()
except CloudError as error:
    print(error)
"""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GOOGLE", "STORAGE_", "CLOUDSDK"))}
    environment = {**kept, "HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path), "NO_GCE_CHECK": "True"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout.count("\n") == 1 and "gcloud auth application-default login" in done.stdout, done.stderr


# ------------------------------------------------------------------------------------------------------- complete sets


def test_the_newest_set_comes_back_whole_and_what_is_the_same_is_sent_once(line, tmp_path):
    bucket, _ = line()
    first, sent = file_sets.write_set(bucket, PREFIX, run_files(tmp_path, 100), 100)
    assert (first.number, first.step, sent) == (1, 100, 5)
    files = run_files(tmp_path, 200) | {"run/config.json": run_files(tmp_path, 100)["run/config.json"]}
    second, sent = file_sets.write_set(bucket, PREFIX, files, 200)
    assert (second.number, sent) == (2, 4)
    found = file_sets.newest_set(bucket, PREFIX)
    assert found == second
    assert fetched(bucket, found, tmp_path / "back") == contents(files)


class Died(Exception):
    """A process that was killed."""


def dying_bucket(client, requests):
    """The bucket of a process that dies when it has sent so many requests."""
    send, left = client._http.request, [requests]

    def request(*arguments, **options):
        if not left[0]:
            raise Died
        left[0] -= 1
        return send(*arguments, **options)

    client._http.request = request
    return client.bucket(BUCKET)


@pytest.mark.slow
def test_an_upload_that_dies_after_any_request_leaves_a_whole_set(emulator, tmp_path, monkeypatch):
    """Each time one request later, until all get through: the newest set is the one before, or the new one.

    Both share a file, which is neither sent again nor removed with the old set. No faulty line stands before the
    emulator: the process dies, not the line.
    """
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = clients.storage_client("a-project")
    bucket, steps, over = client.bucket(BUCKET), [], False
    old, new = (run_files(tmp_path, step) for step in (1, 2))
    shared = {"run/config.json": old["run/config.json"]}
    old = shared | {name: old[name] for name in ("run/latest/checkpoint", "run/latest/ckpt-1.index")}
    new = shared | {"run/latest/checkpoint": new["run/latest/checkpoint"]}
    while not over:
        prefix = f"{PREFIX}/{len(steps)}"
        file_sets.write_set(bucket, prefix, old, 1)
        dying = dying_bucket(clients.storage_client("a-project"), len(steps))
        try:
            file_sets.write_set(dying, prefix, new, 2)
            file_sets.remove_old_sets(dying, prefix, keep=1)
            over = True
        except Died:
            pass
        warnings = []
        found = file_sets.newest_set(bucket, prefix, warnings.append)
        assert fetched(bucket, found, tmp_path / "back") == contents(old if found.step == 1 else new)
        assert not warnings
        steps.append(found.step)
    assert steps == sorted(steps) and {1, 2} == set(steps) and len(steps) > 10
    left = {blob.name for blob in client.list_blobs(bucket, prefix=f"{prefix}/")}
    assert left == {found.name, *(entry["object"] for entry in found.files.values())}


@pytest.mark.parametrize("what", ["missing", "other", "torn manifest"])
def test_a_set_that_is_not_whole_is_passed_over_with_a_warning(line, tmp_path, what):
    bucket, _ = line()
    old = run_files(tmp_path, 100)
    file_sets.write_set(bucket, PREFIX, old, 100)
    second, _ = file_sets.write_set(bucket, PREFIX, run_files(tmp_path, 200), 200)
    victim = second.files["run/latest/ckpt-200.index"]["object"]
    if what == "missing":
        bucket.blob(victim).delete()
    elif what == "other":
        bucket.blob(victim).upload_from_string(b"x" * 400)
    else:
        bucket.blob(second.name).upload_from_string(bucket.blob(second.name).download_as_bytes()[:-40])
    warnings = []
    found = file_sets.newest_set(bucket, PREFIX, warnings.append)
    assert found.step == 100 and fetched(bucket, found, tmp_path / "back") == contents(old)
    assert len(warnings) == 1 and "the set before it is used" in warnings[0] and "00000002" in warnings[0]


@pytest.mark.parametrize("content", ["[]", "{", '{"files": {"run/x": 1}, "created": "", "step": 1}', '{"step": 1}'])
def test_a_manifest_that_describes_no_set_is_passed_over_with_a_warning(line, tmp_path, content):
    bucket, _ = line()
    file_sets.write_set(bucket, PREFIX, run_files(tmp_path, 100), 100)
    md5 = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
    upload_text(bucket, f"{PREFIX}/sets/00000002-{md5}.json", content)
    warnings = []
    assert file_sets.newest_set(bucket, PREFIX, warnings.append).step == 100
    assert len(warnings) == 1 and "does not describe a set" in warnings[0]


@pytest.mark.parametrize("name", ["run/../../x", "../x", "/etc/x", "run//x", "run/./x", "run\\..\\x", "C:/x"])
def test_a_name_that_leads_out_of_the_folder_is_refused_before_anything_is_fetched(line, tmp_path, name):
    bucket, _ = line()
    file_sets.write_set(bucket, PREFIX, run_files(tmp_path, 100), 100)
    (manifest,) = file_sets.list_sets(bucket, PREFIX)
    content = json.loads(read_text(bucket, manifest))
    content["files"][name] = content["files"].pop("run/config.json")
    text = json.dumps(content)
    md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    upload_text(bucket, f"{PREFIX}/sets/00000002-{md5}.json", text)
    work = tmp_path / "a" / "b"
    found = file_sets.newest_set(bucket, PREFIX)
    assert name in found.files
    with pytest.raises(CloudError, match="nothing was fetched") as caught:
        file_sets.fetch_set(bucket, found, lambda name: local_path(str(work), name))
    assert repr(name) in str(caught.value) and not os.path.exists(tmp_path / "a")
    sync = container.Sync(bucket.client, {"checkpoints": f"gs://{BUCKET}/{PREFIX}", "logs": "gs://abc/d"}, str(work), 0)
    with pytest.raises(CloudError, match="nothing was fetched"):
        sync.restore()
    assert not os.path.exists(tmp_path / "a")


def test_files_without_a_manifest_are_no_set(line, tmp_path):
    bucket, _ = line()
    for name, path in run_files(tmp_path, 100).items():
        upload_file(bucket, path, f"{PREFIX}/files/{md5_of(path)}-{os.path.basename(name)}")
    assert file_sets.newest_set(bucket, PREFIX) is None


def test_old_sets_are_removed_with_what_they_alone_need(line, tmp_path):
    bucket, _ = line()
    same = run_files(tmp_path, 1)["run/config.json"]
    for step in (100, 200, 300):
        file_sets.write_set(bucket, PREFIX, run_files(tmp_path, step) | {"run/config.json": same}, step)
    file_sets.remove_old_sets(bucket, PREFIX, keep=2)
    names = {blob.name for blob in bucket.client.list_blobs(bucket, prefix=PREFIX)}
    assert len([n for n in names if "/sets/" in n]) == 2 and len([n for n in names if "/files/" in n]) == 2 * 4 + 1
    assert file_sets.newest_set(bucket, PREFIX).step == 300


def test_a_damaged_set_is_kept_and_with_it_all_files_since_nobody_knows_which_it_needs(line, tmp_path):
    bucket, _ = line()
    for step in (100, 200):
        file_sets.write_set(bucket, PREFIX, run_files(tmp_path, step), step)
    upload_text(bucket, f"{PREFIX}/sets/00000003-{'0' * 32}.json", "{")
    before = {blob.name for blob in bucket.client.list_blobs(bucket, prefix=PREFIX)}
    file_sets.remove_old_sets(bucket, PREFIX, keep=2)
    assert {blob.name for blob in bucket.client.list_blobs(bucket, prefix=PREFIX)} == before


def test_who_may_write_but_not_delete_has_all_sets_and_a_warning_in_one_line(line, tmp_path, capsys):
    bucket, _ = line(lambda method, path, headers: 403 if method == "DELETE" else None)
    for step in (100, 200, 300):
        file_sets.write_set(bucket, PREFIX, run_files(tmp_path, step), step)
    work = tmp_path / "work"
    for name, path in run_files(tmp_path, 400).items():
        os.makedirs((work / name).parent, exist_ok=True)
        os.rename(path, work / name)
    (work / "run" / "latest" / "checkpoint").write_text('model_checkpoint_path: "ckpt-400"\n')
    where = {"checkpoints": f"gs://{BUCKET}/{PREFIX}", "logs": f"gs://{BUCKET}/scribe/a/logs"}
    sync = container.Sync(bucket.client, where, str(work), 0)
    assert sync.now().number == 4 and len(file_sets.list_sets(bucket, PREFIX)) == 4
    (warning,) = (line for line in capsys.readouterr().err.splitlines() if "Warning" in line)
    assert "clear up" in warning and "Storage Object Admin" in warning
