"""The suite as a Python package that a machine in the cloud installs: the library scribe/ and the commands it runs."""

import gzip
import io
import os
import tarfile

from scribe.files.needed_files import ROOT, needed_files

PACKAGE = "scribe-1.0"  # the suite as pip takes it; its folder in the bucket is named after its content
NEEDS = [
    *("numpy", "matplotlib", "pillow", "tqdm", "tensorboard"),
    *("anyascii", "pyphen", "svgelements", "tinycss2", "cssselect2", "threadpoolctl", "openvino"),
    *("google-cloud-storage>=2.10", "google-api-core", "google-auth", "google-resumable-media", "requests", "urllib3"),
]
COMMANDS = ("train.py", "sample.py")  # what the container runs


def files() -> dict[str, str]:
    """{path below the root: content}: COMMANDS, what these import from the root, and scribe/ without its server."""
    paths = [path for path in needed_files(ROOT, list(COMMANDS))[0] if "/" not in path]
    for folder, folders, names in os.walk(os.path.join(ROOT, "scribe")):
        folders[:] = [name for name in folders if name != "web"]
        paths += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names if name.endswith(".py")]
    found = {}
    for path in sorted(path.replace(os.sep, "/") for path in paths):
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            found[path] = file.read()
    return found


def build() -> bytes:
    """The package as a source distribution: the same files always make the same bytes."""
    content = files()
    modules = [path.removesuffix(".py") for path in content if "/" not in path]
    folders = [os.path.dirname(path).replace("/", ".") for path in content if path.endswith("/__init__.py")]
    content["setup.py"] = (
        "from setuptools import setup\n\n"
        f"setup(name='scribe', version='1.0', py_modules={modules!r}, packages={folders!r},\n"
        f"      install_requires={NEEDS!r})\n"
    )
    content["PKG-INFO"] = "Metadata-Version: 1.2\nName: scribe\nVersion: 1.0\n"
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for path, text in sorted(content.items()):
            info = tarfile.TarInfo(f"{PACKAGE}/{path}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()
