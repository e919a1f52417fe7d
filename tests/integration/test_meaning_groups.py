"""Meaning, cases 33 to 39: groups that form, go, or are of a kind that cannot be listed.

Each case is made on a real broker and read by lagmon's own cycle. ``docs/reference/
lagmon-values.md`` lists them under the same numbers.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer

from lagmon.model import State
from tests.infra.joining import join
from tests.infra.ports import free_port
from tests.infra.records import produce
from tests.integration.meaning import (
    ANSWER_SECONDS,
    Watched,
    commit,
    member,
    new_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(180)


def test_a_deleted_group(kafka: KafkaBroker, topic: str) -> None:
    """33. A group deleted: gone with the next snapshot, whose list is complete; no 0 is left."""
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 3)
    commit(servers, group, topic, 1)
    watched = Watched(servers, group)
    watched.until(lambda s: s.has(group), "the group")

    admin = kafka.admin()
    admin.delete_consumer_groups([group])[group].result(ANSWER_SECONDS)
    seen = watched.until(lambda s: s.lag.complete and not s.lag.error, "a whole list")

    assert seen.lag.groups == ()


def test_a_reconciling_group(kafka: KafkaBroker) -> None:
    """34. A KIP-848 group whose member holds a partition back: UNKNOWN to the client for long.

    That word is about its members' agreement. Commits, ends and members are known all the same.
    """
    group, servers, topic = new_name(), kafka.bootstrap_servers, new_name("plays")
    kafka.create_topic(topic, partitions=2)
    protocol = {"group.protocol": "consumer"}
    commit(servers, group, topic, 0, 0)
    produce(servers, topic, *[b"play"] * 3)
    watched = Watched(servers, group)

    with (
        member(servers, group, topic, **protocol),
        joining(servers, group, topic, **protocol) as it,
    ):
        seen = watched.until(
            lambda s: it.poll(0) is None and s.group(group).state == "unknown", "reconciling"
        )

    found = seen.group(group)
    assert (found.lag, found.members, found.why) == (3, 2, None)
    assert (found.unknown, found.uncommitted) == (0, 0)
    assert (*seen.states(group), *seen.in_an_hour().states(group)) == (State.PENDING, State.STALLED)


def test_a_rebalancing_group(kafka: KafkaBroker) -> None:
    """35. A classic group that waits for a member to join again: measured, its members counted."""
    group, servers, topic = new_name(), kafka.bootstrap_servers, new_name("plays")
    kafka.create_topic(topic, partitions=2)
    protocol = {"group.protocol": "classic"}
    commit(servers, group, topic, 0, 0)
    produce(servers, topic, *[b"play"] * 3)
    watched = Watched(servers, group)

    with (
        member(servers, group, topic, **protocol),
        joining(servers, group, topic, **protocol) as it,
    ):
        seen = watched.until(
            lambda s: it.poll(0) is None and s.group(group).state == "preparing_rebalancing",
            "a rebalance",
        )

    found = seen.group(group)
    assert (found.lag, found.why) == (3, None)
    assert found.members
    assert (found.unknown, found.uncommitted) == (0, 0)
    assert (*seen.states(group), *seen.in_an_hour().states(group)) == (State.PENDING, State.STALLED)


def test_a_group_of_another_kind(kafka: KafkaBroker, topic: str) -> None:
    """36. A group of another protocol type, as Kafka Connect's: never listed, read by its name."""
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 3)
    commit(servers, group, topic, 1)

    join(servers, group, "connect", b"anything")
    listed = Watched(servers, group).look()
    named = Watched(servers, groups={"static": {group: [topic]}}).look()

    assert listed.lag.groups == ()
    assert (named.group(group).lag, named.group(group).members) == (2, None)
    assert named.states(group) == [State.PENDING]
    assert named.in_an_hour().states(group) == [State.STALLED]  # who reads it is not known


def test_a_malformed_member(kafka: KafkaBroker, topic: str) -> None:
    """37. A member whose assignment cannot be read: the group's lag is known, its members are not.

    The client fails the description of that group, and of no other.
    """
    group, sound, servers = new_name(), new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 3)
    for name in (group, sound):
        commit(servers, name, topic, 1)

    join(servers, group, "consumer", b"no assignment")
    seen = Watched(servers, group, sound).until(lambda s: len(s.lag.groups) == 2, "two groups")

    assert (seen.group(group).lag, seen.group(group).members) == (2, None)
    assert (seen.group(sound).lag, seen.group(sound).members) == (2, 0)
    assert seen.states(group, sound) == [State.PENDING, State.PENDING]
    assert seen.in_an_hour().states(group, sound) == [State.STALLED, State.STOPPED]


def test_an_unreachable_cluster() -> None:
    """38. No broker to be reached: no group, no lag, and the reason; an empty list says nothing."""
    seen = Watched(f"127.0.0.1:{free_port()}", request_timeout=2).look()

    assert (seen.lag.groups, seen.lag.complete) == ((), False)
    assert seen.lag.error
    assert seen.lag.error.startswith("_TRANSPORT")


@contextmanager
def joining(servers: str, group: str, topic: str, **config: Any) -> Iterator[Consumer]:
    """Ask to join *group*, which takes until its members agree; whoever gets it polls it."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group, **config})
    try:
        consumer.subscribe([topic])
        yield consumer
    finally:
        consumer.close()
