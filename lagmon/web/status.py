"""What the status page shows, worst first, as text that only has to be laid out. Pure.

In: a `Report`, the rules, the links and the time. Out: a `Status` of strings and flags; every name
that a stranger chose is made safe. The page is bounded: of many groups the worst are shown, and it
is said how many are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lagmon.labels import safe
from lagmon.web.groups import GroupView, group_view, worst_first
from lagmon.wording import clock, counted, duration, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lagmon.model import Incident
    from lagmon.report import ClusterReport, Links, Report
    from lagmon.rules import Rule

GROUPS_SHOWN = 200
INCIDENTS_NAMED = 3


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One cluster; *tone* as for a group, *word* the same in a word, *facts* name and value.

    *stale* says how old the shown values are, and is empty while they are those of the last cycle.
    """

    name: str
    tone: str
    word: str
    error: str
    stale: str
    facts: tuple[tuple[str, str], ...]
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
    watched = sum(len(cluster.lag.groups) for cluster in report.clusters if cluster.lag)
    detail = f"No answer from {', '.join(blind)}." if blind else _watching(watched)
    if incidents:
        named = f"{_named(incidents)}. {detail if blind else ''}".rstrip()
        return "bad", f"{counted(len(incidents), 'incident')} open", named
    if blind:
        return "warn", f"{counted(len(blind), 'cluster')} not answering", detail
    if not all(cluster.asked for cluster in report.clusters):
        return "unknown", "Starting", "The first answers are on their way."
    pending = sum(len(cluster.pending) for cluster in report.clusters)
    if pending:
        return "warn", f"{counted(pending, 'group')} over the limit", detail
    return "good", "All is well", detail


def _named(incidents: Sequence[Incident]) -> str:
    names = [f"{safe(i.key.group or '')} on {safe(i.key.cluster)}" for i in incidents]
    more = len(names) - INCIDENTS_NAMED
    return ", ".join(names[:INCIDENTS_NAMED]) + (f" and {number(more)} more" if more > 0 else "")


def _watching(groups: int) -> str:
    return f"{counted(groups, 'consumer group')} watched."


def _cluster(
    cluster: ClusterReport, rules: Sequence[Rule], links: Links, now: float
) -> ClusterView:
    tone, word = _state(cluster)
    groups = worst_first(cluster)
    stale = ""
    if cluster.error is not None and cluster.lag is not None:
        stale = f"These values are {duration(now - cluster.lag.at)} old."
    return ClusterView(
        name=safe(cluster.cluster),
        tone=tone,
        word=word,
        error=safe(cluster.error or ""),
        stale=stale,
        facts=tuple(_facts(cluster, now)),
        groups=tuple(
            group_view(group, cluster, rules, links, now) for group in groups[:GROUPS_SHOWN]
        ),
        groups_hidden=max(0, len(groups) - GROUPS_SHOWN),
    )


def _state(cluster: ClusterReport) -> tuple[str, str]:
    if not cluster.asked:
        return "unknown", "starting"
    if cluster.error is None:
        return "good", "up"
    return ("warn", "stale") if cluster.lag is not None else ("bad", "down")


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
