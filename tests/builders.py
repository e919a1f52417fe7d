"""Data for tests, with defaults for everything that a test does not speak about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.kafka.source import record_of
from propagation.testing import message

if TYPE_CHECKING:
    from consumers.types import Record

TOPIC = "plays"


def record(
    offset: int = 0,
    *,
    topic: str = TOPIC,
    partition: int = 0,
    key: bytes | None = b"player",
    value: bytes | None = b"{}",
    headers: list[tuple[str, bytes | None]] | None = None,
    timestamp: int | None = 1_700_000_000_000,
) -> Record:
    """Make a record as the consumer gives it. *timestamp* is in milliseconds."""
    return record_of(
        message(
            topic=topic,
            partition=partition,
            offset=offset,
            key=key,
            value=value,
            headers=headers or [],
            timestamp=timestamp,
        )
    )
