"""Snapshots and plans as lines of JSON, format version 1: what recordings keep.

The pipe of a collector carries plans as they are here, and snapshots as `wire` shortens them. One
value a line, in ASCII, without line breaks. Unknown keys of a line are passed over, so that
version 1 can grow; a missing one that has a default gets it. Order carries no meaning: what is read
back is sorted by topic and partition, by group, by member. In a list a repeated entry counts once.
Strict where it would otherwise guess: a wrong type, a number that cannot be, a partition written in
two ways and a key that stands twice raise `RecordingError`.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

from lagmon.errors import RecordingError
from lagmon.fields import AMOUNTS, CLAIMED, PARTITIONS, TIMES, Fields
from lagmon.readings import (
    Committed,
    GroupReading,
    KnownGroup,
    Member,
    MissingRight,
    PartitionOffsets,
    Plan,
    Resource,
    Share,
    Snapshot,
    StepDuration,
    TopicId,
    TopicPartition,
)
from lagmon.recording.exchanges import (
    peek_in,
    peek_out,
    peek_request_in,
    peek_request_out,
    probe_in,
    probe_out,
    probe_request_in,
    probe_request_out,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    T = TypeVar("T", PartitionOffsets, Committed)

VERSION = 1


def snapshot_to_json(snapshot: Snapshot) -> str:
    """Write *snapshot* as one line, without the line break at its end."""
    return line_out(snapshot_out(snapshot))


def snapshot_from_json(line: str | bytes) -> Snapshot:
    """Read one *line*; raise RecordingError with the path of what is wrong in it."""
    return snapshot_in(Fields.of(line_in(line, once=True)))


def snapshot_out(snapshot: Snapshot) -> dict[str, Any]:
    """Give the object that a line about *snapshot* holds."""
    line: dict[str, Any] = {"v": VERSION, "at": snapshot.at, "cluster": snapshot.cluster}
    line["topics"] = _by_topic(snapshot.topics, _offsets_out)
    line["groups"] = {reading.group: _group_out(reading) for reading in snapshot.groups}
    if snapshot.peeks:
        line["peeks"] = [peek_out(peek) for peek in snapshot.peeks]
    if snapshot.probes:
        line["probes"] = [probe_out(probe) for probe in snapshot.probes]
    if snapshot.topic_ids:
        line["topic_ids"] = {one.topic: one.id for one in snapshot.topic_ids}
    if snapshot.list_errors:
        line["list_errors"] = list(snapshot.list_errors)
    if snapshot.missing_rights:
        line["missing_rights"] = [_right_out(one) for one in snapshot.missing_rights]
    if snapshot.owned is not None:
        line |= _share_out(snapshot.owned)
    if snapshot.durations:
        line["durations"] = {one.step: one.seconds for one in snapshot.durations}
    if snapshot.error is not None:
        line["error"] = snapshot.error
    return line


def snapshot_in(fields: Fields) -> Snapshot:
    """Read the object that a line holds; raise RecordingError with the path of what is wrong."""
    topics = fields.below("topics", default={})
    groups = fields.below("groups", default={})
    ids = fields.below("topic_ids", default={})
    durations = fields.below("durations", default={})
    return Snapshot(
        at=fields.number("at", TIMES),
        cluster=fields.text("cluster"),
        topics=tuple(_offsets_in(at, log) for at, log in _partitions(topics)),
        groups=tuple(_group_in(name, groups.below(name)) for name in sorted(groups)),
        peeks=tuple(peek_in(peek) for peek in fields.each("peeks")),
        probes=tuple(probe_in(probe) for probe in fields.each("probes")),
        topic_ids=tuple(TopicId(topic, ids.text(topic)) for topic in sorted(ids)),
        list_errors=fields.texts("list_errors"),
        missing_rights=tuple(_right_in(one) for one in fields.each("missing_rights")),
        durations=tuple(StepDuration(step, durations.number(step, AMOUNTS)) for step in durations),
        error=fields.maybe_text("error"),
        owned=_share_in(fields),
    )


def plan_to_json(plan: Plan) -> str:
    """Write *plan* as one line, without the line break at its end."""
    line: dict[str, Any] = {"v": VERSION, "peeks": [peek_request_out(one) for one in plan.peeks]}
    if plan.probes:
        line["probes"] = [probe_request_out(one) for one in plan.probes]
    if plan.known:
        line["known"] = {one.group: _numbers_out(one.partitions) for one in plan.known}
    return line_out(line)


def plan_from_json(line: str | bytes) -> Plan:
    """Read one *line*; raise RecordingError with the path of what is wrong in it."""
    fields = Fields.of(line_in(line))
    known = fields.below("known", default={})
    return Plan(
        peeks=tuple(peek_request_in(one) for one in fields.each("peeks")),
        probes=tuple(probe_request_in(one) for one in fields.each("probes")),
        known=tuple(KnownGroup(name, _numbers_in(known.below(name))) for name in sorted(known)),
    )


def line_out(value: dict[str, Any]) -> str:
    """Write *value* as one line."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def line_in(line: str | bytes, *, once: bool = False) -> dict[str, Any]:
    """Read the object of one *line* of our version; no key may stand twice if each is there *once*.

    What lagmon writes itself need not be looked at for that: it takes as long as the reading.
    """
    try:
        value = json.loads(line, object_pairs_hook=_once if once else None)
    except RecordingError:
        raise
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"the line is no JSON: {error}") from None
    version = Fields.of(value).whole("v")
    if version != VERSION:
        raise RecordingError(f"v: is {version}; this lagmon reads version {VERSION}")
    return value  # type: ignore[no-any-return] # Fields takes an object alone


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise RecordingError(f"{twice}: stands twice in one object")
    return value


def _by_topic(rows: Iterable[T], out: Callable[[T], object]) -> dict[str, dict[str, object]]:
    ordered = sorted(rows, key=lambda row: row.at)
    return {
        topic: {str(row.at.partition): out(row) for row in one}
        for topic, one in groupby(ordered, key=lambda row: row.at.topic)
    }


def _partitions(topics: Fields) -> list[tuple[TopicPartition, Fields]]:
    found = []
    for topic in sorted(topics):
        partitions = topics.below(topic)
        found += [
            (TopicPartition(topic, number), partitions.below(key))
            for number, key in sorted((partitions.partition(key), key) for key in partitions)
        ]
    return found


def _offsets_out(log: PartitionOffsets) -> dict[str, object]:
    out: dict[str, object] = {"start": log.start, "high": log.high, "stable": log.stable}
    return out if log.error is None else {**out, "error": log.error}


def _offsets_in(at: TopicPartition, log: Fields) -> PartitionOffsets:
    return PartitionOffsets(
        at,
        log.maybe_whole("start", AMOUNTS),
        log.maybe_whole("high", AMOUNTS),
        log.maybe_whole("stable", AMOUNTS),
        log.maybe_text("error"),
    )


def _right_out(right: MissingRight) -> dict[str, object]:
    return {"resource": right.resource.value, "name": right.name, "prefixed": right.prefixed}


def _right_in(one: Fields) -> MissingRight:
    return MissingRight(
        one.choice("resource", Resource),
        one.maybe_text("name") or "",
        prefixed=one.maybe_truth("prefixed") or False,
    )


def _share_out(share: Share) -> dict[str, object]:
    told = {"owned_until": share.until, "owned_why": share.why}
    known = {name: value for name, value in told.items() if value is not None}
    return {"owned": list(share.owned), "owned_of": share.of, **known}


def _share_in(fields: Fields) -> Share | None:
    if "owned" not in fields:
        return None
    return Share(
        tuple(sorted(set(fields.wholes("owned", PARTITIONS)))),
        fields.maybe_whole("owned_of", PARTITIONS) or Share().of,
        fields.maybe_number("owned_until", AMOUNTS),
        fields.maybe_text("owned_why"),
    )


def _committed_out(one: Committed) -> object:
    return one.offset if one.error is None else {"offset": one.offset, "error": one.error}


def _committed_in(topic: str, key: str, commits: Fields) -> Committed:
    at = TopicPartition(topic, commits.partition(key))
    if not commits.is_object(key):
        return Committed(at, commits.maybe_whole(key, AMOUNTS))
    failed = commits.below(key)
    return Committed(at, failed.maybe_whole("offset", AMOUNTS), failed.maybe_text("error"))


def _group_out(reading: GroupReading) -> dict[str, object]:
    out: dict[str, object] = {
        "state": reading.state,
        "type": reading.kind,
        "members": reading.members,
        "committed": _by_topic(reading.committed, _committed_out),
        "error": reading.error,
    }
    if reading.assignments:
        out["assignments"] = {one.member_id: _member_out(one) for one in reading.assignments}
    if reading.read_at is not None:
        out["read_at"] = reading.read_at
    return out


def _group_in(name: str, group: Fields) -> GroupReading:
    topics = group.below("committed", default={})
    commits = [
        _committed_in(topic, key, topics.below(topic))
        for topic in topics
        for key in topics.below(topic)
    ]
    members = group.below("assignments", default={})
    return GroupReading(
        group=name,
        state=group.maybe_text("state"),
        kind=group.maybe_text("type"),
        members=group.maybe_whole("members", AMOUNTS),
        committed=tuple(sorted(commits, key=lambda one: one.at)),
        assignments=tuple(_member_in(one, members.below(one)) for one in sorted(members)),
        error=group.maybe_text("error"),
        read_at=group.maybe_number("read_at", TIMES),
    )


def _member_out(member: Member) -> dict[str, object]:
    partitions = _numbers_out(member.partitions)
    return {"host": member.host, "client_id": member.client_id, "partitions": partitions}


def _member_in(member_id: str, member: Fields) -> Member:
    owned = _numbers_in(member.below("partitions", default={}))
    return Member(member_id, member.text("client_id"), member.text("host"), owned)


def _numbers_out(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for at in sorted(partitions):
        numbers.setdefault(at.topic, []).append(at.partition)
    return numbers


def _numbers_in(topics: Fields) -> tuple[TopicPartition, ...]:
    found = {
        TopicPartition(topic, one) for topic in topics for one in topics.wholes(topic, CLAIMED)
    }
    return tuple(sorted(found))
