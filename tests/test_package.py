"""A release as a user gets it: complete, described, and each extra brings what it promises.

What is built is the commit that is checked out, as in `make release`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from tests.infra.require import Missing, required

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Installed = Callable[[str], Path]

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
PACKAGES = ("propagation", "consumers", "lagmon")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = ROOT / "requirements/runtime.txt"
UNREACHABLE = re.compile("error sending request|Failed to fetch|dns error|Network is unreachable")
# What can be imported once an extra is there, and by which extra's name it is asked for before.
PROMISES = {
    "sdk": ["propagation.sdk.telemetry", "propagation.testing"],
    "postgres": ["propagation.integrations.postgres"],
    "asgi": ["propagation.integrations.asgi"],
    "zero-code": ["propagation.integrations.zero_code"],
    "logs": ["propagation.integrations.logs"],
    "sentry": ["propagation.integrations.sentry"],
    "consumers": ["consumers", "consumers.cli"],
    "service": ["lagmon.cli"],
}
# Chosen by a variable at run time; there is nothing of ours to import.
THEIRS = {"grpc": ["opentelemetry.exporter.otlp.proto.grpc.trace_exporter"]}
EVERYTHING = [name for names in PROMISES.values() for name in names]


def run(line: Sequence[str | Path], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, away from the tree; Missing if it cannot reach a registry."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        line,
        cwd="/",
        env=variables | environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    if done.returncode and UNREACHABLE.search(done.stderr):
        raise Missing("the registry of packages", "be online, or have the packages in uv's cache")
    return done


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a release as `make release` does."""
    folder = tmp_path_factory.mktemp("dist")
    with required():
        # A test of its own validates the SBOM, in a hundredth of the time.
        done = run([ROOT / ".ci/release", folder], BIN=str(BIN), SBOM_CHECK="--no-validate")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(release: Path) -> Path:
    """Give the wheel of the release."""
    (built,) = release.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def sdist(release: Path) -> Path:
    """Give the source distribution of the release."""
    (built,) = release.glob("*.tar.gz")
    return built


@pytest.fixture(scope="module")
def sbom(release: Path) -> dict[str, Any]:
    """Give the list of what the wheel brings along."""
    (written,) = release.glob("*.cdx.json")
    content: dict[str, Any] = json.loads(written.read_text())
    return content


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel with an extra, or with none, into an environment that was empty."""
    folder = tmp_path_factory.mktemp("environments")

    def of(extra: str) -> Path:
        home = folder / (extra or "base")
        if not home.exists():
            run([BIN / "uv", "venv", "--quiet", "--python", sys.executable, home])
            asked = f"lagmon[{extra}] @ {wheel.as_uri()}"
            install = ["--quiet", "--python", str(home), "-c", str(LOCK), asked]
            with required():
                done = run([BIN / "uv", "pip", "install", *install])
            assert done.returncode == 0, done.stderr
        return home / "bin"

    return of


def imported(python: Path, names: Sequence[str]) -> dict[str, str]:
    """Import each of *names* by itself in one *python*; give each one's error, or nothing."""
    tries = "try: __import__(name)\n    except ImportError as error: said = str(error)"
    body = (
        f"import sys\nfor name in sys.argv[1:]:\n    said = ''\n    {tries}\n    print(name, said)"
    )
    done = run([python, "-c", body, *names])
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" ") for line in done.stdout.splitlines()]
    return {name: said for name, _, said in lines}


def files_of(*packages: str) -> set[str]:
    """Give the files of *packages* in the tree, without what Python and tools leave there."""
    return {
        str(path.relative_to(ROOT))
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: Path) -> None:
    """Every module, template, stylesheet and migration is in it, typed, licensed; no test is."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    ours = {name for name in names if name.partition("/")[0] in PACKAGES}
    described = f"lagmon-{PROJECT['version']}.dist-info"
    kinds = {Path(name).suffix for name in ours}
    assert {name.partition("/")[0] for name in names} == {*PACKAGES, described}
    assert {f"{package}/py.typed" for package in PACKAGES} <= ours
    assert {".py", ".html", ".css", ".js"} <= kinds
    assert any("migrations" in name for name in ours)
    assert f"{described}/licenses/LICENSE" in names
    assert not any("test_" in name for name in names)
    assert kinds == {Path(name).suffix for name in files_of(*PACKAGES)}


def test_the_source_has_what_its_tests_need(sdist: Path) -> None:
    """The source distribution holds packages, tests, docs, deploy and locks, and no secret."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    top = {name.partition("/")[0] for name in names}
    assert {*PACKAGES, "tests", "docs", "deploy", "requirements", "demo", "benchmarks"} <= top
    assert {"pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md"} <= top
    assert [name for name in names if "secrets/" in name] == ["deploy/secrets/.gitignore"]
    assert not [name for name in names if "__pycache__" in name or ".venv" in name]


def test_the_source_makes_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    """Who builds the wheel from the source gets the published one, to the byte."""
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        year, month, day, *clock = archive.getinfo("lagmon/__init__.py").date_time
    at = run(["date", "--utc", "+%s", f"--date={year}-{month}-{day} " + ":".join(map(str, clock))])

    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    inside = ["sh", "-c", 'cd "$0" && exec "$@"', str(tree), *build]
    done = run(inside, SOURCE_DATE_EPOCH=at.stdout.strip())

    assert done.returncode == 0, done.stderr
    assert (tree / "dist" / wheel.name).read_bytes() == wheel.read_bytes()


def test_nothing_is_built_beside_what_lies_there(tmp_path: Path) -> None:
    """A folder with something in it is refused: all that is in it would be published."""
    (tmp_path / "lagmon-0.0.1.tar.gz").write_text("an old one")

    done = run([ROOT / ".ci/release", tmp_path], BIN=str(BIN))

    assert done.returncode == 1
    assert done.stderr.startswith(f"{tmp_path} is not empty")
    assert [path.name for path in tmp_path.iterdir()] == ["lagmon-0.0.1.tar.gz"]


def test_the_sums_are_those_of_the_files(release: Path) -> None:
    """SHA256SUMS names wheel, source and SBOM with their sums."""
    lines = [line.split() for line in (release / "SHA256SUMS").read_text().splitlines()]
    beside = {path for path in release.iterdir() if path.name != "SHA256SUMS"}

    sums = {name: said for said, name in lines}

    assert {Path(name).suffix for name in sums} == {".whl", ".gz", ".json"}
    assert sums == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in beside}


def test_the_sbom_is_a_valid_one(sbom: dict[str, Any]) -> None:
    """The SBOM fits the schema that CycloneDX has for its version."""
    schemas = files("cyclonedx.schema") / "_res"

    def schema(name: str) -> Any:
        return json.loads((schemas / name.rsplit("/", 1)[-1]).read_text())

    validator = jsonschema_rs.validator_for(
        schema("bom-1.6.SNAPSHOT.schema.json"), retriever=schema
    )

    assert [error.message for error in validator.iter_errors(sbom)] == []


def test_the_sbom_is_of_this_version_and_licence(sbom: dict[str, Any]) -> None:
    """The SBOM is CycloneDX 1.6, and says what it is the list of."""
    root = sbom["metadata"]["component"]

    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    assert (root["name"], root["version"]) == ("lagmon", PROJECT["version"])
    assert [each["license"]["id"] for each in root["licenses"]] == [PROJECT["license"]]


def test_the_sbom_lists_what_is_locked(sbom: dict[str, Any]) -> None:
    """Each locked package for this platform is in it with version and licence, and nothing else."""
    locked = re.findall(r"^([\w.-]+)==([\w.]+)( ;)?", LOCK.read_text(), re.MULTILINE)
    found = {(plain(each["name"]), each["version"]): each for each in sbom["components"]}

    always = {(plain(name), version) for name, version, marker in locked if not marker}
    perhaps = {(plain(name), version) for name, version, _ in locked}

    assert always <= found.keys() <= perhaps
    # Its wheel says nothing of it: BSD-3-Clause.
    assert {name for (name, _), each in found.items() if not each.get("licenses")} <= {"protobuf"}


def plain(name: str) -> str:
    """Give *name* of a package as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_promises_are_about_the_extras() -> None:
    """The table of this file knows each extra that there is."""
    assert PROMISES.keys() | THEIRS.keys() | {"all"} == PROJECT["optional-dependencies"].keys()


@pytest.mark.parametrize("extra", [*PROMISES, *THEIRS])
def test_an_extra_is_enough_for_what_it_promises(installed: Installed, extra: str) -> None:
    """With one extra alone its modules are imported."""
    names = PROMISES.get(extra, []) + THEIRS.get(extra, [])

    said = imported(installed(extra) / "python", names)

    assert said == dict.fromkeys(names, "")


def test_without_an_extra_the_core_is_there_and_the_rest_says_what_it_needs(
    installed: Installed,
) -> None:
    """The base has propagation; whatever else is imported names the extra to install."""
    said = imported(installed("") / "python", ["propagation", "lagmon", *EVERYTHING])

    missing = {name: extra for extra, names in PROMISES.items() for name in names}
    assert (said.pop("propagation"), said.pop("lagmon")) == ("", "")
    assert said.keys() == missing.keys()
    for name, extra in missing.items():
        assert f"pip install 'lagmon[{extra}]'" in said[name]


def test_all_is_everything_and_fits_together(installed: Installed) -> None:
    """The extra `all` brings what each of the others does, and no two packages disagree."""
    homes = {extra: installed(extra).parent for extra in (*PROMISES, *THEIRS, "all")}

    brought = {
        extra: {path.name for path in home.rglob("*.dist-info")} for extra, home in homes.items()
    }
    checked = run([BIN / "uv", "pip", "check", "--python", homes["all"]])

    assert brought.pop("all") >= {name for names in brought.values() for name in names}
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(("command", "extra"), [("lagmon", "service"), ("consumers", "consumers")])
def test_an_installed_command_starts(installed: Installed, command: str, extra: str) -> None:
    """With its own extra a command says its version; without, which one it needs."""
    told = run([installed(extra) / command, "--version"])
    refused = run([installed("") / command, "--version"])

    assert told.stdout == f"{command} {PROJECT['version']}\n", told.stderr
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].endswith(f"pip install 'lagmon[{extra}]'")
