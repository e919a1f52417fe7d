"""kafka_exporter's names beside lagmon's own, for dashboards that ask for them. Pure.

In: one group or the topics of a cluster, with labels as `exposition.names` makes them. Out: lines.
The names and labels are those of danielqsj/kafka_exporter, and ``kafka_cluster`` is added. The
values are lagmon's: what is unknown has no series, where kafka_exporter says -1 and adds it into
its sums.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lagmon.exposition.bounds import Granularity
from lagmon.exposition.text import number
from lagmon.metrics import Kind, Metric

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lagmon.exposition.names import GroupNames, Names
    from lagmon.exposition.text import Lines
    from lagmon.model import GroupLag
    from lagmon.readings import PartitionOffsets

_TOPIC = ("kafka_cluster", "topic")
_PARTITION = (*_TOPIC, "partition")
_GROUP = ("consumergroup", "kafka_cluster")
_GROUP_TOPIC = (*_GROUP, "topic")
_GROUP_PARTITION = (*_GROUP_TOPIC, "partition")

OFFSET = Metric(
    "kafka_consumergroup_current_offset",
    Kind.GAUGE,
    "The committed offset, as lagmon_partition_committed_offset.",
    _GROUP_PARTITION,
)
OFFSET_SUM = Metric(
    "kafka_consumergroup_current_offset_sum",
    Kind.GAUGE,
    "Sum of the known committed offsets of a topic's partitions.",
    _GROUP_TOPIC,
)
LAG = Metric(
    "kafka_consumergroup_lag",
    Kind.GAUGE,
    "Messages that are unread, as lagmon_partition_lag_messages.",
    _GROUP_PARTITION,
)
LAG_SUM = Metric(
    "kafka_consumergroup_lag_sum",
    Kind.GAUGE,
    "Sum of the known lags of a topic's partitions.",
    _GROUP_TOPIC,
)
MEMBERS = Metric(
    "kafka_consumergroup_members",
    Kind.GAUGE,
    "Members of the group, as lagmon_group_members.",
    _GROUP,
)
END = Metric(
    "kafka_topic_partition_current_offset",
    Kind.GAUGE,
    "The high watermark, as lagmon_topic_partition_end_offset.",
    _PARTITION,
)
START = Metric(
    "kafka_topic_partition_oldest_offset",
    Kind.GAUGE,
    "The oldest offset, as lagmon_topic_partition_start_offset.",
    _PARTITION,
)
PARTITIONS = Metric(
    "kafka_topic_partitions",
    Kind.GAUGE,
    "Partitions of a topic that a watched group reads.",
    _TOPIC,
)

REGISTER = (OFFSET, OFFSET_SUM, LAG, LAG_SUM, MEMBERS, END, START, PARTITIONS)


def group_lines(lines: Lines, group: GroupLag, names: GroupNames) -> None:
    """Add what there is of *group* as a whole."""
    if group.members is not None:
        lines[MEMBERS.name].append(f"{MEMBERS.name}{_of(names.labels)} {number(group.members)}\n")


def detail_lines(
    lines: Lines, group: GroupLag, names: GroupNames, granularity: Granularity
) -> None:
    """Add the topics of *group* and, if the *granularity* is that fine, their partitions."""
    lags: Counter[str] = Counter()
    offsets: Counter[str] = Counter()
    for part in sorted(group.partitions, key=lambda part: part.at):
        if part.lag is not None:
            lags[part.at.topic] += part.lag
        if part.committed is not None:
            offsets[part.at.topic] += part.committed
        if granularity is Granularity.PARTITION:
            labels = _of(names.partition(part.at))
            for metric, value in ((LAG, part.lag), (OFFSET, part.committed)):
                if value is not None:
                    lines[metric.name].append(f"{metric.name}{labels} {number(value)}\n")
    for metric, sums in ((LAG_SUM, lags), (OFFSET_SUM, offsets)):
        lines[metric.name].extend(
            f"{metric.name}{_of(names.topic(topic))} {number(sums[topic])}\n"
            for topic in sorted(sums)
        )


def offset_lines(lines: Lines, topics: Iterable[PartitionOffsets], names: Names) -> None:
    """Add ends and starts of the partitions of *topics*, and how many there are."""
    counts: Counter[str] = Counter()
    for offsets in sorted(topics, key=lambda offsets: offsets.at):
        counts[offsets.at.topic] += 1
        labels = names.partition(offsets.at)
        for metric, value in ((END, offsets.high), (START, offsets.start)):
            if value is not None:
                lines[metric.name].append(f"{metric.name}{labels} {number(value)}\n")
    lines[PARTITIONS.name].extend(
        f"{PARTITIONS.name}{names.topic(topic)} {number(counts[topic])}\n"
        for topic in sorted(counts)
    )


def _of(labels: str) -> str:
    """Give the *labels* of a group with the name that kafka_exporter has for it."""
    return f"{{consumer{labels[1:]}"  # {group=… is their first
