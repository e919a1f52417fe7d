"""The runtime's source on a real broker: confluent-kafka's consumer behind `consumers.ports`.

What the client library does that is easy to get wrong, and is kept right here:

- A pause survives a rebalance, so `Listener.assigned` is told after the assignment has been made
  (not from inside the callback, where it has not), and may then resume.
- A commit is never waited for: without a coordinator it is answered after most of a minute. Sent
  from inside the revoke callback it is still answered before the partitions are given up.
- A partition whose offset is no longer kept is moved on by us, and never silently, see
  `consumers.kafka.beginnings`.
- For the same reason ``close()`` may take most of a minute, and is left to a thread.
- A client that has lost every broker for good is replaced by another, which joins anew, see
  `consumers.kafka.client_log`. The old one stays in the group until its session ends, and what it
  says from then on is heard by nobody.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import confluent_kafka
import structlog
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError, KafkaException

from consumers.errors import Fatal
from consumers.kafka.beginnings import Beginnings, reporting
from consumers.types import Record, TopicPartition
from propagation import Consumer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from confluent_kafka import Message

    from consumers.kafka.client_log import ClientLog
    from consumers.ports import Listener

# Public constants of the library whose names begin with an underscore, as in librdkafka.
_END_OF_PARTITION: Final = KafkaError._PARTITION_EOF  # noqa: SLF001
_NO_STARTING_POINT: Final = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001

log = structlog.get_logger(__name__)


def record_of(message: Message) -> Record:
    """Make a record of *message*, one without an error."""
    kind, timestamp_ms = message.timestamp()
    # Of a message that came from a broker these are never None; the library's types allow for it.
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    # The library's types allow for text, as its own serializers take it.
    key: Any = message.key()
    value: Any = message.value()
    headers: Any = message.headers()
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key.encode() if isinstance(key, str) else key,
        value=value.encode() if isinstance(value, str) else value,
        headers=list(headers) if isinstance(headers, list) else [],
        timestamp_ms=None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
        message=message,
    )


class KafkaSource:
    """A member of a consumer group on *topic*. See `consumers.ports.Source`.

    *properties* are librdkafka's, see `consumers.kafka.properties`. Raises `Fatal` if they are
    wrong.
    """

    def __init__(self, properties: Mapping[str, Any], topic: str, client_log: ClientLog) -> None:
        self._topic, self._client_log = topic, client_log
        self._listener: Listener | None = None
        self._unannounced: list[TopicPartition] | None = None
        self._owned: set[TopicPartition] = set()
        self._underway: Mapping[TopicPartition, int] = {}  # a commit that is not answered
        self._beginnings = Beginnings(properties, client_log)
        self._properties = {
            **reporting(properties),
            **client_log.callbacks(),
            **client_log.listening(),
        }
        self.consumer = self._make()

    def subscribe(self, listener: Listener) -> None:
        """Join the group."""
        self._listener = listener
        self._join()

    def fetch(self, most: int, timeout_seconds: float) -> list[Record]:
        """Serve callbacks and give the next records, at *most* so many, as soon as there is one."""
        message = self.consumer.poll(timeout_seconds)
        messages = [] if message is None else [message]
        if messages and most > 1:
            # With a timeout it would wait for all of them.
            messages += self.consumer.consume(most - 1, 0)
        self._announce()
        records = [record_of(one) for one in messages if self._is_record(one)]
        if self._client_log.forlorn():
            self._renew()
        self._beginnings.begin(self.consumer)
        if fatal := self._client_log.fatal:
            raise Fatal(f"the Kafka client cannot go on: {fatal.name()}: {fatal.str()}")
        return records

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Fetch nothing more from *partitions* until they are resumed."""
        if partitions:
            self.consumer.pause(_named(partitions))

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Fetch from *partitions* again, after the last record that `fetch` gave."""
        if partitions:
            self.consumer.resume(_named(partitions))

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Send *offsets* on their way; the listener hears of it from a later `fetch`."""
        named = [confluent_kafka.TopicPartition(*at, offset) for at, offset in offsets.items()]
        self._underway = offsets
        try:
            self.consumer.commit(offsets=named, asynchronous=True)
        except KafkaException as error:
            self._answered(offsets, _words(error))

    def close(self, timeout_seconds: float) -> bool:
        """Leave the group; says whether that was done in time. The listener hears of it."""
        closing = threading.Thread(
            target=_close, args=[self.consumer], name="leave-group", daemon=True
        )
        closing.start()
        closing.join(timeout_seconds)
        return not closing.is_alive()

    @property
    def _told(self) -> Listener:
        assert self._listener is not None, "subscribe comes first"
        return self._listener

    def _announce(self) -> None:
        if self._unannounced is not None:
            partitions, self._unannounced = self._unannounced, None
            self._told.assigned(partitions)

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() == _NO_STARTING_POINT:
            self._beginnings.missing(message)
        elif error.code() != _END_OF_PARTITION:
            self._client_log.error(error)
        return False

    def _make(self) -> Consumer:
        made: list[Consumer] = []

        def committed(*answer: Any) -> None:
            if made and made[0] is self.consumer:
                self._on_commit(*answer)

        try:
            made.append(Consumer({**self._properties, "on_commit": committed}))
        except (KafkaException, ValueError, TypeError) as error:
            raise Fatal(f"the consumer cannot be made: {_words(error)}") from error
        return made[0]

    def _join(self) -> None:
        ours = self.consumer

        def while_ours(hear: Callable[[list[TopicPartition]], None]) -> Callable[..., None]:
            def heard(_: object, partitions: list[confluent_kafka.TopicPartition]) -> None:
                if ours is self.consumer:
                    hear(_names(partitions))

            return heard

        try:
            ours.subscribe(
                [self._topic],
                on_assign=while_ours(self._on_assign),
                on_revoke=while_ours(self._on_revoke),
                on_lost=while_ours(self._on_lost),
            )
        except KafkaException as error:
            raise Fatal(f"cannot subscribe to {self._topic}: {_words(error)}") from error

    def _renew(self) -> None:
        """Go on with another client; what the old one had in its hands is lost to it."""
        self._client_log.renewed()
        self._on_lost(list(self._owned))
        if self._underway:
            self._answered(self._underway, "_DESTROY")
        old, self.consumer = self.consumer, self._make()
        threading.Thread(target=_close, args=[old], name="leave-group", daemon=True).start()
        self._join()

    def _on_assign(self, partitions: list[TopicPartition]) -> None:
        self._owned.update(partitions)
        self._unannounced = [*(self._unannounced or ()), *partitions]

    def _on_revoke(self, partitions: list[TopicPartition]) -> None:
        self._announce()
        self._owned.difference_update(partitions)
        self._beginnings.forget(partitions)
        self._told.revoked(partitions)

    def _on_lost(self, partitions: list[TopicPartition]) -> None:
        self._announce()
        self._owned.difference_update(partitions)
        self._beginnings.forget(partitions)
        self._told.lost(partitions)

    def _on_commit(
        self, error: KafkaError | None, partitions: list[confluent_kafka.TopicPartition]
    ) -> None:
        answers: dict[str | None, dict[TopicPartition, int]] = {}
        for one in partitions:
            why = one.error or error
            answer = answers.setdefault(why.name() if why else None, {})
            answer[TopicPartition(one.topic, one.partition)] = one.offset
        for reason, offsets in answers.items():
            self._answered(offsets, reason)

    def _answered(self, offsets: Mapping[TopicPartition, int], error: str | None) -> None:
        self._underway = {}
        self._told.committed(offsets, error)


def _close(consumer: Consumer) -> None:
    try:
        consumer.close()
    except Exception as error:
        log.exception("group_not_left", exc_info=error)


def _names(partitions: list[confluent_kafka.TopicPartition]) -> list[TopicPartition]:
    return [TopicPartition(one.topic, one.partition) for one in partitions]


def _named(partitions: Collection[TopicPartition]) -> list[confluent_kafka.TopicPartition]:
    return [confluent_kafka.TopicPartition(*at) for at in partitions]


def _words(error: Exception) -> str:
    """Say what *error* is in the client's own words."""
    cause = error.args[0] if error.args else error
    return f"{cause.name()}: {cause.str()}" if isinstance(cause, KafkaError) else str(error)
