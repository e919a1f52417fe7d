"""A selection takes the letters that somebody means, and its texts say what would be right."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from consumers.deadletters.letters import Place
from consumers.deadletters.selection import Selection, moment, place, topic_partition, trace_id
from tests.consumers.deadletters.builders import DIED_MS, TRACE_ID, letter

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2025, 11, 24, 16, tzinfo=UTC)
NOW_MS = 1_764_000_000_000


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(), True),
        (Selection(since_ms=DIED_MS), True),
        (Selection(since_ms=DIED_MS + 1), False),
        (Selection(until_ms=DIED_MS), False),
        (Selection(until_ms=DIED_MS + 1), True),
        (Selection(error="Poison"), True),
        (Selection(error="consumers.errors.Poison"), True),
        (Selection(error="errors.Poison"), False),
        (Selection(error="poison"), False),
        (Selection(key=b"player"), True),
        (Selection(key=b"play"), False),
        (Selection(topic="plays"), True),
        (Selection(topic="plays", partition=0), True),
        (Selection(topic="plays", partition=1), False),
        (Selection(topic="play"), False),
        (Selection(trace_id=TRACE_ID), True),
        (Selection(trace_id="f" * 32), False),
        (Selection(group="game"), True),
        (Selection(group="audit"), False),
        (Selection(places=frozenset({Place(0, 0), Place(1, 5)})), True),
        (Selection(places=frozenset({Place(1, 0)})), False),
        (Selection(error="Poison", key=b"other"), False),
    ],
)
def test_all_that_is_set_must_fit(selection: Selection, *, taken: bool) -> None:
    """Each filter looks at its own part of a letter, and one that does not fit is enough."""
    assert selection.takes(letter()) is taken


def test_a_letter_without_a_time_or_an_origin_is_in_no_bounds() -> None:
    """What is not known fits no filter on it, and every selection without one."""
    unknown = letter(died_ms=None, topic="")

    assert Selection().takes(unknown)
    assert not Selection(since_ms=0).takes(unknown)
    assert not Selection(topic="plays").takes(unknown)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2025-11-24T16:00:00Z", NOW_MS),
        ("2025-11-24T17:00:00+01:00", NOW_MS),
        ("2025-11-24T16:00:00", NOW_MS),
        ("2025-11-24", NOW_MS - 16 * 3_600_000),
        ("15m", NOW_MS - 15 * 60_000),
        ("2h", NOW_MS - 2 * 3_600_000),
        ("7d", NOW_MS - 7 * 24 * 3_600_000),
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text: str, ms: int) -> None:
    """Times without a zone are UTC, as all that is printed; a duration counts back from now."""
    assert moment(text, NOW) == ms


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (lambda text: moment(text, NOW), "yesterday", "how long ago"),
        (lambda text: moment(text, NOW), "15", "how long ago"),
        (lambda text: moment(text, NOW), "999999d", "how long ago"),
        (lambda text: moment(text, NOW), "99999999999h", "how long ago"),
        (place, "17", "0:17"),
        (place, "0:", "0:17"),
        (place, "a:1", "0:17"),
        (topic_partition, ":3", "plays:3"),
        (topic_partition, "plays:", "plays:3"),
        (topic_partition, "plays:x", "plays:3"),
        (trace_id, "0af7", "32 hex digits"),
    ],
)
def test_a_text_that_is_wrong_is_told_what_would_be_right(
    parse: Callable[[str], object], text: str, words: str
) -> None:
    """The sentence has an example."""
    with pytest.raises(ValueError, match=words):
        parse(text)


def test_a_text_that_is_right_is_read() -> None:
    """A letter, a partition, a topic alone, and a trace id in any case."""
    assert place("3:17") == Place(3, 17)
    assert topic_partition("plays:3") == ("plays", 3)
    assert topic_partition("game.slots.plays") == ("game.slots.plays", None)
    assert trace_id(TRACE_ID.upper()) == TRACE_ID
