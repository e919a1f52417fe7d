"""librdkafka gets what the promises hang on, the defaults, and what a deployment adds."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from consumers.configuration.settings import RunSettings, WorkerSettings
from consumers.kafka.properties import (
    consumer_properties,
    poll_interval_seconds,
    producer_properties,
)


def settings(**client: object) -> WorkerSettings:
    """Make settings with these librdkafka properties, dots written as underscores."""
    values: dict[str, Any] = {
        "bootstrap_servers": "127.0.0.1:1",
        "database_url": "postgresql://db",
        "client": {name.replace("_", "."): value for name, value in client.items()},
    }
    return WorkerSettings(**values)


def test_nothing_is_committed_behind_our_back() -> None:
    """The client neither commits nor stores offsets by itself."""
    properties = consumer_properties(settings())

    assert properties["enable.auto.commit"] is False
    assert properties["enable.auto.offset.store"] is False


def test_where_a_group_begins_is_always_said() -> None:
    """Librdkafka's own default, the newest record, would silently skip what is there."""
    bare = RunSettings(bootstrap_servers="127.0.0.1:1", topic="t", group="g")

    assert consumer_properties(bare)["auto.offset.reset"] == "error"
    assert consumer_properties(settings())["auto.offset.reset"] == "earliest"
    given = settings().model_copy(update={"offset_reset": "latest"})
    assert consumer_properties(given)["auto.offset.reset"] == "latest"


def test_the_time_between_two_polls_is_told() -> None:
    """It is librdkafka's own, or what a deployment gives it, as a number or as text."""
    assert poll_interval_seconds(consumer_properties(settings())) == 300
    assert poll_interval_seconds(consumer_properties(settings(max_poll_interval_ms=60_000))) == 60
    assert poll_interval_seconds(consumer_properties(settings(max_poll_interval_ms="90000"))) == 90


def test_a_member_is_told_by_settings_or_properties() -> None:
    """Protocol and name of a member come from their settings; without a name it has none."""
    named = settings().model_copy(update={"group_protocol": "consumer", "instance_id": "worker-0"})

    properties = consumer_properties(named)

    assert properties["group.protocol"] == "consumer"
    assert properties["group.instance.id"] == "worker-0"
    assert "partition.assignment.strategy" not in properties
    assert "group.instance.id" not in consumer_properties(settings())


def test_partitions_are_handed_over_one_by_one() -> None:
    """With the classic protocol a rebalance takes away only what moves."""
    strategy = consumer_properties(settings())["partition.assignment.strategy"]

    assert strategy == "cooperative-sticky"


def test_the_new_protocol_leaves_the_assignment_to_the_broker() -> None:
    """With group.protocol=consumer librdkafka refuses a strategy, so none is set."""
    properties = consumer_properties(settings(group_protocol="consumer"))

    assert "partition.assignment.strategy" not in properties


def test_written_means_written_by_all_replicas() -> None:
    """No deployment can make a producer count a record that could still be lost."""
    unchecked = {"enable.idempotence": False, "acks": "1", "delivery.timeout.ms": 1}
    properties = producer_properties(settings().model_copy(update={"client": unchecked}))

    assert properties["acks"] == "all"
    assert properties["enable.idempotence"] is True
    assert properties["delivery.timeout.ms"] == 5000


def test_each_client_takes_its_own() -> None:
    """What belongs to one kind of client is not given to the other."""
    given = settings(group_protocol="consumer", compression_type="lz4", security_protocol="ssl")

    consumer, producer = consumer_properties(given), producer_properties(given)

    assert consumer["group.protocol"] == "consumer"
    assert producer["compression.type"] == "lz4"
    assert "compression.type" not in consumer
    assert "group.protocol" not in producer
    assert consumer["security.protocol"] == producer["security.protocol"] == "ssl"


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_librdkafka_knows_every_property_that_we_set(
    protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Both clients can be made of our properties, with either group protocol.

    Librdkafka refuses what it does not know, and complains of what is the other client's.
    """
    given = settings(group_protocol=protocol)
    log = logging.getLogger("librdkafka")

    consumer = Consumer(consumer_properties(given), logger=log)
    producer = Producer(producer_properties(given), logger=log)
    consumer.poll(0)
    producer.poll(0)
    consumer.close()
    producer.close()

    said = [line.getMessage() for line in caplog.records if line.name == "librdkafka"]
    assert [line for line in said if "CONFWARN" in line] == []
