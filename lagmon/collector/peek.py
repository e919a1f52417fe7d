"""Look at single records, by their offset: trace id, time, size, key hash, and nothing of the rest.

Comes in: questions, bounded in number by whoever asks, and the names of headers that may be told.
Goes out: one `Peek` for each that was asked, in their order, within bounds of time and bytes; what
there was no room for is left out and can be asked again. Asking again changes nothing: a look joins
no group, commits nothing, and never hands out or logs a payload.

read_committed finds what such a consumer would get: past aborted records and those compacted away
the next one answers, under its own offset, and where only control records are left the answer is
``_PARTITION_EOF``. Behind the beginning of an open transaction it waits, and then gives up.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Asked

from lagmon.collector.answers import failure, words
from lagmon.collector.carried import allowed, trace_of
from lagmon.collector.client import configuration, kafka_log
from lagmon.readings import Peek, PeekRequest, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from confluent_kafka import Message

    from lagmon.collector.calls import Deadline
    from lagmon.configuration.settings import Cluster

PROPERTIES = {
    "group.id": "lagmon-peek",  # the client wants a name; no group is made by assign
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",  # an offset that is gone is an answer
    "enable.partition.eof": True,
    "fetch.message.max.bytes": 65536,
    "fetch.max.bytes": 1024 * 1024,
    "fetch.wait.max.ms": 100,
    "queued.min.messages": 1,
    "allow.auto.create.topics": False,
}
LOOK_SECONDS = 2.0  # cold 2 to 54 ms; an aborted transaction 1.1 s; an open one waits for ever
CYCLE_SECONDS = 3.0  # for all questions of a cycle; the next cycle must not wait for an open one
# Of records, for all questions of a cycle. A record comes whole, with the batch that it is in, so
# that one may overdraw it; a fetch brings a mebibyte or one batch.
CYCLE_BYTES = 16 * 1024 * 1024
POLL_SECONDS = 0.1
KEY_HASH_DIGITS = 16
HELD = "a transaction is open: what follows the commit is not committed yet"
WHOLE_TOPIC = -1  # the partition that librdkafka names where an error is about all of a topic


def look(
    questions: Iterable[PeekRequest],
    cluster: Cluster,
    until: Deadline,
    *,
    headers: Sequence[str] = (),
    most_bytes: int = CYCLE_BYTES,
) -> tuple[Peek, ...]:
    """Answer those of *questions* for which time and *most_bytes* suffice; tell of *headers*.

    One consumer answers for many partitions, each of them once: two questions about one partition
    take turns, as do the two kinds of isolation.
    """
    asked = tuple(dict.fromkeys(questions))
    until = until.shorter(CYCLE_SECONDS)
    todo = list(asked)
    found: dict[PeekRequest, Peek] = {}
    left = most_bytes
    while todo and until.left() and left > 0:
        turn = _turn(todo)
        one = _Look(turn, headers, left)
        one.at(cluster, until)
        found |= one.found
        left = one.bytes_left
        todo = [question for question in todo if question not in turn]
    return tuple(found[one] for one in asked if one in found)


def facts(question: PeekRequest, message: Message, headers: Sequence[str] = ()) -> Peek:
    """Describe *message*, found at or after the offset that *question* names."""
    key, value = message.key(), message.value()
    kind, milliseconds = message.timestamp()
    held = message.headers()
    trace = trace_of(held)
    return Peek(
        question,
        found_offset=message.offset(),
        timestamp=None if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds / 1000,
        size=len(key or b"") + len(value or b""),
        key_hash=None if key is None else hashlib.sha256(key).hexdigest()[:KEY_HASH_DIGITS],
        trace_id=trace.id,
        sampled=trace.sampled,
        trace_unknown=trace.unknown,
        headers=allowed(held, headers),
    )


class _Look:
    """One consumer's turn: `found` has what it answered, about one partition each.

    What it had no bytes left for is missing from it; what did not come in time has its error.
    """

    def __init__(self, turn: list[PeekRequest], headers: Sequence[str], most_bytes: int) -> None:
        self.found: dict[PeekRequest, Peek] = {}
        self.bytes_left = most_bytes
        self._isolation = turn[0].isolation
        self._waiting = {one.at: one for one in turn}
        self._headers = headers
        self._heard = f"_TIMED_OUT: no record came within {LOOK_SECONDS:g} s"

    def at(self, cluster: Cluster, until: Deadline) -> None:
        """Ask *cluster*."""
        try:
            # A new one each time: a consumer that is reused can pause for a second.
            consumer = Consumer(self._properties(cluster), logger=kafka_log(cluster))
            try:
                self._read(consumer, until.shorter(LOOK_SECONDS))
            finally:
                consumer.close()
        except KafkaException as error:
            self._heard = failure(error).words
        if self.bytes_left > 0:
            self.found |= {one: Peek(one, error=self._heard) for one in self._waiting.values()}

    def _properties(self, cluster: Cluster) -> dict[str, Any]:
        isolation = {"isolation.level": self._isolation.value}
        return {**configuration(cluster), **PROPERTIES, **isolation}

    def _read(self, consumer: Consumer, until: Deadline) -> None:
        """Read until nothing is waited for, or the time or the bytes are over."""
        consumer.assign(
            [Asked(at.topic, at.partition, one.offset) for at, one in self._waiting.items()]
        )
        while self._waiting and until.left() and self.bytes_left > 0:
            message = consumer.poll(until.left(POLL_SECONDS))
            if message is None:
                continue
            if error := message.error():
                self._hear(error, message, consumer)
            elif (at := _at(message)) in self._waiting:
                question = self._waiting.pop(at)
                peek = self.found[question] = facts(question, message, self._headers)
                self.bytes_left -= peek.size or 0
                consumer.pause([Asked(at.topic, at.partition)])

    def _hear(self, error: KafkaError, message: Message, consumer: Consumer) -> None:
        """Give *error* to the partitions that it is about, or, about none, to all that get none."""
        topic, partition = message.topic(), message.partition()
        told = HELD if _is_held(error, message, consumer) else words(error)
        if topic is None:
            self._heard = told
        for at in [one for one in self._waiting if one.topic == topic]:
            if partition in {at.partition, WHOLE_TOPIC}:
                question = self._waiting.pop(at)
                self.found[question] = Peek(question, error=told)


def _turn(todo: list[PeekRequest]) -> list[PeekRequest]:
    """Choose from *todo* what one consumer can answer."""
    of_one_kind = [one for one in todo if one.isolation is todo[0].isolation]
    return list({one.at: one for one in reversed(of_one_kind)}.values())


def _is_held(error: KafkaError, message: Message, consumer: Consumer) -> bool:
    """Tell whether what looks like the end is where an open transaction begins.

    At the last stable offset a read_committed consumer is told that the partition ends, though the
    transaction's records lie behind it.
    """
    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
        return False
    at, offset = _at(message), message.offset()
    _, high = consumer.get_watermark_offsets(Asked(at.topic, at.partition), cached=True)
    return offset is not None and offset < high


def _at(message: Message) -> TopicPartition:
    # A record has both; only the client's own events have neither.
    return TopicPartition(message.topic() or "", message.partition() or 0)
