"""The producer: what is on the wire, what its spans say and when they end, what it leaves alone."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import SpanKind, StatusCode

from propagation import Consumer, Options, Producer, extract
from propagation.conventions import SCHEMA_URL
from tests.propagation.builders import OTHER_TRACEPARENT, ids, span_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.propagation.conftest import Records

    Spans = list[ReadableSpan]
    Make = Callable[..., Producer]

KafkaError = confluent_kafka.KafkaError


@pytest.fixture
def make(bootstrap_servers: str) -> Make:
    """Give a function that makes a producer for the mock cluster."""

    def producer(*, options: Options | None = None, **more: Any) -> Producer:
        servers = {"bootstrap.servers": bootstrap_servers, "linger.ms": 0, "log_level": 0}
        return Producer({**servers, **more}, options=options)

    return producer


@pytest.fixture
def producer(make: Make) -> Iterator[Producer]:
    """Give a producer that is closed after the test."""
    with make() as one:
        yield one


@pytest.fixture
def unreachable() -> Iterator[Producer]:
    """Give a producer whose broker does not exist."""
    one = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    yield one
    purge(one)


class Reports:
    """A delivery callback that keeps what it was told."""

    def __init__(self) -> None:
        self.errors: list[str | None] = []

    def __call__(self, error: KafkaError | None, message: confluent_kafka.Message) -> None:
        """Take a report."""
        del message
        self.errors.append(error.name() if error else None)


def headers_of(message: confluent_kafka.Message) -> list[tuple[str, Any]]:
    """Give the headers of *message*; a list, as every consumed message has them."""
    headers = message.headers() or []
    assert isinstance(headers, list)
    return headers


def traceparents(message: confluent_kafka.Message) -> list[Any]:
    """List the values of all traceparent headers on *message*."""
    return [value for name, value in headers_of(message) if name.lower() == "traceparent"]


def purge(producer: Producer) -> None:
    """Drop what is queued and let it be reported."""
    producer.purge()
    producer.flush(60)


def sent(spans: Spans) -> Spans:
    """List the send spans among *spans*."""
    return [span for span in spans if span.name.startswith("send ")]


def test_the_send_span_says_what_was_delivered(make: Make, topic: str, spans: Spans) -> None:
    """It is named after the topic and ends at delivery with partition, offset and queue time."""
    with make(**{"client.id": "api-1"}) as producer:
        producer.produce(topic, b"{}", "player-7", 2)

    [span] = spans
    attributes = dict(span.attributes or {})
    assert span.name == f"send {topic}"
    assert span.kind is SpanKind.PRODUCER
    assert span.status.status_code is StatusCode.UNSET
    assert 0 < attributes.pop("propagation.queue_time_seconds") < 60  # type: ignore[operator]  # a float
    assert isinstance(attributes.pop("server.port"), int)
    attributes.pop("messaging.kafka.cluster.id", None)  # of a first message it may be known or not
    assert attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic,
        "messaging.client.id": "api-1",
        "server.address": "127.0.0.1",
        "messaging.destination.partition.id": "2",
        "messaging.kafka.offset": 0,
        "messaging.kafka.message.key": "player-7",
    }
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.schema_url == SCHEMA_URL


def test_the_message_carries_its_send_span(
    producer: Producer, topic: str, spans: Spans, records: Records
) -> None:
    """The header names the send span, which is a child of whatever was current."""
    with trace.get_tracer("test").start_as_current_span("POST /game/slots/play") as request:
        producer.produce(topic, b"{}")
    producer.flush(60)

    [record] = records(topic, 1)
    [send] = sent(spans)
    assert send.context
    assert send.parent
    assert ids(span_in(extract(record.headers()))) == ids(send.context)
    assert ids(send.parent) == ids(request.get_span_context())


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (("text", b""), {"messaging.kafka.message.key": "text"}),
        ((b"text", b""), {"messaging.kafka.message.key": "text"}),
        ((b"\xff", b""), {}),
        (("ü", b""), {"messaging.kafka.message.key": "ü"}),
        ((None, b""), {}),
        ((None, None), {"messaging.kafka.message.tombstone": True}),
    ],
)
def test_the_span_tells_a_key_that_is_text_and_a_tombstone(
    producer: Producer, topic: str, spans: Spans, record: tuple[Any, Any], expected: dict[str, Any]
) -> None:
    """A binary key has no canonical text and is left out; a missing value is a tombstone."""
    key, value = record

    producer.produce(topic, value, key)
    producer.flush(60)

    [span] = spans
    told = {k: v for k, v in (span.attributes or {}).items() if ".message." in k}
    assert told == expected


def test_the_span_ends_before_the_users_callback_runs(
    producer: Producer, topic: str, spans: Spans
) -> None:
    """Whoever waits for the report finds the span complete."""
    ended: list[int] = []

    producer.produce(topic, b"", on_delivery=lambda *_: ended.append(len(spans)))
    producer.flush(60)

    assert ended == [1]


def test_a_failed_delivery_is_an_error_by_its_kafka_name(
    producer: Producer, topic: str, spans: Spans
) -> None:
    """The report's error is on the span; the callback gets it as ever."""
    reports = Reports()

    producer.produce(
        topic, b"", partition=99, callback=reports
    )  # nobody knows yet that it is wrong
    producer.flush(60)

    [span] = spans
    assert reports.errors == ["_UNKNOWN_PARTITION"]
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "_UNKNOWN_PARTITION"


def test_only_errors_are_reported_where_that_was_asked(
    make: Make, topic: str, spans: Spans
) -> None:
    """With delivery.report.only.error the callback hears of failures; every span ends."""
    reports = Reports()
    producer = make(**{"delivery.report.only.error": True, "linger.ms": 60_000})

    producer.produce(topic, b"delivered", callback=reports)
    producer.flush(60)
    producer.produce(topic, b"dropped", callback=reports)
    purge(producer)

    assert reports.errors == ["_PURGE_QUEUE"]
    assert len(spans) == 2


@pytest.mark.parametrize("value", ["true", 1, None])
def test_a_wrong_setting_is_refused_as_ever(make: Make, value: Any) -> None:
    """Only a real bool is taken, in the real class's words."""
    with pytest.raises(TypeError, match=r"Expected delivery.report.only.error to be bool"):
        make(**{"delivery.report.only.error": value})


@pytest.mark.parametrize("only_error", [False, True])
def test_a_configured_callback_serves_messages_without_their_own(
    make: Make, topic: str, spans: Spans, *, only_error: bool
) -> None:
    """The configured on_delivery is called unless the message brings another."""
    configured, own = Reports(), Reports()
    settings = {"on_delivery": configured, "delivery.report.only.error": only_error}
    producer = make(**settings, **{"linger.ms": 60_000})

    producer.produce(topic, b"delivered")
    producer.flush(60)
    producer.produce(topic, b"dropped")
    producer.produce(topic, b"dropped", on_delivery=own)
    purge(producer)

    assert configured.errors == [None, "_PURGE_QUEUE"][only_error:]
    assert own.errors == ["_PURGE_QUEUE"]
    assert len(spans) == 3


def test_arguments_may_come_in_the_real_methods_order(
    producer: Producer, topic: str, records: Records
) -> None:
    """Topic, value, key, partition, callback, on_delivery, timestamp, headers."""
    reports = Reports()

    producer.produce(topic, b"v", b"k", 3, reports, None, 1_700_000_000_000, [("a", b"1")])
    producer.flush(60)

    [record] = records(topic, 1)
    assert (record.value(), record.key(), record.partition()) == (b"v", b"k", 3)
    assert record.timestamp() == (confluent_kafka.TIMESTAMP_CREATE_TIME, 1_700_000_000_000)
    assert headers_of(record)[0] == ("a", b"1")
    assert reports.errors == [None]


def test_callback_goes_before_on_delivery(producer: Producer, topic: str) -> None:
    """Of two the first is called, as by the real class; beside None the other is."""
    first, second, third = Reports(), Reports(), Reports()

    producer.produce(topic, b"", callback=first, on_delivery=second)
    producer.produce(topic, b"", callback=None, on_delivery=third)
    producer.flush(60)

    assert (first.errors, second.errors, third.errors) == ([None], [], [None])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((5,), {}),
        ((b"t",), {}),
        (([],), {}),
        (("t", 5), {}),
        (("t", b"", 5), {}),
        (("t", b"", b""), {"partition": None}),
        (("t", b"", b""), {"timestamp": None}),
        (("t", b"", b""), {"headers": (("a", b"b"),)}),
    ],
)
def test_wrong_arguments_raise_the_real_errors(
    producer: Producer,
    broker: confluent_kafka.Producer,
    spans: Spans,
    arguments: tuple[Any, ...],
    named: dict[str, Any],
) -> None:
    """Type and text are the real method's, and a span that was started has ended."""
    with pytest.raises(TypeError) as theirs:
        broker.produce(*arguments, **named)
    with pytest.raises(TypeError) as ours:
        producer.produce(*arguments, **named)

    assert str(ours.value) == str(theirs.value)
    assert all(span.status.status_code is StatusCode.ERROR for span in spans)


def test_no_lone_surrogate_gets_onto_a_span(producer: Producer, spans: Spans) -> None:
    """The client refuses it as ever; the span of the attempt can still be exported."""
    with pytest.raises(UnicodeEncodeError):
        producer.produce("plays\ud800", b"", "key\ud800")

    [span] = spans
    assert span.name == "send plays?"
    assert (span.attributes or {})["messaging.kafka.message.key"] == "key?"


def test_settings_may_be_keywords(bootstrap_servers: str, topic: str, spans: Spans) -> None:
    """A producer can be made of keywords alone, as the real one."""
    settings: dict[str, Any] = {"bootstrap.servers": bootstrap_servers, "log_level": 0}

    with Producer(**settings) as producer:
        producer.produce(topic, b"")

    assert len(spans) == 1


def test_a_full_queue_raises_and_ends_the_span(spans: Spans) -> None:
    """BufferError passes unchanged; the span names it."""
    producer = Producer(
        {"bootstrap.servers": "127.0.0.1:1", "queue.buffering.max.messages": 1, "log_level": 0}
    )
    producer.produce("plays", b"first")

    with pytest.raises(BufferError):
        producer.produce("plays", b"second")

    [span] = spans
    assert (span.attributes or {})["error.type"] == "BufferError"
    purge(producer)


def test_a_refused_message_ends_its_span_with_kafkas_name(make: Make, spans: Spans) -> None:
    """KafkaException passes unchanged; error.type is the Kafka error in it."""
    producer = make(**{"message.max.bytes": 1000})

    with pytest.raises(confluent_kafka.KafkaException):
        producer.produce("plays", b"x" * 2000)

    [span] = spans
    assert (span.attributes or {})["error.type"] == "MSG_SIZE_TOO_LARGE"
    assert span.status.status_code is StatusCode.ERROR


def test_purge_ends_every_span(unreachable: Producer, spans: Spans) -> None:
    """Purged messages are reported at the next poll or flush, and their spans end there."""
    reports = Reports()
    unreachable.produce("plays", b"", callback=reports)
    unreachable.produce("plays", b"")

    purge(unreachable)

    assert reports.errors == ["_PURGE_QUEUE"]
    assert [(s.attributes or {})["error.type"] for s in spans] == ["_PURGE_QUEUE"] * 2


def test_close_ends_every_span(make: Make, topic: str, spans: Spans) -> None:
    """Closing delivers what is queued, says so, and leaves no span open."""
    producer = make(**{"linger.ms": 1000})
    for _ in range(3):
        producer.produce(topic, b"")

    assert producer.close()

    assert len(spans) == 3
    with pytest.raises(RuntimeError, match="closed"):
        producer.produce(topic, b"")


def test_leaving_a_with_block_ends_every_span(make: Make, topic: str, spans: Spans) -> None:
    """The block gives the producer itself and closes it."""
    with make(**{"linger.ms": 1000}) as producer:
        assert isinstance(producer, Producer)
        producer.produce(topic, b"")

    assert len(spans) == 1
    assert len(producer) == 0


def test_transactions_work_and_end_their_spans(make: Make, topic: str, spans: Spans) -> None:
    """Committed messages are delivered, aborted ones reported as purged; all spans end."""
    producer = make(**{"transactional.id": topic, "linger.ms": 50_000})  # nothing leaves by itself
    reports = Reports()
    consumer = Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": topic, "log_level": 0})
    producer.init_transactions(60)

    producer.begin_transaction()
    producer.produce(topic, b"kept", callback=reports)
    offsets = [confluent_kafka.TopicPartition(topic, 0, 1)]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 60)
    producer.commit_transaction(60)
    producer.begin_transaction()
    producer.produce(topic, b"dropped", callback=reports)
    producer.abort_transaction(60)

    assert reports.errors == [None, "_PURGE_QUEUE"]
    assert len(spans) == 2
    consumer.close()


@pytest.mark.parametrize("headers", [[("a", b"1")], {"a": b"1"}])
def test_headers_may_be_used_again(
    producer: Producer, topic: str, records: Records, headers: Any
) -> None:
    """The caller's object is not changed, and each message has one traceparent, its own."""
    before = headers.copy()

    for _ in range(3):
        producer.produce(topic, b"", headers=headers)
    producer.flush(60)

    carried = [traceparents(record) for record in records(topic, 3)]
    assert headers == before
    assert [len(values) for values in carried] == [1, 1, 1]
    assert len({values[0] for values in carried}) == 3


def test_a_forwarded_message_has_one_traceparent(
    producer: Producer, topic: str, spans: Spans, records: Records
) -> None:
    """Headers of a consumed message are replaced by the new ones, the others stay."""
    headers = [("a", b"1"), ("TraceParent", OTHER_TRACEPARENT.encode()), ("a", None)]

    producer.produce(topic, b"", headers=headers)
    producer.flush(60)

    [record] = records(topic, 1)
    assert headers_of(record)[:2] == [("a", b"1"), ("a", None)]
    assert len(traceparents(record)) == 1
    assert spans[0].context
    assert ids(span_in(extract(record.headers()))) == ids(spans[0].context)


@pytest.mark.parametrize(("keys", "expected"), [((), None), (("tenant",), b"tenant=acme")])
def test_only_allowed_baggage_leaves(
    make: Make, topic: str, records: Records, keys: tuple[str, ...], expected: bytes | None
) -> None:
    """Baggage is sent for the keys of the options, by default for none."""
    token = attach(baggage.set_baggage("tenant", "acme", baggage.set_baggage("secret", "x")))

    with make(options=Options(baggage_keys=frozenset(keys))) as producer:
        producer.produce(topic, b"")
    detach(token)

    [record] = records(topic, 1)
    assert dict(record.headers() or []).get("baggage") == expected


def test_a_message_in_flight_does_not_keep_its_producer(spans: Spans) -> None:
    """A forgotten producer is freed, though its messages were never delivered."""
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    producer.produce("plays", b"", callback=Reports())
    alive = weakref.ref(producer)

    del producer
    gc.collect()

    assert alive() is None
    assert spans == []


def test_an_exception_of_the_callback_comes_out_of_flush(
    producer: Producer, topic: str, spans: Spans
) -> None:
    """As ever; the span has ended by then."""

    def fail(*_: object) -> None:
        raise LookupError("the callback's own")

    producer.produce(topic, b"", callback=fail)
    with pytest.raises(LookupError, match="the callback's own"):
        producer.flush(60)

    assert len(spans) == 1


def test_a_batch_carries_a_span_and_headers_for_each_message(
    producer: Producer, topic: str, spans: Spans, records: Records
) -> None:
    """produce_batch sends headers and timestamps, which the real one cannot."""
    default, own = Reports(), Reports()
    messages: list[dict[str, Any]] = [
        {"value": b"1", "key": "k", "headers": [("a", b"1")], "timestamp": 1_700_000_000_000},
        {"value": "2", "partition": 1, "callback": own},
        {"value": None, "partition": None, "callback": None},
    ]

    assert producer.produce_batch(topic, messages, 0, on_delivery=default) == 3
    producer.flush(60)

    got = {record.value(): record for record in records(topic, 3)}
    assert {v: len(traceparents(r)) for v, r in got.items()} == {b"1": 1, b"2": 1, None: 1}
    assert ("a", b"1") in (got[b"1"].headers() or [])
    assert got[b"1"].timestamp()[1] == 1_700_000_000_000
    assert [got[value].partition() for value in (b"1", b"2", None)] == [0, 1, 0]
    assert len(sent(spans)) == 3
    assert (default.errors, own.errors) == ([None, None], [None])


def test_a_batch_marks_what_could_not_be_queued(spans: Spans) -> None:
    """produce_batch goes on, gives the failed ones their error and counts the others."""
    producer = Producer(
        {
            "bootstrap.servers": "127.0.0.1:1",
            "queue.buffering.max.messages": 1,
            "message.max.bytes": 1000,
            "log_level": 0,
        }
    )
    messages: list[dict[str, Any]] = [{"value": b"x" * 2000}, {"value": b"ok"}, {"value": b"full"}]

    assert producer.produce_batch("plays", messages) == 1

    codes = [one["_error"].code() if "_error" in one else None for one in messages]
    assert codes == [KafkaError.MSG_SIZE_TOO_LARGE, None, KafkaError._QUEUE_FULL]
    assert len(spans) == 2
    purge(producer)


@pytest.mark.parametrize(
    "arguments",
    [
        (5, []),
        ("t", [], None),
        ("t", None),
        ("t", ({"value": b""},)),
        ("t", [{"value": b"never sent"}, 5]),
        ("t", [{"value": b"never sent"}, {"value": 5}]),
        ("t", [{"value": bytearray()}]),
        ("t", [{"key": 5}]),
        ("t", [{"partition": "x"}]),
    ],
)
def test_a_malformed_batch_raises_the_real_errors(
    producer: Producer, broker: confluent_kafka.Producer, spans: Spans, arguments: tuple[Any, ...]
) -> None:
    """produce_batch refuses the whole before any message is queued, in the real words."""
    with pytest.raises(TypeError) as theirs:
        broker.produce_batch(*arguments)
    with pytest.raises(TypeError) as ours:
        producer.produce_batch(*arguments)

    assert str(ours.value) == str(theirs.value)
    assert len(producer) == 0
    assert spans == []


def test_malformed_headers_refuse_the_whole_batch(producer: Producer, spans: Spans) -> None:
    """produce_batch looks at the headers of all messages before it queues the first."""
    with pytest.raises(TypeError, match="expected headers to be dict or list"):
        producer.produce_batch("t", [{"value": b""}, {"value": b"", "headers": 5}])

    assert spans == []


@pytest.mark.parametrize("wrong", [(), (None,), (5,), ({}, {})], ids=repr)
def test_wrong_configurations_raise_the_real_errors(wrong: tuple[Any, ...]) -> None:
    """A producer needs a dict, and says so as ever."""
    with pytest.raises(TypeError):
        confluent_kafka.Producer(*wrong)
    with pytest.raises(TypeError):
        Producer(*wrong)


def test_a_subclass_that_skips_init_meets_the_real_error() -> None:
    """The error is the client library's, not a missing attribute."""

    class Careless(Producer):
        def __init__(self) -> None:
            """Forget the base class."""

    with pytest.raises(RuntimeError, match="closed"):
        Careless().produce("plays", b"")


UNSAMPLED = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))
from propagation import Producer, context_of, processing
from propagation.testing import message
from tests.propagation.builders import TRACEPARENT

told = []
for only_error in (False, True):
    settings = {"bootstrap.servers": "m:1", "test.mock.num.brokers": "1", "log_level": 0}
    settings["delivery.report.only.error"] = only_error
    settings["on_delivery"] = lambda error, message: told.append(error)
    with Producer(settings) as producer:
        sent = message(headers=[("traceparent", TRACEPARENT)])
        with processing(sent) as span:
            assert not span.is_recording()
            producer.produce("t", b"", callback=lambda e, m: told.append("own"))
            producer.produce("t", b"")
        [(name, value)] = __import__("propagation").inject(None, trace.set_span_in_context(span))
        assert value.decode()[:36] == TRACEPARENT[:36], value
        assert value.decode()[-1] in "02", value
assert sorted(told, key=str) == [None, "own"], told
"""


BROKEN_PROCESSOR = """
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

class Broken(SpanProcessor):
    def on_end(self, span):
        raise LookupError

provider = TracerProvider()
provider.add_span_processor(Broken())
trace.set_tracer_provider(provider)
from propagation import Producer

told = []
mock = {"bootstrap.servers": "m:1", "test.mock.num.brokers": "1", "log_level": 0}
producer = Producer(mock)
producer.produce("t", b"", callback=lambda error, message: told.append(error))
try:
    producer.flush(60)
except LookupError:
    told.append("raised")
assert told == [None, "raised"], told
"""


@pytest.mark.parametrize("script", [UNSAMPLED, BROKEN_PROCESSOR], ids=["unsampled", "broken"])
def test_another_provider_leaves_the_messages_alone(script: str) -> None:
    """Where the sampler drops, ids travel unsampled; where a processor fails, reports still come.

    A process of its own each, because OpenTelemetry allows one provider.
    """
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )

    assert run.returncode == 0, run.stderr
