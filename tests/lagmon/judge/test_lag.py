"""What a snapshot's numbers mean. The table is numbered; each row says why its answer is right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from lagmon.collector.grants import UNTOLD, words
from lagmon.configuration.settings import Cluster
from lagmon.judge.lag import measure
from lagmon.model import ClusterLag, GroupLag, PartitionLag, Why
from lagmon.readings import (
    Committed,
    GroupReading,
    Member,
    MissingRight,
    PartitionOffsets,
    Resource,
    Snapshot,
    TopicPartition,
)

NOON = 1_764_000_000.0
AT = TopicPartition("plays", 0)
REFUSED = "TOPIC_AUTHORIZATION_FAILED: Broker: Topic authorization failed"
SILENT = "no offset came, and no error: its leader did not answer"
GONE = "UNKNOWN_TOPIC_OR_PART: Broker: Unknown topic or partition"
ABSENT = "the snapshot has no offsets of this partition"


@dataclass(frozen=True, slots=True)
class Row:
    """One case: a commit and its partition's log, the lag that follows, and why that is right."""

    number: int
    because: str
    commit: int | None = None
    commit_error: str | None = None
    log: PartitionOffsets | None = None
    neighbour: bool = True  # the snapshot has another partition of the topic
    lag: int | None = None
    why: Why | None = None
    lost: int = 0
    clamped: bool = False
    waiting: bool = False
    detail: str | None = None


TOPIC_RIGHT = MissingRight(Resource.TOPIC, "zz")
TOPIC_WORDS, UNTOLD_WORDS = (
    words(one, Cluster(name="local", bootstrap_servers="kafka:9092"))
    for one in (TOPIC_RIGHT, UNTOLD)
)


def log(
    start: int | None = 0,
    high: int | None = 100,
    stable: int | None = None,
    error: str | None = None,
) -> PartitionOffsets:
    """Build a partition's log without open transactions."""
    return PartitionOffsets(AT, start, high, high if stable is None else stable, error)


TABLE = (
    Row(1, "60 records lie between the commit and the end", 40, log=log(), lag=60),
    Row(2, "the commit names the next record: at the end nothing is left", 100, log=log(), lag=0),
    Row(3, "a commit of 0 is a commit: everything is unread", 0, log=log(), lag=100),
    Row(4, "an empty partition has nothing to read", 0, log=log(high=0), lag=0),
    Row(
        5,
        "where reading would begin hangs on the consumer: no number would be true",
        None,
        log=log(),
        why=Why.NEVER_COMMITTED,
        waiting=True,
    ),
    Row(
        6,
        "never committed is known without the end, which then need not be",
        None,
        log=log(high=None, error=SILENT),
        why=Why.NEVER_COMMITTED,
        waiting=True,
    ),
    Row(
        7,
        "past the end nothing can be unread: the topic was recreated or cut, never a negative",
        130,
        log=log(),
        lag=0,
    ),
    Row(
        8,
        "the deleted records were never passed: they stay in the lag and are told as lost",
        10,
        log=log(start=50),
        lag=90,
        lost=40,
    ),
    Row(9, "a commit at the log's start has lost nothing", 50, log=log(start=50), lag=50),
    Row(
        10,
        "everything expired unread: all of it is lag and lost",
        10,
        log=log(start=100),
        lag=90,
        lost=90,
    ),
    Row(
        11,
        "the lag needs no start offset; what was lost cannot be told and is not",
        10,
        log=log(start=None, error=SILENT),
        lag=90,
    ),
    Row(
        12,
        "an open transaction holds a read_committed group back: the records wait all the same",
        40,
        log=log(stable=60),
        lag=60,
    ),
    Row(13, "stable is not needed for the lag", 40, log=PartitionOffsets(AT, 0, 100), lag=60),
    Row(
        14,
        "one end is at 105, so all is read: the two ends disagree, the commit is right",
        105,
        log=log(stable=105),
        lag=0,
        clamped=True,
    ),
    Row(
        15,
        "past both ends it is the commit that is wrong, nothing was cut",
        106,
        log=log(stable=105),
        lag=0,
    ),
    Row(
        16,
        "a leader that is gone gives no end: unknown, and never 0",
        40,
        log=log(None, None, None, SILENT),
        why=Why.NO_END_OFFSET,
        detail=SILENT,
    ),
    Row(
        17,
        "not allowed to see the commit is not the same as no commit",
        commit_error=REFUSED,
        log=log(),
        why=Why.NO_COMMITTED_OFFSET,
        detail=REFUSED,
    ),
    Row(
        18,
        "the topic is gone by the leader's word: its commit says nothing any more",
        40,
        log=log(None, None, None, GONE),
        why=Why.TOPIC_DELETED,
        detail=GONE,
    ),
    Row(
        19,
        "the topic is gone by the coordinator's word",
        commit_error=GONE,
        log=log(),
        why=Why.TOPIC_DELETED,
        detail=GONE,
    ),
    Row(
        20,
        "no partition of the topic is there: it does not exist",
        40,
        neighbour=False,
        why=Why.TOPIC_DELETED,
        detail="UNKNOWN_TOPIC_OR_PART",
    ),
    Row(
        21,
        "the topic is there, this partition was forgotten: unknown, not gone",
        40,
        why=Why.NO_END_OFFSET,
        detail=ABSENT,
    ),
    Row(
        22,
        "what was never committed needs no offsets to be that",
        None,
        neighbour=False,
        why=Why.NEVER_COMMITTED,
    ),
    Row(
        23,
        "never committed where nothing lies: nothing waits",
        None,
        log=log(start=100),
        why=Why.NEVER_COMMITTED,
    ),
)


def reading(*committed: Committed, **changed: object) -> GroupReading:
    """Build a group of two members."""
    made = GroupReading("settle", "stable", "classic", 2, committed)
    return replace(made, **changed)  # type: ignore[arg-type] # any of its fields


def measured(*groups: GroupReading, logs: tuple[PartitionOffsets, ...] = ()) -> ClusterLag:
    """Measure a snapshot of *groups*."""
    return measure(Snapshot(NOON, "local", logs, groups))


def one(cluster: ClusterLag) -> GroupLag:
    """Give the only group of *cluster*."""
    (group,) = cluster.groups
    return group


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.number}. {row.because}")
def test_the_table(row: Row) -> None:
    """Each numbered case gives its lag, its reason, what was lost, and nothing else."""
    neighbour = (PartitionOffsets(TopicPartition("plays", 9), 0, 1, 1),) if row.neighbour else ()
    logs = neighbour + ((row.log,) if row.log else ())
    committed = Committed(AT, row.commit, row.commit_error)

    (found,) = one(measured(reading(committed), logs=logs)).partitions

    assert found == PartitionLag(
        AT,
        row.lag,
        row.why,
        committed=row.commit,
        end=row.log.high if row.log else None,
        lost=row.lost,
        clamped=row.clamped,
        waiting=row.waiting,
        detail=row.detail,
        start=row.log.start if row.log and row.lag is not None else None,
        stable=row.log.stable if row.log and row.lag is not None else None,
    )


def test_the_table_has_no_gaps() -> None:
    """The rows are numbered through, so that a row can be spoken of by its number."""
    assert [row.number for row in TABLE] == list(range(1, len(TABLE) + 1))


def partition(number: int, offset: int | None, error: str | None = None) -> Committed:
    """Build the commit of one partition of plays."""
    return Committed(TopicPartition("plays", number), offset, error)


def ends(*highs: int | None) -> tuple[PartitionOffsets, ...]:
    """Build the logs of plays, one for each high watermark; None is a leader that is gone."""
    return tuple(
        PartitionOffsets(TopicPartition("plays", number), 0, high, high, None if high else SILENT)
        for number, high in enumerate(highs)
    )


def test_a_group_has_the_sum_of_what_is_known() -> None:
    """The sum leaves the unknown out, and says beside it how many are missing."""
    commits = [partition(0, 90), partition(1, 50), partition(2, 5), partition(3, None)]

    group = one(measured(reading(*commits), logs=ends(100, 100, None, 100)))

    assert (group.lag, group.why) == (60, None)
    assert (group.unknown, group.uncommitted) == (1, 1)


def test_a_deleted_topic_is_neither_unknown_nor_uncommitted() -> None:
    """A partition of a deleted topic is skipped: it must not page for ever."""
    gone = Committed(TopicPartition("old", 0), 7)

    group = one(measured(reading(partition(0, 90), gone), logs=ends(100)))

    assert (group.lag, group.unknown, group.uncommitted) == (10, 0, 0)
    assert [row.why for row in group.partitions] == [None, Why.TOPIC_DELETED]


@pytest.mark.parametrize(
    ("commits", "why", "detail"),
    [
        ((), Why.NO_COMMITS, None),
        ((partition(0, None),), Why.NEVER_COMMITTED, None),
        ((partition(0, None), partition(1, 5)), Why.NO_END_OFFSET, SILENT),
        ((partition(1, 5), partition(0, None, REFUSED)), Why.NO_COMMITTED_OFFSET, REFUSED),
        ((Committed(TopicPartition("old", 0), 7),), Why.TOPIC_DELETED, "UNKNOWN_TOPIC_OR_PART"),
    ],
)
def test_a_group_without_any_lag_says_the_gravest_reason(
    commits: tuple[Committed, ...], why: Why, detail: str | None
) -> None:
    """None known: none given; an error counts for more than a commit that was never made."""
    group = one(measured(reading(*commits), logs=ends(100, None)))

    assert (group.lag, group.why, group.detail) == (None, why, detail)


def test_without_the_right_to_see_all_topics_a_group_without_members_may_have_more() -> None:
    """Kafka leaves out commits on hidden topics; a member would name its partitions."""
    missing = (MissingRight(Resource.TOPIC, "*"),)
    seen = Snapshot(
        NOON,
        "local",
        ends(100),
        (
            reading(partition(0, 90), members=0, group="some"),
            reading(members=0, group="none"),
            reading(partition(0, 90), members=1, group="led"),
        ),
    )

    lag = measure(replace(seen, missing_rights=missing))
    told, freely = lag.groups, measure(seen).groups

    assert lag.complete  # a group is listed also if its topics are hidden

    found = {group.group: (group.lag, group.why, group.hidden) for group in told}
    assert found == {
        "some": (10, None, True),
        "none": (None, Why.GROUP_UNREADABLE, True),
        "led": (10, None, False),
    }
    assert [(group.why, group.hidden) for group in freely] == [
        (None, False), (Why.NO_COMMITS, False), (None, False),
    ]  # fmt: skip


def test_an_unreadable_group_says_why() -> None:
    """A group that could not be read has no lag and no rows, and keeps the coordinator's words."""
    error = "GROUP_AUTHORIZATION_FAILED: Broker: Group authorization failed"

    group = one(measured(reading(error=error, members=None)))

    assert (group.lag, group.why, group.detail) == (None, Why.GROUP_UNREADABLE, error)
    assert (group.state, group.members, group.partitions) == ("stable", None, ())


def test_a_group_of_which_nothing_is_known_is_unreadable() -> None:
    """Without commits and without its members nobody can say that it never committed."""
    group = one(measured(reading(members=None)))

    assert (group.lag, group.why) == (None, Why.GROUP_UNREADABLE)
    assert group.detail == "its members are not known, and no commit may be seen"


def test_a_group_with_a_commit_needs_no_members() -> None:
    """Where members cannot be asked, as of a configured group, what it committed is the lag."""
    group = one(measured(reading(partition(0, 90), members=None), logs=ends(100)))

    assert (group.lag, group.why, group.members) == (10, None, None)


def test_a_refused_partition_is_not_gone_with_its_topic() -> None:
    """A refusal counts for more than the end that is missing: unknown, in whichever order."""
    refused = Committed(AT, None, REFUSED)
    gone = PartitionOffsets(AT, error=GONE)

    for logs in ((gone,), (), (PartitionOffsets(AT, error=REFUSED),)):
        group = one(measured(reading(refused), logs=logs))
        assert (group.why, group.unknown, group.uncommitted) == (Why.NO_COMMITTED_OFFSET, 1, 0)


def test_a_topic_whose_end_is_refused_is_not_deleted() -> None:
    """A commit may be seen and the topic no more: the lag is unknown, the commit stays."""
    refused = PartitionOffsets(AT, error=REFUSED)

    group = one(measured(reading(partition(0, 90)), logs=(refused,)))

    (row,) = group.partitions
    assert (row.lag, row.why, row.committed, row.detail) == (None, Why.NO_END_OFFSET, 90, REFUSED)
    assert (group.unknown, group.why) == (1, Why.NO_END_OFFSET)


def test_one_unreadable_group_leaves_the_others() -> None:
    """Another group's failure takes nothing from a group that was read."""
    failed = reading(group="failed", error="_TIMED_OUT: Local: Timed out")

    lags = measured(failed, reading(partition(0, 90)), logs=ends(100)).groups

    assert [(group.group, group.lag) for group in lags] == [("failed", None), ("settle", 10)]


def test_a_partition_names_its_owner() -> None:
    """The member that a partition is assigned to stands beside its lag."""
    owner = Member("m-1", "settle-1", "10.0.0.7", (AT,))

    group = one(
        measured(
            reading(partition(0, 90), partition(1, 90), assignments=(owner,)), logs=ends(100, 100)
        )
    )

    assert [row.owner for row in group.partitions] == [owner, None]


def test_a_group_keeps_its_state_and_members() -> None:
    """What the coordinator said of the group goes on to who judges it."""
    group = one(measured(reading(partition(0, 90), state="empty", members=0), logs=ends(100)))

    assert (group.state, group.members) == ("empty", 0)


def test_no_snapshot_is_no_lag() -> None:
    """A cycle that failed says so and nothing about any group."""
    failed = Snapshot(NOON, "local", error="_TRANSPORT: Local: Broker transport failure")

    assert measure(failed) == ClusterLag(
        NOON, "local", (), complete=False, error="_TRANSPORT: Local: Broker transport failure"
    )


def test_a_partial_list_is_not_complete() -> None:
    """While a broker did not list its groups, a missing group may still be there."""
    partial = Snapshot(NOON, "local", (), (reading(),), list_errors=("_TRANSPORT: …",))

    assert not measure(partial).complete
    assert measured(reading()).complete


@pytest.mark.parametrize(
    ("rights", "errors", "complete"),
    [
        ((TOPIC_RIGHT,), (TOPIC_WORDS,), True),
        ((UNTOLD,), (UNTOLD_WORDS,), True),
        ((TOPIC_RIGHT,), (TOPIC_WORDS, "_TRANSPORT: …"), False),
        ((TOPIC_RIGHT, MissingRight(Resource.CLUSTER)), (TOPIC_WORDS,), False),
        ((MissingRight(Resource.GROUP, "g", prefixed=True),), (), False),
    ],
)
def test_a_hidden_topic_hides_no_group(
    rights: tuple[MissingRight, ...], errors: tuple[str, ...], *, complete: bool
) -> None:
    """So a group that is missing then is gone; what hides groups leaves that open."""
    seen = Snapshot(NOON, "local", list_errors=errors, missing_rights=rights)

    assert measure(seen).complete is complete


def test_a_group_that_has_committed_is_not_believed_to_be_dead() -> None:
    """Kafka says so of streams groups: how many members they have is then not known, never 0."""
    said = reading(Committed(AT, 5000), state="dead", members=0)

    found = one(measured(said, logs=(PartitionOffsets(AT, 0, 5200, 5200),)))

    assert (found.lag, found.members, found.state) == (200, None, None)


def test_a_group_named_before_it_exists_is_believed_to_be_dead() -> None:
    """It has committed nothing, so that it has no members is all that is known."""
    said = reading(Committed(AT, None), state="dead", members=0)

    found = one(measured(said, logs=(PartitionOffsets(AT, 0, 5200, 5200),)))

    assert (found.lag, found.members, found.state) == (None, 0, "dead")
