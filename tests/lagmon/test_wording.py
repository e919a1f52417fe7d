"""Numbers, times and durations as people read them."""

from __future__ import annotations

import pytest

from lagmon.labels import LONGEST
from lagmon.wording import clock, counted, duration, member, moment, number, reason
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


def test_a_reason_is_not_cut_off_before_the_command_at_its_end() -> None:
    """A missing right is said with what grants it: the two are longer than a name may be."""
    words = f"lagmon may not DESCRIBE topic {'plays-' * 20}; kafka-acls --topic {'plays-' * 20}"

    assert len(words) > LONGEST
    assert reason(words) == words


def test_what_very_many_brokers_said_is_counted() -> None:
    """A page has room for a dozen parts, each of them as safe to print as a name."""
    said = reason("; ".join(["_TRANSPORT: \N{RIGHT-TO-LEFT OVERRIDE}broker", *("down",) * 13]))

    assert said.endswith("; down; down; and 2 more")
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in said
    assert len(reason("x" * 2 * LONGEST)) == LONGEST
