"""Questions and their answers as JSON objects: the ``peeks`` and ``probes`` of `recording.lines`.

Comes in: a request, an answer, or the fields of a decoded object. Goes out: the other of the two.
An answer repeats its question and leaves out what it does not know. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.fields import AMOUNTS, PARTITIONS, RECORD_TIMES
from lagmon.readings import Isolation, Peek, PeekRequest, Probe, ProbeRequest, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lagmon.fields import Fields


def peek_request_out(question: PeekRequest) -> dict[str, object]:
    """Write *question*."""
    return {
        **_at_out(question.at),
        "offset": question.offset,
        "isolation": question.isolation.value,
    }


def peek_request_in(one: Fields) -> PeekRequest:
    """Read a question; without ``isolation`` it is about committed records."""
    isolation = one.choice("isolation", Isolation, default=Isolation.READ_COMMITTED)
    return PeekRequest(_at_in(one), one.whole("offset", AMOUNTS), isolation)


def peek_out(peek: Peek) -> dict[str, object]:
    """Write what is known of *peek*."""
    answers = {
        "found_offset": peek.found_offset,
        "timestamp": peek.timestamp,
        "size": peek.size,
        "key_hash": peek.key_hash,
        "trace_id": peek.trace_id,
        "sampled": peek.sampled,
        "trace_unknown": peek.trace_unknown,
        "headers": dict(peek.headers) or None,
        "error": peek.error,
    }
    return peek_request_out(peek.question) | _known(answers)


def peek_in(one: Fields) -> Peek:
    """Read an answer."""
    headers = one.below("headers", default={})
    return Peek(
        peek_request_in(one),
        found_offset=one.maybe_whole("found_offset", AMOUNTS),
        timestamp=one.maybe_number("timestamp", RECORD_TIMES),
        size=one.maybe_whole("size", AMOUNTS),
        key_hash=one.maybe_text("key_hash"),
        trace_id=one.maybe_text("trace_id"),
        sampled=one.maybe_truth("sampled"),
        error=one.maybe_text("error"),
        trace_unknown=one.maybe_text("trace_unknown"),
        headers=tuple((name, headers.text(name)) for name in headers),
    )


def probe_request_out(question: ProbeRequest) -> dict[str, object]:
    """Write *question*."""
    return {**_at_out(question.at), "timestamp": question.timestamp}


def probe_request_in(one: Fields) -> ProbeRequest:
    """Read a question."""
    return ProbeRequest(_at_in(one), one.number("timestamp", RECORD_TIMES))


def probe_out(probe: Probe) -> dict[str, object]:
    """Write what is known of *probe*."""
    answers = {
        "offset": probe.offset,
        "record_timestamp": probe.record_timestamp,
        "error": probe.error,
    }
    return probe_request_out(probe.question) | _known(answers)


def probe_in(one: Fields) -> Probe:
    """Read an answer."""
    return Probe(
        probe_request_in(one),
        offset=one.maybe_whole("offset", AMOUNTS),
        record_timestamp=one.maybe_number("record_timestamp", RECORD_TIMES),
        error=one.maybe_text("error"),
    )


def _at_out(at: TopicPartition) -> dict[str, object]:
    return {"topic": at.topic, "partition": at.partition}


def _at_in(one: Fields) -> TopicPartition:
    return TopicPartition(one.text("topic"), one.whole("partition", PARTITIONS))


def _known(answers: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in answers.items() if value is not None}
