"""What is kept of the last hour, and what is not made up."""

from __future__ import annotations

from dataclasses import replace

from lagmon.model import IncidentKey, Why
from lagmon.past import ENDED_KEPT, KEPT_SECONDS, Past
from lagmon.readings import Share
from lagmon.sharding.ownership import home
from tests.lagmon.builders import CLUSTER, GROUP, NOON, group, incident, lags


def seen(*readings: tuple[float, int | None]) -> Past:
    """Give what is left of *readings*: seconds after noon, and the lag then."""
    past = Past()
    for after, lag in readings:
        why = Why.GROUP_UNREADABLE if lag is None else None
        past.put(lags(group(lag, why=why), when=NOON + after), ())
    return past


def kept(past: Past) -> list[tuple[float, int | None]]:
    """Give the samples as seconds after noon, and the lag."""
    return [(one.at - NOON, one.lag) for one in past.lags(GROUP)]


def test_the_highest_of_each_half_minute_is_kept() -> None:
    """A peak between two samples is what somebody looks for."""
    past = seen((0, 3), (5, 900), (10, 4), (30, 7), (35, 6))

    assert kept(past) == [(5, 900), (30, 7)]


def test_what_was_not_known_is_a_gap() -> None:
    """It is neither 0 nor what it was before; one reading in the half minute closes it."""
    assert kept(seen((0, 3), (30, None), (60, None), (65, 5))) == [(0, 3), (30, None), (65, 5)]


def test_a_cycle_without_an_answer_is_a_gap_for_every_group() -> None:
    """Nobody could see it."""
    past = seen((0, 3))
    past.put(lags(error="gone", when=NOON + 40), ())

    assert kept(past) == [(0, 3), (40, None)]


def test_an_hour_is_kept() -> None:
    """What is older goes, so that the room is bounded."""
    past = seen(*((after, after) for after in range(0, 2 * int(KEPT_SECONDS), 30)))

    samples = kept(past)

    assert len(samples) == KEPT_SECONDS / 30 + 1
    assert samples[0][0] == KEPT_SECONDS - 30


def test_a_group_that_is_gone_is_forgotten_after_the_hour() -> None:
    """Names that come and go do not fill the memory."""
    past = seen((0, 3))
    for after in range(30, int(KEPT_SECONDS) + 60, 30):
        past.put(lags(when=NOON + after), ())

    assert kept(past) == []
    assert not past._lags


def test_a_clock_that_was_set_back_begins_anew() -> None:
    """Times of before fit no more."""
    assert kept(seen((0, 3), (100, 4), (50, 5))) == [(50, 5)]


def test_an_incident_that_is_no_longer_open_has_ended() -> None:
    """It is told with the time of the first cycle without it."""
    past = Past()
    past.put(lags(group(1203)), (incident(),))
    assert past.ended(GROUP) == ()

    past.put(lags(group(3), when=NOON + 20), ())

    assert [(each.incident, each.at) for each in past.ended(GROUP)] == [(incident(), NOON + 20)]


def test_the_last_incident_comes_first() -> None:
    """Whoever looks wants the latest."""
    past = Past()
    for after in range(4):
        past.put(lags(when=NOON + after), (incident(),) if after % 2 == 0 else ())

    assert [each.at for each in past.ended(GROUP)] == [NOON + 3, NOON + 1]


def test_incidents_belong_to_their_group_or_to_the_cluster() -> None:
    """One of the cluster is no group's."""
    blind = replace(incident(), key=IncidentKey("KafkaClusterBlind", CLUSTER))
    past = Past()
    past.put(lags(), (incident(), incident("other"), blind))
    past.put(lags(when=NOON + 1), ())

    assert [each.incident for each in past.ended(GROUP)] == [incident()]
    assert [each.incident for each in past.ended(None)] == [blind]


def test_incidents_that_are_over_are_bounded() -> None:
    """A storm leaves no more than its last ones."""
    past = Past()
    past.put(lags(), tuple(incident(f"g{number}") for number in range(ENDED_KEPT + 5)))
    past.put(lags(when=NOON + 1), ())

    assert len(past._ended) == ENDED_KEPT


def test_a_group_that_was_never_seen_has_no_past() -> None:
    """Nothing is given for it."""
    assert Past().lags("nobody") == ()
    assert Past().ended("nobody") == ()


def test_an_incident_that_moved_to_another_replica_is_not_over() -> None:
    """Whoever has the group now knows when it ends."""
    past, elsewhere = Past(), Share(((home(GROUP, 50) + 1) % 50,), 50)
    past.put(lags(group(2000)), (incident(),))

    past.put(lags(when=NOON + 5), (), elsewhere)

    assert past.ended(GROUP) == ()
