"""What the status page shows of one group, as text that only has to be laid out. Pure.

In: a group of a `ClusterReport`, the rules, the links and the time. Out: a `GroupView` of strings
and flags; every name that a stranger chose is made safe. What is unknown is a dash and its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from lagmon import waited
from lagmon.alerts.conditions import Measure
from lagmon.alerts.rules import Scope
from lagmon.labels import safe
from lagmon.model import State, Why
from lagmon.web.chart import chart
from lagmon.web.incidents import incident_view
from lagmon.wording import clock, counted, duration, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.alerts.rules import Rule
    from lagmon.model import GroupLag
    from lagmon.past import Sample
    from lagmon.report import ClusterReport, Links, OldestRecord
    from lagmon.web.chart import Chart
    from lagmon.web.incidents import IncidentView

PARTLY = "partly unknown"
EVEN = "even"  # the pace of a lag that neither grows nor falls
UNKNOWN = "–"  # noqa: RUF001 - typography for people, not a minus sign

_WHY = {
    "never_committed": "has no committed offset",
    "no_commits": "no commit is there",
    "no_end_offset": "end of the partition unknown",
    "no_committed_offset": "committed offset unknown",
    "topic_deleted": "topic deleted",
    "group_unreadable": "cannot be read",
}


@dataclass(frozen=True, slots=True)
class RecordView:
    """The oldest uncommitted record of a group; an empty text is left out."""

    where: str
    offset: str
    age: str
    key_hash: str
    trace_id: str
    trace_url: str
    trace_unknown: str
    size: str
    pending: bool
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class GroupView:
    """One group.

    *tone* is ``bad``, ``warn``, ``unknown`` or ``good`` and *verdict* the same in a word. *filled*
    is the lag as a part of the limit, 1 at most, or ``None`` when it is not known. *waited* is for
    how long the oldest unread record has, and empty where nothing is unread or it is not known.
    *pace* is how fast the lag grows or shrinks, *trend* its last hour, *query* leads to its page.
    """

    name: str
    query: str
    tone: str
    verdict: str
    lag: str
    waited: str
    filled: float | None
    pace: str
    trend: Chart | None
    members: str
    state: str
    notes: tuple[str, ...]
    incidents: tuple[IncidentView, ...]
    record: RecordView | None


def is_unknown(group: GroupLag) -> bool:
    """Tell whether something of *group*'s lag cannot be told, for another reason than no commit.

    Deleted topics, and partitions that are empty and were never committed, hold nothing to read.
    """
    if group.unknown:
        return True
    return group.lag is None and not (
        group.partitions and group.why in {Why.NEVER_COMMITTED, Why.TOPIC_DELETED}
    )


def is_uncommitted(group: GroupLag) -> bool:
    """Tell whether records wait, as far as is known, where *group* never committed."""
    return any(part.waiting for part in group.partitions)


def worst_first(cluster: ClusterReport) -> list[GroupLag]:
    """Sort the groups of *cluster* as `TONES` has them, then by lag from the largest."""
    firing = firing_on(cluster)
    groups = () if cluster.lag is None else cluster.lag.groups

    def order(group: GroupLag) -> tuple[int, int, str]:
        return rank(group, firing, cluster.pending), -(group.lag or 0), group.group

    return sorted(groups, key=order)


def group_view(
    group: GroupLag,
    cluster: ClusterReport,
    rules: Sequence[Rule],
    links: Links,
    now: float,
    *,
    samples: Sequence[Sample] = (),
) -> GroupView:
    """Lay out *group* of *cluster*, which has *samples* of the last hour, as of *now* (seconds)."""
    incidents = [i for i in cluster.incidents if i.key.group == group.group]
    firing = {incident.key.group for incident in incidents}
    record = dict(cluster.records).get(group.group)
    tone, verdict = TONES[rank(group, firing, cluster.pending)]
    return GroupView(
        name=safe(group.group),
        query=urlencode({"cluster": safe(cluster.cluster), "name": safe(group.group)}),
        tone=tone,
        verdict=_said(group, verdict),
        lag=UNKNOWN if group.lag is None else number(group.lag),
        waited=waited.said(waited.by_all(group.partitions)) if group.lag else "",
        filled=_filled(group, rules),
        pace=_pace(group.rate),
        trend=chart(samples, now),
        members="members unknown" if group.members is None else counted(group.members, "member"),
        state=safe(group.state or ""),
        notes=tuple(_notes(group)),
        incidents=tuple(incident_view(each, rules, links, now) for each in incidents),
        record=None if record is None else _record(record, links, now),
    )


# By rank: what the eye sees, and the same in words for those who do not see colours.
TONES = (
    ("bad", "incident"),
    ("warn", "over the limit"),
    ("unknown", "unknown"),
    ("warn", PARTLY),
    ("warn", ""),
    ("warn", "not committed"),
    ("unknown", "nothing to read"),
    ("good", ""),
)

WELL = 6  # from this rank on there is nothing to do

# States in which nothing has to be done; the others open with their own word in a tone that warns.
CALM = {None, State.OK, State.CATCHING_UP, State.STEADY, State.PENDING, State.OPEN_TRANSACTION}


def firing_on(cluster: ClusterReport) -> set[str | None]:
    """Give the groups of *cluster* with open incidents, and None for those of the cluster."""
    return {incident.key.group for incident in cluster.incidents}


def rank(group: GroupLag, firing: set[str | None], pending: frozenset[str]) -> int:
    """Say how urgent *group* is, from 0 on; it is one of the *firing*, of the *pending*, or not."""
    if group.group in firing:
        return 0
    if group.group in pending:
        return 1
    if is_unknown(group):
        return 2 if group.lag is None else 3
    if group.judged not in CALM:
        return 4
    if is_uncommitted(group):
        return 5
    return 6 if group.lag is None else 7


def _word(group: GroupLag, verdict: str) -> str:
    return verdict or (group.judged or State.OK).value.replace("_", " ")


def _said(group: GroupLag, verdict: str) -> str:
    """Say the *verdict* on *group*; one on what is not known hides no state."""
    known = group.judged not in CALM | {State.UNKNOWN}
    return (
        f"{_word(group, '')}, {verdict}" if verdict == PARTLY and known else _word(group, verdict)
    )


def limit_of(group: GroupLag, rules: Sequence[Rule]) -> float | None:
    """Give the lowest limit that *rules* set to the lag of *group*, if any does."""
    own = [each for rule in rules if (each := rule.of(group.group)) and each.scope is Scope.GROUP]
    limits = [each.condition.threshold for each in own if each.condition.measure is Measure.LAG]
    return min(limits, default=None)


def is_well(group: GroupLag, cluster: ClusterReport) -> bool:
    """Tell whether *group* of *cluster* gives nobody anything to do."""
    return rank(group, firing_on(cluster), cluster.pending) >= WELL


def _pace(rate: float | None) -> str:
    """Say how fast a lag changes: per second, or per minute where that is less than one.

    Nothing where it is not known.
    """
    if rate is None:
        return ""
    fast = abs(rate) >= 1
    count = abs(rate) if fast else abs(rate) * 60
    if round(count) == 0:
        return EVEN
    return f"{'growing' if rate > 0 else 'falling'} {number(count)}/{'s' if fast else 'min'}"


def _filled(group: GroupLag, rules: Sequence[Rule]) -> float | None:
    limit = limit_of(group, rules)
    if group.lag is None or limit is None:
        return None
    return min(1.0, group.lag / max(1.0, limit))


def _notes(group: GroupLag) -> list[str]:
    notes = []
    if group.judged not in {None, State.OK} and group.reason and group.since is not None:
        notes.append(f"{_word(group, '')} since {clock(group.since)}: {safe(group.reason)}")
    if group.lag is None and group.why is not None:
        notes.append(why_said(group.why))
    if group.detail:
        notes.append(safe(group.detail))
    if group.lag and group.members == 0:
        notes.append("nothing is reading")
    if group.unknown and group.lag is not None:
        notes.append(f"{counted(group.unknown, 'partition')} unknown: the lag may be larger")
    if group.uncommitted:
        waiting = "; records wait there" if is_uncommitted(group) else ""
        notes.append(f"{counted(group.uncommitted, 'partition')} never committed{waiting}")
    lost = sum(part.lost for part in group.partitions)
    if lost and group.judged is not State.LOST:
        notes.append(f"{counted(lost, 'message')} deleted before being read")
    return notes


def why_said(why: Why) -> str:
    """Say *why* a lag is not known."""
    return _WHY.get(why.value, why.value)


def _record(record: OldestRecord, links: Links, now: float) -> RecordView:
    linked = record.trace_id if record.trace_unknown is None else None
    return RecordView(
        where=f"{safe(record.at.topic)}[{record.at.partition}]",
        offset=str(record.offset),
        age="" if record.timestamp is None else duration(now - record.timestamp),
        key_hash=record.key_hash or "",
        trace_id=record.trace_id or "",
        trace_url=links.trace(linked) if linked else "",
        trace_unknown=safe(record.trace_unknown or ""),
        size="" if record.size is None else counted(record.size, "byte"),
        pending=record.pending,
        headers=tuple((safe(name), safe(text)) for name, text in record.headers),
    )
