"""What tests of the collector on real brokers share: collectors, groups, members and commits."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from confluent_kafka import Consumer
from confluent_kafka import Producer as PlainProducer
from confluent_kafka import TopicPartition as Offset

from lagmon.configuration.settings import Cluster, CollectorSettings
from lagmon.readings import PeekRequest, Plan, Snapshot
from lagmon.supervise import Collector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from lagmon.readings import GroupReading
    from tests.infra.kafka import KafkaBroker

WAIT_SECONDS = 60


def settings(servers: str, *, request_timeout: float = 30.0, **groups: Any) -> CollectorSettings:
    """Build the settings of a collector of the cluster at *servers*."""
    cluster = Cluster.model_validate(
        {"name": "test", "bootstrap_servers": servers, "groups": groups}
    )
    return CollectorSettings(
        cluster=cluster, request_timeout=request_timeout, cycle_deadline=3 * request_timeout
    )


@asynccontextmanager
async def running(made: CollectorSettings) -> AsyncIterator[Collector]:
    """Start a collector and stop it."""
    collector = Collector(made)
    await collector.start()
    try:
        yield collector
    finally:
        await collector.stop()


async def collect_until(
    collector: Collector, check: Callable[[Snapshot], object], *, plan: Plan | None = None
) -> Snapshot:
    """Collect again and again until a snapshot is as *check* wants it."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        snapshot = await collector.collect(plan or Plan(), time.time())
        if check(snapshot):
            return snapshot
        assert time.monotonic() < end, f"waited in vain, last saw {snapshot}"
        await asyncio.sleep(0.2)


def once(made: CollectorSettings, check: Callable[[Snapshot], object] = bool) -> Snapshot:
    """Give the first snapshot as *check* wants it, of a collector started for it."""

    async def run() -> Snapshot:
        async with running(made) as collector:
            return await collect_until(collector, check)

    return asyncio.run(run())


def looked(made: CollectorSettings, *questions: PeekRequest) -> Snapshot:
    """Give the snapshot with the answers to *questions*."""

    async def run() -> Snapshot:
        async with running(made) as collector:
            return await collector.collect(Plan(questions), time.time())

    return asyncio.run(run())


def reading(snapshot: Snapshot, group: str) -> GroupReading | None:
    """Give what *snapshot* says of *group*."""
    return next((one for one in snapshot.groups if one.group == group), None)


def new_group() -> str:
    """Give a group name that no other test has."""
    return f"group-{uuid4().hex[:8]}"


def fill(servers: str, topic: str, count: int) -> None:
    """Write *count* records to partition 0 of *topic*."""
    producer = PlainProducer({"bootstrap.servers": servers, "linger.ms": 0})
    for number in range(count):
        producer.produce(topic, f"value-{number}".encode(), partition=0)
    assert producer.flush(60) == 0


@contextmanager
def member(servers: str, group: str, topic: str, **config: Any) -> Iterator[Consumer]:
    """Join *group* and have partition 0 of *topic* assigned."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "client.id": "reader-1",
            "enable.auto.commit": False,
            **config,
        }
    )
    consumer.subscribe([topic])
    end = time.monotonic() + WAIT_SECONDS
    while not consumer.assignment():
        consumer.poll(0.1)
        assert time.monotonic() < end, "the consumer got no partition"
    try:
        yield consumer
    finally:
        consumer.close()


def commit(servers: str, group: str, topic: str, offset: int) -> None:
    """Commit *offset* of partition 0 for *group*, without joining it."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    consumer.commit(offsets=[Offset(topic, 0, offset)], asynchronous=False)
    consumer.close()


def delete_before(kafka: KafkaBroker, topic: str, offset: int) -> None:
    """Have the broker delete the records of partition 0 before *offset*."""
    admin = kafka.admin()  # held: the futures of a client that is gone never end
    (deleted,) = admin.delete_records([Offset(topic, 0, offset)]).values()
    deleted.result(60)
