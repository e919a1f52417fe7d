"""Receiving and settling in asyncio: what is told of it, and where its trace is not."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaException, TopicPartition
from opentelemetry.context import get_current

from propagation import AIOConsumer, AsyncDeserializingConsumer, Options, Producer, processing
from tests.propagation.builders import ids, points

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import ReadableSpan

    Spans = list[ReadableSpan]

POLL_SPANS = Options(poll_spans=True)


async def plain(settings: dict[str, Any], **more: Any) -> Any:
    """Make a consumer of bytes."""
    return AIOConsumer(settings, **more)


async def deserializing(settings: dict[str, Any], **more: Any) -> Any:
    """Make a consumer that deserializes."""
    own = {**settings, "value.deserializer": lambda value, _: value.decode()}
    return await AsyncDeserializingConsumer(own, **more)


KINDS = pytest.mark.parametrize("make", [plain, deserializing])


@pytest.fixture
def settings(bootstrap_servers: str, topic: str, spans: Spans) -> dict[str, Any]:
    """Give what a consumer needs, once three messages are there; no spans so far."""
    own = {"bootstrap.servers": bootstrap_servers, "log_level": 0}
    with Producer(own) as producer:
        for value in (b"1", b"2", b"3"):
            producer.produce(topic, value, partition=0)
    spans.clear()
    return {**own, "group.id": topic}


async def received(consumer: Any, topic: str) -> tuple[Any, list[Any]]:
    """Poll the first message, then consume the other two."""
    await consumer.assign([TopicPartition(topic, 0, 0)])
    while (first := await consumer.poll(60)) is None:
        """The timeout of the test bounds it."""
    return first, await consumer.consume(2, 60)


@KINDS
def test_receiving_is_told_as_by_the_other_consumer(
    make: Callable[..., Awaitable[Any]],
    settings: dict[str, Any],
    topic: str,
    spans: Spans,
    metrics: InMemoryMetricReader,
) -> None:
    """One span for a poll and one for a batch, three records counted, both calls measured."""

    async def play() -> None:
        consumer = await make(settings, options=POLL_SPANS)
        await received(consumer, topic)
        await consumer.close()

    asyncio.run(play())

    assert [span.name for span in spans] == [f"poll {topic}"] * 2
    counts = [(span.attributes or {}).get("messaging.batch.message_count") for span in spans]
    assert counts == [None, 2]
    assert [len(span.links) for span in spans] == [1, 2]
    assert sum(p.value for p in points(metrics, "messaging.client.consumed.messages")) == 3
    assert sum(p.count for p in points(metrics, "messaging.client.operation.duration")) == 2


@KINDS
def test_a_commit_is_a_child_of_the_scope_and_measured(
    make: Callable[..., Awaitable[Any]],
    settings: dict[str, Any],
    topic: str,
    spans: Spans,
    metrics: InMemoryMetricReader,
) -> None:
    """Also the one that fails, by Kafka's name; without being asked for, polls are no spans."""

    async def play() -> None:
        consumer = await make(settings)
        first, _ = await received(consumer, topic)
        with processing(first, consumer=consumer):
            await consumer.commit(first, asynchronous=False)
            await consumer.unassign()
            with pytest.raises(KafkaException):
                await consumer.commit(asynchronous=False)
        await consumer.close()

    asyncio.run(play())

    done, failed, process = spans
    assert [done.name, failed.name] == [f"commit {topic}", "commit"]
    assert process.context
    assert done.parent
    assert ids(done.parent) == ids(process.context)
    assert [ids(link.context) for link in done.links] == [ids(process.links[0].context)]
    assert (failed.attributes or {})["error.type"] == "_NO_OFFSET"
    measured = points(metrics, "messaging.client.operation.duration")
    errors = [
        p.attributes.get("error.type")
        for p in measured
        if p.attributes["messaging.operation.name"] == "commit"
    ]
    assert sorted(map(str, errors)) == ["None", "_NO_OFFSET"]


def test_the_trace_stays_out_of_the_pool(settings: dict[str, Any], topic: str) -> None:
    """The executor's threads have nothing current, during a call from a scope and after it."""
    seen: list[bool] = []

    class Watched(concurrent.futures.ThreadPoolExecutor):
        def submit(self, work: Any, *args: Any, **more: Any) -> Any:  # type: ignore[override]  # wider
            def run() -> Any:
                seen.append(bool(get_current()))
                try:
                    return work(*args, **more)
                finally:
                    seen.append(bool(get_current()))

            return super().submit(run)

    async def play() -> None:
        with Watched(1) as executor:
            consumer = AIOConsumer(settings, executor=executor, options=POLL_SPANS)
            first, batch = await received(consumer, topic)
            with processing(first) as span:
                await consumer.poll(0)
                await consumer.commit(batch[0], asynchronous=False)
                assert span.is_recording()
            await consumer.close()

    asyncio.run(play())

    assert seen
    assert not any(seen)
