"""The wheel as a user installs it: complete, typed, and its commands start."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
PACKAGES = ("propagation", "consumers", "lagmon")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the tree as it is."""
    folder = tmp_path_factory.mktemp("dist")
    done = run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack *wheel* into a folder of its own, as an installer would."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(
    line: Sequence[str], cwd: Path, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with *path* before everything else on Python's path."""
    environment = dict(os.environ) | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run(
        line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=90, check=False
    )


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: Path) -> None:
    """Every module, template, stylesheet and migration of the packages is in it, no test is."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    ours = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours <= names
    assert {name.partition("/")[0] for name in names} == {*PACKAGES, "lagmon-0.1.0.dist-info"}


@pytest.mark.parametrize("package", PACKAGES)
def test_an_installed_package_is_the_wheels(installed: Path, package: str) -> None:
    """Each package is imported from what was installed, not from the tree."""
    where = f"import {package}; print({package}.__file__)"

    done = run([sys.executable, "-c", where], installed.parent, installed)

    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed)


@pytest.mark.parametrize(("module", "names"), [("lagmon", "serve"), ("consumers", "worker")])
def test_an_installed_command_explains_itself(installed: Path, module: str, names: str) -> None:
    """`--help` of an installed command names what it can do."""
    done = run([sys.executable, "-m", module, "--help"], installed.parent, installed)

    assert done.returncode == 0, done.stderr
    assert names in done.stdout
