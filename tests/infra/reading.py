"""Read what services left behind: records and metrics. Plain clients, no product code."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from tests.infra import plain_http
from tests.infra.records import consume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

READ_SECONDS = 60  # for what must already be there


def records(bootstrap_servers: str, topic: str, count: int) -> list[Message]:
    """Read the first *count* records of every partition of *topic* together, in any order."""
    with reader(bootstrap_servers) as consumer:
        consumer.assign(
            [TopicPartition(topic, n, OFFSET_BEGINNING) for n in known(consumer, topic)]
        )
        return consume(consumer, count, timeout=READ_SECONDS)


def record_at(bootstrap_servers: str, topic: str, partition: int, offset: int) -> Message:
    """Read one record."""
    with reader(bootstrap_servers) as consumer:
        consumer.assign([TopicPartition(topic, partition, offset)])
        return consume(consumer, timeout=READ_SECONDS)[0]


def ends(bootstrap_servers: str, topic: str) -> int:
    """Count the records that *topic* has ever had."""
    with reader(bootstrap_servers) as consumer:
        return sum(
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=READ_SECONDS)[1]
            for number in known(consumer, topic)
        )


def committed(bootstrap_servers: str, group: str, topic: str) -> int:
    """Add up the committed offsets of *group* on *topic*."""
    with reader(bootstrap_servers, group) as consumer:
        asked = [TopicPartition(topic, number) for number in known(consumer, topic)]
        return sum(max(at.offset, 0) for at in consumer.committed(asked, timeout=READ_SECONDS))


def commit(bootstrap_servers: str, group: str, topic: str, offset: int) -> None:
    """Commit *offset* of partition 0 for *group*, as a consumer that has gone since."""
    with reader(bootstrap_servers, group) as consumer:
        consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)


@contextmanager
def reader(bootstrap_servers: str, group: str = "") -> Iterator[Consumer]:
    """Give a consumer that commits nothing by itself, and close it."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group or f"reader-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def known(consumer: Consumer, topic: str) -> list[int]:
    """List the partitions of *topic*."""
    return sorted(consumer.list_topics(topic, timeout=READ_SECONDS).topics[topic].partitions)


def header(message: Message, name: str) -> str | None:
    """Give the only header *name* of *message* as text; fail if there are two."""
    pairs = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    values = [value or b"" for key, value in pairs if key == name]
    assert len(values) <= 1, f"{len(values)} headers {name}"
    return values[0].decode() if values else None


def samples(url: str, name: str, labels: Mapping[str, str] | None = None) -> list[float]:
    """Read the values of *name* with *labels* from the metrics page at *url*."""
    page = plain_http.get(f"{url}/metrics", timeout=READ_SECONDS).raise_for_status()
    return values(page.text, name, labels)


def values(page: str, name: str, labels: Mapping[str, str] | None = None) -> list[float]:
    """Give the values of *name* with *labels* on a *page* of metrics that was read."""
    return [
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and (labels or {}).items() <= sample.labels.items()
    ]
