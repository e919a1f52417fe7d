"""Share groups (KIP-932) on a real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker

ANSWER_SECONDS = 60


def share_from_start(kafka: KafkaBroker, group: str) -> None:
    """Let the share group *group* begin at the start of its topics, not at their end.

    A broker hears of it some time after its answer, and a member that came first would not be told.
    """
    earliest = ConfigEntry(
        "share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=[earliest])
    admin = kafka.admin()  # dropped before the answer, it would take the question along
    [done] = admin.incremental_alter_configs([resource]).values()
    done.result(ANSWER_SECONDS)

    def heard() -> bool:
        [told] = admin.describe_configs([ConfigResource(ResourceType.GROUP, group)]).values()
        return bool(told.result(ANSWER_SECONDS)[earliest.name].value == earliest.value)

    until(heard, what=f"the broker to hear where {group} begins")
