"""Ask for the first record of a certain time or younger, of many partitions at once.

Comes in: questions, bounded in number by whoever asks. Goes out: a `Probe` for each that was asked,
with the record's offset and exact time, with neither if no record is as young, or with an error.
What there was no time for is left out. Reads no record: it needs leave to describe a topic alone.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined] # documented to be there

from lagmon.collector.answers import SILENT, Failure
from lagmon.readings import Isolation, Probe, ProbeRequest, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from typing import Any

    from lagmon.collector.calls import Deadline
    from lagmon.collector.questions import Questions
    from lagmon.readings import PartitionOffsets

PROBE_SECONDS = 2.0  # a cycle: nobody waits for these as for the lag
NONE_SO_YOUNG = -1


def probe(
    asked: Collection[ProbeRequest],
    topics: Iterable[PartitionOffsets],
    questions: Questions,
    until: Deadline,
) -> tuple[Probe, ...]:
    """Answer what is *asked* by way of *questions* before *until*, in `PROBE_SECONDS` at most.

    Only about partitions of *topics* that have an end: of the others the leader has just not
    answered.
    """
    answering = {log.at for log in topics if log.high is not None} if asked else set()
    turns = _turns(one for one in dict.fromkeys(asked) if one.at in answering)
    end = until.shorter(PROBE_SECONDS)
    # One turn after the other: four at once took 10 MB more.
    return tuple(one for turn in turns for one in _answers(turn, questions, end))


def _answers(
    turn: Mapping[TopicPartition, ProbeRequest], questions: Questions, until: Deadline
) -> Iterator[Probe]:
    found = questions.offsets(
        {at: _spec(one) for at, one in turn.items()},
        # Of records in open transactions too: they are unread, and count in the lag.
        Isolation.READ_UNCOMMITTED,
        until,
        step="probes",
        hurry=True,
    )
    for at, answer in found.items():
        if not (isinstance(answer, Failure) and answer.postponed):
            yield _probe(turn[at], answer)


def _turns(asked: Iterable[ProbeRequest]) -> list[dict[TopicPartition, ProbeRequest]]:
    """Part what is *asked* into turns: a request can ask one thing of each partition."""
    turns: list[dict[TopicPartition, ProbeRequest]] = []
    taken: Counter[TopicPartition] = Counter()
    for one in asked:
        if taken[one.at] == len(turns):
            turns.append({})
        turns[taken[one.at]][one.at] = one
        taken[one.at] += 1
    return turns


def _spec(question: ProbeRequest) -> Any:
    return OffsetSpec.for_timestamp(_milliseconds(question.timestamp))


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
