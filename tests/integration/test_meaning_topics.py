"""Meaning, cases 10 to 15: topics that grow, go and come back under a group's commits.

Each case is made on a real broker and read by lagmon's own cycle. ``docs/reference/
lagmon-values.md`` lists them under the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka.cimpl import NewPartitions

from lagmon.model import State, Why
from lagmon.readings import TopicPartition
from tests.infra.records import produce
from tests.integration.meaning import (
    ANSWER_SECONDS,
    Watched,
    commit,
    member,
    new_name,
)

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker
    from tests.integration.meaning import Seen

pytestmark = pytest.mark.timeout(180)


def test_partitions_added(kafka: KafkaBroker, topic: str) -> None:
    """10. A partition that was added: never committed, and counted, from the next snapshot on."""
    group, servers = new_name(), kafka.bootstrap_servers
    commit(servers, group, topic, 0)
    watched = Watched(servers, group)
    watched.until(lambda s: s.has(group), "the group")

    admin = kafka.admin()
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result(ANSWER_SECONDS)
    produce(servers, topic, b"play", partition=2)
    seen = watched.until(lambda s: len(s.group(group).partitions) == 3, "three partitions")

    assert [row.lag for row in seen.group(group).partitions] == [0, None, None]
    assert [row.waiting for row in seen.group(group).partitions] == [False, False, True]
    assert (seen.group(group).lag, seen.group(group).uncommitted) == (0, 2)
    assert [row.judged for row in seen.group(group).partitions] == [
        State.OK, State.OK, State.PENDING,  # read, empty, and unread by nobody
    ]  # fmt: skip


def test_a_deleted_topic(kafka: KafkaBroker, topic: str) -> None:
    """11. A topic deleted: Kafka drops its commits, so the row is gone: not unknown, not 0."""
    group, servers, doomed = new_name(), kafka.bootstrap_servers, new_name("doomed")
    kafka.create_topic(doomed)
    for name, offset in ((topic, 0), (doomed, 1)):
        produce(servers, name, *[b"play"] * 3)
        commit(servers, group, name, offset)
    watched = Watched(servers, group)
    before = watched.until(lambda s: s.has(group) and s.group(group).lag == 5, "a lag of 5")

    kafka.delete_topic(doomed)
    between = watched.look()
    after = watched.until(lambda s: len(s.group(group).partitions) == 1, "one partition")

    # Until the coordinator has heard of it, the commit of the topic is left without the topic.
    left = [row for row in between.group(group).partitions if row.at.topic == doomed]
    assert all((row.lag, row.why) == (None, Why.TOPIC_DELETED) for row in left)
    found = after.group(group)
    assert (found.lag, found.unknown, found.uncommitted) == (3, 0, 0)
    assert before.group(group).unknown == between.group(group).unknown == 0
    assert all(row.judged is None for row in left)
    assert {*between.states(group), *after.states(group)} == {State.PENDING}
    assert after.in_an_hour().states(group) == [State.STOPPED]


def test_the_only_topic_deleted(kafka: KafkaBroker) -> None:
    """12. A group whose only topic was deleted: no rows, and no lag of 0 in their place."""
    group, servers, doomed = new_name(), kafka.bootstrap_servers, new_name("doomed")
    kafka.create_topic(doomed)
    produce(servers, doomed, *[b"play"] * 3)
    commit(servers, group, doomed, 1)
    watched = Watched(servers, group)
    watched.until(lambda s: s.has(group) and s.group(group).lag == 2, "a lag of 2")

    kafka.delete_topic(doomed)
    seen = watched.until(lambda s: not s.has(group) or not s.group(group).partitions, "no rows")

    # The coordinator forgets the group at its next round, minutes later.
    for one in seen.lag.groups:
        assert (one.lag, one.unknown, one.uncommitted) == (None, 0, 0)
        assert (one.judged, one.reason) == (State.PENDING, "has no commits any more")
        assert seen.in_an_hour().states(group) == [State.PENDING]


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_topic_deleted_under_a_member(kafka: KafkaBroker, protocol: str) -> None:
    """13. A topic deleted while a member owns it: gone all the same, whatever the member thinks."""
    group, servers, doomed = new_name(), kafka.bootstrap_servers, new_name("doomed")
    kafka.create_topic(doomed)
    produce(servers, doomed, *[b"play"] * 3)
    watched = Watched(servers, group)

    with member(servers, group, doomed, **{"group.protocol": protocol}) as consumer:
        consumer.commit(asynchronous=False) if consumer.consume(1, 20) else None
        watched.until(lambda s: s.has(group) and s.group(group).lag == 2, "a lag of 2")
        kafka.delete_topic(doomed)
        seen = watched.until(
            lambda s: s.group(group).lag is None and not s.group(group).unknown, "no lag"
        )

    assert seen.group(group).uncommitted == 0
    assert seen.states(group) == seen.in_an_hour().states(group) == [State.PENDING]


def test_a_named_topic_that_does_not_exist(kafka: KafkaBroker, topic: str) -> None:
    """14. A topic named in the configuration that is not there: said so, beside those that are."""
    group, servers, missing = new_name(), kafka.bootstrap_servers, new_name("missing")
    produce(servers, topic, *[b"play"] * 3)
    commit(servers, group, topic, 1)

    seen = Watched(servers, groups={"static": {group: [topic, missing]}}).look()

    assert seen.row(group, missing).why is Why.TOPIC_DELETED
    assert (seen.group(group).lag, seen.group(group).unknown) == (2, 0)
    assert seen.row(group, missing).judged is None
    assert (*seen.states(group), *seen.in_an_hour().states(group)) == (State.PENDING, State.STOPPED)


def test_a_topic_made_again(kafka: KafkaBroker) -> None:
    """15. A topic deleted and made again: a reader of its first life commits past the end; lag 0.

    Kafka accepts that commit. Only the topic's identity tells that the end did not move back: what
    was remembered of its first life is forgotten.
    """
    group, servers, topic = new_name(), kafka.bootstrap_servers, new_name("again")
    kafka.create_topic(topic)
    produce(servers, topic, *[b"play"] * 20)
    commit(servers, group, topic, 20)
    watched = Watched(servers, group)
    first = watched.until(lambda s: s.has(group), "the group")
    before = watched.memory.history.of(TopicPartition(topic, 0))

    kafka.delete_topic(topic)
    watched.until(lambda s: not s.group(group).partitions, "the commit to go with its topic")
    kafka.create_topic(topic)
    produce(servers, topic, *[b"play"] * 5)
    commit(servers, group, topic, 20)
    second = watched.until(lambda s: s.group(group).lag is not None, "the group's new commit")
    third = watched.look()
    after = watched.memory.history.of(TopicPartition(topic, 0))

    row = second.row(group, topic)
    assert (row.lag, row.committed, row.end, row.clamped) == (0, 20, 5, False)
    assert identity(first, topic) != identity(second, topic)
    assert before
    assert after
    assert (max(after.ends), before.life == after.life) == (5, False)
    assert [*second.states(group), *third.states(group)] == [State.PENDING, State.BEYOND_END]


def identity(seen: Seen, topic: str) -> str:
    """Give the id of *topic*, which must be in the snapshot."""
    return next(one.id for one in seen.snapshot.topic_ids if one.topic == topic)
