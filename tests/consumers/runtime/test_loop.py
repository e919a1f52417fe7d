"""The loop on fakes and a clock of our own: what is tried again, given up, committed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from consumers.errors import Fatal, Poison, Retryable, Unavailable
from consumers.runtime.backoff import RetryPolicy
from consumers.runtime.loop import TURN_SECONDS, StopPolicy
from tests.builders import TOPIC, record
from tests.consumers.runtime.bench import AT, OTHER, Bench, endless

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from consumers.types import TopicPartition

pytestmark = pytest.mark.usefixtures("logged")


def test_records_are_handled_in_order_and_committed() -> None:
    """Every record reaches the handler once, in order, and the commit is the next one to read."""
    bench = Bench().run(record(0), record(1), record(2))

    assert [offset for _, _, offset in bench.handled] == [0, 1, 2]
    assert bench.source.committed == {AT: 3}
    assert bench.sample("consumers_records_total", outcome="done") == 3


def test_a_retryable_failure_is_tried_again_after_1_2_and_4_seconds() -> None:
    """A record that fails three times is tried four times, with growing waits between."""
    bench = Bench(script={0: [Retryable("not yet")] * 3}).run(record(0))

    assert bench.times(0) == [0, 1, 3, 7]
    assert bench.dead_letters.kept == []
    assert bench.source.committed == {AT: 1}
    assert bench.sample("consumers_retries_total", reason="retry") == 3


def test_a_record_is_tried_when_its_wait_is_over() -> None:
    """A wait shorter than a poll is kept to as well: the loop does not oversleep."""
    policy = RetryPolicy(initial_seconds=0.1, jitter=0)
    bench = Bench(script={0: [Retryable("not yet")] * 3}, policy=policy).run(record(0))

    assert bench.times(0) == pytest.approx([0, 0.1, 0.3, 0.7])


def test_a_record_whose_tries_are_spent_is_dead_lettered() -> None:
    """After the last retry the record goes to the queue with its error and the number of tries."""
    bench = Bench(script={0: endless(KeyError)}).run(record(0), record(1))

    assert [(one.offset, tries) for one, _, tries in bench.dead_letters.kept] == [(0, 4)]
    assert isinstance(bench.dead_letters.kept[0][1], KeyError)
    assert bench.source.committed == {AT: 2}


def test_poison_is_dead_lettered_at_once_and_the_next_record_is_handled() -> None:
    """A record that can never succeed costs one try and no time."""
    bench = Bench(script={0: [Poison("never")]}).run(record(0), record(1))

    assert [(one.offset, tries) for one, _, tries in bench.dead_letters.kept] == [(0, 1)]
    assert bench.times(1) == [0]
    assert bench.source.committed == {AT: 2}


def test_an_unavailable_dependency_never_spends_a_try() -> None:
    """However long a dependency is away, the record waits; it still has all its tries then."""
    failures: list[Exception] = [Unavailable("down")] * 50 + [Retryable("flaky")] * 3
    bench = Bench(script={0: failures}).run(record(0), seconds=3600)

    assert bench.dead_letters.kept == []
    assert len(bench.times(0)) == 54
    assert bench.source.committed == {AT: 1}


def test_waits_for_a_dependency_stay_below_the_cap() -> None:
    """While a dependency is away it is asked at least every 30 seconds."""
    bench = Bench(script={0: endless(Unavailable)}).run(record(0), seconds=600)

    calls = bench.times(0)
    assert max(later - earlier for earlier, later in pairwise(calls)) == 30
    assert bench.source.committed == {}


def test_a_refusal_that_says_when_to_ask_again_is_followed() -> None:
    """After a long outage the record is tried when its breaker lets it through, not at the cap."""
    failures: list[Exception] = [Unavailable("down")] * 8
    bench = Bench(script={0: [*failures, Unavailable("open", retry_after_seconds=4)]})

    bench.run(record(0), seconds=600)

    *_, refused, done = bench.times(0)
    assert done - refused == 4
    assert bench.source.committed == {AT: 1}


def test_a_refusal_that_asks_for_a_day_is_followed_to_the_cap() -> None:
    """Whatever a dependency asks for, it is asked again after 30 seconds."""
    bench = Bench(script={0: [Unavailable("later", retry_after_seconds=86_400)]})

    bench.run(record(0), seconds=600)

    assert bench.times(0) == [0, 30]


def test_a_refusal_that_asks_for_no_time_makes_no_busy_loop() -> None:
    """While a breaker's probe is under way those it refuses ask once in the first wait."""
    refusals: list[Exception] = [Unavailable("probed", retry_after_seconds=0) for _ in range(1000)]
    bench = Bench(script={0: refusals})

    bench.run(record(0), seconds=60)

    assert len(bench.times(0)) == 60


def test_a_failed_dead_letter_never_moves_the_offset() -> None:
    """As long as the queue does not take the record, nothing is committed past it."""
    bench = Bench(script={0: endless(Poison)}, dead_letter_failures=1000)

    bench.run(record(0), record(1), seconds=600)

    assert bench.source.committed == {}
    assert bench.times(1) == []
    failures = bench.sample("consumers_dead_letter_failures_total")
    assert failures == len(bench.times(0)) > 1


def test_a_dead_letter_that_was_refused_is_written_later() -> None:
    """When the queue is back the record is kept once, and the number of tries does not grow."""
    bench = Bench(script={0: endless(Poison)}, dead_letter_failures=2).run(record(0))

    assert [tries for _, _, tries in bench.dead_letters.kept] == [1]
    assert bench.source.committed == {AT: 1}


def test_a_waiting_partition_is_paused_and_polling_goes_on() -> None:
    """While a record waits, its partition gives nothing, and the group is still polled."""
    bench = Bench(script={0: [Unavailable("down")] * 4})
    paused: list[set[TopicPartition]] = []
    bench.clock.at(10, lambda: paused.append(set(bench.source.paused)))

    bench.run(record(0), record(1))

    assert paused == [{AT}]
    assert bench.source.paused == set()
    gaps = [b - a for a, b in pairwise(bench.source.polls)]
    assert max(gaps) < 1
    assert [offset for _, _, offset in bench.handled] == [0, 0, 0, 0, 0, 1]


def test_other_partitions_do_not_wait() -> None:
    """A record that waits holds up its own partition alone."""
    bench = Bench(partitions=2, script={0: endless(Unavailable)})

    bench.run(record(0), record(7, partition=1), record(8, partition=1))

    assert bench.times(8) == [0]
    assert bench.source.committed == {OTHER: 9}


def test_commits_are_at_most_one_a_second() -> None:
    """Many records in a second make one commit, and the end makes the last."""
    bench = Bench(seconds=lambda _: 0.1).run(*(record(n) for n in range(100)), seconds=30)

    times = [at for at, _ in bench.source.commits]
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))
    assert 9 <= len(times) <= 12
    assert bench.source.committed == {AT: 100}


def test_a_refused_commit_is_sent_again() -> None:
    """A commit that failed is counted and sent again when the next one is due, not in between."""
    bench = Bench()
    bench.source.commit_error = "REBALANCE_IN_PROGRESS"
    bench.clock.at(5, lambda: setattr(bench.source, "commit_error", None))

    bench.run(record(0))

    assert bench.source.committed == {AT: 1}
    assert 4 <= (bench.sample("consumers_commits_total", result="failed") or 0) <= 6
    assert bench.sample("consumers_commits_total", result="ok") == 1


def test_a_slow_handler_is_not_taken_for_dead() -> None:
    """While a handler takes ten minutes everything is paused and polled, then goes on."""
    bench = Bench(partitions=2, seconds=lambda one: 600 if one.offset == 0 else 0)
    bench.source.add(record(0), record(5, partition=1))
    paused: list[set[TopicPartition]] = []
    bench.clock.at(300, lambda: paused.append(set(bench.source.paused)))

    bench.run(seconds=700)

    assert paused == [{AT, OTHER}]
    gaps = [b - a for a, b in pairwise(bench.source.polls)]
    assert max(gaps) < 2
    assert bench.source.paused == set()
    assert bench.source.committed == {AT: 1, OTHER: 6}


def test_a_slow_handler_does_not_wake_a_waiting_partition() -> None:
    """When the partitions are resumed after a slow handler, one that waits stays paused."""
    bench = Bench(
        partitions=2,
        script={0: endless(Unavailable)},
        seconds=lambda one: 5 if one.partition else 0,
    )
    paused: list[set[TopicPartition]] = []
    # The waiting record is tried at 0, 1, 3, 7, 15 and 31 seconds; the slow one ends at about 21.
    bench.source.at(16, lambda: bench.source.add(record(7, partition=1)))
    bench.source.at(25, lambda: paused.append(set(bench.source.paused)))

    bench.run(record(0))

    assert paused == [{AT}]
    assert bench.source.committed == {OTHER: 8}


def test_a_partition_assigned_while_a_handler_is_slow_waits_too() -> None:
    """What is assigned while everything is paused is paused as well, and then resumed."""
    bench = Bench(partitions=2, seconds=lambda one: 20 if one.partition == 0 else 0)
    bench.source.add(record(0), record(5, partition=1))
    paused: list[set[TopicPartition]] = []

    def take_and_give() -> None:
        bench.source.revoke([OTHER])
        bench.source.resume([OTHER])
        bench.source.assign([OTHER])
        paused.append(set(bench.source.paused))

    bench.source.at(10, take_and_give)
    bench.run()

    assert paused == [{AT, OTHER}]
    assert bench.source.committed == {AT: 1, OTHER: 6}


def test_revoked_partitions_are_committed_first() -> None:
    """What is finished when a partition is taken away is committed before it goes."""
    bench = Bench(seconds=lambda _: 0.4)
    bench.source.at(0.9, lambda: bench.source.revoke([AT]))

    bench.run(*(record(n) for n in range(10)), seconds=30)

    handled = {offset for _, _, offset in bench.handled}
    assert bench.source.committed == {AT: max(handled) + 1}


def test_the_record_in_work_is_waited_for_when_its_partition_is_revoked() -> None:
    """A record that ends within the bound is committed before its partition goes."""
    bench = Bench(partitions=1, seconds=lambda _: 4)
    committed: list[dict[TopicPartition, int]] = []

    def revoke() -> None:
        bench.source.revoke([AT])
        committed.append(dict(bench.source.committed))

    bench.source.at(2, revoke)
    bench.run(record(0), record(1))

    assert committed == [{AT: 1}]
    assert len(bench.handled) == 1


@pytest.mark.parametrize("goes", ["the partition", "the worker"])
def test_to_wait_for_a_record_in_work_is_to_turn(goes: str) -> None:
    """However long the bound is: nobody is to kill a worker that keeps to it."""
    bench = Bench(seconds=lambda _: 100, patience=StopPolicy(120, 120))
    said: list[str | None] = []
    for seconds in (40, 60, 99):
        bench.clock.at(seconds, lambda: said.append(bench.runtime.stuck()))
    if goes == "the partition":
        bench.source.at(2, lambda: bench.source.revoke([AT]))

    bench.run(record(0), seconds=300 if goes == "the partition" else 2)

    assert said == [None] * 3
    assert bench.source.committed == {AT: 1}


@pytest.mark.parametrize("seconds", [0.3, 3, 45.5])
def test_the_wait_for_a_record_in_work_ends_on_time(seconds: float) -> None:
    """The bound is kept to the fraction, also where it is longer than one look."""
    bench = Bench(seconds=lambda _: 200, patience=StopPolicy(8, seconds))
    gone: list[float] = []

    def revoke() -> None:
        began = bench.clock.now
        bench.source.revoke([AT])
        gone.append(bench.clock.now - began)

    bench.source.at(2, revoke)
    bench.run(record(0))

    assert gone == [pytest.approx(seconds)]


def test_a_record_still_in_work_when_its_partition_goes_does_not_count() -> None:
    """What ends after its partition was taken away is neither committed nor tried again."""
    bench = Bench(seconds=lambda _: 20)
    bench.source.at(2, lambda: bench.source.revoke([AT]))

    bench.run(record(0))

    assert bench.source.committed == {}
    assert bench.sample("consumers_records_total", outcome="dropped") == 1
    assert bench.sample("consumers_records_total", outcome="done") == 0


def test_lost_partitions_are_never_committed() -> None:
    """A member that was taken for dead commits nothing, even of what it has finished."""
    bench = Bench()
    bench.source.at(0.5, lambda: bench.source.lose([AT]))

    bench.run(record(0), record(1))

    assert len(bench.handled) == 2
    assert bench.source.committed == {}


def test_a_waiting_record_is_forgotten_with_its_partition_and_read_again_after_it() -> None:
    """After a partition comes back its first uncommitted record starts with all its tries."""
    bench = Bench(script={0: [Retryable("not yet")] * 6})

    def away_and_back() -> None:
        bench.source.revoke([AT])
        bench.source.assign([AT])

    bench.source.at(3.5, away_and_back)
    bench.run(record(0))

    assert bench.dead_letters.kept == []
    assert len(bench.times(0)) == 7
    assert bench.source.committed == {AT: 1}
    assert bench.source.paused == set()


def test_a_rewound_partition_is_read_anew(logged: list[EventDict]) -> None:
    """When offsets begin again, as in a topic that was made anew, the old position is void."""
    bench = Bench(script={0: [], 1: []})

    def begin_again() -> None:
        bench.script[0] = endless(Unavailable)
        bench.source.seek(AT, 0)

    bench.source.at(0.5, begin_again)
    bench.run(record(0), record(1))

    assert len(bench.times(0)) > 2
    assert bench.source.committed == {}
    assert {"event": "partition_rewound", "topic": TOPIC, "partition": 0}.items() <= next(
        event for event in logged if event["log_level"] == "warning"
    ).items()


def test_a_fatal_error_stops_the_worker_and_commits_nothing_more() -> None:
    """A fatal error ends the run with an exception that names the record; the rest is redone."""
    bench = Bench(script={1: [Fatal("the ledger is gone")]})

    with pytest.raises(Fatal, match=r"plays\[0\]@1.*the ledger is gone"):
        bench.run(record(0), record(1), record(2))

    assert bench.times(2) == []
    assert bench.source.committed == {}
    assert bench.source.closed_after is not None


def test_a_fatal_error_after_the_stop_commits_nothing_more_either() -> None:
    """The record that is finished while stopping may be the one that must not be passed."""
    bench = Bench(
        script={1: [Fatal("the ledger is gone")]},
        seconds=lambda one: 1.2 if one.offset == 0 else 5,
    )

    with pytest.raises(Fatal):
        bench.run(record(0), record(1), seconds=1.5)

    assert bench.times(1)
    assert bench.source.committed == {}
    assert bench.source.closed_after is not None


def test_stopping_finishes_the_record_in_work() -> None:
    """The record in work when the stop comes is finished and committed; no other is begun."""
    bench = Bench(seconds=lambda _: 5)

    bench.run(record(0), record(1), seconds=2)

    assert [offset for _, _, offset in bench.handled] == [0]
    assert bench.source.committed == {AT: 1}
    assert bench.executor.closed


def test_stopping_does_not_wait_for_ever() -> None:
    """A handler that does not end is left behind in time, and its record is not passed."""
    bench = Bench(seconds=lambda one: 3600 if one.offset == 1 else 0)
    bench.source.add(record(0), record(1))

    bench.run(seconds=10)

    assert bench.clock.now - bench.began <= 10 + 8
    assert bench.source.committed == {AT: 1}
    assert (bench.source.closed_after or 0) >= 1


def test_health_tells_a_loop_that_does_not_turn() -> None:
    """A loop that has not turned within its bound is stuck; one that waits is not."""
    bench = Bench(script={0: endless(Unavailable)}).run(record(0), seconds=120)

    assert bench.runtime.stuck() is None

    bench.clock.advance(TURN_SECONDS + 1)

    assert bench.runtime.stuck() == "the loop has not turned for 31 s"


def test_readiness_is_an_assignment() -> None:
    """The worker is ready from its first assignment until its partitions are lost."""
    bench = Bench()
    said: list[str | None] = [bench.runtime.unassigned()]
    bench.clock.at(5, lambda: said.append(bench.runtime.unassigned()))
    bench.source.at(6, lambda: bench.source.lose([AT]))
    bench.clock.at(7, lambda: said.append(bench.runtime.unassigned()))

    bench.run()

    assert said == [
        "the group has assigned no partitions yet",
        None,
        "the group has assigned no partitions yet",
    ]


def test_gauges_follow_what_is_under_way() -> None:
    """Assigned, waiting and unfinished are seen while they last and are 0 after the end."""
    bench = Bench(partitions=2, script={0: endless(Unavailable)})
    names = (
        "consumers_assigned_partitions",
        "consumers_waiting_partitions",
        "consumers_in_flight_records",
    )
    seen: list[list[float | None]] = []
    bench.clock.at(10, lambda: seen.append([bench.sample(name) for name in names]))

    bench.run(record(0), record(5, partition=1))

    assert seen == [[2, 1, 1]]
    assert [bench.sample(name) for name in names] == [0, 0, 0]


def test_every_failure_is_answered_by_its_type() -> None:
    """A mixture of failures leaves every record done or in the queue, and all of it committed."""
    script: dict[int, list[Exception]] = {
        1: [Poison("never")],
        2: [Retryable("not yet")],
        3: [Unavailable("down"), Poison("never")],
        4: endless(ValueError),
    }

    bench = Bench(script=script).run(*(record(n) for n in range(6)))

    assert [one.offset for one, _, _ in bench.dead_letters.kept] == [1, 3, 4]
    assert Counter(offset for _, _, offset in bench.handled) == {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 1}
    assert bench.source.committed == {AT: 6}
