"""A dead letter is the original, with where it came from and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.deadletters.envelope import MESSAGE_CHARACTERS, dedup_id, envelope
from consumers.errors import Poison
from propagation.forwarding import first_sent_ms
from tests.builders import record

if TYPE_CHECKING:
    from consumers.types import Headers, Record


def own(headers: Headers) -> dict[str, str]:
    """Give the headers that the queue has added, as text."""
    return {name: value.decode() for name, value in headers if name.startswith("dlq.") and value}


def test_the_headers_say_where_it_came_from_and_why() -> None:
    """Origin, group, exception, number of tries and a stable id are added."""
    one = record(7, topic="plays", partition=3, timestamp=1_700_000_000_123)

    headers = own(envelope(one, Poison("no play"), group="game", attempts=4))

    assert headers == {
        "dlq.id": "game/plays/3/7/1700000000123",
        "dlq.origin.topic": "plays",
        "dlq.origin.partition": "3",
        "dlq.origin.offset": "7",
        "dlq.origin.timestamp_ms": "1700000000123",
        "dlq.group": "game",
        "dlq.attempts": "4",
        "dlq.error.type": "consumers.errors.Poison",
        "dlq.error.message": "no play",
    }


def test_the_originals_headers_are_untouched() -> None:
    """Order, duplicates, empty, missing and non-text values stay, and the record is not changed."""
    original: Headers = [("b", b"1"), ("a", None), ("b", b"\xff"), ("a", b"")]
    one = record(headers=original)

    headers = envelope(one, Poison("no"), group="game", attempts=1)

    assert headers[: len(original)] == original
    assert one.headers == original


def test_a_letter_tells_when_it_was_sent_first() -> None:
    """A record that dies after a replay is still as old as it was at its first send."""
    first = envelope(record(7, timestamp=1_700_000_000_123), Poison("no"), group="g", attempts=1)
    replayed = record(9, headers=first, timestamp=1_700_000_999_999)

    second = envelope(replayed, Poison("no"), group="g", attempts=1)

    assert first_sent_ms(first, None) == first_sent_ms(second, None) == 1_700_000_000_123


def test_a_second_death_replaces_the_first() -> None:
    """A record that was replayed and died again tells of its latest death alone."""
    first = envelope(record(7), Poison("no"), group="game", attempts=1)

    second = envelope(record(9, headers=first), Poison("again"), group="game", attempts=4)

    assert [name for name, _ in second].count("dlq.origin.offset") == 1
    assert own(second)["dlq.origin.offset"] == "9"


def test_how_often_it_was_replayed_goes_along() -> None:
    """The one header of a dead letter that a second death keeps is the count of its replays."""
    one = record(9, headers=[("dlq.replays", b"2"), ("dlq.id", b"of a stranger")])

    headers = envelope(one, Poison("no"), group="game", attempts=1)

    assert own(headers)["dlq.replays"] == "2"
    assert own(headers)["dlq.id"] == dedup_id(one, "game")
    assert [name for name, _ in headers].count("dlq.id") == 1


def test_an_exception_that_cannot_be_read_is_kept_all_the_same() -> None:
    """A record is not lost because its exception's own text raises."""

    class MuteError(Exception):
        """Fails when it is asked for its words."""

        def __str__(self) -> str:
            raise AttributeError("no words")

    headers = own(envelope(record(), MuteError(), group="game", attempts=1))

    assert headers["dlq.error.message"] == "its message cannot be read: AttributeError"
    assert headers["dlq.error.type"].endswith("MuteError")


def test_the_exceptions_words_are_cut() -> None:
    """A message of any length, with any characters, becomes a header of bounded size."""
    headers = own(envelope(record(), Poison("\ud800é" * 9999), group="game", attempts=1))

    assert len(headers["dlq.error.message"]) == MESSAGE_CHARACTERS


@pytest.mark.parametrize(
    "other",
    [
        record(8),
        record(7, partition=1),
        record(7, topic="other"),
        record(7, timestamp=1),
        record(7, timestamp=None),
    ],
    ids=repr,
)
def test_the_id_is_the_same_for_one_death_alone(other: Record) -> None:
    """Writing a death twice gives one id; another record, or one after the topic's return, not."""
    assert dedup_id(record(7), "game") == dedup_id(record(7), "game")
    assert dedup_id(record(7), "game") != dedup_id(other, "game")
    assert dedup_id(record(7), "game") != dedup_id(record(7), "audit")
