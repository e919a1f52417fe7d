"""Two players under one Idempotency-Key, from the request to the row: nobody meets the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.infra import plain_http
from tests.infra.product import Product, address
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.kafka import KafkaBroker
    from tests.infra.process import Service

SECONDS = 60  # for what a loaded machine has to do
KEY = "round-1"
BETS = {"ada": 250, "grace": 400}


@pytest.fixture
def game(kafka: KafkaBroker, topic: str, database: str) -> Iterator[tuple[str, Service]]:
    """Give the address of the game's API on a real broker, and the worker behind it."""
    kafka.create_topic(f"{topic}.dlq")
    with Product(kafka=kafka.bootstrap_servers, database=database) as product:
        product.environment |= {"CONSUMERS_TOPIC": topic, "CONSUMERS_GROUP": f"of-{topic}"}
        product.migrate()
        worker = product.worker()
        yield address(product.api()), worker
    kafka.delete_topic(f"{topic}.dlq")


def played(api: str, player: str) -> str:
    """Let *player* play under the key; give the play's id."""
    body = {"player_id": player, "game": "sevens", "bet": BETS[player]}
    headers = {"idempotency-key": KEY}
    answer = plain_http.post(f"{api}/game/slots/play", json=body, headers=headers, timeout=SECONDS)
    assert answer.status_code == 202, answer.text
    assert answer.json().keys() == {"play_id", "trace_id", "status"}
    return str(answer.json()["play_id"])


def settled(api: str, play_id: str) -> dict[str, Any]:
    """Wait until the play *play_id* is settled; give it."""

    def found() -> dict[str, Any] | None:
        answer = plain_http.get(f"{api}/game/plays/{play_id}", timeout=SECONDS)
        return answer.json() if answer.status_code == 200 else None

    return until(found, timeout=SECONDS, what=f"{play_id} to be settled")


def test_two_players_may_use_one_key(game: tuple[str, Service], database: str) -> None:
    """Both plays are made, each once however often it is asked for, and each is its player's."""
    api, worker = game
    ids = {player: played(api, player) for player in BETS}
    again = {player: played(api, player) for player in reversed(BETS)}
    plays = {player: settled(api, play_id) for player, play_id in ids.items()}
    for play_id in again.values():
        worker.wait_for_log("play_known", timeout=SECONDS, play_id=play_id)

    assert again == ids
    assert len(set(ids.values())) == 2
    assert {player: play["player_id"] for player, play in plays.items()} == {
        player: player for player in BETS
    }
    assert {player: play["bet"] for player, play in plays.items()} == BETS
    with psycopg.connect(database) as connection:
        assert wagered(connection) == {player: (1, bet) for player, bet in BETS.items()}


def wagered(connection: psycopg.Connection) -> dict[str, tuple[int, int]]:
    """Give plays and cents of each player."""
    rows = connection.execute("SELECT player_id, plays, wagered FROM player_totals").fetchall()
    return {player: (int(plays), int(cents)) for player, plays, cents in rows}
