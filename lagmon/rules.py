"""The rules that can open an incident: what is watched, for how long, and how bad it is.

In: the overrides from the settings. Out: frozen `Rule` values that `incidents.step` judges by, the
notifiers describe alerts with, and documentation and rule files are written from. A rule never
looks at a clock and never says whether it holds for somebody: it only compares one number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Severity(StrEnum):
    """How bad it is, in the words that Alertmanager routes and PagerDuty accept."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Priority(StrEnum):
    """How fast somebody has to look: P1 wakes them up."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


class Scope(StrEnum):
    """What one incident of a rule is about."""

    CLUSTER = "cluster"
    GROUP = "group"
    TOPIC = "topic"
    PARTITION = "partition"


@dataclass(frozen=True, slots=True)
class LagAbove:
    """The condition that a lag is above *threshold* messages. Exactly *threshold* is fine."""

    threshold: float

    def holds(self, lag: float) -> bool:
        """Compare *lag*, in messages."""
        return lag > self.threshold


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to page.

    *name* is the alert's name, *code* the stable one that runbooks and dashboards refer to. The
    condition has to hold for *for_seconds* without a known moment in which it does not. *title*
    says in a few words what is wrong with whom the incident is about.
    """

    name: str
    code: str
    severity: Severity
    priority: Priority
    scope: Scope
    condition: LagAbove
    for_seconds: float
    title: str


@dataclass(frozen=True, slots=True)
class Override:
    """What the settings change in a shipped rule; ``None`` leaves it as it is."""

    threshold: float | None = None
    for_seconds: float | None = None


KAFKA_CONSUMER_LAG = Rule(
    name="KafkaConsumerLag",
    code="KAFKA_CONSUMER_LAG",
    severity=Severity.CRITICAL,
    priority=Priority.P1,
    scope=Scope.GROUP,
    condition=LagAbove(1000),
    for_seconds=15.0,
    title="consumer lag above the limit",
)

SHIPPED: tuple[Rule, ...] = (KAFKA_CONSUMER_LAG,)


def refused(names: Iterable[str]) -> list[str]:
    """Say of those *names* that are no rule's that they are not, and which there are."""
    unknown = sorted(set(names) - {rule.name for rule in SHIPPED})
    known = ", ".join(rule.name for rule in SHIPPED)
    return [f"rules.{name}: no rule is called so; there is: {known}" for name in unknown]


def configured(overrides: Mapping[str, Override]) -> tuple[Rule, ...]:
    """Give the shipped rules with *overrides*, by rule name, applied.

    Raises:
        ValueError: An override names no shipped rule; the message lists those that exist.
    """
    problems = refused(overrides)
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(_override(rule, overrides.get(rule.name, Override())) for rule in SHIPPED)


def _override(rule: Rule, override: Override) -> Rule:
    if override.threshold is not None:
        rule = replace(rule, condition=LagAbove(override.threshold))
    if override.for_seconds is not None:
        rule = replace(rule, for_seconds=override.for_seconds)
    return rule
