"""Meaning, cases 1 to 9: where a commit lies between the two ends of a partition's log.

Each case is made on a real broker and read by lagmon's own cycle. ``docs/reference/
lagmon-values.md`` lists them under the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from lagmon.model import State, Why
from tests.infra.records import produce
from tests.infra.wait import until
from tests.integration.meaning import (
    ANSWER_SECONDS,
    WAIT_SECONDS,
    Watched,
    commit,
    delete_before,
    member,
    new_name,
)

if TYPE_CHECKING:
    from lagmon.readings import Peek
    from tests.infra.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(180)

RECORDS = 12
SMALLEST_SEGMENT = 1024 * 1024  # bytes; what Kafka 4 allows at least. The newest is never compacted


def test_a_commit_within_the_log(kafka: KafkaBroker, topic: str) -> None:
    """1. A commit within the log: what lies from it to the end is unread, at the end 0 is true."""
    reading, done, beginning = new_name(), new_name(), new_name()
    servers = kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 10)
    commit(servers, reading, topic, 4)
    commit(servers, done, topic, 10)
    commit(servers, beginning, topic, 0)

    seen = Watched(servers, reading, done, beginning).until(
        lambda s: len(s.lag.groups) == 3, "three groups"
    )

    assert [seen.group(name).lag for name in (reading, done, beginning)] == [6, 0, 10]
    assert (seen.row(reading, topic).committed, seen.row(reading, topic).end) == (4, 10)
    assert seen.lag.complete
    assert seen.states(reading, done, beginning) == [State.PENDING, State.OK, State.PENDING]
    later = seen.in_an_hour()
    assert later.states(reading, done, beginning) == [State.STOPPED, State.OK, State.STOPPED]


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_member_that_never_committed(kafka: KafkaBroker, topic: str, protocol: str) -> None:
    """2. A member that never committed: no lag, because where it would begin is its own setting."""
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 3)

    with member(servers, group, topic, **{"group.protocol": protocol}):
        seen = Watched(servers, group).until(
            lambda s: s.has(group) and s.group(group).partitions, "the member's partition"
        )

    row = seen.row(group, topic)
    assert (row.lag, row.why, row.waiting) == (None, Why.NEVER_COMMITTED, True)
    assert row.owner
    assert row.owner.client_id == "reader-1"
    found = seen.group(group)
    assert (found.lag, found.members, found.uncommitted, found.unknown) == (None, 1, 1, 0)
    assert seen.states(group) == seen.in_an_hour().states(group) == [State.PENDING]


def test_a_named_group_that_does_not_exist(kafka: KafkaBroker, topic: str) -> None:
    """3. A named group that does not exist: no members, nothing committed, and no lag of 0."""
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, b"play")

    seen = Watched(servers, groups={"static": {group: [topic]}}).look()

    found = seen.group(group)
    assert (found.lag, found.why, found.members) == (None, Why.NEVER_COMMITTED, 0)
    assert (found.uncommitted, found.unknown) == (1, 0)
    assert seen.states(group) == seen.in_an_hour().states(group) == [State.PENDING]


def test_a_commit_past_the_end(kafka: KafkaBroker, topic: str) -> None:
    """4. A commit past the end: nothing is unread, so 0, and commit and end stand beside it.

    Seen once it is `pending`, seen twice `beyond_end`: at no time is it `ok`.
    """
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 5)
    commit(servers, group, topic, 99)

    watched = Watched(servers, group)
    seen = watched.until(lambda s: s.has(group), "the group")
    again = watched.look()

    row = seen.row(group, topic)
    assert (row.lag, row.committed, row.end, row.lost) == (0, 99, 5, 0)
    assert not row.clamped  # it is the commit that is wrong, not our two questions
    assert row.age is None  # nor is it known what was read
    assert [*seen.states(group), *again.states(group)] == [State.PENDING, State.BEYOND_END]
    assert seen.in_an_hour().states(group) == [State.BEYOND_END]


def test_a_commit_before_the_start(kafka: KafkaBroker, topic: str) -> None:
    """5. A commit before the log's start: the deleted records count as lag, and as lost."""
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 10)
    commit(servers, group, topic, 1)
    delete_before(kafka.admin(), topic, 4)

    seen = Watched(servers, group).until(lambda s: s.has(group), "the group")

    row = seen.row(group, topic)
    assert (row.lag, row.lost, seen.log(topic).start) == (9, 3, 4)
    assert seen.states(group) == seen.in_an_hour().states(group) == [State.LOST]


def test_everything_deleted_unread(kafka: KafkaBroker, topic: str) -> None:
    """6. Everything deleted unread: the log is empty, and yet the group has lost all of it."""
    group, done, servers = new_name(), new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 10)
    commit(servers, group, topic, 3)
    commit(servers, done, topic, 10)
    delete_before(kafka.admin(), topic, -1)

    seen = Watched(servers, group, done).until(lambda s: len(s.lag.groups) == 2, "two groups")

    assert (seen.row(group, topic).lag, seen.row(group, topic).lost) == (7, 7)
    assert (seen.row(done, topic).lag, seen.row(done, topic).lost) == (0, 0)
    assert seen.row(group, topic).age is None  # nothing waits, and yet it was not read
    assert seen.states(group, done) == [State.LOST, State.OK]
    assert seen.in_an_hour().states(group, done) == [State.LOST, State.OK]


def test_a_commit_among_compacted_records(kafka: KafkaBroker) -> None:
    """7. Compacted away below the end: offsets count, not records; a peek says what is left.

    The broker tells offsets alone. The lag is an upper bound then, and the oldest unread record is
    the next one that is there.
    """
    group, servers = new_name(), kafka.bootstrap_servers
    topic = compacted(kafka)
    commit(servers, group, topic, 0)
    watched = Watched(servers, group)

    seen = watched.until(lambda s: s.has(group), "the group")
    found = cleaned(watched, topic)

    row = seen.row(group, topic)
    assert (row.lag, row.end, row.lost, seen.log(topic).start) == (RECORDS, RECORDS, 0, 0)
    assert found.question.offset == 0
    assert found.found_offset
    assert (*seen.states(group), *seen.in_an_hour().states(group)) == (State.PENDING, State.STOPPED)


def test_a_reader_at_the_end_of_a_compacted_topic(kafka: KafkaBroker) -> None:
    """8. A reader's position passes what was compacted away: at the end 0, however few it read."""
    group, servers = new_name(), kafka.bootstrap_servers
    topic = compacted(kafka)
    watched = Watched(servers, group)
    cleaned(watched, topic)

    with member(servers, group, topic) as consumer:
        until(
            lambda: (
                consumer.poll(0.1) is None
                and consumer.position(consumer.assignment())[0].offset == RECORDS
            ),
            timeout=WAIT_SECONDS,
            every=0,
            what="the end of the topic",
        )
        consumer.commit(offsets=consumer.position(consumer.assignment()), asynchronous=False)
        seen = watched.until(lambda s: s.has(group) and s.group(group).lag is not None, "a lag")

    assert (seen.group(group).lag, seen.row(group, topic).committed) == (0, RECORDS)
    assert seen.states(group) == seen.in_an_hour().states(group) == [State.OK]


def test_a_reader_that_only_assigns(kafka: KafkaBroker, topic: str) -> None:
    """9. A reader that only assigns: no members, and its commits are measured like any others."""
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 5)
    watched = Watched(servers, group)

    commit(servers, group, topic, 1)
    first = watched.until(lambda s: s.has(group), "the group")
    commit(servers, group, topic, 4)
    second = watched.look()

    assert [one.group(group).lag for one in (first, second)] == [4, 1]
    assert (first.group(group).state, first.group(group).members) == ("empty", 0)
    assert [*first.states(group), *second.states(group)] == [State.PENDING, State.PENDING]
    assert second.in_an_hour().states(group) == [State.STOPPED]


def compacted(kafka: KafkaBroker) -> str:
    """Make a topic of one key, of which the cleaner removes all but the newest records soon."""
    topic = new_name("compacted")
    kafka.create_topic(
        topic,
        cleanup_policy="compact",
        segment_bytes=SMALLEST_SEGMENT,
        min_cleanable_dirty_ratio="0.01",
    )
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 0})
    for number in range(RECORDS):
        producer.produce(topic, bytes(SMALLEST_SEGMENT // 4), b"key", partition=0)
        assert producer.flush(ANSWER_SECONDS) == 0, f"record {number}"
    return topic


def cleaned(watched: Watched, topic: str) -> Peek:
    """Wait until the first record of *topic* is gone; give what a look at it finds."""

    def found() -> Peek | None:
        peek = watched.peek(topic, 0)
        return peek if peek.found_offset else None

    return until(found, timeout=WAIT_SECONDS, what="the cleaner to remove the first record")
