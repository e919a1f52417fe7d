"""The serializing forms: serializers see what will be sent, messages carry one span each."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from confluent_kafka.error import (
    KeySerializationError,
    ValueDeserializationError,
    ValueSerializationError,
)
from confluent_kafka.serialization import (
    IntegerDeserializer,
    IntegerSerializer,
    SerializationContext,
    StringSerializer,
)
from opentelemetry.trace import StatusCode

from propagation import (
    DeserializingConsumer,
    Options,
    Producer,
    SerializingProducer,
    TopicPolicy,
    extract,
    processing,
)
from tests.infra.wait import until
from tests.propagation.builders import OTHER_TRACEPARENT, ids, span_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.propagation.conftest import Records

    Make = Callable[..., SerializingProducer[Any, Any]]
    Consume = Callable[..., DeserializingConsumer[Any, Any]]


def to_json(value: object, _: SerializationContext) -> bytes:
    """Serialize as JSON."""
    return json.dumps(value).encode()


def from_json(data: bytes | None, _: SerializationContext) -> Any:
    """Deserialize JSON."""
    return json.loads(data or b"null")


def fails(*_: object) -> bytes:
    """Fail to serialize."""
    raise LookupError("no such schema")


@pytest.fixture
def make(bootstrap_servers: str) -> Iterator[Make]:
    """Give a function that makes a producer of numbered JSON values."""
    made: list[SerializingProducer[Any, Any]] = []

    def producer(**more: Any) -> SerializingProducer[Any, Any]:
        settings = {
            "bootstrap.servers": bootstrap_servers,
            "log_level": 0,
            "key.serializer": IntegerSerializer(),
            "value.serializer": to_json,
        }
        made.append(SerializingProducer({**settings, **more}))
        return made[-1]

    yield producer
    for one in made:
        one.close()


@pytest.fixture
def consume(bootstrap_servers: str, topic: str) -> Consume:
    """Give a function that makes a consumer of numbered JSON values, subscribed to the topic."""

    def consumer(**more: Any) -> DeserializingConsumer[Any, Any]:
        options = more.pop("options", None)
        settings = {
            "bootstrap.servers": bootstrap_servers,
            "log_level": 0,
            "group.id": uuid.uuid4().hex,
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "key.deserializer": IntegerDeserializer(),
            "value.deserializer": from_json,
        }
        one = DeserializingConsumer[Any, Any]({**settings, **more}, options=options)
        one.subscribe([topic])
        return one

    return consumer


def names(message: confluent_kafka.Message) -> list[str]:
    """Give the names of the headers of *message*."""
    headers: Any = message.headers() or []
    return [name for name, _ in headers]


def test_the_key_comes_before_the_value(
    make: Make, topic: str, spans: list[ReadableSpan], records: Records
) -> None:
    """In the real order, serialized, in one span whose id is on the wire."""
    producer = make()

    producer.produce(topic, 7, {"bet": 1}, 2, None, 1_700_000_000_000, [("a", b"1")])
    producer.flush(60)

    [record] = records(topic, 1)
    [span] = spans
    assert span.context
    assert (record.key(), record.value()) == (b"\0\0\0\x07", b'{"bet": 1}')
    assert (record.partition(), record.timestamp()[1]) == (2, 1_700_000_000_000)
    assert names(record) == ["a", "traceparent"]
    assert ids(span_in(extract(record.headers()))) == ids(span.context)


def test_serializers_see_and_extend_what_is_sent(make: Make, topic: str, records: Records) -> None:
    """The context of a serializer has the trace in it; what it adds to it goes out.

    Schema ids travel so. The caller's own list stays as it was.
    """
    seen: list[list[str]] = []

    def serialize(value: str, context: SerializationContext) -> bytes:
        headers: Any = context.headers
        seen.append([name for name, _ in headers])
        headers.append((f"schema-{context.field}", b"7"))
        return value.encode()

    producer = make(**{"key.serializer": serialize, "value.serializer": serialize})
    own: list[tuple[str, str | bytes | None]] = [("traceparent", OTHER_TRACEPARENT), ("a", "1")]

    producer.produce(topic, "k", "v", headers=own)
    producer.flush(60)

    [record] = records(topic, 1)
    assert seen == [["a", "traceparent"], ["a", "traceparent", "schema-key"]]
    assert names(record) == ["a", "traceparent", "schema-key", "schema-value"]
    assert own == [("traceparent", OTHER_TRACEPARENT), ("a", "1")]


@pytest.mark.parametrize(
    ("which", "error"), [("key", KeySerializationError), ("value", ValueSerializationError)]
)
def test_a_serializers_error_passes_and_ends_the_span(
    make: Make, topic: str, spans: list[ReadableSpan], which: str, error: type[Exception]
) -> None:
    """The real error comes out, and the span of the message that was never queued names it."""
    producer = make(**{f"{which}.serializer": fails})

    with pytest.raises(error, match="no such schema"):
        producer.produce(topic, 7, {})

    [span] = spans
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == f"_{which.upper()}_SERIALIZATION"


def test_a_message_that_is_refused_ends_its_span_once(
    make: Make, topic: str, spans: list[ReadableSpan], caplog: pytest.LogCaptureFixture
) -> None:
    """Kafka's error comes out unchanged; nobody ends a span that has ended."""
    producer = make(**{"message.max.bytes": 1000})

    with pytest.raises(confluent_kafka.KafkaException):
        producer.produce(topic, 7, "x" * 2000)

    [span] = spans
    assert (span.attributes or {})["error.type"] == "MSG_SIZE_TOO_LARGE"
    assert not caplog.records


@pytest.mark.parametrize(("arguments", "error"), [((5,), TypeError), (("t",), RuntimeError)])
def test_wrong_calls_raise_the_real_errors(
    make: Make, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    """A topic that is no text, a producer that is closed: type and words are the real one's."""
    ours = make()
    theirs = confluent_kafka.SerializingProducer[Any, Any]({"bootstrap.servers": "127.0.0.1:1"})
    if error is RuntimeError:
        ours.close()
        theirs.close()

    with pytest.raises(error) as told:
        theirs.produce(*arguments)
    with pytest.raises(error, match=str(told.value)):
        ours.produce(*arguments)

    theirs.close()


def test_reports_and_settings_are_a_producers(
    make: Make, topic: str, spans: list[ReadableSpan]
) -> None:
    """Client id, configured on_delivery and delivery.report.only.error mean what they mean."""
    told: list[str | None] = []
    settings = {"delivery.report.only.error": True, "client.id": "api-1", "linger.ms": 60_000}
    producer = make(**settings, on_delivery=lambda e, _: told.append(e and e.name()))

    producer.produce(topic, 1, "delivered")
    producer.flush(60)
    producer.produce(topic, 2, "dropped")
    producer.purge()
    producer.flush(60)

    assert told == ["_PURGE_QUEUE"]
    assert [(s.attributes or {})["messaging.client.id"] for s in spans] == ["api-1", "api-1"]


def test_a_batch_is_not_serialized(make: Make, topic: str, records: Records) -> None:
    """As in the real class, and each message carries its trace, as in `Producer`."""
    producer = make()

    assert producer.produce_batch(topic, [{"value": b"1"}, {"value": b"2"}]) == 2
    producer.flush(60)

    got = records(topic, 2)
    assert sorted(record.value() or b"" for record in got) == [b"1", b"2"]
    assert [names(record) for record in got] == [["traceparent"]] * 2


def test_a_block_closes_producer_and_consumer(make: Make, consume: Consume) -> None:
    """`with` gives the client itself and closes it, and what it built."""
    with make() as producer:
        assert isinstance(producer, Producer)
    with consume() as consumer:
        assert isinstance(consumer, confluent_kafka.Consumer)

    with pytest.raises(RuntimeError, match="closed"):
        producer.produce("plays", 1, {})
    with pytest.raises(RuntimeError, match="closed"):
        consumer.poll(0)


class PlayProducer(SerializingProducer[str, dict[str, int]]):
    """What teams write: serializers chosen by the class, a produce of its own."""

    def __init__(self, config: dict[str, Any], options: Options | None = None) -> None:
        own = {"key.serializer": StringSerializer(), "value.serializer": to_json}
        super().__init__({**config, **own}, options=options)

    def produce(self, topic: str, *, play: dict[str, int], **more: Any) -> None:  # type: ignore[override]
        """Send a play under its player."""
        super().produce(topic, f"player-{play['player']}", play, **more)


def test_a_subclass_works(
    bootstrap_servers: str, topic: str, spans: list[ReadableSpan], records: Records
) -> None:
    """With types bound, an __init__ and a produce of its own: one span, one header."""
    told: list[object] = []
    with PlayProducer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer:
        producer.produce(topic, play={"player": 7}, on_delivery=lambda e, _: told.append(e))

    [record] = records(topic, 1)
    assert (record.key(), record.value()) == (b"player-7", b'{"player": 7}')
    assert names(record) == ["traceparent"]
    assert len(spans) == 1
    assert told == [None]


class AvroProducer(confluent_kafka.Producer):
    """As old code has it: a class of the client library's side that serializes by itself."""

    def produce(self, **more: Any) -> None:  # type: ignore[override]
        """Take a dict as value."""
        more["value"] = json.dumps(more["value"]).encode()
        super().produce(**more)


class TracedAvroProducer(AvroProducer, Producer):  # type: ignore[misc]  # as AvroProducer is
    """That class and ours: what it calls next is ours."""


def test_an_avro_producer_can_be_mixed_with_ours(
    bootstrap_servers: str, topic: str, spans: list[ReadableSpan], records: Records
) -> None:
    """A class that derives from the real producer is traced by deriving from both."""
    with TracedAvroProducer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer:
        producer.produce(topic=topic, value={"player": 7})

    [record] = records(topic, 1)
    assert names(record) == ["traceparent"]
    assert len(spans) == 1


def test_what_is_consumed_is_deserialized_and_keeps_its_trace(
    make: Make, consume: Consume, topic: str, spans: list[ReadableSpan]
) -> None:
    """Key and value are objects then; the process span is in the trace of the send span."""
    producer = make()
    producer.produce(topic, 7, {"bet": 1})
    producer.flush(60)

    with consume(**{"client.id": "worker-1"}) as consumer:
        message = until(lambda: consumer.poll(0.5), what="the message")
        with processing(message, consumer=consumer):
            pass
        with pytest.raises(NotImplementedError):
            consumer.consume()

    [send, process] = spans
    assert (message.deserialized_key(), message.deserialized_value()) == (7, {"bet": 1})
    assert process.parent
    assert send.context
    assert ids(process.parent) == ids(send.context)
    assert (process.attributes or {})["messaging.client.id"] == "worker-1"


def test_what_cannot_be_deserialized_has_a_trace_too(
    make: Make, consume: Consume, topic: str, spans: list[ReadableSpan]
) -> None:
    """The error of poll has the message, which can be processed, under the consumer's options."""
    producer = make()
    producer.produce(topic, 7, {"bet": 1})
    producer.flush(60)
    unrelated = Options(policies=(TopicPolicy(relation="link"),))
    consumer = consume(options=unrelated, **{"value.deserializer": fails})

    with pytest.raises(ValueDeserializationError) as raised:
        until(lambda: consumer.poll(0.5), what="the error")
    message = raised.value.kafka_message
    assert message is not None
    with processing(message, consumer=consumer):
        pass

    [send, process] = spans
    assert send.context
    assert process.parent is None
    assert [ids(link.context) for link in process.links] == [ids(send.context)]
    consumer.close()


def test_a_subscription_may_have_callbacks(consume: Consume, topic: str) -> None:
    """Subscribe is the consumer's."""
    told: list[object] = []
    consumer = consume()

    consumer.subscribe([topic], on_assign=lambda *_: told.append("assigned"))

    def assigned() -> list[object]:
        consumer.poll(0.1)
        return told

    until(assigned, what="an assignment")

    assert told == ["assigned"]
    consumer.close()
