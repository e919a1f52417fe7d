"""The cluster's id on spans: there once the client knows it, and never waited for."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import TopicPartition

from propagation import AIOProducer, Consumer, Options, Producer, processing

if TYPE_CHECKING:
    import confluent_kafka
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import ReadableSpan

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
    return str(broker.cluster_id(timeout=10))


def told(spans: Spans) -> list[Any]:
    """List what *spans* say of the cluster."""
    return [(span.attributes or {}).get(CLUSTER) for span in spans]


def until_asked_again() -> None:
    """Let the time pass in which a client is not asked twice."""
    threading.Event().wait(0.11)


def test_a_send_names_the_cluster_once_it_is_known(
    settings: dict[str, Any], topic: str, cluster: str, spans: Spans
) -> None:
    """The first message may leave before the producer has met a broker."""
    with Producer(settings) as producer:
        producer.produce(topic, b"1")
        producer.flush(10)
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
    began = time.monotonic()

    for _ in range(1000):
        producer.produce("plays", b"")

    assert time.monotonic() - began < 1
    producer.purge()
    producer.flush(10)
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
        while (message := consumer.poll(10)) is None:
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


def test_an_unmeasured_consumer_knows_it(
    settings: dict[str, Any], topic: str, cluster: str, spans: Spans
) -> None:
    """Without poll spans and without metrics; by batches, too."""
    with Producer(settings) as producer:
        producer.produce(topic, b"", partition=0)
    spans.clear()
    with Consumer({**settings, "group.id": topic}) as consumer:
        consumer.assign([TopicPartition(topic, 0, 0)])
        [message] = consumer.consume(1, 10)
        with processing(message, consumer=consumer):
            pass

    assert told(spans) == [cluster]
