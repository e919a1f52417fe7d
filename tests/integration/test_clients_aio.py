"""The async clients on a real broker: cancelling, transactions, a queue that is always full."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition
from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.trace import SpanKind, StatusCode

from propagation import AIOConsumer, AIOProducer, Producer, extract, processing
from propagation.testing import captured_spans
from tests.infra.reading import committed, ends, records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.infra.kafka import KafkaBroker

    Spans = list[ReadableSpan]


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Give the list of spans that end while the test runs."""
    with captured_spans() as collected:
        yield collected


@pytest.fixture
def group(kafka: KafkaBroker, topic: str) -> dict[str, Any]:
    """Give the configuration of a consumer in the topic's own group."""
    return {
        "bootstrap.servers": kafka.bootstrap_servers,
        "group.id": f"group-of-{topic}",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "group.protocol": "consumer",
    }


async def first(consumer: AIOConsumer) -> confluent_kafka.Message:
    """Poll until a record comes."""
    async with asyncio.timeout(60):
        while True:
            message = await consumer.poll(0.2)
            if isinstance(message, confluent_kafka.Message) and not message.error():
                return message


def trace_of(message: confluent_kafka.Message) -> int:
    """Give the id of the trace that *message* carries."""
    return trace.get_current_span(extract(message.headers())).get_span_context().trace_id


@pytest.mark.parametrize("capacity", [100_000, 20])
def test_producing_under_cancellation(
    kafka: KafkaBroker, topic: str, spans: Spans, capacity: int
) -> None:
    """Tasks are cancelled wherever they are: what was sent is there once, and every span ends.

    A call that was cancelled before its message was queued has sent nothing; one whose future was
    cancelled has its message delivered.
    """
    chance = random.Random(7)  # noqa: S311  # which tasks, not secrets
    settings = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "queue.buffering.max.messages": capacity,
        "linger.ms": 1,
    }
    queued: set[bytes] = set()

    async def send(producer: AIOProducer, value: bytes) -> None:
        future = await producer.produce(topic, value)
        queued.add(value)
        await future

    async def run() -> Counter[str]:
        outcome: Counter[str] = Counter()
        async with AIOProducer(settings) as producer:
            tasks = [asyncio.create_task(send(producer, b"%d" % n)) for n in range(400)]
            while not all(task.done() for task in tasks):
                chance.choice(tasks).cancel()
                await asyncio.sleep(0)
            for task in tasks:
                outcome["cancelled" if task.cancelled() else str(task.exception())] += 1
        return outcome

    outcome = asyncio.run(run())

    assert set(outcome) <= {"cancelled", "None"}
    assert outcome["cancelled"]
    got = Counter(one.value() for one in records(kafka.bootstrap_servers, topic, len(queued)))
    assert got == Counter(queued)
    assert ends(kafka.bootstrap_servers, topic) == len(queued)
    ended = Counter(span.status.status_code for span in spans)
    assert ended[StatusCode.UNSET] == len(queued)
    refused = [s for s in spans if s.status.status_code is StatusCode.ERROR]
    assert {(s.attributes or {})["error.type"] for s in refused} <= {
        "asyncio.exceptions.CancelledError"
    }


def test_consuming_under_cancellation(
    kafka: KafkaBroker, topic: str, group: dict[str, Any], spans: Spans
) -> None:
    """A handler that is cancelled ends its span, which is no failure; the next one begins clean."""
    with Producer({"bootstrap.servers": kafka.bootstrap_servers}) as producer:
        for n in range(6):
            producer.produce(topic, b"%d" % n)

    async def handle(consumer: AIOConsumer, message: confluent_kafka.Message) -> None:
        assert get_current() == {}
        with processing(message, consumer=consumer) as span:
            assert span.get_span_context().trace_id == trace_of(message)
            await asyncio.sleep(60 if int(message.value() or b"0") % 2 else 0)

    async def run() -> list[bytes | None]:
        values: list[bytes | None] = []
        async with AIOConsumer(group) as consumer:
            await consumer.subscribe([topic])
            while len(values) < 6:
                message = await first(consumer)
                task = asyncio.create_task(handle(consumer, message))
                await asyncio.wait([task], timeout=0.05)
                task.cancel()
                await asyncio.wait([task])
                await consumer.commit(message, asynchronous=False)
                values.append(message.value())
                assert get_current() == {}
        return values

    assert asyncio.run(run()) == [b"%d" % n for n in range(6)]

    processes = [span for span in spans if span.name == f"process {topic}"]
    assert [span.status.status_code for span in processes] == [StatusCode.UNSET] * 6
    assert committed(kafka.bootstrap_servers, group["group.id"], topic) == 6


def test_polling_under_cancellation(
    kafka: KafkaBroker, topic: str, group: dict[str, Any], spans: Spans
) -> None:
    """Cancelled polls leave the consumer working and nothing current.

    A record that one of them was about to give may be lost, as with the real class; so several
    are sent.
    """

    async def send_on(seen: asyncio.Event) -> None:
        async with AIOProducer({"bootstrap.servers": kafka.bootstrap_servers}) as producer:
            while not seen.is_set():
                await (await producer.produce(topic, b"1"))
                await asyncio.sleep(0.1)

    async def run() -> bytes | None:
        async with AIOConsumer(group) as consumer:
            await consumer.subscribe([topic])
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await consumer.poll(0.3)
                assert get_current() == {}
            seen = asyncio.Event()
            sender = asyncio.create_task(send_on(seen))
            message = await first(consumer)
            seen.set()
            await sender
            with processing(message, consumer=consumer):
                return message.value()

    assert asyncio.run(run()) == b"1"

    assert [span.name for span in spans if span.kind is SpanKind.CONSUMER] == [f"process {topic}"]
    assert {span.status.status_code for span in spans} == {StatusCode.UNSET}


def test_a_transaction_moves_offsets_and_keeps_the_trace(
    kafka: KafkaBroker, topic: str, group: dict[str, Any], spans: Spans
) -> None:
    """Committed: record and offset are there, in one trace. Aborted before: neither was."""
    output = f"{topic}-out"
    kafka.create_topic(output)
    with Producer({"bootstrap.servers": kafka.bootstrap_servers}) as sender:
        sender.produce(topic, b"1")
    settings = {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": topic}

    async def run() -> int:
        async with AIOConsumer(group) as consumer, AIOProducer(settings) as producer:
            await consumer.subscribe([topic])
            message = await first(consumer)
            place = TopicPartition(topic, 0, 1)
            await producer.init_transactions(30)
            for finish in (producer.abort_transaction, producer.commit_transaction):
                await producer.begin_transaction()
                with processing(message, consumer=consumer):
                    await producer.produce(output, finish.__name__.encode(), headers=[("a", b"1")])
                metadata = await consumer.consumer_group_metadata()
                await producer.send_offsets_to_transaction([place], metadata, 30)
                await finish(30)
                if finish == producer.abort_transaction:
                    assert committed(kafka.bootstrap_servers, group["group.id"], topic) == 0
            return trace_of(message)

    trace_id = asyncio.run(run())

    reader = confluent_kafka.Consumer({**group, "isolation.level": "read_committed"})
    reader.assign([TopicPartition(output, 0, 0)])
    got = [message for message in reader.consume(1, timeout=60) if not message.error()]
    reader.close()
    headers: Any = got[0].headers()
    assert [message.value() for message in got] == [b"commit_transaction"]
    assert [name for name, _ in headers] == ["a", "traceparent"]
    assert trace_of(got[0]) == trace_id
    assert committed(kafka.bootstrap_servers, group["group.id"], topic) == 1
    assert len([s for s in spans if s.name == f"send {output}"]) == 2
    kafka.delete_topic(output)


def test_one_loop_serves_several_clients(
    kafka: KafkaBroker, topic: str, group: dict[str, Any], spans: Spans
) -> None:
    """Two groups and a producer in one loop: scopes of concurrent tasks do not mix."""
    number = 20

    async def consume(name: str) -> list[int]:
        traces: list[int] = []
        async with AIOConsumer({**group, "group.id": f"{topic}-{name}"}) as consumer:
            await consumer.subscribe([topic])
            while len(traces) < number:
                message = await first(consumer)
                with processing(message, consumer=consumer) as span:
                    await asyncio.sleep(0)
                    assert trace.get_current_span() is span
                    traces.append(trace_of(message))
        return traces

    async def produce() -> None:
        async with AIOProducer({"bootstrap.servers": kafka.bootstrap_servers}) as producer:
            for n in range(number):
                with trace.get_tracer("test").start_as_current_span("request"):
                    await (await producer.produce(topic, b"%d" % n))

    async def run() -> tuple[list[int], list[int]]:
        one, two, _ = await asyncio.gather(consume("a"), consume("b"), produce())
        return one, two

    one, two = asyncio.run(run())

    requests = [s.context.trace_id for s in spans if s.name == "request" and s.context]
    assert one == two == requests
    assert Counter(span.name for span in spans) == {
        "request": number,
        f"send {topic}": number,
        f"process {topic}": 2 * number,
    }
