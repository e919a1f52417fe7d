"""Kafka without a broker: librdkafka's mock cluster, hosted by a child process.

Ready in a fraction of a second wherever confluent-kafka is installed. Good for producing,
consuming, headers and commits. It differs from Kafka where it matters to a monitor: a topic has
always 4 partitions, groups cannot be listed or described, both isolation levels agree, and the
older group protocol waits 44 s for a member that left, so use ``group.protocol=consumer``.

As a program, ``python -m tests.infra.mock_kafka TOPIC…`` prints one JSON line with its address and
serves until SIGTERM.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from tests.infra.process import Service
from tests.infra.wait import until

if TYPE_CHECKING:
    from typing import Self

ROOT = Path(__file__).parent.parent.parent
ANSWER_SECONDS = 60
EVENT = "mock_kafka_started"


class MockKafka:
    """A mock cluster with *topics*. A context manager.

    After `stop` and `start` it is another cluster: at another port, without the records.
    """

    def __init__(self, *topics: str) -> None:
        command = [sys.executable, "-m", "tests.infra.mock_kafka", *topics]
        self._service = Service(command, name="mock-kafka", cwd=ROOT)
        self.bootstrap_servers = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it has its topics."""
        self._service.start()
        started = self._service.wait_for_log(EVENT)
        self.bootstrap_servers = str(started["bootstrap_servers"])

    def stop(self) -> None:
        """End it; its records are gone."""
        self._service.finish()

    def create_topic(self, name: str) -> None:
        """Create topic *name* with 4 partitions; nothing happens if it is there."""
        touch(AdminClient({"bootstrap.servers": self.bootstrap_servers}), name)


def touch(client: Producer | AdminClient, topic: str) -> None:
    """Ask for *topic* until it is there.

    The mock creates a topic when first asked about it. A consumer that subscribes before that
    stays without partitions for many seconds and gets no error.
    """

    def exists() -> bool:
        found = client.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
        return found.error is None and len(found.partitions) > 0

    until(exists, timeout=ANSWER_SECONDS, what=f"topic {topic} in the mock cluster")


def host(topics: list[str]) -> None:
    """Serve a mock cluster with *topics* until SIGTERM or SIGINT."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    # The address is a formality: with test.mock.num.brokers the producer makes its own cluster.
    cluster = Producer({"test.mock.num.brokers": "1", "bootstrap.servers": "mock:1"})
    for topic in topics:
        touch(cluster, topic)
    broker = next(iter(cluster.list_topics(timeout=ANSWER_SECONDS).brokers.values()))
    address = f"{broker.host}:{broker.port}"
    sys.stdout.write(json.dumps({"event": EVENT, "bootstrap_servers": address}) + "\n")
    sys.stdout.flush()
    signal.sigwait(ends)


if __name__ == "__main__":
    if any(name.startswith("-") for name in sys.argv[1:]):
        sys.exit("usage: python -m tests.infra.mock_kafka [TOPIC…]")
    host(sys.argv[1:])
