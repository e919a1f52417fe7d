"""The async serializing forms: made by await, order and trace as their synchronous brothers'."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from confluent_kafka.error import KeySerializationError, ValueDeserializationError
from opentelemetry.trace import StatusCode

from propagation import (
    AsyncDeserializingConsumer,
    AsyncSerializingProducer,
    Options,
    TopicPolicy,
    extract,
    processing,
)
from tests.propagation.builders import ids, span_in

if TYPE_CHECKING:
    from confluent_kafka.serialization import SerializationContext
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.propagation.conftest import Records

    Spans = list[ReadableSpan]


async def to_json(value: object, _: SerializationContext) -> bytes:
    """Serialize as JSON, after others had their turn."""
    await asyncio.sleep(0)
    return json.dumps(value).encode()


async def from_json(data: bytes | None, _: SerializationContext) -> Any:
    """Deserialize JSON."""
    await asyncio.sleep(0)
    return json.loads(data or b"null")


async def fails(*_: object) -> bytes:
    """Fail to serialize."""
    raise LookupError("no such schema")


@pytest.fixture
def settings(bootstrap_servers: str) -> dict[str, Any]:
    """Give the configuration of a producer of JSON."""
    return {
        "bootstrap.servers": bootstrap_servers,
        "log_level": 0,
        "client.id": "api-1",
        "key.serializer": to_json,
        "value.serializer": to_json,
    }


@pytest.fixture
def group(bootstrap_servers: str) -> dict[str, Any]:
    """Give the configuration of a consumer of JSON, in a group of its own."""
    return {
        "bootstrap.servers": bootstrap_servers,
        "log_level": 0,
        "group.id": uuid.uuid4().hex,
        "group.protocol": "consumer",
        "auto.offset.reset": "earliest",
        "key.deserializer": from_json,
        "value.deserializer": from_json,
    }


async def first(
    consumer: AsyncDeserializingConsumer[Any, Any],
) -> confluent_kafka.Message[Any, Any]:
    """Poll until a message comes."""
    while (message := await consumer.poll(1)) is None:
        """The timeout of the test bounds it."""
    return message


def test_the_key_comes_before_the_value(
    settings: dict[str, Any], topic: str, spans: Spans, records: Records
) -> None:
    """In the real order, and headers go out with the trace among them."""

    async def send() -> None:
        producer = await AsyncSerializingProducer(settings)
        async with producer:
            await (await producer.produce(topic, 7, {"bet": 1}, 2, 5, [("a", b"1")]))

    asyncio.run(send())

    [record] = records(topic, 1)
    [span] = spans
    headers: Any = record.headers()
    assert span.context
    assert (record.key(), record.value()) == (b"7", b'{"bet": 1}')
    assert (record.partition(), record.timestamp()[1]) == (2, 5)
    assert [name for name, _ in headers] == ["a", "traceparent"]
    assert ids(span_in(extract(headers))) == ids(span.context)
    assert (span.attributes or {})["messaging.client.id"] == "api-1"


def test_serializers_see_and_extend_what_is_sent(
    settings: dict[str, Any], topic: str, records: Records
) -> None:
    """The context of a serializer has the trace in it; what it adds to it goes out."""

    async def serialize(value: str, context: SerializationContext) -> bytes:
        headers: Any = context.headers
        headers.append((f"after-{headers[-1][0]}", b"7"))
        return value.encode()

    async def send() -> None:
        async with await AsyncSerializingProducer({**settings, "value.serializer": serialize}) as p:
            await p.produce(topic, None, "v")

    asyncio.run(send())

    [record] = records(topic, 1)
    headers: Any = record.headers()
    assert [name for name, _ in headers] == ["traceparent", "after-traceparent"]


def test_a_serializers_error_passes_and_ends_the_span(
    settings: dict[str, Any], topic: str, spans: Spans
) -> None:
    """So does one who cancels while a serializer is at work."""

    async def send() -> None:
        producer = await AsyncSerializingProducer({**settings, "key.serializer": fails})
        async with producer:
            with pytest.raises(KeySerializationError, match="no such schema"):
                await producer.produce(topic, 7, {})
        async with await AsyncSerializingProducer(settings) as producer:
            task = asyncio.create_task(producer.produce(topic, 7, {}))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(send())

    assert [(span.attributes or {})["error.type"] for span in spans] == [
        "_KEY_SERIALIZATION",
        "asyncio.exceptions.CancelledError",
    ]


def test_a_refused_message_ends_its_span_once(
    settings: dict[str, Any], topic: str, spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails the future, as in the real class; nobody ends a span that has ended."""

    async def send() -> BaseException | None:
        async with await AsyncSerializingProducer({**settings, "message.max.bytes": 1000}) as p:
            future = await p.produce(topic, 7, "x" * 2000)
        return future.exception()

    assert isinstance(asyncio.run(send()), confluent_kafka.KafkaException)

    assert [span.status.status_code for span in spans] == [StatusCode.ERROR]
    assert not caplog.records


def test_a_wrong_argument_ends_its_span_once(
    settings: dict[str, Any], topic: str, spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    """The error of the client library comes out of produce."""

    async def send() -> None:
        wrong: Any = "x"
        async with await AsyncSerializingProducer(settings) as producer:
            with pytest.raises(TypeError):
                await producer.produce(topic, 7, {}, partition=wrong)

    asyncio.run(send())

    assert [(span.attributes or {})["error.type"] for span in spans] == ["TypeError"]
    assert not caplog.records


def test_a_message_is_sent_though_its_produce_was_cancelled_after(
    settings: dict[str, Any], topic: str, spans: Spans, records: Records
) -> None:
    """Cancelled while other tasks have their turn: the message is queued, its span ends well."""

    async def send() -> None:
        plain = {name: value for name, value in settings.items() if "serializer" not in name}
        async with await AsyncSerializingProducer(plain, batch_size=1) as producer:
            task = asyncio.create_task(producer.produce(topic, None, b"1"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(send())

    assert [record.value() for record in records(topic, 1)] == [b"1"]
    assert [span.status.status_code for span in spans] == [StatusCode.UNSET]


@pytest.mark.parametrize(("topic_given", "error"), [(5, TypeError), ("t", RuntimeError)])
def test_wrong_calls_raise_the_real_errors(
    settings: dict[str, Any], topic_given: Any, error: type[Exception]
) -> None:
    """A topic that is no text, a producer that is closed."""

    async def send() -> None:
        producer = await AsyncSerializingProducer(settings)
        if error is RuntimeError:
            await producer.close()
        with pytest.raises(error, match=r"topic must be a str|Producer has been closed"):
            await producer.produce(topic_given)
        await producer.close()

    asyncio.run(send())


class PlayProducer(AsyncSerializingProducer[str, dict[str, int]]):
    """What teams write: an __init__ and a produce of their own."""

    async def __init__(self, conf: dict[str, Any], prefix: str) -> None:  # type: ignore[misc]  # the real class is awaited too
        await super().__init__({**conf, "key.serializer": to_json}, batch_size=10)
        self.prefix = prefix

    async def play(self, topic: str, player: int) -> None:
        """Send a play and wait for its delivery."""
        await (await self.produce(topic, f"{self.prefix}{player}", {"player": player}))


def test_a_subclass_works(
    settings: dict[str, Any], topic: str, spans: Spans, records: Records
) -> None:
    """With types bound, made by await like its base: one span, one header."""

    async def send() -> None:
        async with await PlayProducer(settings, "player-") as producer:
            await producer.play(topic, 7)

    asyncio.run(send())

    [record] = records(topic, 1)
    headers: Any = record.headers()
    assert (record.key(), record.value()) == (b'"player-7"', b'{"player": 7}')
    assert len(headers) == len(spans) == 1


def test_what_is_consumed_is_deserialized_and_keeps_its_trace(
    settings: dict[str, Any], group: dict[str, Any], topic: str, spans: Spans
) -> None:
    """By poll and by consume, with the consumer's names on the span; rebalances are told."""
    told: list[object] = []

    async def assigned(consumer: object, partitions: list[object]) -> None:
        told.append((consumer, len(partitions)))

    async def play() -> list[confluent_kafka.Message[Any, Any]]:
        async with await AsyncSerializingProducer(settings) as producer:
            await producer.produce(topic, 7, {"bet": 1}, 0)
            await producer.produce(topic, 8, {"bet": 2}, 0)
        consumer = await AsyncDeserializingConsumer({**group, "client.id": "worker-1"})
        await consumer.subscribe([topic], on_assign=assigned)
        one = await first(consumer)
        async with consumer:
            [other] = await consumer.consume(1, 60)
            for message in (one, other):
                with processing(message, consumer=consumer):
                    await asyncio.sleep(0)
        assert told == [(consumer, 4)]
        return [one, other]

    got = asyncio.run(play())

    sends, processes = spans[:2], spans[2:]
    assert [message.deserialized_key() for message in got] == [7, 8]
    assert [message.deserialized_value() for message in got] == [{"bet": 1}, {"bet": 2}]
    for send, process in zip(sends, processes, strict=True):
        assert send.context
        assert process.parent
        assert ids(process.parent) == ids(send.context)
        assert (process.attributes or {})["messaging.client.id"] == "worker-1"


def test_what_cannot_be_deserialized_has_a_trace_too(
    settings: dict[str, Any], group: dict[str, Any], topic: str, spans: Spans
) -> None:
    """The error of poll has the message, which can be processed, under the consumer's options."""
    unrelated = Options(policies=(TopicPolicy(relation="link"),))

    async def play() -> None:
        async with await AsyncSerializingProducer(settings) as producer:
            await producer.produce(topic, 7, {"bet": 1})
        bad = {**group, "value.deserializer": fails}
        async with await AsyncDeserializingConsumer(bad, options=unrelated) as consumer:
            await consumer.subscribe([topic])
            with pytest.raises(ValueDeserializationError) as raised:
                await first(consumer)
            message = raised.value.kafka_message
            assert message is not None
            with processing(message, consumer=consumer):
                pass

    asyncio.run(play())

    [send, process] = spans
    assert send.context
    assert process.parent is None
    assert [ids(link.context) for link in process.links] == [ids(send.context)]
