"""What the status page shows, worst first, as text that only has to be laid out. Pure.

In: a `Report`, the rules, the links and the time. Out: a `Status` of strings and flags; every name
that a stranger chose is made safe. A `Choice` narrows and sorts the groups, never the headline. The
page is bounded: of many groups the first are shown, and it is said how many are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lagmon import waited
from lagmon.labels import safe
from lagmon.past import Past
from lagmon.readings import TOPICS_HIDDEN
from lagmon.web.choice import Choice
from lagmon.web.groups import (
    GroupView,
    group_view,
    is_uncommitted,
    is_unknown,
    is_well,
    worst_first,
)
from lagmon.web.incidents import IncidentView, about, incident_view
from lagmon.web.lookup import share_said
from lagmon.wording import clock, counted, duration, number, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lagmon.alerts.rules import Rule
    from lagmon.model import GroupLag
    from lagmon.report import ClusterReport, Links, Report

GROUPS_SHOWN = 200
NAMED = 3  # incidents or clusters; the rest is counted


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One cluster; *tone* as for a group, *word* the same in a word, *facts* name and value.

    *stale* says how old the shown values are, and is empty while they are those of the last cycle.
    *empty* says why no group is shown, where none is. *incidents* are those of the cluster, and of
    groups that are not shown. *groups_left_out* counts those that were not asked for.
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
    groups_left_out: int


@dataclass(frozen=True, slots=True)
class Status:
    """The whole page: *headline* is the answer to "is anything wrong?" in *tone*."""

    tone: str
    headline: str
    detail: str
    at: str
    version: str
    clusters: tuple[ClusterView, ...]
    names: tuple[str, ...]


def status(
    report: Report,
    rules: Sequence[Rule],
    links: Links,
    now: float,
    *,
    past: Mapping[str, Past] | None = None,
    choice: Choice | None = None,
) -> Status:
    """Lay out what *choice* takes of *report*, with the *past* by cluster, at *now* (seconds)."""
    choice, past = choice or Choice(), past or {}
    clusters = tuple(
        _cluster(
            cluster, rules, links, now, past=past.get(cluster.cluster) or Past(), choice=choice
        )
        for cluster in report.clusters
        if choice.cluster in {"", safe(cluster.cluster)}
    )
    tone, headline, detail = _headline(report)
    names = tuple(safe(cluster.cluster) for cluster in report.clusters)
    return Status(tone, headline, detail, clock(now), report.version, clusters, names)


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
    lost = [safe(cluster.cluster) for cluster in shown if not cluster.is_confirmed]
    if lost:
        yield f"This replica has no share of {_named(lost)}."
    whole = [one for one in shown if _complete(one) and one.share is None]
    bare = [safe(cluster.cluster) for cluster in whole if _bare(cluster)]
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
    shared = any(cluster.share is not None for cluster in report.clusters)
    others = " Other replicas watch the others." if shared else ""
    return f"{counted(groups, 'consumer group')} watched.{others}"


def _cluster(
    cluster: ClusterReport,
    rules: Sequence[Rule],
    links: Links,
    now: float,
    *,
    past: Past,
    choice: Choice,
) -> ClusterView:
    tone, word = _state(cluster)
    groups = _chosen(cluster, choice)
    shown = groups[:GROUPS_SHOWN]
    names = {group.group for group in shown}
    others = [each for each in cluster.incidents if each.key.group not in names]
    stale = ""
    if cluster.error is not None and cluster.lag is not None:
        stale = f"These values are {duration(now - cluster.lag.at)} old."
    return ClusterView(
        name=safe(cluster.cluster),
        tone=tone,
        word=word,
        error=_error(cluster),
        stale=stale,
        empty=_empty(cluster) if _bare(cluster) else "" if groups else "No group is so.",
        facts=tuple(_facts(cluster, now)),
        incidents=tuple(incident_view(each, rules, links, now, named=True) for each in others),
        groups=tuple(
            group_view(each, cluster, rules, links, now, samples=past.lags(each.group))
            for each in shown
        ),
        groups_hidden=len(groups) - len(shown),
        groups_left_out=(len(cluster.lag.groups) if cluster.lag else 0) - len(groups),
    )


def _chosen(cluster: ClusterReport, choice: Choice) -> list[GroupLag]:
    """Give the groups of *cluster* that *choice* takes, in its order."""
    found = [group for group in worst_first(cluster) if choice.names(group)]
    if choice.show == "incidents":
        firing = {incident.key.group for incident in cluster.incidents}
        found = [group for group in found if group.group in firing]
    if choice.show == "attention":
        found = [group for group in found if not is_well(group, cluster)]
    if choice.sort == "name":
        found.sort(key=lambda group: group.group)
    if choice.sort == "lag":
        found.sort(key=lambda group: -1 if group.lag is None else group.lag, reverse=True)
    if choice.sort == "waits":
        found.sort(key=_waited, reverse=True)
    return found


def _waited(group: GroupLag) -> float:
    age = waited.by_all(group.partitions)
    return -1 if age is None else age.seconds


def _state(cluster: ClusterReport) -> tuple[str, str]:
    if not cluster.asked:
        return "unknown", "starting"
    if cluster.error is not None:
        return ("warn", "stale") if cluster.lag is not None else ("bad", "down")
    if not cluster.is_confirmed:
        return "warn", "no share"
    if not _complete(cluster):
        return "warn", "list incomplete"
    return ("unknown", "nothing watched") if _bare(cluster) else ("good", "up")


def _error(cluster: ClusterReport) -> str:
    if cluster.error is not None:
        return reason(cluster.error)
    if not cluster.is_confirmed:
        return f"Nothing is shown: {share_said(cluster)}"
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
    if cluster.share is not None:
        return "No consumer group that is watched is in the share of this replica."
    return "This cluster has no consumer groups that are watched: none exists, or none is selected."


def _facts(cluster: ClusterReport, now: float) -> Iterable[tuple[str, str]]:
    if cluster.last_success is not None:
        yield "Last answer", f"{duration(now - cluster.last_success)} ago"
    elif cluster.asked:
        yield "Last answer", "never"
    if cluster.lag is not None:
        groups = number(len(cluster.lag.groups))
        yield "Groups", groups if cluster.lag.complete else f"{groups}, list incomplete"
    if cluster.share is not None:
        yield "This replica's", f"{len(cluster.share.owned)} of {cluster.share.of} shares"
    if cluster.durations:
        yield "Collected in", f"{sum(took.seconds for took in cluster.durations):.2f} s"
    if cluster.restarts:
        yield "Collector restarts", number(cluster.restarts)
