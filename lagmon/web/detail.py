"""What the page of one group shows, as text that only has to be laid out. Pure.

In: a group of a `ClusterReport`, what is known of its last hour, the rules, the links and the time.
Out: a `Detail` of strings and flags; every name that a stranger chose is made safe, but in the
commands, which are for Kafka's own names and quoted for a shell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lagmon import waited
from lagmon.alerts.rules import KAFKA_CONSUMER_LAG
from lagmon.labels import safe
from lagmon.model import Change, Incident, IncidentChange, IncidentKey, State
from lagmon.notify.commands import commands
from lagmon.report import Notice
from lagmon.web.chart import chart
from lagmon.web.groups import UNKNOWN, group_view, limit_of, why_said
from lagmon.web.incidents import incident_view
from lagmon.wording import clock, counted, duration, member, number, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lagmon.alerts.rules import Rule
    from lagmon.model import GroupLag, PartitionLag
    from lagmon.past import Ended, Past
    from lagmon.report import ClusterReport, Links, OldestRecord
    from lagmon.web.chart import Chart
    from lagmon.web.groups import GroupView
    from lagmon.web.incidents import IncidentView

PARTITIONS_SHOWN = 500
ENDED_SHOWN = 20

# In the order in which they are wanted. What would change something only says what it would do.
_TITLES = {
    "command_describe": "See where the group stands",
    "command_record": "Look at the oldest uncommitted record",
    "command_skip": "Skip that record",
    "command_reset": "Go on from where there are records",
    "command_transactions": "See who holds the transaction open",
}
_CHANGES = frozenset({"command_skip", "command_reset"})


@dataclass(frozen=True, slots=True)
class PartitionView:
    """One row of a group's partitions."""

    name: str
    lag: str
    waited: str
    committed: str
    end: str
    note: str
    owner: str


@dataclass(frozen=True, slots=True)
class CommandView:
    """A *line* for a shell; one that *changes* something says what it would do."""

    title: str
    line: str
    changes: bool


@dataclass(frozen=True, slots=True)
class EndedView:
    """An incident that is over: when it ended, and how long it was open."""

    incident: IncidentView
    ended: str


@dataclass(frozen=True, slots=True)
class Detail:
    """The page of one group; *error* and *stale* as for its cluster."""

    version: str
    at: str
    cluster: str
    error: str
    stale: str
    group: GroupView
    chart: Chart | None
    commands: tuple[CommandView, ...]
    ended: tuple[EndedView, ...]
    partitions: tuple[PartitionView, ...]
    partitions_hidden: int


def detail(
    group: GroupLag,
    cluster: ClusterReport,
    rules: Sequence[Rule],
    links: Links,
    *,
    past: Past,
    now: float,
    version: str,
) -> Detail:
    """Lay out *group* of *cluster* with its *past* as of *now* (seconds)."""
    samples = past.lags(group.group)
    parts = sorted(group.partitions, key=_partition_order)
    stale = ""
    if cluster.error is not None and cluster.lag is not None:
        stale = f"These values are {duration(now - cluster.lag.at)} old."
    return Detail(
        version=version,
        at=clock(now),
        cluster=safe(cluster.cluster),
        error=reason(cluster.error or ""),
        stale=stale,
        group=group_view(group, cluster, rules, links, now, samples=samples),
        chart=chart(samples, now, limit_of(group, rules)),
        commands=tuple(_commands(group, cluster, rules, links, now)),
        ended=tuple(_ended(each, rules, links) for each in past.ended(group.group)[:ENDED_SHOWN]),
        partitions=tuple(_partition(part) for part in parts[:PARTITIONS_SHOWN]),
        partitions_hidden=max(0, len(parts) - PARTITIONS_SHOWN),
    )


def _ended(each: Ended, rules: Sequence[Rule], links: Links) -> EndedView:
    return EndedView(incident_view(each.incident, rules, links, each.at), clock(each.at))


def _commands(
    group: GroupLag, cluster: ClusterReport, rules: Sequence[Rule], links: Links, now: float
) -> Iterable[CommandView]:
    """Give the commands of the alerts that are open, and those for the group as a whole."""
    record = dict(cluster.records).get(group.group)
    whole = Incident(IncidentKey("", cluster.cluster, group.group), now, now, 0.0, now)
    opened = [each for each in cluster.incidents if each.key.group == group.group]
    by_name = {rule.name: rule for rule in rules}
    seen = set()
    for each in (*opened, whole):
        notice = _notice(each, by_name.get(each.key.rule, KAFKA_CONSUMER_LAG), group, record, now)
        given = commands(notice, links.reach(cluster.cluster))
        for name in _TITLES.keys() & given.keys():
            seen.add((name, given[name]))
    order = list(_TITLES)
    for name, line in sorted(seen, key=lambda pair: (order.index(pair[0]), pair[1])):
        yield CommandView(_TITLES[name], line, name in _CHANGES)


def _notice(
    incident: Incident, rule: Rule, group: GroupLag, record: OldestRecord | None, now: float
) -> Notice:
    return Notice(IncidentChange(Change.OPENED, incident), rule, now, group, record)


def _partition_order(part: PartitionLag) -> tuple[bool, int, str, int]:
    return part.lag is not None, -(part.lag or 0), part.at.topic, part.at.partition


def _partition(part: PartitionLag) -> PartitionView:
    notes = [] if part.why is None else [why_said(part.why)]
    if part.judged not in {None, State.OK, State.UNKNOWN, State.LOST}:
        notes.append(part.judged.value.replace("_", " "))
    if part.detail:
        notes.append(safe(part.detail))
    if part.lost:
        notes.append(f"{counted(part.lost, 'message')} lost")
    owner = part.owner
    return PartitionView(
        name=f"{safe(part.at.topic)}[{part.at.partition}]",
        lag=UNKNOWN if part.lag is None else number(part.lag),
        waited=waited.said(part.age) or UNKNOWN,
        committed=UNKNOWN if part.committed is None else str(part.committed),
        end=UNKNOWN if part.end is None else str(part.end),
        note=", ".join(notes),
        owner="" if owner is None else member(owner.client_id, owner.host),
    )
