"""Records that were deleted before the group came to them, on a real broker: none goes unsaid."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from structlog.testing import capture_logs

from consumers.errors import Fatal
from tests.infra.wait import until
from tests.integration.workers import Worker, committed, working, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import EventDict

    from consumers.types import Record
    from tests.infra.kafka import KafkaBroker

LOST = "consumers_records_lost_total"
EAGER = {"partition.assignment.strategy": "range"}


@pytest.fixture(autouse=True)
def dlq(kafka: KafkaBroker, topic: str) -> Iterator[None]:
    """Make the dead-letter topic, without which no worker goes on."""
    kafka.create_topic(f"{topic}.dlq")
    yield
    kafka.delete_topic(f"{topic}.dlq")


def delete_up_to(kafka: KafkaBroker, topic: str, offset: int) -> None:
    """Delete the records of *topic* before *offset*, as its retention would."""
    admin = kafka.admin()
    for done in admin.delete_records([confluent_kafka.TopicPartition(topic, 0, offset)]).values():
        done.result(20)


def left_at(kafka: KafkaBroker, topic: str, kept: int, **changed: Any) -> None:
    """Let the group handle two records, write until there are eight, keep the last *kept*."""
    write(kafka, topic, "0", "1")
    with working(kafka, topic, lambda _: None, **changed):
        until(lambda: committed(kafka, topic) == {0: 2}, timeout=60, what="the commit")
    write(kafka, topic, *(str(number) for number in range(2, 8)))
    delete_up_to(kafka, topic, 8 - kept)


def told(logged: list[EventDict], event: str = "records_lost") -> list[EventDict]:
    """Give the lines of the log that say *event*."""
    return [line for line in logged if line["event"] == event]


@pytest.mark.parametrize(
    "changed",
    [{}, {"group_protocol": "consumer"}, {"client": EAGER}],
    ids=["cooperative", "consumer", "eager"],
)
def test_records_that_retention_took_are_counted_and_named(
    kafka: KafkaBroker, topic: str, changed: dict[str, Any]
) -> None:
    """The group goes on at the oldest record there is, and says which it will never see."""
    left_at(kafka, topic, 2, **changed)
    handled: list[bytes | None] = []

    with capture_logs() as logged:
        worker = Worker(kafka, topic, lambda one: handled.append(one.value), **changed)
        until(lambda: committed(kafka, topic) == {0: 8}, timeout=60, what="the commit")
        worker.ended()

    assert handled == [b"6", b"7"]
    assert worker.count(LOST) == 4
    (line,) = told(logged)
    expected = {"log_level": "error", "topic": topic, "partition": 0, "records": 4, "begins": 6}
    assert line.items() >= {**expected, "first": 2, "last": 5}.items()


def test_what_latest_skips_is_lost_too(kafka: KafkaBroker, topic: str) -> None:
    """With offset_reset=latest the records that are still there are named along with the others."""
    left_at(kafka, topic, 2, offset_reset="earliest")

    handled: list[bytes | None] = []

    with working(
        kafka, topic, lambda one: handled.append(one.value), offset_reset="latest"
    ) as worker:
        until(lambda: worker.count(LOST) == 6, timeout=60, what="the count")
        write(kafka, topic, "new")
        until(lambda: committed(kafka, topic) == {0: 9}, timeout=60, what="the commit")

    assert handled == [b"new"]
    assert worker.count(LOST) == 6


def test_error_stops_where_records_are_missing(kafka: KafkaBroker, topic: str) -> None:
    """With offset_reset=error nothing is passed over: the worker ends and nothing moves."""
    left_at(kafka, topic, 2, offset_reset="earliest")

    worker = Worker(kafka, topic, lambda _: None, offset_reset="error")
    failure = until(worker.failed, timeout=60, what="the end of the worker")
    worker.ended()

    assert isinstance(failure, Fatal)
    assert "Offset out of range" in str(failure)
    assert committed(kafka, topic) == {0: 2}


def test_a_worker_that_is_too_slow_says_what_it_lost(kafka: KafkaBroker, topic: str) -> None:
    """Retention passes a worker at work, paused for its slow handler, which then goes on."""
    go_on = threading.Event()
    handled: list[int] = []

    def handle(record: Record) -> None:
        go_on.wait(60)
        handled.append(record.offset)

    with capture_logs() as logged, working(kafka, topic, handle, slow_handler="3s") as worker:
        write(kafka, topic, "0")
        # By then it has been paused: what comes now is not fetched.
        until(lambda: told(logged, "handler_slow"), timeout=60, what="its slow handler")
        write(kafka, topic, *(str(number) for number in range(1, 6)))
        delete_up_to(kafka, topic, 4)
        go_on.set()
        until(lambda: committed(kafka, topic) == {0: 6}, timeout=60, what="the commit")

        assert worker.count(LOST) == 3

    assert handled == [0, 4, 5]


def test_a_new_group_has_lost_nothing(kafka: KafkaBroker, topic: str) -> None:
    """Where nothing was committed the policy is followed without a word."""
    write(kafka, topic, "a", "b", "c")
    delete_up_to(kafka, topic, 1)

    with capture_logs() as logged, working(kafka, topic, lambda _: None) as worker:
        until(lambda: committed(kafka, topic) == {0: 3}, timeout=60, what="the commit")
        assert worker.count(LOST) == 0

    assert told(logged) == told(logged, "partition_begun_anew") == []
