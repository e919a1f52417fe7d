"""What each kind of rule says of a reading, and what incidents make of it: tables with reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from lagmon.alerts.conditions import Measure, above, in_state, parse
from lagmon.alerts.incidents import State as Incidents
from lagmon.alerts.incidents import interrupted, step
from lagmon.alerts.rules import (
    KAFKA_CLUSTER_BLIND,
    KAFKA_CONSUMER_LAG,
    KAFKA_CONSUMER_STUCK,
    KAFKA_LAG_UNKNOWN,
    SHIPPED,
    Override,
    Rule,
    Scope,
)
from lagmon.alerts.verdicts import GONE, MISSING, Reading, Seen, Verdict, readings
from lagmon.model import Age, Change, ClusterLag, IncidentKey, Method, State, Why
from tests.lagmon.builders import CLUSTER, GROUP, NOON, group, lags, part

O, R, X, none = Change.OPENED, Change.REMINDED, Change.RESOLVED, None  # noqa: E741 (short columns)
SEEN = Seen(alive={GROUP}, valued={GROUP})
HOLDS, FINE, UNSURE = Verdict.HOLDS, Verdict.FINE, Verdict.MISSING


def judged(state: State | None, lag: int | None = 7, why: Why | None = None) -> ClusterLag:
    """Build a cluster with one group in *state*."""
    return lags(replace(group(lag, why=why), judged=state))


BLIND = lags(error="no answer in 15 s")
PARTIAL = lags(group(5), complete=False)
WELL = lags(group(5))
VEILED = lags(replace(group(5), hidden=True))
SICK = lags(group(None, why=Why.GROUP_UNREADABLE))
SICK_IN_PARTIAL = lags(group(None, why=Why.GROUP_UNREADABLE), complete=False)
NOBODY = lags(group(5, "another"))
STALLED, STOPPED, OK = judged(State.STALLED), judged(State.STOPPED), judged(State.OK)
PENDING, UNKNOWN = judged(State.PENDING), judged(State.UNKNOWN)
STEADY = judged(State.STEADY)
EXPIRED = judged(None, None, Why.NEVER_COMMITTED)
EXPIRED_PENDING = judged(State.PENDING, None, Why.NEVER_COMMITTED)
DELETED = judged(None, None, Why.TOPIC_DELETED)
HIGH, LOW = lags(group(1001)), lags(group(3))
HALF = lags(
    replace(
        group(50, GROUP, part(0, 50), part(1, None, topic="bets", why=Why.NO_END_OFFSET)), unknown=1
    )
)
SEEN_PART, SEEN_HIGH = (lags(replace(group(lag), hidden=True)) for lag in (0, 5000))
SEEN_DELETED = lags(replace(group(None, why=Why.TOPIC_DELETED), hidden=True))
EASY = KAFKA_CONSUMER_LAG.changed(Override(for_seconds=0, keep_firing_for_seconds=20))


class Row(NamedTuple):
    """A rule, what is read at which second after noon, what must change, and why."""

    number: int
    why: str
    rules: tuple[Rule, ...]
    readings: list[tuple[float, ClusterLag]]
    changes: list[Change | None]


STUCK, LOST_SIGHT = (KAFKA_CONSUMER_STUCK,), (KAFKA_LAG_UNKNOWN,)
LATE = (KAFKA_CONSUMER_LAG,)
BLINDNESS, BOTH = (KAFKA_CLUSTER_BLIND,), (KAFKA_CLUSTER_BLIND, KAFKA_LAG_UNKNOWN)

TABLE = [
    Row(1, "stuck for exactly a minute is for a minute", STUCK,
        [(0, STALLED), (30, STALLED), (59, STALLED), (60, STALLED)], [none, none, none, O]),
    Row(2, "a change from stopped to stalled is none: it does not get on either way", STUCK,
        [(0, STOPPED), (30, STALLED), (60, STOPPED), (90, STALLED)], [none, none, O, none]),
    Row(3, "pending and unknown do not end what is pending, and their time does not count", STUCK,
        [(0, STALLED), (30, PENDING), (60, UNKNOWN), (65, STALLED), (94, STALLED), (95, STALLED)],
        [none, none, none, none, none, none]),
    Row(4, "only the time that is known to hold counts: 30 s before, 30 s since", STUCK,
        [(0, STALLED), (30, STALLED), (60, UNKNOWN), (65, STALLED), (89, STALLED), (90, STALLED)],
        [none, none, none, none, none, O]),
    Row(5, "neither do they resolve", STUCK,
        [(0, STALLED), (60, STALLED), (65, PENDING), (70, UNKNOWN), (75, OK)],
        [none, O, none, none, X]),
    Row(6, "steady is known to be another state, so it resolves", STUCK,
        [(0, STALLED), (60, STALLED), (65, STEADY)], [none, O, X]),
    Row(7, "no state is no reason to open, for as long as it lasts", STUCK,
        [(0, PENDING), (60, UNKNOWN), (3600, judged(None))], [none, none, none]),
    Row(8, "a group that is gone is stuck no more", STUCK,
        [(0, STALLED), (60, STALLED), (65, NOBODY)], [none, O, X]),
    Row(9, "commits that expired leave nothing to be stuck on, though the state is pending", STUCK,
        [(0, STALLED), (60, STALLED), (65, EXPIRED_PENDING)], [none, O, X]),
    Row(10, "a group that had a value and has none because of an error", LOST_SIGHT,
        [(0, WELL), (5, SICK), (124, SICK), (125, SICK), (130, WELL)], [none, none, none, O, X]),
    Row(11, "deleted is not unknown", LOST_SIGHT,
        [(0, SICK), (60, NOBODY), (65, SICK), (125, SICK)], [none, none, none, none]),
    Row(12, "nor are commits that expired, or topics that are deleted", LOST_SIGHT,
        [(0, EXPIRED), (300, DELETED)],
        [none, none]),
    Row(13, "an error is what it is about: it resolves by nothing but a value or a deletion",
        LOST_SIGHT, [(0, SICK), (120, SICK), (125, BLIND), (130, PARTIAL), (135, NOBODY)],
        [none, O, none, X, none]),
    Row(14, "no snapshot for two minutes is blindness", BLINDNESS,
        [(0, BLIND), (60, BLIND), (119, BLIND), (120, BLIND), (125, WELL)],
        [none, none, none, O, X]),
    Row(15, "so is a list that lacks groups", BLINDNESS,
        [(0, PARTIAL), (60, BLIND), (120, PARTIAL)], [none, none, O]),
    Row(16, "one snapshot with a whole list ends it", BLINDNESS,
        [(0, BLIND), (119, WELL), (120, BLIND), (239, BLIND)], [none, none, none, none]),
    Row(17, "a blind cluster is one page and not one for each of its groups", BOTH,
        [(0, SICK_IN_PARTIAL), (120, SICK_IN_PARTIAL), (125, SICK_IN_PARTIAL)], [none, O, none]),
    Row(18, "what could not be read before is held back, not forgotten", BOTH,
        [(0, SICK), (60, SICK), (65, BLIND), (70, SICK), (124, SICK), (125, SICK)],
        [none, none, none, none, none, O]),
    Row(19, "with keep_firing_for it has to be fine for as long", (EASY,),
        [(0, HIGH), (5, LOW), (24, LOW), (25, LOW)], [O, none, none, X]),
    Row(20, "above again in that time is the same incident", (EASY,),
        [(0, HIGH), (5, LOW), (24, LOW), (25, HIGH), (30, LOW), (49, LOW), (50, LOW)],
        [O, none, none, none, none, none, X]),
    Row(21, "time in which nothing is known is no time in which it is fine", (EASY,),
        [(0, HIGH), (5, LOW), (15, LOW), (20, BLIND), (40, BLIND), (49, LOW), (50, LOW)],
        [O, none, none, none, none, none, X]),
    Row(22, "while it is kept it goes on being sent", (EASY,),
        [(0, HIGH), (55, LOW), (60, LOW), (75, LOW)], [O, none, R, X]),
    Row(23, "fine in every second reading is fine for half of the time", (EASY,),
        [(0, HIGH), *((second, BLIND if second % 10 else LOW) for second in range(5, 55, 5))],
        [O, *([none] * 9), X]),
    Row(24, "stuck in every second cycle is stuck, and takes twice as long to be told", STUCK,
        [(second, UNKNOWN if second % 10 else STALLED) for second in range(0, 125, 5)],
        [*([none] * 24), O]),
    Row(25, "a list that comes every second time is none to be blind about: its lags are judged",
        BLINDNESS, [(second, BLIND if second % 10 else WELL) for second in range(0, 605, 5)],
        [none] * 121),
    Row(26, "nor is a group unknown whose lag comes every second time", LOST_SIGHT,
        [(second, SICK if second % 10 else WELL) for second in range(0, 605, 5)],
        [none] * 121),
    Row(27, "where three of four are missing, a high lag is told of in four times its time", LATE,
        [(second, BLIND if second % 20 else HIGH) for second in range(0, 65, 5)],
        [*([none] * 12), O]),
    Row(28, "what is to be seen of a group that may have more ends nothing; the whole does", LATE,
        [(0, HIGH), (15, HIGH), (20, SEEN_PART), (25, SEEN_DELETED), (30, LOW)],
        [none, O, none, none, X]),
    Row(29, "it opens by what is to be seen, and what may be hidden does not begin it anew", LATE,
        [(0, SEEN_HIGH), (5, SEEN_PART), (10, SEEN_HIGH), (15, SEEN_HIGH), (20, SEEN_HIGH)],
        [none, none, none, none, O]),
    Row(30, "a partition that cannot be read for good is unknown, whatever the others say",
        LOST_SIGHT, [(0, WELL), (5, HALF), (124, HALF), (125, HALF), (130, WELL)],
        [none, none, none, O, X]),
    Row(31, "one that can be read in every second cycle is not", LOST_SIGHT,
        [(second, HALF if second % 10 else WELL) for second in range(0, 605, 5)],
        [none] * 121),
    Row(32, "that all is to be seen again is not said by a group that may have more", LOST_SIGHT,
        [(0, HALF), (120, HALF), (125, SEEN_PART), (130, WELL)], [none, O, none, X]),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.number}: {row.why}")
def test_table(row: Row) -> None:
    """Each reading of a row changes exactly what its column says."""
    state, told = Incidents(), []
    for second, lag in row.readings:
        state, changes = step(state, row.rules, lag, NOON + second, seen=SEEN)
        told.append([each.change for each in changes])

    assert told == [[] if change is None else [change] for change in row.changes]


def test_the_table_has_no_gaps() -> None:
    """The rows are numbered through, so that a row can be spoken of by its number."""
    assert [row.number for row in TABLE] == list(range(1, len(TABLE) + 1))


def read(rule: Rule, lag: ClusterLag, key: IncidentKey, seen: Seen = SEEN) -> Reading:
    """Give what *rule* says of *key*."""
    return readings([rule], lag, seen, {key})[key]


def rule(condition: str, scope: Scope = Scope.GROUP) -> Rule:
    """Build a rule named R."""
    return replace(KAFKA_CONSUMER_LAG, name="R", condition=parse(condition), scope=scope)


BOUND = Age(200.0, Method.TIMESTAMPS, None)
OLD, YOUNG = Age(301.0, Method.HISTORY), Age(300.0, Method.HISTORY)
ALL = IncidentKey("R", CLUSTER)
ONE = IncidentKey("R", CLUSTER, GROUP)
THERE = IncidentKey("R", CLUSTER, GROUP, "plays")
HERE = IncidentKey("R", CLUSTER, GROUP, "plays", 0)


def aged(*ages: Age | None) -> ClusterLag:
    """Build a group with a partition of each of *ages*, behind by 10 each."""
    parts = [replace(part(number, 10), age=age) for number, age in enumerate(ages)]
    return lags(group(10 * len(parts), GROUP, *parts))


def kept(lag: int, start: int | None, end: int) -> ClusterLag:
    """Build a group that is behind by *lag* on a log from *start* to *end*."""
    one = replace(part(0, lag), start=start, end=end)
    return lags(group(lag, GROUP, one))


SPLIT = lags(
    group(900, GROUP, part(0, 600), part(1, 300, topic="bets")),
    group(200, "other", part(0, 200)),
)


@pytest.mark.parametrize(
    ("made", "lag", "key", "reading", "why"),
    [
        (rule("seconds > 300"), aged(YOUNG, OLD), ONE, Reading(HOLDS, 301), "the worst counts"),
        (rule("seconds > 300"), aged(YOUNG, YOUNG), ONE, Reading(FINE, 300), "exactly is fine"),
        (rule("seconds > 300"), aged(YOUNG, None), ONE, Reading(UNSURE, 300), "one is not known"),
        (rule("seconds > 300"), aged(None, OLD), ONE, Reading(HOLDS, 301), "one is enough"),
        (rule("seconds > 300"), aged(BOUND), ONE, Reading(UNSURE, 200), "it may be older"),
        (rule("seconds > 100"), aged(BOUND), ONE, Reading(HOLDS, 200), "at least so old"),
        (rule("seconds > 300"), lags(group(0)), ONE, Reading(FINE, 0), "caught up is 0"),
        (rule("retention > 0.5"), kept(60, 0, 100), ONE, Reading(HOLDS, 0.6), "60 of 100"),
        (rule("retention > 0.5"), kept(50, 0, 100), ONE, Reading(FINE, 0.5), "exactly is fine"),
        (rule("retention > 0.5"), kept(0, 100, 100), ONE, Reading(FINE, 0), "nothing unread"),
        (rule("retention > 0.5"), kept(7, 100, 100), ONE, Reading(HOLDS, 7), "all of it is lost"),
        (rule("retention > 0.5"), kept(7, None, 100), ONE, Reading(UNSURE, 0), "start unknown"),
        (rule("lag > 500", Scope.PARTITION), SPLIT, HERE, Reading(HOLDS, 600), "by itself"),
        (rule("lag > 500", Scope.TOPIC), SPLIT, THERE, Reading(HOLDS, 600), "of the topic"),
        (rule("lag > 500", Scope.TOPIC), SPLIT, replace(THERE, topic="bets"),
         Reading(FINE, 300), "the other topic"),
        (rule("lag > 1000", Scope.CLUSTER), SPLIT, ALL, Reading(HOLDS, 1100), "of all groups"),
        (rule("lag > 100", Scope.TOPIC), HALF, replace(THERE, topic="bets"), MISSING, "no end"),
        (rule("lag > 100", Scope.TOPIC), HALF, THERE, Reading(FINE, 50), "that topic is whole"),
        (rule("lag > 100", Scope.CLUSTER), HALF, ALL, Reading(UNSURE, 50), "a lower bound"),
        (rule("lag > 100", Scope.CLUSTER), PARTIAL, ALL, Reading(UNSURE, 5), "groups are missing"),
        (rule("lag > 100", Scope.CLUSTER), VEILED, ALL, Reading(UNSURE, 5), "topics are hidden"),
        (rule("lag > 100", Scope.CLUSTER), BLIND, ALL, MISSING, "nothing is known"),
        (rule("lag > 100", Scope.PARTITION), SICK, HERE, MISSING, "the group cannot be read"),
        (rule("lag > 100", Scope.PARTITION), LOW, replace(HERE, partition=9), GONE, "no such one"),
        (rule("lag > 100"), SEEN_PART, ONE, Reading(UNSURE, 0), "more may be hidden"),
        (rule("lag > 100"), SEEN_HIGH, ONE, Reading(HOLDS, 5000), "that much is seen"),
        (rule("lag > 100"), SEEN_DELETED, ONE, MISSING, "others may not be deleted"),
        (rule("lag > 100", Scope.TOPIC), SEEN_PART, replace(THERE, topic="bets"), MISSING,
         "it may be hidden"),
        (rule("seconds > 300"), SEEN_PART, ONE, Reading(UNSURE, 0), "what is hidden may be old"),
        (rule("state in rewound"), judged(State.REWOUND), ONE, Reading(HOLDS, 7), "it is"),
        (rule("state in uncommitted"), judged(State.UNCOMMITTED, None, Why.NEVER_COMMITTED), ONE,
         Reading(HOLDS), "a state may have no lag"),
        (rule("state in lost", Scope.CLUSTER), judged(State.LOST), ALL, Reading(HOLDS, 7),
         "one is"),
        (rule("state in lost", Scope.CLUSTER), judged(State.UNKNOWN), ALL, Reading(UNSURE, 7),
         "one may be"),
    ],
)  # fmt: skip
def test_a_reading(
    made: Rule, lag: ClusterLag, key: IncidentKey, reading: Reading, why: str
) -> None:
    """Each measure at each scope, with what is right to say and why."""
    assert read(made, lag, key) == reading, why


@pytest.mark.parametrize("scope", [Scope.TOPIC, Scope.PARTITION])
def test_a_state_of_a_part_is_its_own(scope: Scope) -> None:
    """A partition that is fine is not held for the one that is not."""
    parts = (
        replace(part(0, 5), judged=State.STALLED),
        replace(part(0, 5, topic="bets"), judged=State.OK),
    )
    found = readings([rule("state in stalled", scope)], lags(group(10, GROUP, *parts)), SEEN, set())

    assert [(key.topic, reading.verdict) for key, reading in found.items()] == [("plays", HOLDS)]


def test_a_group_that_was_never_alive_is_nobodys_to_be_woken_by() -> None:
    """Somebody left it behind; one that is named or was seen alive is not left behind."""
    stuck = [KAFKA_CONSUMER_STUCK]

    assert readings(stuck, STALLED, Seen(), set()) == {}
    assert len(readings(stuck, STALLED, Seen(alive={GROUP}), set())) == 1


def test_what_is_open_counts_as_alive() -> None:
    """A memory that was lost does not resolve what is as wrong as before."""
    key = IncidentKey(KAFKA_CONSUMER_STUCK.name, CLUSTER, GROUP)

    assert read(KAFKA_CONSUMER_STUCK, STALLED, key, Seen()).verdict is HOLDS


def test_a_group_that_never_had_a_value_is_not_lost_sight_of() -> None:
    """It may never have been readable, which is for whoever sets up the permissions."""
    assert readings([KAFKA_LAG_UNKNOWN], SICK, Seen(), set()) == {}


def test_without_the_rule_on_the_list_nothing_is_held_back() -> None:
    """Whoever switched it off wants to hear of each group."""
    found = readings([KAFKA_LAG_UNKNOWN], SICK_IN_PARTIAL, SEEN, set())

    assert [reading.verdict for reading in found.values()] == [HOLDS]


def test_a_rule_is_for_the_groups_of_its_pattern() -> None:
    """Others have no reading, and what was open for them ends."""
    narrow = KAFKA_CONSUMER_LAG.changed(Override(groups="audit.*"))
    key = IncidentKey(narrow.name, CLUSTER, GROUP)

    assert readings([narrow], HIGH, SEEN, set()) == {}
    assert read(narrow, HIGH, key) == GONE


def test_a_group_is_judged_by_its_own_limit_and_time() -> None:
    """An exception has its threshold and its `for`."""
    own = KAFKA_CONSUMER_LAG.changed(
        Override(exceptions=(Override(groups="settle", threshold=2, for_seconds=0),))
    )
    both = lags(group(3), group(3, "other"))

    _, changes = step(Incidents(), [own], both, NOON)

    assert [(each.change, each.incident.key.group) for each in changes] == [(O, GROUP)]


def test_an_exception_for_nobody_changes_nothing() -> None:
    """Without a pattern there are no groups that it could be for."""
    own = KAFKA_CONSUMER_LAG.changed(Override(exceptions=(Override(threshold=2),)))

    assert own.of(GROUP) == own


def test_what_opens_in_maintenance_is_held_back_until_its_end() -> None:
    """It is judged: opened and resolved are told, marked as held; after the window it is sent."""
    quick = [KAFKA_CONSUMER_LAG.changed(Override(for_seconds=0))]
    state, told = Incidents(), []
    for second, is_on in ((0, True), (60, True), (65, False), (70, False), (75, True)):
        state, changes = step(state, quick, HIGH, NOON + second, held=lambda _, on=is_on: on)  # type: ignore[misc]
        told += [(each.change, each.incident.held) for each in changes]

    assert told == [(O, True), (R, True), (R, False)]


def test_what_ends_in_maintenance_was_never_told() -> None:
    """Nobody was woken, so nobody is told that it is over."""
    quick = [KAFKA_CONSUMER_LAG.changed(Override(for_seconds=0))]
    state, _ = step(Incidents(), quick, HIGH, NOON, held=lambda _: True)

    _, (over,) = step(state, quick, LOW, NOON + 5, held=lambda _: True)

    assert (over.change, over.incident.held) == (X, True)


def test_what_was_open_before_maintenance_goes_on_being_sent() -> None:
    """Alertmanager would take silence for its end."""
    quick = [KAFKA_CONSUMER_LAG.changed(Override(for_seconds=0))]
    state, _ = step(Incidents(), quick, HIGH, NOON)

    _, (again,) = step(state, quick, HIGH, NOON + 60, held=lambda _: True)

    assert (again.change, again.incident.held) == (R, False)


def test_a_restart_does_not_count_as_time_in_which_it_was_fine() -> None:
    """Neither `for` nor `keep_firing_for` passes while nobody looks."""
    state, _ = step(Incidents(), [EASY], HIGH, NOON)
    state, _ = step(state, [EASY], LOW, NOON + 5)

    _, changes = step(interrupted(state), [EASY], LOW, NOON + 3600)

    assert [each.change for each in changes] == [R]


def test_the_shipped_rules_see_a_healthy_cluster_as_such() -> None:
    """All four at once say nothing."""
    _, changes = step(Incidents(), SHIPPED, OK, NOON, seen=SEEN)

    assert changes == ()


def test_a_condition_gives_its_text_back() -> None:
    """What is shown on a page can be written into a configuration."""
    for condition in (above(1000), above(0.8, Measure.RETENTION), in_state(State.LOST, State.OK)):
        assert parse(str(condition)) == condition
