"""What a machine lacks: an exception of the component, a skip or a failure of the test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.infra import docker
from tests.infra.alertmanager import Alertmanager
from tests.infra.kafka import KafkaBroker
from tests.infra.require import Missing, need, program, required


@pytest.fixture
def empty_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide every program, and forget what was found before."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(docker, "reachable", docker.reachable.__wrapped__)


def test_the_first_of_several_programs_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that has two names is found by either."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))

    assert program("no-such-program|python", "") == str(Path(sys.executable).with_name("python"))


def test_a_missing_program_is_named_with_its_remedy() -> None:
    """The exception says what is missing and how to get it."""
    with pytest.raises(Missing) as raised:
        program("no-such-program|nor-this", "install the package of dreams")

    assert str(raised.value) == (
        "no-such-program or nor-this is missing: install the package of dreams"
    )


def test_a_test_that_lacks_something_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a laptop a missing program is a skip with its remedy."""
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="install the package of dreams"):
        need("no-such-program", "install the package of dreams")


def test_in_ci_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI=true the same is a failure."""
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="install the package of dreams"):
        need("no-such-program", "install the package of dreams")


def test_other_errors_are_no_skip() -> None:
    """A component that is there but does not start is an error."""
    with pytest.raises(RuntimeError), required():
        raise RuntimeError


@pytest.mark.usefixtures("empty_path")
def test_kafka_without_java_and_docker_says_what_to_install() -> None:
    """Where no broker can run, the remedy names both ways."""
    with pytest.raises(Missing, match="java is missing: install Docker, or Java 17 and Maven"):
        KafkaBroker(own=True).start()


@pytest.mark.usefixtures("empty_path")
def test_alertmanager_that_is_not_installed_says_its_package() -> None:
    """Where there is no Alertmanager, the remedy names the package."""
    with pytest.raises(Missing, match="install the Debian package prometheus-alertmanager"):
        Alertmanager().start()
