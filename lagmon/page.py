"""Render a report as a page that Prometheus reads: text format 0.0.4. Pure.

In: a `Report`. Out: one bytes object, families and series in a fixed order, names from the register
in `lagmon.metrics` alone. What is unknown has no series; names are made safe before they become
label values. No timestamps, as the guidelines for exporters ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon import metrics, retention
from lagmon.labels import safe
from lagmon.model import Why
from lagmon.readings import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lagmon.metrics import Metric
    from lagmon.model import Age, ClusterLag, GroupLag, PartitionLag
    from lagmon.readings import PartitionOffsets
    from lagmon.report import ClusterReport, Report

    # One series: its family, what stands between its braces, its value if there is one.
    _Sample = tuple[Metric, str, float | None]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(report: Report) -> bytes:
    """Write *report* as a page; a report of 100,000 series takes some tenths of a second."""
    families: dict[str, list[str]] = {metric.name: [] for metric in metrics.REGISTER}
    for metric, labels, value in _samples(report):
        if value is not None:
            families[metric.name].append(f"{metric.name}{{{labels}}} {_number(value)}\n")
    parts: list[str] = []
    for metric in metrics.REGISTER:
        if series := families[metric.name]:
            parts.append(f"# HELP {metric.name} {metric.help}\n")
            parts.append(f"# TYPE {metric.name} {metric.kind.value}\n")
            parts += series
    return "".join(parts).encode()


def _samples(report: Report) -> Iterator[_Sample]:
    yield metrics.BUILD_INFO, _labels(metrics.BUILD_INFO, report.version), 1
    for cluster in sorted(report.clusters, key=lambda cluster: cluster.cluster):
        if cluster.asked:
            yield from _cluster(cluster)
            yield from _incidents(cluster)
            yield from _maintenance(cluster)
            yield from _topics(cluster)
            yield from _groups(cluster)
    for sent in sorted(report.sent, key=lambda sent: (sent.notifier, sent.outcome)):
        labels = _labels(metrics.NOTIFICATIONS, sent.notifier, sent.outcome)
        yield metrics.NOTIFICATIONS, labels, sent.count


def _cluster(cluster: ClusterReport) -> Iterator[_Sample]:
    name = cluster.cluster
    labels = _labels(metrics.UP, name)
    yield metrics.UP, labels, int(cluster.error is None)
    yield metrics.LAST_SUCCESS, labels, cluster.last_success
    yield metrics.GROUPS, labels, _group_count(cluster.lag)
    yield from _missing_rights(cluster)
    yield metrics.RESTARTS, labels, cluster.restarts
    yield metrics.LAG_CLAMPED, labels, cluster.clamped
    yield metrics.LABELS_SANITISED, labels, cluster.sanitised
    for total in cluster.cycles:
        yield metrics.CYCLES, _labels(metrics.CYCLES, name, total.reason), total.count
    for total in cluster.group_errors:
        yield metrics.GROUP_ERRORS, _labels(metrics.GROUP_ERRORS, name, total.reason), total.count
    for took in sorted(cluster.durations, key=lambda took: took.step):
        labels = _labels(metrics.COLLECT_DURATION, name, took.step)
        yield metrics.COLLECT_DURATION, labels, took.seconds


def _missing_rights(cluster: ClusterReport) -> Iterator[_Sample]:
    if cluster.lag is None:
        return
    for resource in Resource:
        count = sum(one.resource is resource for one in cluster.missing_rights)
        yield (
            metrics.MISSING_RIGHTS,
            _labels(metrics.MISSING_RIGHTS, cluster.cluster, resource),
            count,
        )


def _group_count(lag: ClusterLag | None) -> int | None:
    # Of an incomplete list nobody knows how many are missing.
    return len(lag.groups) if lag is not None and lag.complete else None


def _incidents(cluster: ClusterReport) -> Iterator[_Sample]:
    for incident in cluster.incidents:
        key = incident.key
        partition = "" if key.partition is None else str(key.partition)
        names = (key.rule, key.cluster, key.group or "", key.topic or "", partition)
        yield metrics.INCIDENT_OPEN, _labels(metrics.INCIDENT_OPEN, *names), 1


def _maintenance(cluster: ClusterReport) -> Iterator[_Sample]:
    for key in cluster.maintenance:
        labels = _labels(metrics.MAINTENANCE, key.rule, key.cluster, key.group or "")
        yield metrics.MAINTENANCE, labels, 1


def _topics(cluster: ClusterReport) -> Iterator[_Sample]:
    for offsets in sorted(cluster.topics, key=lambda offsets: offsets.at):
        at = offsets.at
        labels = _labels(metrics.END_OFFSET, cluster.cluster, at.topic, str(at.partition))
        yield metrics.START_OFFSET, labels, offsets.start
        yield metrics.END_OFFSET, labels, offsets.high
        yield metrics.OPEN_TRANSACTION, labels, _open_transaction(offsets)


def _open_transaction(offsets: PartitionOffsets) -> int | None:
    if offsets.high is None or offsets.stable is None:
        return None
    # The two are asked for one after the other, so the stable one may be the younger answer.
    return max(0, offsets.high - offsets.stable)


def _groups(cluster: ClusterReport) -> Iterator[_Sample]:
    if cluster.lag is None:
        return
    for group in sorted(cluster.lag.groups, key=lambda group: group.group):
        labels = _labels(metrics.GROUP_LAG, cluster.cluster, group.group)
        yield metrics.GROUP_LAG, labels, group.lag
        yield metrics.GROUP_LAG_SECONDS, labels, _seconds(group.age)
        yield metrics.GROUP_LAG_RATE, labels, _to_the_thousandth(group.rate)
        # As it is: a rule in Prometheus compares the same number as one of lagmon.
        yield metrics.GROUP_RETENTION, labels, retention.of_group(group)
        yield metrics.GROUP_MEMBERS, labels, group.members
        if group.judged is not None:
            yield metrics.GROUP_STATE, f'{labels},state="{group.judged.value}"', 1
        if group.why is not Why.GROUP_UNREADABLE:
            yield metrics.GROUP_UNKNOWN, labels, group.unknown
            yield metrics.GROUP_UNCOMMITTED, labels, _uncommitted(group)
            yield metrics.GROUP_DELETED, labels, _deleted(group)
        for part in sorted(group.partitions, key=lambda part: part.at):
            yield from _partition(labels, part)


def _uncommitted(group: GroupLag) -> int | None:
    # A partition that could not be asked about may be one of them.
    unasked = any(part.why is Why.NO_COMMITTED_OFFSET for part in group.partitions)
    return None if unasked else group.uncommitted


def _deleted(group: GroupLag) -> int | None:
    return sum(part.why is Why.TOPIC_DELETED for part in group.partitions) or None


def _partition(group_labels: str, part: PartitionLag) -> Iterator[_Sample]:
    topic, partition = _escaped(part.at.topic), part.at.partition
    labels = f'{group_labels},topic="{topic}",partition="{partition}"'
    yield metrics.PARTITION_LAG, labels, part.lag
    yield metrics.PARTITION_LAG_SECONDS, labels, _seconds(part.age)
    yield metrics.PARTITION_COMMITTED, labels, part.committed
    yield metrics.PARTITION_LOST, labels, part.lost or None


def _seconds(age: Age | None) -> float | None:
    # To the millisecond, as Kafka has times.
    return _to_the_thousandth(None if age is None else age.seconds)


def _to_the_thousandth(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _labels(metric: Metric, *values: str) -> str:
    pairs = zip(metric.labels, values, strict=True)
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)


def _escaped(value: str) -> str:
    return safe(value).replace("\\", "\\\\").replace('"', '\\"')


def _number(value: float) -> str:
    return repr(value)
