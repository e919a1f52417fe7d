"""The collector against real brokers: what it reads, and what becomes of it when they fail."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer as PlainProducer
from confluent_kafka import TopicPartition as Offset

from lagmon import supervise
from lagmon.configuration.settings import Cluster, CollectorSettings
from lagmon.judge.lag import measure
from lagmon.model import Why
from lagmon.readings import Isolation, PeekRequest, Plan, Snapshot, TopicPartition
from propagation import Producer
from propagation.testing import captured_spans
from tests.integration.collecting import (
    collect_until,
    commit,
    delete_before,
    fill,
    looked,
    member,
    new_group,
    once,
    reading,
    running,
    settings,
)

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker
    from tests.infra.mock_kafka import MockKafka

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_is_found_and_measured(kafka: KafkaBroker, topic: str, protocol: str) -> None:
    """A group of either protocol is discovered with its state, its lag, and who owns what."""
    group, at = new_group(), TopicPartition(topic, 0)
    fill(kafka.bootstrap_servers, topic, 5)

    with member(kafka.bootstrap_servers, group, topic, **{"group.protocol": protocol}) as consumer:
        consumer.commit(offsets=[Offset(topic, 0, 2)], asynchronous=False)
        snapshot = once(
            settings(kafka.bootstrap_servers, include=[group]),
            lambda s: (one := reading(s, group)) and one.members and one.assignments[0].partitions,
        )

    (found,) = measure(snapshot).groups
    (row,) = found.partitions
    assert (found.group, found.state, found.members, found.lag) == (group, "stable", 1, 3)
    assert (row.at, row.committed, row.end, row.lag) == (at, 2, 5, 3)
    assert row.owner
    assert row.owner.client_id == "reader-1"
    assert row.owner.host
    assert snapshot.groups[0].kind == protocol
    assert snapshot.error is None


def test_a_partition_that_was_never_committed_is_known_to_be(
    kafka: KafkaBroker, topic: str
) -> None:
    """A member's partition without a commit is in the snapshot, as never committed."""
    group = new_group()

    with member(kafka.bootstrap_servers, group, topic):
        snapshot = once(
            settings(kafka.bootstrap_servers, include=[group]),
            lambda s: (one := reading(s, group)) and one.committed,
        )

    (found,) = measure(snapshot).groups
    assert (found.lag, found.why, found.uncommitted) == (None, Why.NEVER_COMMITTED, 1)
    assert found.members == 1


@pytest.mark.parametrize("static", [True, False])
def test_a_topic_is_measured_with_all_its_partitions(kafka: KafkaBroker, static: bool) -> None:  # noqa: FBT001 - a parameter
    """Of four partitions a group without members committed one: the others are uncommitted."""
    group, topic = new_group(), f"topic-{uuid4().hex[:8]}"
    kafka.create_topic(topic, partitions=4)
    commit(kafka.bootstrap_servers, group, topic, 0)
    chosen: dict[str, Any] = {"static": {group: [topic]}} if static else {"include": [group]}

    snapshot = once(settings(kafka.bootstrap_servers, **chosen), lambda s: s.groups)

    (found,) = measure(snapshot).groups
    assert (found.lag, found.uncommitted, found.unknown) == (0, 3, 0)
    assert [row.at.partition for row in found.partitions] == [0, 1, 2, 3]


def test_excluded_groups_are_not_read(kafka: KafkaBroker, topic: str) -> None:
    """Exclude wins over include, and console consumers are excluded by default."""
    wanted, console = new_group(), f"console-consumer-{uuid4().hex[:8]}"
    for group in (wanted, console):
        commit(kafka.bootstrap_servers, group, topic, 0)

    snapshot = once(
        settings(kafka.bootstrap_servers, include=[wanted, console]), lambda s: s.groups
    )

    assert [one.group for one in snapshot.groups] == [wanted]


def test_a_deleted_group_is_gone(kafka: KafkaBroker, topic: str) -> None:
    """A group that the list and its coordinator no longer know leaves the snapshot."""
    group = new_group()
    commit(kafka.bootstrap_servers, group, topic, 0)

    async def run() -> Snapshot:
        async with running(settings(kafka.bootstrap_servers, include=[group])) as collector:
            await collect_until(collector, lambda s: reading(s, group))
            admin = kafka.admin()
            admin.delete_consumer_groups([group])[group].result(60)
            return await collect_until(collector, lambda s: not s.error and not reading(s, group))

    snapshot = asyncio.run(run())

    assert (snapshot.groups, snapshot.list_errors, snapshot.error) == ((), (), None)


def test_a_commit_past_the_end_and_lost_records_are_told(kafka: KafkaBroker, topic: str) -> None:
    """Start, stable and high are the broker's: a group behind the start has lost records."""
    past, behind = new_group(), new_group()
    fill(kafka.bootstrap_servers, topic, 10)
    commit(kafka.bootstrap_servers, past, topic, 99)
    commit(kafka.bootstrap_servers, behind, topic, 1)
    delete_before(kafka, topic, 4)

    snapshot = once(
        settings(kafka.bootstrap_servers, include=[past, behind]), lambda s: len(s.groups) == 2
    )

    rows = {group.group: group.partitions[0] for group in measure(snapshot).groups}
    assert (rows[past].lag, rows[past].lost) == (0, 0)
    assert (rows[behind].lag, rows[behind].lost) == (9, 3)


def test_an_open_transaction_shows_between_stable_and_high(kafka: KafkaBroker, topic: str) -> None:
    """While a transaction is open the last stable offset stands and the high watermark runs."""
    group = new_group()
    commit(kafka.bootstrap_servers, group, topic, 0)
    producer = PlainProducer(
        {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": new_group()}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"open", partition=0)
    assert producer.flush(60) == 0

    snapshot = once(settings(kafka.bootstrap_servers, include=[group]), lambda s: s.topics)
    producer.abort_transaction(60)

    (log,) = snapshot.topics
    assert (log.start, log.stable, log.high, log.error) == (0, 0, 1, None)


def test_named_groups_are_read_with_their_members(kafka: KafkaBroker, topic: str) -> None:
    """Static groups are not searched for; where the cluster can describe them, it is asked."""
    group = new_group()
    fill(kafka.bootstrap_servers, topic, 4)

    with member(kafka.bootstrap_servers, group, topic) as consumer:
        consumer.commit(offsets=[Offset(topic, 0, 1)], asynchronous=False)
        snapshot = once(
            settings(kafka.bootstrap_servers, static={group: [topic]}), lambda s: not s.error
        )

    (found,) = measure(snapshot).groups
    assert (found.group, found.lag, found.members) == (group, 3, 1)


def test_a_cluster_that_cannot_describe_groups_is_read_all_the_same(mock_kafka: MockKafka) -> None:
    """On librdkafka's mock cluster a static group has its lag; members are unknown."""
    topic, group = f"mock-{uuid4().hex[:8]}", new_group()
    mock_kafka.create_topic(topic)
    fill(mock_kafka.bootstrap_servers, topic, 4)
    commit(mock_kafka.bootstrap_servers, group, topic, 1)

    snapshot = once(
        settings(mock_kafka.bootstrap_servers, static={group: [topic]}), lambda s: not s.error
    )

    (found,) = measure(snapshot).groups
    assert (found.lag, found.uncommitted, found.members) == (3, 3, None)
    assert (snapshot.error, snapshot.list_errors, found.why) == (None, (), None)


def test_a_named_topic_that_is_missing_is_told(mock_kafka: MockKafka) -> None:
    """A static group whose topic does not exist says so instead of showing nothing."""
    snapshot = once(settings(mock_kafka.bootstrap_servers, static={"g": ["no-such-topic"]}))

    (found,) = measure(snapshot).groups
    assert (found.lag, found.why) == (None, Why.TOPIC_DELETED)


def test_a_peek_gives_the_trace_of_the_oldest_uncommitted_record(
    kafka: KafkaBroker, topic: str
) -> None:
    """The record at the commit is shown by trace id, time, size and key hash, not by its value."""
    with captured_spans() as spans:
        producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
        for key in (b"a", b"b", b"c"):
            producer.produce(topic, b"payload", key, partition=0)
        assert producer.flush(60) == 0
    question = PeekRequest(TopicPartition(topic, 0), 1)

    (peek,) = looked(settings(kafka.bootstrap_servers), question).peeks

    context = spans[1].get_span_context()
    assert context
    assert peek.trace_id == f"{context.trace_id:032x}"
    assert peek.sampled is True
    assert (peek.question, peek.found_offset, peek.error) == (question, 1, None)
    assert peek.timestamp == pytest.approx(time.time(), abs=60)
    assert peek.size == 8
    assert peek.key_hash == "3e23e8160039594a"


def test_many_peeks_are_answered_in_their_order(kafka: KafkaBroker, topic: str) -> None:
    """Each question gets its own answer: another offset, the end, and an offset that is gone."""
    fill(kafka.bootstrap_servers, topic, 5)
    delete_before(kafka, topic, 2)
    at = TopicPartition(topic, 0)
    questions = [
        PeekRequest(at, 4),
        PeekRequest(at, 3, Isolation.READ_UNCOMMITTED),
        PeekRequest(at, 5),
        PeekRequest(at, 0),
        PeekRequest(TopicPartition(topic, 77), 0),
    ]

    peeks = looked(settings(kafka.bootstrap_servers), *questions).peeks

    assert [peek.question for peek in peeks] == questions
    assert [peek.found_offset for peek in peeks] == [4, 3, None, None, None]
    assert str(peeks[2].error).startswith("_PARTITION_EOF: ")
    assert str(peeks[3].error).startswith("_AUTO_OFFSET_RESET: ")
    assert peeks[4].error
    assert peeks[0].trace_id is None


def test_a_peek_makes_no_group(kafka: KafkaBroker, topic: str) -> None:
    """Looking at a record joins nothing and commits nothing."""
    fill(kafka.bootstrap_servers, topic, 1)

    snapshot = looked(settings(kafka.bootstrap_servers), PeekRequest(TopicPartition(topic, 0), 0))

    admin = kafka.admin()
    groups = admin.list_consumer_groups().result(60).valid
    assert snapshot.peeks[0].found_offset == 0
    assert "lagmon-peek" not in {group.group_id for group in groups}


def test_a_peek_does_not_wait_for_an_open_transaction(kafka: KafkaBroker, topic: str) -> None:
    """A read_committed look at an open transaction ends in time, with a reason."""
    producer = PlainProducer(
        {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": new_group()}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"open", partition=0)
    assert producer.flush(60) == 0
    at = TopicPartition(topic, 0)

    committed, uncommitted = looked(
        settings(kafka.bootstrap_servers),
        PeekRequest(at, 0),
        PeekRequest(at, 0, Isolation.READ_UNCOMMITTED),
    ).peeks
    producer.abort_transaction(60)

    assert committed.error
    assert committed.found_offset is None
    assert uncommitted.found_offset == 0


def test_a_killed_broker_is_an_error_and_then_heals(own_kafka: KafkaBroker) -> None:
    """With the broker gone every snapshot says so; with it back the values return by themselves."""
    topic, group = "outage", new_group()
    own_kafka.create_topic(topic)
    fill(own_kafka.bootstrap_servers, topic, 3)
    commit(own_kafka.bootstrap_servers, group, topic, 1)

    async def run() -> tuple[Snapshot, Snapshot, Snapshot]:
        made = settings(own_kafka.bootstrap_servers, include=[group], request_timeout=2.0)
        async with running(made) as collector:
            before = await collect_until(collector, lambda s: s.groups and not s.error)
            own_kafka.kill()
            during = await collector.collect(Plan(), time.time())
            own_kafka.start()
            after = await collect_until(collector, lambda s: s.groups and s.groups == before.groups)
            return before, during, after

    before, during, after = asyncio.run(run())

    assert during.error
    assert (during.groups, during.topics) == ((), ())
    assert measure(during).groups == ()
    assert [measure(one).groups[0].lag for one in (before, after)] == [2, 2]


def test_a_killed_collector_is_replaced(kafka: KafkaBroker, topic: str) -> None:
    """A child killed with -9 costs a snapshot; the next child reads the same values."""
    group = new_group()
    fill(kafka.bootstrap_servers, topic, 3)
    commit(kafka.bootstrap_servers, group, topic, 1)

    async def run() -> tuple[Snapshot, Snapshot, int]:
        async with running(settings(kafka.bootstrap_servers, include=[group])) as collector:
            await collect_until(collector, lambda s: s.groups)
            os.kill(collector.pid or 0, signal.SIGKILL)
            lost = await collector.collect(Plan(), time.time())
            return lost, await collect_until(collector, lambda s: s.groups), collector.restarts

    lost, found, restarts = asyncio.run(run())

    assert "ended by SIGKILL" in str(lost.error)
    assert measure(found).groups[0].lag == 2
    assert restarts == 1


def test_nobody_at_the_address_is_an_error_with_its_cause() -> None:
    """A cluster that cannot be reached gives the client's last words, not just a time-out."""
    snapshot = once(
        settings("127.0.0.1:1", request_timeout=1.0), lambda s: "refused" in str(s.error)
    )

    assert "_TRANSPORT" in str(snapshot.error)
    assert "Connection refused" in str(snapshot.error)


def test_a_property_that_does_not_exist_is_an_error_and_not_a_crash() -> None:
    """What librdkafka refuses to be configured with is each snapshot's error."""
    made = CollectorSettings(
        cluster=Cluster(name="test", bootstrap_servers="127.0.0.1:1", client={"no.such": "x"})
    )

    async def run() -> tuple[list[Snapshot], int]:
        async with running(made) as collector:
            return [
                await collector.collect(Plan(), time.time()) for _ in range(2)
            ], collector.restarts

    snapshots, restarts = asyncio.run(run())

    assert all('No such configuration property: "no.such"' in str(s.error) for s in snapshots)
    assert restarts == 0


def test_a_blocked_collector_ends_with_its_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that waits for a dead broker inside the client ends at once when it is stopped."""

    async def run() -> tuple[float, str | None]:
        made = settings("127.0.0.1:1", request_timeout=60.0)
        async with running(made) as collector:
            waiting = asyncio.create_task(collector.collect(Plan(), time.time()))
            await asyncio.sleep(1.5)  # it has started and is inside the client by now
            began = time.monotonic()
            await collector.stop()
            return time.monotonic() - began, (await waiting).error

    monkeypatch.setattr(supervise, "STDIN_SECONDS", 60.0)  # a busy machine lets it end late
    seconds, error = asyncio.run(run())

    assert error == "no collector: ended with exit code 0"
    assert seconds < 30
