"""What a replay sends back, and what it leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.deadletters.planning import plan, refusal
from tests.consumers.deadletters.builders import letter


def test_a_letter_is_replayed_unless_something_speaks_against_it() -> None:
    """One that came from a topic that is there, and was not replayed, goes back."""
    assert refusal(letter(), replayed=(), topics={"plays"}, dlq_topic="plays.dlq") is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"topic": ""}, "does not say where"),
        ({"topic": "plays.dlq"}, "this very topic"),
        ({"topic": "orders"}, "from orders, which is gone, or not to be seen by this user"),
        ({"topic": "__consumer_offsets"}, "internal to Kafka"),
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
        topics={"plays", "plays.dlq", "__consumer_offsets"},
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


def test_what_may_not_be_written_is_left_out_and_the_rest_goes_back() -> None:
    """One right that is missing keeps back the letters of its topic alone, and is named."""
    mine, theirs, gone = letter(0), letter(1, topic="orders"), letter(2, topic="old")
    planned = plan([mine, theirs, gone], replayed=(), topics={"plays", "orders"}, dlq_topic="d")

    allowed = planned.without({"orders"})

    assert planned.origins() == {"plays", "orders"}
    assert allowed.origins() == {"plays"}
    assert allowed.chosen == [mine]
    assert allowed.left_out == [(gone, "from old, which is gone, or not to be seen by this user")]
    assert allowed.forbidden == [(theirs, "this user may not write to orders: grant it WRITE")]
