"""What a replay sends back, what it leaves out, and as what a record comes back."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.deadletters.envelope import envelope
from consumers.deadletters.replay import (
    BATCH_BYTES,
    BATCH_RECORDS,
    batches,
    plan,
    refusal,
    returned,
)
from consumers.errors import Poison
from propagation.forwarding import FIRST_SENT
from propagation.testing import message
from tests.builders import record
from tests.consumers.deadletters.builders import TRACED, dead, letter


def test_a_letter_is_replayed_unless_something_speaks_against_it() -> None:
    """One that came from a topic that is there, and was not replayed, goes back."""
    assert refusal(letter(), replayed=(), topics={"plays"}, dlq_topic="plays.dlq") is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"topic": ""}, "does not say where"),
        ({"topic": "plays.dlq"}, "this very topic"),
        ({"topic": "orders"}, "from orders, which is gone"),
        ({"group": "audit"}, "replayed already"),
        ({"headers": [("dlq.replays", b"3")]}, "died after 3 replays"),
        ({"headers": [("dlq.replays", b"4")]}, "died after 4 replays"),
    ],
)
def test_a_letter_that_must_not_go_back_is_told_why(given: dict[str, Any], words: str) -> None:
    """Without an origin, in a circle, into nothing, a second time, or for ever: none of these."""
    why = refusal(
        letter(**given),
        replayed={letter(group="audit").id},
        topics={"plays", "plays.dlq"},
        dlq_topic="plays.dlq",
    )

    assert why is not None
    assert words in why


def test_the_limit_of_replays_can_be_moved() -> None:
    """After two replays a third is allowed with --max-replays 3, and not with 2."""
    twice = letter(headers=[("dlq.replays", b"2")])
    whys = [
        refusal(twice, replayed=(), topics={"plays"}, dlq_topic="d", max_replays=most)
        for most in (2, 3)
    ]

    assert [why is None for why in whys] == [False, True]


def test_a_death_that_was_written_twice_is_replayed_once() -> None:
    """Of two letters with one id the first goes back, and the other says which that was."""
    first, copy, other = letter(0), letter(1), letter(2, at=8)

    planned = plan([first, copy, other], replayed=(), topics={"plays"}, dlq_topic="plays.dlq")

    assert planned.chosen == [first, other]
    assert planned.left_out == [(copy, "the same death as 0:0")]


def test_a_record_goes_back_with_its_own_headers_and_a_count() -> None:
    """What the dead-letter queue added is gone, all else is as it was, in order and doubled."""
    original = [("b", b"\xff"), ("a", None), ("b", b""), *TRACED]

    headers = returned(dead(headers=original), 1)

    assert headers == [*original, (FIRST_SENT, b"1700000000000"), ("dlq.replays", b"1")]


def test_a_second_replay_counts_on() -> None:
    """The count stands once, however often the record goes round."""
    again = record(9, headers=returned(dead(), 1))
    second = message(headers=envelope(again, Poison("no"), group="g", attempts=1), timestamp=1)

    headers = returned(second, 2)

    assert [value for name, value in headers if name.startswith("dlq.")] == [b"2"]


def test_a_transaction_takes_a_bounded_number_of_records_and_bytes() -> None:
    """Batches hold everything, in order, and end at either bound."""
    small = [dead(offset) for offset in range(BATCH_RECORDS + 1)]
    big = [dead(offset, value=b"v" * (BATCH_BYTES // 2)) for offset in range(3)]

    assert [len(batch) for batch in batches(small)] == [BATCH_RECORDS, 1]
    assert [len(batch) for batch in batches(big)] == [2, 1]
    assert [one for batch in batches(small) for one in batch] == small
    assert list(batches([])) == []
