"""What the collector asks again, and what it keeps, from cycle to cycle on a real broker."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.cimpl import NewTopic

from lagmon.configuration.settings import Cluster, CollectorSettings
from lagmon.judge.lag import measure
from lagmon.readings import Plan, Snapshot
from tests.infra.wait import until
from tests.integration.collecting import (
    collect_until,
    commit,
    fill,
    member,
    new_group,
    reading,
    running,
)

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from tests.infra.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(180)


def settings(servers: str, idle_refresh: float, **groups: Any) -> CollectorSettings:
    """Build the settings of a collector that reads idle groups every *idle_refresh* seconds."""
    cluster = Cluster.model_validate(
        {"name": "test", "bootstrap_servers": servers, "groups": groups}
    )
    return CollectorSettings(cluster=cluster, idle_refresh=idle_refresh)


def kept(snapshot: Snapshot, group: str) -> bool:
    """Tell whether *snapshot* shows of *group* what was read before."""
    one = reading(snapshot, group)
    return one is not None and one.read_at is not None


def test_a_group_that_stands_is_kept_and_read_again(kafka: KafkaBroker, topic: str) -> None:
    """Without members and without moves it is read seldom, shown always, and its lag goes on.

    The commit that comes then is found when its turn comes, and makes it alive.
    """
    group, servers = new_group(), kafka.bootstrap_servers
    commit(servers, group, topic, 0)

    async def run() -> tuple[Snapshot, Snapshot]:
        async with running(settings(servers, 3.0, include=[group])) as collector:
            idle = await collect_until(collector, lambda s: kept(s, group))
            fill(servers, topic, 7)
            late = await collect_until(collector, lambda s: measure(s).groups[0].lag == 7)
            commit(servers, group, topic, 5)
            await collect_until(collector, lambda s: measure(s).groups[0].lag == 2)
            for _ in range(5):
                alive = await collector.collect(Plan(), time.time())
                assert not kept(alive, group)
            return idle, late

    idle, late = asyncio.run(run())

    (was,) = idle.groups
    assert was.read_at
    assert idle.at - 60 < was.read_at < idle.at
    assert (was.members, was.error) == (0, None)
    assert [one.group for one in late.groups] == [group]


def test_a_member_wakes_an_idle_group(kafka: KafkaBroker, topic: str) -> None:
    """When somebody joins, the group is read at once and in every cycle, whatever its turn."""
    group, servers = new_group(), kafka.bootstrap_servers
    commit(servers, group, topic, 0)

    async def run() -> None:
        async with running(settings(servers, 2.0, include=[group])) as collector:
            await collect_until(collector, lambda s: kept(s, group))
            with member(servers, group, topic):
                joined = await collect_until(
                    collector, lambda s: (one := reading(s, group)) and one.members
                )
                assert not kept(joined, group)

    asyncio.run(run())


def test_topic_ids_tell_a_topic_that_was_made_anew(kafka: KafkaBroker) -> None:
    """The same name, another id: no offset says so."""
    group, topic, servers = new_group(), new_group(), kafka.bootstrap_servers
    kafka.create_topic(topic)
    fill(servers, topic, 2)
    commit(servers, group, topic, 1)

    async def run() -> tuple[Snapshot, Snapshot]:
        async with running(settings(servers, 60.0, include=[group])) as collector:
            before = await collect_until(collector, lambda s: s.topic_ids)
            kafka.delete_topic(topic)
            create_again(kafka.admin(), topic)
            commit(servers, group, topic, 0)
            after = await collect_until(
                collector, lambda s: s.topic_ids and s.topic_ids != before.topic_ids
            )
            return before, after

    before, after = asyncio.run(run())

    assert [one.topic for one in before.topic_ids] == [topic]
    assert [one.topic for one in after.topic_ids] == [topic]
    kafka.delete_topic(topic)


def create_again(admin: AdminClient, topic: str) -> None:
    """Create a topic whose deletion may still be under way."""

    def created() -> bool:
        made = admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
        return made[topic].exception(20) is None

    until(created, what=f"{topic} to be created again")


def test_several_clusters_are_collected_at_once(kafka: KafkaBroker, topic: str) -> None:
    """Each cluster has a child of its own: one that is not there costs the other nothing."""
    group, servers = new_group(), kafka.bootstrap_servers
    commit(servers, group, topic, 0)

    async def run() -> tuple[Snapshot, Snapshot, int | None, int | None]:
        here = settings(servers, 60.0, include=[group])
        there = settings("127.0.0.1:1", 60.0)
        async with running(here) as one, running(there) as other:
            missing = asyncio.create_task(other.collect(Plan(), time.time()))
            found = await collect_until(one, lambda s: s.groups)
            return found, await missing, one.pid, other.pid

    found, missing, one, other = asyncio.run(run())

    assert measure(found).groups[0].lag == 0
    assert "Connection refused" in str(missing.error)
    assert one != other
