"""Look at single records, by their offset: trace id, time, size, key hash, and nothing of the rest.

Comes in: questions, bounded in number by whoever asks. Goes out: one `Peek` for each, in their
order. Joins no group, commits nothing, and never hands out or logs a payload.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Asked
from opentelemetry import trace

from lagmon.collector.answers import LATE, failure, words
from lagmon.collector.client import configuration, kafka_log
from lagmon.readings import Peek, PeekRequest, TopicPartition
from propagation import extract

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import Message

    from lagmon.collector.calls import Deadline
    from lagmon.settings import Cluster

PROPERTIES = {
    "group.id": "lagmon-peek",  # the client wants a name; no group is made by assign
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",  # an offset that is gone is an answer
    "enable.partition.eof": True,
    "fetch.message.max.bytes": 65536,
    "fetch.wait.max.ms": 100,
    "queued.min.messages": 1,
    "allow.auto.create.topics": False,
}
LOOK_SECONDS = 2.0  # cold 2 to 54 ms; an aborted transaction 1.1 s; an open one waits for ever
POLL_SECONDS = 0.1
KEY_HASH_DIGITS = 16


def look(questions: Iterable[PeekRequest], cluster: Cluster, until: Deadline) -> tuple[Peek, ...]:
    """Answer all of *questions* before *until*; what cannot be answered says why.

    One consumer answers for many partitions, each of them once: two questions about one partition
    take turns, as do the two kinds of isolation.
    """
    asked = tuple(questions)
    found: dict[PeekRequest, Peek] = {}
    while todo := [one for one in asked if one not in found]:
        if not until.left():
            found |= {one: Peek(one, error=LATE) for one in todo}
            break
        turn = _turn(todo)
        answers = _answers(turn, cluster, until)
        found |= {one: answers[one.at] for one in turn}
    return tuple(found[one] for one in asked)


def facts(question: PeekRequest, message: Message) -> Peek:
    """Describe *message*, found at or after the offset that *question* names."""
    key, value = message.key(), message.value()
    kind, milliseconds = message.timestamp()
    context = trace.get_current_span(extract(message.headers())).get_span_context()
    return Peek(
        question,
        found_offset=message.offset(),
        timestamp=None if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds / 1000,
        size=len(key or b"") + len(value or b""),
        key_hash=None if key is None else hashlib.sha256(key).hexdigest()[:KEY_HASH_DIGITS],
        trace_id=trace.format_trace_id(context.trace_id) if context.is_valid else None,
        sampled=context.trace_flags.sampled if context.is_valid else None,
    )


def _turn(todo: list[PeekRequest]) -> list[PeekRequest]:
    """Choose from *todo* what one consumer can answer."""
    of_one_kind = [one for one in todo if one.isolation is todo[0].isolation]
    return list({one.at: one for one in reversed(of_one_kind)}.values())


def _answers(
    turn: list[PeekRequest], cluster: Cluster, until: Deadline
) -> dict[TopicPartition, Peek]:
    try:
        # A new one each time: a consumer that is reused can pause for a second.
        consumer = Consumer(_properties(turn[0], cluster), logger=kafka_log(cluster))
        try:
            return _read(consumer, {one.at: one for one in turn}, until)
        finally:
            consumer.close()
    except KafkaException as error:
        return {one.at: Peek(one, error=failure(error).words) for one in turn}


def _properties(question: PeekRequest, cluster: Cluster) -> dict[str, Any]:
    isolation = {"isolation.level": question.isolation.value}
    return {**configuration(cluster), **PROPERTIES, **isolation}


def _read(
    consumer: Consumer, waiting: dict[TopicPartition, PeekRequest], until: Deadline
) -> dict[TopicPartition, Peek]:
    """Read until each of *waiting* has its answer or the time is over."""
    consumer.assign([Asked(at.topic, at.partition, one.offset) for at, one in waiting.items()])
    end = until.shorter(LOOK_SECONDS)
    found: dict[TopicPartition, Peek] = {}
    heard = f"_TIMED_OUT: no record came within {LOOK_SECONDS:g} s"
    while len(found) < len(waiting) and end.left():
        message = consumer.poll(end.left(POLL_SECONDS))
        if message is None:
            continue
        error, at = message.error(), _at(message)
        question = waiting.get(at) if at else None
        if at is None or question is None:
            heard = words(error) if error else heard  # about the client, not about one partition
        elif at not in found:
            found[at] = _answer(question, message, error)
            consumer.pause([Asked(at.topic, at.partition)])
    return {at: found.get(at) or Peek(one, error=heard) for at, one in waiting.items()}


def _answer(question: PeekRequest, message: Message, error: KafkaError | None) -> Peek:
    return Peek(question, error=words(error)) if error else facts(question, message)


def _at(message: Message) -> TopicPartition | None:
    topic, partition = message.topic(), message.partition()
    return None if topic is None or partition is None else TopicPartition(topic, partition)
