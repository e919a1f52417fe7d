"""The cluster's id on spans: there once the client knows it, and never waited for."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import TopicPartition

from propagation import AIOConsumer, AIOProducer, Consumer, Options, Producer, processing
from propagation.receiving import ClientSpans
from propagation.testing import message as message_of
from tests.infra.wait import until

if TYPE_CHECKING:
    import confluent_kafka
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import ReadableSpan

    from propagation.spans import ProcessSpans

    Spans = list[ReadableSpan]

CLUSTER = "messaging.kafka.cluster.id"
EVERY = Options(poll_spans=True, commit_spans="always")


@pytest.fixture
def settings(bootstrap_servers: str) -> dict[str, Any]:
    """Give what any client needs."""
    return {"bootstrap.servers": bootstrap_servers, "log_level": 0}


@pytest.fixture
def cluster(broker: confluent_kafka.Producer) -> str:
    """Give the true id."""
    return str(broker.cluster_id(timeout=60))


def told(spans: Spans) -> list[Any]:
    """List what *spans* say of the cluster."""
    return [(span.attributes or {}).get(CLUSTER) for span in spans]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a first message kept back for the cluster's id as long as a busy machine needs."""
    monkeypatch.setattr("propagation.aio_consumer._MEETING_SECONDS", 60)


def until_asked_again() -> None:
    """Let the time pass in which a client is not asked twice."""
    threading.Event().wait(0.11)


def test_a_send_names_the_cluster_once_it_is_known(
    settings: dict[str, Any], topic: str, cluster: str, spans: Spans
) -> None:
    """The first message may leave before the producer has met a broker."""
    with Producer(settings) as producer:
        producer.produce(topic, b"1")
        producer.flush(60)
        until_asked_again()
        producer.produce(topic, b"2")
        producer.produce(topic, b"3")

    assert told(spans)[1:] == [cluster, cluster]


def test_an_async_send_names_it_too(
    settings: dict[str, Any], topic: str, cluster: str, spans: Spans
) -> None:
    """Asked of the plain client inside."""

    async def play() -> None:
        producer = AIOProducer(settings)
        await (await producer.produce(topic, b"1"))
        await asyncio.sleep(0.11)
        await (await producer.produce(topic, b"2"))
        await producer.close()

    asyncio.run(play())

    assert told(spans)[-1] == cluster


def test_a_producer_without_a_broker_waits_for_nothing(spans: Spans) -> None:
    """A thousand messages are queued at once, and none says what is not known."""
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})

    def at_once() -> bool:
        began = time.monotonic()
        for _ in range(1000):
            producer.produce("plays", b"")
        return time.monotonic() - began < 1

    until(at_once, what="a thousand within a second")  # a busy machine may not have that second
    producer.purge()
    producer.flush(60)
    assert set(told(spans)) == {None}


def test_a_consumer_knows_it_with_its_first_record(
    settings: dict[str, Any],
    topic: str,
    cluster: str,
    spans: Spans,
    metrics: InMemoryMetricReader,
) -> None:
    """On poll, process and commit, also under options of the scope; never on a measurement."""
    with Producer(settings) as producer:
        producer.produce(topic, b"", partition=0)
    spans.clear()
    with Consumer({**settings, "group.id": topic}, options=EVERY) as consumer:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while (message := consumer.poll(60)) is None:
            """The timeout of the test bounds it."""
        with processing(message, consumer=consumer):
            consumer.commit(message)
        with processing(message, consumer=consumer, options=Options()):
            pass

    assert [span.name.split()[0] for span in spans] == ["poll", "commit", "process", "process"]
    assert set(told(spans)) == {cluster}
    data = metrics.get_metrics_data()
    assert data is not None
    assert CLUSTER not in data.to_json()


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("batch", [False, True])
def test_an_async_consumer_knows_it_with_its_first_record(
    settings: dict[str, Any], topic: str, cluster: str, spans: Spans, *, batch: bool
) -> None:
    """On poll, process and commit, by one or by many."""
    with Producer(settings) as producer:
        producer.produce(topic, b"", partition=0)
    spans.clear()

    async def play() -> None:
        consumer = AIOConsumer({**settings, "group.id": topic}, options=EVERY)
        await consumer.assign([TopicPartition(topic, 0, 0)])
        if batch:
            [message] = await consumer.consume(1, 60)
        else:
            message = await consumer.poll(60)
        async with processing(message, consumer=consumer):
            await consumer.commit(message)
        await consumer.close()

    asyncio.run(play())

    assert [span.name.split()[0] for span in spans] == ["poll", "commit", "process"]
    assert set(told(spans)) == {cluster}


class Held(ClientSpans):
    """Of a consumer that another task polls: who asks it for its cluster waits."""

    def __init__(self, spans: ProcessSpans) -> None:
        super().__init__(spans, is_new=True)
        self.polled_on = threading.Event()

    def meet(self, client: confluent_kafka.Consumer) -> None:
        """Wait for the other task, then ask."""
        assert self.polled_on.wait(60)
        super().meet(client)


def test_an_async_message_does_not_wait_for_another_tasks_poll(
    broker: confluent_kafka.Producer,
    settings: dict[str, Any],
    topic: str,
    cluster: str,
    spans: Spans,
) -> None:
    """A message is given before the cluster is known; those that come when it is know it."""
    broker.produce(topic, b"1", partition=0)
    broker.produce(topic, b"2", partition=0)

    async def play() -> None:
        consumer = AIOConsumer({**settings, "group.id": topic})
        consumer.client_spans = held = Held(consumer.process_spans)
        await consumer.assign([TopicPartition(topic, 0, 0)])
        async with processing(await consumer.poll(60), consumer=consumer):
            held.polled_on.set()
        assert consumer._meeting
        await consumer._meeting
        async with processing(await consumer.poll(60), consumer=consumer):
            pass
        await consumer.close()

    asyncio.run(play())

    assert told(spans) == [None, cluster]


def test_options_of_a_scope_know_it_too(
    settings: dict[str, Any], topic: str, cluster: str, spans: Spans
) -> None:
    """Also those under which a scope was opened before the consumer had met a broker."""
    with Producer(settings) as producer:
        producer.produce(topic, b"", partition=0)
    spans.clear()
    other = Options(baggage_keys=frozenset({"tenant"}))
    with Consumer({**settings, "group.id": topic}) as consumer:
        consumer.assign([TopicPartition(topic, 0, 0)])
        with processing(message_of(topic="plays"), consumer=consumer, options=other):
            pass
        while (message := consumer.poll(60)) is None:
            """The timeout of the test bounds it."""
        with processing(message, consumer=consumer, options=other):
            pass

    assert told(spans) == [None, cluster]


def test_an_unmeasured_consumer_knows_it(
    settings: dict[str, Any], topic: str, cluster: str, spans: Spans
) -> None:
    """Without poll spans and without metrics; by batches, too."""
    with Producer(settings) as producer:
        producer.produce(topic, b"", partition=0)
    spans.clear()
    with Consumer({**settings, "group.id": topic}) as consumer:
        consumer.assign([TopicPartition(topic, 0, 0)])
        [message] = consumer.consume(1, 60)
        with processing(message, consumer=consumer):
            pass

    assert told(spans) == [cluster]
