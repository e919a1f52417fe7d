"""What the configuration can say of rules and maintenance, and what comes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from lagmon.alerts.maintenance import holding
from lagmon.alerts.rules import SHIPPED, Priority, Scope, Severity
from lagmon.configuration.rule_settings import rules_of
from lagmon.configuration.sources import load
from lagmon.errors import SettingsError
from lagmon.model import IncidentKey, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lagmon.alerts.rules import Rule
    from lagmon.configuration.settings import Settings

    Given = Callable[[str], Settings]

CLUSTER = "clusters: [{name: local, bootstrap_servers: 'kafka:9092'}]\n"


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """Load the settings that a text gives beside one cluster."""

    def read(text: str) -> Settings:
        path = tmp_path / "lagmon.yml"
        path.write_text(CLUSTER + text)
        return load(path)

    return read


def rule(settings: Settings, name: str) -> Rule:
    """Give the rule of that name."""
    (found,) = [each for each in rules_of(settings.rules) if each.name == name]
    return found


def of(settings: Settings, name: str, group: str) -> Rule:
    """Give the rule of that name as it is for *group*."""
    found = rule(settings, name).of(group)
    assert found is not None
    return found


def test_nothing_said_is_what_is_shipped(given: Given) -> None:
    """Four rules stand without a word in the configuration."""
    assert rules_of(given("").rules) == SHIPPED


def test_a_group_has_its_own_limit_time_owner_and_runbook(given: Given) -> None:
    """The first override that matches the whole name counts; others keep what the rule says."""
    settings = given("""
rules:
  KafkaConsumerLag:
    owner: platform
    overrides:
      - {groups: "settle-.*", threshold: 50000, for: 5m, keep_firing_for: 1m, owner: payments,
         runbook: "https://wiki.example/settle", severity: warning, priority: P2}
      - {groups: "settle-eu", threshold: 1}
""")

    settle, other = (of(settings, "KafkaConsumerLag", name) for name in ("settle-eu", "settle"))
    assert (settle.condition.threshold, settle.for_seconds) == (50_000, 300)
    assert (settle.keep_firing_for_seconds, settle.owner) == (60, "payments")
    assert settle.runbook == "https://wiki.example/settle"
    assert (settle.severity, settle.priority) == (Severity.WARNING, Priority.P2)
    assert (other.condition.threshold, other.for_seconds, other.owner) == (1000, 15, "platform")


def test_a_rule_can_leave_groups_out(given: Given) -> None:
    """By its own pattern, or by an override that switches it off."""
    settings = given("""
rules:
  KafkaConsumerLag: {groups: "settle.*", overrides: [{groups: settle-test, enabled: false}]}
""")

    found = rule(settings, "KafkaConsumerLag")
    assert found.of("settle-eu") is not None
    assert (found.of("settle-test"), found.of("audit")) == (None, None)


def test_a_rule_can_be_switched_off(given: Given) -> None:
    """It is no rule any more, so that what it had opened ends."""
    names = [
        each.name for each in rules_of(given("rules: {KafkaLagUnknown: {enabled: false}}").rules)
    ]

    assert names == ["KafkaConsumerLag", "KafkaConsumerStuck", "KafkaClusterBlind"]


def test_labels_and_annotations_are_added(given: Given) -> None:
    """Those of an override come to those of the rule, and win where both name one."""
    settings = given("""
rules:
  KafkaConsumerLag:
    labels: {team: a, tier: "1"}
    annotations: {dashboard: all}
    overrides: [{groups: g, labels: {team: b}, annotations: {dashboard: g}}]
""")

    found = of(settings, "KafkaConsumerLag", "g")
    assert dict(found.labels) == {"team": "b", "tier": "1"}
    assert dict(found.annotations) == {"dashboard": "g"}


def test_a_rule_of_ones_own(given: Given) -> None:
    """A condition makes one; what it does not say is the mildest."""
    settings = given("""
rules:
  PaymentsLate: {condition: "seconds > 300", for: 2m, priority: P2, scope: partition}
  NearlyLost: {condition: retention > 0.8, code: NEARLY, title: unread records are nearly lost}
  Recreated: {condition: "state in beyond_end, rewound"}
""")

    late, nearly, recreated = (
        rule(settings, name) for name in ("PaymentsLate", "NearlyLost", "Recreated")
    )
    assert (str(late.condition), late.for_seconds, late.scope) == (
        "seconds > 300", 120, Scope.PARTITION,
    )  # fmt: skip
    assert (late.code, late.severity, late.priority) == ("PAYMENTS_LATE", "warning", "P2")
    assert (nearly.code, nearly.title, nearly.priority) == (
        "NEARLY", "unread records are nearly lost", "P3",
    )  # fmt: skip
    assert recreated.condition.states == (State.BEYOND_END, State.REWOUND)
    assert recreated.for_seconds == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rules: {Own: {threshold: 5}}",
         "rules.Own: no rule is called so; there is: KafkaConsumer"),
        ("rules: {Own: {condition: lag}}", "rules.Own.condition: is no condition; write it as lag"),
        ("rules: {Own: {condition: lag > much}}", "rules.Own.condition: much is no threshold"),
        ("rules: {Own: {condition: lag > -1}}", "rules.Own.condition: -1 is no threshold"),
        ("rules: {Own: {condition: lag > inf}}", "rules.Own.condition: inf is no threshold"),
        ("rules: {Own: {condition: state in idle}}", "rules.Own.condition: idle is no state"),
        ("rules: {Own: {condition: 'state in lost,'}}", "rules.Own.condition: nothing is no state"),
        ("rules: {Own: {condition: state in pending}}",
         "rules.Own.condition: pending is a state that"),
        ("rules: {Own: {condition: state in unknown}}",
         "rules.Own.condition: unknown is a state that"),
        ("rules: {Own: {condition: lag > 1, threshold: 5}}", "rules.Own: threshold stands in the"),
        ("rules: {my-own: {condition: lag > 1}}", "rules.my-own: is no name; it has letters"),
        ("rules: {KafkaConsumerLag: {condition: lag > 1}}",
         "rules.KafkaConsumerLag.condition: that"),
        ("rules: {KafkaConsumerLag: {scope: topic}}",
         "rules.KafkaConsumerLag: scope is for a rule"),
        ("rules: {KafkaConsumerStuck: {threshold: 5}}",
         "rules.KafkaConsumerStuck.threshold: there is"),
        ("rules: {KafkaConsumerLag: {labels: {a-b: x}}}",
         "rules.KafkaConsumerLag.labels: 'a-b' is no"),
        ("rules: {KafkaConsumerLag: {labels: {group: x}}}",
         "rules.KafkaConsumerLag.labels: 'group' is"),
        ("rules: {KafkaConsumerLag: {groups: '('}}", "rules.KafkaConsumerLag.groups: "),
        ("rules: {KafkaConsumerLag: {overrides: [{for: 1m}]}}",
         "rules.KafkaConsumerLag.overrides[0].groups: is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(given: Given, text: str, problem: str) -> None:
    """The key is named, and what would be right."""
    with pytest.raises(SettingsError) as caught:
        given(text)

    (told,) = caught.value.problems
    assert told.startswith(problem)


def test_windows_of_both_kinds_are_read(given: Given) -> None:
    """One that comes once and one that comes again, with a time of day that YAML takes apart."""
    settings = given("""
maintenance:
  - {name: move, time_zone: Europe/Berlin, from: 2025-11-24 17:00, until: 2025-11-24 18:00:00}
  - {name: nightly, time_zone: UTC, days: [mon, tue], at: 22:00, lasts: 30m, groups: "batch-.*"}
""")
    windows = [each.window() for each in settings.maintenance]

    def held(clock: str, group: str) -> bool:
        now = datetime.fromisoformat(clock).replace(tzinfo=UTC).timestamp()
        return holding(windows, now)(IncidentKey("KafkaConsumerLag", "local", group))

    assert held("2025-11-24 16:59:59", "settle")
    assert not held("2025-11-24 17:00:00", "settle")
    assert held("2025-11-25 22:29", "batch-1")
    assert not held("2025-11-25 22:29", "settle")
    assert not held("2025-11-26 22:10", "batch-1")


@pytest.mark.parametrize(
    ("at", "clock"),
    [("22:00", "22:00"), ("02:00", "02:00"), ("1:30:05", "01:30:05"), ("'22:00'", "22:00")],
)
def test_a_time_of_day_is_what_was_written(given: Given, at: str, clock: str) -> None:
    """YAML reads some of them as numbers to the base of 60."""
    (window,) = given(
        f"maintenance: [{{name: w, time_zone: UTC, at: {at}, lasts: 1h}}]"
    ).maintenance

    assert window.at is not None
    assert window.at.isoformat().startswith(clock)


@pytest.mark.parametrize(
    ("window", "problem"),
    [
        ("time_zone: CEST, at: 22:00, lasts: 1h", "maintenance[0].time_zone: is no time zone"),
        ("time_zone: ../etc, at: 22:00, lasts: 1h", "maintenance[0].time_zone: is no time zone"),
        ("at: 22:00, lasts: 1h", "maintenance[0].time_zone: is missing"),
        ("time_zone: UTC, at: 22:00", "maintenance[0]: has either from and until, or at and lasts"),
        ("time_zone: UTC, from: 2025-11-24 17:00", "maintenance[0]: has either from and until"),
        ("time_zone: UTC, at: 22:00, lasts: 1h, from: 2025-11-24 17:00",
         "maintenance[0]: has either"),
        ("time_zone: UTC, from: 2025-11-24 17:00, until: 2025-11-24 17:00",
         "maintenance[0]: until must come after from"),
        ("time_zone: UTC, from: '2025-11-24T17:00Z', until: 2025-11-25 17:00",
         "maintenance[0].from: is written without an offset"),
        ("time_zone: UTC, at: '22:00Z', lasts: 1h",
         "maintenance[0].at: is written without an offset"),
        ("time_zone: UTC, at: 25:00, lasts: 1h", "maintenance[0].at: "),
        ("time_zone: UTC, at: 22:00, lasts: 1h, days: [monday]", "maintenance[0].days[0]: "),
        ("time_zone: UTC, at: 22:00, lasts: 0s", "maintenance[0].lasts: must be more than nothing"),
    ],
)  # fmt: skip
def test_a_window_that_cannot_be_meant_is_refused(given: Given, window: str, problem: str) -> None:
    """The key is named, and what would be right."""
    with pytest.raises(SettingsError) as caught:
        given(f"maintenance: [{{name: w, {window}}}]")

    (told,) = caught.value.problems
    assert told.startswith(problem)
