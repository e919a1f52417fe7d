"""What the rows of the consumers benchmark run on: a broker, topics full of records, PostgreSQL.

Everything is made when a row first asks for it, and ends with the benchmark.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import harness  # noqa: F401 - first: see there
import psycopg
from confluent_kafka import Producer

from consumers.game.events import Play, encode
from consumers.game.migrate import migrate
from tests.infra.endpoint import Endpoint, Request, Response
from tests.infra.kafka import KafkaBroker
from tests.infra.otlp import decoded
from tests.infra.postgres import Postgres
from tests.infra.product import Product, address
from tests.infra.proxy import TcpProxy
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import ExitStack

WORK: Final = Path(__file__).with_name("consumers_work.py")
LIMIT_SECONDS: Final = 300
PARTITIONS: Final = 4
VALUE: Final = b"x" * 100
DELAY_SECONDS: Final = 0.005  # in each direction
WARM_UP_SECONDS: Final = 3
# Every span is sent, however far the exporter lags behind; so for both.
EXPORTING: Final = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_BSP_MAX_QUEUE_SIZE": "4000000",
    "OTEL_BSP_SCHEDULE_DELAY": "500",
}

LATENCIES: Final = """
    SELECT count(*) AS plays, percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY took)
    FROM (SELECT 1000 * extract(epoch FROM pg_xact_commit_timestamp(xmin) - accepted_at) AS took
          FROM plays WHERE accepted_at > %s) AS each_play
"""


class Bench:
    """The broker, the database and what is in them. Ended by *stack*."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._topics: dict[tuple[str, int], str] = {}

    @cached_property
    def broker(self) -> KafkaBroker:
        """A broker."""
        return self._stack.enter_context(KafkaBroker(own=True))

    @property
    def servers(self) -> str:
        """Its address."""
        return self.broker.bootstrap_servers

    @cached_property
    def server(self) -> Postgres:
        """A PostgreSQL server that notes when each transaction was committed."""
        server = self._stack.enter_context(Postgres(own=True))
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
            connection.execute("ALTER SYSTEM SET log_statement = 'none'")
        server.stop()
        server.start()
        return server

    @cached_property
    def database(self) -> str:
        """A database with the game's tables."""
        url = self.server.create_database()
        with psycopg.connect(url, autocommit=True) as connection:
            migrate(connection)
        return url

    @cached_property
    def far_database(self) -> str:
        """The same database, 5 ms away in each direction."""
        parts = urlsplit(self.database)
        proxy = TcpProxy(parts.hostname or "", parts.port or 0)
        self._stack.enter_context(proxy).delay(DELAY_SECONDS)
        user = f"{parts.username}:{parts.password}" if parts.password else parts.username
        return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{proxy.port}"))

    # ---- topics

    def records(self, *, sampled: bool, count: int) -> str:
        """Give a topic with *count* records at least, each with a trace of its own."""
        flags = "01" if sampled else "00"

        def one(number: int) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
            traceparent = f"00-{number + 1:032x}-{number + 1:016x}-{flags}"
            return b"player-%d" % (number % 1000), VALUE, [("traceparent", traceparent.encode())]

        return self._topic(f"records-{flags}", count, map(one, range(count)))

    def plays(self, count: int) -> str:
        """Give a topic with *count* plays at least, of as many players."""

        def one(number: int) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
            player = f"player-{number}"
            seed = f"{number:032x}"
            play = Play(f"play-{number:08}", player, "slots", 100, seed, int(time.time() * 1000))
            return player.encode(), encode(play), []

        return self._topic("plays", count, map(one, range(count)))

    def _topic(
        self,
        name: str,
        count: int,
        records: Iterable[tuple[bytes, bytes, list[tuple[str, bytes]]]],
    ) -> str:
        fit = [
            topic for (kind, has), topic in self._topics.items() if kind == name and has >= count
        ]
        if fit:
            return fit[0]
        topic = f"{name}-{uuid4().hex[:8]}"
        self.broker.create_topic(topic, partitions=PARTITIONS)
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 20})
        for key, value, headers in records:
            while True:
                try:
                    producer.produce(topic, value, key, headers=headers)
                except BufferError:
                    producer.poll(0.1)
                else:
                    break
        producer.flush(60)
        self._topics[name, count] = topic
        return topic

    # ---- measurements

    def noop(self, variant: str, topic: str, count: int) -> dict[str, Any]:
        """Have *variant* handle *count* records of *topic* by nothing; no span is recorded."""
        return work("noop", variant, self.servers, topic, str(count))

    def recorded(self, variant: str, topic: str, count: int) -> dict[str, Any]:
        """Do the same where every record gives a span, which is sent and arrives."""
        bodies: list[bytes] = []
        lock = threading.Lock()

        def keep(request: Request) -> Response:
            with lock:
                bodies.append(request.body)
            return Response(content_type="application/x-protobuf")

        with Endpoint(keep) as sink:
            where = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.address}
            figures = work("noop", variant, self.servers, topic, str(count), **EXPORTING, **where)
        if (spans := sum(len(decoded(body)) for body in bodies)) < count:
            raise RuntimeError(f"{variant}: {spans} spans of {count} records arrived")
        return figures

    def postgres(self, variant: str, topic: str, count: int) -> dict[str, Any]:
        """Have *count* plays of *topic* settled in the database that is far away."""
        figures = work("postgres", variant, self.servers, topic, str(count), self.far_database)
        with psycopg.connect(self.database, autocommit=True) as connection:
            [plays, totals] = connection.execute(
                "SELECT (SELECT count(*) FROM plays), (SELECT sum(plays) FROM player_totals)"
            ).fetchone() or (0, 0)
            connection.execute("TRUNCATE plays, player_totals")
        if not plays == totals >= count:
            raise RuntimeError(f"{variant}: {count} plays, {plays} written, {totals} in the totals")
        return figures

    def latency(self, rate: int, seconds: int) -> dict[str, float]:
        """Send plays to the real services; give percentiles until the commit, in ms."""
        topic = "game.slots.plays"
        for name in (topic, f"{topic}.dlq"):
            self.broker.create_topic(name, partitions=PARTITIONS)
        with Product(kafka=self.servers, database=self.database) as product:
            worker, api = product.worker(), product.api()
            at = address(api)
            worker.wait_for_log("partitions_assigned", timeout=60)
            work("load", at, str(rate), str(WARM_UP_SECONDS))
            began = time.time()
            with ThreadPoolExecutor(1) as pool:
                probed = pool.submit(work, "probe", address(worker), str(seconds))
                sent = work("load", at, str(rate), str(seconds))
            if sent["accepted"] != rate * seconds:
                raise RuntimeError(f"{sent['accepted']} accepted, else {sent['others']}")
            with psycopg.connect(self.database, autocommit=True) as connection:
                plays, (p50, p99, worst) = until(
                    lambda: settled(connection, began, rate * seconds),
                    timeout=60,
                    what="every accepted play to be committed",
                )
        return {
            "plays": plays,
            "p50_ms": float(p50),
            "p99_ms": float(p99),
            "worst_ms": float(worst),
            "request_p99_ms": sent["request_p99_ms"],
            **probed.result(),
        }


def settled(connection: psycopg.Connection, since: float, count: int) -> Any:
    """Give the latencies of the plays *since* then, once all *count* are committed."""
    row = connection.execute(LATENCIES, [datetime.fromtimestamp(since, UTC)]).fetchone()
    return row if row and row[0] >= count else None


def work(*arguments: str, **environment: str) -> dict[str, Any]:
    """Have one measurement made in a process of its own; give its figures."""
    # -P: beside the work lies consumers.py, which must not be taken for the package of its name.
    done = subprocess.run(
        [sys.executable, "-P", str(WORK), *arguments],
        env={**os.environ, "OTEL_TRACES_EXPORTER": "none", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no output"])[-1])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
