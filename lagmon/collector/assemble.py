"""Join the answers of one cycle into groups and partitions. Pure: asks nothing, remembers nothing.

Each function says which of several answers counts. A missing answer becomes an error on the one
group or partition that it concerns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.collector.answers import GONE, Failure, offsets
from lagmon.readings import Committed, GroupReading, PartitionOffsets, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from lagmon.settings import Selection

    Leaders = Mapping[TopicPartition, str | None]  # every partition; why it cannot be asked, if so
    Topics = Mapping[str, tuple[TopicPartition, ...]]  # the partitions of each, in order
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


def by_topic(leaders: Leaders) -> dict[str, tuple[TopicPartition, ...]]:
    """Sort the partitions of *leaders* by topic: once a cycle, not once a group."""
    found: dict[str, list[TopicPartition]] = {}
    for at in sorted(leaders):
        found.setdefault(at.topic, []).append(at)
    return {topic: tuple(partitions) for topic, partitions in found.items()}


def partitions_in(wanted: Iterable[str], topics: Topics) -> tuple[TopicPartition, ...]:
    """List the partitions of the *wanted* topics."""
    return tuple(at for topic in sorted(set(wanted)) for at in topics.get(topic, ()))


def absent(wanted: Iterable[str], topics: Topics) -> tuple[Committed, ...]:
    """Say of each configured topic that does not exist that it does not, as its partition 0."""
    gone = [topic for topic in wanted if topic not in topics]
    return tuple(Committed(TopicPartition(topic, 0), None, GONE) for topic in gone)


def unanswered(
    head: GroupReading,
    answer: Iterable[Committed],
    known: Collection[TopicPartition],
    topics: Topics,
) -> tuple[TopicPartition, ...]:
    """List the partitions that *answer* should have had.

    They are those that a member owns, those *known* before, and all others of a topic on which the
    group has a commit: with one commit on a topic of four partitions, three are not read.

    The answer for all of a group's partitions leaves out those never committed, but also those
    that it may not tell, and those with a commit under way in a transaction.
    """
    given = {one.at for one in answer}
    wanted = {at for member in head.assignments for at in member.partitions} | set(known)
    there = wanted & set(partitions_in((at.topic for at in wanted), topics))
    whole = partitions_in((at.topic for at in given), topics)
    return tuple(sorted(there.union(whole) - given))


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
