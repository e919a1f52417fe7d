"""Produce, consume and commit with the plain client, for tests of components and of faults."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, Producer

from tests.infra.wait import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import Message


def produce(servers: str, topic: str, *values: bytes, partition: int = 0) -> None:
    """Write *values* to one partition and wait until each is acknowledged."""
    undelivered: list[object] = []

    def delivered(error: object, _: Message) -> None:
        if error is not None:
            undelivered.append(error)

    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
    for value in values:
        producer.produce(topic, value, partition=partition, on_delivery=delivered)
    if (waiting := producer.flush(PATIENCE_SECONDS)) or undelivered:
        raise RuntimeError(f"{topic}: {waiting} records without an answer, errors {undelivered}")


@contextmanager
def subscribed(servers: str, topic: str, group: str = "") -> Iterator[Consumer]:
    """Give a consumer of *topic* from its start, in *group* or in one of its own."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group or f"group-{uuid4().hex[:8]}",
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    try:
        yield consumer
    finally:
        consumer.close()


def consume(
    consumer: Consumer, count: int = 1, *, timeout: float = PATIENCE_SECONDS
) -> list[Message]:
    """Read *count* records, in *timeout* seconds each; raise KafkaException on an error."""
    return [
        until(lambda: polled(consumer), timeout=timeout, every=0, what=f"record {number}")
        for number in range(count)
    ]


def polled(consumer: Consumer) -> Message | None:
    """Read one record if there is one within a tenth of a second."""
    message = consumer.poll(0.1)
    if message is not None and (error := message.error()):
        raise KafkaException(error)
    return message
