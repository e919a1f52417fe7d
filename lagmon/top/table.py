"""The list of groups as a table. Pure.

In: a `Reading`, a choice of its groups, and the cells there are; None for as many as it takes.
Out: rows of text, each a line. Where there is little room, long names are cut first, then incidents
go, because their priority stands in front; numbers are never cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lagmon.top.cells import padded, width
from lagmon.top.lines import Line, Tone, line
from lagmon.web.groups import TONES, WELL
from lagmon.wording import duration, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.model import Age
    from lagmon.top.reading import Group, Incident, Reading
    from lagmon.web.choice import Choice

UNKNOWN = "-"
OVER = "!"  # over a limit, not for long enough yet
OVER_RANK = 1
UNKNOWN_RANKS = frozenset({2, 3, 5})  # not at all, not all of it, or where it never committed
GAP = 2
HEAD = ("", "CLUSTER", "GROUP", "STATE", "LAG", "WAITS", "TREND", "MEMBERS", "INCIDENTS")
MARK, CLUSTER, GROUP, STATE, LAG, WAITS, TREND, MEMBERS, INCIDENTS = range(len(HEAD))
_RIGHT = frozenset({LAG, WAITS, TREND, MEMBERS})
# Which column gives way first, and to how many cells; 0 leaves it out.
_GIVING = (
    (GROUP, 32), (CLUSTER, 16), (INCIDENTS, 18), (INCIDENTS, 0), (GROUP, 24), (CLUSTER, 10),
    (STATE, 14), (GROUP, 14),
    (MEMBERS, 0), (TREND, 0), (STATE, 8), (CLUSTER, 0), (WAITS, 0), (GROUP, 8),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """The *head*, and a line for each group."""

    head: Line
    rows: tuple[Line, ...]


def chosen(reading: Reading, choice: Choice) -> list[Group]:
    """Give the groups of *reading* that *choice* takes, in its order."""
    wanted = choice.text.casefold()
    open_for = reading.by_group()
    found = [
        each
        for each in reading.groups
        if choice.cluster in {"", each.cluster}
        if wanted in each.group.casefold() or wanted in each.cluster.casefold()
        if choice.show != "attention" or each.rank < WELL
        if choice.show != "incidents" or each.key in open_for
    ]
    found.sort(key=lambda each: (each.rank, -(each.lag or 0), each.cluster, each.group))
    if choice.sort == "name":
        found.sort(key=lambda each: (each.group, each.cluster))
    if choice.sort == "lag":
        found.sort(key=lambda each: -1 if each.lag is None else each.lag, reverse=True)
    if choice.sort == "waits":
        found.sort(key=lambda each: -1 if each.age is None else each.age.seconds, reverse=True)
    return found


def table(reading: Reading, groups: Sequence[Group], cells: int | None = None) -> Table:
    """Lay out *groups* of *reading* in *cells*."""
    open_for = reading.by_group()
    several = len(reading.clusters) > 1
    made = [_row(each, open_for.get(each.key, [])) for each in groups]
    widths = [max(map(width, column)) for column in zip(HEAD, *made, strict=True)]
    widths[MARK] = GAP
    if not several:
        widths[CLUSTER] = 0
    if cells is not None:
        _narrow(widths, cells)
    rows = [_line(row, widths, tone_of(each.rank)) for row, each in zip(made, groups, strict=True)]
    return Table(_line(HEAD, widths, "", reverse=True), tuple(rows))


def tone_of(rank: int) -> Tone:
    """Give the tone of a group of that *rank*."""
    tones: dict[str, Tone] = {"bad": "bad", "warn": "warn", "unknown": "unknown", "good": "good"}
    return tones[TONES[min(rank, len(TONES) - 1)][0]]


def trend(rate: float | None) -> str:
    """Say how fast a lag changes, such as ``+12/s`` or ``-3/min``; a dash where it is not known."""
    if rate is None:
        return UNKNOWN
    fast = abs(rate) >= 1
    count = abs(rate) if fast else abs(rate) * 60
    if round(count) == 0:
        return "even"
    return f"{'+' if rate > 0 else '-'}{number(count)}/{'s' if fast else 'min'}"


def waits(age: Age | None) -> str:
    """Say an age in short: ``>40s`` at least, ``<12s`` at most, ``10m 10s`` about."""
    if age is None:
        return UNKNOWN
    if age.error_seconds is None:
        return f">{duration(age.seconds)}"
    if age.error_seconds >= age.seconds > 0:
        return f"<{duration(age.seconds + age.error_seconds + 1)}"
    return duration(round(age.seconds))


def _row(group: Group, incidents: Sequence[Incident]) -> tuple[str, ...]:
    mark = incidents[0].priority or OVER if incidents else ""
    return (
        mark or (OVER if group.rank == OVER_RANK else ""),
        group.cluster,
        group.group,
        group.word,
        UNKNOWN if group.lag is None else number(group.lag) + ("+" if group.unknown else ""),
        waits(group.age) if group.lag else UNKNOWN,
        trend(group.lag_rate),
        UNKNOWN if group.members is None else number(group.members),
        ", ".join(_named(each) for each in incidents),
    )


def _named(incident: Incident) -> str:
    where = ""
    if incident.topic is not None:
        at = "" if incident.partition is None else f"[{incident.partition}]"
        where = f" {incident.topic}{at}"
    return f"{incident.rule}{where}{' (maintenance)' if incident.maintenance else ''}"


def _narrow(widths: list[int], cells: int) -> None:
    """Take from *widths* until the columns fit into *cells*, or nothing is left to take."""
    for column, least in _GIVING:
        over = sum(each + GAP for each in widths if each) - GAP - cells
        if over <= 0:
            return
        if least == 0:
            widths[column] = 0
        elif widths[column] > least:
            widths[column] = max(least, widths[column] - over)


def _line(row: Sequence[str], widths: Sequence[int], tone: Tone, *, reverse: bool = False) -> Line:
    """Lay out *row*; its mark and state bear the *tone*, and all of it where that is bad."""
    spans = []
    for column, (text, cells) in enumerate(zip(row, widths, strict=True)):
        if cells:
            shown = padded(text, cells, right=column in _RIGHT)
            toned = column in {MARK, STATE} or tone == "bad"
            spans += [(shown, tone if toned else ""), (" " * GAP, "")]
    return line(*spans[:-1], reverse=reverse)
