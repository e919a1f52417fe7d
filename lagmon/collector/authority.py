"""Ask a cluster about rights: whether it may be described, and what its rules are about.

Comes in: a topic that may be described. Goes out: `Told`. Never waits for long: these questions go
to the controller, and a cluster that has none is read all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from lagmon.collector.answers import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
        AclBinding,
        DescribeClusterResult,
        TopicDescription,
    )

    from lagmon.collector.calls import Ask, Calls, Deadline

STEP = "rights"
CLUSTER, TOPIC, RULES = (STEP, "cluster"), (STEP, "topic"), (STEP, "rules")
EVERY = "*"
REFUSED = "CLUSTER_AUTHORIZATION_FAILED"
WITHOUT_RULES = "SECURITY_DISABLED"  # no authorizer is there that could refuse anything
ABOUT_TOPICS = AclBindingFilter(
    ResourceType.TOPIC,
    None,  # type: ignore[arg-type] # documented: any
    ResourcePatternType.ANY,
    None,  # type: ignore[arg-type] # the same
    None,  # type: ignore[arg-type] # the same
    AclOperation.ANY,
    AclPermissionType.ANY,
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a cluster told: may it be described, None if nobody says; which topics have rules.

    A prefix that a rule is about counts as a topic; None if the question failed. Rules are told to
    whoever may describe the cluster: others are *refused*. *postponed*: an answer is still to come.
    """

    describable: bool | None
    topics: frozenset[str] | None = None
    refused: bool = False
    postponed: bool = False

    def after(self, before: Told) -> Told:
        """Give this, with what was told *before* where a question failed."""
        describable = before.describable if self.describable is None else self.describable
        if describable is False:  # the client gives no rules then, and no error
            return Told(describable, before.topics, refused=True)
        if self.topics is not None:
            return Told(describable, self.topics)
        return Told(describable, before.topics, refused=self.refused or before.refused)


def ask(calls: Calls, seen: str | None, until: Deadline) -> Told:
    """Ask by way of *calls*; *seen* is a topic that may be described, if there is any."""
    asks: dict[tuple[str, str], Ask] = {CLUSTER: _cluster, RULES: _rules}
    if seen is not None:
        asks[TOPIC] = lambda admin, seconds: _topic(admin, seen, seconds)
    found = calls.each(asks, until, step=STEP, hurry=True)
    if any(isinstance(one, Failure) and one.postponed for one in found.values()):
        return Told(None, postponed=True)
    rules = found[RULES]
    describable = _may_describe(found[CLUSTER], found.get(TOPIC))
    if not isinstance(rules, Failure):
        return Told(describable, _names(rules))
    if rules.words.startswith(WITHOUT_RULES):
        return Told(describable, frozenset())
    return Told(describable, refused=rules.words.startswith(REFUSED))


def _cluster(admin: AdminClient, seconds: float) -> Future[Any]:
    return admin.describe_cluster(include_authorized_operations=True, request_timeout=seconds)


def _topic(admin: AdminClient, topic: str, seconds: float) -> Future[Any]:
    asked = TopicCollection([topic])
    return admin.describe_topics(
        asked, include_authorized_operations=True, request_timeout=seconds
    )[topic]


def _rules(admin: AdminClient, seconds: float) -> Future[Any]:
    return admin.describe_acls(ABOUT_TOPICS, request_timeout=seconds)


def _may_describe(
    cluster: DescribeClusterResult | Failure, topic: TopicDescription | Failure | None
) -> bool | None:
    """Read what may be done to the *cluster*: the client gives None for nothing and for no answer.

    Brokers tell of both kinds or, before 2.3, of none. So where they tell of a *topic*, None is
    nothing.
    """
    if isinstance(cluster, Failure):
        return None
    allowed: Iterable[Any] | None = cluster.authorized_operations  # typed as if it were there
    if allowed is not None:
        return AclOperation.DESCRIBE in allowed
    if topic is None or isinstance(topic, Failure):
        return None
    return False if topic.authorized_operations else None


def _names(rules: Iterable[AclBinding]) -> frozenset[str]:
    return frozenset(one.name for one in rules if one.name != EVERY)
