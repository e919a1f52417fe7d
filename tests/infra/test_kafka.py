"""The real broker: records, topics, groups, and what survives its death."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import ConsumerGroupType, Producer, TopicPartition

from tests.infra.kafka import KafkaBroker, described
from tests.infra.records import consume, produce, subscribed
from tests.infra.require import Missing
from tests.infra.wait import until

if TYPE_CHECKING:
    from confluent_kafka import Message


def values(messages: list[Message]) -> list[bytes | None]:
    """Give the values of *messages*."""
    return [message.value() for message in messages]


def test_a_record_goes_through(kafka: KafkaBroker, topic: str) -> None:
    """What was produced is consumed, in order."""
    produce(kafka.bootstrap_servers, topic, b"one", b"two")

    with subscribed(kafka.bootstrap_servers, topic) as consumer:
        assert values(consume(consumer, 2)) == [b"one", b"two"]


def test_a_topic_has_what_was_asked_for(kafka: KafkaBroker, topic: str) -> None:
    """A topic is created with its partitions and properties, and every partition has a leader."""
    name = f"{topic}-more"

    kafka.create_topic(name, partitions=3, retention_ms=60_000)

    found = kafka.admin().list_topics(name, timeout=60).topics[name].partitions
    assert sorted(found) == [0, 1, 2]
    assert all(partition.leader == 1 for partition in found.values())
    kafka.delete_topic(name)


def test_a_topic_does_not_appear_by_itself(kafka: KafkaBroker, topic: str) -> None:
    """A record for a topic that nobody created is not delivered and does not create it."""
    name, admin = f"{topic}-nobody-created", kafka.admin()
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 0})

    producer.produce(name, b"lost")
    undelivered = producer.flush(3)
    producer.purge()

    assert undelivered == 1
    assert name not in admin.list_topics(timeout=60).topics


def test_deleting_a_topic_twice_is_fine(kafka: KafkaBroker, topic: str) -> None:
    """A test may delete the topic that its fixture deletes again."""
    kafka.delete_topic(topic)

    kafka.delete_topic(topic)

    admin = kafka.admin()
    assert until(lambda: topic not in admin.list_topics(timeout=60).topics, what="it to be gone")


def test_a_group_by_the_new_protocol_is_listed(kafka: KafkaBroker, topic: str) -> None:
    """A group of KIP-848 exists on the broker and is listed as such."""
    group, admin = f"{topic}-group", kafka.admin()
    produce(kafka.bootstrap_servers, topic, b"one")

    with subscribed(kafka.bootstrap_servers, topic, group) as consumer:
        consume(consumer)
        listed = admin.list_consumer_groups(request_timeout=60).result(60)

    assert {g.group_id: g.type for g in listed.valid}[group] == ConsumerGroupType.CONSUMER


def test_data_and_address_survive_a_kill(own_kafka: KafkaBroker) -> None:
    """A killed broker comes back at its address with its records and its commits."""
    servers = own_kafka.bootstrap_servers
    own_kafka.create_topic("kept")
    produce(servers, "kept", b"before", b"too")
    with subscribed(servers, "kept", "readers") as consumer:
        consumer.commit(message=consume(consumer)[0], asynchronous=False)

    own_kafka.kill()
    own_kafka.start()

    with subscribed(servers, "kept", "readers") as consumer:
        assert own_kafka.bootstrap_servers == servers
        assert consumer.committed([TopicPartition("kept", 0)], timeout=60)[0].offset == 1
        assert values(consume(consumer)) == [b"too"]


def test_a_broker_can_be_restarted_in_order(own_kafka: KafkaBroker) -> None:
    """A broker that was shut down comes back with its topics."""
    own_kafka.create_topic("kept", partitions=2)

    own_kafka.restart()

    assert len(own_kafka.admin().list_topics("kept", timeout=60).topics["kept"].partitions) == 2


def test_a_given_broker_is_used_as_it_is(
    kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KAFKA_BOOTSTRAP_SERVERS names a broker that is used, but neither stopped nor killed."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)

    with KafkaBroker() as given:
        assert given.bootstrap_servers == kafka.bootstrap_servers
        assert kafka.bootstrap_servers in described()
        with pytest.raises(Missing, match="unset KAFKA_BOOTSTRAP_SERVERS"):
            given.kill()

    assert kafka.admin().list_topics(timeout=60).brokers
