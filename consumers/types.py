"""The nouns of the runtime: a partition, a record, a record that is being tried.

Values only: nothing here talks to Kafka, reads a clock or decides. What is made once for a message
is plain slots (0.12 µs against 0.42 µs for a frozen dataclass); treat a `Record` as read-only all
the same, because the dead-letter queue sends on exactly what was received.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from confluent_kafka import Message

Headers = list[tuple[str, bytes | None]]


class TopicPartition(NamedTuple):
    """The name of one partition."""

    topic: str
    partition: int


class Outcome(StrEnum):
    """How one try of a record ended. Only the first two let its offset move."""

    DONE = "done"
    DEAD_LETTER = "dead_letter"
    RETRY = "retry"
    WAIT = "wait"
    FATAL = "fatal"


class Record:
    """One record as the broker gave it.

    *key* and *value* are ``None`` when the producer set none (a tombstone has no value). *headers*
    keep order and duplicates. *timestamp_ms* is the record's own, in milliseconds since the epoch,
    ``None`` if it has none. *message* is the client library's object behind it: the trace context
    is read from there.
    """

    __slots__ = (
        "headers",
        "key",
        "message",
        "offset",
        "partition",
        "timestamp_ms",
        "topic",
        "value",
    )

    def __init__(
        self,
        *,
        topic: str,
        partition: int,
        offset: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        timestamp_ms: int | None,
        message: Message,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.key = key
        self.value = value
        self.headers = headers
        self.timestamp_ms = timestamp_ms
        self.message = message

    @property
    def at(self) -> TopicPartition:
        """Name the partition that the record lies in."""
        return TopicPartition(self.topic, self.partition)

    def __repr__(self) -> str:
        # Never the payload: its size is unknown and its content is not ours to print.
        return f"<Record {self.topic}[{self.partition}]@{self.offset}>"


class Attempt:
    """A record on its way through the handler.

    *spent* counts the failures that used up a try; waiting for a dependency does not. *failures*
    counts both kinds, which is what the backoff grows by. *dropped* is set when the partition was
    taken away: whatever becomes of the attempt then no longer counts.
    """

    __slots__ = ("dropped", "failures", "record", "spent")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.spent = 0
        self.failures = 0
        self.dropped = False

    def __repr__(self) -> str:
        return f"<Attempt {self.spent + 1} of {self.record!r}>"


class Ended(NamedTuple):
    """One try of *attempt* and how it ended; *error* is what the handler raised, if it did."""

    attempt: Attempt
    outcome: Outcome
    error: BaseException | None = None
