"""Join the answers of one cycle into groups and partitions. Pure: asks nothing, remembers nothing.

Each function says which of several answers counts. A missing answer becomes an error on the one
group or partition that it concerns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.collector.answers import DELETED, GONE, HIDDEN, Failure, offsets
from lagmon.readings import Committed, GroupReading, PartitionOffsets, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from lagmon.configuration.settings import Selection

    Leaders = Mapping[TopicPartition, str | None]  # every partition; why it cannot be asked, if so
    Topics = Mapping[str, tuple[TopicPartition, ...]]  # the partitions of each, in order
    Missing = Mapping[str, str]  # topics that the metadata of all topics has not, and why
    Offsets = Mapping[TopicPartition, int | Failure]

DEAD = "dead"


def by_name(listing: Iterable[GroupReading], wanted: Selection) -> dict[str, GroupReading]:
    """Name the *wanted* groups of a list: one group is one, even when two coordinators list it."""
    return {one.group: one for one in listing if wanted.accepts(one.group)}


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
        elif answer.words.startswith(HIDDEN):
            # Refused for one of its topics, which the list of its commits leaves out silently.
            found[name] = replace(
                listed.get(name, GroupReading(name)), error=f"not described: {answer.words}"
            )
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


def named(wanted: Iterable[str], topics: Topics) -> tuple[TopicPartition, ...]:
    """List the partitions of the configured topics *wanted*; of one without metadata the first."""
    missing = tuple(TopicPartition(topic, 0) for topic in not_there(wanted, topics))
    return (*partitions_in(wanted, topics), *missing)


def partitions_in(wanted: Iterable[str], topics: Topics) -> tuple[TopicPartition, ...]:
    """List the partitions of the *wanted* topics."""
    return tuple(at for topic in sorted(set(wanted)) for at in topics.get(topic, ()))


def not_there(wanted: Iterable[str], topics: Topics) -> tuple[str, ...]:
    """List those of the *wanted* topics that the metadata has not: deleted, or not to be seen."""
    return tuple(sorted(set(wanted) - topics.keys()))


def told(answer: Iterable[Committed], topics: Topics) -> tuple[Committed, ...]:
    """Say of each partition in *answer* that nobody knows that it does not exist."""
    return tuple(
        Committed(one.at, None, GONE) if _unknown_to_all(one, topics) else one for one in answer
    )


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
    that it may not tell, and those with a commit under way in a transaction. The metadata leaves
    out what may not be told as well, so that only a question by name tells it from a deleted topic.
    """
    given = {one.at for one in answer}
    wanted = {at for member in head.assignments for at in member.partitions} | set(known)
    whole = partitions_in((at.topic for at in given), topics)
    return tuple(sorted(wanted.union(whole) - given))


def joined(
    answer: Iterable[Committed],
    asked: Iterable[TopicPartition],
    by_name: tuple[Committed, ...] | Failure,
    topics: Topics,
) -> tuple[Committed, ...]:
    """Add to *answer* what the partitions *asked* for by name got; what nobody knows is gone."""
    if isinstance(by_name, Failure):
        by_name = tuple(Committed(at, None, by_name.words) for at in asked)
    there = (one for one in by_name if not _unknown_to_all(one, topics))
    return tuple(sorted((*answer, *there), key=lambda one: one.at))


def orphans(answers: Iterable[tuple[Committed, ...] | Failure], topics: Topics) -> tuple[str, ...]:
    """List the topics with a commit, or a refusal, that the metadata has not."""
    whole = (answer for answer in answers if not isinstance(answer, Failure))
    return not_there(
        (one.at.topic for answer in whole for one in answer if not _is_gone(one)), topics
    )


def remembered(reading: GroupReading) -> frozenset[TopicPartition]:
    """List the partitions of *reading* to be asked for by name should the next answer lack them.

    They are those with a commit, and those that were refused: a refusal is no end.
    """
    return frozenset(
        one.at
        for one in reading.committed
        if one.offset is not None or (one.error is not None and not _is_gone(one))
    )


def _is_gone(one: Committed) -> bool:
    return one.error is not None and one.error.startswith(DELETED)


def _unknown_to_all(one: Committed, topics: Topics) -> bool:
    """Tell whether neither metadata nor coordinator knows the partition of *one*.

    The metadata leaves out what may not be seen. The coordinator refuses that by name, so that its
    plain "no commit" means that there is nothing to hide.
    """
    no_commit = one.offset is None and one.error is None
    return no_commit and one.at not in topics.get(one.at.topic, ())


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
    missing: Missing,
    *,
    start: Offsets,
    high: Offsets,
    stable: Offsets,
) -> tuple[PartitionOffsets, ...]:
    """Put together what the leaders of *wanted* said, and why the topics *missing* have none."""
    return tuple(
        PartitionOffsets(at, error=why)
        if (why := leaders.get(at, missing.get(at.topic, GONE))) is not None
        else offsets(at, start=start.get(at), high=high.get(at), stable=stable.get(at))
        for at in wanted
    )
