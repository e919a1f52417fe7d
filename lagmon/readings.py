"""What is asked of a cluster and what it answers: plans out, snapshots in. No behaviour, no I/O.

The collector makes these values of a client's answers, and the judging stages read nothing else of
Kafka. Everything is frozen and made of tuples, so that a value can be kept, compared, written to a
recording and read by another thread.

What is not known is ``None`` beside an *error*: never 0, never an omission. Times are seconds since
the epoch as the collector's clock gave them; offsets count messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Isolation(StrEnum):
    """Which records a reader is shown."""

    READ_COMMITTED = "read_committed"
    READ_UNCOMMITTED = "read_uncommitted"


class TopicPartition(NamedTuple):  # a key of many dicts: a tuple is hashed without a call
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
    with *error* when none was found. *timestamp* is the record's own, in seconds; *size* is in
    bytes. *key_hash* is hexadecimal. *trace_id* is ``None`` beside a *trace_unknown* that says what
    the headers lack. *headers* are names and texts of those that the settings allow.
    """

    question: PeekRequest
    found_offset: int | None = None
    timestamp: float | None = None
    size: int | None = None
    key_hash: str | None = None
    trace_id: str | None = None
    sampled: bool | None = None
    error: str | None = None
    trace_unknown: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """Ask for the first record whose own time is *timestamp* or later, in seconds."""

    at: TopicPartition
    timestamp: float


@dataclass(frozen=True, slots=True)
class Probe:
    """The answer to a `ProbeRequest`: that record's offset and exact time.

    Both are ``None`` without *error* when no record is as young as that.
    """

    question: ProbeRequest
    offset: int | None = None
    record_timestamp: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TopicId:
    """The identity of a topic: one that is deleted and made again has another."""

    topic: str
    id: str


class Resource(StrEnum):
    """What Kafka grants rights on, as far as lagmon needs them."""

    CLUSTER = "cluster"
    GROUP = "group"
    TOPIC = "topic"


# What opens the words for a topic's right: it hides partitions, and no group of the list.
TOPIC_REFUSED = "lagmon may not DESCRIBE topic"
TOPICS_UNTOLD = "it cannot be known which topics are hidden"
TOPICS_HIDDEN = (TOPIC_REFUSED, TOPICS_UNTOLD)


@dataclass(frozen=True, slots=True)
class MissingRight:
    """The right to DESCRIBE that lagmon lacks on *name*, or on all names that begin with it.

    ``*`` is every name. Of the cluster there is one, which has no name; a topic without one is
    any, where it cannot be known which.
    """

    resource: Resource
    name: str = ""
    prefixed: bool = False


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """A group that there was, and the partitions on which it had commits, or was refused."""

    group: str
    partitions: tuple[TopicPartition, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What the judging side wants to know with the next snapshot.

    *known* is for a collector that has seen nothing yet: what Kafka leaves out of its answers is
    only missed by who knows of it.
    """

    peeks: tuple[PeekRequest, ...] = ()
    probes: tuple[ProbeRequest, ...] = ()
    known: tuple[KnownGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """What of a cluster one of several replicas watches: see `lagmon.sharding.ownership`.

    *owned* are partitions of ``__consumer_offsets``, in order, *of* how many there are. Nobody else
    has them until the time *until*, in seconds of the machine's clock that nobody sets; None is for
    ever. *why* says in words what keeps the replica from having any.
    """

    owned: tuple[int, ...] = ()
    of: int = 50
    until: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class StepDuration:
    """How long one step of a collecting cycle took, in seconds."""

    step: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one collecting cycle learnt about one cluster.

    *error*: no snapshot came at all, and why; the rest is then empty. *list_errors*: the list of
    groups came, but not from every broker, or not with all that it should have had, so that a
    missing group may still exist. *missing_rights* are those because of which something may be
    hidden; each is among the *list_errors* too, in words. Those that open with `TOPICS_HIDDEN` are
    about partitions alone: the list of groups is whole.

    *owned* is the share that was read, where replicas share a cluster; of the other groups nothing
    is said, not even whether they exist.
    """

    at: float
    cluster: str
    topics: tuple[PartitionOffsets, ...] = ()
    groups: tuple[GroupReading, ...] = ()
    peeks: tuple[Peek, ...] = ()
    list_errors: tuple[str, ...] = ()
    durations: tuple[StepDuration, ...] = ()
    error: str | None = None
    probes: tuple[Probe, ...] = ()
    topic_ids: tuple[TopicId, ...] = ()
    missing_rights: tuple[MissingRight, ...] = ()
    owned: Share | None = None
