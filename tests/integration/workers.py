"""A worker on a real broker, in a thread of the test's own, and what a test asks of its topics."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import confluent_kafka
from confluent_kafka import ConsumerGroupTopicPartitions

from consumers.assembly import make_worker
from consumers.configuration.settings import WorkerSettings
from consumers.kafka.client_log import ClientLog
from consumers.metrics import Metrics
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumers.ports import AnyHandler
    from tests.infra.kafka import KafkaBroker


class Worker:
    """A runtime in a thread of its own, with what became of it."""

    def __init__(self, kafka: KafkaBroker, topic: str, handler: AnyHandler, **changed: Any) -> None:
        values: dict[str, Any] = {
            "bootstrap_servers": kafka.bootstrap_servers,
            "database_url": "postgresql://not-used",
            "topic": topic,
            "group": f"group-of-{topic}",
            "backoff_initial": "50ms",
            "backoff_max": "200ms",
            "produce_timeout": "20s",
        }
        self.metrics = Metrics()
        self.heard = ClientLog("consumer", self.metrics)
        batch = changed.pop("batch", False)
        self.runtime = make_worker(
            WorkerSettings(**values | changed), handler, self.metrics, self.heard, batch=batch
        )
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.runtime.run(self.stop)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def ended(self, timeout: float = 60) -> float:
        """Ask it to stop, and give the seconds that took."""
        began = time.monotonic()
        self.stop.set()
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"still running after {timeout} s"
        return time.monotonic() - began

    def joined(self) -> None:
        """Wait until it is a member of its group."""
        until(lambda: self.runtime.unassigned() is None, what="an assignment")

    def failed(self) -> BaseException | None:
        """Give the exception that the run has ended with."""
        self._thread.join(0)
        return self.error

    def count(self, name: str, **labels: str) -> float:
        """Read one metric."""
        return self.metrics.registry.get_sample_value(name, labels) or 0


@contextmanager
def working(
    kafka: KafkaBroker, topic: str, handler: AnyHandler, **changed: Any
) -> Iterator[Worker]:
    """Run a worker on *topic*; it is stopped at the end and must not have failed."""
    worker = Worker(kafka, topic, handler, **changed)
    try:
        yield worker
    finally:
        worker.ended()
    assert worker.error is None


def write(
    kafka: KafkaBroker,
    topic: str,
    *values: str | bytes,
    client: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """Write *values* and wait until the broker has them; *client* holds librdkafka properties."""
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": kafka.bootstrap_servers, **(client or {})}
    )
    for value in values:
        producer.produce(topic, value, **more)
    assert producer.flush(60) == 0


def committed(kafka: KafkaBroker, topic: str) -> dict[int, int]:
    """Give what the group of *topic* has committed, by partition."""
    group = f"group-of-{topic}"
    admin = kafka.admin()
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
    found = asked[group].result(60).topic_partitions or []
    return {one.partition: one.offset for one in found}


def read(
    kafka: KafkaBroker, topic: str, count: int = 1, timeout: float = 60
) -> list[confluent_kafka.Message]:
    """Read the first *count* records of partition 0 of *topic*, or those there after *timeout*."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": kafka.bootstrap_servers, "group.id": "reader"}
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    found = consumer.consume(count, timeout=timeout)
    consumer.close()
    return found


def read_all(kafka: KafkaBroker, topic: str) -> list[confluent_kafka.Message]:
    """Read every record that is on partition 0 of *topic* now."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": kafka.bootstrap_servers, "group.id": "reader"}
    )
    start, end = consumer.get_watermark_offsets(
        confluent_kafka.TopicPartition(topic, 0), timeout=60
    )
    consumer.close()
    return read(kafka, topic, end - start)
