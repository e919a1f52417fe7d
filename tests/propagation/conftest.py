"""A broker inside the test process: librdkafka's mock cluster, ready in milliseconds."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import confluent_kafka
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from propagation import instruments
from propagation.testing import captured_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    Records = Callable[[str, int], list[confluent_kafka.Message]]


@pytest.fixture(scope="session")
def broker() -> confluent_kafka.Producer:
    """Give the client that hosts the mock cluster: the cluster lives as long as it does."""
    return confluent_kafka.Producer(
        {"bootstrap.servers": "mock:1", "test.mock.num.brokers": "1", "log_level": 0}
    )


@pytest.fixture
def bootstrap_servers(broker: confluent_kafka.Producer) -> str:
    """Give the address of the mock cluster."""
    [one] = broker.list_topics(timeout=60).brokers.values()
    return f"{one.host}:{one.port}"


@pytest.fixture
def topic(broker: confluent_kafka.Producer) -> str:
    """Give a topic that no other test uses; asking for it makes it, with four partitions."""
    name = f"plays.{uuid.uuid4().hex[:8]}"
    broker.list_topics(name, timeout=60)
    return name


@pytest.fixture
def records(bootstrap_servers: str) -> Records:
    """Give a function that reads the first records of a topic with the real consumer."""

    def read(topic: str, count: int) -> list[confluent_kafka.Message]:
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": bootstrap_servers, "group.id": uuid.uuid4().hex, "log_level": 0}
        )
        partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions
        consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in partitions])
        got: list[confluent_kafka.Message] = []
        deadline = time.monotonic() + 60
        while len(got) < count and time.monotonic() < deadline:
            got += consumer.consume(count - len(got), timeout=0.1)
        consumer.close()
        assert len(got) == count
        return got

    return read


@pytest.fixture
def spans() -> Iterator[list[ReadableSpan]]:
    """Give the list of spans that end while the test runs."""
    with captured_spans() as collected:
        yield collected


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """Give what reads the metrics of a provider of the test's own."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    heard = instruments.Instruments(provider.get_meter("propagation"))
    monkeypatch.setattr(instruments, "_heard", heard)
    yield reader
    provider.shutdown()
