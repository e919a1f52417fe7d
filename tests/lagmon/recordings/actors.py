"""Producers and consumers that act by themselves until they are told to stop: a cluster's life."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TICK_SECONDS = 0.1
SPAN = "00f067aa0ba902b7"
QUIET = {"log_level": 0}  # they live through outages that are made on purpose


@contextmanager
def running(act: Callable[[], None], every: float) -> Iterator[None]:
    """Call *act* every so many seconds, in a thread, until the block ends; raise what it raised."""
    ended = threading.Event()
    failed: list[BaseException] = []

    def go() -> None:
        try:
            while not ended.wait(every):
                act()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failed.append(error)

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failed:
        raise failed[0]


def send(servers: str, topic: str, count: int, partition: int = 0) -> None:
    """Write *count* records with a trace each, and wait until the broker has them."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5})
    for number in range(count):
        header = f"00-{number + 1:032x}-{SPAN}-01".encode()
        producer.produce(topic, b"play", partition=partition, headers=[("traceparent", header)])
    assert producer.flush(60) == 0


@contextmanager
def producing(servers: str, topic: str, partitions: int = 1) -> Iterator[None]:
    """Write one record to each partition every tick."""
    # Before a broker that is away it waits, and goes on when it is back.
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "linger.ms": 0,
            "message.timeout.ms": 300_000,
            **QUIET,
        }
    )
    counts = iter(range(1, 1_000_000))

    def act() -> None:
        for partition in range(partitions):
            header = f"00-{next(counts):032x}-{SPAN}-01".encode()
            producer.produce(topic, b"play", partition=partition, headers=[("traceparent", header)])
        producer.poll(0)

    with running(act, TICK_SECONDS):
        yield
    producer.flush(60)


class Reader:
    """A member of a group that reads and commits; while `poisoned`, nothing of partition 1.

    *at_most* is how many records it reads in a tick. While not `commits`, it reads all the same.
    """

    def __init__(
        self, servers: str, group: str, topic: str, *, at_most: int = 50, commits: bool = True
    ) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": group,
                "client.id": "reader-1",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": 6000,
                **QUIET,
            }
        )
        self._consumer.subscribe([topic])
        self.poisoned, self.commits = False, commits
        self._at_most = at_most
        self._stuck: TopicPartition | None = None

    def act(self) -> None:
        """Read what there is and commit what can be handled."""
        if self._stuck and not self.poisoned:
            self._consumer.resume([self._stuck])
            self._consumer.seek(self._stuck)
            self._stuck = None
        done: dict[int, TopicPartition] = {}
        for message in self._consumer.consume(self._at_most, TICK_SECONDS):
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            if message.error() or topic is None or partition is None or offset is None:
                continue
            if self.poisoned and partition == 1:
                if self._stuck is None:
                    self._stuck = TopicPartition(topic, partition, offset)
                    self._consumer.pause([self._stuck])
            else:
                done[partition] = TopicPartition(topic, partition, offset + 1)
        if done and self.commits:
            self._commit(list(done.values()))

    def _commit(self, offsets: list[TopicPartition]) -> None:
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException:
            return  # the broker is away; the next commit is as good

    def joined(self) -> None:
        """Wait for an assignment."""

        def assigned() -> Any:
            self.act()
            return self._consumer.assignment()

        until(assigned, timeout=60, every=0, what="an assignment")

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()


@contextmanager
def reading(servers: str, group: str, topic: str, **how: Any) -> Iterator[Reader]:
    """Read as a member of *group* until the block ends, then leave it."""
    reader = Reader(servers, group, topic, **how)
    try:
        reader.joined()
        with running(reader.act, 0.01):
            yield reader
    finally:
        reader.close()
