"""The benchmark of consumers: its work runs, and measures what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.infra.endpoint import Endpoint, Request, Response
from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker

FOLDER = Path(__file__).parent.parent.parent / "benchmarks"
RECORDS = 200

FILL = """
import sys
import harness
from contextlib import ExitStack
import consumers_live as live
with ExitStack() as stack:
    bench = live.Bench(stack)
    bench.broker = live.KafkaBroker()
    bench.broker.start()
    print(bench.records(sampled=True, count=int(sys.argv[1])))
    print(bench.plays(int(sys.argv[1])))
"""

MIGRATE = """
import sys
import harness
import psycopg
from consumers.game.migrate import migrate
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    migrate(connection)
"""


def run(*arguments: str, **environment: str) -> list[str]:
    """Run Python with *arguments* beside the benchmarks; give its lines."""
    done = ended(*arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def ended(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with *arguments* beside the benchmarks, to whichever end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=FOLDER,
        env={**os.environ, "OTEL_TRACES_EXPORTER": "none", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def work(*arguments: str) -> dict[str, Any]:
    """Have one measurement made, once more for as long as it asks for that; give its figures."""

    def figures() -> dict[str, Any] | None:
        done = ended("-P", str(FOLDER / "consumers_work.py"), *arguments)
        if done.returncode and "measure once more" in done.stderr:
            return None  # the broker stood still, which would be in them
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    return until(figures, timeout=100, every=0, what="a broker that keeps ahead")


@pytest.fixture(scope="module")
def topics(kafka: KafkaBroker) -> tuple[str, str]:
    """Topics with a few records more than are measured, and as many plays."""
    servers = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    *_, records, plays = run("-c", FILL, str(RECORDS * 5 // 4), **servers)
    return records, plays


@pytest.mark.parametrize("variant", ["bare", "ours", "faststream"])
def test_each_of_them_handles_the_records_and_says_what_that_took(
    variant: str, kafka: KafkaBroker, topics: tuple[str, str]
) -> None:
    """Records a second, and CPU."""
    told = work("noop", variant, kafka.bootstrap_servers, topics[0], str(RECORDS))

    assert told["rate"] > 0
    assert told["cpu_us"] > 0


def test_a_batch_settles_every_play_once(
    kafka: KafkaBroker, topics: tuple[str, str], database: str
) -> None:
    """Into the game's own tables, and into the totals of each player."""
    run("-c", MIGRATE, database)

    work("postgres", "batch", kafka.bootstrap_servers, topics[1], str(RECORDS), database)

    with psycopg.connect(database) as connection:
        [plays] = connection.execute("SELECT count(*) FROM plays").fetchone() or (0,)
        [counted] = connection.execute("SELECT sum(plays) FROM player_totals").fetchone() or (0,)
    assert plays == counted >= RECORDS


def test_probes_are_timed_each_in_its_turn() -> None:
    """Half of them came sooner than the slowest of the hundredth part, and every path was asked."""
    asked: set[str] = set()

    def answer(request: Request) -> Response:
        asked.add(request.path)
        return Response()

    with Endpoint(answer) as service:
        told = work("probe", service.address, "3")

    assert 0 < told["probe_p50_ms"] <= told["probe_p99_ms"]
    assert asked == {"/healthz", "/readyz", "/status"}


def test_a_row_that_does_not_exist_is_refused_with_those_that_do() -> None:
    """Before anything is started."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / "consumers.py")],
        env={**os.environ, "ROWS": "noop,tea"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert done.stderr == (
        "ROWS: there is no 'tea'; there are noop, recorded, postgres, memory, latency\n"
    )
