"""Alertmanager's routes: every shipped alert reaches who it is for, and none goes unheard."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from lagmon.alerts.rules import SHIPPED
from tests.deploy.files import ALERTMANAGER, alerting_rules, read
from tests.infra.alertmanager import INSTALL
from tests.infra.require import need

if TYPE_CHECKING:
    from collections.abc import Iterator

# By which channels each priority is told; what has none of them is told by all.
TOLD = {
    "P0": {"pagerduty", "slack"},
    "P1": {"pagerduty"},
    "P2": {"pagerduty", "slack"},
    "P3": {"slack"},
}
EVERY = {"pagerduty", "slack"}
# PagerDuty takes its urgency from the severity: critical rings at night, a warning does not.
SEVERITIES = {"P0": "critical", "P1": "critical", "P2": "warning", "P3": "info"}


def shipped_labels() -> list[dict[str, str]]:
    """Give the labels of each alert that Prometheus or lagmon may send."""
    prometheus = [rule["labels"] | {"alertname": rule["alert"]} for rule in alerting_rules()]
    lagmon = [
        {"alertname": each.name, "priority": each.priority.value, "severity": each.severity.value}
        for each in SHIPPED
    ]
    return prometheus + lagmon


def receiver_of(labels: dict[str, str]) -> str:
    """Ask amtool for the receivers of an alert with *labels*."""
    program = need("amtool", INSTALL)
    where = ["config", "routes", "test", f"--config.file={ALERTMANAGER}"]
    pairs = [f"{name}={value}" for name, value in labels.items()]
    done = subprocess.run([program, *where, *pairs], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def channels(receiver: str) -> set[str]:
    """Give the channels of *receiver*: what stands in the configuration, not in its name."""
    (found,) = [each for each in read(ALERTMANAGER)["receivers"] if each["name"] == receiver]
    return {key.removesuffix("_configs") for key in found if key != "name"}


def routes() -> Iterator[dict[str, Any]]:
    """Give every route, the root first."""
    root = read(ALERTMANAGER)["route"]
    yield root
    yield from root["routes"]


@pytest.mark.parametrize("priority", sorted(TOLD))
def test_every_alert_reaches_who_it_is_for(priority: str) -> None:
    """Amtool routes each shipped alert to the channels of its priority, whatever else it says."""
    alerts = [labels for labels in shipped_labels() if labels["priority"] == priority]
    bare = {"alertname": "AnyOther", "priority": priority}

    told = {
        labels["alertname"]: channels(receiver_of(labels))
        for labels in [bare | {"severity": "none"}, *alerts]
    }

    assert told == dict.fromkeys(told, TOLD[priority])


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"priority": "P10"},
        {"priority": "p1"},
        {"priority": "P4"},
        {"priority": "high"},
        {"severity": "info"},
        {"severity": "none", "team": "other"},
    ],
)
def test_an_alert_that_nobody_sorted_is_heard(labels: dict[str, str]) -> None:
    """Without a priority, or with one that nobody knows, an alert is told by every channel."""
    assert channels(receiver_of({"alertname": "AnyOther"} | labels)) == EVERY


def test_each_priority_has_a_route_of_its_own() -> None:
    """The routes know the four priorities, once each, and end there."""
    _, *below = routes()

    assert [each["matchers"] for each in below] == [[f'priority = "{name}"'] for name in TOLD]
    assert not any("routes" in each or each.get("continue") for each in below)


def test_the_severity_of_an_alert_is_that_of_its_priority() -> None:
    """PagerDuty rings for a P0 and a P1, and for nothing less: the severity decides it."""
    said = {
        labels["alertname"]: (labels["priority"], labels["severity"]) for labels in shipped_labels()
    }

    assert set(said.values()) <= set(SEVERITIES.items()), said


def test_what_is_urgent_is_told_at_once_and_at_any_hour() -> None:
    """No wait, no hours and no maintenance stand between a P0 or P1 and the phone."""
    urgent = [
        each
        for each in routes()
        if any(f'"{p}"' in str(each.get("matchers")) for p in ("P0", "P1"))
    ]

    assert [each["group_wait"] for each in urgent] == ["0s", "0s"]
    assert not any("time_intervals" in key for each in urgent for key in each)


def test_no_receiver_is_silent() -> None:
    """Each receiver is used by a route, and has somebody to tell."""
    names = {each["name"] for each in read(ALERTMANAGER)["receivers"]}

    assert {each["receiver"] for each in routes()} | {"slack"} == names
    assert all(channels(name) for name in names)


def test_no_secret_stands_in_the_configuration() -> None:
    """Keys and addresses that let one in are read from the folder that is mounted for them."""
    text = ALERTMANAGER.read_text()
    receivers = read(ALERTMANAGER)["receivers"]

    configs = [c for each in receivers for key, cs in each.items() if key != "name" for c in cs]
    files = {value for config in configs for key, value in config.items() if key.endswith("_file")}

    assert files == {
        "/etc/alertmanager/secrets/pagerduty_routing_key",
        "/etc/alertmanager/secrets/slack_api_url",
    }
    for secret in ("api_url:", "routing_key:", "service_key:", "password", "token"):
        assert secret not in text
