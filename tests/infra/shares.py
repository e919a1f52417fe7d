"""Share groups (KIP-932) on a real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker


def share_from_start(kafka: KafkaBroker, group: str) -> None:
    """Let the share group *group* begin at the start of its topics, not at their end."""
    earliest = ConfigEntry(
        "share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=[earliest])
    admin = kafka.admin()  # dropped before the answer, it would take the question along
    [done] = admin.incremental_alter_configs([resource]).values()
    done.result(30)
