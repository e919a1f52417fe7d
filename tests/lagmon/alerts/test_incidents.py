"""When an incident opens, is sent again, and ends: a table that gives the reason of each row."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.alerts.incidents import REMIND_SECONDS, REPEAT_RESOLVE_SECONDS, State, concerned, step
from lagmon.alerts.rules import KAFKA_CONSUMER_LAG, Override, configured
from lagmon.model import Change, ClusterLag, Incident, IncidentChange, IncidentKey, Why
from tests.lagmon.builders import GROUP, NOON, group, lags

LAG = (KAFKA_CONSUMER_LAG,)

HIGH = lags(group(1001))
HIGHER = lags(group(5000))
FINE = lags(group(1000))
ZERO = lags(group(0))
UNREADABLE = lags(group(None, why=Why.GROUP_UNREADABLE))
PART_HIGH = lags(group(1001, unknown=1))
PART_FINE = lags(group(900, unknown=1))
DELETED = lags(group(None, why=Why.TOPIC_DELETED))
EXPIRED = lags(group(None, why=Why.NEVER_COMMITTED))
BLIND = lags(error="no answer in 15 s")
GONE = lags(group(0, "another"))
PARTIAL_LIST = lags(group(0, "another"), complete=False)

# The same words for the changes as a recording prints.
O, R, X, none = Change.OPENED, Change.REMINDED, Change.RESOLVED, None  # noqa: E741 (short columns)


class Row(NamedTuple):
    """What is read at which second after noon, what must change, and why that is right."""

    number: int
    why: str
    readings: list[tuple[float, ClusterLag]]
    changes: list[Change | None]


TABLE = [
    Row(1, "at the threshold is not above it, for as long as it lasts",
        [(0, FINE), (15, FINE), (3600, FINE)], [none, none, none]),
    Row(2, "above, but not for 15 s yet",
        [(0, HIGH), (5, HIGH), (14.9, HIGH)], [none, none, none]),
    Row(3, "above for exactly 15 s is for 15 s",
        [(0, HIGH), (5, HIGH), (10, HIGH), (15, HIGH)], [none, none, none, O]),
    Row(4, "a moment that is known to be fine starts the time anew",
        [(0, HIGH), (10, FINE), (15, HIGH), (29, HIGH), (30, HIGH)], [none, none, none, none, O]),
    Row(5, "it opens once, however long it lasts",
        [(0, HIGH), (15, HIGH), (20, HIGHER), (25, HIGH)], [none, O, none, none]),
    Row(6, "sent again a minute after it was sent, not a minute after noon",
        [(0, HIGH), (15, HIGH), (74, HIGH), (75, HIGH), (80, HIGH), (135, HIGH)],
        [none, O, none, R, none, R]),
    Row(7, "one reading that is known to be fine ends it",
        [(0, HIGH), (15, HIGH), (20, FINE)], [none, O, X]),
    Row(8, "a group that cannot be read is not fine, and being silent would look resolved",
        [(0, HIGH), (15, HIGH), (20, UNREADABLE), (75, UNREADABLE), (80, ZERO)],
        [none, O, none, R, X]),
    Row(9, "a cluster that does not answer resolves nothing and goes on being sent",
        [(0, HIGH), (15, HIGH), (20, BLIND), (75, BLIND), (80, HIGH)], [none, O, none, R, none]),
    Row(10, "nothing known is no reason to open",
        [(0, UNREADABLE), (15, BLIND), (3600, UNREADABLE)], [none, none, none]),
    Row(11, "time in which nothing was known does not count: 10 s known before, 5 s after",
        [(0, HIGH), (10, HIGH), (15, BLIND), (100, BLIND), (104, HIGH), (105, HIGH)],
        [none, none, none, none, none, O]),
    Row(12, "a missing value does not start the time anew: 10 s before it, 5 s since it",
        [(0, HIGH), (10, HIGH), (15, UNREADABLE), (19, HIGH), (20, HIGH)],
        [none, none, none, none, O]),
    Row(13, "a sum with unknown parts is a lower bound: above it is above",
        [(0, PART_HIGH), (15, PART_HIGH)], [none, O]),
    Row(14, "but below it is not known to be fine",
        [(0, HIGH), (15, HIGH), (20, PART_FINE), (25, FINE)], [none, O, none, X]),
    Row(15, "nor does it end what is pending",
        [(0, HIGH), (10, HIGH), (12, PART_FINE), (14, HIGH), (19, HIGH)],
        [none, none, none, none, O]),
    Row(16, "a complete list without the group: it was deleted, so nobody is behind",
        [(0, HIGH), (15, HIGH), (20, GONE)], [none, O, X]),
    Row(17, "an incomplete list says nothing about those that it lacks",
        [(0, HIGH), (15, HIGH), (20, PARTIAL_LIST), (75, PARTIAL_LIST), (80, GONE)],
        [none, O, none, R, X]),
    Row(18, "a group that is gone while pending is forgotten",
        [(0, HIGH), (10, GONE), (15, HIGH), (20, HIGH)], [none, none, none, none]),
    Row(19, "the resolve is repeated every minute for 15 minutes, then never again",
        [(0, HIGH), (15, HIGH), (20, ZERO), (79, ZERO), (80, ZERO), (920, ZERO), (980, ZERO),
         (1040, ZERO)],
        [none, O, X, none, R, R, none, none]),
    Row(20, "opening again ends the repeated resolve, or the two would fight",
        [(0, HIGH), (15, HIGH), (20, ZERO), (25, HIGH), (40, HIGH), (80, HIGH), (100, HIGH)],
        [none, O, X, none, O, none, R]),
    Row(21, "while it is pending anew the old resolve is still repeated",
        [(0, HIGH), (15, HIGH), (20, ZERO), (70, HIGH), (80, HIGH), (85, HIGH)],
        [none, O, X, none, R, O]),
    Row(22, "a clock that goes back while pending neither opens nor loses what was held",
        [(0, HIGH), (10, HIGH), (-3600, HIGH), (-3596, HIGH), (-3595, HIGH)],
        [none, none, none, none, O]),
    Row(23, "a clock that goes back while open does not silence it for as long",
        [(0, HIGH), (15, HIGH), (-3600, HIGH), (-3590, HIGH), (-3540, HIGH)],
        [none, O, R, none, R]),
    Row(24, "a clock that goes back while a resolve is repeated repeats it no longer than usual",
        [(0, HIGH), (15, HIGH), (20, ZERO), (-3600, ZERO), (-3540, ZERO), (-2640, ZERO)],
        [none, O, X, R, R, none]),
    Row(25, "a deleted topic is known to be deleted: there is nothing left to be behind on",
        [(0, HIGH), (15, HIGH), (20, DELETED)], [none, O, X]),
    Row(26, "the same when the last commits have expired, and it is no reason to open",
        [(0, HIGH), (10, EXPIRED), (15, HIGH), (30, HIGH), (35, EXPIRED)],
        [none, none, none, O, X]),
    Row(27, "two readings of one moment are one sending",
        [(0, HIGH), (15, HIGH), (15, HIGH), (75, HIGH), (75, HIGH)], [none, O, none, R, none]),
    Row(28, "every second reading is missing: the others count, so it takes twice as long",
        [(0, HIGH), (5, UNREADABLE), (10, HIGH), (15, BLIND), (20, HIGH), (25, PARTIAL_LIST),
         (30, HIGH)],
        [none, none, none, none, none, none, O]),
    Row(29, "three of four are missing: it takes four times as long, and opens",
        [(20 * turn + 5 * missing, UNREADABLE if missing else HIGH)
         for turn in range(4) for missing in range(4)],
        [*([none] * 12), O, none, none, none]),
    Row(30, "an hour without a reading adds to neither: the first one after it counts 5 s",
        [(0, HIGH), (5, HIGH), *((second, BLIND) for second in range(10, 3600, 5)), (3600, HIGH),
         (3605, HIGH)],
        [*([none] * 721), O]),
    Row(31, "nor does an hour in which nobody looked, as on a machine that slept: 5 s known before",
        [(0, HIGH), (5, HIGH), (3600, HIGH), (3609, HIGH), (3610, HIGH)],
        [none, none, none, none, O]),
    Row(32, "5 minutes are such a time", [(0, HIGH), (300, HIGH)], [none, none]),
    Row(33, "less is a cycle that came late, as to Prometheus", [(0, HIGH), (299, HIGH)],
        [none, O]),
]  # fmt: skip


def play(
    readings: list[tuple[float, ClusterLag]], state: State | None = None
) -> tuple[State, list[tuple[IncidentChange, ...]]]:
    """Step through *readings*, each at its second after noon."""
    state = State() if state is None else state
    told = []
    for second, lag in readings:
        state, changes = step(state, LAG, lag, NOON + second)
        told.append(changes)
    return state, told


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.number}: {row.why}")
def test_table(row: Row) -> None:
    """Each reading of a row changes exactly what its column says."""
    _, told = play(row.readings)

    assert [changes[0].change if changes else None for changes in told] == row.changes


def test_an_incident_keeps_when_it_began_and_what_was_last_known() -> None:
    """`since` is the first reading above; the value follows the readings, also while missing."""
    state, _ = play([(0, HIGH), (15, HIGH), (20, HIGHER), (25, BLIND)])

    (opened,) = state.opened
    assert (opened.since, opened.opened_at, opened.value) == (NOON, NOON + 15, 5000)


def test_a_resolve_tells_the_value_that_resolved_it() -> None:
    """The resolved incident carries the value that is fine, and when that was."""
    _, told = play([(0, HIGH), (15, HIGH), (20, lags(group(12)))])

    over = told[-1][0].incident
    assert (over.value, over.resolved_at) == (12, NOON + 20)


def test_a_group_that_is_gone_keeps_its_last_value() -> None:
    """Where there is nothing left to measure, the last known value stands."""
    _, told = play([(0, HIGH), (15, HIGHER), (20, GONE)])

    assert told[-1][0].incident.value == 5000


def test_a_repeated_resolve_is_marked_as_over() -> None:
    """What is sent again of a resolved incident says so by its *resolved_at*."""
    _, told = play([(0, HIGH), (15, HIGH), (20, ZERO), (80, ZERO)])

    (again,) = told[-1]
    assert (again.change, again.incident.resolved_at) == (R, NOON + 20)


def test_groups_do_not_know_each_other() -> None:
    """Two groups above the limit are two incidents, told in the order of their names."""
    both = lags(group(2000, "b"), group(3000, "a"), group(5, "c"))

    _, told = play([(0, both), (15, both)])

    assert [(c.change, c.incident.key.group) for c in told[-1]] == [(O, "a"), (O, "b")]


def test_a_rule_without_a_time_opens_at_once() -> None:
    """With `for: 0s` the first reading above opens."""
    rules = configured({"KafkaConsumerLag": Override(for_seconds=0)})

    _, changes = step(State(), rules, HIGH, NOON)

    assert [c.change for c in changes] == [O]


def test_who_looks_seldom_is_not_taken_for_one_who_did_not_look() -> None:
    """The time in which nobody looked is longer where the cycles are."""
    state, _ = step(State(), LAG, HIGH, NOON)

    _, changes = step(state, LAG, HIGH, NOON + 600, away_seconds=1200)

    assert [c.change for c in changes] == [O]


def test_a_rule_that_is_no_more_ends_its_incidents() -> None:
    """An incident of a rule that was taken away resolves rather than staying for ever."""
    state, _ = play([(0, HIGH), (15, HIGH)])

    _, changes = step(state, (), HIGH, NOON + 20)

    assert [c.change for c in changes] == [X]


def test_changes_come_in_the_order_of_what_they_are_about() -> None:
    """A group before its partitions, those by number: the same state is always told the same."""
    keys = [IncidentKey("R", "c", "g", topic, number) for topic, number in
            ((None, None), ("t", 0), ("t", 9), ("t", 10), ("u", 0))]  # fmt: skip
    state = State(opened=tuple(Incident(key, NOON, NOON, 1.0, NOON) for key in reversed(keys)))

    _, changes = step(state, (), ZERO, NOON)

    assert [c.incident.key for c in changes] == keys


def test_groups_of_concern_are_those_pending_or_open() -> None:
    """A group is of concern from the first reading above to the one that is fine."""
    pending, _ = play([(0, HIGH)])
    opened, _ = play([(0, HIGH), (15, HIGH)])
    resolved, _ = play([(0, HIGH), (15, HIGH), (20, ZERO)])

    assert [concerned(state) for state in (pending, opened, resolved)] == [
        {GROUP}, {GROUP}, set()
    ]  # fmt: skip


READINGS = st.sampled_from(
    [
        HIGH,
        HIGHER,
        FINE,
        ZERO,
        UNREADABLE,
        PART_HIGH,
        PART_FINE,
        BLIND,
        GONE,
        PARTIAL_LIST,
        DELETED,
        EXPIRED,
    ]
)
STEPS = st.lists(st.tuples(st.floats(-30, 90), READINGS), max_size=60)


def wander(steps: list[tuple[float, ClusterLag]]) -> list[tuple[float, ClusterLag]]:
    """Turn steps of time, some of them backwards, into times."""
    second, readings = 0.0, []
    for passed, lag in steps:
        second += passed
        readings.append((second, lag))
    return readings


@given(STEPS)
def test_opening_and_resolving_take_turns(steps: list[tuple[float, ClusterLag]]) -> None:
    """Whatever is read and whatever the clock does, no two opens without a resolve between."""
    _, told = play(wander(steps))

    turns = [c.change for changes in told for c in changes if c.change is not R]
    assert turns == [O, X] * (len(turns) // 2) + [O] * (len(turns) % 2)


@given(STEPS)
def test_only_what_is_known_opens_or_resolves(steps: list[tuple[float, ClusterLag]]) -> None:
    """Opening needs a value above; resolving needs one at or below, or a group that is gone."""
    readings = wander(steps)
    _, told = play(readings)

    for (_, lag), changes in zip(readings, told, strict=True):
        kinds = {c.change for c in changes}
        assert O not in kinds or lag in (HIGH, HIGHER, PART_HIGH)
        assert X not in kinds or lag in (FINE, ZERO, GONE, DELETED, EXPIRED)


@given(st.lists(st.sampled_from([HIGH, UNREADABLE, BLIND, PARTIAL_LIST, PART_FINE]), max_size=60))
def test_no_pattern_of_missing_readings_keeps_a_condition_from_opening(
    missed: list[ClusterLag],
) -> None:
    """It opens with the fourth reading that holds, one cycle each, whatever lies between them."""
    _, told = play([(5 * number, lag) for number, lag in enumerate(missed)])

    opened = [number for number, changes in enumerate(told) if changes and changes[0].change is O]
    holding = [number for number, lag in enumerate(missed) if lag is HIGH]
    assert opened == holding[3:4]


@given(STEPS)
def test_everything_that_opens_can_be_resolved(steps: list[tuple[float, ClusterLag]]) -> None:
    """From any state one reading that is fine leaves nothing open and nothing pending."""
    readings = wander(steps)
    end = readings[-1][0] if readings else 0.0
    state, _ = play(readings)

    after, _ = play([(end, ZERO)], state)

    assert (after.opened, after.pending) == ((), ())


@given(STEPS)
def test_an_open_incident_is_never_silent(steps: list[tuple[float, ClusterLag]]) -> None:
    """What is open was sent less than a reminder's time ago, and never in the future."""
    state = State()
    for second, lag in wander(steps):
        state, _ = step(state, LAG, lag, NOON + second)
        assert all(0 <= NOON + second - i.sent_at < REMIND_SECONDS for i in state.opened)


@given(STEPS)
def test_a_state_is_bounded(steps: list[tuple[float, ClusterLag]]) -> None:
    """A key is in at most one of pending and open, and a resolve is forgotten in the end."""
    readings = wander(steps)
    end = readings[-1][0] if readings else 0.0
    state, _ = play(readings)
    later, _ = play([(end, ZERO), (end + REPEAT_RESOLVE_SECONDS + 1, ZERO)], state)

    assert len(state.opened) + len(state.pending) <= 1
    assert later == State()
