"""What a broker that throttles its clients makes librdkafka call."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import ThrottleEvent, TopicPartition
from opentelemetry.context import Context, get_current

from propagation import AIOProducer, Consumer, Producer, processing
from propagation.testing import message
from tests.infra.quotas import throttled
from tests.infra.wait import until
from tests.propagation.builders import TRACEPARENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.infra.kafka import KafkaBroker

BYTES_A_SECOND = 2000.0
SOME = b"x" * 10_000
CAME = message(headers={"traceparent": TRACEPARENT})


def sending(settings: dict[str, Any], topic: str) -> tuple[Any, Callable[[], object]]:
    """Give a producer, and what makes it send and hear."""
    producer = Producer(settings)

    def hear() -> None:
        producer.produce(topic, SOME)
        producer.flush(10)

    return producer, hear


def receiving(settings: dict[str, Any], topic: str) -> tuple[Any, Callable[[], object]]:
    """Give a consumer, and what makes it receive and hear, from the start again at the end."""
    with Producer({"bootstrap.servers": settings["bootstrap.servers"]}) as producer:
        for _ in range(20):
            producer.produce(topic, SOME)
    small = {"fetch.max.bytes": 20_000, "message.max.bytes": 20_000}
    consumer = Consumer({**settings, **small, "group.id": topic})
    start = [TopicPartition(topic, 0, 0)]
    consumer.assign(start)

    def hear() -> None:
        if consumer.poll(0.1) is None:
            consumer.assign(start)

    return consumer, hear


@pytest.mark.parametrize(
    ("work", "quota"), [(sending, "producer_byte_rate"), (receiving, "consumer_byte_rate")]
)
def test_a_throttled_client_is_told_where_no_trace_is(
    kafka: KafkaBroker, topic: str, work: Any, quota: str
) -> None:
    """The callback gets its event, and nothing of the scope in which the client is polled.

    A broker hears of a quota some time after it was set, so the client works until it is told.
    """
    told: list[tuple[Any, Context]] = []

    with throttled(kafka.bootstrap_servers, topic, quota, BYTES_A_SECOND), processing(CAME):
        inside = get_current()
        client, hear = work(
            {
                "bootstrap.servers": kafka.bootstrap_servers,
                "client.id": topic,
                "throttle_cb": lambda event: told.append((event, get_current())),
            },
            topic,
        )
        until(lambda: (hear(), told)[1], timeout=30, what="a call of throttle_cb")
        assert get_current() is inside
        client.close()

    assert all(isinstance(event, ThrottleEvent) for event, _ in told)
    assert not any(context for _, context in told)


def test_a_throttled_async_client_is_told_where_no_trace_is(kafka: KafkaBroker, topic: str) -> None:
    """By a coroutine function, in the event loop."""
    told: list[tuple[Any, Context]] = []

    async def throttle(event: ThrottleEvent) -> None:
        told.append((event, get_current()))

    async def play() -> None:
        async with (
            processing(CAME),
            AIOProducer(
                {
                    "bootstrap.servers": kafka.bootstrap_servers,
                    "client.id": topic,
                    "throttle_cb": throttle,
                }
            ) as producer,
        ):
            deadline = time.monotonic() + 30
            while not told and time.monotonic() < deadline:
                await (await producer.produce(topic, SOME))

    with throttled(kafka.bootstrap_servers, topic, "producer_byte_rate", BYTES_A_SECOND):
        asyncio.run(play())

    assert told
    assert all(isinstance(event, ThrottleEvent) for event, _ in told)
    assert not any(context for _, context in told)
