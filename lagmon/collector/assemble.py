"""Join the answers of one cycle into groups and partitions. Pure: asks nothing, remembers nothing.

Each function says which of several answers counts. A missing answer becomes an error on the one
group or partition that it concerns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.collector.answers import GONE, Failure, offsets
from lagmon.model import Committed, GroupReading, PartitionOffsets, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from lagmon.settings import Selection

    Leaders = Mapping[TopicPartition, str | None]  # every partition; why it cannot be asked, if so
    Offsets = Mapping[TopicPartition, int | Failure]

DEAD = "dead"


def heads(
    listed: Mapping[str, GroupReading],
    described: Mapping[str, GroupReading | Failure],
    list_errors: Collection[str],
) -> dict[str, GroupReading]:
    """Give each group that exists, or may exist, without its commits.

    *described* has the listed groups and those known from before. A description counts for more
    than the list. A group is gone only if the list is complete and its description says so.
    """
    found = {}
    for name, answer in described.items():
        if isinstance(answer, GroupReading):
            if answer.state != DEAD:
                found[name] = answer
            elif list_errors:
                found[name] = GroupReading(name, error=f"not described: {next(iter(list_errors))}")
        elif name in listed:
            found[name] = listed[name]
        else:
            missing = f"not in the list of groups, and not described: {answer.words}"
            found[name] = GroupReading(name, error=missing)
    return found


def static_heads(
    groups: Iterable[str], described: Mapping[str, GroupReading | Failure]
) -> dict[str, GroupReading]:
    """Give each of the configured *groups*, without its commits: they exist by configuration."""
    found = {}
    for name in groups:
        answer = described.get(name)
        found[name] = answer if isinstance(answer, GroupReading) else GroupReading(name)
    return found


def partitions_in(topics: Iterable[str], leaders: Leaders) -> tuple[TopicPartition, ...]:
    """List the partitions of *topics*."""
    wanted = frozenset(topics)
    return tuple(sorted(at for at in leaders if at.topic in wanted))


def absent(topics: Iterable[str], leaders: Leaders) -> tuple[Committed, ...]:
    """Say of each configured topic that does not exist that it does not, as its partition 0."""
    there = {at.topic for at in leaders}
    gone = [topic for topic in topics if topic not in there]
    return tuple(Committed(TopicPartition(topic, 0), None, GONE) for topic in gone)


def unanswered(
    head: GroupReading,
    answer: Iterable[Committed],
    known: Collection[TopicPartition],
    leaders: Leaders,
) -> tuple[TopicPartition, ...]:
    """List the partitions that *answer* should have had: owned by a member, or *known* before.

    The answer for all of a group's partitions leaves out those never committed, but also those
    that it may not tell, and those with a commit under way in a transaction.
    """
    owned = {at for member in head.assignments for at in member.partitions}
    given = {one.at for one in answer}
    return tuple(sorted(at for at in (owned | set(known)) - given if at in leaders))


def joined(
    answer: Iterable[Committed],
    asked: Iterable[TopicPartition],
    by_name: tuple[Committed, ...] | Failure,
) -> tuple[Committed, ...]:
    """Add to *answer* what the partitions *asked* for by name got."""
    if isinstance(by_name, Failure):
        by_name = tuple(Committed(at, None, by_name.words) for at in asked)
    return tuple(sorted((*answer, *by_name), key=lambda one: one.at))


def reading(
    head: GroupReading, commits: tuple[Committed, ...] | Failure, topics: Selection
) -> GroupReading:
    """Complete *head* by its *commits* on the selected *topics*."""
    if isinstance(commits, Failure):
        return replace(head, error=commits.words)
    wanted = tuple(one for one in commits if topics.accepts(one.at.topic))
    return replace(head, committed=wanted)


def partitions_of(readings: Iterable[GroupReading]) -> tuple[TopicPartition, ...]:
    """List every partition of which a commit, or the lack of one, is known."""
    return tuple(sorted({one.at for each in readings for one in each.committed}))


def askable(wanted: Iterable[TopicPartition], leaders: Leaders) -> tuple[TopicPartition, ...]:
    """List those of *wanted* that have a leader.

    Without one the client would spin until its time-out (5.6 s of processor time in 6 s).
    """
    return tuple(at for at in wanted if leaders.get(at, GONE) is None)


def answered(found: Offsets) -> tuple[TopicPartition, ...]:
    """List the partitions whose leader answered: another question to the others is lost time."""
    return tuple(at for at, one in found.items() if not isinstance(one, Failure))


def logs(
    wanted: Iterable[TopicPartition],
    leaders: Leaders,
    *,
    start: Offsets,
    high: Offsets,
    stable: Offsets,
) -> tuple[PartitionOffsets, ...]:
    """Put together what the leaders of *wanted* said."""
    return tuple(
        PartitionOffsets(at, error=why)
        if (why := leaders.get(at, GONE)) is not None
        else offsets(at, start=start.get(at), high=high.get(at), stable=stable.get(at))
        for at in wanted
    )
