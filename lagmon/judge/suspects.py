"""Which records are worth looking at, and which one to show for a group. Pure: time is handed in.

In: the lag of a cluster, the groups that an incident is open or pending for, and the answers that
came before. Out: the questions for the next plan, and for each such group its oldest uncommitted
record.

Decided here: the record shown for a group is, of all its partitions that were looked at, the one
with the earliest timestamp. A partition that stands keeps its record while the others move on to
younger ones, so the one that blocks comes up by itself; and since a record's time does not change,
neither does the trace id in a page while nothing moves. Partitions are looked at in the order of
their lag; equal times, and records without one, go by that order too.

Such a record is not always the one in work: a consumer that commits by itself, every few seconds,
may be far past it. It is the first one that would be read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lagmon.model import State
from lagmon.readings import Isolation, Peek, PeekRequest
from lagmon.report import OldestRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from lagmon.model import ClusterLag, GroupLag, PartitionLag
    from lagmon.readings import TopicPartition

# A record does not change, but it may be deleted or compacted away; a failure may pass.
ASK_AGAIN_SECONDS = 60.0
UNSEEN = "not looked at yet"
SWITCHED_OFF = "records are not looked at: peeks_per_cycle is 0"

_WAITING = frozenset({State.OPEN_TRANSACTION, State.HANGING_TRANSACTION})
_ISOLATION = {False: Isolation.READ_COMMITTED, True: Isolation.READ_UNCOMMITTED}

# What the failures that somebody can do something about mean; they open with Kafka's own names.
_NOTHING_LEFT = "_PARTITION_EOF"
_FAILURES = {
    "TOPIC_AUTHORIZATION_FAILED": "lagmon may not read topic {topic}: it lacks the ACL READ on it",
    "_AUTO_OFFSET_RESET": "the record was deleted while it was looked for",
    _NOTHING_LEFT: "no record is left there, only marks of transactions and what they took back",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found out about one record, and *at* which time.

    *end* is where the partition ended then: where no record was found, one may have come since.
    """

    peek: Peek
    at: float
    end: int | None = None


def suspects(
    lag: ClusterLag,
    groups: Collection[str],
    answers: Sequence[Answer],
    *,
    limit: int,
    now: float,
) -> tuple[PeekRequest, ...]:
    """List at most *limit* records to ask for: of each of *groups* the first uncommitted ones.

    The groups take turns, each with its partitions from the largest lag down, so that one group
    with many partitions does not keep the others waiting. A record is asked for again when the
    commit has moved or its answer is older than `ASK_AGAIN_SECONDS`.
    """
    queues = [_questions(group) for group in lag.groups if group.group in groups]
    ends = _ends(lag, groups)
    fresh = {each.peek.question for each in answers if _is_fresh(each, ends, now)}
    deepest = max(map(len, queues), default=0)
    turns = (queue[depth] for depth in range(deepest) for queue in queues if depth < len(queue))
    return tuple(dict.fromkeys(question for question in turns if question not in fresh))[:limit]


def remember(
    answers: Sequence[Answer],
    peeks: Iterable[Peek],
    lag: ClusterLag,
    groups: Collection[str],
    now: float,
) -> tuple[Answer, ...]:
    """Give *answers* with the new *peeks*, without those that no group of *groups* stands at.

    While a cluster does not answer, everything is kept: nobody has moved as far as is known.
    """
    merged = {answer.peek.question: answer for answer in answers}
    ends = _ends(lag, groups)
    merged |= {one.question: Answer(one, now, ends.get(one.question.at)) for one in peeks}
    if lag.error:
        return tuple(merged.values())
    wanted = {
        question for group in lag.groups if group.group in groups for question in _questions(group)
    }
    return tuple(answer for question, answer in merged.items() if question in wanted)


def oldest(
    group: GroupLag, answers: Sequence[Answer], *, looking: bool = True
) -> OldestRecord | None:
    """Choose the record to show for *group*; ``None`` if it has no partition with a known lag.

    *looking* is False where the settings do not want records to be looked at.
    """
    return _oldest(group, _by_question(answers), looking=looking)


def looked_at(part: PartitionLag, answers: Sequence[Answer]) -> OldestRecord | str | None:
    """Give the oldest uncommitted record of *part*, or the reason for none, if anybody looked."""
    if not part.lag or part.committed is None:
        return None
    question = _question(part)
    for peek in (answer.peek for answer in answers if answer.peek.question == question):
        return _why_no_record(peek) if peek.found_offset is None else _record(peek)
    return None


def records(
    lag: ClusterLag,
    groups: Collection[str],
    answers: Sequence[Answer],
    before: Mapping[str, OldestRecord],
    *,
    looking: bool = True,
) -> dict[str, OldestRecord]:
    """Give the record to show for each of *groups*, by name, sorted.

    A group that cannot be read now keeps the one from *before*: an alert that is sent again must
    not lose its trace id because a broker is away.
    """
    readable = {group.group: group for group in lag.groups if group.lag is not None}
    known = _by_question(answers)  # once: in an outage there are thousands of each
    shown = {}
    for name in sorted(groups):
        group = readable.get(name)
        record = before.get(name) if group is None else _oldest(group, known, looking=looking)
        if record is not None:
            shown[name] = record
    return shown


def _by_question(answers: Iterable[Answer]) -> dict[PeekRequest, Peek]:
    return {answer.peek.question: answer.peek for answer in answers}


def _oldest(
    group: GroupLag, known: Mapping[PeekRequest, Peek], *, looking: bool
) -> OldestRecord | None:
    questions = _questions(group)
    if not questions:
        return None
    peeks = [known[question] for question in questions if question in known]
    found = [peek for peek in peeks if peek.found_offset is not None]
    if found:
        return _record(min(found, key=_age_order))
    unseen = UNSEEN if looking else SWITCHED_OFF
    first, why = (peeks[0].question, _why_no_record(peeks[0])) if peeks else (questions[0], unseen)
    return OldestRecord(first.at, first.offset, trace_unknown=why)


def _questions(group: GroupLag) -> list[PeekRequest]:
    behind = [part for part in group.partitions if part.lag and part.committed is not None]
    behind.sort(key=lambda part: (-(part.lag or 0), part.at))
    return [_question(part) for part in behind]


def _question(part: PartitionLag) -> PeekRequest:
    assert part.committed is not None
    # What was deleted cannot be read: the oldest record that is still there follows it.
    offset = part.committed + part.lost
    # Whoever reads what is committed waits there for a transaction to end; its first record tells
    # whose it is. The offsets alone do not: they are two requests, and records come in between.
    held = part.judged in _WAITING and part.stable is not None and part.stable <= offset
    return PeekRequest(part.at, offset, _ISOLATION[held])


def _ends(lag: ClusterLag, groups: Collection[str]) -> dict[TopicPartition, int | None]:
    concerned = (group for group in lag.groups if group.group in groups)
    return {part.at: part.end for group in concerned for part in group.partitions}


def _is_fresh(answer: Answer, ends: Mapping[TopicPartition, int | None], now: float) -> bool:
    """Tell whether *answer* still holds; that nothing is left does until something is written."""
    if (answer.peek.error or "").startswith(_NOTHING_LEFT):
        at = answer.peek.question.at
        if ends.get(at) != answer.end:
            return False
    return 0 <= now - answer.at < ASK_AGAIN_SECONDS


def _age_order(peek: Peek) -> float:
    return float("inf") if peek.timestamp is None else peek.timestamp


def _record(peek: Peek) -> OldestRecord:
    offset = peek.question.offset if peek.found_offset is None else peek.found_offset
    return OldestRecord(
        at=peek.question.at,
        offset=offset,
        timestamp=peek.timestamp,
        key_hash=peek.key_hash,
        trace_id=peek.trace_id,
        trace_unknown=_why_no_trace(peek),
        size=peek.size,
        headers=peek.headers,
        pending=peek.question.isolation is Isolation.READ_UNCOMMITTED,
    )


def _why_no_trace(peek: Peek) -> str | None:
    if peek.trace_id is None:
        return peek.trace_unknown or "the record carries no valid trace header"
    if peek.sampled is False:
        return "not sampled: search the logs for the trace id"
    return None


def _why_no_record(peek: Peek) -> str:
    known = _FAILURES.get((peek.error or "").partition(":")[0])
    if known is None:
        return f"the record could not be read: {peek.error}"
    return known.format(topic=peek.question.at.topic)
