"""One look at a cluster: what of it pages, as it stands, and the report as a table. Pure.

In: what the stages made of the snapshots of one look, a few seconds apart at most. Out: a `Look`,
its exit code, and lines of text.

What pages: a P1 whose condition holds now. Nobody can wait for a rule's ``for`` in one look, so
that it counts as over; a state that takes time to tell is `pending` here, and pages nobody. What is
not known is no good news: a cluster that did not answer, a list that may lack something, and a
group that could not be read, or not all of it, count as much as a page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lagmon import waited
from lagmon.alerts.rules import Priority
from lagmon.labels import safe
from lagmon.model import Change, Why
from lagmon.notify.phrases import summary
from lagmon.recording.replay import AGE_DIGITS
from lagmon.recording.replay import report as replayed
from lagmon.wording import counted, duration, number, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lagmon.alerts.rules import Rule
    from lagmon.judge.judging import Judgement
    from lagmon.model import Age, GroupLag, IncidentKey
    from lagmon.readings import Snapshot
    from lagmon.report import Notice, OldestRecord

UNKNOWN = "-"
HEAD = ("CLUSTER", "GROUP", "STATE", "LAG", "AGE", "MEMBERS", "NOTE")
NUMBERS = {HEAD.index(name) for name in ("LAG", "AGE", "MEMBERS")}


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a cluster came to: the last that was judged, and what is open."""

    snapshot: Snapshot
    judged: Judgement
    opened: tuple[Notice, ...] = ()

    @property
    def paging(self) -> tuple[Notice, ...]:
        """What would wake somebody: open, of the first priority, not held back."""
        return tuple(
            each
            for each in self.opened
            if each.rule.priority is Priority.P1 and not each.change.incident.held
        )

    @property
    def unknown(self) -> int:
        """How many groups could not be read, or not all of them."""
        return sum(
            group.why is Why.GROUP_UNREADABLE or group.unknown > 0 or group.hidden
            for group in self.judged.lag.groups
        )

    @property
    def pages(self) -> bool:
        """Whether somebody has to look."""
        silent = self.snapshot.error is not None
        return silent or not self.judged.lag.complete or bool(self.paging) or self.unknown > 0


def at_once(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Give *rules* so that what holds is open, for however short a time it has held."""
    return tuple(
        replace(
            rule,
            for_seconds=0.0,
            exceptions=tuple(replace(each, for_seconds=0.0) for each in rule.exceptions),
        )
        for rule in rules
    )


def still_open(told: Mapping[IncidentKey, Notice], judged: Judgement) -> dict[IncidentKey, Notice]:
    """Give what was *told* as opened and still is, with what *judged* adds and found out since."""
    after = dict(told)
    for notice in judged.notices:
        if notice.change.change is Change.OPENED:
            after[notice.change.incident.key] = notice
        elif notice.change.change is Change.RESOLVED:
            after.pop(notice.change.incident.key, None)
    return {key: _renewed(notice, judged) for key, notice in after.items()}


def report(look: Look) -> dict[str, Any]:
    """Say *look* as replay says a snapshot, what is open as opened, and how sure each age is.

    The age of a group is that of its partitions together: a lower bound while one is not known.
    """
    said: dict[str, Any] = replayed(look.snapshot, replace(look.judged, notices=look.opened))
    for group in look.judged.lag.groups:
        row = said["groups"][group.group]
        row |= _age(waited.by_all(group.partitions))
        for part in group.partitions:
            row["partitions"][part.at.topic][str(part.at.partition)] |= _age(part.age)
    return said


def table(looks: Sequence[Look]) -> str:
    """Write *looks* for people: the groups, those that page first, then why."""
    rows = [row for look in looks for row in _rows(look)]
    lines = _aligned([HEAD, *rows]) if rows else []
    lines += [line for look in looks for line in _footing(look)]
    lines.append(_verdict(looks))
    return "".join(f"{line}\n" for line in lines)


def _age(age: Age | None) -> dict[str, object]:
    if age is None:
        return {"lag_seconds": None, "seconds_method": None, "seconds_error": None}
    error = age.error_seconds
    return {
        "lag_seconds": round(age.seconds, AGE_DIGITS),
        "seconds_method": age.method,
        "seconds_error": None if error is None else round(error, AGE_DIGITS),
    }


def _renewed(notice: Notice, judged: Judgement) -> Notice:
    group = notice.change.incident.key.group
    record = judged.memory.records.get(group) if group is not None else None
    return replace(notice, record=record or notice.record)


def _rows(look: Look) -> list[tuple[str, ...]]:
    paging = {each.change.incident.key.group for each in look.paging}
    groups = sorted(
        look.judged.lag.groups,
        key=lambda one: (one.group not in paging, one.lag is not None, -(one.lag or 0), one.group),
    )
    return [_row(look.snapshot.cluster, group) for group in groups]


def _row(cluster: str, group: GroupLag) -> tuple[str, ...]:
    return (
        safe(cluster),
        safe(group.group),
        UNKNOWN if group.judged is None else group.judged.value,
        UNKNOWN if group.lag is None else number(group.lag),
        waited.said(waited.by_all(group.partitions)) or UNKNOWN,
        UNKNOWN if group.members is None else number(group.members),
        "; ".join(_notes(group)),
    )


def _notes(group: GroupLag) -> Iterable[str]:
    if group.lag is None and group.why is not None:
        yield group.why.value.replace("_", " ")
    if group.detail:
        yield safe(group.detail)
    if group.unknown:
        yield f"{counted(group.unknown, 'partition')} unknown"
    if group.hidden and group.partitions:
        yield "more topics may be hidden"
    if group.uncommitted:
        yield f"{counted(group.uncommitted, 'partition')} never committed"
    lost = sum(part.lost for part in group.partitions)
    if lost:
        yield f"{counted(lost, 'message')} lost"


def _footing(look: Look) -> Iterable[str]:
    cluster = safe(look.snapshot.cluster)
    if look.snapshot.error is not None:
        yield f"{cluster} did not answer: {reason(look.snapshot.error)}"
    for error in look.snapshot.list_errors:
        yield f"{cluster}: something may be missing: {reason(error)}"
    for notice in look.opened:
        held = " (held back by maintenance)" if notice.change.incident.held else ""
        yield f"{notice.rule.priority.value} {notice.rule.name}{held}: {summary(notice)}"
        if notice.record is not None:
            yield f"   oldest uncommitted record: {_record(notice.record, look.snapshot.at)}"


def _record(record: OldestRecord, now: float) -> str:
    said = [f"{safe(record.at.topic)}[{record.at.partition}] at offset {record.offset}"]
    if record.timestamp is not None:
        said.append(f"{duration(now - record.timestamp)} old by its own time")
    if record.trace_id is not None:
        said.append(f"trace {record.trace_id}")
    if record.trace_unknown is not None:
        said.append(f"no trace to show: {safe(record.trace_unknown)}")
    return ", ".join(said)


def _verdict(looks: Sequence[Look]) -> str:
    paging = sum(len(look.paging) for look in looks)
    blind = sum(look.snapshot.error is not None for look in looks)
    said = [counted(paging, "page")] if paging else []
    said += [f"{counted(blind, 'cluster')} not answering"] if blind else []
    partial = sum(look.snapshot.error is None and not look.judged.lag.complete for look in looks)
    said += [f"{counted(partial, 'cluster')} not known wholly"] if partial else []
    unknown = sum(look.unknown for look in looks)
    said += [f"{counted(unknown, 'group')} not known wholly"] if unknown else []
    return ", ".join(said) or "nothing pages"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return [
        "  ".join(
            cell.rjust(width) if column in NUMBERS else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
