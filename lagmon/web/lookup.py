"""Find what a reader asks for by name in the last report, or say why it cannot be shown. Pure.

In: a `Report`, and names as a request gives them. Out: clusters, groups and partitions of it, or
`NotShown` with an HTTP status. A name is the one that lagmon publishes, which `lagmon.labels.safe`
made printable, or the one that Kafka has; where both fit, the published one counts.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Never, TypeVar

from lagmon.labels import safe
from lagmon.wording import reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lagmon.model import GroupLag, Incident, PartitionLag
    from lagmon.readings import TopicPartition
    from lagmon.report import ClusterReport, OldestRecord, Report


T = TypeVar("T")


class NotShown(Exception):  # noqa: N818 - an answer like any other, and no fault
    """What was asked for cannot be shown: *code* for programs, the message for people."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def clusters(report: Report, name: str | None) -> tuple[ClusterReport, ...]:
    """Give the cluster called *name*, or all of them for ``None``."""
    if name is None:
        return report.clusters
    found = _called(name, [(each.cluster, each) for each in report.clusters])
    if not found:
        known = ", ".join(safe(each.cluster) for each in report.clusters)
        _unknown("unknown_cluster", f"No cluster is called {safe(name)}; there is: {known}")
    return tuple(found)


def why_missing(cluster: ClusterReport) -> str | None:
    """Say why groups of *cluster* are missing, or may be; ``None`` when all of them are shown."""
    if cluster.lag is None:
        return "it was not asked yet" if cluster.error is None else safe(cluster.error)
    whys = [share_said(cluster)] if cluster.share is not None else []
    if not cluster.lag.complete:
        whys += [reason(each) for each in cluster.list_errors] or ["its list is not whole"]
    return "; ".join(whys) or None


def share_said(cluster: ClusterReport) -> str:
    """Say what of *cluster* this replica shows, where replicas share it; nothing where none do."""
    share = cluster.share
    if share is None:
        return ""
    if not cluster.is_confirmed:
        return f"this replica has no share: {safe(share.why or '')}"
    return f"this replica has {len(share.owned)} of {share.of} shares, others have the rest"


def opened(cluster: ClusterReport) -> list[tuple[Incident, OldestRecord | None]]:
    """Give the open incidents of *cluster*, each with the oldest uncommitted record it is about."""
    records = dict(cluster.records)
    found = [(each, records.get(each.key.group or "")) for each in cluster.incidents]
    return [(each, at if at and at.concerns(each.key) else None) for each, at in found]


def group(chosen: Sequence[ClusterReport], name: str) -> tuple[ClusterReport, GroupLag]:
    """Give the only group of the *chosen* clusters that is called *name*, with its cluster."""
    found = [
        (cluster, each)
        for cluster in chosen
        for each in _called(name, [(one.group, one) for one in _groups(cluster)])
    ]
    if not found:
        _silent(chosen)
        _unknown("unknown_group", f"No group is called {safe(name)}{_on(chosen)}")
    if len(found) > 1:
        _which(f"Group {safe(name)}", [cluster for cluster, _ in found])
    return found[0]


def partition(
    chosen: Sequence[ClusterReport], topic: str, number: str
) -> tuple[ClusterReport, TopicPartition, tuple[tuple[GroupLag, PartitionLag], ...]]:
    """Give the only such partition of the *chosen* clusters, and the groups' rows about it."""
    found = [(cluster, at) for cluster in chosen for at in _called(topic, _topics(cluster, number))]
    if not found:
        _silent(chosen)
        where = f"{safe(topic)}[{safe(number)}]"
        _unknown("unknown_partition", f"No partition {where} is watched{_on(chosen)}")
    if len(found) > 1:
        _which(f"{safe(topic)}[{number}]", [cluster for cluster, _ in found])
    [(cluster, at)] = found
    rows = ((each, row) for each in _groups(cluster) for row in each.partitions if row.at == at)
    return cluster, at, tuple(rows)


def _groups(cluster: ClusterReport) -> tuple[GroupLag, ...]:
    return () if cluster.lag is None else cluster.lag.groups


def _topics(cluster: ClusterReport, number: str) -> list[tuple[str, TopicPartition]]:
    """List the partitions with *number*, as a text, by their topic's name."""
    read = {row.at for each in _groups(cluster) for row in each.partitions}
    there = {offsets.at for offsets in cluster.topics} | read
    return [(at.topic, at) for at in sorted(there) if str(at.partition) == number]


def _called(name: str, named: Iterable[tuple[str, T]]) -> list[T]:
    pairs = list(named)
    published = [each for own, each in pairs if safe(own) == name]
    return published or [each for own, each in pairs if own == name]


def _silent(chosen: Sequence[ClusterReport]) -> None:
    """Refuse to call something unknown while nothing is known of a cluster that may have it."""
    for cluster in chosen:
        if cluster.lag is None:
            message = f"Nothing is known of cluster {safe(cluster.cluster)}: {why_missing(cluster)}"
            raise NotShown(HTTPStatus.SERVICE_UNAVAILABLE, "no_values", message)


def _on(chosen: Sequence[ClusterReport]) -> str:
    partial = [
        f"; groups may be missing from the list of {safe(each.cluster)}: {why}"
        for each in chosen
        if (why := why_missing(each)) is not None
    ]
    return f" on {', '.join(safe(each.cluster) for each in chosen)}{''.join(partial)}"


def _unknown(code: str, message: str) -> Never:
    raise NotShown(HTTPStatus.NOT_FOUND, code, message)


def _which(what: str, where: Iterable[ClusterReport]) -> Never:
    names = ", ".join(safe(each.cluster) for each in where)
    message = f"{what} is on more than one cluster: say which by ?cluster=, one of {names}"
    raise NotShown(HTTPStatus.BAD_REQUEST, "cluster_needed", message)
