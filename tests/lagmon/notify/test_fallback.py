"""When PagerDuty is told in the place of Alertmanagers, and that nobody is woken twice."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.alerts.rules import KAFKA_CONSUMER_LAG, KAFKA_CONSUMER_STUCK, Priority
from lagmon.errors import RecordingError
from lagmon.model import Change, IncidentKey
from lagmon.notify import Fallback, Outcome, Policy
from lagmon.notify.fallback import PER_MINUTE, About, Action, Event
from tests.lagmon.builders import CLUSTER, GROUP, NOON, incident, notice

if TYPE_CHECKING:
    from lagmon.alerts.rules import Rule
    from lagmon.report import Notice

FIRST, SECOND = "alertmanager:first", "alertmanager:second"
AFTER, HOLDS = 120.0, 240.0
ABOUT = About(CLUSTER, GROUP)
MINUTE = 60


def fallback(*alertmanagers: str, capacity: int = 100) -> Fallback:
    """Stand in for *alertmanagers*."""
    return Fallback(Policy(frozenset(alertmanagers), AFTER, HOLDS), capacity=capacity)


def fires(name: str = GROUP, rule: Rule = KAFKA_CONSUMER_LAG, *, held: bool = False) -> Notice:
    """Say that an incident of *name* is open."""
    key = IncidentKey(rule.name, CLUSTER, name)
    made = notice(about=replace(incident(name), key=key, held=held))
    return replace(made, rule=rule)


def over(name: str = GROUP, rule: Rule = KAFKA_CONSUMER_LAG) -> Notice:
    """Say that it is over."""
    about = replace(fires(name, rule).change.incident, resolved_at=NOON + 60)
    return replace(notice(Change.RESOLVED, about), rule=rule)


def silent(decides: Fallback, now: float, *names: str) -> None:
    """Have a sending to each of *names*, or to the first, fail at *now*."""
    for name in names or (FIRST,):
        decides.heard(name, [], Outcome.FAILED, now)


def told(decides: Fallback, now: float, outcome: Outcome = Outcome.SENT) -> list[Event]:
    """Tell all that is due at *now*, and have it end with *outcome*."""
    events = []
    while event := decides.due(now):
        events.append(event)
        decides.settled(event, outcome, now)
    return events


def actions(events: list[Event]) -> list[Action]:
    """Give what was asked for."""
    return [event.action for event in events]


def paged(*alertmanagers: str) -> Fallback:
    """Give one that has woken somebody by the time `AFTER`."""
    decides = fallback(*alertmanagers)
    decides.take([fires()], 0)
    silent(decides, 0, *alertmanagers)
    silent(decides, AFTER, *alertmanagers)
    assert actions(told(decides, AFTER)) == [Action.TRIGGER]
    return decides


def test_nobody_is_told_while_an_alertmanager_takes_alerts() -> None:
    """Its own page would come beside ours, and the two are never taken for one."""
    decides = fallback(FIRST)
    decides.take([fires()], 0)

    decides.heard(FIRST, [fires()], Outcome.SENT, 1)

    assert told(decides, 10 * AFTER) == []


def test_nobody_is_told_before_an_alertmanager_was_tried() -> None:
    """That it says nothing is no silence while nobody asked."""
    decides = fallback(FIRST)
    decides.take([fires()], 0)

    assert told(decides, AFTER) == []


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.TIMEOUT, Outcome.REJECTED])
def test_the_first_page_goes_out_when_the_silence_has_lasted(outcome: Outcome) -> None:
    """It counts from the first sending that failed; who refuses alerts wakes nobody either."""
    decides = fallback(FIRST)
    decides.take([fires()], 0)
    decides.heard(FIRST, [fires()], outcome, 5)

    assert told(decides, AFTER + 4) == []
    (event,) = told(decides, AFTER + 5)

    assert (event.action, event.about) == (Action.TRIGGER, ABOUT)
    assert event.notices == (fires(),)


def test_a_silence_of_hours_ago_is_asked_about_again() -> None:
    """The Alertmanager may have come back long since: it is tried with the new page first."""
    decides = fallback(FIRST)
    silent(decides, 0)
    decides.take([fires()], 10_000)

    assert told(decides, 10_000 + AFTER) == []
    silent(decides, 10_001 + AFTER)

    assert actions(told(decides, 10_001 + AFTER)) == [Action.TRIGGER]


def test_one_alertmanager_that_takes_alerts_is_enough() -> None:
    """They tell each other."""
    decides = fallback(FIRST, SECOND)
    decides.take([fires()], 0)
    silent(decides, 0)
    decides.heard(SECOND, [], Outcome.SENT, 1)
    silent(decides, AFTER)

    assert told(decides, AFTER) == []
    decides.take([fires()], AFTER + 1)
    silent(decides, AFTER + 1, SECOND)
    assert told(decides, AFTER + 2) == []

    assert actions(told(decides, 2 * AFTER + 1)) == [Action.TRIGGER]


def test_other_receivers_do_not_count() -> None:
    """A webhook that takes everything wakes nobody for certain."""
    decides = fallback(FIRST)
    decides.take([fires()], 0)
    silent(decides, 0)
    decides.heard("webhook:chat", [fires()], Outcome.SENT, 1)

    assert actions(told(decides, AFTER)) == [Action.TRIGGER]


def test_without_any_alertmanager_it_is_told_at_once() -> None:
    """There is nobody to wait for."""
    decides = fallback()
    decides.take([fires()], 0)

    assert actions(told(decides, 0)) == [Action.TRIGGER]


def test_a_group_is_one_page_whatever_is_wrong_with_it() -> None:
    """It ends with the last of its incidents."""
    decides = fallback()
    decides.take([fires(), fires(rule=KAFKA_CONSUMER_STUCK)], 0)

    first = told(decides, 0)
    decides.take([fires(), over()], 1)
    second = told(decides, 1)
    decides.take([over(rule=KAFKA_CONSUMER_STUCK)], 2)

    assert [len(event.notices) for event in first] == [2]
    assert second == []
    assert actions(told(decides, 2)) == [Action.RESOLVE]


def test_what_was_told_is_not_told_again() -> None:
    """Reminders change nothing; and the end is told once, however often it is repeated."""
    decides = paged(FIRST)

    for minute in range(1, 5):
        decides.take([fires()], AFTER + minute * MINUTE)
        silent(decides, AFTER + minute * MINUTE)
        assert told(decides, AFTER + minute * MINUTE) == []
    decides.take([over()], 600)
    assert actions(told(decides, 600)) == [Action.RESOLVE]
    decides.take([over()], 660)

    assert told(decides, 660) == []
    assert not decides.is_waiting


def test_the_end_is_told_also_after_the_alertmanager_is_back() -> None:
    """Otherwise the page at PagerDuty stays open for ever."""
    decides = paged(FIRST)
    decides.heard(FIRST, [fires()], Outcome.SENT, 200)

    decides.take([over()], 210)

    assert actions(told(decides, 210)) == [Action.RESOLVE]


def test_what_an_alertmanager_took_is_not_told_when_it_falls_silent() -> None:
    """Whoever is on call knows of it already; what comes after is news."""
    decides = fallback(FIRST)
    decides.take([fires()], 0)
    decides.heard(FIRST, [fires()], Outcome.SENT, 1)

    decides.take([fires(), fires("later")], 100)
    silent(decides, 100)

    assert [event.about.group for event in told(decides, 100 + AFTER)] == ["later"]


def test_a_page_that_comes_again_is_a_new_one() -> None:
    """What the Alertmanager took was over in between."""
    decides = fallback(FIRST)
    decides.take([fires()], 0)
    decides.heard(FIRST, [fires()], Outcome.SENT, 1)
    decides.take([over()], 2)
    assert told(decides, 3) == []

    decides.take([fires()], 100)
    silent(decides, 100)

    assert actions(told(decides, 100 + AFTER)) == [Action.TRIGGER]


def test_what_ends_while_the_silence_lasts_is_never_told() -> None:
    """Nobody is woken by what is over."""
    decides = fallback(FIRST)
    decides.take([fires()], 0)
    silent(decides, 0)
    decides.take([over()], 60)

    assert told(decides, AFTER) == []


@pytest.mark.parametrize(
    "told_of", [fires(rule=replace(KAFKA_CONSUMER_LAG, priority=Priority.P2)), fires(held=True)]
)
def test_only_what_pages_is_told(told_of: Notice) -> None:
    """Neither a lower priority nor what maintenance holds back."""
    decides = fallback()
    decides.take([told_of], 0)

    assert told(decides, 0) == []


def test_the_most_urgent_incident_of_a_group_is_what_its_page_says() -> None:
    """Priority first, then whichever was there first."""
    decides = Fallback(Policy(frozenset(), AFTER, HOLDS, frozenset(Priority)))
    low = replace(KAFKA_CONSUMER_LAG, priority=Priority.P2)
    decides.take([fires(rule=low), fires(rule=KAFKA_CONSUMER_STUCK)], 0)

    (event,) = told(decides, 0)

    assert [each.rule.priority for each in event.notices] == [Priority.P1, Priority.P2]


def test_no_more_than_the_cap_is_told_in_a_minute() -> None:
    """A thousand at once are told minute by minute, and those that are over by then are not."""
    decides = fallback(capacity=1000)
    decides.take([fires(str(number)) for number in range(1000)], 0)

    first, at_once = told(decides, 0), told(decides, 59)
    decides.take([over(str(number)) for number in range(PER_MINUTE, 1000)], 60)
    second = told(decides, 60)

    assert (len(first), at_once, second) == (PER_MINUTE, [], [])


def test_an_end_comes_before_a_page_where_there_is_no_room_for_both() -> None:
    """What is over must not look open because others are not."""
    decides = fallback(capacity=1000)
    decides.take([fires(str(number)) for number in range(1000)], 0)
    told(decides, 0)
    decides.take([over("0")], 1)

    assert actions(told(decides, 60))[:2] == [Action.RESOLVE, Action.TRIGGER]


def test_a_failure_is_tried_again_after_longer_and_longer() -> None:
    """A PagerDuty in trouble is not kept there by us."""
    decides = fallback()
    decides.take([fires()], 0)
    tries, now = [], 0.0

    while now < 200:
        decides.take([fires()], now)
        tries += [now] * len(told(decides, now, Outcome.FAILED))
        now += 1

    assert tries == [0, 1, 3, 7, 15, 31, 63, 123, 183]


def test_an_event_that_is_refused_lets_the_others_pass() -> None:
    """The one that was not tried yet comes first."""
    decides = fallback()
    decides.take([fires("a"), fires("b")], 0)
    refused = told(decides, 0, Outcome.REJECTED)

    assert [event.about.group for event in refused] == ["a"]
    assert [event.about.group for event in told(decides, 1)] == ["b", "a"]


def test_the_end_is_told_of_what_may_have_arrived() -> None:
    """No answer is no proof that nobody was woken."""
    decides = fallback()
    decides.take([fires()], 0)
    told(decides, 0, Outcome.TIMEOUT)

    decides.take([over()], 1)

    assert actions(told(decides, 1)) == [Action.RESOLVE]


def test_what_comes_again_before_its_end_was_told_is_still_the_same_page() -> None:
    """Neither an end nor a second page."""
    decides = paged()
    decides.take([over()], 200)

    decides.take([fires()], 201)

    assert told(decides, 202) == []


def test_what_nobody_speaks_of_any_more_is_over() -> None:
    """Its rule or its cluster was taken out of the configuration, or lagmon forgot."""
    decides = paged()

    assert told(decides, HOLDS - 1) == []
    assert actions(told(decides, AFTER + HOLDS)) == [Action.RESOLVE]


def again(decides: Fallback, now: float = 0) -> Fallback:
    """Give what stands by after a restart."""
    after = fallback()
    after.restore(json.loads(json.dumps(decides.saved())), now)
    return after


def test_a_restart_wakes_nobody_twice_and_tells_the_end() -> None:
    """Also if it is over before anything else is heard of it."""
    restarted = again(paged())
    restarted.take([fires()], 10)
    assert told(restarted, 10) == []

    restarted = again(restarted)
    restarted.take([over()], 10)

    assert actions(told(restarted, 10)) == [Action.RESOLVE]
    assert again(restarted).saved() == []


def test_what_may_have_arrived_is_told_again_after_a_restart_under_the_same_key() -> None:
    """PagerDuty takes it for the same; what is in it is known with the first notice."""
    decides = fallback()
    decides.take([fires()], 0)
    left = decides.due(0)

    restarted = again(decides)
    assert told(restarted, 1) == []
    restarted.take([fires()], 2)
    (event,) = told(restarted, 2)

    assert left is not None
    assert event.about.dedup_key == left.about.dedup_key


def test_a_restart_remembers_what_an_alertmanager_took() -> None:
    """Its page is out already."""
    decides = fallback(FIRST)
    decides.take([fires()], 0)
    decides.heard(FIRST, [fires()], Outcome.SENT, 1)
    restarted = fallback(FIRST)
    restarted.restore(decides.saved(), 0)

    restarted.take([fires()], 1)
    silent(restarted, 1)

    assert told(restarted, 1 + AFTER) == []


@pytest.mark.parametrize(
    ("saved", "why"),
    [
        (7, "paged: wants a list"),
        ([7], r"paged\[0\]: wants an object"),
        ([{"cluster": 7}], r"paged\[0\]\.cluster: wants text"),
        ([{"cluster": "a", "told": "perhaps"}], r"paged\[0\]\.told: wants one of no, maybe, yes"),
        ([{"cluster": "a", "told": "yes", "incidents": [{}]}], r"incidents\[0\]\.rule: wants text"),
    ],
)
def test_what_was_kept_and_makes_no_sense_is_named(saved: Any, why: str) -> None:
    """Nothing of it is taken."""
    decides = fallback()

    with pytest.raises(RecordingError, match=why):
        decides.restore(saved, 0)

    assert decides.saved() == []


def test_pages_without_room_are_counted() -> None:
    """Memory is bounded."""
    decides = fallback(capacity=1)
    decides.take([fires("a"), fires("b"), fires("a")], 0)

    assert decides.dropped == 1
    assert len(told(decides, 0)) == 1


def test_a_cluster_and_its_groups_are_different_pages() -> None:
    """Keys are short enough for PagerDuty whatever a group is called."""
    names = [About("a"), About("a", ""), About("a", "b"), About("b", "a"), About("a", "x" * 9000)]

    assert len({each.dedup_key for each in names}) == len(names)
    assert max(len(each.dedup_key) for each in names) <= 255


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fires", "over", "takes", "fails", "restart"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([Outcome.SENT, Outcome.FAILED, Outcome.REJECTED]),
        st.sampled_from([1.0, 30.0, 150.0]),
    ),
    max_size=30,
)


@given(STEPS)
def test_nobody_is_woken_twice_and_no_page_stays_open(
    steps: list[tuple[str, str, Outcome, float]],
) -> None:
    """Whatever happens in whatever order: one trigger taken, one resolve taken, and so on."""
    decides, now, is_open = fallback(FIRST), 0.0, dict.fromkeys("ab", False)

    def tell(outcome: Outcome) -> None:
        for event in told(decides, now, outcome):
            name = event.about.group or ""
            if outcome is Outcome.SENT:
                assert not (event.action is Action.TRIGGER and is_open[name])
                is_open[name] = event.action is Action.TRIGGER

    for what, name, outcome, seconds in steps:
        now += seconds
        if what == "restart":
            saved, decides = decides.saved(), fallback(FIRST)
            decides.restore(saved, now)
        elif what in {"takes", "fails"}:
            became = Outcome.SENT if what == "takes" else Outcome.FAILED
            decides.heard(FIRST, [fires(name)], became, now)
        else:
            decides.take([fires(name) if what == "fires" else over(name)], now)
        tell(outcome)

    now += HOLDS
    tell(Outcome.SENT)
    assert is_open == dict.fromkeys("ab", False)
    assert decides.saved() == []


def test_a_page_that_is_another_replicas_by_now_is_not_told() -> None:
    """Whoever has the group knows how it is, and tells."""
    decides = fallback()
    decides.take([fires("mine"), fires("theirs")], 0)

    decides.keep_only(lambda key: key.group == "mine")

    assert [event.about.group for event in told(decides, 0)] == ["mine"]
