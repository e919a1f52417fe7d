"""Samples of partitions: what they tell of arrivals, how sure that is, and what they cost."""

from __future__ import annotations

import sys
from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.judge.history import DENSE_SECONDS, FULL_SECONDS, ROOM, THIN_SECONDS, History, Samples
from lagmon.readings import Snapshot, StepDuration, TopicId
from tests.lagmon.builders import CLUSTER, NOON, TOPIC, at, offsets

if TYPE_CHECKING:
    from random import Random


def taken(when: float, *ends: int | None, **more: Any) -> Snapshot:
    """Build a snapshot in which the partitions of the topic end at *ends*."""
    topics = tuple(offsets(number, high=end, stable=end) for number, end in enumerate(ends))
    return replace(Snapshot(NOON + when, CLUSTER, topics), **more)


def seen(*snapshots: Snapshot, window: float = 1800.0) -> History:
    """Build a history that has observed *snapshots*."""
    history = History(window)
    for snapshot in snapshots:
        history.observe(snapshot)
    return history


def samples_of(history: History, partition: int = 0) -> Samples:
    """Give the samples of a partition that has some."""
    found = history.of(at(partition))
    assert found is not None
    return found


def test_a_record_arrived_between_the_samples_around_it() -> None:
    """One new record: halfway between the two, wrong by half of what lies between at most."""
    history = seen(taken(0, 10), taken(5, 11))

    assert history.arrived(at(), 10) == (NOON + 2.5, 2.5)


def test_records_of_one_interval_are_spread_over_it() -> None:
    """Of four new records the first is placed before the last, all strictly inside."""
    history = seen(taken(0, 10), taken(5, 14))

    times = [history.arrived(at(), offset) for offset in range(10, 14)]

    assert times == [(NOON + 1, 4), (NOON + 2, 3), (NOON + 3, 3), (NOON + 4, 4)]


@pytest.mark.parametrize("offset", [9, 14, 15, 100])
def test_nothing_is_known_outside_of_the_samples(offset: int) -> None:
    """Before the first end, at the last one and beyond it nothing is carried on."""
    assert seen(taken(0, 10), taken(5, 14)).arrived(at(), offset) is None


def test_a_partition_that_was_never_seen_has_no_arrivals() -> None:
    """Nor has one whose end never came."""
    history = seen(taken(0, 10, None), taken(5, 14, None))

    assert history.arrived(at(1), 10) is None
    assert history.arrived(at(7), 10) is None


def test_a_time_is_only_as_sure_as_the_reading_of_the_end() -> None:
    """The end of a snapshot was read after its time: that much is added to the error."""
    slow = (StepDuration("groups", 9.0), StepDuration("ends", 2.0))

    history = seen(taken(0, 10), taken(5, 11, durations=slow))

    assert history.arrived(at(), 10) == (NOON + 2.5, 4.5)


def test_the_record_after_a_long_standing_is_placed_within_one_interval() -> None:
    """An hour without a record leaves two samples, the last of them one cycle old."""
    idle = [taken(5 * number, 10) for number in range(720)]

    history = seen(*idle, taken(3600, 11))

    assert history.arrived(at(), 10) == (NOON + 3597.5, 2.5)
    assert len(samples_of(history).ends) == 3


def test_a_cycle_without_an_end_makes_the_interval_longer() -> None:
    """Where the leader did not answer, the record may have come in either cycle."""
    history = seen(taken(0, 10), taken(5, None), taken(10, 11))

    assert history.arrived(at(), 10) == (NOON + 5, 5)


def test_a_cycle_without_a_snapshot_does_too() -> None:
    """A line with an error says nothing about the ends."""
    history = seen(taken(0, 10), Snapshot(NOON + 5, CLUSTER, error="gone"), taken(10, 11))

    assert history.arrived(at(), 10) == (NOON + 5, 5)


def test_the_same_snapshot_again_adds_nothing() -> None:
    """A stage that is run again on a snapshot sees the same history."""
    history = seen(taken(0, 10), taken(5, 11), taken(5, 11))

    assert list(samples_of(history).times) == [NOON, NOON + 5]


def test_an_end_that_goes_back_begins_a_new_life() -> None:
    """What was known of the offsets of a truncated partition is void; its neighbour's is not."""
    history = seen(taken(0, 10, 10), taken(5, 14, 14))
    before = samples_of(history).life

    history.observe(taken(10, 3, 15))

    assert history.arrived(at(0), 11) is None
    assert history.arrived(at(1), 11) is not None
    assert samples_of(history).life > before


def test_a_topic_that_was_made_anew_begins_a_new_life() -> None:
    """Also where its new end lies beyond the old one: only the topic id tells."""
    first, second = ((TopicId(TOPIC, one),) for one in ("old", "new"))
    history = seen(taken(0, 10, topic_ids=first), taken(5, 14, topic_ids=first))

    history.observe(taken(10, 20, topic_ids=second))

    assert history.arrived(at(), 11) is None
    assert len(samples_of(history).ends) == 1


def test_a_topic_id_that_was_not_asked_for_changes_nothing() -> None:
    """Ids are read now and then: a snapshot without them says nothing against them."""
    known = (TopicId(TOPIC, "same"),)

    history = seen(taken(0, 10, topic_ids=known), taken(5, 14), taken(10, 15, topic_ids=known))

    assert history.arrived(at(), 11) is not None


def test_a_clock_that_goes_back_begins_everything_anew() -> None:
    """Times before and after cannot be compared."""
    history = seen(taken(0, 10, 10), taken(5, 14, 14), taken(2, 15, 15))

    assert history.arrived(at(0), 11) is None
    assert history.arrived(at(1), 11) is None


def test_after_a_clock_went_back_time_is_told_as_ever() -> None:
    """The new samples stand for themselves."""
    history = seen(taken(0, 10), taken(5, 14), taken(-3600, 15), taken(-3595, 16))

    assert history.arrived(at(), 15) == (NOON - 3597.5, 2.5)


def test_a_clock_that_leaps_ahead_begins_everything_anew() -> None:
    """No line came for an hour, though one comes every cycle: the clock was set, or we slept."""
    history = seen(taken(0, 10), taken(5, 14), taken(3605, 15))

    assert history.arrived(at(), 11) is None


def test_one_line_between_two_leaps_makes_no_pace() -> None:
    """The second begins everything anew as the first did; whoever goes on so looks every hour."""
    twice = taken(0, 10), taken(5, 14), taken(3605, 15), taken(7205, 16)

    assert seen(*twice).arrived(at(), 15) is None
    assert seen(*twice, taken(10805, 17)).arrived(at(), 16) is not None


def test_an_outage_is_no_leap() -> None:
    """While the cluster does not answer, lines with errors show that time passes as it should."""
    silence = [Snapshot(NOON + 5 * n, CLUSTER, error="gone") for n in range(2, 721)]

    history = seen(taken(0, 10), taken(5, 14), *silence, taken(3605, 15))

    assert history.arrived(at(), 11) is not None


def test_a_slow_cycle_is_no_leap() -> None:
    """A minute is a long cycle, and with a long interval ten are none."""
    assert seen(taken(0, 10), taken(5, 14), taken(64, 15)).arrived(at(), 11) is not None
    assert seen(taken(0, 10), taken(600, 14), taken(1800, 15)).arrived(at(), 11) is not None


def test_a_failure_that_is_told_late_is_no_clock_that_goes_back() -> None:
    """The line of a cycle that broke bears the time at which it began."""
    broke = Snapshot(NOON + 4, CLUSTER, error="lagmon failed")

    history = seen(taken(0, 10), taken(5, 14), broke, taken(10, 15))

    assert history.arrived(at(), 11) is not None


def test_a_transaction_that_stays_open_is_remembered() -> None:
    """A stable offset below the end of a cycle ago; one below its own may be a race."""
    race = replace(taken(5, 14), topics=(offsets(high=14, stable=12),))
    still_open = replace(taken(10, 15), topics=(offsets(high=15, stable=12),))
    history = seen(taken(0, 10))

    history.observe(race)
    assert not history.transactional

    history.observe(still_open)
    assert history.transactional == {TOPIC}


def test_a_partition_that_nobody_reads_any_more_is_forgotten() -> None:
    """After a window without it nothing is left: deleted topics do not pile up."""
    history = seen(taken(0, 10, 10))

    for number in range(1, 40):
        history.observe(taken(60 * number, 10))

    assert len(history) == 1


@pytest.mark.parametrize(("poll", "most"), [(5.0, 60), (1.0, 300), (0.4, 600)])
def test_a_busy_partition_keeps_a_bounded_number_of_samples(poll: float, most: int) -> None:
    """Five minutes in full, to the second at most, and one a minute for the rest of the window."""
    history = seen(*(taken(poll * n, n) for n in range(round(3700 / poll))))

    # One is dropped where its neighbours lie no further apart than a step: two gaps make a step.
    thin = 2 * (1800 - FULL_SECONDS) / THIN_SECONDS
    assert len(samples_of(history).ends) <= most + thin + ROOM + 2


def test_two_thousand_partitions_fit_into_five_megabytes() -> None:
    """Each that moved in every cycle of an hour: two arrays of numbers, no objects."""
    history = seen(*(taken(5 * n, n) for n in range(720)))
    samples = samples_of(history)

    size = sum(sys.getsizeof(one) for one in (samples, samples.times, samples.ends)) * 1.3

    assert 2000 * size < 5_000_000


growth = st.lists(
    st.tuples(st.floats(0.5, 30), st.integers(0, 5), st.booleans()), min_size=2, max_size=80
)


@given(growth, st.randoms(use_true_random=False), st.sampled_from([1, 20]))
def test_the_bound_contains_the_truth(
    steps: list[tuple[float, int, bool]], chance: Random, slowness: int
) -> None:
    """However records arrive and cycles fail, the time is wrong by no more than is said."""
    history, when, arrivals = History(), 0.0, list[float]()
    history.observe(taken(0, 0))
    for interval, count, fails in steps:
        pause = interval * slowness
        # After the one sample, up to the very moment of the next.
        arrivals += sorted(when + pause * (1 - chance.random()) for _ in range(count))
        when += pause
        history.observe(taken(when, None if fails else len(arrivals)))

    for offset, truth in enumerate(arrivals):
        found = history.arrived(at(), offset)
        if found is not None:
            time, error = found
            assert abs(time - (NOON + truth)) <= error + 1e-6


@given(growth)
def test_what_is_old_is_still_told_to_a_minute(steps: list[tuple[float, int, bool]]) -> None:
    """Thinning costs a minute at most, beside what one interval costs anyway."""
    history, end, longest = History(), 0, 0.0
    when, moved = 0.0, [(0.0, 0)]
    history.observe(taken(0, 0))
    for round_ in range(8):
        for interval, count, _ in steps:
            pause = interval if round_ % 2 else DENSE_SECONDS
            longest = max(longest, pause)
            when, end = when + pause, end + count
            history.observe(taken(when, end))
            moved.append((when, end))

    ends = [one for _, one in moved]
    for offset in range(end):
        found = history.arrived(at(), offset)
        if found is not None and moved[bisect_left(ends, offset + 1)][0] > when - 1800:
            assert found[1] <= THIN_SECONDS + 2 * longest


@given(growth)
def test_a_later_record_never_arrived_earlier(steps: list[tuple[float, int, bool]]) -> None:
    """Offsets rise in the order of arrival, and so do the times that are given."""
    history, when, end = History(), 0.0, 0
    history.observe(taken(0, 0))
    for interval, count, _ in steps:
        when, end = when + interval, end + count
        history.observe(taken(when, end))

    times = [found[0] for offset in range(end) if (found := history.arrived(at(), offset))]

    assert times == sorted(times)
