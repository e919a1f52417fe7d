"""Metrics and suppression: nothing where nobody listens, or where somebody asks for nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.error import KeySerializationError
from opentelemetry.context import Context, attach, detach
from opentelemetry.instrumentation.utils import suppress_instrumentation

from propagation import Producer, SerializingProducer, instruments, processing, processing_batch
from propagation.measures import close_measure
from propagation.spans import ProcessSpans, SendSpans
from propagation.testing import message
from tests.propagation.builders import TRACEPARENT, points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.propagation.conftest import Records

TRACED = [("traceparent", TRACEPARENT)]


@pytest.fixture(autouse=True)
def nothing_current() -> Iterator[None]:
    """Begin and end every test without a current span."""
    token = attach(Context())
    yield
    detach(token)


def test_nothing_is_measured_while_nobody_listens() -> None:
    """No measurement is made, and no report awaited for a span that is not recorded."""
    assert instruments.current() is None

    span, _ = ProcessSpans().start(message(), Context())

    assert close_measure(span) is None
    ProcessSpans.end(span, None)
    assert not SendSpans.awaits_report(span)


LATE = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from propagation import Producer, processing
from propagation.testing import message

def play():
    settings = {"bootstrap.servers": "m:1", "test.mock.num.brokers": "1", "log_level": 0}
    with processing(message(topic="t")), Producer(settings) as producer:
        producer.produce("t", b"")

play()
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
play()
[resource] = reader.get_metrics_data().resource_metrics
counts = {}
for metric in resource.scope_metrics[0].metrics:
    for point in metric.data.data_points:
        counts[metric.name] = getattr(point, "count", None) or point.value
        assert point.attributes["messaging.destination.name"] == "t"
assert counts == {
    "messaging.process.duration": 1,
    "messaging.client.operation.duration": 1,
    "messaging.client.sent.messages": 1,
}, counts
"""


def test_a_provider_that_comes_late_is_heard_from_then_on() -> None:
    """Even without a tracer provider: metrics do not depend on spans."""
    done = subprocess.run(
        [sys.executable, "-c", LATE], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr


def test_scopes_are_measured_apart(metrics: InMemoryMetricReader) -> None:
    """Nested and crossing scopes each count once, by what became of them."""
    first, second = processing(message(topic="a")), processing(message(topic="b"))
    first.__enter__()
    second.__enter__()

    first.__exit__(None, None, None)
    second.__exit__(LookupError, LookupError(), None)

    got = {
        (p.attributes["messaging.destination.name"], p.attributes.get("error.type")): p.count
        for p in points(metrics, "messaging.process.duration")
    }
    assert got == {("a", None): 1, ("b", "LookupError"): 1}


def test_a_batch_is_measured_as_its_span(metrics: InMemoryMetricReader) -> None:
    """Once, by what all messages share; a message's scope inside counts for itself, as its span."""
    batch = [message(topic="a", partition=3, timestamp=1), message(topic="a", partition=3)]

    failing = processing_batch(batch)
    failing.__enter__()
    with processing(batch[0]):
        pass
    failing.__exit__(LookupError, LookupError(), None)

    got = {
        p.attributes.get("error.type"): (p.count, p.attributes["messaging.destination.name"])
        for p in points(metrics, "messaging.process.duration")
    }
    partitions = {
        p.attributes["messaging.destination.partition.id"]
        for p in points(metrics, "messaging.process.duration")
    }
    assert got == {None: (1, "a"), "LookupError": (1, "a")}
    assert partitions == {"3"}
    [waited] = points(metrics, "propagation.queue_time")
    assert waited.count == 1


def test_a_batch_of_nothing_or_of_several_topics(metrics: InMemoryMetricReader) -> None:
    """Without a record there is nothing to measure; what differs is not told."""
    with processing_batch([]):
        pass
    with processing_batch([message(topic="a"), message(topic="b", partition=1)]):
        pass

    [point] = points(metrics, "messaging.process.duration")
    assert point.count == 1
    assert "messaging.destination.name" not in point.attributes
    assert "messaging.destination.partition.id" not in point.attributes


def test_a_message_that_never_left_is_not_counted_as_sent(metrics: InMemoryMetricReader) -> None:
    """The conventions forbid it; its duration is told with the error."""
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    producer.produce("plays", b"")
    producer.purge()
    producer.flush(60)

    assert points(metrics, "messaging.client.sent.messages") == []


def test_a_refused_message_is_measured_and_never_counted(metrics: InMemoryMetricReader) -> None:
    """The operation failed by the exception it raised; nothing was sent."""
    settings = {"bootstrap.servers": "127.0.0.1:1", "queue.buffering.max.messages": 1}
    producer = Producer({**settings, "log_level": 0})
    serializing = SerializingProducer({**settings, "log_level": 0, "key.serializer": _refuse})
    producer.produce("plays", b"")

    with pytest.raises(BufferError):
        producer.produce("plays", b"")
    with pytest.raises(KeySerializationError):
        serializing.produce("plays", "key")

    refused = points(metrics, "messaging.client.operation.duration")
    assert [(p.attributes["error.type"], p.count) for p in refused] == [
        ("BufferError", 1),
        ("_KEY_SERIALIZATION", 1),
    ]
    assert all(p.attributes["messaging.operation.name"] == "send" for p in refused)
    assert all(p.max < 60 for p in refused)
    assert points(metrics, "messaging.client.sent.messages") == []
    producer.purge()
    producer.flush(60)


def _refuse(*_: object) -> bytes:
    raise ValueError("no key of mine")


def test_suppressed_sends_go_out_as_they_were_given(
    bootstrap_servers: str, topic: str, spans: list[ReadableSpan], records: Records
) -> None:
    """No span, no header; an exporter that sends spans by Kafka must not trace itself."""
    with (
        Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer,
        suppress_instrumentation(),
    ):
        producer.produce(topic, b"", headers=[("a", b"1")])

    [record] = records(topic, 1)
    assert spans == []
    assert record.headers() == [("a", b"1")]


def test_suppressed_scopes_change_nothing(
    spans: list[ReadableSpan], metrics: InMemoryMetricReader
) -> None:
    """Neither span nor measurement, and what was current stays."""
    with suppress_instrumentation():
        with processing(message(headers=TRACED)) as span:
            assert not span.get_span_context().is_valid
        with processing_batch([message(headers=TRACED)]) as batch:
            assert not batch.get_span_context().is_valid

    assert spans == []
    assert points(metrics, "messaging.process.duration") == []
