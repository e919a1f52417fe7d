"""Read what the services left behind: records, metrics. Plain clients, no product code."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import httpx
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping


def records(
    bootstrap_servers: str, topic: str, count: int, *, timeout: float = 20
) -> list[Message]:
    """Read the first *count* records of every partition of *topic* together, in any order."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"reader-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
        }
    )
    found: list[Message] = []

    def enough() -> bool:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            found.append(message)
        return len(found) >= count

    try:
        known = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in known])
        until(enough, timeout=timeout, every=0, what=f"{count} records of {topic}")
        return found
    finally:
        consumer.close()


def ends(bootstrap_servers: str, topic: str) -> int:
    """Count the records that *topic* has ever had."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "ends"})
    try:
        known = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return sum(
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
            for number in known
        )
    finally:
        consumer.close()


def header(message: Message, name: str) -> str | None:
    """Give the only header *name* of *message* as text; fail if there are two."""
    values = [value for key, value in message.headers() or [] if key == name]
    assert len(values) <= 1, f"{len(values)} headers {name}"
    return bytes(values[0] or b"").decode() if values else None


def samples(url: str, name: str, labels: Mapping[str, str] | None = None) -> list[float]:
    """Read the values of *name* with *labels* from the metrics page at *url*."""
    page = httpx.get(f"{url}/metrics", timeout=5).raise_for_status()
    return [
        sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
        if sample.name == name and (labels or {}).items() <= sample.labels.items()
    ]
