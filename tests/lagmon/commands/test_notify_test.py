"""`lagmon notify-test`: who is told, and what it says of those who are not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lagmon import cli
from lagmon.alerts.rules import Priority
from lagmon.commands.notify_test import notice
from lagmon.notify.annotations import annotate
from lagmon.report import Links
from propagation.integrations import logs
from tests.infra.ports import free_port
from tests.infra.wait import until
from tests.lagmon.builders import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.alertmanager import Alertmanager, WebhookReceiver


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Put the logging back after a command that ran inside this process."""
    yield
    logs.restore()


def configured(folder: Path, *urls: str) -> str:
    """Write settings with an Alertmanager at each of *urls*; give their path."""
    path = folder / "lagmon.yml"
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "local", "bootstrap_servers": "127.0.0.1:1"}],
                "alertmanagers": [{"url": url} for url in urls],
                "links": {"runbook": "https://wiki.example/{rule}"},
            }
        )
    )
    return str(path)


def test_a_test_reaches_whoever_is_on_call(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    alertmanager: Alertmanager,
    webhook: WebhookReceiver,
) -> None:
    """It takes the way of the priority that was asked for, and says that it is a test."""
    config = configured(tmp_path, alertmanager.url)

    assert cli.main(["notify-test", "--config", config, "--priority", "P1"]) == 0

    name = alertmanager.url.removeprefix("http://")
    assert capsys.readouterr().out == f"alertmanager:{name}: sent\n"
    (told,) = until(webhook.notifications, what="the notification")
    (alert,) = told["alerts"]
    assert alert["labels"] == {
        "alertname": "LagmonNotifyTest",
        "code": "LAGMON_NOTIFY_TEST",
        "severity": "critical",
        "priority": "P1",
        "kafka_cluster": "local",
        "source": "lagmon",
    }
    assert "there is nothing to do" in alert["annotations"]["summary"]
    assert "runbook_url" not in alert["annotations"]


def test_a_test_wakes_nobody_unless_it_is_told_to(
    tmp_path: Path, alertmanager: Alertmanager
) -> None:
    """Without a priority it is a P3, which the shipped Alertmanager only shows."""
    assert cli.main(["notify-test", "--config", configured(tmp_path, alertmanager.url)]) == 0

    (held,) = alertmanager.alerts()
    assert (held["labels"]["priority"], held["labels"]["severity"]) == ("P3", "info")


def test_a_receiver_that_is_away_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], alertmanager: Alertmanager
) -> None:
    """The others are told all the same; the exit code says that one was not."""
    away = f"http://u:hunter2@127.0.0.1:{free_port()}"
    config = configured(tmp_path, away, alertmanager.url)

    assert cli.main(["notify-test", "--config", config]) == 1

    said = capsys.readouterr()
    where = away.partition("@")[2]
    first, second = said.out.splitlines()
    assert first == f"alertmanager:{where}: failed"
    assert second.endswith(": sent")
    (why,) = [json.loads(line) for line in said.err.splitlines()]
    assert (why["event"], why["notifier"]) == ("notifier_failed", f"alertmanager:{where}")
    assert "hunter2" not in said.out + said.err


def test_nobody_to_tell_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A configuration without receivers is no success."""
    assert cli.main(["notify-test", "--config", configured(tmp_path)]) == 1

    assert capsys.readouterr().out.startswith("nobody is told: ")


@pytest.mark.parametrize("priority", Priority)
def test_the_test_is_about_no_group(priority: Priority) -> None:
    """Nobody looks for a group that is not sick."""
    said = annotate(notice("local", priority, NOON), Links())

    assert said["summary"].startswith("Cluster local: a test of notifications")
    assert not {name for name in said if name.startswith("command_")}
