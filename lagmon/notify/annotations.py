"""What somebody who is woken by an incident wants to know, in words. Pure.

In: a `Notice`. Out: annotations, all text, none empty. Numbers stand alone under their names, for
templates; *summary* and *description* say the same in sentences, for people. A record is called the
oldest uncommitted one and never the cause: where reading stands is known, why it does is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.labels import safe
from lagmon.wording import clock, counted, duration, moment, number

if TYPE_CHECKING:
    from lagmon.model import GroupLag
    from lagmon.readings import Member
    from lagmon.report import Links, Notice, OldestRecord


def annotate(notice: Notice, links: Links) -> dict[str, str]:
    """Write the annotations of *notice*; those of the record only while the incident is open."""
    incident, group = notice.change.incident, notice.group
    said = {
        "summary": summary(notice),
        "description": description(notice),
        "value": f"{incident.value:.15g}",
        "threshold": f"{notice.rule.condition.threshold:.15g}",
        "since": moment(incident.since),
        "members": str(group.members) if group and group.members is not None else "",
        "runbook_url": links.runbook,
    }
    if incident.resolved_at is None and notice.record is not None:
        said |= _record(notice.record, notice, links)
    return {name: text for name, text in said.items() if text}


def summary(notice: Notice) -> str:
    """Say in one line who is behind, or no longer."""
    incident, limit = notice.change.incident, number(notice.rule.condition.threshold)
    who, value = _who(notice), number(incident.value)
    if incident.resolved_at is None:
        return f"{who} is {value} messages behind (limit {limit})"
    if notice.group is None:
        return f"{who} is gone; it was {value} messages behind"
    return f"{who} is back within its limit of {limit}: {value} messages behind"


def description(notice: Notice) -> str:
    """Say in sentences what is known, and what is not."""
    incident = notice.change.incident
    if incident.resolved_at is not None:
        lasted = duration(incident.resolved_at - incident.since)
        return f"{summary(notice)}. Above it from {clock(incident.since)}, for {lasted}."
    sentences = [
        f"{summary(notice)}.",
        f"Above it since {clock(incident.since)}, for {duration(notice.at - incident.since)}.",
        *_state(notice.group),
    ]
    if notice.record is not None:
        sentences += _standing(notice.record, notice.at)
    return " ".join(sentences)


def _who(notice: Notice) -> str:
    key = notice.change.incident.key
    return f"Consumer group {safe(key.group or '')} on {safe(key.cluster)}"


def _state(group: GroupLag | None) -> list[str]:
    if group is None or group.lag is None:
        why = safe(group.detail or group.why or "no reason given") if group else "no answer"
        return [f"This is the last known value; it cannot be read now: {why}."]
    said = []
    if group.members is None:
        said.append("How many members it has is not known.")
    elif group.members == 0:
        said.append("It has no members: nothing is reading.")
    else:
        said.append(f"It has {counted(group.members, 'member')}.")
    if group.unknown:
        partitions = counted(group.unknown, "partition")
        said.append(f"The lag of {partitions} is not known, so it may be more.")
    return said


def _standing(record: OldestRecord, now: float) -> list[str]:
    where = f"{safe(record.at.topic)}[{record.at.partition}] at offset {record.offset}"
    old = "" if record.timestamp is None else f", {duration(now - record.timestamp)} old"
    held = ", in a transaction that has not ended" if record.pending else ""
    said = [f"The oldest uncommitted record is {where}{old}{held}."]
    if record.trace_id is not None:
        said.append(f"Its trace is {record.trace_id}.")
    if record.trace_unknown is not None:
        said.append(f"No trace to show: {safe(record.trace_unknown)}.")
    return said


def _record(record: OldestRecord, notice: Notice, links: Links) -> dict[str, str]:
    age = "" if record.timestamp is None else duration(notice.at - record.timestamp)
    shown = record.trace_id if record.trace_unknown is None else None
    return {
        "topic": safe(record.at.topic),
        "partition": str(record.at.partition),
        "offset": str(record.offset),
        "owner": _owner(notice.group, record),
        "age": age,
        "size": "" if record.size is None else str(record.size),
        "key_hash": record.key_hash or "",
        "headers": "; ".join(f"{safe(name)}: {safe(text)}" for name, text in record.headers),
        "trace_id": record.trace_id or "",
        "trace_url": links.trace(shown) if shown else "",
        "trace_unknown": safe(record.trace_unknown or ""),
    }


def _owner(group: GroupLag | None, record: OldestRecord) -> str:
    owners: list[Member] = [
        part.owner
        for part in (group.partitions if group else ())
        if part.at == record.at and part.owner is not None
    ]
    return " ".join(f"{safe(owner.client_id)} at {safe(owner.host)}" for owner in owners)
