"""A letter is read as it was written; what a stranger wrote is read as far as it goes."""

from __future__ import annotations

import pytest

from consumers.deadletters.letters import (
    REPLAYED,
    Letter,
    Origin,
    Place,
    letter_of,
    number,
    replayed_by,
)
from consumers.errors import Poison
from propagation.testing import message
from tests.consumers.deadletters.builders import DIED_MS, TRACE_ID, TRACED, dead, letter


def test_a_letter_says_what_its_envelope_said() -> None:
    """All that was known at the death is known again, with the trace and the size of the value."""
    found = letter(5, error=Poison("no play"))

    assert found == Letter(
        place=Place(0, 5),
        written_ms=DIED_MS,
        id="game/plays/0/7/1700000000000",
        origin=Origin("plays", 0, 7),
        origin_ms=1_700_000_000_000,
        group="game",
        attempts=4,
        error_type="consumers.errors.Poison",
        error_message="no play",
        replays=0,
        trace_id=TRACE_ID,
        key=b"player",
        size=2,
    )
    assert (str(found.place), str(found.origin)) == ("0:5", "plays[0]@7")


def test_a_tombstone_without_key_time_or_trace_is_a_letter_too() -> None:
    """What a record does not have is None, not 0 or empty."""
    found = letter(key=None, value=None, timestamp=None, headers=[], died_ms=None)

    assert (found.key, found.size, found.origin_ms, found.written_ms) == (None, None, None, None)
    assert found.trace_id is None


def test_a_letter_tells_how_often_it_was_replayed() -> None:
    """A record that was replayed twice and died again says 2."""
    assert letter(headers=[("dlq.replays", b"2")]).replays == 2


@pytest.mark.parametrize(
    "headers",
    [
        None,
        [("dlq.id", None), ("dlq.origin.topic", b"\xff"), ("dlq.origin.offset", b"-1")],
        [("dlq.origin.partition", b"9" * 400), ("dlq.replays", b"many")],
        [("dlq.attempts", "٣".encode()), ("traceparent", b"00-0-0-0")],
    ],
)
def test_a_strangers_record_is_a_letter_without_an_origin(
    headers: list[tuple[str, bytes | None]] | None,
) -> None:
    """Headers that are missing or nonsense are left out, and nothing raises."""
    found = letter_of(message(topic="plays.dlq", value=b"x", headers=headers, offset=3))

    assert (found.origin, found.id, found.attempts, found.replays) == (None, "", None, 0)
    assert found.trace_id is None
    assert found.place == Place(0, 3)


def test_a_note_is_told_from_a_letter() -> None:
    """The record that a replay leaves behind names the letter's id; a letter is no note."""
    note = message(topic="plays.dlq", value=None, key=None, headers=[(REPLAYED, b"game/plays/0/7")])

    assert replayed_by(note) == "game/plays/0/7"
    assert replayed_by(dead(headers=[*TRACED])) is None


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("17", 17), ("-1", None), ("", None), ("1e3", None), (None, None)]
)
def test_a_number_is_digits_alone(text: str | None, value: int | None) -> None:
    """Anything that is no count is no number."""
    assert number(text) == value
