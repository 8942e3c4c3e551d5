"""Every package that the suite imports is named in a requirements file, not left to come with another one."""

import ast
import re
import sys
from pathlib import Path

import pytest

from scribe.cloud import package

pytestmark = pytest.mark.smoke

ROOT = Path(__file__).parents[2]
SUITE = [*ROOT.glob("*.py"), *(ROOT / "scribe").rglob("*.py")]
# The package that a module comes in, if it is not the module's first name; the longest that fits counts.
PACKAGES = {
    "PIL": "pillow",
    "apache_beam": "apache-beam",
    "google.api_core": "google-api-core",
    "google.auth": "google-auth",
    "google.resumable_media": "google-resumable-media",
    "google.cloud.aiplatform_v1": "google-cloud-aiplatform",
    "google.cloud.logging": "google-cloud-logging",
    "google.cloud.storage": "google-cloud-storage",
}


def named_in(file):
    """The packages that a requirements file names, without those of the files that it includes."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return {re.split(r"[\[<>=!~ ]", line)[0] for line in lines if line and not line.startswith(("#", "-r"))}


def imported_by(paths):
    """{package: a file that imports it}, also within functions; not the standard library nor the suite itself."""
    own = {path.stem for path in ROOT.glob("*.py")} | {"scribe", "legacy_tf1"}
    found = {}
    for path in paths:
        modules = []
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules += [f"{node.module}.{alias.name}" for alias in node.names]
        for module in modules:
            first = module.split(".")[0]
            if first not in own and first not in sys.stdlib_module_names:
                fitting = [name for name in PACKAGES if f"{module}.".startswith(f"{name}.")]
                assert fitting or first != "google", f"PACKAGES does not say what {module} comes in"
                found[PACKAGES[max(fitting, key=len)] if fitting else first] = path.relative_to(ROOT).as_posix()
    return found


def is_for_the_cloud(path):
    return path.relative_to(ROOT).parent.name == "cloud" or path.stem in (
        "submit_training",
        "monitor_training",
        "download_results",
    )


def is_for_the_web(path):
    return path.relative_to(ROOT).parent.name == "web" or path.stem == "serve"


def lacking(paths, *files):
    """{package: a file that imports it} of those that no requirements file names."""
    named = set().union(*map(named_in, files))
    return {package: path for package, path in imported_by(paths).items() if package not in named}


def test_requirements_name_every_package_that_the_suite_imports():
    every = ("requirements.txt", "requirements-beam.txt", "requirements-cloud.txt", "requirements-web.txt")
    assert lacking(SUITE, *every) == {}
    others = [path for path in SUITE if not is_for_the_web(path)]
    assert lacking([path for path in SUITE if is_for_the_web(path)], "requirements.txt", "requirements-web.txt") == {}
    plain = [path for path in others if not is_for_the_cloud(path) and path.stem != "beam"]
    assert lacking(plain, "requirements.txt") == {}
    assert lacking(plain, "requirements-m1.txt").keys() <= {"tensorflow"}  # there it is tensorflow-macos


def test_the_image_has_every_package_that_its_commands_import():
    paths = [ROOT / path for path in package.files() if not path.startswith("scribe/dataset/")]
    # What sends and watches jobs is in the library, but not run in the container.
    assert lacking(paths, "requirements-image.txt").keys() <= {"google-cloud-aiplatform"}
    assert {re.split("[>=]", need)[0] for need in package.NEEDS} == named_in("requirements-image.txt") - {
        "tensorflow", "protobuf"
    }  # fmt: skip


def test_an_import_that_no_file_names_is_found(tmp_path):
    (tmp_path / "new.py").write_text("def draw():\n    from cairo import Context\n")
    (path,) = tmp_path.glob("*.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "ROOT", tmp_path)
        assert imported_by([path]) == {"cairo": "new.py"}
