"""Meaning, cases 24 to 32: records and commits in transactions, and what these leave in the log.

Each case is made on a real broker and read by lagmon's own cycle. ``docs/reference/
lagmon-values.md`` lists them under the same numbers.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as Offset

from lagmon.model import State, Why
from lagmon.readings import Isolation, PeekRequest, TopicPartition
from tests.infra.records import produce
from tests.infra.wait import until
from tests.integration.meaning import (
    ANSWER_SECONDS,
    WAIT_SECONDS,
    Watched,
    commit,
    member,
    new_name,
    send,
    transaction,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(180)

END = "_PARTITION_EOF: "


def test_an_open_transaction(kafka: KafkaBroker, topic: str) -> None:
    """24. A transaction open: its records wait, so they are lag, and how many are open is told.

    A read_committed reader may not have them yet, and an end of the log before them would call it
    caught up while work waits.
    """
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 2)
    commit(servers, group, topic, 2)

    with transaction(servers) as producer:
        send(producer, topic, 3)
        seen = Watched(servers, group).until(
            lambda s: s.has(group) and s.group(group).lag == 3, "a lag of 3"
        )

    log = seen.log(topic)
    assert (log.stable, log.high) == (2, 5)
    assert not seen.row(group, topic).clamped
    assert seen.states(group) == [State.OPEN_TRANSACTION]
    assert seen.in_an_hour().states(group) == [State.HANGING_TRANSACTION]


def test_a_committed_transaction(kafka: KafkaBroker, topic: str) -> None:
    """25. A transaction read out: the position passes its control record, and 0 is reached."""
    group, servers = new_name(), kafka.bootstrap_servers
    committed(servers, topic, 3)

    with member(servers, group, topic) as consumer:
        read_out(consumer, 4)
        consumer.commit(offsets=consumer.position(consumer.assignment()), asynchronous=False)
        seen = Watched(servers, group).until(lambda s: s.group(group).lag == 0, "a lag of 0")

    assert (seen.log(topic).stable, seen.log(topic).high) == (4, 4)
    assert seen.states(group) == seen.in_an_hour().states(group) == [State.OK]


def test_a_tail_of_control_records(kafka: KafkaBroker, topic: str) -> None:
    """26. Each record committed by itself: a lag of 1 stays for ever, and a peek finds the end.

    The offsets are those of one unread record, as the neighbour shows: they alone cannot tell.
    """
    done, behind, servers = new_name(), new_name(), kafka.bootstrap_servers
    committed(servers, topic, 3)
    commit(servers, done, topic, 3)
    commit(servers, behind, topic, 2)
    watched = Watched(servers, done, behind)

    seen = watched.until(lambda s: len(s.lag.groups) == 2, "two groups")
    at_done, at_behind = watched.peek(topic, 3), watched.peek(topic, 2)
    looked = watched.answered(oldest(topic, 3), oldest(topic, 2)).in_an_hour()

    assert [seen.group(name).lag for name in (done, behind)] == [1, 2]
    assert (at_done.found_offset, str(at_done.error).startswith(END)) == (None, True)
    assert (at_behind.found_offset, at_behind.error) == (2, None)
    assert seen.states(done, behind) == [State.PENDING, State.PENDING]
    assert looked.states(done, behind) == [State.OK, State.STOPPED]


def test_an_aborted_transaction(kafka: KafkaBroker, topic: str) -> None:
    """27. A transaction aborted: its records lie in the log and are lag, until the reader passes.

    They are read by nobody who reads committed records only, so a peek finds the end there.
    """
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, b"play")
    with transaction(servers) as producer:
        send(producer, topic, 3)
    commit(servers, group, topic, 1)
    watched = Watched(servers, group)

    before = watched.until(lambda s: s.has(group) and s.log(topic).stable == 5, "the abort")
    peek, uncommitted = watched.peek(topic, 1), watched.peek(topic, 1, Isolation.READ_UNCOMMITTED)
    looked = watched.answered(oldest(topic, 1)).in_an_hour()
    with member(servers, group, topic) as consumer:
        read_out(consumer, 5)
        consumer.commit(offsets=consumer.position(consumer.assignment()), asynchronous=False)
        after = watched.until(lambda s: s.group(group).lag == 0, "a lag of 0")

    assert (before.group(group).lag, before.log(topic).high) == (4, 5)
    assert (peek.found_offset, str(peek.error).startswith(END)) == (None, True)
    assert uncommitted.found_offset == 1
    assert after.group(group).lag == 0
    assert [*before.states(group), *after.states(group)] == [State.PENDING, State.OK]
    assert looked.states(group) == [State.OK]


def test_an_aborted_transaction_before_a_record(kafka: KafkaBroker, topic: str) -> None:
    """28. Aborted records before a good one: the oldest unread record is the good one.

    A search by time does not know of transactions: it finds the aborted one, so that an age that
    rests on it is older than what can be read, and never younger.
    """
    group, servers = new_name(), kafka.bootstrap_servers
    with transaction(servers) as producer:
        send(producer, topic, 2)
    produce(servers, topic, b"play")
    commit(servers, group, topic, 0)
    watched = Watched(servers, group)

    seen = watched.until(lambda s: s.has(group), "the group")

    assert (seen.group(group).lag, watched.peek(topic, 0).found_offset) == (4, 3)
    assert watched.probe(topic, 1.0).offset == 0
    assert seen.states(group) == [State.PENDING]
    looked = watched.answered(oldest(topic, 0)).in_an_hour()
    assert looked.states(group) == [State.STOPPED]


def test_a_hanging_transaction(kafka: KafkaBroker, topic: str) -> None:
    """29. A transaction whose producer is gone: the stable offset stands while the log grows."""
    group, servers, name = new_name(), kafka.bootstrap_servers, new_name("transaction")
    commit(servers, group, topic, 0)
    watched = Watched(servers, group)

    abandon(servers, topic, name)
    first = watched.until(lambda s: s.has(group) and s.group(group).lag == 1, "a lag of 1")
    produce(servers, topic, *[b"play"] * 4)
    second = watched.until(lambda s: s.group(group).lag == 5, "a lag of 5")
    ended(servers, name)
    third = watched.until(lambda s: s.log(topic).stable == s.log(topic).high, "its end")

    assert [one.log(topic).stable for one in (first, second)] == [0, 0]
    assert [one.log(topic).high for one in (first, second)] == [1, 5]
    assert (third.log(topic).high, third.group(group).lag) == (6, 6)
    assert {*first.states(group), *second.states(group)} == {State.OPEN_TRANSACTION}
    assert second.in_an_hour().states(group) == [State.HANGING_TRANSACTION]
    assert (third.states(group), third.in_an_hour().states(group)) == (
        [State.PENDING], [State.STOPPED],
    )  # fmt: skip


def test_a_first_commit_in_a_transaction(kafka: KafkaBroker, topic: str) -> None:
    """30. The first commit is under way in a transaction: not committed yet, and then it is.

    Asked for stable offsets alone the coordinator would say UNSTABLE_OFFSET_COMMIT; asked as
    lagmon asks, it says what holds until the transaction ends.
    """
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 5)
    watched = Watched(servers, groups={"static": {group: [topic]}})

    with committing(servers, group, topic, 2) as producer:
        during = watched.look()
        producer.commit_transaction(ANSWER_SECONDS)
        after = watched.until(lambda s: s.group(group).lag is not None, "the commit")
        producer.begin_transaction()

    assert (during.row(group, topic).lag, during.row(group, topic).why) == (
        None,
        Why.NEVER_COMMITTED,
    )
    assert during.group(group).unknown == 0
    assert after.row(group, topic).committed == 2
    assert [*during.states(group), *after.states(group)] == [State.PENDING, State.PENDING]
    assert during.in_an_hour().states(group) == [State.PENDING]
    assert after.in_an_hour().states(group) == [State.STOPPED]


def test_a_later_commit_in_a_transaction(kafka: KafkaBroker, topic: str) -> None:
    """31. A commit under way above another: the older one holds until the transaction ends."""
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 5)
    commit(servers, group, topic, 1)
    watched = Watched(servers, group)
    watched.until(lambda s: s.has(group), "the group")

    with committing(servers, group, topic, 4) as producer:
        during = watched.look()
        producer.commit_transaction(ANSWER_SECONDS)
        after = watched.until(lambda s: s.row(group, topic).committed != 1, "the commit")
        producer.begin_transaction()

    assert (during.row(group, topic).committed, during.group(group).lag) == (1, 4)
    assert (after.row(group, topic).committed, after.group(group).lag) == (4, 1)
    assert [*during.states(group), *after.states(group)] == [State.PENDING, State.PENDING]
    assert after.in_an_hour().states(group) == [State.STOPPED]


def test_an_aborted_commit(kafka: KafkaBroker, topic: str) -> None:
    """32. A commit in a transaction that is aborted has never been."""
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 5)
    commit(servers, group, topic, 1)

    with committing(servers, group, topic, 4):
        pass
    seen = Watched(servers, group).until(lambda s: s.has(group), "the group")

    assert (seen.row(group, topic).committed, seen.group(group).lag) == (1, 4)
    assert (*seen.states(group), *seen.in_an_hour().states(group)) == (State.PENDING, State.STOPPED)


def oldest(topic: str, offset: int) -> PeekRequest:
    """Ask what a reader of committed records finds at *offset*."""
    return PeekRequest(TopicPartition(topic, 0), offset)


def committed(servers: str, topic: str, count: int) -> None:
    """Write *count* records in one transaction, and wait until all of them may be read."""
    with transaction(servers) as producer:
        send(producer, topic, count)
        producer.commit_transaction(ANSWER_SECONDS)
        producer.begin_transaction()
    watched = Watched(servers, "none")
    until(
        lambda: watched.peek(topic, count - 1).found_offset is not None,
        timeout=WAIT_SECONDS,
        what="the transaction's records",
    )


def read_out(consumer: Consumer, end: int) -> None:
    """Read until the position of *consumer* on its one partition is *end*."""

    def at_end() -> bool:
        consumer.poll(0.1)
        (position,) = consumer.position(consumer.assignment())
        return bool(position.offset == end)

    until(at_end, timeout=WAIT_SECONDS, every=0, what=f"the position {end}")


def abandon(servers: str, topic: str, name: str) -> None:
    """Write one record in a transaction and go away without ending it."""
    producer = Producer({"bootstrap.servers": servers, "transactional.id": name})
    producer.init_transactions(ANSWER_SECONDS)
    producer.begin_transaction()
    send(producer, topic)


def ended(servers: str, name: str) -> None:
    """Have the coordinator abort what the last producer with this *name* left open."""
    producer = Producer({"bootstrap.servers": servers, "transactional.id": name})
    producer.init_transactions(ANSWER_SECONDS)


@contextmanager
def committing(servers: str, group: str, topic: str, offset: int) -> Iterator[Producer]:
    """Commit *offset* for *group* in a transaction that is still open."""
    reader = Consumer({"bootstrap.servers": servers, "group.id": group})
    try:
        with transaction(servers) as producer:
            producer.send_offsets_to_transaction(
                [Offset(topic, 0, offset)], reader.consumer_group_metadata(), ANSWER_SECONDS
            )
            yield producer
    finally:
        reader.close()
