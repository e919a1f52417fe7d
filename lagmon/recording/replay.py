"""Judge recorded snapshots again, as the loop did or would have: lines in, lines out. Pure.

In: the lines of a recording, of one cluster or of several, and a policy. Out, for each line, one
line of JSON: what every group and partition is, and what somebody would have been told. The time is
the recorded one, the stages are those of `lagmon.judge.judging`. What a plan asks for is not asked
again: the answers are those that the recording holds.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lagmon.errors import RecordingError
from lagmon.judge.judging import Memory, judge
from lagmon.model import Why
from lagmon.recording.lines import snapshot_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lagmon.judge.judging import Judgement, Policy
    from lagmon.model import Age, GroupLag, IncidentKey, PartitionLag
    from lagmon.readings import PartitionOffsets, Snapshot, TopicPartition
    from lagmon.report import Notice

    Logs = Mapping[TopicPartition, PartitionOffsets]

AGE_DIGITS = 3  # milliseconds: what Kafka's own timestamps can tell


class Replay:
    """Judges line after line, and remembers what each cluster's were, as the loop does."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._memories: dict[str, Memory] = {}

    def judge(self, line: str | bytes) -> str:
        """Give the report on the recorded *line*, without a line break.

        Raises RecordingError, and remembers nothing of it, if *line* is no snapshot.
        """
        snapshot = snapshot_from_json(line)
        memory = self._memories.get(snapshot.cluster) or Memory.of(self._policy)
        judged = judge(memory, snapshot, self._policy)
        self._memories[snapshot.cluster] = judged.memory
        return json.dumps(report(snapshot, judged), separators=(",", ":"), allow_nan=False)


def replay(
    lines: Iterable[str | bytes], policy: Policy
) -> Iterator[tuple[int, str | RecordingError]]:
    """Give the number of each of *lines*, from 1, with its report or with what is wrong in it.

    Blank lines are passed over. One that is wrong costs its own report and no other.
    """
    player = Replay(policy)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, player.judge(line)
        except RecordingError as error:
            yield number, error
        except Exception as error:  # noqa: BLE001 - of one line; the others are judged all the same
            what = f"{type(error).__name__}: {error}"
            yield number, RecordingError(f"the line cannot be judged: {what}")


def report(snapshot: Snapshot, judged: Judgement) -> dict[str, object]:
    """Say what *judged* came to, in the keys of a line that goes out."""
    logs = {log.at: log for log in snapshot.topics}
    groups = {group.group: _group(group, logs) for group in judged.lag.groups}
    said: dict[str, object] = {"at": snapshot.at, "cluster": snapshot.cluster, "groups": groups}
    said["alerts"] = [_alert(notice) for notice in judged.notices]
    # No group is known then, which is not the same as none being there.
    return said if snapshot.error is None else {**said, "error": snapshot.error}


def _group(group: GroupLag, logs: Logs) -> dict[str, object]:
    unreadable = group.why is Why.GROUP_UNREADABLE
    partitions: dict[str, dict[str, object]] = {}
    for part in group.partitions:
        rows = partitions.setdefault(part.at.topic, {})
        rows[str(part.at.partition)] = _partition(part, logs.get(part.at))
    return {
        "state": group.judged,
        "lag": group.lag,
        "lag_seconds": _seconds(group.age),
        "uncommitted": None if unreadable else group.uncommitted,
        "members": group.members,
        "error": group.detail if unreadable else None,
        "partitions": partitions,
    }


def _partition(part: PartitionLag, log: PartitionOffsets | None) -> dict[str, object]:
    return {
        "state": part.judged,
        "lag": part.lag,
        "lag_seconds": _seconds(part.age),
        "seconds_method": None if part.age is None else part.age.method,
        "committed": part.committed,
        "lost": _lost(part, log),
        "open_transaction": _open_transaction(log),
    }


def _lost(part: PartitionLag, log: PartitionOffsets | None) -> int | None:
    if part.why is Why.NEVER_COMMITTED:
        return 0
    return None if part.lag is None or log is None or log.start is None else part.lost


def _open_transaction(log: PartitionOffsets | None) -> int | None:
    if log is None or log.high is None or log.stable is None:
        return None
    return max(0, log.high - log.stable)


def _seconds(age: Age | None) -> float | None:
    return None if age is None else round(age.seconds, AGE_DIGITS)


def _alert(notice: Notice) -> dict[str, object]:
    incident = notice.change.incident
    return {
        "rule": incident.key.rule,
        "change": notice.change.change,
        "labels": _labels(incident.key),
        "value": int(incident.value) if incident.value.is_integer() else incident.value,
    }


def _labels(key: IncidentKey) -> dict[str, str]:
    labels = {
        "kafka_cluster": key.cluster,
        "group": key.group,
        "topic": key.topic,
        "partition": key.partition,
    }
    return {name: str(value) for name, value in labels.items() if value is not None}
