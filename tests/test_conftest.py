"""The session itself: what is swallowed elsewhere fails here, what is missing is named.

The tests look at runs of pytest in processes of their own, on a file written here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent
OUTER = ("CI", "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "PYTEST_ADDOPTS")

SWALLOWERS = """
import asyncio, logging, os, threading, urllib.request

def test_thread():
    thread = threading.Thread(target=lambda: {}["of a thread"])
    thread.start()
    thread.join()

def test_callback():
    loop = asyncio.new_event_loop()
    loop.call_soon(lambda: {}["of a callback"])
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()

def test_log_line():
    logger = logging.getLogger("apart")
    logger.propagate = False
    logger.addHandler(logging.StreamHandler())
    logger.error("%d", "no number")

def test_file():
    open(__file__)

def test_proxy():
    spared = [urllib.request.proxy_bypass(name) for name in ("127.0.0.1", "here.example", "else")]
    assert spared == [True, True, False]

def test_settings():
    assert not {"LAGMON_WEB", "OTEL_SERVICE_NAME"} & set(os.environ)
"""
COMPONENTS = """
def test_kafka(kafka): ...
def test_own_kafka(own_kafka): ...
def test_alertmanager(alertmanager): ...
"""
KAFKA_REMEDY = "install Docker, or Java 17 and Maven"
ALERTMANAGER_REMEDY = "install the Debian package prometheus-alertmanager"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of pytest said: its output, and of each test ``failure: why`` or nothing."""

    output: str
    outcomes: Mapping[str, str]


def run(folder: Path, tests: str, **environment: str) -> Run:
    """Run pytest with our settings and fixtures on the source *tests*."""
    file, report = folder / "test_it.py", folder / "report.xml"
    file.write_text(tests)
    outer = {name: value for name, value in os.environ.items() if name not in OUTER}
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    place = ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}", f"--junitxml={report}"]
    done = subprocess.run(
        [*command, *place, str(file)],
        cwd=ROOT,
        env=outer | environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    cases = ET.parse(report).iter("testcase")  # noqa: S314 - pytest wrote it a moment ago
    return Run(done.stdout, {case.get("name", ""): outcome(case) for case in cases})


def outcome(case: ET.Element) -> str:
    """Say what happened to one test in pytest's JUnit report."""
    return "\n".join(
        f"{what.tag}: {what.get('message', '')}\n{what.text or ''}"
        for what in case
        if what.tag in {"failure", "error", "skipped"}
    )


@pytest.fixture(scope="module")
def swallowers(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run tests that each swallow an error, with settings of ours exported."""
    exported = {"LAGMON_WEB": "x", "OTEL_SERVICE_NAME": "x"}
    proxy = {"HTTP_PROXY": "http://proxy.example", "NO_PROXY": "here.example", "no_proxy": ""}
    return run(tmp_path_factory.mktemp("swallowers"), SWALLOWERS, **exported, **proxy)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run tests that need components with nothing on PATH."""
    return run(tmp_path_factory.mktemp("bare"), COMPONENTS, PATH="")


@pytest.fixture(scope="module")
def bare_ci(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the same with CI=true."""
    return run(tmp_path_factory.mktemp("bare_ci"), COMPONENTS, PATH="", CI="true")


def test_the_header_names_the_components(swallowers: Run) -> None:
    """The first lines say which Kafka and which PostgreSQL the tests met."""
    assert "\nKafka: " in swallowers.output
    assert "; mock: librdkafka 2." in swallowers.output
    assert "\nPostgreSQL: " in swallowers.output


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("test_thread", "KeyError: 'of a thread'"),
        ("test_callback", "KeyError: 'of a callback'"),
        ("test_log_line", "a log line could not be written: '%d' ('no number',)"),
        ("test_file", "unclosed file"),
    ],
)
def test_a_swallowed_error_fails_the_test(swallowers: Run, name: str, why: str) -> None:
    """What Python only prints, in a thread, a loop, a log call or a destructor, fails the test."""
    assert swallowers.outcomes[name].startswith(("failure", "error"))
    assert why in swallowers.outcomes[name]


def test_settings_of_the_shell_do_not_reach_a_test(swallowers: Run) -> None:
    """A test does not see the variables of our services that happen to be exported."""
    assert swallowers.outcomes["test_settings"] == ""


def test_a_proxy_of_the_shell_is_not_asked_for_what_is_here(swallowers: Run) -> None:
    """Nor for what the shell spares it; for everything else it is."""
    assert swallowers.outcomes["test_proxy"] == ""


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("test_kafka", KAFKA_REMEDY),
        ("test_own_kafka", KAFKA_REMEDY),
        ("test_alertmanager", ALERTMANAGER_REMEDY),
    ],
)
def test_a_missing_component_is_a_skip_with_its_remedy(bare: Run, name: str, remedy: str) -> None:
    """With nothing on PATH a test that needs a component is skipped and says what to install."""
    assert bare.outcomes[name].startswith("skipped")
    assert remedy in bare.outcomes[name]


def test_in_ci_a_missing_component_is_a_failure(bare_ci: Run) -> None:
    """With CI=true nothing is skipped: each is an error with the same remedy."""
    assert all(said.startswith("error") for said in bare_ci.outcomes.values())
    assert KAFKA_REMEDY in bare_ci.outcomes["test_kafka"]
    assert "skipped" not in bare_ci.output


def test_the_header_names_what_is_missing(bare: Run) -> None:
    """Where no broker can be had the header says so and how to get one."""
    assert f"\nKafka: java is missing: {KAFKA_REMEDY}" in bare.output
