"""Pages on data loss, replay and rollback, done as they stand: on real Kafka, Postgres, worker."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from consumers.game.events import Play, encode
from consumers.game.migrate import migrate
from propagation import Producer
from tests.docs.operator import Operator, lines
from tests.infra.product import Product, address
from tests.infra.reading import reader, samples
from tests.infra.require import need
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.alertmanager import Alertmanager
    from tests.infra.kafka import KafkaBroker

LOSS, REPLAY = "playbooks/data-loss.md", "operations/replay.md"
ROLLBACK = "operations/rollback.md"
WAIT_SECONDS = 90
TOPIC, GROUP, TIME = "game.slots.plays", "game-consumer", "2026-11-21T08:00:00.000"
PARTITIONS, PLAYERS = 2, 3

pytestmark = pytest.mark.timeout(400)  # most of it are Kafka's tools, which start for seconds
SAVED, LOST, TWICE = 30, 30, 10  # plays in the backup, after it, and read once more though saved


@pytest.fixture
def plays(kafka: KafkaBroker) -> Iterator[str]:
    """Give the name of a topic for plays, with two partitions and its dead letters."""
    name = f"operations-{uuid.uuid4().hex[:8]}"
    kafka.create_topic(name, PARTITIONS)
    kafka.create_topic(f"{name}.dlq", max_message_bytes=1_064_972)
    yield name
    kafka.delete_topic(name)
    kafka.delete_topic(f"{name}.dlq")


class Stack:
    """A worker's world: its *topic* with plays of one a second since *began*, and its tables."""

    def __init__(self, product: Product, topic: str, database: str) -> None:
        self._producer = Producer({"bootstrap.servers": product.kafka})
        self._topic, self.database = topic, database
        self.began = int(time.time()) - 3600

    def send(self, numbers: range) -> None:
        """Write the plays *numbers*, each at its second, of three players."""
        for number in numbers:
            at, player = 1000 * (self.began + number), f"player-{number % PLAYERS}"
            play = Play(f"play-{number}", player, "sevens", 100, f"{number:032x}", at)
            self._producer.produce(
                self._topic,
                encode(play),
                key=player.encode(),
                timestamp=at,
                partition=number % PARTITIONS,
            )
        assert self._producer.flush(WAIT_SECONDS) == 0

    def rows(self) -> int:
        """Count the plays that are settled, 0 where there is no table."""
        with psycopg.connect(self.database) as connection:
            try:
                found = connection.execute("select count(*) from plays").fetchone()
            except psycopg.errors.UndefinedTable:
                return 0
        return found[0] if found else 0

    def settled(self, count: int) -> None:
        """Wait until *count* plays are settled."""
        until(lambda: self.rows() == count, timeout=WAIT_SECONDS, what=f"{count} settled plays")

    def lose(self) -> None:
        """Drop the tables."""
        with psycopg.connect(self.database) as connection:
            connection.execute("drop table plays, player_totals")


def test_what_was_dropped_is_restored_and_replayed(
    kafka: KafkaBroker, plays: str, database: str, alertmanager: Alertmanager, tmp_path: Path
) -> None:
    """A dump, then new plays, then no tables: the pages' own commands bring back every play."""
    need("amtool", "install the Debian package prometheus-alertmanager")
    with Product(kafka=kafka.bootstrap_servers, database=database) as product:
        product.environment |= {"CONSUMERS_TOPIC": plays, "CONSUMERS_GROUP": f"of-{plays}"}
        stack = Stack(product, plays, database)
        when = datetime.fromtimestamp(stack.began + SAVED - TWICE, UTC)
        there = {
            TOPIC: plays,
            GROUP: f"of-{plays}",
            TIME: when.strftime("%Y-%m-%dT%H:%M:%S.000"),
            "http://localhost:9093": alertmanager.url,
        }
        on_call = Operator(product, tmp_path, there)
        product.migrate()
        on_call.types("docker compose up worker")
        stack.send(range(SAVED))
        stack.settled(SAVED)
        dump, *restore = lines(LOSS, "Restore")
        on_call.types(dump)
        stack.send(range(SAVED, SAVED + LOST))
        stack.settled(SAVED + LOST)
        stack.lose()

        for line in restore:
            on_call.types(line)
        assert stack.rows() == SAVED
        *replay, totals = lines(REPLAY, "Offsets")
        for line in replay:
            on_call.types(line)
        stack.settled(SAVED + LOST)

        assert on_call.worker
        page = address(on_call.worker)

        def outcomes() -> dict[str, list[float]]:
            return {
                result: samples(page, "consumers_plays_settled_total", {"result": result})
                for result in ("settled", "duplicate")
            }

        # A play is counted after it is committed.
        until(lambda: outcomes()["settled"] >= [LOST], timeout=WAIT_SECONDS, what="the counts")
        counted = outcomes()
        differing = on_call.types(totals)
    assert counted == {"settled": [LOST], "duplicate": [TWICE]}
    assert "(0 rows)" in differing
    assert (tmp_path / "offsets-before.txt").read_text().count(f"of-{plays}") == PARTITIONS
    silences = httpx.get(f"{alertmanager.url}/api/v2/silences", timeout=WAIT_SECONDS).json()
    assert [one["matchers"][1]["value"] for one in silences] == [f"of-{plays}"]


def test_kafka_refuses_while_a_worker_runs(kafka: KafkaBroker, plays: str, tmp_path: Path) -> None:
    """The words of the page are those with which Kafka keeps the offsets of a live group."""
    group = f"of-{plays}"
    [dry_run] = [line for line in lines(REPLAY, "Offsets") if "--dry-run" in line]
    with (
        Product(kafka=kafka.bootstrap_servers) as product,
        reader(kafka.bootstrap_servers, group) as member,
    ):
        member.subscribe([plays])
        until(
            lambda: member.poll(0.1) or member.assignment(), timeout=WAIT_SECONDS, what="a member"
        )
        on_call = Operator(
            product, tmp_path, {TOPIC: plays, GROUP: group, TIME: "2026-11-21T08:00:00.000"}
        )

        printed = on_call.types(dry_run)

    assert "Assignments can only be reset if the group" in printed


def test_tables_go_back_as_the_page_says(database: str, tmp_path: Path) -> None:
    """Saved, taken back by one revision, and seen to be there: what the page warns of is lost."""
    with psycopg.connect(database, autocommit=True) as connection:
        migrate(connection)
    with Product(kafka="localhost:9092", database=database) as product:
        on_call = Operator(product, tmp_path, {})

        *_, revision = [on_call.types(line) for line in lines(ROLLBACK, "The tables")]

    assert (tmp_path / "game.dump").stat().st_size
    assert "0001_plays" in revision
    with psycopg.connect(database) as connection:
        left = connection.execute("select * from plays").description or []
    assert "settlement_id" not in {column.name for column in left}
