"""Plays to Kafka: acknowledged or refused, never in between, and always in the request's trace."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from opentelemetry import trace

from consumers.errors import Unavailable
from consumers.game.events import decode
from consumers.game.publisher import KafkaPublisher
from propagation import Producer
from propagation.testing import captured_spans
from tests.consumers.game.builders import play
from tests.infra.ports import free_port
from tests.infra.wait import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import Message

    from tests.infra.mock_kafka import MockKafka


@pytest.fixture
def plays(mock_kafka: MockKafka) -> str:
    """Give a fresh topic."""
    name = f"plays-{uuid.uuid4().hex[:8]}"
    mock_kafka.create_topic(name)
    return name


@contextmanager
def publishing(
    servers: str, topic: str, *, timeout_seconds: float = PATIENCE_SECONDS, **properties: str | int
) -> Iterator[KafkaPublisher]:
    """Start a publisher and stop it."""
    config = {"bootstrap.servers": servers, "linger.ms": 0, **properties}
    with Producer(config) as producer:
        publisher = KafkaPublisher(producer, topic, timeout_seconds)
        publisher.start()
        try:
            yield publisher
        finally:
            publisher.stop(0)
            producer.purge()


def read(servers: str, topic: str, count: int) -> list[Message]:
    """Read the first *count* records of *topic*."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": uuid.uuid4().hex})
    found: list[Message] = []

    def enough() -> bool:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            found.append(message)
        return len(found) >= count

    try:
        partitions = consumer.list_topics(topic, timeout=PATIENCE_SECONDS).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        until(enough, every=0, what=f"{count} records of {topic}")
        return found
    finally:
        consumer.close()


def test_a_published_play_is_in_the_topic(mock_kafka: MockKafka, plays: str) -> None:
    """What `publish` came back from is a record, keyed by its player, in the current trace."""
    with (
        captured_spans() as spans,
        publishing(mock_kafka.bootstrap_servers, plays) as publisher,
        trace.get_tracer("test").start_as_current_span("request") as request,
    ):
        asyncio.run(publisher.publish(play()))
        sent = next(span for span in spans if span.name == f"send {plays}")

    (record,) = read(mock_kafka.bootstrap_servers, plays, 1)
    value = record.value()
    assert isinstance(value, bytes)
    assert decode(value) == play()
    assert record.key() == b"ada"
    assert sent.parent is not None
    assert sent.parent.span_id == request.get_span_context().span_id


def test_many_at_once_are_each_acknowledged(mock_kafka: MockKafka, plays: str) -> None:
    """A hundred requests under way together all come back."""

    async def all_at_once(publisher: KafkaPublisher) -> None:
        await asyncio.gather(*(publisher.publish(play(f"play-{n}")) for n in range(100)))

    with publishing(mock_kafka.bootstrap_servers, plays) as publisher:
        asyncio.run(all_at_once(publisher))

    found = {decode(record.value()) for record in read(mock_kafka.bootstrap_servers, plays, 100)}
    assert found == {play(f"play-{n}") for n in range(100)}


def test_without_a_broker_it_is_known_in_time() -> None:
    """Nobody listens at the address: `Unavailable` when the time is up, not later."""
    with publishing(f"127.0.0.1:{free_port()}", "plays", timeout_seconds=0.3) as publisher:
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"in time|MSG_TIMED_OUT"):
            asyncio.run(publisher.publish(play()))

        assert time.monotonic() - began < 20
        assert "does not answer" in (publisher.ready() or "")


def test_what_the_client_gave_up_is_known_at_once() -> None:
    """A delivery that failed is `Unavailable` with its reason, long before the time is up."""
    limit = {"delivery.timeout.ms": 200}
    with publishing(f"127.0.0.1:{free_port()}", "plays", timeout_seconds=30, **limit) as publisher:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="_MSG_TIMED_OUT"):
            asyncio.run(publisher.publish(play()))

        assert time.monotonic() - began < 20


def test_a_full_queue_is_known_at_once() -> None:
    """When the client holds as much as it may, the next play is refused without waiting."""

    async def both(publisher: KafkaPublisher) -> None:
        first = asyncio.ensure_future(publisher.publish(play("play-1")))
        await asyncio.sleep(0)
        try:
            with pytest.raises(Unavailable, match="full"):
                await publisher.publish(play("play-2"))
        finally:
            first.cancel()

    limit = {"queue.buffering.max.messages": 1}
    with publishing(f"127.0.0.1:{free_port()}", "plays", timeout_seconds=30, **limit) as publisher:
        asyncio.run(both(publisher))


def test_a_broker_that_answers_is_ready(mock_kafka: MockKafka, plays: str) -> None:
    """With the topic there, plays can be written."""
    with publishing(mock_kafka.bootstrap_servers, plays) as publisher:
        # It is given a second for its answer.
        assert until(lambda: publisher.ready() is None, what="the broker's answer")
