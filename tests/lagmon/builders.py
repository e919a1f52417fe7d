"""Builders for the values that lagmon's stages take: say what matters, the rest is ordinary."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lagmon.alerts.rules import KAFKA_CONSUMER_LAG
from lagmon.board import Cycle
from lagmon.model import (
    Change,
    ClusterLag,
    GroupLag,
    Incident,
    IncidentChange,
    IncidentKey,
    PartitionLag,
    State,
    Why,
)
from lagmon.readings import PartitionOffsets, Peek, PeekRequest, Snapshot, TopicPartition
from lagmon.report import Notice, OldestRecord

if TYPE_CHECKING:
    from lagmon.readings import Member, StepDuration

CLUSTER = "local"
GROUP = "settle"
TOPIC = "plays"
NOON = 1_764_000_000.0  # 2025-11-24T16:00:00Z
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def at(partition: int = 0, topic: str = TOPIC) -> TopicPartition:
    """Name one partition."""
    return TopicPartition(topic, partition)


def part(
    partition: int = 0,
    lag: int | None = 0,
    *,
    topic: str = TOPIC,
    committed: int | None = 5000,
    lost: int = 0,
    why: Why | None = None,
    clamped: bool = False,
    waiting: bool = False,
    owner: Member | None = None,
    stable: int | None = None,
    judged: State | None = None,
) -> PartitionLag:
    """Build the lag of one partition of a group."""
    end = committed + lag if lag is not None and committed is not None else None
    return PartitionLag(
        at(partition, topic),
        lag,
        why,
        committed=committed,
        end=end,
        lost=lost,
        clamped=clamped,
        waiting=waiting,
        owner=owner,
        stable=stable,
        judged=judged,
    )


def group(
    lag: int | None = 0,
    name: str = GROUP,
    *parts: PartitionLag,
    members: int | None = 2,
    unknown: int = 0,
    uncommitted: int = 0,
    why: Why | None = None,
) -> GroupLag:
    """Build a group; without *parts* it has one partition with all of the lag."""
    made = parts or ((part(0, lag),) if lag is not None else ())
    return GroupLag(
        name,
        lag,
        why,
        members=members,
        state="stable" if members else "empty",
        partitions=made,
        uncommitted=uncommitted,
        unknown=unknown,
    )


def lags(
    *groups: GroupLag, when: float = NOON, complete: bool = True, error: str | None = None
) -> ClusterLag:
    """Build the lag of a cluster."""
    return ClusterLag(when, CLUSTER, groups, complete=complete, error=error)


def offsets(
    partition: int = 0,
    *,
    topic: str = TOPIC,
    start: int | None = 0,
    high: int | None = 5000,
    stable: int | None = 5000,
) -> PartitionOffsets:
    """Build what the leader of a partition said."""
    return PartitionOffsets(at(partition, topic), start, high, stable)


def cycle(
    lag: ClusterLag | None = None,
    *,
    topics: tuple[PartitionOffsets, ...] = (),
    durations: tuple[StepDuration, ...] = (),
    incidents: tuple[Incident, ...] = (),
    pending: frozenset[str] = frozenset(),
    records: tuple[tuple[str, OldestRecord], ...] = (),
    restarts: int = 0,
    crashed: bool = False,
) -> Cycle:
    """Build what one cycle brought, with a snapshot that fits *lag*."""
    lag = lags(group()) if lag is None else lag
    return Cycle(
        Snapshot(
            lag.at,
            lag.cluster,
            topics=topics,
            list_errors=() if lag.complete else ("_TRANSPORT: broker down",),
            durations=durations,
            error=lag.error,
        ),
        lag,
        pending=pending,
        incidents=incidents,
        records=records,
        restarts=restarts,
        crashed=crashed,
    )


def incident(
    name: str = GROUP, value: float = 1203, *, since: float = NOON, resolved_at: float | None = None
) -> Incident:
    """Build an open incident of the shipped rule, or with *resolved_at* one that is over."""
    key = IncidentKey("KafkaConsumerLag", CLUSTER, name)
    return Incident(
        key, since, opened_at=since + 15, value=value, sent_at=since + 15, resolved_at=resolved_at
    )


def peek(
    partition: int = 0,
    offset: int = 5000,
    *,
    timestamp: float | None = NOON - 42,
    trace_id: str | None = TRACE,
    sampled: bool | None = True,
    error: str | None = None,
) -> Peek:
    """Build the answer about one record; with *error*, that none was found."""
    question = PeekRequest(at(partition), offset)
    if error is not None:
        return Peek(question, error=error)
    return Peek(
        question,
        found_offset=offset,
        timestamp=timestamp,
        size=120,
        key_hash="9f86d081884c7d65",
        trace_id=trace_id,
        sampled=sampled,
    )


def unread(words: str, offset: int = 5000, partition: int = 0) -> Peek:
    """Build the answer that no record was found, in Kafka's *words*."""
    return Peek(PeekRequest(at(partition), offset), error=words)


def record(
    partition: int = 0,
    offset: int = 5000,
    *,
    timestamp: float | None = NOON - 42,
    trace_id: str | None = TRACE,
    trace_unknown: str | None = None,
) -> OldestRecord:
    """Build the oldest uncommitted record of a group."""
    return OldestRecord(
        at(partition), offset, timestamp, "9f86d081884c7d65", trace_id, trace_unknown
    )


def notice(
    change: Change = Change.OPENED,
    about: Incident | None = None,
    *,
    when: float = NOON + 15,
    behind: GroupLag | None = None,
    oldest: OldestRecord | None = None,
) -> Notice:
    """Build a notice of the shipped rule."""
    about = about or incident()
    return Notice(IncidentChange(change, about), KAFKA_CONSUMER_LAG, when, behind, oldest)


class FakeClock:
    """A clock that passes when somebody sleeps, or as *advance* says, and never waits."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> float:
        """Give the time."""
        return self.time

    def elapsed(self) -> float:
        """Give the same; nobody sets this clock."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Pass *seconds* at once, and let others run."""
        self.time += seconds
        await asyncio.sleep(0)
