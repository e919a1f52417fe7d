"""``consumers run`` as it is typed: any kind of handler, on a real broker."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.infra import plain_http
from tests.infra.ports import free_port
from tests.infra.product import Product, address
from tests.infra.wait import until
from tests.integration.workers import committed, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.infra.kafka import KafkaBroker
    from tests.infra.process import Service

PAGE = Path(__file__).parents[2] / "docs/reference/consumers-breaker.md"
START = """
import asyncio
from collections.abc import Sequence

import structlog

from consumers import Poison, Record

log = structlog.get_logger()
"""
ONE = """
def handle(record: Record) -> None:
    log.info("handled", value=record.value.decode())
"""
AWAITED = """
async def handle(record: Record) -> None:
    await asyncio.sleep(0)
    log.info("handled", value=record.value.decode())
"""
SEVERAL = """
def pay(records: Sequence[Record]) -> None:
    for record in records:
        log.info("handled", value=record.value.decode())
"""
SEVERAL_AWAITED = """
async def handle_batch(records):
    await asyncio.sleep(0)
    for record in records:
        log.info("handled", value=record.value.decode())
"""
OBJECT = """
class Ledger:
    def open(self):
        log.info("opened")

    def handle(self, record: Record) -> None:
        log.info("handled", value=record.value.decode())

    def close(self):
        log.info("closed")
"""
# What asyncio makes belongs to the loop that it is first used in.
OBJECT_AWAITED = """
class Ledger:
    async def open(self):
        self.loop = asyncio.get_running_loop()
        log.info("opened")

    async def handle(self, record: Record) -> None:
        assert asyncio.get_running_loop() is self.loop
        log.info("handled", value=record.value.decode())

    async def close(self):
        assert asyncio.get_running_loop() is self.loop
        log.info("closed")
"""
# A client of somebody's own, which is called from the tasks of a group: each record fails twice.
CLIENT_AWAITED = """
class ShopIsClosedError(Exception):
    pass

tries = {}

async def ask(record):
    tries[record.offset] = tries.get(record.offset, 0) + 1
    if tries[record.offset] < 3:
        raise ShopIsClosedError

async def handle(record: Record) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask(record))
    log.info("handled", value=record.value.decode())
"""
WORDS = ["one", "two", "three"]


@pytest.fixture
def product(kafka: KafkaBroker, topic: str) -> Iterator[Product]:
    """Give what starts workers on a fresh topic with three records."""
    kafka.create_topic(f"{topic}.dlq")
    write(kafka, topic, *WORDS)
    with Product(kafka=kafka.bootstrap_servers) as product:
        del product.environment["CONSUMERS_DATABASE_URL"]  # it needs none
        product.environment |= {
            "CONSUMERS_TOPIC": topic,
            "CONSUMERS_GROUP": f"group-of-{topic}",
            "CONSUMERS_OFFSET_RESET": "earliest",
        }
        yield product
    kafka.delete_topic(f"{topic}.dlq")


def handled(worker: Service) -> list[str]:
    """Give what the handler was called with so far."""
    return [str(line["value"]) for line in worker.logs() if line["event"] == "handled"]


def finished(worker: Service) -> list[str]:
    """Wait for three records, stop the worker in order, and give the events of its log."""
    until(lambda: len(handled(worker)) == len(WORDS), timeout=60, what="three records")
    assert worker.stop() == 0, worker.tail()
    assert handled(worker) == WORDS
    return [str(line["event"]) for line in worker.logs()]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (ONE, "mine:handle"),
        (AWAITED, "mine:handle"),
        (SEVERAL, "mine:pay"),
        (SEVERAL_AWAITED, "mine:handle_batch"),
    ],
)
def test_every_kind_of_function_gets_every_record(
    product: Product, kafka: KafkaBroker, topic: str, tmp_path: Path, *, text: str, place: str
) -> None:
    """Called or awaited, one record or several: each is handled once and committed."""
    (tmp_path / "mine.py").write_text(START + text)

    finished(product.handler(place, folder=tmp_path))

    assert committed(kafka, topic) == {0: len(WORDS)}


@pytest.mark.parametrize("text", [OBJECT, OBJECT_AWAITED], ids=["called", "awaited"])
def test_an_object_is_opened_first_and_closed_last(
    product: Product, tmp_path: Path, text: str
) -> None:
    """In the event loop of its records if it is awaited; the service ends only then."""
    (tmp_path / "mine.py").write_text(START + text)

    events = finished(product.handler("mine:Ledger", folder=tmp_path))

    ours = [event for event in events if event in {"opened", "handled", "closed"}]
    assert ours == ["opened", *["handled"] * len(WORDS), "closed"]
    assert events[-1] == "service_stopped"
    assert "handler_not_closed" not in events


@pytest.mark.parametrize("kind", ["", "async "], ids=["called", "awaited"])
def test_an_object_that_cannot_be_opened_ends_the_worker(
    product: Product, kafka: KafkaBroker, topic: str, tmp_path: Path, kind: str
) -> None:
    """One line says why, the code is 1, and no record was taken."""
    text = (
        "class Ledger:\n {0}def open(self): raise OSError('no disk')\n {0}def handle(self, r): ..."
    )
    (tmp_path / "mine.py").write_text(text.format(kind))

    worker = product.handler("mine:Ledger", folder=tmp_path)
    line = worker.wait_for_log("service_failed")
    until(lambda: worker.returncode is not None, what="the end")

    assert line["why"] == "the handler cannot be opened: OSError: no disk"
    assert worker.returncode == 1
    assert committed(kafka, topic) == {}


def test_an_object_that_cannot_be_closed_is_told(product: Product, tmp_path: Path) -> None:
    """The worker ends as ever, with the stack in its log: what was done is committed by then."""
    broken = OBJECT.replace('log.info("closed")', "raise OSError('no disk')")
    (tmp_path / "mine.py").write_text(START + broken)

    events = finished(product.handler("mine:Ledger", folder=tmp_path))

    assert "handler_not_closed" in events
    assert events[-1] == "service_stopped"


def test_a_group_that_begins_nowhere_is_told(product: Product, tmp_path: Path) -> None:
    """Without a setting a new group ends by 1, names the partition and how to choose."""
    (tmp_path / "mine.py").write_text(START + ONE)
    del product.environment["CONSUMERS_OFFSET_RESET"]

    worker = product.handler("mine:handle", folder=tmp_path)
    line = worker.wait_for_log("service_failed", timeout=60)
    until(lambda: worker.returncode is not None, what="the end")

    assert f"no offset to begin at in {product.environment['CONSUMERS_TOPIC']}[0]" in line["why"]
    assert "Set offset_reset to earliest" in line["why"]
    assert worker.returncode == 1
    assert handled(worker) == []


def test_an_outage_of_ones_own_client_is_waited_for(
    product: Product, kafka: KafkaBroker, topic: str, tmp_path: Path
) -> None:
    """The class that the setting names, out of a task group: nothing becomes a dead letter."""
    (tmp_path / "mine.py").write_text(START + CLIENT_AWAITED)
    product.environment |= {
        "CONSUMERS_UNAVAILABLE": "mine.ShopIsClosedError",
        "CONSUMERS_RETRIES": "0",
        "CONSUMERS_BACKOFF_INITIAL": "50ms",
    }

    events = finished(product.handler("mine:handle", folder=tmp_path))

    assert events.count("dependency_unavailable") == 2 * len(WORDS)
    assert "record_dead_lettered" not in events
    assert committed(kafka, topic) == {0: len(WORDS)}


def test_a_class_that_is_none_ends_the_command(product: Product, tmp_path: Path) -> None:
    """The code is 2, before a record is taken: a typo would be learned of from dead letters."""
    (tmp_path / "mine.py").write_text(START + CLIENT_AWAITED)
    product.environment["CONSUMERS_UNAVAILABLE"] = "mine.ShopIsClosdError"

    done = product.run("consumers", "run", "mine:handle", cwd=tmp_path)

    assert done.returncode == 2
    assert "unavailable: mine.ShopIsClosdError cannot be found: AttributeError" in done.stderr


def test_what_is_no_handler_ends_the_command(product: Product) -> None:
    """The code is 2, as with any other wrong command, and the sentence is on standard error."""
    done = product.run("consumers", "run", "nowhere:handle")

    assert done.returncode == 2
    assert done.stderr.startswith("consumers: nowhere:handle: there is no module nowhere in ")


def test_probes_and_metrics_come_with_it(product: Product, tmp_path: Path) -> None:
    """A worker of one's own is ready once it has partitions, and counts its records."""
    (tmp_path / "mine.py").write_text(START + ONE)
    worker = product.handler("mine:handle", folder=tmp_path)
    url = address(worker)

    until(
        lambda: plain_http.get(f"{url}/readyz", timeout=60).status_code == 200,
        timeout=60,
        what="the worker to be ready",
    )
    until(lambda: len(handled(worker)) == len(WORDS), timeout=60, what="three records")

    checks = plain_http.get(f"{url}/readyz", timeout=60).json()["checks"]
    assert list(checks) == ["kafka"]
    assert (
        'consumers_records_total{outcome="done"} 3.0'
        in plain_http.get(f"{url}/metrics", timeout=60).text
    )
    assert {line["service"] for line in worker.logs()} == {product.environment["CONSUMERS_GROUP"]}


class Stock(BaseHTTPRequestHandler):
    """A service that takes every reservation."""

    def do_POST(self) -> None:
        """Take one."""
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_breaker_of_ones_own_is_seen(product: Product, tmp_path: Path) -> None:
    """The handler of the reference as it stands: open in probes and metrics, then closed again."""
    port = free_port()
    text = PAGE.read_text().split("## In a handler of your own")[1].split("```")[1]
    text = text.removeprefix("python\n").replace("localhost:9000", f"127.0.0.1:{port}")
    (tmp_path / "handler.py").write_text(text)
    product.environment["CONSUMERS_BACKOFF_INITIAL"] = "50ms"
    worker = product.handler("handler:handle", folder=tmp_path)
    url = address(worker)

    def seen(path: str) -> httpx.Response:
        return plain_http.get(f"{url}{path}", timeout=60)

    broken = "the breaker is open after ConnectError"
    until(
        lambda: seen("/readyz").json()["checks"] == {"kafka": "ok", "stock": broken},
        timeout=60,
        what="an open breaker",
    )
    [breaker] = seen("/status").json()["breakers"]
    assert breaker["name"] == "stock"
    assert breaker["opened_by"]["error"] == "ConnectError"
    opened = r'consumers_breaker_changes_total\{breaker="stock",state="open"\} [1-9]'
    assert re.search(opened, seen("/metrics").text)

    with ThreadingHTTPServer(("127.0.0.1", port), Stock) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            done = f"consumers_end_to_end_seconds_count {len(WORDS)}.0"
            until(lambda: done in seen("/metrics").text, timeout=60, what="every reservation")
        finally:
            server.shutdown()

    assert 'consumers_breaker_state{breaker="stock",state="closed"} 1.0' in seen("/metrics").text
    assert 'consumers_records_total{outcome="dead_letter"} 0.0' in seen("/metrics").text
    until(
        lambda: seen("/readyz").json()["checks"] == {"kafka": "ok", "stock": "ok"},
        timeout=60,
        what="a worker that is ready again",
    )
