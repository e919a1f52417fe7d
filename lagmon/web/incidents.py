"""What the status page shows of an open incident, as text that only has to be laid out. Pure.

In: an incident, the rules, the links and the time. Out: an `IncidentView`; every name that a
stranger chose is made safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lagmon.labels import safe
from lagmon.notify.phrases import limit
from lagmon.wording import clock, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.alerts.rules import Rule
    from lagmon.model import Incident, IncidentKey
    from lagmon.report import Links


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One open incident; an empty text is left out.

    *where* is what it is about, as far as the place on the page does not tell; *owner* is who is to
    be asked and *runbook* the address of what to do.
    """

    priority: str
    rule: str
    title: str
    where: str
    limit: str
    since: str
    lasted: str
    held: bool
    owner: str
    runbook: str


def incident_view(
    incident: Incident, rules: Sequence[Rule], links: Links, now: float, *, named: bool = False
) -> IncidentView:
    """Lay out *incident* as of *now* (seconds); *named* with its group."""
    rule = {rule.name: rule for rule in rules}.get(incident.key.rule)
    rule = rule and (rule.of(incident.key.group) or rule)
    return IncidentView(
        priority=rule.priority.value if rule else "",
        rule=incident.key.rule,
        title=rule.title if rule else "",
        where=_where(incident.key, named=named),
        limit=limit(rule.condition) if rule and rule.condition.compares else "",
        since=clock(incident.since),
        lasted=duration(now - incident.since),
        held=incident.held,
        owner=safe(rule.owner) if rule else "",
        runbook=links.runbook_of(rule),
    )


def about(key: IncidentKey) -> str:
    """Name what an incident is about: a group, or no more than a cluster."""
    cluster = safe(key.cluster)
    return cluster if key.group is None else f"{safe(key.group)} on {cluster}"


def _where(key: IncidentKey, *, named: bool) -> str:
    said = [safe(key.group)] if named and key.group is not None else []
    if key.topic is not None:
        said.append(safe(key.topic) + ("" if key.partition is None else f"[{key.partition}]"))
    return ", ".join(said)
