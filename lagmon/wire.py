"""Snapshots through the pipe from a collector to its parent: what differs from the one before.

Comes in on one side: a snapshot. Goes out on the other: an equal one, in which what has not changed
is the very same object as before. Pure.

A line is that of a recording without what has not changed, and with one key more: ``since``, which
says from which snapshot on, and tells in few characters what usually changes: offsets. The first
line, and that after a snapshot with an error, has all of it. Both ends are one version of lagmon.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lagmon.errors import RecordingError
from lagmon.fields import Fields
from lagmon.readings import (
    Committed,
    GroupReading,
    PartitionOffsets,
    Probe,
    ProbeRequest,
    Snapshot,
    TopicPartition,
)
from lagmon.recording.lines import line_in, line_out, snapshot_in, snapshot_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Rows = Sequence[Committed | PartitionOffsets]

SINCE = "since"


class Writer:
    """The end that writes. Each line it gives has to be read, in turn."""

    def __init__(self) -> None:
        self._last = Snapshot(0.0, "", error="nothing was written")
        self._groups: dict[str, GroupReading] = {}

    def line(self, snapshot: Snapshot) -> str:
        """Write *snapshot* as one line, without the line break at its end."""
        last, self._last = self._last, snapshot
        before, self._groups = self._groups, {one.group: one for one in snapshot.groups}
        if last.error is not None or snapshot.error is not None:
            return line_out(snapshot_out(snapshot))
        since: dict[str, Any] = {"at": last.at, "gone": list(before.keys() - self._groups.keys())}
        news, since["moved"] = _differences(before, snapshot.groups)
        since["topics"] = _ends_out(last.topics, snapshot.topics)
        since["topic_ids"] = last.topic_ids == snapshot.topic_ids
        since["probes"] = [_probe_out(one) for one in snapshot.probes]
        rest = replace(
            snapshot,
            groups=news,
            topics=snapshot.topics if since["topics"] is None else (),
            topic_ids=() if since["topic_ids"] else snapshot.topic_ids,
            probes=(),
        )
        return line_out({**snapshot_out(rest), SINCE: since})


class Reader:
    """The end that reads, in turn, every line that one `Writer` gave."""

    def __init__(self) -> None:
        self._last: Snapshot | None = None
        self._groups: dict[str, GroupReading] = {}

    def snapshot(self, line: str | bytes) -> Snapshot:
        """Read one *line*; raise RecordingError where it does not follow upon the last."""
        value = line_in(line)
        snapshot = snapshot_in(Fields(value))
        if SINCE in value:
            try:
                snapshot = self._completed(snapshot, value[SINCE])
            except (KeyError, TypeError, ValueError) as error:
                raise RecordingError(f"{SINCE}: {type(error).__name__}: {error}") from None
        else:
            self._groups = {one.group: one for one in snapshot.groups}
        self._last = snapshot
        return snapshot

    def _completed(self, news: Snapshot, since: dict[str, Any]) -> Snapshot:
        """Give all of the snapshot of which *news* and *since* tell what is new."""
        last = self._last
        if last is None or last.at != since["at"]:
            raise RecordingError(f"{SINCE}.at: is not the time of the snapshot before")
        return replace(
            news,
            groups=self._all(news.groups, since),
            topics=news.topics
            if since["topics"] is None
            else tuple(_ends_in(last.topics, since["topics"])),
            topic_ids=last.topic_ids if since["topic_ids"] else news.topic_ids,
            probes=tuple(_probe_in(one) for one in since["probes"]),
        )

    def _all(self, news: Iterable[GroupReading], since: dict[str, Any]) -> tuple[GroupReading, ...]:
        groups = self._groups
        for name in since["gone"]:
            del groups[name]
        for name, (read_at, offsets) in since["moved"].items():
            groups[name] = _moved(groups[name], read_at, offsets)
        count = len(groups)
        groups |= {one.group: one for one in news}
        if len(groups) > count:
            self._groups = groups = dict(sorted(groups.items()))
        return tuple(groups.values())


def _differences(
    before: dict[str, GroupReading], groups: Iterable[GroupReading]
) -> tuple[tuple[GroupReading, ...], dict[str, Any]]:
    """Give the *groups* of which other things than offsets are new, and the offsets of others."""
    news: list[GroupReading] = []
    moved: dict[str, Any] = {}
    for now in groups:
        then = before.get(now.group)
        if then is now:
            continue
        if then is None or not _is_alike(then, now):
            news.append(now)
        elif then.read_at != now.read_at or then.committed != now.committed:
            moved[now.group] = [now.read_at, [one.offset for one in now.committed]]
    return tuple(news), moved


def _is_alike(then: GroupReading, now: GroupReading) -> bool:
    """Tell whether nothing but offsets and the time of reading differs."""
    return (
        then.state == now.state
        and then.kind == now.kind
        and then.members == now.members
        and then.error == now.error
        and then.assignments == now.assignments
        and _are_alike(then.committed, now.committed)
    )


def _are_alike(then: Rows, now: Rows) -> bool:
    """Tell whether offsets alone differ: both about the same partitions, in the order of reading.

    What is read back from a line is sorted. Offsets in another order would go astray.
    """
    return (
        len(then) == len(now)
        and all(
            one.at == other.at and one.error == other.error
            for one, other in zip(then, now, strict=True)
        )
        and all(one.at < other.at for one, other in pairwise(now))
    )


def _moved(
    then: GroupReading, read_at: float | None, offsets: Iterable[int | None]
) -> GroupReading:
    committed = tuple(
        one if one.offset == offset else Committed(one.at, offset, one.error)
        for one, offset in zip(then.committed, offsets, strict=True)
    )
    return replace(then, committed=committed, read_at=read_at)


def _ends_out(
    then: tuple[PartitionOffsets, ...], now: tuple[PartitionOffsets, ...]
) -> list[list[int | None]] | None:
    """Give the offsets of *now*, None if other things differ."""
    if not _are_alike(then, now):
        return None
    return [[one.start, one.high, one.stable] for one in now]


def _ends_in(
    then: tuple[PartitionOffsets, ...], ends: Iterable[list[int | None]]
) -> Iterator[PartitionOffsets]:
    for one, (start, high, stable) in zip(then, ends, strict=True):
        now = PartitionOffsets(one.at, start, high, stable, one.error)
        yield one if one == now else now


def _probe_out(probe: Probe) -> list[object]:
    at, timestamp = probe.question.at, probe.question.timestamp
    return [at.topic, at.partition, timestamp, probe.offset, probe.record_timestamp, probe.error]


def _probe_in(row: list[Any]) -> Probe:
    topic, partition, timestamp, offset, record_timestamp, error = row
    question = ProbeRequest(TopicPartition(topic, partition), timestamp)
    return Probe(question, offset, record_timestamp, error)
