"""What somebody who is woken by an incident wants to know, in words. Pure.

In: a `Notice`. Out: annotations, all text, none empty. Numbers stand alone under their names, for
templates; *summary* and *description* say the same in sentences, for people. A record is called the
oldest uncommitted one and never the cause: where reading stands is known, why it does is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon import waited
from lagmon.alerts.conditions import Measure
from lagmon.labels import safe
from lagmon.model import State
from lagmon.notify.commands import commands
from lagmon.notify.phrases import (
    concerned,
    oldest,
    partition_of,
    reasons,
    summary,
    time_to_drain,
    told_of,
    unread,
)
from lagmon.wording import clock, counted, duration, member, moment, reason

if TYPE_CHECKING:
    from lagmon.model import PartitionLag
    from lagmon.readings import TopicPartition
    from lagmon.report import Links, Notice, OldestRecord


def annotate(notice: Notice, links: Links) -> dict[str, str]:
    """Write the annotations of *notice*; those of the record only while the incident is open.

    Those of the rule come first: none of them can take the place of a fact.
    """
    incident, group, rule = notice.change.incident, notice.group, notice.rule
    compares = rule.condition.compares
    facts = {
        "summary": summary(notice),
        "description": description(notice),
        "verdict": group.judged.value if group and group.judged else "",
        "value": _value(notice),
        "threshold": f"{rule.condition.threshold:.15g}" if compares else "",
        "since": moment(incident.since),
        "members": str(group.members) if group and group.members is not None else "",
        "runbook_url": links.runbook_of(rule),
    }
    if incident.resolved_at is None:
        facts |= _place(told_of(notice))
        facts |= {"waited": _waited(notice), "time_to_drain": time_to_drain(notice)}
        facts |= {"owner": _owner(notice)}
        record = oldest(notice)
        facts |= _record(record, notice, links) if record else {}
        facts |= commands(notice, links.reach(incident.key.cluster))
    said = {name: safe(text) for name, text in rule.annotations} | {
        name: text for name, text in facts.items() if text
    }
    return {name: text for name, text in said.items() if text}


def description(notice: Notice) -> str:
    """Say in sentences what is known, and what is not."""
    incident = notice.change.incident
    since = "Above it" if notice.rule.condition.compares else "So"
    if incident.resolved_at is not None:
        lasted = duration(incident.resolved_at - incident.since)
        begun = since if notice.rule.condition.compares else "The incident lasted"
        return f"{summary(notice)}. {begun} from {clock(incident.since)}, for {lasted}."
    lasted = duration(notice.at - incident.since)
    sentences = [f"{summary(notice)}.", f"{since} since {clock(incident.since)}, for {lasted}."]
    if notice.rule.condition.measure is Measure.LIST:
        sentences += _blind(notice)
    elif notice.detail:
        sentences.append(f"The reason: {reason(notice.detail)}.")
    if incident.key.group is not None:
        sentences += _state(notice)
    record, at = oldest(notice), told_of(notice)
    if record is not None:
        sentences += _standing(record, notice.at)
    if at is not None and (owner := _owner(notice)):
        sentences.append(f"The owner of {_named(at)} is {owner}.")
    return " ".join(sentences)


def _value(notice: Notice) -> str:
    """Write the number that was compared, or the lag of a state; nothing where none is known."""
    measure, group = notice.rule.condition.measure, notice.group
    if measure is Measure.STATE:
        return str(group.lag) if group and group.lag is not None else ""
    return f"{notice.change.incident.value:.15g}" if notice.rule.condition.compares else ""


def _state(notice: Notice) -> list[str]:
    group, measure = notice.group, notice.rule.condition.measure
    if measure is Measure.VALUE and (lacking := unread(notice)):
        return _partly(notice, lacking)
    if group is None or group.lag is None:
        why = safe(group.detail or group.why or "no reason given") if group else "no answer"
        if measure is Measure.VALUE:
            return [f"The reason: {why}.", "Until it can be read, nobody watches its lag."]
        what = "value" if notice.rule.condition.compares else "state"
        return [f"This is the last known {what}; it cannot be read now: {why}."]
    # That nothing can be said yet helps nobody who is awake.
    is_said = group.reason is not None and group.judged is not State.PENDING
    said = [f"It is judged {group.judged}: {safe(group.reason or '')}."] if is_said else []
    if measure is Measure.STATE:
        said.append(f"It is {counted(group.lag, 'message')} behind.")
    if age := _waited(notice):
        said.append(f"The oldest unread record has waited {age}.")
    if notice.rule.condition.compares and (time := time_to_drain(notice)):
        said.append(f"Time until it is read: {time}.")
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


def _blind(notice: Notice) -> list[str]:
    why = f"The reason: {reason(notice.detail)}" if notice.detail else ""
    if notice.answered:
        watched = "Those that are listed are watched; no page says of one that it cannot be read."
        # Last and without a full stop: a command that grants a right is at its end.
        return [watched, why] if why else [watched]
    unseen = "Until they can be seen, nobody watches them."
    return [f"{why}.", unseen] if why else [unseen]


def _partly(notice: Notice, lacking: tuple[PartitionLag, ...]) -> list[str]:
    """Say why some partitions cannot be read, and what is known of the others."""
    they, their = ("it", "its") if len(lacking) == 1 else ("they", "their")
    said = [f"The reason: {reasons(lacking)}."]
    said.append(f"Until {they} can be read, nobody watches {their} lag.")
    group = notice.group
    if group is not None and group.lag is not None:
        said.append(f"What can be read is {counted(group.lag, 'message')} behind.")
    return said


def _standing(record: OldestRecord, now: float) -> list[str]:
    where = f"{_named(record.at)} at offset {record.offset}"
    old = duration(now - record.timestamp) if record.timestamp is not None else ""
    aged = f", {old} old by its own time" if old else ""
    held = ", in a transaction that has not ended" if record.pending else ""
    said = [f"The oldest uncommitted record is {where}{aged}{held}."]
    if record.trace_id is not None:
        said.append(f"Its trace is {record.trace_id}.")
    if record.trace_unknown is not None:
        said.append(f"No trace to show: {safe(record.trace_unknown)}.")
    return said


def _record(record: OldestRecord, notice: Notice, links: Links) -> dict[str, str]:
    age = "" if record.timestamp is None else duration(notice.at - record.timestamp)
    shown = record.trace_id if record.trace_unknown is None else None
    return {
        "offset": str(record.offset),
        "age": age,
        "size": "" if record.size is None else str(record.size),
        "key_hash": record.key_hash or "",
        "headers": "; ".join(f"{safe(name)}: {safe(text)}" for name, text in record.headers),
        "trace_id": record.trace_id or "",
        "trace_url": links.trace(shown) if shown else "",
        "trace_unknown": safe(record.trace_unknown or ""),
    }


def _waited(notice: Notice) -> str:
    """Say for how long the oldest unread record has, where one is unread and it is known."""
    age = waited.by_all(concerned(notice))
    return waited.said(age) if age is not None and age.seconds > 0 else ""


def _place(at: TopicPartition | None) -> dict[str, str]:
    return {} if at is None else {"topic": safe(at.topic), "partition": str(at.partition)}


def _owner(notice: Notice) -> str:
    """Name the member that owns the partition that is told of."""
    row = partition_of(notice)
    return member(row.owner.client_id, row.owner.host) if row and row.owner else ""


def _named(at: TopicPartition) -> str:
    return f"{safe(at.topic)}[{at.partition}]"
