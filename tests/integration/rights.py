"""Take rights from everybody on a broker that knows rights, as an administrator would.

A broker hears of a rule some time after it has answered, so each is waited for. Not those about the
cluster, which take the right to ask for rules: they come last, and whoever needs them waits.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.infra.rights import in_force
from tests.infra.wait import until
from tests.integration.meaning import ANSWER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.kafka import KafkaBroker

ANYBODY = "User:ANONYMOUS"  # whoever comes without a name, as everybody does here
CLUSTER = "kafka-cluster"  # Kafka's own name for it as a resource
RULES = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


@contextmanager
def hidden(broker: KafkaBroker, kind: ResourceType, name: str) -> Iterator[None]:
    """Take the right to DESCRIBE from everybody, while all else stays allowed."""
    with denied(broker, kind, name, AclOperation.DESCRIBE):
        yield


@contextmanager
def denied(
    broker: KafkaBroker, kind: ResourceType, name: str, operation: AclOperation
) -> Iterator[None]:
    """Take the right to *operation* from everybody, while all else stays allowed."""
    admin = broker.admin()
    rules = [
        rule(kind, name, AclOperation.ALL, AclPermissionType.ALLOW),
        rule(kind, name, operation, AclPermissionType.DENY),
    ]
    for done in admin.create_acls(rules).values():
        done.result(ANSWER_SECONDS)
    if name != CLUSTER:
        for one in rules:
            until(partial(in_force, admin, one), what=f"{one} in force")
    try:
        yield
    finally:
        for gone in admin.delete_acls([exactly(one) for one in rules]).values():
            gone.result(ANSWER_SECONDS)


def rule(
    kind: ResourceType, name: str, operation: AclOperation, permission: AclPermissionType
) -> AclBinding:
    """Write a rule about one thing and everybody."""
    literal = ResourcePatternType.LITERAL
    return AclBinding(kind, name, literal, ANYBODY, "*", operation, permission)


def exactly(one: AclBinding) -> AclBindingFilter:
    """Find the rule *one* and no other."""
    return AclBindingFilter(
        one.restype,
        one.name,
        one.resource_pattern_type,
        one.principal,
        one.host,
        one.operation,
        one.permission_type,
    )
