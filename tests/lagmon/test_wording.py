"""Numbers, times and durations as people read them."""

from __future__ import annotations

import pytest

from lagmon.wording import clock, counted, duration, member, moment, number
from tests.lagmon.builders import NOON


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (200, "3m 20s"),
        (3599, "59m 59s"),
        (3600, "1h"),
        (7500, "2h 5m"),
        (86_399, "23h 59m"),
        (86_400, "1d"),
        (86_400 * 3 + 3600 * 4 + 59, "3d 4h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, text: str) -> None:
    """Two units are enough to act on, and nothing is rounded up."""
    assert duration(seconds) == text


def test_times_are_utc_and_say_so() -> None:
    """A time of day names its zone; a moment is RFC 3339 to the millisecond."""
    assert clock(NOON) == "16:00:00 UTC"
    assert moment(NOON + 0.1239) == "2025-11-24T16:00:00.123Z"


def test_counts_agree_with_their_noun() -> None:
    """One is singular, none and many are plural, and thousands are separated."""
    assert [counted(count, "group") for count in (0, 1, 2000)] == [
        "0 groups",
        "1 group",
        "2,000 groups",
    ]
    assert number(1203.0) == "1,203"


def test_a_member_is_named_by_client_and_address() -> None:
    """The slash that Kafka puts before an address is not part of it; names are made safe."""
    assert member("worker-1", "/10.0.0.7") == "worker-1 at 10.0.0.7"
    assert member("worker-1", "host.example") == "worker-1 at host.example"
    assert member("a\nb", "h").isprintable()
