"""The dead-letter queue: a record that was given up is kept whole, with where it came from and why.

Key, value and headers are those of the original; headers that start with ``dlq.`` are added, all
UTF-8 text. The trace headers are renewed by the producer within the same trace, so that the dead
letter is a child of the try that failed. `DeadLetterQueue.send` returns once the broker has
acknowledged the record: before that its offset must not move.

A record may be written twice, by a worker that died or lost the partition before it could commit:
``dlq.id`` is then the same on both.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException

from consumers.errors import DeadLetterFailed
from propagation import forwarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import KafkaError, Message, Producer

    from consumers.types import Headers, Record

PREFIX: Final = "dlq."
# Characters of an exception's message that are kept: enough to recognise it, too few to matter
# for max.message.bytes.
MESSAGE_CHARACTERS = 1000
POLL_SECONDS = 0.05
# librdkafka itself gives a record up after its delivery.timeout.ms; it looks once a second.
GRACE_SECONDS = 1.5


def envelope(record: Record, error: BaseException, *, group: str, attempts: int) -> Headers:
    """Give the headers of the dead letter of *record*, which *error* ended after *attempts* tries.

    The original's come first, in order and with duplicates, and when it was sent first: its
    end-to-end time goes on. Those of an earlier death are left out: what they said is about another
    record, the one that was replayed.
    """
    timestamp = "" if record.timestamp_ms is None else str(record.timestamp_ms)
    kind = type(error)
    own = {
        "id": dedup_id(record, group),
        "origin.topic": record.topic,
        "origin.partition": str(record.partition),
        "origin.offset": str(record.offset),
        "origin.timestamp_ms": timestamp,
        "group": group,
        "attempts": str(attempts),
        "error.type": f"{kind.__module__}.{kind.__qualname__}",
        "error.message": str(error)[:MESSAGE_CHARACTERS],
    }
    return [
        *((n, value) for n, value in forwarded(record.message) if not n.startswith(PREFIX)),
        *((PREFIX + name, text.encode(errors="replace")) for name, text in own.items()),
    ]


def dedup_id(record: Record, group: str) -> str:
    """Name the death of *record* in *group*: the same however often it is written.

    The timestamp is part of it, because a topic that is deleted and made again counts from 0 again.
    """
    return f"{group}/{record.topic}/{record.partition}/{record.offset}/{record.timestamp_ms}"


class DeadLetterQueue:
    """Writes dead letters to *topic*. See `consumers.ports.DeadLetters`.

    The *producer* is the caller's; it must give records up by itself within *timeout_seconds*.
    """

    def __init__(
        self,
        producer: Producer,
        *,
        topic: str,
        group: str,
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._producer = producer
        self._topic, self._group = topic, group
        self._timeout_seconds = timeout_seconds
        self._clock = clock

    def send(self, record: Record, error: BaseException, *, attempts: int) -> None:
        """Write *record* and return once the broker has acknowledged it."""
        answered = threading.Event()
        failures: list[KafkaError] = []

        def on_delivery(failure: KafkaError | None, _: Message) -> None:
            if failure is not None:
                failures.append(failure)
            answered.set()

        headers = envelope(record, error, group=self._group, attempts=attempts)
        try:
            self._producer.produce(
                self._topic, record.value, record.key, on_delivery=on_delivery, headers=[*headers]
            )
        except (BufferError, KafkaException) as refused:
            raise DeadLetterFailed(f"{self._topic} did not take it: {refused}") from refused
        self._await(answered)
        if failures:
            raise DeadLetterFailed(f"{self._topic} did not take it: {failures[0].name()}")

    def serve(self) -> None:
        """Serve the producer's callbacks without waiting."""
        self._producer.poll(0)

    def _await(self, answered: threading.Event) -> None:
        deadline = self._clock() + self._timeout_seconds + GRACE_SECONDS
        while not answered.is_set():
            if self._clock() >= deadline:
                raise DeadLetterFailed(f"{self._topic} has not acknowledged it in time")
            self._producer.poll(POLL_SECONDS)
