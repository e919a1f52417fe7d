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
from tests.infra.pagerduty import ROUTING_KEY, PagerDuty
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


def configured(folder: Path, *urls: str, pagerduty: str | None = None) -> str:
    """Write settings with an Alertmanager at each of *urls*; give their path.

    With *pagerduty* there is one at that address.
    """
    key = folder / "routing-key"
    key.write_text(ROUTING_KEY)
    standing_by = {"pagerduty": {"routing_key_file": str(key), "url": pagerduty}}
    path = folder / "lagmon.yml"
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "local", "bootstrap_servers": "127.0.0.1:1"}],
                "alertmanagers": [{"url": url} for url in urls],
                "links": {"runbook": "https://wiki.example/{rule}"},
                **(standing_by if pagerduty else {}),
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


def test_pagerduty_is_not_told_unless_it_is_said_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], alertmanager: Alertmanager
) -> None:
    """It would wake somebody; what it would take for that is said."""
    with PagerDuty() as pagerduty:
        config = configured(tmp_path, alertmanager.url, pagerduty=pagerduty.url)
        assert cli.main(["notify-test", "--config", config]) == 0
        taken = capsys.readouterr().out
        config = configured(tmp_path, f"http://127.0.0.1:{free_port()}", pagerduty=pagerduty.url)
        assert cli.main(["notify-test", "--config", config]) == 1
        away = capsys.readouterr().out
        config = configured(tmp_path, pagerduty=pagerduty.url)
        assert cli.main(["notify-test", "--config", config]) == 1
        alone = capsys.readouterr().out

        assert pagerduty.events() == []

    assert "would not be told now, as an Alertmanager takes alerts; not tried" in taken
    assert "would be told once no Alertmanager has taken anything for 2m; not tried" in away
    assert "would be told at once, as there is no Alertmanager; not tried" in alone


def test_pagerduty_is_tried_when_it_is_said_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The event says that it is a test; the key is in the event alone."""
    with PagerDuty() as pagerduty:
        config = configured(tmp_path, pagerduty=pagerduty.url)
        assert cli.main(["notify-test", "--config", config, "--pagerduty"]) == 0

        said = capsys.readouterr()
        (event,) = pagerduty.events()
        where = pagerduty.url.partition("://")[2]

    assert said.out == f"pagerduty:{where}: sent\n"
    assert "there is nothing to do" in event["payload"]["summary"]
    assert ROUTING_KEY not in said.out + said.err


@pytest.mark.parametrize("priority", Priority)
def test_the_test_is_about_no_group(priority: Priority) -> None:
    """Nobody looks for a group that is not sick."""
    said = annotate(notice("local", priority, NOON), Links())

    assert said["summary"].startswith("Cluster local: a test of notifications")
    assert not {name for name in said if name.startswith("command_")}
