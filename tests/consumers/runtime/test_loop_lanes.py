"""The loop with several lanes: what runs at once, what waits for what, what may be committed."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.errors import Poison, Retryable, Unavailable
from consumers.runtime.backlog import QueuePolicy
from tests.builders import record
from tests.consumers.runtime.bench import AT, OTHER, Bench, endless

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.types import Record, TopicPartition

pytestmark = pytest.mark.usefixtures("logged")


def keyed(*keys: bytes | None, partition: int = 0) -> list[Record]:
    """Make a record of each of *keys*, at 0, 1, 2 ... of *partition*."""
    return [record(offset, partition=partition, key=key) for offset, key in enumerate(keys)]


def handled(bench: Bench) -> list[tuple[int, int, int]]:
    """List the handler's calls: at which full second, which partition, which offset."""
    return sorted((round(at), partition, offset) for at, partition, offset in bench.handled)


def test_as_many_records_as_lanes_are_worked_on_at_once() -> None:
    """Four lanes do in one second what takes one lane four."""
    bench = Bench(lanes=4, seconds=lambda _: 1.0)

    bench.run(*keyed(b"a", b"b", b"c", b"d", b"e"))

    assert [at for at, *_ in handled(bench)] == [1, 1, 1, 1, 2]
    assert bench.source.committed == {AT: 5}


@pytest.mark.parametrize("key", [b"a", None])
def test_one_key_is_worked_on_in_order(key: bytes | None) -> None:
    """Records of one key, or without any, run one after the other, however many lanes are free."""
    bench = Bench(lanes=4, seconds=lambda _: 1.0)

    bench.run(*keyed(key, key, key))

    assert handled(bench) == [(1, 0, 0), (2, 0, 1), (3, 0, 2)]


def test_records_without_a_key_keep_their_order_per_partition_alone() -> None:
    """Partitions have no order between them: their records without a key run at once."""
    bench = Bench(partitions=2, lanes=4, seconds=lambda _: 1.0)

    bench.run(*keyed(None, None), *keyed(None, partition=1))

    assert handled(bench) == [(1, 0, 0), (1, 1, 0), (2, 0, 1)]


def test_a_record_that_is_tried_again_holds_up_its_key_alone() -> None:
    """Other keys of the partition go on, and the commit stays before the record that waits."""
    bench = Bench(lanes=2, script={0: endless(Retryable)[:3]})
    committed: list[int | None] = []
    bench.clock.at(6, lambda: committed.append(bench.source.committed.get(AT)))

    bench.run(*keyed(b"a", b"b", b"a", b"c"))

    assert handled(bench) == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 0, 3),
        (1, 0, 0),
        (3, 0, 0),
        (7, 0, 0),
        (7, 0, 2),
    ]
    assert committed == [None]
    assert bench.source.committed == {AT: 4}


def test_a_record_that_waits_for_a_dependency_holds_up_its_partition() -> None:
    """The others would meet the same: one record asks for them all, until there is an answer."""
    bench = Bench(lanes=2, partitions=2, script={0: endless(Unavailable)[:3]})
    paused: list[set[TopicPartition]] = []
    bench.clock.at(2, lambda: paused.append(set(bench.source.paused)))
    bench.source.at(0.5, lambda: bench.source.add(record(1, key=b"b"), record(9, partition=1)))

    bench.run(record(0, key=b"a"))

    assert paused == [{AT}]
    assert bench.times(9) == pytest.approx([0.5], abs=0.3)
    assert bench.times(1) == pytest.approx([7], abs=0.1)
    assert bench.source.committed == {AT: 2, OTHER: 10}
    assert bench.source.paused == set()


def test_a_commit_waits_for_the_slowest_record() -> None:
    """What is finished behind a record that is still in work is not committed yet."""
    bench = Bench(lanes=4, seconds=lambda one: 30 if one.offset == 1 else 0)
    committed: list[int] = []
    bench.clock.at(20, lambda: committed.append(bench.source.committed[AT]))

    bench.run(*keyed(b"a", b"b", b"c", b"d"))

    assert committed == [1]
    assert bench.source.committed == {AT: 4}


def test_a_free_lane_goes_on_while_another_is_slow() -> None:
    """One slow record pauses nothing as long as a lane is free."""
    bench = Bench(lanes=2, seconds=lambda one: 30 if one.offset == 0 else 0)
    bench.source.at(10, lambda: bench.source.add(record(1, key=b"b")))

    bench.run(record(0, key=b"a"))

    assert bench.times(1) == pytest.approx([10], abs=0.3)


def test_busy_lanes_pause_everything_and_are_polled() -> None:
    """While no lane is free nothing is fetched, and the group is polled all the same."""
    bench = Bench(lanes=2, seconds=lambda _: 100)
    paused: list[set[TopicPartition]] = []
    bench.clock.at(50, lambda: paused.append(set(bench.source.paused)))

    bench.run(*keyed(b"a", b"b", b"c"), seconds=300)

    assert paused == [{AT}]
    polls = bench.source.polls
    assert max(later - earlier for earlier, later in pairwise(polls)) < 2
    assert bench.source.committed == {AT: 3}


def test_records_in_work_are_waited_for_when_their_partition_is_revoked() -> None:
    """All lanes that work on the partition may finish; what is not begun is left to the next."""
    bench = Bench(lanes=2, seconds=lambda one: 2 + one.offset / 10)
    committed: list[dict[TopicPartition, int]] = []

    def revoke() -> None:
        bench.source.revoke([AT])
        committed.append(dict(bench.source.committed))

    bench.source.at(1.2, revoke)
    bench.run(*keyed(b"a", b"b", b"c", b"d"))

    assert committed == [{AT: 2}]
    assert sorted(offset for *_, offset in bench.handled) == [0, 1]


def quick_before(offset: int, seconds: float) -> Callable[[Record], float]:
    """Let what comes before *offset* take no time, so that lanes are handed many records at once.

    They double from one on: the fifth run begins at 15.
    """
    return lambda one: 0.0 if one.offset < offset else seconds


def test_what_was_handed_over_and_not_begun_is_left_to_the_next_owner() -> None:
    """Of a run of many records a revocation waits for the one in work alone."""
    bench = Bench(lanes=2, seconds=quick_before(15, 2.0))
    committed: list[dict[TopicPartition, int]] = []

    def revoke() -> None:
        bench.source.revoke([AT])
        committed.append(dict(bench.source.committed))

    bench.source.at(0.05, revoke)
    bench.run(*keyed(*[b"a"] * 40))

    assert committed == [{AT: 16}]
    assert [offset for *_, offset in bench.handled] == [*range(16)]


def test_a_record_that_is_slow_keeps_no_others_waiting_in_its_run() -> None:
    """What was handed over together with it is taken back, for a lane that is free."""
    bench = Bench(lanes=2, seconds=lambda one: 10.0 if one.offset == 15 else 0.0)

    bench.run(*keyed(*(b"%d" % n for n in range(60))))

    assert bench.times(15)[0] >= 10
    assert max(bench.times(offset)[0] for offset in range(60) if offset != 15) < 1


def test_a_record_of_a_partition_that_was_just_taken_away_is_not_begun() -> None:
    """A client may give a record after it has told of the revocation: it is the next owner's."""
    bench = Bench()
    fetch = bench.source.fetch

    def late(most: int, timeout_seconds: float) -> list[Record]:
        found = fetch(most, timeout_seconds)
        if found and not bench.source.closed_after and bench.clock.now < bench.began + 5:
            bench.source.revoke([AT])
        return found

    bench.source.at(10, lambda: bench.source.assign([AT]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.source, "fetch", late)
        bench.run(record(0), record(1))

    assert [(at >= 10, offset) for at, _, offset in bench.handled] == [(True, 0), (True, 1)]
    assert bench.source.committed == {AT: 2}


def test_a_key_is_not_worked_on_twice_when_its_partition_returns() -> None:
    """A try that outlives its partition's revocation keeps its key until it ends."""
    bench = Bench(lanes=2, seconds=lambda _: 20)

    def away_and_back() -> None:
        bench.source.revoke([AT])
        bench.source.assign([AT])

    bench.source.at(2, away_and_back)
    bench.run(record(0, key=b"a"), seconds=100)

    assert bench.times(0) == pytest.approx([20, 40], abs=0.5)
    assert bench.sample("consumers_records_total", outcome="dropped") == 1
    assert bench.source.committed == {AT: 1}


def test_nothing_more_is_fetched_when_the_queue_is_full() -> None:
    """Above the limit everything is paused and polled; below half of it fetching goes on."""
    bench = Bench(lanes=2, script={0: endless(Retryable)[:3]}, queue=QueuePolicy(max_records=10))
    full: list[tuple[set[TopicPartition], float | None]] = []
    bench.clock.at(
        6,
        lambda: full.append(
            (set(bench.source.paused), bench.sample("consumers_in_flight_records"))
        ),
    )

    bench.run(*keyed(*[b"a"] * 30))

    assert full == [({AT}, 10)]
    assert [offset for *_, offset in bench.handled] == [0, 0, 0, *range(30)]
    assert bench.source.committed == {AT: 30}


def test_the_queue_is_bounded_in_bytes() -> None:
    """Large records fill the queue by their size."""
    bench = Bench(lanes=2, script={0: endless(Retryable)[:3]}, queue=QueuePolicy(max_bytes=1000))
    unfinished: list[float | None] = []
    bench.clock.at(6, lambda: unfinished.append(bench.sample("consumers_in_flight_records")))

    bench.run(*(record(n, key=b"a", value=b"x" * 199) for n in range(30)))

    assert unfinished == [5]
    assert bench.source.committed == {AT: 30}


def test_one_record_does_not_let_finished_ones_pile_up_for_ever() -> None:
    """A partition whose first record waits is left alone when too much is kept behind it."""
    bench = Bench(
        lanes=2,
        partitions=2,
        script={0: endless(Retryable)[:3]},
        queue=QueuePolicy(max_records=20),
    )
    first = keyed(b"a", *(b"%d" % n for n in range(200)))
    seen: list[int] = []
    bench.clock.at(6, lambda: seen.append(len(bench.handled)))
    bench.source.at(5, lambda: bench.source.add(record(999, partition=1)))
    bench.run(*first)

    assert 20 <= seen[0] <= 40
    assert bench.times(999) == pytest.approx([5], abs=0.3)
    assert bench.source.committed == {AT: 201, OTHER: 1000}


OUTCOMES = st.lists(st.sampled_from([Retryable, Unavailable, Poison, KeyError]), max_size=4)
RECORDS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([None, b"a", b"b", b"c"])), min_size=1, max_size=25
)
TROUBLES = st.lists(
    st.tuples(
        st.floats(0.1, 20), st.sampled_from(["revoke", "lose"]), st.sampled_from([AT, OTHER])
    ),
    max_size=4,
)


@settings(max_examples=80, deadline=None)
@given(
    kinds=RECORDS,
    script=st.dictionaries(st.integers(0, 24), OUTCOMES, max_size=8),
    slow=st.dictionaries(st.integers(0, 24), st.floats(0, 12), max_size=5),
    troubles=TROUBLES,
    lanes=st.integers(1, 4),
)
def test_whatever_happens_order_is_kept_and_nothing_is_passed(
    kinds: list[tuple[int, bytes | None]],
    script: dict[int, list[type[Exception]]],
    slow: dict[int, float],
    troubles: list[tuple[float, str, TopicPartition]],
    lanes: int,
) -> None:
    """Failures, slow handlers, rebalances: per key in order, no commit past an unfinished record.

    In the end every record was handled or is a dead letter, and everything is committed.
    """
    records = [record(n, partition=p, key=key) for n, (p, key) in enumerate(kinds)]
    bench = Bench(
        partitions=2,
        lanes=lanes,
        script={offset: [kind("again") for kind in errors] for offset, errors in script.items()},
        seconds=lambda one: slow.get(one.offset, 0.0),
    )
    finished: set[int] = set()
    handle, commit, keep = bench.handle, bench.source.commit, bench.dead_letters.send

    def strand(one: Record) -> tuple[int, bytes | None]:
        return one.partition, one.key if lanes > 1 else None

    def watched(one: Record) -> None:
        ahead = {other.offset for other in records if strand(other) == strand(one)}
        assert {offset for offset in ahead if offset < one.offset} <= finished
        handle(one)
        finished.add(one.offset)

    def checked(offsets: dict[TopicPartition, int]) -> None:
        for at, end in offsets.items():
            assert {one.offset for one in records if one.at == at and one.offset < end} <= finished
        commit(offsets)

    def kept(one: Record, error: BaseException, *, attempts: int) -> None:
        keep(one, error, attempts=attempts)
        finished.add(one.offset)

    def rebalance(kind: str, at: TopicPartition) -> None:
        (bench.source.revoke if kind == "revoke" else bench.source.lose)([at])
        bench.source.assign([at])

    for seconds, kind, at in troubles:
        bench.source.at(seconds, partial(rebalance, kind, at))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.executor._tries, "_handler", watched)
        patch.setattr(bench.source, "commit", checked)
        patch.setattr(bench.dead_letters, "send", kept)
        bench.run(*records, seconds=2000)

    assert finished == {one.offset for one in records}
    ends = Counter({one.at: one.offset + 1 for one in records})
    assert bench.source.committed == ends
    assert bench.sample("consumers_in_flight_records") == 0
    assert bench.source.paused == set()
