"""The telemetry reference says what is exported, and nothing else."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaException, TopicPartition
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from propagation import (
    Consumer,
    Options,
    Producer,
    instruments,
    processing,
    processing_batch,
)
from propagation.testing import captured_spans
from tests.docs.pages import table, text

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.infra.mock_kafka import MockKafka

PAGE = "reference/telemetry.md"
TOPIC = "telemetry-reference"


def play(servers: str) -> None:
    """Do everything that is told of: well, and so that it fails."""
    settings: dict[str, Any] = {"bootstrap.servers": servers, "client.id": "c", "log_level": 0}
    with Producer(settings) as producer:
        producer.list_topics(TOPIC, timeout=60)  # from here on it knows its cluster
        producer.produce(TOPIC, None, "key", 0)
        producer.produce(TOPIC, b"2", partition=0)
        producer.produce(TOPIC, b"3", partition=0)
        with pytest.raises(KafkaException):
            producer.produce(TOPIC, b"", partition=99)
    every = Options(poll_spans=True, commit_spans="always")
    with Consumer({**settings, "group.id": TOPIC}, options=every) as consumer:
        consumer.assign([TopicPartition(TOPIC, 0, 0)])
        with pytest.raises(KafkaException):
            consumer.commit(asynchronous=False)
        while (message := consumer.poll(60)) is None:
            """The timeout of the test bounds it."""
        batch = consumer.consume(2, timeout=60)
        with processing(message, consumer=consumer):
            consumer.commit(message=message, asynchronous=False)
        with pytest.raises(LookupError), processing(batch[0], consumer=consumer):
            raise LookupError
        with pytest.raises(LookupError), processing_batch(batch, consumer=consumer):
            raise LookupError


@pytest.fixture(scope="module")
def exported(mock_kafka: MockKafka) -> tuple[list[ReadableSpan], Any]:
    """Give the spans and metrics of one play."""
    mock_kafka.create_topic(TOPIC)
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    with pytest.MonkeyPatch.context() as patched, captured_spans() as spans:
        # OpenTelemetry allows one meter provider a process, which is not this test's to set.
        heard = instruments.Instruments(provider.get_meter("propagation"))
        patched.setattr(instruments, "_heard", heard)
        play(mock_kafka.bootstrap_servers)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    [scope] = data.resource_metrics[0].scope_metrics
    return spans, scope.metrics


def operation(span: ReadableSpan) -> str:
    """Name the column that *span* belongs to."""
    told = span.attributes or {}
    name = str(told["messaging.operation.name"])
    return "batch" if name == "process" and "messaging.batch.message_count" in told else name


def test_every_attribute_is_in_the_table(exported: tuple[list[ReadableSpan], Any]) -> None:
    """For each kind of span: the very attributes, and "always" is on every one."""
    head, *body = table(PAGE, "Attributes")
    seen: dict[str, list[set[str]]] = defaultdict(list)
    for span in exported[0]:
        seen[operation(span)].append(set(span.attributes or {}))

    assert set(seen) == set(head[1:-1])
    for column, kind in enumerate(head[1:-1], start=1):
        told = {row[0].strip("`"): row[column] for row in body if row[column]}
        always = {name for name, when in told.items() if when == "always"}
        assert set().union(*seen[kind]) == set(told), kind
        assert always <= set.intersection(*seen[kind]), kind


def test_every_span_is_in_the_table(exported: tuple[list[ReadableSpan], Any]) -> None:
    """By name and kind."""
    listed = {(row[0].split("`")[1].split()[0], row[1]) for row in table(PAGE, "Spans")[1:]}

    assert {(span.name.split()[0], span.kind.name) for span in exported[0]} == listed


def test_every_metric_is_in_the_table(exported: tuple[list[ReadableSpan], Any]) -> None:
    """By name, kind and unit; and their attributes are the listed ones."""
    _, metrics = exported
    listed = {(row[0].strip("`"), row[1], row[2]) for row in table(PAGE, "Metrics")[1:]}
    [sentence] = re.findall(r"Their attributes are (.*), as far as known", text(PAGE))

    kinds = {"Histogram": "histogram", "Sum": "counter"}
    assert {(m.name, kinds[type(m.data).__name__], m.unit) for m in metrics} == listed
    told = {name for m in metrics for point in m.data.data_points for name in point.attributes}
    assert told == set(re.findall(r"`([^`]+)`", sentence))


def test_counts_and_durations_are_those_of_the_play(
    exported: tuple[list[ReadableSpan], Any],
) -> None:
    """Three sent and received; two scopes and a batch, two of them failed; every operation once."""
    by_name = {m.name: m.data.data_points for m in exported[1]}

    def counted(name: str, **attributes: str) -> int:
        wanted = {k.replace("__", "."): v for k, v in attributes.items()}
        points = [p for p in by_name[name] if wanted.items() <= dict(p.attributes).items()]
        return sum(getattr(p, "count", 0) or getattr(p, "value", 0) for p in points)

    assert counted("messaging.client.sent.messages") == 3
    assert counted("messaging.client.consumed.messages") == 3
    assert counted("messaging.process.duration") == 3
    assert counted("messaging.process.duration", error__type="LookupError") == 2
    assert counted("propagation.queue_time") == counted("propagation.end_to_end_time") == 2
    duration = "messaging.client.operation.duration"
    assert counted(duration, messaging__operation__name="poll") == 2
    assert counted(duration, messaging__operation__name="commit") == 2
    assert counted(duration, messaging__operation__name="send") >= 3
