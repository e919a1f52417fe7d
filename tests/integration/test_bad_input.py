"""Bad requests, bad records, bad settings: a clear error, nothing lost, nothing published."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from confluent_kafka import Producer

from tests.infra.reading import ends, header, records
from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker
    from tests.integration.conftest import Game

TRACE_ID = re.compile(r"[0-9a-f]{32}")
GOOD = {"player_id": "ada", "game": "sevens", "bet": 250}
MALFORMED: dict[str, tuple[bytes, str | None]] = {
    "no JSON": (b"{", None),
    "not an object": (b"[]", None),
    "unknown field": (json.dumps(GOOD | {"stake": 1}).encode(), "stake"),
    "missing field": (json.dumps({"game": "sevens", "bet": 250}).encode(), "player_id"),
    "negative bet": (json.dumps(GOOD | {"bet": -1}).encode(), "bet"),
    "huge bet": (json.dumps(GOOD | {"bet": 10**15}).encode(), "bet"),
    "bet as text": (json.dumps(GOOD | {"bet": "250"}).encode(), "bet"),
}


def test_a_bad_play_is_refused_and_not_published(game: Game, kafka: KafkaBroker) -> None:
    """Each malformed body gets 400 with code, details and trace id, and no record is written."""
    game.start_api()

    answers = {name: game.post(body) for name, (body, _) in MALFORMED.items()}

    for name, response in answers.items():
        error = response.json()["error"]
        assert response.status_code == 400, (name, response.text)
        assert error["code"], name
        field = MALFORMED[name][1]
        assert error.get("details") == ({field: [error["message"]]} if field else None), name
        assert TRACE_ID.fullmatch(error["trace_id"]), name
        assert error["trace_id"] == response.headers["x-trace-id"], name
    assert ends(kafka.bootstrap_servers, game.topic) == 0


def test_a_retry_with_the_same_idempotency_key_bets_once(game: Game) -> None:
    """Two requests with one Idempotency-Key are one play: settled once, totals counted once."""
    game.start_api()
    worker = game.start_worker()
    key = {"Idempotency-Key": "retry-after-503"}

    first, second = game.play(headers=key), game.play(headers=key)
    worker.wait_for_log("play_settled", play_id=first["play_id"])
    last = game.play()
    worker.wait_for_log("play_settled", play_id=last["play_id"])

    assert first["play_id"] == second["play_id"] != last["play_id"]
    assert totals(game) == (2, 500)


def totals(game: Game) -> tuple[Any, ...] | None:
    """Read how often the player has played, and for how much."""
    with psycopg.connect(game.product.environment["CONSUMERS_DATABASE_URL"]) as connection:
        return connection.execute("SELECT plays, wagered FROM player_totals").fetchone()


def test_what_is_no_play_is_kept_and_passed(game: Game, kafka: KafkaBroker) -> None:
    """A record that is no play is logged, kept with its origin, and the next play is settled."""
    game.start_api()
    worker = game.start_worker()
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    sent: list[tuple[str, str | bytes | None]] = [
        ("traceparent", f"00-{trace_id}-b7ad6b7169203331-01"),
        ("other", b"kept"),
    ]
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(game.topic, key=b"ada", value=b"\xff no play", headers=sent, partition=0)
    assert producer.flush(60) == 0

    logged = worker.wait_for_log("record_dead_lettered")
    (kept,) = records(kafka.bootstrap_servers, game.dlq, 1)
    after = game.play()
    worker.wait_for_log("play_settled", play_id=after["play_id"])

    assert (logged["topic"], logged["partition"], logged["offset"]) == (game.topic, 0, 0)
    assert logged["trace_id"] == trace_id
    assert (kept.key(), kept.value()) == (b"ada", b"\xff no play")
    assert header(kept, "other") == "kept"
    assert (header(kept, "traceparent") or "").split("-")[1] == trace_id
    names = dict(kept.headers() or [])
    origin = {name: value for name, value in names.items() if name not in {"traceparent", "other"}}
    assert game.topic.encode() in origin.values()


def test_a_malformed_trace_header_never_stops_a_play(game: Game, kafka: KafkaBroker) -> None:
    """A play with a broken traceparent is settled, under a new trace id."""
    api = game.start_api()
    worker = game.start_worker()
    first = game.play()
    worker.wait_for_log("play_settled", play_id=first["play_id"])
    (good,) = records(kafka.bootstrap_servers, game.topic, 1)
    body = json.loads(bytes(good.value() or b""))
    broken = json.dumps(body | {"play_id": "broken-trace"}).encode()
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(game.topic, key=good.key(), value=broken, headers={"traceparent": b"\xff\x00"})
    assert producer.flush(60) == 0

    settled = worker.wait_for_log("play_settled", play_id="broken-trace")

    assert TRACE_ID.fullmatch(settled["trace_id"])
    assert settled["trace_id"] != first["trace_id"]
    assert api.returncode is None


@pytest.mark.parametrize("service", ["api", "worker"])
def test_wrong_settings_stop_a_service_with_every_problem(game: Game, service: str) -> None:
    """A service with two wrong settings does not start, and its error names both."""
    ended = game.product.run(
        "consumers", service, CONSUMERS_PORT="seventy", CONSUMERS_PRODUCE_TIMEOUT="soon"
    )

    assert ended.returncode == 2
    assert "CONSUMERS_PORT" in ended.stderr
    assert "CONSUMERS_PRODUCE_TIMEOUT" in ended.stderr


def test_wrong_settings_stop_lagmon_with_every_problem(game: Game) -> None:
    """Two wrong settings stop lagmon at start, and its error names the path of both."""
    service = game.product.lagmon(poll_interval="often", web={"port": 99999999})

    until(lambda: service.returncode is not None, what="lagmon to give up")

    assert service.returncode == 2
    errors = "\n".join(service.errors())
    assert "poll_interval" in errors
    assert "web.port" in errors
