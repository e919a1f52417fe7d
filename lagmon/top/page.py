"""The whole screen as lines. Pure.

In: what was `Seen`, what is `Showing`, and the size of the terminal. Out: as many lines as it has,
each as wide as it is, and the `Extent` that keys need. Any size will do, however small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lagmon.top.group import group_lines, incident_words, standing_since
from lagmon.top.lines import Line, Span, Tone, ends, fitted, line
from lagmon.top.showing import Extent, Showing
from lagmon.top.table import OVER_RANK, UNKNOWN_RANKS, chosen, table, tone_of
from lagmon.web.choice import SHOWN, SORTED
from lagmon.wording import clock, counted, number

if TYPE_CHECKING:
    from lagmon.top.reading import Cluster, Group, Reading, Whole
    from lagmon.top.showing import Key
    from lagmon.web.choice import Choice

CLUSTERS_NAMED = 3
SMALL = 10  # lines; below it what is said about the group under the cursor is left out


@dataclass(frozen=True, slots=True)
class Seen:
    """What lagmon answered last, and what is in the way of a newer answer.

    *whole* is the group that was asked for last, or *missing* says why there is none to show.
    """

    where: str
    reading: Reading
    whole: Whole | None = None
    missing: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Screen:
    """Lines to draw, and how far a key may go in them."""

    lines: tuple[Line, ...]
    extent: Extent


def screen(seen: Seen, showing: Showing, columns: int, rows: int) -> Screen:
    """Lay out *seen* as *showing* says, on *columns* by *rows* cells."""
    head = _head(seen, columns)
    if showing.opened is None:
        made = _list(seen.reading, showing, head, columns, rows)
    else:
        made = _group(seen, showing.opened, showing.scroll, head, columns=columns, rows=rows)
    lines = [fitted(each, columns) for each in made.lines[:rows]]
    return Screen(tuple(lines), made.extent)


def headline(reading: Reading) -> tuple[str, Tone, str]:
    """Say whether anything is wrong: in a few words, their tone, and with which it is."""
    incidents = reading.incidents
    if incidents:
        named = list(dict.fromkeys(each.group or each.cluster for each in incidents))
        return f"{counted(len(incidents), 'incident')} open", "bad", _few(named)
    silent = [each.cluster for each in reading.clusters if each.up is False]
    if silent:
        return f"{counted(len(silent), 'cluster')} not answering", "warn", _few(silent)
    if any(each.up is None for each in reading.clusters):
        return "Starting", "unknown", "the first answers are on their way"
    over = [each.group for each in reading.groups if each.rank == OVER_RANK]
    if over:
        return f"{counted(len(over), 'group')} over the limit", "warn", _few(over)
    partial = [one.cluster for one in reading.clusters if not one.is_well or one.is_bare]
    unknown = [*partial, *(each.group for each in reading.groups if each.rank in UNKNOWN_RANKS)]
    if unknown:
        return "Not everything is known", "warn", _few(unknown)
    shared = any(each.share is not None for each in reading.clusters)
    others = ", the others by other replicas" if shared else ""
    return "All is well", "good", f"{counted(len(reading.groups), 'group')} watched{others}"


def cluster_words(cluster: Cluster, at: float) -> str:
    """Say how *cluster* does, as of *at* (seconds)."""
    if cluster.up is None:
        return f"{cluster.cluster} starting"
    groups = "" if cluster.groups is None else f", {counted(cluster.groups, 'group')}"
    share = cluster.share
    if cluster.up and share is not None and not share.confirmed:
        return f"{cluster.cluster} up, but this replica has no share of it: {share.why}"
    if cluster.up:
        groups += "" if share is None else f", {share.owned} of {share.of} shares"
        partial = "" if cluster.complete else f", list incomplete: {'; '.join(cluster.list_errors)}"
        return f"{cluster.cluster} up{groups}{partial}"
    old = "" if cluster.values_at is None else f", values {number(at - cluster.values_at)} s old"
    return f"{cluster.cluster} does not answer{groups}{old}: {cluster.error}"


def printed(seen: Seen, choice: Choice) -> str:
    """Write all that *choice* takes for a file or another program, as wide as it is."""
    reading = seen.reading
    made = table(reading, chosen(reading, choice))
    said, _, who = headline(reading)
    lines = [each.text.rstrip() for each in (made.head, *made.rows)] if made.rows else []
    ill = [each for each in reading.clusters if not each.is_well]
    lines += [cluster_words(each, reading.at) for each in ill]
    return "".join(f"{each}\n" for each in (*lines, f"{said}: {who}"))


def _few(names: list[str]) -> str:
    more = len(names) - CLUSTERS_NAMED
    return ", ".join(names[:CLUSTERS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _head(seen: Seen, columns: int) -> list[Line]:
    reading = seen.reading
    said, tone, who = headline(reading)
    first = ends([(said, tone), (f"  {who}", "")], clock(reading.at), columns)
    if seen.trouble:
        return [first, line((seen.trouble, "bad"))]
    well = [each for each in reading.clusters if each.is_well]
    ill = [each for each in reading.clusters if not each.is_well]
    up = _few([cluster_words(each, reading.at) for each in well])
    where = line((f"lagmon {reading.version} at {seen.where}", "dim"), (f"  {up}", ""))
    told = [line((cluster_words(each, reading.at), "warn")) for each in ill[:CLUSTERS_NAMED]]
    return [first, where, *told]


def _list(reading: Reading, showing: Showing, head: list[Line], columns: int, rows: int) -> Screen:
    groups = chosen(reading, showing.choice)
    keys = tuple(each.key for each in groups)
    at = keys.index(showing.selected) if showing.selected in keys else 0
    below = _about(reading, groups[at]) if groups and rows >= SMALL else []
    below.append(_keys_of_list(showing, len(groups), len(reading.groups)))
    room = max(1, rows - len(head) - 1 - len(below))
    first = at // room * room
    made = table(reading, groups[first : first + room], columns)
    shown = [Line(each.spans, reverse=first + place == at) for place, each in enumerate(made.rows)]
    if not groups:
        shown = [line(("No group is so." if reading.groups else "No group is watched.", "dim"))]
    blank = [line()] * (room - len(shown))
    return Screen((*head, made.head, *shown, *blank, *below), Extent(keys, at, room=room))


def _about(reading: Reading, group: Group) -> list[Line]:
    """Say in two lines what is the matter with the group under the cursor."""
    incidents = reading.by_group().get(group.key, ())
    said = "; ".join(incident_words(each, reading.at) for each in incidents)
    state: list[Span] = [(standing_since(group), tone_of(group.rank)), (f"  {group.because}", "")]
    return [line((said, "bad")), line(*state)]


def _keys_of_list(showing: Showing, shown: int, all_of_them: int) -> Line:
    choice = showing.choice
    if showing.typing:
        return line((f"search: {choice.text}_", "strong"), ("   Enter keep  Esc drop", "dim"))
    words = f"q quit  Enter open  s {dict(SORTED)[choice.sort]}  f {dict(SHOWN)[choice.show]}"
    searched = f"  / {choice.text}" if choice.text else "  / search"
    left_out = f"  {shown} of {all_of_them} groups" if shown != all_of_them else ""
    return line((words + searched, "dim"), (left_out, "strong"))


def _group(
    seen: Seen, opened: Key, scroll: int, head: list[Line], *, columns: int, rows: int
) -> Screen:
    room = max(1, rows - len(head) - 1)
    cluster, name = opened
    whole = seen.whole if seen.whole is not None and seen.whole.key == opened else None
    if whole is not None:
        lines = group_lines(whole, seen.reading.at, columns)
    else:
        lines = [line((f"{name} on {cluster}", "strong")), line((seen.missing or "…", "unknown"))]
    first = min(scroll, max(0, len(lines) - room))
    shown = lines[first : first + room]
    blank = [line()] * (room - len(shown))
    left = len(lines) - first - len(shown)
    more = f"  {counted(left, 'line')} more" if left else ""
    keys = line(("q quit  Esc back  up, down scroll", "dim"), (more, "strong"))
    return Screen((*head, *shown, *blank, keys), Extent(lines=len(lines), room=room))
