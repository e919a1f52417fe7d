"""One group as lines: what is wrong, the record it stands at, and its partitions. Pure.

In: a `Whole` group, lagmon's time, and the cells of a line. Out: lines, the worst partition first.
Long texts are broken, so that a trace id or an address is there to be copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon import waited
from lagmon.top.cells import padded, tail, width, wrapped
from lagmon.top.lines import Line, Tone, line
from lagmon.top.table import GAP, UNKNOWN, tone_of, trend, waits
from lagmon.web.groups import CALM
from lagmon.wording import clock, counted, duration, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lagmon.top.reading import Group, Incident, Partition, Record, Whole

_HEAD = ("PARTITION", "LAG", "WAITS", "COMMITTED", "END", "STATE", "OWNER")
_RIGHT = frozenset({1, 2, 3, 4})
_INDENT = "  "


def group_lines(group: Whole, at: float, cells: int) -> list[Line]:
    """Lay out *group* as of *at* (seconds) in lines of *cells*."""
    lines = [line((f"{group.group} on {group.cluster}", "strong"))]
    lines += _broken(_standing(group), cells, tone_of(group.rank))
    lines += _broken(_lag(group), cells)
    for each in group.incidents:
        lines += _broken(incident_words(each, at), cells, "bad")
        lines += _broken(f"runbook {each.runbook}", cells) if each.runbook else []
    if group.record is not None:
        lines += _record(group.record, cells)
    return [*lines, line(), *_partitions(group.partitions, cells)]


def incident_words(incident: Incident, at: float) -> str:
    """Say what is open, since when, for how long as of *at* (seconds), and who is to be asked."""
    where = "" if incident.topic is None else f" {incident.topic}"
    where += "" if incident.partition is None else f"[{incident.partition}]"
    since = f"since {clock(incident.since)}, for {duration(at - incident.since)}"
    owner = f", owner {incident.owner}" if incident.owner else ""
    held = ", held back by maintenance" if incident.maintenance else ""
    return f"{incident.priority or ''} {incident.rule}{where} {since}{owner}{held}".strip()


def standing_since(group: Group) -> str:
    """Say what *group* is doing, and since when."""
    if group.state is None:
        return "not known" if group.lag is None else "well"
    return group.word + ("" if group.since is None else f" since {clock(group.since)}")


def _standing(group: Group) -> str:
    return ": ".join(each for each in (standing_since(group), group.because) if each)


def _lag(group: Whole) -> str:
    lag = "lag unknown" if group.lag is None else f"{number(group.lag)} behind"
    said = [lag, waited.said(group.age) if group.lag else "", f"trend {trend(group.lag_rate)}"]
    said[1] = said[1] and f"oldest waits {said[1]}"
    said.append("members unknown" if group.members is None else counted(group.members, "member"))
    said.append(group.kafka_state or "")
    said.append(f"{counted(group.unknown, 'partition')} unknown" if group.unknown else "")
    said.append(
        f"{counted(group.uncommitted, 'partition')} never committed" if group.uncommitted else ""
    )
    return ", ".join(each for each in said if each)


def _record(record: Record, cells: int) -> list[Line]:
    said = [f"{record.topic}[{record.partition}] at offset {record.offset}"]
    said += [] if record.age_seconds is None else [f"{duration(record.age_seconds)} old"]
    said += [] if record.size is None else [counted(record.size, "byte")]
    said += [f"key #{record.key_hash}"] if record.key_hash else []
    lines = _broken(f"oldest uncommitted record {', '.join(said)}", cells)
    if record.trace_id:
        lines += _broken(f"trace {record.trace_id}", cells, "strong")
    if record.trace_unknown:
        lines += _broken(f"no trace: {record.trace_unknown}", cells)
    return lines + (_broken(record.trace_url, cells) if record.trace_url else [])


def _broken(text: str, cells: int, tone: Tone = "") -> list[Line]:
    """Break *text*; the lines behind the first are set in."""
    first, *more = wrapped(text, max(1, cells - len(_INDENT))) or [""]
    return [line((first, tone)), *(line((_INDENT + each, tone)) for each in more)]


def _partitions(parts: Sequence[Partition], cells: int) -> Iterable[Line]:
    """Give the table: those of unknown lag first, then by lag."""
    ordered = sorted(
        parts, key=lambda each: (each.lag is not None, -(each.lag or 0), each.topic, each.partition)
    )
    rows = [_row(each) for each in ordered]
    widths = [max(map(width, column)) for column in zip(_HEAD, *rows, strict=True)]
    over = sum(widths) + GAP * (len(widths) - 1) - cells
    if over > 0:  # the owner is cut by the edge; the topic before the numbers are
        widths[-1] = max(len(_HEAD[-1]), widths[-1] - over)
        over = sum(widths) + GAP * (len(widths) - 1) - cells
        widths[0] = max(len(_HEAD[0]), widths[0] - max(0, over))
    yield _line(_HEAD, widths, "", reverse=True)
    for row, each in zip(rows, ordered, strict=True):
        yield _line(row, widths, "" if each.state in CALM and each.lag is not None else "warn")


def _row(part: Partition) -> tuple[str, ...]:
    notes = [] if part.state == "ok" else [part.word]
    notes += [(part.why or "").replace("_", " ")] if part.why else []
    notes += [f"{counted(part.lost, 'message')} lost"] if part.lost else []
    owner = part.owner
    return (
        f"{part.topic}[{part.partition}]",
        UNKNOWN if part.lag is None else number(part.lag),
        waits(part.age) if part.lag else UNKNOWN,
        UNKNOWN if part.committed is None else str(part.committed),
        UNKNOWN if part.end is None else str(part.end),
        ", ".join(notes) or "ok",
        UNKNOWN if owner is None else f"{owner.client_id} at {owner.host}",
    )


def _line(row: Sequence[str], widths: Sequence[int], tone: Tone, *, reverse: bool = False) -> Line:
    shown = [
        padded(text, cells, right=column in _RIGHT)
        for column, (text, cells) in enumerate(zip(row, widths, strict=True))
    ]
    shown[0] = padded(tail(row[0], widths[0]), widths[0])  # with the number of the partition
    return line(((" " * GAP).join(shown), tone), reverse=reverse)
