"""Ask a real cluster through lagmon's own collecting cycle, and act on it as groups do.

Comes in: a broker. Goes out: what lagmon makes of it, with the states. The clients that act are
plain ones; what lagmon reads is never set by hand.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as Offset

from lagmon.alerts.rules import SHIPPED
from lagmon.collector.cycle import Cycle
from lagmon.configuration.settings import Cluster, CollectorSettings
from lagmon.judge.judging import Memory, Policy, judge
from lagmon.readings import Isolation, PeekRequest, Plan, ProbeRequest, TopicPartition
from lagmon.supervise import Collector
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from confluent_kafka.admin import AdminClient

    from lagmon.model import ClusterLag, GroupLag, PartitionLag, State
    from lagmon.readings import GroupReading, PartitionOffsets, Peek, Probe, Snapshot

WAIT_SECONDS = 60
ANSWER_SECONDS = 60
LATE = "_TIMED_OUT"  # of a look, which has two seconds
HOUR_SECONDS, TURN_SECONDS = 3600, 30
POLICY = Policy(SHIPPED, poll_interval_seconds=TURN_SECONDS, peeks_per_cycle=20)
IDLE_SECONDS = 600  # longer than any test: no group is so idle that its last commit is shown again


@dataclass(frozen=True, slots=True)
class Seen:
    """What one cycle read, and what lagmon makes of it, knowing what it saw before."""

    snapshot: Snapshot
    lag: ClusterLag

    def states(self, *names: str) -> list[State | None]:
        """Give what the groups *names* are judged to be doing."""
        return [self.group(name).judged for name in names]

    def in_an_hour(self) -> Seen:
        """Judge what was seen as if it had stood like that for an hour, and nothing before it.

        A state that takes time is proved without waiting for it: what is read stays what it was.
        """
        memory = Memory.of(POLICY)
        for passed in range(0, HOUR_SECONDS + 1, TURN_SECONDS):
            snapshot = replace(self.snapshot, at=self.snapshot.at + passed)
            judged = judge(memory, snapshot, POLICY)
            memory = judged.memory
        return Seen(snapshot, judged.lag)

    def group(self, name: str) -> GroupLag:
        """Give the lag of group *name*, which must be there."""
        return next(one for one in self.lag.groups if one.group == name)

    def has(self, name: str) -> bool:
        """Tell whether group *name* is there."""
        return any(one.group == name for one in self.lag.groups)

    def row(self, name: str, topic: str, partition: int = 0) -> PartitionLag:
        """Give what is known of group *name* on one partition, which must be there."""
        at = TopicPartition(topic, partition)
        return next(one for one in self.group(name).partitions if one.at == at)

    def reading(self, name: str) -> GroupReading:
        """Give what was read of group *name*, which must be there."""
        return next(one for one in self.snapshot.groups if one.group == name)

    def log(self, topic: str, partition: int = 0) -> PartitionOffsets:
        """Give what the leader of one partition said."""
        at = TopicPartition(topic, partition)
        return next(one for one in self.snapshot.topics if one.at == at)


class Eyes:
    """One cluster under the eyes of one collector, which remembers as it does in service.

    *memory* is what the judging remembers.
    """

    def __init__(self) -> None:
        self.memory = Memory.of(POLICY)

    def _collect(self, plan: Plan) -> Snapshot:
        raise NotImplementedError

    def look(self, *questions: PeekRequest) -> Seen:
        """Go through one cycle, and look at the records that *questions* name."""
        snapshot = self._collect(Plan(questions))
        judged = judge(self.memory, snapshot, POLICY)
        self.memory = judged.memory
        return Seen(snapshot, judged.lag)

    def until(self, check: Callable[[Seen], object], what: str) -> Seen:
        """Go through cycles until *check* likes what was seen."""

        def seen() -> Seen | None:
            found = self.look()
            return found if check(found) else None

        return until(seen, timeout=WAIT_SECONDS, every=0.1, what=what)

    def peek(
        self, topic: str, offset: int, isolation: Isolation = Isolation.READ_COMMITTED
    ) -> Peek:
        """Look at one record of partition 0 of *topic*."""
        question = PeekRequest(TopicPartition(topic, 0), offset, isolation)
        (found,) = self.answered(question).snapshot.peeks
        return found

    def answered(self, *questions: PeekRequest) -> Seen:
        """Look at the records that *questions* name, until a busy machine has come to them all."""

        def seen() -> Seen | None:
            found = self.look(*questions)
            peeks = found.snapshot.peeks
            in_time = {one.question for one in peeks if not str(one.error).startswith(LATE)}
            return found if in_time == {*questions} else None

        return until(seen, timeout=WAIT_SECONDS, every=0.1, what="answers in time")

    def probe(self, topic: str, timestamp: float) -> Probe:
        """Ask for the first record of partition 0 of *topic* that is as young as *timestamp*."""
        question = ProbeRequest(TopicPartition(topic, 0), timestamp)
        (found,) = self._collect(Plan(probes=(question,))).probes
        return found


class Watched(Eyes):
    """Watch from within this process: quick, and only where no broker falls silent."""

    def __init__(self, servers: str, *groups: str, **settings: Any) -> None:
        super().__init__()
        self._cycle = Cycle(collecting(servers, *groups, **settings))

    def _collect(self, plan: Plan) -> Snapshot:
        return self._cycle.run(plan)


class WatchedFromAside(Eyes):
    """Watch from a child process, as lagmon does: librdkafka may abort it. A context manager."""

    def __init__(self, servers: str, *groups: str, **settings: Any) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self.collector = Collector(collecting(servers, *groups, **settings))

    def __enter__(self) -> Self:
        self._runner.run(self.collector.start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self.collector.stop())
        self._runner.close()

    def _collect(self, plan: Plan) -> Snapshot:
        return self._runner.run(self.collector.collect(plan, time.time()))


def collecting(
    servers: str, *groups: str, request_timeout: float = 30, **settings: Any
) -> CollectorSettings:
    """Write the settings of a collector of *groups*, of all if there are none."""
    chosen = {"include": groups, **settings.pop("groups", {})}
    cluster = {"name": "test", "bootstrap_servers": servers, "groups": chosen, **settings}
    return CollectorSettings(
        cluster=Cluster.model_validate(cluster),
        request_timeout=request_timeout,
        cycle_deadline=3 * request_timeout,
        idle_refresh=IDLE_SECONDS,
    )


def new_name(kind: str = "group") -> str:
    """Give a name that no other test has."""
    return f"{kind}-{uuid4().hex[:8]}"


def commit(servers: str, group: str, topic: str, *offsets: int) -> None:
    """Commit *offsets* of the first partitions of *topic*, without joining *group*."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    try:
        named = [Offset(topic, number, offset) for number, offset in enumerate(offsets)]
        answers = consumer.commit(offsets=named, asynchronous=False)
        assert all(one.error is None for one in answers)
    finally:
        consumer.close()


@contextmanager
def member(servers: str, group: str, topic: str, **config: Any) -> Iterator[Consumer]:
    """Join *group* and wait for an assignment; commits nothing by itself."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "client.id": "reader-1",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            **config,
        }
    )
    try:
        consumer.subscribe([topic])

        def assigned() -> bool:
            consumer.poll(0.1)
            return bool(consumer.assignment())

        until(assigned, timeout=WAIT_SECONDS, every=0, what=f"an assignment in {group}")
        yield consumer
    finally:
        consumer.close()


@contextmanager
def transaction(servers: str, **config: Any) -> Iterator[Producer]:
    """Begin a transaction; whoever begins it ends it, or it is aborted here."""
    producer = Producer(
        {"bootstrap.servers": servers, "transactional.id": new_name("transaction"), **config}
    )
    producer.init_transactions(ANSWER_SECONDS)
    producer.begin_transaction()
    open_still = True
    try:
        yield producer
    except BaseException:
        open_still = False
        raise
    finally:
        if open_still:
            producer.abort_transaction(ANSWER_SECONDS)


def send(producer: Producer, topic: str, count: int = 1) -> None:
    """Write *count* records to partition 0 of *topic* and wait until the broker has them."""
    for number in range(count):
        producer.produce(topic, f"value-{number}".encode(), partition=0)
    assert producer.flush(ANSWER_SECONDS) == 0


def delete_before(admin: AdminClient, topic: str, offset: int) -> None:
    """Have the broker delete the records of partition 0 before *offset*; -1 is all of them."""
    (deleted,) = admin.delete_records([Offset(topic, 0, offset)]).values()
    deleted.result(ANSWER_SECONDS)
