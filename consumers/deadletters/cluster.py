"""What the check of the dead-letter topic, and a replay, ask of a real cluster about topics.

Topics are listed by the producer of the dead letters, which has a connection. All of them: asked
for one by name, a broker that creates topics by itself would create it. Rights and properties are
asked for by an AdminClient that lives as long as the question; where they may not be asked for they
stay unknown.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclOperation,
    AdminClient,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic  # confluent_kafka.admin documents it, cimpl types it

from consumers.deadletters.topic import TopicFacts
from consumers.kafka.properties import PRODUCER_ONLY

if TYPE_CHECKING:
    from collections.abc import Collection

    from confluent_kafka import Producer

    from consumers.kafka.lasting import LastingProducer

ANSWER_SECONDS = 5.0
WARNINGS = 4  # a level of syslog
BY_DEFAULT = -1  # replication factor: as the broker is set up


class KafkaCluster:
    """The cluster of *producer*, whose *properties* an AdminClient is made of."""

    def __init__(self, producer: Producer | LastingProducer, properties: dict[str, Any]) -> None:
        self._producer = producer
        self._properties = properties

    def partitions(self) -> dict[str, int]:
        """Count the partitions of every topic that can be seen."""
        listed = self._producer.list_topics(timeout=ANSWER_SECONDS).topics
        return {name: len(one.partitions) for name, one in listed.items() if one.error is None}

    def describe(self, topics: Collection[str]) -> dict[str, TopicFacts]:
        """Give what can be found out about each of *topics*."""
        return described(self._properties, topics)

    def create(self, topic: str, partitions: int, properties: dict[str, str]) -> None:
        """Create *topic*; fine if another worker was faster. Raises `KafkaException`."""
        admin = _admin(self._properties)
        wanted = NewTopic(topic, partitions, replication_factor=BY_DEFAULT, config=properties)
        try:
            admin.create_topics([wanted])[topic].result(ANSWER_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        except TimeoutError as error:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from error  # noqa: SLF001 - its public name


def described(properties: dict[str, Any], topics: Collection[str]) -> dict[str, TopicFacts]:
    """Give what a client with *properties* can find out about each of *topics*. Never raises."""
    if not topics:
        return {}
    admin = _admin(properties)
    rights = admin.describe_topics(
        TopicCollection([*topics]),
        include_authorized_operations=True,
        request_timeout=ANSWER_SECONDS,
    )
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    asked = admin.describe_configs(resources, request_timeout=ANSWER_SECONDS)
    configs = {resource.name: future for resource, future in asked.items()}
    return {name: _facts(rights[name], configs[name]) for name in topics}


def unwritable(properties: dict[str, Any], topics: Collection[str]) -> set[str]:
    """Name those of *topics* that the user of *properties* may not write, as far as is known."""
    found = described(properties, topics)
    return {name for name, facts in found.items() if facts.writable is False}


def _admin(properties: dict[str, Any]) -> AdminClient:
    # Below warnings it tells that it was dropped before it had read every answer.
    theirs = {name: value for name, value in properties.items() if name not in PRODUCER_ONLY}
    return AdminClient({**theirs, "log_level": WARNINGS})


def _facts(rights: Any, configs: Any) -> TopicFacts:
    """Take from two answers of an AdminClient what they say; either may be an error."""
    facts = TopicFacts()
    # The client gives up after as long as is waited for it here: either may be first.
    with suppress(KafkaException, TimeoutError):
        allowed = rights.result(ANSWER_SECONDS).authorized_operations
        if allowed is not None:
            facts = facts._replace(writable=AclOperation.WRITE in allowed)
    with suppress(KafkaException, TimeoutError):
        values = {name: entry.value for name, entry in configs.result(ANSWER_SECONDS).items()}
        facts = facts._replace(
            max_message_bytes=int(values["max.message.bytes"]),
            cleanup_policy=values["cleanup.policy"],
            retention_ms=int(values["retention.ms"]),
        )
    return facts
