"""The traced clients on a real broker: transactions, rebalances, threads, share groups."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, TopicPartition
from opentelemetry import trace
from opentelemetry.context import get_current

from propagation import Consumer, Producer, extract, processing
from propagation.testing import captured_spans
from tests.infra.reading import committed, header, records
from tests.infra.shares import share_from_start
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.infra.kafka import KafkaBroker

    Spans = list[ReadableSpan]
    Consume = Callable[..., Consumer]

PROTOCOLS = pytest.mark.parametrize("protocol", ["classic", "consumer"])


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Give the list of spans that end while the test runs."""
    with captured_spans() as collected:
        yield collected


@pytest.fixture
def wide(kafka: KafkaBroker, topic: str) -> Iterator[str]:
    """Give another topic, with two partitions."""
    kafka.create_topic(f"{topic}-2", partitions=2)
    yield f"{topic}-2"
    kafka.delete_topic(f"{topic}-2")


@pytest.fixture
def consume(kafka: KafkaBroker, topic: str) -> Iterator[Consume]:
    """Give a function that makes a consumer of the topic's own group; closed after the test."""
    made: list[Consumer] = []

    def consumer(**more: Any) -> Consumer:
        settings = {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": f"group-of-{topic}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
        }
        if more.get("group.protocol", "classic") == "classic":
            settings |= {"heartbeat.interval.ms": 300}
        made.append(Consumer({**settings, **more}))
        return made[-1]

    yield consumer
    for one in made:
        one.close()


@pytest.fixture
def produce(kafka: KafkaBroker, topic: str) -> Callable[..., None]:
    """Give a function that sends values to the topic, each in a trace of its own."""

    def send(*values: bytes, partition: int = -1) -> None:
        with Producer({"bootstrap.servers": kafka.bootstrap_servers}) as producer:
            for value in values:
                producer.produce(topic, value, partition=partition)

    return send


def first(consumer: confluent_kafka.Consumer) -> confluent_kafka.Message:
    """Poll until a record comes."""
    return until(lambda: record(consumer), what="a record")


def record(consumer: confluent_kafka.Consumer) -> confluent_kafka.Message | None:
    """Poll once, and give a record but no error that passes."""
    message = consumer.poll(0.1)
    return None if message is None or message.error() else message


def trace_of(message: confluent_kafka.Message) -> int:
    """Give the id of the trace that *message* carries."""
    return trace.get_current_span(extract(message.headers())).get_span_context().trace_id


@pytest.mark.parametrize("committing", [True, False])
def test_a_transaction_moves_offsets_and_keeps_the_trace(
    kafka: KafkaBroker,
    topic: str,
    consume: Consume,
    produce: Callable[..., None],
    spans: Spans,
    *,
    committing: bool,
) -> None:
    """Read, process, write, send offsets, in one transaction: all of it is seen, or nothing.

    What was written is in the trace of what was read; every span ends, whatever becomes of it.
    """
    output = f"{topic}-out"
    kafka.create_topic(output)
    produce(b"1")
    consumer = consume()
    consumer.subscribe([topic])
    came = first(consumer)
    settings = {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": topic}
    reports: list[str] = []

    with Producer(settings) as producer:
        producer.init_transactions(60)
        producer.begin_transaction()
        with processing(came, consumer=consumer):
            producer.produce(
                output, b"settled", on_delivery=lambda e, _: reports.append(str(e and e.name()))
            )
        producer.send_offsets_to_transaction(
            [TopicPartition(topic, 0, (came.offset() or 0) + 1)],
            consumer.consumer_group_metadata(),
            60,
        )
        producer.flush(60)
        if committing:
            producer.commit_transaction(60)
        else:
            producer.abort_transaction(60)

    group = f"group-of-{topic}"
    [sent, sent_on] = [span for span in spans if span.name.startswith("send ")]
    assert sent.context
    assert sent_on.context
    assert reports == ["None"]
    assert sent_on.context.trace_id == sent.context.trace_id == trace_of(came)
    if committing:
        [settled] = records(kafka.bootstrap_servers, output, 1)
        assert trace_of(settled) == sent.context.trace_id
        assert committed(kafka.bootstrap_servers, group, topic) == 1
    else:
        reader = consume(**{"group.id": f"{group}-2", "isolation.level": "read_committed"})
        reader.assign([TopicPartition(output, 0, 0)])
        with Producer({"bootstrap.servers": kafka.bootstrap_servers}) as producer:
            producer.produce(output, b"next")
        assert first(reader).value() == b"next"
        assert committed(kafka.bootstrap_servers, group, topic) == 0
    kafka.delete_topic(output)


@PROTOCOLS
def test_a_rebalance_inside_a_scope(
    kafka: KafkaBroker, wide: str, consume: Consume, spans: Spans, protocol: str
) -> None:
    """A second consumer joins while the first is in a scope and polls on.

    The callbacks see no trace, what they commit stands, and the scope is as it was: current
    inside, gone after.
    """
    topic = wide
    with Producer({"bootstrap.servers": kafka.bootstrap_servers}) as producer:
        producer.produce(topic, b"1", partition=0)
    seen: list[tuple[str, bool]] = []

    def assigned(*_: object) -> None:
        seen.append(("assigned", bool(get_current())))

    def revoked(consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        seen.append(("revoked", bool(get_current())))
        consumer.commit(
            offsets=[TopicPartition(topic, p.partition, 1) for p in partitions], asynchronous=False
        )

    one = consume(**{"group.protocol": protocol})
    one.subscribe([topic], on_assign=assigned, on_revoke=revoked)
    came = first(one)
    before = get_current()

    with processing(came, consumer=one) as span:
        two = consume(**{"group.protocol": protocol})
        two.subscribe([topic], on_assign=assigned)

        def shared() -> bool:
            assert record(one) is None
            record(two)
            assert trace.get_current_span() is span
            return len(one.assignment()) == 1 and len(two.assignment()) == 1

        until(shared, timeout=60, what="a partition for each")
    assert get_current() == before

    assert {what for what, _ in seen} == {"assigned", "revoked"}
    assert not any(current for _, current in seen)
    [process] = [ended for ended in spans if ended.name == f"process {topic}"]
    assert process.context
    assert process.context.trace_id == trace_of(came)


def test_poll_in_one_thread_and_close_in_another(
    topic: str,
    consume: Consume,
    produce: Callable[..., None],
    spans: Spans,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither does a scope left in another thread than it was entered in disturb anything.

    What is current there stays, the span ends, and no line is logged about contexts.
    """
    produce(b"1")
    consumer = consume()
    consumer.subscribe([topic])
    scopes: list[Any] = []

    def enter() -> None:
        scopes.append(processing(first(consumer), consumer=consumer))
        scopes.append(scopes[0].__enter__())

    worker = threading.Thread(target=enter)
    worker.start()
    worker.join(60)
    with trace.get_tracer("test").start_as_current_span("shutting down") as own:
        consumer.close()
        scopes[0].__exit__(None, None, None)
        assert trace.get_current_span() is own

    assert [span.name for span in spans] == [f"send {topic}", f"process {topic}", "shutting down"]
    assert spans[2].parent is None
    assert not [line for line in caplog.records if line.name.startswith("opentelemetry")]


def test_two_consumers_in_one_process(
    topic: str, consume: Consume, produce: Callable[..., None], spans: Spans
) -> None:
    """Their scopes may lie in each other: each span has its message's trace and its group."""
    groups = [f"{topic}-a", f"{topic}-b"]
    produce(b"1", b"2")
    pairs = [(group, consume(**{"group.id": group, "client.id": group})) for group in groups]
    for _, consumer in pairs:
        consumer.subscribe([topic])
    traces: Counter[tuple[int, str]] = Counter()

    for _ in range(2):
        (group_a, a), (group_b, b) = pairs
        came_a, came_b = first(a), first(b)
        with processing(came_a, consumer=a) as outer:
            with processing(came_b, consumer=b) as inner:
                assert trace.get_current_span() is inner
            assert trace.get_current_span() is outer
        traces.update([(trace_of(came_a), group_a), (trace_of(came_b), group_b)])

    processes = [span for span in spans if span.name.startswith("process ")]
    assert traces == Counter(
        (s.context.trace_id, str((s.attributes or {})["messaging.consumer.group.name"]))
        for s in processes
        if s.context
    )
    assert len(processes) == 4
    assert get_current() == {}


def test_a_producer_shared_by_threads(kafka: KafkaBroker, topic: str, spans: Spans) -> None:
    """Each message is in the trace of the thread that sent it, whoever polls."""
    with Producer({"bootstrap.servers": kafka.bootstrap_servers}) as producer:

        def send(number: int) -> None:
            with trace.get_tracer("test").start_as_current_span(f"request {number}"):
                for _ in range(20):
                    producer.produce(topic, b"%d" % number)
                    producer.poll(0)

        threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    requests = {s.name: s.context.trace_id for s in spans if s.name[:8] == "request " and s.context}
    got = records(kafka.bootstrap_servers, topic, 80)
    assert len(spans) == 84
    for one in got:
        assert trace_of(one) == requests[f"request {(one.value() or b'').decode()}"]


def test_messages_of_a_share_group_have_scopes(
    kafka: KafkaBroker, topic: str, produce: Callable[..., None], spans: Spans
) -> None:
    """What a ShareConsumer gives is processed in the trace it came with, and acknowledged."""
    group = f"share-{topic}"
    share_from_start(kafka, group)
    produce(b"1", b"2")
    consumer = confluent_kafka.ShareConsumer(
        {"bootstrap.servers": kafka.bootstrap_servers, "group.id": group}
    )
    consumer.subscribe([topic])
    came: list[confluent_kafka.Message] = []

    def both() -> bool:
        for message in consumer.poll(1):
            assert message.error() is None
            with processing(message) as span:
                assert span.get_span_context().trace_id == trace_of(message)
            came.append(message)
        return len(came) == 2

    until(both, timeout=60, what="both messages")
    consumer.close()

    processes = [span for span in spans if span.name == f"process {topic}"]
    assert sorted(message.value() or b"" for message in came) == [b"1", b"2"]
    assert {s.context.trace_id for s in processes if s.context} == {trace_of(m) for m in came}


def test_a_delivery_that_fails_is_told_by_kafkas_name(
    kafka: KafkaBroker, topic: str, spans: Spans
) -> None:
    """A broker's own refusal: the record is larger than the topic takes."""
    small = f"{topic}-small"
    kafka.create_topic(small, **{"max.message.bytes": 200})
    reports: list[KafkaError | None] = []

    with Producer({"bootstrap.servers": kafka.bootstrap_servers}) as producer:
        producer.produce(small, b"x" * 1000, on_delivery=lambda e, _: reports.append(e))

    [span] = spans
    assert [report and report.name() for report in reports] == ["MSG_SIZE_TOO_LARGE"]
    assert (span.attributes or {})["error.type"] == "MSG_SIZE_TOO_LARGE"
    kafka.delete_topic(small)


def test_a_forwarded_record_has_one_traceparent(
    kafka: KafkaBroker, topic: str, consume: Consume, produce: Callable[..., None]
) -> None:
    """Through consume and produce_batch, with the headers handed on: the newest replaces."""
    produce(b"1", b"2")
    consumer = consume()
    consumer.subscribe([topic])
    came = [first(consumer), *consumer.consume(1, timeout=60)]

    with Producer({"bootstrap.servers": kafka.bootstrap_servers}) as producer:
        for message in came:
            with processing(message, consumer=consumer):
                producer.produce_batch(
                    topic, [{"value": b"again", "headers": message.headers()}], partition=0
                )

    again = records(kafka.bootstrap_servers, topic, 4)[2:]
    assert [len(message.headers() or []) for message in again] == [1, 1]
    assert [trace_of(m) for m in again] == [trace_of(m) for m in came]
    assert header(again[0], "traceparent") != header(came[0], "traceparent")
