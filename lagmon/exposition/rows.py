"""Write the series of groups, partitions and topics: nearly all that a page has. Pure.

In: one cluster's report, its labels, what is exported. Out: lines by the name of their family, in
the order of groups and partitions. This is the part of a page that costs time: a line is one string
made of a label that is there already and a number.
"""

from __future__ import annotations

from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING

from lagmon import metrics, retention
from lagmon.exposition import compatibility
from lagmon.exposition.bounds import Granularity
from lagmon.exposition.text import number
from lagmon.model import Why
from lagmon.topics import by_topic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lagmon.exposition.bounds import Cut, Exported
    from lagmon.exposition.names import GroupNames, Names
    from lagmon.exposition.text import Lines
    from lagmon.model import Age, GroupLag, PartitionLag
    from lagmon.readings import PartitionOffsets
    from lagmon.report import ClusterReport

_MILLION = 1_000_000

_OF_GROUP = tuple(
    metric.name
    for metric in (
        metrics.GROUP_LAG,
        metrics.GROUP_LAG_SECONDS,
        metrics.GROUP_LAG_RATE,
        metrics.GROUP_RETENTION,
        metrics.GROUP_MEMBERS,
        metrics.GROUP_UNKNOWN,
        metrics.GROUP_UNCOMMITTED,
        metrics.GROUP_DELETED,
    )
)
_by_name = attrgetter("group")
_by_place = attrgetter("at")


def empty() -> Lines:
    """Give lines to which nothing was added yet."""
    return defaultdict(list)


def groups(lines: Lines, cluster: ClusterReport, names: Names, exported: Exported) -> None:
    """Add what there is of each group as a whole."""
    adding = [(name, lines[name].append) for name in _OF_GROUP]
    in_state = lines[metrics.GROUP_STATE.name].append
    for group in _sorted(cluster):
        own = names.group(group.group, len(group.partitions))
        labels = own.labels
        for (name, add), value in zip(adding, _values(group), strict=True):
            if value is not None:
                add(f"{name}{labels} {number(value)}\n")
        if group.judged is not None:
            in_state(f"lagmon_group_state{own.state(group.judged.value)} 1.0\n")
        if exported.kafka_exporter:
            compatibility.group_lines(lines, group, own)


def _values(group: GroupLag) -> tuple[float | None, ...]:
    """Give the values of *group* in the order of `_OF_GROUP`."""
    whys = {part.why for part in group.partitions}
    readable = group.why is not Why.GROUP_UNREADABLE
    # A partition that could not be asked about may be an uncommitted one.
    asked = readable and Why.NO_COMMITTED_OFFSET not in whys
    return (
        group.lag,
        _seconds(group.age),
        _to_the_thousandth(group.rate),
        # As it is: a rule in Prometheus compares the same number as one of lagmon.
        retention.of_group(group),
        group.members,
        group.unknown if readable else None,
        group.uncommitted if asked else None,
        _deleted(group) if readable and Why.TOPIC_DELETED in whys else None,
    )


def _deleted(group: GroupLag) -> int:
    return sum(part.why is Why.TOPIC_DELETED for part in group.partitions)


def details(cluster: ClusterReport, names: Names, exported: Exported, cut: Cut) -> Lines:
    """Write what there is of topics and partitions, without what is *cut*."""
    lines = empty()
    for group in _sorted(cluster):
        if exported.granularity is Granularity.GROUP or group.group in cut.groups:
            continue
        own = names.group(group.group, len(group.partitions))
        if exported.granularity is Granularity.PARTITION:
            _partitions(lines, group.partitions, own)
        else:
            _topics(lines, group, own)
        if exported.kafka_exporter:
            compatibility.detail_lines(lines, group, own, exported.granularity)
    if exported.granularity is Granularity.PARTITION and not cut.topics:
        _offsets(lines, cluster.topics, names)
        if exported.kafka_exporter:
            compatibility.offset_lines(lines, cluster.topics, names)
    names.forget_unused()
    return lines


def _partitions(lines: Lines, parts: Iterable[PartitionLag], names: GroupNames) -> None:
    lags = lines[metrics.PARTITION_LAG.name].append
    seconds = lines[metrics.PARTITION_LAG_SECONDS.name].append
    committed = lines[metrics.PARTITION_COMMITTED.name].append
    known = names.partitions
    for part in sorted(parts, key=_by_place):
        labels = known.get(part.at) or names.partition(part.at)
        lag, age = part.lag, part.age
        # Numbers below a million are written here: a call for each costs a fifth of the page.
        if lag is not None:
            shown = f"{lag}.0" if lag < _MILLION else number(lag)
            lags(f"lagmon_partition_lag_messages{labels} {shown}\n")
        if age is not None:
            waited = round(age.seconds + 0.0, 3)
            shown = repr(waited) if waited < _MILLION else number(waited)
            seconds(f"lagmon_partition_lag_seconds{labels} {shown}\n")
        if part.committed is not None:
            committed(f"lagmon_partition_committed_offset{labels} {number(part.committed)}\n")
        if part.lost:
            lines[metrics.PARTITION_LOST.name].append(
                f"lagmon_partition_lost_messages{labels} {number(part.lost)}\n"
            )


def _topics(lines: Lines, group: GroupLag, names: GroupNames) -> None:
    for row in by_topic(group):
        labels = names.topic(row.topic)
        of_topic = (
            (metrics.GROUP_TOPIC_LAG.name, row.lag),
            (metrics.GROUP_TOPIC_LAG_SECONDS.name, _seconds(row.age)),
        )
        for name, value in of_topic:
            if value is not None:
                lines[name].append(f"{name}{labels} {number(value)}\n")


def _offsets(lines: Lines, topics: Iterable[PartitionOffsets], names: Names) -> None:
    start, end = (lines[each.name].append for each in (metrics.START_OFFSET, metrics.END_OFFSET))
    unfinished = lines[metrics.OPEN_TRANSACTION.name].append
    for offsets in sorted(topics, key=_by_place):
        labels = names.partition(offsets.at)
        if offsets.start is not None:
            start(f"lagmon_topic_partition_start_offset{labels} {number(offsets.start)}\n")
        if offsets.high is not None:
            end(f"lagmon_topic_partition_end_offset{labels} {number(offsets.high)}\n")
            if offsets.stable is not None:
                # One is asked for after the other: the stable one may be the younger answer.
                count = number(max(0, offsets.high - offsets.stable))
                unfinished(f"lagmon_topic_partition_open_transaction_messages{labels} {count}\n")


def _sorted(cluster: ClusterReport) -> list[GroupLag]:
    return sorted(cluster.lag.groups, key=_by_name) if cluster.lag is not None else []


def _seconds(age: Age | None) -> float | None:
    # To the millisecond, as Kafka has times.
    return _to_the_thousandth(None if age is None else age.seconds)


def _to_the_thousandth(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
