"""Give rights on a real broker, which hears of them some time after it has answered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclBinding,
    AclBindingFilter,
)

from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka.admin import AdminClient

ANSWER_SECONDS = 60


def allow(admin: AdminClient, rights: Sequence[AclBinding]) -> None:
    """Grant *rights* and wait until they are in force: the broker's authorizer tells."""
    for done in admin.create_acls([*rights]).values():
        done.result(ANSWER_SECONDS)
    for right in rights:
        until(partial(in_force, admin, right), what=f"{right} in force")


def in_force(admin: AdminClient, right: AclBinding) -> bool:
    """Ask the broker whether *right*, exactly, is in force."""
    exact = AclBindingFilter(
        right.restype,
        right.name,
        right.resource_pattern_type,
        right.principal,
        right.host,
        right.operation,
        right.permission_type,
    )
    return bool(admin.describe_acls(exact, request_timeout=ANSWER_SECONDS).result(ANSWER_SECONDS))
