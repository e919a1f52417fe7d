"""Maintenance windows: when they are on by the clock on the wall, and whom they are for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from lagmon.alerts.maintenance import AHEAD_SECONDS, Once, Weekly, Window, announced, holding
from lagmon.alerts.rules import KAFKA_CLUSTER_BLIND, KAFKA_CONSUMER_LAG, Scope
from lagmon.model import IncidentKey
from tests.lagmon.builders import NOON, group, lags

BERLIN = ZoneInfo("Europe/Berlin")
APIA = ZoneInfo("Pacific/Apia")
ALWAYS = Once(datetime(2000, 1, 1), datetime(2100, 1, 1), BERLIN)  # noqa: DTZ001 - on the wall
EVERY_DAY = frozenset(range(7))


def utc(text: str) -> float:
    """Give the seconds of a moment in UTC, such as ``2025-11-24 16:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def once(begins: str, ends: str, zone: ZoneInfo = BERLIN) -> Once:
    """Build a window between two times on the wall."""
    return Once(datetime.fromisoformat(begins), datetime.fromisoformat(ends), zone)


def nightly(at: str, hours: float, days: frozenset[int] = EVERY_DAY) -> Weekly:
    """Build a window in Berlin that comes again."""
    return Weekly(days, time.fromisoformat(at), timedelta(hours=hours), BERLIN)


def minutes_on(window: Once | Weekly, begins: str, ends: str) -> int:
    """Count the minutes between two moments in UTC in which *window* is on."""
    first, last = int(utc(begins)), int(utc(ends))
    return sum(window.covers(now) for now in range(first, last, 60))


@pytest.mark.parametrize(
    ("now", "is_on"),
    [
        ("2025-11-24 20:59:59", False),
        ("2025-11-24 21:00:00", True),
        ("2025-11-24 22:59:59", True),
        ("2025-11-24 23:00:00", False),
    ],
)
def test_a_window_once_is_on_from_its_beginning_and_off_at_its_end(
    now: str, *, is_on: bool
) -> None:
    """22:00 to 24:00 in a winter's Berlin is 21:00 to 23:00 in UTC; the end is outside."""
    window = once("2025-11-24 22:00", "2025-11-25 00:00")

    assert window.covers(utc(now)) is is_on


@pytest.mark.parametrize(
    ("night", "minutes", "why"),
    [
        ("2025-06-10", 120, "an ordinary night"),
        ("2025-03-30", 60, "the clocks go from 02:00 to 03:00: one hour never was"),
        ("2025-10-26", 180, "the clocks go back from 03:00 to 02:00: one hour was twice"),
    ],
)
def test_a_window_follows_the_clock_on_the_wall(night: str, minutes: int, why: str) -> None:
    """From 01:00 to 03:00 is what people read off their clocks, however long that takes."""
    window = nightly("01:00", 2)
    day = datetime.fromisoformat(night)
    before, after = f"{day - timedelta(hours=6)}", f"{day + timedelta(hours=12)}"

    assert minutes_on(window, before, after) == minutes, why


def test_a_beginning_that_the_clocks_skip_comes_after_the_gap() -> None:
    """02:30 is not shown in that night: what was to begin then begins at 03:30, an hour on."""
    window = once("2025-03-30 02:30", "2025-03-30 04:00")

    assert not window.covers(utc("2025-03-30 01:29"))
    assert window.covers(utc("2025-03-30 01:30"))
    assert not window.covers(utc("2025-03-30 02:00"))


def test_an_end_that_the_clocks_skip_comes_after_the_gap() -> None:
    """The window is rather too long than too short: until 03:30, which 02:30 would have been."""
    window = once("2025-03-30 01:00", "2025-03-30 02:30")

    assert window.covers(utc("2025-03-30 01:29"))
    assert not window.covers(utc("2025-03-30 01:30"))


def test_of_a_time_that_comes_twice_the_longer_window_counts() -> None:
    """From 02:30 to 02:45, both shown twice: from the first 02:30 to the second 02:45."""
    window = once("2025-10-26 02:30", "2025-10-26 02:45")

    assert minutes_on(window, "2025-10-25 22:00", "2025-10-26 06:00") == 75


@pytest.mark.parametrize(
    ("now", "is_on"),
    [
        ("2025-11-22 21:59", False),  # a Saturday
        ("2025-11-22 22:00", True),
        ("2025-11-23 03:59", True),  # into Sunday
        ("2025-11-23 04:00", False),
        ("2025-11-23 22:30", False),
        ("2025-11-29 23:00", True),  # again a week later
    ],
)
def test_a_window_comes_again_on_its_days_and_passes_midnight(now: str, *, is_on: bool) -> None:
    """Saturdays from 23:00 for six hours: into the Sunday, and no Sunday of its own."""
    window = nightly("23:00", 6, frozenset({5}))

    assert window.covers(utc(now)) is is_on


def test_a_day_that_a_zone_leaves_out_does_no_harm() -> None:
    """Samoa had no 30 December 2011: a window that spans it is on right before and right after."""
    window = once("2011-12-29 12:00", "2011-12-31 12:00", APIA)

    assert minutes_on(window, "2011-12-29 00:00", "2012-01-02 00:00") == 24 * 60


def test_a_window_of_a_week_is_always_on() -> None:
    """What lasts until it comes again never ends."""
    window = nightly("08:00", 24 * 7, frozenset({2}))

    assert minutes_on(window, "2025-10-20 00:00", "2025-11-05 00:00") == 16 * 24 * 60


@pytest.mark.parametrize(
    ("window", "key", "is_held"),
    [
        (Window("w", ALWAYS), IncidentKey("R", "c", "g"), True),
        (Window("w", ALWAYS), IncidentKey("R", "c"), True),
        (Window("w", ALWAYS, groups="g|h"), IncidentKey("R", "c", "g", "t", 0), True),
        (Window("w", ALWAYS, groups="g"), IncidentKey("R", "c", "gg"), False),
        (Window("w", ALWAYS, groups="g"), IncidentKey("R", "c"), False),
        (Window("w", ALWAYS, clusters="d"), IncidentKey("R", "c", "g"), False),
        (Window("w", ALWAYS, rules="S"), IncidentKey("R", "c", "g"), False),
        (
            Window("w", once("2000-01-01 00:00", "2000-01-02 00:00")),
            IncidentKey("R", "c", "g"),
            False,
        ),
    ],
    ids=["all", "cluster", "named", "part of a name", "cluster beside a group", "another cluster",
         "another rule", "over"],
)  # fmt: skip
def test_a_window_holds_back_whom_it_is_for(
    window: Window, key: IncidentKey, *, is_held: bool
) -> None:
    """Every pattern has to match the whole name; a window for some groups leaves the cluster."""
    assert holding([window], utc("2025-11-24 16:00"))(key) is is_held


BLIND, LAG = KAFKA_CLUSTER_BLIND, KAFKA_CONSUMER_LAG
TWO = lags(group(0, "settle"), group(0, "audit"))


def quiet(*windows: Window, now: float = NOON) -> list[tuple[str, str | None]]:
    """Give the rule and group of all that Prometheus is told to hold back."""
    rules = (replace(LAG, name="Own", scope=Scope.PARTITION), LAG, BLIND)
    return [(key.rule, key.group) for key in announced(windows, rules, TWO, now)]


def test_prometheus_is_told_of_each_rule_and_whom_it_is_not_to_wake_for() -> None:
    """By rule in order, and of a partition its group: windows for other clusters are none."""
    everything = Window("all", ALWAYS)

    assert quiet(everything) == [
        (BLIND.name, None),
        (LAG.name, "audit"),
        (LAG.name, "settle"),
        ("Own", "audit"),
        ("Own", "settle"),
    ]
    assert quiet(replace(everything, groups="settle", rules="Kafka.*")) == [(LAG.name, "settle")]
    assert quiet(replace(everything, clusters="elsewhere")) == []
    assert quiet() == []


@pytest.mark.parametrize(
    ("now", "is_told"),
    [
        ("2025-11-24 20:58:59", False),
        ("2025-11-24 20:59:00", True),
        ("2025-11-24 21:00:00", True),
        ("2025-11-24 22:59:59", True),
        ("2025-11-24 23:00:00", False),
    ],
)
def test_prometheus_is_told_a_minute_before(now: str, *, is_told: bool) -> None:
    """It reads with its next scrape: until then it must not page what lagmon holds back already."""
    window = Window("once", once("2025-11-24 22:00", "2025-11-25 00:00"))

    assert AHEAD_SECONDS == 60
    assert bool(quiet(window, now=utc(now))) is is_told


def test_a_short_window_is_told_of_too() -> None:
    """One that is over before a minute has passed is on when it is."""
    short = Weekly(EVERY_DAY, time(1), timedelta(seconds=30), BERLIN)

    assert quiet(Window("short", short), now=utc("2025-11-24 00:00:15"))
