"""A commit never passes a record that was delivered and is not finished."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.offsets import Offsets, next_offset, stretches
from consumers.types import TopicPartition
from tests.builders import record

AT = TopicPartition("plays", 0)
OTHER = TopicPartition("plays", 1)


def tracked(delivered: list[int], finished: list[int]) -> Offsets:
    """Make the bookkeeping after *delivered* and then *finished*."""
    offsets = Offsets()
    for offset in delivered:
        offsets.started(AT, offset)
    for offset in finished:
        offsets.finished(AT, offset)
    return offsets


@pytest.mark.parametrize(
    ("delivered", "finished", "commit", "because"),
    [
        ([], [], None, "nothing was delivered"),
        ([5], [], None, "the only record is unfinished"),
        ([5], [5], 6, "the next record to read is the one after it"),
        ([5, 6, 7], [5, 7], 6, "6 is unfinished: 7 must not count yet"),
        ([5, 6, 7], [7, 6], None, "5 is unfinished: nothing counts yet"),
        ([5, 6, 7], [7, 5, 6], 8, "all are finished, in whatever order"),
        ([5, 9, 40], [5, 9], 10, "a gap is no record: compaction, a transaction marker"),
        ([5, 9, 40], [9, 5, 40], 41, "gaps do not hold a commit back"),
        ([0], [0], 1, "the first record of a partition is at 0"),
        ([5], [4, 5, 6], 6, "what was never delivered cannot be finished"),
    ],
)
def test_the_commit_is_the_end_of_what_is_finished(
    delivered: list[int], finished: list[int], commit: int | None, because: str
) -> None:
    """The offset to commit is the one after the last record before which nothing is unfinished."""
    offsets = tracked(delivered, finished)

    assert offsets.committable().get(AT) == commit, because


@given(
    st.sets(st.integers(0, 1000), max_size=60).map(sorted),
    st.data(),
)
def test_no_order_of_finishing_lets_a_commit_pass_an_unfinished_record(
    delivered: list[int], data: st.DataObject
) -> None:
    """Whatever finishes in whatever order, everything before the commit is finished."""
    order = data.draw(st.permutations(delivered))
    finished = order[: data.draw(st.integers(0, len(order)))]

    commit = tracked(delivered, finished).committable().get(AT, 0)

    assert all(offset in finished for offset in delivered if offset < commit)
    unfinished = [offset for offset in delivered if offset not in finished]
    if delivered and not unfinished:
        assert commit == next_offset(delivered[-1])


def test_what_was_acknowledged_is_not_committed_again() -> None:
    """A partition that has not moved since its commit was acknowledged is left out."""
    offsets = tracked([5, 6], [5])
    offsets.acknowledged(offsets.committable())

    assert offsets.committable() == {}

    offsets.finished(AT, 6)

    assert offsets.committable() == {AT: 7}


def test_a_commit_that_was_not_acknowledged_stays_due() -> None:
    """Asking for the offsets does not count as committing them."""
    offsets = tracked([5], [5])

    assert offsets.committable() == offsets.committable() == {AT: 6}


def test_a_forgotten_partition_is_not_committed() -> None:
    """After a partition is taken away nothing of it may be committed, even if it finishes late."""
    offsets = tracked([5, 6], [5])

    offsets.forget([AT])
    offsets.finished(AT, 6)

    assert offsets.committable() == {}
    assert offsets.unfinished() == 0


def test_partitions_do_not_hold_each_other_back() -> None:
    """An unfinished record holds back its own partition alone."""
    offsets = tracked([5], [])
    offsets.started(OTHER, 3)
    offsets.finished(OTHER, 3)

    assert offsets.committable() == {OTHER: 4}


@pytest.mark.parametrize(("offset", "rewound"), [(7, False), (6, True), (0, True)])
def test_a_rewound_partition_is_noticed(offset: int, rewound: bool) -> None:  # noqa: FBT001 - a table's column
    """A record that is not past the last one says that the partition was rewound or made again."""
    offsets = tracked([5, 6], [5])

    assert offsets.rewound(AT, offset) is rewound


def test_unfinished_records_are_counted() -> None:
    """In flight is what was delivered and is not finished, over all partitions."""
    offsets = tracked([5, 6, 7], [6])
    offsets.started(OTHER, 1)

    assert offsets.unfinished() == 3


def test_records_are_cut_where_the_partition_changes_or_the_offsets_do_not_rise() -> None:
    """So that each stretch can be noted at once, and a rewind inside a fetch begins another."""
    places = [(0, 5), (0, 9), (1, 10), (0, 10), (0, 11), (0, 5), (0, 5), (0, 6)]

    cut = stretches(record(offset, partition=partition) for partition, offset in places)

    found = [[(one.partition, one.offset) for one in stretch] for stretch in cut]
    assert found == [
        [(0, 5), (0, 9)],
        [(1, 10)],
        [(0, 10), (0, 11)],
        [(0, 5)],
        [(0, 5), (0, 6)],
    ]
    assert list(stretches([])) == []


def test_several_records_are_noted_as_one_by_one() -> None:
    """Started and finished together, in any order, with one among them that is unknown."""
    offsets = Offsets()
    offsets.started(AT, 5, 6, 9)
    offsets.finished(AT, 9, 5, 7)

    assert offsets.committable() == {AT: 6}
    assert offsets.unfinished() == 1
