"""The records of a partition keep their order; partitions do not wait for each other."""

from __future__ import annotations

from consumers.runtime.lanes import Lanes
from consumers.types import Attempt, TopicPartition
from tests.builders import TOPIC, record


def attempt(offset: int, partition: int = 0) -> Attempt:
    """Make an attempt at a record of *partition*."""
    return Attempt(record(offset, partition=partition))


def taken(lanes: Lanes, now: float = 0) -> list[tuple[int, int]]:
    """Take all that may run at *now*, as partition and offset."""
    found = []
    while run := lanes.take(now):
        (one,) = run
        found.append((one.record.partition, one.record.offset))
        lanes.ended(one)
    return found


def put_off(lanes: Lanes, offset: int, partition: int, until: float) -> None:
    """Queue a record that comes before those that are queued, take it, and put it off."""
    lanes.add(attempt(offset, partition))
    (one,) = lanes.take(0)
    lanes.put_off(one, until, everything=False)


def test_a_partition_runs_in_order() -> None:
    """Records of one partition come in the order in which they were added."""
    lanes = Lanes()
    for offset in (4, 5, 6):
        lanes.add(attempt(offset))

    assert taken(lanes) == [(0, 4), (0, 5), (0, 6)]


def test_partitions_take_turns() -> None:
    """A partition with much to do does not keep the others from running."""
    lanes = Lanes()
    for offset in (4, 5):
        lanes.add(attempt(offset, partition=0))
    lanes.add(attempt(9, partition=1))

    assert taken(lanes) == [(0, 4), (1, 9), (0, 5)]


def test_a_record_that_waits_holds_its_partition_alone() -> None:
    """While a record waits for its next try nothing behind it runs, but other partitions do."""
    lanes = Lanes()
    put_off(lanes, 4, partition=0, until=10)
    lanes.add(attempt(5, partition=0))
    lanes.add(attempt(9, partition=1))

    assert taken(lanes, now=9.9) == [(1, 9)]
    assert taken(lanes, now=10) == [(0, 4), (0, 5)]


def test_the_next_due_time_is_the_earliest() -> None:
    """The loop may sleep until the first of the waiting records is due."""
    lanes = Lanes()

    assert lanes.next_due() is None

    put_off(lanes, 4, partition=0, until=30)
    put_off(lanes, 4, partition=1, until=20)

    assert lanes.next_due() == 20
    assert lanes.waiting() == {TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)}


def test_a_dropped_partition_has_nothing_to_run() -> None:
    """What is queued for a partition that was taken away is forgotten and counted."""
    lanes = Lanes()
    put_off(lanes, 4, partition=0, until=0)
    lanes.add(attempt(5))

    assert lanes.drop([TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 7)]) == 2
    assert taken(lanes) == []
    assert lanes.waiting() == set()


def by_key(*keys: bytes) -> tuple[Lanes, list[Attempt]]:
    """Give lanes from which a record of each of *keys*, at 0, 1, 2 ..., was taken."""
    lanes = Lanes(by_key=True)
    for offset, key in enumerate(keys):
        lanes.add(Attempt(record(offset, key=key)))
    return lanes, lanes.take(0, most=len(keys))


def test_one_record_asks_for_all_that_wait_for_a_dependency() -> None:
    """Of several keys that found it away one is tried again; with its answer all go on."""
    lanes, (first, second) = by_key(b"a", b"b")
    lanes.put_off(first, 10, everything=True)
    lanes.put_off(second, 5, everything=True)
    lanes.add(Attempt(record(2, key=b"c")))

    assert lanes.held() == {TopicPartition(TOPIC, 0)}
    assert lanes.take(9, most=9) == []
    assert lanes.take(10, most=9) == [first]
    assert lanes.take(10, most=9) == []

    lanes.ended(first)

    assert lanes.held() == set()
    assert [one.record.offset for one in lanes.take(10)] == [1]
    assert [one.record.offset for one in lanes.take(10)] == [2]


def test_a_record_that_fails_by_itself_is_an_answer_too() -> None:
    """The dependency is back when the record that asked fails for a reason of its own."""
    lanes, (first, second) = by_key(b"a", b"b")
    lanes.put_off(first, 10, everything=True)
    lanes.put_off(second, 10, everything=True)
    assert lanes.take(10) == [first]

    lanes.put_off(first, 30, everything=False)

    assert lanes.held() == set()
    assert lanes.take(10) == [second]
    assert lanes.next_due() == 30


def test_a_dependency_that_is_still_away_is_asked_again_by_the_same_record() -> None:
    """The partition stays held until there is an answer."""
    lanes, (first, second) = by_key(b"a", b"b")
    lanes.put_off(first, 10, everything=True)
    lanes.put_off(second, 10, everything=True)
    assert lanes.take(10) == [first]

    lanes.put_off(first, 20, everything=True)

    assert lanes.take(19) == []
    assert lanes.take(20) == [first]
