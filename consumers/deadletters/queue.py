"""The dead-letter queue: a record that was given up is kept whole, with where it came from and why.

The trace headers are renewed by the producer within the same trace, so that the dead letter is a
child of the try that failed. `DeadLetterQueue.send` returns once the broker has acknowledged the
record: before that its offset must not move.

A record that fills max.message.bytes has no room for more headers. Then the words of the exception
are shortened, and left out at last; key, value and the original's headers never change. Where even
that is too much the record is refused with `DeadLetterFailed`: it waits, and is kept as soon as the
topic takes larger ones.

A record may be written twice, by a worker that died or lost the partition before it could commit:
``dlq.id`` is then the same on both.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import KafkaError, KafkaException

from consumers.deadletters.envelope import MESSAGE_CHARACTERS, envelope, said
from consumers.errors import DeadLetterFailed, Fatal

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from confluent_kafka import Message, Producer

    from consumers.deadletters.topic import TopicCheck
    from consumers.kafka.lasting import LastingProducer
    from consumers.types import Headers, Record

# For the producer of dead letters. By its own default librdkafka refuses what is larger than 1 MB,
# which is less than a broker takes by default: the broker is to decide. And a letter travels alone,
# so that none is refused for the size of its neighbours.
PROPERTIES: Final[dict[str, Any]] = {"message.max.bytes": 1_000_000_000, "batch.num.messages": 1}
# Characters of the exception's message, from try to try of a letter that is too large.
SHORTER: Final = (MESSAGE_CHARACTERS, 100, 0)
POLL_SECONDS = 0.05
# librdkafka itself gives a record up after its delivery.timeout.ms; it looks once a second.
GRACE_SECONDS = 1.5

log = structlog.get_logger(__name__)


class DeadLetterQueue:
    """Writes dead letters to *topic*. See `consumers.ports.DeadLetters`.

    The *producer* is the caller's, made with `PROPERTIES`; it must give records up by itself within
    *timeout_seconds*. The *check* of the topic, if there is one, begins with the first `serve`.
    """

    def __init__(
        self,
        producer: Producer | LastingProducer,
        *,
        topic: str,
        group: str,
        timeout_seconds: float,
        check: TopicCheck | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._producer = producer
        self._topic, self._group = topic, group
        self._timeout_seconds = timeout_seconds
        self._check = check
        self._clock = clock

    def send(self, record: Record, error: BaseException, *, attempts: int) -> None:
        """Write *record* and return once the broker has acknowledged it."""
        longest = len(said(error))
        for characters in [SHORTER[0], *(shorter for shorter in SHORTER[1:] if shorter < longest)]:
            headers = envelope(
                record, error, group=self._group, attempts=attempts, characters=characters
            )
            refused = self._write(record, headers)
            if refused is None:
                return
            if refused.code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise DeadLetterFailed(f"{self._topic} did not take it: {refused.name()}")
        raise DeadLetterFailed(
            f"{self._topic} does not take letters that large, not even without the exception's"
            f" words: raise its max.message.bytes above {_size(record, headers)}; until then the"
            " record waits"
        )

    def serve(self) -> None:
        """Serve the producer's callbacks without waiting.

        Raises `Fatal` as soon as the check has found that the topic cannot keep dead letters.
        """
        self._producer.poll(0)
        if self._check is not None and (why := self._check.problem()):
            raise Fatal(why)

    def _write(self, record: Record, headers: Headers) -> KafkaError | None:
        """Write one letter and wait; give the refusal, if there was one."""
        answered = threading.Event()
        refusals: list[KafkaError] = []

        def on_delivery(refusal: KafkaError | None, _: Message) -> None:
            if refusal is not None:
                refusals.append(refusal)
            answered.set()

        try:
            self._producer.produce(
                self._topic, record.value, record.key, on_delivery=on_delivery, headers=[*headers]
            )
        except BufferError as full:
            raise DeadLetterFailed(f"{self._topic} did not take it: {full}") from full
        except KafkaException as refused:
            refusal: KafkaError = refused.args[0]
            return refusal
        self._await(answered)
        return refusals[0] if refusals else None

    def _await(self, answered: threading.Event) -> None:
        deadline = self._clock() + self._timeout_seconds + GRACE_SECONDS
        while not answered.is_set():
            if self._clock() >= deadline:
                raise DeadLetterFailed(f"{self._topic} has not acknowledged it in time")
            self._producer.poll(POLL_SECONDS)


def _size(record: Record, headers: Headers) -> int:
    """Give the bytes of a letter, and a little more: the producer adds its trace headers."""
    fields = [record.key, record.value, *(value for _, value in headers)]
    names = sum(len(name.encode()) for name, _ in headers)
    return sum(len(field) for field in fields if field) + names + 1024
