"""What lagmon makes of its readings, stage by stage: lag, age, state, incidents. No behaviour.

A stage takes these and gives these; stages never import one another. Everything is made of tuples
and frozen, like the readings, but for the rows of lag: there are tens of thousands a cycle, which
are measured anew each time, filled in by `lagmon.judge.judging` and changed by nobody else
(``docs/adr/0004-rows-of-lag-are-filled-in.md``).

What is not known is ``None`` beside a ``why``: never 0, never an omission. Times are seconds since
the epoch; lags count messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lagmon.readings import Member, TopicPartition


class Why(StrEnum):
    """Why a value is missing."""

    NEVER_COMMITTED = "never_committed"
    NO_COMMITS = "no_commits"
    NO_END_OFFSET = "no_end_offset"
    NO_COMMITTED_OFFSET = "no_committed_offset"
    TOPIC_DELETED = "topic_deleted"
    GROUP_UNREADABLE = "group_unreadable"


class State(StrEnum):
    """What a partition or group is doing, as `lagmon.judge.evaluate` judges it."""

    OK = "ok"
    CATCHING_UP = "catching_up"
    STEADY = "steady"
    PENDING = "pending"
    OPEN_TRANSACTION = "open_transaction"
    FALLING_BEHIND = "falling_behind"
    UNCOMMITTED = "uncommitted"
    UNKNOWN = "unknown"
    REWOUND = "rewound"
    BEYOND_END = "beyond_end"
    STALLED = "stalled"
    BLOCKED = "blocked"
    HANGING_TRANSACTION = "hanging_transaction"
    STOPPED = "stopped"
    LOST = "lost"


class Method(StrEnum):
    """How an age was found."""

    CAUGHT_UP = "caught_up"
    HISTORY = "history"
    TIMESTAMPS = "timestamps"


class Change(StrEnum):
    """What happened to an incident in one step."""

    OPENED = "opened"
    REMINDED = "reminded"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Age:
    """How long the oldest unread record has waited, in seconds; 0 when nothing is unread.

    It is wrong by *error_seconds* at most, or, where that is ``None``, a lower bound.
    """

    seconds: float
    method: Method
    error_seconds: float | None = 0.0


@dataclass(slots=True)
class PartitionLag:
    """How far a group is behind on one partition; ``lag`` is ``None`` beside a *why*.

    *lost* counts the records that were deleted before the group read them. *clamped* is True when
    a negative difference that no commit past the end explains was cut to 0. *waiting* is True when
    the group never committed here although the partition is not known to be empty. The log holds
    what lies from *start* to *end*; what lies past *stable* is in transactions that are open.

    What the later stages find out is filled in: *age*, which is ``None`` where it is not known, and
    *judged* with *since* and a *reason* in words.
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
    age: Age | None = None
    judged: State | None = None
    since: float | None = None
    reason: str | None = None
    start: int | None = None
    stable: int | None = None


@dataclass(slots=True)
class GroupLag:
    """A group's lag: the sum over the partitions that are known, and how many are not.

    *state* is Kafka's word for the group. *age* is the highest of its partitions' that are known.
    *judged* is the worst of its partitions' states, *since* when it began, *reason* why in words.
    *rate* is by how many messages a second the lag grew lately, below 0 where it shrank. From *age*
    to *rate* it is filled in. *hidden*: it may have commits on topics that lagmon may not see.
    """

    group: str
    lag: int | None
    why: Why | None = None
    state: str | None = None
    members: int | None = None
    partitions: tuple[PartitionLag, ...] = ()
    uncommitted: int = 0
    unknown: int = 0
    detail: str | None = None
    age: Age | None = None
    judged: State | None = None
    since: float | None = None
    reason: str | None = None
    rate: float | None = None
    hidden: bool = False


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

    *since* is when the condition began to hold, *value* its latest known value. One that is *held*
    back, because of maintenance, is judged like any other, but nobody is woken by it.
    """

    key: IncidentKey
    since: float
    opened_at: float
    value: float
    sent_at: float
    resolved_at: float | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """One thing to tell the outside about one incident."""

    change: Change
    incident: Incident
