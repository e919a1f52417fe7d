"""The one image: what goes in, how it is pinned, who it runs as."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY, ROOT, ours, services
from tests.infra.kafka_jars import KAFKA_VERSION
from tests.infra.kafka_jmx import AGENT, AGENT_SHA256, AGENT_VERSION, CONFIG

DOCKERFILE = DEPLOY / "Dockerfile"
LINES = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text()).splitlines()
# Before it: Kafka with its agent, a target of its own.
OURS = next(n for n, line in enumerate(LINES) if line.startswith("FROM python"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def arguments(instruction: str) -> list[str]:
    """Give what stands after each *instruction* of our image, in order."""
    return [rest for word, rest in split(LINES[OURS:]) if word == instruction]


def of_kafka(instruction: str) -> list[str]:
    """Give what stands after each *instruction* before our image begins, in order."""
    return [rest for word, rest in split(LINES[:OURS]) if word == instruction]


def split(lines: list[str]) -> list[list[str]]:
    """Give each of *lines* that is no comment as its instruction and the rest."""
    return [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]


def copied() -> set[str]:
    """Give each path of the tree that goes into the image."""
    return {
        source
        for line in of_kafka("COPY") + arguments("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }


def pins(path: str) -> set[str]:
    """Give each requirement of *path* with its hashes, as one line."""
    text = re.sub(r"\\\n\s*", "", (ROOT / path).read_text())
    return {line.strip() for line in text.splitlines() if "==" in line}


def test_the_base_is_a_release_that_the_project_supports() -> None:
    """Both stages stand on one full release of Python, not older than the project asks for."""
    version = of_kafka("ARG")[0]
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


def test_hadolint_has_nothing_to_say() -> None:
    """The Dockerfile keeps the rules of hadolint, none of them switched off."""
    lint = Path(sys.executable).with_name("hadolint")

    done = subprocess.run([lint, DOCKERFILE], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert "hadolint" not in DOCKERFILE.read_text()


def test_our_image_is_the_last_stage_and_needs_nothing_of_kafkas() -> None:
    """`docker build` without a target makes the image of our commands, without Maven."""
    stages = of_kafka("FROM") + arguments("FROM")

    assert stages[-1] == "python:${PYTHON}"
    assert not [
        line for line in arguments("COPY") if line.startswith(("--from=jmx", "--from=kafka"))
    ]


def test_kafkas_agent_is_the_one_that_was_tried() -> None:
    """The jar in the image has name, version and sum of the one that tests run a broker with."""
    given = of_kafka("ARG")
    (fetching,) = of_kafka("RUN")

    assert {f"AGENT={AGENT_VERSION}", f"AGENT_SHA256={AGENT_SHA256}"} <= set(given)
    assert f"-Dartifact={AGENT}:${{AGENT}}" in fetching
    assert 'echo "${AGENT_SHA256}  agent.jar" | sha256sum --check --strict' in fetching
    assert str(CONFIG.relative_to(ROOT)) in copied()


def test_kafkas_image_is_the_release_that_was_tried() -> None:
    """The image is called by the release of Kafka in it, which is the one that the tests run."""
    named = {
        each["image"]
        for each in services().values()
        if isinstance(each.get("build"), dict) and each["build"].get("target") == "kafka"
    }

    assert f"KAFKA={KAFKA_VERSION}" in of_kafka("ARG")
    assert named == {f"lagmon-kafka:{KAFKA_VERSION}"}


def test_only_the_broker_has_the_agent() -> None:
    """The image's command starts the agent, and no variable that tools would inherit."""
    (command,) = of_kafka("CMD")

    assert "-javaagent:/opt/jmx/agent.jar=9404:/opt/jmx/jmx.yml" in command
    assert not of_kafka("ENV")
    assert "KAFKA_OPTS" not in services()["kafka"]["environment"]
    assert "command" not in services()["kafka"]
