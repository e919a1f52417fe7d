"""Plays and what belongs to them, good unless a test says otherwise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from consumers.game.events import Play
from consumers.game.service import Outcome
from consumers.types import Record
from propagation.testing import message

if TYPE_CHECKING:
    from collections.abc import Mapping

SEED = "9c41e0a3b7d25f688a1c4e7d90b2f356"
ACCEPTED_AT = 1_764_000_000_000  # ms: 2025-11-24T16:00:00Z


def play(
    play_id: str = "play-1",
    *,
    player_id: str = "ada",
    game: str = "sevens",
    bet: int = 250,
    seed: str = SEED,
    accepted_at: int = ACCEPTED_AT,
) -> Play:
    """Make a play."""
    return Play(play_id, player_id, game, bet, seed, accepted_at)


def bet(**changes: Any) -> dict[str, Any]:
    """Make the fields of a request; a field that is changed to `...` is left out."""
    return without_gaps({"player_id": "ada", "game": "sevens", "bet": 250} | changes)


def event(**changes: Any) -> bytes:
    """Make a record's value; a field that is changed to `...` is left out."""
    good = {"v": 1, "play_id": "play-1", **bet(), "seed": SEED, "accepted_at": ACCEPTED_AT}
    return json.dumps(without_gaps(good | changes)).encode()


def without_gaps(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give *fields* without those that are `...`."""
    return {name: value for name, value in fields.items() if value is not ...}


def outcome(payout: int = 0) -> Outcome:
    """Make an outcome that paid *payout* cents."""
    return Outcome(("bell", "plum", "seven"), payout)


def record(value: bytes | None, *, offset: int = 7) -> Record:
    """Make a record of partition 2 of ``plays`` with *value*."""
    return Record(
        topic="plays",
        partition=2,
        offset=offset,
        key=b"ada",
        value=value,
        headers=[],
        timestamp_ms=ACCEPTED_AT,
        message=message(topic="plays", partition=2, offset=offset, key=b"ada", value=value),
    )
