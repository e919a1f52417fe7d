"""The rules that can open an incident: what is watched, for how long, and how bad it is.

In: the shipped rules, and what the settings change in them or add. Out: frozen `Rule` values that
`incidents.step` judges by, the notifiers describe alerts with, and documentation and rule files
are written from. A rule never looks at a clock and never says whether it holds for somebody: it
only compares one number, or names states.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from lagmon.alerts.conditions import Condition, Measure, above, in_state
from lagmon.model import State

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
    """What one incident of a rule is about. A topic or partition is always that of one group."""

    CLUSTER = "cluster"
    GROUP = "group"
    TOPIC = "topic"
    PARTITION = "partition"


@dataclass(frozen=True, slots=True)
class Override:
    """What the settings change in a rule; ``None`` leaves it as it is.

    *labels* and *annotations* are pairs that are added. As an exception of a rule it is for the
    groups of which the whole name matches the pattern *groups*; as a change of the rule itself,
    these are then the only ones that it watches.
    """

    threshold: float | None = None
    for_seconds: float | None = None
    keep_firing_for_seconds: float | None = None
    groups: str | None = None
    severity: Severity | None = None
    priority: Priority | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    owner: str | None = None
    runbook: str | None = None
    enabled: bool | None = None
    exceptions: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to page.

    *name* is the alert's name, *code* the stable one that runbooks and dashboards refer to. The
    condition has to hold for *for_seconds* without a known moment in which it does not, and what
    is open ends when it was known not to hold for *keep_firing_for_seconds*. *title* says in a few
    words what is wrong with whom the incident is about.

    Only groups of which the whole name matches *groups* are watched, and with *alive_only* only
    those that were ever seen to have members or to commit, or that the configuration names.
    *owner* is who is to be asked, *runbook* the address of what to do. The first of *exceptions*
    that matches a group changes the rule for it.
    """

    name: str
    code: str
    severity: Severity
    priority: Priority
    scope: Scope
    condition: Condition
    for_seconds: float
    title: str
    keep_firing_for_seconds: float = 0.0
    groups: str = ".*"
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    owner: str = ""
    runbook: str = ""
    alive_only: bool = False
    enabled: bool = True
    exceptions: tuple[Override, ...] = ()

    def of(self, group: str | None) -> Rule | None:
        """Give the rule as it is for *group*, None if it is not for it; as it is for a cluster."""
        if group is None or self.is_plain:
            return self
        return _of(self, group)

    @property
    def is_plain(self) -> bool:
        """Whether the rule is the same for every group."""
        return self.groups == ".*" and not self.exceptions

    @property
    def sums_up(self) -> bool:
        """Whether it compares what all groups of a cluster make together."""
        return self.scope is Scope.CLUSTER and self.condition.measure is not Measure.LIST

    def changed(self, override: Override) -> Rule:
        """Give the rule with *override* applied."""
        given = {
            each.name: value
            for each in fields(override)
            if each.name not in {"threshold", "labels", "annotations", "exceptions"}
            if (value := getattr(override, each.name)) is not None
        }
        threshold = override.threshold
        if threshold is not None:
            given["condition"] = replace(self.condition, threshold=threshold)
        return replace(
            self,
            **given,
            labels=_joined(self.labels, override.labels),
            annotations=_joined(self.annotations, override.annotations),
            exceptions=self.exceptions + override.exceptions,
        )


# Rules are few and groups live long; a pattern is matched once for both.
@lru_cache(maxsize=1 << 16)
def _of(rule: Rule, group: str) -> Rule | None:
    if not matches(rule.groups, group):
        return None
    for exception in rule.exceptions:
        if exception.groups is not None and matches(exception.groups, group):
            changed = replace(rule, exceptions=()).changed(replace(exception, groups=None))
            return changed if changed.enabled else None
    return rule


def matches(pattern: str, name: str) -> bool:
    """Tell whether *pattern* matches the whole of *name*."""
    return re.fullmatch(pattern, name, re.DOTALL) is not None


def _joined(
    first: tuple[tuple[str, str], ...], second: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    return tuple((dict(first) | dict(second)).items())


KAFKA_CONSUMER_LAG = Rule(
    name="KafkaConsumerLag",
    code="KAFKA_CONSUMER_LAG",
    severity=Severity.CRITICAL,
    priority=Priority.P1,
    scope=Scope.GROUP,
    condition=above(1000),
    for_seconds=15.0,
    title="consumer lag above the limit",
)

KAFKA_CONSUMER_STUCK = Rule(
    name="KafkaConsumerStuck",
    code="KAFKA_CONSUMER_STUCK",
    severity=Severity.CRITICAL,
    priority=Priority.P1,
    scope=Scope.GROUP,
    condition=in_state(
        State.STALLED, State.BLOCKED, State.STOPPED, State.LOST, State.HANGING_TRANSACTION
    ),
    for_seconds=60.0,
    title="consumer group does not get on",
    alive_only=True,
)

KAFKA_LAG_UNKNOWN = Rule(
    name="KafkaLagUnknown",
    code="KAFKA_LAG_UNKNOWN",
    severity=Severity.CRITICAL,
    priority=Priority.P1,
    scope=Scope.GROUP,
    condition=Condition(Measure.VALUE),
    for_seconds=120.0,
    title="consumer lag, or a part of it, cannot be read any more",
)

KAFKA_CLUSTER_BLIND = Rule(
    name="KafkaClusterBlind",
    code="KAFKA_CLUSTER_BLIND",
    severity=Severity.CRITICAL,
    priority=Priority.P1,
    scope=Scope.CLUSTER,
    condition=Condition(Measure.LIST),
    for_seconds=120.0,
    title="cluster cannot be seen",
)

SHIPPED: tuple[Rule, ...] = (
    KAFKA_CONSUMER_LAG,
    KAFKA_CONSUMER_STUCK,
    KAFKA_LAG_UNKNOWN,
    KAFKA_CLUSTER_BLIND,
)


def refused(names: Iterable[str]) -> list[str]:
    """Say of those *names* that are no rule's that they are not, and which there are."""
    unknown = sorted(set(names) - {rule.name for rule in SHIPPED})
    known = ", ".join(rule.name for rule in SHIPPED)
    return [
        f"rules.{name}: no rule is called so; there is: {known}; one of your own needs a condition"
        for name in unknown
    ]


def configured(overrides: Mapping[str, Override], own: Iterable[Rule] = ()) -> tuple[Rule, ...]:
    """Give the shipped rules with *overrides*, by rule name, applied, then those of one's *own*.

    A rule that is switched off is left out.

    Raises:
        ValueError: An override names no shipped rule; the message lists those that exist.
    """
    problems = refused(overrides)
    if problems:
        raise ValueError("\n".join(problems))
    shipped = (rule.changed(overrides.get(rule.name, Override())) for rule in SHIPPED)
    return tuple(rule for rule in (*shipped, *own) if rule.enabled)
