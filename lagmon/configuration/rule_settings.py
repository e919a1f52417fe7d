"""The shape of ``rules:`` in the configuration, and the rules that come of it.

In: what the file says of each rule by name. Out: values of `lagmon.alerts.rules`: the shipped
ones as they are changed, and those of one's own. Problems are told by key, all at once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from lagmon.alerts.conditions import parse
from lagmon.alerts.rules import (
    SHIPPED,
    Override,
    Priority,
    Rule,
    Scope,
    Severity,
    configured,
    refused,
)
from lagmon.configuration.parts import Link, Part, Span

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
OURS = frozenset(
    {
        "alertname",
        "code",
        "group",
        "kafka_cluster",
        "owner",
        "partition",
        "priority",
        "severity",
        "source",
        "copy_of",
        "topic",
    }
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _condition(text: str) -> str:
    parse(text)
    return text


def _names(pairs: dict[str, str]) -> dict[str, str]:
    wrong = sorted(name for name in pairs if not NAME.fullmatch(name))
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no name; it has letters, digits and _ alone")
    return pairs


def _labels(pairs: dict[str, str]) -> dict[str, str]:
    taken = sorted(OURS & pairs.keys())
    if taken:
        raise ValueError(f"{taken[0]!r} is a label that lagmon sets itself")
    return pairs


Pairs = Annotated[dict[str, str], AfterValidator(_names)]


class RuleChange(Part):
    """What can be changed in a rule; None keeps what it is. ``for:`` is *for_seconds*."""

    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    for_seconds: Span | None = Field(default=None, alias="for")
    keep_firing_for: Span | None = None
    severity: Severity | None = None
    priority: Priority | None = None
    labels: Annotated[Pairs, AfterValidator(_labels)] = Field(default={})
    annotations: Pairs = Field(default={})
    owner: str | None = None
    runbook: Link | None = None
    enabled: bool | None = None

    def changes(self) -> dict[str, Any]:
        """Give what `Override` takes of it."""
        return {
            "threshold": self.threshold,
            "for_seconds": self.for_seconds,
            "keep_firing_for_seconds": self.keep_firing_for,
            "severity": self.severity,
            "priority": self.priority,
            "labels": tuple(self.labels.items()),
            "annotations": tuple(self.annotations.items()),
            "owner": self.owner,
            "runbook": self.runbook,
            "enabled": self.enabled,
        }


class GroupOverride(RuleChange):
    """What is different for the groups of which the whole name matches *groups*."""

    groups: re.Pattern[str]

    def override(self) -> Override:
        """Give it as a value."""
        return Override(groups=self.groups.pattern, **self.changes())


class RuleSettings(RuleChange):
    """A change of a shipped rule, or with a *condition* a rule of one's own."""

    groups: re.Pattern[str] | None = None
    overrides: tuple[GroupOverride, ...] = ()
    condition: Annotated[str, AfterValidator(_condition)] | None = None
    scope: Scope | None = None
    code: Annotated[str, Field(min_length=1)] | None = None
    title: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        own = [name for name in ("scope", "code", "title") if getattr(self, name) is not None]
        if self.condition is None and own:
            raise ValueError(f"{own[0]} is for a rule of your own, which needs a condition")
        if self.condition is not None and self.threshold is not None:
            raise ValueError("threshold stands in the condition")
        return self

    def override(self) -> Override:
        """Give what it changes in a rule."""
        return Override(
            groups=self.groups.pattern if self.groups else None,
            exceptions=tuple(each.override() for each in self.overrides),
            **self.changes(),
        )

    def rule(self, name: str) -> Rule:
        """Give the rule of one's own that it is; it has a condition then."""
        condition = parse(self.condition or "")
        plain = Rule(
            name=name,
            code=self.code or _HUMP.sub("_", name).upper(),
            severity=Severity.WARNING,
            priority=Priority.P3,
            scope=self.scope or Scope.GROUP,
            condition=condition,
            for_seconds=0.0,
            title=self.title or str(condition),
        )
        return plain.changed(self.override())


def rules_of(settings: Mapping[str, RuleSettings]) -> tuple[Rule, ...]:
    """Give the rules that hold: the shipped ones as *settings* change them, then one's own."""
    own = [each.rule(name) for name, each in settings.items() if each.condition is not None]
    changes = {name: each.override() for name, each in settings.items() if each.condition is None}
    return configured(changes, own)


def problems_of(given: object) -> list[str]:
    """Say of *given*, as the file has it below ``rules:``, which names and keys do not fit."""
    if not isinstance(given, dict):
        return []
    parts = {str(name): part if isinstance(part, dict) else {} for name, part in given.items()}
    own = [name for name, part in parts.items() if "condition" in part]
    shipped = {rule.name: rule for rule in SHIPPED}
    told = [
        f"rules.{name}: is no name; it has letters, digits and _ alone"
        for name in own
        if not NAME.fullmatch(name)
    ]
    told += [
        f"rules.{name}.condition: that of a shipped rule stands; give yours a name of its own"
        for name in own
        if name in shipped
    ]
    told += [
        f"rules.{name}.threshold: there is none in {shipped[name].condition}"
        for name, part in parts.items()
        if name in shipped and not shipped[name].condition.compares and "threshold" in part
    ]
    return refused([name for name in parts if name not in own]) + told
