"""A worker whose client has lost every broker for good goes on with another, on a real broker."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from consumers.kafka.client_log import FORLORN_LOOKS
from tests.infra.wait import until
from tests.integration.workers import committed, working, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import EventDict

    from consumers.types import Record
    from tests.infra.kafka import KafkaBroker
    from tests.integration.workers import Worker

FORLORN = json.dumps({"name": "of the test's own", "rx": 0, "brokers": {}})


@pytest.fixture(autouse=True)
def dlq(kafka: KafkaBroker, topic: str) -> Iterator[None]:
    """Make the dead-letter topic, without which no worker goes on."""
    kafka.create_topic(f"{topic}.dlq")
    yield
    kafka.delete_topic(f"{topic}.dlq")


def renewed(worker: Worker, logged: list[EventDict]) -> bool:
    """Have *worker* hear that its client knows no broker, until it has made another."""
    for _ in range(FORLORN_LOOKS):
        worker.heard.statistics(FORLORN)
    return "kafka_client_renewed" in {line["event"] for line in logged}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_client_without_brokers_is_replaced(
    kafka: KafkaBroker, topic: str, protocol: str
) -> None:
    """The record in work is handled again, as after any loss; all are committed in the end."""
    handled: list[bytes | None] = []
    begun, go_on = threading.Event(), threading.Event()

    def handle(record: Record) -> None:
        if record.value == b"b":
            begun.set()
            go_on.wait(60)
        handled.append(record.value)

    changed = {"client": {"group.protocol": protocol}}
    write(kafka, topic, "a")
    with capture_logs() as logged, working(kafka, topic, handle, **changed) as worker:
        until(lambda: committed(kafka, topic) == {0: 1}, what="the first commit")
        write(kafka, topic, "b")
        assert begun.wait(60)

        until(lambda: renewed(worker, logged), what="another client")
        go_on.set()
        write(kafka, topic, "c")
        until(lambda: committed(kafka, topic) == {0: 3}, what="the last commit")
        lost = worker.count("consumers_rebalances_total", event="lost")

    assert handled == [b"a", b"b", b"b", b"c"]
    assert lost == 1
