"""Receiving and settling: the spans and counts of ``poll``, ``consume`` and ``commit``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaException, TopicPartition
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import SpanKind, StatusCode

from propagation import Consumer, Options, Producer, TopicPolicy, extract, processing
from tests.propagation.builders import context, ids, points, span_context, span_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka import Message
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import ReadableSpan

    Spans = list[ReadableSpan]
    Make = Callable[..., Consumer]

POLL_SPANS = Options(poll_spans=True)
COMMIT_SPANS = Options(commit_spans="always")


@pytest.fixture
def make(bootstrap_servers: str, topic: str, spans: Spans) -> Iterator[Make]:
    """Give a function that makes a consumer with three messages before it; no spans so far."""
    with Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer:
        for value in (b"1", b"2", b"3"):
            producer.produce(topic, value, partition=0)
    spans.clear()
    made: list[Consumer] = []

    def consumer(options: Options | None = None, **more: Any) -> Consumer:
        one = Consumer(
            {"bootstrap.servers": bootstrap_servers, "group.id": topic, "log_level": 0, **more},
            options=options,
        )
        one.assign([TopicPartition(topic, 0, 0)])
        made.append(one)
        return one

    yield consumer
    for one in made:
        one.close()


@contextmanager
def current(given: Context) -> Iterator[None]:
    """Make *given* current for a block."""
    token = attach(given)
    yield
    detach(token)


def first(consumer: Consumer) -> Message:
    """Poll until a message comes."""
    while (message := consumer.poll(60)) is None:
        """The timeout of the test bounds it."""
    return message


def links(span: ReadableSpan) -> list[tuple[int, int]]:
    """List what *span* links to."""
    return [ids(link.context) for link in span.links]


def origins(messages: list[Message]) -> list[tuple[int, int]]:
    """List the spans that sent *messages*."""
    return [ids(span_in(extract(message.headers()))) for message in messages]


def test_a_poll_is_a_span_where_wanted(make: Make, topic: str, spans: Spans) -> None:
    """Named after the topic, a client's, with the time of the call and a link to the message."""
    message = first(make(POLL_SPANS))

    [poll] = spans
    told = poll.attributes or {}
    assert (poll.name, poll.kind) == (f"poll {topic}", SpanKind.CLIENT)
    assert told["messaging.operation.name"] == "poll"
    assert told["messaging.operation.type"] == "receive"
    assert told["messaging.consumer.group.name"] == topic
    assert "messaging.batch.message_count" not in told
    assert told["messaging.destination.partition.id"] == "0"
    assert told["messaging.kafka.offset"] == 0
    assert links(poll) == origins([message])
    assert poll.start_time
    assert poll.end_time
    assert poll.end_time > poll.start_time


def test_a_batch_tells_its_size(make: Make, spans: Spans) -> None:
    """One span for one call, with a link for every message."""
    consumer = make(POLL_SPANS)
    got = [first(consumer)]
    spans.clear()

    batch = consumer.consume(2, timeout=60)

    [poll] = spans
    assert (poll.attributes or {})["messaging.batch.message_count"] == len(batch) == 2
    assert links(poll) == origins(batch)
    assert len(got) == 1


def test_a_poll_describes_its_one_record(
    make: Make, bootstrap_servers: str, topic: str, spans: Spans
) -> None:
    """Key and tombstone, as the record's own process span."""
    consumer = make(POLL_SPANS)
    with Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer:
        producer.produce(topic, None, "alice", partition=2)
    consumer.assign([TopicPartition(topic, 2, 0)])
    spans.clear()

    first(consumer)

    told = spans[0].attributes or {}
    assert told["messaging.kafka.message.key"] == "alice"
    assert told["messaging.kafka.message.tombstone"] is True


def test_a_poll_of_several_partitions_names_none(
    make: Make, bootstrap_servers: str, topic: str, spans: Spans, metrics: InMemoryMetricReader
) -> None:
    """Neither on the span nor in the measurement; the topic is the same for all, and told."""
    consumer = make(POLL_SPANS)
    with Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer:
        producer.produce(topic, b"4", partition=1)
    consumer.assign([TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)])
    spans.clear()

    got = consumer.consume(4, timeout=60)

    assert {record.partition() for record in got} == {0, 1}
    assert spans[0].name == f"poll {topic}"
    assert "messaging.destination.partition.id" not in (spans[0].attributes or {})
    durations = points(metrics, "messaging.client.operation.duration")
    [took] = [p for p in durations if p.attributes["messaging.operation.name"] == "poll"]
    assert took.attributes["messaging.destination.name"] == topic
    assert "messaging.destination.partition.id" not in took.attributes


def test_a_poll_that_brings_nothing_is_told_nowhere(make: Make, spans: Spans) -> None:
    """An idle consumer has no spans, nor has one that was not asked for them."""
    idle = make(POLL_SPANS)
    idle.assign([])

    assert idle.poll(0) is None
    assert idle.consume(1, timeout=0) == []
    first(make())

    assert spans == []


def test_an_untrusted_topic_is_not_linked(make: Make, spans: Spans) -> None:
    """A policy that says nothing of the message's trace holds for polls, too."""
    first(make(Options(policies=(TopicPolicy(relation="none"),), poll_spans=True)))

    assert links(spans[0]) == []


def test_a_commit_is_a_span_of_the_scope_it_is_made_in(
    make: Make, topic: str, spans: Spans
) -> None:
    """A child of the process span that links to the message it settles."""
    consumer = make()
    message = first(consumer)

    with processing(message, consumer=consumer) as process:
        consumer.commit(message=message, asynchronous=False)

    commit = spans[0]
    assert (commit.name, commit.kind) == (f"commit {topic}", SpanKind.CLIENT)
    told = commit.attributes or {}
    assert told["messaging.operation.type"] == "settle"
    assert (told["messaging.destination.partition.id"], told["messaging.kafka.offset"]) == ("0", 0)
    assert commit.parent
    assert ids(commit.parent) == ids(process.get_span_context())
    assert links(commit) == origins([message])


def test_suppressed_calls_are_told_nowhere(
    make: Make, topic: str, spans: Spans, metrics: InMemoryMetricReader
) -> None:
    """Inside suppress_instrumentation a poll and a commit are neither spans nor measured."""
    consumer = make(Options(poll_spans=True, commit_spans="always"))

    with suppress_instrumentation():
        first(consumer)
        consumer.consume(1, timeout=60)
        consumer.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)

    operations = {
        point.attributes["messaging.operation.name"]
        for point in points(metrics, "messaging.client.operation.duration")
    }
    assert spans == []
    assert operations <= {"send"}
    assert points(metrics, "messaging.client.consumed.messages") == []


@pytest.mark.parametrize(
    ("options", "inside", "outside"),
    [(None, 1, 0), (COMMIT_SPANS, 1, 1), (Options(commit_spans="never"), 0, 0)],
)
def test_a_commit_begins_no_trace_unless_wanted(  # noqa: PLR0917  # what is given, and what comes
    make: Make,
    topic: str,
    spans: Spans,
    metrics: InMemoryMetricReader,
    options: Options | None,
    inside: int,
    outside: int,
) -> None:
    """A worker that commits each second would fill a backend; each is measured all the same."""
    consumer = make(options)
    offsets = [TopicPartition(topic, 0, 2)]

    consumer.commit(offsets=offsets, asynchronous=False)
    without = len(spans)
    with trace.get_tracer("test").start_as_current_span("settle"):
        consumer.commit(offsets=offsets, asynchronous=False)

    assert (without, len(spans) - without - 1) == (outside, inside)
    [measured] = points(metrics, "messaging.client.operation.duration")
    assert measured.count == 2


@pytest.mark.parametrize(("flags", "commits"), [(0, 0), (1, 1)])
def test_a_commit_follows_the_trace_it_is_made_in(
    make: Make, topic: str, spans: Spans, flags: int, commits: int
) -> None:
    """Also one that is recorded elsewhere; not one that is recorded nowhere."""
    consumer = make()

    with current(context(span_context(flags=flags))):
        consumer.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)

    assert len(spans) == commits


def test_a_commit_of_a_tombstone_names_its_topic(
    make: Make, bootstrap_servers: str, topic: str, spans: Spans
) -> None:
    """A message without a value is one all the same, though Python calls it empty."""
    consumer = make(COMMIT_SPANS)
    with Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer:
        producer.produce(topic, None, partition=1)
    consumer.assign([TopicPartition(topic, 1, 0)])
    message = first(consumer)
    spans.clear()

    consumer.commit(message, asynchronous=False)

    assert [span.name for span in spans] == [f"commit {topic}"]
    assert links(spans[0]) == origins([message])


def test_a_commit_of_partitions_names_their_topic(make: Make, topic: str, spans: Spans) -> None:
    """By the list it is given; what is returned is the real method's."""
    offsets = [TopicPartition(topic, 0, 2)]

    done = make(COMMIT_SPANS).commit(offsets=offsets, asynchronous=False)

    assert done is not None
    assert [(one.topic, one.partition, one.offset) for one in done] == [(topic, 0, 2)]
    [commit] = spans
    assert commit.name == f"commit {topic}"
    assert (commit.attributes or {})["messaging.destination.partition.id"] == "0"
    assert "messaging.kafka.offset" not in (commit.attributes or {})  # 2 is the next record's


def test_a_commit_of_several_partitions_names_none(make: Make, topic: str, spans: Spans) -> None:
    """What differs is not told; the topic is the same for all."""
    offsets = [TopicPartition(topic, 0, 2), TopicPartition(topic, 1, 0)]

    make(COMMIT_SPANS).commit(offsets=offsets, asynchronous=False)

    assert spans[0].name == f"commit {topic}"
    assert "messaging.destination.partition.id" not in (spans[0].attributes or {})


def test_a_commit_that_fails_is_an_error_by_its_kafka_name(make: Make, spans: Spans) -> None:
    """The real exception passes; the span has Kafka's name for it."""
    consumer = make(COMMIT_SPANS)

    with pytest.raises(KafkaException):
        consumer.commit(asynchronous=False)

    [commit] = spans
    assert commit.name == "commit"
    assert commit.status.status_code is StatusCode.ERROR
    assert (commit.attributes or {})["error.type"] == "_NO_OFFSET"


def test_wrong_arguments_raise_the_real_errors(make: Make) -> None:
    """Type and text are the real methods'."""
    consumer = make()

    for call in (consumer.poll, consumer.consume):
        with pytest.raises(TypeError):
            call("soon")
    with pytest.raises(TypeError):
        consumer.commit(message=5)
