"""scripts/setup-m1.sh on Linux: what it would do, what it refuses, and its proof that an environment works."""

import os
import shutil
import stat
import subprocess
import sys

import pytest

import utils

ROOT = os.path.dirname(os.path.abspath(utils.__file__))
SCRIPT = os.path.join(ROOT, "scripts", "setup-m1.sh")
pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")


def run(*flags, **environment):
    return subprocess.run(
        ["bash", SCRIPT, *flags], capture_output=True, text=True, timeout=300, env={**os.environ, **environment}
    )


def machine(folder, system, name, translated="0", pythons=()):
    """A folder of stand-ins for uname, sysctl and Pythons (version, machine), to be put first on the path."""
    programs = {
        "uname": f'[ "$1" = -s ] && echo {system} || echo {name}',
        "sysctl": f"echo {translated}",
        **{f"python{version}": "exit 1" for version in ("3.11", "3.12", "3.13", "3")},
        **{f"python{version}": f"echo {version} {built_for}" for version, built_for in pythons},
    }
    folder.mkdir()
    for program, line in programs.items():
        (folder / program).write_text(f"#!/bin/sh\n{line}\n")
        (folder / program).chmod((folder / program).stat().st_mode | stat.S_IEXEC)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("flags, requirements", [((), "requirements.txt"), (("--metal",), "requirements-m1.txt")])
def test_a_dry_run_names_every_step_and_does_nothing(tmp_path, flags, requirements):
    venv = tmp_path / "env"
    mac = machine(tmp_path / "bin", "Darwin", "arm64", pythons=[("3.11", "arm64")])
    done = run("--dry-run", "--venv", str(venv), *flags, **mac)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"$ python3.11 -m venv {venv}",
        f"$ {venv}/bin/python -m pip install --upgrade pip",
        f"$ {venv}/bin/python -m pip install -r {ROOT}/{requirements}",
    ]
    assert "Would stop" not in done.stderr and "Nothing was done" in done.stderr
    assert not venv.exists() and os.path.exists(os.path.join(ROOT, requirements))


def test_on_linux_a_dry_run_says_that_it_would_stop_and_a_real_one_stops(tmp_path):
    linux = machine(tmp_path / "bin", "Linux", "x86_64", pythons=[("3.12", "x86_64")])
    dry = run("--dry-run", "--venv", str(tmp_path / "env"), **linux)
    assert dry.returncode == 0 and "Would stop here: this is Linux" in dry.stderr
    real = run("--venv", str(tmp_path / "env"), **linux)
    assert real.returncode == 1 and "Error: this is Linux" in real.stderr and real.stdout == ""
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("translated, said", [("1", "under Rosetta"), ("0", "Intel processor")])
def test_a_terminal_under_rosetta_is_told_from_an_intel_mac(tmp_path, translated, said):
    done = run("--venv", str(tmp_path / "env"), **machine(tmp_path / "bin", "Darwin", "x86_64", translated))
    assert done.returncode == 1 and said in done.stderr


@pytest.mark.parametrize(
    "flags, pythons, chosen",
    [
        ((), [("3.11", "arm64"), ("3.13", "arm64")], "python3.13"),
        ((), [("3.13", "x86_64"), ("3.12", "arm64")], "python3.12"),
        (("--metal",), [("3.11", "arm64"), ("3.13", "arm64")], "python3.11"),
        (("--metal",), [("3.12", "arm64")], None),
        ((), [("3.11", "x86_64")], None),
        ((), [], None),
    ],
)
def test_the_newest_python_that_fits_is_taken(tmp_path, flags, pythons, chosen):
    mac = machine(tmp_path / "bin", "Darwin", "arm64", pythons=pythons)
    done = run("--dry-run", "--venv", str(tmp_path / "env"), *flags, **mac)
    assert done.returncode == 0
    if chosen:
        assert done.stdout.startswith(f"$ {chosen} -m venv")
    else:
        assert "there is no Python 3.1" in done.stderr and all(version in done.stderr for version, _ in pythons)


def test_an_environment_of_another_python_is_not_touched(tmp_path):
    mac = machine(tmp_path / "bin", "Darwin", "arm64", pythons=[("3.11", "arm64")])
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 3.9 arm64\n")
    python.chmod(0o755)
    done = run("--venv", str(tmp_path / "env"), **mac)
    assert done.returncode == 1 and "is there already, with Python 3.9" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("flags", [("--nonsense",), ("--venv",), ("--dry-run", "--check")])
def test_wrong_usage_ends_with_exit_code_2(flags):
    done = run(*flags)
    assert done.returncode == 2 and "usage:" in done.stderr and done.stdout == ""


def test_checking_an_environment_that_does_not_exist_fails_clearly(tmp_path):
    done = run("--check", "--venv", str(tmp_path / "none"))
    assert done.returncode == 1 and "holds no Python" in done.stderr


@pytest.mark.slow
def test_the_check_multiplies_matrices_and_trains(tmp_path):
    """In the environment that runs this test."""
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = run("--check", "--venv", str(tmp_path / "env"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "matrix product in" in done.stdout and "nats per point" in done.stdout and "All is well" in done.stderr


def test_the_script_is_clean_for_shellcheck():
    shellcheck = shutil.which("shellcheck", path=os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"])
    if not shellcheck:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([shellcheck, SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
