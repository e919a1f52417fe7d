"""A dependency that is down is left alone, waited for, told of, found again: the real services."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.infra import plain_http
from tests.infra.product import Product, address, new_game
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import ProxyFactory
    from tests.infra.mock_kafka import MockKafka
    from tests.infra.process import Service

PLAY = {"player_id": "lovelace", "game": "sevens", "bet": 250}
SECONDS = 60  # for what a loaded machine has to do
FAILURES = 2
SETTINGS = {
    "CONSUMERS_BREAKER_FAILURES": str(FAILURES),
    "CONSUMERS_BACKOFF_INITIAL": "50ms",
    "CONSUMERS_BACKOFF_MAX": "100ms",
    "CONSUMERS_RETRIES": "0",  # a try that was spent would be a dead letter
    "CONSUMERS_FINTECH_TIMEOUT": "60s",  # a machine that stands still is no fault of the partner
}


@pytest.fixture
def product(mock_kafka: MockKafka, database: str) -> Iterator[Product]:
    """Give the game on fresh topics and tables; nothing is started yet."""
    with new_game(mock_kafka, database) as product:
        product.migrate()
        yield product


def played(api: str) -> tuple[str, str]:
    """Play once; give the play's id and its trace."""
    answer = plain_http.post(f"{api}/game/slots/play", json=PLAY, timeout=SECONDS)
    return answer.json()["play_id"], answer.headers["x-trace-id"]


def value(url: str, sample: str) -> float:
    """Read one sample of the metrics at *url*, by its name with its labels."""
    lines = plain_http.get(f"{url}/metrics", timeout=SECONDS).text.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"{sample} ")), 0)


def changes(service: Service) -> list[str]:
    """List the changes of its breakers, as they were logged."""
    events = [str(line.get("event")) for line in service.logs()]
    return [event for event in events if event.startswith("breaker_")]


def test_a_partner_that_is_down_is_left_alone(product: Product) -> None:
    """After two failures it is called no more: the record waits, and readiness says why."""
    partner = address(product.fintech())
    plain_http.put(f"{partner}/faults", json={"mode": "fail"}, timeout=SECONDS)
    worker = product.worker(CONSUMERS_FINTECH_URL=partner, CONSUMERS_BREAKER_OPEN="1h", **SETTINGS)
    url = address(worker)
    _, trace_id = played(address(product.api()))

    opened = worker.wait_for_log("breaker_open", timeout=SECONDS)
    until(
        lambda: value(url, 'consumers_breaker_refused_total{breaker="fintech"}') > 5,
        timeout=SECONDS,
        what="some refusals",
    )
    ready = plain_http.get(f"{url}/readyz", timeout=SECONDS)

    assert plain_http.get(f"{partner}/faults", timeout=SECONDS).json()["hits"] == FAILURES
    assert (opened["breaker"], opened["trace_id"]) == ("fintech", trace_id)
    assert opened["reason"] == "fintech answered 503"
    assert ready.status_code == 503
    assert ready.json()["checks"]["fintech"] == "the breaker is open after Unavailable"
    assert plain_http.get(f"{url}/healthz", timeout=SECONDS).status_code == 200
    assert value(url, 'consumers_breaker_state{breaker="fintech",state="open"}') == 1
    assert value(url, "consumers_dead_letters_total") == 0


def test_a_partner_that_is_back_is_found_by_one_probe(product: Product) -> None:
    """The breaker closes, the play is settled, and every change was logged in the play's trace."""
    partner = address(product.fintech())
    plain_http.put(f"{partner}/faults", json={"mode": "fail"}, timeout=SECONDS)
    worker = product.worker(
        CONSUMERS_FINTECH_URL=partner, CONSUMERS_BREAKER_OPEN="200ms", **SETTINGS
    )
    play_id, trace_id = played(address(product.api()))

    until(lambda: "breaker_half_open" in changes(worker), timeout=SECONDS, what="a probe")
    plain_http.put(f"{partner}/faults", json={"mode": "none"}, timeout=SECONDS)
    worker.wait_for_log("play_settled", timeout=SECONDS, play_id=play_id)
    closed = worker.wait_for_log("breaker_closed", timeout=SECONDS)

    told = changes(worker)
    assert told[:2] == ["breaker_open", "breaker_half_open"]
    assert told[-2:] == ["breaker_half_open", "breaker_closed"]
    assert all(one != other for one, other in pairwise(told))
    assert closed["trace_id"] == trace_id
    checks = plain_http.get(f"{address(worker)}/readyz", timeout=SECONDS).json()["checks"]
    assert checks["fintech"] == "ok"


def test_a_database_that_is_cut_off_opens_its_breaker(
    product: Product, database: str, proxy: ProxyFactory
) -> None:
    """The worker waits behind it, alive, and settles the play when the database is back."""
    place = conninfo_to_dict(database)
    between = proxy(str(place["host"]), int(place["port"] or 5432))
    worker = product.worker(
        CONSUMERS_DATABASE_URL=f"postgresql://{place['user']}:{place.get('password') or ''}"
        f"@127.0.0.1:{between.port}/{place['dbname']}",
        CONSUMERS_BREAKER_OPEN="200ms",
        **SETTINGS,
    )
    url = address(worker)
    until(
        lambda: plain_http.get(f"{url}/readyz", timeout=SECONDS).status_code == 200,
        timeout=SECONDS,
        what="the worker to be ready",
    )
    between.cut()

    play_id, trace_id = played(address(product.api()))
    opened = worker.wait_for_log("breaker_open", timeout=SECONDS)
    alive = plain_http.get(f"{url}/healthz", timeout=SECONDS)
    until(
        lambda: plain_http.get(f"{url}/readyz", timeout=SECONDS).status_code == 503,
        timeout=SECONDS,
        what="the worker not to be ready: an answer is kept for two seconds",
    )
    between.heal()
    worker.wait_for_log("play_settled", timeout=SECONDS, play_id=play_id)

    assert (opened["breaker"], opened["trace_id"]) == ("postgres", trace_id)
    assert alive.status_code == 200
    assert "breaker_closed" in changes(worker)
    assert value(url, "consumers_dead_letters_total") == 0
