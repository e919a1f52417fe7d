"""What a look at the oldest uncommitted record tells on a real broker, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from lagmon.collector.calls import Deadline
from lagmon.collector.peek import look
from lagmon.judge.suspects import oldest, remember, suspects
from lagmon.model import State
from lagmon.notify.annotations import annotate
from lagmon.readings import Isolation, PeekRequest, TopicPartition
from lagmon.recording.lines import snapshot_to_json
from lagmon.report import Links, OldestRecord
from tests.infra import rights
from tests.infra.kafka import KafkaBroker
from tests.infra.records import consume, produce
from tests.infra.require import required
from tests.infra.wait import until
from tests.integration.meaning import (
    Seen,
    Watched,
    commit,
    delete_before,
    member,
    new_name,
    send,
    transaction,
)
from tests.lagmon.builders import notice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lagmon.model import ClusterLag

pytestmark = pytest.mark.timeout(180)

SPAN = "00f067aa0ba902b7"


def traced(number: int) -> tuple[str, bytes]:
    """Give the traceparent of record *number*: its trace id is that number."""
    return "traceparent", f"00-{trace(number)}-{SPAN}-01".encode()


def trace(number: int) -> str:
    """Give the trace id of record *number*."""
    return f"{number + 1:032x}"


def plays(servers: str, topic: str, count: int, **about: Any) -> None:
    """Write *count* records to partition 0 of *topic*, each with a trace of its own."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
    for number in range(count):
        producer.produce(
            topic, b"secret-play", b"secret-key", partition=0, headers=[traced(number)], **about
        )
    assert producer.flush(60) == 0


def judged(lag: ClusterLag, state: State | None) -> ClusterLag:
    """Give *lag* with every partition in *state*, as the stage before has it."""
    return replace(
        lag,
        groups=tuple(
            replace(one, partitions=tuple(replace(row, judged=state) for row in one.partitions))
            for one in lag.groups
        ),
    )


def ask(seen: Seen, group: str, state: State | None = None) -> PeekRequest:
    """Give the question that lagmon asks about *group*, which has one partition."""
    (question,) = suspects(judged(seen.lag, state), {group}, (), limit=20, now=seen.lag.at)
    return question


def shown(watched: Watched, group: str, state: State | None = None) -> tuple[OldestRecord, Seen]:
    """Have lagmon look at the oldest uncommitted record of *group*; give what it would show."""
    seen = watched.until(lambda s: s.has(group) and s.group(group).lag, f"a lag of {group}")
    looked = watched.answered(ask(seen, group, state))
    lag = judged(looked.lag, state)
    answers = remember((), looked.snapshot.peeks, lag, {group}, lag.at)
    record = oldest(next(one for one in lag.groups if one.group == group), answers)
    assert record is not None
    return record, looked


def test_the_record_in_work_is_not_the_one_that_is_shown(kafka: KafkaBroker, topic: str) -> None:
    """A consumer that commits by itself works on record 3 while record 0 is the oldest uncommitted.

    Nobody outside can know which one is in work. What is shown is the first that would be read
    again, and it is called nothing else.
    """
    group, servers = new_name(), kafka.bootstrap_servers
    plays(servers, topic, 6)
    commit(servers, group, topic, 0)
    by_itself = {"enable.auto.commit": True, "auto.commit.interval.ms": 600_000}

    with member(servers, group, topic, **by_itself) as consumer:
        read = consume(consumer, 3)
        record, seen = shown(Watched(servers, group), group)
    told = annotate(notice(behind=seen.group(group), oldest=record), Links())

    assert (read[-1].offset() or 0) > 0
    assert (record.offset, record.trace_id) == (0, trace(0))
    assert f"The oldest uncommitted record is {topic}[0] at offset 0" in told["description"]
    assert not [word for word in ("cause", "blocks", "in work") if word in told["description"]]


def test_once_it_has_committed_the_next_record_is_shown(kafka: KafkaBroker, topic: str) -> None:
    """When the consumer has committed by itself, the shown record is the first after that."""
    group, servers = new_name(), kafka.bootstrap_servers
    plays(servers, topic, 6)
    commit(servers, group, topic, 0)
    watched = Watched(servers, group)

    with member(servers, group, topic, **{"enable.auto.commit": True}) as consumer:
        read = consume(consumer, 1)
    # It commits once more as it ends, up to where it was: the record that it gave out last.
    seen = watched.until(lambda s: s.row(group, topic).committed, "a commit of the consumer's own")
    committed = seen.row(group, topic).committed

    assert read
    assert committed
    assert 0 < committed < 6
    record, _ = shown(watched, group)
    assert (record.offset, record.trace_id) == (committed, trace(committed))


def test_the_payload_stays_where_it_is(kafka: KafkaBroker, topic: str) -> None:
    """Neither value nor key comes out of the collector, in no form but a size and a hash."""
    group, servers = new_name(), kafka.bootstrap_servers
    plays(servers, topic, 1)
    commit(servers, group, topic, 0)

    record, seen = shown(Watched(servers, group), group)

    line = snapshot_to_json(seen.snapshot)
    assert (record.size, len(record.key_hash or "")) == (21, 16)
    assert '"peeks"' in line
    assert "secret" not in line


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("b3", f"{trace(6)}-{SPAN}-1".encode())], id="B3 in one header"),
        pytest.param(
            [("X-B3-TraceId", trace(6).encode()), ("X-B3-SpanId", SPAN.encode())],
            id="B3 in several",
        ),
        pytest.param([("b3", b"0"), traced(6)], id="W3C beside B3"),
    ],
)
def test_a_trace_is_read_in_each_format(
    kafka: KafkaBroker, topic: str, headers: list[tuple[str, bytes]]
) -> None:
    """What went over the wire as W3C or as B3 is found, and an allowed header beside it."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(topic, b"x", partition=0, headers=[*headers, ("Tenant", b"blue")])
    assert producer.flush(60) == 0
    question = PeekRequest(TopicPartition(topic, 0), 0)

    (peek,) = look([question], cluster_of(kafka), Deadline(30), headers=["tenant", "other"])

    assert (peek.trace_id, peek.headers) == (trace(6), (("tenant", "blue"),))


def cluster_of(kafka: KafkaBroker) -> Any:
    """Give the settings of *kafka* as the collector has them."""
    return Watched(kafka.bootstrap_servers)._cycle._cluster


def test_records_that_were_taken_back_are_passed_over(kafka: KafkaBroker, topic: str) -> None:
    """On a topic with transactions the next committed record is shown, however often one looks."""
    group, servers = new_name(), kafka.bootstrap_servers
    commit(servers, group, topic, 0)
    with transaction(servers) as producer:
        send(producer, topic, 3)  # and then aborted: a control record is offset 3
    with transaction(servers) as producer:
        producer.produce(topic, b"kept", partition=0, headers=[traced(4)])
        producer.commit_transaction(20)
        watched = Watched(servers, group)
        first, _ = shown(watched, group)
        again, _ = shown(watched, group)
        producer.begin_transaction()

    assert (first.offset, first.trace_id, first.pending) == (4, trace(4), False)
    assert again == first


def test_behind_the_last_record_nothing_is_left(kafka: KafkaBroker, topic: str) -> None:
    """Where only control and aborted records follow the commit, the look says so: no trace."""
    group, servers = new_name(), kafka.bootstrap_servers
    produce(servers, topic, b"read")
    commit(servers, group, topic, 1)
    with transaction(servers) as producer:
        send(producer, topic, 2)

    record, seen = shown(Watched(servers, group), group)

    (peek,) = seen.snapshot.peeks
    assert str(peek.error).startswith("_PARTITION_EOF: ")
    assert (record.trace_id, record.offset) == (None, 1)
    assert str(record.trace_unknown).startswith("no record is left there")


def test_an_open_transaction_is_shown_by_its_first_record(kafka: KafkaBroker, topic: str) -> None:
    """A group that waits for a transaction to end is shown whose it is, without waiting for it."""
    group, servers = new_name(), kafka.bootstrap_servers
    commit(servers, group, topic, 0)
    with transaction(servers) as producer:
        producer.produce(topic, b"open", partition=0, headers=[traced(0)])
        assert producer.flush(60) == 0
        record, seen = shown(Watched(servers, group), group, State.OPEN_TRANSACTION)

    (peek,) = seen.snapshot.peeks
    assert peek.question.isolation is Isolation.READ_UNCOMMITTED
    assert (record.offset, record.trace_id, record.pending) == (0, trace(0), True)


def test_the_beginning_of_an_open_transaction_is_not_the_end(
    kafka: KafkaBroker, topic: str
) -> None:
    """A broker calls it the end for those who read what is committed: records lie behind it."""
    servers = kafka.bootstrap_servers
    produce(servers, topic, b"read")
    with transaction(servers) as producer:
        send(producer, topic, 2)
        peek = Watched(servers).peek(topic, 1)

    assert peek.found_offset is None
    assert str(peek.error).startswith("a transaction is open")


def test_before_an_open_transaction_only_committed_records_are_read(
    kafka: KafkaBroker, topic: str
) -> None:
    """The record at the commit lies before the transaction: it is read as a consumer would."""
    group, servers = new_name(), kafka.bootstrap_servers
    plays(servers, topic, 1)
    commit(servers, group, topic, 0)
    with transaction(servers) as producer:
        send(producer, topic, 2)
        record, seen = shown(Watched(servers, group), group)

    (peek,) = seen.snapshot.peeks
    assert peek.question.isolation is Isolation.READ_COMMITTED
    assert (record.offset, record.trace_id, record.pending) == (0, trace(0), False)


def test_what_retention_took_in_between_is_asked_for_at_the_new_start(
    kafka: KafkaBroker, topic: str
) -> None:
    """A start that moved before the look is an answer; the next question begins at the new one."""
    group, servers = new_name(), kafka.bootstrap_servers
    plays(servers, topic, 6)
    commit(servers, group, topic, 1)
    watched = Watched(servers, group)
    question = ask(watched.until(lambda s: s.has(group), "the group"), group)

    delete_before(kafka.admin(), topic, 4)
    late = watched.answered(question)
    record, _ = shown(watched, group)

    (peek,) = late.snapshot.peeks
    assert str(peek.error).startswith("_AUTO_OFFSET_RESET: ")
    assert (record.offset, record.trace_id) == (4, trace(4))


def test_looking_again_gives_the_same_answer(kafka: KafkaBroker, topic: str) -> None:
    """Twice the same question, also in one cycle, is the same answer: a look leaves no mark."""
    plays(kafka.bootstrap_servers, topic, 3)
    watched = Watched(kafka.bootstrap_servers)
    question = PeekRequest(TopicPartition(topic, 0), 1)

    first = watched.answered(question, question).snapshot.peeks
    again = watched.answered(question).snapshot.peeks

    assert first == again
    assert first[0].trace_id == trace(1)


def test_a_cycle_looks_no_longer_than_its_time(kafka: KafkaBroker, topic: str) -> None:
    """Ten looks into an open transaction would take 20 s: two are answered, the rest left out."""
    servers = kafka.bootstrap_servers
    with transaction(servers) as producer:
        send(producer, topic, 12)
        at = TopicPartition(topic, 0)
        questions = [PeekRequest(at, offset) for offset in range(1, 11)]

        watched = Watched(servers)
        peeks = until(lambda: watched.look(*questions).snapshot.peeks, what="an answer")

    assert 0 < len(peeks) <= 2
    assert {str(peek.error).partition(":")[0] for peek in peeks} == {"_TIMED_OUT"}


def test_a_cycle_reads_no_more_than_its_bytes(kafka: KafkaBroker, topic: str) -> None:
    """When the records that were read have used up the bytes, the others are left for later."""
    large = b"x" * 300_000
    produce(kafka.bootstrap_servers, topic, large, large, large, large)
    at = TopicPartition(topic, 0)
    questions = [PeekRequest(at, offset) for offset in range(4)]

    peeks = look(questions, cluster_of(kafka), Deadline(30), most_bytes=500_000)

    assert [peek.found_offset for peek in peeks] == [0, 1]


@pytest.fixture(scope="module")
def guarded() -> Iterator[KafkaBroker]:
    """Give a broker that knows ACLs; where a topic has none, everybody may do everything."""
    broker = KafkaBroker(
        own=True,
        settings={
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "true",
        },
    )
    with required():
        broker.__enter__()
    yield broker
    broker.remove()


def allow(
    kafka: KafkaBroker, kind: ResourceType, name: str, operation: AclOperation, who: str = "User:*"
) -> None:
    """Let *who* do *operation*, and thereby nobody anything else, on what is called *name*."""
    rule = AclBinding(
        kind, name, ResourcePatternType.LITERAL, who, "*", operation, AclPermissionType.ALLOW
    )
    rights.allow(kafka.admin(), [rule])


def test_a_topic_that_may_not_be_read_names_the_missing_acl(guarded: KafkaBroker) -> None:
    """With DESCRIBE alone the lag is right, and the page says which permission a trace needs."""
    group, servers, topic = new_name(), guarded.bootstrap_servers, new_name("topic")
    guarded.create_topic(topic)
    plays(servers, topic, 2)
    commit(servers, group, topic, 0)
    allow(guarded, ResourceType.TOPIC, topic, AclOperation.DESCRIBE)

    record, seen = shown(Watched(servers, group), group)

    (peek,) = seen.snapshot.peeks
    why = f"lagmon may not read topic {topic}: it lacks the ACL READ on it"
    assert seen.group(group).lag == 2
    assert str(peek.error).startswith("TOPIC_AUTHORIZATION_FAILED: ")
    assert (record.trace_id, record.trace_unknown) == (None, why)
    assert why in annotate(notice(behind=seen.group(group), oldest=record), Links())["description"]


def test_a_look_needs_no_permission_on_a_group(guarded: KafkaBroker) -> None:
    """The client wants a group name and asks for its coordinator; that it may not is no matter."""
    servers, topic = guarded.bootstrap_servers, new_name("topic")
    guarded.create_topic(topic)
    plays(servers, topic, 1)
    allow(guarded, ResourceType.GROUP, "lagmon-peek", AclOperation.READ, "User:somebody-else")

    peek = Watched(servers).peek(topic, 0)

    assert (peek.trace_id, peek.error) == (trace(0), None)
