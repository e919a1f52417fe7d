"""Choose what a page leaves out, so that it has no more series than it may. Pure.

In: a report and what is to be exported. Out: for each cluster what is cut. Groups and clusters keep
their own series, however many there are. Of the rest the offsets of topics come first, if they fit;
then the partitions of groups, from the worst off to the least. A group has all of its partitions or
none, so that no sum over them is half a sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lagmon.model import State
from lagmon.topics import by_topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.model import GroupLag
    from lagmon.readings import PartitionOffsets
    from lagmon.report import ClusterReport, Report

# At most so many, which spares the counting where there is room enough.
_A_PARTITION, _AN_OFFSET, _OTHER_NAMES = 4, 3, 4
_BADNESS = {state: number for number, state in enumerate(State)}


class Granularity(StrEnum):
    """The finest things that have series of their own."""

    GROUP = "group"
    TOPIC = "topic"
    PARTITION = "partition"


@dataclass(frozen=True, slots=True)
class Exported:
    """What is exported: down to which *granularity*, how many series, under which names."""

    granularity: Granularity = Granularity.PARTITION
    max_series: int = 200_000
    kafka_exporter: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """What is left out of one cluster: partitions of *groups*, and of *topics* the offsets.

    *series* counts them.
    """

    groups: frozenset[str] = frozenset()
    topics: bool = False
    series: int = 0


NOTHING = Cut()


def cuts(report: Report, exported: Exported, others: int) -> dict[str, Cut]:
    """Give what to leave out of each cluster beside *others*, the series that always stay."""
    shown = [cluster for cluster in report.clusters if cluster.asked]
    room = exported.max_series - others
    if (
        exported.granularity is Granularity.GROUP
        or sum(_at_most(cluster, exported) for cluster in shown) <= room
    ):
        return {cluster.cluster: NOTHING for cluster in shown}
    offsets = {each.cluster: offsets_of(each.topics, exported) for each in shown}
    no_topics = sum(offsets.values()) > room
    room -= 0 if no_topics else sum(offsets.values())
    left_out = _left_out(shown, exported, room)
    return {
        name: Cut(
            frozenset(groups), no_topics, sum(groups.values()) + (offsets[name] if no_topics else 0)
        )
        for name, groups in left_out.items()
    }


def _left_out(
    clusters: list[ClusterReport], exported: Exported, room: int
) -> dict[str, dict[str, int]]:
    """Give, by cluster, the groups for which there is no *room*, with their series."""
    found: dict[str, dict[str, int]] = {cluster.cluster: {} for cluster in clusters}
    groups = [(each.cluster, group) for each in clusters if each.lag for group in each.lag.groups]
    for cluster, group in sorted(groups, key=lambda pair: (_worst_first(pair[1]), pair[0])):
        count = series_of(group, exported)
        if count > room:
            found[cluster][group.group] = count
        else:
            room -= count
    return found


def _worst_first(group: GroupLag) -> tuple[int, int, str]:
    # By the order of size of its lag: among groups that are alike the choice must not jump about.
    badness = _BADNESS[group.judged] if group.judged else 0
    return -badness, -(group.lag or 0).bit_length(), group.group


def series_of(group: GroupLag, exported: Exported) -> int:
    """Count the series of the partitions of *group*, or of its topics."""
    parts, count = group.partitions, 0
    if exported.granularity is Granularity.GROUP:
        return 0
    if exported.granularity is Granularity.TOPIC:
        count += sum((row.lag is not None) + (row.age is not None) for row in by_topic(group))
    else:
        twice = 1 + exported.kafka_exporter
        count += sum(
            ((part.lag is not None) + (part.committed is not None)) * twice
            + (part.age is not None)
            + (part.lost > 0)
            for part in parts
        )
    if exported.kafka_exporter:
        count += len({part.at.topic for part in parts if part.lag is not None})
        count += len({part.at.topic for part in parts if part.committed is not None})
    return count


def offsets_of(topics: Sequence[PartitionOffsets], exported: Exported) -> int:
    """Count the series of the partitions of *topics*."""
    if exported.granularity is not Granularity.PARTITION:
        return 0
    started = sum(at.start is not None for at in topics)
    ended = sum(at.high is not None for at in topics)
    stable = sum(at.high is not None and at.stable is not None for at in topics)
    others = started + ended + len({at.at.topic for at in topics}) if exported.kafka_exporter else 0
    return started + ended + stable + others


def _at_most(cluster: ClusterReport, exported: Exported) -> int:
    groups = cluster.lag.groups if cluster.lag else ()
    rows, offsets = sum(len(group.partitions) for group in groups), len(cluster.topics)
    others = (rows + offsets) * _OTHER_NAMES if exported.kafka_exporter else 0
    return rows * _A_PARTITION + offsets * _AN_OFFSET + others
