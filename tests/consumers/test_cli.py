"""The command ``consumers`` as it is typed: what it starts, how it ends, what it says."""

from __future__ import annotations

import json
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.infra.ports import free_port
from tests.infra.product import Product, address, new_game
from tests.infra.wait import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import ProxyFactory
    from tests.infra.mock_kafka import MockKafka
    from tests.infra.otlp import OtlpReceiver

STOP_SECONDS = 20  # a service has 8 to stop, and the machine may be slow
HANGING_SECONDS = 120
# What a broker that is there gets, and who sends half a request: to be slow is no fault here.
PATIENT = {"CONSUMERS_PRODUCE_TIMEOUT": "60s", "CONSUMERS_REQUEST_TIMEOUT": "60s"}
NOWHERE = "postgresql://ada:sesame@127.0.0.1:1/game"
PLAY = {"player_id": "lovelace", "game": "sevens", "bet": 250}
BOTH = pytest.mark.parametrize("command", ["api", "worker"])


@pytest.fixture
def product(mock_kafka: MockKafka, database: str) -> Iterator[Product]:
    """Give the game on fresh topics and an empty database; nothing is started or migrated yet."""
    with new_game(mock_kafka, database) as product:
        product.environment |= PATIENT
        yield product


@pytest.fixture
def nothing() -> Iterator[Product]:
    """Give the game with neither Kafka nor database behind its addresses."""
    with Product(kafka=f"127.0.0.1:{free_port()}", database=NOWHERE) as product:
        yield product


@BOTH
def test_wrong_settings_are_told_all_at_once(nothing: Product, command: str) -> None:
    """Exit code 2 at once, and every wrong variable is named on standard error."""
    ended = nothing.run(
        "consumers",
        command,
        CONSUMERS_PORT="seventy",
        CONSUMERS_PRODUCE_TIMEOUT="soon",
        CONSUMERS_SPEED="high",
        OTEL_TRACES_SAMPLER="sometimes",
    )

    assert ended.returncode == 2
    assert ended.stdout == ""
    for name in ("PORT", "PRODUCE_TIMEOUT", "SPEED"):
        assert f"CONSUMERS_{name}" in ended.stderr
    assert "OTEL_TRACES_SAMPLER" in ended.stderr
    assert len(ended.stderr.splitlines()) == 4


def test_a_secret_is_never_told(nothing: Product) -> None:
    """A database URL that cannot be read is named, and not shown."""
    ended = nothing.run(
        "consumers", "api", CONSUMERS_DATABASE_URL="postgresql://ada:sesame%@127.0.0.1/game"
    )

    assert ended.returncode == 2
    assert "CONSUMERS_DATABASE_URL" in ended.stderr
    assert "sesame" not in ended.stderr + ended.stdout


def test_settings_come_from_a_file_too(nothing: Product, tmp_path: Path) -> None:
    """A wrong key of the file that --config names is told with its name."""
    file = tmp_path / "game.yml"
    file.write_text("topic: plays\nretires: 3\n")

    ended = nothing.run("consumers", "worker", "--config", str(file))

    assert ended.returncode == 2
    assert "retires" in ended.stderr


def test_an_unknown_command_is_refused(nothing: Product) -> None:
    """What is no command ends with 2 and the list of commands."""
    ended = nothing.run("consumers", "play")

    assert ended.returncode == 2
    assert "migrate" in ended.stderr


@BOTH
def test_an_address_that_is_taken_is_one_line(product: Product, command: str) -> None:
    """A port in use ends the service with 1 and one line that names it."""
    api = product.api()
    port = address(api).rpartition(":")[2]

    ended = product.run("consumers", command, CONSUMERS_PORT=port)

    assert ended.returncode == 1
    assert ended.stdout.count('"service_failed"') == 1
    assert port in ended.stdout.splitlines()[-1]
    assert "Traceback" not in ended.stderr + ended.stdout


def test_migrate_is_done_once(product: Product) -> None:
    """The tables are there after the first run; the second finds nothing to do. Both succeed."""
    codes = [product.run("consumers", "migrate").returncode for _ in range(2)]

    assert codes == [0, 0]
    with psycopg.connect(product.environment["CONSUMERS_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM plays").fetchone() == (0,)


def test_migrate_needs_no_kafka(product: Product) -> None:
    """The tables can be made where no broker is configured."""
    ended = product.run("consumers", "migrate", CONSUMERS_BOOTSTRAP_SERVERS="")

    assert ended.returncode == 0, ended.stderr


def test_migrate_without_a_database_is_one_line(nothing: Product) -> None:
    """When nobody answers at the database's address: 1, one line, no secret."""
    ended = nothing.run("consumers", "migrate")

    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "sesame" not in ended.stderr


def test_a_slow_request_is_warned_of(nothing: Product) -> None:
    """A request beyond CONSUMERS_SLOW_REQUEST is a warning with its trace id; others are none."""
    api = nothing.api(CONSUMERS_SLOW_REQUEST="0.001ms")
    usual = nothing.api(CONSUMERS_SLOW_REQUEST="10m")

    answer = get(f"{address(api)}/nowhere")
    get(f"{address(usual)}/nowhere")

    line = api.wait_for_log("request_slow")
    assert line["trace_id"] == answer.headers["x-trace-id"]
    usual.wait_for_log("request_served")
    assert "request_slow" not in {line.get("event") for line in usual.logs()}


def test_a_play_goes_the_whole_way(product: Product) -> None:
    """What the API accepts, the worker settles, and the API then shows."""
    product.migrate()
    api, worker = product.api(), product.worker()
    url = address(api)

    accepted = played(url)
    play_id = accepted.json()["play_id"]
    settled = worker.wait_for_log("play_settled", play_id=play_id)
    # The first connection to the database has three seconds, however slow the machine is.
    shown = until(lambda: unless_unavailable(f"{url}/game/plays/{play_id}"), what="the play")

    assert accepted.status_code == 202
    assert shown.json()["trace_id"] == settled["trace_id"] == accepted.headers["x-trace-id"]
    assert "lovelace" not in "".join([*api.lines(), *worker.lines()])


def get(url: str) -> httpx.Response:
    """Ask a service that may be slow."""
    return httpx.get(url, timeout=PATIENCE_SECONDS)


def played(url: str, player_id: str = "lovelace") -> httpx.Response:
    """Post a play to an API that may be slow."""
    play = PLAY | {"player_id": player_id}
    return httpx.post(f"{url}/game/slots/play", json=play, timeout=PATIENCE_SECONDS)


def unless_unavailable(url: str) -> httpx.Response | None:
    """Give the answer, unless it is that there is none now."""
    answer = get(url)
    return None if answer.status_code == 503 else answer


def test_ready_means_that_it_can_work(product: Product) -> None:
    """Both are alive at once, and ready when they have their tables and partitions."""
    urls = [address(product.api()), address(product.worker())]

    before = [until(partial(without_tables, url), what="the lack of tables") for url in urls]
    alive = [get(f"{url}/healthz").status_code for url in urls]
    product.migrate()

    assert alive == [200, 200]
    assert [response.status_code for response in before] == [503, 503]
    for url in urls:
        until(partial(unless_unavailable, f"{url}/readyz"), what=f"{url} to be ready")


def without_tables(url: str) -> httpx.Response | None:
    """Give what the service at *url* says of its readiness, once that is what it lacks."""
    answer = get(f"{url}/readyz")
    return answer if "0001_plays" in answer.json()["checks"]["database"] else None


def test_without_anything_behind_it_the_api_says_so(nothing: Product) -> None:
    """Kafka and Postgres away: alive, not ready, 503 for a play and for its result."""
    url = address(nothing.api(**PATIENT | {"CONSUMERS_PRODUCE_TIMEOUT": "500ms"}))

    ready = get(f"{url}/readyz")
    refused = played(url)
    shown = get(f"{url}/game/plays/play-1")
    alive = get(f"{url}/healthz")

    assert alive.status_code == 200
    assert ready.status_code == 503
    assert "ok" not in ready.json()["checks"].values()
    assert (refused.status_code, shown.status_code) == (503, 503)
    assert refused.json()["error"]["code"] == "kafka_unavailable"
    assert shown.json()["error"]["code"] == "database_unavailable"


@BOTH
def test_metrics_are_served(product: Product, command: str) -> None:
    """Both services show the package's metrics."""
    service = product.api() if command == "api" else product.worker()

    page = get(f"{address(service)}/metrics")

    assert page.status_code == 200
    assert "consumers_plays_accepted_total" in page.text


@BOTH
def test_sigterm_ends_it_in_order(product: Product, command: str) -> None:
    """A service that is told to stop says so last and exits with 0."""
    product.migrate()
    service = product.api() if command == "api" else product.worker()
    address(service)

    code = service.stop(PATIENCE_SECONDS)

    assert code == 0, service.tail()
    assert service.logs()[-1]["event"] == "service_stopped"


@BOTH
def test_sigterm_ends_it_when_nothing_answers(nothing: Product, command: str) -> None:
    """Kafka, Postgres and the trace receiver away: a stop still ends with 0 within its time."""
    nowhere = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
    }
    service = nothing.api(**nowhere) if command == "api" else nothing.worker(**nowhere)
    url = address(service)
    get(f"{url}/game/plays/play-1")

    assert service.stop(STOP_SECONDS) == 0, service.tail()


def test_a_request_in_work_is_finished_first(product: Product, otlp: OtlpReceiver) -> None:
    """A play whose body arrives after SIGTERM is still accepted, and its spans are sent."""
    api = product.api(
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint,
        OTEL_BSP_SCHEDULE_DELAY="60000",
        CONSUMERS_SHUTDOWN_TIMEOUT="60s",
    )
    url = address(api)

    with half_a_play(url) as (connection, body):
        os.kill(api.pid, signal.SIGTERM)
        until(lambda: not listening(url), what="the API to take no more requests")
        connection.sendall(body)
        answer = connection.makefile("rb").read().decode()
    until(lambda: api.returncode is not None, what="the API to end")

    assert answer.startswith("HTTP/1.1 202 ")
    assert api.returncode == 0, api.tail()
    trace_id = json.loads(answer.rpartition("\r\n")[2])["trace_id"]
    names = [span.name for span in otlp.spans() if span.trace_id == trace_id]
    assert sorted(names) == [
        "POST /game/slots/play",
        f"send {product.environment['CONSUMERS_TOPIC']}",
    ]


def test_the_bounds_that_are_set_hold(product: Product) -> None:
    """One request in work, two seconds for a body, one play an hour: each refused with its code."""
    bounds = {
        "CONSUMERS_MAX_REQUESTS": "1",
        "CONSUMERS_REQUEST_TIMEOUT": "4s",
        "CONSUMERS_RATE_LIMIT": "1/hour",
    }
    url = address(product.api(**bounds))

    first = until(partial(beside_another, url), what="a play to be refused beside another")
    third, fourth = until(partial(twice, url), what="two plays of one player to be answered")

    assert "body_timeout" in first
    assert (third.status_code, fourth.status_code) == (202, 429)
    assert 3000 < int(fourth.headers["retry-after"]) <= 3600


def beside_another(url: str) -> str | None:
    """Play while half a play waits; give the answer to that, unless it came too soon for the other.

    The half is given up after two seconds: a machine that is slow lets the other play pass.
    """
    with half_a_play(url) as (connection, _):
        second = played(url, player_id=uuid4().hex).json()
        first = connection.makefile("rb").read().decode()
    return first if second.get("error", {}).get("code") == "overloaded" else None


def twice(url: str) -> list[httpx.Response] | None:
    """Play twice as one player; give the answers, unless one of them took too long."""
    player_id = uuid4().hex
    answers = [played(url, player_id) for _ in range(2)]
    return None if 503 in {answer.status_code for answer in answers} else answers


@contextmanager
def half_a_play(url: str) -> Iterator[tuple[socket.socket, bytes]]:
    """Send the head of a play and wait until the service reads its body; give what is missing."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    body = json.dumps(PLAY).encode()
    head = (
        "POST /game/slots/play HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    place = (host, int(port))
    with socket.create_connection(place, timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
        yield connection, body


def listening(url: str) -> bool:
    """Tell whether somebody takes connections at *url*."""
    try:
        get(f"{url}/healthz")
    except httpx.ConnectError:
        return False
    except httpx.TransportError:  # it was just closing
        return True
    return True


def test_a_database_that_hangs_takes_nothing_else_along(
    product: Product, database: str, proxy: ProxyFactory
) -> None:
    """While three hundred reads hang on the database, probes, scrapes and plays are answered."""
    product.migrate()
    place = conninfo_to_dict(database)
    between = proxy(str(place["host"]), int(place["port"] or 5432))
    url = address(
        product.api(
            CONSUMERS_DATABASE_URL=f"postgresql://{place['user']}:{place.get('password') or ''}"
            f"@127.0.0.1:{between.port}/{place['dbname']}"
        )
    )
    until(
        lambda: get(f"{url}/game/plays/none").status_code == 404,
        what="the database",
    )
    between.delay(HANGING_SECONDS)

    # A kept connection may be closed by the server just as the next read goes out on it.
    unkept = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    with httpx.Client(timeout=120, limits=unkept) as client, ThreadPoolExecutor(300) as readers:
        reads = [readers.submit(client.get, f"{url}/game/plays/none") for _ in range(300)]
        until(lambda: any(read.done() for read in reads), what="a read that is refused")
        alive, scraped, ready = (get(f"{url}/{one}") for one in ("healthz", "metrics", "readyz"))
        accepted = played(url)
        waiting = not all(read.done() for read in reads)
        between.cut()

    assert (alive.status_code, scraped.status_code, accepted.status_code) == (200, 200, 202)
    assert ready.status_code == 503
    assert waiting
    assert {read.result().status_code for read in reads} == {503}


def test_a_second_sigterm_ends_it_at_once(product: Product) -> None:
    """While the first stop still waits for a request, a second one kills the process."""
    api = product.api(CONSUMERS_SHUTDOWN_TIMEOUT="60s")
    url = address(api)

    with half_a_play(url):
        os.kill(api.pid, signal.SIGTERM)
        until(lambda: not listening(url), what="the API to take no more requests")
        running = api.returncode is None
        os.kill(api.pid, signal.SIGTERM)
        until(lambda: api.returncode is not None, what="the API to end")

    assert running
    assert api.returncode == -signal.SIGTERM
