"""Render a report as a page of metrics. Pure.

In: a `Report`. Out: a `Page`, families and series in a fixed order, names from the registers in
`lagmon.metrics`, `compatibility` and `upkeep` alone. What is unknown has no series; names are made
safe before they become label values. No timestamps, as the guidelines for exporters ask. What would
be too much is left out as `lagmon.exposition.bounds` says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lagmon import metrics, upkeep
from lagmon.exposition import bounds, compatibility, rows
from lagmon.exposition.bounds import Cut, Exported
from lagmon.exposition.names import Names
from lagmon.exposition.text import Family, Form, Page, labelled, number
from lagmon.labels import safe
from lagmon.readings import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lagmon.exposition.text import Lines
    from lagmon.metrics import Metric
    from lagmon.model import ClusterLag
    from lagmon.report import ClusterReport, Report

    # One series: its family, the values of its labels, its value if there is one.
    _Sample = tuple[Metric, tuple[str, ...], float | None]
    Families = dict[str, Family]

_ALL = (*metrics.REGISTER, *compatibility.REGISTER, *upkeep.REGISTER)
_ORDER = sorted(_ALL, key=lambda metric: metric.name)
_METRICS = {metric.name: metric for metric in _ORDER}


def render(report: Report, exported: Exported | None = None) -> bytes:
    """Write *report* in Prometheus's text format, once."""
    return Renderer(exported).render(report).make(Form())


@dataclass(slots=True)
class _Drawn:
    """One cluster as it was written last; what has not changed is not written again."""

    names: Names
    report: ClusterReport | None = None
    whole: Families = field(default_factory=dict)
    cut: Cut | None = None
    details: Families = field(default_factory=dict)


class Renderer:
    """Writes one page after the other. Not for several threads at once."""

    def __init__(self, exported: Exported | None = None) -> None:
        self._exported = exported or Exported()
        self._drawn: dict[str, _Drawn] = {}
        self.dropped = 0  # series that the last page lacks

    def render(self, report: Report) -> Page:
        """Write *report*: a cluster that is the same as in the last one is not written again."""
        asked = [cluster for cluster in report.clusters if cluster.asked]
        asked.sort(key=lambda cluster: cluster.cluster)
        parts = [_joined(_lines(_own(report))), *map(self._whole, asked)]
        stays = sum(family.series for part in parts for family in part.values())
        cuts = bounds.cuts(report, self._exported, stays + len(asked))
        self.dropped = sum(cut.series for cut in cuts.values())
        parts.append(_joined(_lines(_dropped(asked, cuts))))
        parts += [self._details(cluster, cuts[cluster.cluster]) for cluster in asked]
        names = [metric.name for metric in _ORDER]
        return Page(part[name] for name in names for part in parts if name in part)

    def _whole(self, cluster: ClusterReport) -> Families:
        """Write what always stays of *cluster*."""
        drawn = self._drawn.setdefault(cluster.cluster, _Drawn(Names(cluster.cluster)))
        if drawn.report is not cluster:
            drawn.report, drawn.cut = cluster, None
            lines = _lines(_cluster(cluster))
            rows.groups(lines, cluster, drawn.names, self._exported)
            drawn.whole = _joined(lines)
        return drawn.whole

    def _details(self, cluster: ClusterReport, cut: Cut) -> Families:
        """Write what of *cluster* may be left out, without what *cut* says."""
        drawn = self._drawn[cluster.cluster]
        if drawn.cut != cut:
            drawn.cut = cut
            drawn.details = _joined(rows.details(cluster, drawn.names, self._exported, cut))
        return drawn.details


def _joined(lines: Lines) -> Families:
    # Many small texts weigh more than a large one, and a page is joined once for each format.
    texts = {name: "".join(found) for name, found in lines.items()}
    return {name: Family(_METRICS[name], text) for name, text in texts.items() if text}


def _lines(samples: Iterable[_Sample]) -> Lines:
    lines = rows.empty()
    for metric, values, value in samples:
        if value is not None:
            pairs = dict(zip(metric.labels, map(safe, values), strict=True))
            lines[metric.name].append(f"{metric.name}{labelled(pairs)} {number(value)}\n")
    return lines


def _own(report: Report) -> Iterator[_Sample]:
    yield metrics.BUILD_INFO, (report.version,), 1
    for own in report.own:
        yield own.metric, own.labels, own.value
    for sent in sorted(report.sent, key=lambda sent: (sent.notifier, sent.outcome)):
        yield metrics.NOTIFICATIONS, (sent.notifier, sent.outcome), sent.count


def _dropped(clusters: Iterable[ClusterReport], cuts: Mapping[str, Cut]) -> Iterator[_Sample]:
    for cluster in sorted(clusters, key=lambda cluster: cluster.cluster):
        if cluster.lag is not None:
            yield metrics.SERIES_DROPPED, (cluster.cluster,), cuts[cluster.cluster].series


def _cluster(cluster: ClusterReport) -> Iterator[_Sample]:
    name = cluster.cluster
    labels = (name,)
    yield metrics.UP, labels, int(cluster.error is None)
    yield metrics.LAST_SUCCESS, labels, cluster.last_success
    yield metrics.GROUPS, labels, _group_count(cluster.lag)
    if cluster.share is not None:
        yield metrics.OWNED_PARTITIONS, labels, len(cluster.share.owned)
        yield metrics.REPLICA_CONFIRMED, labels, int(cluster.is_confirmed)
    yield from _missing_rights(cluster)
    yield metrics.RESTARTS, labels, cluster.restarts
    yield metrics.LAG_CLAMPED, labels, cluster.clamped
    yield metrics.LABELS_SANITISED, labels, cluster.sanitised
    for total in cluster.cycles:
        yield metrics.CYCLES, (name, total.reason), total.count
    for total in cluster.group_errors:
        yield metrics.GROUP_ERRORS, (name, total.reason), total.count
    for took in sorted(cluster.durations, key=lambda took: took.step):
        yield metrics.COLLECT_DURATION, (name, took.step), took.seconds
    yield from _incidents(cluster)
    yield from _maintenance(cluster)


def _missing_rights(cluster: ClusterReport) -> Iterator[_Sample]:
    if cluster.lag is None:
        return
    for resource in Resource:
        count = sum(one.resource is resource for one in cluster.missing_rights)
        yield metrics.MISSING_RIGHTS, (cluster.cluster, resource), count


def _group_count(lag: ClusterLag | None) -> int | None:
    # Of an incomplete list nobody knows how many are missing.
    return len(lag.groups) if lag is not None and lag.complete else None


def _incidents(cluster: ClusterReport) -> Iterator[_Sample]:
    for incident in cluster.incidents:
        key = incident.key
        partition = "" if key.partition is None else str(key.partition)
        names = (key.rule, key.cluster, key.group or "", key.topic or "", partition)
        yield metrics.INCIDENT_OPEN, names, 1


def _maintenance(cluster: ClusterReport) -> Iterator[_Sample]:
    for key in cluster.maintenance:
        yield metrics.MAINTENANCE, (key.rule, key.cluster, key.group or ""), 1
