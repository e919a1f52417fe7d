"""Read ``kafka-acls`` lines of a page as the rights that they grant, and grant them for real."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.docs.commands import typed
from tests.infra.wait import until

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

ANSWER_SECONDS = 30
KINDS = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
}
OPERATIONS = {"Describe": "DESCRIBE", "Read": "READ", "Write": "WRITE"}
# A right as words: who, what may be done, with what kind of thing, and with which.
Right = tuple[str, str, str, str]


def granted(page: str) -> list[Right]:
    """Give the rights that *page* grants, in its order; those of examples are not among them."""
    found = [one.words for one in typed(page) if one.words[0] == "kafka-acls"]
    return [right(words) for words in found if "--add" in words]


def right(words: tuple[str, ...]) -> Right:
    """Read one line, which grants one right."""
    after = dict(pairwise(words))
    who = after["--allow-principal"].removeprefix("User:")
    operation = OPERATIONS[after["--operation"]]
    if "--cluster" in words:
        return who, operation, "BROKER", "kafka-cluster"
    (option,) = KINDS.keys() & after.keys()
    return who, operation, KINDS[option].name, after[option]


def give(admin: AdminClient, one: Right) -> None:
    """Grant *one* to who comes with a certificate; it is in force then."""
    for done in admin.create_acls([_binding(one)]).values():
        done.result(ANSWER_SECONDS)
    until(lambda: one in known(admin, one[0]), timeout=ANSWER_SECONDS, what=f"{one} in force")


def take(admin: AdminClient, one: Right) -> None:
    """Take *one* back; it is no longer in force then."""
    exact = _binding(one)
    fields = ("restype", "name", "resource_pattern_type", "principal")
    more = ("host", "operation", "permission_type")
    wanted = AclBindingFilter(*(getattr(exact, field) for field in (*fields, *more)))
    for done in admin.delete_acls([wanted]).values():
        assert len(done.result(ANSWER_SECONDS)) == 1
    until(lambda: one not in known(admin, one[0]), timeout=ANSWER_SECONDS, what=f"{one} gone")


def known(admin: AdminClient, who: str) -> list[Right]:
    """Ask the broker which rights of *who* are in force: its authorizer answers."""
    anything = AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type]  # any name: the client documents it
        ResourcePatternType.ANY,
        f"User:CN={who}",
        None,  # type: ignore[arg-type]  # from any host
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    found = admin.describe_acls(anything, request_timeout=ANSWER_SECONDS).result(ANSWER_SECONDS)
    return [(who, one.operation.name, one.restype.name, one.name) for one in found]


def _binding(one: Right) -> AclBinding:
    who, operation, kind, name = one
    return AclBinding(
        ResourceType[kind],
        name,
        ResourcePatternType.LITERAL,
        f"User:CN={who}",
        "*",
        AclOperation[operation],
        AclPermissionType.ALLOW,
    )
