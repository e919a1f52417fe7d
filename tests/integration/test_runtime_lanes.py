"""Lanes, awaited handlers and batches on a real broker: order per key, no loss, bounded queues."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

import confluent_kafka
import pytest

from consumers.errors import Poison, Retryable
from tests.infra.wait import until
from tests.integration.workers import Worker, committed, read, read_all, working, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumers.types import Record
    from tests.infra.kafka import KafkaBroker

PROTOCOLS = pytest.mark.parametrize("protocol", ["classic", "consumer"])


@pytest.fixture
def many(kafka: KafkaBroker, topic: str) -> Iterator[str]:
    """Give a topic of four partitions that has a dead-letter topic."""
    name = f"{topic}-many"
    for made, partitions in ((name, 4), (f"{name}.dlq", 1)):
        kafka.create_topic(made, partitions=partitions)
    yield name
    for made in (name, f"{name}.dlq"):
        kafka.delete_topic(made)


def write_keyed(kafka: KafkaBroker, topic: str, first: int, count: int, keys: int) -> set[str]:
    """Write *count* numbers from *first* on, each under one of *keys* keys; give them."""
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number in range(first, first + count):
        producer.produce(topic, str(number), key=str(number % keys))
    assert producer.flush(60) == 0
    return {str(number) for number in range(first, first + count)}


class Book:
    """What was handled: every number under its key, in the order of the ends of its tries."""

    def __init__(self) -> None:
        self.by_key: dict[str, list[int]] = defaultdict(list)
        self.in_work: set[str] = set()
        self.together = 0
        self.overlaps: list[str] = []
        self._lock = threading.Lock()

    def begin(self, one: Record) -> str:
        """Note that a record is in work."""
        key = (one.key or b"").decode()
        with self._lock:
            if key in self.in_work:
                self.overlaps.append(key)
            self.in_work.add(key)
            self.together = max(self.together, len(self.in_work))
        return key

    def end(self, key: str, one: Record) -> None:
        """Note that it was handled."""
        with self._lock:
            self.in_work.discard(key)
            self.by_key[key].append(int(one.value or b"-1"))

    def numbers(self) -> set[str]:
        """Give all that was handled."""
        with self._lock:
            return {str(number) for numbers in self.by_key.values() for number in numbers}

    def skipped(self) -> list[tuple[str, list[int]]]:
        """List the keys of which a record was handled before one that comes earlier."""
        found = []
        for key, numbers in self.by_key.items():
            first_seen = list(dict.fromkeys(numbers))
            if any(later < earlier for earlier, later in pairwise(first_seen)):
                found.append((key, numbers))
        return found


def ends(kafka: KafkaBroker, topic: str) -> dict[int, int]:
    """Give the end of each partition of *topic* that holds records."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": kafka.bootstrap_servers, "group.id": "ends"}
    )
    found = {
        n: consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, n), timeout=60)[1]
        for n in range(4)
    }
    consumer.close()
    return {partition: end for partition, end in found.items() if end}


@PROTOCOLS
def test_lanes_keep_keys_in_order_through_failures_and_rebalances(
    kafka: KafkaBroker, many: str, protocol: str
) -> None:
    """Eight lanes in each of two workers, every tenth try fails: nothing is lost or overtaken."""
    chance = random.Random(11)  # noqa: S311 - a test's dice
    books = [Book(), Book()]

    def handler_of(book: Book):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a handler
        def handle(one: Record) -> None:
            key = book.begin(one)
            threading.Event().wait(chance.random() * 0.02)
            if chance.random() < 0.1:
                book.in_work.discard(key)
                raise Retryable("not yet")
            book.end(key, one)

        return handle

    changed = {"lanes": 8, "client": {"group.protocol": protocol}, "retries": 50}
    with working(kafka, many, handler_of(books[0]), **changed) as one:
        written = write_keyed(kafka, many, 0, 400, keys=40)
        one.joined()
        with working(kafka, many, handler_of(books[1]), **changed) as other:
            other.joined()
            written |= write_keyed(kafka, many, 400, 400, keys=40)
            until(books[1].numbers, what="work for the second worker")
        until(
            lambda: books[0].numbers() | books[1].numbers() == written,
            what="every record",
        )

    for book in books:
        assert book.skipped() == []
        assert book.overlaps == []
    assert max(book.together for book in books) > 1
    assert committed(kafka, many) == ends(kafka, many)


def test_awaited_handlers_share_one_thread(kafka: KafkaBroker, many: str) -> None:
    """An async handler gets every record, several at once, and poison goes where poison goes."""
    book, threads = Book(), set[int]()

    async def handle(one: Record) -> None:
        threads.add(threading.get_ident())
        key = book.begin(one)
        await asyncio.sleep(0.02)
        book.end(key, one)
        if one.value == b"13":
            raise Poison("unlucky")

    written = write_keyed(kafka, many, 0, 100, keys=20)
    with working(kafka, many, handle, lanes=8) as worker:
        until(lambda: book.numbers() == written, what="every record")

    assert book.skipped() == []
    assert book.together > 1
    assert len(threads) == 1
    assert [letter.value() for letter in read(kafka, f"{many}.dlq")] == [b"13"]
    assert worker.count("consumers_dead_letters_total") == 1
    assert committed(kafka, many) == ends(kafka, many)


@pytest.mark.parametrize("awaited", [False, True], ids=["called", "awaited"])
def test_a_batch_with_bad_records_loses_no_good_one(
    kafka: KafkaBroker,
    many: str,
    awaited: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Batches are full, the bad records are dead letters, everything else is done once."""
    done: list[int] = []
    sizes: list[int] = []

    def handle(records: Sequence[Record]) -> None:
        numbers = [int(one.value or b"-1") for one in records]
        sizes.append(len(numbers))
        if any(number % 50 == 7 for number in numbers):
            raise Poison("unlucky")
        done.extend(numbers)

    async def handle_later(records: Sequence[Record]) -> None:
        await asyncio.sleep(0)
        handle(records)

    write_keyed(kafka, many, 0, 300, keys=20)
    with working(
        kafka, many, handle_later if awaited else handle, batch=True, batch_records=50
    ) as worker:
        until(
            lambda: len(done) + worker.count("consumers_dead_letters_total") == 300,
            what="every record",
        )

    assert sorted(done) == [number for number in range(300) if number % 50 != 7]
    assert max(sizes) > 10
    assert len(read_all(kafka, f"{many}.dlq")) == 6
    assert committed(kafka, many) == ends(kafka, many)


def test_a_full_queue_stops_fetching_and_stays_in_the_group(kafka: KafkaBroker, many: str) -> None:
    """While one key waits the queue fills to its limit and no further; then all of it is done."""
    gate = threading.Event()
    handled: list[bytes | None] = []

    def handle(one: Record) -> None:
        if not gate.is_set():
            raise Retryable("not yet")
        handled.append(one.value)

    write(kafka, many, *(str(n) for n in range(500)), key="one")
    changed = {"lanes": 2, "retries": 100, "max_queued_records": 50}
    with working(kafka, many, handle, **changed) as worker:
        until(lambda: worker.runtime.status().full, what="a full queue")
        assert worker.count("consumers_in_flight_records") == 50
        assert worker.runtime.unassigned() is None

        gate.set()
        until(lambda: len(handled) == 500, what="every record")

    assert handled == [str(n).encode() for n in range(500)]
    assert committed(kafka, many) == ends(kafka, many)


def test_stopping_with_many_lanes_commits_what_is_done_and_no_more(
    kafka: KafkaBroker, many: str
) -> None:
    """One lane hangs: the stop is in time, and its record is the first the next worker gets."""
    begun = threading.Event()
    hang = threading.Event()
    done: list[bytes | None] = []

    def handle(one: Record) -> None:
        if one.value == b"3":
            begun.set()
            hang.wait(90)
        done.append(one.value)

    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number in range(10):
        producer.produce(many, str(number), key=str(number), partition=0)
    assert producer.flush(60) == 0
    worker = Worker(kafka, many, handle, lanes=4, shutdown_timeout="4s")
    try:
        assert begun.wait(60)
        until(lambda: len(done) == 9, what="the others")
        took = worker.ended()
    finally:
        hang.set()

    assert took < 30  # the record hangs for longer
    assert committed(kafka, many) == {0: 3}
