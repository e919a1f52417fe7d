"""What a release rests on: one version, locks with hashes, workflows without secrets."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.infra.require import MAKE_TOOLS, need

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = PROJECT["version"]
LOCKS = ("runtime", "dev", "build", "audit")
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PAGE = ROOT / "docs/reference/release.md"
# What a job may do beyond reading, and the job that needs it.
ALLOWED = {
    "test": {"contents": "read"},
    "build": {"contents": "read", "id-token": "write", "attestations": "write"},
    "publish": {"id-token": "write"},
    "notes": {"contents": "write"},
}
# Could not be looked up; pinned by the name of its release.
BY_NAME = {"pypa/gh-action-pypi-publish"}


def locked(name: str) -> dict[str, str]:
    """Give version, with its marker, of each package that requirements/*name*.txt locks."""
    text = re.sub(r"\\\n\s*", "", (ROOT / f"requirements/{name}.txt").read_text())
    pairs = re.findall(r"^([\w.-]+)==(.*?)\s+--hash", text, re.MULTILINE)
    return {package.lower(): rest.strip() for package, rest in pairs}


def exact(pin: str) -> str:
    """Give the version of *pin*, without the marker that says where it counts."""
    return pin.partition(" ")[0]


def jobs(workflow: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each job of *workflow* by its name."""
    yield from yaml.safe_load(workflow.read_text())["jobs"].items()


@pytest.mark.parametrize("name", LOCKS)
def test_each_locked_package_has_its_hashes(name: str) -> None:
    """A lock holds packages with exact versions and hashes, and no place to fetch them from."""
    text = re.sub(r"\\\n\s*", "", (ROOT / f"requirements/{name}.txt").read_text())
    lines = [line for line in text.splitlines() if line.strip()]

    pinned = re.compile(r"[\w.-]+==[\w.!+]+( ; [^-]+)?( ?--hash=sha256:[0-9a-f]{64})+")
    odd = [line[:80] for line in lines if not pinned.fullmatch(re.sub(r"\s+", " ", line))]

    assert odd == []
    assert lines


def test_what_is_tested_is_what_is_shipped() -> None:
    """Tests run with the very versions that a service gets."""
    runtime, dev = locked("runtime"), locked("dev")

    differ = {name for name in runtime if exact(runtime[name]) != exact(dev.get(name, ""))}

    assert differ == set()


@pytest.mark.parametrize("name", ["build", "audit"])
def test_no_two_locks_disagree(name: str) -> None:
    """What the lock of the tests has too has the same version there."""
    mine, dev = locked(name), locked("dev")

    differ = {each for each in mine.keys() & dev.keys() if exact(mine[each]) != exact(dev[each])}

    assert differ == set()


def test_what_the_project_asks_for_is_locked() -> None:
    """Each dependency, of the base and of each extra, stands in the lock of the services."""
    extras = PROJECT["optional-dependencies"].values()
    asked = [each for group in (PROJECT["dependencies"], *extras) for each in group]

    names = {re.split(r"[\[><=]", each)[0] for each in asked} - {"lagmon"}

    assert names <= locked("runtime").keys()


def test_no_module_says_the_version_again() -> None:
    """The packages ask for the version of what is installed; none has one of its own."""
    sources = [
        path
        for package in ("propagation", "consumers", "lagmon")
        for path in (ROOT / package).rglob("*.py")
    ]

    again = [str(path.relative_to(ROOT)) for path in sources if f'"{VERSION}"' in path.read_text()]

    assert again == []
    assert version("lagmon") == VERSION


def test_the_image_says_the_version() -> None:
    """The image's label has the version and the licence of the project."""
    text = (ROOT / "deploy/Dockerfile").read_text()

    assert f"org.opencontainers.image.version={VERSION} " in text
    assert f"org.opencontainers.image.licenses={PROJECT['license']}\n" in text


def test_the_chart_says_the_version() -> None:
    """The chart installs the image of this version."""
    chart = yaml.safe_load((ROOT / "deploy/helm/lagmon/Chart.yaml").read_text())

    assert chart["appVersion"] == VERSION


def test_the_changelog_is_in_the_form_that_the_release_reads() -> None:
    """What is not released comes first, and each release has its number and day."""
    heads = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert heads[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", head) for head in heads[1:])


def test_actionlint_has_nothing_to_say() -> None:
    """The workflows are ones that GitHub takes."""
    program = need("actionlint", MAKE_TOOLS)

    done = subprocess.run(
        [program, "-no-color", *WORKFLOWS], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_only_what_it_must(path: Path) -> None:
    """No workflow may write by default, and each job has the rights that it is known to need."""
    default = yaml.safe_load(path.read_text())["permissions"]

    assert default in ({}, {"contents": "read"})
    for name, job in jobs(path):
        assert job.get("permissions", default) == ALLOWED[name]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_secret_and_keeps_no_key(path: Path) -> None:
    """Publishing needs no token; a checkout leaves none behind for what runs after it."""
    text = path.read_text()
    steps = [step for _, job in jobs(path) for step in job["steps"]]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]

    assert "secrets." not in text
    assert "pull_request_target" not in text
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_an_action_is_pinned_by_its_commit(path: Path) -> None:
    """What runs in a workflow does not change by itself: a commit, with the release beside it."""
    used = re.findall(r"uses: (\S+)@(\S+)(?:  # (\S+))?", path.read_text())

    for action, at, release in used:
        if action in BY_NAME:
            assert re.fullmatch(r"v\d+\.\d+\.\d+", at), action
        else:
            assert re.fullmatch(r"[0-9a-f]{40}", at), action
            assert re.fullmatch(r"v\d+\.\d+\.\d+", release), action


def test_the_workflows_run_what_a_developer_runs() -> None:
    """Both test by .ci/run, and the release is the one of `make release`."""
    ci, release = (dict(jobs(ROOT / f".github/workflows/{name}.yml")) for name in ("ci", "release"))

    assert ".ci/run" in [step.get("run") for step in ci["test"]["steps"]]
    assert release["test"] == ci["test"] | {"permissions": {"contents": "read"}}
    assert any("make release" in step.get("run", "") for step in release["build"]["steps"])
    assert (release["build"]["needs"], release["publish"]["needs"]) == ("test", "build")


def test_dependabot_looks_where_versions_stand() -> None:
    """Its configuration fits the schema, and every folder that it names is there."""
    path = ROOT / ".github/dependabot.yml"
    schema = ["-m", "check_jsonschema", "--builtin-schema", "vendor.dependabot"]

    done = subprocess.run(
        [sys.executable, *schema, str(path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
    updates = yaml.safe_load(path.read_text())["updates"]
    assert {each["package-ecosystem"] for each in updates} == {
        "pip",
        "github-actions",
        "docker",
        "docker-compose",
    }
    assert all((ROOT / each["directory"].strip("/")).is_dir() for each in updates)


def test_the_page_on_releases_names_what_there_is() -> None:
    """Each file and target that the page names exists, and the names of what is built fit."""
    text = PAGE.read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"\bmake ([a-z]+)", text))
    links = re.findall(r"\]\((\.\./[\w./-]+)", text)

    assert {"release", "audit", "check", "lock"} <= targets
    assert all(f"\n{target}:" in makefile for target in targets)
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
