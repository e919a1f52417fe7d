"""Members of a group with names of their own, on a real broker, with either protocol."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from consumers.errors import Fatal
from tests.infra.wait import until
from tests.integration.workers import Worker, committed, working, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumers.types import Record
    from tests.infra.kafka import KafkaBroker

PROTOCOLS = pytest.mark.parametrize("protocol", ["classic", "consumer"])
PARTITIONS = 4


@pytest.fixture
def many(kafka: KafkaBroker, topic: str) -> Iterator[str]:
    """Give a topic with several partitions, and its dead-letter topic."""
    name = f"{topic}-many"
    for one, partitions in ((name, PARTITIONS), (f"{name}.dlq", 1)):
        kafka.create_topic(one, partitions)
    yield name
    for one in (name, f"{name}.dlq"):
        kafka.delete_topic(one)


def named(protocol: str, name: str) -> dict[str, Any]:
    """Give the settings of the member *name*."""
    return {"group_protocol": protocol, "instance_id": name}


def ours(worker: Worker) -> set[int]:
    """Give the partitions that *worker* owns."""
    return {one.partition for one in worker.runtime.status().assignment}


def ignore(_: Record) -> None:
    """Handle a record."""


@PROTOCOLS
def test_a_restart_under_its_name_moves_nothing(
    kafka: KafkaBroker, many: str, protocol: str
) -> None:
    """The same partitions are its own again, and the other member is never interrupted."""
    with working(kafka, many, ignore, **named(protocol, "one")) as one:
        with working(kafka, many, ignore, **named(protocol, "two")) as two:
            until(lambda: len(ours(one)) == len(ours(two)) == 2, what="two halves")
            before = ours(two)
            undisturbed = one.count("consumers_rebalances_total", event="revoked")
        with working(kafka, many, ignore, **named(protocol, "two")) as two:
            until(lambda: ours(two), what="the partitions of the restarted one")

            assert ours(two) == before
            assert one.count("consumers_rebalances_total", event="revoked") == undisturbed
            assert ours(one) == set(range(PARTITIONS)) - before


def test_waiting_for_slow_records_costs_no_membership(kafka: KafkaBroker, many: str) -> None:
    """However long a stop may take, a rebalance waits no longer than the group has patience."""
    gate, begun = threading.Event(), threading.Semaphore(0)

    def hang(_: Record) -> None:
        begun.release()
        gate.wait(90)

    # Longer than a busy machine stands still.
    impatient = {"session.timeout.ms": 16_000, "max.poll.interval.ms": 16_000}
    slow = {"lanes": PARTITIONS, "shutdown_timeout": "60s", "client": impatient}
    for partition in range(PARTITIONS):
        write(kafka, many, "a", partition=partition)
    with working(kafka, many, hang, **slow) as one:
        for _ in range(PARTITIONS):
            assert begun.acquire(timeout=60)

        with working(kafka, many, ignore) as two:
            until(lambda: len(ours(one)) == len(ours(two)) == 2, what="two halves")
            lost = one.count("consumers_rebalances_total", event="lost")
            gate.set()

    assert lost == 0
    assert one.count("consumers_rebalances_total", event="revoked") >= 1


@PROTOCOLS
def test_of_two_with_one_name_one_ends(kafka: KafkaBroker, many: str, protocol: str) -> None:
    """With the classic protocol it is the older, with the other the newer; the error is clear."""
    write(kafka, many, "a")
    older = Worker(kafka, many, ignore, **named(protocol, "one"))
    older.joined()
    newer = Worker(kafka, many, ignore, **named(protocol, "one"))
    ends, stays = (older, newer) if protocol == "classic" else (newer, older)

    try:
        until(ends.failed, what="the end of one")
        until(lambda: len(ours(stays)) == PARTITIONS, what="the other to have it all")
    finally:
        for worker in (older, newer):
            worker.ended()

    assert isinstance(ends.error, Fatal)
    assert "instance" in str(ends.error).lower()
    assert stays.error is None


@PROTOCOLS
def test_what_a_member_with_a_name_has_done_is_committed_when_it_stops(
    kafka: KafkaBroker, many: str, protocol: str
) -> None:
    """It keeps its partitions and leaves nothing of them to be done again."""
    write(kafka, many, *"abc", partition=0)
    seen: list[Record] = []

    with working(kafka, many, seen.append, **named(protocol, "one")):
        until(lambda: len(seen) == len("abc"), what="three records")

    assert committed(kafka, many) == {0: 3}
