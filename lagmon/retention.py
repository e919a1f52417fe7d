"""How near the oldest unread record is to being deleted: the unread part of what the log holds.

In: a `PartitionLag`, or a `GroupLag` of them. Out: 0 where nothing is unread, 1 where the oldest
record of the log is the next to read, more where unread records are deleted already; None where it
is not known. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lagmon.model import GroupLag, PartitionLag


def of_partition(part: PartitionLag) -> float | None:
    """Give the ratio of one partition."""
    if part.lag == 0:
        return 0.0
    if part.lag is None or part.end is None or part.start is None:
        return None
    return _ratio(part.lag, part.end - part.start)


def of_group(group: GroupLag) -> float | None:
    """Give the highest ratio that is known of the group's partitions."""
    ratios = [
        _ratio(part.lag, part.end - part.start)
        for part in group.partitions
        if part.lag and part.start is not None and part.end is not None
    ]
    if ratios:
        return max(ratios)
    return 0.0 if any(part.lag == 0 for part in group.partitions) else None


def _ratio(lag: int, held: int) -> float:
    # Of an empty log everything unread is lost: each message counts as one whole log.
    return lag / max(1, held)
