"""What the real services answer about themselves, with everything there and with nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from tests.infra import plain_http
from tests.infra.ports import free_port
from tests.infra.product import Product, address, new_game
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.mock_kafka import MockKafka

PLAY = {"player_id": "lovelace", "game": "sevens", "bet": 250}
SECONDS = 60  # for what a loaded machine has to do
BOTH = pytest.mark.parametrize("command", ["api", "worker"])
TOKEN = {"authorization": "Bearer s3cret"}


@pytest.fixture
def product(mock_kafka: MockKafka, database: str) -> Iterator[Product]:
    """Give the game on fresh topics and tables; nothing is started yet."""
    with new_game(mock_kafka, database) as product:
        product.migrate()
        yield product


@pytest.fixture
def nothing() -> Iterator[Product]:
    """Give the game with neither Kafka nor database behind its addresses."""
    nowhere = "postgresql://ada:sesame@127.0.0.1:1/game"
    with Product(kafka=f"127.0.0.1:{free_port()}", database=nowhere) as product:
        yield product


def status(url: str) -> dict[str, Any]:
    """Read the status of the service at *url*."""
    found: dict[str, Any] = plain_http.get(f"{url}/status", timeout=SECONDS).json()
    return found


@BOTH
def test_with_nothing_behind_it_a_service_is_up_and_alive(nothing: Product, command: str) -> None:
    """Neither a broker nor a database has a say in whether it is started again."""
    url = address(nothing.api() if command == "api" else nothing.worker())

    until(
        lambda: plain_http.get(f"{url}/startupz", timeout=SECONDS).status_code == 200,
        timeout=SECONDS,
        what="it to have come up",
    )

    codes = [
        plain_http.get(f"{url}/{path}", timeout=SECONDS).status_code
        for path in ("healthz", "readyz", "status")
    ]
    assert codes == [200, 503, 200]


def test_the_worker_tells_what_it_does(product: Product) -> None:
    """Partitions with positions, when it last succeeded, and what failed, by its trace."""
    worker = product.worker()
    url = address(worker)
    api = address(product.api())
    producer = Producer({"bootstrap.servers": product.kafka})
    producer.produce(product.environment["CONSUMERS_TOPIC"], b"no play")
    assert producer.flush(SECONDS) == 0

    answer = plain_http.post(f"{api}/game/slots/play", json=PLAY, timeout=SECONDS)
    worker.wait_for_log("play_settled", timeout=SECONDS, play_id=answer.json()["play_id"])
    dead = worker.wait_for_log("record_dead_lettered", timeout=SECONDS)
    told = until(
        lambda: done if (done := status(url)["runtime"])["last_errors"] and settled(done) else None,
        timeout=SECONDS,
        what="all to be committed",
    )

    (failure,) = told["last_errors"]
    assert (failure["error"], failure["reaction"]) == ("Poison", "dead_letter")
    assert failure["trace_id"] == dead["trace_id"]
    assert sum(one["committed"] or 0 for one in told["assignment"]) == 2
    assert told["last_success"] is not None
    assert told["in_work"] == []
    assert told["turned_seconds_ago"] < 30
    assert [one["name"] for one in status(url)["breakers"]] == ["postgres"]


def settled(runtime: dict[str, Any]) -> bool:
    """Say whether something was done, and everything that was fetched is committed."""
    partitions = runtime["assignment"]
    return runtime["last_success"] and all(
        one["position"] == one["committed"] and not one["in_flight"] for one in partitions
    )


def test_a_play_is_timed_from_its_request_with_its_trace(product: Product) -> None:
    """The end-to-end and handler buckets of a scrape name the trace that the API answered with."""
    worker = product.worker(OTEL_TRACES_SAMPLER="always_on", OTEL_TRACES_EXPORTER="console")
    url = address(worker)
    api = address(product.api(OTEL_TRACES_SAMPLER="always_on", OTEL_TRACES_EXPORTER="console"))

    answer = plain_http.post(f"{api}/game/slots/play", json=PLAY, timeout=SECONDS)
    worker.wait_for_log("play_settled", timeout=SECONDS, play_id=answer.json()["play_id"])
    page = until(
        lambda: scraped(url, "consumers_end_to_end_seconds_count 1.0"),
        timeout=SECONDS,
        what="the play to be timed",
    )

    exemplar = f'# {{trace_id="{answer.headers["x-trace-id"]}"}}'
    named = {line.partition("_bucket")[0] for line in page if exemplar in line}
    assert named == {"consumers_end_to_end_seconds", "consumers_handler_duration_seconds"}
    assert any(line.startswith("consumers_queue_seconds_count 1") for line in page)


def scraped(url: str, line: str) -> list[str] | None:
    """Scrape as Prometheus does; give the lines once *line* is there."""
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    lines = plain_http.get(f"{url}/metrics", headers=accept, timeout=SECONDS).text.splitlines()
    return lines if line in lines else None


@BOTH
def test_metrics_and_status_need_the_token(nothing: Product, tmp_path: Path, command: str) -> None:
    """With a token's file they answer 401 to whoever has no token; probes answer everybody."""
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    start = nothing.api if command == "api" else nothing.worker
    url = address(start(CONSUMERS_METRICS_TOKEN_FILE=str(file)))

    without = [
        plain_http.get(f"{url}/{path}", timeout=SECONDS)
        for path in ("metrics", "status", "healthz")
    ]
    with_it = [
        plain_http.get(f"{url}/{path}", headers=TOKEN, timeout=SECONDS)
        for path in ("metrics", "status")
    ]

    assert [one.status_code for one in without] == [401, 401, 200]
    assert without[0].headers["www-authenticate"] == "Bearer"
    assert [one.status_code for one in with_it] == [200, 200]


@BOTH
def test_a_secret_that_cannot_be_read_is_told_at_the_start(
    nothing: Product, tmp_path: Path, command: str
) -> None:
    """Exit code 2 and a sentence for each file, instead of a service that anybody can read."""
    users = tmp_path / "users"
    users.write_text("ada sesame\n")

    ended = nothing.run(
        "consumers",
        command,
        CONSUMERS_METRICS_TOKEN_FILE=str(tmp_path / "none"),
        CONSUMERS_METRICS_USERS_FILE=str(users),
    )

    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 2
    assert "CONSUMERS_METRICS_TOKEN_FILE: cannot be read" in ended.stderr
    assert "CONSUMERS_METRICS_USERS_FILE: write NAME:PASSWORD" in ended.stderr
    assert "sesame" not in ended.stderr


def test_both_services_show_their_pool(product: Product) -> None:
    """A scrape says how many connections to Postgres there may be: one a lane and one to ask."""
    limits = {"worker": address(product.worker()), "api": address(product.api())}

    shown = {
        name: [line for line in page(url) if line.startswith("consumers_pool_max_connections ")]
        for name, url in limits.items()
    }

    assert shown == {
        "worker": ["consumers_pool_max_connections 2.0"],
        "api": ["consumers_pool_max_connections 8.0"],
    }


def page(url: str) -> list[str]:
    """Give the lines of a scrape."""
    return plain_http.get(f"{url}/metrics", timeout=SECONDS).text.splitlines()
