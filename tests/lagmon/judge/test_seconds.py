"""Ages, case by case: how long the oldest unread record has waited, and why that is the answer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.judge.seconds import CAUGHT_UP, PROBES_PER_CALL, ages, plan, worst
from lagmon.model import Age, Method
from lagmon.readings import Peek, Plan, Snapshot, TopicId
from tests.lagmon.ageing import Ages, Log
from tests.lagmon.builders import CLUSTER, GROUP, NOON, TOPIC, at, group, lags, part

HOUR = 3600.0


def aged(log: Log, watch: Ages, steps: int = 12) -> Age:
    """Watch for a minute and give the age that is known in the end."""
    for _ in range(steps - 1):
        log.step(watch)
    found = log.step(watch)
    assert found is not None
    return found


def about(value: float, abs: float = 0.002) -> Any:  # noqa: A002 - as pytest calls it
    """Give what equals *value* but for a little."""
    return pytest.approx(value, abs=abs)


def hourly(*, count: int = 100, ago: float = 10 * HOUR, every: float = 60.0) -> Log:
    """Build a log of *count* records, the first *ago*, one *every* so many seconds."""
    log = Log(now=-ago)
    for _ in range(count):
        log.write()
        log.now += every
    log.now = 0.0
    return log


# Nothing unread, nothing known.


def test_1_caught_up_is_0() -> None:
    """The commit is the end: no record waits, and that is no estimate."""
    assert Log(end=10, committed=10).step(Ages()) == Age(0.0, Method.CAUGHT_UP, 0.0)


def test_2_never_committed_has_no_age() -> None:
    """Which record would be the oldest unread one hangs on where the group will begin."""
    assert Log(end=10, committed=None).step(Ages()) is None


def test_3_past_the_end_nobody_knows_what_was_read() -> None:
    """A topic made anew: its records may all be unread, though the lag is cut to 0."""
    assert Log(end=5, committed=20).step(Ages()) is None


def test_4_a_difference_that_only_a_race_explains_is_caught_up() -> None:
    """The end was read a moment too early."""
    watch, row = Ages(), replace(part(0, 0), end=4999, clamped=True)

    found = ages(lags(group(0, GROUP, row)), watch.history, watch.known, NOON)

    assert found == {GROUP: (CAUGHT_UP,)}


def test_5_while_the_cluster_is_silent_there_are_no_ages_and_nothing_is_forgotten() -> None:
    """The age goes on where it was: the record has waited all the while."""
    log, watch = Log(), Ages()
    log.step(watch)
    log.write()
    log.step(watch)

    assert log.step(watch, error="gone") is None
    assert ages(lags(error="gone"), watch.history, watch.known, NOON) == {}
    assert watch.known.groups
    assert log.step(watch) == Age(12.5, Method.HISTORY, 2.5)


def test_6_a_group_that_cannot_be_read_stands_where_it_stood() -> None:
    """One cycle without its commits costs the value of that cycle, not what was found out."""
    log, watch = hourly(), Ages()
    log.committed = 40
    before = aged(log, watch)
    silent = log.snapshot()
    refused = replace(silent.groups[0], committed=(), error="_TIMED_OUT: coordinator")

    log.now += 5
    assert not watch.judge(replace(silent, at=NOON + log.now, groups=(refused,)))
    assert log.step(watch) == Age(about(before.seconds + 10), Method.TIMESTAMPS, 0.001)


# history: the record arrived while we watched.


def test_7_the_age_is_the_time_since_arrival() -> None:
    """Seen between two cycles, five seconds apart: wrong by half of that at most."""
    log, watch = Log(), Ages()
    log.step(watch)
    log.write()

    assert log.step(watch) == Age(2.5, Method.HISTORY, 2.5)


def test_8_an_idle_producer_does_not_stop_the_age_of_a_stuck_group() -> None:
    """Nothing arrives, nothing is read: the one record gets older, for longer than any window."""
    log, watch = Log(), Ages()
    log.step(watch)
    log.write()
    log.step(watch)

    found = [log.step(watch) for _ in range(720)]

    assert found[-1] == Age(3602.5, Method.HISTORY, 2.5)


def test_9_an_arrival_is_kept_when_its_samples_are_gone() -> None:
    """The end has moved on for hours, and the samples around the record are thinned and dropped."""
    log, watch = Log(), Ages()
    log.step(watch)
    for _ in range(1440):
        log.write(3)
        log.step(watch)

    # Two seconds into the first interval, of which it is the first of three.
    assert log.step(watch) == Age(7200 + 3.75, Method.HISTORY, 3.75)


def test_10_a_moved_commit_is_another_record() -> None:
    """The age falls to that of the record that is now the oldest."""
    log, watch = Log(), Ages()
    log.step(watch)
    for _ in range(10):
        log.write()
        log.step(watch)

    log.committed = 9

    assert log.step(watch) == Age(7.5, Method.HISTORY, 2.5)


def test_11_old_own_times_do_not_matter_while_we_watch() -> None:
    """A replay writes records of last year: they have waited since they arrived here."""
    log, watch = Log(), Ages()
    log.step(watch)
    log.write(3, time=-365 * 24 * HOUR)

    assert log.step(watch) == Age(3.75, Method.HISTORY, 3.75)


def test_12_what_was_deleted_unread_is_no_longer_waited_for() -> None:
    """The oldest record that can still be read is the first that is left."""
    log, watch = Log(), Ages()
    log.step(watch)
    for _ in range(10):
        log.write()
        log.step(watch)

    log.start = 8

    assert log.step(watch) == Age(12.5, Method.HISTORY, 2.5)


# timestamps: the record was there before us.


def test_13_the_records_own_time_is_found_by_asking() -> None:
    """Ten hours old at first sight: exact, as soon as one question hit the record itself."""
    log = hourly()
    log.committed = 40

    assert aged(log, Ages()) == Age(about(10 * HOUR - 40 * 60 + 60), Method.TIMESTAMPS, 0.001)


def test_14_until_then_nothing_is_said() -> None:
    """At first sight the age is unknown, not the time since first sight."""
    log = hourly()

    assert log.step(Ages()) is None


def test_15_the_oldest_record_of_all_is_found_at_once() -> None:
    """The first question of all is for it."""
    log, watch = hourly(), Ages()
    log.step(watch)

    assert log.step(watch) == Age(about(10 * HOUR + 10), Method.TIMESTAMPS, 0.001)


def test_16_found_once_nothing_more_is_asked() -> None:
    """A stuck group costs the cluster a few calls, not some in every cycle."""
    log, watch = hourly(), Ages()
    log.committed = 40
    aged(log, watch)

    assert watch.plan.probes == ()


def test_17_a_restart_finds_the_same_age() -> None:
    """A new memory, the same records: what history knew, their own times tell."""
    log, watch = Log(), Ages()
    log.step(watch)
    log.write()
    before = aged(log, watch)

    after = aged(log, Ages())

    assert before.method is Method.HISTORY
    assert after == Age(before.seconds + 60 + 2.5, Method.TIMESTAMPS, 0.001)


def test_18_one_of_many_of_the_same_millisecond_has_a_lower_bound() -> None:
    """No question can hit it; the next burst came an hour later, so it may be that old or older."""
    log = Log(now=-2 * HOUR)
    log.write(100)
    log.now = -HOUR
    log.write(100)
    log.now, log.committed = 0.0, 50

    assert aged(log, Ages()) == Age(about(HOUR + 60, abs=1), Method.TIMESTAMPS, None)


def test_19_where_nothing_younger_follows_the_bound_is_the_time_itself() -> None:
    """The burst was the last: what is unread has its time."""
    log = Log(now=-2 * HOUR)
    log.write(100)
    log.now, log.committed = 0.0, 50

    assert aged(log, Ages()) == Age(about(2 * HOUR + 60, abs=1), Method.TIMESTAMPS, None)


def test_20_what_was_compacted_away_is_not_waited_for() -> None:
    """Offsets 6 to 8 are gone: the oldest unread record is 9, five hours younger than 5."""
    log = Log([(5, NOON - 6 * HOUR), (9, NOON - HOUR)], end=10, committed=6)

    assert aged(log, Ages()) == Age(about(HOUR + 60, abs=1), Method.TIMESTAMPS, None)


def test_21_falling_times_make_a_lower_bound() -> None:
    """An old record behind a young one is at least as old as the young one."""
    log = Log([(0, NOON - HOUR), (1, NOON - 9 * HOUR), (2, NOON - 60)], end=3, committed=1)

    found = aged(log, Ages())

    assert found.error_seconds is None
    assert 60 <= found.seconds <= 9 * HOUR + 60


def test_22_records_without_a_time_give_a_lower_bound() -> None:
    """Not even 1970 finds one: they have waited for as long as we have seen them."""
    assert aged(Log(end=10), Ages()) == Age(55.0, Method.HISTORY, None)


def test_23_a_producer_whose_clock_is_ahead_makes_no_negative() -> None:
    """The record was there at first sight, whatever it says of itself."""
    log = Log([(0, NOON - HOUR), (1, NOON + 2 * HOUR)], end=2, committed=1)

    assert aged(log, Ages()) == Age(55.0, Method.TIMESTAMPS, None)


def test_24_records_seen_to_arrive_late_have_a_lower_bound() -> None:
    """A restart in the middle of a replay: their own times say nothing of how long they waited."""
    log = Log()
    log.write(100, time=-365 * 24 * HOUR)
    watch = Ages()
    for _ in range(12):
        log.write(10, time=-365 * 24 * HOUR)
        found = log.step(watch)

    assert found == Age(55.0, Method.HISTORY, None)


def test_25_a_group_that_works_through_a_backlog_has_a_lower_bound_all_the_while() -> None:
    """It moves on with every cycle: what was asked before narrows what is asked next."""
    log, watch = hourly(count=6000, every=6.0), Ages()
    found = []
    for number in range(60):
        log.committed = 30 * number
        age = log.step(watch)
        truth = NOON + log.now - log.records[log.committed][1]
        found.append(age)
        assert age is None or age.seconds <= truth + 0.001

    known = [one for one in found[10:] if one is not None]
    assert len(known) >= 25
    assert all(one.seconds > 6 * HOUR for one in known)


@pytest.mark.parametrize("calls", [1, 2, 4, 20])
def test_26_fewer_calls_take_longer_and_find_the_same(calls: int) -> None:
    """Even one call a cycle gets there."""
    log = hourly()
    log.committed = 40

    found = aged(log, Ages(calls=calls), steps=60)

    assert found.method is Method.TIMESTAMPS
    assert found.seconds == about(10 * HOUR - 40 * 60 + 300, abs=1.001)


def test_27_without_probes_nothing_is_asked_and_the_age_is_unknown() -> None:
    """`probes_per_cycle: 0`."""
    log, watch = hourly(), Ages(calls=0)

    assert [log.step(watch) for _ in range(9)] == [None] * 9
    assert not log.asked


def test_28_a_question_that_failed_is_not_repeated_at_once() -> None:
    """After a minute it is asked again; until then the age is unknown."""
    log, watch = hourly(), Ages()
    log.step(watch)
    failed = [replace(one, error="_TIMED_OUT") for one in log.snapshot(watch.plan).probes]
    watch.judge(replace(log.snapshot(), probes=tuple(failed)))
    assert watch.plan.probes == ()

    log.step(watch, 55)
    assert watch.plan.probes == ()
    log.step(watch, 10)
    assert watch.plan.probes


# Transactions: offsets that hold no record to read.

EOF = "_PARTITION_EOF: Broker: No more messages"


def transactional(*, lag: int = 1) -> tuple[Log, Ages]:
    """Build a log whose last *lag* offsets stand after the commit, and a watch that may look."""
    log = Log(peek=lambda one: Peek(one, error=EOF))
    watch = Ages(peeks=5)
    log.step(watch)
    log.write(5)
    log.end += lag
    log.committed = 5
    log.step(watch)
    return log, watch


def test_29_a_tail_of_markers_is_caught_up() -> None:
    """A look found nothing to read up to the end, so nothing waits, for as long as it stands."""
    log, watch = transactional()
    log.step(watch)

    assert [log.step(watch) for _ in range(50)] == [Age(0.0, Method.CAUGHT_UP, 0.0)] * 50


def test_30_a_tail_is_looked_at_once() -> None:
    """The answer holds until the commit moves."""
    log, watch = transactional()
    log.step(watch)
    log.step(watch)

    assert watch.plan.peeks == ()


def test_31_after_a_tail_the_next_record_counts_from_its_own_arrival() -> None:
    """Not from that of the marker before it."""
    log, watch = transactional(lag=3)
    for _ in range(20):
        log.step(watch)
    log.peek = lambda one: Peek(one, found_offset=8, timestamp=NOON + log.now)
    log.write()
    log.step(watch)
    log.step(watch)

    assert log.step(watch) == Age(12.5, Method.HISTORY, 2.5)


def test_32_a_record_further_on_is_the_one_that_waits() -> None:
    """Markers, then a record: the look names it, and its arrival is known."""
    log, watch = transactional()
    log.step(watch)
    log.write()
    log.peek = lambda one: Peek(one, found_offset=6, timestamp=NOON + log.now)
    log.committed = 5

    found = [log.step(watch) for _ in range(4)]

    assert found[-1] == Age(17.5, Method.HISTORY, 2.5)


def test_33_a_small_lag_that_may_be_markers_alone_has_no_age() -> None:
    """Without leave to look nobody knows; it is unknown, not the age of a marker."""
    log, watch = Log(peek=lambda one: Peek(one, error="TOPIC_AUTHORIZATION_FAILED")), Ages(peeks=5)
    log.step(watch)
    log.write(5)
    log.stable = 0
    log.step(watch)
    log.step(watch)
    log.committed, log.end, log.stable = 5, 6, None

    assert [log.step(watch) for _ in range(9)] == [None] * 9


def test_34_a_greater_lag_that_may_begin_with_markers_says_so_by_its_bound() -> None:
    """The first record to read may be the last one: anything from nothing up."""
    log, watch = Log(), Ages()
    log.step(watch)
    log.write(5)
    log.stable = 0
    log.step(watch)
    found = log.step(watch)

    assert found is not None
    assert (found.method, found.error_seconds) == (Method.HISTORY, found.seconds)


def test_35_a_record_that_was_looked_at_is_beyond_doubt() -> None:
    """In an open transaction or not: it is there and unread."""
    log = Log(peek=lambda one: Peek(one, found_offset=one.offset, timestamp=NOON))
    watch = Ages(peeks=5)
    log.step(watch)
    log.write(5)
    log.stable = 0

    found = [log.step(watch) for _ in range(4)]

    assert found[-1] == Age(about(19 + 1 / 6), Method.HISTORY, about(25 / 6))


def test_36_a_look_tells_the_own_time_of_a_record_at_once() -> None:
    """Where history does not reach, no question is needed any more."""
    log = hourly()
    log.committed = 40
    log.peek = lambda one: Peek(one, found_offset=40, timestamp=log.records[40][1])
    watch = Ages(peeks=5, calls=0)
    for _ in range(2):
        log.step(watch)

    found = log.step(watch)

    assert found == Age(about(10 * HOUR - 40 * 60 + 15), Method.TIMESTAMPS, 0.001)


def test_37_a_moving_group_is_not_looked_at() -> None:
    """Only what stands is in doubt: the others would cost a look in every cycle."""
    log, watch = Log(), Ages(peeks=5)
    for number in range(20):
        log.write(2)
        log.committed = number
        log.step(watch)
        assert watch.plan.peeks == ()


def test_38_a_commit_that_moves_over_a_tail_needs_no_other_look() -> None:
    """What cannot be read from offset 5 on cannot be read from 6 on either."""
    log, watch = transactional(lag=3)
    assert [log.step(watch) for _ in range(2)][-1] == Age(0.0, Method.CAUGHT_UP, 0.0)
    log.peek = None
    log.committed = 6

    assert log.step(watch) == Age(0.0, Method.CAUGHT_UP, 0.0)


def test_39_a_tail_puts_the_rest_of_its_topic_in_doubt() -> None:
    """Where a marker was found the next lag of 1 may be another: it is unknown until looked at."""
    log, watch = transactional()
    assert [log.step(watch) for _ in range(2)][-1] == Age(0.0, Method.CAUGHT_UP, 0.0)
    log.peek = None
    log.write()
    log.end, log.committed = log.end + 1, 7

    assert [log.step(watch) for _ in range(3)] == [None] * 3


# Clocks and topics that begin anew.


def test_40_after_a_clock_went_back_the_age_is_found_anew() -> None:
    """The arrival was told by another clock: it is void, and the record's own time is asked for."""
    log, watch = Log(), Ages()
    log.step(watch)
    log.write()
    aged(log, watch)

    log.now -= 30
    truth = log.now - log.records[0][1] + NOON

    found = [log.step(watch) for _ in range(12)]
    assert found[0] is None
    assert found[-1] == Age(about(truth + 60), Method.TIMESTAMPS, 0.001)


def test_41_after_a_clock_was_set_forward_the_age_is_found_anew() -> None:
    """Ten hours that nobody waited are not added to it."""
    log, watch = Log(), Ages()
    log.step(watch)
    log.write()
    aged(log, watch)

    assert log.step(watch, 10 * HOUR) is None


def test_42_a_topic_made_anew_does_not_inherit_ages() -> None:
    """The same offset is another record, though the end has passed it again."""
    log, watch = Log(ids=(TopicId(TOPIC, "old"),)), Ages()
    log.step(watch)
    log.write()
    aged(log, watch)

    log.ids, log.records = (TopicId(TOPIC, "new"),), []
    log.end = 0
    log.write(2)

    assert log.step(watch) is None
    assert aged(log, watch).seconds <= 65


def test_43_a_commit_that_is_put_back_is_another_record() -> None:
    """A replay by the group itself: the age is that of where it begins again."""
    log, watch = Log(), Ages()
    log.step(watch)
    for number in range(10):
        log.write()
        log.committed = number
        log.step(watch)

    log.committed = 2

    assert log.step(watch) == Age(42.5, Method.HISTORY, 2.5)


# What is asked.


def test_44_a_plan_is_bounded_by_its_calls() -> None:
    """Each partition is asked as much in one cycle as there are calls, whoever wants to know."""
    log, watch = hourly(), Ages(calls=3)
    readings = tuple(
        replace(log.snapshot().groups[0], group=f"group-{number}") for number in range(20)
    )

    watch.judge(replace(log.snapshot(), groups=readings))

    assert 1 <= len(watch.plan.probes) <= 3


def test_45_a_call_asks_a_bounded_number_of_partitions() -> None:
    """What does not fit waits for the next cycle."""
    watch = Ages()
    rows = tuple(part(number, 10, committed=5) for number in range(PROBES_PER_CALL + 10))
    logs = tuple(replace(Log(end=15).snapshot().topics[0], at=row.at) for row in rows)
    watch.history.observe(Snapshot(NOON, CLUSTER, logs))
    ages(lags(group(10, GROUP, *rows)), watch.history, watch.known, NOON)

    asked = plan(watch.known, NOON, calls=1)

    assert len(asked) == PROBES_PER_CALL == len({one.at for one in asked})


def test_46_groups_on_one_partition_take_turns() -> None:
    """Of twenty groups that stand at different records each gets its age in the end."""
    log, watch = hourly(), Ages()
    found = {}
    for _ in range(150):
        log.now += 5
        snapshot = log.snapshot(watch.plan)
        (one,) = snapshot.groups
        groups = tuple(
            replace(one, group=f"group-{n}", committed=(replace(one.committed[0], offset=4 * n),))
            for n in range(20)
        )
        found = watch.judge(replace(snapshot, groups=groups))

    assert len(found) == 20
    for (name, _), age in found.items():
        truth = NOON + log.now - log.records[4 * int(name[6:])][1]
        assert age.seconds == about(truth, abs=1.001)


def test_47_groups_that_move_on_leave_room_for_one_that_stands() -> None:
    """Four work through the backlog and want to know more for ever; the fifth gets its turn."""
    log, watch = hourly(count=6000, every=6.0), Ages()
    found = {}
    for number in range(60):
        log.now += 5
        snapshot = log.snapshot(watch.plan)
        (one,) = snapshot.groups
        stands = [40 * number + 7 * n for n in range(4)] + [3333]
        groups = tuple(
            replace(one, group=f"group-{n}", committed=(replace(one.committed[0], offset=offset),))
            for n, offset in enumerate(stands)
        )
        found = watch.judge(replace(snapshot, groups=groups))

    assert found["group-4", at()].seconds == about(NOON + log.now - log.records[3333][1], abs=1.001)


def test_48_a_record_long_after_the_one_before_it_is_hit_within_a_few_cycles() -> None:
    """The question that can tell is asked at once: which is the next after the one before?"""
    log = hourly(every=3600.0, count=10)
    log.committed = 6

    assert aged(log, Ages(), steps=5).error_seconds == 0.001


def test_49_what_is_given_is_known_to_a_tenth() -> None:
    """While the answers close in there is no age that is far below the truth."""
    log, watch = hourly(count=6000, every=6.0), Ages()
    log.committed = 2500
    known = []
    for _ in range(12):
        age = log.step(watch)
        truth = NOON + log.now - log.records[2500][1]
        known += [age.seconds / truth] if age is not None else []

    assert known
    assert min(known) >= 0.9


def test_50_a_group_that_is_gone_leaves_nothing_behind() -> None:
    """Nor is it asked about; but an incomplete list does not make it gone."""
    log, watch = hourly(), Ages()
    log.step(watch)

    watch.judge(replace(log.snapshot(), groups=(), list_errors=("_TRANSPORT",)))
    assert watch.known.groups
    watch.judge(replace(log.snapshot(), groups=()))
    assert not watch.known.groups
    assert watch.plan == Plan()


def test_51_a_group_is_as_old_as_its_oldest_partition() -> None:
    """Of those that are known; with none known it has no age."""
    young, old = Age(1, Method.HISTORY, 1), Age(5, Method.TIMESTAMPS, None)

    assert worst([young, old]) == old
    assert worst([]) is None


def test_52_what_was_all_deleted_unread_has_no_age() -> None:
    """Nothing of it waits any more, and it was not read: an age of 0 would say that it was."""
    log, watch = Log(), Ages()
    log.step(watch)
    log.write(10)
    log.step(watch)

    log.start = 10
    gone = log.step(watch)
    log.write()
    log.step(watch)

    assert gone is None
    assert log.step(watch) == Age(7.5, Method.HISTORY, 2.5)


moves = st.lists(
    st.tuples(
        st.floats(0.5, 40),
        st.integers(0, 4),
        st.floats(0, 1),
        st.sampled_from(["ok", "ok", "ok", "silent", "restart"]),
    ),
    min_size=1,
    max_size=40,
)


@given(st.lists(st.floats(1, 1e6), max_size=20), moves)
def test_the_truth_lies_within_the_bound(
    past: list[float], steps: list[tuple[float, int, float, str]]
) -> None:
    """Whatever arrives and moves, and however often lagmon begins anew: never more than is true."""
    log, watch = Log(), Ages()
    for ago in sorted(past, reverse=True):
        log.write(time=-ago)
    for seconds, count, read, event in steps:
        behind = log.end - (log.committed or 0)
        log.committed = (log.committed or 0) + int(read * behind)
        log.now += seconds
        log.write(count)
        watch = Ages() if event == "restart" else watch
        age = log.step(watch, 0.001, error="gone" if event == "silent" else None)
        if age is None:
            continue
        left = [time for offset, time in log.records if offset >= log.committed]
        truth = NOON + log.now - left[0] if left else 0.0
        assert math.isfinite(age.seconds)
        assert age.seconds >= 0
        assert (age.method is Method.CAUGHT_UP) == (not left)
        assert age.seconds - (age.error_seconds or 0) <= truth + 0.002
        if age.error_seconds is not None:
            assert age.seconds + age.error_seconds >= truth - 0.002


@given(
    st.lists(st.floats(-1e9, 1e6), min_size=1, max_size=30),
    st.integers(0, 29),
    st.lists(st.floats(0.5, 50), min_size=2, max_size=40),
)
def test_while_nothing_moves_an_age_only_rises(
    times: list[float], committed: int, steps: list[float]
) -> None:
    """Whatever the records say of their times: an age that is known stays known and grows."""
    log, watch = Log(), Ages()
    for time in times:
        log.write(time=time)
    log.committed = min(committed, log.end - 1)

    found = [log.step(watch, seconds) for seconds in steps]

    known = [one.seconds for one in found if one is not None]
    first = next((place for place, one in enumerate(found) if one is not None), len(found))
    assert len(known) == len(found) - first
    assert known == sorted(known)
    assert all(math.isfinite(one) and one >= 0 for one in known)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(0, 29))
def test_asking_ends(times: list[float], committed: int) -> None:
    """However the records' times rise and fall, the questions about one of them come to an end."""
    log, watch = Log(), Ages()
    for time in times:
        log.write(time=time)
    log.committed = min(committed, log.end - 1)

    for _ in range(60):
        log.step(watch)

    assert watch.plan.probes == ()
