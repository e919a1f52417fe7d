"""Say what every partition and group is doing.

In: the lags of one cluster and what is remembered of it, `Progress`, which has observed the same
snapshot. Out: one `GroupVerdict` a group. Pure: it remembers nothing; the caller hands the verdicts
to `Progress.keep`, because a state stands while values are missing for a moment.

A partition's state is the first that matches in `state_table`; a group has the worst of its
partitions. Where it has never committed a partition says nothing of its group, unless that is the
very trouble, or the group has no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.judge.state_table import MISSING_CYCLES, Around, answer
from lagmon.judge.states import GroupVerdict, Judged
from lagmon.model import State, Why

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lagmon.judge.progress import Progress
    from lagmon.judge.standing import Standing
    from lagmon.judge.state_table import Answer
    from lagmon.judge.states import Judging
    from lagmon.model import ClusterLag, GroupLag, PartitionLag

# The worse, the higher: the model lists the states in this order.
HIDDEN = "it may have commits on topics that are hidden from lagmon"
BADNESS = {state: number for number, state in enumerate(State)}


def states(lag: ClusterLag, progress: Progress, settings: Judging) -> dict[str, GroupVerdict]:
    """Judge every group of *lag* as of its time; *progress* has observed the same snapshot."""
    found = {}
    for group in lag.groups:
        memory = progress.group(group.group)
        assert memory is not None, f"the snapshot with {group.group} was not observed"
        found[group.group] = _group(Around(group, memory, progress, settings, lag.at))
    return found


def _group(around: Around) -> GroupVerdict:
    group, memory = around.group, around.memory
    if group.why is Why.GROUP_UNREADABLE:
        found = _unreadable(memory.missing, memory.judged, group.detail)
        return GroupVerdict(_stands(memory.judged, found, around.now))
    judged = tuple(_partitions(around))
    worst = _worst(group, judged)
    if worst is None:
        found = _at_best(group, _bare(group, had=memory.valued))
        return GroupVerdict(_stands(memory.judged, found, around.now), judged)
    at = group.partitions[worst].at
    one = judged[worst]
    assert one is not None
    reason = one.reason and (
        f"{at.topic}[{at.partition}]: {one.reason}" if len(judged) > 1 else one.reason
    )
    found = _at_best(group, (one.state, reason))
    return GroupVerdict(_stands(memory.judged, found, around.now), judged, at, memory.rate)


def _at_best(group: GroupLag, found: Answer) -> Answer:
    """Give what was *found*, unless it is good news of a part of the group alone."""
    if not group.hidden or BADNESS[found[0]] >= BADNESS[State.UNKNOWN]:
        return found
    return State.UNKNOWN, HIDDEN


def _partitions(around: Around) -> Iterable[Judged | None]:
    allowed, now = around.settings.allowed_lag, around.now
    for row, one in zip(around.group.partitions, around.memory.partitions, strict=True):
        before = one.judged
        if _is_plainly_ok(row, one, allowed):
            # What most are, most of the time: the rows of the table would say the same, slower.
            if before is not None and before.state is State.OK and before.reason is None:
                yield before
            else:
                yield _stands(before, (State.OK, None), now)
        elif row.why is Why.TOPIC_DELETED:
            yield None
        else:
            yield _stands(before, answer(around, row, one), now)


def _is_plainly_ok(row: PartitionLag, one: Standing, allowed: int) -> bool:
    return (
        row.lag is not None
        and row.lag <= allowed
        and not row.lost
        and not one.beyond
        and one.lost_commit is None
    )


def _stands(before: Judged | None, found: Answer, now: float) -> Judged:
    """Give what was *found* with the time since which it holds."""
    state, reason = found
    if before is None or before.state is not state:
        return Judged(state, now, reason)
    return before if before.reason == reason else Judged(state, before.since, reason)


def _worst(group: GroupLag, judged: tuple[Judged | None, ...]) -> int | None:
    """Give the place of the partition that the group is judged by; the first of equals."""
    worst, badness, counts = None, -1, False
    for index, one in enumerate(judged):
        if one is None:
            continue
        told = group.partitions[index].lag is not None or _tells(group.partitions[index], one)
        if told > counts or (told == counts and BADNESS[one.state] > badness):
            worst, badness, counts = index, BADNESS[one.state], told
    return worst


def _tells(row: PartitionLag, one: Judged) -> bool:
    return row.why is not Why.NEVER_COMMITTED or one.state is State.UNCOMMITTED


def _unreadable(missing: int, before: Judged | None, detail: str | None) -> Answer:
    if missing >= MISSING_CYCLES:
        return State.UNKNOWN, detail
    if before is not None:  # until then the last state stands
        return before.state, before.reason
    return State.PENDING, "no value yet"


def _bare(group: GroupLag, *, had: bool) -> Answer:
    """Say what a group is of which no partition is judged; *had* is whether it ever had a lag.

    There is nothing of which it could be said that it is well.
    """
    if group.partitions:
        return State.PENDING, "its topics are deleted"
    return State.PENDING, "has no commits any more" if had else "no commit of it is there"
