"""What a row asks of Kafka, and tells it, with the plain client."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
)

from tests.faults.watch import letter_of
from tests.infra.records import consume, subscribed

if TYPE_CHECKING:
    from tests.faults.account import Letter
    from tests.faults.cluster import Cluster
    from tests.infra.kafka import KafkaBroker

    Kafka: TypeAlias = KafkaBroker | Cluster

ANSWER_SECONDS = 60


def letters_of(kafka: Kafka, topic: str) -> list[Letter]:
    """Read all dead letters of *topic*, one that the watch does not see."""
    servers, dlq = kafka.bootstrap_servers, f"{topic}.dlq"
    with subscribed(servers, dlq) as consumer:
        found = consume(consumer, ends(kafka, dlq, 1)[0])
    return [letter_of(message) for message in found]


def committed_offset(kafka: Kafka, group: str, topic: str) -> int:
    """Ask what *group* has committed of the only partition of *topic*; 0 for nothing."""
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
    admin = kafka.admin()
    answer = admin.list_consumer_group_offsets([asked])[group].result(ANSWER_SECONDS)
    return max(0, *(int(at.offset) for at in answer.topic_partitions))


def take_up_to(kafka: Kafka, topic: str, number: int) -> None:
    """Let *topic* take records of *number* bytes at most."""
    wanted = ConfigResource(ConfigResource.Type.TOPIC, topic)
    wanted.add_incremental_config(
        ConfigEntry(
            "max.message.bytes",
            str(number),
            incremental_operation=AlterConfigOpType.SET,
        )
    )
    admin = kafka.admin()
    for done in admin.incremental_alter_configs([wanted]).values():
        done.result(ANSWER_SECONDS)


def ends(kafka: Kafka, topic: str, partitions: int) -> dict[int, int]:
    """Ask for the end of each partition of *topic*."""
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call] # the library's
    wanted = {TopicPartition(topic, number): latest for number in range(partitions)}
    admin = kafka.admin()
    answers = admin.list_offsets(wanted, request_timeout=ANSWER_SECONDS)
    return {at.partition: answer.result().offset for at, answer in answers.items()}
