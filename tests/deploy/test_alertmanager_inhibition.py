"""What holds what back: a table of pairs, asked of a real Alertmanager with the shipped rules."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.files import ALERTMANAGER, ROOT, RULE_TESTS, alerting_rules, read
from tests.deploy.paging import Paging
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs/reference/paging.md"
PRIORITIES = {rule["alert"]: rule["labels"]["priority"] for rule in alerting_rules()}
GROUP = "kafka_cluster=local group=game-consumer"
# What fires, what else would, and whether the second is held back.
HELD = [
    (f"KafkaConsumerLag {GROUP}", f"KafkaConsumerStuck {GROUP}"),
    (f"KafkaConsumerLag {GROUP}", f"KafkaConsumerLagSeconds {GROUP}"),
    (f"KafkaConsumerStuck {GROUP}", f"KafkaConsumerFallingBehind {GROUP}"),
    ("ApiAbsent", "ApiErrorRate"),
    ("ApiAbsent", "ApiLatencyP99"),
    ("ApiAbsent", "NoPlays"),
    ("ApiAbsent", "ErrorBudgetBurnFast slo=api-availability"),
    ("ApiAbsent", "ErrorBudgetBurnSlow slo=api-latency"),
    ("ApiErrorRate", "NoPlays"),
    ("ApiErrorRate", "ErrorBudgetBurnFast slo=api-availability"),
    ("ApiLatencyP99", "ErrorBudgetBurnFast slo=api-latency"),
    ("EndToEndTime", "ErrorBudgetBurnFast slo=end-to-end"),
    ("ErrorBudgetBurnFast slo=end-to-end", "ErrorBudgetBurnSlow slo=end-to-end"),
    ("PostgresDown", "PostgresPoolExhausted"),
    ("PostgresDown", "PostgresConnectionsHigh"),
    ("PostgresDown", "CircuitBreakerOpen job=game-consumer breaker=postgres"),
    ("FintechApiErrorRate", "CircuitBreakerOpen job=game-consumer breaker=fintech"),
    ("KafkaBrokerAbsent instance=kafka:9404", "KafkaUnderReplicatedPartitions"),
    ("KafkaBrokerAbsent instance=kafka:9404", "CommitFailures job=game-consumer"),
    ("KafkaClusterBlind kafka_cluster=local", f"KafkaLagUnknown {GROUP}"),
    (
        "DiskAlmostFull instance=a mountpoint=/",
        "DiskFilling instance=a mountpoint=/",
    ),
]
FREE = [
    (f"KafkaConsumerStuck {GROUP}", f"KafkaConsumerLag {GROUP}"),  # the reverse
    (f"KafkaConsumerLag {GROUP}", "KafkaConsumerStuck kafka_cluster=local group=another"),
    (f"KafkaConsumerLag {GROUP}", f"KafkaRetentionRisk {GROUP}"),  # what is lost is lost
    ("ApiAbsent", "ErrorBudgetBurnFast slo=end-to-end"),  # the workers have their own objective
    ("ApiAbsent", f"KafkaConsumerLag {GROUP}"),
    ("ApiErrorRate", "ErrorBudgetBurnFast slo=api-latency"),
    ("NoPlays", "ApiAbsent"),
    ("ErrorBudgetBurnFast slo=end-to-end", "ErrorBudgetBurnSlow slo=api-latency"),
    ("PostgresDown", f"KafkaConsumerLag {GROUP}"),  # it says whether the game suffers
    ("PostgresDown", "CircuitBreakerOpen job=game-consumer breaker=fintech"),
    ("FintechApiErrorRate", "CircuitBreakerOpen job=game-consumer breaker=postgres"),
    ("KafkaBrokerAbsent instance=kafka:9404", "KafkaOfflinePartitions"),
    ("KafkaBrokerAbsent instance=kafka:9404", f"KafkaLagUnknown {GROUP}"),  # of which cluster?
    ("KafkaClusterBlind kafka_cluster=other", f"KafkaLagUnknown {GROUP}"),
    (
        "DiskAlmostFull instance=a mountpoint=/",
        "DiskFilling instance=a mountpoint=/var",
    ),
]
MATCHER = re.compile(r'alertname (=~?) "(.*)"')


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paging]:
    """Run one Alertmanager for the whole table; each case ends its own alerts."""
    with Paging(tmp_path_factory.mktemp("alertmanager")) as running:
        yield running


def labels_of(text: str) -> dict[str, str]:
    """Read an alert as the table writes it: its name, then its labels."""
    name, *pairs = text.split()
    return {"alertname": name} | dict(pair.split("=", 1) for pair in pairs)


def state(paging: Paging, labels: dict[str, str]) -> str:
    """Give the state of the alert with exactly *labels*, or nothing if there is none."""
    found = [each["status"]["state"] for each in paging.alerts() if each["labels"] == labels]
    return str(found[0]) if found else ""


def state_beside(paging: Paging, first: str, second: str) -> str:
    """Give the state of *second* while *first* fires, and end both.

    A pair that is known to hold comes after them: Alertmanager takes alerts in their order, so when
    that one is held back the two before it were looked at.
    """
    mark = {"instance": str(time.monotonic_ns()), "mountpoint": "/mark"}
    last = [{"alertname": "DiskAlmostFull"} | mark, {"alertname": "DiskFilling"} | mark]
    alerts = [{"labels": labels} for labels in [labels_of(first), labels_of(second), *last]]

    paging.post(*alerts)
    until(lambda: state(paging, last[1]) == "suppressed", what="the last pair to be looked at")
    said = state(paging, labels_of(second))

    paging.post(*[each | {"endsAt": datetime.now(UTC).isoformat()} for each in alerts])
    until(lambda: not paging.alerts(), what="the alerts to end")
    return said


@pytest.mark.parametrize(("first", "second"), HELD)
def test_a_cause_holds_its_consequence_back(alertmanager: Paging, first: str, second: str) -> None:
    """While the first fires nobody is told of the second."""
    assert state_beside(alertmanager, first, second) == "suppressed"


@pytest.mark.parametrize(("first", "second"), FREE)
def test_what_is_another_matter_is_told(alertmanager: Paging, first: str, second: str) -> None:
    """The second is told although the first fires."""
    assert state_beside(alertmanager, first, second) == "active"


def named(matchers: list[str]) -> set[str]:
    """Give the shipped alerts whose names *matchers* allow."""
    names = set(PRIORITIES)
    for matcher in matchers:
        if found := MATCHER.fullmatch(matcher):
            pattern = found[2] if found[1] == "=~" else re.escape(found[2])
            names = {name for name in names if re.fullmatch(pattern, name)}
    return names


def inhibitions() -> list[dict[str, Any]]:
    """Give the shipped rules that hold one alert back by another."""
    rules: list[dict[str, Any]] = read(ALERTMANAGER)["inhibit_rules"]
    return [rule for rule in rules if "alertname" not in rule.get("equal", [])]


def test_what_holds_back_and_what_waits_are_alerts() -> None:
    """Each name in a rule is that of a shipped alert: a name that none has would hold nothing."""
    names = {
        name
        for rule in inhibitions()
        for matcher in rule["source_matchers"] + rule["target_matchers"]
        if (found := MATCHER.fullmatch(matcher))
        for name in found[2].split("|")
    }

    assert names
    assert [
        name for name in names if not any(re.fullmatch(name, each) for each in PRIORITIES)
    ] == []


def labels_fired(name: str) -> list[set[str]]:
    """Give the names of the labels with which the alert *name* fires in its cases, each time."""
    cases = read(RULE_TESTS / f"{name}.yml")["tests"]
    return [
        set(alert["exp_labels"])
        for case in cases
        for moment in case.get("alert_rule_test", [])
        for alert in moment["exp_alerts"]
        if moment["alertname"] == name
    ]


def test_what_both_must_have_alike_both_have() -> None:
    """A label that only one of the two fires with is never equal: such a rule holds nothing."""
    pairs = [
        (source, target, label)
        for rule in inhibitions()
        for source in named(rule["source_matchers"])
        for target in named(rule["target_matchers"])
        for label in rule.get("equal", [])
    ]

    assert pairs
    assert [
        (source, target, label)
        for source, target, label in pairs
        if not all(label in labels for name in (source, target) for labels in labels_fired(name))
    ] == []


def test_what_a_rule_looks_at_is_a_label_of_the_alert() -> None:
    """Beside its name an alert is chosen by labels with which it fires."""
    chosen = [
        (name, matcher.split(" ")[0])
        for rule in inhibitions()
        for side in ("source_matchers", "target_matchers")
        for matcher in rule[side]
        for name in named(rule[side])
        if not matcher.startswith("alertname ")
    ]

    assert chosen
    assert [
        (name, label)
        for name, label in chosen
        if not all(label in labels for labels in labels_fired(name))
    ] == []


def test_the_page_lists_what_holds_what_back() -> None:
    """Each alert that a rule names stands in the table of the page on paging."""
    table = PAGE.read_text().partition("## What holds what back")[2].partition("## ")[0]

    named = {
        name
        for rule in inhibitions()
        for key in rule
        for name in re.findall(r"[A-Z]\w+", str(rule[key]))
    }

    assert named
    assert [name for name in named if f"`{name.removesuffix('.*')}" not in table] == []


def test_no_alert_holds_back_a_more_urgent_one() -> None:
    """What is held back is at most as urgent as what holds it; a P3 never quiets a P1."""
    pairs = [
        (source, target)
        for rule in inhibitions()
        for source in named(rule["source_matchers"])
        for target in named(rule["target_matchers"])
    ]

    assert pairs
    assert [pair for pair in pairs if PRIORITIES[pair[0]] > PRIORITIES[pair[1]]] == []
