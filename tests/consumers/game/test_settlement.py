"""A play from the API to the partner and Postgres, by the commands that a user types."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from confluent_kafka import Producer

from consumers.game.events import encode
from consumers.game.migrate import migrate
from consumers.game.schema import REVISIONS
from consumers.game.service import spin
from tests.consumers.game.builders import play
from tests.infra.product import Product, address
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.kafka import KafkaBroker
    from tests.infra.otlp import OtlpReceiver, ReceivedSpan

PLAY = {"player_id": "lovelace", "game": "sevens", "bet": 250}
SECONDS = 60  # for what a loaded machine has to do
# What is there may be slow: its first answers take what a loaded machine needs.
PATIENT = {
    "CONSUMERS_PRODUCE_TIMEOUT": "60s",
    "CONSUMERS_REQUEST_TIMEOUT": "60s",
    "CONSUMERS_FINTECH_TIMEOUT": "60s",
}
# A worker that is killed says no farewell: the group waits as long as this, six seconds at least.
SOON = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "1000"}


@pytest.fixture
def product(kafka: KafkaBroker, database: str, otlp: OtlpReceiver) -> Iterator[Product]:
    """Give the game on a fresh topic and tables; its partner is started, and known to workers."""
    topic = f"plays-{uuid.uuid4().hex[:8]}"
    kafka.create_topic(topic)
    kafka.create_topic(f"{topic}.dlq")
    with Product(
        kafka=kafka.bootstrap_servers, database=database, otlp=otlp.endpoint, client=SOON
    ) as product:
        product.environment |= {"CONSUMERS_TOPIC": topic, "CONSUMERS_GROUP": f"of-{topic}"}
        product.environment |= PATIENT
        with psycopg.connect(database, autocommit=True) as connection:
            migrate(connection)
        yield product


def book(partner: str) -> list[dict[str, Any]]:
    """Read the partner's book."""
    lines = httpx.get(f"{partner}/v1/ledger", timeout=SECONDS).text.splitlines()
    return [json.loads(line) for line in lines]


def rows(product: Product) -> list[tuple[Any, ...]]:
    """Read the id, the settlement and the payout of every play."""
    with psycopg.connect(product.environment["CONSUMERS_DATABASE_URL"]) as connection:
        return connection.execute("SELECT play_id, settlement_id, payout FROM plays").fetchall()


def test_a_play_has_one_trace_up_to_the_partner(product: Product, otlp: OtlpReceiver) -> None:
    """The partner's log line, its book and its span are in the trace of the request."""
    partner = product.fintech()
    worker = product.worker(CONSUMERS_FINTECH_URL=address(partner))
    url = address(product.api())

    accepted = httpx.post(f"{url}/game/slots/play", json=PLAY, timeout=SECONDS)
    trace_id, play_id = accepted.headers["x-trace-id"], accepted.json()["play_id"]
    worker.wait_for_log("play_settled", timeout=SECONDS, play_id=play_id)
    recorded = partner.wait_for_log("settlement_recorded", timeout=SECONDS, play_id=play_id)
    shown = until(lambda: read(url, play_id), what="the play")

    (entry,) = book(address(partner))
    assert recorded["trace_id"] == entry["trace_id"] == shown["trace_id"] == trace_id
    assert recorded["settlement_id"] == entry["settlement_id"] == shown["settlement_id"]
    assert (entry["key"], entry["payout"]) == (play_id, shown["payout"])
    spans = until(lambda: called(otlp, trace_id), timeout=SECONDS, what="the partner's spans")
    process, client, server = spans
    assert (client.kind, client.parent_span_id) == ("CLIENT", process.span_id)
    assert (server.service, server.parent_span_id) == ("fintech", client.span_id)


def read(api: str, play_id: str) -> dict[str, Any] | None:
    """Read a settled play, unless the database has not answered in its three seconds."""
    answer = httpx.get(f"{api}/game/plays/{play_id}", timeout=SECONDS)
    return None if answer.status_code == 503 else answer.json()


def called(
    otlp: OtlpReceiver, trace_id: str
) -> tuple[ReceivedSpan, ReceivedSpan, ReceivedSpan] | None:
    """Give the record's span, the call's and the partner's, once all have arrived."""
    named = {(one.name, one.kind): one for one in otlp.spans() if one.trace_id == trace_id}
    process = [one for (name, _), one in named.items() if name.startswith("process ")]
    client = named.get(("POST /v1/settlements", "CLIENT"))
    server = named.get(("POST /v1/settlements", "SERVER"))
    return (process[0], client, server) if process and client and server else None


def test_a_crash_between_partner_and_postgres_pays_once(product: Product) -> None:
    """Killed after the partner has settled and before Postgres has: the next worker finds it."""
    partner = product.fintech()
    product.environment["CONSUMERS_FINTECH_URL"] = address(partner)
    worker = product.worker()
    url = address(product.api())

    with psycopg.connect(product.environment["CONSUMERS_DATABASE_URL"]) as holder:
        holder.execute("LOCK TABLE plays")
        accepted = httpx.post(f"{url}/game/slots/play", json=PLAY, timeout=SECONDS).json()
        recorded = partner.wait_for_log("settlement_recorded", timeout=SECONDS)
        worker.kill()
        holder.rollback()
    before = rows(product)
    product.worker().wait_for_log("play_settled", timeout=SECONDS, play_id=accepted["play_id"])

    (entry,) = book(address(partner))
    assert before == []
    assert rows(product) == [(accepted["play_id"], recorded["settlement_id"], entry["payout"])]
    assert entry["settlement_id"] == recorded["settlement_id"]
    repeated = partner.wait_for_log("settlement_repeated", timeout=SECONDS)
    assert repeated["play_id"] == entry["play_id"]


def test_a_bet_that_was_sent_again_is_no_dead_letter(product: Product) -> None:
    """Two records of one bet with different draws: the first is paid, the second is known."""
    seeds = [f"{number:032x}" for number in range(50)]
    lost = next(seed for seed in seeds if spin("play-1", seed, 250).payout == 0)
    won = next(seed for seed in seeds if spin("play-1", seed, 250).payout > 0)
    partner = product.fintech()
    worker = product.worker(CONSUMERS_FINTECH_URL=address(partner))
    producer = Producer({"bootstrap.servers": product.kafka})

    for seed in (lost, won):
        value = encode(play("play-1", seed=seed))
        producer.produce(product.environment["CONSUMERS_TOPIC"], value, key=b"ada")
    assert producer.flush(SECONDS) == 0
    worker.wait_for_log("play_known", timeout=SECONDS, play_id="play-1")

    assert [entry["payout"] for entry in book(address(partner))] == [0]
    assert [(play_id, payout) for play_id, _, payout in rows(product)] == [("play-1", 0)]
    assert "record_dead_lettered" not in {line.get("event") for line in worker.logs()}


def test_a_partner_that_is_away_is_waited_for(product: Product) -> None:
    """While the partner fails a play is neither written nor given up; then it is settled."""
    partner = product.fintech()
    httpx.put(f"{address(partner)}/faults", json={"mode": "fail"}, timeout=SECONDS)
    worker = product.worker(
        CONSUMERS_FINTECH_URL=address(partner),
        CONSUMERS_BACKOFF_MAX="100ms",
        CONSUMERS_BACKOFF_INITIAL="50ms",
        CONSUMERS_RETRIES="0",
    )
    url = address(product.api())

    play_id = httpx.post(f"{url}/game/slots/play", json=PLAY, timeout=SECONDS).json()["play_id"]
    until(lambda: hits(address(partner)) > 3, timeout=SECONDS, what="some tries")
    before = rows(product)
    httpx.put(f"{address(partner)}/faults", json={"mode": "none"}, timeout=SECONDS)
    worker.wait_for_log("play_settled", timeout=SECONDS, play_id=play_id)

    assert before == []
    assert [entry["play_id"] for entry in book(address(partner))] == [play_id]
    assert "record_dead_lettered" not in {line.get("event") for line in worker.logs()}


def hits(partner: str) -> int:
    """Count the requests that met the partner's fault."""
    return int(httpx.get(f"{partner}/faults", timeout=SECONDS).json()["hits"])


def test_the_tables_can_be_taken_back(product: Product) -> None:
    """`consumers migrate --downgrade` undoes what came after, and the worker says what it lacks."""
    url = address(product.worker())

    ended = product.run("consumers", "migrate", "--downgrade", REVISIONS[0])

    assert ended.returncode == 0, ended.stderr
    lacks = f"not applied: {', '.join(REVISIONS[1:])}; run consumers migrate"
    until(lambda: checks(url)["database"] == lacks, timeout=SECONDS, what="the worker to lack it")
    assert product.run("consumers", "migrate", "--downgrade", "0000_nothing").returncode == 2


def checks(url: str) -> dict[str, str]:
    """Read what the service at *url* says of its readiness."""
    found: dict[str, str] = httpx.get(f"{url}/readyz", timeout=SECONDS).json()["checks"]
    return found
