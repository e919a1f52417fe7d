"""The board: the last report of every cluster, swapped whole, and what is kept while it is blind.

In: one cycle's snapshot and lag, with what the other stages made of them. Out: a `Report` that
readers take as one value, and beside it the page that was rendered from it and the `Past` of each
cluster. A cycle without a snapshot keeps the values of the last good one for `KEPT_CYCLES` cycles;
then they are gone, because an old number that looks like a new one is worse than none. Nothing is
ever set to 0 for want of an answer. The board does no I/O and knows no clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lagmon.exposition.text import Page
from lagmon.labels import safe
from lagmon.model import Why
from lagmon.past import Past
from lagmon.report import ClusterReport, OldestRecord, Report, Sent, Total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lagmon.judge.suspects import Answer
    from lagmon.model import ClusterLag, GroupLag, Incident, IncidentKey
    from lagmon.readings import Share, Snapshot

# How many cycles in a row may fail before the last known values are taken down.
KEPT_CYCLES = 3

# Counted beside the groups' own reasons: the list itself did not come from every broker.
LIST_INCOMPLETE = "list_incomplete"

_NOT_AN_ERROR = frozenset({Why.NEVER_COMMITTED, Why.NO_COMMITS, Why.TOPIC_DELETED})


@dataclass(frozen=True, slots=True)
class Cycle:
    """Everything that one cycle brought for one cluster.

    *crashed* says that lagmon itself failed on it, rather than that no snapshot came.
    """

    snapshot: Snapshot
    lag: ClusterLag
    pending: frozenset[str] = frozenset()
    incidents: tuple[Incident, ...] = ()
    records: tuple[tuple[str, OldestRecord], ...] = ()
    answers: tuple[Answer, ...] = ()
    maintenance: tuple[IncidentKey, ...] = ()
    restarts: int = 0
    crashed: bool = False


class Board:
    """Holds the current `Report` and its page; both are replaced, never changed.

    *clusters* are the names in the order of the configuration: each has its place from the start.
    *past* has the last hour of each.
    """

    def __init__(self, version: str, clusters: Iterable[str]) -> None:
        self.report = Report(version, tuple(ClusterReport(name) for name in clusters))
        self.page = Page()
        self.past = {cluster.cluster: Past() for cluster in self.report.clusters}
        self._listeners: list[Callable[[], None]] = []

    @property
    def ready(self) -> bool:
        """Whether every cluster has been asked at least once, whatever it answered."""
        return all(cluster.asked for cluster in self.report.clusters)

    def put(self, cycle: Cycle) -> None:
        """Replace the report of the cluster that *cycle* is about."""
        clusters = tuple(
            advance(report, cycle) if report.cluster == cycle.lag.cluster else report
            for report in self.report.clusters
        )
        self.report = replace(self.report, clusters=clusters)
        self.past[cycle.lag.cluster].put(cycle.lag, cycle.incidents, cycle.snapshot.owned)
        self._tell()

    def vacate(self, cluster: str, share: Share) -> None:
        """Take down what is not in *share* of *cluster* any more: all of its groups."""
        clusters = tuple(
            vacated(report, share) if report.cluster == cluster else report
            for report in self.report.clusters
        )
        self.report = replace(self.report, clusters=clusters)
        self._tell()

    def listen(self, listener: Callable[[], None]) -> None:
        """Have *listener*, which must not wait or raise, called once after each `put`."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def put_sent(self, sent: Iterable[Sent]) -> None:
        """Replace the counts of the notifiers."""
        self.report = replace(self.report, sent=tuple(sent))

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def advance(report: ClusterReport, cycle: Cycle) -> ClusterReport:
    """Give the report that follows *report* after *cycle*. Pure."""
    counted = replace(
        report,
        asked=report.asked + 1,
        pending=cycle.pending,
        incidents=cycle.incidents,
        records=cycle.records,
        answers=cycle.answers,
        maintenance=cycle.maintenance,
        restarts=cycle.restarts,
        share=cycle.snapshot.owned,
        cycles=_add(report.cycles, [_outcome(cycle)]),
    )
    if cycle.lag.error is not None:
        return _blind(replace(counted, maintenance=_kept(report, cycle)), cycle.lag.error)
    return replace(
        counted,
        failed_cycles=0,
        error=None,
        last_success=cycle.snapshot.at,
        lag=cycle.lag,
        list_errors=cycle.snapshot.list_errors,
        missing_rights=cycle.snapshot.missing_rights,
        topics=cycle.snapshot.topics,
        durations=cycle.snapshot.durations,
        group_errors=_add(report.group_errors, _errors(cycle.lag)),
        clamped=report.clamped + _clamped(cycle.lag),
        sanitised=report.sanitised + _sanitised(cycle),
    )


def vacated(report: ClusterReport, share: Share) -> ClusterReport:
    """Give *report* without groups, as it is while *share* has none. Pure."""
    return replace(
        report,
        share=share,
        lag=report.lag and replace(report.lag, groups=()),
        topics=(),
        pending=frozenset(),
        incidents=tuple(one for one in report.incidents if one.key.group is None),
        records=(),
        answers=(),
        maintenance=tuple(key for key in report.maintenance if key.group is None),
    )


def _blind(report: ClusterReport, error: str) -> ClusterReport:
    report = replace(report, failed_cycles=report.failed_cycles + 1, error=error)
    if report.failed_cycles <= KEPT_CYCLES:
        return report
    own = tuple(key for key in report.maintenance if key.group is None)
    return replace(
        report,
        lag=None,
        list_errors=(),
        missing_rights=(),
        topics=(),
        durations=(),
        maintenance=own,
    )


def _kept(report: ClusterReport, cycle: Cycle) -> tuple[IncidentKey, ...]:
    """Keep what holds for groups as long as their values; a cycle without groups tells of none."""
    groups = tuple(key for key in report.maintenance if key.group is not None)
    return (*(key for key in cycle.maintenance if key.group is None), *groups)


def _outcome(cycle: Cycle) -> str:
    if cycle.crashed:
        return "failed"
    return "ok" if cycle.lag.error is None else "no_snapshot"


def _errors(lag: ClusterLag) -> Iterable[str]:
    if not lag.complete:
        yield LIST_INCOMPLETE
    for group in lag.groups:
        yield from sorted(_reasons(group))


def _reasons(group: GroupLag) -> set[str]:
    reasons = {part.why for part in group.partitions} | {group.why}
    return {why.value for why in reasons if why is not None and why not in _NOT_AN_ERROR}


def _clamped(lag: ClusterLag) -> int:
    return sum(part.clamped for group in lag.groups for part in group.partitions)


def _sanitised(cycle: Cycle) -> int:
    names = {group.group for group in cycle.lag.groups}
    names |= {part.at.topic for group in cycle.lag.groups for part in group.partitions}
    names |= {offsets.at.topic for offsets in cycle.snapshot.topics}
    return sum(safe(name) != name for name in names)


def _add(totals: tuple[Total, ...], reasons: Iterable[str]) -> tuple[Total, ...]:
    counts = Counter({total.reason: total.count for total in totals})
    counts.update(reasons)
    return tuple(Total(reason, count) for reason, count in sorted(counts.items()))
