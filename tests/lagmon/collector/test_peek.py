"""What a peek tells of a record, and what it keeps to itself."""

from __future__ import annotations

import hashlib

from lagmon.collector.peek import PROPERTIES, facts
from lagmon.readings import PeekRequest, TopicPartition
from propagation.testing import message

QUESTION = PeekRequest(TopicPartition("plays", 0), 7)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_record_is_described_by_facts_about_it() -> None:
    """Trace, sampled flag, time in seconds, size of key and value, and the key's hash are given."""
    header = f"00-{TRACE}-00f067aa0ba902b7-01"

    peek = facts(
        QUESTION,
        message(
            topic="plays",
            key=b"ada",
            value=b"12345",
            headers=[("traceparent", header.encode())],
            offset=7,
            timestamp=1_764_000_000_250,
        ),
    )

    assert (peek.question, peek.found_offset, peek.error) == (QUESTION, 7, None)
    assert (peek.trace_id, peek.sampled) == (TRACE, True)
    assert peek.timestamp == 1_764_000_000.25
    assert peek.size == 8
    assert peek.key_hash == hashlib.sha256(b"ada").hexdigest()[:16]


def test_a_record_without_trace_key_and_time_has_none() -> None:
    """What a record does not have is unknown, not empty."""
    peek = facts(QUESTION, message(topic="plays", value=None, offset=7))

    assert (peek.trace_id, peek.sampled, peek.key_hash, peek.timestamp) == (None,) * 4
    assert peek.size == 0


def test_a_malformed_trace_is_none() -> None:
    """A header that is no trace context is as good as none, and is said to be there."""
    peek = facts(QUESTION, message(topic="plays", headers=[("traceparent", b"00-zz")]))

    assert (peek.trace_id, peek.sampled) == (None, None)
    assert peek.trace_unknown == "no valid trace id in its header traceparent"


def test_a_trace_in_b3_is_found() -> None:
    """What a service with Zipkin's headers sends is traced as well."""
    single = [("b3", f"{TRACE}-00f067aa0ba902b7-1".encode())]

    peek = facts(QUESTION, message(topic="plays", headers=single))

    assert (peek.trace_id, peek.sampled, peek.trace_unknown) == (TRACE, True, None)


def test_headers_are_told_only_if_they_are_allowed() -> None:
    """The settings name them; no other leaves the collector, not even by name."""
    held = [("tenant", b"blue"), ("authorization", b"secret")]

    peek = facts(QUESTION, message(topic="plays", headers=held), ["tenant"])

    assert peek.headers == (("tenant", "blue"),)
    assert "secret" not in repr(peek)
    assert "authorization" not in repr(peek)


def test_an_unsampled_trace_says_so() -> None:
    """A trace that was not recorded still has its id, for the logs."""
    header = f"00-{TRACE}-00f067aa0ba902b7-00"

    peek = facts(QUESTION, message(topic="plays", headers=[("traceparent", header.encode())]))

    assert (peek.trace_id, peek.sampled) == (TRACE, False)


def test_a_compacted_record_is_told_by_the_offset_that_was_found() -> None:
    """Where the record is gone the next one answers, under its own offset."""
    assert facts(QUESTION, message(topic="plays", offset=9)).found_offset == 9


def test_no_payload_is_kept() -> None:
    """Neither value nor key can be read out of a peek."""
    peek = facts(QUESTION, message(topic="plays", key=b"secret-key", value=b"secret-value"))

    assert "secret" not in repr(peek)


def test_looking_changes_nothing() -> None:
    """A peek commits nothing, moves no offset, and creates no topic."""
    assert PROPERTIES["enable.auto.commit"] is False
    assert PROPERTIES["enable.auto.offset.store"] is False
    assert PROPERTIES["allow.auto.create.topics"] is False
    assert PROPERTIES["auto.offset.reset"] == "error"
