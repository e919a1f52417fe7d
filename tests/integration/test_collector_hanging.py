"""The collector and a broker that stands still: what the others say comes all the same."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Offset
from confluent_kafka.cimpl import NewTopic

from lagmon.collector.lanes import Lanes
from lagmon.judge.lag import measure
from lagmon.readings import TopicPartition
from tests.conftest import running as started
from tests.infra.kafka_nodes import KafkaNodes
from tests.infra.require import required
from tests.infra.wait import until
from tests.integration.collecting import collect_until, running, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka.admin import AdminClient

    from lagmon.readings import Snapshot
pytestmark = pytest.mark.timeout(240)

TOPIC = "plays"
HUNG = 3  # no controller
GROUPS = [f"group-{number}" for number in range(12)]
# With groups and partitions on each broker, one copy each: what the hung one has nobody else has.
SPREAD = {"offsets.topic.num.partitions": "6"}


@pytest.fixture(scope="module")
def nodes() -> Iterator[KafkaNodes]:
    """Give three brokers, with a partition of the topic on each and groups all over."""
    with required():
        made = KafkaNodes(3, SPREAD)
    for cluster in started(made):
        fill(cluster)
        yield cluster


def fill(cluster: KafkaNodes) -> None:
    """Create the topic and have every group commit on each of its partitions."""
    admin = cluster.admin()
    wanted = NewTopic(TOPIC, num_partitions=3, replica_assignment=[[1], [2], [3]])
    admin.create_topics([wanted])[TOPIC].result(60)
    until(lambda: TOPIC in {at.topic for at in leaders(admin)}, what="the topic's leaders")
    for group in GROUPS:
        consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": group})
        commits = [Offset(TOPIC, number, 0) for number in range(3)]
        consumer.commit(offsets=commits, asynchronous=False)
        consumer.close()


def leaders(admin: AdminClient) -> dict[TopicPartition, int]:
    """Give the leader of each partition of the cluster."""
    return {
        TopicPartition(name, number): partition.leader
        for name, topic in admin.list_topics(timeout=60).topics.items()
        for number, partition in topic.partitions.items()
        if partition.leader >= 0
    }


def coordinated_by_others(nodes: KafkaNodes) -> set[str]:
    """List the groups whose coordinator does not hang."""
    lanes = Lanes(leaders(nodes.admin()))
    return {group for group in GROUPS if lanes.of_group(group) != HUNG}


def complete(snapshot: Snapshot) -> bool:
    """Tell whether everything was read."""
    lags = measure(snapshot).groups
    return len(lags) == len(GROUPS) and all(one.lag == 0 and not one.unknown for one in lags)


def lags(snapshot: Snapshot, group: str) -> dict[int, int | None]:
    """Give the lag of *group* on each partition."""
    found = {one.group: one for one in measure(snapshot).groups}
    return {row.at.partition: row.lag for row in found[group].partitions}


def test_a_broker_that_hangs_keeps_nobody_else_back(nodes: KafkaNodes) -> None:
    """While one of three brokers stands still the groups of the others have their values.

    They come again and again in a fraction of one time-out. The partition that the hung broker
    leads is unknown, never 0. When it goes on, everything is known again.
    """
    others = coordinated_by_others(nodes)
    made = settings(nodes.bootstrap_servers, include=GROUPS, request_timeout=30.0)
    theirs = {0: 0, 1: 0, 2: None}
    seen: list[Snapshot] = []

    def whole(snapshot: Snapshot) -> bool:
        seen.append(snapshot)
        return all(lags(snapshot, group) == theirs for group in others)

    async def run() -> float:
        async with running(made) as collector:
            for _ in range(3):
                await collect_until(collector, complete)
            nodes.pause(HUNG)
            began = time.monotonic()
            try:
                for _ in range(3):
                    await collect_until(collector, whole)
            finally:
                nodes.resume(HUNG)
            seconds = time.monotonic() - began
            await collect_until(collector, complete)
            return seconds

    seconds = asyncio.run(run())

    assert 0 < len(others) < len(GROUPS)
    assert seconds < 60  # three cycles that wait for the hung broker take 90
    for snapshot in seen:
        assert snapshot.error is None
        assert {one.group for one in snapshot.groups} == set(GROUPS)
        assert {lags(snapshot, group)[2] for group in others} == {None}
