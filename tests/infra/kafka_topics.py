"""Create topics on a real broker, which hears of them some time after it has answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka.cimpl import NewTopic  # confluent_kafka.admin documents it, cimpl types it

from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._metadata import TopicMetadata

ANSWER_SECONDS = 60


def create(
    admin: AdminClient, name: str, partitions: int = 1, config: Mapping[str, str] | None = None
) -> None:
    """Create topic *name* with the properties *config*; wait until each partition has a leader."""
    wanted = NewTopic(
        name, num_partitions=partitions, replication_factor=1, config=dict(config or {})
    )
    admin.create_topics([wanted])[name].result(ANSWER_SECONDS)

    def known() -> bool:
        return led(admin.list_topics(name, timeout=ANSWER_SECONDS).topics[name], partitions)

    until(known, what=f"a leader of each partition of {name}")


def led(topic: TopicMetadata, partitions: int) -> bool:
    """Tell whether *topic* has as many *partitions*, and each of them a leader."""
    found = topic.partitions.values()
    return len(found) == partitions and all(one.leader >= 0 for one in found)
