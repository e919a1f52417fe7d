"""Turn a `Snapshot` into lags: what each number means, and why it is missing when it is.

Comes in: one snapshot. Goes out: one `ClusterLag` with a row for every committed partition of every
group. Pure: the same snapshot gives the same lags; nothing is remembered from the one before.

The lag is the high watermark less the committed offset. Unknown is never 0.
``tests/lagmon/judge/test_lag.py`` numbers the cases and says why each answer is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.model import ClusterLag, GroupLag, PartitionLag, Why
from lagmon.readings import TOPICS_HIDDEN, PartitionOffsets, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lagmon.readings import Committed, GroupReading, Member, Snapshot, TopicPartition

DELETED = "UNKNOWN_TOPIC_OR_PART"  # Kafka's name for it opens the error texts of a snapshot

DEAD = (
    "dead"  # Kafka's word for a group that is not there, or that is of a kind it will not describe
)
HIDDEN = "no commit of it is to be seen, but topics may be hidden from lagmon"
UNDESCRIBED = "its members are not known, and no commit may be seen"

# What a group without any known lag says, the first that holds for one of its partitions.
GRAVEST = (Why.NO_COMMITTED_OFFSET, Why.NO_END_OFFSET, Why.NEVER_COMMITTED, Why.TOPIC_DELETED)
UNKNOWN = frozenset({Why.NO_COMMITTED_OFFSET, Why.NO_END_OFFSET})


def measure(snapshot: Snapshot) -> ClusterLag:
    """Measure every group of *snapshot*."""
    if snapshot.error is not None:
        return ClusterLag(snapshot.at, snapshot.cluster, complete=False, error=snapshot.error)
    offsets = {one.at: one for one in snapshot.topics}
    topics = frozenset(at.topic for at in offsets)
    hides = any(one.resource is Resource.TOPIC for one in snapshot.missing_rights)
    return ClusterLag(
        snapshot.at,
        snapshot.cluster,
        tuple(_group(reading, offsets, topics, hides=hides) for reading in snapshot.groups),
        complete=_is_listed(snapshot),
    )


def _is_listed(snapshot: Snapshot) -> bool:
    """Tell whether the list has every group: one is listed also if its topics are hidden."""
    lacks = any(one.resource is not Resource.TOPIC for one in snapshot.missing_rights)
    return not lacks and all(one.startswith(TOPICS_HIDDEN) for one in snapshot.list_errors)


def _group(
    reading: GroupReading,
    offsets: Mapping[TopicPartition, PartitionOffsets],
    topics: frozenset[str],
    *,
    hides: bool,
) -> GroupLag:
    # A member names its partitions; without any, those on hidden topics are left out silently.
    hidden = hides and not reading.members
    unread = reading.error or _why_nothing(reading, hidden=hidden)
    if unread is not None:
        return GroupLag(
            reading.group,
            None,
            Why.GROUP_UNREADABLE,
            reading.state,
            reading.members,
            detail=unread,
            hidden=hidden,
        )
    owners = {at: member for member in reading.assignments for at in member.partitions}
    rows = tuple(
        _partition(one, _found(one, offsets, topics), owners.get(one.at))
        for one in reading.committed
    )
    known = [row.lag for row in rows if row.lag is not None]
    denied = _is_denied(reading)
    why, detail = (None, None) if known else _gravest(rows)
    return GroupLag(
        reading.group,
        sum(known) if known else None,
        why,
        None if denied else reading.state,
        None if denied else reading.members,
        rows,
        uncommitted=sum(row.why is Why.NEVER_COMMITTED for row in rows),
        unknown=sum(row.why in UNKNOWN for row in rows),
        detail=detail,
        hidden=hidden,
    )


def _why_nothing(reading: GroupReading, *, hidden: bool) -> str | None:
    """Say why nothing is known of a group, if neither a commit nor a member is.

    Where its members are known, theirs are the partitions that it never committed.
    """
    if reading.committed:
        return None
    if reading.members is None:
        return UNDESCRIBED
    return HIDDEN if hidden else None


def _is_denied(reading: GroupReading) -> bool:
    """Tell whether a group is said not to be there that has committed.

    So Kafka describes streams groups (KIP-1071) to those who ask for consumers: without members.
    """
    return reading.state == DEAD and any(one.offset is not None for one in reading.committed)


def _found(
    one: Committed,
    offsets: Mapping[TopicPartition, PartitionOffsets],
    topics: frozenset[str],
) -> PartitionOffsets:
    """Give what is known of *one*'s partition, or why nothing is.

    A topic of which the snapshot has no partition at all does not exist: the collector writes down
    every partition that it asked for, with an error if need be.
    """
    log = offsets.get(one.at)
    if log is not None:
        return log
    lost = "the snapshot has no offsets of this partition"
    return PartitionOffsets(one.at, error=lost if one.at.topic in topics else DELETED)


def _partition(one: Committed, log: PartitionOffsets, owner: Member | None) -> PartitionLag:
    committed, end, start = one.offset, log.high, log.start
    if committed is None or end is None or one.error is not None or _is_deleted(log):
        why, detail = _missing(one, log)
        waiting = why is Why.NEVER_COMMITTED and not _is_empty(log)
        return PartitionLag(
            one.at, None, why, committed, end, waiting=waiting, owner=owner, detail=detail
        )
    return PartitionLag(
        one.at,
        end - committed if end > committed else 0,
        committed=committed,
        end=end,
        # Read out before it expired, or not: these records can no longer be read. They stay in the
        # lag, because the group has not passed them.
        lost=start - committed if start is not None and start > committed else 0,
        clamped=end < committed and _ends_disagree(committed, log),
        owner=owner,
        start=start,
        stable=log.stable,
    )


def _missing(one: Committed, log: PartitionOffsets) -> tuple[Why, str | None]:
    """Tell why there is no lag to give; the first reason that holds."""
    if one.error is not None:
        gone = one.error.startswith(DELETED)
        return (Why.TOPIC_DELETED if gone else Why.NO_COMMITTED_OFFSET), one.error
    if _is_deleted(log) and one.offset is not None:
        return Why.TOPIC_DELETED, log.error
    if one.offset is None:
        return Why.NEVER_COMMITTED, None
    return Why.NO_END_OFFSET, log.error


def _is_deleted(log: PartitionOffsets) -> bool:
    return log.error is not None and log.error.startswith(DELETED)


def _is_empty(log: PartitionOffsets) -> bool:
    if _is_deleted(log):
        return True
    return log.start is not None and log.high is not None and log.high <= log.start


def _ends_disagree(offset: int, log: PartitionOffsets) -> bool:
    """Tell whether a lag below 0 comes from the two end offsets, not from the commit.

    They are two requests. A commit that lies behind the one and past the other is no commit past
    the end.
    """
    return log.stable is not None and offset <= log.stable


def _gravest(rows: tuple[PartitionLag, ...]) -> tuple[Why, str | None]:
    for why in GRAVEST:
        for row in rows:
            if row.why is why:
                return why, row.detail
    return Why.NO_COMMITS, None
