"""The mock cluster: records, topics, and the end of its process."""

from __future__ import annotations

from uuid import uuid4

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.infra.mock_kafka import MockKafka
from tests.infra.records import consume, polled, produce, subscribed
from tests.infra.wait import until


@pytest.fixture
def mock_topic(mock_kafka: MockKafka) -> str:
    """Give a new topic of the mock cluster."""
    name = f"mock-{uuid4().hex[:8]}"
    mock_kafka.create_topic(name)
    return name


def test_a_record_goes_through(mock_kafka: MockKafka, mock_topic: str) -> None:
    """What was produced to the mock is consumed from it by another client."""
    produce(mock_kafka.bootstrap_servers, mock_topic, b"one")

    with subscribed(mock_kafka.bootstrap_servers, mock_topic) as consumer:
        assert [message.value() for message in consume(consumer)] == [b"one"]


def test_its_topics_are_there_from_the_start() -> None:
    """A consumer whose first act is to subscribe gets the partitions of a topic at once."""
    with (
        MockKafka("plays", "plays.dlq") as own,
        subscribed(own.bootstrap_servers, "plays.dlq") as consumer,
    ):

        def assigned() -> int:
            polled(consumer)
            return len(consumer.assignment())

        assert until(assigned, every=0, what="the assignment") == 4


def test_a_stopped_cluster_is_gone() -> None:
    """Nothing answers at the address of a cluster that was stopped."""
    with MockKafka() as own:
        client = AdminClient({"bootstrap.servers": own.bootstrap_servers, "log_level": 0})
        assert client.list_topics(timeout=60).brokers

        own.stop()

        with pytest.raises(KafkaException):
            client.list_topics(timeout=1)
