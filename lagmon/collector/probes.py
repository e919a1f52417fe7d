"""Ask for the first record of a certain time or younger, of many partitions in one call.

Comes in: questions, bounded in number by whoever asks. Goes out: a `Probe` for each that was asked,
with the record's offset and exact time, with neither if no record is as young, or with an error.
What there was no time for is left out. Reads no record: it needs leave to describe a topic alone.
"""

from __future__ import annotations

from concurrent.futures import wait
from typing import TYPE_CHECKING

from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka import TopicPartition as Asked
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined] # documented to be there

from lagmon.collector.answers import SILENT, Failure, failure
from lagmon.collector.calls import GRACE_SECONDS, SHORTEST_SECONDS, outcome
from lagmon.readings import Probe, ProbeRequest, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any

    from lagmon.collector.calls import Deadline
    from lagmon.collector.client import Client
    from lagmon.readings import PartitionOffsets

PER_CALL = 2000  # partitions; the answer takes 0.15 s
PROBE_SECONDS = 2.0  # a cycle: nobody waits for these as for the lag
NONE_SO_YOUNG = -1


def probe(
    questions: Collection[ProbeRequest],
    topics: Iterable[PartitionOffsets],
    client: Client,
    until: Deadline,
) -> tuple[Probe, ...]:
    """Answer *questions* through *client* before *until*, in `PROBE_SECONDS` at most.

    Only about partitions of *topics* that have an end: of the others the leader has just not
    answered. After a failure that may be the client's the rest is not asked.
    """
    answering = {log.at for log in topics if log.high is not None} if questions else set()
    todo = [one for one in dict.fromkeys(questions) if one.at in answering]
    end = until.shorter(PROBE_SECONDS)
    found: list[Probe] = []
    while todo and end.left():
        turn = _turn(todo)
        todo = [one for one in todo if turn.get(one.at) != one]
        answers = _call(turn, client, max(SHORTEST_SECONDS, end.left()))
        found += [_probe(turn[at], answer) for at, answer in answers.items()]
        unsound = [one for one in answers.values() if isinstance(one, Failure) and not one.sound]
        if unsound:
            client.recycle(unsound[0].words)
            break
    return tuple(found)


def _turn(todo: list[ProbeRequest]) -> dict[TopicPartition, ProbeRequest]:
    """Choose from *todo* what one call can ask: one thing of each partition."""
    turn: dict[TopicPartition, ProbeRequest] = {}
    for one in todo:
        if len(turn) == PER_CALL:
            break
        turn.setdefault(one.at, one)
    return turn


def _call(
    turn: dict[TopicPartition, ProbeRequest], client: Client, seconds: float
) -> dict[TopicPartition, Any | Failure]:
    specs = {
        Asked(at.topic, at.partition): OffsetSpec.for_timestamp(_milliseconds(one.timestamp))
        for at, one in turn.items()
    }
    try:
        futures = client.admin.list_offsets(
            specs,
            # Of records in open transactions too: they are unread, and count in the lag.
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=seconds,
        )
    except (KafkaException, ValueError, TypeError) as error:
        return dict.fromkeys(turn, failure(error))
    ended, _ = wait(futures.values(), timeout=seconds + GRACE_SECONDS)
    return {
        TopicPartition(name.topic, name.partition): outcome(future)
        if future in ended
        else Failure(SILENT)
        for name, future in futures.items()
    }


def _probe(question: ProbeRequest, answer: Any | Failure) -> Probe:
    if isinstance(answer, Failure):
        return Probe(question, error=answer.words)
    if answer.offset == NONE_SO_YOUNG:
        return Probe(question)
    if answer.offset < 0 or answer.timestamp < 0:
        # A call to a leader that is gone succeeds, with an offset that is none.
        return Probe(question, error=SILENT)
    return Probe(question, answer.offset, answer.timestamp / 1000)


def _milliseconds(time: float) -> int:
    return max(0, round(time * 1000))  # below 0 Kafka takes it for a command
