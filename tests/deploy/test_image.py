"""The one image: what goes in, how it is pinned, who it runs as."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.deploy.files import DEPLOY, ROOT, ours

LINES = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text()).splitlines()
INSTRUCTIONS = [line.split(maxsplit=1) for line in LINES if line and not line.startswith("#")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def arguments(instruction: str) -> list[str]:
    """Give what stands after each *instruction*, in order."""
    return [rest for word, rest in INSTRUCTIONS if word == instruction]


def copied() -> set[str]:
    """Give each path of the tree that goes into the image."""
    return {
        source
        for line in arguments("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }


def pins(path: str) -> set[str]:
    """Give each requirement of *path* with its hashes, as one line."""
    text = re.sub(r"\\\n\s*", "", (ROOT / path).read_text())
    return {line.strip() for line in text.splitlines() if "==" in line}


def test_the_base_is_a_release_that_the_project_supports() -> None:
    """Both stages stand on one full release of Python, not older than the project asks for."""
    (version,) = arguments("ARG")
    release = re.fullmatch(r"PYTHON=(\d+)\.(\d+)\.\d+-slim-\w+", version)
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=").split(".")

    assert release, version
    assert [int(part) for part in release.groups()] >= [int(part) for part in oldest]
    assert arguments("FROM") == ["python:${PYTHON} AS build", "python:${PYTHON}"]


def test_only_what_is_copied_reaches_the_builder() -> None:
    """.dockerignore keeps everything out but the paths that the Dockerfile copies."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert "*" in lines
    assert let_in == copied()


@pytest.mark.parametrize("path", sorted(copied()))
def test_what_is_copied_exists(path: str) -> None:
    """Each path that the Dockerfile copies is in the tree."""
    assert (ROOT / path).exists()


def test_every_package_of_the_wheel_is_copied() -> None:
    """The builder sees each package that the wheel is made of, and the metadata's files."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    metadata = [PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]]

    assert {*wheel, *metadata} <= copied()


def test_nothing_is_installed_without_a_hash() -> None:
    """Dependencies are taken by hash alone, and our wheel without looking anywhere."""
    installs = re.findall(r"pip install ([^&]+)", " && ".join(arguments("RUN")))

    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-deps --no-index" in line for line in installs)


def test_the_wheel_is_built_by_what_the_tests_use() -> None:
    """What builds the wheel is pinned by the same releases and hashes as for development."""
    builders = pins("requirements/build.txt")

    assert any(line.startswith("hatchling==") for line in builders)
    assert builders <= pins("requirements/dev.txt")


def test_a_volume_belongs_to_whoever_writes_to_it() -> None:
    """A new volume has the owner of the folder below it: each of ours is made, for the user."""
    (user,) = arguments("USER")
    folders = {
        entry.rsplit(":", 1)[1] for each in ours().values() for entry in each.get("volumes", [])
    }

    made = [line for line in arguments("RUN") if line.startswith("install --directory")]

    owner, group = user.split(":")
    assert {line.split()[-1] for line in made} == folders
    assert all(f"--owner={owner} --group={group}" in line for line in made)


def test_the_image_is_not_root() -> None:
    """The image's user is a number, and the compose file runs the services as the same one."""
    (user,) = arguments("USER")

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert {service["user"] for service in ours().values()} == {user}
