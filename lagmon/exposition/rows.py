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
_RUN = 50  # groups whose partitions are written in one stroke: half a millisecond of it

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
    if exported.granularity is not Granularity.GROUP:
        shown = [group for group in _sorted(cluster) if group.group not in cut.groups]
        if exported.granularity is Granularity.PARTITION:
            for run, first in enumerate(range(0, len(shown), _RUN)):
                _partitions(lines, shown[first : first + _RUN], names, run)
        for group in shown:
            own = names.group(group.group, len(group.partitions))
            if exported.granularity is Granularity.TOPIC:
                _topics(lines, group, own)
            if exported.kafka_exporter:
                compatibility.detail_lines(lines, group, own, exported.granularity)
    if exported.granularity is Granularity.PARTITION and not cut.topics:
        _offsets(lines, cluster.topics, names)
        if exported.kafka_exporter:
            compatibility.offset_lines(lines, cluster.topics, names)
    names.forget_unused()
    return lines


def _partitions(lines: Lines, groups: Iterable[GroupLag], names: Names, run: int) -> None:
    """Add the partitions of *groups*, the *run* of that number, each family in one stroke."""
    parts: list[PartitionLag] = []
    labels: list[str] = []
    for group in groups:
        own = sorted(group.partitions, key=_by_place)
        parts += own
        labels += names.group(group.group, len(own)).rows([part.at for part in own])
    families = (
        (metrics.PARTITION_LAG.name, _wholes(part.lag for part in parts)),
        (metrics.PARTITION_LAG_SECONDS.name, _ages(part.age for part in parts)),
        (metrics.PARTITION_COMMITTED.name, _wholes(part.committed for part in parts)),
        (metrics.PARTITION_LOST.name, _wholes(part.lost or None for part in parts)),
    )
    for family, values in families:
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            form = names.form(family, run, labels)
        else:
            told = zip(labels, values, strict=True)
            form = names.form(family, run, [own for own, value in told if value is not None])
        lines[family].append(form % tuple(known))


def _wholes(values: Iterable[int | None]) -> list[str | None]:
    # Numbers below a million are written here: a call for each costs a tenth of the page.
    return [
        None if value is None else f"{value}.0" if value < _MILLION else number(value)
        for value in values
    ]


def _ages(ages: Iterable[Age | None]) -> list[str | None]:
    return [None if age is None else _waited(age.seconds) for age in ages]


def _waited(seconds: float) -> str:
    """Write *seconds* to the thousandth as `number` does, in half the time."""
    if not 0 <= seconds < _MILLION - 1:
        return number(round(seconds, 3))
    text = f"{seconds:.3f}"
    if text[-1] != "0":
        return text
    return text[:-2] if text[-2] == "0" else text[:-1]  # one digit always stays


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
