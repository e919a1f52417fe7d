"""The values that flow between lagmon's stages: readings, lag, incidents. No behaviour, no I/O.

A stage takes these and gives these; stages never import one another. Everything is frozen and made
of tuples, so that a value can be kept, compared, written to a recording and read by another thread.

What is not known is ``None`` beside a ``why``: never 0, never an omission. Times are seconds since
the epoch as the collector's clock gave them; offsets and lags count messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Why a value is missing."""

    NEVER_COMMITTED = "never_committed"
    NO_END_OFFSET = "no_end_offset"
    NO_COMMITTED_OFFSET = "no_committed_offset"
    TOPIC_DELETED = "topic_deleted"
    GROUP_UNREADABLE = "group_unreadable"


class Isolation(StrEnum):
    """Which records a reader is shown."""

    READ_COMMITTED = "read_committed"
    READ_UNCOMMITTED = "read_uncommitted"


class Change(StrEnum):
    """What happened to an incident in one step."""

    OPENED = "opened"
    REMINDED = "reminded"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """The name of one partition."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """What the leader of a partition said: log start, high watermark, last stable offset.

    An offset is ``None`` when it was not given; *error* then says why in the broker's words.
    """

    at: TopicPartition
    start: int | None = None
    high: int | None = None
    stable: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """A group's committed offset of one partition. ``None`` without *error*: never committed."""

    at: TopicPartition
    offset: int | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a group and what it owns."""

    member_id: str
    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupReading:
    """One group as its coordinator described it.

    *state* and *kind* are Kafka's own words in lower case (``stable``, ``classic``); *members* is
    the number of members, ``None`` if it could not be asked. With *error* nothing else is certain.
    """

    group: str
    state: str | None = None
    kind: str | None = None
    members: int | None = None
    committed: tuple[Committed, ...] = ()
    assignments: tuple[Member, ...] = ()
    error: str | None = None
    read_at: float | None = None


@dataclass(frozen=True, slots=True)
class PeekRequest:
    """Ask for the record at *offset*: the oldest one that a group has not committed."""

    at: TopicPartition
    offset: int
    isolation: Isolation = Isolation.READ_COMMITTED


@dataclass(frozen=True, slots=True)
class Peek:
    """The answer to a `PeekRequest`: facts about one record, never its payload.

    *found_offset* may lie past the question when the record was compacted away, and is ``None``
    with *error* when none was found. *timestamp* is the record's own, in seconds. *key_hash* is
    hexadecimal. *trace_id* is ``None`` when the record carries no valid trace header.
    """

    question: PeekRequest
    found_offset: int | None = None
    timestamp: float | None = None
    size: int | None = None
    key_hash: str | None = None
    trace_id: str | None = None
    sampled: bool | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the judging side wants to know with the next snapshot."""

    peeks: tuple[PeekRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class StepDuration:
    """How long one step of a collecting cycle took, in seconds."""

    step: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one collecting cycle learnt about one cluster.

    *error*: no snapshot came at all, and why; the rest is then empty. *list_errors*: the list of
    groups came, but not from every broker, so that a missing group may still exist.
    """

    at: float
    cluster: str
    topics: tuple[PartitionOffsets, ...] = ()
    groups: tuple[GroupReading, ...] = ()
    peeks: tuple[Peek, ...] = ()
    list_errors: tuple[str, ...] = ()
    durations: tuple[StepDuration, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How far a group is behind on one partition; ``lag`` is ``None`` beside a *why*.

    *lost* counts the records that were deleted before the group read them. *clamped* is True when
    a negative difference that no commit past the end explains was cut to 0. *waiting* is True when
    the group never committed here although the partition is not known to be empty.
    """

    at: TopicPartition
    lag: int | None
    why: Why | None = None
    committed: int | None = None
    end: int | None = None
    lost: int = 0
    clamped: bool = False
    waiting: bool = False
    owner: Member | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class GroupLag:
    """A group's lag: the sum over the partitions that are known, and how many are not."""

    group: str
    lag: int | None
    why: Why | None = None
    state: str | None = None
    members: int | None = None
    partitions: tuple[PartitionLag, ...] = ()
    uncommitted: int = 0
    unknown: int = 0
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterLag:
    """One cluster's groups at one moment, as judged from a `Snapshot`.

    *error* repeats the snapshot's: nothing is known then, and *groups* is empty. *complete* is
    False when groups may be missing from the list.
    """

    at: float
    cluster: str
    groups: tuple[GroupLag, ...] = ()
    complete: bool = True
    error: str | None = None


@dataclass(frozen=True, slots=True)
class IncidentKey:
    """What an incident is about: the same key is the same page."""

    rule: str
    cluster: str
    group: str | None = None
    topic: str | None = None
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """A condition that held for its time: open from *opened_at* until *resolved_at*.

    *since* is when the condition began to hold, *value* its latest known value.
    """

    key: IncidentKey
    since: float
    opened_at: float
    value: float
    sent_at: float
    resolved_at: float | None = None


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """One thing to tell the outside about one incident."""

    change: Change
    incident: Incident
