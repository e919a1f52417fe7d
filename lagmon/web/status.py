"""What the status page shows, worst first, as text that only has to be laid out. Pure.

In: a `Report`, the rules, the links and the time. Out: a `Status` of strings and flags; every name
that a stranger chose is made safe. The page is bounded: of many groups the worst are shown, and it
is said how many are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lagmon.labels import safe
from lagmon.readings import TOPICS_HIDDEN
from lagmon.web.groups import GroupView, group_view, is_uncommitted, is_unknown, worst_first
from lagmon.web.incidents import IncidentView, about, incident_view
from lagmon.wording import clock, counted, duration, number, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lagmon.alerts.rules import Rule
    from lagmon.report import ClusterReport, Links, Report

GROUPS_SHOWN = 200
NAMED = 3  # incidents or clusters; the rest is counted


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One cluster; *tone* as for a group, *word* the same in a word, *facts* name and value.

    *stale* says how old the shown values are, and is empty while they are those of the last cycle.
    *empty* says why no group is shown, where none is. *incidents* are those of the cluster, and of
    groups that are not shown.
    """

    name: str
    tone: str
    word: str
    error: str
    stale: str
    empty: str
    facts: tuple[tuple[str, str], ...]
    incidents: tuple[IncidentView, ...]
    groups: tuple[GroupView, ...]
    groups_hidden: int


@dataclass(frozen=True, slots=True)
class Status:
    """The whole page: *headline* is the answer to "is anything wrong?" in *tone*."""

    tone: str
    headline: str
    detail: str
    at: str
    version: str
    clusters: tuple[ClusterView, ...]


def status(report: Report, rules: Sequence[Rule], links: Links, now: float) -> Status:
    """Lay out *report* as of *now* (seconds)."""
    clusters = tuple(_cluster(cluster, rules, links, now) for cluster in report.clusters)
    tone, headline, detail = _headline(report)
    return Status(tone, headline, detail, clock(now), report.version, clusters)


def _headline(report: Report) -> tuple[str, str, str]:
    incidents = [incident for cluster in report.clusters for incident in cluster.incidents]
    blind = [safe(cluster.cluster) for cluster in report.clusters if cluster.error is not None]
    missing = [f"No answer from {_named(blind)}."] if blind else []
    missing += _not_known(report.clusters)
    detail = " ".join(missing) or _watching(report)
    if incidents:
        who = _named([about(incident.key) for incident in incidents])
        return "bad", f"{counted(len(incidents), 'incident')} open", " ".join([f"{who}.", *missing])
    if blind:
        return "warn", f"{counted(len(blind), 'cluster')} not answering", detail
    if not all(cluster.asked for cluster in report.clusters):
        return "unknown", "Starting", "The first answers are on their way."
    pending = sum(len(cluster.pending) for cluster in report.clusters)
    if pending:
        return "warn", f"{counted(pending, 'group')} over the limit", detail
    if missing:
        return "warn", "Not everything is known", detail
    return "good", "All is well", detail


def _not_known(clusters: Sequence[ClusterReport]) -> Iterable[str]:
    """Say in sentences what of *clusters*, as far as they answer, is not known."""
    shown = [cluster for cluster in clusters if cluster.lag is not None]
    partial = [safe(cluster.cluster) for cluster in shown if not _complete(cluster)]
    if partial:
        yield f"Groups may be missing from the list of {_named(partial)}."
    bare = [safe(cluster.cluster) for cluster in shown if _complete(cluster) and _bare(cluster)]
    if bare:
        yield f"No consumer group is watched on {_named(bare)}."
    groups = [group for each in shown if each.lag is not None for group in each.lag.groups]
    unknown = sum(is_unknown(group) for group in groups)
    if unknown:
        yield f"The lag of {counted(unknown, 'group')} is not known, or not all of it."
    waiting = sum(is_uncommitted(group) for group in groups)
    if waiting:
        yield f"Records wait where {counted(waiting, 'group')} never committed."


def _complete(cluster: ClusterReport) -> bool:
    return cluster.lag is None or cluster.lag.complete


def _bare(cluster: ClusterReport) -> bool:
    return cluster.lag is None or not cluster.lag.groups


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {number(more)} more" if more > 0 else "")


def _watching(report: Report) -> str:
    groups = sum(len(cluster.lag.groups) for cluster in report.clusters if cluster.lag)
    return f"{counted(groups, 'consumer group')} watched."


def _cluster(
    cluster: ClusterReport, rules: Sequence[Rule], links: Links, now: float
) -> ClusterView:
    tone, word = _state(cluster)
    groups = worst_first(cluster)
    shown = {group.group for group in groups[:GROUPS_SHOWN]}
    others = [each for each in cluster.incidents if each.key.group not in shown]
    stale = ""
    if cluster.error is not None and cluster.lag is not None:
        stale = f"These values are {duration(now - cluster.lag.at)} old."
    return ClusterView(
        name=safe(cluster.cluster),
        tone=tone,
        word=word,
        error=_error(cluster),
        stale=stale,
        empty=_empty(cluster) if _bare(cluster) else "",
        facts=tuple(_facts(cluster, now)),
        incidents=tuple(incident_view(each, rules, links, now, named=True) for each in others),
        groups=tuple(
            group_view(group, cluster, rules, links, now) for group in groups[:GROUPS_SHOWN]
        ),
        groups_hidden=max(0, len(groups) - GROUPS_SHOWN),
    )


def _state(cluster: ClusterReport) -> tuple[str, str]:
    if not cluster.asked:
        return "unknown", "starting"
    if cluster.error is not None:
        return ("warn", "stale") if cluster.lag is not None else ("bad", "down")
    if not _complete(cluster):
        return "warn", "list incomplete"
    return ("unknown", "nothing watched") if _bare(cluster) else ("good", "up")


def _error(cluster: ClusterReport) -> str:
    if cluster.error is not None:
        return reason(cluster.error)
    is_whole = _complete(cluster)
    why = [one for one in cluster.list_errors if not is_whole or one.startswith(TOPICS_HIDDEN)]
    reasons = "; ".join(reason(one) for one in why[:NAMED])
    if not is_whole:
        return f"Groups may be missing from the list: {reasons}"
    return f"Topics may be hidden: {reasons}" if why else ""


def _empty(cluster: ClusterReport) -> str:
    if not cluster.asked:
        return ""
    if cluster.lag is None:
        return "No values: the last ones were too old to be shown."
    if not cluster.lag.complete:
        return "Which consumer groups this cluster has is not known."
    return "This cluster has no consumer groups that are watched: none exists, or none is selected."


def _facts(cluster: ClusterReport, now: float) -> Iterable[tuple[str, str]]:
    if cluster.last_success is not None:
        yield "Last answer", f"{duration(now - cluster.last_success)} ago"
    elif cluster.asked:
        yield "Last answer", "never"
    if cluster.lag is not None:
        groups = number(len(cluster.lag.groups))
        yield "Groups", groups if cluster.lag.complete else f"{groups}, list incomplete"
    if cluster.durations:
        yield "Collected in", f"{sum(took.seconds for took in cluster.durations):.2f} s"
    if cluster.restarts:
        yield "Collector restarts", number(cluster.restarts)
