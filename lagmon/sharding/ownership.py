"""Say which replica a consumer group is watched by: each is the owner's of one partition. Pure.

In: names of groups, and the `Share` of a replica. Out: whether the group is in it. A group is in
the partition of ``__consumer_offsets`` that its commits are in, as its coordinator reckons; what is
about the cluster itself is in partition 0. So every group is in the share of one replica, as long
as every partition is.

Without a share there is one lagmon, and everything is its own.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from lagmon.readings import Share, Snapshot

OFFSETS_TOPIC = "__consumer_offsets"
OF_THE_CLUSTER = 0  # the partition whose owner speaks for the cluster itself
_REMEMBERED = 65_536  # groups
_BITS = 32


@lru_cache(_REMEMBERED)
def home(group: str, partitions: int) -> int:
    """Give which of so many *partitions* has the commits of *group*.

    As Kafka does (``GroupCoordinatorService.partitionFor``): the absolute value of Java's
    ``String.hashCode``, 0 for the one number that has none, modulo the number of partitions.
    """
    return _absolute(_java_hash(group)) % partitions


def owns(share: Share | None, group: str | None) -> bool:
    """Tell whether *group*, or without one the cluster itself, is in *share*."""
    if share is None:
        return True
    return (OF_THE_CLUSTER if group is None else home(group, share.of)) in share.owned


def common(share: Share, owned: Collection[int]) -> Share:
    """Give *share* without what is not among the *owned* too."""
    return replace(share, owned=tuple(one for one in share.owned if one in owned))


def without_others(snapshot: Snapshot) -> Snapshot:
    """Give *snapshot* without the groups that are not in its share."""
    if snapshot.owned is None:
        return snapshot
    kept = tuple(one for one in snapshot.groups if owns(snapshot.owned, one.group))
    return replace(snapshot, groups=kept)


def _java_hash(text: str) -> int:
    """Give Java's hash of *text*, which is of UTF-16 units, as a signed number of 32 bits."""
    units, value = text.encode("utf-16-be", "surrogatepass"), 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        value = (31 * value + (high << 8 | low)) & 0xFFFFFFFF
    return value - (1 << _BITS) if value >> (_BITS - 1) else value


def _absolute(value: int) -> int:
    return 0 if value == -(1 << (_BITS - 1)) else abs(value)
