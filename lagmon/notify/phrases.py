"""What is wrong, in one sentence for each kind of condition, and that it is over. Pure.

In: a `Notice`. Out: text in which every name that a stranger chose is safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon import waited
from lagmon.alerts.conditions import Measure
from lagmon.alerts.verdicts import NOTHING_TO_READ
from lagmon.labels import safe
from lagmon.model import State, Why
from lagmon.wording import counted, duration, number

if TYPE_CHECKING:
    from lagmon.alerts.conditions import Condition
    from lagmon.model import PartitionLag
    from lagmon.readings import TopicPartition
    from lagmon.report import Notice, OldestRecord

_DOING = {
    State.STALLED: "does not get on",
    State.BLOCKED: "is blocked on {blocked} while the others move",
    State.STOPPED: "has stopped: it has no members",
    State.LOST: "lost {lost} before it read them",
    State.HANGING_TRANSACTION: "is held up by a transaction that does not end",
    State.BEYOND_END: "has committed past the end of the log",
    State.REWOUND: "was set back",
    State.UNCOMMITTED: "owns a partition that it never commits",
    State.OPEN_TRANSACTION: "waits for an open transaction",
    State.FALLING_BEHIND: "falls further behind",
    State.CATCHING_UP: "is catching up",
    State.OK: "is fine",
}
_BETTER = frozenset({State.OK, State.CATCHING_UP, State.STEADY})
# Where no commit moves, a lag that shrank lately did so before it stood, or by what was deleted.
_STANDS = frozenset(
    {State.STALLED, State.BLOCKED, State.STOPPED, State.LOST, State.HANGING_TRANSACTION}
)
_NEVER = "never at this rate"
_REASONS = 3  # of partitions that cannot be read; of more, the rest is counted


def who(notice: Notice) -> str:
    """Name what the incident is about."""
    key = notice.change.incident.key
    if key.group is None:
        return f"Cluster {safe(key.cluster)}"
    named = f"Consumer group {safe(key.group)} on {safe(key.cluster)}"
    if key.topic is None:
        return named
    where = "" if key.partition is None else f"[{key.partition}]"
    return f"{named}, {safe(key.topic)}{where},"


def concerned(notice: Notice) -> tuple[PartitionLag, ...]:
    """Give the partitions of the group that the incident is about."""
    key, group = notice.change.incident.key, notice.group
    return tuple(
        part
        for part in (group.partitions if group else ())
        if key.topic in {None, part.at.topic} and key.partition in {None, part.at.partition}
    )


def oldest(notice: Notice) -> OldestRecord | None:
    """Give the record of the group, unless it lies elsewhere than what the incident is about."""
    record = notice.record
    return record if record and record.concerns(notice.change.incident.key) else None


def told_of(notice: Notice) -> TopicPartition | None:
    """Give the partition that is told of: that of the record, or else the one that is worst off."""
    record = oldest(notice)
    return record.at if record else _worst(notice)


def partition_of(notice: Notice) -> PartitionLag | None:
    """Give what is known of the partition that is told of."""
    at = told_of(notice)
    return next((part for part in concerned(notice) if part.at == at), None)


def _worst(notice: Notice) -> TopicPartition | None:
    """Give the partition that is furthest behind, of those that are as badly off as the group."""
    parts = concerned(notice)
    worst = [part for part in parts if notice.group and part.judged is notice.group.judged]
    return max(worst or parts, key=lambda part: part.lag or 0).at if parts else None


def summary(notice: Notice) -> str:
    """Say in one line what is wrong with whom, or no longer."""
    measure = notice.rule.condition.measure
    is_over = notice.change.incident.resolved_at is not None
    if measure is Measure.LIST:
        return _of_list(notice, is_over=is_over)
    if is_over and (gone := _gone(notice)):
        return f"{who(notice)} {gone}{_was(notice)}"
    if measure is Measure.VALUE:
        return f"{who(notice)}{' can be read again' if is_over else _cannot_be_read(notice)}"
    if measure is Measure.STATE:
        return _of_state(notice, is_over=is_over)
    most, value = limit(notice.rule.condition), measured(notice)
    if is_over:
        return f"{who(notice)} is back within its limit of {most}: {value}"
    return f"{who(notice)} is {value} (limit {most})"


def _of_list(notice: Notice, *, is_over: bool) -> str:
    groups = f"consumer groups of {safe(notice.change.incident.key.cluster)}"
    if is_over:
        return f"The {groups} can be seen again"
    return f"Not all {groups} can be seen" if notice.answered else f"The {groups} cannot be seen"


def unread(notice: Notice) -> tuple[PartitionLag, ...]:
    """Give the partitions that cannot be read, if others can, or were never committed."""
    lacking = [part for part in _there(notice) if part.lag is None and not _has_answer(part)]
    return tuple(lacking) if len(lacking) < len(_there(notice)) else ()


def reasons(parts: tuple[PartitionLag, ...]) -> str:
    """Say why *parts* cannot be read, each reason once with the partition that it is told of."""
    places: dict[str, list[str]] = {}
    for part in parts:
        why = safe(part.detail or part.why or "no reason given")
        places.setdefault(why, []).append(f"{safe(part.at.topic)}[{part.at.partition}]")
    told = [f"{_and_more(where)}: {why}" for why, where in list(places.items())[:_REASONS]]
    left = len(places) - len(told)
    return "; ".join([*told, f"and {counted(left, 'other reason')}"] if left else told)


def _cannot_be_read(notice: Notice) -> str:
    lacking = len(unread(notice))
    if not lacking:
        return " cannot be read"
    return f": {number(lacking)} of {counted(len(_there(notice)), 'partition')} cannot be read"


def _there(notice: Notice) -> list[PartitionLag]:
    return [part for part in concerned(notice) if part.why is not Why.TOPIC_DELETED]


def _has_answer(part: PartitionLag) -> bool:
    return part.why in NOTHING_TO_READ


def _and_more(where: list[str]) -> str:
    return where[0] if len(where) == 1 else f"{where[0]} and {number(len(where) - 1)} more"


def measured(notice: Notice) -> str:
    """Say the value of the incident with its unit."""
    value = notice.change.incident.value
    measure = notice.rule.condition.measure
    if measure is Measure.SECONDS:
        age = waited.by_all(concerned(notice))
        is_least = age is not None and age.error_seconds is None
        return f"{'at least ' if is_least else ''}{duration(value)} behind"
    if measure is Measure.RETENTION:
        return f"behind by {value:.0%} of what is retained"
    return f"{number(value)} messages behind"


def time_to_drain(notice: Notice) -> str:
    """Say how long the lag will last at the rate of late; nothing where that is not known."""
    group = notice.group
    if group is None or not group.lag or group.unknown or group.rate is None:
        return ""
    if group.rate >= 0:
        return _NEVER
    return "" if group.judged in _STANDS else duration(group.lag / -group.rate)


def _of_state(notice: Notice, *, is_over: bool) -> str:
    state = notice.group.judged if notice.group else None
    if is_over:
        return f"{who(notice)} gets on again{_now(notice, state)}"
    if state not in notice.rule.condition.states:
        # Between two readings, or while the cluster is out of sight: the incident stands.
        return f"{who(notice)}: {notice.rule.title}"
    return f"{who(notice)} {_doing(notice, state) if state else notice.rule.title}"


def _now(notice: Notice, state: State | None) -> str:
    if state is None:
        return ""
    return f"{':' if state in _BETTER else ', but'} it {_doing(notice, state)}"


def _doing(notice: Notice, state: State) -> str:
    blocked = [part.at for part in concerned(notice) if part.judged is State.BLOCKED]
    lost = sum(part.lost for part in concerned(notice))
    one = f"{safe(blocked[0].topic)}[{blocked[0].partition}]" if blocked else "a partition"
    return _DOING.get(state, f"is {state.value}").format(
        blocked=one if len(blocked) < 2 else f"{len(blocked)} partitions",  # noqa: PLR2004 - plural
        lost=counted(lost, "record") if lost else "records",
    )


def _gone(notice: Notice) -> str:
    """Say that nothing is left that the group could be behind on; nothing where something is."""
    parts, group = concerned(notice), notice.group
    if group is None:
        return "is gone" if notice.change.incident.key.group is not None else ""
    if group.why is Why.GROUP_UNREADABLE or not NOTHING_TO_READ.issuperset(
        part.why for part in parts
    ):
        return ""
    deleted = {part.at.topic for part in parts if part.why is Why.TOPIC_DELETED}
    if not deleted:
        return "has nothing left to read: it has no commits any more"
    topics = "topic is" if len(deleted) == 1 else "topics are"
    return f"has nothing left to read: its {topics} deleted"


def _was(notice: Notice) -> str:
    return f"; it was {measured(notice)}" if notice.rule.condition.compares else ""


def limit(condition: Condition) -> str:
    """Say the threshold of *condition*, which must have one, with its unit."""
    if condition.measure is Measure.SECONDS:
        return duration(condition.threshold)
    if condition.measure is Measure.RETENTION:
        return f"{condition.threshold:.0%}"
    return number(condition.threshold)
